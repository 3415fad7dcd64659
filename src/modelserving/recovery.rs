//! What is lost and what follows from it: a failed pod gets `restartGracePeriodSeconds` to recover, and what was lost is
//! replaced together with what ran beside it, as far as `recoveryPolicy` says. Source: kthena, section 4.7 of its behaviour.
//!
//! Upstream learns of a lost pod from its delete event. Here nothing is remembered, so a lost pod must be told from one that
//! was never created by what is there: a headless Service is created only when its role replica has all of its pods, and a
//! PodGroup's minimum is raised only then.

use super::assess::{Assessed, Context, RevisedRole};
use super::groups::Replica;
use super::plan::Plan;
use super::settings::{Recovery, role_pods, role_replicas};

/// What a failed pod calls for, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Nothing.
    Healthy,
    /// Time: it may recover by itself.
    Waiting,
    /// Replacement.
    Failed,
}

/// Judges one pod that stays, and asks to be woken when its time is up.
pub(crate) fn judge(context: &Context<'_>, pod: &super::observed::ObservedPod, plan: &mut Plan) -> Verdict {
    let Some(since) = pod.failing_since else { return Verdict::Healthy };
    let deadline = since.plus(context.settings.grace);
    if deadline <= context.now {
        Verdict::Failed
    } else {
        plan.wake(deadline);
        Verdict::Waiting
    }
}

/// Was this replica complete once, has it lost a pod since, and are others of its pods running without it?
pub(crate) fn lost_a_pod(replica: &Replica<'_>, pods: u32) -> bool {
    let complete_once = replica.service.is_some();
    complete_once && replica.live < pods && replica.live_pods().any(|member| member.pod.started)
}

/// What is wrong with a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Nothing.
    None,
    /// It has lost a pod, and no other has run yet.
    BeforeStart,
    /// It has lost a pod, or a pod has failed for good.
    Broken,
}

/// Looks for what is wrong with a replica.
pub(crate) fn damage(
    context: &Context<'_>,
    replica: &Replica<'_>,
    revised: RevisedRole<'_>,
    plan: &mut Plan,
) -> Damage {
    let pods = context.role_of(replica, Some(revised)).map_or(0, |own| role_pods(own.role));
    let mut failed = false;
    for member in replica.live_pods() {
        failed |= judge(context, member.pod, plan) == Verdict::Failed;
    }
    let started = || replica.live_pods().any(|member| member.pod.started);
    match () {
        () if failed || lost_a_pod(replica, pods) => Damage::Broken,
        () if replica.terminating == 0 => Damage::None,
        () if started() => Damage::Broken,
        () => Damage::BeforeStart,
    }
}

/// Does the policy `ServingGroupRecreate` call for this group to be replaced?
pub(crate) fn group_is_lost(context: &Context<'_>, assessed: &Assessed<'_>, plan: &mut Plan) -> bool {
    let Some(group) = assessed.group.filter(|_| context.settings.recovery == Recovery::ServingGroup) else {
        return false;
    };
    // What has not run can wait for what is missing.
    let started = |pod: &super::observed::ObservedPod| pod.started || pod.failing_since.is_some();
    group.live_pods().any(|member| started(member.pod))
        && context.roles(assessed).any(|role| misses_a_replica(context, assessed, role, plan))
}

/// Has the group fewer whole replicas of this role than it had once? A surplus replica that goes is none of these.
fn misses_a_replica(
    context: &Context<'_>,
    assessed: &Assessed<'_>,
    revised: RevisedRole<'_>,
    plan: &mut Plan,
) -> bool {
    let Some(group) = assessed.group else { return false };
    let wanted = role_replicas(revised.role);
    let (mut whole, mut broken) = (0, false);
    for replica in group.of_role(&revised.role.name).filter(|replica| !replica.pods.is_empty()) {
        match damage(context, replica, revised, plan) {
            Damage::None => whole += 1,
            Damage::BeforeStart => {}
            Damage::Broken => broken = true,
        }
    }
    let policies = group.live_pod_group().map(|pod_group| &pod_group.spec.sub_group_policy);
    let in_gang = policies.into_iter().flatten().find(|policy| policy.name == revised.role.name);
    let in_gang = in_gang.and_then(|policy| policy.min_sub_groups).map_or(0, |count| count.max(0) as u32);
    let status = &context.object.status;
    let all_were_available = status.observed_generation == context.object.metadata.generation
        && status.available_replicas == status.replicas
        && status.replicas.max(0) as u32 >= context.settings.replicas;
    let once = if broken || all_were_available { wanted } else { in_gang.min(wanted) };
    whole < once
}
