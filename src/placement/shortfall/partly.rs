//! How far a region goes for what the gang needs, counted in pods: subgroups that do not fit whole are placed as far as
//! they go in one home each, as if more room were about to come there.

use super::super::Context;
use super::super::cover::Cover;
use super::super::demand::Group;
use super::super::fill::Fill;
use super::super::general::{GroupPlacer, homes_inside};
use super::super::trial::Trial;
use std::cmp::Reverse;

/// Homes that are tried for a part of a group.
const HOMES: usize = 16;

/// What a region takes, and what is missing.
#[derive(Clone, Debug, Default)]
pub(super) struct Partly {
    /// Pods placed of those that are needed.
    pub(super) placed: u64,
    /// Pods that are missing, by kind and by the domain where they must be.
    pub(super) missing: Vec<Missing>,
}

/// Pods of a kind that have no room where they must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) kind: u32,
    pub(super) home: u32,
    pub(super) pods: u32,
}

/// Places what is needed as far as it goes, the whole groups first, and leaves it on the trial. `all`: every pod is needed.
pub(super) fn place<'a>(
    context: &Context<'a>,
    trial: &mut Trial<'a, '_>,
    cover: &mut Cover,
    fill: &Fill,
    region: u32,
    all: bool,
) -> Partly {
    let demand = context.demand;
    let chosen = choose(context, all);
    let mut maker = GroupPlacer::new(context, trial, cover, fill);
    let mut partly = Partly::default();
    let mut torn = Vec::new();
    for &(group, need) in &chosen {
        let it = &demand.groups[group as usize];
        if it.policy.is_none() {
            continue;
        }
        let mut homes: Vec<u32> = homes_inside(context, it, region).collect();
        homes.sort_by_cached_key(|&home| {
            (context.tree.tier[home as usize], held(&mut maker, it, context, home))
        });
        homes.retain(|&home| held(&mut maker, it, context, home) >= u64::from(need));
        if homes
            .into_iter()
            .take(HOMES)
            .any(|home| pack(&mut maker, context, group, need, home, true) == need)
        {
            partly.placed += u64::from(need);
        } else {
            torn.push((group, need));
        }
    }
    for (group, need) in torn {
        let it = &demand.groups[group as usize];
        let mut homes: Vec<u32> = homes_inside(context, it, region).collect();
        // Of homes that hold as many the highest: more room may come to it.
        homes.sort_by_cached_key(|&home| {
            (Reverse(held(&mut maker, it, context, home)), Reverse(context.tree.tier[home as usize]), home)
        });
        let mut best: Option<(u32, u32)> = None;
        for home in homes.into_iter().take(HOMES) {
            let before = maker.trial().taken().len();
            let placed = pack(&mut maker, context, group, need, home, false);
            maker.trial().undo_to(before);
            if best.is_none_or(|(most, _)| placed > most) {
                best = Some((placed, home));
            }
        }
        let Some((_, home)) = best else { continue };
        let before = maker.trial().taken().len();
        let placed = pack(&mut maker, context, group, need, home, false);
        partly.placed += u64::from(placed);
        miss(&mut partly, &mut maker, context, (group, need - placed), before, home);
    }
    for &(group, need) in chosen.iter().filter(|&&(group, _)| demand.groups[group as usize].policy.is_none())
    {
        let before = maker.trial().taken().len();
        let placed = pack(&mut maker, context, group, need, region, false);
        partly.placed += u64::from(placed);
        miss(&mut partly, &mut maker, context, (group, need - placed), before, region);
    }
    partly
}

