//! Gangs that are not to be placed for now: their reservation takes no more members, or has just failed.
//!
//! A placement that cannot be written down or carried out would be found again at once; without a pause a shell would go
//! round in circles as fast as the API server answers.

use super::{Backoff, GangKey, Outcome, Report, Reservations};
use crate::scheduler::promise::HeldBack;
use std::collections::BTreeMap;
use std::time::Duration;

const PAUSE: Backoff = Backoff { base: Duration::from_millis(200), limit: Duration::from_secs(60) };

/// What gangs' failed reservations have earned them.
#[derive(Clone, Debug, Default)]
pub struct Pauses(BTreeMap<String, Pause>);

#[derive(Clone, Debug, Default)]
struct Pause {
    failures: u32,
    /// `None`: it may be tried.
    until: Option<Duration>,
    /// What stands in the way, if it is more than bad luck.
    why: Option<String>,
}

impl Pauses {
    /// Takes in how a gang's reservation fares.
    pub fn judge(&mut self, gang: &GangKey, report: &Report, now: Duration) {
        if !gang.is_pod_group {
            return;
        }
        let why = match report {
            Report::Ended { outcome: Outcome::Bound | Outcome::GroupGone, .. } => {
                self.0.remove(&gang.to_string());
                return;
            }
            Report::Ended { .. } => None,
            Report::RecordTooLarge { .. }
            | Report::RecordUnreadable(_)
            | Report::Superseded { .. }
            | Report::CallRefused { call: "record", .. } => Some(report.to_string()),
            _ => return,
        };
        let pause = self.0.entry(gang.to_string()).or_default();
        if pause.until.is_none() {
            pause.failures += 1;
            pause.until = Some(now + PAUSE.after(pause.failures, 0, None));
            pause.why = None;
        }
        pause.why = why.or(pause.why.take());
    }

    /// The gangs to leave alone at present, for [`crate::scheduler::Scheduler::hold_back`].
    pub fn held(&mut self, now: Duration, reservations: &Reservations) -> HeldBack {
        let mut held = HeldBack::new();
        for (gang, pause) in &mut self.0 {
            if pause.until.is_some_and(|until| until <= now) {
                pause.until = None;
            }
            if pause.until.is_some() {
                held.insert(gang.clone(), pause.why.clone());
            }
        }
        for (gang, phase) in reservations.gangs() {
            if gang.is_pod_group && !phase.accepts_members() {
                held.entry(gang.to_string()).or_insert(None);
            }
        }
        held
    }

    /// When the next pause ends.
    pub fn wake_at(&self) -> Option<Duration> {
        self.0.values().filter_map(|pause| pause.until).min()
    }
}
