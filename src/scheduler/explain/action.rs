//! A remedy in names and numbers: what a person can do so that a gang fits, as a command or an edit.

use super::{cause_text, domain_name};
use crate::cluster::Cluster;
use crate::cluster::cause::Cause;
use crate::cluster::ids::{ClassId, DomainId, NodeId};
use crate::cluster::requests::amount_text;
use crate::cluster::topology::{Tier, Topology};
use crate::placement::Remedy;
use crate::words::counted;
use serde::Serialize;
use std::collections::BTreeMap;

/// Nodes that are named in a sentence; of more, the others are counted.
const NAMED: usize = 4;

/// One thing to do, after which the gang fits. Fields that a kind does not use are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// A stable word: `createPods`, `uncordon`, `getReady`, `addMatchingNodes`, `tolerateTaint`, `dropNodeSelector`, `dropNodeAffinity`,
    /// `dropHostPort`, `loosenPodAffinity`, `loosenPodAntiAffinity`, `loosenTopologySpread`, `joinDomain`, `freeRoom`,
    /// `raiseTier` or `lowerMinimum`.
    pub kind: &'static str,
    /// The same in words, to follow "would fit with".
    pub text: String,
    /// The nodes that it is to be done to; of `addMatchingNodes`, those that the new ones are like; of `freeRoom`, those that it must be on, one for each of `domains`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// The domains that it concerns, and pods' worth of room in each; `domain` null is the whole cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<Place>,
    /// The key of the taint to tolerate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taint: Option<String>,
    /// The resource that is short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Pods that must be created, or pods' worth of room; of `lowerMinimum`, the new minimum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<u32>,
    /// Of these, pods for which nodes must be added, as those that are there are too few.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<u32>,
    /// The tier to allow; absent for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The index of the `subGroupPolicy` whose rule it is; absent for the gang's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_group_policy: Option<u32>,
}

/// A domain and pods' worth of room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The domain; `None` is the whole cluster.
    pub domain: Option<String>,
    /// Pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<u32>,
    /// What one of these pods asks for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, String>,
}

impl Action {
    /// Puts a remedy into names and numbers. It must be of the present topology.
    pub fn of(cluster: &Cluster, remedy: &Remedy) -> Action {
        let topology = cluster.view().topology;
        let names = |nodes: &[NodeId]| -> Vec<String> {
            nodes.iter().map(|&node| cluster.nodes().name(node).to_owned()).collect()
        };
        let name = |domain| (domain != Topology::ROOT).then(|| topology.name(domain).to_owned());
        match remedy {
            Remedy::CreatePods { missing } => Action {
                kind: "createPods",
                text: format!("{} created", more_pods(*missing)),
                pods: Some(*missing),
                ..Action::default()
            },
            Remedy::Open { cause, nodes } => {
                let nodes = names(nodes);
                let (kind, text) = match cause {
                    Cause::Unschedulable => ("uncordon", format!("uncordon {}", listed(&nodes))),
                    _ => ("getReady", format!("{} ready again", listed(&nodes))),
                };
                Action { kind, text, nodes, ..Action::default() }
            }
            Remedy::Match { cause, like } => {
                let nodes = names(like);
                let what = match cause {
                    Cause::NodeSelector => "node selector",
                    _ => "node affinity",
                };
                let (more, matches) = match nodes.len() {
                    1 => ("1 more node".to_owned(), "matches"),
                    count => (counted(count, "more node"), "match"),
                };
                let text = format!("{more} like {} that {matches} the {what}", listed(&nodes));
                Action { kind: "addMatchingNodes", text, nodes, ..Action::default() }
            }
            Remedy::Lift { cause, .. } => lift(cluster, *cause),
            Remedy::Join { nodes, domain } => {
                let nodes = names(nodes);
                Action {
                    kind: "joinDomain",
                    text: format!("{} added to {}", listed(&nodes), domain_name(topology, *domain)),
                    nodes,
                    domains: vec![Place { domain: name(*domain), ..Place::default() }],
                    ..Action::default()
                }
            }
            Remedy::Free { places, nodes, resource, added } => {
                let resource = resource.map(|resource| cluster.resources().name(resource).to_owned());
                let nodes = names(nodes);
                let pods = places.iter().map(|&(_, _, pods)| pods).sum();
                let what = resource.as_ref().map_or(String::new(), |resource| format!(" ({resource})"));
                let mut by_domain: Vec<(DomainId, u32)> = Vec::new();
                for &(domain, _, pods) in places {
                    match by_domain.iter_mut().find(|(known, _)| *known == domain) {
                        Some((_, sum)) => *sum += pods,
                        None => by_domain.push((domain, pods)),
                    }
                }
                let mut text = match nodes.is_empty() {
                    true => String::new(),
                    false => format!("room for {}{what} on {}", more_pods(pods), distinct(&nodes)),
                };
                for (index, &(domain, pods)) in by_domain.iter().enumerate().filter(|_| nodes.is_empty()) {
                    let place = domain_name(topology, domain);
                    text.push_str(&match index {
                        0 => format!("room for {}{what} in {place}", more_pods(pods)),
                        _ => format!(" and for {} in {place}", more_pods(pods)),
                    });
                }
                text.push_str(&match *added {
                    0 => String::new(),
                    added if added < pods => format!(", {added} of them on nodes to be added"),
                    1 => ", on a node to be added".to_owned(),
                    _ => ", on nodes to be added".to_owned(),
                });
                Action {
                    kind: "freeRoom",
                    text,
                    nodes,
                    domains: places
                        .iter()
                        .map(|&(domain, class, pods)| Place {
                            domain: name(domain),
                            pods: Some(pods),
                            requests: requests(cluster, class),
                        })
                        .collect(),
                    resource,
                    pods: Some(pods),
                    added: (*added > 0).then_some(*added),
                    ..Action::default()
                }
            }
            Remedy::RaiseTier { to, policy } => {
                let whose = match policy {
                    None => String::new(),
                    Some(0) => "the subgroups' ".to_owned(),
                    Some(policy) => format!("subGroupPolicy[{policy}]: "),
                };
                let limit = (*to < topology.tier(Topology::ROOT)).then_some(*to);
                let rule = match limit {
                    Some(to) => format!("highestTierAllowed: {to}"),
                    None => "mode: soft (no domain is large enough)".to_owned(),
                };
                Action {
                    kind: "raiseTier",
                    text: format!("{whose}{rule}"),
                    tier: limit,
                    sub_group_policy: *policy,
                    ..Action::default()
                }
            }
            Remedy::LowerMinimum { to } => Action {
                kind: "lowerMinimum",
                text: format!("a minimum of {to}"),
                pods: Some(*to),
                ..Action::default()
            },
        }
    }
}

