//! Counts by kind, packed into one number: lanes of equal width, whose highest bit stays free, so that adding and comparing
//! all of them is one operation each.

use std::cmp::Reverse;

/// So many pods of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::placement) struct Load(u128);

/// Where the lanes are.
#[derive(Clone, Copy, Debug)]
pub(in crate::placement) struct Lanes {
    kinds: u32,
    width: u32,
    guards: u128,
}

impl Lanes {
    /// Lanes that hold up to `totals`, kind by kind; `None` where one number is too narrow for that.
    pub(in crate::placement) fn new(totals: &[u64]) -> Option<Self> {
        let kinds = totals.len() as u32;
        let width = 128u32.checked_div(kinds)?.min(32);
        if width < 2 || totals.iter().any(|&total| total >= 1 << (width - 1)) {
            return None;
        }
        let guards = (0..kinds).fold(0u128, |guards, kind| guards | 1 << (kind * width + width - 1));
        Some(Lanes { kinds, width, guards })
    }

    /// Pods of one kind only.
    pub(in crate::placement) fn of(&self, kind: u32, pods: u32) -> Load {
        Load(u128::from(pods) << (kind * self.width))
    }

    /// Pods of a kind.
    pub(in crate::placement) fn get(&self, load: Load, kind: u32) -> u32 {
        ((load.0 >> (kind * self.width)) & ((1 << self.width) - 1)) as u32
    }

    /// Kinds.
    pub(in crate::placement) fn kinds(&self) -> u32 {
        self.kinds
    }

    /// Pods in all.
    pub(in crate::placement) fn pods(&self, load: Load) -> u32 {
        (0..self.kinds).map(|kind| self.get(load, kind)).sum()
    }

    /// Keeps the loads that are within no other one, the largest number first. Returns how many loads were compared; `None`
    /// as soon as there are more than `most` to keep, for then comparing all of them has no end.
    pub(in crate::placement) fn keep_full<T>(
        &self,
        loads: &mut Vec<T>,
        most: usize,
        load: impl Fn(&T) -> Load,
    ) -> (u64, Option<()>) {
        loads.sort_by_key(|it| Reverse(load(it)));
        let (mut kept, mut compared) = (0, 0);
        for at in 0..loads.len() {
            let it = load(&loads[at]);
            compared += 1 + kept as u64;
            if !loads[..kept].iter().any(|known| self.is_within(it, load(known))) {
                if kept == most {
                    return (compared, None);
                }
                loads.swap(kept, at);
                kept += 1;
            }
        }
        loads.truncate(kept);
        (compared, Some(()))
    }

    /// Is every count of `less` at most that of `more`?
    pub(in crate::placement) fn is_within(&self, less: Load, more: Load) -> bool {
        (more.0 | self.guards).wrapping_sub(less.0) & self.guards == self.guards
    }
}

impl Load {
    /// Nothing.
    pub(in crate::placement) const NONE: Load = Load(0);

    /// No pods?
    pub(in crate::placement) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Both together. The lanes must hold the sum.
    pub(in crate::placement) fn plus(self, other: Load) -> Load {
        Load(self.0 + other.0)
    }

    /// Without the other, which must be within it.
    pub(in crate::placement) fn minus(self, other: Load) -> Load {
        Load(self.0 - other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_add_and_compare_side_by_side() {
        let lanes = Lanes::new(&[5, 60, 7]).expect("three narrow lanes");
        let load = |counts: [u32; 3]| {
            (0..).zip(counts).fold(Load::NONE, |load, (kind, pods)| load.plus(lanes.of(kind, pods)))
        };
        let sum = load([1, 20, 3]).plus(load([4, 40, 0]));
        assert_eq!([0, 1, 2].map(|kind| lanes.get(sum, kind)), [5, 60, 3]);
        assert_eq!(lanes.pods(sum), 68);
        assert!(lanes.is_within(load([1, 20, 3]), sum) && lanes.is_within(sum, sum));
        assert!(!lanes.is_within(load([0, 0, 4]), sum) && !lanes.is_within(load([6, 0, 0]), sum));
        assert_eq!(sum.minus(load([5, 60, 3])), Load::NONE);
        let mut loads =
            vec![load([1, 2, 0]), load([1, 2, 3]), load([5, 0, 0]), load([1, 2, 3]), load([5, 1, 0])];
        assert_eq!(lanes.keep_full(&mut loads.clone(), 1, |&load| load).1, None, "more than one to keep");
        assert_eq!(lanes.keep_full(&mut loads, 2, |&load| load).1, Some(()));
        assert_eq!(loads, [load([1, 2, 3]), load([5, 1, 0])]);
    }

    #[test]
    fn counts_that_no_lane_holds_are_refused() {
        assert!(Lanes::new(&[1; 17]).is_some_and(|lanes| lanes.kinds() == 17));
        assert!(Lanes::new(&[1; 65]).is_none());
        assert!(Lanes::new(&[64; 17]).is_none() && Lanes::new(&[]).is_none());
        assert!(Lanes::new(&[(1 << 31) - 1]).is_some() && Lanes::new(&[1 << 31]).is_none());
    }
}
