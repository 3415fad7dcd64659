//! Device claims before a bind: each gets its devices and whom it is reserved for in one write, as kube-scheduler makes it,
//! and no pod of a gang is bound before the last claim of the gang is written.
//!
//! ```text
//! read pods with extended resources -> pick devices for all nodes -> each claim: [make] [finalizer] allocation + reservedFor
//!   [tell the pod] -> look again: nothing left to write, all binding conditions true -> binds
//! ```
//!
//! Picks are not written down: claims are their own record. Whoever takes over looks at the claims as they are, and picks for
//! those that are still open. A write that meets another version is looked at again; a claim that somebody else has allocated
//! for other nodes, or devices that are gone, send the pods of that node to be placed anew. Who gives a node up gives back what
//! was reserved for the pod, and devices that nobody has any more.
//!
//! Gangs take turns: a claim that is written says nothing of devices that another claim is about to get, so that two gangs at once
//! could pick the same. For the same reason a write without a clear answer is made again, on the same version, until the answer is
//! clear: then it has taken effect, or never can. For a predecessor's writes that may still arrive see `fence`.

mod fence;
mod returned;

use super::Engine;
use super::calls::{Lane, Purpose};
use super::output::{Note, Origin};
use super::request::{Answer, Request};
use crate::api::core::Pod;
use crate::api::device::ResourceClaim;
use crate::api::kind::Kind;
use crate::cluster::Event;
use crate::cluster::devices::{Conditions, Grant, Made};
use crate::reservation::{Answer as ReservationAnswer, CallId, GangKey, Input};
use crate::scheduler::PodRef;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Keeps a claim that is allocated from going away.
const FINALIZER: &str = "resource.kubernetes.io/delete-protection";
/// Annotation of a claim that a scheduler made for extended resources.
const EXTENDED: &str = "resource.kubernetes.io/extended-resource-claim";
/// Rounds of writing and looking again, after which binds are put off.
const ROUNDS: u32 = 8;
/// A write without a clear answer is made again after so long, so often.
const AGAIN: Duration = Duration::from_secs(1);
const TRIES: u32 = 60;

/// What is to be done on claims before binds.
#[derive(Debug, Default)]
pub(super) struct Granting {
    gangs: BTreeMap<GangKey, Round>,
    /// The one whose turn it is, and those that wait for theirs.
    turn: Option<GangKey>,
    line: VecDeque<GangKey>,
    /// Gangs of which nothing is left to write, until something changes.
    done: BTreeSet<GangKey>,
    /// Gangs that wait for conditions of their devices.
    waiting: BTreeSet<GangKey>,
    /// Pods, by uid, that have been told of the claim for their extended resources.
    told: BTreeSet<String>,
    /// Claims (`namespace/name`) that are being given back, and by whom.
    returning: BTreeMap<String, Vec<PodRef>>,
    /// Pods that wait and have devices, and whose bind may still take effect.
    stuck: Vec<PodRef>,
    /// Claims (`namespace/name`) that a predecessor may still be writing: nobody's turn begins before they are fenced.
    fences: BTreeSet<String>,
}

/// A gang whose claims are being written.
#[derive(Debug)]
struct Round {
    /// Binds that wait.
    binds: Vec<(CallId, PodRef, String)>,
    /// Requests that are out.
    open: usize,
    number: u32,
    /// Pods whose containers say what their extended resources are for, by uid.
    specs: BTreeMap<String, Pod>,
    /// What the API server refuses.
    refusal: Option<String>,
    /// A request got no clear answer.
    unclear: bool,
}

/// A request about a claim.
#[derive(Clone, Debug)]
pub(super) struct Writing {
    pub(super) gang: GangKey,
    grant: Grant,
    step: Step,
    /// So often it got no clear answer.
    tries: u32,
    /// What is sent, to be sent again.
    request: Option<Request>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A pod with extended resources is being read.
    Spec,
    /// The claim is being made.
    Make,
    /// Its finalizer is being written.
    Protect,
    /// Its devices and users are being written.
    Allocate,
    /// The pod is being told of it.
    TellPod,
    /// It is being read again.
    Look,
}

impl Writing {
    fn new(gang: &GangKey, grant: Grant, step: Step) -> Writing {
        Writing { gang: gang.clone(), grant, step, tries: 0, request: None }
    }
}

impl Granting {
    /// Something has changed: what was done may not be all any more.
    pub(super) fn look_again(&mut self) {
        self.done.clear();
    }
}

