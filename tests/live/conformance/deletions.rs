//! Deletion: preconditions, finalizers, grace periods.

use super::objects::{binding, config_map, group, pod, with};
use super::sides::{MERGE, Side};
use serde_json::{Value, json};

pub(crate) async fn delete(side: &mut Side) {
    let (pods, groups, maps) = (side.path("pods"), side.path("podgroups"), side.path("configmaps"));
    for (path, object) in [(&pods, pod("a")), (&groups, group("a")), (&maps, config_map("a"))] {
        let made = side.post(path, object).await;
        let one = format!("{path}/a");
        side.delete(&one, json!({ "preconditions": { "uid": "another" } })).await;
        side.delete(&one, json!({ "preconditions": { "resourceVersion": "1" } })).await;
        side.delete(&one, json!({ "propagationPolicy": "Nonsense" })).await;
        side.raw("DELETE", &one, "application/json", "{").await;
        let (uid, version) = (made.text("/metadata/uid"), made.version());
        side.delete(&one, json!({ "preconditions": { "uid": uid, "resourceVersion": version } })).await;
        side.delete(&one, json!({ "preconditions": { "uid": uid } })).await;
        side.get(&one).await;
    }
    for name in ["a", "b", "c"] {
        let label = if name == "c" { "keep" } else { "drop" };
        side.post(&groups, with(group(name), json!({ "metadata": { "labels": { "k": label } } }))).await;
    }
    side.delete(&format!("{groups}?labelSelector=k%3Ddrop"), Value::Null).await;
    side.get(&groups).await;
}

pub(crate) async fn finalizers(side: &mut Side) {
    let (pods, groups, maps) = (side.path("pods"), side.path("podgroups"), side.path("configmaps"));
    let held = json!({ "metadata": { "finalizers": ["x.y/a", "x.y/b"] } });
    for (path, object) in [(&pods, pod("a")), (&groups, group("a")), (&maps, config_map("a"))] {
        side.post(path, with(object.clone(), held.clone())).await;
        let one = format!("{path}/a");
        side.delete(&one, Value::Null).await;
        side.delete(&one, Value::Null).await;
        side.post(path, object).await;
        side.patch(&one, MERGE, json!({ "metadata": { "labels": { "a": "b" } } })).await;
        side.patch(&one, MERGE, json!({ "metadata": { "finalizers": ["x.y/a", "x.y/b", "x.y/c"] } })).await;
        side.patch(&one, MERGE, json!({ "metadata": { "finalizers": ["x.y/b"] } })).await;
        side.patch(&one, MERGE, json!({ "metadata": { "deletionTimestamp": null, "labels": { "a": "c" } } }))
            .await;
        let current = side.get(&one).await;
        side.put(&one, with(current.body, json!({ "metadata": { "finalizers": null } }))).await;
        side.get(&one).await;
    }
}

pub(crate) async fn grace(side: &mut Side) {
    let pods = side.path("pods");
    let make = |name: &str| with(pod(name), json!({ "metadata": { "finalizers": ["x.y/a"] } }));
    for name in ["a", "b", "c", "d", "e"] {
        side.post(&pods, make(name)).await;
    }
    // Nothing has to be stopped.
    side.delete(&format!("{pods}/a"), json!({ "gracePeriodSeconds": 20 })).await;
    side.patch(&format!("{pods}/a"), MERGE, json!({ "metadata": { "finalizers": null } })).await;
    side.get(&format!("{pods}/a")).await;
    for name in ["b", "c", "d", "e"] {
        side.post(&format!("{pods}/{name}/binding"), binding(name, "no-such-node")).await;
    }
    for seconds in [20, 50, 10] {
        side.delete(&format!("{pods}/b"), json!({ "gracePeriodSeconds": seconds })).await;
    }
    side.post(&format!("{pods}/b/binding"), binding("b", "another")).await;
    side.delete(&format!("{pods}/b?gracePeriodSeconds=0"), Value::Null).await;
    side.patch(&format!("{pods}/b"), MERGE, json!({ "metadata": { "finalizers": null } })).await;
    side.get(&format!("{pods}/b")).await;
    // Its own period, and a finalizer that goes while it runs.
    side.delete(&format!("{pods}/c"), Value::Null).await;
    side.patch(&format!("{pods}/c"), MERGE, json!({ "metadata": { "finalizers": null } })).await;
    side.get(&format!("{pods}/c")).await;
    side.delete(&format!("{pods}/c"), json!({ "gracePeriodSeconds": 0 })).await;
    side.get(&format!("{pods}/c")).await;
    side.delete(&format!("{pods}/d"), json!({ "gracePeriodSeconds": -1 })).await;
    // It has ended.
    side.patch(&format!("{pods}/e/status"), MERGE, json!({ "status": { "phase": "Succeeded" } })).await;
    side.delete(&format!("{pods}/e"), Value::Null).await;
    side.patch(&format!("{pods}/e"), MERGE, json!({ "metadata": { "finalizers": null } })).await;
    side.get(&format!("{pods}/e")).await;
}
