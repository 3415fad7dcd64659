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

/// The annotation as a label, or with a letter too few: the pod was placed on its own without a word.
#[test]
fn the_name_of_a_group_in_the_wrong_place_or_misspelt() {
    let label = json!({"labels": {"scheduling.k8s.io/group-name": "g"}});
    check(pod(label, json!({})), &[("GangMarkNotRead", "is read as an annotation only")]);
    for key in ["scheduling.k8s.io/groupname", "scheduling.k8s.io/group_name", "scheduling.k8s.io/Group-Name"]
    {
        let annotation = json!({"annotations": {key: "g"}});
        let expect = format!("{key} is not read; did you mean scheduling.k8s.io/group-name?");
        check(pod(annotation, json!({})), &[("GangMarkNotRead", &expect)]);
    }
    let other = json!({"annotations": {"volcano.sh/task-topology": "x", "example.com/group-name": "g"}});
    check(pod(other, json!({})), &[]);
}

/// What is read and cannot be understood counts as something: that is said, and what to write.
#[test]
fn values_that_cannot_be_understood() {
    let annotated = |key: &str, value: &str| pod(json!({"annotations": {key: value}}), json!({}));
    check(
        annotated("volcano.sh/preemptable", "no"),
        &[("ValueNotUnderstood", "\"no\" counts as true; write true or false")],
    );
    check(
        annotated("volcano.sh/cooldown-time", "long"),
        &[("ValueNotUnderstood", "\"long\" protects nobody; write a span such as 600s")],
    );
    check(
        annotated("volcano.sh/task-index", "first"),
        &[("ValueNotUnderstood", "\"first\" is not used; write a number")],
    );
    check(annotated("volcano.sh/preemptable", "false"), &[]);
    let group = json!({
        "apiVersion": keys::SCHEDULING_V1BETA1, "kind": "PodGroup",
        "metadata": {"annotations": {"sla-waiting-time": "soon"}},
    });
    check(
        group,
        &[("ValueNotUnderstood", "sla-waiting-time: \"soon\" is not used; write a span such as 1h30m")],
    );
}

#[test]
fn queues_of_other_schedulers() {
    let labels = json!({"labels": {"kai.scheduler/queue": "team"}});
    check(
        pod(labels, json!({})),
        &[("RuleNotRead", "kai.scheduler/queue is not read: the queue does not limit")],
    );
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
