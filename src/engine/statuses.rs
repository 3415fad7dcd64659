//! Statuses of PodGroups on their way out: the latest one of each gang, at most a few a second, and behind the binds.
//!
//! A gang of 512 pods changes its counts 1,024 times while it starts; whoever reads them needs the last one soon, not
//! each of them.

use super::calls::{Lane, Purpose};
use super::kind::Kind;
use super::mirror::Mirror;
use super::request::{Answer, Request, Verb};
use super::{Engine, Pace};
use crate::api::gang::Dialect;
use crate::api::pod_group::{PodGroupPhase, PodGroupStatus};
use crate::reservation::{GangKey, Phase, Reservations};
use serde_json::{json, to_value};
use std::collections::BTreeMap;
use std::time::Duration;

/// How soon a status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It has a new phase, and controllers wait for it.
    Soon,
    /// It has other counts or another message: people wait for it, and pods are still arriving.
    Later,
    /// The gang has lost members. Controllers restart whole jobs on that, and what made the members may be making others
    /// at this moment: it is said when it has lasted.
    Doubtful,
    /// Pods are being bound.
    BehindBinds,
}

impl Turn {
    /// How long a status waits for a later one, and how long after the last write for its gang.
    fn waits(self, pace: Pace) -> (Duration, Duration) {
        if pace == Pace::AtOnce {
            return (Duration::ZERO, Duration::ZERO);
        }
        let (gather, between) = match self {
            Turn::Soon => (20, 250),
            Turn::Later => (500, 500),
            Turn::Doubtful | Turn::BehindBinds => (1000, 1000),
        };
        (Duration::from_millis(gather), Duration::from_millis(between))
    }
}

/// After this long the last write for a gang holds up none.
const LONGEST: Duration = Duration::from_secs(1);

/// Statuses that are not written yet, and when the last one was, by `namespace/name`.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    waiting: BTreeMap<String, (Duration, PodGroupStatus)>,
    written: BTreeMap<String, Duration>,
}

impl Statuses {
    /// A gang has another status. One that waits is replaced; its turn stays.
    pub(super) fn put(&mut self, gang: String, status: PodGroupStatus, now: Duration) {
        let since = self.waiting.get(&gang).map_or(now, |(since, _)| *since);
        self.waiting.insert(gang, (since, status));
    }

    /// A status could not be written: it waits again, unless there is a later one.
    fn put_back(&mut self, gang: String, status: PodGroupStatus, now: Duration) {
        self.waiting.entry(gang).or_insert((now, status));
    }

    /// Are there none?
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The PodGroup is gone.
    pub(super) fn forget(&mut self, gang: &str) {
        self.waiting.remove(gang);
        self.written.remove(gang);
    }

    /// When the next one is due.
    fn wake_at(&self, pace: Pace, turn: impl Fn(&str, &PodGroupStatus) -> Turn) -> Option<Duration> {
        let due = |(gang, (since, status)): (&String, &(Duration, PodGroupStatus))| {
            self.due_at(gang, *since, turn(gang, status).waits(pace))
        };
        self.waiting.iter().map(due).min()
    }

    /// Takes out what is due.
    fn take(
        &mut self,
        now: Duration,
        pace: Pace,
        turn: impl Fn(&str, &PodGroupStatus) -> Turn,
    ) -> Vec<(String, PodGroupStatus)> {
        let due = |(gang, (since, status)): &(&String, &(Duration, PodGroupStatus))| {
            self.due_at(gang, *since, turn(gang, status).waits(pace)) <= now
        };
        let gangs: Vec<String> = self.waiting.iter().filter(due).map(|(gang, _)| gang.clone()).collect();
        self.written.retain(|_, at| now < *at + LONGEST);
        let take = |gang: String| {
            self.written.insert(gang.clone(), now);
            self.waiting.remove(&gang).map(|(_, status)| (gang, status))
        };
        gangs.into_iter().filter_map(take).collect()
    }

    fn due_at(&self, gang: &str, since: Duration, (gather, between): (Duration, Duration)) -> Duration {
        (since + gather).max(self.written.get(gang).map_or(Duration::ZERO, |at| *at + between))
    }
}

