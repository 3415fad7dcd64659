//! [`Cluster`]: the one owner of what we believe, changed by events and by our own promises.
//!
//! Parts may arrive in any order: a pod before its PodGroup or its node, a HyperNode before its members. A node name
//! gets its id when it is first mentioned; what pods hold there counts from that moment, even before the node exists.

use super::capacity::Capacity;
use super::class::{Class, Classes};
use super::coupling::Coupling;
use super::eligibility::Eligibility;
use super::event::{Event, Marks};
use super::gangs::{Gangs, Group};
use super::ids::{ClassId, GangId, NodeId, PodId};
use super::labels::LabelSets;
use super::nodes::Nodes;
use super::pods::{PodRecord, PodState, Pods};
use super::refusal::refusal;
use super::requests::Resources;
use super::text::Texts;
use super::topology::{Branch, Topology};
use super::{View, requests};
use crate::api::core::{Node, Pod, PodPhase, PriorityClass};
use crate::api::hyper_node::HyperNodeSpec;
use crate::api::keys;
use crate::api::pod_group::PodGroup;
use crate::api::queue::{Queue, QueueState};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the cluster must be told once.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// What is kept of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRecord {
    /// Does it accept work?
    pub open: bool,
    /// First key of the order of queues.
    pub priority: i32,
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
    capacity: Capacity,
    classes: Classes,
    eligibility: Eligibility,
    coupling: Coupling,
    hyper_nodes: BTreeMap<String, HyperNodeSpec>,
    topology: Topology,
    topology_stale: bool,
    queues: BTreeMap<String, QueueRecord>,
    priorities: BTreeMap<String, i32>,
    default_priority: Option<(String, i32)>,
    marks: Marks,
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
            capacity: Capacity::default(),
            classes: Classes::default(),
            eligibility: Eligibility::default(),
            coupling: Coupling::default(),
            hyper_nodes: BTreeMap::new(),
            topology: Topology::from_tree(Vec::new()),
            topology_stale: false,
            queues: BTreeMap::new(),
            priorities: BTreeMap::new(),
            default_priority: None,
            marks: Marks::default(),
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
            Event::PodGroup(group) => self.apply_group(group),
            Event::PodGroupGone { namespace, name } => self.remove_group(namespace, name),
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
            Event::QueueGone(name) => self.marks.everything |= self.queues.remove(name).is_some(),
            Event::PriorityClass(class) => self.apply_priority_class(class),
            Event::PriorityClassGone(name) => self.remove_priority_class(name),
        }
    }

    /// Brings what is derived up to date: the topology, if HyperNodes or nodes have changed. Call before reading a
    /// [`Cluster::view`] after events.
    pub fn refresh(&mut self) {
        if !self.topology_stale {
            return;
        }
        self.topology_stale = false;
        self.topology =
            Topology::from_tree(self.nodes.present().map(|(id, _, _)| Branch::Node(id)).collect());
    }

    /// What placement reads.
    pub fn view(&self) -> View<'_> {
        View {
            capacity: &self.capacity,
            topology: &self.topology,
            classes: &self.classes,
            eligibility: &self.eligibility,
            coupling: &self.coupling,
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

    /// The pods.
    pub fn pods(&self) -> &Pods {
        &self.pods
    }

    /// The gangs.
    pub fn gangs(&self) -> &Gangs {
        &self.gangs
    }

    /// The nodes.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
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

    /// A queue by name. `default` and `root` exist whether or not an object says so.
    pub fn queue(&self, name: &str) -> Option<QueueRecord> {
        let name = if name.is_empty() { "default" } else { name };
        match self.queues.get(name) {
            Some(queue) => Some(queue.clone()),
            None if name == "default" || name == "root" => Some(QueueRecord { open: true, priority: 0 }),
            None => None,
        }
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
        let (class, labels) = (record.class, record.labels);
        self.capacity.take(node, &self.classes.get(class).requests);
    }

    /// Takes a promise back.
    pub fn forget(&mut self, pod: PodId) {
        let Some(record) = self.pods.get_mut(pod) else { return };
        if record.state != PodState::Assumed {
            return;
        }
        record.state = PodState::Pending;
        let (class, labels, gang) = (record.class, record.labels, record.gang);
        if let Some(node) = record.node.take() {
            self.release(class, labels, node);
        }
        self.mark_gang(gang);
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
                && !self.gangs.get(gang).is_some_and(|gang| gang.pods.binary_search(&id).is_ok())
            {
                wrong.push(format!("pod {} is not listed in its gang", pod.key));
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
        let record = self.nodes.get_mut(id);
        let (is_new, relabelled) = (!record.present, record.labels != node.metadata.labels);
        record.present = true;
        if relabelled {
            record.labels.clone_from(&node.metadata.labels);
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
            let amount = amounts.iter().find(|(r, _)| *r == resource).map_or(0, |&(_, amount)| amount);
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
        if gained {
            self.marks.gained.insert(id);
        }
    }

    fn remove_node(&mut self, name: &str) {
        let Some(id) = self.nodes.id(name) else { return };
        if !std::mem::take(&mut self.nodes.get_mut(id).present) {
            return;
        }
        self.capacity.remove_node(id);
        self.eligibility.remove_node(id);
        self.stale();
    }

    fn stale(&mut self) {
        self.topology_stale = true;
        self.marks.everything = true;
    }

    // --- pods ---

    fn apply_pod(&mut self, pod: &Pod) {
        let known = self.pod_id(&pod.metadata.namespace, &pod.metadata.name);
        match known {
            Some(id) if self.pods.get(id).is_some_and(|known| &*known.uid == pod.metadata.uid) => {
                self.update_pod(id, pod);
            }
            Some(id) => {
                self.drop_pod(id);
                self.insert_pod(pod);
            }
            None => self.insert_pod(pod),
        }
    }

    fn insert_pod(&mut self, pod: &Pod) {
        let key: Arc<str> = self.key.as_str().into();
        let ours = pod
            .spec
            .scheduler_name
            .as_ref()
            .is_some_and(|name| self.settings.scheduler_names.iter().any(|ours| ours == name));
        let labels = self.labels.intern(&pod.metadata.labels);
        let (class, refusal) = self.class_of(pod, labels);
        let annotation = |key: &str| pod.metadata.annotations.get(key);
        let role = annotation(keys::TASK_SPEC).or_else(|| pod.metadata.labels.get(keys::TASK_SPEC));
        let role = self.texts.intern(role.map_or("", String::as_str));
        let gang = ours.then(|| match annotation(keys::GROUP_NAME) {
            Some(group) if !group.is_empty() => {
                let key: Arc<str> = format!("{}/{group}", pod.metadata.namespace).into();
                self.gangs.intern(&key)
            }
            _ => self.gangs.plain(&key),
        });
        let record = PodRecord {
            key,
            uid: pod.metadata.uid.as_str().into(),
            class,
            node: pod
                .spec
                .node_name
                .as_deref()
                .filter(|name| !name.is_empty())
                .map(|name| self.node_slot(name)),
            state: state_of(pod),
            deleting: pod.metadata.deletion_timestamp.is_some(),
            gated: !pod.spec.scheduling_gates.is_empty(),
            gang,
            priority: self.pod_priority(pod),
            labels,
            role,
            task_index: annotation(keys::TASK_INDEX).and_then(|index| index.parse().ok()),
            refusal: refusal.map(String::into_boxed_str),
        };
        if let Some(node) = record.holds() {
            self.capacity.take(node, &self.classes.get(class).requests);
        }
        let id = self.pods.insert(record);
        if let Some(gang) = gang {
            self.gangs.add_pod(gang, id);
        }
        self.mark_gang(gang);
    }

    fn update_pod(&mut self, id: PodId, pod: &Pod) {
        let labels = self.labels.intern(&pod.metadata.labels);
        let (class, refusal) = self.class_of(pod, labels);
        let node =
            pod.spec.node_name.as_deref().filter(|name| !name.is_empty()).map(|name| self.node_slot(name));
        let priority = self.pod_priority(pod);
        let Some(record) = self.pods.get_mut(id) else { return };
        let before =
            (record.holds(), record.class, record.labels, record.state, record.deleting, record.gated);
        let mut state = state_of(pod);
        if record.state == PodState::Assumed && state == PodState::Pending {
            // the watch lags behind our promise
            state = PodState::Assumed;
        } else {
            record.node = node;
        }
        record.state = state;
        record.class = class;
        record.labels = labels;
        record.priority = priority;
        record.refusal = refusal.map(String::into_boxed_str);
        record.deleting = pod.metadata.deletion_timestamp.is_some();
        record.gated = !pod.spec.scheduling_gates.is_empty();
        let after =
            (record.holds(), record.class, record.labels, record.state, record.deleting, record.gated);
        let gang = record.gang;
        if (before.0, before.1, before.2) != (after.0, after.1, after.2) {
            if let Some(node) = before.0 {
                self.release(before.1, before.2, node);
            }
            if let Some(node) = after.0 {
                self.capacity.take(node, &self.classes.get(after.1).requests);
            }
        }
        if before != after {
            self.mark_gang(gang);
        }
    }

    fn remove_pod(&mut self, namespace: &str, name: &str) {
        if let Some(id) = self.pod_id(namespace, name) {
            self.drop_pod(id);
        }
    }

    fn drop_pod(&mut self, id: PodId) {
        let Some(record) = self.pods.remove(id) else { return };
        if let Some(node) = record.holds() {
            self.release(record.class, record.labels, node);
        }
        if let Some(gang) = record.gang {
            self.mark_gang(Some(gang));
            self.gangs.remove_pod(gang, id);
        }
    }

    fn release(&mut self, class: ClassId, labels: super::labels::LabelSetId, node: NodeId) {
        self.capacity.give(node, &self.classes.get(class).requests);
        self.marks.gained.insert(node);
    }

    fn class_of(&mut self, pod: &Pod, labels: super::labels::LabelSetId) -> (ClassId, Option<String>) {
        let _ = labels;
        let (requests, refusal) = match requests::pod_requests(&pod.spec, &mut self.resources) {
            Ok(requests) => (requests, refusal(&pod.spec)),
            Err(error) => (Box::default(), Some(error.to_string())),
        };
        let constraint = self.eligibility.intern(&pod.spec);
        let coupling = super::ids::CouplingId(0);
        (self.classes.intern(Class { requests, constraint, coupling }), refusal)
    }

    fn node_slot(&mut self, name: &str) -> NodeId {
        let node = self.nodes.intern(name);
        self.capacity.add_slot(node);
        node
    }

    fn pod_priority(&self, pod: &Pod) -> Option<i32> {
        pod.spec.priority.or_else(|| match pod.spec.priority_class_name.as_str() {
            "" => None,
            class => self.priority(class),
        })
    }

    fn pod_id(&mut self, namespace: &str, name: &str) -> Option<PodId> {
        self.set_key(namespace, name);
        self.pods.id(&self.key)
    }

    fn set_key(&mut self, namespace: &str, name: &str) {
        self.key.clear();
        self.key.push_str(namespace);
        self.key.push('/');
        self.key.push_str(name);
    }

    fn mark_gang(&mut self, gang: Option<GangId>) {
        if let Some(gang) = gang {
            self.marks.gangs.insert(gang);
        }
    }

    // --- PodGroups, queues, priority classes ---

    fn apply_group(&mut self, group: &PodGroup) {
        self.set_key(&group.metadata.namespace, &group.metadata.name);
        let key: Arc<str> = self.key.as_str().into();
        let gang = self.gangs.intern(&key);
        let new = Group {
            uid: group.metadata.uid.as_str().into(),
            created: group.metadata.creation_timestamp.as_deref().unwrap_or_default().into(),
            spec: group.spec.clone(),
            status: group.status.clone(),
            deleting: group.metadata.deletion_timestamp.is_some(),
        };
        let Some(record) = self.gangs.get_mut(gang) else { return };
        match &record.group {
            Some(known) if **known == new => return,
            Some(known)
                if known.spec == new.spec && known.uid == new.uid && known.deleting == new.deleting =>
            {
                self.marks.statuses.insert(gang);
            }
            _ => {
                self.marks.gangs.insert(gang);
            }
        }
        record.group = Some(Box::new(new));
    }

    fn remove_group(&mut self, namespace: &str, name: &str) {
        self.set_key(namespace, name);
        if let Some(gang) = self.gangs.id(&self.key) {
            if let Some(record) = self.gangs.get_mut(gang) {
                record.group = None;
            }
            self.marks.gangs.insert(gang);
            self.gangs.drop_if_empty(gang);
        }
    }

    fn apply_queue(&mut self, queue: &Queue) {
        let open = !matches!(
            queue.status.state,
            Some(QueueState::Closed | QueueState::Closing | QueueState::Unknown)
        );
        let record = QueueRecord { open, priority: queue.spec.priority.unwrap_or(0) };
        if self.queues.get(&queue.metadata.name) != Some(&record) {
            self.queues.insert(queue.metadata.name.clone(), record);
            self.marks.everything = true;
        }
    }

    fn apply_priority_class(&mut self, class: &PriorityClass) {
        let name = &class.metadata.name;
        self.priorities.insert(name.clone(), class.value);
        if class.global_default {
            self.default_priority = Some((name.clone(), class.value));
        } else if self.default_priority.as_ref().is_some_and(|(default, _)| default == name) {
            self.default_priority = None;
        }
        self.marks.everything = true;
    }

    fn remove_priority_class(&mut self, name: &str) {
        self.priorities.remove(name);
        if self.default_priority.as_ref().is_some_and(|(default, _)| default == name) {
            self.default_priority = None;
        }
        self.marks.everything = true;
    }
}

fn state_of(pod: &Pod) -> PodState {
    let has_node = pod.spec.node_name.as_deref().is_some_and(|name| !name.is_empty());
    match pod.status.phase {
        Some(PodPhase::Succeeded) => PodState::Succeeded,
        Some(PodPhase::Failed) => PodState::Failed,
        Some(PodPhase::Running) if has_node => PodState::Running,
        _ if has_node => PodState::Bound,
        _ => PodState::Pending,
    }
}

#[cfg(test)]
mod tests;
