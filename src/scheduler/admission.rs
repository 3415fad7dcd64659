//! Admission: which PodGroups get from Pending to Inqueue, when Volcano's controller creates their pods.
//!
//! By default it is the queue's word alone: a PodGroup that cannot be placed holds nothing, so it stands in nobody's way.
//! By resources it is as Volcano's `enqueue` has it (`pkg/scheduler/actions/enqueue`, `plugins/overcommit`,
//! `plugins/proportion`): a PodGroup stays Pending while its `spec.minResources`, beside what runs and what is admitted
//! and not there yet, exceed what the cluster has times a factor, or what its queue may hold.

use super::gang::Hold;
use super::order::{Turn, WaitingTimes, deadline, turn};
use super::reason::Reason;
use crate::api::pod_group::PodGroupPhase;
use crate::api::time::Timestamp;
use crate::cluster::Cluster;
use crate::cluster::gangs::{GangKind, GangRecord, Group};
use crate::cluster::ids::{GangId, ResourceId};
use crate::cluster::pods::{PodState, QueueGate};
use crate::cluster::requests::quantity;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How PodGroups are admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionRules {
    /// By resources, rather than by the word of the queue.
    pub by_resources: bool,
    /// By resources: the cluster counts as so many thousandths of what it has; `None` for no limit by the cluster.
    pub overcommit: Option<i64>,
    /// By resources: does a queue admit no more than its `spec.capability`, and no more than the cluster has?
    pub queue_limits: bool,
    /// By resources: is a PodGroup whose waiting time is up admitted all the same?
    pub waiting_times_admit: bool,
    /// How long room is kept for pods that a started gang does not have yet, at most.
    pub room_is_kept_for: Duration,
}

impl AdmissionRules {
    /// Volcano's default of the factor, in thousandths.
    pub const OVERCOMMIT: i64 = 1200;
}

impl Default for AdmissionRules {
    fn default() -> Self {
        AdmissionRules {
            by_resources: false,
            overcommit: None,
            queue_limits: false,
            waiting_times_admit: false,
            room_is_kept_for: Duration::from_secs(1800),
        }
    }
}

/// Gangs whose PodGroup is to be Inqueue and is not yet; with the number of their arrival, since ids are given again.
pub(super) type Admitted = FxHashMap<GangId, u64>;

/// What keeps a PodGroup out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// The cluster, times the factor, has no room for this resource.
    Cluster(ResourceId),
    /// The queue has not.
    Queue(ResourceId),
}

/// Does a PodGroup of this phase wait to be admitted?
pub(super) fn is_pending(group: &Group) -> bool {
    matches!(group.status.phase, None | Some(PodGroupPhase::Pending | PodGroupPhase::Other(_)))
}

/// What runs and what is admitted.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// What the cluster has, and what of it is taken, by resource.
    total: Vec<i64>,
    used: Vec<i64>,
    /// What admitted PodGroups will still take.
    expected: Vec<i64>,
    queues: BTreeMap<String, Account>,
}

/// A queue's.
#[derive(Debug, Default)]
struct Account {
    /// What its gangs hold, but for what they hold beyond their minimum, and what they will still take.
    held: Vec<i64>,
    /// What its pods hold or have been let through to, whatever their gangs' minimum.
    taken: Vec<i64>,
}

impl Ledger {
    /// Counts up.
    pub(super) fn of(cluster: &Cluster, admitted: &Admitted) -> Ledger {
        let capacity = cluster.view().capacity;
        let mut ledger = Ledger::default();
        for index in 0..capacity.resources() {
            let resource = ResourceId(index as u32);
            let nodes = cluster.nodes().present().map(|(node, _, _)| node);
            let (mut total, mut free) = (0i64, 0i64);
            for node in nodes {
                total = total.saturating_add(capacity.allocatable(node, resource));
                free = free.saturating_add(capacity.free(node, resource));
            }
            ledger.total.push(total);
            // Room that is kept is counted with the gang that it is kept for.
            ledger.used.push(total - free - cluster.kept_amount(resource));
        }
        for (id, gang) in cluster.gangs().iter() {
            ledger.add(cluster, gang, admitted.contains_key(&id));
        }
        ledger
    }

