//! Room for the pods that do not fit: how many more, and in which domains, would do.
//!
//! Room is what other pods leave, or what nodes bring that are added beside nodes like them. It is offered only where a
//! node is open to the pods and could take one at all; where rules about other pods tell nodes apart, only on nodes that
//! others may leave, and these are named.

use super::super::hypothesis::{Change, under};
use super::super::outcome::Remedy;
use super::super::trial;
use super::super::{Context, Tools};
use super::excluded::{limit, outside, shortest, too_small};
use super::fewest::{Budget, fewest};
use super::partly::{self, Missing};
use super::remedies::{REGIONS, seats};
use super::{Estimate, plan};
use crate::cluster::capacity::PODS;
use crate::cluster::cause::Cause;
use crate::cluster::ids::{ClassId, DomainId, ResourceId};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Regions that are looked at for how much is missing.
const LOOKED_AT: usize = 32;

/// Innermost domains that are told apart when less room is looked for.
const PLACES: usize = 24;

/// The least room that would do.
pub(super) fn remedy(
    context: &Context<'_>,
    tools: &mut Tools,
    all: bool,
    budget: &mut Budget,
) -> Option<Remedy> {
    let Context { view, demand, .. } = *context;
    if demand.kinds.iter().any(|&class| view.concerns(class)) {
        return on_nodes(context, tools, all, budget);
    }
    let needed = if all { demand.pending } else { demand.needed() };
    let mut regions: Vec<(Reverse<u64>, u32)> = trial::with(context, tools, |trial, _, _| {
        let estimate = Estimate::new(context, trial, needed);
        context.regions().map(|region| (Reverse(estimate.pods(region)), region)).collect()
    });
    regions.sort_unstable();
    let mut found: Vec<(u64, u32, Vec<Missing>)> = Vec::new();
    for &(_, region) in regions.iter().take(LOOKED_AT) {
        let missing = trial::with(context, tools, |trial, cover, fill| {
            partly::place(context, trial, cover, fill, region, all).missing
        });
        let pods = missing.iter().map(|missing| u64::from(missing.pods)).sum();
        found.push((pods, region, missing));
    }
    found.sort_by_key(|&(pods, region, _)| (pods, region));
    let mut best: Option<Room> = None;
    for (pods, region, missing) in found.into_iter().take(REGIONS) {
        let room = Room::of(context, &missing).filter(|_| pods > 0);
        let Some(room) = room.filter(|room| room.fits(context, tools, all, budget)) else { continue };
        let room = room.less(context, tools, region, all, budget);
        if best.as_ref().is_none_or(|best| room.pods() < best.pods()) {
            best = Some(room);
        }
    }
    best.map(|room| room.remedy(context))
}

/// Room for pods of kinds where they must be.
#[derive(Clone, Debug, Default)]
struct Room {
    /// Kind, domain, pods.
    places: Vec<(u32, u32, u32)>,
    changes: Vec<Change>,
    /// Pods for which nodes must be added.
    added: u32,
}

impl Room {
    /// `None` if there is a place without a node that could take the pod.
    fn of(context: &Context<'_>, missing: &[Missing]) -> Option<Room> {
        let mut room = Room::default();
        for &Missing { kind, home, pods } in missing {
            room.add(context, kind, home, pods)?;
        }
        Some(room)
    }

    fn pods(&self) -> u64 {
        self.places.iter().map(|&(_, _, pods)| u64::from(pods)).sum()
    }

    fn fits(&self, context: &Context<'_>, tools: &mut Tools, all: bool, budget: &mut Budget) -> bool {
        budget.spend()
            && under(context, tools, &self.changes, |context, tools| plan(context, tools, all)).is_some()
    }

