//! Room for pods that do not exist yet: what `spec.minResources` asks for beyond the pods that do.
//!
//! Some who make gangs send a small minimum and the resources of the whole on purpose: a LeaderWorkerSet with
//! `startupPolicy: LeaderReady` creates its workers when the leader is ready, a Spark driver its executors when it runs. To
//! start the first pod alone would be meaningless, and where the rest does not fit it would hold the cluster for nothing.
//! So such a gang starts only if all of it fits, counted in stand-ins for the pods to come, and where the stand-ins
//! were placed the room is kept, for a time.

use super::Scheduler;
use super::gang::placed_request;
use super::report::minimum;
use crate::api::time::Timestamp;
use crate::cluster::capacity::PODS;
use crate::cluster::gangs::{GangKind, GangRecord};
use crate::cluster::ids::{ClassId, GangId, PodId, ResourceId};
use crate::cluster::pods::PodRecord;
use crate::cluster::{Cluster, Room};
use crate::placement::{Assignment, GangRequest, Member, PlacementRules, Placer, Subgroup};
use std::time::Duration;

/// No gang counts for more stand-ins: beyond that each of them is larger.
const MOST_STAND_INS: i64 = 4096;

/// The ids of stand-ins; no pod has one of these.
const FIRST_STAND_IN: u32 = u32::MAX - MOST_STAND_INS as u32;

/// What a gang asks for beyond its pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// A class of a pod that exists: those to come are taken to go where it may go.
    like: ClassId,
    /// So many pods.
    pods: u32,
    /// Each with these requests.
    requests: Box<[(ResourceId, i64)]>,
}

/// What a gang's `minResources` ask for beyond its pods, those that have ended included; `None` if that is nothing.
pub(super) fn rest(cluster: &Cluster, gang: &GangRecord) -> Option<Rest> {
    let group = gang.group.as_ref().filter(|group| gang.kind == GangKind::PodGroup && !group.deleting)?;
    if group.min_resources.is_empty() || minimum(gang) == 0 {
        return None;
    }
    let pods: Vec<&PodRecord> = gang.pods.iter().filter_map(|&pod| cluster.pods().get(pod)).collect();
    let mut missing = group.min_resources.to_vec();
    for pod in &pods {
        for &(resource, amount) in requests(cluster, pod) {
            if let Some(entry) = missing.iter_mut().find(|(named, _)| *named == resource) {
                entry.1 -= amount;
            }
        }
    }
    missing.retain(|&(_, amount)| amount > 0);
    let first = pods.iter().find(|pod| !pod.deleting)?;
    let count = how_many(cluster, &pods, &missing)?;
    let each = |&(resource, amount): &(ResourceId, i64)| (resource, (amount + count - 1) / count);
    let mut requests: Vec<(ResourceId, i64)> =
        missing.iter().filter(|(resource, _)| *resource != PODS).map(each).chain([(PODS, 1)]).collect();
    requests.sort_unstable();
    Some(Rest { like: first.class, pods: u32::try_from(count).ok()?, requests: requests.into() })
}

