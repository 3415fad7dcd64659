//! Who may go for a claimant, as far as that can be said of each gang by itself. What no configuration switches off: pods of the
//! system, pods and gangs that refuse it, minimum runtimes, gangs that have just been given their room. What is asked of one gang
//! stands in `seat`.

mod seat;

use super::{Claims, budgets::Budgets, since};
use crate::api::time::Timestamp;
use crate::cluster::Cluster;
use crate::cluster::gangs::GangRecord;
use crate::cluster::ids::{GangId, PodId};
use crate::cluster::pods::{PodRecord, PodState};
use crate::cluster::queues::QueueRecord;
use crate::scheduler::order::priority;
use crate::scheduler::queues::Walk;
use crate::sharing::entitlement::Situation;
use crate::sharing::{Amounts, Class, QueueIndex, QueueTree, Unit};
use seat::Seat;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What is to become of those who go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// They wait for room like any other gang.
    Evict,
    /// They are started again elsewhere at once: whose share they use does not matter.
    Move,
}

/// Gangs that may go, and what protects others.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    pub(super) gangs: Vec<Candidate>,
    pub(super) budgets: Budgets,
    /// Gangs that could go but are protected, with the reason.
    pub(super) protected: Vec<(String, String)>,
    /// In so many seconds one of them is protected no longer.
    pub(super) retry_in: Option<i64>,
}

/// A gang of which something may go.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// The gang.
    pub(super) id: GangId,
    /// `namespace/name`.
    pub(super) key: String,
    /// Its priority.
    pub(super) priority: i32,
    /// Older gangs sort first.
    pub(super) age: String,
    /// The priority of its side: its queue's ancestor below the queue that it has in common with the claimant.
    pub(super) side_priority: i32,
    /// Steps from the claimant's queue to the one that it has in common with the gang's.
    pub(super) distance: u32,
    /// May all of it go, and how well is what is covered best covered? All its pods and units.
    pub(super) whole: Option<Whole>,
    /// Pods above its minimum that may go, as far as `spare_most` and roles let them.
    pub(super) spare: Vec<Spare>,
    /// So many of `spare` at most.
    pub(super) spare_most: usize,
    /// Of each role so many at most.
    pub(super) spare_of_role: BTreeMap<u32, usize>,
    /// Its units above the core, those that go last first.
    pub(super) surplus: Vec<usize>,
}

/// All of a gang.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub(super) class: Class,
    pub(super) pods: Vec<PodId>,
    pub(super) units: Vec<usize>,
    pub(super) amounts: Amounts,
}

/// A pod above a minimum.
#[derive(Clone, Debug)]
pub(super) struct Spare {
    pub(super) pod: PodId,
    pub(super) role: u32,
    pub(super) class: Class,
    pub(super) amounts: Amounts,
    pub(super) name: String,
}

/// Why nobody is to be evicted for the gang, whoever runs, and for how many more seconds, where that is known.
pub(super) fn spares_others(
    cluster: &Cluster,
    tree: &QueueTree,
    gang: &GangRecord,
    queue: QueueIndex,
    now: Option<Timestamp>,
) -> Option<(Option<i64>, String)> {
    let mut waits =
        gang.pods.iter().filter_map(|&pod| cluster.pods().get(pod)).filter(|pod| pod.wants_node());
    if waits.any(|pod| pod.eviction.spares_others) {
        let why = "nobody is evicted for it: its pods say so (preemptionPolicy: Never)";
        return Some((None, why.to_owned()));
    }
    let group = gang.group.as_deref()?;
    let of_queues = || nearest(cluster, tree, queue, |queue| queue.preemption_delay);
    let delay = group.preemption_delay.or_else(of_queues)?;
    let waited = since(Timestamp::parse(&group.created), now)?;
    let left = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX).saturating_sub(waited);
    let why = || format!("nobody is evicted for it in the next {left} s (phalanx.dev/preemption-delay)");
    (left > 0).then(|| (Some(left), why()))
}

/// How long gangs of a queue are protected from evictions for gangs of their own, or of another.
pub(in crate::scheduler) fn nearest_span(
    cluster: &Cluster,
    tree: &QueueTree,
    queue: QueueIndex,
    is_own: bool,
) -> Option<Duration> {
    nearest(cluster, tree, queue, |queue| match is_own {
        true => queue.min_runtime_preempt,
        false => queue.min_runtime_reclaim,
    })
}

/// The value of the nearest queue, from this one up, that states one.
fn nearest(
    cluster: &Cluster,
    tree: &QueueTree,
    queue: QueueIndex,
    value: impl Fn(&QueueRecord) -> Option<Duration>,
) -> Option<Duration> {
    tree.path(queue)
        .chain([QueueIndex::ROOT])
        .find_map(|queue| value(cluster.queue(&tree.terms(queue).name)?))
}

