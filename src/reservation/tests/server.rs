//! The API server of the model: pods, PodGroups, nodes, and what it answers. It also watches over what must never
//! happen, at the moment when it would.

use super::super::lease::Lease;
use super::super::record::{Record, RecordState};
use super::super::{Answer, BoundPod, Call, Count, GroupFacts, PodFacts};
use crate::scheduler::{PodRef, SubgroupRef};
use std::collections::BTreeMap;

pub(super) const NAMESPACE: &str = "ns";
/// How long, in milliseconds, a leader may be ignorant of a loss: it stood still, or its watch was behind.
const NEWS_TAKE: u64 = 12_000;

#[derive(Clone, Debug)]
pub(super) struct Pod {
    pub(super) uid: String,
    /// The PodGroup; empty for a pod that stands for itself.
    pub(super) gang: String,
    pub(super) role: String,
    pub(super) node: Option<String>,
    pub(super) failed: bool,
    pub(super) deleting: bool,
    pub(super) recreated: bool,
    /// Bound by another scheduler.
    pub(super) foreign: bool,
}

impl Pod {
    pub(super) fn counts(&self) -> bool {
        self.node.is_some() && !self.failed && !self.deleting
    }
}

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) version: u64,
    pub(super) generation: i64,
    pub(super) record: Option<String>,
    pub(super) minimum: Count,
    /// Those before it was changed, and until when they held: the leader may not have heard of the change.
    earlier_minima: Vec<(Count, u64)>,
    /// When pods were last seen bound and well: name, role, time.
    bound_until: BTreeMap<String, (String, u64)>,
    /// It has had its minimum at some time, or its record was closed before its leader could hear of a loss: what it
    /// loses later is not ours to undo.
    pub(super) ever_met: bool,
}

impl Group {
    fn note_done(&mut self, now: u64) {
        let record = self.record.as_deref().and_then(|text| Record::decode(text).ok());
        if record.is_some_and(|record| record.state == RecordState::Done) {
            let mut bound = Count::default();
            let heard = self.bound_until.iter().filter(|(_, (_, until))| until + NEWS_TAKE > now);
            heard.for_each(|(name, (role, _))| bound.add(role, subgroup(name, &self.minimum).as_ref()));
            self.note(&bound, now);
        }
    }

    fn note(&mut self, bound: &Count, now: u64) {
        let earlier = self.earlier_minima.iter().filter(|(_, until)| until + NEWS_TAKE > now);
        let mut minima = earlier.map(|(minimum, _)| minimum).chain([&self.minimum]);
        self.ever_met |= bound.members > 0 && minima.any(|minimum| bound.short_of(minimum).is_none());
    }
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) domain: String,
    pub(super) slots: u32,
    pub(super) ready: bool,
}

/// What a watch shows.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Pod(PodFacts, String),
    PodGone(PodRef, String),
    Group(String, GroupFacts),
    GroupGone(String),
    Node(String, bool),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    pub(super) pods: BTreeMap<String, Pod>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) lease: Option<Lease>,
    pub(super) version: u64,
    pub(super) now: u64,
    next_uid: u64,
    /// What happened since the watches were last fed.
    pub(super) changes: Vec<Change>,
    /// What must never happen, and did.
    pub(super) violations: Vec<String>,
    /// Writes that took effect.
    pub(super) writes: u64,
    pub(super) binds: u64,
    pub(super) evictions: u64,
}

impl Server {
    pub(super) fn create_pod(&mut self, name: &str, gang: &str, role: &str, recreated: bool) {
        self.next_uid += 1;
        let pod = Pod {
            uid: format!("00000000-0000-4000-8000-{:012x}", self.next_uid),
            gang: gang.to_owned(),
            role: role.to_owned(),
            node: None,
            failed: false,
            deleting: false,
            recreated,
            foreign: false,
        };
        self.pods.insert(name.to_owned(), pod);
        self.pod_changed(name);
    }

    pub(super) fn create_group(&mut self, name: &str, minimum: Count) {
        self.version += 1;
        let group = Group {
            version: self.version,
            generation: 1,
            record: None,
            earlier_minima: Vec::new(),
            minimum,
            bound_until: BTreeMap::new(),
            ever_met: false,
        };
        self.groups.insert(name.to_owned(), group);
        self.group_changed(name);
    }

