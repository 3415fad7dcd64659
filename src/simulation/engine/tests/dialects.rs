//! Gangs of Kubernetes' own API and of scheduler-plugins: placed as a whole, told in the form of each API.

use super::*;
use std::collections::BTreeSet;

/// Two racks of two nodes, by label, with 8 devices a node.
const RACKS: &str = "  nodePools:
  - {name: a, count: 2, capacity: {gpu: 8}, labels: {example.com/rack: a}}
  - {name: b, count: 2, capacity: {gpu: 8}, labels: {example.com/rack: b}}
";

/// A PodGroup of Kubernetes' own, of this version and spec.
fn native(version: &str, spec: &str) -> String {
    format!(
        "\n---\n{{apiVersion: scheduling.k8s.io/{version}, kind: PodGroup, metadata: {{name: g}}, spec: {{{spec}}}}}\n"
    )
}

/// A PodGroup of scheduler-plugins.
fn coscheduling(minimum: u32) -> String {
    format!(
        "\n---\n{{apiVersion: scheduling.x-k8s.io/v1alpha1, kind: PodGroup, metadata: {{name: g}}, spec: {{minMember: {minimum}}}}}\n"
    )
}

const IN_NATIVE: &str = "schedulingGroup: {podGroupName: g}, ";
const NAMES_COSCHEDULING: &str = "scheduling.x-k8s.io/pod-group: g";

/// A Job of so many pods, each with all devices of a node.
fn job(pods: u32, spec: &str, labels: &str) -> String {
    format!(
        "\n---\n{{apiVersion: batch/v1, kind: Job, metadata: {{name: j}}, spec: {{parallelism: {pods}, completions: {pods}, \
         template: {{metadata: {{labels: {{{labels}}}}}, spec: {{schedulerName: volcano, restartPolicy: Never, {spec}\
         containers: [{{name: c, image: i, resources: {{limits: {{gpu: 8}}}}}}]}}}}}}}}\n"
    )
}

fn nodes(run: &Simulation) -> BTreeSet<String> {
    let pods = run.store.of_kind(&Kind::Pod).map(|(_, pod)| pod.text("/spec/nodeName").to_owned());
    pods.filter(|node| !node.is_empty()).collect()
}

/// Why the gang waits: code and sentence; empty if it does not.
fn waits(run: &Simulation, gang: &str) -> (String, String) {
    let report = run.scheduler().reports().into_iter().find(|report| report.name == gang).expect("the gang");
    (report.reason.map(|reason| reason.to_string()).unwrap_or_default(), report.message)
}

const NATIVE: &str = "g (scheduling.k8s.io)";

/// Runs what was written on the racks, and expects that the gang waits for this and nothing of it is placed.
fn check_waits(text: &str, gang: &str, reason: &str, message: &str) -> Simulation {
    let run = run(&format!("{text}{}", simulation(RACKS)));
    assert_eq!(waits(&run, gang), (reason.to_owned(), message.to_owned()));
    assert_eq!(nodes(&run), BTreeSet::new());
    run
}

#[test]
fn a_job_and_a_native_group_of_any_version_start_together() {
    for (version, condition) in [
        ("v1alpha2", "PodGroupScheduled"),
        ("v1alpha3", "PodGroupInitiallyScheduled"),
        ("v1beta1", "PodGroupInitiallyScheduled"),
    ] {
        let group = native(version, "schedulingPolicy: {gang: {minCount: 3}}");
        let run = run(&format!("{group}{}{}", job(3, IN_NATIVE, ""), simulation(RACKS)));
        assert_eq!(nodes(&run).len(), 3);
        let told = &object(&run, Kind::NativePodGroup, "g")["status"]["conditions"];
        assert_eq!(told.as_array().map(Vec::len), Some(1), "{told}");
        assert_eq!(
            (&told[0]["type"], &told[0]["status"], &told[0]["reason"]),
            (&condition.into(), &"True".into(), &"Scheduled".into())
        );
        assert_eq!(told[0]["observedGeneration"], 1);
    }
}

#[test]
fn a_native_group_starts_whole_or_not_at_all() {
    let group = native("v1beta1", "schedulingPolicy: {gang: {minCount: 5}}");
    let text = format!("{group}{}", job(5, IN_NATIVE, ""));
    let run = run(&format!("{text}{}", simulation(RACKS)));
    assert_eq!(nodes(&run), BTreeSet::new());
    let (reason, told) = waits(&run, NATIVE);
    assert_eq!(reason, "NotEnoughResources");
    assert!(told.starts_with("fits 4 of 5 pods"), "{told}");
    let condition = &object(&run, Kind::NativePodGroup, "g")["status"]["conditions"][0];
    assert_eq!((&condition["status"], &condition["reason"]), (&"False".into(), &"Unschedulable".into()));
    assert_eq!(condition["message"], told.as_str());
}

