//! The command line as its users meet it: the real binary, its output and its exit codes.

mod binary;
mod input;
mod output;
mod simulations;
mod walkthrough;
