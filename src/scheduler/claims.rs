//! Claims: room that is made for a gang by having others leave ([`crate::sharing::entitlement`] says who may take from whom).
//!
//! A gang that does not fit on what is idle is placed, in its turn, on what is idle and what is leaving already; else under the
//! hypothesis that others are moved, or leave. Nobody is evicted unless its whole minimum has been placed so. What it is given is kept
//! for it from that moment ([`Cluster::promise_room`](crate::cluster::Cluster::promise_room)): for others it counts as used. When those who leave are gone, the
//! gang is placed as any other.
//!
//! ```text
//! idle room -- does not fit --> idle and leaving --> others may move or go: pool --> moving, search --> Decision::Evict, room kept
//! ```
//!
//! `pool` says who may go, `search` who has to, `moving` who is started again elsewhere, `memory` keeps gangs from evicting each
//! other in turns, `plans` keeps what is under way. Owned here: [`Claims`].

mod budgets;
mod candidates;
mod memory;
mod moving;
mod plans;
mod pool;
mod search;
mod sets;
mod told;

use super::decision::{Decision, EvictionKind, PodRef, Victim};
use super::gang::{Prepared, prepare};
use super::order::priority;
use super::queues::Account;
use super::waiting::{Round, Shape};
use super::{Cycle, Scheduler, SharingRules};
use crate::api::time::Timestamp;
use crate::cluster::Cluster;
use crate::cluster::gangs::GangRecord;
use crate::cluster::ids::{ClassId, GangId, NodeId, PodId};
use crate::cluster::pods::PodRecord;
use crate::placement::{Assignment, Change, GangRequest};
use crate::sharing::entitlement::Situation;
use crate::sharing::limits::OverLimit;
use crate::sharing::{QueueIndex, Unit};
use memory::Memory;
use moving::{Moves, Moving};
use plans::{Because, Failure, Plan};
pub(super) use pool::nearest_span;
use pool::{Pool, Purpose};
use search::{Answer, Question, Search};
use std::collections::{BTreeMap, BTreeSet};

/// A pod whose deletion is overdue by more seconds than this holds its node for an unknown time.
const OVERDUE: i64 = 60;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// What is allowed.
    pub(super) rules: SharingRules,
    /// Does somebody carry evictions out? Without that none is decided.
    pub(super) are_carried_out: bool,
    /// Pods that are leaving for other gangs, with their uids.
    pub(super) leaving: BTreeMap<PodId, Box<str>>,
    /// Gangs that room is kept for until others have left, or until their own pods are made again.
    plans: BTreeMap<GangId, Plan>,
    memory: Memory,
    /// Why nobody is evicted for a gang.
    pub(super) why: BTreeMap<GangId, String>,
    /// What is being freed, as of this cycle.
    freed: Option<Vec<Change>>,
    /// The plan of the gang that is being tried.
    reopened: Option<(GangId, Plan)>,
    /// Gangs whose plans came to nothing.
    failures: BTreeMap<GangId, Failure>,
    /// When others may be evicted for a gang that may not be now.
    retries: BTreeMap<GangId, Timestamp>,
    /// Nodes that are held for others than the gang that is being tried.
    pub(super) closed: Vec<Change>,
    /// Questions that were answered with no in this cycle, with the reason.
    refused: BTreeMap<(QueueIndex, i32, bool, Shape), Option<String>>,
}

impl Scheduler {
    /// Could others leave so that a limit of the queue is no longer in the way?
    pub(super) fn may_make_way(&self, over: &OverLimit) -> bool {
        let rules = self.claims.rules;
        self.claims.are_carried_out && (rules.preempt || rules.reclaim) && over.is_temporary()
    }

