//! Subgroups of one kind but several sizes, perhaps with loose pods beside them: bin packing into the lowest domains.
//!
//! Every subgroup goes into one of the lowest domains, which is the least `SubgroupTier` there can be; if not all of
//! them can, this solver stands back. What remains is to open as few domains as possible. Of the lowest domains under
//! one parent the largest ones are opened: replacing one by a larger one spoils no packing. So a choice is a number for
//! each parent, and choices are tried by cost:
//!
//! 1. From below, a choice must at least hold the pods one by one; [`Cover`] knows the least cost of that.
//! 2. From above, covers for somewhat more pods are packed until one takes all subgroups.
//! 3. In between, all choices are enumerated, cheapest first, and packed exactly ([`super::packing`]).
//!
//! [`Cover`]: super::cover::Cover

mod choices;
mod seating;

use super::certificate::Certificate;
use super::cost;
use super::cover::{Cover, Ground, Place, Share};
use super::demand::{Demand, Group, tier_cost};
use super::enclosing;
use super::guarantee::Answer;
use super::limits::Limits;
use super::nodes::Scorer;
use super::packing::{Packed, Sort, pack};
use super::ranks;
use super::rules::{CostTerm, Packing};
use super::single::{around, own};
use super::slots::ClassSlots;
use super::{Context, Tools};
use crate::cluster::topology::Tier;
use std::cmp::Reverse;

/// Can [`solve`] take this on? One kind, whole subgroups, which all want the lowest domains there are.
pub(super) fn applies(context: &Context<'_>) -> bool {
    let Context { tree, demand, .. } = *context;
    let (lowest, next) = (tree.tiers[0], tree.tiers.get(1).copied().unwrap_or(Tier::MAX));
    let wants_lowest = |group: &Group| {
        let prefers = group.rule.preferred.is_none_or(|tier| tier < next);
        let may = group.rule.required.is_none_or(|tier| tier >= lowest);
        group.policy.is_none() || (group.anchor.is_none() && prefers && may)
    };
    demand.kinds.len() == 1
        && demand.pending == demand.placeable()
        && demand.groups.iter().any(|group| group.policy.is_some())
        && demand.groups.iter().all(wants_lowest)
}

/// Places all pods, or stands back.
pub(super) fn solve(context: &Context<'_>, tools: &mut Tools) -> Answer {
    let Context { view, tree, rules, demand, .. } = *context;
    let class = demand.kinds[0];
    let at = tools.slots.ensure(view, tree, class, &tools.overlay);
    let Tools { slots, fill, cover, .. } = tools;
    let slots = slots.get(at);
    let share = fill.of(view, tree, class);
    let scorer = Scorer::new(context, fill, class);
    let mut search = Search {
        context,
        slots,
        ground: Ground::of_pods(context, &slots.nodes, &slots.sums, &demand.touched),
        sorts: sorts(demand),
        pods: demand.placeable(),
        cover,
        steps: 0,
        exact: true,
    };
    let tier = |domain: u32| tier_cost(demand.rule, tree.tier[domain as usize]);
    let mut candidates: Vec<u32> =
        context.candidates(|domain| slots.sums[domain as usize] >= search.pods).collect();
    candidates.sort_by_key(|&domain| tier(domain));
    let mut best: Option<(i64, i64, i64, u32, Opened)> = None;
    for alike in candidates.chunk_by(|&a, &b| tier(a) == tier(b)) {
        search.exact &= alike.len() <= Limits::MIXED_DOMAINS;
        let mut alike: Vec<(i64, i64, u32)> = alike
            .iter()
            .filter_map(|&domain| {
                search.cover.begin(&search.ground, search.pods);
                let least = around(context, domain) + search.cover.cost(&search.ground, domain)?;
                let room = cost::room(rules.packing, slots.sums[domain as usize], slots.total(), search.pods);
                Some((least, room, domain))
            })
            .collect();
        alike.sort_unstable();
        for &(least, room, domain) in alike.iter().take(Limits::MIXED_DOMAINS) {
            if best.as_ref().is_some_and(|best| (least, room) > (best.0, best.1)) {
                continue;
            }
            let around = around(context, domain);
            let limit = best.as_ref().map_or(i64::MAX, |best| best.0 - around + 1);
            if let Some(opened) = search.open(domain, limit) {
                let share = enclosing::share(context, &share, &slots.sums, domain);
                let key = (around + opened.cost, room, share, domain);
                if best.as_ref().is_none_or(|best| key < (best.0, best.1, best.2, best.3)) {
                    best = Some((key.0, key.1, key.2, key.3, opened));
                }
            }
        }
        if best.is_some() {
            break;
        }
    }
    let Some((.., opened)) = best else {
        // Not all subgroups can go into lowest domains. That ends it where every one must, and none may be left out.
        let all = is_hard(context) && demand.needed() >= demand.placeable();
        return if search.exact && all {
            Answer::Refused(Certificate::Exhausted)
        } else {
            Answer::StandsBack
        };
    };
    let place = |term| context.place(term);
    let in_order = place(CostTerm::GangTier) < place(CostTerm::Domains)
        && place(CostTerm::SubgroupTier) < place(CostTerm::Domains)
        && place(CostTerm::Domains) < place(CostTerm::Stranded);
    let exact = search.exact && search.cover.is_exact() && in_order && rules.packing == Packing::Tight;
    let certificate = if exact { Certificate::Exhausted } else { Certificate::Open { steps: search.steps } };
    let mut plan = search.seat(&scorer, &opened, certificate);
    ranks::sort_alike(demand, &mut plan);
    Answer::Placed(plan)
}

