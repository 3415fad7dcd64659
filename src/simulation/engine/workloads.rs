//! The shell of the workload controllers: which workloads something changed for, and their changes carried out. Pods of
//! controllers that are not simulated are given again here when they are lost.

use super::Simulation;
use crate::apiserver::{Actor, At as _, Key, Kind, Refusal};
use crate::simulation::workloads::{self, Observed, WorkloadChange};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Workloads that are to be looked at, and what is remembered of pods whose controllers are not simulated.
#[derive(Debug, Default)]
pub(super) struct Workloads {
    dirty: BTreeSet<Key>,
    /// What has a controller that runs here, and that workload.
    owners: BTreeMap<Key, Key>,
    /// Objects made so far, by the uid of their workload.
    serials: BTreeMap<String, u64>,
    /// Pods of ours whose controller does not run here.
    fostered: BTreeMap<Key, Fostered>,
    /// Those of them that have ended: they are not wanted again.
    ended: BTreeSet<Key>,
}

/// A pod whose controller does not run here.
#[derive(Debug)]
struct Fostered {
    /// As it was first seen.
    pod: Arc<Value>,
    /// Is its controller among the objects?
    has_owner: bool,
}

impl Simulation {
    /// A workload is new or changed.
    pub(super) fn watch_workload(&mut self, key: &Key) {
        self.workloads.dirty.insert(key.clone());
        self.watch_owned(key);
    }

    /// Something is new or changed that a workload may own.
    pub(super) fn watch_owned(&mut self, key: &Key) {
        let Some(object) = self.store.get(key) else { return };
        let Some(reference) = controller_reference(&object.value) else { return };
        let (owner, is_there) = self.owner(&key.namespace, reference);
        if workloads::KINDS.contains(&owner.kind) {
            self.workloads.dirty.insert(owner.clone());
            self.workloads.owners.insert(key.clone(), owner.clone());
        }
        if key.kind != Kind::Pod {
            return;
        }
        if matches!(object.text("/status/phase"), "Succeeded" | "Failed") {
            self.workloads.ended.insert(key.clone());
        }
        if self.workloads.fostered.contains_key(key) {
            return;
        }
        // A kubelet makes its own pods again.
        let is_left_alone = (is_there && runs_here(&owner.kind)) || reference["kind"] == "Node";
        if !is_left_alone && self.is_ours(object.text("/spec/schedulerName")) && !object.is_deleting() {
            let fostered = Fostered { pod: Arc::clone(&object.value), has_owner: is_there };
            self.workloads.fostered.insert(key.clone(), fostered);
        }
    }

    /// The key that a reference means, and whether exactly that object is there.
    fn owner(&self, namespace: &str, reference: &Value) -> (Key, bool) {
        let text = |field: &str| reference[field].as_str().unwrap_or_default();
        let key = Key::new(Kind::of(text("apiVersion"), text("kind")), namespace, text("name"));
        let is_there = self.store.get(&key).is_some_and(|owner| owner.uid() == text("uid"));
        (key, is_there)
    }

    /// An object is gone: its workload makes another, or, for a pod whose controller does not run here, we do.
    pub(super) fn lost_owned(&mut self, key: &Key) {
        self.workloads.dirty.extend(self.workloads.owners.remove(key));
        let Some(Fostered { pod, has_owner }) = self.workloads.fostered.remove(key) else { return };
        let Some(reference) = controller_reference(&pod) else { return };
        let (owner, is_there) = self.owner(&key.namespace, reference);
        // What its owner took along stays gone, and what ended well is not wanted again.
        let is_unwanted = (has_owner && !is_there) || (is_there && runs_here(&owner.kind));
        if is_unwanted || self.workloads.ended.remove(key) || self.store.get(key).is_some() {
            return;
        }
        let uid = reference["uid"].as_str().unwrap_or_default();
        let serial = self.workloads.serials.entry(uid.to_owned()).or_default();
        *serial += 1;
        let new = workloads::replacement(&pod, *serial);
        if let Ok(made) = self.store.create(new, Actor::System) {
            let message = format!("in place of {}, as its {} would", key.name, owner.kind);
            self.note("workload", &made, "Normal", "Created", message);
        }
    }

