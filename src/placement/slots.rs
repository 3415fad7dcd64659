//! The index: how many pods of a class each node can take, by position, and the sums of that up the tree.
//!
//! Derived from [`Capacity`] and [`Eligibility`], owned by the placer, never the truth: each class remembers its place
//! in the log of changes and catches up when it is asked for, one node at a time (resources + depth steps per change).
//! It starts over when the topology was rebuilt or the log is too short. The classes asked for least recently are
//! dropped beyond [`Limits::CLASSES`].
//!
//! [`Capacity`]: crate::cluster::capacity::Capacity
//! [`Eligibility`]: crate::cluster::eligibility::Eligibility

use super::floor::Floor;
use super::hypothesis::Supposed;
use super::limits::Limits;
use super::overlay::Overlay;
use super::tree::Tree;
use crate::cluster::View;
use crate::cluster::class::Class;
use crate::cluster::eligibility::Row;
use crate::cluster::ids::{ClassId, NodeId, ResourceId};
use rustc_hash::FxHashMap;

/// No node is said to take more pods than this; keeps sums and products far from overflow.
pub(super) const SLOT_LIMIT: i64 = 1 << 20;

/// Slot counts of the classes in use.
#[derive(Debug, Default)]
pub(super) struct Slots {
    generation: u64,
    clock: u64,
    index: FxHashMap<ClassId, usize>,
    classes: Vec<ClassSlots>,
    /// What is supposed on top of the cluster.
    supposed: Supposed,
}

/// Slot counts of one class.
#[derive(Debug)]
pub(super) struct ClassSlots {
    class: ClassId,
    /// By position.
    pub(super) nodes: Vec<u32>,
    /// By domain.
    pub(super) sums: Vec<u64>,
    pub(super) floor: Floor,
    /// Position in the log of changes up to which this is true.
    seen: u64,
    used: u64,
    /// Still in use by the decision that runs, so not to be dropped.
    pinned: bool,
    /// Counted while something was taken on trial.
    tried: bool,
}

impl Slots {
    /// What is supposed on top of the cluster.
    pub(super) fn supposed(&self) -> &Supposed {
        &self.supposed
    }

    /// Supposes this from now on, and counts these classes anew at the positions where it, or what was supposed before,
    /// makes a difference. No other class may be asked for until nothing is supposed any more.
    pub(super) fn suppose(
        &mut self,
        view: View<'_>,
        tree: &Tree,
        supposed: Supposed,
        kinds: &[ClassId],
        positions: &[u32],
        overlay: &Overlay,
    ) {
        self.renew(tree);
        self.supposed = supposed;
        for class in kinds {
            if let Some(&at) = self.index.get(class) {
                for &position in positions {
                    self.classes[at].recount(view, tree, position as usize, overlay, &self.supposed);
                }
            }
        }
    }

    /// Does a class depend on where other pods are?
    pub(super) fn couples(&self, view: View<'_>, class: ClassId) -> bool {
        view.concerns(class)
    }

    fn renew(&mut self, tree: &Tree) {
        if self.generation != tree.generation {
            self.generation = tree.generation;
            self.index.clear();
            self.classes.clear();
        }
    }

