//! From a case to the manifests that a cluster would get.

use super::form::{Amounts, Case, Demand, HyperNode, Node, Pod, PodGroup, Queue};
use phalanx::api::time::{Timestamp, parse_span};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// When the simulation starts.
const START: &str = "2026-06-01T12:00:00Z";

/// The configuration that allows what the case allows.
pub(crate) fn configuration(case: &Case) -> String {
    let has = |names: &[&str]| case.actions.iter().any(|action| names.contains(&action.as_str()));
    format!(
        "sharing: {{reclaim: {}, preempt: {}, consolidate: {}}}\n",
        has(&["reclaim", "gangreclaim"]),
        has(&["preempt", "gangpreempt"]),
        has(&["consolidate"])
    )
}

/// All objects of a case, as a `List`.
pub(crate) fn of(case: &Case) -> Value {
    let mut items = Vec::new();
    let queues = case.queues.iter().chain(&case.candidate);
    items.extend(queues.enumerate().map(|(age, it)| queue(it, age)));
    items.extend(case.nodes.iter().map(node));
    items.extend(case.hypernodes.iter().map(hyper_node));
    let priorities: BTreeSet<i32> = case
        .pod_groups
        .iter()
        .filter_map(|group| group.priority)
        .chain(case.pods.iter().filter_map(|pod| pod.priority))
        .collect();
    items.extend(priorities.into_iter().map(|value| {
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": format!("priority-{value}")}, "value": value})
    }));
    items.extend(case.pod_groups.iter().enumerate().map(|(age, it)| group(it, age)));
    items.extend(case.pods.iter().map(|it| pod(case, it)));
    items.extend(case.pdbs.iter().map(|budget| {
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": budget.name, "namespace": "default"},
            "spec": {"selector": {"matchLabels": budget.selector}},
            "status": {"disruptionsAllowed": budget.disruptions_allowed}})
    }));
    items.extend(case.demand.iter().enumerate().flat_map(|(at, it)| demand(it, at)));
    let mut spec = json!({"start": START});
    if case.kind != "settle" {
        spec["until"] = json!("1s");
    }
    items.push(json!({"apiVersion": "simulation.phalanx.dev/v1alpha1", "kind": "Simulation",
        "metadata": {"name": "case"}, "spec": spec}));
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// So long before the start, and later by the age in the list.
fn before(span: &str, age: usize) -> String {
    let span = parse_span(span).expect("a span").as_secs() as i64;
    Timestamp::parse(START).expect("a time").plus(age as i64 - span).to_string()
}

fn queue(queue: &Queue, age: usize) -> Value {
    let mut annotations = json!({});
    for (action, span) in &queue.min_runtime {
        annotations[format!("phalanx.dev/min-runtime-{action}")] = json!(span);
    }
    let guarantee = queue.guarantee.as_ref().map(|amounts| json!({"resource": amounts}));
    let spec = json!({
        "parent": queue.parent, "weight": queue.weight, "priority": queue.priority,
        "capability": queue.capability, "deserved": queue.deserved, "guarantee": guarantee,
        "reclaimable": queue.reclaimable, "dequeueStrategy": queue.dequeue_strategy,
    });
    json!({
        "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "Queue",
        "metadata": {"name": queue.name, "annotations": annotations, "creationTimestamp": before("24h", age)},
        "spec": without_null(spec), "status": {"state": queue.state.as_deref().unwrap_or("Open")},
    })
}

fn node(node: &Node) -> Value {
    let mut cap = node.cap.clone();
    cap.entry("pods".to_owned()).or_insert_with(|| "110".to_owned());
    let mut labels = node.labels.clone();
    labels.insert("kubernetes.io/hostname".to_owned(), node.name.clone());
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name, "labels": labels},
        "status": {"capacity": cap, "allocatable": cap, "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn hyper_node(domain: &HyperNode) -> Value {
    let member =
        |kind: &str, name: &String| json!({"type": kind, "selector": {"exactMatch": {"name": name}}});
    let nodes = domain.nodes.iter().map(|name| member("Node", name));
    let members: Vec<Value> =
        nodes.chain(domain.children.iter().map(|name| member("HyperNode", name))).collect();
    json!({
        "apiVersion": "topology.volcano.sh/v1alpha1", "kind": "HyperNode",
        "metadata": {"name": domain.name}, "spec": {"tier": domain.tier, "members": members},
    })
}

