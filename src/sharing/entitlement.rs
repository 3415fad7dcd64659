//! Who may take from whom. A set of victims is judged as a whole, as if it were gone and the claimant were in its place.
//!
//! For a claimant `c` (the core of a gang, or one pod above its minimum) and every victim `v` of another leaf, where `X` is the lowest
//! queue above both, and the *side* of either is the child of `X` towards it:
//!
//! - at each queue from `c`'s leaf up to its side, what is used with `c` is within the share, of the resources that `c` asks for;
//! - the class of `c`'s side by that total is better than the class of `v` at its side;
//! - `v` is not within deserved at any queue from its leaf up to its side;
//! - no guarantee of those queues is undercut, and all of them let themselves be reclaimed from.
//!
//! A victim of the same leaf has a lower priority. At every queue above both, the class of `c` is not worse than that of `v`. A
//! pod above a minimum takes cores only while it is within deserved. Why evictions end under these rules: each one raises,
//! lexicographically, what runs within deserved, then within share, then by priority, of one queue and lowers none of it elsewhere.

use super::classes::{class_of, classify};
use super::limits::{self, OverLimit};
use super::shares::Shares;
use super::{Amounts, Class, QueueIndex, QueueTree, Unit, Uses};
use crate::cluster::ids::ResourceId;

/// How the cluster is shared at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The queues.
    pub tree: &'a QueueTree,
    /// Who gets what.
    pub shares: &'a Shares,
    /// What ready nodes have to give.
    pub totals: &'a Amounts,
    /// What runs, and what is promised to gangs that are about to run.
    pub uses: &'a Uses,
    /// The part of it that refuses eviction.
    pub unevictable: &'a Uses,
    /// The units that run.
    pub units: &'a [Unit],
    /// Their classes; see [`classify`].
    pub classes: &'a [Vec<Class>],
}

/// Why a claimant may not take from these victims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// A limit stands in the way, whoever leaves.
    OverLimit(OverLimit),
    /// The claimant's queue, or one above it, would use more than its share.
    AboveShare {
        /// The queue.
        queue: QueueIndex,
        /// Of which resource.
        resource: ResourceId,
        /// What it would use.
        would_use: i64,
        /// What it may count on.
        share: i64,
    },
    /// The victim is covered by what its queue, or one above it, is promised.
    WithinDeserved {
        /// The victim, as an index into the units.
        victim: usize,
        /// The queue that is promised it.
        queue: QueueIndex,
    },
    /// The claimant's side would be covered no better than the victim is.
    NoBetterClass {
        /// The victim.
        victim: usize,
    },
    /// A victim of the same queue has the same priority, or a higher one.
    PriorityNotLower {
        /// The victim.
        victim: usize,
    },
    /// In a queue that holds both, the victim is covered better than the claimant would be.
    WorseClass {
        /// The victim.
        victim: usize,
        /// The queue.
        queue: QueueIndex,
    },
    /// A pod above a minimum may not break a gang for what is not promised to its queue.
    GrowthBreaksGang {
        /// The victim.
        victim: usize,
    },
    /// Less would run in the queue than is set aside for it.
    GuaranteeUndercut {
        /// The queue.
        queue: QueueIndex,
        /// Of which resource.
        resource: ResourceId,
    },
    /// The queue gives nothing back (`reclaimable: false`).
    NotReclaimable {
        /// The queue.
        queue: QueueIndex,
    },
}

/// May the claimant take from these victims (indices into the units), all at once?
pub fn judge(now: Situation<'_>, claimant: &Unit, victims: &[usize]) -> Result<(), Objection> {
    let after = After::new(now, claimant, victims);
    after.limits()?;
    for &victim in victims {
        if now.units[victim].queue == claimant.queue {
            after.same_queue(victim)?;
        } else {
            after.other_queue(victim)?;
        }
        after.growth(victim)?;
    }
    after.common_queues(victims)?;
    after.guarantees(victims)
}

/// May running gangs be moved for the claimant, with these victims gone? It starts within the limits and the shares of its queue and
/// of all those above it: for what is borrowed nobody is disturbed.
pub fn judge_moving(now: Situation<'_>, claimant: &Unit, victims: &[usize]) -> Result<(), Objection> {
    let after = After::new(now, claimant, victims);
    after.limits()?;
    after.within_share(QueueIndex::ROOT).map(drop)
}

/// The situation with the victims gone and the claimant in their place.
struct After<'a> {
    now: Situation<'a>,
    claimant: &'a Unit,
    without: Uses,
    with: Uses,
}

impl<'a> After<'a> {
    fn new(now: Situation<'a>, claimant: &'a Unit, victims: &[usize]) -> Self {
        let mut without = now.uses.clone();
        for &victim in victims {
            let unit = &now.units[victim];
            without.subtract(now.tree, unit.queue, &unit.amounts);
        }
        let mut with = without.clone();
        with.add(now.tree, claimant.queue, &claimant.amounts);
        After { now, claimant, without, with }
    }

