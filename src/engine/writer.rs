//! From what reservations ask for to requests, and from the API server's answers to theirs.

use super::kind::Kind;
use super::mirror::Shown;
use super::request::{Answer as Reply, Request};
use crate::api::core::Pod;
use crate::api::meta::annotation_patch;
use crate::api::pod_group::{PodGroup, PodGroupStatus};
use crate::reservation::facts::{group_facts, pod_facts};
use crate::reservation::record::RESERVATION;
use crate::reservation::{Answer, Call as Asked};
use serde_json::{Value, json};

/// What an answer shows of a pod, ahead of the watch.
pub(super) fn shown(asked: &Asked, reply: &Reply) -> Shown {
    match (asked, reply) {
        (Asked::ReadPod { .. }, Reply::Done(value)) => match serde_json::from_value::<Pod>(value.clone()) {
            Ok(pod) => Shown::Pod(Box::new(pod)),
            Err(_) => Shown::Nothing,
        },
        // The API server answers with the pod as it is now on its way out, or, if that was all, with a Status.
        (Asked::Evict { pod }, Reply::Done(value)) => match serde_json::from_value::<Pod>(value.clone()) {
            Ok(found) if found.metadata.uid == pod.uid && found.metadata.deletion_timestamp.is_some() => {
                Shown::Pod(Box::new(found))
            }
            _ => Shown::Gone(pod.clone()),
        },
        (
            Asked::ReadPod { pod } | Asked::Bind { pod, .. } | Asked::Evict { pod },
            Reply::Refused { code: 404, .. },
        )
        | (Asked::Evict { pod }, Reply::Refused { code: 409, .. }) => Shown::Gone(pod.clone()),
        _ => Shown::Nothing,
    }
}

/// The request for a call. A status goes along with a record.
pub(super) fn request(asked: &Asked, status: Option<&PodGroupStatus>) -> Request {
    match asked {
        Asked::WriteRecord { namespace, name, resource_version, record } => {
            let mut patch = annotation_patch(resource_version, RESERVATION, record.as_deref());
            if let Some(status) = status {
                patch["status"] = whole(status);
            }
            Request::merge(Kind::PodGroup, namespace, name, "", patch)
        }
        Asked::ReadGroup { namespace, name } => Request::get(Kind::PodGroup, namespace, name),
        Asked::Bind { pod, node } => Request::post(
            Kind::Pod,
            &pod.namespace,
            &pod.name,
            "binding",
            json!({
                "apiVersion": "v1", "kind": "Binding",
                "metadata": { "name": pod.name, "namespace": pod.namespace, "uid": pod.uid },
                "target": { "apiVersion": "v1", "kind": "Node", "name": node },
            }),
        ),
        Asked::ReadPod { pod } => Request::get(Kind::Pod, &pod.namespace, &pod.name),
        Asked::Evict { pod } => Request::delete(Kind::Pod, &pod.namespace, &pod.name, &pod.uid),
    }
}

/// A status as a merge patch: what it does not say is removed.
fn whole(status: &PodGroupStatus) -> Value {
    let mut patch =
        json!({ "phase": null, "conditions": null, "running": null, "succeeded": null, "failed": null });
    if let (Some(patch), Ok(Value::Object(said))) = (patch.as_object_mut(), serde_json::to_value(status)) {
        patch.extend(said);
    }
    patch
}

/// What an answer means to the reservation.
pub(super) fn answer(asked: &Asked, reply: Reply) -> Answer {
    match reply {
        Reply::Done(value) => done(asked, value),
        Reply::Refused { code: 404, .. } => match asked {
            Asked::ReadGroup { .. } => Answer::Group(None),
            Asked::ReadPod { .. } => Answer::Pod(None),
            _ => Answer::NotFound,
        },
        Reply::Refused { code: 409, .. } => Answer::Conflict,
        Reply::Refused { code: 429, retry_after, .. } => Answer::TooMany { retry_after },
        Reply::Refused { code: 500.., retry_after, .. } => Answer::ServerError { retry_after },
        Reply::Refused { message, .. } => Answer::Refused { message },
        Reply::Unknown(_) => Answer::Unknown,
    }
}

fn done(asked: &Asked, value: Value) -> Answer {
    let unreadable =
        |error: serde_json::Error| Answer::Refused { message: format!("the object cannot be read: {error}") };
    match asked {
        Asked::WriteRecord { .. } => Answer::Written {
            resource_version: value
                .pointer("/metadata/resourceVersion")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        },
        Asked::ReadGroup { .. } => match serde_json::from_value::<PodGroup>(value) {
            Ok(group) => Answer::Group(Some(group_facts(&group))),
            Err(error) => unreadable(error),
        },
        Asked::ReadPod { .. } => match serde_json::from_value::<Pod>(value) {
            Ok(pod) => Answer::Pod(Some(pod_facts(&pod))),
            Err(error) => unreadable(error),
        },
        Asked::Bind { .. } | Asked::Evict { .. } => Answer::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::pod_group::PodGroupPhase;

    #[test]
    fn a_status_that_goes_with_a_record_replaces_the_one_before() {
        let asked = Asked::WriteRecord {
            namespace: "a".into(),
            name: "b".into(),
            resource_version: "7".into(),
            record: Some("v1".into()),
        };
        let status = PodGroupStatus {
            phase: Some(PodGroupPhase::Running),
            running: Some(3),
            ..PodGroupStatus::default()
        };
        assert_eq!(
            request(&asked, Some(&status)).body,
            json!({
                "metadata": { "resourceVersion": "7", "annotations": { RESERVATION: "v1" } },
                "status": { "phase": "Running", "running": 3, "conditions": null, "succeeded": null, "failed": null },
            })
        );
    }
}
