//! Gangs that are not to be placed for now: their reservation takes no more members, or has just failed.
//!
//! A placement that cannot be written down or carried out would be found again at once; without a pause the engine would
//! go round in circles as fast as the API server answers.

use super::Engine;
use crate::reservation::{Backoff, GangKey, Outcome, Report};
use crate::scheduler::promise::HeldBack;
use std::time::Duration;

const PAUSE: Backoff = Backoff { base: Duration::from_millis(200), limit: Duration::from_secs(60) };

/// What a gang's failed reservations have earned it.
#[derive(Clone, Debug, Default)]
pub(super) struct Penalty {
    failures: u32,
    /// `None`: it may be tried.
    pub(super) until: Option<Duration>,
    /// What stands in the way, if it is more than bad luck.
    why: Option<String>,
}

impl Engine {
    /// Takes in how a gang's reservation fares.
    pub(super) fn judge(&mut self, gang: &GangKey, report: &Report) {
        if !gang.is_pod_group {
            return;
        }
        let why = match report {
            Report::Ended { outcome: Outcome::Bound | Outcome::GroupGone, .. } => {
                self.penalties.remove(&gang.to_string());
                return;
            }
            Report::Ended { .. } => None,
            Report::RecordTooLarge { .. }
            | Report::RecordUnreadable(_)
            | Report::Superseded { .. }
            | Report::CallRefused { call: "record", .. } => Some(report.to_string()),
            _ => return,
        };
        let now = self.clock.elapsed();
        let penalty = self.penalties.entry(gang.to_string()).or_default();
        if penalty.until.is_none() {
            penalty.failures += 1;
            penalty.until = Some(now + PAUSE.after(penalty.failures, 0, None));
            penalty.why = None;
        }
        penalty.why = why.or(penalty.why.take());
    }

    /// Tells the scheduler which gangs to leave alone at present.
    pub(super) fn hold_back(&mut self) {
        let now = self.clock.elapsed();
        let mut held = HeldBack::new();
        for (gang, penalty) in &mut self.penalties {
            if penalty.until.is_some_and(|until| until <= now) {
                penalty.until = None;
            }
            if penalty.until.is_some() {
                held.insert(gang.clone(), penalty.why.clone());
            }
        }
        for (gang, phase) in self.reservations.gangs() {
            if gang.is_pod_group && !phase.accepts_members() {
                held.entry(gang.to_string()).or_insert(None);
            }
        }
        self.scheduler.hold_back(held);
    }
}
