//! Why anything waits: how far each tier goes, what keeps nodes out, what would help.

use super::seats::{Seats, Who};
use super::{Text, counted, permille};
use crate::simulation::report::{PodGroupRow, PodRow, Report, ShortfallRow, rows};
use std::fmt::Write;

/// Reasons that are shown in full; gangs that wait for the same reason share one.
const CARDS: usize = 20;
/// Names that a card lists.
const NAMES: usize = 12;

pub(super) fn waiting(report: &Report, seats: &Seats<'_>, out: &mut String) {
    let groups: Vec<(u32, &PodGroupRow)> =
        (0..).zip(&report.pod_groups).filter(|(_, group)| group.reason.is_some()).collect();
    let alone: Vec<&PodRow> = report
        .pods
        .iter()
        .filter(|pod| pod.waits() && pod.pod_group.is_none() && pod.reason.is_some())
        .collect();
    if groups.is_empty() && alone.is_empty() {
        return;
    }
    // Gangs that say the same share a card, in the order of the first of each.
    let mut cards: Vec<(Vec<(u32, &PodGroupRow)>, &PodGroupRow)> = Vec::new();
    for (index, group) in groups {
        match cards.iter_mut().find(|(_, first)| is_same(first, group)) {
            Some((members, _)) => members.push((index, group)),
            None => cards.push((vec![(index, group)], group)),
        }
    }
    // Those below their minimum come first: nothing of them runs.
    cards.sort_by_key(|(_, first)| !rows::waits(first));
    out.push_str("<section id=\"waiting\">\n<h2>Why it waits</h2>\n");
    for (members, first) in cards.iter().take(CARDS) {
        card(members, first, seats, out);
    }
    if cards.len() > CARDS {
        let left: usize = cards[CARDS..].iter().map(|(members, _)| members.len()).sum();
        let _ = writeln!(
            out,
            "<p class=\"more\">{} more wait for other reasons: see the table of gangs.</p>",
            counted(left as u32, "gang")
        );
    }
    plain(&alone, out);
    out.push_str("</section>\n");
}

fn is_same(a: &PodGroupRow, b: &PodGroupRow) -> bool {
    a.reason == b.reason && a.message == b.message && rows::waits(a) == rows::waits(b)
}

fn card(members: &[(u32, &PodGroupRow)], first: &PodGroupRow, seats: &Seats<'_>, out: &mut String) {
    let class = if rows::waits(first) { "bad" } else { "fair" };
    let _ = write!(out, "<article class=\"card {class}\">\n<h3>");
    for (at, (index, group)) in members.iter().take(NAMES).enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        let name = format!("{}/{}", group.namespace, group.name);
        let look = seats.look(Who::Gang(*index));
        let _ = write!(
            out,
            "{comma}<i class=\"sw {look}\"></i>{} <small>{} of {} scheduled</small>",
            Text(&name),
            group.scheduled,
            group.min_member
        );
    }
    if members.len() > NAMES {
        let _ = write!(out, " and {} more", members.len() - NAMES);
    }
    let reason = first.reason.as_deref().unwrap_or_default();
    let _ = writeln!(out, " <code>{}</code></h3>", Text(reason));
    if let Some(shortfall) = &first.shortfall {
        remedies(shortfall, out);
        out.push_str("<div class=\"two\">\n");
        ladder(shortfall, out);
        excluded(shortfall, out);
        out.push_str("</div>\n");
        let _ = writeln!(
            out,
            "<details><summary>the sentence in conditions and events</summary><p>{}</p></details>",
            Text(&first.message)
        );
    } else {
        let _ = writeln!(out, "<p class=\"say\">{}</p>", Text(&first.message));
    }
    out.push_str("</article>\n");
}

fn remedies(shortfall: &ShortfallRow, out: &mut String) {
    if !shortfall.proven {
        out.push_str("<p class=\"say\">The search was cut short: a fit may exist.</p>\n");
    }
    let Some((first, rest)) = shortfall.remedies.split_first() else {
        out.push_str("<p class=\"say\">No single change was found that would make it fit.</p>\n");
        return;
    };
    let _ = write!(out, "<p class=\"fix\">Would fit with <b>{}</b>", Text(first));
    for remedy in rest {
        let _ = write!(out, ", <span>or with <b>{}</b></span>", Text(remedy));
    }
    out.push_str("</p>\n");
}

