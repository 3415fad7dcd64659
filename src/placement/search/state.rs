//! A placement in the making: what each cell holds, what is touched, what it costs.

use super::items::Item;
use crate::placement::Context;
use crate::placement::cells::Cells;
use crate::placement::cells::lanes::Load;
use crate::placement::demand::tier_cost;
use crate::placement::rules::CostTerm;

/// Pods of an item in one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::placement) struct Bit {
    pub(super) cell: u32,
    pub(super) load: Load,
}

/// How good a placement is; less is better, from the first field on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::placement) struct Score {
    /// What minima lack.
    pub(super) lacking: u64,
    /// Pods that are not placed.
    pub(in crate::placement) out: u64,
    /// `SubgroupTier`, `GangTier` and `Domains` in the order of the rules; other terms are not looked at.
    pub(in crate::placement) terms: [i64; 3],
    /// How unevenly cells are filled, negative: a guide among equals.
    evenness: i128,
}

impl Score {
    /// Is every minimum met?
    pub(in crate::placement) fn is_enough(&self) -> bool {
        self.lacking == 0
    }
}

/// A placement in the making.
#[derive(Clone, Debug)]
pub(in crate::placement) struct State {
    /// The domain that everything is placed in.
    pub(super) enclosing: u32,
    /// By cell.
    pub(super) load: Vec<Load>,
    /// By cell.
    pub(super) weight: Vec<u64>,
    /// By domain: cells inside that hold pods of the gang, once more if some run there.
    pub(super) inside: Vec<u32>,
    /// By item; empty if it is not placed.
    pub(super) bits: Vec<Vec<Bit>>,
    /// Pods placed.
    pub(super) pods: u64,
    domains: i64,
    unevenness: i128,
    /// Cells that hold something.
    occupied: u32,
}

impl State {
    /// Nothing placed.
    pub(super) fn new(context: &Context<'_>, cells: &Cells, items: &[Item], enclosing: u32) -> Self {
        let Context { tree, demand, .. } = *context;
        let mut inside = vec![0; tree.len()];
        let mut domains = 0;
        for domain in demand.touched.domains() {
            inside[domain as usize] = 1;
            domains += tree.charge[domain as usize];
        }
        for position in demand.touched.nodes() {
            domains += tree.node_charge[tree.leaf[position as usize] as usize];
        }
        State {
            enclosing,
            load: vec![Load::NONE; cells.list.len()],
            weight: vec![0; cells.list.len()],
            inside,
            bits: vec![Vec::new(); items.len()],
            pods: 0,
            domains,
            unevenness: 0,
            occupied: 0,
        }
    }

    /// Is anything of the gang in the domain?
    pub(super) fn is_touched(&self, domain: u32) -> bool {
        self.inside[domain as usize] > 0
    }

    /// Places an item. The cells must hold it.
    pub(super) fn put(&mut self, context: &Context<'_>, cells: &Cells, item: u32, bits: Vec<Bit>) {
        for &bit in &bits {
            self.change(context, cells, bit, true);
        }
        self.bits[item as usize] = bits;
    }

    /// Takes an item out, and says where it was.
    pub(super) fn take_out(&mut self, context: &Context<'_>, cells: &Cells, item: u32) -> Vec<Bit> {
        let bits = std::mem::take(&mut self.bits[item as usize]);
        for &bit in &bits {
            self.change(context, cells, bit, false);
        }
        bits
    }

    /// Counts pods into a cell, or out of it.
    pub(super) fn change(&mut self, context: &Context<'_>, cells: &Cells, bit: Bit, put: bool) {
        let tree = context.tree;
        let at = bit.cell as usize;
        let weight = cells.weight(bit.load);
        let before = i128::from(self.weight[at]);
        let was_empty = self.load[at].is_none();
        let pods = u64::from(cells.lanes.pods(bit.load));
        if put {
            self.load[at] = self.load[at].plus(bit.load);
            self.weight[at] += weight;
            self.pods += pods;
        } else {
            self.load[at] = self.load[at].minus(bit.load);
            self.weight[at] -= weight;
            self.pods -= pods;
        }
        let after = i128::from(self.weight[at]);
        self.unevenness += after * after - before * before;
        let is_empty = self.load[at].is_none();
        if was_empty == is_empty {
            return;
        }
        let cell = &cells.list[at];
        if cell.charge > 0 && !context.demand.touched.node(cell.first) {
            self.domains += if put { cell.charge } else { -cell.charge };
        }
        self.occupied = if put { self.occupied + 1 } else { self.occupied - 1 };
        let mut domain = cell.domain;
        loop {
            let inside = &mut self.inside[domain as usize];
            if put {
                *inside += 1;
                if *inside == 1 {
                    self.domains += tree.charge[domain as usize];
                }
            } else {
                *inside -= 1;
                if *inside == 0 {
                    self.domains -= tree.charge[domain as usize];
                }
            }
            if domain == 0 {
                break;
            }
            domain = tree.parent[domain as usize];
        }
    }

