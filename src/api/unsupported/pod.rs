//! Pods: gang marks of other schedulers, rules of Volcano's plugins, shares of devices.

use super::{Notice, mark};
use crate::api::gang::membership_in;
use crate::api::keys;
use serde_json::Value;
use std::collections::BTreeSet;

/// Where a mark stands, its key, whose it is.
const GANGS: [(&str, &str, &str); 11] = [
    ("labels", "pod-group.scheduling.sigs.k8s.io", "scheduler-plugins (coscheduling)"),
    ("labels", "pod-group.scheduling.sigs.k8s.io/name", "scheduler-plugins (coscheduling)"),
    ("annotations", "gang.scheduling.koordinator.sh/name", "Koordinator"),
    ("labels", "gang.scheduling.koordinator.sh/name", "Koordinator"),
    ("annotations", "pod-group-name", "KAI Scheduler"),
    ("annotations", "yunikorn.apache.org/task-group-name", "YuniKorn"),
    ("labels", "yunikorn.apache.org/task-group-name", "YuniKorn"),
    ("annotations", "yunikorn.apache.org/task-groups", "YuniKorn"),
    ("labels", "grove.io/podgang", "Grove"),
    ("labels", "kueue.x-k8s.io/pod-group-name", "Kueue"),
    ("annotations", "scheduling.volcano.sh/group-name", "Volcano's controllers"),
];

/// Where a mark stands, its key, what it would do.
const RULES: [(&str, &str, &str); 22] = [
    ("labels", "kai.scheduler/queue", QUEUES),
    ("labels", "runai/queue", QUEUES),
    ("labels", "yunikorn.apache.org/queue", QUEUES),
    ("annotations", "yunikorn.apache.org/queue", QUEUES),
    ("labels", "quota.scheduling.koordinator.sh/name", QUEUES),
    ("annotations", "nvidia.com/use-gputype", "the kind of card is not looked at; write a nodeSelector"),
    ("annotations", "nvidia.com/nouse-gputype", "the kind of card is not looked at; write a nodeSelector"),
    ("annotations", "hami.io/gpu-scheduler-policy", "cards are not chosen"),
    (
        "annotations",
        "leaderworkerset.sigs.k8s.io/exclusive-topology",
        "its group is not kept in a domain of its own",
    ),
    ("annotations", "kueue.x-k8s.io/podset-required-topology", "the pods are not kept in one domain"),
    ("annotations", "kueue.x-k8s.io/podset-preferred-topology", "the pods are not drawn together"),
    ("annotations", "kueue.x-k8s.io/podset-slice-required-topology", "slices are not kept in one domain"),
    ("annotations", "kai.scheduler/topology-required-placement", "the pods are not kept in one domain"),
    ("annotations", "kai.scheduler/topology-preferred-placement", "the pods are not drawn together"),
    ("annotations", "volcano.sh/numa-topology-policy", "NUMA nodes are not looked at"),
    ("annotations", "scheduling.koordinator.sh/numa-topology-spec", "NUMA nodes are not looked at"),
    ("annotations", "volcano.sh/revocable-zone", "revocable nodes are not told apart"),
    ("annotations", "volcano.sh/task-priority", "the pod's own priority counts"),
    (
        "annotations",
        "volcano.sh/jdb-min-available",
        "no disruption budget is kept; write a PodDisruptionBudget",
    ),
    (
        "annotations",
        "volcano.sh/jdb-max-unavailable",
        "no disruption budget is kept; write a PodDisruptionBudget",
    ),
    ("annotations", "run.ai/gpu-fraction", "shares of a card are not counted by card"),
    ("annotations", "gpu-fraction", "shares of a card are not counted by card"),
];

/// What is said of the queues of other schedulers.
const QUEUES: &str =
    "the queue does not limit the pod here; name a Queue of Volcano in spec.queue of its PodGroup";

/// Resources that are shares of one device: the amount on a node may lie on several.
pub(super) const SHARES: [&str; 27] = [
    "volcano.sh/vgpu-memory",
    "volcano.sh/vgpu-memory-percentage",
    "volcano.sh/vgpu-cores",
    "volcano.sh/gpu-memory",
    "nvidia.com/gpumem",
    "nvidia.com/gpumem-percentage",
    "nvidia.com/gpucores",
    "aliyun.com/gpu-mem",
    "aliyun.com/gpu-core.percentage",
    "koordinator.sh/gpu-core",
    "koordinator.sh/gpu-memory",
    "koordinator.sh/gpu-memory-ratio",
    "4pd.io/vgpu-memory",
    "cambricon.com/mlu.smlu.vcore",
    "cambricon.com/mlu.smlu.vmemory",
    "enflame.com/vgcu-percentage",
    "hygon.com/dcucores",
    "hygon.com/dcumem",
    "iluvatar.ai/vcuda-core",
    "iluvatar.ai/vcuda-memory",
    "metax-tech.com/vcore",
    "metax-tech.com/vmemory",
    "mthreads.com/sgpu-core",
    "mthreads.com/sgpu-memory",
    "vke.volcengine.com/mgpu-memory",
    "tencent.com/vcuda-core",
    "tencent.com/vcuda-memory",
];

