//! Which revision a label means. Hashes are Kthena's, so a label that its controller wrote and one that is written here say
//! the same. Labels may also come from an earlier release, which hashed otherwise, or from a Kthena built with other types.
//! So a label is never compared with a recomputed hash alone; it is looked up in the ControllerRevisions and compared by
//! what they hold. Taking over restarts nothing.

use super::observed::{ObservedRevision, Uid};
use super::revision::likeness::{is_likeness, likenesses};
use super::revision::{role_hash, roles_hash};
use super::settings::Settings;
use crate::api::model_serving::{ModelServing, Role};
use std::sync::OnceLock;

/// What a role is compared by, and the label of its pods.
#[derive(Clone, Debug, Default)]
pub struct RoleKey {
    likeness: String,
    /// Computed when it is asked for: where nothing is created it is not needed.
    label: OnceLock<String>,
}

impl PartialEq for RoleKey {
    fn eq(&self, other: &Self) -> bool {
        self.likeness == other.likeness
    }
}

impl RoleKey {
    /// The likeness of a list of roles, and the key of each.
    pub(crate) fn of_all(roles: &[Role]) -> (String, Vec<RoleKey>) {
        let (all, each) = likenesses(roles);
        let key = |likeness| RoleKey { likeness, label: OnceLock::new() };
        (all, each.into_iter().map(key).collect())
    }

    /// The label `role-template-hash` of the role that it is the key of.
    pub(crate) fn label(&self, role: &Role) -> &str {
        self.label.get_or_init(|| role_hash(role))
    }
}

/// The revisions of one ModelServing.
#[derive(Debug)]
pub(crate) struct Revisions<'a> {
    /// The label of the revision that the spec asks for.
    pub(crate) update: String,
    /// What the spec's roles are compared by.
    pub(crate) likeness: String,
    /// The roles of the spec.
    pub(crate) roles: &'a [Role],
    /// The key of each of them.
    pub(crate) keys: Vec<RoleKey>,
    /// What the cluster holds, ours and readable.
    known: Vec<&'a ObservedRevision>,
}

impl<'a> Revisions<'a> {
    /// Finds the label for the spec: that of a ControllerRevision with the same roles, else their hash. If the status was
    /// written for this very generation, its `updateRevision` means this spec, whatever the ControllerRevision of that name
    /// looks like, unless it is known what that label stands for.
    pub(crate) fn new(
        object: &'a ModelServing,
        settings: &Settings<'a>,
        revisions: &[&'a ObservedRevision],
    ) -> Self {
        let uid = Uid::from(object.metadata.uid.as_str());
        let known: Vec<&ObservedRevision> = revisions
            .iter()
            .copied()
            .filter(|revision| revision.object.is_of(&object.metadata.name, &uid))
            .filter(|revision| !revision.revision.is_empty())
            .filter(|revision| revision.roles.is_some())
            .collect();
        let (likeness, keys) = RoleKey::of_all(settings.roles);
        let status = &object.status;
        let is_understood = || {
            let mut known = known.iter().filter(|revision| revision.revision == status.update_revision);
            is_likeness(&status.update_revision) || known.any(|revision| revision.is_understood)
        };
        let vouched = object.metadata.generation > 0
            && status.observed_generation == object.metadata.generation
            && !status.update_revision.is_empty()
            && !is_understood();
        let same = |revision: &&&ObservedRevision| !revision.object.deleting && revision.likeness == likeness;
        let update = if vouched {
            status.update_revision.clone()
        } else {
            let mut candidates: Vec<&str> =
                known.iter().filter(same).map(|revision| revision.revision.as_str()).collect();
            candidates.sort_unstable();
            [status.update_revision.as_str(), status.current_revision.as_str()]
                .into_iter()
                .find(|label| candidates.contains(label))
                .or(candidates.first().copied())
                .map_or_else(|| roles_hash(settings.roles), str::to_owned)
        };
        Revisions { update, likeness, roles: settings.roles, keys, known }
    }

    /// The ControllerRevision behind a label.
    pub(crate) fn find(&self, label: &str) -> Option<&'a ObservedRevision> {
        self.known.iter().find(|revision| revision.revision == label).copied()
    }

    /// The roles that a label stands for, and the key of each; `None` if nobody remembers.
    pub(crate) fn roles(&self, label: &str) -> Option<(&'a [Role], &[RoleKey])> {
        if label == self.update {
            return Some((self.roles, &self.keys));
        }
        let revision = self.find(label)?;
        if revision.likeness == self.likeness {
            return Some((self.roles, &self.keys));
        }
        Some((revision.roles.as_deref()?, &revision.keys))
    }

    /// Do these labels mean the revision that the spec asks for?
    pub(crate) fn is_update(&self, label: &str) -> bool {
        label == self.update || self.find(label).is_some_and(|revision| revision.likeness == self.likeness)
    }

    /// Was a pod with these labels built from what the spec says of its role now? What cannot be found out counts as
    /// current: a workload is not restarted on a suspicion.
    pub(crate) fn is_current(&self, role: &str, label: &str, hash: &str) -> bool {
        let Some(index) = self.roles.iter().position(|spec| spec.name == role) else { return false };
        let key = &self.keys[index];
        if label == self.update || key.likeness == hash || key.label(&self.roles[index]) == hash {
            return true;
        }
        if let Some(revision) = self.find(label) {
            let known = revision.roles.iter().flatten().position(|known| known.name == role);
            return known.is_some_and(|known| revision.keys[known] == *key);
        }
        // A likeness that differs is proof; another hash may be that of a Kthena with other types.
        !is_likeness(hash) && !(label.is_empty() && hash.is_empty())
    }
}
