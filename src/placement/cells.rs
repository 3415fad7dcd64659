//! The cluster as a search over mixed shapes sees it: cells instead of nodes.
//!
//! A *cell* is the smallest piece of the network that placements tell apart: the nodes directly below an innermost domain,
//! which are equally near to each other, or one node that is charged for by itself. Which node of a cell a pod sits on
//! matters to `NodeScore` alone, so a search counts pods by cell and kind ([`Load`]) and asks [`Rooms`] whether the
//! nodes of the cell hold that many. Cells whose nodes are in the same states are of one *form*: what fits into one
//! fits into the other, and is worked out once.

pub(super) mod apart;
pub(super) mod lanes;
pub(super) mod rooms;

use super::Context;
use super::trial::Trial;
use crate::cluster::ids::ResourceId;
use apart::Apart;
use lanes::{Lanes, Load};
use rooms::{Rooms, State};
use rustc_hash::FxHashMap;

/// What a pod of average size weighs.
const UNIT: i64 = 1 << 10;

/// The smallest piece of the network that placements tell apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    /// The innermost domain around it.
    pub(super) domain: u32,
    /// The first of its positions; cells are in the order of these.
    pub(super) first: u32,
    /// What touching it costs apart from the domains around it: above 0 for a node by itself.
    pub(super) charge: i64,
    /// Index into [`Rooms::forms`].
    pub(super) form: u32,
    /// The most weight of pods that it holds, about.
    pub(super) capacity: u64,
}

/// All cells with room for a pod of the gang, in depth-first order.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) lanes: Lanes,
    pub(super) list: Vec<Cell>,
    /// Positions of the nodes with room, by cell, in the order of the form's nodes.
    nodes: Vec<Vec<u32>>,
    pub(super) rooms: Rooms,
    /// What a pod of each kind weighs: the share of an average node that it takes up.
    pub(super) weights: Vec<u64>,
}

