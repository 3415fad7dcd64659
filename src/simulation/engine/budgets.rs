//! PodDisruptionBudgets: may a pod be evicted now? Semantics: Kubernetes `pkg/controller/disruption` and the eviction
//! subresource.

use crate::api::meta::LabelSelector;
use crate::apiserver::{At as _, Key, Kind, Object, Store};
use serde_json::Value;
use std::collections::BTreeMap;

/// The budget that forbids evicting a pod, if one does. A pod that is not ready may go where its budget says so
/// (`AlwaysAllow`), or where enough others are healthy.
pub(super) fn that_forbids(store: &Store, pod: &Key) -> Option<Key> {
    let object = store.get(pod)?;
    let budgets = store.named(&Kind::PodDisruptionBudget, &pod.namespace, "");
    let (key, _) = budgets
        .filter(|(_, budget)| selects(budget, object))
        .find(|(_, budget)| !allows(store, pod, object, budget))?;
    Some(key.clone())
}

fn selects(budget: &Object, pod: &Object) -> bool {
    let Some(selector) = budget.value.at("/spec/selector") else { return false };
    let Ok(selector) = serde_json::from_value::<LabelSelector>(selector.clone()) else { return false };
    let labels = pod.value.at("/metadata/labels").cloned().unwrap_or_default();
    let labels: BTreeMap<String, String> = serde_json::from_value(labels).unwrap_or_default();
    selector.matches(&labels)
}

fn allows(store: &Store, pod: &Key, object: &Object, budget: &Object) -> bool {
    if !is_healthy(object) && budget.text("/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow" {
        return true;
    }
    let selected: Vec<&Object> = store
        .named(&Kind::Pod, &pod.namespace, "")
        .map(|(_, object)| object)
        .filter(|object| {
            selects(budget, object) && !matches!(object.text("/status/phase"), "Succeeded" | "Failed")
        })
        .collect();
    let healthy = selected.iter().filter(|pod| is_healthy(pod)).count();
    // What the budget's controller keeps healthy. It counts pods that are to be there; here, those that are.
    let wanted = if let Some(minimum) = budget.value.at("/spec/minAvailable") {
        amount(minimum, selected.len())
    } else {
        let most = budget.value.at("/spec/maxUnavailable").map_or(0, |most| amount(most, selected.len()));
        selected.len().saturating_sub(most)
    };
    if is_healthy(object) { healthy > wanted } else { healthy >= wanted && wanted > 0 }
}

fn is_healthy(pod: &Object) -> bool {
    let conditions = pod.value.at("/status/conditions").and_then(Value::as_array);
    !pod.is_deleting()
        && conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

/// A number, or a percentage of all, rounded up.
fn amount(value: &Value, all: usize) -> usize {
    if let Some(number) = value.as_u64() {
        return usize::try_from(number).unwrap_or(usize::MAX);
    }
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')?.parse().ok()).unwrap_or(0usize);
    all.saturating_mul(percent).div_ceil(100)
}
