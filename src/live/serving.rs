//! The ModelServing controller's shell: keeps what each ModelServing could own, asks [`modelserving::reconcile`] when
//! something changed, and turns its changes into calls. One batch of calls per ModelServing is out at a time.

use super::call::Call;
use super::kind::Kind;
use super::whole::Whole;
use crate::api::core::Pod;
use crate::api::keys;
use crate::api::meta::ObjectMeta;
use crate::api::model_serving::{ModelServing, ModelServingStatus};
use crate::api::pod_group::PodGroup;
use crate::api::time::Timestamp;
use crate::modelserving::family::Family;
use crate::modelserving::{
    self, Capabilities, Change, Event, Kind as Owned, ObservedPod, ObservedPodGroup, ObservedRevision,
    ObservedService,
};
use serde_json::{Value, json, to_value};
use std::collections::{BTreeMap, BTreeSet};

/// `(namespace, name)`.
pub type Key = (String, String);

/// The shell.
#[derive(Debug, Default)]
pub struct Serving {
    objects: BTreeMap<Key, Entry>,
    /// Which ModelServings an object counts for, by kind, namespace and name.
    claims: BTreeMap<(Owned, String, String), BTreeSet<Key>>,
    /// Objects whose ModelServing has not been seen (yet), to be looked at again when it is.
    strays: BTreeMap<(Owned, String, String), Whole>,
    dirty: BTreeSet<Key>,
    /// Does the PodGroup CRD exist, and has it `subGroupPolicy`?
    pod_groups: bool,
    schedulers: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    object: ModelServing,
    family: Family,
    /// Is a batch of calls out?
    busy: bool,
    failures: u32,
    /// Not before this time.
    not_before: Option<i64>,
}

/// A batch of calls for one ModelServing, to be made in order; the first failure ends it.
#[derive(Debug)]
pub struct Batch {
    /// The ModelServing.
    pub key: Key,
    /// Groups of calls; those of one group may be made at the same time.
    pub groups: Vec<Vec<Call>>,
    /// The status to write after that, whatever became of the calls.
    pub status: Option<Call>,
    /// Events on the ModelServing.
    pub events: Vec<Event>,
    /// Its uid, for the events.
    pub uid: String,
    /// Pods of gangs that it creates: `namespace/name` of the PodGroup, and the pod's name.
    pub pods: Vec<(String, String)>,
}

impl Serving {
    /// Schedulers whose pods get PodGroups.
    pub fn new(schedulers: Vec<String>) -> Self {
        Serving { schedulers, pod_groups: true, ..Serving::default() }
    }

    /// Is the PodGroup CRD installed?
    pub fn set_pod_groups(&mut self, installed: bool) {
        if self.pod_groups != installed {
            self.pod_groups = installed;
            self.dirty.extend(self.objects.keys().cloned());
        }
    }

    /// A ModelServing is new or changed.
    pub fn apply_object(&mut self, object: ModelServing) {
        let key = (object.metadata.namespace.clone(), object.metadata.name.clone());
        self.dirty.insert(key.clone());
        if let Some(entry) = self.objects.get_mut(&key)
            && entry.object.metadata.uid == object.metadata.uid
        {
            entry.object = object;
            return;
        }
        let entry = Entry { object, family: Family::default(), busy: false, failures: 0, not_before: None };
        self.objects.insert(key, entry);
        // what was there before it
        for ((kind, ..), object) in std::mem::take(&mut self.strays) {
            self.apply_owned(kind, &object);
        }
    }

    /// A pod, PodGroup, Service or ControllerRevision is new or changed.
    pub fn apply_owned(&mut self, kind: Owned, object: &Whole) {
        let (namespace, name) = object.key();
        if !self.is_named_after_one(&namespace, &name)
            && !object.mentions("ModelServing")
            && !object.mentions(keys::MODEL_SERVING_NAME)
        {
            return;
        }
        let Ok(Described { metadata }) = object.read() else { return };
        let owners = self.candidates(&metadata);
        let id = (kind, metadata.namespace.clone(), metadata.name.clone());
        if owners.is_empty() {
            if is_claimed(&metadata) {
                self.strays.insert(id, object.clone());
            }
            return;
        }
        for owner in &owners {
            let Some(entry) = self.objects.get_mut(owner) else { continue };
            let family = &mut entry.family;
            let changed = match kind {
                Owned::Pod => object.read::<Pod>().is_ok_and(|pod| family.pods.put(ObservedPod::from(&pod))),
                Owned::PodGroup => object
                    .read::<PodGroup>()
                    .is_ok_and(|group| family.pod_groups.put(ObservedPodGroup::from(&group))),
                Owned::Service => family.services.put(ObservedService::from(&metadata)),
                Owned::ControllerRevision => object
                    .read::<Value>()
                    .is_ok_and(|value| family.revisions.put(ObservedRevision::from_json(&value))),
            };
            if changed {
                self.dirty.insert(owner.clone());
            }
        }
        self.claims.insert(id, owners);
    }

