//! Holds: a domain that is kept for a large gang which those who come and go would never let in.
//!
//! A gang that is promised what it asks for, and has for long enough (`sharing.holdAfter`) been the first of its queue, not placed and
//! not helped, holds one domain: of those that its rule allows and that it would fit into, the one of which the
//! least is used by pods that cannot be evicted for it. Into that domain only those may start whom the holder could evict at once, or
//! whose pods say when they end (`spec.activeDeadlineSeconds`), where that is before the last of the others there ends. So the domain is
//! lent and not left idle. There is one hold a queue, and no more than half the nodes are held. A hold ends when its gang starts,
//! changes or is gone, or when it is promised less than it asks for; another domain is taken when less of it is in the way.
//!
//! Owned here: [`Holds`].

use super::Scheduler;
use super::claims::nearest_span;
use super::gang::{Prepared, prepare};
use super::order::{Turn, priority, turn};
use super::reason::Reason;
use crate::api::time::Timestamp;
use crate::cluster::ids::{DomainId, GangId, NodeId, PodId};
use crate::cluster::pods::PodRecord;
use crate::placement::{Change, GangRequest};
use crate::sharing::QueueIndex;
use std::collections::{BTreeMap, BTreeSet};

/// One part in so many of the nodes is held at most.
const PART: usize = 2;

/// Every so many seconds another domain may be taken.
const AGAIN: i64 = 60;

/// A domain is looked for, for so many gangs a cycle at most: each looks at all domains that its rule allows.
const LOOKS: usize = 4;

/// What is held.
#[derive(Debug, Default)]
pub(super) struct Holds {
    by_gang: BTreeMap<GangId, Hold>,
    /// Since when gangs are the first of their queues.
    first_since: BTreeMap<GangId, Timestamp>,
    /// When a domain was last looked for, by gang.
    tried: BTreeMap<GangId, Timestamp>,
    /// When holds were looked at last.
    looked: Option<Timestamp>,
    /// When the next gang has waited long enough.
    due: Option<(Timestamp, GangId)>,
}

/// A domain that is held.
#[derive(Clone, Debug)]
struct Hold {
    sequence: u64,
    queue: QueueIndex,
    /// The build of the topology that the domain is of.
    version: u64,
    domain: DomainId,
    nodes: Vec<NodeId>,
    /// So much of the resources that are divided is used there by pods that cannot be evicted for the gang.
    blocked: i64,
    /// When the last of those ends, where all of them say so.
    free_at: Option<Timestamp>,
}

impl Scheduler {
    /// The nodes where a gang may not start, since they are held for others.
    pub(super) fn closed_for(&self, id: GangId) -> Vec<Change> {
        let holds = self.holds.by_gang.iter().filter(|&(&holder, hold)| {
            holder != id && !self.may_enter(id, holder, hold) && !self.ends_in_time(id, hold)
        });
        holds.flat_map(|(_, hold)| &hold.nodes).map(|&node| Change::Closed(node)).collect()
    }

    /// For whom domains are held that a gang may not enter, as `namespace/name`, with the names of the domains.
    pub(super) fn holders_before(&self, id: GangId) -> Vec<(String, String)> {
        let topology = self.cluster.view().topology;
        let holds = self.holds.by_gang.iter().filter(|&(&holder, hold)| {
            holder != id && !self.may_enter(id, holder, hold) && !self.ends_in_time(id, hold)
        });
        let named = holds.filter_map(|(&holder, hold)| {
            let gang = self.cluster.gangs().get(holder)?;
            Some((gang.key.to_string(), topology.name(hold.domain).to_owned()))
        });
        named.collect()
    }

    /// What is held for a gang, as a sentence.
    pub(super) fn told_hold(&self, id: GangId) -> Option<String> {
        let hold = self.holds.by_gang.get(&id)?;
        let name = self.cluster.view().topology.name(hold.domain);
        let end = hold
            .free_at
            .map_or_else(String::new, |at| format!("; the last pod in the way there ends at {at}"));
        Some(format!("{name} is held for it{end}"))
    }

    /// When the next gang has waited long enough to hold a domain.
    pub(super) fn hold_due(&self) -> Option<Timestamp> {
        self.holds.due.map(|(at, _)| at)
    }

    /// The gang that has waited long enough then.
    pub(super) fn holder_due(&self) -> Option<GangId> {
        self.holds.due.map(|(_, gang)| gang)
    }

