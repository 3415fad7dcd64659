//! Malformed objects: the error names object, field and remedy; nothing panics; the field is the one that is wrong.

use super::*;
use crate::api::core::{Node, Pod};
use crate::api::crd::tests::samples;
use crate::api::hyper_node::HyperNode;
use crate::api::model_serving::ModelServing;
use crate::api::pod_group::PodGroup;
use crate::api::queue::Queue;
use proptest::prelude::*;
use serde::Serialize;
use serde_json::json;

fn check<T: DeserializeOwned + std::fmt::Debug>(object: Value, expect: &str) {
    match decode::<T>(&object) {
        Ok(read) => panic!("{object} was read as {read:?}"),
        Err(error) => assert_eq!(error.to_string(), expect, "{object}"),
    }
}

#[test]
fn malformed_objects() {
    let group =
        |spec: Value| json!({"kind": "PodGroup", "metadata": {"namespace": "ml", "name": "g"}, "spec": spec});
    check::<PodGroup>(
        group(json!({"minMember": "4"})),
        "PodGroup ml/g: spec.minMember: invalid type: string \"4\", expected i32; \
         write a whole number from -2147483648 to 2147483647, without quotes",
    );
    check::<PodGroup>(
        group(json!({"minMember": 4_000_000_000u64})),
        "PodGroup ml/g: spec.minMember: invalid value: integer `4000000000`, expected i32; \
         write a whole number from -2147483648 to 2147483647, without quotes",
    );
    check::<PodGroup>(
        group(json!({"queue": 7})),
        "PodGroup ml/g: spec.queue: invalid type: integer `7`, expected a string; put it in quotes",
    );
    check::<PodGroup>(
        group(json!({"minResources": {"cpu": true}})),
        "PodGroup ml/g: spec.minResources.cpu: invalid type: boolean `true`, expected a quantity such as 8, \"100m\" or \
         \"800Gi\"; write a quantity such as 8, \"100m\" or \"800Gi\"",
    );
    check::<PodGroup>(
        group(json!({"subGroupPolicy": [{}, {"matchLabelKeys": "role"}]})),
        "PodGroup ml/g: spec.subGroupPolicy[1].matchLabelKeys: invalid type: string \"role\", expected a sequence; \
         write a list",
    );
    check::<PodGroup>(
        group(json!("x")),
        "PodGroup ml/g: spec: invalid type: string \"x\", expected struct PodGroupSpec; write keys and values",
    );
    check::<HyperNode>(
        json!({"kind": "HyperNode", "metadata": {"name": "rack-0"}, "spec": {"members": [{"selector": {}}]}}),
        "HyperNode rack-0: spec.members[0]: missing field `type`; add type",
    );
    check::<Queue>(
        json!({"metadata": {"name": "q"}, "spec": {"reclaimable": "yes"}}),
        "q: spec.reclaimable: invalid type: string \"yes\", expected a boolean; write true or false, without quotes",
    );
    check::<ModelServing>(
        json!({"kind": "ModelServing", "spec": {"template": {"roles": [{"maxUnavailable": [1]}]}}}),
        "ModelServing: spec.template.roles[0].maxUnavailable: data did not match any variant of untagged enum IntOrString; \
         write a number or a percentage such as 25%",
    );
    check::<Pod>(
        json!({"metadata": {"name": "p", "labels": {"rank": 0}}}),
        "p: metadata.labels.rank: invalid type: integer `0`, expected a string; put it in quotes",
    );
    check::<Node>(json!("n1"), "invalid type: string \"n1\", expected struct Node; write keys and values");
}

#[test]
fn what_is_absent_or_unknown_is_no_error() {
    assert!(decode::<PodGroup>(&json!({})).is_ok());
    assert!(decode::<PodGroup>(&json!({"spec": {"subGroupPolicy": null, "later": {"a": 1}}})).is_ok());
    assert!(decode::<Queue>(&json!({"spec": {"dequeueStrategy": "later"}})).is_ok());
    assert!(decode::<Pod>(&json!({"spec": {"containers": null}, "status": {"phase": "Later"}})).is_ok());
}

fn any_json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 32, 4, |inner| {
        let key = prop_oneof![
            3 => proptest::sample::select(vec![
                "metadata", "spec", "status", "name", "members", "type", "selector", "template", "roles", "containers",
                "minMember", "networkTopology", "labels", "conditions", "replicas", "entryTemplate", "tier", "affinity",
            ]).prop_map(str::to_owned),
            1 => "\\PC{0,6}",
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Paths of all values inside, as error paths are written, with a JSON pointer to each.
fn places(value: &Value, path: &str, pointer: &str, found: &mut Vec<(String, String)>) {
    if !path.is_empty() {
        found.push((path.to_owned(), pointer.to_owned()));
    }
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                places(field, &inner, &format!("{pointer}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{path}[{index}]"), &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Puts something else in one place of a sound object: it is still read, or the error points there.
fn check_damage<T: Serialize + DeserializeOwned>(sound: &T, place: prop::sample::Index, damage: Value) {
    let mut object = serde_json::to_value(sound).unwrap();
    let mut all = Vec::new();
    places(&object, "", "", &mut all);
    let (path, pointer) = place.get(&all);
    *object.pointer_mut(pointer).unwrap() = damage;
    if let Err(error) = decode::<T>(&object) {
        assert!(
            error.path.starts_with(path.as_str()) || path.starts_with(&error.path),
            "{path} was damaged, the error points to {}: {error}",
            error.path
        );
        assert!(!error.remedy.is_empty(), "no remedy for: {error}");
    }
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused(object in any_json()) {
        let _ = decode::<PodGroup>(&object);
        let _ = decode::<Queue>(&object);
        let _ = decode::<HyperNode>(&object);
        let _ = decode::<ModelServing>(&object);
        let _ = decode::<Pod>(&object);
        let _ = decode::<Node>(&object);
        let _ = identity(&object);
    }

    #[test]
    fn the_error_points_to_the_damage(kind in 0..4, place in any::<prop::sample::Index>(), damage in any_json()) {
        match kind {
            0 => check_damage(&samples::pod_group(), place, damage),
            1 => check_damage(&samples::queue(), place, damage),
            2 => check_damage(&samples::hyper_node(), place, damage),
            _ => check_damage(&samples::model_serving(), place, damage),
        }
    }
}