    /// An object is gone.
    pub fn gone(&mut self, kind: Kind, namespace: &str, name: &str) {
        let Some(kind) = owned(kind) else {
            if kind == Kind::ModelServing {
                let key = (namespace.to_owned(), name.to_owned());
                self.objects.remove(&key);
                self.dirty.remove(&key);
            }
            return;
        };
        let id = (kind, namespace.to_owned(), name.to_owned());
        self.strays.remove(&id);
        for owner in self.claims.remove(&id).unwrap_or_default() {
            if let Some(entry) = self.objects.get_mut(&owner)
                && entry.family.remove(kind, name)
            {
                self.dirty.insert(owner);
            }
        }
    }

    /// What to do now.
    pub fn work(&mut self, now: Timestamp) -> Vec<Batch> {
        let due: Vec<Key> = self
            .objects
            .iter()
            .filter(|(_, entry)| entry.family.wakes_at.is_some_and(|at| at <= now.0))
            .map(|(key, _)| key.clone())
            .collect();
        self.dirty.extend(due);
        let mut batches = Vec::new();
        let schedulers: Vec<&str> = self.schedulers.iter().map(String::as_str).collect();
        let capabilities = Capabilities {
            pod_groups: self.pod_groups,
            sub_group_policy: self.pod_groups,
            gang_schedulers: &schedulers,
        };
        for key in std::mem::take(&mut self.dirty) {
            let Some(entry) = self.objects.get_mut(&key) else { continue };
            if entry.busy || entry.not_before.is_some_and(|at| at > now.0) {
                self.dirty.insert(key);
                continue;
            }
            let outcome = modelserving::reconcile(&entry.object, &entry.family.observed(capabilities), now);
            entry.family.memory = Some(outcome.memory);
            entry.family.wakes_at = outcome.wake_at.map(|at| at.0.max(now.0 + 1));
            if outcome.changes.is_empty() && outcome.status.is_none() && outcome.events.is_empty() {
                continue;
            }
            entry.busy = true;
            batches.push(Batch {
                pods: gang_pods(&outcome.changes),
                groups: groups(&key.0, outcome.changes),
                status: outcome.status.map(|status| status_call(&entry.object, &status)),
                events: outcome.events,
                uid: entry.object.metadata.uid.clone(),
                key,
            });
        }
        batches
    }

    /// A batch has been made; `ok`: nothing in it failed.
    pub fn done(&mut self, key: &Key, ok: bool, now: Timestamp) {
        let Some(entry) = self.objects.get_mut(key) else { return };
        entry.busy = false;
        if ok {
            (entry.failures, entry.not_before) = (0, None);
        } else {
            // 1, 2, 4 ... 32 s
            entry.not_before = Some(now.0 + (1 << entry.failures.min(5)));
            entry.failures += 1;
            self.dirty.insert(key.clone());
        }
    }

    /// When to call [`Serving::work`] even if nothing happens.
    pub fn wake_at(&self) -> Option<i64> {
        let entries = self.objects.values();
        let dirty = self.dirty.iter().filter_map(|key| self.objects.get(key)?.not_before);
        entries.filter_map(|entry| entry.family.wakes_at).chain(dirty).min()
    }

    /// Does its name begin with that of a ModelServing?
    fn is_named_after_one(&self, namespace: &str, name: &str) -> bool {
        !self.objects.is_empty()
            && beginnings(name)
                .any(|start| self.objects.contains_key(&(namespace.to_owned(), start.to_owned())))
    }

