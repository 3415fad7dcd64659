//! What is in use: devices that claims hold as a whole, and shares of devices, whoever allocated them.
//!
//! Semantics: results of allocations with `adminAccess` do not count; a result with a `shareID` is a share and adds what
//! it consumes (`k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources/allocateddevices.go`).

use crate::api::device::AllocationResult;
use crate::api::quantity::Amount;
use std::collections::BTreeMap;

/// `driver/pool/device`: drivers and devices have no slash in their names.
pub(super) type DeviceKey = String;

/// The key of a device.
pub(super) fn key(driver: &str, pool: &str, device: &str) -> DeviceKey {
    [driver, pool, device].join("/")
}

/// Devices in use. The same device may be held more than once if somebody allocated it twice: it is free when the last
/// lets go of it.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    whole: BTreeMap<DeviceKey, u32>,
    shared: BTreeMap<DeviceKey, Shared>,
}

/// Shares of a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shared {
    pub(super) shares: u32,
    pub(super) consumed: BTreeMap<String, Amount>,
}

impl Usage {
    /// Counts the devices of an allocation.
    pub fn add(&mut self, allocation: &AllocationResult) {
        for device in allocation.devices.results.iter().filter(|device| device.admin_access != Some(true)) {
            let key = key(&device.driver, &device.pool, &device.device);
            if device.share_id.is_none() {
                *self.whole.entry(key).or_default() += 1;
                continue;
            }
            let shared = self.shared.entry(key).or_default();
            shared.shares += 1;
            for (name, amount) in device.consumed_capacity.iter().flatten() {
                let amount = amount.amount().unwrap_or_default();
                let sum = shared.consumed.entry(name.clone()).or_default();
                *sum = sum.plus(amount);
            }
        }
    }

    /// Forgets the devices of an allocation that was counted.
    pub fn remove(&mut self, allocation: &AllocationResult) {
        for device in allocation.devices.results.iter().filter(|device| device.admin_access != Some(true)) {
            let key = key(&device.driver, &device.pool, &device.device);
            if device.share_id.is_none() {
                if let Some(count) = self.whole.get_mut(&key) {
                    *count -= 1;
                    if *count == 0 {
                        self.whole.remove(&key);
                    }
                }
                continue;
            }
            let Some(shared) = self.shared.get_mut(&key) else { continue };
            shared.shares = shared.shares.saturating_sub(1);
            for (name, amount) in device.consumed_capacity.iter().flatten() {
                if let Some(sum) = shared.consumed.get_mut(name) {
                    *sum = sum.minus(amount.amount().unwrap_or_default());
                }
            }
            if shared.shares == 0 {
                self.shared.remove(&key);
            }
        }
    }

    /// A device of the allocation that another claim holds as well.
    pub(super) fn twice(&self, allocation: &AllocationResult) -> Option<DeviceKey> {
        let whole = allocation
            .devices
            .results
            .iter()
            .filter(|device| device.admin_access != Some(true) && device.share_id.is_none());
        let mut keys = whole.map(|device| key(&device.driver, &device.pool, &device.device));
        keys.find(|key| self.whole.get(key).is_some_and(|&count| count > 1))
    }

    /// Does a claim hold the device as a whole?
    pub(super) fn is_whole(&self, key: &str) -> bool {
        self.whole.contains_key(key)
    }

    /// The shares of a device, if there are any.
    pub(super) fn shared(&self, key: &str) -> Option<&Shared> {
        self.shared.get(key)
    }

    /// Is the device held in any way?
    pub(super) fn is_held(&self, key: &str) -> bool {
        self.is_whole(key) || self.shared.contains_key(key)
    }
}
