//! ServingGroups and role replicas, which are no API objects: derived from pods, PodGroups and Services each time. Pods
//! are told apart by name, which nobody can edit; labels only say what they were built from.

use super::change::Kind;
use super::names::{self, PodKey};
use super::observed::{ObjectRef, Observed, ObservedPod, ObservedPodGroup, ObservedService, Uid};
use super::settings::Recovery;
use crate::api::model_serving::ModelServing;
use std::collections::BTreeSet;

/// A pod and what its name says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) key: PodKey<'a>,
    pub(crate) pod: &'a ObservedPod,
}

/// A role replica: its pods in order of their index, and its headless Service.
#[derive(Clone, Debug)]
pub(crate) struct Replica<'a> {
    pub(crate) role: &'a str,
    pub(crate) ordinal: u32,
    pub(crate) pods: &'a [Member<'a>],
    pub(crate) service: Option<&'a ObservedService>,
    /// Pods without a deletionTimestamp.
    pub(crate) live: u32,
    /// Pods with one.
    pub(crate) terminating: u32,
    /// Live pods that are ready.
    pub(crate) ready: u32,
}

/// A ServingGroup: whatever carries its ordinal.
#[derive(Clone, Debug)]
pub(crate) struct Group<'a> {
    pub(crate) ordinal: u32,
    /// By role name, then ordinal.
    pub(crate) replicas: Vec<Replica<'a>>,
    pub(crate) pod_group: Option<&'a ObservedPodGroup>,
}

/// What is ours, in order, and names that somebody else holds.
#[derive(Debug, Default)]
pub(crate) struct Sorted<'a> {
    members: Vec<Member<'a>>,
    services: Vec<(PodKey<'a>, &'a ObservedService)>,
    pod_groups: Vec<(u32, &'a ObservedPodGroup)>,
    /// Names that would be ours and are not.
    pub(crate) foreign: BTreeSet<(Kind, &'a str)>,
    /// ServingGroups of whose names somebody else holds one.
    pub(crate) contested: BTreeSet<u32>,
    /// What one of our name left behind, and is ours from now on.
    pub(crate) orphans: Vec<(Kind, &'a ObjectRef)>,
}

impl<'a> Sorted<'a> {
    /// Sorts what is observed. Objects with another owner end up in `foreign`, and nowhere else. What carries our name as
    /// label and has no owner is ours: a ModelServing that was deleted with `--cascade=orphan` and made again finds its pods
    /// running. (Upstream waits until they are gone.)
    pub(crate) fn new(object: &'a ModelServing, observed: &Observed<'a>) -> Self {
        let (name, uid) = (object.metadata.name.as_str(), Uid::from(object.metadata.uid.as_str()));
        let mut sorted = Sorted {
            members: Vec::with_capacity(observed.pods.len()),
            services: Vec::with_capacity(observed.services.len()),
            pod_groups: Vec::with_capacity(observed.pod_groups.len()),
            foreign: BTreeSet::new(),
            contested: BTreeSet::new(),
            orphans: Vec::new(),
        };
        let mut ours = |kind: Kind, object: &'a ObjectRef, group: Option<u32>| {
            let orphan = object.orphan_of.as_deref() == Some(name);
            let ours = object.owner == uid || orphan;
            if !ours {
                sorted.foreign.insert((kind, object.name.as_str()));
                sorted.contested.extend(group);
            }
            if orphan && !object.deleting {
                sorted.orphans.push((kind, object));
            }
            ours
        };
        let mut roles: Vec<&'a str> =
            object.spec.template.roles.iter().map(|role| role.name.as_str()).collect();
        for &pod in &observed.pods {
            let key = names::parse_pod(name, &pod.object.name).map(|key| shared(key, &mut roles));
            if let Some(key) = key.filter(|key| ours(Kind::Pod, &pod.object, Some(key.group))) {
                sorted.members.push(Member { key, pod });
            }
        }
        for &service in &observed.services {
            let key = names::parse_pod(name, &service.object.name).map(|key| shared(key, &mut roles));
            if let Some(key) = key.filter(|key| ours(Kind::Service, &service.object, Some(key.group))) {
                sorted.services.push((key, service));
            }
        }
        for &pod_group in &observed.pod_groups {
            let ordinal = names::parse_group(name, &pod_group.object.name);
            if let Some(ordinal) =
                ordinal.filter(|ordinal| ours(Kind::PodGroup, &pod_group.object, Some(*ordinal)))
            {
                sorted.pod_groups.push((ordinal, pod_group));
            }
        }
        for &revision in &observed.revisions {
            ours(Kind::ControllerRevision, &revision.object, None);
        }
        // Stable sorts: caches keep what they were given, mostly in order already.
        sorted.members.sort_by_key(|member| member.key);
        sorted.services.sort_by_key(|(key, _)| *key);
        sorted.pod_groups.sort_by_key(|(ordinal, _)| *ordinal);
        sorted
    }
}

/// The same key with the role's text from a list that all keys share, so that comparing keys does not touch every name again.
fn shared<'a>(key: PodKey<'a>, roles: &mut Vec<&'a str>) -> PodKey<'a> {
    let role = roles.iter().find(|role| **role == key.role).copied().unwrap_or_else(|| {
        roles.push(key.role);
        key.role
    });
    PodKey { role, ..key }
}

/// What exists, by ServingGroup.
#[derive(Debug, Default)]
pub(crate) struct Groups<'a> {
    /// By ordinal.
    pub(crate) list: Vec<Group<'a>>,
}

