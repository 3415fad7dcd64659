//! The offline shell: manifests and a scenario in, virtual time, a report out.
//!
//! ```text
//! text --(reader)--> documents --(world)--> objects, scenario --(engine)--> what happened --(report)--> rows
//! ```
//!
//! Pure like the core: the command line reads the files and prints. The production scheduler and controller run here
//! unchanged; the API server ([`crate::apiserver`]), the kubelets, the node controller and the garbage collector are doubles.

pub(crate) mod agenda;
pub mod engine;
pub(crate) mod generate;
pub mod history;
pub(crate) mod locate;
pub mod problem;
pub(crate) mod random;
pub mod reader;
pub mod report;
pub mod scenario;
pub mod time;
pub(crate) mod workloads;
pub mod world;

pub use engine::{Ending, Progress, Recording, Simulation};
pub use problem::Problem;
pub use reader::Reader;
pub use report::Report;
pub use world::World;
