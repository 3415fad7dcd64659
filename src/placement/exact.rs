//! Every placement of a small case: branch and bound over pods and nodes.
//!
//! Pods that are alike take nodes in depth-first order, and of nodes that are alike in one domain the first untouched
//! one is taken, so no placement is seen twice by symmetry. A branch ends where even all pods that are left would be
//! fewer than the best known has, or as many for no less: the terms that only grow as pods are added (tiers and
//! domains) are a lower bound as far as they come first in the order. Where pods depend on each other's places, the
//! order in which they are placed matters; then every order is followed, and no state twice.
//!
//! The search ends by itself, which proves the result, or after a number of nodes tried.

use super::certificate::Certificate;
use super::cost::{self, Base};
use super::demand::tier_cost;
use super::fill::Fill;
use super::general::{Bounds, Candidate};
use super::limits::Limits;
use super::nodes::Seat;
use super::plan::Plan;
use super::ranks;
use super::rules::CostTerm;
use super::trial::{Taking, Trial};
use super::{Context, Scratch, Tools};
use rustc_hash::FxHashSet;
use std::cmp::Ordering;

/// Looks for something better than the best in so many steps, and says whether there is.
pub(super) fn improve(
    context: &Context<'_>,
    tools: &mut Tools,
    bounds: &Bounds,
    budget: u64,
    best: &mut Option<Candidate>,
) -> Certificate {
    let Context { tree, demand, .. } = *context;
    if demand.placeable() > Limits::EXACT_PODS || demand.kinds.len() > Limits::CLASSES {
        return Certificate::Open { steps: 0 };
    }
    let Tools { slots, fill, overlay, scratch, .. } = tools;
    let trial = Trial::begin(*context, slots, overlay);
    let kinds = 0..demand.kinds.len() as u32;
    let sums: Vec<Vec<u64>> = kinds.clone().map(|kind| trial.slots(kind).sums.clone()).collect();
    let has_slot = |position: &u32| kinds.clone().any(|kind| trial.slots(kind).nodes[*position as usize] > 0);
    let regions = bounds.regions.iter().flat_map(|&(_, region)| {
        let (start, end) = tree.run[region as usize];
        start..end
    });
    let mut nodes: Vec<u32> = regions.filter(has_slot).collect();
    nodes.sort_unstable();
    if nodes.len() > Limits::EXACT_NODES {
        trial.end();
        return Certificate::Open { steps: 0 };
    }
    let twins = if trial.is_any_coupled() { vec![None; nodes.len()] } else { twins(context, &trial, &nodes) };
    let coupled = trial.is_any_coupled();
    let mut items = Vec::new();
    for (index, group) in demand.groups.iter().enumerate() {
        let mut left = group.pods();
        for &(kind, _) in demand.counts(group) {
            let members = demand.members(group).iter().filter(|m| m.class == demand.kinds[kind as usize]);
            let mut roles: Vec<(u32, u32)> = Vec::new();
            for member in members {
                let counts = demand.roles.iter().any(|&(role, _)| role == member.role);
                let role = if counts { member.role } else { u32::MAX };
                match roles.iter_mut().find(|(known, _)| *known == role) {
                    Some((_, count)) => *count += 1,
                    None => roles.push((role, 1)),
                }
            }
            for (_, count) in roles {
                left -= count;
                items.push(Item { group: index as u32, kind, count, after: left });
            }
        }
    }
    let mut search = Search {
        context,
        fill,
        scratch,
        base: Copied(sums),
        items,
        nodes,
        twins,
        trial,
        by_group: demand.groups.iter().map(|_| 0).collect(),
        best,
        steps: 0,
        budget,
        over: false,
        seen: FxHashSet::default(),
    };
    let here = Totals {
        gang: demand.running,
        subgroups: demand.settled_tiers
            + demand
                .groups
                .iter()
                .filter_map(|group| Some(group.tier_cost(tree.tier[group.anchor? as usize])))
                .sum::<i64>(),
        domains: demand.touched.domains().map(|domain| tree.charge[domain as usize]).sum::<i64>()
            + demand.touched.nodes().map(|p| tree.node_charge[tree.leaf[p as usize] as usize]).sum::<i64>(),
        pods: 0,
    };
    if coupled {
        let left = search.items.iter().map(|item| item.count).collect();
        let around = demand.groups.iter().map(|group| group.anchor).collect();
        search.in_any_order(here, left, around);
    } else {
        search.item(0, here, None);
    }
    let Search { trial, steps, over, .. } = search;
    trial.end();
    if over { Certificate::Open { steps } } else { Certificate::Exhausted }
}