/// Groups that are needed and how many pods of each, the largest first; loose pods last.
fn choose(context: &Context<'_>, all: bool) -> Vec<(u32, u32)> {
    let demand = context.demand;
    let groups = || demand.groups.iter().zip(0u32..);
    if all {
        let mut chosen: Vec<(u32, u32)> = groups().map(|(group, at)| (at, group.pods())).collect();
        chosen.sort_by_key(|&(group, pods)| {
            (demand.groups[group as usize].policy.is_none(), Reverse(pods), group)
        });
        return chosen;
    }
    let mut lacking = demand.policies.clone();
    let mut by_need: Vec<(u32, u32)> =
        groups().filter(|(group, _)| group.completes).map(|(group, at)| (at, group.need)).collect();
    by_need.sort_by_key(|&(group, need)| (need, group));
    let mut chosen = Vec::new();
    let mut due = 0u64;
    by_need.retain(|&(group, need)| {
        let left = demand.groups[group as usize].policy.map(|policy| &mut lacking[policy as usize]);
        let Some(left) = left.filter(|left| **left > 0) else { return true };
        *left -= 1;
        due += u64::from(need);
        chosen.push((group, need));
        false
    });
    // Roles that the groups do not fill are filled by loose pods; so is the rest of the minimum, then by further groups.
    let mut roles = demand.roles.clone();
    for (role, lacking) in &mut roles {
        let filled = chosen.iter().map(|&(group, _)| {
            let members = demand.members(&demand.groups[group as usize]);
            members.iter().filter(|member| member.role == *role).count() as u64
        });
        *lacking = lacking.saturating_sub(filled.sum());
    }
    let roles: u64 = roles.iter().map(|&(_, lacking)| lacking).sum();
    if let Some((group, at)) = groups().find(|(group, _)| group.policy.is_none()) {
        let need = roles.max(demand.minimum.saturating_sub(due)).min(u64::from(group.pods()));
        due += need;
        if need > 0 {
            chosen.push((at, need as u32));
        }
    }
    let mut further = by_need.into_iter().chain(
        groups()
            .filter(|(group, _)| group.policy.is_some() && !group.completes)
            .map(|(it, at)| (at, it.pods())),
    );
    while due < demand.minimum
        && let Some((group, need)) = further.next()
    {
        due += u64::from(need);
        chosen.push((group, need));
    }
    chosen
        .sort_by_key(|&(group, need)| (demand.groups[group as usize].policy.is_none(), Reverse(need), group));
    chosen
}

/// Pods of a group that a domain holds by counts.
fn held(maker: &mut GroupPlacer<'_, '_, '_, '_>, group: &Group, context: &Context<'_>, home: u32) -> u64 {
    let counts = context.demand.counts(group);
    let trial = maker.trial();
    let sum = |&(kind, count): &(u32, u32)| match trial.is_loaded(kind) {
        true => trial.slots(kind).sums[home as usize].min(u64::from(count)),
        false => u64::from(count),
    };
    counts.iter().map(sum).sum()
}

/// Packs up to so many pods of a group into a domain and says how many; `whole`: so many or none.
fn pack(
    maker: &mut GroupPlacer<'_, '_, '_, '_>,
    context: &Context<'_>,
    group: u32,
    most: u32,
    home: u32,
    whole: bool,
) -> u32 {
    let demand = context.demand;
    let it = &demand.groups[group as usize];
    let counts = demand.counts(it).to_vec();
    if most == it.pods() && maker.pack(group, &counts, home) {
        return most;
    }
    let before = maker.trial().taken().len();
    // The easiest kind first places most, unless kinds get into each other's way.
    let mut order = counts;
    order.sort_by_cached_key(|&(kind, _)| {
        maker.trial().load(&[kind]);
        Reverse(maker.trial().slots(kind).sums[home as usize])
    });
    let mut placed = in_order(maker, group, &order, most, home);
    if placed < most && order.len() > 1 {
        let easiest = order.clone();
        order.reverse();
        maker.trial().undo_to(before);
        let hardest = in_order(maker, group, &order, most, home);
        // Of equals the easiest, which leave more to others.
        if hardest <= placed {
            maker.trial().undo_to(before);
            placed = in_order(maker, group, &easiest, most, home);
        } else {
            placed = hardest;
        }
    }
    if whole && placed < most {
        maker.trial().undo_to(before);
        return 0;
    }
    placed
}

/// Packs up to so many pods, kind by kind.
fn in_order(
    maker: &mut GroupPlacer<'_, '_, '_, '_>,
    group: u32,
    order: &[(u32, u32)],
    most: u32,
    home: u32,
) -> u32 {
    let mut left = most;
    for &(kind, count) in order {
        left -= maker.pack_kind(group, kind, count.min(left), home);
    }
    most - left
}

/// Notes which pods of a group are missing: kinds that have pods left, those first of which there is most room elsewhere.
fn miss(
    partly: &mut Partly,
    maker: &mut GroupPlacer<'_, '_, '_, '_>,
    context: &Context<'_>,
    (group, mut missing): (u32, u32),
    before: usize,
    home: u32,
) {
    let demand = context.demand;
    let mut counts = demand.counts(&demand.groups[group as usize]).to_vec();
    for taking in &maker.trial().taken()[before..] {
        if let Some((_, left)) = counts.iter_mut().find(|(kind, _)| *kind == taking.kind) {
            *left -= taking.seat.pods;
        }
    }
    counts.sort_by_cached_key(|&(kind, _)| {
        maker.trial().load(&[kind]);
        Reverse(maker.trial().slots(kind).sums[0])
    });
    for (kind, left) in counts {
        let pods = left.min(missing);
        missing -= pods;
        if pods > 0 {
            partly.missing.push(Missing { kind, home, pods });
        }
    }
}
