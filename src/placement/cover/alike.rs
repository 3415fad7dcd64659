//! Domains with equal staircases, side by side: how few choices stand for all of them.
//!
//! Real networks have few kinds of racks, so hundreds of domains share a staircase. Of `n` such copies, let the last
//! step hold `u` units at cost `w`; a copy is *whole* if it takes that step and *partial* if it takes a lower one.
//!
//! - **One partial copy is enough** if any two partial copies, `a` and `b`, can be exchanged for one copy, or for a whole
//!   one and another, that hold as much and cost no more. (Exchange as long as there are two: each exchange leaves
//!   fewer partial copies.)
//! - **Fewer than `u` partial copies are enough** if no step has its units cheaper than the last one. (Among `u` numbers
//!   some, at least one, add up to a multiple of `u`. Copies with these units can be exchanged for whole ones with as many
//!   units in sum; those are fewer copies, and cost no more.)
//! - Whole copies are chosen by number only. Blocks of 1, 2, 4, ... and the rest, each taken or not, make every number.
//!
//! So instead of `n` times all steps there are all steps for each partial copy, and a step for each block.

use super::staircase::Step;

/// Steps of a staircase up to which all pairs are looked at.
const PAIRS: usize = 64;

/// What stands for the copies.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Copies {
    /// Copies that may take any step.
    pub(super) any: u32,
    /// Blocks of copies that take the last step or nothing, ascending.
    pub(super) whole: Vec<u32>,
}

impl Copies {
    /// For so many copies of a staircase that are to hold no more than `limit` units.
    pub(super) fn of(steps: &[Step], copies: u32, limit: u32) -> Self {
        let Some(last) = steps.last().filter(|_| copies > 1) else {
            return Copies { any: copies, whole: Vec::new() };
        };
        let any = if one_partial_is_enough(steps, limit) {
            1
        } else if steps.iter().all(|step| is_dearer(step, last)) {
            copies.min(last.units.max(2) - 1)
        } else {
            copies
        };
        let mut left = (copies - any).min(limit.div_ceil(last.units.max(1)));
        let (mut whole, mut block) = (Vec::new(), 1);
        while left > 0 {
            let many = left.min(block);
            whole.push(many);
            left -= many;
            block = block.saturating_mul(2);
        }
        whole.sort_unstable();
        Copies { any, whole }
    }
}

/// The step of so many whole copies.
pub(super) fn all_of(steps: &[Step], copies: u32, limit: u32) -> Step {
    let last = steps.last().copied().unwrap_or(Step { cost: 0, units: 0 });
    Step {
        cost: last.cost.saturating_mul(i64::from(copies)),
        units: last.units.saturating_mul(copies).min(limit),
    }
}

/// Has a step its units no cheaper than another?
fn is_dearer(step: &Step, than: &Step) -> bool {
    i128::from(step.cost) * i128::from(than.units) >= i128::from(than.cost) * i128::from(step.units)
}

fn one_partial_is_enough(steps: &[Step], limit: u32) -> bool {
    let Some((last, partial)) = steps.split_last() else { return true };
    if partial.len() > PAIRS {
        return false;
    }
    // What so many units cost in one copy; nothing for none.
    let least = |units: u32| match units {
        0 => Some(0),
        units => steps.get(steps.partition_point(|step| step.units < units)).map(|step| step.cost),
    };
    partial.iter().enumerate().all(|(at, a)| {
        partial[at..].iter().all(|b| {
            let (units, cost) = (a.units.saturating_add(b.units).min(limit), a.cost + b.cost);
            least(units).is_some_and(|one| one <= cost)
                || least(units.saturating_sub(last.units)).is_some_and(|other| last.cost + other <= cost)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::staircase::{push, side_by_side};
    use super::*;
    use proptest::prelude::*;

    fn steps(list: &[(i64, u32)]) -> Vec<Step> {
        list.iter().map(|&(cost, units)| Step { cost, units }).collect()
    }

    #[test]
    fn racks_that_cost_much_to_touch_need_one_partial_copy() {
        let rack = steps(&[(111, 1), (112, 2), (123, 3), (124, 4), (135, 5), (136, 6)]);
        let whole = vec![1, 2, 4, 8, 16, 32, 40, 64];
        assert_eq!(Copies::of(&rack, 600, 1000), Copies { any: 1, whole });
    }

    #[test]
    fn two_cheap_halves_may_beat_a_whole_copy() {
        // 18 units in two copies: 9 and 9 for 210; 10 and 8 cost 305.
        let odd = steps(&[(100, 1), (105, 9), (150, 10)]);
        assert_eq!(Copies::of(&odd, 5, 100).any, 5);
        // The last step is the best bargain, yet pairs do not do.
        let even = steps(&[(10, 1), (60, 6), (99, 10)]);
        assert_eq!(Copies::of(&even, 50, 500).any, 9);
    }

    proptest! {
        /// All copies one by one have the same staircase as what stands for them.
        #[test]
        fn nothing_is_lost(
            rises in prop::collection::vec((1i64..12, 1u32..5), 1..6),
            charge in 0i64..30,
            copies in 1u32..7,
            limit in 1u32..60,
        ) {
            let mut rack: Vec<Step> = Vec::new();
            let (mut cost, mut units) = (charge, 0);
            for (dearer, more) in rises {
                (cost, units) = (cost + dearer, units + more);
                push(&mut rack, Step { cost, units: units.min(limit) });
            }
            let nothing = vec![Step { cost: 0, units: 0 }];
            let one_by_one =
                (0..copies).fold(nothing.clone(), |all, _| side_by_side(&all, &rack, limit));
            let Copies { any, whole } = Copies::of(&rack, copies, limit);
            prop_assert!(any + whole.iter().sum::<u32>() <= copies);
            let mut together = (0..any).fold(nothing, |all, _| side_by_side(&all, &rack, limit));
            for many in whole {
                together = side_by_side(&together, &[all_of(&rack, many, limit)], limit);
            }
            prop_assert_eq!(together, one_by_one);
        }
    }
}
