//! The objects of the double: versions, uids, preconditions, graceful deletion, and a log that watches read.

use super::judge::Judge;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Plural, namespace, name.
pub(crate) type Key = (String, String, String);

/// A change, as a watch shows it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) key: Key,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub(crate) what: &'static str,
    pub(crate) object: Value,
    /// When, in milliseconds of virtual time.
    pub(crate) at: u64,
}

/// A refusal: code, reason, message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) u16, pub(crate) &'static str, pub(crate) String);

pub(crate) type Answer = Result<Value, Refusal>;

#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) version: u64,
    objects: BTreeMap<Key, Value>,
    pub(crate) log: Vec<Change>,
    /// Watches from before this version are told that it has expired.
    pub(crate) compacted: u64,
    uids: u64,
    pub(crate) judge: Judge,
    /// Milliseconds of virtual time.
    pub(crate) now: u64,
}

pub(crate) fn key(plural: &str, namespace: &str, name: &str) -> Key {
    (plural.to_owned(), namespace.to_owned(), name.to_owned())
}

pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn conflict(message: impl Into<String>) -> Refusal {
    Refusal(409, "Conflict", message.into())
}

fn not_found(key: &Key) -> Refusal {
    Refusal(404, "NotFound", format!("{} \"{}\" not found", key.0, key.2))
}

impl Store {
    pub(crate) fn get(&self, key: &Key) -> Answer {
        self.objects.get(key).cloned().ok_or_else(|| not_found(key))
    }

