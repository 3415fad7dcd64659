//! The division of what there is among queues: each gets what it is promised and asks for, then its part of what is left.
//!
//! For every counted resource and every set of siblings with total `T` (the allocatable amount of ready nodes at the root, below
//! it the fair share of the parent):
//!
//! 1. `want` is what running and pending gangs below the queue ask for, no more than any capability on the way lets through,
//!    and no more than `T`.
//! 2. `base` is `max(min(deserved, want), guarantee)`. Where the bases reach `T`, the fair share is the base: promises that
//!    exceed what there is are not scaled down.
//! 3. What is left goes to siblings in the order of their priority, inside a priority by weight: whoever needs no more than
//!    its part is served in full, until nobody is; the others get their parts rounded down, and the rest one by one by the largest
//!    fraction, then age, then name.
//!
//! The division depends on demand, promises, limits and totals, and not on who runs. After KAI's `resource_division`.

use super::{Amounts, QueueIndex, QueueTree};
use crate::cluster::ids::ResourceId;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Who gets what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// Fair share by queue and counted resource.
    fair: Vec<Amounts>,
    /// What gangs below each queue ask for, as far as capabilities let it through.
    want: Vec<Amounts>,
    /// The resources that are divided, ascending.
    counted: Vec<ResourceId>,
}

impl Shares {
    /// Divides `totals` (what ready nodes have to give) by what running and pending gangs of each queue ask for.
    ///
    /// `counted`: the resources to divide; see [`counted`].
    pub fn divide(
        tree: &QueueTree,
        counted: &[ResourceId],
        totals: &Amounts,
        requests: &BTreeMap<QueueIndex, Amounts>,
    ) -> Self {
        let mut shares = Shares {
            fair: vec![Amounts::default(); tree.len()],
            want: vec![Amounts::default(); tree.len()],
            counted: counted.to_vec(),
        };
        for &resource in counted {
            shares.ask(tree, resource, requests);
            let total = totals.get(resource).max(0);
            shares.fair[QueueIndex::ROOT.index()].set(resource, total);
            for parent in tree.indices() {
                shares.divide_among(tree, parent, resource);
            }
        }
        shares
    }

    /// The fair share of a queue.
    pub fn fair(&self, queue: QueueIndex) -> &Amounts {
        &self.fair[queue.index()]
    }

    /// What gangs below the queue ask for, running ones included.
    pub fn want(&self, queue: QueueIndex) -> &Amounts {
        &self.want[queue.index()]
    }

    /// The resources that are divided, ascending.
    pub fn counted(&self) -> &[ResourceId] {
        &self.counted
    }

    /// What a queue may count on: its fair share, and no less than what it is promised.
    pub fn share(&self, tree: &QueueTree, queue: QueueIndex, resource: ResourceId) -> i64 {
        self.fair(queue).get(resource).max(tree.terms(queue).deserved.get(resource))
    }

    /// Sums up what is asked for, from the leaves to the root.
    fn ask(&mut self, tree: &QueueTree, resource: ResourceId, requests: &BTreeMap<QueueIndex, Amounts>) {
        for queue in tree.indices().rev() {
            let own = requests.get(&queue).map_or(0, |amounts| amounts.get(resource));
            let below = self.want[queue.index()].get(resource).saturating_add(own);
            let limit = tree.terms(queue).capability.named(resource).unwrap_or(i64::MAX);
            let want = below.min(limit).max(0);
            self.want[queue.index()].set(resource, want);
            if queue != QueueIndex::ROOT {
                self.want[tree.get(queue).parent.index()].add(resource, want);
            }
        }
    }