    /// By label, by owner, or because the name begins with theirs.
    fn candidates(&self, metadata: &ObjectMeta) -> BTreeSet<Key> {
        if self.objects.is_empty() {
            return BTreeSet::new();
        }
        let label = metadata.labels.get(keys::MODEL_SERVING_NAME).map(String::as_str);
        let owners = metadata.owner_references.iter().filter(|owner| owner.kind == "ModelServing");
        label
            .into_iter()
            .chain(owners.map(|owner| owner.name.as_str()))
            .chain(beginnings(&metadata.name))
            .map(|name| (metadata.namespace.clone(), name.to_owned()))
            .filter(|key| self.objects.contains_key(key))
            .collect()
    }
}

/// What a name begins with, up to each of its dashes.
fn beginnings(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('-').map(|(at, _)| &name[..at])
}

/// The part of an object that says whose it is.
#[derive(serde::Deserialize)]
struct Described {
    #[serde(default)]
    metadata: ObjectMeta,
}

/// Does it say that a ModelServing owns it?
fn is_claimed(metadata: &ObjectMeta) -> bool {
    metadata.labels.contains_key(keys::MODEL_SERVING_NAME)
        || metadata.owner_references.iter().any(|owner| owner.kind == "ModelServing")
}

/// The kinds that a ModelServing may own.
pub fn owned(kind: Kind) -> Option<Owned> {
    match kind {
        Kind::Pod => Some(Owned::Pod),
        Kind::PodGroup => Some(Owned::PodGroup),
        Kind::Service => Some(Owned::Service),
        Kind::ControllerRevision => Some(Owned::ControllerRevision),
        _ => None,
    }
}

fn served(kind: Owned) -> Kind {
    match kind {
        Owned::Pod => Kind::Pod,
        Owned::PodGroup => Kind::PodGroup,
        Owned::Service => Kind::Service,
        Owned::ControllerRevision => Kind::ControllerRevision,
    }
}

/// Pods that are to be created, with the PodGroups that they name.
fn gang_pods(changes: &[Change]) -> Vec<(String, String)> {
    let created = changes.iter().filter_map(|change| match change {
        Change::Create(created) if created.kind == Owned::Pod => Some(created),
        _ => None,
    });
    created
        .filter_map(|created| {
            let (namespace, group) = created.gang()?;
            Some((format!("{namespace}/{group}"), created.name.clone()))
        })
        .collect()
}

/// Changes as calls; neighbours of one kind and verb form a group.
fn groups(namespace: &str, changes: Vec<Change>) -> Vec<Vec<Call>> {
    let mut groups: Vec<Vec<Call>> = Vec::new();
    let mut last = None;
    for change in changes {
        let this = (change.kind(), std::mem::discriminant(&change));
        let call = call(namespace, change);
        if last == Some(this)
            && let Some(group) = groups.last_mut()
        {
            group.push(call);
        } else {
            groups.push(vec![call]);
        }
        last = Some(this);
    }
    groups
}

fn call(namespace: &str, change: Change) -> Call {
    match change {
        Change::CreatePodGroup(group) => {
            let mut object = to_value(*group).unwrap_or_default();
            object["apiVersion"] = keys::SCHEDULING_V1BETA1.into();
            object["kind"] = "PodGroup".into();
            Call::post(Kind::PodGroup.path(namespace, "", ""), object)
        }
        Change::Create(created) => {
            Call::post(served(created.kind).path(namespace, "", ""), created.into_object())
        }
        Change::UpdatePodGroup { name, uid, spec } => Call::json_patch(
            Kind::PodGroup.path(namespace, &name, ""),
            json!([
                { "op": "test", "path": "/metadata/uid", "value": uid },
                { "op": "replace", "path": "/spec", "value": to_value(*spec).unwrap_or_default() },
            ]),
        ),
        Change::Patch { kind, name, uid, labels, annotations } => Call::merge(
            served(kind).path(namespace, &name, ""),
            json!({ "metadata": { "uid": uid, "labels": labels, "annotations": annotations } }),
        ),
        Change::Delete { kind, name, uid } => Call::delete(served(kind).path(namespace, &name, ""), &uid),
    }
}

/// Replaces the whole status: a merge would keep numbers that have become 0 and are left out.
fn status_call(object: &ModelServing, status: &ModelServingStatus) -> Call {
    let metadata = &object.metadata;
    Call::json_patch(
        Kind::ModelServing.path(&metadata.namespace, &metadata.name, "status"),
        json!([
            { "op": "test", "path": "/metadata/uid", "value": metadata.uid },
            { "op": "add", "path": "/status", "value": to_value(status).unwrap_or_default() },
        ]),
    )
}
