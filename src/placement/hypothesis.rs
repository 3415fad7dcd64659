//! What if: changes that are supposed on top of a [`View`], and the question whether a gang would fit then.
//!
//! A hypothesis is laid over the slot counts and taken off again, in the size of what it names and never by a copy: the
//! positions that it concerns are counted anew, for the kinds of pods that are asked about. Everything that is promised to
//! users ("would fit with ...") is placed under its hypothesis first. A rule that is loosened is a changed
//! [`GangRequest`](super::GangRequest); nodes that join a domain change the frozen tree, which is built anew for that
//! (`shortfall::joined`).
//!
//! [`View`]: crate::cluster::View

use super::{Context, Tools};
use crate::cluster::View;
use crate::cluster::cause::Cause;
use crate::cluster::class::Class;
use crate::cluster::ids::{ClassId, NodeId, ResourceId};
use rustc_hash::FxHashMap;

/// One thing that is supposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A pod of the class leaves its node.
    Gone {
        /// What it is; rules about other pods see it as they see new pods of this class.
        class: ClassId,
        /// Where it is.
        node: NodeId,
    },
    /// A pod of the class comes to the node.
    Comes {
        /// What it is.
        class: ClassId,
        /// Where it comes to.
        node: NodeId,
    },
    /// A pod of the class is on another node.
    Moved {
        /// What it is.
        class: ClassId,
        /// Where it is.
        from: NodeId,
        /// Where it is supposed to be.
        to: NodeId,
    },
    /// There is room for so many more pods of just this class where the node is, beside what is free there: other pods
    /// leave, or a node like it joins beside it. Rules about other pods see no difference.
    Room {
        /// The class.
        class: ClassId,
        /// The node; it must be open to the class.
        node: NodeId,
        /// How many more.
        pods: u32,
    },
    /// So much is freed on the node that it takes so many more pods of the class: others leave it as far as is needed.
    Freed {
        /// The class.
        class: ClassId,
        /// The node.
        node: NodeId,
        /// How many more.
        pods: u32,
    },
    /// The node takes no pods: it is cordoned, or gone.
    Closed(NodeId),
    /// What excludes the node by this cause is mended: it is uncordoned, ready again, or a label or a taint of it is
    /// changed.
    Opened(NodeId, Cause),
    /// The gang's pods are changed so that this cause excludes no node for them. The last one of a hypothesis counts.
    Lifted(Cause),
}

/// What is supposed, in terms of positions. Empty most of the time.
#[derive(Debug, Default)]
pub(super) struct Supposed {
    lifted: Option<Cause>,
    at: FxHashMap<u32, Local>,
    /// Pods of others that leave and come: class, node, and whether it leaves.
    moves: Vec<(ClassId, NodeId, bool)>,
}

/// What is supposed of one node.
#[derive(Debug, Default)]
struct Local {
    closed: bool,
    opened: Option<Cause>,
    given: Vec<(ResourceId, i64)>,
    /// Pods of a class that need nothing of what is free.
    room: Vec<(ClassId, u32)>,
}

impl Supposed {
    /// Is nothing supposed that concerns slots?
    pub(super) fn is_empty(&self) -> bool {
        self.lifted.is_none() && self.at.is_empty()
    }

    /// The cause that is lifted for the gang's pods.
    pub(super) fn lifted(&self) -> Option<Cause> {
        self.lifted
    }

    /// Pods of others that leave (`true`) or come.
    pub(super) fn moves(&self) -> &[(ClassId, NodeId, bool)] {
        &self.moves
    }

    /// What is free in addition at a position.
    pub(super) fn given(&self, position: u32, resource: ResourceId) -> i64 {
        let given = self.at.get(&position).map_or(&[][..], |local| &local.given);
        given.iter().find(|&&(known, _)| known == resource).map_or(0, |&(_, amount)| amount)
    }

    /// How many pods of a class have room at a position beside what is free there.
    pub(super) fn room(&self, position: u32, class: ClassId) -> u32 {
        let room = self.at.get(&position).map_or(&[][..], |local| &local.room);
        room.iter().filter(|&&(known, _)| known == class).map(|&(_, pods)| pods).sum()
    }

