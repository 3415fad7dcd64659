//! What exists now that belongs to a ModelServing, or claims a name that would: compact records, made once from an
//! object when it changes and kept by the shell's cache.

use super::adopt::RoleKey;
use super::events::Memory;
use super::revision::{likeness::is_likeness, roles_hash};
use super::settled::Settled;
use crate::api::core::{ContainerStatus, Pod, PodPhase};
use crate::api::keys;
use crate::api::meta::ObjectMeta;
use crate::api::model_serving::Role;
use crate::api::pod_group::{PodGroup, PodGroupSpec};
use crate::api::time::Timestamp;
use serde_json::Value;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Everything of one namespace that carries the ModelServing's name as label or in its own name, or has it as owner. The
/// order of the lists does not matter.
#[derive(Clone, Debug, Default)]
pub struct Observed<'a> {
    /// Pods.
    pub pods: Vec<&'a ObservedPod>,
    /// PodGroups.
    pub pod_groups: Vec<&'a ObservedPodGroup>,
    /// Services.
    pub services: Vec<&'a ObservedService>,
    /// ControllerRevisions.
    pub revisions: Vec<&'a ObservedRevision>,
    /// ServingGroups, by ordinal, of which nothing is listed above, since there is nothing to do at them.
    pub settled: Option<&'a BTreeMap<u32, Settled>>,
    /// What the cluster can do.
    pub capabilities: Capabilities<'a>,
    /// What the previous call returned, of ServingGroups that are not settled; `None` after a restart. It decides nothing but
    /// which events are news.
    pub memory: Option<&'a Memory>,
    /// What the API server said when it refused the last creation (a quota, an invalid object), until one succeeds.
    pub refused: Option<&'a str>,
    /// The namespace is being deleted: nothing can be created in it.
    pub ending: bool,
}

/// What the cluster can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities<'a> {
    /// Is the PodGroup CRD installed?
    pub pod_groups: bool,
    /// Has it `spec.subGroupPolicy` (Volcano 1.14)?
    pub sub_group_policy: bool,
    /// Schedulers that honour PodGroups.
    pub gang_schedulers: &'a [&'a str],
}

impl Default for Capabilities<'_> {
    fn default() -> Self {
        Capabilities { pod_groups: true, sub_group_policy: true, gang_schedulers: &["volcano"] }
    }
}

/// A uid. Every record is asked for its owner's on every reconcile, so the form that API servers give out is kept in place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Uid {
    /// A UUID in lower case.
    Uuid(u128),
    /// Any other text.
    Text(Box<str>),
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        let dashes = [8, 13, 18, 23];
        let mut number = 0;
        for (at, byte) in text.bytes().enumerate() {
            number = match byte {
                b'-' if dashes.contains(&at) => number,
                b'0'..=b'9' if !dashes.contains(&at) => number << 4 | u128::from(byte - b'0'),
                b'a'..=b'f' if !dashes.contains(&at) => number << 4 | u128::from(byte - b'a' + 10),
                _ => return Uid::Text(text.into()),
            };
        }
        if text.len() == 36 { Uid::Uuid(number) } else { Uid::Text(text.into()) }
    }
}

impl Default for Uid {
    fn default() -> Self {
        Uid::Text("".into())
    }
}

/// Name, uid, owner, and whether it is on its way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectRef {
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// Uid of the controlling owner; empty if there is none.
    pub owner: Uid,
    /// Has it a deletionTimestamp?
    pub deleting: bool,
    /// Does it carry the name of the ModelServing of this name as a label, and nobody's ownership: was it left behind by
    /// one that was deleted without its children?
    pub orphan_of: Option<SmolStr>,
}

impl ObjectRef {
    /// Does it belong to the ModelServing of this name and uid, or will it?
    pub(crate) fn is_of(&self, name: &str, uid: &Uid) -> bool {
        self.owner == *uid || self.orphan_of.as_deref() == Some(name)
    }
}

