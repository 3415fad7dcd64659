//! The command line as its users meet it: the real binary, its output and its exit codes.

#![allow(clippy::unwrap_used, reason = "a test may end where it is")]

mod binary;
mod dialects;
mod differences;
#[cfg(feature = "live")]
mod fields;
mod input;
#[cfg(feature = "live")]
mod journal;
mod output;
mod permissions;
mod readme;
mod reasons;
mod reference;
mod remedies;
mod replay;
mod reported;
mod sentences;
mod servings;
mod silence;
mod simulations;
mod volumes;
mod walkthrough;
mod words;
mod workloads;
mod world;
