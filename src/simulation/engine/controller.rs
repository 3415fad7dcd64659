//! The ModelServing controller's shell: what each ModelServing could own, kept as the records that `reconcile` reads,
//! and its changes carried out.

mod changes;

use super::Simulation;
use crate::api::core::Pod;
use crate::api::keys;
use crate::api::meta::ObjectMeta;
use crate::api::model_serving::ModelServing;
use crate::api::pod_group::PodGroup;
use crate::api::time::Timestamp;
use crate::modelserving::{
    self, Capabilities, Kind as Owned, ObservedPod, ObservedPodGroup, ObservedRevision, ObservedService,
};
use crate::simulation::agenda::Task;
use crate::simulation::store::{Key, Kind};
use crate::simulation::time::{Millis, print_duration};
use modelserving::family::Family;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What could belong to each ModelServing, and which of them to look at.
#[derive(Debug, Default)]
pub(super) struct Controller {
    families: BTreeMap<Key, Family>,
    /// ModelServings to look at.
    dirty: BTreeSet<Key>,
    /// It dies after so many more writes, for so long.
    doomed: Option<(u32, Millis)>,
    /// Is it dead?
    down: bool,
}

impl Controller {
    /// A ModelServing asked to be looked at.
    pub(super) fn wake(&mut self, key: Key) {
        if let Some(family) = self.families.get_mut(&key) {
            family.wakes_at = None;
            self.dirty.insert(key);
        }
    }

    /// It dies after so many more writes, for so long.
    pub(super) fn doom(&mut self, after_writes: u32, down: Millis) {
        self.doomed = Some((after_writes, down));
    }

    /// A pod is new or changed.
    pub(super) fn pod(&mut self, key: &Key, pod: &Pod) {
        for owner in self.candidates(key, &pod.metadata) {
            self.family(owner, |family| family.pods.put(ObservedPod::from(pod)));
        }
    }

    /// A PodGroup is new or changed.
    pub(super) fn pod_group(&mut self, key: &Key, group: &PodGroup) {
        for owner in self.candidates(key, &group.metadata) {
            self.family(owner, |family| family.pod_groups.put(ObservedPodGroup::from(group)));
        }
    }

    /// A Service is new or changed.
    pub(super) fn service(&mut self, key: &Key, metadata: &ObjectMeta) {
        for owner in self.candidates(key, metadata) {
            self.family(owner, |family| family.services.put(ObservedService::from(metadata)));
        }
    }

    /// A ControllerRevision is new or changed.
    pub(super) fn revision(&mut self, key: &Key, object: &Value) {
        let metadata = object.get("metadata").cloned().and_then(|value| serde_json::from_value(value).ok());
        for owner in self.candidates(key, &metadata.unwrap_or_default()) {
            self.family(owner, |family| family.revisions.put(ObservedRevision::from_json(object)));
        }
    }

    /// An object is gone.
    pub(super) fn gone(&mut self, key: &Key) {
        if key.kind == Kind::ModelServing {
            self.families.remove(key);
            self.dirty.remove(key);
            return;
        }
        let Some(kind) = owned(&key.kind) else { return };
        for (owner, family) in &mut self.families {
            if owner.namespace == key.namespace && family.remove(kind, &key.name) {
                self.dirty.insert(owner.clone());
            }
        }
    }

    fn family(&mut self, owner: Key, change: impl FnOnce(&mut Family) -> bool) {
        if self.families.get_mut(&owner).is_some_and(change) {
            self.dirty.insert(owner);
        }
    }

