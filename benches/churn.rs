//! Does memory stay flat? Ten million events: gangs and DaemonSet pods that come and go, each with labels, names, roles,
//! selectors, tolerations and affinities of its own, and nodes that are replaced, against the cluster's own state.
//!
//! `cargo bench --bench churn` prints resident memory and what is kept after each million events, and the time on the
//! processor for each. With `-- N`, N million events.

use phalanx::api::core::{Pod, Toleration};
use phalanx::cluster::{Cluster, Event, Settings};
use serde_json::json;

#[path = "support/objects.rs"]
mod objects;
#[path = "support/resident.rs"]
mod resident;

const NODES: usize = 500;

/// Pods of ours that are there at a time, and as many of other schedulers.
const PODS: usize = 5_000;

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let millions = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(10);
    let mut cluster = Cluster::new(Settings::default());
    for index in 0..NODES {
        cluster.apply(Event::Node(&objects::node(index, 20, 5)));
    }
    let mut pods = Templates::new();
    let (mut events, mut round) = (0usize, 0usize);
    println!("{NODES} nodes, {PODS} pods of ours and {PODS} of others at a time");
    for million in 1..=millions {
        let start = cpu_time::ThreadTime::now();
        while events < million * 1_000_000 {
            events += pods.turn(&mut cluster, round);
            round += 1;
            if round.is_multiple_of(64) {
                cluster.refresh();
                let _ = cluster.take_marks();
            }
        }
        let nanoseconds = start.elapsed().as_nanos() / 1_000_000;
        let view = cluster.view();
        println!(
            "{million:>3} million events: {} KiB resident; {} classes, {} constraints, {} texts, {} names of nodes; {nanoseconds} ns an event",
            resident::resident(),
            view.classes.len(),
            view.eligibility.len(),
            view.eligibility.texts().len(),
            cluster.nodes().len(),
        );
    }
}

/// Pods to change and hand in.
struct Templates {
    ours: Pod,
    agent: Pod,
}

impl Templates {
    fn new() -> Self {
        let mut ours = objects::pod("pod", None, 1, None);
        ours.spec.scheduler_name = Some("volcano".into());
        let mut agent = objects::pod("agent", None, 0, None);
        agent.spec.scheduler_name = Some("default-scheduler".into());
        Templates { ours, agent }
    }

    /// One pod of ours comes, is bound and changes; one of a DaemonSet comes; the oldest of both go; now and then a node is
    /// replaced. Returns the events that this was.
    fn turn(&mut self, cluster: &mut Cluster, round: usize) -> usize {
        let ours = &mut self.ours;
        ours.metadata.name = format!("pod-{round}");
        ours.metadata.uid = format!("uid-{round}");
        ours.metadata.labels.insert("batch.kubernetes.io/job-name".into(), format!("job-{round}"));
        ours.metadata.annotations.insert("volcano.sh/task-spec".into(), format!("role-{}", round / 8));
        ours.spec.node_name = None;
        ours.spec.affinity = None;
        ours.spec.node_selector.clear();
        ours.spec.tolerations.clear();
        match round % 4 {
            0 => drop(ours.spec.node_selector.insert("job".into(), format!("job-{round}"))),
            1 => {
                let toleration = Toleration { key: format!("job-{round}"), ..Toleration::default() };
                ours.spec.tolerations.push(toleration);
            }
            2 => {
                let labels = json!({"matchLabels": {"batch.kubernetes.io/job-name": format!("job-{round}")}});
                let term = json!([{"topologyKey": "kubernetes.io/hostname", "labelSelector": labels}]);
                let apart =
                    json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}});
                ours.spec.affinity = serde_json::from_value(apart).ok();
            }
            _ => {}
        }
        cluster.apply(Event::Pod(ours));
        let node = format!("gpu-{:05}", round % NODES);
        ours.spec.node_name = Some(node.clone());
        cluster.apply(Event::Pod(ours));
        let agent = &mut self.agent;
        agent.metadata.name = format!("agent-{round}");
        agent.metadata.uid = format!("agent-uid-{round}");
        let field = json!({"key": "metadata.name", "operator": "In", "values": [node]});
        let terms = json!({"nodeSelectorTerms": [{"matchFields": [field]}]});
        let here = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}});
        agent.spec.affinity = serde_json::from_value(here).ok();
        agent.spec.node_name = Some(node);
        cluster.apply(Event::Pod(agent));
        let mut events = 3;
        if let Some(gone) = round.checked_sub(PODS) {
            for name in [format!("pod-{gone}"), format!("agent-{gone}")] {
                cluster.apply(Event::PodGone { namespace: "default", name: &name });
            }
            events += 2;
        }
        if round.is_multiple_of(1_000) {
            let replaced = objects::node(NODES + round / 1_000, 20, 5);
            cluster.apply(Event::Node(&replaced));
            if let Some(gone) = (round / 1_000).checked_sub(20) {
                let gone = objects::node(NODES + gone, 20, 5);
                cluster.apply(Event::NodeGone(&gone.metadata.name));
            }
            events += 2;
        }
        events
    }
}
