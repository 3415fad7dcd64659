//! Whoever makes volumes: a claim that has been told its node gets one, and one whose class binds at once (`Immediate`) gets
//! one when it is made. A claim that names no class gets the default one, as the control plane has it.
//!
//! A volume is made at once, and is reached from the nodes that have the same labels as the chosen one: those that the
//! driver names on it (`CSINode`), else those of the class (`allowedTopologies`); without any, from everywhere. Where no node
//! was chosen, the first of `allowedTopologies` decides.

use super::Simulation;
use crate::api::core::{CsiNode, PersistentVolume, PersistentVolumeClaim, StorageClass};
use crate::api::keys::SELECTED_NODE;
use crate::apiserver::{Actor, At as _, Key, Kind};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The class of a claim before it had a field.
const CLASS: &str = "volume.beta.kubernetes.io/storage-class";

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

    /// A storage class is new or changed: claims that wait for it get their volumes.
    pub(super) fn provision_class(&mut self) {
        let claims: Vec<Key> =
            self.store.of_kind(&Kind::PersistentVolumeClaim).map(|(key, _)| key.clone()).collect();
        for key in claims {
            if let Some(claim) = self.typed::<PersistentVolumeClaim>(&key) {
                self.provision(&key, &claim);
            }
        }
    }

    /// The class that claims get that name none: the one that is annotated as the default, the first by name of several.
    fn default_class(&self) -> Option<String> {
        let mut classes = self.store.of_kind(&Kind::StorageClass);
        let is_default = |class: &Value| {
            let marks = &class["metadata"]["annotations"];
            marks["storageclass.kubernetes.io/is-default-class"] == "true"
        };
        classes.find(|(_, class)| is_default(&class.value)).map(|(key, _)| key.name.to_string())
    }

    /// Makes the volume of a claim that has been told its node, or whose class waits for none.
    pub(super) fn provision(&mut self, key: &Key, claim: &PersistentVolumeClaim) {
        if !claim.spec.volume_name.is_empty() || claim.metadata.deletion_timestamp.is_some() {
            return;
        }
        let has_class =
            claim.spec.storage_class_name.is_some() || claim.metadata.annotations.contains_key(CLASS);
        if !has_class && let Some(class) = self.default_class() {
            // The claim comes back with its class.
            let _ = self.store.patch(key, &json!({ "spec": { "storageClassName": class } }), Actor::System);
            return;
        }
        let name = claim.spec.storage_class_name.as_deref();
        let name = name.or(claim.metadata.annotations.get(CLASS).map(String::as_str)).unwrap_or_default();
        let class = Key::new(Kind::StorageClass, "", name);
        if self.store.get(&class).is_none() {
            return;
        }
        let Some(class) = self.typed::<StorageClass>(&class).filter(StorageClass::provisions) else { return };
        match claim.metadata.annotations.get(SELECTED_NODE) {
            Some(node) => self.provision_near(key, claim, &class, node),
            None if class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer") => {}
            None if self.is_reserved(key) => {}
            None => {
                let first = class.allowed_topologies.first();
                let expressions = first.into_iter().flat_map(|term| &term.match_label_expressions);
                let reached = expressions.filter_map(|it| {
                    Some(json!({ "key": it.key, "operator": "In", "values": [it.values.first()?] }))
                });
                let reached = reached.collect();
                self.make_volume(key, claim, &class, reached);
            }
        }
    }

    /// Does a volume that exists name the claim?
    fn is_reserved(&self, key: &Key) -> bool {
        let mut volumes = self.store.of_kind(&Kind::PersistentVolume);
        volumes.any(|(_, volume)| {
            volume.text("/spec/claimRef/name") == &*key.name
                && volume.text("/spec/claimRef/namespace") == &*key.namespace
        })
    }

    /// Makes the volume of a claim where this node reaches it.
    fn provision_near(&mut self, key: &Key, claim: &PersistentVolumeClaim, class: &StorageClass, node: &str) {
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
        self.make_volume(key, claim, class, asked);
    }

    /// Makes the volume of a claim, reached from nodes that match all of these expressions.
    fn make_volume(
        &mut self,
        key: &Key,
        claim: &PersistentVolumeClaim,
        class: &StorageClass,
        reached: Vec<Value>,
    ) {
        let volume = format!("pvc-{}", claim.metadata.uid);
        let mut object = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": volume },
            "spec": {
                "storageClassName": class.metadata.name,
                "csi": { "driver": class.provisioner, "volumeHandle": volume },
                "claimRef": { "namespace": &*key.namespace, "name": &*key.name, "uid": claim.metadata.uid },
            },
        });
        if !reached.is_empty() {
            object["spec"]["nodeAffinity"] =
                json!({ "required": { "nodeSelectorTerms": [{ "matchExpressions": reached }] } });
        }
        if self.store.create(object, Actor::System).is_ok() {
            let bound = json!({ "spec": { "volumeName": volume }, "status": { "phase": "Bound" } });
            let _ = self.store.patch(key, &bound, Actor::System);
            self.note("provisioner", key, "Normal", "ProvisioningSucceeded", format!("volume {volume}"));
        }
    }
}
