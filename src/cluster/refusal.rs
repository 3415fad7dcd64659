//! What Phalanx refuses to place: pods that ask for something it cannot honour, each with a reason that names the
//! field and the remedy. Never placed as if they had not asked.

use crate::api::core::{
    Affinity, NodeSelectorTerm, PodAffinityTerm, PodSpec, TopologySpreadConstraint, WhenUnsatisfiable,
};
use crate::api::meta::{LabelSelector, LabelSelectorRequirement, SelectorOperator};

/// Volume sources that ask nothing of the scheduler, or what is looked at elsewhere.
const PLAIN_VOLUMES: [&str; 20] = [
    "azureFile",
    "cephfs",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral", // see super::volumes
    "fc",
    "flexVolume",
    "flocker",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "image",
    "nfs",
    "persistentVolumeClaim", // see super::volumes
    "projected",
    "quobyte",
    "secret",
    "storageos",
];

/// The label that every namespace has: its own name.
pub(super) const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Why the pod cannot be placed by us, the first reason found; `None` if we can honour all that it asks for.
pub fn refusal(spec: &PodSpec) -> Option<String> {
    volumes(spec)
        .or_else(|| spec.affinity.as_ref().and_then(node_affinity))
        .or_else(|| spec.affinity.as_ref().and_then(pod_affinity))
        .or_else(|| {
            let constraints = spec.topology_spread_constraints.iter().enumerate();
            find(constraints, "spec.topologySpreadConstraints", spread)
        })
}

/// What is wrong with an expression about nodes (labels, or fields if `is_field`), if anything is.
pub(super) fn requirement_problem(
    requirement: &LabelSelectorRequirement,
    is_field: bool,
) -> Option<&'static str> {
    use SelectorOperator::{DoesNotExist, Exists, Gt, In, Lt, NotIn, Other};
    let values = &requirement.values;
    match requirement.operator {
        _ if is_field && requirement.key != "metadata.name" => {
            Some("the only field that nodes can be selected by is metadata.name")
        }
        In | NotIn if is_field && values.len() != 1 => Some("a field takes exactly one value"),
        In | NotIn if values.is_empty() => Some("In and NotIn need values"),
        In | NotIn => None,
        _ if is_field => Some("a field takes In or NotIn"),
        Exists | DoesNotExist if !values.is_empty() => Some("Exists and DoesNotExist take no values"),
        Exists | DoesNotExist => None,
        Gt | Lt if values.len() != 1 || values[0].parse::<i64>().is_err() => {
            Some("Gt and Lt take exactly one integer")
        }
        Gt | Lt => None,
        Other(_) => Some("the operator is not known; use In, NotIn, Exists, DoesNotExist, Gt or Lt"),
    }
}

fn volumes(spec: &PodSpec) -> Option<String> {
    spec.volumes.iter().enumerate().find_map(|(index, volume)| {
        let source = volume.source.keys().find(|source| !PLAIN_VOLUMES.contains(&source.as_str()))?;
        Some(format!(
            "spec.volumes[{index}] ({}): {source} needs the scheduler to follow the volume, which is not supported; \
             use a volume that every node can reach",
            volume.name
        ))
    })
}

fn node_affinity(affinity: &Affinity) -> Option<String> {
    let affinity = affinity.node_affinity.as_ref()?;
    let path = "spec.affinity.nodeAffinity";
    let required = affinity.required.iter().flat_map(|selector| &selector.node_selector_terms);
    let required = find(required.enumerate(), &format!("{path}.required"), node_term);
    required.or_else(|| {
        let preferred = affinity.preferred.iter().map(|preferred| &preferred.preference);
        find(preferred.enumerate(), &format!("{path}.preferred"), node_term)
    })
}

fn node_term(term: &NodeSelectorTerm) -> Option<String> {
    let labels = term.match_expressions.iter().map(|requirement| (requirement, false));
    let fields = term.match_fields.iter().map(|requirement| (requirement, true));
    labels.chain(fields).find_map(|(requirement, is_field)| {
        let problem = requirement_problem(requirement, is_field)?;
        Some(format!("{} {}: {problem}", requirement.key, requirement.operator))
    })
}

