//! What nothing refers to any more, forgotten from time to time: classes, constraints, couplings and what they are made of,
//! texts, and the names of nodes that are gone.
//!
//! Whatever is interned stays until a sweep finds that no pod and no node needs it. A sweep looks at everything that is
//! kept, and runs when twice as much is kept as was needed last time: so it costs a constant per event, and memory is
//! at most twice what is in use. Ids that were given back are given again; whoever keeps classes by id watches
//! [`Classes::generation`](crate::cluster::class::Classes::generation).

use super::Cluster;
use crate::cluster::ids::{ClassId, ConstraintId, CouplingId, NodeId, ResourceId, TextId};
use rustc_hash::FxHashSet;

/// Less than this is not worth a sweep.
const LEAST: usize = 4096;

impl Cluster {
    /// Sweeps if enough may have become needless.
    pub(super) fn sweep_if_due(&mut self) {
        if self.pieces() > 2 * self.swept + LEAST {
            self.sweep();
        }
    }

    /// Forgets what nothing refers to.
    fn sweep(&mut self) {
        self.recent.clear();
        let (_, couplings) = self.needed();
        if self.coupling.sweep_rules(&couplings) {
            // Pods that wait may be known by selectors that are gone.
            self.refresh_classes();
        }
        let (classes, couplings) = self.needed();
        self.coupling.sweep_couplings(&couplings);
        self.classes.retain(|class| classes.contains(&class));
        let constraints = self.classes.iter().map(|(_, class)| class.constraint);
        let constraints: FxHashSet<ConstraintId> = constraints.chain(self.coupling.constraints()).collect();
        let keys: Vec<TextId> = self.coupling.key_texts().collect();
        self.eligibility.sweep(|constraint| constraints.contains(&constraint), keys.into_iter());
        let roles: FxHashSet<TextId> = self.pods.iter().map(|(_, pod)| pod.role).collect();
        self.texts.retain(|text| roles.contains(&text));
        let rooms = self.kept.all().map(|room| room.node);
        let held: FxHashSet<NodeId> = self.pods.iter().filter_map(|(_, pod)| pod.node).chain(rooms).collect();
        self.nodes.retain(|node| held.contains(&node));
        let asked: FxHashSet<ResourceId> = self
            .classes
            .iter()
            .flat_map(|(_, class)| class.requests.iter().map(|&(resource, _)| resource))
            .collect();
        self.devices.sweep(|resource| asked.contains(&resource));
        self.swept = self.pieces();
    }

    /// Classes and couplings that pods have, or that room is kept for.
    fn needed(&self) -> (FxHashSet<ClassId>, FxHashSet<CouplingId>) {
        let rooms = self.kept.all().map(|room| room.class);
        let classes: FxHashSet<ClassId> = self.pods.iter().map(|(_, pod)| pod.class).chain(rooms).collect();
        let couplings = classes.iter().map(|&class| self.classes.get(class).coupling).collect();
        (classes, couplings)
    }

    /// How much is kept, in pieces.
    pub(super) fn pieces(&self) -> usize {
        self.classes.len()
            + self.eligibility.size()
            + self.coupling.size()
            + self.texts.len()
            + self.nodes.len()
    }
}

#[cfg(test)]
mod tests;
