//! What must never happen, checked at every change of the double, and what must hold when everything has settled.

use super::devices::{DEVICE_CLAIMS, allocated, lacks};
use super::store::{Key, Store, key, text};
use super::world::{CLAIMS, is_reached};
use phalanx::reservation::journal::{HEAD, Head, read};
use phalanx::reservation::record::{Record, RecordState};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How long a leader may be ignorant of a loss or of another minimum: it stood still, or its watch was behind.
const NEWS_TAKE: u64 = 45_000;
/// How long decisions may rest on what was listed: the watch may have been cut, and the list after it late and then hung.
const CATCHING_UP: u64 = 120_000;
/// The farthest that a list is behind, in milliseconds.
pub(crate) const MOST_BEHIND: u64 = 20_000;

#[derive(Debug, Default)]
pub(crate) struct Judge {
    pub(crate) violations: Vec<String>,
    /// Gangs, by uid, that have had their minimum: what they lose later is not ours to undo.
    met: BTreeSet<String>,
    /// Writes of deposed leaders to the journal that were refused.
    pub(crate) sealed_out: usize,
    /// Bound members that were lost, and minima that were changed: gang's uid and time.
    losses: Vec<(String, u64, String)>,
    minima: Vec<(String, u64, Minimum)>,
    /// When a pod was bound, by uid: version, time, and whether somebody else did it.
    bound: BTreeMap<String, (u64, u64, bool)>,
    /// When a record first promised a node to a pod, by uid and node.
    promised: BTreeMap<(String, String), u64>,
    /// Lists that concealed what came after a version, and when they were served.
    concealed: Vec<(u64, u64)>,
    /// The bind or the allocation to come is somebody else's.
    pub(crate) foreign: bool,
    pub(crate) binds: usize,
    /// Device claims that were allocated by us, and their devices.
    pub(crate) allocations: usize,
    /// When a device claim was allocated, by uid: version, time, and whether somebody else did it.
    allocated: BTreeMap<String, (u64, u64, bool)>,
    /// Devices that two claims had for a while, since somebody else took them at the same time.
    pub(crate) contested: usize,
    pub(crate) evictions: usize,
    /// Evictions out of gangs that had their minimum at that moment.
    pub(crate) evictions_of_whole: usize,
    /// Changes of pods and PodGroups.
    pub(crate) changes: u64,
    /// When a plan last named a pod, by uid, as one that leaves.
    named: BTreeMap<String, u64>,
    /// Pods that left for a gang.
    pub(crate) left: usize,
    /// Binds onto room that a plan keeps: the plan, when, and what to say. Its leader may have given the plan up, or placed its
    /// gang elsewhere, and not have written that yet.
    suspected: Vec<(Record, u64, String)>,
}

/// A pod that has a node and stays.
fn counts(pod: &Value) -> bool {
    !text(pod, "/spec/nodeName").is_empty()
        && pod["metadata"]["deletionTimestamp"].is_null()
        && text(pod, "/status/phase") != "Failed"
}

pub(crate) fn gang_of(pod: &Value) -> &str {
    text(pod, "/metadata/annotations/scheduling.k8s.io~1group-name")
}

/// What tells the subgroups of a gang apart; empty where it has none.
fn subgroup_of(pod: &Value) -> &str {
    text(pod, "/metadata/labels/subgroup")
}

/// The entries of an object of the journal.
fn entries(object: &Value) -> Vec<Record> {
    let data = serde_json::from_value(object["data"].clone()).unwrap_or_default();
    let (records, quarantined) = read(text(object, "/metadata/name"), &data);
    assert_eq!(quarantined, [], "we write what we can read");
    records.into_iter().map(|(_, record)| record).collect()
}

fn epoch(object: &Value) -> u64 {
    Head::decode(text(&object["data"], &format!("/{HEAD}"))).map_or(0, |head| head.epoch)
}

/// What stands in the journal of a gang.
fn record(store: &Store, group: &Value) -> Option<Record> {
    let (namespace, name) = (text(group, "/metadata/namespace"), text(group, "/metadata/name"));
    let mut records = store.all("configmaps", "kube-system").flat_map(entries);
    records.find(|record| record.gang.namespace == namespace && record.gang.name == name)
}

