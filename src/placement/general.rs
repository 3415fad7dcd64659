//! Anything goes: pods that differ, fractions of nodes, subgroups of several kinds, members that run already, pods that
//! depend on each other's places. A constructive search on trial placements, judged by bounds, then by [`super::exact`].
//!
//! 1. **Bounds** from counts: what they rule out is proven.
//! 2. **All pods**, in the domains that could hold them by counts, lowest tier and tightest first. Inside, groups are
//!    placed one by one, the hardest first, each in the lowest domain that takes it, where it touches least that is new
//!    and leaves least; within a group whole nodes first, each kind on the fewest domains, then the fewest nodes.
//! 3. **As many as possible**, where not all fit: what the minima need first, then the rest.
//! 4. If a bound does not prove the result, and the case is small, an exhaustive search.

use super::cover::{Cover, Ground};
use super::demand::{Group, tier_cost};
use super::exact;
use super::fill::Fill;
use super::nodes::{Scorer, Seat};
use super::outcome::Proof;
use super::plan::Plan;
use super::ranks;
use super::rules::{CostTerm, Packing};
use super::single::seat;
use super::trial::{self, Trial};
use super::{Context, Tools, price};
use crate::cluster::ids::ClassId;
use std::cmp::Reverse;

/// Domains in which all pods are tried before giving that up.
const ATTEMPTS: usize = 48;

/// Domains of one tier in which all pods were placed, before the search looks no further for a cheaper one.
const SUCCESSES: usize = 4;

/// Homes that are tried for a group.
const HOMES: usize = 16;

/// Regions in which as many pods as possible are tried.
const REGIONS: usize = 32;

/// A plan with what it is worth.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) plan: Plan,
    pub(super) pods: u64,
    pub(super) cost: Vec<i64>,
}

impl Candidate {
    /// Prices a plan.
    pub(super) fn new(context: &Context<'_>, tools: &mut Tools, plan: Plan) -> Self {
        let (_, cost) = price(context, tools, &plan);
        Candidate { pods: plan.pods(), plan, cost }
    }

    /// More pods, or as many for less.
    pub(super) fn beats(&self, other: Option<&Candidate>) -> bool {
        other.is_none_or(|other| (Reverse(self.pods), &self.cost) < (Reverse(other.pods), &other.cost))
    }
}

/// Places as much as it can. An error is how sure it is that the minima cannot be met.
pub(super) fn solve(context: &Context<'_>, tools: &mut Tools) -> Result<Plan, Proof> {
    let bounds = trial::with(context, tools, |trial, _, _| Bounds::new(context, trial));
    if bounds.regions.is_empty() {
        return Err(Proof::Proven);
    }
    let mut best: Option<Candidate> = None;
    let mut proven = false;
    if bounds.pods == context.demand.placeable() {
        proven = place_all(context, tools, &bounds, &mut best);
    }
    if best.is_none() {
        for &(_, region) in bounds.regions.iter().take(REGIONS) {
            let plan = trial::with(context, tools, |trial, cover, fill| {
                let mut maker = Maker::new(context, trial, cover, fill);
                maker.place_most(region);
                maker.plan()
            });
            if plan.pods() > 0 && ranks::meets(context.demand, &plan) {
                let candidate = Candidate::new(context, tools, plan);
                if candidate.beats(best.as_ref()) {
                    best = Some(candidate);
                }
            }
        }
    }
    let mut proof = Proof::Proven;
    if !proven {
        proof = exact::improve(context, tools, &bounds, &mut best);
    }
    match best {
        Some(Candidate { mut plan, .. }) => {
            plan.proof = proof;
            ranks::sort_alike(context.demand, &mut plan);
            Ok(plan)
        }
        None => Err(proof),
    }
}

/// What counts allow.
pub(super) struct Bounds {
    /// Regions in which the minima could be met, with the pods that could be placed there; most pods first.
    pub(super) regions: Vec<(Reverse<u64>, u32)>,
    /// No placement has more pods.
    pub(super) pods: u64,
    /// Domains that hold all pods as far as counts can tell, lowest tier first, tight ones first.
    all: Vec<u32>,
    /// The least sum of tiers of subgroups.
    tiers: i64,
}

