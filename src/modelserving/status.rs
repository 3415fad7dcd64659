//! The status: what was observed, counted. It does not depend on what the changes will do, so it is true even if they fail.

use super::assess::{Assessed, Context};
use super::conditions::{self, Progress};
use super::plan::Plan;
use super::settings::{Strategy, role_replicas};
use super::{Decision, groups, names, selector};
use crate::api::model_serving::ModelServingStatus;
use crate::api::scheduler_name::{self, DEFAULT_SCHEDULER};
use std::collections::BTreeMap;

/// The status now. `groups` are those that exist or are going, `planned` those that are being created.
pub(crate) fn status(
    context: &Context<'_>,
    groups: &[Assessed<'_>],
    decision: &Decision,
    planned: &[Assessed<'_>],
    plan: &mut Plan,
) -> ModelServingStatus {
    let count = |test: &dyn Fn(&&Assessed<'_>) -> bool| groups.iter().filter(test).count() as i32;
    let replicas = groups.len() as i32;
    let available = count(&|group| group.available);
    let updated = count(&|group| !group.deleting && !group.outdated);
    let outdated = count(&|group| !group.deleting && group.outdated);
    let wanted = context.settings.replicas as i32;
    let settled =
        context.settings.partition == 0 && updated == replicas && available == replicas && replicas == wanted;

    // A group that asks for no pods leaves no trace, and nobody waits for it.
    let has_pods = |group: &&Assessed<'_>| context.roles(group).any(|role| role_replicas(role.role) > 0);
    let missing = groups.iter().filter(|group| !group.available).chain(planned.iter().filter(has_pods));
    let mut progressing: Vec<u32> = missing.map(|group| group.ordinal).collect();
    progressing.sort_unstable();
    let unanswered = unanswered(context, groups);
    if let Some(message) = &unanswered {
        plan.trouble(OTHER_SCHEDULER, message.clone());
    }
    let ordinals =
        groups.iter().filter(|group| !group.deleting && !group.outdated).map(|group| group.ordinal);
    let progress = Progress {
        progressing,
        updated: ordinals.collect(),
        current: outdated as usize,
        partition: context.settings.partition,
        troubles: troubles(context, groups, plan),
    };
    let old = &context.object.status;
    let generation = context.object.metadata.generation;
    let mut conditions = conditions::update(&old.conditions, &progress, generation, context.now);
    let mut short = groups.iter().filter(|group| !group.available && !group.deleting);
    let why = short.find_map(|assessed| {
        let pod_group = assessed.group?.live_pod_group()?;
        Some((pod_group.reason.as_deref()?, pod_group.unschedulable.as_deref()?))
    });
    let why = why.or(unanswered.as_deref().map(|message| (OTHER_SCHEDULER, message)));
    conditions::unschedulable(&mut conditions, why, generation, context.now);
    ModelServingStatus {
        observed_generation: generation,
        replicas,
        current_replicas: if settled { updated } else { outdated },
        updated_replicas: updated,
        available_replicas: available,
        current_revision: current_revision(context, groups, decision, planned, plan),
        update_revision: context.revisions.update.clone(),
        label_selector: selector::selector(context, groups, plan),
        conditions,
    }
}

/// The revision that outdated groups run: the one on record while any of them does, else the most common.
fn current_revision(
    context: &Context<'_>,
    groups: &[Assessed<'_>],
    decision: &Decision,
    planned: &[Assessed<'_>],
    plan: &Plan,
) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    // One that goes and has no pods is gone as soon as that is said.
    let has_pods = |group: &groups::Group<'_>| group.replicas.iter().any(|replica| !replica.pods.is_empty());
    let lasts = |group: &&Assessed<'_>| {
        !decision.going.contains_key(&group.ordinal) || group.group.is_some_and(has_pods)
    };
    let current = context.object.status.current_revision.as_str();
    let others = || groups.iter().filter(lasts).chain(planned).filter(|group| group.outdated);
    if others().any(|group| group.revision == current) {
        return current.to_owned();
    }
    for group in others() {
        *counts.entry(group.revision).or_default() += 1;
    }
    if context.settings.strategy == Strategy::Role {
        // A role replica below its partition may be all that is left of a revision, and be on its way back.
        for label in plan.revisions_used.iter().filter(|label| !context.revisions.is_update(label)) {
            counts.entry(label).or_default();
        }
    }
    if counts.contains_key(current) {
        return current.to_owned();
    }
    let most = counts.into_iter().max_by_key(|&(label, count)| (count, std::cmp::Reverse(label)));
    most.map_or_else(|| context.revisions.update.clone(), |(label, _)| label.to_owned())
}

/// The code of gangs whose pods ask for a scheduler that does not answer here; the scheduler has the same.
const OTHER_SCHEDULER: &str = "OtherScheduler";

/// That pods without a node ask for a scheduler that does not answer here. kube-scheduler is there in every cluster, and
/// places pods one by one.
fn unanswered(context: &Context<'_>, groups: &[Assessed<'_>]) -> Option<String> {
    if !is_unanswered(context) {
        return None;
    }
    let (asked, ours) = (context.settings.scheduler, context.capabilities().gang_schedulers);
    let pods = groups.iter().filter_map(|group| group.group).flat_map(groups::Group::live_pods);
    match pods.filter(|member| !member.pod.has_node).count() {
        0 => None,
        pods => Some(scheduler_name::unanswered([(asked, pods)], ours)),
    }
}

/// Does it ask for a scheduler that does not answer here?
pub(crate) fn is_unanswered(context: &Context<'_>) -> bool {
    let (asked, ours) = (context.settings.scheduler, context.capabilities().gang_schedulers);
    !ours.is_empty() && !ours.contains(&asked) && asked != DEFAULT_SCHEDULER
}

/// What stands in the way of the groups that are not available.
fn troubles(context: &Context<'_>, groups: &[Assessed<'_>], plan: &mut Plan) -> Vec<String> {
    for assessed in groups.iter().filter(|group| !group.available && !group.deleting) {
        let Some(group) = assessed.group else { continue };
        let name = names::group(context.name(), assessed.ordinal);
        if let Some(message) = group.live_pod_group().and_then(|pod_group| pod_group.unschedulable.as_deref())
        {
            plan.trouble("FailedScheduling", format!("{name}: {message}"));
        }
        for member in group.live_pods() {
            if let Some(reason) = &member.pod.waiting {
                plan.trouble("PodNotStarting", format!("{}: {reason}", member.pod.object.name));
            }
        }
    }
    if groups.iter().any(|group| !group.available) || !plan.troubles.is_empty() {
        plan.troubles.iter().map(|(_, message)| message.clone()).collect()
    } else {
        Vec::new()
    }
}
