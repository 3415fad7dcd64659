//! Many gangs wait on a full cluster of 1,000 nodes with a network: what a cycle costs when one node is freed, when the
//! freed node is taken again, and when all gangs arrive. Run with `cargo bench --bench overload`; medians of time on the
//! processor.
#![allow(clippy::unwrap_used)]

use phalanx::api::hyper_node::HyperNode;
use phalanx::api::pod_group::PodGroup;
use phalanx::cluster::{Event, Settings};
use phalanx::placement::PlacementRules;
use phalanx::scheduler::Scheduler;
use serde_json::json;
use std::time::Duration;

#[path = "support/objects.rs"]
mod objects;

const GANGS: usize = 2000;
const NODES: usize = 1000;
const RACK: usize = 20;

fn time<R>(run: impl FnOnce() -> R) -> (R, Duration) {
    let start = cpu_time::ThreadTime::now();
    let result = run();
    (result, start.elapsed())
}

/// A full cluster: one pod holds each node.
fn full() -> Scheduler {
    let mut scheduler = Scheduler::new(Settings::default(), PlacementRules::default());
    for index in 0..NODES {
        scheduler.apply(Event::Node(&objects::node(index, RACK, 5)));
        let holder = objects::pod(&format!("holder-{index}"), None, 8, Some(&format!("gpu-{index:05}")));
        scheduler.apply(Event::Pod(&holder));
    }
    let exact = |type_: &str, names: Vec<String>| -> Vec<serde_json::Value> {
        let member = |name| json!({"type": type_, "selector": {"exactMatch": {"name": name}}});
        names.into_iter().map(member).collect()
    };
    for rack in 0..NODES / RACK {
        let nodes = (rack * RACK..(rack + 1) * RACK).map(|index| format!("gpu-{index:05}")).collect();
        let spec = json!({"tier": 1, "members": exact("Node", nodes)});
        let name = format!("rack-{rack}");
        let rack: HyperNode =
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap();
        scheduler.apply(Event::HyperNode(&rack));
    }
    for block in 0..NODES / RACK / 5 {
        let racks = (block * 5..block * 5 + 5).map(|rack| format!("rack-{rack}")).collect();
        let spec = json!({"tier": 2, "members": exact("HyperNode", racks)});
        let name = format!("block-{block}");
        let block: HyperNode =
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap();
        scheduler.apply(Event::HyperNode(&block));
    }
    scheduler.cycle("");
    scheduler
}

/// Gangs of 2 to 16 pods, of so many shapes: sizes, tiers and requests differ.
fn arrive(scheduler: &mut Scheduler, shapes: usize) {
    for gang in 0..GANGS {
        let shape = gang % shapes;
        let pods = [4, 8, 2, 16][shape % 4];
        let tier = json!({"mode": "hard", "highestTierAllowed": 1 + shape / 4 % 2});
        let mut spec = json!({"minMember": pods});
        if !shape.is_multiple_of(3) {
            spec["networkTopology"] = tier;
        }
        let name = format!("gang-{gang}");
        let group: PodGroup = serde_json::from_value(
            json!({"metadata": {"name": name, "namespace": "default", "uid": name}, "spec": spec}),
        )
        .unwrap();
        scheduler.apply(Event::PodGroup(&group));
        for index in 0..pods {
            let mut pod = objects::pod(&format!("{name}-{index}"), Some(&name), 8, None);
            let cpu = pod.spec.containers[0].resources.requests.get_mut("cpu").unwrap();
            cpu.0 = format!("{}m", 12_000 + 10 * (shape / 8));
            scheduler.apply(Event::Pod(&pod));
        }
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!("{GANGS} gangs wait on {NODES} full nodes");
    for shapes in [1, 40, 400] {
        let mut scheduler = full();
        arrive(&mut scheduler, shapes);
        let (cycle, first) = time(|| scheduler.cycle(""));
        assert_eq!((cycle.tried, cycle.placed), (GANGS, 0));
        let (mut cycles, mut rest) = (0, Duration::ZERO);
        while scheduler.has_work() {
            rest += time(|| scheduler.cycle("")).1;
            cycles += 1;
        }
        let mut freed: Vec<Duration> = Vec::new();
        let mut taken: Vec<Duration> = Vec::new();
        let mut tried = 0;
        for round in 0..41 {
            let node = round * 37 % NODES;
            let holder = objects::pod(&format!("holder-{node}"), None, 8, Some(&format!("gpu-{node:05}")));
            scheduler.apply(Event::PodGone { namespace: "default", name: &holder.metadata.name });
            let (cycle, took) = time(|| scheduler.cycle(""));
            assert_eq!(cycle.placed, 0, "every gang needs two nodes at least");
            tried = cycle.tried;
            freed.push(took);
            scheduler.apply(Event::Pod(&holder));
            taken.push(time(|| scheduler.cycle("")).1);
        }
        freed.sort();
        taken.sort();
        println!(
            "{shapes:>4} shapes: all arrive {first:?}, {cycles} cycles after that {rest:?}; \
             one node freed {:?} ({tried} tried, slowest {:?}), taken again {:?}",
            freed[freed.len() / 2],
            freed[freed.len() - 1],
            taken[taken.len() / 2],
        );
    }
}
