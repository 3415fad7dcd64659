//! Requests and answers as values: what HTTP carries, without HTTP.

use super::key::{Key, Kind};
use super::resource::Resource;
use super::{Actor, Refusal};
use serde_json::{Value, json};

/// The verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // HTTP's own
pub enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// The verb of an HTTP method.
    pub fn of(method: &str) -> Option<Verb> {
        Some(match method {
            "GET" => Verb::Get,
            "POST" => Verb::Post,
            "PUT" => Verb::Put,
            "PATCH" => Verb::Patch,
            "DELETE" => Verb::Delete,
            _ => return None,
        })
    }
}

/// A body.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    /// There is none.
    #[default]
    None,
    /// JSON.
    Json(Value),
    /// Something else, and why it is not JSON.
    Malformed(String),
}

impl Body {
    /// Reads bytes.
    pub fn read(bytes: &[u8]) -> Body {
        if bytes.is_empty() {
            return Body::None;
        }
        serde_json::from_slice(bytes).map_or_else(|error| Body::Malformed(error.to_string()), Body::Json)
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The verb.
    pub verb: Verb,
    /// Path and query, as in `/api/v1/pods?limit=5`.
    pub path: String,
    /// `Content-Type`; tells patches apart.
    pub content_type: String,
    /// The body.
    pub body: Body,
    /// Who asks.
    pub by: Actor,
}

impl Request {
    /// A request of the user with a JSON body.
    pub fn new(verb: Verb, path: impl Into<String>, body: Option<Value>) -> Request {
        Request {
            verb,
            path: path.into(),
            content_type: "application/json".to_owned(),
            body: body.map_or(Body::None, Body::Json),
            by: Actor::User,
        }
    }
}

/// An answer: an object, or a `Status` that says why not.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// HTTP status code.
    pub code: u16,
    /// The object.
    pub body: Value,
}

impl Response {
    /// `reason` of the `Status`; empty if it is none.
    pub fn reason(&self) -> &str {
        self.body.get("reason").and_then(Value::as_str).unwrap_or("")
    }

    pub(super) fn object(code: u16, object: &Value) -> Response {
        Response { code, body: object.clone() }
    }

    pub(super) fn success(code: u16, details: Option<Value>) -> Response {
        let mut body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" });
        match details {
            Some(details) => body["details"] = details,
            None => body["code"] = code.into(),
        }
        Response { code, body }
    }

    /// A refusal. A `Status` of code 500 carries no reason where the API server did not expect the error.
    pub(super) fn failure(code: u16, reason: &str, message: impl Into<String>) -> Response {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message.into(), "code": code,
        });
        if !reason.is_empty() {
            body["reason"] = reason.into();
        }
        Response { code, body }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Response {
        Response::failure(400, "BadRequest", message)
    }

    pub(super) fn invalid(resource: &Resource, name: &str, message: &str) -> Response {
        let kind = match resource.group() {
            "" => resource.name.to_owned(),
            group => format!("{}.{group}", resource.name),
        };
        Response::failure(422, "Invalid", format!("{kind} \"{name}\" is invalid: {message}"))
    }

    pub(super) fn conflict(what: &str, name: &str, message: &str) -> Response {
        Response::failure(
            409,
            "Conflict",
            format!("Operation cannot be fulfilled on {what} \"{name}\": {message}"),
        )
    }

    pub(super) fn not_found(resource: &Resource, name: &str) -> Response {
        Response::failure(404, "NotFound", format!("{} \"{name}\" not found", resource.resource_name()))
    }

    pub(super) fn no_such_resource() -> Response {
        Response::failure(404, "NotFound", "the server could not find the requested resource")
    }

    /// Where nothing is served at all, not even a `Status`.
    pub(super) fn no_such_page() -> Response {
        Response { code: 404, body: Value::String("404 page not found".to_owned()) }
    }

    pub(super) fn not_allowed() -> Response {
        let message = "the server does not allow this method on the requested resource";
        Response::failure(405, "MethodNotAllowed", message)
    }

    /// What the real one does and this one does not.
    pub(super) fn not_done(what: &str) -> Response {
        Response::failure(501, "NotImplemented", format!("the API server in memory does not do this: {what}"))
    }
}

impl Refusal {
    /// As an answer to a request.
    pub fn response(&self) -> Response {
        let (code, reason) = match self {
            Refusal::AlreadyExists(_) => (409, "AlreadyExists"),
            Refusal::NotFound(_) => (404, "NotFound"),
            Refusal::Conflict(..) => (409, "Conflict"),
            Refusal::Invalid(..) => (422, "Invalid"),
            Refusal::Malformed(_) => (400, "BadRequest"),
        };
        Response::failure(code, reason, self.to_string())
    }
}

/// What a path means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// `v1`, or `group/version`.
    pub api_version: String,
    /// As paths name the kind; empty where a `group/version` is asked about.
    pub plural: String,
    /// The namespace; empty for all of them and for kinds without.
    pub namespace: String,
    /// The object; empty for a collection.
    pub name: String,
    /// `status`, `binding` and so on.
    pub subresource: String,
    /// The query, decoded.
    pub parameters: Vec<(String, String)>,
}

impl Target {
    /// Reads a path with its query. `None`: not under `/api` or `/apis`.
    pub fn read(uri: &str) -> Option<Target> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let mut parts = path.split('/').filter(|part| !part.is_empty()).map(decoded);
        let api_version = match parts.next()?.as_str() {
            "api" => parts.next()?,
            "apis" => format!("{}/{}", parts.next()?, parts.next()?),
            _ => return None,
        };
        let mut parts: Vec<String> = parts.collect();
        let mut target = Target { api_version, ..Target::default() };
        if parts.len() > 2 && parts[0] == "namespaces" && !["status", "finalize"].contains(&parts[2].as_str())
        {
            target.namespace = std::mem::take(&mut parts[1]);
            parts.drain(..2);
        }
        let mut parts = parts.into_iter();
        target.plural = parts.next().unwrap_or_default();
        target.name = parts.next().unwrap_or_default();
        target.subresource = parts.next().unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        target.parameters = pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decoded(name), decoded(value))
            })
            .collect();
        Some(target)
    }

    /// A parameter of the query; `None` if it is absent or empty.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Is a parameter on?
    pub fn is_set(&self, name: &str) -> bool {
        matches!(self.parameter(name), Some("true" | "1"))
    }

    /// Is it a watch?
    pub fn is_watch(&self) -> bool {
        self.is_set("watch")
    }

    /// The key of the object.
    pub fn key(&self, resource: &Resource) -> Key {
        Key::new(Kind::from(resource.kind), &self.namespace, &self.name)
    }
}

/// Undoes `%xx` and `+`.
fn decoded(text: &str) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
