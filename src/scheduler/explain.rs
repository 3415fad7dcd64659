//! A shortfall as one sentence for a person on call: how far it got, what stood in the way, what would help.
//!
//! The same text goes into conditions, events and the simulator's output.

use super::reason::Reason;
use crate::cluster::Cluster;
use crate::cluster::cause::Cause;
use crate::cluster::ids::DomainId;
use crate::cluster::topology::Topology;
use crate::placement::{GangRequest, Proof, Remedy, Shortfall, TierFit};
use std::fmt::Write;

/// The code and the sentence for a gang that was not placed, or only in part.
pub fn explain(cluster: &Cluster, request: &GangRequest, shortfall: &Shortfall) -> (Reason, String) {
    let mut text = String::new();
    how_far(cluster, request, shortfall, &mut text);
    excluded(cluster, shortfall, &mut text);
    remedies(cluster, shortfall, &mut text);
    let reason = if let Proof::CutShort { steps } = shortfall.proof {
        let _ = write!(text, "; the search was cut short after {steps} steps, so a fit may exist");
        Reason::SearchCutShort
    } else if shortfall.tiers.iter().any(|fit| !fit.allowed && fit.fits >= fit.needed && fit.needed > 0) {
        Reason::TopologyConstraint
    } else {
        Reason::NotEnoughResources
    };
    (reason, text)
}

/// `fits 3 of 4 pods at tier 1 (rack-7)`
fn how_far(cluster: &Cluster, request: &GangRequest, shortfall: &Shortfall, text: &mut String) {
    let best = shortfall
        .tiers
        .iter()
        .filter(|fit| fit.allowed)
        .max_by_key(|fit| (fit.fits, std::cmp::Reverse(fit.tier)));
    let pods = |count: u32| if count == 1 { "pod" } else { "pods" };
    match best {
        Some(fit) => {
            let _ = write!(
                text,
                "fits {} of {} {} {}",
                fit.fits,
                fit.needed,
                pods(fit.needed),
                place(cluster, fit)
            );
        }
        None if request.placed() > 0 => {
            let _ =
                write!(text, "{} of its pods run where the topology rule allows no more", request.placed());
        }
        None => {
            let _ = write!(text, "no domain may take its {} {}", shortfall.needed, pods(shortfall.needed));
        }
    }
}

/// `; 12 nodes: 9 short of nvidia.com/gpu, 2 tainted dedicated, 1 node selector`
fn excluded(cluster: &Cluster, shortfall: &Shortfall, text: &mut String) {
    if shortfall.nodes == 0 {
        text.push_str("; the cluster has no nodes");
        return;
    }
    if shortfall.excluded.is_empty() {
        return;
    }
    let _ = write!(text, "; {} {}: ", shortfall.nodes, if shortfall.nodes == 1 { "node" } else { "nodes" });
    for (index, &(cause, nodes)) in shortfall.excluded.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let _ = write!(text, "{separator}{nodes} {}", cause_text(cluster, cause));
    }
}

fn remedies(cluster: &Cluster, shortfall: &Shortfall, text: &mut String) {
    let topology = cluster.view().topology;
    for (index, remedy) in shortfall.remedies.iter().enumerate() {
        text.push_str(if index == 0 { "; would fit with " } else { ", or with " });
        let _ = match *remedy {
            Remedy::Free { domain, pods, resource } => {
                let what = resource.map_or(String::new(), |r| format!(" ({})", cluster.resources().name(r)));
                let more = if pods == 1 { "pod" } else { "pods" };
                write!(text, "room for {pods} more {more}{what} in {}", domain_name(topology, domain))
            }
            Remedy::RaiseTier { to, policy } => {
                let whose = if policy.is_some() { "the subgroups' " } else { "" };
                if to >= topology.tier(Topology::ROOT) {
                    write!(text, "{whose}mode: soft (no domain is large enough)")
                } else {
                    write!(text, "{whose}highestTierAllowed: {to}")
                }
            }
            Remedy::LowerMinimum { to } => write!(text, "a minimum of {to}"),
            Remedy::Lift { cause, nodes } => {
                let s = if nodes == 1 { "" } else { "s" };
                write!(text, "{nodes} node{s} made eligible ({})", cause_text(cluster, cause))
            }
            Remedy::CreatePods { missing } => write!(text, "{missing} more pods created"),
        };
    }
}

fn place(cluster: &Cluster, fit: &TierFit) -> String {
    match fit.tier {
        Some(tier) => format!("at tier {tier} ({})", domain_name(cluster.view().topology, fit.domain)),
        None => "in the cluster".to_owned(),
    }
}

fn domain_name(topology: &Topology, domain: DomainId) -> &str {
    if domain == Topology::ROOT { "the cluster" } else { topology.name(domain) }
}

/// A cause in words, to follow a number of nodes.
pub fn cause_text(cluster: &Cluster, cause: Cause) -> String {
    match cause {
        Cause::Unschedulable => "cordoned".to_owned(),
        Cause::NotReady => "not ready".to_owned(),
        Cause::Taint(key) => format!("tainted {}", cluster.view().eligibility.texts().get(key)),
        Cause::NodeSelector => "not matching the node selector".to_owned(),
        Cause::NodeAffinity => "not matching the node affinity".to_owned(),
        Cause::Quarantined => "in a broken HyperNode".to_owned(),
        Cause::Resource(resource) => format!("short of {}", cluster.resources().name(resource)),
        Cause::HostPort => "with the host port taken".to_owned(),
        Cause::PodAffinity => "not matching the pod affinity".to_owned(),
        Cause::PodAntiAffinity => "excluded by pod anti-affinity".to_owned(),
        Cause::TopologySpread => "excluded by topology spread".to_owned(),
    }
}
