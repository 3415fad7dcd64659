//! Gangs of mixed shapes: a search over which cell takes which subgroup, by ruining a part of a placement and making it
//! again.
//!
//! What is placed is an *item*: a subgroup as a whole, or a few pods that no policy claims. A placement of the search says
//! how many pods of each kind an item has in each cell ([`super::cells`]); nodes come last ([`seating`]).
//!
//! 1. **Table.** The least `Domains` for all items, or for every choice of how many, by dynamic programming over columns
//!    ([`columns`], [`table`]), where each item lies inside one cell. Where nothing else is as good, that ends it.
//! 2. **Starts.** Items are inserted one by one, the heaviest first: each where its tier is lowest, where it touches
//!    least that is new, and then where it fits best ([`insert`]). Later starts disturb the order and the choice of new
//!    domains, by a generator with a fixed seed.
//! 3. **Ruin and recreate.** From the best start on, the items of a cell, a domain or a few at random are taken out and
//!    inserted anew; what is no worse is kept ([`ruin`]). Among equals, fuller cells are better: that empties the others.
//! 4. It ends where no term can be less (the bounds of [`super::general`]), or after
//!    so many steps; after a part of them ([`Limits::REFUSED`]) where the minima are not met by then.
//!
//! It is a search: what it finds keeps every hard rule, what it does not find may exist, unless it is proven.

mod columns;
mod grow;
mod insert;
mod items;
mod ruin;
mod seating;
mod state;
mod table;
mod verdict;

use super::Context;
use super::cells::Cells;
use super::fill::Fill;
use super::limits::Limits;
use super::plan::Plan;
use super::random::Random;
use super::trial::Trial;
use items::Item;
pub(super) use state::Score;
use state::State;
pub(super) use verdict::Verdict;

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
    /// Of these, what tables took.
    tables: u64,
    budget: u64,
    /// Are the minima met by any placement known so far?
    found: bool,
    verdict: Verdict,
    /// Placements to begin with that tables led to.
    begun: Vec<(Score, State)>,
}

impl<'c, 'a> Search<'c, 'a> {
    /// Begins a search with nothing taken. `None` where pods depend on each other's places by more than nodes and cells,
    /// where counts of their devices do not add up, or where they differ too much to be counted by cell.
    pub(super) fn begin(
        context: &'c Context<'a>,
        trial: &Trial<'_, '_>,
        steps: u64,
        found: bool,
    ) -> Option<Self> {
        if trial.is_any_device_coupled() {
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
            tables: 0,
            budget,
            found,
            verdict: Verdict::Unknown,
            begun: Vec::new(),
        })
    }

    /// Steps taken so far.
    pub(super) fn steps(&self) -> u64 {
        self.spent() / Limits::STEP
    }

    /// The best placement found inside one of these domains, lowest tier first; `whole` are all that hold all pods by counts.
    /// `is_least`: no placement has a better score. `is_settled`: none inside a domain of a higher tier has.
    pub(super) fn run(
        &mut self,
        whole: &[u32],
        domains: &[u32],
        is_least: &dyn Fn(&Score) -> bool,
        is_settled: &dyn Fn(&Score) -> bool,
    ) -> Option<(Score, State)> {
        let tree = self.context.tree;
        let known = self.tabulate(whole);
        self.tables = self.spent();
        if self.verdict != Verdict::Unknown {
            return known;
        }
        let mut starts: Vec<(Score, usize, State)> = Vec::new();
        let known = known.into_iter().chain(std::mem::take(&mut self.begun)).enumerate();
        starts.extend(known.map(|(at, (score, state))| (score, at, state)));
        let mut tried = starts.len();
        self.found |= starts.iter().any(|(score, ..)| score.is_enough());
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
        starts.truncate(Limits::DEEPENED);
        let deep = starts.len() as u64;
        let mut best: Option<(Score, State)> = None;
        for (at, (score, _, state)) in (0..).zip(starts) {
            if best.as_ref().is_some_and(|(known, _)| is_least(known)) {
                break;
            }
            // What is left after all of them goes to the best.
            let share = self.left() / (deep - at + 1);
            let (score, state) = self.improve(score, state, self.spent() + share, is_least);
            if best.as_ref().is_none_or(|(known, _)| score < *known) {
                best = Some((score, state));
            }
        }
        let (score, state) = best?;
        let until = self.spent() + self.left();
        Some(self.improve(score, state, until, is_least))
    }

    /// What is proven.
    pub(super) fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The placement with nodes.
    pub(super) fn plan(&mut self, fill: &Fill, state: &State) -> Plan {
        seating::seat(self.context, &mut self.cells, &self.items, fill, state)
    }

    fn spent(&self) -> u64 {
        self.work + self.cells.rooms.work
    }

    /// What is left to spend: less, as long as nothing is found. Tables that proved nothing are no reason to give up sooner.
    fn left(&self) -> u64 {
        let part = self.budget / Limits::REFUSED + self.tables;
        let all = if self.found { self.budget } else { self.budget.min(part) };
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
