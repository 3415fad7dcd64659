//! Extended resources that a device class serves: which claim a pod gets for them.
//!
//! Semantics: KEP-5004 and `k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources`. Each container that runs
//! for long (regular ones and sidecars) has requests of its own. An init container uses what later long-lived containers
//! hold, and asks for the rest; of several init containers the largest rest counts and serves all.

use super::catalogue::Catalogue;
use crate::api::core::{Container, Pod};
use crate::api::device::{DeviceClaim, DeviceRequest, ExactRequest};
use crate::api::quantity::Quantity;
use std::collections::BTreeMap;

/// A request of a claim that serves a resource of a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mapping {
    /// Name of the container.
    pub container: String,
    /// The extended resource.
    pub resource: String,
    /// The request of the claim.
    pub request: String,
}

/// The claim for the extended resources of a pod that classes serve, those that the filter keeps; `None` if there are
/// none. Requests are in the order of their names.
pub fn claim_for(
    pod: &Pod,
    catalogue: &Catalogue,
    serves: impl Fn(&str) -> bool,
) -> Option<(DeviceClaim, Vec<Mapping>)> {
    let containers: Vec<(&Container, bool)> = {
        let is_sidecar = |container: &Container| container.restart_policy.as_deref() == Some("Always");
        let initial = pod.spec.init_containers.iter().map(|container| (container, is_sidecar(container)));
        initial.chain(pod.spec.containers.iter().map(|container| (container, true))).collect()
    };
    // What each container asks for: class, amount, and the place of the resource among all that it asks for.
    let mut asked: BTreeMap<&str, Vec<(usize, usize, i64)>> = BTreeMap::new();
    for (at, (container, _)) in containers.iter().enumerate() {
        let mut all = container.resources.requests.clone();
        for (name, limit) in &container.resources.limits {
            all.entry(name.clone()).or_insert_with(|| limit.clone());
        }
        for (place, name) in all.keys().enumerate() {
            if !is_extended(name) || !serves(name) || catalogue.class_of_resource(name).is_none() {
                continue;
            }
            let amount = all.get(name).map_or(Ok(0), Quantity::value).unwrap_or_default();
            let name = resource_of(container, name);
            if amount > 0
                && let Some(name) = name
            {
                asked.entry(name).or_default().push((at, place, amount));
            }
        }
    }
    let mut requests: BTreeMap<String, DeviceRequest> = BTreeMap::new();
    let mut mappings = Vec::new();
    for (resource, uses) in &asked {
        let class = catalogue.class_of_resource(resource)?.metadata.name.as_str();
        let mut ask = |at: usize, place: usize, count: i64| {
            let name = format!("container-{at}-request-{place}");
            let exactly = ExactRequest {
                device_class_name: class.to_owned(),
                allocation_mode: Some("ExactCount".to_owned()),
                count: Some(count),
                ..ExactRequest::default()
            };
            let request =
                DeviceRequest { name: name.clone(), exactly: Some(exactly), ..DeviceRequest::default() };
            requests.insert(name.clone(), request);
            name
        };
        let map = |at: usize, request: &str| Mapping {
            container: containers[at].0.name.clone(),
            resource: (*resource).to_owned(),
            request: request.to_owned(),
        };
        let long = |at: usize| containers[at].1;
        for &(at, place, count) in uses.iter().filter(|(at, ..)| long(*at)) {
            let name = ask(at, place, count);
            mappings.push(map(at, &name));
        }
        // The largest rest of an init container, and who has it.
        let rest_of = |at: usize, count: i64| {
            let later: i64 =
                uses.iter().filter(|(other, ..)| *other > at && long(*other)).map(|it| it.2).sum();
            (count - later).max(0)
        };
        let rests = uses
            .iter()
            .filter(|(at, ..)| !long(*at))
            .map(|&(at, place, count)| (at, place, rest_of(at, count)));
        let largest = rests.reduce(|best, it| if it.2 > best.2 { it } else { best }).filter(|it| it.2 > 0);
        let extra = largest.map(|(at, place, rest)| ask(at, place, rest));
        for &(at, _, count) in uses.iter().filter(|(at, ..)| !long(*at)) {
            let mut left = count;
            for &(other, place, held) in uses.iter().filter(|(other, ..)| *other > at && long(*other)) {
                if left > 0 {
                    mappings.push(map(at, &format!("container-{other}-request-{place}")));
                    left -= held;
                }
            }
            if let (true, Some(extra)) = (left > 0, &extra) {
                mappings.push(map(at, extra));
            }
        }
    }
    if requests.is_empty() {
        return None;
    }
    let claim = DeviceClaim { requests: requests.into_values().collect(), ..DeviceClaim::default() };
    Some((claim, mappings))
}

/// The name as the container has it, to be kept as long as the pod.
fn resource_of<'a>(container: &'a Container, name: &str) -> Option<&'a str> {
    let resources = &container.resources;
    let found = resources.requests.get_key_value(name).or_else(|| resources.limits.get_key_value(name));
    found.map(|(name, _)| name.as_str())
}

/// Is it a name that a device class can serve: one with a domain that is not Kubernetes' own?
fn is_extended(name: &str) -> bool {
    let Some((domain, _)) = name.split_once('/') else { return false };
    let is_native = domain == "kubernetes.io" || domain.ends_with(".kubernetes.io");
    !is_native || domain == "deviceclass.resource.kubernetes.io"
}
