//! What device claims cost at 10,240 nodes with 8 GPUs and 8 NICs each by slices: counting for a gang of 1,024 pods that ask
//! for all of a node in one claim, deciding it once that is counted, taking in a slice that changes, a claim that is
//! allocated, picking devices for the whole gang, and the memory that all of it takes.
#![allow(clippy::float_arithmetic, clippy::unwrap_used)]

use criterion::Criterion;
use phalanx::api::device::{DeviceClass, ResourceClaim, ResourceSlice};
use phalanx::cluster::ids::{NodeId, PodId};
use phalanx::cluster::{Cluster, Event, Settings};
use phalanx::placement::{GangRequest, Member, Outcome, PlacementRules, Placer, Subgroup};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hint::black_box;
use support::resident::resident;
use support::rows::{Against, Rows, time, us};

mod support {
    #[allow(dead_code)]
    pub(crate) mod objects;
    pub(crate) mod resident;
    pub(crate) mod rows;
}

const NODES: usize = 10_240;
const PODS: usize = 1024;

/// A slice of eight devices, two of each driver on a PCIe root, each with an id of its own.
fn slice(driver: &str, node: usize, devices: usize, generation: u64) -> ResourceSlice {
    let kind = driver.split('.').next().unwrap();
    let device = |at: usize| {
        json!({ "name": format!("{kind}-{at}"), "attributes": {
            "type": { "string": kind }, "productName": { "string": "H100" },
            "uuid": { "string": format!("{kind}-{node:05}-{at}") },
            "resource.kubernetes.io/pcieRoot": { "string": format!("pci{}", at / 2) },
        }, "capacity": { "memory": { "value": "80Gi" } } })
    };
    let devices: Vec<Value> = (0..devices).map(device).collect();
    let name = format!("gpu-{node:05}");
    serde_json::from_value(json!({
        "metadata": { "name": format!("{name}-{kind}") },
        "spec": { "driver": driver, "nodeName": name, "devices": devices,
            "pool": { "name": name, "generation": generation, "resourceSliceCount": 1 } },
    }))
    .unwrap()
}

fn class(name: &str, driver: &str) -> DeviceClass {
    let expression =
        format!("device.driver == \"{driver}\" && device.attributes[\"{driver}\"].productName == \"H100\"");
    let spec = json!({ "selectors": [{ "cel": { "expression": expression } }] });
    serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap()
}

fn claim(pod: usize, version: u64) -> Value {
    let all = |name: &str| json!({ "name": name, "exactly": { "deviceClassName": name, "count": 8 } });
    json!({
        "metadata": { "namespace": "default", "name": format!("train-{pod}-all"), "uid": format!("claim-{pod}"),
            "resourceVersion": version.to_string() },
        "spec": { "devices": { "requests": [all("gpus"), all("nics")] } },
    })
}

fn nodes() -> Cluster {
    let mut cluster = Cluster::new(Settings::default());
    for index in 0..NODES {
        let mut node = support::objects::node(index, 16, 32);
        node.status.allocatable.remove("nvidia.com/gpu");
        cluster.apply(Event::Node(&node));
    }
    cluster
}

fn publish(cluster: &mut Cluster) {
    cluster.apply(Event::DeviceClass(&class("gpus", "gpu.example.com")));
    cluster.apply(Event::DeviceClass(&class("nics", "nic.example.com")));
    for node in 0..NODES {
        cluster.apply(Event::ResourceSlice(&slice("gpu.example.com", node, 8, 1)));
        cluster.apply(Event::ResourceSlice(&slice("nic.example.com", node, 8, 1)));
    }
}

/// The gang, with its claims. The first pod is what is counted for.
fn ask(cluster: &mut Cluster) {
    let group =
        json!({ "metadata": { "namespace": "default", "name": "train" }, "spec": { "minMember": PODS } });
    cluster.apply(Event::PodGroup(&serde_json::from_value(group).unwrap()));
    for at in 0..PODS {
        let claim: ResourceClaim = serde_json::from_value(claim(at, 1)).unwrap();
        cluster.apply(Event::DeviceClaim(&claim));
        let mut pod = support::objects::pod(&format!("train-{at}"), Some("train"), 0, None);
        let used = json!([{ "name": "all", "resourceClaimName": format!("train-{at}-all") }]);
        pod.spec.resource_claims = serde_json::from_value(used).unwrap();
        cluster.apply(Event::Pod(&pod));
    }
    cluster.refresh();
}

