//! Observed objects as what is read of them: one type for each kind of the table that is read, and nothing else of an
//! object is kept.

use super::core::{
    CsiNode, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodDisruptionBudget, PriorityClass,
    StorageClass,
};
use super::decode::{DecodeError, decode};
use super::device::{DeviceClass, DeviceTaintRule, ResourceClaim, ResourceClaimTemplate, ResourceSlice};
use super::hyper_node::HyperNode;
use super::kind::Kind;
use super::leader_worker_set::LeaderWorkerSet;
use super::meta::ObjectMeta;
use super::model_serving::ModelServing;
use super::pod_group::PodGroup;
use super::queue::Queue;
use super::scheduling_group::{CoschedulingPodGroup, NativePodGroup};
use super::workload::{
    Deployment, WebhookConfiguration as MutatingWebhookConfiguration, Workload as Job,
    Workload as ReplicaSet, Workload as StatefulSet,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is read of a Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
}

/// What is read of a ControllerRevision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ControllerRevision {
    /// Its metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Its number.
    #[serde(default)]
    pub revision: i64,
    /// What it keeps.
    #[serde(default)]
    pub data: Value,
}

/// What is read of a Namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Namespace {
    /// Its metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
}

/// What is read of a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfigMap {
    /// Its metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Its data.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
}

/// From the text of an object to a type.
pub trait Source {
    /// Reads it.
    fn read<T: DeserializeOwned>(&self) -> Result<T, DecodeError>;
}

impl Source for Value {
    fn read<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        decode(self)
    }
}

macro_rules! objects {
    ($($kind:ident)*) => {
        /// An object of a kind that is read.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[allow(missing_docs)] // the names are Kubernetes' own
        pub enum Object {
            $($kind(Arc<$kind>),)*
        }

        impl Object {
            /// Reads an object of this kind; or says what is wrong with it.
            pub fn read(kind: Kind, source: &impl Source) -> Result<Object, DecodeError> {
                match kind {
                    $(Kind::$kind => source.read().map(|object| Object::$kind(Arc::new(object))),)*
                    unread => Err(DecodeError {
                        object: String::new(),
                        path: "kind".to_owned(),
                        message: format!("{} is not read", unread.name()),
                        remedy: String::new(),
                    }),
                }
            }

            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Object::$kind(_) => Kind::$kind,)*
                }
            }

            /// Its metadata.
            pub fn metadata(&self) -> &ObjectMeta {
                match self {
                    $(Object::$kind(object) => &object.metadata,)*
                }
            }

            /// What is read of it, as JSON.
            pub fn value(&self) -> Value {
                let value = match self {
                    $(Object::$kind(object) => serde_json::to_value(&**object),)*
                };
                value.unwrap_or_default()
            }
        }
    };
}

objects! {
    PriorityClass
    StorageClass
    PersistentVolume
    PersistentVolumeClaim
    CsiNode
    DeviceClass
    ResourceSlice
    DeviceTaintRule
    ResourceClaimTemplate
    ResourceClaim
    Queue
    HyperNode
    Node
    LeaderWorkerSet
    ModelServing
    Deployment
    ReplicaSet
    StatefulSet
    Job
    ControllerRevision
    PodGroup
    NativePodGroup
    CoschedulingPodGroup
    Service
    PodDisruptionBudget
    Pod
    Namespace
    MutatingWebhookConfiguration
    ConfigMap
}

impl Object {
    /// The object as it was read in this version: items of a list do not say theirs.
    #[must_use]
    pub fn in_version(mut self, api_version: &str) -> Object {
        if let Object::NativePodGroup(group) = &mut self
            && group.api_version.is_empty()
        {
            Arc::make_mut(group).api_version = api_version.to_owned();
        }
        self
    }
}
