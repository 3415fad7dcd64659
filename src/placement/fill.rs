//! How full domains and nodes are: the share of resources that is free, as an integer.
//!
//! Domain totals are summed lazily: a change of a node marks the domains around it stale, and a stale domain is summed
//! again, from its nodes and the domains inside it, when somebody asks.

use super::rules::PlacementRules;
use super::tree::Tree;
use crate::cluster::View;
use crate::cluster::capacity::PODS;
use crate::cluster::class::Class;
use crate::cluster::ids::{NodeId, ResourceId};

/// A whole: everything is free.
pub(super) const WHOLE: i64 = 4095;

/// The free share of one resource in `0..=WHOLE`; `None` where there is none of it.
pub(super) fn share(free: i64, allocatable: i64) -> Option<i64> {
    if allocatable <= 0 {
        return None;
    }
    // 12 bits of precision need 12 bits of room
    let shift = (64 - allocatable.leading_zeros()).saturating_sub(50);
    let (free, allocatable) = (free.clamp(0, allocatable) >> shift, allocatable >> shift);
    Some(free * WHOLE / allocatable)
}

/// Which resources are compared, and how much each counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Weights(pub(super) Vec<(ResourceId, i64)>);

impl Weights {
    /// The configured weights of the resources that the class asks for; where none is configured, each resource that
    /// it asks for counts once. The number of pods never counts.
    pub(super) fn of(class: &Class, rules: &PlacementRules) -> Self {
        let asked = class.requests.iter().map(|&(resource, _)| resource).filter(|&resource| resource != PODS);
        let configured = |resource: ResourceId| {
            rules
                .resource_weights
                .iter()
                .find(|&&(known, _)| known == resource)
                .map_or(0, |&(_, weight)| weight)
        };
        let weights: Vec<_> = asked
            .clone()
            .map(|resource| (resource, configured(resource).clamp(0, 1 << 20)))
            .filter(|&(_, weight)| weight > 0)
            .collect();
        Weights(if weights.is_empty() { asked.map(|resource| (resource, 1)).collect() } else { weights })
    }

    /// The weighted mean of shares, in `0..=WHOLE`; [`WHOLE`] where nothing is compared.
    fn mean(&self, mut share: impl FnMut(ResourceId) -> Option<i64>) -> i64 {
        let (mut sum, mut weights) = (0, 0);
        for &(resource, weight) in &self.0 {
            if let Some(share) = share(resource) {
                sum += share * weight;
                weights += weight;
            }
        }
        if weights == 0 { WHOLE } else { sum / weights }
    }

    /// The free share of a node.
    pub(super) fn of_node(&self, view: View<'_>, node: NodeId) -> i64 {
        self.mean(|resource| {
            share(view.capacity.free(node, resource), view.capacity.allocatable(node, resource))
        })
    }

    /// The free share of a sum of nodes, given what is free and what is allocatable of a resource.
    pub(super) fn of_sums(&self, mut sums: impl FnMut(ResourceId) -> (i64, i64)) -> i64 {
        self.mean(|resource| {
            let (free, allocatable) = sums(resource);
            share(free, allocatable)
        })
    }
}

/// Free and allocatable amounts by domain.
#[derive(Debug, Default)]
pub(super) struct Fill {
    generation: u64,
    seen: u64,
    resources: usize,
    /// By domain, then resource.
    free: Vec<i64>,
    allocatable: Vec<i64>,
    stale: Vec<bool>,
}

impl Fill {
    /// Takes in what changed.
    pub(super) fn refresh(&mut self, view: View<'_>, tree: &Tree) {
        let resources = view.capacity.resources();
        let changes = view.capacity.changes_since(self.seen);
        match changes {
            Some(changes)
                if self.generation == tree.generation
                    && self.resources == resources
                    && changes.len() <= tree.leaf.len() =>
            {
                for &node in changes {
                    let Some(position) = view.topology.position(node) else { continue };
                    let mut at = tree.leaf[position] as usize;
                    while !std::mem::replace(&mut self.stale[at], true) && at > 0 {
                        at = tree.parent[at] as usize;
                    }
                }
            }
            _ => {
                self.generation = tree.generation;
                self.resources = resources;
                self.stale.clear();
                self.stale.resize(tree.len(), true);
                self.free.clear();
                self.free.resize(tree.len() * resources, 0);
                self.allocatable.clear();
                self.allocatable.resize(tree.len() * resources, 0);
            }
        }
        self.seen = view.capacity.position();
    }

    /// The free share of a domain, in `0..=WHOLE`.
    pub(super) fn share(&mut self, view: View<'_>, tree: &Tree, domain: u32, weights: &Weights) -> i64 {
        self.sum(view, tree, domain);
        let row = domain as usize * self.resources;
        weights.of_sums(|resource| match resource.index() {
            column if column < self.resources => (self.free[row + column], self.allocatable[row + column]),
            _ => (0, 0),
        })
    }

    /// Sums a stale domain. The walk goes over ids backwards, so that children are summed before their parents.
    fn sum(&mut self, view: View<'_>, tree: &Tree, domain: u32) {
        if !self.stale[domain as usize] {
            return;
        }
        let mut at = tree.end[domain as usize];
        while at > domain {
            at -= 1;
            if !self.stale[at as usize] {
                continue;
            }
            let row = at as usize * self.resources;
            for resource in 0..self.resources {
                let id = ResourceId(resource as u32);
                let (start, end) = tree.own[at as usize];
                let (mut free, mut allocatable) = (0i64, 0i64);
                for &node in &view.topology.order()[start as usize..end as usize] {
                    if view.capacity.is_present(node) {
                        let there = view.capacity.allocatable(node, id);
                        free = free.saturating_add(view.capacity.free(node, id).clamp(0, there.max(0)));
                        allocatable = allocatable.saturating_add(there);
                    }
                }
                for child in tree.children(at) {
                    let inner = child as usize * self.resources + resource;
                    free = free.saturating_add(self.free[inner]);
                    allocatable = allocatable.saturating_add(self.allocatable[inner]);
                }
                self.free[row + resource] = free;
                self.allocatable[row + resource] = allocatable;
            }
            self.stale[at as usize] = false;
        }
    }
}
