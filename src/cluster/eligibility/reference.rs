//! The same rules over plain objects, one pod and one node at a time: what the tests compare with.

use crate::api::core::{Node, NodeSelectorTerm, PodSpec, Taint, TaintEffect, Toleration};
use crate::api::meta::LabelSelectorRequirement;

/// A cause by name, with the key of the taint.
pub(super) fn cause(spec: &PodSpec, node: &Node) -> Option<String> {
    let cordon = taint("node.kubernetes.io/unschedulable", "", TaintEffect::NoSchedule);
    if node.spec.unschedulable && !tolerated(spec, &cordon) {
        return Some("Unschedulable".into());
    }
    if node.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status != "True") {
        return Some("NotReady".into());
    }
    for taint in &node.spec.taints {
        let hard = matches!(taint.effect, TaintEffect::NoSchedule | TaintEffect::NoExecute);
        if hard && !tolerated(spec, taint) {
            return Some(format!("Taint {}", taint.key));
        }
    }
    if !spec.node_selector.iter().all(|(key, value)| node.metadata.labels.get(key) == Some(value)) {
        return Some("NodeSelector".into());
    }
    let required = spec.affinity.as_ref()?.node_affinity.as_ref()?.required.as_ref()?;
    let fits = required.node_selector_terms.iter().any(|term| term_matches(term, node));
    (!fits).then(|| "NodeAffinity".into())
}

pub(super) fn preference(spec: &PodSpec, node: &Node) -> i32 {
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let liked: i32 = affinity
        .iter()
        .flat_map(|affinity| &affinity.preferred)
        .filter(|preferred| term_matches(&preferred.preference, node))
        .map(|preferred| preferred.weight)
        .sum();
    let soft = |taint: &&Taint| taint.effect == TaintEffect::PreferNoSchedule && !tolerated(spec, taint);
    liked - 100 * node.spec.taints.iter().filter(soft).count() as i32
}

pub(super) fn taint(key: &str, value: &str, effect: TaintEffect) -> Taint {
    Taint { key: key.into(), value: value.into(), effect }
}

fn tolerated(spec: &PodSpec, taint: &Taint) -> bool {
    spec.tolerations.iter().any(|toleration| tolerates(toleration, taint))
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    if !toleration.key.is_empty() && toleration.key != taint.key {
        return false;
    }
    if toleration.effect.as_ref().is_some_and(|effect| *effect != taint.effect) {
        return false;
    }
    let (given, limit) = (taint.value.parse::<i64>(), toleration.value.parse::<i64>());
    match toleration.operator.as_ref().map_or("Equal", |operator| operator.as_str()) {
        "Equal" => toleration.value == taint.value,
        "Exists" => true,
        "Gt" => matches!((given, limit), (Ok(given), Ok(limit)) if given > limit),
        "Lt" => matches!((given, limit), (Ok(given), Ok(limit)) if given < limit),
        _ => false,
    }
}

fn term_matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let labels = &node.metadata.labels;
    let is_empty = term.match_expressions.is_empty() && term.match_fields.is_empty();
    !is_empty
        && term.match_expressions.iter().all(|r| holds(r, labels.get(&r.key).map(String::as_str)))
        && term.match_fields.iter().all(|r| holds(r, Some(&node.metadata.name)))
}

fn holds(requirement: &LabelSelectorRequirement, value: Option<&str>) -> bool {
    let listed = value.is_some_and(|value| requirement.values.iter().any(|v| v == value));
    let numbers = || {
        let limit = requirement.values.first()?.parse::<i64>().ok()?;
        Some((value?.parse::<i64>().ok()?, limit))
    };
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(value, limit)| value > limit),
        "Lt" => numbers().is_some_and(|(value, limit)| value < limit),
        _ => false,
    }
}
