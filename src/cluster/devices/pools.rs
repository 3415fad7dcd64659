//! What a node can see: pools, the slices of their newest generation, and whether they are complete and valid.
//!
//! Semantics: `k8s.io/dynamic-resource-allocation/structured`, gathering of pools. Of the slices that concern a node, per
//! pool, those of the highest generation count. If they are fewer than the pool says, all slices of the pool in the cluster
//! are looked at: a newer generation anywhere makes the pool obsolete here. Nothing is taken from a pool that is incomplete
//! or invalid.

use super::catalogue::{Catalogue, Slice};
use super::selectors::Shape;
use super::usage::{DeviceKey, key};
use crate::api::core::{NodeSelector, NodeSelectorTerm};
use crate::api::device::{CounterSet, Device, DeviceTaint};
use crate::api::meta::{LabelSelectorRequirement, SelectorOperator};
use std::collections::{BTreeMap, BTreeSet};

/// A node, as far as devices ask.
#[derive(Clone, Copy)]
pub struct NodeView<'a> {
    /// Its name.
    pub name: &'a str,
    /// The value of a label.
    pub label: &'a dyn Fn(&str) -> Option<&'a str>,
}

/// A pool that a node sees.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    pub(super) driver: &'a str,
    pub(super) name: &'a str,
    pub(super) state: PoolState,
    /// In the order in which they are tried.
    pub(super) devices: Vec<Candidate<'a>>,
    pub(super) counters: Vec<&'a CounterSet>,
    /// Devices of the pool that other nodes reach: they charge the same counters.
    pub(super) elsewhere: Vec<&'a Device>,
}

/// Can devices be taken from a pool?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PoolState {
    Complete,
    /// So many slices are there, of so many.
    Incomplete(usize, i64),
    Invalid(String),
}

/// A device that a node sees.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) key: DeviceKey,
    pub(super) driver: &'a str,
    pub(super) pool: &'a str,
    pub(super) device: &'a Device,
    pub(super) slice: &'a Slice,
    pub(super) shape: Shape,
    /// Its own taints, and those of rules.
    pub(super) taints: Vec<&'a DeviceTaint>,
    /// Does the node reach it?
    pub(super) is_reached: bool,
}

/// The pools that a node sees, in the order in which they are tried: by driver and name, those with a device that has
/// binding conditions last.
pub(super) fn gather<'a>(catalogue: &'a Catalogue, node: NodeView<'_>) -> Vec<Pool<'a>> {
    let mut pools: BTreeMap<(&str, &str), Vec<&Slice>> = BTreeMap::new();
    for slice in catalogue.near(node.name).filter(|slice| concerns(slice, node)) {
        let spec = &slice.spec;
        let slices = pools.entry((&spec.driver, &spec.pool.name)).or_default();
        match slices.first().map(|known| known.spec.pool.generation) {
            Some(known) if known > spec.pool.generation => {}
            Some(known) if known < spec.pool.generation => *slices = vec![slice],
            _ => slices.push(slice),
        }
    }
    let pools =
        pools.into_iter().filter_map(|((driver, name), slices)| pool(catalogue, driver, name, slices, node));
    let mut pools: Vec<Pool<'a>> = pools.collect();
    pools.sort_by_key(|pool| pool.devices.iter().any(|device| !device.device.binding_conditions.is_empty()));
    pools
}

fn pool<'a>(
    catalogue: &'a Catalogue,
    driver: &'a str,
    name: &'a str,
    mut slices: Vec<&'a Slice>,
    node: NodeView<'_>,
) -> Option<Pool<'a>> {
    let first = slices.first()?.spec.pool.clone();
    let all: Vec<&Slice> = catalogue.of_pool(driver, name).collect();
    let current = || all.iter().copied().filter(|slice| slice.spec.pool.generation == first.generation);
    let mut have = slices.len();
    if have as i64 != first.resource_slice_count {
        if all.iter().any(|slice| slice.spec.pool.generation > first.generation) {
            return None;
        }
        have = current().count();
    }
    slices.sort_by(|a, b| a.name.cmp(&b.name));
    let counters: Vec<&CounterSet> = current().flat_map(|slice| &slice.spec.shared_counters).collect();
    let state = if have as i64 != first.resource_slice_count {
        PoolState::Incomplete(have, first.resource_slice_count)
    } else {
        problem(&slices, current(), &counters).map_or(PoolState::Complete, PoolState::Invalid)
    };
    let near: BTreeSet<&str> = slices.iter().map(|slice| slice.name.as_str()).collect();
    let elsewhere = current().filter(|slice| !near.contains(slice.name.as_str()));
    let elsewhere =
        elsewhere.flat_map(|slice| &slice.spec.devices).filter(|it| !it.consumes_counters.is_empty());
    let elsewhere = elsewhere.collect();
    let devices = slices.iter().flat_map(|slice| {
        slice.spec.devices.iter().zip(&slice.shapes).map(move |(device, &shape)| Candidate {
            key: key(driver, name, &device.name),
            driver,
            pool: name,
            device,
            slice,
            shape,
            taints: device.taints.iter().chain(catalogue.taints_of(driver, name, &device.name)).collect(),
            is_reached: slice.spec.per_device_node_selection != Some(true) || reaches_device(device, node),
        })
    });
    Some(Pool { driver, name, state, devices: devices.collect(), counters, elsewhere })
}

