//! Placements tried on top of the cluster's pods: what `place` adds, and what `remove` takes off, lies in a thin layer
//! over the counters, so that nothing is copied and the last changes are taken back exactly.

use super::super::cause::Cause;
use super::super::class::Classes;
use super::super::ids::{ClassId, NodeId};
use super::counter::{CounterId, Kind};
use super::domains::Domain;
use super::rules::Spread;
use super::{Coupling, Entry, Rules};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Pods placed and removed on trial on top of [`Coupling`]; the last ones are undone first.
#[derive(Clone, Debug)]
pub struct Trial<'a> {
    coupling: &'a Coupling,
    classes: &'a Classes,
    /// The rules that the pods tried are taken not to have.
    lifted: Option<Cause>,
    /// Pods that the trial adds (below 0: takes off), by counter and domain.
    counts: FxHashMap<(CounterId, Domain), i64>,
    /// Pods that the trial adds (below 0: takes off), by counter, in all domains.
    totals: FxHashMap<CounterId, i64>,
    /// Per spread counter: how many more (or fewer) domains have so many pods.
    histograms: FxHashMap<CounterId, BTreeMap<u32, i64>>,
    /// Changes, the last one last: placed rather than removed?
    log: Vec<(ClassId, NodeId, bool)>,
}

/// The look-ups of one class done: hoist it out of loops over nodes.
#[derive(Clone, Copy, Debug)]
pub struct Check<'t> {
    trial: &'t Trial<'t>,
    entry: &'t Entry,
    rules: &'t Rules,
}

impl<'a> Trial<'a> {
    pub(super) fn new(coupling: &'a Coupling, classes: &'a Classes) -> Self {
        Trial {
            coupling,
            classes,
            lifted: None,
            counts: FxHashMap::default(),
            totals: FxHashMap::default(),
            histograms: FxHashMap::default(),
            log: Vec::new(),
        }
    }

    /// The same, as if the pods tried had no rules of this kind; pods that are on nodes keep theirs.
    #[must_use]
    pub fn without(mut self, cause: Option<Cause>) -> Self {
        self.lifted = cause;
        self
    }

    /// What excludes the node for one more pod of the class, the first in the order of [`Cause`]; `None` allows it.
    pub fn cause(&self, class: ClassId, node: NodeId) -> Option<Cause> {
        self.check(class).cause(node)
    }

    /// The checks of a class, for many nodes.
    pub fn check(&self, class: ClassId) -> Check<'_> {
        let (entry, rules) = self.entry(class);
        Check { trial: self, entry, rules }
    }

    /// Places one pod of the class.
    pub fn place(&mut self, class: ClassId, node: NodeId) {
        self.log.push((class, node, true));
        self.count(class, node, true);
    }

    /// Takes off one pod of the class that is on the node.
    pub fn remove(&mut self, class: ClassId, node: NodeId) {
        self.log.push((class, node, false));
        self.count(class, node, false);
    }

    /// Takes the last change back.
    pub fn undo(&mut self) {
        if let Some((class, node, placed)) = self.log.pop() {
            self.count(class, node, !placed);
        }
    }

    /// Changes that can be taken back.
    pub fn len(&self) -> usize {
        self.log.len()
    }

    /// Is nothing changed?
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    fn entry(&self, class: ClassId) -> (&'a Entry, &'a Rules) {
        let coupling = self.coupling;
        let entry = &coupling.couplings[self.classes.get(class).coupling.0];
        (entry, &coupling.rules[entry.rules])
    }

    fn count(&mut self, class: ClassId, node: NodeId, more: bool) {
        let coupling = self.coupling;
        let (entry, rules) = self.entry(class);
        for counter in rules.moved() {
            self.shift(counter, node, more);
        }
        for &selector in &entry.matched {
            for &counter in &coupling.selectors.users(selector).counters {
                if coupling.counters.get(counter).counts(&entry.matched, false) {
                    self.shift(counter, node, more);
                }
            }
        }
    }

    fn shift(&mut self, id: CounterId, node: NodeId, more: bool) {
        let counter = self.coupling.counters.get(id);
        let Some(domain) = self.coupling.domains.of_counter(counter.kind(), node) else { return };
        let before = self.pods(id, domain);
        let by = if more { 1 } else { -1 };
        *self.counts.entry((id, domain)).or_insert(0) += by;
        *self.totals.entry(id).or_insert(0) += by;
        if matches!(counter.kind(), Kind::Spread { .. }) {
            let after = self.pods(id, domain);
            let histogram = self.histograms.entry(id).or_default();
            *histogram.entry(before).or_insert(0) -= 1;
            *histogram.entry(after).or_insert(0) += 1;
        }
    }

    /// Pods in a domain, the trial's included.
    fn pods(&self, id: CounterId, domain: Domain) -> u32 {
        let tried =
            if self.counts.is_empty() { 0 } else { self.counts.get(&(id, domain)).copied().unwrap_or(0) };
        let pods = i64::from(self.coupling.counters.get(id).count(domain)) + tried;
        pods.clamp(0, i64::from(u32::MAX)) as u32
    }

    /// Pods near the node, the trial's included; `None` if the node is in no domain.
    fn near(&self, id: CounterId, node: NodeId) -> Option<u32> {
        let kind = self.coupling.counters.get(id).kind();
        self.coupling.domains.of_counter(kind, node).map(|domain| self.pods(id, domain))
    }

    /// Is a pod near the node that was there before the trial?
    fn resident(&self, id: CounterId, node: NodeId) -> bool {
        let counter = self.coupling.counters.get(id);
        let domain = self.coupling.domains.of_counter(counter.kind(), node);
        domain.is_some_and(|domain| counter.count(domain) > 0)
    }

    fn is_nowhere(&self, id: CounterId) -> bool {
        let tried = self.totals.get(&id).copied().unwrap_or(0);
        self.coupling.counters.get(id).total().saturating_add_signed(tried) == 0
    }

    /// Pods in the domain that has the fewest.
    fn fewest(&self, id: CounterId, domains: u32) -> u32 {
        let histogram = self.coupling.counters.get(id).histogram();
        let occupied: u32 = histogram.values().sum();
        let Some(tried) = self.histograms.get(&id) else {
            let fewest = histogram.first_key_value().map_or(0, |(&pods, _)| pods);
            return if occupied < domains { 0 } else { fewest };
        };
        let vacated: i64 = tried.get(&0).copied().unwrap_or(0);
        if i64::from(domains) - i64::from(occupied) + vacated > 0 {
            return 0;
        }
        let candidates = histogram.keys().chain(tried.keys()).copied().filter(|&pods| pods > 0);
        let having = |pods: &u32| {
            i64::from(histogram.get(pods).copied().unwrap_or(0)) + tried.get(pods).copied().unwrap_or(0)
        };
        candidates.filter(|pods| having(pods) > 0).min().unwrap_or(0)
    }
}

