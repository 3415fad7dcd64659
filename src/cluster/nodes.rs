//! Nodes by name: what is kept of each besides its columns in [`super::capacity::Capacity`].

use super::ids::NodeId;
use super::labels::LabelSetId;
use super::slab::Slab;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What is kept of a node.
#[derive(Clone, Debug, Default)]
pub struct NodeRecord {
    /// Does the node exist? Pods may name a node before it is seen, or after it is gone.
    pub present: bool,
    /// Is it ready? What it has counts for the shares of queues then.
    pub ready: bool,
    /// Its labels, for domains by label.
    pub labels: LabelSetId,
    /// What it has to give, as it was written, so that a heartbeat is known by comparing texts.
    pub(super) given: Box<str>,
}

/// All nodes that are there or that a pod names. The id of one that is neither may be given to another.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    records: Slab<(Arc<str>, NodeRecord)>,
    by_name: FxHashMap<Arc<str>, NodeId>,
}

impl Nodes {
    /// The id of a name, new or known.
    pub fn intern(&mut self, name: &str) -> NodeId {
        if let Some(node) = self.id(name) {
            return node;
        }
        let name: Arc<str> = name.into();
        let node = NodeId(self.records.insert((Arc::clone(&name), NodeRecord::default())));
        self.by_name.insert(name, node);
        node
    }

    /// The id of a known name.
    pub fn id(&self, name: &str) -> Option<NodeId> {
        self.by_name.get(name).copied()
    }

    /// The name behind an id.
    pub fn name(&self, node: NodeId) -> &str {
        self.records.get(node.0).map_or("", |(name, _)| name)
    }

    /// The record behind an id.
    pub fn get(&self, node: NodeId) -> &NodeRecord {
        &self.records.get(node.0).expect("nodes are known as long as they are there or a pod names them").1
    }

    /// The record behind an id, to change.
    pub(super) fn get_mut(&mut self, node: NodeId) -> &mut NodeRecord {
        &mut self.records.get_mut(node.0).expect("as above").1
    }

    /// Forgets nodes that are not there, unless they are needed.
    pub(super) fn retain(&mut self, mut is_needed: impl FnMut(NodeId) -> bool) {
        let gone =
            self.records.iter().filter(|&(place, (_, record))| !record.present && !is_needed(NodeId(place)));
        let gone: Vec<u32> = gone.map(|(place, _)| place).collect();
        for place in gone.into_iter().rev() {
            if let Some((name, _)) = self.records.remove(place) {
                self.by_name.remove(&name);
            }
        }
    }

    /// Names known, nodes that are gone included.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Is no name known?
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Nodes that exist, by id.
    pub fn present(&self) -> impl Iterator<Item = (NodeId, &str, &NodeRecord)> {
        let present = self.records.iter().filter(|(_, (_, record))| record.present);
        present.map(|(place, (name, record))| (NodeId(place), &**name, record))
    }
}
