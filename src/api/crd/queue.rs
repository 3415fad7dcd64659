//! `queues.scheduling.volcano.sh`. Source of the wire format: volcano `config/crd/volcano/bases`.

use super::schema::*;
use serde_json::{Value, json};

pub(super) fn crd() -> Value {
    Definition {
        group: "scheduling.volcano.sh",
        version: "v1beta1",
        kind: "Queue",
        singular: "queue",
        plural: "queues",
        short_names: &["q", "queue-v1beta1"],
        namespaced: false,
        columns: json!([{"name": "PARENT", "type": "string", "jsonPath": ".spec.parent"}]),
        subresources: json!({"status": {}}),
        description: "A share of the cluster that gangs are admitted through.",
        spec: spec(),
        status: status(),
    }
    .build()
}

fn spec() -> Value {
    object(
        "What the queue is granted.",
        &[],
        json!({
            "affinity": object("Node groups that the queue uses or avoids.", &[], json!({
                "nodeGroupAffinity": node_groups("Node groups to use."),
                "nodeGroupAntiAffinity": node_groups("Node groups to avoid."),
            })),
            "capability": resource_list("The most that the queue may use."),
            "dequeueStrategy": with(
                choice("fifo: a blocked gang blocks those behind it. traverse: it is passed over.", &["fifo", "traverse"]),
                json!({"default": "traverse"}),
            ),
            "deserved": resource_list("The fair share: lent to others when idle, taken back when needed."),
            "extendClusters": list("Other clusters that the queue extends to.", object("A cluster.", &[], json!({
                "capacity": resource_list("Its capacity."),
                "name": text("Its name."),
                "weight": int32("Its weight."),
            }))),
            "guarantee": object("The part that is never lent.", &[], json!({
                "resource": resource_list("Resources held for the queue."),
            })),
            "parent": with(name("The queue above."), json!({"pattern": DNS_SUBDOMAIN})),
            "priority": count("Queues of higher priority are served first and reclaimed from last."),
            "reclaimable": boolean("May others take back what the queue borrowed?"),
            "type": name("Type of the queue."),
            "weight": with(int32("Weight of the fair share."), json!({"default": 1, "maximum": 65535, "minimum": 1})),
        }),
    )
}

fn node_groups(description: &str) -> Value {
    let names = json!({"type": "string"});
    object(
        description,
        &[],
        json!({
            "preferredDuringSchedulingIgnoredDuringExecution": list("Preferred.", names.clone()),
            "requiredDuringSchedulingIgnoredDuringExecution": list("Binding.", names),
        }),
    )
}

fn status() -> Value {
    object(
        "What the queue holds.",
        &[],
        json!({
            "allocated": resource_list("Resources of its placed pods."),
            "completed": count("Gangs in phase Completed."),
            "inqueue": count("Gangs in phase Inqueue."),
            "pending": count("Gangs in phase Pending."),
            "reservation": object("Nodes locked for the queue.", &[], json!({
                "nodes": list("Names of the nodes.", json!({"type": "string"})),
                "resource": resource_list("What is idle on them."),
            })),
            "running": count("Gangs in phase Running."),
            "state": choice("Does the queue accept work?", &["Open", "Closed", "Closing", "Unknown"]),
            "unknown": count("Gangs in phase Unknown."),
        }),
    )
}
