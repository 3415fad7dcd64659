//! The same rules over plain objects, counting every pod anew for every question: what the tests compare with.

use super::super::cause::Cause;
use crate::api::core::{Node, Pod, PodAffinityTerm, TaintEffect, TopologySpreadConstraint};
use crate::api::meta::{LabelSelector, LabelSelectorRequirement, SelectorOperator};
use std::collections::BTreeMap;

/// Nodes by number, and pods with the number of their node.
#[derive(Clone, Debug, Default)]
pub(super) struct Reference {
    pub(super) nodes: Vec<Option<Node>>,
    pub(super) pods: Vec<(Pod, usize)>,
}

impl Reference {
    pub(super) fn cause(&self, pod: &Pod, node: usize) -> Option<Cause> {
        if self.port_is_taken(pod, node) {
            return Some(Cause::HostPort);
        }
        if !self.has_company(pod, node) {
            return Some(Cause::PodAffinity);
        }
        if self.is_kept_away(pod, node) {
            return Some(Cause::PodAntiAffinity);
        }
        (!self.keeps_even(pod, node)).then_some(Cause::TopologySpread)
    }

    fn label(&self, node: usize, key: &str) -> Option<&str> {
        self.nodes.get(node)?.as_ref()?.metadata.labels.get(key).map(String::as_str)
    }

    fn same_domain(&self, a: usize, b: usize, key: &str) -> bool {
        self.label(a, key).is_some() && self.label(a, key) == self.label(b, key)
    }

    fn port_is_taken(&self, pod: &Pod, node: usize) -> bool {
        let here = self.pods.iter().filter(|(_, at)| *at == node);
        here.flat_map(|(other, _)| ports(other)).any(|theirs| {
            ports(pod).iter().any(|mine| {
                mine.0 == theirs.0
                    && mine.1 == theirs.1
                    && (mine.2 == theirs.2 || mine.2 == "0.0.0.0" || theirs.2 == "0.0.0.0")
            })
        })
    }

    fn has_company(&self, pod: &Pod, node: usize) -> bool {
        let terms = terms(pod, false);
        if terms.iter().any(|term| self.label(node, &term.topology_key).is_none()) {
            return false;
        }
        let all = |other: &Pod| terms.iter().all(|term| means(term, pod, other));
        let friends: Vec<_> = self.pods.iter().filter(|(other, _)| all(other)).collect();
        let near = |term: &&PodAffinityTerm| {
            friends.iter().any(|(_, at)| self.same_domain(*at, node, &term.topology_key))
        };
        if terms.iter().all(near) {
            return true;
        }
        let anywhere = friends
            .iter()
            .any(|(_, at)| terms.iter().any(|term| self.label(*at, &term.topology_key).is_some()));
        !anywhere && all(pod)
    }

    fn is_kept_away(&self, pod: &Pod, node: usize) -> bool {
        self.pods.iter().any(|(other, at)| {
            let by = |holder: &Pod, target: &Pod| {
                terms(holder, true).iter().any(|term| {
                    means(term, holder, target) && self.same_domain(*at, node, &term.topology_key)
                })
            };
            by(pod, other) || by(other, pod)
        })
    }

    fn keeps_even(&self, pod: &Pod, node: usize) -> bool {
        let constraints = binding(pod);
        constraints.iter().all(|constraint| {
            let Some(here) = self.label(node, &constraint.topology_key) else { return false };
            let mut pods: BTreeMap<&str, i64> = BTreeMap::new();
            for at in 0..self.nodes.len() {
                let has_keys = constraints.iter().all(|c| self.label(at, &c.topology_key).is_some());
                if !has_keys || !self.admits(constraint, pod, at) {
                    continue;
                }
                let domain = self.label(at, &constraint.topology_key).unwrap();
                let matching = self.pods.iter().filter(|(other, on)| {
                    *on == at && other.metadata.deletion_timestamp.is_none() && counts(constraint, pod, other)
                });
                *pods.entry(domain).or_insert(0) += matching.count() as i64;
            }
            let enough = pods.len() as i64 >= i64::from(constraint.min_domains.unwrap_or(1));
            let fewest = if enough { pods.values().copied().min().unwrap_or(0) } else { 0 };
            let itself = i64::from(counts(constraint, pod, pod));
            pods.get(here).copied().unwrap_or(0) + itself - fewest <= i64::from(constraint.max_skew)
        })
    }

