use super::*;
use serde_json::{Value, json};

/// Pod spec and the beginning of the reason; "" is accepted.
#[track_caller]
fn check(mut pod_spec: Value, expect: &str) {
    if pod_spec.get("containers").is_none() {
        pod_spec["containers"] = json!([]);
    }
    let found = refusal(&serde_json::from_value(pod_spec).unwrap()).unwrap_or_default();
    assert!(
        found.starts_with(expect) && found.is_empty() == expect.is_empty(),
        "{found:?} is not {expect:?}"
    );
}

fn term(side: &str, term: Value) -> Value {
    json!({"affinity": {side: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
}

#[test]
fn gates_are_no_refusal() {
    check(json!({}), "");
    check(json!({"schedulingGates": [{"name": "wait"}]}), "");
}

#[test]
fn volumes_that_the_scheduler_must_follow() {
    let plain = json!({"volumes": [
        {"name": "a", "emptyDir": {"medium": "Memory"}}, {"name": "b", "configMap": {"name": "x"}},
        {"name": "c", "hostPath": {"path": "/models"}}, {"name": "d", "csi": {"driver": "x"}}, {"name": "e"},
        {"name": "f", "nfs": {"server": "s", "path": "/"}}, {"name": "g", "projected": {}},
    ]});
    check(plain, "");
    check(
        json!({"volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "x"}}, {"name": "e", "ephemeral": {}}]}),
        "",
    );
    check(
        json!({"volumes": [{"name": "a", "emptyDir": {}}, {"name": "w", "holographic": {}}]}),
        "spec.volumes[1] (w): holographic",
    );
    check(
        json!({"volumes": [{"name": "w", "awsElasticBlockStore": {}}]}),
        "spec.volumes[0] (w): awsElasticBlockStore",
    );
}

#[test]
fn node_selectors_that_cannot_be_read() {
    let required = |term: Value| {
        json!({"affinity": {"nodeAffinity":
            {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}})
    };
    let label = |operator: &str, values: Value| {
        required(json!({"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}))
    };
    let path = "spec.affinity.nodeAffinity.required[0]: k";
    check(label("In", json!(["a"])), "");
    check(label("Gt", json!(["5"])), "");
    check(label("In", json!([])), path);
    check(label("Exists", json!(["a"])), path);
    check(label("Gt", json!(["five"])), path);
    check(label("Lt", json!(["1", "2"])), path);
    check(label("Near", json!(["a"])), path);
    let field = |key: &str, operator: &str, values: Value| {
        required(json!({"matchFields": [{"key": key, "operator": operator, "values": values}]}))
    };
    let path = "spec.affinity.nodeAffinity.required[0]: metadata.name";
    check(field("metadata.name", "In", json!(["n"])), "");
    check(field("metadata.name", "In", json!(["n", "m"])), path);
    check(field("metadata.name", "Exists", json!([])), path);
    check(field("metadata.uid", "In", json!(["n"])), "spec.affinity.nodeAffinity.required[0]: metadata.uid");
    let preferred = json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "preference": {"matchExpressions": [{"key": "k", "operator": "Near"}]}}]}}});
    check(preferred, "spec.affinity.nodeAffinity.preferred[0]: k Near");
}

#[test]
fn pod_affinity_that_cannot_be_read() {
    let plain = json!({"topologyKey": "rack", "labelSelector": {"matchLabels": {"app": "x"}}});
    check(term("podAffinity", plain.clone()), "");
    let path = "spec.affinity.podAntiAffinity.required[0]: ";
    let with = |field: &str, value: Value| {
        let mut changed = plain.clone();
        changed[field] = value;
        term("podAntiAffinity", changed)
    };
    check(with("topologyKey", json!("")), &format!("{path}topologyKey"));
    check(with("namespaceSelector", json!({})), "");
    check(with("namespaceSelector", json!({"matchLabels": {"kubernetes.io/metadata.name": "a"}})), "");
    check(
        with("namespaceSelector", json!({"matchLabels": {"team": "a"}})),
        &format!("{path}namespaceSelector"),
    );
    check(
        with("labelSelector", json!({"matchExpressions": [{"key": "k", "operator": "Gt", "values": ["1"]}]})),
        &format!("{path}labelSelector k Gt"),
    );
    // Preferred terms are not read.
    let preferred = json!({"affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "podAffinityTerm": {"topologyKey": ""}}]}}});
    check(preferred, "");
}

#[test]
fn spread_that_cannot_be_read() {
    let plain = json!({"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "x"}}});
    let with = |field: &str, value: Value| {
        let mut changed = plain.clone();
        changed[field] = value;
        json!({"topologySpreadConstraints": [changed]})
    };
    let path = "spec.topologySpreadConstraints[0]: ";
    check(with("maxSkew", json!(2)), "");
    check(with("maxSkew", json!(0)), &format!("{path}maxSkew"));
    check(with("topologyKey", json!("")), &format!("{path}topologyKey"));
    check(with("minDomains", json!(0)), &format!("{path}minDomains"));
    check(with("whenUnsatisfiable", json!("Sometimes")), &format!("{path}whenUnsatisfiable"));
    check(with("whenUnsatisfiable", json!("ScheduleAnyway")), "");
    check(with("nodeTaintsPolicy", json!("Honor")), "");
    check(with("nodeTaintsPolicy", json!("Hope")), &format!("{path}nodeTaintsPolicy"));
    check(
        with("labelSelector", json!({"matchExpressions": [{"key": "k", "operator": "Near"}]})),
        &format!("{path}labelSelector k Near"),
    );
}

#[test]
fn namespaces_by_name() {
    let select = |value: Value| serde_json::from_value::<LabelSelector>(value).unwrap();
    let by = |operator: &str, values: Value| json!({"matchExpressions": [{"key": NAMESPACE_NAME, "operator": operator, "values": values}]});
    assert_eq!(selected_namespaces(&select(json!({}))), Some(Namespaces::All));
    assert_eq!(
        selected_namespaces(&select(by("In", json!(["a", "b"])))),
        Some(Namespaces::Named(vec!["a", "b"]))
    );
    assert_eq!(selected_namespaces(&select(by("NotIn", json!(["a"])))), None);
    let mut both = by("In", json!(["a", "b"]));
    both["matchLabels"] = json!({NAMESPACE_NAME: "b"});
    assert_eq!(selected_namespaces(&select(both)), Some(Namespaces::Named(vec!["b"])));
}
