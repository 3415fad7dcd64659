//! ModelServings whose creations are refused, whose namespace goes, and that stand for LeaderWorkerSets.

use super::*;

impl Driven {
    fn later(&mut self, seconds: u64) {
        self.now.elapsed += Duration::from_secs(seconds);
        self.now.wall += Duration::from_secs(seconds);
        self.go_on();
    }

    /// Answers everything that is asked, creations with this code if it is one; returns what was asked.
    fn answer_all(&mut self, code: Option<u16>) -> Vec<Request> {
        let mut asked = Vec::new();
        while !self.sent.is_empty() {
            let body = self.sent[0].1.clone();
            self.answer(|request| match code {
                Some(code) if request.verb == Verb::Create => {
                    refused(code, "exceeded quota: gpus, used 8, limited 8")
                }
                _ => Answer::Done(request.body.clone()),
            });
            asked.push(body);
        }
        asked
    }
}

fn status_of(asked: &[Request]) -> String {
    let statuses = asked.iter().filter(|request| request.subresource == "status");
    statuses.map(|request| request.body.to_string()).collect()
}

/// A quota that refuses pods is said in the condition, asked again ever less often, and forgotten once it lets them through.
#[test]
fn refused_creations_are_said_on_the_object() {
    let mut driven = Driven::new(false, true);
    driven.observe(Kind::ModelServing, serving("first"));
    driven.go_on();
    driven.answer_all(Some(403));
    driven.go_on();
    assert!(driven.sent.is_empty(), "not at once: {:?}", driven.sent);
    driven.later(2);
    let asked = driven.answer_all(Some(403));
    assert!(status_of(&asked).contains("exceeded quota"), "{asked:?}");
    driven.later(1);
    assert!(driven.sent.is_empty(), "2 s after the second time: {:?}", driven.sent);
    driven.later(4);
    let asked = driven.answer_all(None);
    assert!(asked.iter().any(|request| request.verb == Verb::Create));
    let last = asked.iter().rfind(|request| request.subresource == "status").expect("its status");
    assert!(!last.body.to_string().contains("exceeded quota"), "{last:?}");
}

/// Nothing is asked for in a namespace that is being deleted.
#[test]
fn a_namespace_that_goes_is_left_alone() {
    let mut driven = Driven::new(false, true);
    let going = json!({ "metadata": { "name": "n", "deletionTimestamp": "2027-01-15T08:00:00Z" } });
    driven.observe(Kind::Namespace, going);
    driven.observe(Kind::ModelServing, serving("first"));
    driven.go_on();
    assert!(driven.sent.is_empty(), "{:?}", driven.sent);
    driven.observe(Kind::Namespace, json!({ "metadata": { "name": "n" } }));
    driven.go_on();
    assert!(!driven.sent.is_empty(), "another one of its name");
}

