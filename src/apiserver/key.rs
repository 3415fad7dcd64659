//! What names an object: kind, namespace, name.

use super::at::At as _;
use super::resource::Resource;
use crate::api::keys;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// A kind of objects. The order is the order in which objects are printed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the kinds are Kubernetes' own
pub enum Kind {
    PriorityClass,
    StorageClass,
    PersistentVolume,
    PersistentVolumeClaim,
    CsiNode,
    Queue,
    HyperNode,
    Node,
    LeaderWorkerSet,
    ModelServing,
    Deployment,
    ReplicaSet,
    StatefulSet,
    Job,
    /// `Job` of batch.volcano.sh.
    VolcanoJob,
    ControllerRevision,
    PodGroup,
    Service,
    PodDisruptionBudget,
    Pod,
    /// A kind that Phalanx does not read, as `apiVersion/kind`.
    Other(Arc<str>),
}

/// kind, apiVersion, namespaced?
pub(super) const KNOWN: [(Kind, &str, &str, bool); 20] = [
    (Kind::PriorityClass, "PriorityClass", "scheduling.k8s.io/v1", false),
    (Kind::StorageClass, "StorageClass", "storage.k8s.io/v1", false),
    (Kind::PersistentVolume, "PersistentVolume", "v1", false),
    (Kind::PersistentVolumeClaim, "PersistentVolumeClaim", "v1", true),
    (Kind::CsiNode, "CSINode", "storage.k8s.io/v1", false),
    (Kind::Queue, "Queue", keys::SCHEDULING_V1BETA1, false),
    (Kind::HyperNode, "HyperNode", keys::TOPOLOGY_V1ALPHA1, false),
    (Kind::Node, "Node", "v1", false),
    (Kind::LeaderWorkerSet, "LeaderWorkerSet", keys::LEADER_WORKER_SET_V1, true),
    (Kind::ModelServing, "ModelServing", keys::WORKLOAD_V1ALPHA1, true),
    (Kind::Deployment, "Deployment", "apps/v1", true),
    (Kind::ReplicaSet, "ReplicaSet", "apps/v1", true),
    (Kind::StatefulSet, "StatefulSet", "apps/v1", true),
    (Kind::Job, "Job", "batch/v1", true),
    (Kind::VolcanoJob, "Job", keys::BATCH_V1ALPHA1, true),
    (Kind::ControllerRevision, "ControllerRevision", "apps/v1", true),
    (Kind::PodGroup, "PodGroup", keys::SCHEDULING_V1BETA1, true),
    (Kind::Service, "Service", "v1", true),
    (Kind::PodDisruptionBudget, "PodDisruptionBudget", "policy/v1", true),
    (Kind::Pod, "Pod", "v1", true),
];

/// Kinds of others that live outside of namespaces, so that they are not put into `default`.
const CLUSTER_SCOPED: [&str; 9] = [
    "Namespace",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "RuntimeClass",
    "CSIDriver",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "APIService",
];

impl Kind {
    /// The kind that an apiVersion and a kind name.
    pub fn of(api_version: &str, kind: &str) -> Kind {
        KNOWN
            .iter()
            .find(|(_, name, version, _)| *name == kind && *version == api_version)
            .map_or_else(|| Kind::Other(format!("{api_version}/{kind}").into()), |(kind, ..)| kind.clone())
    }

    /// The kind of a name alone, as in `kubectl delete pod x`: any case, singular or plural.
    pub fn named(name: &str) -> Option<Kind> {
        let name = name.to_lowercase();
        if matches!(
            name.as_str(),
            "vcjob" | "vcjobs" | "vj" | "job.batch.volcano.sh" | "jobs.batch.volcano.sh"
        ) {
            return Some(Kind::VolcanoJob);
        }
        let plural = |kind: &str| match kind {
            "queue"
            | "node"
            | "csinode"
            | "hypernode"
            | "pod"
            | "modelserving"
            | "podgroup"
            | "service"
            | "persistentvolume"
            | "persistentvolumeclaim"
            | "deployment"
            | "replicaset"
            | "statefulset"
            | "job"
            | "poddisruptionbudget" => {
                format!("{kind}s")
            }
            _ => format!("{kind}es"),
        };
        KNOWN.iter().find_map(|(kind, known, ..)| {
            let known = known.to_lowercase();
            (name == known || name == plural(&known)).then(|| kind.clone())
        })
    }

