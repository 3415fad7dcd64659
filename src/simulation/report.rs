//! What a run came to, as rows: the source of the table, of JSON and YAML, and of the HTML page.

pub(crate) mod columns;
pub mod diff;
pub mod html;
mod objects;
mod queues;
pub(crate) mod rows;
mod status;
pub mod table;
pub mod tree;
mod warnings;

pub use objects::objects;

use super::engine::{Ending, Simulation};
use super::history::Happened;
use super::scenario::API_VERSION;
use crate::scheduler::explain::Action;
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The report. Its JSON form is stable: fields may be added, none is renamed or removed within a version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `simulation.phalanx.dev/v1alpha1`.
    pub api_version: &'static str,
    /// `Report`.
    pub kind: &'static str,
    /// Every pod, by namespace and name.
    pub pods: Vec<PodRow>,
    /// Every PodGroup, by namespace and name.
    pub pod_groups: Vec<PodGroupRow>,
    /// Every queue, parents before children.
    pub queues: Vec<QueueRow>,
    /// Pods that were evicted so that other gangs get their room, in the order of the decisions.
    pub evictions: Vec<EvictionRow>,
    /// Every ModelServing, by namespace and name.
    pub model_servings: Vec<ModelServingRow>,
    /// What is wrong with objects of the cluster, or with the timeline, and was worked around, and what is read and not
    /// honoured; the gravest first.
    pub warnings: Vec<WarningRow>,
    /// Totals.
    pub summary: Summary,
    /// What happened when; only on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Happened>>,
}

/// A pod. There may be a hundred thousand of them: short texts lie in the row itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodRow {
    /// Its namespace.
    pub namespace: SmolStr,
    /// Its name.
    pub name: SmolStr,
    /// Its node; null while it has none.
    pub node: Option<SmolStr>,
    /// The PodGroup it names; null for a pod on its own.
    pub pod_group: Option<SmolStr>,
    /// Pending, Running, Succeeded, Failed or Unknown.
    pub phase: SmolStr,
    /// Containers that are ready, and containers.
    pub ready: SmolStr,
    /// The status as kubectl shows it.
    pub status: SmolStr,
    /// The innermost HyperNode around its node.
    pub domain: Option<SmolStr>,
    /// Does it name one of our schedulers?
    pub ours: bool,
    /// Why it has no node; for pods of a PodGroup see there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same as a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl PodRow {
    /// Is it ours, and does it still want something: a node, or its containers to run?
    pub fn waits(&self) -> bool {
        self.ours && self.phase == "Pending"
    }
}

/// A PodGroup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodGroupRow {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Pending, Inqueue, Running, Unknown or Completed.
    pub phase: String,
    /// Pods that have a node, those that ended well included.
    pub scheduled: u32,
    /// Pods that must run together.
    pub min_member: u32,
    /// Pods that exist.
    pub pods: u32,
    /// The innermost HyperNode around its pods; null if it has none, or if none holds them all.
    pub domain: Option<String>,
    /// The tier of that HyperNode.
    pub tier: Option<u32>,
    /// How good its last placement was when it was decided; absent if the scheduler has not placed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementRow>,
    /// How well what runs of it is covered by the terms of its queue: `within-deserved`, `within-share` or `borrowed`, the
    /// worst of its units; absent if nothing runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<&'static str>,
    /// Pods of it that get room which is being freed.
    pub promised: u32,
    /// Why pods of it wait; null if none does.
    pub reason: Option<String>,
    /// The same as a sentence; empty if none waits.
    pub message: String,
    /// The same in parts; absent if none waits, or if the solver was not asked because the objects say enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<ShortfallRow>,
}

/// A queue. Amounts are quantities by resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueRow {
    /// Its name.
    pub name: String,
    /// The queue above it; null for the root.
    pub parent: Option<String>,
    /// `Open` or `Closed`.
    pub state: &'static str,
    /// Its part of what is left over, relative to its siblings.
    pub weight: u32,
    /// Queues of higher priority come first where all else is equal.
    pub priority: i32,
    /// What it is promised.
    pub deserved: BTreeMap<String, String>,
    /// What is set aside for it.
    pub guarantee: BTreeMap<String, String>,
    /// The most it may use; what is not named is not limited.
    pub capability: BTreeMap<String, String>,
    /// What it is promised and asks for, and its part of the rest; of the resources that are divided.
    pub fair_share: BTreeMap<String, String>,
    /// What its gangs and those of the queues below use.
    pub allocated: BTreeMap<String, String>,
    /// What they use and ask for, as far as limits let it through; of the resources that are divided.
    pub requested: BTreeMap<String, String>,
    /// What they use by class; of the resources that are divided.
    pub classes: BTreeMap<&'static str, BTreeMap<String, String>>,
}

/// A pod that was evicted so that another gang gets its room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvictionRow {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its PodGroup.
    pub pod_group: String,
    /// The gang that gets its room: `namespace/name`.
    pub claimant: String,
    /// `reclaim` (from another queue), `preempt` (in one queue) or `move`.
    pub kind: &'static str,
    /// Virtual time.
    pub at_milliseconds: u64,
}

