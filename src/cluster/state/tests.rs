//! Whatever the order of events, the cluster ends where a fresh one would that is told the end.

use super::*;
use crate::api::core::{Container, PodPhase, SchedulingGate};
use crate::api::core::{Node, Pod};
use crate::api::keys;
use crate::api::pod_group::PodGroup;
use crate::api::quantity::Quantity;
use crate::cluster::gangs::GangKind;
use crate::cluster::pods::PodState;
use proptest::prelude::*;
use std::collections::BTreeMap;

const GPU: &str = "nvidia.com/gpu";

fn node(name: &str, gpus: u32) -> Node {
    let mut node = Node::default();
    node.metadata.name = name.to_owned();
    node.status.allocatable.insert(GPU.to_owned(), Quantity(gpus.to_string()));
    node.status.allocatable.insert("cpu".to_owned(), Quantity("16".to_owned()));
    node
}

fn pod(name: &str, uid: &str, group: Option<&str>, gpus: u32) -> Pod {
    let mut pod = Pod::default();
    pod.metadata.name = name.to_owned();
    pod.metadata.namespace = "default".to_owned();
    pod.metadata.uid = uid.to_owned();
    if let Some(group) = group {
        pod.metadata.annotations.insert(keys::GROUP_NAME.to_owned(), group.to_owned());
    }
    let mut container = Container::default();
    container.resources.requests.insert(GPU.to_owned(), Quantity(gpus.to_string()));
    pod.spec.containers.push(container);
    pod.spec.scheduler_name = Some("volcano".to_owned());
    pod
}

fn group(name: &str, minimum: i32) -> PodGroup {
    let mut group = PodGroup::default();
    group.metadata.name = name.to_owned();
    group.metadata.namespace = "default".to_owned();
    group.spec.min_member = Some(minimum);
    group
}

/// What a client can see of a cluster, free of ids: free GPUs by node, pods and their gangs, gangs and their minimum.
fn visible(cluster: &Cluster) -> Vec<String> {
    let gpu = cluster.resources().find(GPU);
    let mut lines: Vec<String> = cluster
        .nodes()
        .present()
        .map(|(id, name, _)| {
            format!("node {name} {:?}", gpu.map(|gpu| cluster.view().capacity.free(id, gpu)))
        })
        .collect();
    lines.extend(cluster.pods().iter().map(|(_, pod)| {
        let gang = pod.gang.and_then(|gang| cluster.gangs().get(gang)).map(|gang| gang.key.clone());
        let node = pod.node.map(|node| cluster.nodes().name(node));
        format!("pod {} {} {:?} {node:?} {gang:?}", pod.key, pod.uid, pod.state)
    }));
    lines.extend(cluster.gangs().iter().map(|(_, gang)| {
        let pods: Vec<_> =
            gang.pods.iter().filter_map(|&pod| cluster.pods().get(pod)).map(|p| &*p.key).collect();
        let mut pods = pods;
        pods.sort_unstable();
        format!(
            "gang {} {:?} {pods:?}",
            gang.key,
            gang.group.as_ref().and_then(|group| group.spec.min_member)
        )
    }));
    lines.sort();
    lines
}

#[derive(Clone, Debug)]
enum Step {
    Node(usize, Option<u32>),
    /// Pod, and `None` to delete it, else (uid, node, phase).
    Pod(usize, Option<(u8, Option<usize>, u8)>),
    Group(usize, Option<i32>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3usize, prop::option::weighted(0.8, 0..9u32)).prop_map(|(n, gpus)| Step::Node(n, gpus)),
        (0..5usize, prop::option::weighted(0.8, (0..2u8, prop::option::of(0..3usize), 0..4u8)))
            .prop_map(|(p, what)| Step::Pod(p, what)),
        (0..2usize, prop::option::weighted(0.8, 0..4i32)).prop_map(|(g, minimum)| Step::Group(g, minimum)),
    ]
}

fn object(index: usize, &(uid, node, phase): &(u8, Option<usize>, u8)) -> Pod {
    // pods 0 and 1 belong to group 0, 2 and 3 to group 1, 4 to none
    let group = (index < 4).then(|| format!("g{}", index / 2));
    let mut pod = pod(&format!("p{index}"), &format!("u{uid}"), group.as_deref(), index as u32 + 1);
    pod.spec.node_name = node.map(|node| format!("n{node}"));
    pod.status.phase = match (phase, node) {
        (0, _) | (_, None) => Some(PodPhase::Pending),
        (1, _) => Some(PodPhase::Running),
        (2, _) => Some(PodPhase::Succeeded),
        _ => Some(PodPhase::Failed),
    };
    pod
}

