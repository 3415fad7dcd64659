//! The gate of queues: pods that are created with the scheduling gate `scheduling.volcano.sh/queue-allocation-gate` are
//! let through when their queue has room for them (`spec.capability`), so that autoscalers do not see pods that their
//! queue would not let run. Volcano's feature `SchedulingGatesQueueAdmission`; it concerns pods that ask for it.

use super::admission::{Ledger, is_pending, queue_of};
use super::decision::PodRef;
use super::report::minimum;
use crate::api::time::Timestamp;
use crate::cluster::Cluster;
use crate::cluster::gangs::{GangKind, GangRecord};
use crate::cluster::ids::{GangId, PodId};
use crate::cluster::natural;
use crate::cluster::pods::{PodRecord, PodState};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Pods whose gate is to be removed and is still there as far as has been seen: their uids, and since when.
pub(super) type Lifting = FxHashMap<PodId, (Box<str>, Option<Timestamp>)>;

/// After so many seconds a gate that is still there is asked for again.
pub(super) const PATIENCE: i64 = 10;

/// Pods that may pass the gate of their queue now. Of a gang, as many as make its minimum, or none.
pub(super) fn lift(
    cluster: &Cluster,
    by_resources: bool,
    ledger: &mut Ledger,
    lifting: &mut Lifting,
    now: Option<Timestamp>,
) -> Vec<PodRef> {
    lifting.retain(|&pod, (uid, since)| {
        let is_late = since.zip(now).is_some_and(|(since, now)| since.plus(PATIENCE) <= now);
        let record = cluster.pods().get(pod);
        !is_late && record.is_some_and(|record| record.uid == *uid && record.awaits_queue())
    });
    let mut gangs: BTreeMap<GangId, Vec<(PodId, &PodRecord)>> = BTreeMap::new();
    for pod in cluster.queue_gated() {
        let Some(record) = cluster.pods().get(pod) else { continue };
        let Some((id, gang)) = record.gang.and_then(|id| Some((id, cluster.gangs().get(id)?))) else {
            continue;
        };
        let requests = &cluster.view().classes.get(record.class).requests;
        if lifting.contains_key(&pod) {
            ledger.let_through(cluster, queue_of(gang), requests, true);
        } else if is_open(cluster, gang, by_resources) {
            gangs.entry(id).or_default().push((pod, record));
        }
    }
    let mut lifted = Vec::new();
    for (id, mut pods) in gangs {
        let Some(gang) = cluster.gangs().get(id) else { continue };
        pods.sort_by_cached_key(|(_, record)| natural::Key::new(record.name()));
        let through =
            |pod: &PodRecord| pod.is_placed() || pod.wants_node() || pod.state == PodState::Succeeded;
        let others = gang
            .pods
            .iter()
            .filter(|&&pod| lifting.contains_key(&pod) || cluster.pods().get(pod).is_some_and(through));
        let lacks = (minimum(gang) as usize).saturating_sub(others.count());
        let requests = |pod: &PodRecord| cluster.view().classes.get(pod.class).requests.clone();
        let before = ledger.taken(queue_of(gang));
        let passed: Vec<_> = pods
            .into_iter()
            .filter(|(_, record)| ledger.let_through(cluster, queue_of(gang), &requests(record), false))
            .collect();
        if passed.len() < lacks {
            ledger.set_taken(queue_of(gang), before);
            continue;
        }
        for (pod, record) in passed {
            lifting.insert(pod, (record.uid.clone(), now));
            lifted.push(PodRef {
                namespace: record.namespace().to_owned(),
                name: record.name().to_owned(),
                uid: record.uid.to_string(),
            });
        }
    }
    lifted
}

/// Does the gang's queue let anybody through?
fn is_open(cluster: &Cluster, gang: &GangRecord, by_resources: bool) -> bool {
    let is_open = cluster.queue(queue_of(gang)).is_some_and(|queue| queue.open);
    let is_admitted = match &gang.group {
        Some(group) => !(by_resources && is_pending(group)),
        None => gang.kind == GangKind::Pod,
    };
    is_open && is_admitted
}
