//! What the scheduler knows of a PodGroup, for a person on call: does it wait, for what, how far does it get, what would
//! help, and who sits where. Pure: whoever fills the scheduler prints the text.

pub(super) mod objects;
mod shares;
pub(super) mod waiting;
pub(super) mod warnings;

use super::found::Found;
use crate::cluster::gangs::{GangKind, GangRecord};
use crate::cluster::pods::{PodRecord, PodState};
use crate::cluster::topology::Severity;
use crate::placement::Proof;
use crate::scheduler::{GangReport, Scheduler};
use crate::simulation::report::columns::columns;
use crate::simulation::report::rows::shortfall;
use crate::words::counted;
use serde_json::{Value, json};
use std::fmt::Write;

/// More pods than this that are all well are not listed one by one.
const MANY: usize = 64;

/// What there is to say of a PodGroup (`namespace/name`) after a cycle; `None` if there is neither a PodGroup nor a pod
/// that names it.
pub(super) fn of_pod_group(found: &Found, key: &str) -> Option<(String, Value)> {
    account(&found.scheduler, key, found.would_fit.contains(key))
}

/// What is said of a gang that the cycle has placed and the scheduler in the cluster has not.
const WOULD_FIT: &str = "would fit now, not placed by the scheduler yet";

fn account(scheduler: &Scheduler, key: &str, would_fit: bool) -> Option<(String, Value)> {
    let cluster = scheduler.cluster();
    let gang = cluster.gangs().get(cluster.gangs().id(key)?)?;
    let report = scheduler.reports().into_iter().find(|report| {
        report.kind == GangKind::PodGroup
            && gang.key.as_ref() == format!("{}/{}", report.namespace, report.name)
    })?;
    let mut text = String::new();
    headline(gang, &report, would_fit, &mut text);
    facts(scheduler, gang, &report, &mut text);
    parts(&report, &mut text);
    quality(&report, &mut text);
    pods(scheduler, gang, &mut text);
    findings(scheduler, gang, &mut text);
    Some((text, value(scheduler, gang, &report, would_fit)))
}

/// The same for programs.
fn value(scheduler: &Scheduler, gang: &GangRecord, report: &GangReport, would_fit: bool) -> Value {
    let cluster = scheduler.cluster();
    let counts = &report.counts;
    let mut pods: Vec<&PodRecord> = gang.pods.iter().filter_map(|&pod| cluster.pods().get(pod)).collect();
    pods.sort_by(|a, b| crate::cluster::natural::compare(a.name(), b.name()));
    let pod = |pod: &&PodRecord| {
        let node = pod.node.map(|node| cluster.nodes().name(node));
        json!({ "name": pod.name(), "node": node, "state": state(pod) })
    };
    let group = gang.group.as_ref();
    json!({
        "kind": "PodGroup",
        "namespace": report.namespace,
        "name": report.name,
        "phase": group.and_then(|group| group.status.phase.as_ref()).map(|phase| phase.as_str()),
        "minimum": report.minimum,
        "wouldFit": would_fit && report.reason.is_none(),
        "reason": report.reason.map(|reason| reason.to_string()),
        "message": report.message,
        "domain": report.domain,
        "tier": report.tier,
        "counts": {
            "running": counts.running, "bound": counts.bound, "promised": counts.assumed,
            "pending": counts.pending, "releasing": counts.releasing, "succeeded": counts.succeeded,
            "failed": counts.failed,
        },
        "shortfall": report.explanation.clone().map(shortfall),
        "pods": pods.iter().map(pod).collect::<Vec<Value>>(),
    })
}

/// How a pod is, in words.
fn state(pod: &PodRecord) -> String {
    let state = match pod.state {
        _ if pod.deleting => "being deleted",
        PodState::Pending if pod.gated => "held back by a scheduling gate",
        PodState::Pending => pod.refusal.as_deref().unwrap_or("waits"),
        PodState::Assumed => "to be bound",
        PodState::Bound => "bound, does not run yet",
        PodState::Running => "runs",
        PodState::Succeeded => "succeeded",
        PodState::Failed => "failed",
    };
    state.to_owned()
}

/// `PodGroup default/a waits: NotEnoughResources`, and the sentence.
fn headline(gang: &GangRecord, report: &GangReport, would_fit: bool, text: &mut String) {
    let counts = &report.counts;
    let placed = counts.placed() + counts.assumed;
    let _ = match report.reason {
        Some(reason) if placed < report.minimum.max(1) => {
            writeln!(text, "PodGroup {} waits: {reason}\n  {}", gang.key, report.message)
        }
        Some(reason) => writeln!(
            text,
            "PodGroup {} has its minimum; more pods of it wait: {reason}\n  {}",
            gang.key, report.message
        ),
        None if would_fit => writeln!(text, "PodGroup {} {WOULD_FIT}", gang.key),
        None if counts.pending + placed + counts.releasing == 0 => {
            writeln!(text, "PodGroup {} has no pods", gang.key)
        }
        None if counts.assumed > 0 => {
            writeln!(
                text,
                "PodGroup {} has been given nodes; still to be bound: {}",
                gang.key,
                counted(counts.assumed, "pod")
            )
        }
        None if placed < report.minimum => writeln!(text, "PodGroup {} is not complete", gang.key),
        None => writeln!(text, "PodGroup {} is placed", gang.key),
    };
    text.push('\n');
}

