//! What tables prove of a gang: the best placement of all pods, or of as many as there can be, or that there is none.

use super::Search;
use super::columns::Shape;
use super::insert::Taste;
use super::items;
use super::state::{Score, State};
use super::table::Table;
use crate::placement::Context;
use crate::placement::demand::tier_cost;
use crate::placement::limits::Limits;
use crate::placement::rules::CostTerm;

/// What is proven by tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::placement) enum Verdict {
    /// Nothing.
    Unknown,
    /// No placement has a better score, apart from how cells are filled.
    Least(Score),
    /// The minima cannot be met.
    Nothing,
}

/// Pods out, tiers of subgroups, tier of the gang, charge.
type Fullness = (u64, i64, i64, i64);

impl Search<'_, '_> {
    /// The best placement by tables, if there is one; the verdict says what it is worth.
    pub(super) fn tabulate(&mut self, whole: &[u32]) -> Option<(Score, State)> {
        let Context { demand, .. } = *self.context;
        let all = demand.needed() >= demand.placeable();
        if !whole.is_empty() {
            if let Some(found) = self.tabulate_all(whole) {
                return Some(found);
            }
            if all || self.verdict == Verdict::Unknown {
                return None;
            }
        } else if all {
            return None;
        }
        // Not all fit.
        self.verdict = Verdict::Unknown;
        self.tabulate_most()
    }

    /// Does the least sum of tiers keep every subgroup inside one of the lowest domains, if all of them fit into such?
    fn is_confined(&self) -> bool {
        let tree = self.context.tree;
        let Some(&next) = tree.tiers.get(1) else { return true };
        self.context.demand.groups.iter().filter(|group| group.policy.is_some()).all(|group| {
            group.rule.required.is_some_and(|tier| tier < next)
                || group.tier_cost(next) > group.tier_cost(tree.tiers[0])
        })
    }

    /// Does its rule keep every subgroup inside one of the lowest domains?
    fn is_hard(&self) -> bool {
        let tree = self.context.tree;
        let Some(&next) = tree.tiers.get(1) else { return true };
        let groups = self.context.demand.groups.iter();
        groups
            .filter(|group| group.policy.is_some())
            .all(|group| group.rule.required.is_some_and(|t| t < next))
    }

    /// Do tiers come before `Domains`, and no other term between them?
    fn is_ordered(&self) -> bool {
        let place = |term| self.context.place(term);
        let domains = place(CostTerm::Domains);
        let first = place(CostTerm::SubgroupTier) < domains && place(CostTerm::GangTier) < domains;
        let free = self.is_hard() || place(CostTerm::SubgroupTier) < place(CostTerm::GangTier);
        first && free && domains < place(CostTerm::Stranded).min(place(CostTerm::NodeScore))
    }

    /// The cheapest placement of all items inside one of these domains, those with the lowest tiers first: every item inside
    /// one cell, or else some in several.
    fn tabulate_all(&mut self, whole: &[u32]) -> Option<(Score, State)> {
        let shapes = self.shapes(false)?;
        if let Some(found) = self.cheapest(whole, &shapes) {
            return Some(found);
        }
        let spare = self.spare(&shapes);
        if spare.is_empty()
            || self.context.place(CostTerm::SubgroupTier) > self.context.place(CostTerm::GangTier)
        {
            return None;
        }
        let shapes: Vec<Shape> = spare.into_iter().chain(shapes).collect();
        self.cheapest(whole, &shapes)
    }

