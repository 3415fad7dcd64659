//! How much of the capacities of a device a request takes, and whether that is left.
//!
//! Semantics: `k8s.io/dynamic-resource-allocation/structured`, consumable capacity. A sharable device gives shares: of each
//! of its capacities what is asked for, rounded as its policy says, else the policy's default, else all of it. Of a device
//! that is not sharable a request says only how much it must have.

use crate::api::device::{CapacityRequirements, Device, DeviceCapacity, RequestPolicy};
use crate::api::quantity::{Amount, Quantity, ResourceList};
use std::collections::BTreeMap;

fn amount(quantity: &Quantity) -> Amount {
    quantity.amount().unwrap_or_default()
}

/// What a share of a device takes of each capacity; `None` where the device can never serve the request. Of a device that
/// is not sharable nothing is taken.
pub(super) fn share(
    device: &Device,
    asked: Option<&CapacityRequirements>,
) -> Option<BTreeMap<String, Amount>> {
    let empty = ResourceList::new();
    let asked = asked.map_or(&empty, |asked| &asked.requests);
    if asked.keys().any(|name| !device.capacity.contains_key(name)) {
        return None;
    }
    if !device.is_sharable() {
        let enough = asked.iter().all(|(name, asked)| amount(asked) <= amount(&device.capacity[name].value));
        return enough.then(BTreeMap::new);
    }
    let mut taken = BTreeMap::new();
    for (name, capacity) in &device.capacity {
        let takes = rounded(capacity, asked.get(name));
        if takes > amount(&capacity.value) || violates(takes, capacity.request_policy.as_ref()) {
            return None;
        }
        taken.insert(name.clone(), takes);
    }
    Some(taken)
}

/// What one capacity gives to a request.
fn rounded(capacity: &DeviceCapacity, asked: Option<&Quantity>) -> Amount {
    let policy = capacity.request_policy.as_ref();
    let Some(asked) = asked else {
        return amount(policy.and_then(|policy| policy.default.as_ref()).unwrap_or(&capacity.value));
    };
    let asked = amount(asked);
    let Some(policy) = policy else { return asked };
    if let Some(range) = &policy.valid_range {
        let least = range.min.as_ref().map(amount).unwrap_or_default();
        return match &range.step {
            _ if asked <= least => least,
            Some(step) => least.stepped(amount(step), asked),
            None => asked,
        };
    }
    let larger = policy.valid_values.iter().map(amount).filter(|value| *value >= asked).min();
    larger.unwrap_or(asked)
}

fn violates(takes: Amount, policy: Option<&RequestPolicy>) -> bool {
    let Some(policy) = policy else { return false };
    if policy.default.as_ref().is_some_and(|default| amount(default) == takes) {
        return false;
    }
    if let Some(range) = &policy.valid_range {
        return range.max.as_ref().is_some_and(|most| takes > amount(most));
    }
    !policy.valid_values.is_empty() && !policy.valid_values.iter().any(|value| amount(value) == takes)
}
