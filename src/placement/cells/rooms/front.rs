//! The loads of a cell to which no pod can be added: those of its nodes, added up node by node. A sum that another one
//! covers is dropped, and nobody counts more pods than there are.

use super::Rooms;
use crate::placement::cells::apart::Apart;
use crate::placement::cells::lanes::Load;
use crate::placement::limits::Limits;

/// A sum of loads of the nodes so far.
#[derive(Clone, Copy, Debug)]
struct Sum {
    /// No more of a kind than there are pods.
    load: Load,
    /// What the last node adds, and which sum of the nodes before it that is added to.
    last: Load,
    before: u32,
}

impl Rooms {
    /// The full loads of a form, the largest number first; `None` where there are more than [`Limits::FULL_LOADS`].
    pub(in crate::placement) fn front(&mut self, form: u32) -> Option<&[Load]> {
        if self.forms[form as usize].front.is_none() {
            let sums = self.sums(form);
            let front =
                sums.and_then(|sums| sums.last().map(|sums| sums.iter().map(|sum| sum.load).collect()));
            self.forms[form as usize].front = Some(front);
        }
        self.forms[form as usize].front.as_ref()?.as_deref()
    }

    /// Which nodes hold how much of a load, by way of the full load that it is within; `false` if there is none.
    pub(super) fn pack_by_front(&mut self, form: u32, load: Load, packed: &mut Vec<Load>) -> bool {
        let Some(sums) = self.sums(form) else { return false };
        let lanes = self.lanes;
        packed.clear();
        packed.resize(sums.len(), Load::NONE);
        let Some(last) = sums.last() else { return load.is_none() };
        let Some(mut at) = last.iter().position(|sum| lanes.is_within(load, sum.load)) else { return false };
        for (node, sums) in sums.iter().enumerate().rev() {
            packed[node] = sums[at].last;
            at = sums[at].before as usize;
        }
        // No more than was asked for.
        for kind in 0..lanes.kinds() {
            let mut need = lanes.get(load, kind);
            for held in packed.iter_mut() {
                let taken = lanes.get(*held, kind);
                let surplus = taken.saturating_sub(need);
                *held = held.minus(lanes.of(kind, surplus));
                need -= taken - surplus;
            }
        }
        true
    }

    /// By node, the full sums of it and the nodes before it.
    fn sums(&mut self, form: u32) -> Option<Vec<Vec<Sum>>> {
        let nodes = self.forms[form as usize].nodes.clone();
        let lanes = self.lanes;
        let mut sums: Vec<Vec<Sum>> = Vec::with_capacity(nodes.len());
        let mut known: Option<(u32, Vec<Load>)> = None;
        for node in nodes {
            let of_node = match known.take() {
                Some((state, loads)) if state == node => loads,
                _ => self.full_loads(node)?,
            };
            let before: &[Sum] = match sums.last() {
                Some(sums) => sums,
                None => &[Sum { load: Load::NONE, last: Load::NONE, before: 0 }],
            };
            let mut next = Vec::with_capacity(before.len() * of_node.len());
            for (at, sum) in (0..).zip(before) {
                next.extend(of_node.iter().map(|&last| Sum {
                    load: self.capped(sum.load, last),
                    last,
                    before: at,
                }));
            }
            let (compared, kept) = lanes.keep_full(&mut next, Limits::FULL_LOADS, |sum| sum.load);
            self.work += next.len() as u64 / 4 + compared / Limits::COMPARED;
            kept?;
            known = Some((node, of_node));
            sums.push(next);
        }
        Some(sums)
    }

    /// Both together, no more than there are. The lanes need not hold the sum.
    fn capped(&self, a: Load, b: Load) -> Load {
        let lanes = self.lanes;
        (0..lanes.kinds()).fold(Load::NONE, |sum, kind| {
            let total = lanes.get(self.most, kind);
            sum.plus(lanes.of(kind, total.min(lanes.get(a, kind) + lanes.get(b, kind))))
        })
    }

    /// The full loads of a node.
    fn full_loads(&mut self, state: u32) -> Option<Vec<Load>> {
        let mut free = self.states[state as usize].free.clone();
        let mut loads = Vec::new();
        self.extend(state, 0, Load::NONE, &mut free, &mut loads)?;
        let lanes = self.lanes;
        let (compared, kept) = lanes.keep_full(&mut loads, Limits::FULL_LOADS, |&load| load);
        self.work += compared / Limits::COMPARED;
        kept?;
        Some(loads)
    }

