//! What `deploy/` grants is what the ModelServing controller does: each of its changes has a verb and a resource. A real API
//! server is asked the same in `tests/live/deploy.rs`, where there is one.

use crate::simulations::read;
use phalanx::engine::{Needed, TABLE};
use phalanx::modelserving::Kind;
use phalanx::reservation::journal::{OBJECTS, Place};
use serde_json::Value;
use std::collections::BTreeSet;

const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/manifests/rbac.yaml");

/// Group, resource and verb of everything that the role grants.
fn granted(role: &str) -> BTreeSet<(String, String, String)> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&read(MANIFESTS)).unwrap();
    let role = documents
        .iter()
        .find(|document| document["kind"] == "ClusterRole" && document["metadata"]["name"] == role);
    let list = |rule: &Value, key: &str| -> Vec<String> {
        rule[key].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut granted = BTreeSet::new();
    for rule in role.unwrap()["rules"].as_array().unwrap() {
        for group in list(rule, "apiGroups") {
            for resource in list(rule, "resources") {
                let of = |verb| (group.clone(), resource.clone(), verb);
                granted.extend(list(rule, "verbs").into_iter().map(of));
            }
        }
    }
    granted
}

/// What is to be done before a pod is bound whose claims wait.
#[test]
fn the_scheduler_may_choose_volumes() {
    let granted = granted("phalanx-scheduler");
    for (resource, verbs) in
        [("persistentvolumeclaims", "get list watch patch"), ("persistentvolumes", "get list watch patch")]
    {
        for verb in verbs.split(' ') {
            assert!(
                granted.contains(&(String::new(), resource.to_owned(), verb.to_owned())),
                "{resource} {verb}"
            );
        }
    }
}

/// What a change of this kind of object takes: where, and which verbs besides watching.
fn needed(kind: Kind) -> (&'static str, &'static str, &'static str) {
    match kind {
        Kind::Pod => ("", "pods", "create patch delete"),
        Kind::PodGroup => ("scheduling.volcano.sh", "podgroups", "create patch delete"),
        Kind::Service => ("", "services", "create patch delete"),
        Kind::ControllerRevision => ("apps", "controllerrevisions", "create patch delete"),
    }
}

#[test]
fn the_controller_may_do_what_it_does() {
    let granted = granted("phalanx-modelserving");
    let owned = [Kind::Pod, Kind::PodGroup, Kind::Service, Kind::ControllerRevision].map(needed);
    let watched = owned.map(|(group, resource, _)| (group, resource, "list watch"));
    let own = [
        ("workload.serving.volcano.sh", "modelservings", "list watch"),
        ("workload.serving.volcano.sh", "modelservings/status", "patch"),
        ("workload.serving.volcano.sh", "modelservings/finalizers", "update"),
        ("workload.serving.volcano.sh", "modelservings", "create patch"),
        ("leaderworkerset.x-k8s.io", "leaderworkersets", "list watch"),
        ("leaderworkerset.x-k8s.io", "leaderworkersets/status", "patch"),
        ("", "namespaces", "list watch"),
        ("", "events", "create patch"),
    ];
    for (group, resource, verbs) in owned.into_iter().chain(watched).chain(own) {
        for verb in verbs.split(' ') {
            let needed = (group.to_owned(), resource.to_owned(), verb.to_owned());
            assert!(granted.contains(&needed), "{needed:?} is not granted");
        }
    }
    for verb in ["update", "deletecollection"] {
        assert!(!granted.contains(&(String::new(), "pods".to_owned(), verb.to_owned())), "{verb}");
    }
}

/// Kinds are watched by the table of the engine, and written by what it asks for. It has no right that it does not use.
#[test]
fn the_scheduler_may_do_what_it_does_and_nothing_else() {
    let own = [
        ("", "pods", "get patch delete"),
        ("", "pods/binding", "create"),
        ("", "pods/eviction", "create"),
        ("", "pods/status", "patch"),
        ("", "persistentvolumeclaims", "get patch"),
        ("", "persistentvolumes", "get patch"),
        ("", "pods/finalizers", "update"),
        ("resource.k8s.io", "resourceclaims", "get create patch"),
        ("resource.k8s.io", "resourceclaims/status", "patch"),
        ("resource.k8s.io", "resourceclaims/binding", "update patch"),
        ("", "events", "create patch"),
        ("scheduling.volcano.sh", "podgroups", "get create patch delete"),
        ("scheduling.k8s.io", "podgroups", "get"),
        ("scheduling.k8s.io", "podgroups/status", "patch"),
        ("scheduling.x-k8s.io", "podgroups", "get"),
        ("scheduling.x-k8s.io", "podgroups/status", "patch"),
        ("scheduling.volcano.sh", "queues", "create"),
        ("topology.volcano.sh", "hypernodes/status", "patch"),
    ];
    let watched = TABLE.iter().filter(|row| !matches!(row.needed, Needed::ByServing | Needed::Never));
    let watched = watched.map(|row| (row.group(), row.plural, "list watch"));
    let mut used = BTreeSet::new();
    for (group, resource, verbs) in own.into_iter().chain(watched) {
        used.extend(verbs.split(' ').map(|verb| (group.to_owned(), resource.to_owned(), verb.to_owned())));
    }
    assert_eq!(granted("phalanx-scheduler"), used);
}

/// In its own namespace: the Lease, and the objects of the journal, all of which it may come to need.
#[test]
fn the_journal_is_written_by_name_in_one_namespace() {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&read(MANIFESTS)).unwrap();
    let role = documents.iter().find(|document| document["kind"] == "Role").expect("there is one");
    assert_eq!(role["metadata"]["namespace"], "phalanx-system");
    let place = Place { namespace: String::new(), name: "phalanx".into(), holder: String::new() };
    let names: Vec<String> = (0..OBJECTS).map(|number| place.object(number)).collect();
    let rules = role["rules"].as_array().unwrap();
    let of = |resource: &str| -> Vec<(Value, Value)> {
        let rules = rules.iter().filter(|rule| rule["resources"] == serde_json::json!([resource]));
        rules.map(|rule| (rule["resourceNames"].clone(), rule["verbs"].clone())).collect()
    };
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(
        of("configmaps"),
        [(Value::Null, json(r#"["create"]"#)), (serde_json::json!(names), json(r#"["get","patch"]"#))]
    );
    assert_eq!(
        of("leases"),
        [(Value::Null, json(r#"["create"]"#)), (json(r#"["phalanx"]"#), json(r#"["get","update"]"#))]
    );
}
