//! A namespace in memory: applies changes as an API server would, and plays scheduler, kubelet and garbage collector on
//! demand. Keeps what `reconcile` reads; pods are never whole objects here.

use crate::api::keys;
use crate::api::meta::ObjectMeta;
use crate::api::model_serving::ModelServing;
use crate::api::time::Timestamp;
use crate::modelserving::*;
use serde_json::{Value, json};

#[derive(Clone)]
pub(super) struct World {
    pub(super) object: ModelServing,
    pub(super) pods: Vec<ObservedPod>,
    pub(super) pod_groups: Vec<ObservedPodGroup>,
    pub(super) services: Vec<ObservedService>,
    pub(super) revisions: Vec<ObservedRevision>,
    pub(super) gangs: bool,
    pub(super) memory: Option<Memory>,
    pub(super) now: Timestamp,
    pub(super) events: Vec<Event>,
    pub(super) refused: Option<String>,
    pub(super) ending: bool,
    uids: u32,
}

impl World {
    /// A world with nothing but this ModelServing.
    pub(super) fn new(mut object: ModelServing) -> Self {
        object.metadata.uid = "uid-ms".to_owned();
        object.metadata.generation = 1;
        if object.metadata.namespace.is_empty() {
            object.metadata.namespace = "default".to_owned();
        }
        World {
            object,
            pods: Vec::new(),
            pod_groups: Vec::new(),
            services: Vec::new(),
            revisions: Vec::new(),
            gangs: true,
            memory: Some(Memory::default()),
            now: Timestamp(1_000_000),
            events: Vec::new(),
            refused: None,
            ending: false,
            uids: 0,
        }
    }

    /// A ModelServing `ms` with these roles and these fields of the spec, not yet reconciled.
    pub(super) fn of(roles: Value, spec: Value) -> Self {
        let mut object = json!({"metadata": {"name": "ms"}, "spec": {"template": {"roles": roles}}});
        for (key, value) in spec.as_object().into_iter().flatten() {
            if key == "template" {
                for (key, value) in value.as_object().into_iter().flatten() {
                    object["spec"]["template"][key] = value.clone();
                }
            } else {
                object["spec"][key] = value.clone();
            }
        }
        World::new(serde_json::from_value(object).unwrap())
    }

    /// The same, and everything runs.
    pub(super) fn running(roles: Value, spec: Value) -> Self {
        let mut world = World::of(roles, spec);
        world.run();
        world
    }

    pub(super) fn reconcile(&self) -> Outcome {
        let observed = Observed {
            pods: self.pods.iter().collect(),
            pod_groups: self.pod_groups.iter().collect(),
            services: self.services.iter().collect(),
            revisions: self.revisions.iter().collect(),
            settled: None,
            capabilities: Capabilities { pod_groups: self.gangs, ..Capabilities::default() },
            memory: self.memory.as_ref(),
            refused: self.refused.as_deref(),
            ending: self.ending,
        };
        reconcile(&self.object, &observed, self.now)
    }

