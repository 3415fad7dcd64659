//! What happened when. What the same part did to several objects at one moment shares a line.

use super::counted;
use crate::simulation::engine::Simulation;
use crate::simulation::history::Happened;
use crate::simulation::time::print_duration;
use maud::{Markup, html};

/// Lines; of more, those are kept that a person did or should know of.
const LINES: usize = 300;
/// Names that a line lists.
const NAMES: usize = 4;

pub(super) fn timeline(run: &Simulation) -> Markup {
    let mut lines: Vec<Vec<&Happened>> = Vec::new();
    for event in &run.history.entries {
        match lines.last_mut().filter(|line| is_same(line[0], event)) {
            Some(line) => line.push(event),
            None => lines.push(vec![event]),
        }
    }
    let all = lines.len();
    if all > LINES {
        let matters =
            |line: &Vec<&Happened>| line[0].type_ == "Warning" || matches!(line[0].by, "user" | "node");
        lines.retain(matters);
        lines.truncate(LINES);
    }
    // A moment is written once, at its first line.
    let moments: Vec<_> = lines.iter().map(|line| line[0].at_milliseconds).collect();
    let is_first = |index: usize| index == 0 || moments[index - 1] != moments[index];
    html! {
        @if !lines.is_empty() {
            section #timeline {
                h2 { "What happened when" }
                div.scroll {
                    table.time {
                        @for (index, line) in lines.iter().enumerate() {
                            tr class=[(line[0].type_ == "Warning").then_some("fair")] {
                                td.num { @if is_first(index) { (print_duration(moments[index])) } }
                                td { b class={ "by " (line[0].by) } { (line[0].by) } }
                                td { (line[0].reason) }
                                td { (objects(line)) }
                                td.dim { (message(line)) }
                            }
                        }
                    }
                }
                @if lines.len() < all {
                    p.more {
                        (counted((all - lines.len()) as u32, "line")) " left out: --timeline prints them all."
                    }
                }
            }
        }
    }
}

/// What a line is about: `PodGroup default/g`, or `4 Pods: a, b, c, d`.
fn objects(line: &[&Happened]) -> String {
    let first = line[0];
    match (line.len(), first.namespace.as_str()) {
        (1, "") => format!("{} {}", first.kind, first.name),
        (1, namespace) => format!("{} {namespace}/{}", first.kind, first.name),
        _ => {
            let names: Vec<&str> = line.iter().take(NAMES).map(|event| event.name.as_str()).collect();
            let more = if line.len() > NAMES { ", ..." } else { "" };
            format!("{} {}s: {}{more}", line.len(), first.kind, names.join(", "))
        }
    }
}

/// The message of a line; that of one of many is about that one alone.
fn message<'a>(line: &[&'a Happened]) -> &'a str {
    let first = line[0];
    let shared = line.iter().all(|event| event.message == first.message);
    if shared { first.message.as_str() } else { "" }
}

fn is_same(a: &Happened, b: &Happened) -> bool {
    (a.at_milliseconds, a.by, a.kind, a.type_, &a.reason)
        == (b.at_milliseconds, b.by, b.kind, b.type_, &b.reason)
}
