//! Plans, carried out: others leave so that a gang gets their room. The scheduler decides who ([`crate::scheduler`]) and keeps the
//! room; here those who are to leave are asked to.
//!
//! ```text
//! decided --> Waiting --> Writing --in the journal--> Clearing --> over: its gang is placed, or it is let go
//! ```
//!
//! A plan is written into the journal before the first eviction is asked for, as the entry of its gang; whoever leads after a crash
//! finds it there and goes on. While a reservation of the gang is under way, the entry is the reservation's and the plan waits. When
//! the gang is placed the record of its reservation takes the place of the plan. A plan that comes to nothing is erased, and who has not
//! been asked to leave by then is not asked any more.
//!
//! Evictions go through the eviction subresource, where budgets may object, with the uid as a precondition and the pod's own grace
//! period; where budgets are only what is best avoided (`pdb: prefer`), by deletion after the condition `DisruptionTarget` was set.

use super::calls::{Lane, Purpose};
use super::kind::Kind;
use super::output::{Note, Origin, Output, Report};
use super::request::{Answer, Request};
use super::{Engine, Recovery};
use crate::reservation::record::{self, Entry, Record, RecordState};
use crate::reservation::{CallId, GangKey};
use crate::scheduler::decision::Victim;
use crate::scheduler::{PodPlacement, PodRef};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Evictions of one plan that are out at the same time.
const OUT: usize = 32;

/// The pause before an eviction that was not let through is asked for again; doubled each time, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Plans under way.
#[derive(Debug, Default)]
pub(super) struct Clearings {
    by_gang: BTreeMap<GangKey, Clearing>,
    /// Gangs that are placed, whose plans may still stand in the journal: not every reservation writes a record.
    placed: BTreeSet<GangKey>,
    calls: u64,
}

/// One plan.
#[derive(Debug, Default)]
struct Clearing {
    stage: Stage,
    /// May any form of it stand in the journal?
    is_written: bool,
    /// Which of the gang's pods get which room.
    places: Vec<Entry>,
    /// Those who leave.
    victims: Vec<Victim>,
    /// Those who have not been asked, as indices, with the number of times that they were asked in vain.
    left: VecDeque<(usize, u32)>,
    /// Those who are asked again at that time.
    later: Vec<(Duration, usize, u32)>,
    out: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// It is not in the journal as it is now.
    #[default]
    Waiting,
    /// It is being written.
    Writing(CallId),
    /// It is written: those who leave may be asked to.
    Clearing,
}

impl Clearings {
    /// When the next of those is asked again who were asked in vain.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        self.by_gang.values().flat_map(|plan| &plan.later).map(|&(at, ..)| at).min()
    }

    fn next_call(&mut self) -> CallId {
        self.calls += 1;
        CallId::of_plan(self.calls)
    }

    fn writing(&self, call: CallId) -> Option<GangKey> {
        let mut plans = self.by_gang.iter();
        plans.find(|(_, plan)| plan.stage == Stage::Writing(call)).map(|(gang, _)| gang.clone())
    }
}

impl Clearing {
    fn record(&self, gang: &GangKey) -> Record {
        let victims = self.victims.iter().map(|victim| record::Victim {
            kind: victim.kind,
            namespace: victim.pod.namespace.clone(),
            name: victim.pod.name.clone(),
            uid: victim.pod.uid.clone(),
        });
        Record {
            gang: gang.clone(),
            state: RecordState::Clearing,
            domain: None,
            tier: None,
            entries: self.places.clone(),
            victims: victims.collect(),
        }
    }
}

impl Engine {
    /// Others are to leave for a gang (`namespace/name` of a PodGroup), or its room is elsewhere now. What was planned for it before
    /// goes on.
    pub(super) fn clear_for(&mut self, gang: &str, victims: Vec<Victim>, places: Vec<PodPlacement>) {
        let entry =
            |place: PodPlacement| Entry { name: place.pod.name, uid: place.pod.uid, node: place.node };
        let places: Vec<Entry> = places.into_iter().map(entry).collect();
        let key = GangKey::new(true, gang);
        let known = self.commitments.clearings.by_gang.get(&key);
        if victims.is_empty() && known.is_none_or(|plan| plan.places == places) {
            return;
        }
        let plan = self.commitments.clearings.by_gang.entry(key).or_default();
        for victim in victims {
            if !plan.victims.iter().any(|known| known.pod == victim.pod) {
                plan.left.push_back((plan.victims.len(), 0));
                plan.victims.push(victim);
            }
        }
        plan.places = places;
        plan.stage = Stage::Waiting;
    }

