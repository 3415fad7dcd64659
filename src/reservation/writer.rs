//! Which revision of a gang's record is wanted, asked for and written.

use std::time::Duration;

/// The record of one gang, on its way into the journal.
#[derive(Clone, Debug)]
pub(super) struct RecordWriter {
    /// The revision that should be there.
    wanted: u32,
    /// The one that was asked for last.
    asked: u32,
    /// The revision that is there.
    pub(super) written: u32,
    /// Unfinished work may stand in the journal: somebody's whom we succeed, or ours.
    pub(super) owes: bool,
    /// Calls that are out.
    calls: u32,
    /// What was asked for last may wait.
    may_wait: bool,
    failures: u32,
    not_before: Duration,
}

impl RecordWriter {
    /// For a gang that has none yet.
    pub(super) fn new(now: Duration) -> Self {
        RecordWriter {
            wanted: 0,
            asked: 0,
            written: 0,
            owes: false,
            calls: 0,
            may_wait: false,
            failures: 0,
            not_before: now,
        }
    }

    /// For one whose record an earlier leader has left.
    pub(super) fn left(now: Duration) -> Self {
        RecordWriter { wanted: 1, asked: 1, written: 1, owes: true, ..RecordWriter::new(now) }
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

    /// When the next call is due. What may wait does not keep another from being asked for.
    pub(super) fn next(&self) -> Option<Duration> {
        let is_out = self.calls > 0 && !(self.may_wait && self.asked < self.wanted);
        (!is_out && !self.is_written()).then_some(self.not_before)
    }

    /// A call goes out; returns the revision that it is for.
    pub(super) fn sending(&mut self, may_wait: bool) -> u32 {
        self.calls += 1;
        self.owes = true;
        (self.asked, self.may_wait) = (self.wanted, may_wait);
        self.asked
    }

    /// What was asked for is there.
    pub(super) fn succeeded(&mut self, revision: u32) {
        self.calls = self.calls.saturating_sub(1);
        self.written = self.written.max(revision);
        self.failures = 0;
    }

    /// A call failed; again after `wait(failures)`.
    pub(super) fn failed(&mut self, now: Duration, wait: impl FnOnce(u32) -> Duration) {
        self.calls = self.calls.saturating_sub(1);
        self.failures += 1;
        self.not_before = now + wait(self.failures);
    }
}
