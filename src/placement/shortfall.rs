//! How far it got and what stood in the way.
//!
//! [`measure`] is what a refusal costs: counts per tier, from the index. [`complete`] adds what a person wants to read:
//! causes by node, and remedies, each found or checked by the solver itself on the changed case.

mod coupled;

use super::demand::Demand;
use super::fill::share;
use super::general::Maker;
use super::outcome::{Proof, Remedy, Shortfall, TierFit};
use super::plan::Plan;
use super::request::GangRequest;
use super::slices::{self, Slices};
use super::trial::{self, Trial};
use super::{Context, Tools, solve};
use crate::cluster::View;
use crate::cluster::capacity::PODS;
use crate::cluster::cause::Cause;
use crate::cluster::class::Class;
use crate::cluster::ids::{ClassId, DomainId, NodeId, ResourceId};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Policies whose tiers are tried as remedies.
const POLICIES: usize = 8;

/// Causes that are tried as remedies.
const CAUSES: usize = 8;

/// The cheap part of a shortfall: per tier, the domain that holds most by counts. Where pods differ, counts are an upper
/// bound.
pub(super) fn measure(context: &Context<'_>, tools: &mut Tools, result: Result<&Plan, Proof>) -> Shortfall {
    let Context { view, tree, demand, .. } = *context;
    let needed = if wants_all(context, result.is_ok()) { demand.pending } else { demand.needed() };
    let mut shortfall = Shortfall {
        needed: small(needed),
        nodes: view.topology.order().len() as u32,
        proof: result.map_or_else(|proof| proof, |plan| plan.certificate.proof()),
        ..Shortfall::default()
    };
    if demand.kinds.is_empty() {
        return shortfall;
    }
    let mut best: Vec<Option<(u32, u64)>> = vec![None; tree.tiers.len()];
    trial::with(context, tools, |trial, _, _| {
        let fits = Estimate::new(context, trial);
        for domain in 0..tree.len() as u32 {
            if demand.running.is_some_and(|running| !tree.is_within(running, domain)) {
                continue;
            }
            let pods = fits.pods(domain);
            let best = &mut best[tree.level[domain as usize] as usize];
            if best.is_none_or(|(_, most)| pods > most) {
                *best = Some((domain, pods));
            }
        }
        for (domain, pods) in best.iter_mut().flatten() {
            *pods = fits.closer(*domain, *pods);
        }
    });
    let tiers = best.into_iter().flatten().map(|(domain, pods)| TierFit {
        tier: (domain != 0).then_some(tree.tier[domain as usize]),
        domain: DomainId(domain),
        fits: small(pods.min(needed)),
        needed: shortfall.needed,
        allowed: context.may_use(domain),
    });
    shortfall.tiers = tiers.collect();
    shortfall
}

/// Is every pod asked for, rather than the minimum? So it is where the minimum is met.
fn wants_all(context: &Context<'_>, is_placed: bool) -> bool {
    is_placed || context.demand.is_satisfied()
}

/// How many pods of the gang a domain holds, by counts.
struct Estimate<'e, 'a, 't> {
    context: &'e Context<'a>,
    trial: &'e Trial<'a, 't>,
    totals: Vec<u64>,
    slices: Option<Slices<'a>>,
}

impl<'e, 'a, 't> Estimate<'e, 'a, 't> {
    fn new(context: &'e Context<'a>, trial: &'e Trial<'a, 't>) -> Self {
        let demand = context.demand;
        let mut totals = vec![0u64; demand.kinds.len()];
        for &(kind, count) in demand.groups.iter().flat_map(|group| demand.counts(group)) {
            totals[kind as usize] += u64::from(count);
        }
        let slices =
            slices::applies(demand).then(|| Slices::count(context, &trial.slots(0).sums, &demand.groups[0]));
        Estimate { context, trial, totals, slices }
    }

    fn pods(&self, domain: u32) -> u64 {
        if let Some(slices) = &self.slices {
            let groups = self.context.demand.groups.len() as u64;
            return slices.held(domain).min(groups) * u64::from(self.context.demand.groups[0].pods());
        }
        self.totals.iter().zip(0..).map(|(&total, kind)| self.of_kind(kind, total, domain)).sum()
    }

    fn of_kind(&self, kind: u32, count: u64, domain: u32) -> u64 {
        if self.trial.is_loaded(kind) {
            count.min(self.trial.slots(kind).sums[domain as usize])
        } else {
            count
        }
    }

    /// Leaves out groups that cannot be placed there at all.
    fn closer(&self, domain: u32, pods: u64) -> u64 {
        let demand = self.context.demand;
        if self.slices.is_some() {
            return pods;
        }
        let homeless = demand.groups.iter().filter(|group| {
            let mut homes = super::general::homes_of(self.context, group, domain);
            let counts = demand.counts(group);
            group.policy.is_some()
                && !homes.any(|home| {
                    let held = counts.iter().map(|&(kind, count)| self.of_kind(kind, u64::from(count), home));
                    held.sum::<u64>() >= u64::from(group.need.max(1))
                })
        });
        pods.min(demand.placeable() - homeless.map(|group| u64::from(group.pods())).sum::<u64>())
    }
}

