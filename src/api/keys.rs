//! Every label, annotation and environment key that Phalanx reads or writes, and the names of API groups.
//! Sources: volcano `pkg/apis`, kthena `pkg/apis`, kubernetes well-known labels.

/// Pod annotation: the PodGroup (same namespace) that the pod belongs to. The only key the scheduler groups by.
pub const GROUP_NAME: &str = "scheduling.k8s.io/group-name";
/// PodGroup or ModelServing annotation: the queue.
pub const QUEUE_NAME: &str = "scheduling.volcano.sh/queue-name";
/// Pod annotation, else label: the role of the pod within its gang (`minTaskMember` counts by it).
pub const TASK_SPEC: &str = "volcano.sh/task-spec";
/// Pod annotation: the index of the pod within its role.
pub const TASK_INDEX: &str = "volcano.sh/task-index";
/// Pod label or annotation: may the pod be evicted for others.
pub const PREEMPTABLE: &str = "volcano.sh/preemptable";
/// PodGroup annotation that upstream compares and never writes; Phalanx ignores it and derives the domain from pods.
pub const JOB_ALLOCATED_HYPERNODE: &str = "volcano.sh/job-allocated-hypernode";

/// Label on everything a ModelServing owns: its name.
pub const MODEL_SERVING_NAME: &str = "modelserving.volcano.sh/name";
/// Label: the ServingGroup, `<ms>-<i>`.
pub const MODEL_SERVING_GROUP: &str = "modelserving.volcano.sh/group-name";
/// Label: the role name.
pub const MODEL_SERVING_ROLE: &str = "modelserving.volcano.sh/role";
/// Label: the role replica, `<role>-<j>`.
pub const MODEL_SERVING_ROLE_ID: &str = "modelserving.volcano.sh/role-id";
/// Label: the revision the pod was built from.
pub const MODEL_SERVING_REVISION: &str = "modelserving.volcano.sh/revision";
/// Label: the hash of the role template the pod was built from.
pub const MODEL_SERVING_ROLE_TEMPLATE_HASH: &str = "modelserving.volcano.sh/role-template-hash";
/// Label on entry pods only: `"true"`.
pub const MODEL_SERVING_ENTRY: &str = "modelserving.volcano.sh/entry";
/// Prefix of the keys that only the controller may set.
pub const MODEL_SERVING_PREFIX: &str = "modelserving.volcano.sh/";
/// Pod annotation read at scale-down: pods with a lower cost go first.
pub const POD_DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Environment variable: pods in the role replica, `workerReplicas + 1`.
pub const ENV_GROUP_SIZE: &str = "GROUP_SIZE";
/// Environment variable: `<entry pod>.<namespace>`.
pub const ENV_ENTRY_ADDRESS: &str = "ENTRY_ADDRESS";
/// Environment variable: 0 for the entry pod, 1.. for workers.
pub const ENV_WORKER_INDEX: &str = "WORKER_INDEX";

/// Node label: the host name; the last level of every label topology.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
/// apiVersion of PodGroup and Queue.
pub const SCHEDULING_V1BETA1: &str = "scheduling.volcano.sh/v1beta1";
/// apiVersion of HyperNode.
pub const TOPOLOGY_V1ALPHA1: &str = "topology.volcano.sh/v1alpha1";
/// apiVersion of ModelServing.
pub const WORKLOAD_V1ALPHA1: &str = "workload.serving.volcano.sh/v1alpha1";
