//! A cluster that has forgotten what nothing refers to answers as one that never knew it, and does not grow.

use super::super::Cluster;
use crate::api::core::{Node, Pod, PriorityClass};
use crate::cluster::ids::NodeId;
use crate::cluster::pods::PodState;
use crate::cluster::{Event, Settings};
use proptest::prelude::*;
use serde_json::{Value, json};

fn node(name: &str, labels: &Value, taint: Option<&str>) -> Node {
    let mut labels = labels.clone();
    labels["kubernetes.io/hostname"] = json!(name);
    let taints: Vec<Value> =
        taint.iter().map(|key| json!({"key": key, "value": "x", "effect": "NoSchedule"})).collect();
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": labels}, "spec": {"taints": taints},
        "status": {"allocatable": {"cpu": "64", "pods": "110"}},
    }))
    .unwrap()
}

fn pod(name: &str, labels: &Value, spec: &Value) -> Pod {
    let mut spec = spec.clone();
    if spec.get("schedulerName").is_none() {
        spec["schedulerName"] = json!("volcano");
    }
    spec["containers"] = json!([{"name": "c", "resources": {"requests": {"cpu": "1"}}}]);
    let metadata = json!({
        "name": name, "namespace": "default", "uid": name, "labels": labels,
        "annotations": {"volcano.sh/task-spec": format!("role-{name}")},
    });
    serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
}

/// What a pod demands, of some kinds, with values that few or many share.
fn spec(kind: u8, value: u8) -> Value {
    let term = |topology: &str| json!([{"topologyKey": topology, "labelSelector": {"matchLabels": {"app": format!("a{value}")}}}]);
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    match kind {
        0 => json!({"nodeSelector": {"rack": format!("r{value}")}}),
        1 => json!({"tolerations": [{"key": format!("t{value}"), "operator": "Exists"}]}),
        2 => json!({"affinity": {"podAntiAffinity": {required: term("kubernetes.io/hostname")}}}),
        3 => json!({"affinity": {"podAffinity": {required: term("rack")}}}),
        4 => json!({"topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": format!("a{value}")}},
        }], "nodeSelector": {"zone": "z"}}),
        5 => json!({"affinity": {"nodeAffinity": {required: {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [format!("n{value}")]}]},
            {"matchExpressions": [{"key": "size", "operator": "Gt", "values": [value.to_string()]}]},
        ]}}}}),
        _ => json!({}),
    }
}

/// What every pod that waits is told of every node.
fn verdicts(cluster: &mut Cluster) -> Vec<String> {
    cluster.refresh();
    let (view, trial) = (cluster.view(), cluster.view().trial());
    let mut lines: Vec<String> = Vec::new();
    for (_, pod) in cluster.pods().iter().filter(|(_, pod)| pod.state == PodState::Pending) {
        let class = view.classes.get(pod.class);
        lines.push(format!("{} {:?}", pod.key, class.requests));
        lines.push(format!("{} is {}", pod.key, cluster.texts().get(pod.role)));
        for (node, name, _) in cluster.nodes().present() {
            let (still, coupled) =
                (view.eligibility.cause(class.constraint, node), trial.cause(pod.class, node));
            // Ids of texts may differ.
            let still = format!("{still:?}").split('(').next().unwrap_or_default().to_owned();
            lines.push(format!("{} on {name}: {still} {coupled:?}", pod.key));
        }
    }
    lines.sort();
    lines
}

#[derive(Clone, Debug)]
enum Step {
    /// Label `rack`, and a taint.
    Node(u8, Option<(u8, Option<u8>)>),
    /// Label `app`, node, kind and value of what it demands; `None` to delete it.
    Pod(u8, Option<(u8, Option<u8>, u8, u8)>),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let node = (0..4u8, prop::option::weighted(0.8, (0..3u8, prop::option::of(0..3u8))));
    let what = (0..3u8, prop::option::of(0..4u8), 0..7u8, 0..4u8);
    prop_oneof![
        2 => node.prop_map(|(index, what)| Step::Node(index, what)),
        5 => (0..8u8, prop::option::weighted(0.7, what)).prop_map(|(index, what)| Step::Pod(index, what)),
        2 => Just(Step::Sweep),
    ]
}

