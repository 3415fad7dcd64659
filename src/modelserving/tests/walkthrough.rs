//! The walkthrough's manifest, against what upstream's controller made of it on a real API server. Where ours differs on
//! purpose, the test says so.

use super::world::{World, role};
use crate::api::core::Pod;
use crate::api::pod_group::PodGroup;
use crate::modelserving::{Change, Kind, ObservedPod, role_hash, roles_hash};
use serde_json::{Value, json};

fn walkthrough() -> World {
    World::new(serde_saphyr::from_str(include_str!("llama-multinode.yaml")).unwrap())
}

fn created(changes: &[Change], kind: Kind) -> Vec<Value> {
    let object = |change: &Change| match change {
        Change::Create(created) if created.kind == kind => Some(created.object()),
        _ => None,
    };
    changes.iter().filter_map(object).collect()
}

fn owner() -> Value {
    json!({
        "apiVersion": "workload.serving.volcano.sh/v1alpha1", "kind": "ModelServing", "name": "llama-multinode",
        "uid": "uid-ms", "controller": true, "blockOwnerDeletion": true,
    })
}

#[test]
fn order_of_creation() {
    let changes = walkthrough().reconcile().changes;
    let list: Vec<(Kind, &str)> = changes.iter().map(|change| (change.kind(), change.name())).collect();
    let revision = changes[0].name();
    assert_eq!(
        list,
        [
            (Kind::ControllerRevision, revision),
            (Kind::PodGroup, "llama-multinode-0"),
            (Kind::Pod, "llama-multinode-0-405b-0-0"),
            (Kind::Pod, "llama-multinode-0-405b-0-1"),
            (Kind::Pod, "llama-multinode-0-405b-1-0"),
            (Kind::Pod, "llama-multinode-0-405b-1-1"),
            (Kind::Service, "llama-multinode-0-405b-0-0"),
            (Kind::Service, "llama-multinode-0-405b-1-0"),
        ]
    );
}

#[test]
fn pods() {
    let world = walkthrough();
    let changes = world.reconcile().changes;
    let pods = created(&changes, Kind::Pod);
    let revision = changes[0].name().strip_prefix("llama-multinode-").unwrap();
    let hash = pods[0]["metadata"]["labels"]["modelserving.volcano.sh/role-template-hash"].as_str().unwrap();
    let roles = &world.object.spec.template.roles;
    assert_eq!((revision, hash), (roles_hash(roles).as_str(), role_hash(&roles[0]).as_str()));
    for (pod, (replica, index)) in pods.iter().zip([(0, 0), (0, 1), (1, 0), (1, 1)]) {
        let mut labels = json!({
            "modelserving.volcano.sh/name": "llama-multinode",
            "modelserving.volcano.sh/group-name": "llama-multinode-0",
            "modelserving.volcano.sh/role": "405b",
            "modelserving.volcano.sh/role-id": format!("405b-{replica}"),
            "modelserving.volcano.sh/revision": revision,
            "modelserving.volcano.sh/role-template-hash": hash,
        });
        if index == 0 {
            labels["modelserving.volcano.sh/entry"] = "true".into();
        }
        let metadata = json!({
            "name": format!("llama-multinode-0-405b-{replica}-{index}"),
            "namespace": "default",
            "labels": labels,
            "annotations": {
                "scheduling.k8s.io/group-name": "llama-multinode-0",
                "volcano.sh/task-spec": format!("405b-{replica}"),
            },
            "ownerReferences": [owner()],
        });
        assert_eq!(pod["metadata"], metadata);
        assert_eq!(pod["spec"]["schedulerName"], "volcano");
        // Upstream appends these three; here they come first, so that the template's own can refer to them.
        let environment = json!([
            {"name": "GROUP_SIZE", "value": "2"},
            {"name": "ENTRY_ADDRESS", "value": format!("llama-multinode-0-405b-{replica}-0.default")},
            {"name": "WORKER_INDEX", "value": index.to_string()},
            {"name": "HUGGING_FACE_HUB_TOKEN",
             "valueFrom": {"secretKeyRef": {"key": "HUGGING_FACE_HUB_TOKEN", "name": "hf-token"}}},
        ]);
        assert_eq!(pod["spec"]["containers"][0]["env"], environment);
        // The rest of the spec is the template's, verbatim.
        let role = &world.object.spec.template.roles[0];
        let template = if index == 0 { &role.entry_template } else { role.worker_template.as_ref().unwrap() };
        let mut spec = pod["spec"].clone();
        spec.as_object_mut().unwrap().remove("schedulerName");
        spec["containers"][0]["env"] = json!([environment[3]]);
        assert_eq!(&spec, &Value::Object(template.spec.clone().unwrap()));
    }
}

#[test]
fn pod_group() {
    let changes = walkthrough().reconcile().changes;
    let Change::CreatePodGroup(pod_group) = &changes[1] else { panic!("{:?}", changes[1]) };
    let mut owner = owner();
    owner.as_object_mut().unwrap().remove("blockOwnerDeletion");
    let expect: PodGroup = serde_json::from_value(json!({
        "metadata": {
            "name": "llama-multinode-0",
            "namespace": "default",
            "labels": {
                "modelserving.volcano.sh/name": "llama-multinode",
                "modelserving.volcano.sh/group-name": "llama-multinode-0",
            },
            "annotations": {"scheduling.k8s.io/group-name": "llama-multinode-0"},
            "ownerReferences": [owner],
        },
        "spec": {
            "minMember": 2,
            // Upstream counts requests alone: no memory and no GPU, which only limits name.
            "minResources": {"cpu": "250", "ephemeral-storage": "1600Gi", "memory": "2248Gi", "nvidia.com/gpu": "16"},
            "subGroupPolicy": [{
                "name": "405b",
                "subGroupSize": 2,
                "minSubGroups": 1,
                "labelSelector": {"matchLabels": {
                    "modelserving.volcano.sh/name": "llama-multinode",
                    "modelserving.volcano.sh/role": "405b",
                }},
                "matchLabelKeys": ["modelserving.volcano.sh/role-id"],
            }],
        },
    }))
    .unwrap();
    assert_eq!(**pod_group, expect);
}

