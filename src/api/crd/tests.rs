//! The definitions are structural, agree with the serde types field by field, and equal `deploy/crds/`.

pub(in crate::api) mod samples;

use super::*;
use crate::api::hyper_node::HyperNode;
use crate::api::model_serving::ModelServing;
use crate::api::pod_group::PodGroup;
use crate::api::queue::Queue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

fn crd(kind: &str) -> Value {
    crds().into_iter().find(|crd| crd["spec"]["names"]["kind"] == kind).expect("a definition of that kind")
}

fn schema(kind: &str) -> Value {
    crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

// ---- the files ----

#[test]
#[expect(clippy::disallowed_methods, reason = "compares files of the repository")]
fn deploy_holds_the_same_definitions() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut stale = Vec::new();
    for (name, text) in crds_files() {
        if std::fs::read_to_string(root.join("deploy/crds").join(&name)).unwrap_or_default() != text {
            std::fs::create_dir_all(root.join("target/crds")).unwrap();
            std::fs::write(root.join("target/crds").join(&name), &text).unwrap();
            stale.push(name);
        }
    }
    assert!(
        stale.is_empty(),
        "deploy/crds is out of date; run: cp target/crds/*.yaml deploy/crds/ ({stale:?})"
    );
    let files = std::fs::read_dir(root.join("deploy/crds")).unwrap().count();
    assert_eq!(files, crds().len(), "deploy/crds holds one file for each definition and nothing else");
}

#[test]
fn the_stream_reads_back_as_the_definitions() {
    let stream = crds_yaml();
    let read: Vec<Value> = serde_saphyr::from_multiple(&stream).expect("valid YAML");
    assert_eq!(read, crds());
    assert_eq!(stream, crds_yaml());
    assert!(stream.len() < 60_000, "small enough for client-side apply: {} bytes", stream.len());
}

// ---- identity on the wire ----

#[test]
fn names_scopes_and_subresources() {
    let check = |kind: &str, name: &str, version: &str, short: Value, scope: &str, subresources: Value| {
        let crd = crd(kind);
        assert_eq!(crd["metadata"]["name"], name);
        assert_eq!(crd["spec"]["scope"], scope, "{kind}");
        assert_eq!(crd["spec"]["names"].get("shortNames").unwrap_or(&Value::Null), &short, "{kind}");
        assert_eq!(crd["spec"]["versions"][0]["name"], version, "{kind}");
        assert_eq!(crd["spec"]["versions"][0]["subresources"], subresources, "{kind}");
        assert_eq!(crd["metadata"]["annotations"]["helm.sh/resource-policy"], "keep", "{kind}");
    };
    let status = json!({"status": {}});
    let group = "podgroups.scheduling.volcano.sh";
    check("PodGroup", group, "v1beta1", json!(["pg", "podgroup-v1beta1"]), "Namespaced", json!({}));
    let queue = "queues.scheduling.volcano.sh";
    check("Queue", queue, "v1beta1", json!(["q", "queue-v1beta1"]), "Cluster", status.clone());
    check("HyperNode", "hypernodes.topology.volcano.sh", "v1alpha1", json!(["hn"]), "Cluster", status);
    let serving = "modelservings.workload.serving.volcano.sh";
    let scale = json!({"labelSelectorPath": ".status.labelSelector", "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas"});
    let subresources = json!({"scale": scale, "status": {}});
    check("ModelServing", serving, "v1alpha1", json!(["ms"]), "Namespaced", subresources);
}

#[test]
fn printer_columns() {
    let check = |kind: &str, expect: &[(&str, &str, &str, u64)]| {
        let crd = crd(kind);
        let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap();
        let found: Vec<_> = columns
            .iter()
            .map(|column| {
                let text = |key: &str| column[key].as_str().unwrap();
                (text("name"), text("type"), text("jsonPath"), column["priority"].as_u64().unwrap_or(0))
            })
            .collect();
        assert_eq!(found, expect, "{kind}");
    };
    let created = ".metadata.creationTimestamp";
    check(
        "PodGroup",
        &[
            ("STATUS", "string", ".status.phase", 0),
            ("minMember", "integer", ".spec.minMember", 0),
            ("RUNNINGS", "integer", ".status.running", 0),
            ("PLACED", "string", ".status.conditions[?(@.type==\"Scheduled\")].message", 0),
            ("REASON", "string", ".status.conditions[?(@.type==\"Unschedulable\")].reason", 0),
            ("AGE", "date", created, 0),
            ("QUEUE", "string", ".spec.queue", 1),
        ],
    );
    check("Queue", &[("PARENT", "string", ".spec.parent", 0)]);
    check(
        "HyperNode",
        &[
            ("Tier", "string", ".spec.tier", 0),
            ("TierName", "string", ".spec.tierName", 0),
            ("NodeCount", "integer", ".status.nodeCount", 0),
            ("Age", "date", created, 0),
        ],
    );
    check(
        "ModelServing",
        &[
            ("Replicas", "integer", ".status.replicas", 0),
            ("Available", "integer", ".status.availableReplicas", 0),
            ("Updated", "integer", ".status.updatedReplicas", 0),
            ("Reason", "string", ".status.conditions[?(@.type==\"Unschedulable\")].reason", 0),
            ("Age", "date", created, 0),
        ],
    );
}

