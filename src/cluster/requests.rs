//! What a pod takes from a node and what a node has to give, as integers, counted as kube-scheduler counts them.
//!
//! The sums follow `PodRequests` of k8s.io/component-helpers and the defaulting of the API server, which a manifest
//! on disk has not been through. [`Resources`] owns the names; units are those of [`super::capacity`].

use super::capacity::{CPU, EPHEMERAL_STORAGE, FIXED_RESOURCES, MEMORY, PODS};
use super::ids::ResourceId;
use crate::api::core::{Container, ContainerStatus, Node, Pod, PodStatus, ResourceRequirements};
use crate::api::quantity::{Quantity, ResourceList};
use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

/// The `pods` of a node that does not say how many it takes: the kubelet's default.
pub const DEFAULT_PODS_PER_NODE: i64 = 110;

/// More than any machine has, in the units of [`super::capacity`] (256 TiB): a node that claims more is taken to have so
/// much. Sums over 32,000 pods or nodes of it do not leave an `i64`, so that nobody's object can make others' sums wrap.
pub const MOST_OF_A_NODE: i64 = 1 << 48;

/// More than any cluster has: sums of a few thousand of it do not leave an `i64`.
const MOST_OF_A_CLUSTER: i64 = 1 << 51;

/// What a pod counts as that asks for more than that: it fits nowhere.
pub const TOO_MUCH: i64 = MOST_OF_A_NODE + 1;

/// Begins the name of a resource that stands for volumes of a CSI driver, whose name follows. No real resource has spaces.
pub(super) const VOLUMES_OF: &str = "volumes of ";

/// Begins the name of a resource that stands for device claims, of which what they ask for follows.
pub(super) const DEVICES_OF: &str = "a claim to ";

/// What a resource stands for that no node has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed<'a> {
    /// Volumes of a CSI driver.
    Volumes(&'a str),
    /// Device claims: what a pod with them asks for.
    Devices(&'a str),
}

/// Names of resources and their ids; the fixed ones of [`super::capacity`] come first.
#[derive(Clone, Debug)]
pub struct Resources {
    names: IndexSet<Box<str>, FxBuildHasher>,
}

/// A quantity that cannot be counted with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct RequestError {
    /// Where it stands, as a path into the object, with the name of the container.
    pub field: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// What a node has to give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAmounts {
    /// Amount by resource, ascending by resource; one entry each.
    pub amounts: Vec<(ResourceId, i64)>,
    /// Quantities that could not be read; they count as 0.
    pub errors: Vec<RequestError>,
}

/// An amount in the unit that the cluster counts the resource in, as a quantity.
pub fn amount_text(resource: &str, amount: i64) -> String {
    let [cpu, memory, storage, _] = FIXED_RESOURCES;
    match resource {
        name if name == cpu => Quantity::from_milli(amount).0,
        name if name == memory || name == storage || name.starts_with("hugepages-") => {
            Quantity::from_bytes(amount).0
        }
        // 80000 and not 80k: these are counted, not measured.
        _ => amount.to_string(),
    }
}

impl Default for Resources {
    fn default() -> Self {
        Resources { names: FIXED_RESOURCES.iter().map(|&name| name.into()).collect() }
    }
}

impl Resources {
    /// The id of a resource, new or known.
    pub fn intern(&mut self, name: &str) -> ResourceId {
        match self.names.get_index_of(name) {
            Some(index) => ResourceId(index as u32),
            None => ResourceId(self.names.insert_full(name.into()).0 as u32),
        }
    }

    /// The id of a resource that was seen before.
    pub fn find(&self, name: &str) -> Option<ResourceId> {
        self.names.get_index_of(name).map(|index| ResourceId(index as u32))
    }

    /// The name behind an id.
    pub fn name(&self, id: ResourceId) -> &str {
        self.names.get_index(id.index()).expect("ids come from intern")
    }

    /// What the resource stands for, if it is none that nodes have of their own.
    pub fn claimed(&self, id: ResourceId) -> Option<Claimed<'_>> {
        let name = self.name(id);
        let volumes = name.strip_prefix(VOLUMES_OF).map(Claimed::Volumes);
        volumes.or_else(|| name.strip_prefix(DEVICES_OF).map(Claimed::Devices))
    }

    /// Resources known, the fixed ones included.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Never: the fixed resources are always there.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// What one pod takes: ascending by resource, values from 1 to [`TOO_MUCH`], `pods: 1` among them.
