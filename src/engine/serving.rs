//! The families of ModelServings: what each could own, which to look at, and what [`crate::modelserving::reconcile`] wants changed,
//! as requests. One batch of requests per ModelServing is out at a time.

mod requests;

use super::kind::Kind;
use super::object::Object;
use super::request::Request;
use crate::api::keys;
use crate::api::meta::ObjectMeta;
use crate::api::model_serving::ModelServing;
use crate::api::time::Timestamp;
use crate::modelserving::family::Family;
use crate::modelserving::{
    Capabilities, Event, Kind as Owned, ObservedPod, ObservedPodGroup, ObservedRevision, ObservedService,
};
use crate::scheduler::panic_text;
use requests::{gang_pods, groups, status_request};
use serde_json::to_value;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// `(namespace, name)`.
pub type Key = (String, String);

/// The families.
#[derive(Debug, Default)]
pub struct Serving {
    objects: BTreeMap<Key, Entry>,
    /// What each ModelServing could own. Of one that has not been seen (yet), or is gone, what says that it is its own.
    families: BTreeMap<Key, Family>,
    /// Which families an object counts for, by kind, namespace and name.
    claims: BTreeMap<(Owned, String, String), BTreeSet<Key>>,
    /// ModelServings to look at.
    dirty: BTreeSet<Key>,
    /// Those with a batch out, and those to look at again after that.
    out: BTreeSet<Key>,
    again: BTreeSet<Key>,
    /// When to look at which, in seconds since 1970, though nothing happens.
    wakes: BTreeSet<(i64, Key)>,
    /// Does the PodGroup CRD exist, and has it `subGroupPolicy`?
    pod_groups: bool,
    schedulers: Vec<String>,
    /// Namespaces that are being deleted.
    ending: BTreeSet<String>,
    /// Names of those over which there is to be a panic.
    #[cfg(test)]
    pub(super) breaks: BTreeSet<String>,
}

#[derive(Debug)]
struct Entry {
    object: Arc<ModelServing>,
    failures: u32,
    /// Not before this time.
    not_before: Option<i64>,
    /// Its entry in [`Serving::wakes`].
    wakes_at: Option<i64>,
    /// What was to be done about it panicked: it is left alone until its spec changes.
    is_left_alone: bool,
}

