//! A shortfall as one sentence for a person on call: how far it got, what stood in the way, what would help.
//!
//! The same text goes into conditions, events and the simulator's output.

mod action;

pub use action::Action;
pub(crate) use action::listed;

use super::reason::Reason;
use crate::api::nearest::nearest;
use crate::cluster::Cluster;
use crate::cluster::cause::Cause;
use crate::cluster::ids::{DomainId, PodId, ResourceId};
use crate::cluster::requests::{Claimed, amount_text};
use crate::cluster::topology::{Tier, Topology};
use crate::placement::{Absent, GangRequest, Proof, Remedy, Shortfall, TierFit};
use crate::words::counted;
use std::collections::BTreeSet;
use std::fmt::Write;

/// The code and the sentence for a gang that was not placed, or only in part.
pub fn explain(cluster: &Cluster, request: &GangRequest, shortfall: &Shortfall) -> (Reason, String) {
    let mut text = String::new();
    how_far(cluster, request, shortfall, &mut text);
    absent(cluster, shortfall, &mut text);
    excluded(cluster, shortfall, &mut text);
    devices(cluster, shortfall, &mut text);
    remedies(cluster, shortfall, &mut text);
    let reason = if let Proof::CutShort { steps } = shortfall.proof {
        let _ =
            write!(text, "; the search was cut short after {}, so a fit may exist", counted(steps, "step"));
        Reason::SearchCutShort
    } else if is_forbidden(shortfall) {
        Reason::TopologyConstraint
    } else {
        Reason::NotEnoughResources
    };
    (reason, text)
}

/// Is there room, and only a hard rule of the gang or of its subgroups that keeps it from there?
fn is_forbidden(shortfall: &Shortfall) -> bool {
    shortfall.tiers.iter().any(|fit| !fit.allowed && fit.fits >= fit.needed && fit.needed > 0)
        || shortfall.remedies.iter().any(|remedy| matches!(remedy, Remedy::RaiseTier { .. }))
}

