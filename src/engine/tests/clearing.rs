//! Others leave so that a gang gets their room: written down first, asked for one by one, finished or dropped whatever happens.

use super::*;

/// A node of two GPUs, held by a gang of two in a queue that is promised nothing; two more are promised to the queue of a gang that
/// waits.
fn full() -> Driven {
    let mut driven = Driven::new(true, false);
    objects(&mut driven);
    driven
}

fn objects(driven: &mut Driven) {
    let gpus = |count: &str| json!({ "nvidia.com/gpu": count, "pods": "20" });
    driven.observe(
        Kind::Node,
        json!({ "metadata": { "name": "node" }, "status": { "allocatable": gpus("2"),
                "conditions": [{ "type": "Ready", "status": "True" }] } }),
    );
    for (name, deserved) in [("lender", "0"), ("owner", "2")] {
        let deserved = json!({ "nvidia.com/gpu": deserved });
        driven
            .observe(Kind::Queue, json!({ "metadata": { "name": name }, "spec": { "deserved": deserved } }));
    }
    for (name, queue) in [("lent", "lender"), ("claims", "owner")] {
        group(driven, name, queue, 2);
        for index in 0..2 {
            pod(driven, name, index, (name == "lent").then_some("node"));
        }
    }
}

fn group(driven: &mut Driven, name: &str, queue: &str, minimum: u32) {
    driven.observe(
        Kind::PodGroup,
        json!({ "metadata": { "name": name, "namespace": "n", "uid": name, "resourceVersion": "1",
                              "creationTimestamp": "2027-01-01T00:00:00Z" },
                "spec": { "minMember": minimum, "queue": queue } }),
    );
}

fn pod(driven: &mut Driven, gang: &str, index: u32, node: Option<&str>) {
    driven.observe(Kind::Pod, described(gang, index, node));
}

fn described(gang: &str, index: u32, node: Option<&str>) -> Value {
    let name = format!("{gang}-{index}");
    let requests = json!({ "nvidia.com/gpu": "1" });
    json!({
        "metadata": { "name": name, "namespace": "n", "uid": name, "resourceVersion": "1",
                      "annotations": { "scheduling.k8s.io/group-name": gang } },
        "spec": { "schedulerName": "volcano", "nodeName": node,
                  "containers": [{ "name": "c", "resources": { "requests": requests } }] },
        "status": { "phase": if node.is_some() { "Running" } else { "Pending" } },
    })
}

fn gone(driven: &mut Driven, pod: &str) {
    let (kind, namespace, name) = (Kind::Pod, "n".to_owned(), pod.to_owned());
    driven.handle(Input::Observed(Change::Gone { kind, namespace, name }));
}

/// Pods that were asked to leave, and have not been answered.
fn asked(driven: &Driven) -> Vec<String> {
    let evictions = driven.sent.iter().filter(|(_, request)| request.subresource == "eviction");
    evictions
        .map(|(_, request)| {
            assert_eq!(request.body["deleteOptions"]["preconditions"]["uid"], request.name.as_str());
            request.name.clone()
        })
        .collect()
}

/// Answers the eviction of a pod.
fn answer(driven: &mut Driven, pod: &str, answer: Answer) {
    let is_it =
        |(_, request): &(RequestId, Request)| request.subresource == "eviction" && request.name == pod;
    let at = driven.sent.iter().position(is_it).expect("it was asked for");
    let (id, _) = driven.sent.remove(at);
    driven.handle(Input::Answered(id, answer));
    driven.go_on();
}

fn pass(driven: &mut Driven, seconds: u64) {
    driven.now.elapsed += Duration::from_secs(seconds);
    driven.now.wall += Duration::from_secs(seconds);
    driven.go_on();
}

/// What stands in the journal of the gang that claims.
fn written(driven: &Driven) -> Vec<String> {
    let data = driven.journal.values().filter_map(|object| object["data"].as_object());
    let entries = data.flatten().filter_map(|(_, text)| text.as_str());
    entries.filter(|text| text.contains(";n;claims;")).map(str::to_owned).collect()
}

fn bound(driven: &Driven) -> usize {
    driven.sent.iter().filter(|(_, request)| request.subresource == "binding").count()
}

