//! Admission by resources.

use super::World;
use serde_json::{Value, json};

const VOLCANO: &str = "
actions: \"enqueue, allocate, backfill\"
tiers:
- plugins:
  - name: priority
  - name: gang
  - name: sla
- plugins:
  - name: overcommit
  - name: predicates
  - name: nodeorder
";

fn group(world: &mut World, name: &str, minimum: u32, cpus: &str, annotations: Value) {
    world.group(
        name,
        annotations,
        json!({"minMember": minimum, "minResources": {"cpu": cpus, "requests.cpu": cpus}}),
    );
    world.settle();
}

/// M2: 16 CPUs count as 19.2. What is admitted counts before its pods exist, and what runs after.
#[test]
fn a_pod_group_stays_pending_while_the_cluster_has_no_room_for_it() {
    let mut world = World::new(&[4, 4, 4, 4], VOLCANO);
    group(&mut world, "first", 2, "8", json!({}));
    group(&mut world, "large", 4, "12", json!({}));
    group(&mut world, "small", 2, "8", json!({}));
    assert_eq!(["first", "large", "small"].map(|g| world.phase(g)), ["Inqueue", "Pending", "Inqueue"]);
    let [status, reason, message] = world.condition("large", "Unschedulable").unwrap();
    assert_eq!((&*status, &*reason), ("True", "NotAdmitted"));
    let expect = "pod group is not ready: waits to be admitted: spec.minResources asks for 12 cpu, more than the cluster has \
                  left beside what runs and what is admitted (overcommit factor 1.2)";
    assert_eq!(message, expect);
    world.pod("first", "a", 4);
    world.pod("first", "b", 4);
    assert_eq!(world.settle(), ["a", "b"]);
    assert_eq!(world.phase("large"), "Pending", "what runs is as much as what was expected");
    world.pod("large", "early", 3);
    assert_eq!(world.settle(), [""; 0], "it is not admitted, whatever pods it has");
    ["a", "b"].iter().for_each(|pod| world.pod_gone(pod));
    world.group_gone("first");
    world.group_gone("small");
    world.settle();
    assert_eq!(world.phase("large"), "Inqueue");
}

/// As in Volcano: a gang that lost its pods is to be admitted again.
#[test]
fn a_gang_that_lost_all_its_pods_is_admitted_anew() {
    let mut world = World::new(&[4], VOLCANO);
    group(&mut world, "g", 1, "4", json!({}));
    world.pod("g", "a", 4);
    assert_eq!(world.settle(), ["a"]);
    group(&mut world, "other", 1, "4", json!({"volcano.sh/sla-waiting-time": "1s"}));
    assert_eq!(world.phase("other"), "Pending");
    world.pod_gone("a");
    world.settle();
    assert_eq!(
        ["g", "other"].map(|g| world.phase(g)),
        ["Pending", "Inqueue"],
        "the other has its turn first"
    );
}

/// Volcano's plugin sla: whose time is up is let in, room or not.
#[test]
fn a_pod_group_whose_waiting_time_is_up_is_admitted() {
    let mut world = World::new(&[4], VOLCANO);
    group(&mut world, "g", 8, "32", json!({"sla-waiting-time": "3s"}));
    assert_eq!(world.phase("g"), "Pending");
    assert_eq!(world.scheduler.wake_at().map(|at| at.0), Some(world.now + 3));
    world.pass(2);
    world.settle();
    assert_eq!(world.phase("g"), "Pending");
    world.pass(1);
    world.settle();
    assert_eq!(world.phase("g"), "Inqueue");
}

#[test]
fn a_queue_admits_no_more_than_its_capability() {
    let config = VOLCANO.replace("overcommit", "proportion");
    let mut world = World::new(&[4, 4, 4, 4], &config);
    world.queue("q", json!({"capability": {"cpu": "6"}}));
    let spec = |cpus: &str| json!({"minMember": 1, "queue": "q", "minResources": {"cpu": cpus}});
    for (name, cpus) in [("a", "4"), ("b", "4"), ("c", "2")] {
        world.group(name, json!({}), spec(cpus));
        world.settle();
    }
    assert_eq!(["a", "b", "c"].map(|g| world.phase(g)), ["Inqueue", "Pending", "Inqueue"]);
    let message = world.condition("b", "Unschedulable").unwrap()[2].clone();
    assert!(message.contains("asks for 4 cpu, more than queue q has left"), "{message}");
}

/// Where `enqueue` is not listed, and by our own default, the queue's word is enough.
#[test]
fn without_enqueue_everything_is_admitted() {
    for config in ["", &VOLCANO.replace("enqueue, ", "")] {
        let mut world = World::new(&[4], config);
        group(&mut world, "g", 100, "400", json!({}));
        assert_eq!(world.phase("g"), "Inqueue", "{config}");
    }
}
