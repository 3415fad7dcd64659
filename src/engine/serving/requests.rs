//! What a ModelServing wants changed, as requests.

use super::super::kind::Kind;
use super::super::request::Request;
use crate::api::keys;
use crate::api::model_serving::{ModelServing, ModelServingStatus};
use crate::modelserving::{Change, Kind as Owned};
use serde_json::{json, to_value};

/// Pods that are to be created, with the PodGroups that they name.
pub(super) fn gang_pods(changes: &[Change]) -> Vec<(String, String)> {
    let created = changes.iter().filter_map(|change| match change {
        Change::Create(created) if created.kind == Owned::Pod => Some(created),
        _ => None,
    });
    created
        .filter_map(|created| {
            let (namespace, group) = created.gang()?;
            Some((format!("{namespace}/{group}"), created.name.clone()))
        })
        .collect()
}

/// Changes as requests; neighbours of one kind and verb form a group.
pub(super) fn groups(namespace: &str, changes: Vec<Change>) -> Vec<Vec<Request>> {
    let mut groups: Vec<Vec<Request>> = Vec::new();
    let mut last = None;
    for change in changes {
        let this = (change.kind(), std::mem::discriminant(&change));
        let request = request(namespace, change);
        if last == Some(this)
            && let Some(group) = groups.last_mut()
        {
            group.push(request);
        } else {
            groups.push(vec![request]);
        }
        last = Some(this);
    }
    groups
}

fn request(namespace: &str, change: Change) -> Request {
    match change {
        Change::CreatePodGroup(group) => {
            let name = group.metadata.name.clone();
            let mut object = to_value(*group).unwrap_or_default();
            object["apiVersion"] = keys::SCHEDULING_V1BETA1.into();
            object["kind"] = "PodGroup".into();
            Request::create(Kind::PodGroup, namespace, &name, object)
        }
        Change::Create(created) => {
            let (kind, name) = (served(created.kind), created.name.clone());
            Request::create(kind, namespace, &name, created.into_body())
        }
        Change::UpdatePodGroup { name, uid, spec } => {
            let spec = to_value(*spec).unwrap_or_default();
            let replace = json!({ "op": "replace", "path": "/spec", "value": spec });
            Request::json_patch(Kind::PodGroup, namespace, &name, "", &uid, vec![replace])
        }
        Change::Patch { kind, name, uid, labels, annotations } => {
            let body = json!({ "metadata": { "uid": uid, "labels": labels, "annotations": annotations } });
            Request::merge(served(kind), namespace, &name, "", body)
        }
        Change::Adopt { kind, name, uid, owner } => {
            let body = json!({ "metadata": { "uid": uid, "ownerReferences": [owner] } });
            Request::merge(served(kind), namespace, &name, "", body)
        }
        Change::Delete { kind, name, uid } => Request::delete(served(kind), namespace, &name, &uid),
    }
}

/// Replaces the whole status: a merge would keep numbers that have become 0 and are left out.
pub(super) fn status_request(object: &ModelServing, status: &ModelServingStatus) -> Request {
    let metadata = &object.metadata;
    let (kind, namespace, name) = (Kind::ModelServing, &metadata.namespace, &metadata.name);
    let whole = json!({ "op": "add", "path": "/status", "value": to_value(status).unwrap_or_default() });
    Request::json_patch(kind, namespace, name, "status", &metadata.uid, vec![whole])
}

fn served(kind: Owned) -> Kind {
    match kind {
        Owned::Pod => Kind::Pod,
        Owned::PodGroup => Kind::PodGroup,
        Owned::Service => Kind::Service,
        Owned::ControllerRevision => Kind::ControllerRevision,
    }
}
