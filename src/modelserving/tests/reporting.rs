//! Status, conditions, selector and events.

use super::world::{World, role};
use crate::api::model_serving::ModelServing;
use crate::api::pod_group::PodGroup;
use crate::modelserving::{ObservedPodGroup, names};
use serde_json::json;

fn texts(world: &World) -> Vec<String> {
    world
        .object
        .status
        .conditions
        .iter()
        .map(|c| format!("{}={}: {}", c.type_, c.status, c.message))
        .collect()
}

/// E12 and 4.8: what is told, in order.
#[test]
fn events() {
    let mut world = World::running(json!([role("a", 1, 1, "i")]), json!({}));
    let take = |world: &mut World| -> Vec<String> {
        std::mem::take(&mut world.events)
            .into_iter()
            .map(|e| format!("{}: {}", e.reason, e.message))
            .collect()
    };
    assert_eq!(
        take(&mut world),
        [
            "RoleCreating: Role a/a-0 in ServingGroup ms-0 is now Creating",
            "ServingGroupCreating: ServingGroup ms-0 is now Creating",
            "RoleRunning: Role a/a-0 in ServingGroup ms-0 is now Running",
        ]
    );
    world.fail("ms-0-a-0-1");
    world.run();
    assert_eq!(
        take(&mut world),
        [
            "RoleCreating: Role a/a-0 in ServingGroup ms-0 is now Creating",
            "RoleDeleting: Role a/a-0 in ServingGroup ms-0 is now Deleting",
            "RoleCreating: Role a/a-0 in ServingGroup ms-0 is now Creating",
            "RoleRunning: Role a/a-0 in ServingGroup ms-0 is now Running",
        ]
    );
    // A pod that may still recover.
    world.edit(|object| object.spec.template.restart_grace_period_seconds = Some(60));
    world.fail("ms-0-a-0-1");
    world.settle();
    assert_eq!(take(&mut world), ["RoleCreating: Role a/a-0 in ServingGroup ms-0 is now Creating"]);
    world.run_pods();
    world.settle();
    assert_eq!(take(&mut world), ["RoleRunning: Role a/a-0 in ServingGroup ms-0 is now Running"]);
    world.edit(|object| object.spec.replicas = Some(0));
    world.run();
    assert_eq!(take(&mut world), ["ServingGroupDeleting: ServingGroup ms-0 is now Deleting: scaled down"]);
    // A restarted controller tells nothing that is no news.
    let mut world = World::running(json!([role("a", 1, 1, "i")]), json!({}));
    world.events.clear();
    world.memory = None;
    world.settle();
    assert!(world.events.is_empty());
}

/// U39 and U33: when a role replica is Running.
#[test]
fn when_a_role_replica_runs() {
    let check = |workers: u32, ready: &[u32], expect: bool| {
        let mut world = World::of(json!([role("a", 1, workers, "i")]), json!({}));
        world.settle();
        for index in ready {
            let pod = world.pod(&names::pod("ms", 0, "a", 0, *index));
            (pod.ready, pod.started) = (true, true);
        }
        world.settle();
        let told = world.events.iter().any(|event| event.reason == "RoleRunning");
        assert_eq!(told, expect, "{workers} workers, {ready:?} ready");
        assert_eq!(world.object.status.available_replicas == 1, expect);
    };
    check(0, &[0], true);
    check(0, &[], false);
    check(2, &[0], false);
    check(2, &[0, 2], false);
    check(2, &[0, 1, 2], true);
    check(1, &[0, 1], true);
    check(3, &[0, 1, 2], false);
}

/// The reason why a gang waits, and why a pod does not start, reach the condition, and are told once.
#[test]
fn why_it_takes_so_long() {
    let mut world = World::of(json!([role("a", 1, 1, "i")]), json!({}));
    world.settle();
    world.pod_groups[0].unschedulable = Some("fits 3 of 4 pods at tier 1".to_owned());
    world.events.clear();
    world.settle();
    assert_eq!(
        texts(&world),
        ["Progressing=True: Some groups is progressing: [0]; ms-0: fits 3 of 4 pods at tier 1"]
    );
    assert_eq!(world.events.len(), 1);
    assert!(world.events[0].warning && world.events[0].reason == "FailedScheduling");
    world.now = world.now.plus(60);
    assert!(world.step().events.is_empty(), "it is known");
    world.pod_groups[0].unschedulable = None;
    world.pod("ms-0-a-0-1").waiting = Some("ErrImagePull".to_owned());
    world.settle();
    assert_eq!(
        texts(&world),
        ["Progressing=True: Some groups is progressing: [0]; ms-0-a-0-1: ErrImagePull"]
    );
    world.pod("ms-0-a-0-1").waiting = None;
    world.run();
    assert!(texts(&world).contains(&"Available=True: All Serving groups are ready".to_owned()));
}