/// How many pods the rest is taken to be: what is told, else as many as make them like a pod that exists, else pods
/// as large as the largest of those that exist, and none larger than a node.
fn how_many(cluster: &Cluster, pods: &[&PodRecord], missing: &[(ResourceId, i64)]) -> Option<i64> {
    let told = missing.iter().find(|(resource, _)| *resource == PODS).map(|(_, count)| *count);
    let amounts = || missing.iter().filter(|(resource, _)| *resource != PODS);
    amounts().next()?;
    let size = pods.iter().map(|pod| i64::from(pod.group_size)).max().unwrap_or(0);
    let size = Some(size - pods.len() as i64).filter(|&left| left > 0);
    let request = |pod: &PodRecord, resource: ResourceId| {
        let amount = requests(cluster, pod).iter().find(|(named, _)| *named == resource);
        amount.map_or(0, |(_, amount)| *amount)
    };
    let times = |pod: &&PodRecord| {
        let (resource, amount) = *amounts().next()?;
        let unit = Some(request(pod, resource)).filter(|&unit| unit > 0 && amount % unit == 0)?;
        let times = amount / unit;
        amounts().all(|&(resource, amount)| request(pod, resource) * times == amount).then_some(times)
    };
    let alike = pods.iter().find_map(times);
    let estimate = || {
        let nodes = cluster.nodes().present().map(|(id, _, _)| id);
        let nodes: Vec<_> = nodes.collect();
        let unit = |resource: ResourceId| {
            let largest = nodes.iter().map(|&node| cluster.view().capacity.allocatable(node, resource)).max();
            let member = pods.iter().map(|pod| request(pod, resource)).max().filter(|&amount| amount > 0);
            member.into_iter().chain(largest.filter(|&amount| amount > 0)).min().unwrap_or(i64::MAX)
        };
        amounts().map(|&(resource, amount)| (amount - 1) / unit(resource) + 1).max().unwrap_or(1)
    };
    Some(told.or(size).or(alike).unwrap_or_else(estimate).clamp(1, MOST_STAND_INS))
}

fn requests<'a>(cluster: &'a Cluster, pod: &PodRecord) -> &'a [(ResourceId, i64)] {
    &cluster.view().classes.get(pod.class).requests
}

/// Has any pod of the gang a node?
pub(super) fn has_started(cluster: &Cluster, gang: &GangRecord) -> bool {
    gang.pods.iter().any(|&pod| cluster.pods().get(pod).is_some_and(PodRecord::is_placed))
}

/// Adds stand-ins for the rest to a gang that has not started: all of it is placed, or nothing. Returns how many.
pub(super) fn add_stand_ins(cluster: &mut Cluster, rest: &Rest, request: &mut GangRequest) -> u32 {
    let subgroup = stand_ins(cluster, rest, request.pending());
    request.minimum = (request.pending() + request.placed()) as u32 + rest.pods;
    match request.subgroups.iter_mut().find(|subgroup| subgroup.policy.is_none()) {
        Some(own) => own.members.extend(subgroup.members),
        None => request.subgroups.push(subgroup),
    }
    rest.pods
}

fn stand_ins(cluster: &mut Cluster, rest: &Rest, first_rank: usize) -> Subgroup {
    let class = cluster.class_asking(rest.like, rest.requests.clone());
    let member = |index: u32| Member {
        pod: PodId(FIRST_STAND_IN + index),
        class,
        role: u32::MAX,
        rank: first_rank as u32 + index,
    };
    Subgroup { policy: None, members: (0..rest.pods).map(member).collect(), placed: Vec::new() }
}

/// Where stand-ins were placed.
pub(super) fn room(request: &GangRequest, placed: &[Assignment]) -> Vec<Room> {
    let mut members = request.subgroups.iter().flat_map(|subgroup| &subgroup.members);
    let Some(one) = members.find(|member| member.pod.0 >= FIRST_STAND_IN) else { return Vec::new() };
    let stand_ins = placed.iter().filter(|assignment| assignment.pod.0 >= FIRST_STAND_IN);
    stand_ins.map(|assignment| Room { node: assignment.node, class: one.class }).collect()
}

/// Room for the rest of a gang that has started, as far as there is any: near its pods, where its rules want it.
fn find_room(
    cluster: &mut Cluster,
    placer: &mut Placer,
    rules: &PlacementRules,
    rest: &Rest,
    mut request: GangRequest,
) -> Vec<Room> {
    request.subgroups.iter_mut().for_each(|subgroup| subgroup.members.clear());
    (request.minimum, request.roles) = (0, Vec::new());
    request.policies.iter_mut().for_each(|policy| policy.minimum = 0);
    let subgroup = stand_ins(cluster, rest, 0);
    request.subgroups.push(subgroup);
    match placer.decide(cluster.view(), &request, rules) {
        Ok(placement) => room(&request, &placement.assignments),
        Err(_) => Vec::new(),
    }
}

