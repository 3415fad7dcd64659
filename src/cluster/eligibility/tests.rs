//! Tables for every rule, and the whole against [`super::reference`] while nodes and constraints come and go.

use super::reference;
use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn spec(value: Value) -> PodSpec {
    let mut value = value;
    value["containers"] = json!([]);
    serde_json::from_value(value).unwrap()
}

fn node(value: Value) -> Node {
    serde_json::from_value(value).unwrap()
}

fn describe(eligibility: &Eligibility, cause: Option<Cause>) -> Option<String> {
    cause.map(|cause| match cause {
        Cause::Taint(key) => format!("Taint {}", eligibility.texts().get(key)),
        cause => format!("{cause:?}"),
    })
}

/// Pod spec, node, expected cause ("" allows); the answer must not depend on who came first.
#[track_caller]
fn check(pod_spec: Value, object: Value, expect: &str) {
    let (pod_spec, object) = (spec(pod_spec), node(object));
    for node_first in [true, false] {
        let mut eligibility = Eligibility::default();
        if node_first {
            eligibility.set_node(NodeId(3), &object);
        }
        let id = eligibility.intern(&pod_spec);
        eligibility.set_node(NodeId(3), &object);
        let cause = describe(&eligibility, eligibility.cause(id, NodeId(3)));
        assert_eq!(cause.as_deref().unwrap_or(""), expect, "node first: {node_first}");
        assert_eq!(reference::cause(&pod_spec, &object).as_deref().unwrap_or(""), expect, "reference");
    }
}

fn tainted(taints: Value) -> Value {
    json!({"metadata": {"name": "n"}, "spec": {"taints": taints}})
}

fn labelled(labels: Value) -> Value {
    json!({"metadata": {"name": "n", "labels": labels}})
}