///
/// Containers add up. An init container runs before them, together with the sidecars (init containers with
/// `restartPolicy: Always`) that started earlier, so the largest of these moments counts where it exceeds the sum of
/// containers and sidecars. Pod-level cpu, memory and huge pages replace what the containers say; overhead comes on
/// top. A limit stands in for an absent request, per container and resource.
///
/// While a pod is resized in place, what it asks for, what it has and what the node has set aside for it differ: the
/// largest counts. Of a resize that the node can never grant, only what the pod has counts.
pub fn pod_requests(pod: &Pod, resources: &mut Resources) -> Result<Box<[(ResourceId, i64)]>, RequestError> {
    let Pod { spec, status, .. } = pod;
    let infeasible = is_infeasible(status);
    // Most pods ask for cpu, memory, one extended resource, and are one: no second allocation for these.
    let mut total = Amounts(Vec::with_capacity(4));
    for (index, container) in spec.containers.iter().enumerate() {
        let place = Place { list: "containers", index, container };
        total.add_all(&current_requests(place, &status.container_statuses, infeasible, resources)?);
    }
    let (mut sidecars, mut peak) = (Amounts::default(), Amounts::default());
    for (index, container) in spec.init_containers.iter().enumerate() {
        let place = Place { list: "initContainers", index, container };
        if is_sidecar(container) {
            let moment = current_requests(place, &status.init_container_statuses, infeasible, resources)?;
            total.add_all(&moment);
            sidecars.add_all(&moment);
            peak.raise_all(&sidecars);
        } else {
            let mut moment = container_requests(place, resources)?;
            moment.add_all(&sidecars);
            peak.raise_all(&moment);
        }
    }
    total.raise_all(&peak);
    if let Some(pod_level) = &spec.resources {
        apply_pod_level(pod_level, status, infeasible, &mut total, resources)?;
    }
    for (name, quantity) in spec.overhead.iter().flatten() {
        let resource = resources.intern(name);
        let amount = amount(resource, quantity, || format!("spec.overhead[{name}]"))?;
        total.add(resource, amount);
    }
    // The number of pods is never a request: every pod is one.
    total.set(PODS, 1);
    total.0.retain(|&(_, amount)| amount > 0);
    total.0.iter_mut().for_each(|(_, amount)| *amount = (*amount).min(TOO_MUCH));
    total.0.sort_unstable();
    Ok(total.0.into_boxed_slice())
}

/// What a sidecar of a pod takes of an extended resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// The container's name.
    pub name: Box<str>,
    /// The resource.
    pub resource: ResourceId,
    /// How much of it.
    pub amount: i64,
}

/// What sidecars of a pod take of extended resources, in the order of the containers; amounts that cannot be read are left
/// out.
pub fn sidecars(pod: &Pod, resources: &mut Resources) -> Box<[Sidecar]> {
    let mut found = Vec::new();
    for (index, container) in pod.spec.init_containers.iter().enumerate().filter(|(_, it)| is_sidecar(it)) {
        let place = Place { list: "initContainers", index, container };
        let Ok(Amounts(amounts)) = container_requests(place, resources) else { continue };
        found.extend(
            amounts
                .into_iter()
                .filter(|&(resource, amount)| amount > 0 && resource.index() >= FIXED_RESOURCES.len())
                .map(|(resource, amount)| Sidecar { name: container.name.as_str().into(), resource, amount }),
        );
    }
    found.into()
}

/// What a node has to give: `status.allocatable`, else `status.capacity`; 110 pods where neither counts them.
pub fn node_amounts(node: &Node, resources: &mut Resources) -> NodeAmounts {
    let (list, field) = node_list(node);
    let mut amounts = Amounts::default();
    let mut errors = Vec::new();
    for (name, quantity) in list {
        let resource = resources.intern(name);
        match amount(resource, quantity, || format!("{field}[{name}]")) {
            Ok(amount) => amounts.set(resource, amount.min(MOST_OF_A_NODE)),
            Err(error) => {
                amounts.set(resource, 0);
                errors.push(error);
            }
        }
    }
    if amounts.get(PODS).is_none() {
        amounts.set(PODS, DEFAULT_PODS_PER_NODE);
    }
    amounts.0.sort_unstable();
    NodeAmounts { amounts: amounts.0, errors }
}

