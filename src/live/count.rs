//! From what the engine reports to metrics.

use super::http::Health;
use super::metrics::{
    ActionLabel, CodeLabel, JobLabel, KindLabel, QueueLabel, ReasonLabel, ResultLabel, StageLabel, TierLabel,
    WaitingLabel,
};
use crate::api::time::Timestamp;
use crate::engine::usage::{queue_of, usage};
use crate::engine::{Engine, Now, Report};
use crate::reservation::{Outcome, Report as ReservationReport};
use crate::scheduler::{GangPlacement, QueueReport};
use crate::sharing::Class;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often is counted what takes a look at every pod of ours, or a series for each gang.
const USAGE_EVERY: Duration = Duration::from_secs(5);

/// Counts.
pub(super) struct Counter {
    health: Arc<Health>,
    /// When the use of queues was last counted.
    counted: Duration,
}

impl Counter {
    pub(super) fn new(health: Arc<Health>) -> Self {
        Counter { health, counted: Duration::ZERO }
    }

    /// Counts what was done.
    pub(super) fn count(&self, engine: &Engine, report: &Report, now: Now) {
        let metrics = &self.health.metrics;
        match report {
            Report::Cycle { tried, placed, cut_short, panicked } => {
                let result = |result: &str| ResultLabel { result: result.to_owned() };
                metrics.attempts.get_or_create(&result("scheduled")).inc_by(*placed as u64);
                let refused = tried - placed;
                metrics.attempts.get_or_create(&result("unschedulable")).inc_by(refused as u64);
                metrics.cut_short.inc_by(*cut_short as u64);
                metrics.panicked.inc_by(panicked.len() as u64);
            }
            Report::Panicked(_) => {
                metrics.panicked.inc();
            }
            Report::Placed { placement, created } => self.count_placed(engine, placement, *created, now),
            Report::Bound { created: Some(created), .. } => {
                let bound = StageLabel { stage: "Bound".to_owned() };
                metrics.task_latency.get_or_create(&bound).observe(since(*created, now));
            }
            Report::GangBound { after, created } => {
                metrics.gang_bind.observe(after.as_secs_f64());
                if let Some(created) = created {
                    metrics.job_latency.observe(since(*created, now));
                }
            }
            Report::PlacedAgain(_) => {
                metrics.repaired.inc();
            }
            Report::Reservation {
                report: ReservationReport::Ended { outcome: Outcome::RolledBack, .. },
                ..
            } => {
                metrics.rolled_back.inc();
            }
            Report::Evicted { kind, .. } => {
                metrics.evicted.get_or_create(&KindLabel { kind: kind.as_str().to_owned() }).inc();
            }
            Report::PlanEnded { placed, .. } => {
                let result = if *placed { "placed" } else { "given_up" };
                metrics.plans.get_or_create(&ResultLabel { result: result.to_owned() }).inc();
            }
            Report::Findings => {
                let mut codes = BTreeMap::new();
                for finding in engine.scheduler().cluster().findings() {
                    *codes.entry(CodeLabel { code: finding.code().to_owned() }).or_default() += 1;
                }
                metrics.findings.show(codes);
            }
            Report::Quarantined(count) => {
                metrics.quarantined.set(*count as i64);
            }
            _ => {}
        }
    }

