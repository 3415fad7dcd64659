//! Back through the steps of a table: which cells hold which items.

use super::super::Search;
use super::super::columns::Column;
use super::super::state::{Bit, State};
use super::{Step, Table, Wide};
use crate::placement::cells::lanes::Load;

impl Table<'_> {
    /// A placement at the least price for the choice at an index, which must fit.
    pub(in crate::placement::search) fn placement(&self, search: &Search<'_, '_>, index: usize) -> State {
        let mut state = State::new(search.context, &search.cells, &search.items, self.enclosing);
        let mut counts = self.counts(index);
        let mut waiting: Vec<std::slice::Iter<'_, u32>> =
            self.shapes.iter().map(|shape| shape.items.iter()).collect();
        // Wide items of the domain that is gone through, and cells with pods for them.
        let (mut wide, mut pods): (Vec<u32>, Vec<Bit>) = (Vec::new(), Vec::new());
        let mut index = index;
        let mut at = self.steps.len();
        let rest = |counts: &[usize], column: &Column, from: usize| -> usize {
            let rests = counts.iter().zip(column).map(|(&count, &held)| count.saturating_sub(held as usize));
            rests.zip(&self.strides).skip(from).map(|(rest, stride)| rest * stride).sum()
        };
        while at > 0 {
            let (before, after) = (&self.layers[at - 1], self.layers[at][index]);
            match &self.steps[at - 1] {
                Step::Enter => {
                    for item in wide.drain(..) {
                        let bits = deal(search, search.items[item as usize].load, &mut pods);
                        state.put(search.context, &search.cells, item, bits);
                    }
                    pods.clear();
                }
                Step::Leave { before: Some(before), .. } if self.layers[*before][index] == after => {
                    at = *before;
                    continue;
                }
                Step::Leave { wide: choices, .. } if before[index] != after => {
                    let priced = |choice: &&Wide| {
                        let from = choice.pods + rest(&counts, &choice.column, self.spare);
                        before[from].saturating_add(choice.price) == after
                    };
                    let Some(Wide { column, pods: from, .. }) = choices.iter().find(priced) else {
                        return state;
                    };
                    let next = from + rest(&counts, column, self.spare);
                    for ((waiting, &held), &count) in waiting.iter_mut().zip(column).zip(&counts) {
                        wide.extend(waiting.by_ref().take(count.min(held as usize)));
                    }
                    index = next;
                    counts = self.counts(index);
                }
                Step::Cell { cell, charge, columns } if before[index] != after => {
                    let column = columns
                        .iter()
                        .find(|column| before[rest(&counts, column, 0)].saturating_add(*charge) == after);
                    let Some(column) = column else { return state };
                    index = rest(&counts, column, 0);
                    for (shape, (count, &held)) in counts.iter_mut().zip(column).enumerate() {
                        let held = (*count).min(held as usize);
                        *count -= held;
                        let load = self.shapes[shape].load;
                        if self.shapes[shape].is_spare() {
                            pods.extend(std::iter::repeat_n(Bit { cell: *cell, load }, held));
                        }
                        for &item in waiting[shape].by_ref().take(held) {
                            state.put(search.context, &search.cells, item, vec![Bit { cell: *cell, load }]);
                        }
                    }
                }
                Step::Leave { .. } | Step::Cell { .. } => {}
            }
            at -= 1;
        }
        for item in wide {
            let bits = deal(search, search.items[item as usize].load, &mut pods);
            state.put(search.context, &search.cells, item, bits);
        }
        state
    }
}

/// Takes a load from pods that wait in cells.
fn deal(search: &Search<'_, '_>, load: Load, pods: &mut Vec<Bit>) -> Vec<Bit> {
    let lanes = search.cells.lanes;
    let mut left = load;
    let mut bits: Vec<Bit> = Vec::new();
    pods.retain(|pod| {
        if !lanes.is_within(pod.load, left) {
            return true;
        }
        left = left.minus(pod.load);
        match bits.iter_mut().find(|bit| bit.cell == pod.cell) {
            Some(bit) => bit.load = bit.load.plus(pod.load),
            None => bits.push(*pod),
        }
        false
    });
    bits
}
