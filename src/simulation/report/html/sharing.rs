//! Queues as bars: what each uses, by how well that is covered, against what it deserves and its fair share; and who had to
//! leave for whom.

use super::{amount_text, counted, permille};
use crate::scheduler::QueueReport;
use crate::simulation::engine::Simulation;
use crate::simulation::report::Report;
use crate::simulation::time::print_duration;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Rows of a table.
const ROWS: usize = 400;
/// Classes of what runs, and the colours they have here.
const CLASSES: [(&str, &str, &str); 3] = [
    ("within-deserved", "k2", "within deserved"),
    ("within-share", "k4", "within the fair share"),
    ("borrowed", "k1", "borrowed"),
];

pub(super) fn queues(run: &Simulation) -> Markup {
    let queues = run.scheduler().queue_reports();
    let is_shared = queues.iter().any(|queue| !is_always_there(queue));
    let all = queues.first().map(|root| root.fair_share.clone()).unwrap_or_default();
    let below = || queues.iter().filter(|queue| !queue.parent.is_empty()).take(ROWS);
    html! {
        @if is_shared {
            section #queues {
                h2 { "Queues" }
                p.legend {
                    @for (_, look, text) in CLASSES {
                        span { i class={ "sw " (look) } {} (text) }
                    }
                }
                div.scroll {
                    table.rows {
                        tr {
                            @for title in ["Queue", "Resource", "", "Used", "Asked for", "Deserved", "Fair share"] {
                                th { (title) }
                            }
                        }
                        @for queue in below() {
                            @for (resource, &fair) in &queue.fair_share {
                                (row(queue, resource, fair, of(&all, resource)))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn is_always_there(queue: &QueueReport) -> bool {
    matches!(queue.name.as_str(), "root" | "default")
}

fn of(amounts: &BTreeMap<String, i64>, resource: &str) -> i64 {
    amounts.get(resource).copied().unwrap_or(0)
}

fn row(queue: &QueueReport, resource: &str, fair: i64, all: i64) -> Markup {
    let (used, asked) = (of(&queue.allocated, resource), of(&queue.requested, resource));
    let deserved = of(&queue.deserved, resource);
    let is_idle = is_always_there(queue) && (used, asked, deserved) == (0, 0, 0);
    html! {
        @if !is_idle {
            tr {
                td {
                    (queue.name)
                    @if queue.parent != "root" { " " span.dim { "in " (queue.parent) } }
                }
                td { (resource) }
                td {
                    span class="bar wide" {
                        @for (class, look, _) in CLASSES {
                            @let amount = queue.by_class.get(class).map_or(0, |it| of(it, resource));
                            i class=(look) style={ "width:" (permille(amount, all) / 10) "%" } {}
                        }
                    }
                }
                @for amount in [used, asked, deserved, fair] {
                    td.num { (amount_text(resource, amount)) }
                }
            }
        }
    }
}

pub(super) fn evictions(report: &Report) -> Markup {
    html! {
        @if !report.evictions.is_empty() {
            section #evictions {
                h2 { "Evicted for others " small { (report.evictions.len()) } }
                div.scroll {
                    table.rows {
                        tr {
                            @for title in ["At", "Kind", "Pod", "PodGroup", "For"] {
                                th { (title) }
                            }
                        }
                        @for row in report.evictions.iter().take(ROWS) {
                            tr {
                                td.num { (print_duration(row.at_milliseconds)) }
                                td { (row.kind) }
                                td { (row.namespace) "/" (row.name) }
                                td { (row.pod_group) }
                                td { (row.claimant) }
                            }
                        }
                    }
                }
                @if report.evictions.len() > ROWS {
                    p.more {
                        (counted((report.evictions.len() - ROWS) as u32, "more eviction")) ": the JSON report lists all."
                    }
                }
            }
        }
    }
}