impl Bounds {
    fn new(context: &Context<'_>, trial: &Trial<'_, '_>) -> Self {
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

fn kind_of(kinds: &[ClassId], class: ClassId) -> usize {
    kinds.iter().position(|&kind| kind == class).unwrap_or(0)
}

/// The outermost domains inside a region that may be home to a group.
pub(super) fn homes_of<'a>(
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
pub(super) fn homes_inside<'a>(
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

/// Tries to place all pods. `true` if what it found is the best there is.
fn place_all(
    context: &Context<'_>,
    tools: &mut Tools,
    bounds: &Bounds,
    best: &mut Option<Candidate>,
) -> bool {
    let Context { tree, demand, rules, .. } = *context;
    let tier = |domain: u32| tier_cost(demand.rule, tree.tier[domain as usize]);
    let tier_first = context.place(CostTerm::GangTier)
        < context.place(CostTerm::Domains).min(context.place(CostTerm::Stranded));
    let mut successes = 0;
    let mut reached = None;
    for &domain in bounds.all.iter().take(ATTEMPTS) {
        if reached.is_some_and(|reached| reached != tier(domain)) {
            let subgroups = context.place(CostTerm::SubgroupTier);
            let settled = subgroups > context.place(CostTerm::GangTier)
                || best.as_ref().is_some_and(|best| best.cost.get(subgroups) == Some(&bounds.tiers));
            if tier_first && settled {
                break;
            }
            successes = 0;
        }
        if successes >= SUCCESSES {
            continue;
        }
        let plan = trial::with(context, tools, |trial, cover, fill| {
            let mut maker = Maker::new(context, trial, cover, fill);
            maker.place_all(domain).then(|| maker.plan())
        });
        let Some(plan) = plan else { continue };
        if !ranks::meets(demand, &plan) {
            continue;
        }
        reached = Some(tier(domain));
        successes += if tree.is_lump(domain) { SUCCESSES } else { 1 };
        let candidate = Candidate::new(context, tools, plan);
        if candidate.beats(best.as_ref()) {
            *best = Some(candidate);
        }
    }
    let Some(best) = best else { return false };
    // Proven if no term could be less: the sum of tiers by its bound, the gang's tier because no lower one holds all
    // pods, domains by the fewest that hold the pods of one kind alone; and nothing that was not bounded counts before.
    let value = |term: CostTerm| best.cost.get(context.place(term)).copied();
    let Some(&lowest) = bounds.all.first() else { return false };
    let bounded = [CostTerm::SubgroupTier, CostTerm::GangTier, CostTerm::Domains];
    let last = bounded.iter().map(|&term| context.place(term)).max().unwrap_or(0);
    last < context.place(CostTerm::Stranded).min(context.place(CostTerm::NodeScore))
        && rules.order.len() > last
        && value(CostTerm::SubgroupTier) == Some(bounds.tiers)
        && value(CostTerm::GangTier) == Some(tier(lowest))
        && value(CostTerm::Domains) <= fewest_domains(context, tools, bounds)
}

/// A lower bound for `Domains` if all pods are placed; `None` if it was not computed.
fn fewest_domains(context: &Context<'_>, tools: &mut Tools, bounds: &Bounds) -> Option<i64> {
    let Context { tree, demand, rules, .. } = *context;
    let paid: i64 = demand.touched.domains().map(|domain| tree.charge[domain as usize]).sum::<i64>()
        + demand.touched.nodes().map(|p| tree.node_charge[tree.leaf[p as usize] as usize]).sum::<i64>();
    let mut totals = vec![0u64; demand.kinds.len()];
    for group in &demand.groups {
        for &(kind, count) in demand.counts(group) {
            totals[kind as usize] += u64::from(count);
        }
    }
    if bounds.all.len() * totals.len() > 256 {
        return None;
    }
    trial::with(context, tools, |trial, cover, _| {
        let mut least: Option<i64> = None;
        for &domain in &bounds.all {
            let mut most = 0;
            for (kind, &total) in totals.iter().enumerate() {
                let slots = trial.slots(kind as u32);
                let ground = Ground {
                    tree,
                    nodes: &slots.nodes,
                    sums: &slots.sums,
                    touched: &demand.touched,
                    home: None,
                    tight: rules.packing == Packing::Tight,
                };
                cover.begin(&ground, total);
                most = most.max(cover.cost(&ground, domain)?);
            }
            let cost = paid + super::single::around(context, domain) + most;
            least = Some(least.map_or(cost, |least| least.min(cost)));
        }
        least
    })
}

/// Places groups one after the other.
pub(super) struct Maker<'c, 'a, 't, 'm> {
    context: &'c Context<'a>,
    trial: &'m mut Trial<'a, 't>,
    cover: &'m mut Cover,
    fill: &'m Fill,
}

impl<'c, 'a, 't, 'm> Maker<'c, 'a, 't, 'm> {
    pub(super) fn new(
        context: &'c Context<'a>,
        trial: &'m mut Trial<'a, 't>,
        cover: &'m mut Cover,
        fill: &'m Fill,
    ) -> Self {
        Maker { context, trial, cover, fill }
    }

    /// What has been taken, as a plan.
    pub(super) fn plan(&self) -> Plan {
        Plan::of_takings(self.trial.taken())
    }

    /// Places all pods inside a domain, or says that it could not.
    fn place_all(&mut self, domain: u32) -> bool {
        let demand = self.context.demand;
        let mut order: Vec<u32> = (0..demand.groups.len() as u32).collect();
        let weight = |group: &u32| self.weight(&demand.groups[*group as usize], domain);
        let mut keys: Vec<(bool, bool, Reverse<u64>)> = Vec::with_capacity(order.len());
        for group in &order {
            let it = &demand.groups[*group as usize];
            keys.push((it.policy.is_none(), it.anchor.is_none(), Reverse(weight(group))));
        }
        order.sort_by_key(|&group| keys[group as usize]);
        order.into_iter().all(|group| self.place_group(group, domain))
    }

    /// How much of a domain a group takes up.
    fn weight(&self, group: &Group, domain: u32) -> u64 {
        let demand = self.context.demand;
        let share = |&(kind, count): &(u32, u32)| match self.trial.is_loaded(kind) {
            true => (u64::from(count) << 20) / self.trial.slots(kind).sums[domain as usize].max(1),
            false => u64::from(count),
        };
        demand.counts(group).iter().map(share).max().unwrap_or(0)
    }

    /// Places all pods of a group inside a domain.
    fn place_group(&mut self, group: u32, domain: u32) -> bool {
        let demand = self.context.demand;
        let it = &demand.groups[group as usize];
        let counts = demand.counts(it).to_vec();
        let kinds: Vec<u32> = counts.iter().map(|&(kind, _)| kind).collect();
        self.trial.load(&kinds);
        if it.policy.is_none() {
            return self.pack(group, &counts, domain);
        }
        let homes = self
            .homes(it, &counts, domain, |counts, sum| counts.iter().all(|&(k, c)| sum(k) >= u64::from(c)));
        homes.into_iter().any(|home| self.pack(group, &counts, home))
    }

    /// The most promising homes for a group: lowest tier, least touched anew, least left over.
    fn homes(
        &self,
        group: &Group,
        counts: &[(u32, u32)],
        domain: u32,
        test: impl Fn(&[(u32, u32)], &dyn Fn(u32) -> u64) -> bool,
    ) -> Vec<u32> {
        let Context { tree, rules, .. } = *self.context;
        let main =
            counts.iter().max_by_key(|&&(kind, count)| (count, Reverse(kind))).map_or(0, |&(kind, _)| kind);
        let sum = |kind: u32, home: u32| match self.trial.is_loaded(kind) {
            true => self.trial.slots(kind).sums[home as usize],
            false => u64::MAX,
        };
        let key = |home: u32| {
            let mut paid = home;
            while paid > 0 && !self.trial.touched.domain(paid) {
                paid = tree.parent[paid as usize];
            }
            let charge = tree.path[home as usize] - tree.path[paid as usize];
            let room = sum(main, home);
            let room = if rules.packing == Packing::Tight { room } else { u64::MAX - room };
            (group.tier_cost(tree.tier[home as usize]), charge, room, home)
        };
        let mut keys: Vec<(i64, i64, u64, u32)> = homes_inside(self.context, group, domain)
            .filter(|&home| test(counts, &|kind| sum(kind, home)))
            .map(key)
            .collect();
        if keys.len() > HOMES {
            keys.select_nth_unstable(HOMES);
            keys.truncate(HOMES);
        }
        keys.sort_unstable();
        keys.into_iter().map(|(_, _, _, home)| home).collect()
    }

    /// Puts so many pods of each kind inside a domain, the hardest kind first; all or none.
    fn pack(&mut self, group: u32, counts: &[(u32, u32)], home: u32) -> bool {
        let before = self.trial.taken().len();
        let mut order: Vec<(u32, u32)> = counts.to_vec();
        let slots_per_pod = |&(kind, count): &(u32, u32)| match self.trial.is_loaded(kind) {
            true => (self.trial.slots(kind).sums[home as usize] << 10) / u64::from(count.max(1)),
            false => u64::MAX,
        };
        order.sort_by_cached_key(slots_per_pod);
        for (kind, count) in order {
            if self.pack_kind(group, kind, count, home) < count {
                self.trial.undo_to(before);
                return false;
            }
        }
        true
    }

    /// Puts up to so many pods of a kind inside a domain and says how many.
    fn pack_kind(&mut self, group: u32, kind: u32, count: u32, home: u32) -> u32 {
        self.trial.load(&[kind]);
        if self.trial.is_coupled(kind) {
            return self.pack_coupled(group, kind, count, home);
        }
        let Context { tree, rules, demand, .. } = *self.context;
        let slots = self.trial.slots(kind);
        let count = u64::from(count).min(slots.sums[home as usize]) as u32;
        if count == 0 {
            return 0;
        }
        let ground = Ground {
            tree,
            nodes: &slots.nodes,
            sums: &slots.sums,
            touched: &self.trial.touched,
            home: None,
            tight: rules.packing == Packing::Tight,
        };
        let scorer = Scorer::new(self.context, self.fill, demand.kinds[kind as usize]);
        self.cover.begin(&ground, u64::from(count));
        let mut shares = Vec::new();
        let mut seats = Vec::new();
        if !self.cover.deal(&ground, home, &mut shares) {
            return 0;
        }
        seat(&scorer, ground, &shares, &mut seats);
        for seat in seats {
            self.trial.take(group, kind, seat);
        }
        count
    }

    /// Node by node, as each pod may change what the next may do; over and over while pods get through.
    fn pack_coupled(&mut self, group: u32, kind: u32, count: u32, home: u32) -> u32 {
        let Context { tree, rules, demand, .. } = *self.context;
        let scorer = Scorer::new(self.context, self.fill, demand.kinds[kind as usize]);
        let slots = self.trial.slots(kind);
        let (start, end) = tree.run[home as usize];
        let mut order: Vec<((bool, Reverse<u64>, u32), i64, u32)> = (start..end)
            .filter(|&position| slots.nodes[position as usize] > 0)
            .map(|position| {
                let leaf = tree.leaf[position as usize];
                let sum = slots.sums[leaf as usize];
                let domain = (!self.trial.touched.domain(leaf), Reverse(sum), leaf);
                (domain, scorer.cost(position, 1) - scorer.preference(position), position)
            })
            .collect();
        order.sort_unstable();
        let mut placed = 0;
        loop {
            let before = placed;
            for &(_, _, position) in &order {
                while placed < count
                    && self.trial.slots(kind).nodes[position as usize] > 0
                    && self.trial.allows(kind, position)
                {
                    self.trial.take(group, kind, Seat { position, pods: 1 });
                    placed += 1;
                    if rules.packing == Packing::Spread {
                        break;
                    }
                }
                if placed == count {
                    return placed;
                }
            }
            if placed == before {
                return placed;
            }
        }
    }

    /// Places as much as possible inside a region: what the minima need first.
    pub(super) fn place_most(&mut self, region: u32) {
        let demand = self.context.demand;
        let mut placed = vec![false; demand.groups.len()];
        let mut groups: Vec<u32> = (0..demand.groups.len() as u32).collect();
        groups.retain(|&group| demand.groups[group as usize].policy.is_some());
        // Groups that policies lack, the smallest first.
        let mut lacking = demand.policies.clone();
        let need = |group: u32| demand.groups[group as usize].need;
        let mut required: Vec<u32> = groups.clone();
        required.retain(|&group| demand.groups[group as usize].completes);
        required.sort_by_key(|&group| (need(group), group));
        for group in required {
            let Some(policy) = demand.groups[group as usize].policy else { continue };
            if lacking[policy as usize] > 0 && self.place_some(group, region) {
                lacking[policy as usize] -= 1;
                placed[group as usize] = true;
            }
        }
        // Roles that loose pods must fill, hardest kind first.
        let loose = demand.groups.iter().position(|group| group.policy.is_none()).map(|at| at as u32);
        let mut counts =
            loose.map_or_else(Vec::new, |at| demand.counts(&demand.groups[at as usize]).to_vec());
        if let (Some(at), false) = (loose, demand.roles.is_empty()) {
            let mut roles = demand.roles.clone();
            let mut first: Vec<(u32, u32)> = counts.iter().map(|&(kind, _)| (kind, 0)).collect();
            for member in demand.members(&demand.groups[at as usize]) {
                let role = roles.iter_mut().find(|(role, lacking)| *role == member.role && *lacking > 0);
                let kind = kind_of(&demand.kinds, member.class) as u32;
                if let (Some((_, lacking)), Some(slot)) = (role, first.iter_mut().find(|(k, _)| *k == kind)) {
                    *lacking -= 1;
                    slot.1 += 1;
                }
            }
            first.retain(|&(_, count)| count > 0);
            first.sort_by_cached_key(|&(kind, _)| self.slots_in(kind, region));
            for (kind, count) in first {
                let taken = self.pack_kind(at, kind, count, region);
                if let Some(slot) = counts.iter_mut().find(|(k, _)| *k == kind) {
                    slot.1 -= taken;
                }
            }
        }
        // The other groups, the largest first.
        groups.retain(|&group| !placed[group as usize]);
        groups.sort_by_key(|&group| (Reverse(demand.groups[group as usize].pods()), group));
        for group in groups {
            self.place_some(group, region);
        }
        // Loose pods, the easiest kind first: that places most.
        if let Some(at) = loose {
            counts.sort_by_cached_key(|&(kind, _)| Reverse(self.slots_in(kind, region)));
            for (kind, count) in counts {
                self.pack_kind(at, kind, count, region);
            }
        }
        self.add_extras(region);
    }

    fn slots_in(&mut self, kind: u32, domain: u32) -> u64 {
        self.trial.load(&[kind]);
        self.trial.slots(kind).sums[domain as usize]
    }

    /// Places all pods of a group, or at least as many as it needs.
    fn place_some(&mut self, group: u32, region: u32) -> bool {
        if self.place_group(group, region) {
            return true;
        }
        let demand = self.context.demand;
        let it = &demand.groups[group as usize];
        let least = it.need.max(1);
        let counts = demand.counts(it).to_vec();
        let enough = |counts: &[(u32, u32)], sum: &dyn Fn(u32) -> u64| {
            counts.iter().map(|&(kind, count)| sum(kind).min(u64::from(count))).sum::<u64>()
                >= u64::from(least)
        };
        for home in self.homes(it, &counts, region, enough) {
            let before = self.trial.taken().len();
            let mut order = counts.clone();
            order.sort_by_cached_key(|&(kind, _)| Reverse(self.slots_in(kind, home)));
            let mut left = least;
            for (kind, count) in order {
                left -= self.pack_kind(group, kind, count.min(left), home);
            }
            if left == 0 {
                return true;
            }
            self.trial.undo_to(before);
        }
        false
    }

    /// Adds pods to groups that are placed in part, where they are.
    fn add_extras(&mut self, region: u32) {
        let Context { tree, demand, .. } = *self.context;
        let mut placed: Vec<Vec<(u32, u32)>> = demand
            .groups
            .iter()
            .map(|group| demand.counts(group).iter().map(|&(k, _)| (k, 0)).collect())
            .collect();
        let mut around: Vec<Option<u32>> = demand.groups.iter().map(|group| group.anchor).collect();
        for taking in self.trial.taken() {
            let group = taking.group as usize;
            if let Some(slot) = placed[group].iter_mut().find(|(kind, _)| *kind == taking.kind) {
                slot.1 += taking.seat.pods;
            }
            let leaf = tree.leaf[taking.seat.position as usize];
            around[group] = Some(around[group].map_or(leaf, |at| tree.common(at, leaf)));
        }
        for (index, group) in demand.groups.iter().enumerate().filter(|(_, group)| group.policy.is_some()) {
            let total: u32 = placed[index].iter().map(|&(_, count)| count).sum();
            let Some(around) = around[index].filter(|_| total >= group.need && total < group.pods()) else {
                continue;
            };
            // Closest first, as wide as the rules allow.
            let limit = group.rule.required.unwrap_or(tree.tier[0]);
            let mut home = around;
            loop {
                for (slot, &(kind, count)) in placed[index].iter_mut().zip(demand.counts(group)) {
                    if slot.1 < count {
                        slot.1 += self.pack_kind(index as u32, kind, count - slot.1, home);
                    }
                }
                let outer = tree.parent[home as usize];
                if home == region || home == 0 || tree.tier[outer as usize] > limit {
                    break;
                }
                home = outer;
            }
        }
    }
}