    /// Looks at the workloads that something changed for. True if something was written.
    pub(super) fn run_workloads(&mut self) -> bool {
        while let Some(key) = self.workloads.dirty.pop_first() {
            let Some(object) = self.store.get(&key).filter(|object| !object.is_deleting()) else { continue };
            let uid = object.uid().to_owned();
            if !self.is_ours(workloads::scheduler_name(&key.kind, &object.value)) {
                continue;
            }
            if key.kind == Kind::Deployment && self.adopts(&key) {
                continue;
            }
            let Some(object) = self.store.get(&key) else { continue };
            let owned = self.store.owned_by(&uid).map(|(_, object)| &*object.value);
            let owned = owned.filter(|owned| controller_of(owned) == Some(&*uid)).collect();
            let serial = self.workloads.serials.get(&uid).copied().unwrap_or(0);
            let observed = Observed { workload: &object.value, owned, serial };
            let changes = workloads::reconcile(&key.kind, &observed);
            self.write_workload(&key, &uid, changes);
        }
        self.store.has_log()
    }

    fn write_workload(&mut self, workload: &Key, uid: &str, changes: Vec<WorkloadChange>) {
        for change in changes {
            let answer = match change {
                WorkloadChange::Create(object) => {
                    *self.workloads.serials.entry(uid.to_owned()).or_default() += 1;
                    match self.store.create(object, Actor::System) {
                        Err(Refusal::AlreadyExists(_)) => Ok(()),
                        answer => answer.map(drop),
                    }
                }
                WorkloadChange::Delete(key, uid) => {
                    match self.store.delete_exactly(&key, &uid, Actor::System) {
                        Err(Refusal::NotFound(_) | Refusal::Conflict(..)) => Ok(()),
                        answer => answer,
                    }
                }
                WorkloadChange::Spec(key, spec) => {
                    let message = spec.to_string();
                    self.note("workload", &key, "Normal", "Scaled", message);
                    self.store.patch(&key, &json!({ "spec": spec }), Actor::System)
                }
                WorkloadChange::Status(status) => {
                    self.store.patch(workload, &json!({ "status": status }), Actor::System)
                }
            };
            if let Err(refusal) = answer {
                self.note("workload", workload, "Warning", "WriteFailed", refusal.to_string());
                return;
            }
        }
    }

    /// A dump often has a Deployment and its pods without the ReplicaSet between them: it is put back under the name and
    /// the uid that the pods give. True if it was.
    fn adopts(&mut self, key: &Key) -> bool {
        let Some(deployment) = self.store.get(key) else { return false };
        if self.store.owned_by(deployment.uid()).any(|(key, _)| key.kind == Kind::ReplicaSet) {
            return false;
        }
        let labels = deployment.value.at("/spec/selector/matchLabels").and_then(Value::as_object);
        let Some(labels) = labels.filter(|labels| !labels.is_empty()) else { return false };
        let start = format!("{}-", key.name);
        let mut sets: BTreeMap<String, (String, u64)> = BTreeMap::new();
        for (_, pod) in self.store.named(&Kind::Pod, &key.namespace, &start) {
            let has = |name: &String, value: &Value| pod.value["metadata"]["labels"].get(name) == Some(value);
            let owner = controller_reference(&pod.value).filter(|owner| owner["kind"] == "ReplicaSet");
            let Some(owner) = owner.filter(|_| labels.iter().all(|(name, value)| has(name, value))) else {
                continue;
            };
            let text = |field: &str| owner[field].as_str().unwrap_or_default().to_owned();
            sets.entry(text("name")).or_insert((text("uid"), 0)).1 += 1;
        }
        let spec = &deployment.value["spec"];
        let annotations = workloads::handed_down(&deployment.value);
        let owner = json!([{
            "apiVersion": "apps/v1", "kind": "Deployment", "name": &*key.name, "uid": deployment.uid(), "controller": true,
        }]);
        let objects: Vec<Value> = sets
            .into_iter()
            .map(|(name, (uid, pods))| {
                json!({
                    "apiVersion": "apps/v1", "kind": "ReplicaSet",
                    "metadata": {
                        "name": name, "namespace": &*key.namespace, "uid": uid, "annotations": annotations,
                        "ownerReferences": owner,
                    },
                    "spec": { "replicas": pods, "selector": spec["selector"], "template": spec["template"] },
                })
            })
            .collect();
        let made = objects
            .into_iter()
            .filter(|object| self.store.create(object.clone(), Actor::System).is_ok())
            .count();
        made > 0
    }
}

/// Does the controller of this kind run here?
fn runs_here(kind: &Kind) -> bool {
    workloads::KINDS.contains(kind) || matches!(kind, Kind::ModelServing | Kind::LeaderWorkerSet)
}

/// The reference to the controller of an object.
fn controller_reference(object: &Value) -> Option<&Value> {
    let references = object.at("/metadata/ownerReferences").and_then(Value::as_array);
    references.into_iter().flatten().find(|reference| reference["controller"] == true)
}

/// The uid of the controller of an object.
fn controller_of(object: &Value) -> Option<&str> {
    controller_reference(object)?["uid"].as_str()
}
