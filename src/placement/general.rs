//! Anything goes: pods that differ, fractions of nodes, subgroups of several kinds, members that run already, pods that
//! depend on each other's places. A constructive search on trial placements, judged by bounds, then by [`super::exact`].
//!
//! 1. **Bounds** from counts: what they rule out is proven.
//! 2. **All pods**, in the domains that could hold them by counts, lowest tier and tightest first. Inside, groups are
//!    placed one by one, the hardest first, each in the lowest domain that takes it, where it touches least that is new
//!    and leaves least; within a group whole nodes first, each kind on the fewest domains, then the fewest nodes.
//! 3. **As many as possible**, where not all fit: what the minima need first, then the rest.
//! 4. If a bound does not prove the result, and the case is small, an exhaustive search.

mod bounds;
mod maker;

pub(super) use bounds::{Bounds, homes_inside, homes_of};
pub(super) use maker::Maker;

use super::certificate::Certificate;
use super::cover::Ground;
use super::demand::tier_cost;
use super::exact;
use super::guarantee::Answer;
use super::limits::Limits;
use super::plan::Plan;
use super::ranks;
use super::rules::{CostTerm, Packing};
use super::trial;
use super::{Context, Tools, price};
use std::cmp::Reverse;

/// A plan with what it is worth.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) plan: Plan,
    pub(super) pods: u64,
    pub(super) cost: Vec<i64>,
}

impl Candidate {
    /// Prices a plan.
    pub(super) fn new(context: &Context<'_>, tools: &mut Tools, plan: Plan) -> Self {
        let (_, cost) = price(context, tools, &plan);
        Candidate { pods: plan.pods(), plan, cost }
    }

    /// More pods, or as many for less.
    pub(super) fn beats(&self, other: Option<&Candidate>) -> bool {
        other.is_none_or(|other| (Reverse(self.pods), &self.cost) < (Reverse(other.pods), &other.cost))
    }
}

/// Places as much as it can.
pub(super) fn solve(context: &Context<'_>, tools: &mut Tools) -> Answer {
    let bounds = trial::with(context, tools, |trial, _, _| Bounds::new(context, trial));
    if bounds.regions.is_empty() {
        return Answer::Refused(Certificate::Counted);
    }
    let mut best: Option<Candidate> = None;
    let mut proven = false;
    if bounds.pods == context.demand.placeable() {
        proven = place_all(context, tools, &bounds, &mut best);
    }
    if best.is_none() {
        for &(_, region) in bounds.regions.iter().take(Limits::REGIONS) {
            let plan = trial::with(context, tools, |trial, cover, fill| {
                let mut maker = Maker::new(context, trial, cover, fill);
                maker.place_most(region);
                maker.plan()
            });
            if plan.pods() > 0 && ranks::meets(context.demand, &plan) {
                let candidate = Candidate::new(context, tools, plan);
                if candidate.beats(best.as_ref()) {
                    best = Some(candidate);
                }
            }
        }
    }
    let certificate = match proven {
        true => Certificate::BoundMet,
        false => exact::improve(context, tools, &bounds, &mut best),
    };
    match best {
        Some(Candidate { mut plan, .. }) => {
            plan.certificate = certificate;
            ranks::sort_alike(context.demand, &mut plan);
            Answer::Placed(plan)
        }
        None => Answer::Refused(certificate),
    }
}

/// Tries to place all pods. `true` if what it found is the best there is.
fn place_all(
    context: &Context<'_>,
    tools: &mut Tools,
    bounds: &Bounds,
    best: &mut Option<Candidate>,
) -> bool {
    let Context { tree, demand, rules, .. } = *context;
    let tier = |domain: u32| tier_cost(demand.rule, tree.tier[domain as usize]);
    let tier_first = context.place(CostTerm::GangTier)
        < context.place(CostTerm::Domains).min(context.place(CostTerm::Stranded));
    let mut successes = 0;
    let mut reached = None;
    for &domain in bounds.all.iter().take(Limits::ATTEMPTS) {
        if reached.is_some_and(|reached| reached != tier(domain)) {
            let subgroups = context.place(CostTerm::SubgroupTier);
            let settled = subgroups > context.place(CostTerm::GangTier)
                || best.as_ref().is_some_and(|best| best.cost.get(subgroups) == Some(&bounds.tiers));
            if tier_first && settled {
                break;
            }
            successes = 0;
        }
        if successes >= Limits::SUCCESSES {
            continue;
        }
        let plan = trial::with(context, tools, |trial, cover, fill| {
            let mut maker = Maker::new(context, trial, cover, fill);
            maker.place_all(domain).then(|| maker.plan())
        });
        let Some(plan) = plan else { continue };
        if !ranks::meets(demand, &plan) {
            continue;
        }
        reached = Some(tier(domain));
        successes += if tree.is_lump(domain) { Limits::SUCCESSES } else { 1 };
        let candidate = Candidate::new(context, tools, plan);
        if candidate.beats(best.as_ref()) {
            *best = Some(candidate);
        }
    }
    let Some(best) = best else { return false };
    // Proven if no term could be less: the sum of tiers by its bound, the gang's tier because no lower one holds all
    // pods, domains by the fewest that hold the pods of one kind alone; and nothing that was not bounded counts before.
    let value = |term: CostTerm| best.cost.get(context.place(term)).copied();
    let Some(&lowest) = bounds.all.first() else { return false };
    let bounded = [CostTerm::SubgroupTier, CostTerm::GangTier, CostTerm::Domains];
    let last = bounded.iter().map(|&term| context.place(term)).max().unwrap_or(0);
    last < context.place(CostTerm::Stranded).min(context.place(CostTerm::NodeScore))
        && rules.order.len() > last
        && value(CostTerm::SubgroupTier) == Some(bounds.tiers)
        && value(CostTerm::GangTier) == Some(tier(lowest))
        && value(CostTerm::Domains) <= fewest_domains(context, tools, bounds)
}

/// A lower bound for `Domains` if all pods are placed; `None` if it was not computed.
fn fewest_domains(context: &Context<'_>, tools: &mut Tools, bounds: &Bounds) -> Option<i64> {
    let Context { tree, demand, rules, .. } = *context;
    let paid: i64 = demand.touched.domains().map(|domain| tree.charge[domain as usize]).sum::<i64>()
        + demand.touched.nodes().map(|p| tree.node_charge[tree.leaf[p as usize] as usize]).sum::<i64>();
    let mut totals = vec![0u64; demand.kinds.len()];
    for group in &demand.groups {
        for &(kind, count) in demand.counts(group) {
            totals[kind as usize] += u64::from(count);
        }
    }
    if bounds.all.len() * totals.len() > 256 {
        return None;
    }
    trial::with(context, tools, |trial, cover, _| {
        let mut least: Option<i64> = None;
        for &domain in &bounds.all {
            let mut most = 0;
            for (kind, &total) in totals.iter().enumerate() {
                let slots = trial.slots(kind as u32);
                let ground = Ground {
                    tree,
                    nodes: &slots.nodes,
                    sums: &slots.sums,
                    touched: &demand.touched,
                    home: None,
                    tight: rules.packing == Packing::Tight,
                };
                cover.begin(&ground, total);
                most = most.max(cover.cost(&ground, domain)?);
            }
            let cost = paid + super::single::around(context, domain) + most;
            least = Some(least.map_or(cost, |least| least.min(cost)));
        }
        least
    })
}