fn play(cluster: &mut Cluster, step: &Step) {
    match step {
        Step::Node(index, Some((rack, taint))) => {
            let labels = json!({"rack": format!("r{rack}"), "zone": "z", "size": index.to_string()});
            let taint = taint.map(|taint| format!("t{taint}"));
            cluster.apply(Event::Node(&node(&format!("n{index}"), &labels, taint.as_deref())));
        }
        Step::Node(index, None) => cluster.apply(Event::NodeGone(&format!("n{index}"))),
        Step::Pod(index, Some((app, node, kind, value))) => {
            let mut spec = spec(*kind, *value);
            if let Some(node) = node {
                spec["nodeName"] = json!(format!("n{node}"));
            }
            let labels = json!({"app": format!("a{app}")});
            cluster.apply(Event::Pod(&pod(&format!("p{index}"), &labels, &spec)));
        }
        Step::Pod(index, None) => {
            cluster.apply(Event::PodGone { namespace: "default", name: &format!("p{index}") });
        }
        Step::Sweep => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_swept_cluster_answers_as_one_that_never_forgets(steps in prop::collection::vec(step(), 1..60)) {
        let (mut swept, mut plain) =
            (Cluster::new(Settings::default()), Cluster::new(Settings::default()));
        for step in &steps {
            play(&mut swept, step);
            play(&mut plain, step);
            if let Step::Sweep = step {
                swept.sweep();
                prop_assert_eq!(verdicts(&mut swept), verdicts(&mut plain));
            }
        }
        swept.sweep();
        prop_assert_eq!(verdicts(&mut swept), verdicts(&mut plain));
        prop_assert_eq!(swept.audit(), Vec::<String>::new());
    }
}

/// Whatever each pod and each node has of its own, it leaves nothing behind.
#[test]
fn churn_does_not_grow() {
    let mut cluster = Cluster::new(Settings::default());
    let mut kept = Vec::new();
    for round in 0..12_000u32 {
        let own = json!({"app": format!("a{round}"), "rack": format!("r{round}")});
        let spec = match round % 4 {
            0 => json!({"nodeSelector": {format!("key-{round}"): "x", "rack": format!("r{round}")}}),
            1 => json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": format!("key-{round}"), "labelSelector": {"matchLabels": {"app": format!("a{round}")}}}
            ]}}}),
            2 => {
                json!({"tolerations": [{"key": format!("key-{round}"), "operator": "Exists"}], "nodeName": format!("n{round}")})
            }
            _ => json!({"containers": [], "hostNetwork": true, "topologySpreadConstraints": [{
                "maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": format!("a{round}")}},
            }], "nodeSelector": {"rack": format!("r{round}")}}),
        };
        let name = format!("n{round}");
        cluster.apply(Event::Node(&node(&name, &own, Some(&format!("t{round}")))));
        cluster.apply(Event::Pod(&pod(&format!("p{round}"), &own, &spec)));
        if round >= 20 {
            let gone = round - 20;
            cluster.apply(Event::PodGone { namespace: "default", name: &format!("p{gone}") });
            cluster.apply(Event::NodeGone(&format!("n{gone}")));
        }
        if round % 8 == 0 {
            cluster.refresh();
            kept.push(cluster.pieces());
        }
    }
    let (early, late) = kept.split_at(kept.len() / 2);
    let most = |kept: &[usize]| kept.iter().copied().max().unwrap_or(0);
    assert!(most(late) <= most(early) + most(early) / 10, "{} and later {}", most(early), most(late));
    assert!(most(late) < 2 * 4096, "{}", most(late));
    cluster.sweep();
    assert!(cluster.nodes().len() <= 21, "{} names", cluster.nodes().len());
    assert_eq!(cluster.audit(), Vec::<String>::new());
}

/// Each pod of a DaemonSet names its own node in its affinity. Where others' pods may go decides nothing here.
#[test]
fn pods_of_other_schedulers_leave_no_constraint() {
    let mut cluster = Cluster::new(Settings::default());
    let before = cluster.view().eligibility.len();
    for index in 0..50 {
        let field = json!({"key": "metadata.name", "operator": "In", "values": [format!("n{index}")]});
        let terms = json!({"nodeSelectorTerms": [{"matchFields": [field]}]});
        let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}});
        for node in [None, Some(format!("n{index}"))] {
            let spec = json!({"schedulerName": "default-scheduler", "affinity": affinity, "nodeName": node});
            cluster.apply(Event::Pod(&pod(&format!("agent-{index}"), &json!({}), &spec)));
        }
    }
    assert_eq!(cluster.view().eligibility.len(), before);
    assert_eq!(cluster.view().classes.len(), 1);
}

#[test]
fn a_pod_that_changes_its_role_has_the_new_one() {
    let mut cluster = Cluster::new(Settings::default());
    let mut changed = pod("p", &json!({}), &json!({}));
    cluster.apply(Event::Pod(&changed));
    let _ = cluster.take_marks();
    changed.metadata.annotations.insert("volcano.sh/task-spec".into(), "worker".into());
    changed.metadata.annotations.insert("volcano.sh/task-index".into(), "3".into());
    cluster.apply(Event::Pod(&changed));
    let id = cluster.pods().id("default/p").unwrap();
    let record = cluster.pods().get(id).unwrap();
    assert_eq!((cluster.texts().get(record.role), record.task_index), ("worker", Some(3)));
    assert_eq!(cluster.take_marks().gangs.len(), 1, "its gang may have its minimum now");
}

#[test]
fn a_priority_class_that_has_not_changed_marks_nothing() {
    let mut cluster = Cluster::new(Settings::default());
    let mut class = PriorityClass { value: 5, global_default: true, ..PriorityClass::default() };
    class.metadata.name = "high".into();
    let mut marks = |class: &PriorityClass| {
        cluster.apply(Event::PriorityClass(class));
        cluster.take_marks().everything
    };
    assert!(marks(&class));
    assert!(!marks(&class));
    class.global_default = false;
    assert!(marks(&class) && !marks(&class));
    class.value = 6;
    assert!(marks(&class) && !marks(&class));
    cluster.apply(Event::PriorityClassGone("high"));
    assert!(cluster.take_marks().everything);
    cluster.apply(Event::PriorityClassGone("high"));
    assert!(!cluster.take_marks().everything);
}

/// The promise is made before anybody looks at such pods; when it is taken back, somebody does.
#[test]
fn a_promise_that_is_taken_back_is_seen_by_selectors_that_came_meanwhile() {
    let mut cluster = Cluster::new(Settings::default());
    cluster.apply(Event::Node(&node("n", &json!({}), None)));
    cluster.apply(Event::Pod(&pod("p", &json!({"app": "a1"}), &json!({}))));
    cluster.refresh();
    let id = cluster.pods().id("default/p").unwrap();
    cluster.assume(id, NodeId(0));
    let mut other = spec(2, 1);
    other["nodeName"] = json!("n");
    cluster.apply(Event::Pod(&pod("other", &json!({}), &other)));
    cluster.refresh();
    cluster.forget(id);
    cluster.refresh();
    let class = cluster.pods().get(id).unwrap().class;
    assert!(cluster.view().concerns(class));
    assert!(cluster.view().trial().cause(class, NodeId(0)).is_some());
}
