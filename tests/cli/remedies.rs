//! What is said of gangs that wait, and what is said to help: situations from the field, each with what is right.

use crate::binary::{Answer, simulate};
use serde_json::{Value, json};

fn node(name: &str, resource: &str, amount: u64, spec: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": name, "labels": { "gpu": "a100" } }, "spec": spec,
        "status": {
            "allocatable": { "cpu": "64", "memory": "512Gi", "pods": "110", resource: amount },
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    })
}

fn gpu_node(name: &str, spec: Value) -> Value {
    node(name, "nvidia.com/gpu", 8, spec)
}

fn rack(name: &str, nodes: &[&str]) -> Value {
    let member = |name: &&str| json!({ "type": "Node", "selector": { "exactMatch": { "name": name } } });
    let members: Vec<Value> = nodes.iter().map(member).collect();
    json!({
        "apiVersion": "topology.volcano.sh/v1alpha1", "kind": "HyperNode",
        "metadata": { "name": name }, "spec": { "tier": 1, "members": members },
    })
}

fn group(spec: Value) -> Value {
    json!({
        "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup",
        "metadata": { "name": "g", "namespace": "default" }, "spec": spec,
    })
}

/// A pod of the gang with so many GPUs; what `change` has replaces what it has.
fn pod(name: &str, gpus: u32, change: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "default", "labels": { "app": "g" },
            "annotations": { "scheduling.k8s.io/group-name": "g" },
        },
        "spec": { "schedulerName": "volcano", "containers": [{
            "name": "c", "image": "i", "resources": { "limits": { "nvidia.com/gpu": gpus } },
        }]},
    });
    merge(&mut pod, &change);
    pod
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn pods(count: usize, gpus: u32, change: &Value) -> Vec<Value> {
    (0..count).map(|index| pod(&format!("g-{index}"), gpus, change.clone())).collect()
}

fn run(documents: &[Value], arguments: &[&str]) -> Answer {
    let input: Vec<String> = documents.iter().map(Value::to_string).collect();
    simulate(&[arguments, &["-"]].concat(), &input.join("\n---\n"))
}

