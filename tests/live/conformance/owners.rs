//! Owners and garbage collection.

use super::objects::{config_map, group, pod, with};
use super::sides::Side;
use serde_json::{Value, json};

fn owned(owners: &[&super::sides::Reply], blocks: bool) -> Value {
    let references: Vec<Value> = owners
        .iter()
        .map(|owner| {
            json!({
                "apiVersion": owner.text("/apiVersion"), "kind": owner.text("/kind"),
                "name": owner.text("/metadata/name"), "uid": owner.text("/metadata/uid"), "blockOwnerDeletion": blocks,
            })
        })
        .collect();
    json!({ "metadata": { "ownerReferences": references } })
}

pub(crate) async fn collect(side: &mut Side) {
    let (pods, groups, maps) = (side.path("pods"), side.path("podgroups"), side.path("configmaps"));
    let is_gone = |reply: &super::sides::Reply| reply.code == 404;
    // In the background: the owner goes, and what it owned after it, to the last.
    let owner = side.post(&groups, group("a")).await;
    let child = side.post(&maps, with(config_map("child"), owned(&[&owner], false))).await;
    side.post(&pods, with(pod("child"), owned(&[&owner], false))).await;
    side.post(&maps, with(config_map("grandchild"), owned(&[&child], false))).await;
    side.delete(&format!("{groups}/a"), json!({ "propagationPolicy": "Background" })).await;
    for path in [format!("{maps}/child"), format!("{pods}/child"), format!("{maps}/grandchild")] {
        side.until(&path, is_gone).await;
    }
    // With two owners it stays until both are gone.
    let first = side.post(&groups, group("first")).await;
    let second = side.post(&groups, group("second")).await;
    side.post(&maps, with(config_map("shared"), owned(&[&first, &second], false))).await;
    side.delete(&format!("{groups}/first"), Value::Null).await;
    let shared = format!("{maps}/shared");
    let has_one = |reply: &super::sides::Reply| {
        reply.body["metadata"]["ownerReferences"].as_array().is_some_and(|owners| owners.len() == 1)
    };
    side.until(&shared, has_one).await;
    side.delete(&format!("{groups}/second"), Value::Null).await;
    side.until(&shared, is_gone).await;
    // Orphaned: what it owned stays, and belongs to nobody.
    let owner = side.post(&groups, group("b")).await;
    side.post(&maps, with(config_map("orphan"), owned(&[&owner], true))).await;
    side.pause().await;
    side.delete(&format!("{groups}/b"), json!({ "propagationPolicy": "Orphan" })).await;
    side.until(&format!("{groups}/b"), is_gone).await;
    let is_free = |reply: &super::sides::Reply| reply.body["metadata"]["ownerReferences"].is_null();
    side.until(&format!("{maps}/orphan"), is_free).await;
    // In the foreground: the owner waits for what blocks it.
    let owner = side.post(&groups, group("c")).await;
    let held = json!({ "metadata": { "finalizers": ["x.y/a"] } });
    side.post(&maps, with(with(config_map("blocks"), owned(&[&owner], true)), held.clone())).await;
    side.post(&maps, with(config_map("goes"), owned(&[&owner], true))).await;
    side.pause().await;
    side.delete(&format!("{groups}/c"), json!({ "propagationPolicy": "Foreground" })).await;
    side.until(&format!("{maps}/goes"), is_gone).await;
    let is_going = |reply: &super::sides::Reply| !reply.text("/metadata/deletionTimestamp").is_empty();
    side.until(&format!("{maps}/blocks"), is_going).await;
    side.get(&format!("{groups}/c")).await;
    let free = json!({ "metadata": { "finalizers": null } });
    side.patch(&format!("{maps}/blocks"), super::sides::MERGE, free).await;
    side.until(&format!("{groups}/c"), is_gone).await;
    side.get(&format!("{maps}/blocks")).await;
}
