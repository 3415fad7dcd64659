//! PodGroups: what they say, when they change, and when there are none.

use super::world::{World, role};
use crate::api::keys;
use crate::api::pod_group::PodGroupSpec;
use crate::modelserving::{Capabilities, Change, Observed, ObservedPodGroup, reconcile};
use serde_json::{Value, json};

/// The spec of the first PodGroup that is created.
fn created(world: &World) -> PodGroupSpec {
    let changes = world.reconcile().changes;
    let pod_group = changes.iter().find_map(|change| match change {
        Change::CreatePodGroup(pod_group) => Some(pod_group),
        _ => None,
    });
    pod_group.unwrap().spec.clone()
}

fn asks(mut role: Value, entry: Value, worker: Value) -> Value {
    role["entryTemplate"]["spec"]["containers"][0]["resources"] = json!({"requests": entry});
    if role.get("workerTemplate").is_some() {
        role["workerTemplate"]["spec"]["containers"][0]["resources"] = json!({"requests": worker});
    }
    role
}

/// P1 and 3.5.
#[test]
fn requirements() {
    let check = |roles: Value,
                 minimum: Value,
                 members: i32,
                 resources: Value,
                 policies: &[(&str, i32, i32)]| {
        let gang =
            if minimum.is_null() { json!({}) } else { json!({"gangPolicy": {"minRoleReplicas": minimum}}) };
        let spec = created(&World::of(roles, json!({"template": gang})));
        assert_eq!(spec.min_member, Some(members));
        assert_eq!(serde_json::to_value(&spec.min_resources).unwrap(), resources);
        let found: Vec<(&str, i32, i32)> = spec
            .sub_group_policy
            .iter()
            .map(|policy| {
                (policy.name.as_str(), policy.sub_group_size.unwrap(), policy.min_sub_groups.unwrap())
            })
            .collect();
        assert_eq!(found, policies);
    };
    let prefill = |workers| {
        let (entry, worker) = (json!({"cpu": "1", "memory": "2Gi"}), json!({"cpu": "2", "memory": "4Gi"}));
        asks(role("prefill", 2, workers, "i"), entry, worker)
    };
    let decode = |workers| {
        let each = json!({"cpu": 1, "memory": "1Gi"});
        let worker = json!({"cpu": 1, "memory": "2Gi"});
        asks(role("decode", 1, workers, "i"), each, worker)
    };
    let (none, cpu) = (Value::Null, |cpu: &str, memory: &str| json!({"cpu": cpu, "memory": memory}));
    check(
        json!([prefill(3), decode(2)]),
        none.clone(),
        11,
        cpu("17", "33Gi"),
        &[("prefill", 4, 2), ("decode", 3, 1)],
    );
    check(
        json!([prefill(3), decode(2)]),
        json!({"prefill": 1, "decode": 1}),
        7,
        cpu("10", "19Gi"),
        &[("prefill", 4, 1), ("decode", 3, 1)],
    );
    check(
        json!([prefill(3), decode(0)]),
        none.clone(),
        9,
        cpu("15", "29Gi"),
        &[("prefill", 4, 2), ("decode", 1, 1)],
    );
    check(
        json!([prefill(0), decode(2)]),
        none.clone(),
        5,
        cpu("5", "9Gi"),
        &[("prefill", 1, 2), ("decode", 3, 1)],
    );
    // 3.4: unlisted roles stay whole, 0 is 0.
    check(
        json!([prefill(3), decode(2)]),
        json!({"decode": 0}),
        8,
        cpu("14", "28Gi"),
        &[("prefill", 4, 2), ("decode", 3, 0)],
    );
    // The gang policy example of upstream.
    let small = |name| asks(role(name, 2, 1, "i"), json!({"cpu": "100m"}), json!({"cpu": "100m"}));
    check(
        json!([small("prefill"), small("decode")]),
        json!({"prefill": 2, "decode": 1}),
        6,
        json!({"cpu": "600m"}),
        &[("prefill", 2, 2), ("decode", 2, 1)],
    );
}

