//! What comes in: objects from watches, and what answers show of them.

use super::calls::{Lane, Purpose};
use super::kind::Kind;
use super::mirror::{Mirror, Shown};
use super::object::Object;
use super::output::{Note, Origin};
use super::request::Request;
use super::{Change, Engine};
use crate::api::core::{Node, Pod};
use crate::api::gang::Dialect;
use crate::api::keys;
use crate::api::pod_group::PodGroup;
use crate::cluster::Event;
use crate::reservation::facts::is_lost;
use crate::reservation::{BoundPod, GangKey, Input as ReservationInput};
use crate::scheduler::PodRef;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What has been observed beside what the scheduler keeps.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) mirror: Mirror,
    /// Kinds that have not yet said all there is.
    pub(super) unsynced: BTreeSet<Kind>,
    /// Objects that cannot be used as they are.
    pub(super) malformed: BTreeSet<(Kind, String, String)>,
    /// When the last pod of a gang that waits was seen.
    pub(super) last_seen: BTreeMap<String, Duration>,
    /// What answers have shown of pods ahead of the watch, by `namespace/name`.
    ahead: BTreeMap<String, Ahead>,
    /// The latest version of any pod that the watch has shown.
    watched: u64,
    /// Nodes that do not answer.
    lost_nodes: BTreeSet<String>,
}

/// What an answer has shown of a pod.
#[derive(Clone, Debug)]
enum Ahead {
    /// This one is gone.
    Gone { uid: String },
    /// It has this version; older ones are old news.
    Known { uid: String, version: u64 },
}

impl Intake {
    /// Waits for these kinds.
    pub(super) fn new(unsynced: BTreeSet<Kind>) -> Self {
        Intake {
            mirror: Mirror::default(),
            unsynced,
            malformed: BTreeSet::new(),
            last_seen: BTreeMap::new(),
            ahead: BTreeMap::new(),
            watched: 0,
            lost_nodes: BTreeSet::new(),
        }
    }
}

impl Engine {
    pub(super) fn observe(&mut self, change: Change) {
        match change {
            Change::Applied(object) => self.apply(object),
            Change::Malformed { kind, namespace, name, uid, error } => {
                self.note(Note {
                    api_version: kind.api_version().to_owned(),
                    kind: kind.name(),
                    uid,
                    namespace: namespace.clone(),
                    name: name.clone(),
                    warning: true,
                    reason: "Malformed".to_owned(),
                    message: format!("it cannot be used and is left out: {error}"),
                    component: "phalanx",
                    origin: Origin::Malformed,
                });
                self.intake.malformed.insert((kind, namespace, name));
                self.count_quarantined();
            }
            Change::Gone { kind, namespace, name } => self.gone(kind, &namespace, &name),
        }
    }

    fn apply(&mut self, object: Object) {
        if !self.intake.malformed.is_empty() {
            let metadata = object.metadata();
            let key = (object.kind(), metadata.namespace.clone(), metadata.name.clone());
            if self.intake.malformed.remove(&key) {
                self.count_quarantined();
            }
        }
        self.tell_notices(&object);
        if self.plan.model_serving {
            self.families.serving.apply_owned(&object);
            self.families.sets.apply(&object, self.now.elapsed);
        }
        match object {
            Object::ModelServing(object) => return self.families.serving.apply_object(object),
            Object::Namespace(namespace) => {
                let metadata = &namespace.metadata;
                let is_ending = metadata.deletion_timestamp.is_some();
                return self.families.serving.set_ending(&metadata.name, is_ending);
            }
            _ => {}
        }
        if !self.plan.scheduler {
            return;
        }
        match object {
            Object::Node(node) => self.apply_node(&node),
            Object::PodGroup(group) => self.apply_group(&group),
            object if self.apply_other_group(&object) => {}
            Object::Pod(pod) => {
                self.intake.watched = self.intake.watched.max(version(&pod));
                if self.is_news(&pod) {
                    self.apply_pod(&pod);
                }
            }
            object => {
                self.observe_groups(&object);
                if let Object::HyperNode(hyper_node) = &object {
                    self.telling.findings.put(hyper_node);
                }
                if let Some(event) = Event::of(&object) {
                    self.scheduler.apply(event);
                }
                if matches!(object, Object::PersistentVolume(_) | Object::PersistentVolumeClaim(_)) {
                    self.tell_settled();
                }
                if matches!(object, Object::ResourceClaim(_)) {
                    self.look_at_claims();
                }
            }
        }
    }

