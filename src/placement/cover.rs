//! The exact programme for pods of one kind: the fewest domains that hold so many units.
//!
//! A unit is a pod, or a whole subgroup of a fixed size that must lie inside one domain ([`Ground::home`]). For every
//! domain the programme knows a *staircase*: for each cost, the most units that fit inside at that cost, where cost is
//! the sum of charges of the domains touched ([`Tree`]).
//!
//! - Pieces that need no further choice (innermost domains, lone nodes) and cost the same: to touch `m` of them, the
//!   `m` largest are best, whatever the number of units. (Take any choice of `m`; swap the largest piece left out for
//!   the smallest taken: the cost stays, the capacity does not fall.) So a block of racks has the staircase of prefix
//!   sums of its racks, largest first.
//! - Several staircases side by side: a knapsack over costs, `best[c] = max over steps (w, u) of best[c - w] + u`.
//!   It is indexed by cost, not by units, because costs are small (a gang of 1,024 costs about 100) and the inner
//!   loop is then a maximum over short arrays.
//! - Domains of one staircase, however many, are a few items of the knapsack (`alike`).
//! - Domains that the gang touches already are free; capacity without a charge is there from the start.
//!
//! Every step is a real choice and all undominated choices are kept, so the cheapest step with enough units is the
//! optimum, at any size. A domain whose nodes are all equally near ([`Tree::is_lump`]) has one step, which is not even
//! written down. Only where the work would exceed [`WORK_LIMIT`] are staircases thinned, and
//! [`Cover::is_exact`] says so. Among equal costs, choices are heuristic: tight domains are used up first, and the last
//! piece is the smallest that holds the rest.

mod alike;
mod knapsack;
mod layout;
mod staircase;
mod touched;

pub(super) use touched::Touched;

use super::Context;
use super::rules::Packing;
use super::tree::Tree;
use crate::cluster::topology::Tier;
use knapsack::Knapsack;
use layout::{ItemOf, Layout, PieceOf};
use staircase::{Step, push};

/// More units than this are never asked for.
const UNITS: u64 = 1 << 30;

/// What there is to cover with.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) tree: &'a Tree,
    /// Pods that fit, by position.
    pub(super) nodes: &'a [u32],
    /// Pods that fit, by domain.
    pub(super) sums: &'a [u64],
    /// Domains that cost nothing more.
    pub(super) touched: &'a Touched,
    /// Units are this many pods, inside one domain of at most this tier; `None`: single pods.
    pub(super) home: Option<(u32, Tier)>,
    /// Use tight domains up first, or wide ones.
    pub(super) tight: bool,
}

impl<'a> Ground<'a> {
    /// For single pods, with so many slots by position and by domain.
    pub(super) fn of_pods(
        context: &Context<'a>,
        nodes: &'a [u32],
        sums: &'a [u64],
        touched: &'a Touched,
    ) -> Self {
        let tight = context.rules.packing == Packing::Tight;
        Ground { tree: context.tree, nodes, sums, touched, home: None, tight }
    }
}

/// Pods for a place: the nodes directly below a domain, or one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) place: Place,
    pub(super) pods: u32,
}

/// Where pods go before single nodes are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Any of the nodes directly below the domain.
    Own(u32),
    /// The node at a position.
    Node(u32),
}

/// Staircases by domain, for one ground at a time.
#[derive(Debug, Default)]
pub(super) struct Cover {
    limit: u32,
    /// Of domains that are no lumps.
    stairs: Vec<Vec<Step>>,
    done: Vec<bool>,
    filled: Vec<u32>,
    layout: Layout,
    knapsack: Knapsack,
    /// The domain and the units that layout and knapsack are for.
    held: Option<(u32, u32)>,
}

impl Cover {
    /// Starts over for another ground, or another number of units.
    pub(super) fn begin(&mut self, ground: &Ground<'_>, units: u64) {
        let len = ground.tree.len();
        for &domain in &self.filled {
            self.done[domain as usize] = false;
        }
        self.filled.clear();
        if self.stairs.len() < len {
            self.stairs.resize_with(len, Vec::new);
            self.done.resize(len, false);
        }
        self.limit = units.min(UNITS) as u32;
        self.knapsack.work = 0;
        self.knapsack.thinned = false;
        self.held = None;
    }

    /// Were all staircases complete so far?
    pub(super) fn is_exact(&self) -> bool {
        !self.knapsack.thinned
    }

    /// The least cost of holding all units inside the domain, not counting the domain itself and what is around it;
    /// `None` if they do not fit.
    pub(super) fn cost(&mut self, ground: &Ground<'_>, domain: u32) -> Option<i64> {
        let last = if ground.tree.is_lump(domain) {
            Step { cost: 0, units: lump_units(ground, domain, self.limit) }
        } else {
            self.climb(ground, domain);
            *self.stairs[domain as usize].last()?
        };
        (last.units >= self.limit).then_some(last.cost)
    }

