//! The network as a frozen tree of domains: dense arrays with constant-time ancestor and lowest-common-domain
//! look-ups. Built from HyperNodes (or from node labels where there are none), never changed, only rebuilt.
//!
//! Domain 0 is the root: the whole cluster, above the highest tier. Domains are numbered and nodes laid out in
//! depth-first order, so that every domain covers one contiguous run of positions and its descendants one contiguous
//! run of ids. Siblings are in natural order of their names (`rack-2` before `rack-10`); a domain's own nodes come
//! after the domains inside it.

mod ancestry;
mod buckets;
mod build;
mod finding;
mod forest;
mod freeze;
mod labels;
mod members;
mod patterns;
mod selectors;
mod tree;
mod validate;

pub use build::{HyperNodeInput, LabelLevels, NodeInput};
pub use finding::{Finding, LevelFault, MemberFault, MemberKind, Sample, Severity};
pub use tree::Branch;

use super::ids::{DomainId, NodeId};
use ancestry::Ancestry;
use fixedbitset::FixedBitSet;

/// Network distance: tier 1 is the closest in most clusters; 0 is allowed.
pub type Tier = u32;

/// The frozen tree.
#[derive(Clone, Debug)]
pub struct Topology {
    version: u64,
    names: Vec<Box<str>>,
    tiers: Vec<Tier>,
    depths: Vec<u32>,
    ancestry: Ancestry,
    children: Vec<DomainId>,
    /// Where the children of each domain begin in `children`, and its end.
    child_starts: Vec<u32>,
    runs: Vec<(u32, u32)>,
    order: Vec<NodeId>,
    /// By node; `u32::MAX` where there is none.
    positions: Vec<u32>,
    leaf: Vec<DomainId>,
    by_tier: Vec<(Tier, Vec<DomainId>)>,
    tier_names: Vec<(Box<str>, Tier)>,
    lowest: Option<Tier>,
    quarantined: FixedBitSet,
}

impl Topology {
    /// The whole cluster.
    pub const ROOT: DomainId = DomainId(0);

    /// What the root is called; upstream's name for it.
    pub const ROOT_NAME: &str = "<cluster-top-hypernode>";

    /// Which build this is: ids of domains and positions mean nothing across versions. Set by the owner.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The same tree under another version.
    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

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

    /// The domain's tier; the root's is one above the highest. Tiers of quarantined HyperNodes count for that, so that a
    /// hard rule for a tier whose HyperNodes are all broken does not come to mean the whole cluster.
    pub fn tier(&self, domain: DomainId) -> Tier {
        self.tiers[domain.index()]
    }

    /// The domain around this one; the root is its own parent.
    pub fn parent(&self, domain: DomainId) -> DomainId {
        self.ancestry.parent(domain)
    }

    /// Steps down from the root.
    pub fn depth(&self, domain: DomainId) -> u32 {
        self.depths[domain.index()]
    }

    /// The domains directly inside, in the order of their runs.
    pub fn children(&self, domain: DomainId) -> &[DomainId] {
        let at = domain.index();
        &self.children[self.child_starts[at] as usize..self.child_starts[at + 1] as usize]
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

    /// The lowest tier that any HyperNode has, sound or not, or that the domain labels make; `None` if there are no
    /// domains at all. What a hard rule that names no tier means.
    pub fn lowest_tier(&self) -> Option<Tier> {
        self.lowest
    }

    /// The tier that a name stands for; `None` also if it stands for several, or if only broken HyperNodes have it.
    pub fn tier_named(&self, name: &str) -> Option<Tier> {
        self.tier_names.iter().find(|(n, _)| &**n == name).map(|&(_, tier)| tier)
    }

    /// Tier names with their tiers, ascending by tier.
    pub fn tier_names(&self) -> impl Iterator<Item = (&str, Tier)> {
        self.tier_names.iter().map(|(name, tier)| (&**name, *tier))
    }

    /// Is the domain inside (or the same as) the other? Constant time.
    pub fn is_within(&self, inner: DomainId, outer: DomainId) -> bool {
        self.ancestry.is_within(inner, outer)
    }

    /// The innermost domain that contains both. Constant time.
    pub fn common(&self, a: DomainId, b: DomainId) -> DomainId {
        self.ancestry.common(a, b)
    }

    /// The outermost domain around `domain` (itself included) whose tier does not exceed `tier`; `None` if the domain's
    /// own tier does already. Tiers rise on the way up, so the walk ends at the first that is too high.
    pub fn outermost_within_tier(&self, domain: DomainId, tier: Tier) -> Option<DomainId> {
        let mut found = None;
        let mut at = domain;
        while self.tier(at) <= tier {
            found = Some(at);
            if at == Self::ROOT {
                break;
            }
            at = self.parent(at);
        }
        found
    }

    /// Is the node listed by a HyperNode that is quarantined, directly or further up? Broken HyperNodes are no domains at
    /// all, so such a node hangs higher in the tree than it otherwise would: gangs without a hard rule can use it as
    /// before, a gang with one may miss it.
    pub fn is_in_quarantine(&self, node: NodeId) -> bool {
        self.quarantined.contains(node.index())
    }
}

#[cfg(test)]
mod tests;
