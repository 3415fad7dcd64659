//! The life of a placement from decided to bound or released, as a state machine without I/O.
//!
//! Kubernetes has no transaction over several pods and no unbind. So a gang's placement is first written down, in the
//! [`journal`], with those of other gangs in one call; from then on every path, a restart or another leader included,
//! leads to at least the minimum bound or nothing that we bound. [`Reservations`] takes an [`Input`] and the time and
//! says [`Effect`]s; the live shell and the simulator carry them out and report back. [`lease`] says who leads.
//!
//! What holds at every moment:
//!
//! - No pod of a gang is bound before a record that names it with this node is written. One pod whose bind completes its
//!   gang needs no record: that bind is atomic by itself.
//! - Capacity that an unfinished record names is held. A promise is given back once, after the record has stopped naming
//!   it, or when no bind of it can take effect any more: the pod is gone, or enough time has passed since.
//! - A pod is evicted only to roll back or because a bind of it that nobody can call back must not take effect; only
//!   with its uid as precondition, and only if something recreates it.
//! - A member is lost only when a read says so. The watch is believed when it shows a pod further along.
//!
//! Two things rest on time. A bind without an answer is ruled out [`Settings::doubt`] later where the pod cannot be
//! evicted; one of an earlier leader so long after the takeover: what it sent, it sent while it led. And a pod that is bound without a record may be bound by a deposed leader's late call after its successor
//! has given the node away; the kubelet then refuses one of the two.

pub mod facts;
pub mod journal;
pub mod lease;
pub mod record;

mod answer;
mod backoff;
mod effect;
mod gang;
mod input;
mod join;
mod lost_room;
mod machine;
mod member;
mod pause;
mod phase;
mod recover;
mod writer;

pub use backoff::Backoff;
pub use effect::{Call, Effect, Outcome, Report};
pub use input::{
    Answer, BoundPod, CallId, Count, Decided, GangKey, GroupFacts, Input, PodFacts, Promise, Recovered,
    RecoveredPod,
};
pub use machine::Reservations;
pub use pause::Pauses;
pub use phase::Phase;

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How reservations are carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Calls for pods that may be out at the same time, over all gangs.
    pub calls_in_flight: usize,
    /// How long a gang may take before what is not bound is given up; members that join start it again.
    pub deadline: Duration,
    /// How long after its last sign a call without an answer may still take effect: more than the API server's
    /// `--request-timeout` (60 s unless set).
    pub doubt: Duration,
    /// Waits between attempts.
    pub backoff: Backoff,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            calls_in_flight: 64,
            deadline: Duration::from_secs(120),
            doubt: Duration::from_secs(90),
            backoff: Backoff::default(),
        }
    }
}

#[cfg(test)]
mod tests;