    /// The ModelServings that an object could belong to: by label, by owner, or because its name begins with theirs.
    fn candidates(&self, key: &Key, metadata: &ObjectMeta) -> BTreeSet<Key> {
        if self.families.is_empty() {
            return BTreeSet::new();
        }
        let label = metadata.labels.get(keys::MODEL_SERVING_NAME).map(String::as_str);
        let owners = metadata.owner_references.iter().filter(|owner| owner.kind == "ModelServing");
        let starts = key.name.match_indices('-').map(|(at, _)| &key.name[..at]);
        let names = label.into_iter().chain(owners.map(|owner| owner.name.as_str())).chain(starts);
        names
            .map(|name| Key::new(Kind::ModelServing, &key.namespace, name))
            .filter(|key| self.families.contains_key(key))
            .collect()
    }
}

impl Simulation {
    /// A ModelServing is new or changed. What exists under its name already is looked for once.
    pub(super) fn watch_model_serving(&mut self, key: &Key) {
        self.controller.dirty.insert(key.clone());
        if self.controller.families.contains_key(key) {
            return;
        }
        self.controller.families.insert(key.clone(), Family::default());
        let uid = self.store.get(key).map(|object| object.uid().to_owned()).unwrap_or_default();
        let start = format!("{}-", key.name);
        let mut found: BTreeSet<Key> = self.store.owned_by(&uid).map(|(key, _)| key.clone()).collect();
        for kind in [Kind::Pod, Kind::PodGroup, Kind::Service, Kind::ControllerRevision] {
            found.extend(self.store.named(&kind, &key.namespace, &start).map(|(key, _)| key.clone()));
        }
        for key in found {
            self.introduce(&key);
        }
    }

    /// May the controller write once more? If its time has come, it dies.
    pub(super) fn controller_lives(&mut self, key: &Key) -> bool {
        match &mut self.controller.doomed {
            Some((0, down)) => {
                let down = *down;
                self.note(
                    "controller",
                    key,
                    "Warning",
                    "ControllerCrashed",
                    format!("back in {}", print_duration(down)),
                );
                self.controller = Controller { down: true, ..Controller::default() };
                self.plan_in(down, Task::Controller);
                false
            }
            Some((left, _)) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    /// The controller starts: it knows nothing, and lists everything.
    pub(super) fn restart_controller(&mut self) {
        self.controller = Controller { doomed: self.controller.doomed.take(), ..Controller::default() };
        let servings: Vec<Key> =
            self.store.of_kind(&Kind::ModelServing).map(|(key, _)| key.clone()).collect();
        for key in servings {
            self.watch_model_serving(&key);
        }
    }

    /// Looks at the ModelServings that something changed for. True if something was written.
    pub(super) fn reconcile(&mut self) -> bool {
        while !self.controller.down
            && let Some(key) = self.controller.dirty.pop_first()
        {
            let Some(object) = self.typed::<ModelServing>(&key) else { continue };
            let now = Timestamp(self.seconds());
            let Some(family) = self.controller.families.get_mut(&key) else { continue };
            let outcome =
                modelserving::reconcile(&object, &family.observed(Capabilities::default(), false), now);
            family.memory = Some(outcome.memory);
            let wake =
                outcome.wake_at.map(|at| at.0.max(now.0 + 1)).filter(|&at| family.wakes_at != Some(at));
            if let Some(at) = wake {
                family.wakes_at = Some(at);
                self.agenda.plan(((at - self.start) * 1000) as u64, Task::Wake(key.clone()));
            }
            for event in outcome.events {
                let type_ = if event.warning { "Warning" } else { "Normal" };
                let happened = self.happened("controller", &key, type_, event.reason, event.message);
                // The others tell of a transition each time.
                if event.warning { self.history.say(happened) } else { self.history.note(happened) }
            }
            self.write_changes(&key, outcome.changes, outcome.status);
        }
        self.store.has_log()
    }
}

/// The kinds that a ModelServing may own.
fn owned(kind: &Kind) -> Option<Owned> {
    match kind {
        Kind::Pod => Some(Owned::Pod),
        Kind::PodGroup => Some(Owned::PodGroup),
        Kind::Service => Some(Owned::Service),
        Kind::ControllerRevision => Some(Owned::ControllerRevision),
        _ => None,
    }
}
