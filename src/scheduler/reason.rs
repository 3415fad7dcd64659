//! Why a gang waits: one enum for conditions, events, the simulator and metrics, and the table of it in `docs/reference.md`.
//!
//! The code (`as_str`) is stable and the same wherever it stands.

macro_rules! reasons {
    ($($reason:ident $meaning:literal;)*) => {
        /// Why a gang is not placed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $reason,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: [Reason; [$(stringify!($reason)),*].len()] = [$(Reason::$reason),*];

            /// The stable code.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$reason => stringify!($reason),)*
                }
            }

            /// What it means, as a sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Reason::$reason => $meaning,)*
                }
            }
        }
    };
}

reasons! {
    NotEnoughResources "No allowed domain has room for the minimum.";
    TopologyConstraint "There is room in the cluster, but not within the tier that a hard rule allows.";
    SearchCutShort "No room was found before the search budget ran out; it is not proven that there is none.";
    NotEnoughTasks "Fewer pods exist, or can run, than the minimum asks for.";
    AwaitsPodGroup "The pod is to be in a PodGroup, which has not been created yet.";
    NotAdmitted "The cluster or the queue has no room for `spec.minResources`: the PodGroup stays Pending.";
    MembersLost "It had its minimum and has lost members, and what created them has not created others.";
    NotEnoughPodsOfTask "A role, or a kind of subgroup, has fewer pods than its minimum.";
    PodGroupNotFound "Pods name a PodGroup that does not exist.";
    QueueNotFound "The PodGroup names a queue that does not exist.";
    QueueNotOpen "The queue is closed.";
    QueueNotALeaf "The queue has queues below it: only those at the ends of the tree hold gangs.";
    InvalidQueue "The queue's parent does not exist, or the parents of queues lead in a ring.";
    QueueOverLimit "The queue, or one above it, may not use as much as the gang needs: its capability, or what others have set aside.";
    QueueOverDeserved "The gang refuses eviction and would use more than its queue, or one above it, is promised.";
    BehindInQueue "Another gang of the queue waits before it, and the queue lets nobody pass (`dequeueStrategy: fifo`).";
    WaitingForVictims "Room is kept for it where pods of other gangs are leaving.";
    HeldForOther "It would fit, but only where a domain is held for a gang that is promised it and has waited long.";
    InvalidPodGroup "A field of the PodGroup has a value that cannot be honoured.";
    UnknownTier "A hard rule names a tier that no HyperNode has.";
    PodRefused "A pod asks for something that Phalanx does not support.";
    OtherScheduler "Pods of it ask for a scheduler that does not answer here.";
    PodStuckOnNode "A pod of it is being deleted on a node that does not answer, so that it cannot be created again.";
    SchedulingGated "Pods are held back by scheduling gates.";
    InternalError "The scheduler made a mistake over it.";
    ReservationRefused "A placement was found, and could not be written down or carried out.";
}

impl Reason {
    /// May it pass when other gangs of the queue, or of those above it, have left?
    pub(super) fn is_of_the_queue(self) -> bool {
        matches!(
            self,
            Reason::QueueOverLimit
                | Reason::QueueOverDeserved
                | Reason::BehindInQueue
                | Reason::WaitingForVictims
        )
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
