//! Acceptance cases: clusters, gangs, and the placement expected of them, run through the simulator. `README.md` beside
//! this file describes their form and what is judged.

mod case;
mod devices;
mod judge;
mod judged;
mod manifests;
mod sharing;
mod tables;

use case::{Case, Cluster};
use phalanx::scheduler::config::SchedulerConfig;
use phalanx::simulation::{Reader, Report, Simulation, World};
use std::collections::BTreeMap;

#[test]
fn plain() {
    run(include_str!("plain.yaml"));
}

#[test]
fn gang_rules() {
    run(include_str!("gang-rules.yaml"));
}

#[test]
fn subgroup_rules() {
    run(include_str!("subgroup-rules.yaml"));
}

#[test]
fn used_racks() {
    run(include_str!("used-racks.yaml"));
}

#[test]
fn decisions() {
    run(include_str!("decisions.yaml"));
}

#[test]
fn broken_networks() {
    run(include_str!("broken-networks.yaml"));
}

/// Runs all cases of a file and reports all that fail.
#[track_caller]
fn run(text: &str) {
    let clusters: BTreeMap<String, Cluster> =
        serde_saphyr::from_str(include_str!("clusters.yaml")).expect("the clusters can be read");
    let cases: Vec<Case> = serde_saphyr::from_str(text).expect("the cases can be read");
    let mut failures = Vec::new();
    for case in &cases {
        let cluster = clusters.get(&case.cluster).unwrap_or_else(|| panic!("{}: unknown cluster", case.id));
        let report = simulate(cluster, case);
        let wrong = judge::judge(cluster, case, &report);
        if !wrong.is_empty() {
            let waiting = report.pod_groups.iter().map(|group| format!("{}: {}", group.name, group.message));
            let waiting: Vec<String> = waiting.collect();
            let wrong = wrong.join("\n    ");
            failures.push(format!("{} {}\n    {wrong}\n    ({})", case.id, case.title, waiting.join("; ")));
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn simulate(cluster: &Cluster, case: &Case) -> Report {
    let mut reader = Reader::default();
    reader.read(&case.id, &manifests::of(cluster, case).to_string());
    let world = World::admit(reader).unwrap_or_else(|problems| panic!("{}: {problems:#?}", case.id));
    assert!(world.notes.is_empty(), "{}: {:#?}", case.id, world.notes);
    let mut simulation = Simulation::new(world, SchedulerConfig::default());
    simulation.run(|_| {});
    Report::of(&simulation, false)
}
