//! Branch and bound over columns: which counts of which shapes each cell takes, at every size, ended by its budget.
//!
//! Items of one load are of one *shape*. A *column* of a cell is a choice of how many items of each shape it holds; only
//! choices to which nothing can be added are looked at, and cells of one form have the same ones. Domain by domain, from
//! the inside out, columns are combined into *offers*: counts that fit inside at some charge. An offer that another one
//! covers for no more is dropped (dominance), so no counts are kept twice (memo). In the outermost domain an offer is
//! dropped, too, where what is left of the gang exceeds what the domains to come offer at most for the charge that is left:
//! for each shape alone, and for all of them by weight.
//!
//! It looks at placements only in which every item lies inside one cell, all of them of the lowest tier. Where that is the
//! least sum of tiers, and no rule makes it worth less, that it finds nothing cheaper is proof that there is nothing.

use super::Search;
use super::state::{Bit, State};
use crate::placement::cells::lanes::{Lanes, Load};
use crate::placement::limits::Limits;

/// Counts that fit inside a domain at a charge, and what they are made of.
#[derive(Clone, Copy, Debug)]
struct Offer {
    charge: i64,
    counts: Load,
    made: u32,
}

/// What an offer is made of.
#[derive(Clone, Copy, Debug)]
enum Made {
    Nothing,
    Column { cell: u32, counts: Load },
    Both(u32, u32),
}

/// What came of it.
pub(super) struct Columns {
    /// Cheaper than asked for.
    pub(super) found: Option<State>,
    /// Is there nothing cheaper than that, or than asked for, among placements with the least sum of tiers?
    pub(super) exhausted: bool,
}

struct Branching<'s, 'c, 'a> {
    search: &'s mut Search<'c, 'a>,
    lanes: Lanes,
    /// By shape: the load of an item, and how many of them there are.
    shapes: Vec<(Load, u32)>,
    all: Load,
    made: Vec<Made>,
    below: i64,
    until: u64,
}

impl Search<'_, '_> {
    /// The cheapest placement of all items inside a domain, if its `Domains` is below `below`.
    pub(super) fn columns(&mut self, apex: u32, below: i64, until: u64) -> Columns {
        let unknown = Columns { found: None, exhausted: false };
        let (context, tree) = (self.context, self.context.tree);
        let lowest = |at: usize| {
            let cell = &self.cells.list[at];
            cell.charge == 0 && tree.tier[cell.domain as usize] == tree.tiers[0]
        };
        let whole = |item: &super::Item| {
            item.least == item.load && (!item.loose || self.cells.lanes.pods(item.load) == 1)
        };
        if context.demand.running.is_some()
            || !self.cells.inside(context, apex).all(lowest)
            || !self.items.iter().all(whole)
        {
            return unknown;
        }
        let mut shapes: Vec<(Load, u32)> = Vec::new();
        for item in &self.items {
            match shapes.iter_mut().find(|(load, _)| *load == item.load) {
                Some((_, count)) => *count += 1,
                None => shapes.push((item.load, 1)),
            }
        }
        let counts: Vec<u64> = shapes.iter().map(|&(_, count)| u64::from(count)).collect();
        let Some(lanes) = Lanes::new(&counts).filter(|_| shapes.len() <= Limits::SHAPES) else {
            return unknown;
        };
        let all = (0..).zip(&shapes).fold(Load::NONE, |all, (at, &(_, count))| all.plus(lanes.of(at, count)));
        let mut branching = Branching {
            search: self,
            lanes,
            shapes,
            all,
            made: vec![Made::Nothing],
            below: below.min(Limits::CHARGES),
            until,
        };
        let Some(offers) = branching.outermost(apex) else { return unknown };
        let best = offers.into_iter().filter(|offer| offer.counts == all).min_by_key(|offer| offer.charge);
        let found = best.map(|offer| branching.state(apex, offer));
        let exhausted = (found.is_some() || below <= Limits::CHARGES)
            && self.cells.rooms.is_exact()
            && self.is_confined();
        Columns { found, exhausted }
    }

