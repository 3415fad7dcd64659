//! What a reservation is told: decisions, answers to its calls, what the watch and the API show.

use super::record::Record;
use crate::scheduler::{PodRef, SubgroupRef};
use std::collections::BTreeMap;
use std::time::Duration;

/// A gang: a PodGroup, or a pod that stands for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GangKey {
    /// Is it a PodGroup? A pod may have the same name.
    pub is_pod_group: bool,
    /// The namespace.
    pub namespace: String,
    /// The name of the PodGroup or the pod.
    pub name: String,
}

impl GangKey {
    /// From `namespace/name`, as [`crate::scheduler::GangPlacement::gang`] has it.
    pub fn new(is_pod_group: bool, gang: &str) -> Self {
        let (namespace, name) = gang.split_once('/').unwrap_or(("", gang));
        GangKey { is_pod_group, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl std::fmt::Display for GangKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Pods, counted: in all, by role and by subgroup. Also a minimum, and what is missing to one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Pods of any role.
    pub members: u32,
    /// Pods by role (`spec.minTaskMember`). As a minimum: roles that have one.
    pub roles: BTreeMap<String, u32>,
    /// Pods by subgroup. Nothing as a minimum.
    pub subgroups: BTreeMap<SubgroupRef, u32>,
    /// As a minimum, and as what is missing: whole subgroups by policy (`minSubGroups`). Nothing as a count.
    pub wholes: BTreeMap<u32, u32>,
}

impl Count {
    /// One pod more. The empty role is none.
    pub fn add(&mut self, role: &str, subgroup: Option<&SubgroupRef>) {
        self.members += 1;
        if !role.is_empty() {
            match self.roles.get_mut(role) {
                Some(count) => *count += 1,
                None => drop(self.roles.insert(role.to_owned(), 1)),
            }
        }
        if let Some(subgroup) = subgroup {
            *self.subgroups.entry(subgroup.clone()).or_default() += 1;
        }
    }

    /// These pods as well.
    pub fn add_all(&mut self, other: Count) {
        self.members += other.members;
        for (role, count) in other.roles {
            *self.roles.entry(role).or_default() += count;
        }
        for (subgroup, count) in other.subgroups {
            *self.subgroups.entry(subgroup).or_default() += count;
        }
    }

    fn whole(&self, policy: u32) -> u32 {
        let mine = self.subgroups.iter().filter(|(subgroup, _)| subgroup.policy == policy);
        mine.filter(|(subgroup, count)| **count >= subgroup.size).count() as u32
    }

    /// What is missing to `minimum`; `None` if nothing is.
    pub fn short_of(&self, minimum: &Count) -> Option<Count> {
        let roles = minimum.roles.iter().filter_map(|(role, &wanted)| {
            let missing = wanted.saturating_sub(self.roles.get(role).copied().unwrap_or_default());
            (missing > 0).then(|| (role.clone(), missing))
        });
        let wholes = minimum.wholes.iter().filter_map(|(&policy, &wanted)| {
            let missing = wanted.saturating_sub(self.whole(policy));
            (missing > 0).then_some((policy, missing))
        });
        let short = Count {
            members: minimum.members.saturating_sub(self.members),
            roles: roles.collect(),
            subgroups: BTreeMap::new(),
            wholes: wholes.collect(),
        };
        (short != Count::default()).then_some(short)
    }
}

/// What the PodGroup says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupFacts {
    /// `metadata.generation`: tells which of two minima is the later one.
    pub generation: i64,
    /// The minimum that its spec asks for.
    pub minimum: Count,
}

/// What a pod's object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    /// The pod.
    pub pod: PodRef,
    /// `spec.nodeName`.
    pub node: Option<String>,
    /// Its phase is Failed.
    pub failed: bool,
    /// It has a deletionTimestamp.
    pub deleting: bool,
    /// Something creates another in its place once it is gone: it has an owner reference with `controller: true` to
    /// something other than a Node.
    pub recreated: bool,
    /// Its role in the gang, or the empty text.
    pub role: String,
}

impl PodFacts {
    /// Has it a node, and stays?
    pub fn is_bound(&self) -> bool {
        self.node.is_some() && !self.failed && !self.deleting
    }
}

/// A pod of the gang that has a node and stays: not failed, not being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundPod {
    /// Its uid.
    pub uid: String,
    /// Its role in the gang, or the empty text.
    pub role: String,
    /// Its subgroup.
    pub subgroup: Option<SubgroupRef>,
}

