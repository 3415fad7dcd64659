//! Places groups one after the other on a trial: each in the lowest domain that takes it, where it touches least that is
//! new and leaves least.

use super::bounds::{homes_inside, kind_of};
use crate::placement::Context;
use crate::placement::cover::{Cover, Ground};
use crate::placement::demand::Group;
use crate::placement::fill::Fill;
use crate::placement::limits::Limits;
use crate::placement::nodes::{Scorer, Seat};
use crate::placement::plan::Plan;
use crate::placement::rules::Packing;
use crate::placement::single::seat;
use crate::placement::trial::Trial;
use std::cmp::Reverse;

/// Places groups one after the other.
pub(in crate::placement) struct Maker<'c, 'a, 't, 'm> {
    context: &'c Context<'a>,
    trial: &'m mut Trial<'a, 't>,
    cover: &'m mut Cover,
    fill: &'m Fill,
}

impl<'c, 'a, 't, 'm> Maker<'c, 'a, 't, 'm> {
    pub(in crate::placement) fn new(
        context: &'c Context<'a>,
        trial: &'m mut Trial<'a, 't>,
        cover: &'m mut Cover,
        fill: &'m Fill,
    ) -> Self {
        Maker { context, trial, cover, fill }
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
        if keys.len() > Limits::HOMES {
            keys.select_nth_unstable(Limits::HOMES);
            keys.truncate(Limits::HOMES);
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
    pub(in crate::placement) fn place_most(&mut self, region: u32) {
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
