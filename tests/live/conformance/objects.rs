//! Objects of the scripts, and what of objects may differ.

use serde_json::{Map, Value, json};

pub(crate) fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "schedulerName": "nobody", "containers": [{ "name": "main", "image": "none:1" }] },
    })
}

pub(crate) fn config_map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "a": "1" } })
}

pub(crate) fn group(name: &str) -> Value {
    json!({
        "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup", "metadata": { "name": name },
        "spec": { "minMember": 2 },
    })
}

/// An object with something merged into it.
pub(crate) fn with(mut object: Value, more: Value) -> Value {
    phalanx::apiserver::merge(&mut object, &more);
    object
}

pub(crate) fn binding(pod: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": { "name": pod },
        "target": { "apiVersion": "v1", "kind": "Node", "name": node },
    })
}

/// Where two answers differ.
pub(super) fn differences(at: &str, ours: &Value, theirs: &Value, differ: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let none = Map::new();
            for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
                let of =
                    |map: &Map<String, Value>| map.get(name).or(none.get(name)).cloned().unwrap_or_default();
                differences(&format!("{at}/{name}"), &of(a), &of(b), differ);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{at}/{index}"), a, b, differ);
            }
        }
        _ if ours == theirs => {}
        _ => differ.push(format!("{at}: memory {ours}, kube-apiserver {theirs}")),
    }
}

/// The volume of the service account's token has a name by chance, and no decision depends on it.
pub(super) fn without_token(spec: &mut Value) {
    let is_token =
        |entry: &Value| entry["name"].as_str().is_some_and(|name| name.starts_with("kube-api-access-"));
    let strip = |list: &mut Value| {
        if let Some(items) = list.as_array_mut() {
            items.retain(|item| !is_token(item));
            if items.is_empty() {
                *list = Value::Null;
            }
        }
    };
    if spec.get("volumes").is_some() {
        strip(&mut spec["volumes"]);
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if container.get("volumeMounts").is_some() {
                strip(&mut container["volumeMounts"]);
            }
        }
    }
}

/// Is the text a time?
pub(super) fn is_time(text: &str) -> bool {
    text.len() >= 20 && text.ends_with('Z') && phalanx::api::time::Timestamp::parse(text).is_some()
}
