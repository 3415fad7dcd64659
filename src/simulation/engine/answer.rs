//! What the API server answers to the engines' requests, and the failures that the timeline orders.

use super::Simulation;
use super::telling::key_of;
use crate::api::keys::MODEL_SERVING_NAME;
use crate::apiserver::{
    Actor, Answer as Served, At as _, Body, Key, Kind, Request as Serve, Response, Verb as HttpVerb,
    set_condition,
};
use crate::engine::{Answer, Kind as EngineKind, Request, Verb};
use crate::reservation::GangKey;
use crate::simulation::scenario::{CallKind, FailCalls, Failure};
use serde_json::Value;

impl Simulation {
    /// Answers a request. Only what a reservation asks for fails by order of the timeline.
    pub(super) fn ask(&mut self, request: &Request, by: Actor, gang: Option<&GangKey>) -> Answer {
        let key = key(request);
        let call = gang.and_then(|_| call_kind(request));
        // What is written into the journal is told of the gang.
        let about = match gang {
            Some(gang) if call == Some(CallKind::Record) => key_of(gang),
            _ => key.clone(),
        };
        match call.and_then(|call| Some((call, self.failure(call, &about)?))) {
            None => self.serve(request, &key, by, call),
            Some((call, Failure::Unavailable)) => {
                self.call_failed(call, &about, "the API server is not available");
                refused(503, "ServiceUnavailable", "the API server is not available")
            }
            Some((call, Failure::Refused)) => {
                self.call_failed(call, &about, "the API server forbids it");
                refused(403, "Forbidden", "forbidden")
            }
            Some((call, Failure::Lost)) => {
                self.call_failed(call, &about, "the answer was lost");
                self.serve(request, &key, by, Some(call));
                Answer::Unknown("the answer was lost".to_owned())
            }
        }
    }

    fn serve(&mut self, request: &Request, key: &Key, by: Actor, call: Option<CallKind>) -> Answer {
        let was_bound = self.store.get(key).is_some_and(|pod| !pod.text("/spec/nodeName").is_empty());
        self.announce(request, key, by);
        if request.subresource == "eviction" {
            return self.evict(request, key, by);
        }
        let served = match self.store.serve(&served(request, by)) {
            Served::Done(response) => response,
            Served::Watching(_) => return Answer::Unknown("a request was taken for a watch".to_owned()),
        };
        if served.code < 300 {
            self.note_eviction(request, key, by, was_bound);
            self.note_allocation(request, key);
            return Answer::Done(served.body);
        }
        self.note_refusal(request, key, by, call, &served);
        refused(served.code, served.reason(), message(&served))
    }

    /// Evicts a pod. Nobody plays the controller of budgets here: what they allow is what their objects say, and the scheduler has
    /// counted that.
    fn evict(&mut self, request: &Request, key: &Key, by: Actor) -> Answer {
        let uid = request.body.at("/deleteOptions/preconditions/uid").and_then(Value::as_str).unwrap_or("");
        match self.store.get(key).map(|pod| pod.uid() == uid) {
            None => return refused(404, "NotFound", "there is no such pod"),
            Some(false) => return refused(409, "Conflict", "the pod has another uid"),
            Some(true) => {}
        }
        let now = self.seconds();
        self.store.update(key, by, |pod| {
            let (reason, message) = ("EvictionByEvictionAPI", "Eviction API: evicting");
            set_condition(pod, "DisruptionTarget", "True", reason, message, now);
        });
        match self.store.delete_exactly(key, uid, by) {
            Ok(_) => Answer::Done(Value::Null),
            Err(_) => refused(404, "NotFound", "there is no such pod"),
        }
    }

    /// Says what is about to be written.
    fn announce(&mut self, request: &Request, key: &Key, by: Actor) {
        if by != Actor::Controller
            || request.kind != EngineKind::ModelServing
            || request.subresource != "status"
        {
            return;
        }
        let status = request.body.as_array().and_then(|operations| operations.last()?.get("value"));
        let count = |field: &str| {
            status.and_then(|status| status.get(field)).and_then(Value::as_i64).unwrap_or_default()
        };
        let counts = format!(
            "{} ServingGroups, {} available, {} updated",
            count("replicas"),
            count("availableReplicas"),
            count("updatedReplicas")
        );
        let happened = self.happened("controller", key, "Normal", "Counted", counts);
        self.history.say(happened);
    }

    fn note_eviction(&mut self, request: &Request, key: &Key, by: Actor, was_bound: bool) {
        if by == Actor::Scheduler && (request.verb, request.kind) == (Verb::Delete, EngineKind::Pod) {
            let message = match was_bound {
                true => "its gang cannot be completed",
                false => "it moves, and a bind whose answer is not known must not take effect any more",
            };
            self.note("scheduler", key, "Warning", "Evicted", message.to_owned());
        }
    }

