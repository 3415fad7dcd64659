//! What is said of a gang that waits because of its rules about other pods: they stand in the way, not the resources.

use crate::binary::simulate;
use serde_json::{Value, json};

/// Nodes with 8 GPUs, so many in each rack, and a gang of 4 with this in the specs of its pods; the first sentence.
fn check(racks: &[usize], spec: Value, gpus: u32, expect: &str) {
    let mut documents = Vec::new();
    for (rack, &nodes) in racks.iter().enumerate() {
        for node in 0..nodes {
            documents.push(json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": { "name": format!("n{rack}{node}"), "labels": { "rack": format!("r{rack}") } },
                "status": { "allocatable": { "pods": "110", "nvidia.com/gpu": "8" } },
            }));
        }
    }
    documents.push(json!({
        "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup",
        "metadata": { "name": "g", "namespace": "default" }, "spec": { "minMember": 4 },
    }));
    for pod in 0..4 {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("g-{pod}"), "namespace": "default", "labels": { "app": "g" },
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
        documents.push(pod);
    }
    let input: Vec<String> = documents.iter().map(Value::to_string).collect();
    let answer = simulate(&["-"], &input.join("\n---\n"));
    let said = answer.out.lines().find_map(|line| line.strip_prefix("default/g: ")).unwrap_or("");
    assert_eq!((answer.code, said), (0, expect), "{racks:?} {spec}");
}

fn near(kind: &str) -> Value {
    let term = json!({ "topologyKey": "rack", "labelSelector": { "matchLabels": { "app": "g" } } });
    json!({ "affinity": { kind: { "requiredDuringSchedulingIgnoredDuringExecution": [term] } } })
}

#[test]
fn a_gang_in_its_own_way_is_told_which_rule_it_is() {
    check(
        &[3, 3],
        near("podAffinity"),
        8,
        "fits 3 of 4 pods in the cluster; for the next, 6 nodes: 3 short of nvidia.com/gpu, 3 not matching the pod \
         affinity; would fit with a looser pod affinity, or with a minimum of 3",
    );
    check(
        &[3, 3],
        near("podAntiAffinity"),
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

#[test]
fn where_room_is_short_the_rules_are_not_to_blame() {
    check(
        &[1, 2],
        near("podAntiAffinity"),
        8,
        "fits 2 of 4 pods in the cluster; would fit with room for 2 more pods (nvidia.com/gpu) in the cluster, or with a \
         minimum of 2",
    );
    check(
        &[1, 1],
        json!({}),
        8,
        "fits 2 of 4 pods in the cluster; would fit with room for 2 more pods (nvidia.com/gpu) in the cluster, or with a \
         minimum of 2",
    );
}
