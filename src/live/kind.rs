//! The kinds that are watched, and where the API server serves them.

use kube::core::{ApiResource, GroupVersionKind};

/// A kind that Phalanx watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the names are Kubernetes' own
pub enum Kind {
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
    ModelServing,
    Service,
    ControllerRevision,
}

impl Kind {
    /// All kinds, what others depend on first.
    pub const ALL: [Kind; 13] = [
        Kind::Node,
        Kind::PriorityClass,
        Kind::StorageClass,
        Kind::PersistentVolume,
        Kind::PersistentVolumeClaim,
        Kind::CsiNode,
        Kind::Queue,
        Kind::HyperNode,
        Kind::PodGroup,
        Kind::Pod,
        Kind::ModelServing,
        Kind::Service,
        Kind::ControllerRevision,
    ];

    /// The kind as objects say it.
    pub fn name(self) -> &'static str {
        self.parts().2
    }

    /// Group, version, kind and plural.
    pub fn resource(self) -> ApiResource {
        let (group, version, kind, plural) = self.parts();
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    fn parts(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Kind::Node => ("", "v1", "Node", "nodes"),
            Kind::PriorityClass => ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses"),
            Kind::StorageClass => ("storage.k8s.io", "v1", "StorageClass", "storageclasses"),
            Kind::PersistentVolume => ("", "v1", "PersistentVolume", "persistentvolumes"),
            Kind::PersistentVolumeClaim => ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
            Kind::CsiNode => ("storage.k8s.io", "v1", "CSINode", "csinodes"),
            Kind::Queue => ("scheduling.volcano.sh", "v1beta1", "Queue", "queues"),
            Kind::HyperNode => ("topology.volcano.sh", "v1alpha1", "HyperNode", "hypernodes"),
            Kind::PodGroup => ("scheduling.volcano.sh", "v1beta1", "PodGroup", "podgroups"),
            Kind::Pod => ("", "v1", "Pod", "pods"),
            Kind::ModelServing => {
                ("workload.serving.volcano.sh", "v1alpha1", "ModelServing", "modelservings")
            }
            Kind::Service => ("", "v1", "Service", "services"),
            Kind::ControllerRevision => ("apps", "v1", "ControllerRevision", "controllerrevisions"),
        }
    }

    /// Is it defined by a CRD, which may be missing or come later?
    pub fn is_custom(self) -> bool {
        matches!(self, Kind::Queue | Kind::HyperNode | Kind::PodGroup | Kind::ModelServing)
    }

    /// Does it live in a namespace?
    pub fn is_namespaced(self) -> bool {
        !matches!(
            self,
            Kind::Node
                | Kind::PriorityClass
                | Kind::StorageClass
                | Kind::PersistentVolume
                | Kind::CsiNode
                | Kind::Queue
                | Kind::HyperNode
        )
    }

    /// The path of an object, or of a subresource of it; of the collection where `name` is empty.
    pub fn path(self, namespace: &str, name: &str, subresource: &str) -> String {
        let resource = self.resource();
        let mut path = if resource.group.is_empty() {
            format!("/api/{}", resource.version)
        } else {
            format!("/apis/{}/{}", resource.group, resource.version)
        };
        if self.is_namespaced() && !namespace.is_empty() {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        for part in [resource.plural.as_str(), name, subresource] {
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
