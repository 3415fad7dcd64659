//! Lists and watches.

use super::objects::{config_map, group, pod, with};
use super::sides::{MERGE, Side};
use serde_json::{Value, json};

/// Lists only what the script has made: the namespace of a real cluster has more.
const MINE: &str = "labelSelector=mine";

fn mine(name: &str, value: &str) -> Value {
    with(config_map(name), json!({ "metadata": { "labels": { "mine": value } } }))
}

pub(crate) async fn list(side: &mut Side) {
    let (pods, groups, maps) = (side.path("pods"), side.path("podgroups"), side.path("configmaps"));
    for (index, name) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        side.post(
            &groups,
            with(group(name), json!({ "metadata": { "labels": { "k": format!("v{}", index % 2) } } })),
        )
        .await;
        side.post(&pods, pod(name)).await;
    }
    side.post(&maps, mine("m", "1")).await;
    side.get(&format!("{maps}?{MINE}")).await;
    // Pages of one version, whatever happens meanwhile.
    let page = side.get(&format!("{groups}?limit=2")).await;
    let (version, token) = (page.version(), page.text("/metadata/continue"));
    side.delete(&format!("{groups}/d"), Value::Null).await;
    side.post(&groups, group("bb")).await;
    side.patch(&format!("{groups}/c"), MERGE, json!({ "spec": { "minMember": 9 } })).await;
    let page = side.get(&format!("{groups}?limit=2&continue={token}")).await;
    side.get(&format!("{groups}?limit=2&continue={}", page.text("/metadata/continue"))).await;
    side.get(&format!("{groups}?limit=2&resourceVersion=5&continue={token}")).await;
    side.get(&format!("{groups}?limit=2&continue=nonsense")).await;
    side.get(&groups).await;
    // Selectors.
    for query in [
        "labelSelector=k%3Dv1",
        "labelSelector=k%3D%3Dv1",
        "labelSelector=k!%3Dv1",
        "labelSelector=k%20in%20(v1,v2)",
        "labelSelector=k%20notin%20(v1,v2),k",
        "labelSelector=!k",
        "labelSelector=k",
        "labelSelector=%3D%3D%3D",
        "labelSelector=k%20in%20v1",
        "labelSelector=k%3Dv0&limit=1",
        "fieldSelector=metadata.name%3Da",
        "fieldSelector=metadata.name!%3Da",
        "fieldSelector=nonsense%3Da",
    ] {
        side.get(&format!("{groups}?{query}")).await;
    }
    for query in [
        "spec.nodeName%3D",
        "status.phase%3DPending",
        "status.phase%3DRunning",
        "spec.schedulerName%3Dnobody,metadata.name%3Da",
    ] {
        side.get(&format!("{pods}?fieldSelector={query}")).await;
    }
    // Versions.
    for query in [
        "resourceVersion=0".to_owned(),
        "resourceVersion=x".to_owned(),
        "resourceVersion=999999999".to_owned(),
        format!("resourceVersion={version}"),
        format!("resourceVersion={version}&limit=2"),
        format!("resourceVersion={version}&resourceVersionMatch=Exact"),
        format!("resourceVersion={version}&resourceVersionMatch=NotOlderThan"),
        "resourceVersionMatch=Exact".to_owned(),
        "resourceVersion=0&resourceVersionMatch=Exact".to_owned(),
        "resourceVersion=1&resourceVersionMatch=Nonsense".to_owned(),
    ] {
        side.get(&format!("{groups}?{query}")).await;
    }
    side.get(&format!("{groups}/a?resourceVersion=999999999")).await;
    side.get("/apis/absent.io/v1/things").await;
}

pub(crate) async fn watch(side: &mut Side) {
    let (maps, groups) = (side.path("configmaps"), side.path("podgroups"));
    side.post(&maps, mine("a", "1")).await;
    let before = side.get(&format!("{maps}?{MINE}")).await.version();
    side.post(&maps, mine("b", "2")).await;
    side.patch(&format!("{maps}/a"), MERGE, json!({ "data": { "a": "2" } })).await;
    side.patch(&format!("{maps}/a"), MERGE, json!({ "metadata": { "labels": { "mine": "2" } } })).await;
    side.delete(&format!("{maps}/b"), Value::Null).await;
    side.watch(&maps, &format!("{MINE}&resourceVersion={before}")).await;
    side.watch(&maps, &format!("{MINE}&resourceVersion={before}&allowWatchBookmarks=true")).await;
    side.watch(&maps, &format!("labelSelector=mine%3D1&resourceVersion={before}")).await;
    side.watch(&maps, &format!("labelSelector=mine%3D2&resourceVersion={before}")).await;
    side.watch(&maps, &format!("fieldSelector=metadata.name%3Da&resourceVersion={before}")).await;
    side.watch(&maps, MINE).await;
    side.watch(&maps, &format!("{MINE}&resourceVersion=0")).await;
    side.watch(
        &maps,
        &format!("{MINE}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"),
    )
    .await;
    side.watch(&maps, &format!("{MINE}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan")).await;
    side.watch(&maps, &format!("{MINE}&sendInitialEvents=true")).await;
    side.watch(&maps, &format!("{MINE}&resourceVersionMatch=Exact&resourceVersion=1")).await;
    side.watch(&maps, "labelSelector=k%3D%3D%3D").await;
    side.watch(&maps, "resourceVersion=x").await;
    // A pod that nobody has to stop is marked before it is gone.
    let pods = side.path("pods");
    side.post(&pods, pod("a")).await;
    let before = side.get(&format!("{pods}/a")).await.version();
    side.delete(&format!("{pods}/a"), Value::Null).await;
    side.watch(&pods, &format!("resourceVersion={before}")).await;
    // From a version that is not known any more. The real one has never known the first versions of a custom resource.
    side.post(&groups, group("a")).await;
    side.forget().await;
    side.watch(&groups, "resourceVersion=1").await;
}
