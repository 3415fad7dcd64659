//! Claims that wait for their first consumer: the chosen node is written on them, or, where volumes are made by hand, the claim
//! on the volume that was chosen for it; the pod is bound once they are.
//!
//! Who makes the volume reads the annotation, as kube-scheduler would write it, and may take long; the bind is answered
//! with "later", and is asked for again when the watch shows the claim bound ([`Scheduler::take_settled`]), or, ever less
//! often, while the gang's deadline lasts. A node that is on the claim already is never written over, whoever wrote it.
//! Meanwhile the pod shows its node as `status.nominatedNodeName`, as kube-scheduler has it (KEP-5278): autoscalers count
//! it where it will be. The API server clears that when the pod is bound; who gives the node up withdraws it.
//!
//! [`Scheduler::take_settled`]: crate::scheduler::Scheduler::take_settled

use super::Engine;
use super::calls::{Lane, Purpose};
use super::kind::Kind;
use super::output::{Output, Report};
use super::request::{Answer, Request};
use crate::api::core::{PersistentVolume, PersistentVolumeClaim};
use crate::api::keys::SELECTED_NODE;
use crate::cluster::OpenClaim;
use crate::reservation::{Answer as ReservationAnswer, CallId, GangKey, Input};
use crate::scheduler::PodRef;
use serde_json::{Value, json};

/// Annotation of a volume whose claim was chosen by a program.
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";

/// A bind that waits for claims, and how far what is to be done for it has got.
#[derive(Clone, Debug)]
pub(super) struct Settling {
    pub(super) gang: GangKey,
    call: CallId,
    pod: PodRef,
    node: String,
    /// Claims that want to know the node, or whose volume is to be told of them; the one that is being seen to last.
    claims: Vec<OpenClaim>,
    /// How a volume names that claim, once it has been read.
    reference: Value,
    step: Step,
    /// Is the node to be shown on the pod in the end?
    shows_node: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The last claim is being read.
    Reads,
    /// The node is being written on it.
    Names,
    /// The existing volume that was chosen for it is being read.
    Looks,
    /// The claim is being written on that.
    Takes,
    /// The pod is being told.
    Shows,
}

impl Engine {
    /// Does what is to be done for a bind that waits, and puts it off. What the claims come to the watch will show.
    pub(super) fn settle(
        &mut self,
        gang: GangKey,
        call: CallId,
        pod: PodRef,
        node: String,
        claims: Vec<OpenClaim>,
        shows_node: bool,
    ) {
        let asks = |claim: &OpenClaim| claim.names_node || claim.takes.is_some();
        let claims = claims.into_iter().rev().filter(asks).collect();
        let (reference, step) = (Value::Null, Step::Reads);
        self.next_claim(Settling { gang, call, pod, node, claims, reference, step, shows_node });
    }

    fn next_claim(&mut self, mut settling: Settling) {
        let pod = &settling.pod;
        let request = if let Some(claim) = settling.claims.last() {
            settling.step = Step::Reads;
            Request::get(Kind::PersistentVolumeClaim, &pod.namespace, &claim.name)
        } else if settling.shows_node {
            settling.step = Step::Shows;
            nominate(pod, &settling.node)
        } else {
            return self.put_off(settling.call);
        };
        self.send(Lane::Reservations, Purpose::Settle(Box::new(settling)), request);
    }

