//! Creating and updating.

use super::objects::{config_map, group, pod, with};
use super::sides::{MERGE, Side};
use serde_json::{Value, json};

pub(crate) async fn create(side: &mut Side) {
    let (pods, groups, maps) = (side.path("pods"), side.path("podgroups"), side.path("configmaps"));
    side.post(&pods, pod("a")).await;
    side.post(&pods, pod("a")).await;
    side.post(&groups, group("a")).await;
    side.post(&groups, group("a")).await;
    side.post(&maps, config_map("a")).await;
    // Names.
    side.post(&pods, with(pod("x"), json!({ "metadata": { "name": null } }))).await;
    side.post(&pods, with(pod("x"), json!({ "metadata": { "name": null, "generateName": "made-" } }))).await;
    side.post(&groups, with(group("x"), json!({ "metadata": { "name": null } }))).await;
    for name in ["UPPER", "-a", "a_b", "a.b", &"a".repeat(254)] {
        side.post(&maps, config_map(name)).await;
        side.post(&groups, group(name)).await;
    }
    // What the path and the object say.
    side.post(&pods, with(pod("b"), json!({ "kind": null }))).await;
    side.post(&pods, with(pod("c"), json!({ "kind": "Node" }))).await;
    side.post(&groups, with(group("b"), json!({ "kind": null }))).await;
    side.post(&groups, with(group("b"), json!({ "apiVersion": "v1" }))).await;
    side.post(&pods, with(pod("c"), json!({ "metadata": { "namespace": "elsewhere" } }))).await;
    side.post(&pods, json!([1])).await;
    side.raw("POST", &pods, "application/json", "{").await;
    // What only the API server writes.
    let brought = json!({
        "metadata": {
            "uid": "brought", "generation": 7, "creationTimestamp": "2020-01-01T00:00:00Z",
            "deletionTimestamp": "2020-01-01T00:00:00Z",
        },
        "status": { "phase": "Running" },
    });
    side.post(&pods, with(pod("d"), brought.clone())).await;
    side.post(&groups, with(group("d"), brought)).await;
    side.post(&pods, with(pod("e"), json!({ "metadata": { "resourceVersion": "5" } }))).await;
    side.post(&groups, with(group("e"), json!({ "metadata": { "resourceVersion": "5" } }))).await;
    // Metadata.
    for metadata in [
        json!({ "labels": { "a": "not a label!" } }),
        json!({ "labels": { "a b": "c" } }),
        json!({ "labels": { "a": "b", "c.d/e": "" } }),
        json!({ "annotations": { "a b": "c" } }),
        json!({ "annotations": { "a": "x".repeat(263_000) } }),
        json!({ "finalizers": ["x"] }),
        json!({ "ownerReferences": [{ "kind": "x" }] }),
        json!({ "labels": {}, "annotations": null, "finalizers": [] }),
    ] {
        side.post(&maps, with(config_map("f"), json!({ "metadata": metadata }))).await;
        let name = format!("g{}", metadata.to_string().len());
        side.post(&groups, with(group(&name), json!({ "metadata": metadata }))).await;
    }
    // Pods that are none.
    for spec in [
        json!({ "containers": [] }),
        json!({ "containers": "x" }),
        json!({ "containers": [{ "image": "x" }] }),
        resources(json!({ "limits": { "cpu": "x" } })),
        resources(json!({ "limits": { "nvidia.com/gpu": "1.5" } })),
        resources(json!({ "limits": { "nvidia.com/gpu": 1 }, "requests": { "nvidia.com/gpu": 2 } })),
        resources(json!({ "requests": { "nvidia.com/gpu": 2 } })),
        resources(json!({ "limits": { "cpu": 1 }, "requests": { "cpu": "1500m" } })),
        resources(json!({ "limits": { "memory": "-1" } })),
    ] {
        side.post(&pods, with(pod("h"), json!({ "spec": spec }))).await;
    }
    // Defaults.
    let full = json!({ "spec": {
        "terminationGracePeriodSeconds": 5,
        "tolerations": [{ "key": "a", "operator": "Exists" }],
        "initContainers": [{ "name": "first", "image": "repo:5000/i" }],
        "containers": [{
            "name": "main", "image": "i@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "ports": [{ "containerPort": 80 }],
            "readinessProbe": { "periodSeconds": 5, "tcpSocket": { "port": 80 } },
            "resources": { "limits": { "nvidia.com/gpu": 8, "memory": "1024Mi" }, "requests": { "cpu": 0.5 } },
        }],
    } });
    side.post(&pods, with(pod("full"), full)).await;
    side.post(&pods, with(pod("gated"), json!({ "spec": { "schedulingGates": [{ "name": "a/b" }] } }))).await;
    // Paths and verbs.
    let here = side.namespace.clone();
    for path in [
        format!("{pods}/absent"),
        format!("/api/v1/namespaces/{here}/absents"),
        format!("{pods}/a/absent"),
        format!("{groups}/a/status"),
        format!("{pods}/a/status"),
        "/apis/scheduling.volcano.sh/v1beta1/queues/absent".to_owned(),
    ] {
        side.get(&path).await;
    }
    side.post(&format!("{pods}/a"), pod("a")).await;
    side.put(&pods, pod("a")).await;
    side.post("/api/v1/pods", pod("a")).await;
}

