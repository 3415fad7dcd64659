//! ServingGroups and role replicas that come and go, seen through whole reconciles.

use super::world::{World, role};
use crate::api::core::Pod;
use crate::modelserving::{ObjectRef, ObservedPod, ObservedService};
use serde_json::json;

fn replicas(world: &mut World, count: i32) {
    world.edit(|object| object.spec.replicas = Some(count));
}

/// E2, E3, U9 to U11.
#[test]
fn up_and_down() {
    let mut world = World::running(json!([role("a", 2, 1, "i")]), json!({"replicas": 1}));
    assert_eq!(world.names(), ["ms-0-a-0-0", "ms-0-a-0-1", "ms-0-a-1-0", "ms-0-a-1-1"]);
    replicas(&mut world, 3);
    world.run();
    assert_eq!((world.groups(), world.pods.len(), world.pod_groups.len()), (vec![0, 1, 2], 12, 3));
    assert_eq!(world.services.len(), 6);
    replicas(&mut world, 1);
    world.run();
    assert_eq!((world.groups(), world.pods.len(), world.services.len()), (vec![0], 4, 2));
    world.edit(|object| object.spec.template.roles[0].replicas = Some(3));
    world.run();
    assert_eq!((world.pods.len(), world.services.len()), (6, 3));
    world.edit(|object| object.spec.template.roles[0].replicas = Some(1));
    world.run();
    assert_eq!(world.names(), ["ms-0-a-0-0", "ms-0-a-0-1"]);
}

/// Upstream's sync fails for good where there is nothing.
#[test]
fn nothing_at_all() {
    let mut world = World::running(json!([role("a", 1, 0, "i")]), json!({"replicas": 0}));
    let available = &world.object.status.conditions[0];
    assert_eq!((available.type_.as_str(), available.status.as_str()), ("Available", "True"));
    assert_eq!(world.object.status.observed_generation, 1);
    assert!(!world.object.status.update_revision.is_empty());
    replicas(&mut world, 2);
    world.run();
    replicas(&mut world, 0);
    world.run();
    assert_eq!((world.pods.len(), world.pod_groups.len(), world.services.len()), (0, 0, 0));
    world.edit(|object| object.spec.template.roles[0].replicas = Some(0));
    replicas(&mut world, 2);
    world.run();
    assert_eq!(world.pods.len(), 0);
    assert!(world.object.status.conditions.iter().any(|c| c.type_ == "Available" && c.status == "True"));
}

/// E26 to E28: cheap ones go.
#[test]
fn deletion_cost() {
    let roles = json!([role("prefill", 2, 0, "i"), role("decode", 1, 0, "i")]);
    let mut world = World::running(roles, json!({"replicas": 2}));
    for pod in &mut world.pods {
        let group = i64::from(pod.object.name.starts_with("ms-1"));
        pod.deletion_cost = group * 100 + i64::from(pod.object.name.ends_with("prefill-1-0")) * 10;
    }
    world.edit(|object| {
        object.spec.replicas = Some(1);
        object.spec.template.roles[0].replicas = Some(1);
    });
    world.run();
    assert_eq!(world.names(), ["ms-1-decode-0-0", "ms-1-prefill-1-0"]);
}

/// U32: what a pod's deletion costs, by its annotation. The API server refuses what is no 32-bit number.
#[test]
fn deletion_cost_of_a_pod() {
    let check = |annotations: serde_json::Value, expect: i64| {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": "p", "annotations": annotations}})).unwrap();
        assert_eq!(ObservedPod::from(&pod).deletion_cost, expect, "{annotations}");
    };
    let cost = |text: &str| json!({"controller.kubernetes.io/pod-deletion-cost": text});
    check(json!(null), 0);
    check(json!({"pod-deletion-cost": "7"}), 0);
    for (text, expect) in [
        ("100", 100),
        ("0", 0),
        ("-100", -100),
        ("1000000", 1_000_000),
        ("2147483647", 2_147_483_647),
        ("-2147483648", -2_147_483_648),
        ("2147483648", 0),
        ("invalid", 0),
        ("", 0),
        ("1.5", 0),
        (" 1", 0),
    ] {
        check(cost(text), expect);
    }
}

