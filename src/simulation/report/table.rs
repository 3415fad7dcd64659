//! The report for people at a terminal: what waits must be found at once, however much else there is.

mod sharing;

use super::columns::columns;
use super::rows::waits;
use super::{PodGroupRow, PodRow, Report};
use crate::simulation::time::print_duration;
use crate::words::counted;
use std::fmt::Write;

/// Above so many pods only those are listed that wait on their own, unless all are asked for; those that wait in a
/// gang are spoken for by their PodGroup. Of more PodGroups only those that wait are listed.
pub const MANY: usize = 200;

/// What to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    /// List every pod, those of other schedulers too, however many there are.
    pub all: bool,
}

/// The pods, the PodGroups with what holds them up, and a summary.
pub fn table(report: &Report, view: View) -> String {
    let mut text = String::new();
    pods(report, view, &mut text);
    groups(report, view, &mut text);
    model_servings(report, view, &mut text);
    sharing::queues(report, &mut text);
    sharing::evictions(report, view, &mut text);
    if let Some(events) = &report.events {
        let rows: Vec<Vec<String>> = events
            .iter()
            .map(|event| {
                let name = match event.namespace.as_str() {
                    "" => format!("{} {}", event.kind, event.name),
                    namespace => format!("{} {namespace}/{}", event.kind, event.name),
                };
                let at = print_duration(event.at_milliseconds);
                vec![at, event.by.to_owned(), event.reason.clone(), name, event.message.clone()]
            })
            .collect();
        if !rows.is_empty() {
            text.push_str(&columns(&["AT", "BY", "REASON", "OBJECT", "MESSAGE"], &rows));
            text.push('\n');
        }
    }
    warnings(report, view, &mut text);
    summary(report, &mut text);
    text
}

/// Warnings that are listed unless all are asked for.
const WARNINGS: usize = 12;

fn warnings(report: &Report, view: View, text: &mut String) {
    if report.warnings.is_empty() {
        return;
    }
    let limit = if view.all { usize::MAX } else { WARNINGS };
    let rows: Vec<Vec<String>> = report
        .warnings
        .iter()
        .take(limit)
        .map(|warning| vec![warning.severity.to_uppercase(), warning.code.clone(), warning.message.clone()])
        .collect();
    text.push_str("WARNINGS\n");
    text.push_str(&columns(&["EFFECT", "CODE", "WHAT IS WRONG, AND WHAT WOULD BE RIGHT"], &rows));
    if rows.len() < report.warnings.len() {
        let _ = writeln!(
            text,
            "({} of {} listed: the gravest; --all lists every one)",
            rows.len(),
            report.warnings.len()
        );
    }
    text.push('\n');
}

fn pods(report: &Report, view: View, text: &mut String) {
    let ours: Vec<&PodRow> = report.pods.iter().filter(|pod| pod.ours || view.all).collect();
    let many = ours.len() > MANY && !view.all;
    let alone = |pod: &&PodRow| pod.waits() && pod.pod_group.is_none();
    let shown: Vec<&PodRow> = ours
        .iter()
        .copied()
        .filter(|pod| !many || alone(pod))
        .take(if many { MANY } else { usize::MAX })
        .collect();
    if !shown.is_empty() {
        let rows: Vec<Vec<String>> = shown
            .iter()
            .map(|pod| {
                vec![
                    pod.namespace.to_string(),
                    pod.name.to_string(),
                    pod.ready.to_string(),
                    pod.status.to_string(),
                    or_none(pod.node.as_deref()),
                    or_none(pod.domain.as_deref()),
                ]
            })
            .collect();
        text.push_str(&columns(&["NAMESPACE", "NAME", "READY", "STATUS", "NODE", "DOMAIN"], &rows));
    }
    if shown.len() < ours.len() {
        let (listed, all) = (shown.len(), ours.len());
        let what = if listed == 0 { "none waits on its own" } else { "those that wait on their own" };
        let _ = writeln!(text, "({listed} of {all} pods listed: {what}; --all lists every pod)");
    }
    let mut said = Vec::new();
    for pod in shown.iter().filter(|pod| !pod.message.is_empty()) {
        // Pods on their own often wait for the same reason: say it once.
        match said.iter_mut().find(|(message, _): &&mut (&str, Vec<String>)| *message == pod.message) {
            Some((_, names)) => names.push(format!("{}/{}", pod.namespace, pod.name)),
            None => said.push((&pod.message, vec![format!("{}/{}", pod.namespace, pod.name)])),
        }
    }
    for (message, names) in said {
        let more = match names.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let _ = writeln!(text, "{}{more}: {message}", names[0]);
    }
    if !text.is_empty() {
        text.push('\n');
    }
}