    /// Is a node open to a class that what it is excludes by `cause`, if anything?
    pub(super) fn is_open(&self, view: View<'_>, class: &Class, position: u32, cause: Option<Cause>) -> bool {
        let local = self.at.get(&position);
        if local.is_some_and(|local| local.closed) {
            return false;
        }
        let Some(cause) = cause else { return true };
        let mended = self.lifted == Some(cause) || local.is_some_and(|local| local.opened == Some(cause));
        let node = view.topology.order()[position as usize];
        mended && view.eligibility.is_excluded_only_by(class.constraint, node, cause)
    }

    /// Is anything supposed of the position in particular?
    pub(super) fn names(&self, position: u32) -> bool {
        self.at.contains_key(&position)
    }

    fn new(view: View<'_>, changes: &[Change]) -> Self {
        let mut supposed = Supposed::default();
        for &change in changes {
            match change {
                Change::Gone { class, node } => supposed.shift(view, class, node, true),
                Change::Comes { class, node } => supposed.shift(view, class, node, false),
                Change::Moved { class, from, to } => {
                    supposed.shift(view, class, from, true);
                    supposed.shift(view, class, to, false);
                }
                Change::Room { class, node, pods } => {
                    supposed.at(view, node, |local| local.room.push((class, pods)));
                }
                Change::Freed { class, node, pods } => supposed.free(view, class, node, pods),
                Change::Closed(node) => supposed.at(view, node, |local| local.closed = true),
                Change::Opened(node, cause) => supposed.at(view, node, |local| local.opened = Some(cause)),
                Change::Lifted(cause) => supposed.lifted = Some(cause),
            }
        }
        supposed
    }

    fn at(&mut self, view: View<'_>, node: NodeId, change: impl FnOnce(&mut Local)) {
        if let Some(position) = view.topology.position(node) {
            change(self.at.entry(position as u32).or_default());
        }
    }

    fn shift(&mut self, view: View<'_>, class: ClassId, node: NodeId, leaves: bool) {
        if view.concerns(class) {
            self.moves.push((class, node, leaves));
        }
        for &(resource, amount) in &view.classes.get(class).requests {
            self.give(view, node, resource, if leaves { amount } else { -amount });
        }
    }

    /// Gives as much as so many more pods need there, and no more.
    fn free(&mut self, view: View<'_>, class: ClassId, node: NodeId, pods: u32) {
        let Some(position) = view.topology.position(node) else { return };
        let free = |supposed: &Supposed, resource| {
            view.capacity.free(node, resource).saturating_add(supposed.given(position as u32, resource))
        };
        let amounts = view.classes.get(class).requests.iter().filter(|&&(_, amount)| amount > 0);
        let fits = amounts.clone().map(|&(resource, amount)| free(self, resource).max(0) / amount).min();
        let wanted = fits.unwrap_or(0) + i64::from(pods);
        for &(resource, amount) in amounts {
            let lacking = wanted.saturating_mul(amount) - free(self, resource);
            if lacking > 0 {
                self.give(view, node, resource, lacking);
            }
        }
    }

    fn give(&mut self, view: View<'_>, node: NodeId, resource: ResourceId, amount: i64) {
        self.at(view, node, |local| match local.given.iter_mut().find(|(known, _)| *known == resource) {
            Some((_, given)) => *given += amount,
            None => local.given.push((resource, amount)),
        });
    }

    /// Positions whose slots differ under it for one of these classes.
    fn positions(&self, view: View<'_>, kinds: &[ClassId]) -> Vec<u32> {
        let mut positions: Vec<u32> = self.at.keys().copied().collect();
        if let Some(cause) = self.lifted.filter(|cause| !cause.is_coupling()) {
            for &class in kinds {
                let row = view.eligibility.row(view.classes.get(class).constraint);
                let order = view.topology.order().iter().zip(0..);
                positions
                    .extend(order.filter(|&(&node, _)| row.cause(node) == Some(cause)).map(|(_, at)| at));
            }
        }
        positions.sort_unstable();
        positions.dedup();
        positions
    }
}

/// Runs under a hypothesis and takes it off again.
pub(super) fn under<R>(
    context: &Context<'_>,
    tools: &mut Tools,
    changes: &[Change],
    run: impl FnOnce(&Context<'_>, &mut Tools) -> R,
) -> R {
    let Context { view, tree, demand, .. } = *context;
    let supposed = Supposed::new(view, changes);
    let positions = supposed.positions(view, &demand.kinds);
    tools.slots.suppose(view, tree, supposed, &demand.kinds, &positions, &tools.overlay);
    let result = run(context, tools);
    tools.slots.suppose(view, tree, Supposed::default(), &demand.kinds, &positions, &tools.overlay);
    result
}
