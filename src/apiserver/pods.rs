//! What is particular about pods: binding, eviction, and what of a pod may be changed.

use super::at::At as _;
use super::request::{Response, Target};
use super::resource::resource_of;
use super::selector::LabelSelector;
use super::{Actor, Body, Key, Kind, Store, merge, set_condition};
use crate::api::time::Timestamp;
use serde_json::{Value, json};

/// Writes the node into a pod, and what goes with it.
pub(super) fn assign(pod: &mut Value, node: &str, now: i64) {
    pod["spec"]["nodeName"] = node.into();
    if let Some(status) = pod.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("nominatedNodeName");
    }
    set_condition(pod, "PodScheduled", "True", "", "", now);
}

/// Marks a new pod that has scheduling gates.
pub(super) fn mark_gated(pod: &mut Value, now: i64) {
    if has_gates(pod) {
        let message = "Scheduling is blocked due to non-empty scheduling gates";
        set_condition(pod, "PodScheduled", "False", "SchedulingGated", message, now);
    }
}

fn has_gates(pod: &Value) -> bool {
    pod.at("/spec/schedulingGates").and_then(Value::as_array).is_some_and(|gates| !gates.is_empty())
}

/// Why an update of a pod's spec is refused, if it is. Images, a deadline, more tolerations and fewer gates may be written;
/// as long as there are gates, more of the node selector as well.
pub(super) fn update_fault(old: &Value, new: &Value) -> Option<String> {
    let (old_spec, new_spec) = (old.get("spec")?, new.get("spec")?);
    if old_spec == new_spec {
        return None;
    }
    let names = |spec: &Value, list: &str| -> Vec<Value> {
        let items = spec.get(list).and_then(Value::as_array).into_iter().flatten();
        items.map(|item| item.get("name").cloned().unwrap_or_default()).collect()
    };
    for list in ["containers", "initContainers"] {
        if names(old_spec, list) != names(new_spec, list) {
            return Some(format!("spec.{list}: Forbidden: pod updates may not add or remove containers"));
        }
    }
    let old_gates = names(old_spec, "schedulingGates");
    if let Some(gate) = names(new_spec, "schedulingGates").iter().find(|gate| !old_gates.contains(gate)) {
        return Some(format!(
            "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate '{}'",
            gate.as_str().unwrap_or_default()
        ));
    }
    let mut allowed = new_spec.clone();
    let mut put_back = |field: &str| match old_spec.get(field) {
        Some(value) => allowed[field] = value.clone(),
        None => drop(allowed.as_object_mut().map(|fields| fields.remove(field))),
    };
    put_back("schedulingGates");
    put_back("activeDeadlineSeconds");
    let all = |spec: &Value| spec.get("tolerations").and_then(Value::as_array).cloned().unwrap_or_default();
    let tolerations = all(new_spec);
    if all(old_spec).iter().all(|toleration| tolerations.contains(toleration)) {
        put_back("tolerations");
    }
    if has_gates(old) && grows(old_spec.get("nodeSelector"), new_spec.get("nodeSelector")) {
        put_back("nodeSelector");
    }
    for list in ["containers", "initContainers"] {
        let items = allowed.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        let before = old_spec.get(list).and_then(Value::as_array).into_iter().flatten();
        for (item, before) in items.zip(before) {
            item["image"] = before.get("image").cloned().unwrap_or_default();
        }
    }
    (allowed != *old_spec).then(|| "spec: Forbidden: pod updates may not change fields other than images, \
        activeDeadlineSeconds, additional tolerations and, while there are scheduling gates, the node selector"
        .to_owned())
}

/// Does a map keep what it has?
fn grows(old: Option<&Value>, new: Option<&Value>) -> bool {
    let old = old.and_then(Value::as_object).into_iter().flatten();
    let mut kept = old.map(|(name, value)| new.and_then(|new| new.get(name)) == Some(value));
    kept.all(|kept| kept)
}

impl Store {
    /// POST of `pods/binding`.
    pub(super) fn bind_request(
        &mut self,
        target: &Target,
        body: &Body,
        by: Actor,
    ) -> Result<Response, Response> {
        let Body::Json(binding) = body else { return Err(Response::bad_request("a Binding is expected")) };
        let text = |pointer: &str| binding.at(pointer).and_then(Value::as_str).unwrap_or("");
        if ![("", ""), ("v1", "Binding")].contains(&(text("/apiVersion"), text("/kind"))) {
            return Err(Response::bad_request(format!("{} cannot be handled as a Binding", text("/kind"))));
        }
        if !["", target.name.as_str()].contains(&text("/metadata/name")) {
            return Err(Response::bad_request("name in URL does not match name in Binding object"));
        }
        // The API server did not foresee these, and so they are errors of its own.
        if !["", "Node"].contains(&text("/target/kind")) {
            let message = format!("target.kind: Unsupported value: \"{}\"", text("/target/kind"));
            return Err(Response::failure(500, "", message));
        }
        if text("/target/name").is_empty() {
            return Err(Response::failure(500, "", "target.name: Required value"));
        }
        let key = Key::new(Kind::Pod, &target.namespace, &target.name);
        let resource = resource_of(&Kind::Pod).ok_or_else(Response::no_such_resource)?;
        let pod = self.found(resource, &key)?;
        for (pointer, found, what) in [
            ("/metadata/uid", pod.uid(), "UID"),
            ("/metadata/resourceVersion", pod.version(), "ResourceVersion"),
        ] {
            let wanted = text(pointer);
            if !wanted.is_empty() && wanted != found {
                let message = format!(
                    "Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}"
                );
                return Err(Response::conflict("pods", &key.name, &message));
            }
        }
        let conflict = |why: String| {
            Err(Response::conflict("pods/binding", &key.name, &format!("pod {} {why}", key.name)))
        };
        if pod.is_deleting() {
            return conflict("is being deleted, cannot be assigned to a host".to_owned());
        }
        if !pod.text("/spec/nodeName").is_empty() {
            return conflict(format!("is already assigned to node \"{}\"", pod.text("/spec/nodeName")));
        }
        if has_gates(&pod.value) {
            return conflict("has non-empty .spec.schedulingGates".to_owned());
        }
        let mut next = Value::clone(&pod.value);
        for part in ["labels", "annotations"] {
            if let Some(entries) = binding.at("/metadata").and_then(|metadata| metadata.get(part)) {
                merge(&mut next["metadata"][part], entries);
            }
        }
        assign(&mut next, text("/target/name"), self.now);
        self.write(&key, next, by);
        Ok(Response::success(201, None))
    }