    /// Lets go of what need not be held any more, and holds what is to be.
    pub(super) fn review_holds(&mut self) {
        let Some(after) = self.claims.rules.hold_after.filter(|_| self.claims.are_carried_out) else {
            return;
        };
        let Some(now) = self.now.filter(|_| self.sharing.promises_anything()) else { return };
        self.drop_holds();
        if self.holds.looked == Some(now) || self.waiting.is_empty() {
            return;
        }
        (self.holds.looked, self.holds.due) = (Some(now), None);
        let after = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
        let heads: BTreeSet<GangId> = self.heads().into_values().collect();
        self.holds.first_since.retain(|gang, _| heads.contains(gang));
        self.holds.tried.retain(|gang, _| heads.contains(gang));
        let mut ripe = Vec::new();
        for gang in heads {
            let at = self.holds.first_since.entry(gang).or_insert(now).plus(after);
            let tried = self.holds.tried.get(&gang).copied();
            if at > now {
                self.holds.due = self.holds.due.into_iter().chain([(at, gang)]).min();
            } else if tried.is_none_or(|tried| now.0 - tried.0 >= AGAIN) {
                ripe.push((tried, gang));
            }
        }
        // Who has waited longest for a look comes first.
        ripe.sort_unstable();
        let others = ripe.split_off(ripe.len().min(LOOKS));
        self.holds.due =
            self.holds.due.into_iter().chain(others.first().map(|&(_, gang)| (now.plus(1), gang))).min();
        if ripe.is_empty() {
            return;
        }
        let holding = self.pods_by_node();
        for (_, gang) in ripe {
            self.holds.tried.insert(gang, now);
            let blocked = self.holds.by_gang.get(&gang).map(|hold| hold.blocked);
            let Some(best) = self.best_domain(gang, now, &holding) else { continue };
            if blocked.is_none_or(|blocked| best.blocked < blocked) {
                let waits = self.waiting.get_mut(&gang);
                // Its sentence is to be another one.
                waits.into_iter().for_each(|wait| wait.counted = None);
                self.holds.by_gang.insert(gang, best);
                self.cluster.mark_changed(gang);
            }
        }
    }

    fn pods_by_node(&self) -> BTreeMap<NodeId, Vec<PodId>> {
        let mut holding: BTreeMap<NodeId, Vec<PodId>> = BTreeMap::new();
        for (pod, record) in self.cluster.pods().iter() {
            if let Some(node) = record.holds() {
                holding.entry(node).or_default().push(pod);
            }
        }
        holding
    }

    fn drop_holds(&mut self) {
        let version = self.cluster.view().topology.version();
        let mut over = Vec::new();
        for (&gang, hold) in &self.holds.by_gang {
            let same = self.cluster.gangs().get(gang).is_some_and(|record| record.sequence == hold.sequence);
            let waits =
                self.waiting.get(&gang).is_some_and(|wait| wait.below_minimum && may_hold(wait.reason));
            let stands = same && waits && version == hold.version && self.sharing.is_within_deserved(gang);
            if !stands {
                over.push(gang);
            }
        }
        for gang in over {
            if let Some(hold) = self.holds.by_gang.remove(&gang) {
                // Who was kept out is to be tried again.
                self.cluster.mark_gained(hold.nodes);
            }
        }
    }

    /// The first gang of each queue, of those that are promised what they ask for and wait for room.
    fn heads(&self) -> BTreeMap<QueueIndex, GangId> {
        let mut heads: BTreeMap<QueueIndex, (Turn, GangId)> = BTreeMap::new();
        for (&gang, wait) in
            self.waiting.iter().filter(|(_, wait)| wait.below_minimum && may_hold(wait.reason))
        {
            let Some((record, account)) = self.cluster.gangs().get(gang).zip(self.sharing.account(gang))
            else {
                continue;
            };
            if !self.sharing.is_within_deserved(gang) {
                continue;
            }
            let asked = wait.asked.as_ref().map(|asked| asked.turn.clone());
            let turn = asked.unwrap_or_else(|| turn(&self.cluster, record, self.times));
            match heads.get(&account.queue) {
                Some((first, _)) if *first >= turn => {}
                _ => drop(heads.insert(account.queue, (turn, gang))),
            }
        }
        heads.into_iter().map(|(queue, (_, gang))| (queue, gang)).collect()
    }

