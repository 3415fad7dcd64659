//! What is under way: room that is kept for gangs until others have left, and for gangs that were moved until their pods are made
//! again.
//!
//! A plan is over when its gang is placed, which may be before all have left: those who have not begun to leave are spared then.
//! It fails when neither what is idle nor what is leaving does any more, or when somebody does not begin to leave in time: its room is
//! let go, and the next plan for the gang is made after 10 s, 20 s, ... 640 s. Those who run it carry it out and
//! keep it over a restart ([`Scheduler::resume_plan`]).

use super::moving::Moves;
use crate::api::time::Timestamp;
use crate::cluster::Room;
use crate::cluster::gangs::GangRecord;
use crate::cluster::ids::{GangId, PodId};
use crate::cluster::pods::PodRecord;
use crate::placement::Assignment;
use crate::scheduler::gang::Hold;
use crate::scheduler::reason::Reason;
use crate::scheduler::waiting::Round;
use crate::scheduler::{Cycle, PodPlacement, PodRef, Scheduler};
use crate::words::counted;

/// So many seconds after the pods of a moved gang are gone, room is kept for those that replace them.
const PATIENCE: i64 = 60;

/// So many seconds after the decision everybody has begun to leave, or the plan has failed.
const LASTS: i64 = 600;

/// Seconds after the first failure; twice as many after each further one, up to the most.
const BACK_OFF: i64 = 10;
const MOST_BACK_OFF: i64 = 640;

/// Room that is kept for a gang.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The number of the gang's arrival: another gang of its name is another one.
    sequence: u64,
    /// Is it kept for pods that are to be made again, since those that there were are moved?
    is_moved: bool,
    /// Pods that leave for it.
    victims: Vec<PodId>,
    /// When it ends: for lack of pods that replace those that were moved, or since somebody has not begun to leave.
    until: Option<Timestamp>,
}

/// What a gang that room is kept for waits for.
#[derive(Clone, Debug)]
pub(super) enum Because {
    /// Pods that are leaving anyway.
    Leaving,
    /// Pods that leave for it, so many of which are evicted and moved.
    Victims { evicted: usize, moved: usize, pods: Vec<PodId> },
}

/// Plans of a gang came to nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    sequence: u64,
    count: u32,
    /// There is no plan for it before.
    until: Timestamp,
}

impl Scheduler {
    /// Drops what is over: pods that have left, and plans of gangs that are gone or want nothing more.
    pub(in crate::scheduler) fn refresh_claims(&mut self) {
        let Scheduler { claims, cluster, now, .. } = self;
        (claims.freed, claims.refused, claims.reopened) = Default::default();
        claims.leaving.retain(|&pod, uid| {
            cluster.pods().get(pod).is_some_and(|record| record.uid == *uid && record.holds().is_some())
        });
        let lives = |gang: GangId| cluster.gangs().get(gang).is_some();
        claims.why.retain(|&gang, _| lives(gang));
        claims.retries.retain(|&gang, at| lives(gang) && now.is_none_or(|now| *at > now));
        claims.failures.retain(|&gang, failure| {
            cluster.gangs().get(gang).is_some_and(|gang| gang.sequence == failure.sequence)
        });
        let (mut over, mut late) = (Vec::new(), Vec::new());
        for (&gang, plan) in &mut claims.plans {
            let record = cluster.gangs().get(gang).filter(|record| record.sequence == plan.sequence);
            let Some(record) = record else {
                over.push(gang);
                continue;
            };
            let pods = || record.pods.iter().filter_map(|&pod| Some((pod, cluster.pods().get(pod)?)));
            let wanting = pods().filter(|(_, pod)| pod.wants_node()).count();
            let is_ending = record.group.as_ref().is_none_or(|group| group.deleting);
            let leaves = pods().any(|(pod, _)| claims.leaving.contains_key(&pod));
            if !plan.is_moved || !leaves {
                let lasts = if plan.is_moved { PATIENCE } else { LASTS };
                plan.until = plan.until.or(now.map(|now| now.plus(lasts)));
            }
            let is_late = plan.until.zip(*now).is_some_and(|(until, now)| now >= until);
            let stays = |pod: &PodId| {
                claims.leaving.contains_key(pod) && cluster.pods().get(*pod).is_some_and(|pod| !pod.deleting)
            };
            match plan.is_moved {
                true if is_ending || !leaves && is_late && wanting == 0 => over.push(gang),
                false if wanting == 0 => over.push(gang),
                false if is_late && plan.victims.iter().any(stays) => late.push((gang, plan.sequence)),
                _ => {}
            }
        }
        for (gang, sequence) in late {
            self.fail(gang, sequence);
            over.push(gang);
        }
        for gang in over {
            self.revoke(gang);
        }
    }

