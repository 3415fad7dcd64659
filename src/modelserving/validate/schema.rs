//! What the CRD's schema refuses before any webhook is asked: lengths, patterns, enums, and rules between old and new.

use super::{Errors, Problem, containers, role_path};
use crate::api::model_serving::{ModelServing, PluginType, RecoveryPolicy, RolloutType};
use crate::api::pod_group::{NetworkTopology, TopologyMode};
use serde_json::{Value, json};

const MAX_ROLES: usize = 4;
const MAX_ROLE_NAME: usize = 12;
const MAX_TIER_NAME: usize = 253;

pub(super) fn check(object: &ModelServing, old: Option<&ModelServing>, errors: &mut Errors) {
    enums(object, errors);
    roles(object, errors);
    topology(object, errors);
    if let Some(old) = old {
        transitions(object, old, errors);
    }
}

fn enums(object: &ModelServing, errors: &mut Errors) {
    let spec = &object.spec;
    let mut unsupported = |path: String, value: &str, allowed: &str| {
        errors.add(path, Problem::Unsupported(value.into()), format!("supported values: {allowed}"));
    };
    if let Some(RecoveryPolicy::Other(text)) = &spec.recovery_policy {
        let allowed = r#""ServingGroupRecreate", "RoleRecreate", "None""#;
        unsupported("spec.recoveryPolicy".to_owned(), text, allowed);
    }
    if let Some(RolloutType::Other(text)) =
        spec.rollout_strategy.as_ref().and_then(|rollout| rollout.type_.as_ref())
    {
        let allowed = r#""ServingGroupRollingUpdate", "RoleRollingUpdate""#;
        unsupported("spec.rolloutStrategy.type".to_owned(), text, allowed);
    }
    for (index, plugin) in spec.plugins.iter().enumerate() {
        if let Some(PluginType::Other(text)) = &plugin.type_ {
            unsupported(format!("spec.plugins[{index}].type"), text, r#""BuiltIn""#);
        }
    }
    for (index, plugin) in spec.plugins.iter().enumerate() {
        if plugin.name.is_empty() {
            errors.add(format!("spec.plugins[{index}].name"), Problem::Required, "");
        }
    }
}

fn roles(object: &ModelServing, errors: &mut Errors) {
    let roles = &object.spec.template.roles;
    if roles.len() > MAX_ROLES {
        let message = format!("must have at most {MAX_ROLES} items");
        errors.add("spec.template.roles", Problem::TooMany, message);
    }
    let twice = |name: &str| roles.iter().filter(|role| role.name == name).count() > 1;
    if roles.iter().any(|role| twice(&role.name)) {
        errors.invalid("spec.template.roles", "array", "roles name must be unique");
    }
    for (index, role) in roles.iter().enumerate() {
        if role.name.is_empty() {
            errors.add(role_path(index, "name"), Problem::Required, "");
        } else if role.name.len() > MAX_ROLE_NAME {
            let message = format!("may not be more than {MAX_ROLE_NAME} bytes");
            errors.add(role_path(index, "name"), Problem::TooLong, message);
        }
        let templates = [
            ("entryTemplate", Some(&role.entry_template)),
            ("workerTemplate", role.worker_template.as_ref()),
        ];
        for (field, template) in templates {
            let Some(template) = template else { continue };
            let spec = role_path(index, &format!("{field}.spec"));
            match &template.spec {
                None => errors.add(spec, Problem::Required, "a pod needs containers"),
                Some(pod) if !pod.get("containers").is_some_and(Value::is_array) => {
                    errors.add(format!("{spec}.containers"), Problem::Required, "");
                }
                Some(_) if containers(Some(template)).is_empty() => {
                    errors.add(format!("{spec}.containers"), Problem::Required, "a pod needs containers");
                }
                Some(_) => {}
            }
        }
    }
}

fn topology(object: &ModelServing, errors: &mut Errors) {
    let Some(topology) = &object.spec.template.network_topology else { return };
    for (field, policy) in [("groupPolicy", &topology.group_policy), ("rolePolicy", &topology.role_policy)] {
        if let Some(policy) = policy {
            policy_fields(&format!("spec.template.networkTopology.{field}"), policy, errors);
        }
    }
}

fn policy_fields(path: &str, policy: &NetworkTopology, errors: &mut Errors) {
    if let Some(TopologyMode::Other(text)) = &policy.mode {
        let message = r#"supported values: "hard", "soft""#;
        errors.add(format!("{path}.mode"), Problem::Unsupported(text.as_str().into()), message);
    }
    if let Some(tier) = policy.highest_tier_allowed.filter(|tier| *tier < 0) {
        let message = format!("{path}.highestTierAllowed in body should be greater than or equal to 0");
        errors.invalid(format!("{path}.highestTierAllowed"), tier, message);
    }
    if policy.highest_tier_name.as_ref().is_some_and(|name| name.len() > MAX_TIER_NAME) {
        let message = format!("may not be more than {MAX_TIER_NAME} bytes");
        errors.add(format!("{path}.highestTierName"), Problem::TooLong, message);
    }
}

/// CEL rules between the old object and the new one.
fn transitions(object: &ModelServing, old: &ModelServing, errors: &mut Errors) {
    let (new, old) = (&object.spec.template.gang_policy, &old.spec.template.gang_policy);
    match (old, new) {
        (Some(_), None) => {
            errors.invalid("spec.template", "object", "gangPolicy is required once set");
        }
        (Some(old), Some(new)) => {
            // Adding the map and dropping it are allowed; changing it is not.
            let changed = old.min_role_replicas.is_some() && new.min_role_replicas.is_some() && old != new;
            if changed {
                let path = "spec.template.gangPolicy.minRoleReplicas";
                errors.invalid(path, json!(new.min_role_replicas), "minRoleReplicas is immutable");
            }
        }
        (None, _) => {}
    }
}
