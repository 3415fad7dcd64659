//! Deletion: preconditions, grace periods, finalizers and what becomes of dependents.

use super::at::At as _;
use super::request::{Response, Target};
use super::resource::Resource;
use super::{Actor, Key, Kind, Object, Store};
use crate::api::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// The collector's finalizer on an object that goes after what it owns.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// The collector's finalizer on an object whose dependents stay.
pub(super) const ORPHAN: &str = "orphan";

/// What a deletion makes of an object before it is gone.
pub(super) struct Marked {
    /// The object with the mark; `None` where nothing is written.
    pub(super) object: Option<Value>,
    /// Seconds until it goes.
    pub(super) grace: i64,
}

/// Marks an object for deletion: pods always, others only where a finalizer holds them. A grace period that runs already is
/// only shortened. The grace period is 0 where no kubelet has to act.
pub(super) fn marked(key: &Key, object: &Object, grace: Option<i64>, now: i64) -> Marked {
    let is_pod = key.kind == Kind::Pod;
    let graceful = is_pod
        && !object.text("/spec/nodeName").is_empty()
        && !matches!(object.text("/status/phase"), "Succeeded" | "Failed");
    let own = object.value.at("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
    let wanted = match grace.or(own).unwrap_or(30) {
        _ if !graceful => 0,
        ..0 => 1, // as the API server has it
        wanted => wanted,
    };
    let running = object.value.at("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
    if object.is_deleting() {
        match running {
            Some(running) if running <= wanted => return Marked { object: None, grace: running },
            None if !is_pod => return Marked { object: None, grace: 0 },
            _ => {}
        }
    }
    if !is_pod && !is_held(&object.value) {
        return Marked { object: None, grace: 0 };
    }
    let mut next = Value::clone(&object.value);
    // A period that is shortened counts from when it began.
    let began = match (object.value.at("/metadata/deletionTimestamp").and_then(Value::as_str), running) {
        (Some(ends), Some(running)) => Timestamp::parse(ends).map_or(now, |ends| ends.0 - running),
        _ => now,
    };
    let metadata = &mut next["metadata"];
    metadata["deletionTimestamp"] = Timestamp(began + wanted).to_string().into();
    metadata["deletionGracePeriodSeconds"] = wanted.into();
    if !object.is_deleting()
        && let Some(generation) = metadata["generation"].as_i64()
    {
        metadata["generation"] = (generation + 1).into();
    }
    Marked { object: Some(next), grace: wanted }
}

/// Do finalizers hold it?
pub(super) fn is_held(object: &Value) -> bool {
    object.at("/metadata/finalizers").and_then(Value::as_array).is_some_and(|held| !held.is_empty())
}

/// Does this write take the last finalizer from an object that waits for nothing else? A pod whose grace period is not known
/// waits for its kubelet.
pub(super) fn was_released(key: &Key, old: &Value, new: &Value) -> bool {
    let grace = new.at("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
    let is_over = if key.kind == Kind::Pod { grace == Some(0) } else { grace.unwrap_or(0) == 0 };
    new.at("/metadata/deletionTimestamp").is_some() && is_over && is_held(old) && !is_held(new)
}

/// What a DELETE asks for.
#[derive(Debug, Default)]
struct Options<'a> {
    grace: Option<i64>,
    propagation: Option<&'a str>,
}

impl<'a> Options<'a> {
    fn read(target: &'a Target, body: &'a Value) -> Result<Options<'a>, Response> {
        let text = |pointer: &str| body.at(pointer).and_then(Value::as_str);
        if body.at("/dryRun").is_some() || target.parameter("dryRun").is_some() {
            return Err(Response::not_done("a dry run"));
        }
        let from_query = target.parameter("gracePeriodSeconds").map(str::parse::<i64>);
        let grace = match from_query {
            None => body.at("/gracePeriodSeconds").and_then(Value::as_i64),
            Some(Ok(seconds)) => Some(seconds),
            Some(Err(_)) => return Err(Response::bad_request("gracePeriodSeconds is not a number")),
        };
        let propagation = target.parameter("propagationPolicy").or(text("/propagationPolicy"));
        if let Some(policy) =
            propagation.filter(|policy| !["Foreground", "Background", "Orphan"].contains(policy))
        {
            let message = format!(
                "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"{policy}\""
            );
            return Err(Response::failure(422, "Invalid", message));
        }
        if body.at("/orphanDependents").is_some() {
            return Err(Response::not_done("orphanDependents, which propagationPolicy replaced"));
        }
        Ok(Options { grace, propagation })
    }
}

impl Store {
    /// DELETE of one object.
    pub(super) fn delete_request(
        &mut self,
        resource: &Resource,
        target: &Target,
        body: &Value,
        by: Actor,
    ) -> Result<Response, Response> {
        let key = target.key(resource);
        if key.kind == Kind::of("v1", "Namespace") {
            return Err(Response::not_done("the deletion of a namespace with all that is in it"));
        }
        let options = Options::read(target, body)?;
        self.check_preconditions(resource, &key, body)?;
        let finalizer = match options.propagation {
            Some("Foreground") => Some(FOREGROUND),
            Some("Orphan") => Some(ORPHAN),
            _ => None,
        };
        if let Some(finalizer) = finalizer {
            self.update(&key, by, |object| {
                let held = &mut object["metadata"]["finalizers"];
                match held.as_array_mut() {
                    Some(held) if held.iter().any(|name| name == finalizer) => {}
                    Some(held) => held.push(finalizer.into()),
                    None => *held = json!([finalizer]),
                }
            });
            if finalizer == FOREGROUND {
                self.foreground.insert(key.clone());
            }
        }
        let last = self.delete_and_look(&key, options.grace, by);
        // What it owned goes by writes that come after its own.
        let gone = last.as_ref().map_or(self.version, |(_, version)| *version);
        let last = last.map(|(last, _)| last);
        let stays = self.objects.get(&key).map(|object| Arc::clone(&object.value));
        self.collect(&key);
        Ok(match (stays, last) {
            (Some(object), _) => Response::object(200, &object),
            (None, Some(object)) if resource.habits.returns_deleted => {
                let mut response = Response::object(200, &object);
                response.body["metadata"]["resourceVersion"] = gone.to_string().into();
                response
            }
            (None, last) => {
                let uid = last.as_ref().map(|last| last.at("/metadata/uid").cloned().unwrap_or_default());
                let mut details = json!({ "name": &*key.name, "kind": resource.plural, "uid": uid });
                if !resource.group().is_empty() {
                    details["group"] = resource.group().into();
                }
                Response::success(200, Some(details))
            }
        })
    }

    /// Is the object the one that a deletion means?
    pub(super) fn check_preconditions(
        &self,
        resource: &Resource,
        key: &Key,
        options: &Value,
    ) -> Result<(), Response> {
        let object = self.found(resource, key)?;
        let text = |pointer: &str| options.at(pointer).and_then(Value::as_str);
        let conflict = |what: &str, wanted: &str, found: &str| {
            let message = format!(
                "the {what} in the precondition ({wanted}) does not match the {what} in record ({found})"
            );
            Err(Response::conflict(resource.name, &key.name, &message))
        };
        match (text("/preconditions/uid"), text("/preconditions/resourceVersion")) {
            (Some(uid), _) if uid != object.uid() => conflict("UID", uid, object.uid()),
            (_, Some(version)) if version != object.version() => {
                conflict("ResourceVersion", version, object.version())
            }
            _ => Ok(()),
        }
    }

    /// Deletes an object and tells what it was last, and the version of its deletion if it is gone at once.
    fn delete_and_look(&mut self, key: &Key, grace: Option<i64>, by: Actor) -> Option<(Arc<Value>, u64)> {
        let object = self.objects.get(key)?;
        let marked = marked(key, object, grace, self.now);
        let held = is_held(&object.value);
        if let Some(next) = marked.object {
            self.write(key, next, by);
        }
        let last = self.objects.get(key).map(|object| Arc::clone(&object.value));
        let version = self.version + 1;
        if marked.grace == 0 && !held {
            self.remove(key);
        }
        last.map(|last| (last, version))
    }

    /// DELETE of a collection.
    pub(super) fn delete_collection(
        &mut self,
        resource: &Resource,
        target: &Target,
        body: &Value,
        by: Actor,
    ) -> Result<Response, Response> {
        let listed = self.list(resource, target)?;
        for item in listed.body.get("items").and_then(Value::as_array).into_iter().flatten() {
            let text = |pointer: &str| item.at(pointer).and_then(Value::as_str).unwrap_or("");
            let one = Target {
                namespace: text("/metadata/namespace").to_owned(),
                name: text("/metadata/name").to_owned(),
                parameters: Vec::new(),
                ..target.clone()
            };
            self.delete_request(resource, &one, body, by)?;
        }
        Ok(listed)
    }
}
