//! Tables for every rule; every table is asked of [`super::reference`], too.

mod properties;

use super::super::cause::Cause;
use super::super::class::Class;
use super::super::ids::ClassId;
use super::reference::Reference;
use super::*;
use crate::api::core::{Node, Pod};
use serde_json::{Value, json};

/// The cluster's part in it: ids, classes, and who is told in which order.
#[derive(Default)]
struct World {
    eligibility: Eligibility,
    coupling: Coupling,
    label_sets: LabelSets,
    classes: Classes,
    objects: Reference,
    couplings: Vec<CouplingId>,
}

impl World {
    fn set_node(&mut self, node: usize, object: Option<Node>) {
        let id = NodeId(node as u32);
        match &object {
            Some(object) => {
                self.eligibility.set_node(id, object);
            }
            None => self.eligibility.remove_node(id),
        }
        self.coupling.set_node(id, &self.eligibility);
        if self.objects.nodes.len() <= node {
            self.objects.nodes.resize(node + 1, None);
        }
        self.objects.nodes[node] = object;
    }

    fn intern(&mut self, pod: &Pod, placed: bool) -> CouplingId {
        let labels = self.label_sets.intern(&pod.metadata.labels);
        let constraint = self.eligibility.intern(&pod.spec);
        let applicant = Applicant { namespace: &pod.metadata.namespace, labels, spec: &pod.spec, constraint };
        let (sets, eligibility) = (&self.label_sets, &mut self.eligibility);
        match placed {
            true => self.coupling.intern_placed(applicant, sets, eligibility),
            false => self.coupling.intern(applicant, sets, eligibility),
        }
    }

    fn add_pod(&mut self, pod: Pod, node: usize) {
        // Whether the pod was ours or came with its node makes no difference to others.
        let placed = self.objects.pods.len().is_multiple_of(2);
        let coupling = self.intern(&pod, placed);
        let resident = resident(&mut self.label_sets, &pod, coupling);
        self.coupling.add_pod(resident, NodeId(node as u32), &self.label_sets);
        self.objects.pods.push((pod, node));
        self.couplings.push(coupling);
    }

    fn remove_pod(&mut self, index: usize) -> (Pod, usize) {
        let (pod, node) = self.objects.pods.remove(index);
        let coupling = self.couplings.remove(index);
        let resident = resident(&mut self.label_sets, &pod, coupling);
        self.coupling.remove_pod(resident, NodeId(node as u32), &self.label_sets);
        (pod, node)
    }

    fn class(&mut self, pod: &Pod) -> ClassId {
        let coupling = self.intern(pod, false);
        let constraint = self.eligibility.intern(&pod.spec);
        self.classes.intern(Class { requests: Box::default(), constraint, coupling })
    }
}

fn resident<'p>(label_sets: &mut LabelSets, pod: &'p Pod, coupling: CouplingId) -> Resident<'p> {
    Resident {
        namespace: &pod.metadata.namespace,
        labels: label_sets.intern(&pod.metadata.labels),
        coupling,
        deleting: pod.metadata.deletion_timestamp.is_some(),
    }
}

/// `app=web,gpu=1` becomes labels.
fn labels(text: &str) -> Value {
    text.split(',').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), json!(v))).collect()
}

fn node(text: &str) -> Node {
    serde_json::from_value(json!({"metadata": {"name": "n", "labels": labels(text)}})).unwrap()
}

fn pod(text: &str, mut spec: Value) -> Pod {
    let (namespace, text) = text.split_once('/').unwrap_or(("default", text));
    if spec.get("containers").is_none() {
        spec["containers"] = json!([]);
    }
    let metadata = json!({"name": "p", "namespace": namespace, "labels": labels(text)});
    serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
}

fn plain(text: &str) -> Pod {
    pod(text, json!({}))
}

/// A term about pods with these labels.
fn term(text: &str, key: &str) -> Value {
    json!({"topologyKey": key, "labelSelector": {"matchLabels": labels(text)}})
}

