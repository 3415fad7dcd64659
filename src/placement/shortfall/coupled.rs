//! Gangs that stand in their own way: with as many placed as fit, rules about where other pods are keep the rest from
//! nodes that have room.

use super::super::general::Maker;
use super::super::nodes::Seat;
use super::super::request::GangRequest;
use super::super::trial::Trial;
use super::super::{Context, Tools, trial};
use super::{Shortfall, by_cause, fits, shortest};
use crate::cluster::cause::Cause;
use crate::cluster::ids::{ClassId, NodeId};
use crate::cluster::topology::Topology;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Would the gang fit if it were not for its rules about other pods?
pub(super) fn is_in_the_way(context: &Context<'_>, request: &GangRequest, all: bool) -> bool {
    let mut tools = Tools::default();
    tools.slots.lift(Cause::PodAffinity);
    fits(context, request, all, &mut tools).is_some()
}

/// Nodes that cannot take one more pod of the class beside those that fit in the best domain, by cause.
pub(super) fn excluded(
    context: &Context<'_>,
    tools: &mut Tools,
    class: ClassId,
    shortfall: &Shortfall,
) -> Vec<(Cause, u32)> {
    let view = context.view;
    let best =
        shortfall.tiers.iter().filter(|fit| fit.allowed).max_by_key(|fit| (fit.fits, Reverse(fit.tier)));
    let best = best.map_or(Topology::ROOT, |fit| fit.domain);
    let inside: BTreeSet<NodeId> = view.topology.nodes(best).iter().copied().collect();
    let Some(kind) = context.demand.kinds.iter().position(|&it| it == class) else { return Vec::new() };
    trial::with(context, tools, |trial, cover, fill| {
        Maker::new(context, trial, cover, fill).place_most(best.0);
        trial.load(&[kind as u32]);
        fill_up(context, trial, kind as u32, &inside);
        let left = &trial.slots(kind as u32).nodes;
        by_cause(context, class, |position, node| {
            let full = left[position] == 0;
            let short = shortest(view, view.classes.get(class), node).filter(|_| full);
            let coupled = || inside.contains(&node).then(|| trial.excludes(class, node)).flatten();
            short.map(|(resource, _)| Cause::Resource(resource)).or_else(coupled)
        })
    })
}

/// Places single pods of a kind beside those of whole groups, until none is left or no node takes one: what keeps a group
/// from being whole shows only then.
fn fill_up(context: &Context<'_>, trial: &mut Trial<'_, '_>, kind: u32, inside: &BTreeSet<NodeId>) {
    let placed: u64 = trial.taken().iter().map(|taking| u64::from(taking.seat.pods)).sum();
    let mut waiting = context.demand.pending.saturating_sub(placed);
    for (position, node) in (0u32..).zip(context.view.topology.order()) {
        while waiting > 0
            && inside.contains(node)
            && trial.slots(kind).nodes[position as usize] > 0
            && trial.allows(kind, position)
        {
            trial.take(0, kind, Seat { position, pods: 1 });
            waiting -= 1;
        }
    }
}
