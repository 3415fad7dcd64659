//! The double of an API server: objects as JSON, with uids, versions, generations, graceful deletion and garbage
//! collection, all deterministic. The engine is its only user; what changed since it last looked is in a log.

mod at;
mod collect;
pub(crate) mod defaults;
mod key;
mod patch;
#[cfg(test)]
mod tests;

pub(crate) use at::At;
pub use key::{Key, Kind};
pub(crate) use patch::merge;

use super::schema::Schemas;
use super::time::print_timestamp;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Who writes. What the controller and the scheduler make or change is what `--objects` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The user: manifests and the timeline.
    User,
    /// The ModelServing controller.
    Controller,
    /// The scheduler.
    Scheduler,
    /// Kubelets, the node controller and the garbage collector.
    System,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It is new or changed.
    Written,
    /// It is gone.
    Gone,
}

/// Why a write was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is one already.
    #[error("{0} already exists")]
    AlreadyExists(Key),
    /// There is none.
    #[error("{0} does not exist")]
    NotFound(Key),
    /// The object is not what the write takes it for: changed since, another one, or on its way out.
    #[error("{0}: {1}")]
    Conflict(Key, &'static str),
    /// The object, or the change, breaks a rule of its kind.
    #[error("{0} is refused: {1}")]
    Invalid(Key, String),
    /// The object lacks something that every object must have.
    #[error("{0}")]
    Malformed(String),
}

/// An object in the store.
#[derive(Clone, Debug)]
pub struct Object {
    /// The object.
    pub value: Value,
    /// Did the controller or the scheduler make or change it?
    pub ours: bool,
}

impl Object {
    /// The text at a JSON pointer; empty if there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.value.at(pointer).and_then(Value::as_str).unwrap_or("")
    }

    /// The uid.
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// The version.
    pub fn version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    /// Is it on its way out?
    pub fn is_deleting(&self) -> bool {
        self.value.at("/metadata/deletionTimestamp").is_some()
    }
}

/// The objects.
#[derive(Debug, Default)]
pub struct Store {
    objects: BTreeMap<Key, Object>,
    /// Owner uid -> what it owns.
    owned: BTreeMap<String, BTreeSet<Key>>,
    uids: BTreeSet<String>,
    next_uid: u64,
    version: u64,
    /// Seconds since 1970.
    now: i64,
    log: Vec<(Key, Happening)>,
    schemas: Schemas,
}

impl Store {
    /// Sets the time that writes are stamped with, in seconds since 1970.
    pub fn set_now(&mut self, now: i64) {
        self.now = now;
    }

    /// What changed since this was last asked, in order. An object that was written several times appears as often.
    pub fn take_log(&mut self) -> Vec<(Key, Happening)> {
        std::mem::take(&mut self.log)
    }

