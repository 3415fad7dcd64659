//! Defaults as the API server, its admission plugins and the kubelets fill them in, and what a webhook would refuse.
//!
//! Left out on purpose: the service account's token volume (its name is random and no decision depends on it).

use super::at::At as _;
use super::{Key, Kind, Refusal, Store, claims, schema};
use crate::api::decode::decode;
use crate::api::model_serving::ModelServing;
use crate::api::quantity::Quantity;
use crate::modelserving;
use serde_json::{Value, json};

/// Fills in what the object's author left out.
pub(super) fn fill(kind: &Kind, value: &mut Value, store: &Store) {
    if let Some(schema) = store.schemas.spec_of(kind)
        && let Some(spec) = value.get_mut("spec").filter(|spec| spec.is_object())
    {
        schema::fill_defaults(schema, spec);
    }
    match kind {
        Kind::Pod => pod(value, store),
        Kind::Node if !store.bare => node(value),
        // What Volcano's webhook and its queue controller write.
        Kind::Queue if !store.bare => {
            set(value, "/spec/reclaimable", json!(true));
            set(value, "/status/state", json!("Open"));
        }
        Kind::ResourceClaim => claims::fill(value.pointer_mut("/spec/devices/requests")),
        Kind::ResourceClaimTemplate => claims::fill(value.pointer_mut("/spec/spec/devices/requests")),
        Kind::PodGroup if !store.bare => set(value, "/spec/queue", json!("default")),
        _ => {}
    }
}

/// Would the webhook refuse this change? Only ModelServings have rules about what may become of what.
pub(super) fn check(key: &Key, old: &Value, new: &Value) -> Result<(), Refusal> {
    if key.kind != Kind::ModelServing || old.get("spec") == new.get("spec") {
        return Ok(());
    }
    let read = |value: &Value| decode::<ModelServing>(value);
    let (old, new) = match (read(old), read(new)) {
        (Ok(old), Ok(new)) => (old, new),
        (_, Err(error)) => {
            return Err(Refusal::Invalid(key.clone(), format!("{}: {}", error.path, error.message)));
        }
        (Err(_), Ok(_)) => return Ok(()),
    };
    let errors = modelserving::validate(&new, Some(&old));
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    if texts.is_empty() { Ok(()) } else { Err(Refusal::Invalid(key.clone(), texts.join("; "))) }
}

/// Sets a field where it is absent, null or an empty text; maps on the way are made.
fn set(value: &mut Value, pointer: &str, default: Value) {
    let mut at = value;
    for step in pointer.split('/').skip(1) {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[step];
    }
    if at.is_null() || at.as_str() == Some("") {
        *at = default;
    }
}

fn node(value: &mut Value) {
    let name = value.at("/metadata/name").and_then(Value::as_str).unwrap_or("").to_owned();
    set(value, "/metadata/labels", json!({}));
    if let Some(labels) = value.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.entry("kubernetes.io/hostname").or_insert(name.into());
    }
    let capacity = value.at("/status/capacity").cloned().unwrap_or(Value::Null);
    let allocatable = value.at("/status/allocatable").cloned().unwrap_or(Value::Null);
    set(value, "/status/capacity", if allocatable.is_null() { json!({}) } else { allocatable });
    set(value, "/status/allocatable", if capacity.is_null() { json!({}) } else { capacity });
    // A kubelet that is told nothing takes 110 pods.
    set(value, "/status/capacity/pods", json!("110"));
    set(value, "/status/allocatable/pods", json!("110"));
    set(
        value,
        "/status/conditions",
        json!([{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}]),
    );
}

fn pod(value: &mut Value, store: &Store) {
    for (field, default) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("securityContext", json!({})),
        ("schedulerName", json!("default-scheduler")),
        ("enableServiceLinks", json!(true)),
    ] {
        set(value, &format!("/spec/{field}"), default);
    }
    let account =
        value.at("/spec/serviceAccountName").and_then(Value::as_str).unwrap_or("default").to_owned();
    set(value, "/spec/serviceAccountName", json!(account));
    set(value, "/spec/serviceAccount", json!(account));
    priority(value, store);
    tolerations(value);
    let spec = &mut value["spec"];
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            self::container(container);
        }
    }
    requests_from_limits(spec.get_mut("resources"));
    let class = quality_of_service(spec);
    set(value, "/status/phase", json!("Pending"));
    set(value, "/status/qosClass", json!(class));
}

