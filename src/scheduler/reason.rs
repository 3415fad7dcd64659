//! Why a gang waits: one enum for conditions, events, the simulator and metrics.
//!
//! The code (`as_str`) is stable and the same wherever it stands.

/// Why a gang is not placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No allowed domain has room for the minimum.
    NotEnoughResources,
    /// There is room in the cluster, but not within the tier that a hard rule allows.
    TopologyConstraint,
    /// No room was found before the search budget ran out; it is not proven that there is none.
    SearchCutShort,
    /// Fewer pods exist than the minimum asks for.
    NotEnoughTasks,
    /// The pod is to be in a PodGroup, which has not been made yet.
    AwaitsPodGroup,
    /// The cluster or the queue has no room for `spec.minResources`: the PodGroup stays Pending.
    NotAdmitted,
    /// It had its minimum and has lost members, and what made them has not made others.
    MembersLost,
    /// A role, or a kind of subgroup, has fewer pods than its minimum.
    NotEnoughPodsOfTask,
    /// Pods name a PodGroup that does not exist.
    PodGroupNotFound,
    /// The PodGroup names a queue that does not exist.
    QueueNotFound,
    /// The queue is closed.
    QueueNotOpen,
    /// A field of the PodGroup has a value that cannot be honoured.
    InvalidPodGroup,
    /// A hard rule names a tier that no HyperNode has.
    UnknownTier,
    /// A pod asks for something that Phalanx does not support.
    PodRefused,
    /// Pods of it ask for a scheduler that does not answer here.
    OtherScheduler,
    /// A pod of it is being deleted on a node that does not answer, so that it cannot be made again.
    PodStuckOnNode,
    /// Pods are held back by scheduling gates.
    SchedulingGated,
    /// A placement was found, and could not be written down or carried out.
    ReservationRefused,
}

impl Reason {
    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::NotEnoughResources => "NotEnoughResources",
            Reason::TopologyConstraint => "TopologyConstraint",
            Reason::SearchCutShort => "SearchCutShort",
            Reason::NotEnoughTasks => "NotEnoughTasks",
            Reason::AwaitsPodGroup => "AwaitsPodGroup",
            Reason::NotAdmitted => "NotAdmitted",
            Reason::MembersLost => "MembersLost",
            Reason::NotEnoughPodsOfTask => "NotEnoughPodsOfTask",
            Reason::PodGroupNotFound => "PodGroupNotFound",
            Reason::QueueNotFound => "QueueNotFound",
            Reason::QueueNotOpen => "QueueNotOpen",
            Reason::InvalidPodGroup => "InvalidPodGroup",
            Reason::UnknownTier => "UnknownTier",
            Reason::PodRefused => "PodRefused",
            Reason::OtherScheduler => "OtherScheduler",
            Reason::PodStuckOnNode => "PodStuckOnNode",
            Reason::SchedulingGated => "SchedulingGated",
            Reason::ReservationRefused => "ReservationRefused",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
