//! How full domains and nodes are: the share of resources that is free, as an integer.
//!
//! Everything is lazy: a change of a node marks it and the domains around it stale, and what is stale is divided, or
//! summed again from the nodes and the domains inside, when somebody asks. Shares are kept per set of weights, which most
//! classes have in common.

use super::rules::PlacementRules;
use super::tree::Tree;
use crate::cluster::View;
use crate::cluster::capacity::PODS;
use crate::cluster::class::Class;
use crate::cluster::ids::{ClassId, NodeId, ResourceId};
use rustc_hash::FxHashMap;
use std::cell::{Cell, RefCell};

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

/// Sets of weights, and classes, that are remembered.
const REMEMBERED: (usize, usize) = (32, 1 << 16);

/// Not known; greater than any share.
const STALE: u16 = u16::MAX;

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

/// Shares by class, and the amounts by domain behind them.
#[derive(Debug, Default)]
pub(super) struct Fill {
    generation: u64,
    seen: u64,
    /// [`PlacementRules::resource_weights`] that the rest is for.
    configured: Vec<(ResourceId, i64)>,
    /// Changes when classes weigh resources in another way.
    epoch: u64,
    by_class: FxHashMap<ClassId, usize>,
    shares: Vec<Shares>,
    sums: RefCell<Sums>,
}

/// Free shares under one set of weights, as far as they are known.
#[derive(Debug)]
struct Shares {
    weights: Weights,
    /// By position.
    nodes: Vec<Cell<u16>>,
    domains: Vec<Cell<u16>>,
}

/// Free and allocatable amounts by domain.
#[derive(Debug, Default)]
struct Sums {
    resources: usize,
    /// By domain, then resource.
    free: Vec<i64>,
    allocatable: Vec<i64>,
    stale: Vec<bool>,
}

/// Free shares as one class weighs them.
#[derive(Clone, Copy)]
pub(super) struct Share<'a> {
    view: View<'a>,
    tree: &'a Tree,
    shares: &'a Shares,
    sums: &'a RefCell<Sums>,
}

impl Fill {
    /// Takes in what changed, and makes shares available for these classes.
    pub(super) fn refresh(
        &mut self,
        view: View<'_>,
        tree: &Tree,
        rules: &PlacementRules,
        classes: &[ClassId],
    ) {
        let resources = view.capacity.resources();
        let full = self.shares.len() > REMEMBERED.0 || self.by_class.len() > REMEMBERED.1;
        if full || self.configured != rules.resource_weights {
            self.configured.clone_from(&rules.resource_weights);
            self.epoch += 1;
            self.by_class.clear();
            self.shares.clear();
        }
        let sums = self.sums.get_mut();
        match view.capacity.changes_since(self.seen) {
            Some(changes)
                if self.generation == tree.generation
                    && sums.resources == resources
                    && changes.len() <= tree.leaf.len() =>
            {
                for &node in changes {
                    let Some(position) = view.topology.position(node) else { continue };
                    self.shares.iter().for_each(|shares| shares.nodes[position].set(STALE));
                    let mut at = tree.leaf[position] as usize;
                    while !std::mem::replace(&mut sums.stale[at], true) {
                        self.shares.iter().for_each(|shares| shares.domains[at].set(STALE));
                        if at == 0 {
                            break;
                        }
                        at = tree.parent[at] as usize;
                    }
                }
            }
            _ => {
                self.generation = tree.generation;
                sums.start_over(tree, resources);
                self.by_class.clear();
                self.shares.clear();
            }
        }
        self.seen = view.capacity.position();
        for &class in classes {
            if self.by_class.contains_key(&class) {
                continue;
            }
            let weights = Weights::of(view.classes.get(class), rules);
            let at = match self.shares.iter().position(|shares| shares.weights == weights) {
                Some(at) => at,
                None => {
                    let stale = |len: usize| vec![Cell::new(STALE); len];
                    let (nodes, domains) = (stale(tree.leaf.len()), stale(tree.len()));
                    self.shares.push(Shares { weights, nodes, domains });
                    self.shares.len() - 1
                }
            };
            self.by_class.insert(class, at);
        }
    }

    /// Changes when the shares of nodes may have, though no node has.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Shares as a class weighs them. It must be one that [`Fill::refresh`] was called for.
    pub(super) fn of<'a>(&'a self, view: View<'a>, tree: &'a Tree, class: ClassId) -> Share<'a> {
        let at = self.by_class.get(&class).copied().expect("refreshed for the class");
        Share { view, tree, shares: &self.shares[at], sums: &self.sums }
    }
}

impl Share<'_> {
    /// The free share of the node at a position, in `0..=WHOLE`.
    #[inline]
    pub(super) fn of_node(&self, position: u32) -> i64 {
        let known = &self.shares.nodes[position as usize];
        if known.get() == STALE {
            let node = self.view.topology.order()[position as usize];
            known.set(self.shares.weights.of_node(self.view, node) as u16);
        }
        i64::from(known.get())
    }

    /// The free share of a domain, in `0..=WHOLE`.
    pub(super) fn of_domain(&self, domain: u32) -> i64 {
        let known = &self.shares.domains[domain as usize];
        if known.get() == STALE {
            let mut sums = self.sums.borrow_mut();
            sums.sum(self.view, self.tree, domain);
            let row = domain as usize * sums.resources;
            let share = self.shares.weights.of_sums(|resource| match resource.index() {
                column if column < sums.resources => {
                    (sums.free[row + column], sums.allocatable[row + column])
                }
                _ => (0, 0),
            });
            known.set(share as u16);
        }
        i64::from(known.get())
    }
}

impl Sums {
    fn start_over(&mut self, tree: &Tree, resources: usize) {
        self.resources = resources;
        self.stale.clear();
        self.stale.resize(tree.len(), true);
        self.free.clear();
        self.free.resize(tree.len() * resources, 0);
        self.allocatable.clear();
        self.allocatable.resize(tree.len() * resources, 0);
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
