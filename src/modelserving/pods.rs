//! Builds pods, headless Services and ControllerRevisions: the template's spec verbatim, plus what the controller adds.
//! Source: kthena `pkg/model-serving-controller/utils`; deviations are said where they are.

use super::assess::{Context, RevisedRole};
use super::change::{Change, Created, Kind};
use super::names::{self, PodKey};
use super::plugins::{self, PluginError, PodDraft};
use super::revision::{likeness::likenesses, revision_data};
use super::shared_template::{SharedTemplates, TemplatedPod};
use crate::api::keys;
use crate::api::model_serving::{ModelServing, PodTemplate, Role};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The owner reference that everything of a ModelServing carries.
pub(crate) fn owner_reference(object: &ModelServing, block_deletion: bool) -> Value {
    let mut owner = json!({
        "apiVersion": keys::WORKLOAD_V1ALPHA1,
        "kind": "ModelServing",
        "name": object.metadata.name,
        "uid": object.metadata.uid,
        "controller": true,
    });
    if block_deletion {
        owner["blockOwnerDeletion"] = true.into();
    }
    owner
}

/// The template of the pod with this index.
pub(crate) fn template(role: &Role, index: u32) -> Option<&PodTemplate> {
    if index == 0 { Some(&role.entry_template) } else { role.worker_template.as_ref() }
}

/// The creation of one pod. `None` if the role has no template for it; `in_gang` makes it a member of its group's PodGroup.
pub(crate) fn pod(
    context: &Context<'_>,
    revised: RevisedRole<'_>,
    key: PodKey<'_>,
    in_gang: bool,
    templates: &mut SharedTemplates,
) -> Option<Result<Change, PluginError>> {
    let (object, scheduler) = (context.object, context.settings.scheduler);
    let template = template(revised.role, key.index)?;
    let shared = templates.get(object, scheduler, revised, template, key.index > 0);
    let PodKey { group, replica, index, .. } = key;
    let pod = TemplatedPod { shared, group, replica, index, in_gang, representative: false };
    let mut created = pod.clone().created();
    if !object.spec.plugins.is_empty() {
        let mut draft = pod.draft();
        if let Err(error) = plugins::pod_created(object, revised.role, key, &mut draft) {
            return Some(Err(error));
        }
        created = Created::whole(Kind::Pod, created.name, pod.object(draft));
    }
    Some(Ok(Change::Create(created)))
}

impl PodDraft {
    /// Puts these variables first in every container and init container, in place of those of the same name: what comes
    /// first, the template's own variables can refer to. (Upstream puts them last, where they cannot.)
    pub(crate) fn set_environment(&mut self, variables: &[(&str, String)]) {
        for_each_container(&mut self.spec, |environment| {
            environment.retain(|variable| {
                let name = variable.get("name").and_then(Value::as_str);
                !variables.iter().any(|(own, _)| name == Some(own))
            });
            let own = variables.iter().map(|(name, value)| json!({"name": name, "value": value}));
            environment.splice(0..0, own);
        });
    }
}

/// Calls `change` with the `env` of every container and init container.
pub(crate) fn for_each_container(spec: &mut Map<String, Value>, mut change: impl FnMut(&mut Vec<Value>)) {
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            let environment = container.entry("env").or_insert(Value::Null);
            if !environment.is_array() {
                *environment = Value::Array(Vec::new());
            }
            if let Value::Array(environment) = environment {
                change(environment);
            }
        }
    }
}

/// Drops the keys that only the controller may set.
pub(crate) fn without_protected(mut map: BTreeMap<String, String>) -> BTreeMap<String, String> {
    map.retain(|key, _| !is_protected(key));
    map
}

/// May only the controller set this key?
pub(crate) fn is_protected(key: &str) -> bool {
    key.starts_with(keys::MODEL_SERVING_PREFIX)
}

/// The protected keys that a role's templates try to set, for a warning.
pub(crate) fn protected_keys(role: &Role) -> Vec<&str> {
    let templates = [Some(&role.entry_template), role.worker_template.as_ref()];
    let metadata = templates.into_iter().flatten().filter_map(|template| template.metadata.as_ref());
    let mut found: Vec<&str> = metadata
        .flat_map(|metadata| {
            [&metadata.labels, &metadata.annotations].into_iter().flatten().flat_map(BTreeMap::keys)
        })
        .map(String::as_str)
        .filter(|key| is_protected(key))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The headless Service of a role replica: its workers find their entry pod by it.
pub(crate) fn service(context: &Context<'_>, group: u32, role: &str, replica: u32) -> Change {
    let name = names::pod(context.name(), group, role, replica, 0);
    let group_name = names::group(context.name(), group);
    let role_id = names::role_id(role, replica);
    let object = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": context.object.metadata.namespace,
            "labels": {
                (keys::MODEL_SERVING_NAME): context.name(),
                (keys::MODEL_SERVING_GROUP): group_name,
                (keys::MODEL_SERVING_ROLE): role,
                (keys::MODEL_SERVING_ROLE_ID): role_id,
            },
            "ownerReferences": [owner_reference(context.object, true)],
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": {
                (keys::MODEL_SERVING_GROUP): group_name,
                (keys::MODEL_SERVING_ROLE): role,
                (keys::MODEL_SERVING_ROLE_ID): role_id,
                (keys::MODEL_SERVING_ENTRY): "true",
            },
        },
    });
    Change::Create(Created::whole(Kind::Service, name, object))
}

/// The ControllerRevision of the spec. Its data is the list of roles, as Go writes it: Kthena's controller compares the bytes,
/// and cannot change them. Where that would lose something, as it is.
pub(crate) fn controller_revision(context: &Context<'_>, number: i64) -> Change {
    let revision = &context.revisions.update;
    let name = names::revision(context.name(), revision);
    let metadata = json!({
        "name": name,
        "namespace": context.object.metadata.namespace,
        "labels": {
            (keys::MODEL_SERVING_NAME): context.name(),
            (keys::MODEL_SERVING_REVISION): revision,
        },
        "ownerReferences": [owner_reference(context.object, true)],
    });
    let reads_the_same = |text: &String| {
        let data: Option<Data> = serde_json::from_str(text).ok();
        data.is_some_and(|data| likenesses(&data.data).0 == context.revisions.likeness)
    };
    let data = revision_data(context.settings.roles).filter(reads_the_same);
    let data = data.unwrap_or_else(|| json!({"data": context.settings.roles}).to_string());
    let text = format!(
        "{{\"apiVersion\":\"apps/v1\",\"kind\":\"ControllerRevision\",\"metadata\":{metadata},\"data\":{data},\
         \"revision\":{number}}}"
    );
    Change::Create(Created::text(Kind::ControllerRevision, name, text))
}

/// The data of a ControllerRevision.
#[derive(serde::Deserialize)]
struct Data {
    data: Vec<Role>,
}
