//! A GB200 fleet: two NVLink cliques of 18 nodes, GPUs by device plugin and a channel of a ComputeDomain by claim. NVIDIA's
//! driver is played: it publishes channels, writes the claim templates of domains, labels a node when the first pod of a
//! domain is bound there, starts its daemon beside it, and lets pods start when the daemons of all nodes are there.

use super::{all_bound, class, devices, gang, items, judge, no_right_is_missing, slice};
use crate::cluster::TestCluster;
use crate::phalanx::Phalanx;
use std::collections::BTreeSet;

const SPACE: &str = "nvlink";
const LABEL: &str = "resource.nvidia.com/computeDomain";

/// What the driver's controller writes for a ComputeDomain.
fn template(name: &str, uid: &str) -> String {
    format!(
        "---\napiVersion: resource.k8s.io/v1\nkind: ResourceClaimTemplate\nmetadata: {{name: {name}, namespace: {SPACE}}}\n\
         spec: {{spec: {{devices: {{requests: [{{name: channel, exactly: {{deviceClassName: compute-domain-default-channel.nvidia.com}}}}], \
         config: [{{requests: [channel], opaque: {{driver: compute-domain.nvidia.com, parameters: {{apiVersion: resource.nvidia.com/v1beta1, \
         kind: ComputeDomainChannelConfig, domainID: {uid}, allocationMode: Single}}}}}}]}}}}}}\n"
    )
}

/// Pods that take all GPUs of a node and a channel of the domain, and start when the driver lets them.
fn workers(domain: &str) -> String {
    format!(
        "containers: [{{name: c, image: i, resources: {{limits: {{nvidia.com/gpu: 4}}, claims: [{{name: channel}}]}}}}], \
         resourceClaims: [{{name: channel, resourceClaimTemplateName: {domain}}}]"
    )
}

/// Nodes of the pods of a gang.
fn nodes(cluster: &TestCluster, gang: &str) -> Vec<String> {
    let pods = items(cluster, SPACE, "pods");
    let pods = pods.iter().filter(|pod| pod["metadata"]["name"].as_str().unwrap().starts_with(gang));
    pods.map(|pod| pod["spec"]["nodeName"].as_str().unwrap_or("").to_owned()).collect()
}

/// The driver's kubelet plugin on nodes that channel pods came to: the node's label, and a daemon with a claim to the
/// node's daemon slot, allocated and bound by kube-scheduler.
fn prepare(cluster: &TestCluster, uid: &str, nodes: &[String]) {
    let mut label = vec!["label", "nodes"];
    label.extend(nodes.iter().map(String::as_str));
    let value = format!("{LABEL}={uid}");
    label.push(&value);
    cluster.get(label);
    let daemons: String = nodes
        .iter()
        .map(|node| {
            format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: daemon-{node}, namespace: {SPACE}, labels: {{app: daemon}}}}\n\
                 spec: {{nodeName: {node}, containers: [{{name: d, image: i}}]}}\n"
            )
        })
        .collect();
    cluster.create(&daemons);
}

#[test]
fn a_gang_of_a_compute_domain_goes_whole_to_one_clique() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.namespace(SPACE);
    cluster.install_crds();
    cluster.fleet(&["--nodes", "36", "--per-rack", "18", "--gpus", "4"]);
    let mut world = class("compute-domain-default-channel.nvidia.com", "compute-domain.nvidia.com", "")
        .replace("\"compute-domain.nvidia.com\"'", "\"compute-domain.nvidia.com\" && device.attributes[\"compute-domain.nvidia.com\"].type == \"channel\"'");
    for node in 0..36 {
        let slots = ["channel", "daemon"].map(|slot| {
            format!("{{name: {slot}-0, attributes: {{type: {{string: {slot}}}, id: {{int: 0}}}}}}")
        });
        world += &slice("compute-domain.nvidia.com", &format!("node-{node:05}"), &slots);
    }
    world += &(template("first", "1f0c-first") + &template("second", "2e1d-second"));
    cluster.create(&world);
    let phalanx = Phalanx::deployed(&cluster, &["--leader-elect=false"]);
    // One node of the first clique still serves a domain of yesterday.
    cluster.get(["label", "node", "node-00003", &format!("{LABEL}=0b9a-yesterday")]);

    let hard = |name: &str| {
        gang(SPACE, name, 18, &workers(name))
            .replace("minMember: 18", "minMember: 18, networkTopology: {mode: hard, highestTierAllowed: 1}")
    };
    cluster.create(&hard("first"));
    all_bound(&cluster, SPACE, "first", 18);
    judge(&cluster, SPACE);
    let first = nodes(&cluster, "first");
    let distinct: BTreeSet<&String> = first.iter().collect();
    assert_eq!(distinct.len(), 18, "a channel a node, so a pod a node: {first:?}");
    assert!(
        first.iter().all(|node| node.as_str() >= "node-00018"),
        "the clique without a node of another domain: {first:?}"
    );
    let channels: Vec<String> = items(&cluster, SPACE, "resourceclaims").iter().flat_map(devices).collect();
    assert!(
        channels.len() == 18 && channels.iter().all(|device| device.ends_with("/channel-0")),
        "{channels:?}"
    );
    prepare(&cluster, "1f0c-first", &first);

    // The other clique is one node short, as long as that node serves another domain.
    cluster.create(&hard("second"));
    let message = "jsonpath={.status.conditions[*].message}";
    let message = ["get", "podgroups.scheduling.volcano.sh", "second", "-n", SPACE, "-o", message];
    cluster.wait_until(&message, "it says how many fit", |message| message.contains("17 of 18 pods"));
    assert!(nodes(&cluster, "second").iter().all(String::is_empty));
    cluster.get(["label", "node", "node-00003", &format!("{LABEL}-")]);
    all_bound(&cluster, SPACE, "second", 18);
    judge(&cluster, SPACE);
    let second = nodes(&cluster, "second");
    assert!(second.iter().all(|node| node.as_str() < "node-00018"), "{second:?}");
    prepare(&cluster, "2e1d-second", &second);

    // A pod that is lost comes back to its node, which serves its domain.
    let lost = first[4].clone();
    cluster.get(["delete", "pod", "first-04", "-n", SPACE]);
    let again = gang(SPACE, "first", 18, &workers("first"));
    let again = again.split("---\n").find(|pod| pod.contains("name: first-04,")).unwrap();
    cluster.create(again);
    all_bound(&cluster, SPACE, "first", 18);
    judge(&cluster, SPACE);
    assert_eq!(nodes(&cluster, "first")[4], lost);
    let daemons = ["get", "pods", "-n", SPACE, "-l", "app=daemon", "-o", "jsonpath={.items[*].status.phase}"];
    cluster.wait_until(&daemons, "36 daemons run", |phases| phases.matches("Running").count() == 36);
    no_right_is_missing(&phalanx);
}
