//! ReplicaSets: so many pods of one template, each as good as the other.

use super::pods::{count, delete, is_active, is_ready, owned_pods, pod, suffix, surplus, text};
use super::{Observed, WorkloadChange};
use serde_json::json;

pub(super) fn reconcile(observed: &Observed<'_>) -> Vec<WorkloadChange> {
    let set = observed.workload;
    let wanted = count(set, "/spec/replicas").unwrap_or(1);
    let active: Vec<_> = owned_pods(observed).into_iter().filter(|pod| is_active(pod)).collect();
    let ready = active.iter().filter(|pod| is_ready(pod)).count();
    let status = json!({ "replicas": active.len(), "readyReplicas": ready, "availableReplicas": ready });
    let mut changes = vec![WorkloadChange::Status(status)];
    let name = text(set, "/metadata/name");
    for made in 0..wanted.saturating_sub(active.len()) {
        let mut new = pod(&set["spec"]["template"], set, &format!("{name}-{}", suffix(observed, made)));
        new["metadata"]["generateName"] = json!(format!("{name}-"));
        changes.push(WorkloadChange::Create(new));
    }
    changes.extend(surplus(active, wanted).into_iter().filter_map(delete));
    changes
}