/// U32: status before cost, and the sum of all pods' costs, without a cap, before the ordinal; of role replicas and of
/// ServingGroups alike. `-` after a cost: not ready.
#[test]
fn status_before_cost() {
    let check = |costs: &[(i64, i64, &str)], stays: u32| {
        for by_group in [true, false] {
            let count = costs.len() as u32;
            let replicas = if by_group { 1 } else { count };
            let spec = json!({"replicas": if by_group { count } else { 1 }});
            let mut world = World::running(json!([role("a", replicas, 1, "i")]), spec);
            let of = |ordinal: u32| {
                if by_group { format!("ms-{ordinal}-a-0-") } else { format!("ms-0-a-{ordinal}-") }
            };
            for (ordinal, (entry, worker, ready)) in (0..).zip(costs) {
                for (index, cost) in [entry, worker].into_iter().enumerate() {
                    let pod = world.pod(&format!("{}{index}", of(ordinal)));
                    (pod.deletion_cost, pod.ready) = (*cost, *ready != "-" || index == 0);
                }
            }
            world.edit(|object| {
                (object.spec.replicas, object.spec.template.roles[0].replicas) = (Some(1), Some(1));
            });
            world.settle();
            let expect = [format!("{}0", of(stays)), format!("{}1", of(stays))];
            assert_eq!(world.names(), expect, "{costs:?}, by group: {by_group}");
        }
    };
    let most = i64::from(i32::MAX);
    check(&[(0, 0, ""), (0, 0, "")], 0);
    check(&[(0, 0, ""), (0, 1, "")], 1);
    check(&[(0, -1, ""), (0, 0, "")], 1);
    check(&[(-50, 60, ""), (0, 9, "")], 0);
    check(&[(-50, 50, ""), (1, 0, "")], 1);
    check(&[(most, most, ""), (most, most - 1, "")], 0);
    check(&[(most, 0, ""), (most, 1, "")], 1);
    check(&[(most, most, "-"), (-9, -9, "")], 1);
    check(&[(0, 0, "-"), (0, 5, "-")], 1);
    check(&[(0, 0, "-"), (0, 0, "-")], 0);
}

/// E29, E30: what is not ready goes first.
#[test]
fn not_ready_goes_first() {
    let mut world = World::running(json!([role("a", 1, 0, "i")]), json!({"replicas": 4}));
    world.pod("ms-1-a-0-0").ready = false;
    world.edit(|object| object.spec.replicas = Some(3));
    world.settle();
    assert_eq!(world.groups(), [0, 2, 3]);
    let mut world = World::running(json!([role("a", 4, 0, "i")]), json!({}));
    world.pod("ms-0-a-1-0").ready = false;
    world.edit(|object| object.spec.template.roles[0].replicas = Some(3));
    world.settle();
    assert_eq!(world.names(), ["ms-0-a-0-0", "ms-0-a-2-0", "ms-0-a-3-0"]);
}

/// U29: what is going already is no reason to delete more.
#[test]
fn replicas_that_are_going_count() {
    let mut world = World::running(json!([role("a", 3, 0, "i")]), json!({}));
    world.edit(|object| object.spec.template.roles[0].replicas = Some(2));
    world.pod("ms-0-a-1-0").object.deleting = true;
    let next = world.next();
    assert!(!next.iter().any(|change| change.starts_with("-Pod")), "{next:?}");
    let mut world = World::running(json!([role("a", 1, 0, "i")]), json!({"replicas": 3}));
    world.edit(|object| object.spec.replicas = Some(2));
    world.pod("ms-1-a-0-0").object.deleting = true;
    world.pod_groups.retain(|pod_group| pod_group.object.name != "ms-1");
    let next = world.next();
    assert!(!next.iter().any(|change| change.starts_with("-Pod")), "{next:?}");
}

