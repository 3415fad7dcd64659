//! Metrics: Volcano's names that dashboards use, and what only a gang scheduler can say. deploy/README.md lists them, and
//! which of Volcano's there are not.
//!
//! Series stay bounded however long the process lives: those that name a gang or a queue go with it ([`Present`]), and
//! none names a pod or a node.

mod present;

pub use present::{Amounts, Present};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Label sets, each a struct with its fields.
macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident),* })*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
        pub struct $name { $($(#[$of])* pub $field: String,)* }
    )* };
}

labels! {
    /// One reason of [`crate::scheduler::Reason`].
    ReasonLabel { /** The code. */ reason }
    /// A tier, or `cluster`.
    TierLabel { /** The tier that a gang reached. */ tier }
    /// What became of something.
    ResultLabel { /** `scheduled` or `unschedulable`; of a plan `placed` or `given_up`. */ result }
    /// On what ground a pod was evicted.
    KindLabel { /** `reclaim`, `preempt` or `move`. */ kind }
    /// A code of [`crate::cluster::topology::Finding`].
    CodeLabel { /** The code. */ code }
    /// One of Volcano's actions.
    ActionLabel { /** `allocate`. */ action }
    /// How far a pod has got.
    StageLabel { /** `Bound`. */ stage }
    /// A task.
    TaskLabel { /** What it is for. */ task }
    /// A queue.
    QueueLabel { /** Its name. */ queue_name }
    /// A resource of a queue, other than CPU and memory.
    QueueResourceLabel { /** The queue's name. */ queue_name, /** The resource's. */ resource }
    /// A PodGroup; Volcano's label has the name alone.
    WaitingLabel { /** Its name. */ job_id, /** Its namespace. */ job_namespace }
    /// A PodGroup that has been placed.
    JobLabel { /** Its name. */ job_name, /** Its queue. */ queue, /** Its namespace. */ job_namespace }
}

/// The table of metrics: field, type, how it begins, name, help.
macro_rules! metrics {
    ($($field:ident: $type:ty = $begin:expr, $name:literal, $help:literal;)*) => {
        /// Everything that is counted.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $(#[doc = $help] pub $field: $type,)*
            /// What pods that have a node request, by queue; Volcano's names.
            pub queue_allocated: Amounts,
            /// What all pods request, by queue; Volcano's names.
            pub queue_request: Amounts,
            /// What queues are promised; Volcano's names.
            pub queue_deserved: Amounts,
            /// The most that queues may use; Volcano's names.
            pub queue_capacity: Amounts,
            /// What queues are promised and ask for, and their part of the rest.
            pub queue_fair_share: Amounts,
            /// What queues use beyond that.
            pub queue_borrowed: Amounts,
        }

        impl Default for Metrics {
            fn default() -> Self {
                let mut registry = Registry::default();
                $(
                    let $field = $begin;
                    registry.register($name, $help, $field.clone());
                )*
                let amounts = |registry: &mut Registry, side: &str, whose: &str| {
                    let amounts = Amounts::default();
                    amounts.register(registry, side, whose);
                    amounts
                };
                let mut amounts = |side: &str, whose: &str| amounts(&mut registry, side, whose);
                let queue_allocated = amounts("volcano_queue_allocated", "of the queue's pods that have a node");
                let queue_request = amounts("volcano_queue_request", "of all the queue's pods");
                let queue_deserved = amounts("volcano_queue_deserved", "that the queue is promised");
                let queue_capacity = amounts("volcano_queue_capacity", "that the queue may use at most");
                let queue_fair_share = amounts("phalanx_queue_fair_share", "of the queue's fair share");
                let queue_borrowed = amounts("phalanx_queue_borrowed", "that the queue uses beyond its share");
                Metrics {
                    registry,
                    $($field,)*
                    queue_allocated,
                    queue_request,
                    queue_deserved,
                    queue_capacity,
                    queue_fair_share,
                    queue_borrowed,
                }
            }
        }
    };
}

