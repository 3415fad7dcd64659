//! Members that a gang lacks: those that do not exist, failed, ask for another scheduler or name no role, and those that
//! cannot be made again because a node that does not answer keeps them.

use super::{Hold, hold};
use crate::api::gang::Dialect;
use crate::api::keys;
use crate::api::nearest::nearest;
use crate::api::pod_group::{PodGroupSpec, SubGroupPolicy};
use crate::api::scheduler_name::{self, DEFAULT_SCHEDULER};
use crate::cluster::Cluster;
use crate::cluster::cause::Cause;
use crate::cluster::gangs::{GangKind, GangRecord};
use crate::cluster::ids::{ConstraintId, PodId};
use crate::cluster::pods::{PodRecord, PodState};
use crate::placement::GangRequest;
use crate::scheduler::explain::listed;
use crate::scheduler::reason::Reason;
use crate::words::counted;
use std::collections::BTreeMap;

/// Are there enough pods to make the minima possible?
pub(super) fn enough(
    cluster: &Cluster,
    gang: &GangRecord,
    spec: &PodGroupSpec,
    pods: &[(PodId, &PodRecord)],
    request: &GangRequest,
) -> Result<(), Hold> {
    let available = request.pending() + request.placed();
    if available < request.minimum as usize {
        let refused = pods.iter().find(|(_, pod)| pod.wants_node() && pod.refusal.is_some());
        if let Some((_, pod)) = refused {
            let refusal = pod.refusal.as_deref().unwrap_or_default();
            return hold(Reason::PodRefused, format!("pod {}: {refusal}", pod.key));
        }
        let gated = pods.iter().filter(|(_, pod)| pod.gated && pod.state == PodState::Pending).count();
        if gated > 0 && available + gated >= request.minimum as usize {
            return hold(
                Reason::SchedulingGated,
                format!(
                    "{gated} pod{} held back by scheduling gates; {available} of {} have none",
                    if gated == 1 { " is" } else { "s are" },
                    request.minimum
                ),
            );
        }
        let others: Vec<(&str, &str)> = cluster.other_schedulers(&gang.key).collect();
        if !others.is_empty() {
            return hold(Reason::OtherScheduler, other_schedulers(available, request.minimum, &others));
        }
        if let Some(message) = one_by_one(cluster, pods, available, request.minimum) {
            return hold(Reason::NotEnoughTasks, message);
        }
        let failed = pods.iter().filter(|(_, pod)| pod.state == PodState::Failed);
        let failed: Vec<String> = failed.map(|(_, pod)| pod.name().to_owned()).collect();
        if !failed.is_empty() {
            let have = if failed.len() == 1 { "has" } else { "have" };
            let message = format!(
                "{available} of {} can run: {} {have} failed",
                counted(request.minimum, "pod"),
                listed(&failed)
            );
            return hold(Reason::NotEnoughTasks, message);
        }
        return hold(Reason::NotEnoughTasks, too_few(available, request.minimum, gang.dialect()));
    }
    for role in &request.roles {
        let members = request.subgroups.iter().flat_map(|s| s.members.iter().map(|m| m.role));
        let placed = request.subgroups.iter().flat_map(|s| s.placed.iter().map(|p| p.role));
        let available = members.chain(placed).filter(|&r| r == role.role).count();
        if available < role.minimum as usize {
            if let Some(message) = without_role(cluster, spec, pods) {
                return hold(Reason::NotEnoughPodsOfTask, message);
            }
            let name = spec
                .min_task_member
                .keys()
                .find(|name| cluster.texts().find(name).map_or(u32::MAX - 1, |id| id.0) == role.role);
            let name = name.map_or("?", String::as_str);
            return hold(
                Reason::NotEnoughPodsOfTask,
                format!(
                    "{available} of {} of role {name} {} (spec.minTaskMember){}",
                    counted(role.minimum, "pod"),
                    exist(role.minimum),
                    of_other_roles(cluster, spec, pods, name)
                ),
            );
        }
    }
    for (index, (policy, named)) in request.policies.iter().zip(&spec.sub_group_policy).enumerate() {
        let complete = request
            .subgroups
            .iter()
            .filter(|subgroup| subgroup.policy == Some(index as u32))
            .filter(|subgroup| subgroup.members.len() + subgroup.placed.len() >= policy.size as usize)
            .count();
        if complete < policy.minimum as usize {
            return hold(
                Reason::NotEnoughPodsOfTask,
                format!(
                    "{complete} of {} of {} {} whole, with {} each (spec.subGroupPolicy){}",
                    counted(policy.minimum, "subgroup"),
                    named.name,
                    if policy.minimum == 1 { "is" } else { "are" },
                    counted(policy.size, "pod"),
                    without_labels(cluster, named, pods)
                ),
            );
        }
    }
    Ok(())
}

