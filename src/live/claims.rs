//! Claims that wait for their first consumer: the chosen node is written on them, and the pod is bound once they are.
//!
//! Who makes the volume reads the annotation, as kube-scheduler would write it, and may take long; a bind that has waited
//! long enough is answered with "later", and is asked for again while the gang's deadline lasts.

use super::call::{Answer as Reply, Call};
use super::kind::Kind;
use super::lease::Gate;
use crate::api::core::PersistentVolumeClaim;
use crate::api::keys::SELECTED_NODE;
use crate::reservation::Answer;
use kube::Client;
use serde_json::json;
use std::time::Duration;

/// How often a claim is looked at, and how long before the bind is put off.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOKS: u32 = 60;

/// Gets these claims bound for a node. `None`: they are, and the pod may be.
pub async fn settle(
    client: &Client,
    gate: &Gate,
    namespace: &str,
    claims: &[String],
    node: &str,
) -> Option<Answer> {
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
            looks += 1;
            if looks == LOOKS {
                tracing::info!(namespace, name, node, "the claim is not bound yet");
                return Some(later());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    None
}

fn later() -> Answer {
    Answer::ServerError { retry_after: None }
}

async fn is_bound(client: &Client, path: String) -> bool {
    match Call::get(path).run(client, super::writer::DEADLINE).await {
        Reply::Done(value) => {
            serde_json::from_value::<PersistentVolumeClaim>(value).is_ok_and(|c| c.is_bound())
        }
        _ => false,
    }
}