fn facts(scheduler: &Scheduler, gang: &GangRecord, report: &GangReport, text: &mut String) {
    let counts = &report.counts;
    let group = gang.group.as_ref();
    let queue = group.map_or("", |group| group.spec.queue.as_str());
    let queue = if queue.is_empty() { "default" } else { queue };
    let state = match scheduler.cluster().queue(queue) {
        Some(queue) if queue.open => "open",
        Some(_) => "not open",
        None => "does not exist",
    };
    let phase = group.and_then(|group| group.status.phase.as_ref()).map_or("", |phase| phase.as_str());
    let rule =
        group.and_then(|group| group.spec.network_topology.as_ref()).map_or("none".to_owned(), |rule| {
            let mode = rule.mode.as_ref().map_or("hard", |mode| mode.as_str());
            match (rule.highest_tier_allowed, &rule.highest_tier_name) {
                (Some(tier), _) => format!("{mode}, tier {tier}"),
                (None, Some(name)) => format!("{mode}, tier {name}"),
                (None, None) => mode.to_owned(),
            }
        });
    let place = match (&report.domain, report.tier) {
        (Some(domain), Some(tier)) => format!("{domain} (tier {tier})"),
        _ => String::new(),
    };
    let with_node = counts.running + counts.bound + counts.assumed;
    let row = [
        phase.to_owned(),
        report.minimum.to_string(),
        gang.pods.len().to_string(),
        with_node.to_string(),
        counts.running.to_string(),
        counts.pending.to_string(),
        format!("{queue} ({state})"),
        rule,
        place,
    ];
    let header = [
        "PHASE",
        "MINIMUM",
        "PODS",
        "WITH NODE",
        "RUNNING",
        "WITHOUT",
        "QUEUE",
        "TOPOLOGY RULE",
        "PLACED IN",
    ];
    text.push_str(&columns(&header, &[row.to_vec()]));
}

/// How far it gets at each tier, what excludes nodes, what would help.
fn parts(report: &GangReport, text: &mut String) {
    let Some(explanation) = &report.explanation else { return };
    let tiers: Vec<Vec<String>> = explanation
        .tiers
        .iter()
        .map(|best| {
            let (tier, domain) = match &best.domain {
                Some((tier, domain)) => (tier.to_string(), domain.clone()),
                None => (String::new(), "the cluster".to_owned()),
            };
            let allowed = if best.allowed { "yes" } else { "no" };
            vec![tier, domain, format!("{} of {}", best.fits, explanation.needed), allowed.to_owned()]
        })
        .collect();
    if !tiers.is_empty() {
        text.push('\n');
        text.push_str(&columns(&["TIER", "BEST DOMAIN", "FITS", "ALLOWED"], &tiers));
    }
    let excluded: Vec<Vec<String>> =
        explanation.excluded.iter().map(|(cause, nodes)| vec![nodes.to_string(), cause.clone()]).collect();
    if !excluded.is_empty() {
        text.push('\n');
        let header = format!("CAUSE, OF {} NODES", explanation.nodes);
        text.push_str(&columns(&["EXCLUDED", &header], &excluded));
    }
    if !explanation.remedies.is_empty() {
        text.push_str("\nIt would fit with any of these:\n");
        for remedy in &explanation.remedies {
            let _ = writeln!(text, "- {}", remedy.text);
        }
    }
    if !explanation.proven {
        text.push_str("\nThe search was cut short: a fit may exist that was not found.\n");
    }
}

/// The terms of the last placement, and how little they could be.
fn quality(report: &GangReport, text: &mut String) {
    let Some(quality) = &report.quality else { return };
    let rows: Vec<Vec<String>> = quality
        .terms
        .iter()
        .map(|term| {
            let bound = term.bound.map_or("unknown".to_owned(), |bound| bound.to_string());
            vec![term.term.name().to_owned(), term.cost.to_string(), bound]
        })
        .collect();
    text.push('\n');
    text.push_str(&columns(&["COST TERM", "VALUE", "AT LEAST"], &rows));
    let _ = match (quality.proof, quality.gap_percent()) {
        (Proof::Proven, _) => writeln!(text, "No placement is better in tiers and domains."),
        (Proof::CutShort { steps }, gap) => writeln!(
            text,
            "The search was cut short after {}; a placement may be up to {gap} % better in tiers and domains.",
            counted(steps, "step")
        ),
    };
}

