//! Trees written down directly, without HyperNodes: for generated clusters, tests and benches.

use super::freeze::{Draft, DraftDomain, DraftNode};
use super::{Tier, Topology};
use crate::cluster::ids::NodeId;

/// A part of a tree that is written down: a node, or a domain with what is inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Branch {
    /// A node.
    Node(NodeId),
    /// A domain.
    Domain {
        /// Its name.
        name: String,
        /// Its tier, above the tiers of the domains inside.
        tier: Tier,
        /// Domains and nodes inside, in the order that they are to have (the domains come first).
        inside: Vec<Branch>,
    },
}

impl Branch {
    /// A domain with what is inside.
    pub fn domain(name: &str, tier: Tier, inside: Vec<Branch>) -> Self {
        Branch::Domain { name: name.to_owned(), tier, inside }
    }

    /// A domain of nodes.
    pub fn leaf(name: &str, tier: Tier, nodes: impl IntoIterator<Item = NodeId>) -> Self {
        Branch::domain(name, tier, nodes.into_iter().map(Branch::Node).collect())
    }
}

impl Topology {
    /// A tree as written: what is given lies directly below the root.
    ///
    /// ```
    /// use phalanx::cluster::{ids::NodeId, topology::{Branch, Topology}};
    ///
    /// let topology = Topology::from_tree(vec![
    ///     Branch::domain("spine", 2, vec![
    ///         Branch::leaf("rack-a", 1, [NodeId(0), NodeId(1)]),
    ///         Branch::leaf("rack-b", 1, [NodeId(2)]),
    ///     ]),
    ///     Branch::Node(NodeId(3)),
    /// ]);
    /// assert_eq!(topology.by_tier()[0].1.len(), 2);
    /// assert_eq!(topology.leaf(3), Topology::ROOT);
    /// ```
    ///
    /// # Panics
    /// If a node occurs twice, or a domain's tier is not below that of the domain around it (in debug builds).
    pub fn from_tree(branches: Vec<Branch>) -> Self {
        let mut draft = Draft::default();
        let mut stack: Vec<(Branch, Option<u32>)> =
            branches.into_iter().rev().map(|branch| (branch, None)).collect();
        while let Some((branch, parent)) = stack.pop() {
            match branch {
                Branch::Node(id) => draft.nodes.push(DraftNode { id, domain: parent, quarantined: false }),
                Branch::Domain { name, tier, inside } => {
                    let at = draft.domains.len() as u32;
                    draft.domains.push(DraftDomain { name: name.into(), tier, parent });
                    stack.extend(inside.into_iter().rev().map(|branch| (branch, Some(at))));
                }
            }
        }
        draft.freeze()
    }

    /// A regular tree: levels from the outermost to the innermost, each with its name and how many of it lie in one
    /// domain of the level around it, and the nodes in each innermost domain. Nodes are numbered from 0 in depth-first
    /// order; the innermost level is tier 1; domains are called by their path (`block-3`, `rack-3-12`); the names of
    /// the levels name the tiers.
    ///
    /// ```
    /// use phalanx::cluster::topology::Topology;
    ///
    /// // 20 blocks of 32 racks of 16 nodes
    /// let topology = Topology::uniform(&[("block", 20), ("rack", 32)], 16);
    /// assert_eq!(topology.order().len(), 10_240);
    /// assert_eq!(topology.tier_named("rack"), Some(1));
    /// ```
    pub fn uniform(levels: &[(&str, usize)], nodes: usize) -> Self {
        let mut draft = Draft::default();
        let highest = levels.len() as Tier;
        let mut row: Vec<(Option<u32>, String)> = vec![(None, String::new())];
        for (tier, &(level, count)) in (1..=highest).rev().zip(levels) {
            let mut next = Vec::with_capacity(row.len() * count);
            for (parent, path) in row {
                for index in 0..count {
                    let path = format!("{path}-{index}");
                    next.push((Some(draft.domains.len() as u32), path.clone()));
                    let name = format!("{level}{path}").into();
                    draft.domains.push(DraftDomain { name, tier, parent });
                }
            }
            row = next;
            draft.tier_names.push((level.into(), tier));
        }
        for (domain, _) in row {
            for _ in 0..nodes {
                let id = NodeId(draft.nodes.len() as u32);
                draft.nodes.push(DraftNode { id, domain, quarantined: false });
            }
        }
        draft.freeze()
    }
}