    /// Node inclusion policies; node affinity is left to the node selector in these tests.
    fn admits(&self, constraint: &TopologySpreadConstraint, pod: &Pod, node: usize) -> bool {
        let object = self.nodes[node].as_ref().unwrap();
        let selected =
            pod.spec.node_selector.iter().all(|(key, value)| object.metadata.labels.get(key) == Some(value));
        let tolerated = object.spec.taints.iter().all(|taint| {
            taint.effect == TaintEffect::PreferNoSchedule
                || pod.spec.tolerations.iter().any(|toleration| toleration.key == taint.key)
        });
        let honours_selector = constraint.node_affinity_policy.as_deref() != Some("Ignore");
        let honours_taints = constraint.node_taints_policy.as_deref() == Some("Honor");
        (selected || !honours_selector) && (tolerated || !honours_taints)
    }
}

/// Protocol, number and address of each host port.
fn ports(pod: &Pod) -> Vec<(&str, i32, &str)> {
    let sidecars = pod.spec.init_containers.iter().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let all = pod.spec.containers.iter().chain(sidecars).flat_map(|container| &container.ports);
    all.filter_map(|port| {
        let number = match port.host_port {
            0 if pod.spec.host_network => port.container_port,
            number => number,
        };
        let protocol = if port.protocol.is_empty() { "TCP" } else { port.protocol.as_str() };
        let ip = if port.host_ip.is_empty() { "0.0.0.0" } else { port.host_ip.as_str() };
        (number > 0).then_some((protocol, number, ip))
    })
    .collect()
}

fn terms(pod: &Pod, anti: bool) -> Vec<&PodAffinityTerm> {
    let affinity = pod.spec.affinity.as_ref();
    let side =
        affinity.and_then(|a| if anti { a.pod_anti_affinity.as_ref() } else { a.pod_affinity.as_ref() });
    side.map(|side| side.required.iter().collect()).unwrap_or_default()
}

fn binding(pod: &Pod) -> Vec<&TopologySpreadConstraint> {
    let soft = |c: &&TopologySpreadConstraint| {
        c.when_unsatisfiable.as_ref().is_some_and(|w| w.as_str() == "ScheduleAnyway")
    };
    pod.spec.topology_spread_constraints.iter().filter(|c| !soft(c)).collect()
}

/// Does a term of `holder` mean `other`?
fn means(term: &PodAffinityTerm, holder: &Pod, other: &Pod) -> bool {
    let namespace = &other.metadata.namespace;
    let in_namespace = match &term.namespace_selector {
        Some(_) => true,
        None if term.namespaces.is_empty() => *namespace == holder.metadata.namespace,
        None => term.namespaces.contains(namespace),
    };
    let Some(selector) = &term.label_selector else { return false };
    let mut selector = selector.clone();
    add_keys(&mut selector, &term.match_label_keys, SelectorOperator::In, holder);
    add_keys(&mut selector, &term.mismatch_label_keys, SelectorOperator::NotIn, holder);
    in_namespace && selector.matches(&other.metadata.labels)
}

fn counts(constraint: &TopologySpreadConstraint, holder: &Pod, other: &Pod) -> bool {
    let Some(selector) = &constraint.label_selector else { return false };
    let mut selector = selector.clone();
    add_keys(&mut selector, &constraint.match_label_keys, SelectorOperator::In, holder);
    let is_empty = selector.match_labels.is_empty() && selector.match_expressions.is_empty();
    !is_empty
        && holder.metadata.namespace == other.metadata.namespace
        && selector.matches(&other.metadata.labels)
}

fn add_keys(selector: &mut LabelSelector, keys: &[String], operator: SelectorOperator, holder: &Pod) {
    for key in keys {
        if let Some(value) = holder.metadata.labels.get(key) {
            selector.match_expressions.push(LabelSelectorRequirement {
                key: key.clone(),
                operator: operator.clone(),
                values: vec![value.clone()],
            });
        }
    }
}
