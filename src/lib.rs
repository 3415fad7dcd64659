//! Phalanx: a Kubernetes scheduler whose unit is the gang.
//!
//! The library is the pure core: no I/O, no clock, no environment, no async. Events go in, decisions come out as
//! values, and time is an argument. `ARCHITECTURE.md` is the map of its rooms; data flows through them one way:
//!
//! ```text
//! api -> cluster -> placement -> scheduler -> reservation -> engine -> simulation -> cli
//!   |           \-> sharing -^                                    |
//!   \-> modelserving ---------------------------------------------^
//! ```
//!
//! Whether something fits, without a cluster:
//!
//! ```
//! use phalanx::scheduler::SchedulerConfig;
//! use phalanx::simulation::{Reader, Report, Simulation, World};
//!
//! let manifests = r#"
//! {apiVersion: v1, kind: Node, metadata: {name: node-0}, status: {allocatable: {cpu: 8, nvidia.com/gpu: 8}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: trainer}
//! spec:
//!   schedulerName: volcano
//!   containers: [{name: main, image: "trainer:1", resources: {limits: {nvidia.com/gpu: 8}}}]
//! "#;
//! let mut reader = Reader::default();
//! reader.read("manifests.yaml", manifests);
//! let world = World::admit(reader).expect("nothing is wrong with them");
//! let mut run = Simulation::new(world, SchedulerConfig::default());
//! run.run(|_progress| {});
//! assert_eq!(Report::of(&run, false).pods[0].node.as_deref(), Some("node-0"));
//! ```
//!
//! `examples/` has more; the feature `live` adds the shell that runs on a cluster, `cli` the command line.

pub mod api;
pub mod apiserver;
pub mod cluster;
pub mod engine;
pub mod grouping;
pub mod modelserving;
pub mod placement;
pub mod reservation;
pub mod scheduler;
pub mod sharing;
pub mod simulation;
pub mod words;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "live")]
pub mod live;
