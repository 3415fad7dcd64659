//! The topology as the solver reads it: flat arrays by domain, and what it costs to touch a domain.
//!
//! Domains are numbered depth first, so the descendants of a domain are the ids that follow it, and walking the ids
//! backwards visits children before parents. Rebuilt when the topology or the level weight changes.
//!
//! **Charges.** Cost term `Domains` counts, level by level, the separate pieces of the network that a gang touches, a
//! piece of level `n` at `level_weight^n`. Levels are the tiers in use, from the lowest. Where a part of the tree has
//! no domain of some level, its outermost smaller piece (a lower domain, or a single node) stands in for one: a node
//! that hangs directly below the root is as lonely as a block of its own. So a domain is charged for the levels from
//! its own up to below its parent's, and a node for the levels below its innermost domain's.

use crate::cluster::ids::DomainId;
use crate::cluster::topology::{Tier, Topology};

/// No weight grows beyond this, so that sums over a million domains stay far from overflow.
const CHARGE_LIMIT: i64 = 1 << 36;

/// The frozen tree, flattened.
#[derive(Debug, Default)]
pub(super) struct Tree {
    key: Option<(u64, usize, usize, i64)>,
    /// By domain; the root is its own parent.
    pub(super) parent: Vec<u32>,
    /// By domain.
    pub(super) tier: Vec<Tier>,
    /// By domain: how many tiers in use are lower than its own.
    pub(super) level: Vec<u32>,
    /// Tiers in use, ascending, and the root's.
    pub(super) tiers: Vec<Tier>,
    /// One past the last descendant.
    pub(super) end: Vec<u32>,
    /// Positions of the nodes inside the domain.
    pub(super) run: Vec<(u32, u32)>,
    /// Positions of the nodes that hang directly below the domain.
    pub(super) own: Vec<(u32, u32)>,
    /// What touching the domain adds to `Domains`, apart from what is around it. 0 for the root.
    pub(super) charge: Vec<i64>,
    /// What touching one more node directly below the domain adds to `Domains`.
    pub(super) node_charge: Vec<i64>,
    /// Charges of the domain and of all around it.
    pub(super) path: Vec<i64>,
    /// All domains, lowest tier first, then depth first.
    pub(super) by_tier: Vec<u32>,
    /// Domains that are no lumps, ascending.
    forks: Vec<u32>,
    /// Innermost domain by position.
    pub(super) leaf: Vec<u32>,
    /// Changes with every rebuild of the tree itself.
    pub(super) generation: u64,
}

impl Tree {
    /// Brings the arrays up to date. Charges follow `level_weight`; negative weights count as 0.
    pub(super) fn refresh(&mut self, topology: &Topology, level_weight: i64) {
        let weight = level_weight.clamp(0, CHARGE_LIMIT);
        let shape = (topology.version(), topology.len(), topology.order().len());
        let key = (shape.0, shape.1, shape.2, weight);
        match self.key {
            Some(known) if known == key => return,
            Some(known) if (known.0, known.1, known.2) == shape => self.price(weight),
            _ => {
                self.flatten(topology);
                self.price(weight);
                self.generation += 1;
            }
        }
        self.key = Some(key);
    }

    /// Domains, the root included.
    pub(super) fn len(&self) -> usize {
        self.tier.len()
    }

    /// The domain and all inside it, by id.
    pub(super) fn inside(&self, domain: u32) -> std::ops::Range<u32> {
        domain..self.end[domain as usize]
    }

