//! All reservations of one leader: takes inputs, keeps time, spends the budget of calls.

use super::Settings;
use super::effect::Effect;
use super::gang::{Calls, Context, Gang, Target};
use super::input::{Answer, BoundPod, CallId, Count, GangKey, Input, PodFacts};
use super::member::Standing;
use super::phase::Phase;
use crate::scheduler::PodRef;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The reservations of one leader, from its election to its end. A new term begins with a new one.
#[derive(Clone, Debug)]
pub struct Reservations {
    settings: Settings,
    /// The time of the first step.
    began: Option<Duration>,
    deposed: bool,
    next_gang: u64,
    gangs: BTreeMap<u64, Gang>,
    by_key: BTreeMap<GangKey, u64>,
    /// The member behind a pod's `namespace/name`, the latest of that name.
    by_pod: BTreeMap<String, (u64, u32)>,
    calls: Calls,
    /// When gangs are due to be looked at.
    timers: BTreeSet<(Duration, u64)>,
    /// Gangs that may have calls to make now, oldest first.
    ready: BTreeSet<u64>,
}

impl Reservations {
    /// For a leader, with nothing promised yet.
    pub fn new(settings: Settings) -> Self {
        Reservations {
            settings,
            began: None,
            deposed: false,
            next_gang: 0,
            gangs: BTreeMap::new(),
            by_key: BTreeMap::new(),
            by_pod: BTreeMap::new(),
            calls: Calls::default(),
            timers: BTreeSet::new(),
            ready: BTreeSet::new(),
        }
    }

    /// Takes in what happened, and says what to do now. `now` is monotonic, since an arbitrary origin.
    pub fn step(&mut self, now: Duration, input: Input, effects: &mut Vec<Effect>) {
        if self.deposed {
            return;
        }
        let began = *self.began.get_or_insert(now);
        match input {
            Input::Deposed => {
                *self = Reservations::new(self.settings.clone());
                self.deposed = true;
                return;
            }
            Input::Tick => {}
            Input::Decided(decided) => match self.by_key.get(&decided.gang).copied() {
                Some(id) => {
                    self.with(id, now, effects, |gang, cx| gang.join(decided, cx));
                    self.index(id);
                }
                None => self.begin(now, effects, |id, cx| Gang::decided(id, decided, cx)),
            },
            Input::Recovered(recovered) => {
                if !self.by_key.contains_key(&recovered.record.gang) {
                    self.begin(now, effects, |id, cx| Some(Gang::recovered(id, recovered, began, cx)));
                }
            }
            Input::Answered { call, answer } => self.answered(call, answer, now, effects),
            Input::PodSeen(facts) => self.seen(&facts, now, effects),
            Input::PodGone(pod) => self.gone(&pod, now, effects),
            Input::NotPlaced { gang, absent } => self.with_key(&gang, now, effects, |gang, cx| {
                gang.asking.waiting = false;
                gang.asking.failures += 1;
                let wait = cx.settings.backoff.after(gang.asking.failures, gang.id, None);
                gang.asking.at = cx.now + wait;
                // Who cannot move yet, because a bind of it may still take effect, was not there to be placed.
                let settled = !gang.members.iter().any(|member| member.is_unbound() && member.unfit);
                gang.no_room |= !absent && settled;
                gang.review = true;
            }),
            Input::GangChanged { gang, minimum, generation, bound } => {
                self.with_key(&gang, now, effects, |gang, _| changed(gang, &minimum, generation, &bound));
            }
            Input::GroupGone(gang) => self.with_key(&gang, now, effects, |gang, _| gang.group_gone()),
            Input::NodeLost(node) => self.node_lost(&node, now, effects),
            Input::Settled { pod, reached } => self.settled(&pod, reached, now, effects),
        }
        while let Some(&(time, id)) = self.timers.first()
            && time <= now
        {
            self.with(id, now, effects, |gang, cx| {
                if !gang.overdue && gang.deadline <= cx.now {
                    (gang.overdue, gang.review) = (true, true);
                }
            });
        }
        self.spend(now, effects);
    }

    /// When to call [`Reservations::step`] with [`Input::Tick`], if nothing else happens before.
    pub fn wake_at(&self) -> Option<Duration> {
        self.timers.first().map(|&(time, _)| time)
    }

    /// Where a gang's reservation stands; `None` if it has none.
    pub fn phase(&self, gang: &GangKey) -> Option<Phase> {
        self.by_key.get(gang).and_then(|id| self.gangs.get(id)).map(|gang| gang.phase)
    }

    /// The gangs whose reservation takes no more members for now. The scheduler leaves them alone.
    pub fn closed(&self) -> impl Iterator<Item = &GangKey> {
        let closed = |id| self.gangs.get(id).is_some_and(|gang| !gang.is_open());
        self.by_key.iter().filter(move |(_, id)| closed(id)).map(|(key, _)| key)
    }

    /// The gangs that need other members for their minimum.
    pub fn repaired(&self) -> impl Iterator<Item = &GangKey> {
        self.gangs.values().filter(|gang| gang.phase == Phase::Repairing).map(|gang| &gang.key)
    }

