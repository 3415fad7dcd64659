//! What could belong to one ModelServing, as the records that `reconcile` reads: the cache that every shell keeps, by
//! ServingGroup. Those at which there is nothing to do are summed up ([`Settled`]) until something changes for them, so that
//! a change of one pod costs its ServingGroup and not all of them.

use super::names;
use super::{
    Capabilities, Kind, Memory, ObjectRef, Observed, ObservedPod, ObservedPodGroup, ObservedRevision,
    ObservedService, Outcome, Settled, reconcile,
};
use crate::api::model_serving::ModelServing;
use crate::api::time::Timestamp;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The records of one ModelServing.
#[derive(Debug)]
pub struct Family {
    /// The ModelServing's name.
    name: String,
    /// What carries the ordinal of a ServingGroup in its name.
    groups: BTreeMap<u32, Part>,
    /// What does not.
    others: Part,
    revisions: Records<ObservedRevision>,
    /// ServingGroups at which there is nothing to do, and those that are to be looked at. Each is one of the two.
    settled: BTreeMap<u32, Settled>,
    awake: BTreeSet<u32>,
    /// For which terms.
    terms: Option<Terms>,
    /// What the last call returned.
    memory: Option<Memory>,
    /// What the API server said when it refused the last creation, until one succeeds.
    pub refused: Option<String>,
}

/// The records of one ServingGroup.
#[derive(Debug, Default)]
struct Part {
    pods: Records<ObservedPod>,
    pod_groups: Records<ObservedPodGroup>,
    services: Records<ObservedService>,
}

/// What it depends on whether there is something to do at a ServingGroup, but for its own records.
#[derive(Debug)]
struct Terms {
    object: Arc<ModelServing>,
    pod_groups: bool,
    sub_group_policy: bool,
}

impl Family {
    /// The family of a ModelServing of this name.
    pub fn new(name: &str) -> Self {
        Family {
            name: name.to_owned(),
            groups: BTreeMap::new(),
            others: Part::default(),
            revisions: Records::default(),
            settled: BTreeMap::new(),
            awake: BTreeSet::new(),
            terms: None,
            memory: None,
            refused: None,
        }
    }

    /// Takes in a pod. True if that changes anything.
    pub fn put_pod(&mut self, pod: ObservedPod) -> bool {
        let group = self.group_of(Kind::Pod, &pod.object.name);
        let changed = self.part(group).pods.put(pod);
        self.stir(group.filter(|_| changed));
        changed
    }

    /// Takes in a PodGroup. True if that changes anything.
    pub fn put_pod_group(&mut self, pod_group: ObservedPodGroup) -> bool {
        let group = self.group_of(Kind::PodGroup, &pod_group.object.name);
        let changed = self.part(group).pod_groups.put(pod_group);
        self.stir(group.filter(|_| changed));
        changed
    }

    /// Takes in a Service. True if that changes anything.
    pub fn put_service(&mut self, service: ObservedService) -> bool {
        let group = self.group_of(Kind::Service, &service.object.name);
        let changed = self.part(group).services.put(service);
        self.stir(group.filter(|_| changed));
        changed
    }

    /// Takes in a ControllerRevision. True if that changes anything.
    pub fn put_revision(&mut self, revision: ObservedRevision) -> bool {
        let changed = self.revisions.put(revision);
        if changed {
            self.stir_all();
        }
        changed
    }

    /// Drops the record of an object. True if there was one.
    pub fn remove(&mut self, kind: Kind, name: &str) -> bool {
        let group = self.group_of(kind, name);
        let part = match group {
            None => &mut self.others,
            Some(group) => match self.groups.get_mut(&group) {
                Some(part) => part,
                None => return false,
            },
        };
        let removed = match kind {
            Kind::Pod => part.pods.remove(name),
            Kind::PodGroup => part.pod_groups.remove(name),
            Kind::Service => part.services.remove(name),
            Kind::ControllerRevision => {
                let removed = self.revisions.remove(name);
                if removed {
                    self.stir_all();
                }
                return removed;
            }
        };
        if let Some(group) = group.filter(|_| removed) {
            if part.is_empty() {
                self.groups.remove(&group);
            }
            self.stir(Some(group));
        }
        removed
    }

