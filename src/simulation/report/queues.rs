//! Queues as rows.

use super::QueueRow;
use crate::cluster::requests::amount_text;
use crate::scheduler::QueueReport;
use crate::simulation::engine::Simulation;
use std::collections::BTreeMap;

/// Every queue, parents before children.
pub(super) fn rows(run: &Simulation) -> Vec<QueueRow> {
    run.scheduler().queue_reports().into_iter().map(row).collect()
}

fn row(queue: QueueReport) -> QueueRow {
    QueueRow {
        parent: Some(queue.parent).filter(|parent| !parent.is_empty()),
        state: if queue.open { "Open" } else { "Closed" },
        weight: queue.weight,
        priority: queue.priority,
        deserved: texts(&queue.deserved),
        guarantee: texts(&queue.guarantee),
        capability: texts(&queue.capability),
        fair_share: texts(&queue.fair_share),
        allocated: texts(&queue.allocated),
        requested: texts(&queue.requested),
        classes: queue.by_class.iter().map(|(&class, amounts)| (class, texts(amounts))).collect(),
        name: queue.name,
    }
}

fn texts(amounts: &BTreeMap<String, i64>) -> BTreeMap<String, String> {
    amounts.iter().map(|(resource, &amount)| (resource.clone(), amount_text(resource, amount))).collect()
}
