//! From a PodGroup and its pods to what the solver is asked: subgroups, minima, tier rules, ranks.
//!
//! A gang that cannot be asked about (a missing queue, an unknown tier, too few pods) is held with a reason that names
//! the field and the remedy. Hard rules fail closed: what cannot be understood holds the gang, never frees it.
//! Semantics: volcano `pkg/scheduler/api/job_info.go`, `sub_job_info.go`, `plugins/gang`.

mod members;

pub(super) use members::{stuck, too_few, unanswered};

use super::reason::Reason;
use super::report::{counts, minimum};
use crate::api::gang::Dialect;
use crate::api::pod_group::{NetworkTopology, PodGroupPhase, PodGroupSpec, TopologyMode};
use crate::cluster::Cluster;
use crate::cluster::gangs::{GangKind, GangRecord};
use crate::cluster::ids::PodId;
use crate::cluster::labels::LabelSet;
use crate::cluster::natural;
use crate::cluster::pods::{PodRecord, PodState};
use crate::cluster::topology::{Tier, Topology};
use crate::placement::{GangRequest, Member, Placed, Policy, RoleMinimum, Subgroup, TierRule};
use crate::words::counted;
use std::collections::BTreeMap;

/// A gang, ready to be placed or held.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// No pod wants a node.
    Idle,
    /// Ask the solver.
    Ready(GangRequest),
    /// Do not ask: this stands in the way.
    Held(Hold),
}

/// Why a gang is not even tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The code.
    pub reason: Reason,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Turns a gang into a question for the solver.
pub fn prepare(cluster: &Cluster, gang: &GangRecord) -> Prepared {
    let pods: Vec<(PodId, &PodRecord)> =
        gang.pods.iter().filter_map(|&id| cluster.pods().get(id).map(|pod| (id, pod))).collect();
    if !pods.iter().any(|(_, pod)| pod.state == PodState::Pending && !pod.deleting) {
        return Prepared::Idle;
    }
    match request(cluster, gang, &pods) {
        Ok(request) if request.pending() == 0 => Prepared::Idle,
        Ok(request) => Prepared::Ready(request),
        Err(hold) => Prepared::Held(hold),
    }
}

/// What stands in the way of asking about the gang, if anything does, whether or not a pod of it wants a node.
pub(super) fn held(cluster: &Cluster, gang: &GangRecord) -> Option<Hold> {
    let pods: Vec<(PodId, &PodRecord)> =
        gang.pods.iter().filter_map(|&id| cluster.pods().get(id).map(|pod| (id, pod))).collect();
    request(cluster, gang, &pods).err()
}

/// A gang that had its minimum, has lost members, and has nothing to place in their stead: as Volcano has it, it is
/// unschedulable, and of unknown phase while some of it runs. Controllers act on that (a vcjob's event `Unknown`).
pub(super) fn members_lost(cluster: &Cluster, gang: &GangRecord) -> Option<Hold> {
    let group = gang.group.as_ref().filter(|group| gang.kind == GangKind::PodGroup && !group.deleting)?;
    let was_placed = group.status.conditions.iter().any(|condition| condition.type_ == "Scheduled");
    let (counts, minimum) = (counts(cluster, gang), minimum(gang));
    let left = counts.scheduled() + counts.assumed + counts.releasing;
    let is_over = group.status.phase == Some(PodGroupPhase::Completed);
    (was_placed && !is_over && left < minimum).then(|| Hold {
        reason: Reason::MembersLost,
        message: format!(
            "{left} of {} are left ({}), {} of them running; the others are to be created again",
            counted(minimum, "pod"),
            gang.dialect().minimum_field(),
            counts.running
        ),
    })
}

/// The question without its pods to place: what of the gang has a node, and the rules that tie others to it.
pub(super) fn placed_request(cluster: &Cluster, gang: &GangRecord) -> Option<GangRequest> {
    let pods: Vec<(PodId, &PodRecord)> =
        gang.pods.iter().filter_map(|&id| cluster.pods().get(id).map(|pod| (id, pod))).collect();
    let mut request = request(cluster, gang, &pods).ok()?;
    request.subgroups.iter_mut().for_each(|subgroup| subgroup.members.clear());
    Some(request)
}

