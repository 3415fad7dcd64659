//! Where an item goes: the cell, or the cells, where its tier is lowest, where it touches least that is new, and where it
//! fits best.

use super::Search;
use super::items::{self, Item};
use super::state::{Bit, State};
use crate::placement::cells::lanes::Load;
use crate::placement::demand::Group;
use crate::placement::limits::Limits;
use crate::placement::random::Random;
use crate::placement::rules::CostTerm;
use std::cmp::Reverse;

/// How a construction differs from the plain one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taste {
    /// New cells are chosen at random.
    pub(super) random: bool,
    /// The seed of an order in which cells are tried, and the first one that fits is taken; 0 for the one that fits best.
    pub(super) first_fit: u64,
    /// A candidate is passed over in so many of 64 cases.
    pub(super) blink: usize,
    /// A domain that is to stay empty if that can be.
    pub(super) shunned: Option<u32>,
}

/// What candidates are compared by; less is better.
type Key = (bool, i64, i64, u64, u64);

impl Search<'_, '_> {
    /// Inserts all items, those in front first.
    pub(super) fn construct(&mut self, state: &mut State, front: &mut Vec<u32>, round: usize) {
        let mut order = items::order(self.context, &self.items);
        // Every third one is first fit decreasing.
        let first_fit = if round % 3 == 1 { round as u64 } else { 0 };
        let blink = if round < 2 || first_fit > 0 { 0 } else { 4 };
        let taste = Taste { random: round % 3 == 2, first_fit, blink, shunned: None };
        if round > 0 {
            disturb(&mut self.random, &self.items, &mut order, 30);
        }
        if round % 2 == 1 {
            order.sort_by_key(|&item| !self.items[item as usize].hard);
        }
        order.sort_by_key(|item| front.iter().position(|known| known == item).unwrap_or(usize::MAX));
        let failed = self.insert_all(state, &order, taste);
        for item in failed {
            front.retain(|&known| known != item);
            front.insert(0, item);
        }
    }

    /// Inserts items one by one and returns those that found no place.
    pub(super) fn insert_all(&mut self, state: &mut State, order: &[u32], taste: Taste) -> Vec<u32> {
        let mut rest: u64 = order.iter().map(|&item| self.items[item as usize].weight).sum();
        let mut failed = Vec::new();
        for &item in order {
            if !self.insert(state, item, taste, rest) {
                failed.push(item);
            }
            rest -= self.items[item as usize].weight;
        }
        failed
    }

    /// Inserts an item, as a whole or as far as its group must have it. `rest`: the weight of it and of what comes after it.
    fn insert(&mut self, state: &mut State, item: u32, taste: Taste, rest: u64) -> bool {
        let Item { load, least, .. } = self.items[item as usize];
        let mut bits = self.home(state, item, load, taste, rest);
        if bits.is_none() && least != load && !least.is_none() {
            bits = self.home(state, item, least, taste, rest);
        }
        match bits {
            Some(bits) => state.put(self.context, &self.cells, item, bits),
            None => return false,
        }
        true
    }

