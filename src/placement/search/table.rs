//! The least sum of tiers, and then the least `Domains`, for every number of items of each shape, at any size: dynamic
//! programming over the cells of a domain.
//!
//! The table holds, for each choice of how many items of each shape are to be placed, the least price of the cells so far
//! that hold at least so many. A cell changes it by its columns ([`super::columns`]): what remains after a column is looked
//! up in the table before. On the way into a domain its charge is added, and on the way out each choice is the cheaper of
//! both, with the domain and without. The steps are kept and followed backwards to find who is where.
//!
//! Items lie inside one cell each. Subgroups that may span cells can be *wide*: inside a domain of cells, the table counts
//! their pods, and on the way out pods become subgroups, each tier at a price above that of all domains together.

mod trace;

use super::Search;
use super::columns::{Column, Shape};
use super::state::State;
use crate::placement::cells::lanes::Load;
use crate::placement::demand::tier_cost;
use crate::placement::limits::Limits;
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// Higher than every charge: it does not fit, or adds more tiers than anything that is proven.
const NEVER: u16 = u16::MAX;

/// What a cell, or the way into or out of a domain, does to the table.
#[derive(Clone, Debug)]
enum Step {
    Enter,
    Cell {
        cell: u32,
        charge: u16,
        columns: Rc<Vec<Column>>,
    },
    /// Out of a domain; the table before it, if it may be left out, is at this index. `wide`: what pods may become there.
    Leave {
        before: Option<usize>,
        wide: Vec<Wide>,
    },
}

/// Wide items that pods in a domain may become.
#[derive(Clone, Debug)]
struct Wide {
    column: Column,
    price: u16,
    /// Index of their pods.
    pods: usize,
}

/// The tables of a domain.
pub(super) struct Table<'s> {
    pub(super) shapes: &'s [Shape],
    /// Shapes that are pods of wide items; they come first.
    spare: usize,
    enclosing: u32,
    strides: Vec<usize>,
    /// Choices, apart from pods of wide items.
    size: usize,
    /// What one tier is worth.
    unit: i64,
    steps: Vec<Step>,
    /// One more than steps: each step lies between two of them.
    layers: Vec<Vec<u16>>,
    /// By shape, the most that the cells so far hold.
    reach: Vec<usize>,
    /// Columns by form.
    columns: FxHashMap<u32, Rc<Vec<Column>>>,
}

impl<'s> Table<'s> {
    /// Fills the table of a domain; `None` where it would be too large, or cells differ in tier.
    pub(super) fn fill(search: &mut Search<'_, '_>, shapes: &'s [Shape], enclosing: u32) -> Option<Self> {
        let context = search.context;
        let tree = context.tree;
        let inside = search.cells.inside(context, enclosing);
        let mut cells = search.cells.list[inside.clone()].iter();
        if !cells.all(|cell| cell.charge == 0 && tree.tier[cell.domain as usize] == tree.tiers[0]) {
            return None;
        }
        let mut strides = vec![1usize; shapes.len()];
        for shape in (1..shapes.len()).rev() {
            strides[shape - 1] = strides[shape].saturating_mul(shapes[shape].most + 1);
        }
        let spare = shapes.iter().take_while(|shape| shape.is_spare()).count();
        let size = strides.get(spare)?.saturating_mul(shapes[spare].most + 1);
        let all = strides.first()?.saturating_mul(shapes.first()?.most + 1);
        if all.saturating_mul(inside.len().max(1)) > Limits::TABLE {
            return None;
        }
        let mut columns = FxHashMap::default();
        let mut work = 0;
        for at in inside {
            let form = search.cells.list[at].form;
            let known = match columns.get(&form) {
                Some(known) => known,
                None => {
                    let own = Rc::new(search.columns(shapes, form)?);
                    columns.entry(form).or_insert(own)
                }
            };
            work += (known.len() * all) as u64;
            if search.spent() + work / Limits::TABLE_ENTRIES > search.budget / Limits::TABLE_SHARE {
                return None;
            }
        }
        search.work += work / Limits::TABLE_ENTRIES;
        let charges: i64 =
            tree.inside(enclosing).map(|domain| tree.charge[domain as usize].min(1 << 16)).sum();
        if charges >= i64::from(NEVER) {
            return None;
        }
        let mut first = vec![NEVER; size];
        first[0] = 0;
        let mut table = Table {
            shapes,
            spare,
            enclosing,
            strides,
            size,
            unit: charges + 1,
            steps: Vec::new(),
            layers: vec![first],
            reach: vec![0; shapes.len()],
            columns,
        };
        let state = State::new(context, &search.cells, &search.items, enclosing);
        match table.spans(search, enclosing) {
            true => table.enter(search, &state, enclosing, None)?,
            false => table.domain(search, &state, enclosing)?,
        }
        Some(table)
    }