    /// Finds room for a gang beyond what is idle: where others are leaving, or by having others leave. True if room is kept
    /// for pods of it now.
    pub(super) fn make_room(&mut self, id: GangId, round: &mut Round, cycle: &mut Cycle) -> bool {
        if !self.claims.are_carried_out {
            return false;
        }
        let Some(gang) = self.cluster.gangs().get(id) else { return false };
        let Some(account) = self.sharing.account(id) else { return false };
        let (queue, grows, sequence) = (account.queue, account.grows, gang.sequence);
        let Prepared::Ready(request) = prepare(&self.cluster, gang) else { return false };
        // A gang that starts only with pods that do not exist yet is not helped by room for those that do.
        if !self.has_started(id) && self.rest_of(id).is_some() {
            return false;
        }
        let over = self.over_limit(id);
        let request = self.within_limits(id, &request).unwrap_or(request);
        let mut made = false;
        if over.is_none()
            && !self.freed().is_empty()
            && let Some(room) = self.place_among(&request, &[])
        {
            if self.is_reopened(id) {
                // Its room may be elsewhere now.
                let (victims, places) = (Vec::new(), self.named_places(&room));
                let claimant =
                    self.cluster.gangs().get(id).map(|gang| gang.key.to_string()).unwrap_or_default();
                cycle.decisions.push(Decision::Evict { claimant, victims, places });
            }
            self.keep_for(id, sequence, room, Because::Leaving, round, cycle);
            if !grows {
                return true;
            }
            made = true;
        }
        if self.is_over_with(id, sequence, grows) || self.backs_off(id) {
            return made;
        }
        let rules = self.claims.rules;
        if !rules.reclaim && !rules.preempt && !rules.consolidate {
            return made;
        }
        let question = (queue, priority_of(self, id), grows, super::waiting::shape(&request));
        if let Some(why) = self.claims.refused.get(&question).cloned() {
            self.claims.why.remove(&id);
            self.claims.why.extend(why.map(|why| (id, why)));
            return made;
        }
        // The core is claimed as one, pods above it one by one.
        while self.cluster.promised_to(id).len() < request.pending()
            && let Some((moves, victims)) = self.claim(id, &request)
        {
            made = true;
            let because = Because::Victims {
                evicted: moves.evicted.len(),
                moved: victims.len().saturating_sub(moves.evicted.len()),
                pods: moves.pods().collect(),
            };
            self.reopen_plan(id);
            let room = self.place_among(&request, &[]).unwrap_or_default();
            let places = self.named_places(&room);
            self.keep_for(id, sequence, room, because, round, cycle);
            self.keep_for_moved(&moves);
            let claimant = self.cluster.gangs().get(id).map(|gang| gang.key.to_string()).unwrap_or_default();
            cycle.decisions.push(Decision::Evict { claimant, victims, places });
            if !grows {
                break;
            }
        }
        // What is held differs from gang to gang.
        if !made && self.claims.closed.is_empty() {
            let why = self.claims.why.get(&id).cloned();
            self.claims.refused.insert(question, why);
        }
        made
    }

    /// Where the gang goes on what is idle, what is leaving, and what these pods hold.
    fn place_among(&mut self, request: &GangRequest, victims: &[PodId]) -> Option<Vec<Assignment>> {
        let mut changes = self.freed();
        changes.extend_from_slice(&self.claims.closed);
        changes.extend(victims.iter().filter_map(|&pod| gone(&self.cluster, pod)));
        let Scheduler { placer, cluster, rules, .. } = self;
        let placement = placer.suppose(cluster.view(), request, rules, &changes).ok()?;
        (!placement.assignments.is_empty()).then_some(placement.assignments)
    }

    /// What is being freed: pods that are leaving, but for those whose deletion is overdue.
    fn freed(&mut self) -> Vec<Change> {
        if let Some(freed) = &self.claims.freed {
            return freed.clone();
        }
        let (cluster, now) = (&self.cluster, self.now);
        let leaves = |(id, pod): &(PodId, &PodRecord)| {
            let overdue = pod.eviction.gone_by.zip(now).is_some_and(|(by, now)| by.plus(OVERDUE) < now);
            self.claims.leaving.contains_key(id) || pod.deleting && !overdue
        };
        let freed: Vec<Change> =
            cluster.pods().iter().filter(leaves).filter_map(|(pod, _)| gone(cluster, pod)).collect();
        self.claims.freed = Some(freed.clone());
        freed
    }

    /// Pods that could be evicted for a gang that waits for its minimum.
    pub(super) fn evictable(&mut self, id: GangId) -> Vec<PodId> {
        let now = self.now;
        let Scheduler { sharing, cluster, claims, .. } = self;
        let Some((gang, account)) = cluster.gangs().get(id).zip(sharing.account(id).cloned()) else {
            return Vec::new();
        };
        let claimant = claimant(cluster, gang, &account);
        let (situation, walk) = sharing.situation(cluster);
        let pool = Pool::of(Purpose::Evict, cluster, situation, walk, &claimant, id, claims, now);
        pool.pods()
    }

