use crate::cluster::{Event, Settings};
use crate::placement::PlacementRules;
use crate::scheduler::{Decision, PodRef, Scheduler};
use serde::de::DeserializeOwned;
use serde_json::{Value, from_value, json};

fn read<T: DeserializeOwned>(object: &Value) -> T {
    from_value(object.clone()).unwrap()
}

fn apply(scheduler: &mut Scheduler, object: &Value) {
    match object["kind"].as_str().unwrap() {
        "Claim" => scheduler.apply(Event::Claim(&read(object))),
        "Volume" => scheduler.apply(Event::Volume(&read(object))),
        "Class" => scheduler.apply(Event::StorageClass(&read(object))),
        "Pod" => scheduler.apply(Event::Pod(&read(object))),
        other => panic!("{other}"),
    }
}

/// Nodes `a` and `b` in zones of these names, and `c` in none. A node has room for one pod.
fn world() -> Scheduler {
    let mut scheduler = Scheduler::new(Settings::default(), PlacementRules::default());
    for (name, zone) in [("a", Some("a")), ("b", Some("b")), ("c", None)] {
        let mut labels = json!({"kubernetes.io/hostname": name});
        if let Some(zone) = zone {
            labels["topology.kubernetes.io/zone"] = zone.into();
        }
        let allocatable = json!({"cpu": 1, "pods": 10});
        let node =
            json!({"metadata": {"name": name, "labels": labels}, "status": {"allocatable": allocatable}});
        scheduler.apply(Event::Node(&read(&node)));
    }
    scheduler
}

fn pod(name: &str, claim: &str) -> Value {
    json!({
        "kind": "Pod", "metadata": {"name": name, "namespace": "d", "uid": name},
        "spec": {
            "schedulerName": "volcano",
            "containers": [{"name": "c", "resources": {"requests": {"cpu": 1}}}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}],
        },
    })
}

fn claim(spec: Value) -> Value {
    json!({"kind": "Claim", "metadata": {"name": "w", "namespace": "d"}, "spec": spec, "status": {"phase": "Pending"}})
}

fn bound(to: &str) -> Value {
    let mut claim = claim(json!({"volumeName": to}));
    claim["status"]["phase"] = "Bound".into();
    claim
}

