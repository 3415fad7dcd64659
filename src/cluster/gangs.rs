//! Gangs: a PodGroup and its pods, whichever arrives first; or one plain pod that has no PodGroup.

pub mod adapt;

use super::ids::{GangId, PodId, ResourceId};
use super::slab::Slab;
use crate::api::gang::Dialect;
use crate::api::pod_group::{PodGroupSpec, PodGroupStatus};
use adapt::Terms;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;

/// What is kept of a gang.
#[derive(Clone, Debug)]
pub struct GangRecord {
    /// `namespace/name` of the PodGroup, or of the pod.
    pub key: Arc<str>,
    /// A PodGroup, or a pod on its own.
    pub kind: GangKind,
    /// The PodGroup as last seen; `None` until it arrives, and for plain pods.
    pub group: Option<Box<Group>>,
    /// Has there been a PodGroup? If it is gone, it was deleted, and its pods are on their way out.
    pub had_group: bool,
    /// Its pods, by id.
    pub pods: Vec<PodId>,
    /// When it was first seen, in the order of events; breaks ties of age.
    pub sequence: u64,
}

/// What makes a gang.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GangKind {
    /// A PodGroup, of whichever dialect.
    PodGroup,
    /// A pod of ours that names no PodGroup.
    Pod,
}

/// A PodGroup as last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its uid.
    pub uid: Box<str>,
    /// Its creation time, RFC 3339 in UTC (which sorts as text); empty where the object has none.
    pub created: Box<str>,
    /// What is wanted.
    pub spec: PodGroupSpec,
    /// What was last written.
    pub status: PodGroupStatus,
    /// Is it being deleted?
    pub deleting: bool,
    /// `spec.minResources`, ascending by resource, values above 0: those that nodes count. Names of quotas
    /// (`requests.cpu`, `count/pods`), which Volcano's controller writes beside them, are left out.
    pub min_resources: Box<[(ResourceId, i64)]>,
    /// How long it may wait, from [`keys::SLA_WAITING_TIME`](crate::api::keys::SLA_WAITING_TIME).
    pub patience: Option<Duration>,
    /// May its pods be evicted for other gangs ([`keys::PREEMPTABLE`](crate::api::keys::PREEMPTABLE))?
    pub evictable: bool,
    /// How long it waits before anybody is evicted for it; `None`: its queue says.
    pub preemption_delay: Option<Duration>,
    /// What its dialect says and Volcano's has no word for.
    pub terms: Terms,
}

impl GangRecord {
    /// The namespace.
    pub fn namespace(&self) -> &str {
        self.key.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// The API that its PodGroup is of.
    pub fn dialect(&self) -> Dialect {
        Dialect::split(self.name()).0
    }

    /// The name by which it is known ([`Dialect::gang_name`]).
    pub fn name(&self) -> &str {
        self.key.split_once('/').map_or(&*self.key, |(_, name)| name)
    }
}

/// All gangs.
#[derive(Clone, Debug, Default)]
pub struct Gangs {
    records: Slab<GangRecord>,
    /// PodGroups only: a plain pod's gang is found through the pod.
    by_key: FxHashMap<Arc<str>, GangId>,
    sequence: u64,
}

impl Gangs {
    /// The gang of a PodGroup `namespace/name`.
    pub fn id(&self, key: &str) -> Option<GangId> {
        self.by_key.get(key).copied()
    }

    /// The gang behind an id.
    pub fn get(&self, gang: GangId) -> Option<&GangRecord> {
        self.records.get(gang.0)
    }

    pub(super) fn get_mut(&mut self, gang: GangId) -> Option<&mut GangRecord> {
        self.records.get_mut(gang.0)
    }

    /// The gang of a PodGroup, new or known.
    pub(super) fn intern(&mut self, key: &Arc<str>) -> GangId {
        if let Some(gang) = self.id(key) {
            return gang;
        }
        let gang = self.insert(GangKind::PodGroup, key);
        self.by_key.insert(Arc::clone(key), gang);
        gang
    }

    /// A new gang for a plain pod.
    pub(super) fn plain(&mut self, key: &Arc<str>) -> GangId {
        self.insert(GangKind::Pod, key)
    }

    fn insert(&mut self, kind: GangKind, key: &Arc<str>) -> GangId {
        self.sequence += 1;
        let record = GangRecord {
            key: Arc::clone(key),
            kind,
            group: None,
            had_group: false,
            pods: Vec::new(),
            sequence: self.sequence,
        };
        GangId(self.records.insert(record))
    }

    pub(super) fn add_pod(&mut self, gang: GangId, pod: PodId) {
        if let Some(record) = self.get_mut(gang)
            && let Err(at) = record.pods.binary_search(&pod)
        {
            record.pods.insert(at, pod);
        }
    }

    pub(super) fn remove_pod(&mut self, gang: GangId, pod: PodId) {
        if let Some(record) = self.get_mut(gang)
            && let Ok(at) = record.pods.binary_search(&pod)
        {
            record.pods.remove(at);
        }
        self.drop_if_empty(gang);
    }

    /// Forgets a gang that has neither pods nor a PodGroup. Returns whether it did.
    pub(super) fn drop_if_empty(&mut self, gang: GangId) -> bool {
        let Some(record) = self.get(gang) else { return false };
        if !record.pods.is_empty() || record.group.is_some() {
            return false;
        }
        if record.kind == GangKind::PodGroup {
            let key = Arc::clone(&record.key);
            self.by_key.remove(&key);
        }
        self.records.remove(gang.0);
        true
    }

    /// Gangs by id.
    pub fn iter(&self) -> impl Iterator<Item = (GangId, &GangRecord)> {
        self.records.iter().map(|(place, record)| (GangId(place), record))
    }
}
