//! `hypernodes.topology.volcano.sh`. Source of the wire format: volcano `config/crd/volcano/bases`.

use super::schema::*;
use serde_json::{Value, json};

pub(super) fn crd() -> Value {
    Definition {
        group: "topology.volcano.sh",
        version: "v1alpha1",
        kind: "HyperNode",
        singular: "hypernode",
        plural: "hypernodes",
        short_names: &["hn"],
        namespaced: false,
        columns: json!([
            {"name": "Tier", "type": "string", "jsonPath": ".spec.tier"},
            {"name": "TierName", "type": "string", "jsonPath": ".spec.tierName"},
            {"name": "NodeCount", "type": "integer", "jsonPath": ".status.nodeCount"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ]),
        subresources: json!({"status": {}}),
        description: "A domain of the network: nodes, or other domains, at the same distance from each other.",
        spec: object(
            "Tier and members.",
            &["tier"],
            json!({
                "members": with(list("What the domain consists of.", member()), json!({"minItems": 1})),
                "tier": with(integer("Distance: smaller is closer."), json!({"minimum": 0})),
                "tierName": name("A name for the tier, which highestTierName refers to."),
            }),
        ),
        status: object(
            "What was found.",
            &[],
            json!({
                "conditions": conditions("Conditions of the domain."),
                "nodeCount": with(int64("Direct members."), json!({"minimum": 0})),
            }),
        ),
    }
    .build()
}

fn member() -> Value {
    object(
        "Nodes or domains, by one selector.",
        &["type"],
        json!({
            "selector": with(
                object("Exactly one of the three.", &[], json!({
                    "exactMatch": object("One object by name.", &["name"], json!({
                        "name": with(name("The name."), json!({"minLength": 1, "pattern": DNS_SUBDOMAIN})),
                    })),
                    "labelMatch": label_selector("Nodes by label; only for members of type Node."),
                    "regexMatch": object("Objects whose name matches.", &["pattern"], json!({
                        "pattern": with(text("A regular expression."), json!({"minLength": 1})),
                    })),
                })),
                json!({"x-kubernetes-validations": [
                    {
                        "rule": "has(self.exactMatch) || has(self.regexMatch) || has(self.labelMatch)",
                        "message": "Either ExactMatch or RegexMatch or LabelMatch must be specified",
                    },
                    {
                        "rule": "(has(self.exactMatch) ? 1 : 0) + (has(self.regexMatch) ? 1 : 0) + (has(self.labelMatch) ? 1 : 0) <= 1",
                        "message": "Only one of ExactMatch, RegexMatch, or LabelMatch can be specified",
                    },
                ]}),
            ),
            "type": choice("What the member is.", &["Node", "HyperNode"]),
        }),
    )
}