fn volume(name: &str, key: &str, value: &str) -> Value {
    let term = json!({"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]});
    json!({"kind": "Volume", "metadata": {"name": name}, "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}}})
}

fn class(mode: &str, zones: &[&str]) -> Value {
    let mut class =
        json!({"kind": "Class", "metadata": {"name": "s"}, "provisioner": "p", "volumeBindingMode": mode});
    if !zones.is_empty() {
        let expression = json!({"key": "topology.kubernetes.io/zone", "values": zones});
        class["allowedTopologies"] = json!([{"matchLabelExpressions": [expression]}]);
    }
    class
}

/// Where pods go, as `pod: node`, and why others do not.
fn outcome(scheduler: &mut Scheduler) -> Vec<String> {
    let cycle = scheduler.cycle("");
    let said = cycle.decisions.into_iter().flat_map(|decision| match decision {
        Decision::Place(placement) => {
            placement.pods.into_iter().map(|pod| format!("{}: {}", pod.pod.name, pod.node)).collect()
        }
        Decision::Unschedulable { message, .. } => vec![message],
        _ => Vec::new(),
    });
    said.collect()
}

/// The pod `p` and these objects, in every order that begins with one of them; `expect` is the beginning of the answer.
#[track_caller]
fn check(objects: &[Value], expect: &str) {
    for first in 0..=objects.len() {
        let mut scheduler = world();
        let mut order: Vec<&Value> = objects.iter().collect();
        let pod = pod("p", "w");
        order.insert(0, &pod);
        order.rotate_left(first);
        order.iter().for_each(|object| apply(&mut scheduler, object));
        let found = outcome(&mut scheduler).join(", ");
        assert!(found.starts_with(expect), "{found:?} is not {expect:?}, from {first}");
    }
}

#[test]
fn a_bound_claim_binds_the_pod_to_the_nodes_of_its_volume() {
    check(&[bound("x"), volume("x", "topology.kubernetes.io/zone", "b")], "p: b");
    check(&[bound("x"), volume("x", "kubernetes.io/hostname", "c")], "p: c");
    check(
        &[bound("x"), volume("x", "kubernetes.io/hostname", "gone")],
        "fits 0 of 1 pod in the cluster; 3 nodes: 3 out of reach of a volume",
    );
    check(&[bound("x"), json!({"kind": "Volume", "metadata": {"name": "x"}})], "p: a");
    let labelled = json!({"kind": "Volume", "metadata": {"name": "x", "labels": {"topology.kubernetes.io/zone": "z__b"}}});
    check(&[bound("x"), labelled], "p: b");
}

#[test]
fn a_claim_that_waits_for_its_first_consumer_goes_where_its_class_may() {
    let waiting = || claim(json!({"storageClassName": "s"}));
    check(&[waiting(), class("WaitForFirstConsumer", &[])], "p: a");
    check(&[waiting(), class("WaitForFirstConsumer", &["b"])], "p: b");
    let mut chosen = waiting();
    chosen["metadata"]["annotations"] = json!({"volume.kubernetes.io/selected-node": "c"});
    check(&[chosen, class("WaitForFirstConsumer", &[])], "p: c");
}

#[test]
fn a_claim_that_cannot_be_used_holds_the_pod_back() {
    let waiting = || claim(json!({"storageClassName": "s"}));
    check(&[], "PersistentVolumeClaim w: does not exist");
    check(&[waiting()], "PersistentVolumeClaim w: its storage class s does not exist");
    check(&[waiting(), class("Immediate", &[])], "PersistentVolumeClaim w: is not bound yet");
    check(&[claim(json!({}))], "PersistentVolumeClaim w: is not bound and has no storage class");
    check(&[claim(json!({"volumeName": "x"}))], "PersistentVolumeClaim w: is being bound to x");
    check(&[bound("x")], "PersistentVolumeClaim w: its volume x does not exist");
    let mut lost = bound("x");
    lost["status"]["phase"] = "Lost".into();
    check(&[lost], "PersistentVolumeClaim w: has lost its volume x");
    let mut local = class("WaitForFirstConsumer", &[]);
    local["provisioner"] = "kubernetes.io/no-provisioner".into();
    check(
        &[waiting(), local],
        "PersistentVolumeClaim w: waits for its first consumer, but storage class s makes no volumes",
    );
}

#[test]
fn pods_that_share_a_claim() {
    let shared = |objects: &[Value], expect: &[&str]| {
        let mut scheduler = world();
        objects
            .iter()
            .chain([&pod("p", "w"), &pod("q", "w")])
            .for_each(|object| apply(&mut scheduler, object));
        let found = outcome(&mut scheduler);
        assert!(found.len() == expect.len(), "{found:?}");
        for (found, expect) in found.iter().zip(expect) {
            assert!(found.starts_with(expect), "{found:?} is not {expect:?}");
        }
        scheduler
    };
    let volume = json!({"kind": "Volume", "metadata": {"name": "x"}});
    shared(&[bound("x"), volume.clone()], &["p: a", "q: b"]);
    let waiting = claim(json!({"storageClassName": "s"}));
    let held = "PersistentVolumeClaim w: waits for its first consumer, and 2 pods use it";
    let mut scheduler = shared(&[waiting, class("WaitForFirstConsumer", &[])], &[held, held]);
    // one of them goes: the other is free to be the first
    scheduler.apply(Event::PodGone { namespace: "d", name: "p" });
    assert_eq!(outcome(&mut scheduler), ["q: a"]);
    let mut exclusive = bound("x");
    exclusive["spec"]["accessModes"] = json!(["ReadWriteOncePod"]);
    let held = "PersistentVolumeClaim w: is ReadWriteOncePod, and another pod uses it";
    shared(&[exclusive, volume], &[held, held]);
}

#[test]
fn a_pod_that_waits_for_its_claim_is_tried_when_the_claim_changes() {
    let mut scheduler = world();
    apply(&mut scheduler, &pod("p", "w"));
    assert!(outcome(&mut scheduler)[0].contains("does not exist"));
    apply(&mut scheduler, &claim(json!({"storageClassName": "s"})));
    assert!(outcome(&mut scheduler)[0].contains("storage class s does not exist"));
    apply(&mut scheduler, &class("WaitForFirstConsumer", &["b"]));
    assert_eq!(outcome(&mut scheduler), ["p: b"]);
    let id = scheduler.cluster().pods().id("d/p").unwrap();
    assert_eq!(scheduler.cluster().unbound_claims(id), ["w"]);
    // the volume turned out to be elsewhere: given up, the pod follows it
    apply(&mut scheduler, &bound("x"));
    apply(&mut scheduler, &volume("x", "topology.kubernetes.io/zone", "a"));
    assert!(scheduler.cluster().unbound_claims(id).is_empty());
    let of = |text: &str| text.to_owned();
    scheduler.forget(&PodRef { namespace: of("d"), name: of("p"), uid: of("p") });
    assert_eq!(outcome(&mut scheduler), ["p: a"]);
    assert_eq!(scheduler.cluster().audit(), [""; 0]);
}
