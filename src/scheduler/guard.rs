//! What is done about a gang, done so that a mistake in it costs one gang its turn and not the cluster its scheduler.
//!
//! A strategy of the solver that panics has written to nothing but the solver's own counts, which are derived: they are thrown
//! away. What makes a question of a gang, a sentence or a status only reads. The gang is told, and left alone until it
//! changes.

use super::gang::Hold;
use super::reason::Reason;
use super::{Cycle, Scheduler};
use crate::cluster::View;
use crate::cluster::ids::GangId;
use crate::placement::{PlacementRules, Placer};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Scheduler {
    /// Asks the solver about a gang. What is told of the gang instead where the solver panics.
    pub(super) fn ask_solver<T>(
        &mut self,
        gang: GangId,
        cycle: &mut Cycle,
        question: impl FnOnce(&mut Placer, View<'_>, &PlacementRules) -> T,
    ) -> Result<T, Hold> {
        #[cfg(test)]
        let breaks = self.breaks_at(gang, "solver");
        let view = self.cluster.view();
        let (placer, rules) = (&mut self.placer, &self.rules);
        let answer = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            assert!(!breaks, "a mistake");
            question(placer, view, rules)
        }));
        answer.map_err(|panic| {
            self.placer = Placer::default();
            self.mistaken(gang, cycle, "looked for a place", &*panic)
        })
    }

    /// Makes something of what is known of a gang: a question, a sentence, a status. `what` is what is told of the gang instead
    /// where that panics, as "read its pods".
    pub(super) fn make<T>(
        &self,
        gang: GangId,
        cycle: &mut Cycle,
        what: &'static str,
        make: impl FnOnce(&Scheduler) -> T,
    ) -> Result<T, Hold> {
        let made = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            assert!(!self.breaks_at(gang, what), "a mistake");
            make(self)
        }));
        made.map_err(|panic| self.mistaken(gang, cycle, what, &*panic))
    }

    fn mistaken(
        &self,
        gang: GangId,
        cycle: &mut Cycle,
        what: &'static str,
        panic: &(dyn Any + Send),
    ) -> Hold {
        let key = self.cluster.gangs().get(gang).map_or("", |gang| &gang.key).to_owned();
        cycle.panicked.push(key);
        let text = panic_text(panic);
        let message = format!(
            "Phalanx made a mistake when it {what} (panic: {text}); the gang is left alone until it changes; \
             report this, with the log"
        );
        Hold { reason: Reason::InternalError, message }
    }

    /// Is this to panic over the gang?
    #[cfg(test)]
    fn breaks_at(&self, gang: GangId, what: &'static str) -> bool {
        let key = self.cluster.gangs().get(gang).map(|gang| gang.key.to_string());
        key.is_some_and(|key| self.breaks.contains(&(key, what)))
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
