//! Gangs whose pods depend on each other's places: constructed over and over, in other orders. The group that found no
//! place comes first in the next one; that, and a little chance, finds most of what one pass misses. What was found by
//! other means is tried pod by pod.

use super::{Bounds, Candidate, GroupPlacer, LeastCost};
use crate::placement::limits::Limits;
use crate::placement::plan::Plan;
use crate::placement::random::Random;
use crate::placement::{Context, Tools, ranks, trial};

/// Constructs until a plan is the least there can be, enough have been found, or the steps are used up. Returns the steps
/// taken.
pub(super) fn restart(
    context: &Context<'_>,
    tools: &mut Tools,
    bounds: &Bounds,
    least: &LeastCost,
    budget: u64,
    best: &mut Option<Candidate>,
) -> u64 {
    let demand = context.demand;
    let all = bounds.pods == demand.placeable();
    let mut steps = 0;
    let mut fronts: Vec<Vec<u32>> = vec![Vec::new(); bounds.all.len()];
    let (mut found, mut round) = (0, 0);
    while steps < budget && found < Limits::COUPLED_STARTS {
        let at = round % bounds.all.len().clamp(1, Limits::SEARCHED);
        let shake = (round >= Limits::SEARCHED).then_some(Random(round as u64));
        let most = shake.is_some() && (!all || (best.is_none() && round % 4 == 3));
        let (domain, front) = match (most, bounds.all.get(at)) {
            (false, Some(&domain)) if all => (domain, Some(&mut fronts[at])),
            _ => (bounds.regions[round % bounds.regions.len().min(Limits::SEARCHED)].1, None),
        };
        round += 1;
        let plan = trial::with(context, tools, |trial, cover, fill| {
            let mut maker = GroupPlacer::new(context, trial, cover, fill);
            let plan = match front {
                Some(front) => {
                    maker = maker.disturbed(front, shake);
                    match maker.try_all(domain) {
                        Ok(()) => Some(maker.plan()),
                        Err(group) => {
                            front.retain(|&known| known != group);
                            front.insert(0, group);
                            None
                        }
                    }
                }
                None => {
                    maker = maker.disturbed(&[], shake);
                    maker.place_most(domain);
                    Some(maker.plan())
                }
            };
            steps += 1 + trial.steps;
            plan
        });
        let Some(plan) = plan.filter(|plan| plan.pods() > 0 && ranks::meets(demand, plan)) else { continue };
        found += usize::from(plan.pods() == bounds.pods || !all);
        let candidate = Candidate::new(context, tools, plan);
        if candidate.beats(best.as_ref()) {
            *best = Some(candidate);
        }
        if best.as_ref().is_some_and(|best| least.is_met(best)) {
            break;
        }
    }
    steps
}

/// May all pods of a plan be where it has them? Some may only once others are there.
pub(super) fn allows(context: &Context<'_>, tools: &mut Tools, plan: &Plan) -> bool {
    let Context { view, demand, .. } = *context;
    trial::with(context, tools, |trial, _, _| {
        let mut tried = trial.coupling();
        let mut left = Vec::new();
        for part in plan.parts.iter().filter(|part| trial.is_coupled(part.kind)) {
            let class = demand.kinds[part.kind as usize];
            for seat in plan.seats(part) {
                let node = view.topology.order()[seat.position as usize];
                left.extend((0..seat.pods).map(|_| (class, node)));
            }
        }
        loop {
            let before = left.len();
            left.retain(|&(class, node)| {
                let refused = tried.cause(class, node).is_some();
                if !refused {
                    tried.place(class, node);
                }
                refused
            });
            if left.is_empty() || left.len() == before {
                return left.is_empty();
            }
        }
    })
}
