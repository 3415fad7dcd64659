//! Pods beyond what groups need: added one by one where their group is, once every group has had its turn.

use super::Search;
use super::items::Item;
use super::state::{Bit, State};
use crate::placement::cells::lanes::Load;

impl Search<'_, '_> {
    /// Adds pods, one by one, to groups that are content with less than they have. Returns what it changed, and how that was.
    pub(super) fn grow(&mut self, state: &mut State) -> Vec<(u32, Vec<Bit>)> {
        let mut changed = Vec::new();
        for item in 0..self.items.len() as u32 {
            let Item { load, least, .. } = self.items[item as usize];
            let bits = &state.bits[item as usize];
            if least == load || (bits.is_empty() && !least.is_none()) {
                continue;
            }
            let placed = bits.iter().fold(Load::NONE, |sum, bit| sum.plus(bit.load));
            let mut missing = load.minus(placed);
            let before = bits.clone();
            for kind in 0..self.cells.lanes.kinds() {
                while self.cells.lanes.get(missing, kind) > 0 {
                    let one = self.cells.lanes.of(kind, 1);
                    let Some(bit) = self.grow_by(state, item, one) else { break };
                    state.change(self.context, &self.cells, bit, true);
                    let bits = &mut state.bits[item as usize];
                    match bits.iter_mut().find(|known| known.cell == bit.cell) {
                        Some(known) => known.load = known.load.plus(one),
                        None => bits.push(bit),
                    }
                    missing = missing.minus(one);
                }
            }
            if state.bits[item as usize] != before {
                changed.push((item, before));
            }
        }
        changed
    }

    /// The cell for one more pod of an item.
    fn grow_by(&mut self, state: &State, item: u32, one: Load) -> Option<Bit> {
        let (context, tree) = (self.context, self.context.tree);
        let group = &context.demand.groups[self.items[item as usize].group as usize];
        let required = group.rule.required.unwrap_or(tree.tier[0]);
        let region = self.region(group, state.enclosing)?;
        let bits = state.bits[item as usize].iter().copied();
        let here = State::around(context, &self.cells, group.anchor, bits);
        let mut best: Option<((i64, i64, u64), u32)> = None;
        let cells = self.cells.inside(context, region);
        self.work += 2 + cells.len() as u64 / 4;
        for at in cells {
            let cell = self.cells.list[at];
            let around = here.map_or(cell.domain, |here| tree.common(here, cell.domain));
            if tree.tier[around as usize] > required {
                continue;
            }
            let left = cell.capacity.saturating_sub(state.weight[at]);
            let tier = group.tier_cost(tree.tier[around as usize]);
            let key = (tier, state.charge(context, &self.cells, at), left);
            if best.as_ref().is_none_or(|(known, _)| key < *known)
                && self.cells.fits(at, state.load[at].plus(one))
            {
                best = Some((key, at as u32));
            }
        }
        best.map(|(_, cell)| Bit { cell, load: one })
    }
}
