//! Writing one object at the request of somebody: what is checked, dropped and filled in on its way to the store.

use super::at::At as _;
use super::body::{OWNED, body_object, drop_nulls, named, tidy};
use super::patch::{self, Fault};
use super::request::{Body, Request, Response, Target};
use super::resource::Resource;
use super::{
    Actor, Key, Kind, Object, Refusal, Store, admission, builtin, claims, defaults, pods, removal, schema,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Letters of the ends of generated names.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

impl Store {
    /// POST of an object.
    pub(super) fn create_request(
        &mut self,
        resource: &Resource,
        target: &Target,
        body: &Body,
        by: Actor,
    ) -> Result<Response, Response> {
        let mut value = body_object(resource, target, body)?;
        let text = |value: &Value, field: &str| value["metadata"][field].as_str().unwrap_or("").to_owned();
        if !text(&value, "resourceVersion").is_empty() {
            // The API server did not foresee this, and so it is an error of its own.
            return Err(Response::failure(
                500,
                "",
                "resourceVersion should not be set on objects to be created",
            ));
        }
        if text(&value, "name").is_empty() {
            let stem = text(&value, "generateName");
            if !stem.is_empty() {
                value["metadata"]["name"] = self.generated(resource, target, &stem).into();
            }
        }
        if let Some(metadata) = value["metadata"].as_object_mut() {
            for field in OWNED {
                metadata.remove(*field);
            }
        }
        if resource.habits.status
            && resource.name != "Node"
            && let Some(fields) = value.as_object_mut()
        {
            fields.remove("status");
        }
        self.complete(resource, target, &mut value)?;
        if resource.name == "Pod" {
            pods::mark_gated(&mut value, self.now);
        }
        if let Some(refusal) = admission::refusal(&self.schemas, resource, &value, None) {
            return Err(refusal);
        }
        let namespace = Key::new(Kind::of("v1", "Namespace"), "", &target.namespace);
        if self.get(&namespace).is_some_and(Object::is_deleting) {
            let message = format!("namespace {} is being terminated", target.namespace);
            return Err(Response::failure(403, "Forbidden", message));
        }
        let key = self.create(value, by).map_err(|refusal| match refusal {
            Refusal::AlreadyExists(key) => {
                let message = format!("{} \"{}\" already exists", resource.resource_name(), key.name);
                Response::failure(409, "AlreadyExists", message)
            }
            other => other.response(),
        })?;
        Ok(Response::object(201, &self.found(resource, &key)?.value))
    }

    /// A name with an end that nobody has yet: by counting, where the API server draws lots.
    fn generated(&self, resource: &Resource, target: &Target, stem: &str) -> String {
        let mut number = self.version;
        loop {
            let mut rest = number;
            let end: String = (0..5)
                .map(|_| {
                    let letter = LETTERS[(rest % LETTERS.len() as u64) as usize];
                    rest /= LETTERS.len() as u64;
                    char::from(letter)
                })
                .collect();
            let name = format!("{stem}{end}");
            if self.get(&Key::new(Kind::from(resource.kind), &target.namespace, &name)).is_none() {
                return name;
            }
            number += 1;
        }
    }

    /// Drops what the API server would not keep, and fills in defaults.
    fn complete(&self, resource: &Resource, target: &Target, value: &mut Value) -> Result<(), Response> {
        tidy(&mut value["metadata"]);
        let kind = Kind::from(resource.kind);
        let strict = target.parameter("fieldValidation") == Some("Strict");
        if !resource.habits.custom {
            if strict {
                return Err(Response::not_done("strict validation of the fields of built-in kinds"));
            }
            if let Some(fields) = value.as_object_mut() {
                fields.retain(|_, field| !field.is_null());
            }
            if let Some(spec) = value.get_mut("spec") {
                drop_nulls(spec);
            }
            let spec = value.get_mut("spec").and_then(Value::as_object_mut);
            if let Some(spec) = spec
                && spec.get("schedulingGates").and_then(Value::as_array).is_some_and(Vec::is_empty)
            {
                spec.remove("schedulingGates");
            }
            if self.bare {
                builtin::complete(resource, value).map_err(Response::not_done)?;
            }
        } else if let Some(schema) = self.schemas.whole(&kind) {
            let mut dropped = Vec::new();
            let metadata = value["metadata"].take();
            if let Some(fields) = value.as_object_mut() {
                fields.retain(|_, field| !field.is_null());
            }
            schema::prune(schema, value, "", &mut dropped);
            value["metadata"] = metadata;
            if let (true, Some(field)) = (strict, dropped.first()) {
                let message = format!("strict decoding error: unknown field \"{field}\"");
                return Err(Response::bad_request(message));
            }
        } else if self.bare {
            return Err(Response::not_done("objects of a kind whose definition is not known"));
        }
        defaults::fill(&kind, value, self);
        Ok(())
    }

    /// PATCH of an object.
    pub(super) fn patch_request(
        &mut self,
        resource: &Resource,
        target: &Target,
        request: &Request,
        subresource: &str,
    ) -> Result<Response, Response> {
        let content = request.content_type.split(';').next().unwrap_or("").trim();
        let apply = match content {
            "application/merge-patch+json" => Way::Merge,
            "application/json-patch+json" => Way::Json,
            "application/strategic-merge-patch+json" if !resource.habits.custom => Way::Strategic,
            "application/apply-patch+yaml" => return Err(Response::not_done("server-side apply")),
            _ => {
                let message = "the body of the request was in an unknown format";
                return Err(Response::failure(415, "UnsupportedMediaType", message));
            }
        };
        let patch = match &request.body {
            Body::Json(patch) => patch,
            Body::None => return Err(Response::bad_request("error decoding patch: it is empty")),
            Body::Malformed(why) => {
                return Err(Response::bad_request(format!("error decoding patch: {why}")));
            }
        };
        let key = target.key(resource);
        let mut next = Value::clone(&self.found(resource, &key)?.value);
        let applied = match apply {
            Way::Merge if !patch.is_object() => Err(Fault::Malformed("a merge patch is a map".to_owned())),
            Way::Merge => {
                patch::merge(&mut next, patch);
                Ok(())
            }
            Way::Json => patch::json(&mut next, patch),
            Way::Strategic => patch::strategic(&mut next, patch),
        };
        applied.map_err(|fault| match fault {
            Fault::Malformed(why) => Response::bad_request(format!("error decoding patch: {why}")),
            Fault::DoesNotFit => {
                let message = "the server rejected our request due to an error in our request";
                Response::failure(422, "Invalid", message)
            }
            Fault::NoKey(why) => Response::failure(500, "", why),
            Fault::NotDone(what) => Response::not_done(what),
        })?;
        if !next.is_object()
            || next.get("metadata").is_some_and(|metadata| !metadata.is_object() && !metadata.is_null())
        {
            let message = "patch: Invalid value: metadata is no map any more";
            return Err(Response::failure(422, "Invalid", message));
        }
        if next["metadata"].is_null() {
            next["metadata"] = json!({});
        }
        named(&next, target)?;
        if next["kind"] != resource.name
            || !next["apiVersion"].as_str().is_some_and(|version| resource.has_version(version))
        {
            return Err(Response::invalid(
                resource,
                &key.name,
                "kind: Invalid value: a patch cannot change it",
            ));
        }
        self.replace(resource, &key, next, subresource, true, request.by)
    }

    /// Puts an object in the place of what it was.
    pub(super) fn replace(
        &mut self,
        resource: &Resource,
        key: &Key,
        mut next: Value,
        subresource: &str,
        by_patch: bool,
        by: Actor,
    ) -> Result<Response, Response> {
        let old = Arc::clone(&self.found(resource, key)?.value);
        let text = |value: &Value, field: &str| value["metadata"][field].as_str().unwrap_or("").to_owned();
        let invalid = |message: &str| Err(Response::invalid(resource, &key.name, message));
        let (uid, version) = (text(&next, "uid"), text(&next, "resourceVersion"));
        if !uid.is_empty() && uid != text(&old, "uid") {
            if by_patch {
                return invalid(&format!("metadata.uid: Invalid value: {uid:?}: field is immutable"));
            }
            let message = format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                text(&old, "uid")
            );
            return Err(Response::conflict(&resource.resource_name(), &key.name, &message));
        }
        if version.is_empty() && resource.habits.needs_version {
            return invalid("metadata.resourceVersion: Invalid value: 0: must be specified for an update");
        }
        if !version.is_empty() && version != text(&old, "resourceVersion") {
            let message =
                "the object has been modified; please apply your changes to the latest version and try again";
            return Err(Response::conflict(&resource.resource_name(), &key.name, message));
        }
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
            let (was, will) = (old.at("/metadata").and_then(|m| m.get(field)), &next["metadata"][field]);
            if !will.is_null() && Some(will) != was {
                return invalid(&format!("metadata.{field}: Invalid value: {will}: field is immutable"));
            }
        }
        self.part(resource, &old, &mut next, subresource)?;
        let metadata = &mut next["metadata"];
        for field in OWNED.iter().chain(&["name", "namespace", "resourceVersion", "generateName"]) {
            match old.get("metadata").and_then(|metadata| metadata.get(*field)) {
                Some(value) => metadata[*field] = value.clone(),
                None => drop(metadata.as_object_mut().map(|metadata| metadata.remove(*field))),
            }
        }
        self.complete(resource, &Target::default(), &mut next)?;
        if let Some(refusal) = admission::refusal(&self.schemas, resource, &next, Some(&old)) {
            return Err(refusal);
        }
        if old.at("/metadata/deletionTimestamp").is_some() {
            let held = |value: &Value| value.at("/metadata/finalizers").and_then(Value::as_array).cloned();
            let before = held(&old).unwrap_or_default();
            if held(&next).unwrap_or_default().iter().any(|finalizer| !before.contains(finalizer)) {
                return invalid(
                    "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted",
                );
            }
        }
        if resource.name == "ResourceClaim"
            && let Some(why) = claims::fault(&old, &next)
        {
            return invalid(&why);
        }
        if resource.name == "Pod"
            && let Some(why) = pods::update_fault(&old, &next)
        {
            return invalid(&why);
        }
        if !self.bare {
            defaults::check(key, &old, &next).map_err(|refusal| refusal.response())?;
        }
        if removal::was_released(key, &old, &next) {
            self.write(key, next.clone(), by);
            return Ok(Response { code: 200, body: next });
        }
        self.write(key, next, by);
        Ok(Response::object(200, &self.found(resource, key)?.value))
    }

    /// Keeps of an update only what its subresource may change.
    fn part(
        &self,
        resource: &Resource,
        old: &Value,
        next: &mut Value,
        subresource: &str,
    ) -> Result<(), Response> {
        let keep = |next: &mut Value, field: &str| match old.get(field) {
            Some(value) => next[field] = value.clone(),
            None => drop(next.as_object_mut().map(|fields| fields.remove(field))),
        };
        if subresource.is_empty() {
            if resource.habits.status {
                keep(next, "status");
            }
            return Ok(());
        }
        let mut whole = old.clone();
        match next.get("status") {
            Some(status) => whole["status"] = status.clone(),
            None => drop(whole.as_object_mut().map(|fields| fields.remove("status"))),
        }
        if !resource.habits.custom {
            let metadata = |value: &Value| {
                let of = value.get("metadata").and_then(Value::as_object).into_iter().flatten();
                let of = of.filter(|(name, value)| !OWNED.contains(&name.as_str()) && !value.is_null());
                of.filter(|(name, _)| *name != "resourceVersion")
                    .map(|(n, v)| (n.clone(), v.clone()))
                    .collect::<Map<_, _>>()
            };
            if metadata(old) != metadata(next) && !["Pod", "Node"].contains(&resource.name) {
                return Err(Response::not_done("a change of metadata together with the status of this kind"));
            }
            whole["metadata"] = next["metadata"].clone();
            if resource.name == "Pod" {
                let owners = old.at("/metadata/ownerReferences").cloned().unwrap_or_default();
                whole["metadata"]["ownerReferences"] = owners;
            }
        }
        *next = whole;
        Ok(())
    }
}

/// How a patch is applied.
enum Way {
    Merge,
    Json,
    Strategic,
}
