//! What queues use, for the metrics that dashboards for Volcano show.

use crate::cluster::Cluster;
use crate::cluster::gangs::GangRecord;
use crate::cluster::ids::ResourceId;
use std::collections::BTreeMap;

/// Requests of a queue's pods, by resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of pods that have a node.
    pub allocated: BTreeMap<ResourceId, i64>,
    /// Of all pods that have not ended.
    pub request: BTreeMap<ResourceId, i64>,
}

/// By queue, for PodGroups only: pods on their own are in none.
pub fn usage(cluster: &Cluster) -> BTreeMap<String, Usage> {
    use crate::cluster::pods::PodState::{Failed, Succeeded};
    let mut queues: BTreeMap<String, Usage> = BTreeMap::new();
    for (_, gang) in cluster.gangs().iter() {
        let Some(name) = queue(gang) else { continue };
        let usage = match queues.get_mut(name) {
            Some(usage) => usage,
            None => queues.entry(name.to_owned()).or_default(),
        };
        for pod in gang.pods.iter().filter_map(|&pod| cluster.pods().get(pod)) {
            if matches!(pod.state, Succeeded | Failed) {
                continue;
            }
            let requests = cluster.view().classes.get(pod.class).requests.iter();
            for &(resource, amount) in requests.filter(|(one, _)| cluster.resources().claimed(*one).is_none())
            {
                let add = |to: &mut i64| *to = to.saturating_add(amount);
                add(usage.request.entry(resource).or_default());
                if pod.holds().is_some() {
                    add(usage.allocated.entry(resource).or_default());
                }
            }
        }
    }
    queues
}

/// The queue of a PodGroup (`namespace/name`); empty if there is none of that name.
pub fn queue_of<'a>(cluster: &'a Cluster, group: &str) -> &'a str {
    let gang = cluster.gangs().id(group).and_then(|id| cluster.gangs().get(id));
    gang.and_then(queue).unwrap_or_default()
}

fn queue(gang: &GangRecord) -> Option<&str> {
    let name = &gang.group.as_ref()?.spec.queue;
    Some(if name.is_empty() { "default" } else { name })
}
