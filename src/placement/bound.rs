//! How little a placement could cost: for each term, an amount that no placement of as many pods goes below.
//!
//! Where the answer is proven, the terms that the proof is about are their own bound: no term can be less while those
//! before it are the least. Elsewhere counts give a bound for each term alone:
//!
//! - `SubgroupTier`: each subgroup in the lowest domain with slots for each of its kinds.
//! - `GangTier`: the lowest domain with slots for all pods of each kind.
//! - `Domains`: what the gang touches already, and the least that one of its kinds needs by itself ([`super::cover`]).
//! - `Stranded`: nothing left over.
//! - `NodeScore`: the fewest nodes for the main class, each with the least share ([`super::floor`]); none where a
//!   preference could make up for it.

use super::cost;
use super::cover::Ground;
use super::demand::tier_cost;
use super::limits::Limits;
use super::nodes::Scorer;
use super::outcome::Proof;
use super::plan::{Plan, Settled};
use super::rules::CostTerm;
use super::{Context, Tools};
use std::collections::BTreeMap;

/// The bounds of a plan's terms, in their order. `None`: there is none.
pub(super) fn of_plan(
    context: &Context<'_>,
    tools: &mut Tools,
    plan: &Plan,
    cost: &[i64],
) -> Vec<Option<i64>> {
    let is_proven = plan.certificate.proof() == Proof::Proven;
    let score = context.place(CostTerm::NodeScore);
    let terms = context.rules.order.iter().zip(cost).enumerate();
    terms
        .map(|(at, (&term, &cost))| {
            let is_settled = match term {
                _ if at >= score => plan.settled == Settled::NodeScore,
                CostTerm::Stranded => plan.settled >= Settled::Stranded,
                _ => true,
            };
            if is_proven && is_settled {
                return Some(cost);
            }
            by_counts(context, tools, plan, term).map(|bound| bound.min(cost))
        })
        .collect()
}

fn by_counts(context: &Context<'_>, tools: &mut Tools, plan: &Plan, term: CostTerm) -> Option<i64> {
    let demand = context.demand;
    if demand.kinds.len() > Limits::CLASSES {
        return None;
    }
    match term {
        CostTerm::SubgroupTier => Some(subgroup_tiers(context, tools, plan)),
        CostTerm::GangTier => {
            let pods = cost::by_kind(context, plan);
            let pods: Vec<(u32, u64)> = (0..).zip(pods).filter(|&(_, pods)| pods > 0).collect();
            let lowest = lowest(context, tools, &pods, |domain| context.may_use(domain))?;
            Some(tier_cost(demand.rule, context.tree.tier[lowest as usize]))
        }
        CostTerm::Domains => Some(domains(context, tools, plan)),
        CostTerm::Stranded => Some(0),
        CostTerm::NodeScore => node_score(context, tools, plan),
    }
}

/// The lowest domain that passes a test and has slots for so many pods of each kind.
fn lowest(
    context: &Context<'_>,
    tools: &mut Tools,
    pods: &[(u32, u64)],
    test: impl Fn(u32) -> bool,
) -> Option<u32> {
    let Context { view, tree, demand, .. } = *context;
    let Tools { slots, overlay, .. } = tools;
    let mut fits: Vec<u32> = tree.by_tier.iter().copied().filter(|&domain| test(domain)).collect();
    for &(kind, pods) in pods {
        let at = slots.ensure(view, tree, demand.kinds[kind as usize], overlay);
        let sums = &slots.get(at).sums;
        fits.retain(|&domain| sums[domain as usize] >= pods);
    }
    fits.first().copied()
}

fn subgroup_tiers(context: &Context<'_>, tools: &mut Tools, plan: &Plan) -> i64 {
    let Context { tree, demand, .. } = *context;
    let mut by_group: BTreeMap<u32, Vec<(u32, u64)>> = BTreeMap::new();
    for part in &plan.parts {
        by_group.entry(part.group).or_default().push((part.kind, u64::from(part.pods)));
    }
    let mut known: BTreeMap<(Option<u32>, Vec<(u32, u64)>), Option<u32>> = BTreeMap::new();
    let mut sum = demand.settled_tiers;
    for (group, pods) in by_group {
        let group = &demand.groups[group as usize];
        let home = *known.entry((group.anchor, pods)).or_insert_with_key(|(anchor, pods)| {
            lowest(context, tools, pods, |domain| anchor.is_none_or(|anchor| tree.is_within(anchor, domain)))
        });
        sum += home.map_or(0, |home| group.tier_cost(tree.tier[home as usize]));
    }
    sum
}

fn domains(context: &Context<'_>, tools: &mut Tools, plan: &Plan) -> i64 {
    let Context { view, tree, demand, .. } = *context;
    let Tools { slots, overlay, cover, .. } = tools;
    let lonely = |position: u32| tree.node_charge[tree.leaf[position as usize] as usize];
    let touched: i64 = demand.touched.domains().map(|domain| tree.charge[domain as usize]).sum::<i64>()
        + demand.touched.nodes().map(lonely).sum::<i64>();
    let more = cost::by_kind(context, plan).into_iter().enumerate().filter(|&(_, pods)| pods > 0);
    let more = more.filter_map(|(kind, pods)| {
        let at = slots.ensure(view, tree, demand.kinds[kind], overlay);
        let slots = slots.get(at);
        let ground = Ground::of_pods(context, &slots.nodes, &slots.sums, &demand.touched);
        cover.begin(&ground, pods);
        cover.cost(&ground, 0).filter(|_| cover.is_exact())
    });
    touched + more.max().unwrap_or(0)
}

fn node_score(context: &Context<'_>, tools: &mut Tools, plan: &Plan) -> Option<i64> {
    let Context { view, tree, demand, .. } = *context;
    let main = cost::main(context, plan)?;
    let Tools { slots, fill, overlay, .. } = tools;
    let mut others = (0..demand.kinds.len()).filter(|&kind| kind != main);
    if others.any(|kind| Scorer::new(context, fill, demand.kinds[kind]).has_preferences()) {
        return None;
    }
    let class = demand.kinds[main];
    let at = slots.ensure(view, tree, class, overlay);
    let slots = slots.get(at);
    let share = fill.of(view, tree, class);
    let (least, widest) = slots.floor.of(tree, &share, fill.epoch(), &slots.nodes, 0)?;
    let bound = Scorer::new(context, fill, class).bound(least, widest, cost::by_kind(context, plan)[main]);
    Some(bound).filter(|&bound| bound > i64::MIN)
}
