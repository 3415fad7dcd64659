//! Claims: room that is made for a gang by having others leave ([`crate::sharing::entitlement`] says who may take from whom).
//!
//! A gang that does not fit on what is idle is placed, in its turn, on what is idle and what is leaving already, and else under the
//! hypothesis that others leave as well. Nobody is evicted unless its whole minimum has been placed so. What it is given is kept
//! for it from that moment ([`Cluster::promise_room`](crate::cluster::Cluster::promise_room)): for others it counts as used. When those who leave are gone, the
//! gang is placed as any other.
//!
//! ```text
//! idle room -- does not fit --> idle and leaving --> others may go: pool --> search --> Decision::Evict, room kept
//! ```
//!
//! `pool` says who may go, `search` who has to, `memory` keeps gangs from evicting each other in turns. Owned here: [`Claims`].

mod budgets;
mod memory;
mod pool;
mod search;

use super::decision::{Decision, EvictionKind, PodRef, Victim};
use super::gang::{Hold, Prepared, prepare};
use super::order::priority;
use super::reason::Reason;
use super::waiting::{Round, Shape};
use super::{Cycle, Scheduler, SharingRules};
use crate::api::time::Timestamp;
use crate::cluster::Room;
use crate::cluster::ids::{ClassId, GangId, NodeId, PodId};
use crate::cluster::pods::PodRecord;
use crate::placement::{Assignment, Change, GangRequest};
use crate::sharing::entitlement::Situation;
use crate::sharing::limits::OverLimit;
use crate::sharing::{Class, QueueIndex, Unit};
use memory::Memory;
use pool::Pool;
use search::{Answer, Search};
use std::collections::{BTreeMap, BTreeSet};

/// A pod whose deletion is overdue by more seconds than this holds its node for an unknown time.
const OVERDUE: i64 = 60;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// What is allowed.
    pub(super) rules: SharingRules,
    /// Pods that are leaving for other gangs, with their uids.
    pub(super) leaving: BTreeMap<PodId, Box<str>>,
    /// Gangs that wait for others to leave, with the number of their arrival.
    plans: BTreeMap<GangId, u64>,
    memory: Memory,
    /// Why nobody is evicted for a gang.
    pub(super) why: BTreeMap<GangId, String>,
    /// What is being freed, as of this cycle.
    freed: Option<Vec<Change>>,
    /// Questions that were answered with no in this cycle, with the reason.
    refused: BTreeMap<(QueueIndex, i32, bool, Shape), Option<String>>,
    /// The classes of gangs before they were evicted, for as long as any of their pods is leaving.
    classes: BTreeMap<GangId, Class>,
}

impl Scheduler {
    /// Drops what is over: pods that have left, and plans of gangs that are gone or want nothing more.
    pub(super) fn refresh_claims(&mut self) {
        let Scheduler { claims, cluster, .. } = self;
        (claims.freed, claims.refused) = (None, BTreeMap::new());
        claims.leaving.retain(|&pod, uid| {
            cluster.pods().get(pod).is_some_and(|record| record.uid == *uid && record.holds().is_some())
        });
        claims.classes.retain(|&gang, _| {
            let gang = cluster.gangs().get(gang);
            gang.is_some_and(|gang| gang.pods.iter().any(|pod| claims.leaving.contains_key(pod)))
        });
        let is_over = |(&gang, &sequence): (&GangId, &u64)| {
            let record = cluster.gangs().get(gang).filter(|record| record.sequence == sequence);
            let waits = record.is_some_and(|record| {
                let mut pods = record.pods.iter().filter_map(|&pod| cluster.pods().get(pod));
                pods.any(PodRecord::wants_node)
            });
            (!waits).then_some(gang)
        };
        let over: Vec<GangId> = claims.plans.iter().filter_map(is_over).collect();
        claims.why.retain(|&gang, _| cluster.gangs().get(gang).is_some());
        for gang in over {
            self.revoke(gang);
        }
    }

    /// Gangs that wait for others to leave.
    pub(super) fn planned(&self) -> impl Iterator<Item = GangId> {
        self.claims.plans.keys().copied()
    }