    /// Gangs that room is kept for.
    pub(in crate::scheduler) fn planned(&self) -> impl Iterator<Item = GangId> {
        self.claims.plans.keys().copied()
    }

    /// Is room kept for the gang of a PodGroup (`namespace/name`) until others have left?
    pub fn has_plan(&self, gang: &str) -> bool {
        self.cluster.gangs().id(gang).is_some_and(|gang| self.claims.plans.contains_key(&gang))
    }

    /// Does that gang still want it? What was observed since the last cycle counts.
    pub fn claims_room(&self, gang: &str) -> bool {
        let Some((id, record)) =
            self.cluster.gangs().id(gang).and_then(|id| Some((id, self.cluster.gangs().get(id)?)))
        else {
            return false;
        };
        let plan = self.claims.plans.get(&id).filter(|plan| plan.sequence == record.sequence);
        plan.is_some_and(|plan| !plan.is_moved) && wanting(self, record) > 0
    }

    /// Is exactly this pod to leave for another gang?
    pub fn is_to_leave(&self, pod: &PodRef) -> bool {
        self.exactly(pod).is_some_and(|pod| self.claims.leaving.contains_key(&pod))
    }

    /// Exactly this pod does not leave for another gang after all: it cannot be evicted.
    pub fn spare(&mut self, pod: &PodRef) {
        if let Some(pod) = self.exactly(pod) {
            self.spare_all(vec![pod]);
            if let Some(gang) = self.cluster.pods().get(pod).and_then(|pod| pod.gang) {
                self.cluster.mark_changed(gang);
            }
        }
    }

    /// Takes up the plan of an earlier leader: these pods are to leave, and this room is kept for the gang of a PodGroup
    /// (`namespace/name`). False if there is no such gang.
    pub fn resume_plan(&mut self, gang: &str, places: &[(PodRef, String)], victims: &[PodRef]) -> bool {
        let Some(id) = self.cluster.gangs().id(gang) else { return false };
        let Some(sequence) = self.cluster.gangs().get(id).map(|gang| gang.sequence) else { return false };
        self.cluster.refresh_numbers();
        let mut leave = Vec::new();
        for pod in victims {
            let Some(at) = self.exactly(pod) else { continue };
            if self.cluster.pods().get(at).is_some_and(|record| record.holds().is_some()) {
                self.claims.leaving.insert(at, pod.uid.as_str().into());
                leave.push(at);
            }
        }
        let room = places.iter().filter_map(|(pod, node)| {
            let record = self.cluster.pods().get(self.exactly(pod)?).filter(|record| record.wants_node())?;
            Some(Room { node: self.cluster.nodes().id(node)?, class: record.class })
        });
        let room: Vec<Room> = room.collect();
        self.cluster.promise_room(id, room);
        let plan = Plan { sequence, is_moved: false, victims: leave, until: None };
        self.claims.plans.insert(id, plan);
        self.cluster.mark_all();
        true
    }

    /// When something is due that claims wait for.
    pub(in crate::scheduler) fn claims_due(&self) -> impl Iterator<Item = Timestamp> {
        let plans = self.claims.plans.values().filter_map(|plan| plan.until);
        let failures = self.claims.failures.values().map(|failure| failure.until);
        plans.chain(failures).chain(self.claims.retries.values().copied())
    }

