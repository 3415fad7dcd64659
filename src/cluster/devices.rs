//! Devices by claim: what drivers publish, what claims hold, which pods want what, and which devices a claim gets.
//!
//! `catalogue` keeps slices, classes and taint rules; `pools` says what a node sees of them; `usage` what claims hold.
//! `plan` reads a claim, `search` finds devices for several claims at once, `allocate` writes the result as kube-scheduler
//! would, `count` says how many pods fit. Expressions are checked and computed in `cel`, their answers kept in `selectors`.
//! `claims` knows who uses which claim, `profiles` what pods still ask for, as counted resources. [`Devices`] owns it all,
//! and belongs to [`super::Cluster`].
//!
//! Demands are counted first, devices picked last: placement asks how many pods of a class a node takes; which device is
//! which is decided once per node, for all that is promised there, when pods are bound.

mod allocate;
mod capacity;
mod catalogue;
pub mod cel;
mod claims;
mod compute_domain;
mod constraint;
mod count;
mod extended;
mod grant;
mod plan;
mod pools;
mod profiles;
mod search;
mod selectors;
mod shortage;
#[cfg(test)]
mod tests;
mod usage;

pub use allocate::{Allocated, Rules, STEPS, Wanted, allocate};
pub use catalogue::Catalogue;
pub use count::{Count, count, fits};
pub use extended::{Mapping, claim_for};
pub use grant::{Conditions, Grant, Held, Left, Made, Version};
pub use pools::NodeView;
pub use usage::Usage;

pub(super) use claims::Demands;
pub(super) use profiles::{DeviceDemand, ProfileId, Site};
pub(super) use shortage::Shortage;

use super::ids::{NodeId, PodId, ResourceId};
use super::labels::LabelSets;
use super::nodes::Nodes;
use crate::api::core::Pod;
use crate::api::device::{DeviceClass, DeviceTaintRule, ResourceClaim, ResourceSlice};
use claims::{Changed, Claims};
use profiles::Profiles;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// Slices, classes, claims, and what pods want of them.
#[derive(Debug, Default)]
pub struct Devices {
    catalogue: Catalogue,
    claims: Claims,
    profiles: Profiles,
    /// Extended resources that classes serve, by name; those of them that pods have asked for have a resource.
    served: BTreeMap<String, Option<ResourceId>>,
    /// Of those, what device plugins of nodes give.
    plugged: FxHashMap<NodeId, Vec<ResourceId>>,
}

/// Devices with the nodes that they are asked about.
#[derive(Clone, Copy)]
pub struct DevicesView<'a> {
    pub(super) devices: &'a Devices,
    pub(super) nodes: &'a Nodes,
    pub(super) labels: &'a LabelSets,
    /// Have the pods that are asked about different profiles? Then what fits of one depends on what is taken of others.
    pub(super) is_mixed: bool,
}

/// Nodes whose counts may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    Nodes(BTreeSet<String>),
    All,
}

impl Devices {
    /// A slice is new or changed: the nodes that see its pools.
    pub(super) fn put_slice(&mut self, slice: &ResourceSlice) -> Option<Touched> {
        let name = &slice.metadata.name;
        let was_open = self.catalogue.is_open(name);
        let before = self.catalogue.pool_of(name).map(|pool| self.near(&pool.0, &pool.1));
        if !self.catalogue.put_slice(slice) {
            return None;
        }
        let after = self.near(&slice.spec.driver, &slice.spec.pool.name);
        let touched = before.map_or(after.clone(), |before| before.joined(after));
        Some(self.reread(touched, was_open || self.catalogue.is_open(name)))
    }

    /// A slice is gone: the nodes that saw its pool.
    pub(super) fn drop_slice(&mut self, name: &str) -> Option<Touched> {
        let (driver, pool) = self.catalogue.pool_of(name)?;
        let near = self.near(&driver, &pool);
        let is_open = self.catalogue.is_open(name);
        self.catalogue.drop_slice(name);
        Some(self.reread(near, is_open))
    }

