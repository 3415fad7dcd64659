//! How much memory the cluster takes: 10,000 nodes, 100,000 pods, read from the operating system's own accounting.
//!
//! `cargo bench --bench memory` prints resident memory before, with the nodes, with the pods, and after a first cycle:
//! once with pods that share their labels by template, once with a set of five labels for each pod of its own. Each is
//! measured in a process of its own.

use phalanx::cluster::{Event, Settings};
use phalanx::placement::PlacementRules;
use phalanx::scheduler::Scheduler;

#[path = "support/objects.rs"]
mod objects;
#[path = "support/resident.rs"]
mod resident;

use resident::resident;

fn main() {
    let kind = std::env::args().find(|argument| argument == "shared" || argument == "distinct");
    if let Some(kind) = kind {
        measure(&kind);
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    for kind in ["shared", "distinct"] {
        let _ = std::process::Command::new(&program).arg(kind).status();
    }
}

fn measure(kind: &str) {
    let before = resident();
    let mut scheduler = Scheduler::new(Settings::default(), PlacementRules::default());
    for index in 0..10_000 {
        scheduler.apply(Event::Node(&objects::node(index, 16, 32)));
    }
    let nodes = resident();
    for index in 0..100_000 {
        let node = format!("gpu-{:05}", index % 10_000);
        let mut pod = objects::pod(&format!("serving-{}-{index}", index / 8), None, 0, Some(&node));
        if kind == "distinct" {
            let labels = [
                ("app.kubernetes.io/instance", format!("serving-{}", index / 8)),
                ("controller-revision-hash", format!("serving-{}", index % 97)),
                ("statefulset.kubernetes.io/pod-name", pod.metadata.name.clone()),
                ("apps.kubernetes.io/pod-index", (index % 8).to_string()),
            ];
            pod.metadata.labels.extend(labels.map(|(key, value)| (key.to_owned(), value)));
        }
        scheduler.apply(Event::Pod(&pod));
    }
    let pods = resident();
    scheduler.cycle("2026-01-01T00:00:00Z");
    let cycle = resident();
    println!(
        "{kind} labels: resident KiB: start {before}, 10,000 nodes {nodes}, 100,000 pods {pods}, first cycle {cycle}; \
         taken by the cluster: {} MiB",
        (cycle - before) / 1024
    );
}