/// P2. A limit stands in for an absent request (upstream: not); all containers count, init containers do not.
#[test]
fn resources() {
    let mut entry = role("a", 2, 0, "i");
    entry["entryTemplate"]["spec"] = json!({
        "containers": [
            {"name": "a", "resources": {"requests": {"cpu": "500m"}, "limits": {"cpu": "2", "nvidia.com/gpu": 8}}},
            {"name": "b", "resources": {"requests": {"cpu": 1}}},
            {"name": "c", "resources": {}},
            {"name": "d"},
        ],
        "initContainers": [{"name": "i", "resources": {"requests": {"cpu": 64}}}],
    });
    let spec = created(&World::of(json!([entry]), json!({})));
    assert_eq!(
        serde_json::to_value(&spec.min_resources).unwrap(),
        json!({"cpu": "3", "nvidia.com/gpu": "16"})
    );
}

/// P4 and P7: topology of the group and of each role replica.
#[test]
fn topology() {
    let group = json!({"mode": "hard", "highestTierAllowed": 1});
    let replica = json!({"mode": "soft", "highestTierAllowed": 2});
    let topology = json!({"networkTopology": {"groupPolicy": group, "rolePolicy": replica}});
    let mut world =
        World::running(json!([role("a", 3, 1, "i"), role("b", 2, 0, "i")]), json!({"template": topology}));
    let value = |world: &World| serde_json::to_value(&world.pod_groups[0].spec).unwrap();
    assert_eq!(value(&world)["networkTopology"], group);
    assert_eq!(value(&world)["subGroupPolicy"][0]["networkTopology"], replica);
    assert_eq!(value(&world)["subGroupPolicy"][1]["networkTopology"], replica);
    world.edit(|object| object.spec.template.network_topology.as_mut().unwrap().group_policy = None);
    world.run();
    assert_eq!(value(&world)["networkTopology"], Value::Null);
    world.edit(|object| object.spec.template.network_topology = None);
    world.run();
    assert_eq!(value(&world)["subGroupPolicy"][0].get("networkTopology"), None);
}

/// P3: what is a change, and what only looks like one.
#[test]
fn needless_writes() {
    let topology = json!({"networkTopology": {"groupPolicy": {"highestTierAllowed": 1}}});
    let asked = asks(role("a", 2, 1, "i"), json!({"cpu": "1", "memory": "1Gi"}), json!({"cpu": 1}));
    let world = World::running(json!([asked]), json!({"template": topology}));
    let next = |change: &dyn Fn(&mut PodGroupSpec)| {
        let mut world = world.clone();
        change(&mut world.pod_groups[0].spec);
        world.next()
    };
    let same: &[&dyn Fn(&mut PodGroupSpec)] = &[
        &|_| {},
        &|spec| spec.queue = "default".into(),
        &|spec| _ = spec.min_resources.as_mut().unwrap().insert("cpu".into(), "4000m".into()),
        &|spec| _ = spec.min_resources.as_mut().unwrap().insert("memory".into(), "2048Mi".into()),
        &|spec| spec.network_topology.as_mut().unwrap().mode = Some("hard".into()),
    ];
    for (index, change) in same.iter().enumerate() {
        assert_eq!(next(change), Vec::<String>::new(), "{index}");
    }
    let different: &[&dyn Fn(&mut PodGroupSpec)] = &[
        &|spec| spec.queue = "other".into(),
        &|spec| spec.min_member = Some(5),
        &|spec| spec.priority_class_name = "high".into(),
        &|spec| _ = spec.min_resources.as_mut().unwrap().insert("cpu".into(), "5".into()),
        &|spec| _ = spec.min_resources.as_mut().unwrap().remove("cpu"),
        &|spec| spec.network_topology = None,
        &|spec| spec.network_topology.as_mut().unwrap().mode = Some("soft".into()),
        &|spec| spec.sub_group_policy.clear(),
        &|spec| spec.sub_group_policy[0].min_sub_groups = Some(3),
        // What upstream's v0.1 to v0.3 wrote.
        &|spec| _ = spec.min_task_member.insert("a-0".into(), 2),
    ];
    for (index, change) in different.iter().enumerate() {
        assert_eq!(next(change), ["~ms-0 Some(4)"], "{index}");
    }
}

