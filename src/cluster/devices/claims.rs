//! Claims of pods: who uses which, what is allocated, and what is still to be had.
//!
//! Semantics: kube-scheduler's `DynamicResources`. A claim that is allocated keeps its users to the nodes that reach its
//! devices. One that is not asks for devices: of the pods that share it, one does so for all, and they go to one node.

use super::catalogue::Catalogue;
use super::compute_domain;
use super::plan::{Plan, plan};
use super::selectors::Selectors;
use super::usage::Usage;
use crate::api::core::{NodeSelector, Pod, PodAffinityTerm};
use crate::api::device::{AllocationResult, ConsumerReference, DeviceClaim, ResourceClaim};
use crate::api::meta::{LabelSelector, LabelSelectorRequirement, SelectorOperator};
use crate::cluster::cause::Cause;
use crate::cluster::ids::PodId;
use crate::words::counted;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Annotation of a claim that a scheduler made for extended resources.
const EXTENDED: &str = "resource.kubernetes.io/extended-resource-claim";

/// So many claims that are gone are remembered.
const GONE: usize = 256;

/// Consumers that a claim is reserved for at most.
pub(super) const RESERVATIONS: usize = 256;

/// A claim.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claim {
    pub(super) uid: String,
    pub(super) devices: DeviceClaim,
    pub(super) allocation: Option<AllocationResult>,
    pub(super) reserved: Vec<ConsumerReference>,
    /// Conditions of its devices that are true: `driver/pool/device` and the type.
    pub(super) conditions: BTreeSet<(String, String)>,
    pub(super) finalizers: Vec<String>,
    /// `metadata.resourceVersion`.
    pub(super) version: String,
    /// Name and uid of the pod that it was made for.
    owner: Option<(String, String)>,
    /// The native PodGroup that it was made for: users are reserved as one.
    group: Option<(String, String)>,
    /// Made by a scheduler, for extended resources of its owner.
    is_extended: bool,
    deleting: bool,
}

/// Claims, and the pods that use them.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// By `namespace/name`.
    all: BTreeMap<String, Claim>,
    consumers: FxHashMap<PodId, Consumer>,
    /// By `namespace/name` of the claim.
    users: BTreeMap<Arc<str>, BTreeSet<PodId>>,
    /// Claims for extended resources (`namespace/name`), by uid of the pod.
    extended: BTreeMap<String, String>,
    /// Uids of claims that went last: an answer that comes after that does not bring one back.
    gone: VecDeque<String>,
    pub(super) usage: Usage,
}

/// A pod that uses claims.
#[derive(Clone, Debug)]
struct Consumer {
    uid: Box<str>,
    /// `namespace/name` of each that is known by name.
    claims: Box<[Arc<str>]>,
    /// The pod as long as it has no node of its own, to be judged anew when a claim changes.
    pod: Option<Box<Pod>>,
}

/// What the claims of a pod come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::cluster) struct Demands {
    /// Each must match.
    pub(in crate::cluster) selectors: Vec<(Cause, NodeSelector)>,
    /// Claims that are to be allocated on its node, in the order of the pod.
    pub(in crate::cluster) open: Vec<DeviceClaim>,
    /// Why the pod cannot be placed now.
    pub(in crate::cluster) refusal: Option<String>,
}

/// A claim of a pod by the name that the pod knows it by.
struct Named {
    key: Arc<str>,
    /// Made from a template, for this pod alone.
    is_own: bool,
}

/// The claims of a pod, or what they wait for.
fn named(pod: &Pod) -> Result<Vec<Named>, String> {
    let mut all = Vec::new();
    for entry in &pod.spec.resource_claims {
        let of =
            |name: &str, is_own| Named { key: format!("{}/{name}", pod.metadata.namespace).into(), is_own };
        if let Some(name) = &entry.resource_claim_name {
            all.push(of(name, false));
            continue;
        }
        let Some(template) = &entry.resource_claim_template_name else {
            return Err(format!(
                "spec.resourceClaims, {}: it names neither a claim nor a template; set resourceClaimName or \
                 resourceClaimTemplateName",
                entry.name
            ));
        };
        match pod.status.resource_claim_statuses.iter().find(|status| status.name == entry.name) {
            Some(status) => all.extend(status.resource_claim_name.as_deref().map(|name| of(name, true))),
            None => {
                return Err(format!(
                    "waits for the claim controller to make a ResourceClaim of ResourceClaimTemplate {template}"
                ));
            }
        }
    }
    Ok(all)
}

