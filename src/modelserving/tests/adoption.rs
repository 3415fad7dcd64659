//! Taking over an installation of upstream's controller: not a single pod is restarted.

use super::world::{World, role};
use crate::api::keys;
use crate::modelserving::revision::likeness::likenesses;
use crate::modelserving::{ObjectRef, ObservedRevision, role_hash, roles_hash};
use serde_json::{Value, json};

const REVISION: &str = "5d4956ff79";
const HASH: &str = "5b7bf59999";

/// A ControllerRevision as Go writes it: quantities as texts, empty objects, fields that the schema filled in.
fn written_by_go(revision: &str, image: &str) -> ObservedRevision {
    let mut data = roles(image);
    for role in data.as_array_mut().unwrap() {
        role["maxUnavailable"] = 1.into();
        for template in ["entryTemplate", "workerTemplate"] {
            let container = &mut role[template]["spec"]["containers"][0];
            container["resources"] = json!({"requests": {"cpu": "125"}});
            container["ports"] = json!([{"containerPort": 80, "protocol": "TCP"}]);
            role[template]["metadata"] = json!({});
        }
    }
    ObservedRevision::from_json(&json!({
        "metadata": {
            "name": format!("ms-{revision}"),
            "uid": format!("uid-{revision}"),
            "labels": {(keys::MODEL_SERVING_REVISION): revision},
            "ownerReferences": [{"uid": "uid-ms", "controller": true}],
        },
        "data": {"data": data},
        "revision": 1,
    }))
}

fn roles(image: &str) -> Value {
    let mut role = role("a", 2, 1, image);
    for template in ["entryTemplate", "workerTemplate"] {
        let container = &mut role[template]["spec"]["containers"][0];
        container["resources"] = json!({"requests": {"cpu": 125}});
        container["ports"] = json!([{"containerPort": 80}]);
    }
    json!([role])
}

/// Two groups that upstream made; its status speaks of them.
fn installation() -> World {
    let mut world = World::running(roles("old"), json!({"replicas": 2}));
    for pod in &mut world.pods {
        (pod.revision, pod.role_hash) = (REVISION.into(), HASH.into());
    }
    world.revisions = vec![written_by_go(REVISION, "old")];
    for label in [&mut world.object.status.current_revision, &mut world.object.status.update_revision] {
        REVISION.clone_into(label);
    }
    world.memory = None;
    world
}

fn untouched(world: &World, before: &World) {
    assert_eq!(world.pods, before.pods);
    assert_eq!(world.object.status.update_revision, REVISION);
}

#[test]
fn everything_in_place() {
    let before = installation();
    assert!(before.next().is_empty(), "{:?}", before.next());
    let mut world = before.clone();
    world.run();
    untouched(&world, &before);
}

/// Upstream never creates a ControllerRevision when it rolls roles, and prunes the others: then the status is the witness.
#[test]
fn without_a_controller_revision() {
    let mut before = installation();
    before.revisions.clear();
    assert_eq!(before.next(), [format!("+ControllerRevision ms-{REVISION}")]);
    let mut world = before.clone();
    world.run();
    untouched(&world, &before);
}

/// Its content need not look like ours, as long as the status vouches for it; it is written anew, so that later edits compare.
#[test]
fn with_a_controller_revision_that_reads_differently() {
    let mut before = installation();
    before.revisions = vec![written_by_go(REVISION, "mangled")];
    assert_eq!(
        before.next(),
        [format!("-ControllerRevision ms-{REVISION}"), format!("+ControllerRevision ms-{REVISION}")]
    );
    let mut world = before.clone();
    world.run();
    untouched(&world, &before);
    world.edit(|object| object.spec.replicas = Some(3));
    world.run();
    assert!(before.pods.iter().all(|pod| world.pods.contains(pod)));
}

/// The spec was edited while nobody looked: only what changed rolls.
#[test]
fn edits_in_between() {
    let before = installation();
    let mut scaled = before.clone();
    scaled.edit(|object| object.spec.replicas = Some(3));
    scaled.run();
    assert!(before.pods.iter().all(|pod| scaled.pods.contains(pod)));
    assert_eq!(scaled.pod("ms-2-a-0-0").revision, REVISION, "the label stays, as long as it means the same");
    let hash = scaled.pod("ms-2-a-0-0").role_hash.clone();
    assert_eq!(hash, role_hash(&scaled.object.spec.template.roles[0]));

    let mut changed = before.clone();
    changed.set_image("new");
    changed.run();
    assert!(before.pods.iter().all(|pod| !changed.pods.contains(pod)));
    let revision = &changed.object.status.update_revision;
    assert_eq!(*revision, roles_hash(&changed.object.spec.template.roles));
}

