//! The node controller: nodes that stop answering, are tainted for it, and come back; pods that taints evict.

use super::{Simulation, budgets};
use crate::apiserver::{Actor, Key, Kind, Store, set_condition};
use crate::simulation::agenda::Task;
use crate::simulation::scenario::NodeTarget;
use crate::simulation::time::print_timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;

const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// A person says with it that the node is switched off: its pods can be removed without its kubelet.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// Which nodes do not answer, and the evicting taints that were seen last.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    silent: BTreeSet<String>,
    evicting: BTreeMap<String, Vec<Value>>,
    /// Nodes whose condition Ready is Unknown.
    unknown: BTreeSet<String>,
    /// Nodes that are being drained and still have pods, with the reason that was last noted.
    draining: BTreeMap<String, String>,
    /// Has something changed that may let a drain go on?
    drains_again: bool,
}

impl Lifecycle {
    /// Is there such a node?
    pub(super) fn is_known(&self, node: &str, store: &Store) -> bool {
        store.get(&node_key(node)).is_some()
    }
}

fn node_key(name: &str) -> Key {
    Key::new(Kind::Node, "", name)
}

impl Simulation {
    /// Does the node's kubelet do its work?
    pub(super) fn answers(&self, node: &str) -> bool {
        !self.nodes.silent.contains(node) && self.nodes.is_known(node, &self.store)
    }

    /// A node is new or changed.
    pub(super) fn watch_node(&mut self, key: &Key) {
        let Some(node) = self.store.get(key) else { return };
        let taints = evicting(&node.value);
        let is_unknown = is_unknown(&node.value);
        self.watch_readiness(&key.name, is_unknown);
        let before = self.nodes.evicting.get(&*key.name).map_or(&[][..], Vec::as_slice);
        if before == taints {
            return;
        }
        self.nodes.evicting.insert(key.name.to_string(), taints);
        for (uid, pod) in self.pods_on(&key.name) {
            self.check_taints(&key.name, &uid);
            self.remove_out_of_service(&key.name, &pod);
        }
    }

    /// A node that a dump or a patch says to be unreachable does not answer, until it is said to be ready.
    fn watch_readiness(&mut self, name: &str, is_unknown: bool) {
        if is_unknown {
            if self.nodes.unknown.insert(name.to_owned()) {
                self.nodes.silent.insert(name.to_owned());
            }
        } else if self.nodes.unknown.remove(name) && self.nodes.silent.remove(name) {
            self.resume_pods(name);
        }
    }

    /// Removes a pod that is to go from a node that does not answer and is out of service, as the pod garbage collector
    /// does. True if it did.
    pub(super) fn remove_out_of_service(&mut self, node: &str, pod: &Key) -> bool {
        let taints = self.nodes.evicting.get(node).map_or(&[][..], Vec::as_slice);
        let is_out = taints.iter().any(|taint| taint["key"] == OUT_OF_SERVICE) && !self.answers(node);
        if !is_out || !self.store.get(pod).is_some_and(|pod| pod.is_deleting()) {
            return false;
        }
        self.store.remove(pod);
        self.note("node", pod, "Warning", "Deleted", format!("its node {node} is out of service"));
        true
    }

    /// A node's object is gone: so are its pods.
    pub(super) fn forget_node(&mut self, name: &str) {
        self.nodes.silent.remove(name);
        self.nodes.unknown.remove(name);
        self.nodes.draining.remove(name);
        self.nodes.evicting.remove(name);
        for (_, key) in self.pods_on(name) {
            self.note("node", &key, "Warning", "Deleted", format!("its node {name} is gone"));
            self.store.remove(&key);
        }
    }

    /// Plans the eviction of a pod, if a taint of its node asks for it.
    pub(super) fn check_taints(&mut self, node: &str, uid: &str) {
        let Some(taints) = self.nodes.evicting.get(node).filter(|taints| !taints.is_empty()) else { return };
        let Some(key) = self.key_of(uid) else { return };
        let Some(pod) = self.store.get(&key) else { return };
        // `None` from a taint: the pod may stay for ever.
        let stays: Vec<Option<u64>> = taints.iter().map(|taint| tolerated_for(&pod.value, taint)).collect();
        if let Some(seconds) = stays.into_iter().flatten().min() {
            self.plan_in(seconds * 1000, Task::Evict(node.to_owned(), uid.to_owned()));
        }
    }

