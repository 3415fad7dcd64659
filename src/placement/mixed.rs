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

use super::cost;
use super::cover::{Cover, Ground, Place, Share};
use super::demand::{Demand, Group, tier_cost};
use super::nodes::{Scorer, Seat};
use super::outcome::Proof;
use super::packing::{Packed, Sort, pack};
use super::plan::Plan;
use super::ranks;
use super::rules::{CostTerm, Packing};
use super::single::{around, own, seat};
use super::slots::ClassSlots;
use super::{Context, Tools};
use crate::cluster::topology::Tier;
use std::cmp::Reverse;

/// Covers that are tried from above.
const COVERS: u64 = 64;

/// Costs that are enumerated.
const COSTS: i64 = 1 << 14;

/// Domains of one tier that are searched.
const CANDIDATES: usize = 64;

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

/// What came of it.
pub(super) enum Mixed {
    /// All pods are placed.
    Placed(Plan),
    /// Not all subgroups can go into lowest domains; that is proven.
    Refuted,
    /// No packing was found.
    Unknown,
}

/// Places all pods, or stands back.
pub(super) fn solve(context: &Context<'_>, tools: &mut Tools) -> Mixed {
    let Context { view, tree, rules, demand } = *context;
    let class = demand.kinds[0];
    let at = tools.slots.ensure(view, tree, class, &tools.overlay);
    let Tools { slots, fill, cover, .. } = tools;
    let slots = slots.get(at);
    let share = fill.of(view, tree, class);
    let scorer = Scorer::new(context, fill, class);
    let mut search = Search {
        context,
        slots,
        ground: Ground {
            tree,
            nodes: &slots.nodes,
            sums: &slots.sums,
            touched: &demand.touched,
            home: None,
            tight: rules.packing == Packing::Tight,
        },
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
        search.exact &= alike.len() <= CANDIDATES;
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
        for &(least, room, domain) in alike.iter().take(CANDIDATES) {
            if best.as_ref().is_some_and(|best| (least, room) > (best.0, best.1)) {
                continue;
            }
            let around = around(context, domain);
            let limit = best.as_ref().map_or(i64::MAX, |best| best.0 - around + 1);
            if let Some(opened) = search.open(domain, limit) {
                let share = cost::shares(context, &share, domain);
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
        return if search.exact { Mixed::Refuted } else { Mixed::Unknown };
    };
    let place = |term| context.place(term);
    let in_order = place(CostTerm::GangTier) < place(CostTerm::Domains)
        && place(CostTerm::SubgroupTier) < place(CostTerm::Domains)
        && place(CostTerm::Domains) < place(CostTerm::Stranded);
    let exact = search.exact && search.cover.is_exact() && in_order && rules.packing == Packing::Tight;
    let proof = if exact { Proof::Proven } else { Proof::CutShort { steps: search.steps } };
    let mut plan = search.seat(&scorer, &opened, proof);
    ranks::sort_alike(demand, &mut plan);
    Mixed::Placed(plan)
}

/// Must every subgroup lie in a lowest domain?
pub(super) fn is_hard(context: &Context<'_>) -> bool {
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

/// The lowest domains under one parent that cost the same, the largest first.
#[derive(Clone, Debug)]
struct Column {
    parent: u32,
    charge: i64,
    bins: Vec<u32>,
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
        let stride = (self.pods / COVERS).max(1);
        let mut wanted = self.pods;
        let mut shares = Vec::new();
        let mut before: Vec<u32> = Vec::new();
        for _ in 0..COVERS {
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

    /// All choices of cost `least..limit`, cheapest first. Notes if it could not look at all of them.
    fn enumerate(&mut self, domain: u32, least: i64, limit: i64) -> Option<Opened> {
        let tree = self.ground.tree;
        let mut columns: Vec<Column> = Vec::new();
        let mut free = Vec::new();
        for at in tree.inside(domain) {
            let lump = tree.node_charge[at as usize] == 0;
            if !lump && own(tree, at).any(|position| self.slots.nodes[position as usize] > 0) {
                // Loose pods could use these; choices with them are not enumerated.
                let grouped = self.sorts.iter().map(|s| u64::from(s.count) * u64::from(s.size)).sum::<u64>();
                self.exact &= grouped == self.pods;
            }
            if !lump || self.slots.sums[at as usize] == 0 {
                continue;
            }
            if at == domain || self.ground.touched.domain(at) {
                free.push(at);
                continue;
            }
            let (parent, charge) = (tree.parent[at as usize], tree.charge[at as usize]);
            match columns.iter_mut().find(|column| (column.parent, column.charge) == (parent, charge)) {
                Some(column) => column.bins.push(at),
                None => columns.push(Column { parent, charge, bins: vec![at] }),
            }
        }
        for column in &mut columns {
            column.bins.sort_by_key(|&bin| Reverse(self.slots.sums[bin as usize]));
        }
        columns.sort_by_key(|column| {
            Reverse(column.bins.iter().map(|&bin| self.slots.sums[bin as usize]).sum::<u64>())
        });
        let limit = if limit - least > COSTS || limit > COSTS {
            self.exact = false;
            limit.min(least + COSTS).min(COSTS)
        } else {
            limit
        };
        if limit <= least {
            return None;
        }
        // The most pods that the columns from each on hold at each cost; parents above the columns are not counted, which
        // only makes it more.
        let width = limit as usize;
        let mut reach = vec![vec![0u64; width]];
        for column in columns.iter().rev() {
            let mut next = reach[reach.len() - 1].clone();
            let before = next.clone();
            let mut cost = self.opening(column, domain);
            let mut held = 0;
            for &bin in &column.bins {
                cost += column.charge;
                held += self.slots.sums[bin as usize];
                for at in cost.min(limit)..limit {
                    next[at as usize] = next[at as usize].max(before[(at - cost) as usize] + held);
                }
            }
            reach.push(next);
        }
        reach.reverse();
        let mut choices = Choices {
            search: self,
            domain,
            columns: &columns,
            reach: &reach,
            opened: Vec::new(),
            found: None,
            over: false,
        };
        let held: u64 = free.iter().map(|&bin| choices.search.slots.sums[bin as usize]).sum();
        for cost in least..limit {
            choices.choose(0, cost, held, &mut free.clone());
            if choices.found.is_some() || choices.over {
                break;
            }
        }
        let (found, over) = (choices.found, choices.over);
        self.exact &= !over;
        found
    }

    /// What a column costs before its first bin, what is above its parent left out.
    fn opening(&self, column: &Column, domain: u32) -> i64 {
        let paid = column.parent == domain || self.ground.touched.domain(column.parent);
        if paid { 0 } else { self.ground.tree.charge[column.parent as usize] }
    }

    /// Turns the choice into seats: nodes for what each domain takes, subgroups cut from them, loose pods from the rest.
    fn seat(&self, scorer: &Scorer<'_>, opened: &Opened, proof: Proof) -> Plan {
        let demand = self.context.demand;
        let mut by_size: Vec<Vec<u32>> = vec![Vec::new(); self.sorts.len()];
        let mut loose = None;
        let mut order: Vec<u32> = (0..demand.groups.len() as u32).collect();
        order.sort_by_key(|&g| demand.members(&demand.groups[g as usize]).first().map(|m| (m.rank, m.pod)));
        for &index in order.iter().rev() {
            let group = &demand.groups[index as usize];
            match self.sorts.iter().position(|sort| sort.size == group.pods() && group.policy.is_some()) {
                Some(at) => by_size[at].push(index),
                None => loose = Some(index),
            }
        }
        let mut left = loose.map_or(0, |loose| u64::from(demand.groups[loose as usize].pods()));
        // Loose pods fill what is left over, the smallest rest first.
        let used = |packed: &[u32]| -> u64 {
            packed.iter().zip(&self.sorts).map(|(&n, sort)| u64::from(n) * u64::from(sort.size)).sum()
        };
        let mut rests: Vec<(u64, usize)> = (0..opened.bins.len())
            .map(|at| (self.slots.sums[opened.bins[at] as usize] - used(&opened.packed[at]), at))
            .collect();
        rests.sort_unstable();
        let mut extra = vec![0u64; opened.bins.len()];
        for (rest, at) in rests {
            extra[at] = rest.min(left);
            left -= extra[at];
        }
        let mut plan = Plan::new(proof);
        let mut spare: Vec<Seat> = Vec::new();
        let mut order: Vec<usize> = (0..opened.bins.len()).collect();
        order.sort_by_key(|&at| opened.bins[at]);
        for at in order {
            let pods = used(&opened.packed[at]) + extra[at];
            let mut seats = Vec::new();
            let share = Share { place: Place::Own(opened.bins[at]), pods: pods as u32 };
            seat(scorer, self.ground, &[share], &mut seats);
            seats.sort_unstable();
            let mut groups: Vec<u32> = Vec::new();
            for (sort, &count) in opened.packed[at].iter().enumerate() {
                groups.extend((0..count).filter_map(|_| by_size[sort].pop()));
            }
            groups.sort_by_key(|&g| {
                demand.members(&demand.groups[g as usize]).first().map(|m| (m.rank, m.pod))
            });
            let mut seats = seats.into_iter().peekable();
            for group in groups {
                plan.add(group, 0, cut(&mut seats, demand.groups[group as usize].pods()));
            }
            spare.extend(seats);
        }
        for &(position, pods) in &opened.nodes {
            let pods = u64::from(pods).min(left) as u32;
            left -= u64::from(pods);
            if pods > 0 {
                spare.push(Seat { position, pods });
            }
        }
        if let Some(loose) = loose {
            plan.add(loose, 0, spare);
        }
        plan
    }
}

/// Takes so many pods' seats off the front.
fn cut(seats: &mut std::iter::Peekable<std::vec::IntoIter<Seat>>, pods: u32) -> Vec<Seat> {
    let mut need = pods;
    let mut taken = Vec::new();
    while need > 0
        && let Some(seat) = seats.peek_mut()
    {
        let pods = need.min(seat.pods);
        taken.push(Seat { position: seat.position, pods });
        seat.pods -= pods;
        need -= pods;
        if seat.pods == 0 {
            seats.next();
        }
    }
    taken
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

/// The enumeration of choices of one cost.
struct Choices<'s, 'c, 'a, 'v> {
    search: &'s mut Search<'c, 'a>,
    domain: u32,
    columns: &'v [Column],
    reach: &'v [Vec<u64>],
    /// Domains above columns that are open, innermost last.
    opened: Vec<u32>,
    found: Option<Opened>,
    over: bool,
}

impl Choices<'_, '_, '_, '_> {
    /// Opens bins of the columns from `at` on for exactly `budget`.
    fn choose(&mut self, at: usize, budget: i64, held: u64, bins: &mut Vec<u32>) {
        if self.found.is_some() || self.over || held + self.reach[at][budget as usize] < self.search.pods {
            return;
        }
        self.search.steps += 1;
        if self.search.steps > self.search.context.rules.search_budget {
            self.over = true;
            return;
        }
        let Some(column) = self.columns.get(at) else {
            if budget == 0 {
                self.pack(bins);
            }
            return;
        };
        let tree = self.search.ground.tree;
        let mut news = Vec::new();
        let mut outer = column.parent;
        let mut cost = 0;
        while outer != self.domain
            && !self.search.ground.touched.domain(outer)
            && !self.opened.contains(&outer)
        {
            cost += tree.charge[outer as usize];
            news.push(outer);
            outer = tree.parent[outer as usize];
        }
        let affordable = if budget < cost { 0 } else { ((budget - cost) / column.charge.max(1)) as usize };
        let before = bins.len();
        for count in (1..=affordable.min(column.bins.len())).rev() {
            bins.extend_from_slice(&column.bins[..count]);
            let more: u64 =
                column.bins[..count].iter().map(|&bin| self.search.slots.sums[bin as usize]).sum();
            let opened = self.opened.len();
            self.opened.extend_from_slice(&news);
            self.choose(at + 1, budget - cost - column.charge * count as i64, held + more, bins);
            self.opened.truncate(opened);
            bins.truncate(before);
        }
        self.choose(at + 1, budget, held, bins);
    }

    fn pack(&mut self, bins: &[u32]) {
        let search = &mut *self.search;
        match pack(
            &search.capacity(bins),
            &search.sorts,
            &mut search.steps,
            search.context.rules.search_budget,
        ) {
            Packed::Yes(packed) => {
                let cost = search.cost(bins, self.domain);
                self.found = Some(Opened { cost, bins: bins.to_vec(), packed, nodes: Vec::new() });
            }
            Packed::No => {}
            Packed::Unknown => self.over = true,
        }
    }
}
