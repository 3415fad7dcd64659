//! Placements tried on top of the cluster: what is taken counts for every kind at once, and the last takings are undone
//! first.

use super::cover::Touched;
use super::limits::Limits;
use super::nodes::Seat;
use super::overlay::Overlay;
use super::slots::{ClassSlots, Slots};
use super::{Context, Tools};
use crate::cluster::cause::Cause;
use crate::cluster::coupling;
use crate::cluster::ids::{ClassId, NodeId, ResourceId};

/// A trial in progress; [`Trial::end`] leaves the indices as they were.
pub(super) struct Trial<'a, 't> {
    context: Context<'a>,
    slots: &'t mut Slots,
    overlay: &'t mut Overlay,
    /// Index of the slots by kind; `None` where they are not at hand.
    at: Vec<Option<usize>>,
    /// Kinds whose slots are at hand.
    loaded: Vec<u32>,
    /// By kind: does it depend on where other pods are?
    coupled: Vec<bool>,
    coupling: coupling::Trial<'a>,
    /// By kind: the resource that stands for its device claims, where counts of them do not add up.
    devices: Vec<Option<ResourceId>>,
    log: Vec<Taking>,
    /// Pods taken so far, those that were given back included.
    pub(super) steps: u64,
    /// Where the gang sits: what runs, and what is taken.
    pub(super) touched: Touched,
}

/// Pods of one kind taken on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taking {
    pub(super) group: u32,
    pub(super) kind: u32,
    pub(super) seat: Seat,
}

impl<'a, 't> Trial<'a, 't> {
    /// Begins with nothing taken. Slots of all kinds are at hand if they are no more than [`Limits::CLASSES`].
    pub(super) fn begin(context: Context<'a>, slots: &'t mut Slots, overlay: &'t mut Overlay) -> Self {
        let kinds = &context.demand.kinds;
        let coupled = kinds.iter().map(|&class| slots.couples(context.view, class)).collect();
        let mut coupling = context.view.trial().without(slots.supposed().lifted());
        for &(class, node, leaves) in slots.supposed().moves() {
            if leaves {
                coupling.remove(class, node);
            } else {
                coupling.place(class, node);
            }
        }
        let devices = devices_of(&context);
        let mut trial = Trial {
            context,
            slots,
            overlay,
            at: vec![None; kinds.len()],
            loaded: Vec::new(),
            coupled,
            coupling,
            devices,
            log: Vec::new(),
            steps: 0,
            touched: context.demand.touched.clone(),
        };
        let all: Vec<u32> = (0..kinds.len().min(Limits::CLASSES) as u32).collect();
        trial.load(&all);
        trial
    }

    /// Makes the slots of these kinds available, of the first [`Limits::CLASSES`] of them at least.
    pub(super) fn load(&mut self, kinds: &[u32]) {
        if kinds.iter().all(|&kind| self.at[kind as usize].is_some()) {
            return;
        }
        self.slots.release();
        for kind in self.loaded.drain(..) {
            self.at[kind as usize] = None;
        }
        let Context { view, tree, demand, .. } = self.context;
        for &kind in kinds.iter().take(Limits::CLASSES) {
            let at = self.slots.ensure(view, tree, demand.kinds[kind as usize], self.overlay);
            self.slots.pin(at);
            self.at[kind as usize] = Some(at);
            self.loaded.push(kind);
        }
    }

    /// Are the slots of the kind at hand?
    pub(super) fn is_loaded(&self, kind: u32) -> bool {
        self.at[kind as usize].is_some()
    }

    /// What is left for a kind that is at hand.
    pub(super) fn slots(&self, kind: u32) -> &ClassSlots {
        self.slots.get(self.at[kind as usize].expect("the kind was loaded"))
    }

    /// What is free at a position before anything is taken, with what is supposed.
    pub(super) fn free(&self, position: u32, resource: ResourceId) -> i64 {
        let view = self.context.view;
        let free = view.capacity.free(view.topology.order()[position as usize], resource);
        free.saturating_add(self.slots.supposed().given(position, resource))
    }

    /// Room at a position that is supposed for just this class.
    pub(super) fn room(&self, position: u32, class: ClassId) -> u32 {
        self.slots.supposed().room(position, class)
    }

    /// Does where other pods are matter to the kind? Then slots are an upper bound, and [`Trial::allows`] decides.
    pub(super) fn is_coupled(&self, kind: u32) -> bool {
        self.coupled[kind as usize] || self.devices[kind as usize].is_some()
    }

    /// Does where other pods are matter to the kind, whatever its devices?
    pub(super) fn keeps_apart(&self, kind: u32) -> bool {
        self.coupled[kind as usize]
    }

    /// Is any kind coupled?
    pub(super) fn is_any_coupled(&self) -> bool {
        self.coupled.contains(&true) || self.devices.iter().any(Option::is_some)
    }

