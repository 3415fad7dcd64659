//! Which pods are left alone, for how long, and which PodGroups are made.

use super::*;
use crate::api::workload::Deployment;
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

fn pod(name: &str, owner: Option<(&str, &str, &str)>, annotations: Value) -> Pod {
    let references = owner.map(|(api_version, kind, uid)| {
        json!({"apiVersion": api_version, "kind": kind, "name": uid, "uid": uid, "controller": true})
    });
    let resources = json!({"requests": {"cpu": "500m", "memory": "1Gi"}});
    serde_json::from_value(json!({
        "metadata": {"namespace": "ns", "name": name, "uid": name, "annotations": annotations,
            "ownerReferences": references.into_iter().collect::<Vec<_>>()},
        "spec": {"schedulerName": "volcano", "priorityClassName": "high",
            "containers": [{"name": "c", "resources": resources}]},
    }))
    .unwrap()
}

fn workload(uid: &str, minimum: Option<&str>, spec: Value) -> Workload {
    let mut annotations = json!({"volcano.sh/sla-waiting-time": "1h", "other": "x"});
    if let Some(minimum) = minimum {
        annotations["scheduling.volcano.sh/group-min-member"] = json!(minimum);
    }
    let metadata = json!({"namespace": "ns", "name": uid, "uid": uid, "annotations": annotations});
    serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
}

const REPLICA_SET: Option<(&str, &str, &str)> = Some(("apps/v1", "ReplicaSet", "rs"));

fn held(grouping: &Grouping) -> Vec<&str> {
    grouping.held.keys().map(String::as_str).collect()
}

fn made(wants: &[Want]) -> Vec<&PodGroup> {
    let made = wants.iter().filter_map(|want| match want {
        Want::Make { group, .. } => Some(&**group),
        _ => None,
    });
    made.collect()
}

/// B0 without Volcano's controllers: no pod is free before its controller is known, the PodGroup is made, and each pod joins.
#[test]
fn pods_of_a_controller_that_asks_for_it_become_a_gang() {
    let mut grouping = Grouping::new(GroupingRules::default());
    for name in ["a", "b"] {
        grouping.pod(&pod(name, REPLICA_SET, json!({})), SECOND);
    }
    assert_eq!(held(&grouping), ["ns/a", "ns/b"]);
    assert_eq!(grouping.kinds(), [WorkloadKind::ReplicaSet].into());
    assert_eq!(grouping.wants(SECOND), [], "its controller is not known yet");
    grouping.workload(WorkloadKind::ReplicaSet, workload("rs", Some("2"), json!({"replicas": 3})), SECOND);
    let wants = grouping.wants(SECOND);
    let group = made(&wants)[0].clone();
    assert_eq!((wants.len(), &*group.metadata.name), (1, "podgroup-rs"));
    assert_eq!(group.spec.min_member, Some(2));
    assert_eq!(group.spec.priority_class_name, "high");
    let resources = group.spec.min_resources.as_ref().unwrap();
    let resources: Vec<_> = resources.iter().map(|(name, amount)| (&**name, &*amount.0)).collect();
    assert_eq!(resources, [("cpu", "1"), ("memory", "2Gi"), ("pods", "2")]);
    assert_eq!(group.metadata.owner_references[0].uid, "rs");
    let annotations: Vec<_> = group.metadata.annotations.keys().map(String::as_str).collect();
    assert_eq!(annotations, ["phalanx.dev/grouped-by", "volcano.sh/sla-waiting-time"]);
    assert_eq!(grouping.wants(SECOND), [], "it has been asked for");
    grouping.answered(&wants[0], Ok(()), SECOND);
    let joins = grouping.wants(SECOND);
    let join = |name: &str| Want::Join {
        pod: PodRef { namespace: "ns".into(), name: name.into(), uid: name.into() },
        group: "podgroup-rs".into(),
    };
    assert_eq!(joins, [join("a"), join("b")]);
    joins.iter().for_each(|join| grouping.answered(join, Ok(()), SECOND));
    assert_eq!(held(&grouping), ["ns/a", "ns/b"], "until the pods show it");
    grouping.pod(&pod("a", REPLICA_SET, json!({"scheduling.k8s.io/group-name": "podgroup-rs"})), SECOND);
    assert_eq!(held(&grouping), ["ns/b"]);
    assert_eq!(grouping.wants(SECOND), []);
}