    /// What touching a cell would add to `Domains`.
    pub(super) fn charge(&self, context: &Context<'_>, cells: &Cells, cell: usize) -> i64 {
        let tree = context.tree;
        if !self.load[cell].is_none() {
            return 0;
        }
        let cell = &cells.list[cell];
        let lone = cell.charge > 0 && !context.demand.touched.node(cell.first);
        let mut charge = if lone { cell.charge } else { 0 };
        let mut domain = cell.domain;
        while domain > 0 && self.inside[domain as usize] == 0 {
            charge += tree.charge[domain as usize];
            domain = tree.parent[domain as usize];
        }
        charge
    }

    /// The innermost domain around bits and whatever runs already.
    pub(super) fn around(
        context: &Context<'_>,
        cells: &Cells,
        anchor: Option<u32>,
        bits: impl Iterator<Item = Bit>,
    ) -> Option<u32> {
        let tree = context.tree;
        bits.map(|bit| cells.list[bit.cell as usize].domain)
            .fold(anchor, |around, domain| Some(around.map_or(domain, |at| tree.common(at, domain))))
    }

    /// The innermost domain around the gang.
    pub(super) fn gang(&self, context: &Context<'_>) -> Option<u32> {
        let Context { tree, demand, .. } = *context;
        if self.occupied == 0 {
            return demand.running;
        }
        let mut around = self.enclosing;
        // Nothing is placed outside the enclosing; go down while one child holds everything.
        while let Some(child) = tree.children(around).find(|&child| {
            self.inside[child as usize] == self.occupied + u32::from(demand.touched.domain(child))
                && demand.running.is_none_or(|running| tree.is_within(running, child))
        }) {
            around = child;
        }
        Some(around)
    }

    /// How good it is.
    pub(super) fn score(&self, context: &Context<'_>, cells: &Cells, items: &[Item]) -> Score {
        let Context { tree, demand, rules, .. } = *context;
        let mut lacking = demand.minimum.saturating_sub(self.pods);
        if demand.policies.iter().any(|&lacking| lacking > 0) {
            let mut policies = demand.policies.clone();
            for (item, bits) in items.iter().zip(&self.bits) {
                if let (Some(policy), false) = (item.policy, bits.is_empty()) {
                    policies[policy as usize] = policies[policy as usize].saturating_sub(1);
                }
            }
            lacking += policies.iter().sum::<u64>();
        }
        if !demand.roles.is_empty() {
            lacking += self.lacking_roles(context, items);
        }
        let mut tiers = demand.settled_tiers;
        for (item, bits) in items.iter().zip(&self.bits).filter(|(item, _)| !item.loose) {
            let group = &demand.groups[item.group as usize];
            if let Some(around) = State::around(context, cells, group.anchor, bits.iter().copied()) {
                tiers += group.tier_cost(tree.tier[around as usize]);
            }
        }
        let mut terms = [0; 3];
        let tracked = [CostTerm::SubgroupTier, CostTerm::GangTier, CostTerm::Domains];
        for (slot, term) in terms.iter_mut().zip(rules.order.iter().filter(|term| tracked.contains(term))) {
            *slot = match term {
                CostTerm::SubgroupTier => tiers,
                CostTerm::GangTier => {
                    self.gang(context).map_or(0, |gang| tier_cost(demand.rule, tree.tier[gang as usize]))
                }
                _ => self.domains,
            };
        }
        let out = demand.placeable() - self.pods;
        Score { lacking, out, terms, evenness: -self.unevenness }
    }

    /// Pods that roles lack, as far as items tell.
    fn lacking_roles(&self, context: &Context<'_>, items: &[Item]) -> u64 {
        let demand = context.demand;
        let mut roles: Vec<u64> = demand.roles.iter().map(|&(_, lacking)| lacking).collect();
        for (item, _) in items.iter().zip(&self.bits).filter(|(_, bits)| !bits.is_empty()) {
            if let Some((role, pods)) = item.role {
                roles[role as usize] = roles[role as usize].saturating_sub(u64::from(pods));
            } else if !item.loose {
                for member in demand.members(&demand.groups[item.group as usize]) {
                    if let Some(at) = demand.roles.iter().position(|&(role, _)| role == member.role) {
                        roles[at] = roles[at].saturating_sub(1);
                    }
                }
            }
        }
        roles.iter().sum()
    }
}
