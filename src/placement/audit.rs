//! An independent judge: does a placement keep every hard rule, and what does it cost? Shares no search with the
//! solver and reads the cluster node by node, so it is slow and plain.

use super::fill::{WHOLE, Weights};
use super::outcome::{Assignment, Placement};
use super::request::{GangRequest, Member, TierRule};
use super::rules::{CostTerm, Packing, PlacementRules};
use crate::cluster::View;
use crate::cluster::cause::Cause;
use crate::cluster::class::Class;
use crate::cluster::ids::{ClassId, DomainId, NodeId, PodId, ResourceId};
use crate::cluster::topology::{Tier, Topology};
use std::collections::{BTreeMap, BTreeSet};

/// A rule that a placement breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The pod is not among those to place, or has two nodes.
    Stray(PodId),
    /// The node does not exist, or the topology does not know it.
    UnknownNode(NodeId),
    /// The node is not for the pod.
    Excluded(PodId, NodeId, Cause),
    /// More is promised than is free.
    Overcommitted(NodeId, ResourceId),
    /// The gang is spread wider than its rule allows: the tier reached and the limit.
    GangTier(Tier, Tier),
    /// A subgroup (by index) is spread wider than its rule allows: the tier reached and the limit.
    SubgroupTier(usize, Tier, Tier),
    /// A subgroup (by index) got some pods but not enough to be complete.
    Torn(usize),
    /// Fewer pods than the minimum: what there is and what must be.
    Minimum(usize, u32),
    /// Fewer pods of a role than its minimum.
    Role(u32, u32),
    /// Fewer complete subgroups of a policy (by index) than its minimum: what there is and what must be.
    Policy(usize, usize, u32),
    /// The domain or the tier that the placement states is not the innermost around the gang.
    Misstated,
}

/// Checks a placement. The first violation found is returned.
///
/// # Errors
/// The violation.
pub fn audit(view: View<'_>, request: &GangRequest, placement: &Placement) -> Result<(), Violation> {
    let members: BTreeMap<PodId, Member> =
        request.subgroups.iter().flat_map(|s| s.members.iter().map(|m| (m.pod, *m))).collect();
    let mut nodes: BTreeMap<PodId, NodeId> = BTreeMap::new();
    for &Assignment { pod, node } in &placement.assignments {
        let Some(member) = members.get(&pod) else { return Err(Violation::Stray(pod)) };
        if nodes.insert(pod, node).is_some() {
            return Err(Violation::Stray(pod));
        }
        if !view.capacity.is_present(node) || view.topology.position(node).is_none() {
            return Err(Violation::UnknownNode(node));
        }
        let constraint = view.classes.get(member.class).constraint;
        if let Some(cause) = view.eligibility.cause(constraint, node) {
            return Err(Violation::Excluded(pod, node, cause));
        }
    }
    resources(view, &members, placement)?;
    coupling(view, &members, placement)?;
    tiers(view, request, &nodes, placement)?;
    minima(request, &nodes)
}

fn resources(
    view: View<'_>,
    members: &BTreeMap<PodId, Member>,
    placement: &Placement,
) -> Result<(), Violation> {
    let mut taken: BTreeMap<(NodeId, ResourceId), i64> = BTreeMap::new();
    for assignment in &placement.assignments {
        for &(resource, amount) in &view.classes.get(members[&assignment.pod].class).requests {
            let taken = taken.entry((assignment.node, resource)).or_default();
            *taken = taken.saturating_add(amount);
        }
    }
    match taken.into_iter().find(|&((node, resource), taken)| taken > view.capacity.free(node, resource)) {
        Some(((node, resource), _)) => Err(Violation::Overcommitted(node, resource)),
        None => Ok(()),
    }
}

/// Replays the placement. Some constraints allow a pod only after another has been placed, so pods that are refused
/// are tried again as long as others get through.
fn coupling(
    view: View<'_>,
    members: &BTreeMap<PodId, Member>,
    placement: &Placement,
) -> Result<(), Violation> {
    let concerned = |assignment: &&Assignment| view.concerns(members[&assignment.pod].class);
    let mut left: Vec<&Assignment> = placement.assignments.iter().filter(concerned).collect();
    let mut trial = view.trial();
    loop {
        let before = left.len();
        left.retain(|assignment| {
            let class = members[&assignment.pod].class;
            let refused = trial.cause(class, assignment.node).is_some();
            if !refused {
                trial.place(class, assignment.node);
            }
            refused
        });
        let Some(first) = left.first() else { return Ok(()) };
        if left.len() == before {
            let cause = trial.cause(members[&first.pod].class, first.node).unwrap_or(Cause::PodAffinity);
            return Err(Violation::Excluded(first.pod, first.node, cause));
        }
    }
}

