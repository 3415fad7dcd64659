//! Pods of a workload: made from its template, counted, named, deleted.

use super::{Observed, WorkloadChange};
use crate::apiserver::{At as _, Key};
use serde_json::{Value, json};

/// The letters of generated names: those of Kubernetes, without vowels and look-alikes.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A text of a field; empty if there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.at(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A count of a field.
pub(super) fn count(object: &Value, pointer: &str) -> Option<usize> {
    object.at(pointer).and_then(Value::as_u64).map(|count| usize::try_from(count).unwrap_or(usize::MAX))
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// So many letters that stand for a text.
pub(super) fn letters(text: &str, length: usize) -> String {
    let mut rest = hash(text);
    let letter = |_| {
        let letter = LETTERS[(rest % LETTERS.len() as u64) as usize];
        rest /= LETTERS.len() as u64;
        char::from(letter)
    };
    (0..length).map(letter).collect()
}

/// The suffix of the next generated name.
pub(super) fn suffix(observed: &Observed<'_>, made: usize) -> String {
    letters(&format!("{}/{}", text(observed.workload, "/metadata/uid"), observed.serial + made as u64), 5)
}

/// The reference by which an owner controls what it made.
pub(super) fn owned_by(owner: &Value) -> Value {
    json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }])
}

/// A pod from a template.
pub(super) fn pod(template: &Value, owner: &Value, name: &str) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": owner["metadata"]["namespace"], "ownerReferences": owned_by(owner),
        },
        "spec": template["spec"],
    });
    for part in ["labels", "annotations"] {
        if let Some(entries) = template["metadata"].get(part).filter(|entries| entries.is_object()) {
            pod["metadata"][part] = entries.clone();
        }
    }
    pod
}

/// Pods among what is owned.
pub(super) fn owned_pods<'a>(observed: &Observed<'a>) -> Vec<&'a Value> {
    observed.owned.iter().copied().filter(|object| object["kind"] == "Pod").collect()
}

pub(super) fn is_deleting(object: &Value) -> bool {
    object.at("/metadata/deletionTimestamp").is_some()
}

pub(super) fn has_phase(pod: &Value, phase: &str) -> bool {
    text(pod, "/status/phase") == phase
}

/// Neither ended nor on its way out.
pub(super) fn is_active(pod: &Value) -> bool {
    !is_deleting(pod) && !has_phase(pod, "Succeeded") && !has_phase(pod, "Failed")
}

pub(super) fn is_ready(pod: &Value) -> bool {
    let conditions = pod.at("/status/conditions").and_then(Value::as_array);
    is_active(pod) && conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

pub(super) fn delete(object: &Value) -> Option<WorkloadChange> {
    let key = Key::of(object).ok()?;
    Some(WorkloadChange::Delete(key, text(object, "/metadata/uid").to_owned()))
}

/// The pods that go first when there are too many: without a node, not running, not ready, the youngest.
pub(super) fn surplus<'a>(mut pods: Vec<&'a Value>, keep: usize) -> Vec<&'a Value> {
    let rank = |pod: &&Value| {
        let has_node = !text(pod, "/spec/nodeName").is_empty();
        (has_node, has_phase(pod, "Running"), is_ready(pod))
    };
    let age = |pod: &&'a Value| (text(pod, "/metadata/creationTimestamp"), text(pod, "/metadata/name"));
    pods.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| age(b).cmp(&age(a))));
    let gone = pods.len().saturating_sub(keep);
    pods.truncate(gone);
    pods
}

/// The pod that a controller which is not simulated makes in place of one that is gone. Controllers that generate
/// names give a new one, the others the same.
pub(crate) fn replacement(pod: &Value, serial: u64) -> Value {
    let mut next = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": pod["metadata"]["namespace"] },
        "spec": pod["spec"],
    });
    for part in ["labels", "annotations", "ownerReferences"] {
        if let Some(found) = pod["metadata"].get(part) {
            next["metadata"][part] = found.clone();
        }
    }
    if let Some(spec) = next["spec"].as_object_mut() {
        spec.remove("nodeName");
    }
    let name = text(pod, "/metadata/name");
    let generated = text(pod, "/metadata/generateName");
    next["metadata"]["name"] = match generated {
        "" => json!(name),
        start => {
            next["metadata"]["generateName"] = json!(start);
            json!(format!("{start}{}", letters(&format!("{name}/{serial}"), 5)))
        }
    };
    next
}
