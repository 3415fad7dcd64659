//! What objects ask for and nobody here reads: gang marks of other schedulers, shares of cards, limits of queues.
//!
//! Each finding is about one object alone and names the field, what happens instead and what can be written. Findings that
//! need other objects (a PriorityClass that does not exist) are in [`scheduler::notices`](crate::scheduler::notices).
//! What is not on these lists is read and honoured, has no bearing on placement, or is no field at all
//! ([`strict`](super::strict)).

mod pod;
#[cfg(test)]
mod tests;
mod workload;

use super::keys;
use super::strict::Fault;
use serde_json::Value;

/// Something that an object asks for and that is not done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    /// A stable code.
    pub code: &'static str,
    /// The field, what happens instead, and what can be written.
    pub message: String,
}

impl Notice {
    /// A notice.
    pub fn new(code: &'static str, message: impl Into<String>) -> Notice {
        Notice { code, message: message.into() }
    }
}

/// A field that does not exist, or a value that is taken as it stands, as a notice.
impl From<Fault> for Notice {
    fn from(fault: Fault) -> Notice {
        let Fault { path, message, remedy, .. } = fault;
        let remedy = if remedy.is_empty() { remedy } else { format!("; {remedy}") };
        Notice::new("UnknownField", format!("{path}: {message}{remedy}"))
    }
}

/// What of an object is not honoured, in a fixed order. Pods and workloads of other schedulers are not to be asked about.
pub fn notices(object: &Value) -> Vec<Notice> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    match (text("apiVersion"), text("kind")) {
        ("v1", "Pod") => pod::pod(object),
        (keys::SCHEDULING_V1BETA1, "PodGroup") => workload::pod_group(object),
        (keys::SCHEDULING_V1BETA1, "Queue") => workload::queue(object),
        (keys::LEADER_WORKER_SET_V1, "LeaderWorkerSet") => workload::leader_worker_set(object),
        (keys::BATCH_V1ALPHA1, "Job") => workload::volcano_job(object),
        _ => Vec::new(),
    }
}

/// A text of an annotation or a label.
fn mark<'a>(object: &'a Value, part: &str, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get(part)?.get(key)?.as_str()
}
