//! A pod's status as its kubelet writes it.

use crate::apiserver::set_condition;
use crate::simulation::time::Millis;
use serde_json::{Value, json};

/// Changes the status of each container, in the order of the spec.
pub(super) fn containers(pod: &mut Value, change: impl Fn(&mut Value)) {
    let specs = pod.pointer("/spec/containers").and_then(Value::as_array).cloned().unwrap_or_default();
    let known =
        pod.pointer("/status/containerStatuses").and_then(Value::as_array).cloned().unwrap_or_default();
    let statuses = specs.iter().map(|container| {
        let name = &container["name"];
        let mut status = known.iter().find(|status| status["name"] == *name).cloned().unwrap_or_else(|| {
            json!({"name": name, "image": container["image"], "imageID": "", "ready": false, "restartCount": 0})
        });
        change(&mut status);
        status
    });
    pod["status"]["containerStatuses"] = statuses.collect();
}

pub(super) fn not_ready(pod: &mut Value, now: i64) {
    let names: Vec<String> = pod
        .pointer("/spec/containers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|container| container["name"].as_str().map(str::to_owned))
        .collect();
    let message = format!("containers with unready status: [{}]", names.join(" "));
    for condition in ["ContainersReady", "Ready"] {
        set_condition(pod, condition, "False", "ContainersNotReady", &message, now);
    }
}

pub(super) fn is_true(pod: &Value, type_: &str) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|c| c["type"] == type_ && c["status"] == "True")
}

/// Readiness gates whose condition is not true.
pub(super) fn closed_gates(pod: &Value) -> Vec<String> {
    let gates = pod.pointer("/spec/readinessGates").and_then(Value::as_array);
    let gates = gates.into_iter().flatten().filter_map(|gate| gate.get("conditionType")?.as_str());
    gates.filter(|gate| !is_true(pod, gate)).map(str::to_owned).collect()
}

/// The longest initial delay of the containers' readiness probes.
pub(super) fn probe_delay(pod: &Value) -> Millis {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let delays = containers.into_iter().flatten().filter_map(|container| {
        container.pointer("/readinessProbe/initialDelaySeconds").and_then(Value::as_u64)
    });
    delays.max().unwrap_or(0) * 1000
}

/// Does the text match a pattern in which * stands for any text?
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).filter(|&at| rest.is_char_boundary(at)).any(|at| matches(tail, &rest[at..]))
        }),
    }
}
