//! What no placement of all pods can be below, term by term.
//!
//! The sum of tiers and the gang's tier come from counts ([`Bounds`]). For `Domains`, a *measure* says how much of
//! something each node offers at most and how much all pods take together: pods of one kind, or an amount of a resource.
//! The cheapest domains that offer enough ([`super::super::cover`]) are a lower bound, whatever else the pods ask for. Of a
//! resource, a node offers no more than the largest sum of requests that it holds; and where every subgroup lies inside
//! one of the lowest domains, such a domain offers no more than the largest sum of what subgroups take.

use super::Candidate;
use super::bounds::{Bounds, homes_inside};
use crate::cluster::ids::ResourceId;
use crate::placement::cover::{Cover, Ground};
use crate::placement::demand::{Group, tier_cost};
use crate::placement::limits::Limits;
use crate::placement::rules::CostTerm;
use crate::placement::trial::{self, Trial};
use crate::placement::{Context, Tools, single};

/// Domains times measures up to which a bound is computed.
const COVERS: usize = 256;

/// Amounts up to which sums of requests are told apart; larger ones count as they are.
const SUMS: usize = 1024;

/// Amounts above which a resource is not measured.
const MOST: u64 = 1 << 24;

/// What no placement of all pods can be below.
pub(super) struct LeastCost {
    pods: u64,
    /// Least values; `Domains` that of placements with the least sum of tiers.
    pub(super) terms: Option<[(CostTerm, i64); 3]>,
    /// Places of the terms in the order; `None` where a term without a bound comes before one of them.
    places: Option<[usize; 3]>,
    /// Is there proof that no placement has all pods?
    pub(super) impossible: bool,
}

impl LeastCost {
    pub(super) fn new(context: &Context<'_>, tools: &mut Tools, bounds: &Bounds) -> Self {
        let Context { tree, demand, rules, .. } = *context;
        let mut least = LeastCost { pods: bounds.pods, terms: None, places: None, impossible: false };
        let known = demand.kinds.len() <= Limits::CLASSES && bounds.tiers > i64::MIN;
        if bounds.pods < demand.placeable() || !known {
            return least;
        }
        let Some(&lowest) = bounds.all.first() else { return least };
        let domains = trial::with(context, tools, |trial, cover, _| fewest(context, trial, cover, bounds));
        least.impossible = domains == Fewest::Impossible;
        let Fewest::Least(domains) = domains else { return least };
        least.terms = Some([
            (CostTerm::SubgroupTier, bounds.tiers),
            (CostTerm::GangTier, tier_cost(demand.rule, tree.tier[lowest as usize])),
            (CostTerm::Domains, domains),
        ]);
        let places =
            [CostTerm::SubgroupTier, CostTerm::GangTier, CostTerm::Domains].map(|term| context.place(term));
        let last = places.into_iter().max().unwrap_or(0);
        let others = context.place(CostTerm::Stranded).min(context.place(CostTerm::NodeScore));
        least.places = (last < others && rules.order.len() > last).then_some(places);
        least
    }

    /// Is every term of it the least there can be? Nothing that was not bounded counts before.
    pub(super) fn is_met(&self, best: &Candidate) -> bool {
        let (Some(terms), Some(places)) = (self.terms, self.places) else { return false };
        best.pods == self.pods
            && terms
                .iter()
                .zip(places)
                .all(|(&(_, least), place)| best.cost.get(place).is_some_and(|&cost| cost <= least))
    }
}

/// How much nodes and domains offer at most of what pods take.
struct Measure {
    nodes: Vec<u32>,
    sums: Vec<u64>,
    total: u64,
    /// Does it hold for every placement, rather than for those with the least sum of tiers?
    is_of_all: bool,
}

/// What measures say of placements of all pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fewest {
    /// Nothing: there are too many domains or kinds, or no placement of all has the least sum of tiers.
    Unknown,
    /// The least `Domains` of those with the least sum of tiers.
    Least(i64),
    /// There is none: no domain offers as much as all pods take.
    Impossible,
}

