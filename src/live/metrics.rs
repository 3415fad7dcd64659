//! Metrics: Volcano's names that dashboards use, and what only a gang scheduler can say.
//!
//! No label carries a pod, a gang or a node: series stay bounded however long the process lives.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// One reason of [`crate::scheduler::Reason`].
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReasonLabel {
    /// The code.
    pub reason: String,
}

/// A tier, or `cluster`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TierLabel {
    /// The tier that a gang reached.
    pub tier: String,
}

/// What became of something.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ResultLabel {
    /// `scheduled`, `unschedulable` or `error`.
    pub result: String,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Length of a cycle in milliseconds; Volcano's name.
    pub cycle: Histogram,
    /// Gangs tried, by result; Volcano's name.
    pub attempts: Family<ResultLabel, Counter>,
    /// Gangs that wait; Volcano's name.
    pub waiting_gangs: Gauge,
    /// Pods that wait; Volcano's name.
    pub waiting_pods: Gauge,
    /// Gangs that wait, by reason.
    pub waiting_by_reason: Family<ReasonLabel, Gauge>,
    /// Gangs placed, by the tier they reached.
    pub placed_by_tier: Family<TierLabel, Counter>,
    /// Seconds from the last pod of a gang seen to its last pod bound.
    pub gang_bind: Histogram,
    /// Gangs rolled back after a failed bind.
    pub rolled_back: Counter,
    /// Gangs of which members were placed again.
    pub repaired: Counter,
    /// Searches that the budget cut short.
    pub cut_short: Counter,
    /// Objects that cannot be used as they are.
    pub quarantined: Gauge,
    /// 1 while this instance leads.
    pub leading: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics {
            cycle: Histogram::new(exponential_buckets(0.05, 2.0, 18)),
            attempts: Family::default(),
            waiting_gangs: Gauge::default(),
            waiting_pods: Gauge::default(),
            waiting_by_reason: Family::default(),
            placed_by_tier: Family::default(),
            gang_bind: Histogram::new(exponential_buckets(0.005, 2.0, 16)),
            rolled_back: Counter::default(),
            repaired: Counter::default(),
            cut_short: Counter::default(),
            quarantined: Gauge::default(),
            leading: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register(
            "volcano_e2e_scheduling_latency_milliseconds",
            "Length of a scheduling cycle",
            metrics.cycle.clone(),
        );
        registry.register("volcano_schedule_attempts", "Gangs tried, by result", metrics.attempts.clone());
        registry.register("volcano_unschedule_job_count", "Gangs that wait", metrics.waiting_gangs.clone());
        registry.register("volcano_unschedule_task_count", "Pods that wait", metrics.waiting_pods.clone());
        registry.register(
            "phalanx_waiting_gangs",
            "Gangs that wait, by reason",
            metrics.waiting_by_reason.clone(),
        );
        registry.register(
            "phalanx_placed_gangs",
            "Gangs placed, by the tier they reached",
            metrics.placed_by_tier.clone(),
        );
        registry.register(
            "phalanx_gang_bind_seconds",
            "Last pod of a gang seen to last pod bound",
            metrics.gang_bind.clone(),
        );
        registry.register(
            "phalanx_gangs_rolled_back",
            "Gangs rolled back after a failed bind",
            metrics.rolled_back.clone(),
        );
        registry.register(
            "phalanx_gangs_repaired",
            "Gangs with members placed again",
            metrics.repaired.clone(),
        );
        registry.register(
            "phalanx_searches_cut_short",
            "Searches ended by their budget",
            metrics.cut_short.clone(),
        );
        registry.register(
            "phalanx_quarantined_objects",
            "Objects that cannot be used as they are",
            metrics.quarantined.clone(),
        );
        registry.register("phalanx_leading", "1 while this instance leads", metrics.leading.clone());
        Metrics { registry, ..metrics }
    }
}

impl Metrics {
    /// The metrics as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // writing to a String cannot fail
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
