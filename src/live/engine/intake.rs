//! What comes in: objects from watches, answers, records of predecessors.

use super::{Engine, Input, Recovery};
use crate::api::core::{
    CsiNode, Node, PersistentVolume, PersistentVolumeClaim, Pod, PriorityClass, StorageClass,
};
use crate::api::decode::decode;
use crate::api::hyper_node::HyperNode;
use crate::api::model_serving::ModelServing;
use crate::api::pod_group::PodGroup;
use crate::api::queue::Queue;
use crate::cluster::Event;
use crate::live::events::Note;
use crate::live::kind::Kind;
use crate::live::mirror::Shown;
use crate::live::recovery::Found;
use crate::live::serving::owned;
use crate::live::watch::Change;
use crate::live::whole::Whole;
use crate::reservation::facts::{is_lost, pod_facts};
use crate::reservation::{BoundPod, GangKey, Input as Told, PodFacts, Recovered};
use crate::scheduler::PodRef;
use serde::de::DeserializeOwned;
use std::sync::atomic::Ordering;

impl Engine {
    pub(super) fn take_in(&mut self, input: Input) {
        let now = self.clock.elapsed();
        match input {
            Input::Watch(Change::Applied { kind, object }) => self.apply(kind, object),
            Input::Watch(Change::Gone { kind, namespace, name }) => self.gone(kind, &namespace, &name),
            Input::Watch(Change::Synced(kind)) => self.synced(kind),
            Input::Watch(Change::Missing(kind)) => {
                tracing::info!(?kind, "its CRD is not installed; it is watched once it is");
                if kind == Kind::PodGroup {
                    self.serving.set_pod_groups(false);
                }
                self.synced(kind);
            }
            Input::Answered(call, answer, shown) => {
                self.show(shown);
                self.tell(now, Told::Answered { call, answer });
            }
            Input::Shown(shown) => self.show(shown),
            Input::StatusLost(gang, status) => self.status_lost(gang, *status),
            Input::Batch(key, ok) => {
                self.serving.done(&key, ok, self.timestamp());
                for group in self.arrivals.made(&key, ok, now) {
                    self.scheduler.resume(&group);
                }
            }
            Input::Found(found) => {
                tracing::debug!(records = found.len(), "records of predecessors are read");
                for found in found {
                    self.recover(found);
                }
                self.recovered = Recovery::Complete;
            }
        }
    }

    fn synced(&mut self, kind: Kind) {
        if self.unsynced.remove(&kind) {
            tracing::debug!(?kind, left = self.unsynced.len(), "listed");
        }
        if self.unsynced.is_empty() && !self.health.synced.swap(true, Ordering::Relaxed) {
            tracing::info!("in step with the cluster");
        }
    }

    fn apply(&mut self, kind: Kind, object: Whole) {
        if let Some(owned) = owned(kind)
            && self.plan.model_serving
        {
            self.serving.apply_owned(owned, &object);
        }
        match kind {
            Kind::Node => self.with(kind, object, |engine, node: Node| engine.apply_node(&node)),
            Kind::PriorityClass => self.with(kind, object, |engine, class: PriorityClass| {
                engine.scheduler.apply(Event::PriorityClass(&class));
            }),
            Kind::StorageClass => self.with(kind, object, |engine, class: StorageClass| {
                engine.scheduler.apply(Event::StorageClass(&class));
            }),
            Kind::PersistentVolume => self.with(kind, object, |engine, volume: PersistentVolume| {
                engine.scheduler.apply(Event::Volume(&volume));
                engine.tell_settled();
            }),
            Kind::PersistentVolumeClaim => self.with(kind, object, |engine, claim: PersistentVolumeClaim| {
                engine.scheduler.apply(Event::Claim(&claim));
                engine.tell_settled();
            }),
            Kind::CsiNode => self.with(kind, object, |engine, node: CsiNode| {
                engine.scheduler.apply(Event::CsiNode(&node));
            }),
            Kind::Queue => self.with(kind, object, |engine, queue: Queue| {
                engine.scheduler.apply(Event::Queue(&queue));
            }),
            Kind::HyperNode => self.with(kind, object, |engine, hyper_node: HyperNode| {
                engine.findings.put(&hyper_node);
                engine.scheduler.apply(Event::HyperNode(&hyper_node));
            }),
            Kind::PodGroup => self.with(kind, object, |engine, group: PodGroup| engine.apply_group(&group)),
            Kind::Pod => self.with(kind, object, |engine, pod: Pod| {
                engine.watched = engine.watched.max(version(&pod));
                if engine.is_news(&pod) {
                    engine.apply_pod(&pod);
                }
            }),
            Kind::ModelServing => self.with(kind, object, |engine, object: ModelServing| {
                engine.serving.apply_object(object);
            }),
            Kind::Service | Kind::ControllerRevision => {}
        }
    }

