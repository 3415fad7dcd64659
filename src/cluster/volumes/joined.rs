//! Pods that share a claim which waits for its first consumer, as pods that must be near each other.
//!
//! The volume will be reached from one of the places that its driver tells apart (`CSINode`, `topologyKeys`), within what its
//! class allows (`allowedTopologies`), and nobody knows which. A gang that was spread over several of them would lose members as soon as the volume is there, and the claim would be
//! where it is for good. So whoever shares such a claim goes to one place: the pods are counted as if each had a label
//! for the claim and demanded pods of that label near it, until the claim is bound.

use super::{Volumes, claims};
use crate::api::core::{CsiNode, Pod, PodAffinityTerm};
use crate::api::meta::{LabelSelector, LabelSelectorRequirement, SelectorOperator};
use std::collections::{BTreeMap, BTreeSet};

impl Volumes {
    /// The pod with what its claims add to it. `None`: nothing.
    pub(in crate::cluster) fn joined(&self, pod: &Pod) -> Option<Pod> {
        if self.claims.is_empty() || pod.spec.volumes.is_empty() {
            return None;
        }
        let wants_node = pod.spec.node_name.as_deref().is_none_or(str::is_empty);
        let mut joined: Option<Pod> = None;
        for claim in claims(pod).iter().filter(|_| wants_node) {
            let keys = self.divides(claim);
            if keys.is_empty() {
                continue;
            }
            let joined = joined.get_or_insert_with(|| pod.clone());
            // No label of a real pod has a space.
            let label = format!("shares {claim}");
            let has_label = LabelSelectorRequirement {
                key: label.clone(),
                operator: SelectorOperator::Exists,
                values: Vec::new(),
            };
            let selector = LabelSelector { match_expressions: vec![has_label], ..LabelSelector::default() };
            let affinity = joined.spec.affinity.get_or_insert_default();
            let near = affinity.pod_affinity.get_or_insert_default();
            near.required.extend(keys.into_iter().map(|key| PodAffinityTerm {
                label_selector: Some(selector.clone()),
                topology_key: key.to_owned(),
                ..PodAffinityTerm::default()
            }));
            joined.metadata.labels.insert(label, String::new());
        }
        joined
    }

    /// The node labels by which places are told apart where the volume of a claim may be made, if the claim is open and
    /// several pods use it: those that its driver names, else those that its class does. Not those that leave one place.
    fn divides(&self, claim: &str) -> BTreeSet<&str> {
        let shared = self.users.get(claim).is_some_and(|users| users.len() > 1);
        let open =
            self.claims.get(claim).filter(|claim| shared && claim.volume.is_empty() && !claim.is_bound);
        let class = open.and_then(|claim| self.classes.get(&claim.class)).filter(|class| class.waits);
        let Some(class) = class else { return BTreeSet::new() };
        if !class.provisions {
            // One of those that exist, and each may be reached from one node only.
            let is_local =
                open.is_some_and(|claim| self.is_local(&claim.class)) && self.reserved(claim).is_none();
            return if is_local { BTreeSet::from(["kubernetes.io/hostname"]) } else { BTreeSet::new() };
        }
        let terms = class.topologies.as_ref().map_or(&[][..], |places| &places.node_selector_terms);
        let expressions = || terms.iter().flat_map(|term| &term.match_expressions);
        let mut keys: BTreeSet<&str> = self.places.of(&class.provisioner).collect();
        if keys.is_empty() {
            keys.extend(expressions().map(|expression| expression.key.as_str()));
        }
        if terms.len() == 1 {
            let only = |key: &str| expressions().any(|e| e.key == key && e.values.len() == 1);
            keys.retain(|key| !only(key));
        }
        keys
    }
}

/// By which labels of nodes each CSI driver tells places apart (`CSINode`, `topologyKeys`).
#[derive(Debug, Default)]
pub(in crate::cluster) struct Places {
    /// Of each node: drivers and their keys.
    nodes: BTreeMap<String, Vec<(String, Vec<String>)>>,
    /// Of each driver: keys, and how many nodes say so.
    drivers: BTreeMap<String, BTreeMap<String, u32>>,
}

impl Places {
    /// Takes in what a node says. Has any driver another key than before, or one less?
    pub(in crate::cluster) fn put(&mut self, node: &CsiNode) -> bool {
        let drivers = node.spec.drivers.iter().filter(|driver| !driver.topology_keys.is_empty());
        let says: Vec<_> =
            drivers.map(|driver| (driver.name.clone(), driver.topology_keys.clone())).collect();
        self.replace(&node.metadata.name, says)
    }

    /// The node says nothing any more. Has any driver one key less?
    pub(in crate::cluster) fn remove(&mut self, node: &str) -> bool {
        self.replace(node, Vec::new())
    }

    fn replace(&mut self, node: &str, says: Vec<(String, Vec<String>)>) -> bool {
        let mut changed = false;
        for (driver, keys) in &says {
            let known = self.drivers.entry(driver.clone()).or_default();
            for key in keys {
                let nodes = known.entry(key.clone()).or_default();
                changed |= *nodes == 0;
                *nodes += 1;
            }
        }
        let said =
            if says.is_empty() { self.nodes.remove(node) } else { self.nodes.insert(node.to_owned(), says) };
        for (driver, keys) in said.unwrap_or_default() {
            let Some(known) = self.drivers.get_mut(&driver) else { continue };
            for key in keys {
                if let Some(nodes) = known.get_mut(&key) {
                    *nodes -= 1;
                    if *nodes == 0 {
                        known.remove(&key);
                        changed = true;
                    }
                }
            }
            if known.is_empty() {
                self.drivers.remove(&driver);
            }
        }
        changed
    }

    /// The keys of a driver.
    fn of(&self, driver: &str) -> impl Iterator<Item = &str> {
        self.drivers.get(driver).into_iter().flat_map(|keys| keys.keys().map(String::as_str))
    }
}