/// Until when room is kept for a gang that has started: so long after it had its minimum; `None` if that is not known yet.
fn kept_until(gang: &GangRecord, span: Duration) -> Option<Timestamp> {
    let conditions = &gang.group.as_ref()?.status.conditions;
    let scheduled =
        conditions.iter().find(|condition| condition.type_ == "Scheduled" && condition.status == "True")?;
    let since = Timestamp::parse(scheduled.last_transition_time.as_deref()?)?;
    Some(since.plus(i64::try_from(span.as_secs()).unwrap_or(i64::MAX)))
}

/// Is the room still where the gang may use it?
fn is_usable(cluster: &Cluster, gang: GangId, rest: &Rest) -> bool {
    let view = cluster.view();
    let room = cluster.room_of(gang);
    let class = view.classes.get(rest.like);
    room.len() == rest.pods as usize
        && room.iter().all(|room| {
            *view.classes.get(room.class).requests == *rest.requests
                && view.capacity.is_present(room.node)
                && view.eligibility.cause(class.constraint, room.node).is_none()
        })
}

impl Scheduler {
    /// Keeps room for the rest of a gang that has started, or keeps none any longer: it is whole, or ended, or its time is up.
    pub(super) fn settle_room(&mut self, id: GangId) {
        self.roomless.remove(&id);
        let Some((rest, gang)) = self.rest_of(id).zip(self.cluster.gangs().get(id)) else {
            self.cluster.give_room_back(id);
            return;
        };
        let until = kept_until(gang, self.admission.room_is_kept_for);
        if !has_started(&self.cluster, gang) || until.zip(self.now).is_some_and(|(until, now)| until <= now) {
            self.cluster.give_room_back(id);
        } else if !is_usable(&self.cluster, id, &rest) {
            let request = placed_request(&self.cluster, gang);
            self.cluster.give_room_back(id);
            let find = |request| find_room(&mut self.cluster, &mut self.placer, &self.rules, &rest, request);
            let room = request.map_or_else(Vec::new, find);
            if room.len() < rest.pods as usize {
                self.roomless.insert(id);
            }
            self.cluster.keep_room(id, room);
        }
    }

    /// What a gang asks for beyond its pods; nothing more once it has had all.
    pub(super) fn rest_of(&mut self, id: GangId) -> Option<Rest> {
        let Some(gang) = self.cluster.gangs().get(id) else {
            self.whole.remove(&id);
            return None;
        };
        let has_minimum_resources = gang.group.as_ref().is_some_and(|group| !group.min_resources.is_empty());
        if !has_minimum_resources || self.whole.get(&id) == Some(&gang.sequence) {
            return None;
        }
        let rest = rest(&self.cluster, gang);
        if rest.is_none() && has_started(&self.cluster, gang) {
            self.whole.insert(id, gang.sequence);
        }
        rest
    }

    /// Has any pod of the gang a node?
    pub(super) fn has_started(&self, id: GangId) -> bool {
        self.cluster.gangs().get(id).is_some_and(|gang| has_started(&self.cluster, gang))
    }

    /// When room that is kept is to be given back, at the earliest.
    pub(super) fn room_ends(&self) -> Option<Timestamp> {
        let gangs = self.cluster.gangs_with_room().filter_map(|gang| self.cluster.gangs().get(gang));
        gangs.filter_map(|gang| kept_until(gang, self.admission.room_is_kept_for)).min()
    }
}

/// What is said of a gang that waits with stand-ins.
pub(super) fn explain(stand_ins: u32, gang: &GangRecord) -> String {
    let (does, them) = if stand_ins == 1 { ("does", "it") } else { ("do", "them") };
    format!(
        "; {stand_ins} of these pods {does} not exist yet: spec.minMember is {}, and spec.minResources asks for room for {them} \
         before the first one starts",
        minimum(gang)
    )
}