    /// Binds that waited for claims need not wait any longer, or are not to be where they were promised.
    fn tell_settled(&mut self) {
        self.commitments.may_bind.clear();
        let settled = self.scheduler.take_settled();
        for told in self.commitments.reservations.tell_settled(settled, &self.scheduler) {
            self.tell(told);
        }
    }

    fn apply_node(&mut self, node: &Node) {
        self.scheduler.apply(Event::Node(node));
        let name = &node.metadata.name;
        if !is_lost(node) {
            self.intake.lost_nodes.remove(name);
        } else if self.intake.lost_nodes.insert(name.clone()) {
            self.tell(ReservationInput::NodeLost(name.clone()));
        }
        self.look_at_room(name);
    }

    /// A node that holds more than it has, since somebody else bound a pod to it or it has become smaller, takes no more
    /// of what was promised there: its kubelet would refuse the pods.
    fn look_at_room(&mut self, name: &str) {
        if self.commitments.reservations.has_lost_room(name, &self.scheduler) {
            self.tell(ReservationInput::NodeLost(name.to_owned()));
        }
    }

    /// What an answer shows of a pod is known to everybody, not to the reservation alone.
    pub(super) fn show(&mut self, shown: Shown) {
        match shown {
            Shown::Nothing => {}
            Shown::Pod(pod) => {
                let key = format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
                // The watch may have shown it already, and what came after it.
                let known = self.intake.mirror.pod(&key).map_or(self.intake.watched, |member| member.version);
                let version = version(&pod);
                if version > known {
                    let uid = pod.metadata.uid.clone();
                    self.intake.ahead.insert(key, Ahead::Known { uid, version });
                    self.apply_pod(&pod);
                }
            }
            Shown::Gone(pod) => {
                let key = format!("{}/{}", pod.namespace, pod.name);
                if self.intake.mirror.pod(&key).is_some_and(|member| member.facts.pod.uid == pod.uid) {
                    self.intake.ahead.insert(key, Ahead::Gone { uid: pod.uid.clone() });
                    self.pod_gone(&pod.namespace, &pod.name);
                }
            }
        }
    }

    /// Is it newer than what an answer has shown?
    fn is_news(&mut self, pod: &Pod) -> bool {
        if self.intake.ahead.is_empty() {
            return true;
        }
        let key = format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
        let Some(ahead) = self.intake.ahead.get(&key) else { return true };
        let old = match ahead {
            Ahead::Gone { uid } => *uid == pod.metadata.uid,
            Ahead::Known { version: known, .. } => version(pod) < *known,
        };
        if !old {
            self.intake.ahead.remove(&key);
        }
        !old
    }

    pub(super) fn apply_group(&mut self, group: &PodGroup) {
        self.scheduler.apply(Event::PodGroup(group));
        self.groups.grouping.group(group, self.now.elapsed);
        self.intake.mirror.put_group(group);
        let key = format!("{}/{}", group.metadata.namespace, group.metadata.name);
        self.gang_changed(&key);
        self.remove_old_record(&key);
    }

    /// An annotation that releases before the journal steered by is nothing but misleading now.
    fn remove_old_record(&mut self, key: &str) {
        if !self.intake.mirror.is_ours(key) {
            return;
        }
        let Some(uid) = self.intake.mirror.take_old_record(key) else { return };
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        if Dialect::split(name).0 != Dialect::Volcano {
            return; // those releases knew no other
        }
        let body = json!({ "metadata": { "uid": uid, "annotations": { keys::OLD_RECORD: null } } });
        let request = Request::merge(Kind::PodGroup, namespace, name, "", body);
        self.send(Lane::Statuses, Purpose::Tell, request);
    }

