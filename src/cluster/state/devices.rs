//! What device claims mean for pods that wait for a node, and for nodes: each profile of claims is a counted resource,
//! of which a node has as many as pods with the profile fit there, beside those that it is promised to.
//!
//! Extended resources that a device class serves are counted twice. As themselves, of which a node without a device plugin
//! for them has as many as it sees devices of the class; and in the profile, which says what can be had of those devices
//! beside claims, and has no end where a plugin gives the resource.

use super::Cluster;
use super::intake::{Holder, with_counted};
use crate::api::core::Pod;
use crate::api::device::DeviceClaim;
use crate::api::quantity::Quantity;
use crate::cluster::cause::Cause;
use crate::cluster::class::Class;
use crate::cluster::devices::{
    Demands, DeviceDemand, Devices, Grant, Held, Left, NodeView, Shortage, Touched, Version,
};
use crate::cluster::gangs::GangKind;
use crate::cluster::ids::{ClassId, NodeId, PodId, ResourceId};
use crate::cluster::natural;
use crate::cluster::pods::PodState;
use crate::cluster::requests::DEVICES_OF;
use std::collections::{BTreeMap, BTreeSet};

impl Cluster {
    /// What the pod uses decides about it, and perhaps about others.
    pub(super) fn use_devices(&mut self, pod: &Pod) {
        if !self.devices.concern(pod) {
            return;
        }
        let Some(id) = self.pod_id(&pod.metadata.namespace, &pod.metadata.name) else { return };
        let Some(record) = self.pods.get(id) else { return };
        let others = match record.state {
            PodState::Succeeded | PodState::Failed => self.devices.leave(id),
            state => {
                let wants_node =
                    record.gang.is_some() && matches!(state, PodState::Pending | PodState::Assumed);
                self.devices.enter(id, pod, wants_node)
            }
        };
        self.judge_devices(&[others.as_slice(), &[id]].concat());
    }

    /// Pods whose device claims have changed, or who else uses them.
    pub(super) fn judge_devices(&mut self, pods: &[PodId]) {
        for &id in pods {
            match self.pods.get(id).map(|record| record.state) {
                Some(PodState::Pending) => {
                    if let Some(pod) = self.devices.pod(id).cloned() {
                        self.update_pod(id, &pod);
                        let gang = self.pods.get(id).and_then(|record| record.gang);
                        self.mark_gang(gang);
                    }
                }
                Some(PodState::Assumed) => self.charge_devices(id),
                _ => {}
            }
        }
    }

    /// A claim has changed: pods that use it, the pod whose extended resources it serves, nodes whose devices it has.
    pub(super) fn take_in_devices(&mut self, pods: &[PodId], owner: Option<String>, touched: &Touched) {
        self.judge_devices(pods);
        if let Some(owner) = owner.and_then(|owner| self.pods.id(&owner)) {
            self.charge_devices(owner);
        }
        for node in self.nodes_of(touched) {
            self.devices.forget_node(node);
            self.recount_devices_of(node);
        }
    }

    /// Device classes or taint rules have changed: every pod that wants devices, and every node.
    pub(super) fn judge_all_devices(&mut self) {
        let users: Vec<PodId> = self.devices.all_users().into_iter().collect();
        self.judge_devices(&users);
        let waits = |state| matches!(state, PodState::Pending | PodState::Assumed);
        let all = self.pods.iter().filter(|(_, pod)| pod.gang.is_some() && waits(pod.state));
        let all: Vec<PodId> = all.map(|(id, _)| id).collect();
        for id in all {
            let before = self.pods.get(id).map(|pod| pod.class);
            self.charge_devices(id);
            if let Some(pod) = self.pods.get(id).filter(|pod| Some(pod.class) != before) {
                self.mark_gang(pod.gang);
            }
        }
        self.look_at_devices(&Touched::All);
    }

    /// What the device claims of a pod come to.
    pub(super) fn device_demands(&mut self, pod: &Pod) -> Demands {
        let named = |name: &str| pod.spec.resource_claims.iter().any(|claim| claim.name == name);
        let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
        for container in containers {
            let mut names = container.resources.claims.iter().filter_map(|claim| claim["name"].as_str());
            if let Some(name) = names.find(|name| !named(name)) {
                let refusal = format!(
                    "spec.containers, {}: resources.claims names {name}, which spec.resourceClaims does not have",
                    container.name
                );
                return Demands { refusal: Some(refusal), ..Demands::default() };
            }
        }
        let mut demands = match pod.spec.resource_claims.is_empty() {
            true => Demands::default(),
            false => {
                let id = self.pod_id(&pod.metadata.namespace, &pod.metadata.name);
                self.devices.demands(id, pod)
            }
        };
        let made = self.devices.extended_reach(&pod.metadata.uid).flatten().cloned();
        demands.selectors.extend(made.map(|selector| (Cause::Devices, selector)));
        demands
    }

