//! Gangs that lose members.

use super::World;
use serde_json::json;

/// Two pods run; what is left when these are gone?
fn after_the_loss_of(gone: &[&str]) -> (String, Option<[String; 3]>) {
    let mut world = World::new(&[4], "");
    world.group("g", json!({}), json!({"minMember": 2}));
    world.pod("g", "a", 1);
    world.pod("g", "b", 1);
    assert_eq!(world.settle(), ["a", "b"]);
    assert_eq!((world.phase("g").as_str(), world.condition("g", "Unschedulable")), ("Running", None));
    gone.iter().for_each(|pod| world.pod_gone(pod));
    world.settle();
    (world.phase("g"), world.condition("g", "Unschedulable"))
}

/// B2: Volcano's controller turns a change to Unknown into the job event of that name.
#[test]
fn a_placed_gang_that_lost_a_member_is_unknown_and_unschedulable() {
    let (phase, condition) = after_the_loss_of(&["a"]);
    assert_eq!(phase, "Unknown");
    let [status, reason, message] = condition.unwrap();
    assert_eq!((&*status, &*reason), ("True", "MembersLost"));
    let expect = "pod group is not ready: 1 of 2 pods are left (spec.minMember), 1 of them running; \
                  the others are to be created again";
    assert_eq!(message, expect);

    let (phase, condition) = after_the_loss_of(&["a", "b"]);
    assert_eq!((phase.as_str(), &*condition.unwrap()[0]), ("Inqueue", "True"));
}

#[test]
fn a_gang_that_never_had_its_minimum_has_lost_nothing() {
    let mut world = World::new(&[4], "");
    world.group("g", json!({}), json!({"minMember": 2}));
    world.settle();
    assert_eq!((world.phase("g").as_str(), world.condition("g", "Unschedulable")), ("Inqueue", None));
}

/// B6: a PodGroup that asks for nothing and has nothing is over; with pods it is as any other.
#[test]
fn a_pod_group_without_minimum_and_pods_is_completed() {
    let mut world = World::new(&[4], "");
    world.group("g", json!({}), json!({"minResources": {}}));
    world.settle();
    assert_eq!(world.phase("g"), "Completed");
    world.pod("g", "a", 1);
    assert_eq!(world.settle(), ["a"]);
    assert_eq!(world.phase("g"), "Running");
}
