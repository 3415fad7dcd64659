//! The solver's settings, as the scheduler configuration names them. No setting can switch a hard rule off.

use crate::cluster::ids::ResourceId;
use serde::{Deserialize, Serialize};

/// Settings of the solver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementRules {
    /// Cost terms, the most important first; each appears once.
    pub order: Vec<CostTerm>,
    /// What one more domain costs, by level counted from the lowest tier: level `n` weighs `level_weight^n`.
    pub level_weight: i64,
    /// Fill nodes and domains, or spread over them.
    pub packing: Packing,
    /// Steps that an exact search may take for one gang.
    pub search_budget: u64,
    /// Weights of resources when the fill of a node or a domain is compared. Where none of the resources that a class
    /// asks for has a weight above 0, each of them counts once; the number of pods never counts.
    #[serde(skip)] // by ids, which the scheduler fills in from names
    pub resource_weights: Vec<(ResourceId, i64)>,
}

/// What makes one placement better than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CostTerm {
    /// Sum over subgroups of the tier of the innermost domain around each.
    SubgroupTier,
    /// Tier of the innermost domain around the gang.
    GangTier,
    /// Domains touched, weighted by level.
    Domains,
    /// Room left in the domains touched: the tightest fit leaves the large holes large.
    Stranded,
    /// Fill and preference of nodes.
    NodeScore,
}

impl CostTerm {
    /// The name in configuration and reports.
    pub const fn name(self) -> &'static str {
        match self {
            CostTerm::SubgroupTier => "subgroupTier",
            CostTerm::GangTier => "gangTier",
            CostTerm::Domains => "domains",
            CostTerm::Stranded => "stranded",
            CostTerm::NodeScore => "nodeScore",
        }
    }
}

/// Which of two equal domains or nodes is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Packing {
    /// The fuller one.
    #[default]
    Tight,
    /// The emptier one.
    Spread,
}

impl Default for PlacementRules {
    fn default() -> Self {
        PlacementRules {
            order: vec![
                CostTerm::SubgroupTier,
                CostTerm::GangTier,
                CostTerm::Domains,
                CostTerm::Stranded,
                CostTerm::NodeScore,
            ],
            level_weight: 10,
            packing: Packing::Tight,
            search_budget: 20_000,
            resource_weights: Vec::new(),
        }
    }
}
