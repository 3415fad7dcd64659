//! Volumes that exist already (local disks), chosen for the claims of a gang, through the command line.

use crate::binary::simulate;
use serde_json::{Value, json};

/// Three nodes, a gang of two pods with a claim of 10Gi each, and local volumes of these nodes and sizes.
fn world(volumes: &[(&str, &str, &str)]) -> String {
    let mut objects: Vec<Value> = ["a", "b", "c"]
        .iter()
        .map(|name| {
            json!({ "apiVersion": "v1", "kind": "Node",
                "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
                "status": { "allocatable": { "cpu": "4", "pods": "110" } } })
        })
        .collect();
    objects.push(
        json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "local" },
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer" }),
    );
    for (name, node, size) in volumes {
        let term = json!({ "matchExpressions": [{ "key": "kubernetes.io/hostname", "operator": "In", "values": [node] }] });
        objects.push(json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
            "spec": { "storageClassName": "local", "capacity": { "storage": size }, "accessModes": ["ReadWriteOnce"],
                "local": { "path": "/mnt" }, "nodeAffinity": { "required": { "nodeSelectorTerms": [term] } } } }));
    }
    objects.push(json!({ "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup",
        "metadata": { "name": "g", "namespace": "default" }, "spec": { "minMember": 2 } }));
    for index in 0..2 {
        objects.push(json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": format!("data-{index}"), "namespace": "default" },
            "spec": { "storageClassName": "local", "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "10Gi" } } } }));
        objects.push(json!({ "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": format!("g-{index}"), "namespace": "default",
                "annotations": { "scheduling.k8s.io/group-name": "g" } },
            "spec": { "schedulerName": "volcano",
                "containers": [{ "name": "c", "resources": { "requests": { "cpu": "1" } } }],
                "volumes": [{ "name": "d", "persistentVolumeClaim": { "claimName": format!("data-{index}") } }] } }));
    }
    objects.iter().map(|object| format!("---\n{object}\n")).collect()
}

/// Where each pod is, or nothing.
fn nodes(world: &str) -> (Vec<Option<String>>, String) {
    let answer = simulate(&["-", "--output", "json"], world);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    let pods = report["pods"].as_array().unwrap();
    (pods.iter().map(|pod| pod["node"].as_str().map(str::to_owned)).collect(), answer.out)
}

#[test]
fn each_member_gets_a_volume_of_its_own_the_smallest_that_fits() {
    let world = world(&[
        ("large", "a", "50Gi"),
        ("right", "a", "10Gi"),
        ("small", "b", "5Gi"),
        ("other", "c", "12Gi"),
    ]);
    let (placed, _) = nodes(&world);
    assert!(placed.iter().all(Option::is_some), "{placed:?}");
    let answer = simulate(&["-", "--objects"], &world);
    let bound = |volume: &str| {
        let objects = answer.out.split("---\n").filter(|object| object.contains("kind: PersistentVolume\n"));
        objects
            .filter(|object| {
                object.contains(&format!("\n  name: {volume}\n")) && object.contains("claimRef:")
            })
            .count()
    };
    assert_eq!((bound("right"), bound("small")), (1, 0), "{}", answer.out);
    assert_eq!(bound("large") + bound("other"), 1, "{}", answer.out);
}

#[test]
fn one_volume_is_not_counted_twice() {
    let (placed, report) = nodes(&world(&[("one", "a", "10Gi"), ("small", "b", "5Gi")]));
    assert_eq!(placed, [None, None]);
    assert!(report.contains("fits 1 of 2 pods"), "{report}");
    assert!(report.contains("short of free volumes of class local, 10Gi or more"), "{report}");
}
