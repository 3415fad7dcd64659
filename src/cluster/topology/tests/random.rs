//! Any input, however broken, gives a valid forest, the same whatever its order; and large hostile input does not
//! stall.

use super::*;
use crate::api::meta::LabelSelectorRequirement;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn any_member() -> impl Strategy<Value = HyperNodeMember> {
    prop_oneof![
        4 => (0..12u32).prop_map(|node| member(&format!("n{node}"))),
        4 => (0..8u32).prop_map(|hyper_node| member(&format!("@h{hyper_node}"))),
        1 => prop::sample::select(vec!["n[0-9]", "^n1", "1$", "n(2|3)", "[0-2]", "("]).prop_map(|text| member(&format!("/{text}/"))),
        1 => prop::sample::select(vec!["h[0-9]", "^h1", "h"]).prop_map(|text| member(&format!("@/{text}/"))),
        1 => (0..3u32).prop_map(|value| member(&format!("{{k={value}}}"))),
        1 => Just(HyperNodeMember { type_: MemberType::Node, selector: MemberSelector::default() }),
    ]
}

fn any_objects() -> impl Strategy<Value = Objects> {
    let hyper_node =
        (-1..5i64, prop::sample::select(vec!["", "rack", "row"]), prop::collection::vec(any_member(), 0..4));
    let hyper_nodes = prop::collection::vec(hyper_node, 0..8);
    (hyper_nodes, prop::collection::vec(0..4u32, 0..12)).prop_map(|(hyper_nodes, nodes)| Objects {
        hyper_nodes: (0..)
            .zip(hyper_nodes)
            .map(|(at, (tier, tier_name, members))| {
                (format!("h{at}"), HyperNodeSpec { tier, tier_name: tier_name.to_owned(), members })
            })
            .collect(),
        nodes: (0..)
            .zip(nodes)
            .map(|(at, value)| (format!("n{at}"), BTreeMap::from([pair(&format!("k={value}"))])))
            .collect(),
    })
}

/// All nodes that a HyperNode contains by what is written, whatever is wrong.
fn written(objects: &Objects, name: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut nodes = BTreeSet::new();
    let mut queue = vec![name.to_owned()];
    while let Some(name) = queue.pop() {
        let Some((_, spec)) = objects.hyper_nodes.iter().find(|(known, _)| *known == name) else { continue };
        if !seen.insert(name.clone()) {
            continue;
        }
        for member in &spec.members {
            let selector = &member.selector;
            let regex =
                selector.regex_match.as_ref().and_then(|regex| regex::Regex::new(&regex.pattern).ok());
            let matches = |name: &str| {
                selector.exact_match.as_ref().is_some_and(|exact| exact.name == name)
                    || regex.as_ref().is_some_and(|regex| regex.is_match(name))
            };
            if member.type_ == MemberType::Node {
                let by_label =
                    |labels| selector.label_match.as_ref().is_some_and(|label| label.matches(labels));
                let inside = objects.nodes.iter().filter(|(name, labels)| matches(name) || by_label(labels));
                nodes.extend(inside.map(|(name, _)| name.clone()));
            } else {
                let lower = |other: &HyperNodeSpec| regex.is_none() || other.tier < spec.tier;
                let inside = objects.hyper_nodes.iter().filter(|(name, other)| matches(name) && lower(other));
                queue.extend(inside.map(|(name, _)| name.clone()));
            }
        }
    }
    nodes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_input_gives_a_forest_of_what_is_sound(objects in any_objects(), seed in any::<u64>()) {
        let (topology, findings) = objects.build_with(&[]);
        let tree = objects.render(&topology);

        // a HyperNode is a domain, or is named by a finding that says why not
        let quarantined: BTreeSet<&str> = findings
            .iter()
            .filter(|finding| finding.severity() == Severity::Quarantined)
            .flat_map(Finding::hyper_nodes)
            .collect();
        let domains: BTreeSet<&str> = (1..topology.len() as u32).map(|at| topology.name(DomainId(at))).collect();
        let all: BTreeSet<&str> = objects.hyper_nodes.iter().map(|(name, _)| name.as_str()).collect();
        prop_assert!(domains.is_disjoint(&quarantined));
        prop_assert_eq!(domains.union(&quarantined).copied().collect::<BTreeSet<_>>(), all);

        // no domain holds a node that is not written to be inside, and none lacks one that no one else has
        for at in (1..topology.len() as u32).map(DomainId) {
            let inside: BTreeSet<String> =
                topology.nodes(at).iter().map(|node| objects.nodes[node.index()].0.clone()).collect();
            let written = written(&objects, topology.name(at));
            prop_assert!(inside.is_subset(&written), "{} in {tree}", topology.name(at));
            if quarantined.is_empty() {
                prop_assert_eq!(inside, written, "{} in {}", topology.name(at), tree);
            }
        }

        // the order of the input does not matter
        let mut shuffled = objects.clone();
        let rotate = |len: usize| if len == 0 { 0 } else { seed as usize % len };
        let (hyper_nodes, nodes) = (rotate(shuffled.hyper_nodes.len()), rotate(shuffled.nodes.len()));
        shuffled.hyper_nodes.rotate_left(hyper_nodes);
        shuffled.nodes.rotate_left(nodes);
        if seed % 2 == 1 {
            shuffled.hyper_nodes.reverse();
            shuffled.nodes.reverse();
        }
        let (again, found_again) = shuffled.build_with(&[]);
        prop_assert_eq!(shuffled.render(&again), tree);
        prop_assert_eq!(found_again, findings);
    }
}