/// The sentence about PodGroup or pod `default/g` has all of these parts, and none of those.
fn check(documents: &[Value], has: &[&str], has_not: &[&str]) {
    let answer = run(documents, &[]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let said = answer.out.lines().find(|line| line.starts_with("default/g"));
    let said = said.unwrap_or_else(|| panic!("nothing is said:\n{}", answer.out));
    for part in has {
        assert!(said.contains(part), "{part:?} is missing in: {said}");
    }
    for part in has_not {
        assert!(!said.contains(part), "{part:?} is in: {said}");
    }
}

const HARD: fn() -> Value =
    || json!({ "minMember": 4, "networkTopology": { "mode": "hard", "highestTierAllowed": 1 } });

#[test]
fn the_cordon_of_kubectl_is_one_cause_with_its_taint() {
    let taint = json!({ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" });
    let cordoned = gpu_node("n0", json!({ "unschedulable": true, "taints": [taint] }));
    let mut documents = vec![cordoned, gpu_node("n1", json!({})), group(json!({ "minMember": 2 }))];
    documents.extend(pods(2, 8, &json!({})));
    check(&documents, &["2 nodes: 1 cordoned", "would fit with uncordon n0"], &["tainted", "tolerate"]);
}

#[test]
fn a_node_that_is_not_ready_is_named_though_it_is_tainted_for_it() {
    let taint = json!({ "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" });
    let mut lost = gpu_node("n0", json!({ "taints": [taint] }));
    lost["status"]["conditions"][0]["status"] = json!("False");
    let mut documents = vec![lost, gpu_node("n1", json!({})), group(json!({ "minMember": 2 }))];
    documents.extend(pods(2, 8, &json!({})));
    check(&documents, &["2 nodes: 1 not ready", "would fit with n0 ready again"], &["tainted", "tolerate"]);
}

#[test]
fn idle_nodes_in_no_domain_are_counted_and_named() {
    let names = ["w1", "w2", "w3", "w4"];
    let mut documents: Vec<Value> = names.iter().map(|name| gpu_node(name, json!({}))).collect();
    documents.extend([rack("leaf-a", &["w1", "w2"]), group(HARD())]);
    documents.extend(pods(4, 8, &json!({})));
    check(
        &documents,
        &[
            "fits 2 of 4 pods at tier 1 (leaf-a)",
            "4 nodes: 2 in no domain of tier 1",
            "w3 and w4 added to leaf-a",
        ],
        &[],
    );
}

#[test]
fn no_room_is_offered_to_a_pod_that_no_node_could_take() {
    let alone = json!({ "metadata": { "annotations": Value::Null } });
    let large = pod("g", 16, alone.clone());
    let documents = [gpu_node("n0", json!({})), gpu_node("n1", json!({})), large];
    check(&documents, &["a pod asks for 16 nvidia.com/gpu, the largest node has 8"], &["room", "would fit"]);
    // A sidecar counts beside the container.
    let side = |name: &str, gpus: u32| {
        json!({ "name": name, "image": "i", "restartPolicy": "Always",
            "resources": { "limits": { "nvidia.com/gpu": gpus } } })
    };
    let mut both = pod("g", 8, alone.clone());
    both["spec"]["initContainers"] = json!([side("cache", 8)]);
    check(
        &[gpu_node("n0", json!({})), both.clone()],
        &["asks for 16 nvidia.com/gpu (8 of them for the sidecar cache), the largest node has 8"],
        &["room"],
    );
    both["spec"]["initContainers"] = json!([side("cache", 2), side("proxy", 1)]);
    check(
        &[gpu_node("n0", json!({})), both],
        &[
            "asks for 11 nvidia.com/gpu (2 of them for the sidecar cache and 1 for the sidecar proxy), the largest",
        ],
        &["room"],
    );
    let mut other = pod("g", 1, alone);
    other["spec"]["containers"][0]["resources"] = json!({ "limits": { "nvidia.com/gpux": 1 } });
    check(
        &[gpu_node("n0", json!({})), other],
        &["no node offers nvidia.com/gpux", "did you mean nvidia.com/gpu?"],
        &["room"],
    );
}

#[test]
fn no_room_is_offered_where_a_selector_or_a_taint_excludes_the_nodes() {
    let selective =
        json!({ "metadata": { "annotations": Value::Null }, "spec": { "nodeSelector": { "gpu": "h100" } } });
    let documents = [gpu_node("n0", json!({})), pod("g", 8, selective)];
    check(
        &documents,
        &[
            "no node has the label gpu: h100",
            "1 not matching the node selector",
            "would fit with 1 more node like n0 that matches the node selector, or with no nodeSelector",
        ],
        &["room"],
    );
    let tainted = gpu_node("n0", json!({ "taints": [{ "key": "team", "effect": "NoSchedule" }] }));
    let alone = json!({ "metadata": { "annotations": Value::Null } });
    check(&[tainted, pod("g", 8, alone)], &["would fit with tolerate taint team"], &["room"]);
}

/// What nodes have in place of a label that none has; topology keys of rules about other pods are labels as well.
#[test]
fn a_label_that_no_node_has_is_told_with_what_nodes_have() {
    let alone = |spec: Value| json!({ "metadata": { "annotations": Value::Null }, "spec": spec });
    let one = |spec: Value, has: &[&str]| {
        check(&[gpu_node("n0", json!({})), pod("g", 8, alone(spec))], has, &["for the next"]);
    };
    one(
        json!({ "nodeSelector": { "gpu": "h100" } }),
        &["no node has the label gpu: h100 (nodes have gpu: a100)"],
    );
    one(
        json!({ "nodeSelector": { "GPU": "a100" } }),
        &["no node has the label GPU: a100 (did you mean gpu?)"],
    );
    let spread = json!([{ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "app": "g" } } }]);
    one(
        json!({ "topologySpreadConstraints": spread }),
        &["no node has the label zone; 1 node: 1 excluded by topology spread"],
    );
}

#[test]
fn fields_that_name_what_is_not_there_are_told_what_is() {
    let tier = json!({ "mode": "hard", "highestTierName": "racks" });
    let mut leaf = rack("leaf-a", &["n0"]);
    leaf["spec"]["tierName"] = json!("rack");
    let mut documents =
        vec![gpu_node("n0", json!({})), leaf, group(json!({ "minMember": 1, "networkTopology": tier }))];
    documents.extend(pods(1, 8, &json!({})));
    check(&documents, &["no HyperNode has tierName racks; did you mean rack?"], &[]);
    let closed = json!({ "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "Queue", "metadata": { "name": "q" },
        "spec": { "weight": 1 }, "status": { "state": "Closed" } });
    let mut documents =
        vec![gpu_node("n0", json!({})), closed, group(json!({ "minMember": 1, "queue": "q" }))];
    documents.extend(pods(1, 8, &json!({})));
    check(&documents, &["queue q is not open; open it or name another"], &[]);
    let role = json!({ "metadata": { "annotations": { "volcano.sh/task-spec": "workers" } } });
    let mut documents =
        vec![gpu_node("n0", json!({})), group(json!({ "minMember": 1, "minTaskMember": { "worker": 1 } }))];
    documents.extend(pods(1, 8, &role));
    check(
        &documents,
        &[
            "0 of 1 pod of role worker exists (spec.minTaskMember); g-0 names role workers; did you mean worker?",
        ],
        &[],
    );
    let policy = json!({ "name": "p", "subGroupSize": 2, "minSubGroups": 1, "matchLabelKeys": ["ring"] });
    let mut documents =
        vec![gpu_node("n0", json!({})), group(json!({ "minMember": 2, "subGroupPolicy": [policy] }))];
    documents.extend(pods(2, 1, &json!({})));
    check(
        &documents,
        &[
            "0 of 1 subgroup of p is whole, with 2 pods each (spec.subGroupPolicy); 2 pods lack the label ring",
        ],
        &[],
    );
}

/// The StatefulSet waits for its pod, and the pod for the others of its gang.
#[test]
fn a_stateful_set_that_makes_pods_in_order_is_told_why_its_gang_never_starts() {
    let container = json!({ "name": "c", "image": "i", "resources": { "limits": { "nvidia.com/gpu": 1 } } });
    let set = |policy: &str| {
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "db", "namespace": "default" },
            "spec": { "replicas": 3, "serviceName": "db", "podManagementPolicy": policy,
                "selector": { "matchLabels": { "app": "db" } },
                "template": {
                    "metadata": { "labels": { "app": "db" }, "annotations": { "scheduling.k8s.io/group-name": "g" } },
                    "spec": { "schedulerName": "volcano", "containers": [container] },
                } },
        })
    };
    let documents = |policy: &str| [gpu_node("n0", json!({})), group(json!({ "minMember": 3 })), set(policy)];
    check(
        &documents("OrderedReady"),
        &["1 of 3 pods exist; StatefulSet db creates its next pod when db-0 is ready, unless its \
           podManagementPolicy is Parallel: create it anew with that, or lower the minimum to 1"],
        &[],
    );
    let answer = run(&documents("Parallel"), &["--require-all"]);
    assert_eq!(answer.code, 0, "{}", answer.out);
}