impl From<&ObjectMeta> for ObjectRef {
    fn from(metadata: &ObjectMeta) -> Self {
        let owner = metadata.owner_references.iter().find(|owner| owner.controller == Some(true));
        ObjectRef {
            name: metadata.name.clone(),
            uid: metadata.uid.clone(),
            owner: owner.map(|owner| Uid::from(owner.uid.as_str())).unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            orphan_of: metadata
                .labels
                .get(keys::MODEL_SERVING_NAME)
                .filter(|_| metadata.owner_references.is_empty())
                .map(SmolStr::from),
        }
    }
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedPod {
    /// Name, uid, owner.
    pub object: ObjectRef,
    /// The revision it was built from (label).
    pub revision: SmolStr,
    /// The hash of the role it was built from (label).
    pub role_hash: SmolStr,
    /// Is it a member of a PodGroup (annotation)?
    pub in_gang: bool,
    /// Does it stand for its ServingGroup in the scale selector (label)?
    pub representative: bool,
    /// Has it a node?
    pub has_node: bool,
    /// Phase Running and condition Ready.
    pub ready: bool,
    /// Have its containers ever run? What runs beside a lost pod must start again; what has not run need not.
    pub started: bool,
    /// Since when it has failed, or has been unready because a container ended. See [`failing_since`].
    pub failing_since: Option<Timestamp>,
    /// `controller.kubernetes.io/pod-deletion-cost`; 0 if absent or no number.
    pub deletion_cost: i64,
    /// Why it cannot start (`ErrImagePull`, `CrashLoopBackOff`, `SchedulingGated`), if it says so.
    pub waiting: Option<String>,
}

impl From<&Pod> for ObservedPod {
    fn from(pod: &Pod) -> Self {
        let label = |key: &str| pod.metadata.labels.get(key).map(SmolStr::from).unwrap_or_default();
        let phase = pod.status.phase.as_ref();
        let restarted = containers(pod).any(|container| container.restart_count > 0);
        let ready = condition(pod, "Ready").is_some_and(|(ready, _)| ready);
        ObservedPod {
            object: ObjectRef::from(&pod.metadata),
            revision: label(keys::MODEL_SERVING_REVISION),
            role_hash: label(keys::MODEL_SERVING_ROLE_TEMPLATE_HASH),
            in_gang: pod.metadata.annotations.contains_key(keys::GROUP_NAME),
            representative: pod.metadata.labels.contains_key(keys::MODEL_SERVING_REPRESENTATIVE),
            has_node: pod.spec.node_name.as_deref().is_some_and(|node| !node.is_empty()),
            ready: ready && phase == Some(&PodPhase::Running),
            started: restarted || !matches!(phase, None | Some(PodPhase::Pending)),
            failing_since: failing_since(pod),
            deletion_cost: deletion_cost(&pod.metadata.annotations),
            waiting: waiting(pod),
        }
    }
}

/// What a pod's annotations say that its deletion costs.
pub(crate) fn deletion_cost(annotations: &BTreeMap<String, String>) -> i64 {
    let cost = annotations.get(keys::POD_DELETION_COST).and_then(|text| text.parse::<i32>().ok());
    cost.map_or(0, i64::from)
}

/// Since when a pod has been failing: it failed, it ended (a server that ends is no server), or a container ended and
/// the pod has not been ready since. A pod that ended a container once, became ready, and is unready for another reason
/// is not failing. `restartGracePeriodSeconds` counts from here, so the timer survives a restart of the controller.
///
/// With one restart that is the moment the container ended; with more, whose first is no longer known, the moment the
/// pod stopped being ready.
pub fn failing_since(pod: &Pod) -> Option<Timestamp> {
    let ended = containers(pod).filter_map(last_end).max();
    let (ready, ready_changed) = condition(pod, "Ready").unwrap_or((false, None));
    let created = pod.metadata.creation_timestamp.as_deref().and_then(Timestamp::parse);
    let begin = created.unwrap_or_default();
    match pod.status.phase {
        Some(PodPhase::Failed | PodPhase::Succeeded) => Some(ended.or(ready_changed).unwrap_or(begin)),
        None | Some(PodPhase::Running | PodPhase::Pending) if !ready => {
            let restarts: i32 = containers(pod).map(|container| container.restart_count).sum();
            match (restarts, ended, ready_changed) {
                (..=0, ..) => None,
                (_, Some(ended), Some(changed)) if ended.plus(STATUS_LAG) < changed => None,
                (1, Some(ended), _) => Some(ended),
                (_, _, Some(changed)) => Some(changed),
                (_, Some(ended), None) => Some(ended),
                (_, None, None) => Some(begin),
            }
        }
        _ => None,
    }
}

/// Seconds that a kubelet may take to turn a pod unready after its container has ended.
const STATUS_LAG: i64 = 10;

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.container_statuses.iter().chain(&pod.status.init_container_statuses)
}

fn last_end(container: &ContainerStatus) -> Option<Timestamp> {
    [&container.state, &container.last_state]
        .into_iter()
        .flatten()
        .filter_map(|state| state.pointer("/terminated/finishedAt")?.as_str())
        .filter_map(Timestamp::parse)
        .max()
}

fn condition(pod: &Pod, type_: &str) -> Option<(bool, Option<Timestamp>)> {
    let condition = pod.status.conditions.iter().find(|condition| condition.type_ == type_)?;
    let changed = condition.last_transition_time.as_deref().and_then(Timestamp::parse);
    Some((condition.status == "True", changed))
}

