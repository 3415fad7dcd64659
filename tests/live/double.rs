//! A double of the API server under the real client, in virtual time: it lists, watches, binds, patches and deletes as the
//! real one does where Phalanx can see it, judges every change as it happens, and everything between it and an instance
//! of Phalanx can go wrong. `faults` has the runs.

pub(crate) mod devices;
pub(crate) mod dice;
pub(crate) mod instance;
pub(crate) mod judge;
pub(crate) mod link;
pub(crate) mod server;
pub(crate) mod store;
pub(crate) mod world;