/// A deletion that was interrupted goes on where it was, though others would be cheaper by now.
#[test]
fn a_group_that_is_half_gone_goes() {
    let mut world = World::running(json!([role("a", 2, 0, "i")]), json!({"replicas": 3}));
    let set = |world: &mut World, group: &str, cost: i64, ready: bool| {
        for pod in world.pods.iter_mut().filter(|pod| pod.object.name.starts_with(group)) {
            (pod.deletion_cost, pod.ready) = (cost, ready);
        }
    };
    set(&mut world, "ms-0", -1, true);
    replicas(&mut world, 2);
    let outcome = world.reconcile();
    outcome.changes.iter().take(2).for_each(|change| world.apply(change));
    set(&mut world, "ms-2", -5, false);
    assert_eq!(world.next(), ["-Pod ms-0-a-1-0"]);
}

/// A group that serves is not half gone, whatever it has lost: a surplus role replica that goes and its PodGroup.
#[test]
fn a_group_that_serves_is_not_half_gone() {
    let rolling = json!({"maxUnavailable": 0, "maxSurge": 1, "partition": 2});
    let rollout = json!({"type": "ServingGroupRollingUpdate", "rollingUpdateConfiguration": rolling});
    let mut world =
        World::running(json!([role("a", 3, 0, "i")]), json!({"replicas": 2, "rolloutStrategy": rollout}));
    world.edit(|object| object.spec.template.roles[0].replicas = Some(2));
    world.settle();
    assert!(world.pod("ms-1-a-2-0").object.deleting);
    world.pod_groups.retain(|pod_group| pod_group.object.name != "ms-1");
    world.pod("ms-0-a-0-0").ready = false;
    replicas(&mut world, 1);
    assert!(!world.next().contains(&"-Pod ms-1-a-0-0".to_owned()), "{:?}", world.next());
    world.run();
    assert_eq!(world.groups(), [1]);
}

/// U40: PodGroup, then pods, then Services; nothing twice.
#[test]
fn order_of_deletion() {
    let mut world = World::running(json!([role("a", 1, 1, "i")]), json!({"replicas": 2}));
    replicas(&mut world, 1);
    assert_eq!(world.next(), ["-PodGroup ms-1", "-Pod ms-1-a-0-0", "-Pod ms-1-a-0-1", "-Service ms-1-a-0-0"]);
    world.step();
    assert!(world.next().is_empty());
}

/// U7: a group's name is free when nothing of it is left; what belongs to another group does not matter.
#[test]
fn a_name_is_free_when_nothing_is_left() {
    type Left = fn(&mut World);
    let gone = |left: Left| {
        let mut world = World::running(json!([role("a", 1, 1, "i")]), json!({"replicas": 2}));
        world.edit(|object| object.spec.replicas = Some(1));
        world.step();
        world.edit(|object| object.spec.replicas = Some(3));
        let old = world.pods.iter().find(|pod| pod.object.deleting).cloned().unwrap();
        world.pods.retain(|pod| !pod.object.deleting);
        left(&mut world);
        let back = world.next().contains(&"+Pod ms-1-a-0-0".to_owned());
        world.pods.push(old);
        back
    };
    assert!(gone(|_| {}), "nothing is left");
    assert!(!gone(|world| {
        let object = ObjectRef {
            name: "ms-1-a-0-1".into(),
            uid: "x".into(),
            owner: "uid-ms".into(),
            deleting: true,
            ..ObjectRef::default()
        };
        world.pods.push(ObservedPod { object, ..ObservedPod::default() });
    }));
    assert!(!gone(|world| {
        let object = ObjectRef {
            name: "ms-1-a-0-0".into(),
            uid: "x".into(),
            owner: "uid-ms".into(),
            deleting: true,
            ..ObjectRef::default()
        };
        world.services.push(ObservedService { object });
    }));
    assert!(gone(|world| {
        let object = ObjectRef {
            name: "ms-2-a-0-0".into(),
            uid: "x".into(),
            owner: "uid-ms".into(),
            deleting: true,
            ..ObjectRef::default()
        };
        world.services.push(ObservedService { object });
    }));
}

