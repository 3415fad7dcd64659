//! The table of kinds: where the API server serves each, who here reads it and when, and what is particular about it.
//!
//! Watches, readiness, `explain`, the simulator, the API server in memory and the tests of what `deploy/` grants read this
//! table. A kind more is a row here, and a line in [`super::object`] that says what is read of its objects.

use serde::{Deserialize, Serialize};

/// Who watches a kind, and waits for its list before anything is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// The scheduler and the ModelServing controller.
    ByBoth,
    /// The scheduler.
    ByScheduler,
    /// The ModelServing controller.
    ByServing,
    /// The scheduler, once a pod uses claims.
    WithClaims,
    /// The scheduler, once there is a device class, or a pod that uses device claims.
    WithDevices,
    /// The scheduler, once it has pods of such a controller that are in no PodGroup. Nothing else waits for it.
    WithOwners,
    /// The scheduler, to know who groups pods; it does without where it may not read the kind.
    ForGrouping,
    /// The scheduler, where the API server serves it; it does without where it may not read the kind.
    IfServed,
    /// Nobody watches it.
    Never,
}

/// Who reads the objects of a kind in a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simulated {
    /// The simulator, the scheduler or a controller that it plays.
    Read,
    /// Nobody: they are kept, and reported as ignored.
    Kept,
}

/// How the API server serves a kind. Found by asking kube-apiserver 1.36; the conformance test holds it against one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    /// Is it served over HTTP by the API server in memory?
    pub served: bool,
    /// Defined by a CustomResourceDefinition, which may be missing or come later: unknown fields are dropped, an update
    /// must name a version, there are no strategic patches.
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

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The kind.
    pub kind: Kind,
    /// `v1`, or `group/version`.
    pub api_version: &'static str,
    /// The kind as objects say it.
    pub name: &'static str,
    /// The plural, as paths have it.
    pub plural: &'static str,
    /// Do objects live in a namespace?
    pub namespaced: bool,
    /// Who needs it.
    pub needed: Needed,
    /// Who reads it in a simulation.
    pub simulated: Simulated,
    /// How it is served.
    pub habits: Habits,
}

const NAMESPACED: bool = true;
const CLUSTER_WIDE: bool = false;

const UNSERVED: Habits = Habits {
    served: false,
    custom: false,
    status: false,
    generation: false,
    created_by_update: false,
    needs_version: false,
    returns_deleted: false,
};
const PLAIN: Habits = Habits { served: true, ..UNSERVED };
const COUNTED: Habits = Habits { generation: true, ..PLAIN };
const RETURNED: Habits = Habits { returns_deleted: true, ..PLAIN };
const PUBLISHED: Habits = Habits { generation: true, ..RETURNED };
const NODE_OF_DRIVER: Habits = Habits { needs_version: true, ..RETURNED };
const UPSERTED: Habits = Habits { created_by_update: true, ..PLAIN };
const LEASE: Habits = Habits { needs_version: true, ..UPSERTED };
const STATUS: Habits = Habits { status: true, ..PLAIN };
const VOLUME: Habits = Habits { returns_deleted: true, ..STATUS };
const SERVICE: Habits = Habits { created_by_update: true, ..VOLUME };
const WORKLOAD: Habits = Habits { generation: true, ..STATUS };
const POD: Habits = Habits { returns_deleted: true, ..WORKLOAD };
const BUDGET: Habits = Habits { needs_version: true, ..WORKLOAD };
const CUSTOM: Habits = Habits { custom: true, needs_version: true, ..WORKLOAD };
const CUSTOM_WHOLE: Habits = Habits { status: false, ..CUSTOM };

