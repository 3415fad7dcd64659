//! One cycle: which gangs a change could help, each in its turn, and the statuses that follow.

use super::admission::{Ledger, admit, refusal};
use super::decision::{Decision, GangPlacement, PodPlacement, PodRef};
use super::explain::explain;
use super::gang::{Hold, Prepared, members_lost, prepare, stuck, unanswered};
use super::order::Turn;
use super::promise::Held;
use super::quality::Quality;
use super::reason::Reason;
use super::report::{counts, minimum, placed_domain};
use super::status::{Waiting, status};
use super::waiting::{Explanation, FIRST, QueuedRequest, Round, Shape, Wait};
use super::{Cycle, Scheduler, gates, room};
use crate::api::time::Timestamp;
use crate::cluster::Unallotted;
use crate::cluster::event::Marks;
use crate::cluster::gangs::{GangKind, GangRecord};
use crate::cluster::ids::{ClassId, CouplingId, GangId, NodeId};
use crate::cluster::topology::Topology;
use crate::placement::{GangRequest, Placement, Proof, Remedy};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Pods of a gang that are told by an event why they wait; their conditions say it to all of them.
const TOLD_PODS: usize = 16;

impl Scheduler {
    /// Runs one cycle. `now` is an RFC 3339 time, used for transition times only.
    pub fn cycle(&mut self, now: &str) -> Cycle {
        self.now = Timestamp::parse(now).or(self.now);
        self.cluster.refresh();
        let marks = self.cluster.take_marks();
        self.forget_questions(&marks);
        self.refresh_claims();
        self.refresh_sharing(&marks);
        let mut round = Round::default();
        let mut candidates = self.candidates(&marks, &mut round);
        self.admit(&mut candidates, &mut round);
        let again = self.roomless.iter().filter(|_| !marks.gained.is_empty() || marks.everything);
        let again: Vec<GangId> = candidates.iter().chain(again).copied().collect();
        again.into_iter().for_each(|gang| self.settle_room(gang));
        let mut cycle = Cycle::default();
        self.take_turns(candidates, &mut round, &mut cycle);
        self.review_holds();
        self.lift_gates(&mut cycle);
        for gang in round.touched {
            let made = self.make(gang, &mut cycle, "made its status", |known| known.status_of(gang, now));
            cycle.decisions.extend(made.ok().flatten());
        }
        cycle
    }

    /// Admits PodGroups, where that is by resources: those that are in may be placed, those that are not are told.
    fn admit(&mut self, candidates: &mut BTreeSet<GangId>, round: &mut Round) {
        if !self.admission.by_resources {
            return;
        }
        let mut kept_out = FxHashMap::default();
        let new =
            admit(&self.cluster, &self.admission, self.times, self.now, &mut self.admitted, &mut kept_out);
        candidates.extend(&new);
        round.touched.extend(&new);
        candidates.extend(kept_out.keys().filter(|gang| !self.kept_out.contains_key(gang)));
        self.kept_out = kept_out;
    }

    /// Lets pods through the gates of their queues.
    fn lift_gates(&mut self, cycle: &mut Cycle) {
        if self.cluster.queue_gated().next().is_none() {
            return;
        }
        let mut ledger = Ledger::of(&self.cluster, &self.admitted);
        let by_resources = self.admission.by_resources;
        let pods = gates::lift(&self.cluster, by_resources, &mut ledger, &mut self.lifting, self.now);
        if !pods.is_empty() {
            cycle.decisions.push(Decision::Ungate { pods });
        }
    }

