//! What the API server makes of device claims: defaults of their requests, and which changes of their status it refuses.
//!
//! Semantics: `k8s.io/kubernetes/pkg/apis/resource`, defaults and validation. It does not look whether a device is given to one
//! claim only.

use super::at::At as _;
use serde_json::{Value, json};

/// Users that a claim is reserved for at most.
const USERS: usize = 256;

/// Fills in what requests leave out.
pub(super) fn fill(requests: Option<&mut Value>) {
    for request in requests.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(exactly) = request.get_mut("exactly") {
            count(exactly);
        }
        request.get_mut("firstAvailable").and_then(Value::as_array_mut).into_iter().flatten().for_each(count);
    }
}

fn count(request: &mut Value) {
    let Some(fields) = request.as_object_mut() else { return };
    let mode = fields.entry("allocationMode").or_insert(json!("ExactCount"));
    if mode == "ExactCount" && fields.get("count").is_none_or(|count| *count == 0) {
        fields.insert("count".to_owned(), json!(1));
    }
}

/// Why a change of a claim is refused.
pub(super) fn fault(old: &Value, new: &Value) -> Option<String> {
    if old.get("spec") != new.get("spec") {
        return Some("spec: Invalid value: field is immutable".to_owned());
    }
    let allocation = |value: &'_ Value| value.at("/status/allocation").filter(|it| !it.is_null()).cloned();
    let (before, after) = (allocation(old), allocation(new));
    if before.is_some() && after.is_some() && before != after {
        return Some("status.allocation: Invalid value: field is immutable".to_owned());
    }
    let users = |value: &Value| {
        value.at("/status/reservedFor").and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let (had, has) = (users(old), users(new));
    if has.len() > USERS {
        return Some(format!("status.reservedFor: Too many: {}: must have at most {USERS} items", has.len()));
    }
    if !has.is_empty() && after.is_none() {
        return Some(
            "status.reservedFor: Forbidden: may not be specified when `allocated` is not set".to_owned(),
        );
    }
    let is_deleting = old.at("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null());
    let is_taken = before.is_none() && after.is_some() || has.iter().any(|user| !had.contains(user));
    (is_deleting && is_taken)
        .then(|| "status: Forbidden: claim is being deleted, cannot be allocated or reserved".to_owned())
}
