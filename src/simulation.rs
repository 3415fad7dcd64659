//! The offline shell: manifests and a scenario in, virtual time, reports out.

pub(crate) mod generate;
pub(crate) mod locate;
pub mod problem;
pub(crate) mod random;
pub mod reader;
pub mod scenario;
pub(crate) mod schema;
pub mod store;
pub mod time;
pub mod world;
