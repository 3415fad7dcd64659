//! The least `NodeScore` among the ways to hold pods of one kind inside a domain at the least `Domains`, exactly.
//!
//! [`super::cover`] finds the least `Domains` at any size and any of the ways that cost so little. This programme tells
//! those ways apart. For every domain it knows, for each number of units, the least price, which is the pair of both
//! terms, the one that stands first in the order first:
//!
//! ```text
//! price of j units = least over k of (price of j - k units in what came before + price of k units in the next item)
//! ```
//!
//! over the domain's own nodes and then the domains inside. Pairs are added and compared as numbers are, so the least of
//! the whole is made of the least of the parts. An item costs the units before it times its own; what would exceed a
//! budget is not begun. Among equals, the first places in depth-first order are filled.

use super::cover::{Ground, holds_own, inner_limit, is_home, size};
use super::limits::Limits;
use super::nodes::{Scorer, Seat};
use rustc_hash::FxHashMap;

/// The programme, and what is left of the budget of a decision.
#[derive(Debug)]
pub(super) struct Least {
    left: u64,
    /// Does `NodeScore` stand before `Domains`?
    score_first: bool,
}

/// Pods that sit in the domain without a choice, but for the nodes that they get together with the others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken<'a> {
    /// By domain, on nodes directly below it that are alike; empty for none.
    pub(super) domains: &'a [u64],
    /// On lone nodes; a node may be named more than once.
    pub(super) nodes: &'a [Seat],
}

/// The best way to hold units inside a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What the nodes cost.
    pub(super) score: i64,
    /// Charges inside the domain, as [`super::cover::Cover::cost`] counts them.
    pub(super) domains: i64,
    /// All pods by node, in depth-first order, settled ones included.
    pub(super) seats: Vec<Seat>,
}

/// Both terms, the more important one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Price(i64, i64);

impl Price {
    const NOTHING: Price = Price(0, 0);
    /// Of what cannot be had.
    const NONE: Price = Price(i64::MAX, i64::MAX);

    fn plus(self, other: Price) -> Price {
        if self == Price::NONE || other == Price::NONE {
            return Price::NONE;
        }
        Price(self.0.saturating_add(other.0), self.1.saturating_add(other.1))
    }
}

/// The inside of a domain with all choices.
struct Choices {
    items: Vec<Item>,
    /// Least price by pods, or units above the homes; settled pods first.
    prices: Vec<Price>,
    settled: usize,
    /// Pods in each unit that the domain holds.
    size: usize,
}

/// What was added, and the prices before.
struct Item {
    before: Vec<Price>,
    own: Vec<Price>,
    of: Of,
}

enum Of {
    /// A node, and the pods that sit there without a choice.
    Node(u32, u32),
    Inside(Choices),
}

impl Least {
    pub(super) fn new(score_first: bool) -> Self {
        Least { left: Limits::LEAST_STEPS, score_first }
    }

    /// Takes so many steps off the budget; `false` if there are not so many left.
    pub(super) fn afford(&mut self, steps: u64) -> bool {
        let left = self.left.checked_sub(steps);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// The best way to hold so many units inside a domain; `None` if they do not fit or that would take too long.
    pub(super) fn find(
        &mut self,
        ground: &Ground<'_>,
        scorer: &Scorer<'_>,
        taken: Taken<'_>,
        domain: u32,
        units: u32,
    ) -> Option<Found> {
        let mut nodes = FxHashMap::default();
        for seat in taken.nodes {
            *nodes.entry(seat.position).or_default() += seat.pods;
        }
        let programme =
            Programme { ground, scorer, domains: taken.domains, nodes, score_first: self.score_first, units };
        let mut left = self.left;
        programme.capacity(domain, &mut left)?;
        self.left = left;
        let choices = programme.choices(domain);
        let price = choices.price(units as usize).filter(|&price| price != Price::NONE)?;
        let mut seats = Vec::new();
        choices.deal(units as usize, &mut seats);
        seats.sort_unstable();
        let (score, domains) = if self.score_first { (price.0, price.1) } else { (price.1, price.0) };
        Some(Found { score, domains, seats })
    }
}

struct Programme<'a> {
    ground: &'a Ground<'a>,
    scorer: &'a Scorer<'a>,
    domains: &'a [u64],
    nodes: FxHashMap<u32, u32>,
    score_first: bool,
    units: u32,
}

