//! Lists: of now, of an earlier version, in pages, and of what selectors choose.

use super::at::At as _;
use super::request::{Response, Target};
use super::resource::Resource;
use super::selector::{FieldSelector, LabelSelector};
use super::{Key, Kind, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a list or a watch chooses.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) kind: Kind,
    namespace: String,
    labels: LabelSelector,
    fields: FieldSelector,
    /// Does it choose among the objects of the namespace?
    selects: bool,
}

impl Choice {
    pub(super) fn read(resource: &Resource, target: &Target) -> Result<Choice, Response> {
        let kind = Kind::from(resource.kind);
        let labels = LabelSelector::read(target.parameter("labelSelector").unwrap_or(""));
        let fields = FieldSelector::read(target.parameter("fieldSelector").unwrap_or(""), &kind);
        Ok(Choice {
            labels: labels.map_err(Response::bad_request)?,
            fields: fields.map_err(Response::bad_request)?,
            selects: target.parameter("labelSelector").or(target.parameter("fieldSelector")).is_some(),
            namespace: target.namespace.clone(),
            kind,
        })
    }

    /// Is the object of the kind and the namespace?
    pub(super) fn covers(&self, key: &Key) -> bool {
        key.kind == self.kind && (self.namespace.is_empty() || *key.namespace == *self.namespace)
    }

    /// Do the selectors choose the object?
    pub(super) fn selects(&self, object: &Value) -> bool {
        !self.selects
            || (self.labels.matches(object.at("/metadata/labels").unwrap_or(&Value::Null))
                && self.fields.matches(object))
    }
}

/// Where the next page begins.
struct Continue {
    version: u64,
    /// The last object that was listed: namespace and name.
    after: (String, String),
}

impl Continue {
    fn token(&self) -> String {
        let place = format!("{}/{}", self.after.0, self.after.1);
        let hex: String = place.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("{:x}.{hex}", self.version)
    }

    fn read(token: &str) -> Option<Continue> {
        let (version, hex) = token.split_once('.')?;
        let pair = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(pair).collect();
        let place = String::from_utf8(bytes?).ok()?;
        let (namespace, name) = place.split_once('/')?;
        let version = u64::from_str_radix(version, 16).ok()?;
        Some(Continue { version, after: (namespace.to_owned(), name.to_owned()) })
    }
}

/// The version that a list is served as of; `None`: now.
fn version_of(target: &Target, from: Option<&Continue>) -> Result<Option<u64>, Response> {
    let written = target.parameter("resourceVersion");
    let matches = target.parameter("resourceVersionMatch");
    let invalid = |why: &str| {
        let message = format!("ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: {why}");
        Err(Response::failure(422, "Invalid", message))
    };
    match (matches, written) {
        (Some("Exact" | "NotOlderThan"), None) => {
            return invalid(
                "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            );
        }
        (Some("Exact"), Some("0")) => {
            return invalid(
                "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
            );
        }
        (None | Some("Exact" | "NotOlderThan"), _) => {}
        (Some(other), _) => return invalid(&format!("Unsupported value: {other:?}")),
    }
    if let Some(from) = from {
        if written.is_some_and(|written| written != "0") {
            return Err(Response::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        return Ok(Some(from.version));
    }
    let Some(written) = written else { return Ok(None) };
    let version = written.parse::<u64>().map_err(|_| {
        Response::bad_request(format!(
            "invalid resource version: resourceVersion: Invalid value: {written:?}"
        ))
    })?;
    let exactly = matches == Some("Exact")
        || (matches.is_none() && version > 0 && target.parameter("limit").is_some_and(|limit| limit != "0"));
    Ok(exactly.then_some(version))
}

impl Store {
    /// GET of a collection.
    pub(super) fn list(&self, resource: &Resource, target: &Target) -> Result<Response, Response> {
        let choice = Choice::read(resource, target)?;
        let limit = match target.parameter("limit").map(str::parse::<usize>) {
            None | Some(Ok(0)) => usize::MAX,
            Some(Ok(limit)) => limit,
            Some(Err(_)) => return Err(Response::bad_request("limit is not a number")),
        };
        let from = match target.parameter("continue") {
            None => None,
            Some(token) => match Continue::read(token) {
                Some(from) => Some(from),
                None => return Err(Response::bad_request("continue key is not valid")),
            },
        };
        self.not_in_the_future(target)?;
        let version = version_of(target, from.as_ref())?;
        let all = self.as_of(&choice, version.unwrap_or(self.version))?;
        let after = from.as_ref().map(|from| (from.after.0.as_str(), from.after.1.as_str()));
        let mut rest = all
            .into_iter()
            .filter(|(key, _)| after.is_none_or(|after| (&*key.namespace, &*key.name) > after))
            .filter(|(_, object)| choice.selects(object));
        let page: Vec<(Key, Arc<Value>)> = rest.by_ref().take(limit).collect();
        let left = rest.count();
        let version = version.unwrap_or(self.version);
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if left > 0
            && let Some((key, _)) = page.last()
        {
            let after = (key.namespace.to_string(), key.name.to_string());
            metadata["continue"] = Continue { version, after }.token().into();
            if !choice.selects {
                metadata["remainingItemCount"] = left.into();
            }
        }
        let items = page.into_iter().map(|(_, object)| {
            let mut object = Value::clone(&object);
            if !resource.habits.custom
                && let Some(fields) = object.as_object_mut()
            {
                fields.remove("apiVersion");
                fields.remove("kind");
            }
            object
        });
        let body = json!({
            "kind": format!("{}List", resource.name), "apiVersion": resource.api_version,
            "metadata": metadata, "items": items.collect::<Vec<_>>(),
        });
        Ok(Response { code: 200, body })
    }

    /// A version that has not been written yet: the real one waits for it a while.
    pub(super) fn not_in_the_future(&self, target: &Target) -> Result<(), Response> {
        let version = target.parameter("resourceVersion").and_then(|version| version.parse::<u64>().ok());
        match version.filter(|version| *version > self.version) {
            None => Ok(()),
            Some(version) => {
                let message =
                    format!("Timeout: Too large resource version: {version}, current: {}", self.version);
                Err(Response::failure(504, "Timeout", message))
            }
        }
    }

    /// The objects of a choice, before its selectors, as they were at a version.
    fn as_of(&self, choice: &Choice, version: u64) -> Result<Vec<(Key, Arc<Value>)>, Response> {
        let now = self.of_kind(&choice.kind).filter(|(key, _)| choice.covers(key));
        let now = now.map(|(key, object)| (key.clone(), Arc::clone(&object.value)));
        if version >= self.version {
            return Ok(now.collect());
        }
        let Some(history) = &self.history else {
            return Err(Response::not_done("lists of earlier versions, since no history is kept"));
        };
        if version < history.compacted() {
            let message = format!("The provided resource version is too old: {version}");
            return Err(Response::failure(410, "Expired", message));
        }
        let mut then: BTreeMap<Key, Arc<Value>> = now.collect();
        for change in history.since(version).iter().rev().filter(|change| choice.covers(&change.key)) {
            match &change.before {
                Some(before) => drop(then.insert(change.key.clone(), Arc::clone(before))),
                None => drop(then.remove(&change.key)),
            }
        }
        Ok(then.into_iter().collect())
    }
}
