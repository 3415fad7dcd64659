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
use super::kind::Kind;
use super::meta::ObjectMeta;
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

/// Codes of notices, and what each means: the table of `docs/reference.md`.
pub const CODES: [(&str, &str); 18] = [
    ("ControllerNotSimulated", "A workload makes pods through a controller that the simulator does not run."),
    ("GangMarkNotRead", "Pods bear the gang mark of another scheduler, and are placed one by one."),
    (
        "GroupMinMember",
        "The annotation that says how many pods of a controller run together cannot be honoured.",
    ),
    ("InvalidQueue", "What a queue says does not go together with the queues beside and above it."),
    ("KindNotRead", "An object is of a kind, or of a version of it, that is not read."),
    (
        "MinTaskMemberNotUsed",
        "`spec.minTaskMember` asks for more than `spec.minMember`, so that it binds nothing.",
    ),
    ("NodeNotFound", "A pod is on a node that does not exist."),
    ("NotTranslated", "A field of a LeaderWorkerSet is not carried out."),
    ("PodGroupWithoutPods", "No pod names the PodGroup."),
    ("PriorityClassNotFound", "A PriorityClass that does not exist counts as 0."),
    ("QueueLimitNotEnforced", "A field of a queue is not honoured."),
    ("QueueNotFound", "The parent of a queue does not exist."),
    ("RuleNotRead", "An annotation that would be a rule of another scheduler or plugin is not read."),
    ("SchedulerNotAnswered", "An object asks for a scheduler that does not answer here."),
    ("SharesNotCountedByCard", "Shares of a device are counted over all devices of a node, not by device."),
    ("UnknownField", "A field does not exist, and the API server drops it."),
    ("UnlikelyValue", "A value is taken as it stands that an API server would refuse, or that nobody means."),
    (
        "ValueNotUnderstood",
        "A label or an annotation that is read has a value that is not understood; the message says what it counts as.",
    ),
];

impl Notice {
    /// A notice with one of the [`CODES`].
    pub fn new(code: &'static str, message: impl Into<String>) -> Notice {
        debug_assert!(CODES.iter().any(|(known, _)| *known == code), "{code} is not in the table of codes");
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
        (version, "PodGroup") if Kind::NativePodGroup.row().has_version(version) => {
            workload::native_group(object)
        }
        (keys::SCHEDULING_V1BETA1, "Queue") => workload::queue(object),
        (keys::LEADER_WORKER_SET_V1, "LeaderWorkerSet") => workload::leader_worker_set(object),
        (keys::WORKLOAD_V1ALPHA1, "ModelServing") => workload::model_serving(object),
        (keys::BATCH_V1ALPHA1, "Job") => workload::volcano_job(object),
        _ => Vec::new(),
    }
}

/// Could an object with this metadata be one to say something of because of its labels or annotations?
pub fn may_have_any(metadata: &ObjectMeta) -> bool {
    let ObjectMeta { labels, annotations, .. } = metadata;
    pod::marks().chain(workload::marks()).any(|(part, key)| match part {
        "labels" => labels.contains_key(key),
        _ => annotations.contains_key(key),
    }) || annotations.keys().any(|key| pod::is_misspelt(key))
        || labels.iter().chain(annotations).any(|(key, value)| instead_of(key, value).is_some())
}

/// What is to be written in place of the value of a label or an annotation that is read and cannot be understood, and what
/// happens meanwhile.
fn instead_of(key: &str, value: &str) -> Option<&'static str> {
    let is_span = || super::time::parse_span(value).is_some_and(|span| !span.is_zero());
    match key {
        keys::PREEMPTABLE if !matches!(value, "true" | "false") => {
            Some("counts as true; write true or false")
        }
        keys::TASK_INDEX if value.parse::<u32>().is_err() => Some("is not used; write a number"),
        keys::COOLDOWN_TIME if super::time::parse_span(value).is_none() => {
            Some("protects nobody; write a span such as 600s")
        }
        keys::SLA_WAITING_TIME | keys::SLA_WAITING_TIME_SHORT if !is_span() => {
            Some("is not used; write a span such as 1h30m")
        }
        _ => None,
    }
}

/// Values of labels and annotations that cannot be understood.
fn values(object: &Value) -> Vec<Notice> {
    let mut notices = Vec::new();
    for part in ["labels", "annotations"] {
        let entries = object.get("metadata").and_then(|metadata| metadata.get(part)?.as_object());
        for (key, value) in entries.into_iter().flatten() {
            let Some(value) = value.as_str() else { continue };
            if let Some(instead) = instead_of(key, value) {
                let message = format!("metadata.{part}: {key}: {value:?} {instead}");
                notices.push(Notice::new("ValueNotUnderstood", message));
            }
        }
    }
    notices
}

/// Is a resource a share of one device?
pub fn is_share(resource: &str) -> bool {
    pod::SHARES.contains(&resource)
}

/// A text of an annotation or a label.
fn mark<'a>(object: &'a Value, part: &str, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get(part)?.get(key)?.as_str()
}
