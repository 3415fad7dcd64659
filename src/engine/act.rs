//! What is decided, done: cycles become reservations, and reservations become requests.

use super::calls::{Lane, Purpose};
use super::dialects::object_of;
use super::output::{Note, Origin, Output, Report};
use super::request::Answer as Reply;
use super::tape::What;
use super::{Engine, Now, writer};
use crate::api::keys;
use crate::reservation::{
    Call as ReservationCall, CallId, Decided, Effect, GangKey, Input, Outcome, Promise,
    Report as ReservationReport,
};
use crate::scheduler::{Decision, GangPlacement, PodRef};

impl Engine {
    /// One scheduling cycle: what is to be done, each with [`Engine::act`], and then [`Engine::conclude`].
    pub fn decide(&mut self, now: Now) -> Vec<Decision> {
        self.now = now;
        self.last_cycle = now.elapsed;
        let cycle = self.scheduler.cycle(&now.timestamp().to_string());
        self.outputs.push_back(Output::Report(Report::Cycle {
            tried: cycle.tried,
            placed: cycle.placed,
            cut_short: cycle.cut_short,
            panicked: cycle.panicked,
        }));
        self.commitments.asked = std::mem::take(&mut self.commitments.again);
        self.keep_decisions(&cycle.decisions);
        cycle.decisions
    }

    /// Does what was decided.
    pub fn act(&mut self, now: Now, decision: Decision) {
        self.now = now;
        self.keep(What::Act);
        match decision {
            Decision::Place(placement) => self.place(placement),
            Decision::Evict { claimant, victims, places } => self.clear_for(&claimant, victims, places),
            Decision::GroupStatus { namespace, name, .. }
            | Decision::Event { kind: "PodGroup", namespace, name, .. }
                if self.is_foreign(&format!("{namespace}/{name}")) => {}
            Decision::GroupStatus { namespace, name, status } => {
                self.telling.statuses.put(format!("{namespace}/{name}"), status, now.elapsed);
            }
            Decision::Unschedulable { pods, message } => {
                self.free_stuck_devices(&pods);
                self.mark_unschedulable(&pods, &message);
            }
            Decision::Ungate { pods } => pods.iter().for_each(|pod| self.ungate(pod)),
            Decision::Event { kind, namespace, name, type_, reason, message } => {
                let key = format!("{namespace}/{name}");
                let uid = match kind {
                    "PodGroup" => self.intake.mirror.group(&key).map(|group| group.uid.clone()),
                    _ => self.intake.mirror.pod(&key).map(|pod| pod.facts.pod.uid.clone()),
                };
                let (api_version, name) = match kind {
                    "PodGroup" => {
                        let (kind, name) = object_of(&name);
                        (kind.api_version(), name.to_owned())
                    }
                    _ => ("v1", name),
                };
                self.note(Note {
                    api_version: api_version.to_owned(),
                    kind,
                    namespace,
                    name,
                    uid: uid.unwrap_or_default(),
                    warning: type_ == "Warning",
                    reason: reason.to_owned(),
                    message,
                    component: "phalanx",
                    origin: Origin::Cycle,
                });
            }
        }
        self.carry_out();
    }

    /// Ends a cycle: answers those who asked for another place and did not get one in it.
    pub fn conclude(&mut self, now: Now) {
        self.now = now;
        self.keep(What::Conclude);
        self.end_plans();
        for gang in std::mem::take(&mut self.commitments.asked) {
            let key = gang.to_string();
            if self.families.arrivals.awaits(&key) {
                self.commitments.again.insert(gang);
                continue;
            }
            let waits =
                self.intake.mirror.of_group(&key).any(|facts| facts.node.is_none() && !facts.deleting);
            let absent = !waits;
            self.tell(Input::NotPlaced { gang, absent });
        }
        self.carry_out();
    }

    /// Says on HyperNodes what is wrong with them, when the topology has changed.
    pub(super) fn tell_findings(&mut self) {
        let cluster = self.scheduler.cluster();
        let version = cluster.view().topology.version();
        if self.telling.reviewed == version {
            return;
        }
        self.telling.reviewed = version;
        self.outputs.push_back(Output::Report(Report::Findings));
        let says = self.telling.findings.review(cluster.findings(), &self.now.timestamp().to_string());
        for say in says {
            if let Some((reason, message)) = say.warning {
                self.note(Note {
                    api_version: keys::TOPOLOGY_V1ALPHA1.to_owned(),
                    kind: "HyperNode",
                    namespace: String::new(),
                    name: say.name,
                    uid: say.uid,
                    warning: true,
                    reason: reason.to_owned(),
                    message,
                    component: "phalanx",
                    origin: Origin::Finding,
                });
            }
            self.send(Lane::Statuses, Purpose::Tell, say.request);
        }
        self.count_quarantined();
    }

    fn place(&mut self, placement: GangPlacement) {
        let gang = GangKey::new(placement.is_pod_group, &placement.gang);
        self.commitments.asked.remove(&gang);
        let placed = self.placed(&placement);
        let pods = placement
            .pods
            .into_iter()
            .map(|placed| {
                let key = format!("{}/{}", placed.pod.namespace, placed.pod.name);
                self.telling.marks.forget(&key);
                let facts = self.intake.mirror.pod(&key).map(|member| &member.facts);
                Promise {
                    role: facts.map(|facts| facts.role.clone()).unwrap_or_default(),
                    recreated: facts.is_some_and(|facts| facts.recreated),
                    subgroup: self.scheduler.subgroup(&placed.pod),
                    pod: placed.pod,
                    node: placed.node,
                }
            })
            .collect();
        let group = self.intake.mirror.group(&placement.gang).filter(|_| placement.is_pod_group);
        let decided = Decided {
            pods,
            domain: placement.domain,
            tier: placement.tier,
            group: group.map(|group| group.facts.clone()),
            bound: if placement.is_pod_group { self.bound(&placement.gang) } else { Vec::new() },
            gang: gang.clone(),
        };
        self.tell(Input::Decided(decided));
        // What is not taken on was not placed.
        if self.commitments.reservations.phase(&gang).is_some() {
            self.outputs.push_back(Output::Report(placed));
        }
    }

