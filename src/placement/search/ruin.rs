//! Ruin and recreate: a part of the placement is taken out and inserted anew; what is no worse is kept.

use super::Search;
use super::insert::{Taste, disturb};
use super::state::{Bit, Score, State};
use crate::placement::limits::Limits;

impl Search<'_, '_> {
    /// Betters a placement until no term can be less, or the work is done.
    pub(super) fn improve(
        &mut self,
        score: Score,
        state: State,
        mut until: u64,
        is_least: &dyn Fn(&Score) -> bool,
    ) -> (Score, State) {
        let mut best = (score.clone(), state.clone());
        let (mut score, mut state) = (score, state);
        let flexible = self.items.iter().any(|item| item.least != item.load);
        let mut idle = 0u64;
        while self.spent() < until && !is_least(&best.0) {
            self.work += 8;
            let (ruined, shunned) = self.ruin(&state);
            let before: Vec<(u32, Vec<Bit>)> =
                ruined.iter().map(|&item| (item, state.take_out(self.context, &self.cells, item))).collect();
            let mut order = ruined;
            let percent = [0, 20, 50, 99][self.random.below(4)];
            disturb(&mut self.random, &self.items, &mut order, percent);
            if self.random.below(4) == 0 {
                order.sort_by_key(|&item| !self.items[item as usize].hard);
            }
            let taste = Taste {
                random: self.random.below(4) == 0,
                first_fit: 0,
                blink: [0, 2, 8][self.random.below(3)],
                shunned,
            };
            self.insert_all(&mut state, &order, taste);
            let grown = if flexible { self.grow(&mut state) } else { Vec::new() };
            let next = state.score(self.context, &self.cells, &self.items);
            self.work += self.items.len() as u64 / 4;
            let equal = (next.lacking, next.out, next.terms) == (score.lacking, score.out, score.terms);
            if next <= score || (equal && self.random.below(4) == 0) {
                score = next;
                if score < best.0 {
                    let better =
                        (score.lacking, score.out, score.terms) < (best.0.lacking, best.0.out, best.0.terms);
                    best = (score.clone(), state.clone());
                    if best.0.is_enough() && !self.found {
                        self.found = true;
                        until = self.spent() + self.left() / 2;
                    }
                    idle = if better { 0 } else { idle };
                }
                continue;
            }
            for (item, bits) in grown.into_iter().rev().chain(before) {
                state.take_out(self.context, &self.cells, item);
                state.put(self.context, &self.cells, item, bits);
            }
            idle += 1;
            if idle.is_multiple_of(Limits::IDLE) {
                // Back to the best from wherever equal steps have led.
                (score, state) = best.clone();
            }
        }
        best
    }

    /// Items to take out, those that are not placed among them, and a domain that is to stay empty if that can be.
    fn ruin(&mut self, state: &State) -> (Vec<u32>, Option<u32>) {
        let count = self.items.len();
        let placed: Vec<u32> =
            (0..count as u32).filter(|&item| !state.bits[item as usize].is_empty()).collect();
        let mut out: Vec<bool> = state.bits.iter().map(Vec::is_empty).collect();
        let mut shunned = None;
        let tree = self.context.tree;
        if !placed.is_empty() {
            let some = |search: &mut Self| placed[search.random.below(placed.len())];
            let cell_of = |item: u32| state.bits[item as usize][0].cell as usize;
            let wide: Vec<u32> =
                placed.iter().copied().filter(|&item| state.bits[item as usize].len() > 1).collect();
            let what = self.random.below(8);
            if !wide.is_empty() && self.random.below(2) == 0 {
                // One that lies in several cells, and what fills one of these and another cell: it may come to lie in one.
                let item = wide[self.random.below(wide.len())];
                let own = &state.bits[item as usize];
                let cells = [own[self.random.below(own.len())].cell as usize, cell_of(some(self))];
                out[item as usize] = true;
                for &item in &placed {
                    let here = |bit: &Bit| cells.contains(&(bit.cell as usize));
                    out[item as usize] |= state.bits[item as usize].iter().any(here);
                }
            } else if what < 6 {
                // The emptier one of two cells.
                let cells = [cell_of(some(self)), cell_of(some(self))];
                let left = |&at: &usize| self.cells.list[at].capacity.saturating_sub(state.weight[at]);
                let at = cells.into_iter().max_by_key(left).unwrap_or(0);
                let mut domain = self.cells.list[at].domain;
                if what >= 4 && tree.parent[domain as usize] != 0 {
                    domain = tree.parent[domain as usize];
                }
                for &item in &placed {
                    let here = |bit: &Bit| match what {
                        0..4 => bit.cell as usize == at,
                        _ => tree.is_within(self.cells.list[bit.cell as usize].domain, domain),
                    };
                    out[item as usize] |= state.bits[item as usize].iter().any(here);
                }
                if self.random.below(2) == 0 && domain != state.enclosing {
                    shunned = Some(domain);
                }
                if what % 2 == 1 {
                    let other = cell_of(some(self));
                    for &item in &placed {
                        let here = |bit: &Bit| bit.cell as usize == other;
                        out[item as usize] |= state.bits[item as usize].iter().any(here);
                    }
                }
            }
            for _ in 0..self.random.below(if what < 6 { 3 } else { 6 }) {
                out[some(self) as usize] = true;
            }
        }
        ((0..count as u32).filter(|&item| out[item as usize]).collect(), shunned)
    }
}