#[test]
fn one_more_pods_room_is_not_called_two() {
    let policy = json!({ "name": "p", "subGroupSize": 4, "minSubGroups": 1, "matchLabelKeys": ["app"],
        "networkTopology": { "mode": "hard", "highestTierAllowed": 1 } });
    for free in 1..4 {
        let names: Vec<String> = (0..4).map(|index| format!("n{index}")).collect();
        let mut documents: Vec<Value> = names.iter().map(|name| gpu_node(name, json!({}))).collect();
        for name in &names[free..] {
            let on = json!({ "metadata": { "name": format!("o-{name}"), "annotations": Value::Null },
                "spec": { "nodeName": name, "schedulerName": "other" } });
            documents.push(pod("o", 8, on));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        documents
            .extend([rack("rack0", &names), group(json!({ "minMember": 4, "subGroupPolicy": [policy] }))]);
        documents.extend(pods(4, 8, &json!({})));
        let (missing, s) = (4 - free, if free == 3 { "" } else { "s" });
        check(
            &documents,
            &[
                &format!("fits {free} of 4 pods"),
                &format!("room for {missing} more pod{s} (nvidia.com/gpu) in rack0"),
            ],
            &["to be added"],
        );
    }
}

#[test]
fn where_a_domain_is_too_small_its_room_must_be_added() {
    let mut documents: Vec<Value> = ["a", "b", "c"].iter().map(|name| gpu_node(name, json!({}))).collect();
    documents.extend([rack("rack-0", &["a", "b", "c"]), group(HARD())]);
    documents.extend(pods(4, 8, &json!({})));
    check(
        &documents,
        &["fits 3 of 4 pods", "room for 1 more pod (nvidia.com/gpu) in rack-0, on a node to be added"],
        &[],
    );
}

#[test]
fn a_zone_of_a_tainted_node_is_a_remedy_of_a_spread() {
    let mut nodes = ["cp", "wa", "wb"].map(|name| gpu_node(name, json!({})));
    for (index, node) in nodes.iter_mut().enumerate() {
        node["metadata"]["labels"]["zone"] = json!(format!("z{index}"));
    }
    let key = "node-role.kubernetes.io/control-plane";
    nodes[0]["spec"]["taints"] = json!([{ "key": key, "effect": "NoSchedule" }]);
    let spread = json!({ "spec": { "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": { "matchLabels": { "app": "g" } } }] } });
    let mut documents = nodes.to_vec();
    documents.push(group(json!({ "minMember": 4 })));
    documents.extend(pods(4, 1, &spread));
    check(
        &documents,
        &["a looser topology spread", &format!("tolerate taint {key}"), "a minimum of 2"],
        &["room"],
    );
}

