//! The defaults that the CRD's schema fills in, for objects that no API server has seen.

use crate::api::meta::IntOrString;
use crate::api::model_serving::{ModelServing, PluginType, PodTemplate, RecoveryPolicy, RolloutType};
use crate::api::pod_group::{NetworkTopology, TopologyMode};
use serde_json::Value;

/// Fills in what is absent; changes nothing that is there.
pub fn default(object: &mut ModelServing) {
    let spec = &mut object.spec;
    spec.replicas.get_or_insert(1);
    spec.scheduler_name.get_or_insert_with(|| "volcano".to_owned());
    spec.recovery_policy.get_or_insert(RecoveryPolicy::RoleRecreate);
    for plugin in &mut spec.plugins {
        plugin.type_.get_or_insert(PluginType::BuiltIn);
    }
    if let Some(rollout) = &mut spec.rollout_strategy {
        rollout.type_.get_or_insert(RolloutType::ServingGroup);
        if let Some(configuration) = &mut rollout.rolling_update_configuration {
            configuration.max_unavailable.get_or_insert(IntOrString::Int(1));
        }
    }
    spec.template.restart_grace_period_seconds.get_or_insert(0);
    if let Some(topology) = &mut spec.template.network_topology {
        mode(topology.group_policy.as_mut());
        mode(topology.role_policy.as_mut());
    }
    for role in &mut spec.template.roles {
        role.replicas.get_or_insert(1);
        role.max_unavailable.get_or_insert(IntOrString::Int(1));
        protocols(&mut role.entry_template);
        role.worker_template.iter_mut().for_each(protocols);
    }
}

fn mode(topology: Option<&mut NetworkTopology>) {
    if let Some(topology) = topology {
        topology.mode.get_or_insert(TopologyMode::Hard);
    }
}

/// The one default inside pod templates: the protocol is part of a port's key.
fn protocols(template: &mut PodTemplate) {
    let Some(spec) = &mut template.spec else { return };
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        let ports = containers.filter_map(|container| container.get_mut("ports")?.as_array_mut()).flatten();
        for port in ports.filter_map(Value::as_object_mut) {
            port.entry("protocol").or_insert_with(|| "TCP".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(spec: Value, expect: Value) {
        let mut object: ModelServing = serde_json::from_value(json!({"spec": spec})).unwrap();
        default(&mut object);
        assert_eq!(serde_json::to_value(&object.spec).unwrap(), expect);
        let once = object.clone();
        default(&mut object);
        assert_eq!(object, once, "filling in twice changes nothing");
    }

    #[test]
    fn fills_in_what_is_absent() {
        let pod = json!({"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}]}});
        let filled = json!({"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}});
        check(
            json!({
                "plugins": [{"name": "p"}],
                "rolloutStrategy": {"rollingUpdateConfiguration": {}},
                "template": {
                    "networkTopology": {"groupPolicy": {"highestTierAllowed": 1}, "rolePolicy": {"mode": "soft"}},
                    "roles": [{"name": "a", "entryTemplate": pod, "workerReplicas": 0}],
                },
            }),
            json!({
                "replicas": 1,
                "schedulerName": "volcano",
                "recoveryPolicy": "RoleRecreate",
                "plugins": [{"name": "p", "type": "BuiltIn"}],
                "rolloutStrategy": {"type": "ServingGroupRollingUpdate", "rollingUpdateConfiguration": {"maxUnavailable": 1}},
                "template": {
                    "restartGracePeriodSeconds": 0,
                    "networkTopology": {"groupPolicy": {"mode": "hard", "highestTierAllowed": 1}, "rolePolicy": {"mode": "soft"}},
                    "roles": [{"name": "a", "replicas": 1, "entryTemplate": filled, "workerReplicas": 0, "maxUnavailable": 1}],
                },
            }),
        );
    }

    #[test]
    fn a_strategy_that_is_absent_stays_absent() {
        let mut object = ModelServing::default();
        default(&mut object);
        assert_eq!(object.spec.rollout_strategy, None);
    }
}
