use crate::cluster::{Event, Settings};
use crate::placement::PlacementRules;
use crate::scheduler::{Decision, PodRef, Scheduler};
use serde_json::{Value, from_value, json};

/// Nodes `a` to `d`, each with room for two pods, in zones `x` (a and b) and `y` (c and d), and the class `local`.
fn world() -> Scheduler {
    let mut scheduler = Scheduler::new(Settings::default(), PlacementRules::default());
    for (name, zone) in [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y")] {
        let node = json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "zone": zone}},
            "status": {"allocatable": {"cpu": "2", "pods": "10"}}});
        scheduler.apply(Event::Node(&from_value(node).unwrap()));
    }
    let class = json!({"metadata": {"name": "local"}, "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer"});
    scheduler.apply(Event::StorageClass(&from_value(class).unwrap()));
    scheduler
}

/// `name key=value size`; key `host` is the hostname, no key is everywhere; then what differs.
fn volume(scheduler: &mut Scheduler, name: &str, place: &str, size: &str, more: Value) {
    let mut spec =
        json!({"storageClassName": "local", "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"]});
    if let Some((key, value)) = place.split_once('=') {
        let key = if key == "host" { "kubernetes.io/hostname" } else { key };
        let term = json!({"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]});
        spec["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [term]}});
    }
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    let object = json!({"metadata": {"name": name, "labels": {"name": name}}, "spec": spec});
    scheduler.apply(Event::Volume(&from_value(object).unwrap()));
}

fn claim(scheduler: &mut Scheduler, name: &str, size: &str, more: Value) {
    let mut spec = json!({"storageClassName": "local", "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}}});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    let object = json!({"metadata": {"name": name, "namespace": "d", "uid": format!("uid-{name}")}, "spec": spec,
        "status": {"phase": "Pending"}});
    scheduler.apply(Event::Claim(&from_value(object).unwrap()));
}

/// A gang whose pods use these claims each.
fn gang(scheduler: &mut Scheduler, name: &str, pods: &[&[&str]]) {
    let group = json!({"metadata": {"name": name, "namespace": "d"}, "spec": {"minMember": pods.len()}});
    scheduler.apply(Event::PodGroup(&from_value(group).unwrap()));
    for (index, claims) in pods.iter().enumerate() {
        let pod = format!("{name}{index}");
        let volumes: Vec<Value> = claims
            .iter()
            .map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}}))
            .collect();
        let pod = json!({
            "metadata": {"name": pod, "namespace": "d", "uid": pod, "annotations": {"scheduling.k8s.io/group-name": name}},
            "spec": {"schedulerName": "volcano", "volumes": volumes,
                "containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]},
        });
        scheduler.apply(Event::Pod(&from_value(pod).unwrap()));
    }
}

/// `pod: node (claim: volume)`, sorted; else why nothing was placed.
fn outcome(scheduler: &mut Scheduler) -> String {
    let cycle = scheduler.cycle("");
    let mut placed = Vec::new();
    let mut said = Vec::new();
    for decision in cycle.decisions {
        match decision {
            Decision::Place(placement) => placed.extend(placement.pods),
            Decision::Event { message, .. } => said.push(message),
            _ => {}
        }
    }
    let texts = placed.iter().map(|one| {
        let claims = scheduler.unbound_claims(&one.pod);
        let claims: Vec<String> = claims
            .iter()
            .map(|one| format!("{}: {}", one.name, one.takes.as_deref().unwrap_or("none")))
            .collect();
        format!("{}: {} ({})", one.pod.name, one.node, claims.join(", "))
    });
    let mut texts: Vec<String> = texts.collect();
    texts.sort();
    let wrong = scheduler.cluster().audit();
    assert!(wrong.is_empty(), "{wrong:?}");
    if texts.is_empty() { said.join("; ") } else { texts.join("; ") }
}

fn none() -> Value {
    json!({})
}

#[test]
fn the_smallest_that_fits_on_a_node_that_reaches_it() {
    let mut scheduler = world();
    volume(&mut scheduler, "large", "host=b", "20Gi", none());
    volume(&mut scheduler, "right", "host=b", "10Gi", none());
    volume(&mut scheduler, "small", "host=c", "5Gi", none());
    claim(&mut scheduler, "w", "6Gi", none());
    gang(&mut scheduler, "g", &[&["w"]]);
    assert_eq!(outcome(&mut scheduler), "g0: b (w: right)");
}

