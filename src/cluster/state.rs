//! [`Cluster`]: the one owner of what we believe, changed by events and by our own promises.
//!
//! Parts may arrive in any order: a pod before its PodGroup or its node, a HyperNode before its members. A node name
//! gets its id when it is first mentioned; what pods hold there counts from that moment, even before the node exists.

mod admin;
mod claims;
mod devices;
mod intake;
mod recent;
mod room;
mod sweep;
#[cfg(test)]
mod tests;
mod together;

use intake::Holder;
use recent::Recent;
use room::Kept;
pub use room::Room;
use serde::{Deserialize, Serialize};

use super::budgets::BudgetRecord;
use super::capacity::Capacity;
use super::class::Classes;
use super::coupling::Coupling;
use super::devices::{Devices, DevicesView};
use super::eligibility::Eligibility;
use super::event::{Event, Marks};
use super::gangs::Gangs;
use super::gangs::adapt::{self, Gang, Terms};
use super::ids::{GangId, NodeId, PodId, ResourceId};
use super::labels::LabelSets;
use super::nodes::Nodes;
use super::other_schedulers::OtherSchedulers;
use super::pods::{PodRecord, PodState, Pods};
use super::queues::{QueueRecord, Queues};
use super::requests::{Resources, Sidecar};
use super::text::Texts;
use super::topology::{Finding, HyperNodeInput, LabelLevels, NodeInput, Topology};
use super::volumes::Volumes;
use super::{View, requests};
use crate::api::core::{Node, Pod};
use crate::api::hyper_node::HyperNodeSpec;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// What the cluster must be told once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Pods that name one of these schedulers are ours.
    pub scheduler_names: Vec<String>,
    /// Node labels that make domains where there are no HyperNodes, outermost first.
    pub domain_labels: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { scheduler_names: vec!["volcano".to_owned()], domain_labels: Vec::new() }
    }
}

/// What we believe.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    resources: Resources,
    texts: Texts,
    labels: LabelSets,
    nodes: Nodes,
    pods: Pods,
    gangs: Gangs,
    volumes: Volumes,
    devices: Devices,
    /// Room that is kept for pods that do not exist yet.
    kept: Kept,
    /// Pods that only the gate of their queue holds back.
    queue_gated: BTreeSet<PodId>,
    /// What sidecars of pods take of extended resources, for those few pods of which any does.
    sidecars: FxHashMap<PodId, Box<[Sidecar]>>,
    other_schedulers: OtherSchedulers,
    /// Pods of groups of `scheduling.k8s.io`, as they were last seen.
    native_pods: FxHashMap<PodId, Box<Pod>>,
    /// Promised pods whose claims have changed.
    unsettled: BTreeSet<PodId>,
    capacity: Capacity,
    classes: Classes,
    eligibility: Eligibility,
    coupling: Coupling,
    hyper_nodes: BTreeMap<String, HyperNodeSpec>,
    topology: Topology,
    findings: Vec<Finding>,
    topology_stale: bool,
    queues: Queues,
    budgets: BTreeMap<String, BudgetRecord>,
    priorities: BTreeMap<String, i32>,
    default_priority: Option<(String, i32)>,
    marks: Marks,
    /// [`Coupling::version`] that the classes of waiting pods were made for.
    coupling_version: u64,
    /// What pods of the templates seen last ask for.
    recent: Recent,
    /// How much was kept when everything was needed.
    swept: usize,
    /// Scratch for keys, so that a look-up allocates nothing.
    key: String,
}

impl Cluster {
    /// An empty cluster.
    pub fn new(settings: Settings) -> Self {
        Cluster {
            settings,
            resources: Resources::default(),
            texts: Texts::default(),
            labels: LabelSets::default(),
            nodes: Nodes::default(),
            pods: Pods::default(),
            gangs: Gangs::default(),
            volumes: Volumes::default(),
            devices: Devices::default(),
            kept: Kept::default(),
            queue_gated: BTreeSet::new(),
            sidecars: FxHashMap::default(),
            other_schedulers: OtherSchedulers::default(),
            native_pods: FxHashMap::default(),
            unsettled: BTreeSet::new(),
            capacity: Capacity::default(),
            classes: Classes::default(),
            eligibility: Eligibility::default(),
            coupling: Coupling::default(),
            hyper_nodes: BTreeMap::new(),
            topology: Topology::from_tree(Vec::new()),
            findings: Vec::new(),
            topology_stale: false,
            queues: Queues::default(),
            budgets: BTreeMap::new(),
            priorities: BTreeMap::new(),
            default_priority: None,
            marks: Marks::default(),
            coupling_version: 0,
            recent: Recent::default(),
            swept: 0,
            key: String::new(),
        }
    }

