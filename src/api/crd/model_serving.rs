//! `modelservings.workload.serving.volcano.sh`. Source of the wire format: kthena `charts/kthena/charts/workload/crds`,
//! with `maxSurge` (on the ModelServing and on each role, without a default) as kthena added it afterwards.

use super::schema::*;
use serde_json::{Value, json};

pub(super) fn crd() -> Value {
    Definition {
        group: "workload.serving.volcano.sh",
        version: "v1alpha1",
        kind: "ModelServing",
        singular: "modelserving",
        plural: "modelservings",
        short_names: &["ms"],
        namespaced: true,
        columns: json!([
            {"name": "Replicas", "type": "integer", "jsonPath": ".status.replicas", "description": "ServingGroups"},
            {"name": "Available", "type": "integer", "jsonPath": ".status.availableReplicas", "description": "ServingGroups that are ready"},
            {"name": "Updated", "type": "integer", "jsonPath": ".status.updatedReplicas", "description": "ServingGroups at the latest revision"},
            {"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Unschedulable\")].reason", "description": "Why pods of it cannot be placed"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ]),
        subresources: json!({
            "scale": {
                "labelSelectorPath": ".status.labelSelector",
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
            },
            "status": {},
        }),
        description: "A model served by groups of leader and worker pods.",
        spec: spec(),
        status: status(),
    }
    .build()
}

fn spec() -> Value {
    object(
        "What is wanted.",
        &["template"],
        json!({
            "plugins": list("Changes to pods before they are created, in order.", plugin()),
            "recoveryPolicy": with(
                choice("What is recreated when a pod is lost.", &["ServingGroupRecreate", "RoleRecreate", "None"]),
                json!({"default": "RoleRecreate"}),
            ),
            "replicas": with(int32("ServingGroups."), json!({"default": 1})),
            "rolloutStrategy": rollout_strategy(),
            "schedulerName": with(text("The scheduler of every pod."), json!({"default": "volcano"})),
            "template": with(template(), json!({"x-kubernetes-validations": [{
                "rule": "!has(oldSelf.gangPolicy) || has(self.gangPolicy)",
                "message": "gangPolicy is required once set",
            }]})),
        }),
    )
}

fn plugin() -> Value {
    object(
        "A plugin and which pods it concerns.",
        &["name", "type"],
        json!({
            "config": {
                "description": "Settings, the plugin's own.",
                "x-kubernetes-preserve-unknown-fields": true,
            },
            "name": text("Which plugin."),
            "scope": object("Which pods; absent means all.", &[], json!({
                "roles": list("Roles; empty means all.", json!({"type": "string"})),
                "target": text("All, Entry or Worker."),
            })),
            "type": with(choice("Where the plugin's code lives.", &["BuiltIn"]), json!({"default": "BuiltIn"})),
        }),
    )
}

fn rollout_strategy() -> Value {
    object(
        "How changes roll out; absent means one ServingGroup at a time.",
        &["type"],
        json!({
            "rollingUpdateConfiguration": object(
                "Budget of ServingGroupRollingUpdate; with RoleRollingUpdate each role has its own.",
                &[],
                budget(),
            ),
            "type": with(
                choice("The unit that is replaced.", &["ServingGroupRollingUpdate", "RoleRollingUpdate"]),
                json!({"default": "ServingGroupRollingUpdate"}),
            ),
        }),
    )
}

/// The fields that `rollingUpdateConfiguration` and each role have in common.
fn budget() -> Value {
    json!({
        "maxSurge": int_or_string("Replicas above the wanted number during a rollout; a percentage rounds up."),
        "maxUnavailable": with(
            int_or_string("Replicas that may be down during a rollout; a percentage rounds down."),
            json!({"default": 1}),
        ),
        "partition": int_or_string("The first so many replicas keep the old revision; a percentage rounds up."),
    })
}

fn template() -> Value {
    let min_role_replicas = with(
        map(
            "Role replicas that must be placed together, by role; a role that is not named needs all of its own.",
            json!({"type": "integer", "format": "int32"}),
        ),
        json!({"x-kubernetes-validations": [{
            "rule": "self == oldSelf",
            "message": "minRoleReplicas is immutable",
        }]}),
    );
    object(
        "The ServingGroup.",
        &["roles"],
        json!({
            "gangPolicy": object(
                "The minimum that must be placed together.",
                &[],
                json!({"minRoleReplicas": min_role_replicas}),
            ),
            "networkTopology": object("How close together.", &[], json!({
                "groupPolicy": network_topology("For the whole ServingGroup."),
                "rolePolicy": network_topology("For each role replica."),
            })),
            "restartGracePeriodSeconds": with(
                int64("How long a failed pod may recover by itself."),
                json!({"default": 0}),
            ),
            "roles": with(list("What the ServingGroup consists of.", role()), json!({
                "maxItems": 4,
                "minItems": 1,
                "x-kubernetes-validations": [{
                    "rule": "self.all(x, self.exists_one(y, y.name == x.name))",
                    "message": "roles name must be unique",
                }],
            })),
        }),
    )
}

fn role() -> Value {
    let role = object(
        "One entry pod and its workers, so many times.",
        &["entryTemplate", "name", "workerReplicas"],
        json!({
            "entryTemplate": pod_template("The entry pod."),
            "name": with(text("Name of the role."), json!({
                "maxLength": 12,
                "pattern": "^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$",
            })),
            "replicas": with(int32("Role replicas in a ServingGroup."), json!({"default": 1})),
            "workerReplicas": int32("Workers in a role replica."),
            "workerTemplate": pod_template("The worker pod."),
        }),
    );
    let properties = with(role["properties"].clone(), budget());
    with(role, json!({"properties": properties}))
}

fn pod_template(description: &str) -> Value {
    object(
        description,
        &[],
        json!({
            "metadata": object("Labels and annotations of the pod.", &[], json!({
                "annotations": map("Annotations.", json!({"type": "string"})),
                "labels": map("Labels.", json!({"type": "string"})),
            })),
            "spec": pod_spec(),
        }),
    )
}

/// A PodSpec, kept as it is. Only what server-side apply merges by name is spelled out.
fn pod_spec() -> Value {
    let named = |description: &str, properties: Value| {
        let mut all = json!({"name": {"type": "string"}});
        all = with(all, properties);
        let items = with(object("", &["name"], all), json!({"x-kubernetes-preserve-unknown-fields": true}));
        with(
            list(description, items),
            json!({"x-kubernetes-list-map-keys": ["name"], "x-kubernetes-list-type": "map"}),
        )
    };
    let container = json!({"env": named("Environment.", json!({}))});
    with(
        object(
            "A PodSpec; the API server checks it when pods are created.",
            &["containers"],
            json!({
                "containers": named("Containers.", container.clone()),
                "initContainers": named("Containers that run first.", container),
                "volumes": named("Volumes.", json!({})),
            }),
        ),
        json!({"x-kubernetes-preserve-unknown-fields": true}),
    )
}

fn status() -> Value {
    object(
        "What is.",
        &[],
        json!({
            "availableReplicas": int32("ServingGroups that are ready."),
            "conditions": conditions("Available, Progressing and UpdateInProgress."),
            "currentReplicas": int32("ServingGroups at the current revision."),
            "currentRevision": text("The revision that ServingGroups have before the update."),
            "labelSelector": text("Selects one pod of each ServingGroup, for autoscalers."),
            "observedGeneration": int64("The generation that this status describes."),
            "replicas": int32("ServingGroups that exist."),
            "updateRevision": text("The revision of the spec."),
            "updatedReplicas": int32("ServingGroups at the revision of the spec."),
        }),
    )
}