    /// Adds room on nodes of the home that are open: as much as others can leave there, and what is beyond that on the last
    /// one, as if nodes like it were added.
    fn add(&mut self, context: &Context<'_>, kind: u32, home: u32, pods: u32) -> Option<()> {
        let Context { view, tree, demand, .. } = *context;
        let class = demand.kinds[kind as usize];
        let (start, end) = tree.run[home as usize];
        let mut left = pods;
        let mut last = None;
        for position in start..end {
            let Some(spare) = spare(context, class, position) else { continue };
            let node = view.topology.order()[position as usize];
            let known =
                |change: &&Change| matches!(change, Change::Room { node: known, .. } if *known == node);
            let used: u32 = self
                .changes
                .iter()
                .filter(known)
                .map(|change| match change {
                    Change::Room { pods, .. } => *pods,
                    _ => 0,
                })
                .sum();
            let pods = spare.saturating_sub(used).min(left);
            left -= pods;
            last = Some(node);
            if pods > 0 {
                self.changes.push(Change::Room { class, node, pods });
            }
            if left == 0 {
                break;
            }
        }
        let node = last?;
        if left > 0 {
            self.added += left;
            self.changes.push(Change::Room { class, node, pods: left });
        }
        self.places.push((kind, home, pods));
        Some(())
    }

    /// Less room that does as well, if it is found: other kinds, and other domains.
    fn less(
        self,
        context: &Context<'_>,
        tools: &mut Tools,
        region: u32,
        all: bool,
        budget: &mut Budget,
    ) -> Room {
        let Context { tree, demand, .. } = *context;
        let pods = self.pods();
        // One kind in one domain: what is missing is counted exactly.
        if demand.kinds.len() == 1 && demand.groups.len() == 1 || !(2..=8).contains(&pods) {
            return self;
        }
        let mut places: Vec<u32> = tree
            .inside(region)
            .filter(|&home| tree.is_innermost(home) || tree.own[home as usize].0 < tree.own[home as usize].1)
            .collect();
        places.truncate(PLACES);
        let units: Vec<(u32, u32)> = places
            .iter()
            .flat_map(|&home| (0..demand.kinds.len() as u32).map(move |kind| (kind, home)))
            .filter(|&(kind, home)| Room::default().add(context, kind, home, 1).is_some())
            .flat_map(|unit| std::iter::repeat_n(unit, pods as usize - 1))
            .collect();
        let room = |chosen: &[usize]| {
            let mut room = Room::default();
            for unit in chosen.chunk_by(|&a, &b| units[a] == units[b]) {
                let (kind, home) = units[unit[0]];
                room.add(context, kind, home, unit.len() as u32)?;
            }
            Some(room)
        };
        let chosen = fewest(&units, budget, |chosen| {
            room(chosen).is_some_and(|room| {
                under(context, tools, &room.changes, |context, tools| plan(context, tools, all)).is_some()
            })
        });
        match chosen.filter(|chosen| (chosen.len() as u64) < pods).and_then(|chosen| room(&chosen)) {
            Some(less) => less,
            None => self,
        }
    }

    fn remedy(&self, context: &Context<'_>) -> Remedy {
        let mut places: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for &(kind, home, pods) in &self.places {
            *places.entry((home, kind)).or_default() += pods;
        }
        let kinds = self.places.iter().map(|&(kind, home, _)| (kind, home));
        let class = |kind: u32| context.demand.kinds[kind as usize];
        Remedy::Free {
            places: places
                .into_iter()
                .map(|((home, kind), pods)| (DomainId(home), class(kind), pods))
                .collect(),
            nodes: Vec::new(),
            resource: scarce(context, kinds),
            added: self.added,
        }
    }
}

/// How many more pods of the class fit on a node if all others leave it; `None` if it is not open to it or too small.
fn spare(context: &Context<'_>, class: ClassId, position: u32) -> Option<u32> {
    let view = context.view;
    let it = view.classes.get(class);
    let node = view.topology.order()[position as usize];
    let closed = !view.capacity.is_present(node)
        || view.eligibility.cause(it.constraint, node).is_some()
        || too_small(view, it, node).is_some()
        || matches!(
            outside(context, limit(context, class), position as usize, node),
            Some(Cause::NoDomain(_))
        );
    if closed {
        return None;
    }
    let amounts = it.requests.iter().filter(|&&(_, amount)| amount > 0);
    let most = amounts.map(|&(resource, amount)| view.capacity.allocatable(node, resource) / amount).min();
    let now = shortest(view, it, node).map_or(0, |(_, slots)| slots);
    let own = i64::from(context.demand.touched.node(position));
    Some(u32::try_from((most.unwrap_or(0) - now - own).max(0)).unwrap_or(u32::MAX))
}

