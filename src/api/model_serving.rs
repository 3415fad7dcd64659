//! `ModelServing`, workload.serving.volcano.sh/v1alpha1: groups of leaders and workers that serve one model.
//! Source: kthena `workload/v1alpha1/model_serving_types.go`.

use super::meta::{Condition, IntOrString, ObjectMeta, null_as_default};
use super::pod_group::NetworkTopology;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A model served by `spec.replicas` ServingGroups, each a set of roles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelServing {
    /// Metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What is wanted.
    #[serde(default)]
    pub spec: ModelServingSpec,
    /// What is.
    #[serde(default)]
    pub status: ModelServingStatus,
}

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelServingSpec {
    /// ServingGroups; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Written onto every pod; default `volcano`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler_name: Option<String>,
    /// Mutations of pods, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub plugins: Vec<PluginSpec>,
    /// The ServingGroup.
    #[serde(default)]
    pub template: ServingGroupTemplate,
    /// How changes roll out; absent means one ServingGroup at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout_strategy: Option<RolloutStrategy>,
    /// What is recreated when a pod is lost; default `RoleRecreate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_policy: Option<RecoveryPolicy>,
}

/// One plugin of the chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PluginSpec {
    /// Registry key.
    #[serde(default)]
    pub name: String,
    /// `BuiltIn`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<PluginType>,
    /// Settings, the plugin's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
    /// Which pods it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<PluginScope>,
}

crate::open_enum! {
    /// Where a plugin's code lives.
    PluginType { BuiltIn = "BuiltIn" }
}

/// Which pods a plugin concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginScope {
    /// Roles; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub roles: Vec<String>,
    /// `All`, `Entry` or `Worker`; empty means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PluginTarget>,
}

crate::open_enum! {
    /// Which pods of a role a plugin concerns.
    PluginTarget { All = "All", Entry = "Entry", Worker = "Worker" }
}

/// The ServingGroup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServingGroupTemplate {
    /// How long a failed pod may recover by itself; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_grace_period_seconds: Option<i64>,
    /// The minimum that must be placed together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gang_policy: Option<GangPolicy>,
    /// How close together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_topology: Option<GroupTopology>,
    /// One to four roles.
    #[serde(default, deserialize_with = "null_as_default")]
    pub roles: Vec<Role>,
}

/// The minimum that must be placed together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GangPolicy {
    /// Role replicas by role; a role that is not named needs all of its replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_role_replicas: Option<BTreeMap<String, i32>>,
}

/// Topology rules of a ServingGroup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupTopology {
    /// For the whole ServingGroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_policy: Option<NetworkTopology>,
    /// For each role replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_policy: Option<NetworkTopology>,
}

/// A role: `replicas` times one entry pod and `workerReplicas` workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// At most 12 characters.
    #[serde(default)]
    pub name: String,
    /// Role replicas in a ServingGroup; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// The entry (leader) pod.
    #[serde(default)]
    pub entry_template: PodTemplate,
    /// Workers per role replica.
    #[serde(default)]
    pub worker_replicas: i32,
    /// The worker pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_template: Option<PodTemplate>,
    /// With `RoleRollingUpdate`: role replicas that may be down; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
    /// With `RoleRollingUpdate`: role replicas above `replicas` during a rollout; percent rounds up; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<IntOrString>,
    /// With `RoleRollingUpdate`: role replicas that keep the old revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<IntOrString>,
}

/// A pod template whose spec is carried verbatim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PodTemplate {
    /// Labels and annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<TemplateMeta>,
    /// A PodSpec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Labels and annotations of a pod template. An empty map is kept apart from none: Kthena's hashes tell them apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct TemplateMeta {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// How changes roll out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStrategy {
    /// The unit that is replaced; default `ServingGroupRollingUpdate`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<RolloutType>,
    /// Budget and partition of `ServingGroupRollingUpdate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling_update_configuration: Option<RollingUpdateConfiguration>,
}

crate::open_enum! {
    /// The unit that a rollout replaces.
    RolloutType { ServingGroup = "ServingGroupRollingUpdate", Role = "RoleRollingUpdate" }
}

/// Budget and partition of a rolling update.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdateConfiguration {
    /// ServingGroups that may be down; percent rounds down; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
    /// ServingGroups above `replicas` during a rollout; percent rounds up; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<IntOrString>,
    /// ServingGroups that keep the old revision; percent rounds up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<IntOrString>,
}

crate::open_enum! {
    /// What is recreated when a pod is lost.
    RecoveryPolicy { ServingGroupRecreate = "ServingGroupRecreate", RoleRecreate = "RoleRecreate", None = "None" }
}

/// What is. Zero values vanish from the JSON, as upstream's do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ModelServingStatus {
    #[serde(default, skip_serializing_if = "zero64")]
    pub observed_generation: i64,
    #[serde(default, skip_serializing_if = "zero32")]
    pub replicas: i32,
    #[serde(default, skip_serializing_if = "zero32")]
    pub current_replicas: i32,
    #[serde(default, skip_serializing_if = "zero32")]
    pub updated_replicas: i32,
    #[serde(default, skip_serializing_if = "zero32")]
    pub available_replicas: i32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub current_revision: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub update_revision: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label_selector: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub conditions: Vec<Condition>,
}

fn zero64(value: &i64) -> bool {
    *value == 0
}

fn zero32(value: &i32) -> bool {
    *value == 0
}