    /// Gangs that wait for their time.
    pub(in crate::scheduler) fn claimants_due(&self) -> impl Iterator<Item = GangId> {
        let claims = &self.claims;
        claims.plans.keys().chain(claims.failures.keys()).chain(claims.retries.keys()).copied()
    }

    /// Is room kept for a gang whose pods are moved, and not all made again yet? Nothing is decided for it meanwhile.
    pub(in crate::scheduler) fn awaits_moved(&self, id: GangId) -> bool {
        let Some(plan) = self.claims.plans.get(&id).filter(|plan| plan.is_moved) else { return false };
        let Some(gang) = self.cluster.gangs().get(id) else { return false };
        let is_late = plan.until.zip(self.now).is_some_and(|(until, now)| now >= until);
        !is_late && wanting(self, gang) < self.cluster.promised_to(id).len()
    }

    /// Lets go of what is kept for a gang while it is tried. Returns whether anything was.
    pub(in crate::scheduler) fn reopen_plan(&mut self, id: GangId) -> bool {
        let Some(plan) = self.claims.plans.remove(&id) else { return false };
        self.cluster.take_promise_back(id);
        self.recount(id);
        match &mut self.claims.reopened {
            Some((known, before)) if *known == id => before.victims.extend(plan.victims),
            reopened => *reopened = Some((id, plan)),
        }
        true
    }

    /// A gang has been tried: its plan goes on, or those are spared who have not begun to leave for it.
    pub(in crate::scheduler) fn close_plan(&mut self, id: GangId) {
        let Some((_, mut before)) = self.claims.reopened.take_if(|(known, _)| *known == id) else { return };
        before.victims.retain(|pod| self.claims.leaving.contains_key(pod));
        match self.claims.plans.get_mut(&id) {
            Some(plan) => {
                before.victims.retain(|pod| !plan.victims.contains(pod));
                plan.victims.append(&mut before.victims);
                plan.until = before.until.filter(|_| !before.is_moved).or(plan.until);
            }
            None => self.spare_all(before.victims),
        }
    }

    /// The gang is placed: nothing is held against it any more.
    pub(in crate::scheduler) fn claim_is_met(&mut self, id: GangId) {
        self.claims.failures.remove(&id);
        self.claims.retries.remove(&id);
    }

    /// Was room kept for the gang that is being tried?
    pub(super) fn is_reopened(&self, id: GangId) -> bool {
        let reopened = self.claims.reopened.as_ref();
        reopened.is_some_and(|(known, plan)| *known == id && !plan.is_moved)
    }

    /// Has the plan of this gang, which fits on nothing that is idle or leaving, failed? There is no second one beside it.
    pub(super) fn is_over_with(&mut self, id: GangId, sequence: u64, grows: bool) -> bool {
        let reopened = self.claims.reopened.as_ref();
        let had_victims =
            reopened.is_some_and(|(known, plan)| *known == id && !plan.is_moved && !plan.victims.is_empty());
        let has_failed = had_victims && !grows && !self.claims.plans.contains_key(&id);
        if has_failed {
            self.fail(id, sequence);
            self.backs_off(id);
        }
        has_failed
    }

    /// Is there no plan for the gang yet, since earlier ones failed? Says so.
    pub(super) fn backs_off(&mut self, id: GangId) -> bool {
        let Some((failure, now)) = self.claims.failures.get(&id).copied().zip(self.now) else { return false };
        let left = failure.until.0 - now.0;
        if left > 0 {
            let failed = counted(failure.count, "plan");
            let why =
                format!("{failed} to have others leave for it came to nothing; the next one is in {left} s");
            self.claims.why.insert(id, why);
        }
        left > 0
    }

    fn fail(&mut self, id: GangId, sequence: u64) {
        let Some(now) = self.now else { return };
        let before = self.claims.failures.get(&id).map_or(0, |failure| failure.count);
        let span = BACK_OFF.saturating_mul(1 << before.min(10)).min(MOST_BACK_OFF);
        self.claims.failures.insert(id, Failure { sequence, count: before + 1, until: now.plus(span) });
    }