#[test]
fn nobody_is_asked_to_leave_before_the_plan_is_written() {
    let mut driven = full();
    driven.slow = true;
    let (id, write) = loop {
        driven.go_on();
        let at = driven.sent.iter().position(|(_, request)| request.kind == Kind::ConfigMap);
        let (id, request) = driven.sent.remove(at.expect("the journal is read, sealed and written"));
        if request.verb == Verb::Merge && request.body.to_string().contains(";claims;") {
            break (id, request);
        }
        let answer = driven.keep(&request);
        driven.handle(Input::Answered(id, answer));
    };
    assert_eq!(asked(&driven), [""; 0]);
    let kept = driven.keep(&write);
    driven.handle(Input::Answered(id, kept));
    driven.go_on();
    assert_eq!(asked(&driven), ["lent-0", "lent-1"]);
    let text = "gang1;c;n;claims;;;node;2;00claims-0,=claims-0,00;071,=claims-1,00;v:r,n,lent-0,=lent-0,r,n,lent-1,=lent-1";
    assert_eq!(written(&driven), [text]);
}

#[test]
fn the_gang_is_bound_when_they_have_left() {
    let mut driven = full();
    driven.go_on();
    for name in ["lent-0", "lent-1"] {
        answer(&mut driven, name, Answer::Done(Value::Null));
        let mut leaving = described("lent", u32::from(name == "lent-1"), Some("node"));
        leaving["metadata"]["deletionTimestamp"] = json!("2027-01-15T08:00:30Z");
        driven.observe(Kind::Pod, leaving);
    }
    let told = driven.notes.iter().filter(|note| note.reason == "Evict" && note.kind == "Pod");
    let told: Vec<&str> = told.map(|note| note.message.as_str()).collect();
    let message = "reclaimed for n/claims of queue owner: queue lender uses 2 of 0 nvidia.com/gpu that it deserves, its fair share is 0";
    assert_eq!(told, [message, message]);
    gone(&mut driven, "lent-0");
    // What was made again waits, and does not get the room back.
    pod(&mut driven, "lent", 0, None);
    pass(&mut driven, 1);
    assert_eq!((bound(&driven), asked(&driven)), (0, vec![]));
    gone(&mut driven, "lent-1");
    pass(&mut driven, 1);
    assert_eq!(bound(&driven), 2);
    assert!(written(&driven)[0].starts_with("gang1;b;n;claims;"), "{:?}", written(&driven));
    assert!(driven.reports.iter().any(|report| matches!(report, Report::PlanEnded { placed: true, .. })));
}

#[test]
fn whoever_leads_next_goes_on_with_the_plan() {
    let mut driven = full();
    driven.go_on();
    answer(&mut driven, "lent-0", Answer::Done(Value::Null));
    assert_eq!(asked(&driven), ["lent-1"]);
    let mut next = Driven::new(true, false);
    next.journal = driven.journal;
    objects(&mut next);
    // The first is gone by now, and another gang would fit where it was.
    gone(&mut next, "lent-0");
    group(&mut next, "small", "lender", 1);
    pod(&mut next, "small", 0, None);
    next.go_on();
    // It reads what the record names before it decides anything.
    for _ in 0..8 {
        let Some(at) = next.sent.iter().position(|(_, request)| request.verb == Verb::Get) else { break };
        let (id, request) = next.sent.remove(at);
        let object = match (request.kind, request.name.as_str()) {
            (Kind::PodGroup, _) => {
                json!({ "metadata": { "name": "claims", "namespace": "n", "uid": "claims" },
                                           "spec": { "minMember": 2, "queue": "owner" } })
            }
            (_, name) => described("claims", u32::from(name == "claims-1"), None),
        };
        next.handle(Input::Answered(id, Answer::Done(object)));
        next.go_on();
    }
    assert_eq!((asked(&next), bound(&next)), (vec!["lent-1".to_owned()], 0));
    answer(&mut next, "lent-1", Answer::Done(Value::Null));
    gone(&mut next, "lent-1");
    pass(&mut next, 1);
    let binds = next.sent.iter().filter(|(_, request)| request.subresource == "binding");
    let names: Vec<&str> = binds.map(|(_, request)| request.name.as_str()).collect();
    assert_eq!(names, ["claims-0", "claims-1"]);
}

#[test]
fn who_is_protected_by_a_budget_is_asked_again() {
    let mut driven = full();
    driven.go_on();
    answer(&mut driven, "lent-0", refused(429, "budget"));
    answer(&mut driven, "lent-1", Answer::Done(Value::Null));
    assert_eq!(asked(&driven), [""; 0]);
    pass(&mut driven, 1);
    assert_eq!(asked(&driven), ["lent-0"]);
    answer(&mut driven, "lent-0", refused(429, "budget"));
    pass(&mut driven, 1);
    assert_eq!(asked(&driven), [""; 0], "the pauses grow");
    pass(&mut driven, 1);
    assert_eq!(asked(&driven), ["lent-0"]);
}

