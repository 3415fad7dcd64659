//! Rolling updates of ServingGroups and of roles, step by step.

use super::world::{World, role};
use crate::modelserving::{ObservedPod, names};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn by_group(configuration: Value) -> Value {
    json!({"type": "ServingGroupRollingUpdate", "rollingUpdateConfiguration": configuration})
}

/// `groups` ServingGroups of one pod.
fn groups(groups: u32, configuration: Value) -> World {
    let spec = json!({"replicas": groups, "rolloutStrategy": by_group(configuration)});
    World::running(json!([role("prefill", 1, 0, "old")]), spec)
}

/// One ServingGroup whose roles roll.
fn roles(roles: Value) -> World {
    World::running(roles, json!({"rolloutStrategy": {"type": "RoleRollingUpdate"}}))
}

/// Ordinals by hash, of ServingGroups or of role replicas: `old` is what `before` runs.
fn split(
    world: &World,
    before: &[ObservedPod],
    ordinal: fn(names::PodKey<'_>) -> u32,
) -> (Vec<u32>, Vec<u32>) {
    let old = |pod: &ObservedPod| before.iter().any(|old| old.role_hash == pod.role_hash);
    let mut found: BTreeMap<u32, bool> = BTreeMap::new();
    for pod in world.pods.iter().filter(|pod| !pod.object.deleting) {
        found.insert(ordinal(names::parse_pod("ms", &pod.object.name).unwrap()), old(pod));
    }
    let of =
        |wanted: bool| found.iter().filter(|(_, old)| **old == wanted).map(|(ordinal, _)| *ordinal).collect();
    (of(true), of(false))
}

fn by_group_ordinal(world: &World, before: &[ObservedPod]) -> (Vec<u32>, Vec<u32>) {
    split(world, before, |key| key.group)
}

fn by_replica(world: &World, before: &[ObservedPod]) -> (Vec<u32>, Vec<u32>) {
    split(world, before, |key| key.replica)
}

/// The least and the most pods that were ready and that there were, until all is quiet.
fn watch(world: &mut World, starts: impl Fn(&ObservedPod) -> bool) -> (usize, usize) {
    let (mut least, mut most) = (usize::MAX, 0);
    for _ in 0..60 {
        world.settle();
        least = least.min(world.pods.iter().filter(|pod| pod.ready && !pod.object.deleting).count());
        most = most.max(world.pods.len());
        world.pods.retain(|pod| !pod.object.deleting);
        world.settle();
        most = most.max(world.pods.len());
        for pod in world.pods.iter_mut().filter(|pod| starts(pod)) {
            (pod.ready, pod.started) = (true, true);
        }
        world.now = world.now.plus(1);
    }
    (least, most)
}

/// E1, E19.
#[test]
fn one_after_the_other() {
    let mut world = groups(3, json!({}));
    let (before, revision) = (world.pods.clone(), world.object.status.current_revision.clone());
    world.set_image("new");
    assert_eq!(world.next()[1..], ["-PodGroup ms-2", "-Pod ms-2-prefill-0-0"]);
    assert_eq!(watch(&mut world, |_| true), (2, 3));
    assert_eq!(by_group_ordinal(&world, &before), (vec![], vec![0, 1, 2]));
    let status = &world.object.status;
    assert_eq!((status.replicas, status.available_replicas, status.updated_replicas), (3, 3, 3));
    assert_eq!(status.current_revision, status.update_revision);
    assert_ne!(status.current_revision, revision);
    assert_eq!(world.revisions.len(), 1, "nothing refers to the old one");
}

/// E11.
#[test]
fn max_unavailable() {
    let mut world = groups(4, json!({"maxUnavailable": 2}));
    world.set_image("new");
    assert_eq!(watch(&mut world, |_| true), (2, 4));
}

/// E13: a broken update stops at the budget.
#[test]
fn broken_update() {
    let mut world = groups(6, json!({"maxUnavailable": 2}));
    let before = world.pods.clone();
    world.set_image("broken");
    let hash = before[0].role_hash.clone();
    assert_eq!(watch(&mut world, |pod| pod.role_hash == hash), (4, 6));
    assert_eq!(by_group_ordinal(&world, &before), (vec![0, 1, 2, 3], vec![4, 5]));
    // Going back touches only what is broken.
    let healthy: Vec<String> =
        world.pods.iter().filter(|pod| pod.ready).map(|pod| pod.object.uid.clone()).collect();
    world.set_image("old");
    assert_eq!(watch(&mut world, |pod| pod.role_hash == hash), (4, 6));
    assert!(healthy.iter().all(|uid| world.pods.iter().any(|pod| pod.object.uid == *uid)));
    assert_eq!(world.object.status.available_replicas, 6);
}

/// maxSurge as upstream merged it: new groups first, while there are outdated ones to trade.
#[test]
fn surge() {
    let mut world = groups(4, json!({"maxUnavailable": 0, "maxSurge": 1}));
    let before = world.pods.clone();
    world.set_image("new");
    assert_eq!(watch(&mut world, |_| true), (4, 5));
    let (old, new) = by_group_ordinal(&world, &before);
    assert_eq!((old.len(), new.len()), (0, 4));
    assert_eq!(world.object.status.replicas, 4);

    // Capacity that never comes takes nothing down.
    let mut world = groups(3, json!({"maxUnavailable": 0, "maxSurge": 2}));
    let hash = world.pods[0].role_hash.clone();
    world.set_image("new");
    assert_eq!(watch(&mut world, |pod| pod.role_hash == hash), (3, 5));
    assert_eq!(world.object.status.available_replicas, 3);
}

/// Surge is for outdated groups. One that goes in the same step, with no PodGroup to hold its place, is no reason for it: its
/// surge would be taken back at once.
#[test]
fn no_surge_for_a_group_that_ends() {
    let check = |policy: &str, gangs: bool, surges: bool| {
        let rollout = by_group(json!({"maxUnavailable": 0, "maxSurge": 2}));
        let mut world = World::of(
            json!([role("a", 1, 1, "old")]),
            json!({"replicas": 1, "rolloutStrategy": rollout, "recoveryPolicy": policy}),
        );
        world.gangs = gangs;
        world.run();
        world.set_image("new");
        world.fail("ms-0-a-0-0");
        world.fail("ms-0-a-0-1");
        let outcome = world.step();
        let goes = world.pods.iter().filter(|pod| pod.object.deleting).count();
        assert_eq!(goes, 2, "{policy}");
        assert_eq!(world.groups(), if surges { vec![1, 2] } else { vec![] }, "{policy}, gangs: {gangs}");
        let mut told: Vec<_> = outcome.events.iter().map(|event| &event.message).collect();
        told.dedup();
        assert_eq!(told.len(), outcome.events.len(), "decided twice, told once");
        assert!(world.next().is_empty(), "{policy}, gangs: {gangs}: {:?}", world.next());
        world.run();
        assert_eq!(world.object.status.available_replicas, 1);
    };
    check("RoleRecreate", false, false);
    check("RoleRecreate", true, true);
    check("None", false, false);
    check("None", true, true);
    check("ServingGroupRecreate", false, false);
    check("ServingGroupRecreate", true, false);
}

/// E15 to E18.
#[test]
fn partition() {
    let mut world = groups(5, json!({"partition": 3, "maxUnavailable": 5}));
    let (before, revision) = (world.pods.clone(), world.object.status.current_revision.clone());
    world.set_image("new");
    world.run();
    assert_eq!(by_group_ordinal(&world, &before), (vec![0, 1, 2], vec![3, 4]));
    let status = &world.object.status;
    assert_eq!(status.current_revision, revision);
    assert_ne!(status.update_revision, revision);

    // E16: a protected group comes back as it was.
    let mut lost = world.clone();
    lost.pod("ms-1-prefill-0-0").object.deleting = true;
    lost.run();
    assert_eq!(by_group_ordinal(&lost, &before), (vec![0, 1, 2], vec![3, 4]));
    assert_eq!(lost.pod("ms-1-prefill-0-0").revision, revision);
    assert_eq!(lost.object.status.current_revision, revision);

    // The same where no PodGroup tells that the group exists.
    let mut lost = world.clone();
    lost.gangs = false;
    lost.pods.retain(|pod| pod.object.name != "ms-1-prefill-0-0");
    lost.pod_groups.clear();
    lost.run();
    assert_eq!(by_group_ordinal(&lost, &before), (vec![0, 1, 2], vec![3, 4]));

    // E17.
    let mut more = world.clone();
    more.edit(|object| object.spec.replicas = Some(7));
    more.run();
    assert_eq!(by_group_ordinal(&more, &before), (vec![0, 1, 2], vec![3, 4, 5, 6]));

    // E18.
    world.edit(|object| object.spec.replicas = Some(3));
    world.run();
    assert_eq!(by_group_ordinal(&world, &before), (vec![0, 1, 2], vec![]));
    let status = &world.object.status;
    let counts =
        (status.replicas, status.updated_replicas, status.current_replicas, status.available_replicas);
    assert_eq!(counts, (3, 0, 3, 3));
}

/// U24: which revision a group is created with. `v` and `w` are the old and the new one; `-` is missing.
#[test]
fn revision_of_new_groups() {
    let check = |partition: u32, missing: &[u32], expected: i32, expect: &[(u32, bool)]| {
        let mut world = groups(5, json!({"partition": 5, "maxUnavailable": 5}));
        let old = world.object.status.current_revision.clone();
        world.set_image("new");
        world.settle();
        world.pods.retain(|pod| !missing.contains(&names::parse_pod("ms", &pod.object.name).unwrap().group));
        world.pod_groups.retain(|pod_group| {
            !missing.contains(&names::parse_group("ms", &pod_group.object.name).unwrap())
        });
        world.edit(|object| {
            object.spec.replicas = Some(expected);
            let rollout = object.spec.rollout_strategy.as_mut().unwrap();
            let configuration = rollout.rolling_update_configuration.as_mut().unwrap();
            configuration.partition = Some(crate::api::meta::IntOrString::Int(partition as i32));
            // Nothing may go: this is about what comes.
            configuration.max_unavailable = Some(crate::api::meta::IntOrString::Int(0));
        });
        world.settle();
        for (group, is_old) in expect {
            let pod = world.pod(&format!("ms-{group}-prefill-0-0"));
            assert_eq!(pod.revision == old, *is_old, "group {group} of {missing:?}");
        }
        assert_eq!(world.object.status.current_revision, old);
    };
    check(2, &[2, 3, 4], 4, &[(2, false), (3, false)]);
    check(2, &[1, 3, 4], 4, &[(1, true), (3, false)]);
    check(0, &[2, 3, 4], 3, &[(2, false)]);
    check(3, &[1, 2], 5, &[(1, true), (2, true)]);
}

/// U25: a protected group whose revision nobody remembers is built from the spec, under the old label.
#[test]
fn forgotten_revision() {
    let mut world = groups(3, json!({"partition": 3}));
    let old = world.object.status.current_revision.clone();
    world.set_image("new");
    world.settle();
    world.revisions.retain(|revision| revision.revision != old);
    world.pods.retain(|pod| pod.object.name != "ms-1-prefill-0-0");
    world.settle();
    let update = world.object.status.update_revision.clone();
    let pod = world.pod("ms-1-prefill-0-0").clone();
    assert_eq!(pod.revision, old);
    assert_ne!(update, old);
}

/// U19: a protected group keeps the replica counts of its revision too.
#[test]
fn protected_groups_keep_their_counts() {
    let mut world = groups(2, json!({"partition": 2}));
    world.edit(|object| object.spec.template.roles[0].replicas = Some(2));
    world.run();
    assert_eq!(world.pods.len(), 4, "the revision is the same: both groups follow");
    let before = world.pods.clone();
    world.edit(|object| {
        let role = &mut object.spec.template.roles[0];
        role.replicas = Some(3);
        role.entry_template.spec.as_mut().unwrap()["containers"][0]["image"] = "new".into();
    });
    world.run();
    assert_eq!(world.pods.len(), 4, "what was wanted when their revision was last current");
    assert_eq!(world.object.status.available_replicas, 2, "and that is what they are measured by");
    world.pods.retain(|pod| pod.object.name != "ms-0-prefill-1-0");
    world.run();
    assert_eq!(by_group_ordinal(&world, &before), (vec![0, 1], vec![]));
    assert_eq!(world.pods.len(), 4);
}

/// A group that waits for its replacement is completed with its own template. Upstream mixes revisions in it.
#[test]
fn waiting_groups_are_not_mixed() {
    let mut world = World::running(json!([role("prefill", 2, 0, "old")]), json!({"replicas": 3}));
    let before = world.pods.clone();
    world.set_image("new");
    world.settle();
    world.pods.retain(|pod| !pod.object.deleting);
    world.settle();
    world.pod("ms-0-prefill-1-0").object.deleting = true;
    world.settle();
    world.pods.retain(|pod| !pod.object.deleting);
    world.settle();
    assert_eq!(world.names().len(), 6);
    assert_eq!(by_group_ordinal(&world, &before), (vec![0, 1], vec![2]));
}

/// A role that comes or goes changes the revision; without a change to its template a role's order does not matter.
#[test]
fn roles_that_come_and_go() {
    let mut world = groups(2, json!({}));
    let before = world.pods.clone();
    world.edit(|object| {
        object.spec.template.roles.push(serde_json::from_value(role("b", 1, 0, "i")).unwrap())
    });
    assert_eq!(world.next()[1..], ["-PodGroup ms-1", "-Pod ms-1-prefill-0-0"]);
    world.run();
    assert_eq!(world.pods.len(), 4);
    assert!(world.pods.iter().all(|pod| before.iter().all(|old| old.object.uid != pod.object.uid)));
    let before = world.pods.clone();
    world.edit(|object| object.spec.template.roles.reverse());
    world.run();
    assert_eq!(world.pods, before);
    world.edit(|object| drop(object.spec.template.roles.remove(0)));
    world.run();
    assert_eq!(world.names(), ["ms-0-prefill-0-0", "ms-1-prefill-0-0"]);
}

/// E21: only the role that changed.
#[test]
fn one_role_rolls() {
    let list = json!([role("prefill", 2, 0, "old"), role("decode", 1, 0, "old")]);
    let mut world =
        World::running(list, json!({"replicas": 2, "rolloutStrategy": {"type": "RoleRollingUpdate"}}));
    let before = world.pods.clone();
    world.edit(|object| {
        let role = &mut object.spec.template.roles[0];
        role.entry_template.spec.as_mut().unwrap()["containers"][0]["image"] = "new".into();
        role.max_unavailable = Some(crate::api::meta::IntOrString::Int(1));
    });
    world.run();
    for pod in &world.pods {
        let kept = before.contains(pod);
        assert_eq!(kept, pod.object.name.contains("decode"), "{}", pod.object.name);
    }
    let status = &world.object.status;
    assert_eq!((status.available_replicas, status.updated_replicas), (2, 2));
    assert_eq!(status.current_revision, status.update_revision);
    // Pods still carry the old revision; what they run is not forgotten while they do.
    assert_eq!(world.revisions.len(), 2);
    world.edit(|object| object.spec.rollout_strategy = None);
    assert!(world.next().is_empty(), "a change of strategy restarts nothing");
}

/// E22.
#[test]
fn broken_role() {
    let mut prefill = role("prefill", 4, 0, "old");
    prefill["maxUnavailable"] = 2.into();
    let mut world = roles(json!([prefill, role("decode", 1, 0, "old")]));
    let before = world.pods.clone();
    world.edit(|object| {
        let role = &mut object.spec.template.roles[0];
        role.entry_template.spec.as_mut().unwrap()["containers"][0]["image"] = "broken".into();
    });
    let old: Vec<_> = before.iter().map(|pod| pod.role_hash.clone()).collect();
    assert_eq!(watch(&mut world, |pod| old.contains(&pod.role_hash)), (3, 5));
    assert_eq!(world.object.status.available_replicas, 0, "upstream still counts the group");
    let kept: Vec<&str> = world
        .names()
        .into_iter()
        .filter(|name| before.iter().any(|old| old.object.name == *name && world.pods.contains(old)))
        .collect();
    assert_eq!(kept, ["ms-0-decode-0-0", "ms-0-prefill-0-0", "ms-0-prefill-1-0"]);
}

/// E23 to E25.
#[test]
fn partition_of_a_role() {
    let prefill = |replicas: u32, partition: u32| {
        let mut role = role("prefill", replicas, 0, "old");
        (role["partition"], role["maxUnavailable"]) = (partition.into(), replicas.into());
        json!([role])
    };
    let mut world = roles(prefill(4, 2));
    let before = world.pods.clone();
    world.set_image("new");
    world.run();
    assert_eq!(by_replica(&world, &before), (vec![0, 1], vec![2, 3]));

    let mut world = roles(prefill(3, 1));
    let (before, revision) = (world.pods.clone(), world.object.status.current_revision.clone());
    world.set_image("new");
    world.run();
    assert_eq!(by_replica(&world, &before), (vec![0], vec![1, 2]));
    let uid = world.pod("ms-0-prefill-0-0").object.uid.clone();
    world.pod("ms-0-prefill-0-0").object.deleting = true;
    world.run();
    assert_eq!(by_replica(&world, &before), (vec![0], vec![1, 2]));
    assert_eq!(world.pod("ms-0-prefill-0-0").revision, revision);
    assert_ne!(world.pod("ms-0-prefill-0-0").object.uid, uid);

    let mut world = roles(prefill(5, 3));
    let before = world.pods.clone();
    world.set_image("new");
    world.run();
    for (ordinal, cost) in [(3, 10_003), (4, 10_004)] {
        world.pod(&format!("ms-0-prefill-{ordinal}-0")).deletion_cost = cost;
    }
    world.edit(|object| object.spec.template.roles[0].replicas = Some(3));
    world.run();
    assert_eq!(by_replica(&world, &before), (vec![0, 1, 2], vec![]));
}

/// Role surge, as upstream merged it.
#[test]
fn surge_of_a_role() {
    let mut prefill = role("prefill", 2, 0, "old");
    (prefill["maxUnavailable"], prefill["maxSurge"]) = (0.into(), 1.into());
    let mut world = roles(json!([prefill, role("decode", 1, 0, "old")]));
    let before = world.pods.clone();
    world.edit(|object| {
        let role = &mut object.spec.template.roles[0];
        role.entry_template.spec.as_mut().unwrap()["containers"][0]["image"] = "new".into();
    });
    assert_eq!(watch(&mut world, |_| true), (3, 4));
    assert_eq!(world.pods.len(), 3);
    assert!(
        before.iter().filter(|pod| pod.object.name.contains("decode")).all(|pod| world.pods.contains(pod))
    );
}

/// U43: a role that the spec no longer has goes at once; a budget that cannot be read lets nothing go.
#[test]
fn removed_role_and_unreadable_budget() {
    let mut world = roles(json!([role("a", 1, 0, "i"), role("deprecated", 1, 1, "i")]));
    world.edit(|object| drop(object.spec.template.roles.pop()));
    let next = world.next();
    assert_eq!(
        next[1..],
        [
            "~ms-0 Some(1)",
            "-Pod ms-0-deprecated-0-0",
            "-Pod ms-0-deprecated-0-1",
            "-Service ms-0-deprecated-0-0"
        ]
    );
    let mut unreadable = role("a", 3, 0, "old");
    unreadable["maxUnavailable"] = "invalid".into();
    let mut world = roles(json!([unreadable]));
    world.set_image("new");
    assert_eq!(world.next().len(), 1, "the ControllerRevision");
}

/// U44: which role replicas are outdated, and how many ServingGroups count as updated; `true` is on its way out. In upstream
/// that one counts no more, by a status that only its memory holds (9.3, 9): its group is called updated while old pods run
/// and no new one exists, and the record of their revision may go before they do. Here a group is updated when nothing old is
/// left in it.
#[test]
fn when_a_group_is_updated() {
    let check = |groups: i32, old: &[(&str, bool)], updated: i32| {
        let mut world = roles(json!([role("a", 2, 0, "i"), role("b", 1, 0, "i")]));
        world.edit(|object| object.spec.replicas = Some(groups));
        world.run();
        for (name, going) in old {
            if name.contains("deprecated") {
                let mut pod = world.pod("ms-0-b-0-0").clone();
                (pod.object.name, pod.object.uid) = ((*name).to_owned(), world.uid());
                world.pods.push(pod);
            }
            let pod = world.pod(name);
            pod.role_hash = "2222bbbbbbbb".into();
            pod.revision = "2222bbbbbbbb".into();
            pod.object.deleting = *going;
        }
        let status = world.reconcile().status.unwrap_or_else(|| world.object.status.clone());
        assert_eq!(status.updated_replicas, updated, "{old:?}");
        assert_eq!(status.current_revision == status.update_revision, updated == groups, "{old:?}");
        world.run();
        assert_eq!(world.object.status.updated_replicas, groups, "{old:?}, replaced");
    };
    check(1, &[], 1);
    check(1, &[("ms-0-a-0-0", false)], 0);
    check(1, &[("ms-0-a-0-0", true)], 0);
    check(1, &[("ms-0-a-0-0", true), ("ms-0-a-1-0", true), ("ms-0-b-0-0", true)], 0);
    check(1, &[("ms-0-a-0-0", false), ("ms-0-a-1-0", false)], 0);
    check(1, &[("ms-0-a-0-0", false), ("ms-0-b-0-0", false)], 0);
    check(1, &[("ms-0-b-0-0", false)], 0);
    check(1, &[("ms-0-deprecated-0-0", false)], 0);
    check(3, &[("ms-1-b-0-0", false)], 2);
    check(0, &[], 0);

    // A group of which only the PodGroup is left: nothing in it is old.
    let mut world = roles(json!([role("a", 2, 0, "i")]));
    world.pods.clear();
    let status = world.reconcile().status.unwrap();
    assert_eq!((status.replicas, status.updated_replicas), (1, 1));

    // What the partition keeps comes back as it was, and its group is not updated before, while or after it does.
    let mut a = role("a", 2, 0, "old");
    a["partition"] = 1.into();
    let mut world = roles(json!([a]));
    let old = world.pods[0].revision.clone();
    world.set_image("new");
    world.run();
    for _ in 0..2 {
        assert_eq!(world.object.status.updated_replicas, 0);
        world.pod("ms-0-a-0-0").object.deleting = true;
        world.settle();
        assert_eq!(world.object.status.updated_replicas, 0);
        world.run();
        assert_eq!(world.pod("ms-0-a-0-0").revision, old);
    }
}

/// U43: a partition counts positions in the list, not ordinals.
#[test]
fn a_partition_counts_positions() {
    let mut a = role("a", 4, 0, "old");
    (a["partition"], a["maxUnavailable"]) = (2.into(), 4.into());
    let mut world = roles(json!([a]));
    for (ordinal, pod) in [1, 3, 5, 8].into_iter().zip(&mut world.pods) {
        pod.object.name = names::pod("ms", 0, "a", ordinal, 0);
    }
    world.settle();
    world.set_image("new");
    let gone: Vec<String> = world.next().into_iter().filter(|change| change.starts_with("-Pod")).collect();
    assert_eq!(gone, ["-Pod ms-0-a-8-0", "-Pod ms-0-a-5-0"]);
}
