//! What a queue may use: its capability, what the queues beside it have set aside, and, for gangs that refuse eviction, what is
//! promised to it.

use super::{Amounts, QueueIndex, QueueTree, Uses};
use crate::cluster::ids::ResourceId;

/// Why a unit may not start in its queue now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverLimit {
    /// The queue on the way up whose limit is met first.
    pub queue: QueueIndex,
    /// Of which resource.
    pub resource: ResourceId,
    /// Which limit.
    pub limit: Limit,
    /// How much the limit is.
    pub most: i64,
    /// How much is used of it.
    pub used: i64,
    /// How much the unit asks for.
    pub asks: i64,
}

/// A limit of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `spec.capability`.
    Capability,
    /// What there is, without what the queues beside it have set aside (`spec.guarantee`).
    GuaranteeOfOthers,
    /// `spec.deserved`, which bounds gangs that refuse eviction.
    DeservedOfUnevictable,
}

impl OverLimit {
    /// Could the unit start if nothing else ran in the queue?
    pub fn is_temporary(&self) -> bool {
        self.asks <= self.most
    }
}

/// May a unit that asks for so much start in a leaf, beside what is used already? `totals` is what ready nodes have to give.
pub fn check(
    tree: &QueueTree,
    totals: &Amounts,
    uses: &Uses,
    leaf: QueueIndex,
    asks: &Amounts,
) -> Result<(), OverLimit> {
    for queue in tree.path(leaf) {
        for (resource, asks) in asks.asked() {
            let used = uses.of(queue).get(resource);
            for (limit, most) in limits(tree, totals, queue, resource) {
                if used.saturating_add(asks) > most {
                    return Err(OverLimit { queue, resource, limit, most, used, asks });
                }
            }
        }
    }
    Ok(())
}

/// May the core of a gang that refuses eviction start in a leaf? Wherever anybody is promised a resource, what refuses eviction
/// stays within what its own queue, and each above it, is promised. `unevictable`: what such cores use now.
pub fn check_unevictable(
    tree: &QueueTree,
    unevictable: &Uses,
    leaf: QueueIndex,
    asks: &Amounts,
) -> Result<(), OverLimit> {
    for (resource, asks) in asks.asked() {
        if !tree.indices().any(|queue| tree.terms(queue).deserved.named(resource).is_some()) {
            continue;
        }
        for queue in tree.path(leaf) {
            let (most, used) =
                (tree.terms(queue).deserved.get(resource), unevictable.of(queue).get(resource));
            if used.saturating_add(asks) > most {
                let limit = Limit::DeservedOfUnevictable;
                return Err(OverLimit { queue, resource, limit, most, used, asks });
            }
        }
    }
    Ok(())
}

/// The most of a resource that may be used in a queue, by what there is, what others have set aside and all capabilities on the
/// way; `None` where nothing limits it but the nodes.
pub fn most(tree: &QueueTree, totals: &Amounts, queue: QueueIndex, resource: ResourceId) -> Option<i64> {
    tree.path(queue).flat_map(|queue| limits(tree, totals, queue, resource)).map(|(_, most)| most).min()
}

/// The limits that hold at one queue.
fn limits(
    tree: &QueueTree,
    totals: &Amounts,
    queue: QueueIndex,
    resource: ResourceId,
) -> impl Iterator<Item = (Limit, i64)> + use<> {
    let capability = tree.terms(queue).capability.named(resource).map(|most| (Limit::Capability, most));
    let parent = tree.get(queue).parent;
    let beside = tree.get(parent).children.iter().filter(|&&other| other != queue);
    let set_aside =
        beside.fold(0i64, |sum, &other| sum.saturating_add(tree.terms(other).guarantee.get(resource).max(0)));
    let above = (set_aside > 0).then(|| above(tree, totals, parent, resource));
    let guarantees = above.map(|above| (Limit::GuaranteeOfOthers, above.saturating_sub(set_aside).max(0)));
    capability.into_iter().chain(guarantees)
}

/// What the queues below this one share.
fn above(tree: &QueueTree, totals: &Amounts, queue: QueueIndex, resource: ResourceId) -> i64 {
    let most = most(tree, totals, queue, resource).unwrap_or(i64::MAX);
    let root = tree.terms(QueueIndex::ROOT).capability.named(resource).unwrap_or(i64::MAX);
    most.min(root).min(totals.get(resource))
}
