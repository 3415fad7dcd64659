//! ModelServings whose children are there already, and changes that are refused.

use super::*;

/// A pod that has its label is seen by the ModelServing that is made again under the name, though it came long before.
#[test]
fn a_serving_that_is_made_again_finds_what_the_first_one_left() {
    let mut driven = Driven::new(true, true);
    driven.observe(Kind::ModelServing, serving("first"));
    driven.go_on();
    let created = driven.created();
    let pod = created.iter().find(|(kind, _)| *kind == Kind::Pod).expect("a pod").1.clone();
    let left = json!({
        "metadata": { "name": pod, "namespace": "n", "uid": "p", "resourceVersion": "9",
                      "labels": { "modelserving.volcano.sh/name": "m" } },
        "spec": { "containers": [{ "name": "c" }] },
    });
    driven.observe(Kind::Pod, left);
    // Orphaned: it stays, and the ModelServing goes.
    let gone = Change::Gone { kind: Kind::ModelServing, namespace: "n".into(), name: "m".into() };
    driven.handle(Input::Observed(gone));
    driven.go_on();
    driven.sent.clear();
    driven.observe(Kind::ModelServing, serving("second"));
    driven.go_on();
    let again = driven.created();
    assert!(!again.is_empty(), "it is alive");
    assert!(!again.contains(&(Kind::Pod, pod.clone())), "{pod} is known to be there: {again:?}");
}

/// What bears a name that is wanted is read, and counts from then on.
#[test]
fn a_name_that_is_taken_is_looked_at() {
    let mut driven = Driven::new(true, true);
    driven.observe(Kind::ModelServing, serving("first"));
    driven.go_on();
    let refuse = |request: &Request| match request.verb {
        Verb::Create => refused(409, "already exists"),
        _ => Answer::Done(request.body.clone()),
    };
    let request = driven.answer(refuse);
    assert_eq!(request.verb, Verb::Create);
    let looked = driven
        .sent
        .iter()
        .any(|(_, sent)| (sent.verb, sent.kind, &sent.name) == (Verb::Get, request.kind, &request.name));
    assert!(looked, "{:?}", driven.sent);
}

/// A refusal that has "test" in its text counted as success, and nothing was asked for again.
#[test]
fn an_invalid_change_is_a_failure_whatever_its_text_says() {
    let mut driven = Driven::new(true, true);
    driven.observe(Kind::ModelServing, serving("first"));
    driven.go_on();
    let request = driven.answer(|_| refused(422, "Pod \"test-0\" is invalid: spec: Required value"));
    let failed = driven.reports.iter().any(|report| matches!(report, Report::Failed { .. }));
    assert!(failed, "{request:?}: {:?}", driven.reports);
}
