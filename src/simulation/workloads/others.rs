//! Workloads that make pods of ours through controllers that do not run here: they are named, so that nobody takes a
//! report without their pods for the whole.

use crate::apiserver::{Key, Store};
use serde_json::Value;

/// Kinds that hold pod templates and make no pods of them.
const SILENT: [&str; 5] = ["ControllerRevision", "PodTemplate", "Workload", "ConfigMap", "Secret"];
/// Fields and labels that name the scheduler of a workload's pods.
const NAMES: [&str; 4] = ["schedulerName", "batchScheduler", "batchSchedulerName", "ray.io/scheduler-name"];
/// Deeper than any workload has a template.
const DEEPEST: usize = 24;

/// Kinds whose pods Volcano places, whatever they say: group and kind.
const VOLCANO: [(&str, &str); 1] = [("flow.volcano.sh/", "JobFlow")];

/// Workloads of kinds that do not run here, whose pods would be ours, and of which nothing exists yet.
pub(crate) fn not_run<'a>(store: &'a Store, is_ours: &dyn Fn(&str) -> bool) -> Vec<&'a Key> {
    let others = store.iter().filter(|(key, _)| !key.kind.is_read());
    let silent = |key: &Key| SILENT.contains(&key.kind.to_string().as_str());
    others
        .filter(|(key, object)| {
            !silent(key)
                && (is_volcanos(&object.value) || asks_for(&object.value, is_ours, 0))
                && store.owned_by(object.uid()).next().is_none()
        })
        .map(|(key, _)| key)
        .collect()
}

fn is_volcanos(object: &Value) -> bool {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    VOLCANO.iter().any(|(group, kind)| text("apiVersion").starts_with(group) && text("kind") == *kind)
}

/// Does something in the object name one of these schedulers?
fn asks_for(value: &Value, is_ours: &dyn Fn(&str) -> bool, depth: usize) -> bool {
    match value {
        _ if depth > DEEPEST => false,
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            let names = NAMES.contains(&name.as_str()) && value.as_str().is_some_and(is_ours);
            // What was once applied is no wish of today.
            let is_past = matches!(name.as_str(), "status" | "annotations" | "managedFields") && depth < 2;
            names || !is_past && asks_for(value, is_ours, depth + 1)
        }),
        Value::Array(items) => items.iter().any(|item| asks_for(item, is_ours, depth + 1)),
        _ => false,
    }
}
