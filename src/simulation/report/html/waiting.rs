//! Why anything waits: how far each tier goes, what keeps nodes out, what would help.

use super::seats::{Seats, Who};
use super::{bar, counted, permille, swatch};
use crate::simulation::report::{PodGroupRow, PodRow, Report, ShortfallRow, rows};
use maud::{Markup, html};

/// Reasons that are shown in full; gangs that wait for the same reason share one.
const CARDS: usize = 20;
/// Names that a card lists.
const NAMES: usize = 12;

pub(super) fn waiting(report: &Report, seats: &Seats<'_>) -> Markup {
    let groups: Vec<(u32, &PodGroupRow)> =
        (0..).zip(&report.pod_groups).filter(|(_, group)| group.reason.is_some()).collect();
    let alone: Vec<&PodRow> = report
        .pods
        .iter()
        .filter(|pod| pod.waits() && pod.pod_group.is_none() && pod.reason.is_some())
        .collect();
    if groups.is_empty() && alone.is_empty() {
        return Markup::default();
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
    let left: usize = cards.iter().skip(CARDS).map(|(members, _)| members.len()).sum();
    html! {
        section #waiting {
            h2 { "Why it waits" }
            @for (members, first) in cards.iter().take(CARDS) {
                (card(members, first, seats))
            }
            @if left > 0 {
                p.more { (counted(left as u32, "gang")) " more wait for other reasons: see the table of gangs." }
            }
            (plain(&alone))
        }
    }
}

fn is_same(a: &PodGroupRow, b: &PodGroupRow) -> bool {
    a.reason == b.reason && a.message == b.message && rows::waits(a) == rows::waits(b)
}

fn card(members: &[(u32, &PodGroupRow)], first: &PodGroupRow, seats: &Seats<'_>) -> Markup {
    html! {
        article class={ "card " (if rows::waits(first) { "bad" } else { "fair" }) } {
            h3 {
                @for (at, (index, group)) in members.iter().take(NAMES).enumerate() {
                    @if at > 0 { ", " }
                    (swatch(&seats.look(Who::Gang(*index)))) (group.namespace) "/" (group.name) " "
                    small { (group.scheduled) " of " (group.min_member) " scheduled" }
                }
                @if members.len() > NAMES { " and " (members.len() - NAMES) " more" }
                " " code { (first.reason.as_deref().unwrap_or_default()) }
            }
            @if let Some(shortfall) = &first.shortfall {
                (remedies(shortfall))
                div.two { (ladder(shortfall)) (excluded(shortfall)) }
                details {
                    summary { "the sentence in conditions and events" }
                    p { (first.message) }
                }
            } @else {
                p.say { (first.message) }
            }
        }
    }
}

fn remedies(shortfall: &ShortfallRow) -> Markup {
    html! {
        @if !shortfall.proven {
            p.say { "The search was cut short: a fit may exist." }
        }
        @if let Some((first, rest)) = shortfall.remedies.split_first() {
            p.fix {
                "Would fit with " b { (first) }
                @for remedy in rest { ", " span { "or with " b { (remedy) } } }
            }
        } @else {
            p.say { "No single change was found that would make it fit." }
        }
    }
}

/// Per tier the best domain: how many pods it takes, and whether a hard rule lets the gang use it.
fn ladder(shortfall: &ShortfallRow) -> Markup {
    let look = |fits: u32, allowed: bool| match (fits >= shortfall.needed, allowed) {
        (true, true) => ("good", "fits"),
        (true, false) => ("off", "would fit, a hard rule forbids it"),
        (false, true) => ("bad", ""),
        (false, false) => ("off", "a hard rule forbids it"),
    };
    html! {
        table.ladder {
            caption { "Best domain per tier" }
            @for tier in &shortfall.tiers {
                @let (class, note) = look(tier.fits, tier.allowed);
                tr {
                    @match (tier.tier, &tier.domain) {
                        (Some(tier), Some(domain)) => { td { "tier " (tier) } td { (domain) } }
                        _ => { td {} td { "whole cluster" } }
                    }
                    td { (bar(class, permille(tier.fits.into(), shortfall.needed.into()) / 10)) }
                    td { b { (tier.fits) } " of " (counted(shortfall.needed, "pod")) }
                    td.dim { (note) }
                }
            }
        }
    }
}

/// What keeps the nodes out, as shares of all nodes.
fn excluded(shortfall: &ShortfallRow) -> Markup {
    if shortfall.nodes == 0 {
        return html! { p.say { "The cluster has no nodes." } };
    }
    let out_of_question: u32 = shortfall.excluded.iter().map(|excluded| excluded.nodes).sum();
    let usable = shortfall.nodes.saturating_sub(out_of_question);
    let row = |class: &str, nodes: u32, what: &str| {
        let percent = permille(nodes.into(), shortfall.nodes.into()) / 10;
        html! { tr { td.num { b { (nodes) } } td { (what) } td { (bar(class, percent)) } } }
    };
    html! {
        table.causes {
            caption { (counted(shortfall.nodes, "node")) ", for one more pod of the gang" }
            @if usable > 0 { (row("good", usable, "could take one")) }
            @for excluded in &shortfall.excluded { (row("bad", excluded.nodes, &excluded.cause)) }
        }
    }
}

/// Pods that wait on their own, by what they say.
fn plain(pods: &[&PodRow]) -> Markup {
    let mut said: Vec<(&PodRow, Vec<&PodRow>)> = Vec::new();
    for pod in pods {
        match said.iter_mut().find(|(first, _)| first.message == pod.message) {
            Some((_, all)) => all.push(pod),
            None => said.push((pod, vec![pod])),
        }
    }
    html! {
        @for (first, all) in said.iter().take(CARDS) {
            article.card.bad {
                h3 {
                    @for (at, pod) in all.iter().take(NAMES).enumerate() {
                        @if at > 0 { ", " }
                        (pod.namespace) "/" (pod.name)
                    }
                    @if all.len() > NAMES { " and " (all.len() - NAMES) " more" }
                    " " small { "without a gang" } " " code { (first.reason.as_deref().unwrap_or_default()) }
                }
                p.say { (first.message) }
            }
        }
    }
}
