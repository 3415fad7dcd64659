//! The one place that reads clocks.

use crate::api::time::Timestamp;
use crate::reservation::lease::Moment;
use std::time::{Duration, Instant, SystemTime};

/// Both clocks of this machine; the monotonic one counts from the start of the process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Starts counting.
    #[expect(clippy::disallowed_methods, reason = "the shell tells the core what time it is")]
    pub fn start() -> Self {
        Clock { started: Instant::now() }
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// By both clocks.
    pub fn moment(&self) -> Moment {
        Moment { monotonic: self.elapsed(), wall: wall() }
    }

    /// Whole seconds since 1970.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp(wall().as_secs() as i64)
    }

    /// `2026-08-21T10:00:00.000000Z`, as a Lease has it.
    pub fn micro_time(&self) -> String {
        let wall = wall();
        let text = Timestamp(wall.as_secs() as i64).to_string();
        format!("{}.{:06}Z", text.trim_end_matches('Z'), wall.subsec_micros())
    }
}

#[expect(clippy::disallowed_methods, reason = "the shell tells the core what time it is")]
fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
