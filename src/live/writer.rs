//! Carries out what reservations ask for, one task per call, and turns the API server's answers into theirs.

use super::call::{Answer as Reply, Call};
use super::kind::Kind;
use super::lease::Gate;
use super::mirror::{group_facts, pod_facts};
use crate::api::core::Pod;
use crate::api::pod_group::PodGroup;
use crate::reservation::record::RESERVATION;
use crate::reservation::{Answer, Call as Asked};
use kube::Client;
use serde_json::{Value, json};
use std::time::Duration;

/// How long one call may take.
pub const DEADLINE: Duration = Duration::from_secs(4);

/// Makes a call for a reservation. `None`: the lease does not allow it any more, and nothing was sent.
pub async fn carry_out(client: &Client, gate: &Gate, asked: &Asked) -> Option<Answer> {
    let writes = !matches!(asked, Asked::ReadGroup { .. } | Asked::ReadPod { .. });
    if writes && !gate.may_write() {
        return None;
    }
    let reply = call(asked).run(client, DEADLINE).await;
    Some(answer(asked, reply))
}

fn call(asked: &Asked) -> Call {
    match asked {
        Asked::WriteRecord { namespace, name, resource_version, record } => Call::merge(
            Kind::PodGroup.path(namespace, name, ""),
            json!({ "metadata": { "resourceVersion": resource_version, "annotations": { RESERVATION: record } } }),
        ),
        Asked::ReadGroup { namespace, name } => Call::get(Kind::PodGroup.path(namespace, name, "")),
        Asked::Bind { pod, node } => Call::post(
            Kind::Pod.path(&pod.namespace, &pod.name, "binding"),
            json!({
                "apiVersion": "v1", "kind": "Binding",
                "metadata": { "name": pod.name, "namespace": pod.namespace, "uid": pod.uid },
                "target": { "apiVersion": "v1", "kind": "Node", "name": node },
            }),
        ),
        Asked::ReadPod { pod } => Call::get(Kind::Pod.path(&pod.namespace, &pod.name, "")),
        Asked::Evict { pod } => Call::delete(Kind::Pod.path(&pod.namespace, &pod.name, ""), &pod.uid),
    }
}

fn answer(asked: &Asked, reply: Reply) -> Answer {
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