/// A mistake in what is worked out for one ModelServing is said on it and counted, and costs no other its turn: it is left alone
/// until its spec changes.
#[test]
fn a_panic_over_one_serving_stops_no_other() {
    let mut driven = Driven::new(false, true);
    driven.engine.families.serving.breaks.insert("m".to_owned());
    let mut other = serving("second");
    other["metadata"]["name"] = "other".into();
    driven.observe(Kind::ModelServing, serving("first"));
    driven.observe(Kind::ModelServing, other);
    driven.go_on();
    let names: Vec<String> = driven.created().into_iter().map(|(_, name)| name).collect();
    assert!(names.contains(&"other-0-prefill-0-0".to_owned()), "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("other-")), "{names:?}");
    let panicked = |driven: &Driven| {
        let of_m = |report: &&Report| **report == Report::Panicked("ModelServing n/m".to_owned());
        driven.reports.iter().filter(of_m).count()
    };
    assert_eq!(panicked(&driven), 1);
    let said: Vec<&Note> = driven.notes.iter().filter(|note| note.reason == "InternalError").collect();
    assert_eq!(said.len(), 1);
    assert!(said[0].name == "m" && said[0].message.contains("(panic: a mistake)"), "{said:?}");

    let pod = json!({
        "metadata": { "name": "m-0-prefill-0-0", "namespace": "n", "uid": "p", "labels": {
            "modelserving.volcano.sh/name": "m",
        } },
        "spec": { "containers": [{ "name": "c" }] },
    });
    driven.observe(Kind::Pod, pod);
    driven.later(700);
    assert_eq!(panicked(&driven), 1, "it is left alone");
    driven.engine.families.serving.breaks.clear();
    driven.later(700);
    assert!(driven.sent.is_empty(), "until its spec changes: {:?}", driven.sent);
    let mut changed = serving("first");
    changed["metadata"]["generation"] = 2.into();
    driven.observe(Kind::ModelServing, changed);
    driven.go_on();
    assert!(!driven.sent.is_empty());
}

fn set(size: i32) -> Value {
    let template = json!({ "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    json!({
        "metadata": { "name": "l", "namespace": "n", "uid": "set", "generation": 1 },
        "spec": { "replicas": 2, "leaderWorkerTemplate": { "size": size, "workerTemplate": template } },
    })
}

/// A LeaderWorkerSet becomes a ModelServing of its name that it owns, follows it, and gets its status.
#[test]
fn a_leader_worker_set_becomes_a_model_serving() {
    let mut driven = Driven::paced(SchedulerConfig::default(), false, true, Pace::Considerate);
    driven.observe(Kind::LeaderWorkerSet, set(2));
    driven.go_on();
    assert!(driven.sent.is_empty(), "another controller may begin");
    driven.later(3);
    let asked = driven.answer_all(None);
    let [create] = &*asked else { panic!("{asked:?}") };
    assert_eq!((create.verb, create.kind, &*create.name), (Verb::Create, Kind::ModelServing, "l"));
    assert_eq!(create.body["metadata"]["ownerReferences"][0]["uid"], "set");
    assert_eq!(create.body["spec"]["template"]["roles"][0]["workerReplicas"], 1);

    let mut serving = create.body.clone();
    serving["metadata"]["uid"] = "serving".into();
    serving["metadata"]["generation"] = 1.into();
    serving["status"] = json!({ "replicas": 2, "availableReplicas": 1, "observedGeneration": 1 });
    driven.observe(Kind::ModelServing, serving.clone());
    driven.later(3);
    let asked = driven.answer_all(None);
    let told = asked.iter().find(|request| request.kind == Kind::LeaderWorkerSet).expect("its status");
    assert_eq!(told.body[1]["value"]["readyReplicas"], 1, "{:?}", told.body);

    driven.observe(Kind::LeaderWorkerSet, set(4));
    driven.go_on();
    let asked = driven.answer_all(None);
    let follow =
        asked.iter().find(|request| request.kind == Kind::ModelServing && request.subresource.is_empty());
    let follow = follow.unwrap_or_else(|| panic!("{asked:?}"));
    assert_eq!(follow.body[1]["value"]["template"]["roles"][0]["workerReplicas"], 3);
    driven.later(60);
    let again = driven.answer_all(None);
    let again =
        again.iter().filter(|request| request.kind == Kind::ModelServing && request.subresource.is_empty());
    assert_eq!(again.count(), 0, "asked once, whatever became of it");
}

/// One that another controller runs has pods of that one's making.
#[test]
fn a_leader_worker_set_that_runs_elsewhere_is_left_alone() {
    let mut driven = Driven::new(false, true);
    driven.observe(Kind::LeaderWorkerSet, set(2));
    let pod = json!({
        "metadata": { "name": "l-0", "namespace": "n", "uid": "p", "labels": { "leaderworkerset.sigs.k8s.io/name": "l" } },
        "spec": { "containers": [{ "name": "c" }] },
    });
    driven.observe(Kind::Pod, pod);
    driven.later(30);
    assert!(driven.sent.is_empty(), "{:?}", driven.sent);
}

/// PodGroups of one batch are created one after the other: the order in which they come is that of their gangs' turns.
#[test]
fn groups_come_in_order() {
    let mut driven = Driven::new(false, true);
    let mut many = serving("first");
    many["spec"]["replicas"] = 4.into();
    driven.observe(Kind::ModelServing, many);
    driven.go_on();
    let mut groups = Vec::new();
    while !driven.sent.is_empty() {
        let out = driven.sent.iter().filter(|(_, request)| request.kind == Kind::PodGroup).count();
        assert!(out < 2, "{:?}", driven.sent);
        let request = driven.answer(|request| Answer::Done(request.body.clone()));
        groups.extend((request.kind == Kind::PodGroup).then_some(request.name));
    }
    assert_eq!(groups, ["m-0", "m-1", "m-2", "m-3"]);
}
