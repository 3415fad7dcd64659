//! What goes out: cycles become reservations, reservations become calls, ModelServings become batches.

use super::count::CycleCounts;
use super::{Engine, Input};
use crate::api::keys;
use crate::live::call::{Answer as Reply, Call};
use crate::live::claims::Waits;
use crate::live::events::Note;
use crate::live::kind::Kind;
use crate::live::serving::Batch;
use crate::live::writer;
use crate::reservation::{
    Answer, Call as Asked, CallId, Decided, Effect, GangKey, Input as Told, Outcome, Promise, Report,
};
use crate::scheduler::{Decision, GangPlacement, PodRef};
use futures::StreamExt;
use serde_json::json;

/// Calls of one ModelServing that may be out at the same time.
const BATCH_CALLS: usize = 16;

impl Engine {
    /// One scheduling cycle.
    pub(super) fn cycle(&mut self) {
        let started = self.clock.elapsed();
        let cycle = self.scheduler.cycle(&self.timestamp().to_string());
        let decided = self.clock.elapsed();
        let counts = CycleCounts::of(&cycle);
        let mut placed = Vec::new();
        for decision in cycle.decisions {
            match decision {
                Decision::Place(placement) => {
                    placed.push(GangKey::new(placement.is_pod_group, &placement.gang));
                    self.decide(placement);
                }
                Decision::GroupStatus { namespace, name, .. }
                | Decision::Event { kind: "PodGroup", namespace, name, .. }
                    if self.mirror.is_others(&format!("{namespace}/{name}")) => {}
                Decision::GroupStatus { namespace, name, status } => {
                    let now = self.clock.elapsed();
                    self.statuses.put(format!("{namespace}/{name}"), status, now);
                }
                Decision::Unschedulable { pods, message } => self.mark_unschedulable(&pods, &message),
                Decision::Ungate { pods } => pods.iter().for_each(|pod| self.ungate(pod)),
                Decision::Event { kind, namespace, name, type_, reason, message } => {
                    let key = format!("{namespace}/{name}");
                    let uid = match kind {
                        "PodGroup" => self.mirror.group(&key).map(|group| group.uid.clone()),
                        _ => self.mirror.pod(&key).map(|pod| pod.facts.pod.uid.clone()),
                    };
                    self.recorder.note(Note {
                        api_version: if kind == "PodGroup" { keys::SCHEDULING_V1BETA1 } else { "v1" }
                            .to_owned(),
                        kind,
                        namespace,
                        name,
                        uid: uid.unwrap_or_default(),
                        warning: type_ == "Warning",
                        reason: reason.to_owned(),
                        message,
                        component: "phalanx",
                    });
                }
            }
        }
        self.answer_again(&placed);
        self.carry_out();
        self.count_cycle(&counts, decided - started, self.clock.elapsed() - started);
    }

    /// Removes the gate of its queue from a pod, if it is the only one.
    fn ungate(&self, pod: &PodRef) {
        let gate = json!([{ "name": keys::QUEUE_ALLOCATION_GATE }]);
        let patch = json!([
            { "op": "test", "path": "/metadata/uid", "value": pod.uid },
            { "op": "test", "path": "/spec/schedulingGates", "value": gate },
            { "op": "remove", "path": "/spec/schedulingGates" },
        ]);
        let call = Call::json_patch(Kind::Pod.path(&pod.namespace, &pod.name, ""), patch);
        self.send(call, &self.mark_calls);
    }

    /// Says on HyperNodes what is wrong with them, when the topology has changed.
    pub(super) fn tell_findings(&mut self) {
        let cluster = self.scheduler.cluster();
        let version = cluster.view().topology.version();
        if self.reviewed == version {
            return;
        }
        self.reviewed = version;
        self.count_findings();
        for say in self.findings.review(cluster.findings(), &self.timestamp().to_string()) {
            if let Some((reason, message)) = say.warning {
                self.recorder.note(Note {
                    api_version: keys::TOPOLOGY_V1ALPHA1.to_owned(),
                    kind: "HyperNode",
                    namespace: String::new(),
                    name: say.name,
                    uid: say.uid,
                    warning: true,
                    reason: reason.to_owned(),
                    message,
                    component: "phalanx",
                });
            }
            self.send(say.call, &self.status_calls);
        }
        self.count_quarantined();
    }

