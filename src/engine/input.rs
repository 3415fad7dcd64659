//! What goes into the engine, with the time at which it does.

use super::kind::Kind;
use super::object::Object;
use super::request::Answer;
use crate::api::time::Timestamp;
use crate::scheduler::SchedulerConfig;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The time by both clocks of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Since an arbitrary origin; never goes back.
    #[serde(with = "nanoseconds")]
    pub elapsed: Duration,
    /// Since 1970; somebody may set it.
    #[serde(with = "nanoseconds")]
    pub wall: Duration,
}

/// A duration as a number of nanoseconds.
mod nanoseconds {
    use super::Duration;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_nanos)
    }
}

impl Now {
    /// Whole seconds since 1970.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp(self.wall.as_secs() as i64)
    }
}

/// The number of a request, from the output that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// What a watch says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// An object as it is now.
    Applied(Object),
    /// An object as it is now, which cannot be read as its kind.
    Malformed {
        /// Its kind.
        kind: Kind,
        /// Its namespace; empty for cluster-scoped kinds.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// What is wrong with it.
        error: String,
    },
    /// An object is gone.
    Gone {
        /// Its kind.
        kind: Kind,
        /// Its namespace; empty for cluster-scoped kinds.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A watch said something.
    Observed(Change),
    /// A watch has said everything that existed when it began.
    Synced(Kind),
    /// A kind is not served, since its CRD is missing.
    Missing(Kind),
    /// A request was answered. Each that was sent is answered once.
    Answered(RequestId, Answer),
    /// This instance leads no longer; nothing will be asked for from now on. A new term begins with a new engine.
    Deposed,
    /// The configuration is another one.
    Configured(Box<SchedulerConfig>),
}
