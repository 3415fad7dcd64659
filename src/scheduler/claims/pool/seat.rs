//! What is asked of one gang that might go: does it refuse, how well is it covered, what of it is above its minimum, has it run long
//! enough?

use super::{Candidate, Purpose, Spare, nearest_span, since};
use crate::api::time::Timestamp;
use crate::cluster::Cluster;
use crate::cluster::gangs::GangRecord;
use crate::cluster::ids::PodId;
use crate::cluster::pods::PodRecord;
use crate::scheduler::queues::{Walk, role_minima};
use crate::scheduler::report::minimum;
use crate::sharing::entitlement::Situation;
use crate::sharing::{Class, QueueIndex, Unit};
use std::collections::BTreeMap;

/// What is looked at.
#[derive(Clone, Copy)]
pub(super) struct Seat<'a> {
    pub(super) purpose: Purpose,
    pub(super) cluster: &'a Cluster,
    pub(super) situation: Situation<'a>,
    pub(super) walk: &'a Walk,
    pub(super) claimant: &'a Unit,
    pub(super) now: Option<Timestamp>,
    /// The queue of the gang.
    pub(super) queue: QueueIndex,
    /// Is it the claimant's?
    pub(super) is_own: bool,
}

impl Seat<'_> {
    pub(super) fn refuses(&self, gang: &GangRecord, pod: &PodRecord) -> bool {
        pod.eviction.refused
            || pod.eviction.critical
            || gang.group.as_deref().is_some_and(|group| {
                !group.evictable
                    || matches!(
                        group.spec.priority_class_name.as_str(),
                        "system-cluster-critical" | "system-node-critical"
                    )
            })
    }

    /// The class at the side of the one of these units that is covered best; `None` if one of them may not go for the claimant.
    pub(super) fn class_of(&self, units: &[usize]) -> Option<Class> {
        let tree = self.situation.tree;
        if self.is_own {
            return units.iter().filter_map(|&at| self.situation.classes[at].first().copied()).min();
        }
        let common = tree.common(self.claimant.queue, self.queue);
        let levels = tree.path(self.queue).take_while(|&at| at != common).count();
        if tree.path(self.queue).take(levels).any(|queue| !tree.terms(queue).reclaimable) {
            return None;
        }
        let mut best: Option<Class> = None;
        for &at in units {
            let classes = &self.situation.classes[at];
            if self.purpose == Purpose::Evict
                && classes.iter().take(levels).any(|&class| class == Class::WithinDeserved)
            {
                return None;
            }
            let side = *classes.get(levels.checked_sub(1)?)?;
            best = Some(best.map_or(side, |best| best.min(side)));
        }
        best
    }

    /// Pods above the minimum that may go.
    pub(super) fn spare(&self, gang: &GangRecord, units: &[usize], all: &[PodId], candidate: &mut Candidate) {
        if gang.group.as_deref().is_some_and(|group| group.terms.whole) {
            return; // all go, or none
        }
        let minima = role_minima(self.cluster, gang, minimum(gang) as usize);
        // With subgroups that must be whole the pods above the minimum are not free to choose.
        let has_subgroups =
            gang.group.as_deref().is_some_and(|group| !group.spec.sub_group_policy.is_empty());
        let surplus: Vec<PodId> = units[1..].iter().flat_map(|&at| self.walk.pods_of(at)).collect();
        let pods = if has_subgroups { &surplus[..] } else { all };
        let mut count: BTreeMap<u32, usize> = BTreeMap::new();
        for record in all.iter().filter_map(|&pod| self.cluster.pods().get(pod)) {
            *count.entry(record.role.0).or_default() += 1;
        }
        for (role, count) in count {
            let most = count.saturating_sub(minima.get(&role).copied().unwrap_or(0));
            candidate.spare_of_role.insert(role, most);
        }
        // Units that may go at all, from the end of the walk.
        let classes: Vec<Class> = units[1..].iter().rev().map_while(|&at| self.class_of(&[at])).collect();
        candidate.spare_most = classes.len();
        let Some(&class) = classes.first() else { return };
        for &pod in pods {
            let Some(record) = self.cluster.pods().get(pod) else { continue };
            let open = candidate.spare_of_role.get(&record.role.0).is_some_and(|&open| open > 0);
            if self.refuses(gang, record) || !open {
                continue;
            }
            let requests = &self.cluster.view().classes.get(record.class).requests;
            candidate.spare.push(Spare {
                pod,
                role: record.role.0,
                class,
                amounts: requests.iter().copied().collect(),
                name: record.key.to_string(),
            });
        }
    }

    /// For how many more seconds the minimum of a gang is protected by what it has run so far, and the same in words.
    pub(super) fn runs_too_short(&self, gang: &GangRecord, pods: &[PodId]) -> Option<(i64, String)> {
        let tree = self.situation.tree;
        let of_queue = nearest_span(self.cluster, tree, self.queue, self.is_own);
        let records: Vec<&PodRecord> = pods.iter().filter_map(|&pod| self.cluster.pods().get(pod)).collect();
        let mut started: Vec<Timestamp> = records.iter().filter_map(|pod| pod.eviction.started).collect();
        started.sort_unstable();
        let at = (minimum(gang) as usize).clamp(1, started.len().max(1)) - 1;
        let runs = |started: Option<Timestamp>| since(started, self.now).unwrap_or(i64::MAX);
        let queue_left = of_queue.map_or(0, |span| {
            i64::try_from(span.as_secs()).unwrap_or(i64::MAX).saturating_sub(runs(started.get(at).copied()))
        });
        let cooldown_left = records
            .iter()
            .map(|pod| i64::from(pod.eviction.cooldown_seconds).saturating_sub(runs(pod.eviction.started)));
        let cooldown_left = cooldown_left.max().unwrap_or(0);
        if queue_left.max(cooldown_left) <= 0 {
            return None;
        }
        let why = match queue_left >= cooldown_left {
            true => format!("for another {queue_left} s (minimum runtime of its queue)"),
            false => format!("for another {cooldown_left} s (volcano.sh/cooldown-time)"),
        };
        Some((queue_left.max(cooldown_left), why))
    }
}