fn resources(resources: Value) -> Value {
    json!({ "containers": [{ "name": "main", "image": "none:1", "resources": resources }] })
}

pub(crate) async fn update(side: &mut Side) {
    let (pods, groups, maps) = (side.path("pods"), side.path("podgroups"), side.path("configmaps"));
    let leases = side.path("leases");
    let map = format!("{maps}/a");
    let first = side.post(&maps, config_map("a")).await;
    side.put(&map, with(config_map("a"), json!({ "data": { "b": "2" } }))).await;
    side.put(&map, with(config_map("a"), json!({ "data": { "b": "2" } }))).await;
    let stale = json!({ "metadata": { "resourceVersion": first.version() } });
    side.put(&map, with(config_map("a"), stale.clone())).await;
    let current = side.get(&map).await;
    side.put(&map, with(current.body.clone(), json!({ "data": { "c": "3" } }))).await;
    side.put(&map, with(config_map("a"), json!({ "metadata": { "uid": "another" } }))).await;
    side.put(&map, config_map("b")).await;
    side.put(&map, with(config_map("a"), json!({ "metadata": { "name": null } }))).await;
    side.put(&map, with(config_map("a"), json!({ "metadata": { "namespace": "elsewhere" } }))).await;
    side.put(&map, with(config_map("a"), json!({ "kind": "Secret" }))).await;
    side.put(&format!("{maps}/absent"), config_map("absent")).await;
    // A kind that an update creates, and that an update must name a version of.
    let lease = |name: &str| {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": name },
            "spec": { "holderIdentity": "me" },
        })
    };
    let made = side.put(&format!("{leases}/a"), lease("a")).await;
    side.put(&format!("{leases}/a"), lease("a")).await;
    side.put(&format!("{leases}/a"), with(made.body.clone(), json!({ "spec": { "leaseTransitions": 2 } })))
        .await;
    side.put(&format!("{leases}/a"), made.body.clone()).await;
    // Custom resources.
    let path = format!("{groups}/a");
    let first = side.post(&groups, group("a")).await;
    side.put(&path, group("a")).await;
    side.put(&path, with(first.body.clone(), json!({ "spec": { "minMember": 3 } }))).await;
    side.put(&path, first.body.clone()).await;
    let current = side.get(&path).await;
    side.put(&path, current.body.clone()).await;
    let owned =
        json!({ "metadata": { "generation": 70, "creationTimestamp": null }, "spec": { "minMember": 4 } });
    let current = side.put(&path, with(current.body, owned)).await;
    side.put(&path, with(current.body.clone(), json!({ "metadata": { "uid": "another" } }))).await;
    side.put(&path, with(current.body.clone(), json!({ "metadata": { "labels": { "a": "b" } } }))).await;
    let current = side.get(&path).await;
    side.put(&path, with(current.body.clone(), json!({ "status": { "phase": "Running" } }))).await;
    side.put(&format!("{groups}/absent"), group("absent")).await;
    side.put(&format!("{pods}/absent"), pod("absent")).await;
}