    /// Can items be wide in this domain? Several cells, and nothing but cells or domains of one cell inside.
    fn spans(&self, search: &Search<'_, '_>, domain: u32) -> bool {
        let (context, tree) = (search.context, search.context.tree);
        self.spare > 0
            && search.cells.inside(context, domain).len() > 1
            && tree.children(domain).all(|child| search.cells.inside(context, child).len() < 2)
    }

    /// Adds what lies inside a domain, apart from its charge.
    fn domain(&mut self, search: &Search<'_, '_>, state: &State, domain: u32) -> Option<()> {
        let context = search.context;
        let tree = context.tree;
        let mut children: Vec<(u64, u32)> =
            tree.children(domain).map(|child| (search.capacity[child as usize], child)).collect();
        // The roomiest last: of equals, those in front are used.
        children.sort_unstable();
        for (_, child) in children {
            let mut cells = search.cells.inside(context, child);
            match cells.len() {
                0 => {}
                1 => {
                    let cell = cells.next()?;
                    let mut charge = 0;
                    let mut at = search.cells.list[cell].domain;
                    while at != domain {
                        charge += if state.is_touched(at) { 0 } else { tree.charge[at as usize] };
                        at = tree.parent[at as usize];
                    }
                    self.cell(search, cell, charge)?;
                }
                _ => {
                    let charge = if state.is_touched(child) { 0 } else { tree.charge[child as usize] };
                    self.enter(search, state, child, Some(charge))?;
                }
            }
        }
        let own: Vec<usize> = (search.cells.inside(context, domain))
            .filter(|&at| search.cells.list[at].domain == domain)
            .collect();
        own.into_iter().try_for_each(|cell| self.cell(search, cell, 0))
    }

    /// Goes through a domain. `charge`: what it costs, if it may be left out.
    fn enter(
        &mut self,
        search: &Search<'_, '_>,
        state: &State,
        domain: u32,
        charge: Option<i64>,
    ) -> Option<()> {
        let before = self.layers.len() - 1;
        let by = u16::try_from(charge.unwrap_or(0)).ok()?;
        let mut entered: Vec<u16> =
            self.layers[before].iter().map(|&least| least.saturating_add(by)).collect();
        let spans = self.spans(search, domain);
        if spans {
            entered.resize(self.strides[0] * (self.shapes[0].most + 1), NEVER);
            self.reach[..self.spare].fill(0);
        }
        self.push(Step::Enter, entered);
        self.domain(search, state, domain)?;
        let inner = &self.layers[self.layers.len() - 1];
        let mut left = inner[..self.size].to_vec();
        if charge.is_some() {
            left.iter_mut().zip(&self.layers[before]).for_each(|(with, &without)| *with = without.min(*with));
        }
        let wide = if spans { self.wide(search, domain) } else { Vec::new() };
        for Wide { column, price, pods } in &wide {
            for (shape, reach) in self.reach.iter_mut().enumerate() {
                *reach = (*reach + column[shape] as usize).min(self.shapes[shape].most);
            }
            self.lower(column, *price, self.spare, (0, *pods), inner, &mut left);
        }
        self.reach[..self.spare].fill(0);
        self.push(Step::Leave { before: charge.map(|_| before), wide }, left);
        Some(())
    }

    /// What pods in a domain may become: up to [`Limits::WIDE`] subgroups.
    fn wide(&self, search: &Search<'_, '_>, domain: u32) -> Vec<Wide> {
        let tree = search.context.tree;
        let lanes = search.cells.lanes;
        let tier = tree.tier[domain as usize];
        let mut all = vec![(vec![0u32; self.shapes.len()], 0i64, Load::NONE)];
        for shape in self.spare..self.shapes.len() {
            let Shape { load, rule, wide, items, .. } = &self.shapes[shape];
            if !*wide || rule.required.is_some_and(|required| required < tier) {
                continue;
            }
            let more = tier_cost(*rule, tier) - tier_cost(*rule, tree.tiers[0]);
            for at in 0..all.len() {
                let (mut column, mut price, mut sum) = all[at].clone();
                while column.iter().sum::<u32>() < Limits::WIDE && column[shape] < items.len() as u32 {
                    column[shape] += 1;
                    price += more * self.unit;
                    sum = sum.plus(*load);
                    all.push((column.clone(), price, sum));
                }
            }
        }
        let index = |load: Load| -> Option<usize> {
            let mut index = 0;
            for (shape, stride) in self.shapes[..self.spare].iter().zip(&self.strides) {
                let pods = shape.kind.map_or(0, |kind| lanes.get(load, kind)) as usize;
                if pods > shape.most {
                    return None;
                }
                index += pods * stride;
            }
            Some(index)
        };
        let wide = all.into_iter().skip(1).filter_map(|(column, price, load)| {
            Some(Wide { column, price: u16::try_from(price).ok()?, pods: index(load)? })
        });
        wide.collect()
    }