impl Pool {
    /// Who may go for a claimant.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn of(
        purpose: Purpose,
        cluster: &Cluster,
        situation: Situation<'_>,
        walk: &Walk,
        claimant: &Unit,
        claimant_id: GangId,
        claims: &Claims,
        now: Option<Timestamp>,
    ) -> Pool {
        let mut pool = Pool { budgets: Budgets::of(cluster, &claims.leaving), ..Pool::default() };
        let hard = claims.rules.budgets_are_hard;
        if !hard {
            pool.budgets = Budgets::default();
        }
        let mut gangs: Vec<GangId> = walk.first.keys().copied().collect();
        gangs.sort_unstable();
        for id in gangs.into_iter().filter(|&id| id != claimant_id && !claims.plans.contains_key(&id)) {
            let Some(gang) = cluster.gangs().get(id) else { continue };
            let units: Vec<usize> = walk.of_gang(id).collect();
            let queue = situation.units[units[0]].queue;
            let is_own = queue == claimant.queue;
            let allowed = match (purpose, is_own) {
                (Purpose::Move, _) => claims.rules.consolidate,
                (Purpose::Evict, true) => claims.rules.preempt,
                (Purpose::Evict, false) => claims.rules.reclaim,
            };
            let ring = || {
                purpose == Purpose::Evict
                    && claims.memory.closes_ring(situation, cluster, gang, &claimant.name)
            };
            if !allowed || gang.group.as_deref().is_none_or(|group| group.deleting) || ring() {
                continue;
            }
            let seat = Seat { purpose, cluster, situation, walk, claimant, now, queue, is_own };
            pool.add(&seat, id, gang, &units);
        }
        pool
    }

    /// All pods that may go.
    pub(super) fn pods(&self) -> Vec<PodId> {
        let pods = self.gangs.iter().flat_map(|gang| {
            let whole = gang.whole.iter().flat_map(|whole| whole.pods.iter().copied());
            whole.chain(gang.spare.iter().map(|spare| spare.pod))
        });
        pods.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Those of the pool but for some gangs.
    pub(super) fn without(&self, gangs: &[GangId]) -> Pool {
        let mut pool = self.clone();
        pool.gangs.retain(|gang| !gangs.contains(&gang.id));
        pool
    }

    fn add(&mut self, seat: &Seat<'_>, id: GangId, gang: &GangRecord, units: &[usize]) {
        let Seat { purpose, cluster, situation, claimant, queue, is_own, .. } = *seat;
        let priority = priority(cluster, gang);
        if purpose == Purpose::Evict && is_own && priority >= claimant.priority {
            return;
        }
        let all: Vec<PodId> = units.iter().flat_map(|&at| seat.walk.pods_of(at)).collect();
        let records = || all.iter().filter_map(|&pod| cluster.pods().get(pod));
        if records().any(|pod| pod.state == PodState::Assumed) || all.is_empty() {
            return;
        }
        let tree = situation.tree;
        let common = tree.common(claimant.queue, queue);
        let side = tree.path(queue).take_while(|&at| at != common).last();
        let level = |queue: QueueIndex| tree.get(queue).level;
        let mut candidate = Candidate {
            id,
            key: gang.key.to_string(),
            priority,
            age: crate::scheduler::queues::age(gang),
            side_priority: side.map_or(i32::MIN, |side| tree.terms(side).priority),
            distance: level(claimant.queue) - level(common),
            whole: None,
            spare: Vec::new(),
            spare_most: units.len() - 1,
            spare_of_role: BTreeMap::new(),
            surplus: units[1..].iter().rev().copied().collect(),
        };
        let refuses = |pod: &PodRecord| seat.refuses(gang, pod);
        if candidate.spare_most > 0 {
            seat.spare(gang, units, &all, &mut candidate);
        }
        let may_break = claimant.core || !is_own;
        match seat.class_of(units) {
            Some(class) if may_break => {
                if records().any(refuses) {
                    self.protected.push((candidate.key.clone(), "it refuses eviction".to_owned()));
                } else if let Some((left, why)) = seat.runs_too_short(gang, &all) {
                    self.protected.push((candidate.key.clone(), why));
                    self.retry_in = self.retry_in.into_iter().chain([left]).min();
                } else if let Some(budget) = self.budgets.that_forbids(&all) {
                    let why = format!("PodDisruptionBudget {budget}");
                    self.protected.push((candidate.key.clone(), why));
                } else {
                    let mut amounts = Amounts::default();
                    units.iter().for_each(|&at| amounts.add_all(&situation.units[at].amounts));
                    let units = units.to_vec();
                    candidate.whole = Some(Whole { class, pods: all, units, amounts });
                }
            }
            _ => {}
        }
        if candidate.whole.is_some() || !candidate.spare.is_empty() {
            self.gangs.push(candidate);
        }
    }
}