/// Defaults of built-in kinds.
pub(crate) async fn built_in_kinds(side: &mut Side) {
    let here = side.namespace.clone();
    // Not those that controllers of the real one write to at once: claims, volumes, budgets.
    let path = |group: &str, plural: &str| match plural {
        "priorityclasses" | "storageclasses" | "csinodes" => format!("{group}/{plural}"),
        _ => format!("{group}/namespaces/{here}/{plural}"),
    };
    for (group, plural, object) in [
        ("/apis/scheduling.k8s.io/v1", "priorityclasses", json!({ "kind": "PriorityClass", "value": 5 })),
        (
            "/apis/storage.k8s.io/v1",
            "storageclasses",
            json!({ "kind": "StorageClass", "provisioner": "a.b/c" }),
        ),
        (
            "/apis/storage.k8s.io/v1",
            "csinodes",
            json!({ "kind": "CSINode", "spec": { "drivers": [{ "name": "a.b", "nodeID": "n" }] } }),
        ),
        (
            "/apis/apps/v1",
            "controllerrevisions",
            json!({ "kind": "ControllerRevision", "revision": 1, "data": { "a": 1 } }),
        ),
        (
            "/api/v1",
            "services",
            json!({ "kind": "Service", "spec": {
            "clusterIP": "None", "selector": { "a": "b" }, "ports": [{ "port": 80 }],
        } }),
        ),
        (
            "/api/v1",
            "events",
            json!({ "kind": "Event", "involvedObject": { "namespace": here, "kind": "Pod", "name": "x" } }),
        ),
        ("/api/v1", "secrets", json!({ "kind": "Secret" })),
    ] {
        let collection = path(group, plural);
        let name = if collection.contains("/namespaces/") { "a".to_owned() } else { format!("{here}-a") };
        let version = group.trim_start_matches("/apis/").trim_start_matches("/api/");
        let named = json!({ "apiVersion": version, "metadata": { "name": name } });
        side.post(&collection, with(object, named)).await;
        let one = format!("{collection}/{name}");
        side.patch(&one, MERGE, json!({ "metadata": { "labels": { "a": "b" } } })).await;
        side.delete(&one, Value::Null).await;
    }
}

pub(crate) async fn status(side: &mut Side) {
    let pods = side.path("pods");
    let path = format!("{pods}/a");
    let first = side.post(&pods, pod("a")).await;
    side.patch(&path, MERGE, json!({ "status": { "phase": "Running" } })).await;
    let status = json!({ "status": { "phase": "Running" }, "spec": { "activeDeadlineSeconds": 5 } });
    side.put(&format!("{path}/status"), with(first.body, status)).await;
    let condition = json!({ "status": { "conditions": [{ "type": "A", "status": "True" }] } });
    side.patch(&format!("{path}/status"), MERGE, condition).await;
    let both = json!({ "metadata": { "labels": { "a": "b" } }, "status": { "message": "m" } });
    side.patch(&format!("{path}/status"), MERGE, both).await;
    side.patch(&format!("{path}/status"), MERGE, json!({ "metadata": { "uid": "another" } })).await;
    side.get(&path).await;
    // A custom resource with a status subresource.
    let queues = "/apis/scheduling.volcano.sh/v1beta1/queues";
    let name = format!("{}-q", side.namespace);
    let path = format!("{queues}/{name}");
    let queue = json!({
        "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "Queue", "metadata": { "name": name },
        "spec": { "weight": 2 }, "status": { "state": "Open" },
    });
    let first = side.post(queues, queue).await;
    let all = json!({
        "metadata": { "labels": { "a": "b" } }, "spec": { "weight": 5 }, "status": { "state": "Open", "unknown": 1 },
    });
    side.put(&format!("{path}/status"), with(first.body, all)).await;
    let some = json!({
        "metadata": { "annotations": { "a": "b" } }, "spec": { "weight": 9 }, "status": { "running": 3 },
    });
    side.patch(&format!("{path}/status"), MERGE, some).await;
    side.patch(&path, MERGE, json!({ "status": { "running": 5 } })).await;
    side.patch(&path, MERGE, json!({ "spec": { "weight": 5 } })).await;
    side.get(&format!("{path}/status")).await;
    side.delete(&path, Value::Null).await;
}

