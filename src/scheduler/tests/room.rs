//! Gangs whose `minResources` ask for more than their pods.

use super::World;
use serde_json::{Value, json};

/// A LeaderWorkerSet's group of `size` pods with 3 CPUs each, of which the leader exists.
fn leader(world: &mut World, name: &str, size: u32) {
    let cpus = (size * 3).to_string();
    world.group(name, json!({}), json!({"minMember": 1, "minResources": {"cpu": cpus}}));
    pod(world, name, 0, size);
}

fn pod(world: &mut World, group: &str, index: u32, size: u32) {
    let annotations = json!({"leaderworkerset.sigs.k8s.io/size": size.to_string()});
    world.pod_with(group, &format!("{group}-{index}"), 3, annotations, json!([]));
}

/// B3: four of the eight would fit.
#[test]
fn a_leader_does_not_start_alone() {
    let mut world = World::new(&[4, 4, 4, 4], "");
    leader(&mut world, "lws", 8);
    assert_eq!(world.settle(), [""; 0]);
    let message = world.condition("lws", "Unschedulable").unwrap()[2].clone();
    assert!(message.contains("fits 4 of 8 pods"), "{message}");
    let expect = "; 7 of these pods do not exist yet: spec.minMember is 1, and spec.minResources asks for room for them \
                  before the first one starts";
    assert!(message.ends_with(expect), "{message}");
    // 15 of the 16 CPUs would be enough, and five pods of 3 do not fit.
    let mut world = World::new(&[4, 4, 4, 4], "");
    leader(&mut world, "lws", 5);
    assert_eq!(world.settle(), [""; 0]);
}

/// The probe of the peers' table: 500 CPUs asked for, one small pod.
#[test]
fn minimum_resources_of_more_than_the_cluster_start_nothing() {
    let mut world = World::new(&[4, 4, 4, 4], "");
    world.group("g", json!({}), json!({"minMember": 1, "minResources": {"cpu": "500"}}));
    world.pod("g", "m", 1);
    assert_eq!(world.settle(), [""; 0]);
}

#[test]
fn room_for_the_workers_is_kept_until_they_come() {
    let mut world = World::new(&[4, 4, 4, 4], "");
    leader(&mut world, "lws", 4);
    assert_eq!(world.settle(), ["lws-0"]);
    world.group("other", json!({}), json!({"minMember": 1}));
    world.pod("other", "other-0", 3);
    assert_eq!(world.settle(), [""; 0], "the room is the workers'");
    world.pod("other", "other-1", 1);
    assert_eq!(world.settle(), ["other-1"], "what is left beside it is anybody's");
    pod(&mut world, "lws", 1, 4);
    assert_eq!(world.settle(), ["lws-1"]);
    assert_eq!(world.scheduler.cluster().gangs_with_room().count(), 1);
    pod(&mut world, "lws", 2, 4);
    pod(&mut world, "lws", 3, 4);
    assert_eq!(world.settle(), ["lws-2", "lws-3"]);
    assert_eq!(world.scheduler.cluster().gangs_with_room().count(), 0);
    // It has been whole: a worker that is gone leaves no room behind.
    world.pod_gone("lws-3");
    assert_eq!(world.settle(), ["other-0"]);
}

#[test]
fn room_is_given_back_when_the_leader_is_gone_or_the_time_is_up() {
    let begin = || {
        let mut world = World::new(&[4, 4], "admission: {roomIsKeptFor: 10m}");
        leader(&mut world, "lws", 2);
        assert_eq!(world.settle(), ["lws-0"]);
        world.group("other", json!({}), json!({"minMember": 1}));
        world.pod("other", "other-0", 3);
        assert_eq!(world.settle(), [""; 0]);
        world
    };
    let mut world = begin();
    world.pod_gone("lws-0");
    assert_eq!(world.settle(), ["other-0"]);
    let mut world = begin();
    assert_eq!(world.scheduler.wake_at().map(|at| at.0), Some(world.now + 600));
    world.pass(599);
    assert_eq!(world.settle(), [""; 0]);
    world.pass(1);
    assert_eq!(world.settle(), ["other-0"]);
}

/// A scheduler that takes over knows of no kept room: it keeps it anew before anybody else is asked about.
#[test]
fn a_successor_keeps_the_room() {
    let mut world = World::new(&[4, 4], "");
    leader(&mut world, "lws", 2);
    assert_eq!(world.settle(), ["lws-0"]);
    let mut successor = World::new(&[4, 4], "");
    successor.now = world.now;
    successor.group("other", json!({}), json!({"minMember": 1}));
    successor.pod("other", "other-0", 3);
    successor.take_over(&world, "lws", "lws-0");
    assert_eq!(successor.settle(), [""; 0]);
    pod(&mut successor, "lws", 1, 2);
    assert_eq!(successor.settle(), ["lws-1"]);
}

/// Somebody else binds a pod into the kept room: what runs is a fact, and nothing of the gang fails over it.
#[test]
fn kept_room_yields_to_facts() {
    let mut world = World::new(&[4, 4, 4], "");
    leader(&mut world, "lws", 2);
    assert_eq!(world.settle(), ["lws-0"]);
    let node = {
        let cluster = world.scheduler.cluster();
        let gang = cluster.gangs_with_room().next().unwrap();
        cluster.nodes().name(cluster.room_of(gang)[0].node).to_owned()
    };
    world.foreign_pod("foreign", &node, 4);
    world.settle();
    let cluster = world.scheduler.cluster();
    let gang = cluster.gangs_with_room().next().expect("room elsewhere");
    assert_ne!(cluster.nodes().name(cluster.room_of(gang)[0].node), node);
}

/// How many pods the rest is taken to be; the leader asks for `leader`, the group for `all`.
#[test]
fn the_rest_is_as_many_pods_as_is_known() {
    let check = |nodes: &[u32], leader: u32, minimum_resources: Value, annotations: Value, starts: bool| {
        let mut world = World::new(nodes, "");
        world.group("g", json!({}), json!({"minMember": 1, "minResources": minimum_resources}));
        world.pod_with("g", "leader", leader, annotations, json!([]));
        assert_eq!(world.settle().len() == 1, starts, "{nodes:?}");
    };
    // A leader of 1 CPU and three workers of 4: told by the size of the group.
    let size = json!({"leaderworkerset.sigs.k8s.io/size": "4"});
    check(&[4, 4, 4, 1], 1, json!({"cpu": "13"}), size.clone(), true);
    check(&[3, 4, 4, 3], 1, json!({"cpu": "13"}), size, false);
    // Told by `pods`.
    check(&[2, 2], 1, json!({"cpu": "3", "pods": "2"}), json!({}), true);
    check(&[1, 1, 1], 1, json!({"cpu": "3", "pods": "2"}), json!({}), false);
    // Like the leader.
    check(&[1, 1, 1], 1, json!({"cpu": "3"}), json!({}), true);
    // Nothing is known: pods as large as the leader, the last one smaller.
    check(&[2, 2, 2], 2, json!({"cpu": "5"}), json!({}), true);
}
