//! Defaults of built-in kinds other than pods, for objects that come as requests. A kind whose defaults are not told here
//! is refused, since an object without them would be another than the API server keeps.

use super::at::At as _;
use super::resource::Resource;
use serde_json::{Value, json};

/// Sets a field where it is absent; maps on the way are made.
fn set(value: &mut Value, steps: &[&str], default: Value) {
    let mut at = value;
    for step in steps {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[*step];
    }
    if at.is_null() {
        *at = default;
    }
}

/// Fills in the defaults of a new or changed object, or says what is not done.
pub(super) fn complete(resource: &Resource, value: &mut Value) -> Result<(), &'static str> {
    match resource.name {
        "Pod" | "ConfigMap" | "Lease" | "ControllerRevision" => {}
        // What requests for devices leave out is filled in with that of other sources.
        "ResourceClaimTemplate" | "DeviceClass" => {}
        "ResourceClaim" => set(value, &["status"], json!({})),
        "PodGroup" => {
            let mode = match value.at("/apiVersion").and_then(Value::as_str) {
                Some("scheduling.k8s.io/v1alpha2") => json!("Pod"),
                _ => json!({ "single": {} }),
            };
            set(value, &["spec", "disruptionMode"], mode);
        }
        "Secret" => set(value, &["type"], json!("Opaque")),
        "PriorityClass" => {
            set(value, &["value"], json!(0));
            set(value, &["preemptionPolicy"], json!("PreemptLowerPriority"));
        }
        "StorageClass" => {
            set(value, &["reclaimPolicy"], json!("Delete"));
            set(value, &["volumeBindingMode"], json!("Immediate"));
        }
        "CSINode" => set(value, &["spec"], json!({})),
        "PersistentVolume" => {
            if value.at("/spec/hostPath").is_some() {
                set(value, &["spec", "hostPath", "type"], json!(""));
            }
            set(value, &["spec", "persistentVolumeReclaimPolicy"], json!("Retain"));
            set(value, &["spec", "volumeMode"], json!("Filesystem"));
            set(value, &["status", "phase"], json!("Pending"));
        }
        "PersistentVolumeClaim" => {
            set(value, &["spec", "volumeMode"], json!("Filesystem"));
            set(value, &["status", "phase"], json!("Pending"));
        }
        "PodDisruptionBudget" => {
            for count in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
                set(value, &["status", count], json!(0));
            }
        }
        "Service" => service(value)?,
        "Event" if resource.group().is_empty() => {
            set(value, &["source"], json!({}));
            for text in ["reportingComponent", "reportingInstance"] {
                set(value, &[text], json!(""));
            }
        }
        "Node" => {
            set(value, &["spec"], json!({}));
            set(value, &["status"], json!({}));
        }
        _ => return Err("writing an object of a kind whose defaults are not known here"),
    }
    Ok(())
}

/// Headless Services get no address; any other needs an allocator.
fn service(value: &mut Value) -> Result<(), &'static str> {
    if value.at("/spec/clusterIP") != Some(&json!("None")) {
        return Err("a Service with an address of its own");
    }
    for (field, default) in [
        ("clusterIPs", json!(["None"])),
        ("type", json!("ClusterIP")),
        ("sessionAffinity", json!("None")),
        ("ipFamilies", json!(["IPv4"])),
        ("ipFamilyPolicy", json!("SingleStack")),
        ("internalTrafficPolicy", json!("Cluster")),
    ] {
        set(value, &["spec", field], default);
    }
    for port in value.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
        set(port, &["protocol"], json!("TCP"));
        let number = port["port"].clone();
        set(port, &["targetPort"], number);
    }
    set(value, &["status", "loadBalancer"], json!({}));
    Ok(())
}