/// Plans by which others leave for gangs, but for those whose gang is gone or wants nothing.
fn plans(store: &Store) -> Vec<Record> {
    let records = store.all("configmaps", "kube-system").flat_map(entries);
    let stands = |record: &Record| {
        let pods = store.all("pods", &record.gang.namespace);
        record.state == RecordState::Clearing
            && pods
                .filter(|pod| gang_of(pod) == record.gang.name)
                .any(|pod| text(pod, "/spec/nodeName").is_empty())
    };
    records.filter(stands).collect()
}

/// GPUs of a node that are used by pods which stay, or kept for gangs by plans.
fn kept(store: &Store, node: &str, plans: &[Record]) -> i64 {
    let leaves = |pod: &&Value| {
        let uid = text(pod, "/metadata/uid");
        !pod["metadata"]["deletionTimestamp"].is_null()
            || plans.iter().any(|plan| plan.victims.iter().any(|victim| victim.uid == uid))
    };
    let there = store.all("pods", "").filter(|pod| {
        text(pod, "/spec/nodeName") == node && text(pod, "/status/phase") != "Failed" && !leaves(pod)
    });
    let waits = |uid: &str| {
        store
            .all("pods", "")
            .any(|pod| text(pod, "/metadata/uid") == uid && text(pod, "/spec/nodeName").is_empty())
    };
    let places = plans.iter().flat_map(|plan| &plan.entries);
    let places = places.filter(|entry| entry.node == node && waits(&entry.uid)).count();
    there.map(gpus).sum::<i64>() + places as i64
}

fn gpus_of_node(store: &Store, node: &str) -> i64 {
    let node = store.find(&key("nodes", "", node));
    node.map_or("", |node| text(node, "/status/allocatable/nvidia.com~1gpu")).parse().unwrap_or(0)
}

/// Would this write to the journal be one of a leader that another has succeeded?
pub(crate) fn is_deposed(store: &Store, at: &Key, patch: &Value) -> bool {
    store.find(at).is_some_and(|object| patch["data"][HEAD].is_string() && epoch(patch) < epoch(object))
}

/// The node that an unfinished record has promised to a pod.
pub(crate) fn promised(store: &Store, pod: &Value) -> Option<String> {
    let group = store.find(&key("podgroups", text(pod, "/metadata/namespace"), gang_of(pod)))?;
    let record = record(store, group)?;
    let uid = text(pod, "/metadata/uid");
    record.entries.into_iter().find(|entry| entry.uid == uid).map(|entry| entry.node)
}

/// What a gang needs: pods, and whole subgroups of a size.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Minimum {
    members: usize,
    wholes: usize,
    size: usize,
}

/// Pods of a gang by the label that tells its subgroups apart.
type Have = BTreeMap<String, usize>;

fn have<'a>(pods: impl IntoIterator<Item = &'a Value>) -> Have {
    let mut have = Have::new();
    for pod in pods {
        *have.entry(subgroup_of(pod).to_owned()).or_default() += 1;
    }
    have
}

impl Minimum {
    fn of(group: &Value) -> Self {
        let number = |path: &str| group.pointer(path).and_then(Value::as_u64).unwrap_or(0) as usize;
        Minimum {
            members: number("/spec/minMember"),
            wholes: number("/spec/subGroupPolicy/0/minSubGroups"),
            size: number("/spec/subGroupPolicy/0/subGroupSize"),
        }
    }

    /// The fewest pods that a gang with `bound` pods, of those that may run, needs to go on: up to its minimum, or, where
    /// that is met, for one more or one more subgroup.
    fn needs(&self, bound: &Have, may_run: &Have) -> usize {
        let missing = |subgroup: &String| {
            let has = bound.get(subgroup).copied().unwrap_or(0);
            self.size.saturating_sub(has)
        };
        let parts = may_run.iter().filter(|(subgroup, count)| !subgroup.is_empty() && **count >= self.size);
        let mut lacks: Vec<usize> = parts.map(|(subgroup, _)| missing(subgroup)).collect();
        lacks.sort_unstable();
        let more = lacks.iter().copied().find(|lack| *lack > 0).unwrap_or(1);
        if self.is_met(bound) {
            return more;
        }
        let members = self.members.saturating_sub(bound.values().sum());
        // Subgroups come whole, whatever the members need; pods of none come one by one.
        let single = may_run.get("").copied().unwrap_or(0) - bound.get("").copied().unwrap_or(0);
        let mut needs: usize = lacks.iter().take(self.wholes).sum();
        for lack in lacks.iter().skip(self.wholes) {
            if needs + single < members {
                needs += lack;
            }
        }
        members.max(needs)
    }