fn waiting(pod: &Pod) -> Option<String> {
    let reason = |container: &ContainerStatus| {
        container.state.as_ref()?.pointer("/waiting/reason")?.as_str().map(str::to_owned)
    };
    let stuck = containers(pod)
        .filter_map(reason)
        .find(|reason| !matches!(reason.as_str(), "ContainerCreating" | "PodInitializing"));
    stuck.or_else(|| (!pod.spec.scheduling_gates.is_empty()).then(|| "SchedulingGated".to_owned()))
}

/// Reasons of a PodGroup's condition that tell of fewer pods than its minimum, as every gang has for a moment.
const STILL_ARRIVING: [&str; 2] = ["NotEnoughTasks", "NotEnoughPodsOfTask"];

/// A PodGroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedPodGroup {
    /// Name, uid, owner.
    pub object: ObjectRef,
    /// Its spec, to compare.
    pub spec: PodGroupSpec,
    /// Why it cannot be scheduled, if it cannot: the message of its condition `Unschedulable`, else the reason. That pods are
    /// still to come is no such reason: it is this controller that creates them.
    pub unschedulable: Option<String>,
    /// The code of the same.
    pub reason: Option<String>,
}

impl From<&PodGroup> for ObservedPodGroup {
    fn from(pod_group: &PodGroup) -> Self {
        // The scheduler appends conditions; the one of the last transition counts.
        let newest =
            pod_group.status.conditions.iter().filter(|c| c.status == "True").max_by_key(|condition| {
                condition.last_transition_time.as_deref().and_then(Timestamp::parse).unwrap_or_default()
            });
        let unschedulable = newest.filter(|condition| condition.type_ == "Unschedulable");
        let unschedulable = unschedulable.filter(|condition| !STILL_ARRIVING.contains(&&*condition.reason));
        let reason = unschedulable.map(|condition| condition.reason.clone());
        let unschedulable = unschedulable.map(|condition| {
            if condition.message.is_empty() { condition.reason.clone() } else { condition.message.clone() }
        });
        ObservedPodGroup {
            object: ObjectRef::from(&pod_group.metadata),
            spec: pod_group.spec.clone(),
            unschedulable,
            reason,
        }
    }
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedService {
    /// Name, uid, owner.
    pub object: ObjectRef,
}

impl From<&ObjectMeta> for ObservedService {
    fn from(metadata: &ObjectMeta) -> Self {
        ObservedService { object: ObjectRef::from(metadata) }
    }
}

/// A ControllerRevision, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedRevision {
    /// Name, uid, owner.
    pub object: ObjectRef,
    /// The label `revision`, else the empty string.
    pub revision: String,
    /// `.revision`.
    pub number: i64,
    /// The roles in its data, with the replica counts of the annotation, if there is one. `None`: not readable.
    pub roles: Option<Vec<Role>>,
    /// What each of these roles is compared by.
    pub keys: Vec<RoleKey>,
    /// What all of them together are compared by.
    pub likeness: String,
    /// Do these roles hash to the label? Then it is known what the label stands for: a controller that hashes as this one
    /// does wrote it.
    pub is_understood: bool,
}

impl ObservedRevision {
    /// Reads an `apps/v1` ControllerRevision.
    pub fn from_json(value: &Value) -> Self {
        let metadata: ObjectMeta = value
            .get("metadata")
            .and_then(|metadata| serde_json::from_value(metadata.clone()).ok())
            .unwrap_or_default();
        let mut roles: Option<Vec<Role>> =
            value.pointer("/data/data").and_then(|roles| serde_json::from_value(roles.clone()).ok());
        let (likeness, keys) = roles.as_deref().map(RoleKey::of_all).unwrap_or_default();
        let revision = metadata.labels.get(keys::MODEL_SERVING_REVISION).cloned().unwrap_or_default();
        let is_understood =
            roles.as_deref().is_some_and(|roles| is_likeness(&revision) || roles_hash(roles) == revision);
        let counts = metadata.annotations.get(keys::MODEL_SERVING_ROLE_REPLICAS);
        let counts = counts.and_then(|text| serde_json::from_str::<BTreeMap<String, i32>>(text).ok());
        for role in roles.iter_mut().flatten() {
            if let Some(&count) = counts.as_ref().and_then(|counts| counts.get(&role.name)) {
                role.replicas = Some(count);
            }
        }
        ObservedRevision {
            object: ObjectRef::from(&metadata),
            revision,
            number: value.get("revision").and_then(Value::as_i64).unwrap_or_default(),
            roles,
            keys,
            likeness,
            is_understood,
        }
    }
}
