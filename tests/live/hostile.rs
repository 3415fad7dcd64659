//! Objects that are wrong in every way that an API server lets through: each is held, says so itself, and keeps nothing
//! else from being placed.

use crate::cluster::TestCluster;
use crate::phalanx::{Phalanx, simulate};
use std::io::Write;
use std::process::{Command, Stdio};

/// As long as a name may be.
fn longest(prefix: &str) -> String {
    format!("{prefix}{}", "x".repeat(253 - prefix.len()))
}

fn hyper_node(name: &str, tier: u32, members: &[String]) -> String {
    format!(
        "---\napiVersion: topology.volcano.sh/v1alpha1\nkind: HyperNode\nmetadata: {{name: {name}}}\nspec:\n  tier: {tier}\n  members:\n{}",
        members.concat()
    )
}

fn exact(kind: &str, name: &str) -> String {
    format!("  - {{type: {kind}, selector: {{exactMatch: {{name: {name}}}}}}}\n")
}

fn pattern(pattern: &str) -> String {
    format!("  - {{type: Node, selector: {{regexMatch: {{pattern: '{pattern}'}}}}}}\n")
}

fn pod_group(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )
}

fn pod(namespace: &str, name: &str, group: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, annotations: {{scheduling.k8s.io/group-name: {group}}}}}\n\
         spec: {{schedulerName: volcano, containers: [{{name: main, image: none, resources: {{limits: {{nvidia.com/gpu: 8}}}}}}]}}\n"
    )
}

/// HyperNodes for nodes `node-00000` to `node-00003`, of which only `good` is.
fn broken_network() -> String {
    let many: Vec<String> = (0..10_000).map(|n| exact("Node", &format!("none-{n:05}"))).collect();
    [
        hyper_node("cycle-a", 2, &[exact("HyperNode", "cycle-b")]),
        hyper_node("cycle-b", 3, &[exact("HyperNode", "cycle-a")]),
        hyper_node("overlap-a", 1, &[exact("Node", "node-00000"), exact("Node", "node-00001")]),
        hyper_node("overlap-b", 1, &[exact("Node", "node-00000")]),
        hyper_node("many", 1, &many),
        hyper_node(
            "explodes",
            1,
            &[pattern("((a{1,1000}){1,1000}){1,1000}"), pattern("(x*)*y"), pattern("[")],
        ),
        hyper_node(&longest("long-"), 1, &[exact("Node", &longest("node-"))]),
        hyper_node("good", 1, &[exact("Node", "node-00002"), exact("Node", "node-00003")]),
    ]
    .concat()
}

/// PodGroups that cannot be honoured, each with a pod, and what their condition says.
fn bad_groups() -> Vec<(&'static str, &'static str, &'static str)> {
    vec![
        ("huge", "minMember: 2147483647", "1 of 2147483647 pods exist"),
        (
            "tier-name",
            "minMember: 1, networkTopology: {mode: hard, highestTierName: nowhere}",
            "no HyperNode has tierName nowhere",
        ),
        ("no-queue", "minMember: 1, queue: nobody", "queue nobody does not exist"),
        (
            "subgroups",
            "minMember: 1, subGroupPolicy: [{name: s, subGroupSize: 1, minSubGroups: 1}]",
            "name the label that tells subgroups apart",
        ),
    ]
}

fn healthy(namespace: &str) -> String {
    let rule = "minMember: 2, networkTopology: {mode: hard, highestTierAllowed: 1}";
    [
        pod_group(namespace, "healthy", rule),
        pod(namespace, "healthy-0", "healthy"),
        pod(namespace, "healthy-1", "healthy"),
    ]
    .concat()
}

