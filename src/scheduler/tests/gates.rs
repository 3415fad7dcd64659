//! The gate of queues.

use super::World;
use serde_json::{Value, json};

const GATE: &str = "scheduling.volcano.sh/queue-allocation-gate";

fn gated(world: &mut World, group: &str, name: &str, cpus: u32, others: &[&str]) {
    let gates: Vec<Value> = [GATE].iter().chain(others).map(|gate| json!({"name": gate})).collect();
    world.pod_with(group, name, cpus, json!({(GATE): "true"}), json!(gates));
}

fn world(minimum: u32, capability: &str) -> World {
    let mut world = World::new(&[8], "");
    world.queue("q", json!({"capability": {"cpu": capability}}));
    world.group("g", json!({}), json!({"minMember": minimum, "queue": "q"}));
    world
}

/// M6: lifted when the queue has room, and not before the pod has no other gate.
#[test]
fn a_pod_passes_the_gate_when_its_queue_has_room() {
    let mut world = world(1, "2");
    gated(&mut world, "g", "a", 1, &[]);
    gated(&mut world, "g", "b", 2, &[]);
    gated(&mut world, "g", "c", 1, &["example.com/other"]);
    assert_eq!(world.settle(), ["a"], "b asks for more than is left, c has another gate");
    world.pod_gone("a");
    assert_eq!(world.settle(), ["b"]);
}

/// A pod that loses its other gate later asks the queue then.
#[test]
fn the_gate_is_lifted_when_it_is_the_last_one() {
    let mut world = world(1, "1");
    gated(&mut world, "g", "a", 1, &["example.com/other"]);
    assert_eq!(world.settle(), [""; 0]);
    gated(&mut world, "g", "a", 1, &[]);
    assert_eq!(world.settle(), ["a"]);
}

/// A pod that has passed and finds no node still counts, as in Volcano: its queue has let it through.
#[test]
fn what_has_passed_counts() {
    let mut world = world(1, "20");
    gated(&mut world, "g", "too-large", 16, &[]);
    assert_eq!(world.settle(), [""; 0]);
    gated(&mut world, "g", "next", 6, &[]);
    assert_eq!(world.settle(), [""; 0], "16 + 6 CPUs are more than 20");
    world.pod_gone("too-large");
    assert_eq!(world.settle(), ["next"]);
}

/// Half a gang behind the gate would hold what the queue has left and serve nobody.
#[test]
fn of_a_gang_the_minimum_passes_or_none() {
    let mut world = world(3, "2");
    ["a", "b", "c"].iter().for_each(|name| gated(&mut world, "g", name, 1, &[]));
    assert_eq!(world.settle(), [""; 0]);
    world.queue("q", json!({"capability": {"cpu": "3"}}));
    assert_eq!(world.settle(), ["a", "b", "c"]);
}

/// Without the annotation the pod has not asked to be let through.
#[test]
fn a_gate_without_the_annotation_stays() {
    let mut world = world(1, "2");
    world.pod_with("g", "a", 1, json!({}), json!([{"name": GATE}]));
    assert_eq!(world.settle(), [""; 0]);
}
