//! Whoever makes volumes: a claim that has been told its node gets one.
//!
//! A volume is made at once, and is reached from the nodes that have the same labels as the chosen one: those that the
//! driver names on it (`CSINode`), else those of the class (`allowedTopologies`); without any, from everywhere.

use super::Simulation;
use crate::api::core::{CsiNode, PersistentVolume, PersistentVolumeClaim, StorageClass};
use crate::api::keys::SELECTED_NODE;
use crate::apiserver::{Actor, At as _, Key, Kind};
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Simulation {
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

    /// A volume names the claim that it is for: the claim is bound to it, as the control plane does.
    pub(super) fn bind_claim(&mut self, key: &Key) {
        let Some(volume) = self.typed::<PersistentVolume>(key) else { return };
        let Some(of) = volume.spec.claim_ref else { return };
        let claim = Key::new(Kind::PersistentVolumeClaim, &of.namespace, &of.name);
        let Some(found) = self.store.get(&claim) else { return };
        let is_it = of.uid.is_empty() || found.uid() == of.uid;
        if !is_it || found.is_deleting() || !found.text("/spec/volumeName").is_empty() {
            return;
        }
        // Where the scheduler chose the volume, the claim is as much its doing.
        let is_ours = self.store.get(key).is_some_and(|volume| volume.ours);
        let by = if is_ours { Actor::Scheduler } else { Actor::System };
        let bound = json!({ "spec": { "volumeName": &*key.name }, "status": { "phase": "Bound" } });
        let _ = self.store.patch(&claim, &bound, by);
        let bound = json!({ "status": { "phase": "Bound" } });
        let _ = self.store.patch(key, &bound, Actor::System);
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