/// Adds causes and remedies to what [`measure`] found, and counts by placing where counts alone are a bound.
fn complete(
    context: &Context<'_>,
    tools: &mut Tools,
    request: &GangRequest,
    all: bool,
    shortfall: &mut Shortfall,
) {
    let demand = context.demand;
    let exact = demand.kinds.len() == 1 && (demand.groups.len() == 1 || slices::applies(demand));
    let coupled = demand.kinds.iter().any(|&class| context.view.concerns(class));
    if !exact || coupled {
        for fit in &mut shortfall.tiers {
            let pods = trial::with(context, tools, |trial, cover, fill| {
                let mut maker = Maker::new(context, trial, cover, fill);
                maker.place_most(fit.domain.0);
                maker.plan().pods()
            });
            fit.fits = fit.fits.min(small(pods));
        }
    }
    if let Some(class) = hardest(context, tools) {
        let own = coupled && demand.missing() == 0 && coupled::is_in_the_way(context, request, all);
        let own = own.then(|| coupled::excluded(context, tools, class, shortfall));
        match own.and_then(|counts| Some((coupled::remedy(&counts)?, counts))) {
            Some((rule, counts)) => {
                shortfall.excluded = counts;
                shortfall.remedies.push(rule);
            }
            None => {
                shortfall.excluded = excluded(context, class);
                nodes_and_room(context, request, class, all, shortfall);
            }
        }
        rules(context, request, all, shortfall);
    }
    let missing = demand.missing();
    if missing > 0 {
        shortfall.remedies.insert(0, Remedy::CreatePods { missing: small(missing) });
    }
}

/// The class with the fewest slots in the cluster.
fn hardest(context: &Context<'_>, tools: &mut Tools) -> Option<ClassId> {
    let Context { view, tree, demand, .. } = *context;
    let total = |class: ClassId, tools: &mut Tools| {
        let at = tools.slots.ensure(view, tree, class, &tools.overlay);
        tools.slots.get(at).total()
    };
    demand.kinds.iter().copied().map(|class| (total(class, tools), class)).min().map(|(_, class)| class)
}

