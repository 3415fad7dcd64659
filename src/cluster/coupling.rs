//! Constraints that depend on where other pods are: host ports, pod affinity and anti-affinity, topology spread.

use super::cause::Cause;
use super::ids::{ClassId, NodeId};

/// What is counted over all pods in the cluster.
#[derive(Debug, Default)]
pub struct Coupling {}

impl Coupling {
    /// Trial placements on top of the cluster's pods.
    pub fn trial(&self) -> Trial<'_> {
        Trial { coupling: self }
    }

    /// Can the class influence, or be influenced by, where others are? If not, counting slots is exact for it.
    pub fn concerns(&self, _class: ClassId) -> bool {
        false
    }
}

/// Placements tried on top of [`Coupling`]; the last ones are undone first.
#[derive(Debug)]
pub struct Trial<'a> {
    #[allow(dead_code)]
    coupling: &'a Coupling,
}

impl Trial<'_> {
    /// What excludes the node for one more pod of the class; `None` allows it.
    pub fn cause(&self, _class: ClassId, _node: NodeId) -> Option<Cause> {
        None
    }

    /// Places one pod of the class.
    pub fn place(&mut self, _class: ClassId, _node: NodeId) {}

    /// Takes the last placement back.
    pub fn undo(&mut self) {}
}
