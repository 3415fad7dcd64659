//! Single changes that would make the gang fit, each placed under its hypothesis: to nodes, to pods, to the gang's rules.

use super::super::hypothesis::{Change, under};
use super::super::limits::Limits;
use super::super::outcome::{Remedy, Shortfall};
use super::super::plan::Plan;
use super::super::request::GangRequest;
use super::super::trial;
use super::super::{Context, Tools};
use super::coupled::RULES;
use super::excluded::{by_one, shortest};
use super::fewest::{Budget, fewest};
use super::{Estimate, fits, joined, plan, room, small};
use crate::cluster::cause::Cause;
use crate::cluster::ids::{ClassId, NodeId};
use std::cmp::Reverse;

/// Policies whose tiers are tried.
const POLICIES: usize = 8;

/// Causes that are tried.
const CAUSES: usize = 12;

/// Kinds of pods whose causes are looked at.
const KINDS: usize = 16;

/// Regions in which the fewest nodes, or the least room, are looked for.
pub(super) const REGIONS: usize = 4;

/// Trials for one explanation, by the size of the cluster: a trial costs the more the larger it is.
fn budget(nodes: usize) -> Budget {
    Budget((400_000 / nodes.max(1)).clamp(24, 2_000) as u32)
}

/// Everything that would help by itself, the easiest first.
pub(super) fn all(
    context: &Context<'_>,
    tools: &mut Tools,
    request: &GangRequest,
    all: bool,
    shortfall: &Shortfall,
) -> Vec<Remedy> {
    let mut remedies = Vec::new();
    if context.demand.missing() == 0 {
        let mut budget = budget(context.view.topology.order().len());
        let causes = causes(context);
        for &cause in &causes {
            if matches!(cause, Cause::Unschedulable | Cause::NotReady) {
                remedies.extend(open(context, tools, cause, all, &mut budget));
            }
        }
        for cause in causes.into_iter().chain(RULES) {
            if matches!(cause, Cause::NodeSelector | Cause::NodeAffinity) {
                remedies.extend(matching(context, tools, cause, all, &mut budget));
            }
            remedies.extend(lift(context, tools, cause, all));
        }
        remedies.extend(joined::remedy(context, request, all, shortfall, &mut budget));
        remedies.extend(room::remedy(context, tools, all, &mut budget));
    }
    rules(context, tools, request, all, &mut remedies);
    remedies
}

/// What the nodes are that keeps pods of the gang from them.
fn causes(context: &Context<'_>) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    for &class in context.demand.kinds.iter().take(KINDS) {
        for (cause, _) in by_one(context, class) {
            let mendable = matches!(
                cause,
                Cause::Unschedulable
                    | Cause::NotReady
                    | Cause::Taint(_)
                    | Cause::NodeSelector
                    | Cause::NodeAffinity
            );
            if mendable && !causes.contains(&cause) {
                causes.push(cause);
            }
        }
    }
    causes.truncate(CAUSES);
    causes
}

