//! What waits for binds to be done: pods that are bound start only when the API server has told their kubelets, so that events and
//! statuses wait a moment after the last bind.

use super::{Engine, Pace};
use crate::reservation::{GangKey, Outcome, Phase};
use std::time::Duration;

/// How long after a bind the API server is left to tell the kubelets.
const QUIET: Duration = Duration::from_millis(200);

impl Engine {
    /// Is all of the gang bound, so that nothing is left but to say so?
    pub(super) fn is_over(&self, gang: &GangKey) -> bool {
        self.commitments.reservations.phase(gang) == Some(Phase::Closing(Outcome::Bound))
    }

    /// Is any gang on its way to being bound, or has one just been?
    pub(super) fn binds_go_on(&self) -> bool {
        let mut gangs = self.commitments.reservations.gangs();
        self.now.elapsed < self.commitments.quiet_until
            || gangs.any(|(_, phase)| matches!(phase, Phase::Decided | Phase::Binding))
    }

    /// A pod has been bound.
    pub(super) fn give_way(&mut self) {
        if self.plan.pace == Pace::Considerate {
            self.commitments.quiet_until = self.now.elapsed + QUIET;
        }
    }

    /// When what waits for binds to be done may be due, where it is not for their time alone.
    pub(super) fn quiet_ends(&self) -> Option<Duration> {
        (!self.telling.statuses.is_empty() && self.now.elapsed < self.commitments.quiet_until)
            .then_some(self.commitments.quiet_until)
    }
}
