//! Claims, volumes and storage classes, as far as they decide where a pod can go.
//!
//! A claim that is bound adds the node affinity of its volume to what the pod demands of a node. One that waits for its
//! first consumer adds the topologies that its class allows; once the pod has a node, the shell names it in the claim's
//! annotation and binds the pod when the claim is bound (see `open`). Anything else that keeps a claim from being usable
//! holds the pod back, with the reason. Semantics: kube-scheduler's `VolumeBinding`, `VolumeZone` and, for
//! `ReadWriteOncePod`, `VolumeRestrictions`. Owned by [`super::Cluster`].
//!
//! Where several pods share a claim that waits, kube-scheduler lets the first decide and the others follow. A gang cannot
//! wait for one of its own: its pods are promised nodes together, the first of them names its node in the claim, and none
//! is bound before the volume is there. Whom it keeps from the promised node is placed again.

pub(super) mod joined;
pub(super) mod limits;
pub(super) mod open;
pub(super) mod stock;

use super::ids::PodId;
use crate::api::core::{
    NodeSelector, NodeSelectorTerm, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass, Volume,
};
use crate::api::keys;
use crate::api::meta::{LabelSelectorRequirement, SelectorOperator};
use joined::Places;
use limits::Limits;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stock::{Offer, Stock, Wanted};

/// Claims, volumes, classes, and the pods that use claims.
#[derive(Debug, Default)]
pub struct Volumes {
    /// By `namespace/name`.
    claims: BTreeMap<String, Claim>,
    /// By name.
    volumes: BTreeMap<String, Known>,
    classes: BTreeMap<String, Class>,
    consumers: FxHashMap<PodId, Consumer>,
    /// By `namespace/name` of the claim.
    users: BTreeMap<Arc<str>, BTreeSet<PodId>>,
    pub(super) limits: Limits,
    pub(super) places: Places,
    pub(super) stock: Stock,
}

/// A volume.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    /// What it asks of nodes.
    selectors: Vec<NodeSelector>,
    /// The CSI driver that attaches it.
    driver: Option<String>,
    /// What claims that wait are told of it.
    offer: Offer,
}

#[derive(Clone, Debug, PartialEq)]
struct Claim {
    class: String,
    volume: String,
    is_bound: bool,
    is_lost: bool,
    deleting: bool,
    one_pod: bool,
    /// The node that was chosen for it.
    node: Option<String>,
    /// What it asks of a volume.
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq)]
struct Class {
    waits: bool,
    provisions: bool,
    provisioner: String,
    /// One of these terms, if there are any.
    topologies: Option<NodeSelector>,
}

/// A pod that uses claims.
#[derive(Clone, Debug)]
struct Consumer {
    /// `namespace/name` of each.
    claims: Box<[Arc<str>]>,
    /// The pod as long as it wants a node, to be judged anew when a claim changes.
    pod: Option<Box<Pod>>,
}

/// What the claims of a pod come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Demands {
    /// Each must match.
    pub(super) selectors: Vec<NodeSelector>,
    /// Why the pod cannot be placed now.
    pub(super) refusal: Option<String>,
}

/// The class that a claim or volume had in an annotation before it had a field.
const CLASS: &str = "volume.beta.kubernetes.io/storage-class";
/// Labels of volumes that only nodes with the same value reach; several values are separated by `__`.
const ZONES: [&str; 4] = [
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];

fn is_claimed(volume: &Volume) -> bool {
    volume.source.contains_key("persistentVolumeClaim") || volume.source.contains_key("ephemeral")
}

/// Name of the claim behind a volume, if there is one.
fn claim_name(pod: &str, volume: &Volume) -> Option<String> {
    if let Some(source) = volume.source.get("persistentVolumeClaim") {
        return Some(source.get("claimName").and_then(|name| name.as_str()).unwrap_or_default().to_owned());
    }
    volume.source.contains_key("ephemeral").then(|| format!("{pod}-{}", volume.name))
}

/// `namespace/name` of the claims that a pod uses.
fn claims(pod: &Pod) -> Vec<Arc<str>> {
    let names = pod.spec.volumes.iter().filter_map(|volume| claim_name(&pod.metadata.name, volume));
    names.map(|name| format!("{}/{name}", pod.metadata.namespace).into()).collect()
}

impl Volumes {
    /// A claim is new or changed. Returns the pods to be judged anew.
    pub(super) fn put_claim(&mut self, claim: &PersistentVolumeClaim) -> Vec<PodId> {
        let metadata = &claim.metadata;
        let key = format!("{}/{}", metadata.namespace, metadata.name);
        let phase = claim.status.phase.as_deref();
        let class = metadata.annotations.get(CLASS).or(claim.spec.storage_class_name.as_ref());
        let record = Claim {
            class: class.cloned().unwrap_or_default(),
            volume: claim.spec.volume_name.clone(),
            is_bound: claim.is_bound(),
            is_lost: phase == Some("Lost"),
            deleting: metadata.deletion_timestamp.is_some(),
            one_pod: claim.spec.access_modes.iter().any(|mode| mode == "ReadWriteOncePod"),
            node: metadata.annotations.get(keys::SELECTED_NODE).cloned(),
            wanted: Wanted::of(claim),
        };
        if self.claims.get(&key) == Some(&record) {
            return Vec::new();
        }
        let users = self.users_of(&key);
        if record.is_bound {
            self.stock.give_back(&key);
        }
        self.claims.insert(key, record);
        self.stock.is_stale = true;
        users
    }

