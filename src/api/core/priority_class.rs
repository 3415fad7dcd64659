//! `PriorityClass`, scheduling.k8s.io/v1.

use crate::api::meta::ObjectMeta;
use serde::{Deserialize, Serialize};

/// A named priority.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriorityClass {
    /// Metadata; cluster scoped.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// The priority.
    #[serde(default)]
    pub value: i32,
    /// Used where no class is named.
    #[serde(default)]
    pub global_default: bool,
    /// `PreemptLowerPriority` (default) or `Never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preemption_policy: Option<String>,
}
