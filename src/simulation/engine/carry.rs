//! What the scheduler decided, done.

use super::Simulation;
use crate::scheduler::{Decision, GangPlacement, PodRef};
use crate::simulation::store::{Actor, Key, Kind, set_condition};
use serde_json::to_value;

impl Simulation {
    pub(super) fn carry_out(&mut self, decision: Decision) {
        match decision {
            Decision::Place(placement) => self.place(placement),
            Decision::GroupStatus { namespace, name, status } => {
                if self.crowd_status(&namespace, &name, &status) {
                    return;
                }
                let key = Key::new(Kind::PodGroup, &namespace, &name);
                if let Ok(status) = to_value(status) {
                    let _ = self.store.set_status(&key, status, Actor::Scheduler);
                }
            }
            Decision::Unschedulable { pods, message } => {
                for pod in pods {
                    self.unschedulable(&pod, &message);
                }
            }
            Decision::Event { kind, namespace, name, type_, reason, message } => {
                let kind = if kind == "Pod" { Kind::Pod } else { Kind::PodGroup };
                let key = Key::new(kind, &namespace, &name);
                let happened = self.happened("scheduler", &key, type_, reason, message);
                self.history.say(happened);
            }
        }
    }

    fn place(&mut self, placement: GangPlacement) {
        self.placed += placement.pods.len() as u64;
        let made = self.place_crowd(&placement);
        if placement.is_pod_group && !(made && self.history.brief) {
            let (namespace, name) = placement.gang.split_once('/').unwrap_or(("", &placement.gang));
            let key = Key::new(Kind::PodGroup, namespace, name);
            let pods = placement.pods.len();
            let place = match (&placement.domain, placement.tier) {
                (Some(domain), Some(tier)) => format!("{domain} (tier {tier})"),
                _ => "the whole cluster".to_owned(),
            };
            let message = format!("{pods} pod{} placed in {place}", if pods == 1 { "" } else { "s" });
            self.note("scheduler", &key, "Normal", "Placed", message);
        }
        if made {
            return;
        }
        for bind in placement.pods {
            let key = Key::new(Kind::Pod, &bind.pod.namespace, &bind.pod.name);
            match self.store.bind(&key, &bind.pod.uid, &bind.node) {
                Ok(()) => {
                    let message =
                        format!("Successfully assigned {}/{} to {}", key.namespace, key.name, bind.node);
                    self.note("scheduler", &key, "Normal", "Scheduled", message);
                }
                Err(refusal) => {
                    self.note("scheduler", &key, "Warning", "BindFailed", refusal.to_string());
                    self.scheduler.forget(&bind.pod);
                }
            }
        }
    }

    fn unschedulable(&mut self, pod: &PodRef, message: &str) {
        let key = Key::new(Kind::Pod, &pod.namespace, &pod.name);
        let now = self.seconds();
        self.store.update(&key, Actor::Scheduler, |pod| {
            set_condition(pod, "PodScheduled", "False", "Unschedulable", message, now);
        });
    }
}
