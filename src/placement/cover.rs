//! The exact programme for pods of one kind: the fewest domains that hold so many units.
//!
//! A unit is a pod, or a whole subgroup of a fixed size that must lie inside one domain ([`Ground::home`]). For every
//! domain the programme knows a *staircase*: for each cost, the most units that fit inside at that cost, where cost is
//! the sum of charges of the domains touched ([`Tree`]).
//!
//! - Pieces that need no further choice (innermost domains, lone nodes) and cost the same: to touch `m` of them, the
//!   `m` largest are best, whatever the number of units. (Take any choice of `m`; swap the largest piece left out for
//!   the smallest taken: the cost stays, the capacity does not fall.) So a block of racks has the staircase of prefix
//!   sums of its racks, largest first.
//! - Several staircases side by side: a knapsack over costs, `best[c] = max over steps (w, u) of best[c - w] + u`.
//!   It is indexed by cost, not by units, because costs are small (a gang of 1,024 costs about 100) and the inner
//!   loop is then a maximum over short arrays.
//! - Domains that the gang touches already are free; capacity without a charge is there from the start.
//!
//! Every step is a real choice and all undominated choices are kept, so the cheapest step with enough units is the
//! optimum, at any size. Only where the work would exceed [`WORK_LIMIT`] are staircases thinned, and
//! [`Cover::is_exact`] says so. Among equal costs, choices are heuristic: tight domains are used up first, and the last
//! piece is the smallest that holds the rest.

use super::tree::Tree;
use crate::cluster::topology::Tier;

/// Costs up to which the knapsack is an array by cost.
const DENSE: i64 = 1 << 15;

/// Elementary steps for one decision beyond which staircases are thinned; far beyond what real clusters need.
const WORK_LIMIT: usize = 1 << 26;

/// Steps kept when thinning.
const THINNED: usize = 512;

/// More units than this are never asked for.
const UNITS: u64 = 1 << 30;

/// What there is to cover with.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) tree: &'a Tree,
    /// Pods that fit, by position.
    pub(super) nodes: &'a [u32],
    /// Pods that fit, by domain.
    pub(super) sums: &'a [u64],
    /// Domains that cost nothing more.
    pub(super) touched: &'a Touched,
    /// Units are this many pods, inside one domain of at most this tier; `None`: single pods.
    pub(super) home: Option<(u32, Tier)>,
    /// Use tight domains up first, or wide ones.
    pub(super) tight: bool,
}

/// Domains and nodes that hold pods of the gang already, counted, so that pods can be taken away again.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    /// By domain and by position; empty until something is added.
    domains: Vec<u32>,
    nodes: Vec<u32>,
}

impl Touched {
    /// Notes pods on a node, and all domains around it.
    pub(super) fn add(&mut self, tree: &Tree, position: usize, pods: u32) {
        if self.nodes.is_empty() {
            self.nodes.resize(tree.leaf.len(), 0);
        }
        self.nodes[position] += pods;
        self.add_domain(tree, tree.leaf[position], pods);
    }

    /// Notes pods somewhere in a domain, and all domains around it.
    pub(super) fn add_domain(&mut self, tree: &Tree, domain: u32, pods: u32) {
        if self.domains.is_empty() {
            self.domains.resize(tree.len(), 0);
        }
        let mut at = domain;
        while at > 0 {
            self.domains[at as usize] += pods;
            at = tree.parent[at as usize];
        }
    }

    /// Takes back what [`Touched::add`] noted.
    pub(super) fn remove(&mut self, tree: &Tree, position: usize, pods: u32) {
        self.nodes[position] -= pods;
        let mut at = tree.leaf[position];
        while at > 0 {
            self.domains[at as usize] -= pods;
            at = tree.parent[at as usize];
        }
    }

    /// Is the domain touched?
    pub(super) fn domain(&self, domain: u32) -> bool {
        self.domains.get(domain as usize).is_some_and(|&pods| pods > 0)
    }