    /// Drops kept questions that may not be the same any more, and all that was kept of gangs that are gone.
    fn forget_questions(&mut self, marks: &Marks) {
        let version = self.cluster.view().coupling.version();
        let rematched = version != std::mem::replace(&mut self.coupling_version, version);
        let generation = self.cluster.view().classes.generation();
        let given_back = generation != std::mem::replace(&mut self.generation, generation);
        if marks.everything || rematched || given_back {
            self.waiting.values_mut().for_each(|wait| wait.asked = None);
        }
        if rematched || given_back {
            for (&gang, wait) in self.waiting.iter_mut().filter(|(_, wait)| !wait.classes.is_empty()) {
                let pods = self.cluster.gangs().get(gang).into_iter().flat_map(|record| &record.pods);
                let pods = pods.filter_map(|&pod| self.cluster.pods().get(pod));
                let classes: BTreeSet<ClassId> =
                    pods.filter(|pod| pod.wants_node()).map(|pod| pod.class).collect();
                wait.classes = classes.into_iter().collect();
            }
        }
        for gang in &marks.gangs {
            if self.cluster.gangs().get(*gang).is_none() {
                self.waiting.remove(gang);
                self.quality.remove(gang);
                self.told.owed.remove(gang);
            } else if let Some(wait) = self.waiting.get_mut(gang) {
                wait.asked = None;
            }
        }
    }

    /// Gangs to try. Notes those whose status may differ already.
    fn candidates(&mut self, marks: &Marks, round: &mut Round) -> BTreeSet<GangId> {
        let mut try_again = marks.gangs.clone();
        if marks.everything {
            try_again.extend(self.cluster.gangs().iter().map(|(gang, _)| gang));
            self.waiting.retain(|gang, _| try_again.contains(gang));
        }
        round.touched = try_again.union(&marks.statuses).copied().collect();
        self.told.owed.retain(|&gang| {
            self.waiting.contains_key(&gang)
                && self.cluster.gangs().get(gang).is_some_and(|record| !self.deferred.contains(&*record.key))
        });
        try_again.extend(self.told.owed.iter().take(FIRST));
        try_again.extend(self.planned());
        try_again.extend(self.could_claim(marks));
        let by_queue = self.waiting.iter().filter(|(_, wait)| wait.reason.is_of_the_queue());
        try_again.extend(by_queue.map(|(&gang, _)| gang));
        if (!marks.gained.is_empty() || marks.coupled) && !marks.everything {
            let mut known: FxHashMap<ClassId, bool> = FxHashMap::default();
            let mut helps = |&class: &ClassId| {
                *known.entry(class).or_insert_with(|| {
                    marks.coupled && self.cluster.view().classes.get(class).coupling != CouplingId(0)
                        || self.fits_one_of(class, &marks.gained)
                })
            };
            let helped: Vec<GangId> = self
                .waiting
                .iter()
                .filter(|(_, wait)| wait.classes.iter().any(&mut helps))
                .map(|(&gang, _)| gang)
                .collect();
            try_again.extend(helped);
        }
        try_again
    }

    /// Could one of these nodes take one pod of the class?
    fn fits_one_of(&self, class: ClassId, nodes: &BTreeSet<NodeId>) -> bool {
        let view = self.cluster.view();
        let class = view.classes.get(class);
        nodes.iter().any(|&node| {
            view.capacity.is_present(node)
                && view.eligibility.cause(class.constraint, node).is_none()
                && class
                    .requests
                    .iter()
                    .all(|&(resource, amount)| view.capacity.free(node, resource) >= amount)
        })
    }

    pub(super) fn try_gang(&mut self, id: GangId, turn: Turn, round: &mut Round, cycle: &mut Cycle) {
        self.try_open(id, turn, round, cycle);
        self.close_plan(id);
    }

