//! modelserving
