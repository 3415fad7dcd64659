//! The recovery matrix: what is replaced, and when, under each policy.

use super::world::{World, role};
use crate::api::time::Timestamp;
use crate::modelserving::{ObservedPod, failing_since};
use serde_json::{Value, json};

/// One ServingGroup: prefill 2 x (1 + 1), decode 1 x 1.
fn world(policy: &str, grace: i64) -> World {
    let roles = json!([role("prefill", 2, 1, "a"), role("decode", 1, 0, "a")]);
    World::running(roles, json!({"recoveryPolicy": policy, "template": {"restartGracePeriodSeconds": grace}}))
}

const ALL: [&str; 5] =
    ["ms-0-decode-0-0", "ms-0-prefill-0-0", "ms-0-prefill-0-1", "ms-0-prefill-1-0", "ms-0-prefill-1-1"];

/// Which pods have been replaced, once all is quiet again.
fn replaced(mut world: World, fault: impl Fn(&mut World)) -> Vec<String> {
    let before = world.pods.clone();
    fault(&mut world);
    world.run();
    assert_eq!(world.names(), ALL);
    assert_eq!(world.object.status.available_replicas, 1);
    let uid = |pods: &[ObservedPod], name: &str| {
        pods.iter().find(|pod| pod.object.name == name).unwrap().object.uid.clone()
    };
    let changed = ALL.iter().filter(|name| uid(&before, name) != uid(&world.pods, name));
    changed.map(|name| (*name).to_owned()).collect()
}

fn vanish(world: &mut World, name: &str) {
    world.pods.retain(|pod| pod.object.name != name);
}

/// 4.7: a pod is lost, by whatever it is lost: deleted, evicted, failed beyond its grace, gone without a word.
#[test]
fn what_is_replaced() {
    type Fault = fn(&mut World);
    let faults: [(&str, Fault); 3] = [
        ("deleted", |world| world.pod("ms-0-prefill-1-1").object.deleting = true),
        ("failed", |world| world.fail("ms-0-prefill-1-1")),
        ("vanished", |world| vanish(world, "ms-0-prefill-1-1")),
    ];
    let check = |policy: &str, expect: &[&str]| {
        for (what, fault) in faults {
            assert_eq!(replaced(world(policy, 0), fault), expect, "{policy}, {what}");
        }
    };
    check("RoleRecreate", &["ms-0-prefill-1-0", "ms-0-prefill-1-1"]);
    check("ServingGroupRecreate", &ALL);
    // Upstream leaves the pod missing until something else happens.
    check("None", &["ms-0-prefill-1-1"]);
}

/// E6: a role replica of one pod.
#[test]
fn a_role_replica_of_one_pod() {
    let delete = |world: &mut World| world.pod("ms-0-decode-0-0").object.deleting = true;
    let gone = |world: &mut World| vanish(world, "ms-0-decode-0-0");
    for policy in ["RoleRecreate", "None"] {
        assert_eq!(replaced(world(policy, 0), delete), ["ms-0-decode-0-0"]);
        assert_eq!(replaced(world(policy, 0), gone), ["ms-0-decode-0-0"]);
    }
    assert_eq!(replaced(world("ServingGroupRecreate", 0), delete), ALL);
    assert_eq!(replaced(world("ServingGroupRecreate", 0), gone), ALL);
}

/// The same without PodGroups, which otherwise remember how many replicas there were.
#[test]
fn without_gangs() {
    for policy in ["RoleRecreate", "ServingGroupRecreate"] {
        let mut world = World::of(json!([role("a", 2, 0, "i")]), json!({"recoveryPolicy": policy}));
        world.gangs = false;
        world.run();
        let kept = world.pod("ms-0-a-1-0").object.uid.clone();
        vanish(&mut world, "ms-0-a-0-0");
        world.run();
        assert_eq!(world.names(), ["ms-0-a-0-0", "ms-0-a-1-0"]);
        assert_eq!(world.pod("ms-0-a-1-0").object.uid == kept, policy == "RoleRecreate", "{policy}");
    }
}

/// E20: a controller that stops half way through a creation completes it, and replaces nothing.
#[test]
fn creation_that_was_interrupted_is_completed() {
    for policy in ["RoleRecreate", "ServingGroupRecreate", "None"] {
        for gangs in [true, false] {
            let mut world = World::of(json!([role("a", 2, 2, "i")]), json!({"recoveryPolicy": policy}));
            world.gangs = gangs;
            let outcome = world.reconcile();
            outcome.changes.iter().take(6).for_each(|change| world.apply(change));
            if !gangs {
                // Nothing holds these back: they run before the others exist.
                world.pods.iter_mut().for_each(|pod| (pod.ready, pod.started) = (true, true));
            }
            let before: Vec<String> = world.pods.iter().map(|pod| pod.object.uid.clone()).collect();
            assert!((3..6).contains(&before.len()));
            world.run();
            assert_eq!(world.pods.len(), 6, "{policy}");
            let kept = world.pods.iter().filter(|pod| before.contains(&pod.object.uid));
            assert_eq!(kept.count(), before.len(), "{policy} gangs {gangs}");
        }
    }
}