    /// Deals all units out inside the domain at the least cost. `false` if they do not fit.
    pub(super) fn deal(&mut self, ground: &Ground<'_>, domain: u32, out: &mut Vec<Share>) -> bool {
        if self.cost(ground, domain).is_none() {
            return false;
        }
        let mut open = vec![(domain, self.limit)];
        while let Some((at, units)) = open.pop() {
            let pods = if is_home(ground, at) { units.saturating_mul(size(ground)) } else { units };
            self.deal_one(ground, at, pods, &mut open, out);
        }
        true
    }

    /// Computes the staircases of a domain and of everything inside.
    fn climb(&mut self, ground: &Ground<'_>, domain: u32) {
        if self.done[domain as usize] {
            return;
        }
        for &at in ground.tree.forks_inside(domain).iter().rev() {
            if !self.done[at as usize] {
                self.stair(ground, at);
                self.done[at as usize] = true;
                self.filled.push(at);
            }
        }
    }

    fn stair(&mut self, ground: &Ground<'_>, domain: u32) {
        let mut steps = std::mem::take(&mut self.stairs[domain as usize]);
        steps.clear();
        let limit = inner_limit(ground, domain, self.limit);
        if ground.sums[domain as usize] > 0 {
            self.layout.fill(ground, domain, &self.stairs, self.limit, limit);
            let base = self.layout.base.min(u64::from(limit)) as u32;
            match &self.layout.items[..] {
                [] => steps.push(Step { cost: 0, units: base }),
                [item] => {
                    steps.push(Step { cost: 0, units: base });
                    for step in self.layout.steps(item) {
                        push(&mut steps, Step { cost: step.cost, units: (base + step.units).min(limit) });
                    }
                }
                _ => {
                    self.knapsack.run(&self.layout, limit);
                    self.knapsack.steps(&mut steps);
                }
            }
            self.held = Some((domain, limit));
        } else {
            steps.push(Step { cost: 0, units: 0 });
        }
        if is_home(ground, domain) {
            let size = size(ground);
            let mut whole: Vec<Step> = vec![Step { cost: 0, units: 0 }];
            for step in &steps {
                let step = Step { cost: step.cost, units: step.units / size };
                if step.cost == 0 { whole[0] = step } else { push(&mut whole, step) }
            }
            steps = whole;
        }
        self.stairs[domain as usize] = steps;
    }

    /// Deals `amount` pods (or units, above the homes) out over what lies directly inside a domain.
    fn deal_one(
        &mut self,
        ground: &Ground<'_>,
        domain: u32,
        amount: u32,
        open: &mut Vec<(u32, u32)>,
        out: &mut Vec<Share>,
    ) {
        if amount == 0 {
            return;
        }
        if ground.tree.is_lump(domain) {
            out.push(Share { place: Place::Own(domain), pods: amount });
            return;
        }
        if self.held != Some((domain, amount)) {
            self.layout.fill(ground, domain, &self.stairs, self.limit, amount);
            if self.layout.items.len() > 1 {
                self.knapsack.run(&self.layout, amount);
            }
            self.held = Some((domain, amount));
        }
        let layout = &self.layout;
        let base = layout.base.min(u64::from(amount)) as u32;
        let mut chosen: Vec<(usize, Step)> = Vec::new();
        if let [item] = &layout.items[..] {
            chosen.extend(layout.steps(item).last().filter(|_| base < amount).map(|&step| (0, step)));
        } else if !layout.items.is_empty() {
            let mut budget = self.knapsack.cost();
            let mut need = amount;
            for (at, item) in layout.items.iter().enumerate().rev() {
                if need <= base {
                    break;
                }
                let fits = |step: &&Step| {
                    step.cost <= budget
                        && self.knapsack.reach(at, budget - step.cost) >= need.saturating_sub(step.units)
                };
                // The step with the most units that leaves the optimum in reach; none if the item is not needed.
                if let Some(&step) = layout.steps(item).iter().rev().find(fits) {
                    budget -= step.cost;
                    need = need.saturating_sub(step.units);
                    chosen.push((at, step));
                }
            }
        }
        self.settle(ground, domain, amount, &chosen, open, out);
    }

