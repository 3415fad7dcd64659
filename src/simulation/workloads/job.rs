//! Jobs: pods that end, as many at once as `parallelism` allows, until `completions` of them have ended well.

use super::pods::{count, delete, has_phase, is_active, is_ready, owned_pods, pod, suffix, surplus, text};
use super::{Observed, WorkloadChange};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Pod label and annotation: the index of a pod of an Indexed Job.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

pub(super) fn reconcile(observed: &Observed<'_>) -> Vec<WorkloadChange> {
    let job = observed.workload;
    let pods = owned_pods(observed);
    let active: Vec<&Value> = pods.iter().copied().filter(|pod| is_active(pod)).collect();
    let ended = |phase: &str| pods.iter().copied().filter(|pod| has_phase(pod, phase)).collect::<Vec<_>>();
    let (well, badly) = (ended("Succeeded"), ended("Failed"));
    let is_indexed = text(job, "/spec/completionMode") == "Indexed";
    let indexes_done: BTreeSet<usize> =
        if is_indexed { well.iter().filter_map(|pod| index(pod)).collect() } else { BTreeSet::new() };
    let succeeded = if is_indexed { indexes_done.len() } else { well.len() };
    // A dump may come without the pods that have ended.
    let succeeded = succeeded.max(count(job, "/status/succeeded").unwrap_or(0));
    let failed = badly.len().max(count(job, "/status/failed").unwrap_or(0));
    let parallelism = count(job, "/spec/parallelism").unwrap_or(1);
    let completions = count(job, "/spec/completions");
    let is_complete = match completions {
        Some(completions) => succeeded >= completions,
        // A work queue: one that ends well says that the queue is empty.
        None => succeeded > 0 && active.is_empty(),
    };
    let too_often = failed > count(job, "/spec/backoffLimit").unwrap_or(6);
    let mut changes =
        vec![WorkloadChange::Status(status(job, &active, succeeded, failed, is_complete, too_often))];
    if ["Complete", "Failed"].iter().any(|type_| has_condition(job, type_)) || is_complete {
        return changes;
    }
    if too_often || job["spec"]["suspend"] == true {
        changes.extend(active.into_iter().filter_map(delete));
        return changes;
    }
    let wanted = match completions {
        Some(completions) => parallelism.min(completions - succeeded),
        None if succeeded > 0 => active.len(),
        None => parallelism,
    };
    if is_indexed {
        changes.extend(indexed(observed, &active, &indexes_done, wanted, completions.unwrap_or(0)));
        return changes;
    }
    for made in 0..wanted.saturating_sub(active.len()) {
        let name = text(job, "/metadata/name");
        changes.push(WorkloadChange::Create(job_pod(job, &format!("{name}-"), &suffix(observed, made))));
    }
    changes.extend(surplus(active, wanted).into_iter().filter_map(delete));
    changes
}

/// One pod an index, the lowest that are open first.
fn indexed(
    observed: &Observed<'_>,
    active: &[&Value],
    done: &BTreeSet<usize>,
    wanted: usize,
    completions: usize,
) -> Vec<WorkloadChange> {
    let job = observed.workload;
    let (mut taken, mut changes) = (BTreeSet::new(), Vec::new());
    for pod in active {
        let keeps = index(pod).is_some_and(|at| at < completions && !done.contains(&at) && taken.insert(at));
        if !keeps {
            changes.extend(delete(pod));
        }
    }
    let open: Vec<usize> = (0..completions).filter(|at| !done.contains(at) && !taken.contains(at)).collect();
    for (made, at) in open.into_iter().take(wanted.saturating_sub(taken.len())).enumerate() {
        let name = format!("{}-{at}", text(job, "/metadata/name"));
        let mut pod = job_pod(job, &format!("{name}-"), &suffix(observed, made));
        for part in ["labels", "annotations"] {
            pod["metadata"][part][INDEX] = json!(at.to_string());
        }
        pod["spec"]["hostname"] = json!(name);
        changes.push(WorkloadChange::Create(pod));
    }
    changes
}

fn job_pod(job: &Value, start: &str, suffix: &str) -> Value {
    let mut new = pod(&job["spec"]["template"], job, &format!("{start}{suffix}"));
    new["metadata"]["generateName"] = json!(start);
    let (name, uid) = (&job["metadata"]["name"], &job["metadata"]["uid"]);
    for (key, value) in [
        ("batch.kubernetes.io/job-name", name),
        ("job-name", name),
        ("batch.kubernetes.io/controller-uid", uid),
        ("controller-uid", uid),
    ] {
        new["metadata"]["labels"][key] = value.clone();
    }
    new
}

fn index(pod: &Value) -> Option<usize> {
    pod["metadata"]["annotations"][INDEX].as_str()?.parse().ok()
}

fn has_condition(job: &Value, type_: &str) -> bool {
    let conditions = job["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == type_ && c["status"] == "True")
}

fn status(
    job: &Value,
    active: &[&Value],
    succeeded: usize,
    failed: usize,
    is_complete: bool,
    too_often: bool,
) -> Value {
    let ready = active.iter().filter(|pod| is_ready(pod)).count();
    let mut status =
        json!({ "active": active.len(), "ready": ready, "succeeded": succeeded, "failed": failed });
    let ended =
        [("Complete", is_complete, ""), ("Failed", too_often && !is_complete, "BackoffLimitExceeded")];
    let conditions: Vec<Value> = ended
        .iter()
        .filter(|(type_, holds, _)| *holds || has_condition(job, type_))
        .map(|(type_, _, reason)| json!({ "type": type_, "status": "True", "reason": reason }))
        .collect();
    if !conditions.is_empty() {
        status["conditions"] = json!(conditions);
    }
    status
}