    /// All touched domains but the root, ascending.
    pub(super) fn domains(&self) -> impl Iterator<Item = u32> + '_ {
        let touched = self.domains.iter().enumerate().filter(|&(_, &pods)| pods > 0);
        touched.map(|(domain, _)| domain as u32)
    }

    /// Positions of all touched nodes, ascending.
    pub(super) fn nodes(&self) -> impl Iterator<Item = u32> + '_ {
        let touched = self.nodes.iter().enumerate().filter(|&(_, &pods)| pods > 0);
        touched.map(|(position, _)| position as u32)
    }

    /// Is the node touched?
    pub(super) fn node(&self, position: u32) -> bool {
        self.nodes.get(position as usize).is_some_and(|&pods| pods > 0)
    }
}

/// Pods for a place: the nodes directly below a domain, or one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) place: Place,
    pub(super) pods: u32,
}

/// Where pods go before single nodes are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Any of the nodes directly below the domain.
    Own(u32),
    /// The node at a position.
    Node(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    cost: i64,
    units: u32,
}

/// A piece that needs no further choice.
#[derive(Clone, Copy, Debug)]
struct Piece {
    charge: i64,
    units: u32,
    place: PieceOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PieceOf {
    Domain(u32),
    Node(u32),
}

/// One of the staircases that are combined: a group of equal-charged pieces, or a domain with choices inside.
#[derive(Clone, Debug)]
struct Item {
    of: ItemOf,
    steps: Vec<Step>,
    /// Capacity, for choosing among equals.
    room: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ItemOf {
    /// Pieces `start..end`, largest first.
    Pieces(usize, usize),
    Domain(u32),
}

/// What lies inside a domain, sorted out for combining.
#[derive(Debug, Default)]
struct Layout {
    /// Units without any cost.
    base: u64,
    pieces: Vec<Piece>,
    items: Vec<Item>,
}

/// Staircases by domain, for one ground at a time.
#[derive(Debug, Default)]
pub(super) struct Cover {
    limit: u32,
    stairs: Vec<Vec<Step>>,
    done: Vec<bool>,
    filled: Vec<u32>,
    layout: Layout,
    dense: (Vec<u32>, Vec<u32>),
    work: usize,
    thinned: bool,
}

impl Cover {
    /// Starts over for another ground, or another number of units.
    pub(super) fn begin(&mut self, ground: &Ground<'_>, units: u64) {
        let len = ground.tree.len();
        for &domain in &self.filled {
            self.done[domain as usize] = false;
        }
        self.filled.clear();
        if self.stairs.len() < len {
            self.stairs.resize_with(len, Vec::new);
            self.done.resize(len, false);
        }
        self.limit = units.min(UNITS) as u32;
        self.work = 0;
        self.thinned = false;
    }

    /// Were all staircases complete so far?
    pub(super) fn is_exact(&self) -> bool {
        !self.thinned
    }

    /// The least cost of holding all units inside the domain, not counting the domain itself and what is around it;
    /// `None` if they do not fit.
    pub(super) fn cost(&mut self, ground: &Ground<'_>, domain: u32) -> Option<i64> {
        self.climb(ground, domain);
        let last = self.stairs[domain as usize].last()?;
        (last.units >= self.limit).then_some(last.cost)
    }

    /// Deals all units out inside the domain at the least cost. `false` if they do not fit.
    pub(super) fn deal(&mut self, ground: &Ground<'_>, domain: u32, out: &mut Vec<Share>) -> bool {
        if self.cost(ground, domain).is_none() {
            return false;
        }
        let mut open = vec![(domain, self.limit)];
        while let Some((at, units)) = open.pop() {
            let pods = if is_home(ground, at) { units.saturating_mul(size(ground)) } else { units };
            self.deal_one(ground, at, pods, &mut open, out);
        }
        true
    }