    fn add(&mut self, cluster: &Cluster, gang: &GangRecord, is_admitted: bool) {
        let (mut holds, mut gated) = (Vec::new(), Vec::new());
        let account = self.queues.entry(queue_of(gang).to_owned()).or_default();
        for pod in gang.pods.iter().filter_map(|&pod| cluster.pods().get(pod)) {
            let requests = &cluster.view().classes.get(pod.class).requests;
            if pod.holds().is_some() {
                add(&mut holds, requests);
            } else if pod.state == PodState::Pending && pod.gated {
                add(&mut gated, requests);
            } else if pod.state == PodState::Pending && pod.queue_gate == QueueGate::Lifted {
                add(&mut account.taken, requests);
            }
        }
        account.taken.resize(account.taken.len().max(holds.len()), 0);
        account.taken.iter_mut().zip(&holds).for_each(|(sum, amount)| *sum += amount);
        let Some(group) = gang.group.as_ref().filter(|_| gang.kind == GangKind::PodGroup) else {
            return merge(&mut account.held, &holds);
        };
        let at = |amounts: &[i64], resource: ResourceId| amounts.get(resource.index()).copied().unwrap_or(0);
        // What it holds beyond its minimum stands in nobody's way: it could be taken back.
        let mut counted = holds.clone();
        let is_expected = is_admitted
            || match group.status.phase {
                Some(PodGroupPhase::Inqueue | PodGroupPhase::Unknown) => true,
                Some(PodGroupPhase::Running) => at_minimum(cluster, gang),
                _ => false,
            };
        for &(resource, minimum) in &group.min_resources {
            if let Some(amount) = counted.get_mut(resource.index()) {
                *amount = (*amount).min(minimum);
            }
            if is_expected {
                let left = (minimum - at(&holds, resource) - at(&gated, resource)).max(0);
                add(&mut self.expected, &[(resource, left)]);
                add(&mut account.held, &[(resource, left)]);
            }
        }
        merge(&mut account.held, &counted);
    }

    /// What stands in the way of a PodGroup that asks for this.
    pub(super) fn limit(
        &self,
        cluster: &Cluster,
        rules: &AdmissionRules,
        queue: &str,
        asks: &[(ResourceId, i64)],
    ) -> Option<Limit> {
        let at = |amounts: &[i64], resource: ResourceId| amounts.get(resource.index()).copied().unwrap_or(0);
        if let Some(factor) = rules.overcommit {
            let is_over = |&&(resource, amount): &&(ResourceId, i64)| {
                let has = i128::from(at(&self.total, resource)) * i128::from(factor) / 1000;
                let taken = at(&self.used, resource).saturating_add(at(&self.expected, resource));
                i128::from(taken.saturating_add(amount)) > has
            };
            if let Some(&(resource, _)) = asks.iter().find(is_over) {
                return Some(Limit::Cluster(resource));
            }
        }
        if rules.queue_limits {
            let held = self.queues.get(queue).map_or(&[][..], |account| &account.held);
            let is_over = |&&(resource, amount): &&(ResourceId, i64)| {
                let most = capability(cluster, queue, resource).unwrap_or(i64::MAX);
                at(held, resource).saturating_add(amount) > most.min(at(&self.total, resource))
            };
            if let Some(&(resource, _)) = asks.iter().find(is_over) {
                return Some(Limit::Queue(resource));
            }
        }
        None
    }

    /// May a pod that asks for this pass the gate of its queue? If so, or if it has passed already, it counts from now on.
    pub(super) fn let_through(
        &mut self,
        cluster: &Cluster,
        queue: &str,
        asks: &[(ResourceId, i64)],
        has_passed: bool,
    ) -> bool {
        let account = self.queues.entry(queue.to_owned()).or_default();
        let fits = asks.iter().all(|&(resource, amount)| {
            let taken = account.taken.get(resource.index()).copied().unwrap_or(0);
            capability(cluster, queue, resource).is_none_or(|most| taken.saturating_add(amount) <= most)
        });
        if fits || has_passed {
            add(&mut account.taken, asks);
        }
        fits
    }

    /// What a queue's pods hold or have been let through to.
    pub(super) fn taken(&self, queue: &str) -> Vec<i64> {
        self.queues.get(queue).map_or_else(Vec::new, |account| account.taken.clone())
    }

    /// Puts back what [`Ledger::taken`] said.
    pub(super) fn set_taken(&mut self, queue: &str, taken: Vec<i64>) {
        self.queues.entry(queue.to_owned()).or_default().taken = taken;
    }

    fn expect(&mut self, queue: &str, asks: &[(ResourceId, i64)]) {
        add(&mut self.expected, asks);
        add(&mut self.queues.entry(queue.to_owned()).or_default().held, asks);
    }
}