impl Cells {
    /// Reads the cluster as it stands. `None` where there are too many kinds, or pods of one kind, to count them so, or where
    /// pods keep apart by more than nodes and cells.
    pub(super) fn new(context: &Context<'_>, trial: &Trial<'_, '_>) -> Option<Self> {
        let Context { view, tree, demand, .. } = *context;
        let totals = demand.totals();
        let lanes = Lanes::new(&totals).filter(|lanes| lanes.kinds() <= u32::BITS)?;
        let mut resources: Vec<ResourceId> = Vec::new();
        for &class in &demand.kinds {
            for &(resource, amount) in &view.classes.get(class).requests {
                if amount > 0 && !resources.contains(&resource) {
                    resources.push(resource);
                }
            }
        }
        let requests: Vec<Vec<i64>> = demand
            .kinds
            .iter()
            .map(|&class| {
                let asked = &view.classes.get(class).requests;
                let amount =
                    |resource| asked.iter().find(|&&(known, _)| known == resource).map_or(0, |r| r.1);
                resources.iter().map(|&resource| amount(resource)).collect()
            })
            .collect();
        let kinds = demand.kinds.len();
        let slots: Vec<&[u32]> = (0..kinds as u32).map(|kind| trial.slots(kind).nodes.as_slice()).collect();
        let mut known: FxHashMap<Vec<i64>, u32> = FxHashMap::default();
        let mut states: Vec<State> = Vec::new();
        let mut sums = vec![0i64; resources.len()];
        let mut with_room = 0i64;
        // Room that is supposed for one class alone, which states do not know.
        let mut is_room_supposed = false;
        let mut key = Vec::with_capacity(resources.len() + 1);
        // The state of a node: what is free, as far as it could ever be used, and which kinds may use it.
        let mut state = |position: u32| -> Option<u32> {
            let fits = |kind: usize| match trial.allows(kind as u32, position) {
                true => u64::from(slots[kind][position as usize]).min(totals[kind]) as i64,
                false => 0,
            };
            let open = (0..kinds).fold(0i64, |open, kind| open | i64::from(fits(kind) > 0) << kind);
            if open == 0 {
                return None;
            }
            key.clear();
            for (at, &resource) in resources.iter().enumerate() {
                let useful: i64 = (0..kinds).map(|kind| fits(kind).saturating_mul(requests[kind][at])).sum();
                let free = trial.free(position, resource);
                sums[at] = sums[at].saturating_add(free.max(0));
                key.push(free.min(useful));
            }
            key.push(open);
            with_room += 1;
            is_room_supposed |= demand.kinds.iter().any(|&class| trial.room(position, class) > 0);
            if let Some(&known) = known.get(&key) {
                return Some(known);
            }
            let next = states.len() as u32;
            states.push(State { free: key[..resources.len()].to_vec(), open: open as u32 });
            known.insert(key.clone(), next);
            Some(next)
        };
        let mut found: Vec<(Cell, Vec<(u32, u32)>)> = Vec::new();
        for domain in 0..tree.len() as u32 {
            if (0..kinds as u32).all(|kind| trial.slots(kind).sums[domain as usize] == 0) {
                continue;
            }
            let (start, end) = tree.own[domain as usize];
            let charge = tree.node_charge[domain as usize];
            let mut nodes: Vec<(u32, u32)> = Vec::new();
            let mut push = |nodes: Vec<(u32, u32)>, first: u32| {
                if !nodes.is_empty() {
                    found.push((Cell { domain, first, charge, form: 0, capacity: 0 }, nodes));
                }
            };
            for position in start..end {
                nodes.extend(state(position).map(|state| (state, position)));
                if charge > 0 {
                    push(std::mem::take(&mut nodes), position);
                }
            }
            push(nodes, start);
        }
        found.sort_unstable_by_key(|(cell, _)| cell.first);
        let apart = match trial.is_any_coupled() {
            true => {
                let positions =
                    |(_, nodes): &(Cell, Vec<(u32, u32)>)| nodes.iter().map(|node| node.1).collect();
                let cells: Vec<Vec<u32>> = found.iter().map(positions).collect();
                let cells: Vec<&[u32]> = cells.iter().map(Vec::as_slice).collect();
                Some(Apart::ask(context, trial, &cells)?)
            }
            false => None,
        };
        let average = |at: usize| (sums[at] / with_room.max(1)).max(1);
        let weight = |requests: &Vec<i64>| {
            let shares = requests.iter().enumerate().map(|(at, &amount)| {
                (amount.min(1 << 50).saturating_mul(UNIT) / average(at)).clamp(0, 1 << 20)
            });
            shares.max().unwrap_or(0).max(1) as u64
        };
        let weights: Vec<u64> = requests.iter().map(weight).collect();
        let mut rooms = Rooms::new(lanes, requests, states, &weights, &totals, apart);
        if is_room_supposed {
            rooms.doubt();
        }
        let (mut list, mut nodes) = (Vec::with_capacity(found.len()), Vec::with_capacity(found.len()));
        for (mut cell, mut inside) in found {
            inside.sort_unstable();
            cell.form = rooms.form(inside.iter().map(|&(state, _)| state).collect());
            cell.capacity = rooms.capacity(cell.form);
            list.push(cell);
            nodes.push(inside.into_iter().map(|(_, position)| position).collect());
        }
        Some(Cells { lanes, list, nodes, rooms, weights })
    }

    /// The cells inside a domain.
    pub(super) fn inside(&self, context: &Context<'_>, domain: u32) -> std::ops::Range<usize> {
        let (start, end) = context.tree.run[domain as usize];
        let at = |position: u32| self.list.partition_point(|cell| cell.first < position);
        at(start)..at(end)
    }

    /// Positions of a cell's nodes with room, in the order of its form.
    pub(super) fn nodes(&self, cell: usize) -> &[u32] {
        &self.nodes[cell]
    }

    /// What pods weigh.
    pub(super) fn weight(&self, load: Load) -> u64 {
        self.weights
            .iter()
            .zip(0..)
            .map(|(&weight, kind)| weight * u64::from(self.lanes.get(load, kind)))
            .sum()
    }

    /// Does the cell hold so much in all?
    pub(super) fn fits(&mut self, cell: usize, load: Load) -> bool {
        self.rooms.fits(self.list[cell].form, load)
    }
}
