//! Collects what one reconcile wants and puts it in an order of which every prefix is safe to stop at: what later objects
//! refer to comes first, a gang's minimum falls before its pods go and rises after they exist.

use super::assess::Context;
use super::change::{Change, Event, Kind};
use super::events;
use super::observed::ObjectRef;
use super::shared_template::SharedTemplates;
use crate::api::time::Timestamp;
use std::collections::BTreeSet;

#[derive(Default)]
pub(crate) struct Plan {
    /// What nobody owns and we do from now on.
    pub(crate) adopted: Vec<Change>,
    /// The ControllerRevision that the pods will refer to.
    pub(crate) revisions: Vec<Change>,
    /// PodGroups whose minimum falls.
    pub(crate) lower: Vec<Change>,
    pub(crate) deletes: Vec<Change>,
    pub(crate) pod_groups: Vec<Change>,
    pub(crate) pods: Vec<Change>,
    /// PodGroups whose minimum rises.
    pub(crate) raise: Vec<Change>,
    pub(crate) services: Vec<Change>,
    pub(crate) patches: Vec<Change>,
    /// What nothing refers to any more.
    pub(crate) cleanup: Vec<Change>,
    pub(crate) events: Vec<Event>,
    /// What stands in the way now: reason and message.
    pub(crate) troubles: BTreeSet<(&'static str, String)>,
    /// How often something was found to stand in the way.
    said: usize,
    /// ServingGroups whose pods are labelled as the scale selector asks, where it asks for representatives.
    pub(crate) represented: BTreeSet<u32>,
    /// Settled ones of which that is not known.
    pub(crate) unrepresented: Vec<u32>,
    /// Revisions that pods of this plan carry.
    pub(crate) revisions_used: BTreeSet<String>,
    pub(crate) wake_at: Option<Timestamp>,
    /// What the pods of this plan share.
    pub(crate) templates: SharedTemplates,
}

impl Plan {
    /// Reconcile again at this time, if not before.
    pub(crate) fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |other| other.min(at)));
    }

    /// Deletes an object, unless it is on its way out.
    pub(crate) fn delete(&mut self, kind: Kind, object: &ObjectRef) {
        if !object.deleting {
            self.deletes.push(Change::Delete { kind, name: object.name.clone(), uid: object.uid.clone() });
        }
    }

    /// Something stands in the way.
    pub(crate) fn trouble(&mut self, reason: &'static str, message: String) {
        self.said += 1;
        self.troubles.insert((reason, message));
    }

    /// How much it holds of what concerns single ServingGroups: where that grows, something is to be done or told.
    pub(crate) fn extent(&self) -> usize {
        let writes = [
            &self.lower,
            &self.deletes,
            &self.pod_groups,
            &self.pods,
            &self.raise,
            &self.services,
            &self.patches,
        ];
        writes.into_iter().map(Vec::len).sum::<usize>() + self.events.len() + self.said
    }

    /// Does somebody else hold this name? If so, it is left alone until that object goes, which is observed: there is no
    /// asking again.
    pub(crate) fn is_foreign(&mut self, context: &Context<'_>, kind: Kind, name: &str) -> bool {
        let foreign = context.foreign.contains(&(kind, name));
        if foreign {
            self.trouble(
                "NameConflict",
                format!("{kind:?} {name} belongs to another owner; waiting for its name"),
            );
        }
        foreign
    }

    /// All changes, in order.
    pub(crate) fn into_changes(self) -> Vec<Change> {
        let phases = [
            self.adopted,
            self.revisions,
            self.lower,
            self.deletes,
            self.pod_groups,
            self.pods,
            self.raise,
            self.services,
            self.patches,
            self.cleanup,
        ];
        phases.into_iter().flatten().collect()
    }

    /// Events of this plan, and one for each trouble that the conditions do not tell of yet.
    pub(crate) fn take_events(&mut self, context: &Context<'_>) -> Vec<Event> {
        let known = |message: &str| {
            context.object.status.conditions.iter().any(|condition| condition.message.contains(message))
        };
        let news = self.troubles.iter().filter(|(_, message)| !known(message));
        let troubles: Vec<Event> =
            news.map(|(reason, message)| events::trouble(reason, message.clone())).collect();
        self.events.extend(troubles);
        std::mem::take(&mut self.events)
    }
}
