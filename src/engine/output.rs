//! What comes out of the engine: requests to be answered, events on objects, kinds to be watched, and what is counted.

use super::input::RequestId;
use super::kind::Kind;
use super::request::{Answer, Request};
use crate::api::time::Timestamp;
use crate::reservation::{GangKey, Report as ReservationReport};
use crate::scheduler::decision::EvictionKind;
use crate::scheduler::{GangPlacement, PodRef};
use std::time::Duration;

/// Something for the shell to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this request and hand in its answer. A request that writes is sent only while the lease allows it.
    Send {
        /// Its number.
        id: RequestId,
        /// What to ask.
        request: Request,
        /// The gang whose reservation asks for it, if one does: events wait while it is out.
        gang: Option<GangKey>,
    },
    /// Write an event.
    Tell(Note),
    /// Watch this kind as well.
    Watch(Kind),
    /// Count it, or log it.
    Report(Report),
}

/// Something to tell about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// apiVersion of the object.
    pub api_version: String,
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid, where known.
    pub uid: String,
    /// `Warning` rather than `Normal`.
    pub warning: bool,
    /// One word.
    pub reason: String,
    /// One sentence.
    pub message: String,
    /// Who says so.
    pub component: &'static str,
    /// What made it worth telling.
    pub origin: Origin,
}

impl Note {
    /// A note on a pod.
    pub(super) fn on_pod(pod: &PodRef, warning: bool, reason: &str, message: String, origin: Origin) -> Note {
        Note {
            api_version: "v1".to_owned(),
            kind: "Pod",
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            warning,
            reason: reason.to_owned(),
            message,
            component: "phalanx",
            origin,
        }
    }
}

/// What made something worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A scheduling cycle.
    Cycle,
    /// A pod has been bound.
    Bind,
    /// A pod was evicted so that a gang gets its room.
    Eviction,
    /// How a reservation fares.
    Reservation,
    /// What is wrong with a HyperNode.
    Finding,
    /// An object cannot be used.
    Malformed,
    /// A pod without a PodGroup.
    Grouping,
    /// An object asks for what it does not get.
    Notice,
    /// The ModelServing controller, or a LeaderWorkerSet.
    Controller,
}

/// Something that was done, for metrics and logs.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// A cycle is over.
    Cycle {
        /// Gangs tried.
        tried: usize,
        /// Gangs placed.
        placed: usize,
        /// Searches ended by their budget.
        cut_short: usize,
        /// Gangs (`namespace/name`) over which something panicked.
        panicked: Vec<String>,
    },
    /// Something panicked over this ModelServing.
    Panicked(String),
    /// A gang has been placed.
    Placed {
        /// Where.
        placement: GangPlacement,
        /// The PodGroup's creation, if there is a PodGroup.
        created: Option<Timestamp>,
    },
    /// A pod has been bound.
    Bound {
        /// The pod.
        pod: PodRef,
        /// The node.
        node: String,
        /// When it was created, if that is known.
        created: Option<Timestamp>,
    },
    /// A gang is bound whole.
    GangBound {
        /// Since its last pod was seen.
        after: Duration,
        /// The PodGroup's creation, if that is known.
        created: Option<Timestamp>,
    },
    /// A claim has been told the node of the pod that waits for it, or has been written on the volume chosen for it.
    Chosen {
        /// The pod.
        pod: PodRef,
        /// The claim, in the pod's namespace.
        claim: String,
        /// The pod's node.
        node: String,
        /// The existing volume that was chosen; `None` where one is to be made.
        volume: Option<String>,
    },
    /// A pod was evicted so that a gang gets its room.
    Evicted {
        /// The gang that does.
        claimant: GangKey,
        /// The pod.
        pod: PodRef,
        /// Its own gang, `namespace/name`; empty where an earlier leader has decided it.
        gang: String,
        /// On what ground.
        kind: EvictionKind,
    },
    /// Nobody leaves for a gang any more.
    PlanEnded {
        /// The gang.
        gang: GangKey,
        /// Does it have nodes now?
        placed: bool,
    },
    /// Members of a gang are placed again.
    PlacedAgain(GangKey),
    /// How a reservation fares.
    Reservation {
        /// The gang.
        gang: GangKey,
        /// How.
        report: ReservationReport,
    },
    /// What is wrong with HyperNodes may be another thing now.
    Findings,
    /// So many objects cannot be used as they are.
    Quarantined(usize),
    /// The journal is sealed: no write of an earlier leader can take effect any more.
    Recovered {
        /// How many records earlier leaders have left in it.
        records: usize,
    },
    /// Another leader has sealed the journal: this one has ended.
    Superseded {
        /// Its epoch.
        epoch: u64,
        /// Who it is.
        holder: String,
    },
    /// A request was not answered as it should have been.
    Failed {
        /// What was asked, as `merge podgroups default/a`.
        request: String,
        /// The answer.
        answer: Answer,
        /// What follows from it.
        then: &'static str,
    },
    /// A pod that has no place shows a node no longer.
    Withdrawn(PodRef),
    /// Scheduler names and domain labels of a changed configuration need a restart.
    NeedsRestart,
    /// A changed configuration is in force.
    Configured,
}
