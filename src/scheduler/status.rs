//! The status of a PodGroup as a function of its pods and of why it waits. Nothing is remembered: the previous status
//! only lends the times of conditions that have not changed.
//!
//! Phases and condition texts follow volcano `pkg/scheduler/framework/session.go` (jobStatus) and `plugins/gang`, since
//! tools match on them.

use super::reason::Reason;
use crate::api::pod_group::{PodGroupCondition, PodGroupPhase, PodGroupStatus};

/// Pods of a gang by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Run.
    pub running: u32,
    /// Have a node and do not run yet.
    pub bound: u32,
    /// Have a node by a decision that the API server has not confirmed.
    pub assumed: u32,
    /// Ended well.
    pub succeeded: u32,
    /// Failed.
    pub failed: u32,
    /// Are being deleted and still hold a node.
    pub releasing: u32,
    /// Want a node.
    pub pending: u32,
}

impl Counts {
    /// Pods that have been given a node and keep it, those that have ended included: what phases are told by.
    pub fn scheduled(&self) -> u32 {
        self.running + self.bound + self.succeeded + self.failed
    }

    /// The same without those that failed: what counts for the minimum.
    pub fn placed(&self) -> u32 {
        self.running + self.bound + self.succeeded
    }
}

/// Why a gang waits, as its status shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting<'a> {
    /// The code.
    pub reason: Reason,
    /// The sentence.
    pub message: &'a str,
}

/// The phase of a gang.
///
/// `unschedulable`: the gang needs more pods than it has placed, and cannot have them now.
pub fn phase(
    minimum: u32,
    counts: &Counts,
    unschedulable: bool,
    current: Option<&PodGroupPhase>,
) -> PodGroupPhase {
    if counts.running > 0 && unschedulable {
        return PodGroupPhase::Unknown;
    }
    // Nothing is asked for and nothing is there; or all has ended, and been tidied away since.
    if *counts == Counts::default() && (minimum == 0 || current == Some(&PodGroupPhase::Completed)) {
        return PodGroupPhase::Completed;
    }
    if counts.scheduled() + counts.releasing >= minimum.max(1) {
        let ended = counts.succeeded + counts.failed;
        return if ended > 0 && ended == counts.scheduled() + counts.releasing {
            PodGroupPhase::Completed
        } else {
            PodGroupPhase::Running
        };
    }
    match current {
        Some(PodGroupPhase::Inqueue) => PodGroupPhase::Inqueue,
        _ => PodGroupPhase::Pending,
    }
}

/// The whole status. `admitted`: the queue lets the gang in, so that it moves from Pending to Inqueue (controllers
/// create pods only then). `placed`: where the gang is, and what is to be said of pods beyond the minimum that wait.
pub fn status(
    minimum: u32,
    counts: &Counts,
    waiting: Option<&Waiting<'_>>,
    placed: &str,
    admitted: bool,
    previous: &PodGroupStatus,
    now: &str,
) -> PodGroupStatus {
    let mut phase = phase(minimum, counts, waiting.is_some(), previous.phase.as_ref());
    if phase == PodGroupPhase::Pending && admitted {
        phase = PodGroupPhase::Inqueue;
    }
    let mut conditions = previous.conditions.clone();
    if let Some(waiting) = waiting {
        let message = format!("pod group is not ready: {}", waiting.message);
        set(&mut conditions, "Unschedulable", "True", waiting.reason.as_str(), &message, now);
        clear(&mut conditions, "Scheduled", waiting.reason.as_str(), now);
    } else if counts.placed() + counts.assumed >= minimum.max(1) {
        // The column shows the reason, and nothing waits.
        clear(&mut conditions, "Unschedulable", "", now);
        // the reason is a sentence upstream, and tools compare it
        set(&mut conditions, "Scheduled", "True", "tasks in gang are ready to be scheduled", placed, now);
    }
    let count = |count: u32| (count > 0).then_some(count as i32);
    PodGroupStatus {
        phase: Some(phase),
        conditions,
        running: count(counts.running),
        succeeded: count(counts.succeeded),
        failed: count(counts.failed),
    }
}

fn set(
    conditions: &mut Vec<PodGroupCondition>,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: &str,
) {
    let at = match conditions.iter().position(|condition| condition.type_ == type_) {
        Some(at) => at,
        None => {
            conditions.push(PodGroupCondition { type_: type_.to_owned(), ..PodGroupCondition::default() });
            conditions.len() - 1
        }
    };
    let condition = &mut conditions[at];
    if condition.status != status {
        condition.last_transition_time = Some(now.to_owned());
    }
    condition.status = status.to_owned();
    condition.reason = reason.to_owned();
    condition.message = message.to_owned();
}

/// Turns a condition that is True to False; one that was never set stays absent.
fn clear(conditions: &mut Vec<PodGroupCondition>, type_: &str, reason: &str, now: &str) {
    if conditions.iter().any(|condition| condition.type_ == type_ && condition.status == "True") {
        set(conditions, type_, "False", reason, "", now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row of volcano's table: pods by state, and the phase they lead to.
    fn check(minimum: u32, from: PodGroupPhase, counts: Counts, unschedulable: bool, to: PodGroupPhase) {
        assert_eq!(phase(minimum, &counts, unschedulable, Some(&from)), to, "{counts:?}");
    }

    #[test]
    fn phases_follow_volcanos_table() {
        use PodGroupPhase::{Completed, Inqueue, Pending, Running, Unknown};
        let none = Counts::default();
        check(1, Running, Counts { releasing: 1, ..none }, false, Running);
        check(2, Running, Counts { running: 1, releasing: 1, ..none }, false, Running);
        check(2, Running, Counts { releasing: 2, ..none }, false, Running);
        check(2, Pending, Counts { pending: 1, ..none }, false, Pending);
        check(2, Running, Counts { succeeded: 2, ..none }, false, Completed);
        check(2, Running, Counts { releasing: 1, ..none }, false, Pending);
        check(2, Running, Counts { running: 1, pending: 1, ..none }, true, Unknown);
        check(2, Inqueue, Counts { pending: 2, ..none }, true, Inqueue);
        check(0, Pending, none, false, Completed);
        check(0, Completed, Counts { pending: 1, ..none }, false, Pending);
        check(2, Completed, none, false, Completed);
        check(2, Running, none, true, Pending);
    }

    #[test]
    fn a_condition_keeps_its_time_until_its_status_changes() {
        let waiting = Waiting { reason: Reason::NotEnoughResources, message: "fits 1 of 2 pods" };
        let counts = Counts { pending: 2, ..Counts::default() };
        let first = status(2, &counts, Some(&waiting), "", true, &PodGroupStatus::default(), "t1");
        assert_eq!(first.phase, Some(PodGroupPhase::Inqueue));
        assert_eq!(first.conditions[0].message, "pod group is not ready: fits 1 of 2 pods");
        let again = status(2, &counts, Some(&waiting), "", true, &first, "t2");
        assert_eq!(again, first);
        let placed = Counts { bound: 2, ..Counts::default() };
        let done = status(2, &placed, None, "in rack-0 (tier 1)", true, &again, "t3");
        assert_eq!(done.phase, Some(PodGroupPhase::Running));
        let texts: Vec<_> = done
            .conditions
            .iter()
            .map(|c| (&*c.type_, &*c.status, c.last_transition_time.as_deref()))
            .collect();
        assert_eq!(texts, [("Unschedulable", "False", Some("t3")), ("Scheduled", "True", Some("t3"))]);
    }
}
