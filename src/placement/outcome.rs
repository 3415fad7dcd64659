//! What came of it: a placement, or how far the search got and what stood in the way.

use crate::cluster::cause::Cause;
use crate::cluster::ids::{ClassId, DomainId, NodeId, PodId, ResourceId, TextId};
use crate::cluster::topology::Tier;
use std::cmp::Reverse;

/// The answer of the solver. "Does not fit" is an answer, not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At least the minimum has a node; [`Placement::shortfall`] speaks for pods beyond it that have none.
    Placed(Placement),
    /// Nothing is placed.
    Short(Shortfall),
}

/// Nodes for a gang.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// One entry per placed pod, in rank order.
    pub assignments: Vec<Assignment>,
    /// The innermost domain around all pods of the gang, running ones included.
    pub domain: Option<DomainId>,
    /// Its tier.
    pub tier: Tier,
    /// The value of each cost term, in the order of [`super::PlacementRules::order`]; smaller is better.
    pub cost: Vec<i64>,
    /// For each term, an amount that no placement of as many pods goes below; `None` where none is known.
    pub bound: Vec<Option<i64>>,
    /// Was the best placement proven, or did the budget end the search?
    pub proof: Proof,
    /// Why the pods that are missing from `assignments` are missing.
    pub shortfall: Option<Shortfall>,
}

/// A pod and its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Assignment {
    /// The pod.
    pub pod: PodId,
    /// The node.
    pub node: NodeId,
}

/// How sure an answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// A bound or an exhausted search proves it.
    #[default]
    Proven,
    /// The budget ended the search after so many steps; a better answer may exist.
    CutShort {
        /// Steps taken.
        steps: u64,
    },
}

/// Why there is no placement, or none for all pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shortfall {
    /// Pods that are asked for: those that the minima lack or, where they are met, all that wait.
    pub needed: u32,
    /// Per tier, lowest first and the whole cluster last: the best domain and how far it goes. Tiers above the
    /// required one are listed too, since they may be the remedy.
    pub tiers: Vec<TierFit>,
    /// Nodes looked at.
    pub nodes: u32,
    /// Nodes that cannot take one single pod of the gang, by cause, most frequent first; for a gang of several
    /// classes those of the class that is hardest to place. Where it would fit if it were not for its rules about other
    /// pods: nodes that cannot take one more beside those that fit.
    pub excluded: Vec<(Cause, u32)>,
    /// Are those that fit taken to be placed, where nodes are counted by cause? So it is where the gang's own pods are in
    /// each other's way.
    pub beside_own: bool,
    /// What no node of the cluster has, so that no room helps.
    pub absent: Option<Absent>,
    /// Single changes that would make it fit, the easiest first. Each has been placed under its hypothesis, and no smaller
    /// one of its kind was found to do.
    pub remedies: Vec<Remedy>,
    /// How sure that is.
    pub proof: Proof,
}

impl Shortfall {
    /// Of the tiers that the gang's hard rules allow, where most pods fit; of equals the whole cluster, then the
    /// lowest.
    pub fn best(&self) -> Option<&TierFit> {
        self.tiers.iter().filter(|fit| fit.allowed).max_by_key(|fit| (fit.fits, Reverse(fit.tier)))
    }
}

/// Something that a pod of the gang asks for and no node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// More of a resource than the largest node has.
    Resource {
        /// The pod that asks for most of it.
        pod: PodId,
        /// The resource.
        resource: ResourceId,
        /// What one pod asks for, in the unit that the cluster counts the resource in.
        asked: i64,
        /// The most that a node has; 0: none offers it.
        largest: i64,
    },
    /// A label that its node selector asks for: key and value, in
    /// [`Eligibility::texts`](crate::cluster::eligibility::Eligibility::texts).
    Label {
        /// The key.
        key: TextId,
        /// The value.
        value: TextId,
    },
    /// A label, whatever its value, that is the topology key of a rule about other pods.
    Key {
        /// The key.
        key: TextId,
    },
}

/// How far the best domain of a tier goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierFit {
    /// The tier; `None` is the whole cluster.
    pub tier: Option<Tier>,
    /// The domain that fits most.
    pub domain: DomainId,
    /// How many of them fit there, under all other rules; pods of subgroups that do not fit whole count as well.
    pub fits: u32,
    /// Pods that are asked for.
    pub needed: u32,
    /// Do the gang's hard rules allow this tier?
    pub allowed: bool,
}

/// A change that would make the gang fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// More pods must exist first: the gang has fewer than its minimum.
    CreatePods {
        /// How many are missing.
        missing: u32,
    },
    /// Mend what excludes these nodes, which is the same for all of them: uncordon them, or get them ready. They are the
    /// fewest that do.
    Open {
        /// [`Cause::Unschedulable`] or [`Cause::NotReady`].
        cause: Cause,
        /// The nodes, by name.
        nodes: Vec<NodeId>,
    },
    /// Add nodes that the cause does not exclude, each like one that it alone excludes, in the same domain. They are the fewest
    /// that do.
    Match {
        /// [`Cause::NodeSelector`] or [`Cause::NodeAffinity`].
        cause: Cause,
        /// The nodes that they are like, by name.
        like: Vec<NodeId>,
    },
    /// Change the pods so that a cause excludes no node any more: tolerate a taint, drop a selector or a rule about other
    /// pods.
    Lift {
        /// The cause.
        cause: Cause,
        /// Nodes that it alone excludes.
        nodes: u32,
    },
    /// Add nodes that are in no domain of the tier that a hard rule allows to one.
    Join {
        /// The fewest that do, by name.
        nodes: Vec<NodeId>,
        /// The domain.
        domain: DomainId,
    },
    /// Free (or add) room for more pods.
    Free {
        /// For how many pods of which class, in which domain; all of them are needed.
        places: Vec<(DomainId, ClassId, u32)>,
        /// Where rules about other pods make a difference between nodes: on which of them, one entry for each of `places`,
        /// which are of one pod each then.
        nodes: Vec<NodeId>,
        /// The resource that is shortest there, if it is one.
        resource: Option<ResourceId>,
        /// How many of them have no room even if all other pods leave: nodes must be added for them.
        added: u32,
    },
    /// Allow a higher tier: the gang fits there now.
    RaiseTier {
        /// The lowest tier that fits; the root's tier means no limit.
        to: Tier,
        /// Is it the rule of a subgroup (by policy index) rather than the gang's?
        policy: Option<u32>,
    },
    /// Lower the minimum: so many pods fit now.
    LowerMinimum {
        /// Pods that fit under the present rules.
        to: u32,
    },
}
