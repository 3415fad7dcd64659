//! What is wrong with the cluster's objects and was worked around: broken HyperNodes, and objects or steps of the
//! timeline that were refused on the way.

use super::{PodGroupRow, WarningRow};
use crate::cluster::cause::Cause;
use crate::cluster::topology::Severity;
use crate::scheduler::explain::cause_text;
use crate::simulation::engine::Simulation;
use crate::simulation::time::print_duration;
use std::collections::BTreeSet;

/// Gangs that a sentence names.
const NAMED: usize = 3;

/// All warnings: the gravest first, then as they were found.
pub(super) fn warnings(run: &Simulation, groups: &[PodGroupRow]) -> Vec<WarningRow> {
    let cluster = run.scheduler.cluster();
    let mut rows: Vec<WarningRow> = cluster
        .findings()
        .iter()
        .map(|finding| WarningRow {
            severity: match finding.severity() {
                Severity::Quarantined => "Quarantined",
                Severity::Ignored => "Ignored",
                Severity::Note => "Note",
            },
            code: finding.code().to_owned(),
            objects: finding.hyper_nodes().into_iter().map(|name| format!("HyperNode/{name}")).collect(),
            message: finding.to_string(),
        })
        .collect();
    rows.extend(quarantined_nodes(run, groups));
    let refused = |reason: &str| matches!(reason, "Malformed" | "Refused");
    let mut said = BTreeSet::new();
    for event in run.history.entries.iter().filter(|event| refused(&event.reason)) {
        let object = match event.namespace.as_str() {
            "" => format!("{}/{}", event.kind, event.name),
            namespace => format!("{}/{namespace}/{}", event.kind, event.name),
        };
        // A refusal names its object, a message about a field does not.
        let message = match event.reason.as_str() {
            "Malformed" => format!("{object}: {}", event.message),
            _ if event.by == "user" => {
                format!("spec.timeline, at {}: {}", print_duration(event.at_milliseconds), event.message)
            }
            _ => event.message.clone(),
        };
        if said.insert(message.clone()) {
            let (code, objects) = (event.reason.clone(), vec![object]);
            rows.push(WarningRow { severity: "Ignored", code, objects, message });
        }
    }
    rows.sort_by_key(|row| ["Quarantined", "Ignored", "Note"].iter().position(|name| *name == row.severity));
    rows
}

/// Nodes below broken HyperNodes, and the gangs that wait and could have used them.
fn quarantined_nodes(run: &Simulation, groups: &[PodGroupRow]) -> Option<WarningRow> {
    let cluster = run.scheduler.cluster();
    let topology = cluster.view().topology;
    let nodes = cluster.nodes().present().filter(|(node, ..)| topology.is_in_quarantine(*node)).count();
    if nodes == 0 {
        return None;
    }
    let cause = cause_text(cluster, Cause::Quarantined);
    let concerned: Vec<String> = groups
        .iter()
        .filter(|group| {
            let excluded = group.shortfall.iter().flat_map(|shortfall| &shortfall.excluded);
            excluded.into_iter().any(|excluded| excluded.cause == cause)
        })
        .map(|group| format!("{}/{}", group.namespace, group.name))
        .collect();
    let (s, lie) = if nodes == 1 { ("", "lies") } else { ("s", "lie") };
    let waiting = match concerned.len() {
        0 => "no gang waits for that".to_owned(),
        1 => format!("{} waits and could use them", concerned[0]),
        count => {
            let first = concerned[..count.min(NAMED)].join(", ");
            let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
            format!("{first}{more} wait and could use them")
        }
    };
    let message = format!(
        "{nodes} node{s} {lie} in broken HyperNodes and may be out of reach of gangs with a hard topology rule until \
         these are mended; {waiting}"
    );
    let objects = concerned.into_iter().map(|name| format!("PodGroup/{name}")).collect();
    Some(WarningRow { severity: "Quarantined", code: "QuarantinedNodes".into(), objects, message })
}
