//! Moving: running gangs are started again elsewhere, so that one fits (`sharing.consolidate`, off unless it is asked for).
//!
//! A move disturbs as an eviction does: all that protects from one protects from the other. It is done for the core of a gang that starts
//! within the share of its queue, and of all those above. Nobody is moved whose new place has not been found
//! beside the claimant's, and what is moved is no more than what the claimant asks for, of any resource that is divided. Sets are
//! compared by fewest gangs, lowest priority, then as in [`super::sets`].
//! Up to [`EXACT`] gangs and pods all sets are looked through; beyond that those who stand where the claimant goes when everybody may
//! move, without those that are not needed.

use super::pool::Pool;
use super::search::{Answer, Question, Search};
use super::sets::{Cost, Set, Sets};
use crate::cluster::Cluster;
use crate::cluster::ids::{GangId, NodeId, PodId};
use crate::placement::{Assignment, Change, GangRequest, PlacementRules, Placer};
use crate::scheduler::gang::moved_request;
use crate::sharing::entitlement::judge_moving;
use std::collections::BTreeSet;

/// So many gangs and pods are looked through exactly.
const EXACT: usize = 12;

/// So many sets are tried for one claim, at most.
const TRIALS: usize = 512;

/// So many sets are tried beside evictions, at most.
const MIXED: usize = 64;

/// A gang that is moved, or a pod above its minimum that is.
#[derive(Clone, Debug)]
pub(super) struct Mover {
    pub(super) gang: GangId,
    /// The pods that leave and are made again.
    pub(super) pods: Vec<PodId>,
    /// Where they are to go, as the solver is asked.
    request: GangRequest,
}

impl Mover {
    /// Where all of its pods go when all of this is so.
    pub(super) fn place(
        &self,
        cluster: &Cluster,
        placer: &mut Placer,
        rules: &PlacementRules,
        changes: &[Change],
    ) -> Option<Vec<Assignment>> {
        let placement = placer.suppose(cluster.view(), &self.request, rules, changes).ok()?;
        Some(placement.assignments).filter(|places| places.len() == self.pods.len())
    }
}

/// Pods of these classes come to these nodes.
pub(super) fn coming<'a>(
    cluster: &'a Cluster,
    places: &'a [Assignment],
) -> impl Iterator<Item = Change> + use<'a> {
    let comes = |place: &Assignment| {
        Some(Change::Comes { class: cluster.pods().get(place.pod)?.class, node: place.node })
    };
    places.iter().filter_map(comes)
}

/// Gangs that move, and pods that are evicted beside them.
#[derive(Debug, Default)]
pub(super) struct Moves {
    pub(super) movers: Vec<Mover>,
    pub(super) evicted: Vec<PodId>,
}

impl Moves {
    /// All pods that leave.
    pub(super) fn pods(&self) -> impl Iterator<Item = PodId> + '_ {
        self.movers.iter().flat_map(|mover| &mover.pods).chain(&self.evicted).copied()
    }
}

/// A search for those who are to move for one claimant.
pub(super) struct Moving<'a> {
    pub(super) question: Question<'a>,
    /// Who may be moved.
    pub(super) pool: &'a Pool,
    pub(super) placer: &'a mut Placer,
}

