use super::*;

/// Reads `text` as the file `f.yaml` (or what `name` says) and renders what came of it, one line each.
fn read(name: &str, text: &str) -> String {
    let mut reader = Reader::default();
    reader.read(name, text);
    let mut lines: Vec<String> = reader
        .documents
        .iter()
        .map(|d| {
            let name = d.value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("?");
            format!("{} {name} @{}:{}", d.kind(), d.number, d.line)
        })
        .collect();
    lines.extend(reader.problems.iter().map(Problem::to_string));
    lines.join("\n")
}

fn check(name: &str, text: &str, expect: &[&str]) {
    assert_eq!(read(name, text), expect.join("\n"), "{text}");
}

const NODE: &str = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n";

#[test]
fn documents_and_lists() {
    check("f.yaml", "", &[]);
    check("f.yaml", "# nothing\n---\n\n---\n", &[]);
    check("f.yaml", NODE, &["Node n1 @1:1"]);
    check(
        "f.yaml",
        &format!("# head\n---\n{NODE}---\n{NODE}...\n---\n# none\n"),
        &["Node n1 @1:3", "Node n1 @2:7"],
    );
    check("f.yaml", &format!("%YAML 1.2\n--- # one\n{NODE}"), &["Node n1 @1:3"]);
    check("f.yaml", "--- {apiVersion: v1, kind: Node, metadata: {name: n1}}\n", &["Node n1 @1:1"]);
    check(
        "f.yaml",
        "\u{feff}apiVersion: v1\r\nkind: Node\r\nmetadata:\r\n  name: n1\r\n---\r\n",
        &["Node n1 @1:1"],
    );
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- {apiVersion: v1, kind: Node, metadata: {name: b}}\n";
    check("f.yaml", list, &["Pod a @1:1", "Node b @1:1"]);
    check("f.yaml", "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n", &["Pod a @1:1"]);
    check("f.yaml", "apiVersion: v1\nkind: List\nitems: []\n", &[]);
    check("f.yaml", "apiVersion: v1\nkind: List\nitems:\n", &[]);
}

#[test]
fn json_and_json_lines() {
    let node = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}}"#;
    check("f.json", node, &["Node n1 @1:1"]);
    check("-", &format!("\n{node}\n{node}\n"), &["Node n1 @1:2", "Node n1 @2:3"]);
    check(
        "f.json",
        r#"{"apiVersion":"v1","kind":"NodeList","items":[{"metadata":{"name":"a"}}]}"#,
        &["Node a @1:1"],
    );
    check(
        "-",
        &format!("{node}\n---\n{node}\n---\n{NODE}"),
        &["Node n1 @1:1", "Node n1 @2:3", "Node n1 @3:5"],
    );
    // Braces alone do not make JSON.
    check("f.yaml", "{apiVersion: v1, kind: Node, metadata: {name: n1}}", &["Node n1 @1:1"]);
    let end = "; what follows in this file was not read";
    check("f.json", "{\"a\": }", &[&format!("f.json:1: document 1: not valid JSON: expected value{end}")]);
}

#[test]
fn every_problem_is_reported_and_placed() {
    let text = "apiVersion: v1\nkind: Node\nmetadata:\n  name: a\n name: b\n---\nkind: Node\n---\n- 1\n---\napiVersion: v1\nkind: true\n";
    let problems = read("f.yaml", text);
    let lines: Vec<&str> = problems.lines().collect();
    assert_eq!(lines.len(), 4, "{problems}");
    assert!(lines[0].starts_with("f.yaml:5: document 1: not valid YAML: "), "{}", lines[0]);
    let add = "add the line apiVersion: v1, or the group and version of the kind";
    assert_eq!(lines[1], format!("f.yaml:7: document 2 (Node): apiVersion: is missing; {add}"));
    assert_eq!(lines[2], "f.yaml:9: document 3: is a list and not an object; start with apiVersion and kind");
    assert_eq!(lines[3], "f.yaml:12: document 4: kind: is the boolean true and not a text; quote it");
}

#[test]
fn a_key_given_twice_is_a_mistake() {
    let problems = read("f.yaml", "apiVersion: v1\nkind: Node\nmetadata:\n  name: a\n  name: b\n");
    assert!(problems.starts_with("f.yaml:5: document 1: not valid YAML: duplicate"), "{problems}");
    assert!(problems.ends_with("; keep one of the two"), "{problems}");
}

#[test]
fn a_problem_in_a_list_names_the_item_and_its_line() {
    let text = "---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Node\n- apiVersion: 1\n  kind: Node\n";
    let expect = "f.yaml:7: document 1 (Node): items[1].apiVersion: is the number 1 and not a text; quote it";
    check("f.yaml", text, &["Node ? @1:2", expect]);
}

#[test]
fn scalars_are_read_as_kubectl_reads_them() {
    let text = concat!(
        "apiVersion: v1\nkind: Pod\nspec:\n  a: 125\n  b: \"8\"\n  c: yes\n  d: 0755\n  e: 2001-01-01\n  f: ~\n  g: 0.5\n",
        "  command:\n  - \"run leader --size=2; \n    serve --port 8080\"\n",
        "  folded: >\n    one;\n    two\n      three\n"
    );
    let mut reader = Reader::default();
    reader.read("f.yaml", text);
    assert_eq!(reader.problems, []);
    let expect = serde_json::json!({
        "a": 125, "b": "8", "c": true, "d": 493, "e": "2001-01-01", "f": null, "g": 0.5,
        "command": ["run leader --size=2; serve --port 8080"],
        "folded": "one; two\n  three\n",
    });
    assert_eq!(reader.documents[0].value["spec"], expect);
}

#[test]
fn no_limit_on_documents_or_size() {
    let many: String =
        (0..3000).map(|i| format!("---\napiVersion: v1\nkind: Node\nmetadata: {{name: n{i}}}\n")).collect();
    let mut reader = Reader::default();
    reader.read("f.yaml", &many);
    assert_eq!((reader.documents.len(), reader.problems.len()), (3000, 0));
    let items: String = (0..60_000)
        .map(|i| format!("- {{apiVersion: v1, kind: Node, metadata: {{name: n{i}}}}}\n"))
        .collect();
    let mut reader = Reader::default();
    reader.read("f.yaml", &format!("apiVersion: v1\nkind: List\nitems:\n{items}"));
    assert_eq!((reader.documents.len(), reader.problems.len()), (60_000, 0));
}