    fn try_open(&mut self, id: GangId, turn: Turn, round: &mut Round, cycle: &mut Cycle) {
        self.told.owed.remove(&id);
        let Some(gang) = self.cluster.gangs().get(id) else {
            self.waiting.remove(&id);
            return;
        };
        let held = self.held_back.get(&*gang.key).filter(|_| gang.kind == GangKind::PodGroup).cloned();
        if self.awaits_moved(id) {
            return;
        }
        let had_room = self.reopen_plan(id);
        let grows = self.sharing.account(id).is_some_and(|account| account.grows);
        let Some(gang) = self.cluster.gangs().get(id) else { return };
        let because = |message| Hold { reason: Reason::ReservationRefused, message };
        if let Some(Held::Back(said)) = held {
            if let Some(message) = said {
                self.hold(id, because(message), round, cycle);
            }
            return;
        }
        if let Some(said) = self.pods_held.get(&*gang.key).filter(|_| gang.kind == GangKind::Pod).cloned() {
            self.waiting.remove(&id);
            if let Some(message) = said {
                self.hold(id, Hold { reason: Reason::AwaitsPodGroup, message }, round, cycle);
            }
            return;
        }
        if let Some(&limit) = self.kept_out.get(&id) {
            let hold = refusal(&self.cluster, &self.admission, gang, limit);
            return self.hold(id, hold, round, cycle);
        }
        if let Some(hold) = self.unusable_queue(gang) {
            return self.hold(id, hold, round, cycle);
        }
        if let Some(over) = self.over_limit(id).filter(|over| !self.may_make_way(over)) {
            let hold = self.limit_hold(id, &over);
            return self.hold(id, hold, round, cycle);
        }
        let kept = self.waiting.get_mut(&id).and_then(|wait| wait.asked.take());
        let mut asked = match kept {
            Some(asked) => asked,
            None => match self
                .make(id, cycle, "read its pods", |known| prepare(&known.cluster, gang))
                .unwrap_or_else(Prepared::Held)
            {
                Prepared::Idle => {
                    let stuck = stuck(&self.cluster, gang).filter(|_| self.is_below_minimum(id));
                    let lost = stuck.or_else(|| members_lost(&self.cluster, gang));
                    let lost = lost.or_else(|| unanswered(&self.cluster, gang));
                    match held {
                        Some(Held::Waits(message)) => self.hold(id, because(message), round, cycle),
                        _ if let Some(lost) = lost => self.hold(id, lost, round, cycle),
                        _ => drop(self.waiting.remove(&id)),
                    }
                    return;
                }
                Prepared::Held(hold) => return self.hold(id, hold, round, cycle),
                Prepared::Ready(mut request) => {
                    let stand_ins = self.add_stand_ins(id, &mut request);
                    // Another question: what could help is another thing now, whatever is said about it.
                    let below_minimum = self.is_below_minimum(id);
                    if let Some(wait) = self.waiting.get_mut(&id) {
                        (wait.classes, wait.below_minimum) = (classes(&request), below_minimum);
                    }
                    Box::new(QueuedRequest::new(self.cluster.view(), request, turn, stand_ins))
                }
            },
        };
        cycle.tried += 1;
        self.claims.closed = self.closed_for(id);
        if let Some(over) = self.over_limit(id) {
            if !self.make_room(id, round, cycle) {
                let mut hold = self.limit_hold(id, &over);
                if let Some(why) = self.claims.why.get(&id) {
                    hold.message = format!("{}; {why}", hold.message);
                }
                self.hold(id, hold, round, cycle);
            }
            return;
        }
        if let Some(request) = self.within_limits(id, &asked.request) {
            asked = Box::new(QueuedRequest::new(
                self.cluster.view(),
                request,
                asked.turn.clone(),
                asked.stand_ins,
            ));
        }
        // What is kept for the gang is for these pods.
        let room = self.cluster.give_room_back(id);
        let closed = self.claims.closed.clone();
        let refused = round.refused.get(&asked.shape).copied().filter(|_| !asked.coupled && !had_room);
        let answer = match refused {
            Some(proof) => Ok(Err(proof)),
            None => self
                .ask_solver(id, cycle, |placer, view, rules| asked.ask(placer, view, rules, round, &closed)),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(hold) => {
                self.cluster.keep_room(id, room);
                return self.hold(id, hold, round, cycle);
            }
        };
        match answer {
            Ok(placement) => {
                let placement = match self.allot(&asked.request, placement) {
                    Ok(placement) => placement,
                    Err(unallotted) => {
                        self.cluster.keep_room(id, room);
                        return self.lack_volumes(id, &asked.request, unallotted, round, cycle);
                    }
                };
                cycle.placed += 1;
                cycle.cut_short += usize::from(placement.proof != Proof::Proven);
                self.commit(id, &asked.request, &placement, round, cycle);
                self.claim_is_met(id);
                self.cluster.keep_room(id, room::room(&asked.request, &placement.assignments));
                self.settle_room(id);
                self.recount(id);
                if grows && self.waiting.contains_key(&id) {
                    self.make_room(id, round, cycle);
                }
            }
            Err(proof) => {
                self.cluster.keep_room(id, room);
                if self.make_room(id, round, cycle) {
                    return;
                }
                // Others of its shape may enter what is held, or hold it.
                if !closed.is_empty() {
                    return self.refuse_held(id, asked, proof, round, cycle);
                }
                cycle.cut_short += usize::from(proof != Proof::Proven);
                round.refused.insert(Shape::clone(&asked.shape), proof);
                self.refuse(id, asked, proof, round, cycle);
            }
        }
    }

