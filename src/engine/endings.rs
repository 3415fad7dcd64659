//! The ends of records: a gang is bound, and what is left is to say so on its PodGroup.
//!
//! Nothing hurries: whoever leads next would find all pods bound and say the same. So the write waits for the status that
//! says "Running", which follows within milliseconds and goes in the same call, and for the binds of other gangs. Events
//! and statuses wait with it: pods that are bound start only when the API server has told their kubelets.

use super::{Engine, Pace};
use crate::reservation::{Call as Asked, CallId, GangKey, Outcome, Phase};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a status is waited for.
const FOR_STATUS: Duration = Duration::from_millis(100);
/// How long the binds of other gangs go first.
const FOR_BINDS: Duration = Duration::from_secs(1);

/// How long after a bind the API server is left to tell the kubelets.
const LULL: Duration = Duration::from_millis(200);

/// Ends that are not written yet, and since when.
pub(super) type Endings = BTreeMap<GangKey, (Duration, CallId, Asked)>;

impl Engine {
    /// Makes a call for a reservation, or lets it wait if it is the end of a record.
    pub(super) fn call_for(&mut self, gang: GangKey, id: CallId, call: Asked) {
        let ends = matches!(call, Asked::WriteRecord { .. }) && self.is_over(&gang);
        if !ends {
            return self.make_call(&gang, id, call);
        }
        self.count_gang(&gang.to_string());
        if self.plan.pace == Pace::AtOnce {
            return self.make_call(&gang, id, call);
        }
        self.commitments.endings.insert(gang, (self.now.elapsed, id, call));
    }

    /// Writes the ends that need not wait any more.
    pub(super) fn write_endings(&mut self) {
        if self.commitments.endings.is_empty() {
            return;
        }
        let binds_go_on = self.binds_go_on();
        let is_due = |(gang, (since, ..)): &(&GangKey, &(Duration, CallId, Asked))| {
            self.ending_due(gang, *since, binds_go_on) <= self.now.elapsed
        };
        let due = self.commitments.endings.iter().filter(is_due);
        let due: Vec<GangKey> = due.map(|(gang, _)| gang.clone()).collect();
        for gang in due {
            if let Some((_, id, call)) = self.commitments.endings.remove(&gang) {
                self.make_call(&gang, id, call);
            }
        }
    }

    /// When the next end is due.
    pub(super) fn next_ending(&self) -> Option<Duration> {
        let endings = &self.commitments.endings;
        let binds_go_on = !endings.is_empty() && self.binds_go_on();
        endings.iter().map(|(gang, (since, ..))| self.ending_due(gang, *since, binds_go_on)).min()
    }

    fn ending_due(&self, gang: &GangKey, since: Duration, binds_go_on: bool) -> Duration {
        if !self.is_over(gang) {
            since // more members have joined
        } else if binds_go_on {
            since + FOR_BINDS
        } else if self.telling.statuses.is_waiting(&gang.to_string()) {
            since
        } else {
            since + FOR_STATUS
        }
    }

    fn is_over(&self, gang: &GangKey) -> bool {
        self.commitments.reservations.phase(gang) == Some(Phase::Closing(Outcome::Bound))
    }

    /// Is any gang on its way to being bound, or has one just been?
    pub(super) fn binds_go_on(&self) -> bool {
        let mut gangs = self.commitments.reservations.gangs();
        self.now.elapsed < self.commitments.lull
            || gangs.any(|(_, phase)| matches!(phase, Phase::Decided | Phase::Binding))
    }

    /// A pod has been bound.
    pub(super) fn give_way(&mut self) {
        if self.plan.pace == Pace::Considerate {
            self.commitments.lull = self.now.elapsed + LULL;
        }
    }

    /// When what stands behind binds may be due, where it is not for their time alone.
    pub(super) fn lull_ends(&self) -> Option<Duration> {
        let waiting = !self.commitments.endings.is_empty() || !self.telling.statuses.is_empty();
        (waiting && self.now.elapsed < self.commitments.lull).then_some(self.commitments.lull)
    }
}
