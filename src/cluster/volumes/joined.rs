//! Pods that share a claim which waits for its first consumer, as pods that must be near each other.
//!
//! The volume will be reached from one of the places that its class names (`allowedTopologies`), and nobody knows which. A
//! gang that was spread over several of them would lose members as soon as the volume is there, and the claim would be
//! where it is for good. So whoever shares such a claim goes to one place: the pods are counted as if each had a label
//! for the claim and demanded pods of that label near it, until the claim is bound.

use super::{Volumes, claims};
use crate::api::core::{Pod, PodAffinityTerm};
use crate::api::meta::{LabelSelector, LabelSelectorRequirement, SelectorOperator};
use std::collections::BTreeSet;

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

    /// The node labels by which the class of a claim that is open, and that several pods use, tells several places apart.
    fn divides(&self, claim: &str) -> BTreeSet<&str> {
        let shared = self.users.get(claim).is_some_and(|users| users.len() > 1);
        let open =
            self.claims.get(claim).filter(|claim| shared && claim.volume.is_empty() && !claim.is_bound);
        let class = open.and_then(|claim| self.classes.get(&claim.class)).filter(|class| class.waits);
        let Some(places) = class.and_then(|class| class.topologies.as_ref()) else { return BTreeSet::new() };
        let terms = &places.node_selector_terms;
        let expressions = || terms.iter().flat_map(|term| &term.match_expressions);
        if terms.len() < 2 && expressions().all(|expression| expression.values.len() < 2) {
            return BTreeSet::new();
        }
        expressions().map(|expression| expression.key.as_str()).collect()
    }
}
