//! The command line as its users meet it: the real binary, its output and its exit codes.

#![allow(clippy::unwrap_used, reason = "a test may end where it is")]

mod binary;
mod input;
mod output;
mod permissions;
mod readme;
mod remedies;
mod sentences;
mod servings;
mod simulations;
mod walkthrough;