    /// Takes in one change.
    pub fn apply(&mut self, event: Event<'_>) {
        match event {
            Event::Node(node) => self.apply_node(node),
            Event::NodeGone(name) => self.remove_node(name),
            Event::Pod(pod) => self.apply_pod(pod),
            Event::PodGone { namespace, name } => self.remove_pod(namespace, name),
            Event::PodGroup(group) => self.apply_group(group, Terms::default()),
            Event::PodGroupGone { namespace, name } => self.remove_group(namespace, name),
            Event::NativePodGroup(group) => {
                let Gang { object, terms } = adapt::native(group);
                self.apply_group(&object, terms);
            }
            Event::CoschedulingPodGroup(group) => {
                let Gang { object, terms } = adapt::coscheduling(group);
                self.apply_group(&object, terms);
            }
            Event::OtherPodGroupGone { dialect, namespace, name } => {
                self.remove_group(namespace, &dialect.gang_name(name));
            }
            Event::HyperNode(hyper_node) => {
                let known = self.hyper_nodes.get(&hyper_node.metadata.name);
                if known != Some(&hyper_node.spec) {
                    self.hyper_nodes.insert(hyper_node.metadata.name.clone(), hyper_node.spec.clone());
                    self.stale();
                }
            }
            Event::HyperNodeGone(name) => {
                if self.hyper_nodes.remove(name).is_some() {
                    self.stale();
                }
            }
            Event::Queue(queue) => self.apply_queue(queue),
            Event::QueueGone(name) => self.marks.everything |= self.queues.remove(name),
            Event::Budget(budget) => self.apply_budget(budget),
            Event::BudgetGone { namespace, name } => self.remove_budget(namespace, name),
            Event::PriorityClass(class) => self.apply_priority_class(class),
            Event::PriorityClassGone(name) => self.remove_priority_class(name),
            Event::Claim(claim) => {
                let pods = self.volumes.put_claim(claim);
                self.judge(&pods);
            }
            Event::ClaimGone { namespace, name } => {
                let pods = self.volumes.drop_claim(namespace, name);
                self.judge(&pods);
            }
            Event::Volume(volume) => {
                let pods = self.volumes.put_volume(volume);
                self.judge(&pods);
            }
            Event::VolumeGone(name) => {
                let pods = self.volumes.drop_volume(name);
                self.judge(&pods);
            }
            Event::StorageClass(class) => {
                let pods = self.volumes.put_class(class);
                self.judge(&pods);
            }
            Event::StorageClassGone(name) => {
                let pods = self.volumes.drop_class(name);
                self.judge(&pods);
            }
            Event::CsiNode(node) => {
                let drivers = self.volumes.limits.put(node);
                self.limit_volumes(&node.metadata.name, &drivers);
                if self.volumes.places.put(node) {
                    self.judge_all_users();
                }
            }
            Event::ResourceSlice(slice) => {
                if let Some(touched) = self.devices.put_slice(slice) {
                    self.look_at_devices(&touched);
                }
            }
            Event::ResourceSliceGone(name) => {
                if let Some(touched) = self.devices.drop_slice(name) {
                    self.look_at_devices(&touched);
                }
            }
            Event::DeviceClass(class) => {
                if self.devices.put_class(class) {
                    self.judge_all_devices();
                }
            }
            Event::DeviceClassGone(name) => {
                if self.devices.drop_class(name) {
                    self.judge_all_devices();
                }
            }
            Event::DeviceTaintRule(rule) => {
                if self.devices.put_rule(rule) {
                    self.judge_all_devices();
                }
            }
            Event::DeviceTaintRuleGone(name) => {
                if self.devices.drop_rule(name) {
                    self.judge_all_devices();
                }
            }
            Event::DeviceClaim(claim) => {
                if let Some((pods, owner, touched)) = self.devices.put_claim(claim) {
                    self.take_in_devices(&pods, owner, &touched);
                }
            }
            Event::DeviceClaimGone { namespace, name } => {
                if let Some((pods, owner, touched)) = self.devices.drop_claim(namespace, name) {
                    self.take_in_devices(&pods, owner, &touched);
                }
            }
            Event::CsiNodeGone(name) => {
                let drivers = self.volumes.limits.remove(name);
                self.limit_volumes(name, &drivers);
                if self.volumes.places.remove(name) {
                    self.judge_all_users();
                }
            }
        }
    }