fn near(terms: Value) -> Value {
    json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}})
}

fn away(terms: Value) -> Value {
    json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}})
}

fn spread(constraint: Value) -> Value {
    let mut constraint = constraint;
    constraint["whenUnsatisfiable"] = json!("DoNotSchedule");
    json!({"topologySpreadConstraints": [constraint]})
}

/// The causes of every node for the candidate, one letter each: `.` allows, `P`ort, a`F`finity, `A`nti-affinity,
/// `S`pread. Whether pods or candidate come first must not matter.
#[track_caller]
fn check(nodes: &[&str], pods: &[(Pod, usize)], candidate: &Pod, expect: &str) {
    for candidate_first in [true, false] {
        let mut world = World::default();
        if candidate_first {
            world.class(candidate);
        }
        for (index, labels) in nodes.iter().enumerate() {
            world.set_node(index, Some(node(labels)));
        }
        for (pod, at) in pods {
            world.add_pod(pod.clone(), *at);
        }
        let class = world.class(candidate);
        let trial = world.coupling.trial(&world.classes);
        let letters: String =
            (0..nodes.len()).map(|at| letter(trial.cause(class, NodeId(at as u32)))).collect();
        assert_eq!(letters, expect, "candidate first: {candidate_first}");
        let letters: String = (0..nodes.len()).map(|at| letter(world.objects.cause(candidate, at))).collect();
        assert_eq!(letters, expect, "reference");
    }
}

fn letter(cause: Option<Cause>) -> char {
    match cause {
        None => '.',
        Some(Cause::HostPort) => 'P',
        Some(Cause::PodAffinity) => 'F',
        Some(Cause::PodAntiAffinity) => 'A',
        Some(Cause::TopologySpread) => 'S',
        Some(other) => panic!("{other:?} is not ours"),
    }
}

const FOUR: [&str; 4] = ["host=a,rack=1", "host=b,rack=1", "host=c,rack=2", "host=d"];

#[test]
fn host_ports_conflict_by_protocol_number_and_address() {
    let with = |ports: Value| pod("", json!({"containers": [{"name": "c", "ports": ports}]}));
    let on = |port: i32, ip: &str, protocol: &str| {
        with(json!([{"containerPort": 1, "hostPort": port, "hostIP": ip, "protocol": protocol}]))
    };
    let taken = [(on(80, "", ""), 0), (on(80, "10.0.0.1", "TCP"), 1), (on(53, "0.0.0.0", "UDP"), 2)];
    let nodes = ["", "", ""];
    check(&nodes, &taken, &on(80, "", "TCP"), "PP.");
    check(&nodes, &taken, &on(80, "10.0.0.1", ""), "PP.");
    check(&nodes, &taken, &on(80, "10.0.0.2", ""), "P..");
    check(&nodes, &taken, &on(80, "", "UDP"), "...");
    check(&nodes, &taken, &on(53, "127.0.0.1", "UDP"), "..P");
    check(&nodes, &taken, &with(json!([{"containerPort": 80}])), "...");
    check(&nodes, &taken, &with(json!([{"hostPort": 81}, {"hostPort": 80}])), "PP.");
}

#[test]
fn in_the_network_of_the_host_container_ports_are_host_ports() {
    let ports = json!([{"name": "c", "ports": [{"containerPort": 29500}]}]);
    let host = pod("", json!({"hostNetwork": true, "containers": ports}));
    let own = pod("", json!({"containers": ports}));
    check(&["", ""], &[(host.clone(), 1)], &host, ".P");
    check(&["", ""], &[(host, 1)], &own, "..");
}

#[test]
fn ports_of_sidecars_count_and_those_of_init_containers_do_not() {
    let init = |policy: Value| {
        pod(
            "",
            json!({"initContainers": [{"name": "i", "restartPolicy": policy, "ports": [{"hostPort": 9}]}]}),
        )
    };
    let (sidecar, once) = (init(json!("Always")), init(Value::Null));
    check(&[""], &[(sidecar.clone(), 0)], &sidecar, "P");
    check(&[""], &[(once.clone(), 0)], &sidecar, ".");
    check(&[""], &[(sidecar, 0)], &once, ".");
}