    /// The best cells for so much of an item.
    fn home(
        &mut self,
        state: &mut State,
        item: u32,
        load: Load,
        taste: Taste,
        rest: u64,
    ) -> Option<Vec<Bit>> {
        let (context, tree) = (self.context, self.context.tree);
        let group = &context.demand.groups[self.items[item as usize].group as usize];
        let required = group.rule.required.unwrap_or(tree.tier[0]);
        let region = self.region(group, state.enclosing)?;
        let weight = self.cells.weight(load);
        let domains_first = context.place(CostTerm::Domains) < context.place(CostTerm::SubgroupTier);
        let mut best: Option<(Key, u32)> = None;
        let cells = self.cells.inside(context, region);
        self.work += 2 + cells.len() as u64 / 4;
        for at in cells {
            let cell = self.cells.list[at];
            let held = state.load[at].plus(load);
            if !self.cells.lanes.is_within(held, self.cells.rooms.most(cell.form)) {
                continue;
            }
            let around = group.anchor.map_or(cell.domain, |anchor| tree.common(anchor, cell.domain));
            if tree.tier[around as usize] > required {
                continue;
            }
            let tier = group.tier_cost(tree.tier[around as usize]);
            let charge = state.charge(context, &self.cells, at);
            let left = cell.capacity.saturating_sub(state.weight[at]);
            let (first, second) = match charge {
                _ if taste.first_fit > 0 => {
                    (Random(taste.first_fit << 32 | at as u64).below(1 << 16) as u64, at as u64)
                }
                0 => (left.saturating_sub(weight), 0),
                _ if taste.random => (self.random.below(1 << 16) as u64, 0),
                _ => (misfit(self.vacant(state, cell.domain), rest), misfit(left, rest)),
            };
            let shunned = taste.shunned.is_some_and(|domain| tree.is_within(cell.domain, domain));
            let (major, minor) = if domains_first { (charge, tier) } else { (tier, charge) };
            let key = (shunned, major, minor, first, second);
            if best.as_ref().is_some_and(|(known, _)| key >= *known)
                || (taste.blink > 0 && self.random.below(64) < taste.blink)
            {
                continue;
            }
            self.work += 2;
            if self.cells.fits(at, held) {
                best = Some((key, at as u32));
            }
        }
        let single = best.map(|(key, cell)| (key, vec![Bit { cell, load }]));
        // Spread over several cells it may touch less, where no tier is lost by that; and it may fit at all.
        let spread = match single {
            Some(((_, _, charge, ..), _)) if charge == 0 || self.cells.lanes.pods(load) < 2 => None,
            _ => self.spread(state, item, load, region, single.as_ref().map(|&(key, _)| key), taste),
        };
        spread.or(single.map(|(_, bits)| bits))
    }

    /// The domain inside which a group must lie: a part of the enclosing.
    pub(super) fn region(&self, group: &Group, enclosing: u32) -> Option<u32> {
        let tree = self.context.tree;
        let Some(anchor) = group.anchor else { return Some(enclosing) };
        let required = group.rule.required.unwrap_or(tree.tier[0]);
        let home = tree.outermost_within(anchor, required)?;
        Some(if tree.is_within(home, enclosing) { home } else { enclosing })
    }

    /// Room in the outermost domain around a cell that would be touched anew; 0 where it is touched.
    fn vacant(&self, state: &State, domain: u32) -> u64 {
        let tree = self.context.tree;
        let mut vacant = None;
        let mut at = domain;
        while at > 0 && state.inside[at as usize] == 0 {
            vacant = Some(at);
            at = tree.parent[at as usize];
        }
        vacant.map_or(0, |domain| self.capacity[domain as usize])
    }

    /// Spreads so much of an item over several cells of one domain, of those with the lowest tier the one where it touches
    /// least. It must be better than `than`.
    fn spread(
        &mut self,
        state: &mut State,
        item: u32,
        load: Load,
        region: u32,
        than: Option<Key>,
        taste: Taste,
    ) -> Option<Vec<Bit>> {
        let (context, tree) = (self.context, self.context.tree);
        let group = &context.demand.groups[self.items[item as usize].group as usize];
        let required = group.rule.required.unwrap_or(tree.tier[0]);
        let weight = self.cells.weight(load);
        let domains_first = context.place(CostTerm::Domains) < context.place(CostTerm::SubgroupTier);
        let mut homes: Vec<(i64, u64, u32)> = Vec::new();
        for home in tree.inside(region) {
            let around = group.anchor.map_or(home, |anchor| tree.common(anchor, home));
            let several = self.cells.inside(context, home);
            if tree.tier[around as usize] > required || several.len() < 2 {
                continue;
            }
            let tier = group.tier_cost(tree.tier[around as usize]);
            if than.is_some_and(|(_, major, ..)| !domains_first && tier > major) {
                continue;
            }
            self.work += several.len() as u64 / 4;
            let left: u64 =
                several.map(|at| self.cells.list[at].capacity.saturating_sub(state.weight[at])).sum();
            if left >= weight / 2 {
                homes.push((tier, misfit(left, weight), home));
            }
        }
        homes.sort_unstable();
        let mut best: Option<(Key, Vec<Bit>)> = None;
        for (tried, (tier, _, home)) in homes.into_iter().enumerate() {
            let beaten = best.as_ref().is_some_and(|((_, major, minor, ..), _)| {
                if domains_first { *major == 0 } else { tier > *major || *minor == 0 }
            });
            if beaten || tried >= Limits::HOMES {
                break;
            }
            let Some((charge, bits)) = self.fill_up(state, load, home, taste) else { continue };
            let (major, minor) = if domains_first { (charge, tier) } else { (tier, charge) };
            let key = (false, major, minor, 0, 0);
            let known = best.as_ref().map(|&(key, _)| key).or(than);
            if known.is_none_or(|(_, a, b, ..)| (major, minor) < (a, b)) {
                best = Some((key, bits));
            }
        }
        best.map(|(_, bits)| bits)
    }

