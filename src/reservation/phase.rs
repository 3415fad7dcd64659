//! The phases of a reservation, and what leads from one to the next.
//!
//! ```text
//! Decided --record written--> Binding --all bound--> Closing(Bound) --record done--> end
//!    |                        |     ^ ^\
//!    |            member lost,|     |  \--deadline, minimum met--> Releasing --> Closing(Partly)
//!    |            minimum out |     | placed again
//!    |            of reach    v     |
//!    |                       Repairing --no room or too late--> RollingBack --> Closing(RolledBack)
//!    |                            |  ^----nothing would recreate it----'
//!    '--lost, late or refused-----'--nothing bound--> Closing(Abandoned)
//! ```
//!
//! Whatever an unfinished record names has its capacity held: promises are given back only after the record has stopped
//! naming them, or when the pod is gone, or when its node does not take it any more.

use super::effect::{Outcome, Report};
use super::gang::{Context, Gang};
use super::input::Count;
use super::member::{Loss, Standing};
use super::writer::RecordWriter;

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Capacity is taken; the record is not written for certain. Nothing has happened.
    Decided,
    /// The record is written, or one bind is all there is: members are being bound.
    Binding,
    /// The minimum is out of reach without other members; no more binds are sent until they are placed.
    Repairing,
    /// Bound members are being evicted.
    RollingBack,
    /// What is bound stays; the rest is given up as soon as no bind of it can take effect.
    Releasing,
    /// Nothing is left but to say so in the record.
    Closing(Outcome),
}

impl Phase {
    /// Would more members of the gang be taken in?
    pub fn accepts_members(self) -> bool {
        matches!(self, Phase::Decided | Phase::Binding | Phase::Repairing | Phase::Closing(Outcome::Bound))
    }
}

/// How many pods of a gang are bound, or may be.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Members bound to their nodes.
    pub(super) bound: u32,
    /// Those among them that nothing would recreate.
    pub(super) bare: u32,
    /// Unbound members of which a bind may still take effect, or with a call that is out.
    open: u32,
    /// Members to be read before anything else.
    suspect: u32,
    /// What is missing to the minimum even if all unbound members get bound.
    pub(super) short: Option<Count>,
    /// Is the minimum met by what is bound?
    met: bool,
}

