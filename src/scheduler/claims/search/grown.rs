//! Where sets are too many to look through: the cheapest gangs and pods that do, without those that are not needed.

use super::{Scope, Search, TRIALS};
use crate::scheduler::claims::sets::Set;
use crate::sharing::Class;
use crate::sharing::entitlement::Objection;
use std::cmp::Reverse;

impl Search<'_> {
    /// Takes the cheapest until it fits, and gives back what it can.
    pub(super) fn grown(&mut self, scope: &Scope) -> Option<Set> {
        enum Item {
            Whole(usize),
            Spare(usize, usize),
        }
        let gangs = &self.pool.gangs;
        let mut items: Vec<(Class, bool, i32, Reverse<String>, Reverse<String>, Item)> = Vec::new();
        for (at, gang) in gangs.iter().enumerate() {
            for (spare, pod) in gang.spare.iter().enumerate() {
                if scope.spare(gang, spare).is_some() {
                    items.push((
                        pod.class,
                        false,
                        gang.priority,
                        Reverse(gang.age.clone()),
                        Reverse(pod.name.clone()),
                        Item::Spare(at, spare),
                    ));
                }
            }
            if let Some(whole) = scope.whole(gang) {
                items.push((
                    whole.class,
                    true,
                    gang.priority,
                    Reverse(gang.age.clone()),
                    Reverse(gang.key.clone()),
                    Item::Whole(at),
                ));
            }
        }
        items.sort_by(|a, b| (Reverse(a.0), a.1, a.2, &a.3, &a.4).cmp(&(Reverse(b.0), b.1, b.2, &b.3, &b.4)));
        let set_of = |search: &Self, taken: &[bool]| {
            let mut set = Set::default();
            for (item, _) in items.iter().zip(taken).filter(|(_, taken)| **taken) {
                match item.5 {
                    Item::Whole(at) => {
                        set.spare.retain(|(gang, _)| *gang != at);
                        set.whole.push(at);
                    }
                    Item::Spare(at, spare) if !set.whole.contains(&at) => {
                        set.spare.push((at, spare));
                        if !search.sets.is_allowed(&set) {
                            set.spare.pop();
                        }
                    }
                    Item::Spare(..) => {}
                }
            }
            set
        };
        let (mut low, mut high) = (0, items.len());
        let first = |count: usize| (0..items.len()).map(|at| at < count).collect::<Vec<bool>>();
        while low < high {
            let middle = low.midpoint(high);
            let set = set_of(self, &first(middle));
            if self.fits(&set) { high = middle } else { low = middle + 1 }
        }
        let mut taken = first(high);
        // Those that may not go beside the others are left out first.
        for _ in 0..items.len() {
            let set = set_of(self, &taken);
            let Err(objection) = self.judge(&set) else { break };
            let victim = match objection {
                Objection::WithinDeserved { victim, .. }
                | Objection::NoBetterClass { victim }
                | Objection::PriorityNotLower { victim }
                | Objection::WorseClass { victim, .. }
                | Objection::GrowthBreaksGang { victim } => Some(victim),
                _ => None,
            };
            let of = |item: &Item| match *item {
                Item::Whole(at) | Item::Spare(at, _) => at,
            };
            let is_of = |at: usize| {
                let gang = &self.pool.gangs[at];
                let whole = gang.whole.iter().flat_map(|whole| &whole.units);
                whole.chain(&gang.surplus).any(|&unit| Some(unit) == victim)
            };
            let at = (0..items.len()).rev().find(|&at| taken[at] && is_of(of(&items[at].5)))?;
            taken[at] = false;
        }
        let set = set_of(self, &taken);
        if !self.will_do(&set) {
            return None;
        }
        let mut found = set;
        for at in (0..items.len()).rev().filter(|&at| at < high) {
            if !taken[at] || self.trials >= TRIALS {
                continue;
            }
            taken[at] = false;
            let set = set_of(self, &taken);
            if self.will_do(&set) {
                found = set;
            } else {
                taken[at] = true;
            }
        }
        Some(found)
    }
}
