//! Whose turn it is among queues. From the root downwards, the child goes first whose head gang leaves it covered best; see [`turn`].

use super::classes::class_of;
use super::shares::Shares;
use super::{Amounts, Class, QueueIndex, QueueTree, Uses};
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

/// The gang of a leaf that would start next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it asks for.
    pub asks: Amounts,
    /// Is its minimum running, so that only more pods of it wait?
    pub grows: bool,
    /// When it was created, RFC 3339 in UTC; empty where that is not known.
    pub created: String,
    /// `namespace/name`.
    pub name: String,
}

/// The leaf whose head goes next. Gangs whose minimum waits come before all growth; then, at each level from the root down, the
/// child decides by: the class that it reaches with the head (within deserved before within share before borrowed), its priority,
/// the largest part of its share that it uses now, the same with the head, what the head asks for, its age, and its name.
pub fn turn(
    tree: &QueueTree,
    shares: &Shares,
    uses: &Uses,
    heads: &BTreeMap<QueueIndex, Head>,
) -> Option<QueueIndex> {
    let core_waits = heads.values().any(|head| !head.grows);
    let takes_part = |head: &&Head| head.grows != core_waits;
    let mut best: Vec<Option<QueueIndex>> = vec![None; tree.len()];
    for queue in tree.indices().rev() {
        if heads.get(&queue).filter(takes_part).is_some() {
            best[queue.index()] = Some(queue);
            continue;
        }
        let children = tree.get(queue).children.iter();
        let found = children.filter_map(|&child| {
            let leaf = best[child.index()]?;
            Some((Place::of(tree, shares, uses, child, &heads[&leaf]), leaf))
        });
        best[queue.index()] = found.min_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, leaf)| leaf);
    }
    best[QueueIndex::ROOT.index()]
}

/// How a queue compares with its siblings; the smallest goes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    class: Class,
    priority: Reverse<i32>,
    before: Fraction,
    after: Fraction,
    size: i64,
    created: (bool, Box<str>),
    name: Box<str>,
}

impl Place {
    /// The place of a queue whose best head is this one.
    pub fn of(tree: &QueueTree, shares: &Shares, uses: &Uses, queue: QueueIndex, head: &Head) -> Self {
        let before = uses.of(queue);
        let mut after = before.clone();
        after.add_all(&head.asks);
        let largest = |used: &Amounts| {
            let counted = shares.counted().iter();
            let part = counted.map(|&resource| Fraction {
                of: shares.share(tree, queue, resource).max(0),
                part: used.get(resource).max(0),
            });
            part.max().unwrap_or(Fraction { part: 0, of: 1 })
        };
        Place {
            class: class_of(tree, shares, queue, &after, &head.asks),
            priority: Reverse(tree.terms(queue).priority),
            before: largest(before),
            after: largest(&after),
            size: shares.counted().iter().map(|&resource| head.asks.get(resource)).sum(),
            created: (head.created.is_empty(), head.created.as_str().into()),
            name: head.name.as_str().into(),
        }
    }
}

/// A part of a share. Nothing of nothing is nothing; something of nothing is more than any other part.
#[derive(Clone, Copy, Debug)]
struct Fraction {
    part: i64,
    of: i64,
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        let infinite = |fraction: &Fraction| fraction.of == 0 && fraction.part > 0;
        match (infinite(self), infinite(other)) {
            (true, true) => self.part.cmp(&other.part),
            (one, another) if one != another => one.cmp(&another),
            _ => {
                let one = i128::from(self.part) * i128::from(other.of.max(1));
                one.cmp(&(i128::from(other.part) * i128::from(self.of.max(1))))
            }
        }
    }
}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Fraction {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Fraction {}