/// For each node, the node before it that is the same to every kind, if there is one in its domain.
fn twins(context: &Context<'_>, trial: &Trial<'_, '_>, nodes: &[u32]) -> Vec<Option<usize>> {
    let Context { view, tree, demand, .. } = *context;
    let same = |a: u32, b: u32| {
        tree.leaf[a as usize] == tree.leaf[b as usize]
            && !demand.touched.node(a)
            && !demand.touched.node(b)
            && demand.kinds.iter().zip(0..).all(|(&class, kind)| {
                let slots = &trial.slots(kind).nodes;
                slots[a as usize] == slots[b as usize]
                    && trial.room(a, class) == trial.room(b, class)
                    && view
                        .classes
                        .get(class)
                        .requests
                        .iter()
                        .all(|&(resource, _)| trial.free(a, resource) == trial.free(b, resource))
            })
    };
    let before = |at: usize| (0..at).rev().find(|&before| same(nodes[before], nodes[at]));
    (0..nodes.len()).map(before).collect()
}

/// Pods that nothing tells apart.
#[derive(Clone, Copy, Debug)]
struct Item {
    group: u32,
    kind: u32,
    count: u32,
    /// Pods of the group in later items.
    after: u32,
}

/// Where the search stands: what all takings amount to.
#[derive(Clone, Copy, Debug)]
struct Totals {
    gang: Option<u32>,
    subgroups: i64,
    domains: i64,
    pods: u64,
}

struct Copied(Vec<Vec<u64>>);

impl Base for Copied {
    fn slots(&self, kind: usize, domain: u32) -> u64 {
        self.0[kind][domain as usize]
    }
}

struct Search<'s, 'a, 't> {
    context: &'s Context<'a>,
    fill: &'s Fill,
    scratch: &'s mut Scratch,
    base: Copied,
    items: Vec<Item>,
    nodes: Vec<u32>,
    twins: Vec<Option<usize>>,
    trial: Trial<'a, 't>,
    /// Pods placed by group.
    by_group: Vec<u32>,
    best: &'s mut Option<Candidate>,
    steps: u64,
    budget: u64,
    over: bool,
    seen: FxHashSet<Vec<(u32, u32, u32)>>,
}

