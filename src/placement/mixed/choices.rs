//! All choices of domains at one cost: as many of the largest under each parent as the cost allows.

use super::{Opened, Search};
use crate::placement::limits::Limits;
use crate::placement::packing::{Packed, pack};
use crate::placement::single::own;
use std::cmp::Reverse;

/// The lowest domains under one parent that cost the same, the largest first.
#[derive(Clone, Debug)]
struct Column {
    parent: u32,
    charge: i64,
    bins: Vec<u32>,
}

impl Search<'_, '_> {
    /// All choices of cost `least..limit`, cheapest first. Notes if it could not look at all of them.
    pub(super) fn enumerate(&mut self, domain: u32, least: i64, limit: i64) -> Option<Opened> {
        let tree = self.ground.tree;
        let mut columns: Vec<Column> = Vec::new();
        let mut free = Vec::new();
        for at in tree.inside(domain) {
            let lump = tree.node_charge[at as usize] == 0;
            if !lump && own(tree, at).any(|position| self.slots.nodes[position as usize] > 0) {
                // Loose pods could use these; choices with them are not enumerated.
                let grouped = self.sorts.iter().map(|s| u64::from(s.count) * u64::from(s.size)).sum::<u64>();
                self.exact &= grouped == self.pods;
            }
            if !lump || self.slots.sums[at as usize] == 0 {
                continue;
            }
            if at == domain || self.ground.touched.domain(at) {
                free.push(at);
                continue;
            }
            let (parent, charge) = (tree.parent[at as usize], tree.charge[at as usize]);
            match columns.iter_mut().find(|column| (column.parent, column.charge) == (parent, charge)) {
                Some(column) => column.bins.push(at),
                None => columns.push(Column { parent, charge, bins: vec![at] }),
            }
        }
        for column in &mut columns {
            column.bins.sort_by_key(|&bin| Reverse(self.slots.sums[bin as usize]));
        }
        columns.sort_by_key(|column| {
            Reverse(column.bins.iter().map(|&bin| self.slots.sums[bin as usize]).sum::<u64>())
        });
        let limit = if limit - least > Limits::MIXED_COSTS || limit > Limits::MIXED_COSTS {
            self.exact = false;
            limit.min(least + Limits::MIXED_COSTS).min(Limits::MIXED_COSTS)
        } else {
            limit
        };
        if limit <= least {
            return None;
        }
        // The most pods that the columns from each on hold at each cost; parents above the columns are not counted, which
        // only makes it more.
        let width = limit as usize;
        let mut reach = vec![vec![0u64; width]];
        for column in columns.iter().rev() {
            let mut next = reach[reach.len() - 1].clone();
            let before = next.clone();
            let mut cost = self.opening(column, domain);
            let mut held = 0;
            for &bin in &column.bins {
                cost += column.charge;
                held += self.slots.sums[bin as usize];
                for at in cost.min(limit)..limit {
                    next[at as usize] = next[at as usize].max(before[(at - cost) as usize] + held);
                }
            }
            reach.push(next);
        }
        reach.reverse();
        let mut choices = Choices {
            search: self,
            domain,
            columns: &columns,
            reach: &reach,
            opened: Vec::new(),
            found: None,
            over: false,
        };
        let held: u64 = free.iter().map(|&bin| choices.search.slots.sums[bin as usize]).sum();
        for cost in least..limit {
            choices.choose(0, cost, held, &mut free.clone());
            if choices.found.is_some() || choices.over {
                break;
            }
        }
        let (found, over) = (choices.found, choices.over);
        self.exact &= !over;
        found
    }

    /// What a column costs before its first bin, what is above its parent left out.
    fn opening(&self, column: &Column, domain: u32) -> i64 {
        let paid = column.parent == domain || self.ground.touched.domain(column.parent);
        if paid { 0 } else { self.ground.tree.charge[column.parent as usize] }
    }
}

/// The enumeration of choices of one cost.
struct Choices<'s, 'c, 'a, 'v> {
    search: &'s mut Search<'c, 'a>,
    domain: u32,
    columns: &'v [Column],
    reach: &'v [Vec<u64>],
    /// Domains above columns that are open, innermost last.
    opened: Vec<u32>,
    found: Option<Opened>,
    over: bool,
}

impl Choices<'_, '_, '_, '_> {
    /// Opens bins of the columns from `at` on for exactly `budget`.
    fn choose(&mut self, at: usize, budget: i64, held: u64, bins: &mut Vec<u32>) {
        if self.found.is_some() || self.over || held + self.reach[at][budget as usize] < self.search.pods {
            return;
        }
        self.search.steps += 1;
        if self.search.steps > self.search.context.rules.search_budget {
            self.over = true;
            return;
        }
        let Some(column) = self.columns.get(at) else {
            if budget == 0 {
                self.pack(bins);
            }
            return;
        };
        let tree = self.search.ground.tree;
        let mut news = Vec::new();
        let mut outer = column.parent;
        let mut cost = 0;
        while outer != self.domain
            && !self.search.ground.touched.domain(outer)
            && !self.opened.contains(&outer)
        {
            cost += tree.charge[outer as usize];
            news.push(outer);
            outer = tree.parent[outer as usize];
        }
        let affordable = if budget < cost { 0 } else { ((budget - cost) / column.charge.max(1)) as usize };
        let before = bins.len();
        for count in (1..=affordable.min(column.bins.len())).rev() {
            bins.extend_from_slice(&column.bins[..count]);
            let more: u64 =
                column.bins[..count].iter().map(|&bin| self.search.slots.sums[bin as usize]).sum();
            let opened = self.opened.len();
            self.opened.extend_from_slice(&news);
            self.choose(at + 1, budget - cost - column.charge * count as i64, held + more, bins);
            self.opened.truncate(opened);
            bins.truncate(before);
        }
        self.choose(at + 1, budget, held, bins);
    }

    fn pack(&mut self, bins: &[u32]) {
        let search = &mut *self.search;
        match pack(
            &search.capacity(bins),
            &search.sorts,
            &mut search.steps,
            search.context.rules.search_budget,
        ) {
            Packed::Yes(packed) => {
                let cost = search.cost(bins, self.domain);
                self.found = Some(Opened { cost, bins: bins.to_vec(), packed, nodes: Vec::new() });
            }
            Packed::No => {}
            Packed::Unknown => self.over = true,
        }
    }
}