    /// Brings what is derived up to date: the topology, if HyperNodes or nodes have changed. Call before reading a
    /// [`Cluster::view`] after events.
    pub fn refresh(&mut self) {
        self.sweep_if_due();
        self.refresh_classes();
        self.refresh_stock();
        if !self.topology_stale {
            return;
        }
        self.topology_stale = false;
        let hyper_nodes = self.hyper_nodes.iter().map(|(name, spec)| HyperNodeInput { name, spec });
        let labels = &self.labels;
        let nodes = self.nodes.present().map(|(id, name, record)| NodeInput {
            id,
            name,
            labels: labels.get(record.labels),
        });
        let levels = LabelLevels(self.settings.domain_labels.clone());
        let (topology, findings) = Topology::build(hyper_nodes, nodes, &levels);
        self.topology = topology.with_version(self.topology.version() + 1);
        self.findings = findings;
    }

    /// What is wrong with HyperNodes or domain labels, as of the last [`Cluster::refresh`].
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// A new kind of rule may tell pods apart that were the same so far.
    fn refresh_classes(&mut self) {
        if self.coupling_version == self.coupling.version() {
            return;
        }
        self.coupling_version = self.coupling.version();
        // A promise may be taken back: the pod is to be the same as others that wait then.
        let may_wait = |pod: &PodRecord| matches!(pod.state, PodState::Pending | PodState::Assumed);
        for pod in self.pods.iter_mut().filter(|pod| pod.gang.is_some() && may_wait(pod)) {
            let mut class = self.classes.get(pod.class).clone();
            class.coupling = self.coupling.rematch(class.coupling, pod.namespace(), pod.labels, &self.labels);
            pod.class = self.classes.intern(class);
        }
    }