/// Every default and every rule of the four kinds, by path: what a client may rely on.
#[test]
fn defaults_and_rules() {
    let check = |kind: &str, expect: &[&str]| {
        let mut found = Vec::new();
        visit(&schema(kind), "", &mut |path, node| {
            for keyword in
                ["default", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "enum"]
            {
                if let Some(value) = node.get(keyword) {
                    found.push(format!("{path} {keyword}={value}"));
                }
            }
            for rule in node.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                found.push(format!("{path} rule={}", rule["rule"].as_str().unwrap()));
            }
            if let Some(required) = node.get("required") {
                found.push(format!("{path} required={required}"));
            }
        });
        let found: Vec<&str> =
            found.iter().map(String::as_str).filter(|line| !line.contains(".conditions[]")).collect();
        let missing: Vec<_> = expect.iter().filter(|line| !found.contains(line)).collect();
        let surplus: Vec<_> = found.iter().filter(|line| !expect.contains(line)).collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "{kind}\nmissing {missing:#?}\nsurplus {surplus:#?}"
        );
    };
    let topology = |path: &str| {
        [
            format!("{path}.highestTierAllowed minimum=0"),
            format!("{path}.highestTierName maxLength=253"),
            format!("{path}.mode default=\"hard\""),
            format!("{path}.mode enum=[\"hard\",\"soft\"]"),
        ]
    };
    let expect = |lines: &[&str], topologies: &[&str]| -> Vec<String> {
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .chain(topologies.iter().flat_map(|path| topology(path)))
            .collect()
    };
    let run =
        |kind: &str, lines: Vec<String>| check(kind, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    run(
        "PodGroup",
        expect(
            &[
                ".spec.minMember minimum=0",
                ".spec.priorityClassName maxLength=253",
                ".spec.queue default=\"default\"",
                ".spec.queue maxLength=253",
                ".spec.subGroupPolicy[].labelSelector.matchExpressions[] required=[\"key\",\"operator\"]",
                ".spec.subGroupPolicy[].minSubGroups default=0",
                ".spec.subGroupPolicy[].minSubGroups minimum=0",
                ".spec.subGroupPolicy[].name maxLength=253",
                ".spec.subGroupPolicy[].subGroupSize default=1",
                ".spec.subGroupPolicy[].subGroupSize minimum=1",
                ".status.failed minimum=0",
                ".status.phase enum=[\"Pending\",\"Running\",\"Unknown\",\"Inqueue\",\"Completed\"]",
                ".status.running minimum=0",
                ".status.succeeded minimum=0",
            ],
            &[".spec.networkTopology", ".spec.subGroupPolicy[].networkTopology"],
        ),
    );
    run(
        "Queue",
        expect(
            &[
                ".spec.dequeueStrategy default=\"traverse\"",
                ".spec.dequeueStrategy enum=[\"fifo\",\"traverse\"]",
                ".spec.parent maxLength=253",
                ".spec.priority minimum=0",
                ".spec.type maxLength=253",
                ".spec.weight default=1",
                ".spec.weight maximum=65535",
                ".spec.weight minimum=1",
                ".status.completed minimum=0",
                ".status.inqueue minimum=0",
                ".status.pending minimum=0",
                ".status.running minimum=0",
                ".status.state enum=[\"Open\",\"Closed\",\"Closing\",\"Unknown\"]",
                ".status.unknown minimum=0",
            ],
            &[],
        ),
    );
    run(
        "HyperNode",
        expect(
            &[
                ".spec required=[\"tier\"]",
                ".spec.members minItems=1",
                ".spec.members[] required=[\"type\"]",
                ".spec.members[].selector rule=has(self.exactMatch) || has(self.regexMatch) || has(self.labelMatch)",
                ".spec.members[].selector rule=(has(self.exactMatch) ? 1 : 0) + (has(self.regexMatch) ? 1 : 0) + \
             (has(self.labelMatch) ? 1 : 0) <= 1",
                ".spec.members[].selector.exactMatch required=[\"name\"]",
                ".spec.members[].selector.exactMatch.name maxLength=253",
                ".spec.members[].selector.exactMatch.name minLength=1",
                ".spec.members[].selector.labelMatch.matchExpressions[] required=[\"key\",\"operator\"]",
                ".spec.members[].selector.regexMatch required=[\"pattern\"]",
                ".spec.members[].selector.regexMatch.pattern minLength=1",
                ".spec.members[].type enum=[\"Node\",\"HyperNode\"]",
                ".spec.tier minimum=0",
                ".spec.tierName maxLength=253",
                ".status.nodeCount minimum=0",
            ],
            &[],
        ),
    );
    let pod = |template: &str| {
        let spec = format!(".spec.template.roles[].{template}.spec");
        vec![
            format!("{spec} required=[\"containers\"]"),
            format!("{spec}.containers[] required=[\"name\"]"),
            format!("{spec}.containers[].env[] required=[\"name\"]"),
            format!("{spec}.initContainers[] required=[\"name\"]"),
            format!("{spec}.initContainers[].env[] required=[\"name\"]"),
            format!("{spec}.volumes[] required=[\"name\"]"),
        ]
    };
    let mut serving = expect(
        &[
            ".spec required=[\"template\"]",
            ".spec.plugins[] required=[\"name\",\"type\"]",
            ".spec.plugins[].type default=\"BuiltIn\"",
            ".spec.plugins[].type enum=[\"BuiltIn\"]",
            ".spec.recoveryPolicy default=\"RoleRecreate\"",
            ".spec.recoveryPolicy enum=[\"ServingGroupRecreate\",\"RoleRecreate\",\"None\"]",
            ".spec.replicas default=1",
            ".spec.rolloutStrategy required=[\"type\"]",
            ".spec.rolloutStrategy.rollingUpdateConfiguration.maxUnavailable default=1",
            ".spec.rolloutStrategy.type default=\"ServingGroupRollingUpdate\"",
            ".spec.rolloutStrategy.type enum=[\"ServingGroupRollingUpdate\",\"RoleRollingUpdate\"]",
            ".spec.schedulerName default=\"volcano\"",
            ".spec.template required=[\"roles\"]",
            ".spec.template rule=!has(oldSelf.gangPolicy) || has(self.gangPolicy)",
            ".spec.template.gangPolicy.minRoleReplicas rule=self == oldSelf",
            ".spec.template.restartGracePeriodSeconds default=0",
            ".spec.template.roles maxItems=4",
            ".spec.template.roles minItems=1",
            ".spec.template.roles rule=self.all(x, self.exists_one(y, y.name == x.name))",
            ".spec.template.roles[] required=[\"entryTemplate\",\"name\",\"workerReplicas\"]",
            ".spec.template.roles[].maxUnavailable default=1",
            ".spec.template.roles[].name maxLength=12",
            ".spec.template.roles[].replicas default=1",
        ],
        &[".spec.template.networkTopology.groupPolicy", ".spec.template.networkTopology.rolePolicy"],
    );
    serving.extend(pod("entryTemplate").into_iter().chain(pod("workerTemplate")));
    run("ModelServing", serving);
}