    fn cheapest(&mut self, whole: &[u32], shapes: &[Shape]) -> Option<(Score, State)> {
        let Context { tree, demand, .. } = *self.context;
        let tier = |domain: u32| tier_cost(demand.rule, tree.tier[domain as usize]);
        let wide = shapes.iter().any(Shape::is_spare);
        let mut known = true;
        // Tiers of subgroups above the lowest, tier of the gang, charge.
        let mut best: Option<((i64, i64, i64), Table<'_>)> = None;
        // What a placement may come to that tables do not look at.
        let mut doubt: Option<(i64, i64, i64)> = None;
        for alike in whole.chunk_by(|&a, &b| tier(a) == tier(b)) {
            if best.as_ref().is_some_and(|(key, _)| key.0 == 0) {
                break;
            }
            let inner = |&a: &u32| alike.iter().any(|&b| a != b && tree.is_within(a, b));
            let outer: Vec<u32> = alike.iter().copied().filter(|domain| !inner(domain)).collect();
            known &= outer.len() <= Limits::TABLES;
            for &domain in outer.iter().take(Limits::TABLES) {
                let Some(table) = Table::fill(self, shapes, domain) else {
                    known = false;
                    continue;
                };
                if let Some((tiers, charge)) = table.doubt(self) {
                    let key = (tiers, tier(domain), charge + self.toll(domain));
                    doubt = Some(doubt.map_or(key, |known| known.min(key)));
                }
                let Some((tiers, charge)) = table.of_all() else {
                    if !wide {
                        self.complete(&table);
                    }
                    continue;
                };
                let key = (tiers, tier(domain), charge + self.toll(domain));
                if best.as_ref().is_none_or(|(best, _)| key < *best) {
                    best = Some((key, table));
                }
            }
        }
        let Some((key, table)) = best else {
            if known && !wide && self.cells.rooms.is_exact() && self.is_hard() {
                self.verdict = Verdict::Nothing;
            }
            return None;
        };
        let state = table.placement(self, table.all());
        let score = state.score(self.context, &self.cells, &self.items);
        known &= key.0 <= i64::from(Limits::WIDE) && doubt.is_none_or(|doubt| key <= doubt);
        if known && self.cells.rooms.is_exact() && self.is_confined() && self.is_ordered() {
            self.verdict = Verdict::Least(score.clone());
        }
        Some((score, state))
    }

    /// Placements to begin with, where not all items lie inside one cell each: of most of them by a table, of the rest in
    /// several cells.
    fn complete(&mut self, table: &Table<'_>) {
        let rests = table.least().filter_map(|(index, (_, charge))| {
            let (mut items, mut pods) = (0, 0);
            for (shape, count) in table.shapes.iter().zip(table.counts(index)) {
                let rest = shape.most - count;
                if rest > 0 && !shape.wide {
                    return None;
                }
                items += rest;
                pods += rest as u64 * shape.pods;
            }
            Some((items, pods, charge, index))
        });
        let mut rests: Vec<(usize, u64, i64, usize)> = rests.collect();
        rests.sort_unstable();
        for &(.., index) in rests.iter().take(Limits::COMPLETED) {
            if self.spent() > self.budget / Limits::TABLE_SHARE {
                return;
            }
            let mut state = table.placement(self, index);
            let mut out = items::order(self.context, &self.items);
            out.retain(|&item| state.bits[item as usize].is_empty());
            self.insert_all(&mut state, &out, Taste::default());
            let score = state.score(self.context, &self.cells, &self.items);
            self.begun.push((score, state));
        }
    }

    /// The placement with most pods, where all do not fit.
    fn tabulate_most(&mut self) -> Option<(Score, State)> {
        let Context { tree, demand, .. } = *self.context;
        if !demand.roles.is_empty() {
            return None;
        }
        let shapes = self.shapes(true)?;
        let loose = self.context.place(CostTerm::Domains) < self.context.place(CostTerm::SubgroupTier);
        let mut regions: Vec<u32> = self.context.regions().collect();
        let mut known = !loose && regions.len() <= Limits::TABLES;
        regions.truncate(Limits::TABLES);
        let mut best: Option<(Fullness, usize, Table<'_>)> = None;
        for &region in &regions {
            let Some(table) = Table::fill(self, &shapes, region) else {
                known = false;
                continue;
            };
            let Some((key, index)) = self.fullest(&shapes, &table, region) else { continue };
            if best.as_ref().is_none_or(|best| key < best.0) {
                best = Some((key, index, table));
            }
        }
        let Some((mut key, mut index, mut table)) = best else {
            if known && self.cells.rooms.is_exact() && self.is_hard() {
                self.verdict = Verdict::Nothing;
            }
            return None;
        };
        // As many pods inside a domain of a lower tier?
        let mut tried = 0;
        let inside = regions.iter().flat_map(|&region| tree.inside(region));
        let mut lower: Vec<u32> = inside.filter(|&domain| self.context.may_use(domain)).collect();
        lower.sort_by_key(|&domain| {
            (tier_cost(demand.rule, tree.tier[domain as usize]), tree.tier[domain as usize])
        });
        let placed = demand.placeable() - key.0;
        for domain in lower {
            let tier = tier_cost(demand.rule, tree.tier[domain as usize]);
            if tier >= key.2 || self.most_pods(domain) < placed {
                continue;
            }
            tried += 1;
            if tried > Limits::TABLES {
                known = false;
                break;
            }
            let Some(next) = Table::fill(self, &shapes, domain) else {
                known = false;
                continue;
            };
            if let Some((better, at)) = self.fullest(&shapes, &next, domain)
                && better < key
            {
                (key, index, table) = (better, at, next);
            }
        }
        let state = table.placement(self, index);
        let score = state.score(self.context, &self.cells, &self.items);
        // Of placements with as many pods, one with lower tiers of subgroups is better, whatever the tier of the gang.
        let subgroups_first =
            self.context.place(CostTerm::SubgroupTier) < self.context.place(CostTerm::GangTier);
        if known && self.cells.rooms.is_exact() && self.is_hard() && self.is_ordered() && subgroups_first {
            self.verdict = Verdict::Least(score.clone());
        }
        Some((score, state))
    }

    /// The best choice of a table that meets the minima.
    fn fullest(&self, shapes: &[Shape], table: &Table<'_>, domain: u32) -> Option<(Fullness, usize)> {
        let Context { tree, demand, .. } = *self.context;
        let tier = tier_cost(demand.rule, tree.tier[domain as usize]);
        let toll = self.toll(domain);
        let keys = table.least().filter_map(|(index, (_, charge))| {
            let counts = table.counts(index);
            let (mut pods, mut tiers, mut lacking) = (0, 0, demand.policies.clone());
            for (shape, &count) in shapes.iter().zip(&counts) {
                pods += shape.pods * count as u64;
                tiers += shape.tier * count as i64;
                if let Some(policy) = shape.policy {
                    let lacking = &mut lacking[policy as usize];
                    *lacking = lacking.saturating_sub(count as u64);
                }
            }
            let enough = pods > 0 && pods >= demand.minimum && lacking.iter().all(|&lacking| lacking == 0);
            enough.then(|| ((demand.placeable() - pods, tiers, tier, charge + toll), index))
        });
        keys.min()
    }

    /// Pods that a domain holds at most.
    fn most_pods(&self, domain: u32) -> u64 {
        let cells = self.cells.inside(self.context, domain).map(|at| self.cells.list[at].form);
        cells.map(|form| u64::from(self.cells.lanes.pods(self.cells.rooms.most(form)))).sum()
    }

    /// What the domains around one add to `Domains`, apart from its own cells.
    fn toll(&self, domain: u32) -> i64 {
        let Context { tree, demand, .. } = *self.context;
        let mut toll = 0;
        let mut at = domain;
        while at > 0 && !demand.touched.domain(at) {
            toll += tree.charge[at as usize];
            at = tree.parent[at as usize];
        }
        toll
    }
}
