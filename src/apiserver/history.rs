//! What was written when: watches and lists of earlier versions are served from it.

use super::Key;
use serde_json::Value;
use std::sync::Arc;

/// A write.
#[derive(Clone, Debug)]
pub struct StoredChange {
    /// The version that it made.
    pub version: u64,
    /// The object.
    pub key: Key,
    /// The object before it; `None` if it is new.
    pub before: Option<Arc<Value>>,
    /// The object after it; `None` if it is gone.
    pub after: Option<Arc<Value>>,
}

/// What a write did, as watches say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The object is new.
    Added,
    /// It is changed.
    Modified,
    /// It is gone.
    Deleted,
}

impl What {
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub fn name(self) -> &'static str {
        match self {
            What::Added => "ADDED",
            What::Modified => "MODIFIED",
            What::Deleted => "DELETED",
        }
    }
}

impl StoredChange {
    /// What it did.
    pub fn what(&self) -> What {
        match (&self.before, &self.after) {
            (_, None) => What::Deleted,
            (None, Some(_)) => What::Added,
            (Some(_), Some(_)) => What::Modified,
        }
    }

    /// The object as a watch shows it: after the write, or as it was last, with the version of its deletion.
    pub fn object(&self) -> Arc<Value> {
        match (&self.after, &self.before) {
            (Some(after), _) => Arc::clone(after),
            (None, Some(before)) => self.as_of_this(before),
            (None, None) => Arc::default(),
        }
    }

    /// An object with the version of this write.
    pub(super) fn as_of_this(&self, object: &Value) -> Arc<Value> {
        let mut last = object.clone();
        last["metadata"]["resourceVersion"] = self.version.to_string().into();
        Arc::new(last)
    }
}

/// The writes since a version.
#[derive(Debug, Default)]
pub(super) struct History {
    changes: Vec<StoredChange>,
    compacted: u64,
}

impl History {
    pub(super) fn push(&mut self, change: StoredChange) {
        self.changes.push(change);
    }

    pub(super) fn changes(&self) -> &[StoredChange] {
        &self.changes
    }

    /// Writes after a version, oldest first.
    pub(super) fn since(&self, version: u64) -> &[StoredChange] {
        let from = self.changes.partition_point(|change| change.version <= version);
        &self.changes[from..]
    }

    pub(super) fn compacted(&self) -> u64 {
        self.compacted
    }

    pub(super) fn compact(&mut self, version: u64) {
        self.compacted = self.compacted.max(version);
        let until = self.changes.partition_point(|change| change.version <= version);
        self.changes.drain(..until);
    }
}