/// Admits whom it can, in the order of their turns: one that has to wait stands in nobody's way. Returns the newly admitted,
/// and notes what stands in the way of the others.
pub(super) fn admit(
    cluster: &Cluster,
    rules: &AdmissionRules,
    times: WaitingTimes,
    now: Option<Timestamp>,
    admitted: &mut Admitted,
    refused: &mut FxHashMap<GangId, Limit>,
) -> Vec<GangId> {
    refused.clear();
    let mut pending: Vec<(Turn, GangId, &GangRecord, &Group)> = Vec::new();
    admitted.retain(|&id, sequence| {
        let gang = cluster.gangs().get(id).filter(|gang| gang.sequence == *sequence);
        gang.and_then(|gang| gang.group.as_deref()).is_some_and(is_pending)
    });
    for (id, gang) in cluster.gangs().iter() {
        if gang.kind == GangKind::PodGroup
            && let Some(group) = gang.group.as_deref().filter(|group| is_pending(group) && !group.deleting)
            && cluster.queue(&group.spec.queue).is_some_and(|queue| queue.open)
            && !admitted.contains_key(&id)
        {
            pending.push((turn(cluster, gang, times), id, gang, group));
        }
    }
    if pending.is_empty() {
        return Vec::new();
    }
    pending.sort_by(|a, b| b.0.cmp(&a.0));
    let mut ledger = Ledger::of(cluster, admitted);
    let mut new = Vec::new();
    for (_, id, gang, group) in pending {
        let is_overdue = || {
            let deadline = deadline(gang, times).filter(|_| rules.waiting_times_admit);
            deadline.zip(now).is_some_and(|(at, now)| at <= now.0.saturating_mul(1_000_000_000))
        };
        match ledger.limit(cluster, rules, queue_of(gang), &group.min_resources) {
            Some(limit) if !is_overdue() => drop(refused.insert(id, limit)),
            _ => {
                ledger.expect(queue_of(gang), &group.min_resources);
                admitted.insert(id, gang.sequence);
                new.push(id);
            }
        }
    }
    new
}

/// Why a gang is not admitted.
pub(super) fn refusal(cluster: &Cluster, rules: &AdmissionRules, gang: &GangRecord, limit: Limit) -> Hold {
    let amount = |resource: ResourceId| {
        let asks = gang.group.as_ref().map_or(&[][..], |group| &group.min_resources);
        let amount = asks.iter().find(|(named, _)| *named == resource).map_or(0, |(_, amount)| *amount);
        format!("{} {}", quantity(resource, amount), cluster.resources().name(resource))
    };
    let message = match limit {
        Limit::Queue(resource) => format!(
            "waits to be admitted: spec.minResources asks for {}, more than queue {} has left beside what runs and what is \
             admitted (its spec.capability, and what the cluster has)",
            amount(resource),
            queue_of(gang)
        ),
        Limit::Cluster(resource) => format!(
            "waits to be admitted: spec.minResources asks for {}, more than the cluster has left beside what runs and what \
             is admitted (overcommit factor {})",
            amount(resource),
            decimal(rules.overcommit.unwrap_or(1000))
        ),
    };
    Hold { reason: Reason::NotAdmitted, message }
}

/// The queue that a gang is of.
pub(super) fn queue_of(gang: &GangRecord) -> &str {
    let queue = gang.group.as_ref().map_or("", |group| group.spec.queue.as_str());
    if queue.is_empty() { "default" } else { queue }
}

fn capability(cluster: &Cluster, queue: &str, resource: ResourceId) -> Option<i64> {
    let capability = cluster.queue(queue)?.capability.as_ref()?;
    capability.iter().find(|(named, _)| *named == resource).map(|(_, most)| *most)
}

/// Thousandths as a decimal number: 1200 is `1.2`.
fn decimal(milli: i64) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn at_minimum(cluster: &Cluster, gang: &GangRecord) -> bool {
    let counts = super::report::counts(cluster, gang);
    counts.running + counts.bound + counts.assumed >= super::report::minimum(gang)
}

fn add(sum: &mut Vec<i64>, amounts: &[(ResourceId, i64)]) {
    for &(resource, amount) in amounts {
        if sum.len() <= resource.index() {
            sum.resize(resource.index() + 1, 0);
        }
        sum[resource.index()] = sum[resource.index()].saturating_add(amount);
    }
}

fn merge(sum: &mut Vec<i64>, amounts: &[i64]) {
    sum.resize(sum.len().max(amounts.len()), 0);
    sum.iter_mut().zip(amounts).for_each(|(sum, amount)| *sum = sum.saturating_add(*amount));
}