/// The name without the namespace.
pub(super) fn short(key: &str) -> &str {
    key.split_once('/').map_or(key, |(_, name)| name)
}

impl Claims {
    /// A claim is new or changed. Returns the pods to be judged anew, and the allocations before and after where they
    /// differ; `None` if it is known as it is, or in a later version: answers are ahead of watches.
    pub(super) fn put(&mut self, claim: &ResourceClaim) -> Option<Changed> {
        let metadata = &claim.metadata;
        if !metadata.uid.is_empty() && self.gone.contains(&metadata.uid) {
            return None;
        }
        let key = format!("{}/{}", metadata.namespace, metadata.name);
        let controller = metadata.owner_references.iter().find(|owner| owner.controller == Some(true));
        let of_kind = |kind: &str| controller.filter(|owner| owner.kind == kind);
        let record = Claim {
            uid: metadata.uid.clone(),
            devices: claim.spec.devices.clone(),
            allocation: claim.status.allocation.clone(),
            reserved: claim.status.reserved_for.clone(),
            conditions: claim.status.true_conditions(),
            finalizers: metadata.finalizers.clone(),
            version: metadata.resource_version.clone(),
            owner: of_kind("Pod").map(|owner| (owner.name.clone(), owner.uid.clone())),
            group: of_kind("PodGroup").map(|owner| (owner.name.clone(), owner.uid.clone())),
            is_extended: metadata.annotations.get(EXTENDED).is_some_and(|value| value == "true"),
            deleting: metadata.deletion_timestamp.is_some(),
        };
        if let Some(known) = self.all.get(&key) {
            let number = |version: &str| version.parse::<u64>().unwrap_or(u64::MAX);
            let is_old = known.uid == record.uid && number(&known.version) > number(&record.version);
            if *known == record || is_old {
                return None;
            }
        }
        if let (true, Some((_, uid))) = (record.is_extended, &record.owner) {
            self.extended.insert(uid.clone(), key.clone());
        }
        let after = record.allocation.clone();
        let before = self.all.insert(key.clone(), record).and_then(|known| known.allocation);
        Some(self.changed(&key, before, after))
    }

    /// A claim is gone.
    pub(super) fn remove(&mut self, namespace: &str, name: &str) -> Option<Changed> {
        let key = format!("{namespace}/{name}");
        let known = self.all.remove(&key)?;
        if self.gone.len() >= GONE {
            self.gone.pop_front();
        }
        self.gone.push_back(known.uid.clone());
        if let Some((_, uid)) = known.owner.filter(|(_, uid)| self.extended.get(uid) == Some(&key)) {
            self.extended.remove(&uid);
        }
        Some(self.changed(&key, known.allocation, None))
    }

    /// The claim that was made for the extended resources of a pod (`namespace/name`).
    pub(super) fn extended_of(&self, uid: &str) -> Option<(&str, &Claim)> {
        let key = self.extended.get(uid)?;
        Some((key, self.all.get(key)?))
    }

    fn changed(
        &mut self,
        key: &str,
        before: Option<AllocationResult>,
        after: Option<AllocationResult>,
    ) -> Changed {
        let mut moved = Vec::new();
        if before != after {
            if let Some(before) = before {
                self.usage.remove(&before);
                moved.push(before);
            }
            if let Some(after) = after {
                self.usage.add(&after);
                moved.push(after);
            }
        }
        let claim = self.all.get(key).filter(|claim| claim.is_extended);
        let owner = claim.and_then(|claim| claim.owner.as_ref());
        let namespace = key.split_once('/').map_or("", |(namespace, _)| namespace);
        let owner = owner.map(|(name, _)| format!("{namespace}/{name}"));
        Changed { pods: self.users_of(key), owner, moved }
    }