#[test]
fn hostile_objects_are_held_and_nothing_else_is() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.fleet(&["--nodes", "4", "--no-hypernodes"]);
    let phalanx = Phalanx::deployed(&cluster, &[]);
    cluster.namespace("hostile");
    cluster.namespace("other");
    cluster.create(&broken_network());
    let mut yaml = String::new();
    for (name, spec, _) in bad_groups() {
        yaml.push_str(&pod_group("hostile", name, spec));
        yaml.push_str(&pod("hostile", name, name));
    }
    yaml.push_str(&pod_group("hostile", &longest("g-"), "minMember: 1, queue: nobody"));
    yaml.push_str(&pod("hostile", &longest("p-"), &longest("g-")));
    yaml.push_str(&pod("hostile", "trespasser", "other/healthy"));
    cluster.create(&yaml);
    // Refused by the schema at the door, or held: both will do.
    for (name, member) in [("negative", "-5"), ("beyond", "99999999999")] {
        let mut kubectl = cluster
            .kubectl(["create", "-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let group = pod_group("hostile", name, &format!("minMember: {member}")) + &pod("hostile", name, name);
        kubectl.stdin.take().unwrap().write_all(group.as_bytes()).unwrap();
        let output = kubectl.wait_with_output().unwrap();
        assert!(String::from_utf8_lossy(&output.stderr).contains("minMember"), "{output:?}");
    }

    cluster.create(&healthy("other"));
    let nodes =
        ["get", "pods", "-n", "other", "-o", "jsonpath={.items[*].status.phase} {.items[*].spec.nodeName}"];
    cluster.wait_until(&nodes, "the healthy gang runs in the good rack", |said| {
        said.starts_with("Running Running ") && !said.contains("node-00000") && !said.contains("node-00001")
    });

    let usable = "jsonpath={range .items[?(@.status.conditions)]}{.metadata.name}={.status.conditions[0].status} {.status.conditions[0].reason};{end}";
    cluster.wait_for(
        &["get", "hypernodes", "-o", usable],
        "cycle-a=False HyperNodeCycle;cycle-b=False HyperNodeCycle;explodes=True BadMember;\
         overlap-a=False SharedNodes;overlap-b=False SharedNodes;",
    );
    for (name, _, says) in bad_groups() {
        let condition = "jsonpath={.status.conditions[?(@.type=='Unschedulable')].status} {.status.conditions[?(@.type=='Unschedulable')].message}";
        let get = ["get", "podgroups.scheduling.volcano.sh", name, "-n", "hostile", "-o", condition];
        cluster.wait_until(&get, says, |said| said.starts_with("True ") && said.contains(says));
    }
    let pending =
        ["get", "pods", "-n", "hostile", "-o", "jsonpath={.items[?(@.spec.nodeName)].metadata.name}"];
    assert_eq!(cluster.get(pending), "", "none of them is placed");

    let reasons = |field: &str| {
        let selector = format!("involvedObject.{field}");
        let get = ["get", "events", "-A", "--field-selector", &selector, "-o", "jsonpath={.items[*].reason}"];
        cluster.wait_until(&get, field, |said| !said.is_empty());
        cluster.get(get)
    };
    assert_eq!(reasons("name=cycle-a"), "HyperNodeCycle");
    assert_eq!(reasons("name=trespasser"), "FailedScheduling");
    assert_eq!(reasons(&format!("name={}", longest("g-"))), "Unschedulable");
    let told = [
        "get",
        "pod",
        "trespasser",
        "-n",
        "hostile",
        "-o",
        "jsonpath={.status.conditions[?(@.type=='PodScheduled')].message}",
    ];
    cluster
        .wait_until(&told, "the pod says so too", |said| said.contains("one of its own namespace, hostile"));

    let metrics = phalanx.http("/metrics");
    for line in [
        "phalanx_quarantined_objects 4",
        "phalanx_topology_findings{code=\"HyperNodeCycle\"} 1",
        "phalanx_topology_findings{code=\"BadMember\"} 2",
        "volcano_schedule_attempts_total{result=\"scheduled\"} 1",
        "phalanx_placed_gangs_total{tier=\"1\"} 1",
        "phalanx_waiting_gangs{reason=\"UnknownTier\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in\n{metrics}");
    }

    let explain = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_phalanx"))
            .arg("explain")
            .args(arguments)
            .env("KUBECONFIG", &cluster.kubeconfig)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let text = explain(&["podgroup", "tier-name", "-n", "hostile"]);
    assert!(text.starts_with("PodGroup hostile/tier-name waits: UnknownTier\n"), "{text}");
    assert!(text.contains("HyperNodes cycle-a") || text.contains("\"cycle-a\""), "{text}");
    let text = explain(&["podgroup", "healthy", "-n", "other"]);
    assert!(
        text.starts_with("PodGroup other/healthy is placed\n") && text.contains("good (tier 1)"),
        "{text}"
    );

    // Mended, it is said to be.
    cluster.get(["delete", "hypernode", "overlap-b"]);
    let mended = [
        "get",
        "hypernode",
        "overlap-a",
        "-o",
        "jsonpath={.status.conditions[0].status} {.status.conditions[0].reason}",
    ];
    cluster.wait_for(&mended, "True AsSpecified");
    let log = phalanx.log();
    assert!(!log.to_lowercase().contains("forbidden") && !log.contains("panicked"), "{log}");
}

#[test]
fn the_simulator_holds_them_too() {
    let mut yaml = broken_network();
    for node in 0..4 {
        yaml.push_str(&format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: node-{node:05}}}\nstatus: {{allocatable: {{nvidia.com/gpu: 8, pods: 110}}}}\n"
        ));
    }
    for (name, spec, _) in bad_groups() {
        yaml.push_str(&pod_group("hostile", name, spec));
        yaml.push_str(&pod("hostile", name, name));
    }
    yaml.push_str(&pod("hostile", "trespasser", "other/healthy"));
    yaml.push_str(&healthy("other"));
    let report = simulate(&yaml);
    for group in report["podGroups"].as_array().unwrap() {
        let name = group["name"].as_str().unwrap();
        match bad_groups().iter().find(|(bad, ..)| *bad == name) {
            Some((_, _, says)) => assert!(group["message"].as_str().unwrap().contains(says), "{group}"),
            None if name == "healthy" => {
                assert_eq!((&group["scheduled"], &group["domain"]), (&2.into(), &"good".into()))
            }
            None => assert_eq!(group["scheduled"], 0, "{group}"),
        }
    }
}