    pub(super) fn drop_claim(&mut self, namespace: &str, name: &str) -> Vec<PodId> {
        let key = format!("{namespace}/{name}");
        self.claims.remove(&key);
        self.stock.give_back(&key);
        self.users_of(&key)
    }

    pub(super) fn put_volume(&mut self, volume: &PersistentVolume) -> Vec<PodId> {
        let affinity = volume.spec.node_affinity.as_ref().and_then(|affinity| affinity.required.clone());
        let zones = ZONES.iter().filter_map(|&key| {
            let values = volume.metadata.labels.get(key)?.split("__").map(str::to_owned).collect();
            Some(one_of(key, values))
        });
        let zones: Vec<_> = zones.collect();
        let zones = (!zones.is_empty()).then(|| NodeSelector {
            node_selector_terms: vec![NodeSelectorTerm {
                match_expressions: zones,
                match_fields: Vec::new(),
            }],
        });
        let selectors: Vec<NodeSelector> = affinity.into_iter().chain(zones).collect();
        let name = &volume.metadata.name;
        let driver = volume.spec.csi.as_ref().map(|csi| csi.driver.clone());
        let known = Known { selectors, driver, offer: Offer::of(volume, CLASS) };
        if self.volumes.get(name) == Some(&known) {
            return Vec::new();
        }
        let mut users = self.bound_to(name);
        users.extend(self.offered(name, Some(&known.offer)));
        self.volumes.insert(name.clone(), known);
        users
    }

    pub(super) fn drop_volume(&mut self, name: &str) -> Vec<PodId> {
        let mut users = self.bound_to(name);
        users.extend(self.offered(name, None));
        self.volumes.remove(name);
        users
    }

    pub(super) fn put_class(&mut self, class: &StorageClass) -> Vec<PodId> {
        let terms = class.allowed_topologies.iter().map(|term| NodeSelectorTerm {
            match_expressions: term
                .match_label_expressions
                .iter()
                .map(|expression| one_of(&expression.key, expression.values.clone()))
                .collect(),
            match_fields: Vec::new(),
        });
        let terms: Vec<NodeSelectorTerm> = terms.filter(|term| !term.match_expressions.is_empty()).collect();
        let record = Class {
            waits: class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
            provisions: class.provisions(),
            provisioner: class.provisioner.clone(),
            topologies: (!terms.is_empty()).then_some(NodeSelector { node_selector_terms: terms }),
        };
        let name = &class.metadata.name;
        if self.classes.get(name) == Some(&record) {
            return Vec::new();
        }
        self.classes.insert(name.clone(), record);
        self.of_class(name)
    }

    pub(super) fn drop_class(&mut self, name: &str) -> Vec<PodId> {
        self.classes.remove(name);
        self.of_class(name)
    }

    /// Does any pod use claims?
    pub(super) fn are_used(&self) -> bool {
        !self.consumers.is_empty()
    }

    /// Has this pod anything to do with claims, or any pod?
    pub(super) fn concern(&self, pod: &Pod) -> bool {
        !self.consumers.is_empty() || pod.spec.volumes.iter().any(is_claimed)
    }

    /// Takes in what a pod uses. Returns other pods whose verdict that may change.
    pub(super) fn enter(&mut self, id: PodId, pod: &Pod, wants_node: bool) -> Vec<PodId> {
        let claims = claims(pod);
        if claims.is_empty() {
            return self.leave(id);
        }
        let known = self.consumers.get(&id).is_some_and(|known| *known.claims == *claims);
        let others = if known { Vec::new() } else { self.leave(id) };
        for claim in &claims {
            self.users.entry(Arc::clone(claim)).or_default().insert(id);
        }
        let pod = wants_node.then(|| Box::new(pod.clone()));
        self.consumers.insert(id, Consumer { claims: claims.into(), pod });
        if known { others } else { [others, self.sharing(id)].concat() }
    }

    /// Forgets a pod. Returns other pods whose verdict that may change.
    pub(super) fn leave(&mut self, id: PodId) -> Vec<PodId> {
        let others = self.sharing(id);
        self.release(id);
        let Some(consumer) = self.consumers.remove(&id) else { return Vec::new() };
        for claim in &consumer.claims {
            if let Some(users) = self.users.get_mut(claim) {
                users.remove(&id);
                if users.is_empty() {
                    self.users.remove(claim);
                }
            }
        }
        others
    }