    pub(super) fn evict_pod(&mut self, node: &str, uid: &str) {
        if self.nodes.evicting.get(node).is_none_or(Vec::is_empty) {
            return;
        }
        let Some(key) = self.key_of(uid) else { return };
        if self.store.get(&key).is_some_and(|pod| pod.uid() == uid && !pod.is_deleting()) {
            let message = format!("a taint of node {node} evicts it");
            self.note("node", &key, "Warning", "TaintManagerEviction", message);
            let _ = self.store.delete(&key, None, Actor::System);
        }
    }

    /// A node stops answering.
    pub(super) fn kill_node(&mut self, name: &str) {
        if self.nodes.silent.insert(name.to_owned()) {
            self.plan_in(self.scenario.kubelet.lost_after, Task::Lost(name.to_owned()));
        }
    }

    pub(super) fn lose_node(&mut self, name: &str) {
        if !self.nodes.silent.contains(name) {
            return;
        }
        let (key, now) = (node_key(name), self.seconds());
        self.store.update(&key, Actor::System, |node| {
            let message = "Kubelet stopped posting node status.";
            set_condition(node, "Ready", "Unknown", "NodeStatusUnknown", message, now);
            let mut taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
            for effect in ["NoSchedule", "NoExecute"] {
                taints.push(json!({"key": UNREACHABLE, "effect": effect, "timeAdded": print_timestamp(now)}));
            }
            node["spec"]["taints"] = taints.into();
        });
        self.note("node", &key, "Warning", "NodeNotReady", "the kubelet does not answer".into());
        for (_, pod) in self.pods_on(name) {
            let ended = self.store.get(&pod).is_none_or(|pod| pod.text("/status/phase") != "Running");
            if !ended {
                self.store.update(&pod, Actor::System, |pod| {
                    set_condition(pod, "Ready", "False", "NodeNotReady", "node is not ready", now);
                });
            }
        }
    }

    /// A node answers again.
    pub(super) fn restore_node(&mut self, name: &str) {
        if !self.nodes.silent.remove(name) {
            return;
        }
        self.nodes.unknown.remove(name);
        let (key, now) = (node_key(name), self.seconds());
        self.store.update(&key, Actor::System, |node| {
            set_condition(node, "Ready", "True", "KubeletReady", "kubelet is posting ready status", now);
            if let Some(taints) = node.pointer_mut("/spec/taints").and_then(Value::as_array_mut) {
                taints.retain(|taint| taint["key"] != UNREACHABLE);
            }
        });
        self.note("node", &key, "Normal", "NodeReady", "the kubelet answers again".into());
        self.resume_pods(name);
    }

    /// The nodes that are meant, or none with a note.
    pub(super) fn targets(&mut self, target: &NodeTarget) -> Vec<String> {
        let names: Vec<String> = match (&target.node, &target.hyper_node) {
            (Some(node), _) => vec![node.clone()],
            (None, Some(domain)) => {
                let cluster = self.scheduler().cluster();
                let topology = cluster.view().topology;
                let domains = (0..topology.len() as u32).map(crate::cluster::ids::DomainId);
                let found = domains.into_iter().find(|&id| topology.name(id) == domain);
                found.map_or(Vec::new(), |id| {
                    topology.nodes(id).iter().map(|&node| cluster.nodes().name(node).to_owned()).collect()
                })
            }
            (None, None) => Vec::new(),
        };
        let known: Vec<String> =
            names.into_iter().filter(|name| self.store.get(&node_key(name)).is_some()).collect();
        if known.is_empty() {
            let name = target.node.as_deref().or(target.hyper_node.as_deref()).unwrap_or("");
            let kind = if target.node.is_some() { Kind::Node } else { Kind::HyperNode };
            let key = Key::new(kind, "", name);
            self.note("user", &key, "Warning", "NotFound", "there is no such node".into());
        }
        known
    }

