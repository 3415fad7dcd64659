//! One reservation: its members, its record, and the calls that are due.
//!
//! How it begins and grows is in `join` and `recover`, what happens to it when in `phase`, what an answer means in
//! `answer`.

use super::Settings;
use super::effect::{Call, Effect, Outcome, Report};
use super::input::{BoundPod, CallId, Count, GangKey};
use super::member::{Action, Loss, Member, Mode, Standing};
use super::phase::Phase;
use super::record::{Entry, Record, RecordState};
use super::writer::RecordWriter;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What every step has at hand.
pub(super) struct Context<'a> {
    pub(super) now: Duration,
    pub(super) settings: &'a Settings,
    pub(super) calls: &'a mut Calls,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl Context<'_> {
    pub(super) fn report(&mut self, gang: &GangKey, report: Report) {
        self.effects.push(Effect::Report { gang: gang.clone(), report });
    }
}

/// The calls that are out.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    next: u64,
    open: BTreeMap<CallId, OpenCall>,
    /// Those for members; records do not count.
    pub(super) for_members: usize,
}

/// A call that is out.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenCall {
    pub(super) gang: u64,
    pub(super) target: Target,
    pub(super) sent: Duration,
}

/// What a call is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    /// The record, in this revision.
    Record(u32),
    Member(u32, Action),
}

impl Calls {
    fn start(&mut self, call: OpenCall) -> CallId {
        let id = CallId(self.next);
        self.next += 1;
        self.for_members += usize::from(matches!(call.target, Target::Member(..)));
        self.open.insert(id, call);
        id
    }

    pub(super) fn end(&mut self, id: CallId) -> Option<OpenCall> {
        let call = self.open.remove(&id)?;
        self.for_members -= usize::from(matches!(call.target, Target::Member(..)));
        Some(call)
    }
}

/// When to ask the scheduler for missing members.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asking {
    pub(super) at: Duration,
    pub(super) waiting: bool,
    pub(super) failures: u32,
}

/// One reservation.
#[derive(Clone, Debug)]
pub(super) struct Gang {
    pub(super) id: u64,
    pub(super) key: GangKey,
    pub(super) phase: Phase,
    pub(super) members: Vec<Member>,
    /// Members that are unbound.
    pub(super) unbound: usize,
    /// What the PodGroup asks for; phases go by it only where there is a record ([`Gang::short`]).
    pub(super) minimum: Count,
    /// The PodGroup's generation that the minimum is from.
    pub(super) generation: i64,
    /// What is bound of the gang beside the members.
    pub(super) others: Count,
    pub(super) domain: Option<String>,
    pub(super) tier: Option<u32>,
    pub(super) deadline: Duration,
    pub(super) overdue: bool,
    /// The scheduler found no room for what is missing.
    pub(super) no_room: bool,
    pub(super) group_gone: bool,
    pub(super) asking: Asking,
    /// `None` where one bind is all there is to do.
    pub(super) writer: Option<RecordWriter>,
    /// Members with a call that is due, by time.
    pub(super) due: BTreeSet<(Duration, u32)>,
    /// Something happened that may move the phase.
    pub(super) review: bool,
    /// It was taken over with members whose capacity could not be taken.
    pub(super) homeless: bool,
    /// Already reported.
    pub(super) held: bool,
    pub(super) refusal: String,
    /// The time it is registered to be looked at again.
    pub(super) wake: Option<Duration>,
}

impl Gang {
    /// A gang without members.
    pub(super) fn empty(id: u64, key: GangKey, phase: Phase, cx: &Context<'_>) -> Self {
        Gang {
            id,
            key,
            phase,
            members: Vec::new(),
            unbound: 0,
            minimum: Count::default(),
            generation: i64::MIN,
            others: Count::default(),
            domain: None,
            tier: None,
            deadline: cx.now + cx.settings.deadline,
            overdue: false,
            no_room: false,
            group_gone: false,
            asking: Asking::default(),
            writer: None,
            due: BTreeSet::new(),
            review: true,
            homeless: false,
            held: false,
            refusal: String::new(),
            wake: None,
        }
    }

    /// Would more members be taken in? Not while there are some that hold nothing and cannot be moved yet: the scheduler
    /// would place those, and they would be given back, again and again.
    pub(super) fn is_open(&self) -> bool {
        let waits = |member: &Member| member.is_unbound() && !member.holds;
        self.phase.accepts_members() && !(self.homeless && self.members.iter().any(waits))
    }

    /// Members that have lost their node and wait for another, since a bind of them may still take effect: one of an earlier
    /// leader, and one of ours. What something recreates is evicted at once instead.
    pub(super) fn displaced_in_doubt(&self) -> (usize, usize) {
        let waits = |member: &&Member| {
            member.is_unbound()
                && member.unfit
                && member.doubt.is_some()
                && !(member.holds && member.recreated)
        };
        let waiting = self.members.iter().filter(waits);
        let (earlier, ours): (Vec<_>, Vec<_>) = waiting.partition(|member| member.inherited);
        (earlier.len(), ours.len())
    }

    /// The minimum, unless a later one is known: watches may be behind.
    pub(super) fn set_minimum(&mut self, minimum: &Count, generation: i64) {
        if generation >= self.generation {
            self.minimum.clone_from(minimum);
            self.generation = generation;
        }
    }

    /// What is missing to the minimum, as far as the phases are concerned. Without a record there is one bind to make or to
    /// give up and nothing to undo, so that nothing is missing, whatever becomes of the others meanwhile.
    pub(super) fn short(&self, count: &Count) -> Option<Count> {
        self.writer.as_ref().and_then(|_| count.short_of(&self.minimum))
    }