/// A lower bound for `Domains` if all pods are placed.
fn fewest(context: &Context<'_>, trial: &Trial<'_, '_>, cover: &mut Cover, bounds: &Bounds) -> Fewest {
    let Context { tree, demand, .. } = *context;
    let paid: i64 = demand.touched.domains().map(|domain| tree.charge[domain as usize]).sum::<i64>()
        + demand.touched.nodes().map(|p| tree.node_charge[tree.leaf[p as usize] as usize]).sum::<i64>();
    let totals = demand.totals();
    if bounds.all.len() * totals.len() > COVERS {
        return Fewest::Unknown;
    }
    let mut measures: Vec<Measure> = (0..)
        .zip(&totals)
        .map(|(kind, &total)| {
            let slots = trial.slots(kind);
            Measure { nodes: slots.nodes.clone(), sums: slots.sums.clone(), total, is_of_all: true }
        })
        .collect();
    for resource in resources(context) {
        if bounds.all.len() * (measures.len() + 1) <= COVERS {
            measures.extend(of_resource(context, trial, bounds, resource, &totals));
        }
    }
    let (mut least, mut possible): (Option<i64>, bool) = (None, false);
    for &domain in &bounds.all {
        let (mut most, mut enough) = (0, true);
        for measure in &measures {
            let ground = Ground::of_pods(context, &measure.nodes, &measure.sums, &demand.touched);
            cover.begin(&ground, measure.total);
            let cost = cover.cost(&ground, domain);
            if cover.is_exact() {
                // A domain that does not offer enough holds no placement.
                most = most.max(cost.unwrap_or(i64::MAX));
                enough &= cost.is_some() || !measure.is_of_all;
            }
        }
        possible |= enough;
        if most < i64::MAX {
            let cost = paid + single::around(context, domain) + most;
            least = Some(least.map_or(cost, |least| least.min(cost)));
        }
    }
    match least {
        Some(least) => Fewest::Least(least),
        None if possible => Fewest::Unknown,
        None => Fewest::Impossible,
    }
}

/// Resources that several kinds ask for, the extended ones first.
fn resources(context: &Context<'_>) -> Vec<ResourceId> {
    let mut all: Vec<ResourceId> = Vec::new();
    for &class in &context.demand.kinds {
        for &(resource, _) in context.view.classes.get(class).requests.iter().filter(|r| r.1 > 0) {
            if !all.contains(&resource) {
                all.push(resource);
            }
        }
    }
    all.sort_unstable_by_key(|&resource| std::cmp::Reverse(resource));
    all
}

