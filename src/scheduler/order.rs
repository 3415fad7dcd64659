//! Who is next: a total order over gangs, so that the same cluster gives the same turn whatever came in first.

use crate::cluster::Cluster;
use crate::cluster::gangs::{GangKind, GangRecord};
use std::cmp::Reverse;

/// The turn of a gang; the greatest goes first. Ends in the order of arrival, which is unique.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// Priority of the queue.
    queue: i32,
    /// Priority of the gang.
    priority: i32,
    /// A gang that lost members and runs below its minimum goes before one that has not started: what it holds
    /// serves nobody until it is whole again.
    partial: bool,
    /// Older first; PodGroups without a creation time last.
    created: Reverse<(bool, Box<str>)>,
    /// Seen earlier first.
    sequence: Reverse<u64>,
}

/// The turn of a gang now.
pub fn turn(cluster: &Cluster, gang: &GangRecord) -> Turn {
    let spec = gang.group.as_ref().map(|group| &group.spec);
    let queue = cluster.queue(spec.map_or("", |spec| &spec.queue)).map_or(0, |queue| queue.priority);
    let created = gang.group.as_ref().map(|group| group.created.clone()).unwrap_or_default();
    Turn {
        queue,
        priority: priority(cluster, gang),
        partial: is_partial(cluster, gang),
        created: Reverse((created.is_empty(), created)),
        sequence: Reverse(gang.sequence),
    }
}

/// The PodGroup's class decides; else the highest among its pods; else the global default.
pub fn priority(cluster: &Cluster, gang: &GangRecord) -> i32 {
    let class = gang.group.as_ref().map_or("", |group| group.spec.priority_class_name.as_str());
    if !class.is_empty()
        && let Some(value) = cluster.priority(class)
    {
        return value;
    }
    let pods = gang.pods.iter().filter_map(|&pod| cluster.pods().get(pod)?.priority).max();
    pods.or_else(|| cluster.priority("")).unwrap_or(0)
}

fn is_partial(cluster: &Cluster, gang: &GangRecord) -> bool {
    let Some(group) = gang.group.as_ref().filter(|_| gang.kind == GangKind::PodGroup) else { return false };
    let minimum = usize::try_from(group.spec.min_member.unwrap_or(0)).unwrap_or(0);
    let placed =
        gang.pods.iter().filter(|&&pod| cluster.pods().get(pod).is_some_and(|pod| pod.is_placed())).count();
    placed > 0 && placed < minimum
}