/// `1 of 3 pods exist (spec.minMember)`
pub(in crate::scheduler) fn too_few(available: usize, minimum: u32, dialect: Dialect) -> String {
    let exist = if minimum == 1 { "exists" } else { "exist" };
    format!("{available} of {} {exist} ({})", counted(minimum, "pod"), dialect.minimum_field())
}

/// `1 of 3 pods name this scheduler; train-1 names vocalno, train-2 default-scheduler`
fn other_schedulers(available: usize, minimum: u32, other_schedulers: &[(&str, &str)]) -> String {
    let mut text = format!("{available} of {} name this scheduler; ", counted(minimum, "pod"));
    let name = |pod: &str| pod.split_once('/').map_or(pod, |(_, name)| name).to_owned();
    for (index, &(pod, scheduler)) in other_schedulers.iter().take(NAMED).enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let names = if index == 0 { " names" } else { "" };
        text.push_str(&format!("{separator}{}{names} {scheduler}", name(pod)));
    }
    if other_schedulers.len() > NAMED {
        text.push_str(&format!(" and {} more", other_schedulers.len() - NAMED));
    }
    text
}

/// A gang none of whose pods names this scheduler, where nobody else will place them either: they ask for a name that is
/// nearly ours, or for the default scheduler, which knows no PodGroups.
pub(in crate::scheduler) fn unanswered(cluster: &Cluster, gang: &GangRecord) -> Option<Hold> {
    let is_live = gang.group.as_ref().is_some_and(|group| !group.deleting);
    if gang.kind != GangKind::PodGroup || !is_live || !gang.pods.is_empty() {
        return None;
    }
    let ours = cluster.scheduler_names();
    let near = |name: &str| nearest(name, ours.iter().map(String::as_str)).is_some();
    let mut asked: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, scheduler) in cluster.other_schedulers(&gang.key) {
        *asked.entry(scheduler).or_default() += 1;
    }
    let is_ours_to_say = |name: &&str| near(name) || **name == *DEFAULT_SCHEDULER;
    let told = !asked.is_empty() && asked.keys().all(is_ours_to_say);
    told.then(|| Hold { reason: Reason::OtherScheduler, message: scheduler_name::unanswered(asked, ours) })
}

/// Members that are named.
const NAMED: usize = 4;

/// That pods name no role, where some do not.
fn without_role(cluster: &Cluster, spec: &PodGroupSpec, pods: &[(PodId, &PodRecord)]) -> Option<String> {
    let lives = |pod: &PodRecord| pod.wants_node() || pod.is_placed();
    let none = cluster.texts().find("");
    let without = pods.iter().filter(|(_, pod)| lives(pod) && Some(pod.role) == none).count();
    let roles: Vec<&str> =
        spec.min_task_member.iter().filter(|&(_, &count)| count > 0).map(|(name, _)| name.as_str()).collect();
    let (name, them) = if without == 1 { ("pod names", "it") } else { ("pods name", "them") };
    let key = keys::TASK_SPEC;
    (without > 0).then(|| format!("{without} {name} no role; write {key}: {} on {them}", roles.join(" or ")))
}

