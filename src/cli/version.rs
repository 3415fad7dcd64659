//! `phalanx version`.

use super::output;
use clap::Args;
use std::process::ExitCode;

/// Print the version.
#[derive(Debug, Args)]
pub(super) struct Version {}

impl Version {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        output::print(&format!("phalanx {}\n", env!("CARGO_PKG_VERSION")))?;
        Ok(ExitCode::SUCCESS)
    }
}
