//! Counters: pods of some kind by domain of a node label.

use super::super::ids::{NodeId, TextId};
use super::super::slab::Interner;
use super::domains::{Domain, Domains, GroundId, KeyId};
use super::selector::SelectorId;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// A counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CounterId(pub(super) u32);

/// What is counted, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Pods that match all selectors (ascending, at least one).
    Matching { selectors: Box<[SelectorId]>, key: KeyId },
    /// Pods that hold a required anti-affinity term.
    Holding { selector: SelectorId, key: KeyId },
    /// Pods that match and are not being deleted, on the nodes of a ground.
    Spread { selector: SelectorId, ground: GroundId },
    /// Pods that use a host port, by node.
    Port(Port),
}

/// A host port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Port {
    pub(super) protocol: TextId,
    pub(super) port: i32,
    /// `None` is every address of the node.
    pub(super) ip: Option<TextId>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    kinds: Interner<Kind>,
    /// By place.
    counters: Vec<Counter>,
    /// By protocol and port.
    ports: FxHashMap<(TextId, i32), Vec<PortUse>>,
}

/// The counter of a host port on one address of the node, or on all.
#[derive(Clone, Copy, Debug)]
struct PortUse {
    ip: Option<TextId>,
    counter: CounterId,
}

#[derive(Debug)]
pub(super) struct Counter {
    kind: Kind,
    /// Pods by node, so that a node can change its domain.
    by_node: FxHashMap<NodeId, u32>,
    /// Pods by domain; entries above 0 only.
    by_domain: FxHashMap<Domain, u32>,
    total: u64,
    /// Domains by their number of pods, for spread.
    histogram: BTreeMap<u32, u32>,
}

impl Kind {
    /// What a place counts that is vacant.
    const NOTHING: Kind = Kind::Port(Port { protocol: TextId(0), port: 0, ip: None });
}

impl Counter {
    fn new(kind: Kind) -> Self {
        Counter {
            kind,
            by_node: FxHashMap::default(),
            by_domain: FxHashMap::default(),
            total: 0,
            histogram: BTreeMap::new(),
        }
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The selector that leads to a counter of matching pods.
    pub(super) fn first_selector(&self) -> Option<SelectorId> {
        match &self.kind {
            Kind::Matching { selectors, .. } => selectors.first().copied(),
            Kind::Spread { selector, .. } => Some(*selector),
            Kind::Holding { .. } | Kind::Port(_) => None,
        }
    }

    /// Pods in a domain.
    pub(super) fn count(&self, domain: Domain) -> u32 {
        self.by_domain.get(&domain).copied().unwrap_or(0)
    }

    /// Pods in all domains.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Domains by their number of pods, ascending; domains without any are not listed.
    pub(super) fn histogram(&self) -> &BTreeMap<u32, u32> {
        &self.histogram
    }

    /// Does a pod count that matches these selectors (ascending)?
    pub(super) fn counts(&self, matched: &[SelectorId], deleting: bool) -> bool {
        let all = |selectors: &[SelectorId]| selectors.iter().all(|id| matched.binary_search(id).is_ok());
        match &self.kind {
            Kind::Matching { selectors, .. } => all(selectors),
            Kind::Spread { selector, .. } => !deleting && all(std::slice::from_ref(selector)),
            Kind::Holding { .. } | Kind::Port(_) => false,
        }
    }

    fn shift_domain(&mut self, domain: Domain, by: i64) {
        let before = self.count(domain);
        let after = changed(before, by);
        if after == 0 {
            self.by_domain.remove(&domain);
        } else {
            self.by_domain.insert(domain, after);
        }
        self.total = self.total.saturating_add_signed(by);
        if matches!(self.kind, Kind::Spread { .. }) {
            bump(&mut self.histogram, before, false);
            bump(&mut self.histogram, after, true);
        }
    }
}

impl Counters {
    pub(super) fn get(&self, id: CounterId) -> &Counter {
        &self.counters[id.0 as usize]
    }