#[test]
fn all_members_find_one_or_none_is_placed() {
    let mut scheduler = world();
    volume(&mut scheduler, "one", "host=a", "10Gi", none());
    volume(&mut scheduler, "two", "host=c", "10Gi", none());
    for name in ["u", "v", "w"] {
        claim(&mut scheduler, name, "10Gi", none());
    }
    gang(&mut scheduler, "g", &[&["u"], &["v"], &["w"]]);
    let said = outcome(&mut scheduler);
    assert!(said.contains("fits 2 of 3 pods"), "{said}");
    assert!(said.contains("short of free volumes of class local, 10Gi or more"), "{said}");
    volume(&mut scheduler, "three", "host=d", "10Gi", none());
    assert_eq!(outcome(&mut scheduler), "g0: a (u: one); g1: c (v: two); g2: d (w: three)");
}

/// Claims of several sizes on one node: each volume counts for what it is large enough for, and once.
#[test]
fn sizes_do_not_take_each_others_volumes() {
    let mut scheduler = world();
    volume(&mut scheduler, "s", "host=a", "1Gi", none());
    volume(&mut scheduler, "l", "host=a", "9Gi", none());
    claim(&mut scheduler, "big", "5Gi", none());
    claim(&mut scheduler, "little", "1Gi", none());
    claim(&mut scheduler, "second", "5Gi", none());
    claim(&mut scheduler, "third", "5Gi", none());
    gang(&mut scheduler, "f", &[&["second", "third"]]);
    assert!(
        outcome(&mut scheduler).contains("short of free volumes"),
        "one volume is large enough, two are asked for"
    );
    gang(&mut scheduler, "g", &[&["little"], &["big"]]);
    assert_eq!(outcome(&mut scheduler), "g0: a (little: s); g1: a (big: l)");
}

#[test]
fn mode_class_selector_and_state_are_looked_at() {
    let check = |volume_differs: Value, claim_differs: Value, fits: bool| {
        let mut scheduler = world();
        volume(&mut scheduler, "one", "host=a", "10Gi", volume_differs.clone());
        claim(&mut scheduler, "w", "1Gi", claim_differs.clone());
        gang(&mut scheduler, "g", &[&["w"]]);
        let said = outcome(&mut scheduler);
        assert_eq!(said == "g0: a (w: one)", fits, "{volume_differs} {claim_differs}: {said}");
    };
    check(none(), none(), true);
    check(none(), json!({"accessModes": ["ReadWriteMany"]}), false);
    check(
        json!({"accessModes": ["ReadWriteMany", "ReadWriteOnce"]}),
        json!({"accessModes": ["ReadWriteMany"]}),
        true,
    );
    check(json!({"volumeMode": "Block"}), none(), false);
    check(json!({"volumeMode": "Block"}), json!({"volumeMode": "Block"}), true);
    check(json!({"storageClassName": "other"}), none(), false);
    check(none(), json!({"selector": {"matchLabels": {"name": "one"}}}), true);
    check(none(), json!({"selector": {"matchLabels": {"name": "two"}}}), false);
    check(json!({"claimRef": {"namespace": "d", "name": "another"}}), none(), false);
}

/// A volume that names the claim is the claim's, whatever else is free.
#[test]
fn a_reserved_volume_is_the_claims() {
    let mut scheduler = world();
    volume(&mut scheduler, "free", "host=a", "10Gi", none());
    volume(&mut scheduler, "mine", "host=c", "10Gi", json!({"claimRef": {"namespace": "d", "name": "w"}}));
    claim(&mut scheduler, "w", "1Gi", none());
    gang(&mut scheduler, "g", &[&["w"]]);
    assert_eq!(outcome(&mut scheduler), "g0: c (w: none)");
}

/// One volume of a zone is counted on both of its nodes, and found once.
#[test]
fn a_volume_that_several_nodes_reach_is_taken_once() {
    let mut scheduler = world();
    volume(&mut scheduler, "zonal", "zone=x", "10Gi", none());
    for name in ["u", "v"] {
        claim(&mut scheduler, name, "10Gi", none());
    }
    gang(&mut scheduler, "g", &[&["u"], &["v"]]);
    let said = outcome(&mut scheduler);
    assert!(said.contains("1 of the 2 claims") || said.contains("fits 1 of 2"), "{said}");
    volume(&mut scheduler, "local", "host=d", "20Gi", none());
    let said = outcome(&mut scheduler);
    assert!(said.contains("u: zonal") && said.contains("g1: d (v: local)"), "{said}");
}

