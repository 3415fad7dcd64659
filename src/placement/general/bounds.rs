//! What counts alone say of a gang: where its minima could be met, how many pods could be placed, how low tiers can be.
//! What they rule out is proven.

use crate::cluster::ids::ClassId;
use crate::placement::Context;
use crate::placement::demand::{Group, tier_cost};
use crate::placement::rules::Packing;
use crate::placement::trial::Trial;
use std::cmp::Reverse;

/// What counts allow.
pub(in crate::placement) struct Bounds {
    /// Regions in which the minima could be met, with the pods that could be placed there; most pods first.
    pub(in crate::placement) regions: Vec<(Reverse<u64>, u32)>,
    /// No placement has more pods.
    pub(in crate::placement) pods: u64,
    /// Domains that hold all pods as far as counts can tell, lowest tier first, tight ones first.
    pub(super) all: Vec<u32>,
    /// The least sum of tiers of subgroups.
    pub(super) tiers: i64,
}

impl Bounds {
    pub(super) fn new(context: &Context<'_>, trial: &Trial<'_, '_>) -> Self {
        let Context { tree, demand, rules, .. } = *context;
        let kinds = demand.kinds.len();
        let mut totals = vec![0u64; kinds];
        let mut by_role = vec![vec![0u64; kinds]; demand.roles.len()];
        for group in &demand.groups {
            for &(kind, count) in demand.counts(group) {
                totals[kind as usize] += u64::from(count);
            }
            for member in demand.members(group).iter().filter(|_| !demand.roles.is_empty()) {
                if let Some(role) = demand.roles.iter().position(|&(role, _)| role == member.role) {
                    by_role[role][kind_of(demand.kinds.as_slice(), member.class)] += 1;
                }
            }
        }
        // Kinds whose slots are not at hand are taken to fit.
        let fits = |kind: usize, count: u64, domain: u32| match trial.is_loaded(kind as u32) {
            true => count.min(trial.slots(kind as u32).sums[domain as usize]),
            false => count,
        };
        let sum = |counts: &[u64], domain: u32| -> u64 {
            counts.iter().enumerate().map(|(kind, &count)| fits(kind, count, domain)).sum()
        };
        let home = |group: &Group, need: u32, region: u32| {
            homes_of(context, group, region).any(|home| {
                let counts = demand.counts(group).iter();
                counts.map(|&(k, count)| fits(k as usize, u64::from(count), home)).sum::<u64>()
                    >= u64::from(need)
            })
        };
        let possible = |region: u32| {
            let mut pods = sum(&totals, region);
            let mut lost = 0;
            let mut complete = vec![0u64; demand.policies.len()];
            for group in demand.groups.iter().filter(|group| group.policy.is_some()) {
                let fits = home(group, group.need.max(1), region);
                if !fits {
                    lost += u64::from(group.pods());
                } else if let (Some(policy), true) = (group.policy, group.completes) {
                    complete[policy as usize] += 1;
                }
            }
            pods = pods.min(demand.placeable() - lost);
            let roles = demand
                .roles
                .iter()
                .zip(&by_role)
                .all(|(&(_, lacking), counts)| sum(counts, region) >= lacking);
            let policies =
                demand.policies.iter().zip(&complete).all(|(&lacking, &complete)| complete >= lacking);
            (pods > 0 && pods >= demand.minimum && roles && policies).then_some((Reverse(pods), region))
        };
        let mut regions: Vec<(Reverse<u64>, u32)> = context.regions().filter_map(possible).collect();
        regions.sort();
        let pods = regions.first().map_or(0, |&(Reverse(pods), _)| pods);
        let holds_all = |domain: u32| (0..kinds).all(|kind| fits(kind, totals[kind], domain) == totals[kind]);
        let main = (0..kinds).max_by_key(|&kind| (totals[kind], Reverse(kind))).unwrap_or(0) as u32;
        let mut all: Vec<u32> = context.candidates(holds_all).collect();
        let room = |domain: u32| match (trial.is_loaded(main), rules.packing) {
            (false, _) => Reverse(0),
            (true, Packing::Tight) => Reverse(u64::MAX - trial.slots(main).sums[domain as usize]),
            (true, Packing::Spread) => Reverse(trial.slots(main).sums[domain as usize]),
        };
        all.sort_by_key(|&domain| (tier_cost(demand.rule, tree.tier[domain as usize]), room(domain)));
        let lowest = |group: &Group| {
            let homes = regions.iter().flat_map(|&(_, region)| homes_inside(context, group, region));
            let fitting = homes.filter(|&home| {
                let mut counts = demand.counts(group).iter();
                counts.all(|&(kind, count)| fits(kind as usize, u64::from(count), home) == u64::from(count))
            });
            fitting.map(|home| group.tier_cost(tree.tier[home as usize])).min().unwrap_or(0)
        };
        // A bound for the case that all pods are placed.
        let tiers = match demand.groups.len() * tree.len() <= 1 << 20 && pods == demand.placeable() {
            true => demand.settled_tiers + demand.groups.iter().map(lowest).sum::<i64>(),
            false => i64::MIN,
        };
        Bounds { regions, pods, all, tiers }
    }
}

pub(super) fn kind_of(kinds: &[ClassId], class: ClassId) -> usize {
    kinds.iter().position(|&kind| kind == class).unwrap_or(0)
}

/// The outermost domains inside a region that may be home to a group.
pub(in crate::placement) fn homes_of<'a>(
    context: &Context<'a>,
    group: &Group,
    region: u32,
) -> impl Iterator<Item = u32> + use<'a> {
    let tree = context.tree;
    let tier = group.rule.required.unwrap_or(tree.tier[0]);
    let range = match group.anchor {
        // The gang's region contains the anchor.
        Some(anchor) => match tree.outermost_within(anchor, tier) {
            Some(home) if tree.is_within(home, region) => home..home + 1,
            Some(_) => region..region + 1,
            None => 0..0,
        },
        None if tree.tier[region as usize] <= tier => region..region + 1,
        None => tree.inside(region),
    };
    range.filter(move |&home| {
        home == region && tree.tier[home as usize] <= tier || tree.is_outermost_within(home, tier)
    })
}

/// All domains inside a region that may be home to a group.
pub(in crate::placement) fn homes_inside<'a>(
    context: &Context<'a>,
    group: &Group,
    region: u32,
) -> impl Iterator<Item = u32> + use<'a> {
    let tree = context.tree;
    let tier = group.rule.required.unwrap_or(tree.tier[0]);
    let anchor = group.anchor;
    tree.inside(region).filter(move |&home| {
        tree.tier[home as usize] <= tier && anchor.is_none_or(|anchor| tree.is_within(anchor, home))
    })
}