fn tiers(
    view: View<'_>,
    request: &GangRequest,
    nodes: &BTreeMap<PodId, NodeId>,
    placement: &Placement,
) -> Result<(), Violation> {
    let topology = view.topology;
    let mut all = Vec::new();
    for (index, subgroup) in request.subgroups.iter().enumerate() {
        let held = held(topology, request, index, nodes);
        let is_new = subgroup.members.iter().any(|member| nodes.contains_key(&member.pod));
        let policy = subgroup.policy.and_then(|policy| request.policies.get(policy as usize));
        if let (Some(policy), true) = (policy, is_new)
            && let Err((reached, limit)) = keeps(topology, policy.rule, &held)
        {
            return Err(Violation::SubgroupTier(index, reached, limit));
        }
        all.extend(held);
    }
    if placement.assignments.is_empty() {
        return Ok(());
    }
    if let Err((reached, limit)) = keeps(topology, request.rule, &all) {
        return Err(Violation::GangTier(reached, limit));
    }
    let around = around(topology, &all);
    if around != placement.domain || around.map(|domain| topology.tier(domain)) != Some(placement.tier) {
        return Err(Violation::Misstated);
    }
    Ok(())
}

/// Does a rule hold for pods in these innermost domains? The tier reached and the limit if not.
fn keeps(topology: &Topology, rule: TierRule, leaves: &[DomainId]) -> Result<(), (Tier, Tier)> {
    let (Some(limit), Some(around)) = (rule.required, around(topology, leaves)) else { return Ok(()) };
    let reached = topology.tier(around);
    if reached > limit { Err((reached, limit)) } else { Ok(()) }
}

/// Innermost domains of the pods of a subgroup that hold a known node, those that run first.
fn held(
    topology: &Topology,
    request: &GangRequest,
    subgroup: usize,
    nodes: &BTreeMap<PodId, NodeId>,
) -> Vec<DomainId> {
    let subgroup = &request.subgroups[subgroup];
    let running = subgroup.placed.iter().filter_map(|placed| placed.node);
    let new = subgroup.members.iter().filter_map(|member| nodes.get(&member.pod).copied());
    running.chain(new).filter_map(|node| topology.position(node)).map(|p| topology.leaf(p)).collect()
}

fn around(topology: &Topology, leaves: &[DomainId]) -> Option<DomainId> {
    leaves.iter().copied().reduce(|a, b| topology.common(a, b))
}

fn minima(request: &GangRequest, nodes: &BTreeMap<PodId, NodeId>) -> Result<(), Violation> {
    let is_placed = |member: &&Member| nodes.contains_key(&member.pod);
    let mut complete = vec![0usize; request.policies.len()];
    let mut total = 0;
    let mut by_role: BTreeMap<u32, u32> = BTreeMap::new();
    for (index, subgroup) in request.subgroups.iter().enumerate() {
        let new = subgroup.members.iter().filter(is_placed).count();
        let held = subgroup.placed.len() + new;
        total += held;
        let roles = subgroup.members.iter().filter(is_placed).map(|member| member.role);
        for role in roles.chain(subgroup.placed.iter().map(|placed| placed.role)) {
            *by_role.entry(role).or_default() += 1;
        }
        let policy =
            subgroup.policy.and_then(|policy| request.policies.get(policy as usize).map(|p| (policy, p)));
        if let Some((at, policy)) = policy {
            let is_complete = held >= policy.size as usize;
            if new > 0 && !is_complete {
                return Err(Violation::Torn(index));
            }
            complete[at as usize] += usize::from(is_complete);
        }
    }
    if nodes.is_empty() {
        return Ok(());
    }
    if total < request.minimum as usize {
        return Err(Violation::Minimum(total, request.minimum));
    }
    for role in &request.roles {
        if by_role.get(&role.role).copied().unwrap_or(0) < role.minimum {
            return Err(Violation::Role(role.role, role.minimum));
        }
    }
    for (index, (policy, complete)) in request.policies.iter().zip(complete).enumerate() {
        if complete < policy.minimum as usize {
            return Err(Violation::Policy(index, complete, policy.minimum));
        }
    }
    Ok(())
}

/// The value of each cost term, in the order of the rules, computed from the assignments alone.
pub fn cost_of(
    view: View<'_>,
    request: &GangRequest,
    rules: &PlacementRules,
    assignments: &[Assignment],
) -> Vec<i64> {
    let topology = view.topology;
    let nodes: BTreeMap<PodId, NodeId> = assignments.iter().map(|a| (a.pod, a.node)).collect();
    let leaves: Vec<Vec<DomainId>> =
        (0..request.subgroups.len()).map(|index| held(topology, request, index, &nodes)).collect();
    let gang = around(topology, &leaves.concat()).unwrap_or(Topology::ROOT);
    let tier = |rule: TierRule, domain| match (rule.preferred, topology.tier(domain)) {
        (Some(preferred), tier) if tier <= preferred => 0,
        (_, tier) => i64::from(tier),
    };
    let main = main_class(request, &nodes);
    let term = |term: &CostTerm| match term {
        CostTerm::SubgroupTier => (request.subgroups.iter().zip(&leaves))
            .filter_map(|(subgroup, leaves)| {
                let policy = request.policies.get(subgroup.policy? as usize)?;
                Some(tier(policy.rule, around(topology, leaves)?))
            })
            .sum(),
        CostTerm::GangTier => tier(request.rule, gang),
        CostTerm::Domains => domains(view, request, rules, &nodes),
        CostTerm::Stranded => match main {
            Some((class, placed)) => stranded(view, rules, class, placed, gang),
            None => 0,
        },
        CostTerm::NodeScore => main.map_or(0, |(main, _)| node_score(view, request, rules, main, &nodes)),
    };
    rules.order.iter().map(term).collect()
}

