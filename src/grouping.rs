//! Grouping: pods of one controller that are to run together, and that nobody has put into a PodGroup yet.
//!
//! A Deployment, StatefulSet or Job makes its pods without a PodGroup. That they are a gang is said by an annotation of the
//! controller, [`keys::GROUP_MIN_MEMBER`], or by one of the pods that name a queue or a network topology. Where Volcano's
//! controllers run, they make the PodGroup and annotate the pods some milliseconds later: until then a pod is left alone,
//! since pods that are placed one by one tear their gang apart. Where nobody else does, Phalanx does the same: the same
//! names, fields and annotations, so that either side finds what the other has made.
//!
//! [`Grouping`] is a state machine without I/O: it is told what is seen ([`Grouping::pod`], [`Grouping::workload`], ..) and
//! what became of its [`Want`]s; it says which pods are left alone ([`Grouping::take_changed`]) and what it wants done
//! ([`Grouping::wants`]). What the annotations mean follows volcano `pkg/controllers/podgroup`.

mod evidence;
mod loose;
mod plan;
#[cfg(test)]
mod tests;

pub use plan::Want;

use crate::api::core::Pod;
use crate::api::keys;
use crate::api::pod_group::PodGroup;
use crate::api::quantity::ResourceList;
use crate::api::workload::{Deployment, Workload};
use crate::scheduler::PodRef;
use evidence::{Evidence, Grouper};
use loose::{Loose, OwnerKey};
use plan::Minimum;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who groups pods, and how long a pod waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupingRules {
    /// Who does.
    pub by: GroupedBy,
    /// After so long without a PodGroup it is said that there is none. The pod goes on waiting where its controller, or
    /// Volcano's, is known to ask for one.
    pub wait: Duration,
}

impl Default for GroupingRules {
    fn default() -> Self {
        GroupingRules { by: GroupedBy::Auto, wait: Duration::from_secs(10) }
    }
}

/// Who makes PodGroups for pods that come without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupedBy {
    /// Volcano's controllers where they are found, else Phalanx.
    Auto,
    /// Volcano's controllers: every pod without a PodGroup waits for one.
    Volcano,
    /// Phalanx, whatever else runs.
    Phalanx,
    /// Nobody: a pod without a PodGroup is a gang of its own.
    Nobody,
}

/// The kinds of controllers whose annotations are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum WorkloadKind {
    ReplicaSet,
    StatefulSet,
    Job,
}

impl WorkloadKind {
    /// All of them.
    pub const ALL: [WorkloadKind; 3] =
        [WorkloadKind::ReplicaSet, WorkloadKind::StatefulSet, WorkloadKind::Job];

    /// The kind as objects say it.
    pub fn name(self) -> &'static str {
        match self {
            WorkloadKind::ReplicaSet => "ReplicaSet",
            WorkloadKind::StatefulSet => "StatefulSet",
            WorkloadKind::Job => "Job",
        }
    }

    /// Its API group and version.
    pub fn api_version(self) -> &'static str {
        if self == WorkloadKind::Job { "batch/v1" } else { "apps/v1" }
    }

    fn named(kind: &str, api_version: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == kind && known.api_version() == api_version)
    }
}

/// Pods without a PodGroup, what is known of who made them, and what is to become of them.
#[derive(Debug, Default)]
pub struct Grouping {
    rules: GroupingRules,
    evidence: Evidence,
    /// Pods of ours without a PodGroup, by `namespace/name`.
    loose: BTreeMap<String, Loose>,
    /// The same by owner.
    by_owner: BTreeMap<OwnerKey, BTreeSet<String>>,
    /// Controllers that have been seen, by uid.
    owners: BTreeMap<String, Owner>,
    /// PodGroups that exist, by `namespace/name`: those named as grouping names them.
    groups: BTreeMap<String, Known>,
    /// Pods that are left alone, and what is said about it.
    held: BTreeMap<String, Option<String>>,
    /// Pods whose entry in `held` may differ from what was last taken.
    changed: BTreeSet<String>,
    /// What is being done or has failed, and until when it is not tried again.
    asked: BTreeMap<String, PendingRequest>,
    /// What has been said, by uid of the controller.
    said: BTreeMap<String, String>,
    /// Has anything changed since it was last asked what is to be done?
    is_stale: bool,
}

/// A controller.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner {
    kind: WorkloadKind,
    workload: Workload,
}

/// A PodGroup that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    uid: String,
    /// Was it made by Phalanx?
    is_ours: bool,
    minimum: i32,
    /// `spec.minResources`.
    min_resources: Option<ResourceList>,
    /// The uid that its name ends in.
    owner: String,
}

impl Known {
    fn of(group: &PodGroup, owner: &str) -> Known {
        Known {
            uid: group.metadata.uid.clone(),
            is_ours: group.metadata.annotations.contains_key(keys::GROUPED_BY),
            minimum: group.spec.min_member.unwrap_or(0),
            min_resources: group.spec.min_resources.clone(),
            owner: owner.to_owned(),
        }
    }
}

