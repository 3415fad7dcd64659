//! `LeaderWorkerSet`, leaderworkerset.x-k8s.io/v1: groups of one leader and its workers.
//! Source: kubernetes-sigs/lws `api/leaderworkerset/v1/leaderworkerset_types.go`.

use super::meta::{Condition, IntOrString, ObjectMeta, null_as_default};
use super::model_serving::PodTemplate;
use serde::{Deserialize, Serialize};

/// `spec.replicas` groups of `size` pods each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeaderWorkerSet {
    /// Metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What is wanted.
    #[serde(default)]
    pub spec: LeaderWorkerSetSpec,
    /// What is.
    #[serde(default)]
    pub status: LeaderWorkerSetStatus,
}

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaderWorkerSetSpec {
    /// Groups; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// The group.
    #[serde(default)]
    pub leader_worker_template: LeaderWorkerTemplate,
    /// How changes roll out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout_strategy: Option<LeaderWorkerSetRollout>,
    /// `LeaderCreated` (default) or `LeaderReady`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_policy: Option<StartupPolicy>,
    /// Host names; carried, not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_config: Option<serde_json::Value>,
}

/// One group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaderWorkerTemplate {
    /// The leader; absent means as the workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_template: Option<PodTemplate>,
    /// The workers.
    #[serde(default)]
    pub worker_template: PodTemplate,
    /// Pods in a group, the leader included; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<i32>,
    /// What is recreated when a pod fails; default `RecreateGroupOnPodRestart`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// Splits a group; carried, not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_group_policy: Option<serde_json::Value>,
    /// Claims for every pod; not supported.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub volume_claim_templates: Vec<serde_json::Value>,
}

crate::open_enum! {
    /// What is recreated when a pod fails. `Default` is the old name of `None`.
    RestartPolicy {
        RecreateGroupOnPodRestart = "RecreateGroupOnPodRestart",
        RecreateGroupAfterStart = "RecreateGroupAfterStart",
        Default = "Default",
        None = "None",
    }
}

crate::open_enum! {
    /// When workers are created.
    StartupPolicy { LeaderCreated = "LeaderCreated", LeaderReady = "LeaderReady" }
}

/// How changes roll out: `type` is always `RollingUpdate`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaderWorkerSetRollout {
    /// `RollingUpdate`.
    #[serde(rename = "type", default, skip_serializing_if = "String::is_empty")]
    pub type_: String,
    /// Budget and partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling_update_configuration: Option<LeaderWorkerSetBudget>,
}

/// Budget and partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaderWorkerSetBudget {
    /// Groups below this ordinal keep the old revision; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// Groups that may be down; percent rounds down; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
    /// Groups above `replicas`; percent rounds up; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<IntOrString>,
}

/// What is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct LeaderWorkerSetStatus {
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "zero32")]
    pub ready_replicas: i32,
    #[serde(default, skip_serializing_if = "zero32")]
    pub updated_replicas: i32,
    #[serde(default, skip_serializing_if = "zero32")]
    pub replicas: i32,
    #[serde(rename = "hpaPodSelector", default, skip_serializing_if = "String::is_empty")]
    pub hpa_pod_selector: String,
    #[serde(default, skip_serializing_if = "zero64")]
    pub observed_generation: i64,
}

fn zero32(value: &i32) -> bool {
    *value == 0
}

fn zero64(value: &i64) -> bool {
    *value == 0
}
