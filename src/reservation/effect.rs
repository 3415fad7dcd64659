//! What a reservation asks for: calls to the API server, capacity to give back, and what users should hear.

use super::input::{CallId, Count, GangKey};
use super::record::Record;
use crate::scheduler::PodRef;
use crate::words::counted;
use std::fmt;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make a call and report its answer under this number. Immediately before a write is sent, the shell asks whether
    /// the lease still allows it ([`super::lease::Held::may_write`]); if not, it sends nothing. What an answer shows of
    /// an object (a pod that was read, one that is being deleted now, one that is gone) it takes into the cluster as well,
    /// ahead of the watch: decisions that count an evicted pod as bound would be wrong.
    Call {
        /// Its number.
        id: CallId,
        /// The gang it is made for.
        gang: GangKey,
        /// What to call.
        call: Call,
    },
    /// The pod is bound to the node it was promised: the promise has become the pod's own use of the node.
    Bound {
        /// The pod.
        pod: PodRef,
        /// The node.
        node: String,
    },
    /// The promise is off: give its capacity back. The pod, if it exists still, waits for another.
    Release {
        /// The pod.
        pod: PodRef,
        /// The node.
        node: String,
    },
    /// Place missing members beside those that stay, as the gang's rules ask; answer with [`super::Input::Decided`] or
    /// [`super::Input::NotPlaced`].
    PlaceAgain {
        /// The gang.
        gang: GangKey,
        /// Members that exist and need another node.
        moving: Vec<PodRef>,
        /// How many more pods than the gang has or expects it needs for its minimum, those that move included.
        short: Count,
    },
    /// Tell people.
    Report {
        /// The gang.
        gang: GangKey,
        /// What.
        report: Report,
    },
}

/// A call to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Have this record stand in the journal, instead of the gang's that stands there. The answer is [`super::Answer::Written`]
    /// once it is there for certain. Another may be asked for before, where this one may wait.
    WriteRecord {
        /// The record; `None`: there is nothing to do any more.
        record: Option<Record>,
        /// Nothing hurries: whoever finds the old one does no harm.
        may_wait: bool,
    },
    /// POST the binding, with the uid as precondition.
    Bind {
        /// The pod.
        pod: PodRef,
        /// The node.
        node: String,
    },
    /// GET what bears the pod's name, not from a cache.
    ReadPod {
        /// The pod that is meant; another may be there.
        pod: PodRef,
    },
    /// DELETE the pod, with the uid as precondition and its own grace period.
    Evict {
        /// The pod.
        pod: PodRef,
    },
}

/// How a reservation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All members that it still has are bound, and the gang has its minimum.
    Bound,
    /// The gang has its minimum; members that could not be bound in time were given up.
    Partly,
    /// The gang could not be completed; what was bound, if anything, has been evicted.
    RolledBack,
    /// Nothing had been bound.
    Abandoned,
    /// The PodGroup is gone; what is bound stays.
    GroupGone,
}

/// What users and metrics hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It is over.
    Ended {
        /// How.
        outcome: Outcome,
        /// Members bound.
        bound: u32,
        /// Members evicted by this leader: bound ones, and unbound ones of which a bind might still have taken effect.
        evicted: u32,
    },
    /// Members were lost, and the gang needs others for its minimum.
    Repairing {
        /// What is missing.
        short: Count,
    },
    /// The gang cannot be completed: its bound members will be evicted.
    RollingBack {
        /// How many.
        bound: u32,
    },
    /// The gang cannot be completed, and nothing would recreate its bound members: held until it can.
    Held {
        /// Members bound.
        bound: u32,
    },
    /// Somebody else bound a member.
    BoundElsewhere {
        /// The pod.
        pod: PodRef,
        /// Where it is.
        node: String,
        /// Where it should have been.
        promised: String,
    },
    /// The record is too large for the journal.
    RecordTooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// The API server refuses a call.
    CallRefused {
        /// Which: `bind`, `record`, `evict` or `read`.
        call: &'static str,
        /// What it said.
        message: String,
    },
}

impl Report {
    /// One word for it, as events have it.
    pub fn reason(&self) -> &'static str {
        match self {
            Report::Ended { outcome: Outcome::Bound, .. } => "Scheduled",
            Report::Ended { outcome: Outcome::RolledBack, .. } => "RolledBack",
            Report::Ended { .. } => "Released",
            Report::Repairing { .. } => "Repairing",
            Report::RollingBack { .. } => "RollingBack",
            Report::Held { .. } => "Held",
            Report::BoundElsewhere { .. } => "BoundElsewhere",
            Report::RecordTooLarge { .. } => "ReservationRefused",
            Report::CallRefused { .. } => "CallRefused",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use super::record::LIMIT;
        match self {
            Report::Ended { outcome: Outcome::Bound, bound, .. } => write!(f, "{} bound", pods(*bound)),
            Report::Ended { outcome: Outcome::Partly, bound, .. } => {
                write!(f, "{} bound; the others could not be bound in time and wait again", pods(*bound))
            }
            Report::Ended { outcome: Outcome::RolledBack, evicted: 0, .. } => {
                f.write_str("nothing was left to evict; the gang waits again")
            }
            Report::Ended { outcome: Outcome::RolledBack, evicted, .. } => write!(
                f,
                "what was bound, or might still have been, has been evicted, {}; the gang waits again",
                pods(*evicted)
            ),
            Report::Ended { outcome: Outcome::Abandoned, .. } => {
                f.write_str("nothing was bound; the gang waits again")
            }
            Report::Ended { outcome: Outcome::GroupGone, bound, .. } => {
                write!(f, "the PodGroup is gone; what is bound stays: {}", pods(*bound))
            }
            Report::Repairing { short } => {
                write!(f, "the minimum needs more: {}", pods(short.members))?;
                for (role, count) in &short.roles {
                    write!(f, ", {count} of role {role}")?;
                }
                for (policy, count) in &short.wholes {
                    write!(f, ", {} of subGroupPolicy[{policy}]", counted(*count, "whole subgroup"))?;
                }
                Ok(())
            }
            Report::RollingBack { bound: 0 } => f.write_str(
                "the minimum cannot be bound: binds that are on their way are waited for and undone",
            ),
            Report::RollingBack { bound } => {
                write!(f, "the minimum cannot be bound: evicting what is, {}", pods(*bound))
            }
            Report::Held { bound } => write!(
                f,
                "the minimum cannot be bound; {} bound already and would not be created again by a controller, so that the \
                 gang waits: delete them, or make room",
                match *bound {
                    1 => "1 pod is".to_owned(),
                    bound => format!("{} are", pods(bound)),
                }
            ),
            Report::BoundElsewhere { pod, node, promised } => write!(
                f,
                "pod {}/{} was bound to node {node} by somebody else, not to {promised}",
                pod.namespace, pod.name
            ),
            Report::RecordTooLarge { bytes } => write!(
                f,
                "the record of the gang takes {bytes} bytes, and the journal takes {LIMIT} of one gang: split the gang"
            ),
            Report::CallRefused { call, message } => write!(f, "the API server refuses ({call}): {message}"),
        }
    }
}

fn pods(count: u32) -> String {
    counted(count, "pod")
}