    /// Computes the staircases of a domain and of everything inside.
    fn climb(&mut self, ground: &Ground<'_>, domain: u32) {
        if self.done[domain as usize] {
            return;
        }
        for at in ground.tree.inside(domain).rev() {
            if !self.done[at as usize] {
                self.stair(ground, at);
                self.done[at as usize] = true;
                self.filled.push(at);
            }
        }
    }

    fn stair(&mut self, ground: &Ground<'_>, domain: u32) {
        let mut steps = std::mem::take(&mut self.stairs[domain as usize]);
        steps.clear();
        if ground.tree.is_lump(domain) && !is_home(ground, domain) && holds_own(ground, domain) {
            let limit = inner_limit(ground, domain, self.limit);
            steps.push(Step { cost: 0, units: ground.sums[domain as usize].min(u64::from(limit)) as u32 });
            self.stairs[domain as usize] = steps;
            return;
        }
        let limit = inner_limit(ground, domain, self.limit);
        if ground.sums[domain as usize] > 0 {
            let mut layout = std::mem::take(&mut self.layout);
            self.lay_out(ground, domain, limit, &mut layout);
            match &layout.items[..] {
                [] => steps.push(Step { cost: 0, units: layout.base.min(u64::from(limit)) as u32 }),
                [item] => {
                    let base = layout.base.min(u64::from(limit)) as u32;
                    steps.push(Step { cost: 0, units: base });
                    for step in &item.steps {
                        push(&mut steps, Step { cost: step.cost, units: (base + step.units).min(limit) });
                    }
                }
                items => {
                    let base = layout.base.min(u64::from(limit)) as u32;
                    steps = self.combine(base, items, limit, None);
                }
            }
            self.layout = layout;
        } else {
            steps.push(Step { cost: 0, units: 0 });
        }
        if is_home(ground, domain) {
            let size = size(ground);
            let mut whole: Vec<Step> = vec![Step { cost: 0, units: 0 }];
            for step in &steps {
                let step = Step { cost: step.cost, units: step.units / size };
                if step.cost == 0 { whole[0] = step } else { push(&mut whole, step) }
            }
            steps = whole;
        }
        self.stairs[domain as usize] = steps;
    }

    /// Sorts out what lies directly inside a domain. Children must have their staircases.
    fn lay_out(&self, ground: &Ground<'_>, domain: u32, limit: u32, layout: &mut Layout) {
        let tree = ground.tree;
        layout.base = 0;
        layout.pieces.clear();
        layout.items.clear();
        let mut own = ground.sums[domain as usize];
        for child in tree.children(domain) {
            own -= ground.sums[child as usize];
            let stairs = &self.stairs[child as usize];
            let charge = if ground.touched.domain(child) { 0 } else { tree.charge[child as usize] };
            if charge == 0 {
                let base = stairs[0].units;
                layout.base += u64::from(base);
                let rest = stairs[1..].iter().map(|s| Step { cost: s.cost, units: s.units - base });
                if stairs.len() > 1 {
                    layout.items.push(item(ground, child, rest.collect()));
                }
            } else if let [only] = stairs[..] {
                if only.units > 0 {
                    layout.pieces.push(Piece { charge, units: only.units, place: PieceOf::Domain(child) });
                }
            } else {
                let steps = stairs.iter().filter(|s| s.units > 0);
                let steps = steps.map(|s| Step { cost: s.cost + charge, units: s.units });
                layout.items.push(item(ground, child, steps.collect()));
            }
        }
        if own > 0 && holds_own(ground, domain) {
            let charge = tree.node_charge[domain as usize];
            if charge == 0 {
                layout.base += own;
            } else {
                let (start, end) = tree.own[domain as usize];
                for position in start..end {
                    let units = ground.nodes[position as usize].min(limit);
                    if units == 0 {
                    } else if ground.touched.node(position) {
                        layout.base += u64::from(units);
                    } else {
                        layout.pieces.push(Piece { charge, units, place: PieceOf::Node(position) });
                    }
                }
            }
        }
        layout.pieces.sort_unstable_by_key(|p| (p.charge, std::cmp::Reverse(p.units), p.place));
        let mut start = 0;
        while start < layout.pieces.len() {
            let charge = layout.pieces[start].charge;
            let mut end = start;
            let mut steps = Vec::new();
            let (mut cost, mut units) = (0i64, 0u32);
            while end < layout.pieces.len() && layout.pieces[end].charge == charge {
                if units < limit {
                    cost += charge;
                    units = units.saturating_add(layout.pieces[end].units).min(limit);
                    steps.push(Step { cost, units });
                }
                end += 1;
            }
            let room = u64::MAX;
            layout.items.push(Item { of: ItemOf::Pieces(start, end), steps, room });
            start = end;
        }
    }

