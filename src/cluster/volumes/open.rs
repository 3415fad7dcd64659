//! Claims of promised pods that are not bound yet, and whether the volumes of those that are can be reached.

use super::{PodId, Volumes};
use crate::api::core::{NodeSelector, NodeSelectorTerm};
use crate::api::meta::{LabelSelectorRequirement, SelectorOperator};
use crate::cluster::labels::LabelSet;
use crate::cluster::refusal::requirement_problem;
use std::collections::BTreeSet;

/// A claim that is to be bound before a pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenClaim {
    /// Its name; the namespace is the pod's.
    pub name: String,
    /// The pod's node is to be written on it.
    pub names_node: bool,
    /// The volume that was chosen for it among those that exist: it is to be written on that.
    pub takes: Option<String>,
}

/// A claim of a pod that is not bound yet, as far as known.
pub(in crate::cluster) struct Open<'a> {
    pub(in crate::cluster) name: &'a str,
    /// Does it wait for its first consumer's node?
    pub(in crate::cluster) wants_node: bool,
    pub(in crate::cluster) users: &'a BTreeSet<PodId>,
    /// The volume that was chosen for it.
    pub(in crate::cluster) takes: Option<&'a str>,
}

impl Volumes {
    /// The claims of a pod that are not bound to a volume that exists.
    pub(in crate::cluster) fn open(&self, pod: PodId) -> impl Iterator<Item = Open<'_>> {
        let claims = self.consumers.get(&pod).into_iter().flat_map(|consumer| &consumer.claims);
        claims.filter_map(|key| {
            let claim = self.claims.get(&**key);
            if claim.is_some_and(|claim| claim.is_bound && self.volumes.contains_key(&claim.volume)) {
                return None;
            }
            let makes =
                |claim: &super::Claim| self.classes.get(&claim.class).is_none_or(|one| one.provisions);
            let wants_node = claim.is_some_and(|claim| {
                claim.volume.is_empty() && claim.node.is_none() && !claim.deleting && makes(claim)
            });
            let name = key.split_once('/').map_or(&**key, |(_, name)| name);
            Some(Open { name, wants_node, users: self.users.get(key)?, takes: self.stock.chosen(key) })
        })
    }

    /// Are the volumes of the pod's bound claims reached from a node of this name and these labels?
    pub(in crate::cluster) fn are_reached(&self, pod: PodId, node: &str, labels: LabelSet<'_>) -> bool {
        let claims = self.consumers.get(&pod).into_iter().flat_map(|consumer| &consumer.claims);
        let bound = claims.filter_map(|key| self.claims.get(&**key)).filter(|claim| claim.is_bound);
        let mut volumes = bound.filter_map(|claim| self.volumes.get(&claim.volume));
        volumes.all(|volume| volume.is_reached(node, labels)) && self.has_volumes(pod, node, labels)
    }
}

/// One of several terms; an empty one matches nothing.
pub(super) fn matches(selector: &NodeSelector, node: &str, labels: LabelSet<'_>) -> bool {
    let meets = |term: &NodeSelectorTerm| {
        let is_empty = term.match_expressions.is_empty() && term.match_fields.is_empty();
        let mut labelled = term.match_expressions.iter();
        let mut named = term.match_fields.iter();
        !is_empty
            && labelled.all(|asked| {
                requirement_problem(asked, false).is_none() && has(asked, labels.get(&asked.key))
            })
            && named.all(|asked| requirement_problem(asked, true).is_none() && has(asked, Some(node)))
    };
    selector.node_selector_terms.iter().any(meets)
}

fn has(asked: &LabelSelectorRequirement, value: Option<&str>) -> bool {
    let is_among = || value.is_some_and(|value| asked.values.iter().any(|one| one == value));
    let limit = || asked.values.first().and_then(|limit| limit.parse::<i64>().ok());
    let number = || value.and_then(|value| value.parse::<i64>().ok());
    match asked.operator {
        SelectorOperator::In => is_among(),
        SelectorOperator::NotIn => !is_among(),
        SelectorOperator::Exists => value.is_some(),
        SelectorOperator::DoesNotExist => value.is_none(),
        SelectorOperator::Gt => number().zip(limit()).is_some_and(|(number, limit)| number > limit),
        SelectorOperator::Lt => number().zip(limit()).is_some_and(|(number, limit)| number < limit),
        SelectorOperator::Other(_) => false,
    }
}
