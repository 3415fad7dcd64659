//! What is to be written on claims before pods are bound that are promised nodes: devices of those that are open, picked
//! once for each node, and whom they are reserved for.
//!
//! The order of picks is kube-scheduler's: pods by name, claims in the order of the pod, pools and devices as published. What
//! is promised on the node to pods of others is searched for along with that, so that enough is left for it.

use super::Devices;
use super::allocate::{Allocated, Rules, Wanted, allocate};
use super::claims::{Claim, RESERVATIONS, short};
use super::extended::{Mapping, claim_for};
use super::pools::{NodeView, matches};
use super::profiles::DeviceDemand;
use super::usage::key;
use crate::api::core::Pod;
use crate::api::device::{AllocationResult, ConsumerReference, DeviceClaim};
use crate::cluster::ids::{NodeId, PodId, ResourceId};
use std::collections::{BTreeMap, BTreeSet};

/// Keeps a claim that is allocated from going away.
pub(super) const FINALIZER: &str = "resource.kubernetes.io/delete-protection";

/// A pod that is promised a node.
#[derive(Clone, Debug)]
pub struct Held {
    /// The pod.
    pub id: PodId,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The node.
    pub node: NodeId,
    /// The resource that stands for what it still asks for.
    pub profile: Option<ResourceId>,
}

/// What is to be written on a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Namespace of the claim, and of the pods that use it.
    pub namespace: String,
    /// Name of the claim; empty if it is to be made.
    pub name: String,
    /// Uid of the claim as it is known.
    pub uid: String,
    /// `metadata.resourceVersion` of the claim as it is known.
    pub version: String,
    /// Its finalizers with the one that protects allocated claims, where that is missing.
    pub finalizers: Option<Vec<String>>,
    /// Its devices; `None` if it has them already.
    pub allocation: Option<AllocationResult>,
    /// Whom it is reserved for; `None` if it says so already.
    pub reserved: Option<Vec<ConsumerReference>>,
    /// The claim is for extended resources of this pod, which is to be told.
    pub made: Option<Made>,
    /// What its devices demand before pods are bound.
    pub conditions: Conditions,
    /// A pod that brings it to its node, by uid.
    pub pod: String,
}

/// A claim for extended resources.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The pod's name.
    pub pod: String,
    /// Its uid.
    pub uid: String,
    /// What the claim asks for.
    pub devices: DeviceClaim,
    /// Which request serves which resource of which container.
    pub mappings: Vec<Mapping>,
}

/// What is left of a claim when users of it are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// `metadata.resourceVersion` of the claim as it is known.
    pub version: String,
    /// Whom it is reserved for then; if for nobody, its devices are given back.
    pub users: Vec<ConsumerReference>,
    /// Name and uid of the pod for whose extended resources it was made.
    pub made_for: Option<(String, String)>,
}

/// A claim, exactly as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its uid.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub version: String,
}

/// How far binding conditions of devices are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conditions {
    /// There are none, or all hold.
    Met,
    /// This one of this device does not hold yet.
    Waits(String),
    /// This failure condition of this device holds.
    Failed(String),
}

impl Grant {
    /// About a pod, and no claim yet.
    pub fn of_pod(namespace: &str, name: &str, uid: &str) -> Grant {
        Grant {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: String::new(),
            version: String::new(),
            finalizers: None,
            allocation: None,
            reserved: None,
            made: None,
            conditions: Conditions::Met,
            pod: uid.to_owned(),
        }
    }

    /// Is there anything to write?
    pub fn is_unwritten(&self) -> bool {
        self.allocation.is_some() || self.reserved.is_some() || self.made.is_some()
    }

    /// Is there nothing to write and nothing to wait for?
    pub fn is_done(&self) -> bool {
        self.finalizers.is_none()
            && self.allocation.is_none()
            && self.reserved.is_none()
            && self.made.is_none()
            && self.conditions == Conditions::Met
    }
}

