//! How far it got and what stood in the way.
//!
//! [`measure`] is what a refusal costs: counts per tier, from the index. [`explain`] adds what a person wants to read:
//! causes by node (`excluded`), and remedies (`remedies`), each placed under its hypothesis by the solver itself.

mod coupled;
mod excluded;
mod fewest;
mod joined;
mod partly;
mod remedies;
mod room;

use super::demand::Demand;
use super::general::{homes_inside, homes_of};
use super::outcome::{Proof, Remedy, Shortfall, TierFit};
use super::plan::Plan;
use super::request::GangRequest;
use super::slices::{self, Slices};
use super::trial::{self, Trial};
use super::{Aim, Context, Tools, solve};
use crate::cluster::ids::DomainId;

/// The cheap part of a shortfall: per tier, the domain that holds most by counts. Where pods differ, counts are an upper
/// bound.
pub(super) fn measure(context: &Context<'_>, tools: &mut Tools, result: Result<&Plan, Proof>) -> Shortfall {
    let Context { view, tree, demand, .. } = *context;
    let is_placed = result.is_ok();
    let needed = if wants_all(context, is_placed) { demand.pending } else { demand.needed() };
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
        let fits = Estimate::new(context, trial, needed);
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
    let refused = !is_placed && demand.missing() == 0;
    let tiers = best.into_iter().flatten().map(|(domain, pods)| {
        let allowed = context.may_use(domain);
        // What was refused does not fit where it is allowed, whatever counts say.
        let most = if refused && allowed { needed.saturating_sub(1) } else { needed };
        TierFit {
            tier: (domain != 0).then_some(tree.tier[domain as usize]),
            domain: DomainId(domain),
            fits: small(pods.min(most)),
            needed: shortfall.needed,
            allowed,
        }
    });
    shortfall.tiers = tiers.collect();
    shortfall
}

/// Is every pod asked for, rather than the minimum? So it is where the minimum is met.
fn wants_all(context: &Context<'_>, is_placed: bool) -> bool {
    is_placed || context.demand.is_satisfied()
}

/// How many pods of the gang a domain holds, by counts; those of subgroups that do not fit whole count as well.
struct Estimate<'e, 'a, 't> {
    context: &'e Context<'a>,
    trial: &'e Trial<'a, 't>,
    totals: Vec<u64>,
    slices: Option<Slices<'a>>,
    /// Slices that are asked for.
    groups: u64,
}

impl<'e, 'a, 't> Estimate<'e, 'a, 't> {
    fn new(context: &'e Context<'a>, trial: &'e Trial<'a, 't>, needed: u64) -> Self {
        let demand = context.demand;
        let mut totals = vec![0u64; demand.kinds.len()];
        for &(kind, count) in demand.groups.iter().flat_map(|group| demand.counts(group)) {
            totals[kind as usize] += u64::from(count);
        }
        let slices =
            slices::applies(demand).then(|| Slices::count(context, &trial.slots(0).sums, &demand.groups[0]));
        let size = demand.groups.first().map_or(1, |group| u64::from(group.pods().max(1)));
        let groups = needed.div_ceil(size).min(demand.groups.len() as u64);
        Estimate { context, trial, totals, slices, groups }
    }

    fn pods(&self, domain: u32) -> u64 {
        let Some(slices) = &self.slices else {
            return self.totals.iter().zip(0..).map(|(&total, kind)| self.of_kind(kind, total, domain)).sum();
        };
        let group = &self.context.demand.groups[0];
        let size = u64::from(group.pods());
        let whole = slices.held(domain).min(self.groups);
        let parts = (self.groups - whole) as usize;
        if parts == 0 {
            return whole * size;
        }
        // What whole slices leave over, each for a part of one more.
        let sums = &self.trial.slots(0).sums;
        let homes = homes_of(self.context, group, domain);
        let mut left: Vec<u64> =
            homes.map(|home| sums[home as usize] % size).filter(|&left| left > 0).collect();
        left.sort_unstable_by(|a, b| b.cmp(a));
        whole * size + left.iter().take(parts).sum::<u64>()
    }

    fn of_kind(&self, kind: u32, count: u64, domain: u32) -> u64 {
        if self.trial.is_loaded(kind) {
            count.min(self.trial.slots(kind).sums[domain as usize])
        } else {
            count
        }
    }

    /// Counts no more of a group than its best home holds.
    fn closer(&self, domain: u32, pods: u64) -> u64 {
        let demand = self.context.demand;
        if self.slices.is_some() {
            return pods;
        }
        let most = demand.groups.iter().map(|group| {
            if group.policy.is_none() {
                return u64::from(group.pods());
            }
            let counts = demand.counts(group);
            let held = |home: u32| -> u64 {
                counts.iter().map(|&(kind, count)| self.of_kind(kind, u64::from(count), home)).sum()
            };
            homes_inside(self.context, group, domain).map(held).max().unwrap_or(0)
        });
        pods.min(most.sum())
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
            let partly = trial::with(context, tools, |trial, cover, fill| {
                partly::place(context, trial, cover, fill, fit.domain.0, all)
            });
            fit.fits = fit.fits.min(small(partly.placed));
        }
    }
    if let Some(class) = excluded::hardest(context, tools) {
        shortfall.absent = excluded::absent(context);
        shortfall.beside_own =
            coupled && demand.missing() == 0 && coupled::is_in_the_way(context, tools, request);
        shortfall.excluded = match shortfall.beside_own {
            true => coupled::excluded(context, tools, class, shortfall),
            false => excluded::by_one(context, class),
        };
        shortfall.remedies = remedies::all(context, tools, request, all, shortfall);
    }
    let missing = demand.missing();
    if missing > 0 {
        shortfall.remedies.insert(0, Remedy::CreatePods { missing: small(missing) });
    }
}

/// Pods of another request that fit under the same rules; `all`: all of them must.
fn fits(context: &Context<'_>, request: &GangRequest, all: bool, tools: &mut Tools) -> Option<u64> {
    let Context { view, tree, rules, .. } = *context;
    let demand = Demand::new(view, tree, request);
    let context = Context { view, tree, rules, demand: &demand, aim: Aim::Fits };
    plan(&context, tools, all).map(|plan| plan.pods())
}

/// The plan, if there is one; `all`: of all pods.
fn plan(context: &Context<'_>, tools: &mut Tools, all: bool) -> Option<Plan> {
    let plan = solve(&Context { aim: Aim::Fits, ..*context }, tools).ok()?;
    (!all || plan.pods() == context.demand.pending).then_some(plan)
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