impl<'a> Groups<'a> {
    /// Cuts the sorted lists into groups.
    pub(crate) fn new(sorted: &'a Sorted<'a>) -> Self {
        Groups { list: merge(&sorted.members, &sorted.services, &sorted.pod_groups) }
    }

    /// The ServingGroup with this ordinal.
    pub(crate) fn get(&self, ordinal: u32) -> Option<&Group<'a>> {
        self.list.binary_search_by_key(&ordinal, |group| group.ordinal).ok().map(|index| &self.list[index])
    }
}

/// Merges three sorted lists into sorted groups of sorted replicas.
fn merge<'a>(
    mut members: &'a [Member<'a>],
    mut services: &'a [(PodKey<'a>, &'a ObservedService)],
    mut pod_groups: &'a [(u32, &'a ObservedPodGroup)],
) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    loop {
        let next = [
            members.first().map(|member| member.key.group),
            services.first().map(|(key, _)| key.group),
            pod_groups.first().map(|(ordinal, _)| *ordinal),
        ];
        let Some(ordinal) = next.into_iter().flatten().min() else { return groups };
        let mut group = Group { ordinal, replicas: Vec::new(), pod_group: None };
        while let Some((_, pod_group)) = pod_groups.split_off_first_if(|(at, _)| *at == ordinal) {
            group.pod_group = Some(pod_group);
        }
        loop {
            let pod = members.first().filter(|m| m.key.group == ordinal).map(|m| (m.key.role, m.key.replica));
            let service = services
                .first()
                .filter(|(key, _)| key.group == ordinal)
                .map(|(key, _)| (key.role, key.replica));
            let Some(at) = [pod, service].into_iter().flatten().min() else { break };
            let count = members
                .iter()
                .take_while(|m| (m.key.group, m.key.role, m.key.replica) == (ordinal, at.0, at.1));
            let (pods, rest) = members.split_at(count.count());
            members = rest;
            let mut replica = Replica::new(at.0, at.1, pods);
            while let Some((_, service)) = services
                .split_off_first_if(|(key, _)| (key.group, key.role, key.replica) == (ordinal, at.0, at.1))
            {
                replica.service = Some(service);
            }
            group.replicas.push(replica);
        }
        groups.push(group);
    }
}

