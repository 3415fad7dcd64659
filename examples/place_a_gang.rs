//! Places one gang of two pods on a cluster of two racks, with the library alone: events in, decisions out.
//!
//! ```console
//! $ cargo run --no-default-features --example place_a_gang
//! default/trainer-0 -> node-2
//! default/trainer-1 -> node-3
//! default/trainer is placed in rack-1
//! ```

use phalanx::api::core::{Node, Pod};
use phalanx::api::decode::decode;
use phalanx::api::hyper_node::HyperNode;
use phalanx::api::pod_group::PodGroup;
use phalanx::cluster::Event;
use phalanx::scheduler::{Decision, Scheduler, SchedulerConfig};
use serde_json::{Value, json};

fn node(name: &str, gpus: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": name },
        "status": { "allocatable": { "cpu": "64", "memory": "256Gi", "pods": "110", "nvidia.com/gpu": gpus.to_string() } },
    })
}

fn rack(name: &str, nodes: &[&str]) -> Value {
    let members: Vec<Value> = nodes
        .iter()
        .map(|node| json!({ "type": "Node", "selector": { "exactMatch": { "name": node } } }))
        .collect();
    json!({
        "apiVersion": "topology.volcano.sh/v1alpha1", "kind": "HyperNode", "metadata": { "name": name },
        "spec": { "tier": 1, "members": members },
    })
}

fn pod(name: &str, gang: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "default", "annotations": { "scheduling.k8s.io/group-name": gang } },
        "spec": {
            "schedulerName": "volcano",
            "containers": [{ "name": "main", "image": "trainer:1", "resources": { "limits": { "nvidia.com/gpu": "8" } } }],
        },
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = SchedulerConfig::default();
    config.cluster.scheduler_names = vec!["volcano".to_owned()];
    let mut scheduler = Scheduler::configured(config);

    // Half of the first rack is in use by others: the gang fits whole in the second one only.
    for (name, gpus) in [("node-0", 8), ("node-1", 0), ("node-2", 8), ("node-3", 8)] {
        scheduler.apply(Event::Node(&decode::<Node>(&node(name, gpus))?));
    }
    for (name, nodes) in [("rack-0", ["node-0", "node-1"]), ("rack-1", ["node-2", "node-3"])] {
        scheduler.apply(Event::HyperNode(&decode::<HyperNode>(&rack(name, &nodes))?));
    }
    let group = json!({
        "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup",
        "metadata": { "name": "trainer", "namespace": "default" },
        "spec": { "minMember": 2, "networkTopology": { "mode": "hard", "highestTierAllowed": 1 } },
    });
    scheduler.apply(Event::PodGroup(&decode::<PodGroup>(&group)?));
    for name in ["trainer-0", "trainer-1"] {
        scheduler.apply(Event::Pod(&decode::<Pod>(&pod(name, "trainer"))?));
    }

    // Time is an argument; the same events and the same time give the same decisions.
    let cycle = scheduler.cycle("2026-01-01T00:00:00Z");
    for decision in cycle.decisions {
        let Decision::Place(placement) = decision else { continue };
        for placed in &placement.pods {
            println!("{}/{} -> {}", placed.pod.namespace, placed.pod.name, placed.node);
        }
        let domain = placement.domain.as_deref().unwrap_or("the cluster");
        println!("{} is placed in {domain}", placement.gang);
    }
    Ok(())
}