#[test]
fn affinity_wants_a_pod_in_the_same_domain() {
    let cache = [(plain("app=cache"), 0)];
    check(&FOUR, &cache, &pod("", near(json!([term("app=cache", "host")]))), ".FFF");
    check(&FOUR, &cache, &pod("", near(json!([term("app=cache", "rack")]))), "..FF");
    check(&FOUR, &cache, &pod("", near(json!([term("app=other", "rack")]))), "FFFF");
    check(&FOUR, &cache, &pod("", near(json!([{"topologyKey": "rack"}]))), "FFFF");
    check(&FOUR, &cache, &pod("", near(json!([{"topologyKey": "rack", "labelSelector": {}}]))), "..FF");
    check(&FOUR, &cache, &pod("", near(json!([term("app=cache", "row")]))), "FFFF");
}

#[test]
fn all_affinity_terms_must_be_met_by_the_same_pods() {
    let both = pod("", near(json!([term("app=cache", "rack"), term("tier=hot", "host")])));
    check(&FOUR, &[(plain("app=cache"), 0), (plain("tier=hot"), 0)], &both, "FFFF");
    check(&FOUR, &[(plain("app=cache,tier=hot"), 0)], &both, ".FFF");
    let twice = [(plain("app=cache,tier=hot"), 0), (plain("app=cache,tier=hot"), 2)];
    check(&FOUR, &twice, &both, ".F.F");
}

#[test]
fn the_first_pod_of_a_series_may_go_anywhere_with_the_label() {
    let gang = pod("app=gang", near(json!([term("app=gang", "rack")])));
    check(&FOUR, &[], &gang, "...F");
    check(&FOUR, &[(gang.clone(), 2)], &gang, "FF.F");
    // A pod of the series where the label is missing is in no domain: the series has not begun.
    check(&FOUR, &[(gang.clone(), 3)], &gang, "...F");
    // One of another kind cannot begin it.
    check(&FOUR, &[], &pod("app=client", near(json!([term("app=gang", "rack")]))), "FFFF");
    check(
        &FOUR,
        &[],
        &pod("app=gang", near(json!([term("app=gang", "rack"), term("app=x", "rack")]))),
        "FFFF",
    );
}

#[test]
fn anti_affinity_keeps_away_from_the_domain() {
    let web = [(plain("app=web"), 0)];
    check(&FOUR, &web, &pod("", away(json!([term("app=web", "host")]))), "A...");
    check(&FOUR, &web, &pod("", away(json!([term("app=web", "rack")]))), "AA..");
    check(&FOUR, &web, &pod("", away(json!([term("app=x", "rack"), term("app=web", "host")]))), "A...");
    check(&FOUR, &web, &pod("", away(json!([{"topologyKey": "rack"}]))), "....");
    // Where the label is missing there is no domain to keep away from.
    check(&FOUR, &[(plain("app=web"), 3)], &pod("", away(json!([term("app=web", "rack")]))), "....");
}

#[test]
fn anti_affinity_of_others_keeps_away_too() {
    let loner = [(pod("app=loner", away(json!([term("app=web", "rack")]))), 0)];
    check(&FOUR, &loner, &plain("app=web"), "AA..");
    check(&FOUR, &loner, &plain("app=db"), "....");
    check(&FOUR, &loner, &plain("other/app=web"), "....");
}

#[test]
fn hosts_are_not_shared_within_a_series() {
    let worker = pod("app=w", away(json!([term("app=w", "host")])));
    check(&FOUR, &[(worker.clone(), 1), (worker.clone(), 3)], &worker, ".A.A");
}

