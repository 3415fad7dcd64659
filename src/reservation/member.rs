//! One pod of a reservation: what is known of it, and the call that is due next.
//!
//! A pod's life only goes forward: unbound, bound, ending, gone. So whatever shows it further along is believed at once,
//! even from a watch that is behind; that it is *not* there is believed only after a read.

use super::effect::{Effect, Report};
use super::input::{GangKey, PodFacts, Promise};
use crate::scheduler::{PodRef, SubgroupRef};
use std::time::Duration;

/// Where a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// No node yet, as far as known.
    Unbound,
    /// Bound to its node.
    Bound,
    /// Bound to another node, by somebody else; [`Member::node`] is that one.
    Elsewhere,
    /// Counts no more.
    Lost(Loss),
}

/// How a member was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Deleted, or replaced by a pod of the same name.
    Gone,
    /// Being deleted: it cannot be bound any more, or will not stay.
    Deleting,
    /// Failed.
    Failed,
    /// Evicted by us.
    Evicted,
    /// Its node does not take it; the pod waits for another.
    Displaced,
}

/// A call to make for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Bind,
    Read,
    Evict,
}

/// What the gang allows its members at present.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    /// Members are to be bound.
    pub(super) binding: bool,
    /// Members without a node are to be let go.
    pub(super) letting_go: bool,
    /// Rolling back: may evictions begin, that is, does the record say so? `None`: not rolling back.
    pub(super) rolling_back: Option<bool>,
    /// The revision of the record that is written for certain.
    pub(super) written: u32,
}

/// One pod.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) pod: PodRef,
    pub(super) node: String,
    pub(super) role: String,
    pub(super) subgroup: Option<SubgroupRef>,
    /// See [`PodFacts::recreated`].
    pub(super) recreated: bool,
    pub(super) standing: Standing,
    /// Its capacity is reserved, and neither used by the bound pod nor given back.
    pub(super) holds: bool,
    /// The first revision of the record that names it with this node.
    pub(super) revision: u32,
    /// A call is out.
    pub(super) calling: bool,
    /// It may be gone, or bound: read it before anything else.
    pub(super) suspect: bool,
    /// The suspicion is younger than the read that is out: its answer does not end it.
    pub(super) suspect_anew: bool,
    /// Its node does not take it.
    pub(super) unfit: bool,
    /// A bind that nobody can call back may still take effect, until about then.
    pub(super) doubt: Option<Duration>,
    /// That bind is an earlier leader's.
    pub(super) inherited: bool,
    /// Evictions of it that took effect, or may have.
    pub(super) evictions: u32,
    /// Failures in a row.
    pub(super) failures: u32,
    /// The next call goes out no earlier.
    pub(super) not_before: Duration,
    /// Its place in the gang's queue of calls.
    pub(super) due: Option<Duration>,
}

impl Member {
    /// A member that has just been decided.
    pub(super) fn new(promise: Promise, revision: u32, now: Duration) -> Self {
        Member {
            pod: promise.pod,
            node: promise.node,
            role: promise.role,
            subgroup: promise.subgroup,
            recreated: promise.recreated,
            standing: Standing::Unbound,
            holds: true,
            revision,
            calling: false,
            suspect: false,
            suspect_anew: false,
            unfit: false,
            doubt: None,
            inherited: false,
            evictions: 0,
            failures: 0,
            not_before: now,
            due: None,
        }
    }

    pub(super) fn is_unbound(&self) -> bool {
        self.standing == Standing::Unbound
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.standing, Standing::Lost(_))
    }

    /// The call that is due next, and when.
    ///
    /// A member that is to be let go while a bind may still take effect is evicted if something recreates it: after
    /// that no bind of it can. Where nothing would, the doubt is waited out.
    pub(super) fn next(&self, mode: Mode) -> Option<(Duration, Action)> {
        if self.calling || self.is_lost() {
            return None;
        }
        if self.suspect {
            return Some((self.not_before, Action::Read));
        }
        let recorded = self.revision <= mode.written;
        match self.standing {
            Standing::Unbound if mode.letting_go || self.unfit => {
                let until = self.doubt?;
                if self.recreated {
                    let allowed = mode.rolling_back.unwrap_or(recorded);
                    return allowed.then_some((self.not_before, Action::Evict));
                }
                Some((until.max(self.not_before), Action::Read))
            }
            Standing::Unbound if mode.binding && recorded => Some((self.not_before, Action::Bind)),
            Standing::Bound if mode.rolling_back == Some(true) && self.recreated => {
                Some((self.not_before, Action::Evict))
            }
            _ => None,
        }
    }

    /// What was believed of it may be wrong: read it now.
    pub(super) fn doubt_it(&mut self, now: Duration) {
        (self.suspect, self.suspect_anew, self.not_before) = (true, self.calling, now);
    }

    /// Believes what an object with this member's uid shows.
    pub(super) fn see(&mut self, facts: &PodFacts, gang: &GangKey, effects: &mut Vec<Effect>) {
        self.recreated = facts.recreated;
        if let Some(node) = &facts.node {
            match self.standing {
                Standing::Unbound if *node == self.node => self.bound(effects),
                Standing::Unbound | Standing::Lost(Loss::Displaced) => {
                    let report = Report::BoundElsewhere {
                        pod: self.pod.clone(),
                        node: node.clone(),
                        promised: self.node.clone(),
                    };
                    effects.push(Effect::Report { gang: gang.clone(), report });
                    self.release(effects);
                    self.node.clone_from(node);
                    self.standing = Standing::Elsewhere;
                }
                _ => {}
            }
        }
        if facts.failed {
            self.lose(Loss::Failed, effects);
        } else if facts.deleting {
            self.lose(Loss::Deleting, effects);
        }
    }

    /// It is bound to its node.
    pub(super) fn bound(&mut self, effects: &mut Vec<Effect>) {
        self.standing = Standing::Bound;
        self.doubt = None;
        if std::mem::take(&mut self.holds) {
            effects.push(Effect::Bound { pod: self.pod.clone(), node: self.node.clone() });
        }
    }

    /// It counts no more, and no bind of it can take effect any more.
    pub(super) fn lose(&mut self, loss: Loss, effects: &mut Vec<Effect>) {
        if !self.is_lost() {
            self.standing = Standing::Lost(loss);
            self.suspect = false;
            self.doubt = None;
            self.release(effects);
        }
    }

    /// Gives its capacity back.
    pub(super) fn release(&mut self, effects: &mut Vec<Effect>) {
        if std::mem::take(&mut self.holds) {
            effects.push(Effect::Release { pod: self.pod.clone(), node: self.node.clone() });
        }
    }
}
