//! Which nodes a constraint allows: node selector, required node affinity, taints, cordon. Static with respect to
//! other pods, so one verdict per (constraint, node profile) is computed once and kept.

use super::cause::Cause;
use super::ids::{ConstraintId, NodeId};

/// Verdicts by constraint and node.
#[derive(Debug, Default)]
pub struct Eligibility {}

impl Eligibility {
    /// What excludes the node for the constraint; `None` allows it.
    pub fn cause(&self, _constraint: ConstraintId, _node: NodeId) -> Option<Cause> {
        None
    }

    /// How much the constraint would like the node: preferred node affinity minus untolerated soft taints.
    pub fn preference(&self, _constraint: ConstraintId, _node: NodeId) -> i32 {
        0
    }
}
