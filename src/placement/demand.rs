//! A request, sorted out for the solvers: groups of pods that belong together, by kind; what runs already and where;
//! what is needed at least.
//!
//! A *kind* is a pod class that occurs among the pods to place. A *group* is a subgroup with pods to place, or all the
//! pods that no policy claims, taken together (the loose group). A subgroup that cannot become complete with the pods
//! it has is left out: it is placed as a whole or not at all.

use super::cover::Touched;
use super::request::{GangRequest, Member, TierRule};
use super::tree::Tree;
use crate::cluster::View;
use crate::cluster::ids::ClassId;
use crate::cluster::topology::Tier;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::ops::Range;

/// The request, sorted out.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// Classes of the pods to place, in order of appearance.
    pub(super) kinds: Vec<ClassId>,
    /// Groups with pods to place.
    pub(super) groups: Vec<Group>,
    /// Pods to place by group, in rank order within each.
    members: Vec<Member>,
    /// Pods by group and kind.
    counts: Vec<(u32, u32)>,
    /// The innermost domain around the pods that hold a known node.
    pub(super) running: Option<u32>,
    /// Where they are.
    pub(super) touched: Touched,
    /// The gang's rule.
    pub(super) rule: TierRule,
    /// Pods that the minimum still lacks.
    pub(super) minimum: u64,
    /// Pods that each role still lacks.
    pub(super) roles: Vec<(u32, u64)>,
    /// Complete subgroups that each policy still lacks.
    pub(super) policies: Vec<u64>,
    /// Cost term `SubgroupTier` of subgroups that have no pod to place.
    pub(super) settled_tiers: i64,
    /// Pods to place, those of subgroups that cannot become complete included.
    pub(super) pending: u64,
}

/// Pods to place together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Index of the policy; `None` for the loose group.
    pub(super) policy: Option<u32>,
    /// The policy's rule.
    pub(super) rule: TierRule,
    /// Index of its pods.
    members: Range<usize>,
    counts: Range<usize>,
    /// Pods to place at least, if any; 0 for loose pods and for complete subgroups.
    pub(super) need: u32,
    /// Would placing `need` make a subgroup complete that is not?
    pub(super) completes: bool,
    /// The innermost domain around its pods that hold a known node.
    pub(super) anchor: Option<u32>,
}

impl Group {
    /// Pods to place.
    pub(super) fn pods(&self) -> u32 {
        self.members.len() as u32
    }

    /// What the tier of the innermost domain around it adds to `SubgroupTier`.
    pub(super) fn tier_cost(&self, tier: Tier) -> i64 {
        if self.policy.is_some() { tier_cost(self.rule, tier) } else { 0 }
    }
}

/// What a tier costs under a rule: nothing up to the preferred one.
pub(super) fn tier_cost(rule: TierRule, tier: Tier) -> i64 {
    match rule.preferred {
        Some(preferred) if tier <= preferred => 0,
        _ => i64::from(tier),
    }
}

impl Demand {
    /// Sorts a request out.
    pub(super) fn new(view: View<'_>, tree: &Tree, request: &GangRequest) -> Self {
        let mut demand = Demand { rule: request.rule, ..Demand::default() };
        let mut kinds: FxHashMap<ClassId, u32> = FxHashMap::default();
        let policies = &request.policies;
        let mut complete = vec![0u64; policies.len()];
        let mut loose: Vec<Member> = Vec::new();
        let mut loose_anchor = None;
        let mut placed = 0u64;
        for subgroup in &request.subgroups {
            placed += subgroup.placed.len() as u64;
            let mut anchor = None;
            for held in &subgroup.placed {
                let Some(position) = held.node.and_then(|node| view.topology.position(node)) else {
                    continue;
                };
                let leaf = tree.leaf[position];
                anchor = Some(anchor.map_or(leaf, |at| tree.common(at, leaf)));
                demand.touched.add(tree, position, 1);
            }
            if let Some(leaf) = anchor {
                demand.running = Some(demand.running.map_or(leaf, |at| tree.common(at, leaf)));
            }
            demand.pending += subgroup.members.len() as u64;
            let policy = subgroup.policy.and_then(|index| policies.get(index as usize).map(|p| (index, p)));
            let Some((index, policy)) = policy else {
                loose_anchor = match (loose_anchor, anchor) {
                    (Some(a), Some(b)) => Some(tree.common(a, b)),
                    (a, b) => a.or(b),
                };
                loose.extend_from_slice(&subgroup.members);
                continue;
            };
            let held = subgroup.placed.len() as u64;
            let size = u64::from(policy.size);
            let is_complete = held >= size;
            complete[index as usize] += u64::from(is_complete);
            let within =
                |anchor| policy.rule.required.is_none_or(|t| tree.outermost_within(anchor, t).is_some());
            let hopeless = held + (subgroup.members.len() as u64) < size || !anchor.is_none_or(within);
            if subgroup.members.is_empty() || hopeless {
                if let Some(anchor) = anchor {
                    demand.settled_tiers += tier_cost(policy.rule, tree.tier[anchor as usize]);
                }
                continue;
            }
            let need = size.saturating_sub(held) as u32;
            demand.push(&mut kinds, &subgroup.members, Some(index), policy.rule, need, anchor);
        }
        if !loose.is_empty() {
            demand.push(&mut kinds, &loose, None, TierRule::default(), 0, loose_anchor);
        }
        demand.minimum = u64::from(request.minimum).saturating_sub(placed);
        demand.policies = policies
            .iter()
            .zip(complete)
            .map(|(policy, complete)| u64::from(policy.minimum).saturating_sub(complete))
            .collect();
        let mut held: BTreeMap<u32, u64> = request.roles.iter().map(|role| (role.role, 0)).collect();
        for placed in request.subgroups.iter().flat_map(|subgroup| &subgroup.placed) {
            if let Some(held) = held.get_mut(&placed.role) {
                *held += 1;
            }
        }
        let mut roles: BTreeMap<u32, u64> = BTreeMap::new();
        for role in &request.roles {
            let lacking = u64::from(role.minimum).saturating_sub(held[&role.role]);
            let entry = roles.entry(role.role).or_default();
            *entry = lacking.max(*entry);
        }
        demand.roles = roles.into_iter().filter(|&(_, lacking)| lacking > 0).collect();
        demand
    }