/// The priority that admission writes: of the class that is named, else of the global default, else 0.
fn priority(value: &mut Value, store: &Store) {
    if value.at("/spec/priority").is_some_and(Value::is_number) {
        set(value, "/spec/preemptionPolicy", json!("PreemptLowerPriority"));
        return;
    }
    let named = value.at("/spec/priorityClassName").and_then(Value::as_str).unwrap_or("").to_owned();
    let classes = || store.of_kind(&Kind::PriorityClass);
    let class = match named.as_str() {
        "" => classes().find(|(_, class)| class.value.get("globalDefault") == Some(&Value::Bool(true))),
        name => classes().find(|(key, _)| &*key.name == name),
    };
    let builtin = match named.as_str() {
        "system-cluster-critical" => 2_000_000_000,
        "system-node-critical" => 2_000_001_000,
        _ => 0,
    };
    let (number, policy) = match class {
        Some((key, class)) => {
            let found = (class.value.get("value").cloned(), class.value.get("preemptionPolicy").cloned());
            let name = key.name.to_string();
            set(value, "/spec/priorityClassName", json!(name));
            found
        }
        None => (None, None),
    };
    set(value, "/spec/priority", number.unwrap_or(json!(builtin)));
    set(value, "/spec/preemptionPolicy", policy.unwrap_or(json!("PreemptLowerPriority")));
}

/// A pod stays on a node that is lost for five minutes, unless it says otherwise.
fn tolerations(value: &mut Value) {
    set(value, "/spec/tolerations", json!([]));
    let Some(list) = value.pointer_mut("/spec/tolerations").and_then(Value::as_array_mut) else { return };
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |toleration: &Value| {
            let (of, effect) = (toleration.get("key"), toleration.get("effect").and_then(Value::as_str));
            (of.is_none() || of.and_then(Value::as_str) == Some(key))
                && matches!(effect, None | Some("NoExecute"))
        };
        if !list.iter().any(covers) {
            list.push(
                json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}),
            );
        }
    }
}

fn container(container: &mut Value) {
    set(container, "/terminationMessagePath", json!("/dev/termination-log"));
    set(container, "/terminationMessagePolicy", json!("File"));
    let image = container.get("image").and_then(Value::as_str).unwrap_or("");
    let tag = image.rsplit('/').next().unwrap_or(image);
    let moves = !image.contains('@') && (tag.ends_with(":latest") || !tag.contains(':'));
    set(container, "/imagePullPolicy", json!(if moves { "Always" } else { "IfNotPresent" }));
    set(container, "/resources", json!({}));
    requests_from_limits(container.get_mut("resources"));
    for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        set(port, "/protocol", json!("TCP"));
    }
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe) {
            let defaults = [
                ("timeoutSeconds", 1),
                ("periodSeconds", 10),
                ("successThreshold", 1),
                ("failureThreshold", 3),
            ];
            for (field, default) in defaults {
                set(probe, &format!("/{field}"), json!(default));
            }
        }
    }
}

/// A limit stands in for an absent request; quantities are written as the API server writes them.
fn requests_from_limits(resources: Option<&mut Value>) {
    let Some(resources) = resources.filter(|resources| resources.is_object()) else { return };
    for part in ["limits", "requests"] {
        if let Some(list) = resources.get_mut(part).and_then(Value::as_object_mut) {
            for quantity in list.values_mut() {
                let text = quantity.as_str().map_or_else(|| quantity.to_string(), str::to_owned);
                if let Ok(amount) = Quantity(text).amount() {
                    *quantity = json!(amount.to_quantity().0);
                }
            }
        }
    }
    let limits = resources.get("limits").and_then(Value::as_object).cloned().unwrap_or_default();
    if limits.is_empty() {
        return;
    }
    set(resources, "/requests", json!({}));
    if let Some(requests) = resources.get_mut("requests").and_then(Value::as_object_mut) {
        for (name, limit) in limits {
            requests.entry(name).or_insert(limit);
        }
    }
}

/// Guaranteed, Burstable or BestEffort, by cpu and memory of all containers.
fn quality_of_service(spec: &Value) -> &'static str {
    let lists = ["containers", "initContainers"].into_iter().filter_map(|list| spec.get(list)?.as_array());
    let (mut any, mut all) = (false, true);
    for container in lists.flatten() {
        for resource in ["cpu", "memory"] {
            let limit = container.at(&format!("/resources/limits/{resource}"));
            let request = container.at(&format!("/resources/requests/{resource}"));
            any |= limit.is_some() || request.is_some();
            all &= limit.is_some() && limit == request;
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