// ---- structure ----

/// Calls `f` for every node of a schema with its path; `[]` stands for items, `{}` for values of a map.
fn visit(node: &Value, path: &str, f: &mut impl FnMut(&str, &Value)) {
    f(path, node);
    for (name, child) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        visit(child, &format!("{path}.{name}"), f);
    }
    if let Some(items) = node.get("items") {
        visit(items, &format!("{path}[]"), f);
    }
    if let Some(values) = node.get("additionalProperties") {
        visit(values, &format!("{path}{{}}"), f);
    }
}

/// The rules of a structural schema, as far as these definitions use it.
#[test]
fn schemas_are_structural() {
    const KEYWORDS: &[&str] = &[
        "additionalProperties",
        "anyOf",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
        "properties",
        "required",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    ];
    for crd in crds() {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        visit(&schema(kind), "", &mut |path, node| {
            let at = format!("{kind}{path}: {node}");
            let has = |keyword: &str| node.get(keyword).is_some();
            for keyword in node.as_object().unwrap().keys() {
                assert!(KEYWORDS.contains(&keyword.as_str()), "{keyword} at {at}");
            }
            let loose = has("x-kubernetes-int-or-string") || has("x-kubernetes-preserve-unknown-fields");
            assert!(has("type") || loose, "no type at {at}");
            assert!(!(has("type") && has("x-kubernetes-int-or-string")), "type and int-or-string at {at}");
            assert!(!(has("properties") && has("additionalProperties")), "both kinds of properties at {at}");
            assert_eq!(node.get("type") == Some(&json!("array")), has("items"), "items at {at}");
            for name in node.get("required").and_then(Value::as_array).into_iter().flatten() {
                assert!(node["properties"].get(name.as_str().unwrap()).is_some(), "required {name} at {at}");
            }
            for key in node.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten()
            {
                assert!(node["items"]["required"].as_array().unwrap().contains(key), "key {key} at {at}");
            }
            if let Some(default) = node.get("default") {
                assert!(conforms(default, node), "default at {at}");
            }
            // A transition rule needs a value that can be told from its old one: never inside an atomic list.
            for rule in node.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                let transition = rule["rule"].as_str().unwrap().contains("oldSelf");
                assert!(!transition || !path.contains("[]"), "transition rule at {at}");
                assert!(rule["message"].as_str().is_some_and(|text| !text.is_empty()), "message at {at}");
            }
        });
    }
}