/// U8: the same for a role replica: only its own pods hold its name.
#[test]
fn a_role_replica_comes_back_when_its_pods_are_gone() {
    let mut world = World::running(json!([role("a", 2, 1, "i"), role("b", 1, 0, "i")]), json!({}));
    world.pod("ms-0-a-0-1").object.deleting = true;
    assert_eq!(world.next(), ["-Pod ms-0-a-0-0", "-Service ms-0-a-0-0"]);
    world.step();
    world.pod("ms-0-b-0-0").object.deleting = true;
    world.settle();
    world.pods.retain(|pod| pod.object.name != "ms-0-a-0-1");
    assert!(world.next().is_empty(), "its entry pod is still there");
    world.pods.retain(|pod| pod.object.name != "ms-0-a-0-0");
    assert_eq!(world.next(), ["+Pod ms-0-a-0-0", "+Pod ms-0-a-0-1", "+Service ms-0-a-0-0"]);
}

/// U34: a headless Service for each replica of a role with a worker template; deleted by hand, it comes back (E9).
#[test]
fn services() {
    let mut world = World::running(json!([role("a", 2, 2, "i"), role("b", 1, 0, "i")]), json!({}));
    let names = |world: &World| -> Vec<String> {
        let mut names: Vec<String> = world.services.iter().map(|s| s.object.name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&world), ["ms-0-a-0-0", "ms-0-a-1-0"]);
    world.services.clear();
    assert_eq!(world.next(), ["+Service ms-0-a-0-0", "+Service ms-0-a-1-0"]);
    world.pod("ms-0-a-0-0").object.deleting = true;
    assert_eq!(world.next(), ["-Pod ms-0-a-0-1", "-Pod ms-0-a-0-2", "+Service ms-0-a-1-0"]);
    // A worker template without workers gets one too, an entry-only role does not.
    let mut entry = role("c", 1, 0, "i");
    entry["workerTemplate"] = entry["entryTemplate"].clone();
    let world = World::running(json!([entry]), json!({}));
    assert_eq!(names(&world), ["ms-0-c-0-0"]);
}

/// U2, U20, and the PodGroup, Service and ControllerRevision of another: what is in the way is waited for, never touched.
#[test]
fn names_that_others_hold() {
    let other = |name: &str| ObjectRef {
        name: name.into(),
        uid: "theirs".into(),
        owner: "another".into(),
        ..ObjectRef::default()
    };
    let roles = json!([role("a", 1, 1, "i")]);
    let check = |hold: &dyn Fn(&mut World), expect: &[&str]| {
        let mut world = World::of(roles.clone(), json!({}));
        hold(&mut world);
        let outcome = world.reconcile();
        assert_eq!(outcome.wake_at, None, "that it goes is observed");
        let mut list = world.next();
        list.retain(|change| !change.contains("ControllerRevision"));
        assert_eq!(list, expect);
        world.settle();
        world.run_pods();
        world.settle();
        assert!(!world.next().iter().any(|change| change.starts_with('-')), "nothing of theirs is deleted");
        let condition = &world.object.status.conditions[0];
        assert!(condition.message.contains("belongs to another owner"), "{}", condition.message);
    };
    check(
        &|world| world.pods.push(ObservedPod { object: other("ms-0-a-0-1"), ..ObservedPod::default() }),
        &["+PodGroup ms-0"],
    );
    check(
        &|world| {
            let pod_group =
                crate::modelserving::ObservedPodGroup { object: other("ms-0"), ..Default::default() };
            world.pod_groups.push(pod_group);
        },
        &[],
    );
    check(
        &|world| world.services.push(ObservedService { object: other("ms-0-a-0-0") }),
        &["+PodGroup ms-0", "+Pod ms-0-a-0-0", "+Pod ms-0-a-0-1"],
    );
    // U17: without its ControllerRevision nothing is created that refers to it.
    check(
        &|world| {
            let name = world.reconcile().changes[0].name().to_owned();
            let revision =
                crate::modelserving::ObservedRevision { object: other(&name), ..Default::default() };
            world.revisions.push(revision);
        },
        &[],
    );
}

