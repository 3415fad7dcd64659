//! Where a gang goes, all of it or none of it: a search over counts in the domain tree.
//!
//! [`Placer::place`] takes a gang and a view of the cluster and returns a [`Placement`] that satisfies every hard
//! rule, or a [`Shortfall`] that says how far it got. It never says that a gang cannot be placed unless a bound or an
//! exhausted search proves it ([`Proof`]). Same input, same bytes: integers and total orders only.

pub mod outcome;
pub mod request;
pub mod rules;

pub use outcome::{Assignment, Outcome, Placement, Proof, Remedy, Shortfall, TierFit};
pub use request::{GangRequest, Member, Placed, Policy, RoleMinimum, Subgroup, TierRule};
pub use rules::{CostTerm, Packing, PlacementRules};

/// The solver.
#[derive(Debug, Default)]
pub struct Placer {}

impl Placer {
    /// Where the gang goes.
    pub fn place(
        &mut self,
        _view: crate::cluster::View<'_>,
        _request: &GangRequest,
        _rules: &PlacementRules,
    ) -> Outcome {
        Outcome::Short(Shortfall::default())
    }
}