fn conforms(value: &Value, node: &Value) -> bool {
    let typed = match node.get("type").and_then(Value::as_str) {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some(_) => false,
        None => value.is_i64() || value.is_string(),
    };
    let listed = node.get("enum").is_none_or(|values| values.as_array().unwrap().contains(value));
    let above = node.get("minimum").is_none_or(|minimum| value.as_i64() >= minimum.as_i64());
    typed && listed && above
}

// ---- schema and serde types say the same ----

/// What an API server keeps of an object: fields that the schema does not know are dropped.
fn prune(value: &Value, node: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let preserve = node.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
            let keep = |(name, field): (&String, &Value)| {
                let child = node["properties"].get(name).or(node.get("additionalProperties"));
                match child {
                    Some(child) => Some((name.clone(), prune(field, child))),
                    None => preserve.then(|| (name.clone(), field.clone())),
                }
            };
            Value::Object(fields.iter().filter_map(keep).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| prune(item, &node["items"])).collect()),
        scalar => scalar.clone(),
    }
}

/// Paths of schema leaves that the value does not reach.
fn unreached(value: &Value, node: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(properties) = node.get("properties").and_then(Value::as_object) {
        for (name, child) in properties {
            match value.get(name) {
                Some(field) => unreached(field, child, &format!("{path}.{name}"), found),
                None => found.push(format!("{path}.{name}")),
            }
        }
    } else if let Some(items) = node.get("items") {
        match value.as_array().and_then(|list| list.first()) {
            Some(first) => unreached(first, items, &format!("{path}[]"), found),
            None => found.push(format!("{path}[]")),
        }
    }
}

/// `sample` has every field of its type set. Then nothing of it may be pruned, and the schema has nothing that it lacks.
fn check_sample<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(kind: &str, sample: &T) {
    let mut schema = schema(kind);
    for key in ["apiVersion", "kind", "metadata"] {
        schema["properties"].as_object_mut().unwrap().remove(key);
    }
    let mut value = serde_json::to_value(sample).unwrap();
    value.as_object_mut().unwrap().remove("metadata"); // the API server's own
    assert_eq!(prune(&value, &schema), value, "{kind}: the schema would prune fields of the serde type");
    let mut missing = Vec::new();
    unreached(&value, &schema, "", &mut missing);
    assert!(missing.is_empty(), "{kind}: the serde type lacks fields of the schema: {missing:?}");
    let full = serde_json::to_value(sample).unwrap();
    assert_eq!(&serde_json::from_value::<T>(full).unwrap(), sample, "{kind}: JSON round trip");
}

#[test]
fn serde_types_and_schemas_have_the_same_fields() {
    check_sample("PodGroup", &samples::pod_group());
    check_sample("Queue", &samples::queue());
    check_sample("HyperNode", &samples::hyper_node());
    check_sample("ModelServing", &samples::model_serving());
}

#[test]
fn values_of_later_versions_survive() {
    fn check<T: Serialize + DeserializeOwned>(value: Value) {
        let mut read = serde_json::to_value(serde_json::from_value::<T>(value.clone()).unwrap()).unwrap();
        read.as_object_mut().unwrap().retain(|key, _| value.get(key).is_some());
        assert_eq!(read, value);
    }
    check::<PodGroup>(json!({"status": {"phase": "Suspended"}}));
    check::<PodGroup>(json!({"spec": {"networkTopology": {"mode": "firm"}}}));
    check::<Queue>(json!({"spec": {"dequeueStrategy": "random"}, "status": {"state": "Paused"}}));
    check::<HyperNode>(json!({"spec": {"tier": 1, "members": [{"type": "Switch", "selector": {}}]}}));
    check::<ModelServing>(json!({"spec": {
        "recoveryPolicy": "Hope",
        "rolloutStrategy": {"type": "BlueGreen"},
        "plugins": [{"name": "x", "type": "Wasm", "scope": {"target": "Sidecar"}}],
        "template": {"roles": []},
    }}));
}
