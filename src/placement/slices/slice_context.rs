//! A domain with the slices in it that leave no choice taken out: what the others may choose from, and the cutting.

use super::count::{Slices, Split};
use crate::cluster::topology::Tier;
use crate::placement::cover::{Cover, Ground, Place, Share, Touched};
use crate::placement::least::{Found, Least, Taken};
use crate::placement::nodes::{Scorer, Seat};
use crate::placement::single::seat;

/// What is left inside a domain after the slices without a choice, and what those cost.
pub(super) struct SliceContext {
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
    pub(super) paid: i64,
    pub(super) exact: bool,
}

impl SliceContext {
    pub(super) fn new(
        cover: &mut Cover,
        ground: Ground<'_>,
        slices: &Slices<'_>,
        split: Split,
        domain: u32,
    ) -> Self {
        let mut scene = SliceContext {
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

    pub(super) fn cost(&self, cover: &mut Cover, ground: Ground<'_>, size: u32) -> Option<i64> {
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

    /// Seats for all subgroups by node, in depth-first order.
    pub(super) fn seats(
        &self,
        cover: &mut Cover,
        scorer: &Scorer<'_>,
        ground: Ground<'_>,
        size: u32,
    ) -> Option<Vec<Seat>> {
        let tree = ground.tree;
        let mut shares = Vec::new();
        let free = self.ground(ground, size);
        if !cover.deal(&free, self.domain, &mut shares) {
            return None;
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
        Some(seats)
    }

    /// The seats that cost least, if they are found.
    pub(super) fn least(
        &self,
        least: &mut Least,
        scorer: &Scorer<'_>,
        ground: Ground<'_>,
        size: u32,
    ) -> Option<Found> {
        let free = self.ground(ground, size);
        let units = if free.home.is_some() { self.split.free } else { self.split.free * u64::from(size) };
        let taken = Taken { domains: &self.taken, nodes: &self.taken_nodes };
        least.find(&free, scorer, taken, self.domain, u32::try_from(units).ok()?)
    }

    /// Cuts seats for all subgroups.
    pub(super) fn cut(
        &self,
        mut seats: Vec<Seat>,
        ground: Ground<'_>,
        slices: &Slices<'_>,
    ) -> Vec<Vec<Seat>> {
        let (tree, size) = (ground.tree, slices.size);
        let mut planned = vec![0u64; tree.len()];
        if let Some(tier) = self.split.used_up {
            for domain in tree.inside(self.domain).filter(|&domain| tree.tier[domain as usize] <= tier) {
                planned[domain as usize] = slices.own(domain);
            }
        }
        match self.ground(ground, size).home {
            None => planned[self.domain as usize] += self.split.free,
            Some((_, tier)) => {
                for home in tree.inside(self.domain).filter(|&home| tree.is_outermost_within(home, tier)) {
                    let (start, end) = tree.run[home as usize];
                    let at = |position: u32| seats.partition_point(|seat| seat.position < position);
                    let pods: u64 = seats[at(start)..at(end)].iter().map(|seat| u64::from(seat.pods)).sum();
                    let used_up: u64 = tree.inside(home).map(|inner| planned[inner as usize]).sum();
                    planned[home as usize] += (pods / u64::from(size)).saturating_sub(used_up);
                }
            }
        }
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
        cut
    }
}
