//! The one place that reads clocks.

use crate::api::time::Timestamp;
use crate::engine::Now;
use crate::reservation::lease::Moment;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Both clocks of this machine; the monotonic one counts from the start of the process. It is tokio's, so that it stands
/// still with it where a test has stopped time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    wall: Wall,
}

#[derive(Clone, Copy, Debug)]
enum Wall {
    /// The machine's.
    Real,
    /// Runs with the monotonic one from this time on, and is off by so many milliseconds.
    Made(Duration, &'static AtomicI64),
}

impl Clock {
    /// Starts counting.
    pub fn start() -> Self {
        Clock { started: Instant::now(), wall: Wall::Real }
    }

    /// Starts counting; the wall clock says `wall` now and runs with the monotonic one, except that somebody may set it
    /// by so many milliseconds. For tests in virtual time.
    pub fn made(wall: Duration, off_by: &'static AtomicI64) -> Self {
        Clock { started: Instant::now(), wall: Wall::Made(wall, off_by) }
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// As the engine takes it.
    pub fn now(&self) -> Now {
        Now { elapsed: self.elapsed(), wall: self.wall() }
    }

    /// By both clocks.
    pub fn moment(&self) -> Moment {
        Moment { monotonic: self.elapsed(), wall: self.wall() }
    }

    /// Whole seconds since 1970.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp(self.wall().as_secs() as i64)
    }

    /// `2026-08-21T10:00:00.000000Z`, as a Lease has it.
    pub fn micro_time(&self) -> String {
        let wall = self.wall();
        let text = Timestamp(wall.as_secs() as i64).to_string();
        format!("{}.{:06}Z", text.trim_end_matches('Z'), wall.subsec_micros())
    }

    #[expect(clippy::disallowed_methods, reason = "the shell tells the core what time it is")]
    fn wall(&self) -> Duration {
        match self.wall {
            Wall::Real => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            Wall::Made(origin, off_by) => {
                let off_by = off_by.load(Ordering::Relaxed);
                let off = Duration::from_millis(off_by.unsigned_abs());
                let wall = origin + self.elapsed();
                if off_by < 0 { wall.saturating_sub(off) } else { wall + off }
            }
        }
    }
}