impl Gang {
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let mut present = self.others.clone();
        let mut possible = Count::default();
        for member in &self.members {
            tally.suspect += u32::from(member.suspect);
            match member.standing {
                Standing::Bound => {
                    tally.bound += 1;
                    tally.bare += u32::from(!member.recreated);
                    tally.open += u32::from(member.calling);
                    present.add(&member.role, member.subgroup.as_ref());
                }
                Standing::Elsewhere => present.add(&member.role, member.subgroup.as_ref()),
                Standing::Unbound => {
                    tally.open += u32::from(member.calling || member.doubt.is_some());
                    if !member.unfit {
                        possible.add(&member.role, member.subgroup.as_ref());
                    }
                }
                Standing::Lost(_) => {}
            }
        }
        tally.met = self.short(&present).is_none();
        possible.add_all(present);
        tally.short = self.short(&possible);
        tally
    }

    /// Moves on as far as what is known leads; the outcome if that is the end.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> Option<Outcome> {
        self.review = false;
        loop {
            self.release_unfit(cx);
            let tally = self.tally();
            let next = self.next_phase(&tally, cx);
            match next {
                Some(next) => self.enter(next, &tally, cx),
                None => break,
            }
        }
        match self.phase {
            Phase::Closing(outcome) if self.writer.as_ref().is_none_or(RecordWriter::is_written) => {
                Some(outcome)
            }
            _ => None,
        }
    }

    /// Gives up the nodes that do not take their pods, where no bind can take effect any more.
    fn release_unfit(&mut self, cx: &mut Context<'_>) {
        for at in 0..self.members.len() {
            let member = &self.members[at];
            let settled = !member.calling && !member.suspect && member.doubt.is_none();
            if member.is_unbound() && member.unfit && settled {
                self.touch(at, |member| member.lose(Loss::Displaced, cx.effects));
            }
        }
        self.review = false;
    }

    fn next_phase(&mut self, tally: &Tally, cx: &mut Context<'_>) -> Option<Phase> {
        let quiet = tally.open == 0 && tally.suspect == 0;
        match self.phase {
            Phase::Decided if self.group_gone => Some(Phase::Closing(Outcome::GroupGone)),
            Phase::Decided if self.writer.as_ref().is_some_and(|writer| writer.written > 0) => {
                Some(Phase::Binding)
            }
            Phase::Decided if tally.short.is_some() || self.overdue || self.unbound == 0 => {
                Some(Phase::Closing(Outcome::Abandoned))
            }
            Phase::Decided => None,

            Phase::Binding if self.group_gone => Some(Phase::Releasing),
            Phase::Binding if tally.short.is_some() => Some(Phase::Repairing),
            Phase::Binding if self.unbound == 0 && tally.suspect == 0 => Some(Phase::Closing(Outcome::Bound)),
            Phase::Binding if self.overdue && tally.met => Some(Phase::Releasing),
            Phase::Binding if self.overdue => self.roll_back_or_hold(tally, cx),
            Phase::Binding => None,

            Phase::Repairing if self.group_gone => Some(Phase::Releasing),
            Phase::Repairing if tally.short.is_none() => Some(Phase::Binding),
            Phase::Repairing if tally.bound == 0 && quiet => Some(Phase::Closing(Outcome::Abandoned)),
            Phase::Repairing if self.overdue || self.no_room => self.roll_back_or_hold(tally, cx),
            Phase::Repairing => None,

            Phase::RollingBack if self.group_gone => Some(Phase::Releasing),
            Phase::RollingBack if tally.bare > 0 => Some(Phase::Repairing),
            Phase::RollingBack if tally.bound == 0 && quiet => Some(Phase::Closing(Outcome::RolledBack)),
            Phase::RollingBack => None,

            Phase::Releasing if !tally.met && !self.group_gone => Some(Phase::Binding),
            Phase::Releasing if quiet => {
                let outcome = if self.group_gone { Outcome::GroupGone } else { Outcome::Partly };
                Some(Phase::Closing(outcome))
            }
            Phase::Releasing | Phase::Closing(_) => None,
        }
    }

    fn roll_back_or_hold(&mut self, tally: &Tally, cx: &mut Context<'_>) -> Option<Phase> {
        if tally.bare == 0 {
            return Some(Phase::RollingBack);
        }
        if !std::mem::replace(&mut self.held, true) {
            cx.report(&self.key, Report::Held { bound: tally.bound });
        }
        None
    }

    fn enter(&mut self, next: Phase, tally: &Tally, cx: &mut Context<'_>) {
        let before = std::mem::replace(&mut self.phase, next);
        match next {
            Phase::Repairing => {
                if before == Phase::RollingBack
                    && let Some(writer) = &mut self.writer
                {
                    // The record says that we roll back: nothing is bound before it says otherwise.
                    let revision = writer.want();
                    self.members.iter_mut().for_each(|member| member.revision = revision);
                }
                self.asking.waiting = false;
                self.asking.at = cx.now;
                if let Some(short) = tally.short.clone() {
                    cx.report(&self.key, Report::Repairing { short });
                }
            }
            Phase::RollingBack => {
                if let Some(writer) = &mut self.writer {
                    writer.want();
                }
                cx.report(&self.key, Report::RollingBack { bound: tally.bound });
            }
            Phase::Closing(_) => {
                if let Some(writer) = &mut self.writer {
                    if writer.owes {
                        writer.want();
                    } else {
                        writer.written = writer.want();
                    }
                }
            }
            Phase::Decided | Phase::Binding | Phase::Releasing => {}
        }
        self.reschedule_all();
    }

    /// The end: gives back what is still held.
    pub(super) fn end(&mut self, outcome: Outcome, cx: &mut Context<'_>) {
        let bound = self.tally().bound;
        let evicted =
            self.members.iter().filter(|member| member.is_lost() && member.evictions > 0).count() as u32;
        for member in &mut self.members {
            member.release(cx.effects);
        }
        let outcome = match outcome {
            Outcome::Bound | Outcome::Partly if bound == 0 => Outcome::Abandoned,
            outcome => outcome,
        };
        cx.report(&self.key, Report::Ended { outcome, bound, evicted });
    }
}
