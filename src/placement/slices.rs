//! Subgroups of one kind and one size, each to lie inside one domain: counted in slices, exactly.
//!
//! A slice is room for one subgroup. A domain holds `floor(slots / size)` slices whose pods all lie inside it, so the
//! most subgroups that can have a tier of at most `t` is the sum of that over the outermost domains of tier `t`. Those
//! maxima are reached together, for all `t` at once: fill the lowest domains with slices first, then cut further ones
//! from what they leave over, and so on upwards. Hence the least `SubgroupTier` of `m` subgroups inside a domain takes
//! the lowest tiers first, and how many slices it takes of each tier is forced. All tiers but the highest one used are
//! used up; the freedom is in the highest, where [`Cover`] finds the least `Domains`, what is used up being paid for.
//!
//! That is for orders that put `SubgroupTier` before `Domains`. Else few domains come first, tiers are as they fall, and
//! the answer is not called proven. With three or more levels, slices that are cut above the lowest tier and used up may leave their rest in one domain
//! or another; that choice is not searched, and the answer is then not called proven.
//!
//! [`Cover`]: super::cover::Cover

use super::apex::{self, Key};
use super::cost;
use super::cover::{Cover, Ground, Place, Share, Touched};
use super::demand::{Demand, Group, tier_cost};
use super::nodes::{Scorer, Seat};
use super::outcome::Proof;
use super::plan::Plan;
use super::rules::{CostTerm, Packing};
use super::single::{around, seat};
use super::tree::Tree;
use super::{Context, Tools};
use crate::cluster::topology::Tier;

/// Can [`solve`] take this on? One kind, and groups that differ in nothing but their pods.
pub(super) fn applies(demand: &Demand) -> bool {
    let [first, rest @ ..] = &demand.groups[..] else { return false };
    let alike = |group: &Group| {
        group.policy.is_some()
            && group.anchor.is_none()
            && group.completes
            && group.rule == first.rule
            && group.pods() == first.pods()
    };
    demand.kinds.len() == 1 && alike(first) && rest.iter().all(alike)
}

/// What came of it.
pub(super) enum Sliced {
    /// As many subgroups as possible are placed.
    Placed(Plan),
    /// Too few fit.
    Short,
    /// Not all fit, and placing parts of them could do better: not for this solver.
    Partial,
}

/// Places as many of the groups as fit.
pub(super) fn solve(context: &Context<'_>, tools: &mut Tools) -> Sliced {
    let Context { view, tree, rules, demand } = *context;
    let class = demand.kinds[0];
    let at = tools.slots.ensure(view, tree, class, &tools.overlay);
    let Tools { slots, fill, cover, pads, .. } = tools;
    let slots = slots.get(at);
    let group = &demand.groups[0];
    let size = group.pods();
    let slices = Slices::count(context, &slots.sums, group);
    let most = context.regions().map(|region| slices.held[region as usize]).max().unwrap_or(0);
    let count = most.min(demand.groups.len() as u64);
    if count < demand.groups.len() as u64 && group.need < size {
        return Sliced::Partial;
    }
    let Some(chosen) = choose(demand, count) else { return Sliced::Short };
    let share = fill.of(view, tree, class);
    let scorer = Scorer::new(context, fill, class);
    let ground = Ground {
        tree,
        nodes: &slots.nodes,
        sums: &slots.sums,
        touched: &demand.touched,
        home: None,
        tight: rules.packing == Packing::Tight,
    };
    let keys = apex::keys(rules);
    let candidates = context.candidates(|domain| slices.held[domain as usize] >= count);
    let domain = apex::best(&keys, candidates, &mut pads.candidates, |key, domain| {
        let value = match key {
            Key::SubgroupTier => slices.split(domain, count).cost,
            Key::GangTier => tier_cost(demand.rule, tree.tier[domain as usize]),
            Key::Domains => {
                let split = slices.split(domain, count);
                let scene = Scene::new(cover, ground, &slices, split, domain);
                around(context, domain) + scene.cost(cover, ground, size)?
            }
            Key::Room => {
                let pods = count * u64::from(size);
                cost::room(rules.packing, slots.sums[domain as usize], slots.total(), pods)
            }
            Key::Share => cost::shares(context, &share, domain),
            Key::NodeScore => 0,
        };
        Some(value)
    });
    let Some(domain) = domain else { return Sliced::Partial };
    let split = slices.split(domain, count);
    let scene = Scene::new(cover, ground, &slices, split, domain);
    let Some(mut cut) = scene.cut(cover, &scorer, ground, &slices) else { return Sliced::Partial };
    let exact = cover.is_exact() && scene.exact && !slices.domains_first && rules.packing == Packing::Tight;
    let mut plan =
        Plan::new(if exact { Proof::Proven } else { Proof::CutShort { steps: rules.search_budget } });
    cut.sort_by_key(|seats| seats.first().copied());
    for (group, seats) in chosen.into_iter().zip(cut) {
        plan.add(group, 0, seats);
    }
    Sliced::Placed(plan)
}

