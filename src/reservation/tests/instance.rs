//! An instance of Phalanx in the model: a lease, a cache fed by watches, a ledger of capacity, a scheduler that takes the
//! first domain with room, and the reservations under test.

use super::super::journal::{Ask, Event, Journal, Place, Reply};
use super::super::lease::{Held, Seen};
use super::super::record::Record;
use super::super::{
    Answer, BoundPod, Call, CallId, Count, Decided, Effect, GangKey, GroupFacts, Input, Outcome, PodFacts,
    Promise, Recovered, RecoveredPod, Report, Reservations, Settings,
};
use super::server::{Change, NAMESPACE, Server, subgroup};
use crate::scheduler::{PodRef, SubgroupRef};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) paused_until: u64,
    pub(super) seen: Option<Seen>,
    pub(super) held: Option<Held>,
    pub(super) core: Option<Core>,
}

/// What a leader has in memory.
#[derive(Debug)]
pub(super) struct Core {
    /// Tells its events from those of an earlier term.
    pub(super) term: u64,
    pub(super) reservations: Reservations,
    pub(super) journal: Journal,
    /// Have the records been taken in that stood in the journal?
    pub(super) recovered: bool,
    /// Another leader has sealed the journal.
    pub(super) superseded: bool,
    pods: BTreeMap<String, (PodFacts, String)>,
    groups: BTreeMap<String, GroupFacts>,
    /// Name, domain, slots, ready.
    nodes: Vec<(String, String, usize, bool)>,
    /// Promises by uid: pod and node. What the reservations own.
    promised: BTreeMap<String, (PodRef, String)>,
    /// Pods that we bound and the watch does not show yet.
    assumed: BTreeMap<String, (BoundPod, String, String)>,
    /// Pods that a read did not find: what a watch still has of them is old news.
    gone: BTreeSet<String>,
    /// The next timer of the reservations in the world's queue.
    pub(super) wake: Option<u64>,
    /// Watches deliver in order.
    pub(super) watch_clock: u64,
    pub(super) violations: Vec<String>,
    pub(super) outcomes: BTreeMap<Outcome, u64>,
    pub(super) reports: BTreeMap<&'static str, u64>,
}

impl Core {
    /// A new leader, with everything listed.
    pub(super) fn new(term: u64, epoch: u64, settings: &Settings, server: &Server, now: u64) -> Self {
        let nodes = server
            .nodes
            .iter()
            .map(|(name, node)| (name.clone(), node.domain.clone(), node.slots as usize, node.ready));
        Core {
            term,
            reservations: Reservations::new(settings.clone()),
            journal: Journal::new(
                Place { namespace: NAMESPACE.into(), name: "phalanx".into(), holder: format!("term-{term}") },
                epoch,
                true,
            ),
            recovered: false,
            superseded: false,
            pods: server
                .pods
                .iter()
                .filter_map(|(name, pod)| Some((name.clone(), (server.facts(name)?, pod.gang.clone()))))
                .collect(),
            groups: server
                .groups
                .keys()
                .filter_map(|name| Some((name.clone(), server.group_facts(name)?)))
                .collect(),
            nodes: nodes.collect(),
            promised: BTreeMap::new(),
            assumed: BTreeMap::new(),
            gone: BTreeSet::new(),
            wake: None,
            watch_clock: now,
            violations: Vec::new(),
            outcomes: BTreeMap::new(),
            reports: BTreeMap::new(),
        }
    }

    pub(super) fn step(&mut self, now: u64, input: Input, effects: &mut Vec<Effect>) {
        let from = effects.len();
        self.reservations.step(Duration::from_millis(now), input, effects);
        for effect in &effects[from..] {
            self.book(effect);
            if let Effect::Call { id, gang, call: Call::WriteRecord { record, may_wait } } = effect {
                let now = Duration::from_millis(now);
                self.journal.put(now, gang.clone(), *id, record.as_ref(), *may_wait);
            }
        }
    }

