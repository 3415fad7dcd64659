//! Gangs of mixed shapes: a search over which cell takes which subgroup, by ruining a part of a placement and making it
//! again.
//!
//! What is placed is an *item*: a subgroup as a whole, or a few pods that no policy claims. A placement of the search says
//! how many pods of each kind an item has in each cell ([`super::cells`]); nodes come last ([`seating`]).
//!
//! 1. **Starts.** Items are inserted one by one, the heaviest first: each where its tier is lowest, where it touches
//!    least that is new, and then where it fits best ([`insert`]). Later starts disturb the order and the choice of new
//!    domains, by a generator with a fixed seed.
//! 2. **Ruin and recreate.** From the best start on, the items of a cell, a domain or a few at random are taken out and
//!    inserted anew; what is no worse is kept ([`ruin`]). Among equals, fuller cells are better: that empties the others.
//! 3. **Columns**, before that: branch and bound over what each cell takes ([`columns`]), for a third of the budget. If it
//!    comes to an end, the result is proven.
//! 4. It ends where no term can be less (the bounds of [`super::general`]), or after
//!    so many steps; after a part of them ([`Limits::REFUSED`]) where the minima are not met by then.
//!
//! It is a search: what it finds keeps every hard rule, what it does not find may exist.

mod columns;
mod grow;
mod insert;
mod items;
mod ruin;
mod seating;
mod state;

use super::Context;
use super::cells::Cells;
use super::fill::Fill;
use super::limits::Limits;
use super::plan::Plan;
use super::random::Random;
use super::rules::CostTerm;
use super::trial::Trial;
use items::Item;
pub(super) use state::Score;
use state::State;

/// A search over the placements of one gang.
pub(super) struct Search<'c, 'a> {
    context: &'c Context<'a>,
    cells: Cells,
    items: Vec<Item>,
    random: Random,
    /// Room by domain.
    capacity: Vec<u64>,
    /// Steps times [`Limits::STEP`].
    work: u64,
    budget: u64,
    /// Are the minima met by any placement known so far?
    found: bool,
    /// The least `Domains` of placements with the least tiers, if that is proven.
    proven: Option<i64>,
}

impl<'c, 'a> Search<'c, 'a> {
    /// Begins a search with nothing taken. `None` where pods depend on each other's places or differ too much to be
    /// counted by cell.
    pub(super) fn begin(
        context: &'c Context<'a>,
        trial: &Trial<'_, '_>,
        steps: u64,
        found: bool,
    ) -> Option<Self> {
        if trial.is_any_coupled() {
            return None;
        }
        let cells = Cells::new(context, trial)?;
        let items = items::of(context, &cells);
        let budget = steps.saturating_mul(Limits::STEP);
        let mut capacity = vec![0; context.tree.len()];
        for cell in &cells.list {
            capacity[cell.domain as usize] += cell.capacity;
        }
        for domain in (1..capacity.len()).rev() {
            capacity[context.tree.parent[domain] as usize] += capacity[domain];
        }
        Some(Search {
            context,
            cells,
            items,
            random: Random(1),
            capacity,
            work: 0,
            budget,
            found,
            proven: None,
        })
    }

    /// Steps taken so far.
    pub(super) fn steps(&self) -> u64 {
        self.spent() / Limits::STEP
    }

    /// The best placement found inside one of these domains, lowest tier first. `is_least`: no placement has a better score.
    /// `is_settled`: none inside a domain of a higher tier has.
    pub(super) fn run(
        &mut self,
        domains: &[u32],
        is_least: &dyn Fn(&Score) -> bool,
        is_settled: &dyn Fn(&Score) -> bool,
    ) -> Option<(Score, State)> {
        let tree = self.context.tree;
        let mut starts: Vec<(Score, usize, State)> = Vec::new();
        let mut tried = 0;
        for alike in domains.chunk_by(|&a, &b| tree.tier[a as usize] == tree.tier[b as usize]) {
            let best = starts.iter().map(|(score, ..)| score).min();
            if best.is_some_and(|best| is_least(best) || is_settled(best)) {
                break;
            }
            let alike = &alike[..alike.len().min(Limits::SEARCHED)];
            let share = self.left() / 3 / alike.len() as u64;
            for &domain in alike {
                let (score, state) = self.start(domain, self.spent() + share, is_least);
                let done = is_least(&score);
                starts.push((score, tried, state));
                tried += 1;
                if done {
                    break;
                }
            }
        }
        starts.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        if starts.first().is_some_and(|(best, ..)| !is_least(best)) {
            self.branch(domains, &mut starts);
        }
        starts.truncate(if self.proven.is_some() { 1 } else { Limits::DEEPENED });
        let deep = starts.len() as u64;
        let mut best: Option<(Score, State)> = None;
        for (at, (score, _, state)) in (0..).zip(starts) {
            if self.proven.is_some() || best.as_ref().is_some_and(|(known, _)| is_least(known)) {
                best = best.or(Some((score, state)));
                break;
            }
            let share = self.left() / (deep - at);
            let (score, state) = self.improve(score, state, self.spent() + share, is_least);
            if best.as_ref().is_none_or(|(known, _)| score < *known) {
                best = Some((score, state));
            }
        }
        best
    }

