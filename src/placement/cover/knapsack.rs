//! Several staircases side by side: a knapsack over costs.

use super::layout::Layout;
use super::staircase::{self, Step, THINNED, push, side_by_side, thin};

/// Costs up to which the knapsack is an array by cost.
const DENSE: i64 = 1 << 15;

/// Cells up to which all rows are kept as they are.
const CELLS: usize = 1 << 20;

/// Elementary steps for one decision beyond which staircases are thinned; far beyond what real clusters need.
const WORK_LIMIT: usize = 1 << 26;

/// The staircases of the first 0, 1, 2, ... items of a layout.
#[derive(Debug, Default)]
pub(super) struct Knapsack {
    /// Units are small in most gangs, and arrays of small numbers are added and compared many at a time.
    narrow: Rows<i16>,
    wide: Rows<u32>,
    sparse: Vec<Vec<Step>>,
    kind: Kind,
    by_units: Vec<(u32, usize)>,
    /// Elementary steps since the decision began.
    pub(super) work: usize,
    /// Was any staircase thinned?
    pub(super) thinned: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    Narrow,
    Wide,
    #[default]
    Sparse,
}

/// Most units by cost, one row per number of items.
#[derive(Debug, Default)]
struct Rows<T> {
    cells: Vec<T>,
    starts: Vec<usize>,
}

/// A number of units.
trait Unit: Copy + Ord {
    fn of(units: u32) -> Self;
    fn units(self) -> u32;
    fn plus(self, other: Self) -> Self;
}

impl Unit for i16 {
    fn of(units: u32) -> Self {
        i16::try_from(units).unwrap_or(i16::MAX)
    }

    fn units(self) -> u32 {
        u32::from(self.unsigned_abs())
    }

    #[inline]
    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

impl Unit for u32 {
    fn of(units: u32) -> Self {
        units
    }

    fn units(self) -> u32 {
        self
    }

    #[inline]
    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

impl Knapsack {
    /// Combines the items of a layout, up to `limit` units.
    pub(super) fn run(&mut self, layout: &Layout, limit: u32) {
        let base = layout.base.min(u64::from(limit)) as u32;
        let bound = self.upper_bound(base, layout, limit);
        let choices: usize = layout.items.iter().map(|item| layout.steps(item).len()).sum();
        let narrow = i16::try_from(limit).is_ok();
        let work = (bound.max(0) as usize).saturating_mul(choices) / if narrow { 8 } else { 1 };
        let cells = (bound.max(0) as usize + 1).saturating_mul(layout.items.len() + 1);
        let dense = bound <= DENSE && self.work + work <= WORK_LIMIT && cells <= CELLS.max(work / 4);
        self.kind = match dense {
            true if narrow => Kind::Narrow,
            true => Kind::Wide,
            false => Kind::Sparse,
        };
        match self.kind {
            Kind::Narrow => self.narrow.run(layout, base, limit, bound as usize),
            Kind::Wide => self.wide.run(layout, base, limit, bound as usize),
            Kind::Sparse => return self.run_sparse(layout, base, limit),
        }
        self.work += work;
    }

    /// The most units that the first `items` items have at no more than a cost.
    pub(super) fn reach(&self, items: usize, cost: i64) -> u32 {
        match self.kind {
            Kind::Narrow => self.narrow.reach(items, cost),
            Kind::Wide => self.wide.reach(items, cost),
            Kind::Sparse => staircase::reach(&self.sparse[items], cost),
        }
    }

    /// The least cost of the most units.
    pub(super) fn cost(&self) -> i64 {
        match self.kind {
            Kind::Narrow => self.narrow.cost(),
            Kind::Wide => self.wide.cost(),
            Kind::Sparse => self.sparse.last().and_then(|steps| steps.last()).map_or(0, |step| step.cost),
        }
    }

    /// Appends the staircase of all items.
    pub(super) fn steps(&self, out: &mut Vec<Step>) {
        match self.kind {
            Kind::Narrow => self.narrow.steps(out),
            Kind::Wide => self.wide.steps(out),
            Kind::Sparse => out.extend(self.sparse.last().into_iter().flatten()),
        }
    }

