//! Anything goes: pods that differ, fractions of nodes, subgroups of several kinds, members that run already, pods that
//! depend on each other's places.
//!
//! 1. **Bounds** from counts ([`bounds`], [`least_cost`]): what they rule out is proven, and what meets them is the best.
//! 2. **Construction** of all pods, in the domains that could hold them by counts, lowest tier and tightest first. Inside,
//!    groups are placed one by one, the hardest first ([`maker`]). Where not all fit, as many as possible: what the minima
//!    need first, then the rest.
//! 3. If that did not meet the bounds, and the case is small, every placement ([`super::exact`]), in few steps.
//! 4. **Search** over cells ([`super::search`]), and, where pods depend on each other's places, construction in other
//!    orders ([`coupled`]).
//! 5. If nothing proves the result by then, every placement once more, in all the steps that there are.

mod bounds;
mod coupled;
mod group_placer;
mod least_cost;

pub(super) use bounds::{Bounds, homes_inside, homes_of};
pub(super) use group_placer::GroupPlacer;

use super::certificate::Certificate;
use super::demand::tier_cost;
use super::exact;
use super::guarantee::Answer;
use super::limits::Limits;
use super::plan::Plan;
use super::ranks;
use super::rules::CostTerm;
use super::search::{Score, Search, Verdict};
use super::trial;
use super::{Aim, Context, Tools, price};
use least_cost::LeastCost;
use std::cmp::Reverse;

/// The terms that a search looks at.
const TRACKED: [CostTerm; 3] = [CostTerm::SubgroupTier, CostTerm::GangTier, CostTerm::Domains];

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
    if bounds.pods == context.demand.placeable() {
        place_all(context, tools, &bounds, &mut best);
    }
    if best.is_none() {
        place_most(context, tools, &bounds, &mut best);
    }
    let certificate = better(context, tools, &bounds, &mut best);
    match best {
        Some(Candidate { mut plan, .. }) => {
            plan.certificate = certificate;
            ranks::sort_alike(context.demand, &mut plan);
            Answer::Placed(plan)
        }
        None => Answer::Refused(certificate),
    }
}

/// Betters what was constructed, until it is the least there can be or the steps are used up.
fn better(
    context: &Context<'_>,
    tools: &mut Tools,
    bounds: &Bounds,
    best: &mut Option<Candidate>,
) -> Certificate {
    if context.aim == Aim::Fits && best.as_ref().is_some_and(|best| best.pods == bounds.pods) {
        return Certificate::Open { steps: 0 };
    }
    let all = context.demand.placeable();
    let needs_all = context.demand.needed() >= all;
    // Where it would end the matter, it comes first.
    let least = (best.is_some() || needs_all).then(|| LeastCost::new(context, tools, bounds));
    if needs_all && best.is_none() && least.as_ref().is_some_and(|least| least.impossible) {
        return Certificate::Counted;
    }
    let is_met =
        |least: &LeastCost, best: &Option<Candidate>| best.as_ref().is_some_and(|it| least.is_met(it));
    if least.as_ref().is_some_and(|least| is_met(least, best)) {
        return Certificate::BoundMet;
    }
    // A small case comes to its end soon.
    let budget = context.rules.search_budget;
    let first = exact::improve(context, tools, bounds, budget.min(Limits::EXACT_FIRST), best);
    let Certificate::Open { steps: mut taken } = first else { return first };
    let least = least.unwrap_or_else(|| LeastCost::new(context, tools, bounds));
    let search = match context.aim {
        Aim::Best => budget,
        Aim::Fits => budget / Limits::SUPPOSED,
    };
    let mut verdict = Verdict::Unknown;
    let begun =
        trial::with(context, tools, |trial, _, _| Search::begin(context, trial, search, best.is_some()));
    if let Some(mut search) = begun {
        ruin(context, tools, bounds, &least, &mut search, best);
        taken += search.steps();
        verdict = search.verdict().clone();
    }
    if !is_met(&least, best)
        && context.demand.kinds.iter().any(|&class| tools.slots.couples(context.view, class))
    {
        taken += coupled::restart(context, tools, bounds, &least, search, best);
    }
    if is_met(&least, best) {
        return Certificate::BoundMet;
    }
    let exhausted = match (&verdict, best.as_ref()) {
        (Verdict::Unknown, _) => false,
        (Verdict::Nothing, best) => best.is_none(),
        (Verdict::Least(score), best) => best.is_some_and(|best| {
            let terms = context.rules.order.iter().zip(&best.cost).filter(|(term, _)| TRACKED.contains(term));
            best.pods == context.demand.placeable() - score.out
                && terms.zip(score.terms).all(|((_, &cost), least)| cost <= least)
        }),
    };
    if exhausted {
        return Certificate::Exhausted;
    }
    match exact::improve(context, tools, bounds, budget, best) {
        Certificate::Open { steps } => Certificate::Open { steps: steps + taken },
        closed => closed,
    }
}

