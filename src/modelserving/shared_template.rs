//! Pods before they are written out. Thousands of pods of one template differ in names and a few variables, so a change
//! holds what differs and shares the rest; the object is built when it is sent.

#[cfg(test)]
use super::observed::{ObservedPod, Uid};
use super::plugins::PodDraft;
use super::pods::{owner_reference, without_protected};
use super::{Created, names};
use crate::api::keys;
use crate::api::model_serving::{ModelServing, PodTemplate};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the pods of one template have in common.
#[derive(Debug, PartialEq)]
pub(crate) struct SharedTemplate {
    model_serving: String,
    namespace: String,
    owner: Value,
    role: String,
    revision: String,
    hash: String,
    /// Pods in a role replica.
    size: u32,
    scheduler: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    spec: Map<String, Value>,
}

impl SharedTemplate {
    /// What pods of this template have in common, with these labels.
    pub(crate) fn new(
        object: &ModelServing,
        scheduler: &str,
        revised: super::assess::RevisedRole<'_>,
        template: &PodTemplate,
    ) -> Self {
        let metadata = template.metadata.clone().unwrap_or_default();
        SharedTemplate {
            model_serving: object.metadata.name.clone(),
            namespace: object.metadata.namespace.clone(),
            owner: owner_reference(object, true),
            role: revised.role.name.clone(),
            revision: revised.revision.to_owned(),
            hash: revised.label().to_owned(),
            size: super::settings::role_pods(revised.role),
            scheduler: scheduler.to_owned(),
            labels: without_protected(metadata.labels.unwrap_or_default()),
            annotations: without_protected(metadata.annotations.unwrap_or_default()),
            spec: template.spec.clone().unwrap_or_default(),
        }
    }
}

/// One pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TemplatedPod {
    pub(crate) shared: Arc<SharedTemplate>,
    pub(crate) group: u32,
    pub(crate) replica: u32,
    pub(crate) index: u32,
    /// Is it a member of its group's PodGroup?
    pub(crate) in_gang: bool,
    /// Does it stand for its ServingGroup in the scale selector?
    pub(crate) representative: bool,
}

impl TemplatedPod {
    fn name(&self) -> String {
        names::pod(&self.shared.model_serving, self.group, &self.shared.role, self.replica, self.index)
    }

    /// Namespace and name of its PodGroup.
    pub(crate) fn gang(&self) -> Option<(String, String)> {
        let name = || names::group(&self.shared.model_serving, self.group);
        self.in_gang.then(|| (self.shared.namespace.clone(), name()))
    }

    /// The creation of this pod.
    pub(crate) fn created(self) -> Created {
        Created::templated(self.name(), self)
    }

    /// Its metadata and spec, before plugins.
    pub(crate) fn draft(&self) -> PodDraft {
        let shared = &*self.shared;
        let group_name = names::group(&shared.model_serving, self.group);
        let role_id = names::role_id(&shared.role, self.replica);
        let (mut labels, mut annotations) = (shared.labels.clone(), shared.annotations.clone());
        let own = [
            (keys::MODEL_SERVING_NAME, &shared.model_serving),
            (keys::MODEL_SERVING_GROUP, &group_name),
            (keys::MODEL_SERVING_ROLE, &shared.role),
            (keys::MODEL_SERVING_ROLE_ID, &role_id),
            (keys::MODEL_SERVING_REVISION, &shared.revision),
            (keys::MODEL_SERVING_ROLE_TEMPLATE_HASH, &shared.hash),
        ];
        labels.extend(own.map(|(key, value)| (key.to_owned(), value.clone())));
        if self.index == 0 {
            labels.insert(keys::MODEL_SERVING_ENTRY.to_owned(), "true".to_owned());
        }
        if self.representative {
            labels.insert(keys::MODEL_SERVING_REPRESENTATIVE.to_owned(), "true".to_owned());
        }
        if self.in_gang {
            annotations.insert(keys::GROUP_NAME.to_owned(), group_name);
            annotations.insert(keys::TASK_SPEC.to_owned(), role_id);
        }
        let mut spec = shared.spec.clone();
        spec.insert("schedulerName".to_owned(), shared.scheduler.as_str().into());
        let entry = names::pod(&shared.model_serving, self.group, &shared.role, self.replica, 0);
        let mut draft = PodDraft { labels, annotations, spec };
        draft.set_environment(&[
            (keys::ENV_GROUP_SIZE, shared.size.to_string()),
            (keys::ENV_ENTRY_ADDRESS, format!("{entry}.{}", shared.namespace)),
            (keys::ENV_WORKER_INDEX, self.index.to_string()),
        ]);
        draft
    }

    /// The object with this metadata and spec.
    pub(crate) fn object(&self, draft: PodDraft) -> Value {
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), self.name().into());
        metadata.insert("namespace".to_owned(), self.shared.namespace.as_str().into());
        metadata.insert("labels".to_owned(), texts(draft.labels));
        if !draft.annotations.is_empty() {
            metadata.insert("annotations".to_owned(), texts(draft.annotations));
        }
        metadata.insert("ownerReferences".to_owned(), vec![self.shared.owner.clone()].into());
        let mut pod = Map::new();
        pod.insert("apiVersion".to_owned(), "v1".into());
        pod.insert("kind".to_owned(), "Pod".into());
        pod.insert("metadata".to_owned(), metadata.into());
        pod.insert("spec".to_owned(), draft.spec.into());
        pod.into()
    }

    /// What a cache will hold of it, its uid aside.
    #[cfg(test)]
    pub(crate) fn observed(&self) -> ObservedPod {
        let mut observed = ObservedPod {
            revision: self.shared.revision.as_str().into(),
            role_hash: self.shared.hash.as_str().into(),
            in_gang: self.in_gang,
            representative: self.representative,
            deletion_cost: super::observed::deletion_cost(&self.shared.annotations),
            ..ObservedPod::default()
        };
        observed.object.name = self.name();
        observed.object.owner = Uid::from(self.shared.owner["uid"].as_str().unwrap_or_default());
        observed
    }
}

fn texts(map: BTreeMap<String, String>) -> Value {
    Value::Object(map.into_iter().map(|(key, value)| (key, Value::String(value))).collect())
}

/// The shared templates of one reconcile; the flag is set for those of workers.
#[derive(Debug, Default)]
pub(crate) struct SharedTemplates(Vec<(bool, Arc<SharedTemplate>)>);

impl SharedTemplates {
    /// What pods of this template have in common; built once.
    pub(crate) fn get(
        &mut self,
        object: &ModelServing,
        scheduler: &str,
        revised: super::assess::RevisedRole<'_>,
        template: &PodTemplate,
        worker: bool,
    ) -> Arc<SharedTemplate> {
        let known = self.0.iter().find(|(is_worker, shared)| {
            *is_worker == worker && shared.role == revised.role.name && shared.revision == revised.revision
        });
        if let Some((_, shared)) = known {
            return shared.clone();
        }
        let shared = Arc::new(SharedTemplate::new(object, scheduler, revised, template));
        self.0.push((worker, shared.clone()));
        shared
    }
}

#[cfg(test)]
impl Created {
    /// What a cache will hold of a pod, its uid aside.
    pub(crate) fn observed_pod(&self) -> Option<ObservedPod> {
        if self.kind != super::Kind::Pod {
            return None;
        }
        match self.templated_pod() {
            Some(pod) => Some(pod.observed()),
            None => {
                let pod: crate::api::core::Pod = serde_json::from_value(self.object()).ok()?;
                Some(ObservedPod::from(&pod))
            }
        }
    }
}