    /// What a gang waits for that takes no more members or needs others, where it is more than answers to calls and room.
    pub fn waits_for(&self, gang: &GangKey) -> Option<String> {
        let gang = self.by_key.get(gang).and_then(|id| self.gangs.get(id))?;
        let doubt = self.settings.doubt;
        let (earlier, ours) = gang.displaced_in_doubt();
        let lost = |pods: usize, promised: &str, the_bind: &str, since: &str| {
            let (s, they) = if pods == 1 { ("", "it is") } else { ("s", "they are") };
            let seconds = doubt.as_secs();
            (pods > 0).then(|| {
                format!(
                    "{pods} pod{s} lost the node that {promised}: a bind {the_bind} may still take effect, so {they} \
                     placed again when that is ruled out, {seconds} s after {since} at the latest"
                )
            })
        };
        let said = [
            lost(earlier, "an earlier leader had promised", "by that leader", "the takeover"),
            lost(ours, "was promised", "that got no clear answer", "the bind failed"),
        ];
        let said: Vec<String> = said.into_iter().flatten().collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// The gangs that have a reservation, in their order, and where it stands.
    pub fn gangs(&self) -> impl Iterator<Item = (&GangKey, Phase)> {
        self.by_key.iter().filter_map(|(key, id)| Some((key, self.gangs.get(id)?.phase)))
    }

    /// Has a reservation this very pod among its members, the lost ones included?
    pub fn is_member(&self, pod: &PodRef) -> bool {
        let at = self.by_pod.get(&pod_key(pod));
        let member = at.and_then(|(id, at)| self.gangs.get(id)?.members.get(*at as usize));
        member.is_some_and(|member| member.pod.uid == pod.uid)
    }

    /// The gang that this very pod is a member of.
    pub fn gang_of(&self, pod: &PodRef) -> Option<&GangKey> {
        let (id, _) = self.by_pod.get(&pod_key(pod)).filter(|_| self.is_member(pod))?;
        self.gangs.get(id).map(|gang| &gang.key)
    }

    /// The gang's members that have no node yet, as far as known, and the nodes they are promised.
    pub fn unbound(&self, gang: &GangKey) -> impl Iterator<Item = (&PodRef, &str)> {
        let gang = self.by_key.get(gang).and_then(|id| self.gangs.get(id));
        let unbound = gang.into_iter().flat_map(|gang| &gang.members).filter(|member| member.is_unbound());
        unbound.map(|member| (&member.pod, member.node.as_str()))
    }

    /// Would the gang have its minimum with what is bound of it and with those of its members that are `ready` for their
    /// nodes? Before that none is to be bound: what the others wait for may turn out to keep them away.
    pub(super) fn is_ready(&self, gang: &GangKey, ready: impl Fn(&PodRef, &str) -> bool) -> bool {
        let Some(gang) = self.by_key.get(gang).and_then(|id| self.gangs.get(id)) else { return true };
        let mut count = gang.others.clone();
        for member in &gang.members {
            let counts = match member.standing {
                Standing::Bound | Standing::Elsewhere => true,
                Standing::Unbound => !member.unfit && ready(&member.pod, &member.node),
                Standing::Lost(_) => false,
            };
            if counts {
                count.add(&member.role, member.subgroup.as_ref());
            }
        }
        count.short_of(&gang.minimum).is_none()
    }

    /// What is promised at present: pods that are not bound as far as known, and their nodes.
    pub fn promised(&self) -> impl Iterator<Item = (&PodRef, &str)> {
        let members = self.gangs.values().flat_map(|gang| &gang.members);
        members.filter(|member| member.holds).map(|member| (&member.pod, member.node.as_str()))
    }

    fn begin(
        &mut self,
        now: Duration,
        effects: &mut Vec<Effect>,
        make: impl FnOnce(u64, &mut Context<'_>) -> Option<Gang>,
    ) {
        let id = self.next_gang;
        self.next_gang += 1;
        let Reservations { settings, calls, .. } = self;
        let mut cx = Context { now, settings, calls, effects };
        if let Some(gang) = make(id, &mut cx) {
            self.by_key.insert(gang.key.clone(), id);
            self.gangs.insert(id, gang);
            self.index(id);
            self.with(id, now, effects, |_, _| {});
        }
    }

    fn index(&mut self, id: u64) {
        if let Some(gang) = self.gangs.get(&id) {
            for (at, member) in gang.members.iter().enumerate() {
                self.by_pod.insert(pod_key(&member.pod), (id, at as u32));
            }
        }
    }

    fn answered(&mut self, call: CallId, answer: Answer, now: Duration, effects: &mut Vec<Effect>) {
        // A gang may end before all its calls are answered: its pods had been seen bound.
        let Some(open) = self.calls.end(call) else { return };
        self.with(open.gang, now, effects, |gang, cx| match open.target {
            Target::Record(revision) => gang.record_answered(revision, answer, cx),
            Target::Member(at, action) => gang.member_answered(at as usize, action, answer, open.sent, cx),
        });
    }

    fn seen(&mut self, facts: &PodFacts, now: Duration, effects: &mut Vec<Effect>) {
        let Some(&(id, at)) = self.by_pod.get(&pod_key(&facts.pod)) else { return };
        self.with(id, now, effects, |gang, cx| {
            let key = gang.key.clone();
            gang.touch(at as usize, |member| {
                if member.pod.uid == facts.pod.uid {
                    member.see(facts, &key, cx.effects);
                } else if !member.is_lost() {
                    member.doubt_it(cx.now);
                }
            });
        });
    }

    fn gone(&mut self, pod: &PodRef, now: Duration, effects: &mut Vec<Effect>) {
        let Some(&(id, at)) = self.by_pod.get(&pod_key(pod)) else { return };
        self.with(id, now, effects, |gang, cx| {
            gang.touch(at as usize, |member| {
                if member.pod.uid == pod.uid && !member.is_lost() {
                    member.doubt_it(cx.now);
                }
            });
        });
    }

    fn settled(&mut self, pod: &PodRef, reached: bool, now: Duration, effects: &mut Vec<Effect>) {
        let Some(&(id, at)) = self.by_pod.get(&pod_key(pod)) else { return };
        self.with(id, now, effects, |gang, _| {
            gang.touch(at as usize, |member| {
                if member.pod.uid == pod.uid && member.is_unbound() {
                    member.unfit |= !reached;
                    (member.failures, member.not_before) = (0, now);
                }
            });
        });
    }

    fn node_lost(&mut self, node: &str, now: Duration, effects: &mut Vec<Effect>) {
        let ids: Vec<u64> = self.gangs.keys().copied().collect();
        for id in ids {
            self.with(id, now, effects, |gang, _| {
                for at in 0..gang.members.len() {
                    let member = &gang.members[at];
                    if member.is_unbound() && member.node == node {
                        gang.touch(at, |member| member.unfit = true);
                    }
                }
            });
        }
    }

    fn with_key(
        &mut self,
        key: &GangKey,
        now: Duration,
        effects: &mut Vec<Effect>,
        change: impl FnOnce(&mut Gang, &mut Context<'_>),
    ) {
        if let Some(&id) = self.by_key.get(key) {
            self.with(id, now, effects, change);
        }
    }

    /// Changes a gang and lets it move on as far as it can.
    fn with(
        &mut self,
        id: u64,
        now: Duration,
        effects: &mut Vec<Effect>,
        change: impl FnOnce(&mut Gang, &mut Context<'_>),
    ) {
        let Some(gang) = self.gangs.get_mut(&id) else { return };
        let mut cx = Context { now, settings: &self.settings, calls: &mut self.calls, effects };
        change(gang, &mut cx);
        if gang.review
            && let Some(outcome) = gang.advance(&mut cx)
        {
            gang.end(outcome, &mut cx);
            self.remove(id);
            return;
        }
        gang.call_others(&mut cx);
        if gang.due.first().is_some_and(|&(time, _)| time <= now) {
            self.ready.insert(id);
        }
        self.set_timer(id, now);
    }

    fn remove(&mut self, id: u64) {
        self.ready.remove(&id);
        let Some(gang) = self.gangs.remove(&id) else { return };
        if let Some(time) = gang.wake {
            self.timers.remove(&(time, id));
        }
        self.by_key.remove(&gang.key);
        for member in &gang.members {
            let key = pod_key(&member.pod);
            if self.by_pod.get(&key).is_some_and(|(of, _)| *of == id) {
                self.by_pod.remove(&key);
            }
        }
    }

    fn set_timer(&mut self, id: u64, now: Duration) {
        let Some(gang) = self.gangs.get_mut(&id) else { return };
        // What is due now waits for the budget of calls, not for time.
        let wake = gang.next_wake(now);
        if wake != gang.wake {
            if let Some(time) = gang.wake {
                self.timers.remove(&(time, id));
            }
            if let Some(time) = wake {
                self.timers.insert((time, id));
            }
            gang.wake = wake;
        }
    }

    /// Makes the calls that are due, the oldest gang's first, as far as the budget goes.
    fn spend(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        while self.calls.for_members < self.settings.calls_in_flight
            && let Some(&id) = self.ready.first()
        {
            let Reservations { settings, calls, gangs, .. } = self;
            let mut cx = Context { now, settings, calls, effects };
            if !gangs.get_mut(&id).is_some_and(|gang| gang.call_member(&mut cx)) {
                self.ready.remove(&id);
                self.set_timer(id, now);
            }
        }
    }
}

fn changed(gang: &mut Gang, minimum: &Count, generation: i64, bound: &[BoundPod]) {
    gang.set_minimum(minimum, generation);
    gang.set_others(bound);
    gang.no_room = false;
    gang.asking.waiting = false;
    gang.asking.at = Duration::ZERO;
    gang.review = true;
}

fn pod_key(pod: &PodRef) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}
