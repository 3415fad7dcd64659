//! Volcano's Job (batch.volcano.sh): tasks of pods, and the PodGroup that makes a gang of them.
//!
//! Of the policies those are followed that restart or end something when a pod fails, is evicted or completes. Plugins
//! (`ssh`, `svc`, `env`, `ray`, `pytorch`, ...) add environment variables, ports and host names, which decide no placement.

use super::pods::{
    count, delete, has_phase, is_active, is_deleting, is_ready, owned_by, owned_pods, pod, text,
};
use super::{Observed, WorkloadChange};
use crate::api::keys;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const JOB_NAME: &str = "volcano.sh/job-name";
const JOB_NAMESPACE: &str = "volcano.sh/job-namespace";
const JOB_VERSION: &str = "volcano.sh/job-version";
const JOB_QUEUE: &str = "volcano.sh/queue-name";
/// Pod label: the partition of a task that the pod belongs to.
const PARTITION: &str = "volcano.sh/partition-id";

/// A task, with what Volcano's webhook fills in.
struct Task<'a> {
    task: &'a Value,
    name: String,
    replicas: usize,
    minimum: usize,
}

pub(super) fn reconcile(observed: &Observed<'_>) -> Vec<WorkloadChange> {
    let job = observed.workload;
    let tasks = tasks(job);
    let pods = owned_pods(observed);
    let is_of =
        |task: &Task<'_>, pod: &Value| pod["metadata"]["annotations"][keys::TASK_SPEC] == task.name.as_str();
    let state = text(job, "/status/state/phase");
    if matches!(state, "Completed" | "Failed" | "Aborted" | "Terminated") {
        return Vec::new();
    }
    let (retries, most) =
        (count(job, "/status/retryCount").unwrap_or(0), count(job, "/spec/maxRetry").unwrap_or(3));
    let active: Vec<&Value> = pods.iter().copied().filter(|pod| is_active(pod)).collect();
    let ended = |phase: &str| pods.iter().filter(|pod| has_phase(pod, phase)).count();
    let mut numbers = json!({
        "state": { "phase": "Pending" }, "retryCount": retries, "version": count(job, "/status/version").unwrap_or(0),
        "minAvailable": minimum(job, &tasks), "pending": active.iter().filter(|pod| !has_phase(pod, "Running")).count(),
        "running": active.iter().filter(|pod| has_phase(pod, "Running")).count(),
        "succeeded": ended("Succeeded"), "failed": ended("Failed"),
    });
    let mut changes = Vec::new();
    if let Some(event) = happened(job, &tasks, &pods) {
        let (version, phase) = (
            numbers["version"].as_u64().unwrap_or(0),
            match event {
                Action::Restart if retries >= most => "Failed",
                Action::Restart => "Restarting",
                Action::Complete => "Completed",
                Action::Abort => "Aborted",
                Action::Terminate => "Terminated",
            },
        );
        numbers["state"]["phase"] = json!(phase);
        if phase == "Restarting" {
            numbers["retryCount"] = json!(retries + 1);
            numbers["version"] = json!(version + 1);
        }
        let gone =
            pods.iter().copied().filter(|pod| !is_deleting(pod) && (phase == "Restarting" || is_active(pod)));
        changes.extend(gone.filter_map(delete));
        changes.push(WorkloadChange::Status(numbers));
        return changes;
    }
    // Pods of an earlier run go before new ones come.
    let version = numbers["version"].to_string();
    let is_old =
        |pod: &&Value| pod["metadata"]["annotations"][JOB_VERSION].as_str().is_some_and(|of| of != version);
    if pods.iter().any(&is_old) {
        let left = pods.iter().copied().filter(|pod| is_old(pod) && !is_deleting(pod));
        return left.filter_map(delete).collect();
    }
    if !observed.owned.iter().any(|object| object["kind"] == "PodGroup") {
        changes.push(WorkloadChange::Create(pod_group(job, &tasks)));
    }
    for task in &tasks {
        let of_task: Vec<&Value> = pods.iter().copied().filter(|pod| is_of(task, pod)).collect();
        if !may_start(task, &tasks, &pods) && of_task.is_empty() {
            continue;
        }
        let there: BTreeSet<&str> = of_task.iter().map(|pod| text(pod, "/metadata/name")).collect();
        for index in 0..task.replicas {
            let name = format!("{}-{}-{index}", text(job, "/metadata/name"), task.name);
            if !there.contains(name.as_str()) {
                changes.push(WorkloadChange::Create(task_pod(job, task, index, &name, &version)));
            }
        }
        let names: BTreeSet<String> = (0..task.replicas)
            .map(|index| format!("{}-{}-{index}", text(job, "/metadata/name"), task.name))
            .collect();
        let surplus =
            of_task.into_iter().filter(|pod| is_active(pod) && !names.contains(text(pod, "/metadata/name")));
        changes.extend(surplus.filter_map(delete));
    }
    let total: usize = tasks.iter().map(|task| task.replicas).sum();
    let (well, badly) = (ended("Succeeded"), ended("Failed"));
    let phase = match () {
        () if total > 0 && well + badly == total => {
            if well >= minimum(job, &tasks) {
                "Completed"
            } else {
                "Failed"
            }
        }
        () if numbers["running"].as_u64().unwrap_or(0) as usize + well >= minimum(job, &tasks).max(1) => {
            "Running"
        }
        () => "Pending",
    };
    numbers["state"]["phase"] = json!(phase);
    changes.push(WorkloadChange::Status(numbers));
    changes
}