/// What tables alone say of a gang, and the placement that they lead to; `None` where there are none.
#[cfg(test)]
pub(super) fn by_tables(context: &Context<'_>, tools: &mut Tools) -> Option<(Verdict, Option<Plan>)> {
    let bounds = trial::with(context, tools, |trial, _, _| Bounds::new(context, trial));
    let all = bounds.pods == context.demand.placeable() && !bounds.regions.is_empty();
    let steps = context.rules.search_budget;
    let mut search = trial::with(context, tools, |trial, _, _| Search::begin(context, trial, steps, false))?;
    let found = search.run(if all { &bounds.all } else { &[] }, &[], &|_| true, &|_| true);
    let plan =
        found.filter(|(score, _)| score.is_enough()).map(|(_, state)| search.plan(&tools.fill, &state));
    Some((search.verdict().clone(), plan))
}

/// Ruin and recreate, from constructions of its own.
fn ruin(
    context: &Context<'_>,
    tools: &mut Tools,
    bounds: &Bounds,
    least: &LeastCost,
    search: &mut Search<'_, '_>,
    best: &mut Option<Candidate>,
) {
    let Context { demand, rules, .. } = *context;
    let regions: Vec<u32> = bounds.regions.iter().take(Limits::REGIONS).map(|&(_, region)| region).collect();
    let all = bounds.pods == demand.placeable();
    let mut domains = if all { bounds.all.clone() } else { regions };
    if all {
        // What does not fit as a whole may fit in part.
        domains.extend(bounds.regions.first().map(|&(_, region)| region).filter(|r| !bounds.all.contains(r)));
    }
    let most = demand.placeable() - bounds.pods;
    let tracked = |term: CostTerm| {
        rules.order.iter().filter(|known| TRACKED.contains(known)).position(|&known| known == term)
    };
    let is_least = |score: &Score| {
        score.is_enough()
            && score.out == most
            && least.terms.is_some_and(|terms| {
                terms.into_iter().all(|(term, least)| tracked(term).is_none_or(|at| score.terms[at] <= least))
            })
    };
    let (subgroups, gang) = (tracked(CostTerm::SubgroupTier), tracked(CostTerm::GangTier));
    let tier_first = context.place(CostTerm::GangTier)
        < context.place(CostTerm::Domains).min(context.place(CostTerm::Stranded));
    let is_settled = |score: &Score| {
        let least = subgroups > gang || subgroups.is_none_or(|at| score.terms[at] == bounds.tiers);
        score.is_enough() && score.out == most && tier_first && least
    };
    let whole: &[u32] = if all { &bounds.all } else { &[] };
    let Some((score, state)) = search.run(whole, &domains, &is_least, &is_settled) else { return };
    if !score.is_enough() || score.out == demand.placeable() {
        return;
    }
    let plan = search.plan(&tools.fill, &state);
    if plan.pods() > 0 && ranks::meets(demand, &plan) && coupled::allows(context, tools, &plan) {
        let candidate = Candidate::new(context, tools, plan);
        if candidate.beats(best.as_ref()) {
            *best = Some(candidate);
        }
    }
}

/// Tries to place all pods, by construction.
fn place_all(context: &Context<'_>, tools: &mut Tools, bounds: &Bounds, best: &mut Option<Candidate>) {
    let Context { tree, demand, .. } = *context;
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
            let mut maker = GroupPlacer::new(context, trial, cover, fill);
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
}

/// Places as many pods as it can, by construction.
fn place_most(context: &Context<'_>, tools: &mut Tools, bounds: &Bounds, best: &mut Option<Candidate>) {
    for &(_, region) in bounds.regions.iter().take(Limits::REGIONS) {
        let plan = trial::with(context, tools, |trial, cover, fill| {
            let mut maker = GroupPlacer::new(context, trial, cover, fill);
            maker.place_most(region);
            maker.plan()
        });
        if plan.pods() > 0 && ranks::meets(context.demand, &plan) {
            let candidate = Candidate::new(context, tools, plan);
            if candidate.beats(best.as_ref()) {
                *best = Some(candidate);
            }
        }
    }
}