    /// A gang does not fit beside what is held for others; would it without that?
    fn refuse_held(
        &mut self,
        id: GangId,
        mut asked: Box<QueuedRequest>,
        proof: Proof,
        round: &mut Round,
        cycle: &mut Cycle,
    ) {
        let fits =
            self.ask_solver(id, cycle, |placer, view, rules| asked.ask(placer, view, rules, round, &[]));
        match fits {
            Ok(Ok(_)) => {
                let holders = self.holders_before(id);
                let held =
                    holders.iter().take(3).map(|(gang, domain)| format!("{domain} is held for {gang}"));
                let mut held: Vec<String> = held.collect();
                held.extend((holders.len() > 3).then(|| format!("{} more are held", holders.len() - 3)));
                let message = format!(
                    "it would fit, but {}; only gangs that can be evicted at once, or end in time, start there",
                    held.join(", "),
                );
                self.hold(id, Hold { reason: Reason::HeldForOther, message }, round, cycle);
            }
            Ok(Err(_)) => self.refuse(id, asked, proof, round, cycle),
            Err(hold) => self.hold(id, hold, round, cycle),
        }
    }

    /// Adds stand-ins for pods that do not exist yet to a gang that is to start only with all of them. Returns how many.
    fn add_stand_ins(&mut self, id: GangId, request: &mut GangRequest) -> u32 {
        if self.has_started(id) {
            return 0;
        }
        let rest = self.rest_of(id);
        rest.map_or(0, |rest| room::add_stand_ins(&mut self.cluster, &rest, request))
    }

    /// Notes that a gang was refused, and why, as far as that is news and there is time to find out.
    fn refuse(
        &mut self,
        id: GangId,
        asked: Box<QueuedRequest>,
        proof: Proof,
        round: &mut Round,
        cycle: &mut Cycle,
    ) {
        let view = self.cluster.view();
        let told = self.waiting.get(&id).filter(|wait| wait.counted.is_some()).map(|wait| wait.is_full);
        let (is_new, has_full) = (told.is_none(), told == Some(true));
        // To tell thousands of gangs that they get a little further than before helps nobody.
        if has_full && round.checked == 0 {
            return self.keep(id, asked);
        }
        round.checked -= usize::from(has_full);
        if let Some(known) = self.told.get(view, &asked.shape).cloned() {
            return self.tell(id, asked, known, round, cycle);
        }
        let counted =
            self.ask_solver(id, cycle, |placer, view, rules| placer.count_short(view, &asked.request, rules));
        let mut counted = match counted {
            Ok(counted) => counted,
            Err(hold) => return self.hold(id, hold, round, cycle),
        };
        counted.proof = proof;
        let before = self.waiting.get(&id).and_then(|wait| wait.counted.as_deref());
        if has_full && before == Some(&counted) {
            return self.keep(id, asked);
        }
        let budget = if has_full { &mut round.again } else { &mut round.first };
        let is_full = *budget > 0;
        *budget = budget.saturating_sub(1);
        if !is_full {
            if !has_full {
                self.told.owed.insert(id);
            }
            if !is_new {
                return self.keep(id, asked);
            }
        }
        let mut shortfall = match is_full {
            // Where there is no explanation the counts are told.
            true => self
                .ask_solver(id, cycle, |placer, view, rules| placer.explain(view, &asked.request, rules))
                .unwrap_or_else(|_| counted.clone()),
            false => counted.clone(),
        };
        if asked.stand_ins > 0 {
            // What is asked for together is more than spec.minMember, which lowers nothing then.
            shortfall.remedies.retain(|remedy| !matches!(remedy, Remedy::LowerMinimum { .. }));
        }
        let explained = self.make(id, cycle, "said why it waits", |known| {
            explain(&known.cluster, &asked.request, &shortfall)
        });
        let (reason, message) = match explained {
            Ok(explained) => explained,
            Err(hold) => return self.hold(id, hold, round, cycle),
        };
        let explanation = Explanation { is_full, reason, message, shortfall, counted };
        if is_full {
            let view = self.cluster.view();
            self.told.put(view, Shape::clone(&asked.shape), explanation.clone());
        }
        self.tell(id, asked, explanation, round, cycle);
    }