    fn revoke(&mut self, id: GangId) {
        let plan = self.claims.plans.remove(&id);
        let room = self.cluster.take_promise_back(id);
        self.cluster.mark_gained(room.into_iter().map(|room| room.node));
        self.recount(id);
        self.spare_all(plan.map(|plan| plan.victims).unwrap_or_default());
    }

    /// These stay, unless they have begun to leave.
    fn spare_all(&mut self, pods: Vec<PodId>) {
        for pod in pods {
            let Some(record) = self.cluster.pods().get(pod).filter(|record| !record.deleting) else {
                continue;
            };
            let gang = record.gang;
            if self.claims.leaving.remove(&pod).is_some()
                && let Some(gang) = gang
            {
                self.claims.freed = None;
                self.recount(gang);
            }
        }
    }

    /// Keeps room for a gang and says what it waits for.
    pub(super) fn keep_for(
        &mut self,
        id: GangId,
        sequence: u64,
        places: Vec<Assignment>,
        because: Because,
        round: &mut Round,
        cycle: &mut Cycle,
    ) {
        let told = because.told();
        let victims = match because {
            Because::Leaving => Vec::new(),
            Because::Victims { pods, .. } => pods,
        };
        let until = self.now.map(|now| now.plus(LASTS));
        let pods = self.keep_places(id, &places, Plan { sequence, is_moved: false, victims, until });
        self.claims.why.remove(&id);
        let message = format!("room for {} is kept while {told}", counted(pods, "pod"));
        self.hold(id, Hold { reason: Reason::WaitingForVictims, message }, round, cycle);
    }

    /// Keeps room for the pods of gangs that are moved.
    pub(super) fn keep_for_moved(&mut self, moves: &Moves) {
        for mover in &moves.movers {
            let changes = self.freed();
            let Scheduler { placer, cluster, rules, .. } = self;
            let Some(places) = mover.place(cluster, placer, rules, &changes) else { continue };
            let Some(sequence) = self.cluster.gangs().get(mover.gang).map(|gang| gang.sequence) else {
                continue;
            };
            let plan = Plan { sequence, is_moved: true, victims: Vec::new(), until: None };
            self.keep_places(mover.gang, &places, plan);
        }
    }

    /// Places by name.
    pub(super) fn named_places(&self, places: &[Assignment]) -> Vec<PodPlacement> {
        let named = places.iter().filter_map(|place| {
            let pod = self.cluster.pods().get(place.pod)?;
            let (namespace, name) = (pod.namespace().to_owned(), pod.name().to_owned());
            let pod = PodRef { namespace, name, uid: pod.uid.to_string() };
            Some(PodPlacement { pod, node: self.cluster.nodes().name(place.node).to_owned() })
        });
        named.collect()
    }

    /// Keeps these places for a gang. Returns for how many pods.
    fn keep_places(&mut self, id: GangId, places: &[Assignment], plan: Plan) -> u32 {
        let class = |pod: PodId| self.cluster.pods().get(pod).map(|record| record.class);
        let room = places.iter().filter_map(|it| Some(Room { node: it.node, class: class(it.pod)? }));
        let room: Vec<Room> = room.collect();
        let pods = room.len() as u32;
        self.cluster.promise_room(id, room);
        self.claims.plans.insert(id, plan);
        self.recount(id);
        pods
    }
}

impl Because {
    fn told(&self) -> String {
        let gone = |count: usize, how: &str| {
            format!(
                "{} of others {} {how} for it",
                counted(count, "pod"),
                if count == 1 { "is" } else { "are" }
            )
        };
        match *self {
            Because::Leaving => "pods that are leaving free it".to_owned(),
            Because::Victims { evicted, moved: 0, .. } => gone(evicted, "evicted"),
            Because::Victims { evicted: 0, moved, .. } => gone(moved, "moved"),
            Because::Victims { evicted, moved, .. } => {
                format!("{} and {moved} moved", gone(evicted, "evicted"))
            }
        }
    }
}

fn wanting(scheduler: &Scheduler, gang: &GangRecord) -> usize {
    let pods = gang.pods.iter().filter_map(|&pod| scheduler.cluster.pods().get(pod));
    pods.filter(|pod| PodRecord::wants_node(pod)).count()
}