/// The question where these pods of the gang, which run, are to go when they are made again: as if they waited, and no others.
pub(super) fn moved_request(cluster: &Cluster, gang: &GangRecord, moved: &[PodId]) -> Option<GangRequest> {
    let supposed = |&id: &PodId| {
        let mut pod = cluster.pods().get(id)?.clone();
        if moved.contains(&id) {
            (pod.state, pod.node) = (PodState::Pending, None);
        }
        Some((id, pod))
    };
    let pods: Vec<(PodId, PodRecord)> = gang.pods.iter().filter_map(supposed).collect();
    let pods: Vec<(PodId, &PodRecord)> = pods.iter().map(|(id, pod)| (*id, pod)).collect();
    let mut request = request(cluster, gang, &pods).ok()?;
    for subgroup in &mut request.subgroups {
        subgroup.members.retain(|member| moved.contains(&member.pod));
    }
    request.subgroups.retain(|subgroup| !subgroup.members.is_empty() || !subgroup.placed.is_empty());
    Some(request)
}

fn request(cluster: &Cluster, gang: &GangRecord, pods: &[(PodId, &PodRecord)]) -> Result<GangRequest, Hold> {
    let spec = match (gang.kind, &gang.group) {
        (GangKind::Pod, _) => return plain_pod(pods),
        (GangKind::PodGroup, Some(group)) => &group.spec,
        (GangKind::PodGroup, None)
            if gang.dialect() == Dialect::Volcano && gang.name().contains(['/', '(']) =>
        {
            return hold(
                Reason::PodGroupNotFound,
                format!(
                    "annotation scheduling.k8s.io/group-name: {:?} is no name of a PodGroup; a pod can only join one of \
                     its own namespace, {}",
                    gang.name(),
                    gang.namespace()
                ),
            );
        }
        (GangKind::PodGroup, None) => {
            return hold(
                Reason::PodGroupNotFound,
                format!("PodGroup {} does not exist; create it", gang.key),
            );
        }
    };
    others_say(cluster, gang, pods)?;
    admit(cluster, spec)?;
    let minimum = match spec.min_member.unwrap_or(0) {
        negative @ ..0 => {
            return hold(
                Reason::InvalidPodGroup,
                format!(
                    "{}: {negative} is negative; set 0 for no gang, or the pods that must start together",
                    gang.dialect().minimum_field()
                ),
            );
        }
        minimum => minimum as u32,
    };
    let topology = cluster.view().topology;
    let rule = tier_rule(spec.network_topology.as_ref(), topology, "spec.networkTopology")?;
    let policies = policies(spec, topology)?;
    let (subgroups, succeeded) = split(cluster, spec, pods);
    let mut request = GangRequest {
        rule,
        minimum: minimum.saturating_sub(succeeded),
        roles: roles(cluster, spec, minimum),
        policies,
        subgroups,
    };
    members::enough(cluster, gang, spec, pods, &request)?;
    deal_ranks(&mut request);
    Ok(request)
}

/// What groups of `scheduling.k8s.io` and of others are held for and Volcano's are not: what they ask for and nobody here
/// does, members of another scheduler, members of another priority, their own deletion.
fn others_say(cluster: &Cluster, gang: &GangRecord, pods: &[(PodId, &PodRecord)]) -> Result<(), Hold> {
    let Some(group) = gang.group.as_ref().filter(|_| gang.dialect() != Dialect::Volcano) else {
        return Ok(());
    };
    if let Some(refusal) = &group.terms.refusal {
        return hold(Reason::InvalidPodGroup, refusal.to_string());
    }
    if gang.dialect() != Dialect::Native {
        return Ok(());
    }
    if group.deleting {
        return hold(
            Reason::PodGroupNotFound,
            format!("PodGroup {} is being deleted; pods join it no more", gang.key),
        );
    }
    // Each scheduler would place its own part.
    if let Some((pod, scheduler)) = cluster.other_schedulers(&gang.key).next() {
        let ours = cluster.scheduler_names().join(", ");
        return hold(
            Reason::OtherScheduler,
            format!(
                "pod {pod} names {scheduler} and the others {ours}; let all pods of a group name one scheduler"
            ),
        );
    }
    let Some(priority) = group.terms.priority else { return Ok(()) };
    let differs =
        pods.iter().find(|(_, pod)| pod.wants_node() && pod.priority.is_some_and(|own| own != priority));
    match differs {
        Some((_, pod)) => hold(
            Reason::InvalidPodGroup,
            format!(
                "pod {} has priority {} and the group {priority}; give pods and group one priorityClassName",
                pod.key,
                pod.priority.unwrap_or(0)
            ),
        ),
        None => Ok(()),
    }
}

