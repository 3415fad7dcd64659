//! Whose turn it is among queues, while gangs are tried one after the other: [`crate::sharing::order::turn`], kept up to date
//! along the path of the queue that had its turn.

use crate::cluster::ids::GangId;
use crate::scheduler::order::Turn;
use crate::sharing::order::{Head, Place};
use crate::sharing::shares::Shares;
use crate::sharing::{QueueIndex, QueueTree, Uses};
use std::collections::{BTreeMap, BinaryHeap};

/// A gang that waits for its turn.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// Among gangs of its queue.
    pub(crate) turn: Turn,
    /// The gang.
    pub(crate) gang: GangId,
}

/// Gangs by queue, in their turn, and who is next among the queues.
#[derive(Debug, Default)]
pub(crate) struct Contest {
    lanes: BTreeMap<QueueIndex, BinaryHeap<Entry>>,
    /// The best place below each queue, and the queue whose head it is; by queue.
    best: Vec<Option<(Place, QueueIndex)>>,
}

impl Contest {
    /// Puts a gang into the lane of its queue.
    pub(crate) fn push(&mut self, queue: QueueIndex, entry: Entry) {
        self.lanes.entry(queue).or_default().push(entry);
    }

    /// How many lanes there are.
    pub(crate) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// The gang at the head of a lane.
    pub(crate) fn head(&self, queue: QueueIndex) -> Option<GangId> {
        Some(self.lanes.get(&queue)?.peek()?.gang)
    }

    /// The queues that have a lane.
    pub(crate) fn queues(&self) -> Vec<QueueIndex> {
        self.lanes.keys().copied().collect()
    }

    /// Takes the head of a lane.
    pub(crate) fn pop(&mut self, queue: QueueIndex) -> Option<Entry> {
        let lane = self.lanes.get_mut(&queue)?;
        let entry = lane.pop();
        if lane.is_empty() {
            self.lanes.remove(&queue);
        }
        entry
    }

    /// Takes all that is left of a lane.
    pub(crate) fn drain(&mut self, queue: QueueIndex) -> Vec<Entry> {
        self.lanes.remove(&queue).map_or_else(Vec::new, BinaryHeap::into_sorted_vec)
    }

    /// Looks again at a queue whose head or use has changed, and at those above it.
    pub(crate) fn settle(
        &mut self,
        tree: &QueueTree,
        shares: &Shares,
        uses: &Uses,
        queue: QueueIndex,
        head_of: impl Fn(GangId) -> Head,
    ) {
        self.best.resize(tree.len(), None);
        let mut at = queue;
        loop {
            // The head of the queue itself, where it holds gangs, else the best of those below.
            let own = self.head(at).map(|_| at);
            let below = || {
                let children = tree.get(at).children.iter();
                children.filter_map(|child| self.best[child.index()].as_ref()).min().map(|(_, leaf)| *leaf)
            };
            let leaf = own.or_else(below);
            self.best[at.index()] = leaf.and_then(|leaf| {
                let head = head_of(self.head(leaf)?);
                Some((Place::of(tree, shares, uses, at, &head), leaf))
            });
            if at == QueueIndex::ROOT {
                return;
            }
            at = tree.get(at).parent;
        }
    }

    /// The queue whose turn it is.
    pub(crate) fn next(&self) -> Option<QueueIndex> {
        if self.lanes.len() <= 1 {
            return self.lanes.keys().next().copied();
        }
        self.best.first()?.as_ref().map(|(_, leaf)| *leaf)
    }
}