fn group(group: &PodGroup, age: usize) -> Value {
    let mut spec = json!({"minMember": group.min_member, "queue": group.queue});
    if !group.min_task_member.is_empty() {
        spec["minTaskMember"] = json!(group.min_task_member);
    }
    if let Some(topology) = &group.topology {
        spec["networkTopology"] =
            without_null(json!({"mode": topology.mode, "highestTierAllowed": topology.tier}));
    }
    let class = group.priority_class.clone().or(group.priority.map(|value| format!("priority-{value}")));
    spec["priorityClassName"] = json!(class);
    let mut annotations = json!({});
    if let Some(delay) = &group.preemption_delay {
        annotations["phalanx.dev/preemption-delay"] = json!(delay);
    }
    let mut labels = json!({});
    if let Some(preemptable) = group.preemptable {
        labels["volcano.sh/preemptable"] = json!(preemptable.to_string());
    }
    json!({
        "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup",
        "metadata": {
            "name": group.name, "namespace": group.ns.as_deref().unwrap_or("default"),
            "labels": labels, "annotations": annotations,
            "creationTimestamp": before(group.waited.as_deref().unwrap_or("1h"), age),
        },
        "spec": without_null(spec),
    })
}

fn pod(case: &Case, pod: &Pod) -> Value {
    let group = pod.group.as_ref().and_then(|name| case.pod_groups.iter().find(|group| group.name == *name));
    let mut labels = pod.labels.clone();
    if let Some(role) = &pod.role {
        labels.insert("volcano.sh/task-spec".to_owned(), role.clone());
    }
    let mut annotations = pod.annotations.clone();
    if let Some(name) = &pod.group {
        annotations.insert("scheduling.k8s.io/group-name".to_owned(), name.clone());
    }
    if let Some(preemptable) = pod.preemptable {
        annotations.insert("volcano.sh/preemptable".to_owned(), preemptable.to_string());
    }
    let class = pod.priority_class.clone().or(pod.priority.map(|value| format!("priority-{value}")));
    let mut value = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": pod.name, "namespace": pod.ns.as_deref().unwrap_or("default"),
            "labels": labels, "annotations": annotations,
            // What makes pods is not among the objects: what is lost comes back.
            "ownerReferences": [{"apiVersion": "kubeflow.org/v1", "kind": "TrainJob", "name": pod.group.as_deref().unwrap_or("other"),
                "uid": "00000000-0000-0000-0000-000000000001", "controller": true}],
        },
        "spec": without_null(json!({
            "schedulerName": if pod.group.is_some() { "volcano" } else { "default-scheduler" },
            "nodeSelector": pod.node_selector, "priorityClassName": class, "preemptionPolicy": pod.preemption_policy,
            "nodeName": pod.node, "containers": [container(&pod.req)],
        })),
        "status": {"phase": pod.phase.as_deref().unwrap_or("Pending")},
    });
    if pod.node.is_some() {
        let started = before(group.and_then(|group| group.running_for.as_deref()).unwrap_or("1h"), 0);
        value["status"]["startTime"] = json!(started);
        value["status"]["conditions"] = json!([
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": started},
            {"type": "Ready", "status": "True", "lastTransitionTime": started},
        ]);
    }
    if let Some(node) = &pod.nominated {
        value["status"]["nominatedNodeName"] = json!(node);
    }
    if pod.deleting {
        let gone_by = if pod.stuck { before("1h", 0) } else { before("0s", 30) };
        value["metadata"]["deletionTimestamp"] = json!(gone_by);
        value["metadata"]["deletionGracePeriodSeconds"] = json!(30);
        if pod.stuck {
            value["metadata"]["finalizers"] = json!(["example.com/stuck"]);
        }
    }
    value
}

/// A gang of one of a kind of pods, as many as the queue asks for.
fn demand(demand: &Demand, at: usize) -> Vec<Value> {
    let name = format!("demand-{at}");
    let group = json!({
        "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup",
        "metadata": {"name": name, "namespace": "default", "creationTimestamp": before("1h", at)},
        "spec": {"minMember": 0, "queue": demand.queue},
    });
    let mut items = vec![group];
    for (resource, amount) in &demand.request {
        let pieces: usize = amount.parse().expect("a number of pieces");
        for piece in 0..pieces {
            items.push(json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": format!("{name}-{}-{piece}", resource.replace(['/', '.'], "-")), "namespace": "default",
                    "annotations": {"scheduling.k8s.io/group-name": name},
                },
                "spec": {"schedulerName": "volcano",
                    "containers": [container(&Amounts::from([(resource.clone(), "1".to_owned())]))]},
            }));
        }
    }
    items
}

fn container(requests: &Amounts) -> Value {
    json!({"name": "main", "image": "registry.example/main:1", "resources": {"requests": requests, "limits": requests}})
}

fn without_null(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
    value
}
