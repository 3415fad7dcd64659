//! Pods that keep apart, as far as cells can tell: how many of a kind a node and a cell take, and which kinds do not share
//! a node. Found by placing pods on trial in one cell and asking what they keep away.
//!
//! It holds for cells like that one. Where others differ, a placement may break a rule, so whoever relies on this tries the
//! placement pod by pod before it is believed.

use super::super::Context;
use super::super::trial::Trial;
use crate::cluster::ids::NodeId;

/// How many pods of a kind a node and a cell take beside each other.
#[derive(Clone, Debug)]
pub(in crate::placement) struct Apart {
    /// By kind, the most on one node.
    pub(in crate::placement) on_node: Vec<u32>,
    /// By kind, the most in one cell.
    pub(in crate::placement) in_cell: Vec<u32>,
    /// By kind, the other kinds that do not share a node with it, as bits.
    pub(in crate::placement) other_schedulers: Vec<u32>,
}

impl Apart {
    /// Asks; `None` where what pods keep away reaches beyond a cell. `cells`: the nodes of each cell that have room.
    pub(super) fn ask(context: &Context<'_>, trial: &Trial<'_, '_>, cells: &[&[u32]]) -> Option<Self> {
        let kinds = context.demand.kinds.len();
        let totals = context.demand.totals();
        let most: Vec<u32> = totals.iter().map(|&total| total.min(u64::from(u32::MAX)) as u32).collect();
        let mut apart =
            Apart { on_node: most.clone(), in_cell: most.clone(), other_schedulers: vec![0; kinds] };
        for kind in (0..kinds).filter(|&kind| trial.is_coupled(kind as u32)) {
            apart.ask_kind(context, trial, cells, kind)?;
        }
        for kind in 0..kinds {
            for other in 0..kinds {
                if apart.other_schedulers[kind] >> other & 1 == 1 {
                    apart.other_schedulers[other] |= 1 << kind;
                }
            }
        }
        Some(apart)
    }

    fn ask_kind(
        &mut self,
        context: &Context<'_>,
        trial: &Trial<'_, '_>,
        cells: &[&[u32]],
        kind: usize,
    ) -> Option<()> {
        let order = context.view.topology.order();
        let node = |position: u32| -> NodeId { order[position as usize] };
        let classes = &context.demand.kinds;
        let mut tried = trial.coupling();
        let open = |tried: &crate::cluster::coupling::Trial<'_>, kind: usize, position: u32| {
            trial.slots(kind as u32).nodes[position as usize] > 0
                && tried.cause(classes[kind], node(position)).is_none()
        };
        // The cell with most nodes for it, and another one.
        let nodes_of = |cell: &[u32]| -> Vec<u32> {
            cell.iter().copied().filter(|&position| open(&tried, kind, position)).collect()
        };
        let at = (0..cells.len()).max_by_key(|&at| (nodes_of(cells[at]).len(), std::cmp::Reverse(at)))?;
        let here = nodes_of(cells[at]);
        let Some(&first) = here.first() else { return Some(()) };
        let there = (0..cells.len()).filter(|&other| other != at);
        let there: Vec<u32> = there.filter_map(|other| nodes_of(cells[other]).first().copied()).collect();
        // On one node, as many as get through.
        let mut pods = 0;
        while pods < self.on_node[kind] && open(&tried, kind, first) {
            tried.place(classes[kind], node(first));
            pods += 1;
        }
        let shut = !open(&tried, kind, first);
        let elsewhere = here.get(1).is_none_or(|&second| open(&tried, kind, second));
        if shut && elsewhere {
            self.on_node[kind] = pods;
        }
        // Other kinds that are kept away from there, and from there alone.
        let before = trial.coupling();
        for other in (0..classes.len()).filter(|&other| other != kind) {
            let away = |position: u32| open(&before, other, position) && !open(&tried, other, position);
            if away(first) {
                if here.iter().skip(1).any(|&position| away(position)) || there.iter().any(|&p| away(p)) {
                    return None;
                }
                self.other_schedulers[kind] |= 1 << other;
            }
        }
        // In the whole cell.
        let (mut placed, mut full) = (pods, false);
        for &position in &here {
            let mut own = if position == first { pods } else { 0 };
            while placed < self.in_cell[kind] && own < self.on_node[kind] && open(&tried, kind, position) {
                tried.place(classes[kind], node(position));
                (placed, own) = (placed + 1, own + 1);
            }
            full |= own < self.on_node[kind] && !open(&tried, kind, position);
        }
        if full {
            self.in_cell[kind] = placed;
        }
        there.iter().all(|&position| open(&tried, kind, position)).then_some(())
    }
}
