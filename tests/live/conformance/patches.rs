//! Patches of the kinds that both do.

use super::objects::{config_map, group, pod, with};
use super::sides::{JSON_PATCH, MERGE, STRATEGIC, Side};
use serde_json::{Value, json};

pub(crate) async fn patch(side: &mut Side) {
    let (pods, groups, maps) = (side.path("pods"), side.path("podgroups"), side.path("configmaps"));
    let first = side.post(&pods, pod("a")).await;
    side.post(&groups, group("a")).await;
    side.post(&maps, config_map("a")).await;
    for path in [format!("{pods}/a"), format!("{groups}/a"), format!("{maps}/a")] {
        for patch in [
            json!({ "metadata": { "labels": { "x": "1" } } }),
            json!({ "metadata": { "labels": { "x": "1" } } }),
            json!({ "metadata": { "labels": { "x": null, "y": "2" }, "annotations": { "a": "b" } } }),
            json!({ "metadata": { "resourceVersion": "1", "labels": { "x": "2" } } }),
            json!({ "metadata": { "uid": "another", "labels": { "x": "2" } } }),
            json!({ "metadata": { "name": "b" } }),
            json!({ "metadata": { "namespace": "elsewhere" } }),
            json!({ "metadata": "a text" }),
            json!({ "metadata": null }),
            json!({ "metadata": { "labels": { "x": "not a label!" } } }),
            json!({ "metadata": { "generation": 9, "creationTimestamp": "2020-01-01T00:00:00Z" } }),
            json!({ "metadata": { "deletionTimestamp": "2020-01-01T00:00:00Z" } }),
            json!({ "metadata": { "ownerReferences": [{ "kind": "x" }] } }),
            json!([1]),
            json!("a text"),
        ] {
            side.patch(&path, MERGE, patch).await;
        }
        side.raw("PATCH", &path, MERGE, "{").await;
        side.patch(&path, "application/json", json!({ "metadata": { "labels": { "x": "3" } } })).await;
        side.patch(&path, "text/plain", json!({})).await;
    }
    let exactly = json!({ "metadata": { "uid": first.text("/metadata/uid"), "labels": { "z": "1" } } });
    let current = side.patch(&format!("{pods}/a"), MERGE, exactly).await;
    let version = json!({ "metadata": { "resourceVersion": current.version(), "labels": { "z": "2" } } });
    side.patch(&format!("{pods}/a"), MERGE, version.clone()).await;
    side.patch(&format!("{pods}/a"), MERGE, version).await;
    side.patch(&format!("{groups}/a"), MERGE, json!({ "kind": "Pod" })).await;
    side.patch(&format!("{groups}/a"), MERGE, json!({ "spec": { "minMember": 3 } })).await;
    side.patch(&format!("{groups}/a"), MERGE, json!({ "status": { "phase": "Running" } })).await;
    side.patch(&format!("{groups}/a"), MERGE, json!({ "status": null, "spec": { "queue": null } })).await;
    side.patch(&format!("{maps}/a"), MERGE, json!({ "data": { "a": null, "b": "2" } })).await;
    side.patch(&format!("{maps}/absent"), MERGE, json!({ "data": { "a": null } })).await;
    side.patch(&format!("{groups}/absent"), MERGE, json!({ "spec": {} })).await;
}

