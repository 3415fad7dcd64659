//! From the store's log to those who watch: the scheduler, the kubelets, the node controller, the ModelServing
//! controller.

use super::Simulation;
use crate::api::core::{
    CsiNode, Node, PersistentVolume, PersistentVolumeClaim, Pod, PriorityClass, StorageClass,
};
use crate::api::decode::decode;
use crate::api::hyper_node::HyperNode;
use crate::api::meta::ObjectMeta;
use crate::api::pod_group::PodGroup;
use crate::api::queue::Queue;
use crate::cluster::Event;
use crate::simulation::store::{Happening, Key, Kind};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// What is read of a Service.
#[derive(serde::Deserialize)]
struct Service {
    #[serde(default)]
    metadata: ObjectMeta,
}

impl Simulation {
    /// Tells everybody what changed. An object that was written several times is told once, as it is now.
    pub(super) fn route(&mut self) {
        while self.store.has_log() || self.go_on_draining() {
            let mut told = BTreeSet::new();
            for (key, happening) in self.store.take_log() {
                match happening {
                    Happening::Written if !told.insert(key.clone()) => {}
                    Happening::Written => self.tell(&key),
                    Happening::Gone => {
                        told.remove(&key);
                        self.tell_gone(&key);
                    }
                }
            }
        }
    }

    fn tell(&mut self, key: &Key) {
        match &key.kind {
            Kind::Node => {
                if let Some(node) = self.typed::<Node>(key) {
                    self.scheduler.apply(Event::Node(&node));
                    self.promised_node(&node);
                }
                self.watch_node(key);
            }
            Kind::Pod => {
                if let Some(pod) = self.typed::<Pod>(key) {
                    self.scheduler.apply(Event::Pod(&pod));
                    self.promised_pod(&pod);
                    self.controller.pod(key, &pod);
                }
                self.watch_pod(key);
                self.claim_volumes(key);
                self.watch_owned(key);
            }
            Kind::PodGroup => {
                if let Some(group) = self.typed::<PodGroup>(key) {
                    self.scheduler.apply(Event::PodGroup(&group));
                    self.promised_group(&group);
                    self.controller.pod_group(key, &group);
                }
                self.watch_owned(key);
            }
            Kind::HyperNode => {
                if let Some(hyper_node) = self.typed::<HyperNode>(key) {
                    self.scheduler.apply(Event::HyperNode(&hyper_node));
                }
            }
            Kind::StorageClass => {
                if let Some(class) = self.typed::<StorageClass>(key) {
                    self.scheduler.apply(Event::StorageClass(&class));
                }
            }
            Kind::PersistentVolume => {
                if let Some(volume) = self.typed::<PersistentVolume>(key) {
                    self.scheduler.apply(Event::Volume(&volume));
                    self.inform_settled();
                }
            }
            Kind::PersistentVolumeClaim => {
                if let Some(claim) = self.typed::<PersistentVolumeClaim>(key) {
                    self.scheduler.apply(Event::Claim(&claim));
                    self.inform_settled();
                    self.provision(key, &claim);
                }
            }
            Kind::CsiNode => {
                if let Some(node) = self.typed::<CsiNode>(key) {
                    self.scheduler.apply(Event::CsiNode(&node));
                }
            }
            Kind::Queue => {
                if let Some(queue) = self.typed::<Queue>(key) {
                    self.scheduler.apply(Event::Queue(&queue));
                }
            }
            Kind::PriorityClass => {
                if let Some(class) = self.typed::<PriorityClass>(key) {
                    self.scheduler.apply(Event::PriorityClass(&class));
                }
            }
            Kind::Service => {
                if let Some(service) = self.typed::<Service>(key) {
                    self.controller.service(key, &service.metadata);
                }
            }
            Kind::ControllerRevision => {
                if let Some(revision) = self.store.get(key) {
                    self.controller.revision(key, &revision.value);
                }
            }
            Kind::LeaderWorkerSet => self.bridge(key),
            Kind::ModelServing => {
                self.watch_model_serving(key);
                self.bridge_back(key);
            }
            Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::Job | Kind::VolcanoJob => {
                self.watch_workload(key);
            }
            Kind::PodDisruptionBudget | Kind::Other(_) => {}
        }
    }

    fn tell_gone(&mut self, key: &Key) {
        match &key.kind {
            Kind::Node => {
                self.scheduler.apply(Event::NodeGone(&key.name));
                self.promised_node_gone(&key.name);
                self.forget_node(&key.name);
            }
            Kind::Pod => {
                self.promised_pod_gone(key);
                self.forget_pod(key);
            }
            Kind::PodGroup => {
                self.scheduler.apply(Event::PodGroupGone { namespace: &key.namespace, name: &key.name });
                self.promised_group_gone(key);
            }
            Kind::HyperNode => self.scheduler.apply(Event::HyperNodeGone(&key.name)),
            Kind::StorageClass => self.scheduler.apply(Event::StorageClassGone(&key.name)),
            Kind::PersistentVolume => self.scheduler.apply(Event::VolumeGone(&key.name)),
            Kind::PersistentVolumeClaim => {
                self.scheduler.apply(Event::ClaimGone { namespace: &key.namespace, name: &key.name });
            }
            Kind::CsiNode => self.scheduler.apply(Event::CsiNodeGone(&key.name)),
            Kind::Queue => self.scheduler.apply(Event::QueueGone(&key.name)),
            Kind::PriorityClass => self.scheduler.apply(Event::PriorityClassGone(&key.name)),
            Kind::LeaderWorkerSet
            | Kind::ModelServing
            | Kind::Service
            | Kind::ControllerRevision
            | Kind::Deployment
            | Kind::ReplicaSet
            | Kind::StatefulSet
            | Kind::Job
            | Kind::VolcanoJob
            | Kind::PodDisruptionBudget
            | Kind::Other(_) => {}
        }
        self.lost_owned(key);
        self.controller.gone(key);
    }

    /// An object as its type. What does not decode (a patch of the timeline can do that) is noted and kept from those
    /// who watch, as a live watch would.
    pub(super) fn typed<T: DeserializeOwned>(&mut self, key: &Key) -> Option<T> {
        match decode::<T>(&self.store.get(key)?.value) {
            Ok(object) => Some(object),
            Err(error) => {
                let message = format!("{}: {}; the change is ignored", error.path, error.message);
                self.note("user", key, "Warning", "Malformed", message);
                None
            }
        }
    }
}