/// Hands the rows to a macro, so that who needs a variant for each kind repeats none.
macro_rules! with_kinds {
    ($then:ident) => {
        $then! {
            PriorityClass "scheduling.k8s.io/v1" "PriorityClass" "priorityclasses" CLUSTER_WIDE ByScheduler Read COUNTED;
            StorageClass "storage.k8s.io/v1" "StorageClass" "storageclasses" CLUSTER_WIDE ByScheduler Read RETURNED;
            PersistentVolume "v1" "PersistentVolume" "persistentvolumes" CLUSTER_WIDE ByScheduler Read VOLUME;
            PersistentVolumeClaim "v1" "PersistentVolumeClaim" "persistentvolumeclaims" NAMESPACED ByScheduler Read VOLUME;
            CsiNode "storage.k8s.io/v1" "CSINode" "csinodes" CLUSTER_WIDE WithClaims Read NODE_OF_DRIVER;
            DeviceClass "resource.k8s.io/v1" "DeviceClass" "deviceclasses" CLUSTER_WIDE ByScheduler Read PUBLISHED;
            ResourceSlice "resource.k8s.io/v1" "ResourceSlice" "resourceslices" CLUSTER_WIDE WithDevices Read PUBLISHED;
            DeviceTaintRule "resource.k8s.io/v1" "DeviceTaintRule" "devicetaintrules" CLUSTER_WIDE WithDevices Read PUBLISHED;
            ResourceClaimTemplate "resource.k8s.io/v1" "ResourceClaimTemplate" "resourceclaimtemplates" NAMESPACED Never Read RETURNED;
            ResourceClaim "resource.k8s.io/v1" "ResourceClaim" "resourceclaims" NAMESPACED WithDevices Read VOLUME;
            Queue "scheduling.volcano.sh/v1beta1" "Queue" "queues" CLUSTER_WIDE ByScheduler Read CUSTOM;
            HyperNode "topology.volcano.sh/v1alpha1" "HyperNode" "hypernodes" CLUSTER_WIDE ByScheduler Read CUSTOM;
            Node "v1" "Node" "nodes" CLUSTER_WIDE ByScheduler Read STATUS;
            LeaderWorkerSet "leaderworkerset.x-k8s.io/v1" "LeaderWorkerSet" "leaderworkersets" NAMESPACED ByServing Read CUSTOM;
            ModelServing "workload.serving.volcano.sh/v1alpha1" "ModelServing" "modelservings" NAMESPACED ByServing Read CUSTOM;
            Deployment "apps/v1" "Deployment" "deployments" NAMESPACED ForGrouping Read WORKLOAD;
            ReplicaSet "apps/v1" "ReplicaSet" "replicasets" NAMESPACED WithOwners Read WORKLOAD;
            StatefulSet "apps/v1" "StatefulSet" "statefulsets" NAMESPACED WithOwners Read WORKLOAD;
            Job "batch/v1" "Job" "jobs" NAMESPACED WithOwners Read WORKLOAD;
            VolcanoJob "batch.volcano.sh/v1alpha1" "Job" "jobs" NAMESPACED Never Read UNSERVED;
            ControllerRevision "apps/v1" "ControllerRevision" "controllerrevisions" NAMESPACED ByServing Read PLAIN;
            PodGroup "scheduling.volcano.sh/v1beta1" "PodGroup" "podgroups" NAMESPACED ByBoth Read CUSTOM_WHOLE;
            NativePodGroup "scheduling.k8s.io/v1beta1" "PodGroup" "podgroups" NAMESPACED IfServed Read WORKLOAD;
            CoschedulingPodGroup "scheduling.x-k8s.io/v1alpha1" "PodGroup" "podgroups" NAMESPACED IfServed Read CUSTOM;
            Service "v1" "Service" "services" NAMESPACED ByServing Read SERVICE;
            PodDisruptionBudget "policy/v1" "PodDisruptionBudget" "poddisruptionbudgets" NAMESPACED ByScheduler Read BUDGET;
            Pod "v1" "Pod" "pods" NAMESPACED ByBoth Read POD;
            Namespace "v1" "Namespace" "namespaces" CLUSTER_WIDE ByServing Kept STATUS;
            MutatingWebhookConfiguration "admissionregistration.k8s.io/v1" "MutatingWebhookConfiguration" "mutatingwebhookconfigurations" CLUSTER_WIDE ForGrouping Kept UNSERVED;
            ConfigMap "v1" "ConfigMap" "configmaps" NAMESPACED Never Kept PLAIN;
            Secret "v1" "Secret" "secrets" NAMESPACED Never Kept PLAIN;
            ServiceAccount "v1" "ServiceAccount" "serviceaccounts" NAMESPACED Never Kept RETURNED;
            CoreEvent "v1" "Event" "events" NAMESPACED Never Kept UPSERTED;
            Event "events.k8s.io/v1" "Event" "events" NAMESPACED Never Kept UPSERTED;
            Lease "coordination.k8s.io/v1" "Lease" "leases" NAMESPACED Never Kept LEASE;
            DaemonSet "apps/v1" "DaemonSet" "daemonsets" NAMESPACED Never Kept WORKLOAD;
        }
    };
}
pub(crate) use with_kinds;