/// What one pod takes, as quantities by name, `pods: 1` among them; nothing where that cannot be counted.
pub fn pod_quantities(pod: &Pod) -> Vec<(String, String)> {
    let mut resources = Resources::default();
    let amounts = pod_requests(pod, &mut resources).unwrap_or_default();
    let text = |&(resource, amount): &(ResourceId, i64)| {
        (resources.name(resource).to_owned(), quantity(resource, amount).0)
    };
    amounts.iter().map(text).collect()
}

/// The amounts of a list (`spec.minResources`, `spec.capability`) of resources that nodes count, ascending by resource.
/// What a quota counts by another name is left out, and so are quantities that cannot be read: schemas keep them out.
pub fn list_amounts(list: &ResourceList, resources: &mut Resources) -> Vec<(ResourceId, i64)> {
    let is_quota = |name: &str| {
        let (prefix, rest) = name.split_once('.').map_or((name, ""), |(prefix, rest)| (prefix, rest));
        name.starts_with("count/") || !rest.is_empty() && matches!(prefix, "requests" | "limits")
    };
    let mut amounts: Vec<(ResourceId, i64)> = Vec::with_capacity(list.len());
    for (name, quantity) in list.iter().filter(|(name, _)| !is_quota(name)) {
        let resource = resources.intern(name);
        if let Ok(amount) = amount(resource, quantity, String::new) {
            amounts.push((resource, amount.min(MOST_OF_A_CLUSTER)));
        }
    }
    amounts.sort_unstable();
    amounts
}

/// An amount as a quantity: `250m` of cpu, `16Gi` of memory, `8` of anything else.
pub fn quantity(resource: ResourceId, amount: i64) -> Quantity {
    match resource {
        CPU => Quantity::from_milli(amount),
        MEMORY | EPHEMERAL_STORAGE => Quantity::from_bytes(amount),
        _ => Quantity::from_value(amount),
    }
}

/// Where a node says what it has to give, and the name of that field.
pub(super) fn node_list(node: &Node) -> (&ResourceList, &'static str) {
    if node.status.allocatable.is_empty() {
        (&node.status.capacity, "status.capacity")
    } else {
        (&node.status.allocatable, "status.allocatable")
    }
}

/// Does the init container keep running beside the containers?
pub(super) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// A container and where it stands in its pod.
#[derive(Clone, Copy)]
struct Place<'a> {
    list: &'static str,
    index: usize,
    container: &'a Container,
}

/// Has the node said that it can never grant the resize that was asked for?
fn is_infeasible(status: &PodStatus) -> bool {
    let pending = status.conditions.iter().find(|condition| condition.type_ == "PodResizePending");
    pending.is_some_and(|condition| condition.reason == "Infeasible")
}

/// What a container that keeps running takes: what it asks for, or what it has where that is more.
fn current_requests(
    place: Place<'_>,
    statuses: &[ContainerStatus],
    infeasible: bool,
    resources: &mut Resources,
) -> Result<Amounts, RequestError> {
    let name = &place.container.name;
    let status = statuses.iter().find(|status| status.name == *name);
    let Some((status, has)) = status.and_then(|status| Some((status, status.resources.as_ref()?))) else {
        return container_requests(place, resources);
    };
    let mut amounts = if infeasible { Amounts::default() } else { container_requests(place, resources)? };
    let statuses = if place.list == "containers" { "containerStatuses" } else { "initContainerStatuses" };
    let field = |rest: &str| format!("status.{statuses}[{name}].{rest}");
    amounts.raise_to(&has.requests, resources, || field("resources.requests"))?;
    amounts.raise_to(&status.allocated_resources, resources, || field("allocatedResources"))?;
    Ok(amounts)
}

fn container_requests(place: Place<'_>, resources: &mut Resources) -> Result<Amounts, RequestError> {
    let Place { list, index, container } = place;
    let ResourceRequirements { requests, limits, .. } = &container.resources;
    let mut amounts = Amounts(Vec::with_capacity(requests.len().max(limits.len())));
    let stand_ins = limits.iter().filter(|(name, _)| !requests.contains_key(*name));
    for (kind, (name, quantity)) in
        requests.iter().map(|entry| ("requests", entry)).chain(stand_ins.map(|entry| ("limits", entry)))
    {
        let resource = resources.intern(name);
        let amount = amount(resource, quantity, || {
            format!("spec.{list}[{index}].resources.{kind}[{name}] (container {:?})", container.name)
        })?;
        amounts.add(resource, amount);
    }
    Ok(amounts)
}

