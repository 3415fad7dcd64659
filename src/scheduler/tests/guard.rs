//! A solver that panics, and what else does over one gang.

use super::World;
use serde_json::json;

/// It costs one gang its turn: that one is told, the others are placed, and so is it when it changes.
#[test]
fn a_panic_over_one_gang_stops_no_other() {
    for what in ["solver", "read its pods"] {
        one_gang_is_left_alone(what);
    }
}

/// A gang that does not fit is told why; where that panics it is told that, and the others are placed.
#[test]
fn a_panic_over_an_explanation_stops_no_other_gang() {
    let mut world = World::new(&[4], "");
    world.scheduler.breaks.insert(("ns/bad".to_owned(), "said why it waits"));
    for (group, gpus) in [("bad", 9), ("good", 1)] {
        world.group(group, json!({}), json!({"minMember": 1}));
        world.pod(group, &format!("{group}-0"), gpus);
    }
    assert_eq!(world.settle(), ["good-0"]);
    let [status, reason, message] = world.condition("bad", "Unschedulable").unwrap();
    assert_eq!((&*status, &*reason), ("True", "InternalError"));
    assert!(message.contains("when it said why it waits (panic: a mistake)"), "{message}");
}

/// A status that cannot be made is left out, and counted; pods of the gang are placed all the same.
#[test]
fn a_panic_over_a_status_stops_no_gang() {
    let mut world = World::new(&[4], "");
    world.scheduler.breaks.insert(("ns/bad".to_owned(), "made its status"));
    for group in ["bad", "good"] {
        world.group(group, json!({}), json!({"minMember": 1}));
        world.pod(group, &format!("{group}-0"), 1);
    }
    assert_eq!(world.settle(), ["bad-0", "good-0"]);
    assert_eq!(world.condition("bad", "Scheduled"), None);
    assert!(world.condition("good", "Scheduled").is_some());
}

fn one_gang_is_left_alone(what: &'static str) {
    let mut world = World::new(&[4], "");
    world.scheduler.breaks.insert(("ns/bad".to_owned(), what));
    for group in ["bad", "good"] {
        world.group(group, json!({}), json!({"minMember": 1}));
        world.pod(group, &format!("{group}-0"), 1);
    }
    assert_eq!(world.settle(), ["good-0"]);
    let [status, reason, message] = world.condition("bad", "Unschedulable").unwrap();
    assert_eq!((&*status, &*reason), ("True", "InternalError"));
    assert!(
        message.contains("panic: a mistake") && message.contains("left alone until it changes"),
        "{message}"
    );

    world.scheduler.breaks.clear();
    world.pod_gone("good-0");
    assert_eq!(world.settle(), [""; 0], "it is left alone");
    world.pod("bad", "bad-1", 1);
    assert_eq!(world.settle(), ["bad-0", "bad-1"]);
}