proptest! {
    #[test]
    fn the_end_does_not_depend_on_the_way(steps in prop::collection::vec(step(), 0..40)) {
        let mut cluster = Cluster::new(Settings::default());
        let (mut nodes, mut pods, mut groups) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for step in &steps {
            match step {
                Step::Node(index, Some(gpus)) => {
                    let node = node(&format!("n{index}"), *gpus);
                    cluster.apply(Event::Node(&node));
                    nodes.insert(*index, node);
                }
                Step::Node(index, None) => {
                    cluster.apply(Event::NodeGone(&format!("n{index}")));
                    nodes.remove(index);
                }
                Step::Pod(index, Some(what)) => {
                    let pod = object(*index, what);
                    cluster.apply(Event::Pod(&pod));
                    pods.insert(*index, pod);
                }
                Step::Pod(index, None) => {
                    cluster.apply(Event::PodGone { namespace: "default", name: &format!("p{index}") });
                    pods.remove(index);
                }
                Step::Group(index, Some(minimum)) => {
                    let group = group(&format!("g{index}"), *minimum);
                    cluster.apply(Event::PodGroup(&group));
                    groups.insert(*index, group);
                }
                Step::Group(index, None) => {
                    cluster.apply(Event::PodGroupGone { namespace: "default", name: &format!("g{index}") });
                    groups.remove(index);
                }
            }
            prop_assert_eq!(cluster.audit(), Vec::<String>::new());
        }
        let mut fresh = Cluster::new(Settings::default());
        pods.values().for_each(|pod| fresh.apply(Event::Pod(pod)));
        groups.values().for_each(|group| fresh.apply(Event::PodGroup(group)));
        nodes.values().for_each(|node| fresh.apply(Event::Node(node)));
        prop_assert_eq!(visible(&cluster), visible(&fresh));
    }
}

#[test]
fn a_promise_holds_until_the_watch_says_otherwise() {
    let mut cluster = Cluster::new(Settings::default());
    cluster.apply(Event::Node(&node("n0", 8)));
    let mut waiting = pod("p", "u", None, 8);
    cluster.apply(Event::Pod(&waiting));
    let (id, n0) = (cluster.pods().id("default/p").unwrap(), cluster.nodes().id("n0").unwrap());
    let gpu = cluster.resources().find(GPU).unwrap();
    let free = |cluster: &Cluster| cluster.view().capacity.free(n0, gpu);
    cluster.assume(id, n0);
    assert_eq!(free(&cluster), 0);
    // an old version of the pod comes by: the promise stays
    waiting.metadata.labels.insert("a".into(), "b".into());
    cluster.apply(Event::Pod(&waiting));
    assert_eq!((free(&cluster), cluster.pods().get(id).unwrap().state), (0, PodState::Assumed));
    // bound elsewhere: the fact wins
    waiting.spec.node_name = Some("n1".into());
    cluster.apply(Event::Pod(&waiting));
    assert_eq!((free(&cluster), cluster.pods().get(id).unwrap().state), (8, PodState::Bound));
    assert_eq!(cluster.audit(), Vec::<String>::new());
}

/// Found by giving objects random values: the sum wrapped, and the node had room without end.
#[test]
fn pods_that_claim_more_than_any_machine_has_do_not_make_room() {
    let mut cluster = Cluster::new(Settings::default());
    cluster.apply(Event::Node(&node("n0", 8)));
    let n0 = cluster.nodes().id("n0").unwrap();
    for name in ["a", "b", "c"] {
        let mut pod = pod(name, name, None, 0);
        pod.spec.containers[0].resources.requests.insert(GPU.to_owned(), Quantity(i64::MAX.to_string()));
        pod.spec.node_name = Some("n0".into());
        cluster.apply(Event::Pod(&pod));
        let gpu = cluster.resources().find(GPU).unwrap();
        assert!(cluster.view().capacity.free(n0, gpu) < -(1 << 40), "after {name}");
    }
    for name in ["a", "b", "c"] {
        cluster.apply(Event::PodGone { namespace: "default", name });
    }
    let gpu = cluster.resources().find(GPU).unwrap();
    assert_eq!(cluster.view().capacity.free(n0, gpu), 8);
}

#[test]
fn a_promise_can_be_taken_back() {
    let mut cluster = Cluster::new(Settings::default());
    cluster.apply(Event::Node(&node("n0", 8)));
    cluster.apply(Event::Pod(&pod("p", "u", None, 3)));
    let (id, n0) = (cluster.pods().id("default/p").unwrap(), cluster.nodes().id("n0").unwrap());
    cluster.assume(id, n0);
    cluster.take_marks();
    cluster.forget(id);
    assert_eq!(cluster.audit(), Vec::<String>::new());
    let marks = cluster.take_marks();
    assert!(
        marks.gained.contains(&n0) && marks.gangs.len() == 1,
        "both the node and the gang are looked at again"
    );
}

