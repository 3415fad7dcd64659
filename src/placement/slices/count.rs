//! Slices: how many subgroups each domain holds, by the tier of the innermost domain around each.

use crate::cluster::topology::Tier;
use crate::placement::Context;
use crate::placement::demand::Group;
use crate::placement::rules::CostTerm;
use crate::placement::tree::Tree;

/// Slices by domain and level.
pub(in crate::placement) struct Slices<'a> {
    tree: &'a Tree,
    /// Do few domains or good nodes outweigh the tiers of subgroups?
    pub(super) tiers_later: bool,
    pub(super) size: u32,
    group: &'a Group,
    /// Slices that lie inside the domain.
    pub(super) held: Vec<u64>,
    /// By domain, then level: slices inside whose innermost domain has that level.
    by_level: Vec<u64>,
}

/// How many slices of which levels make up so many subgroups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Split {
    /// What they add to `SubgroupTier`.
    pub(super) cost: i64,
    /// The highest tier of a slice that has a choice.
    pub(super) home: Tier,
    /// Slices with a choice: those in domains of tier at most `home` that are not used up.
    pub(super) free: u64,
    /// Slices in domains of a tier up to this are used up; `None` if there is a choice in all.
    pub(super) used_up: Option<Tier>,
}

impl<'a> Slices<'a> {
    pub(in crate::placement) fn count(context: &Context<'a>, sums: &[u64], group: &'a Group) -> Self {
        let tree = context.tree;
        let levels = tree.tiers.len();
        let size = group.pods();
        let others = context.place(CostTerm::Domains).min(context.place(CostTerm::NodeScore));
        let mut slices = Slices {
            tree,
            tiers_later: others < context.place(CostTerm::SubgroupTier),
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
    pub(in crate::placement) fn held(&self, domain: u32) -> u64 {
        self.held[domain as usize]
    }

    /// The cheapest `count` slices inside a domain that holds that many.
    pub(super) fn split(&self, domain: u32, count: u64) -> Split {
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
        if self.tiers_later { 0 } else { self.group.tier_cost(tier) }
    }

    /// Slices whose innermost domain this is.
    pub(super) fn own(&self, domain: u32) -> u64 {
        let inner: u64 = self.tree.children(domain).map(|child| self.held[child as usize]).sum();
        self.held[domain as usize] - inner
    }
}
