//! What is to be done about pods that belong together: the PodGroup, its minimum, and the pods' way into it.

use super::evidence::Grouper;
use super::loose::{Loose, Source};
use super::{Grouping, Known, Owner, PendingRequest, WorkloadKind};
use crate::api::keys;
use crate::api::meta::ObjectMeta;
use crate::api::pod_group::{
    NetworkTopology, PodGroup, PodGroupPhase, PodGroupSpec, PodGroupStatus, TopologyMode,
};
use crate::api::quantity::{Quantity, ResourceList, ResourceTotal};
use crate::scheduler::PodRef;
use crate::words::counted;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Begins the name of a PodGroup that is made for pods; the uid of their owner follows. Volcano's.
pub(super) const NAME_PREFIX: &str = "podgroup-";

/// The name of the PodGroup of an owner's pods.
pub(super) fn group_name(owner: &str) -> String {
    format!("{NAME_PREFIX}{owner}")
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Want {
    /// Create this PodGroup. That it exists already is as good.
    Make {
        /// The uid of the owner, which the name tells too.
        owner: String,
        /// The object.
        group: Box<PodGroup>,
    },
    /// Set the annotation [`keys::GROUP_NAME`] of exactly this pod. That the pod is gone is as good.
    Join {
        /// The pod.
        pod: PodRef,
        /// The name of the PodGroup.
        group: String,
    },
    /// Replace the minimum of exactly this PodGroup, which Phalanx has made: its controller runs more or fewer pods now.
    Adjust {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// `minMember`.
        minimum: i32,
        /// `minResources`.
        min_resources: Option<ResourceList>,
    },
    /// Delete exactly this PodGroup, which Phalanx has made: its controller runs no pods any more.
    Remove {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
    },
    /// Tell about a controller what of it cannot be honoured.
    Say {
        /// Its kind.
        kind: WorkloadKind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// The sentence.
        message: String,
    },
}

impl Want {
    /// The same for wants of which one is enough.
    pub(super) fn key(&self) -> String {
        match self {
            Want::Make { owner, .. } => format!("make {owner}"),
            Want::Join { pod, .. } => format!("join {}", pod.uid),
            Want::Adjust { uid, .. } => format!("adjust {uid}"),
            Want::Remove { uid, .. } => format!("remove {uid}"),
            Want::Say { uid, .. } => format!("say {uid}"),
        }
    }
}

/// How many pods of an owner are to run together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Minimum {
    /// Nobody says that they do: each stands for itself, without a PodGroup.
    None,
    /// The owner has not been seen yet.
    Unknown,
    /// So many.
    Of(i32),
}

/// How long after a failure something is tried again: twice as long each time, half a minute at most.
fn backoff(failures: u32) -> Duration {
    Duration::from_millis(250 << failures.min(7)).min(Duration::from_secs(30))
}

impl Grouping {
    /// What is to be done now. Each is named once, until [`Grouping::answered`] says what became of it.
    pub fn wants(&mut self, now: Duration) -> Vec<Want> {
        let is_due = |asked: &PendingRequest| !asked.is_out && asked.again <= now;
        if !std::mem::take(&mut self.is_stale) && !self.asked.values().any(is_due) {
            return Vec::new();
        }
        let mut wants = Vec::new();
        for (owner, pods) in &self.by_owner {
            let Some(first) = pods.iter().find_map(|pod| self.loose.get(pod)) else { continue };
            let Minimum::Of(minimum) = self.minimum(first) else { continue };
            if self.grouper(first) != Grouper::Phalanx {
                continue;
            }
            wants.extend(self.complaint(&owner.uid));
            let name = group_name(&owner.uid);
            if self.groups.contains_key(&format!("{}/{name}", first.pod.namespace)) {
                let pods = pods.iter().filter_map(|pod| self.loose.get(pod));
                wants.extend(pods.map(|loose| Want::Join { pod: loose.pod.clone(), group: name.clone() }));
            } else {
                let group = pod_group(first, self.owners.get(&owner.uid), minimum);
                wants.push(Want::Make { owner: owner.uid.clone(), group: Box::new(group) });
            }
        }
        // One that the watch has not shown has no uid yet.
        for (key, known) in self.groups.iter().filter(|(_, known)| known.is_ours && !known.uid.is_empty()) {
            let Some(owner) = self.owners.get(&known.owner) else { continue };
            let (namespace, name) = key.split_once('/').unwrap_or(("", key));
            let (namespace, name, uid) = (namespace.to_owned(), name.to_owned(), known.uid.clone());
            let minimum = owner.minimum().unwrap_or(1);
            if owner.pods() == 0 {
                wants.push(Want::Remove { namespace, name, uid });
            } else if minimum != known.minimum {
                let min_resources =
                    known.min_resources.as_ref().and_then(|all| rescale(all, known.minimum, minimum));
                wants.push(Want::Adjust { namespace, name, uid, minimum, min_resources });
            }
        }
        // What has been done and is wanted no more is forgotten.
        let wanted: BTreeSet<String> = wants.iter().map(Want::key).collect();
        self.asked.retain(|key, asked| !is_due(asked) || wanted.contains(key));
        wants.retain(|want| match self.asked.get(&want.key()) {
            Some(asked) => is_due(asked),
            None => true,
        });
        for want in &wants {
            match want {
                Want::Say { uid, message, .. } => drop(self.said.insert(uid.clone(), message.clone())),
                _ => self.asked.entry(want.key()).or_default().is_out = true,
            }
        }
        wants
    }