    /// Children of a domain, in depth-first order.
    pub(super) fn children(&self, domain: u32) -> impl Iterator<Item = u32> + '_ {
        let end = self.end[domain as usize];
        let mut next = domain + 1;
        std::iter::from_fn(move || {
            let child = next;
            (child < end).then(|| {
                next = self.end[child as usize];
                child
            })
        })
    }

    /// Has it no domains inside?
    pub(super) fn is_innermost(&self, domain: u32) -> bool {
        self.end[domain as usize] == domain + 1
    }

    /// Are all its nodes equally near to each other, and is none charged for by itself?
    pub(super) fn is_lump(&self, domain: u32) -> bool {
        self.is_innermost(domain) && self.node_charge[domain as usize] == 0
    }

    /// The domains inside (itself included) that are no lumps, ascending.
    pub(super) fn forks_inside(&self, domain: u32) -> &[u32] {
        let at = |domain: u32| self.forks.partition_point(|&fork| fork < domain);
        &self.forks[at(domain)..at(self.end[domain as usize])]
    }

    /// Is the domain inside (or the same as) the other?
    pub(super) fn is_within(&self, inner: u32, outer: u32) -> bool {
        outer <= inner && inner < self.end[outer as usize]
    }

    /// The innermost domain around both.
    pub(super) fn common(&self, a: u32, b: u32) -> u32 {
        let mut at = a.min(b);
        while !self.is_within(a.max(b), at) {
            at = self.parent[at as usize];
        }
        at
    }

    /// The outermost domain around this one (itself included) of at most that tier.
    pub(super) fn outermost_within(&self, domain: u32, tier: Tier) -> Option<u32> {
        let mut found = None;
        let mut at = domain;
        while self.tier[at as usize] <= tier {
            found = Some(at);
            if at == 0 {
                break;
            }
            at = self.parent[at as usize];
        }
        found
    }

    /// Is it the outermost domain of at most that tier on its way up?
    pub(super) fn is_outermost_within(&self, domain: u32, tier: Tier) -> bool {
        self.tier[domain as usize] <= tier
            && (domain == 0 || self.tier[self.parent[domain as usize] as usize] > tier)
    }

    fn flatten(&mut self, topology: &Topology) {
        let len = topology.len();
        let domains = (0..len as u32).map(DomainId);
        self.parent = domains.clone().map(|d| topology.parent(d).0).collect();
        self.tier = domains.clone().map(|d| topology.tier(d)).collect();
        self.end = (1..=len as u32).collect();
        for at in (1..len).rev() {
            let parent = self.parent[at] as usize;
            self.end[parent] = self.end[parent].max(self.end[at]);
        }
        self.run = domains
            .clone()
            .map(|domain| topology.run(domain))
            .map(|run| (run.start as u32, run.end as u32))
            .collect();
        self.own = domains
            .map(|domain| {
                let run = topology.run(domain);
                let inner =
                    topology.children(domain).last().map_or(run.start, |&child| topology.run(child).end);
                (inner as u32, run.end as u32)
            })
            .collect();
        self.tiers = topology.by_tier().iter().map(|&(tier, _)| tier).chain([self.tier[0]]).collect();
        self.tiers.dedup();
        self.level =
            self.tier.iter().map(|&tier| self.tiers.partition_point(|&known| known < tier) as u32).collect();
        self.by_tier = (0..len as u32).collect();
        self.by_tier.sort_by_key(|&domain| self.tier[domain as usize]);
        self.leaf = (0..topology.order().len()).map(|position| topology.leaf(position).0).collect();
    }

    fn price(&mut self, weight: i64) {
        // below[n]: one piece of each level below n
        let mut below = vec![0i64];
        let mut price = 1i64;
        for _ in 0..=self.tiers.len() {
            below.push(below[below.len() - 1] + price);
            price = price.saturating_mul(weight).min(CHARGE_LIMIT);
        }
        let len = self.len();
        self.charge = vec![0; len];
        self.path = vec![0; len];
        self.node_charge = self.level.iter().map(|&level| below[level as usize]).collect();
        for at in 1..len {
            let parent = self.parent[at] as usize;
            let (low, high) = (self.level[at] as usize, self.level[parent] as usize);
            self.charge[at] = below[high.max(low + 1)] - below[low];
            self.path[at] = self.path[parent] + self.charge[at];
        }
        self.forks = (0..len as u32).filter(|&domain| !self.is_lump(domain)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ids::NodeId;
    use crate::cluster::topology::Branch;

    fn tree(topology: &Topology) -> Tree {
        let mut tree = Tree::default();
        tree.refresh(topology, 10);
        tree
    }

    #[test]
    fn racks_cost_one_and_blocks_ten() {
        let tree = tree(&Topology::uniform(&[("block", 2), ("rack", 2)], 3));
        assert_eq!(tree.charge, [0, 10, 1, 1, 10, 1, 1]);
        assert_eq!(tree.path, [0, 10, 11, 11, 10, 11, 11]);
        assert_eq!(tree.node_charge[2], 0);
        assert_eq!(tree.children(0).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(tree.common(2, 3), 1);
        assert_eq!(tree.common(2, 5), 0);
        assert!(tree.is_lump(2) && !tree.is_lump(1));
    }

    #[test]
    fn what_lacks_a_level_stands_in_for_it() {
        let nodes = |from: u32, to: u32| (from..to).map(NodeId);
        let topology = Topology::from_tree(vec![
            Branch::domain("block", 2, vec![Branch::leaf("rack", 1, nodes(0, 2)), Branch::Node(NodeId(2))]),
            Branch::leaf("lone-rack", 1, nodes(3, 5)),
            Branch::Node(NodeId(5)),
        ]);
        let tree = tree(&topology);
        // root, block, rack, lone-rack
        assert_eq!(
            tree.charge,
            [0, 10, 1, 11],
            "a rack without a block is charged for the block that it lacks"
        );
        assert_eq!(tree.node_charge, [11, 1, 0, 0], "a node without a rack is a rack of its own");
        assert_eq!(tree.own, [(5, 6), (2, 3), (0, 2), (3, 5)]);
    }

    #[test]
    fn weights_saturate() {
        let topology = Topology::uniform(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)], 1);
        let mut tree = Tree::default();
        tree.refresh(&topology, i64::MAX);
        assert_eq!(tree.charge, [0, CHARGE_LIMIT, CHARGE_LIMIT, CHARGE_LIMIT, 1]);
        tree.refresh(&topology, -7);
        assert_eq!(tree.path[4], 1, "only the lowest level counts at weight 0");
    }
}