    /// Has plans written into the journal that are not there as they are, and erased those whose gangs are bound.
    pub(super) fn write_plans(&mut self) {
        if self.commitments.recovery != Recovery::Complete {
            return;
        }
        let reservations = &self.commitments.reservations;
        let placed = &mut self.commitments.clearings.placed;
        let bound: Vec<GangKey> = placed.extract_if(.., |gang| reservations.phase(gang).is_none()).collect();
        for gang in bound {
            if !self.commitments.clearings.by_gang.contains_key(&gang) {
                self.erase_plan(&gang);
            }
        }
        let plans = &self.commitments.clearings.by_gang;
        let waits = |(gang, plan): &(&GangKey, &Clearing)| {
            plan.stage == Stage::Waiting && self.commitments.reservations.phase(gang).is_none()
        };
        let due: Vec<GangKey> = plans.iter().filter(waits).map(|(gang, _)| gang.clone()).collect();
        for gang in due {
            let call = self.commitments.clearings.next_call();
            let Some(plan) = self.commitments.clearings.by_gang.get_mut(&gang) else { continue };
            plan.stage = Stage::Writing(call);
            plan.is_written = true;
            let record = plan.record(&gang);
            self.commitments.journal.put(self.now.elapsed, gang, call, Some(&record), false);
        }
    }

    /// What a plan is for stands in the journal, or not, and why.
    pub(super) fn plan_written(&mut self, call: CallId, refused: Option<String>) {
        let Some(gang) = self.commitments.clearings.writing(call) else { return };
        let Some(message) = refused else {
            if let Some(plan) = self.commitments.clearings.by_gang.get_mut(&gang) {
                plan.stage = Stage::Clearing;
            }
            return self.evict_more(&gang);
        };
        // Nobody has been asked to leave: the scheduler finds that nothing becomes free, and tries again later.
        if let Some(plan) = self.commitments.clearings.by_gang.remove(&gang) {
            plan.victims.iter().for_each(|victim| self.scheduler.spare(&victim.pod));
        }
        let answer = Answer::Refused { code: 0, reason: String::new(), message, retry_after: None };
        self.failed(format!("write the plan for {gang}"), answer, "nobody leaves for it");
    }

    /// Asks those again whose time has come.
    pub(super) fn evict_due(&mut self) {
        let now = self.now.elapsed;
        let mut due = Vec::new();
        for (gang, plan) in &mut self.commitments.clearings.by_gang {
            let again = plan.later.extract_if(.., |&mut (at, ..)| at <= now);
            let before = plan.left.len();
            plan.left.extend(again.map(|(_, victim, failures)| (victim, failures)));
            if plan.left.len() > before {
                due.push(gang.clone());
            }
        }
        due.iter().for_each(|gang| self.evict_more(gang));
    }

    /// Asks more of those to leave who have not been asked, while the gang wants their room.
    fn evict_more(&mut self, gang: &GangKey) {
        if !self.scheduler.claims_room(&gang.to_string()) {
            return;
        }
        while let Some(plan) = self.commitments.clearings.by_gang.get_mut(gang)
            && plan.stage == Stage::Clearing
            && plan.out < OUT
            && let Some((at, failures)) = plan.left.pop_front()
        {
            let victim = plan.victims[at].clone();
            if !self.scheduler.is_to_leave(&victim.pod) {
                continue;
            }
            plan.out += 1;
            let purpose = Purpose::Evict { gang: gang.clone(), victim: at, failures };
            if self.scheduler.budgets_are_hard() {
                self.send(Lane::Reservations, purpose, eviction(&victim.pod));
            } else {
                self.send(Lane::Marks, Purpose::Tell, condition(&victim));
                let PodRef { namespace, name, uid } = &victim.pod;
                let request = Request::delete(Kind::Pod, namespace, name, uid);
                self.send(Lane::Reservations, purpose, request);
            }
        }
    }