/// To change the pods so that a cause excludes no node.
fn lift(cluster: &Cluster, cause: Cause) -> Action {
    let taint = match cause {
        Cause::Taint(key) => Some(cluster.view().eligibility.texts().get(key).to_owned()),
        _ => None,
    };
    let (kind, text) = match cause {
        Cause::Taint(_) => {
            ("tolerateTaint", format!("tolerate taint {}", taint.as_deref().unwrap_or_default()))
        }
        Cause::NodeSelector => ("dropNodeSelector", "no nodeSelector".to_owned()),
        Cause::NodeAffinity => ("dropNodeAffinity", "no required nodeAffinity".to_owned()),
        Cause::HostPort => ("dropHostPort", "no host port".to_owned()),
        Cause::PodAffinity => ("loosenPodAffinity", "a looser pod affinity".to_owned()),
        Cause::PodAntiAffinity => ("loosenPodAntiAffinity", "a looser pod anti-affinity".to_owned()),
        Cause::TopologySpread => ("loosenTopologySpread", "a looser topology spread".to_owned()),
        other => ("other", format!("no nodes {}", cause_text(cluster, other))),
    };
    Action { kind, text, taint, ..Action::default() }
}

/// What a pod of the class asks for, as quantities.
fn requests(cluster: &Cluster, class: ClassId) -> BTreeMap<String, String> {
    let requests = cluster.view().classes.get(class).requests.iter();
    let measured = requests.filter(|&&(resource, _)| cluster.resources().claimed(resource).is_none());
    measured
        .map(|&(resource, amount)| {
            let name = cluster.resources().name(resource);
            (name.to_owned(), amount_text(name, amount))
        })
        .collect()
}

fn more_pods(count: u32) -> String {
    counted(count, "more pod")
}

/// `a`, `a and b`, `a, b and c`, `a, b, c, d and 3 more`
pub(crate) fn listed(names: &[String]) -> String {
    let (shown, more) = names.split_at(names.len().min(NAMED));
    match (shown, more.len()) {
        ([], _) => String::new(),
        ([name], 0) => name.clone(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
        (shown, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The same, each name once.
fn distinct(names: &[String]) -> String {
    let mut once = names.to_vec();
    once.dedup();
    listed(&once)
}