    /// All claims: `namespace/name`.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }

    /// A claim by `namespace/name`.
    pub(super) fn get(&self, key: &str) -> Option<&Claim> {
        self.all.get(key)
    }

    /// Takes in what a pod uses. Returns other pods whose verdict that may change.
    pub(super) fn enter(&mut self, id: PodId, pod: &Pod, wants_node: bool) -> Vec<PodId> {
        if pod.spec.resource_claims.is_empty() {
            return self.leave(id);
        }
        let claims: Vec<Arc<str>> =
            named(pod).unwrap_or_default().into_iter().map(|claim| claim.key).collect();
        let is_known = self.consumers.get(&id).is_some_and(|known| *known.claims == *claims);
        let mut others = if is_known { Vec::new() } else { self.leave(id) };
        for claim in claims.iter().filter(|_| !is_known) {
            let users = self.users.entry(Arc::clone(claim)).or_default();
            // Who was alone shares now, and who asked for the devices may not any more.
            others.extend(users.first().filter(|&&first| users.len() == 1 || id < first));
            users.insert(id);
        }
        let uid = pod.metadata.uid.as_str().into();
        let pod = wants_node.then(|| Box::new(pod.clone()));
        self.consumers.insert(id, Consumer { uid, claims: claims.into(), pod });
        others
    }

    /// Forgets a pod. Returns other pods whose verdict that may change.
    pub(super) fn leave(&mut self, id: PodId) -> Vec<PodId> {
        let mut others = Vec::new();
        let Some(consumer) = self.consumers.remove(&id) else { return others };
        for claim in &consumer.claims {
            let Some(users) = self.users.get_mut(claim) else { continue };
            let was_first = users.first() == Some(&id);
            users.remove(&id);
            if users.len() >= RESERVATIONS {
                others.extend(users.iter());
            } else {
                others.extend(users.first().filter(|_| was_first || users.len() == 1));
            }
            if users.is_empty() {
                self.users.remove(claim);
            }
        }
        others
    }

    /// Does any pod use claims, or is there any?
    pub(super) fn are_used(&self) -> bool {
        !self.consumers.is_empty() || !self.all.is_empty()
    }

    /// Pods that use claims.
    pub(super) fn all_users(&self) -> BTreeSet<PodId> {
        self.consumers.keys().copied().collect()
    }

    /// The pod as it was taken in, if it uses claims and wants a node.
    pub(super) fn pod(&self, id: PodId) -> Option<&Pod> {
        self.consumers.get(&id)?.pod.as_deref()
    }

    /// All claims of a pod: `namespace/name`.
    pub(super) fn of(&self, id: PodId) -> &[Arc<str>] {
        self.consumers.get(&id).map_or(&[], |consumer| &consumer.claims)
    }

    /// Pods that use a claim.
    pub(super) fn users_of(&self, claim: &str) -> Vec<PodId> {
        self.users.get(claim).into_iter().flatten().copied().collect()
    }

    /// Of the pods that share a claim, does this one ask for its devices?
    fn asks(&self, key: &str, id: PodId) -> bool {
        self.users.get(key).and_then(BTreeSet::first).is_none_or(|&first| first == id)
    }

    /// What the claims of a pod come to now.
    pub(super) fn demands(&self, id: Option<PodId>, pod: &Pod, catalogue: &Catalogue) -> Demands {
        let mut demands = Demands::default();
        let refuse = |refusal: String| Demands { refusal: Some(refusal), ..Demands::default() };
        let claims = match named(pod) {
            Ok(claims) => claims,
            Err(refusal) => return refuse(refusal),
        };
        for named in &claims {
            match self.demand(id, pod, named, catalogue) {
                Ok((selector, open)) => {
                    demands.selectors.extend(selector.map(|selector| (Cause::Devices, selector)));
                    let claim = self.all.get(&*named.key);
                    let domain = claim.and_then(|claim| compute_domain::selector(&claim.devices));
                    demands.selectors.extend(domain.map(|selector| (Cause::ComputeDomain, selector)));
                    demands.open.extend(open);
                }
                Err(refusal) => return refuse(refusal),
            }
        }
        demands
    }