    fn decide(&mut self, placement: GangPlacement) {
        self.count_placement(&placement);
        let gang = GangKey::new(placement.is_pod_group, &placement.gang);
        let pods = placement
            .pods
            .into_iter()
            .map(|placed| {
                let key = format!("{}/{}", placed.pod.namespace, placed.pod.name);
                self.marks.forget(&key);
                let facts = self.mirror.pod(&key).map(|member| &member.facts);
                Promise {
                    role: facts.map(|facts| facts.role.clone()).unwrap_or_default(),
                    recreated: facts.is_some_and(|facts| facts.recreated),
                    subgroup: self.scheduler.subgroup(&placed.pod),
                    pod: placed.pod,
                    node: placed.node,
                }
            })
            .collect();
        let group = self.mirror.group(&placement.gang).filter(|_| placement.is_pod_group);
        let decided = Decided {
            pods,
            domain: placement.domain,
            tier: placement.tier,
            group: group.map(|group| group.facts.clone()),
            bound: if placement.is_pod_group { self.bound(&placement.gang) } else { Vec::new() },
            gang,
        };
        self.tell(self.clock.elapsed(), Told::Decided(decided));
    }

    /// Answers those who asked for another place and did not get one in this cycle.
    fn answer_again(&mut self, placed: &[GangKey]) {
        for gang in std::mem::take(&mut self.again) {
            if placed.contains(&gang) {
                continue;
            }
            let key = gang.to_string();
            if self.arrivals.awaits(&key) {
                self.again.insert(gang);
                continue;
            }
            let absent = !self.mirror.of_group(&key).any(|facts| facts.node.is_none() && !facts.deleting);
            self.tell(self.clock.elapsed(), Told::NotPlaced { gang, absent });
        }
    }

