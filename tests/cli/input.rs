//! What goes in: usage, bad input, notes, and readers that go away.

use crate::binary::{closed_pipe, phalanx, simulate};
use serde_json::Value;

const NODES: &str = "apiVersion: simulation.phalanx.dev/v1alpha1
kind: Simulation
spec:
  nodePools:
  - {name: g, count: 2, capacity: {cpu: 8}}
";

#[test]
fn version_and_crds() {
    let version = phalanx(&["version"], "");
    assert_eq!(
        (version.code, version.out.as_str()),
        (0, &*format!("phalanx {}\n", env!("CARGO_PKG_VERSION")))
    );
    let crds = phalanx(&["crds"], "");
    let read: Vec<Value> = serde_saphyr::from_multiple(&crds.out).unwrap();
    assert_eq!((crds.code, read.len()), (0, 4));
}

#[test]
fn usage_errors_exit_with_2() {
    for arguments in [&["simulate"][..], &["simulat"], &["simulate", "-", "-o", "xml"], &[]] {
        assert_eq!(phalanx(arguments, "").code, 2, "{arguments:?}");
    }
    assert_eq!(phalanx(&["--help"], "").code, 0);
}

#[test]
fn bad_input_exits_with_2_and_says_everything_at_once() {
    let answer = simulate(&["-"], "kind: Node\n---\napiVersion: v1\nkind: Node\nmetadata: {name: N}\n");
    assert_eq!((answer.code, answer.out.as_str()), (2, ""));
    let expect = [
        "-:1: document 1 (Node): apiVersion: is missing; add the line apiVersion: v1, or the group and version of the kind",
        "-:5: document 2 (Node): metadata.name: is the boolean false and not a text; put it in quotes (YAML reads y, n, yes, no, on and off as booleans)",
    ];
    assert_eq!(answer.err.lines().collect::<Vec<_>>(), expect);

    let missing = phalanx(&["simulate", "no-such-file.yaml"], "");
    assert_eq!(missing.code, 2);
    assert!(missing.err.starts_with("no-such-file.yaml: cannot be read: "), "{}", missing.err);
}

#[test]
fn notes_go_to_standard_error_and_stop_nothing() {
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
    let answer = simulate(&["-", "--ignored"], &format!("{NODES}{map}"));
    assert_eq!((answer.code, answer.err.as_str()), (0, "note: 1 ConfigMap (v1) read and not used\n"));
    assert_eq!(simulate(&["-"], &format!("{NODES}{map}")).err, "");
}

#[test]
fn a_reader_that_goes_away_is_success() {
    let many = NODES.replace("count: 2", "count: 20000");
    let answer = closed_pipe(&["simulate", "-", "--tree", "--all"], &many);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
}

#[test]
fn the_schema_explains_the_simulation_document() {
    let answer = phalanx(&["simulate", "--schema"], "");
    assert_eq!(answer.code, 0);
    assert!(answer.out.contains("nodePools:"));
}
