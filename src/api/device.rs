//! Devices by claim (`resource.k8s.io`): slices that drivers publish, classes, claims and their templates, taint rules.
//!
//! Decode types for what scheduling reads; claims are also what it writes. Where an unknown field would change what is
//! allocated (in a device, a request, a selector, a constraint), its name is kept in `unknown`, so that whoever meets it
//! can refuse by name instead of allocating as if it were not there. Semantics: `k8s.io/api/resource/v1`.

mod claim;
mod class;
mod slice;

pub use claim::{
    AllocatedDevice, AllocationConfiguration, AllocationResult, CapacityRequirements, ClaimAllocation,
    ClaimConfiguration, ConsumerReference, DeviceClaim, DeviceCondition, DeviceConstraint, DeviceRequest,
    DeviceStatus, DeviceToleration, ExactRequest, ResourceClaim, ResourceClaimSpec, ResourceClaimStatus,
    ResourceClaimTemplate, ResourceClaimTemplateSpec, SubRequest,
};
pub use class::{
    CelSelector, ClassConfiguration, DeviceClass, DeviceClassSpec, DeviceSelector, DeviceTaintRule,
    DeviceTaintRuleSpec, DeviceTaintSelector,
};
pub use slice::{
    CapacityRange, Counter, CounterConsumption, CounterSet, Device, DeviceAttribute, DeviceCapacity,
    DeviceTaint, RequestPolicy, ResourcePool, ResourceSlice, ResourceSliceSpec, TaintEffect,
};

use std::collections::BTreeMap;

/// Fields that this version does not know, by name.
pub type Unknown = BTreeMap<String, serde_json::Value>;

/// The name of an attribute or capacity with its domain; one without belongs to the domain of the driver.
///
/// ```
/// use phalanx::api::device::qualified;
///
/// assert_eq!(qualified("model", "gpu.example.com"), ("gpu.example.com", "model"));
/// assert_eq!(qualified("resource.kubernetes.io/pcieRoot", "gpu.example.com"), ("resource.kubernetes.io", "pcieRoot"));
/// ```
pub fn qualified<'a>(name: &'a str, driver: &'a str) -> (&'a str, &'a str) {
    name.split_once('/').unwrap_or((driver, name))
}
