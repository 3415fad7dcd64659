//! Tables for single functions of the scheduler.

use phalanx::api::core::{Node, Pod};
use phalanx::api::hyper_node::HyperNode;
use phalanx::api::meta::LabelSelector;
use phalanx::api::pod_group::{PodGroup, PodGroupPhase, SubGroupPolicy};
use phalanx::cluster::topology::Tier;
use phalanx::cluster::{Cluster, Event, Settings};
use phalanx::scheduler::gang::{Prepared, prepare, subgroup_values};
use phalanx::scheduler::status::{Counts, phase};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("an object of this kind")
}

#[test]
fn phases() {
    use PodGroupPhase::{Completed, Pending, Running, Unknown};
    let none = Counts::default();
    for (minimum, from, counts, unschedulable, to) in [
        (1, Running, Counts { releasing: 1, ..none }, false, Running),
        (2, Running, Counts { running: 1, releasing: 1, ..none }, false, Running),
        (2, Running, Counts { releasing: 2, ..none }, false, Running),
        (2, Pending, Counts { pending: 2, ..none }, false, Pending),
        (2, Running, Counts { succeeded: 2, ..none }, false, Completed),
        (2, Running, Counts { releasing: 1, ..none }, false, Pending),
        (2, Running, Counts { running: 1, pending: 1, ..none }, true, Unknown),
    ] {
        assert_eq!(phase(minimum, &counts, unschedulable, Some(&from)), to, "{minimum} {from} {counts:?}");
    }
}

/// The tier that binds the pods of the gang together, and those of a subgroup; `None`: anywhere in the cluster.
fn limits(gang: Value, subgroups: &[Value]) -> (Option<Tier>, Vec<Option<Tier>>) {
    let mut cluster = Cluster::new(Settings::default());
    let node: Node =
        read(json!({"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "8", "pods": "10"}}}));
    cluster.apply(Event::Node(&node));
    for tier in 1..=3 {
        let member =
            if tier == 1 { ("Node", "n".to_owned()) } else { ("HyperNode", format!("h{}", tier - 1)) };
        let member = json!({"type": member.0, "selector": {"exactMatch": {"name": member.1}}});
        let domain: HyperNode = read(
            json!({"metadata": {"name": format!("h{tier}")}, "spec": {"tier": tier, "members": [member]}}),
        );
        cluster.apply(Event::HyperNode(&domain));
    }
    cluster.apply(Event::Queue(&read(json!({"metadata": {"name": "default"}}))));
    let policies: Vec<Value> = subgroups
        .iter()
        .map(|rule| json!({"name": "s", "matchLabelKeys": ["k"], "networkTopology": rule}))
        .collect();
    let group: PodGroup = read(json!({
        "metadata": {"name": "g", "namespace": "default"},
        "spec": {"minMember": 1, "queue": "default", "networkTopology": gang, "subGroupPolicy": policies},
    }));
    cluster.apply(Event::PodGroup(&group));
    let pod: Pod = read(json!({
        "metadata": {
            "name": "p", "namespace": "default", "annotations": {"scheduling.k8s.io/group-name": "g"},
        },
        "spec": {"schedulerName": "volcano", "containers": [{"name": "c"}]},
        "status": {"phase": "Pending"},
    }));
    cluster.apply(Event::Pod(&pod));
    cluster.refresh();
    let (_, gang) = cluster.gangs().iter().next().expect("the gang");
    let request = match prepare(&cluster, gang) {
        Prepared::Ready(request) => request,
        other => panic!("{other:?}"),
    };
    let own = request.rule.required;
    // a subgroup lies inside its gang, so that the lower limit counts
    let inside =
        request.policies.iter().map(|policy| [own, policy.rule.required].into_iter().flatten().min());
    (own, inside.collect())
}

#[test]
fn limits_of_gangs_and_subgroups() {
    let soft = || json!({"mode": "soft"});
    let hard = |tier: u32| json!({"mode": "hard", "highestTierAllowed": tier});
    for (gang, subgroups, limit, inside) in [
        (soft(), vec![], None, vec![]),
        (hard(2), vec![], Some(2), vec![]),
        (Value::Null, vec![], None, vec![]),
        (Value::Null, vec![soft()], None, vec![None]),
        (Value::Null, vec![hard(2)], None, vec![Some(2)]),
        (soft(), vec![soft()], None, vec![None]),
        (hard(2), vec![soft()], Some(2), vec![Some(2)]),
        (hard(3), vec![soft(), soft()], Some(3), vec![Some(3), Some(3)]),
        (hard(2), vec![hard(1)], Some(2), vec![Some(1)]),
        (json!({"mode": "hard"}), vec![Value::Null], Some(1), vec![Some(1)]),
        (json!({}), vec![], Some(1), vec![]),
    ] {
        assert_eq!(limits(gang.clone(), &subgroups), (limit, inside), "{gang} {subgroups:?}");
    }
}

#[test]
fn which_subgroup_a_pod_belongs_to() {
    let selector = |value: Value| Some(read::<LabelSelector>(value));
    let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    let one_of = json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["test", "demo"]}]});
    for (label_selector, keys, pod, expected) in [
        (
            selector(json!({"matchLabels": {"app": "test"}})),
            &["version", "env"][..],
            labels(&[("app", "test"), ("version", "v1"), ("env", "dev")]),
            Some(&["v1", "dev"][..]),
        ),
        (None, &["zone"], labels(&[("zone", "zone-1")]), Some(&["zone-1"])),
        // without keys nothing tells subgroups apart, so that there are none
        (selector(json!({"matchLabels": {"app": "test"}})), &[], labels(&[("app", "test")]), None),
        (selector(json!({})), &["key"], labels(&[("key", "value")]), Some(&["value"])),
        (selector(one_of), &["app"], labels(&[("app", "demo")]), Some(&["demo"])),
        (None, &["a", "b"], labels(&[("a", ""), ("b", "val")]), None),
        (None, &["a", "b"], labels(&[("b", "val")]), None),
        (selector(json!({"matchLabels": {"app": "test"}})), &["key"], labels(&[("key", "value")]), None),
    ] {
        let match_label_keys = keys.iter().map(|&key| key.to_owned()).collect();
        let policy = SubGroupPolicy { label_selector, match_label_keys, ..SubGroupPolicy::default() };
        let values = subgroup_values(&policy, (&pod).into());
        let values: Option<Vec<&str>> =
            values.as_ref().map(|values| values.iter().map(|v| v.as_str()).collect());
        assert_eq!(values.as_deref(), expected, "{policy:?} {pod:?}");
    }
}
