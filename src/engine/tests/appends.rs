//! What is promised is written down before it is done: for all gangs of a round in one write, and while the binds of those that
//! have been written down go on. What cannot be half done is not written down.

use super::*;

fn scheduler() -> Driven {
    let mut driven = Driven::new(true, false);
    for node in ["a", "b"] {
        driven.observe(
            Kind::Node,
            json!({ "metadata": { "name": node }, "status": { "allocatable": { "cpu": "32", "pods": "99" } } }),
        );
    }
    driven
}

fn pod(driven: &mut Driven, name: &str, group: &str, node: Option<&str>) {
    let annotations =
        if group.is_empty() { json!({}) } else { json!({ "scheduling.k8s.io/group-name": group }) };
    driven.observe(
        Kind::Pod,
        json!({ "metadata": { "name": name, "namespace": "n", "uid": name, "resourceVersion": "4",
                              "annotations": annotations },
                "spec": { "schedulerName": "volcano", "nodeName": node, "containers": [{
                    "name": "c", "resources": { "requests": { "cpu": "1" } } }] } }),
    );
}

fn gang(driven: &mut Driven, name: &str, bound: usize, waiting: usize) {
    driven.observe(
        Kind::PodGroup,
        json!({ "metadata": { "name": name, "namespace": "n", "uid": name, "resourceVersion": "3", "generation": 1 },
                "spec": { "minMember": bound + waiting } }),
    );
    for member in 0..bound + waiting {
        pod(driven, &format!("{name}-{member}"), name, (member < bound).then_some("a"));
    }
}

/// What has been sent and not been answered: binds by the pod's name, writes of the journal by the gangs in them.
fn under_way(driven: &Driven) -> (Vec<String>, Vec<Vec<String>>) {
    let binds = driven.sent.iter().filter(|(_, request)| request.subresource == "binding");
    let writes =
        driven.sent.iter().filter(|(_, request)| request.kind == Kind::ConfigMap).map(|(_, request)| {
            let data = request.body["data"].as_object().expect("a write");
            let entries =
                data.iter().filter(|(key, _)| *key != "journal").filter_map(|(_, text)| text.as_str());
            entries.map(|text| text.split(';').nth(3).unwrap_or_default().to_owned()).collect()
        });
    (binds.map(|(_, request)| request.name.clone()).collect(), writes.collect())
}

#[test]
fn binds_of_what_is_written_down_go_while_the_next_write_is_under_way() {
    let mut driven = scheduler();
    driven.go_on();
    driven.slow = true;
    driven.sent.clear();
    for name in ["g", "h"] {
        gang(&mut driven, name, 0, 2);
    }
    driven.go_on();
    assert_eq!(
        under_way(&driven),
        (vec![], vec![vec!["g".to_owned(), "h".to_owned()]]),
        "one write, no bind"
    );
    // Two more come while it is under way: they wait for its answer and go together.
    for name in ["i", "j"] {
        gang(&mut driven, name, 0, 2);
        driven.go_on();
    }
    assert_eq!(under_way(&driven).1.len(), 1);
    let at =
        driven.sent.iter().position(|(_, request)| request.kind == Kind::ConfigMap).expect("it is there");
    let (id, request) = driven.sent.remove(at);
    let answer = driven.keep(&request);
    driven.handle(Input::Answered(id, answer));
    driven.go_on();
    let (mut binds, writes) = under_way(&driven);
    binds.sort();
    assert_eq!(binds, ["g-0", "g-1", "h-0", "h-1"], "they do not wait for the next write");
    assert_eq!(writes, [["i", "j"]]);
}

#[test]
fn what_cannot_be_half_done_is_not_written_down() {
    let check = |what: &str, create: &dyn Fn(&mut Driven), expect: &[&str], writes: usize| {
        let mut driven = scheduler();
        driven.go_on();
        driven.slow = true;
        driven.sent.clear();
        create(&mut driven);
        driven.go_on();
        let (binds, written) = under_way(&driven);
        assert_eq!(
            (binds, written.len()),
            (expect.iter().map(|name| name.to_string()).collect(), writes),
            "{what}"
        );
    };
    check("a pod by itself", &|driven| pod(driven, "p", "", None), &["p"], 0);
    check("a gang of one", &|driven| gang(driven, "g", 0, 1), &["g-0"], 0);
    check("the pod that makes a gang whole", &|driven| gang(driven, "g", 2, 1), &["g-2"], 0);
    check("two that do", &|driven| gang(driven, "g", 1, 2), &[], 1);
}