    /// The staircase of several items side by side. With `prefixes`, also that of the first 0, 1, 2, ... of them.
    fn combine(
        &mut self,
        base: u32,
        items: &[Item],
        limit: u32,
        mut prefixes: Option<&mut Vec<Vec<Step>>>,
    ) -> Vec<Step> {
        let mut steps = vec![Step { cost: 0, units: base.min(limit) }];
        let bound = upper_bound(base, items, limit);
        let choices: usize = items.iter().map(|item| item.steps.len()).sum();
        let dense = bound <= DENSE && self.work + bound as usize * choices <= WORK_LIMIT;
        let (mut now, mut next) = std::mem::take(&mut self.dense);
        if dense {
            now.clear();
            now.resize(bound as usize + 1, base.min(limit));
        }
        for item in items {
            if let Some(prefixes) = prefixes.as_deref_mut() {
                prefixes.push(if dense { compress(&now) } else { steps.clone() });
            }
            if dense {
                self.work += now.len() * item.steps.len();
                next.clone_from(&now);
                for step in &item.steps {
                    let Some(keep) = now.len().checked_sub(step.cost as usize).filter(|&keep| keep > 0)
                    else {
                        break;
                    };
                    for (to, from) in next[step.cost as usize..].iter_mut().zip(&now[..keep]) {
                        *to = (*to).max((from + step.units).min(limit));
                    }
                }
                std::mem::swap(&mut now, &mut next);
                let enough = now.partition_point(|&units| units < limit);
                now.truncate(enough + 1);
            } else {
                // sorting makes a step here about sixteen times as dear
                let work = 16 * steps.len() * item.steps.len();
                if self.work + work > WORK_LIMIT && steps.len() > THINNED {
                    self.thinned = true;
                    thin(&mut steps);
                }
                self.work += work;
                steps = sparse(&steps, &item.steps, limit);
            }
        }
        if dense {
            steps = compress(&now);
        }
        self.dense = (now, next);
        steps
    }

    /// Deals `pods` (or units, above the homes) out over what lies directly inside a domain.
    fn deal_one(
        &mut self,
        ground: &Ground<'_>,
        domain: u32,
        amount: u32,
        open: &mut Vec<(u32, u32)>,
        out: &mut Vec<Share>,
    ) {
        if amount == 0 {
            return;
        }
        let mut layout = std::mem::take(&mut self.layout);
        self.lay_out(ground, domain, amount, &mut layout);
        // Backwards through the items, the tight ones come first.
        layout.items.sort_by_key(|item| {
            let room = if ground.tight { item.room } else { u64::MAX - item.room };
            std::cmp::Reverse((room, item_position(item)))
        });
        let base = layout.base.min(u64::from(amount)) as u32;
        let mut prefixes = Vec::new();
        let stairs = self.combine(base, &layout.items, amount, Some(&mut prefixes));
        let mut budget = stairs.last().map_or(0, |step| step.cost);
        let mut need = amount;
        let mut chosen: Vec<(usize, Step)> = Vec::new();
        for (at, item) in layout.items.iter().enumerate().rev() {
            let before = &prefixes[at];
            let fits = |step: &&Step| {
                step.cost <= budget && reach(before, budget - step.cost) >= need.saturating_sub(step.units)
            };
            // The step with the most units that leaves the optimum in reach; none if the item is not needed.
            if let Some(&step) = item.steps.iter().rev().find(fits) {
                budget -= step.cost;
                need = need.saturating_sub(step.units);
                chosen.push((at, step));
            }
            if need <= base {
                break;
            }
        }
        self.settle(ground, domain, amount, &layout, &chosen, open, out);
        self.layout = layout;
    }

