//! Every label, annotation and environment key that Phalanx reads or writes, and the names of API groups.
//! Sources: volcano `pkg/apis`, kthena `pkg/apis`, kubernetes well-known labels.

/// API of devices by claim.
pub const RESOURCE_V1: &str = "resource.k8s.io/v1";
/// Pod annotation: the PodGroup (same namespace) that the pod belongs to. `super::gang` has the keys of other dialects.
pub const GROUP_NAME: &str = "scheduling.k8s.io/group-name";
/// Pod label: the PodGroup of scheduler-plugins that the pod belongs to.
pub const COSCHEDULING_GROUP: &str = "scheduling.x-k8s.io/pod-group";
/// PodGroup or ModelServing annotation: the queue.
pub const QUEUE_NAME: &str = "scheduling.volcano.sh/queue-name";
/// Pod annotation, else label: the role of the pod within its gang (`minTaskMember` counts by it).
pub const TASK_SPEC: &str = "volcano.sh/task-spec";
/// Pod annotation: the index of the pod within its role.
pub const TASK_INDEX: &str = "volcano.sh/task-index";
/// Pod annotation (`"true"`) and scheduling gate: the gate goes when the pod's queue has room for it.
pub const QUEUE_ALLOCATION_GATE: &str = "scheduling.volcano.sh/queue-allocation-gate";
/// Annotation of a ReplicaSet (a Deployment's is copied there), StatefulSet or Job: so many of its pods run together.
pub const GROUP_MIN_MEMBER: &str = "scheduling.volcano.sh/group-min-member";
/// Begins the annotations that a PodGroup made for pods takes over from their controller.
pub const VOLCANO_PREFIX: &str = "volcano.sh/";
/// Annotation of a PodGroup that was made for pods without one: who made it. Volcano's controller writes none.
pub const GROUPED_BY: &str = "phalanx.dev/grouped-by";
/// PodGroup annotation of earlier releases, which wrote there what was promised: it is not read, and removed.
pub const OLD_RECORD: &str = "phalanx.dev/reservation";
/// Annotation of a device claim: the version at which a new leader found it, when an earlier one could still be writing it.
pub const TAKEN_OVER_AT: &str = "phalanx.dev/taken-over-at";
/// Pod annotation: the topology rule of the PodGroup that is made for it, `hard` or `soft`.
pub const NETWORK_TOPOLOGY_MODE: &str = "volcano.sh/network-topology-mode";
/// Pod annotation: the highest tier of that rule.
pub const NETWORK_TOPOLOGY_HIGHEST_TIER: &str = "volcano.sh/network-topology-highest-tier";
/// Pod annotation or label, handed on to the PodGroup that is made for the pod; not read by Phalanx. So are the next three.
pub const COOLDOWN_TIME: &str = "volcano.sh/cooldown-time";
/// Handed on.
pub const REVOCABLE_ZONE: &str = "volcano.sh/revocable-zone";
/// Handed on.
pub const JDB_MIN_AVAILABLE: &str = "volcano.sh/jdb-min-available";
/// Handed on, unless the one before is there.
pub const JDB_MAX_UNAVAILABLE: &str = "volcano.sh/jdb-max-unavailable";
/// PodGroup annotation: after this span of waiting (Go's notation) the gang should have been placed.
pub const SLA_WAITING_TIME: &str = "volcano.sh/sla-waiting-time";
/// The same, as vcjobs write it; counts where the other is absent.
pub const SLA_WAITING_TIME_SHORT: &str = "sla-waiting-time";
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
/// Label on the one pod of each ServingGroup that the scale selector counts, where no role replica has the same ordinal
/// in all of them. Phalanx's own.
pub const MODEL_SERVING_REPRESENTATIVE: &str = "modelserving.volcano.sh/representative";
/// Annotation of a ControllerRevision: the last replica counts that were wanted of its roles, as JSON, where they differ
/// from those in its immutable data. Phalanx's own.
pub const MODEL_SERVING_ROLE_REPLICAS: &str = "modelserving.volcano.sh/role-replicas";
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

/// Label: the LeaderWorkerSet that a pod belongs to.
pub const LWS_NAME: &str = "leaderworkerset.sigs.k8s.io/name";
/// Label: the ordinal of the group within its LeaderWorkerSet.
pub const LWS_GROUP_INDEX: &str = "leaderworkerset.sigs.k8s.io/group-index";
/// Label: 0 for the leader, 1.. for workers.
pub const LWS_WORKER_INDEX: &str = "leaderworkerset.sigs.k8s.io/worker-index";
/// Label: SHA-1 of `<lws>-<group index>`.
pub const LWS_GROUP_KEY: &str = "leaderworkerset.sigs.k8s.io/group-key";
/// Pod annotation: pods in the group.
pub const LWS_SIZE: &str = "leaderworkerset.sigs.k8s.io/size";
/// Annotation of a LeaderWorkerSet: the node label of whose domains each group has one for itself.
pub const LWS_EXCLUSIVE_TOPOLOGY: &str = "leaderworkerset.sigs.k8s.io/exclusive-topology";
/// The same for the subgroups of a group.
pub const LWS_SUBGROUP_EXCLUSIVE_TOPOLOGY: &str = "leaderworkerset.sigs.k8s.io/subgroup-exclusive-topology";
/// Environment variable: the leader's address.
pub const ENV_LWS_LEADER_ADDRESS: &str = "LWS_LEADER_ADDRESS";
/// Environment variable: pods in the group.
pub const ENV_LWS_GROUP_SIZE: &str = "LWS_GROUP_SIZE";
/// Environment variable: 0 for the leader, 1.. for workers.
pub const ENV_LWS_WORKER_INDEX: &str = "LWS_WORKER_INDEX";

/// Label of a StatefulSet's pod: its name, which the StatefulSet's controller gives it.
pub const STATEFUL_SET_POD_NAME: &str = "statefulset.kubernetes.io/pod-name";

/// Annotation of a PersistentVolumeClaim: the node that was chosen for its first consumer.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// Node label: the host name; the last level of every label topology.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
/// apiVersion of PodGroup and Queue.
pub const SCHEDULING_V1BETA1: &str = "scheduling.volcano.sh/v1beta1";
/// apiVersion of Volcano's Job.
pub const BATCH_V1ALPHA1: &str = "batch.volcano.sh/v1alpha1";
/// apiVersion of HyperNode.
pub const TOPOLOGY_V1ALPHA1: &str = "topology.volcano.sh/v1alpha1";
/// apiVersion of LeaderWorkerSet.
pub const LEADER_WORKER_SET_V1: &str = "leaderworkerset.x-k8s.io/v1";
/// apiVersion of ModelServing.
pub const WORKLOAD_V1ALPHA1: &str = "workload.serving.volcano.sh/v1alpha1";
/// Queue annotation: how long a gang runs before other queues may take its minimum, such as `10m`.
pub const MIN_RUNTIME_RECLAIM: &str = "phalanx.dev/min-runtime-reclaim";
/// Queue annotation: how long a gang runs before gangs of its own queue may take its minimum.
pub const MIN_RUNTIME_PREEMPT: &str = "phalanx.dev/min-runtime-preempt";
/// Annotation of a Queue or a PodGroup: how long a gang waits before anybody is evicted for it.
pub const PREEMPTION_DELAY: &str = "phalanx.dev/preemption-delay";
