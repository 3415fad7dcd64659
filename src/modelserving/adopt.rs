//! Which revision a label means. Labels are opaque: they may have been written by this controller, by an earlier release,
//! or by the controller whose installation was taken over. So a label is never compared with a recomputed hash alone; it
//! is looked up in the ControllerRevisions and compared by what they hold. Taking over restarts nothing.

use super::observed::{ObservedRevision, Uid};
use super::revision::{hashes, is_own_hash};
use super::settings::Settings;
use crate::api::model_serving::{ModelServing, Role};

/// The revisions of one ModelServing.
#[derive(Debug)]
pub(crate) struct Revisions<'a> {
    /// The label of the revision that the spec asks for.
    pub(crate) update: String,
    /// Our hash of the spec's roles.
    pub(crate) own_hash: String,
    /// The roles of the spec.
    pub(crate) roles: &'a [Role],
    /// Our hash of each of them.
    pub(crate) role_hashes: Vec<String>,
    /// What the cluster holds, ours and readable.
    known: Vec<&'a ObservedRevision>,
}

impl<'a> Revisions<'a> {
    /// Finds the label for the spec: that of a ControllerRevision with the same roles, else our own hash. If the status
    /// was written for this very generation by another controller, its `updateRevision` means this spec, whatever the
    /// ControllerRevision of that name looks like.
    pub(crate) fn new(
        object: &'a ModelServing,
        settings: &Settings<'a>,
        revisions: &'a [ObservedRevision],
    ) -> Self {
        let uid = Uid::from(object.metadata.uid.as_str());
        let known: Vec<&ObservedRevision> = revisions
            .iter()
            .filter(|revision| revision.object.owner == uid && !revision.revision.is_empty())
            .filter(|revision| revision.roles.is_some())
            .collect();
        let (own_hash, role_hashes) = hashes(settings.roles);
        let status = &object.status;
        let vouched = object.metadata.generation > 0
            && status.observed_generation == object.metadata.generation
            && !status.update_revision.is_empty()
            && !is_own_hash(&status.update_revision);
        let same = |revision: &&&ObservedRevision| !revision.object.deleting && revision.hash == own_hash;
        let update = if vouched {
            status.update_revision.clone()
        } else {
            let mut candidates: Vec<&str> =
                known.iter().filter(same).map(|revision| revision.revision.as_str()).collect();
            candidates.sort_unstable();
            [status.update_revision.as_str(), status.current_revision.as_str(), own_hash.as_str()]
                .into_iter()
                .find(|label| candidates.contains(label))
                .or(candidates.first().copied())
                .unwrap_or(&own_hash)
                .to_owned()
        };
        Revisions { update, own_hash, roles: settings.roles, role_hashes, known }
    }

    /// The ControllerRevision behind a label.
    pub(crate) fn find(&self, label: &str) -> Option<&'a ObservedRevision> {
        self.known.iter().find(|revision| revision.revision == label).copied()
    }

    /// The roles that a label stands for, and our hash of each; `None` if nobody remembers.
    pub(crate) fn roles(&self, label: &str) -> Option<(&'a [Role], &[String])> {
        if label == self.update {
            return Some((self.roles, &self.role_hashes));
        }
        let revision = self.find(label)?;
        if revision.hash == self.own_hash {
            return Some((self.roles, &self.role_hashes));
        }
        Some((revision.roles.as_deref()?, &revision.role_hashes))
    }

    /// Do these labels mean the revision that the spec asks for?
    pub(crate) fn is_update(&self, label: &str) -> bool {
        label == self.update || self.find(label).is_some_and(|revision| revision.hash == self.own_hash)
    }

    /// Was a pod with these labels built from what the spec says of its role now? What cannot be found out counts as
    /// current: a workload is not restarted on a suspicion.
    pub(crate) fn is_current(&self, role: &str, label: &str, hash: &str) -> bool {
        let Some(index) = self.roles.iter().position(|spec| spec.name == role) else { return false };
        if self.role_hashes[index] == hash || label == self.update {
            return true;
        }
        if let Some(revision) = self.find(label) {
            let known = revision.roles.iter().flatten().position(|known| known.name == role);
            return known.is_some_and(|known| revision.role_hashes[known] == self.role_hashes[index]);
        }
        !is_own_hash(hash) && !(label.is_empty() && hash.is_empty())
    }
}
