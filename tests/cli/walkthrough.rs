//! The walkthrough's manifest, unchanged, through the command line.

use crate::binary::{phalanx, simulate};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const WALKTHROUGH: &str = "simulations/llama-multinode.yaml";
const PODS: [&str; 4] = [
    "llama-multinode-0-405b-0-0",
    "llama-multinode-0-405b-0-1",
    "llama-multinode-0-405b-1-0",
    "llama-multinode-0-405b-1-1",
];

fn report(arguments: &[&str]) -> Value {
    let answer = simulate(&[arguments, &["-o", "json"]].concat(), "");
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    serde_json::from_str(&answer.out).unwrap()
}

fn ours(report: &Value) -> Vec<&Value> {
    report["pods"].as_array().unwrap().iter().filter(|pod| pod["ours"] == true).collect()
}

fn texts<'a>(pods: &[&'a Value], field: &str) -> Vec<&'a str> {
    pods.iter().map(|pod| pod[field].as_str().unwrap_or("")).collect()
}

#[test]
fn the_table_is_the_walkthroughs() {
    let answer = simulate(&[WALKTHROUGH, "--require-all"], "");
    let expect = "\
NAMESPACE   NAME                         READY   STATUS    NODE      DOMAIN
default     llama-multinode-0-405b-0-0   1/1     Running   h100-08   rack-1-0
default     llama-multinode-0-405b-0-1   1/1     Running   h100-09   rack-1-0
default     llama-multinode-0-405b-1-0   1/1     Running   h100-10   rack-1-0
default     llama-multinode-0-405b-1-1   1/1     Running   h100-11   rack-1-0

NAMESPACE   PODGROUP            PHASE     SCHED/MIN   DOMAIN     TIER   REASON
default     llama-multinode-0   Running   4/2         rack-1-0   1

NAMESPACE   MODELSERVING      AVAILABLE   UPDATED
default     llama-multinode   1/1         1

4 pods (4 running), 1 PodGroup (1 placed, 0 waiting); 16 nodes, 56 of 128 nvidia.com/gpu in use; no more changes after 17s
";
    assert_eq!((answer.code, answer.out.as_str(), answer.err.as_str()), (0, expect, ""));
}

#[test]
fn each_pod_has_a_node_to_itself() {
    let report = report(&[WALKTHROUGH]);
    let pods = ours(&report);
    assert_eq!(texts(&pods, "name"), PODS);
    let nodes: BTreeSet<&str> = texts(&pods, "node").into_iter().collect();
    assert_eq!(nodes.len(), 4);
    let others = report["pods"].as_array().unwrap().iter().filter(|pod| pod["ours"] == false);
    assert!(others.into_iter().all(|pod| !nodes.contains(pod["node"].as_str().unwrap())));
    assert_eq!(report["modelServings"][0]["availableReplicas"], 1);
}

#[test]
fn where_no_rack_holds_it_all_each_role_replica_has_one() {
    let report = report(&["simulations/llama-multinode-spans.yaml"]);
    let pods = ours(&report);
    let domains = texts(&pods, "domain");
    assert_eq!(domains[0], domains[1]);
    assert_eq!(domains[2], domains[3]);
    assert_ne!(domains[0], domains[2]);
    assert_eq!(
        (&report["podGroups"][0]["domain"], &report["podGroups"][0]["tier"]),
        (&json!("block-0"), &json!(2))
    );
}

#[test]
fn where_it_cannot_fit_nothing_is_placed_and_the_exit_code_can_say_so() {
    for scenario in ["simulations/llama-multinode-short.yaml", "simulations/llama-multinode-hard.yaml"] {
        let report = report(&[scenario]);
        assert!(
            ours(&report).iter().all(|pod| pod["node"].is_null() && pod["phase"] == "Pending"),
            "{scenario}"
        );
        assert!(!report["podGroups"][0]["message"].as_str().unwrap().is_empty());
        assert_eq!(phalanx(&["simulate", scenario, "--require-all"], "").code, 1);
        assert_eq!(phalanx(&["simulate", scenario], "").code, 0);
    }
}

#[test]
fn the_objects_read_back_and_nothing_is_left_to_do() {
    let cluster = crate::simulations::read(WALKTHROUGH);
    let cluster = cluster.split("---\n").next().unwrap();
    let first = simulate(&[WALKTHROUGH, "--objects"], "").out;
    let objects: Vec<Value> = serde_saphyr::from_multiple(&first).unwrap();
    let mut kinds: Vec<&str> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    kinds.dedup();
    assert_eq!(kinds, ["ModelServing", "ControllerRevision", "PodGroup", "Service", "Pod"]);

    let input = format!("{cluster}{first}");
    let again = simulate(&["-", "--objects", "--timeline"], &input);
    assert_eq!((again.code, again.err.as_str(), again.out.as_str()), (0, "", ""));
    let table = |arguments: &[&str], input: &str| {
        let out = simulate(arguments, input).out;
        out.rsplit_once("; no more changes").unwrap().0.to_owned()
    };
    assert_eq!(table(&["-"], &input), table(&[WALKTHROUGH], ""));
}
