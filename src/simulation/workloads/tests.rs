//! Workloads come to the pods that a cluster would have.

use super::*;
use serde_json::json;

fn observe<'a>(workload: &'a Value, owned: &'a [Value]) -> Observed<'a> {
    Observed { workload, owned: owned.iter().collect(), serial: 0 }
}

fn deployment(replicas: u32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "default", "uid": "u"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "d"}},
            "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": image}]}},
        },
    })
}

/// A ReplicaSet as an API server keeps it: with defaults.
fn replica_set(name: &str, image: &str, replicas: u32, available: u32) -> Value {
    let container = json!({"name": "c", "image": image, "imagePullPolicy": "Always", "resources": {}});
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {
            "replicas": replicas,
            "template": {
                "metadata": {"labels": {"app": "d", "pod-template-hash": name}},
                "spec": {"containers": [container], "restartPolicy": "Always"},
            },
        },
        "status": {"replicas": replicas, "availableReplicas": available},
    })
}

/// The sizes that a Deployment gives to its ReplicaSets; new ones have no name yet.
fn sizes(deployment: &Value, sets: &[Value]) -> Vec<(String, u64)> {
    let changes = reconcile(&Kind::Deployment, &observe(deployment, sets));
    let sizes = changes.into_iter().filter_map(|change| match change {
        WorkloadChange::Create(set) => Some(("new".to_owned(), set["spec"]["replicas"].as_u64().unwrap())),
        WorkloadChange::Spec(key, spec) => Some((key.name.to_string(), spec["replicas"].as_u64().unwrap())),
        _ => None,
    });
    sizes.collect()
}

#[test]
fn a_deployment_rolls_out_within_its_budget() {
    let check = |deployment: &Value, sets: &[Value], expect: &[(&str, u64)]| {
        let expect: Vec<(String, u64)> =
            expect.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
        assert_eq!(sizes(deployment, sets), expect);
    };
    check(&deployment(4, "i:1"), &[], &[("new", 4)]);
    check(&deployment(4, "i:1"), &[replica_set("a", "i:1", 4, 4)], &[]);
    check(&deployment(2, "i:1"), &[replica_set("a", "i:1", 4, 4)], &[("a", 2)]);
    // 25 % of 4 above and below.
    let old = replica_set("a", "i:1", 4, 4);
    check(&deployment(4, "i:2"), std::slice::from_ref(&old), &[("new", 1)]);
    check(&deployment(4, "i:2"), &[old, replica_set("b", "i:2", 1, 0)], &[("a", 3)]);
    check(
        &deployment(4, "i:2"),
        &[replica_set("a", "i:1", 3, 3), replica_set("b", "i:2", 1, 1)],
        &[("b", 2), ("a", 2)],
    );
    check(&deployment(4, "i:2"), &[replica_set("a", "i:1", 0, 0), replica_set("b", "i:2", 4, 4)], &[]);
}

#[test]
fn an_indexed_job_fills_the_lowest_open_indexes() {
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "default", "uid": "u"},
        "spec": {"completions": 4, "parallelism": 2, "completionMode": "Indexed", "template": {"spec": {"containers": []}}},
    });
    let pod = |index: &str, phase: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("j-{index}-x"), "namespace": "default", "uid": index,
                "annotations": {"batch.kubernetes.io/job-completion-index": index},
            },
            "status": {"phase": phase},
        })
    };
    let check = |pods: &[Value], expect: &[&str]| {
        let changes = reconcile(&Kind::Job, &observe(&job, pods));
        let created = changes.iter().filter_map(|change| match change {
            WorkloadChange::Create(pod) => {
                pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"].as_str()
            }
            _ => None,
        });
        assert_eq!(created.collect::<Vec<_>>(), expect);
    };
    check(&[], &["0", "1"]);
    check(&[pod("0", "Running"), pod("1", "Succeeded")], &["2"]);
    check(&[pod("0", "Failed"), pod("1", "Running")], &["0"]);
    let done = ["0", "1", "2", "3"].map(|index| pod(index, "Succeeded"));
    check(&done, &[]);
}
