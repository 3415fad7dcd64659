//! A pod without a PodGroup, and what is kept of it.

use super::{WorkloadKind, pod_ref};
use crate::api::core::{Pod, PodPhase};
use crate::api::gang::{conflict, membership};
use crate::api::keys;
use crate::api::meta::{ObjectMeta, OwnerReference};
use crate::scheduler::PodRef;
use std::collections::BTreeMap;
use std::time::Duration;

/// Who made a pod: its controller, or the pod itself where it has none. The PodGroup is named after the uid.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OwnerKey {
    pub(super) uid: String,
    /// `None` for a pod on its own, and for controllers whose annotations are not read.
    pub(super) kind: Option<WorkloadKind>,
}

/// A pod of ours without a PodGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loose {
    pub(super) pod: PodRef,
    pub(super) owner: OwnerKey,
    pub(super) scheduler_name: String,
    /// When it was first seen.
    pub(super) since: Duration,
    pub(super) has_node: bool,
    /// Does the pod say itself that it belongs to a PodGroup: has it a queue, or a network topology?
    pub(super) asks: bool,
    /// What a PodGroup takes over from its pods.
    pub(super) source: Source,
}

/// What a PodGroup takes over from its pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) owner_references: Vec<OwnerReference>,
    pub(super) annotations: BTreeMap<&'static str, String>,
    pub(super) labels: BTreeMap<&'static str, String>,
    pub(super) priority_class: String,
    pub(super) requests: Vec<(String, String)>,
}

/// Annotations of a pod that go to its PodGroup, or make a field of it.
const ANNOTATIONS: [&str; 8] = [
    keys::QUEUE_NAME,
    keys::NETWORK_TOPOLOGY_MODE,
    keys::NETWORK_TOPOLOGY_HIGHEST_TIER,
    keys::PREEMPTABLE,
    keys::COOLDOWN_TIME,
    keys::REVOCABLE_ZONE,
    keys::JDB_MIN_AVAILABLE,
    keys::JDB_MAX_UNAVAILABLE,
];

/// Those that make a pod belong to a PodGroup whatever its controller says.
const ASKING: [&str; 3] =
    [keys::QUEUE_NAME, keys::NETWORK_TOPOLOGY_MODE, keys::NETWORK_TOPOLOGY_HIGHEST_TIER];

impl Loose {
    /// The pod, if it is without a PodGroup and has not ended. `known` is what was kept of the name.
    pub(super) fn of(pod: &Pod, known: Option<&Loose>, now: Duration) -> Option<Loose> {
        let has_group = membership(pod).is_some() || conflict(pod).is_some();
        let has_ended = matches!(pod.status.phase, Some(PodPhase::Succeeded | PodPhase::Failed));
        if has_group || has_ended || pod.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let same = known.filter(|known| known.pod.uid == pod.metadata.uid);
        let has_node = pod.spec.node_name.as_deref().is_some_and(|node| !node.is_empty());
        if let Some(same) = same {
            return Some(Loose { has_node, ..same.clone() });
        }
        let annotations = listed(&pod.metadata.annotations, &ANNOTATIONS);
        Some(Loose {
            pod: pod_ref(pod),
            owner: owner(&pod.metadata),
            scheduler_name: pod.spec.scheduler_name.clone().unwrap_or_default(),
            since: now,
            has_node,
            asks: ASKING.iter().any(|key| annotations.contains_key(key)),
            source: Source {
                owner_references: owner_references(&pod.metadata),
                labels: listed(&pod.metadata.labels, &[keys::PREEMPTABLE, keys::COOLDOWN_TIME]),
                annotations,
                priority_class: pod.spec.priority_class_name.clone(),
                requests: crate::cluster::requests::pod_quantities(pod),
            },
        })
    }
}

/// The controller of an object.
fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.iter().find(|reference| reference.controller == Some(true))
}

fn owner(metadata: &ObjectMeta) -> OwnerKey {
    match controller(metadata) {
        Some(reference) => OwnerKey {
            uid: reference.uid.clone(),
            kind: WorkloadKind::named(&reference.kind, &reference.api_version),
        },
        None => OwnerKey { uid: metadata.uid.clone(), kind: None },
    }
}

/// The owners of the PodGroup: those of the pod, or the pod.
fn owner_references(metadata: &ObjectMeta) -> Vec<OwnerReference> {
    if controller(metadata).is_some() {
        // To hold up the deletion of an owner takes rights over it.
        let owned =
            |reference: &OwnerReference| OwnerReference { block_owner_deletion: None, ..reference.clone() };
        return metadata.owner_references.iter().map(owned).collect();
    }
    vec![OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }]
}

fn listed(texts: &BTreeMap<String, String>, keys: &[&'static str]) -> BTreeMap<&'static str, String> {
    keys.iter().filter_map(|&key| Some((key, texts.get(key)?.clone()))).collect()
}
