//! `Node`, v1: capacity, labels, taints.

use crate::api::meta::{Condition, ObjectMeta, null_as_default};
use crate::api::quantity::ResourceList;
use serde::{Deserialize, Serialize};

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Metadata; labels decide selectors and label topologies.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Taints and cordon.
    #[serde(default)]
    pub spec: NodeSpec,
    /// Capacity.
    #[serde(default)]
    pub status: NodeStatus,
}

/// Taints and cordon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Cordoned.
    #[serde(default)]
    pub unschedulable: bool,
    /// What keeps pods away.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub taints: Vec<Taint>,
}

/// Keeps pods away that do not tolerate it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Taint {
    pub key: String,
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub value: String,
    pub effect: TaintEffect,
}

crate::open_enum! {
    /// What a taint does to pods.
    TaintEffect { NoSchedule = "NoSchedule", PreferNoSchedule = "PreferNoSchedule", NoExecute = "NoExecute" }
}

/// Capacity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct NodeStatus {
    #[serde(default, deserialize_with = "null_as_default")]
    pub allocatable: ResourceList,
    #[serde(default, deserialize_with = "null_as_default")]
    pub capacity: ResourceList,
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub conditions: Vec<Condition>,
}