impl Engine {
    /// Does a bind wait for device claims?
    pub(super) fn waits_for_devices(&mut self, gang: &GangKey, id: CallId, pod: &PodRef, node: &str) -> bool {
        if !self.scheduler.cluster().uses_devices() || self.commitments.granting.done.contains(gang) {
            return false;
        }
        let bind = (id, pod.clone(), node.to_owned());
        if let Some(round) = self.commitments.granting.gangs.get_mut(gang) {
            round.binds.push(bind);
            return true;
        }
        if self.gives_back(pod) {
            self.tell(Input::Answered { call: id, answer: ReservationAnswer::TooMany { retry_after: None } });
            return true;
        }
        let is_told = |pod: &PodRef| self.commitments.granting.told.contains(&pod.uid);
        if self.commitments.granting.fences.is_empty()
            && self.scheduler.needs_made_claims(pod).iter().all(is_told)
            && self.scheduler.grant_devices(pod, &BTreeMap::new()).is_ok_and(|grants| grants.is_empty())
        {
            self.commitments.granting.done.insert(gang.clone());
            return false;
        }
        let round = Round {
            binds: vec![bind],
            open: 0,
            number: 0,
            specs: BTreeMap::new(),
            refusal: None,
            unclear: false,
        };
        self.commitments.granting.gangs.insert(gang.clone(), round);
        self.commitments.granting.line.push_back(gang.clone());
        self.next_turn();
        true
    }

    /// Is a claim being given back that a promised pod of the gang has? What is under way would take its devices.
    fn gives_back(&self, pod: &PodRef) -> bool {
        let returning = &self.commitments.granting.returning;
        !returning.is_empty()
            && self.scheduler.promised_claims(pod).iter().any(|claim| returning.contains_key(claim))
    }

    /// Begins with the next gang when the one before is done.
    fn next_turn(&mut self) {
        while self.commitments.granting.fences.is_empty()
            && self.commitments.granting.turn.is_none()
            && let Some(gang) = self.commitments.granting.line.pop_front()
        {
            if self.commitments.granting.gangs.contains_key(&gang) {
                self.commitments.granting.turn = Some(gang.clone());
                self.write_claims(&gang);
            }
        }
    }

    /// The binds of a gang that waited for its claims; its turn is over.
    fn end_round(&mut self, gang: &GangKey) -> Option<Round> {
        self.commitments.granting.turn.take_if(|turn| turn == gang);
        self.commitments.granting.gangs.remove(gang)
    }

    /// Reads what must be known, then writes what is left to write; binds when that is nothing.
    fn write_claims(&mut self, gang: &GangKey) {
        let Some(round) = self.commitments.granting.gangs.get_mut(gang) else { return };
        round.number += 1;
        let pod = round.binds[0].1.clone();
        if self.gives_back(&pod) {
            return self.put_off_binds(gang);
        }
        let Some(round) = self.commitments.granting.gangs.get_mut(gang) else { return };
        let unread = self.scheduler.needs_made_claims(&pod);
        let unread: Vec<PodRef> =
            unread.into_iter().filter(|pod| !round.specs.contains_key(&pod.uid)).collect();
        if !unread.is_empty() {
            round.open = unread.len();
            for pod in unread {
                let request = Request::get(Kind::Pod, &pod.namespace, &pod.name);
                let grant = Grant::of_pod(&pod.namespace, &pod.name, &pod.uid);
                self.send_for_claim(Writing::new(gang, grant, Step::Spec), request);
            }
            return;
        }
        let grants = match self.scheduler.grant_devices(&pod, &round.specs) {
            Ok(grants) => grants,
            Err((node, why)) => return self.leave_node(gang, &node, &why),
        };
        let failed = grants.iter().find_map(|grant| match &grant.conditions {
            Conditions::Failed(condition) => Some((grant, condition.clone())),
            _ => None,
        });
        if let Some((grant, condition)) = failed {
            let node = {
                let mut members = self.commitments.reservations.unbound(gang);
                let member = members.find(|(pod, _)| pod.uid == grant.pod);
                member.map_or(String::new(), |(_, node)| node.to_owned())
            };
            let why = format!("ResourceClaim {}: failure condition {condition}", grant.name);
            return self.leave_node(gang, &node, &why);
        }
        let number = round_number(&self.commitments.granting, gang);
        let (unwritten, waits): (Vec<Grant>, Vec<Grant>) = grants.into_iter().partition(Grant::is_unwritten);
        if unwritten.is_empty() {
            return match waits.is_empty() {
                true => self.bind_granted(gang),
                false => {
                    self.commitments.granting.waiting.insert(gang.clone());
                    self.put_off_binds(gang);
                }
            };
        }
        if number > ROUNDS {
            return self.put_off_binds(gang);
        }
        if let Some(round) = self.commitments.granting.gangs.get_mut(gang) {
            round.open = unwritten.len();
        }
        for grant in unwritten {
            self.write_claim(gang, grant);
        }
    }

