//! Garbage collection: what an object owned goes when the object and all its other owners are gone.

use super::at::At as _;
use super::{Actor, Happening, Key, Kind, Object, Store};
use serde_json::Value;

impl Store {
    /// Removes an object for good, and deletes what it owned. Owners that were never seen keep what they own alive:
    /// a dump of pods does not always come with their ReplicaSets.
    pub fn remove(&mut self, key: &Key) {
        let Some(object) = self.objects.remove(key) else { return };
        self.unlink(key, &object.value);
        self.log.push((key.clone(), Happening::Gone));
        let orphans = self.owned.remove(object.uid()).unwrap_or_default();
        for orphan in orphans {
            let Some(child) = self.objects.get(&orphan) else { continue };
            let held = owners(&child.value).any(|uid| uid != object.uid() && self.has_uid(uid));
            if !held {
                // A child that is on its way out already stays until its kubelet lets it go.
                let _ = self.delete(&orphan, None, Actor::System);
            }
        }
    }

    pub(super) fn link(&mut self, key: &Key, object: &Object) {
        for uid in owners(&object.value) {
            self.owned.entry(uid.to_owned()).or_default().insert(key.clone());
        }
    }

    pub(super) fn unlink(&mut self, key: &Key, value: &Value) {
        for uid in owners(value) {
            if let Some(keys) = self.owned.get_mut(uid) {
                keys.remove(key);
            }
        }
    }

    /// Does an object with this uid exist? Only kinds that own something are looked through.
    fn has_uid(&self, uid: &str) -> bool {
        self.objects.iter().any(|(key, object)| key.kind != Kind::Pod && object.uid() == uid)
    }
}

fn owners(value: &Value) -> impl Iterator<Item = &str> {
    let references = value.at("/metadata/ownerReferences").and_then(Value::as_array);
    references.into_iter().flatten().filter_map(|reference| reference.get("uid").and_then(Value::as_str))
}