    /// A request for a bind that waits has been answered.
    pub(super) fn settle_on(&mut self, mut settling: Settling, answer: Answer) {
        let Some(claim) = settling.claims.last() else { return self.put_off(settling.call) };
        let (name, volume) = (claim.name.clone(), claim.takes.clone());
        match (settling.step, answer) {
            (Step::Reads, Answer::Done(value)) if volume.is_some() => {
                let Some(reference) = reference(value) else {
                    settling.claims.pop();
                    return self.next_claim(settling);
                };
                (settling.reference, settling.step) = (reference, Step::Looks);
                let request = Request::get(Kind::PersistentVolume, "", &volume.unwrap_or_default());
                self.send(Lane::Reservations, Purpose::Settle(Box::new(settling)), request);
            }
            (Step::Looks, Answer::Done(value)) => {
                let volume: PersistentVolume = serde_json::from_value(value).unwrap_or_default();
                if volume.spec.claim_ref.is_some() {
                    // Ours already, or somebody was faster: the watch shows which, and what follows.
                    settling.claims.pop();
                    return self.next_claim(settling);
                }
                // As kube-scheduler writes it; the control plane does the rest, and takes it back where the claim is gone.
                let body = json!({
                    "metadata": {
                        "resourceVersion": volume.metadata.resource_version,
                        "annotations": { BOUND_BY_CONTROLLER: "yes" },
                    },
                    "spec": { "claimRef": settling.reference },
                });
                let request = Request::merge(Kind::PersistentVolume, "", &volume.metadata.name, "", body);
                settling.step = Step::Takes;
                self.send(Lane::Reservations, Purpose::Settle(Box::new(settling)), request);
            }
            (Step::Reads, Answer::Done(value)) => {
                let Some(version) = open_version(value) else {
                    settling.claims.pop();
                    return self.next_claim(settling);
                };
                let body = json!({ "metadata": {
                    "resourceVersion": version, "annotations": { SELECTED_NODE: settling.node },
                } });
                let kind = Kind::PersistentVolumeClaim;
                let request = Request::merge(kind, &settling.pod.namespace, &name, "", body);
                settling.step = Step::Names;
                self.send(Lane::Reservations, Purpose::Settle(Box::new(settling)), request);
            }
            (Step::Names | Step::Takes, Answer::Done(_)) => {
                settling.claims.pop();
                let (pod, node) = (settling.pod.clone(), settling.node.clone());
                self.outputs.push_back(Output::Report(Report::Chosen { pod, claim: name, node, volume }));
                self.next_claim(settling);
            }
            (_, Answer::Refused { code: code @ (403 | 404), message, .. })
            | (Step::Names | Step::Takes, Answer::Refused { code: code @ 422, message, .. }) => {
                let of = match (settling.step, volume) {
                    (Step::Looks | Step::Takes, Some(volume)) => format!("PersistentVolume {volume}"),
                    _ => format!("PersistentVolumeClaim {name}"),
                };
                let message = format!("{of}: {code} {message}");
                self.tell(Input::Answered {
                    call: settling.call,
                    answer: ReservationAnswer::Refused { message },
                });
            }
            _ => self.put_off(settling.call),
        }
    }

    /// Nothing has been bound, and nothing will be before it is asked for again.
    fn put_off(&mut self, call: CallId) {
        self.tell(Input::Answered { call, answer: ReservationAnswer::TooMany { retry_after: None } });
    }
}

/// How a volume names a claim that is not bound.
fn reference(claim: Value) -> Option<Value> {
    let claim: PersistentVolumeClaim = serde_json::from_value(claim).ok()?;
    let metadata = &claim.metadata;
    let is_open = claim.spec.volume_name.is_empty() && metadata.deletion_timestamp.is_none();
    is_open.then(|| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": metadata.namespace,
            "name": metadata.name, "uid": metadata.uid, "resourceVersion": metadata.resource_version,
        })
    })
}

/// The resourceVersion of a claim whose node is not chosen yet: whoever makes the volume may have begun, and then it is not
/// written over.
fn open_version(claim: Value) -> Option<String> {
    let claim: PersistentVolumeClaim = serde_json::from_value(claim).ok()?;
    let is_open = !claim.is_bound() && !claim.metadata.annotations.contains_key(SELECTED_NODE);
    is_open.then_some(claim.metadata.resource_version)
}

/// Shows where the pod will be.
fn nominate(pod: &PodRef, node: &str) -> Request {
    let shown = json!({ "op": "add", "path": "/status/nominatedNodeName", "value": node });
    Request::json_patch(Kind::Pod, &pod.namespace, &pod.name, "status", &pod.uid, vec![shown])
}

/// Takes that back, unless somebody has nominated another node.
pub(super) fn withdraw(pod: &PodRef, node: &str) -> Request {
    let operations = vec![
        json!({ "op": "test", "path": "/status/nominatedNodeName", "value": node }),
        json!({ "op": "remove", "path": "/status/nominatedNodeName" }),
    ];
    Request::json_patch(Kind::Pod, &pod.namespace, &pod.name, "status", &pod.uid, operations)
}