    fn note_allocation(&mut self, request: &Request, key: &Key) {
        if request.kind != EngineKind::ResourceClaim || request.subresource != "status" {
            return;
        }
        let Some(allocation) = request.body.at("/status/allocation") else { return };
        let devices =
            allocation.at("/devices/results").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let names: Vec<&str> = devices.iter().filter_map(|device| device["device"].as_str()).collect();
        let (reason, message) = match names.is_empty() {
            true => ("Deallocated", String::new()),
            false => (
                "Allocated",
                format!("{} of pool {}", names.join(", "), devices[0]["pool"].as_str().unwrap_or("")),
            ),
        };
        let happened = self.happened("scheduler", key, "Normal", reason, message);
        self.history.note(happened);
    }

    fn note_refusal(
        &mut self,
        request: &Request,
        key: &Key,
        by: Actor,
        call: Option<CallKind>,
        refusal: &Response,
    ) {
        // What was lost before may have been written.
        let expected = call == Some(CallKind::Record) && refusal.code == 409;
        if let Some(call) = call.filter(|call| !expected && *call != CallKind::Read) {
            self.call_failed(call, key, message(refusal));
        }
        // Somebody was first: what was wanted is there, or gone. A refused creation the engine tells itself.
        let was_first = matches!(refusal.code, 404 | 409);
        if by == Actor::Controller && !was_first && request.verb != Verb::Create {
            let owner = self.owner_of(request);
            let text = message(refusal).to_owned();
            let happened = self.happened("controller", &owner, "Warning", "WriteFailed", text);
            self.history.say(happened);
        }
    }

    /// The ModelServing that a request is made for.
    pub(super) fn owner_of(&self, request: &Request) -> Key {
        let labels = request.body.at("/metadata/labels");
        let found = self.store.get(&key(request));
        let found = found.and_then(|object| object.value.at("/metadata/labels"));
        let name = [labels, found].into_iter().flatten();
        let name = name.filter_map(|labels| labels.get(MODEL_SERVING_NAME)?.as_str()).next();
        Key::new(Kind::ModelServing, &request.namespace, name.unwrap_or(&request.name))
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
        let at = self.orders.faults.iter().position(concerns)?;
        self.orders.moved = self.now;
        let fault = &mut self.orders.faults[at];
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.count -= 1;
        let failure = fault.with;
        if fault.count == 0 {
            self.orders.faults.remove(at);
        }
        Some(failure)
    }
}

/// A request as the API server in memory takes it.
fn served(request: &Request, by: Actor) -> Serve {
    let (verb, content) = match request.verb {
        Verb::Get => (HttpVerb::Get, ""),
        Verb::Create => (HttpVerb::Post, "application/json"),
        Verb::Merge => (HttpVerb::Patch, "application/merge-patch+json"),
        Verb::Strategic => (HttpVerb::Patch, "application/strategic-merge-patch+json"),
        Verb::JsonPatch => (HttpVerb::Patch, "application/json-patch+json"),
        Verb::Delete => (HttpVerb::Delete, "application/json"),
    };
    let body = match &request.body {
        Value::Null => Body::None,
        Value::String(text) => Body::read(text.as_bytes()),
        value => Body::Json(value.clone()),
    };
    Serve { verb, path: request.path(), content_type: content.to_owned(), body, by }
}

fn message(refusal: &Response) -> &str {
    refusal.body.get("message").and_then(Value::as_str).unwrap_or("refused")
}

fn refused(code: u16, reason: &str, message: &str) -> Answer {
    Answer::Refused { code, reason: reason.to_owned(), message: message.to_owned(), retry_after: None }
}

/// The object that a request is about.
pub(super) fn key(request: &Request) -> Key {
    Key::new(request.kind.into(), &request.namespace, &request.name)
}

/// What a request of a reservation does.
fn call_kind(request: &Request) -> Option<CallKind> {
    Some(match (request.verb, request.kind, request.subresource) {
        (Verb::Merge, EngineKind::ConfigMap, _) => CallKind::Record,
        (Verb::Get, EngineKind::Pod | EngineKind::PodGroup, _) => CallKind::Read,
        (Verb::Create, EngineKind::Pod, "binding") => CallKind::Bind,
        (Verb::Delete, EngineKind::Pod, _) | (Verb::Create, EngineKind::Pod, "eviction") => CallKind::Evict,
        _ => return None,
    })
}