metrics! {
    cycle: Histogram = of_cycle(),
        "volcano_e2e_scheduling_latency_milliseconds", "Length of a scheduling cycle";
    action: Family<ActionLabel, Histogram> = Family::new_with_constructor(of_cycle as fn() -> Histogram),
        "volcano_action_scheduling_latency_milliseconds", "Length of the decisions of a cycle, without what follows from them";
    attempts: Family<ResultLabel, Counter> = Family::default(),
        "volcano_schedule_attempts", "Gangs tried, by result";
    job_latency: Histogram = histogram(100.0, 16),
        "volcano_e2e_job_scheduling_latency_milliseconds", "Creation of a PodGroup to its last pod bound";
    job_duration: Present<JobLabel> = Present::default(),
        "volcano_e2e_job_scheduling_duration", "Milliseconds from the creation of a PodGroup to its latest placement";
    job_last_time: Present<JobLabel> = Present::default(),
        "volcano_e2e_job_scheduling_last_time", "When a PodGroup was last placed, in seconds since 1970";
    task_latency: Family<StageLabel, Histogram> = Family::new_with_constructor(of_start as fn() -> Histogram),
        "volcano_task_scheduling_latency_milliseconds", "Creation of a pod, in whole seconds, to its bind";
    waiting_gangs: Gauge = Gauge::default(),
        "volcano_unschedule_job_count", "Gangs that wait";
    waiting_by_gang: Present<WaitingLabel> = Present::default(),
        "volcano_unschedule_task_count", "Pods that wait, by PodGroup";
    waiting_pods: Gauge = Gauge::default(),
        "phalanx_waiting_pods", "Pods that wait";
    waiting_by_reason: Present<ReasonLabel> = Present::default(),
        "phalanx_waiting_gangs", "Gangs that wait, by reason";
    placed_by_tier: Family<TierLabel, Counter> = Family::default(),
        "phalanx_placed_gangs", "Gangs placed, by the tier they reached";
    gang_bind: Histogram = histogram(0.005, 16),
        "phalanx_gang_bind_seconds", "Last pod of a gang seen to last pod bound";
    evicted: Family<KindLabel, Counter> = Family::default(),
        "phalanx_evicted_pods", "Pods evicted so that a gang gets their room, by ground";
    plans: Family<ResultLabel, Counter> = Family::default(),
        "phalanx_plans", "Gangs for which others left, by what became of it";
    rolled_back: Counter = Counter::default(),
        "phalanx_gangs_rolled_back", "Gangs rolled back after a failed bind";
    repaired: Counter = Counter::default(),
        "phalanx_gangs_repaired", "Gangs with members placed again";
    cut_short: Counter = Counter::default(),
        "phalanx_searches_cut_short", "Searches ended by their budget";
    panicked: Counter = Counter::default(),
        "phalanx_gangs_panicked", "Times that something panicked over a gang or a ModelServing, which is left alone after that";
    tasks_ended: Family<TaskLabel, Counter> = Family::default(),
        "phalanx_tasks_ended", "Tasks that have ended before their time, and begin again";
    quarantined: Gauge = Gauge::default(),
        "phalanx_quarantined_objects", "Objects that cannot be used as they are";
    findings: Present<CodeLabel> = Present::default(),
        "phalanx_topology_findings", "What is wrong with HyperNodes, or worth knowing, by code";
    queue_weight: Present<QueueLabel> = Present::default(),
        "volcano_queue_weight", "Weight of a queue: its part of what is left over, relative to its siblings";
    queue_overused: Present<QueueLabel> = Present::default(),
        "volcano_queue_overused", "1 where a queue uses more than its share of some resource";
    leading: Gauge = Gauge::default(),
        "phalanx_leading", "1 while this instance leads";
}

/// Milliseconds of a cycle or a part of it.
fn of_cycle() -> Histogram {
    histogram(0.05, 18)
}

/// Milliseconds of the start of a pod.
fn of_start() -> Histogram {
    histogram(50.0, 14)
}

fn histogram(least: f64, buckets: u16) -> Histogram {
    Histogram::new(exponential_buckets(least, 2.0, buckets))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the page is a file of the project")]
    fn every_metric_is_documented_and_nothing_else_is() {
        let metrics = Metrics::default();
        // Those without a series are not in the text.
        let _ = metrics.action.get_or_create(&ActionLabel { action: "allocate".into() });
        let _ = metrics.attempts.get_or_create(&ResultLabel { result: "scheduled".into() });
        let _ = metrics.task_latency.get_or_create(&StageLabel { stage: "Bound".into() });
        let _ = metrics.evicted.get_or_create(&KindLabel { kind: "move".into() });
        let _ = metrics.plans.get_or_create(&ResultLabel { result: "placed".into() });
        let _ = metrics.tasks_ended.get_or_create(&TaskLabel { task: "pods".into() });
        let _ = metrics.placed_by_tier.get_or_create(&TierLabel { tier: "1".into() });
        let text = metrics.text();
        let lines = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let exist: BTreeSet<&str> = lines.filter_map(|line| line.split(' ').next()).collect();
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/README.md")).unwrap();
        let start = page.find("## Metrics").unwrap();
        let rows = page[start..].lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
        let rows = rows.take_while(|line| line.starts_with("| "));
        let cells = rows.filter_map(|row| row.split(" | ").next());
        let told: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        assert_eq!(told, exist);
    }
}