/// A batch of requests for one ModelServing, to be made in order; the first group with a failure ends it.
#[derive(Debug)]
pub struct Batch {
    /// The ModelServing.
    pub key: Key,
    /// Groups of requests; those of one group may be made at the same time.
    pub groups: Vec<Vec<Request>>,
    /// The status to write after that, whatever became of the requests.
    pub status: Option<Request>,
    /// Events on the ModelServing.
    pub events: Vec<Event>,
    /// Its uid, for the events.
    pub uid: String,
    /// Pods of gangs that it creates: `namespace/name` of the PodGroup, and the pod's name.
    pub pods: Vec<(String, String)>,
    /// Is this all that is said of it, since what was to be done panicked?
    pub panicked: bool,
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
            self.mark_all();
        }
    }

    /// A ModelServing is new or changed.
    pub fn apply_object(&mut self, object: Arc<ModelServing>) {
        let key = (object.metadata.namespace.clone(), object.metadata.name.clone());
        match self.objects.get_mut(&key) {
            Some(entry) if entry.object.metadata.uid == object.metadata.uid => {
                entry.is_left_alone &= entry.object.metadata.generation == object.metadata.generation;
                entry.object = object;
            }
            _ => {
                self.set_wake(&key, None);
                self.families.entry(key.clone()).or_insert_with(|| Family::new(&key.1)).begin();
                let entry =
                    Entry { object, failures: 0, not_before: None, wakes_at: None, is_left_alone: false };
                self.objects.insert(key.clone(), entry);
            }
        }
        self.mark(key);
    }

    /// A pod, PodGroup, Service or ControllerRevision is new or changed.
    pub fn apply_owned(&mut self, object: &Object) {
        let metadata = object.metadata();
        let Some(kind) = owned(object.kind()) else { return };
        let owners = self.candidates(metadata);
        let id = (kind, metadata.namespace.clone(), metadata.name.clone());
        for left in self.claims.remove(&id).into_iter().flatten().filter(|owner| !owners.contains(owner)) {
            self.leave(left, kind, &id.2);
        }
        if owners.is_empty() {
            return;
        }
        for owner in &owners {
            let family = self.families.entry(owner.clone()).or_insert_with(|| Family::new(&owner.1));
            let changed = match object {
                Object::Pod(pod) => family.put_pod(ObservedPod::from(&**pod)),
                Object::PodGroup(group) => family.put_pod_group(ObservedPodGroup::from(&**group)),
                Object::Service(service) => family.put_service(ObservedService::from(&service.metadata)),
                Object::ControllerRevision(revision) => {
                    let value = to_value(revision).unwrap_or_default();
                    family.put_revision(ObservedRevision::from_json(&value))
                }
                _ => false,
            };
            if changed {
                self.mark(owner.clone());
            }
        }
        self.claims.insert(id, owners);
    }

    /// An object is gone.
    pub fn gone(&mut self, kind: Kind, namespace: &str, name: &str) {
        if let Some(kind) = owned(kind) {
            for owner in
                self.claims.remove(&(kind, namespace.to_owned(), name.to_owned())).into_iter().flatten()
            {
                self.leave(owner, kind, name);
            }
        } else if kind == Kind::ModelServing {
            let key = (namespace.to_owned(), name.to_owned());
            self.set_wake(&key, None);
            self.dirty.remove(&key);
            // What it leaves behind may belong to the next one of its name.
            self.objects.remove(&key);
            self.drop_empty(&key);
        }
    }

    fn leave(&mut self, owner: Key, kind: Owned, name: &str) {
        if self.families.get_mut(&owner).is_some_and(|family| family.remove(kind, name)) {
            self.drop_empty(&owner);
            self.mark(owner);
        }
    }

    fn drop_empty(&mut self, key: &Key) {
        if !self.objects.contains_key(key) && self.families.get(key).is_some_and(Family::is_empty) {
            self.families.remove(key);
        }
    }

    fn mark(&mut self, key: Key) {
        if self.out.contains(&key) {
            self.again.insert(key);
        } else if self.objects.get(&key).is_some_and(|entry| !entry.is_left_alone) {
            self.dirty.insert(key);
        }
    }

    fn set_wake(&mut self, key: &Key, at: Option<i64>) {
        let Some(entry) = self.objects.get_mut(key) else { return };
        if let Some(before) = std::mem::replace(&mut entry.wakes_at, at) {
            self.wakes.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            self.wakes.insert((at, key.clone()));
        }
    }

    /// Has all of them looked at, whatever changed; those that are left alone are not.
    pub fn mark_all(&mut self) {
        let all: Vec<Key> = self.objects.keys().cloned().collect();
        all.into_iter().for_each(|key| self.mark(key));
    }

    /// What to do now, for the next ModelServing that something is to be done for.
    pub fn work(&mut self, now: Timestamp) -> Option<Batch> {
        while let Some((at, key)) = self.wakes.first().cloned()
            && at <= now.0
        {
            self.set_wake(&key, None);
            self.mark(key);
        }
        while let Some(key) = self.next_dirty(now) {
            self.dirty.remove(&key);
            if let Some(batch) = self.reconcile(key, now) {
                return Some(batch);
            }
        }
        None
    }

    fn next_dirty(&self, now: Timestamp) -> Option<Key> {
        let is_ready = |key: &&Key| {
            let entry = self.objects.get(*key);
            entry.is_some_and(|entry| entry.not_before.is_none_or(|at| at <= now.0))
        };
        self.dirty.iter().find(is_ready).cloned()
    }

    fn reconcile(&mut self, key: Key, now: Timestamp) -> Option<Batch> {
        let schedulers: Vec<&str> = self.schedulers.iter().map(String::as_str).collect();
        let capabilities = Capabilities {
            pod_groups: self.pod_groups,
            sub_group_policy: self.pod_groups,
            gang_schedulers: &schedulers,
        };
        let (entry, family) = (self.objects.get_mut(&key)?, self.families.get_mut(&key)?);
        let ending = self.ending.contains(&key.0);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            assert!(!self.breaks.contains(&key.1), "a mistake");
            family.reconcile(&entry.object, capabilities, ending, now)
        }));
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(panic) => {
                entry.is_left_alone = true;
                family.forget();
                let event = mistake(panic_text(&*panic));
                let uid = entry.object.metadata.uid.clone();
                self.set_wake(&key, None);
                return Some(Batch {
                    key,
                    groups: Vec::new(),
                    status: None,
                    events: vec![event],
                    uid,
                    pods: Vec::new(),
                    panicked: true,
                });
            }
        };
        let is_idle = outcome.changes.is_empty() && outcome.status.is_none() && outcome.events.is_empty();
        let batch = (!is_idle).then(|| {
            if !outcome.changes.is_empty() || outcome.status.is_some() {
                self.out.insert(key.clone());
            }
            Batch {
                pods: gang_pods(&outcome.changes),
                groups: groups(&key.0, outcome.changes),
                status: outcome.status.map(|status| status_request(&entry.object, &status)),
                events: outcome.events,
                panicked: false,
                uid: entry.object.metadata.uid.clone(),
                key: key.clone(),
            }
        });
        self.set_wake(&key, outcome.wake_at.map(|at| at.0.max(now.0 + 1)));
        batch
    }

    /// A ModelServing as it was last seen.
    pub fn object(&self, key: &Key) -> Option<&ModelServing> {
        self.objects.get(key).map(|entry| &*entry.object)
    }

    /// Is the namespace being deleted?
    pub fn is_ending(&self, namespace: &str) -> bool {
        self.ending.contains(namespace)
    }

    /// The API server refused to create something: that is said on the ModelServing until a batch succeeds.
    pub fn refused(&mut self, key: &Key, message: String) {
        if let Some(family) = self.families.get_mut(key) {
            family.refused = Some(message);
        }
    }

    /// Is the namespace being deleted? Then nothing is created in it.
    pub fn set_ending(&mut self, namespace: &str, ending: bool) {
        let changed =
            if ending { self.ending.insert(namespace.to_owned()) } else { self.ending.remove(namespace) };
        if changed && !ending {
            let of_it = self.objects.keys().filter(|key| key.0 == namespace).cloned();
            of_it.collect::<Vec<Key>>().into_iter().for_each(|key| self.mark(key));
        }
    }

    /// A batch has been made; `ok`: nothing in it failed.
    pub fn done(&mut self, key: &Key, ok: bool, now: Timestamp) {
        self.out.remove(key);
        let again = self.again.remove(key);
        let Some(entry) = self.objects.get_mut(key) else { return };
        let mut again = again;
        if ok {
            (entry.failures, entry.not_before) = (0, None);
            // What was refused is not any more, and that is to be said.
            again |= self.families.get_mut(key).is_some_and(|family| family.refused.take().is_some());
        } else {
            // 1, 2, 4 ... 32 s
            entry.not_before = Some(now.0 + (1 << entry.failures.min(5)));
            entry.failures += 1;
        }
        if again || !ok {
            self.dirty.insert(key.clone());
        }
    }

    /// Is there something to do now?
    pub fn has_work(&self, now: Timestamp) -> bool {
        self.wake_at().is_some_and(|at| at <= now.0)
    }

    /// When to call [`Serving::work`] even if nothing happens, in seconds since 1970.
    pub fn wake_at(&self) -> Option<i64> {
        let dirty = self.dirty.iter().filter_map(|key| self.objects.get(key));
        let dirty = dirty.map(|entry| entry.not_before.unwrap_or(i64::MIN));
        self.appointment().into_iter().chain(dirty).min()
    }

    /// The next time that a ModelServing has asked to be looked at, in seconds since 1970.
    pub fn appointment(&self) -> Option<i64> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// The families that an object counts for: by label, by owner, or because its name begins with theirs.
    fn candidates(&self, metadata: &ObjectMeta) -> BTreeSet<Key> {
        let label = metadata.labels.get(keys::MODEL_SERVING_NAME).map(String::as_str);
        let owners = metadata.owner_references.iter().filter(|owner| owner.kind == "ModelServing");
        let says = label.into_iter().chain(owners.map(|owner| owner.name.as_str()));
        let key = |name: &str| (metadata.namespace.clone(), name.to_owned());
        let mut found: BTreeSet<Key> = says.map(key).collect();
        if !self.families.is_empty() {
            let starts = beginnings(&metadata.name).map(key);
            found.extend(starts.filter(|key| self.families.contains_key(key)));
        }
        found
    }
}

/// What is said of a ModelServing over which something panicked.
fn mistake(text: &str) -> Event {
    let message = format!(
        "Phalanx made a mistake when it worked out what to do (panic: {text}); the ModelServing is left alone until its spec \
         changes; report this, with the log"
    );
    Event { warning: true, reason: "InternalError", message }
}

/// What a name begins with, up to each of its dashes.
fn beginnings(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('-').map(|(at, _)| &name[..at])
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
