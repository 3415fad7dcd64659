//! Who shares the cluster, and who had to leave for whom, at a terminal.

use super::{MANY, View};
use crate::simulation::report::Report;
use crate::simulation::report::columns::columns;
use crate::simulation::time::print_duration;
use std::fmt::Write;

/// Queues that share a resource, one row each; nothing where there are no others than those that are always there.
pub(super) fn queues(report: &Report, text: &mut String) {
    let is_always_there = |name: &str| matches!(name, "root" | "default");
    if report.queues.iter().all(|queue| is_always_there(&queue.name)) {
        return;
    }
    let amount = |amounts: &std::collections::BTreeMap<String, String>, resource: &str| {
        amounts.get(resource).cloned().unwrap_or_else(|| "0".to_owned())
    };
    let mut rows = Vec::new();
    for queue in report.queues.iter().filter(|queue| queue.parent.is_some()) {
        let idle = |resource: &str| {
            amount(&queue.deserved, resource) == "0" && amount(&queue.requested, resource) == "0"
        };
        for resource in queue.fair_share.keys() {
            if is_always_there(&queue.name) && idle(resource) {
                continue;
            }
            let of_class =
                |class: &str| queue.classes.get(class).map_or("0".to_owned(), |it| amount(it, resource));
            rows.push(vec![
                queue.name.clone(),
                queue.parent.clone().filter(|parent| parent != "root").unwrap_or_default(),
                resource.clone(),
                amount(&queue.allocated, resource),
                amount(&queue.requested, resource),
                amount(&queue.deserved, resource),
                amount(&queue.fair_share, resource),
                of_class("borrowed"),
            ]);
        }
    }
    if rows.is_empty() {
        return;
    }
    let header = ["QUEUE", "PARENT", "RESOURCE", "USED", "ASKED FOR", "DESERVED", "FAIR SHARE", "BORROWED"];
    // A column is there where there is something in it.
    if rows.iter().all(|row| row[1].is_empty()) {
        rows.iter_mut().for_each(|row| drop(row.remove(1)));
        text.push_str(&columns(&[&header[..1], &header[2..]].concat(), &rows));
    } else {
        text.push_str(&columns(&header, &rows));
    }
    text.push('\n');
}

/// Pods that had to leave so that a gang got their room.
pub(super) fn evictions(report: &Report, view: View, text: &mut String) {
    let limit = if view.all { usize::MAX } else { MANY };
    let rows: Vec<Vec<String>> = report
        .evictions
        .iter()
        .take(limit)
        .map(|row| {
            vec![
                print_duration(row.at_milliseconds),
                row.kind.to_uppercase(),
                format!("{}/{}", row.namespace, row.name),
                row.pod_group.clone(),
                row.claimant.clone(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    text.push_str(&columns(&["EVICTED AT", "KIND", "POD", "PODGROUP", "FOR"], &rows));
    if rows.len() < report.evictions.len() {
        let _ =
            writeln!(text, "({} of {} listed; --all lists every one)", rows.len(), report.evictions.len());
    }
    text.push('\n');
}