#[test]
fn a_change_that_decides_nothing_marks_nothing() {
    let mut cluster = Cluster::new(Settings::default());
    let mut p = pod("p", "u", Some("g"), 1);
    p.spec.scheduling_gates.push(SchedulingGate { name: "x".into() });
    cluster.apply(Event::Node(&node("n0", 8)));
    cluster.apply(Event::Pod(&p));
    cluster.apply(Event::PodGroup(&group("g", 1)));
    cluster.refresh();
    cluster.take_marks();
    p.metadata.annotations.insert("note".into(), "x".into());
    cluster.apply(Event::Pod(&p));
    cluster.apply(Event::Node(&node("n0", 8)));
    cluster.apply(Event::PodGroup(&group("g", 1)));
    assert!(!cluster.has_marks());
    p.spec.scheduling_gates.clear();
    cluster.apply(Event::Pod(&p));
    assert!(cluster.has_marks(), "a lifted gate lets the gang be tried");
}

#[test]
fn a_group_annotation_that_comes_late_moves_the_pod() {
    let mut cluster = Cluster::new(Settings::default());
    let mut p = pod("p", "u", None, 1);
    cluster.apply(Event::Pod(&p));
    cluster.apply(Event::PodGroup(&group("g", 1)));
    p.metadata.annotations.insert(keys::GROUP_NAME.into(), "g".into());
    cluster.apply(Event::Pod(&p));
    let gangs: Vec<_> = cluster.gangs().iter().map(|(_, gang)| (gang.kind, gang.pods.len())).collect();
    assert_eq!(gangs, [(GangKind::PodGroup, 1)]);
}

/// A pod that wants no other of its app in its rack.
fn loner(name: &str) -> Pod {
    let mut pod = pod(name, name, None, 1);
    pod.metadata.labels.insert("app".into(), "loner".into());
    let terms =
        serde_json::json!([{"topologyKey": "rack", "labelSelector": {"matchLabels": {"app": "loner"}}}]);
    let affinity =
        serde_json::json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}});
    pod.spec.affinity = serde_json::from_value(affinity).unwrap();
    pod
}

#[test]
fn what_rules_about_other_pods_look_at_follows_labels_that_no_selector_mentions() {
    let mut cluster = Cluster::new(Settings::default());
    let in_rack = |name: &str, rack: &str| {
        let mut node = node(name, 8);
        node.metadata.labels.insert("rack".into(), rack.into());
        node
    };
    cluster.apply(Event::Node(&in_rack("n0", "a")));
    cluster.apply(Event::Node(&in_rack("n1", "b")));
    let mut first = loner("first");
    first.spec.node_name = Some("n0".into());
    cluster.apply(Event::Pod(&first));
    cluster.apply(Event::Pod(&loner("second")));
    let excluded = |cluster: &mut Cluster| {
        cluster.refresh();
        let view = cluster.view();
        let (_, second) = cluster.pods().iter().find(|(_, pod)| pod.name() == "second").unwrap();
        assert!(view.concerns(second.class));
        ["n0", "n1"].map(|name| view.trial().cause(second.class, cluster.nodes().id(name).unwrap()).is_some())
    };
    assert_eq!(excluded(&mut cluster), [true, false]);
    cluster.apply(Event::Node(&in_rack("n1", "a")));
    assert_eq!(excluded(&mut cluster), [true, true]);
    cluster.apply(Event::Node(&in_rack("n1", "b")));
    cluster.apply(Event::PodGone { namespace: "default", name: "first" });
    assert_eq!(excluded(&mut cluster), [false, false]);
}

#[test]
fn a_pod_that_rules_look_at_marks_gangs_on_all_nodes() {
    let mut cluster = Cluster::new(Settings::default());
    cluster.apply(Event::Node(&node("n0", 8)));
    let mut plain = pod("plain", "u", None, 1);
    plain.spec.node_name = Some("n0".into());
    cluster.apply(Event::Pod(&plain));
    assert!(!cluster.take_marks().coupled, "nobody looks");
    cluster.apply(Event::Pod(&loner("waits")));
    cluster.take_marks();
    let mut first = loner("first");
    first.spec.node_name = Some("n0".into());
    cluster.apply(Event::Pod(&first));
    assert!(cluster.take_marks().coupled);
    cluster.apply(Event::PodGone { namespace: "default", name: "first" });
    assert!(cluster.take_marks().coupled);
    cluster.apply(Event::PodGone { namespace: "default", name: "plain" });
    assert!(!cluster.take_marks().coupled);
}

