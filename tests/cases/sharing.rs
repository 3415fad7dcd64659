//! The acceptance cases of sharing: queues, quotas, fair shares, reclaim and preemption. They stand beside the repository, in
//! `../shared/cases/sharing-cases.yaml`, with a description of their form; where they are not there, nothing is run.
//!
//! Every case goes through the simulator as manifests and comes back as a report. `OPEN` names those that are not right yet.

mod form;
mod judge;
mod manifests;
mod open;
mod random;

use form::{Case, Cases};
use open::OPEN;
use phalanx::scheduler::config;
use phalanx::simulation::{Reader, Report, Simulation, World};
use std::collections::BTreeMap;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/cases/sharing-cases.yaml");

/// Cases of our own, which run everywhere.
#[test]
fn own_cases_of_sharing() {
    let cases: Cases =
        serde_saphyr::from_str(include_str!("sharing/own.yaml")).expect("the cases can be read");
    let wrong: Vec<String> = cases
        .cases
        .iter()
        .map(|case| (case, problems(case)))
        .filter(|(_, problems)| !problems.is_empty())
        .map(|(case, problems)| format!("{} {}\n    {}", case.id, case.title, problems.join("\n    ")))
        .collect();
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// The list of open cases only shrinks: one that is right now must leave it, and no other may be wrong.
#[test]
#[allow(clippy::disallowed_methods)] // the cases are a file
fn every_case_of_sharing() {
    let Ok(text) = std::fs::read_to_string(CASES) else {
        return eprintln!("{CASES} is not there: no case is run");
    };
    let cases: Cases = serde_saphyr::from_str(&text).expect("the cases can be read");
    let only = std::env::var("PHALANX_SHARING_CASE").ok();
    let (mut counts, mut wrong) = (BTreeMap::<(&str, bool), usize>::new(), Vec::new());
    for case in cases.cases.iter().filter(|case| only.as_deref().is_none_or(|only| case.id.starts_with(only)))
    {
        let problems = problems(case);
        let is_open = OPEN.iter().any(|&(id, _)| id == case.id);
        *counts.entry((&case.kind, problems.is_empty())).or_default() += 1;
        match (problems.is_empty(), is_open) {
            (true, true) => wrong.push(format!("{} is right now: take it off the list", case.id)),
            (false, false) => {
                wrong.push(format!("{} {}\n    {}", case.id, case.title, problems.join("\n    ")));
            }
            _ => {}
        }
    }
    for ((kind, is_right), count) in counts {
        eprintln!("{kind}: {count} {}", if is_right { "right" } else { "wrong" });
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is wrong with what comes of a case.
fn problems(case: &Case) -> Vec<String> {
    let (config, _) = config::load(&manifests::configuration(case)).expect("the configuration can be read");
    let mut reader = Reader::default();
    reader.read(&case.id, &manifests::of(case).to_string());
    let world = match World::admit(reader) {
        Ok(world) => world,
        Err(problems) => return vec![format!("is not admitted: {problems:#?}")],
    };
    let mut simulation = Simulation::new(world, config);
    simulation.run(|_| {});
    judge::judge(case, &Report::of(&simulation, false))
}