    fn reread(&mut self, touched: Touched, is_open: bool) -> Touched {
        if is_open {
            self.profiles.read_again(&self.catalogue);
        }
        // What an expression could not be computed of may be gone.
        if self.profiles.retry() || is_open { Touched::All } else { touched }
    }

    /// A class is new or changed. Does that matter?
    pub(super) fn put_class(&mut self, class: &DeviceClass) -> bool {
        let changed = self.catalogue.put_class(class);
        if changed {
            self.serve_again();
        }
        changed
    }

    /// A class is gone. Was it known?
    pub(super) fn drop_class(&mut self, name: &str) -> bool {
        let changed = self.catalogue.drop_class(name);
        if changed {
            self.serve_again();
        }
        changed
    }

    fn serve_again(&mut self) {
        self.profiles.read_again(&self.catalogue);
        let before = std::mem::take(&mut self.served);
        for name in self.catalogue.extended_names() {
            let known = before.get(&name).copied().flatten();
            self.served.insert(name, known);
        }
        // Named by a class outright: served for as long as the class is there.
        for (name, known) in before {
            if self.catalogue.class_of_resource(&name).is_some() {
                self.served.entry(name).or_insert(known);
            }
        }
    }

    /// Does a class serve an extended resource? Notes the resource that stands for it: `Some(true)` if it was not known.
    pub(super) fn serves(&mut self, name: &str, resource: ResourceId) -> Option<bool> {
        self.catalogue.class_of_resource(name)?;
        let known = self.served.insert(name.to_owned(), Some(resource));
        Some(known.flatten().is_none())
    }

    /// Is there any class?
    pub(super) fn has_classes(&self) -> bool {
        self.catalogue.has_classes()
    }

    /// Extended resources that classes serve and pods ask for.
    pub(super) fn served(&self) -> impl Iterator<Item = (&str, ResourceId)> {
        self.served.iter().filter_map(|(name, resource)| Some((name.as_str(), (*resource)?)))
    }

    /// Is this extended resource served by a class?
    pub(super) fn is_served(&self, resource: ResourceId) -> bool {
        self.served.values().any(|&served| served == Some(resource))
    }

    /// What a device plugin of a node gives of the extended resources that classes serve.
    pub(super) fn plug(&mut self, node: NodeId, resources: Vec<ResourceId>) {
        let known = match resources.is_empty() {
            true => self.plugged.remove(&node).unwrap_or_default(),
            false => self.plugged.insert(node, resources.clone()).unwrap_or_default(),
        };
        if known != resources {
            self.profiles.forget_node(node);
        }
    }

    /// That, as last told.
    pub(super) fn plugged(&self, node: NodeId) -> &[ResourceId] {
        self.plugged.get(&node).map_or(&[], Vec::as_slice)
    }

    /// How many devices a node sees that the class of an extended resource selects, free or not.
    pub(super) fn devices_of(&self, extended: &str, view: NodeView<'_>) -> i64 {
        self.catalogue.devices_of(extended, view)
    }

    /// Is there any class, or does any pod use claims? Then slices and claims matter.
    pub(super) fn are_used(&self) -> bool {
        self.claims.are_used() || self.catalogue.has_classes()
    }

    /// A taint rule is new or changed. Does that matter?
    pub(super) fn put_rule(&mut self, rule: &DeviceTaintRule) -> bool {
        let changed = self.catalogue.put_rule(rule);
        if changed {
            self.profiles.forget();
        }
        changed
    }

    /// A taint rule is gone. Was it known?
    pub(super) fn drop_rule(&mut self, name: &str) -> bool {
        let changed = self.catalogue.drop_rule(name);
        if changed {
            self.profiles.forget();
        }
        changed
    }

    /// A claim is new or changed: pods to be judged anew, the pod (`namespace/name`) whose extended resources it serves, and
    /// nodes whose counts may have changed.
    pub(super) fn put_claim(
        &mut self,
        claim: &ResourceClaim,
    ) -> Option<(Vec<PodId>, Option<String>, Touched)> {
        let changed = self.claims.put(claim)?;
        Some(self.consequences(changed))
    }

