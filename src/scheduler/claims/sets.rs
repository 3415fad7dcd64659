//! Sets of gangs and pods that might go: what they are made of, and what they cost.

use super::pool::Pool;
use crate::cluster::ids::{PodId, ResourceId};
use crate::sharing::{Amounts, Unit};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Gangs that go whole, and pods above minima of others (gang, place among its spare pods).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Set {
    pub(super) whole: Vec<usize>,
    pub(super) spare: Vec<(usize, usize)>,
}

impl Set {
    /// Is nobody in it?
    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.spare.is_empty()
    }

    /// Those of these items whose bits are set.
    pub(super) fn chosen<T: Copy>(items: &[T], mask: u32) -> Vec<T> {
        (0..items.len()).filter(|&at| mask >> at & 1 == 1).map(|at| items[at]).collect()
    }
}

/// What a set costs inside a scope; smaller is better.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost {
    pub(super) gangs: usize,
    pub(super) devices: i64,
    pub(super) pods: usize,
    pub(super) youngest: Reverse<Vec<u32>>,
}

/// The sets of one pool.
pub(super) struct Sets<'a> {
    pub(super) pool: &'a Pool,
    /// The resources that are divided.
    counted: &'a [ResourceId],
    /// Gangs and spare pods by age and name; the last one is the youngest.
    ranks: Ranks,
}

impl<'a> Sets<'a> {
    pub(super) fn new(pool: &'a Pool, counted: &'a [ResourceId]) -> Self {
        Sets { pool, counted, ranks: Ranks::of(pool) }
    }

    pub(super) fn cost(&self, set: &Set) -> Cost {
        let sum = |amounts: &Amounts| -> i64 { self.counted.iter().map(|&it| amounts.get(it)).sum() };
        let gangs = &self.pool.gangs;
        let whole = || set.whole.iter().filter_map(|&at| gangs[at].whole.as_ref());
        let spare = || set.spare.iter().map(|&(at, spare)| &gangs[at].spare[spare]);
        let devices: i64 = whole().map(|whole| sum(&whole.amounts)).sum::<i64>()
            + spare().map(|spare| sum(&spare.amounts)).sum::<i64>();
        let whole_ranks = set.whole.iter().map(|&at| self.ranks.whole[at]);
        let spare_ranks = set.spare.iter().map(|&(at, spare)| self.ranks.spare[at][spare]);
        let mut ages: Vec<u32> = whole_ranks.chain(spare_ranks).collect();
        ages.sort_unstable_by(|a, b| b.cmp(a));
        Cost {
            gangs: set.whole.len(),
            devices,
            pods: whole().map(|whole| whole.pods.len()).sum::<usize>() + set.spare.len(),
            youngest: Reverse(ages),
        }
    }

    /// How much of a resource the set holds.
    pub(super) fn amount(&self, set: &Set, resource: ResourceId) -> i64 {
        let gangs = &self.pool.gangs;
        let whole = set.whole.iter().filter_map(|&at| gangs[at].whole.as_ref());
        let whole: i64 = whole.map(|whole| whole.amounts.get(resource)).sum();
        let spare = set.spare.iter().map(|&(at, spare)| gangs[at].spare[spare].amounts.get(resource));
        whole + spare.sum::<i64>()
    }

    pub(super) fn pods(&self, set: &Set) -> Vec<PodId> {
        let gangs = &self.pool.gangs;
        let whole = set.whole.iter().filter_map(|&at| gangs[at].whole.as_ref()).flat_map(|whole| &whole.pods);
        let spare = set.spare.iter().map(|&(at, spare)| gangs[at].spare[spare].pod);
        whole.copied().chain(spare).collect()
    }

    /// Does each gang keep its minimum, but for those that go whole?
    pub(super) fn is_allowed(&self, set: &Set) -> bool {
        let mut taken: BTreeMap<usize, (usize, BTreeMap<u32, usize>)> = BTreeMap::new();
        for &(at, spare) in &set.spare {
            let (count, roles) = taken.entry(at).or_default();
            *count += 1;
            *roles.entry(self.pool.gangs[at].spare[spare].role).or_default() += 1;
        }
        taken.into_iter().all(|(at, (count, roles))| {
            let gang = &self.pool.gangs[at];
            let most = |role| gang.spare_of_role.get(role).copied().unwrap_or(0);
            count <= gang.spare_most
                && !set.whole.contains(&at)
                && roles.iter().all(|(role, &count)| count <= most(role))
        })
    }

    /// The units that go: of a gang that loses pods above its minimum, those at the end of its walk.
    pub(super) fn units(&self, set: &Set, all: &[Unit]) -> Vec<usize> {
        let gangs = &self.pool.gangs;
        let whole =
            set.whole.iter().filter_map(|&at| gangs[at].whole.as_ref()).flat_map(|whole| &whole.units);
        let mut units: Vec<usize> = whole.copied().collect();
        let mut count: BTreeMap<usize, usize> = BTreeMap::new();
        for &(at, spare) in &set.spare {
            // The unit of a pod like this one, if one is left.
            let taken = count.entry(at).or_default();
            let pod = &gangs[at].spare[spare];
            let fits = |unit: &&usize| all[**unit].amounts == pod.amounts && !units.contains(unit);
            let unit = gangs[at].surplus.iter().find(fits).or_else(|| gangs[at].surplus.get(*taken));
            *taken += 1;
            units.extend(unit.copied());
        }
        units
    }
}

/// The places of gangs, and of spare pods, in the order of age and name.
#[derive(Debug, Default)]
struct Ranks {
    whole: Vec<u32>,
    spare: Vec<Vec<u32>>,
}

impl Ranks {
    fn of(pool: &Pool) -> Ranks {
        let gangs = pool.gangs.iter().enumerate();
        let mut all: Vec<(&str, &str, usize, Option<usize>)> = gangs
            .flat_map(|(at, gang)| {
                let spare = gang.spare.iter().enumerate();
                let spare = spare.map(move |(place, pod)| (&*gang.age, &*pod.name, at, Some(place)));
                std::iter::once((&*gang.age, &*gang.key, at, None)).chain(spare)
            })
            .collect();
        all.sort_unstable();
        let mut ranks = Ranks {
            whole: vec![0; pool.gangs.len()],
            spare: pool.gangs.iter().map(|gang| vec![0; gang.spare.len()]).collect(),
        };
        for ((_, _, at, place), rank) in all.into_iter().zip(0..) {
            match place {
                None => ranks.whole[at] = rank,
                Some(place) => ranks.spare[at][place] = rank,
            }
        }
        ranks
    }
}
