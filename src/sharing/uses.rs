//! What is used below each queue, kept as gangs start and end: a change costs the path of its queue up the tree.

use super::{Amounts, QueueIndex, QueueTree};

/// What is used below each queue of one tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    by_queue: Vec<Amounts>,
}

impl Uses {
    /// Nothing is used yet below the queues of this tree.
    pub fn new(tree: &QueueTree) -> Self {
        Uses { by_queue: vec![Amounts::default(); tree.len()] }
    }

    /// Takes in that so much more is used in a queue.
    pub fn add(&mut self, tree: &QueueTree, queue: QueueIndex, amounts: &Amounts) {
        self.by_queue[QueueIndex::ROOT.index()].add_all(amounts);
        for queue in tree.path(queue) {
            self.by_queue[queue.index()].add_all(amounts);
        }
    }

    /// Takes in that so much less is used in a queue.
    pub fn subtract(&mut self, tree: &QueueTree, queue: QueueIndex, amounts: &Amounts) {
        self.by_queue[QueueIndex::ROOT.index()].subtract_all(amounts);
        for queue in tree.path(queue) {
            self.by_queue[queue.index()].subtract_all(amounts);
        }
    }

    /// What is used below the queue.
    pub fn of(&self, queue: QueueIndex) -> &Amounts {
        &self.by_queue[queue.index()]
    }
}
