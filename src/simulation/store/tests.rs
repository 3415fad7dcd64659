use super::*;

fn object(kind: &str, name: &str, more: Value) -> Value {
    let version = Kind::version_of(kind).unwrap_or("v1");
    let mut value = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}});
    merge(&mut value, &more);
    value
}

fn pod(name: &str, more: Value) -> Value {
    let mut value = object("Pod", name, json!({"spec": {"containers": [{"name": "c", "image": "i:1"}]}}));
    merge(&mut value, &more);
    value
}

fn key(kind: Kind, name: &str) -> Key {
    Key::new(kind, "", name)
}

fn store() -> Store {
    let mut store = Store::default();
    store.set_now(1_767_225_600);
    store
}

fn owned(by: &str) -> Value {
    json!({"metadata": {"ownerReferences": [{"kind": "ModelServing", "name": "m", "uid": by, "controller": true}]}})
}

#[test]
fn metadata_is_filled_in() {
    let mut store = store();
    let key = store.create(pod("a", json!({})), Actor::User).unwrap();
    let metadata = &store.get(&key).unwrap().value["metadata"];
    let expect = json!({
        "name": "a", "namespace": "default", "uid": "00000000-0000-4000-8000-000000000001", "resourceVersion": "1",
        "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z",
    });
    assert_eq!(metadata, &expect);
    assert_eq!(store.create(pod("a", json!({})), Actor::User), Err(Refusal::AlreadyExists(key)));
}

#[test]
fn uids_that_objects_bring_are_not_given_again() {
    let mut store = store();
    let brought = "00000000-0000-4000-8000-000000000001";
    store.reserve(&pod("b", json!({"metadata": {"uid": brought, "resourceVersion": "77"}})));
    let key = store.create(pod("a", json!({})), Actor::User).unwrap();
    assert_ne!(store.get(&key).unwrap().uid(), brought);
    assert_eq!(store.get(&key).unwrap().text("/metadata/resourceVersion"), "78");
}

#[test]
fn a_pod_gets_the_defaults_of_the_api_server() {
    let mut store = store();
    store
        .create(
            object("PriorityClass", "high", json!({"value": 7, "preemptionPolicy": "Never"})),
            Actor::User,
        )
        .unwrap();
    let value = pod(
        "a",
        json!({"spec": {"priorityClassName": "high", "containers": [{
            "name": "c", "image": "repo:5000/i", "ports": [{"containerPort": 80}],
            "readinessProbe": {"periodSeconds": 5},
            "resources": {"limits": {"nvidia.com/gpu": 8, "memory": "1024Mi"}, "requests": {"cpu": 0.5}},
        }]}}),
    );
    let key = store.create(value, Actor::User).unwrap();
    let spec = &store.get(&key).unwrap().value["spec"];
    let container = &spec["containers"][0];
    let resources = json!({
        "limits": {"nvidia.com/gpu": "8", "memory": "1Gi"},
        "requests": {"cpu": "500m", "nvidia.com/gpu": "8", "memory": "1Gi"},
    });
    assert_eq!(container["resources"], resources);
    assert_eq!(container["imagePullPolicy"], "Always");
    assert_eq!(container["ports"][0]["protocol"], "TCP");
    let probe =
        json!({"periodSeconds": 5, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3});
    assert_eq!(container["readinessProbe"], probe);
    assert_eq!((&spec["priority"], &spec["preemptionPolicy"]), (&json!(7), &json!("Never")));
    assert_eq!(spec["tolerations"].as_array().unwrap().len(), 2);
    assert_eq!(store.get(&key).unwrap().text("/status/qosClass"), "Burstable");
}

#[test]
fn a_node_without_conditions_is_ready_and_takes_110_pods() {
    let mut store = store();
    let key = store
        .create(object("Node", "n", json!({"status": {"capacity": {"cpu": "4"}}})), Actor::User)
        .unwrap();
    let node = &store.get(&key).unwrap().value;
    assert_eq!(node["status"]["allocatable"], json!({"cpu": "4", "pods": "110"}));
    assert_eq!(node["status"]["conditions"][0]["status"], "True");
    assert_eq!(node["metadata"]["labels"], json!({"kubernetes.io/hostname": "n"}));
}

#[test]
fn versions_and_generations_move_only_with_changes() {
    let mut store = store();
    let group = object("PodGroup", "g", json!({"spec": {"minMember": 2}}));
    let key = store.create(group, Actor::User).unwrap();
    let check = |store: &Store, version: &str, generation: i64| {
        let metadata = &store.get(&key).unwrap().value["metadata"];
        assert_eq!(
            (&metadata["resourceVersion"], &metadata["generation"]),
            (&json!(version), &json!(generation))
        );
    };
    check(&store, "1", 1);
    store.patch(&key, &json!({"spec": {"minMember": 2}}), Actor::User).unwrap();
    check(&store, "1", 1);
    store.patch(&key, &json!({"metadata": {"labels": {"a": "b"}}}), Actor::User).unwrap();
    check(&store, "2", 1);
    // PodGroup has no status subresource: its generation moves with the status.
    store.set_status(&key, json!({"phase": "Running"}), Actor::Scheduler).unwrap();
    check(&store, "3", 2);
    assert_eq!(store.take_log().len(), 3);
    assert!(store.get(&key).unwrap().ours);
}