    /// The next write of a claim.
    fn write_claim(&mut self, gang: &GangKey, mut grant: Grant) {
        let (namespace, name) = (grant.namespace.clone(), grant.name.clone());
        if grant.allocation.is_none()
            && grant.reserved.is_none()
            && let Some(made) = &grant.made
        {
            let request = tell_pod(&namespace, &name, made);
            return self.send_for_claim(Writing::new(gang, grant, Step::TellPod), request);
        }
        let (step, request) = if let (true, Some(made)) = (name.is_empty(), &grant.made) {
            let request = Request::create(Kind::ResourceClaim, &namespace, "", claim_of(&namespace, made));
            grant.finalizers = None;
            (Step::Make, request)
        } else if let Some(finalizers) = grant.finalizers.take() {
            let body = json!({ "metadata": {
                "uid": grant.uid, "resourceVersion": grant.version, "finalizers": finalizers,
            } });
            (Step::Protect, Request::merge(Kind::ResourceClaim, &namespace, &name, "", body))
        } else {
            let mut status = json!({});
            if let Some(allocation) = &grant.allocation {
                let mut allocation = allocation.clone();
                allocation.allocation_timestamp = Some(self.now.timestamp().to_string());
                status["allocation"] = serde_json::to_value(allocation).unwrap_or_default();
            }
            if let Some(reserved) = &grant.reserved {
                status["reservedFor"] = serde_json::to_value(reserved).unwrap_or_default();
            }
            let metadata = json!({ "uid": grant.uid, "resourceVersion": grant.version });
            let body = json!({ "metadata": metadata, "status": status });
            (Step::Allocate, Request::merge(Kind::ResourceClaim, &namespace, &name, "status", body))
        };
        self.send_for_claim(Writing::new(gang, grant, step), request);
    }

    fn send_for_claim(&mut self, mut writing: Writing, request: Request) {
        // The request that comes back with its answer has no body.
        writing.request = request.writes().then(|| request.clone());
        self.send(Lane::Devices, Purpose::Devices(Box::new(writing)), request);
    }

    /// A request about a claim has been answered.
    pub(super) fn claim_written(&mut self, writing: Writing, answer: Answer) {
        self.take_answer(writing, answer);
        self.next_turn();
    }

    fn take_answer(&mut self, mut writing: Writing, answer: Answer) {
        let gang = writing.gang.clone();
        match (writing.step, answer) {
            (Step::Spec, Answer::Done(value)) => {
                if let Ok(pod) = serde_json::from_value::<Pod>(value)
                    && let Some(round) = self.commitments.granting.gangs.get_mut(&gang)
                {
                    round.specs.insert(writing.grant.pod.clone(), pod);
                }
            }
            (Step::Make | Step::Protect, Answer::Done(value)) => {
                if let Some(claim) = self.show_claim(value) {
                    writing.grant.name = claim.metadata.name;
                    writing.grant.uid = claim.metadata.uid;
                    writing.grant.version = claim.metadata.resource_version;
                    return self.write_claim(&gang, writing.grant);
                }
            }
            (Step::Allocate, Answer::Done(value)) => {
                self.show_claim(value);
                if let Some(made) = &writing.grant.made {
                    let request = tell_pod(&writing.grant.namespace, &writing.grant.name, made);
                    writing.step = Step::TellPod;
                    return self.send_for_claim(writing, request);
                }
            }
            (Step::TellPod, Answer::Done(value)) => {
                self.commitments.granting.told.insert(writing.grant.pod.clone());
                if let Ok(pod) = serde_json::from_value::<Pod>(value) {
                    self.mark_round(&gang, |round| drop(round.specs.insert(writing.grant.pod.clone(), pod)));
                }
            }
            (Step::Look, Answer::Done(value)) => drop(self.show_claim(value)),
            (Step::Look, Answer::Refused { code: 404, .. }) => {
                let (namespace, name) = (&writing.grant.namespace, &writing.grant.name);
                self.scheduler.apply(Event::DeviceClaimGone { namespace, name });
            }
            // Somebody else has written it, or it is gone.
            (Step::Protect | Step::Allocate, Answer::Refused { code: 404 | 409, .. }) => {
                let Grant { namespace, name, .. } = &writing.grant;
                let request = Request::get(Kind::ResourceClaim, namespace, name);
                writing.step = Step::Look;
                return self.send_for_claim(writing, request);
            }
            // The pod is gone, or another one: its reservation learns it from the watch.
            (Step::Spec | Step::TellPod, Answer::Refused { code: 404 | 409, .. }) => {
                self.mark_round(&gang, |round| round.unclear = true);
            }
            (
                Step::Protect | Step::Allocate,
                Answer::Unknown(_) | Answer::Refused { code: 429 | 500.., .. },
            ) if writing.tries < TRIES => {
                writing.tries += 1;
                if let Some(request) = writing.request.clone() {
                    let at = self.now.elapsed + AGAIN;
                    return self.send_at(at, Lane::Devices, Purpose::Devices(Box::new(writing)), request);
                }
                self.mark_round(&gang, |round| round.unclear = true);
            }
            (step, Answer::Refused { code, message, .. }) if !(code == 429 || code >= 500) => {
                let what = match step {
                    Step::Spec | Step::TellPod => format!("pod {}", writing.grant.pod),
                    _ => format!("ResourceClaim {}", writing.grant.name),
                };
                self.mark_round(&gang, |round| round.refusal = Some(format!("{what}: {code} {message}")));
            }
            _ => self.mark_round(&gang, |round| round.unclear = true),
        }
        let Some(round) = self.commitments.granting.gangs.get_mut(&gang) else { return };
        round.open = round.open.saturating_sub(1);
        if round.open > 0 {
            return;
        }
        match (round.refusal.take(), round.unclear) {
            (Some(message), _) => self.answer_binds(&gang, &ReservationAnswer::Refused { message }),
            (None, true) => self.put_off_binds(&gang),
            (None, false) => self.write_claims(&gang),
        }
    }

