//! Domains by node label: the columns that counters sum over, and the nodes that a spread constraint looks at.

use super::super::eligibility::Eligibility;
use super::super::ids::{ConstraintId, NodeId, TextId};
use super::counter::{CounterId, Counters, Kind};
use fixedbitset::FixedBitSet;
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};

/// A topology key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyId(u32);

/// The nodes and domains of a spread constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroundId(u32);

/// A value of a topology key (the text's id), or a node where every node is its own domain.
pub(super) type Domain = u32;

/// No domain: the node lacks the label.
const NOWHERE: u32 = u32::MAX;

/// Where a spread constraint counts: nodes that have all topology keys of the pod's binding constraints and that
/// its inclusion policies admit, in domains of one of the keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ground {
    pub(super) key: KeyId,
    /// Ascending.
    pub(super) keys: Box<[KeyId]>,
    /// `nodeAffinityPolicy: Honor`: whose node selector and affinity must match.
    pub(super) selectors: Option<ConstraintId>,
    /// `nodeTaintsPolicy: Honor`: who must tolerate the taints.
    pub(super) taints: Option<ConstraintId>,
}

#[derive(Debug, Default)]
pub(super) struct Domains {
    columns: IndexMap<TextId, Column, FxBuildHasher>,
    grounds: IndexMap<Ground, Area, FxBuildHasher>,
}

#[derive(Debug, Default)]
struct Column {
    /// Domain by node.
    domains: Vec<Domain>,
    counters: Vec<CounterId>,
}

#[derive(Debug, Default)]
struct Area {
    nodes: FixedBitSet,
    /// Nodes by domain; entries above 0 only.
    domains: FxHashMap<Domain, u32>,
    counters: Vec<CounterId>,
}

impl Domains {
    /// The id of a topology key, new or known.
    pub(super) fn key(&mut self, key: &str, eligibility: &mut Eligibility) -> KeyId {
        let key = eligibility.intern_text(key);
        let index = match self.columns.get_index_of(&key) {
            Some(index) => index,
            None => {
                let domains = eligibility.node_slots();
                let domains = domains.map(|node| domain(node, key, eligibility)).collect();
                self.columns.insert_full(key, Column { domains, counters: Vec::new() }).0
            }
        };
        KeyId(index as u32)
    }

    /// The id of a ground, new or known.
    pub(super) fn ground(&mut self, ground: Ground, eligibility: &Eligibility) -> GroundId {
        if let Some(index) = self.grounds.get_index_of(&ground) {
            return GroundId(index as u32);
        }
        let mut area = Area::default();
        for node in eligibility.node_slots() {
            if let Some(domain) = self.admits(&ground, node, eligibility) {
                area.nodes.grow_and_insert(node.index());
                *area.domains.entry(domain).or_insert(0) += 1;
            }
        }
        GroundId(self.grounds.insert_full(ground, area).0 as u32)
    }

    /// Lets a new counter follow nodes that change their domain.
    pub(super) fn attach(&mut self, counter: CounterId, kind: &Kind) {
        match kind {
            Kind::Matching { key, .. } | Kind::Holding { key, .. } => {
                self.columns[key.0 as usize].counters.push(counter);
            }
            Kind::Spread { ground, .. } => self.grounds[ground.0 as usize].counters.push(counter),
            Kind::Port(_) => {}
        }
    }

    /// The node's domain by a key.
    pub(super) fn of_key(&self, key: KeyId, node: NodeId) -> Option<Domain> {
        let domains = &self.columns[key.0 as usize].domains;
        domains.get(node.index()).copied().filter(|&domain| domain != NOWHERE)
    }

    /// The domain in which a counter counts pods on the node, if it does.
    pub(super) fn of_counter(&self, kind: &Kind, node: NodeId) -> Option<Domain> {
        match *kind {
            Kind::Matching { key, .. } | Kind::Holding { key, .. } => self.of_key(key, node),
            Kind::Spread { ground, .. } => {
                let (ground, area) = self.grounds.get_index(ground.0 as usize)?;
                area.nodes.contains(node.index()).then(|| self.of_key(ground.key, node))?
            }
            Kind::Port(_) => Some(node.0),
        }
    }

    /// The key of a ground, and its domains in number.
    pub(super) fn extent(&self, ground: GroundId) -> (KeyId, u32) {
        let (ground, area) = self.grounds.get_index(ground.0 as usize).expect("ids come from ground");
        (ground.key, area.domains.len() as u32)
    }

    /// Does a ground leave nodes out by the pod's tolerations, and by its selectors?
    pub(super) fn policies(&self, ground: GroundId) -> (bool, bool) {
        let (ground, _) = self.grounds.get_index(ground.0 as usize).expect("ids come from ground");
        (ground.taints.is_some(), ground.selectors.is_some())
    }

    /// Brings columns and grounds up to date with a node, and moves its pods along. Says whether there was anything
    /// to do.
    pub(super) fn set_node(
        &mut self,
        node: NodeId,
        eligibility: &Eligibility,
        counters: &mut Counters,
    ) -> bool {
        let mut any = false;
        // Where spread constraints saw the node, before the columns change.
        let before: Vec<_> = (0..self.grounds.len())
            .map(|index| {
                let (ground, area) = self.grounds.get_index(index).expect("the index is in range");
                area.nodes.contains(node.index()).then(|| self.of_key(ground.key, node)).flatten()
            })
            .collect();
        for (&key, column) in &mut self.columns {
            let new = domain(node, key, eligibility);
            if column.domains.len() <= node.index() {
                column.domains.resize(node.index() + 1, NOWHERE);
            }
            let old = std::mem::replace(&mut column.domains[node.index()], new);
            if old != new {
                any = true;
                let place = |domain| Some(domain).filter(|&domain| domain != NOWHERE);
                for &counter in &column.counters {
                    counters.relocate(counter, node, place(old), place(new));
                }
            }
        }
        for (index, old) in before.into_iter().enumerate() {
            let (ground, _) = self.grounds.get_index(index).expect("the index is in range");
            let new = self.admits(ground, node, eligibility);
            if old == new {
                continue;
            }
            any = true;
            let area = &mut self.grounds[index];
            area.nodes.grow(node.index() + 1);
            area.nodes.set(node.index(), new.is_some());
            if let Some(domain) = old
                && let Some(nodes) = area.domains.get_mut(&domain)
            {
                *nodes -= 1;
                if *nodes == 0 {
                    area.domains.remove(&domain);
                }
            }
            if let Some(domain) = new {
                *area.domains.entry(domain).or_insert(0) += 1;
            }
            for &counter in &area.counters {
                counters.relocate(counter, node, old, new);
            }
        }
        any
    }

    /// The domain that the node belongs to in a ground, if it belongs to the ground.
    fn admits(&self, ground: &Ground, node: NodeId, eligibility: &Eligibility) -> Option<Domain> {
        let admitted = ground.keys.iter().all(|&key| self.of_key(key, node).is_some())
            && ground.selectors.is_none_or(|constraint| eligibility.matches_selectors(constraint, node))
            && ground.taints.is_none_or(|constraint| eligibility.tolerates_taints(constraint, node));
        admitted.then(|| self.of_key(ground.key, node)).flatten()
    }
}

fn domain(node: NodeId, key: TextId, eligibility: &Eligibility) -> Domain {
    eligibility.label(node, key).map_or(NOWHERE, |value| value.0)
}