/// Found by giving objects random values: planning for two thousand million workers took all memory.
#[test]
fn more_pods_than_a_cluster_has_are_not_planned_for() {
    let mut world = World::running(json!([role("a", 1, 1, "i")]), json!({}));
    world.events.clear();
    let told = |world: &World| world.events.iter().map(|event| event.reason).collect::<Vec<_>>();
    for change in [
        (|object| object.spec.template.roles[0].worker_replicas = i32::MAX) as fn(&mut ModelServing),
        |object| object.spec.replicas = Some(i32::MAX),
        |object| {
            object.spec.template.roles.clear();
            object.spec.replicas = Some(i32::MAX);
        },
        |object| {
            object.spec.rollout_strategy =
                serde_json::from_value(json!({"rollingUpdateConfiguration": {"maxSurge": "2000000000%"}}))
                    .unwrap();
        },
    ] {
        let before = world.object.clone();
        world.edit(change);
        world.settle();
        assert_eq!(told(&world), ["TooManyPods"], "told once");
        assert_eq!(world.pods.len(), 2, "what serves goes on");
        let texts = texts(&world);
        assert!(texts[0].starts_with("Progressing=True: asks for "), "{texts:?}");
        assert!(texts[1].starts_with("Available=False: asks for "), "{texts:?}");
        world.object.spec = before.spec;
        world.settle();
        world.events.clear();
    }
    assert!(texts(&world).contains(&"Available=True: All Serving groups are ready".to_owned()));
}