#[test]
fn services_and_revision() {
    let world = walkthrough();
    let changes = world.reconcile().changes;
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "llama-multinode-0-405b-1-0",
            "namespace": "default",
            "labels": {
                "modelserving.volcano.sh/name": "llama-multinode",
                "modelserving.volcano.sh/group-name": "llama-multinode-0",
                "modelserving.volcano.sh/role": "405b",
                "modelserving.volcano.sh/role-id": "405b-1",
            },
            "ownerReferences": [owner()],
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": {
                "modelserving.volcano.sh/group-name": "llama-multinode-0",
                "modelserving.volcano.sh/role": "405b",
                "modelserving.volcano.sh/role-id": "405b-1",
                "modelserving.volcano.sh/entry": "true",
            },
        },
    });
    assert_eq!(created(&changes, Kind::Service)[1], service);
    let revision = &created(&changes, Kind::ControllerRevision)[0];
    let label = revision["metadata"]["labels"]["modelserving.volcano.sh/revision"].as_str().unwrap();
    let mut roles = json!(world.object.spec.template.roles);
    for template in ["entryTemplate", "workerTemplate"] {
        // As Go writes it.
        roles[0][template]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "125".into();
    }
    let expect = json!({
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": format!("llama-multinode-{label}"),
            "namespace": "default",
            "labels": {"modelserving.volcano.sh/name": "llama-multinode", "modelserving.volcano.sh/revision": label},
            "ownerReferences": [owner()],
        },
        "data": {"data": roles},
        "revision": 1,
    });
    assert_eq!(revision, &expect);
}

/// 8.4: what the status says from creation to service.
#[test]
fn status_and_events() {
    let mut world = walkthrough();
    world.settle();
    let status = &world.object.status;
    assert_eq!((status.replicas, status.available_replicas, status.observed_generation), (1, 0, 1));
    assert_eq!(status.conditions[0].message, "Some groups is progressing: [0]");
    world.run();
    let status = &world.object.status;
    let counts =
        (status.replicas, status.available_replicas, status.updated_replicas, status.current_replicas);
    assert_eq!(counts, (1, 1, 1, 1));
    assert_eq!(status.current_revision, status.update_revision);
    assert_eq!(
        status.label_selector,
        "modelserving.volcano.sh/entry=true,modelserving.volcano.sh/name=llama-multinode,\
         modelserving.volcano.sh/role-id=405b-0,modelserving.volcano.sh/role=405b"
    );
    let conditions: Vec<String> = status
        .conditions
        .iter()
        .map(|c| format!("{} {} {}: {}", c.type_, c.status, c.reason, c.message))
        .collect();
    // Upstream leaves reason and message of Progressing as they were when it was True.
    assert_eq!(
        conditions,
        [
            "Progressing False AllGroupsReady: All Serving groups are ready",
            "Available True AllGroupsReady: All Serving groups are ready",
        ]
    );
    let events: Vec<String> =
        world.events.iter().map(|event| format!("{} {}", event.reason, event.message)).collect();
    assert_eq!(
        events,
        [
            "RoleCreating Role 405b/405b-0 in ServingGroup llama-multinode-0 is now Creating",
            "RoleCreating Role 405b/405b-1 in ServingGroup llama-multinode-0 is now Creating",
            "ServingGroupCreating ServingGroup llama-multinode-0 is now Creating",
            "RoleRunning Role 405b/405b-0 in ServingGroup llama-multinode-0 is now Running",
            "RoleRunning Role 405b/405b-1 in ServingGroup llama-multinode-0 is now Running",
        ]
    );
}

#[test]
fn one_pass_is_enough() {
    let mut world = walkthrough();
    world.step();
    assert_eq!(world.reconcile().changes, []);
}

/// The world of these tests reads pods without building them; it must see what a cache would.
#[test]
fn what_is_read_of_a_shared_template_is_what_is_read_of_its_pod() {
    let mut one = role("a", 2, 1, "i");
    one["entryTemplate"]["metadata"] =
        json!({"annotations": {"controller.kubernetes.io/pod-deletion-cost": "7"}});
    for gangs in [true, false] {
        let mut world = World::of(json!([one, role("b", 1, 0, "i")]), json!({}));
        world.gangs = gangs;
        let mut seen = 0;
        for change in world.reconcile().changes {
            let Change::Create(mut created) = change else { continue };
            if created.kind != Kind::Pod {
                continue;
            }
            if seen % 2 == 0 {
                created.represent();
            }
            assert!(created.templated_pod().is_some());
            let pod: Pod = serde_json::from_value(created.object()).unwrap();
            assert_eq!(created.observed_pod(), Some(ObservedPod::from(&pod)));
            assert_eq!(created.object(), created.clone().into_object());
            let group = created.gang().map(|(namespace, group)| format!("{namespace}/{group}"));
            assert_eq!(group.as_deref(), gangs.then_some("default/ms-0"));
            seen += 1;
        }
        assert_eq!(seen, 5);
    }
}
