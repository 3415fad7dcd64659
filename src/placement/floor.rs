//! How little the nodes of a domain can cost: the least free share and the most slots of those that can take a pod of a
//! class, by domain, each found out when somebody asks and forgotten when a node inside changes.
//!
//! With these, most domains need not be looked at when nodes are compared: none of their nodes can beat what is known.

use super::fill::Share;
use super::tree::Tree;
use std::cell::Cell;

/// What is known of domains for one class.
#[derive(Debug, Default)]
pub(super) struct Floor {
    /// [`super::fill::Fill::epoch`] that shares are of.
    epoch: Cell<u64>,
    /// By domain: least share, and most slots. A domain that is not known is in none that is.
    known: Vec<Cell<Option<(u16, u32)>>>,
}

impl Floor {
    /// Forgets everything.
    pub(super) fn start_over(&mut self, tree: &Tree) {
        self.known.clear();
        self.known.resize(tree.len(), Cell::new(None));
    }

    /// Forgets what a node has to do with.
    pub(super) fn forget(&self, tree: &Tree, position: usize) {
        let mut at = tree.leaf[position] as usize;
        while self.known[at].take().is_some() && at > 0 {
            at = tree.parent[at] as usize;
        }
    }

    /// The least share and the most slots of the nodes in a domain that can take a pod; `None` if none can.
    pub(super) fn of(
        &self,
        tree: &Tree,
        share: &Share<'_>,
        epoch: u64,
        slots: &[u32],
        domain: u32,
    ) -> Option<(i64, u32)> {
        if self.epoch.replace(epoch) != epoch {
            self.known.iter().for_each(|known| known.set(None));
        }
        if self.known[domain as usize].get().is_none() {
            for at in tree.inside(domain).rev().filter(|&at| self.known[at as usize].get().is_none()) {
                let (start, end) = tree.own[at as usize];
                let open = (start..end).filter(|&position| slots[position as usize] > 0);
                let own = open.map(|position| (share.of_node(position) as u16, slots[position as usize]));
                let inner = tree.children(at).filter_map(|child| self.known[child as usize].get());
                let both = own
                    .chain(inner)
                    .fold((u16::MAX, 0), |(least, most), (share, slots)| (least.min(share), most.max(slots)));
                self.known[at as usize].set(Some(both));
            }
        }
        let (least, most) = self.known[domain as usize].get()?;
        (most > 0).then_some((i64::from(least), most))
    }
}