    /// Reads an object, or reports on it that it cannot be used; nothing else is held up by it.
    fn with<T: DeserializeOwned>(&mut self, kind: Kind, object: Whole, then: impl FnOnce(&mut Self, T)) {
        let known = || {
            let (namespace, name) = object.key();
            (kind, namespace, name)
        };
        let error = match object.read::<T>() {
            Ok(typed) => {
                if !self.malformed.is_empty() && self.malformed.remove(&known()) {
                    self.count_quarantined();
                }
                return then(self, typed);
            }
            Err(plain) => match decode::<T>(&object.value(&kind.resource())) {
                Err(error) => error.to_string(),
                Ok(_) => plain.to_string(),
            },
        };
        let known = known();
        let (namespace, name) = (known.1.clone(), known.2.clone());
        tracing::warn!(?kind, namespace, name, error, "object cannot be used");
        self.recorder.note(Note {
            api_version: kind.resource().api_version,
            kind: kind.name(),
            uid: object.uid().to_owned(),
            namespace,
            name,
            warning: true,
            reason: "Malformed".to_owned(),
            message: format!("it cannot be used and is left out: {error}"),
            component: "phalanx",
        });
        self.malformed.insert(known);
        self.count_quarantined();
    }

    /// Binds that waited for claims need not wait any longer, or are not to be where they were promised.
    fn tell_settled(&mut self) {
        let now = self.clock.elapsed();
        let settled = self.scheduler.take_settled();
        for told in self.reservations.tell_settled(settled, &self.scheduler) {
            self.tell(now, told);
        }
    }

    fn apply_node(&mut self, node: &Node) {
        self.scheduler.apply(Event::Node(node));
        let name = &node.metadata.name;
        if !is_lost(node) {
            self.lost_nodes.remove(name);
        } else if self.lost_nodes.insert(name.clone()) {
            self.tell(self.clock.elapsed(), Told::NodeLost(name.clone()));
        }
        self.heed_room(name);
    }

    /// A node that holds more than it has, since somebody else bound a pod to it or it has become smaller, takes no more
    /// of what was promised there: its kubelet would refuse the pods.
    fn heed_room(&mut self, name: &str) {
        if self.reservations.heeds_room(name, &self.scheduler) {
            tracing::debug!(node = name, "there is no room any more for what was promised");
            self.tell(self.clock.elapsed(), Told::NodeLost(name.to_owned()));
        }
    }

    /// What an answer shows of a pod is known to everybody, not to the reservation alone.
    fn show(&mut self, shown: Shown) {
        match shown {
            Shown::Nothing => {}
            Shown::Pod(pod) => {
                let key = format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
                // The watch may have shown it already, and what came after it.
                let known = self.mirror.pod(&key).map_or(self.watched, |member| member.version);
                let version = version(&pod);
                if version > known {
                    self.ahead.insert(key, Ahead { uid: pod.metadata.uid.clone(), gone: false, version });
                    self.apply_pod(&pod);
                }
            }
            Shown::Gone(pod) => {
                let key = format!("{}/{}", pod.namespace, pod.name);
                if self.mirror.pod(&key).is_some_and(|member| member.facts.pod.uid == pod.uid) {
                    let ahead = Ahead { uid: pod.uid.clone(), gone: true, version: 0 };
                    self.ahead.insert(key, ahead);
                    self.pod_gone(&pod.namespace, &pod.name);
                }
            }
        }
    }

