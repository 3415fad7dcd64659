//! The table of kinds: what Phalanx watches, where the API server serves it, and who needs it before deciding.
//!
//! Watches, readiness and `explain` read this table. A kind more is a row here and a line in [`super::object`]. The API
//! server in memory has a table of its own, since it serves kinds that are not watched.

use serde::{Deserialize, Serialize};

/// A kind that Phalanx watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are Kubernetes' own
pub enum Kind {
    Namespace,
    Node,
    PriorityClass,
    StorageClass,
    PersistentVolume,
    PersistentVolumeClaim,
    CsiNode,
    Queue,
    HyperNode,
    PodGroup,
    Pod,
    LeaderWorkerSet,
    ModelServing,
    Service,
    ControllerRevision,
    ReplicaSet,
    StatefulSet,
    Job,
    Deployment,
    MutatingWebhookConfiguration,
}

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
    /// The scheduler, once it has pods of such a controller that are in no PodGroup. Nothing else waits for it.
    WithOwners,
    /// The scheduler, to know who groups pods; it does without where it may not read the kind.
    ForGrouping,
}

/// Where a kind is served, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The kind.
    pub kind: Kind,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// The kind as objects say it.
    pub name: &'static str,
    /// The plural, as paths have it.
    pub plural: &'static str,
    /// Does it live in a namespace?
    pub namespaced: bool,
    /// Is it defined by a CRD, which may be missing or come later?
    pub custom: bool,
    /// Who needs it.
    pub needed: Needed,
}

const CUSTOM: bool = true;
const BUILT_IN: bool = false;
const NAMESPACED: bool = true;
const CLUSTER_WIDE: bool = false;

macro_rules! table {
    ($($kind:ident $group:literal $version:literal $name:literal $plural:literal $namespaced:ident $custom:ident $needed:ident;)*) => {
        /// All kinds, what others depend on first.
        pub const TABLE: [Row; [$(Kind::$kind),*].len()] = [$(Row {
            kind: Kind::$kind,
            group: $group,
            version: $version,
            name: $name,
            plural: $plural,
            namespaced: $namespaced,
            custom: $custom,
            needed: Needed::$needed,
        }),*];
    };
}

table! {
    Namespace "" "v1" "Namespace" "namespaces" CLUSTER_WIDE BUILT_IN ByServing;
    Node "" "v1" "Node" "nodes" CLUSTER_WIDE BUILT_IN ByScheduler;
    PriorityClass "scheduling.k8s.io" "v1" "PriorityClass" "priorityclasses" CLUSTER_WIDE BUILT_IN ByScheduler;
    StorageClass "storage.k8s.io" "v1" "StorageClass" "storageclasses" CLUSTER_WIDE BUILT_IN ByScheduler;
    PersistentVolume "" "v1" "PersistentVolume" "persistentvolumes" CLUSTER_WIDE BUILT_IN ByScheduler;
    PersistentVolumeClaim "" "v1" "PersistentVolumeClaim" "persistentvolumeclaims" NAMESPACED BUILT_IN ByScheduler;
    CsiNode "storage.k8s.io" "v1" "CSINode" "csinodes" CLUSTER_WIDE BUILT_IN WithClaims;
    Queue "scheduling.volcano.sh" "v1beta1" "Queue" "queues" CLUSTER_WIDE CUSTOM ByScheduler;
    HyperNode "topology.volcano.sh" "v1alpha1" "HyperNode" "hypernodes" CLUSTER_WIDE CUSTOM ByScheduler;
    PodGroup "scheduling.volcano.sh" "v1beta1" "PodGroup" "podgroups" NAMESPACED CUSTOM ByBoth;
    Pod "" "v1" "Pod" "pods" NAMESPACED BUILT_IN ByBoth;
    LeaderWorkerSet "leaderworkerset.x-k8s.io" "v1" "LeaderWorkerSet" "leaderworkersets" NAMESPACED CUSTOM ByServing;
    ModelServing "workload.serving.volcano.sh" "v1alpha1" "ModelServing" "modelservings" NAMESPACED CUSTOM ByServing;
    Service "" "v1" "Service" "services" NAMESPACED BUILT_IN ByServing;
    ControllerRevision "apps" "v1" "ControllerRevision" "controllerrevisions" NAMESPACED BUILT_IN ByServing;
    ReplicaSet "apps" "v1" "ReplicaSet" "replicasets" NAMESPACED BUILT_IN WithOwners;
    StatefulSet "apps" "v1" "StatefulSet" "statefulsets" NAMESPACED BUILT_IN WithOwners;
    Job "batch" "v1" "Job" "jobs" NAMESPACED BUILT_IN WithOwners;
    Deployment "apps" "v1" "Deployment" "deployments" NAMESPACED BUILT_IN ForGrouping;
    MutatingWebhookConfiguration "admissionregistration.k8s.io" "v1" "MutatingWebhookConfiguration" "mutatingwebhookconfigurations" CLUSTER_WIDE BUILT_IN ForGrouping;
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

    /// The kind that objects with this apiVersion and kind are of, if it is watched.
    pub fn of(api_version: &str, name: &str) -> Option<Kind> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let row = TABLE.iter().find(|row| row.name == name && row.group == group && row.version == version);
        row.map(|row| row.kind)
    }

    /// The label selector of those that are worth watching; empty for all.
    pub fn selector(self) -> &'static str {
        if self == Kind::Deployment { "app in (volcano-controller,volcano-scheduler)" } else { "" }
    }

    /// Group and version, as objects say them.
    pub fn api_version(self) -> String {
        let row = self.row();
        if row.group.is_empty() { row.version.to_owned() } else { format!("{}/{}", row.group, row.version) }
    }

    /// The path of an object, or of a subresource of it; of the collection where `name` is empty.
    pub fn path(self, namespace: &str, name: &str, subresource: &str) -> String {
        let row = self.row();
        let mut path = if row.group.is_empty() { "/api/" } else { "/apis/" }.to_owned();
        path.push_str(&self.api_version());
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

    #[test]
    fn the_rows_stand_in_the_order_of_the_kinds() {
        for row in &TABLE {
            assert_eq!(row.kind.row(), row);
        }
    }

    /// The API server in memory has a table of its own, since it serves more than is watched: where they meet they agree.
    #[test]
    fn the_api_server_in_memory_serves_what_is_watched() {
        for row in TABLE.iter().filter(|row| row.kind != Kind::MutatingWebhookConfiguration) {
            let served = crate::apiserver::Resource::served(&row.kind.api_version(), row.plural);
            let served = served.unwrap_or_else(|| panic!("{row:?} is not served"));
            let habits = served.habits;
            assert_eq!(
                (served.kind, served.namespaced, habits.custom),
                (row.name, row.namespaced, row.custom)
            );
            let (api_version, name) = (row.kind.api_version(), row.name);
            assert_eq!(Kind::of(&api_version, name), Some(row.kind));
        }
        assert_eq!(Kind::of("batch.volcano.sh/v1alpha1", "Job"), None, "another Job");
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