/// What has not run yet waits for what is missing; it does not start again.
#[test]
fn a_pod_that_is_lost_before_any_ran_is_replaced_alone() {
    for policy in ["RoleRecreate", "ServingGroupRecreate", "None"] {
        let mut world = World::of(json!([role("a", 2, 2, "i")]), json!({"recoveryPolicy": policy}));
        world.settle();
        vanish(&mut world, "ms-0-a-1-2");
        assert_eq!(world.next(), ["+Pod ms-0-a-1-2"], "{policy}");
    }
}

/// Under the policy None each pod is on its own: one comes back while another has yet to go.
#[test]
fn pods_of_a_replica_come_back_one_by_one() {
    let mut world = World::running(json!([role("a", 1, 2, "i")]), json!({"recoveryPolicy": "None"}));
    world.pod("ms-0-a-0-1").object.deleting = true;
    vanish(&mut world, "ms-0-a-0-2");
    assert_eq!(world.next(), ["+Pod ms-0-a-0-2"]);
}

/// A Service tells that its role replica was complete once; it waits until that is so again.
#[test]
fn a_service_waits_for_the_pods() {
    let mut world = World::running(json!([role("a", 1, 1, "i")]), json!({"recoveryPolicy": "None"}));
    world.services.clear();
    world.pod("ms-0-a-0-1").object.deleting = true;
    assert!(world.next().is_empty());
    world.run();
    assert_eq!(world.services.len(), 1);
}

/// A surplus pod that goes is part of its replica until it is gone.
#[test]
fn a_replica_that_loses_a_surplus_pod_does_not_run() {
    let mut world = World::running(json!([role("a", 1, 1, "i")]), json!({"recoveryPolicy": "None"}));
    let mut surplus = world.pod("ms-0-a-0-1").clone();
    (surplus.object.name, surplus.object.uid) = ("ms-0-a-0-2".to_owned(), "surplus".to_owned());
    surplus.object.deleting = true;
    world.pods.push(surplus);
    world.settle();
    assert_eq!(world.object.status.available_replicas, 0);
    world.run_pods();
    world.settle();
    assert_eq!(world.object.status.available_replicas, 1);
}

/// A failed pod has `restartGracePeriodSeconds` to recover, under every policy; the reconcile asks to be woken then.
#[test]
fn grace() {
    for policy in ["RoleRecreate", "ServingGroupRecreate", "None"] {
        let mut world = world(policy, 60);
        world.fail("ms-0-prefill-1-1");
        world.settle();
        let failed = world.now;
        assert_eq!(world.reconcile().wake_at, Some(failed.plus(60)), "{policy}");
        world.now = failed.plus(59);
        world.memory = None; // a restart loses no timer
        assert!(world.next().is_empty(), "{policy}");
        let mut recovered = world.clone();
        recovered.pod("ms-0-prefill-1-1").failing_since = None;
        recovered.now = failed.plus(61);
        assert!(recovered.next().is_empty(), "{policy}: it recovered in time");
        assert_eq!(recovered.reconcile().wake_at, None);
        world.now = failed.plus(60);
        assert!(world.next().contains(&"-Pod ms-0-prefill-1-1".to_owned()), "{policy}");
    }
}

/// Readiness that is lost without a restart costs availability, and nothing else. Upstream does not see it.
#[test]
fn readiness_lost() {
    for policy in ["RoleRecreate", "ServingGroupRecreate", "None"] {
        let mut world = world(policy, 0);
        world.pod("ms-0-decode-0-0").ready = false;
        let outcome = world.step();
        assert!(outcome.changes.is_empty(), "{policy}");
        let status = &world.object.status;
        assert_eq!(status.available_replicas, 0);
        let texts: Vec<(&str, &str)> =
            status.conditions.iter().map(|c| (c.type_.as_str(), c.status.as_str())).collect();
        assert_eq!(texts, [("Progressing", "True"), ("Available", "False")]);
    }
}