fn pods(scheduler: &Scheduler, gang: &GangRecord, text: &mut String) {
    let cluster = scheduler.cluster();
    let topology = cluster.view().topology;
    let mut pods: Vec<&PodRecord> = gang.pods.iter().filter_map(|&pod| cluster.pods().get(pod)).collect();
    pods.sort_by(|a, b| crate::cluster::natural::compare(a.name(), b.name()));
    let is_well = |pod: &PodRecord| pod.state == PodState::Running && !pod.deleting;
    let mut rows = Vec::new();
    let hidden = pods.len().saturating_sub(MANY).min(pods.iter().filter(|pod| is_well(pod)).count());
    let mut left = hidden;
    for pod in pods {
        if left > 0 && is_well(pod) {
            left -= 1;
            continue;
        }
        let node = pod.node.map_or("", |node| cluster.nodes().name(node));
        let domain = pod
            .node
            .and_then(|node| topology.position(node))
            .map(|position| topology.leaf(position))
            .filter(|&domain| domain != crate::cluster::topology::Topology::ROOT);
        let domain = domain.map_or("", |domain| topology.name(domain));
        rows.push(vec![pod.name().to_owned(), node.to_owned(), domain.to_owned(), state(pod)]);
    }
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&columns(&["POD", "NODE", "DOMAIN", "STATE"], &rows));
    }
    if hidden > 0 {
        let _ = writeln!(text, "and {hidden} more that run");
    }
}

/// Broken HyperNodes concern a gang with a topology rule, or one that waits.
fn findings(scheduler: &Scheduler, gang: &GangRecord, text: &mut String) {
    let group = gang.group.as_ref();
    if !group.is_some_and(|group| {
        group.spec.network_topology.is_some()
            || group.spec.sub_group_policy.iter().any(|policy| policy.network_topology.is_some())
    }) {
        return;
    }
    let findings = scheduler.cluster().findings().iter();
    let mut findings = findings.filter(|finding| finding.severity() != Severity::Note).peekable();
    if findings.peek().is_some() {
        text.push_str("\nThe topology has problems, which may be why:\n");
        findings.for_each(|finding| {
            let _ = writeln!(text, "- {finding}");
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Event, Settings};
    use crate::placement::PlacementRules;
    use serde_json::from_value;

    fn scheduler(nodes: usize) -> Scheduler {
        let mut scheduler = Scheduler::new(Settings::default(), PlacementRules::default());
        for node in 0..nodes {
            let allocatable = json!({"cpu": 8, "pods": 10, "nvidia.com/gpu": 8});
            let node =
                json!({"metadata": {"name": format!("n{node}")}, "status": {"allocatable": allocatable}});
            scheduler.apply(Event::Node(&from_value(node).unwrap()));
        }
        let members: Vec<Value> = (0..nodes)
            .map(|node| json!({"type": "Node", "selector": {"exactMatch": {"name": format!("n{node}")}}}))
            .collect();
        let rack = json!({"metadata": {"name": "rack"}, "spec": {"tier": 1, "members": members}});
        scheduler.apply(Event::HyperNode(&from_value(rack).unwrap()));
        let rule = json!({"mode": "hard", "highestTierAllowed": 1});
        let group = json!({"metadata": {"name": "g", "namespace": "d"}, "spec": {"minMember": 2, "networkTopology": rule}});
        scheduler.apply(Event::PodGroup(&from_value(group).unwrap()));
        for pod in 0..2 {
            let pod = json!({
                "metadata": {
                    "name": format!("p{pod}"), "namespace": "d", "uid": format!("{pod}"),
                    "annotations": {"scheduling.k8s.io/group-name": "g"},
                },
                "spec": {"schedulerName": "volcano", "containers": [
                    {"name": "c", "resources": {"requests": {"nvidia.com/gpu": 8}}},
                ]},
            });
            scheduler.apply(Event::Pod(&from_value(pod).unwrap()));
        }
        scheduler.cycle("");
        scheduler
    }

    fn check(nodes: usize, lines: &[&str]) {
        let (text, _) = account(&scheduler(nodes), "d/g", false).unwrap();
        for line in lines {
            let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.lines().any(|found| squeezed(found) == *line), "{line:?} in\n{text}");
        }
    }

    #[test]
    fn a_gang_that_waits_is_explained() {
        check(
            1,
            &[
                "PodGroup d/g waits: NotEnoughResources",
                "TIER BEST DOMAIN FITS ALLOWED",
                "1 rack 1 of 2 yes",
                "- room for 1 more pod (nvidia.com/gpu) in rack, on a node to be added",
                "p0 waits",
            ],
        );
    }

    #[test]
    fn a_gang_with_nodes_shows_them() {
        check(
            2,
            &[
                "PodGroup d/g has been given nodes; still to be bound: 2 pods",
                "domains 1 1",
                "No placement is better in tiers and domains.",
                "p1 n1 rack to be bound",
            ],
        );
    }

    #[test]
    fn an_unknown_gang_has_no_account() {
        assert_eq!(account(&scheduler(1), "d/other", false), None);
    }
}
