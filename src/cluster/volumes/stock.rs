//! Volumes that exist already, for claims that wait for their first consumer and whose class makes none: local disks, and
//! whatever else an administrator has made by hand.
//!
//! What claims ask of a volume besides its size (class, access modes, mode, labels) is a kind. Each kind and each size that
//! is asked for is counted as a resource of nodes: the free volumes of the kind that the node reaches and that are so large
//! or larger. A claim takes one of its own size and of every smaller size that is counted. By Hall's theorem the claims of a
//! node that are of one kind find a volume each exactly where none of these numbers is exceeded, so that placement counts
//! and need not match. A volume that several nodes reach counts on each; `Volumes::allot` matches a whole placement before
//! it is promised, and where that fails such volumes count on one node each while the placement is made again.
//!
//! With the promise the choice is made, the smallest that fits first, and taken into account until the volume names the claim.
//! Semantics: kube-scheduler's `VolumeBinding`. Unlike there, a class that makes volumes is not offered existing ones.

mod choice;
#[cfg(test)]
mod tests;

use super::open::matches;
use super::{Claim, Known, Volumes, claims};
use crate::api::core::{PersistentVolume, PersistentVolumeClaim, Pod};
use crate::api::meta::{LabelSelector, SelectorOperator};
use crate::api::quantity::{Quantity, ResourceList};
use crate::cluster::ids::{NodeId, PodId, ResourceId};
use crate::cluster::labels::{LabelSet, LabelSets};
use crate::cluster::nodes::Nodes;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const HOSTNAME: &str = "kubernetes.io/hostname";

/// What a claim asks of a volume.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wanted {
    uid: String,
    size: i64,
    modes: Vec<String>,
    block: bool,
    selector: Option<LabelSelector>,
}

/// What a volume offers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Offer {
    class: String,
    size: i64,
    modes: Vec<String>,
    block: bool,
    labels: BTreeMap<String, String>,
    /// The claim that it names: `namespace/name`, and uid or nothing.
    claim: Option<(String, String)>,
    /// Neither failed nor released nor on its way out.
    is_well: bool,
}

/// What claims ask of a volume besides its size.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cluster) struct VolumeKind {
    class: String,
    modes: Vec<String>,
    block: bool,
    selector: Option<LabelSelector>,
}

/// Which kinds and sizes are counted, and which volumes are chosen.
#[derive(Debug, Default)]
pub(in crate::cluster) struct Stock {
    /// Of each kind, the resource by size.
    kinds: Vec<(VolumeKind, BTreeMap<i64, ResourceId>)>,
    /// By claim (`namespace/name`).
    chosen: BTreeMap<String, Choice>,
    /// Names of the volumes in `chosen`.
    taken: BTreeSet<String>,
    /// Names of volumes that name a claim, by claim.
    named: BTreeMap<String, BTreeSet<String>>,
    /// What [`Volumes::allot`] found, by claim.
    allotted: BTreeMap<String, String>,
    /// Volumes that count on one node alone for now.
    homes: BTreeMap<String, NodeId>,
    /// Numbers may have changed.
    pub(in crate::cluster) is_stale: bool,
    /// Something is counted that was not.
    pub(in crate::cluster) is_new: bool,
}

/// A volume that was chosen for a claim.
#[derive(Debug)]
struct Choice {
    volume: String,
    node: NodeId,
    pod: PodId,
}

/// Claims of one placement that do not find a volume each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unallotted {
    /// Claims that found one.
    pub found: usize,
    /// Claims.
    pub of: usize,
    /// May another placement find more: do more volumes count on one node alone than before?
    pub may_retry: bool,
}

fn bytes(amounts: &ResourceList) -> i64 {
    amounts.get("storage").and_then(|amount| amount.value().ok()).unwrap_or_default()
}

fn sorted(modes: &[String]) -> Vec<String> {
    let mut modes = modes.to_vec();
    modes.sort_unstable();
    modes
}

