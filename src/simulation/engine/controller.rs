//! The ModelServing controller: which objects it must look at, and its changes carried out.

use super::Simulation;
use crate::simulation::store::{Key, Kind, Store};
use std::collections::BTreeSet;

/// ModelServings to look at.
#[derive(Debug, Default)]
pub(super) struct Controller {
    dirty: BTreeSet<Key>,
}

impl Controller {
    /// A ModelServing asked for it.
    pub(super) fn wake(&mut self, key: Key) {
        self.dirty.insert(key);
    }

    /// An object is new or changed.
    pub(super) fn mark(&mut self, key: &Key, _store: &Store) {
        if key.kind == Kind::ModelServing {
            self.dirty.insert(key.clone());
        }
    }

    /// An object is gone.
    pub(super) fn mark_gone(&mut self, _key: &Key) {}
}

impl Simulation {
    /// Looks at what changed. True if something was written.
    pub(super) fn reconcile(&mut self) -> bool {
        self.controller.dirty.clear();
        false
    }
}
