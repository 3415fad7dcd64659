//! From the store's log to those who watch: the engines, the kubelets, the node controller, the controllers of volumes and
//! of workloads.

use super::Simulation;
use super::drive::Half;
use crate::api::core::PersistentVolumeClaim;
use crate::api::decode::decode;
use crate::apiserver::{Happening, Key, Kind};
use crate::engine::{Change, Input, Needed, Object};
use crate::simulation::workloads;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

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
        self.sync(Half::Scheduler);
        self.sync(Half::Controller);
    }

    fn tell(&mut self, key: &Key) {
        if let Some(kind) = watched(&key.kind).filter(|&kind| self.is_watched(kind))
            && let Some(input) = self.observed(key)
        {
            self.tell_engines(kind, input);
        }
        match &key.kind {
            Kind::Node => self.watch_node(key),
            Kind::Pod => {
                self.watch_pod(key);
                self.claim_volumes(key);
                self.watch_claims(key);
                self.watch_owned(key);
            }
            Kind::PodGroup | Kind::NativePodGroup | Kind::CoschedulingPodGroup => self.watch_owned(key),
            Kind::ResourceClaimTemplate => self.make_waiting_claims(&key.namespace),
            Kind::ResourceClaim => self.unprotect_claim(key),
            Kind::PersistentVolume => self.bind_claim(key),
            Kind::StorageClass => self.provision_class(),
            Kind::PersistentVolumeClaim => {
                if let Some(claim) = self.typed::<PersistentVolumeClaim>(key) {
                    self.provision(key, &claim);
                }
            }
            kind if workloads::KINDS.contains(kind) => self.watch_workload(key),
            _ => {}
        }
    }

    fn tell_gone(&mut self, key: &Key) {
        if let Some(kind) = watched(&key.kind) {
            let (namespace, name) = (key.namespace.to_string(), key.name.to_string());
            self.tell_engines(kind, Input::Observed(Change::Gone { kind, namespace, name }));
        }
        match &key.kind {
            Kind::Node => self.forget_node(&key.name),
            Kind::Pod => {
                self.forget_pod(key);
                self.release_claims(key, None);
            }
            Kind::ResourceClaim => self.make_waiting_claims(&key.namespace),
            _ => {}
        }
        self.lost_owned(key);
    }

    /// An object as a watch shows it; `None` if nobody watches its kind, or it cannot be read, which is noted.
    pub(super) fn observed(&mut self, key: &Key) -> Option<Input> {
        let kind = watched(&key.kind)?;
        match Object::read(kind, &*self.store.get(key)?.value) {
            Ok(object) => Some(Input::Observed(Change::Applied(object))),
            Err(error) => {
                self.note_malformed(key, &error.path, &error.message);
                None
            }
        }
    }

    /// An object as its type. What does not decode (a patch of the timeline can do that) is noted and kept from those
    /// who watch, as a live watch would.
    pub(super) fn typed<T: DeserializeOwned>(&mut self, key: &Key) -> Option<T> {
        match decode::<T>(&self.store.get(key)?.value) {
            Ok(object) => Some(object),
            Err(error) => {
                self.note_malformed(key, &error.path, &error.message);
                None
            }
        }
    }

    fn note_malformed(&mut self, key: &Key, path: &str, message: &str) {
        let message = format!("{path}: {message}; the change is ignored");
        self.note("user", key, "Warning", "Malformed", message);
    }
}

/// The kind as the engines know it.
fn watched(kind: &Kind) -> Option<crate::engine::Kind> {
    kind.row().filter(|row| row.needed != Needed::Never).map(|row| row.kind)
}
