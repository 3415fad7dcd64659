//! What must never happen, checked at every change of the double, and what must hold when everything has settled.

use super::store::{Key, Store, key, text};
use phalanx::reservation::record::{RESERVATION, Record, RecordState};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How long a leader may be ignorant of a loss or of another minimum: it stood still, or its watch was behind.
const NEWS_TAKE: u64 = 45_000;

#[derive(Debug, Default)]
pub(crate) struct Judge {
    pub(crate) violations: Vec<String>,
    /// Gangs, by uid, that have had their minimum: what they lose later is not ours to undo.
    met: BTreeSet<String>,
    /// The highest epoch in a gang's record so far, by uid.
    epochs: BTreeMap<String, u64>,
    /// Bound members that were lost, and minima that were changed: gang's uid and time.
    losses: Vec<(String, u64)>,
    minima: Vec<(String, u64, usize)>,
    pub(crate) binds: usize,
    pub(crate) evictions: usize,
    /// Changes of pods and PodGroups.
    pub(crate) changes: u64,
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

fn record(group: &Value) -> Option<Record> {
    let text = group["metadata"]["annotations"].get(RESERVATION)?.as_str()?;
    Some(Record::decode(text).expect("we write records that we can read"))
}

fn minimum(group: &Value) -> usize {
    group["spec"]["minMember"].as_u64().unwrap_or(0) as usize
}

fn gpus(pod: &Value) -> i64 {
    let amount = pod.pointer("/spec/containers/0/resources/limits/nvidia.com~1gpu");
    amount.and_then(Value::as_i64).unwrap_or(0)
}

impl Judge {
    pub(crate) fn changed(
        &mut self,
        store: &Store,
        key: &Key,
        before: Option<&Value>,
        after: Option<&Value>,
    ) {
        match key.0.as_str() {
            "pods" => {
                self.changes += 1;
                self.pod_changed(store, before, after);
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

    fn pod_changed(&mut self, store: &Store, before: Option<&Value>, after: Option<&Value>) {
        let Some(pod) = after.or(before) else { return };
        let namespace = text(pod, "/metadata/namespace");
        let group = store.find(&key("podgroups", namespace, gang_of(pod)));
        let was = before.is_some_and(counts);
        if was
            && !after.is_some_and(counts)
            && let Some(group) = group
        {
            self.losses.push((text(group, "/metadata/uid").to_owned(), store.now));
        }
        let node = text(pod, "/spec/nodeName");
        if after.is_some()
            && !node.is_empty()
            && before.is_some_and(|before| text(before, "/spec/nodeName").is_empty())
        {
            self.binds += 1;
            self.bound(store, pod, node, group);
        }
        if let Some(group) = group {
            self.note(store, group, false);
        }
    }

    fn bound(&mut self, store: &Store, pod: &Value, node: &str, group: Option<&Value>) {
        let name = text(pod, "/metadata/name");
        let there = store
            .all("pods", "")
            .filter(|pod| text(pod, "/spec/nodeName") == node && text(pod, "/status/phase") != "Failed");
        let used: i64 = there.map(gpus).sum();
        let room = store
            .find(&key("nodes", "", node))
            .map_or("", |node| text(node, "/status/allocatable/nvidia.com~1gpu"));
        if used > room.parse().unwrap_or(0) {
            self.violations.push(format!("no-overcommit: {node} has {used} of {room} GPUs since {name}"));
        }
        let Some(group) = group else { return };
        let uid = text(pod, "/metadata/uid");
        let named = record(group).is_some_and(|record| {
            record.state != RecordState::Done
                && record.entries.iter().any(|entry| {
                    entry.name == name && entry.uid.as_deref() == Some(uid) && entry.node == node
                })
        });
        // One pod that completes its gang, as far as its leader can know, or joins one that is whole, needs no record.
        let bound =
            store.all("pods", "").filter(|other| gang_of(other) == gang_of(pod) && counts(other)).count();
        let known = bound + self.lost(store, group);
        if !named && known < self.least(store, group) && !self.met.contains(text(group, "/metadata/uid")) {
            self.violations.push(format!(
                "all-or-nothing: {name} is bound to {node}, and the record of its gang is {:?}",
                record(group)
            ));
        }
    }

    fn group_changed(&mut self, store: &Store, before: Option<&Value>, group: &Value) {
        let uid = text(group, "/metadata/uid").to_owned();
        if let Some(before) = before
            && minimum(before) != minimum(group)
        {
            self.minima.push((uid.clone(), store.now, minimum(before)));
        }
        let mut done = false;
        if let Some(record) = record(group) {
            done = record.state == RecordState::Done;
            let latest = self.epochs.entry(uid).or_default();
            if record.epoch < *latest {
                self.violations.push(format!(
                    "one-writer: a record of epoch {} after one of epoch {latest}",
                    record.epoch
                ));
            }
            *latest = record.epoch.max(*latest);
        }
        self.note(store, group, done);
    }

    /// Has the gang its minimum now? `heard`: members that were lost just now count, since their leader cannot know.
    fn note(&mut self, store: &Store, group: &Value, heard: bool) {
        let uid = text(group, "/metadata/uid");
        let (namespace, name) = (text(group, "/metadata/namespace"), text(group, "/metadata/name"));
        let bound = store.all("pods", namespace).filter(|pod| gang_of(pod) == name && counts(pod)).count();
        let have = bound + if heard { self.lost(store, group) } else { 0 };
        if have > 0 && have >= self.least(store, group) {
            self.met.insert(uid.to_owned());
        }
    }

    /// Bound members that the gang has lost and its leader may not have heard of.
    fn lost(&self, store: &Store, group: &Value) -> usize {
        let uid = text(group, "/metadata/uid");
        self.losses.iter().filter(|(of, at)| of == uid && at + NEWS_TAKE > store.now).count()
    }

    /// The least minimum that its leader may believe in.
    fn least(&self, store: &Store, group: &Value) -> usize {
        let uid = text(group, "/metadata/uid");
        let earlier = self.minima.iter().filter(|(of, at, _)| of == uid && at + NEWS_TAKE > store.now);
        earlier.map(|(.., minimum)| *minimum).chain([minimum(group)]).min().unwrap_or(0)
    }

    /// A client of ours deletes an object.
    pub(crate) fn deleted_by_us(&mut self, key: &Key, object: &Value) {
        if key.0 == "pods" {
            self.evictions += 1;
            let mut owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
            if !owners.any(|owner| owner["controller"] == true) {
                self.violations.push(format!("no-orphan: {} is deleted, and nothing recreates it", key.2));
            }
        }
    }
}

/// What is not as it should be when nothing goes wrong any more; empty if all is well. `room`: every pod could have a
/// node.
pub(crate) fn unsettled(store: &Store) -> Vec<String> {
    let mut wrong = Vec::new();
    for group in store.all("podgroups", "") {
        let (namespace, name) = (text(group, "/metadata/namespace"), text(group, "/metadata/name"));
        let pods: Vec<&Value> = store.all("pods", namespace).filter(|pod| gang_of(pod) == name).collect();
        let bound = pods.iter().filter(|pod| counts(pod)).count();
        let (least, met) = (minimum(group), store.judge.met.contains(text(group, "/metadata/uid")));
        let enough = pods.iter().filter(|pod| text(pod, "/status/phase") != "Failed").count() >= least;
        let bare = pods.iter().any(|pod| pod["metadata"]["ownerReferences"].is_null() && counts(pod));
        let open = record(group).filter(|record| record.state != RecordState::Done);
        if enough && bound < pods.len() {
            wrong.push(format!("convergence: {name} has {bound} of {} pods bound", pods.len()));
        } else if !enough && bound > 0 && !met && !bare {
            wrong.push(format!("all-or-nothing: {name} has {bound} pods bound, its minimum is {least}"));
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
    wrong
}