/// What makes a pool invalid.
fn problem<'a>(
    near: &[&'a Slice],
    all: impl Iterator<Item = &'a Slice>,
    counters: &[&'a CounterSet],
) -> Option<String> {
    let mut names = BTreeSet::new();
    for device in near.iter().flat_map(|slice| &slice.spec.devices) {
        if !names.insert(&device.name) {
            return Some(format!("device {} is there twice", device.name));
        }
    }
    let mut sets: BTreeMap<&str, &CounterSet> = BTreeMap::new();
    for set in counters {
        if sets.insert(&set.name, set).is_some() {
            return Some(format!("counter set {} is there twice", set.name));
        }
    }
    for device in all.flat_map(|slice| &slice.spec.devices) {
        for charge in &device.consumes_counters {
            let Some(set) = sets.get(charge.counter_set.as_str()) else {
                return Some(format!(
                    "device {} charges counter set {}, which the pool does not have",
                    device.name, charge.counter_set
                ));
            };
            if let Some(counter) = charge.counters.keys().find(|name| !set.counters.contains_key(*name)) {
                return Some(format!(
                    "device {} charges counter {counter}, which counter set {} does not have",
                    device.name, set.name
                ));
            }
        }
    }
    None
}

/// Does a slice concern a node?
fn concerns(slice: &Slice, node: NodeView<'_>) -> bool {
    let spec = &slice.spec;
    if !spec.shared_counters.is_empty() {
        return true;
    }
    let (name, selector) = (spec.node_name.as_deref(), spec.node_selector.as_ref());
    if name.is_some_and(|name| !name.is_empty()) || spec.all_nodes == Some(true) || selector.is_some() {
        return reaches(name, spec.all_nodes, selector, node);
    }
    spec.per_device_node_selection == Some(true)
        && spec.devices.iter().any(|device| reaches_device(device, node))
}

fn reaches_device(device: &Device, node: NodeView<'_>) -> bool {
    reaches(device.node_name.as_deref(), device.all_nodes, device.node_selector.as_ref(), node)
}

fn reaches(
    name: Option<&str>,
    all: Option<bool>,
    selector: Option<&NodeSelector>,
    node: NodeView<'_>,
) -> bool {
    match (name, all, selector) {
        (Some(name), ..) if !name.is_empty() => name == node.name,
        (_, Some(true), _) => true,
        (.., Some(selector)) => matches(selector, node),
        _ => false,
    }
}

/// Does a node selector match a node? One of several terms; an empty one matches nothing.
pub(super) fn matches(selector: &NodeSelector, node: NodeView<'_>) -> bool {
    let meets = |term: &NodeSelectorTerm| {
        let is_empty = term.match_expressions.is_empty() && term.match_fields.is_empty();
        let named =
            |asked: &LabelSelectorRequirement| asked.key == "metadata.name" && holds(asked, Some(node.name));
        !is_empty
            && term.match_expressions.iter().all(|asked| holds(asked, (node.label)(&asked.key)))
            && term.match_fields.iter().all(named)
    };
    selector.node_selector_terms.iter().any(meets)
}

fn holds(asked: &LabelSelectorRequirement, value: Option<&str>) -> bool {
    let is_among = || value.is_some_and(|value| asked.values.iter().any(|one| one == value));
    let limit = || asked.values.first().and_then(|limit| limit.parse::<i64>().ok());
    let number = || value.and_then(|value| value.parse::<i64>().ok());
    match asked.operator {
        SelectorOperator::In => is_among(),
        SelectorOperator::NotIn => !is_among(),
        SelectorOperator::Exists => value.is_some(),
        SelectorOperator::DoesNotExist => value.is_none(),
        SelectorOperator::Gt => number().zip(limit()).is_some_and(|(number, limit)| number > limit),
        SelectorOperator::Lt => number().zip(limit()).is_some_and(|(number, limit)| number < limit),
        SelectorOperator::Other(_) => false,
    }
}
