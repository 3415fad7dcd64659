//! What the solver is compared with: each pod by itself looks at every node object, filters, scores, takes the best.
//! Maps keyed by strings, as schedulers that work on API objects have them. No gang, no undo: less than the solver does.

use super::world::{GPU, SELECTED, TAINT, World};
use phalanx::cluster::capacity::{CPU, MEMORY, PODS};
use phalanx::cluster::ids::NodeId;
use std::collections::BTreeMap;

struct Node {
    labels: BTreeMap<String, String>,
    taints: Vec<(String, String)>,
    unschedulable: bool,
    rack: String,
    allocatable: BTreeMap<String, i64>,
    free: BTreeMap<String, i64>,
}

/// A pod's demands.
pub(crate) struct Pod {
    selector: BTreeMap<String, String>,
    tolerations: Vec<(String, String)>,
    requests: BTreeMap<String, i64>,
}

/// Node objects.
pub(crate) struct Scan {
    nodes: Vec<Node>,
}

fn text_map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

impl Pod {
    pub(crate) fn new(cpu: i64, gpu: i64) -> Self {
        let requests = [("cpu", cpu), ("memory", (cpu / 125) << 30), ("pods", 1), ("nvidia.com/gpu", gpu)];
        Pod {
            selector: text_map(&[SELECTED]),
            tolerations: vec![(TAINT.to_owned(), "present".to_owned())],
            requests: requests.iter().map(|&(name, amount)| (name.to_owned(), amount)).collect(),
        }
    }
}

impl Scan {
    /// The nodes of a world as objects.
    pub(crate) fn new(world: &World) -> Self {
        let columns = [("cpu", CPU), ("memory", MEMORY), ("pods", PODS), ("nvidia.com/gpu", GPU)];
        let nodes = world.topology.order().iter().enumerate().map(|(index, &node): (usize, &NodeId)| {
            let object = super::objects::node(index, 16, 32);
            let amounts = |free: bool| {
                let amount = |resource| match free {
                    true => world.capacity.free(node, resource),
                    false => world.capacity.allocatable(node, resource),
                };
                columns.iter().map(|&(name, resource)| (name.to_owned(), amount(resource))).collect()
            };
            Node {
                rack: object.metadata.labels["example.com/rack"].clone(),
                labels: object.metadata.labels,
                taints: vec![(TAINT.to_owned(), "present".to_owned())],
                unschedulable: index % 256 == 255,
                allocatable: amounts(false),
                free: amounts(true),
            }
        });
        Scan { nodes: nodes.collect() }
    }

    /// Places pods one after the other, near the one before, and takes them away again. How many found a node.
    pub(crate) fn place(&mut self, pod: &Pod, count: usize) -> usize {
        let mut taken: Vec<usize> = Vec::new();
        for _ in 0..count {
            let rack = taken.last().map(|&node| self.nodes[node].rack.clone());
            let best = (0..self.nodes.len())
                .filter(|&node| self.nodes[node].fits(pod))
                .max_by_key(|&node| (self.nodes[node].score(rack.as_deref()), std::cmp::Reverse(node)));
            let Some(node) = best else { break };
            self.nodes[node].take(pod, 1);
            taken.push(node);
        }
        for &node in &taken {
            self.nodes[node].take(pod, -1);
        }
        taken.len()
    }
}

impl Node {
    fn fits(&self, pod: &Pod) -> bool {
        !self.unschedulable
            && pod.selector.iter().all(|(key, value)| self.labels.get(key) == Some(value))
            && self.taints.iter().all(|taint| pod.tolerations.contains(taint))
            && pod
                .requests
                .iter()
                .all(|(name, amount)| self.free.get(name).is_some_and(|free| free >= amount))
    }

    fn score(&self, rack: Option<&str>) -> i64 {
        let used: i64 = self
            .allocatable
            .iter()
            .map(|(name, &amount)| 100 - 100 * self.free.get(name).copied().unwrap_or(0) / amount.max(1))
            .sum();
        used + if rack == Some(&self.rack) { 1000 } else { 0 }
    }

    fn take(&mut self, pod: &Pod, count: i64) {
        for (name, amount) in &pod.requests {
            if let Some(free) = self.free.get_mut(name) {
                *free -= amount * count;
            }
        }
    }
}