    /// The domain of which the least is in the way.
    fn best_domain(
        &mut self,
        id: GangId,
        now: Timestamp,
        holding: &BTreeMap<NodeId, Vec<PodId>>,
    ) -> Option<Hold> {
        let gang = self.cluster.gangs().get(id)?;
        let (sequence, queue) = (gang.sequence, self.sharing.account(id)?.queue);
        let Prepared::Ready(request) = prepare(&self.cluster, gang) else { return None };
        let evictable: BTreeSet<PodId> = self.evictable(id).into_iter().collect();
        let view = self.cluster.view();
        let topology = view.topology;
        let held: usize = self
            .holds
            .by_gang
            .iter()
            .filter(|(holder, _)| **holder != id)
            .map(|(_, hold)| hold.nodes.len())
            .sum();
        let nodes = topology.order().len();
        let mut best: Option<(i64, u32, &str, DomainId, Option<Timestamp>)> = None;
        let domains = topology.by_tier().iter().flat_map(|(_, domains)| domains).copied();
        for domain in domains {
            let tier = topology.tier(domain);
            let run = topology.nodes(domain);
            let is_allowed = request.rule.required.is_none_or(|required| tier <= required);
            if !is_allowed || (held + run.len()) * PART > nodes || !self.would_fit(&request, run) {
                continue;
            }
            let mut blocked = 0;
            let mut free_at = Some(now);
            let pods = run.iter().filter_map(|node| holding.get(node)).flatten();
            for pod in pods.filter(|pod| !evictable.contains(pod)) {
                let Some(record) = self.cluster.pods().get(*pod) else { continue };
                let requests = view.classes.get(record.class).requests.iter();
                let counted = requests.filter(|(resource, _)| self.sharing.is_divided(*resource));
                blocked += counted.map(|(_, amount)| amount).sum::<i64>();
                free_at = free_at.zip(ends_at(record)).map(|(at, end)| at.max(end));
            }
            let name = topology.name(domain);
            if best.is_none_or(|(least, at, first, ..)| (blocked, tier, name) < (least, at, first)) {
                best = Some((blocked, tier, name, domain, free_at));
            }
        }
        let (blocked, _, _, domain, free_at) = best?;
        Some(Hold {
            sequence,
            queue,
            version: topology.version(),
            domain,
            nodes: topology.nodes(domain).to_vec(),
            blocked,
            free_at,
        })
    }

    /// Have these nodes as much to give, all of it, as the gang asks for?
    fn would_fit(&self, request: &GangRequest, nodes: &[NodeId]) -> bool {
        let view = self.cluster.view();
        let minimum = (request.minimum as usize).saturating_sub(request.placed()).max(1);
        let members = request.subgroups.iter().flat_map(|subgroup| &subgroup.members).take(minimum);
        let mut left: BTreeMap<_, i64> = BTreeMap::new();
        members.for_each(|member| *left.entry(member.class).or_default() += 1);
        let mut taken: BTreeMap<NodeId, BTreeMap<_, i64>> = BTreeMap::new();
        for (class, mut count) in left {
            let class = view.classes.get(class);
            for &node in nodes {
                if count == 0 {
                    break;
                }
                if !view.capacity.is_present(node) || view.eligibility.cause(class.constraint, node).is_some()
                {
                    continue;
                }
                let taken = taken.entry(node).or_default();
                let asked = || class.requests.iter().filter(|(_, amount)| *amount > 0);
                let slots = asked().map(|&(resource, amount)| {
                    let used = taken.get(&resource).copied().unwrap_or(0);
                    (view.capacity.allocatable(node, resource) - used).max(0) / amount
                });
                let slots = slots.min().unwrap_or(i64::MAX).min(count);
                count -= slots;
                for &(resource, amount) in asked() {
                    *taken.entry(resource).or_default() += amount * slots;
                }
            }
            if count > 0 {
                return false;
            }
        }
        true
    }

    /// Could the holder evict the gang at once, if it started where the hold is?
    fn may_enter(&self, id: GangId, holder: GangId, hold: &Hold) -> bool {
        let (Some(gang), Some(account)) = (self.cluster.gangs().get(id), self.sharing.account(id)) else {
            return false;
        };
        let Some(owner) = self.cluster.gangs().get(holder) else { return false };
        let rules = self.claims.rules;
        let mut pods = gang.pods.iter().filter_map(|&pod| self.cluster.pods().get(pod));
        if account.refuses_eviction
            || pods
                .any(|pod| pod.eviction.refused || pod.eviction.critical || pod.eviction.cooldown_seconds > 0)
        {
            return false;
        }
        let is_own = account.queue == hold.queue;
        let protects = nearest_span(&self.cluster, self.sharing.tree(), account.queue, is_own);
        if protects.is_some_and(|span| !span.is_zero()) {
            return false;
        }
        match is_own {
            true => rules.preempt && priority(&self.cluster, gang) < priority(&self.cluster, owner),
            false => rules.reclaim && self.sharing.would_be_lent(id, hold.queue),
        }
    }

    /// Do all pods of a gang that wait say that they end before the holder could start?
    fn ends_in_time(&self, id: GangId, hold: &Hold) -> bool {
        let (Some(gang), Some(now)) = (self.cluster.gangs().get(id), self.now) else { return false };
        let Some(free_at) = hold.free_at else { return false };
        let mut waiting = gang.pods.iter().filter_map(|&pod| self.cluster.pods().get(pod));
        waiting.all(|pod| {
            !pod.wants_node()
                || pod.eviction.deadline_seconds.is_some_and(|span| now.plus(i64::from(span)) <= free_at)
        })
    }
}

/// When a pod that runs ends, if it says so.
fn ends_at(pod: &PodRecord) -> Option<Timestamp> {
    Some(pod.eviction.started?.plus(i64::from(pod.eviction.deadline_seconds?)))
}

fn may_hold(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NotEnoughResources
            | Reason::TopologyConstraint
            | Reason::SearchCutShort
            | Reason::HeldForOther
    )
}