    /// What placement reads.
    pub fn view(&self) -> View<'_> {
        View {
            capacity: &self.capacity,
            topology: &self.topology,
            classes: &self.classes,
            eligibility: &self.eligibility,
            coupling: &self.coupling,
            devices: Some(DevicesView {
                devices: &self.devices,
                nodes: &self.nodes,
                labels: &self.labels,
                is_mixed: false,
            }),
        }
    }

    /// Takes out what changed since the last call.
    pub fn take_marks(&mut self) -> Marks {
        std::mem::take(&mut self.marks)
    }

    /// Has anything changed since [`Cluster::take_marks`]?
    pub fn has_marks(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Marks everything as changed: what was refused may fit by other rules.
    pub fn mark_all(&mut self) {
        self.marks.everything = true;
    }

    /// Marks the gang of a PodGroup (`namespace/name`) as changed.
    pub fn mark(&mut self, group: &str) {
        if let Some(gang) = self.gangs.id(group) {
            self.marks.gangs.insert(gang);
        }
    }

    /// Marks nodes as having gained room.
    pub fn mark_gained(&mut self, nodes: impl IntoIterator<Item = NodeId>) {
        self.marks.gained.extend(nodes);
    }

    /// Marks a gang as changed.
    pub fn mark_changed(&mut self, gang: GangId) {
        self.marks.gangs.insert(gang);
    }

    /// The pods.
    pub fn pods(&self) -> &Pods {
        &self.pods
    }

    /// The gangs.
    pub fn gangs(&self) -> &Gangs {
        &self.gangs
    }

    /// Pods that name a PodGroup (`namespace/name`) and ask for a scheduler that is not ours: `namespace/name` and the
    /// scheduler.
    pub fn other_schedulers(&self, group: &str) -> impl Iterator<Item = (&str, &str)> {
        self.other_schedulers.of(group)
    }

    /// The names of schedulers that are answered to.
    pub fn scheduler_names(&self) -> &[String] {
        &self.settings.scheduler_names
    }

    /// The nodes.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// The id of a resource by name, seen before or not.
    pub fn resource(&mut self, name: &str) -> ResourceId {
        self.resources.intern(name)
    }

    /// Pods that only the gate of their queue holds back.
    pub fn queue_gated(&self) -> impl Iterator<Item = PodId> {
        self.queue_gated.iter().copied()
    }

    /// What sidecars of a pod take of extended resources.
    pub fn sidecars(&self, pod: PodId) -> &[Sidecar] {
        self.sidecars.get(&pod).map_or(&[], |sidecars| sidecars)
    }

    /// Names of resources.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// Interned texts (roles, taint keys).
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    /// Interned label sets.
    pub fn labels(&self) -> &LabelSets {
        &self.labels
    }

    /// A queue by name; `default` for the empty one. `default` and `root` exist whether or not an object says so.
    pub fn queue(&self, name: &str) -> Option<&QueueRecord> {
        self.queues.get(name)
    }

    /// The queues.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// PodDisruptionBudgets by `namespace/name`.
    pub fn budgets(&self) -> impl Iterator<Item = (&str, &BudgetRecord)> {
        self.budgets.iter().map(|(key, budget)| (key.as_str(), budget))
    }

    /// Is there an object for this queue?
    pub fn knows_queue(&self, name: &str) -> bool {
        self.queues.has_object(name)
    }

    /// The value of a priority class; the global default for the empty name, `None` for an unknown one.
    pub fn priority(&self, class: &str) -> Option<i32> {
        match class {
            "" => Some(self.default_priority.as_ref().map_or(0, |(_, value)| *value)),
            // built into Kubernetes
            "system-cluster-critical" => Some(2_000_000_000),
            "system-node-critical" => Some(2_000_001_000),
            name => self.priorities.get(name).copied(),
        }
    }

    /// Promises a node to a pending pod: its capacity is taken from now on.
    pub fn assume(&mut self, pod: PodId, node: NodeId) {
        let Some(record) = self.pods.get_mut(pod) else { return };
        if record.state != PodState::Pending {
            return;
        }
        record.state = PodState::Assumed;
        record.node = Some(node);
        let holder = Holder::of(record);
        self.enter(&holder);
        self.choose_volumes(pod, node);
    }

    /// Takes a promise back.
    pub fn forget(&mut self, pod: PodId) {
        let Some(record) = self.pods.get_mut(pod) else { return };
        if record.state != PodState::Assumed {
            return;
        }
        let (holder, gang) = (Holder::of(record), record.gang);
        record.state = PodState::Pending;
        record.node = None;
        self.leave(&holder);
        self.mark_gang(gang);
        self.judge(&[pod]);
        self.judge_devices(&[pod]);
    }

    /// Checks what must always hold and names what does not: free + held = allocatable on every node, and every pod
    /// of a gang is listed there. Empty when all is well.
    pub fn audit(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut held = vec![vec![0i64; self.capacity.resources()]; self.capacity.len()];
        for (id, pod) in self.pods.iter() {
            if let Some(node) = pod.holds() {
                for &(resource, amount) in &*self.classes.get(pod.class).requests {
                    held[node.index()][resource.index()] += amount;
                }
            }
            if let Some(gang) = pod.gang
                && self.gangs.get(gang).is_none_or(|gang| gang.pods.binary_search(&id).is_err())
            {
                wrong.push(format!("pod {} is not listed in its gang", pod.key));
            }
        }
        for room in self.kept.all() {
            for &(resource, amount) in &*self.classes.get(room.class).requests {
                held[room.node.index()][resource.index()] += amount;
            }
        }
        for (node, held) in held.iter().enumerate() {
            for (resource, &held) in held.iter().enumerate() {
                let (id, resource) = (NodeId(node as u32), super::ids::ResourceId(resource as u32));
                let (free, all) = (self.capacity.free(id, resource), self.capacity.allocatable(id, resource));
                if free + held != all {
                    wrong.push(format!(
                        "node {}: {} free {free} + held {held} is not allocatable {all}",
                        self.nodes.name(id),
                        self.resources.name(resource)
                    ));
                }
            }
        }
        wrong
    }

    // --- nodes ---

    fn apply_node(&mut self, node: &Node) {
        let id = self.nodes.intern(&node.metadata.name);
        let record = self.nodes.get(id);
        let same_amounts = is_given(&record.given, node);
        if record.present && same_amounts && self.eligibility.is_current(id, node) {
            return; // a heartbeat
        }
        let is_new = !record.present;
        let relabelled = !self.labels.is(record.labels, &node.metadata.labels);
        if relabelled {
            self.labels.release(record.labels);
            let labels = self.labels.intern(&node.metadata.labels);
            self.nodes.get_mut(id).labels = labels;
        }
        let record = self.nodes.get_mut(id);
        record.present = true;
        if !same_amounts {
            record.given = given(node);
        }
        let ready = is_ready(node);
        if record.ready != ready {
            record.ready = ready;
            self.capacity.touch(id);
        }
        if is_new {
            self.capacity.add_node(id);
        }
        if is_new || relabelled {
            self.stale();
        }
        let amounts = requests::node_amounts(node, &mut self.resources).amounts;
        let mut gained = is_new;
        for index in 0..self.resources.len().max(self.capacity.resources()) {
            let resource = super::ids::ResourceId(index as u32);
            if self.devices.stands_for(resource) {
                continue;
            }
            let amount = amounts.iter().find(|(r, _)| *r == resource);
            if amount.is_none_or(|(_, amount)| *amount == 0) && self.devices.is_served(resource) {
                continue;
            }
            let limit = || self.volumes.limits.of(resource, &node.metadata.name);
            let amount = amount.map_or_else(limit, |&(_, amount)| amount);
            let before = self.capacity.allocatable(id, resource);
            if amount != before {
                self.capacity.set_allocatable(id, resource, amount);
                gained |= amount > before;
            }
        }
        if self.eligibility.set_node(id, node) {
            self.capacity.touch(id);
            gained = true;
        }
        if is_new || relabelled || !same_amounts {
            self.look_at_devices_of(id);
        }
        // Labels that no selector mentions can still be topology keys.
        self.marks.coupled |= self.coupling.set_node(id, &self.eligibility);
        if gained {
            self.marks.gained.insert(id);
        }
        self.yield_room(id);
        self.volumes.stock.is_stale = true;
    }

    fn remove_node(&mut self, name: &str) {
        let Some(id) = self.nodes.id(name) else { return };
        let record = self.nodes.get_mut(id);
        if !std::mem::take(&mut record.present) {
            return;
        }
        self.labels.release(std::mem::take(&mut record.labels));
        record.given = Box::default();
        self.capacity.remove_node(id);
        self.eligibility.remove_node(id);
        self.coupling.set_node(id, &self.eligibility);
        self.stale();
    }

    fn stale(&mut self) {
        self.topology_stale = true;
        self.marks.everything = true;
    }
}

/// Is it ready, by its condition and by the taints that Kubernetes adds where it is not?
fn is_ready(node: &Node) -> bool {
    let condition = node.status.conditions.iter().find(|condition| condition.type_ == "Ready");
    condition.is_none_or(|condition| condition.status == "True")
        && !node.spec.taints.iter().any(|taint| {
            matches!(taint.key.as_str(), "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable")
        })
}

/// What a node has to give, as one text: names and quantities with a byte after each that neither has.
fn given(node: &Node) -> Box<str> {
    let mut text = String::new();
    for part in given_parts(node) {
        text.push_str(part);
        text.push('\0');
    }
    text.into()
}

/// Is that what the node has to give?
fn is_given(mut known: &str, node: &Node) -> bool {
    for part in given_parts(node) {
        let Some(rest) = known.strip_prefix(part).and_then(|rest| rest.strip_prefix('\0')) else {
            return false;
        };
        known = rest;
    }
    known.is_empty()
}

/// Allocatable, and capacity where it stands in.
fn given_parts(node: &Node) -> impl Iterator<Item = &str> {
    let list = requests::node_list(node).0;
    list.iter().flat_map(|(name, quantity)| [name.as_str(), quantity.0.as_str()])
}
