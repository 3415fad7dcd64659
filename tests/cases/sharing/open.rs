//! Cases that are not right yet, each with its reason.

/// The case, and what it waits for.
pub(crate) const OPEN: [(&str, &str); 0] = [];
