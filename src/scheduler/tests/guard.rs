//! A solver that panics.

use super::World;
use serde_json::json;

/// It costs one gang its turn: that one is told, the others are placed, and so is it when it changes.
#[test]
fn a_panic_over_one_gang_stops_no_other() {
    let mut world = World::new(&[4], "");
    world.scheduler.breaks.insert("ns/bad".to_owned());
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