/// Everywhere reachable: as many pods as there are volumes.
#[test]
fn volumes_that_all_nodes_reach() {
    let mut scheduler = world();
    for name in ["p", "q"] {
        volume(&mut scheduler, name, "", "10Gi", none());
    }
    for name in ["u", "v", "w", "x", "y"] {
        claim(&mut scheduler, name, "10Gi", none());
    }
    gang(&mut scheduler, "f", &[&["u"], &["v"], &["w"]]);
    let said = outcome(&mut scheduler);
    assert!(said.contains("2 of the 3 claims") || said.contains("fits 2 of 3"), "{said}");
    gang(&mut scheduler, "g", &[&["x"], &["y"]]);
    assert!(outcome(&mut scheduler).contains("g1"), "two of them fit");
}

/// What is promised is taken, and free again when the promise is taken back; a bound claim counts no more.
#[test]
fn a_choice_lasts_as_long_as_the_promise() {
    let mut scheduler = world();
    volume(&mut scheduler, "one", "host=a", "10Gi", none());
    claim(&mut scheduler, "u", "10Gi", none());
    claim(&mut scheduler, "v", "10Gi", none());
    gang(&mut scheduler, "f", &[&["u"]]);
    assert_eq!(outcome(&mut scheduler), "f0: a (u: one)");
    gang(&mut scheduler, "g", &[&["v"]]);
    assert!(outcome(&mut scheduler).contains("short of free volumes"));
    let pod = |name: &str| PodRef { namespace: "d".into(), name: name.into(), uid: name.into() };
    scheduler.apply(Event::PodGone { namespace: "d", name: "f0" });
    assert_eq!(outcome(&mut scheduler), "g0: a (v: one)");
    // The volume names the claim, then the claim the volume.
    let named = json!({"claimRef": {"namespace": "d", "name": "v", "uid": "uid-v"}});
    volume(&mut scheduler, "one", "host=a", "10Gi", named);
    assert!(scheduler.take_settled().is_empty());
    claim(&mut scheduler, "v", "10Gi", json!({"volumeName": "one"}));
    let bound = json!({"metadata": {"name": "v", "namespace": "d", "uid": "uid-v"},
        "spec": {"storageClassName": "local", "volumeName": "one"}, "status": {"phase": "Bound"}});
    scheduler.apply(Event::Claim(&from_value(bound).unwrap()));
    assert_eq!(scheduler.take_settled(), [(pod("g0"), true)]);
    assert!(scheduler.unbound_claims(&pod("g0")).is_empty());
    let wrong = scheduler.cluster().audit();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Somebody else takes the volume that was chosen: its pod is not to be bound there.
#[test]
fn a_volume_that_is_taken_by_another_moves_the_pod() {
    let mut scheduler = world();
    volume(&mut scheduler, "one", "host=a", "10Gi", none());
    claim(&mut scheduler, "u", "10Gi", none());
    gang(&mut scheduler, "f", &[&["u"]]);
    assert_eq!(outcome(&mut scheduler), "f0: a (u: one)");
    volume(&mut scheduler, "one", "host=a", "10Gi", json!({"claimRef": {"namespace": "x", "name": "y"}}));
    let pod = PodRef { namespace: "d".into(), name: "f0".into(), uid: "f0".into() };
    assert_eq!(scheduler.take_settled(), [(pod, false)]);
}

/// A record of before a restart promises the node again, and the volume with it.
#[test]
fn a_recovered_promise_chooses_again() {
    let mut scheduler = world();
    volume(&mut scheduler, "one", "host=a", "10Gi", none());
    claim(&mut scheduler, "u", "10Gi", none());
    gang(&mut scheduler, "f", &[&["u"]]);
    let pod = PodRef { namespace: "d".into(), name: "f0".into(), uid: "f0".into() };
    assert_eq!(scheduler.promise(&pod, "b"), Some(false), "it reaches no volume there");
    scheduler.forget(&pod);
    assert_eq!(scheduler.promise(&pod, "a"), Some(true));
    assert_eq!(scheduler.unbound_claims(&pod)[0].takes.as_deref(), Some("one"));
}