    /// Puts all objects of these kinds into the log, for somebody who knows nothing.
    pub fn relist(&mut self, kinds: &[Kind]) {
        for kind in kinds {
            let keys: Vec<Key> = self.of_kind(kind).map(|(key, _)| key.clone()).collect();
            self.log.extend(keys.into_iter().map(|key| (key, Happening::Written)));
        }
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

    /// Creates an object. Metadata that the API server owns is filled in where it is absent.
    pub fn create(&mut self, mut value: Value, by: Actor) -> Result<Key, Refusal> {
        let key = Key::of(&value).map_err(|(path, why)| Refusal::Malformed(format!("{path} {why}")))?;
        if self.objects.contains_key(&key) {
            return Err(Refusal::AlreadyExists(key));
        }
        self.reserve(&value);
        let (uid, version, created) = (self.new_uid(), self.new_version(), print_timestamp(self.now));
        let metadata = metadata(&mut value);
        if key.namespace.is_empty() {
            metadata.remove("namespace");
        } else {
            metadata.insert("namespace".into(), (*key.namespace).into());
        }
        metadata.entry("uid").or_insert(uid.into());
        metadata.entry("resourceVersion").or_insert(version.into());
        metadata.entry("creationTimestamp").or_insert(created.into());
        if metadata.get("creationTimestamp").is_some_and(Value::is_null) {
            metadata.insert("creationTimestamp".into(), print_timestamp(self.now).into());
        }
        if key.kind.has_generation() {
            metadata.entry("generation").or_insert(1.into());
        }
        defaults::fill(&key.kind, &mut value, self);
        let object = Object { value, ours: matches!(by, Actor::Controller | Actor::Scheduler) };
        self.link(&key, &object);
        self.uids.insert(object.uid().to_owned());
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
        let mut next = existing.value.clone();
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
        let mut next = existing.value.clone();
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
        let mut next = existing.value.clone();
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
        let mut next = existing.value.clone();
        next["status"] = status;
        self.write(key, next, by);
        Ok(())
    }

    /// Changes an object in place; nothing happens if it is not there or stays the same.
    pub(crate) fn update(&mut self, key: &Key, by: Actor, change: impl FnOnce(&mut Value)) {
        let Some(object) = self.objects.get(key) else { return };
        let mut next = object.value.clone();
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
        let mut next = pod.value.clone();
        next["spec"]["nodeName"] = node.into();
        set_condition(&mut next, "PodScheduled", "True", "", "", self.now);
        self.write(key, next, Actor::Scheduler);
        Ok(())
    }

    /// Deletes an object: at once, or, for a pod that has a node, by a mark that its kubelet acts on within the grace
    /// period (seconds; the pod's own if `None`). What it owns goes with it.
    pub fn delete(&mut self, key: &Key, grace: Option<i64>, by: Actor) -> Result<(), Refusal> {
        let object = self.objects.get(key).ok_or_else(|| Refusal::NotFound(key.clone()))?;
        let graceful = key.kind == Kind::Pod
            && !object.text("/spec/nodeName").is_empty()
            && !matches!(object.text("/status/phase"), "Succeeded" | "Failed");
        let own = object.value.at("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
        let grace = if graceful { grace.or(own).unwrap_or(30).max(0) } else { 0 };
        let held = object.value.at("/metadata/finalizers").and_then(Value::as_array);
        if grace == 0 && held.is_none_or(Vec::is_empty) {
            self.remove(key);
            return Ok(());
        }
        if !object.is_deleting() {
            let mut next = object.value.clone();
            next["metadata"]["deletionTimestamp"] = print_timestamp(self.now + grace).into();
            next["metadata"]["deletionGracePeriodSeconds"] = grace.into();
            self.write(key, next, by);
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

    /// Writes a changed object: nothing happens if nothing changed.
    fn write(&mut self, key: &Key, mut next: Value, by: Actor) {
        let version = self.version + 1;
        let Some(object) = self.objects.get_mut(key) else { return };
        if object.value == next {
            return;
        }
        self.version = version;
        if key.kind.has_generation() && key.kind.spec_changed(&object.value, &next) {
            let generation = next.at("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
            next["metadata"]["generation"] = (generation + 1).into();
        }
        next["metadata"]["resourceVersion"] = version.to_string().into();
        let relinked = object.value.at("/metadata/ownerReferences") != next.at("/metadata/ownerReferences");
        object.ours |= matches!(by, Actor::Controller | Actor::Scheduler);
        let leaves = next.at("/metadata/deletionTimestamp").is_some()
            && next.at("/metadata/finalizers").and_then(Value::as_array).is_none_or(Vec::is_empty);
        let old = std::mem::replace(&mut object.value, next);
        if relinked {
            let object = object.clone();
            self.unlink(key, &old);
            self.link(key, &object);
        }
        self.log.push((key.clone(), Happening::Written));
        if leaves && key.kind != Kind::Pod {
            self.remove(key);
        }
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

    fn new_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }
}

fn metadata(value: &mut Value) -> &mut Map<String, Value> {
    if !value["metadata"].is_object() {
        value["metadata"] = json!({});
    }
    value["metadata"].as_object_mut().expect("it was made an object just now")
}

/// Sets a condition in an object's status; its transition time moves only when its status does.
pub(crate) fn set_condition(
    object: &mut Value,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: i64,
) {
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
        condition["lastTransitionTime"] = print_timestamp(now).into();
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
