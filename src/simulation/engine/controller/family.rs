//! What could belong to one ModelServing, as the records that `reconcile` reads.

use crate::modelserving::{
    Memory, ObjectRef, Observed, ObservedPod, ObservedPodGroup, ObservedRevision, ObservedService,
};
use crate::simulation::store::Kind;
use rustc_hash::FxHashMap;

/// The records of one ModelServing.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) pods: Records<ObservedPod>,
    pub(super) pod_groups: Records<ObservedPodGroup>,
    pub(super) services: Records<ObservedService>,
    pub(super) revisions: Records<ObservedRevision>,
    pub(super) memory: Option<Memory>,
    /// The wake-up that is planned, in seconds since 1970.
    pub(super) wakes_at: Option<i64>,
}

impl Family {
    pub(super) fn observed(&self) -> Observed<'_> {
        Observed {
            pods: &self.pods.list,
            pod_groups: &self.pod_groups.list,
            services: &self.services.list,
            revisions: &self.revisions.list,
            memory: self.memory.as_ref(),
            ..Observed::default()
        }
    }

    /// Drops the record of an object. True if there was one.
    pub(super) fn drop(&mut self, kind: &Kind, name: &str) -> bool {
        match kind {
            Kind::Pod => self.pods.drop(name),
            Kind::PodGroup => self.pod_groups.drop(name),
            Kind::Service => self.services.drop(name),
            Kind::ControllerRevision => self.revisions.drop(name),
            _ => false,
        }
    }
}

/// Records in one list, found by name.
#[derive(Debug)]
pub(super) struct Records<T> {
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
    pub(super) fn put(&mut self, record: T) -> bool {
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

    fn drop(&mut self, name: &str) -> bool {
        let Some(index) = self.at.remove(name) else { return false };
        self.list.swap_remove(index);
        if let Some(moved) = self.list.get(index) {
            self.at.insert(moved.name().into(), index);
        }
        true
    }
}

/// Something with a name.
pub(super) trait Record: PartialEq {
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
