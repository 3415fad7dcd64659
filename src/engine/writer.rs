//! From what reservations ask for to requests, and from the API server's answers to theirs.

use super::kind::Kind;
use super::mirror::Shown;
use super::request::{Answer as Reply, Request};
use crate::api::core::Pod;
use crate::reservation::facts::pod_facts;
use crate::reservation::{Answer, Call as ReservationCall};
use serde_json::{Value, json};

/// What an answer shows of a pod, ahead of the watch.
pub(super) fn shown(asked: &ReservationCall, reply: &Reply) -> Shown {
    match (asked, reply) {
        (ReservationCall::ReadPod { .. }, Reply::Done(value)) => {
            match serde_json::from_value::<Pod>(value.clone()) {
                Ok(pod) => Shown::Pod(Box::new(pod)),
                Err(_) => Shown::Nothing,
            }
        }
        // The API server answers with the pod as it is now on its way out, or, if that was all, with a Status.
        (ReservationCall::Evict { pod }, Reply::Done(value)) => {
            match serde_json::from_value::<Pod>(value.clone()) {
                Ok(found) if found.metadata.uid == pod.uid && found.metadata.deletion_timestamp.is_some() => {
                    Shown::Pod(Box::new(found))
                }
                _ => Shown::Gone(pod.clone()),
            }
        }
        (
            ReservationCall::ReadPod { pod }
            | ReservationCall::Bind { pod, .. }
            | ReservationCall::Evict { pod },
            Reply::Refused { code: 404, .. },
        )
        | (ReservationCall::Evict { pod }, Reply::Refused { code: 409, .. }) => Shown::Gone(pod.clone()),
        _ => Shown::Nothing,
    }
}

/// The request for a call; a record goes into the journal, with those of other gangs.
pub(super) fn request(asked: &ReservationCall) -> Option<Request> {
    Some(match asked {
        ReservationCall::WriteRecord { .. } => return None,
        ReservationCall::Bind { pod, node } => Request::post(
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
        ReservationCall::ReadPod { pod } => Request::get(Kind::Pod, &pod.namespace, &pod.name),
        ReservationCall::Evict { pod } => Request::delete(Kind::Pod, &pod.namespace, &pod.name, &pod.uid),
    })
}

/// What an answer means to the reservation.
pub(super) fn answer(asked: &ReservationCall, reply: Reply) -> Answer {
    match reply {
        Reply::Done(value) => done(asked, value),
        Reply::Refused { code: 404, .. } => match asked {
            ReservationCall::ReadPod { .. } => Answer::Pod(None),
            _ => Answer::NotFound,
        },
        Reply::Refused { code: 409, .. } => Answer::Conflict,
        Reply::Refused { code: 429, retry_after, .. } => Answer::TooMany { retry_after },
        Reply::Refused { code: 500.., retry_after, .. } => Answer::ServerError { retry_after },
        Reply::Refused { message, .. } => Answer::Refused { message },
        Reply::Unknown(_) => Answer::Unknown,
    }
}

fn done(asked: &ReservationCall, value: Value) -> Answer {
    let unreadable =
        |error: serde_json::Error| Answer::Refused { message: format!("the object cannot be read: {error}") };
    match asked {
        ReservationCall::ReadPod { .. } => match serde_json::from_value::<Pod>(value) {
            Ok(pod) => Answer::Pod(Some(pod_facts(&pod))),
            Err(error) => unreadable(error),
        },
        ReservationCall::Bind { .. }
        | ReservationCall::Evict { .. }
        | ReservationCall::WriteRecord { .. } => Answer::Done,
    }
}
