//! Constraints that depend on where other pods are: host ports, required pod affinity and anti-affinity, binding
//! topology spread. Preferred terms and `ScheduleAnyway` are not read: nothing scores by them yet.
//!
//! ```text
//! rules ---ask for---> counters <---move--- pods on nodes
//!                      |      \
//!                  selector   topology key: node -> domain
//! ```
//!
//! A rule never looks at pods. What it needs to know is a counter: pods that match a selector, or that hold an
//! anti-affinity term, by domain of a node label. **Selectors** are interned with their namespaces; a pod is known by
//! the selectors that it matches, so that pods which no rule looks at stay in one class whatever their labels. A
//! **presence** is a label set in a namespace with pods on nodes; a selector that appears later is matched against
//! presences, so it sees the pods that were there before. What no pod asks for any more is forgotten from time to time
//! (`sweep`). Owned by [`super::Cluster`].

mod counter;
mod domains;
mod presence;
#[cfg(test)]
mod reference;
mod rules;
mod selector;
mod sweep;
#[cfg(test)]
mod tests;
mod trial;

pub use trial::Trial;

use super::class::Classes;
use super::eligibility::Eligibility;
use super::ids::{ConstraintId, CouplingId, NodeId, TextId};
use super::labels::{LabelSetId, LabelSets};
use super::slab::Interner;
use super::text::Texts;
use crate::api::core::PodSpec;
use counter::{CounterId, Counters, Kind};
use domains::Domains;
use presence::Presences;
use rules::{Rules, Scope};
use selector::{SelectorId, Selectors};

/// What is counted over all pods in the cluster.
#[derive(Debug)]
pub struct Coupling {
    texts: Texts,
    domains: Domains,
    selectors: Selectors,
    counters: Counters,
    presences: Presences,
    rules: Interner<Rules>,
    couplings: Interner<Entry>,
    /// Selectors that have come, or gone.
    version: u64,
}

/// What makes two pods the same to every rule in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Entry {
    /// Index into [`Coupling::rules`]; 0 demands nothing.
    rules: u32,
    /// Selectors that the pod matches, ascending.
    matched: Box<[SelectorId]>,
}

/// A pod that is to get a coupling.
#[derive(Clone, Copy, Debug)]
pub struct Applicant<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its labels.
    pub labels: LabelSetId,
    /// What it asks for.
    pub spec: &'a PodSpec,
    /// What it says about nodes: spread counts over the nodes that the pod could use.
    pub constraint: ConstraintId,
}

/// A pod on a node.
#[derive(Clone, Copy, Debug)]
pub struct Resident<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its labels.
    pub labels: LabelSetId,
    /// Its coupling, from [`Coupling::intern`] or [`Coupling::intern_placed`].
    pub coupling: CouplingId,
    /// Is it being deleted? Spread does not count it any more, affinity does.
    pub deleting: bool,
}

impl Default for Coupling {
    fn default() -> Self {
        let (mut rules, mut couplings) = (Interner::default(), Interner::default());
        rules.insert(Rules::default());
        couplings.insert(Entry::default());
        Coupling {
            texts: Texts::default(),
            domains: Domains::default(),
            selectors: Selectors::default(),
            counters: Counters::default(),
            presences: Presences::default(),
            rules,
            couplings,
            version: 0,
        }
    }
}

impl Coupling {
    /// The coupling of a pod that wants a node. It stays right until [`Coupling::version`] changes.
    pub fn intern(
        &mut self,
        pod: Applicant<'_>,
        label_sets: &LabelSets,
        eligibility: &mut Eligibility,
    ) -> CouplingId {
        let rules = self.intern_rules(pod, Scope::Candidate, label_sets, eligibility);
        let matched = self.matched(pod.namespace, pod.labels, label_sets);
        self.entry(Entry { rules, matched })
    }

    /// The coupling of a pod that has its node already and only matters to others: its host ports and its
    /// anti-affinity. What it is matched by follows from its labels.
    pub fn intern_placed(
        &mut self,
        pod: Applicant<'_>,
        label_sets: &LabelSets,
        eligibility: &mut Eligibility,
    ) -> CouplingId {
        let rules = self.intern_rules(pod, Scope::Resident, label_sets, eligibility);
        self.entry(Entry { rules, matched: Box::default() })
    }

