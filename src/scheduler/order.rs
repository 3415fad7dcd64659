//! Who is next among gangs of one queue: a total order, so that the same cluster gives the same turn whatever came in first.

use crate::api::time::Timestamp;
use crate::cluster::Cluster;
use crate::cluster::gangs::{GangKind, GangRecord};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::time::Duration;

/// How long gangs may wait: an order among those of one priority, by when their time is up. Volcano's plugin `sla`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingTimes {
    /// Do they count? Where Volcano's configuration does not list the plugin, they do not.
    pub count: bool,
    /// For PodGroups without an annotation of their own.
    pub default: Option<Duration>,
}

impl Default for WaitingTimes {
    fn default() -> Self {
        WaitingTimes { count: true, default: None }
    }
}

/// The turn of a gang among those of its queue; the greatest goes first. Ends in the order of arrival, which is unique.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// Priority of the gang.
    priority: i32,
    /// A gang that lost members and runs below its minimum goes before one that has not started: what it holds
    /// serves nobody until it is whole again.
    partial: bool,
    /// Whose waiting time is up earlier goes first; those without one last. Nanoseconds since 1970.
    deadline: Reverse<(bool, i64)>,
    /// Older first; PodGroups without a creation time last.
    created: Reverse<(bool, Box<str>)>,
    /// Seen earlier first.
    sequence: Reverse<u64>,
}

/// The turn of a gang now.
pub fn turn(cluster: &Cluster, gang: &GangRecord, times: WaitingTimes) -> Turn {
    let created = gang.group.as_ref().map(|group| group.created.clone()).unwrap_or_default();
    Turn {
        priority: priority(cluster, gang),
        partial: is_partial(cluster, gang),
        deadline: Reverse(deadline(gang, times).map_or((true, 0), |at| (false, at))),
        created: Reverse((created.is_empty(), created)),
        sequence: Reverse(gang.sequence),
    }
}

/// When the gang's waiting time is up, in nanoseconds since 1970; `None` if it has none.
pub fn deadline(gang: &GangRecord, times: WaitingTimes) -> Option<i64> {
    let group = gang.group.as_ref().filter(|_| times.count)?;
    let patience = group.patience.or(times.default)?;
    let created = Timestamp::parse(&group.created)?.0;
    let patience = i64::try_from(patience.as_nanos()).unwrap_or(i64::MAX);
    Some(created.saturating_mul(1_000_000_000).saturating_add(patience))
}

/// The highest priority of a class that is not the system's (Kubernetes' `HighestUserDefinablePriority`).
const HIGHEST_OF_USERS: i32 = 1_000_000_000;

/// The PodGroup's priority or class decides; else the highest among its pods; else the global default. A class of the system on pods protects
/// them from eviction and does not put the gang of a PodGroup before all others: for that the PodGroup is to name it.
pub fn priority(cluster: &Cluster, gang: &GangRecord) -> i32 {
    if let Some(priority) = gang.group.as_ref().and_then(|group| group.terms.priority) {
        return priority;
    }
    let class = gang.group.as_ref().map_or("", |group| group.spec.priority_class_name.as_str());
    if !class.is_empty()
        && let Some(value) = cluster.priority(class)
    {
        return value;
    }
    let counts = |priority: &i32| gang.kind == GangKind::Pod || *priority <= HIGHEST_OF_USERS;
    let pods = gang.pods.iter().filter_map(|&pod| cluster.pods().get(pod)?.priority).filter(counts).max();
    pods.or_else(|| cluster.priority("")).unwrap_or(0)
}

fn is_partial(cluster: &Cluster, gang: &GangRecord) -> bool {
    let Some(group) = gang.group.as_ref().filter(|_| gang.kind == GangKind::PodGroup) else { return false };
    let minimum = usize::try_from(group.spec.min_member.unwrap_or(0)).unwrap_or(0);
    let placed =
        gang.pods.iter().filter(|&&pod| cluster.pods().get(pod).is_some_and(|pod| pod.is_placed())).count();
    placed > 0 && placed < minimum
}