fn tasks(job: &Value) -> Vec<Task<'_>> {
    let tasks = job.pointer("/spec/tasks").and_then(Value::as_array);
    let tasks = tasks.into_iter().flatten().enumerate().map(|(index, task)| {
        let name = match text(task, "/name") {
            "" => format!("default{index}"),
            name => name.to_owned(),
        };
        let replicas = count(task, "/replicas").unwrap_or(1);
        Task { task, name, replicas, minimum: count(task, "/minAvailable").unwrap_or(replicas) }
    });
    tasks.collect()
}

fn minimum(job: &Value, tasks: &[Task<'_>]) -> usize {
    let sum = tasks.iter().map(|task| task.minimum).sum();
    count(job, "/spec/minAvailable").filter(|&minimum| minimum > 0).unwrap_or(sum)
}

/// What a policy of the job or of a task asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Restart,
    Complete,
    Abort,
    Terminate,
}

/// The first action that a policy ties to what has happened to the pods.
fn happened(job: &Value, tasks: &[Task<'_>], pods: &[&Value]) -> Option<Action> {
    for task in tasks {
        let of_task = || {
            pods.iter().filter(|pod| pod["metadata"]["annotations"][keys::TASK_SPEC] == task.name.as_str())
        };
        let failed = of_task().any(|pod| has_phase(pod, "Failed") && !is_deleting(pod));
        let complete =
            task.replicas > 0 && of_task().filter(|pod| has_phase(pod, "Succeeded")).count() >= task.replicas;
        let policies =
            [&task.task["policies"], &job["spec"]["policies"]].into_iter().filter_map(Value::as_array);
        for policy in policies.flatten() {
            let events = policy["events"].as_array().into_iter().flatten().chain([&policy["event"]]);
            let holds = events.filter_map(Value::as_str).any(|event| match event {
                "PodFailed" => failed,
                "TaskCompleted" => complete,
                "*" => failed || complete,
                _ => false,
            });
            let action = match text(policy, "/action") {
                "RestartJob" | "RestartTask" | "RestartPod" | "RestartPartition" => Action::Restart,
                "CompleteJob" => Action::Complete,
                "AbortJob" => Action::Abort,
                "TerminateJob" => Action::Terminate,
                _ => continue,
            };
            if holds {
                return Some(action);
            }
        }
    }
    None
}

/// Are the tasks that this one depends on ready?
fn may_start(task: &Task<'_>, tasks: &[Task<'_>], pods: &[&Value]) -> bool {
    let names = task.task["dependsOn"]["name"].as_array().map_or(&[][..], Vec::as_slice);
    let is_ready_task = |name: &Value| {
        let Some(other) = tasks.iter().find(|other| *name == other.name.as_str()) else { return true };
        let of_task =
            pods.iter().filter(|pod| pod["metadata"]["annotations"][keys::TASK_SPEC] == other.name.as_str());
        of_task.filter(|pod| is_ready(pod) || has_phase(pod, "Succeeded")).count() >= other.minimum
    };
    match text(task.task, "/dependsOn/iteration") {
        "any" => names.is_empty() || names.iter().any(is_ready_task),
        _ => names.iter().all(is_ready_task),
    }
}