/// Defaults and validation by the CustomResourceDefinitions.
pub(crate) async fn custom_resources(side: &mut Side) {
    let (groups, servings) = (side.path("podgroups"), side.path("modelservings"));
    for (name, more) in [
        ("a", json!({ "spec": { "minMember": null, "queue": null } })),
        ("b", json!({ "spec": { "unknown": 1, "networkTopology": {} }, "other": true })),
        ("c", json!({ "spec": { "minMember": "one" } })),
        ("d", json!({ "spec": { "minMember": 1.5 } })),
        ("e", json!({ "spec": null })),
        ("f", json!({ "spec": { "networkTopology": { "mode": "medium" } } })),
        ("g", json!({ "spec": { "networkTopology": { "mode": "hard", "highestTierAllowed": 2 } } })),
        ("h", json!({ "status": { "phase": "Weird" } })),
        ("i", json!({ "status": null, "spec": { "minResources": { "cpu": 1, "memory": "1Gi" } } })),
        (
            "j",
            json!({ "spec": { "subGroupPolicy": [{ "name": "s", "subGroupSize": 2, "minSubGroups": 1 }] } }),
        ),
        ("k", json!({ "spec": [] })),
    ] {
        side.post(&groups, with(group(name), more)).await;
    }
    side.patch(&format!("{groups}/g"), MERGE, json!({ "spec": { "minMember": null } })).await;
    side.patch(&format!("{groups}/g"), MERGE, json!({ "spec": { "minMember": "x" } })).await;
    side.patch(&format!("{groups}/g"), MERGE, json!({ "spec": { "networkTopology": { "mode": "soft" } } }))
        .await;
    side.patch(&format!("{groups}/g"), MERGE, json!({ "spec": null })).await;
    let template = json!({ "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    let role = |name: &str| {
        json!({
            "name": name, "replicas": 1, "entryTemplate": template, "workerReplicas": 1, "workerTemplate": template,
        })
    };
    let serving = |name: &str, roles: Value| {
        json!({
            "apiVersion": "workload.serving.volcano.sh/v1alpha1", "kind": "ModelServing",
            "metadata": { "name": name },
            "spec": { "replicas": 1, "template": { "roles": roles } },
        })
    };
    let one = json!([role("a")]);
    side.post(&servings, serving("a", one.clone())).await;
    side.post(&servings, serving("b", json!([]))).await;
    side.post(&servings, serving("c", json!([role("a"), role("a")]))).await;
    side.post(&servings, serving("d", json!([role("a"), role("b"), role("c"), role("d"), role("e")]))).await;
    side.post(&servings, serving("e", json!([role("a-name-that-is-too-long")]))).await;
    for (name, more) in [
        ("f", json!({ "spec": { "template": null } })),
        ("g", json!({ "spec": { "recoveryPolicy": "Never" } })),
        ("h", json!({ "spec": { "replicas": "two" } })),
        ("i", json!({ "spec": { "schedulerName": "me", "unknown": {} } })),
        ("j", json!({ "spec": { "template": { "gangPolicy": { "minRoleReplicas": { "a": 1 } } } } })),
        (
            "k",
            json!({ "spec": { "template": { "networkTopology": { "groupPolicy": { "mode": "hard" } } } } }),
        ),
        ("l", json!({ "spec": null })),
    ] {
        side.post(&servings, with(serving(name, one.clone()), more)).await;
    }
    let path = format!("{servings}/j");
    side.patch(
        &path,
        MERGE,
        json!({ "spec": { "template": { "gangPolicy": { "minRoleReplicas": { "a": 2 } } } } }),
    )
    .await;
    side.patch(&path, MERGE, json!({ "spec": { "template": { "gangPolicy": null } } })).await;
    side.patch(&path, MERGE, json!({ "spec": { "replicas": 3 } })).await;
    let hyper_nodes = "/apis/topology.volcano.sh/v1alpha1/hypernodes";
    let hyper_node = |name: &str, members: Value| {
        json!({
            "apiVersion": "topology.volcano.sh/v1alpha1", "kind": "HyperNode",
            "metadata": { "name": name }, "spec": { "tier": 1, "members": members },
        })
    };
    let prefix = side.namespace.clone();
    let member = |selector: Value| json!([{ "type": "Node", "selector": selector }]);
    for (index, members) in [
        json!([]),
        member(json!({ "exactMatch": { "name": "n" } })),
        member(json!({})),
        member(json!({ "exactMatch": { "name": "n" }, "regexMatch": { "pattern": "n" } })),
        json!([{ "type": "Rack", "selector": { "exactMatch": { "name": "n" } } }]),
        json!([{ "selector": { "exactMatch": { "name": "n" } } }]),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{prefix}-{index}");
        side.post(hyper_nodes, hyper_node(&name, members)).await;
        side.delete(&format!("{hyper_nodes}/{name}"), Value::Null).await;
    }
}