    /// Has others leave so that the gang fits. Returns who moves, and who leaves; `None` if nobody does.
    fn claim(&mut self, id: GangId, request: &GangRequest) -> Option<(Moves, Vec<Victim>)> {
        let mut freed = self.freed();
        freed.extend_from_slice(&self.claims.closed);
        let now = self.now;
        let Scheduler { sharing, cluster, placer, rules, claims, .. } = self;
        let gang = cluster.gangs().get(id)?;
        let account = sharing.account(id)?.clone();
        if account.waits.is_empty() {
            return None;
        }
        let claimant = claimant(cluster, gang, &account);
        let (situation, walk) = sharing.situation(cluster);
        if let Some((left, why)) = pool::spares_others(cluster, situation.tree, gang, account.queue, now) {
            claims.why.insert(id, why);
            claims.retry(id, now, left);
            return None;
        }
        let mut request = request.clone();
        if account.grows {
            keep_one(&mut request);
        }
        let question =
            Question { cluster, situation, claimant: &claimant, request: &request, rules, freed: &freed };
        let of = |purpose| Pool::of(purpose, cluster, situation, walk, &claimant, id, claims, now);
        let movable = (claims.rules.consolidate && claimant.core).then(|| of(Purpose::Move));
        let alone = movable.as_ref().and_then(|pool| Moving { question, pool, placer }.alone());
        let moves = match alone {
            Some(moves) => moves,
            None => {
                let pool = of(Purpose::Evict);
                match Search::new(question, &pool, placer, &[]).run() {
                    Answer::Found(found) => Moves { movers: Vec::new(), evicted: found.pods },
                    Answer::Refused(why) => {
                        let mixed = movable
                            .as_ref()
                            .and_then(|movable| Moving { question, pool: movable, placer }.beside(&pool));
                        let Some(moves) = mixed else {
                            claims.retry(id, now, pool.retry_in);
                            claims.why.remove(&id);
                            claims.why.extend((!why.is_empty()).then_some((id, why)));
                            return None;
                        };
                        moves
                    }
                }
            }
        };
        let mut victims = Vec::new();
        let mut taken: BTreeSet<GangId> = BTreeSet::new();
        let moved = moves.movers.iter().flat_map(|mover| mover.pods.iter().map(|&pod| (pod, true)));
        for (pod, is_moved) in moved.chain(moves.evicted.iter().map(|&pod| (pod, false))) {
            let Some(record) = cluster.pods().get(pod) else { continue };
            let Some((victim, of)) = record.gang.and_then(|id| Some((id, cluster.gangs().get(id)?))) else {
                continue;
            };
            let kind = match sharing_queue(situation, walk, victim) {
                _ if is_moved => EvictionKind::Move,
                Some(queue) if queue == account.queue => EvictionKind::Preempt,
                _ => EvictionKind::Reclaim,
            };
            let message = told::victim(cluster, situation, &claimant, walk, victim, kind);
            claims.leaving.insert(pod, record.uid.clone());
            if taken.insert(victim) && !is_moved {
                claims.memory.keep(situation, &claimant, of, walk, victim, priority(cluster, of));
            }
            victims.push(Victim {
                pod: PodRef {
                    namespace: record.namespace().to_owned(),
                    name: record.name().to_owned(),
                    uid: record.uid.to_string(),
                },
                gang: of.key.to_string(),
                kind,
                message,
            });
        }
        claims.freed = None;
        claims.refused.clear();
        taken.into_iter().for_each(|gang| self.recount(gang));
        Some((moves, victims))
    }
}

impl Claims {
    /// Has a claim looked at again when so many seconds have passed.
    fn retry(&mut self, id: GangId, now: Option<Timestamp>, left: Option<i64>) {
        self.retries.extend(now.zip(left).map(|(now, left)| (id, now.plus(left))));
    }
}

/// What a gang would start next, as a unit.
fn claimant(cluster: &Cluster, gang: &GangRecord, account: &Account) -> Unit {
    Unit {
        queue: account.queue,
        unevictable: account.refuses_eviction,
        core: !account.grows,
        priority: priority(cluster, gang),
        created: super::queues::age(gang),
        name: gang.key.to_string(),
        amounts: account.waits.clone(),
    }
}

fn priority_of(scheduler: &Scheduler, id: GangId) -> i32 {
    scheduler.cluster.gangs().get(id).map_or(0, |gang| priority(&scheduler.cluster, gang))
}

/// Leaves one pod of the question: the first of its rank.
fn keep_one(request: &mut GangRequest) {
    let mut is_first = true;
    for subgroup in &mut request.subgroups {
        subgroup.members.retain(|_| std::mem::take(&mut is_first));
    }
    request.subgroups.retain(|subgroup| !subgroup.members.is_empty() || !subgroup.placed.is_empty());
}

/// The pod, supposed to be gone.
fn gone(cluster: &crate::cluster::Cluster, pod: PodId) -> Option<Change> {
    let record = cluster.pods().get(pod)?;
    let (class, node): (ClassId, NodeId) = (record.class, record.holds()?);
    Some(Change::Gone { class, node })
}

fn sharing_queue(situation: Situation<'_>, walk: &super::queues::Walk, gang: GangId) -> Option<QueueIndex> {
    walk.of_gang(gang).next().map(|at| situation.units[at].queue)
}

/// So long ago; `None` if that is not known.
fn since(then: Option<Timestamp>, now: Option<Timestamp>) -> Option<i64> {
    Some(now?.0.saturating_sub(then?.0))
}