/// What of a PodGroup's conditions is a reason: the newest that holds, unless it only says that pods are still to come.
#[test]
fn why_a_gang_waits() {
    let check = |conditions: serde_json::Value, expect: Option<&str>| {
        let pod_group = json!({"metadata": {"name": "ms-0"}, "status": {"conditions": conditions}});
        let pod_group: PodGroup = serde_json::from_value(pod_group).unwrap();
        let observed = ObservedPodGroup::from(&pod_group);
        assert_eq!(observed.unschedulable.as_deref(), expect, "{:?}", pod_group.status);
    };
    let at = |second: u32, type_: &str, status: &str, reason: &str, message: &str| {
        json!({"type": type_, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": format!("2026-01-01T00:00:0{second}Z")})
    };
    let short = at(1, "Unschedulable", "True", "NotEnoughResources", "fits 3 of 4 pods");
    check(json!([]), None);
    check(json!([short]), Some("fits 3 of 4 pods"));
    check(json!([at(1, "Unschedulable", "True", "NotEnoughResources", "")]), Some("NotEnoughResources"));
    check(json!([at(1, "Unschedulable", "False", "NotEnoughResources", "fits")]), None);
    check(json!([short, at(2, "Scheduled", "True", "tasks in gang are ready to be scheduled", "")]), None);
    check(json!([at(2, "Scheduled", "False", "NotEnoughResources", ""), short]), Some("fits 3 of 4 pods"));
    for reason in ["NotEnoughTasks", "NotEnoughPodsOfTask"] {
        check(json!([at(1, "Unschedulable", "True", reason, "1/4 tasks in gang unschedulable")]), None);
        check(json!([short, at(2, "Unschedulable", "True", reason, "1/4 tasks in gang")]), None);
    }
}

/// A pod that a plugin cannot build is not built without it.
#[test]
fn plugin_errors_are_told() {
    let mut world = World::of(json!([role("a", 1, 0, "i")]), json!({"plugins": [{"name": "nope"}]}));
    world.settle();
    assert!(world.pods.is_empty());
    assert!(texts(&world)[0].contains("role a: plugin nope: unknown"), "{:?}", texts(&world));
    assert!(world.events.iter().any(|event| event.warning && event.reason == "PluginFailed"));
    world.edit(|object| object.spec.plugins.clear());
    world.run();
    assert_eq!(world.pods.len(), 1);
}

/// What the API server lets through and a webhook would not is refused, and that is said: nothing is created, and what runs
/// stays as it is.
#[test]
fn what_only_the_controller_can_judge_invalid_is_refused() {
    let check = |change: &dyn Fn(&mut crate::api::model_serving::ModelServing), expect: &str| {
        let mut world = World::of(json!([role("a", 2, 0, "i")]), json!({}));
        change(&mut world.object);
        world.settle();
        assert!(world.pods.is_empty() && world.pod_groups.is_empty() && world.revisions.is_empty());
        let condition = &world.object.status.conditions[0];
        assert_eq!((condition.type_.as_str(), condition.reason.as_str()), ("Progressing", "InvalidSpec"));
        assert!(condition.message.contains(expect), "{}", condition.message);
        let told = |event: &&crate::modelserving::Event| event.warning && event.message.contains(expect);
        assert_eq!(world.events.iter().filter(told).count(), 1);

        let mut world = World::running(json!([role("a", 2, 0, "i")]), json!({}));
        let before = world.pods.clone();
        world.edit(change);
        world.run();
        assert_eq!(world.pods, before);
        assert!(world.object.status.conditions.iter().any(|condition| condition.message.contains(expect)));
    };
    let minimum = |role: &'static str, count: i32| {
        move |object: &mut crate::api::model_serving::ModelServing| {
            let policy = object.spec.template.gang_policy.get_or_insert_default();
            policy.min_role_replicas = Some([(role.to_owned(), count)].into());
        }
    };
    check(&minimum("a", 5), "minRoleReplicas (5) for role a cannot exceed replicas (2)");
    check(&minimum("b", 1), "role b does not exist in template.roles");
    check(&minimum("a", -1), "must be non-negative");
    check(&|object| object.spec.template.roles[0].worker_replicas = 2, "workerTemplate is required");
    check(&|object| object.spec.template.roles[0].replicas = Some(-1), "must be a non-negative integer");
}

/// A creation that the API server refused is told until one succeeds.
#[test]
fn refused_creations_are_told() {
    let mut world = World::of(json!([role("a", 1, 0, "i")]), json!({}));
    world.refused = Some("Pod ms-0-a-0-0: exceeded quota: gpus".to_owned());
    world.step();
    world.step();
    let told =
        |world: &World| world.object.status.conditions.iter().any(|c| c.message.contains("exceeded quota"));
    assert!(told(&world));
    assert_eq!(world.events.iter().filter(|event| event.reason == "FailedCreate").count(), 1);
    world.refused = None;
    world.run();
    assert!(!told(&world));
}

/// Nothing is created in a namespace that is being deleted, and nothing else is asked for.
#[test]
fn a_namespace_that_goes_is_left_alone() {
    let mut world = World::of(json!([role("a", 1, 0, "i")]), json!({}));
    world.ending = true;
    let outcome = world.reconcile();
    assert!(outcome.changes.is_empty() && outcome.events.is_empty() && outcome.status.is_none());
}

/// U27: the current revision. Groups by revision, what the status says -> what it says next.
#[test]
fn current_revision() {
    let check = |status: &str, groups: &[&str], expect: &str| {
        let count = groups.len().max(1);
        let mut world = World::running(
            json!([role("a", 1, 0, "new")]),
            json!({"replicas": count, "rolloutStrategy": {"type": "ServingGroupRollingUpdate",
                "rollingUpdateConfiguration": {"partition": 9}}}),
        );
        let update = world.object.status.update_revision.clone();
        let label = |name: &str| if name == "v2" { update.clone() } else { format!("{name}bbbbbbbbbb") };
        for (group, name) in groups.iter().enumerate() {
            let pod = world.pod(&names::pod("ms", group as u32, "a", 0, 0));
            pod.revision = label(name).into();
            if *name != "v2" {
                pod.role_hash = label(name).into();
            }
        }
        if groups.is_empty() {
            world.pods.clear();
            world.pod_groups.clear();
            world.object.spec.replicas = Some(0);
        }
        world.object.status.current_revision = if status.is_empty() { String::new() } else { label(status) };
        world.step();
        assert_eq!(world.object.status.current_revision, label(expect), "{status}, {groups:?}");
        assert_eq!(world.object.status.update_revision, update);
    };
    check("", &["v4", "v4", "v4"], "v4");
    check("v4", &["v4", "v4", "v2"], "v4");
    check("v4", &["v2", "v2"], "v2");
    check("", &["v4", "v4", "v5", "v2"], "v4");
    check("v5", &["v4", "v4", "v5", "v2"], "v5");
    check("", &[], "v2");
}

/// U26, and where upstream's selector finds nothing.
#[test]
fn selector() {
    let by_ordinal = "modelserving.volcano.sh/entry=true,modelserving.volcano.sh/name=ms,\
                      modelserving.volcano.sh/role-id=a-0,modelserving.volcano.sh/role=a";
    let by_label = "modelserving.volcano.sh/name=ms,modelserving.volcano.sh/representative=true";
    let world = World::running(json!([role("a", 1, 0, "i")]), json!({"replicas": 0}));
    assert_eq!(world.object.status.label_selector, by_ordinal);
    let mut world =
        World::running(json!([role("a", 3, 1, "i"), role("b", 1, 0, "i")]), json!({"replicas": 2}));
    assert_eq!(world.object.status.label_selector, by_ordinal);
    let representatives = |world: &World| -> Vec<String> {
        let chosen = world.pods.iter().filter(|pod| pod.representative && !pod.object.deleting);
        let mut names: Vec<String> = chosen.map(|pod| pod.object.name.clone()).collect();
        names.sort();
        names
    };
    assert!(representatives(&world).is_empty());
    // Replica 0 is the cheapest in one group: it goes, and the other group keeps its own.
    for pod in world.pods.iter_mut().filter(|pod| !pod.object.name.starts_with("ms-1-a-0")) {
        pod.deletion_cost = 10;
    }
    world.edit(|object| object.spec.template.roles[0].replicas = Some(2));
    world.run();
    assert_eq!(world.object.status.label_selector, by_label);
    assert_eq!(representatives(&world), ["ms-0-a-0-0", "ms-1-a-1-0"]);
    // It stays with its pod while that lives, moves on when it goes, and new groups get one at birth.
    world.edit(|object| object.spec.replicas = Some(3));
    world.settle();
    assert_eq!(representatives(&world), ["ms-0-a-0-0", "ms-1-a-1-0", "ms-2-a-0-0"]);
    world.run();
    world.pod("ms-1-a-1-1").object.deleting = true;
    world.settle();
    assert_eq!(representatives(&world), ["ms-0-a-0-0", "ms-1-a-2-0", "ms-2-a-0-0"]);
    world.run();
    world.edit(|object| object.spec.template.roles[0].replicas = Some(3));
    world.run();
    assert_eq!(world.object.status.label_selector, by_ordinal, "every group has a replica 0 again");
    // The first role may ask for no pods.
    world.edit(|object| object.spec.template.roles[0].replicas = Some(0));
    world.run();
    assert!(world.object.status.label_selector.ends_with("role-id=b-0,modelserving.volcano.sh/role=b"));
}

/// A status that says the same is not written again. Upstream writes one on every sync.
#[test]
fn no_needless_status() {
    let mut world = World::running(json!([role("a", 1, 0, "i")]), json!({"replicas": 2}));
    world.now = world.now.plus(1000);
    assert_eq!(world.reconcile().status, None);
    // But it says which generation it is about, even if nothing else is to be said.
    world.edit(|object| object.spec.template.restart_grace_period_seconds = Some(9));
    world.step();
    assert_eq!(world.object.status.observed_generation, 2);
}

/// RoleRollingUpdate: a group whose role is being replaced is not available. Upstream still counts it.
#[test]
fn availability_while_a_role_rolls() {
    let mut a = role("a", 2, 0, "old");
    a["maxUnavailable"] = 1.into();
    let mut world = World::running(json!([a]), json!({"rolloutStrategy": {"type": "RoleRollingUpdate"}}));
    world.set_image("new");
    world.settle();
    assert_eq!(world.object.status.available_replicas, 0);
    assert_eq!(
        texts(&world).last().map(String::as_str),
        Some("UpdateInProgress=True: Some groups is progressing: [0], Updated Groups are: []")
    );
}
