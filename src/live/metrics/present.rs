//! Gauges of what exists now: a series goes with what it is about.

use super::{QueueLabel, QueueResourceLabel};
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// A gauge for each of the things that there are.
#[derive(Clone, Debug)]
pub struct Present<L: Clone + Eq + Hash> {
    family: Family<L, Gauge>,
    shown: Arc<Mutex<BTreeSet<L>>>,
}

impl<L: Clone + Eq + Hash> Default for Present<L> {
    fn default() -> Self {
        Present { family: Family::default(), shown: Arc::default() }
    }
}

impl<L: Clone + Eq + Hash + Ord> Present<L> {
    /// These there are now, and no others.
    pub fn show(&self, now: BTreeMap<L, i64>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in shown.iter().filter(|label| !now.contains_key(*label)) {
            self.family.remove(gone);
        }
        for (label, value) in &now {
            self.family.get_or_create(label).set(*value);
        }
        *shown = now.into_keys().collect();
    }

    /// This one is there as well.
    pub fn set(&self, label: L, value: i64) {
        self.family.get_or_create(&label).set(value);
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(label);
    }

    /// Those that this is true of are gone.
    pub fn drop_where(&self, is_gone: impl Fn(&L) -> bool) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.retain(|label| {
            let gone = is_gone(label);
            if gone {
                self.family.remove(label);
            }
            !gone
        });
    }
}

impl<L: Clone + Eq + Hash> TypedMetric for Present<L> {
    const TYPE: MetricType = MetricType::Gauge;
}

impl<L: EncodeLabelSet + Clone + Eq + Hash> EncodeMetric for Present<L> {
    fn encode(&self, encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
        self.family.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.family.metric_type()
    }
}

/// Resources by queue, one side of what a queue has.
#[derive(Debug, Default)]
pub struct Amounts {
    cpu: Present<QueueLabel>,
    memory: Present<QueueLabel>,
    scalar: Present<QueueResourceLabel>,
}

impl Amounts {
    /// `side`: how the names begin.
    pub(super) fn register(&self, registry: &mut Registry, side: &str, whose: &str) {
        let name = |what: &str| format!("{side}_{what}");
        registry.register(name("milli_cpu"), format!("CPU {whose}"), self.cpu.clone());
        registry.register(name("memory_bytes"), format!("Memory {whose}"), self.memory.clone());
        registry.register(name("scalar_resources"), format!("Other resources {whose}"), self.scalar.clone());
    }

    /// Shows these amounts, by queue and resource; CPU in thousandths.
    pub fn show<'a>(&self, amounts: impl Iterator<Item = (&'a str, &'a str, i64)>) {
        let (mut cpu, mut memory, mut scalar) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (queue, resource, amount) in amounts {
            let queue_name = queue.to_owned();
            match resource {
                "cpu" => drop(cpu.insert(QueueLabel { queue_name }, amount)),
                "memory" => drop(memory.insert(QueueLabel { queue_name }, amount)),
                _ => {
                    let label = QueueResourceLabel { queue_name, resource: resource.to_owned() };
                    scalar.insert(label, amount);
                }
            }
        }
        self.cpu.show(cpu);
        self.memory.show(memory);
        self.scalar.show(scalar);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Metrics, ReasonLabel};
    use super::*;

    fn series(metrics: &Metrics, name: &str) -> Vec<String> {
        let text = metrics.text();
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with(name))
            .map(|line| line[name.len()..].to_owned())
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn series_go_with_what_they_are_about() {
        let metrics = Metrics::default();
        let reason = |reason: &str| ReasonLabel { reason: reason.to_owned() };
        let check = |expect: &[&str]| assert_eq!(series(&metrics, "phalanx_waiting_gangs{"), expect);
        metrics.waiting_by_reason.show(BTreeMap::from([(reason("A"), 2), (reason("B"), 1)]));
        check(&["reason=\"A\"} 2", "reason=\"B\"} 1"]);
        metrics.waiting_by_reason.show(BTreeMap::from([(reason("B"), 3)]));
        check(&["reason=\"B\"} 3"]);
        metrics.waiting_by_reason.set(reason("C"), 4);
        metrics.waiting_by_reason.drop_where(|label| label.reason == "B");
        check(&["reason=\"C\"} 4"]);
        metrics.waiting_by_reason.show(BTreeMap::new());
        check(&[]);
    }

    #[test]
    fn queues_and_resources_that_are_used_no_more_disappear() {
        let metrics = Metrics::default();
        let shown = || series(&metrics, "volcano_queue_request_");
        metrics
            .queue_request
            .show([("a", "cpu", 500), ("a", "nvidia.com/gpu", 8), ("b", "memory", 7)].into_iter());
        assert_eq!(
            shown(),
            [
                "memory_bytes{queue_name=\"b\"} 7",
                "milli_cpu{queue_name=\"a\"} 500",
                "scalar_resources{queue_name=\"a\",resource=\"nvidia.com/gpu\"} 8",
            ]
        );
        metrics.queue_request.show([("a", "cpu", 250)].into_iter());
        assert_eq!(shown(), ["milli_cpu{queue_name=\"a\"} 250"]);
    }
}