    /// Turns chosen steps into shares. What is free goes first; what the steps hold beyond the amount stays in the last
    /// group of pieces, in the piece that fits the rest best.
    #[allow(clippy::too_many_arguments)]
    fn settle(
        &self,
        ground: &Ground<'_>,
        domain: u32,
        amount: u32,
        layout: &Layout,
        chosen: &[(usize, Step)],
        open: &mut Vec<(u32, u32)>,
        out: &mut Vec<Share>,
    ) {
        let tree = ground.tree;
        let mut left = amount;
        let mut take = |units: u32| {
            let taken = units.min(left);
            left -= taken;
            taken
        };
        // Free capacity: own nodes, touched children, touched nodes.
        let mut own = ground.sums[domain as usize];
        let mut extra: Vec<(u32, u32)> = Vec::new();
        for child in tree.children(domain) {
            own -= ground.sums[child as usize];
            if ground.touched.domain(child) || tree.charge[child as usize] == 0 {
                let taken = take(self.stairs[child as usize][0].units);
                if taken > 0 {
                    extra.push((child, taken));
                }
            }
        }
        if own > 0 && holds_own(ground, domain) {
            if tree.node_charge[domain as usize] == 0 {
                let pods = take(own.min(u64::from(u32::MAX)) as u32);
                if pods > 0 {
                    out.push(Share { place: Place::Own(domain), pods });
                }
            } else {
                let (start, end) = tree.own[domain as usize];
                for position in (start..end).filter(|&position| ground.touched.node(position)) {
                    let pods = take(ground.nodes[position as usize]);
                    if pods > 0 {
                        out.push(Share { place: Place::Node(position), pods });
                    }
                }
            }
        }
        // Domains with choices inside go before groups of pieces, so that slack ends up where it can be fitted.
        for &(at, step) in chosen {
            if let ItemOf::Domain(child) = layout.items[at].of {
                let taken = take(step.units);
                match extra.iter_mut().find(|(known, _)| *known == child) {
                    Some((_, units)) => *units += taken,
                    None => extra.push((child, taken)),
                }
            }
        }
        for &(at, step) in chosen {
            if let ItemOf::Pieces(start, end) = layout.items[at].of {
                let pieces = &layout.pieces[start..end];
                let count = (step.cost / pieces[0].charge) as usize;
                for piece in &pieces[..count - 1] {
                    place(ground, piece.place, take(piece.units), &mut extra, out);
                }
                // Every piece before it is full, so the rest needs exactly one more.
                let held: u64 = pieces[..count - 1].iter().map(|piece| u64::from(piece.units)).sum();
                let rest = take((u64::from(step.units)).saturating_sub(held) as u32);
                let fitting = pieces[count - 1..].partition_point(|piece| piece.units >= rest);
                let last = if ground.tight && fitting > 0 {
                    // the smallest that holds it, and of equals the first
                    let units = pieces[count + fitting - 2].units;
                    count - 1 + pieces[count - 1..].partition_point(|piece| piece.units > units)
                } else {
                    count - 1
                };
                place(ground, pieces[last].place, rest, &mut extra, out);
            }
        }
        debug_assert_eq!(left, 0, "the chosen steps hold the amount");
        open.extend(extra.into_iter().filter(|&(_, units)| units > 0));
    }
}

fn place(
    _ground: &Ground<'_>,
    piece: PieceOf,
    units: u32,
    extra: &mut Vec<(u32, u32)>,
    out: &mut Vec<Share>,
) {
    match piece {
        PieceOf::Domain(child) => extra.push((child, units)),
        PieceOf::Node(position) if units > 0 => out.push(Share { place: Place::Node(position), pods: units }),
        PieceOf::Node(_) => {}
    }
}

fn size(ground: &Ground<'_>) -> u32 {
    ground.home.map_or(1, |(size, _)| size.max(1))
}

/// Are subgroups formed inside this domain (it is the outermost that may hold one)?
fn is_home(ground: &Ground<'_>, domain: u32) -> bool {
    ground.home.is_some_and(|(_, tier)| ground.tree.is_outermost_within(domain, tier))
}

/// May pods sit on nodes directly below the domain? Not above the homes, where no subgroup can form.
fn holds_own(ground: &Ground<'_>, domain: u32) -> bool {
    ground.home.is_none_or(|(_, tier)| ground.tree.tier[domain as usize] <= tier)
}

/// Units are pods inside homes.
fn inner_limit(ground: &Ground<'_>, domain: u32, limit: u32) -> u32 {
    match ground.home {
        Some((size, tier)) if ground.tree.tier[domain as usize] <= tier => {
            limit.saturating_mul(size.max(1)).min(UNITS as u32)
        }
        _ => limit,
    }
}

fn item(ground: &Ground<'_>, child: u32, steps: Vec<Step>) -> Item {
    Item { of: ItemOf::Domain(child), steps, room: ground.sums[child as usize] }
}

fn item_position(item: &Item) -> (u32, u32) {
    match item.of {
        ItemOf::Domain(child) => (0, child),
        ItemOf::Pieces(start, _) => (1, start as u32),
    }
}

/// Appends a step unless it gives no more than the last.
fn push(steps: &mut Vec<Step>, step: Step) {
    if steps.last().is_none_or(|last| step.units > last.units) {
        steps.push(step);
    }
}

/// The most units at no more than a cost.
fn reach(steps: &[Step], cost: i64) -> u32 {
    match steps.partition_point(|step| step.cost <= cost) {
        0 => 0,
        above => steps[above - 1].units,
    }
}

fn compress(dense: &[u32]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (cost, &units) in dense.iter().enumerate() {
        push(&mut steps, Step { cost: cost as i64, units });
    }
    steps
}

/// A cost that surely suffices: the items with the most units first, the last one only as far as needed.
fn upper_bound(base: u32, items: &[Item], limit: u32) -> i64 {
    let mut by_units: Vec<(u32, usize)> =
        items.iter().enumerate().filter_map(|(at, i)| i.steps.last().map(|step| (step.units, at))).collect();
    by_units.sort_unstable_by_key(|&(units, at)| (std::cmp::Reverse(units), at));
    let (mut cost, mut units) = (0i64, base);
    for (_, at) in by_units {
        let steps = &items[at].steps;
        let enough = steps.partition_point(|step| units.saturating_add(step.units) < limit);
        if let Some(step) = steps.get(enough) {
            return cost + step.cost;
        }
        let last = steps[steps.len() - 1];
        cost += last.cost;
        units = units.saturating_add(last.units);
    }
    cost
}

/// [`Cover::combine`] for two staircases of any cost.
fn sparse(first: &[Step], second: &[Step], limit: u32) -> Vec<Step> {
    let mut all: Vec<Step> = first.to_vec();
    for a in first {
        for b in second {
            all.push(Step { cost: a.cost + b.cost, units: (a.units + b.units).min(limit) });
            if a.units + b.units >= limit {
                break;
            }
        }
    }
    all.sort_unstable_by_key(|step| (step.cost, std::cmp::Reverse(step.units)));
    let mut steps = Vec::new();
    for step in all {
        push(&mut steps, step);
        if step.units >= limit {
            break;
        }
    }
    steps
}

/// Drops steps evenly, never the first or the last.
fn thin(steps: &mut Vec<Step>) {
    let stride = steps.len().div_ceil(THINNED).max(1);
    let last = steps.len().saturating_sub(1);
    let mut at = 0;
    steps.retain(|_| {
        let keep = at % stride == 0 || at == last;
        at += 1;
        keep
    });
}
