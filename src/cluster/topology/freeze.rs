//! From a loose forest to the frozen arrays: one depth-first walk, without recursion.

use super::ancestry::Ancestry;
use super::buckets::Buckets;
use super::{Tier, Topology};
use crate::cluster::ids::{DomainId, NodeId};
use fixedbitset::FixedBitSet;
use std::collections::BTreeMap;

/// A forest before it is frozen. Siblings appear in the order that they are to have.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) domains: Vec<DraftDomain>,
    pub(super) nodes: Vec<DraftNode>,
    /// Names of tiers; each name once.
    pub(super) tier_names: Vec<(Box<str>, Tier)>,
    /// Tiers that are meant to exist besides those of the domains.
    pub(super) other_tiers: Vec<Tier>,
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
    /// See [`Topology::is_in_quarantine`].
    pub(super) quarantined: bool,
}

impl Draft {
    /// Numbers the domains depth first and lays out the nodes. Domains of a cycle are unreachable and left out with
    /// their nodes; whoever makes a draft has broken the cycles.
    pub(super) fn freeze(self) -> Topology {
        let domains = self.domains.len() as u32;
        let bucket = |parent: Option<u32>| parent.unwrap_or(domains);
        let inner = self.domains.iter().map(|domain| bucket(domain.parent)).zip(0..);
        let inner = Buckets::new(domains as usize + 1, inner);
        let own = self.nodes.iter().map(|node| bucket(node.domain)).zip(0..);
        let own = Buckets::new(domains as usize + 1, own);

        let mut walk = Walk {
            order: Vec::with_capacity(self.nodes.len()),
            leaf: Vec::with_capacity(self.nodes.len()),
            ..Walk::default()
        };
        let tiers = || self.domains.iter().map(|domain| domain.tier).chain(self.other_tiers.iter().copied());
        let root_tier = tiers().max().map_or(1, |tier| tier.saturating_add(1));
        let lowest = tiers().min();
        walk.enter(Topology::ROOT_NAME.into(), root_tier, Topology::ROOT, 0);
        // (draft bucket, frozen id, next child within the bucket)
        let mut stack = vec![(domains, Topology::ROOT, 0)];
        let mut names: Vec<Box<str>> = Vec::with_capacity(domains as usize);
        let mut tiers = Vec::with_capacity(domains as usize);
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
                    stack.push((child, child_id, 0));
                }
                None => {
                    let nodes = own.get(bucket).iter().map(|&node| self.nodes[node as usize].id);
                    walk.leave(id, nodes);
                }
            }
        }
        let mut quarantined = FixedBitSet::new();
        for node in self.nodes.iter().filter(|node| node.quarantined) {
            quarantined.grow_and_insert(node.id.index());
        }
        walk.finish(self.tier_names, lowest, quarantined)
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

    fn finish(
        self,
        mut tier_names: Vec<(Box<str>, Tier)>,
        lowest: Option<Tier>,
        quarantined: FixedBitSet,
    ) -> Topology {
        let len = self.names.len();
        let by_parent = (1..len).map(|at| (self.parents[at].0, at as u32));
        let (child_starts, children) = Buckets::new(len, by_parent).into_parts();
        let children = children.into_iter().map(DomainId).collect();
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
            child_starts,
            runs: self.runs,
            order: self.order,
            positions,
            leaf: self.leaf,
            by_tier: by_tier.into_iter().collect(),
            tier_names,
            lowest,
            quarantined,
        }
    }
}