/// Four pods fit on the cluster, and two in each rack.
#[test]
fn a_topology_key_holds_all_pods_in_one_place() {
    let group = |pods: u32| {
        let policy = format!("schedulingPolicy: {{gang: {{minCount: {pods}}}}}");
        native(
            "v1alpha2",
            &format!("{policy}, schedulingConstraints: {{topology: [{{key: example.com/rack}}]}}"),
        )
    };
    let fits = run(&format!("{}{}{}", group(2), job(2, IN_NATIVE, ""), simulation(RACKS)));
    let racks: BTreeSet<String> = nodes(&fits).iter().map(|node| node[..1].to_owned()).collect();
    assert_eq!((nodes(&fits).len(), racks.len()), (2, 1));
    let text = format!("{}{}", group(3), job(3, IN_NATIVE, ""));
    let waits_for = run(&format!("{text}{}", simulation(RACKS)));
    assert_eq!(nodes(&waits_for), BTreeSet::new());
    assert_eq!(waits(&waits_for, NATIVE).0, "NotEnoughResources");
}

#[test]
fn a_basic_group_has_no_minimum() {
    let group = native("v1beta1", "schedulingPolicy: {basic: {}}");
    let run = run(&format!("{group}{}{}", job(6, IN_NATIVE, ""), simulation(RACKS)));
    assert_eq!(nodes(&run).len(), 4);
}

#[test]
fn members_that_ask_for_another_scheduler_are_named() {
    let group = native("v1beta1", "schedulingPolicy: {gang: {minCount: 2}}");
    let stray = "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: stray}, spec: {schedulerName: other, \
                 schedulingGroup: {podGroupName: g}, containers: [{name: c, image: i}]}}\n";
    check_waits(
        &format!("{group}{stray}{}", job(2, IN_NATIVE, "")),
        NATIVE,
        "OtherScheduler",
        "pod default/stray names other and the others volcano; let all pods of a group name one scheduler",
    );
}

#[test]
fn pods_and_group_of_unlike_priority_wait() {
    let group = native("v1beta1", "priority: 5, schedulingPolicy: {gang: {minCount: 1}}");
    let run =
        run(&format!("{group}{}{}", job(1, &format!("{IN_NATIVE}priority: 7, "), ""), simulation(RACKS)));
    let (reason, message) = waits(&run, NATIVE);
    assert_eq!(reason, "InvalidPodGroup");
    assert!(
        message.ends_with("has priority 7 and the group 5; give pods and group one priorityClassName"),
        "{message}"
    );
    let condition = &object(&run, Kind::NativePodGroup, "g")["status"]["conditions"][0];
    assert_eq!(condition["reason"], "SchedulerError");
}

#[test]
fn a_job_and_a_coscheduling_group_start_together() {
    let run = run(&format!("{}{}{}", coscheduling(3), job(3, "", NAMES_COSCHEDULING), simulation(RACKS)));
    assert_eq!(nodes(&run).len(), 3);
    let status = &object(&run, Kind::CoschedulingPodGroup, "g")["status"];
    assert_eq!((&status["phase"], &status["running"]), (&"Running".into(), &3.into()));
}

#[test]
fn a_coscheduling_group_starts_whole_or_not_at_all() {
    let text = format!("{}{}", coscheduling(5), job(4, "", NAMES_COSCHEDULING));
    let run =
        check_waits(&text, "g (scheduling.x-k8s.io)", "NotEnoughTasks", "4 of 5 pods exist (spec.minMember)");
    assert_eq!(object(&run, Kind::CoschedulingPodGroup, "g")["status"]["phase"], "Scheduling");
}

/// One name in three APIs is three gangs.
#[test]
fn pods_join_the_group_of_the_api_that_they_name() {
    let group = native("v1beta1", "schedulingPolicy: {gang: {minCount: 2}}");
    let text = format!("{group}{}{}", coscheduling(4), job(2, IN_NATIVE, ""));
    let run = run(&format!("{text}{}", simulation(RACKS)));
    assert_eq!(nodes(&run).len(), 2);
}

#[test]
fn a_pod_of_two_gangs_is_told_both_keys() {
    let group = native("v1beta1", "schedulingPolicy: {gang: {minCount: 1}}");
    let text = format!("{group}{}{}", coscheduling(1), job(1, IN_NATIVE, NAMES_COSCHEDULING));
    let run = run(&format!("{text}{}", simulation(RACKS)));
    assert_eq!(nodes(&run), BTreeSet::new());
    let reports = run.scheduler().reports();
    let told: Vec<&str> = reports
        .iter()
        .map(|report| report.message.as_str())
        .filter(|message| message.contains("both"))
        .collect();
    assert_eq!(
        told,
        [
            "spec.schedulingGroup.podGroupName: g and label scheduling.x-k8s.io/pod-group: g both name a gang, of different \
          APIs; remove one of them"
        ]
    );
}
