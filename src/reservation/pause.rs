//! Gangs that are not to be placed for now: their reservation takes no more members, or has just failed.
//!
//! A placement that cannot be written down or carried out would be found again at once; without a pause a shell would go
//! round in circles as fast as the API server answers.

use super::{Backoff, GangKey, Outcome, Report, Reservations};
use crate::scheduler::promise::{Held, HeldBack};
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
            Report::RecordTooLarge { .. } | Report::CallRefused { call: "record", .. } => {
                Some(report.to_string())
            }
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

    /// The gangs to leave alone or to say something of at present, for [`crate::scheduler::Scheduler::hold_back`].
    pub fn held(&mut self, now: Duration, reservations: &Reservations) -> HeldBack {
        let mut held = HeldBack::new();
        for (gang, pause) in &mut self.0 {
            if pause.until.is_some_and(|until| until <= now) {
                pause.until = None;
            }
            if pause.until.is_some() {
                held.insert(gang.clone(), Held::Back(pause.why.clone()));
            }
        }
        for gang in reservations.closed().filter(|gang| gang.is_pod_group) {
            let held = held.entry(gang.to_string());
            held.or_insert_with(|| Held::Back(reservations.waits_for(gang)));
        }
        for gang in reservations.repaired().filter(|gang| gang.is_pod_group) {
            if let Some(said) = reservations.waits_for(gang) {
                held.entry(gang.to_string()).or_insert(Held::Waits(said));
            }
        }
        held
    }

    /// When the next pause ends.
    pub fn wake_at(&self) -> Option<Duration> {
        self.0.values().filter_map(|pause| pause.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reservation::Settings;

    #[test]
    fn a_gang_that_fails_is_left_alone_for_longer_each_time_and_told_why() {
        let (mut pauses, none) = (Pauses::default(), Reservations::new(Settings::default()));
        let gang = GangKey::new(true, "ns/g");
        let ended = |outcome| Report::Ended { outcome, bound: 0, evicted: 0 };
        let mut now = Duration::ZERO;
        let mut waits = Vec::new();
        for _ in 0..3 {
            let refused = Report::CallRefused { call: "record", message: "no".into() };
            pauses.judge(&gang, &refused, now);
            pauses.judge(&gang, &ended(Outcome::Abandoned), now);
            let held = pauses.held(now, &none);
            assert_eq!(
                held.get("ns/g"),
                Some(&Held::Back(Some(refused.to_string()))),
                "the end adds no reason"
            );
            let until = pauses.wake_at().expect("it waits");
            waits.push(until - now);
            assert_eq!(pauses.held(until - Duration::from_nanos(1), &none).len(), 1);
            assert_eq!((pauses.held(until, &none).len(), pauses.wake_at()), (0, None));
            now = until;
        }
        assert!(waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
        pauses.judge(&gang, &ended(Outcome::RolledBack), now);
        assert_eq!(pauses.held(now, &none).get("ns/g"), Some(&Held::Back(None)), "bad luck needs no words");
        pauses.judge(&gang, &ended(Outcome::Bound), now);
        assert!(pauses.held(now, &none).is_empty(), "forgotten");
        // A pod that stands for itself has no PodGroup to be held by.
        pauses.judge(&GangKey::new(false, "ns/p"), &ended(Outcome::Abandoned), now);
        assert!(pauses.held(now, &none).is_empty());
    }
}
