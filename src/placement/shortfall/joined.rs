//! Nodes that lie in no domain of the tier that a hard rule allows: which of them would help if they were added to one.
//! The tree is frozen, so that it is built anew for the question; capacity and all else stay as they are.

use super::super::demand::Demand;
use super::super::outcome::{Remedy, Shortfall};
use super::super::request::GangRequest;
use super::super::tree::Tree;
use super::super::{Aim, Context, Tools};
use super::excluded::{limit, outside, shortest};
use super::fewest::{Budget, fewest};
use super::fits;
use crate::cluster::View;
use crate::cluster::cause::Cause;
use crate::cluster::ids::{DomainId, NodeId};
use crate::cluster::topology::{Branch, Tier, Topology};
use std::cmp::Reverse;

/// Domains that are tried.
const DOMAINS: usize = 8;

/// The fewest nodes outside that would do, added to the domain that goes furthest.
pub(super) fn remedy(
    context: &Context<'_>,
    request: &GangRequest,
    all: bool,
    shortfall: &Shortfall,
    budget: &mut Budget,
) -> Option<Remedy> {
    let Context { view, demand, .. } = *context;
    let mut nodes: Vec<(Reverse<i64>, usize, NodeId, Tier)> = Vec::new();
    for &class in &demand.kinds {
        let (it, limit) = (view.classes.get(class), limit(context, class));
        for (position, &node) in view.topology.order().iter().enumerate() {
            let slots = shortest(view, it, node).map_or(0, |(_, slots)| slots);
            if let Some(Cause::NoDomain(tier)) = outside(context, limit, position, node)
                && slots > 0
                && view.capacity.is_present(node)
                && view.eligibility.cause(it.constraint, node).is_none()
                && nodes.iter().all(|&(_, known, ..)| known != position)
            {
                nodes.push((Reverse(slots), position, node, tier));
            }
        }
    }
    nodes.sort_unstable();
    let tier = nodes.iter().map(|&(.., tier)| tier).max()?;
    let mut domains: Vec<DomainId> = Vec::new();
    let mut fits_of: Vec<_> =
        shortfall.tiers.iter().filter(|fit| fit.tier.is_some_and(|it| it <= tier)).collect();
    fits_of.sort_by_key(|fit| (Reverse(fit.fits), Reverse(fit.tier)));
    domains.extend(fits_of.iter().map(|fit| fit.domain));
    let others = view.topology.by_tier().iter().filter(|&&(it, _)| it <= tier).flat_map(|(_, all)| all);
    domains.extend(others.filter(|domain| fits_of.iter().all(|fit| fit.domain != **domain)));
    domains.truncate(DOMAINS);
    let mut best: Option<(Vec<NodeId>, DomainId)> = None;
    for domain in domains {
        let sorts: Vec<(i64, u32)> =
            nodes.iter().map(|&(slots, position, ..)| (slots.0, view.topology.leaf(position).0)).collect();
        let chosen = fewest(&sorts, budget, |chosen| {
            let moved: Vec<NodeId> = chosen.iter().map(|&at| nodes[at].2).collect();
            fits_joined(context, request, all, &moved, domain)
        });
        let Some(chosen) = chosen else { continue };
        if best.as_ref().is_none_or(|(nodes, _)| chosen.len() < nodes.len()) {
            let mut chosen: Vec<(usize, NodeId)> =
                chosen.iter().map(|&at| (nodes[at].1, nodes[at].2)).collect();
            chosen.sort_unstable();
            best = Some((chosen.into_iter().map(|(_, node)| node).collect(), domain));
        }
    }
    best.map(|(nodes, domain)| Remedy::Join { nodes, domain })
}

fn fits_joined(
    context: &Context<'_>,
    request: &GangRequest,
    all: bool,
    moved: &[NodeId],
    domain: DomainId,
) -> bool {
    let Context { view, rules, .. } = *context;
    let topology = Topology::from_tree(inside(view.topology, Topology::ROOT, moved, domain));
    // Broken HyperNodes count for the tier of the root and are not in the tree.
    if topology.tier(Topology::ROOT) != view.topology.tier(Topology::ROOT) {
        return false;
    }
    let view = View { topology: &topology, ..view };
    let mut tree = Tree::default();
    tree.refresh(&topology, rules.level_weight);
    let demand = Demand::new(view, &tree, request);
    let context = Context { view, tree: &tree, rules, demand: &demand, aim: Aim::Fits };
    fits(&context, request, all, &mut Tools::default()).is_some()
}

/// What is inside a domain once the nodes have moved.
fn inside(topology: &Topology, at: DomainId, moved: &[NodeId], to: DomainId) -> Vec<Branch> {
    let children = topology.children(at).iter();
    let mut branches: Vec<Branch> = children
        .map(|&child| {
            Branch::domain(topology.name(child), topology.tier(child), inside(topology, child, moved, to))
        })
        .collect();
    let own = topology.run(at).filter(|&position| topology.leaf(position) == at);
    let own = own.map(|position| topology.order()[position]).filter(|node| !moved.contains(node));
    branches.extend(own.map(Branch::Node));
    if at == to {
        branches.extend(moved.iter().copied().map(Branch::Node));
    }
    branches
}
