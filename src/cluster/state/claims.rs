//! What claims, volumes and storage classes mean for pods that wait for a node, and for those that are promised one.

use super::Cluster;
use super::intake::{Holder, with_volumes};
use crate::api::core::Pod;
use crate::cluster::OpenClaim;
use crate::cluster::class::Class;
use crate::cluster::ids::{NodeId, PodId, ResourceId};
use crate::cluster::natural;
use crate::cluster::pods::PodState;
use crate::cluster::requests::VOLUMES_OF;

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
                Some(PodState::Assumed) => {
                    self.unsettled.insert(id);
                    self.recount(id);
                }
                Some(PodState::Bound | PodState::Running) => self.recount(id),
                _ => {}
            }
        }
    }

    /// Every pod that uses claims.
    pub(super) fn judge_all_users(&mut self) {
        let users: Vec<PodId> = self.volumes.all_users().into_iter().collect();
        self.judge(&users);
    }

    /// A pod that has a node may take other volumes than it was known to.
    fn recount(&mut self, id: PodId) {
        let Some(record) = self.pods.get(id).filter(|_| !self.volumes.limits.is_empty()) else { return };
        let class = self.classes.get(record.class);
        let stands = |resource| self.volumes.limits.stands_for(resource);
        let others: Vec<_> = class.requests.iter().filter(|(one, _)| !stands(*one)).copied().collect();
        let requests = with_volumes(&others, &self.volumes.taken_by(id));
        if requests == class.requests {
            return;
        }
        let class = self.classes.intern(Class { requests, ..class.clone() });
        let before = Holder::of(record);
        let Some(record) = self.pods.get_mut(id) else { return };
        record.class = class;
        let after = Holder::of(record);
        self.leave(&before);
        self.enter(&after);
    }

    /// A node takes another number of volumes of these drivers.
    pub(super) fn limit_volumes(&mut self, node: &str, drivers: &[String]) {
        for driver in drivers {
            match self.volumes.limits.resource(driver) {
                Some(resource) => {
                    if let Some(id) = self.nodes.id(node) {
                        self.limit_volume(id, resource);
                    }
                }
                None => {
                    let resource = self.resources.intern(&format!("{VOLUMES_OF}{driver}"));
                    self.volumes.limits.count(driver, resource);
                    let nodes: Vec<NodeId> = self.nodes.present().map(|(id, ..)| id).collect();
                    nodes.into_iter().for_each(|id| self.limit_volume(id, resource));
                    self.judge_all_users();
                }
            }
        }
    }

    fn limit_volume(&mut self, node: NodeId, resource: ResourceId) {
        if !self.capacity.is_present(node) {
            return; // it will be asked for when the node is there
        }
        let limit = self.volumes.limits.of(resource, self.nodes.name(node));
        let before = self.capacity.allocatable(node, resource);
        if limit != before {
            self.capacity.set_allocatable(node, resource, limit);
        }
        if limit > before {
            self.marks.gained.insert(node);
        }
    }

    /// Does any pod use claims? Limits on volumes matter only then.
    pub fn uses_claims(&self) -> bool {
        self.volumes.are_used()
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

    /// Are there claims that are to be bound before the pod is?
    pub fn waits_for_claims(&self, pod: PodId) -> bool {
        self.volumes.open(pod).next().is_some()
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
