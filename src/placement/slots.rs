//! The index: how many pods of a class each node can take, by position, and the sums of that up the tree.
//!
//! Derived from [`Capacity`] and [`Eligibility`], owned by the placer, never the truth: each class remembers its place
//! in the log of changes and catches up when it is asked for, one node at a time (resources + depth steps per change).
//! It starts over when the topology was rebuilt or the log is too short. The classes asked for least recently are
//! dropped beyond [`KEPT`].
//!
//! [`Capacity`]: crate::cluster::capacity::Capacity
//! [`Eligibility`]: crate::cluster::eligibility::Eligibility

use super::overlay::Overlay;
use super::tree::Tree;
use crate::cluster::View;
use crate::cluster::cause::Cause;
use crate::cluster::class::Class;
use crate::cluster::ids::{ClassId, NodeId};
use rustc_hash::FxHashMap;

/// Classes whose counts are kept.
pub(super) const KEPT: usize = 64;

/// No node is said to take more pods than this; keeps sums and products far from overflow.
pub(super) const SLOT_LIMIT: i64 = 1 << 20;

/// Slot counts of the classes in use.
#[derive(Debug, Default)]
pub(super) struct Slots {
    generation: u64,
    clock: u64,
    index: FxHashMap<ClassId, usize>,
    classes: Vec<ClassSlots>,
    /// A cause that is taken to be lifted.
    lifted: Option<Cause>,
}

/// Slot counts of one class.
#[derive(Debug)]
pub(super) struct ClassSlots {
    class: ClassId,
    lifted: Option<Cause>,
    /// By position.
    pub(super) nodes: Vec<u32>,
    /// By domain.
    pub(super) sums: Vec<u64>,
    /// Position in the log of changes up to which this is true.
    seen: u64,
    used: u64,
    /// Still in use by the decision that runs, so not to be dropped.
    pinned: bool,
    /// Counted while something was taken on trial.
    tried: bool,
}

impl Slots {
    /// Counts nodes that only this cause excludes as if it did not. To be called before any class is counted.
    pub(super) fn lift(&mut self, cause: Cause) {
        debug_assert!(self.classes.is_empty(), "what is counted is not counted again");
        self.lifted = Some(cause);
    }

    /// Brings a class up to date and returns where it is; valid until the next call for another class, and beyond for
    /// up to [`KEPT`] classes as long as they are pinned.
    pub(super) fn ensure(&mut self, view: View<'_>, tree: &Tree, class: ClassId, overlay: &Overlay) -> usize {
        if self.generation != tree.generation {
            self.generation = tree.generation;
            self.index.clear();
            self.classes.clear();
        }
        self.clock += 1;
        let at = match self.index.get(&class) {
            Some(&at) => {
                let known = &mut self.classes[at];
                if known.catch_up(view, tree, overlay) {
                    // Takings since it was last in use.
                    let missed = if known.pinned { &[] } else { overlay.touched() };
                    for &position in missed {
                        known.recount(view, tree, position as usize, overlay);
                    }
                } else {
                    known.rebuild(view, tree, overlay);
                }
                at
            }
            None => {
                let at = self.vacancy();
                self.classes[at].class = class;
                self.index.insert(class, at);
                self.classes[at].rebuild(view, tree, overlay);
                at
            }
        };
        self.classes[at].used = self.clock;
        self.classes[at].tried |= !overlay.touched().is_empty();
        at
    }

    /// Keeps a class from being dropped until [`Slots::release`].
    pub(super) fn pin(&mut self, at: usize) {
        self.classes[at].pinned = true;
    }

    /// Ends all pins. Classes that were pinned must be asked for again: they miss what is taken from now on.
    pub(super) fn release(&mut self) {
        for class in &mut self.classes {
            class.pinned = false;
        }
    }

    /// The counts at an index that [`Slots::ensure`] returned.
    pub(super) fn get(&self, at: usize) -> &ClassSlots {
        &self.classes[at]
    }

    /// Recounts one node for a pinned class, after the overlay changed there.
    pub(super) fn recount(
        &mut self,
        view: View<'_>,
        tree: &Tree,
        at: usize,
        position: usize,
        overlay: &Overlay,
    ) {
        self.classes[at].tried = true;
        self.classes[at].recount(view, tree, position, overlay);
    }

    /// Ends a trial: recounts where something was taken, and drops what exceeds [`KEPT`].
    pub(super) fn settle(&mut self, view: View<'_>, tree: &Tree, overlay: &mut Overlay) {
        let touched = overlay.clear();
        for class in &mut self.classes {
            class.pinned = false;
            if std::mem::take(&mut class.tried) {
                for &position in &touched {
                    class.recount(view, tree, position as usize, overlay);
                }
            }
        }
        while self.classes.len() > KEPT {
            if let Some(dropped) = self.classes.pop() {
                self.index.remove(&dropped.class);
            }
        }
    }

