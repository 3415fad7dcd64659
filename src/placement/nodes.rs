//! Cost term `NodeScore`, and the choice of nodes inside one domain.
//!
//! Tight: every node that gets pods costs [`NODE`] plus its free share, so few nodes are better than many and full ones
//! better than empty ones. Spread: the `i`-th pod on a node (from 0) costs the share in use plus `i` times [`NODE`], so
//! pods go one by one to the emptiest. Either way each pod earns [`PREFERENCE`] times what its class prefers the node
//! by. Shares are those before the gang is placed.
//!
//! The choice is exact for the number of pods that the domain gets: by sorting where a node takes one pod, by a
//! programme over nodes and pods otherwise; beyond [`EXACT`] cells it is largest first, the last one as small as
//! possible.

use super::Context;
use super::fill::{Fill, Share, WHOLE};
use super::rules::Packing;
use crate::cluster::eligibility::Row;
use crate::cluster::ids::{ClassId, NodeId};
use std::collections::BinaryHeap;

/// What one more node costs: more than any share.
pub(super) const NODE: i64 = WHOLE + 1;

/// What a preference of 1 is worth; a weight of 100 outweighs any difference in fill.
const PREFERENCE: i64 = 41;

/// Cells of the exact programme.
const EXACT: usize = 1 << 17;

/// So many pods on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seat {
    pub(super) position: u32,
    pub(super) pods: u32,
}

/// What decides between nodes for one class.
#[derive(Clone, Copy)]
pub(super) struct Scorer<'a> {
    order: &'a [NodeId],
    row: Row<'a>,
    share: Share<'a>,
    packing: Packing,
}

impl<'a> Scorer<'a> {
    /// For pods of a class.
    pub(super) fn new(context: &Context<'a>, fill: &'a Fill, class: ClassId) -> Self {
        let Context { view, tree, rules, .. } = *context;
        Scorer {
            order: view.topology.order(),
            row: view.eligibility.row(view.classes.get(class).constraint),
            share: fill.of(view, tree, class),
            packing: rules.packing,
        }
    }

    /// What the first pod on the node costs, preference left out.
    fn first(&self, position: u32) -> i64 {
        let share = self.share.of_node(position);
        match self.packing {
            Packing::Tight => NODE + share,
            Packing::Spread => WHOLE - share,
        }
    }

    /// What each pod on the node earns.
    pub(super) fn preference(&self, position: u32) -> i64 {
        if !self.row.has_preferences() {
            return 0;
        }
        let node = self.order[position as usize];
        PREFERENCE * i64::from(self.row.preference(node)).clamp(-10_000, 10_000)
    }

    /// What so many pods of the gang on the node cost, preference left out.
    pub(super) fn cost(&self, position: u32, pods: u32) -> i64 {
        let (first, pods) = (self.first(position), i64::from(pods));
        match self.packing {
            _ if pods == 0 => 0,
            Packing::Tight => first,
            Packing::Spread => {
                first.saturating_mul(pods).saturating_add((NODE * pods).saturating_mul(pods - 1) / 2)
            }
        }
    }

    /// The cost of all these seats, one class.
    pub(super) fn total(&self, seats: &[Seat]) -> i64 {
        seats
            .iter()
            .map(|s| self.cost(s.position, s.pods) - self.preference(s.position) * i64::from(s.pods))
            .sum()
    }

    /// Does the class prefer some nodes?
    pub(super) fn has_preferences(&self) -> bool {
        self.row.has_preferences()
    }

    /// No choice of nodes for so many pods costs less, where nodes have no lower a share and no more slots than this.
    pub(super) fn bound(&self, least: i64, widest: u32, pods: u64) -> i64 {
        if self.packing == Packing::Spread || self.row.has_preferences() {
            return i64::MIN;
        }
        pods.div_ceil(u64::from(widest.max(1))).min(1 << 32) as i64 * (NODE + least)
    }

    /// Appends seats for so many pods on the nodes at these positions. `slots` is by position; if they do not hold that
    /// many, all are taken. `false` if there may be a cheaper choice.
    pub(super) fn choose(
        &self,
        slots: &[u32],
        positions: impl Iterator<Item = u32> + Clone,
        pods: u64,
        out: &mut Vec<Seat>,
    ) -> bool {
        self.choose_from(0, slots, positions, pods, out)
    }

    /// As [`Scorer::choose`], with slots from the position `first` on.
    pub(super) fn choose_from(
        &self,
        first: u32,
        slots: &[u32],
        positions: impl Iterator<Item = u32> + Clone,
        pods: u64,
        out: &mut Vec<Seat>,
    ) -> bool {
        let open = positions.map(|p| (p, slots[(p - first) as usize])).filter(|&(_, slots)| slots > 0);
        let (mut total, mut widest) = (0u64, 0u32);
        for (_, slots) in open.clone() {
            total += u64::from(slots);
            widest = widest.max(slots);
        }
        if pods >= total {
            out.extend(open.map(|(position, pods)| Seat { position, pods }));
            return true;
        }
        if pods == 0 {
            return true;
        }
        let pods = pods as usize;
        match (self.packing, widest) {
            (_, 1) => self.choose_single(open, pods, out),
            (Packing::Spread, _) => self.choose_spread(open, pods, out),
            (Packing::Tight, _) => {
                let open: Vec<Open> = open
                    .map(|(position, slots)| Open {
                        position,
                        slots: slots.min(pods as u32),
                        first: self.first(position),
                        preference: self.preference(position),
                    })
                    .collect();
                let even = open.iter().all(|node| node.preference == open[0].preference);
                if even && open.len() * pods <= EXACT {
                    choose_cover(&open, pods, out);
                } else if open.len() * pods * widest as usize <= EXACT {
                    choose_exact(&open, pods, out);
                } else {
                    choose_largest(open, pods, out);
                    return false;
                }
            }
        }
        true
    }

