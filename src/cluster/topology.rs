//! The network as a frozen tree of domains: dense arrays with constant-time ancestor and lowest-common-domain
//! look-ups. Built from HyperNodes (or from node labels where there are none), never changed, only rebuilt.
//!
//! Domain 0 is the root: the whole cluster, above the highest tier. Nodes are laid out in depth-first order, so that
//! every domain covers one contiguous run of positions.

use super::ids::{DomainId, NodeId};

/// Network distance: tier 1 is the closest in most clusters; 0 is allowed.
pub type Tier = u32;

/// The frozen tree.
#[derive(Clone, Debug)]
pub struct Topology {
    names: Vec<Box<str>>,
    tiers: Vec<Tier>,
    parents: Vec<DomainId>,
    depths: Vec<u32>,
    children: Vec<Vec<DomainId>>,
    runs: Vec<(u32, u32)>,
    order: Vec<NodeId>,
    positions: Vec<u32>,
    leaf: Vec<DomainId>,
    by_tier: Vec<(Tier, Vec<DomainId>)>,
    tier_names: Vec<(Box<str>, Tier)>,
    quarantined: Vec<bool>,
}

impl Topology {
    /// The whole cluster.
    pub const ROOT: DomainId = DomainId(0);

    /// Domains, the root included.
    pub fn len(&self) -> usize {
        self.tiers.len()
    }

    /// Never: the root always exists.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The HyperNode's name; the root is called `<cluster-top-hypernode>`, as upstream calls it.
    pub fn name(&self, domain: DomainId) -> &str {
        &self.names[domain.index()]
    }

    /// The domain's tier; the root's is one above the highest.
    pub fn tier(&self, domain: DomainId) -> Tier {
        self.tiers[domain.index()]
    }

    /// The domain around this one; the root is its own parent.
    pub fn parent(&self, domain: DomainId) -> DomainId {
        self.parents[domain.index()]
    }

    /// Steps down from the root.
    pub fn depth(&self, domain: DomainId) -> u32 {
        self.depths[domain.index()]
    }

    /// The domains directly inside, in the order of their runs.
    pub fn children(&self, domain: DomainId) -> &[DomainId] {
        &self.children[domain.index()]
    }

    /// The run of positions that a domain covers, as `start..end`.
    pub fn run(&self, domain: DomainId) -> std::ops::Range<usize> {
        let (start, end) = self.runs[domain.index()];
        start as usize..end as usize
    }

    /// The nodes of a domain, in depth-first order.
    pub fn nodes(&self, domain: DomainId) -> &[NodeId] {
        &self.order[self.run(domain)]
    }

    /// All nodes in depth-first order: position -> node.
    pub fn order(&self) -> &[NodeId] {
        &self.order
    }

    /// The position of a node in the depth-first order; `None` if the topology does not know the node.
    pub fn position(&self, node: NodeId) -> Option<usize> {
        self.positions.get(node.index()).copied().filter(|&p| p != u32::MAX).map(|p| p as usize)
    }

    /// The innermost domain around the node at a position; the root for nodes that no HyperNode contains.
    pub fn leaf(&self, position: usize) -> DomainId {
        self.leaf[position]
    }

    /// Tiers in use, ascending, with their domains in the order of their runs; the root is not among them.
    pub fn by_tier(&self) -> &[(Tier, Vec<DomainId>)] {
        &self.by_tier
    }

    /// The tier that a name stands for.
    pub fn tier_named(&self, name: &str) -> Option<Tier> {
        self.tier_names.iter().find(|(n, _)| &**n == name).map(|&(_, tier)| tier)
    }

    /// Is the domain inside (or the same as) the other?
    pub fn is_within(&self, inner: DomainId, outer: DomainId) -> bool {
        let (a, b) = (self.run(inner), self.run(outer));
        self.depth(inner) >= self.depth(outer)
            && self.ancestor_at_depth(inner, self.depth(outer)) == outer
            && a.start >= b.start
            && a.end <= b.end
    }

    /// The innermost domain that contains both.
    pub fn common(&self, a: DomainId, b: DomainId) -> DomainId {
        let (mut a, mut b) = (a, b);
        while self.depth(a) > self.depth(b) {
            a = self.parent(a);
        }
        while self.depth(b) > self.depth(a) {
            b = self.parent(b);
        }
        while a != b {
            a = self.parent(a);
            b = self.parent(b);
        }
        a
    }

    /// The outermost domain around `domain` (itself included) whose tier does not exceed `tier`; `None` if the domain's
    /// own tier does already.
    pub fn outermost_within_tier(&self, domain: DomainId, tier: Tier) -> Option<DomainId> {
        let mut found = None;
        let mut at = domain;
        loop {
            if self.tier(at) <= tier {
                found = Some(at);
            }
            if at == Self::ROOT {
                return found;
            }
            at = self.parent(at);
        }
    }

    /// May gangs with a hard rule not use this domain, because its HyperNodes are broken?
    pub fn is_quarantined(&self, domain: DomainId) -> bool {
        self.quarantined[domain.index()]
    }

    fn ancestor_at_depth(&self, domain: DomainId, depth: u32) -> DomainId {
        let mut at = domain;
        while self.depth(at) > depth {
            at = self.parent(at);
        }
        at
    }
}
