//! What each ServingGroup is at this moment: the revision it runs, the roles it should have, whether it serves.

use super::adopt::{Revisions, RoleKey};
use super::change::Kind;
use super::groups::{Group, Groups, Replica, Sorted};
use super::observed::{Capabilities, Observed};
use super::settings::{Settings, Strategy, role_pods, role_replicas};
use super::settled::Settled;
use crate::api::model_serving::{ModelServing, Role};
use crate::api::time::Timestamp;
use std::collections::BTreeSet;

/// Everything a step of `reconcile` may read.
pub(crate) struct Context<'a> {
    pub(crate) object: &'a ModelServing,
    pub(crate) settings: Settings<'a>,
    pub(crate) revisions: Revisions<'a>,
    pub(crate) groups: Groups<'a>,
    /// Names that would be ours and are not.
    pub(crate) foreign: &'a BTreeSet<(Kind, &'a str)>,
    /// ServingGroups of whose names one is among them.
    contested: &'a BTreeSet<u32>,
    pub(crate) observed: &'a Observed<'a>,
    pub(crate) now: Timestamp,
}

/// A role as one revision has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RevisedRole<'r> {
    pub(crate) role: &'r Role,
    /// Label `revision` for its pods.
    pub(crate) revision: &'r str,
    /// What it is compared by, and the label `role-template-hash` for its pods.
    pub(crate) key: &'r RoleKey,
}

impl<'r> RevisedRole<'r> {
    /// Label `role-template-hash` for its pods.
    pub(crate) fn label(&self) -> &'r str {
        self.key.label(self.role)
    }
}

/// A ServingGroup, assessed.
#[derive(Clone, Debug)]
pub(crate) struct Assessed<'c> {
    pub(crate) ordinal: u32,
    /// `None` for one that is settled, or is about to be created.
    pub(crate) group: Option<&'c Group<'c>>,
    /// What is known of one whose records are not listed.
    pub(crate) settled: Option<&'c Settled>,
    /// Nothing of it stays.
    pub(crate) deleting: bool,
    /// Something in it is not as the spec has it now.
    pub(crate) outdated: bool,
    /// The label of the revision that it runs.
    pub(crate) revision: &'c str,
    /// Every role has as many running replicas as its revision asks for.
    pub(crate) available: bool,
}

impl<'a> Context<'a> {
    /// Reads what there is to read.
    pub(crate) fn new(
        object: &'a ModelServing,
        observed: &'a Observed<'a>,
        sorted: &'a Sorted<'a>,
        now: Timestamp,
    ) -> Self {
        let settings = Settings::of(object);
        let revisions = Revisions::new(object, &settings, &observed.revisions);
        let groups = Groups::new(sorted);
        let (foreign, contested) = (&sorted.foreign, &sorted.contested);
        Context { object, settings, revisions, groups, foreign, contested, observed, now }
    }