    /// The coupling of the same pod after [`Coupling::version`] has changed.
    pub fn rematch(
        &mut self,
        coupling: CouplingId,
        namespace: &str,
        labels: LabelSetId,
        label_sets: &LabelSets,
    ) -> CouplingId {
        let rules = self.couplings[coupling.0].rules;
        let matched = self.matched(namespace, labels, label_sets);
        self.entry(Entry { rules, matched })
    }

    /// Changes when a rule looks at pods in a new way, so that pods which were the same may no longer be: pass every
    /// pod that wants a node through [`Coupling::rematch`] then.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Takes in a pod on a node, or promised to it. `true` if some rule looks at it: pods with rules that waited may
    /// fit now, on any node.
    pub fn add_pod(&mut self, pod: Resident<'_>, node: NodeId, label_sets: &LabelSets) -> bool {
        let namespace = self.texts.intern(pod.namespace);
        let (presence, is_new) = self.presences.enter(namespace, pod.labels, node, pod.deleting);
        if is_new {
            let labels = label_sets.get(pod.labels);
            let matched = self.selectors.matching(Some(namespace), labels, &self.texts);
            self.presences.set_selectors(presence, matched);
            self.selectors.enter(presence, labels, &mut self.texts);
        }
        self.count(presence, pod, node, 1)
    }

    /// Takes a pod off its node. The pod must be as it was when it was added. Returns the same as
    /// [`Coupling::add_pod`].
    pub fn remove_pod(&mut self, pod: Resident<'_>, node: NodeId, label_sets: &LabelSets) -> bool {
        let namespace = self.texts.intern(pod.namespace);
        let Some(presence) = self.presences.find(namespace, pod.labels) else { return false };
        let seen = self.count(presence, pod, node, -1);
        if self.presences.leave(presence, node, pod.deleting) {
            self.selectors.leave(presence, label_sets.get(pod.labels), &self.texts);
        }
        seen
    }

    /// Takes in what changed about a node: call it after every [`Eligibility::set_node`], whatever that said, and every
    /// [`Eligibility::remove_node`]. `true` if some rule looks at what changed.
    pub fn set_node(&mut self, node: NodeId, eligibility: &Eligibility) -> bool {
        self.domains.set_node(node, eligibility, &mut self.counters)
    }

    /// Can pods of this coupling influence, or be influenced by, where others are? If not, counting slots is exact.
    pub fn concerns(&self, coupling: CouplingId) -> bool {
        let entry = &self.couplings[coupling.0];
        entry.rules != 0
            || entry.matched.iter().any(|&selector| {
                let users = self.selectors.users(selector);
                users.counters.iter().any(|&id| self.counters.get(id).counts(&entry.matched, false))
                    || users.holders.iter().any(|&holder| self.counters.get(holder).total() > 0)
            })
    }

    /// Do spread constraints of this coupling count only nodes whose taints the pod tolerates (`nodeTaintsPolicy: Honor`),
    /// and only nodes that its selectors match (`nodeAffinityPolicy: Honor`)? Then what the pod tolerates or selects
    /// changes where it is counted.
    pub fn honors(&self, coupling: CouplingId) -> (bool, bool) {
        let rules = &self.rules[self.couplings[coupling.0].rules];
        let grounds =
            rules.spread.iter().filter_map(|spread| match self.counters.get(spread.counter).kind() {
                Kind::Spread { ground, .. } => Some(self.domains.policies(*ground)),
                _ => None,
            });
        grounds.fold((false, false), |all, one| (all.0 | one.0, all.1 | one.1))
    }

    /// The node labels without which a node takes no pod of this coupling: topology keys of required affinity and of binding
    /// spread; ids as in [`Eligibility::texts`].
    pub fn topology_labels(&self, coupling: CouplingId) -> Vec<TextId> {
        let rules = &self.rules[self.couplings[coupling.0].rules];
        let spread = rules.spread.iter().map(|spread| &spread.counter);
        let keys = rules.affinity.iter().chain(spread).filter_map(|&id| match self.counters.get(id).kind() {
            Kind::Matching { key, .. } => Some(*key),
            Kind::Spread { ground, .. } => Some(self.domains.extent(*ground).0),
            _ => None,
        });
        keys.map(|key| self.domains.label_of(key)).collect()
    }