    fn is_met(&self, have: &Have) -> bool {
        let wholes = have.iter().filter(|(subgroup, count)| !subgroup.is_empty() && **count >= self.size);
        have.values().sum::<usize>() >= self.members && wholes.count() >= self.wholes
    }
}

/// Are the volumes of the pod's claims, those that are made, reached from the node?
fn reaches(store: &Store, pod: &Value, node: &Value) -> bool {
    let used = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let mut volumes = used.filter_map(|used| {
        let name = text(used, "/persistentVolumeClaim/claimName");
        let claim = store.find(&key(CLAIMS, text(pod, "/metadata/namespace"), name))?;
        store.find(&key("persistentvolumes", "", text(claim, "/spec/volumeName")))
    });
    volumes.all(|volume| is_reached(volume, node))
}

/// Pods of one GPU that there is room for on nodes that reach the volumes of this one.
fn room(store: &Store, pod: &Value) -> i64 {
    let reached = store.all("nodes", "").filter(|node| reaches(store, pod, node));
    let free = reached.map(|node| {
        let name = text(node, "/metadata/name");
        let there = store
            .all("pods", "")
            .filter(|pod| text(pod, "/spec/nodeName") == name && text(pod, "/status/phase") != "Failed");
        let has: i64 = text(node, "/status/allocatable/nvidia.com~1gpu").parse().unwrap_or(0);
        (has - there.map(gpus).sum::<i64>()).max(0)
    });
    free.sum()
}

fn gpus(pod: &Value) -> i64 {
    let amount = pod.pointer("/spec/containers/0/resources/limits/nvidia.com~1gpu");
    amount.and_then(|amount| amount.as_str()?.parse().ok()).unwrap_or(0)
}

impl Judge {
    pub(crate) fn changed(
        &mut self,
        store: &Store,
        key: &Key,
        before: Option<&Value>,
        after: Option<&Value>,
    ) {
        self.look_at_suspected(store);
        match key.0.as_str() {
            "pods" => {
                self.changes += 1;
                self.pod_changed(store, before, after);
            }
            "configmaps" => self.journal_changed(store, before, after),
            DEVICE_CLAIMS => {
                self.changes += 1;
                if let Some(claim) = after {
                    self.claim_changed(store, before, claim);
                }
            }
            "podgroups" => {
                self.changes += 1;
                if let Some(group) = after {
                    self.group_changed(store, before, group);
                }
            }
            _ => {}
        }
    }

    /// A client of ours is served a list as of an earlier version.
    pub(crate) fn conceals(&mut self, version: u64, now: u64) {
        self.concealed.push((version, now));
    }

    fn pod_changed(&mut self, store: &Store, before: Option<&Value>, after: Option<&Value>) {
        let Some(pod) = after.or(before) else { return };
        let namespace = text(pod, "/metadata/namespace");
        let group = store.find(&key("podgroups", namespace, gang_of(pod)));
        let was = before.is_some_and(counts);
        if was
            && !after.is_some_and(counts)
            && let Some(group) = group
        {
            let loss = (text(group, "/metadata/uid").to_owned(), store.now, subgroup_of(pod).to_owned());
            self.losses.push(loss);
        }
        let node = text(pod, "/spec/nodeName");
        if after.is_some()
            && !node.is_empty()
            && before.is_some_and(|before| text(before, "/spec/nodeName").is_empty())
        {
            let uid = text(pod, "/metadata/uid").to_owned();
            self.bound.insert(uid, (store.version, store.now, self.foreign));
            if !self.foreign {
                self.binds += 1;
                self.bound_by_us(store, pod, node, group);
            }
        }
        if let Some(group) = group {
            self.note(store, group, false);
        }
    }

