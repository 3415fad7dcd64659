//! The report as one page for people: what waits and why, who sits where, what happened when. One file without scripts
//! and without anything from elsewhere, so that it can be mailed, attached to a ticket and opened years later. The same
//! run gives the same bytes.

mod map;
mod seats;
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
use seats::Seats;
use std::fmt::{self, Write};

const STYLE: &str = include_str!("html/style.css");

/// A text within HTML: what could be read as markup is escaped.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// The page. `title`: what was simulated, for example the names of the files.
pub fn page(run: &Simulation, report: &Report, title: &str) -> String {
    let seats = Seats::of(run, report);
    let mut out = String::new();
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{} - phalanx simulate</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n",
        Text(title)
    );
    head(run, report, title, &mut out);
    tables::warnings(report, &mut out);
    waiting::waiting(report, &seats, &mut out);
    map::map(run, report, &seats, &mut out);
    tables::gangs(report, &seats, &mut out);
    tables::model_servings(report, &mut out);
    timeline::timeline(run, &mut out);
    out.push_str("</body>\n</html>\n");
    out
}

/// The verdict and the totals: what is to be seen in the first second.
fn head(run: &Simulation, report: &Report, title: &str, out: &mut String) {
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
    let _ = write!(out, "<header class=\"{class}\">\n<h1>{}</h1>\n<p class=\"sub\">", Text(&verdict));
    let after = print_duration(summary.simulated_milliseconds);
    let _ = match summary.ended {
        "quiet" => write!(out, "no more changes after {after}"),
        "until" => write!(out, "stopped at {after}"),
        _ => write!(out, "stopped at {after}: objects are changed again and again without end"),
    };
    let _ = write!(out, " &middot; <code>phalanx simulate {}</code></p>\n<ul class=\"totals\">", Text(title));
    let cluster = run.scheduler().cluster();
    let resource = cluster.resources().name(scarce(run));
    let (used, all) = totals(run);
    let percent = permille(used, all) / 10;
    let _ = write!(
        out,
        "<li><b>{} of {}</b> {} in use <span class=\"bar\"><i style=\"width:{percent}%\"></i></span> {percent}%</li>",
        amount_text(resource, used),
        amount_text(resource, all),
        Text(resource),
    );
    let _ = write!(out, "<li><b>{}</b> node{}", summary.nodes, if summary.nodes == 1 { "" } else { "s" });
    if summary.ready_nodes < summary.nodes {
        let _ = write!(out, ", <b class=\"warn\">{} not ready</b>", summary.nodes - summary.ready_nodes);
    }
    out.push_str("</li>");
    for (phase, count) in &summary.pods {
        let pods = if *count == 1 { "pod" } else { "pods" };
        let _ = write!(out, "<li><b>{count}</b> {pods} {}</li>", Text(&phase.to_lowercase()));
    }
    if summary.ended_gangs > 0 {
        let _ = write!(out, "<li><b>{}</b> gangs ended</li>", summary.ended_gangs);
    }
    if summary.longest_wait_milliseconds > 0 {
        let longest = print_duration(summary.longest_wait_milliseconds);
        let _ = write!(out, "<li>longest wait <b>{longest}</b></li>");
    }
    out.push_str("</ul>\n</header>\n");
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
