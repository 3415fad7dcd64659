//! How good a placement is: what it costs, how little it could have cost, and how sure that is. For users who ask why a gang
//! is spread as it is, and for autoscalers that look for something better to do.

use crate::placement::{CostTerm, Placement, Proof};

/// How good the last placement of a gang was when it was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quality {
    /// [`crate::cluster::gangs::GangRecord::sequence`] of the gang.
    pub(super) gang: u64,
    /// The cost terms in the configured order.
    pub terms: Vec<Term>,
    /// Is it the best placement that there was?
    pub proof: Proof,
}

/// A cost term of a placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Which.
    pub term: CostTerm,
    /// Its value; smaller is better.
    pub cost: i64,
    /// A value that no placement of as many pods goes below, while the terms before it are the least; `None` where none is
    /// known.
    pub bound: Option<i64>,
}

impl Quality {
    pub(super) fn of(gang: u64, order: &[CostTerm], placement: &Placement) -> Self {
        let values = placement.cost.iter().zip(&placement.bound);
        let terms = order.iter().zip(values).map(|(&term, (&cost, &bound))| Term { term, cost, bound });
        Quality { gang, terms: terms.collect(), proof: placement.proof }
    }

    /// By how much the first of the terms about the network (tiers and domains) that is above its bound is above it, in
    /// percent of the bound (of 1 where that is 0), rounded up. 0: the network could not be used better.
    pub fn gap_percent(&self) -> u64 {
        let of_network = |term: &&Term| !matches!(term.term, CostTerm::Stranded | CostTerm::NodeScore);
        let gaps = self.terms.iter().filter(of_network).filter_map(|term| Some((term.cost, term.bound?)));
        let first = gaps.into_iter().find(|(cost, bound)| cost > bound);
        first
            .map_or(0, |(cost, bound)| cost.abs_diff(bound).saturating_mul(100).div_ceil(bound.max(1) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_that_of_the_first_term_of_the_network_that_has_one() {
        let gap = |terms: &[(CostTerm, i64, Option<i64>)]| {
            let terms = terms.iter().map(|&(term, cost, bound)| Term { term, cost, bound }).collect();
            Quality { gang: 0, terms, proof: Proof::Proven }.gap_percent()
        };
        use CostTerm::{Domains, GangTier, NodeScore, Stranded};
        assert_eq!(gap(&[(GangTier, 2, Some(2)), (Domains, 13, Some(12)), (Stranded, 9, Some(0))]), 9);
        assert_eq!(gap(&[(GangTier, 2, Some(0)), (Domains, 13, Some(12))]), 200);
        assert_eq!(gap(&[(GangTier, 2, Some(2)), (Stranded, 9, Some(0)), (NodeScore, 5, None)]), 0);
    }
}
