//! Who has to go, of those who may.
//!
//! What is spared comes first: sets are compared by the worst class taken (borrowed before within share before within deserved),
//! then whether a gang is broken at all, the highest priority of a queue that gives, how far away that is in the tree of queues,
//! and the highest priority of a gang that is broken. Each of these is the greatest of a set, so the search opens one *scope* after the
//! other, each with a little more allowed, and looks inside the first in which the gang fits at all. Inside a scope: fewest gangs
//! broken, fewest devices, fewest pods, the youngest, the last by name. Up to [`EXACT`] gangs that may be broken, and as many
//! pods above minima, all sets are looked through in this order; beyond that the cheapest sets that grow one by one, and then
//! everything is given back that can be, the most valuable first. The set that is taken is judged as it is
//! ([`judge`]), and nothing of it can be given back.

use super::pool::{Candidate, Pool, Spare, Whole};
use crate::cluster::Cluster;
use crate::cluster::ids::PodId;
use crate::cluster::requests::quantity;
use crate::placement::{Change, GangRequest, PlacementRules, Placer};
use crate::sharing::entitlement::{Objection, Situation, judge};
use crate::sharing::{Amounts, Class, Unit};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// So many gangs, and so many pods above minima, are looked through exactly.
const EXACT: usize = 16;

/// The solver is asked so often for one claim, at most.
const TRIALS: usize = 3000;

/// What came of it.
#[derive(Debug)]
pub(super) enum Answer {
    /// These go.
    Found(Found),
    /// Nobody goes, and why.
    Refused(String),
}

/// Pods that go.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) pods: Vec<PodId>,
}

/// A search for one claimant.
pub(super) struct Search<'a> {
    cluster: &'a Cluster,
    situation: Situation<'a>,
    claimant: &'a Unit,
    pool: &'a Pool,
    placer: &'a mut Placer,
    rules: &'a PlacementRules,
    request: &'a GangRequest,
    freed: Vec<Change>,
    trials: usize,
    /// What must be freed at least, whatever is idle where.
    lacking: Amounts,
    /// Gangs and spare pods by age and name; the last one is the youngest.
    ranks: Ranks,
    objection: Option<Objection>,
}

/// What may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scope {
    class: Class,
    breaks: bool,
    side_priority: i32,
    distance: u32,
    priority: i32,
}

/// A set: gangs that go whole, and pods above minima of others (gang, place among its spare pods).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Set {
    whole: Vec<usize>,
    spare: Vec<(usize, usize)>,
}

/// What a set costs inside a scope; smaller is better.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    gangs: usize,
    devices: i64,
    pods: usize,
    youngest: Reverse<Vec<u32>>,
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

