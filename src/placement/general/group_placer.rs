//! Places groups one after the other on a trial: each in the lowest domain that takes it, where it touches least that is
//! new and leaves least.

mod most;

use super::bounds::homes_inside;
use crate::placement::Context;
use crate::placement::cover::{Cover, Ground};
use crate::placement::demand::Group;
use crate::placement::fill::Fill;
use crate::placement::limits::Limits;
use crate::placement::nodes::{Scorer, Seat};
use crate::placement::plan::Plan;
use crate::placement::random::Random;
use crate::placement::rules::Packing;
use crate::placement::single::seat;
use crate::placement::trial::Trial;
use std::cmp::Reverse;

/// Places groups one after the other.
pub(in crate::placement) struct GroupPlacer<'c, 'a, 't, 'm> {
    context: &'c Context<'a>,
    trial: &'m mut Trial<'a, 't>,
    cover: &'m mut Cover,
    fill: &'m Fill,
    /// Groups that are placed before all others.
    front: Vec<u32>,
    /// Disturbs the order of groups, homes and nodes.
    shake: Option<Random>,
}

impl<'c, 'a, 't, 'm> GroupPlacer<'c, 'a, 't, 'm> {
    pub(in crate::placement) fn new(
        context: &'c Context<'a>,
        trial: &'m mut Trial<'a, 't>,
        cover: &'m mut Cover,
        fill: &'m Fill,
    ) -> Self {
        GroupPlacer { context, trial, cover, fill, front: Vec::new(), shake: None }
    }

    /// Has it place some groups first, and disturb its order.
    pub(super) fn disturbed(mut self, front: &[u32], shake: Option<Random>) -> Self {
        self.front = front.to_vec();
        self.shake = shake;
        self
    }

    /// The trial that it places on.
    pub(in crate::placement) fn trial(&mut self) -> &mut Trial<'a, 't> {
        self.trial
    }

    /// What has been taken, as a plan.
    pub(in crate::placement) fn plan(&self) -> Plan {
        Plan::of_takings(self.trial.taken())
    }

    /// Places all pods inside a domain, or says that it could not.
    pub(super) fn place_all(&mut self, domain: u32) -> bool {
        self.try_all(domain).is_ok()
    }

    /// Places all pods inside a domain. An error is the group that found no place.
    pub(super) fn try_all(&mut self, domain: u32) -> Result<(), u32> {
        let demand = self.context.demand;
        let mut order: Vec<u32> = (0..demand.groups.len() as u32).collect();
        let weight = |group: &u32| self.weight(&demand.groups[*group as usize], domain);
        let mut keys: Vec<(bool, bool, Reverse<u64>)> = Vec::with_capacity(order.len());
        for group in &order {
            let it = &demand.groups[*group as usize];
            keys.push((it.policy.is_none(), it.anchor.is_none(), Reverse(weight(group))));
        }
        if let Some(shake) = &mut self.shake {
            keys.iter_mut()
                .for_each(|key| key.2.0 = (key.2.0 / 64).saturating_mul(44 + shake.below(41) as u64));
        }
        order.sort_by_key(|&group| {
            (self.front.iter().position(|&known| known == group).unwrap_or(usize::MAX), keys[group as usize])
        });
        order
            .into_iter()
            .try_for_each(|group| if self.place_group(group, domain) { Ok(()) } else { Err(group) })
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
        let mut tried = 0;
        for home in homes {
            if tried == Limits::HOMES {
                break;
            }
            // Slots do not say where pods depend on each other's places: a home that is shut costs no try.
            if !counts.iter().all(|&(kind, _)| self.is_open(kind, home)) {
                continue;
            }
            tried += 1;
            if self.pack(group, &counts, home) {
                return true;
            }
        }
        false
    }

    /// May a pod of the kind go to any node of a domain, as far as other pods are concerned?
    pub(super) fn is_open(&self, kind: u32, home: u32) -> bool {
        if !self.trial.keeps_apart(kind) || !self.trial.is_loaded(kind) {
            return true;
        }
        let (start, end) = self.context.tree.run[home as usize];
        let slots = &self.trial.slots(kind).nodes;
        (start..end).any(|position| slots[position as usize] > 0 && self.trial.allows(kind, position))
    }

