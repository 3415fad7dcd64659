//! The objects and what may be done to them: typed calls, for who needs no HTTP. Every write goes through [`Store::write`],
//! [`Store::create`] or [`Store::remove`], which give versions, keep the history and the log, and link owners.

use super::history::{History, StoredChange};
use super::schema::Schemas;
use super::{Actor, At as _, Happening, Key, Kind, Object, Refusal, defaults, merge, pods, removal};
use crate::api::time::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The objects.
#[derive(Debug, Default)]
pub struct Store {
    pub(super) objects: BTreeMap<Key, Object>,
    /// Owner uid -> what it owns.
    pub(super) owned: BTreeMap<String, BTreeSet<Key>>,
    /// What is deleted in the foreground and waits for what it owns.
    pub(super) foreground: BTreeSet<Key>,
    pub(super) uids: BTreeSet<String>,
    pub(super) next_uid: u64,
    pub(super) version: u64,
    /// Seconds since 1970.
    pub(super) now: i64,
    pub(super) log: Vec<(Key, Happening)>,
    pub(super) schemas: Schemas,
    /// What watches and earlier versions are served from; `None`: nobody asks.
    pub(super) history: Option<History>,
    /// Does it leave to others what kubelets, node controller and webhooks write?
    pub(super) bare: bool,
}

impl Store {
    /// As the real one is when nobody else is there: what kubelets, the node controller and Volcano's webhooks would add
    /// to a new object is left to those who play them. It keeps its history, so that it can be watched.
    pub fn bare() -> Store {
        Store { bare: true, history: Some(History::default()), ..Store::default() }
    }

    /// The version of the latest write.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Every write that is still known, oldest first; empty where no history is kept.
    pub fn changes(&self) -> &[StoredChange] {
        self.history.as_ref().map_or(&[], History::changes)
    }

    /// Forgets the writes up to a version: who watches from before it is told that it has expired.
    pub fn compact(&mut self, version: u64) {
        if let Some(history) = &mut self.history {
            history.compact(version);
        }
    }

    /// The version that watches and lists are served from at the earliest.
    pub fn compacted(&self) -> u64 {
        self.history.as_ref().map_or(self.version, History::compacted)
    }

    /// Sets the time that writes are stamped with, in seconds since 1970.
    pub fn set_now(&mut self, now: i64) {
        self.now = now;
    }

    /// What changed since this was last asked, in order. An object that was written several times appears as often.
    pub fn take_log(&mut self) -> Vec<(Key, Happening)> {
        std::mem::take(&mut self.log)
    }

    /// Is there something in the log?
    pub fn has_log(&self) -> bool {
        !self.log.is_empty()
    }

    /// An object.
    pub fn get(&self, key: &Key) -> Option<&Object> {
        self.objects.get(key)
    }

