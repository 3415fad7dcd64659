//! Which sizes fit into which bins: bin packing with bins of several sizes, decided exactly within a budget.
//!
//! Bins of one capacity are alike, and so are items of one size, so only counts matter. First best fit, largest first.
//! If that fails, bins are filled one by one, the smallest first, each with every maximal choice of the sizes that are
//! left; a count that has failed for the bins that remain is remembered.

use super::limits::Limits;
use rustc_hash::FxHashSet;

/// Items of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) size: u32,
    pub(super) count: u32,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packed {
    /// By bin, how many items of each sort.
    Yes(Vec<Vec<u32>>),
    /// No packing exists.
    No,
    /// The budget ran out.
    Unknown,
}

/// Packs all items. `sorts` has sizes above 0, descending; `steps` counts towards `budget`.
pub(super) fn pack(bins: &[u64], sorts: &[Sort], steps: &mut u64, budget: u64) -> Packed {
    if !is_possible(bins, sorts) {
        return Packed::No;
    }
    *steps += bins.len() as u64 / 8 + 1;
    if let Some(packed) = best_fit(bins, sorts) {
        return Packed::Yes(packed);
    }
    if bins.len() * sorts.len() > Limits::PACKING_DEPTH {
        return Packed::Unknown;
    }
    let mut order: Vec<usize> = (0..bins.len()).collect();
    order.sort_unstable_by_key(|&bin| (bins[bin], bin));
    // What all bins from here on hold.
    let mut rest = vec![0u64; bins.len() + 1];
    for at in (0..bins.len()).rev() {
        rest[at] = rest[at + 1] + bins[order[at]];
    }
    let mut search = Search {
        bins,
        order,
        rest,
        sorts,
        failed: FxHashSet::default(),
        chosen: vec![vec![0; sorts.len()]; bins.len()],
        steps,
        budget,
    };
    let mut left: Vec<u32> = sorts.iter().map(|sort| sort.count).collect();
    match search.fill(0, &mut left) {
        Some(true) => Packed::Yes(search.chosen),
        Some(false) => Packed::No,
        None => Packed::Unknown,
    }
}

/// Necessary: room for all together, and, size by size, enough room for the items of at least that size.
fn is_possible(bins: &[u64], sorts: &[Sort]) -> bool {
    let mut count = 0u64;
    let mut total = 0u64;
    for sort in sorts {
        count += u64::from(sort.count);
        total += u64::from(sort.count) * u64::from(sort.size);
        if bins.iter().map(|bin| bin / u64::from(sort.size)).sum::<u64>() < count {
            return false;
        }
    }
    bins.iter().sum::<u64>() >= total
}

/// Largest first, each into the bin that it fills best.
fn best_fit(bins: &[u64], sorts: &[Sort]) -> Option<Vec<Vec<u32>>> {
    let mut left = bins.to_vec();
    let mut packed = vec![vec![0u32; sorts.len()]; bins.len()];
    for (at, sort) in sorts.iter().enumerate() {
        let size = u64::from(sort.size);
        for _ in 0..sort.count {
            let fitting = (0..left.len()).filter(|&bin| left[bin] >= size);
            let bin = fitting.min_by_key(|&bin| (left[bin], bin))?;
            left[bin] -= size;
            packed[bin][at] += 1;
        }
    }
    Some(packed)
}

struct Search<'a> {
    bins: &'a [u64],
    order: Vec<usize>,
    rest: Vec<u64>,
    sorts: &'a [Sort],
    failed: FxHashSet<(usize, Vec<u32>)>,
    chosen: Vec<Vec<u32>>,
    steps: &'a mut u64,
    budget: u64,
}

