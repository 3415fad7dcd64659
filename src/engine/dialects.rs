//! PodGroups of the other dialects on their way in and out: read into the words that everything else is told in, and their
//! statuses written as their users read them.

use super::Engine;
use super::kind::Kind;
use super::object::Object;
use super::request::Request;
use crate::api::gang::Dialect;
use crate::api::pod_group::{PodGroup, PodGroupPhase, PodGroupStatus};
use crate::api::time::Timestamp;
use crate::cluster::Event;
use crate::cluster::gangs::adapt::{self, Gang, SCHEDULED};
use crate::scheduler::Reason;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What groups of the other dialects say of themselves, by the key of the gang.
#[derive(Debug, Default)]
pub(super) struct Said {
    groups: BTreeMap<String, Group>,
}

#[derive(Debug)]
struct Group {
    /// Their status as last seen.
    status: Value,
    /// The version that it is served in.
    api_version: Option<&'static str>,
    /// The type of the condition that is written; empty for coscheduling.
    condition: &'static str,
    generation: i64,
    minimum: i32,
}

/// The kind and the name of the object behind the name of a gang.
pub(super) fn object_of(gang: &str) -> (Kind, &str) {
    let (dialect, name) = Dialect::split(gang);
    (dialect.kind(), name)
}

/// An object that the API server has answered with, in the words of all gangs.
pub(super) fn read(gang: &str, value: &Value) -> Option<PodGroup> {
    let object = Object::read(object_of(gang).0, value).ok()?;
    match object {
        Object::PodGroup(group) => Some((*group).clone()),
        Object::NativePodGroup(group) => Some(adapt::native(&group).object),
        Object::CoschedulingPodGroup(group) => Some(adapt::coscheduling(&group).object),
        _ => None,
    }
}

impl Engine {
    /// Takes in a PodGroup of another dialect; false if the object is none.
    pub(super) fn apply_other_group(&mut self, object: &Object) -> bool {
        let mut api_version = None;
        let (gang, status, condition) = match object {
            Object::NativePodGroup(group) => {
                api_version = object.kind().row().versions().find(|version| *version == group.api_version);
                // The older version is known by its name, or where it is not said by what it calls a mode.
                let is_old = group.api_version.ends_with("/v1alpha2")
                    || group.api_version.is_empty() && group.spec.disruption_mode.is_string();
                (
                    adapt::native(group),
                    json!({ "conditions": group.status.conditions }),
                    SCHEDULED[usize::from(!is_old)],
                )
            }
            Object::CoschedulingPodGroup(group) => (adapt::coscheduling(group), group.status.clone(), ""),
            _ => return false,
        };
        let Gang { object: group, .. } = gang;
        let key = format!("{}/{}", group.metadata.namespace, group.metadata.name);
        let said = Group {
            status,
            api_version,
            condition,
            generation: group.metadata.generation,
            minimum: group.spec.min_member.unwrap_or(0),
        };
        self.telling.said.groups.insert(key.clone(), said);
        if let Some(event) = Event::of(object) {
            self.scheduler.apply(event);
        }
        self.intake.mirror.put_group(&group);
        self.gang_changed(&key);
        true
    }

    /// A PodGroup of another dialect is gone.
    pub(super) fn forget_other_group(&mut self, key: &str) {
        self.telling.said.groups.remove(key);
    }

    /// The request that writes the status of a gang of another dialect; `None` where there is nothing to write.
    pub(super) fn other_status(&self, key: &str, uid: &str, status: &PodGroupStatus) -> Option<Request> {
        let said = self.telling.said.groups.get(key)?;
        let (namespace, gang) = key.split_once('/')?;
        let (kind, name) = object_of(gang);
        let whole = match kind {
            Kind::NativePodGroup => native(said, status, self.now.timestamp())?,
            _ => coscheduling(said, status)?,
        };
        let body = json!({ "metadata": { "uid": uid }, "status": whole });
        Some(Request::merge(kind, namespace, name, "status", body).in_version(said.api_version))
    }

    /// A request for the PodGroup of a gang, in the version that it is served in.
    pub(super) fn in_served_version(&self, key: &str, request: Request) -> Request {
        request.in_version(self.telling.said.groups.get(key).and_then(|said| said.api_version))
    }
}

/// The conditions of a native group with ours among them; `None` if that is what they are. True says that it has been
/// scheduled once, and stays.
fn native(said: &Group, status: &PodGroupStatus, now: Timestamp) -> Option<Value> {
    let conditions = said.status["conditions"].as_array().cloned().unwrap_or_default();
    let before = conditions.iter().find(|condition| condition["type"] == said.condition);
    let has = |type_: &str| {
        status.conditions.iter().find(|condition| condition.type_ == type_ && condition.status == "True")
    };
    let (is, reason, message) = match (has("Scheduled"), has("Unschedulable")) {
        _ if before.is_some_and(|before| before["status"] == "True") => return None,
        // Placed is not bound: the condition is for those who wait for the pods.
        (Some(_), _) if status.phase != Some(PodGroupPhase::Running) => return None,
        (Some(condition), _) => ("True", "Scheduled", condition.message.as_str()),
        (None, Some(condition)) => {
            let faults = [Reason::InvalidPodGroup, Reason::OtherScheduler, Reason::PodRefused];
            let is_fault = faults.iter().any(|fault| fault.as_str() == condition.reason);
            let reason = if is_fault { "SchedulerError" } else { "Unschedulable" };
            ("False", reason, condition.message.trim_start_matches("pod group is not ready: "))
        }
        (None, None) => return None,
    };
    let since =
        before.filter(|before| before["status"] == is).and_then(|before| before.get("lastTransitionTime"));
    let ours = json!({
        "type": said.condition, "status": is, "reason": reason, "message": message,
        "observedGeneration": said.generation,
        "lastTransitionTime": since.cloned().unwrap_or_else(|| now.to_string().into()),
    });
    if before == Some(&ours) {
        return None;
    }
    let mut conditions: Vec<Value> =
        conditions.into_iter().filter(|condition| condition["type"] != said.condition).collect();
    conditions.push(ours);
    Some(json!({ "conditions": conditions }))
}

/// Phase and counts of a coscheduling group; `None` if they are that already, or if its own controller writes them, which
/// nobody else sets a start time for.
fn coscheduling(said: &Group, status: &PodGroupStatus) -> Option<Value> {
    if !said.status["scheduleStartTime"].is_null() {
        return None;
    }
    let (running, succeeded, failed) =
        (status.running.unwrap_or(0), status.succeeded.unwrap_or(0), status.failed.unwrap_or(0));
    let phase = match status.phase {
        None | Some(PodGroupPhase::Pending | PodGroupPhase::Other(_)) => "Pending",
        Some(PodGroupPhase::Inqueue) => "Scheduling",
        Some(PodGroupPhase::Running) if running + succeeded < said.minimum => "Scheduling",
        Some(PodGroupPhase::Running) => "Running",
        Some(PodGroupPhase::Unknown) => "Unknown",
        Some(PodGroupPhase::Completed) if failed > 0 => "Failed",
        Some(PodGroupPhase::Completed) => "Finished",
    };
    let mut whole = json!({ "phase": phase });
    for (field, count) in [("running", running), ("succeeded", succeeded), ("failed", failed)] {
        if count > 0 || said.status[field].as_i64().unwrap_or(0) > 0 {
            whole[field] = count.into();
        }
    }
    let is_said = whole.as_object().into_iter().flatten().all(|(field, value)| said.status[field] == *value);
    (!is_said).then_some(whole)
}