pub(crate) async fn json_patch(side: &mut Side) {
    let pods = side.path("pods");
    let labelled = json!({ "metadata": { "labels": { "x": "1", "a/b": "c" } } });
    let first = side.post(&pods, with(pod("a"), labelled)).await;
    let path = format!("{pods}/a");
    let uid = first.text("/metadata/uid");
    let test = |path: &str, value: Value| json!({ "op": "test", "path": path, "value": value });
    for steps in [
        json!([test("/metadata/labels/x", "9".into())]),
        json!([test("/metadata/labels/absent", "9".into())]),
        json!([test("/metadata/uid", "another".into()), { "op": "add", "path": "/metadata/labels/y", "value": "1" }]),
        json!([test("/metadata/uid", uid.into()), { "op": "add", "path": "/metadata/labels/y", "value": "1" }]),
        json!([test("/metadata/labels/x", "1".into()), { "op": "add", "path": "/metadata/labels/y~1z", "value": "2" }]),
        json!([{ "op": "remove", "path": "/metadata/labels/a~1b" }]),
        json!([{ "op": "remove", "path": "/metadata/labels/absent" }]),
        json!([{ "op": "replace", "path": "/metadata/labels/absent", "value": "1" }]),
        json!([{ "op": "add", "path": "/metadata/absent/absent", "value": "1" }]),
        json!([{ "op": "replace", "path": "/metadata/absent/absent", "value": "1" }]),
        json!([{ "op": "nonsense", "path": "/metadata/labels/x", "value": "1" }]),
        json!([{ "op": "copy", "from": "/metadata/labels/x", "path": "/metadata/labels/w" }]),
        json!([{ "op": "move", "from": "/metadata/labels/w", "path": "/metadata/labels/v" }]),
        json!([{ "op": "move", "from": "/metadata/labels/none", "path": "/metadata/labels/v" }]),
        json!([{ "op": "add", "path": "/metadata/labels", "value": { "only": "this" } }]),
        json!([{ "op": "add", "path": "/spec/tolerations/-", "value": { "key": "k", "operator": "Exists" } }]),
        json!([{ "op": "replace", "path": "/metadata/resourceVersion", "value": "1" }]),
        json!([{ "op": "replace", "path": "/metadata/name", "value": "b" }]),
        json!([{ "op": "replace", "path": "/spec/containers/0/image", "value": "none:2" }]),
        json!([{ "op": "replace", "path": "/spec/containers/7/image", "value": "none:2" }]),
        json!([]),
        json!({ "op": "test" }),
    ] {
        side.patch(&path, JSON_PATCH, steps).await;
    }
    side.raw("PATCH", &path, JSON_PATCH, "[").await;
    let groups = side.path("podgroups");
    side.post(&groups, group("a")).await;
    let steps = json!([test("/spec/minMember", 2.into()), { "op": "replace", "path": "/spec/minMember", "value": 3 }]);
    side.patch(&format!("{groups}/a"), JSON_PATCH, steps.clone()).await;
    side.patch(&format!("{groups}/a"), JSON_PATCH, steps).await;
}

pub(crate) async fn strategic_patch(side: &mut Side) {
    let (pods, groups, maps) = (side.path("pods"), side.path("podgroups"), side.path("configmaps"));
    side.post(&groups, group("a")).await;
    side.patch(&format!("{groups}/a"), STRATEGIC, json!({ "metadata": { "labels": { "x": "1" } } })).await;
    let two = json!({ "spec": { "containers": [
        { "name": "a", "image": "none:1", "env": [{ "name": "e", "value": "1" }] }, { "name": "b", "image": "none:1" },
    ] } });
    side.post(&pods, with(pod("a"), two)).await;
    let path = format!("{pods}/a");
    for patch in [
        json!({ "spec": { "containers": [{ "name": "b", "image": "none:2" }] } }),
        json!({ "spec": { "containers": [{ "name": "c", "image": "none:2" }] } }),
        json!({ "spec": { "containers": [{ "image": "none:2" }] } }),
        json!({ "spec": { "tolerations": [{ "key": "new", "operator": "Exists" }] } }),
        json!({ "metadata": { "finalizers": ["x.y/a"] } }),
        json!({ "metadata": { "finalizers": ["x.y/b"] } }),
        json!({ "metadata": { "finalizers": null, "labels": { "a": "b" } } }),
        json!({ "metadata": { "labels": { "$patch": "replace", "c": "d" } } }),
        json!({ "metadata": { "labels": { "$patch": "delete" } } }),
        json!({ "metadata": { "resourceVersion": "1" } }),
        json!([1]),
    ] {
        side.patch(&path, STRATEGIC, patch).await;
    }
    let conditions = |types: &[&str], status: &str| {
        let all: Vec<Value> = types.iter().map(|t| json!({ "type": t, "status": status })).collect();
        json!({ "status": { "conditions": all } })
    };
    let path = format!("{path}/status");
    for patch in [
        conditions(&["A"], "True"),
        conditions(&["B"], "True"),
        conditions(&["A"], "False"),
        conditions(&["C", "A"], "True"),
        json!({ "status": { "conditions": [{ "$patch": "delete", "type": "A" }] } }),
        json!({ "metadata": { "uid": "another" }, "status": { "conditions": [] } }),
        json!({ "status": { "nominatedNodeName": "n" } }),
        json!({ "status": { "nominatedNodeName": null } }),
    ] {
        side.patch(&path, STRATEGIC, patch).await;
    }
    side.post(&maps, config_map("a")).await;
    let path = format!("{maps}/a");
    for patch in [
        json!({ "data": { "b": "2" } }),
        json!({ "data": { "b": null, "c": "3" } }),
        json!({ "data": { "$patch": "replace", "d": "4" } }),
        json!({ "data": null }),
    ] {
        side.patch(&path, STRATEGIC, patch).await;
    }
}