    /// Could others leave so that a limit of the queue is no longer in the way?
    pub(super) fn may_make_way(&self, over: &OverLimit) -> bool {
        let rules = self.claims.rules;
        self.claims.rules.carried_out && (rules.preempt || rules.reclaim) && over.is_temporary()
    }

    /// Lets go of what is kept for a gang while it is tried. Returns whether anything was.
    pub(super) fn reopen_plan(&mut self, id: GangId) -> bool {
        let had_room = self.claims.plans.remove(&id).is_some();
        if had_room {
            self.cluster.take_promise_back(id);
            self.recount(id);
        }
        had_room
    }

    fn revoke(&mut self, id: GangId) {
        self.claims.plans.remove(&id);
        let room = self.cluster.take_promise_back(id);
        self.cluster.mark_gained(room.into_iter().map(|room| room.node));
        self.recount(id);
    }

    /// Finds room for a gang beyond what is idle: where others are leaving, or by having others leave. True if room is kept
    /// for pods of it now.
    pub(super) fn make_room(&mut self, id: GangId, round: &mut Round, cycle: &mut Cycle) -> bool {
        if !self.claims.rules.carried_out {
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
        if over.is_none()
            && !self.freed().is_empty()
            && let Some(room) = self.place_among(&request, &[])
        {
            self.keep_for(id, sequence, room, 0, round, cycle);
            if !grows {
                return true;
            }
        }
        if !self.claims.rules.reclaim && !self.claims.rules.preempt {
            return false;
        }
        let question = (queue, priority_of(self, id), grows, super::waiting::shape(&request));
        if let Some(why) = self.claims.refused.get(&question).cloned() {
            self.claims.why.remove(&id);
            self.claims.why.extend(why.map(|why| (id, why)));
            return false;
        }
        let mut made = false;
        // The core is claimed as one, pods above it one by one.
        while self.cluster.promised_to(id).len() < request.pending()
            && let Some(victims) = self.claim(id, &request, cycle)
        {
            made = true;
            self.reopen_plan(id);
            let room = self.place_among(&request, &[]).unwrap_or_default();
            self.keep_for(id, sequence, room, victims, round, cycle);
            if !grows {
                break;
            }
        }
        if !made {
            let why = self.claims.why.get(&id).cloned();
            self.claims.refused.insert(question, why);
        }
        made
    }

    /// Where the gang goes on what is idle, what is leaving, and what these pods hold.
    fn place_among(&mut self, request: &GangRequest, victims: &[PodId]) -> Option<Vec<Assignment>> {
        let mut changes = self.freed();
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

    /// Keeps room for a gang and says what it waits for.
    fn keep_for(
        &mut self,
        id: GangId,
        sequence: u64,
        assignments: Vec<Assignment>,
        victims: usize,
        round: &mut Round,
        cycle: &mut Cycle,
    ) {
        let class = |pod: PodId| self.cluster.pods().get(pod).map(|record| record.class);
        let room = assignments.iter().filter_map(|it| Some(Room { node: it.node, class: class(it.pod)? }));
        let room: Vec<Room> = room.collect();
        let pods = room.len();
        self.cluster.promise_room(id, room);
        self.claims.plans.insert(id, sequence);
        self.claims.why.remove(&id);
        self.recount(id);
        let because = match victims {
            0 => "pods that are leaving free it".to_owned(),
            1 => "1 pod of others is evicted for it".to_owned(),
            many => format!("{many} pods of others are evicted for it"),
        };
        let s = if pods == 1 { "" } else { "s" };
        let message = format!("room for {pods} pod{s} is kept while {because}");
        self.hold(id, Hold { reason: Reason::WaitingForVictims, message }, round, cycle);
    }

    /// Has others leave so that the gang fits. Returns how many pods; `None` if nobody is evicted.
    fn claim(&mut self, id: GangId, request: &GangRequest, cycle: &mut Cycle) -> Option<usize> {
        let freed = self.freed();
        let now = self.now;
        let Scheduler { sharing, cluster, placer, rules, claims, .. } = self;
        let gang = cluster.gangs().get(id)?;
        let account = sharing.account(id)?.clone();
        if account.waits.is_empty() {
            return None;
        }
        let claimant = Unit {
            queue: account.queue,
            unevictable: account.refuses_eviction,
            core: !account.grows,
            priority: priority(cluster, gang),
            created: super::queues::age(gang),
            name: gang.key.to_string(),
            amounts: account.waits.clone(),
        };
        let (situation, walk) = sharing.situation(cluster);
        if let Some(why) = pool::spares_others(cluster, situation.tree, gang, account.queue, now) {
            claims.why.insert(id, why);
            return None;
        }
        let pool = Pool::of(cluster, situation, walk, &claimant, id, claims, now);
        let mut request = request.clone();
        if account.grows {
            keep_one(&mut request);
        }
        let search = Search::new(cluster, situation, &claimant, &pool, placer, rules, &request, freed);
        let found = match search.run() {
            Answer::Found(found) => found,
            Answer::Refused(why) => {
                claims.why.remove(&id);
                claims.why.extend((!why.is_empty()).then_some((id, why)));
                return None;
            }
        };
        let mut victims = Vec::new();
        let mut taken: BTreeSet<GangId> = BTreeSet::new();
        for &pod in &found.pods {
            let Some(record) = cluster.pods().get(pod) else { continue };
            let Some((victim, of)) = record.gang.and_then(|id| Some((id, cluster.gangs().get(id)?))) else {
                continue;
            };
            let kind = match sharing_queue(situation, walk, victim) {
                Some(queue) if queue == account.queue => EvictionKind::Preempt,
                _ => EvictionKind::Reclaim,
            };
            let message = told(cluster, situation, &claimant, walk, victim, kind);
            claims.leaving.insert(pod, record.uid.clone());
            if taken.insert(victim) {
                if let Some(class) = walk.class_of(victim) {
                    claims.classes.insert(victim, class);
                }
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
        let count = victims.len();
        cycle.decisions.push(Decision::Evict { claimant: gang.key.to_string(), victims });
        claims.freed = None;
        claims.refused.clear();
        taken.into_iter().for_each(|gang| self.recount(gang));
        Some(count)
    }

    /// The class that a gang had before pods of it were evicted.
    pub(super) fn class_before(&self, gang: GangId) -> Option<Class> {
        self.claims.classes.get(&gang).copied()
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

/// What the victim is told.
fn told(
    cluster: &crate::cluster::Cluster,
    situation: Situation<'_>,
    claimant: &Unit,
    walk: &super::queues::Walk,
    victim: GangId,
    kind: EvictionKind,
) -> String {
    let tree = situation.tree;
    let name = |queue: QueueIndex| tree.terms(queue).name.as_str();
    let claimant_queue = name(claimant.queue);
    let Some(queue) = sharing_queue(situation, walk, victim) else { return String::new() };
    match kind {
        EvictionKind::Preempt => {
            format!(
                "preempted for {} of the same queue {claimant_queue}, which has a higher priority",
                claimant.name
            )
        }
        _ => {
            let resource = claimant.amounts.asked().map(|(resource, _)| resource);
            let mut resource = resource.filter(|resource| situation.shares.counted().contains(resource));
            let resource = resource.next();
            let amounts = resource.map_or_else(String::new, |resource| {
                let text = |amount| crate::cluster::requests::quantity(resource, amount).0;
                format!(
                    ": queue {} uses {} of {} {} that it deserves, its fair share is {}",
                    name(queue),
                    text(situation.uses.of(queue).get(resource)),
                    text(tree.terms(queue).deserved.get(resource)),
                    cluster.resources().name(resource),
                    text(situation.shares.share(tree, queue, resource)),
                )
            });
            format!("reclaimed for {} of queue {claimant_queue}{amounts}", claimant.name)
        }
    }
}

/// So long ago; `None` if that is not known.
fn since(then: Option<Timestamp>, now: Option<Timestamp>) -> Option<i64> {
    Some(now?.0.saturating_sub(then?.0))
}
