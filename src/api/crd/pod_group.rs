//! `podgroups.scheduling.volcano.sh`. Source of the wire format: volcano `config/crd/volcano/bases`.

use super::schema::*;
use serde_json::{Value, json};

pub(super) fn crd() -> Value {
    Definition {
        group: "scheduling.volcano.sh",
        version: "v1beta1",
        kind: "PodGroup",
        singular: "podgroup",
        plural: "podgroups",
        short_names: &["pg", "podgroup-v1beta1"],
        namespaced: true,
        columns: json!([
            {"name": "STATUS", "type": "string", "jsonPath": ".status.phase"},
            {"name": "minMember", "type": "integer", "jsonPath": ".spec.minMember"},
            {"name": "RUNNINGS", "type": "integer", "jsonPath": ".status.running"},
            {"name": "PLACED", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Scheduled\")].message"},
            {"name": "REASON", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Unschedulable\")].reason"},
            {"name": "AGE", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            {"name": "QUEUE", "type": "string", "jsonPath": ".spec.queue", "priority": 1},
        ]),
        subresources: json!({}), // the status is part of the object
        description: "A gang: pods that are placed together or not at all.",
        spec: spec(),
        status: status(),
    }
    .build()
}

fn spec() -> Value {
    object(
        "What the gang needs before any of its pods may run.",
        &[],
        json!({
            "minMember": count("Pods that must be placeable together. 0: no gang."),
            "minResources": resource_list("Resources that the minimum needs."),
            "minTaskMember": map("The minimum by role.", json!({"type": "integer", "format": "int32"})),
            "networkTopology": network_topology("How close together the whole gang must or should be."),
            "priorityClassName": name("Priority class of the gang."),
            "queue": with(
                name("The queue that admits the gang."),
                json!({"default": "default", "pattern": DNS_SUBDOMAIN}),
            ),
            "subGroupPolicy": list("Rules that split the gang into subgroups.", sub_group_policy()),
        }),
    )
}

fn sub_group_policy() -> Value {
    object(
        "Pods that match are split by the values of label keys; each subgroup is placed together.",
        &[],
        json!({
            "labelSelector": label_selector("Which pods it concerns; absent means all."),
            "matchLabelKeys": with(
                list("Labels whose values tell subgroups apart.", json!({"type": "string"})),
                json!({"x-kubernetes-list-type": "atomic"}),
            ),
            "minSubGroups": with(count("Complete subgroups that the gang needs."), json!({"default": 0})),
            "name": name("Name of the policy."),
            "networkTopology": network_topology("How close together each subgroup must or should be."),
            "subGroupSize": with(int32("Pods in a subgroup."), json!({"default": 1, "minimum": 1})),
        }),
    )
}

fn status() -> Value {
    object(
        "What became of the gang.",
        &[],
        json!({
            "conditions": list("Unschedulable and Scheduled.", object(
                "One aspect of the gang's state.",
                &[],
                json!({
                    "lastTransitionTime": time("When it changed last."),
                    "message": text("Details for people."),
                    "reason": text("Why, in one word."),
                    "status": text("True, False or Unknown."),
                    "transitionID": text("Identifies the change."),
                    "type": text("Which aspect."),
                }),
            )),
            "failed": count("Pods that failed."),
            "phase": choice(
                "Where the gang is in its life.",
                &["Pending", "Running", "Unknown", "Inqueue", "Completed"],
            ),
            "running": count("Pods that run."),
            "succeeded": count("Pods that ended well."),
        }),
    )
}