    fn demand(
        &self,
        id: Option<PodId>,
        pod: &Pod,
        named: &Named,
        catalogue: &Catalogue,
    ) -> Result<(Option<NodeSelector>, Option<DeviceClaim>), String> {
        let name = short(&named.key);
        let Some(claim) = self.all.get(&*named.key) else {
            return Err(format!("ResourceClaim {name}: does not exist; create it"));
        };
        if claim.deleting {
            return Err(format!("ResourceClaim {name}: is being deleted"));
        }
        if claim.owner.as_ref().is_some_and(|(_, uid)| *uid != pod.metadata.uid) && named.is_own {
            return Err(format!("ResourceClaim {name}: was made for another pod"));
        }
        let users = self.users.get(&*named.key);
        if !claim.has(&pod.metadata.uid) && claim.group.is_none() {
            let is_new = |user: &PodId| self.consumers.get(user).is_some_and(|user| !claim.has(&user.uid));
            let before = |users: &BTreeSet<PodId>| {
                users.iter().take_while(|&&user| Some(user) != id).filter(|user| is_new(user)).count()
            };
            let reserved = claim.reserved.len() + users.map_or(0, before);
            if reserved >= RESERVATIONS {
                return Err(format!(
                    "ResourceClaim {name}: {} have it or come before this one, and {RESERVATIONS} are the most; let the others share \
                     another claim",
                    counted(reserved, "pod")
                ));
            }
        }
        if let Some(allocation) = &claim.allocation {
            return Ok((allocation.node_selector.clone(), None));
        }
        let plan = plan(name, &claim.devices, catalogue)?;
        let is_shared = users.is_some_and(|users| users.len() > 1);
        let selector = match is_shared.then(|| catalogue.reach(&plan)) {
            None | Some(Reach::Host) => None,
            Some(Reach::Nodes(selector)) => selector,
            Some(Reach::Mixed) => {
                return Err(format!(
                    "ResourceClaim {name}: several pods share it, and the devices that it may get are reached from \
                     different sets of nodes, so that it is open where its users may go; have it allocated first, or \
                     select devices of one set"
                ));
            }
        };
        let asks = id.is_none_or(|id| self.asks(&named.key, id));
        Ok((selector, asks.then(|| claim.devices.clone())))
    }

    /// The pod with what its claims add to it: who shares a claim that is not allocated goes to one node with the others.
    pub(super) fn joined(&self, pod: &Pod, catalogue: &Catalogue) -> Option<Pod> {
        let wants_node = pod.spec.node_name.as_deref().is_none_or(str::is_empty);
        if !wants_node || pod.spec.resource_claims.is_empty() {
            return None;
        }
        let mut joined: Option<Pod> = None;
        for named in named(pod).ok()? {
            let shared = self.users.get(&*named.key).is_some_and(|users| users.len() > 1);
            let open = self.all.get(&*named.key).filter(|claim| shared && claim.allocation.is_none());
            let plan = open.and_then(|claim| plan(short(&named.key), &claim.devices, catalogue).ok());
            if plan.is_none_or(|plan| catalogue.reach(&plan) != Reach::Host) {
                continue;
            }
            let joined = joined.get_or_insert_with(|| pod.clone());
            // No label of a real pod has a space.
            let label = format!("shares devices of {}", named.key);
            let has_label = LabelSelectorRequirement {
                key: label.clone(),
                operator: SelectorOperator::Exists,
                values: Vec::new(),
            };
            let selector = LabelSelector { match_expressions: vec![has_label], ..LabelSelector::default() };
            let affinity = joined.spec.affinity.get_or_insert_default();
            affinity.pod_affinity.get_or_insert_default().required.push(PodAffinityTerm {
                label_selector: Some(selector),
                topology_key: "kubernetes.io/hostname".to_owned(),
                ..PodAffinityTerm::default()
            });
            joined.metadata.labels.insert(label, String::new());
        }
        joined
    }
}