    fn limits(&self) -> Result<(), Objection> {
        let Situation { tree, totals, unevictable, .. } = self.now;
        let (queue, asks) = (self.claimant.queue, &self.claimant.amounts);
        limits::check(tree, totals, &self.without, queue, asks).map_err(Objection::OverLimit)?;
        if self.claimant.unevictable && self.claimant.core {
            limits::check_unevictable(tree, unevictable, queue, asks).map_err(Objection::OverLimit)?;
        }
        Ok(())
    }

    fn same_queue(&self, victim: usize) -> Result<(), Objection> {
        let unit = &self.now.units[victim];
        if unit.priority >= self.claimant.priority {
            return Err(Objection::PriorityNotLower { victim });
        }
        if !self.claimant.core && unit.core {
            return Err(Objection::GrowthBreaksGang { victim });
        }
        Ok(())
    }

    fn other_queue(&self, victim: usize) -> Result<(), Objection> {
        let Situation { tree, units, classes, .. } = self.now;
        let unit = &units[victim];
        let common = tree.common(self.claimant.queue, unit.queue);
        let class = self.within_share(common)?;
        let path = tree.path(unit.queue).take_while(|&queue| queue != common);
        let mut side = Class::WithinDeserved;
        for (queue, &at) in path.zip(&classes[victim]) {
            if !tree.terms(queue).reclaimable {
                return Err(Objection::NotReclaimable { queue });
            }
            if at == Class::WithinDeserved {
                return Err(Objection::WithinDeserved { victim, queue });
            }
            side = at;
        }
        if class >= side {
            return Err(Objection::NoBetterClass { victim });
        }
        Ok(())
    }

    /// Is the claimant within the share of each queue from its leaf up to the child of `top`? Returns the class of that child.
    fn within_share(&self, top: QueueIndex) -> Result<Class, Objection> {
        let Situation { tree, shares, .. } = self.now;
        let claimant = self.claimant;
        let mut class = Class::WithinDeserved;
        for queue in tree.path(claimant.queue).take_while(|&queue| queue != top) {
            for (resource, _) in self.counted(&claimant.amounts) {
                let would_use = self.with.of(queue).get(resource);
                let share = shares.share(tree, queue, resource);
                if would_use > share {
                    return Err(Objection::AboveShare { queue, resource, would_use, share });
                }
            }
            class = class_of(tree, shares, queue, self.with.of(queue), &claimant.amounts);
        }
        Ok(class)
    }

    fn growth(&self, victim: usize) -> Result<(), Objection> {
        let Situation { tree, shares, units, .. } = self.now;
        let (claimant, unit) = (self.claimant, &units[victim]);
        if claimant.core || !unit.core {
            return Ok(());
        }
        let is_promised = tree.path(claimant.queue).all(|queue| {
            class_of(tree, shares, queue, self.with.of(queue), &claimant.amounts) == Class::WithinDeserved
        });
        if is_promised { Ok(()) } else { Err(Objection::GrowthBreaksGang { victim }) }
    }

    /// Where claimant and victim have queues in common below the root, their classes there are compared by the walk as it would
    /// be. Only units below the highest common queue are walked.
    fn common_queues(&self, victims: &[usize]) -> Result<(), Objection> {
        let Situation { tree, shares, units, classes, .. } = self.now;
        let Some(top) = tree.path(self.claimant.queue).last() else { return Ok(()) };
        let related = |unit: &Unit| tree.path(unit.queue).last() == Some(top);
        if !victims.iter().any(|&victim| related(&units[victim])) {
            return Ok(());
        }
        let mut then: Vec<Unit> = vec![self.claimant.clone()];
        let stays = |at: &usize| !victims.contains(at) && related(&units[*at]);
        then.extend((0..units.len()).filter(stays).map(|at| units[at].clone()));
        let reached = classify(tree, shares, &then).swap_remove(0);
        for &victim in victims {
            let level = |queue: QueueIndex| tree.get(queue).level;
            let leaf = units[victim].queue;
            let common = level(tree.common(self.claimant.queue, leaf));
            for (queue, &class) in tree.path(self.claimant.queue).zip(&reached) {
                let is_common = level(queue) <= common;
                if is_common && class > classes[victim][(level(leaf) - level(queue)) as usize] {
                    return Err(Objection::WorseClass { victim, queue });
                }
            }
        }
        Ok(())
    }

    fn guarantees(&self, victims: &[usize]) -> Result<(), Objection> {
        let Situation { tree, units, uses, .. } = self.now;
        for &victim in victims.iter().filter(|&&victim| units[victim].queue != self.claimant.queue) {
            let common = tree.common(self.claimant.queue, units[victim].queue);
            for queue in tree.path(units[victim].queue).take_while(|&queue| queue != common) {
                for (resource, guarantee) in tree.terms(queue).guarantee.asked() {
                    let (before, after) = (uses.of(queue).get(resource), self.with.of(queue).get(resource));
                    if after < guarantee && after < before {
                        return Err(Objection::GuaranteeUndercut { queue, resource });
                    }
                }
            }
        }
        Ok(())
    }

    fn counted<'b>(&'b self, amounts: &'b Amounts) -> impl Iterator<Item = (ResourceId, i64)> + 'b {
        amounts.asked().filter(|(resource, _)| self.now.shares.counted().binary_search(resource).is_ok())
    }
}
