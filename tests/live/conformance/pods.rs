//! Binding, eviction, and what of a pod may be changed.

use super::objects::{binding, pod, with};
use super::sides::{MERGE, STRATEGIC, Side};
use serde_json::{Value, json};

pub(crate) async fn bind(side: &mut Side) {
    let pods = side.path("pods");
    let made = side.post(&pods, pod("a")).await;
    let path = format!("{pods}/a/binding");
    side.post(&path, with(binding("a", "n"), json!({ "metadata": { "uid": "another" } }))).await;
    side.post(&path, with(binding("a", "n"), json!({ "metadata": { "resourceVersion": "1" } }))).await;
    side.post(&path, binding("b", "n")).await;
    side.post(&path, with(binding("a", "n"), json!({ "target": { "name": null } }))).await;
    side.post(&path, with(binding("a", "n"), json!({ "target": { "kind": "Pod" } }))).await;
    side.post(&path, with(binding("a", "n"), json!({ "kind": "Pod" }))).await;
    side.post(&format!("{pods}/absent/binding"), binding("absent", "n")).await;
    let exactly = json!({ "metadata": {
        "uid": made.text("/metadata/uid"), "resourceVersion": made.version(),
        "annotations": { "a": "b" }, "labels": { "c": "d" },
    } });
    side.post(&path, with(binding("a", "no-such-node"), exactly.clone())).await;
    side.get(&format!("{pods}/a")).await;
    side.post(&path, binding("a", "no-such-node")).await;
    side.post(
        &path,
        with(binding("a", "another"), json!({ "metadata": { "uid": made.text("/metadata/uid") } })),
    )
    .await;
    side.get(&path).await;
    // Scheduling gates, and a nomination.
    side.post(&pods, with(pod("b"), json!({ "spec": { "schedulingGates": [{ "name": "x/y" }] } }))).await;
    side.post(&format!("{pods}/b/binding"), binding("b", "n")).await;
    side.patch(&format!("{pods}/b"), MERGE, json!({ "spec": { "schedulingGates": [] } })).await;
    side.patch(&format!("{pods}/b/status"), MERGE, json!({ "status": { "nominatedNodeName": "n" } })).await;
    side.post(&format!("{pods}/b/binding"), binding("b", "no-such-node")).await;
    side.get(&format!("{pods}/b")).await;
    // On its way out.
    side.post(&pods, with(pod("c"), json!({ "metadata": { "finalizers": ["x.y/a"] } }))).await;
    side.delete(&format!("{pods}/c"), Value::Null).await;
    side.post(&format!("{pods}/c/binding"), binding("c", "n")).await;
}

pub(crate) async fn change(side: &mut Side) {
    let pods = side.path("pods");
    let gated = json!({ "spec": { "schedulingGates": [{ "name": "x/y" }, { "name": "x/z" }] } });
    side.post(&pods, with(pod("a"), gated)).await;
    let path = format!("{pods}/a");
    for patch in [
        json!({ "spec": { "nodeSelector": { "a": "b" } } }),
        json!({ "spec": { "nodeSelector": { "a": "c" } } }),
        json!({ "spec": { "nodeSelector": { "a": "b", "c": "d" } } }),
        json!({ "spec": { "schedulingGates": [{ "name": "x/z" }] } }),
        json!({ "spec": { "schedulingGates": [{ "name": "x/w" }] } }),
        json!({ "spec": { "schedulingGates": null } }),
        json!({ "spec": { "nodeSelector": { "e": "f" } } }),
        json!({ "spec": { "activeDeadlineSeconds": 50 } }),
        json!({ "spec": { "terminationGracePeriodSeconds": 1 } }),
        json!({ "spec": { "priority": 5 } }),
        json!({ "spec": { "nodeName": "n" } }),
        json!({ "spec": { "schedulerName": "another" } }),
        json!({ "spec": { "restartPolicy": "Never" } }),
        json!({ "spec": { "tolerations": [] } }),
        json!({ "metadata": { "labels": { "a": "b" } } }),
    ] {
        side.patch(&path, MERGE, patch).await;
    }
    let more = json!({ "spec": { "containers": [{ "name": "main", "image": "none:2" }] } });
    side.patch(&path, STRATEGIC, more).await;
    let limits = json!({ "resources": { "limits": { "cpu": "1" } }, "name": "main" });
    side.patch(&path, STRATEGIC, json!({ "spec": { "containers": [limits] } })).await;
}

pub(crate) async fn evict(side: &mut Side) {
    let (pods, budgets) = (side.path("pods"), side.path("poddisruptionbudgets"));
    let eviction =
        |name: &str| json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name } });
    let labelled = json!({ "metadata": { "labels": { "app": "a" } } });
    for name in ["a", "b", "c", "free"] {
        let object = if name == "free" { pod(name) } else { with(pod(name), labelled.clone()) };
        side.post(&pods, with(object, json!({ "metadata": { "finalizers": ["x.y/a"] } }))).await;
    }
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "a" },
        "spec": { "minAvailable": 2, "selector": { "matchLabels": { "app": "a" } } },
    });
    side.post(&budgets, budget).await;
    let path = |name: &str| format!("{pods}/{name}/eviction");
    side.post(&path("absent"), eviction("absent")).await;
    side.post(&path("a"), eviction("b")).await;
    side.post(&path("a"), with(eviction("a"), json!({ "apiVersion": "v1" }))).await;
    for name in ["a", "b", "free"] {
        side.post(&format!("{pods}/{name}/binding"), binding(name, "no-such-node")).await;
        let ready = json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
        side.patch(&format!("{pods}/{name}/status"), STRATEGIC, ready).await;
    }
    // The budget's controller counts: 2 of 3 are healthy, and 2 must be.
    side.counted(&format!("{budgets}/a"), 0, 2, 2, 3).await;
    side.post(&path("a"), eviction("a")).await;
    side.post(
        &path("a"),
        with(eviction("a"), json!({ "deleteOptions": { "preconditions": { "uid": "another" } } })),
    )
    .await;
    // One that waits needs no budget, and neither does one that none covers.
    side.post(&path("c"), eviction("c")).await;
    side.post(&path("free"), eviction("free")).await;
    side.patch(&format!("{budgets}/a"), MERGE, json!({ "spec": { "minAvailable": 1 } })).await;
    side.counted(&format!("{budgets}/a"), 1, 2, 1, 3).await;
    side.post(&path("a"), with(eviction("a"), json!({ "deleteOptions": { "gracePeriodSeconds": 7 } }))).await;
    side.get(&format!("{pods}/a")).await;
    side.post(&path("b"), eviction("b")).await;
    // One that goes already may be evicted again.
    side.post(&path("a"), eviction("a")).await;
    for name in ["a", "b", "c", "free"] {
        let free = json!({ "metadata": { "finalizers": null } });
        side.send("PATCH", &format!("{pods}/{name}"), MERGE, Some(&free)).await;
        side.send("DELETE", &format!("{pods}/{name}?gracePeriodSeconds=0"), MERGE, None).await;
    }
}