#[test]
fn apply_keeps_the_status_and_what_others_labelled() {
    let mut store = store();
    let first = object(
        "Queue",
        "q",
        json!({"metadata": {"labels": {"a": "1"}}, "spec": {"weight": 3, "reclaimable": false}, "status": {"running": 1}}),
    );
    let key = store.create(first, Actor::User).unwrap();
    let uid = store.get(&key).unwrap().uid().to_owned();
    let second = object("Queue", "q", json!({"metadata": {"labels": {"b": "2"}}, "spec": {"weight": 5}}));
    store.apply(second, Actor::User).unwrap();
    let object = store.get(&key).unwrap();
    assert_eq!(object.uid(), uid);
    assert_eq!(object.value["metadata"]["labels"], json!({"a": "1", "b": "2"}));
    assert_eq!(object.value["metadata"]["generation"], 2);
    assert_eq!(object.value["spec"]["weight"], 5);
    // No longer written: back to the default.
    assert_eq!(object.value["spec"]["reclaimable"], true);
    assert_eq!(object.value["status"]["running"], 1);
}

#[test]
fn a_pod_is_bound_once() {
    let mut store = store();
    let key = store.create(pod("a", json!({})), Actor::User).unwrap();
    let uid = store.get(&key).unwrap().uid().to_owned();
    assert!(matches!(store.bind(&key, "other", "n"), Err(Refusal::Conflict(..))));
    store.bind(&key, &uid, "n").unwrap();
    assert_eq!(store.get(&key).unwrap().text("/spec/nodeName"), "n");
    assert!(matches!(store.bind(&key, &uid, "m"), Err(Refusal::Conflict(..))));
    assert!(matches!(store.bind(&self::key(Kind::Pod, "x"), "", "m"), Err(Refusal::NotFound(_))));
}

#[test]
fn deletion_is_graceful_where_a_kubelet_must_act() {
    let mut store = store();
    let waiting = store.create(pod("waiting", json!({})), Actor::User).unwrap();
    let bound = store.create(pod("bound", json!({"spec": {"nodeName": "n"}})), Actor::User).unwrap();
    store.delete(&waiting, None, Actor::User).unwrap();
    assert!(store.get(&waiting).is_none());
    store.delete(&bound, None, Actor::User).unwrap();
    assert_eq!(store.get(&bound).unwrap().text("/metadata/deletionTimestamp"), "2026-01-01T00:00:30Z");
    store.delete(&bound, Some(0), Actor::User).unwrap();
    assert!(store.get(&bound).is_none());
}

#[test]
fn finalizers_hold_an_object() {
    let mut store = store();
    let held = object("PodGroup", "g", json!({"metadata": {"finalizers": ["x/y"]}}));
    let key = store.create(held, Actor::User).unwrap();
    store.delete(&key, None, Actor::User).unwrap();
    assert!(store.get(&key).unwrap().is_deleting());
    store.patch(&key, &json!({"metadata": {"finalizers": null}}), Actor::User).unwrap();
    assert!(store.get(&key).is_none());
}

#[test]
fn what_an_object_owned_goes_with_it() {
    let mut store = store();
    let owner = store.create(object("ModelServing", "m", json!({})), Actor::User).unwrap();
    let uid = store.get(&owner).unwrap().uid().to_owned();
    let child = store.create(pod("child", owned(&uid)), Actor::Controller).unwrap();
    let running = store
        .create(pod("running", merged(owned(&uid), json!({"spec": {"nodeName": "n"}}))), Actor::Controller)
        .unwrap();
    let stranger = store.create(pod("stranger", owned("never-seen")), Actor::User).unwrap();
    assert_eq!(store.owned_by(&uid).count(), 2);
    store.delete(&owner, None, Actor::User).unwrap();
    assert!(store.get(&child).is_none());
    assert!(store.get(&running).unwrap().is_deleting());
    assert!(store.get(&stranger).is_some_and(|pod| !pod.is_deleting()));
}

fn merged(mut a: Value, b: Value) -> Value {
    merge(&mut a, &b);
    a
}

#[test]
fn a_uid_and_a_version_in_a_write_are_preconditions() {
    let mut store = store();
    let key = store.create(object("PodGroup", "g", json!({})), Actor::User).unwrap();
    let uid = store.get(&key).unwrap().uid().to_owned();
    let mut check = |metadata: Value, done: bool| {
        let mut patch = json!({"metadata": {"annotations": {"a": metadata.to_string()}}});
        merge(&mut patch["metadata"], &metadata);
        let answer = store.patch(&key, &patch, Actor::User);
        assert_eq!(answer.is_ok(), done, "{metadata}: {answer:?}");
        assert!(done || matches!(answer, Err(Refusal::Conflict(..))), "{answer:?}");
    };
    check(json!({"resourceVersion": "1"}), true);
    check(json!({"resourceVersion": "1"}), false);
    check(json!({"resourceVersion": "2", "uid": uid}), true);
    check(json!({"uid": "another"}), false);
    check(json!({}), true);
    assert!(matches!(store.delete_exactly(&key, "another", Actor::Scheduler), Err(Refusal::Conflict(..))));
    store.delete_exactly(&key, &uid, Actor::Scheduler).unwrap();
    assert!(matches!(store.delete_exactly(&key, &uid, Actor::Scheduler), Err(Refusal::NotFound(_))));
}
