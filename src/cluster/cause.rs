//! Why a node is out of the question for a class: one enum for conditions, events, metrics and the simulator.

use super::ids::{ResourceId, TextId};
use super::topology::Tier;

/// What excludes a node for a pod. The first one found, in this order, is the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The node is cordoned: by its field, by the taint that `kubectl cordon` adds, or by both.
    Unschedulable,
    /// The node is not ready: by its condition, by the taints that Kubernetes adds then, or by both.
    NotReady,
    /// A taint that the pod does not tolerate: its key, in [`super::eligibility::Eligibility::texts`].
    Taint(TextId),
    /// The node selector does not match.
    NodeSelector,
    /// The required node affinity does not match.
    NodeAffinity,
    /// A volume cannot be reached from the node, or not be made for it.
    Volume,
    /// Devices of a claim of the pod cannot be reached from the node.
    Devices,
    /// The node serves another ComputeDomain than the one that the pod's claim names.
    ComputeDomain,
    /// The node lies in a part of the topology that is quarantined, and the gang has a hard rule.
    Quarantined,
    /// It is in no domain of the tier that the gang's hard rule allows, nor of a lower one.
    NoDomain(Tier),
    /// It has too little of a resource, even when it is empty.
    TooSmall(ResourceId),
    /// Too little of a resource is free.
    Resource(ResourceId),
    /// A host port is taken.
    HostPort,
    /// Required pod affinity is not met.
    PodAffinity,
    /// Required pod anti-affinity is violated (either way round).
    PodAntiAffinity,
    /// A binding topology spread constraint is violated.
    TopologySpread,
}

impl Cause {
    /// Does it depend on where other pods are, so that the gang's own may be what stands in the way?
    pub fn is_coupling(self) -> bool {
        matches!(self, Cause::HostPort | Cause::PodAffinity | Cause::PodAntiAffinity | Cause::TopologySpread)
    }
}
