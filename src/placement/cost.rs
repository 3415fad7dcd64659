//! What a placement costs: the value of each cost term, smaller is better.
//!
//! With *tier* the tier of the innermost domain around some pods (running ones included), and every tier up to the
//! preferred one counting as 0:
//!
//! - `SubgroupTier`: the sum of tiers over the subgroups that a policy claims and that hold a node.
//! - `GangTier`: the tier around the gang.
//! - `Domains`: the charges ([`super::tree`]) of all domains and lone nodes that hold pods of the gang.
//! - `Stranded`: how much room is left in the domain around the gang, `room << 24 | share << 12 | share around`: slots
//!   left for pods of the gang's main class (the one with most pods placed; of equals the one seen first), then the free share of resources there
//!   before the placement, then that of the domain around it; shares in 4095ths. To spread, the slots of the rest of
//!   the cluster and the shares in use take their places.
//! - `NodeScore`: see [`super::nodes`].

use super::demand::tier_cost;
use super::fill::{Fill, Share, WHOLE};
use super::nodes::Scorer;
use super::plan::Plan;
use super::rules::{CostTerm, Packing};
use super::{Context, Scratch};
use std::cmp::Reverse;

/// Slots that count in `Stranded`.
const ROOM: u64 = 1 << 38;

/// Slots by domain before the gang is placed.
pub(super) trait Base {
    /// Slots of a kind in a domain.
    fn slots(&self, kind: usize, domain: u32) -> u64;
}

/// The domain around the gang and the value of each term of the order.
pub(super) fn of_plan(
    context: &Context<'_>,
    scratch: &mut Scratch,
    fill: &Fill,
    base: &impl Base,
    plan: &Plan,
) -> (u32, Vec<i64>) {
    let Context { view, tree, rules, demand, .. } = *context;
    let mut around = demand.running;
    let mut by_group: Vec<Option<u32>> = demand.groups.iter().map(|group| group.anchor).collect();
    for part in &plan.parts {
        let seats = plan.seats(part);
        // Seats are in depth-first order, so the first and the last span them all.
        let (first, last) = (seats[0].position, seats[seats.len() - 1].position);
        let spanned = tree.common(tree.leaf[first as usize], tree.leaf[last as usize]);
        let join = |at: Option<u32>| Some(at.map_or(spanned, |at| tree.common(at, spanned)));
        let group = part.group as usize;
        around = join(around);
        by_group[group] = join(by_group[group]);
    }
    let around = around.unwrap_or(0);
    let by_kind = by_kind(context, plan);
    let main = main(context, plan).unwrap_or(0);
    let cost = rules.order.iter().map(|term| match term {
        CostTerm::SubgroupTier => {
            let tiers = demand.groups.iter().zip(&by_group);
            let tiers = tiers.filter_map(|(group, &at)| Some(group.tier_cost(tree.tier[at? as usize])));
            demand.settled_tiers + tiers.sum::<i64>()
        }
        CostTerm::GangTier => tier_cost(demand.rule, tree.tier[around as usize]),
        CostTerm::Domains => domains(context, scratch, plan),
        CostTerm::Stranded if demand.kinds.is_empty() => 0,
        CostTerm::Stranded => {
            let room = room(rules.packing, base.slots(main, around), base.slots(main, 0), by_kind[main]);
            (room << 24) | shares(context, &fill.of(view, tree, demand.kinds[main]), around)
        }
        CostTerm::NodeScore => node_score(context, scratch, fill, plan, main),
    });
    (around, cost.collect())
}

/// The kind with the most pods placed, of equals that of the class with the lowest id.
pub(super) fn main(context: &Context<'_>, plan: &Plan) -> Option<usize> {
    let by_kind = by_kind(context, plan);
    (0..by_kind.len()).max_by_key(|&kind| (by_kind[kind], Reverse(context.demand.kinds[kind])))
}

/// Pods placed, by kind.
pub(super) fn by_kind(context: &Context<'_>, plan: &Plan) -> Vec<u64> {
    let mut by_kind = vec![0u64; context.demand.kinds.len()];
    for part in &plan.parts {
        by_kind[part.kind as usize] += u64::from(part.pods);
    }
    by_kind
}

/// The slots part of `Stranded`: `placed` pods of the main class go to a domain with so many slots.
pub(super) fn room(packing: Packing, slots: u64, total: u64, placed: u64) -> i64 {
    let left = slots.saturating_sub(placed);
    let room = match packing {
        Packing::Tight => left,
        Packing::Spread => total.saturating_sub(left),
    };
    room.min(ROOM) as i64
}

/// The shares part of `Stranded`.
pub(super) fn shares(context: &Context<'_>, share: &Share<'_>, domain: u32) -> i64 {
    let own = share.of_domain(domain);
    let around = share.of_domain(context.tree.parent[domain as usize]);
    match context.rules.packing {
        Packing::Tight => (own << 12) | around,
        Packing::Spread => ((WHOLE - own) << 12) | (WHOLE - around),
    }
}

fn domains(context: &Context<'_>, scratch: &mut Scratch, plan: &Plan) -> i64 {
    let Context { tree, demand, .. } = *context;
    scratch.marks.begin(tree.len());
    let mut sum = 0;
    let mut last_leaf = u32::MAX;
    let mut enter = |domain: u32| {
        let mut at = domain;
        let mut charge = 0;
        while at > 0 && scratch.marks.mark(at) {
            charge += tree.charge[at as usize];
            at = tree.parent[at as usize];
        }
        charge
    };
    for domain in demand.touched.domains() {
        sum += enter(domain);
    }
    let mut lonely: Vec<u32> = demand.touched.nodes().collect();
    for part in &plan.parts {
        for seat in plan.seats(part) {
            let leaf = tree.leaf[seat.position as usize];
            if leaf != last_leaf {
                sum += enter(leaf);
                last_leaf = leaf;
            }
            if tree.node_charge[leaf as usize] > 0 {
                lonely.push(seat.position);
            }
        }
    }
    lonely.sort_unstable();
    lonely.dedup();
    sum + lonely.iter().map(|&position| tree.node_charge[tree.leaf[position as usize] as usize]).sum::<i64>()
}

fn node_score(context: &Context<'_>, scratch: &mut Scratch, fill: &Fill, plan: &Plan, main: usize) -> i64 {
    let demand = context.demand;
    let Some(&class) = demand.kinds.get(main) else { return 0 };
    let scorer = |class| Scorer::new(context, fill, class);
    let main = scorer(class);
    if let [part] = &plan.parts[..] {
        return scorer(demand.kinds[part.kind as usize]).total(plan.seats(part));
    }
    let nodes = &mut scratch.seats;
    nodes.clear();
    let mut earned = 0i64;
    for part in &plan.parts {
        let scorer = scorer(demand.kinds[part.kind as usize]);
        for seat in plan.seats(part) {
            earned += scorer.preference(seat.position) * i64::from(seat.pods);
        }
        nodes.extend_from_slice(plan.seats(part));
    }
    if !nodes.is_sorted() {
        nodes.sort_unstable();
    }
    nodes.dedup_by(|next, seat| {
        let same = next.position == seat.position;
        if same {
            seat.pods += next.pods;
        }
        same
    });
    nodes.iter().map(|seat| main.cost(seat.position, seat.pods)).sum::<i64>() - earned
}
