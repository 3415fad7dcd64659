//! PodDisruptionBudgets: which pods they select, and how many of those may be missing at a time.

use super::state::Cluster;
use crate::api::core::PodDisruptionBudget;
use crate::api::meta::LabelSelector;
use serde_json::Value;

/// What is kept of a budget.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetRecord {
    /// The pods of its namespace that it is about; `None` selects none.
    pub selector: Option<LabelSelector>,
    /// How many more may go now, as its controller has counted them (`status.disruptionsAllowed`).
    pub allowed: Option<u32>,
    /// How many are to stay, for budgets that nobody has counted yet.
    pub keeps: Keeps,
}

/// How many pods a budget keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// At least so many.
    AtLeast(Count),
    /// All but so many.
    AllBut(Count),
}

/// A number of pods, or so many percent of all that the budget selects, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Pods(u32),
    /// So many percent.
    Percent(u32),
}

impl BudgetRecord {
    pub(super) fn of(budget: &PodDisruptionBudget) -> BudgetRecord {
        let spec = &budget.spec;
        BudgetRecord {
            selector: spec.selector.clone(),
            allowed: budget.status.disruptions_allowed.map(|allowed| u32::try_from(allowed).unwrap_or(0)),
            keeps: match &spec.min_available {
                Some(minimum) => Keeps::AtLeast(count(minimum)),
                None => Keeps::AllBut(spec.max_unavailable.as_ref().map_or(Count::Pods(0), count)),
            },
        }
    }

    /// How many of the selected pods may go, where so many of them are healthy; its controller's word goes first.
    pub fn allows(&self, selected: u32, healthy: u32) -> u32 {
        let wanted = match self.keeps {
            Keeps::AtLeast(count) => count.of(selected),
            Keeps::AllBut(count) => selected.saturating_sub(count.of(selected)),
        };
        self.allowed.unwrap_or(healthy.saturating_sub(wanted))
    }
}

impl Count {
    fn of(self, all: u32) -> u32 {
        match self {
            Count::Pods(pods) => pods,
            Count::Percent(percent) => all.saturating_mul(percent).div_ceil(100),
        }
    }
}

impl Cluster {
    pub(super) fn apply_budget(&mut self, budget: &PodDisruptionBudget) {
        let key = format!("{}/{}", budget.metadata.namespace, budget.metadata.name);
        self.put_budget(key, Some(BudgetRecord::of(budget)));
    }

    pub(super) fn remove_budget(&mut self, namespace: &str, name: &str) {
        self.put_budget(format!("{namespace}/{name}"), None);
    }
}

fn count(value: &Value) -> Count {
    if let Some(pods) = value.as_u64() {
        return Count::Pods(u32::try_from(pods).unwrap_or(u32::MAX));
    }
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')?.parse().ok());
    Count::Percent(percent.unwrap_or(100))
}
