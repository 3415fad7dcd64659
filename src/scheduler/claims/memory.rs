//! Who was evicted for whom. A claim that would close a ring is refused as long as nothing has moved that justified what was done:
//! what the queues of both gangs deserve, their fair shares and limits, and the priorities. So evictions come to an end
//! whatever the rules about shares leave open (a finite set in which every member is beaten by a member has a ring).

use crate::cluster::Cluster;
use crate::cluster::gangs::GangRecord;
use crate::cluster::ids::GangId;
use crate::scheduler::order::priority;
use crate::scheduler::queues::Walk;
use crate::sharing::entitlement::Situation;
use crate::sharing::{QueueIndex, Unit};
use std::collections::BTreeSet;

/// No more pairs are kept; the oldest go first.
const KEPT: usize = 100_000;

/// Pairs of gangs, the one that took first.
#[derive(Debug, Default)]
pub(super) struct Memory(Vec<Pair>);

#[derive(Debug, PartialEq, Eq)]
struct Pair {
    claimant: String,
    victim: String,
    /// The number of the victim's arrival: another gang of its name is another one.
    facts: Vec<i64>,
}

impl Memory {
    /// Keeps that one gang was evicted for another.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn keep(
        &mut self,
        situation: Situation<'_>,
        claimant: &Unit,
        victim: &GangRecord,
        walk: &Walk,
        victim_id: GangId,
        victim_priority: i32,
    ) {
        let Some(at) = walk.of_gang(victim_id).next() else { return };
        let queue = situation.units[at].queue;
        let facts = facts(situation, (claimant.queue, claimant.priority), (queue, victim_priority));
        if self.0.len() >= KEPT {
            self.0.drain(..KEPT / 2);
        }
        let pair = Pair { claimant: claimant.name.clone(), victim: victim.key.to_string(), facts };
        if !self.0.contains(&pair) {
            self.0.push(pair);
        }
    }

    /// Would evicting the gang for the claimant (`namespace/name`) close a ring?
    pub(super) fn closes_ring(
        &self,
        situation: Situation<'_>,
        cluster: &Cluster,
        victim: &GangRecord,
        claimant: &str,
    ) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let (mut reached, mut open) = (BTreeSet::from([&*victim.key]), vec![&*victim.key]);
        while let Some(at) = open.pop() {
            for pair in
                self.0.iter().filter(|pair| pair.claimant == at && pair.still_holds(situation, cluster))
            {
                if pair.victim == claimant {
                    return true;
                }
                if reached.insert(&pair.victim) {
                    open.push(&pair.victim);
                }
            }
        }
        false
    }
}

impl Pair {
    fn still_holds(&self, situation: Situation<'_>, cluster: &Cluster) -> bool {
        let side = |key: &str| {
            let gang = cluster.gangs().get(cluster.gangs().id(key)?)?;
            let queue = situation.tree.find(&gang.group.as_ref()?.spec.queue)?;
            Some((queue, priority(cluster, gang)))
        };
        let sides = side(&self.claimant).zip(side(&self.victim));
        sides.is_some_and(|(claimant, victim)| facts(situation, claimant, victim) == self.facts)
    }
}

/// What justified the eviction.
fn facts(situation: Situation<'_>, claimant: (QueueIndex, i32), victim: (QueueIndex, i32)) -> Vec<i64> {
    let Situation { tree, shares, .. } = situation;
    let mut facts = vec![i64::from(claimant.1), i64::from(victim.1)];
    for queue in tree.path(claimant.0).chain(tree.path(victim.0)) {
        let terms = tree.terms(queue);
        facts.push(queue.index() as i64);
        for &resource in shares.counted() {
            facts.extend([
                terms.deserved.get(resource),
                shares.fair(queue).get(resource),
                terms.capability.named(resource).unwrap_or(-1),
            ]);
        }
    }
    facts
}
