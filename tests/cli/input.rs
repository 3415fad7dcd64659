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

/// One document, and what is said about it.
#[track_caller]
fn check(document: &str, expect: &[&str]) {
    let answer = simulate(&["-"], document);
    assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{document}");
    assert_eq!(answer.err.lines().collect::<Vec<_>>(), expect, "{document}");
}

#[test]
fn what_is_wrong_is_said_with_what_would_be_right() {
    let node = |status: &str| {
        format!("apiVersion: v1\nkind: Node\nmetadata: {{name: a}}\nstatus: {{allocatable: {{{status}}}}}\n")
    };
    let pod = |requests: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{name: c, resources: {{requests: {{{requests}}}}}}}]}}\n"
        )
    };
    let group = |spec: &str| {
        format!(
            "apiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {{name: g}}\nspec: {{{spec}}}\n"
        )
    };
    check("", &["standard input: holds no object; give manifests, or a document of kind Simulation"]);
    check(
        "# nothing\n---\n",
        &["standard input: holds no object; give manifests, or a document of kind Simulation"],
    );
    check(
        "apiVersion: v1\nmetadata: {name: a}\n",
        &["-:1: document 1: kind: is missing; add the line kind: Node, or whatever kind it is"],
    );
    check("- a\n", &["-:1: document 1: is a list and not an object; start with apiVersion and kind"]);
    check(
        "a: 1\na: 2\n",
        &["-:2: document 1: not valid YAML: duplicate mapping key: a; keep one of the two"],
    );
    check(
        "kind: Node\n  metadata: {}\n",
        &[
            "-:2: document 1: not valid YAML: mapping values are not allowed in this context; check the indentation of this line and the one before it; quote a text that contains a colon",
        ],
    );
    check(
        "{\"kind\": \"Node\"",
        &[
            "-:1: document 1: not valid YAML: unclosed bracket '{'; check indentation, brackets and quotes here and in the lines before",
        ],
    );
    check(
        &group("minMembers: 2"),
        &["-:4: document 1 (PodGroup g): spec.minMembers: is not a field; did you mean minMember?"],
    );
    check(
        &node("cpu: 8 cores"),
        &[
            "-:4: document 1 (Node a): status.allocatable.cpu: \"8 cores\" is not a quantity; after the number, use n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or an exponent such as e3",
        ],
    );
    check(
        &node("nvidia.com/gpu: -1"),
        &[
            "-:4: document 1 (Node a): status.allocatable[\"nvidia.com/gpu\"]: is -1, which is negative; an amount is 0 or more",
        ],
    );
    check(
        &pod("nvidia.com/gpu: 0.5"),
        &[
            "-:4: document 1 (Pod p): spec.containers[0].resources.requests[\"nvidia.com/gpu\"]: is 0.5; extended resources are given out whole: write an integer",
        ],
    );
}

#[test]
fn a_kind_that_looks_like_a_known_one_is_a_warning() {
    let check = |document: &str, expect: &str| {
        let answer = simulate(&["-"], &format!("{NODES}---\n{document}"));
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{document}");
        let listed = answer.out.split_once("WRONG, AND WHAT WOULD BE RIGHT\n").map_or("", |(_, rest)| rest);
        let first =
            listed.lines().next().unwrap_or("").split_once("KindNotRead").map_or("", |(_, text)| text.trim());
        assert_eq!(first, expect, "{document}");
    };
    check(
        "apiVersion: v1\nkind: Nodes\nmetadata: {name: a}\n",
        "-:8: document 2 (Nodes a): kind: is Nodes, which is not read; did you mean Node?",
    );
    check(
        "apiVersion: scheduling.volcano.sh/v1\nkind: PodGroup\nmetadata: {name: a}\n",
        "-:7: document 2 (PodGroup a): apiVersion: is scheduling.volcano.sh/v1, which is not read; Phalanx reads PodGroup of scheduling.volcano.sh/v1beta1",
    );
    // A kind of somebody else's.
    check("apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\n", "");
}

#[test]
fn files_that_are_none_are_named() {
    let folder = std::env::temp_dir().join(format!("phalanx-input-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("empty")).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    #[expect(clippy::disallowed_methods, reason = "a test writes its own files")]
    std::fs::write(path("latin.yaml"), b"name: \xe9\n").unwrap();
    let check = |name: &str, expect: &str| {
        let answer = phalanx(&["simulate", &path(name)], "");
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{name}");
        assert_eq!(answer.err, format!("{}: {expect}\n", path(name)));
    };
    check("latin.yaml", "is not UTF-8 at byte 6; save it as UTF-8");
    check("empty", "is a folder without .yaml or .json files");
    check("none.yaml", "cannot be read: No such file or directory (os error 2)");
    std::fs::remove_dir_all(&folder).unwrap();
}
