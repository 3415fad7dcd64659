//! What the journal asks of the API server, what is answered, and what follows for those who wait.

use super::read::Quarantined;
use crate::reservation::input::CallId;
use crate::reservation::record::Record;
use std::collections::BTreeMap;
use std::time::Duration;

/// An object as the API server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// Its `data`.
    pub data: BTreeMap<String, String>,
}

/// A call for an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// GET, not from a cache.
    Read,
    /// Create it with these data.
    Create(BTreeMap<String, String>),
    /// Change these keys of its data, `None` removes one; with this resourceVersion as precondition.
    Write {
        /// The precondition.
        resource_version: String,
        /// Keys and values.
        changes: BTreeMap<String, Option<String>>,
    },
}

/// What became of a call. Each is answered once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// 2xx to a read.
    Found(Stored),
    /// 404.
    Absent,
    /// 2xx to a write or a create: the new resourceVersion.
    Written(String),
    /// 409.
    Conflict,
    /// 429: it did not take effect.
    TooMany(Option<Duration>),
    /// Any other refusal: it did not take effect.
    Refused(String),
    /// 5xx, no answer in time, or none at all: it may have taken effect, or still do.
    Unknown(Option<Duration>),
}

/// What follows from answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// All objects are sealed: these are the entries that earlier leaders have left. Once.
    Opened(Vec<Record>),
    /// What [`super::Journal::put`] was asked for by this call stands there.
    Written(CallId),
    /// It does not, and will not.
    Refused {
        /// The call.
        call: CallId,
        /// Why, with the remedy.
        message: String,
    },
    /// Another leader has sealed the journal: this one must end.
    Superseded {
        /// Its epoch.
        epoch: u64,
        /// Who it is.
        holder: String,
    },
    /// An object or an entry is left alone.
    Quarantined(Quarantined),
    /// The API server refuses a call for an object.
    Trouble {
        /// The object.
        object: String,
        /// What it said.
        message: String,
    },
}
