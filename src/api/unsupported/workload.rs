//! PodGroups, queues and workloads.

use super::{Notice, mark};
use crate::api::{keys, strict};
use serde_json::Value;

/// Rules of a PodGroup's annotations that Volcano's plugins read.
const GROUP_RULES: [(&str, &str); 4] = [
    ("volcano.sh/jdb-min-available", "no disruption budget is kept; write a PodDisruptionBudget"),
    ("volcano.sh/jdb-max-unavailable", "no disruption budget is kept; write a PodDisruptionBudget"),
    ("volcano.sh/revocable-zone", "revocable nodes are not told apart"),
    ("volcano.sh/numa-topology-policy", "NUMA nodes are not looked at"),
];

/// Fields of a queue's spec that are not honoured.
const QUEUE: [(&str, &str); 2] =
    [("affinity", "is not enforced: the queue's pods may use all nodes"), ("extendClusters", "is not read")];

/// Marks of PodGroups that are looked for: where each stands, and its key.
pub(super) fn marks() -> impl Iterator<Item = (&'static str, &'static str)> {
    GROUP_RULES.into_iter().map(|(key, _)| ("annotations", key))
}

pub(super) fn pod_group(group: &Value) -> Vec<Notice> {
    GROUP_RULES
        .iter()
        .filter(|(key, _)| mark(group, "annotations", key).is_some())
        .map(|(key, instead)| {
            Notice::new("RuleNotRead", format!("metadata.annotations: {key} is not read: {instead}"))
        })
        .chain(super::values(group))
        .collect()
}

/// Of PodGroups of `scheduling.k8s.io`.
pub(super) fn native_group(group: &Value) -> Vec<Notice> {
    let policy = group.get("spec").and_then(|spec| spec.get("preemptionPolicy")).and_then(Value::as_str);
    let notice = policy.filter(|policy| *policy == "Never").map(|_| {
        let message = "spec.preemptionPolicy: Never is not read of a group; write it in the pods";
        Notice::new("RuleNotRead", message)
    });
    notice.into_iter().collect()
}

pub(super) fn queue(queue: &Value) -> Vec<Notice> {
    let is_set = |field: &str| match queue.get("spec").and_then(|spec| spec.get(field)) {
        None | Some(Value::Null) => false,
        Some(Value::Object(fields)) => fields.values().any(|value| !is_empty(value)),
        Some(value) => !is_empty(value),
    };
    QUEUE
        .iter()
        .filter(|(field, _)| is_set(field))
        .map(|(field, instead)| Notice::new("QueueLimitNotEnforced", format!("spec.{field} {instead}")))
        .collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

pub(super) fn leader_worker_set(set: &Value) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut say = |message: &str| notices.push(Notice::new("NotTranslated", message));
    if mark(set, "annotations", keys::LWS_SUBGROUP_EXCLUSIVE_TOPOLOGY).is_some() {
        say(
            "metadata.annotations: leaderworkerset.sigs.k8s.io/subgroup-exclusive-topology is not read: a group is not split",
        );
    }
    let spec = &set["spec"];
    let template = &spec["leaderWorkerTemplate"];
    if spec["startupPolicy"] == "LeaderReady" {
        say("spec.startupPolicy: LeaderReady is not supported; workers are created with their leader");
    }
    if !template.get("subGroupPolicy").is_none_or(is_empty) {
        say("spec.leaderWorkerTemplate.subGroupPolicy is not supported; a group is not split");
    }
    if !template.get("volumeClaimTemplates").is_none_or(is_empty) {
        say("spec.leaderWorkerTemplate.volumeClaimTemplates is not supported; no claims are created");
    }
    if template["restartPolicy"] == "RecreateGroupAfterStart" {
        say(
            "spec.leaderWorkerTemplate.restartPolicy: RecreateGroupAfterStart acts as RecreateGroupOnPodRestart",
        );
    }
    if !spec.get("networkConfig").is_none_or(is_empty) {
        say("spec.networkConfig is not read; pods share one subdomain");
    }
    notices
}

/// Fields of pod templates that do not exist: the API server keeps them in the ModelServing, and drops them from its pods.
pub(super) fn model_serving(serving: &Value) -> Vec<Notice> {
    let roles = serving.pointer("/spec/template/roles").and_then(Value::as_array);
    let mut notices = Vec::new();
    for (index, role) in roles.into_iter().flatten().enumerate() {
        for name in ["entryTemplate", "workerTemplate"] {
            let Some(template) = role.get(name).filter(|template| template.is_object()) else { continue };
            let path = format!("spec.template.roles[{index}].{name}");
            let faults = strict::check_as("PodTemplateSpec", template, &path);
            notices.extend(
                faults.into_iter().filter(|fault| fault.message == strict::NOT_A_FIELD).map(Notice::from),
            );
        }
    }
    notices
}

pub(super) fn volcano_job(job: &Value) -> Vec<Notice> {
    let tasks = job.pointer("/spec/tasks").and_then(Value::as_array);
    let numa = tasks.into_iter().flatten().enumerate().filter(|(_, task)| {
        task["topologyPolicy"].as_str().is_some_and(|policy| !matches!(policy, "" | "none"))
    });
    numa.map(|(index, _)| {
        Notice::new(
            "RuleNotRead",
            format!("spec.tasks[{index}].topologyPolicy is not read: NUMA nodes are not looked at"),
        )
    })
    .collect()
}