impl Wanted {
    pub(super) fn of(claim: &PersistentVolumeClaim) -> Self {
        Wanted {
            uid: claim.metadata.uid.clone(),
            size: bytes(&claim.spec.resources.requests),
            modes: sorted(&claim.spec.access_modes),
            block: claim.spec.volume_mode.as_deref() == Some("Block"),
            selector: claim.spec.selector.clone(),
        }
    }
}

impl Offer {
    pub(super) fn of(volume: &PersistentVolume, class: &str) -> Self {
        let (metadata, spec) = (&volume.metadata, &volume.spec);
        let phase = volume.status.phase.as_deref().unwrap_or_default();
        let claim = spec.claim_ref.as_ref();
        Offer {
            class: metadata.annotations.get(class).unwrap_or(&spec.storage_class_name).clone(),
            size: bytes(&spec.capacity),
            modes: sorted(&spec.access_modes),
            block: spec.volume_mode.as_deref() == Some("Block"),
            labels: metadata.labels.clone(),
            claim: claim.map(|claim| (format!("{}/{}", claim.namespace, claim.name), claim.uid.clone())),
            is_well: metadata.deletion_timestamp.is_none()
                && matches!(phase, "" | "Pending" | "Available" | "Bound"),
        }
    }

    fn is_free(&self) -> bool {
        self.is_well && self.claim.is_none()
    }
}

impl VolumeKind {
    /// `class local, 10Gi or more`, with what is unusual about it.
    pub(in crate::cluster) fn describe(&self, size: i64) -> String {
        let mut text = format!("class {}", self.class);
        if size > 0 {
            text.push_str(&format!(", {} or more", Quantity::from_bytes(size)));
        }
        for mode in self.modes.iter().filter(|mode| *mode != "ReadWriteOnce") {
            text.push_str(&format!(", {mode}"));
        }
        if self.block {
            text.push_str(", Block");
        }
        for (key, value) in self.selector.iter().flat_map(|selector| &selector.match_labels) {
            text.push_str(&format!(", {key}={value}"));
        }
        for asked in self.selector.iter().flat_map(|selector| &selector.match_expressions) {
            text.push_str(&format!(", {} {:?} {}", asked.key, asked.operator, asked.values.join(" ")));
        }
        text
    }

    fn accepts(&self, offer: &Offer) -> bool {
        offer.class == self.class
            && offer.block == self.block
            && self.modes.iter().all(|mode| offer.modes.contains(mode))
            && self.selector.as_ref().is_none_or(|selector| selector.matches(&offer.labels))
    }
}

impl Known {
    pub(super) fn is_reached(&self, node: &str, labels: LabelSet<'_>) -> bool {
        self.selectors.iter().all(|selector| matches(selector, node, labels))
    }
}

impl Stock {
    pub(in crate::cluster) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    pub(in crate::cluster) fn stands_for(&self, resource: ResourceId) -> bool {
        self.resources().any(|counted| counted == resource)
    }

    pub(in crate::cluster) fn resources(&self) -> impl Iterator<Item = ResourceId> {
        self.kinds.iter().flat_map(|(_, sizes)| sizes.values().copied())
    }

    /// Counts volumes of this kind and size as the resource.
    pub(in crate::cluster) fn track(&mut self, kind: VolumeKind, size: i64, resource: ResourceId) {
        (self.is_new, self.is_stale) = (true, true);
        match self.kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, sizes)) => _ = sizes.insert(size, resource),
            None => self.kinds.push((kind, BTreeMap::from([(size, resource)]))),
        }
    }

    /// The volume that was chosen for a claim.
    pub(super) fn chosen(&self, claim: &str) -> Option<&str> {
        self.chosen.get(claim).map(|choice| choice.volume.as_str())
    }

    /// A claim needs no choice any more.
    pub(super) fn give_back(&mut self, claim: &str) {
        if let Some(choice) = self.chosen.remove(claim) {
            self.taken.remove(&choice.volume);
            self.is_stale = true;
        }
    }

    /// True if there were any.
    pub(in crate::cluster) fn release_homes(&mut self) -> bool {
        let had = !self.homes.is_empty();
        self.homes.clear();
        self.is_stale |= had;
        had
    }

    fn sizes(&self, kind: &VolumeKind) -> Option<&BTreeMap<i64, ResourceId>> {
        self.kinds.iter().find(|(known, _)| known == kind).map(|(_, sizes)| sizes)
    }
}