/// Keys that say in which domain the pods of a PodGroup should be: read by Volcano's controller, which makes the PodGroup.
const TOPOLOGY: [&str; 2] = ["volcano.sh/network-topology-mode", "volcano.sh/network-topology-highest-tier"];

/// Annotations of pods that are read, for those that are written a little differently.
const READ: [&str; 4] = [keys::GROUP_NAME, keys::TASK_SPEC, keys::TASK_INDEX, keys::QUEUE_NAME];

/// Marks that are looked for: where each stands, and its key.
pub(super) fn marks() -> impl Iterator<Item = (&'static str, &'static str)> {
    let listed = GANGS.into_iter().chain(RULES).map(|(part, key, _)| (part, key));
    listed.chain(TOPOLOGY.into_iter().map(|key| ("annotations", key))).chain([("labels", keys::GROUP_NAME)])
}

/// Is the key that of an annotation that is read, but for a few letters?
pub(super) fn is_misspelt(key: &str) -> bool {
    meant(key).is_some()
}

/// The annotation that was probably meant: of the same domain, or of one that is as long and nearly the same.
fn meant(key: &str) -> Option<&'static str> {
    let is_known = || marks().any(|(_, known)| known == key);
    // A key of another domain is somebody else's, unless it is of Kubernetes' schedulers.
    if !key.starts_with("scheduling.") && !key.starts_with("volcano.sh/") || READ.contains(&key) || is_known()
    {
        return None;
    }
    READ.into_iter().find(|read| strsim::osa_distance(read, &key.to_lowercase()) <= 2)
}

pub(super) fn pod(pod: &Value) -> Vec<Notice> {
    let mut notices = Vec::new();
    let in_group = membership_in(pod).is_some();
    if !in_group {
        for (part, key, whose) in GANGS {
            if let Some(value) = mark(pod, part, key) {
                let what = if value.len() <= 63 { format!("{key}: {value}") } else { key.to_owned() };
                notices.push(Notice::new(
                    "GangMarkNotRead",
                    format!(
                        "metadata.{part}: {what} is a gang of {whose}, which is not read, so the pod is placed on its own; name a \
                         PodGroup of {} in the annotation {}",
                        keys::SCHEDULING_V1BETA1,
                        keys::GROUP_NAME
                    ),
                ));
            }
        }
        for key in TOPOLOGY.into_iter().filter(|key| mark(pod, "annotations", key).is_some()) {
            notices.push(Notice::new(
                "RuleNotRead",
                format!("metadata.annotations: {key} is not read; write networkTopology in a PodGroup"),
            ));
        }
    }
    if !in_group && let Some(group) = mark(pod, "labels", keys::GROUP_NAME) {
        let key = keys::GROUP_NAME;
        notices.push(Notice::new(
            "GangMarkNotRead",
            format!(
                "metadata.labels: {key}: {group} is read as an annotation only, so the pod is placed on its own; write it in \
                 metadata.annotations"
            ),
        ));
    }
    let annotations = pod.pointer("/metadata/annotations").and_then(Value::as_object);
    for key in annotations.into_iter().flatten().map(|(key, _)| key) {
        if let Some(meant) = meant(key) {
            let message = format!("metadata.annotations: {key} is not read; did you mean {meant}?");
            notices.push(Notice::new("GangMarkNotRead", message));
        }
    }
    for (part, key, instead) in RULES {
        if mark(pod, part, key).is_some() {
            notices
                .push(Notice::new("RuleNotRead", format!("metadata.{part}: {key} is not read: {instead}")));
        }
    }
    for share in shares(&pod["spec"]) {
        notices.push(Notice::new(
            "SharesNotCountedByCard",
            format!("{share} is a share of one card, and only the sum over a node's cards is counted: a card may be given more than it has"),
        ));
    }
    notices.extend(super::values(pod));
    notices
}

fn shares(spec: &Value) -> BTreeSet<&str> {
    let containers =
        ["containers", "initContainers"].into_iter().filter_map(|list| spec.get(list)?.as_array());
    let lists = containers.flatten().flat_map(|container| {
        ["requests", "limits"]
            .into_iter()
            .filter_map(|part| container.get("resources")?.get(part)?.as_object())
    });
    lists.flatten().map(|(name, _)| name.as_str()).filter(|name| SHARES.contains(name)).collect()
}