/// What a change of a claim comes to.
#[derive(Clone, Debug, Default)]
pub(super) struct Changed {
    /// Pods to be judged anew.
    pub(super) pods: Vec<PodId>,
    /// The pod (`namespace/name`) whose extended resources it serves.
    pub(super) owner: Option<String>,
    /// Allocations that were made or taken back.
    pub(super) moved: Vec<AllocationResult>,
}

impl Claim {
    /// Name and uid of the pod for whose extended resources it was made.
    pub(super) fn made_for(&self) -> Option<&(String, String)> {
        self.owner.as_ref().filter(|_| self.is_extended)
    }

    /// Was it made for the pod of this uid?
    pub(super) fn is_of(&self, uid: &str) -> bool {
        self.owner.as_ref().is_some_and(|(_, owner)| owner == uid)
    }

    /// Is it on its way out?
    pub(super) fn is_deleting(&self) -> bool {
        self.deleting
    }

    /// Is it reserved for whoever has this uid?
    pub(super) fn has(&self, uid: &str) -> bool {
        self.reserved.iter().any(|user| user.uid == uid)
    }

    /// How a pod is named among those that it is reserved for: by itself, or by the native PodGroup that owns the claim.
    pub(super) fn consumer(&self, name: &str, uid: &str) -> ConsumerReference {
        match &self.group {
            Some((name, uid)) => ConsumerReference {
                api_group: "scheduling.k8s.io".to_owned(),
                resource: "podgroups".to_owned(),
                name: name.clone(),
                uid: uid.clone(),
            },
            None => ConsumerReference {
                api_group: String::new(),
                resource: "pods".to_owned(),
                name: name.to_owned(),
                uid: uid.to_owned(),
            },
        }
    }
}

/// Which nodes reach the devices that a claim may get.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reach {
    /// Each device only its own node.
    Host,
    /// All devices are reached from the same nodes; `None` is all nodes.
    Nodes(Option<NodeSelector>),
    /// Some are reached from other nodes than others.
    Mixed,
}

impl Catalogue {
    /// Which nodes reach the devices that a claim may get?
    pub(super) fn reach(&self, plan: &Plan) -> Reach {
        let mut selectors = self.selectors.borrow_mut();
        let mut found: Option<Reach> = None;
        for slice in self.open_slices() {
            for (device, &shape) in slice.spec.devices.iter().zip(&slice.shapes) {
                let mut choices = plan.requests.iter().flat_map(|request| &request.choices);
                let selects = choices.any(|choice| {
                    choice.selectors.iter().all(|&one| selectors.selects(one, shape) == Ok(true))
                });
                if !selects {
                    continue;
                }
                let spec = &slice.spec;
                let (name, selector) = match spec.per_device_node_selection {
                    Some(true) => (&device.node_name, &device.node_selector),
                    _ => (&None, &spec.node_selector),
                };
                let reach = match (name, device.binds_to_node) {
                    (Some(name), _) if !name.is_empty() => Reach::Host,
                    (_, Some(true)) => Reach::Host,
                    _ => Reach::Nodes(selector.clone()),
                };
                match &found {
                    Some(known) if *known != reach => return Reach::Mixed,
                    _ => found = Some(reach),
                }
            }
        }
        match found {
            None | Some(Reach::Host) => Reach::Host,
            Some(reach) if self.selects_local(plan, &mut selectors) => {
                if matches!(reach, Reach::Nodes(_)) {
                    Reach::Mixed
                } else {
                    reach
                }
            }
            Some(reach) => reach,
        }
    }

    /// May a claim get a device that several nodes reach?
    pub(super) fn is_wide(&self, plan: &Plan) -> bool {
        self.reach(plan) != Reach::Host
    }

    /// May a claim get a device that only one node reaches?
    fn selects_local(&self, plan: &Plan, selectors: &mut Selectors) -> bool {
        let mut choices = plan.requests.iter().flat_map(|request| &request.choices);
        choices.any(|choice| {
            self.local_shapes()
                .any(|shape| choice.selectors.iter().all(|&one| selectors.selects(one, shape) == Ok(true)))
        })
    }
}
