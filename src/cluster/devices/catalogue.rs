//! What drivers and administrators publish: slices, classes and taint rules, found by node, pool and name.

use super::pools::{NodeView, gather};
use super::profiles::ANY;
use super::selectors::{Selectors, Shape};
use crate::api::device::{
    DeviceClaim, DeviceClass, DeviceRequest, DeviceTaint, DeviceTaintRule, ExactRequest, ResourceSlice,
    ResourceSliceSpec,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Slices, classes, taint rules.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// By name.
    slices: BTreeMap<String, Slice>,
    /// Names of slices by driver and pool.
    pools: BTreeMap<(String, String), BTreeSet<String>>,
    /// Names of slices by the one node that they name.
    local: BTreeMap<String, BTreeSet<String>>,
    /// Names of slices that do not name one node.
    open: BTreeSet<String>,
    /// By name.
    classes: BTreeMap<String, DeviceClass>,
    rules: BTreeMap<String, DeviceTaintRule>,
    /// Answers of expressions; derived, so that asking does not change what is believed.
    pub(super) selectors: RefCell<Selectors>,
}

/// A slice, with the descriptions of its devices.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) name: String,
    pub(super) spec: ResourceSliceSpec,
    pub(super) shapes: Vec<Shape>,
}

impl Catalogue {
    /// Takes in a slice. `false` if it is known as it is.
    pub fn put_slice(&mut self, slice: &ResourceSlice) -> bool {
        let name = slice.metadata.name.clone();
        if self.slices.get(&name).is_some_and(|known| known.spec == slice.spec) {
            return false;
        }
        self.drop_slice(&name);
        let spec = slice.spec.clone();
        let selectors = self.selectors.get_mut();
        let shapes = spec.devices.iter().map(|device| selectors.shape(&spec.driver, device)).collect();
        let pool = (spec.driver.clone(), spec.pool.name.clone());
        self.pools.entry(pool).or_default().insert(name.clone());
        match spec.node_name.as_deref().filter(|node| !node.is_empty()) {
            Some(node) => self.local.entry(node.to_owned()).or_default().insert(name.clone()),
            None => self.open.insert(name.clone()),
        };
        self.slices.insert(name.clone(), Slice { name, spec, shapes });
        true
    }

    /// Forgets a slice. `false` if it was not known.
    pub fn drop_slice(&mut self, name: &str) -> bool {
        let Some(slice) = self.slices.remove(name) else { return false };
        let pool = (slice.spec.driver, slice.spec.pool.name);
        if let Some(names) = self.pools.get_mut(&pool) {
            names.remove(name);
            if names.is_empty() {
                self.pools.remove(&pool);
            }
        }
        let node = slice.spec.node_name.unwrap_or_default();
        if let Some(names) = self.local.get_mut(&node) {
            names.remove(name);
            if names.is_empty() {
                self.local.remove(&node);
            }
        }
        self.open.remove(name);
        true
    }

    /// Takes in a class. `false` if it is known as it is.
    pub fn put_class(&mut self, class: &DeviceClass) -> bool {
        let known = self.classes.insert(class.metadata.name.clone(), class.clone());
        known.is_none_or(|known| {
            known.spec != class.spec || known.metadata.creation_timestamp != class.metadata.creation_timestamp
        })
    }

    /// Forgets a class. `false` if it was not known.
    pub fn drop_class(&mut self, name: &str) -> bool {
        self.classes.remove(name).is_some()
    }

    /// Takes in a taint rule. `false` if it is known as it is.
    pub fn put_rule(&mut self, rule: &DeviceTaintRule) -> bool {
        let known = self.rules.insert(rule.metadata.name.clone(), rule.clone());
        known.is_none_or(|known| known.spec != rule.spec)
    }

    /// Forgets a taint rule. `false` if it was not known.
    pub fn drop_rule(&mut self, name: &str) -> bool {
        self.rules.remove(name).is_some()
    }

    /// Is there any slice?
    pub fn has_slices(&self) -> bool {
        !self.slices.is_empty()
    }

    /// A class by name.
    pub(super) fn class(&self, name: &str) -> Option<&DeviceClass> {
        self.classes.get(name)
    }

    /// The class that serves an extended resource: the one that names it, of several the newest and then the first by
    /// name; or the one that the resource names (`deviceclass.resource.kubernetes.io/NAME`).
    pub(super) fn class_of_resource(&self, resource: &str) -> Option<&DeviceClass> {
        if let Some(name) = resource.strip_prefix("deviceclass.resource.kubernetes.io/") {
            return self.class(name);
        }
        let named = self
            .classes
            .values()
            .filter(|class| class.spec.extended_resource_name.as_deref() == Some(resource));
        named.reduce(|best, class| {
            let newer = class.metadata.creation_timestamp > best.metadata.creation_timestamp;
            if newer { class } else { best }
        })
    }