    /// All loads that extend one by kinds from `kind` on, with the most of the last kind.
    fn extend(
        &mut self,
        state: u32,
        kind: u32,
        load: Load,
        free: &mut [i64],
        loads: &mut Vec<Load>,
    ) -> Option<()> {
        self.work += 1;
        if loads.len() > Limits::FULL_LOADS {
            return None;
        }
        if kind == self.lanes.kinds() {
            loads.push(load);
            return Some(());
        }
        let is_open = self.states[state as usize].open >> kind & 1 == 1;
        let fits = if is_open { super::fit(free, &self.requests[kind as usize]) } else { 0 };
        let mut most = fits.min(u64::from(self.lanes.get(self.most, kind))) as u32;
        if let Some(Apart { on_node, other_schedulers, .. }) = &self.apart {
            let is_stranger = |&other: &u32| other_schedulers[kind as usize] >> other & 1 == 1;
            let is_shut = (0..kind).filter(is_stranger).any(|other| self.lanes.get(load, other) > 0);
            most = if is_shut { 0 } else { most.min(on_node[kind as usize]) };
        }
        let least = if kind + 1 == self.lanes.kinds() { most } else { 0 };
        for pods in (least..=most).rev() {
            let shift = |free: &mut [i64], sign: i64, requests: &[i64]| {
                free.iter_mut()
                    .zip(requests)
                    .for_each(|(free, &each)| *free -= sign * each * i64::from(pods));
            };
            shift(free, 1, &self.requests[kind as usize]);
            let taken = self.lanes.of(kind, pods);
            let done = self.extend(state, kind + 1, load.plus(taken), free, loads);
            shift(free, -1, &self.requests[kind as usize]);
            done?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Rooms, State, fit};
    use crate::placement::cells::apart::Apart;
    use crate::placement::cells::lanes::{Lanes, Load};
    use crate::placement::random::Random;

    /// By trying every node for every pod.
    fn holds(free: &mut [Vec<i64>], requests: &[Vec<i64>], pods: &[usize]) -> bool {
        let Some((&kind, rest)) = pods.split_first() else { return true };
        (0..free.len()).any(|node| {
            if fit(&free[node], &requests[kind]) == 0 {
                return false;
            }
            free[node].iter_mut().zip(&requests[kind]).for_each(|(free, each)| *free -= each);
            let found = holds(free, requests, rest);
            free[node].iter_mut().zip(&requests[kind]).for_each(|(free, each)| *free += each);
            found
        })
    }

    #[test]
    fn full_loads_are_all_that_fits() {
        let mut random = Random(7);
        for _ in 0..60 {
            let mut amount = |below: usize| random.below(below) as i64;
            let totals = [1 + amount(3) as u64, 1 + amount(3) as u64, 1];
            let requests: Vec<Vec<i64>> = (0..3).map(|_| vec![1 + amount(3), amount(3)]).collect();
            let states: Vec<State> =
                (0..3).map(|_| State { free: vec![amount(7), amount(5)], open: 0b111 }).collect();
            let lanes = Lanes::new(&totals).expect("few kinds");
            let mut free: Vec<Vec<i64>> = states.iter().map(|state| state.free.clone()).collect();
            let mut rooms = Rooms::new(lanes, requests.clone(), states, &[1, 1, 1], &totals, None);
            let form = rooms.form(vec![0, 1, 2]);
            for at in 0..(totals[0] + 1) * (totals[1] + 1) * 2 {
                let counts = [at / 2 / (totals[1] + 1), at / 2 % (totals[1] + 1), at % 2];
                let load = (0..)
                    .zip(counts)
                    .fold(Load::NONE, |load, (kind, pods)| load.plus(lanes.of(kind, pods as u32)));
                let pods: Vec<usize> = (0..3).flat_map(|kind| vec![kind; counts[kind] as usize]).collect();
                let expect = holds(&mut free, &requests, &pods);
                assert_eq!(rooms.fits(form, load), expect, "{counts:?} on {free:?} for {requests:?}");
                let mut packed = Vec::new();
                assert_eq!(rooms.pack_by_front(form, load, &mut packed), expect);
                let sum = packed.iter().fold(Load::NONE, |sum, &held| sum.plus(held));
                assert!(!expect || sum == load, "{packed:?}");
                let within = |(held, free): (&Load, &Vec<i64>)| {
                    (0..2).all(|at| {
                        (0..3)
                            .map(|kind| i64::from(lanes.get(*held, kind)) * requests[kind as usize][at])
                            .sum::<i64>()
                            <= free[at]
                    })
                };
                assert!(!expect || packed.iter().zip(&free).all(within), "{packed:?} on {free:?}");
            }
        }
    }

    #[test]
    fn pods_that_keep_apart_take_a_node_each() {
        let totals = [4, 4];
        let lanes = Lanes::new(&totals).expect("few kinds");
        let states = vec![State { free: vec![8], open: 0b11 }];
        let load = |a: u32, b: u32| lanes.of(0, a).plus(lanes.of(1, b));
        // The first kind one to a node; the second shares no node with it, and no cell takes more than three of it.
        let apart = Apart { on_node: vec![1, 4], in_cell: vec![4, 3], other_schedulers: vec![0b10, 0b01] };
        let mut rooms = Rooms::new(lanes, vec![vec![1], vec![2]], states, &[1, 2], &totals, Some(apart));
        let form = rooms.form(vec![0, 0, 0]);
        let fits = |load, rooms: &mut Rooms| rooms.fits(form, load);
        assert!(fits(load(3, 0), &mut rooms) && fits(load(2, 3), &mut rooms) && fits(load(0, 3), &mut rooms));
        assert!(
            !fits(load(4, 0), &mut rooms) && !fits(load(3, 1), &mut rooms) && !fits(load(0, 4), &mut rooms)
        );
        assert!(!rooms.is_exact());
    }
}
