//! The heuristic to beat: first fit decreasing, with random orders, the best of several runs.

use super::world::{GPU, Random, of_tier};
use phalanx::cluster::View;
use phalanx::cluster::capacity::CPU;
use phalanx::cluster::ids::{ClassId, DomainId, NodeId, PodId};
use phalanx::cluster::topology::Topology;
use phalanx::placement::audit::{audit, cost_of};
use phalanx::placement::{Assignment, GangRequest, Placement, PlacementRules};
use std::cmp::Reverse;

/// What a placement comes to: pods left out, and its cost.
pub(crate) type Value = (usize, Vec<i64>);

/// Is there room for one more pod of a class beside those of the gang? Pods stand for their classes here.
pub(crate) fn has_room(view: &View<'_>, taken: &[Assignment], class: ClassId, node: NodeId) -> bool {
    let held = || taken.iter().filter(move |known| known.node == node).map(|known| ClassId(known.pod.0));
    view.classes.get(class).requests.iter().all(|&(resource, amount)| {
        let of = |class: ClassId| {
            let requests = &view.classes.get(class).requests;
            requests.iter().find(|request| request.0 == resource).map_or(0, |request| request.1)
        };
        view.capacity.free(node, resource) - held().map(of).sum::<i64>() >= amount
    })
}

/// The best of so many runs; `None` if none meets the minima.
pub(crate) fn best(
    view: View<'_>,
    request: &GangRequest,
    rules: &PlacementRules,
    runs: u64,
) -> Option<Value> {
    let topology = view.topology;
    let mut regions: Vec<DomainId> = match request.rule.required {
        Some(tier) => of_tier(topology, tier),
        None => vec![Topology::ROOT],
    };
    let mut best: Option<Value> = None;
    for run in 0..runs {
        let mut random = Random(run);
        random.shuffle(&mut regions);
        for &region in regions.iter().take(if regions.len() > 1 { 4 } else { 1 }) {
            let Some(assignments) = place(view, request, region, run > 0, &mut random) else { continue };
            let pods = assignments.len();
            let around = assignments
                .iter()
                .filter_map(|assignment| topology.position(assignment.node))
                .map(|position| topology.leaf(position))
                .reduce(|a, b| topology.common(a, b));
            let Some(around) = around else { continue };
            let placement = Placement {
                assignments,
                domain: Some(around),
                tier: topology.tier(around),
                ..Placement::default()
            };
            if audit(view, request, &placement).is_err() {
                continue;
            }
            let value = (request.pending() - pods, cost_of(view, request, rules, &placement.assignments));
            if best.as_ref().is_none_or(|known| value < *known) {
                best = Some(value);
            }
        }
    }
    best
}

/// One run inside a region.
fn place(
    view: View<'_>,
    request: &GangRequest,
    region: DomainId,
    disturbed: bool,
    random: &mut Random,
) -> Option<Vec<Assignment>> {
    let topology = view.topology;
    let size = |class: ClassId| {
        let amount = |wanted| {
            let requests = &view.classes.get(class).requests;
            requests.iter().find(|request| request.0 == wanted).map_or(0, |request| request.1)
        };
        1_000 * amount(GPU) + amount(CPU) / 100
    };
    let mut lacking: Vec<u32> = request.policies.iter().map(|policy| policy.minimum).collect();
    let mut order: Vec<(bool, Reverse<i64>, usize)> = Vec::new();
    for (index, subgroup) in request.subgroups.iter().enumerate() {
        let weight: i64 = subgroup.members.iter().map(|member| size(member.class)).sum();
        let factor = if disturbed { 70 + random.below(61) as i64 } else { 100 };
        let needed = subgroup.policy.is_some_and(|policy| {
            let lacking = &mut lacking[policy as usize];
            std::mem::replace(lacking, lacking.saturating_sub(1)) > 0
        });
        order.push((!needed, Reverse(weight * factor), index));
    }
    order.sort_unstable();
    let mut racks = of_tier(topology, 1);
    racks.retain(|&rack| region == Topology::ROOT || topology.common(rack, region) == region);
    if disturbed {
        random.shuffle(&mut racks);
    }
    let mut used = vec![false; racks.len()];
    let mut free: Vec<Vec<i64>> = (0..topology.order().len() as u32)
        .map(|node| [CPU, GPU].iter().map(|&resource| view.capacity.free(NodeId(node), resource)).collect())
        .collect();
    let mut trial = view.trial();
    let mut all: Vec<(PodId, NodeId)> = Vec::new();
    for (_, _, index) in order {
        let subgroup = &request.subgroups[index];
        let rule = request.policies[subgroup.policy? as usize].rule;
        let mut members = subgroup.members.clone();
        members.sort_by_key(|member| (Reverse(size(member.class)), member.rank));
        // Racks that are used, then racks of blocks that are used, then others.
        let mut homes: Vec<usize> = (0..racks.len()).collect();
        let block_used = |at: usize| {
            (0..racks.len())
                .any(|other| used[other] && topology.parent(racks[other]) == topology.parent(racks[at]))
        };
        homes.sort_by_key(|&at| (!used[at], !block_used(at)));
        let mut tries: Vec<Vec<usize>> = homes.iter().map(|&at| vec![at]).collect();
        if rule.required.is_none_or(|tier| tier > 1) {
            let mut blocks: Vec<DomainId> = homes.iter().map(|&at| topology.parent(racks[at])).collect();
            blocks.dedup();
            for block in blocks {
                tries.push(homes.iter().copied().filter(|&at| topology.parent(racks[at]) == block).collect());
            }
            tries.push(homes.clone());
        }
        for racks_of in tries {
            let before = all.len();
            let mut placed: Vec<(ClassId, NodeId)> = Vec::new();
            let fits = members.iter().all(|member| {
                let need: Vec<i64> = [CPU, GPU]
                    .iter()
                    .map(|wanted| {
                        let requests = &view.classes.get(member.class).requests;
                        requests.iter().find(|request| request.0 == *wanted).map_or(0, |request| request.1)
                    })
                    .collect();
                let nodes = racks_of.iter().flat_map(|&at| topology.nodes(racks[at]));
                let mut nodes = nodes.filter(|&&node| {
                    free[node.index()].iter().zip(&need).all(|(free, need)| free >= need)
                        && trial.cause(member.class, node).is_none()
                });
                let Some(&node) = nodes.next() else { return false };
                free[node.index()].iter_mut().zip(&need).for_each(|(free, need)| *free -= need);
                trial.place(member.class, node);
                placed.push((member.class, node));
                all.push((member.pod, node));
                true
            });
            if fits {
                for &at in &racks_of {
                    used[at] |= placed.iter().any(|(_, node)| topology.nodes(racks[at]).contains(node));
                }
                break;
            }
            for (class, node) in placed.into_iter().rev() {
                for (at, wanted) in [CPU, GPU].iter().enumerate() {
                    let requests = &view.classes.get(class).requests;
                    free[node.index()][at] +=
                        requests.iter().find(|request| request.0 == *wanted).map_or(0, |request| request.1);
                }
                trial.undo();
            }
            all.truncate(before);
        }
    }
    Some(all.into_iter().map(|(pod, node)| Assignment { pod, node }).collect())
}
