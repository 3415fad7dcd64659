//! Who may go for a claimant, as far as that can be said of each gang by itself. What no configuration switches off: pods of the
//! system, pods and gangs that refuse it, minimum runtimes, gangs that have just been given their room.

use super::{Claims, budgets::Budgets, since};
use crate::api::time::Timestamp;
use crate::cluster::Cluster;
use crate::cluster::gangs::GangRecord;
use crate::cluster::ids::{GangId, PodId};
use crate::cluster::pods::{PodRecord, PodState};
use crate::cluster::queues::QueueRecord;
use crate::scheduler::order::priority;
use crate::scheduler::queues::{Walk, role_minima};
use crate::scheduler::report::minimum;
use crate::sharing::entitlement::Situation;
use crate::sharing::{Amounts, Class, QueueIndex, QueueTree, Unit};
use std::collections::BTreeMap;
use std::time::Duration;

/// Gangs that may go, and what protects others.
#[derive(Debug, Default)]
pub(super) struct Pool {
    pub(super) gangs: Vec<Candidate>,
    pub(super) budgets: Budgets,
    /// Gangs that could go but are protected, with the reason.
    pub(super) protected: Vec<(String, String)>,
}

/// A gang of which something may go.
#[derive(Debug)]
pub(super) struct Candidate {
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
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) class: Class,
    pub(super) pods: Vec<PodId>,
    pub(super) units: Vec<usize>,
    pub(super) amounts: Amounts,
}

/// A pod above a minimum.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) pod: PodId,
    pub(super) role: u32,
    pub(super) class: Class,
    pub(super) amounts: Amounts,
    pub(super) name: String,
}

