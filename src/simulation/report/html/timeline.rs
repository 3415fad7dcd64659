//! What happened when. What the same part did to several objects at one moment shares a line.

use super::{Text, counted};
use crate::simulation::engine::Simulation;
use crate::simulation::history::Happened;
use crate::simulation::time::print_duration;
use std::fmt::Write;

/// Lines; of more, those are kept that a person did or should know of.
const LINES: usize = 300;
/// Names that a line lists.
const NAMES: usize = 4;

pub(super) fn timeline(run: &Simulation, out: &mut String) {
    let mut lines: Vec<Vec<&Happened>> = Vec::new();
    for event in &run.history.entries {
        match lines.last_mut().filter(|line| is_same(line[0], event)) {
            Some(line) => line.push(event),
            None => lines.push(vec![event]),
        }
    }
    if lines.is_empty() {
        return;
    }
    let all = lines.len();
    if all > LINES {
        let matters =
            |line: &Vec<&Happened>| line[0].type_ == "Warning" || matches!(line[0].by, "user" | "node");
        lines.retain(matters);
        lines.truncate(LINES);
    }
    out.push_str(
        "<section id=\"timeline\">\n<h2>What happened when</h2>\n<div class=\"scroll\"><table class=\"time\">\n",
    );
    let mut last = None;
    for line in &lines {
        let first = line[0];
        let at = if last == Some(first.at_milliseconds) {
            String::new()
        } else {
            print_duration(first.at_milliseconds)
        };
        last = Some(first.at_milliseconds);
        let class = if first.type_ == "Warning" { " class=\"fair\"" } else { "" };
        let _ = write!(
            out,
            "<tr{class}><td class=\"num\">{at}</td><td><b class=\"by {}\">{}</b></td><td>{}</td><td>",
            first.by,
            first.by,
            Text(&first.reason),
        );
        let name = |event: &Happened| match event.namespace.as_str() {
            "" => format!("{} {}", event.kind, event.name),
            namespace => format!("{} {namespace}/{}", event.kind, event.name),
        };
        if line.len() == 1 {
            let _ = write!(out, "{}", Text(&name(first)));
        } else {
            let names: Vec<&str> = line.iter().take(NAMES).map(|event| event.name.as_str()).collect();
            let more = if line.len() > NAMES { ", ..." } else { "" };
            let what = format!("{} {}s: {}{more}", line.len(), first.kind, names.join(", "));
            let _ = write!(out, "{}", Text(&what));
        }
        // The message of one of many is about that one alone.
        let message = if line.len() == 1 || line.iter().all(|event| event.message == first.message) {
            first.message.as_str()
        } else {
            ""
        };
        let _ = writeln!(out, "</td><td class=\"dim\">{}</td></tr>", Text(message));
    }
    out.push_str("</table></div>\n");
    if lines.len() < all {
        let left = counted((all - lines.len()) as u32, "line");
        let _ = writeln!(out, "<p class=\"more\">{left} left out: --timeline prints them all.</p>");
    }
    out.push_str("</section>\n");
}

fn is_same(a: &Happened, b: &Happened) -> bool {
    (a.at_milliseconds, a.by, a.kind, a.type_, &a.reason)
        == (b.at_milliseconds, b.by, b.kind, b.type_, &b.reason)
}