/// A surplus role replica that goes is no loss.
#[test]
fn scaling_a_role_down_recreates_no_group() {
    let mut world = world("ServingGroupRecreate", 0);
    let kept = world.pod("ms-0-decode-0-0").object.uid.clone();
    world.edit(|object| object.spec.template.roles[0].replicas = Some(1));
    // Stopped after the first of its pods, and then wanted again.
    let outcome = world.reconcile();
    let first =
        outcome.changes.iter().position(|change| change.kind() == crate::modelserving::Kind::Pod).unwrap();
    outcome.changes[..=first].iter().for_each(|change| world.apply(change));
    world.settle();
    world.edit(|object| object.spec.template.roles[0].replicas = Some(2));
    world.run();
    assert_eq!(world.names(), ALL);
    assert_eq!(world.pod("ms-0-decode-0-0").object.uid, kept);
}

fn pod(status: Value) -> crate::api::core::Pod {
    let metadata = json!({"name": "p", "creationTimestamp": "1970-01-01T00:00:10Z"});
    serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap()
}

fn at(second: i64) -> String {
    Timestamp(second).to_string()
}

fn ended(second: i64) -> Value {
    json!({"terminated": {"finishedAt": at(second), "exitCode": 1}})
}

/// Since when a pod is failing, from what its status shows.
#[test]
fn failing() {
    let check = |status: Value, expect: Option<i64>| {
        assert_eq!(failing_since(&pod(status.clone())), expect.map(Timestamp), "{status}");
    };
    let ready = |status: &str, second: i64| json!([{"type": "Ready", "status": status, "lastTransitionTime": at(second)}]);
    let restarted =
        |count: i32, second: i64| json!([{"name": "c", "restartCount": count, "lastState": ended(second)}]);
    check(json!({"phase": "Pending"}), None);
    check(json!({"phase": "Running", "conditions": ready("False", 20)}), None);
    check(
        json!({"phase": "Running", "conditions": ready("True", 20), "containerStatuses": restarted(3, 90)}),
        None,
    );
    // It crashed at 90 and is not ready since.
    check(
        json!({"phase": "Running", "conditions": ready("False", 91), "containerStatuses": restarted(1, 90)}),
        Some(90),
    );
    // It was never ready, and crashed at 90: the grace starts there, not when it was created.
    check(
        json!({"phase": "Running", "conditions": ready("False", 10), "containerStatuses": restarted(1, 90)}),
        Some(90),
    );
    // It has been crashing for a while: the first time is not known, but it has not been ready since 91.
    check(
        json!({"phase": "Running", "conditions": ready("False", 91), "containerStatuses": restarted(4, 300)}),
        Some(91),
    );
    // It crashed once, recovered, and is unready since 500 for another reason. Upstream deletes it.
    check(
        json!({"phase": "Running", "conditions": ready("False", 500), "containerStatuses": restarted(1, 90)}),
        None,
    );
    check(
        json!({"phase": "Pending", "conditions": ready("False", 12), "initContainerStatuses": restarted(1, 30)}),
        Some(30),
    );
    check(json!({"phase": "Failed", "containerStatuses": [{"name": "c", "state": ended(70)}]}), Some(70));
    check(json!({"phase": "Failed", "conditions": ready("False", 60)}), Some(60));
    check(json!({"phase": "Failed"}), Some(10));
    // A server that ends is no server. Upstream waits for it forever.
    check(json!({"phase": "Succeeded", "containerStatuses": [{"name": "c", "state": ended(70)}]}), Some(70));
    // As upstream's tests have it: a count and nothing else.
    check(json!({"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 5}]}), Some(10));
}

#[test]
fn what_is_read_of_a_pod() {
    let mut object = pod(json!({
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}],
    }));
    object
        .metadata
        .annotations
        .insert("controller.kubernetes.io/pod-deletion-cost".to_owned(), "-7".to_owned());
    let observed = ObservedPod::from(&object);
    assert!(observed.ready && observed.started && !observed.in_gang);
    assert_eq!((observed.deletion_cost, observed.waiting.as_deref()), (-7, Some("CrashLoopBackOff")));
    for (text, cost) in [("x", 0), ("", 0), ("100", 100), ("99999999999", 0)] {
        object
            .metadata
            .annotations
            .insert("controller.kubernetes.io/pod-deletion-cost".to_owned(), text.to_owned());
        assert_eq!(ObservedPod::from(&object).deletion_cost, cost, "{text}");
    }
    object.status.phase = Some("Pending".into());
    let observed = ObservedPod::from(&object);
    assert!(!observed.ready && !observed.started, "ready before it runs means nothing");
    let gated = json!({"spec": {"schedulingGates": [{"name": "g"}]}, "status": {"phase": "Pending"}});
    let gated = ObservedPod::from(&serde_json::from_value::<crate::api::core::Pod>(gated).unwrap());
    assert_eq!(gated.waiting.as_deref(), Some("SchedulingGated"));
}
