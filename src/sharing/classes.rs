//! Which part of what runs in a queue is within what it is promised, which within its share, and which is borrowed.
//!
//! The running units of a leaf are walked in the order of [`Unit`]s: those that refuse eviction first, cores before pods above the
//! minimum, higher priority first, older gangs first, then by name; and added up. A unit is within deserved while the sum with it is
//! no more than what the queue is promised, of every counted resource it asks for; else within share while the sum is no more than
//! the share; else borrowed. A queue above walks the units below it in the order of their class at the child, then the same
//! order. So the end of the walk is what a queue gives back, and a gang that lies across a limit belongs to the part above it.

use super::shares::Shares;
use super::{Amounts, QueueIndex, QueueTree};
use std::cmp::Reverse;

/// How well a running unit is covered by the terms of a queue above it; the better class is the smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Covered by what the queue is promised.
    WithinDeserved,
    /// Covered by the queue's share.
    WithinShare,
    /// Covered by neither: the queue uses what is others', or nobody's.
    Borrowed,
}

impl Class {
    /// As the reports of a simulation and the conditions name it.
    pub fn name(self) -> &'static str {
        match self {
            Class::WithinDeserved => "within-deserved",
            Class::WithinShare => "within-share",
            Class::Borrowed => "borrowed",
        }
    }
}

/// What starts, runs and is taken as one: the core of a gang, or one pod above its minimum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The queue that it runs in; a leaf.
    pub queue: QueueIndex,
    /// Does it refuse to be evicted?
    pub unevictable: bool,
    /// The core of its gang, rather than a pod above the minimum?
    pub core: bool,
    /// The priority of its gang.
    pub priority: i32,
    /// When its gang was created, RFC 3339 in UTC.
    pub created: String,
    /// `namespace/name` of its gang, and behind a `/` that of its pod where it is not the core.
    pub name: String,
    /// What it uses, or asks for.
    pub amounts: Amounts,
}

impl Unit {
    /// The place in the walk; smaller is earlier.
    fn place(&self) -> impl Ord + '_ {
        (!self.unevictable, !self.core, Reverse(self.priority), self.created.as_str(), self.name.as_str())
    }
}

/// The classes of running units: for each, in the order given, its class at its leaf and at each queue above, up to the child of
/// the root. At most `O(units x levels x log units)`.
pub fn classify(tree: &QueueTree, shares: &Shares, units: &[Unit]) -> Vec<Vec<Class>> {
    let mut classes: Vec<Vec<Class>> = vec![Vec::new(); units.len()];
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); tree.len()];
    for (at, unit) in units.iter().enumerate() {
        below[unit.queue.index()].push(at);
    }
    for queue in tree.indices().rev().filter(|&queue| queue != QueueIndex::ROOT) {
        let mut walk = std::mem::take(&mut below[queue.index()]);
        walk.sort_by(|&one, &other| {
            let class = classes[one].last().cmp(&classes[other].last());
            class.then_with(|| units[one].place().cmp(&units[other].place()))
        });
        let mut sum = Amounts::default();
        for &at in &walk {
            sum.add_all(&units[at].amounts);
            classes[at].push(class_of(tree, shares, queue, &sum, &units[at].amounts));
        }
        below[tree.get(queue).parent.index()].append(&mut walk);
    }
    classes
}

/// The class that a queue reaches with these amounts in all, judged on the resources that the unit asks for.
pub fn class_of(
    tree: &QueueTree,
    shares: &Shares,
    queue: QueueIndex,
    total: &Amounts,
    asks: &Amounts,
) -> Class {
    let counted = || asks.asked().filter(|(resource, _)| shares.counted().binary_search(resource).is_ok());
    let deserved = &tree.terms(queue).deserved;
    if counted().all(|(resource, _)| total.get(resource) <= deserved.get(resource)) {
        Class::WithinDeserved
    } else if counted().all(|(resource, _)| total.get(resource) <= shares.share(tree, queue, resource)) {
        Class::WithinShare
    } else {
        Class::Borrowed
    }
}