    /// A device that a claim gets belongs to no other claim.
    fn claim_changed(&mut self, store: &Store, before: Option<&Value>, claim: &Value) {
        let (devices, uid) = (allocated(claim), text(claim, "/metadata/uid"));
        if !self.foreign && devices.is_empty() && before.is_some_and(|before| !allocated(before).is_empty()) {
            self.taken_back(store, claim);
        }
        if devices.is_empty() || before.is_some_and(|before| !allocated(before).is_empty()) {
            return;
        }
        self.allocated.insert(uid.to_owned(), (store.version, store.now, self.foreign));
        if self.foreign {
            return;
        }
        self.allocations += 1;
        let others = store.all(DEVICE_CLAIMS, "").filter(|other| text(other, "/metadata/uid") != uid);
        for other in others.filter(|other| allocated(other).iter().any(|device| devices.contains(device))) {
            // What could not be known: another scheduler took it just before, or the API server conceals it.
            let could_know = match self.allocated.get(text(other, "/metadata/uid")) {
                Some(&(version, at, foreign)) => {
                    let concealed = self.concealed.iter().any(|&(until, served)| {
                        version > until && at <= served && store.now <= served + CATCHING_UP
                    });
                    !concealed && !(foreign && at + CATCHING_UP > store.now)
                }
                None => true,
            };
            self.contested += usize::from(!could_know);
            if could_know {
                let (one, other) = (text(claim, "/metadata/name"), text(other, "/metadata/name"));
                self.violations
                    .push(format!("devices: {devices:?} are given to {one}, and {other} has them"));
            }
        }
    }

    /// Devices are not taken back from a pod that uses them, unless somebody else has just bound it.
    fn taken_back(&mut self, store: &Store, claim: &Value) {
        let owner = &claim["metadata"]["ownerReferences"][0];
        let pod = store.all("pods", "").find(|pod| pod["metadata"]["uid"] == owner["uid"] && counts(pod));
        let Some(pod) = pod else { return };
        let uid = text(pod, "/metadata/uid");
        let is_news =
            self.bound.get(uid).is_some_and(|&(_, at, foreign)| foreign && at + CATCHING_UP > store.now);
        if !is_news {
            let (name, claim) = (text(pod, "/metadata/name"), text(claim, "/metadata/name"));
            self.violations.push(format!("devices: {name} is bound, and {claim} is taken back"));
        }
    }

    fn bound_by_us(&mut self, store: &Store, pod: &Value, node: &str, group: Option<&Value>) {
        let (name, uid) = (text(pod, "/metadata/name"), text(pod, "/metadata/uid"));
        let decided = self.promised.get(&(uid.to_owned(), node.to_owned())).copied();
        let decided = decided.unwrap_or(store.now.saturating_sub(NEWS_TAKE));
        // What could not be known is not held against us: other people's binds just before, and what the API server
        // concealed.
        let could_know = |other: &Value| {
            let Some(&(version, at, foreign)) = self.bound.get(text(other, "/metadata/uid")) else {
                return true;
            };
            let concealed = self
                .concealed
                .iter()
                .any(|&(until, served)| version > until && at <= served && decided <= served + CATCHING_UP);
            !concealed && !(foreign && at + CATCHING_UP > store.now)
        };
        let there = store
            .all("pods", "")
            .filter(|pod| text(pod, "/spec/nodeName") == node && text(pod, "/status/phase") != "Failed");
        let used: i64 =
            there.filter(|other| text(other, "/metadata/uid") == uid || could_know(other)).map(gpus).sum();
        let room = store
            .find(&key("nodes", "", node))
            .map_or("", |node| text(node, "/status/allocatable/nvidia.com~1gpu"));
        if used > room.parse().unwrap_or(0) {
            self.violations.push(format!("no-overcommit: {node} has {used} of {room} GPUs since {name}"));
        }
        for volume in pod["spec"]["volumes"].as_array().into_iter().flatten() {
            let claim = text(volume, "/persistentVolumeClaim/claimName");
            let bound = store.find(&key(CLAIMS, text(pod, "/metadata/namespace"), claim));
            if !bound.is_some_and(|claim| text(claim, "/status/phase") == "Bound") {
                self.violations
                    .push(format!("hard-means-hard: {name} is bound, and its claim {claim} is not"));
            }
        }
        if !pod["spec"]["resourceClaims"].is_null()
            && let Some(lack) = lacks(store, pod, node)
        {
            self.violations.push(format!("devices: {name} is bound to {node}, and {lack}"));
        }
        if !reaches(store, pod, store.find(&key("nodes", "", node)).unwrap_or(&Value::Null)) {
            self.violations.push(format!("hard-means-hard: {name} does not reach its volume from {node}"));
        }
        let mut plans = plans(store);
        plans.retain(|plan| plan.gang.name != gang_of(pod));
        let (kept, has) = (kept(store, node, &plans), gpus_of_node(store, node));
        for plan in plans.iter().filter(|_| kept > has) {
            if plan.entries.iter().any(|entry| entry.node == node) {
                let said = format!(
                    "kept-room: {name} is bound to {node}, of whose {has} GPUs {kept} are used or kept by {plans:?}"
                );
                self.suspected.push((plan.clone(), store.now, said));
            }
        }
        let Some(group) = group else { return };
        let record = record(store, group);
        let named = record.as_ref().is_some_and(|record| {
            record.entries.iter().any(|entry| entry.name == name && entry.uid == uid && entry.node == node)
        });
        // One pod that completes its gang, as far as its leader can know, or joins one that is whole, needs no record.
        let known = self.known(store, group, true);
        if !named && !self.is_enough(store, group, &known) && !self.met.contains(text(group, "/metadata/uid"))
        {
            self.violations.push(format!(
                "all-or-nothing: {name} is bound to {node}, and the record of its gang is {record:?}"
            ));
        }
    }

