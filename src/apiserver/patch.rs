//! Patches: JSON merge patches (RFC 7386), JSON patches (RFC 6902) and strategic merge patches.
//!
//! A strategic patch is a merge patch whose lists are merged where the kind says so: by a key of their items, or as a set of
//! values. Items of the patch keep its order; those of the server stay in front of them only where they stood there before.

use serde_json::{Map, Value};

/// Merges a patch into a value: maps are merged, null removes, everything else replaces.
pub fn merge(target: &mut Value, patch: &Value) {
    json_patch::merge(target, patch);
}

/// Why a patch was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is no patch of this kind.
    Malformed(String),
    /// It does not fit the object: a test failed, or a path is not there.
    DoesNotFit,
    /// An item of a list lacks the key that it is merged by; an error that the API server does not expect.
    NoKey(String),
    /// It asks for what is not done here.
    NotDone(&'static str),
}

/// Applies a JSON patch.
pub(super) fn json(target: &mut Value, patch: &Value) -> Result<(), Fault> {
    let Value::Array(steps) = patch else {
        return Err(Fault::Malformed("a JSON patch is a list of operations".to_owned()));
    };
    let mut result = target.clone();
    for step in steps {
        let mut step = step.clone();
        // The API server's library adds what a `replace` of a map's field does not find.
        if step["op"] == "replace"
            && let Some((parent, _)) = step["path"].as_str().and_then(|path| path.rsplit_once('/'))
            && result.pointer(parent).is_some_and(Value::is_object)
        {
            step["op"] = "add".into();
        }
        let step: json_patch::Patch =
            serde_json::from_value(Value::Array(vec![step])).map_err(|_| Fault::DoesNotFit)?;
        json_patch::patch(&mut result, &step).map_err(|_| Fault::DoesNotFit)?;
    }
    *target = result;
    Ok(())
}

/// Lists of built-in kinds that are merged, by the field's name, with the key of their items; an empty key means that the
/// values themselves are merged. All others are replaced.
const MERGED: [(&str, &str); 20] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("ephemeralContainers", "name"),
    ("env", "name"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
    ("volumes", "name"),
    ("imagePullSecrets", "name"),
    ("secrets", "name"),
    ("hostAliases", "ip"),
    ("topologySpreadConstraints", "topologyKey"),
    ("schedulingGates", "name"),
    ("resourceClaims", "name"),
    ("conditions", "type"),
    ("addresses", "type"),
    ("podIPs", "ip"),
    ("hostIPs", "ip"),
    ("ownerReferences", "uid"),
    ("finalizers", ""),
    ("podCIDRs", ""),
];

/// The key that a list is merged by; ports are told apart by their number, which Services call differently.
fn merge_key(field: &str, patch: &[Value]) -> Option<&'static str> {
    if field == "ports" {
        let of_service = patch.iter().any(|item| item.get("port").is_some());
        return Some(if of_service { "port" } else { "containerPort" });
    }
    MERGED.iter().find(|(name, _)| *name == field).map(|(_, key)| *key)
}

/// Applies a strategic merge patch.
pub(super) fn strategic(target: &mut Value, patch: &Value) -> Result<(), Fault> {
    let Value::Object(fields) = patch else {
        return Err(Fault::Malformed("a strategic merge patch is a map".to_owned()));
    };
    let mut result = target.clone();
    strategic_map(&mut result, fields)?;
    *target = result;
    Ok(())
}

