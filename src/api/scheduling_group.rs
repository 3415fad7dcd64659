//! The PodGroups of Kubernetes itself (`scheduling.k8s.io`, v1alpha2 of 1.36, v1alpha3 and v1beta1 of 1.37) and of
//! scheduler-plugins (`scheduling.x-k8s.io/v1alpha1`): what is read of them. One type stands for all versions of Kubernetes' own,
//! since fields that were renamed have other names in each. Sources: kubernetes `api/scheduling/*/types.go`, scheduler-plugins
//! `apis/scheduling/v1alpha1/types.go`.

use super::meta::{ObjectMeta, null_as_default};
use super::quantity::ResourceList;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a pod says of its group (`spec.schedulingGroup`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSchedulingGroup {
    /// The PodGroup of `scheduling.k8s.io`, in the pod's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_group_name: Option<String>,
}

/// `PodGroup` of `scheduling.k8s.io`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NativePodGroup {
    /// The version that it was read in; empty where an item of a list does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What is wanted. It does not change, but for `minCount` from 1.37 on.
    #[serde(default)]
    pub spec: NativePodGroupSpec,
    /// What is.
    #[serde(default)]
    pub status: NativePodGroupStatus,
}

/// What a native group needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NativePodGroupSpec {
    /// `basic` or `gang`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scheduling_policy: SchedulingPolicy,
    /// Where the pods may be, relative to each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_constraints: Option<SchedulingConstraints>,
    /// Claims for devices that the pods share; only their presence matters so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub resource_claims: Vec<Value>,
    /// Are pods disrupted one by one or all together? `Pod` or `PodGroup` in v1alpha2, `{single: {}}` or `{all: {}}` later.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub disruption_mode: Value,
    /// The CompositePodGroup that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_composite_pod_group_name: Option<String>,
    /// The priority class.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub priority_class_name: String,
    /// The priority, as admission has filled it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// `Never`: nobody is evicted for the group. Read of pods alone so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preemption_policy: Option<String>,
}

/// How many pods of a group are needed: exactly one of the two is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SchedulingPolicy {
    /// Each pod for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<Value>,
    /// All or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gang: Option<GangPolicy>,
}

/// A gang's minimum.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GangPolicy {
    /// Pods that must be placeable together.
    #[serde(default)]
    pub min_count: i32,
}

/// Rules about where the pods of a group are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SchedulingConstraints {
    /// All pods are in one place each; the API allows one rule.
    #[serde(default, deserialize_with = "null_as_default")]
    pub topology: Vec<TopologyConstraint>,
}

/// One rule: the pods are on nodes with one value of this label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TopologyConstraint {
    /// The label key.
    #[serde(default)]
    pub key: String,
}

/// What became of a native group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NativePodGroupStatus {
    /// `PodGroupScheduled` (v1alpha2) or `PodGroupInitiallyScheduled`, and what others write.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub conditions: Vec<Value>,
}

/// `PodGroup` of `scheduling.x-k8s.io/v1alpha1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CoschedulingPodGroup {
    /// Metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What is wanted.
    #[serde(default)]
    pub spec: CoschedulingPodGroupSpec,
    /// What is: `phase`, `occupiedBy`, `running`, `succeeded`, `failed`, `scheduleStartTime`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub status: Value,
}

/// What such a group needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CoschedulingPodGroupSpec {
    /// Pods that must be placeable together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_member: Option<i32>,
    /// Resources that the minimum needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_resources: Option<ResourceList>,
}