/// P6, and the edit of an annotation alone, which upstream does not see.
#[test]
fn queue_and_priority() {
    let mut first = role("a", 1, 1, "i");
    first["workerTemplate"]["spec"]["priorityClassName"] = "high".into();
    let mut world = World::running(json!([first]), json!({}));
    let spec = |world: &World| {
        let spec = &world.pod_groups[0].spec;
        (spec.queue.clone(), spec.priority_class_name.clone())
    };
    assert_eq!(spec(&world), (String::new(), "high".to_owned()));
    world.object.metadata.annotations.insert(keys::QUEUE_NAME.to_owned(), "gold".to_owned());
    world.settle();
    assert_eq!(spec(&world).0, "gold");
    world.object.metadata.annotations.clear();
    world.settle();
    assert_eq!(spec(&world).0, "");
}

/// The minimum rises after its pods exist, and falls before they go. Upstream writes it first, whichever way it goes.
#[test]
fn direction() {
    let mut world = World::running(json!([role("a", 1, 1, "i")]), json!({}));
    world.edit(|object| object.spec.template.roles[0].replicas = Some(2));
    let next = world.next();
    assert_eq!(next[1..], ["+Pod ms-0-a-1-0", "+Pod ms-0-a-1-1", "~ms-0 Some(4)", "+Service ms-0-a-1-0"]);
    world.run();
    world.edit(|object| object.spec.template.roles[0].replicas = Some(1));
    let next = world.next();
    assert_eq!(next[1..], ["~ms-0 Some(2)", "-Pod ms-0-a-1-0", "-Pod ms-0-a-1-1", "-Service ms-0-a-1-0"]);
}

/// A role that is replaced keeps its PodGroup as it is.
#[test]
fn recreated_roles_join_the_same_gang() {
    let mut world = World::running(json!([role("a", 2, 1, "i")]), json!({}));
    let before = world.pod_groups.clone();
    world.fail("ms-0-a-1-1");
    for _ in 0..5 {
        world.settle();
        assert_eq!(world.pod_groups, before);
        world.run_pods();
    }
}

/// A group that waits for its replacement has the PodGroup of its own revision. Upstream gives it the latest.
#[test]
fn waiting_groups_keep_their_gang() {
    let mut world = World::running(json!([role("a", 1, 1, "i")]), json!({"replicas": 2}));
    world.edit(|object| object.spec.template.roles[0].worker_replicas = 3);
    world.settle();
    let members = |world: &World| -> Vec<(String, Option<i32>)> {
        let mut list: Vec<(String, Option<i32>)> =
            world.pod_groups.iter().map(|p| (p.object.name.clone(), p.spec.min_member)).collect();
        list.sort();
        list
    };
    assert_eq!(members(&world), [("ms-0".to_owned(), Some(2))]);
    world.pods.retain(|pod| !pod.object.deleting);
    world.settle();
    assert_eq!(members(&world), [("ms-0".to_owned(), Some(2)), ("ms-1".to_owned(), Some(4))]);
}

/// U3: a PodGroup that is deleted by hand comes back, with no larger a minimum than the pods that exist.
#[test]
fn a_lost_pod_group_comes_back() {
    let mut world = World::running(json!([role("a", 2, 1, "i")]), json!({}));
    world.pod_groups.clear();
    assert_eq!(world.next(), ["+PodGroup ms-0"]);
    assert_eq!(created(&world).min_member, Some(4));
    world.pod("ms-0-a-1-0").object.deleting = true;
    assert_eq!(created(&world).min_member, Some(2));
}