impl Moving<'_> {
    /// Makes the gang fit by moves alone.
    pub(super) fn alone(&mut self) -> Option<Moves> {
        let Question { situation, claimant, .. } = self.question;
        judge_moving(situation, claimant, &[]).ok()?;
        for set in self.sets(&[]).into_iter().take(TRIALS) {
            let Some(movers) = self.movers(&set) else { continue };
            if self.question.place(self.placer, &[], &movers).is_some() {
                return Some(Moves { movers, evicted: Vec::new() });
            }
        }
        None
    }

    /// Makes the gang fit by moves and evictions of others.
    pub(super) fn beside(&mut self, pool: &Pool) -> Option<Moves> {
        let could_go = pool.pods();
        if could_go.is_empty() {
            return None;
        }
        for set in self.sets(&could_go).into_iter().take(MIXED) {
            let Some(movers) = self.movers(&set) else { continue };
            let moved: Vec<GangId> = movers.iter().map(|mover| mover.gang).collect();
            let left = pool.without(&moved);
            let search = Search::new(self.question, &left, self.placer, &movers);
            if let Answer::Found(found) = search.run() {
                return Some(Moves { movers, evicted: found.pods });
            }
        }
        None
    }

    /// Sets that may move, the cheapest first; `gone`: pods that may go as well.
    fn sets(&mut self, gone: &[PodId]) -> Vec<Set> {
        let Question { situation, claimant, .. } = self.question;
        let counted = situation.shares.counted();
        let sets = Sets::new(self.pool, counted);
        let gangs = &self.pool.gangs;
        let whole: Vec<usize> = (0..gangs.len()).filter(|&at| gangs[at].whole.is_some()).collect();
        let spare: Vec<(usize, usize)> = (0..gangs.len())
            .flat_map(|at| (0..gangs[at].spare.len()).map(move |spare| (at, spare)))
            .collect();
        let everything = Set { whole: whole.clone(), spare: spare.clone() };
        let mut all: BTreeSet<PodId> = sets.pods(&everything).into_iter().collect();
        all.extend(gone);
        let all: Vec<PodId> = all.into_iter().collect();
        let Some(places) = self.question.place(self.placer, &all, &[]) else { return Vec::new() };
        let in_bounds = |set: &Set| {
            let asks = |resource| claimant.amounts.get(resource);
            counted.iter().all(|&resource| sets.amount(set, resource) <= asks(resource))
        };
        if whole.len() + spare.len() > EXACT {
            let nodes: BTreeSet<NodeId> = places.iter().map(|place| place.node).collect();
            let set = self.in_the_way(&sets, &nodes, gone);
            return set.into_iter().filter(in_bounds).collect();
        }
        let priority = |set: &Set| set.whole.iter().map(|&at| gangs[at].priority).max();
        let mut found: Vec<((usize, Option<i32>, Cost), Set)> = (1u32..1 << (whole.len() + spare.len()))
            .map(|mask| Set {
                whole: Set::chosen(&whole, mask),
                spare: Set::chosen(&spare, mask >> whole.len()),
            })
            .filter(|set| sets.is_allowed(set) && in_bounds(set))
            .map(|set| {
                let cost = sets.cost(&set);
                ((cost.gangs, priority(&set), cost), set)
            })
            .collect();
        found.sort();
        found.into_iter().map(|(_, set)| set).collect()
    }

    /// Those who hold these nodes, without those that the claimant does not need; `gone`: pods that go as well.
    fn in_the_way(&mut self, sets: &Sets<'_>, nodes: &BTreeSet<NodeId>, gone: &[PodId]) -> Option<Set> {
        let cluster = self.question.cluster;
        let gangs = &self.pool.gangs;
        let stands = |pod: &PodId| {
            let node = cluster.pods().get(*pod).and_then(|record| record.holds());
            !gone.contains(pod) && node.is_some_and(|node| nodes.contains(&node))
        };
        let mut set = Set::default();
        for (at, gang) in gangs.iter().enumerate() {
            let spare = (0..gang.spare.len()).filter(|&spare| stands(&gang.spare[spare].pod));
            let taken: Vec<(usize, usize)> = spare.map(|spare| (at, spare)).collect();
            let alone = Set { whole: Vec::new(), spare: taken.clone() };
            let whole = gang.whole.as_ref().filter(|whole| whole.pods.iter().any(stands));
            let rest = whole.is_some_and(|whole| {
                let spares = |pod: &PodId| gang.spare.iter().any(|spare| spare.pod == *pod);
                whole.pods.iter().any(|pod| stands(pod) && !spares(pod))
            });
            match (rest, sets.is_allowed(&alone)) {
                (false, true) => set.spare.extend(taken),
                _ if whole.is_some() => set.whole.push(at),
                _ => {}
            }
        }
        // The most valuable first: the highest priority, the largest, the oldest.
        let mut order: Vec<(i32, Cost, usize)> = set
            .whole
            .iter()
            .map(|&at| (gangs[at].priority, sets.cost(&Set { whole: vec![at], spare: Vec::new() }), at))
            .collect();
        order.sort();
        let mut fits = |set: &Set| {
            let pods: Vec<PodId> = sets.pods(set).into_iter().chain(gone.iter().copied()).collect();
            self.question.place(self.placer, &pods, &[]).is_some()
        };
        if !fits(&set) {
            return None;
        }
        for (_, _, at) in order.into_iter().rev().take(TRIALS) {
            let mut less = set.clone();
            less.whole.retain(|&gang| gang != at);
            if fits(&less) {
                set = less;
            }
        }
        for item in set.spare.clone().into_iter().take(TRIALS) {
            let mut less = set.clone();
            less.spare.retain(|&spare| spare != item);
            if fits(&less) {
                set = less;
            }
        }
        (!set.is_empty()).then_some(set)
    }

    /// The gangs of a set, the largest first; `None` if one of them cannot be asked about, or a budget forbids it.
    fn movers(&self, set: &Set) -> Option<Vec<Mover>> {
        let cluster = self.question.cluster;
        let gangs = &self.pool.gangs;
        let mut pods: Vec<(GangId, Vec<PodId>)> = Vec::new();
        for &at in &set.whole {
            pods.push((gangs[at].id, gangs[at].whole.as_ref()?.pods.clone()));
        }
        for &(at, spare) in &set.spare {
            let (id, pod) = (gangs[at].id, gangs[at].spare[spare].pod);
            match pods.iter_mut().find(|(gang, _)| *gang == id) {
                Some((_, pods)) => pods.push(pod),
                None => pods.push((id, vec![pod])),
            }
        }
        let all: Vec<PodId> = pods.iter().flat_map(|(_, pods)| pods).copied().collect();
        if self.pool.budgets.that_forbids(&all).is_some() {
            return None;
        }
        pods.sort_by_key(|(_, pods)| std::cmp::Reverse(pods.len()));
        pods.into_iter()
            .map(|(gang, pods)| {
                let request = moved_request(cluster, cluster.gangs().get(gang)?, &pods)?;
                Some(Mover { gang, pods, request })
            })
            .collect()
    }
}
