//! What could belong to one ModelServing, as the records that `reconcile` reads: the cache that every shell keeps.

use super::{
    Capabilities, Kind, Memory, ObjectRef, Observed, ObservedPod, ObservedPodGroup, ObservedRevision,
    ObservedService,
};
use rustc_hash::FxHashMap;

/// The records of one ModelServing.
#[derive(Debug, Default)]
pub struct Family {
    /// Pods.
    pub pods: Records<ObservedPod>,
    /// PodGroups.
    pub pod_groups: Records<ObservedPodGroup>,
    /// Services.
    pub services: Records<ObservedService>,
    /// ControllerRevisions.
    pub revisions: Records<ObservedRevision>,
    /// What the last call returned.
    pub memory: Option<Memory>,
    /// What the API server said when it refused the last creation, until one succeeds.
    pub refused: Option<String>,
    /// The wake-up that is planned, in seconds since 1970.
    pub wakes_at: Option<i64>,
}

impl Family {
    /// What `reconcile` is to see; `ending`: the namespace is being deleted.
    pub fn observed<'a>(&'a self, capabilities: Capabilities<'a>, ending: bool) -> Observed<'a> {
        Observed {
            pods: &self.pods.list,
            pod_groups: &self.pod_groups.list,
            services: &self.services.list,
            revisions: &self.revisions.list,
            memory: self.memory.as_ref(),
            refused: self.refused.as_deref(),
            ending,
            capabilities,
        }
    }

    /// Is there no record?
    pub fn is_empty(&self) -> bool {
        self.pods.list.is_empty()
            && self.pod_groups.list.is_empty()
            && self.services.list.is_empty()
            && self.revisions.list.is_empty()
    }

    /// Drops the record of an object. True if there was one.
    pub fn remove(&mut self, kind: Kind, name: &str) -> bool {
        match kind {
            Kind::Pod => self.pods.remove(name),
            Kind::PodGroup => self.pod_groups.remove(name),
            Kind::Service => self.services.remove(name),
            Kind::ControllerRevision => self.revisions.remove(name),
        }
    }
}

/// Records in one list, found by name.
#[derive(Debug)]
pub struct Records<T> {
    list: Vec<T>,
    at: FxHashMap<Box<str>, usize>,
}

impl<T> Default for Records<T> {
    fn default() -> Self {
        Records { list: Vec::new(), at: FxHashMap::default() }
    }
}

impl<T: Record> Records<T> {
    /// Adds a record, or replaces the one of that name. True if that changes anything.
    pub fn put(&mut self, record: T) -> bool {
        match self.at.get(record.name()) {
            Some(&index) if self.list[index] == record => false,
            Some(&index) => {
                self.list[index] = record;
                true
            }
            None => {
                self.at.insert(record.name().into(), self.list.len());
                self.list.push(record);
                true
            }
        }
    }

    fn remove(&mut self, name: &str) -> bool {
        let Some(index) = self.at.remove(name) else { return false };
        self.list.swap_remove(index);
        if let Some(moved) = self.list.get(index) {
            self.at.insert(moved.name().into(), index);
        }
        true
    }
}

/// Something with a name.
pub trait Record: PartialEq {
    /// Its name.
    fn name(&self) -> &str;
}

macro_rules! record {
    ($($type:ty),+) => {$(
        impl Record for $type {
            fn name(&self) -> &str {
                let ObjectRef { name, .. } = &self.object;
                name
            }
        }
    )+};
}
record!(ObservedPod, ObservedPodGroup, ObservedService, ObservedRevision);