    /// The id of a counter, and whether it is new.
    pub(super) fn intern(&mut self, kind: Kind) -> (CounterId, bool) {
        let (place, is_new) = self.kinds.intern(kind.clone());
        let id = CounterId(place);
        if !is_new {
            return (id, false);
        }
        let counter = Counter::new(kind.clone());
        match self.counters.get_mut(place as usize) {
            Some(vacant) => *vacant = counter,
            None => self.counters.push(counter),
        }
        if let Kind::Port(Port { protocol, port, ip }) = kind {
            self.ports.entry((protocol, port)).or_default().push(PortUse { ip, counter: id });
        }
        (id, true)
    }

    /// Forgets counters that nobody asks any more; returns those that were, ascending.
    pub(super) fn retain(&mut self, mut is_needed: impl FnMut(CounterId) -> bool) -> Vec<u32> {
        let gone = self.kinds.retain(|place| is_needed(CounterId(place)));
        for &place in &gone {
            self.counters[place as usize] = Counter::new(Kind::NOTHING);
        }
        self.ports.retain(|_, uses| {
            uses.retain(|port| gone.binary_search(&port.counter.0).is_err());
            !uses.is_empty()
        });
        gone
    }

    /// Counters that are there.
    pub(super) fn iter(&self) -> impl Iterator<Item = (CounterId, &Kind)> {
        self.kinds.iter().map(|(place, kind)| (CounterId(place), kind))
    }

    /// Counters in number.
    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Counters of host ports that a pod with this one cannot share a node with, its own among them.
    pub(super) fn conflicting(&self, id: CounterId) -> impl Iterator<Item = CounterId> {
        let mine = match self.get(id).kind {
            Kind::Port(port) => Some(port),
            _ => None,
        };
        let uses = mine.and_then(|port| self.ports.get(&(port.protocol, port.port)));
        let ip = mine.and_then(|port| port.ip);
        uses.into_iter()
            .flatten()
            .filter(move |other| ip.is_none() || other.ip.is_none() || ip == other.ip)
            .map(|other| other.counter)
    }

    /// Counts pods in (or, by a negative number, out) on a node.
    pub(super) fn shift(&mut self, id: CounterId, node: NodeId, by: i64, domains: &Domains) {
        if by == 0 {
            return;
        }
        let domain = domains.of_counter(&self.get(id).kind, node);
        let counter = &mut self.counters[id.0 as usize];
        let after = changed(counter.by_node.get(&node).copied().unwrap_or(0), by);
        if after == 0 {
            counter.by_node.remove(&node);
        } else {
            counter.by_node.insert(node, after);
        }
        if let Some(domain) = domain {
            counter.shift_domain(domain, by);
        }
    }

    /// Moves the pods of a node that has changed its domain.
    pub(super) fn relocate(&mut self, id: CounterId, node: NodeId, from: Option<Domain>, to: Option<Domain>) {
        let counter = &mut self.counters[id.0 as usize];
        let pods = i64::from(counter.by_node.get(&node).copied().unwrap_or(0));
        if pods > 0 {
            from.into_iter().for_each(|domain| counter.shift_domain(domain, -pods));
            to.into_iter().for_each(|domain| counter.shift_domain(domain, pods));
        }
    }
}

#[cfg(test)]
impl Counters {
    /// Is everything counted back to nothing?
    pub(super) fn is_clear(&self) -> bool {
        self.counters.iter().all(|counter| {
            counter.total == 0
                && counter.by_node.is_empty()
                && counter.by_domain.is_empty()
                && counter.histogram.is_empty()
        })
    }
}

fn changed(count: u32, by: i64) -> u32 {
    let after = i64::from(count) + by;
    debug_assert!(after >= 0, "pods are taken off as they were put on");
    after.clamp(0, i64::from(u32::MAX)) as u32
}

/// One domain more or less with so many pods; domains without any are not listed.
fn bump(histogram: &mut BTreeMap<u32, u32>, pods: u32, more: bool) {
    if pods == 0 {
        return;
    }
    let domains = histogram.entry(pods).or_insert(0);
    *domains = if more { *domains + 1 } else { domains.saturating_sub(1) };
    if *domains == 0 {
        histogram.remove(&pods);
    }
}