    /// What a pod takes with what stands for its open device claims, and for extended resources that classes serve, unless a
    /// claim has been made for those.
    pub(super) fn with_devices(
        &mut self,
        requests: Box<[(ResourceId, i64)]>,
        claims: Vec<DeviceClaim>,
        is_made: bool,
    ) -> Box<[(ResourceId, i64)]> {
        let mut extended = Vec::new();
        if !is_made && self.devices.has_classes() {
            for &(resource, amount) in &*requests {
                let name = self.resources.name(resource);
                if !name.contains('/') {
                    continue;
                }
                let name = name.to_owned();
                let Some(is_new) = self.devices.serves(&name, resource) else { continue };
                if is_new {
                    self.look_at_devices(&Touched::All);
                }
                extended.push((resource, name, amount));
            }
        }
        match self.device_resource(DeviceDemand { claims, extended }) {
            Some(resource) => with_counted(&requests, &[(resource, 1)]),
            None => requests,
        }
    }

    /// The resource that stands for what a pod asks for, if it asks for any device.
    fn device_resource(&mut self, asked: DeviceDemand) -> Option<ResourceId> {
        if asked == DeviceDemand::default() {
            return None;
        }
        let resource = match self.devices.find(&asked) {
            Some((resource, false)) => return Some(resource),
            Some((resource, true)) => resource,
            None => {
                let words = format!("{DEVICES_OF}{}", Devices::words(&asked));
                let mut name = words.clone();
                // Others ask for as many of the same classes, and differ in what they select.
                for other in 2.. {
                    if self.resources.find(&name).is_none() {
                        break;
                    }
                    name = format!("{words} (kind {other})");
                }
                let resource = self.resources.intern(&name);
                self.devices.add(&asked, resource);
                resource
            }
        };
        self.recount_devices(&Touched::All);
        Some(resource)
    }

    /// A pod that waits, or is promised a node, charges what of its claims is still open.
    fn charge_devices(&mut self, id: PodId) {
        let Some(record) = self.pods.get(id) else { return };
        if !matches!(record.state, PodState::Pending | PodState::Assumed) || record.gang.is_none() {
            return;
        }
        let (class, uid) = (record.class, record.uid.clone());
        let others = self.classes.get(class).requests.iter();
        let others: Box<[_]> = others.filter(|(one, _)| !self.devices.stands_for(*one)).copied().collect();
        let open = match self.devices.pod(id).cloned() {
            Some(pod) => self.devices.demands(Some(id), &pod).open,
            None => Vec::new(),
        };
        let is_made = self.devices.extended_reach(&uid).is_some();
        let requests = self.with_devices(others, open, is_made);
        if requests == self.classes.get(class).requests {
            return;
        }
        let class = self.classes.intern(Class { requests, ..self.classes.get(class).clone() });
        let Some(record) = self.pods.get(id) else { return };
        let before = Holder::of(record);
        let Some(record) = self.pods.get_mut(id) else { return };
        record.class = class;
        let after = Holder::of(record);
        self.leave(&before);
        self.enter(&after);
    }

    /// One pod more, or less, is promised a node: others may count less, or more, there.
    pub(super) fn promise_devices(&mut self, node: NodeId, class: ClassId, more: bool) {
        match self.devices.promise(node, &self.classes.get(class).requests, more) {
            Some(true) => self.recount_devices(&Touched::All),
            Some(false) => self.recount_devices_of(node),
            None => {}
        }
    }

    fn nodes_of(&self, touched: &Touched) -> Vec<NodeId> {
        match touched {
            Touched::All => self.nodes.present().map(|(id, ..)| id).collect(),
            Touched::Nodes(names) => names.iter().filter_map(|name| self.nodes.id(name)).collect(),
        }
    }

    /// What these nodes see of devices has changed.
    pub(super) fn look_at_devices(&mut self, touched: &Touched) {
        self.nodes_of(touched).into_iter().for_each(|node| self.look_at_devices_of(node));
    }

