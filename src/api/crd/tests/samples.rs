//! One object of each kind with every field set. The struct literals are complete, so that a field added later does not
//! compile until it is named here, and then has to be in the schema.

use crate::api::hyper_node::*;
use crate::api::meta::*;
use crate::api::model_serving::*;
use crate::api::pod_group::*;
use crate::api::quantity::{Quantity, ResourceList};
use crate::api::queue::*;
use serde_json::json;
use std::collections::BTreeMap;

fn resources() -> Option<ResourceList> {
    Some(BTreeMap::from([("cpu".to_owned(), Quantity::from("8"))]))
}

fn text_map(key: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), "value".to_owned())])
}

fn some_text() -> Option<String> {
    Some("text".to_owned())
}

fn network_topology() -> Option<NetworkTopology> {
    Some(NetworkTopology {
        mode: Some(TopologyMode::Soft),
        highest_tier_allowed: Some(2),
        highest_tier_name: some_text(),
    })
}

fn label_selector() -> Option<LabelSelector> {
    Some(LabelSelector {
        match_labels: text_map("app"),
        match_expressions: vec![LabelSelectorRequirement {
            key: "app".into(),
            operator: SelectorOperator::In,
            values: vec!["value".into()],
        }],
    })
}

fn conditions() -> Vec<Condition> {
    vec![Condition {
        type_: "Available".into(),
        status: "True".into(),
        observed_generation: Some(3),
        last_transition_time: some_text(),
        reason: "Reason".into(),
        message: "message".into(),
    }]
}

pub(in crate::api) fn pod_group() -> PodGroup {
    PodGroup {
        metadata: ObjectMeta { name: "gang".into(), ..ObjectMeta::default() },
        spec: PodGroupSpec {
            min_member: Some(4),
            min_task_member: BTreeMap::from([("leader".to_owned(), 1)]),
            queue: "research".into(),
            priority_class_name: "high".into(),
            min_resources: resources(),
            network_topology: network_topology(),
            sub_group_policy: vec![SubGroupPolicy {
                name: "role".into(),
                sub_group_size: Some(2),
                min_sub_groups: Some(1),
                label_selector: label_selector(),
                match_label_keys: vec!["role-id".into()],
                network_topology: network_topology(),
            }],
        },
        status: PodGroupStatus {
            phase: Some(PodGroupPhase::Inqueue),
            conditions: vec![PodGroupCondition {
                type_: "Unschedulable".into(),
                status: "True".into(),
                transition_id: "id".into(),
                last_transition_time: some_text(),
                reason: "NotEnoughResources".into(),
                message: "message".into(),
            }],
            running: Some(1),
            succeeded: Some(2),
            failed: Some(3),
        },
    }
}

pub(in crate::api) fn queue() -> Queue {
    let groups = || Some(NodeGroupAffinity { required: vec!["a".into()], preferred: vec!["b".into()] });
    Queue {
        metadata: ObjectMeta { name: "research".into(), ..ObjectMeta::default() },
        spec: QueueSpec {
            weight: Some(2),
            capability: resources(),
            deserved: resources(),
            guarantee: Some(QueueGuarantee { resource: resources() }),
            reclaimable: Some(true),
            parent: "root".into(),
            priority: Some(1),
            type_: "batch".into(),
            affinity: Some(QueueAffinity {
                node_group_affinity: groups(),
                node_group_anti_affinity: groups(),
            }),
            extend_clusters: vec![QueueCluster {
                name: "other".into(),
                weight: Some(1),
                capacity: resources(),
            }],
            dequeue_strategy: Some(DequeueStrategy::Fifo),
        },
        status: QueueStatus {
            state: Some(QueueState::Open),
            pending: Some(1),
            running: Some(2),
            inqueue: Some(3),
            unknown: Some(4),
            completed: Some(5),
            allocated: resources(),
            reservation: Some(QueueReservation { nodes: vec!["n1".into()], resource: resources() }),
        },
    }
}

pub(in crate::api) fn hyper_node() -> HyperNode {
    HyperNode {
        metadata: ObjectMeta { name: "rack-1".into(), ..ObjectMeta::default() },
        spec: HyperNodeSpec {
            tier: 1,
            tier_name: "rack".into(),
            members: vec![HyperNodeMember {
                type_: MemberType::Node,
                selector: MemberSelector {
                    exact_match: Some(ExactMatch { name: "n1".into() }),
                    regex_match: Some(RegexMatch { pattern: "n.*".into() }),
                    label_match: label_selector(),
                },
            }],
        },
        status: HyperNodeStatus { conditions: conditions(), node_count: Some(8) },
    }
}

pub(in crate::api) fn model_serving() -> ModelServing {
    let named = json!([{"name": "a", "env": [{"name": "A", "value": "1"}], "image": "kept"}]);
    let template = || PodTemplate {
        metadata: Some(TemplateMeta { labels: Some(text_map("l")), annotations: Some(text_map("a")) }),
        spec: json!({"containers": named, "initContainers": named, "volumes": named, "hostNetwork": true})
            .as_object()
            .cloned(),
    };
    let percent = || Some(IntOrString::String("25%".into()));
    ModelServing {
        metadata: ObjectMeta { name: "llama".into(), ..ObjectMeta::default() },
        spec: ModelServingSpec {
            replicas: Some(2),
            scheduler_name: some_text(),
            plugins: vec![PluginSpec {
                name: "demo-pod-tweaks".into(),
                type_: Some(PluginType::BuiltIn),
                config: Some(json!({"any": {"depth": [1, "two"]}})),
                scope: Some(PluginScope { roles: vec!["decode".into()], target: Some(PluginTarget::Entry) }),
            }],
            template: ServingGroupTemplate {
                restart_grace_period_seconds: Some(30),
                gang_policy: Some(GangPolicy {
                    min_role_replicas: Some(BTreeMap::from([("decode".to_owned(), 1)])),
                }),
                network_topology: Some(GroupTopology {
                    group_policy: network_topology(),
                    role_policy: network_topology(),
                }),
                roles: vec![Role {
                    name: "decode".into(),
                    replicas: Some(2),
                    entry_template: template(),
                    worker_replicas: 1,
                    worker_template: Some(template()),
                    max_unavailable: Some(IntOrString::Int(1)),
                    max_surge: percent(),
                    partition: percent(),
                }],
            },
            rollout_strategy: Some(RolloutStrategy {
                type_: Some(RolloutType::Role),
                rolling_update_configuration: Some(RollingUpdateConfiguration {
                    max_unavailable: percent(),
                    max_surge: Some(IntOrString::Int(1)),
                    partition: percent(),
                }),
            }),
            recovery_policy: Some(RecoveryPolicy::None),
        },
        status: ModelServingStatus {
            observed_generation: 1,
            replicas: 2,
            current_replicas: 3,
            updated_replicas: 4,
            available_replicas: 5,
            current_revision: "a".into(),
            update_revision: "b".into(),
            label_selector: "c".into(),
            conditions: conditions(),
        },
    }
}
