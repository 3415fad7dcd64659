//! Domains by node label: the columns that counters sum over, and the nodes that a spread constraint looks at.

use super::super::eligibility::Eligibility;
use super::super::ids::{ConstraintId, NodeId, TextId};
use super::super::slab::Interner;
use super::counter::{CounterId, Counters, Kind};
use fixedbitset::FixedBitSet;
use rustc_hash::{FxHashMap, FxHashSet};

/// A topology key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyId(pub(super) u32);

/// The nodes and domains of a spread constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroundId(pub(super) u32);

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
    keys: Interner<TextId>,
    /// By key.
    columns: Vec<Column>,
    grounds: Interner<Ground>,
    /// By ground.
    areas: Vec<Area>,
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
        let (place, is_new) = self.keys.intern(key);
        if is_new {
            let domains = eligibility.node_slots().map(|node| domain(node, key, eligibility)).collect();
            put(&mut self.columns, place, Column { domains, counters: Vec::new() });
        }
        KeyId(place)
    }

    /// The id of a ground, new or known.
    pub(super) fn ground(&mut self, ground: Ground, eligibility: &Eligibility) -> GroundId {
        if let Some(place) = self.grounds.find(&ground) {
            return GroundId(place);
        }
        let mut area = Area::default();
        for node in eligibility.node_slots() {
            if let Some(domain) = self.admits(&ground, node, eligibility) {
                area.nodes.grow_and_insert(node.index());
                *area.domains.entry(domain).or_insert(0) += 1;
            }
        }
        let place = self.grounds.insert(ground);
        put(&mut self.areas, place, area);
        GroundId(place)
    }

    /// Lets a new counter follow nodes that change their domain.
    pub(super) fn attach(&mut self, counter: CounterId, kind: &Kind) {
        match kind {
            Kind::Matching { key, .. } | Kind::Holding { key, .. } => {
                self.columns[key.0 as usize].counters.push(counter);
            }
            Kind::Spread { ground, .. } => self.areas[ground.0 as usize].counters.push(counter),
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
                let (ground, area) = (self.grounds.get(ground.0)?, &self.areas[ground.0 as usize]);
                area.nodes.contains(node.index()).then(|| self.of_key(ground.key, node))?
            }
            Kind::Port(_) => Some(node.0),
        }
    }

    /// The label behind a topology key; ids as in [`Eligibility::texts`].
    pub(super) fn label_of(&self, key: KeyId) -> TextId {
        self.keys[key.0]
    }

    /// The key of a ground, and its domains in number.
    pub(super) fn extent(&self, ground: GroundId) -> (KeyId, u32) {
        (self.grounds[ground.0].key, self.areas[ground.0 as usize].domains.len() as u32)
    }

    /// Does a ground leave nodes out by the pod's tolerations, and by its selectors?
    pub(super) fn policies(&self, ground: GroundId) -> (bool, bool) {
        let ground = &self.grounds[ground.0];
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
        let before: Vec<_> = self
            .grounds
            .iter()
            .map(|(place, ground)| {
                let is_seen = self.areas[place as usize].nodes.contains(node.index());
                (place, is_seen.then(|| self.of_key(ground.key, node)).flatten())
            })
            .collect();
        for (place, &key) in self.keys.iter() {
            let column = &mut self.columns[place as usize];
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
        for (place, old) in before {
            let new = self.admits(&self.grounds[place], node, eligibility);
            if old == new {
                continue;
            }
            any = true;
            let area = &mut self.areas[place as usize];
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

    /// Forgets counters (ascending), and then the grounds and keys that none of those that are left needs.
    pub(super) fn retain(&mut self, gone: &[u32], counters: &Counters) {
        let is_known = |id: &CounterId| gone.binary_search(&id.0).is_err();
        self.columns.iter_mut().for_each(|column| column.counters.retain(is_known));
        self.areas.iter_mut().for_each(|area| area.counters.retain(is_known));
        let (mut keys, mut grounds) = (FxHashSet::default(), FxHashSet::default());
        for (_, kind) in counters.iter() {
            match kind {
                Kind::Matching { key, .. } | Kind::Holding { key, .. } => drop(keys.insert(key.0)),
                Kind::Spread { ground, .. } => drop(grounds.insert(ground.0)),
                Kind::Port(_) => {}
            }
        }
        for place in self.grounds.retain(|place| grounds.contains(&place)) {
            self.areas[place as usize] = Area::default();
        }
        for (_, ground) in self.grounds.iter() {
            keys.extend(ground.keys.iter().chain([&ground.key]).map(|key| key.0));
        }
        for place in self.keys.retain(|place| keys.contains(&place)) {
            self.columns[place as usize] = Column::default();
        }
    }

    /// Constraints that grounds ask.
    pub(super) fn constraints(&self) -> impl Iterator<Item = ConstraintId> {
        self.grounds.iter().flat_map(|(_, ground)| ground.selectors.into_iter().chain(ground.taints))
    }

    /// Texts of topology keys, as the eligibility has them.
    pub(super) fn texts(&self) -> impl Iterator<Item = TextId> {
        self.keys.iter().map(|(_, &key)| key)
    }

    /// Keys and grounds in number.
    pub(super) fn len(&self) -> usize {
        self.keys.len() + self.grounds.len()
    }

    /// The domain that the node belongs to in a ground, if it belongs to the ground.
    fn admits(&self, ground: &Ground, node: NodeId, eligibility: &Eligibility) -> Option<Domain> {
        let admitted = ground.keys.iter().all(|&key| self.of_key(key, node).is_some())
            && ground.selectors.is_none_or(|constraint| eligibility.matches_selectors(constraint, node))
            && ground.taints.is_none_or(|constraint| eligibility.tolerates_taints(constraint, node));
        admitted.then(|| self.of_key(ground.key, node)).flatten()
    }
}

fn put<T>(values: &mut Vec<T>, place: u32, value: T) {
    match values.get_mut(place as usize) {
        Some(vacant) => *vacant = value,
        None => values.push(value),
    }
}

fn domain(node: NodeId, key: TextId, eligibility: &Eligibility) -> Domain {
    eligibility.label(node, key).map_or(NOWHERE, |value| value.0)
}