#[test]
fn namespaces_of_terms() {
    let pods = [(plain("a/app=web"), 0), (plain("b/app=web"), 1), (plain("c/app=web"), 2)];
    let candidate = |namespaces: Value, selector: Value| {
        let mut term = term("app=web", "host");
        term["namespaces"] = namespaces;
        term["namespaceSelector"] = selector;
        pod("a/", away(json!([term])))
    };
    check(&FOUR, &pods, &candidate(json!([]), Value::Null), "A...");
    check(&FOUR, &pods, &candidate(json!(["b"]), Value::Null), ".A..");
    check(&FOUR, &pods, &candidate(json!([]), json!({})), "AAA.");
    check(&FOUR, &pods, &candidate(json!(["b"]), json!({})), "AAA.");
}

#[test]
fn a_namespace_can_be_selected_by_its_name() {
    let mut world = World::default();
    world.set_node(0, Some(node("host=a")));
    world.set_node(1, Some(node("host=b")));
    world.add_pod(plain("a/app=web"), 0);
    world.add_pod(plain("b/app=web"), 1);
    let mut by_name = term("app=web", "host");
    by_name["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": "b"}});
    let class = world.class(&pod("a/", away(json!([by_name]))));
    let trial = world.coupling.trial(&world.classes);
    assert_eq!(trial.cause(class, NodeId(0)), None);
    assert_eq!(trial.cause(class, NodeId(1)), Some(Cause::PodAntiAffinity));
}

#[test]
fn match_label_keys_narrow_a_term_to_the_pods_own_values() {
    let with = |field: &str| {
        let mut term = term("app=web", "host");
        term[field] = json!(["version", "absent"]);
        pod("app=web,version=2", away(json!([term])))
    };
    let pods = [(plain("app=web,version=1"), 0), (plain("app=web,version=2"), 1), (plain("app=web"), 2)];
    check(&FOUR, &pods, &with("matchLabelKeys"), ".A..");
    check(&FOUR, &pods, &with("mismatchLabelKeys"), "A.A.");
}

#[test]
fn selector_operators_on_pods() {
    let pods = [(plain("app=web"), 0), (plain("app=db"), 1), (plain("tier=1"), 2)];
    let candidate = |operator: &str, values: Value| {
        pod(
            "",
            away(json!([{"topologyKey": "host", "labelSelector":
            {"matchExpressions": [{"key": "app", "operator": operator, "values": values}]}}])),
        )
    };
    check(&FOUR, &pods, &candidate("In", json!(["web", "x"])), "A...");
    check(&FOUR, &pods, &candidate("In", json!(["web", "db"])), "AA..");
    check(&FOUR, &pods, &candidate("NotIn", json!(["web"])), ".AA.");
    check(&FOUR, &pods, &candidate("Exists", json!([])), "AA..");
    check(&FOUR, &pods, &candidate("DoesNotExist", json!([])), "..A.");
    check(&FOUR, &pods, &candidate("Gt", json!(["1"])), "....");
}

#[test]
fn spread_keeps_the_difference_within_max_skew() {
    let constraint = |skew: i32| {
        spread(
            json!({"maxSkew": skew, "topologyKey": "rack", "labelSelector": {"matchLabels": {"app": "x"}}}),
        )
    };
    let pods = [(plain("app=x"), 0), (plain("app=x"), 1), (plain("app=x"), 2)];
    check(&FOUR, &pods, &pod("app=x", constraint(1)), "SS.S");
    check(&FOUR, &pods, &pod("app=x", constraint(2)), "...S");
    check(&FOUR, &pods[..2], &pod("app=x", constraint(2)), "SS.S");
    // A pod that its own selector does not match does not count itself.
    check(&FOUR, &pods, &pod("app=y", constraint(1)), "...S");
    check(
        &FOUR,
        &[(plain("other/app=x"), 0), (plain("other/app=x"), 1)],
        &pod("app=x", constraint(1)),
        "...S",
    );
    check(&FOUR, &[], &pod("app=x", spread(json!({"maxSkew": 1, "topologyKey": "rack"}))), "...S");
    check(
        &FOUR,
        &pods,
        &pod("app=x", spread(json!({"maxSkew": 1, "topologyKey": "rack", "labelSelector": {}}))),
        "...S",
    );
}