/// What nodes offer of a resource to pods that ask for some of it.
fn of_resource(
    context: &Context<'_>,
    trial: &Trial<'_, '_>,
    bounds: &Bounds,
    resource: ResourceId,
    totals: &[u64],
) -> Option<Measure> {
    let Context { view, tree, demand, .. } = *context;
    let asks = |kind: usize| {
        let requests = &view.classes.get(demand.kinds[kind]).requests;
        requests.iter().find(|request| request.0 == resource).map_or(0, |request| request.1.max(0) as u64)
    };
    let asked: Vec<u64> = (0..totals.len()).map(asks).collect();
    let unit = asked.iter().filter(|&&amount| amount > 0).copied().reduce(gcd)?;
    let coins: Vec<u64> = asked.iter().map(|&amount| amount / unit).collect();
    let total: u64 = coins.iter().zip(totals).map(|(&coin, &total)| coin.saturating_mul(total)).sum();
    if total > MOST {
        return None;
    }
    let of_node = Sums::new(coins.iter().copied());
    let mut nodes = vec![0u32; tree.leaf.len()];
    for (position, offered) in (0..).zip(nodes.iter_mut()) {
        let open =
            (0..).zip(&coins).any(|(kind, &coin)| coin > 0 && trial.slots(kind).nodes[position as usize] > 0);
        if open {
            let free = trial.free(position, resource).max(0) as u64 / unit;
            let supposed = (demand.kinds.iter().zip(&coins))
                .map(|(&class, &coin)| u64::from(trial.room(position, class)) * coin);
            *offered = (of_node.largest(free) + supposed.sum::<u64>()).min(MOST) as u32;
        }
    }
    let takes = |group: &Group| -> u64 {
        demand.counts(group).iter().map(|&(kind, count)| coins[kind as usize] * u64::from(count)).sum()
    };
    // Loose pods go one by one; subgroups as a whole, where the least sum of tiers keeps each inside one lowest domain.
    let lowest = tree.tiers[0];
    let next = tree.tiers.get(1).copied().unwrap_or(u32::MAX);
    let by_rule = |group: &Group| group.rule.required.is_some_and(|tier| tier < next);
    let confined = context.place(CostTerm::SubgroupTier) < context.place(CostTerm::Domains)
        && demand.groups.iter().all(|group| match group.policy {
            None => true,
            Some(_) => {
                group.anchor.is_none()
                    && (by_rule(group)
                        || group.tier_cost(next) > group.tier_cost(lowest)
                            && fits_low(context, trial, bounds, group))
            }
        });
    let of_domain = confined.then(|| {
        let whole = demand.groups.iter().filter(|group| group.policy.is_some()).map(takes);
        let loose = demand.groups.iter().filter(|group| group.policy.is_none());
        let loose = loose.flat_map(|group| demand.counts(group)).map(|&(kind, _)| coins[kind as usize]);
        Sums::new(whole.chain(loose))
    });
    let mut sums = vec![0u64; tree.len()];
    for at in (0..tree.len()).rev() {
        let (start, end) = tree.own[at];
        let own: u64 = nodes[start as usize..end as usize].iter().map(|&offered| u64::from(offered)).sum();
        sums[at] += own;
        if let Some(of_domain) = of_domain.as_ref().filter(|_| tree.is_lump(at as u32)) {
            sums[at] = of_domain.largest(sums[at]);
        }
        if at > 0 {
            let sum = sums[at];
            sums[tree.parent[at] as usize] += sum;
        }
    }
    let is_of_all = !confined || demand.groups.iter().all(|group| group.policy.is_none() || by_rule(group));
    Some(Measure { nodes, sums, total, is_of_all })
}

/// By counts, could the group lie inside one of the lowest domains? Then the least sum of tiers has it there.
fn fits_low(context: &Context<'_>, trial: &Trial<'_, '_>, bounds: &Bounds, group: &Group) -> bool {
    let tree = context.tree;
    let mut homes = bounds.regions.iter().flat_map(|&(_, region)| homes_inside(context, group, region));
    homes.any(|home| {
        let counts = context.demand.counts(group);
        tree.tier[home as usize] == tree.tiers[0]
            && counts.iter().all(|&(kind, count)| trial.slots(kind).sums[home as usize] >= u64::from(count))
    })
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The largest sum of coins, each used any number of times, up to an amount.
struct Sums(Vec<u64>);

impl Sums {
    fn new(coins: impl Iterator<Item = u64>) -> Self {
        let mut coins: Vec<usize> =
            coins.filter(|&coin| coin > 0 && coin < SUMS as u64).map(|c| c as usize).collect();
        coins.sort_unstable();
        coins.dedup();
        let mut largest = vec![0u64; SUMS];
        for at in 1..SUMS {
            let reached = coins.iter().any(|&coin| coin <= at && largest[at - coin] == (at - coin) as u64);
            largest[at] = if reached { at as u64 } else { largest[at - 1] };
        }
        Sums(largest)
    }

    fn largest(&self, amount: u64) -> u64 {
        self.0.get(amount as usize).copied().unwrap_or(amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_requests_leave_rests() {
        let sums = Sums::new([6, 10, 0, 4000].into_iter());
        let largest = [0, 5, 6, 9, 11, 15, 17, 21].map(|amount| sums.largest(amount));
        assert_eq!(largest, [0, 0, 6, 6, 10, 12, 16, 20]);
        assert_eq!(sums.largest(5000), 5000, "large amounts count as they are");
    }
}
