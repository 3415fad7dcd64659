//! From cells to nodes: which nodes of a cell hold what it is to hold, and which of their pods are whose.

use super::items::Item;
use super::state::State;
use crate::placement::Context;
use crate::placement::cells::Cells;
use crate::placement::cells::lanes::Load;
use crate::placement::certificate::Certificate;
use crate::placement::fill::Fill;
use crate::placement::nodes::{Scorer, Seat};
use crate::placement::plan::Plan;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Seats for all that is placed.
pub(super) fn seat(
    context: &Context<'_>,
    cells: &mut Cells,
    items: &[Item],
    fill: &Fill,
    state: &State,
) -> Plan {
    let kinds = cells.lanes.kinds();
    let mut seats: BTreeMap<(u32, u32), Vec<Seat>> = BTreeMap::new();
    // What each cell holds, by item.
    let mut held: Vec<Vec<(u32, Load)>> = vec![Vec::new(); cells.list.len()];
    for (item, bits) in (0..).zip(&state.bits) {
        for bit in bits {
            held[bit.cell as usize].push((item, bit.load));
        }
    }
    let scorers: Vec<Scorer<'_>> =
        context.demand.kinds.iter().map(|&class| Scorer::new(context, fill, class)).collect();
    let placed =
        |kind: u32| state.load.iter().map(|&load| u64::from(cells.lanes.get(load, kind))).sum::<u64>();
    let by_kind: Vec<u64> = (0..kinds).map(placed).collect();
    let main = (0..kinds as usize)
        .max_by_key(|&kind| (by_kind[kind], Reverse(context.demand.kinds[kind])))
        .unwrap_or(0);
    let mut packed: Vec<Load> = Vec::new();
    for (at, mut held) in held.into_iter().enumerate().filter(|(_, held)| !held.is_empty()) {
        pack(&scorers, cells, at, state.load[at], main, &mut packed);
        let first = |item: u32| {
            let group = &context.demand.groups[items[item as usize].group as usize];
            context.demand.members(group).first().map(|member| (member.rank, member.pod))
        };
        held.sort_by_key(|&(item, _)| (first(item), item));
        let mut nodes: Vec<(u32, Load)> =
            cells.nodes(at).iter().copied().zip(packed.iter().copied()).collect();
        nodes.sort_unstable();
        for kind in 0..kinds {
            let mut nodes = nodes
                .iter()
                .map(|&(position, load)| Seat { position, pods: cells.lanes.get(load, kind) })
                .filter(|seat| seat.pods > 0)
                .peekable();
            for &(item, load) in &held {
                let mut need = cells.lanes.get(load, kind);
                while need > 0
                    && let Some(seat) = nodes.peek_mut()
                {
                    let pods = need.min(seat.pods);
                    let own = seats.entry((items[item as usize].group, kind)).or_default();
                    match own.iter_mut().find(|known| known.position == seat.position) {
                        Some(known) => known.pods += pods,
                        None => own.push(Seat { position: seat.position, pods }),
                    }
                    need -= pods;
                    seat.pods -= pods;
                    if seat.pods == 0 {
                        nodes.next();
                    }
                }
            }
        }
    }
    let mut plan = Plan::new(Certificate::Open { steps: 0 });
    for ((group, kind), seats) in seats {
        plan.add(group, kind, seats);
    }
    plan
}

/// The nodes of a cell for a load that fits: as it was found to fit, or as each kind would choose, whichever scores better.
fn pack(
    scorers: &[Scorer<'_>],
    cells: &mut Cells,
    at: usize,
    load: Load,
    main: usize,
    packed: &mut Vec<Load>,
) {
    let form = cells.list[at].form;
    let fits = cells.rooms.pack(form, load, packed);
    debug_assert!(fits, "what was found to fit is packed again");
    if cells.rooms.is_apart() {
        return;
    }
    let chosen = choose(scorers, cells, at, load);
    let lanes = cells.lanes;
    let cost = |packed: &[Load]| -> i64 {
        let nodes = cells.nodes(at).iter().zip(packed);
        nodes
            .map(|(&position, &load)| {
                let earned = |(kind, scorer): (u32, &Scorer<'_>)| {
                    scorer.preference(position) * i64::from(lanes.get(load, kind))
                };
                let earned: i64 = (0..).zip(scorers).map(earned).sum();
                scorers[main].cost(position, lanes.pods(load)) - earned
            })
            .sum()
    };
    if let Some(chosen) = chosen
        && cost(&chosen) < cost(packed)
    {
        *packed = chosen;
    }
}

/// Has every kind choose its nodes, the hardest first; `None` if the later ones find no room.
fn choose(scorers: &[Scorer<'_>], cells: &mut Cells, at: usize, load: Load) -> Option<Vec<Load>> {
    let form = cells.list[at].form;
    let nodes: Vec<u32> = cells.nodes(at).to_vec();
    let mut sorted: Vec<(u32, usize)> = nodes.iter().copied().zip(0..).collect();
    sorted.sort_unstable();
    // Slots by position, counted from the first one.
    let first = sorted.first()?.0;
    let mut slots = vec![0u32; (sorted.last()?.0 - first) as usize + 1];
    let mut packed = Vec::new();
    cells.rooms.start(form, &mut packed);
    for index in 0..cells.rooms.order().len() {
        let kind = cells.rooms.order()[index];
        let need = cells.lanes.get(load, kind);
        if need == 0 {
            continue;
        }
        for &(position, node) in &sorted {
            slots[(position - first) as usize] = cells.rooms.left(form, node, kind);
        }
        let mut seats = Vec::new();
        let positions = sorted.iter().map(|&(position, _)| position);
        scorers[kind as usize].choose_from(first, &slots, positions, u64::from(need), &mut seats);
        if seats.iter().map(|seat| seat.pods).sum::<u32>() != need {
            return None;
        }
        for Seat { position, pods } in seats {
            let (_, node) = sorted[sorted.partition_point(|&(known, _)| known < position)];
            cells.rooms.take(node, kind, i64::from(pods));
            packed[node] = packed[node].plus(cells.lanes.of(kind, pods));
        }
    }
    Some(packed)
}
