//! What comes out: the table, JSON, YAML, objects, and the same bytes every time.

use crate::binary::simulate;
use serde_json::{Value, json};

const WALKTHROUGH: &str = "simulations/llama-multinode.yaml";

#[test]
fn the_same_input_gives_the_same_bytes() {
    for arguments in [
        &["--tree", "--timeline", "--all"][..],
        &["-o", "json", "--timeline"],
        &["-o", "yaml"],
        &["--objects"],
    ] {
        let run = || simulate(&[&[WALKTHROUGH], arguments].concat(), "").out;
        let first = run();
        assert!(!first.is_empty(), "{arguments:?}");
        assert_eq!(first, run(), "{arguments:?}");
    }
}

#[test]
fn json_and_yaml_say_the_same() {
    let json: Value = serde_json::from_str(&simulate(&[WALKTHROUGH, "-o", "json"], "").out).unwrap();
    let yaml: Value = serde_saphyr::from_str(&simulate(&[WALKTHROUGH, "-o", "yaml"], "").out).unwrap();
    assert_eq!(json, yaml);
}

#[test]
fn the_shape_of_json_is_stable() {
    let report: Value = serde_json::from_str(&simulate(&[WALKTHROUGH, "-o", "json"], "").out).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&report), ["apiVersion", "kind", "modelServings", "podGroups", "pods", "summary"]);
    let pod = names(&report["pods"][0]);
    for field in ["namespace", "name", "node", "podGroup", "phase"] {
        assert!(pod.iter().any(|name| name == field), "{field}");
    }
    let group = names(&report["podGroups"][0]);
    for field in
        ["namespace", "name", "phase", "scheduled", "minMember", "domain", "tier", "reason", "message"]
    {
        assert!(group.iter().any(|name| name == field), "{field}");
    }
    assert_eq!(report["summary"]["ended"], json!("quiet"));
}
