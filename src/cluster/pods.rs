//! Pods of every scheduler: what is kept of each, by id and by `namespace/name`.

use super::ids::{ClassId, GangId, NodeId, PodId, TextId};
use super::labels::LabelSetId;
use super::slab::Slab;
use crate::api::time::Timestamp;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What is kept of a pod.
#[derive(Clone, Debug)]
pub struct PodRecord {
    /// `namespace/name`.
    pub key: Arc<str>,
    /// Its uid; a pod of the same name with another uid is another pod.
    pub uid: Box<str>,
    /// What it asks for.
    pub class: ClassId,
    /// Its node: bound, or promised by us ([`PodState::Assumed`]).
    pub node: Option<NodeId>,
    /// Where it stands.
    pub state: PodState,
    /// Is it being deleted? It holds its node until it is gone.
    pub deleting: bool,
    /// Is it held back by a scheduling gate?
    pub gated: bool,
    /// Does it go through the gate of its queue?
    pub queue_gate: QueueGate,
    /// Pods of its group, where a LeaderWorkerSet says so; 0 else.
    pub group_size: u32,
    /// The gang it belongs to; `None` for pods of other schedulers.
    pub gang: Option<GangId>,
    /// Its priority; `None` where the pod does not say.
    pub priority: Option<i32>,
    /// Its labels.
    pub labels: LabelSetId,
    /// Its role, from annotation or label `volcano.sh/task-spec`; the empty text for none.
    pub role: TextId,
    /// Its index within the role, where annotated.
    pub task_index: Option<u32>,
    /// Why we cannot place it, if it asks for something that we do not honour.
    pub refusal: Option<Box<str>>,
    /// What decides whether it may be evicted, or others for it.
    pub eviction: Eviction,
}

/// What a pod says about evictions, of itself and for its sake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Eviction {
    /// Does it refuse to be evicted ([`keys::PREEMPTABLE`](crate::api::keys::PREEMPTABLE))?
    pub refused: bool,
    /// Is it of the system: of the namespace `kube-system`, or of a priority class `system-...-critical`?
    pub critical: bool,
    /// Is nobody to be evicted for it (`preemptionPolicy: Never`)?
    pub spares_others: bool,
    /// For so many seconds after its start it is not evicted
    /// ([`keys::COOLDOWN_TIME`](crate::api::keys::COOLDOWN_TIME)).
    pub cooldown_seconds: u32,
    /// When it started, or was given its node.
    pub started: Option<Timestamp>,
    /// So many seconds after its start it ends at the latest (`spec.activeDeadlineSeconds`).
    pub deadline_seconds: Option<u32>,
    /// When it is to be gone, where it is being deleted.
    pub gone_by: Option<Timestamp>,
}

/// The gate [`keys::QUEUE_ALLOCATION_GATE`](crate::api::keys::QUEUE_ALLOCATION_GATE) of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueGate {
    /// The pod has not asked for it.
    #[default]
    None,
    /// It holds the pod back, and nothing else does.
    Closed,
    /// It, or another gate, is still there beside others.
    Behind,
    /// It has been lifted.
    Lifted,
}

/// Where a pod stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PodState {
    /// No node.
    Pending,
    /// Has a node by our decision, not yet by the API server's word.
    Assumed,
    /// Has a node, does not run yet.
    Bound,
    /// Runs.
    Running,
    /// Ended well; holds nothing.
    Succeeded,
    /// Failed; holds nothing.
    Failed,
}

impl PodRecord {
    /// The namespace.
    pub fn namespace(&self) -> &str {
        self.key.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.key.split_once('/').map_or(&*self.key, |(_, name)| name)
    }

    /// The node whose capacity the pod uses.
    pub fn holds(&self) -> Option<NodeId> {
        match self.state {
            PodState::Succeeded | PodState::Failed => None,
            _ => self.node,
        }
    }

    /// Does it count as placed for its gang: it has a node, and stays?
    pub fn is_placed(&self) -> bool {
        !self.deleting && matches!(self.state, PodState::Assumed | PodState::Bound | PodState::Running)
    }

    /// Does only the gate of its queue hold it back?
    pub fn awaits_queue(&self) -> bool {
        !self.deleting && self.state == PodState::Pending && self.queue_gate == QueueGate::Closed
    }

    /// Does it want a node?
    pub fn wants_node(&self) -> bool {
        !self.deleting && !self.gated && self.state == PodState::Pending
    }
}

/// All pods.
#[derive(Clone, Debug, Default)]
pub struct Pods {
    records: Slab<PodRecord>,
    by_key: FxHashMap<Arc<str>, PodId>,
}

impl Pods {
    /// The pod behind a key `namespace/name`.
    pub fn id(&self, key: &str) -> Option<PodId> {
        self.by_key.get(key).copied()
    }

    /// The pod behind an id.
    pub fn get(&self, pod: PodId) -> Option<&PodRecord> {
        self.records.get(pod.0)
    }

    pub(super) fn get_mut(&mut self, pod: PodId) -> Option<&mut PodRecord> {
        self.records.get_mut(pod.0)
    }

    pub(super) fn insert(&mut self, record: PodRecord) -> PodId {
        let key = Arc::clone(&record.key);
        let pod = PodId(self.records.insert(record));
        self.by_key.insert(key, pod);
        pod
    }

    pub(super) fn remove(&mut self, pod: PodId) -> Option<PodRecord> {
        let record = self.records.remove(pod.0)?;
        self.by_key.remove(&record.key);
        Some(record)
    }

    /// Pods by id.
    pub fn iter(&self) -> impl Iterator<Item = (PodId, &PodRecord)> {
        self.records.iter().map(|(place, record)| (PodId(place), record))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut PodRecord> {
        self.records.iter_mut()
    }

    /// Pods known.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Is none known?
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Places for pods, vacant ones included.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.records.places()
    }
}
