//! Tables: warnings, gangs, ModelServings.

use super::seats::{Seats, Who};
use super::{Text, counted};
use crate::simulation::report::{PodGroupRow, Report, rows};
use std::fmt::Write;

/// Rows of a table; what waits is listed first.
const ROWS: usize = 400;
/// Warnings that are shown.
const WARNINGS: usize = 50;

pub(super) fn warnings(report: &Report, out: &mut String) {
    if report.warnings.is_empty() {
        return;
    }
    out.push_str("<section id=\"warnings\">\n<h2>Warnings</h2>\n<table>\n");
    for warning in report.warnings.iter().take(WARNINGS) {
        let class = match warning.severity {
            "Quarantined" => "bad",
            "Ignored" => "fair",
            _ => "dim",
        };
        let _ = writeln!(
            out,
            "<tr><td><b class=\"tag {class}\">{}</b></td><td><code>{}</code></td><td>{}</td></tr>",
            Text(warning.severity),
            Text(&warning.code),
            Text(&warning.message)
        );
    }
    out.push_str("</table>\n");
    if report.warnings.len() > WARNINGS {
        let more = counted((report.warnings.len() - WARNINGS) as u32, "more warning");
        let _ = writeln!(out, "<p class=\"more\">{more}: the JSON report lists all.</p>");
    }
    out.push_str("</section>\n");
}

pub(super) fn gangs(report: &Report, seats: &Seats<'_>, out: &mut String) {
    if report.pod_groups.is_empty() {
        return;
    }
    let mut groups: Vec<(u32, &PodGroupRow)> = (0..).zip(&report.pod_groups).collect();
    groups.sort_by_key(|(_, group)| (!rows::waits(group), group.reason.is_none()));
    let _ = writeln!(
        out,
        "<section id=\"gangs\">\n<h2>Gangs <small>{}</small></h2>\n<div class=\"scroll\"><table class=\"rows\">\n\
         <tr><th>PodGroup</th><th>Phase</th><th>Scheduled/min</th><th>Pods</th><th>Domain</th><th>Tier</th>\
         <th>Reason</th></tr>",
        groups.len()
    );
    for (index, group) in groups.iter().take(ROWS) {
        let class = match (rows::waits(group), group.reason.is_some()) {
            (true, _) => " class=\"bad\"",
            (false, true) => " class=\"fair\"",
            _ => "",
        };
        let name = format!("{}/{}", group.namespace, group.name);
        let domain = match (&group.domain, group.scheduled) {
            (Some(domain), _) => Text(domain).to_string(),
            (None, 0) => "<span class=\"dim\">none</span>".to_owned(),
            (None, _) => "whole cluster".to_owned(),
        };
        let tier = group.tier.map_or(String::new(), |tier| tier.to_string());
        let _ = writeln!(
            out,
            "<tr{class}><td><i class=\"sw {}\"></i>{}</td><td>{}</td><td class=\"num\">{}/{}</td>\
             <td class=\"num\">{}</td><td>{domain}</td><td class=\"num\">{tier}</td><td>{}</td></tr>",
            seats.look(Who::Gang(*index)),
            Text(&name),
            Text(&group.phase),
            group.scheduled,
            group.min_member,
            group.pods,
            Text(group.reason.as_deref().unwrap_or_default()),
        );
    }
    out.push_str("</table></div>\n");
    if groups.len() > ROWS {
        let more = counted((groups.len() - ROWS) as u32, "more gang");
        let _ = writeln!(
            out,
            "<p class=\"more\">{more}, none of which waits longer than these: the JSON report lists all.</p>"
        );
    }
    out.push_str("</section>\n");
}

pub(super) fn model_servings(report: &Report, out: &mut String) {
    if report.model_servings.is_empty() {
        return;
    }
    out.push_str(
        "<section id=\"servings\">\n<h2>ModelServings</h2>\n<div class=\"scroll\"><table class=\"rows\">\n\
         <tr><th>ModelServing</th><th>Replicas</th><th>Available</th><th>Updated</th></tr>\n",
    );
    for serving in report.model_servings.iter().take(ROWS) {
        let class = if serving.available_replicas < serving.replicas { " class=\"bad\"" } else { "" };
        let name = format!("{}/{}", serving.namespace, serving.name);
        let _ = writeln!(
            out,
            "<tr{class}><td>{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td></tr>",
            Text(&name),
            serving.replicas,
            serving.available_replicas,
            serving.updated_replicas
        );
    }
    out.push_str("</table></div>\n</section>\n");
}
