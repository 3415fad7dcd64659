//! What is counted on the way, for the metrics.

use super::Engine;
use crate::live::metrics::{
    ActionLabel, CodeLabel, JobLabel, ReasonLabel, ResultLabel, StageLabel, TierLabel, WaitingLabel,
};
use crate::live::usage::{queue_of, usage};
use crate::scheduler::{Cycle, GangPlacement, PodRef};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often is counted what takes a look at every pod of ours, or a series for each gang.
const USAGE_EVERY: Duration = Duration::from_secs(5);

/// How a cycle went.
#[derive(Clone, Copy, Debug)]
pub(super) struct CycleCounts {
    tried: usize,
    placed: usize,
    cut_short: usize,
}

impl CycleCounts {
    pub(super) fn of(cycle: &Cycle) -> Self {
        CycleCounts { tried: cycle.tried, placed: cycle.placed, cut_short: cycle.cut_short }
    }
}

impl Engine {
    /// A cycle is over.
    pub(super) fn count_cycle(&self, counts: &CycleCounts, deciding: Duration, all: Duration) {
        let metrics = &self.health.metrics;
        let result = |result: &str| ResultLabel { result: result.to_owned() };
        metrics.attempts.get_or_create(&result("scheduled")).inc_by(counts.placed as u64);
        let refused = counts.tried - counts.placed;
        metrics.attempts.get_or_create(&result("unschedulable")).inc_by(refused as u64);
        metrics.cut_short.inc_by(counts.cut_short as u64);
        metrics.cycle.observe(milliseconds(all));
        let allocate = ActionLabel { action: "allocate".to_owned() };
        metrics.action.get_or_create(&allocate).observe(milliseconds(deciding));
        self.count_waiting();
    }

    fn count_waiting(&self) {
        let metrics = &self.health.metrics;
        let mut reasons: BTreeMap<&str, i64> = BTreeMap::new();
        let (mut gangs, mut pods) = (0, 0);
        for waiting in self.scheduler.waiting() {
            *reasons.entry(waiting.reason.as_str()).or_default() += 1;
            gangs += 1;
            pods += waiting.pods as i64;
        }
        metrics.waiting_gangs.set(gangs);
        metrics.waiting_pods.set(pods);
        let reasons = reasons.into_iter();
        metrics.waiting_by_reason.show(
            reasons.map(|(reason, count)| (ReasonLabel { reason: reason.to_owned() }, count)).collect(),
        );
    }

    /// A gang has been placed.
    pub(super) fn count_placement(&self, placement: &GangPlacement) {
        let metrics = &self.health.metrics;
        let tier = placement.tier.map_or("cluster".to_owned(), |tier| tier.to_string());
        metrics.placed_by_tier.get_or_create(&TierLabel { tier }).inc();
        let group = self.mirror.group(&placement.gang).filter(|_| placement.is_pod_group);
        let Some(created) = group.and_then(|group| group.created) else { return };
        let (namespace, name) = placement.gang.split_once('/').unwrap_or(("", &placement.gang));
        let cluster = self.scheduler.cluster();
        let label = JobLabel {
            job_name: name.to_owned(),
            queue: queue_of(cluster, &placement.gang).to_owned(),
            job_namespace: namespace.to_owned(),
        };
        let now = self.timestamp().0;
        metrics.job_duration.set(label.clone(), now.saturating_sub(created.0).max(0).saturating_mul(1000));
        metrics.job_last_time.set(label, now);
    }

    /// A pod has been bound.
    pub(super) fn count_bind(&self, pod: &PodRef) {
        let seen = self.mirror.pod(&format!("{}/{}", pod.namespace, pod.name));
        let Some(created) = seen.and_then(|member| member.created) else { return };
        let seconds = u64::try_from(self.timestamp().0.saturating_sub(created.0)).unwrap_or(0);
        let bound = StageLabel { stage: "Bound".to_owned() };
        let latency = milliseconds(Duration::from_secs(seconds));
        self.health.metrics.task_latency.get_or_create(&bound).observe(latency);
    }

    /// A gang is bound whole since `at`.
    pub(super) fn count_gang(&mut self, group: &str, at: Duration) {
        if let Some(seen) = self.last_seen.remove(group) {
            self.health.metrics.gang_bind.observe(at.saturating_sub(seen).as_secs_f64());
            self.count_latency(group);
        }
    }

    /// The clocks of API server and scheduler need not agree, and creation is told in whole seconds.
    pub(super) fn count_latency(&self, group: &str) {
        if let Some(created) = self.mirror.group(group).and_then(|group| group.created) {
            let seconds = u64::try_from(self.timestamp().0.saturating_sub(created.0)).unwrap_or(0);
            self.health.metrics.job_latency.observe(milliseconds(Duration::from_secs(seconds)));
        }
    }

    /// What there is to say about the topology.
    pub(super) fn count_findings(&self) {
        let mut codes = BTreeMap::new();
        for finding in self.scheduler.cluster().findings() {
            *codes.entry(CodeLabel { code: finding.code().to_owned() }).or_default() += 1;
        }
        self.health.metrics.findings.show(codes);
    }

    pub(super) fn count_quarantined(&self) {
        let count = self.malformed.len() + self.findings.quarantined();
        self.health.metrics.quarantined.set(count as i64);
    }

    /// What queues use, which PodGroups wait, and which are gone, every few seconds.
    pub(super) fn count_usage(&mut self) {
        let now = self.clock.elapsed();
        if now.saturating_sub(self.counted) < USAGE_EVERY {
            return;
        }
        self.counted = now;
        let metrics = &self.health.metrics;
        let cluster = self.scheduler.cluster();
        let queues = usage(cluster);
        let name = |resource| cluster.resources().name(resource);
        metrics.queue_allocated.show(queues.iter().flat_map(|(queue, usage)| {
            usage.allocated.iter().map(move |(&resource, &amount)| (queue.as_str(), name(resource), amount))
        }));
        metrics.queue_request.show(queues.iter().flat_map(|(queue, usage)| {
            usage.request.iter().map(move |(&resource, &amount)| (queue.as_str(), name(resource), amount))
        }));
        let waiting = self.scheduler.waiting().filter(|waiting| waiting.is_pod_group).map(|waiting| {
            let (namespace, name) = waiting.gang.split_once('/').unwrap_or(("", waiting.gang));
            let label = WaitingLabel { job_id: name.to_owned(), job_namespace: namespace.to_owned() };
            (label, waiting.pods as i64)
        });
        metrics.waiting_by_gang.show(waiting.collect());
        let is_gone = |label: &JobLabel| {
            queue_of(cluster, &format!("{}/{}", label.job_namespace, label.job_name)) != label.queue
        };
        metrics.job_duration.drop_where(is_gone);
        metrics.job_last_time.drop_where(is_gone);
    }
}

#[expect(clippy::float_arithmetic, reason = "metrics are floats")]
fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
