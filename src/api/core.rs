//! What scheduling reads of core objects. Decode-only: whatever is absent here is not lost, since objects that
//! Phalanx writes are kept as JSON and patched, never replaced from these types.

mod budget;
mod node;
mod pod;
mod pod_affinity;
mod priority_class;
mod volume;

pub use budget::{PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus};
pub use node::{Node, NodeSpec, NodeStatus, Taint, TaintEffect};
pub use pod::{
    Container, ContainerPort, ContainerStatus, Pod, PodPhase, PodResourceClaim, PodResourceClaimStatus,
    PodResources, PodSpec, PodStatus, ResourceRequirements, SchedulingGate, Toleration, TolerationOperator,
    Volume,
};
pub use pod_affinity::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorTerm, PodAffinity, PodAffinityTerm,
    PreferredSchedulingTerm, TopologySpreadConstraint, WeightedPodAffinityTerm, WhenUnsatisfiable,
};
pub use priority_class::PriorityClass;
pub use volume::{
    CsiNode, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimStatus,
    PersistentVolumeSpec, StorageClass, TopologySelectorExpression, TopologySelectorTerm, VolumeNodeAffinity,
};
