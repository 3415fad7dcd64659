//! LeaderWorkerSets as ModelServings: each becomes one of the same name, owned by it, and gets its status back.
//!
//! Upstream (kthena `pkg/model-serving-controller/controller/lws`) translates replicas, size and templates. Here the rollout
//! strategy and the restart policy are translated as well, and pods get the environment that LeaderWorkerSet promises.
//! What cannot be translated is named by [`unsupported`](crate::api::unsupported).

use crate::api::keys;
use crate::api::leader_worker_set::{LeaderWorkerSet, LeaderWorkerSetStatus, RestartPolicy};
use crate::api::meta::{Condition, IntOrString, ObjectMeta, OwnerReference};
use crate::api::model_serving::{
    ModelServing, ModelServingSpec, PluginSpec, PluginType, PodTemplate, RecoveryPolicy, Role,
    RollingUpdateConfiguration, RolloutStrategy, RolloutType, ServingGroupTemplate,
};

/// The only role.
const ROLE: &str = "default";

/// The ModelServing for a LeaderWorkerSet. `old` is the one that exists: what the API server keeps in its metadata, and its
/// status, stay; its spec follows the LeaderWorkerSet.
pub fn model_serving(lws: &LeaderWorkerSet, old: Option<&ModelServing>) -> ModelServing {
    let template = &lws.spec.leader_worker_template;
    let leader = template.leader_template.as_ref().unwrap_or(&template.worker_template);
    let mut metadata = old.map_or_else(ObjectMeta::default, |old| old.metadata.clone());
    metadata.name.clone_from(&lws.metadata.name);
    metadata.namespace.clone_from(&lws.metadata.namespace);
    if let Some(queue) = lws.metadata.annotations.get(keys::QUEUE_NAME) {
        metadata.annotations.insert(keys::QUEUE_NAME.to_owned(), queue.clone());
    }
    metadata.owner_references = vec![OwnerReference {
        api_version: keys::LEADER_WORKER_SET_V1.to_owned(),
        kind: "LeaderWorkerSet".to_owned(),
        name: lws.metadata.name.clone(),
        uid: lws.metadata.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }];
    let role = Role {
        name: ROLE.to_owned(),
        replicas: Some(1),
        entry_template: leader.clone(),
        worker_replicas: template.size.unwrap_or(1).saturating_sub(1).max(0),
        worker_template: Some(template.worker_template.clone()),
        ..Role::default()
    };
    let plugin = |name: &str| PluginSpec {
        name: name.to_owned(),
        type_: Some(PluginType::BuiltIn),
        ..PluginSpec::default()
    };
    let mut labels = plugin("lws-standard-labels");
    let exclusive = lws.metadata.annotations.get(keys::LWS_EXCLUSIVE_TOPOLOGY).filter(|key| !key.is_empty());
    labels.config = exclusive.map(|key| serde_json::json!({ "exclusiveTopology": key }));
    let spec = ModelServingSpec {
        replicas: Some(lws.spec.replicas.unwrap_or(1)),
        scheduler_name: scheduler(leader).map(str::to_owned),
        plugins: vec![labels, plugin("lws-standard-env")],
        template: ServingGroupTemplate { roles: vec![role], ..ServingGroupTemplate::default() },
        rollout_strategy: rollout(lws),
        recovery_policy: Some(recovery(template.restart_policy.as_ref())),
    };
    let status = old.map(|old| old.status.clone()).unwrap_or_default();
    let mut object = ModelServing { metadata, spec, status };
    super::default(&mut object);
    object
}

/// The scheduler that the leader's template names: pods of one group have one scheduler.
fn scheduler(template: &PodTemplate) -> Option<&str> {
    template.spec.as_ref()?.get("schedulerName")?.as_str().filter(|name| !name.is_empty())
}

fn rollout(lws: &LeaderWorkerSet) -> Option<RolloutStrategy> {
    let budget = lws.spec.rollout_strategy.as_ref()?.rolling_update_configuration.as_ref()?;
    Some(RolloutStrategy {
        type_: Some(RolloutType::ServingGroup),
        rolling_update_configuration: Some(RollingUpdateConfiguration {
            max_unavailable: budget.max_unavailable.clone(),
            max_surge: budget.max_surge.clone(),
            partition: budget.partition.filter(|partition| *partition > 0).map(IntOrString::Int),
        }),
    })
}

/// A group is one role replica, so that recreating the one is recreating the other.
fn recovery(policy: Option<&RestartPolicy>) -> RecoveryPolicy {
    match policy {
        Some(RestartPolicy::None | RestartPolicy::Default) => RecoveryPolicy::None,
        _ => RecoveryPolicy::RoleRecreate,
    }
}