    /// Names of the kinds that Phalanx reads.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(_, name, ..)| *name)
    }

    /// The version of a known kind's name, for hints on a wrong one.
    pub fn version_of(kind: &str) -> Option<&'static str> {
        KNOWN.iter().find(|(_, name, ..)| *name == kind).map(|(_, _, version, _)| *version)
    }

    /// apiVersion and kind, as objects say them.
    pub fn identity(&self) -> (&str, &str) {
        match self {
            Kind::Other(name) => name.rsplit_once('/').unwrap_or(("", name)),
            known => KNOWN
                .iter()
                .find(|(kind, ..)| kind == known)
                .map_or(("", ""), |(_, name, api_version, _)| (api_version, name)),
        }
    }

    /// The name of a known kind; `Other` for the rest.
    pub(crate) fn name(&self) -> &'static str {
        KNOWN.iter().find(|(kind, ..)| kind == self).map_or("Other", |(_, name, ..)| name)
    }

    /// Do objects of this kind live in a namespace?
    pub fn is_namespaced(&self) -> bool {
        match self {
            Kind::Other(name) => {
                let kind = name.rsplit('/').next().unwrap_or(name);
                !CLUSTER_SCOPED.contains(&kind)
            }
            known => KNOWN.iter().any(|(kind, _, _, namespaced)| kind == known && *namespaced),
        }
    }

    /// Does the API server count generations of this kind?
    pub(crate) fn has_generation(&self) -> bool {
        match self {
            Kind::Pod
            | Kind::PodGroup
            | Kind::Queue
            | Kind::HyperNode
            | Kind::ModelServing
            | Kind::LeaderWorkerSet
            | Kind::PriorityClass => true,
            Kind::Other(_)
            | Kind::Deployment
            | Kind::ReplicaSet
            | Kind::StatefulSet
            | Kind::Job
            | Kind::PodDisruptionBudget => {
                Resource::of(self).is_some_and(|resource| resource.habits.generation)
            }
            _ => false,
        }
    }

    /// Is this a change that moves the generation? Of a kind without a status subresource every field does, but
    /// metadata; a pod's generation does not move when it is bound.
    pub(crate) fn spec_changed(&self, old: &Value, new: &Value) -> bool {
        let spec = old.get("spec") != new.get("spec");
        match self {
            Kind::Pod => spec && old.at("/spec/nodeName") == new.at("/spec/nodeName"),
            Kind::PodGroup => spec || old.get("status") != new.get("status"),
            _ => spec,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Other(name) => f.pad(name.rsplit('/').next().unwrap_or(name)),
            known => f.pad(KNOWN.iter().find(|(kind, ..)| kind == known).map_or("", |(_, name, ..)| name)),
        }
    }
}

/// What names an object. Cluster-scoped objects have an empty namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub struct Key {
    pub kind: Kind,
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl Key {
    /// A key; the namespace of a cluster-scoped kind is dropped.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Key {
        let namespace = match (kind.is_namespaced(), namespace) {
            (false, _) => "",
            (true, "") => "default",
            (true, namespace) => namespace,
        };
        Key { kind, namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object, or the field that is missing and why that matters.
    pub fn of(value: &Value) -> Result<Key, (&'static str, &'static str)> {
        let text = |pointer: &str| value.at(pointer).and_then(Value::as_str).unwrap_or("");
        let name = text("/metadata/name");
        if name.is_empty() {
            return Err(("metadata.name", "is missing"));
        }
        Ok(Key::new(Kind::of(text("/apiVersion"), text("/kind")), text("/metadata/namespace"), name))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}