/// Many of everything; what is asserted is only that it ends and what comes out.
#[test]
fn large_hostile_input_is_taken_in() {
    let mut text = String::from("nodes");
    for node in 0..10_000 {
        text += &format!(" n{node}");
    }
    let nodes = Objects::parse(&text).nodes;
    let build = |hyper_nodes: Vec<(String, HyperNodeSpec)>| {
        Objects { hyper_nodes, nodes: nodes.clone() }.build_with(&[])
    };
    let spec =
        |tier, members: Vec<HyperNodeMember>| HyperNodeSpec { tier, members, ..HyperNodeSpec::default() };
    let many =
        |make: &dyn Fn(i64) -> HyperNodeSpec| (0..10_000).map(|at| (format!("h{at}"), make(at))).collect();

    // a chain of all, from the innermost to the outermost; and bent into a cycle
    let (topology, findings) = build(many(&|at| spec(at, vec![member(&format!("@h{}", at - 1))])));
    assert_eq!((topology.len(), findings.len()), (10_001, 1));
    let (topology, findings) =
        build(many(&|at| spec(at, vec![member(&format!("@h{}", (at + 9_999) % 10_000))])));
    assert_eq!((topology.len(), findings.len()), (1, 1));
    // a chain of one tier
    let (topology, findings) = build(many(&|at| spec(3, vec![member(&format!("@h{}", at - 1))])));
    assert_eq!((topology.len(), findings.len()), (2, 10_000));
    // ten thousand members in one, and one member in ten thousand
    let all = (0..10_000).map(|at| member(&format!("n{at}"))).collect();
    assert_eq!(build(vec![("h".to_owned(), spec(1, all))]).0.nodes(DomainId(1)).len(), 10_000);
    let (topology, findings) = build(many(&|_| spec(1, vec![member("n7")])));
    assert_eq!((topology.len(), findings.len()), (1, 10_000));
    // patterns that each match everything are more than can be afforded, and patterns can be too large
    let (topology, findings) = build(many(&|_| spec(1, vec![member("/n.*/")])));
    assert_eq!((topology.len(), findings.len()), (10_001, 10_000));
    let (_, findings) = build(many(&|at| spec(1, vec![member(&format!("/([n-z][0-9]?){{{at}}}x/"))])));
    let too_large = |finding: &&Finding| finding.to_string().contains("too large");
    assert_eq!(findings.iter().filter(too_large).count(), 6_667);
    // selectors that only exclude
    let without = |at: i64| {
        let mut member = member("{}");
        let labels = member.selector.label_match.as_mut().expect("set");
        labels.match_expressions.push(LabelSelectorRequirement {
            key: format!("k{at}"),
            operator: crate::api::meta::SelectorOperator::DoesNotExist,
            values: vec![],
        });
        spec(1, vec![member])
    };
    let (topology, findings) = build(many(&without));
    assert_eq!((topology.len(), findings.len()), (10_001, 10_000));
}
