//! `HyperNode`, topology.volcano.sh/v1alpha1: a domain of the network. Source: volcano `topology/v1alpha1/types.go`.

use super::meta::{Condition, LabelSelector, ObjectMeta, null_as_default};
use serde::{Deserialize, Serialize};

/// A set of nodes, or of other HyperNodes, with the same network distance to each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HyperNode {
    /// Metadata; cluster scoped.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Tier and members.
    #[serde(default)]
    pub spec: HyperNodeSpec,
    /// Written by the discovery controller, left alone here.
    #[serde(default)]
    pub status: HyperNodeStatus,
}

/// Tier and members of a HyperNode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HyperNodeSpec {
    /// Smaller is closer. Go omits 0, so absent means 0.
    #[serde(default)]
    pub tier: i64,
    /// A name for the tier, used by `highestTierName`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tier_name: String,
    /// What it consists of.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub members: Vec<HyperNodeMember>,
}

/// One member: a node or another HyperNode, by exactly one selector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HyperNodeMember {
    /// `Node` (leaf) or `HyperNode` (inner).
    #[serde(rename = "type")]
    pub type_: MemberType,
    /// Which ones.
    #[serde(default)]
    pub selector: MemberSelector,
}

crate::open_enum! {
    /// What a member is.
    MemberType { Node = "Node", HyperNode = "HyperNode" }
}

/// Exactly one of the three is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberSelector {
    /// One object by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact_match: Option<ExactMatch>,
    /// Objects whose name matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex_match: Option<RegexMatch>,
    /// Nodes by label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_match: Option<LabelSelector>,
}

/// A name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactMatch {
    /// The name.
    #[serde(default)]
    pub name: String,
}

/// A regular expression over names; unanchored, as Go's `MatchString`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegexMatch {
    /// The pattern.
    #[serde(default)]
    pub pattern: String,
}

/// Status of a HyperNode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HyperNodeStatus {
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub conditions: Vec<Condition>,
    /// Direct members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_count: Option<i64>,
}
