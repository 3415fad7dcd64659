use super::*;
use serde_json::json;

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

// --- requests ---

fn ask(store: &mut Store, verb: Verb, path: &str, body: Option<Value>) -> Response {
    match store.serve(&Request::new(verb, path, body)) {
        Answer::Done(response) => response,
        Answer::Watching(_) => panic!("{path} is a watch"),
    }
}

fn watch(store: &mut Store, path: &str) -> Watch {
    match store.serve(&Request::new(Verb::Get, path, None)) {
        Answer::Done(response) => panic!("{path} is answered with {response:?}"),
        Answer::Watching(watch) => *watch,
    }
}

const GROUPS: &str = "/apis/scheduling.volcano.sh/v1beta1/namespaces/default/podgroups";

fn with_groups(names: &[&str]) -> Store {
    let mut store = Store::bare();
    for name in names {
        let made = ask(&mut store, Verb::Post, GROUPS, Some(object("PodGroup", name, json!({}))));
        assert_eq!(made.code, 201, "{made:?}");
    }
    store
}

#[test]
fn what_is_not_done_is_refused_with_501() {
    let mut store = with_groups(&["g"]);
    let mut check = |verb: Verb, path: &str, content: &str| {
        let mut request = Request::new(verb, path, Some(json!({})));
        request.content_type = content.to_owned();
        let Answer::Done(response) = store.serve(&request) else { panic!("{path} is a watch") };
        assert_eq!(
            (response.code, response.reason()),
            (501, "NotImplemented"),
            "{verb:?} {path}: {response:?}"
        );
    };
    let serving = "/apis/workload.serving.volcano.sh/v1alpha1/namespaces/default/modelservings/m";
    check(Verb::Get, &format!("{serving}/scale"), "application/json");
    check(Verb::Get, "/api/v1/namespaces/default/pods/p/log", "application/json");
    check(Verb::Patch, &format!("{GROUPS}/g"), "application/apply-patch+yaml");
    check(Verb::Post, &format!("{GROUPS}?dryRun=All"), "application/json");
    check(Verb::Delete, &format!("{GROUPS}/g?dryRun=All"), "application/json");
    check(Verb::Delete, "/api/v1/namespaces/default", "application/json");
}

#[test]
fn the_simulator_keeps_no_history_and_serves_no_watches() {
    let mut store = store();
    let answer = ask(&mut store, Verb::Get, &format!("{GROUPS}?watch=true"), None);
    assert_eq!(answer.code, 501);
}

#[test]
fn pages_show_one_version_whatever_happens_meanwhile() {
    let mut store = with_groups(&["a", "b", "c"]);
    let names = |response: &Response| -> Vec<String> {
        let items = response.body["items"].as_array().unwrap();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = ask(&mut store, Verb::Get, &format!("{GROUPS}?limit=2"), None);
    assert_eq!(names(&first), ["a", "b"]);
    ask(&mut store, Verb::Delete, &format!("{GROUPS}/c"), None);
    ask(&mut store, Verb::Post, GROUPS, Some(object("PodGroup", "d", json!({}))));
    let token = first.body["metadata"]["continue"].as_str().unwrap().to_owned();
    let next = format!("{GROUPS}?limit=2&continue={token}");
    let second = ask(&mut store, Verb::Get, &next, None);
    assert_eq!(
        (names(&second), &second.body["metadata"]["resourceVersion"]),
        (vec!["c".to_owned()], &json!("3"))
    );
    let version = store.version();
    store.compact(version);
    let late = ask(&mut store, Verb::Get, &next, None);
    assert_eq!((late.code, late.reason()), (410, "Expired"));
}

#[test]
fn a_watch_tells_what_happened_since_its_version() {
    let mut store = with_groups(&["a"]);
    let mut events =
        watch(&mut store, &format!("{GROUPS}?watch=true&resourceVersion=1&allowWatchBookmarks=true"));
    let mut check = |store: &mut Store, expect: &[(&str, &str)]| {
        let seen = store.next_events(&mut events);
        let version =
            |event: &Event| event.object["metadata"]["resourceVersion"].as_str().unwrap_or("").to_owned();
        let seen: Vec<(&str, String)> = seen.iter().map(|event| (event.kind, version(event))).collect();
        let expect: Vec<(&str, String)> =
            expect.iter().map(|(kind, version)| (*kind, (*version).to_owned())).collect();
        assert_eq!(seen, expect);
    };
    check(&mut store, &[]);
    ask(&mut store, Verb::Post, GROUPS, Some(object("PodGroup", "b", json!({}))));
    ask(&mut store, Verb::Delete, &format!("{GROUPS}/a"), None);
    check(&mut store, &[("ADDED", "2"), ("DELETED", "3")]);
    store.set_now(59);
    check(&mut store, &[]);
    store.set_now(60);
    check(&mut store, &[("BOOKMARK", "3")]);
    ask(&mut store, Verb::Delete, &format!("{GROUPS}/b"), None);
    let version = store.version();
    store.compact(version);
    check(&mut store, &[("ERROR", "")]);
    assert!(events.has_ended());
}

#[test]
fn an_owner_that_is_deleted_in_the_foreground_goes_last() {
    let mut store = with_groups(&["owner"]);
    let uid = store.get(&key(Kind::PodGroup, "owner")).unwrap().uid().to_owned();
    let owner = json!([{
        "apiVersion": "v", "kind": "PodGroup", "name": "owner", "uid": uid, "blockOwnerDeletion": true,
    }]);
    let child = json!({ "metadata": { "ownerReferences": owner, "finalizers": ["x.y/z"] } });
    ask(&mut store, Verb::Post, GROUPS, Some(object("PodGroup", "child", child)));
    let foreground = format!("{GROUPS}/owner?propagationPolicy=Foreground");
    let answer = ask(&mut store, Verb::Delete, &foreground, None);
    assert_eq!(answer.body["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    assert!(store.get(&key(Kind::PodGroup, "child")).unwrap().is_deleting());
    store
        .patch(&key(Kind::PodGroup, "child"), &json!({ "metadata": { "finalizers": null } }), Actor::User)
        .unwrap();
    assert!(store.get(&key(Kind::PodGroup, "child")).is_none());
    assert!(store.get(&key(Kind::PodGroup, "owner")).is_none());
}