    /// Does what has followed in the journal. The records that stood in it when it had been sealed, once.
    pub(super) fn look_at_journal(&mut self, now: u64, effects: &mut Vec<Effect>) -> Option<Vec<Record>> {
        let mut opened = None;
        loop {
            let events = self.journal.events();
            if events.is_empty() {
                return opened;
            }
            for event in events {
                let (call, answer) = match event {
                    Event::Opened(records) => {
                        opened = Some(records);
                        continue;
                    }
                    Event::Written(call) => (call, Answer::Written),
                    Event::Refused { call, message } => (call, Answer::Refused { message }),
                    Event::Superseded { .. } => {
                        self.superseded = true;
                        continue;
                    }
                    Event::Quarantined(quarantined) => {
                        self.violations.push(format!("quarantined: {quarantined:?}"));
                        continue;
                    }
                    Event::Trouble { .. } => continue,
                };
                self.step(now, Input::Answered { call, answer }, effects);
            }
        }
    }

    /// Keeps the ledger.
    fn book(&mut self, effect: &Effect) {
        let (pod, node, bound) = match effect {
            Effect::Bound { pod, node } => (pod, node, true),
            Effect::Release { pod, node } => (pod, node, false),
            Effect::Report { report, .. } => {
                let name = match report {
                    Report::Ended { outcome, .. } => {
                        *self.outcomes.entry(*outcome).or_default() += 1;
                        "ended"
                    }
                    Report::Repairing { .. } => "repairing",
                    Report::RollingBack { .. } => "rolling back",
                    Report::Held { .. } => "held",
                    Report::BoundElsewhere { .. } => "bound elsewhere",
                    Report::RecordTooLarge { .. } => "too large",
                    Report::CallRefused { .. } => "refused",
                };
                *self.reports.entry(name).or_default() += 1;
                return;
            }
            _ => return,
        };
        match self.promised.remove(&pod.uid) {
            Some((_, promised)) if promised == *node => {}
            other => self.violations.push(format!("ledger: {} on {node} was promised {other:?}", pod.name)),
        }
        if bound && let Some((facts, gang)) = self.pods.get(&pod.name) {
            // The watch may have shown it bound or gone already.
            if facts.pod.uid == pod.uid && facts.node.is_none() {
                let assumed = self.bound_pod(facts, gang);
                self.assumed.insert(pod.uid.clone(), (assumed, gang.clone(), node.clone()));
            }
        }
    }

    /// The ledger and the reservations agree.
    pub(super) fn audit(&mut self) {
        let promised: BTreeSet<(String, String)> =
            self.reservations.promised().map(|(pod, node)| (pod.uid.clone(), node.to_owned())).collect();
        let ledger: BTreeSet<(String, String)> =
            self.promised.iter().map(|(uid, (_, node))| (uid.clone(), node.clone())).collect();
        if promised != ledger {
            self.violations.push(format!("ledger: it says {ledger:?}, the reservations {promised:?}"));
        }
    }

    /// Takes in what a watch shows.
    pub(super) fn watch(&mut self, now: u64, change: Change, effects: &mut Vec<Effect>) {
        match change {
            Change::Pod(facts, gang) => {
                if let Some(assumed) = self.assumed.get(&facts.pod.uid)
                    && facts.node.as_ref() == Some(&assumed.2)
                {
                    self.assumed.remove(&facts.pod.uid);
                }
                self.know(&facts, &gang);
                let matters = facts.node.is_some();
                self.step(now, Input::PodSeen(facts), effects);
                if matters {
                    self.gang_changed(now, &gang, effects);
                }
            }
            Change::PodGone(pod, gang) => {
                self.assumed.remove(&pod.uid);
                if self.pods.get(&pod.name).is_some_and(|(facts, _)| facts.pod.uid == pod.uid) {
                    self.pods.remove(&pod.name);
                }
                self.step(now, Input::PodGone(pod), effects);
                self.gang_changed(now, &gang, effects);
            }
            Change::Group(name, facts) => {
                let minimum = self.groups.insert(name.clone(), facts.clone()).map(|old| old.minimum);
                if minimum != Some(facts.minimum) {
                    self.gang_changed(now, &name, effects);
                }
            }
            Change::GroupGone(name) => {
                self.groups.remove(&name);
                self.step(now, Input::GroupGone(group_key(&name)), effects);
            }
            Change::Node(name, ready) => {
                self.nodes.iter_mut().filter(|node| node.0 == name).for_each(|node| node.3 = ready);
                if !ready {
                    self.step(now, Input::NodeLost(name), effects);
                }
            }
        }
    }