#[test]
fn a_plan_that_is_not_let_through_is_given_up_and_the_next_one_comes_later() {
    let mut driven = full();
    driven.go_on();
    answer(&mut driven, "lent-0", refused(403, "a webhook says no"));
    pass(&mut driven, 1);
    assert_eq!(written(&driven), [""; 0]);
    assert!(driven.reports.iter().any(|report| matches!(report, Report::PlanEnded { placed: false, .. })));
    answer(&mut driven, "lent-1", refused(404, "gone"));
    pass(&mut driven, 2);
    assert_eq!(asked(&driven), [""; 0]);
    pass(&mut driven, 10);
    assert!(!asked(&driven).is_empty(), "it is tried again");
}

#[test]
fn nobody_leaves_for_a_gang_that_is_gone() {
    let mut driven = full();
    driven.go_on();
    answer(&mut driven, "lent-0", refused(429, "budget"));
    let (kind, namespace, name) = (Kind::PodGroup, "n".to_owned(), "claims".to_owned());
    driven.handle(Input::Observed(Change::Gone { kind, namespace, name }));
    gone(&mut driven, "claims-0");
    gone(&mut driven, "claims-1");
    pass(&mut driven, 2);
    assert_eq!(asked(&driven), ["lent-1"], "it had been asked before");
    assert_eq!(written(&driven), [""; 0]);
}

#[test]
fn who_ends_by_itself_spares_the_others() {
    let mut driven = full();
    // One of the gang's pods is enough now, and it has one.
    group(&mut driven, "claims", "owner", 1);
    gone(&mut driven, "claims-1");
    group(&mut driven, "lent", "lender", 2);
    driven.go_on();
    answer(&mut driven, "lent-0", refused(429, "budget"));
    answer(&mut driven, "lent-1", refused(429, "budget"));
    let mut ended = described("lent", 0, Some("node"));
    ended["status"]["phase"] = json!("Succeeded");
    driven.observe(Kind::Pod, ended);
    pass(&mut driven, 2);
    assert_eq!((bound(&driven), asked(&driven)), (1, vec![]));
}

#[test]
fn a_plan_leaves_the_journal_where_its_gang_is_bound_without_a_record() {
    let mut driven = full();
    group(&mut driven, "claims", "owner", 1);
    gone(&mut driven, "claims-1");
    driven.go_on();
    assert!(written(&driven)[0].starts_with("gang1;c;n;claims;"), "{:?}", written(&driven));
    for name in ["lent-0", "lent-1"] {
        answer(&mut driven, name, Answer::Done(Value::Null));
        gone(&mut driven, name);
    }
    pass(&mut driven, 1);
    let at = driven.sent.iter().position(|(_, request)| request.subresource == "binding");
    let (id, _) = driven.sent.remove(at.expect("its pod is bound"));
    driven.handle(Input::Answered(id, Answer::Done(Value::Null)));
    pod(&mut driven, "claims", 0, Some("node"));
    pass(&mut driven, 1);
    pass(&mut driven, 2);
    assert_eq!(written(&driven), [""; 0]);
}

#[test]
fn a_gang_that_has_its_minimum_goes_on_saying_that_room_is_kept_for_the_rest() {
    let mut driven = full();
    group(&mut driven, "claims", "owner", 1);
    driven.go_on();
    for name in ["lent-0", "lent-1"] {
        answer(&mut driven, name, Answer::Done(Value::Null));
        let mut leaving = described("lent", u32::from(name == "lent-1"), Some("node"));
        leaving["metadata"]["deletionTimestamp"] = json!("2027-01-15T08:00:30Z");
        driven.observe(Kind::Pod, leaving);
    }
    gone(&mut driven, "lent-0");
    pass(&mut driven, 1);
    assert_eq!(bound(&driven), 1);
    for _ in 0..3 {
        group(&mut driven, "claims", "owner", 1);
        pass(&mut driven, 1);
        let reports = driven.engine.scheduler().reports();
        let claims = reports.iter().find(|report| report.name == "claims").expect("it is known");
        assert_eq!(claims.reason, Some(crate::scheduler::Reason::WaitingForVictims), "{}", claims.message);
    }
}
