//! The table of what is served: where a kind lives under the API, and which of the API server's habits it has.

use super::key::{KNOWN, Kind};
use crate::api::keys;

/// A kind as the API server serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `v1`, or `group/version`.
    pub api_version: &'static str,
    /// As objects name it.
    pub kind: &'static str,
    /// As paths name it.
    pub plural: &'static str,
    /// Do objects live in a namespace?
    pub namespaced: bool,
    /// What is particular about it.
    pub habits: Habits,
}

/// What is particular about a kind. Found by asking kube-apiserver 1.36; the conformance test holds it against one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    /// Defined by a CustomResourceDefinition: unknown fields are dropped, an update must name a version, there are no
    /// strategic patches.
    pub custom: bool,
    /// Has a status subresource: the status is written there and nowhere else.
    pub status: bool,
    /// Generations are counted.
    pub generation: bool,
    /// PUT of an object that does not exist creates it.
    pub created_by_update: bool,
    /// PUT without a version is refused (always so for custom resources).
    pub needs_version: bool,
    /// DELETE answers with the object that was deleted, not with a `Status`.
    pub returns_deleted: bool,
}

const PLAIN: Habits = Habits {
    custom: false,
    status: false,
    generation: false,
    created_by_update: false,
    needs_version: false,
    returns_deleted: false,
};
const STATUS: Habits = Habits { status: true, ..PLAIN };
const RETURNED: Habits = Habits { returns_deleted: true, ..PLAIN };
const WORKLOAD: Habits = Habits { generation: true, ..STATUS };
const CUSTOM: Habits = Habits { custom: true, status: true, generation: true, needs_version: true, ..PLAIN };

const fn row(
    api_version: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
    habits: Habits,
) -> Resource {
    Resource { api_version, kind, plural, namespaced, habits }
}

/// All that is served.
pub const RESOURCES: [Resource; 27] = [
    row("v1", "Namespace", "namespaces", false, STATUS),
    row("v1", "Node", "nodes", false, STATUS),
    row("v1", "Pod", "pods", true, Habits { returns_deleted: true, ..WORKLOAD }),
    row("v1", "ConfigMap", "configmaps", true, PLAIN),
    row("v1", "Secret", "secrets", true, PLAIN),
    row("v1", "ServiceAccount", "serviceaccounts", true, RETURNED),
    row(
        "v1",
        "Service",
        "services",
        true,
        Habits { created_by_update: true, returns_deleted: true, ..STATUS },
    ),
    row("v1", "PersistentVolume", "persistentvolumes", false, Habits { returns_deleted: true, ..STATUS }),
    row(
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        true,
        Habits { returns_deleted: true, ..STATUS },
    ),
    row("v1", "Event", "events", true, Habits { created_by_update: true, ..PLAIN }),
    row("events.k8s.io/v1", "Event", "events", true, Habits { created_by_update: true, ..PLAIN }),
    row(
        "coordination.k8s.io/v1",
        "Lease",
        "leases",
        true,
        Habits { created_by_update: true, needs_version: true, ..PLAIN },
    ),
    row(
        "scheduling.k8s.io/v1",
        "PriorityClass",
        "priorityclasses",
        false,
        Habits { generation: true, ..PLAIN },
    ),
    row("storage.k8s.io/v1", "StorageClass", "storageclasses", false, RETURNED),
    row("storage.k8s.io/v1", "CSINode", "csinodes", false, Habits { needs_version: true, ..RETURNED }),
    row(
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        true,
        Habits { needs_version: true, ..WORKLOAD },
    ),
    row("apps/v1", "ControllerRevision", "controllerrevisions", true, PLAIN),
    row("apps/v1", "Deployment", "deployments", true, WORKLOAD),
    row("apps/v1", "ReplicaSet", "replicasets", true, WORKLOAD),
    row("apps/v1", "StatefulSet", "statefulsets", true, WORKLOAD),
    row("apps/v1", "DaemonSet", "daemonsets", true, WORKLOAD),
    row("batch/v1", "Job", "jobs", true, WORKLOAD),
    row(keys::SCHEDULING_V1BETA1, "PodGroup", "podgroups", true, Habits { status: false, ..CUSTOM }),
    row(keys::SCHEDULING_V1BETA1, "Queue", "queues", false, CUSTOM),
    row(keys::TOPOLOGY_V1ALPHA1, "HyperNode", "hypernodes", false, CUSTOM),
    row(keys::WORKLOAD_V1ALPHA1, "ModelServing", "modelservings", true, CUSTOM),
    row(keys::LEADER_WORKER_SET_V1, "LeaderWorkerSet", "leaderworkersets", true, CUSTOM),
];

impl Resource {
    /// The kind of its objects.
    pub fn key_kind(&self) -> Kind {
        Kind::of(self.api_version, self.kind)
    }

    /// The group; empty for the core group.
    pub fn group(&self) -> &'static str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// `podgroups.scheduling.volcano.sh`, `pods`: how messages of the API server name it.
    pub fn name(&self) -> String {
        match self.group() {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// What is served at a plural of a `group/version`.
    pub fn served(api_version: &str, plural: &str) -> Option<&'static Resource> {
        RESOURCES.iter().find(|resource| resource.plural == plural && resource.api_version == api_version)
    }

    /// How a kind is served; `None` for kinds that are only kept.
    pub fn of(kind: &Kind) -> Option<&'static Resource> {
        let (api_version, name) = match kind {
            Kind::Other(name) => name.rsplit_once('/')?,
            known => {
                let (_, name, api_version, _) = KNOWN.iter().find(|(kind, ..)| kind == known)?;
                (*api_version, *name)
            }
        };
        RESOURCES.iter().find(|resource| resource.kind == name && resource.api_version == api_version)
    }
}
