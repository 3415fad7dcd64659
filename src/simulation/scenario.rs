//! The `Simulation` document: what manifests cannot say. `scenario/schema.yaml` is its schema and its reference;
//! the types here are what is left once a document has passed it.

mod amounts;
mod calls;
mod check;
mod target;
#[cfg(test)]
mod tests;

pub use calls::{CallKind, FailCalls, Failure};
pub use target::{NodeTarget, ObjectTarget, PodTarget};

use super::problem::Problem;
use super::reader::{Document, yaml_options};
use super::time::{Millis, parse_duration, parse_range, parse_timestamp};
use crate::api::core::Toleration;
use crate::api::pod_group::NetworkTopology;
use crate::api::quantity::ResourceList;
use crate::api::strict::Fault;
use crate::apiserver::schema;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;
use std::collections::BTreeMap;

/// The apiVersion of the document.
pub const API_VERSION: &str = "simulation.phalanx.dev/v1alpha1";
/// Its kind.
pub const KIND: &str = "Simulation";
/// Its schema, as YAML with comments: the reference of every field.
pub const SCHEMA: &str = include_str!("scenario/schema.yaml");

/// A scenario. The default one adds nothing to the manifests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Scenario {
    /// Decides every drawn value.
    pub seed: u64,
    /// Seconds since 1970.
    #[serde(deserialize_with = "timestamp")]
    pub start: i64,
    /// Stop here.
    #[serde(deserialize_with = "maybe_duration")]
    pub until: Option<Millis>,
    /// Nodes to make.
    pub node_pools: Vec<NodePool>,
    /// Gangs to make.
    pub gangs: Vec<GangSource>,
    /// Delays and failures.
    pub kubelet: KubeletRules,
    /// What happens when.
    pub timeline: Vec<TimelineStep>,
}

/// Nodes that are alike.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)] // the schema documents them
pub struct NodePool {
    pub name: String,
    pub count: Option<u32>,
    pub labels: BTreeMap<String, String>,
    pub taints: Vec<Value>,
    pub unschedulable: bool,
    pub capacity: ResourceList,
    pub tree: Vec<Level>,
    pub domains: Option<Value>,
    pub hyper_nodes: bool,
    pub occupied: Vec<Occupied>,
}

/// A level of the tree above the nodes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Level {
    pub name: String,
    pub tier: u32,
    pub count: Option<u32>,
    pub label: Option<String>,
}

/// Pods that sit on the nodes from the start.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Occupied {
    pub percent: u32,
    pub pods: u32,
    pub requests: ResourceList,
    pub labels: BTreeMap<String, String>,
}

/// Gangs that are alike.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct GangSource {
    pub name: String,
    pub namespace: String,
    pub count: u32,
    pub size: Option<u32>,
    pub sizes: Vec<u32>,
    pub min_member: Option<u32>,
    pub requests: ResourceList,
    pub node_selector: BTreeMap<String, String>,
    pub tolerations: Vec<Toleration>,
    pub topology: Option<NetworkTopology>,
    pub sub_group: Option<SubGroup>,
    pub queue: String,
    pub priority_class_name: String,
    pub scheduler_name: String,
    pub arrival: Arrival,
    #[serde(deserialize_with = "maybe_range")]
    pub duration: Option<Range>,
}

/// Parts of a gang that stay closer together.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct SubGroup {
    pub size: u32,
    pub topology: Option<NetworkTopology>,
}

/// When gangs come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Arrival {
    #[serde(deserialize_with = "duration")]
    pub first: Millis,
    pub every: Range,
}

/// Delays and failures of kubelets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct KubeletRules {
    pub startup: Range,
    pub shutdown: Range,
    pub restart: Range,
    pub unpullable: Vec<String>,
    #[serde(deserialize_with = "duration")]
    pub lost_after: Millis,
    pub readiness_gates: Range,
}

/// From the first to the second, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range(pub Millis, pub Millis);

/// One item of the timeline.
#[derive(Clone, Debug)]
pub struct TimelineStep {
    /// When.
    pub at: Millis,
    /// What.
    pub action: Action,
}