/// Why a gang that has no pod to place is not complete: a pod of it is being deleted and cannot go, as its node does not
/// answer; whoever makes its replacement waits for that.
pub(in crate::scheduler) fn stuck(cluster: &Cluster, gang: &GangRecord) -> Option<Hold> {
    if gang.kind != GangKind::PodGroup || gang.group.as_ref().is_none_or(|group| group.deleting) {
        return None;
    }
    let eligibility = cluster.view().eligibility;
    let mut pods = gang.pods.iter().filter_map(|&pod| cluster.pods().get(pod));
    let (pod, node) = pods.find_map(|pod| {
        let node = pod.node.filter(|_| pod.deleting && pod.holds().is_some())?;
        // The constraint that demands nothing.
        let lost = !cluster.nodes().get(node).present
            || eligibility.cause(ConstraintId(0), node) == Some(Cause::NotReady);
        lost.then_some((pod, node))
    })?;
    let (name, node) = (pod.name(), cluster.nodes().name(node));
    Some(Hold {
        reason: Reason::PodStuckOnNode,
        message: format!(
            "pod {name} is being deleted on {node}, which does not answer, and is made again when it is gone; delete it by \
             force, or taint {node} node.kubernetes.io/out-of-service"
        ),
    })
}

fn exist(pods: u32) -> &'static str {
    if pods == 1 { "exists" } else { "exist" }
}

/// `1 of 3 pods exist; StatefulSet db creates its next pod when db-0 is ready, ...`: a StatefulSet that makes pods in order
/// waits for the pod that waits for its gang. The label is the StatefulSet controller's; the policy is not known here.
fn one_by_one(
    cluster: &Cluster,
    pods: &[(PodId, &PodRecord)],
    available: usize,
    minimum: u32,
) -> Option<String> {
    let mut waiting = pods.iter().filter(|(_, pod)| pod.wants_node());
    let (pod, others) = (waiting.next()?.1, waiting.next());
    let name = cluster.labels().get(pod.labels).get(keys::STATEFUL_SET_POD_NAME)?;
    let (set, ordinal) = name.rsplit_once('-')?;
    let has_failed = pods.iter().any(|(_, pod)| pod.state == PodState::Failed);
    let is_last = others.is_none() && !has_failed && ordinal.parse::<u32>().is_ok();
    let runs = pods.iter().filter(|(_, pod)| pod.is_placed()).count();
    (is_last && minimum > 1).then(|| {
        format!(
            "{available} of {} exist; StatefulSet {set} creates its next pod when {name} is ready, unless its \
             podManagementPolicy is Parallel: create it anew with that, or lower the minimum to {}",
            counted(minimum, "pod"),
            runs + 1
        )
    })
}

/// `; g-1 names role workers`: pods whose role has no minimum, where the one that lacks pods may be meant.
fn of_other_roles(
    cluster: &Cluster,
    spec: &PodGroupSpec,
    pods: &[(PodId, &PodRecord)],
    wanted: &str,
) -> String {
    let named = |pod: &PodRecord| {
        let role = cluster.texts().get(pod.role);
        let is_other = pod.wants_node() && !role.is_empty() && !spec.min_task_member.contains_key(role);
        is_other.then(|| role.to_owned())
    };
    let mut others = pods.iter().filter_map(|(_, pod)| Some((pod.name(), named(pod)?)));
    let Some((pod, role)) = others.next() else { return String::new() };
    let meant = nearest(&role, [wanted]).map_or(String::new(), |meant| format!("; did you mean {meant}?"));
    format!("; {pod} names role {role}{meant}")
}

/// `; 2 pods lack the label ring (matchLabelKeys)`
fn without_labels(cluster: &Cluster, policy: &SubGroupPolicy, pods: &[(PodId, &PodRecord)]) -> String {
    let lacks =
        |pod: &PodRecord, key: &str| cluster.labels().get(pod.labels).get(key).is_none_or(str::is_empty);
    for key in &policy.match_label_keys {
        let without = pods.iter().filter(|(_, pod)| pod.wants_node() && lacks(pod, key)).count();
        if without > 0 {
            let lack = if without == 1 { "lacks" } else { "lack" };
            return format!("; {} {lack} the label {key} (matchLabelKeys)", counted(without, "pod"));
        }
    }
    String::new()
}