/// Pods by the thousand that come, change, are replaced and go leave nothing behind.
#[test]
fn what_comes_and_goes_leaves_nothing_behind() {
    let mut cluster = Cluster::new(Settings::default());
    let labelled = |mut pod: Pod, value: &str| {
        let pairs = [("app", "web"), ("statefulset.kubernetes.io/pod-name", value), ("role", "worker")];
        pod.metadata.labels = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        pod
    };
    for index in 0..4 {
        cluster.apply(Event::Node(&node(&format!("n{index}"), 8)));
    }
    // A pod that stays, with a rule that looks at all the others.
    cluster.apply(Event::Pod(&loner("stays")));
    let mut sizes = Vec::new();
    for round in 0..50 {
        for index in 0..40 {
            let (number, name) = (round * 40 + index, format!("p{round}-{index}"));
            let gang = format!("g{}", number / 4);
            cluster.apply(Event::PodGroup(&group(&gang, 4)));
            let mut new = labelled(pod(&name, "a", Some(&gang), 1), &name);
            cluster.apply(Event::Pod(&new));
            new.spec.node_name = Some(format!("n{}", index % 4));
            cluster.apply(Event::Pod(&new));
            cluster.apply(Event::Pod(&labelled(new.clone(), &format!("{name}-renamed"))));
            new.metadata.uid = "b".to_owned();
            cluster.apply(Event::Pod(&new));
        }
        let mut relabelled = node("n0", 8);
        relabelled.metadata.labels.insert("round".to_owned(), round.to_string());
        cluster.apply(Event::Node(&relabelled));
        cluster.refresh();
        let _ = cluster.take_marks();
        sizes.push((
            cluster.labels.len(),
            cluster.labels.texts(),
            cluster.classes.len(),
            cluster.pods.slots(),
        ));
        for index in 0..40 {
            cluster.apply(Event::PodGone { namespace: "default", name: &format!("p{round}-{index}") });
            cluster.apply(Event::PodGroupGone {
                namespace: "default",
                name: &format!("g{}", round * 10 + index / 4),
            });
        }
    }
    // 40 pods, the one that stays, and a node; what they share, and a text for each.
    assert_eq!(sizes[0].0, 40 + 1 + 1, "{sizes:?}");
    assert_eq!(sizes[49], sizes[1], "{sizes:?}");
    assert_eq!(cluster.labels.len(), 2);
    assert_eq!((cluster.pods.len(), cluster.gangs.iter().count()), (1, 1));
    assert_eq!(cluster.audit(), Vec::<String>::new());
    cluster.apply(Event::NodeGone("n0"));
    cluster.apply(Event::PodGone { namespace: "default", name: "stays" });
    assert!(cluster.labels.is_empty() && cluster.labels.texts() == 0);
}

#[test]
fn a_heartbeat_changes_nothing_and_anything_else_does() {
    let mut first = node("n", 8);
    first.metadata.labels.insert("rack".to_owned(), "a".to_owned());
    let check = |what: &str, expect: bool, change: &dyn Fn(&mut Node)| {
        let mut cluster = Cluster::new(Settings::default());
        cluster.apply(Event::Node(&first));
        cluster.refresh();
        let _ = cluster.take_marks();
        let mut next = first.clone();
        change(&mut next);
        let before = cluster.capacity.position();
        cluster.apply(Event::Node(&next));
        let changed = cluster.topology_stale || cluster.has_marks() || cluster.capacity.position() != before;
        assert_eq!(changed, expect, "{what}");
    };
    let condition = |type_: &str, status: &str| crate::api::meta::Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        ..Default::default()
    };
    let quantity = |text: &str| Quantity(text.to_owned());
    check("nothing", false, &|_| {});
    check("a version", false, &|node| node.metadata.resource_version = "7".to_owned());
    check("a condition", false, &|node| node.status.conditions.push(condition("DiskPressure", "False")));
    check("ready", false, &|node| node.status.conditions.push(condition("Ready", "True")));
    check("not ready", true, &|node| node.status.conditions.push(condition("Ready", "False")));
    check("a label", true, &|node| drop(node.metadata.labels.insert("rack".to_owned(), "b".to_owned())));
    check("no label", true, &|node| node.metadata.labels.clear());
    check("cordon", true, &|node| node.spec.unschedulable = true);
    check("less", true, &|node| drop(node.status.allocatable.insert(GPU.to_owned(), quantity("7"))));
    check("more", true, &|node| {
        drop(node.status.allocatable.insert("example.com/x".to_owned(), quantity("7")))
    });
    check("none", true, &|node| drop(node.status.allocatable.remove(GPU)));
    check("the same in other words", false, &|node| {
        node.status.allocatable.insert("cpu".to_owned(), quantity("16000m"));
    });
    // Names and quantities must not run into each other.
    check("shifted", true, &|node| {
        node.status.allocatable.clear();
        node.status.allocatable.insert("cpu16nvidia.com/gpu".to_owned(), quantity("8"));
    });
}
