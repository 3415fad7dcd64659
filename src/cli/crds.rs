//! `phalanx crds`: the CustomResourceDefinitions, for `kubectl apply -f -`.

use super::output;
use clap::Args;
use std::process::ExitCode;

/// Print the CustomResourceDefinitions of PodGroup, Queue, HyperNode and ModelServing.
///
/// Install them where Volcano and Kthena have not: phalanx crds | kubectl apply -f -
#[derive(Debug, Args)]
pub(super) struct Crds {}

impl Crds {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        output::print(&crate::api::crd::crds_yaml())?;
        Ok(ExitCode::SUCCESS)
    }
}