fn pod_affinity(affinity: &Affinity) -> Option<String> {
    let sides = [("podAffinity", &affinity.pod_affinity), ("podAntiAffinity", &affinity.pod_anti_affinity)];
    sides.into_iter().find_map(|(side, terms)| {
        let terms = terms.as_ref()?.required.iter();
        find(terms.enumerate(), &format!("spec.affinity.{side}.required"), pod_term)
    })
}

fn pod_term(term: &PodAffinityTerm) -> Option<String> {
    if term.topology_key.is_empty() {
        return Some("topologyKey is empty; name a node label".to_owned());
    }
    let namespaces = term.namespace_selector.as_ref();
    if namespaces.is_some_and(|selector| selected_namespaces(selector).is_none()) {
        return Some(format!(
            "namespaceSelector: labels of namespaces are not known here; list namespaces, or select by \
             {NAMESPACE_NAME} alone, or all of them with {{}}"
        ));
    }
    term.label_selector.as_ref().and_then(pod_selector)
}

fn spread(constraint: &TopologySpreadConstraint) -> Option<String> {
    match &constraint.when_unsatisfiable {
        Some(WhenUnsatisfiable::ScheduleAnyway) => return None,
        Some(WhenUnsatisfiable::Other(other)) => {
            return Some(format!(
                "whenUnsatisfiable {other:?} is not known; use DoNotSchedule or ScheduleAnyway"
            ));
        }
        Some(WhenUnsatisfiable::DoNotSchedule) | None => {}
    }
    if constraint.topology_key.is_empty() {
        return Some("topologyKey is empty; name a node label".to_owned());
    }
    if constraint.max_skew < 1 {
        return Some(format!("maxSkew is {}; it must be at least 1", constraint.max_skew));
    }
    if constraint.min_domains.is_some_and(|domains| domains < 1) {
        return Some("minDomains must be at least 1, or absent".to_owned());
    }
    let policies = [
        ("nodeAffinityPolicy", &constraint.node_affinity_policy),
        ("nodeTaintsPolicy", &constraint.node_taints_policy),
    ];
    for (field, policy) in policies {
        if let Some(policy) = policy.as_deref().filter(|policy| !["Honor", "Ignore"].contains(policy)) {
            return Some(format!("{field} {policy:?} is not known; use Honor or Ignore"));
        }
    }
    constraint.label_selector.as_ref().and_then(pod_selector)
}

fn pod_selector(selector: &LabelSelector) -> Option<String> {
    selector.match_expressions.iter().find_map(|requirement| {
        let problem = match requirement.operator {
            SelectorOperator::Gt | SelectorOperator::Lt => "labels of pods take no Gt and Lt",
            _ => requirement_problem(requirement, false)?,
        };
        Some(format!("labelSelector {} {}: {problem}", requirement.key, requirement.operator))
    })
}

/// The namespaces that a selector means, as far as that can be told without their labels.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Namespaces<'a> {
    /// All of them.
    All,
    /// These.
    Named(Vec<&'a str>),
}

/// `None` if the selector needs labels of namespaces that are not known here.
pub(super) fn selected_namespaces(selector: &LabelSelector) -> Option<Namespaces<'_>> {
    let labels = selector.match_labels.iter().map(|(key, value)| (key, std::slice::from_ref(value)));
    let expressions = selector.match_expressions.iter().map(|expression| {
        let values = match expression.operator {
            SelectorOperator::In => expression.values.as_slice(),
            _ => &[],
        };
        (&expression.key, values)
    });
    let mut named: Option<Vec<&str>> = None;
    for (key, values) in labels.chain(expressions) {
        if key != NAMESPACE_NAME || values.is_empty() {
            return None;
        }
        let values = values.iter().map(String::as_str);
        named = Some(match named {
            None => values.collect(),
            Some(before) => values.filter(|name| before.contains(name)).collect(),
        });
    }
    Some(named.map_or(Namespaces::All, Namespaces::Named))
}

fn find<'a, T: 'a>(
    items: impl Iterator<Item = (usize, &'a T)>,
    path: &str,
    problem: impl Fn(&T) -> Option<String>,
) -> Option<String> {
    items.into_iter().find_map(|(index, item)| Some(format!("{path}[{index}]: {}", problem(item)?)))
}

#[cfg(test)]
mod tests;