impl Search<'_> {
    /// Fills the bins from `at` on with what is left; `None` when the budget is gone.
    fn fill(&mut self, at: usize, left: &mut Vec<u32>) -> Option<bool> {
        let need: u64 =
            left.iter().zip(self.sorts).map(|(&left, sort)| u64::from(left) * u64::from(sort.size)).sum();
        if need == 0 {
            for &bin in &self.order[at..] {
                self.chosen[bin].fill(0);
            }
            return Some(true);
        }
        if need > self.rest[at] || self.failed.contains(&(at, left.clone())) {
            return Some(false);
        }
        let slack = self.rest[at] - need;
        let bin = self.order[at];
        let mut choice = vec![0u32; self.sorts.len()];
        match self.choose(at, 0, self.bins[bin], slack, &mut choice, left) {
            Some(false) => {
                self.failed.insert((at, left.clone()));
                Some(false)
            }
            found => found,
        }
    }

    /// Chooses how many items of the sorts from `sort` on go into the bin, as many as possible first; only choices that
    /// leave no room for another item count, and none that wastes more than there is to spare.
    fn choose(
        &mut self,
        at: usize,
        sort: usize,
        room: u64,
        slack: u64,
        choice: &mut Vec<u32>,
        left: &mut Vec<u32>,
    ) -> Option<bool> {
        if sort == self.sorts.len() {
            *self.steps += 1;
            if *self.steps > self.budget {
                return None;
            }
            let fits_more =
                left.iter().zip(self.sorts).any(|(&left, s)| left > 0 && u64::from(s.size) <= room);
            if room > slack || fits_more {
                return Some(false);
            }
            self.chosen[self.order[at]].clone_from(choice);
            return self.fill(at + 1, left);
        }
        let size = u64::from(self.sorts[sort].size);
        let most = (room / size).min(u64::from(left[sort])) as u32;
        for count in (0..=most).rev() {
            choice[sort] = count;
            left[sort] -= count;
            let found = self.choose(at, sort + 1, room - u64::from(count) * size, slack, choice, left);
            left[sort] += count;
            if found != Some(false) {
                return found;
            }
        }
        choice[sort] = 0;
        Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorts(sizes: &[u32]) -> Vec<Sort> {
        let mut sorts: Vec<Sort> = Vec::new();
        let mut sizes = sizes.to_vec();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        for size in sizes {
            match sorts.last_mut() {
                Some(sort) if sort.size == size => sort.count += 1,
                _ => sorts.push(Sort { size, count: 1 }),
            }
        }
        sorts
    }

    #[test]
    fn finds_what_best_fit_misses() {
        // 3 goes to the bin of 4 by best fit, and then the last 2 finds no room.
        let packed = pack(&[5, 4], &sorts(&[3, 2, 2, 2]), &mut 0, 1000);
        assert_eq!(packed, Packed::Yes(vec![vec![1, 1], vec![0, 2]]));
    }

    #[test]
    fn says_when_the_budget_is_gone() {
        let sizes = [7, 7, 6, 6, 5, 5, 4, 4];
        assert_eq!(
            pack(&[11, 11, 11, 11], &sorts(&sizes), &mut 0, 1 << 20),
            Packed::Yes(vec![vec![1, 0, 0, 1], vec![1, 0, 0, 1], vec![0, 1, 1, 0], vec![0, 1, 1, 0],])
        );
        assert_eq!(
            pack(&[10, 10, 9, 9, 9], &sorts(&[6, 6, 5, 5, 5, 5, 4, 4, 4]), &mut 0, 3),
            Packed::Unknown
        );
    }

    fn fits(bins: &mut Vec<u64>, sizes: &[u32]) -> bool {
        let Some((&size, rest)) = sizes.split_first() else { return true };
        (0..bins.len()).any(|bin| {
            let fits = bins[bin] >= u64::from(size);
            if !fits {
                return false;
            }
            bins[bin] -= u64::from(size);
            let found = self::tests::fits(bins, rest);
            bins[bin] += u64::from(size);
            found
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_trying_everything(
            bins in prop::collection::vec(0..12u64, 1..4),
            sizes in prop::collection::vec(1..7u32, 1..7),
        ) {
            let sorts = sorts(&sizes);
            let possible = fits(&mut bins.clone(), &sizes);
            match pack(&bins, &sorts, &mut 0, u64::MAX) {
                Packed::Yes(packed) => {
                    prop_assert!(possible);
                    for (bin, counts) in bins.iter().zip(&packed) {
                        let used: u64 =
                            counts.iter().zip(&sorts).map(|(&n, s)| u64::from(n) * u64::from(s.size)).sum();
                        prop_assert!(used <= *bin);
                    }
                    for (at, sort) in sorts.iter().enumerate() {
                        prop_assert_eq!(packed.iter().map(|counts| counts[at]).sum::<u32>(), sort.count);
                    }
                }
                Packed::No => prop_assert!(!possible),
                Packed::Unknown => prop_assert!(false, "there was no budget to run out"),
            }
        }
    }
}