    /// The pod as it was taken in, if it uses claims and wants a node.
    pub(super) fn pod(&self, id: PodId) -> Option<&Pod> {
        self.consumers.get(&id)?.pod.as_deref()
    }

    /// What the claims of a pod come to now.
    pub(super) fn demands(&self, pod: &Pod) -> Demands {
        let mut demands = Demands::default();
        for key in claims(pod) {
            match self.demand(&key) {
                Ok(selectors) => demands.selectors.extend(selectors),
                Err(refusal) => {
                    let name = key.split_once('/').map_or(&*key, |(_, name)| name);
                    // Nobody creates the claim of an ephemeral volume by hand: the pod owns it.
                    let is_ephemeral = !self.claims.contains_key(&*key)
                        && pod.spec.volumes.iter().any(|volume| {
                            volume.source.contains_key("ephemeral")
                                && claim_name(&pod.metadata.name, volume).as_deref() == Some(name)
                        });
                    let refusal = match is_ephemeral {
                        true => format!(
                            "waits for the ephemeral volume controller to create PersistentVolumeClaim {name}"
                        ),
                        false => format!("PersistentVolumeClaim {name}: {refusal}"),
                    };
                    return Demands { selectors: Vec::new(), refusal: Some(refusal) };
                }
            }
        }
        demands
    }

    fn demand(&self, key: &str) -> Result<Vec<NodeSelector>, String> {
        let Some(claim) = self.claims.get(key) else { return Err("does not exist; create it".to_owned()) };
        if claim.deleting {
            return Err("is being deleted".to_owned());
        }
        if claim.is_lost {
            return Err(format!("has lost its volume {}", claim.volume));
        }
        let users = self.users.get(key).map_or(0, BTreeSet::len);
        if claim.one_pod && users > 1 {
            return Err("is ReadWriteOncePod, and another pod uses it".to_owned());
        }
        if claim.is_bound {
            return match self.volumes.get(&claim.volume) {
                Some(volume) => Ok(volume.selectors.clone()),
                None => Err(format!("its volume {} does not exist", claim.volume)),
            };
        }
        if !claim.volume.is_empty() {
            return Err(format!("is being bound to {}", claim.volume));
        }
        let class = match self.classes.get(&claim.class) {
            Some(class) => class,
            None if claim.class.is_empty() => {
                return Err(
                    "is not bound and has no storage class; name one, or bind a volume to it".to_owned()
                );
            }
            None => {
                return Err(format!(
                    "its storage class {} does not exist; create it, or a claim of another class",
                    claim.class
                ));
            }
        };
        if !class.waits && !class.provisions {
            return Err(format!(
                "is not bound yet, and storage class {} makes no volumes; create a PersistentVolume that fits",
                claim.class
            ));
        }
        if !class.waits {
            return Err(
                "is not bound yet, and its storage class binds at once: wait for the provisioner".to_owned()
            );
        }
        if !class.provisions {
            // One of those that exist: see `stock`. One that somebody reserved for it is as good as bound.
            if users > 1 && self.reserved(key).is_none() && !self.is_offered(key) {
                return Err(format!(
                    "waits for its first consumer, and storage class {} has no free volume that fits; make one",
                    claim.class
                ));
            }
            let reserved = self.reserved(key).map_or(&[][..], |volume| &volume.selectors);
            return Ok(class.topologies.iter().chain(reserved).cloned().collect());
        }
        // A choice that was made binds until whoever makes the volume takes it back. Of several pods it binds one, which
        // need not be this one: for the others the volume decides.
        let chosen = claim.node.as_ref().filter(|_| users <= 1).map(|node| NodeSelector {
            node_selector_terms: vec![NodeSelectorTerm {
                match_expressions: Vec::new(),
                match_fields: vec![one_of("metadata.name", vec![node.clone()])],
            }],
        });
        Ok(class.topologies.iter().cloned().chain(chosen).collect())
    }

    fn users_of(&self, claim: &str) -> Vec<PodId> {
        self.users.get(claim).into_iter().flatten().copied().collect()
    }

    /// Other pods that use a claim of this one.
    fn sharing(&self, id: PodId) -> Vec<PodId> {
        let claims = self.consumers.get(&id).into_iter().flat_map(|consumer| &consumer.claims);
        let users = claims.filter_map(|claim| self.users.get(claim)).flatten();
        users.copied().filter(|&user| user != id).collect()
    }

    fn bound_to(&self, volume: &str) -> Vec<PodId> {
        let claims = self.claims.iter().filter(|(_, claim)| claim.volume == volume);
        claims.flat_map(|(key, _)| self.users_of(key)).collect()
    }

    fn of_class(&self, class: &str) -> Vec<PodId> {
        let claims = self.claims.iter().filter(|(_, claim)| claim.class == class);
        claims.flat_map(|(key, _)| self.users_of(key)).collect()
    }
}

fn one_of(key: &str, values: Vec<String>) -> LabelSelectorRequirement {
    LabelSelectorRequirement { key: key.to_owned(), operator: SelectorOperator::In, values }
}

#[cfg(test)]
mod tests;