    /// A claim is gone.
    pub(super) fn drop_claim(
        &mut self,
        namespace: &str,
        name: &str,
    ) -> Option<(Vec<PodId>, Option<String>, Touched)> {
        let changed = self.claims.remove(namespace, name)?;
        Some(self.consequences(changed))
    }

    fn consequences(&self, changed: Changed) -> (Vec<PodId>, Option<String>, Touched) {
        let results = changed.moved.iter().flat_map(|allocation| &allocation.devices.results);
        let touched = results.fold(Touched::Nodes(BTreeSet::new()), |touched, device| {
            touched.joined(self.near(&device.driver, &device.pool))
        });
        (changed.pods, changed.owner, touched)
    }

    /// The nodes that may see a pool.
    fn near(&self, driver: &str, pool: &str) -> Touched {
        match self.catalogue.nodes_of_pool(driver, pool) {
            (_, true) => Touched::All,
            (nodes, false) => Touched::Nodes(nodes),
        }
    }

    /// What a node sees, or what is in use there, has changed.
    pub(super) fn forget_node(&mut self, node: NodeId) {
        self.profiles.forget_node(node);
    }

    /// Ids of nodes have been given to others, and profiles that no pod has are not counted any more.
    pub(super) fn sweep(&mut self, is_needed: impl Fn(ResourceId) -> bool) {
        self.profiles.retain(is_needed);
    }

    /// Has this pod anything to do with claims?
    pub(super) fn concern(&self, pod: &Pod) -> bool {
        !pod.spec.resource_claims.is_empty()
    }

    /// Takes in what a pod uses. Returns other pods whose verdict that may change.
    pub(super) fn enter(&mut self, id: PodId, pod: &Pod, wants_node: bool) -> Vec<PodId> {
        self.claims.enter(id, pod, wants_node)
    }

    /// Forgets a pod. Returns other pods whose verdict that may change.
    pub(super) fn leave(&mut self, id: PodId) -> Vec<PodId> {
        self.claims.leave(id)
    }

    /// Pods that use claims.
    pub(super) fn all_users(&self) -> BTreeSet<PodId> {
        self.claims.all_users()
    }

    /// The pod as it was taken in, if it uses claims and wants a node.
    pub(super) fn pod(&self, id: PodId) -> Option<&Pod> {
        self.claims.pod(id)
    }

    /// What the claims of a pod come to now.
    pub(super) fn demands(&self, id: Option<PodId>, pod: &Pod) -> Demands {
        self.claims.demands(id, pod, &self.catalogue)
    }

    /// The pod with what its claims add to it.
    pub(super) fn joined(&self, pod: &Pod) -> Option<Pod> {
        self.claims.joined(pod, &self.catalogue)
    }

    /// Where the devices for a pod's extended resources are, if they are allocated: a selector, or anywhere.
    pub(super) fn extended_reach(&self, uid: &str) -> Option<Option<&crate::api::core::NodeSelector>> {
        let (_, claim) = self.claims.extended_of(uid)?;
        Some(claim.allocation.as_ref()?.node_selector.as_ref())
    }

    /// The resource of a profile, if it is known, and whether it is counted from now on only.
    pub(super) fn find(&mut self, asked: &DeviceDemand) -> Option<(ResourceId, bool)> {
        let (id, resource) = self.profiles.find(asked)?;
        Some((resource, self.profiles.activate(id)))
    }

    /// A profile is new; the resource stands for it.
    pub(super) fn add(&mut self, asked: &DeviceDemand, resource: ResourceId) {
        self.profiles.add(asked, resource, &self.catalogue);
    }

    /// What a profile asks for, in words.
    pub(super) fn words(asked: &DeviceDemand) -> String {
        profiles::words(asked)
    }

    /// Does the resource stand for a profile?
    pub(super) fn stands_for(&self, resource: ResourceId) -> bool {
        self.profiles.of(resource).is_some()
    }