/// A pod without a PodGroup is a gang of one.
fn plain_pod(pods: &[(PodId, &PodRecord)]) -> Result<GangRequest, Hold> {
    let members = pods.iter().filter(|(_, pod)| pod.wants_node());
    if let Some((_, pod)) = pods.iter().find(|(_, pod)| pod.wants_node() && pod.refusal.is_some()) {
        return hold(Reason::PodRefused, pod.refusal.as_deref().unwrap_or_default().to_owned());
    }
    let members: Vec<Member> =
        members.map(|&(id, pod)| Member { pod: id, class: pod.class, role: u32::MAX, rank: 0 }).collect();
    let subgroups = vec![Subgroup { policy: None, members, placed: Vec::new() }];
    Ok(GangRequest { minimum: 1, subgroups, ..GangRequest::default() })
}

/// May the gang run at all, as far as its queue is concerned?
fn admit(cluster: &Cluster, spec: &PodGroupSpec) -> Result<(), Hold> {
    match cluster.queue(&spec.queue) {
        Some(queue) if queue.open => Ok(()),
        Some(_) => hold(
            Reason::QueueNotOpen,
            format!("spec.queue: queue {} is not open; open it or name another", spec.queue),
        ),
        None => hold(
            Reason::QueueNotFound,
            format!("spec.queue: queue {} does not exist; create it or name another", spec.queue),
        ),
    }
}

fn policies(spec: &PodGroupSpec, topology: &Topology) -> Result<Vec<Policy>, Hold> {
    let mut policies = Vec::with_capacity(spec.sub_group_policy.len());
    for (index, policy) in spec.sub_group_policy.iter().enumerate() {
        let path = format!("spec.subGroupPolicy[{index}]");
        let minimum = policy.min_sub_groups.unwrap_or(0);
        let size = policy.sub_group_size.unwrap_or(1);
        if minimum < 0 || size < 1 {
            return hold(
                Reason::InvalidPodGroup,
                format!(
                    "{path}: subGroupSize {size} and minSubGroups {minimum}; the size must be at least 1, the minimum at least 0"
                ),
            );
        }
        if minimum > 0 && policy.match_label_keys.is_empty() {
            return hold(
                Reason::InvalidPodGroup,
                format!(
                    "{path}.matchLabelKeys: is empty, so no pod can belong to a subgroup; name the label that tells subgroups apart"
                ),
            );
        }
        let rule = tier_rule(policy.network_topology.as_ref(), topology, &format!("{path}.networkTopology"))?;
        policies.push(Policy { size: size as u32, minimum: minimum as u32, rule });
    }
    Ok(policies)
}

/// Reads a topology rule. `path` names the field in messages.
fn tier_rule(rule: Option<&NetworkTopology>, topology: &Topology, path: &str) -> Result<TierRule, Hold> {
    let Some(rule) = rule else { return Ok(TierRule::default()) };
    match rule.mode {
        Some(TopologyMode::Soft) => return Ok(TierRule::default()),
        Some(TopologyMode::Hard) | None => {}
        Some(TopologyMode::Other(ref mode)) => {
            return hold(Reason::InvalidPodGroup, format!("{path}.mode: {mode} is neither hard nor soft"));
        }
    }
    let Some(lowest) = topology.lowest_tier() else {
        return hold(
            Reason::UnknownTier,
            format!(
                "{path}: a hard rule, but the cluster has no HyperNodes and no domain labels; create them or use mode: soft"
            ),
        );
    };
    let name = rule.highest_tier_name.as_deref().filter(|name| !name.is_empty());
    let tier = match (rule.highest_tier_allowed, name) {
        (Some(tier), Some(name)) => {
            return hold(
                Reason::InvalidPodGroup,
                format!("{path}: has both highestTierAllowed: {tier} and highestTierName: {name}; keep one"),
            );
        }
        (Some(tier), None) => match Tier::try_from(tier) {
            Ok(tier) if tier >= lowest => tier,
            Ok(_) if tier >= 0 => {
                return hold(
                    Reason::UnknownTier,
                    format!(
                        "{path}.highestTierAllowed: {tier} is below every HyperNode; the lowest tier is {lowest}"
                    ),
                );
            }
            Ok(_) | Err(_) if tier > 0 => Tier::MAX,
            _ => {
                return hold(
                    Reason::InvalidPodGroup,
                    format!("{path}.highestTierAllowed: {tier} is negative; the lowest tier is {lowest}"),
                );
            }
        },
        (None, Some(name)) => match topology.tier_named(name) {
            Some(tier) => tier,
            None => {
                return hold(
                    Reason::UnknownTier,
                    format!(
                        "{path}.highestTierName: no HyperNode has tierName {name}; {}",
                        known_tiers(topology, name)
                    ),
                );
            }
        },
        // A hard rule that names no tier is not "no rule": it is the closest there is.
        (None, None) => lowest,
    };
    Ok(TierRule { required: Some(tier), preferred: None })
}