    fn group_changed(&mut self, store: &Store, before: Option<&Value>, group: &Value) {
        let uid = text(group, "/metadata/uid").to_owned();
        if let Some(before) = before
            && Minimum::of(before) != Minimum::of(group)
        {
            self.minima.push((uid.clone(), store.now, Minimum::of(before)));
        }
        self.note(store, group, false);
    }

    fn journal_changed(&mut self, store: &Store, before: Option<&Value>, after: Option<&Value>) {
        if let (Some(before), Some(after)) = (before, after)
            && epoch(after) < epoch(before)
        {
            let (late, sealed) = (epoch(after), epoch(before));
            self.violations.push(format!("sealed: a write of epoch {late} is applied after epoch {sealed}"));
        }
        let is = after.map(entries).unwrap_or_default();
        for record in &is {
            for entry in &record.entries {
                self.promised.entry((entry.uid.clone(), entry.node.clone())).or_insert(store.now);
            }
        }
        let were = before.map(entries).unwrap_or_default();
        for record in were.iter().chain(&is) {
            self.named.extend(record.victims.iter().map(|victim| (victim.uid.clone(), store.now)));
        }
        for record in
            is.iter().filter(|record| record.state == RecordState::Clearing && !were.contains(record))
        {
            self.planned(store, record);
        }
        // Its leader thinks that it is whole, or that nothing is bound.
        for gone in before.map(entries).unwrap_or_default() {
            if is.iter().any(|record| record.gang == gone.gang) {
                continue;
            }
            if let Some(group) = store.find(&key("podgroups", &gone.gang.namespace, &gone.gang.name)) {
                self.note(store, group, true);
            }
        }
    }

    /// A plan that goes on although its room went to others.
    fn look_at_suspected(&mut self, store: &Store) {
        if self.suspected.is_empty() {
            return;
        }
        let standing = plans(store);
        self.suspected.retain(|(plan, ..)| standing.contains(plan));
        let late = self.suspected.iter().find(|(_, since, _)| since + CATCHING_UP < store.now);
        self.violations.extend(late.map(|(.., said)| said.clone()));
    }