    /// Leaves a gang with what it was told before.
    fn keep(&mut self, id: GangId, asked: Box<QueuedRequest>) {
        if let Some(wait) = self.waiting.get_mut(&id) {
            wait.asked = Some(asked);
        }
    }

    fn tell(
        &mut self,
        id: GangId,
        asked: Box<QueuedRequest>,
        explanation: Explanation,
        round: &mut Round,
        cycle: &mut Cycle,
    ) {
        let Explanation { is_full, reason, mut message, shortfall, counted } = explanation;
        if asked.stand_ins > 0
            && let Some(gang) = self.cluster.gangs().get(id)
        {
            message.push_str(&room::explain(asked.stand_ins, gang));
        }
        if let Some(why) = self.claims.why.get(&id) {
            message = format!("{message}; {why}");
        }
        if let Some(held) = self.told_hold(id) {
            message = format!("{message}; {held}");
        }
        let wait = Wait {
            reason,
            message,
            below_minimum: self.is_below_minimum(id),
            classes: classes(&asked.request),
            shortfall: Some(Box::new(shortfall)),
            counted: Some(Box::new(counted)),
            is_full,
            asked: Some(asked),
        };
        self.wait(id, wait, round, cycle);
    }

    fn commit(
        &mut self,
        id: GangId,
        request: &GangRequest,
        placement: &Placement,
        round: &mut Round,
        cycle: &mut Cycle,
    ) {
        round.touched.insert(id);
        for assignment in &placement.assignments {
            self.cluster.assume(assignment.pod, assignment.node);
        }
        if !placement.assignments.is_empty()
            && let Some(gang) = self.cluster.gangs().get(id)
        {
            self.quality.insert(id, Quality::of(gang.sequence, &self.rules.order, placement));
            cycle.decisions.push(Decision::Place(self.gang_placement(gang, placement)));
        }
        match &placement.shortfall {
            Some(shortfall) => {
                let explained = self.make(id, cycle, "said why more of its pods wait", |known| {
                    explain(&known.cluster, request, shortfall)
                });
                let (reason, message) =
                    explained.unwrap_or_else(|Hold { reason, message }| (reason, message));
                let wait = Wait {
                    reason,
                    message,
                    below_minimum: false,
                    classes: classes(request),
                    shortfall: Some(Box::new(shortfall.clone())),
                    counted: None,
                    is_full: false,
                    asked: None,
                };
                self.wait(id, wait, round, cycle);
            }
            None => {
                self.waiting.remove(&id);
            }
        }
    }