/// Pod-level requests replace the sum of the containers. An absent one is defaulted as the API server does where a
/// limit is there: to that sum if a container asks for the resource, else to the limit; for huge pages, which cannot
/// be overcommitted, always to the limit.
fn apply_pod_level(
    pod_level: &ResourceRequirements,
    status: &PodStatus,
    infeasible: bool,
    total: &mut Amounts,
    resources: &mut Resources,
) -> Result<(), RequestError> {
    let mut has = Amounts::default();
    if let Some(current) = &status.resources {
        has.raise_to(&current.requests, resources, || "status.resources.requests".to_owned())?;
        has.raise_to(&status.allocated_resources, resources, || "status.allocatedResources".to_owned())?;
    }
    for (name, quantity) in pod_level.requests.iter().filter(|(name, _)| counts_at_pod_level(name)) {
        let resource = resources.intern(name);
        let asked = amount(resource, quantity, || format!("spec.resources.requests[{name}]"))?;
        let takes = match has.get(resource) {
            Some(has) if infeasible => has,
            Some(has) => has.max(asked),
            None => asked,
        };
        total.set(resource, takes);
    }
    let absent = pod_level.limits.iter().filter(|(name, _)| !pod_level.requests.contains_key(*name));
    for (name, quantity) in absent.filter(|(name, _)| counts_at_pod_level(name)) {
        let resource = resources.intern(name);
        let limit = amount(resource, quantity, || format!("spec.resources.limits[{name}]"))?;
        if is_huge_pages(name) || total.get(resource).is_none() {
            total.set(resource, limit);
        }
    }
    Ok(())
}

fn counts_at_pod_level(name: &str) -> bool {
    name == "cpu" || name == "memory" || is_huge_pages(name)
}

fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn amount(
    resource: ResourceId,
    quantity: &Quantity,
    field: impl Fn() -> String,
) -> Result<i64, RequestError> {
    let amount = if resource == CPU { quantity.milli() } else { quantity.value() }
        .map_err(|error| RequestError { field: field(), problem: error.to_string() })?;
    if amount < 0 {
        let problem = format!("{:?} is negative; an amount is 0 or more", quantity.0);
        return Err(RequestError { field: field(), problem });
    }
    Ok(amount)
}

/// Amount by resource; a handful of entries, so a list beats a map. An entry of 0 is not the same as none.
#[derive(Debug, Default)]
struct Amounts(Vec<(ResourceId, i64)>);

impl Amounts {
    fn get(&self, resource: ResourceId) -> Option<i64> {
        self.0.iter().find(|entry| entry.0 == resource).map(|entry| entry.1)
    }

    fn update(&mut self, resource: ResourceId, amount: i64, merge: impl Fn(i64, i64) -> i64) {
        match self.0.iter_mut().find(|entry| entry.0 == resource) {
            Some(entry) => entry.1 = merge(entry.1, amount),
            None => self.0.push((resource, amount)),
        }
    }

    fn set(&mut self, resource: ResourceId, amount: i64) {
        self.update(resource, amount, |_, new| new);
    }

    fn add(&mut self, resource: ResourceId, amount: i64) {
        self.update(resource, amount, i64::saturating_add);
    }

    fn add_all(&mut self, other: &Amounts) {
        other.0.iter().for_each(|&(resource, amount)| self.add(resource, amount));
    }

    /// Raises to what a list of a status says.
    fn raise_to(
        &mut self,
        list: &ResourceList,
        resources: &mut Resources,
        field: impl Fn() -> String,
    ) -> Result<(), RequestError> {
        for (name, quantity) in list {
            let resource = resources.intern(name);
            let amount = amount(resource, quantity, || format!("{}[{name}]", field()))?;
            self.update(resource, amount, i64::max);
        }
        Ok(())
    }

    fn raise_all(&mut self, other: &Amounts) {
        other.0.iter().for_each(|&(resource, amount)| self.update(resource, amount, i64::max));
    }
}

#[cfg(test)]
mod tests;
