//! What is said of a gang that waits because of its rules about other pods: they stand in the way, not the resources.

use crate::binary::simulate;
use serde_json::{Value, json};

fn node(name: &str, rack: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": name, "labels": { "rack": rack, "kubernetes.io/hostname": name } },
        "status": { "allocatable": { "pods": "110", "nvidia.com/gpu": "8" } },
    })
}

fn group(spec: Value) -> Value {
    json!({
        "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup",
        "metadata": { "name": "g", "namespace": "default" }, "spec": spec,
    })
}

/// One of four pods, with this in its spec; `ports` go to its container.
fn pod(index: usize, spec: &Value, gpus: u32) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("g-{index}"), "namespace": "default",
            "labels": { "app": "g", "part": (index / 2).to_string() },
            "annotations": { "scheduling.k8s.io/group-name": "g" },
        },
        "spec": { "schedulerName": "volcano", "containers": [{
            "name": "c", "resources": { "limits": { "nvidia.com/gpu": gpus.to_string() } },
        }]},
    });
    for (field, value) in spec.as_object().unwrap() {
        match field.as_str() {
            "ports" => pod["spec"]["containers"][0]["ports"] = value.clone(),
            _ => pod["spec"][field] = value.clone(),
        }
    }
    pod
}

/// What is said of the gang.
fn said(documents: &[Value]) -> String {
    let input: Vec<String> = documents.iter().map(Value::to_string).collect();
    let answer = simulate(&["-"], &input.join("\n---\n"));
    assert_eq!(answer.code, 0, "{}", answer.err);
    let said = answer.out.lines().find_map(|line| line.strip_prefix("default/g: "));
    said.unwrap_or("").to_owned()
}

/// Nodes with 8 GPUs, so many in each rack, and a gang of 4 with this in the specs of its pods.
fn check(racks: &[usize], spec: Value, gpus: u32, expect: &str) {
    let names = racks.iter().enumerate().flat_map(|(rack, &nodes)| (0..nodes).map(move |node| (rack, node)));
    let mut documents: Vec<Value> =
        names.map(|(rack, at)| node(&format!("n{rack}{at}"), &format!("r{rack}"))).collect();
    documents.push(group(json!({ "minMember": 4 })));
    documents.extend((0..4).map(|index| pod(index, &spec, gpus)));
    assert_eq!(said(&documents), expect, "{racks:?} {spec}");
}

fn near(kind: &str, topology_key: &str) -> Value {
    let term = json!({ "topologyKey": topology_key, "labelSelector": { "matchLabels": { "app": "g" } } });
    json!({ "affinity": { kind: { "requiredDuringSchedulingIgnoredDuringExecution": [term] } } })
}

#[test]
fn a_gang_in_its_own_way_is_told_which_rule_it_is() {
    check(
        &[3, 3],
        near("podAffinity", "rack"),
        8,
        "fits 3 of 4 pods in the cluster; for the next, 6 nodes: 3 short of nvidia.com/gpu, 3 not matching the pod \
         affinity; would fit with a looser pod affinity, or with a minimum of 3",
    );
    check(
        &[3, 3],
        near("podAntiAffinity", "rack"),
        8,
        "fits 2 of 4 pods in the cluster; for the next, 6 nodes: 4 excluded by pod anti-affinity, 2 short of \
         nvidia.com/gpu; would fit with a looser pod anti-affinity, or with a minimum of 2",
    );
    let spread = json!({
        "maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "app": "g" } },
    });
    check(
        &[3, 1],
        json!({ "topologySpreadConstraints": [spread] }),
        8,
        "fits 3 of 4 pods in the cluster; for the next, 4 nodes: 3 short of nvidia.com/gpu, 1 excluded by topology \
         spread; would fit with a looser topology spread, or with a minimum of 3",
    );
    check(
        &[1, 1],
        json!({ "ports": [{ "containerPort": 80, "hostPort": 8080 }] }),
        1,
        "fits 2 of 4 pods in the cluster; for the next, 2 nodes: 2 with the host port taken; would fit with no host \
         port, or with a minimum of 2",
    );
}

/// Each of two racks has one node, and takes one of the two pods that a subgroup needs to be placed at all.
#[test]
fn subgroups_in_their_own_way_are_told_so_though_none_is_whole() {
    let mut documents: Vec<Value> = Vec::new();
    for name in ["n0", "n1"] {
        let member = json!({ "type": "Node", "selector": { "exactMatch": { "name": name } } });
        documents.push(node(name, name));
        documents.push(json!({
            "apiVersion": "topology.volcano.sh/v1alpha1", "kind": "HyperNode",
            "metadata": { "name": format!("rack-{name}") }, "spec": { "tier": 1, "members": [member] },
        }));
    }
    let policy = json!({
        "name": "p", "subGroupSize": 2, "minSubGroups": 2, "matchLabelKeys": ["part"],
        "networkTopology": { "mode": "hard", "highestTierAllowed": 1 },
    });
    documents.push(group(json!({ "minMember": 4, "subGroupPolicy": [policy] })));
    let apart = near("podAntiAffinity", "kubernetes.io/hostname");
    documents.extend((0..4).map(|index| pod(index, &apart, 1)));
    let expect = "fits 2 of 4 pods in the cluster; for the next, 2 nodes: 2 excluded by pod anti-affinity; would fit with a \
                  looser pod anti-affinity";
    assert_eq!(said(&documents), expect);
}

/// Neither a looser rule nor more room would do alone where there are two racks and three nodes for four pods; both are in
/// the way.
#[test]
fn a_rule_that_is_not_alone_in_the_way_is_a_cause_and_no_remedy() {
    check(
        &[1, 2],
        near("podAntiAffinity", "rack"),
        8,
        "fits 2 of 4 pods in the cluster; for the next, 3 nodes: 2 short of nvidia.com/gpu, 1 excluded by pod \
         anti-affinity; would fit with a minimum of 2",
    );
}

#[test]
fn where_room_is_short_the_rules_are_not_to_blame() {
    check(
        &[1, 1],
        json!({}),
        8,
        "fits 2 of 4 pods in the cluster; would fit with room for 2 more pods (nvidia.com/gpu) in the cluster, on nodes to \
         be added, or with a minimum of 2",
    );
}