    fn gang_placement(&self, gang: &GangRecord, placement: &Placement) -> GangPlacement {
        let topology = self.cluster.view().topology;
        let domain = placement.domain.filter(|&domain| domain != Topology::ROOT);
        let pods = placement.assignments.iter().filter_map(|assignment| {
            let pod = self.cluster.pods().get(assignment.pod)?;
            let node = self.cluster.nodes().name(assignment.node).to_owned();
            Some(PodPlacement { pod: pod_ref(pod), node })
        });
        GangPlacement {
            gang: gang.key.to_string(),
            is_pod_group: gang.kind == GangKind::PodGroup,
            pods: pods.collect(),
            domain: domain.map(|domain| topology.name(domain).to_owned()),
            tier: domain.map(|domain| topology.tier(domain)),
        }
    }

    pub(super) fn hold(&mut self, id: GangId, hold: Hold, round: &mut Round, cycle: &mut Cycle) {
        let below_minimum = self.is_below_minimum(id);
        let Hold { reason, message } = hold;
        let wait = Wait {
            reason,
            message,
            below_minimum,
            classes: Vec::new(),
            shortfall: None,
            counted: None,
            is_full: true,
            asked: None,
        };
        self.wait(id, wait, round, cycle);
    }

    /// A placement was found, and no existing volume for each claim of it.
    fn lack_volumes(
        &mut self,
        id: GangId,
        request: &GangRequest,
        unallotted: Unallotted,
        round: &mut Round,
        cycle: &mut Cycle,
    ) {
        let Unallotted { found, of, .. } = unallotted;
        let message = format!(
            "{found} of the {of} claims that wait for existing volumes find one of their own; make more volumes, or \
             volumes that more nodes reach"
        );
        let wait = Wait {
            reason: Reason::NotEnoughResources,
            message,
            below_minimum: self.is_below_minimum(id),
            classes: classes(request),
            shortfall: None,
            counted: None,
            is_full: true,
            asked: None,
        };
        self.wait(id, wait, round, cycle);
    }

    fn is_below_minimum(&self, id: GangId) -> bool {
        self.cluster.gangs().get(id).is_some_and(|gang| {
            let counts = counts(&self.cluster, gang);
            counts.placed() + counts.assumed < minimum(gang).max(1)
        })
    }

    /// Notes why a gang waits, and says so where the answer is new.
    fn wait(&mut self, id: GangId, wait: Wait, round: &mut Round, cycle: &mut Cycle) {
        let Wait { reason, message, .. } = &wait;
        let before = self.waiting.get(&id);
        let news = before.is_none_or(|before| before.reason != *reason || before.message != *message);
        round.touched.insert(id);
        // Pods that are still to come are no news for a person or an autoscaler: the condition says it.
        let is_told =
            !matches!(reason, Reason::NotEnoughTasks | Reason::NotEnoughPodsOfTask | Reason::MembersLost);
        if news
            && is_told
            && let Some(gang) = self.cluster.gangs().get(id)
        {
            let waiting: Vec<PodRef> = gang
                .pods
                .iter()
                .filter_map(|&pod| self.cluster.pods().get(pod))
                .filter(|pod| pod.wants_node())
                .map(pod_ref)
                .collect();
            // An event has no field for the code: its reason is what tools for Volcano match on.
            let coded = format!("{reason}: {message}");
            let warned = !is_ending(gang);
            if gang.group.is_some() && warned {
                cycle.decisions.push(Decision::Event {
                    kind: "PodGroup",
                    namespace: gang.namespace().to_owned(),
                    name: gang.name().to_owned(),
                    type_: "Warning",
                    reason: "Unschedulable",
                    message: coded.clone(),
                });
            }
            for pod in waiting.iter().take(if warned { TOLD_PODS } else { 0 }) {
                cycle.decisions.push(Decision::Event {
                    kind: "Pod",
                    namespace: pod.namespace.clone(),
                    name: pod.name.clone(),
                    type_: "Warning",
                    reason: "FailedScheduling",
                    message: coded.clone(),
                });
            }
            if !waiting.is_empty() {
                cycle.decisions.push(Decision::Unschedulable { pods: waiting, message: message.clone() });
            }
        }
        self.waiting.insert(id, wait);
    }

