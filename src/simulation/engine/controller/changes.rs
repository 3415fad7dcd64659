//! The controller's changes, carried out in order. The first that fails ends the list: the next look asks again.

use crate::api::model_serving::ModelServingStatus;
use crate::modelserving::{Change, Kind as Owned};
use crate::simulation::engine::Simulation;
use crate::simulation::store::{Actor, Key, Kind, Refusal};
use serde_json::{Map, Value, json, to_value};
use std::collections::BTreeMap;

impl Simulation {
    /// An object that existed before its ModelServing was seen.
    pub(super) fn introduce(&mut self, key: &Key) {
        match key.kind {
            Kind::Pod => {
                if let Some(pod) = self.typed(key) {
                    self.controller.pod(key, &pod);
                }
            }
            Kind::PodGroup => {
                if let Some(group) = self.typed(key) {
                    self.controller.pod_group(key, &group);
                }
            }
            Kind::Service => {
                let metadata = self.store.get(key).and_then(|object| object.value.get("metadata")).cloned();
                let metadata = metadata.and_then(|metadata| serde_json::from_value(metadata).ok());
                self.controller.service(key, &metadata.unwrap_or_default());
            }
            Kind::ControllerRevision => {
                if let Some(object) = self.store.get(key) {
                    self.controller.revision(key, &object.value);
                }
            }
            _ => {}
        }
    }

    pub(super) fn write_changes(
        &mut self,
        owner: &Key,
        changes: Vec<Change>,
        status: Option<ModelServingStatus>,
    ) {
        for change in changes {
            if !self.controller_lives(owner) {
                return;
            }
            if let Err(refusal) = self.write_change(owner, change) {
                self.note("controller", owner, "Warning", "WriteFailed", refusal.to_string());
                break;
            }
        }
        let Some(status) = status.filter(|_| self.controller_lives(owner)) else { return };
        let counts = format!(
            "{} ServingGroups, {} available, {} updated",
            status.replicas, status.available_replicas, status.updated_replicas
        );
        let happened = self.happened("controller", owner, "Normal", "Counted", counts);
        self.history.say(happened);
        if let Ok(status) = to_value(status) {
            let _ = self.store.set_status(owner, status, Actor::Controller);
        }
    }

    fn write_change(&mut self, owner: &Key, change: Change) -> Result<(), Refusal> {
        let key = |kind: Owned, name: &str| Key::new(stored(kind), &owner.namespace, name);
        let answer = match change {
            Change::CreatePodGroup(group) => {
                let mut object = to_value(*group).unwrap_or_default();
                object["apiVersion"] = Kind::version_of("PodGroup").unwrap_or_default().into();
                object["kind"] = "PodGroup".into();
                self.store.create(object, Actor::Controller).map(drop)
            }
            Change::Create(created) => self.store.create(created.into_object(), Actor::Controller).map(drop),
            Change::UpdatePodGroup { name, uid, spec } => {
                let key = key(Owned::PodGroup, &name);
                self.with_uid(&key, &uid, |run| {
                    let spec = to_value(*spec).unwrap_or_default();
                    let _ = run.store.set_spec(&key, spec, Actor::Controller);
                })
            }
            Change::Patch { kind, name, uid, labels, annotations } => {
                let key = key(kind, &name);
                let patch = json!({"metadata": {"labels": texts(labels), "annotations": texts(annotations)}});
                self.with_uid(&key, &uid, |run| {
                    let _ = run.store.patch(&key, &patch, Actor::Controller);
                })
            }
            Change::Adopt { kind, name, uid, owner } => {
                let key = key(kind, &name);
                let patch = json!({"metadata": {"ownerReferences": [owner]}});
                self.with_uid(&key, &uid, |run| {
                    let _ = run.store.patch(&key, &patch, Actor::Controller);
                })
            }
            Change::Delete { kind, name, uid } => {
                let key = key(kind, &name);
                self.with_uid(&key, &uid, |run| {
                    let _ = run.store.delete(&key, None, Actor::Controller);
                })
            }
        };
        match answer {
            // Somebody was faster: what was wanted is there, or gone.
            Err(Refusal::AlreadyExists(_) | Refusal::NotFound(_) | Refusal::Conflict(..)) => Ok(()),
            other => other,
        }
    }

    fn with_uid(&mut self, key: &Key, uid: &str, act: impl FnOnce(&mut Simulation)) -> Result<(), Refusal> {
        match self.store.get(key) {
            None => Err(Refusal::NotFound(key.clone())),
            Some(object) if object.uid() != uid => {
                Err(Refusal::Conflict(key.clone(), "it is another object"))
            }
            Some(_) => {
                act(self);
                Ok(())
            }
        }
    }
}

fn stored(kind: Owned) -> Kind {
    match kind {
        Owned::Pod => Kind::Pod,
        Owned::PodGroup => Kind::PodGroup,
        Owned::Service => Kind::Service,
        Owned::ControllerRevision => Kind::ControllerRevision,
    }
}

/// `None` removes an entry of a merge patch.
fn texts(entries: BTreeMap<String, Option<String>>) -> Value {
    let entries = entries.into_iter().map(|(key, value)| (key, value.map_or(Value::Null, Value::String)));
    Value::Object(entries.collect::<Map<_, _>>())
}