    fn run_sparse(&mut self, layout: &Layout, base: u32, limit: u32) {
        self.sparse.clear();
        let mut steps = vec![Step { cost: 0, units: base }];
        for item in &layout.items {
            self.sparse.push(steps.clone());
            let item = layout.steps(item);
            // sorting makes a step here about sixteen times as dear
            let work = 16 * steps.len() * item.len();
            if self.work + work > WORK_LIMIT && steps.len() > THINNED {
                self.thinned = true;
                thin(&mut steps);
            }
            self.work += work;
            steps = side_by_side(&steps, item, limit);
        }
        self.sparse.push(steps);
    }

    /// A cost that surely suffices: the items with the most units first, the last one only as far as needed.
    fn upper_bound(&mut self, base: u32, layout: &Layout, limit: u32) -> i64 {
        let items = layout.items.iter().enumerate();
        self.by_units.clear();
        self.by_units
            .extend(items.filter_map(|(at, item)| layout.steps(item).last().map(|step| (step.units, at))));
        self.by_units.sort_unstable_by_key(|&(units, at)| (std::cmp::Reverse(units), at));
        let (mut cost, mut units) = (0i64, base);
        for &(_, at) in &self.by_units {
            if units >= limit {
                break;
            }
            let steps = layout.steps(&layout.items[at]);
            let enough = steps.partition_point(|step| units.saturating_add(step.units) < limit);
            if let Some(step) = steps.get(enough) {
                return cost + step.cost;
            }
            let last = steps[steps.len() - 1];
            cost += last.cost;
            units = units.saturating_add(last.units);
        }
        cost
    }
}

impl<T: Unit> Rows<T> {
    fn run(&mut self, layout: &Layout, base: u32, limit: u32, bound: usize) {
        let limit = T::of(limit);
        self.starts.clear();
        self.cells.clear();
        self.starts.push(0);
        self.cells.resize(bound + 1, T::of(base));
        for item in &layout.items {
            let start = *self.starts.last().unwrap_or(&0);
            let end = self.cells.len();
            // What costs more than the cheapest way to have enough is of no use.
            let enough = self.cells[start..end].partition_point(|&units| units < limit);
            self.cells.truncate((start + enough + 1).min(end));
            let end = self.cells.len();
            self.cells.extend_from_within(start..end);
            self.starts.push(end);
            let (before, next) = self.cells.split_at_mut(end);
            let now = &before[start..];
            for step in layout.steps(item) {
                let Some(keep) = now.len().checked_sub(step.cost as usize).filter(|&keep| keep > 0) else {
                    break;
                };
                let units = T::of(step.units);
                for (to, &from) in next[step.cost as usize..].iter_mut().zip(&now[..keep]) {
                    *to = (*to).max(from.plus(units).min(limit));
                }
            }
        }
        let start = *self.starts.last().unwrap_or(&0);
        let end = self.cells.len();
        let enough = self.cells[start..end].partition_point(|&units| units < limit);
        self.cells.truncate((start + enough + 1).min(end));
    }

    fn row(&self, items: usize) -> &[T] {
        let end = self.starts.get(items + 1).copied().unwrap_or(self.cells.len());
        &self.cells[self.starts[items]..end]
    }

    fn reach(&self, items: usize, cost: i64) -> u32 {
        let row = self.row(items);
        match usize::try_from(cost) {
            Ok(cost) => row[cost.min(row.len() - 1)].units(),
            Err(_) => 0,
        }
    }

    fn cost(&self) -> i64 {
        let row = self.row(self.starts.len() - 1);
        let most = row[row.len() - 1];
        row.partition_point(|&units| units < most) as i64
    }

    fn steps(&self, out: &mut Vec<Step>) {
        for (cost, &units) in self.row(self.starts.len() - 1).iter().enumerate() {
            push(out, Step { cost: cost as i64, units: units.units() });
        }
    }
}
