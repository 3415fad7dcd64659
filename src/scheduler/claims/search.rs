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
//!
//! `exact` looks through all sets, `grown` takes and gives back, `why` says why nobody goes. Here: the search, and the scopes.

mod exact;
mod grown;
mod why;

use super::moving::Mover;
use super::pool::{Candidate, Pool, Spare, Whole};
use super::sets::{Set, Sets};
use crate::cluster::Cluster;
use crate::cluster::ids::PodId;
use crate::placement::{Assignment, Change, GangRequest, PlacementRules, Placer};
use crate::sharing::entitlement::{Objection, Situation, judge, judge_moving};
use crate::sharing::{Amounts, Class, Unit};
use crate::words::counted;
use std::cmp::Reverse;
use std::collections::BTreeSet;

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

/// What a claim is about: who asks, for what, and how all is shared.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) situation: Situation<'a>,
    pub(super) claimant: &'a Unit,
    pub(super) request: &'a GangRequest,
    pub(super) rules: &'a PlacementRules,
    /// What is being freed already.
    pub(super) freed: &'a [Change],
}

impl Question<'_> {
    /// Where the claimant goes when these pods are gone and these gangs are moved.
    pub(super) fn place(
        &self,
        placer: &mut Placer,
        gone: &[PodId],
        movers: &[Mover],
    ) -> Option<Vec<Assignment>> {
        let mut changes = self.freed.to_vec();
        let moved = movers.iter().flat_map(|mover| &mover.pods);
        changes.extend(gone.iter().chain(moved).filter_map(|&pod| super::gone(self.cluster, pod)));
        let placement = placer.suppose(self.cluster.view(), self.request, self.rules, &changes).ok()?;
        let places = Some(placement.assignments).filter(|places| !places.is_empty())?;
        changes.extend(super::moving::coming(self.cluster, &places));
        // Each of them has a place beside the claimant and those before it.
        for mover in movers {
            let places = mover.place(self.cluster, placer, self.rules, &changes)?;
            changes.extend(super::moving::coming(self.cluster, &places));
        }
        Some(places)
    }
}

/// A search for one claimant.
pub(super) struct Search<'a> {
    question: Question<'a>,
    pool: &'a Pool,
    sets: Sets<'a>,
    placer: &'a mut Placer,
    /// Gangs that are moved beside those that go.
    movers: &'a [Mover],
    trials: usize,
    /// What must be freed at least, whatever is idle where.
    lacking: Amounts,
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

impl<'a> Search<'a> {
    pub(super) fn new(
        question: Question<'a>,
        pool: &'a Pool,
        placer: &'a mut Placer,
        movers: &'a [Mover],
    ) -> Self {
        let Question { cluster, situation, claimant, freed, .. } = question;
        let capacity = cluster.view().capacity;
        let mut lacking = claimant.amounts.clone();
        for (resource, _) in claimant.amounts.asked() {
            let idle: i64 = capacity.free_column(resource).iter().map(|&free| free.max(0)).sum();
            lacking.add(resource, idle.saturating_neg());
        }
        for change in freed {
            if let Change::Gone { class, .. } = *change {
                for &(resource, amount) in &cluster.view().classes.get(class).requests {
                    lacking.add(resource, -amount);
                }
            }
        }
        let sets = Sets::new(pool, situation.shares.counted());
        Search { question, pool, sets, placer, movers, trials: 0, lacking, objection: None }
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
            let all = match self.pool.gangs.len() {
                1 => "the one gang".to_owned(),
                count => format!("all {}", counted(count, "gang")),
            };
            return Answer::Refused(format!(
                "evicting {all} that it may take from would not make it fit{}",
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
                return Answer::Found(Found { pods: self.sets.pods(&found) });
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

    /// Does the claimant fit when the set is gone, and may the set go for it?
    fn will_do(&mut self, set: &Set) -> bool {
        self.could_fit(set)
            && self.pool.budgets.that_forbids(&self.sets.pods(set)).is_none()
            && self.judge(set).map_err(|objection| self.objection = Some(objection)).is_ok()
            && self.fits(set)
    }

    fn judge(&self, set: &Set) -> Result<(), Objection> {
        let Question { situation, claimant, .. } = self.question;
        let units = self.sets.units(set, situation.units);
        judge(situation, claimant, &units)?;
        if self.movers.is_empty() { Ok(()) } else { judge_moving(situation, claimant, &units) }
    }

    /// Is as much freed as is lacking in the whole cluster, at the best?
    fn could_fit(&self, set: &Set) -> bool {
        self.lacking.asked().all(|(resource, lacking)| self.sets.amount(set, resource) >= lacking)
    }

    fn fits(&mut self, set: &Set) -> bool {
        self.trials += 1;
        let gone = self.sets.pods(set);
        self.question.place(self.placer, &gone, self.movers).is_some()
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