/// To mend a cause at the fewest nodes that do.
fn open(
    context: &Context<'_>,
    tools: &mut Tools,
    cause: Cause,
    all: bool,
    budget: &mut Budget,
) -> Option<Remedy> {
    let Context { view, tree, demand, .. } = *context;
    // The taints of the cause make a difference to what a spread constraint counts.
    if demand.kinds.iter().any(|&class| view.coupling.honors(view.classes.get(class).coupling).0) {
        return None;
    }
    let mut nodes: Vec<(u32, NodeId)> = Vec::new();
    for (position, &node) in (0u32..).zip(view.topology.order()) {
        let helps = |&class: &ClassId| excluded_only_by(context, class, node, cause);
        if view.capacity.is_present(node) && demand.kinds.iter().any(helps) {
            nodes.push((position, node));
        }
    }
    let changes: Vec<Change> = nodes.iter().map(|&(_, node)| Change::Opened(node, cause)).collect();
    if changes.is_empty() || !budget.spend() {
        return None;
    }
    // Which regions could hold it then, and what each of the nodes adds.
    let found = under(context, tools, &changes, |context, tools| {
        plan(context, tools, all)?;
        let needed = if all { demand.pending } else { demand.needed() };
        Some(trial::with(context, tools, |trial, _, _| {
            let estimate = Estimate::new(context, trial, needed);
            let regions = context.regions().filter(|&region| estimate.pods(region) >= needed).collect();
            let kinds = 0..demand.kinds.len().min(Limits::CLASSES) as u32;
            let slots = |&(position, _): &(u32, NodeId)| -> Vec<u32> {
                let slots = kinds.clone().filter(|&kind| trial.is_loaded(kind));
                slots.map(|kind| trial.slots(kind).nodes[position as usize]).collect()
            };
            let slots: Vec<Vec<u32>> = nodes.iter().map(slots).collect();
            (regions, slots)
        }))
    });
    let (regions, slots): (Vec<u32>, Vec<Vec<u32>>) = found?;
    let coupled = demand.kinds.iter().any(|&class| view.concerns(class));
    let inside = |region: u32| {
        let (start, end) = tree.run[region as usize];
        let mut inside: Vec<usize> =
            (0..nodes.len()).filter(|&at| (start..end).contains(&nodes[at].0)).collect();
        inside.sort_by_key(|&at| (Reverse(&slots[at]), at));
        inside
    };
    let mut choices: Vec<Vec<usize>> = regions.into_iter().map(inside).filter(|it| !it.is_empty()).collect();
    choices.sort_by_key(|inside| {
        // By counts of the first kind, how many would do.
        let most: u64 = inside.iter().map(|&at| u64::from(slots[at][0])).max().unwrap_or(0);
        (Reverse(most), inside.len())
    });
    let mut best: Option<Vec<NodeId>> = None;
    for inside in choices.into_iter().take(REGIONS) {
        let sorts: Vec<(u32, &[u32], u32)> = inside
            .iter()
            .map(|&at| {
                let (position, _) = nodes[at];
                (tree.leaf[position as usize], &slots[at][..], if coupled { position } else { 0 })
            })
            .collect();
        let chosen = fewest(&sorts, budget, |chosen| {
            let changes: Vec<Change> = chosen.iter().map(|&at| changes[inside[at]]).collect();
            under(context, tools, &changes, |context, tools| plan(context, tools, all)).is_some()
        });
        let Some(chosen) = chosen else { continue };
        if best.as_ref().is_none_or(|best| chosen.len() < best.len()) {
            let mut chosen: Vec<(u32, NodeId)> = chosen.into_iter().map(|at| nodes[inside[at]]).collect();
            chosen.sort_unstable();
            best = Some(chosen.into_iter().map(|(_, node)| node).collect());
        }
    }
    best.map(|nodes| Remedy::Open { cause, nodes })
}

/// To add nodes that match what the pods demand of a node, each beside a node that would do if it matched. Rules about other
/// pods look at labels, which the new nodes have others of.
fn matching(
    context: &Context<'_>,
    tools: &mut Tools,
    cause: Cause,
    all: bool,
    budget: &mut Budget,
) -> Option<Remedy> {
    if context.demand.kinds.iter().any(|&class| context.view.concerns(class)) {
        return None;
    }
    match open(context, tools, cause, all, budget)? {
        Remedy::Open { nodes, .. } => Some(Remedy::Match { cause, like: nodes }),
        _ => None,
    }
}

