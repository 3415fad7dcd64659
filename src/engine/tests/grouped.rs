//! Pods that come without a PodGroup: nobody binds one of them before it is in the gang that its controller asks for.

use super::{Driven, refused};
use crate::engine::{Answer, Kind, Verb};
use serde_json::{Value, json};
use std::time::Duration;

const SIZE: usize = 8;

/// Nodes with room for so many pods, and the pods of a ReplicaSet.
fn driven(room: usize) -> Driven {
    let mut driven = Driven::new(true, false);
    for node in 0..room {
        let amounts = json!({ "cpu": "4", "pods": "110" });
        let name = format!("node-{node}");
        driven.observe(
            Kind::Node,
            json!({ "metadata": { "name": name }, "status": { "allocatable": amounts } }),
        );
    }
    (0..SIZE).for_each(|index| driven.observe(Kind::Pod, pod(index, "")));
    driven
}

fn pod(index: usize, group: &str) -> Value {
    let name = format!("web-{index}");
    let mut annotations = json!({});
    if !group.is_empty() {
        annotations["scheduling.k8s.io/group-name"] = json!(group);
    }
    json!({
        "metadata": { "namespace": "n", "name": name, "uid": name, "resourceVersion": if group.is_empty() { "1" } else { "2" },
            "annotations": annotations,
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": true }] },
        "spec": { "schedulerName": "volcano",
            "containers": [{ "name": "c", "resources": { "requests": { "cpu": "3" } } }] },
    })
}

fn replica_set(minimum: Option<&str>) -> Value {
    let annotations = minimum.map(|minimum| json!({ "scheduling.volcano.sh/group-min-member": minimum }));
    json!({
        "metadata": { "namespace": "n", "name": "web", "uid": "rs", "annotations": annotations.unwrap_or(json!({})) },
        "spec": { "replicas": SIZE },
    })
}

/// Answers everything as the API server does, and shows what came of it. Returns how many pods were bound.
fn run(driven: &mut Driven) -> usize {
    let mut bound = 0;
    driven.go_on();
    while let Some((_, request)) = driven.sent.first().cloned() {
        driven.answer(|request| Answer::Done(request.body.clone()));
        match (request.verb, request.kind, request.subresource) {
            (Verb::Create, Kind::Pod, "binding") => bound += 1,
            (Verb::Create, Kind::PodGroup, "") => {
                let mut group = request.body;
                group["metadata"]["uid"] = json!("group");
                driven.observe(Kind::PodGroup, group);
            }
            (Verb::Strategic, Kind::Pod, "") => {
                let index = request.name.trim_start_matches("web-").parse().unwrap();
                driven.observe(Kind::Pod, pod(index, "podgroup-rs"));
            }
            _ => {}
        }
        driven.go_on();
    }
    bound
}

/// B0: four of the eight would fit.
#[test]
fn pods_of_a_controller_that_asks_for_a_gang_are_bound_together_or_not_at_all() {
    for (room, expect) in [(4, 0), (8, 8)] {
        let mut driven = driven(room);
        assert_eq!(run(&mut driven), 0, "its controller has not been seen");
        driven.observe(Kind::ReplicaSet, replica_set(Some("8")));
        assert_eq!(run(&mut driven), expect, "room for {room}");
    }
}

#[test]
fn pods_of_a_controller_that_asks_for_nothing_are_bound_one_by_one() {
    let mut driven = driven(4);
    driven.observe(Kind::ReplicaSet, replica_set(None));
    assert_eq!(run(&mut driven), 4);
}

/// Where Volcano's controllers run, they make the PodGroup and annotate the pods: nothing is bound before.
#[test]
fn pods_wait_for_volcanos_controllers() {
    let mut driven = driven(4);
    let labels = json!({ "app": "volcano-controller" });
    let metadata = json!({ "namespace": "volcano-system", "name": "volcano-controllers", "labels": labels });
    driven.observe(Kind::Deployment, json!({ "metadata": metadata, "spec": { "replicas": 1 } }));
    assert_eq!(run(&mut driven), 0);
    let metadata = json!({ "namespace": "n", "name": "podgroup-rs", "uid": "group" });
    driven.observe(Kind::PodGroup, json!({ "metadata": metadata, "spec": { "minMember": SIZE } }));
    for index in 0..SIZE {
        driven.observe(Kind::Pod, pod(index, "podgroup-rs"));
        assert_eq!(run(&mut driven), 0, "with {} of them in it", index + 1);
    }
}

/// B1: made where absent, asked for until they are there, and never again.
#[test]
fn the_queues_that_volcano_counts_on_are_made() {
    let mut driven = Driven::bare(true, false);
    driven.go_on();
    let names = |driven: &Driven| -> Vec<String> {
        let queues = driven.sent.iter().filter(|(_, request)| request.kind == Kind::Queue);
        queues.map(|(_, request)| request.name.clone()).collect()
    };
    assert_eq!(names(&driven), ["root", "default"]);
    assert_eq!(driven.sent[0].1.body["spec"], json!({ "reclaimable": false, "weight": 1 }));
    driven.answer(|_| refused(500, "failed calling webhook"));
    driven.answer(|request| Answer::Done(request.body.clone()));
    assert_eq!(names(&driven), [""; 0]);
    driven.now.elapsed += Duration::from_secs(3);
    driven.go_on();
    assert_eq!(names(&driven), ["root"]);
    driven.answer(|_| refused(409, "already exists"));
    driven.now.elapsed += Duration::from_secs(60);
    driven.go_on();
    assert_eq!(names(&driven), [""; 0], "whoever deletes them is not fought");
}

/// Under another name, PodGroups without pods are another scheduler's while Volcano's runs.
#[test]
fn what_another_scheduler_admits_is_left_alone() {
    let check = |scheduler: Option<&str>, touched: bool| {
        let mut driven = Driven::named("phalanx");
        if let Some(name) = scheduler {
            let metadata = json!({ "namespace": "v", "name": "s", "labels": { "app": "volcano-scheduler" } });
            let containers = json!([{ "name": "c", "args": [format!("--scheduler-name={name}")] }]);
            let spec = json!({ "replicas": 1, "template": { "spec": { "containers": containers } } });
            driven.observe(Kind::Deployment, json!({ "metadata": metadata, "spec": spec }));
        }
        let metadata = json!({ "namespace": "n", "name": "g", "uid": "g" });
        driven.observe(Kind::PodGroup, json!({ "metadata": metadata, "spec": { "minMember": 2 } }));
        driven.go_on();
        let written = driven.sent.iter().any(|(_, request)| request.kind == Kind::PodGroup);
        assert_eq!(written, touched, "{scheduler:?}");
    };
    check(None, true);
    check(Some("volcano"), false);
    check(Some("phalanx"), true);
}