/// `fits 3 of 4 pods at tier 1 (rack-7)`
fn how_far(cluster: &Cluster, request: &GangRequest, shortfall: &Shortfall, text: &mut String) {
    let pods = |count: u32| counted(count, "pod");
    match shortfall.best() {
        Some(fit) => {
            // Where the gang runs already, what waits is more than it needs.
            let has_minimum = request.minimum > 0 && request.placed() >= request.minimum as usize;
            let beyond = if has_minimum { "beyond its minimum, " } else { "" };
            let _ = write!(text, "{beyond}fits {} of {} {}", fit.fits, pods(fit.needed), place(cluster, fit));
        }
        None if request.placed() > 0 => {
            let _ =
                write!(text, "{} of its pods run where the topology rule allows no more", request.placed());
        }
        None => {
            let _ = write!(text, "no domain may take its {}", pods(shortfall.needed));
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
    let some_fit = shortfall.best().is_some_and(|fit| fit.fits > 0);
    let next = if shortfall.beside_own && some_fit { "for the next, " } else { "" };
    let _ = write!(text, "; {next}{}: ", counted(shortfall.nodes, "node"));
    for (index, (cause, nodes)) in causes(cluster, shortfall).iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let _ = write!(text, "{separator}{nodes} {cause}");
    }
}

/// `; on n7 5 of 8 devices of gpus are free (3 in use), 8 are asked for`
fn devices(cluster: &Cluster, shortfall: &Shortfall, text: &mut String) {
    for &(cause, _) in &shortfall.excluded {
        let (Cause::Resource(resource) | Cause::TooSmall(resource)) = cause else { continue };
        if let Some(Claimed::Devices(_)) = cluster.resources().claimed(resource)
            && let Some(why) = cluster.device_shortage(resource)
        {
            let _ = write!(text, "; {why}");
            return;
        }
    }
}

/// Causes in words, and how many nodes each excludes; most frequent first, each words once.
fn causes(cluster: &Cluster, shortfall: &Shortfall) -> Vec<(String, u32)> {
    let mut causes: Vec<(String, u32)> = Vec::new();
    for &(cause, nodes) in &shortfall.excluded {
        let text = cause_text(cluster, cause);
        match causes.iter_mut().find(|(known, _)| *known == text) {
            Some((_, sum)) => *sum += nodes,
            None => causes.push((text, nodes)),
        }
    }
    causes.sort_by_key(|&(_, nodes)| std::cmp::Reverse(nodes));
    causes
}

fn remedies(cluster: &Cluster, shortfall: &Shortfall, text: &mut String) {
    for (index, remedy) in shortfall.remedies.iter().enumerate() {
        text.push_str(if index == 0 { "; would fit with " } else { ", or with " });
        text.push_str(&Action::of(cluster, remedy).text);
    }
}

/// `; a pod asks for 16 nvidia.com/gpu, the largest node has 8`
fn absent(cluster: &Cluster, shortfall: &Shortfall, text: &mut String) {
    let absent = absent_text(cluster, shortfall);
    if !absent.is_empty() {
        let _ = write!(text, "; {absent}");
    }
}

/// What no node has; nothing where it is a limit on volumes or devices, which the causes tell.
fn absent_text(cluster: &Cluster, shortfall: &Shortfall) -> String {
    let Some(absent) = shortfall.absent else { return String::new() };
    match absent {
        Absent::Resource { resource, .. } if cluster.resources().claimed(resource).is_some() => String::new(),
        Absent::Resource { resource, asked, largest: 0, .. } => {
            let name = cluster.resources().name(resource);
            let view = cluster.view();
            let offered = (0..view.capacity.resources() as u32).map(ResourceId).filter(|&resource| {
                cluster.nodes().present().any(|(node, _, _)| view.capacity.allocatable(node, resource) > 0)
            });
            let names: Vec<&str> = offered.map(|resource| cluster.resources().name(resource)).collect();
            let meant =
                nearest(name, names).map_or(String::new(), |known| format!(" (did you mean {known}?)"));
            let asked = amount_text(name, asked);
            format!("no node offers {name}, of which a pod asks for {asked}{meant}")
        }
        Absent::Resource { pod, resource, asked, largest } => {
            let name = cluster.resources().name(resource);
            let own = sidecars_text(cluster, pod, resource);
            let (asked, largest) = (amount_text(name, asked), amount_text(name, largest));
            format!("a pod asks for {asked} {name}{own}, the largest node has {largest}")
        }
        Absent::Label { key, value } => {
            let texts = cluster.view().eligibility.texts();
            let (key, value) = (texts.get(key), texts.get(value));
            format!("no node has the label {key}: {value}{}", meant_label(cluster, key))
        }
        Absent::Key { key } => {
            let key = cluster.view().eligibility.texts().get(key);
            format!("no node has the label {key}{}", meant_label(cluster, key))
        }
    }
}

/// Values of a label that are named.
const VALUES: usize = 3;

/// What nodes have in place of a label: ` (nodes have gpu: a100 and l40)`, ` (did you mean gpu?)`.
fn meant_label(cluster: &Cluster, key: &str) -> String {
    let eligibility = cluster.view().eligibility;
    let texts = eligibility.texts();
    let asked = texts.find(key);
    let (mut values, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for (node, ..) in cluster.nodes().present() {
        for (known, value) in eligibility.labels(node) {
            keys.insert(known);
            if Some(known) == asked {
                values.insert(value);
            }
        }
    }
    let mut values: Vec<String> = values.into_iter().map(|value| texts.get(value).to_owned()).collect();
    values.sort();
    let shown: Vec<String> = values.iter().take(VALUES).cloned().collect();
    match (shown.as_slice(), values.len()) {
        ([], _) => nearest(key, keys.into_iter().map(|key| texts.get(key)))
            .map_or(String::new(), |meant| format!(" (did you mean {meant}?)")),
        (shown, all) if all > shown.len() => {
            format!(" (nodes have {key}: {} and {} more)", shown.join(", "), all - shown.len())
        }
        (shown, _) => format!(" (nodes have {key}: {})", listed(shown)),
    }
}

/// ` (8 of them for the sidecar cache-agent)`
fn sidecars_text(cluster: &Cluster, pod: PodId, resource: ResourceId) -> String {
    let own = cluster.sidecars(pod).iter().filter(|sidecar| sidecar.resource == resource);
    let parts: Vec<String> = own
        .enumerate()
        .map(|(index, sidecar)| {
            let of_them = if index == 0 { " of them" } else { "" };
            let amount = amount_text(cluster.resources().name(resource), sidecar.amount);
            format!("{amount}{of_them} for the sidecar {}", sidecar.name)
        })
        .collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", listed(&parts)) }
}

/// A shortfall in words, in parts: what tables, pages and programs show beside the sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Pods that are asked for.
    pub needed: u32,
    /// Nodes looked at.
    pub nodes: u32,
    /// Per tier, lowest first and the whole cluster last: the best domain.
    pub tiers: Vec<BestDomain>,
    /// What excludes nodes, as in "3 short of nvidia.com/gpu", and how many; most frequent first.
    pub excluded: Vec<(String, u32)>,
    /// What no node has, as in "a pod asks for 16 nvidia.com/gpu, the largest node has 8"; empty if it is not that.
    pub absent: String,
    /// Single changes that would make it fit, the easiest first.
    pub remedies: Vec<Action>,
    /// Is it proven that it does not fit, rather than that the search was cut short?
    pub proven: bool,
}

/// How far the best domain of a tier goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BestDomain {
    /// The tier and the domain's name; `None` is the whole cluster.
    pub domain: Option<(Tier, String)>,
    /// Pods that fit there.
    pub fits: u32,
    /// Do the gang's hard rules allow this tier?
    pub allowed: bool,
}