/// Per tier the best domain: how many pods it takes, and whether a hard rule lets the gang use it.
fn ladder(shortfall: &ShortfallRow, out: &mut String) {
    out.push_str("<table class=\"ladder\"><caption>Best domain per tier</caption>\n");
    for tier in &shortfall.tiers {
        let name = match (tier.tier, &tier.domain) {
            (Some(tier), Some(domain)) => {
                format!("<td>tier {tier}</td><td>{}</td>", Text(domain))
            }
            _ => "<td></td><td>whole cluster</td>".to_owned(),
        };
        let enough = tier.fits >= shortfall.needed;
        let (class, note) = match (enough, tier.allowed) {
            (true, true) => ("good", "fits"),
            (true, false) => ("off", "would fit, a hard rule forbids it"),
            (false, true) => ("bad", ""),
            (false, false) => ("off", "a hard rule forbids it"),
        };
        let percent = permille(tier.fits.into(), shortfall.needed.into()) / 10;
        let _ = writeln!(
            out,
            "<tr>{name}<td><span class=\"bar {class}\"><i style=\"width:{percent}%\"></i></span></td>\
             <td><b>{}</b> of {} pods</td><td class=\"dim\">{note}</td></tr>",
            tier.fits, shortfall.needed
        );
    }
    out.push_str("</table>\n");
}

/// What keeps the nodes out, as shares of all nodes.
fn excluded(shortfall: &ShortfallRow, out: &mut String) {
    if shortfall.nodes == 0 {
        out.push_str("<p class=\"say\">The cluster has no nodes.</p>\n");
        return;
    }
    let out_of_question: u32 = shortfall.excluded.iter().map(|excluded| excluded.nodes).sum();
    let usable = shortfall.nodes.saturating_sub(out_of_question);
    let _ = writeln!(
        out,
        "<table class=\"causes\"><caption>{} node{}, for one more pod of the gang</caption>",
        shortfall.nodes,
        if shortfall.nodes == 1 { "" } else { "s" }
    );
    let mut row = |class: &str, nodes: u32, what: &str| {
        let percent = permille(nodes.into(), shortfall.nodes.into()) / 10;
        let _ = writeln!(
            out,
            "<tr><td class=\"num\"><b>{nodes}</b></td><td>{}</td>\
             <td><span class=\"bar {class}\"><i style=\"width:{percent}%\"></i></span></td></tr>",
            Text(what)
        );
    };
    if usable > 0 {
        row("good", usable, "could take one");
    }
    for excluded in &shortfall.excluded {
        row("bad", excluded.nodes, &excluded.cause);
    }
    out.push_str("</table>\n");
}

/// Pods that wait on their own, by what they say.
fn plain(pods: &[&PodRow], out: &mut String) {
    let mut said: Vec<(&PodRow, Vec<&PodRow>)> = Vec::new();
    for pod in pods {
        match said.iter_mut().find(|(first, _)| first.message == pod.message) {
            Some((_, all)) => all.push(pod),
            None => said.push((pod, vec![pod])),
        }
    }
    for (first, all) in said.iter().take(CARDS) {
        out.push_str("<article class=\"card bad\">\n<h3>");
        for (at, pod) in all.iter().take(NAMES).enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            let name = format!("{}/{}", pod.namespace, pod.name);
            let _ = write!(out, "{comma}{}", Text(&name));
        }
        if all.len() > NAMES {
            let _ = write!(out, " and {} more", all.len() - NAMES);
        }
        let reason = first.reason.as_deref().unwrap_or_default();
        let _ = write!(
            out,
            " <small>without a gang</small> <code>{}</code></h3>\n<p class=\"say\">{}</p>\n</article>\n",
            Text(reason),
            Text(&first.message)
        );
    }
}