    /// The most promising homes for a group: lowest tier, least touched anew, least left over.
    fn homes(
        &mut self,
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
        let mut shake = self.shake.take();
        let mut key = |home: u32| {
            let mut paid = home;
            while paid > 0 && !self.trial.touched.domain(paid) {
                paid = tree.parent[paid as usize];
            }
            let charge = tree.path[home as usize] - tree.path[paid as usize];
            let room = sum(main, home);
            let room = if rules.packing == Packing::Tight { room } else { u64::MAX - room };
            let room = shake.as_mut().map_or(room, |shake| shake.below(1 << 16) as u64);
            (group.tier_cost(tree.tier[home as usize]), charge, room, home)
        };
        let mut keys: Vec<(i64, i64, u64, u32)> = homes_inside(self.context, group, domain)
            .filter(|&home| test(counts, &|kind| sum(kind, home)))
            .map(&mut key)
            .collect();
        self.shake = shake;
        let apart = counts.iter().any(|&(kind, _)| self.trial.keeps_apart(kind));
        let most = if apart { Limits::COUPLED_HOMES } else { Limits::HOMES };
        if keys.len() > most {
            keys.select_nth_unstable(most);
            keys.truncate(most);
        }
        keys.sort_unstable();
        keys.into_iter().map(|(_, _, _, home)| home).collect()
    }

    /// Puts so many pods of each kind inside a domain, the hardest kind first; all or none.
    pub(in crate::placement) fn pack(&mut self, group: u32, counts: &[(u32, u32)], home: u32) -> bool {
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
                return self.pack_evenly(group, counts, home);
            }
        }
        true
    }

    /// Puts so many pods of each kind inside a domain, node by node, and each time the kind that lags behind most; all or
    /// none. Kinds that ask for much of different resources share nodes where either alone would leave the other no room.
    fn pack_evenly(&mut self, group: u32, counts: &[(u32, u32)], home: u32) -> bool {
        let pods: u32 = counts.iter().map(|&(_, count)| count).sum();
        let kinds: Vec<u32> = counts.iter().map(|&(kind, _)| kind).collect();
        if counts.len() < 2 || pods > Limits::EVENLY || kinds.iter().any(|&kind| self.trial.is_coupled(kind))
        {
            return false;
        }
        self.trial.load(&kinds);
        if !kinds.iter().all(|&kind| self.trial.is_loaded(kind)) {
            return false;
        }
        let before = self.trial.taken().len();
        let mut missing = pods;
        let mut left: Vec<u32> = counts.iter().map(|&(_, count)| count).collect();
        let (start, end) = self.context.tree.run[home as usize];
        for position in start..end {
            loop {
                let fits =
                    |at: &usize| left[*at] > 0 && self.trial.slots(kinds[*at]).nodes[position as usize] > 0;
                // Fractions left, compared without dividing; among equals the first kind.
                let lag = |at: usize, other: usize| u64::from(left[at]) * u64::from(counts[other].1);
                let next =
                    (0..kinds.len()).filter(fits).max_by(|&a, &b| lag(a, b).cmp(&lag(b, a)).then(b.cmp(&a)));
                let Some(next) = next else { break };
                self.trial.take(group, kinds[next], Seat { position, pods: 1 });
                left[next] -= 1;
                missing -= 1;
            }
            if missing == 0 {
                return true;
            }
        }
        self.trial.undo_to(before);
        false
    }

    /// Puts up to so many pods of a kind inside a domain and says how many.
    pub(in crate::placement) fn pack_kind(&mut self, group: u32, kind: u32, count: u32, home: u32) -> u32 {
        self.trial.load(&[kind]);
        if self.trial.is_coupled(kind) {
            return self.pack_coupled(group, kind, count, home);
        }
        let demand = self.context.demand;
        let slots = self.trial.slots(kind);
        let count = u64::from(count).min(slots.sums[home as usize]) as u32;
        if count == 0 {
            return 0;
        }
        let ground = Ground::of_pods(self.context, &slots.nodes, &slots.sums, &self.trial.touched);
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
        if let Some(shake) = &mut self.shake
            && shake.below(2) == 0
        {
            for at in (1..order.len()).rev() {
                order.swap(at, shake.below(at + 1));
            }
        }
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
}