    /// `Domains` below which there is no placement with the least tiers, if the search came to an end.
    pub(super) fn proven(&self) -> Option<i64> {
        self.proven
    }

    /// Branch and bound over columns in the domains of the tier of the best start.
    fn branch(&mut self, domains: &[u32], starts: &mut [(Score, usize, State)]) {
        let Context { tree, demand, rules, .. } = *self.context;
        let tracked = [CostTerm::SubgroupTier, CostTerm::GangTier, CostTerm::Domains];
        let order: Vec<CostTerm> =
            rules.order.iter().copied().filter(|term| tracked.contains(term)).collect();
        let Some((best, ..)) = starts.first() else { return };
        if order.len() < 3 || order[2] != CostTerm::Domains || !best.is_enough() || best.out > 0 {
            return;
        }
        let Some(around) = starts[0].2.gang(self.context) else { return };
        let tier = tree.tier[around as usize];
        let alike: Vec<u32> =
            domains.iter().copied().filter(|&domain| tree.tier[domain as usize] == tier).collect();
        // Columns are about placements with every subgroup in a lowest domain: is that what the least tiers come to?
        let lowest = demand.groups.iter().map(|group| group.tier_cost(tree.tiers[0])).sum::<i64>();
        let subgroups = order.iter().position(|&term| term == CostTerm::SubgroupTier).unwrap_or(0);
        let mut exhausted = demand.rule.preferred.is_none()
            && alike.len() <= Limits::SEARCHED
            && best.terms[subgroups] == demand.settled_tiers + lowest;
        let share = self.left() / 3 / alike.len().max(1) as u64;
        for &domain in alike.iter().take(Limits::SEARCHED) {
            let columns = self.columns(domain, starts[0].0.terms[2], self.spent() + share);
            exhausted &= columns.exhausted;
            if let Some(state) = columns.found {
                let score = state.score(self.context, &self.cells, &self.items);
                if score < starts[0].0 {
                    starts[0] = (score, starts[0].1, state);
                }
            }
        }
        self.proven = exhausted.then_some(starts[0].0.terms[2]);
    }

    /// The placement with nodes.
    pub(super) fn plan(&mut self, fill: &Fill, state: &State) -> Plan {
        seating::seat(self.context, &mut self.cells, &self.items, fill, state)
    }

    fn spent(&self) -> u64 {
        self.work + self.cells.rooms.work
    }

    /// What is left to spend: less, as long as nothing is found.
    fn left(&self) -> u64 {
        let all = if self.found { self.budget } else { self.budget / Limits::REFUSED };
        all.saturating_sub(self.spent())
    }

    /// The best of several constructions inside a domain.
    fn start(&mut self, domain: u32, until: u64, is_least: &dyn Fn(&Score) -> bool) -> (Score, State) {
        let empty = State::new(self.context, &self.cells, &self.items, domain);
        let mut best = (empty.score(self.context, &self.cells, &self.items), empty.clone());
        let mut front = Vec::new();
        for round in 0..Limits::STARTS {
            let mut state = empty.clone();
            self.construct(&mut state, &mut front, round);
            self.grow(&mut state);
            let score = state.score(self.context, &self.cells, &self.items);
            if score < best.0 {
                best = (score, state);
                self.found |= best.0.is_enough();
            }
            if is_least(&best.0) || (self.spent() > until && round + 1 >= Limits::LEAST_STARTS) {
                break;
            }
        }
        best
    }
}
