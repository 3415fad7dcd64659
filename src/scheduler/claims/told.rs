//! What those are told who leave for others, and whoever waits for it.

use crate::cluster::Cluster;
use crate::cluster::ids::GangId;
use crate::cluster::requests::quantity;
use crate::scheduler::decision::EvictionKind;
use crate::scheduler::queues::Walk;
use crate::sharing::entitlement::Situation;
use crate::sharing::{QueueIndex, Unit};

/// What a pod is told that leaves for a claimant.
pub(super) fn victim(
    cluster: &Cluster,
    situation: Situation<'_>,
    claimant: &Unit,
    walk: &Walk,
    victim: GangId,
    kind: EvictionKind,
) -> String {
    let tree = situation.tree;
    let name = |queue: QueueIndex| tree.terms(queue).name.as_str();
    let claimant_queue = name(claimant.queue);
    let Some(queue) = super::sharing_queue(situation, walk, victim) else { return String::new() };
    match kind {
        EvictionKind::Preempt => {
            format!(
                "preempted for {} of the same queue {claimant_queue}, which has a higher priority",
                claimant.name
            )
        }
        EvictionKind::Move => {
            format!(
                "moved for {} of queue {claimant_queue}: room elsewhere is kept for the pod that replaces it",
                claimant.name
            )
        }
        EvictionKind::Reclaim => {
            let resource = claimant.amounts.asked().map(|(resource, _)| resource);
            let mut resource = resource.filter(|resource| situation.shares.counted().contains(resource));
            let resource = resource.next();
            let amounts = resource.map_or_else(String::new, |resource| {
                let text = |amount| quantity(resource, amount).0;
                format!(
                    ": queue {} uses {} of {} {} that it deserves, its fair share is {}",
                    name(queue),
                    text(situation.uses.of(queue).get(resource)),
                    text(tree.terms(queue).deserved.get(resource)),
                    cluster.resources().name(resource),
                    text(situation.shares.share(tree, queue, resource)),
                )
            });
            format!("reclaimed for {} of queue {claimant_queue}{amounts}", claimant.name)
        }
    }
}