    fn divide_among(&mut self, tree: &QueueTree, parent: QueueIndex, resource: ResourceId) {
        let total = self.fair(parent).get(resource);
        let mut open: Vec<Claim> = tree
            .get(parent)
            .children
            .iter()
            .map(|&queue| {
                let terms = tree.terms(queue);
                let want = self.want(queue).get(resource).min(total);
                let base = terms.deserved.get(resource).min(want).max(terms.guarantee.get(resource));
                let (base, weight) = (base.clamp(0, total), i64::from(terms.weight.max(1)));
                Claim { queue, priority: terms.priority, weight, gets: base, needs: (want - base).max(0) }
            })
            .collect();
        let promised = open.iter().fold(0i64, |sum, claim| sum.saturating_add(claim.gets));
        let mut left = (total - promised).max(0);
        // Children are in the order of age and name, and the sort keeps it.
        open.sort_by_key(|claim| Reverse(claim.priority));
        for siblings in open.chunk_by_mut(|one, other| one.priority == other.priority) {
            left = serve(siblings, left);
        }
        for claim in open {
            self.fair[claim.queue.index()].set(resource, claim.gets);
        }
    }
}

/// Which resources are divided: those that any queue declares in `deserved` or `guarantee`; where none does, the devices that
/// gangs ask for (`is_device`), else cpu and memory.
pub fn counted(
    tree: &QueueTree,
    requests: &BTreeMap<QueueIndex, Amounts>,
    is_device: impl Fn(ResourceId) -> bool,
) -> Vec<ResourceId> {
    let declared = tree.indices().flat_map(|queue| {
        let terms = tree.terms(queue);
        terms.deserved.iter().chain(terms.guarantee.iter()).map(|(resource, _)| resource)
    });
    let mut counted: Vec<ResourceId> = declared.collect();
    if counted.is_empty() {
        let asked = requests.values().flat_map(Amounts::asked).map(|(resource, _)| resource);
        counted = asked.filter(|&resource| is_device(resource)).collect();
    }
    if counted.is_empty() {
        counted = vec![crate::cluster::capacity::CPU, crate::cluster::capacity::MEMORY];
    }
    counted.sort_unstable();
    counted.dedup();
    counted
}

/// A queue that takes part in a division.
struct Claim {
    queue: QueueIndex,
    priority: i32,
    weight: i64,
    gets: i64,
    needs: i64,
}

/// Serves siblings of one priority from what is left, by weight. Returns what is left after that.
fn serve(siblings: &mut [Claim], left: i64) -> i64 {
    let mut left = left;
    loop {
        let weights: i128 = weight_of_needy(siblings);
        if weights == 0 || left == 0 {
            return left;
        }
        let part = |claim: &Claim| i128::from(left) * i128::from(claim.weight);
        let is_met = |claim: &Claim| claim.needs > 0 && i128::from(claim.needs) * weights <= part(claim);
        let met: Vec<usize> = (0..siblings.len()).filter(|&at| is_met(&siblings[at])).collect();
        if met.is_empty() {
            return round(siblings, left, weights);
        }
        for at in met {
            let claim = &mut siblings[at];
            left -= claim.needs;
            claim.gets += std::mem::take(&mut claim.needs);
        }
    }
}

/// Nobody's need is met by its part: parts rounded down, and the rest one by one by the largest fraction.
fn round(siblings: &mut [Claim], left: i64, weights: i128) -> i64 {
    let mut fractions: Vec<(Reverse<i128>, usize)> = Vec::new();
    let mut rest = left;
    for (at, claim) in siblings.iter_mut().enumerate().filter(|(_, claim)| claim.needs > 0) {
        let part = i128::from(left) * i128::from(claim.weight);
        let whole = i64::try_from(part / weights).unwrap_or(i64::MAX);
        claim.gets += whole;
        claim.needs -= whole;
        rest -= whole;
        fractions.push((Reverse(part % weights), at));
    }
    fractions.sort_unstable();
    for (_, at) in fractions {
        if rest == 0 {
            break;
        }
        let claim = &mut siblings[at];
        let more = claim.needs.min(1);
        claim.gets += more;
        claim.needs -= more;
        rest -= more;
    }
    rest
}

fn weight_of_needy(siblings: &[Claim]) -> i128 {
    siblings.iter().filter(|claim| claim.needs > 0).map(|claim| i128::from(claim.weight)).sum()
}
