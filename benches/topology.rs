//! Building the domain tree: 10,240 nodes in 640 racks in 20 blocks. The tree is rebuilt whenever HyperNodes or nodes
//! come, go or are relabelled, so that this is what such a change costs.
#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use phalanx::api::hyper_node::{
    ExactMatch, HyperNodeMember, HyperNodeSpec, MemberSelector, MemberType, RegexMatch,
};
use phalanx::api::meta::LabelSelector;
use phalanx::cluster::ids::{DomainId, NodeId};
use phalanx::cluster::topology::{HyperNodeInput, LabelLevels, NodeInput, Topology};
use std::collections::BTreeMap;
use std::hint::black_box;

const BLOCKS: usize = 20;
const RACKS: usize = 32;
const NODES: usize = 16;

struct Objects {
    hyper_nodes: Vec<(String, HyperNodeSpec)>,
    nodes: Vec<(String, BTreeMap<String, String>)>,
}

impl Objects {
    /// `members(rack, nodes)` lists the nodes of a rack.
    fn new(members: impl Fn(&str, &[String]) -> Vec<MemberSelector>) -> Self {
        let mut objects = Objects { hyper_nodes: Vec::new(), nodes: Vec::new() };
        let list = |type_: MemberType, selectors: Vec<MemberSelector>| -> Vec<HyperNodeMember> {
            selectors.into_iter().map(|selector| HyperNodeMember { type_: type_.clone(), selector }).collect()
        };
        for block in 0..BLOCKS {
            let mut racks = Vec::new();
            for rack in 0..RACKS {
                let name = format!("rack-{block}-{rack}");
                let nodes: Vec<String> = (0..NODES).map(|node| format!("gpu-{name}-node-{node}")).collect();
                let members = list(MemberType::Node, members(&name, &nodes));
                let spec = HyperNodeSpec { tier: 1, tier_name: "rack".to_owned(), members };
                let labels = BTreeMap::from([
                    ("block".to_owned(), format!("block-{block}")),
                    ("kubernetes.io/arch".to_owned(), "amd64".to_owned()),
                    ("kubernetes.io/os".to_owned(), "linux".to_owned()),
                    ("nvidia.com/gpu.product".to_owned(), "NVIDIA-H100-80GB-HBM3".to_owned()),
                    ("rack".to_owned(), name.clone()),
                ]);
                objects.nodes.extend(nodes.into_iter().map(|node| (node, labels.clone())));
                racks.push(exact(&name));
                objects.hyper_nodes.push((name, spec));
            }
            let members = list(MemberType::HyperNode, racks);
            let spec = HyperNodeSpec { tier: 2, tier_name: "block".to_owned(), members };
            objects.hyper_nodes.push((format!("block-{block}"), spec));
        }
        objects
    }

    fn build(&self, levels: &LabelLevels) -> Topology {
        let hyper_nodes = self.hyper_nodes.iter().map(|(name, spec)| HyperNodeInput { name, spec });
        let nodes = self.nodes.iter().zip(0..);
        let nodes =
            nodes.map(|((name, labels), id)| NodeInput { id: NodeId(id), name, labels: labels.into() });
        let (topology, findings) = Topology::build(hyper_nodes, nodes, levels);
        assert!(findings.is_empty() && topology.len() == 1 + BLOCKS + BLOCKS * RACKS);
        topology
    }
}

fn exact(name: &str) -> MemberSelector {
    MemberSelector { exact_match: Some(ExactMatch { name: name.to_owned() }), ..MemberSelector::default() }
}

fn build(criterion: &mut Criterion) {
    let none = LabelLevels::default();
    let by_name = Objects::new(|_, nodes| nodes.iter().map(|node| exact(node)).collect());
    criterion.bench_function("topology/build/10k", |bencher| bencher.iter(|| by_name.build(&none)));

    let by_pattern = Objects::new(|rack, _| {
        let regex_match = Some(RegexMatch { pattern: format!("^gpu-{rack}-node-") });
        vec![MemberSelector { regex_match, ..MemberSelector::default() }]
    });
    criterion.bench_function("topology/build/10k/regex", |bencher| bencher.iter(|| by_pattern.build(&none)));

    let by_label = Objects::new(|rack, _| {
        let match_labels = BTreeMap::from([("rack".to_owned(), rack.to_owned())]);
        let label_match = Some(LabelSelector { match_labels, ..LabelSelector::default() });
        vec![MemberSelector { label_match, ..MemberSelector::default() }]
    });
    criterion.bench_function("topology/build/10k/label", |bencher| bencher.iter(|| by_label.build(&none)));

    let mut no_hyper_nodes = by_label;
    no_hyper_nodes.hyper_nodes.clear();
    let levels = LabelLevels(vec!["block".to_owned(), "rack".to_owned()]);
    criterion.bench_function("topology/build/10k/levels", |bencher| {
        bencher.iter(|| no_hyper_nodes.build(&levels));
    });
}

fn look_up(criterion: &mut Criterion) {
    let topology = Topology::uniform(&[("block", BLOCKS), ("rack", RACKS)], NODES);
    let domains = topology.len() as u32;
    let pairs: Vec<(DomainId, DomainId)> =
        (0..1024).map(|at| (DomainId(at * 7919 % domains), DomainId(at * 104_729 % domains))).collect();
    criterion.bench_function("topology/common/1k", |bencher| {
        bencher.iter(|| {
            pairs.iter().fold(0, |sum, &(a, b)| sum ^ topology.common(black_box(a), black_box(b)).0)
        });
    });
}

criterion_group!(benches, build, look_up);
criterion_main!(benches);