#[test]
fn pods_of_a_controller_that_does_not_ask_are_free() {
    let mut grouping = Grouping::new(GroupingRules::default());
    grouping.workload(WorkloadKind::ReplicaSet, workload("rs", None, json!({})), SECOND);
    grouping.pod(&pod("a", REPLICA_SET, json!({})), SECOND);
    grouping.pod(&pod("bare", None, json!({})), SECOND);
    grouping.pod(&pod("custom", Some(("example.com/v1", "Job", "x")), json!({})), SECOND);
    assert_eq!(held(&grouping), [""; 0]);
    assert_eq!(grouping.wants(SECOND), []);
    assert_eq!(grouping.wake_at(), None);
}

/// One whose controller is gone, or cannot be read, does not wait for ever.
#[test]
fn a_pod_whose_controller_is_never_seen_is_free_after_a_while() {
    let mut grouping = Grouping::new(GroupingRules::default());
    grouping.pod(&pod("a", REPLICA_SET, json!({})), SECOND);
    assert_eq!(grouping.wake_at(), Some(SECOND * 11));
    grouping.take_changed();
    grouping.tick(SECOND * 11);
    assert_eq!(grouping.take_changed(), [("ns/a".to_owned(), None)]);
}

/// A queue or a topology that only the pods name is honoured as well, with or without a controller.
#[test]
fn queue_and_topology_of_pods_make_a_pod_group() {
    let check = |annotations: Value, owner: Option<(&str, &str, &str)>, name: &str, expect: Value| {
        let mut grouping = Grouping::new(GroupingRules::default());
        grouping.workload(WorkloadKind::ReplicaSet, workload("rs", None, json!({})), SECOND);
        grouping.pod(&pod("a", owner, annotations), SECOND);
        let wants = grouping.wants(SECOND);
        let group = made(&wants)[0];
        assert_eq!(group.metadata.name, name);
        let spec = serde_json::to_value(&group.spec).unwrap();
        let named = json!({"minMember": spec["minMember"], "queue": spec["queue"], "networkTopology": spec["networkTopology"]});
        assert_eq!(named, expect);
    };
    let queue = json!({"scheduling.volcano.sh/queue-name": "q"});
    let expect = json!({"minMember": 1, "queue": "q", "networkTopology": null});
    check(queue.clone(), None, "podgroup-a", expect.clone());
    check(queue, REPLICA_SET, "podgroup-rs", expect);
    let rule =
        json!({"volcano.sh/network-topology-mode": "Soft", "volcano.sh/network-topology-highest-tier": "2"});
    let expect = json!({"mode": "soft", "highestTierAllowed": 2});
    check(
        rule,
        REPLICA_SET,
        "podgroup-rs",
        json!({"minMember": 1, "queue": null, "networkTopology": expect}),
    );
    let expect = json!({"mode": "hard", "highestTierAllowed": 1});
    let rule = json!({"volcano.sh/network-topology-highest-tier": "1"});
    check(
        rule,
        REPLICA_SET,
        "podgroup-rs",
        json!({"minMember": 1, "queue": null, "networkTopology": expect}),
    );
}