impl Volumes {
    /// A volume is about to change to this; `None`: it goes. Who waits for one of its class is to be judged anew, and who was
    /// promised it, if it cannot have it any more.
    pub(super) fn offered(&mut self, name: &str, after: Option<&Offer>) -> Vec<PodId> {
        let before = self.volumes.get(name).map(|volume| volume.offer.clone());
        self.stock.is_stale = true;
        let names = |offer: Option<&Offer>| offer.and_then(|offer| Some(offer.claim.as_ref()?.0.clone()));
        let (named_before, named_after) = (names(before.as_ref()), names(after));
        if named_before != named_after {
            if let Some(claim) = named_before
                && let Some(volumes) = self.stock.named.get_mut(&claim)
            {
                volumes.remove(name);
                if volumes.is_empty() {
                    self.stock.named.remove(&claim);
                }
            }
            if let Some(claim) = named_after {
                self.stock.named.entry(claim).or_default().insert(name.to_owned());
            }
        }
        let class = after.or(before.as_ref()).map(|offer| offer.class.clone()).unwrap_or_default();
        let lost = self.stock.chosen.iter().find(|(claim, choice)| {
            let same = |offer: &Offer| {
                offer.is_well && offer.claim.as_ref().is_none_or(|(named, _)| named == *claim)
            };
            choice.volume == name && !after.is_some_and(same)
        });
        if let Some(claim) = lost.map(|(claim, _)| claim.clone()) {
            self.stock.give_back(&claim);
        }
        let Some(class) =
            self.classes.get(&class).filter(|class| class.waits && !class.provisions).map(|_| class)
        else {
            return Vec::new();
        };
        let waiting = self.claims.iter().filter(|(_, claim)| claim.class == class && !claim.is_bound);
        waiting.flat_map(|(key, _)| self.users_of(key)).collect()
    }

    /// A volume that names this claim, which is not bound to it yet.
    pub(super) fn reserved(&self, key: &str) -> Option<&Known> {
        let claim = self.claims.get(key)?;
        let named = self.stock.named.get(key)?.iter().filter_map(|name| self.volumes.get(name));
        named.into_iter().find(|volume| {
            let offer = &volume.offer;
            offer.is_well
                && offer.class == claim.class
                && offer.claim.as_ref().is_some_and(|(_, uid)| uid.is_empty() || *uid == claim.wanted.uid)
        })
    }

    /// Does any free volume of the class ask something of nodes?
    pub(super) fn is_local(&self, class: &str) -> bool {
        let mut free =
            self.volumes.values().filter(|volume| volume.offer.class == class && volume.offer.is_free());
        free.any(|volume| !volume.selectors.is_empty())
    }

    /// The kind of volume that a claim waits for, and the size, if it is to be chosen among those that exist.
    fn kind(&self, key: &str) -> Option<(VolumeKind, i64)> {
        let claim = self.claims.get(key).filter(|claim| is_open(claim))?;
        let class = self.classes.get(&claim.class)?;
        if !class.waits || class.provisions || self.reserved(key).is_some() {
            return None;
        }
        let Wanted { size, modes, block, selector, .. } = claim.wanted.clone();
        Some((VolumeKind { class: claim.class.clone(), modes, block, selector }, size))
    }

    /// Is there a volume for this claim somewhere: the one that was chosen, or a free one?
    pub(super) fn is_offered(&self, key: &str) -> bool {
        let Some((kind, size)) = self.kind(key) else { return true };
        let fits = |volume: &Known| {
            volume.offer.is_free() && volume.offer.size >= size && kind.accepts(&volume.offer)
        };
        self.stock.chosen(key).is_some() || self.volumes.values().any(fits)
    }