    pub(super) fn cordon(&mut self, name: &str, cordoned: bool) {
        self.store.update(&node_key(name), Actor::User, |node| {
            if cordoned {
                node["spec"]["unschedulable"] = true.into();
            } else if let Some(spec) = node.pointer_mut("/spec").and_then(Value::as_object_mut) {
                spec.remove("unschedulable");
            }
        });
    }

    /// Cordons a node and evicts our pods on it, as far as their budgets allow; the others as soon as these do.
    pub(super) fn drain(&mut self, name: &str) {
        self.cordon(name, true);
        self.nodes.draining.insert(name.to_owned(), String::new());
        self.nodes.drains_again = true;
    }

    /// A pod came, changed or went: a budget may allow an eviction now.
    pub(super) fn retry_drains(&mut self) {
        self.nodes.drains_again = !self.nodes.draining.is_empty();
    }

    /// Evicts what may be evicted from nodes that are being drained. True if there was something.
    pub(super) fn go_on_draining(&mut self) -> bool {
        if !take(&mut self.nodes.drains_again) {
            return false;
        }
        for name in self.nodes.draining.keys().cloned().collect::<Vec<_>>() {
            self.drain_further(&name);
        }
        self.store.has_log()
    }

    fn drain_further(&mut self, name: &str) {
        let mut held = String::new();
        let mut is_empty = true;
        for (_, key) in self.pods_on(name) {
            let Some(pod) = self.store.get(&key) else { continue };
            let ended = matches!(pod.text("/status/phase"), "Succeeded" | "Failed");
            if !self.is_ours(pod.text("/spec/schedulerName")) || ended {
                continue;
            }
            is_empty = false;
            if pod.is_deleting() {
                continue;
            }
            match budgets::that_forbids(&self.store, &key) {
                None => {
                    let _ = self.store.delete(&key, None, Actor::User);
                }
                Some(budget) => {
                    held =
                        format!("{} stays: PodDisruptionBudget {} allows no eviction", key.name, budget.name)
                }
            }
        }
        let cordoned =
            self.store.get(&node_key(name)).is_some_and(|node| node.value["spec"]["unschedulable"] == true);
        if is_empty || !cordoned {
            self.nodes.draining.remove(name);
        } else if let Some(noted) = self.nodes.draining.get_mut(name).filter(|noted| **noted != held) {
            *noted = held.clone();
            if !held.is_empty() {
                self.note("user", &node_key(name), "Warning", "DrainWaits", held);
            }
        }
    }

    pub(super) fn remove_node(&mut self, name: &str) {
        self.store.remove(&node_key(name));
    }
}

/// Has the control plane heard nothing of the node's kubelet?
fn is_unknown(node: &Value) -> bool {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "Unknown")
}

/// A node's taints with effect NoExecute.
fn evicting(node: &Value) -> Vec<Value> {
    let taints = node.pointer("/spec/taints").and_then(Value::as_array);
    taints.into_iter().flatten().filter(|taint| taint["effect"] == "NoExecute").cloned().collect()
}

/// Seconds that a pod stays with a taint; `None` for ever.
fn tolerated_for(pod: &Value, taint: &Value) -> Option<u64> {
    let tolerations = pod.pointer("/spec/tolerations").and_then(Value::as_array);
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or("").to_owned();
    let tolerates = |toleration: &&Value| {
        let key = text(toleration, "key");
        let exists = text(toleration, "operator") == "Exists";
        matches!(text(toleration, "effect").as_str(), "" | "NoExecute")
            && (key == text(taint, "key") || key.is_empty() && exists)
            && (exists || text(toleration, "value") == text(taint, "value"))
    };
    let matching: Vec<&Value> = tolerations.into_iter().flatten().filter(tolerates).collect();
    if matching.is_empty() {
        return Some(0);
    }
    matching
        .iter()
        .filter_map(|toleration| toleration["tolerationSeconds"].as_i64())
        .min()
        .map(|s| s.max(0) as u64)
}
