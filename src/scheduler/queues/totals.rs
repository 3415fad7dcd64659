//! What the nodes that are ready have to give, summed up; a node that changes costs its own amounts.

use crate::cluster::Cluster;
use crate::cluster::ids::{NodeId, ResourceId};
use crate::sharing::Amounts;

/// Sums over nodes.
#[derive(Debug, Default)]
pub(super) struct Totals {
    all: Amounts,
    /// What each node adds to the sum.
    by_node: Vec<Vec<(ResourceId, i64)>>,
    /// How far the log of changed nodes was read.
    position: u64,
}

impl Totals {
    /// The sums.
    pub(super) fn all(&self) -> &Amounts {
        &self.all
    }

    /// Takes in nodes that have changed. Returns whether the sums are others.
    pub(super) fn refresh(&mut self, cluster: &Cluster) -> bool {
        let capacity = cluster.view().capacity;
        let mut changed: Vec<NodeId> = match capacity.changes_since(self.position) {
            Some(changed) if self.position > 0 => changed.to_vec(),
            _ => (0..capacity.len() as u32).map(NodeId).collect(),
        };
        self.position = capacity.position();
        changed.sort_unstable();
        changed.dedup();
        let mut is_other = false;
        for node in changed {
            if self.by_node.len() <= node.index() {
                self.by_node.resize(node.index() + 1, Vec::new());
            }
            let gives = capacity.is_present(node) && cluster.nodes().get(node).ready;
            let resources = 0..if gives { capacity.resources() as u32 } else { 0 };
            let amounts = resources.map(|index| {
                let resource = ResourceId(index);
                (resource, capacity.allocatable(node, resource))
            });
            let new: Vec<(ResourceId, i64)> = amounts.filter(|&(_, amount)| amount > 0).collect();
            if new != self.by_node[node.index()] {
                is_other = true;
                let old = std::mem::replace(&mut self.by_node[node.index()], new);
                old.into_iter().for_each(|(resource, amount)| self.all.add(resource, -amount));
                for &(resource, amount) in &self.by_node[node.index()] {
                    self.all.add(resource, amount);
                }
            }
        }
        is_other
    }
}
