//! Requests on their way: what each was asked for, how many of a lane may be out, and those that wait for a time.

use super::Engine;
use super::claims::Settling;
use super::devices::Writing;
use super::input::RequestId;
use super::kind::Kind;
use super::output::Output;
use super::request::Request;
use super::serving::Key;
use crate::api::pod_group::PodGroupStatus;
use crate::grouping::Want;
use crate::reservation::{Call as ReservationCall, CallId, GangKey};
use crate::scheduler::PodRef;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What a request is for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// A call of a reservation.
    Reserve { gang: GangKey, call: CallId, asked: Box<ReservationCall> },
    /// A call for an object of the journal, and the first of the gangs that it is for.
    Journal { page: usize, gang: Option<GangKey> },
    /// A pod that leaves for a gang, as the number of it in the plan; it was asked for so often in vain.
    Evict { gang: GangKey, victim: usize, failures: u32 },
    /// Something that is to be done before a bind.
    Settle(Box<Settling>),
    /// A device claim that is written before binds.
    Devices(Box<Writing>),
    /// A device claim that is given back.
    Return { claim: String },
    /// A device claim that a predecessor may still be writing.
    Fence { claim: String },
    /// The status of a PodGroup.
    Status { gang: String, status: Box<PodGroupStatus> },
    /// A pod or a HyperNode is told something; nobody waits for it.
    Tell,
    /// A pod shows its node no longer; so many tries have failed.
    Withdraw { pod: PodRef, node: String, failures: u32 },
    /// One of the changes of a ModelServing.
    Change { serving: Key },
    /// Something that grouping wants.
    Grouping(Box<Want>),
    /// A queue that is made.
    Queue(&'static str),
    /// What a LeaderWorkerSet asks for: its ModelServing, or its status.
    Set { set: Key },
    /// Reads what bears a name that a ModelServing wanted to create.
    Existing,
    /// Reads the PodGroup of a record.
    Group { gang: GangKey },
    /// Reads a pod of a record.
    Member { gang: GangKey },
    /// Looks at what bears a pod's name.
    Look(PodRef),
}

/// Requests that share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Of reservations, which count their calls themselves, and of the journal, which has one for each of its objects.
    Reservations,
    /// Of device claims.
    Devices,
    /// Of ModelServings, each of which counts its calls itself.
    Servings,
    /// Statuses of PodGroups and HyperNodes, and withdrawn nodes.
    Statuses,
    /// PodGroups and queues that are made, and pods that join.
    Groups,
    /// Conditions of pods.
    Marks,
    /// Reads.
    Reads,
}

impl Lane {
    /// How many may be out at the same time.
    fn limit(self) -> usize {
        match self {
            Lane::Reservations | Lane::Servings => usize::MAX,
            Lane::Statuses | Lane::Groups => 16,
            Lane::Marks => 4,
            Lane::Reads | Lane::Devices => 64,
        }
    }
}

/// Requests on their way.
#[derive(Debug, Default)]
pub(super) struct Calls {
    next: u64,
    open: BTreeMap<RequestId, Open>,
    out: BTreeMap<Lane, usize>,
    /// Requests whose lane is full, in the order in which they were made.
    waiting: BTreeMap<Lane, VecDeque<(Purpose, Request)>>,
    /// Requests that are made later.
    later: BTreeMap<(Duration, u64), (Lane, Purpose, Request)>,
}

#[derive(Debug)]
pub(super) struct Open {
    lane: Lane,
    pub(super) purpose: Purpose,
    /// What was asked, without its body.
    pub(super) request: Request,
}

impl Calls {
    /// When the next request is due that waits for a time.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        self.later.keys().next().map(|(at, _)| *at)
    }

    /// The kind of the object that a request on its way is about.
    pub(super) fn kind(&self, id: RequestId) -> Option<Kind> {
        self.open.get(&id).map(|open| open.request.kind)
    }

    /// Forgets everything: nothing is sent any more.
    pub(super) fn clear(&mut self) {
        let next = self.next;
        *self = Calls { next, ..Calls::default() };
    }
}

impl Engine {
    /// Makes a request, as soon as its lane has room.
    pub(super) fn send(&mut self, lane: Lane, purpose: Purpose, request: Request) {
        let out = self.calls.out.entry(lane).or_default();
        if *out >= lane.limit() {
            return self.calls.waiting.entry(lane).or_default().push_back((purpose, request));
        }
        *out += 1;
        let id = RequestId(self.calls.next);
        self.calls.next += 1;
        let gang = match &purpose {
            Purpose::Reserve { gang, .. } => Some(gang.clone()),
            Purpose::Journal { gang, .. } => gang.clone(),
            Purpose::Evict { gang, .. } => Some(gang.clone()),
            Purpose::Settle(settling) => Some(settling.gang.clone()),
            Purpose::Devices(writing) => Some(writing.gang.clone()),
            _ => None,
        };
        self.calls.open.insert(id, Open { lane, purpose, request: request.head() });
        self.outputs.push_back(Output::Send { id, request, gang });
    }

    /// Makes a request at that time.
    pub(super) fn send_at(&mut self, at: Duration, lane: Lane, purpose: Purpose, request: Request) {
        let number = self.calls.next;
        self.calls.next += 1;
        self.calls.later.insert((at, number), (lane, purpose, request));
    }

    /// Makes the requests whose time has come.
    pub(super) fn send_due(&mut self) {
        while let Some(entry) = self.calls.later.first_entry()
            && entry.key().0 <= self.now.elapsed
        {
            let (lane, purpose, request) = entry.remove();
            self.send(lane, purpose, request);
        }
    }

    /// A request has been answered: what it was for. The next of its lane is made.
    pub(super) fn take_open(&mut self, id: RequestId) -> Option<Open> {
        let open = self.calls.open.remove(&id)?;
        if let Some(out) = self.calls.out.get_mut(&open.lane) {
            *out = out.saturating_sub(1);
        }
        if let Some((purpose, request)) = self.calls.waiting.get_mut(&open.lane).and_then(VecDeque::pop_front)
        {
            self.send(open.lane, purpose, request);
        }
        Some(open)
    }
}
