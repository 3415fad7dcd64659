//! What the API server answers to the calls of reservations, and the failures that the timeline orders.

use super::Simulation;
use crate::api::decode::DecodeError;
use crate::api::meta::annotation_patch;
use crate::reservation::record::RESERVATION;
use crate::reservation::{Answer, Call};
use crate::simulation::scenario::{CallKind, FailCalls, Failure};
use crate::simulation::store::{Actor, Key, Kind, Refusal};

impl Simulation {
    /// Makes a call.
    pub(super) fn call(&mut self, call: &Call) -> Answer {
        let (kind, key) = target(call);
        match self.failure(kind, &key) {
            None => self.make_call(call, &key),
            Some(Failure::Unavailable) => {
                self.call_failed(kind, &key, "the API server is not available");
                Answer::ServerError { retry_after: None }
            }
            Some(Failure::Refused) => {
                self.call_failed(kind, &key, "the API server forbids it");
                Answer::Refused { message: "forbidden".to_owned() }
            }
            Some(Failure::Lost) => {
                self.call_failed(kind, &key, "the answer was lost");
                self.make_call(call, &key);
                Answer::Unknown
            }
        }
    }

    fn make_call(&mut self, call: &Call, key: &Key) -> Answer {
        let answer = match call {
            Call::WriteRecord { resource_version, record, .. } => {
                let patch = annotation_patch(resource_version, RESERVATION, record.as_deref());
                self.store.patch(key, &patch, Actor::Scheduler).map(|()| Answer::Written {
                    resource_version: self.store.get(key).map_or("", |group| group.version()).to_owned(),
                })
            }
            Call::ReadGroup { namespace, name } => {
                return self.group_facts(namespace, name).map_or_else(unreadable, Answer::Group);
            }
            Call::ReadPod { pod } => {
                return self.pod_facts(&pod.namespace, &pod.name).map_or_else(unreadable, Answer::Pod);
            }
            Call::Bind { pod, node } if self.waits_for_claims(pod, node) => {
                return Answer::TooMany { retry_after: None };
            }
            Call::Bind { pod, node } => self.store.bind(key, &pod.uid, node).map(|()| Answer::Done),
            Call::Evict { pod } => {
                let is_bound =
                    |key| self.store.get(key).is_some_and(|pod| !pod.text("/spec/nodeName").is_empty());
                let message = match is_bound(key) {
                    true => "its gang cannot be completed",
                    false => "it moves, and a bind whose answer is not known must not take effect any more",
                };
                let answer = self.store.delete_exactly(key, &pod.uid, Actor::Scheduler);
                if answer.is_ok() {
                    self.note("scheduler", key, "Warning", "Evicted", message.to_owned());
                }
                answer.map(|()| Answer::Done)
            }
        };
        answer.unwrap_or_else(|refusal| {
            // That others write to a PodGroup as well, its status above all, is no failure.
            if !matches!((call, &refusal), (Call::WriteRecord { .. }, Refusal::Conflict(..))) {
                self.call_failed(target(call).0, key, &refusal.to_string());
            }
            match refusal {
                Refusal::NotFound(_) => Answer::NotFound,
                Refusal::Conflict(..) | Refusal::AlreadyExists(_) => Answer::Conflict,
                Refusal::Invalid(..) | Refusal::Malformed(_) => {
                    Answer::Refused { message: refusal.to_string() }
                }
            }
        })
    }

    fn call_failed(&mut self, kind: CallKind, key: &Key, why: &str) {
        let message = format!("{}: {why}", kind.name());
        let happened = self.happened("scheduler", key, "Warning", "CallFailed", message);
        self.history.say(happened);
    }

    /// How this call fails by order of the timeline, if it does.
    fn failure(&mut self, kind: CallKind, key: &Key) -> Option<Failure> {
        let concerns = |fault: &FailCalls| {
            fault.call == kind
                && *fault.namespace == *key.namespace
                && fault.name.as_deref().is_none_or(|name| *name == *key.name)
        };
        let at = self.promises.faults.iter().position(concerns)?;
        self.promises.moved = self.now;
        let fault = &mut self.promises.faults[at];
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.count -= 1;
        let failure = fault.with;
        if fault.count == 0 {
            self.promises.faults.remove(at);
        }
        Some(failure)
    }
}

fn target(call: &Call) -> (CallKind, Key) {
    let pod = |kind, pod: &crate::scheduler::PodRef| (kind, Key::new(Kind::Pod, &pod.namespace, &pod.name));
    match call {
        Call::WriteRecord { namespace, name, .. } => {
            (CallKind::Record, Key::new(Kind::PodGroup, namespace, name))
        }
        Call::ReadGroup { namespace, name } => (CallKind::Read, Key::new(Kind::PodGroup, namespace, name)),
        Call::ReadPod { pod: of } => pod(CallKind::Read, of),
        Call::Bind { pod: of, .. } => pod(CallKind::Bind, of),
        Call::Evict { pod: of } => pod(CallKind::Evict, of),
    }
}

fn unreadable(error: DecodeError) -> Answer {
    Answer::Refused { message: format!("the object cannot be read: {}: {}", error.path, error.message) }
}