/// 3.7: no PodGroups without the CRD; what was born without one does not get one later, since its pods could not join it.
#[test]
fn without_the_crd() {
    let mut world = World::of(json!([role("a", 1, 1, "i")]), json!({"replicas": 2}));
    world.gangs = false;
    world.run();
    assert_eq!((world.pods.len(), world.pod_groups.len()), (4, 0));
    assert!(world.pods.iter().all(|pod| !pod.in_gang));
    assert_eq!(world.object.status.available_replicas, 2);
    world.gangs = true;
    assert!(world.next().is_empty(), "upstream creates PodGroups that no pod belongs to");
    world.edit(|object| object.spec.replicas = Some(3));
    world.run();
    let names: Vec<&str> = world.pod_groups.iter().map(|p| p.object.name.as_str()).collect();
    assert_eq!(names, ["ms-2"]);
}

/// Another scheduler: no PodGroup for what it places; groups that have one keep it until their pods are gone.
#[test]
fn another_scheduler() {
    let mut world =
        World::running(json!([role("a", 1, 0, "i")]), json!({"schedulerName": "default-scheduler"}));
    assert!(world.pod_groups.is_empty());
    world.edit(|object| object.spec.scheduler_name = Some("volcano".to_owned()));
    assert!(world.next().is_empty(), "a change of scheduler restarts nothing");
    let mut world = World::running(json!([role("a", 1, 0, "i")]), json!({}));
    world.edit(|object| object.spec.scheduler_name = Some("default-scheduler".to_owned()));
    assert!(world.next().is_empty());
    world.pods.clear();
    world.run();
    assert!(world.pod_groups.is_empty() && world.pods.len() == 1 && !world.pods[0].in_gang);
}

/// Volcano before 1.14 has no subgroups: the total is all there is.
#[test]
fn without_sub_groups() {
    let mut world = World::running(json!([role("a", 1, 1, "i")]), json!({}));
    let capabilities = Capabilities { sub_group_policy: false, ..Capabilities::default() };
    let next = |world: &World| {
        let observed = Observed {
            pods: world.pods.iter().collect(),
            pod_groups: world.pod_groups.iter().collect(),
            services: world.services.iter().collect(),
            revisions: world.revisions.iter().collect(),
            capabilities,
            ..Observed::default()
        };
        reconcile(&world.object, &observed, world.now).changes
    };
    for change in next(&world) {
        world.apply(&change);
    }
    assert_eq!(
        (world.pod_groups[0].spec.min_member, world.pod_groups[0].spec.sub_group_policy.len()),
        (Some(2), 0)
    );
    world.edit(|object| object.spec.template.roles[0].replicas = Some(2));
    let changes: Vec<String> = next(&world).iter().map(super::world::describe).collect();
    assert_eq!(changes[1..], ["+Pod ms-0-a-1-0", "+Pod ms-0-a-1-1", "~ms-0 Some(4)", "+Service ms-0-a-1-0"]);
}

/// Of the conditions that a scheduler appends, the newest counts.
#[test]
fn unschedulable() {
    let read = |conditions: Value| {
        let pod_group = serde_json::from_value(json!({"status": {"conditions": conditions}})).unwrap();
        ObservedPodGroup::from(&pod_group).unschedulable
    };
    let condition = |type_: &str, status: &str, second: u32, message: &str| {
        let time = format!("2026-01-01T00:00:{second:02}Z");
        json!({"type": type_, "status": status, "reason": "R", "message": message, "lastTransitionTime": time})
    };
    assert_eq!(read(json!([])), None);
    assert_eq!(read(json!([condition("Unschedulable", "True", 1, "no room")])), Some("no room".to_owned()));
    assert_eq!(read(json!([condition("Unschedulable", "True", 1, "")])), Some("R".to_owned()));
    assert_eq!(read(json!([condition("Unschedulable", "False", 1, "x")])), None);
    let both =
        json!([condition("Unschedulable", "True", 1, "no room"), condition("Scheduled", "True", 2, "")]);
    assert_eq!(read(both), None);
}