    /// Brings a class up to date and returns where it is; valid until the next call for another class, and beyond for
    /// up to [`Limits::CLASSES`] classes as long as they are pinned.
    pub(super) fn ensure(&mut self, view: View<'_>, tree: &Tree, class: ClassId, overlay: &Overlay) -> usize {
        self.renew(tree);
        self.clock += 1;
        let at = match self.index.get(&class) {
            Some(&at) => {
                let known = &mut self.classes[at];
                if known.catch_up(view, tree, overlay, &self.supposed) {
                    // Takings since it was last in use.
                    let missed = if known.pinned { &[] } else { overlay.touched() };
                    for &position in missed {
                        known.recount(view, tree, position as usize, overlay, &self.supposed);
                    }
                } else {
                    known.rebuild(view, tree, overlay, &self.supposed);
                }
                at
            }
            None => {
                let at = self.vacancy();
                self.classes[at].class = class;
                self.index.insert(class, at);
                self.classes[at].rebuild(view, tree, overlay, &self.supposed);
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
        self.classes[at].recount(view, tree, position, overlay, &self.supposed);
    }

    /// Ends a trial: recounts where something was taken, and drops what exceeds [`Limits::CLASSES`].
    pub(super) fn settle(&mut self, view: View<'_>, tree: &Tree, overlay: &mut Overlay) {
        let touched = overlay.clear();
        for class in &mut self.classes {
            class.pinned = false;
            if std::mem::take(&mut class.tried) {
                for &position in &touched {
                    class.recount(view, tree, position as usize, overlay, &self.supposed);
                }
            }
        }
        while self.classes.len() > Limits::CLASSES {
            if let Some(dropped) = self.classes.pop() {
                self.index.remove(&dropped.class);
            }
        }
    }

    fn vacancy(&mut self) -> usize {
        let oldest = (0..self.classes.len())
            .filter(|&at| !self.classes[at].pinned)
            .min_by_key(|&at| self.classes[at].used)
            .filter(|_| self.classes.len() >= Limits::CLASSES);
        match oldest {
            Some(at) => {
                self.index.remove(&self.classes[at].class);
                at
            }
            None => {
                self.classes.push(ClassSlots {
                    class: ClassId(u32::MAX),
                    nodes: Vec::new(),
                    sums: Vec::new(),
                    floor: Floor::default(),
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

    fn catch_up(&mut self, view: View<'_>, tree: &Tree, overlay: &Overlay, supposed: &Supposed) -> bool {
        let Some(changes) = view.capacity.changes_since(self.seen) else { return false };
        if changes.len() > self.nodes.len() {
            return false;
        }
        let counter = Counter::new(view, self.class, supposed);
        let mut last = None;
        for &node in changes {
            if last == Some(node) {
                continue;
            }
            last = Some(node);
            if let Some(position) = view.topology.position(node) {
                self.put(tree, position, counter.slots_left(position, overlay));
                self.floor.forget(tree, position);
            }
        }
        self.seen = view.capacity.position();
        true
    }

    fn recount(
        &mut self,
        view: View<'_>,
        tree: &Tree,
        position: usize,
        overlay: &Overlay,
        supposed: &Supposed,
    ) {
        let counter = Counter::new(view, self.class, supposed);
        self.put(tree, position, counter.slots_left(position, overlay));
        self.floor.forget(tree, position);
    }

    /// Notes how many slots a node has now.
    #[inline]
    fn put(&mut self, tree: &Tree, position: usize, now: u32) {
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

    fn rebuild(&mut self, view: View<'_>, tree: &Tree, overlay: &Overlay, supposed: &Supposed) {
        let counter = Counter::new(view, self.class, supposed);
        self.nodes.clear();
        self.nodes.extend((0..counter.order.len()).map(|position| counter.slots(position)));
        for &position in overlay.touched() {
            self.nodes[position as usize] = counter.slots_left(position as usize, overlay);
        }
        self.floor.start_over(tree);
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

/// Requests of a class that are looked up once; more are looked up each time.
const HOISTED: usize = 8;

/// Counts the slots of one class: everything that is the same for all nodes is looked up once.
struct Counter<'a> {
    view: View<'a>,
    id: ClassId,
    class: &'a Class,
    /// `None` where nothing is supposed.
    supposed: Option<&'a Supposed>,
    row: Row<'a>,
    order: &'a [NodeId],
    /// What is free by node, and what a pod asks for. Extended resources first, since they are the scarce ones: what they
    /// leave is small, and a product then shows that the others suffice.
    columns: [(&'a [i64], i64); HOISTED],
    requests: usize,
}

impl<'a> Counter<'a> {
    fn new(view: View<'a>, id: ClassId, supposed: &'a Supposed) -> Self {
        let class = view.classes.get(id);
        let mut columns: [(&[i64], i64); HOISTED] = [(&[], 0); HOISTED];
        for (column, &(resource, amount)) in columns.iter_mut().zip(class.requests.iter().rev()) {
            *column = (view.capacity.free_column(resource), amount);
        }
        let row = view.eligibility.row(class.constraint);
        let requests = class.requests.len();
        let supposed = (!supposed.is_empty()).then_some(supposed);
        Counter { view, id, class, supposed, row, order: view.topology.order(), columns, requests }
    }

    /// How many pods the node at a position can take now: whole requests within what is free, 0 where it is not eligible.
    #[inline]
    fn slots(&self, position: usize) -> u32 {
        match self.supposed.filter(|supposed| supposed.names(position as u32)) {
            None => self.slots_within(position, 0, |_, free| free),
            Some(supposed) => {
                let room = supposed.room(position as u32, self.id);
                self.slots_within(position, room, |resource, free| {
                    free.saturating_add(supposed.given(position as u32, resource))
                })
            }
        }
    }

    /// The same, less what is taken on trial.
    fn slots_left(&self, position: usize, overlay: &Overlay) -> u32 {
        if !overlay.is_touched(position) {
            return self.slots(position);
        }
        let room = self.supposed.map_or(0, |supposed| supposed.room(position as u32, self.id));
        let room = room.saturating_sub(overlay.seated(position as u32, self.id));
        self.slots_within(position, room, |resource, free| {
            let given = self.supposed.map_or(0, |supposed| supposed.given(position as u32, resource));
            free.saturating_add(given).saturating_sub(overlay.taken(resource, position))
        })
    }

    #[inline]
    fn slots_within(&self, position: usize, room: u32, left: impl Fn(ResourceId, i64) -> i64) -> u32 {
        let node = self.order[position];
        let mut fits = SLOT_LIMIT;
        let requests = self.class.requests.iter().rev();
        for (&(column, amount), &(resource, _)) in
            self.columns[..self.requests.min(HOISTED)].iter().zip(requests.clone())
        {
            let free = column.get(node.index()).copied().unwrap_or(0);
            fits = fit(fits, left(resource, free), amount);
            if fits == 0 && room == 0 {
                return 0;
            }
        }
        for &(resource, amount) in requests.skip(HOISTED) {
            fits = fit(fits, left(resource, self.view.capacity.free(node, resource)), amount);
        }
        let is_open = || match self.supposed {
            None => self.row.cause(node).is_none(),
            Some(it) => it.is_open(self.view, self.class, position as u32, self.row.cause(node)),
        };
        let fits = fits + i64::from(room);
        if fits > 0 && self.view.capacity.is_present(node) && is_open() { fits as u32 } else { 0 }
    }
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
