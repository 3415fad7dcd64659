//! Phalanx: a Kubernetes scheduler whose unit is the gang.
//!
//! The library is the pure core: no I/O, no clock, no environment, no async. Events go in, decisions come out as
//! values, and time is an argument. `ARCHITECTURE.md` is the map of its rooms; data flows through them one way:
//!
//! ```text
//! api -> cluster -> placement -> scheduler -> reservation -> simulation -> cli
//!   \-> modelserving -------------------------------------^
//! ```

pub mod api;
pub mod apiserver;
pub mod cluster;
pub mod modelserving;
pub mod placement;
pub mod reservation;
pub mod scheduler;
pub mod simulation;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cluster")]
pub mod live;