    /// Do device claims of any kind count in a way that does not add up? Then how many pods of each kind a node takes is no
    /// vector packing.
    pub(super) fn is_any_device_coupled(&self) -> bool {
        self.devices.iter().any(Option::is_some)
    }

    /// May one more pod of the kind go to a node that has a slot for it?
    pub(super) fn allows(&self, kind: u32, position: u32) -> bool {
        let Context { view, demand, .. } = self.context;
        !self.is_coupled(kind)
            || self.excludes(demand.kinds[kind as usize], view.topology.order()[position as usize]).is_none()
                && self.has_devices(kind, position)
    }

    /// Do the devices of a node suffice for one more pod of the kind beside what is taken? Of devices that several nodes
    /// reach, what is taken anywhere counts.
    fn has_devices(&self, kind: u32, position: u32) -> bool {
        let view = self.context.view;
        let (Some(resource), Some(devices)) = (self.devices[kind as usize], view.devices) else {
            return true;
        };
        let mut more = vec![(resource, 1)];
        for taking in &self.log {
            let Some(resource) = self.devices[taking.kind as usize] else { continue };
            if taking.seat.position == position || devices.is_wide(&[(resource, 1)]) {
                more.push((resource, taking.seat.pods));
            }
        }
        devices.fit(view.topology.order()[position as usize], &more)
    }

    /// Where pods are that others keep away from, with what is taken; changes to it are the caller's own.
    pub(super) fn coupling(&self) -> coupling::Trial<'a> {
        self.coupling.clone()
    }

    /// What keeps one more pod of a class from a node because of where other pods are, those on trial included.
    pub(super) fn excludes(&self, class: ClassId, node: NodeId) -> Option<Cause> {
        self.coupling.cause(class, node)
    }

    /// Takes pods of a kind on a node for a group. There must be slots for them.
    pub(super) fn take(&mut self, group: u32, kind: u32, seat: Seat) {
        self.steps += 1;
        self.change(kind, seat, 1);
        self.touched.add(self.context.tree, seat.position as usize, seat.pods);
        if self.is_coupled(kind) {
            let node = self.context.view.topology.order()[seat.position as usize];
            for _ in 0..seat.pods {
                self.coupling.place(self.context.demand.kinds[kind as usize], node);
            }
        }
        self.log.push(Taking { group, kind, seat });
    }

    /// Takings so far, oldest first.
    pub(super) fn taken(&self) -> &[Taking] {
        &self.log
    }

    /// Undoes the last takings until so many are left.
    pub(super) fn undo_to(&mut self, length: usize) {
        while self.log.len() > length {
            let Some(Taking { kind, seat, .. }) = self.log.pop() else { break };
            self.change(kind, seat, -1);
            self.touched.remove(self.context.tree, seat.position as usize, seat.pods);
            if self.is_coupled(kind) {
                for _ in 0..seat.pods {
                    self.coupling.undo();
                }
            }
        }
    }

    /// Ends the trial and leaves no trace.
    pub(super) fn end(self) {
        self.slots.settle(self.context.view, self.context.tree, self.overlay);
    }

    fn change(&mut self, kind: u32, seat: Seat, sign: i64) {
        let Context { view, tree, demand, .. } = self.context;
        let class = demand.kinds[kind as usize];
        let requests = &view.classes.get(class).requests;
        let position = seat.position as usize;
        let mut count = sign * i64::from(seat.pods);
        let room = self.slots.supposed().room(seat.position, class);
        if room > 0 {
            count = self.overlay.seat(seat.position, class, count, room);
        }
        self.overlay.take(requests, position, count, tree.leaf.len());
        for &kind in &self.loaded {
            if let Some(at) = self.at[kind as usize] {
                self.slots.recount(view, tree, at, position, self.overlay);
            }
        }
    }
}

/// By kind, the resource that stands for its device claims, where counts of them do not add up.
fn devices_of(context: &Context<'_>) -> Vec<Option<ResourceId>> {
    let view = context.view;
    let of_kind = |&class: &ClassId| {
        let requests = &view.classes.get(class).requests;
        view.devices.filter(|devices| devices.couples(requests))?.profile(requests)
    };
    context.demand.kinds.iter().map(of_kind).collect()
}

/// Runs with a trial and ends it.
pub(super) fn with<'a, R>(
    context: &Context<'a>,
    tools: &mut Tools,
    run: impl FnOnce(&mut Trial<'a, '_>, &mut super::cover::Cover, &super::fill::Fill) -> R,
) -> R {
    let Tools { slots, overlay, cover, fill, .. } = tools;
    let mut trial = Trial::begin(*context, slots, overlay);
    let result = run(&mut trial, cover, fill);
    trial.end();
    result
}