#[test]
fn a_gang_that_anti_affinity_keeps_apart_is_not_told_to_find_gpus() {
    let mut documents: Vec<Value> = Vec::new();
    for index in 0..6 {
        let mut node = gpu_node(&format!("n{index}"), json!({}));
        node["metadata"]["labels"]["zone"] = json!(format!("z{}", index / 2));
        documents.push(node);
    }
    let term = json!({ "topologyKey": "zone", "labelSelector": { "matchLabels": { "app": "g" } } });
    let apart = json!({ "spec": { "affinity": { "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [term] } } } });
    documents.push(group(json!({ "minMember": 7 })));
    documents.extend(pods(7, 8, &apart));
    // Without the rule there would still be a node too few.
    check(&documents, &["fits 3 of 7 pods", "would fit with a minimum of 3"], &["room", "looser"]);
    documents.retain(|document| document["metadata"]["name"] != "g-6" && document["kind"] != "PodGroup");
    documents.push(group(json!({ "minMember": 6 })));
    check(&documents, &["would fit with a looser pod anti-affinity, or with a minimum of 3"], &["room"]);
}

#[test]
fn members_that_failed_are_neither_scheduled_nor_missing() {
    let on = json!({ "spec": { "nodeName": "n0" }, "status": { "phase": "Failed" } });
    let documents = [
        gpu_node("n0", json!({})),
        group(json!({ "minMember": 3 })),
        pod("g-0", 4, on.clone()),
        pod("g-1", 4, on),
        pod("g-2", 4, json!({})),
    ];
    check(&documents, &["1 of 3 pods can run: g-0 and g-1 have failed"], &["exist"]);
    let report: Value = serde_json::from_str(&run(&documents, &["--output", "json"]).out).unwrap();
    assert_eq!(report["podGroups"][0]["scheduled"], 0);
}

/// A gang that runs is not said to fit nowhere.
#[test]
fn pods_beyond_the_minimum_are_told_to_be_that() {
    let mut documents =
        vec![gpu_node("n0", json!({})), gpu_node("n1", json!({})), group(json!({ "minMember": 2 }))];
    documents.extend(pods(4, 8, &json!({})));
    check(&documents, &["g: beyond its minimum, fits 0 of 2 pods in the cluster"], &["a minimum of"]);
}

#[test]
fn members_that_ask_for_another_scheduler_are_named() {
    let documents = [
        gpu_node("n0", json!({})),
        group(json!({ "minMember": 3 })),
        pod("g-0", 1, json!({})),
        pod("g-1", 1, json!({ "spec": { "schedulerName": "vocalno" } })),
        pod("g-2", 1, json!({ "spec": { "schedulerName": Value::Null } })),
    ];
    check(
        &documents,
        &["1 of 3 pods name this scheduler; g-1 names vocalno, g-2 default-scheduler"],
        &["exist"],
    );
}

#[test]
fn pods_without_a_role_are_told_the_label() {
    let mut documents = vec![gpu_node("n0", json!({}))];
    documents.push(group(json!({ "minMember": 6, "minTaskMember": { "prefill": 4, "decode": 2 } })));
    documents.extend(pods(6, 1, &json!({})));
    check(
        &documents,
        &["6 pods name no role; write volcano.sh/task-spec: decode or prefill on them"],
        &["exist"],
    );
}

/// A node dies under a model server, whose role replica is made again only when the pod on it is gone.
#[test]
fn the_pod_that_a_dead_node_keeps_is_named() {
    let container = json!({ "name": "c", "image": "i", "resources": { "limits": { "nvidia.com/gpu": 8 } } });
    let template = json!({ "spec": { "containers": [container] } });
    let role = json!({ "name": "r", "replicas": 1, "workerReplicas": 1,
        "entryTemplate": template, "workerTemplate": template });
    let documents = [
        json!({
            "apiVersion": "simulation.phalanx.dev/v1alpha1", "kind": "Simulation",
            "spec": {
                "nodePools": [{ "name": "h100", "count": 3, "capacity": { "cpu": 64, "nvidia.com/gpu": 8 } }],
                "timeline": [{ "at": "1m", "kill": { "node": "h100-0" } }],
            },
        }),
        json!({
            "apiVersion": "workload.serving.volcano.sh/v1alpha1", "kind": "ModelServing",
            "metadata": { "name": "m", "namespace": "default" },
            "spec": { "schedulerName": "volcano", "replicas": 1, "template": { "roles": [role] } },
        }),
    ];
    let answer = run(&documents, &["--output", "json", "--require-all"]);
    assert_eq!(answer.code, 1, "a replica is missing: {}", answer.err);
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    let group = &report["podGroups"][0];
    assert_eq!(group["reason"], "PodStuckOnNode", "{group}");
    let message = group["message"].as_str().unwrap();
    assert!(message.contains("is being deleted on h100-0, which does not answer"), "{message}");
    assert!(message.contains("node.kubernetes.io/out-of-service"), "{message}");
    let answer = run(&documents, &["--objects"]);
    assert!(answer.out.contains("reason: PodStuckOnNode"), "of the PodGroup and of the ModelServing");
}

/// Remedies stand in JSON as names and numbers.
#[test]
fn programs_read_remedies_as_values() {
    let mut documents = vec![gpu_node("n0", json!({ "unschedulable": true })), gpu_node("n1", json!({}))];
    documents.push(group(json!({ "minMember": 2 })));
    documents.extend(pods(2, 8, &json!({})));
    let report: Value = serde_json::from_str(&run(&documents, &["--output", "json"]).out).unwrap();
    let shortfall = &report["podGroups"][0]["shortfall"];
    let actions: Vec<&Value> = shortfall["actions"].as_array().unwrap().iter().collect();
    assert_eq!(*actions[0], json!({ "kind": "uncordon", "text": "uncordon n0", "nodes": ["n0"] }));
    assert_eq!(actions[1]["kind"], "freeRoom");
    assert_eq!(actions[1]["domains"][0]["requests"]["nvidia.com/gpu"], "8");
    assert_eq!(*actions[2], json!({ "kind": "lowerMinimum", "text": "a minimum of 1", "pods": 1 }));
    let texts: Vec<&Value> = actions.iter().map(|action| &action["text"]).collect();
    assert_eq!(texts, shortfall["remedies"].as_array().unwrap().iter().collect::<Vec<_>>());
}