    /// The status of a PodGroup, if it is another one now.
    fn status_of(&self, id: GangId, now: &str) -> Option<Decision> {
        let gang = self.cluster.gangs().get(id)?;
        let group = gang.group.as_ref()?;
        let wait = self.waiting.get(&id);
        let waiting = wait
            .filter(|wait| wait.below_minimum)
            .map(|wait| Waiting { reason: wait.reason, message: &wait.message });
        let extra = wait.filter(|wait| !wait.below_minimum).map(|wait| wait.message.as_str());
        let topology = self.cluster.view().topology;
        let domain = placed_domain(&self.cluster, gang).filter(|&domain| domain != Topology::ROOT);
        let mut placed = domain.map_or(String::new(), |domain| {
            format!("in {} (tier {})", topology.name(domain), topology.tier(domain))
        });
        if let Some(extra) = extra {
            let separator = if placed.is_empty() { "" } else { "; more pods wait: " };
            placed = format!("{placed}{separator}{extra}");
        }
        let admitted = self.cluster.queue(&group.spec.queue).is_some_and(|queue| queue.open)
            && (!self.admission.by_resources || self.admitted.contains_key(&id));
        let counts = counts(&self.cluster, gang);
        let status = status(minimum(gang), &counts, waiting.as_ref(), &placed, admitted, &group.status, now);
        (status != group.status).then(|| Decision::GroupStatus {
            namespace: gang.namespace().to_owned(),
            name: gang.name().to_owned(),
            status,
        })
    }
}

/// Is it being deleted, with the pods that are left? What is missing then is missing on purpose.
fn is_ending(gang: &GangRecord) -> bool {
    match &gang.group {
        Some(group) => group.deleting,
        None => gang.had_group,
    }
}

/// Classes of the pods that want a node.
fn classes(request: &GangRequest) -> Vec<ClassId> {
    let classes: BTreeSet<ClassId> = request
        .subgroups
        .iter()
        .flat_map(|subgroup| subgroup.members.iter().map(|member| member.class))
        .collect();
    classes.into_iter().collect()
}

fn pod_ref(pod: &crate::cluster::pods::PodRecord) -> PodRef {
    PodRef { namespace: pod.namespace().to_owned(), name: pod.name().to_owned(), uid: pod.uid.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::core::{Node, Pod};
    use crate::cluster::{Event, Settings};
    use crate::placement::PlacementRules;
    use serde_json::{Value, json};

    fn pod(name: &str, app: &str, mut spec: Value) -> Pod {
        spec["schedulerName"] = json!("volcano");
        let metadata = json!({"name": name, "namespace": "default", "uid": name, "labels": {"app": app}});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    /// A pod on a node can be what another has waited for, wherever that one is to go.
    #[test]
    fn a_gang_whose_rules_look_at_a_new_pod_is_tried_again() {
        let mut scheduler = Scheduler::new(Settings::default(), PlacementRules::default());
        let node: Node =
            serde_json::from_value(json!({"metadata": {"name": "n", "labels": {"rack": "a"}}})).unwrap();
        scheduler.apply(Event::Node(&node));
        let term = json!([{"topologyKey": "rack", "labelSelector": {"matchLabels": {"app": "cache"}}}]);
        let near = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}});
        let gpu = json!({"name": "c", "resources": {"requests": {"nvidia.com/gpu": 1}}});
        scheduler.apply(Event::Pod(&pod("waits", "x", json!({"affinity": near, "containers": [gpu]}))));
        assert_eq!(scheduler.cycle("").tried, 1);
        let mut tried_after = |app: &str| {
            let bound = json!({"nodeName": "n", "containers": []});
            scheduler.apply(Event::Pod(&pod(app, app, bound)));
            scheduler.cycle("").tried
        };
        assert_eq!(tried_after("other"), 0);
        assert_eq!(tried_after("cache"), 1);
    }
}
