//! As many pods as possible, where not all fit: what the minima need first, then the rest, then pods for groups that are
//! placed in part.

use super::GroupPlacer;
use crate::placement::Context;
use crate::placement::general::bounds::kind_of;
use std::cmp::Reverse;

impl GroupPlacer<'_, '_, '_, '_> {
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
        let mut size = |group: u32| {
            let pods = u64::from(demand.groups[group as usize].pods());
            self.shake.as_mut().map_or(pods, |shake| pods * (64 + shake.below(65) as u64))
        };
        groups.sort_by_cached_key(|&group| (Reverse(size(group)), group));
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
            if !counts.iter().any(|&(kind, _)| self.is_open(kind, home)) {
                continue;
            }
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
