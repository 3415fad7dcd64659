//! Tables: warnings, gangs, ModelServings.

use super::seats::{Seats, Who};
use super::{counted, swatch};
use crate::simulation::report::{PodGroupRow, Report, rows};
use maud::{Markup, html};

/// Rows of a table; what waits is listed first.
const ROWS: usize = 400;
/// Warnings that are shown.
const WARNINGS: usize = 50;

pub(super) fn warnings(report: &Report) -> Markup {
    let class = |severity: &str| match severity {
        "Quarantined" => "bad",
        "Ignored" => "fair",
        _ => "dim",
    };
    html! {
        @if !report.warnings.is_empty() {
            section #warnings {
                h2 { "Warnings" }
                table {
                    @for warning in report.warnings.iter().take(WARNINGS) {
                        tr {
                            td { b class={ "tag " (class(warning.severity)) } { (warning.severity) } }
                            td { code { (warning.code) } }
                            td { (warning.message) }
                        }
                    }
                }
                @if report.warnings.len() > WARNINGS {
                    p.more {
                        (counted((report.warnings.len() - WARNINGS) as u32, "more warning"))
                        ": the JSON report lists all."
                    }
                }
            }
        }
    }
}

pub(super) fn gangs(report: &Report, seats: &Seats<'_>) -> Markup {
    let mut groups: Vec<(u32, &PodGroupRow)> = (0..).zip(&report.pod_groups).collect();
    groups.sort_by_key(|(_, group)| (!rows::waits(group), group.reason.is_none()));
    html! {
        @if !groups.is_empty() {
            section #gangs {
                h2 { "Gangs " small { (groups.len()) } }
                div.scroll {
                    table.rows {
                        tr {
                            @for title in ["PodGroup", "Phase", "Scheduled/min", "Pods", "Domain", "Tier", "Reason"] {
                                th { (title) }
                            }
                        }
                        @for &(index, group) in groups.iter().take(ROWS) {
                            (gang(group, &seats.look(Who::Gang(index))))
                        }
                    }
                }
                @if groups.len() > ROWS {
                    p.more {
                        (counted((groups.len() - ROWS) as u32, "more gang"))
                        ", none of which waits longer than these: the JSON report lists all."
                    }
                }
            }
        }
    }
}

fn gang(group: &PodGroupRow, look: &str) -> Markup {
    let class = match (rows::waits(group), group.reason.is_some()) {
        (true, _) => Some("bad"),
        (false, true) => Some("fair"),
        _ => None,
    };
    html! {
        tr class=[class] {
            td { (swatch(look)) (group.namespace) "/" (group.name) }
            td { (group.phase) }
            td.num { (group.scheduled) "/" (group.min_member) }
            td.num { (group.pods) }
            td {
                @match (&group.domain, group.scheduled) {
                    (Some(domain), _) => (domain),
                    (None, 0) => span.dim { "none" },
                    (None, _) => "whole cluster",
                }
            }
            td.num { @if let Some(tier) = group.tier { (tier) } }
            td { (group.reason.as_deref().unwrap_or_default()) }
        }
    }
}

pub(super) fn model_servings(report: &Report) -> Markup {
    html! {
        @if !report.model_servings.is_empty() {
            section #servings {
                h2 { "ModelServings" }
                div.scroll {
                    table.rows {
                        tr { @for title in ["ModelServing", "Replicas", "Available", "Updated"] { th { (title) } } }
                        @for serving in report.model_servings.iter().take(ROWS) {
                            tr class=[(serving.available_replicas < serving.replicas).then_some("bad")] {
                                td { (serving.namespace) "/" (serving.name) }
                                td.num { (serving.replicas) }
                                td.num { (serving.available_replicas) }
                                td.num { (serving.updated_replicas) }
                            }
                        }
                    }
                }
            }
        }
    }
}