    /// POST of `pods/eviction`.
    pub(super) fn evict_request(
        &mut self,
        target: &Target,
        body: &Body,
        by: Actor,
    ) -> Result<Response, Response> {
        let Body::Json(eviction) = body else { return Err(Response::bad_request("an Eviction is expected")) };
        let text = |pointer: &str| eviction.at(pointer).and_then(Value::as_str).unwrap_or("");
        if ![("", ""), ("policy/v1", "Eviction")].contains(&(text("/apiVersion"), text("/kind"))) {
            let message = format!(
                "{} in version {} cannot be handled as a Eviction",
                text("/kind"),
                text("/apiVersion")
            );
            return Err(Response::bad_request(message));
        }
        if !["", target.name.as_str()].contains(&text("/metadata/name")) {
            return Err(Response::bad_request("name in URL does not match name in Eviction object"));
        }
        let key = Key::new(Kind::Pod, &target.namespace, &target.name);
        let resource = resource_of(&Kind::Pod).ok_or_else(Response::no_such_resource)?;
        let pod = self.found(resource, &key)?;
        let needs_no_budget =
            pod.is_deleting() || ["Pending", "Succeeded", "Failed"].contains(&pod.text("/status/phase"));
        if !needs_no_budget {
            self.take_from_budget(&key)?;
        }
        let options = eviction.get("deleteOptions").cloned().unwrap_or_default();
        self.check_preconditions(resource, &key, &options)?;
        let now = self.now;
        self.update(&key, by, |pod| {
            set_condition(
                pod,
                "DisruptionTarget",
                "True",
                "EvictionByEvictionAPI",
                "Eviction API: evicting",
                now,
            );
        });
        // The version in a precondition was that of before.
        let mut options = options;
        if let Some(preconditions) = options.get_mut("preconditions").and_then(Value::as_object_mut) {
            preconditions.remove("resourceVersion");
        }
        self.delete_request(resource, target, &options, by)?;
        Ok(Response::success(201, None))
    }

    /// Takes the eviction of a running pod from the one budget that covers it.
    fn take_from_budget(&mut self, pod: &Key) -> Result<(), Response> {
        let kind = Kind::of("policy/v1", "PodDisruptionBudget");
        let labels =
            self.get(pod).and_then(|pod| pod.value.at("/metadata/labels").cloned()).unwrap_or_default();
        let ready = self.get(pod).is_some_and(|pod| is_ready(&pod.value));
        let mut budgets = Vec::new();
        for (key, budget) in self.of_kind(&kind).filter(|(key, _)| key.namespace == pod.namespace) {
            let selector = budget.value.at("/spec/selector").unwrap_or(&Value::Null);
            if LabelSelector::of_object(selector).map_err(Response::bad_request)?.matches(&labels) {
                budgets.push((key.clone(), budget.clone()));
            }
        }
        let [(key, budget)] = budgets.as_slice() else {
            let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return if budgets.is_empty() {
                Ok(())
            } else {
                Err(Response::failure(500, "InternalError", message))
            };
        };
        let number = |pointer: &str| budget.value.at(pointer).and_then(Value::as_i64).unwrap_or(0);
        if !ready {
            let policy = budget.text("/spec/unhealthyPodEvictionPolicy");
            let enough = number("/status/currentHealthy") >= number("/status/desiredHealthy")
                && number("/status/desiredHealthy") > 0;
            if policy == "AlwaysAllow" || (policy != "AlwaysAllow" && enough) {
                return Ok(());
            }
        }
        let refused = |cause: String| {
            let message = "Cannot evict pod as it would violate the pod's disruption budget.";
            let mut answer = Response::failure(429, "TooManyRequests", message);
            answer.body["details"] =
                json!({ "causes": [{ "reason": "DisruptionBudget", "message": cause }] });
            Err(answer)
        };
        if number("/status/observedGeneration") < number("/metadata/generation") {
            return refused(format!(
                "The disruption budget {} is still being processed by the server.",
                key.name
            ));
        }
        let allowed = number("/status/disruptionsAllowed");
        if allowed <= 0 {
            let (needs, has) = (number("/status/desiredHealthy"), number("/status/currentHealthy"));
            return refused(format!(
                "The disruption budget {} needs {needs} healthy pods and has {has} currently",
                key.name
            ));
        }
        let now = Timestamp(self.now).to_string();
        self.update(key, Actor::System, |budget| {
            budget["status"]["disruptionsAllowed"] = (allowed - 1).into();
            budget["status"]["disruptedPods"][&*pod.name] = now.into();
        });
        Ok(())
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.at("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
