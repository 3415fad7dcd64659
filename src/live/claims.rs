//! Claims that wait for their first consumer: the chosen node is written on them, and the pod is bound once they are.
//!
//! Who makes the volume reads the annotation, as kube-scheduler would write it, and may take long; the bind is answered
//! with "later", and is asked for again when the watch shows the claim bound ([`Scheduler::take_settled`]), or, ever less
//! often, while the gang's deadline lasts. A node that is on the claim already is never written over, whoever wrote it.
//! Meanwhile the pod shows its node as `status.nominatedNodeName`, as kube-scheduler has it (KEP-5278): autoscalers count
//! it where it will be. The API server clears that when the pod is bound; who gives the node up withdraws it.
//!
//! [`Scheduler::take_settled`]: crate::scheduler::Scheduler::take_settled

use super::call::{Answer as Reply, Call, DEADLINE};
use super::kind::Kind;
use super::lease::Gate;
use crate::api::core::PersistentVolumeClaim;
use crate::api::keys::SELECTED_NODE;
use crate::cluster::OpenClaim;
use crate::reservation::Answer;
use crate::scheduler::PodRef;
use kube::Client;
use serde_json::json;

/// What a bind waits for.
#[derive(Clone, Debug)]
pub struct Waits {
    /// Claims that are to be bound first.
    pub claims: Vec<OpenClaim>,
    /// Is the node to be shown on the pod?
    pub shows_node: bool,
}

/// Does what is to be done for a bind that waits, and puts it off. What the claims come to the watch will show.
pub async fn settle(client: &Client, gate: &Gate, pod: &PodRef, waits: &Waits, node: &str) -> Answer {
    for claim in waits.claims.iter().filter(|claim| claim.names_node) {
        if let Some(answer) = name_node(client, gate, &pod.namespace, &claim.name, node).await {
            return answer;
        }
    }
    if waits.shows_node && gate.may_write() {
        let answer = nominate(pod, node).run(client, gate.deadline()).await;
        tracing::debug!(pod.namespace, pod.name, node, ?answer, "its bind waits for claims");
    }
    later()
}

/// Writes the node on the claim, unless one is written on it already: whoever makes the volume may have begun.
async fn name_node(client: &Client, gate: &Gate, namespace: &str, name: &str, node: &str) -> Option<Answer> {
    let path = Kind::PersistentVolumeClaim.path(namespace, name, "");
    let refused = |code: u16, message: &str| Answer::Refused {
        message: format!("PersistentVolumeClaim {name}: {code} {message}"),
    };
    let claim = match Call::get(path.clone()).run(client, DEADLINE).await {
        Reply::Done(value) => serde_json::from_value::<PersistentVolumeClaim>(value).ok()?,
        Reply::Refused { code: code @ (403 | 404), message, .. } => return Some(refused(code, &message)),
        _ => return Some(later()),
    };
    if claim.is_bound() || claim.metadata.annotations.contains_key(SELECTED_NODE) {
        return None;
    }
    if !gate.may_write() {
        return Some(later());
    }
    let body = json!({ "metadata": {
        "resourceVersion": claim.metadata.resource_version, "annotations": { SELECTED_NODE: node },
    } });
    match Call::merge(path, body).run(client, gate.deadline()).await {
        Reply::Refused { code: code @ (403 | 404 | 422), message, .. } => Some(refused(code, &message)),
        Reply::Done(_) => None,
        _ => Some(later()),
    }
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