    /// Turns chosen steps into shares. What is free goes first; what the steps hold beyond the amount stays in the last
    /// group of pieces, in the piece that fits the rest best.
    fn settle(
        &self,
        ground: &Ground<'_>,
        domain: u32,
        amount: u32,
        chosen: &[(usize, Step)],
        open: &mut Vec<(u32, u32)>,
        out: &mut Vec<Share>,
    ) {
        let (tree, layout) = (ground.tree, &self.layout);
        let mut left = amount;
        let mut take = |units: u32| {
            let taken = units.min(left);
            left -= taken;
            taken
        };
        // Free capacity: own nodes, touched children, touched nodes.
        let mut own = ground.sums[domain as usize];
        let mut extra: Vec<(u32, u32)> = Vec::new();
        for child in tree.children(domain) {
            own -= ground.sums[child as usize];
            if ground.touched.domain(child) || tree.charge[child as usize] == 0 {
                let taken = take(match tree.is_lump(child) {
                    true => lump_units(ground, child, self.limit),
                    false => self.stairs[child as usize][0].units,
                });
                if taken > 0 {
                    extra.push((child, taken));
                }
            }
        }
        if own > 0 && holds_own(ground, domain) {
            if tree.node_charge[domain as usize] == 0 {
                let pods = take(own.min(u64::from(u32::MAX)) as u32);
                if pods > 0 {
                    out.push(Share { place: Place::Own(domain), pods });
                }
            } else {
                let (start, end) = tree.own[domain as usize];
                for position in (start..end).filter(|&position| ground.touched.node(position)) {
                    let pods = take(ground.nodes[position as usize]);
                    if pods > 0 {
                        out.push(Share { place: Place::Node(position), pods });
                    }
                }
            }
        }
        // Domains with choices inside go before groups of pieces, so that slack ends up where it can be fitted.
        let free = extra.len();
        let mut used: Vec<(usize, usize)> = Vec::new();
        for &(at, step) in chosen {
            let ItemOf::Domains(group, many) = layout.items[at].of else { continue };
            let index = used.iter().position(|&(known, _)| known == group).unwrap_or_else(|| {
                used.push((group, 0));
                used.len() - 1
            });
            let from = group + used[index].1;
            used[index].1 += many as usize;
            let each = layout.units_of_one(&layout.items[at], step);
            for &child in &layout.domains[from..from + many as usize] {
                let taken = take(each);
                match extra[..free].iter_mut().find(|(known, _)| *known == child) {
                    Some((_, units)) => *units += taken,
                    None => extra.push((child, taken)),
                }
            }
        }
        for &(at, step) in chosen {
            if let ItemOf::Pieces(start, end) = layout.items[at].of {
                let pieces = &layout.pieces[start..end];
                let count = (step.cost / pieces[0].charge) as usize;
                for piece in &pieces[..count - 1] {
                    place(piece.place(), take(piece.units()), &mut extra, out);
                }
                // Every piece before it is full, so the rest needs exactly one more.
                let held: u64 = pieces[..count - 1].iter().map(|piece| u64::from(piece.units())).sum();
                let rest = take((u64::from(step.units)).saturating_sub(held) as u32);
                let fitting = pieces[count - 1..].partition_point(|piece| piece.units() >= rest);
                let last = if ground.tight && fitting > 0 {
                    // the smallest that holds it, and of equals the first
                    let units = pieces[count + fitting - 2].units();
                    count - 1 + pieces[count - 1..].partition_point(|piece| piece.units() > units)
                } else {
                    count - 1
                };
                place(pieces[last].place(), rest, &mut extra, out);
            }
        }
        debug_assert_eq!(left, 0, "the chosen steps hold the amount");
        open.extend(extra.into_iter().filter(|&(_, units)| units > 0));
    }
}

fn place(piece: PieceOf, units: u32, extra: &mut Vec<(u32, u32)>, out: &mut Vec<Share>) {
    match piece {
        PieceOf::Domain(child) => extra.push((child, units)),
        PieceOf::Node(position) if units > 0 => out.push(Share { place: Place::Node(position), pods: units }),
        PieceOf::Node(_) => {}
    }
}

/// Units that a lump holds, all without further cost.
fn lump_units(ground: &Ground<'_>, domain: u32, limit: u32) -> u32 {
    if !holds_own(ground, domain) {
        return 0;
    }
    let pods = ground.sums[domain as usize].min(u64::from(inner_limit(ground, domain, limit))) as u32;
    if is_home(ground, domain) { pods / size(ground) } else { pods }
}

/// Pods in a unit.
pub(super) fn size(ground: &Ground<'_>) -> u32 {
    ground.home.map_or(1, |(size, _)| size.max(1))
}

/// Are subgroups formed inside this domain (it is the outermost that may hold one)?
pub(super) fn is_home(ground: &Ground<'_>, domain: u32) -> bool {
    ground.home.is_some_and(|(_, tier)| ground.tree.is_outermost_within(domain, tier))
}

/// May pods sit on nodes directly below the domain? Not above the homes, where no subgroup can form.
pub(super) fn holds_own(ground: &Ground<'_>, domain: u32) -> bool {
    ground.home.is_none_or(|(_, tier)| ground.tree.tier[domain as usize] <= tier)
}

/// The most pods that are asked of a domain inside homes, or units above them.
pub(super) fn inner_limit(ground: &Ground<'_>, domain: u32, limit: u32) -> u32 {
    match ground.home {
        Some((size, tier)) if ground.tree.tier[domain as usize] <= tier => {
            limit.saturating_mul(size.max(1)).min(UNITS as u32)
        }
        _ => limit,
    }
}