/// To change the pods so that a cause excludes no node.
fn lift(context: &Context<'_>, tools: &mut Tools, cause: Cause, all: bool) -> Option<Remedy> {
    let Context { view, demand, .. } = *context;
    let honored = demand.kinds.iter().map(|&class| view.coupling.honors(view.classes.get(class).coupling));
    let (taints, selectors) = honored.fold((false, false), |all, one| (all.0 | one.0, all.1 | one.1));
    match cause {
        Cause::Taint(_) if taints => return None,
        Cause::NodeSelector | Cause::NodeAffinity if selectors => return None,
        Cause::Taint(_) | Cause::NodeSelector | Cause::NodeAffinity => {}
        rule if rule.is_coupling() && demand.kinds.iter().any(|&class| view.concerns(class)) => {}
        _ => return None,
    }
    under(context, tools, &[Change::Lifted(cause)], |context, tools| plan(context, tools, all))?;
    let helped = |&&node: &&NodeId| {
        view.capacity.is_present(node)
            && demand.kinds.iter().any(|&class| excluded_only_by(context, class, node, cause))
    };
    let nodes = if cause.is_coupling() { 0 } else { view.topology.order().iter().filter(helped).count() };
    Some(Remedy::Lift { cause, nodes: nodes as u32 })
}

/// Would the node take a pod of the class if it were not for this one cause?
fn excluded_only_by(context: &Context<'_>, class: ClassId, node: NodeId, cause: Cause) -> bool {
    let view = context.view;
    let it = view.classes.get(class);
    view.eligibility.is_excluded_only_by(it.constraint, node, cause)
        && shortest(view, it, node).is_none_or(|(_, slots)| slots > 0)
}

/// What would help about the rules of the gang itself.
fn rules(
    context: &Context<'_>,
    tools: &mut Tools,
    request: &GangRequest,
    all: bool,
    remedies: &mut Vec<Remedy>,
) {
    let Context { tree, demand, .. } = *context;
    let mut fits = |request: &GangRequest| fits(context, request, all, tools);
    let wider = |limit: u32| tree.tiers.iter().copied().filter(move |&tier| tier > limit);
    if demand.missing() == 0
        && let Some(limit) = request.rule.required
    {
        let mut changed = request.clone();
        let found = wider(limit).find(|&tier| {
            changed.rule.required = Some(tier);
            fits(&changed).is_some()
        });
        remedies.extend(found.map(|to| Remedy::RaiseTier { to, policy: None }));
    }
    for (index, policy) in request.policies.iter().enumerate().take(POLICIES) {
        let Some(limit) = policy.rule.required.filter(|_| demand.missing() == 0) else { continue };
        let mut changed = request.clone();
        let found = wider(limit).find(|&tier| {
            changed.policies[index].rule.required = Some(tier);
            fits(&changed).is_some()
        });
        remedies.extend(found.map(|to| Remedy::RaiseTier { to, policy: Some(index as u32) }));
    }
    if demand.minimum > 0 && !all {
        remedies.extend(lower_minimum(request, fits));
    }
}

/// The highest minimum below the present one that fits. Minima of roles bind only where the minimum covers their sum.
fn lower_minimum(request: &GangRequest, mut fits: impl FnMut(&GangRequest) -> Option<u64>) -> Option<Remedy> {
    let held = request.placed() as u64;
    let roles: u64 = request.roles.iter().map(|role| u64::from(role.minimum)).sum();
    let mut most = |roles: &[_]| {
        let changed = GangRequest { minimum: 0, roles: roles.to_vec(), ..request.clone() };
        fits(&changed).map(|pods| small(pods + held))
    };
    let with_roles = most(&request.roles).filter(|&to| u64::from(to) >= roles);
    let mut without = || most(&[]).map(|to| u64::from(to).min(roles.saturating_sub(1)) as u32);
    let to = match with_roles {
        Some(to) => Some(to),
        None if roles > 0 => without(),
        None => None,
    };
    to.filter(|&to| to > 0 && to < request.minimum).map(|to| Remedy::LowerMinimum { to })
}

/// The seats of a plan: by position and kind, pods.
pub(super) fn seats(plan: &Plan) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
    plan.parts
        .iter()
        .flat_map(move |part| plan.seats(part).iter().map(move |seat| (seat.position, part.kind, seat.pods)))
}