/// A placement to carry out. Its capacity is taken already; each pod of it is answered by exactly one
/// [`super::Effect::Bound`] or [`super::Effect::Release`] unless the leader is deposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The gang.
    pub gang: GangKey,
    /// Pods and nodes in rank order.
    pub pods: Vec<Promise>,
    /// The innermost HyperNode around the gang; `None` for the whole cluster.
    pub domain: Option<String>,
    /// Its tier.
    pub tier: Option<u32>,
    /// The PodGroup as last seen; `None` for a pod that stands for itself.
    pub group: Option<GroupFacts>,
    /// What of the gang is bound as far as seen.
    pub bound: Vec<BoundPod>,
}

/// A pod, the node it was given, and what matters about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The pod.
    pub pod: PodRef,
    /// The node's name.
    pub node: String,
    /// Its role in the gang, or the empty text.
    pub role: String,
    /// Its subgroup.
    pub subgroup: Option<SubgroupRef>,
    /// See [`PodFacts::recreated`].
    pub recreated: bool,
}

/// A record that an earlier leader has left in the journal, which is sealed.
///
/// Before handing it in, the shell takes the capacity of every entry whose pod exists and is not bound, on nodes that are
/// not ready or are full as well: a bind that is under way takes effect there all the same. [`RecoveredPod::taken`] says
/// where it could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The record.
    pub record: Record,
    /// The PodGroup; `None` if it is gone.
    pub group: Option<GroupFacts>,
    /// The pods of the gang that exist, read after the record was; what is missing is read again before it is given up.
    pub pods: Vec<RecoveredPod>,
    /// What of the gang is bound; those of the record may be among them.
    pub bound: Vec<BoundPod>,
}

/// A pod of a gang with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredPod {
    /// What its object says.
    pub facts: PodFacts,
    /// Its capacity on the node of its entry is taken now. No matter where the pod is bound or has no entry.
    pub taken: bool,
    /// May it be bound to that node: is the node there and well, and was the capacity free?
    pub usable: bool,
    /// Its subgroup.
    pub subgroup: Option<SubgroupRef>,
}

/// The number of a call, from the effect that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub(super) u64);

impl CallId {
    /// The call of a plan: a number that no reservation gives.
    pub fn of_plan(number: u64) -> CallId {
        CallId(1 << 63 | number)
    }

    /// Is it one of those?
    pub fn is_of_plan(self) -> bool {
        self.0 >> 63 == 1
    }
}

/// What became of a call. The shell gives every call a deadline, so that each is answered exactly once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 2xx to a bind or an eviction.
    Done,
    /// The record stands in the journal.
    Written,
    /// 2xx or 404 to the read of a pod: what bears its name now.
    Pod(Option<PodFacts>),
    /// 409.
    Conflict,
    /// 404 to anything but a read.
    NotFound,
    /// 429: it did not take effect.
    TooMany {
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// 5xx: it may have taken effect, or still do.
    ServerError {
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// Any other refusal: it did not take effect.
    Refused {
        /// What the API server said.
        message: String,
    },
    /// No answer in time, or none at all: it may have taken effect, or still do.
    Unknown,
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The scheduler decided: a new gang, more members of one, or the answer to [`super::Effect::PlaceAgain`].
    Decided(Decided),
    /// The other answer to [`super::Effect::PlaceAgain`].
    NotPlaced {
        /// The gang.
        gang: GangKey,
        /// The pods that are missing do not exist yet; otherwise they do, and there is no room.
        absent: bool,
    },
    /// An earlier leader has left a record.
    Recovered(Recovered),
    /// A call came back.
    Answered {
        /// Which.
        call: CallId,
        /// How.
        answer: Answer,
    },
    /// The watch shows a pod. It may be behind.
    PodSeen(PodFacts),
    /// The watch does not show this pod any more.
    PodGone(PodRef),
    /// The PodGroup or what is bound of the gang changed.
    GangChanged {
        /// The gang.
        gang: GangKey,
        /// The minimum now.
        minimum: Count,
        /// `metadata.generation` of the PodGroup that says so.
        generation: i64,
        /// What of the gang is bound now; members of the reservation may be among them.
        bound: Vec<BoundPod>,
    },
    /// The PodGroup was deleted.
    GroupGone(GangKey),
    /// No pod should be bound to this node any more: it is gone, or does not answer.
    NodeLost(String),
    /// The claims of a pod wait for nothing any more: it may be bound at once, or, if its volumes cannot be reached from
    /// the node that it was promised, not there.
    Settled {
        /// The pod.
        pod: PodRef,
        /// Are its volumes reached?
        reached: bool,
    },
    /// Time passed; see [`super::Reservations::wake_at`].
    Tick,
    /// This instance leads no longer. Nothing will be said from now on.
    Deposed,
}
