//! Who sits where: pods are dealt to seats in the order of their ranks, along the depth-first order of the nodes.
//!
//! Any order of the chosen nodes crosses a boundary between domains of a level at least once less than there are
//! domains; depth-first order crosses exactly that often, at every level at once. So neighbours in rank are as near as
//! they can be, for chains and rings alike. Groups that are alike are dealt in depth-first order too, and so are the
//! pods within each.

use super::demand::Demand;
use super::outcome::Assignment;
use super::plan::{Part, Plan};
use super::request::Member;
use crate::cluster::View;
use std::collections::BTreeMap;

/// Pods and their nodes, in rank order.
pub(super) fn deal(view: View<'_>, demand: &Demand, plan: &Plan) -> Vec<Assignment> {
    let mut chosen: Vec<(u32, Assignment)> = Vec::with_capacity(plan.pods() as usize);
    each_part(demand, plan, |part, members| {
        for seat in plan.seats(part) {
            let node = view.topology.order()[seat.position as usize];
            for _ in 0..seat.pods {
                let Some(member) = members.next() else { return };
                chosen.push((member.rank, Assignment { pod: member.pod, node }));
            }
        }
    });
    if !chosen.is_sorted_by_key(|(rank, assignment)| (*rank, assignment.pod)) {
        chosen.sort_unstable_by_key(|(rank, assignment)| (*rank, assignment.pod));
    }
    chosen.into_iter().map(|(_, assignment)| assignment).collect()
}

/// Does the plan meet every minimum once pods are dealt to it?
pub(super) fn meets(demand: &Demand, plan: &Plan) -> bool {
    if plan.pods() < demand.minimum {
        return false;
    }
    let mut policies = demand.policies.clone();
    let mut placed = vec![0u64; demand.groups.len()];
    for part in &plan.parts {
        placed[part.group as usize] += u64::from(part.pods);
    }
    for (group, placed) in demand.groups.iter().zip(placed) {
        if let (Some(policy), true) = (group.policy, group.completes && placed >= u64::from(group.need)) {
            policies[policy as usize] = policies[policy as usize].saturating_sub(1);
        }
    }
    if policies.iter().any(|&lacking| lacking > 0) {
        return false;
    }
    if demand.roles.is_empty() {
        return true;
    }
    let mut roles: BTreeMap<u32, u64> = demand.roles.iter().copied().collect();
    each_part(demand, plan, |part, members| {
        for member in members.take(part.pods as usize) {
            if let Some(lacking) = roles.get_mut(&member.role) {
                *lacking = lacking.saturating_sub(1);
            }
        }
    });
    roles.values().all(|&lacking| lacking == 0)
}

/// Hands out, part by part, the pods that sit there, in rank order: all of the kind, or as many as there are seats.
fn each_part(demand: &Demand, plan: &Plan, mut visit: impl FnMut(&Part, &mut dyn Iterator<Item = &Member>)) {
    let mut lacking: BTreeMap<u32, u64> = demand.roles.iter().copied().collect();
    let of_kind = |part: &Part| {
        let class = demand.kinds[part.kind as usize];
        let members = demand.members(&demand.groups[part.group as usize]);
        members.iter().filter(move |member| member.class == class)
    };
    let is_full = |part: &Part| {
        let counts = demand.counts(&demand.groups[part.group as usize]);
        counts.iter().any(|&(kind, count)| kind == part.kind && count <= part.pods)
    };
    if !lacking.is_empty() {
        // What full parts bring counts first.
        for member in plan.parts.iter().filter(|part| is_full(part)).flat_map(of_kind) {
            if let Some(lacking) = lacking.get_mut(&member.role) {
                *lacking = lacking.saturating_sub(1);
            }
        }
    }
    for part in &plan.parts {
        if is_full(part) {
            visit(part, &mut of_kind(part));
        } else {
            let picked = pick(of_kind(part), part.pods as usize, &mut lacking);
            visit(part, &mut picked.into_iter());
        }
    }
}

/// The first pods in rank order, those of roles below their minimum before all others.
fn pick<'a>(
    members: impl Iterator<Item = &'a Member>,
    count: usize,
    lacking: &mut BTreeMap<u32, u64>,
) -> Vec<&'a Member> {
    let mut picked: Vec<&Member> = Vec::with_capacity(count);
    let mut others: Vec<&Member> = Vec::new();
    for member in members {
        match lacking.get_mut(&member.role) {
            Some(lacking) if *lacking > 0 && picked.len() < count => {
                *lacking -= 1;
                picked.push(member);
            }
            _ => others.push(member),
        }
    }
    let rest = count - picked.len();
    picked.extend(others.into_iter().take(rest));
    picked.sort_unstable_by_key(|member| (member.rank, member.pod));
    picked
}

/// Deals groups that are alike in rank order along the depth-first order of their places; of those that differ in
/// nothing, the first ones are placed.
pub(super) fn sort_alike(demand: &Demand, plan: &mut Plan) {
    if demand.groups.len() < 2 {
        return;
    }
    let mut places: Vec<Option<u32>> = vec![None; demand.groups.len()];
    let mut seated: Vec<Vec<(u32, u32)>> = vec![Vec::new(); demand.groups.len()];
    for part in &plan.parts {
        let first = plan.seats(part)[0].position;
        let place = &mut places[part.group as usize];
        *place = Some(place.map_or(first, |known: u32| known.min(first)));
        seated[part.group as usize].push((part.kind, part.pods));
    }
    let mut shapes: BTreeMap<Shape<'_>, Vec<u32>> = BTreeMap::new();
    for (index, group) in demand.groups.iter().enumerate() {
        if group.policy.is_none() || group.anchor.is_some() {
            continue;
        }
        let mut roles: Vec<(u32, u32)> = Vec::new();
        if !demand.roles.is_empty() {
            roles.extend(demand.members(group).iter().map(|m| (m.class.0, m.role)));
            roles.sort_unstable();
        }
        let rule = (group.rule.required, group.rule.preferred);
        let shape = (group.policy, rule, group.need, demand.counts(group), roles);
        shapes.entry(shape).or_default().push(index as u32);
    }
    let mut new: Vec<u32> = (0..demand.groups.len() as u32).collect();
    for mut alike in shapes.into_values().filter(|alike| alike.len() > 1) {
        let mut taken: Vec<u32> =
            alike.iter().copied().filter(|&group| places[group as usize].is_some()).collect();
        // Fuller groups go to lower ranks, so that those that are left short are the last.
        let full = |group: &u32| seated[*group as usize].iter().map(|&(_, pods)| pods).sum::<u32>();
        taken.sort_by_key(|group| (std::cmp::Reverse(full(group)), places[*group as usize]));
        alike.sort_by_key(|&group| {
            demand.members(&demand.groups[group as usize]).first().map(|member| (member.rank, member.pod))
        });
        for (from, to) in taken.into_iter().zip(alike) {
            new[from as usize] = to;
        }
    }
    for part in &mut plan.parts {
        part.group = new[part.group as usize];
    }
}

/// What makes groups alike: policy, rule, need, pods by kind, roles.
type Shape<'d> = (Option<u32>, (Option<u32>, Option<u32>), u32, &'d [(u32, u32)], Vec<(u32, u32)>);
