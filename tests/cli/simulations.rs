//! The simulations that come with the project do what their heads say.

use crate::binary::simulate;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn report(arguments: &[&str], input: &str) -> Value {
    let answer = simulate(&[arguments, &["-o", "json"]].concat(), input);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{arguments:?}");
    serde_json::from_str(&answer.out).unwrap()
}

fn list<'a>(report: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    report[field].as_array().unwrap().iter()
}

#[test]
fn every_simulation_says_what_to_look_at() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/simulations");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = read(path.to_str().unwrap());
        assert!(
            text.contains("#   phalanx simulate simulations/") || text.contains("#   time phalanx"),
            "{text:.60}"
        );
        assert!(text.contains("# Look at"), "{text:.60}");
        count += 1;
    }
    assert!(count >= 9);
}

#[test]
fn the_lingjun_network_keeps_large_leaves_for_large_gangs() {
    let report = report(&["simulations/lingjun.yaml"], "");
    assert_eq!(report["summary"]["nodes"], 847);
    assert_eq!(report["summary"]["waitingPods"], 0);
    let octets: Vec<&Value> = list(&report, "podGroups")
        .filter(|group| group["name"].as_str().unwrap().starts_with("octet"))
        .collect();
    assert_eq!(octets.len(), 45);
    let leaves: BTreeSet<&str> = octets.iter().map(|group| group["domain"].as_str().unwrap()).collect();
    assert_eq!(leaves.len(), 45, "each has a leaf to itself");
    assert!(octets.iter().all(|group| group["tier"] == 1));
}

/// Pods evicted, each with its gang, its claimant, and how.
fn evicted(report: &Value) -> Vec<[&str; 3]> {
    list(report, "evictions")
        .map(|eviction| ["podGroup", "claimant", "kind"].map(|field| eviction[field].as_str().unwrap()))
        .collect()
}

#[test]
fn what_a_team_lent_comes_back_by_whole_gangs() {
    let report = report(&["simulations/two-teams.yaml"], "");
    assert_eq!(evicted(&report), [["red-1", "default/blue-0", "reclaim"]; 2]);
    let waits: Vec<&str> = list(&report, "podGroups")
        .filter(|group| group["scheduled"] == 0)
        .map(|group| group["name"].as_str().unwrap())
        .collect();
    assert_eq!(waits, ["red-1"]);
}

#[test]
fn preemption_makes_room_in_the_rack_where_it_costs_least() {
    let report = report(&["simulations/priority-preemption.yaml"], "");
    assert_eq!(evicted(&report), [["batch-2", "default/chat-0", "preempt"]; 2]);
    let chat = list(&report, "podGroups").find(|group| group["name"] == "chat-0").unwrap();
    assert_eq!(
        (&chat["scheduled"], &chat["domain"], &chat["tier"]),
        (&json!(3), &json!("rack-1"), &json!(1))
    );
}