    /// Does what the reservations ask for, until they ask for no more.
    pub(super) fn carry_out(&mut self) {
        self.may_bind.clear();
        while !self.effects.is_empty() {
            for effect in std::mem::take(&mut self.effects) {
                self.effect(effect);
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Call { id, gang, call } => self.call_for(gang, id, call),
            Effect::Bound { pod, node } => {
                self.mirror.bound_by_us(&pod, &node);
                self.nominated.remove(&pod.uid);
                self.count_bind(&pod);
                self.give_way();
                let message = format!("Successfully assigned {}/{} to {node}", pod.namespace, pod.name);
                self.note_pod(&pod, "Scheduled", message);
            }
            Effect::Release { pod, node } => {
                self.scheduler.forget(&pod);
                self.withdraw(&pod, &node);
            }
            Effect::PlaceAgain { gang, .. } => {
                self.health.metrics.repaired.inc();
                self.scheduler.try_again(&gang.to_string());
                self.again.insert(gang);
            }
            Effect::Recover(gang) => self.find(vec![gang.to_string()]),
            Effect::Report { gang, report } => self.report(&gang, &report),
        }
    }

    /// Makes a call for a reservation.
    pub(super) fn make_call(&mut self, gang: &GangKey, id: CallId, call: Asked) {
        let (client, gate, inputs) = (self.clients.write.clone(), self.gate.clone(), self.inputs.clone());
        let hold = self.recorder.hold();
        let claims = self.waits_for(gang, &call);
        self.nominates(&call, claims.as_ref());
        let key = gang.to_string();
        let status = match &call {
            Asked::WriteRecord { .. } => self.statuses.take_along(&key, self.clock.elapsed()),
            _ => None,
        };
        tokio::spawn(async move {
            let _hold = hold;
            let along = writer::Along { claims: claims.as_ref(), status: status.as_ref() };
            if let Some((answer, shown)) = writer::carry_out(&client, &gate, &call, along).await {
                // What the API server finds fault with may be the status: it does not go along again.
                if let Some(status) = status
                    && !matches!(answer, Answer::Written { .. } | Answer::Refused { .. } | Answer::NotFound)
                {
                    let _ = inputs.send(Input::StatusLost(key, Box::new(status))).await;
                }
                let _ = inputs.send(Input::Answered(id, answer, shown)).await;
            }
        });
    }

    /// What this call waits for. A bind that was asked for before its volumes were known waits as well, where they are out
    /// of reach: the reservation has been told, or will be. And all wait while the gang lacks its minimum without those
    /// that wait: once some are bound, a volume that keeps the others away would break the gang.
    fn waits_for(&mut self, gang: &GangKey, call: &Asked) -> Option<Waits> {
        let Asked::Bind { pod, node } = call else { return None };
        let claims = self.scheduler.unbound_claims(pod);
        if claims.is_empty() && self.scheduler.reaches_volumes(pod, node) && self.gang_may_bind(gang) {
            return None;
        }
        let seen = self.mirror.pod(&format!("{}/{}", pod.namespace, pod.name));
        let shows = seen.is_some_and(|member| member.nominated.is_some());
        // Where the volume is made at once, that would be one more write for nothing.
        let shows_node = self.nominated.contains(&pod.uid) && !shows;
        Some(Waits { claims, shows_node })
    }

    /// Asked once for the many binds of a round, and not at all where nobody uses claims.
    fn gang_may_bind(&mut self, gang: &GangKey) -> bool {
        if !self.scheduler.cluster().uses_claims() {
            return true;
        }
        let may = || self.reservations.is_clear_of_claims(gang, &self.scheduler);
        *self.may_bind.entry(gang.clone()).or_insert_with(may)
    }

    fn report(&mut self, gang: &GangKey, report: &Report) {
        let key = gang.to_string();
        tracing::info!(gang = key, %report, "reservation");
        self.pauses.judge(gang, report, self.clock.elapsed());
        let warning = match report {
            Report::Ended { outcome: Outcome::Bound, .. } => {
                self.count_gang(&key, self.clock.elapsed());
                false
            }
            Report::Ended { outcome: Outcome::RolledBack, .. } => {
                self.health.metrics.rolled_back.inc();
                true
            }
            _ => true,
        };
        if gang.is_pod_group {
            if matches!(report, Report::Ended { .. }) {
                self.heed_record(key.clone());
            }
            let message = match report {
                Report::Ended { outcome: Outcome::Bound, .. } => "pod group is ready".to_owned(),
                other => other.to_string(),
            };
            self.recorder.note(Note {
                api_version: keys::SCHEDULING_V1BETA1.to_owned(),
                kind: "PodGroup",
                namespace: gang.namespace.clone(),
                name: gang.name.clone(),
                uid: self.mirror.group(&key).map(|group| group.uid.clone()).unwrap_or_default(),
                warning,
                reason: report.reason().to_owned(),
                message,
                component: "phalanx",
            });
        }
    }

    fn note_pod(&self, pod: &PodRef, reason: &str, message: String) {
        self.recorder.note(Note {
            api_version: "v1".to_owned(),
            kind: "Pod",
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            warning: false,
            reason: reason.to_owned(),
            message,
            component: "phalanx",
        });
    }

    /// ModelServings that something changed for.
    pub(super) fn serve(&mut self) {
        for batch in self.serving.work(self.timestamp()) {
            for event in &batch.events {
                self.recorder.note(Note {
                    api_version: keys::WORKLOAD_V1ALPHA1.to_owned(),
                    kind: "ModelServing",
                    namespace: batch.key.0.clone(),
                    name: batch.key.1.clone(),
                    uid: batch.uid.clone(),
                    warning: event.warning,
                    reason: event.reason.to_owned(),
                    message: event.message.clone(),
                    component: "modelserving-controller",
                });
            }
            for (group, pod) in &batch.pods {
                if self.mirror.pod(&format!("{}/{pod}", batch.key.0)).is_none() {
                    self.arrivals.announce(&batch.key, group, pod.clone());
                    self.scheduler.defer(group);
                }
            }
            let (client, gate, inputs) = (self.clients.write.clone(), self.gate.clone(), self.inputs.clone());
            tokio::spawn(async move {
                let key = batch.key.clone();
                let ok = make(batch, client, gate).await;
                let _ = inputs.send(Input::Batch(key, ok)).await;
            });
        }
    }
}

/// Makes a batch; the first group with a failure ends it, and the status is written in any case.
async fn make(batch: Batch, client: kube::Client, gate: crate::live::lease::Gate) -> bool {
    let mut ok = true;
    for group in batch.groups {
        let answers: Vec<bool> = futures::stream::iter(group)
            .map(|call| one(call, &client, &gate))
            .buffered(BATCH_CALLS)
            .collect()
            .await;
        ok = answers.into_iter().all(|ok| ok);
        if !ok {
            break;
        }
    }
    if let Some(status) = batch.status {
        ok &= one(status, &client, &gate).await;
    }
    ok
}

async fn one(call: Call, client: &kube::Client, gate: &crate::live::lease::Gate) -> bool {
    if !gate.may_write() {
        return false;
    }
    let (method, path) = (call.method.clone(), call.path.clone());
    match call.run(client, gate.deadline()).await {
        Reply::Done(_) => true,
        // somebody, perhaps we, did it before; or what it concerned is another object by now
        Reply::Refused { code: 409, .. }
            if method == http::Method::POST || method == http::Method::DELETE =>
        {
            true
        }
        Reply::Refused { code: 404, .. } if method != http::Method::POST => true,
        // a `test` of the uid failed: the object is another one
        Reply::Refused { code: 422, ref message, .. } if message.contains("test") => true,
        answer => {
            tracing::warn!(%method, path, ?answer, "a change of a ModelServing failed; it is asked for again");
            false
        }
    }
}
