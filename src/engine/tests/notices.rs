//! What objects ask for and do not get is told on them, once.

use super::*;
use crate::api::keys;

/// The live pace, both halves on, everything listed and no record of a predecessor.
fn driven() -> Driven {
    let mut driven = Driven::paced(SchedulerConfig::default(), true, true, Pace::Considerate);
    driven.go_on();
    driven
}

impl Driven {
    /// After so many seconds.
    fn wait(&mut self, seconds: u64) {
        self.now.elapsed += Duration::from_secs(seconds);
        self.now.wall += Duration::from_secs(seconds);
        self.go_on();
    }

    /// Objects and codes of the events so far.
    fn told(&self) -> Vec<(String, &str)> {
        self.notes.iter().map(|note| (format!("{}/{}", note.kind, note.name), &*note.reason)).collect()
    }
}

fn check(driven: &Driven, expect: &[(&str, &str)]) {
    let expect: Vec<(String, &str)> = expect.iter().map(|(name, code)| ((*name).to_owned(), *code)).collect();
    assert_eq!(driven.told(), expect, "{:#?}", driven.notes);
}

fn pod(name: &str, metadata: Value, limits: Value) -> Value {
    let mut pod = json!({
        "metadata": { "name": name, "namespace": "n", "uid": format!("uid-{name}") },
        "spec": { "schedulerName": "volcano", "containers": [{ "name": "c", "resources": { "limits": limits } }] },
    });
    pod["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    pod
}

#[test]
fn a_mark_that_nobody_reads_is_told_once_for_each_controller() {
    let mut driven = driven();
    let mark = |owner: &str| {
        let owner = json!([{ "kind": "Job", "name": owner, "uid": owner, "controller": true }]);
        json!({ "labels": { "pod-group.scheduling.sigs.k8s.io": "g" }, "ownerReferences": owner })
    };
    for (name, owner) in [("a-0", "a"), ("a-1", "a"), ("b-0", "b"), ("a-0", "a")] {
        driven.observe(Kind::Pod, pod(name, mark(owner), json!({})));
    }
    check(&driven, &[("Pod/a-0", "GangMarkNotRead"), ("Pod/b-0", "GangMarkNotRead")]);
    driven.observe(Kind::Pod, pod("share", json!({}), json!({ "volcano.sh/vgpu-memory": 20_000 })));
    driven.observe(Kind::Pod, pod("plain", json!({}), json!({ "nvidia.com/gpu": 8 })));
    assert_eq!(driven.told()[2..], [("Pod/share".to_owned(), "SharesNotCountedByCard")]);
}

#[test]
fn pods_of_other_schedulers_are_not_told_of() {
    let mut driven = driven();
    let mut other = pod("o", json!({ "labels": { "pod-group.scheduling.sigs.k8s.io": "g" } }), json!({}));
    other["spec"]["schedulerName"] = json!("default-scheduler");
    driven.observe(Kind::Pod, other);
    check(&driven, &[]);
}

#[test]
fn a_field_that_a_template_has_in_vain_is_told_on_the_model_serving() {
    let mut driven = driven();
    let mut object = serving("u");
    object["spec"]["template"]["roles"][0]["entryTemplate"]["spec"]["nodeselector"] = json!({ "a": "b" });
    driven.observe(Kind::ModelServing, object.clone());
    driven.observe(Kind::ModelServing, object);
    let told: Vec<&Note> = driven.notes.iter().filter(|note| note.reason == "UnknownField").collect();
    assert_eq!(told.len(), 1, "{:#?}", driven.notes);
    let expect =
        "spec.template.roles[0].entryTemplate.spec.nodeselector: is not a field; did you mean nodeSelector?";
    assert_eq!(told[0].message, expect);
}

/// It may come a moment later.
#[test]
fn a_priority_class_that_is_missing_is_told_when_it_has_been_for_a_while() {
    let group = json!({
        "apiVersion": keys::SCHEDULING_V1BETA1, "kind": "PodGroup",
        "metadata": { "name": "g", "namespace": "n", "uid": "g" },
        "spec": { "minMember": 1, "priorityClassName": "urgent" },
    });
    let class = json!({ "metadata": { "name": "urgent" }, "value": 7 });
    let mut late = driven();
    late.observe(Kind::PodGroup, group.clone());
    late.go_on();
    late.observe(Kind::PriorityClass, class);
    late.wait(60);
    late.wait(60);
    check(&late, &[]);
    let mut missing = driven();
    missing.observe(Kind::PodGroup, group);
    missing.wait(31);
    check(&missing, &[]);
    missing.wait(31);
    missing.wait(31);
    check(&missing, &[("PodGroup/g", "PriorityClassNotFound")]);
}

/// A PodGroup all of whose pods ask for a name that is nearly ours: it was left alone as another scheduler's.
#[test]
fn a_gang_whose_pods_all_ask_for_a_misspelt_scheduler_is_told() {
    let mut driven = driven();
    let group = json!({
        "metadata": { "name": "g", "namespace": "n", "uid": "g" }, "spec": { "minMember": 2 },
    });
    driven.observe(Kind::PodGroup, group);
    for name in ["a", "b"] {
        let annotations = json!({ "annotations": { "scheduling.k8s.io/group-name": "g" } });
        let mut pod = pod(name, annotations, json!({}));
        pod["spec"]["schedulerName"] = json!("volcanoo");
        driven.observe(Kind::Pod, pod);
    }
    driven.go_on();
    driven.wait(2);
    let said = "2 pods ask for scheduler volcanoo; this scheduler answers to volcano";
    let event = driven.notes.iter().find(|note| note.kind == "PodGroup").expect("an event");
    assert_eq!(event.message, format!("OtherScheduler: {said}"));
    let status = driven.sent.iter().find(|(_, request)| request.kind == Kind::PodGroup).expect("a status");
    assert!(status.1.body.to_string().contains(said), "{}", status.1.body);
}