    fn push(&mut self, step: Step, layer: Vec<u16>) {
        self.steps.push(step);
        self.layers.push(layer);
    }

    /// Adds a cell.
    fn cell(&mut self, search: &Search<'_, '_>, cell: usize, charge: i64) -> Option<()> {
        let columns = Rc::clone(self.columns.get(&search.cells.list[cell].form)?);
        let charge = u16::try_from(charge).ok()?;
        let before = &self.layers[self.layers.len() - 1];
        let spare = if before.len() > self.size { 0 } else { self.spare };
        for (shape, reach) in self.reach.iter_mut().enumerate().skip(spare) {
            let most = columns.iter().map(|column| column[shape] as usize).max().unwrap_or(0);
            *reach = (*reach + most).min(self.shapes[shape].most);
        }
        let mut after = before.clone();
        for column in columns.iter() {
            self.lower(column, charge, spare, (0, 0), before, &mut after);
        }
        self.push(Step::Cell { cell: cell as u32, charge, columns }, after);
        Some(())
    }

    /// Lowers a table by a column, shape by shape: `at` are the indices reached in the table and in the one before.
    fn lower(
        &self,
        column: &[u32],
        charge: u16,
        shape: usize,
        at: (usize, usize),
        before: &[u16],
        after: &mut [u16],
    ) {
        let (count, reach, stride) = (column[shape] as usize, self.reach[shape], self.strides[shape]);
        if shape + 1 < self.shapes.len() {
            for next in 0..=reach {
                let from = (at.0 + next * stride, at.1 + next.saturating_sub(count) * stride);
                self.lower(column, charge, shape + 1, from, before, after);
            }
            return;
        }
        let after = &mut after[at.0..=at.0 + reach];
        let before = &before[at.1..=at.1 + reach];
        let head = count.min(after.len());
        let least = before[0].saturating_add(charge);
        after[..head].iter_mut().for_each(|known| *known = least.min(*known));
        for (known, &rest) in after[head..].iter_mut().zip(before) {
            *known = rest.saturating_add(charge).min(*known);
        }
    }

    /// Tiers above the lowest and charge, for each choice that fits, with its index.
    pub(super) fn least(&self) -> impl Iterator<Item = (usize, (i64, i64))> {
        let last = &self.layers[self.layers.len() - 1];
        let fits = last.iter().enumerate().filter(|&(_, &least)| least < NEVER);
        fits.map(|(at, &least)| (at, (i64::from(least) / self.unit, i64::from(least) % self.unit)))
    }

    /// The same for all items.
    pub(super) fn of_all(&self) -> Option<(i64, i64)> {
        self.least().last().filter(|&(index, _)| index == self.all()).map(|(_, least)| least)
    }

    /// The index for all items.
    pub(super) fn all(&self) -> usize {
        self.size - 1
    }

    /// Tiers above the lowest and charge that no placement is below in which items lie in more than one domain of cells: as if
    /// these took no room, and added two tiers each. `None` where no item can.
    pub(super) fn doubt(&self, search: &Search<'_, '_>) -> Option<(i64, i64)> {
        if self.spare == 0 || self.spans(search, self.enclosing) {
            return None;
        }
        let doubts =
            self.least().filter(|&(index, _)| index != self.all()).filter_map(|(index, (tiers, charge))| {
                let mut out = 0;
                for (shape, count) in self.shapes.iter().zip(self.counts(index)).skip(self.spare) {
                    if count < shape.most && !shape.wide {
                        return None;
                    }
                    out += (shape.most - count) as i64;
                }
                Some((tiers + 2 * out, charge))
            });
        doubts.min()
    }

    /// Items by shape at an index.
    pub(super) fn counts(&self, index: usize) -> Vec<usize> {
        let mut rest = index;
        let count = |&stride: &usize| {
            let count = rest / stride;
            rest %= stride;
            count
        };
        self.strides.iter().map(count).collect()
    }
}
