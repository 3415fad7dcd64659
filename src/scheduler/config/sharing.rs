//! `sharing:` in our own format: what may be done so that a gang gets room.

use serde::{Deserialize, Serialize};

/// What may be done where the cluster is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharingRules {
    /// May gangs take from other queues what those have beyond their promises?
    pub reclaim: bool,
    /// May gangs take from gangs of lower priority in their own queue?
    pub preempt: bool,
    /// May running gangs be moved, so that one fits?
    pub consolidate: bool,
    /// Are PodDisruptionBudgets a rule, rather than what is best avoided?
    pub budgets_are_hard: bool,
}

impl Default for SharingRules {
    fn default() -> Self {
        SharingRules { reclaim: true, preempt: true, consolidate: false, budgets_are_hard: true }
    }
}
