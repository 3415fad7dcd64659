//! From a case to the manifests that a cluster would get.

use crate::case::{Case, Cluster, Limit, Pod, Rule, Subgroup};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// All objects of a case, as a `List`.
pub(crate) fn of(cluster: &Cluster, case: &Case) -> Value {
    let mut items = Vec::new();
    for nodes in &cluster.nodes {
        for name in &nodes.names.0 {
            let mut labels = nodes.labels.clone();
            labels.insert("kubernetes.io/hostname".to_owned(), name.clone());
            let capacity = json!({"cpu": nodes.cpu, "memory": nodes.memory, "pods": nodes.pods});
            items.push(json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {"name": name, "labels": labels},
                "status": {
                    "capacity": capacity, "allocatable": capacity,
                    "conditions": [{"type": "Ready", "status": "True"}],
                },
            }));
            if let Some(taken) = &nodes.taken {
                items.push(json!({
                    "apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": format!("system-{name}"), "namespace": "kube-system"},
                    "spec": {
                        "nodeName": name, "schedulerName": "default-scheduler",
                        "containers": [container(json!({"cpu": taken.cpu, "memory": taken.memory}))],
                    },
                    "status": {"phase": "Running"},
                }));
            }
        }
    }
    for domain in &cluster.domains {
        let member =
            |kind: &str, name: &String| json!({"type": kind, "selector": {"exactMatch": {"name": name}}});
        let nodes = domain.nodes.0.iter().map(|name| member("Node", name));
        let members: Vec<Value> =
            nodes.chain(domain.domains.0.iter().map(|name| member("HyperNode", name))).collect();
        let mut spec = json!({"tier": domain.tier, "members": members});
        if !domain.tier_name.is_empty() {
            spec["tierName"] = json!(domain.tier_name);
        }
        items.push(json!({
            "apiVersion": "topology.volcano.sh/v1alpha1", "kind": "HyperNode",
            "metadata": {"name": domain.name}, "spec": spec,
        }));
    }
    let queues: BTreeSet<&String> = case.gangs.iter().filter_map(|gang| gang.queue.as_ref()).collect();
    for queue in queues {
        items.push(json!({
            "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "Queue",
            "metadata": {"name": queue}, "spec": {"weight": 1},
        }));
    }
    for gang in &case.gangs {
        let mut spec =
            json!({"minMember": gang.min_member, "queue": gang.queue.as_deref().unwrap_or("default")});
        if !gang.min_task_member.is_empty() {
            spec["minTaskMember"] = json!(gang.min_task_member);
        }
        if let Some(rule) = &gang.topology {
            spec["networkTopology"] = topology(rule);
        }
        if !gang.subgroups.is_empty() {
            spec["subGroupPolicy"] = gang.subgroups.iter().map(subgroup).collect();
        }
        items.push(json!({
            "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup",
            "metadata": {"name": gang.name, "namespace": "default"}, "spec": spec,
        }));
    }
    items.extend(case.all_pods().map(|it| pod(&it)));
    if let Some(name) = &case.recreate {
        let again = case.all_pods().find(|pod| pod.name == name).expect("recreate names a pod");
        items.push(json!({
            "apiVersion": "simulation.phalanx.dev/v1alpha1", "kind": "Simulation",
            "metadata": {"name": "recreate"},
            "spec": {"timeline": [
                {"at": "1m", "delete": {"kind": "Pod", "name": name}},
                {"at": "2m", "apply": pod(&again)},
            ]},
        }));
    }
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn topology(rule: &Rule) -> Value {
    match rule {
        Rule::Soft => json!({"mode": "soft"}),
        Rule::Hard(Limit::Unnamed) => json!({"mode": "hard"}),
        Rule::Hard(Limit::Tier(tier)) => json!({"mode": "hard", "highestTierAllowed": tier}),
        Rule::Hard(Limit::Name(name)) => json!({"mode": "hard", "highestTierName": name}),
    }
}

fn subgroup(kind: &Subgroup) -> Value {
    let mut policy = json!({
        "name": kind.name, "matchLabelKeys": kind.match_label_keys, "subGroupSize": kind.size,
    });
    if kind.minimum > 0 {
        policy["minSubGroups"] = json!(kind.minimum);
    }
    if !kind.label_selector.is_empty() {
        policy["labelSelector"] = json!({"matchLabels": kind.label_selector});
    }
    if let Some(rule) = &kind.topology {
        policy["networkTopology"] = topology(rule);
    }
    policy
}

fn pod(pod: &Pod<'_>) -> Value {
    let requests = json!({"cpu": pod.spec.cpu, "memory": pod.spec.memory});
    let mut value = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": pod.name, "namespace": "default", "labels": pod.labels()},
        "spec": {"schedulerName": "volcano", "containers": [container(requests)]},
    });
    if let Some(gang) = pod.gang {
        value["metadata"]["annotations"] = json!({"scheduling.k8s.io/group-name": gang.name});
    }
    if !pod.spec.node_selector.is_empty() {
        value["spec"]["nodeSelector"] = json!(pod.spec.node_selector);
    }
    if let Some(node) = pod.node {
        value["spec"]["nodeName"] = json!(node);
        value["status"] = json!({"phase": "Running"});
    }
    if pod.spec.deleting {
        value["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        value["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    }
    value
}

fn container(requests: Value) -> Value {
    json!({"name": "main", "image": "registry.example/main:1", "resources": {"requests": requests}})
}