    /// Distributes a load over the cells of a domain, those first that touch nothing new and have most room. Returns what
    /// that would touch, and leaves the state as it was.
    fn fill_up(&mut self, state: &mut State, load: Load, home: u32, taste: Taste) -> Option<(i64, Vec<Bit>)> {
        let context = self.context;
        let mut open: Vec<usize> = self.cells.inside(context, home).collect();
        let mut rest = load;
        let mut charged = 0;
        let mut bits: Vec<Bit> = Vec::new();
        while !rest.is_none() {
            let weight = self.cells.weight(rest);
            self.work += 1 + open.len() as u64 / 2;
            let key = |&(_, &at): &(usize, &usize)| {
                let cell = &self.cells.list[at];
                let shunned = taste.shunned.is_some_and(|domain| context.tree.is_within(cell.domain, domain));
                let left = cell.capacity.saturating_sub(state.weight[at]);
                let charge = state.charge(context, &self.cells, at);
                (shunned, charge, misfit(self.vacant(state, cell.domain), weight), misfit(left, weight))
            };
            let next = open.iter().enumerate().min_by_key(key).map(|(index, _)| index);
            let Some(next) = next else { break };
            let at = open.swap_remove(next);
            let taken = self.most(state, at, rest);
            if taken.is_none() {
                continue;
            }
            charged += state.charge(context, &self.cells, at);
            let bit = Bit { cell: at as u32, load: taken };
            state.change(context, &self.cells, bit, true);
            bits.push(bit);
            rest = rest.minus(taken);
        }
        for &bit in bits.iter().rev() {
            state.change(context, &self.cells, bit, false);
        }
        rest.is_none().then_some((charged, bits))
    }

    /// As much of a load as a cell takes, the hardest kind first.
    fn most(&mut self, state: &State, at: usize, load: Load) -> Load {
        let lanes = self.cells.lanes;
        let most = self.cells.rooms.most(self.cells.list[at].form);
        let mut taken = Load::NONE;
        for index in 0..self.cells.rooms.order().len() {
            let kind = self.cells.rooms.order()[index];
            let held = state.load[at].plus(taken);
            let mut high = lanes.get(load, kind).min(lanes.get(most, kind) - lanes.get(held, kind));
            let mut low = 0;
            while low < high {
                self.work += 2;
                // All of it first: that is what is asked most often.
                let middle = if low == 0 { high } else { (low + high).div_ceil(2) };
                if self.cells.fits(at, held.plus(lanes.of(kind, middle))) {
                    low = middle;
                } else {
                    high = middle - 1;
                    if low == 0 && high > 1 && self.cells.fits(at, held.plus(lanes.of(kind, high / 2))) {
                        low = high / 2;
                    }
                }
            }
            taken = taken.plus(lanes.of(kind, low));
        }
        taken
    }
}

/// How well room suits a need: the smallest that holds it, or else the largest.
fn misfit(room: u64, need: u64) -> u64 {
    if room >= need { room } else { u64::MAX - room }
}

/// Disturbs the order of items by so many percent of their weight; loose items stay last.
pub(super) fn disturb(random: &mut Random, items: &[Item], order: &mut [u32], percent: usize) {
    let mut keys: Vec<(bool, Reverse<u64>, u32)> = Vec::with_capacity(order.len());
    for &item in order.iter() {
        let Item { loose, weight, .. } = items[item as usize];
        let factor = 100 - percent + random.below(2 * percent + 1);
        keys.push((loose, Reverse(weight * factor as u64), item));
    }
    keys.sort_unstable();
    for (slot, (_, _, item)) in order.iter_mut().zip(keys) {
        *slot = item;
    }
}