/// A request that was made, or will be made again.
#[derive(Clone, Debug, Default)]
struct PendingRequest {
    is_out: bool,
    again: Duration,
    failures: u32,
    error: String,
}

impl Grouping {
    /// By these rules.
    pub fn new(rules: GroupingRules) -> Self {
        Grouping { rules, ..Grouping::default() }
    }

    /// By other rules from now on.
    pub fn configure(&mut self, rules: GroupingRules, now: Duration) {
        self.rules = rules;
        self.judge_all(now);
    }

    /// A pod of ours is new or changed.
    pub fn pod(&mut self, pod: &Pod, now: Duration) {
        self.is_stale = true;
        let key = format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
        match Loose::of(pod, self.loose.get(&key), now) {
            None => self.forget(&key),
            Some(loose) => {
                if self.loose.get(&key).is_some_and(|known| known.pod.uid != loose.pod.uid) {
                    self.forget(&key);
                }
                self.by_owner.entry(loose.owner.clone()).or_default().insert(key.clone());
                self.loose.insert(key.clone(), loose);
                self.judge(&key, now);
            }
        }
    }

    /// A pod is gone.
    pub fn pod_gone(&mut self, namespace: &str, name: &str) {
        self.forget(&format!("{namespace}/{name}"));
    }

    fn forget(&mut self, key: &str) {
        if let Some(loose) = self.loose.remove(key) {
            if let Some(pods) = self.by_owner.get_mut(&loose.owner) {
                pods.remove(key);
                if pods.is_empty() {
                    self.by_owner.remove(&loose.owner);
                }
            }
            self.asked.remove(&format!("join {}", loose.pod.uid));
        }
        if self.held.remove(key).is_some() {
            self.changed.insert(key.to_owned());
        }
    }

    /// A controller is new or changed.
    pub fn workload(&mut self, kind: WorkloadKind, workload: Workload, now: Duration) {
        let uid = workload.metadata.uid.clone();
        let owner = Owner { kind, workload };
        if self.owners.get(&uid) != Some(&owner) {
            self.owners.insert(uid.clone(), owner);
            self.is_stale = true;
            self.judge_owned(&uid, now);
        }
    }

    /// A controller is gone. Its pods may live on.
    pub fn workload_gone(&mut self, kind: WorkloadKind, namespace: &str, name: &str) {
        let is_it = |owner: &Owner| {
            let metadata = &owner.workload.metadata;
            owner.kind == kind && metadata.namespace == namespace && metadata.name == name
        };
        self.owners.retain(|_, owner| !is_it(owner));
    }

    /// A PodGroup is new or changed.
    pub fn group(&mut self, group: &PodGroup, now: Duration) {
        let metadata = &group.metadata;
        let Some(owner) = metadata.name.strip_prefix(plan::NAME_PREFIX) else { return };
        let key = format!("{}/{}", metadata.namespace, metadata.name);
        self.is_stale = true;
        let known = Known::of(group, owner);
        let is_ours = known.is_ours;
        for what in ["adjust", "remove"] {
            self.asked.remove(&format!("{what} {}", known.uid));
        }
        let is_new = self.groups.insert(key, known).is_none();
        self.asked.remove(&format!("make {owner}"));
        let has_owner = metadata.owner_references.iter().any(|reference| reference.uid == owner);
        if is_new && !is_ours && has_owner && self.evidence.group_seen() {
            self.judge_all(now);
        }
    }

    /// A PodGroup is gone.
    pub fn group_gone(&mut self, namespace: &str, name: &str) {
        if let Some(known) = self.groups.remove(&format!("{namespace}/{name}")) {
            self.is_stale = true;
            for what in ["adjust", "remove"] {
                self.asked.remove(&format!("{what} {}", known.uid));
            }
        }
    }

    /// A Deployment that may be Volcano's controllers is new or changed.
    pub fn deployment(&mut self, deployment: &Deployment, now: Duration) {
        if self.evidence.deployment(deployment) {
            self.judge_all(now);
        }
    }

    /// A Deployment is gone.
    pub fn deployment_gone(&mut self, namespace: &str, name: &str, now: Duration) {
        if self.evidence.deployment_gone(namespace, name) {
            self.judge_all(now);
        }
    }

    /// A MutatingWebhookConfiguration exists, or does not any more.
    pub fn webhook(&mut self, name: &str, exists: bool, now: Duration) {
        if self.evidence.webhook(name, exists) {
            self.judge_all(now);
        }
    }

    /// Does a scheduler of Volcano run that answers to none of these names? It admits every PodGroup whose pods it does not know.
    pub fn is_admitted_elsewhere(&self, names: &[String]) -> bool {
        self.evidence.is_admitted_elsewhere(names)
    }

