//! The API server of the model: pods, PodGroups, nodes, and what it answers. It also watches over what must never
//! happen, at the moment when it would.

use super::super::journal::{Ask, HEAD, Head, Reply, Stored, read};
use super::super::lease::Lease;
use super::super::record::Record;
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
    pub(super) generation: i64,
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
    /// Its record is gone: its leader thinks that it is whole, or that nothing is bound.
    fn note_done(&mut self, now: u64) {
        let heard = self.bound_until.iter().filter(|(_, (_, until))| until + NEWS_TAKE > now);
        let bound: Vec<_> = heard.map(|(name, (role, _))| (name.clone(), role.clone())).collect();
        self.note(&bound, now);
    }

    /// These pods are bound, by name and role. Each minimum has subgroups of its own.
    fn note(&mut self, bound: &[(String, String)], now: u64) {
        let earlier = self.earlier_minima.iter().filter(|(_, until)| until + NEWS_TAKE > now);
        let mut minima = earlier.map(|(minimum, _)| minimum).chain([&self.minimum]);
        let is_met = |minimum: &Count| {
            let mut count = Count::default();
            bound.iter().for_each(|(name, role)| count.add(role, subgroup(name, minimum).as_ref()));
            count.short_of(minimum).is_none()
        };
        self.ever_met |= !bound.is_empty() && minima.any(is_met);
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
    /// The objects of the journal, and their versions.
    journal: BTreeMap<String, (u64, BTreeMap<String, String>)>,
    /// Writes of deposed leaders to the journal that were refused.
    pub(super) sealed_out: u64,
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
            generation: 1,
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
        Some(GroupFacts { generation: group.generation, minimum: group.minimum.clone() })
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

    /// Everything that stands in the journal.
    pub(super) fn records(&self) -> Vec<Record> {
        let pages = self.journal.iter().flat_map(|(object, (_, data))| {
            let (records, quarantined) = read(object, data);
            assert_eq!(quarantined, [], "we write what we can read");
            records
        });
        pages.map(|(_, record)| record).collect()
    }

    /// What stands in the journal of a gang.
    pub(super) fn record(&self, gang: &str) -> Option<Record> {
        self.records().into_iter().find(|record| record.gang.name == gang)
    }

    /// Carries out a call for an object of the journal.
    pub(super) fn serve_journal(&mut self, object: &str, ask: &Ask) -> Reply {
        let before = self.records();
        let head = |data: &BTreeMap<String, String>| Head::decode(&data[HEAD]).expect("we write it");
        let reply = match (ask, self.journal.get_mut(object)) {
            (Ask::Read, None) | (Ask::Write { .. }, None) => return Reply::Absent,
            (Ask::Read, Some((version, data))) => {
                return Reply::Found(Stored { resource_version: version.to_string(), data: data.clone() });
            }
            (Ask::Create(_), Some(_)) => return Reply::Conflict,
            (Ask::Create(data), None) => {
                if data.len() > 1 {
                    self.violations.push(format!("sealed: {object} is made with entries"));
                }
                self.version += 1;
                self.journal.insert(object.to_owned(), (self.version, data.clone()));
                Reply::Written(self.version.to_string())
            }
            (Ask::Write { resource_version, changes }, Some((version, data))) => {
                let theirs = Head::decode(changes[HEAD].as_deref().unwrap_or_default()).expect("we write it");
                let is_deposed = theirs.epoch < head(data).epoch;
                if version.to_string() != *resource_version {
                    self.sealed_out += u64::from(is_deposed);
                    return Reply::Conflict;
                }
                if is_deposed {
                    self.violations.push(format!("sealed: a write of epoch {} is applied", theirs.epoch));
                }
                for (key, text) in changes {
                    match text {
                        Some(text) => drop(data.insert(key.clone(), text.clone())),
                        None => drop(data.remove(key)),
                    }
                }
                self.version += 1;
                *version = self.version;
                Reply::Written(self.version.to_string())
            }
        };
        self.writes += 1;
        let (after, now) = (self.records(), self.now);
        for record in before {
            if !after.iter().any(|left| left.gang == record.gang) {
                self.note_minimum(&record.gang.name);
                if let Some(group) = self.groups.get_mut(&record.gang.name) {
                    group.note_done(now);
                }
            }
        }
        reply
    }

    /// Carries out a call of ours. The second value names a pod that has begun to end or was bound.
    pub(super) fn serve(&mut self, call: &Call) -> (Answer, Option<String>) {
        match call {
            Call::WriteRecord { .. } => panic!("records are written into the journal"),
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
        let record = self.record(&gang);
        let named = record.as_ref().is_some_and(|record| {
            // One that is on its way while we begin to roll back is found, and evicted.
            record.entries.iter().any(|e| e.name == pod.name && e.uid == pod.uid && e.node == node)
        });
        // Without a record, one pod may be bound to a gang that has the rest.
        if !named && !group.ever_met {
            self.violations.push(format!(
                "one-writer: {} is bound to {node}, the record of {gang} is {record:?}",
                pod.name
            ));
        }
    }

    fn note_bound(&mut self, name: &str) {
        let Some(pod) = self.pods.get(name) else { return };
        let gang = pod.gang.clone();
        self.note_minimum(&gang);
    }

    fn note_minimum(&mut self, gang: &str) {
        let well: Vec<(String, String)> = self
            .pods_of(gang)
            .filter(|(_, pod)| pod.counts())
            .map(|(name, pod)| (name.clone(), pod.role.clone()))
            .collect();
        let now = self.now;
        if let Some(group) = self.groups.get_mut(gang) {
            group.note(&well, now);
            well.into_iter().for_each(|(name, role)| drop(group.bound_until.insert(name, (role, now))));
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