fn pods(cluster: &Cluster) -> Vec<PodId> {
    (0..PODS).map(|at| cluster.pods().id(&format!("default/train-{at}")).unwrap()).collect()
}

fn main() {
    let rows = Rows::default();
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    let start = resident();
    let mut cluster = nodes();
    let bare = resident();
    let published = time(|| publish(&mut cluster));
    let slices = resident();
    let counted = time(|| ask(&mut cluster));
    let all = resident();

    let ids = pods(&cluster);
    let class = cluster.pods().get(ids[0]).unwrap().class;
    assert!(ids.iter().all(|&id| cluster.pods().get(id).unwrap().class == class), "one class");
    let members = (0..).zip(&ids).map(|(rank, &pod)| Member { pod, class, role: u32::MAX, rank });
    let request = GangRequest {
        minimum: PODS as u32,
        subgroups: vec![Subgroup { policy: None, members: members.collect(), placed: Vec::new() }],
        ..GangRequest::default()
    };
    let (mut placer, rules) = (Placer::default(), PlacementRules::default());
    let mut nodes: Vec<NodeId> = Vec::new();
    let first = time(|| match placer.place(cluster.view(), &request, &rules) {
        Outcome::Placed(placement) => nodes = placement.assignments.iter().map(|one| one.node).collect(),
        Outcome::Short(shortfall) => panic!("{shortfall:?}"),
    });
    assert_eq!(nodes.len(), PODS);

    let mut group = criterion.benchmark_group("devices");
    rows.bench(&mut group, "devices/gang1024/8-gpus-8-nics/10k", us(200.0), || {
        match placer.place(cluster.view(), black_box(&request), &rules) {
            Outcome::Placed(placement) => drop(black_box(placement)),
            Outcome::Short(shortfall) => panic!("{shortfall:?}"),
        }
    });
    // A GPU goes and comes back, on one node after the other.
    let (mut node, mut generation, mut turn) = (0, 1, false);
    let changes = |node: usize, devices, generation| slice("gpu.example.com", node, devices, generation);
    rows.bench_timed(&mut group, "devices/slice-changes/10k", us(20.0), |iterations| {
        let slices: Vec<ResourceSlice> = (0..iterations)
            .map(|_| {
                turn = !turn;
                if turn {
                    node = (node + 7919) % NODES;
                    generation += 1;
                }
                changes(node, if turn { 7 } else { 8 }, generation)
            })
            .collect();
        time(|| slices.iter().for_each(|slice| cluster.apply(Event::ResourceSlice(black_box(slice)))))
    });
    let slice = changes(4711, 8, generation);
    cluster.apply(Event::ResourceSlice(&slice));
    rows.bench(&mut group, "devices/slice-unchanged/10k", us(20.0), || {
        cluster.apply(Event::ResourceSlice(black_box(&slice)));
    });
    // Devices for all pods of the gang, where each has a node of its own.
    for (&pod, &node) in ids.iter().zip(&nodes) {
        cluster.assume(pod, node);
    }
    let mut grants = Vec::new();
    rows.bench(&mut group, "devices/pick/gang1024/8-gpus-8-nics", Against::default(), || {
        grants = cluster.grant_devices(ids[0], &BTreeMap::new()).unwrap();
    });
    assert_eq!(grants.len(), PODS);
    assert!(grants.iter().all(|grant| grant.allocation.as_ref().unwrap().devices.results.len() == 16));
    group.finish();
    rows.print();
    let milliseconds = |took: std::time::Duration| took.as_secs_f64() * 1e3;
    println!(
        "{NODES} nodes: 20,480 slices taken in {:.0} ms; {PODS} pods and claims taken in and counted in {:.0} ms; first decision {:.1} ms",
        milliseconds(published),
        milliseconds(counted),
        milliseconds(first)
    );
    println!(
        "resident KiB: start {start}, nodes {bare}, slices {slices}, gang {all}; taken by slices and gang: {} MiB",
        (all - bare) / 1024
    );
}