impl Check<'_> {
    /// As [`Trial::cause`].
    pub fn cause(&self, node: NodeId) -> Option<Cause> {
        let has = |cause: Cause| self.trial.lifted != Some(cause);
        if has(Cause::HostPort) && self.rules.ports.iter().any(|&port| self.is_taken(port, node)) {
            return Some(Cause::HostPort);
        }
        if has(Cause::PodAffinity) && !self.rules.affinity.is_empty() && !self.has_company(node) {
            return Some(Cause::PodAffinity);
        }
        if self.is_kept_away(node) {
            return Some(Cause::PodAntiAffinity);
        }
        let uneven = has(Cause::TopologySpread)
            && self.rules.spread.iter().any(|spread| !self.keeps_even(spread, node));
        uneven.then_some(Cause::TopologySpread)
    }

    fn is_taken(&self, port: CounterId, node: NodeId) -> bool {
        let mut conflicting = self.trial.coupling.counters.conflicting(port);
        conflicting.any(|counter| self.trial.near(counter, node).is_some_and(|pods| pods > 0))
    }

    /// Every term must find a pod near the node. The first pod of a series that asks for its own kind finds none
    /// anywhere: it may go to any node that has the labels.
    fn has_company(&self, node: NodeId) -> bool {
        let mut alone = false;
        for &counter in &self.rules.affinity {
            match self.trial.near(counter, node) {
                None => return false,
                Some(0) => alone = true,
                Some(_) => {}
            }
        }
        let counters = &self.trial.coupling.counters;
        !alone
            || self.rules.affinity.iter().all(|&counter| {
                self.trial.is_nowhere(counter) && counters.get(counter).counts(&self.entry.matched, false)
            })
    }

    /// By its own terms or by those of others.
    fn is_kept_away(&self, node: NodeId) -> bool {
        let selectors = &self.trial.coupling.selectors;
        let holders = self.entry.matched.iter().flat_map(|&selector| &selectors.users(selector).holders);
        if self.trial.lifted == Some(Cause::PodAntiAffinity) {
            // Those of the pods tried are lifted, whichever side they are on.
            let mut holders = holders;
            return holders.any(|&counter| self.trial.resident(counter, node));
        }
        let mut counters = self.rules.anti.iter().chain(holders);
        counters.any(|&counter| self.trial.near(counter, node).is_some_and(|pods| pods > 0))
    }

    /// `pods + itself - fewest <= maxSkew`.
    fn keeps_even(&self, spread: &Spread, node: NodeId) -> bool {
        let coupling = self.trial.coupling;
        let counter = coupling.counters.get(spread.counter);
        let Kind::Spread { ground, .. } = *counter.kind() else { return true };
        let (key, domains) = coupling.domains.extent(ground);
        let Some(domain) = coupling.domains.of_key(key, node) else { return false };
        let fewest = match domains < spread.min_domains {
            true => 0,
            false => self.trial.fewest(spread.counter, domains),
        };
        let itself = i64::from(counter.counts(&self.entry.matched, false));
        i64::from(self.trial.pods(spread.counter, domain)) + itself - i64::from(fewest) <= spread.max_skew
    }
}