    /// A plan is written: there is room for the whole minimum of its gang when those have left who leave for it.
    fn planned(&mut self, store: &Store, plan: &Record) {
        let name = &plan.gang.name;
        let Some(group) = store.find(&key("podgroups", &plan.gang.namespace, name)) else { return };
        let known = self.known(store, group, true).values().sum::<usize>();
        if !plan.victims.is_empty() && plan.entries.len() + known < Minimum::of(group).members {
            let places = plan.entries.len();
            self.violations
                .push(format!("justified-eviction: a plan for {name} has {places} places: {plan:?}"));
        }
        let nodes: BTreeSet<&str> = plan.entries.iter().map(|entry| entry.node.as_str()).collect();
        for node in nodes {
            let (kept, has) = (kept(store, node, &plans(store)), gpus_of_node(store, node));
            if kept > has {
                self.violations.push(format!(
                    "justified-eviction: {kept} of the {has} GPUs of {node} would be used with {plan:?}"
                ));
            }
        }
    }

    /// A client of ours evicts a pod so that a gang gets its room.
    pub(crate) fn evicted_by_us(&mut self, store: &Store, at: &Key, object: &Value) {
        self.left += 1;
        let uid = text(object, "/metadata/uid");
        let mut records = store.all("configmaps", "kube-system").flat_map(entries);
        let stands = records.any(|record| record.victims.iter().any(|victim| victim.uid == uid));
        // A call may take effect some time after it was sent.
        let was = self.named.get(uid).is_some_and(|seen| seen + CATCHING_UP > store.now);
        if !stands && !was {
            self.violations.push(format!("justified-eviction: {} is evicted, and no plan names it", at.2));
        }
        let mut owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        if !owners.any(|owner| owner["controller"] == true) {
            self.violations.push(format!("no-orphan: {} is evicted, and nothing recreates it", at.2));
        }
    }

    /// Has the gang its minimum now? `heard`: members that were lost just now count, since their leader cannot know.
    fn note(&mut self, store: &Store, group: &Value, heard: bool) {
        let have = self.known(store, group, heard);
        if !have.is_empty() && self.is_enough(store, group, &have) {
            self.met.insert(text(group, "/metadata/uid").to_owned());
        }
    }

    /// Bound members; `heard`: with those that the gang has lost and its leader may not have heard of.
    fn known(&self, store: &Store, group: &Value, heard: bool) -> Have {
        let (namespace, name) = (text(group, "/metadata/namespace"), text(group, "/metadata/name"));
        let mut have = have(store.all("pods", namespace).filter(|pod| gang_of(pod) == name && counts(pod)));
        let uid = text(group, "/metadata/uid");
        let since = store.now.saturating_sub(self.news_take(store));
        for (.., subgroup) in self.losses.iter().filter(|(of, at, _)| heard && of == uid && *at > since) {
            *have.entry(subgroup.clone()).or_default() += 1;
        }
        have
    }

    /// Is it enough by any minimum that its leader may believe in?
    fn is_enough(&self, store: &Store, group: &Value, have: &Have) -> bool {
        let uid = text(group, "/metadata/uid");
        let since = store.now.saturating_sub(self.news_take(store));
        let earlier = self.minima.iter().filter(|(of, at, _)| of == uid && *at > since);
        Minimum::of(group).is_met(have) || earlier.into_iter().any(|(.., minimum)| minimum.is_met(have))
    }

    fn news_take(&self, store: &Store) -> u64 {
        let behind = self.concealed.iter().any(|(_, served)| served + CATCHING_UP > store.now);
        NEWS_TAKE + if behind { MOST_BEHIND } else { 0 }
    }

    /// Was it bound by somebody else?
    fn is_foreign(&self, pod: &Value) -> bool {
        self.bound.get(text(pod, "/metadata/uid")).is_some_and(|(.., foreign)| *foreign)
    }

    /// A client of ours deletes an object.
    pub(crate) fn deleted_by_us(&mut self, store: &Store, at: &Key, object: &Value) {
        if at.0 == "pods" {
            self.evictions += 1;
            let group = store.find(&key("podgroups", &at.1, gang_of(object)));
            let is_whole = |group: &Value| Minimum::of(group).is_met(&self.known(store, group, false));
            self.evictions_of_whole += usize::from(group.is_some_and(is_whole) && counts(object));
            let mut owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
            if !owners.any(|owner| owner["controller"] == true) {
                self.violations.push(format!("no-orphan: {} is deleted, and nothing recreates it", at.2));
            }
        }
    }
}

