//! All sets of a scope, the cheapest first.

use super::{Scope, Search, TRIALS};
use crate::scheduler::claims::sets::{Cost, Set};

impl Search<'_> {
    /// Looks through all sets.
    pub(super) fn exact(&mut self, scope: &Scope, whole: &[usize]) -> Option<Set> {
        let mut broken: Vec<(Cost, Set)> = (0u32..1 << whole.len())
            .map(|mask| {
                let set = Set { whole: Set::chosen(whole, mask), spare: Vec::new() };
                (self.sets.cost(&set), set)
            })
            .collect();
        broken.sort();
        let mut best: Option<(Cost, Set)> = None;
        for (cost, set) in broken {
            if let Some((least, _)) = &best
                && (cost.gangs, cost.devices) > (least.gangs, least.devices)
            {
                break;
            }
            if self.trials >= TRIALS {
                break;
            }
            if let Some(found) = self.with_spare(scope, &set) {
                let cost = self.sets.cost(&found);
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, found));
                }
            }
        }
        best.map(|(_, set)| set)
    }

    /// The least pods above minima that are to go beside these gangs.
    fn with_spare(&mut self, scope: &Scope, set: &Set) -> Option<Set> {
        let mut open = set.clone();
        for (at, gang) in self.pool.gangs.iter().enumerate().filter(|(at, _)| !set.whole.contains(at)) {
            open.spare.extend(
                (0..gang.spare.len())
                    .filter(|&spare| scope.spare(gang, spare).is_some())
                    .map(|spare| (at, spare)),
            );
        }
        if !self.could_fit(&open) || !self.fits(&open) {
            return None;
        }
        let items = std::mem::take(&mut open.spare);
        let mut sets: Vec<(Cost, Set)> = (0u32..1 << items.len())
            .filter_map(|mask| {
                let set = Set { whole: open.whole.clone(), spare: Set::chosen(&items, mask) };
                (self.sets.is_allowed(&set) && self.could_fit(&set)).then(|| (self.sets.cost(&set), set))
            })
            .collect();
        sets.sort();
        for (_, set) in sets {
            if self.trials >= TRIALS {
                return None;
            }
            if !set.is_empty() && self.will_do(&set) {
                return Some(set);
            }
        }
        None
    }
}
