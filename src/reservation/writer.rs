//! Gets the text of the record onto the PodGroup, whatever the calls come to.
//!
//! Every write carries the resourceVersion as precondition, so of all writes that were sent against one version of the
//! object one at most takes effect. After a conflict or a lost answer the object is read: what is found there is what
//! was there before, one of the texts that we sent, or somebody else's.

use super::input::GroupFacts;
use std::time::Duration;

/// The record of one gang, on its way.
#[derive(Clone, Debug)]
pub(super) struct RecordWriter {
    pub(super) resource_version: String,
    pub(super) other_bytes: usize,
    /// The annotation when it was last known for certain.
    base: Option<String>,
    /// What was sent since, by revision.
    sent: Vec<(u32, Option<String>)>,
    /// The revision that should be there.
    wanted: u32,
    /// The revision that is there.
    pub(super) written: u32,
    /// Unfinished work may stand in the object: somebody's whom we succeed, or ours.
    pub(super) owes: bool,
    calling: bool,
    must_read: bool,
    failures: u32,
    not_before: Duration,
}

/// A call to make for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriterAction {
    Write,
    Read,
}

/// Whose text a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Ours, or what was there before.
    Known,
    /// Somebody else's.
    Foreign(String),
}

impl RecordWriter {
    /// For a PodGroup as last seen. `owes`: its record is unfinished.
    pub(super) fn new(group: &GroupFacts, owes: bool, now: Duration) -> Self {
        RecordWriter {
            resource_version: group.resource_version.clone(),
            other_bytes: group.other_annotation_bytes,
            base: group.record.clone(),
            sent: Vec::new(),
            wanted: 0,
            written: 0,
            owes,
            calling: false,
            must_read: false,
            failures: 0,
            not_before: now,
        }
    }

    /// Asks for a new text; returns its revision.
    pub(super) fn want(&mut self) -> u32 {
        self.wanted += 1;
        self.wanted
    }

    /// Is what was last asked for there?
    pub(super) fn is_written(&self) -> bool {
        self.written == self.wanted
    }

    /// Would removing the annotation leave the object as it is, and with it the precondition of a write that may still
    /// take effect?
    pub(super) fn needs_tombstone(&self) -> bool {
        self.base.is_none() && !self.sent.is_empty()
    }

    /// The call that is due next, and when.
    pub(super) fn next(&self) -> Option<(Duration, WriterAction)> {
        match self {
            RecordWriter { calling: true, .. } => None,
            RecordWriter { must_read: true, .. } => Some((self.not_before, WriterAction::Read)),
            _ if self.is_written() => None,
            _ => Some((self.not_before, WriterAction::Write)),
        }
    }

    /// A write goes out.
    pub(super) fn sending(&mut self, text: Option<String>) {
        self.calling = true;
        self.owes = true;
        self.sent.push((self.wanted, text));
    }

    /// A read goes out.
    pub(super) fn reading(&mut self) {
        self.calling = true;
    }

    /// The last write was answered with success.
    pub(super) fn succeeded(&mut self, resource_version: String) {
        self.calling = false;
        self.resource_version = resource_version;
        if let Some((revision, text)) = self.sent.pop() {
            self.settle(revision, text);
        }
    }

    /// The last write's fate is unknown, or the object has changed.
    pub(super) fn unsure(&mut self) {
        self.calling = false;
        self.must_read = true;
    }

    /// The last call failed; again after `wait(failures)`.
    pub(super) fn failed(&mut self, now: Duration, wait: impl FnOnce(u32) -> Duration) {
        self.calling = false;
        self.failures += 1;
        self.not_before = now + wait(self.failures);
    }

    /// The object was read.
    pub(super) fn found(&mut self, group: &GroupFacts) -> Found {
        self.calling = false;
        self.must_read = false;
        self.resource_version.clone_from(&group.resource_version);
        self.other_bytes = group.other_annotation_bytes;
        if let Some(at) = self.sent.iter().rposition(|(_, text)| *text == group.record) {
            let (revision, text) = self.sent.swap_remove(at);
            // Where the same text was there before, it proves nothing; and writing it again does no harm.
            if text != self.base {
                self.settle(revision, text);
            }
            return Found::Known;
        }
        match &group.record {
            Some(text) if group.record != self.base => Found::Foreign(text.clone()),
            _ => Found::Known,
        }
    }

    /// What stands there now is accepted as what was there before.
    pub(super) fn accept(&mut self, text: Option<String>) {
        self.base = text;
    }

    fn settle(&mut self, revision: u32, text: Option<String>) {
        // Whatever was sent before had an older version as precondition.
        self.sent.clear();
        self.base = text;
        self.written = revision;
        self.failures = 0;
        self.must_read = false;
    }
}