/// Must every subgroup lie in a lowest domain?
fn is_hard(context: &Context<'_>) -> bool {
    let next = context.tree.tiers.get(1).copied().unwrap_or(Tier::MAX);
    let hard = |group: &Group| group.policy.is_none() || group.rule.required.is_some_and(|tier| tier < next);
    context.demand.groups.iter().all(hard)
}

/// Sizes of the subgroups, the largest first.
fn sorts(demand: &Demand) -> Vec<Sort> {
    let mut sizes: Vec<u32> = demand.groups.iter().filter(|g| g.policy.is_some()).map(Group::pods).collect();
    sizes.sort_unstable_by_key(|&size| Reverse(size));
    sizes.chunk_by(|a, b| a == b).map(|alike| Sort { size: alike[0], count: alike.len() as u32 }).collect()
}

/// Domains to use, and what goes where.
#[derive(Clone, Debug)]
struct Opened {
    /// Charges inside the candidate.
    cost: i64,
    bins: Vec<u32>,
    /// By bin, how many subgroups of each sort.
    packed: Vec<Vec<u32>>,
    /// Lone nodes for loose pods.
    nodes: Vec<(u32, u32)>,
}

struct Search<'c, 'a> {
    context: &'c Context<'a>,
    slots: &'c ClassSlots,
    ground: Ground<'c>,
    sorts: Vec<Sort>,
    pods: u64,
    cover: &'c mut Cover,
    steps: u64,
    exact: bool,
}

impl Search<'_, '_> {
    /// The cheapest way found to place everything inside a domain for less than `limit`. Notes if there may be a cheaper
    /// one.
    fn open(&mut self, domain: u32, limit: i64) -> Option<Opened> {
        let mut best = self.from_above(domain);
        if best.is_none() {
            // With all domains open there is most room, so a packing that fails there fails everywhere.
            let tree = self.ground.tree;
            let lowest = |&at: &u32| tree.node_charge[at as usize] == 0 && self.slots.sums[at as usize] > 0;
            let bins: Vec<u32> = tree.inside(domain).filter(lowest).collect();
            let budget = self.context.rules.search_budget;
            match pack(&self.capacity(&bins), &self.sorts, &mut self.steps, budget) {
                Packed::Yes(packed) => {
                    let cost = self.cost(&bins, domain);
                    let nodes = tree.inside(domain).filter(|&at| tree.node_charge[at as usize] > 0);
                    let nodes = nodes.flat_map(|at| own(tree, at)).map(|p| (p, self.slots.nodes[p as usize]));
                    best = Some(Opened {
                        cost,
                        bins,
                        packed,
                        nodes: nodes.filter(|&(_, pods)| pods > 0).collect(),
                    });
                }
                Packed::No => return None,
                Packed::Unknown => {
                    self.exact = false;
                    return None;
                }
            }
        }
        let limit = best.as_ref().map_or(limit, |opened| limit.min(opened.cost));
        self.cover.begin(&self.ground, self.pods);
        let least = self.cover.cost(&self.ground, domain)?;
        if least < limit
            && let Some(opened) = self.enumerate(domain, least, limit)
        {
            best = Some(opened);
        }
        best.filter(|opened| opened.cost <= limit)
    }

    /// Charges of bins and what is around them, inside a domain.
    fn cost(&self, bins: &[u32], domain: u32) -> i64 {
        let tree = self.ground.tree;
        let mut marked: Vec<u32> = Vec::new();
        for &bin in bins {
            let mut at = bin;
            while at != domain && !self.ground.touched.domain(at) && !marked.contains(&at) {
                marked.push(at);
                at = tree.parent[at as usize];
            }
        }
        marked.iter().map(|&at| tree.charge[at as usize]).sum()
    }

    /// Covers for more and more pods, until one takes all subgroups.
    fn from_above(&mut self, domain: u32) -> Option<Opened> {
        let most = self.slots.sums[domain as usize];
        let stride = (self.pods / Limits::COVERS).max(1);
        let mut wanted = self.pods;
        let mut shares = Vec::new();
        let mut before: Vec<u32> = Vec::new();
        for _ in 0..Limits::COVERS {
            shares.clear();
            self.cover.begin(&self.ground, wanted);
            let cost = self.cover.cost(&self.ground, domain)?;
            if !self.cover.deal(&self.ground, domain, &mut shares) {
                return None;
            }
            let (bins, nodes) = bins(&shares);
            if bins != before {
                self.steps += 1;
                if let Packed::Yes(packed) = pack(&self.capacity(&bins), &self.sorts, &mut self.steps, 0) {
                    return Some(Opened { cost, bins, packed, nodes });
                }
                before = bins;
            }
            if wanted >= most {
                return None;
            }
            wanted = (wanted + stride).min(most);
        }
        None
    }

    /// Pods that fit in each of the lowest domains.
    fn capacity(&self, bins: &[u32]) -> Vec<u64> {
        bins.iter().map(|&bin| self.slots.sums[bin as usize]).collect()
    }
}

/// The domains and the lone nodes of shares.
fn bins(shares: &[Share]) -> (Vec<u32>, Vec<(u32, u32)>) {
    let (mut bins, mut nodes) = (Vec::new(), Vec::new());
    for share in shares {
        match share.place {
            Place::Own(domain) => bins.push(domain),
            Place::Node(position) => nodes.push((position, share.pods)),
        }
    }
    bins.sort_unstable();
    (bins, nodes)
}
