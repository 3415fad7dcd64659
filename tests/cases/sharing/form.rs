//! The form of the cases, as the head of their file describes it.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) type Amounts = BTreeMap<String, String>;

#[derive(Debug, Deserialize)]
pub(crate) struct Cases {
    pub(crate) cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) actions: Vec<String>,
    #[serde(default)]
    pub(crate) queues: Vec<Queue>,
    #[serde(default)]
    pub(crate) nodes: Vec<Node>,
    #[serde(default)]
    pub(crate) hypernodes: Vec<HyperNode>,
    #[serde(default)]
    pub(crate) pod_groups: Vec<PodGroup>,
    #[serde(default)]
    pub(crate) pods: Vec<Pod>,
    #[serde(default)]
    pub(crate) pdbs: Vec<Budget>,
    #[serde(default)]
    pub(crate) demand: Vec<Demand>,
    pub(crate) candidate: Option<Queue>,
    pub(crate) expect: Expect,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) parent: Option<String>,
    pub(crate) weight: Option<u32>,
    pub(crate) priority: Option<i32>,
    pub(crate) capability: Option<Amounts>,
    pub(crate) deserved: Option<Amounts>,
    pub(crate) guarantee: Option<Amounts>,
    pub(crate) reclaimable: Option<bool>,
    pub(crate) state: Option<String>,
    pub(crate) dequeue_strategy: Option<String>,
    #[serde(default)]
    pub(crate) min_runtime: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) cap: Amounts,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct HyperNode {
    pub(crate) name: String,
    pub(crate) tier: u32,
    #[serde(default)]
    pub(crate) nodes: Vec<String>,
    #[serde(default)]
    pub(crate) children: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodGroup {
    pub(crate) name: String,
    pub(crate) ns: Option<String>,
    pub(crate) queue: Option<String>,
    pub(crate) min_member: u32,
    #[serde(default)]
    pub(crate) min_task_member: BTreeMap<String, u32>,
    pub(crate) topology: Option<Topology>,
    pub(crate) priority: Option<i32>,
    pub(crate) priority_class: Option<String>,
    pub(crate) preemptable: Option<bool>,
    pub(crate) running_for: Option<String>,
    pub(crate) preemption_delay: Option<String>,
    pub(crate) waited: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Topology {
    pub(crate) mode: String,
    pub(crate) tier: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) ns: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) role: Option<String>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) req: Amounts,
    pub(crate) phase: Option<String>,
    pub(crate) node: Option<String>,
    #[serde(default)]
    pub(crate) node_selector: BTreeMap<String, String>,
    pub(crate) preemptable: Option<bool>,
    pub(crate) priority: Option<i32>,
    pub(crate) priority_class: Option<String>,
    pub(crate) preemption_policy: Option<String>,
    #[serde(default)]
    pub(crate) deleting: bool,
    #[serde(default)]
    pub(crate) stuck: bool,
    pub(crate) nominated: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Budget {
    pub(crate) name: String,
    pub(crate) selector: BTreeMap<String, String>,
    pub(crate) disruptions_allowed: i32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Demand {
    pub(crate) queue: String,
    pub(crate) request: Amounts,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Expect {
    pub(crate) evictions: Option<usize>,
    pub(crate) max_evictions: Option<usize>,
    pub(crate) evicted: Option<Vec<String>>,
    pub(crate) evicted_any_of: Option<Vec<Vec<String>>>,
    #[serde(default)]
    pub(crate) evicted_from: BTreeMap<String, usize>,
    #[serde(default)]
    pub(crate) bound: BTreeMap<String, usize>,
    #[serde(default)]
    pub(crate) waiting: BTreeMap<String, u32>,
    #[serde(default)]
    pub(crate) pending: Vec<String>,
    #[serde(default)]
    pub(crate) moved: BTreeMap<String, String>,
    pub(crate) moved_count: Option<usize>,
    #[serde(default)]
    pub(crate) running: BTreeMap<String, usize>,
    #[serde(default)]
    pub(crate) stable: bool,
    #[serde(default)]
    pub(crate) fair_share: BTreeMap<String, Amounts>,
    #[serde(default)]
    pub(crate) classes: BTreeMap<String, String>,
    pub(crate) allowed: Option<bool>,
    pub(crate) reason_has: Option<Value>,
}
