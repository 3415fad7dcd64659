//! The controllers of plain workloads, as far as the simulator needs them: they make pods, replace those that are lost,
//! and say when a workload is done.
//!
//! Each is a pure function of the workload and of what it owns, level triggered: applied until it asks for no change, it
//! ends, and it ends in the same place from anywhere. The engine applies the changes. Semantics: Kubernetes
//! `pkg/controller/{deployment,replicaset,statefulset,job}`, Volcano `pkg/controllers/job`.

mod deployment;
mod job;
pub(crate) mod others;
mod pods;
mod replica_set;
mod stateful_set;
#[cfg(test)]
mod tests;
mod volcano_job;

pub(crate) use deployment::handed_down;
pub(crate) use pods::replacement;

use crate::apiserver::{Key, Kind};
use serde_json::Value;

/// The kinds whose controllers run here.
pub(crate) const KINDS: [Kind; 5] =
    [Kind::Deployment, Kind::ReplicaSet, Kind::StatefulSet, Kind::Job, Kind::VolcanoJob];

/// A workload, and what it owns.
#[derive(Clone, Debug)]
pub(crate) struct Observed<'a> {
    /// The workload.
    pub(crate) workload: &'a Value,
    /// What it is the controller of, by kind and name.
    pub(crate) owned: Vec<&'a Value>,
    /// Objects that were made for it so far: makes names differ.
    pub(crate) serial: u64,
}

/// Something that a controller wants done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WorkloadChange {
    /// Create this.
    Create(Value),
    /// Delete exactly this object.
    Delete(Key, String),
    /// Merge this into the spec of an object that is owned.
    Spec(Key, Value),
    /// The workload's status.
    Status(Value),
}

/// What the controller of this kind wants done.
pub(crate) fn reconcile(kind: &Kind, observed: &Observed<'_>) -> Vec<WorkloadChange> {
    match kind {
        Kind::Deployment => deployment::reconcile(observed),
        Kind::ReplicaSet => replica_set::reconcile(observed),
        Kind::StatefulSet => stateful_set::reconcile(observed),
        Kind::Job => job::reconcile(observed),
        Kind::VolcanoJob => volcano_job::reconcile(observed),
        _ => Vec::new(),
    }
}

/// The scheduler that a workload's pods are for.
pub(crate) fn scheduler_name<'a>(kind: &Kind, workload: &'a Value) -> &'a str {
    if *kind == Kind::VolcanoJob {
        // Volcano's webhook fills it in.
        return workload.pointer("/spec/schedulerName").and_then(Value::as_str).unwrap_or("volcano");
    }
    let name = workload.pointer("/spec/template/spec/schedulerName").and_then(Value::as_str);
    name.unwrap_or("default-scheduler")
}
