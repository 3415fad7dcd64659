//! Claims that wait for their first consumer: the chosen node is written on them, and the pod is bound once they are.
//!
//! Who makes the volume reads the annotation, as kube-scheduler would write it, and may take long; a bind that has waited
//! a second is answered with "later", and is asked for again, ever less often, while the gang's deadline lasts. Meanwhile the pod shows
//! its node as `status.nominatedNodeName`, as kube-scheduler has it (KEP-5278): autoscalers count it where it will be. The
//! API server clears that when the pod is bound; who gives the node up withdraws it.

use super::call::{Answer as Reply, Call};
use super::kind::Kind;
use super::lease::Gate;
use crate::api::core::PersistentVolumeClaim;
use crate::api::keys::SELECTED_NODE;
use crate::reservation::Answer;
use crate::scheduler::PodRef;
use kube::Client;
use serde_json::json;
use std::time::Duration;

/// How often a claim is looked at, and how long before the bind is put off: other gangs' binds wait for its place among
/// the calls that may be out.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOKS: u32 = 4;

/// Gets these claims bound for a node. `None`: they are, and the pod may be.
pub async fn settle(
    client: &Client,
    gate: &Gate,
    pod: &PodRef,
    claims: &[String],
    node: &str,
) -> Option<Answer> {
    let namespace = &pod.namespace;
    let mut nominated = false;
    for name in claims {
        let path = Kind::PersistentVolumeClaim.path(namespace, name, "");
        let body = json!({ "metadata": { "annotations": { SELECTED_NODE: node } } });
        if !gate.may_write() {
            return Some(later());
        }
        match Call::merge(path, body).run(client, super::writer::DEADLINE).await {
            Reply::Done(_) => {}
            Reply::Refused { code: code @ (403 | 404 | 422), message, .. } => {
                return Some(Answer::Refused {
                    message: format!("PersistentVolumeClaim {name}: {code} {message}"),
                });
            }
            _ => return Some(later()),
        }
    }
    for name in claims {
        let path = Kind::PersistentVolumeClaim.path(namespace, name, "");
        let mut looks = 0;
        while !is_bound(client, path.clone()).await {
            if !std::mem::replace(&mut nominated, true) && gate.may_write() {
                let answer = nominate(pod, node).run(client, super::writer::DEADLINE).await;
                tracing::debug!(namespace, pod = pod.name, node, ?answer, "its bind waits for claims");
            }
            looks += 1;
            if looks == LOOKS {
                return Some(later());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    None
}

/// Nothing has been bound, and nothing will be before it is asked for again.
fn later() -> Answer {
    Answer::TooMany { retry_after: None }
}

/// Shows where the pod will be.
fn nominate(pod: &PodRef, node: &str) -> Call {
    Call::json_patch(
        Kind::Pod.path(&pod.namespace, &pod.name, "status"),
        json!([
            { "op": "test", "path": "/metadata/uid", "value": pod.uid },
            { "op": "add", "path": "/status/nominatedNodeName", "value": node },
        ]),
    )
}

/// Takes that back, unless somebody has nominated another node.
pub fn withdraw(pod: &PodRef, node: &str) -> Call {
    Call::json_patch(
        Kind::Pod.path(&pod.namespace, &pod.name, "status"),
        json!([
            { "op": "test", "path": "/metadata/uid", "value": pod.uid },
            { "op": "test", "path": "/status/nominatedNodeName", "value": node },
            { "op": "remove", "path": "/status/nominatedNodeName" },
        ]),
    )
}

async fn is_bound(client: &Client, path: String) -> bool {
    match Call::get(path).run(client, super::writer::DEADLINE).await {
        Reply::Done(value) => {
            serde_json::from_value::<PersistentVolumeClaim>(value).is_ok_and(|c| c.is_bound())
        }
        _ => false,
    }
}