/// How many pods start together, by kind and annotation, and what is said about it.
#[test]
fn the_minimum_is_what_the_controller_can_run() {
    let check = |kind: WorkloadKind, text: &str, spec: Value, expect: i32, said: &str| {
        let mut grouping = Grouping::new(GroupingRules::default());
        grouping.workload(kind, workload("rs", Some(text), spec), SECOND);
        let owner = Some((kind.api_version(), kind.name(), "rs"));
        grouping.pod(&pod("a", owner, json!({})), SECOND);
        let wants = grouping.wants(SECOND);
        assert_eq!(made(&wants)[0].spec.min_member, Some(expect), "{text}");
        let message = wants.iter().find_map(|want| match want {
            Want::Say { message, .. } => Some(message.as_str()),
            _ => None,
        });
        assert!(
            message.unwrap_or_default().contains(said) && message.is_some() != said.is_empty(),
            "{message:?}"
        );
        assert!(!grouping.wants(SECOND).iter().any(|want| matches!(want, Want::Say { .. })), "said once");
    };
    use WorkloadKind::{Job, ReplicaSet, StatefulSet};
    check(ReplicaSet, "3", json!({"replicas": 8}), 3, "");
    check(
        ReplicaSet,
        "8",
        json!({"replicas": 2}),
        2,
        "more than the 2 pods that it runs at a time; 2 are started together",
    );
    check(Job, "8", json!({"parallelism": 8, "completions": 8}), 8, "");
    check(Job, "8", json!({"parallelism": 8, "completions": 4}), 4, "more than the 4 pods");
    check(StatefulSet, "2", json!({"replicas": 2, "podManagementPolicy": "Parallel"}), 2, "");
    check(StatefulSet, "2", json!({"replicas": 2}), 2, "set podManagementPolicy: Parallel");
    check(ReplicaSet, "many", json!({"replicas": 8}), 1, "\"many\" is no number");
    check(ReplicaSet, "-1", json!({"replicas": 8}), 1, "no number of at least 0");
}

/// A rolling update gives its new ReplicaSet a pod or two at first: a minimum of all would hold it for ever.
#[test]
fn the_minimum_follows_the_replicas_and_goes_with_the_last() {
    let mut grouping = Grouping::new(GroupingRules::default());
    let sized = |replicas: i32| workload("rs", Some("8"), json!({"replicas": replicas}));
    grouping.workload(WorkloadKind::ReplicaSet, sized(2), SECOND);
    let mut group = PodGroup::default();
    group.metadata.namespace = "ns".into();
    group.metadata.name = "podgroup-rs".into();
    group.metadata.uid = "group".into();
    group.metadata.annotations.insert(keys::GROUPED_BY.into(), "phalanx".into());
    group.spec.min_member = Some(2);
    group.spec.min_resources = Some([("cpu".to_owned(), "3".into()), ("pods".to_owned(), "2".into())].into());
    grouping.group(&group, SECOND);
    assert_eq!(grouping.wants(SECOND), []);
    grouping.workload(WorkloadKind::ReplicaSet, sized(8), SECOND);
    let wants = grouping.wants(SECOND);
    let Want::Adjust { minimum: 8, min_resources: Some(resources), .. } = &wants[0] else {
        panic!("{wants:?}")
    };
    assert_eq!(serde_json::to_value(resources).unwrap(), json!({"cpu": "12", "pods": "8"}));
    grouping.answered(&wants[0], Ok(()), SECOND);
    grouping.workload(WorkloadKind::ReplicaSet, sized(0), SECOND);
    let (namespace, name, uid) = ("ns".to_owned(), "podgroup-rs".to_owned(), "group".to_owned());
    assert_eq!(grouping.wants(SECOND), [Want::Remove { namespace, name, uid }]);
    // Volcano's are left to Volcano.
    group.metadata.annotations.clear();
    grouping.group(&group, SECOND);
    assert_eq!(grouping.wants(SECOND * 60), []);
}

#[test]
fn what_fails_is_tried_again_and_said() {
    let mut grouping = Grouping::new(GroupingRules::default());
    grouping.workload(WorkloadKind::ReplicaSet, workload("rs", Some("1"), json!({})), SECOND);
    grouping.pod(&pod("a", REPLICA_SET, json!({})), SECOND);
    let wants = grouping.wants(SECOND);
    grouping.answered(&wants[0], Err("no such queue".into()), SECOND);
    assert_eq!(grouping.wants(SECOND), [], "not at once");
    assert_eq!(grouping.wants(SECOND * 2).len(), 1);
    grouping.take_changed();
    grouping.tick(SECOND * 11);
    let said = "waits for PodGroup podgroup-rs, which could not be made within 10 s: no such queue";
    assert_eq!(grouping.take_changed(), [("ns/a".to_owned(), Some(Some(said.to_owned())))]);
}