/// Why nobody is to be evicted for the gang, whoever runs.
pub(super) fn spares_others(
    cluster: &Cluster,
    tree: &QueueTree,
    gang: &GangRecord,
    queue: QueueIndex,
    now: Option<Timestamp>,
) -> Option<String> {
    let mut waits =
        gang.pods.iter().filter_map(|&pod| cluster.pods().get(pod)).filter(|pod| pod.wants_node());
    if waits.any(|pod| pod.eviction.spares_others) {
        return Some("nobody is evicted for it: its pods say so (preemptionPolicy: Never)".to_owned());
    }
    let group = gang.group.as_deref()?;
    let of_queues = || nearest(cluster, tree, queue, |queue| queue.preemption_delay);
    let delay = group.preemption_delay.or_else(of_queues)?;
    let waited = since(Timestamp::parse(&group.created), now)?;
    let left = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX).saturating_sub(waited);
    (left > 0)
        .then(|| format!("nobody is evicted for it in the next {left} s (phalanx.dev/preemption-delay)"))
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
    pub(super) fn of(
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
            let allowed = if is_own { claims.rules.preempt } else { claims.rules.reclaim };
            let ring = || claims.memory.closes_ring(situation, cluster, gang, &claimant.name);
            if !allowed || gang.group.as_deref().is_none_or(|group| group.deleting) || ring() {
                continue;
            }
            let seat = Seat { cluster, situation, walk, claimant, now, queue, is_own };
            pool.add(&seat, gang, &units);
        }
        pool
    }

    fn add(&mut self, seat: &Seat<'_>, gang: &GangRecord, units: &[usize]) {
        let Seat { cluster, situation, claimant, queue, is_own, .. } = *seat;
        let priority = priority(cluster, gang);
        if is_own && priority >= claimant.priority {
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
                } else if let Some(why) = seat.runs_too_short(gang, &all) {
                    self.protected.push((candidate.key.clone(), why));
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

/// What is looked at.
#[derive(Clone, Copy)]
struct Seat<'a> {
    cluster: &'a Cluster,
    situation: Situation<'a>,
    walk: &'a Walk,
    claimant: &'a Unit,
    now: Option<Timestamp>,
    queue: QueueIndex,
    is_own: bool,
}

impl Seat<'_> {
    fn refuses(&self, gang: &GangRecord, pod: &PodRecord) -> bool {
        pod.eviction.refused
            || pod.eviction.critical
            || gang.group.as_deref().is_some_and(|group| {
                !group.evictable
                    || matches!(
                        group.spec.priority_class_name.as_str(),
                        "system-cluster-critical" | "system-node-critical"
                    )
            })
    }

    /// The class at the side of the one of these units that is covered best; `None` if one of them may not go for the claimant.
    fn class_of(&self, units: &[usize]) -> Option<Class> {
        let tree = self.situation.tree;
        if self.is_own {
            return units.iter().filter_map(|&at| self.situation.classes[at].first().copied()).min();
        }
        let common = tree.common(self.claimant.queue, self.queue);
        let levels = tree.path(self.queue).take_while(|&at| at != common).count();
        if tree.path(self.queue).take(levels).any(|queue| !tree.terms(queue).reclaimable) {
            return None;
        }
        let mut best: Option<Class> = None;
        for &at in units {
            let classes = &self.situation.classes[at];
            if classes.iter().take(levels).any(|&class| class == Class::WithinDeserved) {
                return None;
            }
            let side = *classes.get(levels.checked_sub(1)?)?;
            best = Some(best.map_or(side, |best| best.min(side)));
        }
        best
    }

    /// Pods above the minimum that may go.
    fn spare(&self, gang: &GangRecord, units: &[usize], all: &[PodId], candidate: &mut Candidate) {
        let minima = role_minima(self.cluster, gang, minimum(gang) as usize);
        // With subgroups that must be whole the pods above the minimum are not free to choose.
        let has_subgroups =
            gang.group.as_deref().is_some_and(|group| !group.spec.sub_group_policy.is_empty());
        let surplus: Vec<PodId> = units[1..].iter().flat_map(|&at| self.walk.pods_of(at)).collect();
        let pods = if has_subgroups { &surplus[..] } else { all };
        let mut count: BTreeMap<u32, usize> = BTreeMap::new();
        for record in all.iter().filter_map(|&pod| self.cluster.pods().get(pod)) {
            *count.entry(record.role.0).or_default() += 1;
        }
        for (role, count) in count {
            let most = count.saturating_sub(minima.get(&role).copied().unwrap_or(0));
            candidate.spare_of_role.insert(role, most);
        }
        // Units that may go at all, from the end of the walk.
        let classes: Vec<Class> = units[1..].iter().rev().map_while(|&at| self.class_of(&[at])).collect();
        candidate.spare_most = classes.len();
        let Some(&class) = classes.first() else { return };
        for &pod in pods {
            let Some(record) = self.cluster.pods().get(pod) else { continue };
            let open = candidate.spare_of_role.get(&record.role.0).is_some_and(|&open| open > 0);
            if self.refuses(gang, record) || !open {
                continue;
            }
            let requests = &self.cluster.view().classes.get(record.class).requests;
            candidate.spare.push(Spare {
                pod,
                role: record.role.0,
                class,
                amounts: requests.iter().copied().collect(),
                name: record.key.to_string(),
            });
        }
    }

    /// For how much longer the minimum of a gang is protected by what it has run so far, in words.
    fn runs_too_short(&self, gang: &GangRecord, pods: &[PodId]) -> Option<String> {
        let tree = self.situation.tree;
        let of_queue = nearest(self.cluster, tree, self.queue, |queue| match self.is_own {
            true => queue.min_runtime_preempt,
            false => queue.min_runtime_reclaim,
        });
        let records: Vec<&PodRecord> = pods.iter().filter_map(|&pod| self.cluster.pods().get(pod)).collect();
        let mut started: Vec<Timestamp> = records.iter().filter_map(|pod| pod.eviction.started).collect();
        started.sort_unstable();
        let at = (minimum(gang) as usize).clamp(1, started.len().max(1)) - 1;
        let runs = |started: Option<Timestamp>| since(started, self.now).unwrap_or(i64::MAX);
        let queue_left = of_queue.map_or(0, |span| {
            i64::try_from(span.as_secs()).unwrap_or(i64::MAX).saturating_sub(runs(started.get(at).copied()))
        });
        let cooldown_left = records
            .iter()
            .map(|pod| i64::from(pod.eviction.cooldown_seconds).saturating_sub(runs(pod.eviction.started)));
        let cooldown_left = cooldown_left.max().unwrap_or(0);
        if queue_left.max(cooldown_left) <= 0 {
            return None;
        }
        Some(match queue_left >= cooldown_left {
            true => format!("for another {queue_left} s (minimum runtime of its queue)"),
            false => format!("for another {cooldown_left} s (volcano.sh/cooldown-time)"),
        })
    }
}
