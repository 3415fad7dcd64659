//! Tests of the whole: a small world that applies changes, and what upstream's tables say of it.

mod chaos;
mod walkthrough;
mod world;