    /// Takes a pod into the cache; one that was bound is never unbound again.
    fn know(&mut self, facts: &PodFacts, gang: &str) {
        if self.gone.contains(&facts.pod.uid) {
            return;
        }
        if let Some((old, _)) = self.pods.get(&facts.pod.name) {
            // Uids go up in this world: an older pod of the name is old news.
            if facts.pod.uid < old.pod.uid {
                return;
            } else if facts.pod.uid > old.pod.uid {
                self.assumed.remove(&old.pod.uid);
            } else if (old.node.is_some() && facts.node.is_none()) || (old.deleting && !facts.deleting) {
                return;
            }
        }
        self.pods.insert(facts.pod.name.clone(), (facts.clone(), gang.to_owned()));
    }

    /// What a read shows is known to everybody, not to the reservation alone.
    pub(super) fn read(&mut self, pod: &PodRef, facts: Option<&PodFacts>) {
        if facts.is_none_or(|facts| facts.pod.uid != pod.uid) {
            self.gone.insert(pod.uid.clone());
            self.assumed.remove(&pod.uid);
            if self.pods.get(&pod.name).is_some_and(|(old, _)| old.pod.uid == pod.uid) {
                self.pods.remove(&pod.name);
            }
        }
        let Some(facts) = facts else { return };
        if let Some((_, gang)) = self.pods.get(&facts.pod.name) {
            let gang = gang.clone();
            self.know(facts, &gang);
        }
    }

    /// The API server accepted an eviction.
    pub(super) fn evicted(&mut self, pod: &PodRef) {
        if let Some((facts, _)) = self.pods.get_mut(&pod.name).filter(|(facts, _)| facts.pod.uid == pod.uid) {
            facts.deleting = true;
        }
        if let Some((_, _, node)) = self.assumed.remove(&pod.uid)
            && let Some((facts, _)) = self.pods.get_mut(&pod.name)
        {
            facts.node = Some(node);
        }
    }

    fn gang_changed(&mut self, now: u64, gang: &str, effects: &mut Vec<Effect>) {
        if let Some(facts) = self.groups.get(gang) {
            let (minimum, generation, bound) = (facts.minimum.clone(), facts.generation, self.bound(gang));
            let gang = group_key(gang);
            self.step(now, Input::GangChanged { gang, minimum, generation, bound }, effects);
        }
    }

    fn bound(&self, gang: &str) -> Vec<BoundPod> {
        let shown = self.pods.values().filter(|(facts, of)| of == gang && facts.is_bound());
        let shown = shown.map(|(facts, _)| self.bound_pod(facts, gang));
        let ending = |uid: &str| {
            self.pods.values().any(|(facts, _)| facts.pod.uid == uid && (facts.deleting || facts.failed))
        };
        let assumed = self.assumed.values().filter(|(pod, of, _)| of == gang && !ending(&pod.uid));
        let assumed = assumed.map(|(pod, ..)| pod.clone());
        shown.chain(assumed).collect()
    }

    fn subgroup(&self, facts: &PodFacts, gang: &str) -> Option<SubgroupRef> {
        subgroup(&facts.pod.name, &self.groups.get(gang)?.minimum)
    }

    fn bound_pod(&self, facts: &PodFacts, gang: &str) -> BoundPod {
        let subgroup = self.subgroup(facts, gang);
        BoundPod { uid: facts.pod.uid.clone(), role: facts.role.clone(), subgroup }
    }

    fn free(&self, node: &str, slots: usize) -> usize {
        let mut used: BTreeSet<&str> = BTreeSet::new();
        used.extend(
            self.pods
                .values()
                .filter(|(f, _)| !f.failed && f.node.as_deref() == Some(node))
                .map(|(facts, _)| facts.pod.uid.as_str()),
        );
        used.extend(self.assumed.iter().filter(|(_, (.., at))| at == node).map(|(uid, _)| uid.as_str()));
        used.extend(self.promised.iter().filter(|(_, (_, at))| at == node).map(|(uid, _)| uid.as_str()));
        slots.saturating_sub(used.len())
    }

