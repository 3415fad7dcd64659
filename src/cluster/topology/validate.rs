//! HyperNodes that are broken in themselves: cycles, and tiers that do not rise from member to HyperNode.

use super::buckets::Buckets;
use super::finding::Finding;
use super::{HyperNodeInput, Tier};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;

/// The HyperNodes as a graph of who claims whom, in an order for walks, and which are broken.
#[derive(Debug)]
pub(super) struct Checked {
    /// By HyperNode, the HyperNodes that list it.
    pub(super) parents: Buckets,
    /// All HyperNodes, what contains before what is contained; a group of several (or of one that lists itself) is a
    /// cycle.
    pub(super) order: Vec<Vec<u32>>,
    /// Part of a cycle?
    pub(super) cyclic: Vec<bool>,
    /// May it not be a domain, for a fault of its own? Includes the cyclic ones.
    pub(super) broken: Vec<bool>,
}

/// The tier of a HyperNode, if it can be one.
pub(super) fn tier(hyper_node: &HyperNodeInput<'_>) -> Option<Tier> {
    Tier::try_from(hyper_node.spec.tier).ok().filter(|&tier| tier < Tier::MAX)
}

/// Checks the claims (child, parent), ascending; HyperNodes are in natural order.
pub(super) fn check(
    hyper_nodes: &[HyperNodeInput<'_>],
    claims: &[(u32, u32)],
    findings: &mut Vec<Finding>,
) -> Checked {
    let count = hyper_nodes.len();
    let parents = Buckets::new(count, claims.iter().copied());
    let children = Buckets::new(count, claims.iter().map(|&(child, parent)| (parent, child)));

    let mut graph: DiGraph<(), (), u32> = DiGraph::with_capacity(count, claims.len());
    for _ in 0..count {
        graph.add_node(());
    }
    graph.extend_with_edges(claims.iter().map(|&(child, parent)| (parent, child)));
    // petgraph's answer comes in postorder, members before what lists them; it is iterative, unlike its Tarjan
    let mut order: Vec<Vec<u32>> = kosaraju_scc(&graph)
        .into_iter()
        .rev()
        .map(|group| group.into_iter().map(|at| at.index() as u32).collect())
        .collect();

    let mut cyclic = vec![false; count];
    for group in &mut order {
        group.sort_unstable();
        if group.len() > 1 || children.get(group[0]).contains(&group[0]) {
            for &at in group.iter() {
                cyclic[at as usize] = true;
            }
            let name = |at: &u32| hyper_nodes[*at as usize].name.into();
            let path = shortest_cycle(group, &children);
            let path = path.iter().map(name).collect();
            findings.push(Finding::Cycle { hyper_nodes: group.iter().map(name).collect(), path });
        }
    }

    let mut broken = cyclic.clone();
    for (hyper_node, broken) in hyper_nodes.iter().zip(&mut broken) {
        if tier(hyper_node).is_none() {
            *broken = true;
            let finding =
                Finding::TierOutOfRange { hyper_node: hyper_node.name.into(), tier: hyper_node.spec.tier };
            findings.push(finding);
        }
    }
    let tiers = Tiers { hyper_nodes, parents: &parents, children: &children };
    tiers.check(&order, &mut broken, findings);
    Checked { parents, order, cyclic, broken }
}

/// A shortest cycle through the first of a strongly connected group.
fn shortest_cycle(group: &[u32], children: &Buckets) -> Vec<u32> {
    let start = group[0];
    // by position in the group: the way back towards the start
    let mut from: Vec<Option<u32>> = vec![None; group.len()];
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for &child in children.get(at) {
            if child == start {
                let mut path = vec![at];
                let mut back = at;
                while back != start {
                    let position = group.binary_search(&back).expect("only members of the group are visited");
                    back = from[position].expect("visited from somewhere");
                    path.push(back);
                }
                path.reverse();
                return path;
            }
            if let Ok(position) = group.binary_search(&child)
                && from[position].is_none()
            {
                from[position] = Some(at);
                queue.push_back(child);
            }
        }
    }
    unreachable!("a strongly connected group leads back to each of its members")
}

/// Where tiers do not rise, one HyperNode must be wrong, and a wrong one must not hold a hard rule:
///
/// - one that is not below two HyperNodes around it, which agree with each other, is itself out of line;
/// - otherwise the outer one is quarantined: whichever of the two tiers is wrong, it promises to be closer than
///   a part of it, while the inner one at worst promises less than it holds.
struct Tiers<'a> {
    hyper_nodes: &'a [HyperNodeInput<'a>],
    parents: &'a Buckets,
    children: &'a Buckets,
}

impl Tiers<'_> {
    fn check(&self, order: &[Vec<u32>], broken: &mut [bool], findings: &mut Vec<Finding>) {
        let sound = |at: u32| !broken[at as usize];
        let outliers: Vec<u32> = (0..self.hyper_nodes.len() as u32)
            .filter(|&at| sound(at) && self.is_outlier(at, sound))
            .collect();
        for &at in &outliers {
            broken[at as usize] = true;
            let parent = self.parents.get(at)[0];
            findings.push(Finding::TierNotBelow {
                hyper_node: self.name(at),
                tier: self.tier(at),
                parent: self.name(parent),
                parent_tier: self.tier(parent),
            });
        }

        // the highest tier inside each that counts, from the inside out; broken HyperNodes are looked through
        let mut highest: Vec<Option<(Tier, u32)>> = vec![None; self.hyper_nodes.len()];
        for group in order.iter().rev() {
            let inside = group.iter().flat_map(|&at| self.children.get(at)).flat_map(|&child| {
                let own = (!broken[child as usize]).then(|| (self.tier(child), child));
                [highest[child as usize], own].into_iter().flatten()
            });
            let inside = inside.max_by_key(|&(tier, at)| (tier, u32::MAX - at));
            for &at in group {
                highest[at as usize] = inside;
                let Some((inside_tier, inside)) = inside else { continue };
                if !broken[at as usize] && self.tier(at) <= inside_tier {
                    broken[at as usize] = true;
                    findings.push(Finding::TierNotAbove {
                        hyper_node: self.name(at),
                        tier: self.tier(at),
                        inside: self.name(inside),
                        inside_tier,
                    });
                }
            }
        }
    }

    fn is_outlier(&self, at: u32, sound: impl Fn(u32) -> bool) -> bool {
        let only_parent = |at: u32| match self.parents.get(at) {
            [parent] if sound(*parent) => Some(*parent),
            _ => None,
        };
        let Some(parent) = only_parent(at) else { return false };
        let Some(around) = only_parent(parent) else { return false };
        let (tier, parent, around) = (self.tier(at), self.tier(parent), self.tier(around));
        parent < around && tier >= around
    }

    fn name(&self, at: u32) -> Box<str> {
        self.hyper_nodes[at as usize].name.into()
    }

    /// 0 for those without a valid one, which are broken and never asked.
    fn tier(&self, at: u32) -> Tier {
        tier(&self.hyper_nodes[at as usize]).unwrap_or(0)
    }
}