impl Programme<'_> {
    /// The most units that are asked of a domain, and what it would take to find out; `None` beyond `left` steps.
    fn capacity(&self, domain: u32, left: &mut u64) -> Option<u64> {
        let limit = u64::from(inner_limit(self.ground, domain, self.units));
        let settled = self.settled(domain);
        let mut own = 0;
        for (_, slots) in self.own_nodes(domain) {
            own = beside(own, u64::from(slots).min(limit + settled), limit + settled, left)?;
        }
        let mut all = beside(0, own.saturating_sub(settled), limit, left)?;
        for child in self.children(domain) {
            let inner = self.capacity(child, left)?;
            all = beside(all, inner.min(limit), limit, left)?;
        }
        Some(all / self.size(domain) as u64)
    }

    fn choices(&self, domain: u32) -> Choices {
        let tree = self.ground.tree;
        let limit = inner_limit(self.ground, domain, self.units) as usize;
        let settled = self.settled(domain) as usize;
        let mut own = Choices { items: Vec::new(), prices: vec![Price::NOTHING], settled, size: 1 };
        for (position, slots) in self.own_nodes(domain) {
            let most = (slots as usize).min(limit + settled);
            let there = self.nodes.get(&position).copied().unwrap_or(0);
            let charge = match tree.node_charge[domain as usize] {
                charge if !self.ground.touched.node(position) => charge,
                _ => 0,
            };
            let price = |pods: usize| {
                let all = there + pods as u32;
                let score =
                    self.scorer.cost(position, all) - self.scorer.preference(position) * i64::from(all);
                self.price(if pods > 0 { charge } else { 0 }, score)
            };
            own.add((0..=most).map(price).collect(), Of::Node(position, there), limit + settled);
        }
        if own.prices.len() <= settled {
            own.prices.resize(settled + 1, Price::NONE);
        }
        let prices = own.prices[settled..].to_vec();
        let mut all =
            Choices { items: Vec::new(), prices: vec![Price::NOTHING], settled: 0, size: self.size(domain) };
        all.add(prices, Of::Inside(own), limit);
        for child in self.children(domain) {
            let inner = self.choices(child);
            let charge = if self.ground.touched.domain(child) { 0 } else { tree.charge[child as usize] };
            let price = |units: usize| {
                let price = inner.price(units).unwrap_or(Price::NONE);
                price.plus(self.price(if units > 0 { charge } else { 0 }, 0))
            };
            let prices = (0..inner.count().min(limit + 1)).map(price).collect();
            all.add(prices, Of::Inside(inner), limit);
        }
        all
    }

    fn price(&self, domains: i64, score: i64) -> Price {
        if self.score_first { Price(score, domains) } else { Price(domains, score) }
    }

    fn size(&self, domain: u32) -> usize {
        if is_home(self.ground, domain) { size(self.ground) as usize } else { 1 }
    }

    fn settled(&self, domain: u32) -> u64 {
        self.domains.get(domain as usize).copied().unwrap_or(0)
    }

    /// Nodes directly below a domain that can take pods or hold settled ones, and how many more they take.
    fn own_nodes(&self, domain: u32) -> impl Iterator<Item = (u32, u32)> {
        let (start, end) = match holds_own(self.ground, domain) {
            true => self.ground.tree.own[domain as usize],
            false => (0, 0),
        };
        let nodes = (start..end).map(|position| (position, self.ground.nodes[position as usize]));
        nodes.filter(|(position, slots)| *slots > 0 || self.nodes.contains_key(position))
    }

    fn children(&self, domain: u32) -> impl Iterator<Item = u32> {
        let matters =
            |&child: &u32| self.ground.sums[child as usize] > 0 || self.ground.touched.domain(child);
        self.ground.tree.children(domain).filter(matters)
    }
}

/// Units in two items side by side; takes what their prices cost off `left`, if there is so much.
fn beside(before: u64, own: u64, limit: u64, left: &mut u64) -> Option<u64> {
    *left = left.checked_sub((before + 1).saturating_mul(own + 1))?;
    Some((before + own).min(limit))
}

impl Choices {
    fn price(&self, units: usize) -> Option<Price> {
        self.prices.get(self.settled + units * self.size).copied()
    }

    /// Numbers of units that have a price, 0 among them.
    fn count(&self) -> usize {
        (self.prices.len() - 1 - self.settled) / self.size + 1
    }

    fn add(&mut self, own: Vec<Price>, of: Of, limit: usize) {
        let before = std::mem::take(&mut self.prices);
        let len = (before.len() + own.len() - 1).min(limit + 1);
        self.prices = vec![Price::NONE; len];
        for (had, &price) in before.iter().enumerate() {
            for (now, &more) in self.prices[had.min(len)..].iter_mut().zip(&own) {
                *now = (*now).min(price.plus(more));
            }
        }
        self.items.push(Item { before, own, of });
    }

    fn deal(&self, units: usize, seats: &mut Vec<Seat>) {
        let mut left = self.settled + units * self.size;
        let mut price = self.prices[left];
        for item in self.items.iter().rev() {
            let fits = |&own: &usize| {
                let before = left.checked_sub(own).and_then(|before| item.before.get(before));
                before.is_some_and(|&before| before.plus(item.own[own]) == price)
            };
            let own = (0..item.own.len()).find(fits).unwrap_or(0);
            match &item.of {
                &Of::Node(position, there) if there as usize + own > 0 => {
                    seats.push(Seat { position, pods: there + own as u32 });
                }
                Of::Node(..) => {}
                Of::Inside(choices) => choices.deal(own, seats),
            }
            left -= own;
            price = item.before.get(left).copied().unwrap_or(Price::NONE);
        }
    }
}