    /// Hands in a record that another leader left, with what the server shows now.
    pub(super) fn recover(
        &mut self,
        now: u64,
        record: Record,
        server: &Server,
        forget: bool,
        effects: &mut Vec<Effect>,
    ) {
        let name = record.gang.name.clone();
        let group = server.group_facts(&name);
        let mut pods = Vec::new();
        for (name, _) in server.pods_of(&name) {
            let Some(facts) = server.facts(name) else { continue };
            let entry = record.entries.iter().find(|e| e.uid == facts.pod.uid);
            let (mut taken, mut usable) = (false, false);
            if forget && facts.node.is_some() && pods.len() % 3 == 1 {
                // As if the list were older than the record.
                continue;
            }
            if let Some(entry) = entry
                && facts.node.is_none()
                && !self.promised.contains_key(&facts.pod.uid)
            {
                let node = self.nodes.iter().find(|node| node.0 == entry.node);
                taken = node.is_some_and(|(name, _, slots, _)| self.free(name, *slots) > 0);
                usable = node.is_some_and(|(.., ready)| *ready);
                if taken {
                    let promise = (facts.pod.clone(), entry.node.clone());
                    self.promised.insert(facts.pod.uid.clone(), promise);
                }
            }
            let subgroup = server.subgroup(&facts.pod.name);
            pods.push(RecoveredPod { facts, taken, usable, subgroup });
        }
        if let Some(group) = &group {
            self.groups.insert(name.clone(), group.clone());
        }
        let bound = server.bound_of(&name);
        self.step(now, Input::Recovered(Recovered { record, group, pods, bound }), effects);
    }

    /// Places every gang that can be placed, and more members of those that grow.
    pub(super) fn schedule(&mut self, now: u64, effects: &mut Vec<Effect>) {
        if !self.recovered {
            return;
        }
        let gangs: BTreeSet<String> = self.groups.keys().cloned().collect();
        for gang in gangs {
            let key = group_key(&gang);
            match self.reservations.phase(&key) {
                Some(phase) if !phase.accepts_members() => continue,
                // Missing members are placed when the reservation asks.
                Some(super::super::Phase::Repairing) => continue,
                _ => {}
            }
            let bound = self.bound(&gang);
            let pending = self.pending(&gang);
            let minimum = self.groups[&gang].minimum.clone();
            let mut reach = Count::default();
            let pods = bound.into_iter().chain(self.promised_of(&gang));
            let pods = pods.chain(pending.iter().map(|facts| self.bound_pod(facts, &gang)));
            pods.for_each(|pod| reach.add(&pod.role, pod.subgroup.as_ref()));
            if pending.is_empty() || reach.short_of(&minimum).is_some() {
                continue;
            }
            if let Some(decided) = self.place(key, pending) {
                self.step(now, Input::Decided(decided), effects);
            }
        }
        let alone: Vec<String> = self
            .pods
            .iter()
            .filter(|(_, (facts, gang))| gang.is_empty() && self.waits(facts))
            .map(|(name, _)| name.clone())
            .collect();
        for name in alone {
            let key = GangKey { is_pod_group: false, namespace: NAMESPACE.into(), name: name.clone() };
            let facts = self.pods[&name].0.clone();
            if let Some(decided) = self.place(key, vec![facts]) {
                self.step(now, Input::Decided(decided), effects);
            }
        }
    }

    fn waits(&self, facts: &PodFacts) -> bool {
        facts.node.is_none()
            && !facts.failed
            && !facts.deleting
            && !self.promised.contains_key(&facts.pod.uid)
            && !self.assumed.contains_key(&facts.pod.uid)
    }

    fn pending(&self, gang: &str) -> Vec<PodFacts> {
        let pods = self.pods.values().filter(|(facts, of)| of == gang && self.waits(facts));
        pods.map(|(facts, _)| facts.clone()).collect()
    }

    fn promised_of(&self, gang: &str) -> Vec<BoundPod> {
        let own = self.promised.values().filter_map(|(pod, _)| {
            let (facts, of) = self.pods.get(&pod.name)?;
            (of == gang && facts.pod.uid == pod.uid && !self.assumed.contains_key(&pod.uid))
                .then(|| self.bound_pod(facts, gang))
        });
        own.collect()
    }

