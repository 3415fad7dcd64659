//! Waiting times (Volcano's plugin `sla`).

use super::World;
use serde_json::{Value, json};

/// Three gangs of one pod arrive in this order at a cluster with room for one; who is placed?
fn first(config: &str, waiting_times: [Value; 3]) -> Vec<String> {
    let mut world = World::new(&[4], config);
    for (index, time) in waiting_times.into_iter().enumerate() {
        let name = format!("g{index}");
        let annotations = if time.is_null() { json!({}) } else { json!({"sla-waiting-time": time}) };
        world.group(&name, annotations, json!({"minMember": 1}));
        world.pod(&name, &format!("pod-{index}"), 3);
        world.now += 10;
    }
    world.settle()
}

/// M8: whose time is up earlier goes first; then those that have none.
#[test]
fn gangs_go_by_when_their_waiting_time_is_up() {
    let sla = "actions: enqueue, allocate\ntiers:\n- plugins:\n  - name: sla\n";
    assert_eq!(first(sla, [json!("1h"), json!("30m"), Value::Null]), ["pod-1"]);
    assert_eq!(first(sla, [Value::Null, json!("1h"), json!("2h")]), ["pod-1"]);
    assert_eq!(first(sla, [json!("soon"), json!("-1s"), Value::Null]), ["pod-0"], "no span of time");
    let with_default =
        "actions: allocate\ntiers:\n- plugins:\n  - name: sla\n    arguments: {sla-waiting-time: 5m}\n";
    assert_eq!(first(with_default, [json!("1h"), Value::Null, Value::Null]), ["pod-1"]);
    assert_eq!(first("", [json!("1h"), json!("30m"), Value::Null]), ["pod-1"], "our own default honours it");
    let without = "actions: allocate\ntiers:\n- plugins:\n  - name: gang\n";
    assert_eq!(
        first(without, [json!("1h"), json!("30m"), Value::Null]),
        ["pod-0"],
        "the plugin is not listed"
    );
}
