//! How many volumes of a CSI driver a node takes (`CSINode`), counted as a resource of each driver that some node limits.
//!
//! A pod takes one for each of its claims of that driver: of the volume that the claim is bound to, else of the class that
//! will make it. kube-scheduler (`NodeVolumeLimits`) counts a volume once a node; here each pod counts its own, so that
//! pods which share a volume on one node take more than they need, never less. A node that says no number has no limit.

use super::{Volumes, claims};
use crate::api::core::{CsiNode, Pod};
use crate::cluster::ids::{PodId, ResourceId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a node without a limit takes.
pub(in crate::cluster) const UNLIMITED: i64 = 1 << 30;

/// Limits by node, and the resources that stand for drivers.
#[derive(Debug, Default)]
pub(in crate::cluster) struct Limits {
    /// By name of the node, then of the driver.
    nodes: BTreeMap<String, BTreeMap<String, i64>>,
    /// Drivers of which some node has or had a limit.
    drivers: BTreeMap<String, ResourceId>,
}

impl Limits {
    /// Takes in what a node says; returns the drivers whose limit there is another now.
    pub(in crate::cluster) fn put(&mut self, node: &CsiNode) -> Vec<String> {
        let limits = node.spec.drivers.iter().filter_map(|driver| {
            let count = driver.allocatable.as_ref()?.count?;
            Some((driver.name.clone(), i64::from(count.max(0))))
        });
        self.replace(&node.metadata.name, limits.collect())
    }

    /// The node says nothing any more; returns the drivers that had a limit there.
    pub(in crate::cluster) fn remove(&mut self, node: &str) -> Vec<String> {
        self.replace(node, BTreeMap::new())
    }

    fn replace(&mut self, node: &str, limits: BTreeMap<String, i64>) -> Vec<String> {
        let before = self.nodes.remove(node).unwrap_or_default();
        let names: BTreeSet<&String> = before.keys().chain(limits.keys()).collect();
        let changed = names.into_iter().filter(|name| before.get(*name) != limits.get(*name));
        let changed = changed.cloned().collect();
        if !limits.is_empty() {
            self.nodes.insert(node.to_owned(), limits);
        }
        changed
    }

    /// The resource of a driver, if it is counted.
    pub(in crate::cluster) fn resource(&self, driver: &str) -> Option<ResourceId> {
        self.drivers.get(driver).copied()
    }

    /// From now on the driver is counted.
    pub(in crate::cluster) fn count(&mut self, driver: &str, resource: ResourceId) {
        self.drivers.insert(driver.to_owned(), resource);
    }

    /// How many volumes the node takes of the driver that the resource stands for; 0 if it stands for none.
    pub(in crate::cluster) fn of(&self, resource: ResourceId, node: &str) -> i64 {
        let mut drivers = self.drivers.iter();
        drivers.find(|&(_, &counted)| counted == resource).map_or(0, |(driver, _)| {
            self.nodes.get(node).and_then(|limits| limits.get(driver)).copied().unwrap_or(UNLIMITED)
        })
    }

    /// Does the resource stand for a driver?
    pub(in crate::cluster) fn stands_for(&self, resource: ResourceId) -> bool {
        self.drivers.values().any(|&counted| counted == resource)
    }

    /// Is no driver counted?
    pub(in crate::cluster) fn is_empty(&self) -> bool {
        self.drivers.is_empty()
    }
}

impl Volumes {
    /// Volumes that a pod takes, by driver, and of those that exist, by kind; ascending by resource.
    pub(in crate::cluster) fn takes(&self, pod: &Pod, id: Option<PodId>) -> Vec<(ResourceId, i64)> {
        if self.limits.is_empty() && self.stock.is_empty() {
            Vec::new()
        } else {
            self.count(&claims(pod), id)
        }
    }

    /// The same of a pod that was taken in.
    pub(in crate::cluster) fn taken_by(&self, pod: PodId) -> Vec<(ResourceId, i64)> {
        self.consumers.get(&pod).map_or(Vec::new(), |consumer| self.count(&consumer.claims, Some(pod)))
    }

    /// Pods that use claims.
    pub(in crate::cluster) fn all_users(&self) -> BTreeSet<PodId> {
        self.users.values().flatten().copied().collect()
    }

    fn count(&self, claims: &[Arc<str>], pod: Option<PodId>) -> Vec<(ResourceId, i64)> {
        let mut counts: BTreeMap<ResourceId, i64> = BTreeMap::new();
        let claims: BTreeSet<&Arc<str>> = claims.iter().collect();
        for claim in claims {
            for resource in self.driver(claim).into_iter().chain(self.kinds(claim, pod)) {
                *counts.entry(resource).or_default() += 1;
            }
        }
        counts.into_iter().collect()
    }

    /// Who attaches the volume that a claim has or will have, if that is counted. A volume that is not known yet is of the
    /// class of its claim.
    fn driver(&self, claim: &str) -> Option<ResourceId> {
        let claim = self.claims.get(claim)?;
        let driver = match self.volumes.get(&claim.volume) {
            Some(volume) => volume.driver.as_ref()?,
            None => &self.classes.get(&claim.class)?.provisioner,
        };
        self.limits.resource(driver)
    }
}