#[test]
fn spread_that_need_not_hold_does_not_bind() {
    let mut soft = spread(json!({"maxSkew": 1, "topologyKey": "row", "labelSelector": {}}));
    soft["topologySpreadConstraints"][0]["whenUnsatisfiable"] = json!("ScheduleAnyway");
    check(&FOUR, &[], &pod("app=x", soft), "....");
}

#[test]
fn with_fewer_domains_than_min_domains_the_emptiest_counts_as_empty() {
    let constraint = |min: i32| {
        pod(
            "app=x",
            spread(json!({"maxSkew": 1, "minDomains": min, "topologyKey": "rack",
            "labelSelector": {"matchLabels": {"app": "x"}}})),
        )
    };
    let one_each = [(plain("app=x"), 0), (plain("app=x"), 2)];
    check(&FOUR, &one_each, &constraint(2), "...S");
    check(&FOUR, &one_each, &constraint(3), "SSSS");
}

#[test]
fn spread_looks_at_the_nodes_that_the_pod_could_use() {
    let with = |field: &str, policy: &str| {
        let mut spec = spread(json!({"maxSkew": 1, "topologyKey": "rack",
            "labelSelector": {"matchLabels": {"app": "x"}}}));
        spec["nodeSelector"] = json!({"gpu": "yes"});
        spec["topologySpreadConstraints"][0][field] = json!(policy);
        pod("app=x", spec)
    };
    // Rack 2 has no GPU: it is no domain to keep even with.
    let nodes = ["rack=1,gpu=yes", "rack=3,gpu=yes", "rack=2"];
    let pods = [(plain("app=x"), 0), (plain("app=x"), 1)];
    check(&nodes, &pods, &with("nodeTaintsPolicy", "Ignore"), "...");
    check(&nodes, &pods, &with("nodeAffinityPolicy", "Honor"), "...");
    check(&nodes, &pods, &with("nodeAffinityPolicy", "Ignore"), "SS.");
}

