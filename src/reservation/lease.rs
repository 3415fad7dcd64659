//! Leader election: what to do about the Lease, as a pure decision.
//!
//! Whether somebody else's lease has run out is judged by how long it has not changed while we looked, never by the
//! times written in it: clocks of machines differ. The leader's own right to write ends [`LeaseSettings::margin`] before
//! anybody can take the lease, counted from the moment it *sent* the last renewal that succeeded. The epoch is the
//! Lease's `leaseTransitions`; it goes up with every change of leader. The journal is sealed with it, or with the next
//! number that no leader has sealed it with: the Lease may have been deleted.
//!
//! The shell reads the Lease (a quorum read, not a cache), calls [`Seen::observe`] and [`decide`], does what it says
//! with the resourceVersion as precondition, and after success calls [`Seen::observe`] with the answer and keeps a
//! [`Held`]. An answer that was lost counts as failure. Identities must differ between processes, restarts included.

use std::time::Duration;

/// How the election is run. Sensible values keep `renew_every < duration - margin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSettings {
    /// How long a lease lasts without renewal.
    pub duration: Duration,
    /// How long before that its holder stops writing: at least the deadline of one call, and what clocks drift.
    pub margin: Duration,
    /// How often it is renewed.
    pub renew_every: Duration,
}

impl Default for LeaseSettings {
    fn default() -> Self {
        LeaseSettings {
            duration: Duration::from_secs(15),
            margin: Duration::from_secs(5),
            renew_every: Duration::from_secs(2),
        }
    }
}

/// The time by both clocks of this machine, each since an arbitrary origin.
///
/// The monotonic clock stands still while a virtual machine is paused; the wall clock does not, but it can be set. A
/// leader believes whichever says that more time has passed, a waiting candidate the monotonic one alone: either errs
/// towards fewer leaders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The monotonic clock.
    pub monotonic: Duration,
    /// The wall clock.
    pub wall: Duration,
}

/// What a Lease object says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// `spec.holderIdentity`; empty when it was given up.
    pub holder: String,
    /// `spec.leaseTransitions`: the epoch.
    pub transitions: u64,
    /// `spec.leaseDurationSeconds`, as its holder wrote it.
    pub duration: Duration,
    /// `spec.acquireTime` as text: kept while the holder stays.
    pub acquire_time: String,
    /// `spec.renewTime` as text: a change of it is a sign of life; its value means nothing.
    pub renew_time: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
}

/// The Lease as last read, and since when it has looked like that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `None`: there is none.
    pub lease: Option<Lease>,
    /// When it was first read like that, by the monotonic clock.
    pub since: Duration,
}

impl Seen {
    /// What the first read showed, when it was answered.
    pub fn first(lease: Option<Lease>, now: Moment) -> Self {
        Seen { lease, since: now.monotonic }
    }

    /// Takes in another read, when it was answered: the holder may have written just before the API server read it, however
    /// long ago the read was sent. Only what the holder writes counts as a change.
    pub fn observe(&mut self, lease: Option<Lease>, now: Moment) {
        let life = |lease: &Option<Lease>| {
            lease.as_ref().map(|l| (l.holder.clone(), l.transitions, l.duration, l.renew_time.clone()))
        };
        if life(&self.lease) != life(&lease) {
            self.since = now.monotonic;
        }
        self.lease = lease;
    }
}

/// A lease that is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The epoch it was acquired with.
    pub epoch: u64,
    /// Just before the call that last renewed it was sent.
    pub renewed: Moment,
}

impl Held {
    /// May a write be sent now? To be asked immediately before each one.
    pub fn may_write(&self, settings: &LeaseSettings, now: Moment) -> bool {
        self.elapsed(now) < settings.duration.saturating_sub(settings.margin)
    }

    fn elapsed(&self, now: Moment) -> Duration {
        let monotonic = now.monotonic.saturating_sub(self.renewed.monotonic);
        monotonic.max(now.wall.saturating_sub(self.renewed.wall))
    }
}

/// What to do about the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseDecision {
    /// Write ourselves in as holder, with this epoch as `leaseTransitions`.
    Acquire {
        /// The epoch.
        epoch: u64,
        /// The precondition; `None`: create the object.
        resource_version: Option<String>,
    },
    /// Write a new `renewTime`.
    Renew {
        /// The precondition.
        resource_version: String,
    },
    /// Nothing; read it again by then, at the latest.
    WaitUntil(Duration),
    /// We lead no longer: stop at once, forget everything, start again as a candidate.
    Lost,
}

/// The epoch after this many changes of leader. The field is an int32: where it is full, which no count of changes comes to,
/// it begins again, and the journal's own epoch goes on.
fn after(transitions: u64) -> u64 {
    if transitions < i32::MAX as u64 { transitions + 1 } else { 1 }
}

/// What `me` should do now. `held` is what it holds as far as it knows.
pub fn decide(
    settings: &LeaseSettings,
    me: &str,
    seen: &Seen,
    held: Option<&Held>,
    now: Moment,
) -> LeaseDecision {
    match (held, &seen.lease) {
        (Some(held), Some(lease)) if lease.holder == me && lease.transitions == held.epoch => {
            if !held.may_write(settings, now) {
                return LeaseDecision::Lost;
            }
            if held.elapsed(now) >= settings.renew_every {
                return LeaseDecision::Renew { resource_version: lease.resource_version.clone() };
            }
            LeaseDecision::WaitUntil(now.monotonic + (settings.renew_every - held.elapsed(now)))
        }
        (Some(_), _) => LeaseDecision::Lost,
        (None, None) => LeaseDecision::Acquire { epoch: 1, resource_version: None },
        (None, Some(lease)) => {
            let expires = seen.since + lease.duration;
            // Our own name without our holding it is from an earlier term of ours, or an answer was lost. Calls of that
            // term may be on their way still: we wait like anybody else.
            if lease.holder.is_empty() || now.monotonic >= expires {
                return LeaseDecision::Acquire {
                    epoch: after(lease.transitions),
                    resource_version: Some(lease.resource_version.clone()),
                };
            }
            LeaseDecision::WaitUntil(expires)
        }
    }
}

#[cfg(test)]
mod tests;