/// The class with the most pods placed, of equals the one with the lowest id; and how many.
fn main_class(request: &GangRequest, nodes: &BTreeMap<PodId, NodeId>) -> Option<(ClassId, u64)> {
    let mut counts: BTreeMap<ClassId, u64> = BTreeMap::new();
    for member in request.subgroups.iter().flat_map(|subgroup| &subgroup.members) {
        if nodes.contains_key(&member.pod) {
            *counts.entry(member.class).or_default() += 1;
        }
    }
    counts.into_iter().rev().max_by_key(|&(_, count)| count)
}

/// Level by level, the separate pieces that hold pods: the outermost domain of at most that level around each node, or
/// the node itself.
fn domains(
    view: View<'_>,
    request: &GangRequest,
    rules: &PlacementRules,
    nodes: &BTreeMap<PodId, NodeId>,
) -> i64 {
    let topology = view.topology;
    let running = request.subgroups.iter().flat_map(|s| s.placed.iter().filter_map(|placed| placed.node));
    let all: BTreeSet<NodeId> = running.chain(nodes.values().copied()).collect();
    let mut sum = 0i64;
    let mut weight = 1i64;
    for &(tier, _) in topology.by_tier() {
        let mut pieces: BTreeSet<(Option<DomainId>, Option<NodeId>)> = BTreeSet::new();
        for &node in &all {
            let Some(position) = topology.position(node) else { continue };
            let leaf = topology.leaf(position);
            let piece = topology.outermost_within_tier(leaf, tier);
            pieces.insert((piece, piece.is_none().then_some(node)));
        }
        sum = sum.saturating_add(weight.saturating_mul(pieces.len() as i64));
        weight = weight.saturating_mul(rules.level_weight.max(0)).min(1 << 36);
    }
    sum
}

fn slots(view: View<'_>, class: &Class, node: NodeId) -> u64 {
    if !view.capacity.is_present(node) || view.eligibility.cause(class.constraint, node).is_some() {
        return 0;
    }
    let fits = class
        .requests
        .iter()
        .filter(|(_, amount)| *amount > 0)
        .map(|&(resource, amount)| (view.capacity.free(node, resource).max(0) / amount) as u64);
    fits.min().unwrap_or(u64::MAX).min(1 << 20)
}

fn stranded(view: View<'_>, rules: &PlacementRules, class: ClassId, placed: u64, gang: DomainId) -> i64 {
    let class = view.classes.get(class);
    let sum =
        |domain: DomainId| view.topology.nodes(domain).iter().map(|&n| slots(view, class, n)).sum::<u64>();
    let left = sum(gang).saturating_sub(placed);
    let weights = Weights::of(class, rules);
    let share = |domain: DomainId| {
        weights.of_sums(|resource| {
            let (mut free, mut allocatable) = (0i64, 0i64);
            for &node in view.topology.nodes(domain) {
                if view.capacity.is_present(node) {
                    let there = view.capacity.allocatable(node, resource);
                    free += view.capacity.free(node, resource).clamp(0, there.max(0));
                    allocatable += there;
                }
            }
            (free, allocatable)
        })
    };
    let (own, around) = (share(gang), share(view.topology.parent(gang)));
    match rules.packing {
        Packing::Tight => ((left as i64) << 24) | (own << 12) | around,
        Packing::Spread => {
            let rest = sum(Topology::ROOT).saturating_sub(left);
            ((rest as i64) << 24) | ((WHOLE - own) << 12) | (WHOLE - around)
        }
    }
}

fn node_score(
    view: View<'_>,
    request: &GangRequest,
    rules: &PlacementRules,
    main: ClassId,
    nodes: &BTreeMap<PodId, NodeId>,
) -> i64 {
    let weights = Weights::of(view.classes.get(main), rules);
    let mut pods: BTreeMap<NodeId, i64> = BTreeMap::new();
    let mut earned = 0;
    for member in request.subgroups.iter().flat_map(|subgroup| &subgroup.members) {
        if let Some(&node) = nodes.get(&member.pod) {
            *pods.entry(node).or_default() += 1;
            let constraint = view.classes.get(member.class).constraint;
            earned += 41 * i64::from(view.eligibility.preference(constraint, node)).clamp(-10_000, 10_000);
        }
    }
    let cost = |(&node, &pods): (&NodeId, &i64)| match (rules.packing, weights.of_node(view, node)) {
        (Packing::Tight, free) => WHOLE + 1 + free,
        (Packing::Spread, free) => (0..pods).map(|nth| WHOLE - free + nth * (WHOLE + 1)).sum(),
    };
    pods.iter().map(cost).sum::<i64>() - earned
}
