//! What a search places: subgroups as a whole, and loose pods a few at a time.

use crate::placement::Context;
use crate::placement::cells::Cells;
use crate::placement::cells::lanes::Load;
use crate::placement::limits::Limits;
use std::cmp::Reverse;

/// Pods that are placed together or not at all.
#[derive(Clone, Copy, Debug)]
pub(in crate::placement) struct Item {
    /// Index of the group.
    pub(super) group: u32,
    /// All its pods.
    pub(super) load: Load,
    /// What must be placed of it at least: all of it, unless the group is content with less. Nothing, where it is
    /// complete by what runs.
    pub(super) least: Load,
    pub(super) weight: u64,
    /// Must it lie inside one domain of a tier?
    pub(super) hard: bool,
    /// Does it belong to no policy?
    pub(super) loose: bool,
    /// Does it make a subgroup complete that a policy may count?
    pub(super) policy: Option<u32>,
    /// Pods of roles that lack some, as far as they are told by the item: index of the role and pods.
    pub(super) role: Option<(u32, u32)>,
}

/// The items of a gang, in the order of its groups.
pub(super) fn of(context: &Context<'_>, cells: &Cells) -> Vec<Item> {
    let demand = context.demand;
    let mut items = Vec::new();
    for (index, group) in (0..).zip(&demand.groups) {
        let counts = demand.counts(group);
        let lanes = &cells.lanes;
        let new = |load: Load| Item {
            group: index,
            load,
            least: load,
            weight: cells.weight(load),
            hard: group.rule.required.is_some_and(|tier| tier < context.tree.tier[0]),
            loose: group.policy.is_none(),
            policy: group.policy.filter(|_| group.completes),
            role: None,
        };
        if group.policy.is_some() {
            let load = counts.iter().fold(Load::NONE, |load, &(kind, pods)| load.plus(lanes.of(kind, pods)));
            let mut item = new(load);
            if group.need < group.pods() {
                item.least = least(cells, load, group.need);
            }
            items.push(item);
            continue;
        }
        // A few pods at a time, so that there are not too many of them.
        let chunk = group.pods().div_ceil(Limits::LOOSE_ITEMS).max(1);
        for &(kind, pods) in counts {
            let class = demand.kinds[kind as usize];
            let members = demand.members(group).iter().filter(|member| member.class == class);
            // Roles that lack pods are told apart, the others are not.
            let mut by_role: Vec<(Option<u32>, u32)> = Vec::new();
            for member in members {
                let role = demand.roles.iter().position(|&(role, _)| role == member.role).map(|at| at as u32);
                match by_role.iter_mut().find(|(known, _)| *known == role) {
                    Some((_, count)) => *count += 1,
                    None => by_role.push((role, 1)),
                }
            }
            debug_assert_eq!(by_role.iter().map(|&(_, count)| count).sum::<u32>(), pods);
            for (role, mut left) in by_role {
                while left > 0 {
                    let taken = chunk.min(left);
                    left -= taken;
                    items.push(Item { role: role.map(|role| (role, taken)), ..new(lanes.of(kind, taken)) });
                }
            }
        }
    }
    items
}

/// So many pods of a load, the lightest first.
fn least(cells: &Cells, load: Load, mut need: u32) -> Load {
    let mut least = Load::NONE;
    for &kind in cells.rooms.order().iter().rev() {
        let pods = need.min(cells.lanes.get(load, kind));
        least = least.plus(cells.lanes.of(kind, pods));
        need -= pods;
    }
    least
}

/// The order in which items are placed if nothing disturbs it: subgroups before loose pods, those that run in part first, the
/// heaviest first.
pub(super) fn order(context: &Context<'_>, items: &[Item]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..items.len() as u32).collect();
    order.sort_by_key(|&at| {
        let item = &items[at as usize];
        let anchored = context.demand.groups[item.group as usize].anchor.is_some();
        (item.loose, !anchored, Reverse(item.weight), at)
    });
    order
}
