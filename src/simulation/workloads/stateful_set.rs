//! StatefulSets: pods with ordinals, made in order, replaced under their name, updated from the last to the first.

use super::deployment::is_same;
use super::pods::{
    count, delete, has_phase, is_active, is_deleting, is_ready, letters, owned_pods, pod, text,
};
use super::{Observed, WorkloadChange};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Pod label: the template that the pod was made from.
const REVISION: &str = "controller-revision-hash";

pub(super) fn reconcile(observed: &Observed<'_>) -> Vec<WorkloadChange> {
    let set = observed.workload;
    let name = text(set, "/metadata/name");
    let (wanted, start) =
        (count(set, "/spec/replicas").unwrap_or(1), count(set, "/spec/ordinals/start").unwrap_or(0));
    let mut pods: BTreeMap<usize, &Value> = BTreeMap::new();
    for pod in owned_pods(observed) {
        let ordinal = text(pod, "/metadata/name")
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('-')?.parse().ok());
        if let Some(ordinal) = ordinal {
            pods.insert(ordinal, pod);
        }
    }
    let in_order = text(set, "/spec/podManagementPolicy") != "Parallel";
    let ready = pods.values().filter(|pod| is_ready(pod)).count();
    let mut changes = vec![WorkloadChange::Status(json!({
        "replicas": pods.len(), "readyReplicas": ready, "availableReplicas": ready,
        "updatedReplicas": pods.values().filter(|pod| is_updated(set, pod)).count(),
    }))];
    for ordinal in start..start + wanted {
        match pods.get(&ordinal) {
            None => changes.extend(create(set, ordinal)),
            Some(pod) if has_phase(pod, "Failed") || has_phase(pod, "Succeeded") => {
                changes.extend(Some(pod).filter(|pod| !is_deleting(pod)).and_then(|pod| delete(pod)));
            }
            Some(pod) if is_ready(pod) => continue,
            Some(_) => {}
        }
        if in_order {
            return changes; // the next one waits for this one
        }
    }
    let above: Vec<&Value> =
        pods.iter().rev().filter(|(at, _)| **at >= start + wanted).map(|(_, pod)| *pod).collect();
    for pod in above {
        changes.extend(Some(pod).filter(|pod| !is_deleting(pod)).and_then(delete));
        if in_order {
            return changes;
        }
    }
    changes.extend(outdated(set, &pods, start, wanted));
    changes
}

/// The pod that is to be updated next: the last that is not, once all after it are ready.
fn outdated(
    set: &Value,
    pods: &BTreeMap<usize, &Value>,
    start: usize,
    wanted: usize,
) -> Option<WorkloadChange> {
    if text(set, "/spec/updateStrategy/type") == "OnDelete" {
        return None;
    }
    let partition = count(set, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    for ordinal in (start..start + wanted).rev().filter(|&ordinal| ordinal >= partition) {
        let pod = pods.get(&ordinal)?;
        if !is_updated(set, pod) {
            return is_active(pod).then(|| delete(pod)).flatten();
        }
        if !is_ready(pod) {
            return None;
        }
    }
    None
}

/// Was the pod made from the present template?
fn is_updated(set: &Value, pod: &Value) -> bool {
    let template = &set["spec"]["template"];
    if text(pod, "/metadata/labels/controller-revision-hash") == revision(set) {
        return true;
    }
    // A pod that a cluster's own controller made: what was asked of it decides, but for what the set adds.
    let containers = ["containers", "initContainers", "nodeSelector", "affinity"];
    containers.iter().all(|field| is_same(&template["spec"][field], &pod["spec"][field]))
}

fn revision(set: &Value) -> String {
    let name = text(set, "/metadata/name");
    format!("{name}-{}", letters(&set["spec"]["template"].to_string(), 10))
}

/// The pod of an ordinal, after the claims that it uses.
fn create(set: &Value, ordinal: usize) -> Vec<WorkloadChange> {
    let name = text(set, "/metadata/name");
    let pod_name = format!("{name}-{ordinal}");
    let mut new = pod(&set["spec"]["template"], set, &pod_name);
    for (key, value) in [
        ("statefulset.kubernetes.io/pod-name", pod_name.clone()),
        ("apps.kubernetes.io/pod-index", ordinal.to_string()),
        (REVISION, revision(set)),
    ] {
        new["metadata"]["labels"][key] = json!(value);
    }
    new["spec"]["hostname"] = json!(pod_name);
    new["spec"]["subdomain"] = set["spec"]["serviceName"].clone();
    let mut changes = Vec::new();
    let claims = set["spec"]["volumeClaimTemplates"].as_array();
    for template in claims.into_iter().flatten() {
        let volume = text(template, "/metadata/name");
        let claim_name = format!("{volume}-{pod_name}");
        let mut claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": claim_name, "namespace": set["metadata"]["namespace"] },
            "spec": template["spec"],
        });
        if let Some(labels) = template["metadata"].get("labels") {
            claim["metadata"]["labels"] = labels.clone();
        }
        changes.push(WorkloadChange::Create(claim));
        let source = json!({ "name": volume, "persistentVolumeClaim": { "claimName": claim_name } });
        match new["spec"]["volumes"].as_array_mut() {
            Some(volumes) => volumes.push(source),
            None => new["spec"]["volumes"] = json!([source]),
        }
    }
    changes.push(WorkloadChange::Create(new));
    changes
}
