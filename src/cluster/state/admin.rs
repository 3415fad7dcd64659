//! PodGroups, queues and priority classes on their way into the cluster.

use super::Cluster;
use crate::api::core::PriorityClass;
use crate::api::keys;
use crate::api::meta::ObjectMeta;
use crate::api::pod_group::PodGroup;
use crate::api::quantity::ResourceList;
use crate::api::queue::Queue;
use crate::api::time::parse_span;
use crate::cluster::budgets::BudgetRecord;
use crate::cluster::gangs::Group;
use crate::cluster::gangs::adapt::Terms;
use crate::cluster::ids::ResourceId;
use crate::cluster::requests::{Resources, list_amounts};
use std::sync::Arc;
use std::time::Duration;

impl Cluster {
    pub(super) fn apply_group(&mut self, group: &PodGroup, terms: Terms) {
        self.set_key(&group.metadata.namespace, &group.metadata.name);
        let key: Arc<str> = self.key.as_str().into();
        let gang = self.gangs.intern(&key);
        let new = Group {
            uid: group.metadata.uid.as_str().into(),
            created: group.metadata.creation_timestamp.as_deref().unwrap_or_default().into(),
            spec: group.spec.clone(),
            status: group.status.clone(),
            deleting: group.metadata.deletion_timestamp.is_some(),
            min_resources: listed(group.spec.min_resources.as_ref(), &mut self.resources).unwrap_or_default(),
            patience: patience(&group.metadata),
            evictable: is_evictable(&group.metadata),
            preemption_delay: group
                .metadata
                .annotations
                .get(keys::PREEMPTION_DELAY)
                .and_then(|text| parse_span(text)),
            terms,
        };
        let before = self.gangs.get(gang).and_then(|known| known.group.as_ref()?.terms.together.clone());
        let is_moved = before != new.terms.together;
        let Some(record) = self.gangs.get_mut(gang) else { return };
        match &record.group {
            Some(known) if **known == new => return,
            Some(known)
                if known.spec == new.spec
                    && known.uid == new.uid
                    && known.deleting == new.deleting
                    && known.patience == new.patience
                    && known.evictable == new.evictable
                    && known.preemption_delay == new.preemption_delay
                    && known.terms == new.terms =>
            {
                self.marks.statuses.insert(gang);
            }
            _ => {
                self.marks.gangs.insert(gang);
            }
        }
        record.group = Some(Box::new(new));
        record.had_group = true;
        if is_moved {
            self.join_again(gang);
        }
    }

    pub(super) fn remove_group(&mut self, namespace: &str, name: &str) {
        self.set_key(namespace, name);
        if let Some(gang) = self.gangs.id(&self.key) {
            if let Some(record) = self.gangs.get_mut(gang) {
                record.group = None;
            }
            self.marks.gangs.insert(gang);
            self.gangs.drop_if_empty(gang);
        }
    }

    pub(super) fn apply_queue(&mut self, queue: &Queue) {
        self.marks.everything |= self.queues.put(queue, &mut self.resources);
    }

    /// Puts a PodDisruptionBudget, or takes it away.
    pub(in crate::cluster) fn put_budget(&mut self, key: String, budget: Option<BudgetRecord>) {
        let changed = match &budget {
            Some(budget) => self.budgets.insert(key, budget.clone()).as_ref() != Some(budget),
            None => self.budgets.remove(&key).is_some(),
        };
        self.marks.budgets |= changed;
    }

    pub(super) fn apply_priority_class(&mut self, class: &PriorityClass) {
        let name = &class.metadata.name;
        let before = self.priorities.insert(name.clone(), class.value);
        let mut default = self.default_priority.clone();
        if class.global_default {
            default = Some((name.clone(), class.value));
        } else if default.as_ref().is_some_and(|(default, _)| default == name) {
            default = None;
        }
        // Informers repeat objects that have not changed.
        if before != Some(class.value) || default != self.default_priority {
            self.default_priority = default;
            self.marks.everything = true;
        }
    }

    pub(super) fn remove_priority_class(&mut self, name: &str) {
        let was_known = self.priorities.remove(name).is_some();
        if self.default_priority.as_ref().is_some_and(|(default, _)| default == name) {
            self.default_priority = None;
        }
        self.marks.everything |= was_known;
    }
}

/// The amounts of a list that nodes count; `None` for no list, or one that names none of them.
fn listed(list: Option<&ResourceList>, resources: &mut Resources) -> Option<Box<[(ResourceId, i64)]>> {
    let amounts = list_amounts(list?, resources);
    (!amounts.is_empty()).then(|| amounts.into())
}

/// How long a PodGroup may wait. Volcano ignores a span that it cannot read, and one of nothing.
fn patience(metadata: &ObjectMeta) -> Option<Duration> {
    let text = |key| metadata.annotations.get(key);
    let text = text(keys::SLA_WAITING_TIME).or_else(|| text(keys::SLA_WAITING_TIME_SHORT))?;
    parse_span(text).filter(|span| !span.is_zero())
}

/// May pods be evicted for other gangs? Volcano reads the annotation, then the label; anything but `false` allows it.
pub(super) fn is_evictable(metadata: &ObjectMeta) -> bool {
    let value =
        metadata.annotations.get(keys::PREEMPTABLE).or_else(|| metadata.labels.get(keys::PREEMPTABLE));
    value.is_none_or(|value| value != "false")
}
