//! Gangs that stand in their own way: with as many placed as fit, rules about where other pods are keep the rest from
//! nodes that have room.

use super::super::hypothesis::{Change, under};
use super::super::nodes::Seat;
use super::super::outcome::Shortfall;
use super::super::request::GangRequest;
use super::super::trial::{self, Trial};
use super::super::{Context, Tools};
use super::excluded::{by_cause, shortest};
use super::{fits, partly};
use crate::cluster::cause::Cause;
use crate::cluster::ids::ClassId;
use crate::cluster::topology::Topology;
use std::ops::Range;

/// Kinds of rules about other pods.
pub(super) const RULES: [Cause; 4] =
    [Cause::HostPort, Cause::PodAffinity, Cause::PodAntiAffinity, Cause::TopologySpread];

/// Would more of the gang fit if it were not for one kind of its rules about other pods?
pub(super) fn is_in_the_way(context: &Context<'_>, tools: &mut Tools, request: &GangRequest) -> bool {
    // As many as fit, however few: a rule may be in the way though it is not the only thing that is.
    let any = GangRequest { minimum: 0, roles: Vec::new(), ..request.clone() };
    let most = |context: &Context<'_>, tools: &mut Tools| fits(context, &any, false, tools).unwrap_or(0);
    let now = most(context, tools);
    RULES.into_iter().any(|rule| under(context, tools, &[Change::Lifted(rule)], most) > now)
}

/// Nodes that cannot take one more pod of the class beside those that fit in the best domain, by cause.
pub(super) fn excluded(
    context: &Context<'_>,
    tools: &mut Tools,
    class: ClassId,
    shortfall: &Shortfall,
) -> Vec<(Cause, u32)> {
    let view = context.view;
    let best = shortfall.best().map_or(Topology::ROOT, |fit| fit.domain);
    let inside = view.topology.run(best);
    let Some(kind) = context.demand.kinds.iter().position(|&it| it == class) else { return Vec::new() };
    trial::with(context, tools, |trial, cover, fill| {
        partly::place(context, trial, cover, fill, best.0, true);
        trial.load(&[kind as u32]);
        fill_up(context, trial, kind as u32, inside.clone());
        let left = &trial.slots(kind as u32).nodes;
        by_cause(context, class, |position, node| {
            let full = left[position] == 0;
            let short = shortest(view, view.classes.get(class), node).filter(|_| full);
            let coupled = || inside.contains(&position).then(|| trial.excludes(class, node)).flatten();
            short.map(|(resource, _)| Cause::Resource(resource)).or_else(coupled)
        })
    })
}

/// Places single pods of a kind beside those of whole groups, until none is left or no node takes one: what keeps a group
/// from being whole shows only then.
fn fill_up(context: &Context<'_>, trial: &mut Trial<'_, '_>, kind: u32, inside: Range<usize>) {
    let placed: u64 = trial.taken().iter().map(|taking| u64::from(taking.seat.pods)).sum();
    let mut waiting = context.demand.pending.saturating_sub(placed);
    for position in inside {
        while waiting > 0 && trial.slots(kind).nodes[position] > 0 && trial.allows(kind, position as u32) {
            trial.take(0, kind, Seat { position: position as u32, pods: 1 });
            waiting -= 1;
        }
    }
}