    fn push(
        &mut self,
        kinds: &mut FxHashMap<ClassId, u32>,
        members: &[Member],
        policy: Option<u32>,
        rule: TierRule,
        need: u32,
        anchor: Option<u32>,
    ) {
        let start = self.members.len();
        self.members.extend_from_slice(members);
        let own = &mut self.members[start..];
        if !own.is_sorted_by_key(|member| (member.rank, member.pod)) {
            own.sort_unstable_by_key(|member| (member.rank, member.pod));
        }
        let first = self.counts.len();
        let mut last = None;
        for member in &self.members[start..] {
            let at = match last {
                Some((class, at)) if class == member.class => at,
                _ => {
                    let next = self.kinds.len() as u32;
                    let kind = *kinds.entry(member.class).or_insert_with(|| {
                        self.kinds.push(member.class);
                        next
                    });
                    match self.counts[first..].iter().position(|&(known, _)| known == kind) {
                        Some(at) => first + at,
                        None => {
                            self.counts.push((kind, 0));
                            self.counts.len() - 1
                        }
                    }
                }
            };
            self.counts[at].1 += 1;
            last = Some((member.class, at));
        }
        self.counts[first..].sort_unstable();
        self.groups.push(Group {
            policy,
            rule,
            members: start..self.members.len(),
            counts: first..self.counts.len(),
            need,
            completes: policy.is_some() && need > 0,
            anchor,
        });
    }

    /// The pods of a group, in rank order.
    pub(super) fn members(&self, group: &Group) -> &[Member] {
        &self.members[group.members.clone()]
    }

    /// Pods of a group by kind, ascending by kind.
    pub(super) fn counts(&self, group: &Group) -> &[(u32, u32)] {
        &self.counts[group.counts.clone()]
    }

    /// Pods to place by kind.
    pub(super) fn totals(&self) -> Vec<u64> {
        let mut totals = vec![0; self.kinds.len()];
        for &(kind, count) in self.groups.iter().flat_map(|group| self.counts(group)) {
            totals[kind as usize] += u64::from(count);
        }
        totals
    }

    /// Pods that could be placed at all.
    pub(super) fn placeable(&self) -> u64 {
        self.members.len() as u64
    }

    /// Pods that must be placed so that every minimum is met, at least; more may be needed where minima overlap in
    /// unlucky ways.
    pub(super) fn needed(&self) -> u64 {
        let mut by_policy: Vec<Vec<u32>> = vec![Vec::new(); self.policies.len()];
        for group in self.groups.iter().filter(|group| group.completes) {
            if let Some(policy) = group.policy {
                by_policy[policy as usize].push(group.need);
            }
        }
        let mut subgroups = 0u64;
        for (needs, &lacking) in by_policy.iter_mut().zip(&self.policies) {
            needs.sort_unstable();
            let largest = needs.last().copied().unwrap_or(0);
            let known: u64 = needs.iter().take(lacking as usize).map(|&need| u64::from(need)).sum();
            let unknown =
                lacking.saturating_sub(needs.len() as u64).saturating_mul(u64::from(largest.max(1)));
            subgroups = subgroups.saturating_add(known).saturating_add(unknown);
        }
        let roles: u64 = self.roles.iter().map(|&(_, lacking)| lacking).sum();
        self.minimum.max(subgroups).max(roles)
    }

    /// Are the minima met by what runs?
    pub(super) fn is_satisfied(&self) -> bool {
        self.minimum == 0 && self.roles.is_empty() && self.policies.iter().all(|&lacking| lacking == 0)
    }

    /// Pods that do not exist yet but are needed; 0 if there are enough.
    pub(super) fn missing(&self) -> u64 {
        let mut missing = self.minimum.saturating_sub(self.placeable());
        let mut there: BTreeMap<u32, u64> = self.roles.iter().map(|&(role, _)| (role, 0)).collect();
        if !there.is_empty() {
            for member in &self.members {
                if let Some(there) = there.get_mut(&member.role) {
                    *there += 1;
                }
            }
        }
        for (role, lacking) in &self.roles {
            missing = missing.max(lacking.saturating_sub(there[role]));
        }
        let mut completable = vec![0u64; self.policies.len()];
        for policy in self.groups.iter().filter(|group| group.completes).filter_map(|group| group.policy) {
            completable[policy as usize] += 1;
        }
        for (lacking, there) in self.policies.iter().zip(completable) {
            missing = missing.max(lacking.saturating_sub(there));
        }
        missing
    }
}