    /// Is there no record?
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.others.is_empty() && self.revisions.list.is_empty()
    }

    /// Another ModelServing bears the name from now on.
    pub fn begin(&mut self) {
        self.memory = None;
        self.stir_all();
    }

    /// What was made of the records counts no more.
    pub fn forget(&mut self) {
        self.terms = None;
        self.begin();
    }

    /// All ServingGroups are to be looked at.
    fn stir_all(&mut self) {
        let settled = std::mem::take(&mut self.settled);
        self.awake.extend(settled.into_keys());
    }

    /// What is to be done about the ModelServing now: what [`reconcile`] says to all records. `ending`: the namespace is being
    /// deleted.
    pub fn reconcile(
        &mut self,
        object: &Arc<ModelServing>,
        capabilities: Capabilities<'_>,
        ending: bool,
        now: Timestamp,
    ) -> Outcome {
        if object.metadata.deletion_timestamp.is_some() || ending {
            self.stir_all();
            self.memory = Some(Memory::default());
            return Outcome::default();
        }
        self.take_terms(object, capabilities);
        #[cfg(any(test, debug_assertions))]
        let whole = {
            let all = self.groups.keys().copied();
            reconcile(object, &self.observed(all, None, self.memory.as_ref(), capabilities), now)
        };
        let mut outcome = loop {
            let memory = self.memory.as_ref().map(|memory| memory.of(self.awake.iter().copied()));
            let awake = self.awake.iter().copied();
            let observed = self.observed(awake, Some(&self.settled), memory.as_ref(), capabilities);
            let outcome = reconcile(object, &observed, now);
            if outcome.look.is_empty() {
                break outcome;
            }
            outcome.look.into_iter().for_each(|group| self.stir(Some(group)));
        };
        let seen = std::mem::take(&mut outcome.memory);
        self.memory.get_or_insert_default().replace(self.awake.iter().copied(), seen);
        for (group, settled) in std::mem::take(&mut outcome.settled) {
            self.awake.remove(&group);
            self.settled.insert(group, settled);
        }
        self.awake.retain(|group| self.groups.contains_key(group));
        #[cfg(any(test, debug_assertions))]
        self.compare(whole, &outcome);
        outcome
    }

    /// What was found of single ServingGroups holds for these terms, or is to be found anew.
    fn take_terms(&mut self, object: &Arc<ModelServing>, capabilities: Capabilities<'_>) {
        let Capabilities { pod_groups, sub_group_policy, .. } = capabilities;
        let same = self.terms.as_ref().is_some_and(|terms| {
            (terms.pod_groups, terms.sub_group_policy) == (pod_groups, sub_group_policy)
                && asks_for_the_same(&terms.object, object)
        });
        if !same {
            self.stir_all();
        }
        self.terms = Some(Terms { object: Arc::clone(object), pod_groups, sub_group_policy });
    }

    /// What all records lead to is what was made of those that had changed.
    #[cfg(any(test, debug_assertions))]
    fn compare(&self, mut whole: Outcome, outcome: &Outcome) {
        assert_eq!(Some(&whole.memory), self.memory.as_ref(), "{}: what runs", self.name);
        let settled: BTreeMap<u32, Settled> = std::mem::take(&mut whole.settled).into_iter().collect();
        let mut kept = self.settled.clone();
        for (group, kept) in &mut kept {
            // It is known of some, and nobody may have asked for the others.
            kept.represented = settled.get(group).is_some_and(|settled| settled.represented);
        }
        assert_eq!(settled, kept, "{}: ServingGroups at which there is nothing to do", self.name);
        whole.memory = Memory::default();
        assert_eq!(&whole, outcome, "{}: what is to be done", self.name);
    }

    fn observed<'a>(
        &'a self,
        groups: impl Iterator<Item = u32>,
        settled: Option<&'a BTreeMap<u32, Settled>>,
        memory: Option<&'a Memory>,
        capabilities: Capabilities<'a>,
    ) -> Observed<'a> {
        let mut observed = Observed {
            revisions: self.revisions.list.iter().collect(),
            settled,
            memory,
            refused: self.refused.as_deref(),
            ending: false,
            capabilities,
            ..Observed::default()
        };
        let parts = groups.filter_map(|group| self.groups.get(&group));
        for part in parts.chain([&self.others]) {
            observed.pods.extend(&part.pods.list);
            observed.pod_groups.extend(&part.pod_groups.list);
            observed.services.extend(&part.services.list);
        }
        observed
    }

    /// The ServingGroup whose ordinal a name carries.
    fn group_of(&self, kind: Kind, name: &str) -> Option<u32> {
        match kind {
            Kind::Pod | Kind::Service => names::parse_pod(&self.name, name).map(|key| key.group),
            Kind::PodGroup => names::parse_group(&self.name, name),
            Kind::ControllerRevision => None,
        }
    }

    fn part(&mut self, group: Option<u32>) -> &mut Part {
        match group {
            Some(group) => self.groups.entry(group).or_default(),
            None => &mut self.others,
        }
    }

    /// The ServingGroup is to be looked at.
    fn stir(&mut self, group: Option<u32>) {
        if let Some(group) = group {
            self.settled.remove(&group);
            self.awake.insert(group);
        }
    }
}

impl Part {
    fn is_empty(&self) -> bool {
        self.pods.list.is_empty() && self.pod_groups.list.is_empty() && self.services.list.is_empty()
    }
}

/// Does what is to be done at a single ServingGroup depend on nothing in which they differ? Of the status that is only what
/// it says of revisions.
fn asks_for_the_same(old: &Arc<ModelServing>, new: &Arc<ModelServing>) -> bool {
    fn said(object: &ModelServing) -> (bool, &str, &str) {
        let status = &object.status;
        let is_of_now = status.observed_generation == object.metadata.generation;
        (is_of_now, &status.current_revision, &status.update_revision)
    }
    let (before, after) = (&old.metadata, &new.metadata);
    Arc::ptr_eq(old, new)
        || (&before.uid, before.generation) == (&after.uid, after.generation)
            && (&before.labels, &before.annotations) == (&after.labels, &after.annotations)
            && said(old) == said(new)
            && old.spec == new.spec
}

/// Records in one list, found by name.
#[derive(Debug)]
struct Records<T> {
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
    fn put(&mut self, record: T) -> bool {
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
trait Record: PartialEq {
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