    /// Does the least sum of tiers keep every subgroup inside one of the lowest domains, if all of them fit into such?
    fn is_confined(&self) -> bool {
        let tree = self.context.tree;
        let Some(&next) = tree.tiers.get(1) else { return true };
        self.context.demand.groups.iter().filter(|group| group.policy.is_some()).all(|group| {
            group.rule.required.is_some_and(|tier| tier < next)
                || group.tier_cost(next) > group.tier_cost(tree.tiers[0])
        })
    }
}

impl Branching<'_, '_, '_> {
    /// Offers of the whole domain: those only that may still become the gang for less than what is known.
    fn outermost(&mut self, apex: u32) -> Option<Vec<Offer>> {
        let tree = self.search.context.tree;
        let around = tree.path[apex as usize];
        let parts = self.parts(apex)?;
        // The most weight, by measure and charge, that the parts from each on offer.
        let width = (self.below - around).max(0) as usize;
        if width == 0 {
            return Some(Vec::new());
        }
        let measures = self.shapes.len() + 1;
        let mut reach = vec![vec![vec![0u64; width]; measures]];
        for part in parts.iter().rev() {
            let after = &reach[reach.len() - 1];
            let mut next = after.clone();
            for offer in part.iter().filter(|offer| offer.charge < width as i64) {
                self.search.work += 1 + width as u64 / 16;
                for (measure, next) in next.iter_mut().enumerate() {
                    let weight = self.weight(measure, offer.counts);
                    for charge in offer.charge as usize..width {
                        next[charge] =
                            next[charge].max(after[measure][charge - offer.charge as usize] + weight);
                    }
                }
            }
            reach.push(next);
        }
        reach.reverse();
        let mut offers = vec![Offer { charge: 0, counts: Load::NONE, made: 0 }];
        for (at, part) in parts.iter().enumerate() {
            let left =
                |measure: usize, counts: Load| self.weight(measure, self.all) - self.weight(measure, counts);
            let mut hopeful: Vec<Offer> = Vec::with_capacity(offers.len());
            for offer in &offers {
                let open = width as i64 - 1 - offer.charge;
                let reaches =
                    |measure| left(measure, offer.counts) <= reach[at][measure][open.max(0) as usize];
                if open >= 0 && (0..measures).all(reaches) {
                    hopeful.push(*offer);
                }
            }
            offers = self.combine(&hopeful, part, width as i64)?;
        }
        offers.iter_mut().for_each(|offer| offer.charge += around);
        Some(offers)
    }

    /// What the domains and the cell directly inside a domain offer, each with its own charge.
    fn parts(&mut self, domain: u32) -> Option<Vec<Vec<Offer>>> {
        let context = self.search.context;
        let tree = context.tree;
        let mut parts = Vec::new();
        for child in tree.children(domain) {
            let inner = self.parts(child)?;
            let mut offers = vec![Offer { charge: 0, counts: Load::NONE, made: 0 }];
            for part in &inner {
                offers = self.combine(&offers, part, self.below)?;
            }
            for offer in offers.iter_mut().filter(|offer| !offer.counts.is_none()) {
                offer.charge += tree.charge[child as usize];
            }
            parts.push(offers);
        }
        let own: Vec<usize> = self
            .search
            .cells
            .inside(context, domain)
            .filter(|&at| self.search.cells.list[at].domain == domain)
            .collect();
        for at in own {
            let mut columns = vec![Offer { charge: 0, counts: Load::NONE, made: 0 }];
            self.column(at, 0, Load::NONE, Load::NONE, &mut columns)?;
            parts.push(columns);
        }
        Some(parts)
    }

    /// All columns of a cell that extend these counts by shapes from `shape` on.
    fn column(
        &mut self,
        at: usize,
        shape: usize,
        load: Load,
        counts: Load,
        columns: &mut Vec<Offer>,
    ) -> Option<()> {
        self.search.work += 2;
        if self.search.spent() > self.until {
            return None;
        }
        let Some(&(each, most)) = self.shapes.get(shape) else {
            let made = self.made.len() as u32;
            if add(&self.lanes, columns, Offer { charge: 0, counts, made }) {
                self.made.push(Made::Column { cell: at as u32, counts });
            }
            return Some(());
        };
        // As many as fit, then fewer, which leaves room for later shapes.
        let mut loads = vec![(load, counts)];
        while loads.len() <= most as usize {
            let (load, counts) = loads[loads.len() - 1];
            let more = load.plus(each);
            if !self.search.cells.fits(at, more) {
                break;
            }
            loads.push((more, counts.plus(self.lanes.of(shape as u32, 1))));
        }
        let fewer = if shape + 1 == self.shapes.len() { 1 } else { loads.len() };
        for (load, counts) in loads.into_iter().rev().take(fewer) {
            self.column(at, shape + 1, load, counts, columns)?;
        }
        Some(())
    }

    /// Offers of both, without those that others cover.
    fn combine(&mut self, these: &[Offer], those: &[Offer], below: i64) -> Option<Vec<Offer>> {
        let mut offers: Vec<Offer> = Vec::new();
        for a in these {
            for b in those {
                self.search.work += 1 + offers.len() as u64 / 8;
                let charge = a.charge + b.charge;
                if charge >= below {
                    continue;
                }
                let made = self.made.len() as u32;
                let counts = self.capped(a.counts, b.counts);
                if add(&self.lanes, &mut offers, Offer { charge, counts, made }) {
                    self.made.push(Made::Both(a.made, b.made));
                }
            }
            if self.search.spent() > self.until {
                return None;
            }
        }
        Some(offers)
    }

    /// Both together, no more than there are.
    fn capped(&self, a: Load, b: Load) -> Load {
        (0..).zip(&self.shapes).fold(Load::NONE, |sum, (shape, &(_, most))| {
            let count = self.lanes.get(a, shape) + self.lanes.get(b, shape);
            sum.plus(self.lanes.of(shape, count.min(most)))
        })
    }

    /// What counts weigh by a measure: one shape alone, or all of them.
    fn weight(&self, measure: usize, counts: Load) -> u64 {
        if measure < self.shapes.len() {
            return u64::from(self.lanes.get(counts, measure as u32));
        }
        let weigh = |(shape, &(load, _)): (u32, &(Load, u32))| {
            self.search.cells.weight(load) * u64::from(self.lanes.get(counts, shape))
        };
        (0..).zip(&self.shapes).map(weigh).sum()
    }

    /// The placement that an offer stands for.
    fn state(&mut self, apex: u32, offer: Offer) -> State {
        let search = &*self.search;
        let mut state = State::new(search.context, &search.cells, &search.items, apex);
        let mut waiting: Vec<Vec<u32>> = self
            .shapes
            .iter()
            .map(|&(load, _)| {
                (0..search.items.len() as u32)
                    .rev()
                    .filter(|&at| search.items[at as usize].load == load)
                    .collect()
            })
            .collect();
        let mut open = vec![offer.made];
        while let Some(made) = open.pop() {
            match self.made[made as usize] {
                Made::Nothing => {}
                Made::Both(a, b) => open.extend([a, b]),
                Made::Column { cell, counts } => {
                    for (shape, waiting) in waiting.iter_mut().enumerate() {
                        for _ in 0..self.lanes.get(counts, shape as u32) {
                            let Some(item) = waiting.pop() else { break };
                            let bit = Bit { cell, load: self.shapes[shape].0 };
                            state.put(search.context, &search.cells, item, vec![bit]);
                        }
                    }
                }
            }
        }
        state
    }
}

/// Adds an offer unless another one covers it for no more, and drops those that it covers.
fn add(lanes: &Lanes, offers: &mut Vec<Offer>, offer: Offer) -> bool {
    let covers = |a: &Offer, b: &Offer| a.charge <= b.charge && lanes.is_within(b.counts, a.counts);
    if offers.iter().any(|known| covers(known, &offer)) {
        return false;
    }
    offers.retain(|known| !covers(&offer, known));
    offers.push(offer);
    true
}
