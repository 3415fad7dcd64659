//! Calls of the scheduler that fail by order of the timeline.

use serde::Deserialize;

/// Which calls fail, and how. The schema documents the fields.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)]
pub struct FailCalls {
    pub call: CallKind,
    pub namespace: String,
    pub name: Option<String>,
    pub after: u32,
    pub count: u32,
    pub with: Failure,
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallKind {
    /// Writes what is promised to a gang into the journal.
    Record,
    /// Binds a pod.
    Bind,
    /// Deletes a pod that was bound, to roll back.
    Evict,
    /// Reads a pod or a PodGroup.
    Read,
}

impl CallKind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            CallKind::Record => "record",
            CallKind::Bind => "bind",
            CallKind::Evict => "evict",
            CallKind::Read => "read",
        }
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Failure {
    /// 503: nothing was done, as far as nobody knows.
    Unavailable,
    /// It was done, and nobody was told.
    Lost,
    /// 403: nothing was done, and that is certain.
    Refused,
}