    fn apply_pod(&mut self, pod: &Pod) {
        self.scheduler.apply(Event::Pod(pod));
        if let Some(node) = &pod.spec.node_name {
            self.look_at_room(node);
        }
        let ours = pod
            .spec
            .scheduler_name
            .as_ref()
            .is_some_and(|name| self.plan.config.cluster.scheduler_names.contains(name));
        if !ours {
            self.intake.mirror.put_other(pod);
            return;
        }
        let now = self.now.elapsed;
        self.groups.grouping.pod(pod, now);
        let member = self.intake.mirror.put_pod(pod);
        let (facts, group) = (member.facts.clone(), member.group.clone());
        if facts.node.is_none()
            && let Some(group) = &group
        {
            self.intake.last_seen.entry(group.clone()).and_modify(|at| *at = now).or_insert(now);
        }
        if let Some(group) = &group
            && self.families.arrivals.seen(group, &pod.metadata.name)
        {
            self.scheduler.resume(group);
        }
        if let Some(group) = &group {
            self.remove_old_record(group);
        }
        let is_member = self.commitments.reservations.is_member(&facts.pod);
        self.tell(ReservationInput::PodSeen(facts));
        // What is bound beside the members stays the same when a member changes; counting it takes a look at every pod.
        if let Some(group) = group.filter(|_| !is_member) {
            self.gang_changed(&group);
        }
    }

    /// Pods of a gang that have a node and stay.
    pub(super) fn bound(&self, group: &str) -> Vec<BoundPod> {
        let bound = self.intake.mirror.bound(group).map(|facts| BoundPod {
            uid: facts.pod.uid.clone(),
            role: facts.role.clone(),
            subgroup: self.scheduler.subgroup(&facts.pod),
        });
        bound.collect()
    }

    pub(super) fn gang_changed(&mut self, key: &str) {
        let gang = GangKey::new(true, key);
        if self.commitments.reservations.phase(&gang).is_none() {
            return;
        }
        let Some(group) = self.intake.mirror.group(key) else { return };
        let told = ReservationInput::GangChanged {
            gang,
            generation: group.facts.generation,
            minimum: group.facts.minimum.clone(),
            bound: self.bound(key),
        };
        self.tell(told);
    }

    fn gone(&mut self, kind: Kind, namespace: &str, name: &str) {
        if self.plan.model_serving {
            self.families.serving.gone(kind, namespace, name);
            self.families.sets.gone(kind, namespace, name);
            if kind == Kind::Namespace {
                self.families.serving.set_ending(name, false);
            }
        }
        if self.intake.malformed.remove(&(kind, namespace.to_owned(), name.to_owned())) {
            self.count_quarantined();
        }
        if !self.plan.scheduler {
            return;
        }
        let key = format!("{namespace}/{name}");
        if kind == Kind::Pod {
            return match self.intake.ahead.remove(&key) {
                None => self.pod_gone(namespace, name),
                Some(Ahead::Gone { .. }) => {}
                // Is it this pod that is gone, or an earlier one of the name?
                Some(Ahead::Known { uid, .. }) => {
                    self.look(PodRef { namespace: namespace.into(), name: name.into(), uid });
                }
            };
        }
        self.groups_gone(kind, namespace, name);
        if let Some(event) = Event::gone(kind, namespace, name) {
            self.scheduler.apply(event);
        }
        match kind {
            Kind::Node => {
                self.intake.lost_nodes.remove(name);
                self.tell(ReservationInput::NodeLost(name.to_owned()));
            }
            Kind::HyperNode => self.telling.findings.gone(name),
            kind if let Some(dialect) = Dialect::of(kind) => {
                let key = format!("{namespace}/{}", dialect.gang_name(name));
                self.forget_other_group(&key);
                self.intake.mirror.drop_group(&key);
                self.intake.last_seen.remove(&key);
                self.telling.statuses.forget(&key);
                self.tell(ReservationInput::GroupGone(GangKey::new(true, &key)));
            }
            _ => {}
        }
    }

    fn pod_gone(&mut self, namespace: &str, name: &str) {
        self.scheduler.apply(Event::PodGone { namespace, name });
        self.groups_gone(Kind::Pod, namespace, name);
        self.intake.mirror.drop_other(&format!("{namespace}/{name}"));
        self.telling.marks.forget(&format!("{namespace}/{name}"));
        if let Some(member) = self.intake.mirror.drop_pod(&format!("{namespace}/{name}")) {
            self.tell(ReservationInput::PodGone(member.facts.pod));
            if let Some(group) = member.group {
                self.gang_changed(&group);
            }
        }
    }
}

/// `metadata.resourceVersion`; comparable within a kind (Kubernetes guarantees it since 1.35, etcd always did).
fn version(pod: &Pod) -> u64 {
    pod.metadata.resource_version.parse().unwrap_or(0)
}