    fn mark_round(&mut self, gang: &GangKey, mark: impl FnOnce(&mut Round)) {
        if let Some(round) = self.commitments.granting.gangs.get_mut(gang) {
            mark(round);
        }
    }

    /// What an answer shows of a claim is known at once, ahead of the watch.
    fn show_claim(&mut self, value: Value) -> Option<ResourceClaim> {
        let claim: ResourceClaim = serde_json::from_value(value).ok()?;
        self.scheduler.apply(Event::DeviceClaim(&claim));
        Some(claim)
    }

    /// Nothing is left to write for a gang: its binds are made.
    fn bind_granted(&mut self, gang: &GangKey) {
        let Some(round) = self.end_round(gang) else { return };
        // Pods whose claims were there already have been told as well.
        self.commitments.granting.told.extend(round.specs.into_keys());
        self.commitments.granting.done.insert(gang.clone());
        for (call, pod, node) in round.binds {
            self.call_for(gang.clone(), call, crate::reservation::Call::Bind { pod, node });
        }
    }

    fn put_off_binds(&mut self, gang: &GangKey) {
        self.answer_binds(gang, &ReservationAnswer::TooMany { retry_after: None });
    }

    fn answer_binds(&mut self, gang: &GangKey, answer: &ReservationAnswer) {
        let Some(round) = self.end_round(gang) else { return };
        for (call, ..) in round.binds {
            self.tell(Input::Answered { call, answer: answer.clone() });
        }
    }

    /// The pods of a gang that are promised a node cannot be bound there.
    fn leave_node(&mut self, gang: &GangKey, node: &str, why: &str) {
        let members = self.commitments.reservations.unbound(gang);
        let there: Vec<PodRef> =
            members.filter(|(_, promised)| *promised == node).map(|(pod, _)| pod.clone()).collect();
        if let Some(pod) = there.first() {
            let message = format!("{why}; it is placed again");
            self.note(Note::on_pod(pod, true, "DevicesGone", message, Origin::Reservation));
        }
        self.put_off_binds(gang);
        for pod in there {
            self.tell(Input::Settled { pod, reached: false });
        }
    }

    /// A claim has changed: conditions that gangs wait for may be true now.
    pub(super) fn look_at_claims(&mut self) {
        self.commitments.granting.look_again();
        for gang in std::mem::take(&mut self.commitments.granting.waiting) {
            let members = self.commitments.reservations.unbound(&gang);
            let members: Vec<PodRef> = members.map(|(pod, _)| pod.clone()).collect();
            for pod in members {
                self.tell(Input::Settled { pod, reached: true });
            }
        }
    }
}

fn round_number(granting: &Granting, gang: &GangKey) -> u32 {
    granting.gangs.get(gang).map_or(0, |round| round.number)
}

/// A claim for extended resources, as it is made.
fn claim_of(namespace: &str, made: &Made) -> Value {
    json!({
        "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim",
        "metadata": {
            "namespace": namespace, "generateName": format!("{}-extended-resources-", made.pod),
            "annotations": { EXTENDED: "true" }, "finalizers": [FINALIZER],
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Pod", "name": made.pod, "uid": made.uid,
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": { "devices": made.devices },
    })
}

/// The pod learns which claim serves its extended resources.
fn tell_pod(namespace: &str, claim: &str, made: &Made) -> Request {
    let status = json!({ "resourceClaimName": claim, "requestMappings": mappings(made) });
    let body =
        json!({ "metadata": { "uid": made.uid }, "status": { "extendedResourceClaimStatus": status } });
    Request::merge(Kind::Pod, namespace, &made.pod, "status", body)
}

fn mappings(made: &Made) -> Vec<Value> {
    let mappings = made.mappings.iter().map(|mapping| {
        json!({
            "containerName": mapping.container, "resourceName": mapping.resource, "requestName": mapping.request,
        })
    });
    mappings.collect()
}