    /// Is it newer than what an answer has shown?
    fn is_news(&mut self, pod: &Pod) -> bool {
        if self.ahead.is_empty() {
            return true;
        }
        let key = format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
        let Some(ahead) = self.ahead.get(&key) else { return true };
        let older = version(pod) < ahead.version;
        let old = if ahead.gone { ahead.uid == pod.metadata.uid } else { older };
        if !old {
            self.ahead.remove(&key);
        }
        !old
    }

    fn apply_group(&mut self, group: &PodGroup) {
        self.scheduler.apply(Event::PodGroup(group));
        self.mirror.put_group(group);
        let key = format!("{}/{}", group.metadata.namespace, group.metadata.name);
        self.gang_changed(&key);
        self.heed_record(key);
    }

    /// A predecessor's record that arrived after we had read what there was: it is taken over like the others.
    /// One that arrived while a reservation was on its way is looked at when that has ended.
    pub(super) fn heed_record(&mut self, key: String) {
        let gang = GangKey::new(true, &key);
        if self.recovered == Recovery::Complete
            && self
                .mirror
                .group(&key)
                .is_some_and(|group| self.reservations.heeds_record(&gang, &group.facts))
            && self.mirror.is_ours(&key)
            && !self.finding.contains(&key)
        {
            self.find(vec![key]);
        }
    }

    fn apply_pod(&mut self, pod: &Pod) {
        self.scheduler.apply(Event::Pod(pod));
        if let Some(node) = &pod.spec.node_name {
            self.heed_room(node);
        }
        let ours = pod
            .spec
            .scheduler_name
            .as_ref()
            .is_some_and(|name| self.plan.config.cluster.scheduler_names.contains(name));
        if !ours {
            self.mirror.put_other(pod);
            return;
        }
        let now = self.clock.elapsed();
        let member = self.mirror.put_pod(pod);
        let (facts, group) = (member.facts.clone(), member.group.clone());
        if facts.node.is_none()
            && let Some(group) = &group
        {
            self.last_seen.entry(group.clone()).and_modify(|at| *at = now).or_insert(now);
        }
        if let Some(group) = &group
            && self.arrivals.seen(group, &pod.metadata.name)
        {
            self.scheduler.resume(group);
        }
        let is_member = self.reservations.is_member(&facts.pod);
        self.tell(now, Told::PodSeen(facts));
        // What is bound beside the members stays the same when a member changes; counting it takes a look at every pod.
        if let Some(group) = group.filter(|_| !is_member) {
            self.gang_changed(&group);
        }
    }

    /// Pods of a gang that have a node and stay.
    pub(super) fn bound(&self, group: &str) -> Vec<BoundPod> {
        let bound = self.mirror.bound(group).map(|facts| BoundPod {
            uid: facts.pod.uid.clone(),
            role: facts.role.clone(),
            subgroup: self.scheduler.subgroup(&facts.pod),
        });
        bound.collect()
    }

    fn gang_changed(&mut self, key: &str) {
        let gang = GangKey::new(true, key);
        if self.reservations.phase(&gang).is_none() {
            return;
        }
        let Some(group) = self.mirror.group(key) else { return };
        let told = Told::GangChanged {
            gang,
            generation: group.facts.generation,
            minimum: group.facts.minimum.clone(),
            bound: self.bound(key),
        };
        self.tell(self.clock.elapsed(), told);
    }

