//! Free and allocatable resources of all nodes, as integer columns, with a log of which nodes changed.
//!
//! Owned by [`super::Cluster`]; indices that are derived from it (slot counts per class) keep their own position in
//! the change log and catch up when they are asked, so that taking in a change costs O(resources) however many
//! classes exist. Units: cpu in milli-cores, pods and extended resources in pieces, everything else in bytes.

use super::ids::{NodeId, ResourceId};
use std::sync::atomic::{AtomicU64, Ordering};

/// `cpu`, in milli-cores.
pub const CPU: ResourceId = ResourceId(0);
/// `memory`, in bytes.
pub const MEMORY: ResourceId = ResourceId(1);
/// `ephemeral-storage`, in bytes.
pub const EPHEMERAL_STORAGE: ResourceId = ResourceId(2);
/// `pods`, in pieces.
pub const PODS: ResourceId = ResourceId(3);
/// Names of the fixed resources, in the order of their ids; extended resources follow in order of appearance.
pub const FIXED_RESOURCES: [&str; 4] = ["cpu", "memory", "ephemeral-storage", "pods"];

/// Is it a device: a resource that a node's plugins advertise, as `nvidia.com/gpu`?
pub fn is_device(resource: &str) -> bool {
    resource.contains('/') && !resource.starts_with("kubernetes.io/")
}

/// Columns of resources by node.
#[derive(Clone, Debug, Default)]
pub struct Capacity {
    identity: Identity,
    columns: Vec<Column>,
    present: Vec<bool>,
    log: ChangeLog,
}

#[derive(Clone, Debug, Default)]
struct Column {
    allocatable: Vec<i64>,
    free: Vec<i64>,
}

/// Which nodes changed, in order; old entries are dropped in bulk.
#[derive(Clone, Debug, Default)]
struct ChangeLog {
    /// Sequence number of the first entry kept.
    first: u64,
    entries: Vec<NodeId>,
}

/// Tells the columns of one cluster from those of another that has seen as many changes. No answer depends on the number.
#[derive(Debug)]
struct Identity(u64);

impl Default for Identity {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Identity(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Clone for Identity {
    /// A copy goes its own way, so it is another one.
    fn clone(&self) -> Self {
        Identity::default()
    }
}

impl Capacity {
    /// Changes with the cluster that the columns belong to, and with nothing else.
    pub fn identity(&self) -> u64 {
        self.identity.0
    }

    /// Slots for nodes, removed ones included.
    pub fn len(&self) -> usize {
        self.present.len()
    }

    /// Is there no node slot at all?
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// Resources that have a column.
    pub fn resources(&self) -> usize {
        self.columns.len()
    }

    /// Does the node exist now?
    pub fn is_present(&self, node: NodeId) -> bool {
        self.present.get(node.index()).copied().unwrap_or(false)
    }

    /// Free amount of a resource on a node; negative where others overcommitted it, 0 for unknown resources.
    pub fn free(&self, node: NodeId, resource: ResourceId) -> i64 {
        self.columns.get(resource.index()).map_or(0, |column| column.free[node.index()])
    }

    /// Allocatable amount of a resource on a node; 0 for unknown resources.
    pub fn allocatable(&self, node: NodeId, resource: ResourceId) -> i64 {
        self.columns.get(resource.index()).map_or(0, |column| column.allocatable[node.index()])
    }

    /// Free amounts of a resource by node slot; empty for unknown resources.
    pub fn free_column(&self, resource: ResourceId) -> &[i64] {
        self.columns.get(resource.index()).map_or(&[], |column| &column.free)
    }

    /// Makes room for a resource; every node has 0 of it until told otherwise.
    pub fn add_resource(&mut self, resource: ResourceId) {
        let nodes = self.present.len();
        while self.columns.len() <= resource.index() {
            self.columns.push(Column { allocatable: vec![0; nodes], free: vec![0; nodes] });
        }
    }

    /// Makes room for a node that is only named so far; pods may hold something there already.
    pub fn add_slot(&mut self, node: NodeId) {
        let nodes = node.index() + 1;
        if self.present.len() < nodes {
            self.present.resize(nodes, false);
            for column in &mut self.columns {
                column.allocatable.resize(nodes, 0);
                column.free.resize(nodes, 0);
            }
        }
    }

    /// Adds a node (or brings a removed one back). It can hold nothing until told otherwise.
    pub fn add_node(&mut self, node: NodeId) {
        self.add_slot(node);
        self.present[node.index()] = true;
        self.touch(node);
    }

    /// Removes a node. What pods hold on it stays subtracted and counts again if the node comes back.
    pub fn remove_node(&mut self, node: NodeId) {
        self.present[node.index()] = false;
        for column in &mut self.columns {
            column.free[node.index()] -= column.allocatable[node.index()];
            column.allocatable[node.index()] = 0;
        }
        self.touch(node);
    }

    /// Sets what a node can hold in all; what is taken stays taken.
    pub fn set_allocatable(&mut self, node: NodeId, resource: ResourceId, amount: i64) {
        self.add_resource(resource);
        let column = &mut self.columns[resource.index()];
        column.free[node.index()] += amount - column.allocatable[node.index()];
        column.allocatable[node.index()] = amount;
        self.touch(node);
    }

    /// Takes the requests of one pod. Never refuses: pods of other schedulers are facts.
    pub fn take(&mut self, node: NodeId, requests: &[(ResourceId, i64)]) {
        self.change(node, requests, -1);
    }

    /// Gives the requests of one pod back.
    pub fn give(&mut self, node: NodeId, requests: &[(ResourceId, i64)]) {
        self.change(node, requests, 1);
    }

    /// Notes that something about the node changed that is not an amount (labels, taints, readiness).
    pub fn touch(&mut self, node: NodeId) {
        let keep = 4096.max(2 * self.present.len());
        if self.log.entries.len() >= 2 * keep {
            let dropped = self.log.entries.len() - keep;
            self.log.entries.drain(..dropped);
            self.log.first += dropped as u64;
        }
        self.log.entries.push(node);
    }

    /// The position after the newest change; hand it to [`Capacity::changes_since`] later.
    pub fn position(&self) -> u64 {
        self.log.first + self.log.entries.len() as u64
    }

    /// Nodes that changed since a position, oldest first, repeats included. `None`: too long ago, start over.
    pub fn changes_since(&self, position: u64) -> Option<&[NodeId]> {
        let skip = position.checked_sub(self.log.first)?;
        self.log.entries.get(skip as usize..)
    }

    fn change(&mut self, node: NodeId, requests: &[(ResourceId, i64)], sign: i64) {
        for &(resource, amount) in requests {
            if resource.index() >= self.columns.len() {
                self.add_resource(resource);
            }
            self.columns[resource.index()].free[node.index()] += sign * amount;
        }
        self.touch(node);
    }
}
