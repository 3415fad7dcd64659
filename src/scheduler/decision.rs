//! What the scheduler wants done, as values. A shell (live or simulated) carries it out and reports back by events.

use crate::api::pod_group::PodGroupStatus;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Bind these pods, all of them. Their capacity is taken already.
    Place(GangPlacement),
    /// Write this status; it differs from what was last seen.
    GroupStatus {
        /// The PodGroup's namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The whole status.
        status: PodGroupStatus,
    },
    /// Set `PodScheduled` of these pods to False, reason `Unschedulable`, so that autoscalers see them.
    Unschedulable {
        /// The pods.
        pods: Vec<PodRef>,
        /// The sentence.
        message: String,
    },
    /// Remove the scheduling gate of their queue ([`keys::QUEUE_ALLOCATION_GATE`](crate::api::keys)) from these pods.
    Ungate {
        /// The pods.
        pods: Vec<PodRef>,
    },
    /// Evict these pods, each with its own grace period: a gang gets their room. It is kept for the gang already.
    Evict {
        /// The gang: `namespace/name`.
        claimant: String,
        /// The pods.
        victims: Vec<Victim>,
        /// Which of the gang's pods get which room.
        places: Vec<PodPlacement>,
    },
    /// Report on an object; an event with the same object and reason is updated, not repeated.
    Event {
        /// `PodGroup` or `Pod`.
        kind: &'static str,
        /// The object's namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// `Warning` or `Normal`.
        type_: &'static str,
        /// `Unschedulable` or `Scheduled`.
        reason: &'static str,
        /// The sentence.
        message: String,
    },
}

/// A pod that is evicted for another gang.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    /// The pod.
    pub pod: PodRef,
    /// Its gang: `namespace/name`.
    pub gang: String,
    /// On what ground.
    pub kind: EvictionKind,
    /// The sentence for it: who gets its room, and by what right.
    pub message: String,
}

/// The ground of an eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvictionKind {
    /// For a gang of another queue.
    Reclaim,
    /// For a gang of higher priority of the same queue.
    Preempt,
    /// It is started again elsewhere.
    Move,
}

impl EvictionKind {
    /// As reports name it.
    pub fn as_str(self) -> &'static str {
        match self {
            EvictionKind::Reclaim => "reclaim",
            EvictionKind::Preempt => "preempt",
            EvictionKind::Move => "move",
        }
    }
}

/// Nodes for the pods of a gang.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GangPlacement {
    /// The gang: `namespace/name` of the PodGroup, or of the pod where it stands for itself.
    pub gang: String,
    /// Is it a PodGroup?
    pub is_pod_group: bool,
    /// Pods and nodes, in rank order.
    pub pods: Vec<PodPlacement>,
    /// The innermost HyperNode around the gang; `None` for the whole cluster.
    pub domain: Option<String>,
    /// Its tier.
    pub tier: Option<u32>,
}

/// A pod and its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodPlacement {
    /// The pod.
    pub pod: PodRef,
    /// The node's name.
    pub node: String,
}

/// A pod, exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// One subgroup of a gang: the pods that a `spec.subGroupPolicy` entry keeps together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubgroupRef {
    /// The index of the policy.
    pub policy: u32,
    /// With so many pods the subgroup is whole.
    pub size: u32,
    /// The label values that tell it from others of the policy.
    pub values: String,
}
