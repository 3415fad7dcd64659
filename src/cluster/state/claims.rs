//! What claims, volumes and storage classes mean for pods that wait for a node, and for those that are promised one.

use super::Cluster;
use crate::api::core::Pod;
use crate::cluster::OpenClaim;
use crate::cluster::ids::{NodeId, PodId};
use crate::cluster::natural;
use crate::cluster::pods::PodState;

impl Cluster {
    /// What the pod uses decides about it, and perhaps about others.
    pub(super) fn use_claims(&mut self, pod: &Pod) {
        if !self.volumes.concern(pod) {
            return;
        }
        let Some(id) = self.pod_id(&pod.metadata.namespace, &pod.metadata.name) else { return };
        let Some(record) = self.pods.get(id) else { return };
        let others = match record.state {
            PodState::Succeeded | PodState::Failed => self.volumes.leave(id),
            state => {
                let wants_node =
                    record.gang.is_some() && matches!(state, PodState::Pending | PodState::Assumed);
                self.volumes.enter(id, pod, wants_node)
            }
        };
        if !others.is_empty() {
            self.judge(&[others.as_slice(), &[id]].concat());
        }
    }

    /// Pods whose claims have changed, or who else uses them.
    pub(super) fn judge(&mut self, pods: &[PodId]) {
        for &id in pods {
            match self.pods.get(id).map(|record| record.state) {
                Some(PodState::Pending) => {
                    if let Some(pod) = self.volumes.pod(id).cloned() {
                        self.update_pod(id, &pod);
                        let gang = self.pods.get(id).and_then(|record| record.gang);
                        self.mark_gang(gang);
                    }
                }
                Some(PodState::Assumed) => drop(self.unsettled.insert(id)),
                _ => {}
            }
        }
    }

    /// Claims of a pod that are to be bound before the pod is. Of the pods of its gang that share one and are promised
    /// nodes, the first by name writes its node on it.
    pub fn unbound_claims(&self, pod: PodId) -> Vec<OpenClaim> {
        let Some(record) = self.pods.get(pod) else { return Vec::new() };
        let comes_before = |other: &PodId| {
            self.pods.get(*other).is_some_and(|other| {
                other.state == PodState::Assumed
                    && other.gang == record.gang
                    && natural::compare(&other.key, &record.key).is_lt()
            })
        };
        let open = self.volumes.open(pod);
        open.map(|claim| OpenClaim {
            name: claim.name.to_owned(),
            names_node: claim.wants_node && !claim.users.iter().any(comes_before),
        })
        .collect()
    }

    /// Are the volumes that the pod uses, as far as they exist, reached from the node?
    pub fn reaches_volumes(&self, pod: PodId, node: NodeId) -> bool {
        let labels = self.labels.get(self.nodes.get(node).labels);
        self.volumes.are_reached(pod, self.nodes.name(node), labels)
    }

    /// Takes out the promised pods whose claims have changed and wait for nothing any more: are their volumes reached
    /// from their nodes? Those first that are not.
    pub fn take_settled(&mut self) -> Vec<(PodId, bool)> {
        let mut settled = Vec::new();
        for pod in std::mem::take(&mut self.unsettled) {
            let promised = self.pods.get(pod).filter(|record| record.state == PodState::Assumed);
            let Some(node) = promised.and_then(|record| record.node) else { continue };
            if !self.reaches_volumes(pod, node) {
                settled.push((pod, false));
            } else if self.volumes.open(pod).next().is_none() {
                settled.push((pod, true));
            }
        }
        settled.sort_by_key(|&(_, reached)| reached);
        settled
    }
}