    /// A cycle took so long, of which so much to decide.
    pub(super) fn count_cycle(&self, engine: &Engine, deciding: Duration, all: Duration) {
        let metrics = &self.health.metrics;
        metrics.cycle.observe(milliseconds(all));
        let allocate = ActionLabel { action: "allocate".to_owned() };
        metrics.action.get_or_create(&allocate).observe(milliseconds(deciding));
        let mut reasons: BTreeMap<&str, i64> = BTreeMap::new();
        let (mut gangs, mut pods) = (0, 0);
        for waiting in engine.scheduler().waiting() {
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

    fn count_placed(&self, engine: &Engine, placement: &GangPlacement, created: Option<Timestamp>, now: Now) {
        let metrics = &self.health.metrics;
        let tier = placement.tier.map_or("cluster".to_owned(), |tier| tier.to_string());
        metrics.placed_by_tier.get_or_create(&TierLabel { tier }).inc();
        let Some(created) = created else { return };
        let (namespace, name) = placement.gang.split_once('/').unwrap_or(("", &placement.gang));
        let label = JobLabel {
            job_name: name.to_owned(),
            queue: queue_of(engine.scheduler().cluster(), &placement.gang).to_owned(),
            job_namespace: namespace.to_owned(),
        };
        let waited = now.timestamp().0.saturating_sub(created.0).max(0).saturating_mul(1000);
        metrics.job_duration.set(label.clone(), waited);
        metrics.job_last_time.set(label, now.timestamp().0);
    }

    /// What queues use, which PodGroups wait, and which are gone, every few seconds.
    pub(super) fn count_usage(&mut self, engine: &Engine, now: Now) {
        if now.elapsed.saturating_sub(self.counted) < USAGE_EVERY {
            return;
        }
        self.counted = now.elapsed;
        let metrics = &self.health.metrics;
        let cluster = engine.scheduler().cluster();
        let queues = usage(cluster);
        let name = |resource| cluster.resources().name(resource);
        metrics.queue_allocated.show(queues.iter().flat_map(|(queue, usage)| {
            usage.allocated.iter().map(move |(&resource, &amount)| (queue.as_str(), name(resource), amount))
        }));
        metrics.queue_request.show(queues.iter().flat_map(|(queue, usage)| {
            usage.request.iter().map(move |(&resource, &amount)| (queue.as_str(), name(resource), amount))
        }));
        self.count_shares(&engine.scheduler().queue_reports());
        let waiting = engine.scheduler().waiting().filter(|waiting| waiting.is_pod_group).map(|waiting| {
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

impl Counter {
    /// How the cluster is divided.
    fn count_shares(&self, queues: &[QueueReport]) {
        let metrics = &self.health.metrics;
        let of = |amounts: fn(&QueueReport) -> &BTreeMap<String, i64>| {
            queues.iter().flat_map(move |queue| {
                let amounts = amounts(queue).iter();
                amounts.map(move |(resource, &amount)| (queue.name.as_str(), resource.as_str(), amount))
            })
        };
        metrics.queue_deserved.show(of(|queue| &queue.deserved));
        metrics.queue_capacity.show(of(|queue| &queue.capability));
        metrics.queue_fair_share.show(of(|queue| &queue.fair_share));
        let borrowed = |queue: &'_ QueueReport| queue.by_class.get(Class::Borrowed.name()).cloned();
        let borrowed: Vec<_> =
            queues.iter().map(|queue| (queue.name.as_str(), borrowed(queue).unwrap_or_default())).collect();
        metrics.queue_borrowed.show(borrowed.iter().flat_map(|(name, amounts)| {
            amounts.iter().map(|(resource, &amount)| (*name, resource.as_str(), amount))
        }));
        let label = |queue: &QueueReport| QueueLabel { queue_name: queue.name.clone() };
        metrics
            .queue_weight
            .show(queues.iter().map(|queue| (label(queue), i64::from(queue.weight))).collect());
        let is_over = |queue: &QueueReport| {
            let of =
                |amounts: &BTreeMap<String, i64>, resource: &str| amounts.get(resource).copied().unwrap_or(0);
            queue.fair_share.iter().any(|(resource, &fair)| {
                of(&queue.allocated, resource) > fair.max(of(&queue.deserved, resource))
            })
        };
        metrics
            .queue_overused
            .show(queues.iter().map(|queue| (label(queue), i64::from(is_over(queue)))).collect());
    }
}

/// Milliseconds since an object was created. The clocks of API server and scheduler need not agree, and creation is told in
/// whole seconds.
fn since(created: Timestamp, now: Now) -> f64 {
    let seconds = u64::try_from(now.timestamp().0.saturating_sub(created.0)).unwrap_or(0);
    milliseconds(Duration::from_secs(seconds))
}

#[expect(clippy::float_arithmetic, reason = "metrics are floats")]
fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
