//! Nodes by name: what is kept of each besides its columns in [`super::capacity::Capacity`].

use super::ids::NodeId;
use super::labels::LabelSetId;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

/// What is kept of a node.
#[derive(Clone, Debug, Default)]
pub struct NodeRecord {
    /// Does the node exist? Pods may name a node before it is seen, or after it is gone.
    pub present: bool,
    /// Its labels, for domains by label.
    pub labels: LabelSetId,
    /// What it has to give, as it was written, so that a heartbeat is known by comparing texts.
    pub(super) given: Box<str>,
}

/// All nodes ever named; ids are never reused.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    records: IndexMap<Box<str>, NodeRecord, FxBuildHasher>,
}

impl Nodes {
    /// The id of a name, new or known.
    pub fn intern(&mut self, name: &str) -> NodeId {
        match self.records.get_index_of(name) {
            Some(index) => NodeId(index as u32),
            None => NodeId(self.records.insert_full(name.into(), NodeRecord::default()).0 as u32),
        }
    }

    /// The id of a known name.
    pub fn id(&self, name: &str) -> Option<NodeId> {
        self.records.get_index_of(name).map(|index| NodeId(index as u32))
    }

    /// The name behind an id.
    pub fn name(&self, node: NodeId) -> &str {
        self.records.get_index(node.index()).map_or("", |(name, _)| name)
    }

    /// The record behind an id.
    pub fn get(&self, node: NodeId) -> &NodeRecord {
        &self.records[node.index()]
    }

    /// The record behind an id, to change.
    pub(super) fn get_mut(&mut self, node: NodeId) -> &mut NodeRecord {
        &mut self.records[node.index()]
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
        self.records
            .iter()
            .enumerate()
            .filter(|(_, (_, record))| record.present)
            .map(|(index, (name, record))| (NodeId(index as u32), &**name, record))
    }
}