    /// What is to be said about a controller, if it has not been.
    fn complaint(&self, uid: &str) -> Option<Want> {
        let owner = self.owners.get(uid)?;
        let message = owner.complaint().filter(|message| self.said.get(uid) != Some(message))?;
        let metadata = &owner.workload.metadata;
        let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
        Some(Want::Say { kind: owner.kind, namespace, name, uid: uid.to_owned(), message })
    }

    /// What became of a want: `Err` with what stood in the way.
    pub fn answered(&mut self, want: &Want, answer: Result<(), String>, now: Duration) {
        self.is_stale = true;
        let key = want.key();
        match answer {
            Ok(()) => {
                if let Want::Make { owner, group } = want {
                    // It is there, whether or not the watch has shown it.
                    let key = format!("{}/{}", group.metadata.namespace, group.metadata.name);
                    let made = Known::of(group, owner);
                    self.groups.entry(key).or_insert(made);
                }
                // Until the watch shows it: then nothing is wanted any more.
                let asked =
                    PendingRequest { again: now + Duration::from_secs(5), ..PendingRequest::default() };
                self.asked.insert(key, asked);
            }
            Err(error) => {
                let asked = self.asked.entry(key).or_default();
                asked.is_out = false;
                asked.failures += 1;
                asked.again = now + backoff(asked.failures);
                asked.error = error;
            }
        }
    }

    pub(super) fn minimum(&self, loose: &Loose) -> Minimum {
        let unknown = if loose.owner.kind.is_some() { Minimum::Unknown } else { Minimum::None };
        let owned = self.owners.get(&loose.owner.uid).map(|owner| match owner.minimum() {
            Some(minimum) => Minimum::Of(minimum),
            None => Minimum::None,
        });
        match owned.unwrap_or(unknown) {
            Minimum::None if loose.asks => Minimum::Of(1),
            minimum => minimum,
        }
    }
}

impl Owner {
    /// How many of its pods are to run together, if it says so: never more than it runs at a time, since as many would never
    /// exist. A value that is no number counts as 1, as in Volcano.
    fn minimum(&self) -> Option<i32> {
        let text = self.workload.metadata.annotations.get(keys::GROUP_MIN_MEMBER)?;
        let minimum = text.parse::<i32>().ok().filter(|minimum| *minimum >= 0).unwrap_or(1);
        Some(minimum.min(self.pods().max(1)))
    }

    /// How many pods it runs at a time.
    fn pods(&self) -> i32 {
        let spec = &self.workload.spec;
        match self.kind {
            WorkloadKind::Job => {
                spec.parallelism.unwrap_or(1).min(spec.completions.unwrap_or(i32::MAX)).max(0)
            }
            WorkloadKind::ReplicaSet | WorkloadKind::StatefulSet => spec.replicas.unwrap_or(1).max(0),
        }
    }

