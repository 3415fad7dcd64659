//! Requests to the API server and their answers, as values. A shell sends the one and hands in the other.

use super::kind::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// What to do with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Read it.
    Get,
    /// Create it, or post to a subresource of it.
    Create,
    /// Merge a patch into it; fields that the patch does not name stay as they are.
    Merge,
    /// Merge a strategic patch into it: lists of built-in kinds merge by key.
    Strategic,
    /// Apply a JSON patch to it, whose `test` operations are preconditions.
    JsonPatch,
    /// Delete it.
    Delete,
}

/// What to ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What to do.
    pub verb: Verb,
    /// Kind of the object.
    pub kind: Kind,
    /// The version that it is served in, where that is not the one of the table.
    pub api_version: Option<&'static str>,
    /// Its namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its subresource, or the empty text.
    pub subresource: &'static str,
    /// The body; null where there is none. A text is JSON already, to be sent as it is.
    pub body: Value,
}

impl Request {
    fn new(
        verb: Verb,
        kind: Kind,
        namespace: &str,
        name: &str,
        subresource: &'static str,
        body: Value,
    ) -> Self {
        Request {
            verb,
            kind,
            api_version: None,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource,
            body,
        }
    }

    /// The same in a version of the kind; the table's for `None`.
    #[must_use]
    pub fn in_version(self, api_version: Option<&'static str>) -> Self {
        Request { api_version, ..self }
    }

    /// Reads an object.
    pub fn get(kind: Kind, namespace: &str, name: &str) -> Self {
        Request::new(Verb::Get, kind, namespace, name, "", Value::Null)
    }

    /// Creates an object.
    pub fn create(kind: Kind, namespace: &str, name: &str, object: Value) -> Self {
        Request::new(Verb::Create, kind, namespace, name, "", object)
    }

    /// Posts to a subresource.
    pub fn post(kind: Kind, namespace: &str, name: &str, subresource: &'static str, body: Value) -> Self {
        Request::new(Verb::Create, kind, namespace, name, subresource, body)
    }

    /// Merges a patch.
    pub fn merge(kind: Kind, namespace: &str, name: &str, subresource: &'static str, body: Value) -> Self {
        Request::new(Verb::Merge, kind, namespace, name, subresource, body)
    }

    /// Merges a strategic patch.
    pub fn strategic(
        kind: Kind,
        namespace: &str,
        name: &str,
        subresource: &'static str,
        body: Value,
    ) -> Self {
        Request::new(Verb::Strategic, kind, namespace, name, subresource, body)
    }

    /// Applies a JSON patch, if this is still the object's uid.
    pub fn json_patch(
        kind: Kind,
        namespace: &str,
        name: &str,
        subresource: &'static str,
        uid: &str,
        operations: Vec<Value>,
    ) -> Self {
        let test = json!({ "op": "test", "path": "/metadata/uid", "value": uid });
        let body = Value::Array(std::iter::once(test).chain(operations).collect());
        Request::new(Verb::JsonPatch, kind, namespace, name, subresource, body)
    }

    /// Deletes exactly this object.
    pub fn delete(kind: Kind, namespace: &str, name: &str, uid: &str) -> Self {
        let body = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "uid": uid },
            "propagationPolicy": "Background",
        });
        Request::new(Verb::Delete, kind, namespace, name, "", body)
    }

    /// The path: of the collection where an object is created.
    pub fn path(&self) -> String {
        let creates = self.verb == Verb::Create && self.subresource.is_empty();
        let name = if creates { "" } else { self.name.as_str() };
        let version = self.api_version.unwrap_or(self.kind.api_version());
        self.kind.path_in(version, &self.namespace, name, self.subresource)
    }

    /// What it asks, without the body.
    pub fn head(&self) -> Request {
        let head =
            Request::new(self.verb, self.kind, &self.namespace, &self.name, self.subresource, Value::Null);
        head.in_version(self.api_version)
    }

    /// Does it change anything? Such a request is sent only while the lease allows it.
    pub fn writes(&self) -> bool {
        self.verb != Verb::Get
    }
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// 2xx, with the object.
    Done(Value),
    /// The API server refused.
    Refused {
        /// HTTP status.
        code: u16,
        /// `Status.reason`.
        reason: String,
        /// `Status.message`.
        message: String,
        /// `Retry-After`, if it said so.
        retry_after: Option<Duration>,
    },
    /// Nobody knows whether it took effect: the connection broke or the deadline passed.
    Unknown(String),
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verb = match self.verb {
            Verb::Get => "get",
            Verb::Create => "create",
            Verb::Merge | Verb::Strategic | Verb::JsonPatch => "patch",
            Verb::Delete => "delete",
        };
        write!(f, "{verb} {}", self.kind.row().plural)?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        match self.namespace.as_str() {
            "" => write!(f, " {}", self.name),
            namespace => write!(f, " {namespace}/{}", self.name),
        }
    }
}

impl Answer {
    /// Was it refused because the object is gone, or another one by now, so that there is nothing left to do?
    pub fn is_moot(&self, verb: Verb) -> bool {
        match self {
            Answer::Refused { code: 404 | 409, .. } => true,
            Answer::Refused { code: 422, message, .. } => match verb {
                Verb::JsonPatch => is_failed_test(message),
                // So it answers a merge that names the uid of another object.
                Verb::Merge | Verb::Strategic => message.contains("metadata.uid: Invalid value"),
                _ => false,
            },
            _ => false,
        }
    }
}

/// Is it the `test` of a JSON patch that failed? The API server answers that with 422, as it answers an object that it
/// finds invalid. What tells them apart is the message: of an invalid object it names the object and the field
/// (`Pod "a" is invalid: ...`), of a patch that cannot be applied it says these words.
fn is_failed_test(message: &str) -> bool {
    message.starts_with("the server rejected our request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_is_invalid_is_no_failed_precondition_though_its_name_contains_test() {
        let check = |verb: Verb, code: u16, message: &str, expect: bool| {
            let message = message.to_owned();
            let answer = Answer::Refused { code, reason: "Invalid".into(), message, retry_after: None };
            assert_eq!(answer.is_moot(verb), expect, "{answer:?}");
        };
        let invalid =
            "PodGroup.scheduling.volcano.sh \"test-0\" is invalid: spec.minMember: Invalid value: -1";
        check(Verb::JsonPatch, 422, invalid, false);
        check(Verb::Create, 422, invalid, false);
        check(Verb::JsonPatch, 422, "the server rejected our request due to an error in our request", true);
        let other = "Pod \"a\" is invalid: metadata.uid: Invalid value: \"u\": field is immutable";
        check(Verb::Merge, 422, other, true);
        check(Verb::Merge, 409, "Precondition failed: UID in precondition: a, UID in object meta: b", true);
        check(Verb::JsonPatch, 500, "test", false);
    }
}
