//! The binary: hands the arguments to [`phalanx::cli`] and turns its answer into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    phalanx::cli::run(std::env::args_os())
}