fn controllers(arguments: &[&str]) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"namespace": "volcano-system", "name": "volcano-controllers", "labels": {"app": "volcano-controller"}},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "c", "args": arguments}]}}},
    }))
    .unwrap()
}

/// B0 with Volcano's controllers: whatever the pod, it waits; and where they do not group for its scheduler's name, it does not.
#[test]
fn where_volcanos_controllers_are_pods_wait_for_them() {
    let check = |told: &dyn Fn(&mut Grouping), by: GroupedBy, waits: bool| {
        let mut grouping = Grouping::new(GroupingRules { by, ..GroupingRules::default() });
        told(&mut grouping);
        grouping.pod(&pod("bare", None, json!({})), SECOND);
        assert_eq!(held(&grouping), if waits { vec!["ns/bare"] } else { vec![] });
        assert_eq!(grouping.wants(SECOND), []);
    };
    let deployment = |arguments: &'static [&'static str]| {
        move |grouping: &mut Grouping| grouping.deployment(&controllers(arguments), SECOND)
    };
    check(&|_| {}, GroupedBy::Auto, false);
    check(&deployment(&["--logtostderr"]), GroupedBy::Auto, true);
    check(&deployment(&["--scheduler-name=other,volcano"]), GroupedBy::Auto, true);
    check(&deployment(&["--scheduler-name", "other"]), GroupedBy::Auto, false);
    check(&deployment(&[]), GroupedBy::Phalanx, false);
    check(&deployment(&[]), GroupedBy::Nobody, false);
    check(&|_| {}, GroupedBy::Volcano, true);
    let webhook = |grouping: &mut Grouping| {
        grouping.webhook("volcano-admission-service-pods-mutate", true, SECOND);
        grouping.webhook("other", true, SECOND);
    };
    check(&webhook, GroupedBy::Auto, true);
    let gone = |grouping: &mut Grouping| {
        grouping.deployment(&controllers(&[]), SECOND);
        grouping.deployment_gone("volcano-system", "volcano-controllers", SECOND);
    };
    check(&gone, GroupedBy::Auto, false);
}

/// PodGroups that somebody made once: pods wait as long as it is stated, and then it is known that nobody makes them any more.
#[test]
fn pod_groups_alone_are_believed_for_a_while() {
    let mut grouping = Grouping::new(GroupingRules::default());
    let mut group = PodGroup::default();
    (group.metadata.namespace, group.metadata.name) = ("ns".into(), "podgroup-u".into());
    let owner = crate::api::meta::OwnerReference { uid: "u".into(), ..Default::default() };
    group.metadata.owner_references = vec![owner];
    grouping.group(&group, SECOND);
    grouping.workload(WorkloadKind::ReplicaSet, workload("rs", Some("1"), json!({})), SECOND);
    grouping.pod(&pod("a", REPLICA_SET, json!({})), SECOND);
    grouping.pod(&pod("bare", None, json!({})), SECOND);
    assert_eq!(held(&grouping), ["ns/a", "ns/bare"]);
    assert_eq!(grouping.wants(SECOND), []);
    grouping.tick(SECOND * 11);
    assert_eq!(held(&grouping), ["ns/a"], "the one that stands for itself is free");
    assert_eq!(made(&grouping.wants(SECOND * 11)).len(), 1, "the other's PodGroup is made by us");
    // With their Deployment there it is said, and they wait on.
    let mut grouping = Grouping::new(GroupingRules::default());
    grouping.deployment(&controllers(&[]), SECOND);
    grouping.pod(&pod("bare", None, json!({})), SECOND);
    grouping.take_changed();
    grouping.tick(SECOND * 11);
    let [(_, Some(Some(said)))] = &grouping.take_changed()[..] else { panic!("nothing is said") };
    assert!(said.starts_with(
        "waits for its PodGroup: Volcano's controllers are to make it, and have not within 10 s"
    ));
}
