//! From the members that HyperNodes list, by name, pattern or label, to who claims whom.
//!
//! Two points differ from upstream. A pattern on members of type HyperNode counts here (upstream ignores it): the
//! field is there and whoever fills it in means it; ignoring it would silently split the tree. It stands for the
//! HyperNodes of a lower tier with a matching name, never for the HyperNode itself, so that a wide pattern cannot make
//! a cycle. And a member that cannot be used is reported instead of only logged.

use super::finding::{Finding, MemberFault, MemberKind, Sample};
use super::patterns::{self, Pattern};
use super::{HyperNodeInput, NodeInput, selectors};
use crate::api::hyper_node::{HyperNodeMember, MemberType};
use crate::api::meta::LabelSelector;
use rustc_hash::FxHashMap;

/// Who claims whom, each pair once, in ascending order.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Node and the HyperNode that lists it.
    pub(super) nodes: Vec<(u32, u32)>,
    /// HyperNode and the HyperNode that lists it.
    pub(super) hyper_nodes: Vec<(u32, u32)>,
}

/// Where a selector is written.
type Place = (u32, usize);

/// Resolves all members; both inputs are in natural order and are referred to by index.
pub(super) fn resolve(
    hyper_nodes: &[HyperNodeInput<'_>],
    nodes: &[NodeInput<'_>],
    findings: &mut Vec<Finding>,
) -> Claims {
    let node_names: Vec<&str> = nodes.iter().map(|node| node.name).collect();
    let hyper_names: Vec<&str> = hyper_nodes.iter().map(|hyper_node| hyper_node.name).collect();
    let node_index: FxHashMap<&str, u32> = node_names.iter().copied().zip(0..).collect();
    let hyper_index: FxHashMap<&str, u32> = hyper_names.iter().copied().zip(0..).collect();

    let mut claims = Claims::default();
    let mut node_patterns: Shared<'_, str> = Shared::default();
    let mut hyper_patterns: Shared<'_, str> = Shared::default();
    let mut label_selectors: Shared<'_, LabelSelector> = Shared::default();
    let mut faults: Vec<(Place, MemberFault)> = Vec::new();
    for (hyper_node, at) in hyper_nodes.iter().zip(0..) {
        let mut missing = [Sample::default(), Sample::default()];
        for (number, member) in hyper_node.spec.members.iter().enumerate() {
            let place = (at, number);
            match (read(member), &member.type_) {
                (Err(fault), _) => faults.push((place, fault)),
                (Ok(Selector::Name(name)), MemberType::Node) => match node_index.get(name) {
                    Some(&node) => claims.nodes.push((node, at)),
                    None => missing[0].push(name),
                },
                (Ok(Selector::Name(name)), _) => match hyper_index.get(name) {
                    Some(&child) => claims.hyper_nodes.push((child, at)),
                    None => missing[1].push(name),
                },
                (Ok(Selector::Pattern(text)), MemberType::Node) => node_patterns.add(text, place),
                (Ok(Selector::Pattern(text)), _) => hyper_patterns.add(text, place),
                (Ok(Selector::Labels(selector)), _) => label_selectors.add(selector, place),
            }
        }
        for (kind, members) in [MemberKind::Node, MemberKind::HyperNode].into_iter().zip(missing) {
            if members.count > 0 {
                findings.push(Finding::MissingMembers { hyper_node: hyper_node.name.into(), kind, members });
            }
        }
    }

    let Claims { nodes: of_nodes, hyper_nodes: of_hyper_nodes } = &mut claims;
    resolve_patterns(node_patterns, &node_names, &mut faults, |(at, _), node| of_nodes.push((node, at)));
    resolve_patterns(hyper_patterns, &hyper_names, &mut faults, |(at, _), child| {
        if hyper_nodes[child as usize].spec.tier < hyper_nodes[at as usize].spec.tier {
            of_hyper_nodes.push((child, at));
        }
    });
    let users = label_selectors.users();
    let dropped = selectors::match_all(&label_selectors.keys, &users, nodes, |selector, node| {
        of_nodes.extend(label_selectors.places[selector].iter().map(|&(at, _)| (node, at)));
    });
    for (selector, fault) in dropped {
        faults.extend(label_selectors.places[selector].iter().map(|&place| (place, fault.clone())));
    }

    faults.sort_by_key(|&(place, _)| place);
    findings.extend(faults.into_iter().map(|((at, member), fault)| {
        let hyper_node = hyper_names[at as usize].into();
        Finding::BadMember { hyper_node, member, fault }
    }));
    for pairs in [&mut claims.nodes, &mut claims.hyper_nodes] {
        pairs.sort_unstable();
        pairs.dedup();
    }
    claims
}

enum Selector<'a> {
    Name(&'a str),
    Pattern(&'a str),
    Labels(&'a LabelSelector),
}

fn read(member: &HyperNodeMember) -> Result<Selector<'_>, MemberFault> {
    if let MemberType::Other(value) = &member.type_ {
        return Err(MemberFault::UnknownType(value.as_str().into()));
    }
    let selector = &member.selector;
    match (&selector.exact_match, &selector.regex_match, &selector.label_match) {
        (None, None, None) => Err(MemberFault::NoSelector),
        (Some(exact), None, None) if exact.name.is_empty() => Err(MemberFault::NoName),
        (Some(exact), None, None) => Ok(Selector::Name(&exact.name)),
        (None, Some(regex), None) => Ok(Selector::Pattern(&regex.pattern)),
        (None, None, Some(_)) if member.type_ == MemberType::HyperNode => {
            Err(MemberFault::LabelMatchOnHyperNode)
        }
        (None, None, Some(labels)) => match selectors::fault(labels) {
            Some(error) => Err(MemberFault::BadSelector(error.into())),
            None => Ok(Selector::Labels(labels)),
        },
        _ => Err(MemberFault::SeveralSelectors),
    }
}

/// Selectors that are written alike are evaluated once.
struct Shared<'a, K: ?Sized> {
    index: FxHashMap<&'a K, usize>,
    keys: Vec<&'a K>,
    places: Vec<Vec<Place>>,
}

impl<K: ?Sized> Default for Shared<'_, K> {
    fn default() -> Self {
        Shared { index: FxHashMap::default(), keys: Vec::new(), places: Vec::new() }
    }
}

impl<'a, K: ?Sized + Eq + std::hash::Hash> Shared<'a, K> {
    fn add(&mut self, key: &'a K, place: Place) {
        let at = *self.index.entry(key).or_insert_with(|| {
            self.keys.push(key);
            self.places.push(Vec::new());
            self.keys.len() - 1
        });
        self.places[at].push(place);
    }

    fn users(&self) -> Vec<usize> {
        self.places.iter().map(Vec::len).collect()
    }
}

fn resolve_patterns(
    written: Shared<'_, str>,
    names: &[&str],
    faults: &mut Vec<(Place, MemberFault)>,
    mut claim: impl FnMut(Place, u32),
) {
    let mut patterns = Vec::new();
    let mut places = Vec::new();
    for (text, at) in written.keys.iter().zip(written.places) {
        match Pattern::parse(text) {
            Ok(pattern) => {
                patterns.push(pattern);
                places.push(at);
            }
            Err(fault) => faults.extend(at.into_iter().map(|place| (place, fault.clone()))),
        }
    }
    let users: Vec<usize> = places.iter().map(Vec::len).collect();
    let dropped = patterns::match_all(&patterns, &users, names, |pattern, name| {
        for &place in &places[pattern] {
            claim(place, name);
        }
    });
    for (pattern, fault) in dropped {
        faults.extend(places[pattern].iter().map(|&place| (place, fault.clone())));
    }
}