    fn gone(&mut self, kind: Kind, namespace: &str, name: &str) {
        if self.plan.model_serving {
            self.serving.gone(kind, namespace, name);
        }
        if self.malformed.remove(&(kind, namespace.to_owned(), name.to_owned())) {
            self.count_quarantined();
        }
        let key = format!("{namespace}/{name}");
        let now = self.clock.elapsed();
        match kind {
            Kind::Node => {
                self.scheduler.apply(Event::NodeGone(name));
                self.tell(now, Told::NodeLost(name.to_owned()));
            }
            Kind::PriorityClass => self.scheduler.apply(Event::PriorityClassGone(name)),
            Kind::StorageClass => self.scheduler.apply(Event::StorageClassGone(name)),
            Kind::PersistentVolume => self.scheduler.apply(Event::VolumeGone(name)),
            Kind::PersistentVolumeClaim => self.scheduler.apply(Event::ClaimGone { namespace, name }),
            Kind::CsiNode => self.scheduler.apply(Event::CsiNodeGone(name)),
            Kind::Queue => self.scheduler.apply(Event::QueueGone(name)),
            Kind::HyperNode => {
                self.findings.gone(name);
                self.scheduler.apply(Event::HyperNodeGone(name));
            }
            Kind::PodGroup => {
                self.scheduler.apply(Event::PodGroupGone { namespace, name });
                self.mirror.drop_group(&key);
                self.last_seen.remove(&key);
                self.statuses.forget(&key);
                self.tell(now, Told::GroupGone(GangKey::new(true, &key)));
            }
            Kind::Pod => {
                match self.ahead.remove(&key) {
                    None => self.pod_gone(namespace, name),
                    Some(ahead) if ahead.gone => {}
                    // Is it this pod that is gone, or an earlier one of the name?
                    Some(ahead) => {
                        self.look(PodRef { namespace: namespace.into(), name: name.into(), uid: ahead.uid });
                    }
                }
            }
            Kind::ModelServing | Kind::Service | Kind::ControllerRevision => {}
        }
    }

    fn pod_gone(&mut self, namespace: &str, name: &str) {
        self.scheduler.apply(Event::PodGone { namespace, name });
        self.mirror.drop_other(&format!("{namespace}/{name}"));
        self.marks.forget(&format!("{namespace}/{name}"));
        if let Some(member) = self.mirror.drop_pod(&format!("{namespace}/{name}")) {
            self.tell(self.clock.elapsed(), Told::PodGone(member.facts.pod));
            if let Some(group) = member.group {
                self.gang_changed(&group);
            }
        }
    }

    /// Takes in a record of a predecessor: its promises hold, as far as there is room for them.
    fn recover(&mut self, found: Found) {
        self.finding.remove(&found.group);
        let gang = GangKey::new(true, &found.group);
        if self.reservations.phase(&gang).is_some() {
            return;
        }
        let read: Vec<PodFacts> = found.pods.iter().map(pod_facts).collect();
        for pod in found.pods {
            self.show(Shown::Pod(Box::new(pod)));
        }
        let known = |uid: &str| read.iter().any(|facts| facts.pod.uid == uid);
        let others = self.mirror.of_group(&found.group).filter(|facts| !known(&facts.pod.uid));
        let pods = read.iter().chain(others).cloned().collect();
        let epoch = self.reservations.epoch();
        let recovered = Recovered::take(gang, found.facts, pods, epoch, &mut self.scheduler);
        self.tell(self.clock.elapsed(), Told::Recovered(recovered));
    }
}

/// What an answer has shown of a pod.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    uid: String,
    /// It is gone; else it has this version, and older ones are old news.
    gone: bool,
    version: u64,
}

/// `metadata.resourceVersion`; comparable within a kind (Kubernetes guarantees it since 1.35, etcd always did).
fn version(pod: &Pod) -> u64 {
    pod.metadata.resource_version.parse().unwrap_or(0)
}
