//! What the tests of the topology share: a small text form for HyperNodes and nodes, and for trees.
//!
//! ```text
//! nodes a1 a2 b1 rack=r7      nodes and the labels of all of them
//! r1 1: a1 /^b/ {rack=r7}     a HyperNode, its tier and its members: by name, pattern, label
//! s1 2 row: @r1 @/^r/         a HyperNode with a tier name and HyperNodes as members
//! ```
//!
//! A tree is written `s1:2(r1:1(a1 a2) b1) c1`: domains with their tiers and what is inside, and nodes.

mod frozen;
mod hyper_nodes;
mod labels;
mod random;

use super::*;
use crate::api::hyper_node::{
    ExactMatch, HyperNodeMember, HyperNodeSpec, MemberSelector, MemberType, RegexMatch,
};
use crate::api::meta::LabelSelector;
use std::collections::BTreeMap;

/// Objects as the builder takes them.
#[derive(Clone, Debug, Default)]
struct Objects {
    hyper_nodes: Vec<(String, HyperNodeSpec)>,
    nodes: Vec<(String, BTreeMap<String, String>)>,
}

impl Objects {
    fn parse(text: &str) -> Self {
        let mut objects = Objects::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("nodes ") {
                let (labels, names): (Vec<&str>, Vec<&str>) =
                    rest.split_whitespace().partition(|word| word.contains('='));
                let labels: BTreeMap<String, String> = labels.iter().map(|label| pair(label)).collect();
                objects.nodes.extend(names.iter().map(|&name| (name.to_owned(), labels.clone())));
                continue;
            }
            let (head, members) = line.split_once(':').expect("a HyperNode line has a colon");
            let mut head = head.split_whitespace();
            let name = head.next().expect("a name").to_owned();
            let spec = HyperNodeSpec {
                tier: head.next().expect("a tier").parse().expect("a number"),
                tier_name: head.next().unwrap_or_default().to_owned(),
                members: members.split_whitespace().map(member).collect(),
            };
            objects.hyper_nodes.push((name, spec));
        }
        objects
    }

    fn build_with(&self, levels: &[&str]) -> (Topology, Vec<Finding>) {
        let hyper_nodes = self.hyper_nodes.iter().map(|(name, spec)| HyperNodeInput { name, spec });
        let nodes = self.nodes.iter().zip(0..);
        let nodes =
            nodes.map(|((name, labels), id)| NodeInput { id: NodeId(id), name, labels: labels.into() });
        let levels = LabelLevels(levels.iter().map(|&level| level.to_owned()).collect());
        let built = Topology::build(hyper_nodes, nodes, &levels);
        assert_sound(&built.0);
        assert_eq!(built.0.order().len(), self.nodes.len(), "every node is in the tree once");
        built
    }

    /// The tree in text form.
    fn render(&self, topology: &Topology) -> String {
        fn inside(objects: &Objects, topology: &Topology, domain: DomainId, out: &mut Vec<String>) {
            for &child in topology.children(domain) {
                let mut parts = Vec::new();
                inside(objects, topology, child, &mut parts);
                out.push(format!("{}:{}({})", topology.name(child), topology.tier(child), parts.join(" ")));
            }
            let own = topology.run(domain).filter(|&position| topology.leaf(position) == domain);
            out.extend(own.map(|position| objects.nodes[topology.order()[position].index()].0.clone()));
        }
        let mut parts = Vec::new();
        inside(self, topology, Topology::ROOT, &mut parts);
        parts.join(" ")
    }

    fn domain(&self, topology: &Topology, name: &str) -> DomainId {
        (0..topology.len() as u32)
            .map(DomainId)
            .find(|&domain| topology.name(domain) == name)
            .expect("a domain")
    }
}

fn pair(label: &str) -> (String, String) {
    let (key, value) = label.split_once('=').expect("key=value");
    (key.to_owned(), value.to_owned())
}

fn member(text: &str) -> HyperNodeMember {
    let (type_, text) = match text.strip_prefix('@') {
        Some(text) => (MemberType::HyperNode, text),
        None => (MemberType::Node, text),
    };
    let mut selector = MemberSelector::default();
    if let Some(pattern) = text.strip_prefix('/').and_then(|text| text.strip_suffix('/')) {
        selector.regex_match = Some(RegexMatch { pattern: pattern.to_owned() });
    } else if let Some(labels) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        let match_labels = labels.split(',').filter(|label| !label.is_empty()).map(pair).collect();
        selector.label_match = Some(LabelSelector { match_labels, ..LabelSelector::default() });
    } else {
        selector.exact_match = Some(ExactMatch { name: text.to_owned() });
    }
    HyperNodeMember { type_, selector }
}

/// Everything that every frozen tree must hold.
fn assert_sound(topology: &Topology) {
    let domains = (0..topology.len() as u32).map(DomainId);
    assert_eq!(topology.name(Topology::ROOT), Topology::ROOT_NAME);
    assert_eq!(topology.parent(Topology::ROOT), Topology::ROOT);
    assert_eq!(topology.run(Topology::ROOT), 0..topology.order().len());
    for domain in domains.clone().skip(1) {
        let parent = topology.parent(domain);
        assert!(topology.tier(domain) < topology.tier(parent), "tiers rise on the way up");
        assert_eq!(topology.depth(domain), topology.depth(parent) + 1);
        let (inner, outer) = (topology.run(domain), topology.run(parent));
        assert!(outer.start <= inner.start && inner.end <= outer.end, "runs nest");
    }
    let mut listed: Vec<DomainId> =
        domains.clone().flat_map(|domain| topology.children(domain)).copied().collect();
    listed.sort_unstable();
    assert!(listed.into_iter().eq(domains.clone().skip(1)), "a domain is the child of one");
    for domain in domains.clone() {
        assert!(topology.children(domain).iter().all(|&child| topology.parent(child) == domain));
        for pair in topology.children(domain).windows(2) {
            assert!(topology.run(pair[0]).end <= topology.run(pair[1]).start, "siblings do not overlap");
        }
    }
    // a domain comes after what contains it, so that the innermost is the last to write
    let mut innermost = vec![Topology::ROOT; topology.order().len()];
    for domain in domains.clone() {
        innermost[topology.run(domain)].fill(domain);
    }
    for (position, &node) in topology.order().iter().enumerate() {
        assert_eq!(topology.position(node), Some(position));
        assert_eq!(topology.leaf(position), innermost[position]);
    }
    let listed: usize = topology.by_tier().iter().map(|(_, domains)| domains.len()).sum();
    assert_eq!(listed, topology.len() - 1);
    for (tier, domains) in topology.by_tier() {
        assert!(domains.iter().all(|&domain| topology.tier(domain) == *tier));
        assert!(domains.is_sorted_by_key(|&domain| topology.run(domain).start));
    }
    assert!(topology.by_tier().is_sorted_by_key(|&(tier, _)| tier));
}