/// The status of a LeaderWorkerSet, from that of its ModelServing.
pub fn status(lws: &LeaderWorkerSet, object: &ModelServing) -> LeaderWorkerSetStatus {
    let from = &object.status;
    // It speaks of this generation once the ModelServing is what it asks for and has been seen as that.
    let current = model_serving(lws, Some(object)).spec == object.spec
        && from.observed_generation == object.metadata.generation;
    let observed = if current {
        lws.metadata.generation
    } else {
        lws.status.observed_generation.min(lws.metadata.generation)
    };
    let conditions = from
        .conditions
        .iter()
        .map(|condition| Condition { observed_generation: Some(observed), ..condition.clone() });
    LeaderWorkerSetStatus {
        conditions: conditions.collect(),
        ready_replicas: from.available_replicas,
        updated_replicas: from.updated_replicas,
        replicas: from.replicas,
        hpa_pod_selector: from.label_selector.clone(),
        observed_generation: observed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn lws(spec: Value) -> LeaderWorkerSet {
        serde_json::from_value(json!({
            "metadata": {"name": "lws", "namespace": "ns", "uid": "u", "generation": 4}, "spec": spec,
        }))
        .unwrap()
    }

    fn template(image: &str) -> Value {
        json!({"metadata": {"labels": {"app": image}}, "spec": {"containers": [{"name": "c", "image": image}]}})
    }

    /// U45.
    #[test]
    fn replicas_size_and_templates() {
        let check = |spec: Value, replicas: i32, workers: i32, entry: &str| {
            let object = model_serving(&lws(spec), None);
            assert_eq!(object.spec.replicas, Some(replicas));
            let [role] = object.spec.template.roles.as_slice() else { panic!("one role") };
            assert_eq!(
                (role.name.as_str(), role.replicas, role.worker_replicas),
                ("default", Some(1), workers)
            );
            assert_eq!(serde_json::to_value(&role.entry_template).unwrap(), template(entry));
            assert_eq!(serde_json::to_value(&role.worker_template).unwrap(), template("worker"));
            assert_eq!(super::super::validate(&object, None), []);
        };
        let worker = template("worker");
        check(json!({"leaderWorkerTemplate": {"workerTemplate": worker}}), 1, 0, "worker");
        check(
            json!({"replicas": 3, "leaderWorkerTemplate": {"size": 4, "workerTemplate": worker}}),
            3,
            3,
            "worker",
        );
        let both = json!({"size": 2, "leaderTemplate": template("leader"), "workerTemplate": worker});
        check(json!({"leaderWorkerTemplate": both}), 1, 1, "leader");
        check(json!({"leaderWorkerTemplate": {"size": 1, "workerTemplate": worker}}), 1, 0, "worker");
    }

    /// E14.
    #[test]
    fn owner() {
        let object = model_serving(&lws(json!({})), None);
        let owner = json!([{
            "apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": "lws", "uid": "u",
            "controller": true, "blockOwnerDeletion": true,
        }]);
        assert_eq!(serde_json::to_value(&object.metadata.owner_references).unwrap(), owner);
        assert_eq!((object.metadata.name.as_str(), object.metadata.namespace.as_str()), ("lws", "ns"));
    }

    /// Upstream translates neither.
    #[test]
    fn rollout_and_restart_policy() {
        let budget = json!({"maxUnavailable": 0, "maxSurge": "25%", "partition": 1});
        let spec = json!({
            "rolloutStrategy": {"type": "RollingUpdate", "rollingUpdateConfiguration": budget},
            "leaderWorkerTemplate": {"restartPolicy": "None", "workerTemplate": template("worker")},
        });
        let object = model_serving(&lws(spec), None);
        let rollout = json!({"type": "ServingGroupRollingUpdate", "rollingUpdateConfiguration": budget});
        assert_eq!(serde_json::to_value(&object.spec.rollout_strategy).unwrap(), rollout);
        assert_eq!(object.spec.recovery_policy, Some(RecoveryPolicy::None));
        assert_eq!(
            model_serving(&lws(json!({})), None).spec.recovery_policy,
            Some(RecoveryPolicy::RoleRecreate)
        );
    }

    /// Upstream updates the ModelServing on every sync, because the API server has filled in defaults.
    #[test]
    fn translating_again_changes_nothing() {
        let lws = lws(json!({"leaderWorkerTemplate": {"size": 2, "workerTemplate": template("worker")}}));
        let mut object = model_serving(&lws, None);
        object.metadata.uid = "ms".to_owned();
        object.metadata.generation = 7;
        object.status.replicas = 1;
        assert_eq!(model_serving(&lws, Some(&object)), object);
    }

    #[test]
    fn status_comes_back() {
        let lws = lws(json!({"replicas": 3}));
        let mut object = model_serving(&lws, None);
        object.metadata.generation = 2;
        object.status.observed_generation = 2;
        (object.status.replicas, object.status.available_replicas) = (3, 2);
        (object.status.updated_replicas, object.status.label_selector) = (1, "a=b".to_owned());
        let back = status(&lws, &object);
        assert_eq!((back.replicas, back.ready_replicas, back.updated_replicas), (3, 2, 1));
        assert_eq!((back.hpa_pod_selector.as_str(), back.observed_generation), ("a=b", 4));
        object.metadata.generation = 3;
        assert_eq!(status(&lws, &object).observed_generation, 0, "not seen yet");
    }
}