/// A claim that is to be allocated.
struct Open {
    /// `namespace/name`; empty if it is to be made.
    key: String,
    uid: String,
    devices: DeviceClaim,
    made: Option<Made>,
    pod: usize,
}

impl Devices {
    /// What is to be written before these pods are bound, in the order in which it is written; the pods come in the order of
    /// their names. Pods with extended resources that devices serve are among the specs. `Err` is the node where it cannot
    /// be, and why.
    pub(in crate::cluster) fn grant(
        &mut self,
        pods: &[Held],
        view: &dyn Fn(NodeId, &mut dyn FnMut(NodeView<'_>)),
        specs: &BTreeMap<String, Pod>,
    ) -> Result<Vec<Grant>, (NodeId, String)> {
        let mut by_node: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        for (at, pod) in pods.iter().enumerate() {
            by_node.entry(pod.node).or_default().push(at);
        }
        let mut given: Vec<AllocationResult> = Vec::new();
        // Of those that share a claim, the first brings it.
        let mut brought: BTreeSet<String> = BTreeSet::new();
        let mut grants: Vec<Grant> = Vec::new();
        let mut result = Ok(());
        for (&node, here) in &by_node {
            let mut outcome = Ok(Vec::new());
            view(node, &mut |view| outcome = self.grant_on(node, view, (pods, here), specs, &mut brought));
            match outcome {
                Err(why) => {
                    result = Err((node, why));
                    break;
                }
                Ok(more) => {
                    // Devices that several nodes reach are not given twice.
                    for allocation in more.iter().filter_map(|grant| grant.allocation.as_ref()) {
                        self.claims.usage.add(allocation);
                        given.push(allocation.clone());
                    }
                    grants.extend(more);
                }
            }
        }
        given.iter().for_each(|allocation| self.claims.usage.remove(allocation));
        result?;
        self.reserve(pods, view, &mut grants)?;
        for pod in pods {
            grants.extend(self.untold(pod, specs));
        }
        Ok(grants)
    }

    /// Devices for what is open of the pods that are promised a node.
    fn grant_on(
        &self,
        node: NodeId,
        view: NodeView<'_>,
        (pods, here): (&[Held], &[usize]),
        specs: &BTreeMap<String, Pod>,
        brought: &mut BTreeSet<String>,
    ) -> Result<Vec<Grant>, String> {
        let mut open: Vec<Open> = Vec::new();
        for &at in here {
            open.extend(self.open_of(at, &pods[at], specs, brought));
        }
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let others = self.promised_to_others(node, pods, here);
        let ours = open.iter().map(|open| Wanted {
            name: if open.key.is_empty() { "for extended resources" } else { short(&open.key) },
            uid: &open.uid,
            devices: &open.devices,
        });
        let theirs = others.iter().map(|devices| Wanted { name: "of another pod", uid: "", devices });
        let wanted: Vec<Wanted<'_>> = ours.chain(theirs).collect();
        let results = match allocate(&self.catalogue, view, &self.claims.usage, &wanted, Rules::default())? {
            Allocated::All(results) => results,
            Allocated::Invalid(why) => return Err(why),
            Allocated::No | Allocated::Cut => {
                return Err(format!("node {} has no devices for the claims of its pods any more", view.name));
            }
        };
        let granted = open.into_iter().zip(results).map(|(open, allocation)| {
            let claim = self.claims.get(&open.key);
            let waits = allocation.devices.results.iter().find_map(|device| {
                let condition = device.binding_conditions.first()?;
                Some(format!("{condition} of {}", key(&device.driver, &device.pool, &device.device)))
            });
            Grant {
                namespace: pods[open.pod].namespace.clone(),
                name: short(&open.key).to_owned(),
                uid: open.uid,
                version: claim.map_or(String::new(), |claim| claim.version.clone()),
                finalizers: claim.map_or(Some(vec![FINALIZER.to_owned()]), Claim::protected),
                allocation: Some(allocation),
                reserved: None,
                made: open.made,
                conditions: waits.map_or(Conditions::Met, Conditions::Waits),
                pod: pods[open.pod].uid.clone(),
            }
        });
        Ok(granted.collect())
    }

    /// What is open of a pod, and of nobody before it.
    fn open_of(
        &self,
        at: usize,
        pod: &Held,
        specs: &BTreeMap<String, Pod>,
        brought: &mut BTreeSet<String>,
    ) -> Vec<Open> {
        let known = self.claims.of(pod.id).iter().filter_map(|key| Some((key, self.claims.get(key)?)));
        let mut open: Vec<Open> = known
            .filter(|(key, claim)| claim.allocation.is_none() && brought.insert(key.to_string()))
            .map(|(key, claim)| Open {
                key: key.to_string(),
                uid: claim.uid.clone(),
                devices: claim.devices.clone(),
                made: None,
                pod: at,
            })
            .collect();
        let Some(asked) = pod.profile.and_then(|profile| self.asked(profile)) else { return open };
        let plugged = self.plugged(pod.node);
        let by_claim = |name: &str| {
            asked.extended.iter().any(|(resource, known, _)| known == name && !plugged.contains(resource))
        };
        let made = specs.get(&pod.uid).and_then(|spec| claim_for(spec, &self.catalogue, by_claim));
        let Some((devices, mappings)) = made else { return open };
        let before = self.claims.extended_of(&pod.uid);
        // One that an earlier try has made serves as well, if it asks for the same.
        let (key, uid) = match before {
            Some((key, claim)) if claim.allocation.is_none() && claim.devices == devices => {
                (key.to_owned(), claim.uid.clone())
            }
            _ => (String::new(), pod.uid.clone()),
        };
        let made = Made { pod: pod.name.clone(), uid: pod.uid.clone(), devices: devices.clone(), mappings };
        open.push(Open { key, uid, devices, made: Some(made), pod: at });
        open
    }

    /// A pod that has not been told of the claim that was made and allocated for its extended resources.
    fn untold(&self, pod: &Held, specs: &BTreeMap<String, Pod>) -> Option<Grant> {
        let (key, claim) = self.claims.extended_of(&pod.uid)?;
        let spec = specs.get(&pod.uid).filter(|spec| spec.status.extended_resource_claim_status.is_none())?;
        claim.allocation.as_ref()?;
        let plugged: Vec<&str> = self
            .served()
            .filter(|(_, resource)| self.plugged(pod.node).contains(resource))
            .map(|(name, _)| name)
            .collect();
        let (devices, mappings) = claim_for(spec, &self.catalogue, |name| !plugged.contains(&name))?;
        let made = Made { pod: pod.name.clone(), uid: pod.uid.clone(), devices, mappings };
        Some(Grant { made: Some(made), ..claim.as_it_is(&pod.namespace, short(key), &pod.uid) })
    }

    /// Claims of pods that are promised the node and are not among these.
    fn promised_to_others(&self, node: NodeId, pods: &[Held], here: &[usize]) -> Vec<DeviceClaim> {
        let mut promised = self.profiles.promised(node);
        for profile in here.iter().filter_map(|&at| self.profiles.of(pods[at].profile?)) {
            if let Some((_, count)) = promised.iter_mut().find(|(known, _)| *known == profile) {
                *count = count.saturating_sub(1);
            }
        }
        let plugged = self.plugged(node);
        let claims = promised.into_iter().flat_map(|(profile, count)| {
            let asked: &DeviceDemand = self.profiles.asked(profile);
            let extended = asked.extended.iter().filter(|(resource, ..)| !plugged.contains(resource));
            let extended = extended.filter_map(|(_, name, amount)| self.catalogue.claim_of(name, *amount));
            let claims: Vec<DeviceClaim> = asked.claims.iter().cloned().chain(extended).collect();
            std::iter::repeat_n(claims, count as usize).flatten()
        });
        claims.collect()
    }

    /// Whom the claims of these pods are to be reserved for.
    fn reserve(
        &self,
        pods: &[Held],
        view: &dyn Fn(NodeId, &mut dyn FnMut(NodeView<'_>)),
        grants: &mut Vec<Grant>,
    ) -> Result<(), (NodeId, String)> {
        for pod in pods {
            let made = self.claims.extended_of(&pod.uid).map(|(key, _)| key);
            let made =
                made.filter(|_| !grants.iter().any(|grant| grant.pod == pod.uid && grant.made.is_some()));
            let keys = self.claims.of(pod.id).iter().map(|key| &**key).chain(made);
            for key in keys {
                let Some(claim) = self.claims.get(key) else { continue };
                let at = grants.iter().position(|grant| {
                    grant.namespace == pod.namespace && grant.name == short(key) && !grant.name.is_empty()
                });
                if at.is_none() {
                    let Some(allocation) = &claim.allocation else { continue };
                    let mut is_reached = true;
                    if let Some(selector) = &allocation.node_selector {
                        view(pod.node, &mut |view| is_reached = matches(selector, view));
                    }
                    if !is_reached {
                        let why = format!("ResourceClaim {} is allocated for other nodes", short(key));
                        return Err((pod.node, why));
                    }
                    // Another scheduler has taken the device at the same time: as long as nobody uses ours, it gives way.
                    let is_ours = |user: &ConsumerReference| pods.iter().any(|pod| pod.uid == user.uid);
                    let twice =
                        self.claims.usage.twice(allocation).filter(|_| claim.reserved.iter().all(is_ours));
                    if let Some(device) = twice {
                        let why = format!(
                            "device {device} of ResourceClaim {} is given to another claim, too",
                            short(key)
                        );
                        return Err((pod.node, why));
                    }
                }
                let at = at.unwrap_or_else(|| {
                    grants.push(claim.as_it_is(&pod.namespace, short(key), &pod.uid));
                    grants.len() - 1
                });
                let user = claim.consumer(&pod.name, &pod.uid);
                let reserved = grants[at].reserved.as_ref().unwrap_or(&claim.reserved);
                if reserved.iter().any(|known| known.uid == user.uid) {
                    continue;
                }
                if reserved.len() >= RESERVATIONS {
                    let why = format!("ResourceClaim {} is reserved for {RESERVATIONS} already", short(key));
                    return Err((pod.node, why));
                }
                let more = reserved.iter().cloned().chain([user]).collect();
                grants[at].reserved = Some(more);
            }
        }
        // A claim that is made has one user.
        for grant in grants.iter_mut().filter(|grant| grant.made.is_some() && grant.allocation.is_some()) {
            let Some(made) = &grant.made else { continue };
            grant.reserved = Some(vec![ConsumerReference {
                api_group: String::new(),
                resource: "pods".to_owned(),
                name: made.pod.clone(),
                uid: made.uid.clone(),
            }]);
        }
        grants.retain(|grant| !grant.is_done());
        Ok(())
    }

    /// All claims (`namespace/name`) of a pod.
    pub(in crate::cluster) fn all_of(&self, id: PodId, uid: &str) -> Vec<String> {
        let made = self.claims.extended_of(uid).map(|(key, _)| key);
        let keys = self.claims.of(id).iter().map(|key| &**key).chain(made);
        keys.map(str::to_owned).collect()
    }

    /// Claims (`namespace/name`) that are reserved for a pod.
    pub(in crate::cluster) fn reserved_for(&self, id: PodId, uid: &str) -> Vec<String> {
        let has = |key: &String| self.claims.get(key).is_some_and(|claim| claim.has(uid));
        self.all_of(id, uid).into_iter().filter(has).collect()
    }

    /// Claims (`namespace/name`) that are allocated for a pod that waits: reserved for it alone, or its own and reserved for
    /// nobody.
    pub(in crate::cluster) fn stuck_of(&self, id: PodId, uid: &str) -> Vec<String> {
        let is_stuck = |key: &String| {
            self.claims.get(key).is_some_and(|claim| {
                let alone = match claim.reserved.as_slice() {
                    [] => claim.is_of(uid),
                    users => users.iter().all(|user| user.uid == uid),
                };
                claim.allocation.is_some() && alone
            })
        };
        self.all_of(id, uid).into_iter().filter(is_stuck).collect()
    }

    /// Claims (`namespace/name`) that somebody may be writing for pods: they are protected, and not on their way out. With
    /// their uids and versions, and the pods that use them.
    pub(in crate::cluster) fn protected(&self) -> impl Iterator<Item = (&str, Version, Vec<PodId>)> {
        let is_protected = |claim: &Claim| claim.finalizers.iter().any(|finalizer| finalizer == FINALIZER);
        let claims = self.claims.keys().filter_map(|key| Some((key, self.claims.get(key)?)));
        let claims = claims.filter(move |(_, claim)| is_protected(claim) && !claim.is_deleting());
        claims.map(|(key, claim)| {
            let version = Version { uid: claim.uid.clone(), version: claim.version.clone() };
            (key, version, self.claims.users_of(key))
        })
    }

    /// The pod (`namespace/name`) for whose extended resources a claim was made.
    pub(in crate::cluster) fn made_for(&self, claim: &str) -> Option<String> {
        let (name, _) = self.claims.get(claim)?.made_for()?;
        let namespace = claim.split_once('/').map_or("", |(namespace, _)| namespace);
        Some(format!("{namespace}/{name}"))
    }

    /// A claim as it would be without these users (uids); `None` if it has none of them. One that is reserved for nobody
    /// would have no devices.
    pub(in crate::cluster) fn without_users(&self, claim: &str, uids: &BTreeSet<String>) -> Option<Left> {
        let claim = self.claims.get(claim)?;
        let stay: Vec<ConsumerReference> =
            claim.reserved.iter().filter(|user| !uids.contains(&user.uid)).cloned().collect();
        let made_for = claim.made_for().cloned();
        let is_stuck = claim.reserved.is_empty() && claim.allocation.is_some();
        (is_stuck || stay.len() < claim.reserved.len()).then(|| Left {
            version: claim.version.clone(),
            users: stay,
            made_for,
        })
    }
}

impl Claim {
    /// The finalizers with the one that protects allocated claims, where that is missing.
    fn protected(&self) -> Option<Vec<String>> {
        let is_there = self.finalizers.iter().any(|finalizer| finalizer == FINALIZER);
        (!is_there).then(|| self.finalizers.iter().cloned().chain([FINALIZER.to_owned()]).collect())
    }

    /// Nothing to write yet.
    fn as_it_is(&self, namespace: &str, name: &str, pod: &str) -> Grant {
        Grant {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: self.uid.clone(),
            version: self.version.clone(),
            finalizers: None,
            allocation: None,
            reserved: None,
            made: None,
            conditions: self.conditions(),
            pod: pod.to_owned(),
        }
    }

    fn conditions(&self) -> Conditions {
        let devices = self.allocation.iter().flat_map(|allocation| &allocation.devices.results);
        let mut waits = None;
        for device in devices {
            let name = key(&device.driver, &device.pool, &device.device);
            let holds = |condition: &String| self.conditions.contains(&(name.clone(), condition.clone()));
            if let Some(failed) = device.binding_failure_conditions.iter().find(|&one| holds(one)) {
                return Conditions::Failed(format!("{failed} of {name}"));
            }
            let missing = device.binding_conditions.iter().find(|&one| !holds(one));
            waits = waits.or(missing.map(|missing| format!("{missing} of {name}")));
        }
        waits.map_or(Conditions::Met, Conditions::Waits)
    }
}