/// What is not as it should be when nothing goes wrong any more; empty if all is well. Every pod could have a node.
pub(crate) fn unsettled(store: &Store) -> Vec<String> {
    let mut wrong = Vec::new();
    for group in store.all("podgroups", "") {
        let (namespace, name) = (text(group, "/metadata/namespace"), text(group, "/metadata/name"));
        let pods: Vec<&Value> = store.all("pods", namespace).filter(|pod| gang_of(pod) == name).collect();
        let bound = pods.iter().filter(|pod| counts(pod)).count();
        let (minimum, met) = (Minimum::of(group), store.judge.met.contains(text(group, "/metadata/uid")));
        let alive = have(pods.iter().copied().filter(|pod| text(pod, "/status/phase") != "Failed"));
        // A subgroup that lacks pods waits for them.
        let in_part = |pod: &Value| {
            let subgroup = subgroup_of(pod);
            !subgroup.is_empty() && alive.get(subgroup).is_none_or(|count| *count < minimum.size)
        };
        let may_run = |pod: &&Value| counts(pod) || !in_part(pod) && text(pod, "/status/phase") != "Failed";
        let enough = minimum.is_met(&have(pods.iter().copied().filter(may_run)));
        let waits = pods.iter().filter(|pod| !counts(pod) && !in_part(pod)).count();
        let by_us = pods.iter().filter(|pod| counts(pod) && !store.judge.is_foreign(pod)).count();
        let bare = pods.iter().any(|pod| pod["metadata"]["ownerReferences"].is_null() && counts(pod));
        let open = record(store, group);
        // Their volume may keep them from where there is room. Without a claim that they share there is room for all.
        let needs = minimum.needs(
            &have(pods.iter().copied().filter(|pod| counts(pod))),
            &have(pods.iter().copied().filter(may_run)),
        );
        let next = pods.iter().find(|pod| !counts(pod) && !in_part(pod));
        let fits = next.is_none_or(|pod| room(store, pod) >= needs as i64);
        let enough = enough && fits;
        if enough && waits > 0 {
            wrong.push(format!("convergence: {name} has {bound} of {} pods bound", pods.len()));
        } else if !enough && by_us > 0 && !met && !bare {
            wrong.push(format!("all-or-nothing: {name} has {by_us} pods bound, its minimum is {minimum:?}"));
        }
        // A gang is held, with its record, where nothing would recreate what is bound of it.
        let held = !enough && bound > 0 && bare;
        if let Some(record) = open
            && !held
            && !pods.is_empty()
        {
            wrong.push(format!("convergence: {name} is left with {record:?}"));
        }
    }
    let alone = store.all("pods", "").filter(|pod| gang_of(pod).is_empty());
    wrong.extend(
        alone
            .filter(|pod| !counts(pod))
            .map(|pod| format!("convergence: {} waits", text(pod, "/metadata/name"))),
    );
    wrong.extend(super::devices::unsettled(store));
    wrong
}

/// What is not as it should be in a full cluster when nothing goes wrong any more: gangs of queue `owner`, which is promised all
/// that they ask for, are whole; all others are bound with their minimum or not at all; nothing is left in the journal.
pub(crate) fn unsettled_claims(store: &Store) -> Vec<String> {
    let mut wrong = Vec::new();
    for group in store.all("podgroups", "") {
        let name = text(group, "/metadata/name");
        let pods: Vec<&Value> = store.all("pods", "").filter(|pod| gang_of(pod) == name).collect();
        let bound = pods.iter().filter(|pod| counts(pod)).count();
        let minimum = Minimum::of(group).members;
        let met = store.judge.met.contains(text(group, "/metadata/uid"));
        if text(group, "/spec/queue") == "owner" && bound < pods.len() && pods.len() >= minimum {
            wrong.push(format!("convergence: {name} has {bound} of {} pods bound", pods.len()));
        }
        if bound > 0 && bound < minimum && !met {
            wrong.push(format!("all-or-nothing: {name} has {bound} pods bound, its minimum is {minimum}"));
        }
        if let Some(record) = record(store, group)
            && !pods.is_empty()
        {
            wrong.push(format!("convergence: {name} is left with {record:?}"));
        }
    }
    wrong
}