#[test]
fn spread_looks_only_at_nodes_with_all_keys() {
    let constraint = |key: &str| {
        json!({"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "x"}}})
    };
    let both = pod("app=x", json!({"topologySpreadConstraints": [constraint("rack"), constraint("host")]}));
    // Rack 2 has a node without a host label only: no domain.
    let nodes = ["rack=1,host=a", "rack=1,host=b", "rack=2", "host=c"];
    check(&nodes, &[(plain("app=x"), 0)], &both, "S.SS");
}

#[test]
fn match_label_keys_narrow_spread_to_a_revision() {
    let mut spec = spread(json!({"maxSkew": 1, "topologyKey": "rack",
        "labelSelector": {"matchLabels": {"app": "x"}}, "matchLabelKeys": ["rev"]}));
    let old = [(plain("app=x,rev=1"), 0), (plain("app=x,rev=1"), 1)];
    check(&FOUR, &old, &pod("app=x,rev=2", spec.clone()), "...S");
    spec["topologySpreadConstraints"][0]["matchLabelKeys"] = json!([]);
    check(&FOUR, &old, &pod("app=x,rev=2", spec), "SS.S");
}

#[test]
fn pods_on_their_way_out_count_for_affinity_and_not_for_spread() {
    let mut leaving = plain("app=x");
    leaving.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".into());
    let pods = [(leaving, 0)];
    check(&FOUR, &pods, &pod("app=x", away(json!([term("app=x", "host")]))), "A...");
    let even =
        spread(json!({"maxSkew": 1, "topologyKey": "rack", "labelSelector": {"matchLabels": {"app": "x"}}}));
    check(&FOUR, &pods, &pod("app=x", even), "...S");
}

#[test]
fn pods_that_no_rule_looks_at_are_all_the_same() {
    let mut world = World::default();
    let one = world.intern(&plain("app=web,pod=1"), false);
    let two = world.intern(&plain("other/app=db,pod=2"), false);
    assert_eq!((one, two), (CouplingId(0), CouplingId(0)));
    assert!(!world.coupling.concerns(one));
    assert_eq!(world.coupling.version(), 0);

    let before = world.coupling.version();
    let loner = world.intern(&pod("app=loner", away(json!([term("app=web", "host")]))), false);
    assert_ne!(world.coupling.version(), before, "classes must be made anew");
    assert!(world.coupling.concerns(loner));
    let set = |world: &mut World, text: &str| world.label_sets.intern(&plain(text).metadata.labels);
    let (web, web_too) = (set(&mut world, "app=web,pod=1"), set(&mut world, "app=web,pod=3"));
    let db = set(&mut world, "app=db,pod=2");
    let mut rematch = |labels| world.coupling.rematch(CouplingId(0), "default", labels, &world.label_sets);
    let (seen, seen_too, unseen) = (rematch(web), rematch(web_too), rematch(db));
    assert_eq!(seen, seen_too, "one class, whatever else their labels say");
    assert_eq!(unseen, CouplingId(0));
    assert!(world.coupling.concerns(seen));
    // A pod that was seen before nothing changed stays what it was.
    assert_eq!(world.intern(&plain("app=db,pod=2"), false), CouplingId(0));
}

#[test]
fn terms_of_pods_that_are_gone_concern_nobody() {
    let mut world = World::default();
    world.set_node(0, Some(node("host=a")));
    world.add_pod(pod("app=loner", away(json!([term("app=web", "host")]))), 0);
    let web = world.intern(&plain("app=web"), false);
    assert!(world.coupling.concerns(web));
    world.remove_pod(0);
    assert!(!world.coupling.concerns(web));
}

#[test]
fn a_gang_is_tried_member_by_member_and_taken_back() {
    let mut world = World::default();
    for (index, labels) in FOUR.iter().enumerate() {
        world.set_node(index, Some(node(labels)));
    }
    // Together in a rack, no two on a host.
    let mut spec = near(json!([term("gang=g", "rack")]));
    spec["affinity"]["podAntiAffinity"] =
        away(json!([term("gang=g", "host")]))["affinity"]["podAntiAffinity"].clone();
    let member = pod("gang=g", spec);
    let class = world.class(&member);
    let mut trial = world.coupling.trial(&world.classes);
    let letters = |trial: &Trial<'_>| -> String {
        (0..4).map(|at| letter(trial.check(class).cause(NodeId(at)))).collect()
    };
    assert_eq!(letters(&trial), "...F");
    trial.place(class, NodeId(0));
    assert_eq!(letters(&trial), "A.FF");
    trial.place(class, NodeId(1));
    assert_eq!(letters(&trial), "AAFF");
    trial.undo();
    assert_eq!(letters(&trial), "A.FF");
    trial.undo();
    assert_eq!((letters(&trial).as_str(), trial.len()), ("...F", 0));
    trial.undo();
    assert!(trial.is_empty());
}

#[test]
fn leaders_and_workers_see_each_other_in_a_trial() {
    let mut world = World::default();
    for (index, labels) in FOUR.iter().enumerate() {
        world.set_node(index, Some(node(labels)));
    }
    let leader = plain("role=leader");
    let worker = pod("role=worker", away(json!([term("role=leader", "host")])));
    world.class(&leader);
    let (worker, leader) = (world.class(&worker), world.class(&leader));
    assert!(world.coupling.concerns(world.classes.get(leader).coupling), "workers will look at it");
    let mut trial = world.coupling.trial(&world.classes);
    trial.place(worker, NodeId(0));
    assert_eq!(trial.cause(leader, NodeId(0)), Some(Cause::PodAntiAffinity));
    trial.place(leader, NodeId(1));
    assert_eq!(trial.cause(worker, NodeId(1)), Some(Cause::PodAntiAffinity));
    assert_eq!(trial.cause(worker, NodeId(0)), None);
}