    /// What is bound beside the members.
    pub(super) fn set_others(&mut self, bound: &[BoundPod]) {
        let own: BTreeSet<&str> = self.members.iter().map(|member| member.pod.uid.as_str()).collect();
        let mut others = Count::default();
        let beside = bound.iter().filter(|pod| !own.contains(pod.uid.as_str()));
        beside.for_each(|pod| others.add(&pod.role, pod.subgroup.as_ref()));
        self.others = others;
    }

    /// The record as it should stand in the journal; `None`: not at all.
    pub(super) fn draft(&self) -> Option<Record> {
        let state = match self.phase {
            Phase::RollingBack => RecordState::RollingBack,
            Phase::Closing(_) => return None,
            _ => RecordState::Binding,
        };
        let own = self.members.iter().filter(|m| matches!(m.standing, Standing::Unbound | Standing::Bound));
        let entries = own.map(|member| Entry {
            name: member.pod.name.clone(),
            uid: member.pod.uid.clone(),
            node: member.node.clone(),
        });
        let (gang, domain) = (self.key.clone(), self.domain.clone());
        Some(Record { gang, state, domain, tier: self.tier, entries: entries.collect(), victims: Vec::new() })
    }

    pub(super) fn mode(&self) -> Mode {
        let recorded = self.writer.as_ref().is_none_or(RecordWriter::is_written);
        Mode {
            binding: self.phase == Phase::Binding,
            letting_go: matches!(self.phase, Phase::RollingBack | Phase::Releasing),
            rolling_back: (self.phase == Phase::RollingBack).then_some(recorded),
            written: self.writer.as_ref().map_or(u32::MAX, |writer| writer.written),
        }
    }

    /// Changes a member and everything that is derived from it.
    pub(super) fn touch(&mut self, at: usize, change: impl FnOnce(&mut Member)) {
        let member = &mut self.members[at];
        let before = member.standing;
        change(member);
        let after = member.standing;
        if before == Standing::Unbound && after != before {
            self.unbound -= 1;
        }
        if before != after && matches!(after, Standing::Lost(_)) {
            self.asking.waiting = false;
            self.asking.at = Duration::ZERO;
        }
        // The common case, one more bind out of many, is not worth looking at the whole gang.
        let common = self.phase == Phase::Binding && self.unbound > 0 && !member.unfit && !member.is_lost();
        self.review |= !common;
        let mode = self.mode();
        self.reschedule(at, mode);
    }

    fn reschedule(&mut self, at: usize, mode: Mode) {
        let member = &mut self.members[at];
        let due = member.next(mode).map(|(time, _)| time);
        if due != member.due {
            let key = at as u32;
            if let Some(time) = member.due {
                self.due.remove(&(time, key));
            }
            if let Some(time) = due {
                self.due.insert((time, key));
            }
            member.due = due;
        }
    }

    pub(super) fn reschedule_all(&mut self) {
        let mode = self.mode();
        (0..self.members.len()).for_each(|at| self.reschedule(at, mode));
    }

    /// Makes the next call for a member, if one is due now.
    pub(super) fn call_member(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(&(time, at)) = self.due.first() else { return false };
        if time > cx.now {
            return false;
        }
        let mode = self.mode();
        let member = &mut self.members[at as usize];
        if let Some((_, action)) = member.next(mode) {
            let pod = member.pod.clone();
            let call = match action {
                Action::Bind => Call::Bind { pod, node: member.node.clone() },
                Action::Read => Call::ReadPod { pod },
                Action::Evict => Call::Evict { pod },
            };
            member.calling = true;
            member.evictions += u32::from(action == Action::Evict);
            member.suspect_anew &= action != Action::Read;
            let open = OpenCall { gang: self.id, target: Target::Member(at, action), sent: cx.now };
            let id = cx.calls.start(open);
            cx.effects.push(Effect::Call { id, gang: self.key.clone(), call });
        }
        self.reschedule(at as usize, mode);
        true
    }

    /// Makes the calls for the record, and asks the scheduler, if that is due now.
    pub(super) fn call_others(&mut self, cx: &mut Context<'_>) {
        if self.writer.as_ref().and_then(RecordWriter::next).is_some_and(|time| time <= cx.now) {
            let record = self.draft();
            // Whoever found it while all are bound would find nothing to do.
            let may_wait = self.phase == Phase::Closing(Outcome::Bound);
            if let Some(writer) = &mut self.writer {
                let target = Target::Record(writer.sending(may_wait));
                let id = cx.calls.start(OpenCall { gang: self.id, target, sent: cx.now });
                let call = Call::WriteRecord { record, may_wait };
                cx.effects.push(Effect::Call { id, gang: self.key.clone(), call });
            }
        }
        if self.phase == Phase::Repairing && !self.asking.waiting && self.asking.at <= cx.now {
            self.asking.waiting = true;
            let moving = self.members.iter().filter(|m| m.standing == Standing::Lost(Loss::Displaced));
            cx.effects.push(Effect::PlaceAgain {
                gang: self.key.clone(),
                moving: moving.map(|member| member.pod.clone()).collect(),
                short: self.tally().short.unwrap_or_default(),
            });
        }
    }

    /// When something is due by time alone. Calls for members that are due already wait for the budget instead.
    pub(super) fn next_wake(&self, now: Duration) -> Option<Duration> {
        let record = self.writer.as_ref().and_then(RecordWriter::next);
        let asking = (self.phase == Phase::Repairing && !self.asking.waiting).then_some(self.asking.at);
        let deadline = (!self.overdue).then_some(self.deadline);
        let member = self.due.first().map(|&(time, _)| time).filter(|time| *time > now);
        [record, asking, deadline, member].into_iter().flatten().min()
    }
}