    /// Answers [`Effect::PlaceAgain`].
    pub(super) fn place_again(&mut self, now: u64, key: &GangKey, short: &Count, effects: &mut Vec<Effect>) {
        let pending = self.pending(&key.name);
        let mut reach = Count::default();
        let pods = self.bound(&key.name).into_iter().chain(self.promised_of(&key.name));
        let pods = pods.chain(pending.iter().map(|facts| self.bound_pod(facts, &key.name)));
        pods.for_each(|pod| reach.add(&pod.role, pod.subgroup.as_ref()));
        let minimum = self.groups.get(&key.name).map(|group| group.minimum.clone()).unwrap_or_default();
        let enough = match short.wholes.is_empty() {
            true => {
                let mut count = Count::default();
                pending.iter().for_each(|pod| count.add(&pod.role, None));
                count.short_of(short).is_none()
            }
            // Pods may complete subgroups that have some: what counts is all of them together.
            false => reach.short_of(&minimum).is_none(),
        };
        let input = if !enough {
            Input::NotPlaced { gang: key.clone(), absent: true }
        } else {
            match self.place(key.clone(), pending) {
                Some(decided) => Input::Decided(decided),
                None => Input::NotPlaced { gang: key.clone(), absent: false },
            }
        };
        self.step(now, input, effects);
    }

    /// All of the pods in the first domain with room, and takes that.
    fn place(&mut self, key: GangKey, pods: Vec<PodFacts>) -> Option<Decided> {
        let bound = if key.is_pod_group { self.bound(&key.name) } else { Vec::new() };
        // A gang stays where it is.
        let mut home = None;
        if key.is_pod_group {
            let at = |node: &str| self.nodes.iter().find(|n| n.0 == node).map(|n| n.1.clone());
            let own = self.pods.values().filter(|(facts, of)| *of == key.name && !facts.failed);
            home = own.filter_map(|(facts, _)| at(facts.node.as_deref()?)).next().or_else(|| {
                let own = self
                    .promised
                    .values()
                    .find(|(pod, _)| self.pods.get(&pod.name).is_some_and(|(_, of)| *of == key.name));
                own.and_then(|(_, node)| at(node))
            });
        }
        let mut domains: Vec<String> = self.nodes.iter().map(|node| node.1.clone()).collect();
        domains.dedup();
        for domain in domains {
            if home.as_ref().is_some_and(|home| *home != domain) || domain == "elsewhere" {
                continue;
            }
            let mut room = self
                .nodes
                .iter()
                .filter(|node| node.1 == domain && node.3)
                .flat_map(|node| std::iter::repeat_n(node.0.clone(), self.free(&node.0, node.2)));
            let promises: Vec<Promise> = pods
                .iter()
                .map_while(|facts| {
                    Some(Promise {
                        pod: facts.pod.clone(),
                        node: room.next()?,
                        role: facts.role.clone(),
                        subgroup: self.subgroup(facts, &key.name),
                        recreated: facts.recreated,
                    })
                })
                .collect();
            if promises.len() < pods.len() {
                continue;
            }
            for promise in &promises {
                let held = (promise.pod.clone(), promise.node.clone());
                self.promised.insert(promise.pod.uid.clone(), held);
            }
            let group = key.is_pod_group.then(|| self.groups.get(&key.name).cloned()).flatten();
            return Some(Decided {
                gang: key,
                pods: promises,
                domain: Some(domain),
                tier: Some(1),
                group,
                bound,
            });
        }
        None
    }
}

pub(super) fn group_key(name: &str) -> GangKey {
    GangKey { is_pod_group: true, namespace: NAMESPACE.to_owned(), name: name.to_owned() }
}

/// A call on its way.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    /// Of a reservation.
    Call(CallId, Call),
    /// For an object of the journal, by its number.
    Journal(usize, Ask),
}

/// What became of it.
#[derive(Clone, Debug)]
pub(super) enum Back {
    Call(Answer),
    Journal(Reply),
}

impl Sent {
    /// The answer that was sent instead of the true one, or nothing that came at all.
    pub(super) fn answered(&self, answer: Answer) -> Back {
        match self {
            Sent::Call(..) => Back::Call(answer),
            Sent::Journal(..) => Back::Journal(match answer {
                Answer::Conflict => Reply::Conflict,
                Answer::TooMany { retry_after } => Reply::TooMany(retry_after),
                Answer::ServerError { retry_after } => Reply::Unknown(retry_after),
                Answer::Refused { message } => Reply::Refused(message),
                _ => Reply::Unknown(None),
            }),
        }
    }

    pub(super) fn is_write(&self) -> bool {
        !matches!(self, Sent::Call(_, Call::ReadPod { .. }) | Sent::Journal(_, Ask::Read))
    }
}
