//! What a change would alter against what runs now.

use crate::binary::phalanx;
use serde_json::{Value, json};

fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": name },
        "status": { "allocatable": { "cpu": "64", "pods": "110", "nvidia.com/gpu": 8 } },
    })
}

fn group(name: &str, minimum: u32) -> Value {
    json!({
        "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup",
        "metadata": { "name": name, "namespace": "default" }, "spec": { "minMember": minimum },
    })
}

fn pod(name: &str, group: &str, node: Option<&str>) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "default", "uid": name,
            "annotations": { "scheduling.k8s.io/group-name": group } },
        "spec": { "schedulerName": "volcano", "nodeName": node, "containers": [{
            "name": "c", "image": "i", "resources": { "limits": { "nvidia.com/gpu": 8 } } }] },
        "status": { "phase": if node.is_some() { "Running" } else { "Pending" } },
    })
}

/// Writes the documents to a file of the test's own and returns its path.
#[expect(clippy::disallowed_methods, reason = "the command reads files")]
fn file(name: &str, documents: &[Value]) -> String {
    let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
    let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, texts.join("\n---\n")).unwrap();
    path
}

/// Three nodes, a gang of two that runs, and a new gang of two: one node is free.
#[test]
fn who_is_placed_and_who_waits() {
    let now = file(
        "diff-now.yaml",
        &[
            node("n0"),
            node("n1"),
            node("n2"),
            group("old", 2),
            pod("old-0", "old", Some("n0")),
            pod("old-1", "old", Some("n1")),
        ],
    );
    let waits =
        file("diff-waits.yaml", &[group("new", 2), pod("new-0", "new", None), pod("new-1", "new", None)]);
    let answer = phalanx(&["simulate", &now, &waits, "--diff", "--output", "json"], "");
    assert_eq!(answer.code, 0, "{}", answer.err);
    let diff: Value = serde_json::from_str(&answer.out).unwrap();
    let changes: Vec<(&str, &str)> = diff["pods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["change"].as_str().unwrap()))
        .collect();
    assert_eq!(changes, [("new-0", "waits"), ("new-1", "waits")]);
    assert_eq!(diff["podGroups"][0]["change"], "waits");
    assert_eq!(diff["podGroups"][0]["waitsNow"], Value::Null, "it does not exist now");
    assert_eq!(diff["podGroups"][0]["reason"], "NotEnoughResources");
    assert_eq!(diff["unchanged"], 2);

    let fits = file("diff-fits.yaml", &[group("one", 1), pod("one-0", "one", None)]);
    let answer = phalanx(&["simulate", &now, &fits, "--diff"], "");
    assert!(
        answer
            .out
            .lines()
            .any(|line| line.split_whitespace().eq(["placed", "default", "one-0", "<none>", "n2"]))
    );
    assert!(
        answer.out.ends_with("1 pod placed, 0 moved, 0 evicted, 0 waiting, 0 gone; 2 pods unchanged\n"),
        "{}",
        answer.out
    );
}