macro_rules! table {
    ($($kind:ident $api_version:literal $name:literal $plural:literal $scope:ident $needed:ident $simulated:ident $habits:ident;)*) => {
        /// A kind of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)] // the names are Kubernetes' own
        pub enum Kind {
            $($kind,)*
        }

        /// All kinds, what others depend on first. Objects are printed in this order.
        pub const TABLE: [Row; [$(Kind::$kind),*].len()] = [$(Row {
            kind: Kind::$kind,
            api_version: $api_version,
            name: $name,
            plural: $plural,
            namespaced: $scope,
            needed: Needed::$needed,
            simulated: Simulated::$simulated,
            habits: $habits,
        }),*];
    };
}
with_kinds!(table);

impl Row {
    /// The group; empty for the core group.
    pub fn group(&self) -> &'static str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The version.
    pub fn version(&self) -> &'static str {
        self.api_version.split_once('/').map_or(self.api_version, |(_, version)| version)
    }

    /// Versions by which the kind may be served instead of the one of the table, those preferred first; what is read of
    /// objects is the same in all of them.
    pub fn other_versions(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::NativePodGroup => &["scheduling.k8s.io/v1alpha3", "scheduling.k8s.io/v1alpha2"],
            Kind::DeviceTaintRule => &["resource.k8s.io/v1beta2"],
            _ => &[],
        }
    }

    /// Are objects of this apiVersion of the kind?
    pub fn has_version(&self, api_version: &str) -> bool {
        self.api_version == api_version || self.other_versions().contains(&api_version)
    }

    /// All versions that objects of the kind may have, those preferred first.
    pub fn versions(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.api_version).chain(self.other_versions().iter().copied())
    }

    /// May the API server not serve the kind, now or ever: is it defined by a CRD, or served by newer API servers only?
    pub fn may_be_missing(&self) -> bool {
        self.habits.custom || self.needed == Needed::IfServed || self.group() == "resource.k8s.io"
    }

    /// `podgroups.scheduling.volcano.sh`, `pods`: how messages of the API server name it.
    pub fn resource_name(&self) -> String {
        match self.group() {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }
}

impl Kind {
    /// Its row of the table.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The kind as objects say it.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The kind that objects with this apiVersion and kind are of, if it is in the table.
    pub fn of(api_version: &str, name: &str) -> Option<Kind> {
        let row = TABLE.iter().find(|row| row.name == name && row.has_version(api_version));
        row.map(|row| row.kind)
    }

    /// The label selector of those that are worth watching; empty for all.
    pub fn selector(self) -> &'static str {
        if self == Kind::Deployment { "app in (volcano-controller,volcano-scheduler)" } else { "" }
    }

    /// Group and version, as objects say them.
    pub fn api_version(self) -> &'static str {
        self.row().api_version
    }

    /// The path of an object, or of a subresource of it; of the collection where `name` is empty.
    pub fn path(self, namespace: &str, name: &str, subresource: &str) -> String {
        self.path_in(self.api_version(), namespace, name, subresource)
    }

    /// The same in a version of the kind.
    pub fn path_in(self, api_version: &str, namespace: &str, name: &str, subresource: &str) -> String {
        let row = self.row();
        let mut path = if row.group().is_empty() { "/api/" } else { "/apis/" }.to_owned();
        path.push_str(api_version);
        if row.namespaced && !namespace.is_empty() {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        for part in [row.plural, name, subresource] {
            if !part.is_empty() {
                path.push('/');
                path.push_str(part);
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Two rows of one place would make the second unreachable.
    #[test]
    fn every_kind_has_a_place_of_its_own() {
        for row in &TABLE {
            assert_eq!(Kind::of(row.api_version, row.name), Some(row.kind), "{row:?}");
            assert_eq!(row.kind.row(), row);
        }
        let paths: BTreeSet<String> = TABLE.iter().map(|row| row.kind.path("", "", "")).collect();
        assert_eq!(paths.len(), TABLE.len());
        assert_eq!(Kind::of("batch.volcano.sh/v1alpha2", "Job"), None, "another version");
    }

    #[test]
    fn paths_are_those_of_the_api_server() {
        let check = |path: String, expect: &str| assert_eq!(path, expect);
        check(Kind::Pod.path("a", "p", "binding"), "/api/v1/namespaces/a/pods/p/binding");
        check(Kind::Node.path("", "n", ""), "/api/v1/nodes/n");
        check(
            Kind::PodGroup.path("a", "g", ""),
            "/apis/scheduling.volcano.sh/v1beta1/namespaces/a/podgroups/g",
        );
        check(Kind::Service.path("a", "", ""), "/api/v1/namespaces/a/services");
    }
}
