//! What the engines tell, as the history of the run.

use super::Simulation;
use crate::api::gang::Dialect;
use crate::apiserver::{Key, Kind};
use crate::engine::Report;
use crate::engine::output::{Note, Origin};
use crate::reservation::{GangKey, Outcome, Report as Fate};
use crate::scheduler::GangPlacement;
use crate::simulation::report::EvictionRow;

impl Simulation {
    pub(super) fn told(&mut self, note: Note) {
        let by = if note.origin == Origin::Controller { "controller" } else { "scheduler" };
        let key = Key::new(Kind::of(&note.api_version, note.kind), &note.namespace, &note.name);
        let type_ = if note.warning { "Warning" } else { "Normal" };
        let happened = self.happened(by, &key, type_, &note.reason, note.message);
        match note.origin {
            // Told by the reports, with more detail; the warnings have what is wrong with objects.
            Origin::Reservation | Origin::Finding | Origin::Notice => {}
            Origin::Bind | Origin::Eviction => self.history.note(happened),
            // They tell of a transition each time.
            Origin::Controller if !note.warning => self.history.note(happened),
            _ => self.history.say(happened),
        }
    }

    pub(super) fn reported(&mut self, report: Report) {
        match report {
            Report::Bound { .. } => self.placed += 1,
            Report::Evicted { claimant, pod, gang, kind } => self.evictions.push(EvictionRow {
                namespace: pod.namespace,
                name: pod.name,
                pod_group: gang.split_once('/').map_or(gang.as_str(), |(_, name)| name).to_owned(),
                claimant: claimant.to_string(),
                kind: kind.as_str(),
                at_milliseconds: self.now,
            }),
            Report::Chosen { pod, claim, node, volume } => {
                let key = Key::new(Kind::PersistentVolumeClaim, &pod.namespace, &claim);
                let (reason, message) = match volume {
                    Some(volume) => ("VolumeChosen", format!("volume {volume}")),
                    None => ("NodeChosen", format!("for {}, on {node}", pod.name)),
                };
                self.note("scheduler", &key, "Normal", reason, message);
            }
            Report::Placed { placement, .. } if placement.is_pod_group => self.note_placed(&placement),
            Report::Reservation { gang, report } => {
                let key = key_of(&gang);
                let happened =
                    self.happened("scheduler", &key, "Warning", report.reason(), report.to_string());
                match report {
                    // Each of its pods says so.
                    Fate::Ended { outcome: Outcome::Bound, .. } => {}
                    // Tried, and refused, again and again.
                    Fate::CallRefused { .. } | Fate::RecordTooLarge { .. } => self.history.say(happened),
                    _ => self.history.note(happened),
                }
            }
            _ => {}
        }
    }

    pub(super) fn note_placed(&mut self, placement: &GangPlacement) {
        let (namespace, name) = placement.gang.split_once('/').unwrap_or(("", &placement.gang));
        let (dialect, name) = Dialect::split(name);
        let key = Key::new(dialect.kind().into(), namespace, name);
        let pods = placement.pods.len();
        let place = match (&placement.domain, placement.tier) {
            (Some(domain), Some(tier)) => format!("{domain} (tier {tier})"),
            _ => "the whole cluster".to_owned(),
        };
        let message = format!("{pods} pod{} placed in {place}", if pods == 1 { "" } else { "s" });
        self.note("scheduler", &key, "Normal", "Placed", message);
    }
}

/// The PodGroup of a gang, or the pod that is one.
pub(super) fn key_of(gang: &GangKey) -> Key {
    let (kind, name) = match gang.is_pod_group {
        true => {
            let (dialect, name) = Dialect::split(&gang.name);
            (dialect.kind().into(), name)
        }
        false => (Kind::Pod, &*gang.name),
    };
    Key::new(kind, &gang.namespace, name)
}
