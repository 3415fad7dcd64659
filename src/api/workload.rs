//! What is read of the controllers that make pods: ReplicaSet, StatefulSet and Job, the Deployment that Volcano's own
//! controllers run as, and the webhooks that they register. Decode-only.

use super::meta::{ObjectMeta, null_as_default};
use serde::{Deserialize, Serialize};

/// A ReplicaSet, StatefulSet or Job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Workload {
    #[serde(default)]
    pub metadata: ObjectMeta,
    #[serde(default, deserialize_with = "null_as_default")]
    pub spec: WorkloadSpec,
}

/// How many pods it makes, and how. The fields are Kubernetes' own; each kind has some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct WorkloadSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completions: Option<i32>,
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub pod_management_policy: String,
}

/// A Deployment, as far as it says how a program is run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Deployment {
    #[serde(default)]
    pub metadata: ObjectMeta,
    #[serde(default, deserialize_with = "null_as_default")]
    pub spec: DeploymentSpec,
}

/// Its replicas, and the pods it makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DeploymentSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub template: Template,
}

/// The pods that it makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Template {
    #[serde(default, deserialize_with = "null_as_default")]
    pub spec: TemplateSpec,
}

/// Their containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct TemplateSpec {
    #[serde(default, deserialize_with = "null_as_default")]
    pub containers: Vec<Program>,
}

/// How a container's program is started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Program {
    #[serde(default, deserialize_with = "null_as_default")]
    pub command: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub args: Vec<String>,
}

/// A MutatingWebhookConfiguration, of which only the name counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct WebhookConfiguration {
    #[serde(default)]
    pub metadata: ObjectMeta,
}
