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

/// A code of [`crate::cluster::topology::Finding`].
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CodeLabel {
    /// The code.
    pub code: &'static str,
}

/// A queue.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct QueueLabel {
    /// Volcano's label.
    pub queue_name: String,
}

/// A resource of a queue, other than CPU and memory.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct QueueResourceLabel {
    /// Volcano's label.
    pub queue_name: String,
    /// The resource's name.
    pub resource: String,
}

/// One side of what a queue has: allocated, or requested.
#[derive(Debug, Default)]
pub struct QueueMetrics {
    cpu: Family<QueueLabel, Gauge>,
    memory: Family<QueueLabel, Gauge>,
    scalar: Family<QueueResourceLabel, Gauge>,
}

impl QueueMetrics {
    fn register(&self, registry: &mut Registry, side: &str) {
        let name = |what: &str| format!("volcano_queue_{side}_{what}");
        registry.register(name("milli_cpu"), "CPU of the queue's pods", self.cpu.clone());
        registry.register(name("memory_bytes"), "Memory of the queue's pods", self.memory.clone());
        registry.register(
            name("scalar_resources"),
            "Other resources of the queue's pods",
            self.scalar.clone(),
        );
    }

    /// Forgets all queues.
    pub fn clear(&self) {
        self.cpu.clear();
        self.memory.clear();
        self.scalar.clear();
    }

    /// Sets what a queue has of a resource; CPU in thousandths.
    pub fn set(&self, queue: &str, resource: &str, amount: i64) {
        let queue_name = queue.to_owned();
        match resource {
            "cpu" => self.cpu.get_or_create(&QueueLabel { queue_name }).set(amount),
            "memory" => self.memory.get_or_create(&QueueLabel { queue_name }).set(amount),
            _ => {
                let label = QueueResourceLabel { queue_name, resource: resource.to_owned() };
                self.scalar.get_or_create(&label).set(amount)
            }
        };
    }
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
    /// Findings about the topology, by code.
    pub findings: Family<CodeLabel, Gauge>,
    /// Milliseconds from the creation of a PodGroup to its last pod bound; Volcano's name.
    pub job_latency: Histogram,
    /// What pods that have a node request, by queue; Volcano's names.
    pub queue_allocated: QueueMetrics,
    /// What all pods request, by queue; Volcano's names.
    pub queue_request: QueueMetrics,
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
            findings: Family::default(),
            job_latency: Histogram::new(exponential_buckets(100.0, 2.0, 16)),
            queue_allocated: QueueMetrics::default(),
            queue_request: QueueMetrics::default(),
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
        registry.register(
            "phalanx_topology_findings",
            "What is wrong with HyperNodes, or worth knowing, by code",
            metrics.findings.clone(),
        );
        registry.register(
            "volcano_e2e_job_scheduling_latency_milliseconds",
            "Creation of a PodGroup to its last pod bound",
            metrics.job_latency.clone(),
        );
        metrics.queue_allocated.register(&mut registry, "allocated");
        metrics.queue_request.register(&mut registry, "request");
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
