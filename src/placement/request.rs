//! What is to be placed: a gang as a tree of subgroups and pods, with minima and topology rules at each level.
//!
//! Built by the scheduler from a PodGroup and its pods; strings and API fields are gone by then.

use crate::cluster::ids::{ClassId, NodeId, PodId};
use crate::cluster::topology::Tier;

/// One gang, with what of it runs already.
#[derive(Clone, Debug, Default)]
pub struct GangRequest {
    /// Rule for all pods of the gang together, running ones included.
    pub rule: TierRule,
    /// Pods that must be up together, running ones included. 0: every pod stands for itself.
    pub minimum: u32,
    /// Minima by role, running pods included.
    pub roles: Vec<RoleMinimum>,
    /// Kinds of subgroups.
    pub policies: Vec<Policy>,
    /// The subgroups. Pods that no policy claims are in subgroups with `policy: None`, which have no rule or minimum
    /// of their own.
    pub subgroups: Vec<Subgroup>,
}

/// How close together: a binding limit, a preference, both or neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TierRule {
    /// All pods must lie in one domain of this tier or a lower one. A tier at or above the root's is the cluster.
    pub required: Option<Tier>,
    /// Pods should lie in one domain of this tier or a lower one; below it no domain is preferred over another
    /// for its tier. `None` prefers the lowest tier that can be had.
    pub preferred: Option<Tier>,
}

/// At least so many pods of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleMinimum {
    /// The role, as in [`Member::role`].
    pub role: u32,
    /// Pods of that role, running ones included.
    pub minimum: u32,
}

/// A kind of subgroup.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Pods that a subgroup needs to be complete; it is placed at least that far or not at all.
    pub size: u32,
    /// Complete subgroups that the gang needs, running ones included.
    pub minimum: u32,
    /// Rule for the pods of one subgroup together, running ones included.
    pub rule: TierRule,
}

/// Pods that belong together.
#[derive(Clone, Debug, Default)]
pub struct Subgroup {
    /// Index into [`GangRequest::policies`].
    pub policy: Option<u32>,
    /// Pods to place, in rank order.
    pub members: Vec<Member>,
    /// Pods that hold a node already (bound, running, reserved): they count and they pin the domain.
    pub placed: Vec<Placed>,
}

/// A pod to place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The pod.
    pub pod: PodId,
    /// Its class.
    pub class: ClassId,
    /// Its role; roles are numbered by the caller, `u32::MAX` for none.
    pub role: u32,
    /// Its place in the order of ranks within the gang: neighbours in rank should be neighbours in the network.
    pub rank: u32,
}

/// A pod that holds a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its node; `None` where the node is not known to us: the pod counts and pins nothing.
    pub node: Option<NodeId>,
    /// Its role.
    pub role: u32,
}

impl GangRequest {
    /// Pods to place.
    pub fn pending(&self) -> usize {
        self.subgroups.iter().map(|subgroup| subgroup.members.len()).sum()
    }

    /// Pods that hold a node already.
    pub fn placed(&self) -> usize {
        self.subgroups.iter().map(|subgroup| subgroup.placed.len()).sum()
    }
}
