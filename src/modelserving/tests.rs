//! Tests of the whole: a small world that applies changes, and what upstream's tables say of it.

mod adoption;
mod chaos;
mod gangs;
mod recovery;
mod reporting;
mod rollouts;
mod scaling;
mod walkthrough;
mod world;