impl Search<'_, '_, '_> {
    /// Places the pods of an item and of all after it. `around`: the innermost domain around its group so far, if the
    /// group has been begun.
    fn item(&mut self, index: usize, here: Totals, around: Option<Option<u32>>) {
        let demand = self.context.demand;
        let Some(&item) = self.items.get(index) else { return self.judge(here) };
        let group = &demand.groups[item.group as usize];
        let around = around.unwrap_or(group.anchor);
        self.pod(index, item.count, 0, here, around);
    }

    /// Places the next pod of an item on the nodes from `start` on, or no more of the item.
    fn pod(&mut self, index: usize, left: u32, start: usize, here: Totals, around: Option<u32>) {
        if self.over || self.is_hopeless(index, left, &here) {
            return;
        }
        let demand = self.context.demand;
        let item = self.items[index];
        if left > 0 {
            for at in start..self.nodes.len() {
                let position = self.nodes[at];
                if self.trial.slots(item.kind).nodes[position as usize] == 0
                    || self.twins[at].is_some_and(|twin| !self.trial.touched.node(self.nodes[twin]))
                {
                    continue;
                }
                let Some((next, nearer)) = self.step(item.group, position, &here, around) else { continue };
                let before = self.trial.taken().len();
                self.trial.take(item.group, item.kind, Seat { position, pods: 1 });
                self.by_group[item.group as usize] += 1;
                self.pod(index, left - 1, at, next, Some(nearer));
                self.by_group[item.group as usize] -= 1;
                self.trial.undo_to(before);
                if self.over {
                    return;
                }
            }
        }
        // The rest of the item stays out, unless the group would be torn.
        let need = demand.groups[item.group as usize].need;
        let placed = self.by_group[item.group as usize];
        if item.after > 0 {
            if placed + item.after >= need || placed == 0 {
                self.item(index + 1, here, Some(around));
            }
        } else if placed == 0 || placed >= need {
            self.item(index + 1, here, None);
        }
    }

    /// What one more pod of a group on a node makes of it; `None` if a rule forbids it.
    fn step(
        &mut self,
        group: u32,
        position: u32,
        here: &Totals,
        around: Option<u32>,
    ) -> Option<(Totals, u32)> {
        self.steps += 1;
        if self.steps > self.budget {
            self.over = true;
            return None;
        }
        let Context { tree, demand, .. } = *self.context;
        let leaf = tree.leaf[position as usize];
        let gang = here.gang.map_or(leaf, |at| tree.common(at, leaf));
        if demand.rule.required.is_some_and(|limit| tree.tier[gang as usize] > limit) {
            return None;
        }
        let it = &demand.groups[group as usize];
        let nearer = around.map_or(leaf, |at| tree.common(at, leaf));
        if it.rule.required.is_some_and(|limit| tree.tier[nearer as usize] > limit) {
            return None;
        }
        let mut next = *here;
        next.gang = Some(gang);
        next.pods += 1;
        let before = around.map_or(0, |at| it.tier_cost(tree.tier[at as usize]));
        next.subgroups += it.tier_cost(tree.tier[nearer as usize]) - before;
        let mut at = leaf;
        while at > 0 && !self.trial.touched.domain(at) {
            next.domains += tree.charge[at as usize];
            at = tree.parent[at as usize];
        }
        if !self.trial.touched.node(position) {
            next.domains += tree.node_charge[leaf as usize];
        }
        Some((next, nearer))
    }

    /// Can nothing come of it that is better than the best?
    fn is_hopeless(&self, index: usize, left: u32, here: &Totals) -> bool {
        let demand = self.context.demand;
        let mut open = vec![0u64; demand.kinds.len()];
        open[self.items[index].kind as usize] += u64::from(left);
        for item in &self.items[index + 1..] {
            open[item.kind as usize] += u64::from(item.count);
        }
        self.is_bounded(here, &open)
    }

    fn is_bounded(&self, here: &Totals, open: &[u64]) -> bool {
        let Context { tree, demand, rules, .. } = *self.context;
        let open = open.iter().zip(0..).map(|(&open, kind)| open.min(self.trial.slots(kind).total()));
        let most = here.pods + open.sum::<u64>();
        if most < demand.minimum {
            return true;
        }
        let Some(best) = self.best.as_ref() else { return false };
        if most != best.pods {
            return most < best.pods;
        }
        for (term, &known) in rules.order.iter().zip(&best.cost) {
            let least = match term {
                CostTerm::SubgroupTier => here.subgroups,
                CostTerm::GangTier => {
                    here.gang.map_or(0, |gang| tier_cost(demand.rule, tree.tier[gang as usize]))
                }
                CostTerm::Domains => here.domains,
                CostTerm::Stranded | CostTerm::NodeScore => return false,
            };
            match least.cmp(&known) {
                Ordering::Less => return false,
                Ordering::Equal => {}
                Ordering::Greater => return true,
            }
        }
        true
    }

    /// A complete placement: is it the best so far?
    fn judge(&mut self, here: Totals) {
        if here.pods == 0 || self.best.as_ref().is_some_and(|best| here.pods < best.pods) {
            return;
        }
        let plan = Plan::of_takings(self.trial.taken());
        if !ranks::meets(self.context.demand, &plan) {
            return;
        }
        let (_, cost) = cost::of_plan(self.context, self.scratch, self.fill, &self.base, &plan);
        let candidate = Candidate { pods: here.pods, plan, cost };
        if candidate.beats(self.best.as_ref()) {
            *self.best = Some(candidate);
        }
    }

    /// Places pods of all items in every order that the constraints between them allow.
    fn in_any_order(&mut self, here: Totals, left: Vec<u32>, around: Vec<Option<u32>>) {
        let demand = self.context.demand;
        let mut state: Vec<(u32, u32, u32)> = Vec::with_capacity(self.trial.taken().len());
        state.extend(
            self.trial.taken().iter().map(|Taking { group, kind, seat }| (*group, *kind, seat.position)),
        );
        state.sort_unstable();
        if self.over || !self.seen.insert(state) {
            return;
        }
        let mut open = vec![0u64; demand.kinds.len()];
        for (item, &left) in self.items.iter().zip(&left) {
            open[item.kind as usize] += u64::from(left);
        }
        if self.is_bounded(&here, &open) {
            return;
        }
        let torn = demand
            .groups
            .iter()
            .zip(&self.by_group)
            .any(|(group, &placed)| placed > 0 && placed < group.need);
        if !torn {
            self.judge(here);
        }
        for index in 0..self.items.len() {
            let item = self.items[index];
            if left[index] == 0 {
                continue;
            }
            for at in 0..self.nodes.len() {
                let position = self.nodes[at];
                if self.trial.slots(item.kind).nodes[position as usize] == 0
                    || !self.trial.allows(item.kind, position)
                {
                    continue;
                }
                let group = item.group as usize;
                let Some((next, nearer)) = self.step(item.group, position, &here, around[group]) else {
                    continue;
                };
                let (mut left, mut around) = (left.clone(), around.clone());
                left[index] -= 1;
                around[group] = Some(nearer);
                let before = self.trial.taken().len();
                self.trial.take(item.group, item.kind, Seat { position, pods: 1 });
                self.by_group[group] += 1;
                self.in_any_order(next, left, around);
                self.by_group[group] -= 1;
                self.trial.undo_to(before);
                if self.over {
                    return;
                }
            }
        }
    }
}
