//! Who sits where: pods are dealt to seats in the order of their ranks, along the depth-first order of the nodes.
//!
//! Any order of the chosen nodes crosses a boundary between domains of a level at least once less than there are
//! domains; depth-first order crosses exactly that often, at every level at once. So neighbours in rank are as near as
//! they can be, for chains and rings alike. Groups that are alike are dealt in depth-first order too, and so are the
//! pods within each.

use super::demand::Demand;
use super::outcome::Assignment;
use super::plan::Plan;
use super::request::Member;
use crate::cluster::View;
use std::collections::BTreeMap;

/// Pods and their nodes, in rank order.
pub(super) fn deal(view: View<'_>, demand: &Demand, plan: &Plan) -> Vec<Assignment> {
    let mut chosen: Vec<(u32, Assignment)> = Vec::with_capacity(plan.pods() as usize);
    let mut lacking: BTreeMap<u32, u64> = demand.roles.iter().copied().collect();
    let partial = |part: &&super::plan::Part| {
        let counts = demand.counts(&demand.groups[part.group as usize]);
        counts.iter().any(|&(kind, count)| kind == part.kind && count > part.pods)
    };
    if !lacking.is_empty() {
        // What full parts bring counts first.
        for part in plan.parts.iter().filter(|part| !partial(part)) {
            let members = demand.members(&demand.groups[part.group as usize]);
            for member in members.iter().filter(|m| m.class == demand.kinds[part.kind as usize]) {
                if let Some(lacking) = lacking.get_mut(&member.role) {
                    *lacking = lacking.saturating_sub(1);
                }
            }
        }
    }
    for part in &plan.parts {
        let class = demand.kinds[part.kind as usize];
        let all = demand.members(&demand.groups[part.group as usize]);
        let picked;
        let members: &mut dyn Iterator<Item = &Member> = if partial(&part) {
            picked = pick(all.iter().filter(|m| m.class == class), part.pods as usize, &mut lacking);
            &mut picked.iter().copied()
        } else {
            &mut all.iter().filter(|member| member.class == class)
        };
        for seat in plan.seats(part) {
            let node = view.topology.order()[seat.position as usize];
            for _ in 0..seat.pods {
                let Some(member) = members.next() else { break };
                chosen.push((member.rank, Assignment { pod: member.pod, node }));
            }
        }
    }
    if !chosen.is_sorted_by_key(|(rank, assignment)| (*rank, assignment.pod)) {
        chosen.sort_unstable_by_key(|(rank, assignment)| (*rank, assignment.pod));
    }
    chosen.into_iter().map(|(_, assignment)| assignment).collect()
}

/// The first pods in rank order, those of roles below their minimum before all others.
fn pick<'a>(
    members: impl Iterator<Item = &'a Member> + Clone,
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