    /// What a node sees of devices, or its device plugins give, has changed.
    pub(super) fn look_at_devices_of(&mut self, node: NodeId) {
        self.devices.forget_node(node);
        if !self.capacity.is_present(node) {
            return; // it will be looked at when the node is there
        }
        let served: Vec<(String, ResourceId)> =
            self.devices.served().map(|(name, resource)| (name.to_owned(), resource)).collect();
        let mut plugged = Vec::new();
        for (name, resource) in served {
            if given_of(&self.nodes.get(node).given, &name) > 0 {
                plugged.push(resource);
                continue;
            }
            let labels = self.labels.get(self.nodes.get(node).labels);
            let label = |key: &str| labels.get(key);
            let count =
                self.devices.devices_of(&name, NodeView { name: self.nodes.name(node), label: &label });
            if count != self.capacity.allocatable(node, resource) {
                self.capacity.set_allocatable(node, resource, count);
                self.marks.gained.insert(node);
            }
        }
        self.devices.plug(node, plugged);
        self.recount_devices_of(node);
    }

    /// Counts anew how many pods of each profile these nodes take.
    fn recount_devices(&mut self, touched: &Touched) {
        if !self.devices.active().is_empty() {
            self.nodes_of(touched).into_iter().for_each(|node| self.recount_devices_of(node));
        }
    }

    fn recount_devices_of(&mut self, node: NodeId) {
        if !self.capacity.is_present(node) {
            return; // it will be counted when the node is there
        }
        let mut failed = false;
        for (profile, resource) in self.devices.active() {
            let labels = self.labels.get(self.nodes.get(node).labels);
            let label = |key: &str| labels.get(key);
            let view = NodeView { name: self.nodes.name(node), label: &label };
            let could = self.devices.fault(resource).is_none();
            let count = i64::from(self.devices.count(profile, node, view));
            failed |= could && self.devices.fault(resource).is_some();
            let before = self.capacity.allocatable(node, resource);
            let held = before - self.capacity.free(node, resource);
            if held + count != before {
                self.capacity.set_allocatable(node, resource, held + count);
            }
            if held + count > before {
                self.marks.gained.insert(node);
            }
        }
        if failed {
            // What cannot be computed of one device keeps the pods from all nodes.
            self.recount_devices(&Touched::All);
        }
    }

    /// Does any pod use device claims, or is there a class or a claim? Slices and claims matter only then.
    pub fn uses_devices(&self) -> bool {
        self.devices.are_used()
    }

    /// Pods of the gang of a pod that are promised nodes, by name.
    fn promised_of_gang(&self, pod: PodId) -> Vec<Held> {
        let Some(record) = self.pods.get(pod) else { return Vec::new() };
        let mut pods: Vec<PodId> = match record.gang.and_then(|gang| self.gangs.get(gang)) {
            Some(gang) if gang.kind == GangKind::PodGroup => gang.pods.to_vec(),
            _ => vec![pod],
        };
        pods.sort_by(|a, b| {
            let key = |id: &PodId| self.pods.get(*id).map_or("", |pod| &pod.key);
            natural::compare(key(a), key(b))
        });
        let held = pods.into_iter().filter_map(|id| {
            let record = self.pods.get(id).filter(|record| record.state == PodState::Assumed)?;
            let requests = &self.classes.get(record.class).requests;
            Some(Held {
                id,
                namespace: record.namespace().to_owned(),
                name: record.name().to_owned(),
                uid: record.uid.to_string(),
                node: record.node?,
                profile: requests.iter().map(|it| it.0).find(|&one| self.devices.stands_for(one)),
            })
        });
        held.collect()
    }

    /// What is to be written on device claims before any pod of this pod's gang is bound that is promised a node. Pods with
    /// extended resources that devices serve are among the specs, by uid. `Err` names the node where it cannot be, and why.
    pub fn grant_devices(
        &mut self,
        pod: PodId,
        specs: &BTreeMap<String, Pod>,
    ) -> Result<Vec<Grant>, (String, String)> {
        let pods = self.promised_of_gang(pod);
        let (nodes, labels) = (&self.nodes, &self.labels);
        let view = |node: NodeId, see: &mut dyn FnMut(NodeView<'_>)| {
            let labels = labels.get(nodes.get(node).labels);
            let label = |key: &str| labels.get(key);
            see(NodeView { name: nodes.name(node), label: &label });
        };
        let grants = self.devices.grant(&pods, &view, specs);
        grants.map_err(|(node, why)| (self.nodes.name(node).to_owned(), why))
    }