    /// Extended resources that classes name.
    pub(super) fn extended_names(&self) -> BTreeSet<String> {
        self.classes.values().filter_map(|class| class.spec.extended_resource_name.clone()).collect()
    }

    /// A claim for so much of an extended resource.
    pub(super) fn claim_of(&self, extended: &str, amount: i64) -> Option<DeviceClaim> {
        let class = self.class_of_resource(extended)?;
        let exactly = ExactRequest {
            device_class_name: class.metadata.name.clone(),
            count: Some(amount),
            ..ExactRequest::default()
        };
        let request =
            DeviceRequest { name: extended.to_owned(), exactly: Some(exactly), ..DeviceRequest::default() };
        Some(DeviceClaim { requests: vec![request], ..DeviceClaim::default() })
    }

    /// How many devices a node sees that the class of an extended resource selects, free or not.
    pub(super) fn devices_of(&self, extended: &str, node: NodeView<'_>) -> i64 {
        let Some(class) = self.class_of_resource(extended) else { return 0 };
        let pools = gather(self, node);
        let mut selectors = self.selectors.borrow_mut();
        let expressions = class.spec.selectors.iter().filter_map(|selector| selector.cel.as_ref());
        let expressions: Vec<_> = expressions.map(|cel| selectors.expression(&cel.expression)).collect();
        let devices = pools.iter().flat_map(|pool| &pool.devices).filter(|device| device.is_reached);
        let of_class = devices
            .filter(|device| expressions.iter().all(|&one| selectors.selects(one, device.shape) == Ok(true)));
        // Of a device that may be shared, more than one.
        of_class.map(|device| if device.device.is_sharable() { i64::from(ANY) } else { 1 }).sum()
    }

    /// Slices that may concern a node: those that name it, and those that name none; by name.
    pub(super) fn near(&self, node: &str) -> impl Iterator<Item = &Slice> {
        self.local.get(node).into_iter().flatten().chain(&self.open).filter_map(|name| self.slices.get(name))
    }

    /// Descriptions of devices in slices that name one node.
    pub(super) fn local_shapes(&self) -> impl Iterator<Item = Shape> {
        let names = self.local.values().flatten();
        names.filter_map(|name| self.slices.get(name)).flat_map(|slice| slice.shapes.iter().copied())
    }

    /// Does a slice name no single node, so that several may reach its devices?
    pub(super) fn is_open(&self, slice: &str) -> bool {
        self.open.contains(slice)
    }

    /// Is there any class?
    pub fn has_classes(&self) -> bool {
        !self.classes.is_empty()
    }

    /// Slices that do not name one node.
    pub(super) fn open_slices(&self) -> impl Iterator<Item = &Slice> {
        self.open.iter().filter_map(|name| self.slices.get(name))
    }

    /// The nodes that slices of a pool name, and whether others may reach it, too.
    pub(super) fn nodes_of_pool(&self, driver: &str, pool: &str) -> (BTreeSet<String>, bool) {
        let mut nodes = BTreeSet::new();
        let mut is_open = false;
        for slice in self.of_pool(driver, pool) {
            match slice.spec.node_name.as_deref().filter(|node| !node.is_empty()) {
                Some(node) => {
                    nodes.insert(node.to_owned());
                }
                None => is_open = true,
            }
        }
        (nodes, is_open)
    }

    /// Driver and pool of a slice.
    pub(super) fn pool_of(&self, slice: &str) -> Option<(String, String)> {
        let spec = &self.slices.get(slice)?.spec;
        Some((spec.driver.clone(), spec.pool.name.clone()))
    }

    /// All slices of a pool, whatever their generation.
    pub(super) fn of_pool(&self, driver: &str, pool: &str) -> impl Iterator<Item = &Slice> {
        let names = self.pools.get(&(driver.to_owned(), pool.to_owned())).into_iter().flatten();
        names.filter_map(|name| self.slices.get(name))
    }

    /// Taints that rules put on a device.
    pub(super) fn taints_of(
        &self,
        driver: &str,
        pool: &str,
        device: &str,
    ) -> impl Iterator<Item = &DeviceTaint> {
        let rules = self.rules.values().filter(move |rule| {
            let is = |asked: &Option<String>, name: &str| asked.as_deref().is_none_or(|asked| asked == name);
            rule.spec.device_selector.as_ref().is_none_or(|selector| {
                selector.unknown.is_empty()
                    && is(&selector.driver, driver)
                    && is(&selector.pool, pool)
                    && is(&selector.device, device)
            })
        });
        rules.map(|rule| &rule.spec.taint)
    }
}