    /// One pod a node: the cheapest nodes.
    fn choose_single(&self, open: impl Iterator<Item = (u32, u32)>, pods: usize, out: &mut Vec<Seat>) {
        let key = |position| (self.first(position) - self.preference(position), position);
        let mut keys: Vec<(i64, u32)> = open.map(|(position, _)| key(position)).collect();
        if pods < keys.len() {
            keys.select_nth_unstable(pods);
        }
        out.extend(keys[..pods].iter().map(|&(_, position)| Seat { position, pods: 1 }));
    }

    /// One pod at a time to the cheapest place: costs rise with every pod on a node, so that is exact.
    fn choose_spread(&self, open: impl Iterator<Item = (u32, u32)>, pods: usize, out: &mut Vec<Seat>) {
        use std::cmp::Reverse;
        let mut heap: BinaryHeap<Reverse<(i64, u32, u32, u32)>> = open
            .map(|(position, slots)| {
                Reverse((self.first(position) - self.preference(position), position, 0, slots))
            })
            .collect();
        for _ in 0..pods {
            let Some(mut top) = heap.peek_mut() else { break };
            let Reverse((cost, _, taken, _)) = &mut *top;
            *cost += NODE;
            *taken += 1;
            if top.0.2 == top.0.3 {
                let Reverse((_, position, pods, _)) = std::collections::binary_heap::PeekMut::pop(top);
                out.push(Seat { position, pods });
            }
        }
        let rest = heap.into_iter().filter(|Reverse((_, _, taken, _))| *taken > 0);
        out.extend(rest.map(|Reverse((_, position, pods, _))| Seat { position, pods }));
    }
}

/// A node that could be taken.
struct Open {
    position: u32,
    slots: u32,
    first: i64,
    preference: i64,
}

/// Which nodes to take so that together they hold the pods, at the least cost per node taken.
fn choose_cover(open: &[Open], pods: usize, out: &mut Vec<Seat>) {
    let width = pods + 1;
    let mut best = vec![i64::MAX; width];
    best[0] = 0;
    let mut takes = vec![false; open.len() * width];
    // Nodes backwards, so that among equals the first ones are taken.
    for (row, node) in open.iter().enumerate().rev() {
        for need in (1..width).rev() {
            let rest = best[need.saturating_sub(node.slots as usize)];
            if rest != i64::MAX && rest + node.first <= best[need] {
                best[need] = rest + node.first;
                takes[row * width + need] = true;
            }
        }
    }
    let mut need = pods;
    for (row, node) in open.iter().enumerate() {
        if takes[row * width + need] {
            let pods = node.slots.min(need as u32);
            out.push(Seat { position: node.position, pods });
            need -= pods as usize;
        }
    }
}

/// How many pods to put on each node, at the least cost per node and pod.
fn choose_exact(open: &[Open], pods: usize, out: &mut Vec<Seat>) {
    let width = pods + 1;
    let mut best = vec![i64::MAX; width];
    best[0] = 0;
    let mut takes = vec![0u32; open.len() * width];
    for (row, node) in open.iter().enumerate().rev() {
        for need in (1..width).rev() {
            for taken in 1..=node.slots.min(need as u32) {
                let rest = best[need - taken as usize];
                let cost = node.first - node.preference * i64::from(taken);
                if rest != i64::MAX && rest + cost <= best[need] {
                    best[need] = rest + cost;
                    takes[row * width + need] = taken;
                }
            }
        }
    }
    let mut need = pods;
    for (row, node) in open.iter().enumerate() {
        let pods = takes[row * width + need];
        if pods > 0 {
            out.push(Seat { position: node.position, pods });
            need -= pods as usize;
        }
    }
}

/// Preferred and large nodes first; the last one is the smallest that holds the rest.
fn choose_largest(mut open: Vec<Open>, pods: usize, out: &mut Vec<Seat>) {
    use std::cmp::Reverse;
    open.sort_unstable_by_key(|node| {
        (Reverse(node.preference), Reverse(node.slots), node.first, node.position)
    });
    let mut need = pods as u32;
    for at in 0..open.len() {
        let node = &open[at];
        if node.slots < need {
            need -= node.slots;
            out.push(Seat { position: node.position, pods: node.slots });
            continue;
        }
        let alike = open[at..].iter().filter(|o| o.preference == node.preference && o.slots >= need);
        let last = alike.min_by_key(|o| (o.slots, o.first, o.position)).unwrap_or(node);
        out.push(Seat { position: last.position, pods: need });
        break;
    }
}