    /// Of those, the ones (`namespace/name`, uid) for whose extended resources a claim is needed on their nodes.
    pub fn needs_made_claims(&self, pod: PodId) -> Vec<(String, String, String)> {
        let needs = |held: &Held| {
            if self.devices.extended_reach(&held.uid).is_some() {
                return true;
            }
            let Some(asked) = held.profile.and_then(|profile| self.devices.asked(profile)) else {
                return false;
            };
            let plugged = self.devices.plugged(held.node);
            asked.extended.iter().any(|(resource, ..)| !plugged.contains(resource))
        };
        let held = self.promised_of_gang(pod).into_iter().filter(needs);
        held.map(|held| (held.namespace, held.name, held.uid)).collect()
    }

    /// Device claims (`namespace/name`) that are reserved for a pod that waits.
    pub fn reserved_devices(&self, pod: PodId) -> Vec<String> {
        let record = self.pods.get(pod).filter(|record| record.state == PodState::Pending);
        record.map_or(Vec::new(), |record| self.devices.reserved_for(pod, &record.uid))
    }

    /// Device claims (`namespace/name`) that are allocated for a pod that waits, and that nobody else has.
    pub fn stuck_devices(&self, pod: PodId) -> Vec<String> {
        let record = self.pods.get(pod).filter(|record| record.state == PodState::Pending);
        record.map_or(Vec::new(), |record| self.devices.stuck_of(pod, &record.uid))
    }

    /// Device claims (`namespace/name`) that somebody may be writing for pods that wait, each as it is known.
    pub fn claims_in_question(&self) -> BTreeMap<String, Version> {
        let waits = |id: PodId| {
            self.pods.get(id).is_some_and(|pod| {
                pod.gang.is_some() && matches!(pod.state, PodState::Pending | PodState::Assumed)
            })
        };
        let protected = self.devices.protected().filter(|(key, _, users)| {
            let made_for = self.devices.made_for(key).and_then(|pod| self.pods.id(&pod));
            users.iter().copied().chain(made_for).any(waits)
        });
        protected.map(|(key, version, _)| (key.to_owned(), version)).collect()
    }

    /// Claims (`namespace/name`) of the pods of this pod's gang that are promised nodes.
    pub fn promised_claims(&self, pod: PodId) -> BTreeSet<String> {
        let promised = self.promised_of_gang(pod);
        promised.iter().flat_map(|held| self.devices.all_of(held.id, &held.uid)).collect()
    }

    /// A device claim by `namespace/name` as it would be without these users (uids); `None` if it has none of them.
    pub fn without_users(&self, claim: &str, uids: &BTreeSet<String>) -> Option<Left> {
        self.devices.without_users(claim, uids)
    }

    /// Why there are no devices for what a resource stands for: what is wrong everywhere (a class that does not exist, an
    /// expression that fails), else how far the node gets that is closest, of the first few hundred that see devices.
    pub fn device_shortage(&self, resource: ResourceId) -> Option<String> {
        const LOOKED_AT: usize = 256;
        if let Some(fault) = self.devices.fault(resource) {
            return Some(fault.to_owned());
        }
        let short = self.nodes.present().filter(|(id, ..)| self.capacity.free(*id, resource) <= 0);
        let looked_at = short.filter_map(|(id, name, record)| {
            let labels = self.labels.get(record.labels);
            let label = |key: &str| labels.get(key);
            let shortage = self.devices.shortage_of(resource, id, NodeView { name, label: &label })?;
            Some((name, shortage))
        });
        let mut closest = None;
        for (name, shortage) in looked_at.take(LOOKED_AT) {
            let is_closer = |known: &(&str, Shortage)| shortage.free > known.1.free;
            if closest.as_ref().is_none_or(is_closer) {
                closest = Some((name, shortage));
            }
        }
        closest.map(|(name, shortage)| format!("on {name} {}", shortage.text))
    }
}

/// What a node itself gives of a resource, from the text of all that it gives: names and quantities, each with a zero byte.
fn given_of(given: &str, name: &str) -> i64 {
    let mut parts = given.split('\0');
    while let (Some(known), Some(amount)) = (parts.next(), parts.next()) {
        if known == name {
            return Quantity(amount.to_owned()).value().unwrap_or(0);
        }
    }
    0
}