    /// Does what the reservations ask for, until they ask for no more.
    pub(super) fn carry_out(&mut self) {
        while !self.commitments.effects.is_empty() {
            for effect in std::mem::take(&mut self.commitments.effects) {
                self.effect(effect);
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Call { id, gang, call } => self.call_for(gang, id, call),
            Effect::Bound { pod, node } => {
                self.intake.mirror.bound_by_us(&pod, &node);
                self.commitments.nominated.remove(&pod.uid);
                self.give_way();
                let message = format!("Successfully assigned {}/{} to {node}", pod.namespace, pod.name);
                self.note(Note::on_pod(&pod, false, "Scheduled", message, Origin::Bind));
                self.count_bind(pod, node);
            }
            Effect::Release { pod, node } => {
                self.scheduler.forget(&pod);
                self.withdraw(&pod, &node);
                self.return_devices(&pod);
            }
            Effect::PlaceAgain { gang, .. } => {
                self.scheduler.try_again(&gang.to_string());
                self.outputs.push_back(Output::Report(Report::PlacedAgain(gang.clone())));
                self.commitments.again.insert(gang);
            }
            Effect::Report { gang, report } => self.report(gang, report),
        }
    }

    /// Makes a call for a reservation.
    pub(super) fn call_for(&mut self, gang: GangKey, id: CallId, call: ReservationCall) {
        if let ReservationCall::WriteRecord { record, may_wait } = &call {
            if self.is_over(&gang) {
                self.count_gang(&gang.to_string());
            }
            return self.commitments.journal.put(self.now.elapsed, gang, id, record.as_ref(), *may_wait);
        }
        if let ReservationCall::Bind { pod, node } = &call
            && (self.waits_for_claims(&gang, id, pod, node) || self.waits_for_devices(&gang, id, pod, node))
        {
            return;
        }
        let Some(request) = writer::request(&call) else { return };
        let purpose = Purpose::Reserve { gang, call: id, asked: Box::new(call) };
        self.send(Lane::Reservations, purpose, request);
    }

    /// A call of a reservation has been answered.
    pub(super) fn call_answered(&mut self, call: CallId, asked: &ReservationCall, reply: Reply) {
        let shown = writer::shown(asked, &reply);
        let answer = writer::answer(asked, reply);
        self.show(shown);
        self.tell(Input::Answered { call, answer });
    }

    /// Does a bind wait? One that was asked for before its volumes were known waits as well, where they are out
    /// of reach: the reservation has been told, or will be. And all wait while the gang lacks its minimum without those
    /// that wait: once some are bound, a volume that keeps the others away would break the gang.
    fn waits_for_claims(&mut self, gang: &GangKey, id: CallId, pod: &PodRef, node: &str) -> bool {
        let claims = self.scheduler.unbound_claims(pod);
        if claims.is_empty() && self.scheduler.reaches_volumes(pod, node) && self.gang_may_bind(gang) {
            return false;
        }
        let seen = self.intake.mirror.pod(&format!("{}/{}", pod.namespace, pod.name));
        let shows = seen.is_some_and(|member| member.nominated.is_some());
        // Where the volume is made at once, that would be one more write for nothing.
        let shows_node = !self.commitments.nominated.insert(pod.uid.clone()) && !shows;
        self.settle(gang.clone(), id, pod.clone(), node.to_owned(), claims, shows_node);
        true
    }

    /// Asked once for the many binds of a round, and not at all where nobody uses claims.
    fn gang_may_bind(&mut self, gang: &GangKey) -> bool {
        if !self.scheduler.cluster().uses_claims() || self.commitments.may_bind.contains(gang) {
            return true;
        }
        let may = self.commitments.reservations.is_clear_of_claims(gang, &self.scheduler);
        if may {
            self.commitments.may_bind.insert(gang.clone());
        }
        may
    }

    fn report(&mut self, gang: GangKey, report: ReservationReport) {
        let key = gang.to_string();
        self.commitments.pauses.judge(&gang, &report, self.now.elapsed);
        let is_bound = matches!(report, ReservationReport::Ended { outcome: Outcome::Bound, .. });
        if is_bound {
            self.count_gang(&key);
        }
        if gang.is_pod_group {
            let message = if is_bound { "pod group is ready".to_owned() } else { report.to_string() };
            self.note_group(&gang, !is_bound, report.reason(), message, Origin::Reservation);
        }
        self.outputs.push_back(Output::Report(Report::Reservation { gang, report }));
    }

    /// Tells about the object that stands for a gang, in whichever API it is.
    pub(super) fn note_group(
        &mut self,
        gang: &GangKey,
        warning: bool,
        reason: &str,
        message: String,
        origin: Origin,
    ) {
        let (kind, name) = object_of(&gang.name);
        let uid = self.intake.mirror.group(&gang.to_string()).map(|group| group.uid.clone());
        self.note(Note {
            api_version: kind.api_version().to_owned(),
            kind: "PodGroup",
            namespace: gang.namespace.clone(),
            name: name.to_owned(),
            uid: uid.unwrap_or_default(),
            warning,
            reason: reason.to_owned(),
            message,
            component: "phalanx",
            origin,
        });
    }
}
