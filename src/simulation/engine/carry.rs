//! What the scheduler decided, done. Placements become reservations, as in the live shell.

use super::Simulation;
use crate::cluster::pods::{PodRecord, PodState};
use crate::reservation::{BoundPod, Decided, GangKey, Input, Promise};
use crate::scheduler::{Decision, GangPlacement, PodRef};
use crate::simulation::store::{Actor, Key, Kind, set_condition};
use serde_json::{json, to_value};

impl Simulation {
    /// One scheduling cycle, and what follows from it at once.
    pub(super) fn cycle(&mut self) {
        self.refresh_stamp();
        let (mut asked, epoch) = (self.promises.take_asked(), self.promises.epoch());
        let cycle = self.scheduler.cycle(&self.stamp.1);
        for decision in cycle.decisions {
            match decision {
                Decision::Place(placement) => {
                    if !asked.is_empty() {
                        asked.remove(&GangKey::new(placement.is_pod_group, &placement.gang));
                    }
                    self.place(placement);
                    if self.promises.epoch() != epoch {
                        return; // it died over this
                    }
                }
                Decision::GroupStatus { namespace, name, status } => {
                    if self.crowd_status(&namespace, &name, &status) {
                        continue;
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
                Decision::Ungate { pods } => {
                    for pod in pods {
                        let key = Key::new(Kind::Pod, &pod.namespace, &pod.name);
                        self.store
                            .update(&key, Actor::Scheduler, |pod| pod["spec"]["schedulingGates"] = json!([]));
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
        for gang in asked {
            let waits =
                |pod: &PodRecord| matches!(pod.state, PodState::Pending | PodState::Assumed) && !pod.deleting;
            let absent = !self.members(&gang.to_string()).any(waits);
            self.inform(Input::NotPlaced { gang, absent });
        }
        self.carry_on();
    }

    fn place(&mut self, placement: GangPlacement) {
        if self.place_crowd(&placement) {
            self.placed += placement.pods.len() as u64;
            if placement.is_pod_group && !self.history.brief {
                self.note_placed(&placement);
            }
            return;
        }
        let gang = GangKey::new(placement.is_pod_group, &placement.gang);
        let decided = self.decided(gang.clone(), &placement);
        self.inform(Input::Decided(decided));
        // What is not taken on was not placed.
        if placement.is_pod_group && self.promises.is_under_way(&gang) {
            self.note_placed(&placement);
        }
        self.carry_on();
    }

    fn decided(&self, gang: GangKey, placement: &GangPlacement) -> Decided {
        let pods = placement.pods.iter().map(|placed| {
            let facts = self.pod_facts(&placed.pod.namespace, &placed.pod.name).ok().flatten();
            Promise {
                recreated: facts.as_ref().is_some_and(|facts| facts.recreated),
                role: facts.map(|facts| facts.role).unwrap_or_default(),
                subgroup: self.scheduler.subgroup(&placed.pod),
                pod: placed.pod.clone(),
                node: placed.node.clone(),
            }
        });
        let is_group = placement.is_pod_group;
        Decided {
            pods: pods.collect(),
            domain: placement.domain.clone(),
            tier: placement.tier,
            group: self.promises.group(&placement.gang).filter(|_| is_group).cloned(),
            bound: if is_group { self.bound(&placement.gang) } else { Vec::new() },
            gang,
        }
    }

    /// Pods of a PodGroup, as the scheduler knows them.
    pub(super) fn members(&self, group: &str) -> impl Iterator<Item = &PodRecord> {
        let cluster = self.scheduler.cluster();
        let gang = cluster.gangs().id(group).and_then(|id| cluster.gangs().get(id));
        gang.into_iter().flat_map(|gang| &gang.pods).filter_map(|&pod| cluster.pods().get(pod))
    }

    /// Pods of a PodGroup that have a node and stay.
    pub(super) fn bound(&self, group: &str) -> Vec<BoundPod> {
        let bound = self.members(group).filter(|pod| {
            matches!(pod.state, PodState::Bound | PodState::Running | PodState::Succeeded) && !pod.deleting
        });
        let bound = bound.map(|pod| BoundPod {
            uid: pod.uid.to_string(),
            role: self.scheduler.cluster().texts().get(pod.role).to_owned(),
            subgroup: self.scheduler.subgroup(&pod_ref(pod)),
        });
        bound.collect()
    }

    fn note_placed(&mut self, placement: &GangPlacement) {
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

    fn unschedulable(&mut self, pod: &PodRef, message: &str) {
        let key = Key::new(Kind::Pod, &pod.namespace, &pod.name);
        let now = self.seconds();
        self.store.update(&key, Actor::Scheduler, |pod| {
            set_condition(pod, "PodScheduled", "False", "Unschedulable", message, now);
        });
    }
}

/// The pod, exactly.
pub(super) fn pod_ref(pod: &PodRecord) -> PodRef {
    PodRef { namespace: pod.namespace().to_owned(), name: pod.name().to_owned(), uid: pod.uid.to_string() }
}
