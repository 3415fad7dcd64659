//! What claims, volumes and storage classes mean for pods that wait for a node, and for those that are promised one.

use super::Cluster;
use super::intake::{Holder, with_counted};
use crate::api::core::Pod;
use crate::cluster::OpenClaim;
use crate::cluster::class::Class;
use crate::cluster::ids::{NodeId, PodId, ResourceId};
use crate::cluster::natural;
use crate::cluster::pods::PodState;
use crate::cluster::requests::VOLUMES_OF;
use crate::cluster::volumes::stock::Unallotted;

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
                    self.volumes.release(id);
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
        let counts = !self.volumes.limits.is_empty() || !self.volumes.stock.is_empty();
        let Some(record) = self.pods.get(id).filter(|_| counts) else { return };
        let class = self.classes.get(record.class);
        let stands =
            |resource| self.volumes.limits.stands_for(resource) || self.volumes.stock.stands_for(resource);
        let others: Vec<_> = class.requests.iter().filter(|(one, _)| !stands(*one)).copied().collect();
        let requests = with_counted(&others, &self.volumes.taken_by(id));
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
            takes: claim.takes.map(str::to_owned),
        })
        .collect()
    }

    /// Kinds of existing volumes that the pod's claims ask for are counted from now on.
    pub(super) fn count_kinds(&mut self, pod: &Pod) {
        for (kind, size) in self.volumes.uncounted(pod) {
            let resource = self.resources.intern(&format!("{VOLUMES_OF}{}", kind.describe(size)));
            self.volumes.stock.track(kind, size, resource);
        }
    }

    /// Brings numbers up to date that promises are checked against, outside of a cycle too.
    pub fn refresh_numbers(&mut self) {
        self.refresh_stock();
    }

    /// Brings the numbers of existing volumes that are free up to date.
    pub(super) fn refresh_stock(&mut self) {
        if std::mem::take(&mut self.volumes.stock.is_new) {
            // Who asks for a larger one takes one of these too.
            self.judge_all_users();
        }
        if !std::mem::take(&mut self.volumes.stock.is_stale) || self.volumes.stock.is_empty() {
            return;
        }
        let counts = self.volumes.free(&self.nodes, &self.labels);
        let resources: Vec<ResourceId> = self.volumes.stock.resources().collect();
        let nodes: Vec<NodeId> = self.nodes.present().map(|(id, ..)| id).collect();
        for node in nodes {
            for &resource in &resources {
                let count = counts.get(&(resource, node)).copied().unwrap_or_default();
                let before = self.capacity.allocatable(node, resource);
                if count != before {
                    self.capacity.set_allocatable(node, resource, count);
                }
                if count > before {
                    self.marks.gained.insert(node);
                }
            }
        }
    }

    /// A pod was promised a node: existing volumes are chosen for its claims that wait.
    pub(super) fn choose_volumes(&mut self, pod: PodId, node: NodeId) {
        if self.volumes.stock.is_empty() {
            return;
        }
        let labels = self.labels.get(self.nodes.get(node).labels);
        if !self.volumes.choose(pod, node, self.nodes.name(node), labels) {
            self.unsettled.insert(pod);
        }
    }

    /// Finds an existing volume of its own for each claim that waits of pods that are about to be promised these nodes. Where
    /// there are not enough, says how many of how many claims found one; volumes that several nodes reach then count on
    /// the node alone for which they were found, until [`Cluster::release_homes`]. `false`: there are none to fix.
    pub fn allot_volumes(&mut self, pods: &[(PodId, NodeId)]) -> Result<(), Unallotted> {
        if self.volumes.stock.is_empty() {
            return Ok(());
        }
        let (nodes, labels) = (&self.nodes, &self.labels);
        let result = self.volumes.allot(pods, |node| (nodes.name(node), labels.get(nodes.get(node).labels)));
        if result.is_err() {
            self.refresh_stock();
        }
        result
    }

    /// Volumes that several nodes reach count on all of them again.
    pub fn release_homes(&mut self) {
        if self.volumes.stock.release_homes() {
            self.refresh_stock();
        }
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