/// The resource that limits most nodes of these domains, for these kinds, if it is one that is measured.
fn scarce(context: &Context<'_>, kinds: impl Iterator<Item = (u32, u32)>) -> Option<ResourceId> {
    let Context { view, tree, demand, .. } = *context;
    let mut limits: BTreeMap<ResourceId, u32> = BTreeMap::new();
    for (kind, home) in kinds {
        let it = view.classes.get(demand.kinds[kind as usize]);
        let (start, end) = tree.run[home as usize];
        for &node in &view.topology.order()[start as usize..end as usize] {
            if view.capacity.is_present(node)
                && view.eligibility.cause(it.constraint, node).is_none()
                && let Some((resource, _)) =
                    shortest(view, it, node).filter(|&(resource, _)| resource != PODS)
            {
                *limits.entry(resource).or_default() += 1;
            }
        }
    }
    limits.into_iter().max_by_key(|&(resource, count)| (count, resource)).map(|(resource, _)| resource)
}

/// Where rules about other pods tell nodes apart: the fewest pods' worth of room on nodes that others can leave.
fn on_nodes(context: &Context<'_>, tools: &mut Tools, all: bool, budget: &mut Budget) -> Option<Remedy> {
    let Context { view, tree, demand, .. } = *context;
    let most = if all { demand.pending } else { demand.needed() };
    let mut units: Vec<(u32, u32, Change)> = Vec::new();
    for kind in 0..demand.kinds.len() as u32 {
        let class = demand.kinds[kind as usize];
        for position in 0..view.topology.order().len() as u32 {
            let spare = spare(context, class, position).unwrap_or(0);
            let node = view.topology.order()[position as usize];
            for _ in 0..u64::from(spare).min(most) {
                units.push((kind, position, Change::Freed { class, node, pods: 1 }));
            }
        }
    }
    let changes: Vec<Change> = units.iter().map(|&(_, _, change)| change).collect();
    if changes.is_empty() || !budget.spend() {
        return None;
    }
    let slots: Vec<u32> = trial::with(context, tools, |trial, _, _| {
        let left = |&(kind, position, _): &(u32, u32, Change)| {
            trial.load(&[kind]);
            trial.slots(kind).nodes[position as usize]
        };
        units.iter().map(left).collect()
    });
    // Those that the plan needs come first.
    let plan_of = under(context, tools, &changes, |context, tools| plan(context, tools, all))?;
    let mut taken: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    for (position, kind, pods) in seats(&plan_of) {
        *taken.entry((kind, position)).or_default() += pods;
    }
    let mut order: Vec<(bool, usize)> = Vec::new();
    for (at, &(kind, position, _)) in units.iter().enumerate() {
        let before = units[..at].iter().filter(|unit| (unit.0, unit.1) == (kind, position)).count() as u32;
        let seats = taken.get(&(kind, position)).copied().unwrap_or(0);
        order.push((slots[at] + before >= seats, at));
    }
    order.sort_unstable();
    let sorts: Vec<(u32, u32)> = order.iter().map(|&(_, at)| (units[at].0, units[at].1)).collect();
    let chosen = fewest(&sorts, budget, |chosen| {
        let changes: Vec<Change> = chosen.iter().map(|&at| changes[order[at].1]).collect();
        under(context, tools, &changes, |context, tools| plan(context, tools, all)).is_some()
    })?;
    let mut chosen: Vec<(u32, u32)> = chosen.into_iter().map(|at| sorts[at]).collect();
    chosen.sort_by_key(|&(kind, position)| (position, kind));
    let leaf = |position: u32| tree.leaf[position as usize];
    Some(Remedy::Free {
        places: chosen
            .iter()
            .map(|&(kind, position)| (DomainId(leaf(position)), demand.kinds[kind as usize], 1))
            .collect(),
        nodes: chosen.iter().map(|&(_, position)| view.topology.order()[position as usize]).collect(),
        resource: scarce(context, chosen.iter().map(|&(kind, position)| (kind, leaf(position)))),
        added: 0,
    })
}