    /// Applies one change.
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::CreatePodGroup(pod_group) => {
                let mut pod_group = ObservedPodGroup::from(&**pod_group);
                if !self.pod_groups.iter().any(|other| other.object.name == pod_group.object.name) {
                    pod_group.object.uid = self.uid();
                    self.pod_groups.push(pod_group);
                }
            }
            Change::Create(created) => self.create(created),
            Change::UpdatePodGroup { uid, spec, .. } => {
                for pod_group in self.pod_groups.iter_mut().filter(|pod_group| pod_group.object.uid == *uid) {
                    pod_group.spec = (**spec).clone();
                }
            }
            Change::Patch { kind: Kind::Pod, uid, labels, .. } => {
                for pod in self.pods.iter_mut().filter(|pod| pod.object.uid == *uid) {
                    pod.representative = labels[keys::MODEL_SERVING_REPRESENTATIVE].is_some();
                }
            }
            Change::Patch { uid, annotations, .. } => {
                let counts = annotations[keys::MODEL_SERVING_ROLE_REPLICAS].as_deref().unwrap_or("{}");
                let counts: Value = serde_json::from_str(counts).unwrap();
                for revision in self.revisions.iter_mut().filter(|revision| revision.object.uid == *uid) {
                    for role in revision.roles.iter_mut().flatten() {
                        role.replicas = counts[&role.name].as_i64().map(|count| count as i32);
                    }
                }
            }
            Change::Adopt { kind, uid, owner, .. } => {
                let owner: Uid = owner["uid"].as_str().unwrap().into();
                let adopt = |object: &mut ObjectRef| {
                    if object.uid == *uid {
                        (object.owner, object.orphan_of) = (owner.clone(), None);
                    }
                };
                match kind {
                    Kind::Pod => self.pods.iter_mut().map(|one| &mut one.object).for_each(adopt),
                    Kind::PodGroup => self.pod_groups.iter_mut().map(|one| &mut one.object).for_each(adopt),
                    Kind::Service => self.services.iter_mut().map(|one| &mut one.object).for_each(adopt),
                    Kind::ControllerRevision => {
                        self.revisions.iter_mut().map(|one| &mut one.object).for_each(adopt);
                    }
                }
            }
            Change::Delete { kind, uid, .. } => self.delete(*kind, uid),
        }
    }

    fn create(&mut self, created: &Created) {
        let same = |other: &ObjectRef| other.name == created.name;
        let exists = match created.kind {
            Kind::Pod => self.pods.iter().any(|pod| same(&pod.object)),
            Kind::Service => self.services.iter().any(|service| same(&service.object)),
            Kind::ControllerRevision => self.revisions.iter().any(|revision| same(&revision.object)),
            Kind::PodGroup => true,
        };
        if exists {
            return;
        }
        let uid = self.uid();
        if let Some(mut pod) = created.observed_pod() {
            pod.object.uid = uid;
            return self.pods.push(pod);
        }
        let mut object = created.object();
        object["metadata"]["uid"] = uid.into();
        if created.kind == Kind::Service {
            let metadata: ObjectMeta = serde_json::from_value(object["metadata"].take()).unwrap();
            self.services.push(ObservedService::from(&metadata));
        } else {
            self.revisions.push(ObservedRevision::from_json(&object));
        }
    }

    fn delete(&mut self, kind: Kind, uid: &str) {
        match kind {
            Kind::Pod => {
                for pod in self.pods.iter_mut().filter(|pod| pod.object.uid == uid) {
                    pod.object.deleting = true;
                }
            }
            Kind::PodGroup => self.pod_groups.retain(|pod_group| pod_group.object.uid != uid),
            Kind::Service => self.services.retain(|service| service.object.uid != uid),
            Kind::ControllerRevision => self.revisions.retain(|revision| revision.object.uid != uid),
        }
    }

    /// One reconcile, all of it applied.
    pub(super) fn step(&mut self) -> Outcome {
        let outcome = self.reconcile();
        for change in &outcome.changes {
            self.apply(change);
        }
        self.report(&outcome);
        outcome
    }

    /// Status, events and memory of an outcome.
    pub(super) fn report(&mut self, outcome: &Outcome) {
        if let Some(status) = &outcome.status {
            self.object.status = status.clone();
        }
        self.events.extend(outcome.events.iter().cloned());
        self.memory = Some(outcome.memory.clone());
    }

    /// Reconciles until there is nothing to do; the number of rounds that had something.
    pub(super) fn settle(&mut self) -> usize {
        for round in 0..100 {
            let outcome = self.step();
            if outcome.changes.is_empty() && outcome.status.is_none() {
                return round;
            }
        }
        panic!("does not settle: {:#?}", self.reconcile().changes);
    }

    /// Plays everybody else once: pods that go are gone, others become ready.
    pub(super) fn run_pods(&mut self) {
        self.pods.retain(|pod| !pod.object.deleting);
        for pod in &mut self.pods {
            (pod.ready, pod.started, pod.failing_since) = (true, true, None);
        }
    }

    /// Everybody, until nothing changes.
    pub(super) fn run(&mut self) {
        for _ in 0..200 {
            self.settle();
            let before = self.pods.clone();
            self.run_pods();
            self.now = self.now.plus(1);
            if self.pods == before && self.settle() == 0 {
                return;
            }
        }
        panic!("does not come to rest");
    }

    /// Edits the spec.
    pub(super) fn edit(&mut self, edit: impl FnOnce(&mut ModelServing)) {
        edit(&mut self.object);
        self.object.metadata.generation += 1;
    }

    /// Gives every role this image.
    pub(super) fn set_image(&mut self, image: &str) {
        self.edit(|object| {
            for role in &mut object.spec.template.roles {
                let templates = [Some(&mut role.entry_template), role.worker_template.as_mut()];
                for template in templates.into_iter().flatten() {
                    template.spec.as_mut().unwrap()["containers"][0]["image"] = image.into();
                }
            }
        });
    }

    /// The pod fails now.
    pub(super) fn fail(&mut self, name: &str) {
        let now = self.now;
        let pod = self.pod(name);
        (pod.ready, pod.started, pod.failing_since) = (false, true, Some(now));
    }

    pub(super) fn pod(&mut self, name: &str) -> &mut ObservedPod {
        self.pods.iter_mut().find(|pod| pod.object.name == name).unwrap_or_else(|| panic!("no pod {name}"))
    }

    /// Names of pods that stay, sorted.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.pods.iter().filter(|pod| !pod.object.deleting).map(|pod| pod.object.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Ordinals of ServingGroups with pods that stay.
    pub(super) fn groups(&self) -> Vec<u32> {
        let mut groups: Vec<u32> =
            self.names().iter().map(|name| names::parse_pod("ms", name).unwrap().group).collect();
        groups.dedup();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// What the next reconcile would do, one text a change.
    pub(super) fn next(&self) -> Vec<String> {
        self.reconcile().changes.iter().map(describe).collect()
    }

    pub(super) fn uid(&mut self) -> String {
        self.uids += 1;
        format!("uid-{}", self.uids)
    }
}

/// `+Pod ms-0-a-0-0`, `-Service ms-0-a-0-0`, `&Pod ms-0-a-0-0` (adopted), `~ms-0 Some(4)` (a PodGroup's minimum), `~ms-0-a-0-0` (metadata).
pub(super) fn describe(change: &Change) -> String {
    match change {
        Change::Delete { kind, name, .. } => format!("-{kind:?} {name}"),
        Change::UpdatePodGroup { name, spec, .. } => format!("~{name} {:?}", spec.min_member),
        Change::Patch { name, .. } => format!("~{name}"),
        Change::Adopt { kind, name, .. } => format!("&{kind:?} {name}"),
        change => format!("+{:?} {}", change.kind(), change.name()),
    }
}

/// A role of which every pod has one container `c` of this image.
pub(super) fn role(name: &str, replicas: u32, workers: u32, image: &str) -> Value {
    let pod = json!({"spec": {"containers": [{"name": "c", "image": image}]}});
    let mut role =
        json!({"name": name, "replicas": replicas, "workerReplicas": workers, "entryTemplate": pod});
    if workers > 0 {
        role["workerTemplate"] = pod;
    }
    role
}