    /// The ModelServing's name.
    pub(crate) fn name(&self) -> &'a str {
        &self.object.metadata.name
    }

    /// What the cluster can do.
    pub(crate) fn capabilities(&self) -> Capabilities<'a> {
        self.observed.capabilities
    }

    /// The ServingGroups at which there is nothing to do, by ordinal.
    pub(crate) fn settled(&self) -> impl Iterator<Item = (u32, &'a Settled)> {
        self.observed.settled.into_iter().flatten().map(|(&ordinal, settled)| (ordinal, settled))
    }

    /// Does somebody else hold a name that is this ServingGroup's?
    pub(crate) fn is_contested(&self, group: u32) -> bool {
        self.contested.contains(&group)
    }

    /// All ServingGroups that exist or are going, by ordinal.
    pub(crate) fn assess(&self) -> Vec<Assessed<'_>> {
        let settled = self.settled().map(|(ordinal, settled)| Assessed {
            ordinal,
            group: None,
            settled: Some(settled),
            deleting: false,
            outdated: settled.outdated,
            revision: &settled.revision,
            available: settled.available,
        });
        let listed = self.groups.list.iter().filter(|group| group.exists() || group.is_deleting());
        let mut all: Vec<Assessed<'_>> = Vec::with_capacity(
            self.groups.list.len() + self.observed.settled.map_or(0, std::collections::BTreeMap::len),
        );
        all.extend(settled);
        all.extend(listed.map(|group| self.assess_group(group)));
        all.sort_by_key(|assessed| assessed.ordinal);
        all
    }

    fn assess_group<'c>(&'c self, group: &'c Group<'a>) -> Assessed<'c> {
        let (outdated, revision) = self.standing(group);
        let mut assessed = Assessed {
            ordinal: group.ordinal,
            group: Some(group),
            settled: None,
            deleting: group.is_deleting(),
            outdated,
            revision,
            available: false,
        };
        assessed.available = !assessed.deleting && self.is_available(&assessed);
        assessed
    }

    /// A ServingGroup that does not exist yet: below the partition it gets the revision that the others there have.
    pub(crate) fn planned(&self, ordinal: u32) -> Assessed<'_> {
        let revision = self.revision_for_new(ordinal);
        let outdated = !self.revisions.is_update(revision);
        Assessed {
            ordinal,
            group: None,
            settled: None,
            deleting: false,
            outdated,
            revision,
            available: false,
        }
    }

    fn revision_for_new(&self, ordinal: u32) -> &str {
        let current = &self.object.status.current_revision;
        if ordinal < self.settings.partition && !current.is_empty() && self.is_other(current) {
            current
        } else {
            &self.revisions.update
        }
    }

    /// Would a group of this revision be outdated? Not if it differs from the spec in roles alone that have no pods.
    fn is_other(&self, label: &str) -> bool {
        let Some((roles, keys)) = self.revisions.roles(label) else { return true };
        let known = || roles.iter().zip(keys).filter(|(role, _)| role_replicas(role) > 0);
        let wanted = self.settings.roles.iter().filter(|role| role_replicas(role) > 0);
        known().any(|(role, key)| !self.revisions.is_current(&role.name, label, key.label(role)))
            || wanted.into_iter().any(|role| known().all(|(known, _)| known.name != role.name))
    }

    /// Is the group outdated, and which revision does it run?
    fn standing<'c>(&'c self, group: &'c Group<'a>) -> (bool, &'c str) {
        let mut fresh = false; // something in it was built from the spec as it is
        let mut label = None;
        let mut outdated = None;
        for replica in &group.replicas {
            let Some((revision, hash)) = replica.labels() else { continue };
            label = label.or(Some(revision));
            fresh |= self.revisions.is_update(revision);
            if outdated.is_none() && !self.revisions.is_current(replica.role, revision, hash) {
                outdated = Some(revision);
            }
        }
        let Some(label) = label else {
            let revision = self.revision_for_new(group.ordinal);
            return (!self.revisions.is_update(revision), revision);
        };
        let incomplete = !fresh
            && self.settings.strategy == Strategy::ServingGroup
            && self.settings.roles.iter().any(|role| {
                role_replicas(role) > 0 && !group.of_role(&role.name).any(|replica| !replica.pods.is_empty())
            });
        match outdated {
            Some(revision) => (true, revision),
            None if incomplete => (true, label),
            None => (false, &self.revisions.update),
        }
    }

    /// The roles that a ServingGroup should have. A group that waits for its replacement, or is protected from it, keeps
    /// those of its own revision; with `RoleRollingUpdate` all groups have those of the spec.
    pub(crate) fn roles<'s>(
        &'s self,
        assessed: &'s Assessed<'_>,
    ) -> impl Iterator<Item = RevisedRole<'s>> + Clone + use<'s, 'a> {
        let own = assessed.outdated && self.settings.strategy == Strategy::ServingGroup;
        let revision = if own { assessed.revision } else { self.revisions.update.as_str() };
        let (roles, keys) =
            self.revisions.roles(revision).unwrap_or((self.settings.roles, &self.revisions.keys));
        roles.iter().zip(keys).map(move |(role, key)| RevisedRole { role, revision, key })
    }

    /// The role that an existing replica was built from, as far as anybody remembers, else as its group has it.
    pub(crate) fn role_of<'s>(
        &'s self,
        replica: &Replica<'s>,
        fallback: Option<RevisedRole<'s>>,
    ) -> Option<RevisedRole<'s>> {
        let (revision, _) = replica.labels()?;
        if let Some(fallback) = fallback.filter(|fallback| fallback.revision == revision) {
            return Some(fallback);
        }
        let known = self.revisions.roles(revision).and_then(|(roles, keys)| {
            let index = roles.iter().position(|role| role.name == replica.role)?;
            Some(RevisedRole { role: &roles[index], revision, key: &keys[index] })
        });
        known.or(fallback)
    }

    /// Is this replica complete and ready, for the revision that it runs?
    pub(crate) fn is_running(&self, replica: &Replica<'_>, fallback: RevisedRole<'_>) -> bool {
        self.role_of(replica, Some(fallback)).is_some_and(|own| replica.is_running(role_pods(own.role)))
    }

    fn is_available(&self, assessed: &Assessed<'_>) -> bool {
        let Some(group) = assessed.group else { return false };
        self.roles(assessed).all(|revised| {
            let running =
                group.of_role(&revised.role.name).filter(|replica| self.is_running(replica, revised));
            running.count() >= role_replicas(revised.role) as usize
        })
    }
}