/// What to write in place of a tier name that no HyperNode has.
fn known_tiers(topology: &Topology, name: &str) -> String {
    let names: Vec<&str> = topology.tier_names().map(|(name, _)| name).collect();
    match crate::api::nearest::nearest(name, names.iter().copied()) {
        Some(meant) => format!("did you mean {meant}?"),
        None if names.is_empty() => {
            "write highestTierAllowed, or give the HyperNodes a spec.tierName".to_owned()
        }
        None => format!("known are {}", names.join(", ")),
    }
}

/// Role minima; like upstream, they bind only when `minMember` covers their sum.
fn roles(cluster: &Cluster, spec: &PodGroupSpec, minimum: u32) -> Vec<RoleMinimum> {
    let sum: i64 = spec.min_task_member.values().map(|&count| i64::from(count.max(0))).sum();
    if i64::from(minimum) < sum {
        return Vec::new();
    }
    let role = |name: &str| cluster.texts().find(name).map_or(u32::MAX - 1, |id| id.0);
    spec.min_task_member
        .iter()
        .filter(|&(_, &count)| count > 0)
        .map(|(name, &count)| RoleMinimum { role: role(name), minimum: count as u32 })
        .collect()
}

/// Deals the pods out to subgroups. Also returns how many pods have ended well.
fn split(cluster: &Cluster, spec: &PodGroupSpec, pods: &[(PodId, &PodRecord)]) -> (Vec<Subgroup>, u32) {
    #[derive(Default)]
    struct Pile<'a> {
        members: Vec<(PodId, &'a PodRecord)>,
        placed: Vec<Placed>,
    }
    let mut piles: BTreeMap<(u32, Vec<natural::Key>), Pile<'_>> = BTreeMap::new();
    let mut succeeded = 0;
    for &(id, pod) in pods {
        let labels = cluster.labels().get(pod.labels);
        let key = spec
            .sub_group_policy
            .iter()
            .zip(0u32..)
            .find_map(|(policy, index)| subgroup_values(policy, labels).map(|values| (index, values)))
            .unwrap_or((u32::MAX, Vec::new()));
        let pile = piles.entry(key).or_default();
        match pod.state {
            PodState::Succeeded => succeeded += 1,
            _ if pod.is_placed() => {
                let node = pod.node.filter(|&node| cluster.nodes().get(node).present);
                pile.placed.push(Placed { node, role: pod.role.0 });
            }
            _ if pod.wants_node() && pod.refusal.is_none() => pile.members.push((id, pod)),
            _ => {}
        }
    }
    let subgroups = piles
        .into_iter()
        .map(|((policy, _), mut pile)| {
            pile.members.sort_by_cached_key(|(_, pod)| (pod.task_index, natural::Key::new(pod.name())));
            let members = pile
                .members
                .iter()
                .map(|&(id, pod)| Member { pod: id, class: pod.class, role: pod.role.0, rank: 0 })
                .collect();
            Subgroup { policy: (policy != u32::MAX).then_some(policy), members, placed: pile.placed }
        })
        .filter(|subgroup| !subgroup.members.is_empty() || !subgroup.placed.is_empty())
        .collect();
    (subgroups, succeeded)
}

/// The values that tell a pod's subgroup apart from others of the policy; `None` if the policy does not claim it.
pub fn subgroup_values(
    policy: &crate::api::pod_group::SubGroupPolicy,
    labels: LabelSet<'_>,
) -> Option<Vec<natural::Key>> {
    if policy.match_label_keys.is_empty()
        || !policy.label_selector.as_ref().is_none_or(|s| s.matches_by(|key| labels.get(key)))
    {
        return None;
    }
    let value = |key: &String| labels.get(key).filter(|value| !value.is_empty()).map(natural::Key::new);
    policy.match_label_keys.iter().map(value).collect()
}

fn deal_ranks(request: &mut GangRequest) {
    let members = request.subgroups.iter_mut().flat_map(|subgroup| &mut subgroup.members);
    for (member, rank) in members.zip(0..) {
        member.rank = rank;
    }
}

fn hold<T>(reason: Reason, message: String) -> Result<T, Hold> {
    Err(Hold { reason, message })
}