fn strategic_map(target: &mut Value, patch: &Map<String, Value>) -> Result<(), Fault> {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    match patch.get("$patch").and_then(Value::as_str) {
        None => {}
        Some("replace") => {
            let mut whole = patch.clone();
            whole.remove("$patch");
            *target = Value::Object(whole);
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some(_) => return Err(Fault::NotDone("a $patch directive other than replace and delete")),
    }
    for (name, value) in patch {
        if name.starts_with('$') {
            return Err(Fault::NotDone("directives of strategic merge patches other than $patch"));
        }
        let Some(fields) = target.as_object_mut() else { return Ok(()) };
        match value {
            Value::Null => drop(fields.remove(name)),
            Value::Object(inner) => strategic_map(fields.entry(name.clone()).or_insert(Value::Null), inner)?,
            Value::Array(items) => {
                let merged = match (merge_key(name, items), fields.get(name).and_then(Value::as_array)) {
                    (Some(key), old) => merged_list(old.map_or(&[], Vec::as_slice), items, key)?,
                    (None, _) => items.clone(),
                };
                fields.insert(name.clone(), Value::Array(merged));
            }
            other => drop(fields.insert(name.clone(), other.clone())),
        }
    }
    Ok(())
}

fn merged_list(old: &[Value], patch: &[Value], key: &str) -> Result<Vec<Value>, Fault> {
    let identity = |item: &Value| if key.is_empty() { Some(item.clone()) } else { item.get(key).cloned() };
    let place = |id: &Value| old.iter().position(|item| identity(item).as_ref() == Some(id));
    let (mut gone, mut news, mut all_new) = (Vec::new(), Vec::new(), false);
    for item in patch {
        let directive = item.get("$patch").and_then(Value::as_str);
        if directive == Some("replace") {
            all_new = true;
            continue;
        }
        let Some(id) = identity(item) else {
            return Err(Fault::NoKey(format!("{item} does not contain declared merge key: {key}")));
        };
        match directive {
            Some("delete") => gone.push(id),
            Some(_) => return Err(Fault::NotDone("a $patch directive other than replace and delete")),
            None => {
                let before = place(&id).and_then(|at| old.get(at)).cloned();
                let value = match (before, item) {
                    (Some(mut before), Value::Object(fields)) if !all_new => {
                        strategic_map(&mut before, fields)?;
                        before
                    }
                    _ => item.clone(),
                };
                news.push((id, value));
            }
        }
    }
    let stays = |id: &Value| !all_new && !gone.contains(id) && news.iter().all(|(new, _)| new != id);
    let mut kept =
        old.iter().filter_map(|item| Some((identity(item)?, item))).filter(|(id, _)| stays(id)).peekable();
    let mut result = Vec::new();
    for (id, value) in &news {
        // What stood in front of it on the server stays in front of it.
        while let Some((_, item)) = kept.next_if(|(old_id, _)| {
            place(id).is_some_and(|at| place(old_id).is_some_and(|old_at| old_at < at))
        }) {
            result.push(item.clone());
        }
        result.push(value.clone());
    }
    result.extend(kept.map(|(_, item)| item.clone()));
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strategic_patches_merge_lists_by_their_key() {
        let check = |old: Value, patch: Value, expect: Value| {
            let mut found = old.clone();
            strategic(&mut found, &patch).unwrap();
            assert_eq!(found, expect, "{old} {patch}");
        };
        let conditions = |types: &[&str]| json!({ "conditions": types.iter().map(|t| json!({ "type": t, "status": "True" })).collect::<Vec<_>>() });
        check(conditions(&["A"]), conditions(&["B"]), conditions(&["B", "A"]));
        check(conditions(&["A", "B"]), conditions(&["B"]), conditions(&["A", "B"]));
        check(conditions(&["A", "B"]), conditions(&["B", "C"]), conditions(&["A", "B", "C"]));
        check(
            conditions(&["A", "B"]),
            json!({ "conditions": [{ "$patch": "delete", "type": "A" }] }),
            conditions(&["B"]),
        );
        check(
            json!({ "containers": [{ "name": "a", "image": "1", "args": ["x"] }] }),
            json!({ "containers": [{ "name": "a", "image": "2", "args": ["y"] }] }),
            json!({ "containers": [{ "name": "a", "image": "2", "args": ["y"] }] }),
        );
        check(
            json!({ "finalizers": ["a"] }),
            json!({ "finalizers": ["b"] }),
            json!({ "finalizers": ["b", "a"] }),
        );
        check(
            json!({ "tolerations": [{ "key": "a" }] }),
            json!({ "tolerations": [] }),
            json!({ "tolerations": [] }),
        );
        check(
            json!({ "d": { "a": 1 } }),
            json!({ "d": { "$patch": "replace", "b": 2 } }),
            json!({ "d": { "b": 2 } }),
        );
        check(json!({ "d": { "a": 1 } }), json!({ "d": null }), json!({}));
    }
}
