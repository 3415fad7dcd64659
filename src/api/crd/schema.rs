//! Pieces of schema that several definitions share, and the frame around them. Structural schemas as
//! apiextensions.k8s.io/v1 wants them: a type at every node, no references.

use serde_json::{Map, Value, json};

/// Pattern of a quantity, as every API server validates it.
const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";
/// Pattern of a DNS subdomain.
pub(super) const DNS_SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// What tells one definition from another.
pub(super) struct Definition {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    pub(super) singular: &'static str,
    pub(super) plural: &'static str,
    pub(super) short_names: &'static [&'static str],
    pub(super) namespaced: bool,
    pub(super) columns: Value,
    pub(super) subresources: Value,
    pub(super) description: &'static str,
    pub(super) spec: Value,
    pub(super) status: Value,
}

impl Definition {
    /// The definition as an object.
    pub(super) fn build(self) -> Value {
        let mut names = json!({
            "kind": self.kind,
            "listKind": format!("{}List", self.kind),
            "plural": self.plural,
            "singular": self.singular,
        });
        if !self.short_names.is_empty() {
            names["shortNames"] = json!(self.short_names);
        }
        let root = object(
            self.description,
            &[],
            json!({
                "apiVersion": text("Group and version of this object."),
                "kind": text("Kind of this object."),
                "metadata": {"type": "object"},
                "spec": self.spec,
                "status": self.status,
            }),
        );
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": format!("{}.{}", self.plural, self.group),
                // Removing a Helm release must not remove everybody's objects.
                "annotations": {"helm.sh/resource-policy": "keep"},
            },
            "spec": {
                "group": self.group,
                "names": names,
                "scope": if self.namespaced { "Namespaced" } else { "Cluster" },
                "versions": [{
                    "name": self.version,
                    "served": true,
                    "storage": true,
                    "additionalPrinterColumns": self.columns,
                    "schema": {"openAPIV3Schema": root},
                    "subresources": self.subresources,
                }],
            },
        })
    }
}

/// The same schema with more keywords.
pub(super) fn with(mut schema: Value, keywords: Value) -> Value {
    if let (Some(schema), Value::Object(keywords)) = (schema.as_object_mut(), keywords) {
        schema.extend(keywords);
    }
    schema
}

pub(super) fn object(description: &str, required: &[&str], properties: Value) -> Value {
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties);
    if !description.is_empty() {
        schema.insert("description".into(), description.into());
    }
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    Value::Object(schema)
}

pub(super) fn list(description: &str, items: Value) -> Value {
    json!({"type": "array", "description": description, "items": items})
}

pub(super) fn map(description: &str, values: Value) -> Value {
    json!({"type": "object", "description": description, "additionalProperties": values})
}

pub(super) fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

/// A text of at most 253 characters, as names are.
pub(super) fn name(description: &str) -> Value {
    with(text(description), json!({"maxLength": 253}))
}

pub(super) fn choice(description: &str, values: &[&str]) -> Value {
    with(text(description), json!({"enum": values}))
}

pub(super) fn boolean(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

pub(super) fn integer(description: &str) -> Value {
    json!({"type": "integer", "description": description})
}

pub(super) fn int32(description: &str) -> Value {
    json!({"type": "integer", "format": "int32", "description": description})
}

pub(super) fn int64(description: &str) -> Value {
    json!({"type": "integer", "format": "int64", "description": description})
}

/// An `int32` of at least 0.
pub(super) fn count(description: &str) -> Value {
    with(int32(description), json!({"minimum": 0}))
}

pub(super) fn time(description: &str) -> Value {
    with(text(description), json!({"format": "date-time"}))
}

pub(super) fn int_or_string(description: &str) -> Value {
    json!({
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "description": description,
        "x-kubernetes-int-or-string": true,
    })
}

/// Resource name to quantity.
pub(super) fn resource_list(description: &str) -> Value {
    map(
        description,
        json!({
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": QUANTITY,
            "x-kubernetes-int-or-string": true,
        }),
    )
}

pub(super) fn label_selector(description: &str) -> Value {
    let atomic = json!({"x-kubernetes-list-type": "atomic"});
    let expression = object(
        "A key, an operator and, for In and NotIn, values.",
        &["key", "operator"],
        json!({
            "key": text("Label key."),
            "operator": text("In, NotIn, Exists or DoesNotExist."),
            "values": with(list("Values for In and NotIn.", json!({"type": "string"})), atomic.clone()),
        }),
    );
    with(
        object(
            description,
            &[],
            json!({
                "matchExpressions": with(list("All of these must hold.", expression), atomic),
                "matchLabels": map("All of these labels must be present.", json!({"type": "string"})),
            }),
        ),
        json!({"x-kubernetes-map-type": "atomic"}),
    )
}

/// Conditions as `metav1.Condition` has them.
pub(super) fn conditions(description: &str) -> Value {
    list(
        description,
        object(
            "One aspect of the object's state.",
            &["lastTransitionTime", "message", "reason", "status", "type"],
            json!({
                "lastTransitionTime": time("When the status changed last."),
                "message": with(text("Details for people."), json!({"maxLength": 32768})),
                "observedGeneration": with(int64("The generation it was set for."), json!({"minimum": 0})),
                "reason": with(text("Why, in one word."), json!({
                    "maxLength": 1024,
                    "minLength": 1,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                })),
                "status": choice("True, False or Unknown.", &["True", "False", "Unknown"]),
                "type": with(text("Which aspect."), json!({
                    "maxLength": 316,
                    "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
                })),
            }),
        ),
    )
}

/// A rule about network distance: of a gang, a subgroup, a ServingGroup or a role.
pub(super) fn network_topology(description: &str) -> Value {
    object(
        description,
        &[],
        json!({
            "highestTierAllowed": with(
                integer("The highest tier that the pods may span together. Not together with highestTierName."),
                json!({"minimum": 0}),
            ),
            "highestTierName": name("The same by the tierName of HyperNodes."),
            "mode": with(
                choice("hard: the limit binds. soft: it is a preference.", &["hard", "soft"]),
                json!({"default": "hard"}),
            ),
        }),
    )
}