/// A rollout that upstream was in the middle of goes on where it was.
#[test]
fn in_the_middle_of_a_rollout() {
    let mut world = installation();
    world.revisions.push(written_by_go("6f9d8c7b54", "new"));
    world.object.status.update_revision = "6f9d8c7b54".to_owned();
    world.set_image("new");
    world.object.status.observed_generation = world.object.metadata.generation;
    for index in 0..world.pods.len() {
        let pod = &mut world.pods[index];
        if pod.object.name.starts_with("ms-1") {
            (pod.revision, pod.role_hash) = ("6f9d8c7b54".into(), "7c7d6f5444".into());
        }
    }
    let new: Vec<String> =
        world.pods.iter().filter(|p| p.revision != REVISION).map(|p| p.object.uid.clone()).collect();
    world.run();
    assert!(new.iter().all(|uid| world.pods.iter().any(|pod| pod.object.uid == *uid)));
    assert!(world.pods.iter().all(|pod| pod.revision == "6f9d8c7b54"));
    assert_eq!(world.object.status.current_revision, "6f9d8c7b54");
}

/// Roles that upstream rolled one by one: pods of the role that stayed carry a revision that nobody remembers. What cannot be
/// found out is no reason to restart it.
#[test]
fn labels_that_nobody_remembers() {
    let mut before = installation();
    before.object.spec.rollout_strategy =
        Some(serde_json::from_value(json!({"type": "RoleRollingUpdate"})).unwrap());
    for pod in &mut before.pods {
        pod.revision = "44fb66c777".into();
    }
    let mut world = before.clone();
    world.run();
    untouched(&world, &before);
    // Pods of controllers before v0.4 have no role hash at all.
    for pod in &mut before.pods {
        pod.role_hash = "".into();
    }
    let mut world = before.clone();
    world.run();
    untouched(&world, &before);
}

/// What somebody else owns is no revision of ours.
#[test]
fn revisions_of_others() {
    let mut world = installation();
    world.revisions[0].object = ObjectRef { owner: "another".into(), ..world.revisions[0].object.clone() };
    let outcome = world.reconcile();
    assert!(outcome.changes.is_empty());
    assert_eq!(outcome.wake_at, None, "that it goes is observed");
}

/// Labels that an earlier release wrote, in twelve letters: a template that its ControllerRevision holds keeps its name, for
/// new pods too, and nothing rolls.
#[test]
fn labels_of_earlier_releases_stay() {
    let mut before = World::running(roles("old"), json!({"replicas": 2}));
    let revision = &mut before.revisions[0];
    let (all, each) = likenesses(&before.object.spec.template.roles);
    revision.revision = all.clone();
    revision.object.name = format!("ms-{all}");
    for pod in &mut before.pods {
        (pod.revision, pod.role_hash) = (all.as_str().into(), each[0].as_str().into());
    }
    for label in [&mut before.object.status.current_revision, &mut before.object.status.update_revision] {
        all.clone_into(label);
    }
    before.memory = None;
    assert!(before.next().is_empty(), "{:?}", before.next());
    let mut world = before.clone();
    world.edit(|object| object.spec.replicas = Some(3));
    world.run();
    assert!(before.pods.iter().all(|pod| world.pods.contains(pod)));
    assert_eq!(world.pod("ms-2-a-0-0").revision, all);
    world.set_image("new");
    world.run();
    assert!(before.pods.iter().all(|pod| !world.pods.contains(pod)), "a change rolls them all the same");
    let wanted = roles_hash(&world.object.spec.template.roles);
    assert!(world.pods.iter().all(|pod| pod.revision == wanted));
}

/// A dump that was edited has the generation of before: the status vouches for what its label is known to stand for, not for
/// the edited spec.
#[test]
fn an_edit_without_a_new_generation_rolls() {
    let mut world = World::running(roles("old"), json!({"replicas": 2}));
    let before = world.pods.clone();
    world.set_image("new");
    world.object.metadata.generation = world.object.status.observed_generation;
    world.run();
    assert!(before.iter().all(|pod| !world.pods.contains(pod)));
}

/// Deleted with `--cascade=orphan` and made again: it takes what was left behind, and restarts nothing.
#[test]
fn orphans_are_adopted() {
    let mut world = World::running(roles("old"), json!({"replicas": 2}));
    world.object.metadata.uid = "uid-again".to_owned();
    world.object.status = Default::default();
    world.memory = None;
    let orphan = |object: &mut ObjectRef| {
        (object.owner, object.orphan_of) = ("".into(), Some("ms".into()));
    };
    world.pods.iter_mut().for_each(|one| orphan(&mut one.object));
    world.pod_groups.iter_mut().for_each(|one| orphan(&mut one.object));
    world.services.iter_mut().for_each(|one| orphan(&mut one.object));
    world.revisions.iter_mut().for_each(|one| orphan(&mut one.object));
    let uids: Vec<String> = world.pods.iter().map(|pod| pod.object.uid.clone()).collect();
    assert!(world.next().iter().all(|change| change.starts_with('&')), "{:?}", world.next());
    world.run();
    assert_eq!(world.pods.iter().map(|pod| pod.object.uid.clone()).collect::<Vec<_>>(), uids);
    assert!(world.pods.iter().all(|pod| pod.object.owner == "uid-again".into()));
    assert_eq!(world.object.status.available_replicas, 2);
    // Left behind by one of another name, or owned by somebody: not ours.
    let mut other = World::of(roles("old"), json!({}));
    let mut pod = world.pods[0].clone();
    pod.object.owner = "".into();
    pod.object.orphan_of = Some("another".into());
    other.pods.push(pod);
    other.settle();
    let message = &other.object.status.conditions[0].message;
    assert!(message.contains("belongs to another owner"), "{message}");
}
