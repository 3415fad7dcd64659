//! The object that a request brings: is it the one that the path names, and what of it is not kept.

use super::request::{Body, Response, Target};
use super::resource::Resource;
use serde_json::{Value, json};

/// Metadata that only the API server writes.
pub(super) const OWNED: &[&str] = &[
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
];

/// The object of a body, with its kind and namespace as the path has them.
pub(super) fn body_object(resource: &Resource, target: &Target, body: &Body) -> Result<Value, Response> {
    let mut value = match body {
        Body::Json(value @ Value::Object(_)) => value.clone(),
        Body::Malformed(why) => return Err(Response::bad_request(why.clone())),
        _ => return Err(Response::bad_request(format!("the body must be a {}", resource.name))),
    };
    for (field, expected) in [("apiVersion", resource.api_version), ("kind", resource.name)] {
        let found = value[field].as_str().unwrap_or("").to_owned();
        if found.is_empty() && !resource.habits.custom {
            value[field] = expected.into();
        } else if found != expected && !(field == "apiVersion" && resource.has_version(&found)) {
            let message =
                format!("the {field} in the data ({found}) does not match the expected {field} ({expected})");
            return Err(Response::bad_request(message));
        }
    }
    if value["metadata"].is_null() {
        value["metadata"] = json!({});
    }
    let Some(metadata) = value["metadata"].as_object_mut() else {
        return Err(Response::bad_request("metadata is no map"));
    };
    let namespace = metadata.get("namespace").and_then(Value::as_str).unwrap_or("");
    if !namespace.is_empty() && namespace != target.namespace {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Response::bad_request(message));
    }
    if resource.namespaced {
        metadata.insert("namespace".into(), target.namespace.clone().into());
    }
    Ok(value)
}

/// Is the object the one that the path names?
pub(super) fn named(value: &Value, target: &Target) -> Result<(), Response> {
    let text = |field: &str| value["metadata"][field].as_str().unwrap_or("");
    if text("name").is_empty() {
        let message = format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            target.name
        );
        return Err(Response::bad_request(message));
    }
    if text("name") != target.name {
        let message = format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            text("name"),
            target.name
        );
        return Err(Response::bad_request(message));
    }
    if text("namespace") != target.namespace {
        return Err(Response::bad_request(
            "the namespace of the object does not match the namespace on the URL",
        ));
    }
    Ok(())
}

/// Drops what is empty in metadata.
pub(super) fn tidy(metadata: &mut Value) {
    let Some(fields) = metadata.as_object_mut() else { return };
    fields.retain(|_, field| match field {
        Value::Null => false,
        Value::Object(entries) => !entries.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    });
}

/// Drops nulls, as whoever reads into a struct does.
pub(super) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