/// How good a placement is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlacementRow {
    /// The cost terms by name; smaller is better.
    pub cost: BTreeMap<&'static str, i64>,
    /// For each term, a value that no placement of as many pods goes below while the terms before it are the least; null
    /// where none is known.
    pub bound: BTreeMap<&'static str, Option<i64>>,
    /// By how much the first of the terms about the network that is above its bound is above it, in percent, rounded up.
    pub gap_percent: u64,
    /// `proven`: no placement is better in tiers and domains; `cutShort`: the search was ended by its budget.
    pub proof: &'static str,
}

/// Why pods of a PodGroup have no node, in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShortfallRow {
    /// Pods that are asked for.
    pub needed: u32,
    /// Nodes looked at.
    pub nodes: u32,
    /// Per tier, lowest first and the whole cluster last: the domain that goes furthest.
    pub tiers: Vec<TierRow>,
    /// Nodes that can take no pod of the gang, by cause; most frequent first.
    pub excluded: Vec<ExcludedRow>,
    /// What no node has, as in "a pod asks for 16 nvidia.com/gpu, the largest node has 8".
    #[serde(skip_serializing_if = "String::is_empty")]
    pub absent: String,
    /// Single changes that would make it fit, in words; the easiest first.
    pub remedies: Vec<String>,
    /// The same changes in names and numbers.
    pub actions: Vec<Action>,
    /// Is it proven that it does not fit, rather than that the search was cut short?
    pub proven: bool,
}

/// How far the best domain of a tier goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TierRow {
    /// The tier; null is the whole cluster.
    pub tier: Option<u32>,
    /// The domain; null is the whole cluster.
    pub domain: Option<String>,
    /// Pods that fit there.
    pub fits: u32,
    /// Do the gang's hard rules allow this tier?
    pub allowed: bool,
}

/// Nodes that a cause excludes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExcludedRow {
    /// The cause, as in "short of nvidia.com/gpu".
    pub cause: String,
    /// How many nodes.
    pub nodes: u32,
}

/// Something that is wrong and was worked around, or is read and not honoured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WarningRow {
    /// `Quarantined`: not used until it is mended. `Ignored`: a part is not used. `Note`: it is used as it
    /// stands, and perhaps not what was meant.
    pub severity: &'static str,
    /// A stable code.
    pub code: String,
    /// The objects that it is about, as `Kind/name` or `Kind/namespace/name`.
    pub objects: Vec<String>,
    /// The object, the field, what is wrong with it and what would be right.
    pub message: String,
}

/// A ModelServing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the fields are those of its status, and what its spec asks for
pub struct ModelServingRow {
    pub namespace: String,
    pub name: String,
    pub wanted: i64,
    pub replicas: i64,
    pub available_replicas: i64,
    pub updated_replicas: i64,
    /// Why it is not available, where its conditions say more than that: the code of the gang that waits, or of what is wrong
    /// with the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same as a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// `quiet`, `until` or `restless`: see [`Ending`].
    pub ended: &'static str,
    /// Virtual time that passed.
    pub simulated_milliseconds: u64,
    /// Nodes.
    pub nodes: u32,
    /// Nodes that are ready.
    pub ready_nodes: u32,
    /// Pods of ours, by phase.
    pub pods: BTreeMap<String, u32>,
    /// Pods of ours that are pending.
    pub waiting_pods: u32,
    /// PodGroups.
    pub pod_groups: u32,
    /// PodGroups with less than their minimum scheduled.
    pub waiting_pod_groups: u32,
    /// Made gangs that have run their time.
    pub ended_gangs: u32,
    /// How long the made gang waited that waited longest for its minimum; those that still wait included.
    pub longest_wait_milliseconds: u64,
    /// Pods that were given a node during the run.
    pub placements: u64,
    /// What the nodes have and what pods of all schedulers request of it.
    pub resources: BTreeMap<String, ResourceRow>,
}

/// A resource, over all nodes, as quantities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct ResourceRow {
    pub allocatable: String,
    pub requested: String,
}

impl Report {
    /// Reports on a run. `events`: with what happened when?
    pub fn of(run: &Simulation, events: bool) -> Report {
        let pods = rows::pods(run);
        let pod_groups = rows::pod_groups(run);
        let summary = rows::summary(run, &pods, &pod_groups);
        Report {
            api_version: API_VERSION,
            kind: "Report",
            queues: queues::rows(run),
            evictions: run.evictions.clone(),
            model_servings: rows::model_servings(run),
            warnings: warnings::warnings(run, &pod_groups),
            pods,
            pod_groups,
            summary,
            events: events.then(|| run.history.entries.clone()),
        }
    }

    /// Does anything of ours still wait: a pod, a PodGroup for its minimum, a ModelServing for a replica, or a workload for a
    /// controller or a scheduler that is not there?
    pub fn anything_waits(&self) -> bool {
        let short = |serving: &ModelServingRow| serving.available_replicas < serving.wanted;
        let is_missing = |row: &WarningRow| {
            matches!(row.code.as_str(), warnings::NOT_SIMULATED | warnings::SCHEDULER_NAME)
        };
        self.summary.waiting_pods > 0
            || self.summary.waiting_pod_groups > 0
            || self.model_servings.iter().any(short)
            || self.warnings.iter().any(is_missing)
    }
}

impl Ending {
    /// The word in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Quiet => "quiet",
            Ending::Until => "until",
            Ending::Restless => "restless",
        }
    }
}