impl Explanation {
    /// Puts a shortfall into words. It must be of the present topology.
    pub fn of(cluster: &Cluster, shortfall: &Shortfall) -> Explanation {
        let topology = cluster.view().topology;
        let tiers = shortfall.tiers.iter().map(|fit| BestDomain {
            domain: fit.tier.map(|tier| (tier, topology.name(fit.domain).to_owned())),
            fits: fit.fits,
            allowed: fit.allowed,
        });
        Explanation {
            needed: shortfall.needed,
            nodes: shortfall.nodes,
            tiers: tiers.collect(),
            excluded: causes(cluster, shortfall),
            absent: absent_text(cluster, shortfall),
            remedies: shortfall.remedies.iter().map(|remedy| Action::of(cluster, remedy)).collect(),
            proven: shortfall.proof == Proof::Proven,
        }
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
        Cause::Volume => "out of reach of a volume".to_owned(),
        Cause::Devices => "out of reach of a device claim".to_owned(),
        Cause::ComputeDomain => "still labelled for another ComputeDomain".to_owned(),
        Cause::Quarantined => "in a broken HyperNode".to_owned(),
        Cause::NoDomain(tier) => format!("in no domain of tier {tier}"),
        Cause::TooSmall(resource) | Cause::Resource(resource) => {
            match cluster.resources().claimed(resource) {
                Some(Claimed::Devices(asked)) => format!("without free devices for a claim to {asked}"),
                Some(Claimed::Volumes(kind)) if kind.starts_with("class ") => {
                    format!("short of free volumes of {kind}")
                }
                Some(Claimed::Volumes(driver)) => format!("exceed max volume count ({driver})"),
                None if matches!(cause, Cause::TooSmall(_)) => {
                    format!("too small ({})", cluster.resources().name(resource))
                }
                None => format!("short of {}", cluster.resources().name(resource)),
            }
        }
        Cause::HostPort => "with the host port taken".to_owned(),
        Cause::PodAffinity => "not matching the pod affinity".to_owned(),
        Cause::PodAntiAffinity => "excluded by pod anti-affinity".to_owned(),
        Cause::TopologySpread => "excluded by topology spread".to_owned(),
    }
}

#[cfg(test)]
mod tests;
