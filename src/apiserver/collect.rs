//! Garbage collection: what an object owned goes when the object and all its other owners are gone.

use super::at::At as _;
use super::removal::{FOREGROUND, ORPHAN};
use super::{Actor, Happening, Key, Kind, Store};
use serde_json::Value;
use std::sync::Arc;

impl Store {
    /// Removes an object for good, and deletes what it owned. Owners that were never seen keep what they own alive:
    /// a dump of pods does not always come with their ReplicaSets.
    pub fn remove(&mut self, key: &Key) {
        let Some(object) = self.objects.remove(key) else { return };
        self.unlink(key, &object.value);
        self.version += 1;
        self.keep(key, Some(Arc::clone(&object.value)), None);
        self.log.push((key.clone(), Happening::Gone));
        let orphans = self.owned.remove(object.uid()).unwrap_or_default();
        for orphan in orphans {
            let Some(child) = self.objects.get(&orphan) else { continue };
            let is_held = owners(&child.value).any(|uid| uid != object.uid() && self.has_uid(uid));
            if is_held {
                self.disown(&orphan, object.uid());
            } else {
                // A child that is on its way out already stays until its kubelet lets it go.
                let _ = self.delete(&orphan, None, Actor::System);
            }
        }
        for uid in owners(&object.value) {
            self.release_owner(uid);
        }
    }

    /// Does what the finalizers of the collector on an object ask for: `orphan` lets its dependents be, `foregroundDeletion`
    /// deletes them first.
    pub(super) fn collect(&mut self, key: &Key) {
        let Some(object) = self.objects.get(key).filter(|object| object.is_deleting()) else { return };
        let uid = object.uid().to_owned();
        let dependents: Vec<Key> = self.owned.get(&uid).into_iter().flatten().cloned().collect();
        if has_finalizer(&object.value, ORPHAN) {
            for dependent in &dependents {
                self.disown(dependent, &uid);
            }
            self.drop_finalizer(key, ORPHAN);
        } else if has_finalizer(&object.value, FOREGROUND) {
            for dependent in &dependents {
                if self.objects.get(dependent).is_some_and(|object| !object.is_deleting()) {
                    let _ = self.delete(dependent, None, Actor::System);
                }
            }
            self.release_owner(&uid);
        }
    }

    /// An owner that is deleted in the foreground goes when nothing that blocks it is left.
    fn release_owner(&mut self, uid: &str) {
        let is_owner = |key: &&Key| self.objects.get(key).is_some_and(|object| object.uid() == uid);
        let Some(owner) = self.foreground.iter().find(is_owner).cloned() else { return };
        let blocks = |owner: &Value| {
            owner.get("uid").and_then(Value::as_str) == Some(uid)
                && owner.get("blockOwnerDeletion") == Some(&Value::Bool(true))
        };
        let mut dependents =
            self.owned.get(uid).into_iter().flatten().filter_map(|key| self.objects.get(key));
        if !dependents.any(|child| references(&child.value).any(blocks)) {
            self.drop_finalizer(&owner, FOREGROUND);
        }
    }

    fn drop_finalizer(&mut self, key: &Key, finalizer: &str) {
        self.foreground.remove(key);
        self.update(key, Actor::System, |object| {
            if let Some(list) = object.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut) {
                list.retain(|held| held != finalizer);
            }
        });
    }

    /// Takes an owner out of an object's references.
    fn disown(&mut self, key: &Key, uid: &str) {
        self.update(key, Actor::System, |object| {
            let Some(metadata) = object["metadata"].as_object_mut() else { return };
            let Some(list) = metadata.get_mut("ownerReferences").and_then(Value::as_array_mut) else {
                return;
            };
            list.retain(|owner| owner.get("uid").and_then(Value::as_str) != Some(uid));
            if list.is_empty() {
                metadata.remove("ownerReferences");
            }
        });
    }

    pub(super) fn link(&mut self, key: &Key, value: &Value) {
        for uid in owners(value) {
            self.owned.entry(uid.to_owned()).or_default().insert(key.clone());
        }
    }

    pub(super) fn unlink(&mut self, key: &Key, value: &Value) {
        for uid in owners(value) {
            if let Some(keys) = self.owned.get_mut(uid) {
                keys.remove(key);
                if keys.is_empty() {
                    self.owned.remove(uid);
                }
            }
        }
    }

    /// Does an object with this uid exist? Only kinds that own something are looked through.
    fn has_uid(&self, uid: &str) -> bool {
        self.objects.iter().any(|(key, object)| key.kind != Kind::Pod && object.uid() == uid)
    }
}

fn references(value: &Value) -> impl Iterator<Item = &Value> {
    value.at("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten()
}

fn owners(value: &Value) -> impl Iterator<Item = &str> {
    references(value).filter_map(|reference| reference.get("uid").and_then(Value::as_str))
}

fn has_finalizer(value: &Value, finalizer: &str) -> bool {
    let held = value.at("/metadata/finalizers").and_then(Value::as_array);
    held.is_some_and(|held| held.iter().any(|name| name == finalizer))
}
