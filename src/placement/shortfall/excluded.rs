//! What excludes nodes for a pod of the gang, one cause a node, and what no node has.

use super::super::fill::share;
use super::super::outcome::Absent;
use super::super::{Context, Tools};
use crate::cluster::View;
use crate::cluster::cause::Cause;
use crate::cluster::class::Class;
use crate::cluster::ids::{ClassId, NodeId, ResourceId};
use crate::cluster::topology::Tier;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The class with the fewest slots in the cluster.
pub(super) fn hardest(context: &Context<'_>, tools: &mut Tools) -> Option<ClassId> {
    let Context { view, tree, demand, .. } = *context;
    let total = |class: ClassId, tools: &mut Tools| {
        let at = tools.slots.ensure(view, tree, class, &tools.overlay);
        tools.slots.get(at).total()
    };
    demand.kinds.iter().copied().map(|class| (total(class, tools), class)).min().map(|(_, class)| class)
}

/// Nodes that cannot take one pod of the class, by the first cause found; most frequent first.
pub(super) fn by_one(context: &Context<'_>, class: ClassId) -> Vec<(Cause, u32)> {
    let view = context.view;
    let coupling = view.concerns(class).then(|| view.trial());
    let coupled = |node: NodeId| coupling.as_ref().and_then(|trial| trial.cause(class, node));
    let it = view.classes.get(class);
    let short = |node: NodeId| {
        shortest(view, it, node).filter(|&(_, slots)| slots == 0).map(|(r, _)| Cause::Resource(r))
    };
    by_cause(context, class, |_, node| short(node).or_else(|| coupled(node)))
}

/// Nodes by what excludes them for a class: what they are, or else `because` of what is on them. Takes positions and
/// nodes; most frequent first.
pub(super) fn by_cause(
    context: &Context<'_>,
    class: ClassId,
    because: impl Fn(usize, NodeId) -> Option<Cause>,
) -> Vec<(Cause, u32)> {
    let view = context.view;
    let it = view.classes.get(class);
    let row = view.eligibility.row(it.constraint);
    let limit = limit(context, class);
    let mut counts: BTreeMap<Cause, u32> = BTreeMap::new();
    let nodes = view.topology.order().iter().copied().enumerate();
    for (position, node) in nodes.filter(|&(_, node)| view.capacity.is_present(node)) {
        let cause = row
            .cause(node)
            .or_else(|| outside(context, limit, position, node))
            .or_else(|| too_small(view, it, node).map(Cause::TooSmall))
            .or_else(|| because(position, node));
        if let Some(cause) = cause {
            *counts.entry(cause).or_default() += 1;
        }
    }
    let mut counts: Vec<(Cause, u32)> = counts.into_iter().collect();
    counts.sort_by_key(|&(cause, count)| (Reverse(count), cause));
    counts
}

/// The highest tier of a domain that a pod of the class must lie in with others; `None` if no hard rule says so.
pub(super) fn limit(context: &Context<'_>, class: ClassId) -> Option<Tier> {
    let demand = context.demand;
    let kind = demand.kinds.iter().position(|&known| known == class)? as u32;
    let mut own = demand
        .groups
        .iter()
        .filter(|group| demand.counts(group).iter().any(|&(known, count)| known == kind && count > 0));
    let subgroups = own.try_fold(0, |tier, group| Some(group.rule.required?.max(tier)));
    match (demand.rule.required, subgroups) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Why a node lies in no domain that a hard rule allows, if it lies in none.
pub(super) fn outside(
    context: &Context<'_>,
    limit: Option<Tier>,
    position: usize,
    node: NodeId,
) -> Option<Cause> {
    let Context { view, tree, .. } = *context;
    let limit = limit?;
    if view.topology.is_in_quarantine(node) {
        return Some(Cause::Quarantined);
    }
    tree.outermost_within(tree.leaf[position], limit).is_none().then_some(Cause::NoDomain(limit))
}

/// A resource of which the node has less than one pod of the class asks for, even when it is empty.
pub(super) fn too_small(view: View<'_>, class: &Class, node: NodeId) -> Option<ResourceId> {
    let mut short = class.requests.iter().rev();
    short
        .find(|&&(resource, amount)| view.capacity.allocatable(node, resource) < amount)
        .map(|&(resource, _)| resource)
}

/// The resource that limits how many pods of a class a node takes, and how many that is. Of several, the one of which the
/// smallest share is free; extended resources before the others.
pub(super) fn shortest(view: View<'_>, class: &Class, node: NodeId) -> Option<(ResourceId, i64)> {
    let amounts = class.requests.iter().filter(|&&(_, amount)| amount > 0);
    let limits = amounts.map(|&(resource, amount)| {
        let free = view.capacity.free(node, resource).max(0);
        let share = share(free, view.capacity.allocatable(node, resource)).unwrap_or(0);
        (free / amount, share, Reverse(resource))
    });
    limits.min().map(|(slots, _, Reverse(resource))| (resource, slots))
}

/// What a pod asks for and no node has: more of a resource than the largest node, or a label.
pub(super) fn absent(context: &Context<'_>) -> Option<Absent> {
    let Context { view, demand, .. } = *context;
    let nodes = || view.topology.order().iter().copied().filter(|&node| view.capacity.is_present(node));
    nodes().next()?;
    let classes = || demand.kinds.iter().map(|&class| view.classes.get(class));
    let large = demand.kinds.iter().find_map(|&class| {
        let (resource, asked, largest) =
            view.classes.get(class).requests.iter().rev().find_map(|&(resource, asked)| {
                let largest = nodes().map(|node| view.capacity.allocatable(node, resource)).max()?;
                (largest < asked).then_some((resource, asked, largest))
            })?;
        let mut members = demand.groups.iter().flat_map(|group| demand.members(group));
        let pod = members.find(|member| member.class == class)?.pod;
        Some(Absent::Resource { pod, resource, asked, largest })
    });
    large
        .or_else(|| {
            let mut labels = classes().flat_map(|class| view.eligibility.selector(class.constraint));
            let lacking = |&(key, value): &_| nodes().all(|n| view.eligibility.label(n, key) != Some(value));
            labels.find(lacking).map(|(key, value)| Absent::Label { key, value })
        })
        .or_else(|| {
            let mut keys = classes().flat_map(|class| view.coupling.topology_labels(class.coupling));
            let key = keys.find(|&key| nodes().all(|node| view.eligibility.label(node, key).is_none()))?;
            Some(Absent::Key { key })
        })
}