fn groups(report: &Report, view: View, text: &mut String) {
    let many = report.pod_groups.len() > MANY && !view.all;
    let troubled = |group: &&PodGroupRow| waits(group) || group.reason.is_some();
    let shown: Vec<&PodGroupRow> = report
        .pod_groups
        .iter()
        .filter(|group| !many || troubled(group))
        .take(if many { MANY } else { usize::MAX })
        .collect();
    if !shown.is_empty() {
        let rows: Vec<Vec<String>> = shown
            .iter()
            .map(|group| {
                let spans = group.scheduled > 0 && group.domain.is_none();
                vec![
                    group.namespace.clone(),
                    group.name.clone(),
                    group.phase.clone(),
                    format!("{}/{}", group.scheduled, group.min_member),
                    if spans { "<cluster>".into() } else { or_none(group.domain.as_deref()) },
                    group.tier.map_or_else(|| "<none>".into(), |tier| tier.to_string()),
                    group.reason.clone().unwrap_or_default(),
                ]
            })
            .collect();
        let header = ["NAMESPACE", "PODGROUP", "PHASE", "SCHED/MIN", "DOMAIN", "TIER", "REASON"];
        text.push_str(&columns(&header, &rows));
    }
    if shown.len() < report.pod_groups.len() {
        let all = report.pod_groups.len();
        let _ = writeln!(
            text,
            "({} of {all} PodGroups listed: those that wait; --all lists every one)",
            shown.len()
        );
    }
    for group in shown.iter().filter(|group| !group.message.is_empty()) {
        let _ = writeln!(text, "{}/{}: {}", group.namespace, group.name, group.message);
    }
    if !report.pod_groups.is_empty() {
        text.push('\n');
    }
}

/// One row a ModelServing: how many of its ServingGroups are there, available, and of the newest revision.
fn model_servings(report: &Report, view: View, text: &mut String) {
    let many = report.model_servings.len() > MANY && !view.all;
    let shown =
        report.model_servings.iter().filter(|serving| !many || serving.available_replicas < serving.wanted);
    let rows: Vec<Vec<String>> = shown
        .take(if many { MANY } else { usize::MAX })
        .map(|serving| {
            vec![
                serving.namespace.clone(),
                serving.name.clone(),
                format!("{}/{}", serving.available_replicas, serving.wanted),
                serving.updated_replicas.to_string(),
                serving.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let header = ["NAMESPACE", "MODELSERVING", "AVAILABLE", "UPDATED", "REASON"];
        // The column is there where there is something in it.
        let shown = if rows.iter().all(|row| row[4].is_empty()) { 4 } else { 5 };
        text.push_str(&columns(&header[..shown], &rows));
    }
    if rows.len() < report.model_servings.len() {
        let all = report.model_servings.len();
        let _ = writeln!(
            text,
            "({} of {all} ModelServings listed: those with less available than wanted; --all lists every one)",
            rows.len()
        );
    }
    for serving in report.model_servings.iter().take(MANY).filter(|serving| !serving.message.is_empty()) {
        // What holds up a gang is said there.
        let is_said = |group: &PodGroupRow| {
            !group.message.is_empty() && serving.message.ends_with(group.message.as_str())
        };
        if !report.pod_groups.iter().any(is_said) {
            let _ = writeln!(text, "{}/{}: {}", serving.namespace, serving.name, serving.message);
        }
    }
    if !report.model_servings.is_empty() {
        text.push('\n');
    }
}

fn summary(report: &Report, text: &mut String) {
    let summary = &report.summary;
    let pods: u32 = summary.pods.values().sum();
    let phases: Vec<String> =
        summary.pods.iter().map(|(phase, count)| format!("{count} {}", phase.to_lowercase())).collect();
    let _ = write!(text, "{}", counted(pods, "pod"));
    if pods > 0 {
        let _ = write!(text, " ({})", phases.join(", "));
    }
    let _ = write!(text, ", {}", counted(summary.pod_groups, "PodGroup"));
    if summary.pod_groups > 0 {
        let placed = summary.pod_groups - summary.waiting_pod_groups;
        let _ = write!(text, " ({placed} placed, {} waiting)", summary.waiting_pod_groups);
    }
    if summary.ended_gangs > 0 {
        let _ = write!(text, ", {} ended", counted(summary.ended_gangs, "gang"));
    }
    if summary.longest_wait_milliseconds > 0 {
        let _ = write!(text, ", longest wait {}", print_duration(summary.longest_wait_milliseconds));
    }
    let _ = write!(text, "; {}", counted(summary.nodes, "node"));
    if summary.ready_nodes < summary.nodes {
        let _ = write!(text, " ({} ready)", summary.ready_nodes);
    }
    for (name, row) in summary.resources.iter().filter(|(name, _)| name.contains('/')) {
        let _ = write!(text, ", {} of {} {name} in use", row.requested, row.allocatable);
    }
    let after = print_duration(summary.simulated_milliseconds);
    let _ = match summary.ended {
        "quiet" => writeln!(text, "; no more changes after {after}"),
        "until" => writeln!(text, "; stopped at {after}"),
        _ => writeln!(text, "; stopped at {after}: objects are changed again and again without end"),
    };
}

fn or_none(text: Option<&str>) -> String {
    text.unwrap_or("<none>").to_owned()
}