impl<'a> Search<'a> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        cluster: &'a Cluster,
        situation: Situation<'a>,
        claimant: &'a Unit,
        pool: &'a Pool,
        placer: &'a mut Placer,
        rules: &'a PlacementRules,
        request: &'a GangRequest,
        freed: Vec<Change>,
    ) -> Self {
        let capacity = cluster.view().capacity;
        let mut lacking = claimant.amounts.clone();
        for (resource, _) in claimant.amounts.asked() {
            let idle: i64 = capacity.free_column(resource).iter().map(|&free| free.max(0)).sum();
            lacking.add(resource, idle.saturating_neg());
        }
        for change in &freed {
            if let Change::Gone { class, .. } = *change {
                for &(resource, amount) in &cluster.view().classes.get(class).requests {
                    lacking.add(resource, -amount);
                }
            }
        }
        let ranks = Ranks::of(pool);
        Search {
            cluster,
            situation,
            claimant,
            pool,
            placer,
            rules,
            request,
            freed,
            trials: 0,
            lacking,
            ranks,
            objection: None,
        }
    }

    pub(super) fn run(mut self) -> Answer {
        if self.pool.gangs.is_empty() && self.pool.protected.is_empty() {
            return Answer::Refused(String::new());
        }
        if self.pool.gangs.is_empty() {
            return Answer::Refused(self.nobody());
        }
        let all = self.everything(&Scope::widest());
        if !self.fits(&all) {
            let count = self.pool.gangs.len();
            return Answer::Refused(format!(
                "evicting all {count} gangs that it may take from would not make it fit{}",
                self.protected()
            ));
        }
        let mut last = Set::default();
        for scope in self.scopes() {
            let open = self.everything(&scope);
            if open == last || open == Set::default() {
                continue;
            }
            last = open.clone();
            if self.fits(&open)
                && let Some(found) = self.inside(&scope)
            {
                return Answer::Found(Found { pods: self.pods(&found) });
            }
            if self.trials >= TRIALS {
                break;
            }
        }
        Answer::Refused(match self.trials >= TRIALS {
            true => "the search for gangs that could go was cut short (SearchCutShort)".to_owned(),
            false => self.why_not(),
        })
    }

    /// Scopes in the order in which they are opened.
    fn scopes(&self) -> Vec<Scope> {
        let gangs = &self.pool.gangs;
        let classes = gangs.iter().flat_map(|gang| {
            gang.whole.iter().map(|whole| whole.class).chain(gang.spare.iter().map(|spare| spare.class))
        });
        let classes: BTreeSet<Reverse<Class>> = classes.map(Reverse).collect();
        let sides: BTreeSet<i32> = gangs.iter().map(|gang| gang.side_priority).collect();
        let distances: BTreeSet<u32> = gangs.iter().map(|gang| gang.distance).collect();
        let priorities: BTreeSet<i32> = gangs.iter().map(|gang| gang.priority).collect();
        let mut scopes = Vec::new();
        for &Reverse(class) in &classes {
            for breaks in [false, true] {
                for &side_priority in &sides {
                    for &distance in &distances {
                        for &priority in if breaks { itself(&priorities) } else { last(&priorities) } {
                            scopes.push(Scope { class, breaks, side_priority, distance, priority });
                        }
                    }
                }
            }
        }
        scopes
    }

    /// All that may be taken in a scope: whole gangs, and pods above the minima of the others.
    fn everything(&self, scope: &Scope) -> Set {
        let mut set = Set::default();
        for (at, gang) in self.pool.gangs.iter().enumerate() {
            if scope.whole(gang).is_some() {
                set.whole.push(at);
            } else {
                set.spare.extend(
                    (0..gang.spare.len())
                        .filter(|&spare| scope.spare(gang, spare).is_some())
                        .map(|spare| (at, spare)),
                );
            }
        }
        set
    }

    /// The least set of a scope.
    fn inside(&mut self, scope: &Scope) -> Option<Set> {
        let gangs = &self.pool.gangs;
        let whole: Vec<usize> = (0..gangs.len()).filter(|&at| scope.whole(&gangs[at]).is_some()).collect();
        let spare: usize = gangs
            .iter()
            .map(|gang| (0..gang.spare.len()).filter(|&at| scope.spare(gang, at).is_some()).count())
            .sum();
        if whole.len() <= EXACT && spare <= EXACT { self.exact(scope, &whole) } else { self.grown(scope) }
    }

    /// Looks through all sets.
    fn exact(&mut self, scope: &Scope, whole: &[usize]) -> Option<Set> {
        let mut broken: Vec<(Cost, Set)> = (0u32..1 << whole.len())
            .map(|mask| {
                let chosen = (0..whole.len()).filter(|&at| mask >> at & 1 == 1).map(|at| whole[at]);
                let set = Set { whole: chosen.collect(), spare: Vec::new() };
                (self.cost(&set), set)
            })
            .collect();
        broken.sort();
        let mut best: Option<(Cost, Set)> = None;
        for (cost, set) in broken {
            if let Some((least, _)) = &best
                && (cost.gangs, cost.devices) > (least.gangs, least.devices)
            {
                break;
            }
            if self.trials >= TRIALS {
                break;
            }
            if let Some(found) = self.with_spare(scope, &set) {
                let cost = self.cost(&found);
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, found));
                }
            }
        }
        best.map(|(_, set)| set)
    }

    /// The least pods above minima that are to go beside these gangs.
    fn with_spare(&mut self, scope: &Scope, set: &Set) -> Option<Set> {
        let mut open = set.clone();
        for (at, gang) in self.pool.gangs.iter().enumerate().filter(|(at, _)| !set.whole.contains(at)) {
            open.spare.extend(
                (0..gang.spare.len())
                    .filter(|&spare| scope.spare(gang, spare).is_some())
                    .map(|spare| (at, spare)),
            );
        }
        if !self.could_fit(&open) || !self.fits(&open) {
            return None;
        }
        let items = std::mem::take(&mut open.spare);
        let mut sets: Vec<(Cost, Set)> = (0u32..1 << items.len())
            .filter_map(|mask| {
                let spare = (0..items.len()).filter(|&at| mask >> at & 1 == 1).map(|at| items[at]).collect();
                let set = Set { whole: open.whole.clone(), spare };
                (self.is_allowed(&set) && self.could_fit(&set)).then(|| (self.cost(&set), set))
            })
            .collect();
        sets.sort();
        for (_, set) in sets {
            if self.trials >= TRIALS {
                return None;
            }
            if (!set.whole.is_empty() || !set.spare.is_empty()) && self.will_do(&set) {
                return Some(set);
            }
        }
        None
    }

    /// Takes the cheapest until it fits, and gives back what it can.
    fn grown(&mut self, scope: &Scope) -> Option<Set> {
        enum Item {
            Whole(usize),
            Spare(usize, usize),
        }
        let gangs = &self.pool.gangs;
        let mut items: Vec<(Class, bool, i32, Reverse<String>, Reverse<String>, Item)> = Vec::new();
        for (at, gang) in gangs.iter().enumerate() {
            for (spare, pod) in gang.spare.iter().enumerate() {
                if scope.spare(gang, spare).is_some() {
                    items.push((
                        pod.class,
                        false,
                        gang.priority,
                        Reverse(gang.age.clone()),
                        Reverse(pod.name.clone()),
                        Item::Spare(at, spare),
                    ));
                }
            }
            if let Some(whole) = scope.whole(gang) {
                items.push((
                    whole.class,
                    true,
                    gang.priority,
                    Reverse(gang.age.clone()),
                    Reverse(gang.key.clone()),
                    Item::Whole(at),
                ));
            }
        }
        items.sort_by(|a, b| (Reverse(a.0), a.1, a.2, &a.3, &a.4).cmp(&(Reverse(b.0), b.1, b.2, &b.3, &b.4)));
        let set_of = |search: &Self, taken: &[bool]| {
            let mut set = Set::default();
            for (item, _) in items.iter().zip(taken).filter(|(_, taken)| **taken) {
                match item.5 {
                    Item::Whole(at) => {
                        set.spare.retain(|(gang, _)| *gang != at);
                        set.whole.push(at);
                    }
                    Item::Spare(at, spare) if !set.whole.contains(&at) => {
                        set.spare.push((at, spare));
                        if !search.is_allowed(&set) {
                            set.spare.pop();
                        }
                    }
                    Item::Spare(..) => {}
                }
            }
            set
        };
        let (mut low, mut high) = (0, items.len());
        let first = |count: usize| (0..items.len()).map(|at| at < count).collect::<Vec<bool>>();
        while low < high {
            let middle = low.midpoint(high);
            let set = set_of(self, &first(middle));
            if self.fits(&set) { high = middle } else { low = middle + 1 }
        }
        let mut taken = first(high);
        // Those that may not go beside the others are left out first.
        for _ in 0..items.len() {
            let set = set_of(self, &taken);
            let Err(objection) = self.judge(&set) else { break };
            let victim = match objection {
                Objection::WithinDeserved { victim, .. }
                | Objection::NoBetterClass { victim }
                | Objection::PriorityNotLower { victim }
                | Objection::WorseClass { victim, .. }
                | Objection::GrowthBreaksGang { victim } => Some(victim),
                _ => None,
            };
            let of = |item: &Item| match *item {
                Item::Whole(at) | Item::Spare(at, _) => at,
            };
            let is_of = |at: usize| {
                let gang = &self.pool.gangs[at];
                let whole = gang.whole.iter().flat_map(|whole| &whole.units);
                whole.chain(&gang.surplus).any(|&unit| Some(unit) == victim)
            };
            let at = (0..items.len()).rev().find(|&at| taken[at] && is_of(of(&items[at].5)))?;
            taken[at] = false;
        }
        let set = set_of(self, &taken);
        if !self.will_do(&set) {
            return None;
        }
        let mut found = set;
        for at in (0..items.len()).rev().filter(|&at| at < high) {
            if !taken[at] || self.trials >= TRIALS {
                continue;
            }
            taken[at] = false;
            let set = set_of(self, &taken);
            if self.will_do(&set) {
                found = set;
            } else {
                taken[at] = true;
            }
        }
        Some(found)
    }

    /// Does the claimant fit when the set is gone, and may the set go for it?
    fn will_do(&mut self, set: &Set) -> bool {
        self.could_fit(set)
            && self.pool.budgets.that_forbids(&self.pods(set)).is_none()
            && self.judge(set).map_err(|objection| self.objection = Some(objection)).is_ok()
            && self.fits(set)
    }

    fn judge(&self, set: &Set) -> Result<(), Objection> {
        judge(self.situation, self.claimant, &self.units(set))
    }

    /// Is as much freed as is lacking in the whole cluster, at the best?
    fn could_fit(&self, set: &Set) -> bool {
        let gangs = &self.pool.gangs;
        self.lacking.asked().all(|(resource, lacking)| {
            let whole = set.whole.iter().filter_map(|&at| gangs[at].whole.as_ref());
            let whole: i64 = whole.map(|whole| whole.amounts.get(resource)).sum();
            let spare = set.spare.iter().map(|&(at, spare)| gangs[at].spare[spare].amounts.get(resource));
            whole + spare.sum::<i64>() >= lacking
        })
    }

    fn fits(&mut self, set: &Set) -> bool {
        self.trials += 1;
        let mut changes = self.freed.clone();
        changes.extend(self.pods(set).into_iter().filter_map(|pod| super::gone(self.cluster, pod)));
        let placement = self.placer.suppose(self.cluster.view(), self.request, self.rules, &changes);
        placement.is_ok_and(|placement| !placement.assignments.is_empty())
    }

    /// Does each gang keep its minimum, but for those that go whole?
    fn is_allowed(&self, set: &Set) -> bool {
        let mut taken: BTreeMap<usize, (usize, BTreeMap<u32, usize>)> = BTreeMap::new();
        for &(at, spare) in &set.spare {
            let (count, roles) = taken.entry(at).or_default();
            *count += 1;
            *roles.entry(self.pool.gangs[at].spare[spare].role).or_default() += 1;
        }
        taken.into_iter().all(|(at, (count, roles))| {
            let gang = &self.pool.gangs[at];
            let most = |role| gang.spare_of_role.get(role).copied().unwrap_or(0);
            count <= gang.spare_most && roles.iter().all(|(role, &count)| count <= most(role))
        })
    }

    fn cost(&self, set: &Set) -> Cost {
        let counted = self.situation.shares.counted();
        let sum = |amounts: &Amounts| -> i64 { counted.iter().map(|&resource| amounts.get(resource)).sum() };
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

    fn pods(&self, set: &Set) -> Vec<PodId> {
        let gangs = &self.pool.gangs;
        let whole = set.whole.iter().filter_map(|&at| gangs[at].whole.as_ref()).flat_map(|whole| &whole.pods);
        let spare = set.spare.iter().map(|&(at, spare)| gangs[at].spare[spare].pod);
        whole.copied().chain(spare).collect()
    }

    /// The units that go: of a gang that loses pods above its minimum, those at the end of its walk.
    fn units(&self, set: &Set) -> Vec<usize> {
        let gangs = &self.pool.gangs;
        let whole =
            set.whole.iter().filter_map(|&at| gangs[at].whole.as_ref()).flat_map(|whole| &whole.units);
        let mut units: Vec<usize> = whole.copied().collect();
        let mut count: BTreeMap<usize, usize> = BTreeMap::new();
        for &(at, spare) in &set.spare {
            // The unit of a pod like this one, if one is left.
            let taken = count.entry(at).or_default();
            let pod = &gangs[at].spare[spare];
            let fits =
                |unit: &&usize| self.situation.units[**unit].amounts == pod.amounts && !units.contains(unit);
            let unit = gangs[at].surplus.iter().find(fits).or_else(|| gangs[at].surplus.get(*taken));
            *taken += 1;
            units.extend(unit.copied());
        }
        units
    }

    /// Why nobody may go.
    fn nobody(&self) -> String {
        format!(
            "nobody is evicted for it: no other gang runs that it could take from, beyond what queues deserve or of lower \
             priority in its own queue{}",
            self.protected()
        )
    }

    fn protected(&self) -> String {
        let protected = &self.pool.protected;
        if protected.is_empty() {
            return String::new();
        }
        let named: Vec<String> =
            protected.iter().take(3).map(|(gang, why)| format!("{gang} ({why})")).collect();
        let more = protected.len().saturating_sub(named.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("; {} could go but are protected: {}{more}", protected.len(), named.join(", "))
    }

    fn why_not(&self) -> String {
        let tree = self.situation.tree;
        let name = |queue| &tree.terms(queue).name;
        match self.objection.as_ref() {
            Some(Objection::AboveShare { queue, resource, would_use, share }) => {
                let (queue, resource, would_use, share) = (*queue, *resource, *would_use, *share);
                let text = |amount| quantity(resource, amount).0;
                format!(
                    "nobody is evicted for it: queue {} would use {} of a fair share of {} {} (deserved {})",
                    name(queue),
                    text(would_use),
                    text(share),
                    self.cluster.resources().name(resource),
                    text(tree.terms(queue).deserved.get(resource)),
                )
            }
            Some(Objection::GuaranteeUndercut { queue, .. }) => {
                format!("nobody is evicted for it: queue {} would have less than its guarantee", name(*queue))
            }
            Some(Objection::OverLimit(over)) => {
                format!("nobody is evicted for it: queue {} would use more than its limit", name(over.queue))
            }
            _ => self.nobody(),
        }
    }
}

impl Scope {
    fn widest() -> Scope {
        Scope {
            class: Class::WithinDeserved,
            breaks: true,
            side_priority: i32::MAX,
            distance: u32::MAX,
            priority: i32::MAX,
        }
    }

    fn reaches(&self, gang: &Candidate) -> bool {
        gang.side_priority <= self.side_priority && gang.distance <= self.distance
    }

    fn whole<'g>(&self, gang: &'g Candidate) -> Option<&'g Whole> {
        let whole = gang.whole.as_ref().filter(|whole| whole.class >= self.class)?;
        (self.breaks && self.reaches(gang) && gang.priority <= self.priority).then_some(whole)
    }

    fn spare<'g>(&self, gang: &'g Candidate, at: usize) -> Option<&'g Spare> {
        let spare = gang.spare.get(at).filter(|spare| spare.class >= self.class)?;
        self.reaches(gang).then_some(spare)
    }
}

fn itself(set: &BTreeSet<i32>) -> Box<dyn Iterator<Item = &i32> + '_> {
    Box::new(set.iter())
}

fn last(set: &BTreeSet<i32>) -> Box<dyn Iterator<Item = &i32> + '_> {
    Box::new(set.iter().next_back().into_iter())
}