    fn vacancy(&mut self) -> usize {
        let oldest = (0..self.classes.len())
            .filter(|&at| !self.classes[at].pinned)
            .min_by_key(|&at| self.classes[at].used)
            .filter(|_| self.classes.len() >= KEPT);
        match oldest {
            Some(at) => {
                self.index.remove(&self.classes[at].class);
                at
            }
            None => {
                self.classes.push(ClassSlots {
                    class: ClassId(u32::MAX),
                    lifted: self.lifted,
                    nodes: Vec::new(),
                    sums: Vec::new(),
                    seen: 0,
                    used: 0,
                    pinned: false,
                    tried: false,
                });
                self.classes.len() - 1
            }
        }
    }
}

impl ClassSlots {
    /// Slots in the whole cluster.
    pub(super) fn total(&self) -> u64 {
        self.sums[0]
    }

    fn catch_up(&mut self, view: View<'_>, tree: &Tree, overlay: &Overlay) -> bool {
        let Some(changes) = view.capacity.changes_since(self.seen) else { return false };
        if changes.len() > self.nodes.len() {
            return false;
        }
        let mut last = None;
        for &node in changes {
            if last == Some(node) {
                continue;
            }
            last = Some(node);
            if let Some(position) = view.topology.position(node) {
                self.recount(view, tree, position, overlay);
            }
        }
        self.seen = view.capacity.position();
        true
    }

    fn recount(&mut self, view: View<'_>, tree: &Tree, position: usize, overlay: &Overlay) {
        let class = view.classes.get(self.class);
        let now = count(view, class, self.lifted, view.topology.order()[position], position, overlay);
        let before = std::mem::replace(&mut self.nodes[position], now);
        if now == before {
            return;
        }
        let mut at = tree.leaf[position] as usize;
        loop {
            self.sums[at] = self.sums[at] + u64::from(now) - u64::from(before);
            if at == 0 {
                break;
            }
            at = tree.parent[at] as usize;
        }
    }

    fn rebuild(&mut self, view: View<'_>, tree: &Tree, overlay: &Overlay) {
        let class = view.classes.get(self.class);
        self.nodes.clear();
        count_all(view, class, self.lifted, overlay, &mut self.nodes);
        self.sums.clear();
        self.sums.resize(tree.len(), 0);
        for at in (0..tree.len()).rev() {
            let (start, end) = tree.own[at];
            let own: u64 = self.nodes[start as usize..end as usize].iter().map(|&n| u64::from(n)).sum();
            self.sums[at] += own;
            if at > 0 {
                let sum = self.sums[at];
                self.sums[tree.parent[at] as usize] += sum;
            }
        }
        self.seen = view.capacity.position();
    }
}

/// How many pods of the class the node can take now: whole requests within what is free, 0 where it is not eligible.
fn count(
    view: View<'_>,
    class: &Class,
    lifted: Option<Cause>,
    node: NodeId,
    position: usize,
    overlay: &Overlay,
) -> u32 {
    let cause = view.eligibility.cause(class.constraint, node);
    if !view.capacity.is_present(node) || !is_open(view, class, lifted, node, cause) {
        return 0;
    }
    let mut fits = SLOT_LIMIT;
    for &(resource, amount) in class.requests.iter().rev() {
        let free = view.capacity.free(node, resource).saturating_sub(overlay.taken(resource, position));
        fits = fit(fits, free, amount);
        if fits == 0 {
            break;
        }
    }
    fits as u32
}

/// Is the node open to the class, given what excludes it and what is taken to be lifted?
#[inline]
fn is_open(view: View<'_>, class: &Class, lifted: Option<Cause>, node: NodeId, cause: Option<Cause>) -> bool {
    cause.is_none()
        || cause == lifted
            && lifted
                .is_some_and(|lifted| view.eligibility.is_excluded_only_by(class.constraint, node, lifted))
}

/// The lesser of `fits` and `free / amount`, without a division where a product or a sum settles it.
#[inline]
fn fit(fits: i64, free: i64, amount: i64) -> i64 {
    if amount <= 0 {
        fits
    } else if free < amount {
        0
    } else if fits.checked_mul(amount).is_some_and(|need| need <= free) {
        fits
    } else if free - amount < amount {
        1
    } else {
        free / amount
    }
}

/// [`count`] for all positions. Extended resources go first, since they are the scarce ones: what they leave is small,
/// and a product then shows that the others suffice.
fn count_all(view: View<'_>, class: &Class, lifted: Option<Cause>, overlay: &Overlay, out: &mut Vec<u32>) {
    let order = view.topology.order();
    let row = view.eligibility.row(class.constraint);
    let requests = class.requests.iter().rev();
    let columns: Vec<(&[i64], i64)> =
        requests.map(|&(resource, amount)| (view.capacity.free_column(resource), amount)).collect();
    if columns.iter().any(|(column, _)| column.is_empty()) {
        out.resize(order.len(), 0);
        return;
    }
    out.extend(order.iter().map(|&node| {
        let mut fits = SLOT_LIMIT;
        for &(column, amount) in &columns {
            fits = fit(fits, column.get(node.index()).copied().unwrap_or(0), amount);
            if fits == 0 {
                return 0;
            }
        }
        match view.capacity.is_present(node) && is_open(view, class, lifted, node, row.cause(node)) {
            true => fits as u32,
            false => 0,
        }
    }));
    for &position in overlay.touched() {
        let at = position as usize;
        out[at] = count(view, class, lifted, order[at], at, overlay);
    }
}
