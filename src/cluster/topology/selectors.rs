//! Which nodes match which label selectors, without trying every node with every selector: a selector is tried only
//! on the nodes that have one of the labels it asks for.

use super::NodeInput;
use super::finding::MemberFault;
use super::patterns::affordable;
use crate::api::meta::{LabelSelector, SelectorOperator};
use rustc_hash::FxHashMap;

/// What makes a selector meaningless, as a label selector of Kubernetes.
pub(super) fn fault(selector: &LabelSelector) -> Option<String> {
    selector.match_expressions.iter().enumerate().find_map(|(at, expression)| {
        let values = expression.values.len();
        let problem = match expression.operator {
            SelectorOperator::In | SelectorOperator::NotIn if values == 0 => "needs at least one value",
            SelectorOperator::Exists | SelectorOperator::DoesNotExist if values > 0 => "takes no values",
            SelectorOperator::In
            | SelectorOperator::NotIn
            | SelectorOperator::Exists
            | SelectorOperator::DoesNotExist => return None,
            _ => "is unknown here; must be In, NotIn, Exists or DoesNotExist",
        };
        Some(format!("matchExpressions[{at}].operator: {} {problem}", expression.operator))
    })
}

/// Calls `found(selector, node)` for every match; users and the answer are as in [`super::patterns::match_all`].
pub(super) fn match_all(
    selectors: &[&LabelSelector],
    users: &[usize],
    nodes: &[NodeInput<'_>],
    mut found: impl FnMut(usize, u32),
) -> Vec<(usize, MemberFault)> {
    let index = Index::new(selectors, nodes);
    let candidates: Vec<usize> = selectors
        .iter()
        .map(|selector| index.narrowest(selector).map_or(nodes.len(), |lists| total(&lists)))
        .collect();
    let costs = candidates.iter().zip(users).map(|(&candidates, &users)| candidates.saturating_mul(users));
    let affordable = affordable(&costs.collect::<Vec<_>>());

    let mut dropped = Vec::new();
    for (at, selector) in selectors.iter().enumerate() {
        if !affordable[at] {
            dropped.push((at, MemberFault::TooBroad { candidates: candidates[at] }));
            continue;
        }
        let mut try_on = |node: u32| {
            if selector.matches_by(|key| nodes[node as usize].labels.get(key)) {
                found(at, node);
            }
        };
        match index.narrowest(selector) {
            // a node has one value for a key, so the lists of different values are disjoint
            Some(lists) => lists.into_iter().flatten().copied().for_each(&mut try_on),
            None => (0..nodes.len() as u32).for_each(&mut try_on),
        }
    }
    dropped
}

fn total(lists: &[&[u32]]) -> usize {
    lists.iter().map(|list| list.len()).sum()
}

/// Nodes by label, for the keys that selectors ask for.
struct Index<'a> {
    keys: FxHashMap<&'a str, Key<'a>>,
}

/// Nodes that have a label, and by its value.
#[derive(Default)]
struct Key<'a> {
    nodes: Vec<u32>,
    values: FxHashMap<&'a str, Vec<u32>>,
}

impl<'a> Index<'a> {
    fn new(selectors: &[&'a LabelSelector], nodes: &[NodeInput<'a>]) -> Self {
        let mut keys: FxHashMap<&str, Key<'_>> = FxHashMap::default();
        for selector in selectors {
            let expressions = selector.match_expressions.iter().map(|expression| &expression.key);
            for key in selector.match_labels.keys().chain(expressions) {
                keys.entry(key).or_default();
            }
        }
        for (node, at) in nodes.iter().zip(0..) {
            for (key, value) in node.labels.iter() {
                if let Some(key) = keys.get_mut(key) {
                    key.nodes.push(at);
                    key.values.entry(value).or_default().push(at);
                }
            }
        }
        Index { keys }
    }

    /// The shortest lists of nodes outside of which nothing can match; `None` if any node could.
    fn narrowest(&self, selector: &LabelSelector) -> Option<Vec<&[u32]>> {
        let equal = selector.match_labels.iter().map(|(key, value)| vec![self.with_label(key, value)]);
        let expressions =
            selector.match_expressions.iter().filter_map(|expression| match expression.operator {
                SelectorOperator::In => {
                    let mut values: Vec<&String> = expression.values.iter().collect();
                    values.sort_unstable();
                    values.dedup();
                    Some(values.into_iter().map(|value| self.with_label(&expression.key, value)).collect())
                }
                SelectorOperator::Exists => Some(vec![self.with_key(&expression.key)]),
                _ => None,
            });
        equal.chain(expressions).min_by_key(|lists| total(lists))
    }

    fn with_key(&self, key: &str) -> &[u32] {
        self.keys.get(key).map_or(&[], |key| &key.nodes)
    }

    fn with_label(&self, key: &str, value: &str) -> &[u32] {
        self.keys.get(key).and_then(|key| key.values.get(value)).map_or(&[], Vec::as_slice)
    }
}
