//! From a loose forest to the frozen arrays: one depth-first walk, without recursion.

use super::ancestry::Ancestry;
use super::{Tier, Topology};
use crate::cluster::ids::{DomainId, NodeId};
use std::collections::BTreeMap;

/// A forest before it is frozen. Siblings appear in the order that they are to have.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) domains: Vec<DraftDomain>,
    pub(super) nodes: Vec<DraftNode>,
    /// Names of tiers; each name once.
    pub(super) tier_names: Vec<(Box<str>, Tier)>,
}

/// A domain of the draft. Its tier is below its parent's.
#[derive(Debug)]
pub(super) struct DraftDomain {
    pub(super) name: Box<str>,
    pub(super) tier: Tier,
    /// Index into [`Draft::domains`]; `None` is the root.
    pub(super) parent: Option<u32>,
}

/// A node of the draft; every id once.
#[derive(Debug)]
pub(super) struct DraftNode {
    pub(super) id: NodeId,
    /// Index into [`Draft::domains`]; `None` is the root.
    pub(super) domain: Option<u32>,
}

impl Draft {
    /// Numbers the domains depth first and lays out the nodes. Domains of a cycle are unreachable and left out with
    /// their nodes; whoever makes a draft has broken the cycles.
    pub(super) fn freeze(self) -> Topology {
        let domains = self.domains.len();
        let inner = Buckets::new(domains, self.domains.iter().map(|domain| domain.parent));
        let own = Buckets::new(domains, self.nodes.iter().map(|node| node.domain));

        let mut walk = Walk {
            order: Vec::with_capacity(self.nodes.len()),
            leaf: Vec::with_capacity(self.nodes.len()),
            ..Walk::default()
        };
        let highest = self.domains.iter().map(|domain| domain.tier).max();
        let root_tier = highest.map_or(1, |tier| tier.saturating_add(1));
        walk.enter(Topology::ROOT_NAME.into(), root_tier, Topology::ROOT, 0);
        // (draft bucket, frozen id, next child within the bucket)
        let mut stack = vec![(domains, Topology::ROOT, 0)];
        let mut names: Vec<Box<str>> = Vec::with_capacity(domains);
        let mut tiers = Vec::with_capacity(domains);
        for domain in self.domains {
            names.push(domain.name);
            tiers.push(domain.tier);
        }
        while let Some((bucket, id, next)) = stack.pop() {
            match inner.get(bucket).get(next) {
                Some(&child) => {
                    stack.push((bucket, id, next + 1));
                    let name = std::mem::take(&mut names[child as usize]);
                    let depth = stack.len() as u32;
                    let child_id = walk.enter(name, tiers[child as usize], id, depth);
                    stack.push((child as usize, child_id, 0));
                }
                None => {
                    let nodes = own.get(bucket).iter().map(|&node| self.nodes[node as usize].id);
                    walk.leave(id, nodes);
                }
            }
        }
        walk.finish(self.tier_names)
    }
}

/// Children by parent, in one allocation; the last bucket is the root's.
struct Buckets {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Buckets {
    fn new(parents: usize, items: impl Iterator<Item = Option<u32>> + Clone) -> Self {
        let bucket = |parent: Option<u32>| parent.map_or(parents, |parent| parent as usize);
        let mut starts = vec![0u32; parents + 2];
        for parent in items.clone() {
            starts[bucket(parent) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut sorted = vec![0u32; starts[parents + 1] as usize];
        for (item, parent) in items.enumerate() {
            let slot = &mut next[bucket(parent)];
            sorted[*slot as usize] = item as u32;
            *slot += 1;
        }
        Buckets { starts, items: sorted }
    }

    fn get(&self, bucket: usize) -> &[u32] {
        &self.items[self.starts[bucket] as usize..self.starts[bucket + 1] as usize]
    }
}

#[derive(Default)]
struct Walk {
    names: Vec<Box<str>>,
    tiers: Vec<Tier>,
    parents: Vec<DomainId>,
    depths: Vec<u32>,
    runs: Vec<(u32, u32)>,
    order: Vec<NodeId>,
    leaf: Vec<DomainId>,
}

impl Walk {
    fn enter(&mut self, name: Box<str>, tier: Tier, parent: DomainId, depth: u32) -> DomainId {
        let id = DomainId(self.names.len() as u32);
        debug_assert!(depth == 0 || tier < self.tiers[parent.index()], "tiers rise on the way up");
        let start = self.order.len() as u32;
        self.names.push(name);
        self.tiers.push(tier);
        self.parents.push(parent);
        self.depths.push(depth);
        self.runs.push((start, start));
        id
    }

    fn leave(&mut self, id: DomainId, nodes: impl Iterator<Item = NodeId>) {
        for node in nodes {
            self.order.push(node);
            self.leaf.push(id);
        }
        self.runs[id.index()].1 = self.order.len() as u32;
    }

    fn finish(self, mut tier_names: Vec<(Box<str>, Tier)>) -> Topology {
        let len = self.names.len();
        let below_root = (1..len).map(|at| Some(self.parents[at].0));
        let buckets = Buckets::new(len, below_root);
        let children = buckets.items.iter().map(|&item| DomainId(item + 1)).collect();
        let slots = self.order.iter().map(|node| node.index() + 1).max().unwrap_or(0);
        let mut positions = vec![u32::MAX; slots];
        for (position, node) in self.order.iter().enumerate() {
            debug_assert_eq!(positions[node.index()], u32::MAX, "a node is in the tree once");
            positions[node.index()] = position as u32;
        }
        let mut by_tier: BTreeMap<Tier, Vec<DomainId>> = BTreeMap::new();
        for at in 1..len {
            by_tier.entry(self.tiers[at]).or_default().push(DomainId(at as u32));
        }
        tier_names.sort_by(|(a_name, a), (b_name, b)| (a, a_name).cmp(&(b, b_name)));
        Topology {
            version: 0,
            names: self.names,
            tiers: self.tiers,
            depths: self.depths,
            ancestry: Ancestry::new(self.parents),
            children,
            child_starts: buckets.starts,
            runs: self.runs,
            order: self.order,
            positions,
            leaf: self.leaf,
            by_tier: by_tier.into_iter().collect(),
            tier_names,
        }
    }
}