    /// Kinds and sizes that the pod's claims wait for and that are not counted yet.
    pub(in crate::cluster) fn uncounted(&self, pod: &Pod) -> Vec<(VolumeKind, i64)> {
        if self.claims.is_empty() || pod.spec.volumes.is_empty() {
            return Vec::new();
        }
        let is_counted = |kind: &VolumeKind, size: i64| {
            self.stock.sizes(kind).is_some_and(|sizes| sizes.contains_key(&size))
        };
        let kinds = claims(pod).into_iter().filter_map(|claim| self.kind(&claim));
        kinds.filter(|(kind, size)| !is_counted(kind, *size)).collect()
    }

    /// The resources of which a pod takes one for this claim. Of several pods that share it, the first does.
    pub(super) fn kinds(&self, key: &Arc<str>, pod: Option<PodId>) -> Vec<ResourceId> {
        let users = self.users.get(key);
        let first = users.and_then(|users| users.first().copied());
        if self.stock.is_empty() || first.is_some() && first != pod && pod.is_some() {
            return Vec::new();
        }
        let Some((kind, size)) = self.kind(key) else { return Vec::new() };
        let sizes = self.stock.sizes(&kind).into_iter().flat_map(|sizes| sizes.range(..=size));
        sizes.map(|(_, &resource)| resource).collect()
    }

    /// How many free volumes each node reaches, by what they are counted as.
    pub(in crate::cluster) fn free(
        &self,
        nodes: &Nodes,
        labels: &LabelSets,
    ) -> FxHashMap<(ResourceId, NodeId), i64> {
        let mut by_hostname: FxHashMap<&str, Vec<NodeId>> = FxHashMap::default();
        for (id, _, record) in nodes.present() {
            if let Some(name) = labels.get(record.labels).get(HOSTNAME) {
                by_hostname.entry(name).or_default().push(id);
            }
        }
        let chosen: FxHashMap<&str, NodeId> =
            self.stock.chosen.values().map(|choice| (choice.volume.as_str(), choice.node)).collect();
        let mut counts = FxHashMap::default();
        for (name, volume) in self.volumes.iter().filter(|(_, volume)| volume.offer.is_free()) {
            let kinds = self.stock.kinds.iter().filter(|(kind, _)| kind.accepts(&volume.offer));
            let resources: Vec<ResourceId> =
                kinds.flat_map(|(_, sizes)| sizes.range(..=volume.offer.size)).map(|(_, &one)| one).collect();
            if resources.is_empty() {
                continue;
            }
            let only = chosen.get(name.as_str()).or(self.stock.homes.get(name)).copied();
            let candidates: Vec<NodeId> = match (only, volume.hostnames()) {
                (Some(node), _) => vec![node],
                (None, Some(names)) => {
                    names.iter().filter_map(|name| by_hostname.get(name)).flatten().copied().collect()
                }
                (None, None) => nodes.present().map(|(id, ..)| id).collect(),
            };
            for node in candidates {
                if volume.is_reached(nodes.name(node), labels.get(nodes.get(node).labels)) {
                    for &resource in &resources {
                        *counts.entry((resource, node)).or_default() += 1;
                    }
                }
            }
        }
        counts
    }
}

/// Unbound, and not on its way to a volume or out.
fn is_open(claim: &Claim) -> bool {
    !claim.is_bound && claim.volume.is_empty() && !claim.deleting && !claim.is_lost
}

impl Known {
    /// The host names of the nodes that may reach it, if it names them in one term.
    fn hostnames(&self) -> Option<Vec<&str>> {
        let [selector] = &*self.selectors else { return None };
        let [term] = &*selector.node_selector_terms else { return None };
        let named = term
            .match_expressions
            .iter()
            .find(|asked| asked.key == HOSTNAME && asked.operator == SelectorOperator::In)?;
        Some(named.values.iter().map(String::as_str).collect())
    }
}