/// One channel a node, one clique a gang, and no node that still serves another domain.
#[test]
fn gangs_with_compute_domain_channels_get_a_clique_each() {
    let report = report(&["simulations/compute-domain.yaml", "--timeline"], "");
    assert_eq!(report["summary"]["waitingPods"], 0);
    let mut nodes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for pod in list(&report, "pods") {
        let group = pod["podGroup"].as_str().unwrap();
        assert!(
            nodes.entry(group).or_default().insert(pod["node"].as_str().unwrap()),
            "one pod a node: {pod}"
        );
    }
    assert_eq!(nodes.values().map(BTreeSet::len).collect::<Vec<_>>(), [18, 18]);
    let group = |name: &str| {
        list(&report, "podGroups").find(|group| group["name"].as_str().unwrap().starts_with(name))
    };
    let domains = ["first", "second"].map(|name| group(name).unwrap()["domain"].clone());
    assert_eq!(domains, [json!("clique-1"), json!("clique-0")]);
    let waited =
        list(&report, "events").filter(|event| event["name"].as_str().unwrap().starts_with("second")).any(
            |event| event["message"].as_str().unwrap().contains("1 still labelled for another ComputeDomain"),
        );
    assert!(waited, "the second says what it waits for");

    let objects = simulate(&["simulations/compute-domain.yaml", "--objects"], "").out;
    assert_eq!(
        objects.matches("  device: channel-0\n").count() + objects.matches("- device: channel-0\n").count(),
        36
    );
    assert_eq!(objects.matches("kind: ResourceClaim\n").count(), 36);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test writes its own files")]
fn a_rack_is_held_for_a_large_gang_and_lent_to_who_ends_in_time() {
    let report = report(&["simulations/held-rack.yaml"], "");
    let row = |name: &str| list(&report, "podGroups").find(|group| group["name"] == name).unwrap();
    assert_eq!((&row("large")["scheduled"], &row("large")["tier"]), (&json!(2), &json!(1)));
    assert_eq!(row("quick")["phase"], "Completed");
    let waits = (0..4).filter(|at| row(&format!("later-{at}"))["scheduled"] == 0).count();
    assert_eq!(waits, 2, "two nodes went to them, and two were held");
    // Without it they would have had all four.
    let config = concat!(env!("CARGO_TARGET_TMPDIR"), "/without-holds.yaml");
    std::fs::write(config, "sharing: {holdAfter: 0s}\n").unwrap();
    let off = self::report(&["simulations/held-rack.yaml", "--config", config], "");
    let large = list(&off, "podGroups").find(|group| group["name"] == "large").unwrap();
    assert_eq!(large["scheduled"], 0);
}

#[test]
fn a_fleet_gives_back_what_is_above_its_minimum_and_goes_on() {
    let report = report(&["simulations/fleet-at-noon.yaml"], "");
    let evicted = evicted(&report);
    assert_eq!(evicted.len(), 8, "{evicted:?}");
    assert!(evicted.iter().all(|[_, claimant, kind]| (*claimant, *kind) == ("default/train", "reclaim")));
    let scheduled = |name: &str| {
        let group = list(&report, "podGroups").find(|group| group["name"] == name).unwrap();
        group["scheduled"].as_u64().unwrap()
    };
    assert_eq!(scheduled("train"), 8);
    assert!(
        scheduled("chat") >= 3 && scheduled("search") >= 3 && scheduled("chat") + scheduled("search") == 8
    );
}

#[test]
fn a_hard_rule_that_cannot_be_kept_is_the_reason() {
    let report = report(&["simulations/llama-multinode-hard.yaml"], "");
    let group = &report["podGroups"][0];
    assert_eq!((&group["reason"], &group["scheduled"]), (&json!("TopologyConstraint"), &json!(0)));
    let remedies = &group["shortfall"]["remedies"];
    assert!(
        remedies.as_array().unwrap().contains(&json!("the subgroups' highestTierAllowed: 2")),
        "{remedies}"
    );
}

#[test]
fn faults_are_survived() {
    let report = report(&["simulations/faults.yaml", "--timeline"], "");
    assert_eq!(report["summary"]["waitingPods"], 0);
    let serving = &report["modelServings"][0];
    assert_eq!((&serving["availableReplicas"], &serving["updatedReplicas"]), (&json!(2), &json!(2)));
    let happened = |by: &str, reason: &str| {
        list(&report, "events").filter(|event| event["by"] == by && event["reason"] == reason).count()
    };
    assert_eq!(happened("node", "NodeNotReady"), 1);
    assert_eq!(happened("node", "TaintManagerEviction"), 1);
    // 2 at the start, 2 by scaling, 2 after the node came back, 4 by the update; none by the crash.
    assert_eq!(happened("scheduler", "Scheduled"), 10);
}

#[test]
fn failing_calls_leave_no_gang_half() {
    let report = report(&["simulations/failing-calls.yaml", "--timeline"], "");
    let happened = |reason: &str, name: &str| {
        list(&report, "events").filter(|event| event["reason"] == reason && event["name"] == name).count()
    };
    let counts = |group: &str| ["Repairing", "RolledBack", "Placed"].map(|reason| happened(reason, group));
    // Completed; repaired; undone and done again; finished by another scheduler.
    let groups = ["llama-0", "llama-1", "llama-2", "llama-3"];
    assert_eq!(groups.map(counts), [[0, 0, 1], [1, 0, 2], [0, 1, 2], [0, 0, 1]]);
    assert_eq!(happened("SchedulerCrashed", "llama-3"), 1);
    for group in list(&report, "podGroups") {
        assert_eq!((&group["scheduled"], &group["tier"]), (&json!(2), &json!(1)), "{group}");
    }
}

#[test]
fn a_broken_network_holds_back_what_depends_on_it_until_it_is_mended() {
    let text = read("simulations/broken-network.yaml");
    let codes = |report: &Value| -> Vec<String> {
        list(report, "warnings").map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
    };
    let scheduled = |report: &Value| {
        list(report, "podGroups").map(|group| group["scheduled"].clone()).collect::<Vec<_>>()
    };
    let broken = report(&["-"], &text);
    assert_eq!(codes(&broken), ["SharedNodes", "SharedNodes", "QuarantinedNodes", "BadMember"]);
    assert_eq!(scheduled(&broken), [0, 2]);
    let hard = &broken["podGroups"][0]["shortfall"];
    assert_eq!(hard["excluded"], json!([{"cause": "in a broken HyperNode", "nodes": 6}]));
    assert_eq!(broken["warnings"][2]["objects"], json!(["PodGroup/default/hard"]));

    let mended = report(&["-"], &text.replace("until: 4m", "until: 10m"));
    assert_eq!(codes(&mended), ["BadMember"]);
    assert_eq!(scheduled(&mended), [2, 2]);

    let table = simulate(&["simulations/broken-network.yaml"], "").out;
    let warnings = table.split_once("\nWARNINGS\n").unwrap().1;
    assert!(
        warnings
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("QUARANTINED   SharedNodes        HyperNode \"rack-a\": spec.members: ")
    );
    assert!(!simulate(&["simulations/faults.yaml"], "").out.contains("WARNINGS"));
}

#[test]
fn ten_thousand_nodes_are_taken_in() {
    let text = read("simulations/ten-thousand-nodes.yaml").replace("until: 11h", "until: 30s");
    let report = report(&["-"], &text);
    assert_eq!(report["summary"]["nodes"], 10_240);
    assert_eq!(report["summary"]["waitingPods"], 0);
    let mut nodes: BTreeMap<&str, u32> = BTreeMap::new();
    for pod in list(&report, "pods").filter(|pod| pod["podGroup"].as_str().unwrap().starts_with("pair")) {
        *nodes.entry(pod["node"].as_str().unwrap()).or_default() += 1;
    }
    assert!(!nodes.is_empty() && nodes.values().all(|&count| count == 1));
}

#[expect(clippy::disallowed_methods, reason = "reads the project's own files")]
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}