/// The groups to place, `count` of them, in rank order: those that minima need, then the first ones. `None` if the
/// minima need more.
fn choose(demand: &Demand, count: u64) -> Option<Vec<u32>> {
    let size = demand.groups.first()?.pods();
    if count == 0 || count * u64::from(size) < demand.minimum {
        return None;
    }
    let rank = |group: u32| {
        let first = demand.members(&demand.groups[group as usize]).first();
        first.map(|member| (member.rank, member.pod))
    };
    let mut groups: Vec<u32> = (0..demand.groups.len() as u32).collect();
    groups.sort_by_key(|&group| rank(group));
    if count == groups.len() as u64 {
        return Some(groups);
    }
    let mut policies = demand.policies.clone();
    let mut roles = demand.roles.clone();
    let mut chosen = vec![false; demand.groups.len()];
    let mut left = count;
    // Those that lack most first; with roles that are spread over groups this is a heuristic for a covering problem.
    while left > 0
        && (policies.iter().any(|&lacking| lacking > 0) || roles.iter().any(|&(_, lacking)| lacking > 0))
    {
        let gain = |&group: &u32| {
            let group = &demand.groups[group as usize];
            let policy = group.policy.map_or(0, |policy| policies[policy as usize].min(1) * u64::from(size));
            let of_role =
                |role| demand.members(group).iter().filter(|member| member.role == role).count() as u64;
            policy + roles.iter().map(|&(role, lacking)| lacking.min(of_role(role))).sum::<u64>()
        };
        let next = groups.iter().copied().filter(|&group| !chosen[group as usize]);
        let next = next.max_by_key(|group| (gain(group), std::cmp::Reverse(rank(*group))))?;
        if gain(&next) == 0 {
            return None;
        }
        chosen[next as usize] = true;
        left -= 1;
        let group = &demand.groups[next as usize];
        if let Some(policy) = group.policy {
            policies[policy as usize] = policies[policy as usize].saturating_sub(1);
        }
        for member in demand.members(group) {
            if let Some((_, lacking)) = roles.iter_mut().find(|(role, _)| *role == member.role) {
                *lacking = lacking.saturating_sub(1);
            }
        }
    }
    if policies.iter().any(|&lacking| lacking > 0) || roles.iter().any(|&(_, lacking)| lacking > 0) {
        return None;
    }
    for &group in &groups {
        if left > 0 && !chosen[group as usize] {
            chosen[group as usize] = true;
            left -= 1;
        }
    }
    groups.retain(|&group| chosen[group as usize]);
    Some(groups)
}

/// Slices by domain and level.
pub(super) struct Slices<'a> {
    tree: &'a Tree,
    /// Do few domains outweigh the tiers of subgroups?
    domains_first: bool,
    size: u32,
    group: &'a Group,
    /// Slices that lie inside the domain.
    held: Vec<u64>,
    /// By domain, then level: slices inside whose innermost domain has that level.
    by_level: Vec<u64>,
}

/// How many slices of which levels make up so many subgroups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Split {
    /// What they add to `SubgroupTier`.
    cost: i64,
    /// The highest tier of a slice that has a choice.
    home: Tier,
    /// Slices with a choice: those in domains of tier at most `home` that are not used up.
    free: u64,
    /// Slices in domains of a tier up to this are used up; `None` if there is a choice in all.
    used_up: Option<Tier>,
}

impl<'a> Slices<'a> {
    pub(super) fn count(context: &Context<'a>, sums: &[u64], group: &'a Group) -> Self {
        let tree = context.tree;
        let levels = tree.tiers.len();
        let size = group.pods();
        let mut slices = Slices {
            tree,
            domains_first: context.place(CostTerm::Domains) < context.place(CostTerm::SubgroupTier),
            size,
            group,
            held: vec![0; tree.len()],
            by_level: vec![0; tree.len() * levels],
        };
        // Children come before their parents and have added theirs to them already.
        for domain in (0..tree.len()).rev() {
            let inner = slices.held[domain];
            if group.rule.required.is_none_or(|tier| tree.tier[domain] <= tier) {
                slices.held[domain] = sums[domain] / u64::from(size);
            }
            slices.by_level[domain * levels + tree.level[domain] as usize] += slices.held[domain] - inner;
            if domain > 0 {
                let parent = tree.parent[domain] as usize;
                slices.held[parent] += slices.held[domain];
                for level in 0..levels {
                    let count = slices.by_level[domain * levels + level];
                    slices.by_level[parent * levels + level] += count;
                }
            }
        }
        slices
    }

