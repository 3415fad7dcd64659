//! What is said of fields and marks that nobody reads.

use super::*;
use serde_json::json;

fn check(object: Value, expect: &[(&str, &str)]) {
    let found = notices(&object);
    let found: Vec<(&str, &str)> =
        found.iter().map(|notice| (notice.code, notice.message.as_str())).collect();
    assert_eq!(found.len(), expect.len(), "{object}: {found:#?}");
    for ((code, message), (expected, part)) in found.iter().zip(expect) {
        assert_eq!(code, expected);
        assert!(message.contains(part), "{message} does not say {part}");
    }
}

fn pod(metadata: Value, limits: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"containers": [{"name": "c", "resources": {"limits": limits}}]},
    })
}

#[test]
fn gang_marks_of_other_schedulers() {
    let labelled = json!({"labels": {"pod-group.scheduling.sigs.k8s.io": "cs"}});
    check(
        pod(labelled, json!({})),
        &[("GangMarkNotRead", "pod-group.scheduling.sigs.k8s.io: cs is a gang of scheduler-plugins")],
    );
    let annotated = json!({"annotations": {"gang.scheduling.koordinator.sh/name": "ko"}});
    check(pod(annotated, json!({})), &[("GangMarkNotRead", "annotation scheduling.k8s.io/group-name")]);
    let both =
        json!({"labels": {"grove.io/podgang": "g"}, "annotations": {"scheduling.k8s.io/group-name": "g"}});
    check(pod(both, json!({})), &[]);
}

#[test]
fn shares_of_cards_and_numa() {
    let limits = json!({"volcano.sh/vgpu-number": 1, "volcano.sh/vgpu-memory": 20000});
    check(
        pod(json!({}), limits),
        &[("SharesNotCountedByCard", "volcano.sh/vgpu-memory is a share of one card")],
    );
    let numa = json!({"annotations": {"volcano.sh/numa-topology-policy": "single-numa-node"}});
    check(pod(numa, json!({"nvidia.com/gpu": 8})), &[("RuleNotRead", "NUMA nodes are not looked at")]);
}

#[test]
fn queues_that_limit_and_share() {
    let queue = |spec: Value| json!({"apiVersion": keys::SCHEDULING_V1BETA1, "kind": "Queue", "metadata": {}, "spec": spec});
    check(
        queue(json!({"weight": 2, "capability": {"nvidia.com/gpu": 2}, "parent": "team", "affinity": {}})),
        &[],
    );
    let groups = json!({"nodeGroupAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": ["a"]}});
    check(queue(json!({"affinity": groups})), &[("QueueLimitNotEnforced", "spec.affinity is not enforced")]);
}

#[test]
fn leader_worker_sets() {
    let set = json!({
        "apiVersion": keys::LEADER_WORKER_SET_V1, "kind": "LeaderWorkerSet", "metadata": {},
        "spec": {"startupPolicy": "LeaderReady", "leaderWorkerTemplate": {"subGroupPolicy": {"subGroupSize": 1}}},
    });
    check(set, &[("NotTranslated", "spec.startupPolicy"), ("NotTranslated", "subGroupPolicy")]);
}