    pub(super) fn facts(&self, name: &str) -> Option<PodFacts> {
        let pod = self.pods.get(name)?;
        Some(PodFacts {
            pod: pod_ref(name, &pod.uid),
            node: pod.node.clone(),
            failed: pod.failed,
            deleting: pod.deleting,
            recreated: pod.recreated,
            role: pod.role.clone(),
        })
    }

    pub(super) fn group_facts(&self, name: &str) -> Option<GroupFacts> {
        let group = self.groups.get(name)?;
        Some(GroupFacts {
            resource_version: group.version.to_string(),
            generation: group.generation,
            record: group.record.clone(),
            other_annotation_bytes: 100,
            minimum: group.minimum.clone(),
        })
    }

    /// The subgroup of a pod, where its gang has any.
    pub(super) fn subgroup(&self, pod: &str) -> Option<SubgroupRef> {
        subgroup(pod, &self.groups.get(&self.pods.get(pod)?.gang)?.minimum)
    }

    pub(super) fn pods_of<'a>(
        &'a self,
        gang: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Pod)> + Clone {
        self.pods.iter().filter(move |(_, pod)| pod.gang == gang)
    }

    pub(super) fn bound_of(&self, gang: &str) -> Vec<BoundPod> {
        let bound = self.pods_of(gang).filter(|(_, pod)| pod.counts());
        bound
            .map(|(name, pod)| BoundPod {
                uid: pod.uid.clone(),
                role: pod.role.clone(),
                subgroup: self.subgroup(name),
            })
            .collect()
    }

    pub(super) fn pod_changed(&mut self, name: &str) {
        self.version += 1;
        if let (Some(facts), Some(pod)) = (self.facts(name), self.pods.get(name)) {
            self.changes.push(Change::Pod(facts, pod.gang.clone()));
        }
    }

    /// Somebody changed the PodGroup.
    pub(super) fn group_changed(&mut self, name: &str) {
        self.version += 1;
        let version = self.version;
        if let Some(group) = self.groups.get_mut(name) {
            group.version = version;
        }
        if let Some(facts) = self.group_facts(name) {
            self.changes.push(Change::Group(name.to_owned(), facts));
        }
        self.note_minimum(name);
    }

    pub(super) fn set_minimum(&mut self, name: &str, minimum: Count) {
        if let Some(group) = self.groups.get_mut(name) {
            group.generation += 1;
            group.earlier_minima.push((std::mem::replace(&mut group.minimum, minimum), self.now));
            self.group_changed(name);
        }
    }

    /// Somebody is about to take a pod out of the count.
    pub(super) fn note_loss(&mut self, name: &str) {
        let Some(pod) = self.pods.get(name).filter(|pod| pod.counts()) else { return };
        if let Some(group) = self.groups.get_mut(&pod.gang) {
            group.bound_until.insert(name.to_owned(), (pod.role.clone(), self.now));
        }
    }

    pub(super) fn remove_pod(&mut self, name: &str) {
        self.note_loss(name);
        if let Some(pod) = self.pods.remove(name) {
            self.version += 1;
            self.changes.push(Change::PodGone(pod_ref(name, &pod.uid), pod.gang));
        }
    }

    /// Deletes as the API server does: an unbound pod at once, a bound one when its kubelet is done. True for the latter.
    pub(super) fn delete_pod(&mut self, name: &str) -> bool {
        self.note_loss(name);
        let Some(pod) = self.pods.get_mut(name) else { return false };
        if pod.node.is_none() {
            self.remove_pod(name);
            return false;
        }
        let first = !std::mem::replace(&mut pod.deleting, true);
        self.pod_changed(name);
        first
    }

    pub(super) fn remove_group(&mut self, name: &str) {
        if self.groups.remove(name).is_some() {
            self.version += 1;
            self.changes.push(Change::GroupGone(name.to_owned()));
        }
    }

    pub(super) fn set_ready(&mut self, name: &str, ready: bool) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.ready = ready;
            self.version += 1;
            self.changes.push(Change::Node(name.to_owned(), ready));
        }
    }

    /// Binds as another scheduler would.
    pub(super) fn bind_foreign(&mut self, name: &str, node: &str) {
        if let Some(pod) = self.pods.get_mut(name).filter(|pod| pod.node.is_none()) {
            pod.node = Some(node.to_owned());
            pod.foreign = true;
            self.pod_changed(name);
            self.note_bound(name);
        }
    }

    /// Carries out a call of ours. The second value names a pod that has begun to end or was bound.
    pub(super) fn serve(&mut self, call: &Call) -> (Answer, Option<String>) {
        match call {
            Call::WriteRecord { name, resource_version, record, .. } => {
                let now = self.now;
                self.note_minimum(name);
                let Some(group) = self.groups.get_mut(name) else { return (Answer::NotFound, None) };
                if group.version.to_string() != *resource_version {
                    return (Answer::Conflict, None);
                }
                if group.record != *record {
                    group.record.clone_from(record);
                    group.note_done(now);
                    self.writes += 1;
                    self.group_changed(name);
                }
                let version = self.groups.get(name).map(|group| group.version.to_string());
                (Answer::Written { resource_version: version.unwrap_or_default() }, None)
            }
            Call::ReadGroup { name, .. } => (Answer::Group(self.group_facts(name)), None),
            Call::ReadPod { pod } => (Answer::Pod(self.facts(&pod.name)), None),
            Call::Bind { pod, node } => {
                let Some(found) = self.pods.get_mut(&pod.name) else { return (Answer::NotFound, None) };
                if found.uid != pod.uid || found.node.is_some() || found.deleting {
                    return (Answer::Conflict, None);
                }
                found.node = Some(node.clone());
                self.writes += 1;
                self.binds += 1;
                self.pod_changed(&pod.name);
                self.judge_bind(pod, node);
                (Answer::Done, Some(pod.name.clone()))
            }
            Call::Evict { pod } => {
                let Some(found) = self.pods.get(&pod.name) else { return (Answer::NotFound, None) };
                if found.uid != pod.uid {
                    return (Answer::Conflict, None);
                }
                if !found.recreated {
                    self.violations.push(format!("no-orphan: {} is evicted, nothing recreates it", pod.name));
                }
                self.writes += 1;
                self.evictions += 1;
                let ending = self.delete_pod(&pod.name);
                (Answer::Done, ending.then(|| pod.name.clone()))
            }
        }
    }

    fn judge_bind(&mut self, pod: &PodRef, node: &str) {
        let used = self.pods.values().filter(|pod| !pod.failed && pod.node.as_deref() == Some(node)).count();
        let slots = self.nodes.get(node).map_or(0, |node| node.slots as usize);
        if used > slots {
            self.violations.push(format!("no-overcommit: {node} has {used} pods and {slots} slots"));
        }
        let gang = self.pods.get(&pod.name).map(|pod| pod.gang.clone()).unwrap_or_default();
        self.note_bound(&pod.name);
        let Some(group) = self.groups.get(&gang) else { return };
        let record = group.record.as_deref().and_then(|text| Record::decode(text).ok());
        let named = record.is_some_and(|record| {
            // One that is on its way while we begin to roll back is found, and evicted.
            record.state != RecordState::Done
                && record.entries.iter().any(|entry| {
                    entry.name == pod.name && entry.uid.as_ref() == Some(&pod.uid) && entry.node == node
                })
        });
        // Without a record, one pod may be bound to a gang that has the rest.
        if !named && !group.ever_met {
            self.violations.push(format!(
                "one-writer: {} is bound to {node}, the record of {gang} is {:?}",
                pod.name, group.record
            ));
        }
    }

    fn note_bound(&mut self, name: &str) {
        let Some(pod) = self.pods.get(name) else { return };
        let gang = pod.gang.clone();
        self.note_minimum(&gang);
    }

    fn note_minimum(&mut self, gang: &str) {
        let mut bound = Count::default();
        let well: Vec<(String, String)> = self
            .pods_of(gang)
            .filter(|(_, pod)| pod.counts())
            .map(|(name, pod)| (name.clone(), pod.role.clone()))
            .collect();
        well.iter().for_each(|(name, role)| bound.add(role, self.subgroup(name).as_ref()));
        let now = self.now;
        if let Some(group) = self.groups.get_mut(gang) {
            well.into_iter().for_each(|(name, role)| drop(group.bound_until.insert(name, (role, now))));
            group.note(&bound, now);
        }
    }
}

/// Where a gang has a minimum of whole subgroups, each two of its pods make one.
pub(super) fn subgroup(pod: &str, minimum: &Count) -> Option<SubgroupRef> {
    let number: u32 = pod.rsplit('-').next()?.parse().ok()?;
    (!minimum.wholes.is_empty()).then(|| SubgroupRef { policy: 0, size: 2, values: (number / 2).to_string() })
}

pub(super) fn pod_ref(name: &str, uid: &str) -> PodRef {
    PodRef { namespace: NAMESPACE.to_owned(), name: name.to_owned(), uid: uid.to_owned() }
}