fn required(terms: Value) -> Value {
    json!({"affinity": {"nodeAffinity":
        {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}})
}

fn expression(key: &str, operator: &str, values: Value) -> Value {
    required(json!([{"matchExpressions": [{"key": key, "operator": operator, "values": values}]}]))
}

#[test]
fn taints_need_tolerations() {
    let dedicated = json!([{"key": "dedicated", "value": "infra", "effect": "NoSchedule"}]);
    let tolerate = |t: Value| json!({"tolerations": [t]});
    for (tolerations, expect) in [
        (json!({}), "Taint dedicated"),
        (tolerate(json!({"key": "dedicated", "value": "infra", "effect": "NoSchedule"})), ""),
        (tolerate(json!({"key": "dedicated", "operator": "Equal", "value": "infra"})), ""),
        (tolerate(json!({"key": "dedicated", "operator": "Equal", "value": "web"})), "Taint dedicated"),
        (tolerate(json!({"key": "dedicated", "operator": "Exists"})), ""),
        (
            tolerate(json!({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"})),
            "Taint dedicated",
        ),
        (tolerate(json!({"key": "other", "operator": "Exists"})), "Taint dedicated"),
        (tolerate(json!({"operator": "Exists"})), ""),
        (tolerate(json!({"key": "dedicated", "operator": "Near", "value": "infra"})), "Taint dedicated"),
        (tolerate(json!({"key": "dedicated", "operator": "", "value": "infra", "effect": ""})), ""),
    ] {
        if tolerations.pointer("/tolerations/0/effect") == Some(&json!("")) {
            // An empty effect reads as an unknown one in the reference.
            let mut eligibility = Eligibility::default();
            let id = eligibility.intern(&spec(tolerations));
            eligibility.set_node(NodeId(0), &node(tainted(dedicated.clone())));
            assert_eq!(eligibility.cause(id, NodeId(0)), None);
            continue;
        }
        check(tolerations, tainted(dedicated.clone()), expect);
    }
}

#[test]
fn the_first_untolerated_taint_is_the_cause_and_soft_ones_are_none() {
    let taints = json!([
        {"key": "soft", "effect": "PreferNoSchedule"},
        {"key": "mine", "effect": "NoExecute"},
        {"key": "strange", "effect": "NoDancing"},
        {"key": "yours", "effect": "NoSchedule"},
    ]);
    check(json!({}), tainted(taints.clone()), "Taint mine");
    check(
        json!({"tolerations": [{"key": "mine", "operator": "Exists"}]}),
        tainted(taints.clone()),
        "Taint yours",
    );
    check(
        json!({"tolerations": [{"operator": "Exists", "effect": "NoSchedule"}]}),
        tainted(taints),
        "Taint mine",
    );
}

#[test]
fn tolerations_compare_numbers() {
    let sla = |value: &str| tainted(json!([{"key": "failure-rate", "value": value, "effect": "NoSchedule"}]));
    let pod = |operator: &str, value: &str| json!({"tolerations": [{"key": "failure-rate", "operator": operator, "value": value}]});
    check(pod("Lt", "5"), sla("4"), "");
    check(pod("Lt", "5"), sla("5"), "Taint failure-rate");
    check(pod("Gt", "5"), sla("6"), "");
    check(pod("Gt", "-5"), sla("-4"), "");
    check(pod("Gt", "5"), sla("many"), "Taint failure-rate");
    check(pod("Gt", "many"), sla("6"), "Taint failure-rate");
}

#[test]
fn numbers_in_taints_are_canonical() {
    let mut eligibility = Eligibility::default();
    let pod = spec(json!({"tolerations": [{"key": "k", "operator": "Gt", "value": "5"}]}));
    let id = eligibility.intern(&pod);
    eligibility
        .set_node(NodeId(0), &node(tainted(json!([{"key": "k", "value": "07", "effect": "NoSchedule"}]))));
    assert!(eligibility.cause(id, NodeId(0)).is_some());
}

#[test]
fn cordoned_nodes_take_only_pods_that_tolerate_it() {
    let cordoned = json!({"metadata": {"name": "n"}, "spec": {"unschedulable": true,
        "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}});
    let tolerations =
        json!({"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]});
    check(json!({}), cordoned.clone(), "Unschedulable");
    check(tolerations.clone(), cordoned, "");
    check(tolerations, json!({"metadata": {"name": "n"}, "spec": {"unschedulable": true}}), "");
}

#[test]
fn nodes_must_be_ready_if_they_say() {
    let with = |status: Value| json!({"metadata": {"name": "n"}, "status": {"conditions": status}});
    check(json!({}), with(json!([])), "");
    check(json!({}), with(json!([{"type": "Ready", "status": "True"}])), "");
    check(json!({}), with(json!([{"type": "Ready", "status": "False"}])), "NotReady");
    check(json!({}), with(json!([{"type": "Ready", "status": "Unknown"}])), "NotReady");
    check(json!({}), with(json!([{"type": "DiskPressure", "status": "True"}])), "");
}

#[test]
fn node_selectors_match_exactly() {
    let pod = json!({"nodeSelector": {"gpu": "h100", "zone": "a"}});
    check(pod.clone(), labelled(json!({"gpu": "h100", "zone": "a", "more": "x"})), "");
    check(pod.clone(), labelled(json!({"gpu": "h100", "zone": "b"})), "NodeSelector");
    check(pod, labelled(json!({"gpu": "h100"})), "NodeSelector");
    check(
        json!({"nodeSelector": {"kubernetes.io/hostname": "h"}}),
        labelled(json!({"kubernetes.io/hostname": "h"})),
        "",
    );
    check(
        json!({"nodeSelector": {"kubernetes.io/hostname": "h"}}),
        labelled(json!({"kubernetes.io/hostname": "i"})),
        "NodeSelector",
    );
}

#[test]
fn node_affinity_operators() {
    let h100 = labelled(json!({"gpu": "h100", "mem": "80"}));
    let none = labelled(json!({}));
    for (key, operator, values, on_h100, on_none) in [
        ("gpu", "In", json!(["a100", "h100"]), "", "NodeAffinity"),
        ("gpu", "In", json!(["a100"]), "NodeAffinity", "NodeAffinity"),
        ("gpu", "In", json!([]), "NodeAffinity", "NodeAffinity"),
        ("gpu", "NotIn", json!(["a100"]), "", ""),
        ("gpu", "NotIn", json!(["h100"]), "NodeAffinity", ""),
        ("gpu", "Exists", json!([]), "", "NodeAffinity"),
        ("gpu", "DoesNotExist", json!([]), "NodeAffinity", ""),
        ("mem", "Gt", json!(["79"]), "", "NodeAffinity"),
        ("mem", "Gt", json!(["80"]), "NodeAffinity", "NodeAffinity"),
        ("mem", "Lt", json!(["81"]), "", "NodeAffinity"),
        ("gpu", "Gt", json!(["1"]), "NodeAffinity", "NodeAffinity"),
        ("mem", "Gt", json!(["lots"]), "NodeAffinity", "NodeAffinity"),
        ("gpu", "Resembles", json!(["h100"]), "NodeAffinity", "NodeAffinity"),
    ] {
        check(expression(key, operator, values.clone()), h100.clone(), on_h100);
        check(expression(key, operator, values), none.clone(), on_none);
    }
}

#[test]
fn host_names_can_be_selected_in_every_way() {
    let host = |name: &str| labelled(json!({"kubernetes.io/hostname": name}));
    let pod = |operator: &str, values: Value| expression("kubernetes.io/hostname", operator, values);
    check(pod("In", json!(["7"])), host("7"), "");
    check(pod("NotIn", json!(["7"])), host("7"), "NodeAffinity");
    check(pod("NotIn", json!(["7"])), host("8"), "");
    check(pod("Gt", json!(["7"])), host("8"), "");
    check(pod("Gt", json!(["7"])), host("seven"), "NodeAffinity");
    check(pod("Exists", json!([])), host("x"), "");
    check(pod("DoesNotExist", json!([])), labelled(json!({})), "");
}

#[test]
fn terms_are_alternatives_and_expressions_add_up() {
    let is = |key: &str, value: &str| json!({"key": key, "operator": "In", "values": [value]});
    let both = required(json!([{"matchExpressions": [is("a", "1"), is("b", "1")]}]));
    let either =
        required(json!([{"matchExpressions": [is("a", "1")]}, {"matchExpressions": [is("b", "1")]}]));
    check(both.clone(), labelled(json!({"a": "1"})), "NodeAffinity");
    check(both, labelled(json!({"a": "1", "b": "1"})), "");
    check(either.clone(), labelled(json!({"b": "1"})), "");
    check(either, labelled(json!({"c": "1"})), "NodeAffinity");
    // An empty term matches nothing; so does an empty list of terms.
    check(required(json!([{}])), labelled(json!({})), "NodeAffinity");
    check(required(json!([])), labelled(json!({})), "NodeAffinity");
    check(required(json!([{}, {"matchExpressions": [is("a", "1")]}])), labelled(json!({"a": "1"})), "");
    // A malformed term does not spoil the others.
    let strange = json!({"key": "a", "operator": "Near"});
    check(
        required(json!([{"matchExpressions": [strange]}, {"matchExpressions": [is("a", "1")]}])),
        labelled(json!({"a": "1"})),
        "",
    );
}

#[test]
fn fields_select_by_node_name() {
    let pod = |operator: &str, name: &str| {
        required(json!([{"matchFields": [{"key": "metadata.name", "operator": operator, "values": [name]}]}]))
    };
    check(pod("In", "n"), labelled(json!({})), "");
    check(pod("In", "m"), labelled(json!({})), "NodeAffinity");
    check(pod("NotIn", "n"), labelled(json!({})), "NodeAffinity");
    check(pod("NotIn", "m"), labelled(json!({})), "");
}

#[test]
fn causes_are_found_in_their_order() {
    let pod =
        json!({"nodeSelector": {"a": "1"}, "affinity": expression("b", "Exists", json!([]))["affinity"]});
    let mut object = json!({"metadata": {"name": "n"}, "spec": {"unschedulable": true,
        "taints": [{"key": "t", "effect": "NoSchedule"}]},
        "status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    check(pod.clone(), object.clone(), "Unschedulable");
    object["spec"]["unschedulable"] = json!(false);
    check(pod.clone(), object.clone(), "NotReady");
    object["status"] = json!({});
    check(pod.clone(), object.clone(), "Taint t");
    object["spec"] = json!({});
    check(pod.clone(), object.clone(), "NodeSelector");
    object["metadata"]["labels"] = json!({"a": "1"});
    check(pod, object, "NodeAffinity");
}

#[test]
fn preferences_add_weights_and_subtract_soft_taints() {
    let pod = spec(json!({
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 30, "preference": {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}},
            {"weight": 5, "preference": {"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["h100"]}]}},
            {"weight": 7, "preference": {}},
        ]}},
        "tolerations": [{"key": "tolerated", "operator": "Exists"}],
    }));
    let soft = json!([{"key": "tolerated", "effect": "PreferNoSchedule"}, {"key": "soft", "effect": "PreferNoSchedule"}]);
    let objects = [
        labelled(json!({"gpu": "h100"})),
        labelled(json!({"gpu": "a100"})),
        labelled(json!({})),
        json!({"metadata": {"name": "n", "labels": {"gpu": "h100"}}, "spec": {"taints": soft}}),
    ];
    let mut eligibility = Eligibility::default();
    let id = eligibility.intern(&pod);
    for (index, object) in objects.iter().enumerate() {
        eligibility.set_node(NodeId(index as u32), &node(object.clone()));
    }
    let row = eligibility.row(id);
    let found: Vec<_> = (0..4).map(|n| row.preference(NodeId(n))).collect();
    assert_eq!(found, [35, 30, 0, -65]);
    assert!(row.has_preferences());
    assert!(eligibility.row(ConstraintId(0)).has_preferences(), "the soft taint");
}

#[test]
fn constraints_are_shared_whatever_the_order_of_writing() {
    let mut eligibility = Eligibility::default();
    assert_eq!(eligibility.intern(&spec(json!({}))), ConstraintId(0));
    let tolerations = |list: Value| json!({"tolerations": list, "nodeSelector": {"a": "1"}});
    let (x, y) = (json!({"key": "x", "operator": "Exists"}), json!({"key": "y", "value": "1"}));
    let first = eligibility.intern(&spec(tolerations(json!([x, y]))));
    let second = eligibility.intern(&spec(tolerations(json!([y, x, y]))));
    assert_eq!(first, second);
    assert_ne!(first, eligibility.intern(&spec(tolerations(json!([x])))));
    // Seconds of tolerance do not matter to where a pod may start.
    let mut timed = x.clone();
    timed["tolerationSeconds"] = json!(300);
    assert_eq!(first, eligibility.intern(&spec(tolerations(json!([timed, y])))));
}

#[test]
fn ten_thousand_host_names_are_few_profiles() {
    let mut eligibility = Eligibility::default();
    let object = |n: u32| {
        let (name, rack) = (format!("node-{n}"), format!("rack-{}", n / 16));
        node(json!({"metadata": {"name": name, "labels":
            {"kubernetes.io/hostname": name, "rack": rack, "gpu": if n.is_multiple_of(2) { "h100" } else { "a100" }}}}))
    };
    for n in 0..10_000 {
        eligibility.set_node(NodeId(n), &object(n));
    }
    assert_eq!(eligibility.nodes.profiles(), 2, "the absent one and the one");
    let gpu = eligibility.intern(&spec(json!({"nodeSelector": {"gpu": "h100"}})));
    let profiles = eligibility.nodes.profiles();
    assert!(profiles <= 4, "{profiles}");
    // Naming a node splits nothing off.
    for n in 0..100 {
        let pinned = eligibility
            .intern(&spec(json!({"nodeSelector": {"kubernetes.io/hostname": format!("node-{n}")}})));
        assert_eq!(eligibility.cause(pinned, NodeId(n)), None);
        assert_eq!(eligibility.cause(pinned, NodeId(n + 1)), Some(Cause::NodeSelector));
    }
    assert_eq!(eligibility.nodes.profiles(), profiles);
    assert_eq!(eligibility.cause(gpu, NodeId(7)), Some(Cause::NodeSelector));
    assert_eq!(eligibility.cause(gpu, NodeId(8)), None);
}

#[test]
fn an_update_says_whether_it_matters() {
    let mut eligibility = Eligibility::default();
    let id = eligibility.intern(&spec(json!({"nodeSelector": {"zone": "a"}})));
    let mut set = |object: Value| eligibility.set_node(NodeId(0), &node(object));
    assert!(set(labelled(json!({"zone": "a"}))));
    assert!(!set(labelled(json!({"zone": "a"}))));
    assert!(!set(labelled(json!({"zone": "a", "heartbeat": "1"}))), "no constraint mentions it");
    assert!(set(
        json!({"metadata": {"name": "n", "labels": {"zone": "a"}}, "spec": {"unschedulable": true}})
    ));
    eligibility.remove_node(NodeId(0));
    assert_eq!(eligibility.cause(id, NodeId(0)), Some(Cause::NotReady));
    assert_eq!(eligibility.cause(id, NodeId(99)), Some(Cause::NotReady), "never seen");
    assert!(eligibility.set_node(NodeId(0), &node(labelled(json!({"zone": "a"})))));
    assert_eq!(eligibility.cause(id, NodeId(0)), None);
}

#[test]
fn selectors_and_taints_can_be_asked_one_by_one() {
    let mut eligibility = Eligibility::default();
    let id = eligibility.intern(&spec(json!({"nodeSelector": {"kubernetes.io/hostname": "h"}})));
    let object = json!({"metadata": {"name": "n", "labels": {"kubernetes.io/hostname": "h"}},
        "spec": {"unschedulable": true, "taints": [{"key": "t", "effect": "NoSchedule"}]}});
    eligibility.set_node(NodeId(0), &node(object));
    assert!(eligibility.matches_selectors(id, NodeId(0)));
    assert!(!eligibility.tolerates_taints(id, NodeId(0)));
    assert!(!eligibility.matches_selectors(id, NodeId(1)), "no such node");
    let key = eligibility.intern_text("kubernetes.io/hostname");
    let value = eligibility.label(NodeId(0), key).unwrap();
    assert_eq!(eligibility.texts().get(value), "h");
}

const KEYS: [&str; 4] = ["gpu", "zone", "kubernetes.io/hostname", "tier"];
const VALUES: [&str; 4] = ["a", "b", "1", "2"];

fn label() -> impl Strategy<Value = (String, String)> {
    (prop::sample::select(&KEYS[..]), prop::sample::select(&VALUES[..]))
        .prop_map(|(k, v)| (k.into(), v.into()))
}

fn any_node() -> impl Strategy<Value = Node> {
    let effect = prop::sample::select(vec!["NoSchedule", "NoExecute", "PreferNoSchedule"]);
    let taint = (prop::sample::select(vec!["t", "u"]), prop::sample::select(&VALUES[..]), effect);
    let taints = prop::collection::vec(taint, 0..3);
    (prop::collection::btree_map(prop::sample::select(&KEYS[..]), prop::sample::select(&VALUES[..]), 0..4), taints,
        prop::sample::select(&VALUES[..]), prop::bool::weighted(0.2), prop::bool::weighted(0.1))
        .prop_map(|(labels, taints, name, unschedulable, broken)| {
            let taints: Vec<_> = taints
                .iter()
                .map(|(key, value, effect)| json!({"key": key, "value": value, "effect": effect}))
                .collect();
            node(json!({"metadata": {"name": name, "labels": labels},
                "spec": {"unschedulable": unschedulable, "taints": taints},
                "status": {"conditions": [{"type": "Ready", "status": if broken { "False" } else { "True" }}]}}))
        })
}

fn any_term() -> impl Strategy<Value = Value> {
    let operator = prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]);
    let values = prop::collection::vec(prop::sample::select(&VALUES[..]), 1..3);
    let requirement =
        (prop::sample::select(&KEYS[..]), operator, values).prop_map(|(key, operator, values)| {
            let values = match operator {
                "Exists" | "DoesNotExist" => json!([]),
                "Gt" | "Lt" => json!(["1"]),
                _ => json!(values),
            };
            json!({"key": key, "operator": operator, "values": values})
        });
    let field = (prop::sample::select(vec!["In", "NotIn"]), prop::sample::select(&VALUES[..]))
        .prop_map(|(operator, name)| json!({"key": "metadata.name", "operator": operator, "values": [name]}));
    (prop::collection::vec(requirement, 0..3), prop::collection::vec(field, 0..2))
        .prop_map(|(labels, fields)| json!({"matchExpressions": labels, "matchFields": fields}))
}

fn any_spec() -> impl Strategy<Value = PodSpec> {
    let operator = prop::sample::select(vec!["Equal", "Exists", "Gt", "Lt"]);
    let key = prop::sample::select(vec!["", "t", "u", "node.kubernetes.io/unschedulable"]);
    let effect = prop::option::of(prop::sample::select(vec!["NoSchedule", "NoExecute", "PreferNoSchedule"]));
    let toleration = (key, operator, prop::sample::select(&VALUES[..]), effect).prop_map(|(key, operator, value, effect)| {
        json!({"key": key, "operator": operator, "value": value, "effect": effect})
    });
    let terms = prop::option::of(prop::collection::vec(any_term(), 0..3));
    let preferred = prop::collection::vec((1..100i32, any_term()), 0..3);
    (prop::collection::vec(label(), 0..2), terms, preferred, prop::collection::vec(toleration, 0..3)).prop_map(
        |(selector, terms, preferred, tolerations)| {
            let preferred: Vec<_> = preferred
                .iter()
                .map(|(weight, term)| json!({"weight": weight, "preference": term}))
                .collect();
            let mut affinity = json!({"preferredDuringSchedulingIgnoredDuringExecution": preferred});
            if let Some(terms) = terms {
                affinity["requiredDuringSchedulingIgnoredDuringExecution"] = json!({"nodeSelectorTerms": terms});
            }
            let selector: std::collections::BTreeMap<_, _> = selector.into_iter().collect();
            spec(json!({"nodeSelector": selector, "affinity": {"nodeAffinity": affinity}, "tolerations": tolerations}))
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Set(u32, Box<Node>),
    Remove(u32),
    Intern(Box<PodSpec>),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6u32, any_node()).prop_map(|(node, object)| Step::Set(node, Box::new(object))),
        1 => (0..6u32).prop_map(Step::Remove),
        4 => any_spec().prop_map(|spec| Step::Intern(Box::new(spec))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// However nodes and constraints come, change and go, every verdict is that of the plain objects, and an update
    /// that changes a verdict says so.
    #[test]
    fn verdicts_are_those_of_the_objects(steps in prop::collection::vec(any_step(), 1..25)) {
        let mut eligibility = Eligibility::default();
        let mut nodes: Vec<Option<Node>> = vec![None; 6];
        let mut specs = vec![(ConstraintId(0), PodSpec::default())];
        for step in steps {
            match step {
                Step::Set(id, object) => {
                    let row = |e: &Eligibility| -> Vec<_> {
                        specs.iter().map(|s| (e.cause(s.0, NodeId(id)), e.preference(s.0, NodeId(id)))).collect()
                    };
                    let before = row(&eligibility);
                    let moved = eligibility.set_node(NodeId(id), &object);
                    prop_assert!(moved || before == row(&eligibility));
                    nodes[id as usize] = Some(*object);
                }
                Step::Remove(id) => {
                    eligibility.remove_node(NodeId(id));
                    nodes[id as usize] = None;
                }
                Step::Intern(spec) => specs.push((eligibility.intern(&spec), *spec)),
            }
            for (id, spec) in &specs {
                for (index, node) in nodes.iter().enumerate() {
                    let at = NodeId(index as u32);
                    let found = describe(&eligibility, eligibility.cause(*id, at));
                    let expect = match node {
                        Some(node) => reference::cause(spec, node),
                        None => Some("NotReady".into()),
                    };
                    prop_assert_eq!(found, expect, "{:?} on {:?}", spec, node);
                    let preference = node.as_ref().map_or(0, |node| reference::preference(spec, node));
                    prop_assert_eq!(eligibility.preference(*id, at), preference);
                }
            }
        }
    }
}
