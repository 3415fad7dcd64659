//! Objects for benches: GPU nodes and pods as a real cluster has them.

use phalanx::api::core::{Container, Node, Pod, Toleration};
use phalanx::api::keys;
use phalanx::api::quantity::Quantity;

/// A node with eight GPUs, 128 cores, 2 TiB of memory and the labels that real nodes carry.
pub(crate) fn node(index: usize, nodes_per_rack: usize, racks_per_block: usize) -> Node {
    let rack = index / nodes_per_rack;
    let mut node = Node::default();
    node.metadata.name = format!("gpu-{index:05}");
    let labels = [
        ("kubernetes.io/hostname", node.metadata.name.clone()),
        ("kubernetes.io/arch", "amd64".to_owned()),
        ("kubernetes.io/os", "linux".to_owned()),
        ("node.kubernetes.io/instance-type", "h100.8".to_owned()),
        ("topology.kubernetes.io/zone", "zone-a".to_owned()),
        ("nvidia.com/gpu.product", "NVIDIA-H100-80GB-HBM3".to_owned()),
        ("example.com/rack", format!("rack-{rack:04}")),
        ("example.com/block", format!("block-{:03}", rack / racks_per_block)),
    ];
    node.metadata.labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    node.status.allocatable = resources(&[
        ("cpu", "128"),
        ("memory", "2Ti"),
        ("ephemeral-storage", "7Ti"),
        ("nvidia.com/gpu", "8"),
        ("pods", "110"),
    ]);
    node
}

/// A pod with three resources; `node` binds it.
pub(crate) fn pod(name: &str, gang: Option<&str>, gpus: u32, node: Option<&str>) -> Pod {
    let mut pod = Pod::default();
    pod.metadata.name = name.to_owned();
    pod.metadata.namespace = "default".to_owned();
    pod.metadata.uid = format!("uid-{name}");
    pod.metadata.labels.insert("app".to_owned(), gang.unwrap_or("plain").to_owned());
    if let Some(gang) = gang {
        pod.metadata.annotations.insert(keys::GROUP_NAME.to_owned(), gang.to_owned());
    }
    let mut container = Container { name: "main".to_owned(), ..Container::default() };
    let gpus = gpus.to_string();
    let wanted = [("cpu", "12"), ("memory", "128Gi"), ("nvidia.com/gpu", gpus.as_str())];
    container.resources.requests = resources(&wanted);
    container.resources.limits = resources(&wanted[1..]);
    pod.spec.containers.push(container);
    pod.spec.scheduler_name = Some("volcano".to_owned());
    pod.spec.node_name = node.map(str::to_owned);
    pod.spec.tolerations.push(Toleration { key: "nvidia.com/gpu".to_owned(), ..Toleration::default() });
    pod
}

fn resources(list: &[(&str, &str)]) -> std::collections::BTreeMap<String, Quantity> {
    list.iter().map(|&(name, amount)| (name.to_owned(), Quantity(amount.to_owned()))).collect()
}