    /// Slices that lie inside a domain.
    pub(super) fn held(&self, domain: u32) -> u64 {
        self.held[domain as usize]
    }

    /// The cheapest `count` slices inside a domain that holds that many.
    fn split(&self, domain: u32, count: u64) -> Split {
        let tiers = &self.tree.tiers;
        let row = &self.by_level[domain as usize * tiers.len()..][..tiers.len()];
        let required = self.group.rule.required.unwrap_or(Tier::MAX);
        let mut split = Split { free: count, ..Split::default() };
        let mut start = 0;
        while start < tiers.len() {
            // Tiers of one cost are as good as each other.
            let cost = self.tier_cost(tiers[start]);
            let end = start + tiers[start..].partition_point(|&tier| self.tier_cost(tier) == cost);
            let held: u64 = row[start..end].iter().sum();
            split.home = tiers[end - 1].min(required);
            split.cost = split.cost.saturating_add(cost.saturating_mul(split.free.min(held) as i64));
            if split.free <= held {
                break;
            }
            if held > 0 {
                split.free -= held;
                split.used_up = Some(split.home);
            }
            start = end;
        }
        split
    }

    fn tier_cost(&self, tier: Tier) -> i64 {
        if self.domains_first { 0 } else { self.group.tier_cost(tier) }
    }

    /// Slices whose innermost domain this is.
    fn own(&self, domain: u32) -> u64 {
        let inner: u64 = self.tree.children(domain).map(|child| self.held[child as usize]).sum();
        self.held[domain as usize] - inner
    }
}

/// What is left inside a domain after the slices without a choice, and what those cost.
struct Scene {
    domain: u32,
    split: Split,
    /// Pods that fit, by position and by domain; empty where nothing is used up.
    nodes: Vec<u32>,
    sums: Vec<u64>,
    touched: Touched,
    /// Pods of slices without a choice: by domain on its own nodes, where those are alike; and by lone node.
    taken: Vec<u64>,
    taken_nodes: Vec<Seat>,
    /// Charges inside the domain for what is used up.
    paid: i64,
    exact: bool,
}

impl Scene {
    fn new(cover: &mut Cover, ground: Ground<'_>, slices: &Slices<'_>, split: Split, domain: u32) -> Self {
        let mut scene = Scene {
            domain,
            split,
            nodes: Vec::new(),
            sums: Vec::new(),
            touched: Touched::default(),
            taken: Vec::new(),
            taken_nodes: Vec::new(),
            paid: 0,
            exact: true,
        };
        if let Some(tier) = split.used_up {
            scene.use_up(ground, slices, tier);
        }
        let units = match scene.ground(ground, slices.size).home {
            Some(_) => split.free,
            None => split.free * u64::from(slices.size),
        };
        cover.begin(&scene.ground(ground, slices.size), units);
        scene
    }

    /// The ground for the slices that have a choice.
    fn ground<'a>(&'a self, ground: Ground<'a>, size: u32) -> Ground<'a> {
        let home = self.split.home;
        // Inside a home, pods are free to go anywhere.
        let above = ground.tree.tier[self.domain as usize] > home;
        let home = above.then_some((size, home));
        match self.split.used_up {
            Some(_) => {
                Ground { nodes: &self.nodes, sums: &self.sums, touched: &self.touched, home, ..ground }
            }
            None => Ground { home, ..ground },
        }
    }

    fn cost(&self, cover: &mut Cover, ground: Ground<'_>, size: u32) -> Option<i64> {
        Some(self.paid + cover.cost(&self.ground(ground, size), self.domain)?)
    }

