//! The scheduler's configuration: Phalanx's own format (`scheduler-config/*.yaml`) and Volcano's `scheduler.conf`, each
//! read from text into a [`SchedulerConfig`]. All problems of a text are reported at once, with line and remedy.
//!
//! There is deliberately no setting for topology limits, gang minima or node filters: what is hard is not configured
//! here, and a file that tries to switch such a thing off gets a warning that it stays on.

mod document;
mod native;
mod sharing;
#[cfg(test)]
mod tests;
mod volcano;

pub use sharing::SharingRules;
pub use volcano::{Action, ActionArguments, Plugin, VolcanoConfig};

use crate::cluster::Settings;
use crate::grouping::GroupingRules;
use crate::placement::PlacementRules;
use crate::scheduler::admission::AdmissionRules;
use crate::scheduler::order::WaitingTimes;
use serde::{Deserialize, Serialize};

/// Everything that can be configured about scheduling.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SchedulerConfig {
    /// Whose pods are ours, and which labels make domains.
    pub cluster: Settings,
    /// What makes one placement better than another. Its weights of resources are empty: they are below, by name.
    pub placement: PlacementRules,
    /// Weights of resources when the fill of a node or a domain is compared; none: each that is asked for counts once.
    pub resource_weights: Vec<(String, i64)>,
    /// How long gangs may wait before they go first among their equals.
    pub waiting_times: WaitingTimes,
    /// How PodGroups get from Pending to Inqueue.
    pub admission: AdmissionRules,
    /// Who makes PodGroups for pods that come without one.
    pub grouping: GroupingRules,
    /// What may be done so that a gang gets room where there is none.
    pub sharing: SharingRules,
    /// What a Volcano file said, carried for the parts of the scheduler that will use it; `None` for our own format.
    pub volcano: Option<VolcanoConfig>,
}

/// Something in a configuration that has no effect, or not the one it has upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The line, counted from 1; 0 where it is not known.
    pub line: u32,
    /// The setting, as `tiers[1].plugins[2].arguments`.
    pub path: String,
    /// What it does instead.
    pub message: String,
}

/// Something in a configuration that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The line, counted from 1; 0 where it is not known.
    pub line: u32,
    /// The setting, as `placement.packing`; empty for the whole text.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right; may be empty.
    pub remedy: String,
}

/// All that is wrong in a configuration, in the order of its lines; never empty. The text was not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// Reads a configuration of either format. A text with one of the keys `actions`, `tiers`, `configurations` or
/// `metrics` is Volcano's. Either may be the only entry of a ConfigMap's `data`. An empty text means the defaults.
pub fn load(text: &str) -> Result<(SchedulerConfig, Vec<Warning>), ConfigErrors> {
    let mut problems = document::Problems::default();
    let config = match document::parse(text, &mut problems) {
        Some(root) if volcano::claims(&root) => volcano::read(&root, &mut problems),
        Some(root) => native::read(&root, &mut problems),
        None => SchedulerConfig::default(),
    };
    problems.finish(config)
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        place(f, self.line, &self.path)?;
        f.write_str(&self.message)
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        place(f, self.line, &self.path)?;
        f.write_str(&self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index > 0 { "\n" } else { "" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

fn place(f: &mut std::fmt::Formatter<'_>, line: u32, path: &str) -> std::fmt::Result {
    if line > 0 {
        write!(f, "line {line}: ")?;
    }
    if !path.is_empty() {
        write!(f, "{path}: ")?;
    }
    Ok(())
}