    /// What a profile asks for, by its resource.
    pub(super) fn asked(&self, resource: ResourceId) -> Option<&DeviceDemand> {
        Some(self.profiles.asked(self.profiles.of(resource)?))
    }

    /// Why a profile fits nowhere, by its resource.
    pub(super) fn fault(&self, resource: ResourceId) -> Option<&str> {
        self.profiles.fault(self.profiles.of(resource)?)
    }

    /// Profiles that are counted, with their resources.
    pub(super) fn active(&self) -> Vec<(ProfileId, ResourceId)> {
        self.profiles.active()
    }

    /// One pod more, or less, of these requests is promised on a node. Does that change what others count, and where?
    pub(super) fn promise(
        &mut self,
        node: NodeId,
        requests: &[(ResourceId, i64)],
        more: bool,
    ) -> Option<bool> {
        let id = requests.iter().find_map(|&(resource, _)| self.profiles.of(resource))?;
        self.profiles.promise(node, id, more);
        let is_wide = self.profiles.is_wide(id);
        (is_wide || self.profiles.active().len() > 1).then_some(is_wide)
    }

    /// Why a node takes no more pods of what a resource stands for; `None` if it sees no device at all.
    pub(super) fn shortage_of(
        &self,
        resource: ResourceId,
        node: NodeId,
        view: NodeView<'_>,
    ) -> Option<Shortage> {
        let site = Site { id: node, view, plugged: self.plugged(node) };
        self.shortage(self.profiles.of(resource)?, site)
    }

    /// How many pods of a profile fit on a node beside what is promised.
    pub(super) fn count(&mut self, id: ProfileId, node: NodeId, view: NodeView<'_>) -> u32 {
        let promised = self.profiles.promised(node);
        let plugged = self.plugged.get(&node).map_or(&[][..], Vec::as_slice);
        let site = Site { id: node, view, plugged };
        self.profiles.count(id, &promised, &self.catalogue, &self.claims.usage, site)
    }
}

impl Touched {
    fn joined(self, other: Touched) -> Touched {
        match (self, other) {
            (Touched::Nodes(mut one), Touched::Nodes(other)) => {
                one.extend(other);
                Touched::Nodes(one)
            }
            _ => Touched::All,
        }
    }
}

impl DevicesView<'_> {
    /// The profile of a class with these requests.
    pub(crate) fn profile(&self, requests: &[(ResourceId, i64)]) -> Option<ResourceId> {
        requests.iter().map(|&(resource, _)| resource).find(|&resource| self.devices.stands_for(resource))
    }

    /// May a class with these requests get a device that several nodes reach?
    pub(crate) fn is_wide(&self, requests: &[(ResourceId, i64)]) -> bool {
        let mut profiles = requests.iter().filter_map(|&(resource, _)| self.devices.profiles.of(resource));
        profiles.any(|id| self.devices.profiles.is_wide(id))
    }

    /// Do counts of a class with these requests not add up, over nodes or with other classes?
    pub(crate) fn couples(&self, requests: &[(ResourceId, i64)]) -> bool {
        self.is_mixed && self.profile(requests).is_some() || self.is_wide(requests)
    }

    /// Do so many more pods of these profiles fit on a node beside what is promised?
    pub(crate) fn fit(&self, node: NodeId, more: &[(ResourceId, u32)]) -> bool {
        let devices = self.devices;
        let mut pods = devices.profiles.promised(node);
        for &(resource, count) in more {
            let Some(id) = devices.profiles.of(resource) else { continue };
            match pods.iter_mut().find(|(known, _)| *known == id) {
                Some(known) => known.1 += count,
                None => pods.push((id, count)),
            }
        }
        pods.sort_unstable();
        let labels = self.labels.get(self.nodes.get(node).labels);
        let label = |key: &str| labels.get(key);
        let view = NodeView { name: self.nodes.name(node), label: &label };
        let site = Site { id: node, view, plugged: devices.plugged(node) };
        devices.profiles.fit(&pods, &devices.catalogue, &devices.claims.usage, site)
    }
}
