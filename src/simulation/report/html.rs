//! The report as one page for people: what waits and why, who sits where, what happened when. One file without scripts
//! and without anything from elsewhere, so that it can be mailed, attached to a ticket and opened years later. The same
//! run gives the same bytes.

mod map;
mod seats;
mod sharing;
mod tables;
#[cfg(test)]
mod tests;
mod timeline;
mod waiting;

use super::rows::{amount_text, scarce};
use super::{Report, rows};
use crate::simulation::engine::Simulation;
use crate::simulation::time::print_duration;
use crate::words::counted;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use seats::Seats;

const STYLE: &str = include_str!("html/style.css");

/// The page. `title`: what was simulated, for example the names of the files.
pub fn page(run: &Simulation, report: &Report, title: &str) -> String {
    let seats = Seats::of(run, report);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " - phalanx simulate" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(run, report, title))
                (tables::warnings(report))
                (waiting::waiting(report, &seats))
                (map::map(run, report, &seats))
                (tables::gangs(report, &seats))
                (tables::model_servings(report))
                (sharing::queues(run))
                (sharing::evictions(report))
                (timeline::timeline(run))
            }
        }
    };
    page.into_string() + "\n"
}

/// The verdict and the totals: what is to be seen in the first second.
fn head(run: &Simulation, report: &Report, title: &str) -> Markup {
    let summary = &report.summary;
    let gangs = summary.pod_groups;
    let partly =
        report.pod_groups.iter().filter(|group| !rows::waits(group) && group.reason.is_some()).count();
    let alone = report.pods.iter().filter(|pod| pod.waits() && pod.pod_group.is_none()).count();
    let mut parts = Vec::new();
    if summary.waiting_pod_groups > 0 {
        let wait = if summary.waiting_pod_groups == 1 { "waits" } else { "wait" };
        parts.push(format!("{} of {} {wait}", summary.waiting_pod_groups, counted(gangs, "gang")));
    }
    if partly > 0 {
        parts.push(format!("{} short of pods beyond the minimum", counted(partly as u32, "gang")));
    }
    if alone > 0 {
        let wait = if alone == 1 { "waits" } else { "wait" };
        parts.push(format!("{} without a gang {wait}", counted(alone as u32, "pod")));
    }
    let class = if summary.waiting_pod_groups > 0 || alone > 0 {
        "bad"
    } else if partly > 0 || summary.waiting_pods > 0 {
        "fair"
    } else {
        "good"
    };
    let verdict = match (parts.is_empty(), summary.waiting_pods) {
        (false, _) => parts.join(", "),
        (true, 0) if gangs == 0 && summary.pods.is_empty() => "Nothing to place".to_owned(),
        (true, 0) if gangs == 0 => "All pods are placed".to_owned(),
        (true, 0) => format!("{gangs} of {} placed", counted(gangs, "gang")),
        (true, pending) => format!("{} not running yet", counted(pending, "pod")),
    };
    let after = print_duration(summary.simulated_milliseconds);
    let ended = match summary.ended {
        "quiet" => format!("no more changes after {after}"),
        "until" => format!("stopped at {after}"),
        _ => format!("stopped at {after}: objects are changed again and again without end"),
    };
    html! {
        header class=(class) {
            h1 { (verdict) }
            p.sub { (ended) " \u{b7} " code { "phalanx simulate " (title) } }
            (in_numbers(run, report))
        }
    }
}

/// The totals.
fn in_numbers(run: &Simulation, report: &Report) -> Markup {
    let summary = &report.summary;
    let cluster = run.scheduler().cluster();
    let resource = cluster.resources().name(scarce(run));
    let (used, all) = totals(run);
    let percent = permille(used, all) / 10;
    let noun = |count: u32, one: &'static str, several: &'static str| if count == 1 { one } else { several };
    html! {
        ul.totals {
            li {
                b { (amount_text(resource, used)) " of " (amount_text(resource, all)) } " " (resource) " in use "
                (bar("", percent)) " " (percent) "%"
            }
            li {
                b { (summary.nodes) } " " (noun(summary.nodes, "node", "nodes"))
                @if summary.ready_nodes < summary.nodes {
                    ", " b.warn { (summary.nodes - summary.ready_nodes) " not ready" }
                }
            }
            @for (phase, &count) in &summary.pods {
                li { b { (count) } " " (noun(count, "pod", "pods")) " " (phase.to_lowercase()) }
            }
            @if summary.ended_gangs > 0 {
                li { b { (summary.ended_gangs) } " " (noun(summary.ended_gangs, "gang", "gangs")) " ended" }
            }
            @if summary.longest_wait_milliseconds > 0 {
                li { "longest wait " b { (print_duration(summary.longest_wait_milliseconds)) } }
            }
        }
    }
}

/// A bar that is full to so many hundredths.
fn bar(class: &str, percent: i64) -> Markup {
    html! { span class={ "bar" @if !class.is_empty() { " " (class) } } { i style={ "width:" (percent) "%" } {} } }
}

/// The coloured square of whoever has this look.
fn swatch(look: &str) -> Markup {
    html! { i class={ "sw" @if !look.is_empty() { " " (look) } } {} }
}

/// What is used of the scarce resource, and what there is.
fn totals(run: &Simulation) -> (i64, i64) {
    let cluster = run.scheduler().cluster();
    let (capacity, resource) = (cluster.view().capacity, scarce(run));
    let mut totals = (0, 0);
    for (node, ..) in cluster.nodes().present() {
        let all = capacity.allocatable(node, resource);
        totals.0 += all - capacity.free(node, resource);
        totals.1 += all;
    }
    totals
}

/// Thousandths, between 0 and 1000.
fn permille(part: i64, whole: i64) -> i64 {
    if whole <= 0 { 0 } else { (i128::from(part.max(0)) * 1000 / i128::from(whole)).min(1000) as i64 }
}