fn group_name(job: &Value) -> String {
    format!("{}-{}", text(job, "/metadata/name"), text(job, "/metadata/uid"))
}

fn queue(job: &Value) -> &str {
    match text(job, "/spec/queue") {
        "" => "default",
        queue => queue,
    }
}

fn pod_group(job: &Value, tasks: &[Task<'_>]) -> Value {
    let spec = &job["spec"];
    let mut group = json!({
        "apiVersion": keys::SCHEDULING_V1BETA1, "kind": "PodGroup",
        "metadata": {
            "name": group_name(job), "namespace": job["metadata"]["namespace"], "ownerReferences": owned_by(job),
        },
        "spec": { "minMember": minimum(job, tasks), "queue": queue(job) },
    });
    for part in ["labels", "annotations"] {
        if let Some(entries) = job["metadata"].get(part).filter(|entries| entries.is_object()) {
            group["metadata"][part] = entries.clone();
        }
    }
    for field in ["priorityClassName", "networkTopology"] {
        if let Some(value) = spec.get(field).filter(|value| !value.is_null()) {
            group["spec"][field] = value.clone();
        }
    }
    for task in tasks {
        group["spec"]["minTaskMember"][&task.name] = json!(task.minimum);
        let partition = &task.task["partitionPolicy"];
        if !partition.is_object() {
            continue;
        }
        let mut policy = json!({
            "name": task.name,
            "labelSelector": { "matchLabels": { keys::TASK_SPEC: task.name } },
            "matchLabelKeys": [PARTITION],
            "subGroupSize": count(partition, "/partitionSize").unwrap_or(1),
            "minSubGroups": count(partition, "/minPartitions").unwrap_or(0),
        });
        if let Some(rule) = partition.get("networkTopology").filter(|rule| rule.is_object()) {
            policy["networkTopology"] = rule.clone();
        }
        match group["spec"]["subGroupPolicy"].as_array_mut() {
            Some(policies) => policies.push(policy),
            None => group["spec"]["subGroupPolicy"] = json!([policy]),
        }
    }
    group
}

fn task_pod(job: &Value, task: &Task<'_>, index: usize, name: &str, version: &str) -> Value {
    let mut new = pod(&task.task["template"], job, name);
    let job_name = text(job, "/metadata/name");
    for (key, value) in [
        (keys::GROUP_NAME, group_name(job)),
        (keys::TASK_SPEC, task.name.clone()),
        (keys::TASK_INDEX, index.to_string()),
        (JOB_NAME, job_name.to_owned()),
        (JOB_QUEUE, queue(job).to_owned()),
        (JOB_VERSION, version.to_owned()),
    ] {
        new["metadata"]["annotations"][key] = json!(value);
    }
    for (key, value) in [
        (JOB_NAME, job_name.to_owned()),
        (JOB_NAMESPACE, text(job, "/metadata/namespace").to_owned()),
        (JOB_QUEUE, queue(job).to_owned()),
        (keys::TASK_SPEC, task.name.clone()),
        (keys::TASK_INDEX, index.to_string()),
    ] {
        new["metadata"]["labels"][key] = json!(value);
    }
    if let Some(size) = count(task.task, "/partitionPolicy/partitionSize").filter(|&size| size > 0) {
        new["metadata"]["labels"][PARTITION] = json!((index / size).to_string());
    }
    let spec = &job["spec"];
    new["spec"]["schedulerName"] = match text(job, "/spec/schedulerName") {
        "" => json!("volcano"),
        name => json!(name),
    };
    if text(&new, "/spec/priorityClassName").is_empty() && !text(job, "/spec/priorityClassName").is_empty() {
        new["spec"]["priorityClassName"] = spec["priorityClassName"].clone();
    }
    if spec["plugins"].get("svc").is_some() {
        new["spec"]["hostname"] = json!(name);
        new["spec"]["subdomain"] = json!(job_name);
    }
    new
}