impl Engine {
    /// Writes the statuses that are due.
    pub(super) fn write_statuses(&mut self) {
        if self.telling.statuses.is_empty() {
            return;
        }
        let turn = turn(&self.commitments.reservations, &self.intake.mirror, self.binds_go_on());
        let due = self.telling.statuses.take(self.now.elapsed, self.plan.pace, turn);
        for (gang, status) in due {
            let Some(group) = self.intake.mirror.group(&gang) else { continue };
            let (namespace, name) = gang.split_once('/').unwrap_or(("", &gang));
            if Dialect::split(name).0 != Dialect::Volcano {
                if let Some(request) = self.other_status(&gang, &group.uid, &status) {
                    self.send(Lane::Statuses, Purpose::Status { gang, status: Box::new(status) }, request);
                }
                continue;
            }
            let whole =
                json!({ "op": "add", "path": "/status", "value": to_value(&status).unwrap_or_default() });
            let request = Request::json_patch(Kind::PodGroup, namespace, name, "", &group.uid, vec![whole]);
            self.send(Lane::Statuses, Purpose::Status { gang, status: Box::new(status) }, request);
        }
    }

    /// The API server has answered to a status.
    pub(super) fn status_written(&mut self, gang: String, status: PodGroupStatus, answer: Answer) {
        if matches!(answer, Answer::Done(_)) || answer.is_moot(Verb::JsonPatch) {
            return;
        }
        // What the API server finds fault with it finds fault with again.
        if matches!(answer, Answer::Refused { code: 422, .. }) {
            return self.failed(format!("status of PodGroup {gang}"), answer, "it is left out");
        }
        self.failed(format!("status of PodGroup {gang}"), answer, "it is written again");
        self.status_lost(gang, status, LONGEST);
    }

    /// A status was not written, or nobody knows: it waits again, for so long at least.
    pub(super) fn status_lost(&mut self, gang: String, status: PodGroupStatus, wait: Duration) {
        if self.intake.mirror.group(&gang).is_some() {
            self.telling.statuses.put_back(gang, status, self.now.elapsed + wait);
        }
    }

    /// When the next status is due.
    pub(super) fn next_status(&self) -> Option<Duration> {
        if self.telling.statuses.is_empty() {
            return None;
        }
        let turn = turn(&self.commitments.reservations, &self.intake.mirror, self.binds_go_on());
        self.telling.statuses.wake_at(self.plan.pace, turn)
    }
}

/// Whose turn comes when.
fn turn(
    reservations: &Reservations,
    mirror: &Mirror,
    binds_go_on: bool,
) -> impl Fn(&str, &PodGroupStatus) -> Turn {
    let has_lost = |status: &PodGroupStatus| status.phase == Some(PodGroupPhase::Unknown);
    move |gang, status| match reservations.phase(&GangKey::new(true, gang)) {
        Some(Phase::Decided | Phase::Binding) => Turn::BehindBinds,
        // The API server is left a moment to tell the kubelets.
        Some(Phase::Closing(_)) if binds_go_on => Turn::BehindBinds,
        _ if has_lost(status) => Turn::Doubtful,
        _ if mirror.group(gang).is_none_or(|group| group.phase != status.phase) => Turn::Soon,
        _ if binds_go_on => Turn::BehindBinds,
        _ => Turn::Later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(running: i32) -> PodGroupStatus {
        PodGroupStatus { running: Some(running), ..PodGroupStatus::default() }
    }

    /// Puts a status every 10 ms for `during`, and lists when which one is written.
    fn check(turn: Turn, during: u64, bound_until: u64, expect: &[(u64, i32)]) {
        let mut statuses = Statuses::default();
        let mut written = Vec::new();
        for at in (0..3000).step_by(10) {
            let now = Duration::from_millis(at);
            if at < during {
                statuses.put("a/b".to_owned(), status(at as i32), now);
            }
            let taken = statuses
                .take(now, Pace::Considerate, |_, _| if at < bound_until { Turn::BehindBinds } else { turn });
            written.extend(taken.into_iter().map(|(_, status)| (at, status.running.unwrap())));
        }
        assert_eq!(written, expect);
    }

    #[test]
    fn the_latest_status_is_written_and_few_of_those_before_it() {
        check(Turn::Soon, 10, 0, &[(20, 0)]);
        check(Turn::Soon, 30, 0, &[(20, 20)]);
        check(Turn::Soon, 600, 0, &[(20, 20), (270, 270), (520, 520), (770, 590)]);
        check(Turn::Later, 600, 0, &[(500, 500), (1010, 590)]);
    }

    #[test]
    fn statuses_stand_behind_binds_but_not_for_long() {
        check(Turn::Soon, 100, 150, &[(150, 90)]);
        check(Turn::Soon, 2500, 2500, &[(1000, 1000), (2010, 2010), (2500, 2490)]);
    }
}
