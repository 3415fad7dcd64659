//! The shell that runs against a cluster: watches in, writes out, a lease, health and metrics.
//!
//! Nothing here decides: one task, [`shell`], owns the [`crate::engine`] and is fed by one channel; watch tasks and calls
//! talk to it by messages only.

pub mod call;
pub mod client;
pub mod clock;
pub mod error;
pub mod events;
pub mod http;
pub mod lease;
pub mod log;
pub mod metrics;
pub mod shell;
pub mod tasks;
pub mod watch;
pub mod whole;

mod count;
