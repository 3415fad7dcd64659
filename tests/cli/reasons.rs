//! A gang that waits has one reason code, the same wherever it is shown, and none once it has its minimum.

use crate::binary::simulate;
use serde_json::Value;

const NODES: &str = "apiVersion: simulation.phalanx.dev/v1alpha1\nkind: Simulation\nspec:\n  nodePools:\n  \
                     - {name: h, count: 4, capacity: {nvidia.com/gpu: 8}, tree: [{name: rack, tier: 1, count: 2}]}\n";

fn gang(spec: &str, pods: u32, pod: &str) -> String {
    let pods = (0..pods).map(|index| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: g-{index}, namespace: default, annotations: \
             {{scheduling.k8s.io/group-name: g}}}}\nspec: {{schedulerName: volcano, containers: [{{name: c, image: i, resources: \
             {{limits: {{nvidia.com/gpu: 8}}}}}}]{pod}}}\n"
        )
    });
    let group = format!(
        "---\napiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {{name: g, namespace: default}}\nspec: {{{spec}}}\n"
    );
    group + &pods.collect::<String>()
}

/// The code in the table, in the JSON report, in the PodGroup's condition and before the message of its event.
fn check(input: &str, expect: &str) {
    let input = format!("{NODES}{input}");
    let answer = simulate(&["-"], &input);
    let row = answer.out.lines().find(|line| line.starts_with("default") && line.contains(" g "));
    let shown = row.and_then(|row| row.split_whitespace().last()).unwrap_or_default();
    assert_eq!(shown, expect, "the column\n{}", answer.out);
    let answer = simulate(&["-", "--timeline", "--output", "json"], &input);
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    let group = &report["podGroups"][0];
    assert_eq!(group["reason"], expect, "{group}");
    let message = group["message"].as_str().unwrap();
    let objects = simulate(&["-", "--objects"], &input).out;
    let group = objects.split("---\n").find(|object| object.contains("kind: PodGroup")).unwrap();
    assert!(group.contains(&format!("reason: {expect}")), "the condition\n{group}");
    let events: Vec<&Value> = report["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["kind"] == "PodGroup" && event["reason"] == "Unschedulable")
        .collect();
    for event in events {
        assert_eq!(event["message"], format!("{expect}: {message}"), "the event");
    }
}

#[test]
fn one_code_wherever_a_gang_is_shown() {
    check(&gang("minMember: 1, queue: nosuch", 1, ""), "QueueNotFound");
    let tier = |rule: &str| format!("minMember: 3, networkTopology: {{mode: hard, {rule}}}");
    check(&gang(&tier("highestTierName: nosuch"), 3, ""), "UnknownTier");
    check(&gang(&tier("highestTierAllowed: 1"), 3, ""), "TopologyConstraint");
    check(&gang("minMember: 5", 5, ""), "NotEnoughResources");
    check(&gang("minMember: 5", 3, ""), "NotEnoughTasks");
    check(&gang("minMember: 2, minTaskMember: {a: 2}", 2, ""), "NotEnoughPodsOfTask");
    check(&gang("minMember: 2", 2, ", schedulingGates: [{name: example.com/wait}]"), "SchedulingGated");
}

/// What a condition says follows its state: nothing is left of the reason once the gang runs.
#[test]
fn the_reason_goes_when_the_gang_has_its_minimum() {
    let timeline = "  timeline:\n  - {at: 1m, uncordon: {node: spare}}\n";
    let spare = "---\napiVersion: v1\nkind: Node\nmetadata: {name: spare}\nspec: {unschedulable: true}\n\
                 status: {allocatable: {nvidia.com/gpu: '8'}}\n";
    let input = format!("{NODES}{timeline}{spare}{}", gang("minMember: 5", 5, ""));
    let waits = simulate(&["-", "--timeline"], &input).out;
    assert!(waits.contains("would fit with uncordon spare"), "{waits}");
    let group = simulate(&["-", "--objects"], &input).out;
    let group = group.split("---\n").find(|object| object.contains("kind: PodGroup")).unwrap().to_owned();
    assert!(!group.contains("NotEnoughResources") && !group.contains("would fit"), "{group}");
    let answer = simulate(&["-", "--require-all", "--output", "json"], &input);
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((answer.code, &report["podGroups"][0]["reason"]), (0, &Value::Null));
}
