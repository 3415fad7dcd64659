//! Deployments: ReplicaSets of one template each, and the way from one to the next.

use super::pods::{count, letters, owned_by, text};
use super::{Observed, WorkloadChange};
use crate::apiserver::Key;
use serde_json::{Value, json};

/// Label and selector key that tells the pods of a Deployment's ReplicaSets apart.
const HASH: &str = "pod-template-hash";
/// Fields that move pods: where one is new, or gone, the template is another. What else an API server adds is a default.
const TELLING: [&str; 8] = [
    "nodeSelector",
    "affinity",
    "tolerations",
    "topologySpreadConstraints",
    "priorityClassName",
    "limits",
    "requests",
    "schedulerName",
];

/// A ReplicaSet in numbers.
struct Set<'a> {
    object: &'a Value,
    replicas: usize,
    available: usize,
    is_current: bool,
}

pub(super) fn reconcile(observed: &Observed<'_>) -> Vec<WorkloadChange> {
    let deployment = observed.workload;
    let template = &deployment["spec"]["template"];
    let wanted = count(deployment, "/spec/replicas").unwrap_or(1);
    let mut sets: Vec<Set<'_>> = observed
        .owned
        .iter()
        .filter(|object| object["kind"] == "ReplicaSet")
        .map(|object| Set {
            object,
            replicas: count(object, "/spec/replicas").unwrap_or(1),
            available: count(object, "/status/availableReplicas").unwrap_or(0),
            is_current: false,
        })
        .collect();
    // Of several alike the oldest counts.
    sets.sort_by_key(|set| {
        (text(set.object, "/metadata/creationTimestamp"), text(set.object, "/metadata/name"))
    });
    if let Some(current) = sets.iter_mut().find(|set| is_same(template, &set.object["spec"]["template"])) {
        current.is_current = true;
    }
    let mut changes = vec![WorkloadChange::Status(status(&sets, wanted))];
    let old: usize = sets.iter().filter(|set| !set.is_current).map(|set| set.replicas).sum();
    let (surge, unavailable) = budget(deployment, wanted);
    let recreates = text(deployment, "/spec/strategy/type") == "Recreate";
    let Some(current) = sets.iter().find(|set| set.is_current) else {
        let first = match recreates {
            true if old > 0 => 0,
            true => wanted,
            false => wanted.min((wanted + surge).saturating_sub(old)),
        };
        changes.push(WorkloadChange::Create(replica_set(deployment, first)));
        return changes;
    };
    let left = |set: &Set<'_>| count(set.object, "/status/replicas").unwrap_or(0);
    let room = if recreates {
        let waits = sets.iter().any(|set| !set.is_current && left(set) > 0);
        if waits { current.replicas } else { wanted }
    } else {
        (wanted + surge).saturating_sub(old)
    };
    let grown = if current.replicas > wanted { wanted } else { current.replicas.max(room.min(wanted)) };
    scale(&mut changes, current, grown);
    let missing = grown.saturating_sub(current.available);
    let mut spare = if recreates {
        old
    } else {
        (old + grown).saturating_sub(wanted.saturating_sub(unavailable)).saturating_sub(missing)
    };
    let mut available: usize = sets.iter().map(|set| set.available).sum();
    for set in sets.iter().filter(|set| !set.is_current && set.replicas > 0) {
        // Pods that are not available cost nothing.
        let broken = set.replicas.saturating_sub(set.available).min(spare);
        let healthy = if recreates {
            set.replicas
        } else {
            available.saturating_sub(wanted.saturating_sub(unavailable)).min(spare - broken)
        };
        let gone = (broken + healthy).min(set.replicas);
        spare = spare.saturating_sub(gone);
        available = available.saturating_sub(gone.saturating_sub(broken));
        scale(&mut changes, set, set.replicas - gone);
    }
    changes
}

fn scale(changes: &mut Vec<WorkloadChange>, set: &Set<'_>, replicas: usize) {
    if let Some(key) = Key::of(set.object).ok().filter(|_| set.replicas != replicas) {
        changes.push(WorkloadChange::Spec(key, json!({ "replicas": replicas })));
    }
}

fn status(sets: &[Set<'_>], wanted: usize) -> Value {
    let sum = |of: &dyn Fn(&Set<'_>) -> usize| sets.iter().map(of).sum::<usize>();
    let available = sum(&|set| set.available);
    json!({
        "replicas": sum(&|set| count(set.object, "/status/replicas").unwrap_or(0)),
        "readyReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": wanted.saturating_sub(available),
        "updatedReplicas": sum(&|set| if set.is_current { count(set.object, "/status/replicas").unwrap_or(0) } else { 0 }),
    })
}

/// Pods above and below `replicas` during a rollout: 25 % each where nothing is said; never both 0.
fn budget(deployment: &Value, wanted: usize) -> (usize, usize) {
    let read = |field: &str, up: bool| {
        let value = &deployment["spec"]["strategy"]["rollingUpdate"][field];
        if let Some(number) = value.as_u64() {
            return number as usize;
        }
        let percent = value.as_str().and_then(|text| text.strip_suffix('%')?.parse().ok()).unwrap_or(25usize);
        let product = wanted.saturating_mul(percent);
        if up { product.div_ceil(100) } else { product / 100 }
    };
    match (read("maxSurge", true), read("maxUnavailable", false)) {
        (0, 0) => (0, 1),
        both => both,
    }
}

fn replica_set(deployment: &Value, replicas: usize) -> Value {
    let mut template = deployment["spec"]["template"].clone();
    let hash = letters(&template.to_string(), 10);
    let mut selector = deployment["spec"]["selector"].clone();
    template["metadata"]["labels"][HASH] = json!(hash);
    selector["matchLabels"][HASH] = json!(hash);
    let metadata = &deployment["metadata"];
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", text(deployment, "/metadata/name")), "namespace": metadata["namespace"],
            "labels": template["metadata"]["labels"], "annotations": handed_down(deployment),
            "ownerReferences": owned_by(deployment),
        },
        "spec": { "replicas": replicas, "selector": selector, "template": template },
    })
}

/// Annotations that stay with the Deployment: what kubectl and its controller write for themselves.
const OWN: [&str; 2] = ["kubectl.kubernetes.io/", "deployment.kubernetes.io/"];

/// The annotations that a ReplicaSet has from its Deployment.
pub(crate) fn handed_down(deployment: &Value) -> Value {
    let annotations = deployment.pointer("/metadata/annotations").and_then(Value::as_object);
    let kept =
        annotations.into_iter().flatten().filter(|(key, _)| !OWN.iter().any(|own| key.starts_with(own)));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into()
}

/// Would pods of the two templates be alike? One of them may carry the defaults of an API server.
pub(super) fn is_same(written: &Value, kept: &Value) -> bool {
    match (written, kept) {
        (Value::Object(a), Value::Object(b)) => {
            let is_there = |value: &Value| match value {
                Value::Null => false,
                Value::Object(fields) => !fields.is_empty(),
                Value::Array(items) => !items.is_empty(),
                _ => true,
            };
            a.iter()
                .filter(|(_, value)| is_there(value))
                .all(|(key, value)| b.get(key).is_some_and(|other| is_same(value, other)))
                && b.iter().all(|(key, value)| {
                    a.contains_key(key) || !is_there(value) || !TELLING.contains(&key.as_str())
                })
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        // 8 and "8" are the same quantity.
        (Value::Number(a), Value::String(b)) | (Value::String(b), Value::Number(a)) => a.to_string() == *b,
        _ => written == kept,
    }
}