    /// All objects of a kind, by namespace and name.
    pub fn of_kind<'a>(&'a self, kind: &Kind) -> impl Iterator<Item = (&'a Key, &'a Object)> + use<'a> {
        let kind = kind.clone();
        let start = Key { kind: kind.clone(), namespace: "".into(), name: "".into() };
        self.objects.range(start..).take_while(move |(key, _)| key.kind == kind)
    }

    /// Objects of a kind and a namespace whose name starts with a text, by name.
    pub fn named<'a>(
        &'a self,
        kind: &Kind,
        namespace: &str,
        start: &str,
    ) -> impl Iterator<Item = (&'a Key, &'a Object)> + use<'a> {
        let from = Key { kind: kind.clone(), namespace: namespace.into(), name: start.into() };
        let stays = from.clone();
        self.objects.range(from..).take_while(move |(key, _)| {
            key.kind == stays.kind && key.namespace == stays.namespace && key.name.starts_with(&*stays.name)
        })
    }

    /// All objects, by kind, namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Object)> {
        self.objects.iter()
    }

    /// What an object owns, by kind, namespace and name.
    pub fn owned_by<'a>(&'a self, uid: &str) -> impl Iterator<Item = (&'a Key, &'a Object)> + use<'a> {
        let keys = self.owned.get(uid).into_iter().flatten();
        keys.filter_map(|key| self.objects.get_key_value(key))
    }

    /// Takes note of uids and versions that objects bring along, so that none is given twice.
    pub fn reserve(&mut self, value: &Value) {
        if let Some(uid) = value.at("/metadata/uid").and_then(Value::as_str) {
            self.uids.insert(uid.to_owned());
        }
        let version = value.at("/metadata/resourceVersion").and_then(Value::as_str);
        self.version = self.version.max(version.and_then(|v| v.parse().ok()).unwrap_or(0));
    }

    /// Creates an object. Metadata that the API server owns is filled in where it is absent, and kept where the object
    /// brings it along, as objects that were printed do.
    pub fn create(&mut self, mut value: Value, by: Actor) -> Result<Key, Refusal> {
        let key = Key::of(&value).map_err(|(path, why)| Refusal::Malformed(format!("{path} {why}")))?;
        if self.objects.contains_key(&key) {
            return Err(Refusal::AlreadyExists(key));
        }
        self.reserve(&value);
        self.version += 1;
        let (uid, version, created) = (self.new_uid(), self.version.to_string(), self.stamp(0));
        let metadata = metadata(&mut value);
        if key.namespace.is_empty() {
            metadata.remove("namespace");
        } else {
            metadata.insert("namespace".into(), (*key.namespace).into());
        }
        metadata.entry("uid").or_insert(uid.into());
        metadata.entry("resourceVersion").or_insert(version.into());
        let entry = metadata.entry("creationTimestamp").or_insert(Value::Null);
        if entry.is_null() {
            *entry = created.into();
        }
        if key.kind.has_generation() {
            metadata.entry("generation").or_insert(1.into());
        }
        defaults::fill(&key.kind, &mut value, self);
        let object =
            Object { value: Arc::new(value), ours: matches!(by, Actor::Controller | Actor::Scheduler) };
        self.link(&key, &object.value);
        self.uids.insert(object.uid().to_owned());
        self.keep(&key, None, Some(&object.value));
        self.objects.insert(key.clone(), object);
        self.log.push((key.clone(), Happening::Written));
        Ok(key)
    }

    /// Creates an object, or changes the one that is there as `kubectl apply` would: labels and annotations are
    /// added to, every other field that is written replaces the one that was there, the status stays unless it is
    /// written too.
    pub fn apply(&mut self, value: Value, by: Actor) -> Result<Key, Refusal> {
        let key = Key::of(&value).map_err(|(path, why)| Refusal::Malformed(format!("{path} {why}")))?;
        let Some(existing) = self.objects.get(&key) else { return self.create(value, by) };
        let mut next = Value::clone(&existing.value);
        let Value::Object(fields) = value else { return Ok(key) };
        for (name, field) in fields {
            if name != "metadata" {
                next[&name] = field;
                continue;
            }
            for part in ["labels", "annotations"] {
                if let Some(Value::Object(entries)) = field.get(part) {
                    merge(&mut next["metadata"][part], &Value::Object(entries.clone()));
                }
            }
        }
        defaults::fill(&key.kind, &mut next, self);
        if by == Actor::User {
            defaults::check(&key, &existing.value, &next)?;
        }
        self.write(&key, next, by);
        Ok(key)
    }

    /// Merges a patch into an object (RFC 7386). A uid or a resourceVersion in it is a precondition.
    pub fn patch(&mut self, key: &Key, patch: &Value, by: Actor) -> Result<(), Refusal> {
        let existing = self.objects.get(key).ok_or_else(|| Refusal::NotFound(key.clone()))?;
        for (pointer, found, why) in [
            ("/metadata/uid", existing.uid(), "it is another object of the same name"),
            ("/metadata/resourceVersion", existing.version(), "it has been changed"),
        ] {
            if patch.at(pointer).and_then(Value::as_str).is_some_and(|expected| expected != found) {
                return Err(Refusal::Conflict(key.clone(), why));
            }
        }
        let mut next = Value::clone(&existing.value);
        merge(&mut next, patch);
        defaults::fill(&key.kind, &mut next, self);
        if by == Actor::User {
            defaults::check(key, &existing.value, &next)?;
        }
        self.write(key, next, by);
        Ok(())
    }

    /// Replaces an object's spec.
    pub fn set_spec(&mut self, key: &Key, spec: Value, by: Actor) -> Result<(), Refusal> {
        let existing = self.objects.get(key).ok_or_else(|| Refusal::NotFound(key.clone()))?;
        let mut next = Value::clone(&existing.value);
        next["spec"] = spec;
        defaults::fill(&key.kind, &mut next, self);
        self.write(key, next, by);
        Ok(())
    }

    /// Replaces an object's status.
    pub fn set_status(&mut self, key: &Key, status: Value, by: Actor) -> Result<(), Refusal> {
        let existing = self.objects.get(key).ok_or_else(|| Refusal::NotFound(key.clone()))?;
        if existing.value.get("status") == Some(&status) {
            return Ok(());
        }
        let mut next = Value::clone(&existing.value);
        next["status"] = status;
        self.write(key, next, by);
        Ok(())
    }

    /// Changes an object in place; nothing happens if it is not there or stays the same.
    pub fn update(&mut self, key: &Key, by: Actor, change: impl FnOnce(&mut Value)) {
        let Some(object) = self.objects.get(key) else { return };
        let mut next = Value::clone(&object.value);
        change(&mut next);
        self.write(key, next, by);
    }

    /// Gives a pod its node, as the binding subresource does: a pod that has one, or another uid, is refused.
    pub fn bind(&mut self, key: &Key, uid: &str, node: &str) -> Result<(), Refusal> {
        let pod = self.objects.get(key).ok_or_else(|| Refusal::NotFound(key.clone()))?;
        if !uid.is_empty() && pod.uid() != uid {
            return Err(Refusal::Conflict(key.clone(), "it is another pod of the same name"));
        }
        if !pod.text("/spec/nodeName").is_empty() {
            return Err(Refusal::Conflict(key.clone(), "it has a node already"));
        }
        if pod.is_deleting() {
            return Err(Refusal::Conflict(key.clone(), "it is being deleted"));
        }
        let mut next = Value::clone(&pod.value);
        pods::assign(&mut next, node, self.now);
        self.write(key, next, Actor::Scheduler);
        Ok(())
    }

    /// Deletes an object: at once, or, for a pod that has a node, by a mark that its kubelet acts on within the grace
    /// period (seconds; the pod's own if `None`). What it owns goes with it.
    pub fn delete(&mut self, key: &Key, grace: Option<i64>, by: Actor) -> Result<(), Refusal> {
        let object = self.objects.get(key).ok_or_else(|| Refusal::NotFound(key.clone()))?;
        let marked = removal::marked(key, object, grace, self.now);
        let grace = marked.grace;
        let held = removal::is_held(&object.value);
        if let Some(next) = marked.object {
            self.write(key, next, by);
        }
        if grace == 0 && !held {
            self.remove(key);
        }
        Ok(())
    }

    /// Deletes exactly this object.
    pub fn delete_exactly(&mut self, key: &Key, uid: &str, by: Actor) -> Result<(), Refusal> {
        match self.objects.get(key) {
            Some(object) if object.uid() != uid => {
                Err(Refusal::Conflict(key.clone(), "it is another object of the same name"))
            }
            _ => self.delete(key, None, by),
        }
    }

    /// Writes a changed object: nothing happens if nothing changed. One that only waited for its last finalizer goes.
    pub(super) fn write(&mut self, key: &Key, mut next: Value, by: Actor) {
        let Some(object) = self.objects.get_mut(key) else { return };
        if *object.value == next {
            return;
        }
        if removal::was_released(key, &object.value, &next) {
            object.value = Arc::new(next);
            self.remove(key);
            return;
        }
        self.version += 1;
        if key.kind.has_generation() && key.kind.spec_changed(&object.value, &next) {
            let generation = next.at("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
            next["metadata"]["generation"] = (generation + 1).into();
        }
        next["metadata"]["resourceVersion"] = self.version.to_string().into();
        let relinked = object.value.at("/metadata/ownerReferences") != next.at("/metadata/ownerReferences");
        object.ours |= matches!(by, Actor::Controller | Actor::Scheduler);
        let next = Arc::new(next);
        let old = std::mem::replace(&mut object.value, Arc::clone(&next));
        if relinked {
            self.unlink(key, &old);
            self.link(key, &next);
        }
        self.keep(key, Some(old), Some(&next));
        self.log.push((key.clone(), Happening::Written));
    }

    /// Notes a write for those who watch.
    pub(super) fn keep(&mut self, key: &Key, before: Option<Arc<Value>>, after: Option<&Arc<Value>>) {
        if let Some(history) = &mut self.history {
            history.push(StoredChange {
                version: self.version,
                key: key.clone(),
                before,
                after: after.cloned(),
            });
        }
    }

    /// The time so many seconds from now, as the API server writes it.
    pub(super) fn stamp(&self, seconds: i64) -> String {
        Timestamp(self.now + seconds).to_string()
    }

    fn new_uid(&mut self) -> String {
        loop {
            self.next_uid += 1;
            let uid = format!("00000000-0000-4000-8000-{:012x}", self.next_uid);
            if !self.uids.contains(&uid) {
                return uid;
            }
        }
    }
}

fn metadata(value: &mut Value) -> &mut Map<String, Value> {
    if !value["metadata"].is_object() {
        value["metadata"] = json!({});
    }
    value["metadata"].as_object_mut().expect("it was made an object just now")
}

/// Sets a condition in an object's status; its transition time moves only when its status does.
pub fn set_condition(object: &mut Value, type_: &str, status: &str, reason: &str, message: &str, now: i64) {
    if !object["status"].is_object() {
        object["status"] = json!({});
    }
    let conditions = &mut object["status"]["conditions"];
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let list = conditions.as_array_mut().expect("it was made a list just now");
    let at = list.iter().position(|condition| condition["type"] == type_).unwrap_or_else(|| {
        list.push(json!({"type": type_}));
        list.len() - 1
    });
    let condition = &mut list[at];
    if condition["status"] != status || condition.get("lastTransitionTime").is_none() {
        condition["lastTransitionTime"] = Timestamp(now).to_string().into();
    }
    condition["status"] = status.into();
    let fields = condition.as_object_mut().expect("a condition is a map");
    for (name, text) in [("reason", reason), ("message", message)] {
        if text.is_empty() {
            fields.remove(name);
        } else {
            fields.insert(name.into(), text.into());
        }
    }
}