    /// Kinds of controllers that pods without a PodGroup have, so that their annotations are worth reading.
    pub fn kinds(&self) -> BTreeSet<WorkloadKind> {
        let is_asked = self.rules.by != GroupedBy::Nobody && self.rules.by != GroupedBy::Volcano;
        let owners = self.by_owner.keys().filter(|_| is_asked);
        owners.filter_map(|owner| owner.kind).collect()
    }

    /// Takes out the pods that are left alone from now on, with what is said about it, and those that are free from now on.
    pub fn take_changed(&mut self) -> Vec<(String, Option<Option<String>>)> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .map(|pod| (self.held.get(&pod).cloned(), pod))
            .map(|(held, pod)| (pod, held))
            .collect()
    }

    /// When a pod has waited long enough to say so, or something that failed is due again.
    pub fn wake_at(&self) -> Option<Duration> {
        let silent = self.held.iter().filter(|(_, said)| said.is_none());
        let pods = silent.filter_map(|(pod, _)| Some(self.loose.get(pod)?.since + self.rules.wait));
        let again = self.asked.values().filter(|asked| !asked.is_out).map(|asked| asked.again);
        pods.chain(again).min()
    }

    /// Time has passed: pods that have waited long enough are judged anew.
    pub fn tick(&mut self, now: Duration) {
        let silent = self.held.iter().filter(|(_, said)| said.is_none());
        let due =
            silent.filter(|(pod, _)| self.loose.get(*pod).is_some_and(|loose| self.is_late(loose, now)));
        let due: Vec<String> = due.map(|(pod, _)| pod.clone()).collect();
        if due.is_empty() {
            return;
        }
        // PodGroups that somebody made once are no proof that somebody still makes them.
        let waits_for_volcano =
            |pod: &&String| self.loose.get(*pod).is_some_and(|loose| self.grouper(loose) == Grouper::Volcano);
        if due.iter().any(|pod| waits_for_volcano(&pod)) && self.evidence.refute_groups() {
            return self.judge_all(now);
        }
        due.iter().for_each(|pod| self.judge(pod, now));
    }

    fn judge_all(&mut self, now: Duration) {
        self.is_stale = true;
        let pods: Vec<String> = self.loose.keys().cloned().collect();
        pods.iter().for_each(|pod| self.judge(pod, now));
    }

    fn judge_owned(&mut self, uid: &str, now: Duration) {
        let owners = self.by_owner.iter().filter(|(owner, _)| owner.uid == uid);
        let pods: Vec<String> = owners.flat_map(|(_, pods)| pods).cloned().collect();
        pods.iter().for_each(|pod| self.judge(pod, now));
    }

    /// Is the pod left alone, and what is said about it?
    fn judge(&mut self, key: &str, now: Duration) {
        let Some(loose) = self.loose.get(key) else { return };
        let held = self.waits(loose, now);
        let before = match &held {
            Some(said) => self.held.insert(key.to_owned(), said.clone()),
            None => self.held.remove(key),
        };
        if before != held {
            self.changed.insert(key.to_owned());
        }
    }

    fn waits(&self, loose: &Loose, now: Duration) -> Option<Option<String>> {
        if loose.has_node {
            return None;
        }
        let is_late = self.is_late(loose, now);
        let say = |text: String| Some(is_late.then_some(text));
        let seconds = self.rules.wait.as_secs();
        match self.grouper(loose) {
            Grouper::Nobody => None,
            Grouper::Volcano => say(format!(
                "waits for its PodGroup: Volcano's controllers are to make it, and have not within {seconds} s; their log \
                 says why. To have Phalanx do it, set grouping.by: phalanx"
            )),
            Grouper::Phalanx => match self.minimum(loose) {
                Minimum::None => None,
                Minimum::Unknown if is_late => None,
                Minimum::Unknown => Some(None),
                Minimum::Of(_) => {
                    let errors = ["make", "join"].map(|what| {
                        let subject = if what == "make" { &loose.owner.uid } else { &loose.pod.uid };
                        self.asked.get(&format!("{what} {subject}")).map_or("", |asked| asked.error.as_str())
                    });
                    let error = errors.into_iter().find(|error| !error.is_empty()).unwrap_or("no answer yet");
                    say(format!(
                        "waits for PodGroup {}, which could not be made within {seconds} s: {error}",
                        plan::group_name(&loose.owner.uid)
                    ))
                }
            },
        }
    }

    fn is_late(&self, loose: &Loose, now: Duration) -> bool {
        now >= loose.since + self.rules.wait
    }

    fn grouper(&self, loose: &Loose) -> Grouper {
        self.evidence.grouper(self.rules.by, &loose.scheduler_name)
    }
}

/// A pod, for [`Want`]s.
fn pod_ref(pod: &Pod) -> PodRef {
    PodRef {
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
    }
}
