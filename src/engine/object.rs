//! Observed objects as what is read of them: one type for each kind of the table, and nothing else of an object is kept.

use super::kind::Kind;
use crate::api::core::{
    CsiNode, Node, PersistentVolume, PersistentVolumeClaim, Pod, PriorityClass, StorageClass,
};
use crate::api::decode::{DecodeError, decode};
use crate::api::hyper_node::HyperNode;
use crate::api::leader_worker_set::LeaderWorkerSet;
use crate::api::meta::ObjectMeta;
use crate::api::model_serving::ModelServing;
use crate::api::pod_group::PodGroup;
use crate::api::queue::Queue;
use crate::api::workload::{
    Deployment, WebhookConfiguration as MutatingWebhookConfiguration, Workload as Job,
    Workload as ReplicaSet, Workload as StatefulSet,
};
use crate::cluster::Event;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
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
    ($($kind:ident $(=> $event:ident)?;)*) => {
        /// An object of a kind that is watched.
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

            /// As the scheduler takes it in; `None` if it reads nothing of this kind.
            pub fn event(&self) -> Option<Event<'_>> {
                match self {
                    $($(Object::$kind(object) => Some(Event::$event(object)),)?)*
                    _ => None,
                }
            }
        }
    };
}

objects! {
    Namespace;
    Node => Node;
    PriorityClass => PriorityClass;
    StorageClass => StorageClass;
    PersistentVolume => Volume;
    PersistentVolumeClaim => Claim;
    CsiNode => CsiNode;
    Queue => Queue;
    HyperNode => HyperNode;
    PodGroup => PodGroup;
    Pod => Pod;
    LeaderWorkerSet;
    ModelServing;
    Service;
    ControllerRevision;
    ReplicaSet;
    StatefulSet;
    Job;
    Deployment;
    MutatingWebhookConfiguration;
}

/// As the scheduler takes it in that an object is gone; `None` if it reads nothing of this kind.
pub fn gone<'a>(kind: Kind, namespace: &'a str, name: &'a str) -> Option<Event<'a>> {
    Some(match kind {
        Kind::Node => Event::NodeGone(name),
        Kind::PriorityClass => Event::PriorityClassGone(name),
        Kind::StorageClass => Event::StorageClassGone(name),
        Kind::PersistentVolume => Event::VolumeGone(name),
        Kind::PersistentVolumeClaim => Event::ClaimGone { namespace, name },
        Kind::CsiNode => Event::CsiNodeGone(name),
        Kind::Queue => Event::QueueGone(name),
        Kind::HyperNode => Event::HyperNodeGone(name),
        Kind::PodGroup => Event::PodGroupGone { namespace, name },
        Kind::Pod => Event::PodGone { namespace, name },
        _ => return None,
    })
}
