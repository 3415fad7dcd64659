//! Gangs of other APIs through the command: the simulations that come with the project, and what is said of groups and pods
//! that cannot be.

use crate::binary::simulate;
use serde_json::Value;
use std::collections::BTreeSet;

const POLICY: &str = "scheduler-config/kubernetes.yaml";

fn report(file: &str, input: &str) -> Value {
    let answer = simulate(&[file, "--config", POLICY, "-o", "json"], input);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{file}");
    serde_json::from_str(&answer.out).unwrap()
}

/// Name, pods with a node, minimum and reason of each PodGroup.
fn groups(report: &Value) -> Vec<(String, u64, u64, String)> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    let count = |row: &Value, field: &str| row[field].as_u64().unwrap_or_default();
    let of = |row: &Value| {
        (text(row, "name"), count(row, "scheduled"), count(row, "minMember"), text(row, "reason"))
    };
    report["podGroups"].as_array().unwrap().iter().map(of).collect()
}

/// The simulation has these four gangs under the names of the API, of which all but one start.
fn check(file: &str, api: &str, told: &[&str]) -> Value {
    let report = report(file, "");
    let row = |name: &str, scheduled, minimum, reason: &str| {
        (format!("{name} ({api})"), scheduled, minimum, reason.to_owned())
    };
    let expect = [
        row("jobset", 5, 5, ""),
        row("late", 0, 6, "NotEnoughResources"),
        row("mpi", 4, 4, ""),
        row("train", 4, 4, ""),
    ];
    assert_eq!(groups(&report), expect);
    let objects = simulate(&[file, "--config", POLICY, "--objects"], "").out;
    for text in told {
        assert!(objects.contains(text), "{text} is not in {objects}");
    }
    report
}

#[test]
fn a_job_a_job_set_and_an_mpi_job_of_native_groups_start_whole() {
    let told = ["PodGroupInitiallyScheduled", "reason: Scheduled", "reason: Unschedulable"];
    let report = check("simulations/native-gangs.yaml", "scheduling.k8s.io", &told);
    let pods = report["pods"].as_array().unwrap().iter();
    let of_train = pods.filter(|pod| pod["podGroup"] == "train (scheduling.k8s.io)");
    let racks: BTreeSet<&str> = of_train.map(|pod| &pod["node"].as_str().unwrap()[..1]).collect();
    assert_eq!(racks.len(), 1, "one rack holds the gang");
}

#[test]
fn a_job_a_job_set_and_an_mpi_job_of_coscheduling_groups_start_whole() {
    check(
        "simulations/coscheduling-gangs.yaml",
        "scheduling.x-k8s.io",
        &["phase: Running", "phase: Scheduling"],
    );
}

#[test]
fn a_pod_whose_group_does_not_exist_waits_for_it() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {schedulerName: phalanx, \
               schedulingGroup: {podGroupName: g}, containers: [{name: c, image: i}]}}\n";
    let node = "---\n{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {capacity: {cpu: 4}}}\n";
    let report = report("-", &format!("{pod}{node}"));
    let row = &report["podGroups"][0];
    assert_eq!(row["reason"], "PodGroupNotFound");
    assert_eq!(row["message"], "PodGroup default/g (scheduling.k8s.io) does not exist; create it");
}
