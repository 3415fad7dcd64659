use super::*;
use serde_json::json;

/// Runs a chain of plugins on the pod with this index; `Ok` is the draft.
fn run(plugins: Value, index: u32, owners: Value) -> Result<PodDraft, PluginError> {
    let object: ModelServing = serde_json::from_value(json!({
        "metadata": {"name": "ms", "namespace": "default", "ownerReferences": owners},
        "spec": {"plugins": plugins, "template": {"roles": [{"name": "r", "workerReplicas": 1}]}},
    }))
    .unwrap();
    let mut draft = PodDraft {
        labels: BTreeMap::from([("modelserving.volcano.sh/role".to_owned(), "r".to_owned())]),
        spec: serde_json::from_value(json!({
            "containers": [{"name": "a", "env": [{"name": "LWS_GROUP_SIZE", "value": "user"}]}],
            "initContainers": [{"name": "i"}],
        }))
        .unwrap(),
        ..PodDraft::default()
    };
    let key = PodKey { group: 2, role: "r", replica: 0, index };
    pod_created(&object, &object.spec.template.roles[0], key, &mut draft)?;
    Ok(draft)
}

fn annotations(plugins: Value, index: u32) -> Value {
    json!(run(plugins, index, json!([])).unwrap().annotations)
}

fn tweak(key: &str, value: &str, scope: Value) -> Value {
    json!({"name": "demo-pod-tweaks", "type": "BuiltIn", "config": {"annotations": {key: value}}, "scope": scope})
}

/// L1.
#[test]
fn order_and_scope() {
    let chain = json!([tweak("a", "1", json!({})), tweak("a", "2", json!({"roles": ["r"]}))]);
    assert_eq!(annotations(chain, 0), json!({"a": "2"}));
    let worker = json!([tweak("a", "1", json!({"target": "Worker"}))]);
    assert_eq!(annotations(worker.clone(), 0), json!({}));
    assert_eq!(annotations(worker, 1), json!({"a": "1"}));
    assert_eq!(annotations(json!([tweak("a", "1", json!({"roles": ["other"]}))]), 0), json!({}));
    assert_eq!(annotations(json!([tweak("a", "1", json!({"target": "Nonsense"}))]), 0), json!({}));
}

/// L1: errors reach the caller and name the plugin.
#[test]
fn errors() {
    let check = |plugin: Value, expect: &str| {
        assert_eq!(run(json!([plugin]), 0, json!([])).unwrap_err().to_string(), expect);
    };
    check(
        json!({"name": "nope"}),
        "plugin nope: unknown; there are demo-pod-tweaks, lws-standard-labels, lws-standard-env",
    );
    check(
        json!({"name": "demo-pod-tweaks", "type": "Webhook"}),
        "plugin demo-pod-tweaks: unsupported type Webhook; the only one is BuiltIn",
    );
    let message =
        run(json!([{"name": "demo-pod-tweaks", "config": {"env": 3}}]), 0, json!([])).unwrap_err().message;
    assert!(message.starts_with("config: "), "{message}");
}

/// L2. Upstream appends the variables once more for every worker of a replica; here each pod is built from the template.
#[test]
fn demo_plugin() {
    let config =
        json!({"runtimeClassName": "kata", "annotations": {"a": "b"}, "env": [{"name": "X", "value": "y"}]});
    let draft = run(json!([{"name": "demo-pod-tweaks", "config": config}]), 1, json!([])).unwrap();
    assert_eq!(draft.spec["runtimeClassName"], "kata");
    assert_eq!(draft.annotations["a"], "b");
    assert_eq!(draft.spec["containers"][0]["env"][1], json!({"name": "X", "value": "y"}));
    assert_eq!(draft.spec["initContainers"][0]["env"], json!([{"name": "X", "value": "y"}]));
}

#[test]
fn controller_keys_survive_plugins() {
    let plugin = tweak("modelserving.volcano.sh/role", "stolen", json!({}));
    let draft = run(json!([plugin]), 0, json!([])).unwrap();
    assert!(draft.annotations.is_empty());
    assert_eq!(draft.labels["modelserving.volcano.sh/role"], "r");
}

/// E14: what pods of a LeaderWorkerSet carry.
#[test]
fn leader_worker_set() {
    let owners = json!([{"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": "lws", "uid": "u"}]);
    let chain = json!([{"name": "lws-standard-labels", "type": "BuiltIn"}, {"name": "lws-standard-env"}]);
    let draft = run(chain.clone(), 1, owners).unwrap();
    assert_eq!(draft.labels["leaderworkerset.sigs.k8s.io/name"], "lws");
    assert_eq!(draft.labels["leaderworkerset.sigs.k8s.io/group-index"], "2");
    assert_eq!(draft.labels["leaderworkerset.sigs.k8s.io/worker-index"], "1");
    assert_eq!(
        draft.labels["leaderworkerset.sigs.k8s.io/group-key"],
        sha1_smol::Sha1::from("lws-2").digest().to_string()
    );
    let environment = json!([
        {"name": "LWS_LEADER_ADDRESS", "value": "ms-2-r-0-0.default"},
        {"name": "LWS_GROUP_SIZE", "value": "2"},
        {"name": "LWS_WORKER_INDEX", "value": "1"},
    ]);
    assert_eq!(draft.spec["containers"][0]["env"], environment);
    let alone = run(chain, 1, json!([])).unwrap();
    assert_eq!(alone.labels.len(), 1, "no LeaderWorkerSet, no labels");
}
