//! The command line: reads files, prints, and turns answers into exit codes. One file a subcommand.
//!
//! Exit codes: 0 done; 1 not all is well (`--require-all`, or a run that does not settle); 2 bad input or usage. A
//! reader that goes away (`| head`) is success.

#[cfg(feature = "live")]
mod account;
mod crds;
#[cfg(feature = "live")]
mod explain;
#[cfg(feature = "live")]
mod found;
mod input;
#[cfg(feature = "live")]
mod journal;
mod output;
mod progress;
mod recording;
mod replay;
#[cfg(feature = "live")]
mod run;
mod simulate;
mod version;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// A Kubernetes scheduler whose unit is the gang.
#[derive(Debug, Parser)]
#[command(name = "phalanx", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Simulate(simulate::Simulate),
    #[cfg(feature = "live")]
    Run(run::Run),
    #[cfg(feature = "live")]
    Explain(explain::Explain),
    Replay(replay::Replay),
    #[cfg(feature = "live")]
    Journal(journal::Journal),
    Crds(crds::Crds),
    Version(version::Version),
}

/// Not all is well.
const NOT_WELL: u8 = 1;
/// Bad input.
const BAD_INPUT: u8 = 2;

/// Runs the command line.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(BAD_INPUT));
        }
    };
    let answer = match arguments.command {
        Command::Simulate(command) => command.run(),
        #[cfg(feature = "live")]
        Command::Run(command) => command.run(),
        #[cfg(feature = "live")]
        Command::Explain(command) => command.run(),
        Command::Replay(command) => command.run(),
        #[cfg(feature = "live")]
        Command::Journal(command) => command.run(),
        Command::Crds(command) => command.run(),
        Command::Version(command) => command.run(),
    };
    match answer {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("phalanx: {error:#}"));
            ExitCode::from(BAD_INPUT)
        }
    }
}