/// Takes the first element off a slice if it fits.
trait SplitFirst<T> {
    fn split_off_first_if(&mut self, fits: impl Fn(&T) -> bool) -> Option<T>;
}

impl<T: Copy> SplitFirst<T> for &[T] {
    fn split_off_first_if(&mut self, fits: impl Fn(&T) -> bool) -> Option<T> {
        let (first, rest) = self.split_first()?;
        fits(first).then(|| {
            *self = rest;
            *first
        })
    }
}

impl<'a> Replica<'a> {
    fn new(role: &'a str, ordinal: u32, pods: &'a [Member<'a>]) -> Self {
        let mut replica = Replica { role, ordinal, pods, service: None, live: 0, terminating: 0, ready: 0 };
        for member in replica.pods {
            if member.pod.object.deleting {
                replica.terminating += 1;
            } else {
                replica.live += 1;
                replica.ready += u32::from(member.pod.ready);
            }
        }
        replica
    }

    /// Pods that stay.
    pub(crate) fn live_pods(&self) -> impl Iterator<Item = &'a Member<'a>> + use<'a> {
        self.pods.iter().filter(|member| !member.pod.object.deleting)
    }

    /// Is it going? A role replica starts and ends as a whole: one pod that goes takes the others with it. Only under the
    /// policy `None` do the others stay.
    pub(crate) fn is_deleting(&self, recovery: Recovery) -> bool {
        self.terminating > 0 && (recovery != Recovery::Pod || self.live == 0)
    }

    /// Does it serve, given the pods that its revision asks for?
    pub(crate) fn is_running(&self, pods: u32) -> bool {
        self.live == pods && self.ready == pods && self.terminating == 0
    }

    /// The labels that its pods carry: revision and role hash. Live pods are asked first.
    pub(crate) fn labels(&self) -> Option<(&'a str, &'a str)> {
        let first = self.live_pods().next().or(self.pods.first())?;
        Some((&first.pod.revision, &first.pod.role_hash))
    }

    /// The sum of its pods' deletion costs.
    pub(crate) fn deletion_cost(&self) -> i64 {
        self.pods.iter().map(|member| member.pod.deletion_cost).sum()
    }
}

impl<'a> Group<'a> {
    /// Its PodGroup, unless that is on its way out.
    pub(crate) fn live_pod_group(&self) -> Option<&'a ObservedPodGroup> {
        self.pod_group.filter(|pod_group| !pod_group.object.deleting)
    }

    /// Does it count as a ServingGroup? It does with a pod that stays, and with a PodGroup that stays: created before the
    /// pods and deleted before them, that tells a group whose pods are being replaced from one that is going.
    pub(crate) fn exists(&self) -> bool {
        self.live_pod_group().is_some() || self.replicas.iter().any(|replica| replica.live > 0)
    }

    /// Is it going: nothing stays, and something is still there under its name?
    pub(crate) fn is_deleting(&self) -> bool {
        !self.exists()
            && (self.pod_group.is_some()
                || self.replicas.iter().any(|replica| {
                    replica.terminating > 0 || replica.service.is_some_and(|service| service.object.deleting)
                }))
    }

    /// The role replicas of a role.
    pub(crate) fn of_role<'s>(&'s self, role: &'s str) -> impl Iterator<Item = &'s Replica<'a>> {
        self.replicas.iter().filter(move |replica| replica.role == role)
    }

    /// A role replica.
    pub(crate) fn replica(&self, role: &str, ordinal: u32) -> Option<&Replica<'a>> {
        self.replicas.iter().find(|replica| replica.role == role && replica.ordinal == ordinal)
    }

    /// Pods that stay.
    pub(crate) fn live_pods(&self) -> impl Iterator<Item = &'a Member<'a>> {
        self.replicas.iter().flat_map(Replica::live_pods)
    }

    /// The sum of its pods' deletion costs.
    pub(crate) fn deletion_cost(&self) -> i64 {
        self.replicas.iter().map(Replica::deletion_cost).sum()
    }
}
