//! Pods that name a PodGroup and ask for a scheduler that is not ours: members that the gang will not get, most often
//! because of a misspelt or forgotten `schedulerName`.

use crate::api::scheduler_name::DEFAULT_SCHEDULER;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Members of gangs that ask for another scheduler.
#[derive(Debug, Default)]
pub(super) struct OtherSchedulers {
    /// By PodGroup `namespace/name`, then pod `namespace/name`: the scheduler.
    by_group: FxHashMap<Arc<str>, BTreeMap<Arc<str>, Box<str>>>,
    /// The PodGroup by pod.
    by_pod: FxHashMap<Arc<str>, Arc<str>>,
}

impl OtherSchedulers {
    /// Takes in a pod of a PodGroup that asks for this scheduler (none: the default one). Returns whether that is news.
    pub(super) fn put(&mut self, pod: &str, group: &str, scheduler: Option<&str>) -> bool {
        let scheduler = scheduler.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_SCHEDULER);
        if self.by_pod.get(pod).is_some_and(|known| &**known == group)
            && self
                .by_group
                .get(group)
                .and_then(|pods| pods.get(pod))
                .is_some_and(|known| &**known == scheduler)
        {
            return false;
        }
        self.remove(pod);
        let (pod, group): (Arc<str>, Arc<str>) = (pod.into(), group.into());
        self.by_group.entry(Arc::clone(&group)).or_default().insert(Arc::clone(&pod), scheduler.into());
        self.by_pod.insert(pod, group);
        true
    }

    /// Forgets a pod; returns its PodGroup if it was known.
    pub(super) fn remove(&mut self, pod: &str) -> Option<Arc<str>> {
        if self.by_pod.is_empty() {
            return None;
        }
        let group = self.by_pod.remove(pod)?;
        if let Some(pods) = self.by_group.get_mut(&group) {
            pods.remove(pod);
            if pods.is_empty() {
                self.by_group.remove(&group);
            }
        }
        Some(group)
    }

    /// Pods of a PodGroup, by `namespace/name`, with the scheduler that each asks for.
    pub(super) fn of(&self, group: &str) -> impl Iterator<Item = (&str, &str)> {
        self.by_group.get(group).into_iter().flatten().map(|(pod, scheduler)| (&**pod, &**scheduler))
    }
}