    /// Takes all slices of tiers up to `tier` out of the ground.
    fn use_up(&mut self, ground: Ground<'_>, slices: &Slices<'_>, tier: Tier) {
        let tree = ground.tree;
        self.nodes = ground.nodes.to_vec();
        self.taken = vec![0; tree.len()];
        let mut own: Vec<u64> = vec![0; tree.len()];
        for domain in tree.inside(self.domain) {
            let inner: u64 = tree.children(domain).map(|child| ground.sums[child as usize]).sum();
            own[domain as usize] = ground.sums[domain as usize] - inner;
        }
        for domain in tree.inside(self.domain).rev() {
            let count = if tree.tier[domain as usize] <= tier { slices.own(domain) } else { 0 };
            let mut pods = count * u64::from(slices.size);
            if pods == 0 {
                continue;
            }
            for at in tree.inside(domain) {
                if tree.node_charge[at as usize] == 0 {
                    let taken = pods.min(own[at as usize]);
                    own[at as usize] -= taken;
                    self.taken[at as usize] += taken;
                    pods -= taken;
                    if taken > 0 {
                        self.touched.add_domain(tree, at, 1);
                    }
                    continue;
                }
                let (start, end) = tree.own[at as usize];
                for position in start..end {
                    let slots = &mut self.nodes[position as usize];
                    let taken = pods.min(u64::from(*slots)) as u32;
                    if taken > 0 {
                        *slots -= taken;
                        own[at as usize] -= u64::from(taken);
                        pods -= u64::from(taken);
                        self.taken_nodes.push(Seat { position, pods: taken });
                        self.touched.add(tree, position as usize, 1);
                    }
                }
            }
            // Where the rest of a domain with parts inside remains was not searched.
            let left: u64 = tree.inside(domain).map(|at| own[at as usize]).sum();
            self.exact &= left == 0 || tree.is_lump(domain);
        }
        let before = ground.touched;
        for domain in self.touched.domains() {
            if domain != self.domain && tree.is_within(domain, self.domain) && !before.domain(domain) {
                self.paid += tree.charge[domain as usize];
            }
        }
        for position in self.touched.nodes().filter(|&position| !before.node(position)) {
            self.paid += tree.node_charge[tree.leaf[position as usize] as usize];
        }
        for domain in before.domains().collect::<Vec<_>>() {
            self.touched.add_domain(tree, domain, 1);
        }
        for position in before.nodes().collect::<Vec<_>>() {
            self.touched.add(tree, position as usize, 1);
        }
        self.sums = own;
        for domain in tree.inside(self.domain).rev().filter(|&domain| domain != self.domain) {
            let sum = self.sums[domain as usize];
            self.sums[tree.parent[domain as usize] as usize] += sum;
        }
    }

    /// Cuts seats for all subgroups.
    fn cut(
        &self,
        cover: &mut Cover,
        scorer: &Scorer<'_>,
        ground: Ground<'_>,
        slices: &Slices<'_>,
    ) -> Option<Vec<Vec<Seat>>> {
        let (tree, size) = (ground.tree, slices.size);
        let mut shares = Vec::new();
        let free = self.ground(ground, size);
        if !cover.deal(&free, self.domain, &mut shares) {
            return None;
        }
        let mut planned = vec![0u64; tree.len()];
        if let Some(tier) = self.split.used_up {
            for domain in tree.inside(self.domain).filter(|&domain| tree.tier[domain as usize] <= tier) {
                planned[domain as usize] = slices.own(domain);
            }
        }
        match free.home {
            None => planned[self.domain as usize] += self.split.free,
            Some((_, tier)) => {
                let mut pods = vec![0u64; tree.len()];
                for share in &shares {
                    let (Place::Own(at) | Place::Node(at)) = share.place;
                    let at = if let Place::Node(_) = share.place { tree.leaf[at as usize] } else { at };
                    let home = tree.outermost_within(at, tier)?;
                    pods[home as usize] += u64::from(share.pods);
                }
                for (planned, pods) in planned.iter_mut().zip(pods) {
                    *planned += pods / u64::from(size);
                }
            }
        }
        // Nodes for what is used up and what is chosen together.
        let mut taken = self.taken.clone();
        let mut seats = self.taken_nodes.clone();
        taken.resize(tree.len(), 0);
        for share in &mut shares {
            if let Place::Own(domain) = share.place {
                share.pods += std::mem::take(&mut taken[domain as usize]) as u32;
            }
        }
        let rest = taken.iter().enumerate().filter(|&(_, &pods)| pods > 0);
        shares.extend(
            rest.map(|(domain, &pods)| Share { place: Place::Own(domain as u32), pods: pods as u32 }),
        );
        seat(scorer, ground, &shares, &mut seats);
        seats.sort_unstable();
        seats.dedup_by(|next, seat| {
            let same = next.position == seat.position;
            if same {
                seat.pods += next.pods;
            }
            same
        });
        let mut cut = Vec::new();
        for domain in tree.inside(self.domain).rev() {
            let (start, end) = tree.run[domain as usize];
            let mut at = seats.partition_point(|seat| seat.position < start);
            for _ in 0..planned[domain as usize] {
                let mut own: Vec<Seat> = Vec::new();
                let mut need = size;
                while need > 0 && seats.get(at).is_some_and(|seat| seat.position < end) {
                    let seat = &mut seats[at];
                    let pods = need.min(seat.pods);
                    if pods > 0 {
                        own.push(Seat { position: seat.position, pods });
                    }
                    seat.pods -= pods;
                    need -= pods;
                    at += usize::from(seat.pods == 0);
                }
                debug_assert_eq!(need, 0, "what was planned is there");
                cut.push(own);
            }
        }
        Some(cut)
    }
}