    /// One of those who are to leave was asked to.
    pub(super) fn evicted(
        &mut self,
        gang: &GangKey,
        at: usize,
        failures: u32,
        request: &Request,
        answer: Answer,
    ) {
        let again = self.now.elapsed + PAUSE.saturating_mul(1 << failures.min(5)).min(LONGEST_PAUSE);
        let Some(plan) = self.commitments.clearings.by_gang.get_mut(gang) else { return };
        plan.out = plan.out.saturating_sub(1);
        let Some(victim) = plan.victims.get(at).cloned() else { return };
        match answer {
            Answer::Done(_) => self.tell_evicted(gang, victim),
            // It is gone, or another pod has its name: the watch says so.
            Answer::Refused { code: 404, .. } => {}
            // Another pod has its name, or somebody else was writing its budget: that is seen before it is asked again.
            Answer::Refused { code: 409 | 429 | 500.., retry_after, .. } => {
                let at_least = retry_after.map_or(Duration::ZERO, |after| self.now.elapsed + after);
                plan.later.push((again.max(at_least), at, failures + 1));
            }
            Answer::Unknown(_) => plan.later.push((again, at, failures + 1)),
            Answer::Refused { .. } => {
                self.scheduler.spare(&victim.pod);
                self.failed(request.to_string(), answer, "the pod stays");
            }
        }
        self.evict_more(gang);
    }

    /// A cycle is over: drops the plans whose gangs are placed, or want nothing more.
    pub(super) fn end_plans(&mut self) {
        let plans = self.commitments.clearings.by_gang.keys();
        let over: Vec<GangKey> =
            plans.filter(|gang| !self.scheduler.has_plan(&gang.to_string())).cloned().collect();
        for gang in over {
            let Some(plan) = self.commitments.clearings.by_gang.remove(&gang) else { continue };
            let is_placed = self.commitments.reservations.phase(&gang).is_some();
            if is_placed {
                self.commitments.clearings.placed.insert(gang.clone());
            } else if plan.is_written {
                self.erase_plan(&gang);
            }
            self.outputs.push_back(Output::Report(Report::PlanEnded { gang, placed: is_placed }));
        }
    }

    fn erase_plan(&mut self, gang: &GangKey) {
        let call = self.commitments.clearings.next_call();
        self.commitments.journal.put(self.now.elapsed, gang.clone(), call, None, true);
    }

    /// Takes up the plan of an earlier leader, or erases it where its gang is gone.
    pub(super) fn resume_plan(&mut self, record: Record, exists: bool) {
        let Record { gang, entries, victims, .. } = record;
        let pod = |name: &str, uid: &str| PodRef {
            namespace: gang.namespace.clone(),
            name: name.to_owned(),
            uid: uid.to_owned(),
        };
        let places: Vec<(PodRef, String)> =
            entries.iter().map(|entry| (pod(&entry.name, &entry.uid), entry.node.clone())).collect();
        let victims: Vec<Victim> = victims
            .into_iter()
            .map(|record::Victim { kind, namespace, name, uid }| Victim {
                pod: PodRef { namespace, name, uid },
                gang: String::new(),
                kind,
                message: format!("leaves for {gang}, as an earlier leader has decided"),
            })
            .collect();
        let pods: Vec<PodRef> = victims.iter().map(|victim| victim.pod.clone()).collect();
        if !exists || !self.scheduler.resume_plan(&gang.to_string(), &places, &pods) {
            return self.erase_plan(&gang);
        }
        let left = (0..victims.len()).map(|at| (at, 0)).collect();
        let stage = Stage::Clearing;
        let plan =
            Clearing { stage, is_written: true, places: entries, victims, left, ..Clearing::default() };
        self.commitments.clearings.by_gang.insert(gang.clone(), plan);
        self.evict_more(&gang);
    }

    fn tell_evicted(&mut self, gang: &GangKey, victim: Victim) {
        let Victim { pod, gang: of, kind, message } = victim;
        self.note(Note::on_pod(&pod, true, "Evict", message.clone(), Origin::Eviction));
        if of.contains('/') {
            self.note_group(&GangKey::new(true, &of), false, "Evict", message, Origin::Cycle);
        }
        self.outputs.push_back(Output::Report(Report::Evicted {
            claimant: gang.clone(),
            pod,
            gang: of,
            kind,
        }));
    }
}

fn eviction(pod: &PodRef) -> Request {
    let body = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": { "name": pod.name, "namespace": pod.namespace },
        "deleteOptions": { "preconditions": { "uid": pod.uid } },
    });
    Request::post(Kind::Pod, &pod.namespace, &pod.name, "eviction", body)
}

/// The condition by which controllers know that the pod did not fail by itself.
fn condition(victim: &Victim) -> Request {
    let Victim { pod, message, .. } = victim;
    let body = json!({
        "metadata": { "uid": pod.uid },
        "status": { "conditions": [{
            "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": message,
        }] },
    });
    Request::strategic(Kind::Pod, &pod.namespace, &pod.name, "status", body)
}