    /// What of its annotation cannot be honoured.
    fn complaint(&self) -> Option<String> {
        let text = self.workload.metadata.annotations.get(keys::GROUP_MIN_MEMBER)?;
        let key = keys::GROUP_MIN_MEMBER;
        let Some(minimum) = text.parse::<i32>().ok().filter(|minimum| *minimum >= 0) else {
            return Some(format!("annotation {key}: {text:?} is no number of at least 0; 1 is used"));
        };
        let is_rolling =
            self.workload.metadata.owner_references.iter().any(|owner| owner.kind == "Deployment");
        let pods = self.pods();
        if minimum > pods && pods > 0 && !is_rolling {
            return Some(format!(
                "annotation {key}: {minimum} is more than the {} that it runs at a time; {pods} {} started together",
                counted(pods, "pod"),
                if pods == 1 { "is" } else { "are" }
            ));
        }
        let is_serial =
            self.kind == WorkloadKind::StatefulSet && self.workload.spec.pod_management_policy != "Parallel";
        (is_serial && minimum > 1).then(|| {
            format!(
                "annotation {key}: all {minimum} of its pods are to start together, and podManagementPolicy: OrderedReady creates each \
                 when the one before it is ready, so that they never exist at once; set podManagementPolicy: Parallel"
            )
        })
    }
}

/// The PodGroup of an owner's pods, as Volcano's controller makes it of the first pod that it sees.
fn pod_group(first: &Loose, owner: Option<&Owner>, minimum: i32) -> PodGroup {
    let source = &first.source;
    let mut annotations: BTreeMap<String, String> = BTreeMap::new();
    if let Some(owner) = owner {
        let inherited = owner.workload.metadata.annotations.iter();
        let inherited = inherited.filter(|(key, _)| key.starts_with(keys::VOLCANO_PREFIX));
        annotations.extend(inherited.map(|(key, value)| (key.clone(), value.clone())));
    }
    let mut kept =
        vec![keys::PREEMPTABLE, keys::COOLDOWN_TIME, keys::REVOCABLE_ZONE, keys::JDB_MIN_AVAILABLE];
    if !source.annotations.contains_key(keys::JDB_MIN_AVAILABLE) {
        kept.push(keys::JDB_MAX_UNAVAILABLE);
    }
    let own = kept.into_iter().filter_map(|key| Some((key.to_owned(), source.annotations.get(key)?.clone())));
    annotations.extend(own);
    annotations.insert(keys::GROUPED_BY.to_owned(), "phalanx".to_owned());
    PodGroup {
        metadata: ObjectMeta {
            namespace: first.pod.namespace.clone(),
            name: group_name(&first.owner.uid),
            annotations,
            labels: source.labels.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
            owner_references: source.owner_references.clone(),
            ..ObjectMeta::default()
        },
        spec: PodGroupSpec {
            min_member: Some(minimum),
            queue: source.annotations.get(keys::QUEUE_NAME).cloned().unwrap_or_default(),
            priority_class_name: source.priority_class.clone(),
            min_resources: Some(times(&each(source), minimum)),
            network_topology: network_topology(source),
            ..PodGroupSpec::default()
        },
        status: PodGroupStatus { phase: Some(PodGroupPhase::Pending), ..PodGroupStatus::default() },
    }
}

/// What one pod asks for.
fn each(source: &Source) -> ResourceList {
    source.requests.iter().map(|(name, amount)| (name.clone(), Quantity(amount.clone()))).collect()
}

/// What so many pods ask for, where `all` is what `from` of them do; `None` where that is not told by division.
fn rescale(all: &ResourceList, from: i32, to: i32) -> Option<ResourceList> {
    let (from, to) = (i64::from(from), i64::from(to));
    let one = |(name, quantity): (&String, &Quantity)| {
        let milli = quantity.milli().ok()?;
        let each = milli.checked_div(from).filter(|each| each * from == milli)?;
        Some((name.clone(), Quantity::from_milli(each.checked_mul(to)?)))
    };
    all.iter().map(one).collect()
}

fn times(each: &ResourceList, minimum: i32) -> ResourceList {
    let mut total = ResourceTotal::default();
    match total.add(each, u32::try_from(minimum).unwrap_or(0)) {
        Ok(()) => total.to_list(),
        Err(_) => ResourceList::new(),
    }
}

/// The topology rule that the pods' annotations make: hard unless they say soft, as in Volcano.
fn network_topology(source: &Source) -> Option<NetworkTopology> {
    let mode = source.annotations.get(keys::NETWORK_TOPOLOGY_MODE);
    let tier = source.annotations.get(keys::NETWORK_TOPOLOGY_HIGHEST_TIER);
    if mode.is_none() && tier.is_none() {
        return None;
    }
    let is_soft = mode.is_some_and(|mode| mode.eq_ignore_ascii_case("soft"));
    Some(NetworkTopology {
        mode: Some(if is_soft { TopologyMode::Soft } else { TopologyMode::Hard }),
        highest_tier_allowed: tier.and_then(|tier| tier.parse().ok()),
        highest_tier_name: None,
    })
}
