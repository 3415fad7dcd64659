//! Claims that wait for their first consumer: the scheduler names a node in them, and whoever makes volumes makes one.
//!
//! A volume is made at once, and is reached from the nodes that have the same labels as the chosen one: those that the
//! driver names on it (`CSINode`), else those of the class (`allowedTopologies`); without any, from everywhere.

use super::Simulation;
use crate::api::core::{CsiNode, PersistentVolume, PersistentVolumeClaim, StorageClass};
use crate::api::keys::SELECTED_NODE;
use crate::scheduler::PodRef;
use crate::simulation::store::{Actor, At as _, Key, Kind};
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Simulation {
    /// Does the bind of a pod wait for its claims? Then its node is named in those that want to know it.
    pub(super) fn waits_for_claims(&mut self, pod: &PodRef, node: &str) -> bool {
        let claims = self.scheduler.unbound_claims(pod);
        for claim in claims.iter().filter(|claim| claim.names_node) {
            let key = Key::new(Kind::PersistentVolumeClaim, &pod.namespace, &claim.name);
            let chosen = json!({ "metadata": { "annotations": { SELECTED_NODE: node } } });
            let is_open = self.typed::<PersistentVolumeClaim>(&key).is_some_and(|claim| {
                !claim.is_bound() && !claim.metadata.annotations.contains_key(SELECTED_NODE)
            });
            if is_open && self.store.patch(&key, &chosen, Actor::Scheduler).is_ok() {
                let message = format!("for {}, on {node}", pod.name);
                self.note("scheduler", &key, "Normal", "NodeChosen", message);
            }
        }
        for claim in &claims {
            if let Some(volume) = &claim.takes {
                self.take_volume(volume, &Key::new(Kind::PersistentVolumeClaim, &pod.namespace, &claim.name));
            }
        }
        let gang_waits = || {
            let reservations = self.promises.reservations();
            let gang = reservations.gang_of(pod);
            gang.is_some_and(|gang| !reservations.is_clear_of_claims(gang, &self.scheduler))
        };
        !claims.is_empty() || !self.scheduler.reaches_volumes(pod, node) || gang_waits()
    }

    /// Binds that waited for claims need not wait any longer, or are not to be where they were promised.
    pub(super) fn inform_settled(&mut self) {
        let settled = self.scheduler.take_settled();
        for told in self.promises.reservations().tell_settled(settled, &self.scheduler) {
            self.inform(told);
        }
    }

    /// Makes the claims of a pod's ephemeral volumes, as kube-controller-manager does: `<pod>-<volume>`, owned by the pod.
    pub(super) fn claim_volumes(&mut self, key: &Key) {
        let Some(pod) = self.store.get(key).filter(|pod| !pod.is_deleting()) else { return };
        let volumes = pod.value.at("/spec/volumes").and_then(Value::as_array);
        let claims: Vec<Value> = volumes
            .into_iter()
            .flatten()
            .filter_map(|volume| {
                let template = volume.at("/ephemeral/volumeClaimTemplate")?;
                let name = format!("{}-{}", key.name, volume["name"].as_str()?);
                let claim = Key::new(Kind::PersistentVolumeClaim, &key.namespace, &name);
                if self.store.get(&claim).is_some() {
                    return None;
                }
                let mut metadata = match &template["metadata"] {
                    Value::Object(fields) => Value::Object(fields.clone()),
                    _ => json!({}),
                };
                metadata["name"] = name.into();
                metadata["namespace"] = (*key.namespace).into();
                metadata["ownerReferences"] = json!([{
                    "apiVersion": "v1", "kind": "Pod", "name": &*key.name, "uid": pod.uid(),
                    "controller": true, "blockOwnerDeletion": true,
                }]);
                Some(json!({
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"],
                }))
            })
            .collect();
        for claim in claims {
            let _ = self.store.create(claim, Actor::System);
        }
    }

    /// Binds an existing volume to a claim, as scheduler and control plane do in two steps.
    fn take_volume(&mut self, name: &str, claim: &Key) {
        let volume = Key::new(Kind::PersistentVolume, "", name);
        let Some(object) = self.typed::<PersistentVolume>(&volume) else { return };
        let Some(uid) = self.store.get(claim).map(|claim| claim.uid().to_owned()) else { return };
        if object.spec.claim_ref.is_some() {
            return;
        }
        let reference = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": &*claim.namespace, "name": &*claim.name,
            "uid": uid,
        });
        let bound = json!({ "spec": { "claimRef": reference }, "status": { "phase": "Bound" } });
        if self.store.patch(&volume, &bound, Actor::Scheduler).is_ok() {
            let bound = json!({ "spec": { "volumeName": name }, "status": { "phase": "Bound" } });
            let _ = self.store.patch(claim, &bound, Actor::System);
            self.note("scheduler", claim, "Normal", "VolumeChosen", format!("volume {name}"));
        }
    }

    /// Makes the volume of a claim that has been told its node.
    pub(super) fn provision(&mut self, key: &Key, claim: &PersistentVolumeClaim) {
        let Some(node) = claim.metadata.annotations.get(SELECTED_NODE) else { return };
        let name = claim.spec.storage_class_name.as_deref().unwrap_or_default();
        let class = Key::new(Kind::StorageClass, "", name);
        if !claim.spec.volume_name.is_empty() || self.store.get(&class).is_none() {
            return;
        }
        let Some(class) = self.typed::<StorageClass>(&class).filter(StorageClass::provisions) else { return };
        let csi = self.typed::<CsiNode>(&Key::new(Kind::CsiNode, "", node));
        let Some(node) = self.store.get(&Key::new(Kind::Node, "", node)) else { return };
        let label = |key: &str| node.value.at("/metadata/labels")?.get(key)?.as_str();
        let drivers = csi.iter().flat_map(|node| &node.spec.drivers);
        let drivers = drivers.filter(|driver| driver.name == class.provisioner);
        let mut keys: BTreeSet<&str> =
            drivers.flat_map(|driver| driver.topology_keys.iter().map(String::as_str)).collect();
        if keys.is_empty() {
            let expressions = class.allowed_topologies.iter().flat_map(|term| &term.match_label_expressions);
            keys = expressions.map(|expression| expression.key.as_str()).collect();
        }
        let asked: Vec<Value> = keys
            .into_iter()
            .filter_map(|key| Some(json!({ "key": key, "operator": "In", "values": [label(key)?] })))
            .collect();
        let volume = format!("pvc-{}", claim.metadata.uid);
        let mut object = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": volume },
            "spec": {
                "storageClassName": name,
                "csi": { "driver": class.provisioner, "volumeHandle": volume },
                "claimRef": { "namespace": &*key.namespace, "name": &*key.name, "uid": claim.metadata.uid },
            },
        });
        if !asked.is_empty() {
            object["spec"]["nodeAffinity"] =
                json!({ "required": { "nodeSelectorTerms": [{ "matchExpressions": asked }] } });
        }
        if self.store.create(object, Actor::System).is_ok() {
            let bound = json!({ "spec": { "volumeName": volume }, "status": { "phase": "Bound" } });
            let _ = self.store.patch(key, &bound, Actor::System);
            self.note("provisioner", key, "Normal", "ProvisioningSucceeded", format!("volume {volume}"));
        }
    }
}