/// What a timeline can do. `scenario/schema.yaml` documents each.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Action {
    Apply(Value),
    Patch {
        #[serde(flatten)]
        object: ObjectTarget,
        merge: Value,
    },
    Scale {
        namespace: String,
        name: String,
        role: Option<String>,
        replicas: i32,
    },
    SetImage {
        namespace: String,
        name: String,
        role: Option<String>,
        image: String,
    },
    #[serde(rename_all = "camelCase")]
    Delete {
        #[serde(flatten)]
        object: ObjectTarget,
        grace_period_seconds: Option<i64>,
    },
    Condition {
        #[serde(flatten)]
        pod: PodTarget,
        #[serde(rename = "type")]
        type_: String,
        status: String,
    },
    #[serde(rename_all = "camelCase")]
    CrashController {
        after_writes: u32,
        #[serde(deserialize_with = "duration")]
        down: Millis,
    },
    FailCalls(FailCalls),
    #[serde(rename_all = "camelCase")]
    CrashScheduler {
        after_writes: u32,
        #[serde(deserialize_with = "duration")]
        down: Millis,
    },
    Crash(PodTarget),
    Fail(PodTarget),
    Succeed(PodTarget),
    Unready(PodTarget),
    Ready(PodTarget),
    Kill(NodeTarget),
    Restore(NodeTarget),
    Remove(NodeTarget),
    Cordon(NodeTarget),
    Uncordon(NodeTarget),
    Drain(NodeTarget),
}

impl Scenario {
    /// What a run without a `Simulation` document does.
    pub fn plain() -> Scenario {
        let mut value = serde_json::json!({});
        schema::fill_defaults(&schema()["properties"]["spec"], &mut value);
        serde_json::from_value(value).expect("the schema's defaults make a scenario")
    }

    /// Reads the document; all that is wrong with it at once.
    pub fn read(document: &Document) -> Result<Scenario, Vec<Problem>> {
        let schema = schema();
        let mut problems = Vec::new();
        if document.api_version() != API_VERSION {
            let message = format!("is {:?}", document.api_version());
            problems.push(document.problem("apiVersion", message, format!("write {API_VERSION}")));
        }
        let known = ["apiVersion", "kind", "metadata", "spec"];
        for name in document.value.as_object().into_iter().flat_map(|fields| fields.keys()) {
            if !known.contains(&name.as_str()) {
                let message = "is not a field";
                problems.push(document.problem(name, message, "everything stands under spec"));
            }
        }
        let mut value = document.value.get("spec").cloned().unwrap_or(Value::Null);
        let spec = &schema["properties"]["spec"];
        if value.is_null() {
            problems.push(document.problem("spec", "is missing", "add it, even as spec: {}"));
            return Err(problems);
        }
        let mut faults: Vec<Fault> = Vec::new();
        schema::check(spec, &value, "spec", &mut faults);
        problems.extend(faults.into_iter().map(|f| document.problem(&f.path, f.message, f.remedy)));
        problems.extend(check::timeline(&value, document));
        if problems.is_empty() {
            schema::fill_defaults(spec, &mut value);
            match serde_json::from_value::<Scenario>(value) {
                Ok(scenario) => {
                    problems.extend(check::contradictions(&scenario, document));
                    problems.extend(amounts::excess(&scenario, document));
                    if problems.is_empty() {
                        return Ok(scenario);
                    }
                }
                Err(error) => problems.push(document.problem("spec", error.to_string(), "")),
            }
        }
        Err(problems)
    }
}

fn schema() -> Value {
    serde_saphyr::from_str_with_options(SCHEMA, yaml_options())
        .expect("the schema in this repository is YAML")
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_timestamp(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not a time")))
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Millis, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not a duration")))
}

fn maybe_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    duration(deserializer).map(Some)
}

fn maybe_range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Range>, D::Error> {
    Range::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (low, high) =
            parse_range(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not a range")))?;
        Ok(Range(low, high))
    }
}

impl<'de> Deserialize<'de> for TimelineStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = serde_json::Map::<String, Value>::deserialize(deserializer)?;
        let at = fields.remove("at").unwrap_or_default();
        let at =
            at.as_str().and_then(parse_duration).ok_or_else(|| D::Error::custom("at is not a duration"))?;
        fields.retain(|_, value| !value.is_null());
        let action = serde_json::from_value(Value::Object(fields)).map_err(D::Error::custom)?;
        Ok(TimelineStep { at, action })
    }
}
