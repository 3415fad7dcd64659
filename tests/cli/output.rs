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
    assert_eq!(
        names(&report),
        [
            "apiVersion",
            "evictions",
            "kind",
            "modelServings",
            "podGroups",
            "pods",
            "queues",
            "summary",
            "warnings"
        ]
    );
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
    let placement = &report["podGroups"][0]["placement"];
    assert_eq!(names(placement), ["bound", "cost", "gapPercent", "proof"]);
    assert_eq!((&placement["gapPercent"], &placement["proof"]), (&json!(0), &json!("proven")));
    assert_eq!(placement["cost"], placement["bound"], "nothing is left to be found");
    assert_eq!(names(&placement["cost"]), ["domains", "gangTier", "nodeScore", "stranded", "subgroupTier"]);
}

#[test]
fn the_page_is_written_beside_the_table() {
    let folder = std::env::temp_dir().join(format!("phalanx-page-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("report.html");
    let page = || {
        let answer = simulate(&[WALKTHROUGH, "--html", file.to_str().unwrap()], "");
        assert_eq!((answer.code, answer.err.as_str()), (0, ""));
        assert_eq!(answer.out, simulate(&[WALKTHROUGH], "").out);
        crate::simulations::read(file.to_str().unwrap())
    };
    let first = page();
    assert!(first.starts_with("<!DOCTYPE html>") && first.ends_with("</html>\n"));
    assert!(first.contains("<h1>1 of 1 gang placed</h1>"));
    assert_eq!(first, page());
    std::fs::remove_dir_all(&folder).unwrap();

    let nowhere = folder.join("report.html");
    let answer = simulate(&[WALKTHROUGH, "--html", nowhere.to_str().unwrap()], "");
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("report.html cannot be written: "), "{}", answer.err);
}
