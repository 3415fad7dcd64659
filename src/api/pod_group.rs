//! `PodGroup`, scheduling.volcano.sh/v1beta1: the gang. Source: volcano `scheduling/v1beta1/types.go`.

use super::meta::{LabelSelector, ObjectMeta, null_as_default};
use super::quantity::ResourceList;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A gang of pods that run together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodGroup {
    /// Metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What is wanted.
    #[serde(default)]
    pub spec: PodGroupSpec,
    /// What is. PodGroup has no status subresource: written as a patch of the object.
    #[serde(default)]
    pub status: PodGroupStatus,
}

/// What a gang needs before any of its pods may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodGroupSpec {
    /// Pods that must be placeable together. 0 or absent: no gang, each pod on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_member: Option<i32>,
    /// The same by role (annotation or label `volcano.sh/task-spec`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub min_task_member: BTreeMap<String, i32>,
    /// The queue; empty means `default`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub queue: String,
    /// The priority class of the gang.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub priority_class_name: String,
    /// Resources that the minimum needs, as the creator computed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_resources: Option<ResourceList>,
    /// The topology rule of the whole gang.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_topology: Option<NetworkTopology>,
    /// Rules that split the gang into subgroups.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub sub_group_policy: Vec<SubGroupPolicy>,
}

/// How close together pods must or should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkTopology {
    /// `hard` (default) or `soft`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<TopologyMode>,
    /// The highest tier that all pods may span, by number; not together with the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_tier_allowed: Option<i64>,
    /// The same by the HyperNodes' `tierName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_tier_name: Option<String>,
}

crate::open_enum! {
    /// Is a topology rule binding?
    TopologyMode {
        /// Binding.
        Hard = "hard",
        /// A preference.
        Soft = "soft",
    }
}

/// Splits matching pods into subgroups by the values of label keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubGroupPolicy {
    /// The policy's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Pods in a subgroup; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_group_size: Option<i32>,
    /// Complete subgroups that the gang needs; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_sub_groups: Option<i32>,
    /// Which pods it concerns; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// Labels whose values tell subgroups apart; a pod that lacks one, or has it empty, is in no subgroup.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub match_label_keys: Vec<String>,
    /// The topology rule of each subgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_topology: Option<NetworkTopology>,
}

/// What became of a gang.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodGroupStatus {
    /// Pending, Inqueue, Running, Unknown or Completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PodGroupPhase>,
    /// `Unschedulable` and `Scheduled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub conditions: Vec<PodGroupCondition>,
    /// Running pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<i32>,
    /// Pods that ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<i32>,
    /// Pods that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<i32>,
}

crate::open_enum! {
    /// Phases of a PodGroup.
    PodGroupPhase {
        /// Waits for admission.
        Pending = "Pending",
        /// Admitted, not yet running.
        Inqueue = "Inqueue",
        /// At least the minimum is placed.
        Running = "Running",
        /// Some run, and the minimum cannot be placed.
        Unknown = "Unknown",
        /// All of the minimum ended well.
        Completed = "Completed",
    }
}

/// A PodGroup condition; unlike others it carries a transition id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct PodGroupCondition {
    #[serde(rename = "type", default)]
    pub type_: String,
    #[serde(default)]
    pub status: String,
    #[serde(rename = "transitionID", default, skip_serializing_if = "String::is_empty")]
    pub transition_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}
