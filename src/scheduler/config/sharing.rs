//! `sharing:` in our own format: what may be done so that a gang gets room.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What may be done where the cluster is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharingRules {
    /// May gangs take from other queues what those have beyond their promises?
    pub reclaim: bool,
    /// May gangs take from gangs of lower priority in their own queue?
    pub preempt: bool,
    /// May running gangs be moved, so that one fits?
    pub consolidate: bool,
    /// After so long a gang that is promised what it asks for holds a domain; `None`: never.
    pub hold_after: Option<Duration>,
    /// Are PodDisruptionBudgets a rule, rather than what is best avoided?
    pub budgets_are_hard: bool,
}

impl Default for SharingRules {
    fn default() -> Self {
        SharingRules {
            reclaim: true,
            preempt: true,
            consolidate: false,
            hold_after: Some(Duration::from_secs(600)),
            budgets_are_hard: true,
        }
    }
}
