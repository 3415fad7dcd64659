//! An API server in memory: objects as JSON with uids, versions, generations, preconditions, defaults, validation,
//! graceful deletion and garbage collection. Pure: time is told ([`Store::set_now`]), nothing is random, nothing waits.
//!
//! ```text
//! request (method, path, body) --(request, serve, list, watch, removal, pods)--> status code, reason, object
//! typed calls of the simulator ------------------------------------------------> Store
//! ```
//!
//! The simulator makes typed calls on the [`Store`]; whoever speaks HTTP hands in [`Request`]s ([`Store::serve`]) and
//! reads [`Watch`]es. `tests/live/conformance` sends the same script to it and to a kube-apiserver and compares codes,
//! reasons and objects. What it does not do it refuses with 501, never with an answer of its own.
//!
//! ```
//! use phalanx::apiserver::{Answer, Request, Store, Verb};
//! use serde_json::json;
//!
//! let mut store = Store::bare();
//! store.set_now(1_767_225_600); // 2026-01-01T00:00:00Z
//! let pod = json!({
//!     "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" },
//!     "spec": { "containers": [{ "name": "main", "image": "trainer:1" }] },
//! });
//! let pods = "/api/v1/namespaces/default/pods";
//! let Answer::Done(made) = store.serve(&Request::new(Verb::Post, pods, Some(pod))) else { unreachable!() };
//! assert_eq!((made.code, &made.body["metadata"]["creationTimestamp"]), (201, &json!("2026-01-01T00:00:00Z")));
//!
//! let absent = format!("{pods}/b");
//! let Answer::Done(answer) = store.serve(&Request::new(Verb::Get, absent, None)) else { unreachable!() };
//! assert_eq!((answer.code, answer.reason()), (404, "NotFound"));
//! ```
//!
//! What it does not claim: validation of built-in kinds beyond what Phalanx reads of them (unknown fields of a pod stay), admission
//! plugins (quotas, token volumes), managed fields, and that a namespace must exist. Garbage is collected at once, and an owner that was never seen
//! keeps what it owns. Namespaces are not emptied, and no controller but the collector runs here.

pub(crate) mod admission;
mod at;
mod body;
mod builtin;
mod claims;
mod collect;
pub(crate) mod defaults;
mod history;
mod key;
mod list;
mod patch;
mod pods;
mod removal;
mod request;
mod resource;
mod rules;
pub(crate) mod schema;
mod selector;
mod serve;
mod store;
#[cfg(test)]
mod tests;
mod watch;
mod write;

pub use at::At;
pub use history::{StoredChange, What};
pub use key::{Key, Kind};
pub use patch::merge;
pub use request::{Body, Request, Response, Target, Verb};
pub use resource::{Habits, Resource, resource_of, resources, served};
pub use serve::Answer;
pub use store::{Store, set_condition};
pub use watch::{Event, Watch};

use serde_json::Value;
use std::sync::Arc;

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
    /// The object, shared with those who keep what it was.
    pub value: Arc<Value>,
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