/// Nodes that cannot take one pod of the class, by the first cause found; most frequent first.
fn excluded(context: &Context<'_>, class: ClassId) -> Vec<(Cause, u32)> {
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
fn by_cause(
    context: &Context<'_>,
    class: ClassId,
    because: impl Fn(usize, NodeId) -> Option<Cause>,
) -> Vec<(Cause, u32)> {
    let Context { view, demand, .. } = *context;
    let row = view.eligibility.row(view.classes.get(class).constraint);
    let hard =
        demand.rule.required.is_some() || demand.groups.iter().any(|group| group.rule.required.is_some());
    let mut counts: BTreeMap<Cause, u32> = BTreeMap::new();
    let nodes = view.topology.order().iter().copied().enumerate();
    for (position, node) in nodes.filter(|&(_, node)| view.capacity.is_present(node)) {
        let quarantined = || (hard && view.topology.is_in_quarantine(node)).then_some(Cause::Quarantined);
        if let Some(cause) = row.cause(node).or_else(quarantined).or_else(|| because(position, node)) {
            *counts.entry(cause).or_default() += 1;
        }
    }
    let mut counts: Vec<(Cause, u32)> = counts.into_iter().collect();
    counts.sort_by_key(|&(cause, count)| (Reverse(count), cause));
    counts
}

/// The resource that limits how many pods of a class a node takes, and how many that is. Of several, the one of which the
/// smallest share is free; extended resources before the others.
fn shortest(view: View<'_>, class: &Class, node: NodeId) -> Option<(ResourceId, i64)> {
    let amounts = class.requests.iter().filter(|&&(_, amount)| amount > 0);
    let limits = amounts.map(|&(resource, amount)| {
        let free = view.capacity.free(node, resource).max(0);
        let share = share(free, view.capacity.allocatable(node, resource)).unwrap_or(0);
        (free / amount, share, Reverse(resource))
    });
    limits.min().map(|(slots, _, Reverse(resource))| (resource, slots))
}

/// Pods of another request that fit under the same rules; `all`: all of them must.
fn fits(context: &Context<'_>, request: &GangRequest, all: bool, tools: &mut Tools) -> Option<u64> {
    let Context { view, tree, rules, .. } = *context;
    let demand = Demand::new(view, tree, request);
    let context = Context { view, tree, rules, demand: &demand };
    let plan = solve(&context, tools).ok()?;
    (!all || plan.pods() == demand.pending).then(|| plan.pods())
}

/// What would help about the nodes: to let more of them in, or to make room.
fn nodes_and_room(
    context: &Context<'_>,
    request: &GangRequest,
    class: ClassId,
    all: bool,
    shortfall: &mut Shortfall,
) {
    let view = context.view;
    if context.demand.missing() == 0 {
        for &(cause, _) in shortfall.excluded.iter().take(CAUSES) {
            if !matches!(
                cause,
                Cause::Unschedulable
                    | Cause::NotReady
                    | Cause::Taint(_)
                    | Cause::NodeSelector
                    | Cause::NodeAffinity
            ) {
                continue;
            }
            let mut tools = Tools::default();
            tools.slots.lift(cause);
            if fits(context, request, all, &mut tools).is_some() {
                let nodes = lifted(view, view.classes.get(class), cause);
                shortfall.remedies.push(Remedy::Lift { cause, nodes });
            }
        }
        if let Some(free) = room(context, class, shortfall) {
            shortfall.remedies.push(free);
        }
    }
}

/// What would help about the rules of the gang itself.
fn rules(context: &Context<'_>, request: &GangRequest, all: bool, shortfall: &mut Shortfall) {
    let Context { tree, demand, .. } = *context;
    let fits = |request: &GangRequest, tools: &mut Tools| fits(context, request, all, tools);
    let mut tools = Tools::default();
    let wider = |limit: u32| tree.tiers.iter().copied().filter(move |&tier| tier > limit);
    if let Some(limit) = request.rule.required {
        let mut changed = request.clone();
        for tier in wider(limit) {
            changed.rule.required = Some(tier);
            if fits(&changed, &mut tools).is_some() {
                shortfall.remedies.push(Remedy::RaiseTier { to: tier, policy: None });
                break;
            }
        }
    }
    for (index, policy) in request.policies.iter().enumerate().take(POLICIES) {
        let Some(limit) = policy.rule.required else { continue };
        let mut changed = request.clone();
        for tier in wider(limit) {
            changed.policies[index].rule.required = Some(tier);
            if fits(&changed, &mut tools).is_some() {
                shortfall.remedies.push(Remedy::RaiseTier { to: tier, policy: Some(index as u32) });
                break;
            }
        }
    }
    if demand.minimum > 0 && !all {
        let changed = GangRequest { minimum: 0, ..request.clone() };
        if let Some(pods) = fits(&changed, &mut tools) {
            let to = small(pods + request.placed() as u64);
            if to < request.minimum {
                shortfall.remedies.push(Remedy::LowerMinimum { to });
            }
        }
    }
}

/// Nodes that would take a pod of the class if it were not for this one cause.
fn lifted(view: View<'_>, class: &Class, cause: Cause) -> u32 {
    let helps = |&&node: &&NodeId| {
        view.capacity.is_present(node)
            && view.eligibility.is_excluded_only_by(class.constraint, node, cause)
            && shortest(view, class, node).is_none_or(|(_, slots)| slots > 0)
    };
    view.topology.order().iter().filter(helps).count() as u32
}

/// Room for the pods that do not fit, in the allowed domain that goes furthest; of equals the smallest.
fn room(context: &Context<'_>, class: ClassId, shortfall: &Shortfall) -> Option<Remedy> {
    let Context { view, .. } = *context;
    let allowed = shortfall.tiers.iter().filter(|fit| fit.allowed && fit.fits < fit.needed);
    let best = allowed.min_by_key(|fit| (Reverse(fit.fits), fit.tier.unwrap_or(u32::MAX)))?;
    let it = view.classes.get(class);
    let mut limits: BTreeMap<ResourceId, u32> = BTreeMap::new();
    for &node in view.topology.nodes(best.domain) {
        if view.capacity.is_present(node)
            && view.eligibility.cause(it.constraint, node).is_none()
            && let Some((resource, _)) = shortest(view, it, node).filter(|&(resource, _)| resource != PODS)
        {
            *limits.entry(resource).or_default() += 1;
        }
    }
    let resource =
        limits.into_iter().max_by_key(|&(resource, count)| (count, resource)).map(|(resource, _)| resource);
    Some(Remedy::Free { domain: best.domain, pods: best.needed - best.fits, resource })
}

/// Solves and, if pods are left out, says why in full.
pub(super) fn explain(context: &Context<'_>, tools: &mut Tools, request: &GangRequest) -> Shortfall {
    let result = solve(context, tools);
    if result.as_ref().is_ok_and(|plan| plan.pods() == context.demand.pending) {
        return Shortfall::default();
    }
    let all = wants_all(context, result.is_ok());
    let mut shortfall = measure(context, tools, result.as_ref().map_err(|&proof| proof));
    // A gang that lacks pods is refused before anything is looked at.
    tools.fill.refresh(context.view, context.tree, context.rules, &context.demand.kinds);
    complete(context, tools, request, all, &mut shortfall);
    shortfall
}

fn small(count: u64) -> u32 {
    count.min(u64::from(u32::MAX)) as u32
}