    pub(crate) fn find(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// Objects of a kind; of all namespaces if `namespace` is empty.
    pub(crate) fn all<'a>(&'a self, plural: &'a str, namespace: &'a str) -> impl Iterator<Item = &'a Value> {
        let mine = self.objects.iter().filter(move |((kind, space, _), _)| {
            kind == plural && (namespace.is_empty() || space == namespace)
        });
        mine.map(|(_, object)| object)
    }

    /// Objects of a kind as they were at an earlier version, as a cache that is behind has them.
    pub(crate) fn as_of(&self, version: u64, plural: &str) -> Vec<Value> {
        let mut then: BTreeMap<&Key, &Value> = BTreeMap::new();
        let until = self.log.partition_point(|change| change.version <= version);
        for change in self.log[..until].iter().filter(|change| change.key.0 == plural) {
            match change.what {
                "DELETED" => drop(then.remove(&change.key)),
                _ => drop(then.insert(&change.key, &change.object)),
            }
        }
        then.into_values().cloned().collect()
    }

    /// The version of so many milliseconds ago; none that watches are no longer served from.
    pub(crate) fn version_before(&self, milliseconds: u64) -> u64 {
        let then = self.now.saturating_sub(milliseconds);
        let until = self.log.partition_point(|change| change.at <= then);
        let version = self.log[..until].last().map_or(0, |change| change.version);
        version.max(self.compacted)
    }

    /// Binds a pod as another scheduler or a user would.
    pub(crate) fn bind_as_another(&mut self, key: &Key, node: &str) {
        self.judge.foreign = true;
        self.change(key, |pod| pod["spec"]["nodeName"] = node.into());
        self.judge.foreign = false;
    }

    pub(crate) fn create(&mut self, key: Key, mut object: Value) -> Answer {
        if self.objects.contains_key(&key) {
            return Err(Refusal(409, "AlreadyExists", format!("{} \"{}\" already exists", key.0, key.2)));
        }
        self.uids += 1;
        let metadata = &mut object["metadata"];
        metadata["uid"] = format!("00000000-0000-4000-8000-{:012x}", self.uids).into();
        metadata["name"] = key.2.clone().into();
        metadata["generation"] = 1.into();
        metadata["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        if !key.1.is_empty() {
            metadata["namespace"] = key.1.clone().into();
        }
        if key.0 == "pods" && object["status"]["phase"].is_null() {
            object["status"]["phase"] = "Pending".into();
        }
        Ok(self.put_down(key, object, "ADDED"))
    }

    fn put_down(&mut self, key: Key, mut object: Value, what: &'static str) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let before = match what {
            "DELETED" => self.objects.remove(&key),
            _ => self.objects.insert(key.clone(), object.clone()),
        };
        self.log.push(Change {
            version: self.version,
            key: key.clone(),
            what,
            object: object.clone(),
            at: self.now,
        });
        let mut judge = std::mem::take(&mut self.judge);
        judge.changed(self, &key, before.as_ref(), (what != "DELETED").then_some(&object));
        self.judge = judge;
        object
    }

    /// Writes what has changed; what has not is left as it is.
    fn replace(&mut self, key: &Key, mut object: Value) -> Answer {
        let Some(before) = self.objects.get(key) else { return Err(not_found(key)) };
        for field in ["uid", "name", "namespace", "creationTimestamp", "resourceVersion", "generation"] {
            object["metadata"][field] = before["metadata"][field].clone();
        }
        if object["metadata"]["namespace"].is_null()
            && let Some(metadata) = object["metadata"].as_object_mut()
        {
            metadata.remove("namespace");
        }
        if object == *before {
            return Ok(object);
        }
        // As for a custom resource without a status subresource: everything but metadata counts.
        let content = |object: &Value| {
            let mut content = object.clone();
            content["metadata"] = Value::Null;
            content
        };
        if content(&object) != content(before) {
            let generation = before["metadata"]["generation"].as_i64().unwrap_or(1);
            object["metadata"]["generation"] = (generation + 1).into();
        }
        Ok(self.put_down(key.clone(), object, "MODIFIED"))
    }

    fn precondition(&self, key: &Key, version: &str) -> Result<(), Refusal> {
        let Some(object) = self.objects.get(key) else { return Err(not_found(key)) };
        if version.is_empty() || text(object, "/metadata/resourceVersion") == version {
            return Ok(());
        }
        Err(conflict("the object has been modified; please apply your changes to the latest version"))
    }

    pub(crate) fn put(&mut self, key: &Key, object: Value) -> Answer {
        self.precondition(key, text(&object, "/metadata/resourceVersion"))?;
        self.replace(key, object)
    }

    /// A merge patch; a `resourceVersion` in it is a precondition.
    pub(crate) fn merge(&mut self, key: &Key, patch: &Value) -> Answer {
        self.precondition(key, text(patch, "/metadata/resourceVersion"))?;
        let mut object = self.get(key)?;
        merge(&mut object, patch);
        self.replace(key, object)
    }

    /// A strategic patch of conditions, which is all that is asked of it here; a `uid` in it is a precondition.
    pub(crate) fn conditions(&mut self, key: &Key, patch: &Value) -> Answer {
        let mut object = self.get(key)?;
        let uid = text(patch, "/metadata/uid");
        if !uid.is_empty() && uid != text(&object, "/metadata/uid") {
            return Err(conflict("the uid is another one"));
        }
        let new = patch.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut all =
            object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        all.retain(|old| new.iter().all(|new| new["type"] != old["type"]));
        all.extend(new);
        object["status"]["conditions"] = all.into();
        self.replace(key, object)
    }

    /// A JSON patch with `test`, `add`, `replace` and `remove` on paths of maps.
    pub(crate) fn json_patch(&mut self, key: &Key, patch: &Value) -> Answer {
        let mut object = self.get(key)?;
        for step in patch.as_array().into_iter().flatten() {
            let path = text(step, "/path");
            let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
            let last = last.replace("~1", "/").replace("~0", "~");
            match text(step, "/op") {
                "test" if object.pointer(path) == Some(&step["value"]) => {}
                "test" => {
                    return Err(Refusal(
                        422,
                        "Invalid",
                        format!("the server rejected our request: testing path {path} failed: test failed"),
                    ));
                }
                "remove" => {
                    if let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
                        parent.remove(&last);
                    }
                }
                _ => match object.pointer_mut(parent).and_then(Value::as_object_mut) {
                    Some(parent) => drop(parent.insert(last, step["value"].clone())),
                    None => return Err(Refusal(422, "Invalid", format!("there is no {parent}"))),
                },
            }
        }
        self.replace(key, object)
    }

    /// Deletes; a bound pod stays until its kubelet is done with it.
    pub(crate) fn delete(&mut self, key: &Key, uid: &str, by_client: bool) -> Answer {
        let mut object = self.get(key)?;
        if !uid.is_empty() && uid != text(&object, "/metadata/uid") {
            return Err(conflict("the UID in the precondition does not match"));
        }
        if by_client {
            let mut judge = std::mem::take(&mut self.judge);
            judge.deleted_by_us(self, key, &object);
            self.judge = judge;
        }
        if key.0 == "pods" && !text(&object, "/spec/nodeName").is_empty() {
            if object["metadata"]["deletionTimestamp"].is_null() {
                object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
                object["metadata"]["deletionGracePeriodSeconds"] = 30.into();
                return self.replace(key, object);
            }
            return Ok(object);
        }
        self.remove(key)
    }

    /// It is gone.
    pub(crate) fn remove(&mut self, key: &Key) -> Answer {
        let object = self.get(key)?;
        Ok(self.put_down(key.clone(), object, "DELETED"))
    }

    /// `pods/binding`.
    pub(crate) fn bind(&mut self, key: &Key, binding: &Value) -> Answer {
        let mut pod = self.get(key)?;
        let (uid, node) = (text(binding, "/metadata/uid"), text(binding, "/target/name"));
        if !uid.is_empty() && uid != text(&pod, "/metadata/uid") {
            return Err(conflict("the uid in the precondition does not match"));
        }
        let at = text(&pod, "/spec/nodeName");
        if !at.is_empty() {
            return Err(conflict(format!("pod {} is already assigned to node \"{at}\"", key.2)));
        }
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            return Err(conflict(format!("pod {} is being deleted, cannot be assigned to a host", key.2)));
        }
        pod["spec"]["nodeName"] = node.into();
        if let Some(status) = pod["status"].as_object_mut() {
            status.remove("nominatedNodeName");
        }
        self.replace(key, pod)?;
        Ok(json!({ "kind": "Status", "status": "Success", "code": 201 }))
    }

    /// Changes an object as somebody else would.
    pub(crate) fn change(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        if let Ok(mut object) = self.get(key) {
            change(&mut object);
            let _ = self.replace(key, object);
        }
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name.as_str()], value);
        }
    }
}