/// Everything without our uid as owner is somebody else's, whatever its labels say.
#[test]
fn nothing_foreign_is_deleted() {
    let mut world = World::running(json!([role("a", 1, 0, "i")]), json!({}));
    let object =
        ObjectRef { name: "ms-7-a-0-0".into(), uid: "x".into(), owner: "".into(), ..ObjectRef::default() };
    world.pods.push(ObservedPod { object: object.clone(), ..ObservedPod::default() });
    world.services.push(ObservedService { object });
    replicas(&mut world, 0);
    world.settle();
    assert!(world.pods.iter().any(|pod| pod.object.name == "ms-7-a-0-0" && !pod.object.deleting));
    assert_eq!(world.services.len(), 1);
}

/// Foreground deletion: the garbage collector is at work, and upstream works against it.
#[test]
fn nothing_is_created_for_what_is_being_deleted() {
    let mut world = World::running(json!([role("a", 2, 1, "i")]), json!({"replicas": 2}));
    world.object.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".into());
    world.pods.truncate(3);
    world.services.clear();
    let outcome = world.reconcile();
    assert_eq!((outcome.changes.len(), outcome.status), (0, None));
}

/// The scale subresource bypasses validation: names can become too long.
#[test]
fn names_that_become_too_long() {
    let mut world = World::of(json!([role("decode", 1, 0, "i")]), json!({"replicas": 11}));
    world.object.metadata.name = format!("m{}", "s".repeat(49));
    world.settle();
    assert_eq!(world.pods.len(), 10);
    let message = &world.object.status.conditions[0].message;
    assert!(message.contains("is longer than 63 characters"), "{message}");
}

/// Labels of a template cannot take a pod away from its controller; that is said once.
#[test]
fn protected_labels() {
    let mut stolen = role("a", 1, 0, "i");
    stolen["entryTemplate"]["metadata"] = json!({"labels": {"modelserving.volcano.sh/role": "b", "app": "x"}, "annotations": {"modelserving.volcano.sh/x": "y"}});
    let mut world = World::of(json!([stolen]), json!({"replicas": 2}));
    let outcome = world.step();
    let crate::modelserving::Change::Create(pod) = &outcome.changes[3] else { panic!() };
    assert_eq!(pod.object()["metadata"]["labels"]["modelserving.volcano.sh/role"], "a");
    assert_eq!(pod.object()["metadata"]["labels"]["app"], "x");
    let warnings: Vec<&str> =
        outcome.events.iter().filter(|event| event.warning).map(|event| event.message.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "role a: modelserving.volcano.sh/role in a template is set by the controller; the template's value is dropped",
            "role a: modelserving.volcano.sh/x in a template is set by the controller; the template's value is dropped",
        ]
    );
    assert!(world.step().events.is_empty());
}

/// Of those that go, pods that still wait for a node go first: they must not get one that the others leave.
#[test]
fn what_waits_for_a_node_is_deleted_first() {
    let mut world = World::of(json!([role("a", 1, 0, "i")]), json!({"replicas": 4}));
    world.settle();
    for name in ["ms-0-a-0-0", "ms-1-a-0-0"] {
        let pod = world.pod(name);
        (pod.started, pod.ready) = (true, true);
    }
    replicas(&mut world, 1);
    let next = world.next();
    let pods: Vec<&String> = next.iter().filter(|change| change.starts_with("-Pod ")).collect();
    assert_eq!(pods, ["-Pod ms-3-a-0-0", "-Pod ms-2-a-0-0", "-Pod ms-1-a-0-0"]);
}