    /// Trial placements on top of the cluster's pods.
    pub fn trial<'a>(&'a self, classes: &'a Classes) -> Trial<'a> {
        Trial::new(self, classes)
    }

    /// Moves every counter that the pod moves; says whether there is any.
    fn count(&mut self, presence: presence::PresenceId, pod: Resident<'_>, node: NodeId, by: i64) -> bool {
        let mut any = false;
        let rules = &self.rules[self.couplings[pod.coupling.0].rules];
        for counter in rules.moved() {
            self.counters.shift(counter, node, by, &self.domains);
            any = true;
        }
        let matched = self.presences.selectors(presence);
        for &counter in matched.iter().flat_map(|&selector| &self.selectors.users(selector).counters) {
            if self.counters.get(counter).counts(matched, pod.deleting) {
                self.counters.shift(counter, node, by, &self.domains);
                any = true;
            }
        }
        any
    }

    fn intern_rules(
        &mut self,
        pod: Applicant<'_>,
        scope: Scope,
        label_sets: &LabelSets,
        eligibility: &mut Eligibility,
    ) -> u32 {
        if !rules::has_any(pod.spec, scope) {
            return 0;
        }
        let rules = rules::build(self, pod, scope, label_sets, eligibility);
        self.rules.intern(rules).0
    }

    /// The selector's id. A new one is matched against all pods on nodes.
    fn intern_selector(&mut self, selector: selector::Selector, label_sets: &LabelSets) -> SelectorId {
        let (id, is_new) = self.selectors.intern(selector);
        if is_new {
            self.version += 1;
            self.selectors.anchor(id, &self.presences, label_sets, &mut self.texts);
            for presence in self.matching_presences(id, label_sets) {
                self.presences.add_selector(presence, id);
            }
        }
        id
    }

    /// The counter's id. A new one counts the pods that are on nodes already; nobody holds a term before the first
    /// pod that does is known.
    fn intern_counter(&mut self, kind: Kind, label_sets: &LabelSets) -> CounterId {
        let (id, is_new) = self.counters.intern(kind);
        if !is_new {
            return id;
        }
        self.domains.attach(id, self.counters.get(id).kind());
        match self.counters.get(id).kind().clone() {
            Kind::Holding { selector, .. } => self.selectors.users_mut(selector).holders.push(id),
            Kind::Matching { .. } | Kind::Spread { .. } => {
                let Some(selector) = self.counters.get(id).first_selector() else { return id };
                self.selectors.users_mut(selector).counters.push(id);
                let presences = self.matching_presences(selector, label_sets);
                for (node, live, deleting, matched) in self.presences.placed(&presences) {
                    let counter = self.counters.get(id);
                    let live = if counter.counts(matched, false) { live } else { 0 };
                    let deleting = if counter.counts(matched, true) { deleting } else { 0 };
                    self.counters.shift(id, node, i64::from(live + deleting), &self.domains);
                }
            }
            Kind::Port(_) => {}
        }
        id
    }

    fn matching_presences(&self, id: SelectorId, label_sets: &LabelSets) -> Vec<presence::PresenceId> {
        let mut presences = match self.selectors.candidates(id) {
            Some(candidates) => candidates,
            None => self.presences.all().collect(),
        };
        let selector = self.selectors.get(id);
        presences.retain(|&presence| {
            let (namespace, labels) = self.presences.get(presence);
            selector.matches(Some(namespace), label_sets.get(labels), &self.texts)
        });
        presences
    }

    fn matched(&self, namespace: &str, labels: LabelSetId, label_sets: &LabelSets) -> Box<[SelectorId]> {
        if self.selectors.len() == 0 {
            return Box::default();
        }
        self.selectors.matching(self.texts.find(namespace), label_sets.get(labels), &self.texts).into()
    }

    fn entry(&mut self, entry: Entry) -> CouplingId {
        CouplingId(self.couplings.intern(entry).0)
    }
}
