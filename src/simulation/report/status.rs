//! READY and STATUS of a pod as `kubectl get pods` shows them.

use crate::apiserver::At as _;
use serde_json::Value;

/// Containers that are ready, and containers.
pub(super) fn ready(pod: &Value) -> String {
    let list = |pointer: &str| pod.at(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let ready = list("/status/containerStatuses").iter().filter(|status| status["ready"] == true).count();
    format!("{ready}/{}", list("/spec/containers").len())
}

/// One word for how the pod is.
pub(super) fn status(pod: &Value) -> String {
    let text = |pointer: &str| pod.at(pointer).and_then(Value::as_str).unwrap_or("");
    if pod.at("/metadata/deletionTimestamp").is_some() {
        return "Terminating".into();
    }
    let mut word = text("/status/phase");
    if !text("/status/reason").is_empty() {
        word = text("/status/reason");
    }
    if word == "Pending"
        && text("/spec/nodeName").is_empty()
        && pod.at("/spec/schedulingGates").and_then(Value::as_array).is_some_and(|gates| !gates.is_empty())
    {
        word = "SchedulingGated";
    }
    let statuses = pod.at("/status/containerStatuses").and_then(Value::as_array);
    for status in statuses.into_iter().flatten() {
        let state = |name: &str| status["state"][name]["reason"].as_str().filter(|reason| !reason.is_empty());
        if let Some(reason) = state("waiting").or(state("terminated")) {
            word = reason;
        }
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn as_kubectl_shows_them() {
        let check = |pod: Value, expect: (&str, &str)| assert_eq!((&*ready(&pod), &*status(&pod)), expect);
        let one = json!([{"name": "c"}]);
        check(json!({"spec": {"containers": one}, "status": {"phase": "Pending"}}), ("0/1", "Pending"));
        let gated = json!({"spec": {"containers": one, "schedulingGates": [{"name": "g"}]}, "status": {"phase": "Pending"}});
        check(gated, ("0/1", "SchedulingGated"));
        let waiting =
            json!([{"name": "c", "ready": false, "state": {"waiting": {"reason": "ImagePullBackOff"}}}]);
        let pod = json!({"spec": {"containers": one}, "status": {"phase": "Pending", "containerStatuses": waiting}});
        check(pod, ("0/1", "ImagePullBackOff"));
        let running = json!([{"name": "c", "ready": true, "state": {"running": {}}}]);
        let mut pod = json!({"metadata": {}, "spec": {"containers": one}, "status": {"phase": "Running", "containerStatuses": running}});
        check(pod.clone(), ("1/1", "Running"));
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        check(pod, ("1/1", "Terminating"));
    }
}
