//! The shell that runs against a cluster: watches in, writes out, a lease, health and metrics.
//!
//! Thin on purpose: every decision is made by the core. One task, [`engine`], owns the core and is fed by one channel;
//! watch tasks and writers talk to it by messages only.

pub mod arrivals;
pub mod call;
pub mod claims;
pub mod client;
pub mod clock;
pub mod engine;
pub mod events;
pub mod findings;
pub mod http;
pub mod kind;
pub mod lease;
pub mod metrics;
pub mod mirror;
pub mod recovery;
pub mod serving;
pub mod usage;
pub mod watch;
pub mod whole;
pub mod writer;
