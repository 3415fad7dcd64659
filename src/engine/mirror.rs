//! What the reservation must know of objects and the core does not keep: resourceVersions, annotations, owners.

use crate::api::core::Pod;
use crate::api::gang::membership;
use crate::api::keys;
use crate::api::pod_group::{PodGroup, PodGroupPhase};
use crate::api::time::Timestamp;
use crate::reservation::facts::{group_facts, pod_facts};
use crate::reservation::{GroupFacts, PodFacts};
use crate::scheduler::PodRef;
use std::collections::{BTreeMap, BTreeSet};

/// PodGroups and the pods of ours, as last seen.
#[derive(Debug, Default)]
pub struct Mirror {
    /// By `namespace/name`.
    groups: BTreeMap<String, Group>,
    /// By `namespace/name`.
    pods: BTreeMap<String, Member>,
    /// Pods of a PodGroup, both by `namespace/name`.
    members: BTreeMap<String, BTreeSet<String>>,
    /// PodGroups that pods of other schedulers name, by pod, and how many do.
    named: BTreeMap<String, String>,
    others: BTreeMap<String, u32>,
}

/// A PodGroup.
#[derive(Clone, Debug)]
pub struct Group {
    /// What reservations read.
    pub facts: GroupFacts,
    /// Its uid, for events.
    pub uid: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Its phase.
    pub phase: Option<PodGroupPhase>,
    /// Has it an annotation that is to be removed?
    old_record: bool,
}

/// A pod.
#[derive(Clone, Debug)]
pub struct Member {
    /// What reservations read.
    pub facts: PodFacts,
    /// `namespace/name` of its PodGroup.
    pub group: Option<String>,
    /// Why it cannot be scheduled, as its condition says.
    pub told: Option<String>,
    /// `metadata.resourceVersion`; 0 if it is not a number.
    pub version: u64,
    /// `status.nominatedNodeName`.
    pub nominated: Option<Box<str>>,
    /// When it was created.
    pub created: Option<Timestamp>,
}

/// What an answer shows of a pod, ahead of the watch.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// The pod that bears the name asked for.
    Pod(Box<Pod>),
    /// This pod is gone.
    Gone(PodRef),
}

impl Mirror {
    /// A PodGroup is new or changed.
    pub fn put_group(&mut self, group: &PodGroup) {
        let key = format!("{}/{}", group.metadata.namespace, group.metadata.name);
        let created = group.metadata.creation_timestamp.as_deref().and_then(Timestamp::parse);
        let uid = group.metadata.uid.clone();
        let phase = group.status.phase.clone();
        let old_record = group.metadata.annotations.contains_key(keys::OLD_RECORD);
        self.groups.insert(key, Group { facts: group_facts(group), uid, created, phase, old_record });
    }

    /// The uid of a PodGroup whose annotation of earlier releases is to be removed; once.
    pub fn take_old_record(&mut self, key: &str) -> Option<String> {
        let group = self.groups.get_mut(key)?;
        std::mem::take(&mut group.old_record).then(|| group.uid.clone())
    }

    /// A PodGroup is gone.
    pub fn drop_group(&mut self, key: &str) {
        self.groups.remove(key);
    }

    /// The PodGroup.
    pub fn group(&self, key: &str) -> Option<&Group> {
        self.groups.get(key)
    }

    /// PodGroups.
    pub fn groups(&self) -> impl Iterator<Item = (&String, &Group)> {
        self.groups.iter()
    }

    /// A pod of ours is new or changed.
    pub fn put_pod(&mut self, pod: &Pod) -> &Member {
        let key = format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
        let condition = pod.status.conditions.iter().find(|condition| condition.type_ == "PodScheduled");
        let group = membership(pod);
        let mut facts = pod_facts(pod);
        // The watch may be behind a bind of ours; a pod never loses its node.
        if let Some(before) = self.pods.get(&key).filter(|before| before.facts.pod.uid == facts.pod.uid) {
            facts.node = facts.node.or_else(|| before.facts.node.clone());
        }
        let member = Member {
            facts,
            group: group.map(|name| format!("{}/{name}", pod.metadata.namespace)),
            told: condition
                .filter(|condition| condition.reason == "Unschedulable")
                .map(|condition| condition.message.clone()),
            version: pod.metadata.resource_version.parse().unwrap_or(0),
            created: pod.metadata.creation_timestamp.as_deref().and_then(Timestamp::parse),
            nominated: Some(&*pod.status.nominated_node_name).filter(|node| !node.is_empty()).map(Box::from),
        };
        self.leave(&key);
        if let Some(group) = &member.group {
            self.members.entry(group.clone()).or_default().insert(key.clone());
        }
        self.pods.insert(key.clone(), member);
        &self.pods[&key]
    }

    /// A pod was bound by us; the watch will show it.
    pub fn bound_by_us(&mut self, pod: &PodRef, node: &str) {
        let key = format!("{}/{}", pod.namespace, pod.name);
        if let Some(member) = self.pods.get_mut(&key).filter(|member| member.facts.pod.uid == pod.uid) {
            member.facts.node.get_or_insert_with(|| node.to_owned());
        }
    }

    /// A pod is gone.
    pub fn drop_pod(&mut self, key: &str) -> Option<Member> {
        self.leave(key);
        self.pods.remove(key)
    }

    fn leave(&mut self, key: &str) {
        let Some(group) = self.pods.get(key).and_then(|member| member.group.as_ref()) else { return };
        if let Some(members) = self.members.get_mut(group) {
            members.remove(key);
            if members.is_empty() {
                self.members.remove(group);
            }
        }
    }

    /// The pod.
    pub fn pod(&self, key: &str) -> Option<&Member> {
        self.pods.get(key)
    }

    /// Pods of ours.
    pub fn pods(&self) -> impl Iterator<Item = &Member> {
        self.pods.values()
    }

    /// Pods of a gang that have a node and stay.
    pub fn bound(&self, group: &str) -> impl Iterator<Item = &PodFacts> {
        self.of_group(group).filter(|facts| facts.is_bound())
    }

    /// Pods of a gang.
    pub fn of_group(&self, group: &str) -> impl Iterator<Item = &PodFacts> {
        let members = self.members.get(group).into_iter().flatten();
        members.filter_map(|key| self.pods.get(key)).map(|member| &member.facts)
    }

    /// A pod of another scheduler is new or changed; it may name a PodGroup.
    pub fn put_other(&mut self, pod: &Pod) {
        let key = format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
        let group = membership(pod).map(|name| format!("{}/{name}", pod.metadata.namespace));
        if self.named.get(&key) == group.as_ref() {
            return;
        }
        self.drop_other(&key);
        if let Some(group) = group {
            *self.others.entry(group.clone()).or_default() += 1;
            self.named.insert(key, group);
        }
    }

    /// A pod is gone; it may have been another scheduler's.
    pub fn drop_other(&mut self, key: &str) {
        let Some(group) = self.named.remove(key) else { return };
        if let Some(count) = self.others.get_mut(&group) {
            *count -= 1;
            if *count == 0 {
                self.others.remove(&group);
            }
        }
    }

    /// Is the gang another scheduler's, as far as its pods say? What is written about it is not ours to write.
    pub fn is_others(&self, group: &str) -> bool {
        self.others.contains_key(group) && !self.is_ours(group)
    }

    /// Has the gang pods of ours? A PodGroup does not say whose it is; its pods do.
    pub fn is_ours(&self, group: &str) -> bool {
        self.members.contains_key(group)
    }
}
