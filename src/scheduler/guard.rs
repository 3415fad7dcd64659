//! The solver, asked so that a mistake in it costs one gang its turn and not the cluster its scheduler.
//!
//! A strategy that panics has written to nothing but the solver's own counts, which are derived: they are thrown away, the
//! gang is told, and left alone until it changes.

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
        let breaks = self.cluster.gangs().get(gang).is_some_and(|gang| self.breaks.contains(&*gang.key));
        let view = self.cluster.view();
        let (placer, rules) = (&mut self.placer, &self.rules);
        let answer = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            assert!(!breaks, "a mistake");
            question(placer, view, rules)
        }));
        answer.map_err(|panic| {
            self.placer = Placer::default();
            let key = self.cluster.gangs().get(gang).map_or("", |gang| &gang.key).to_owned();
            cycle.panicked.push(key);
            Hold { reason: Reason::InternalError, message: message(&*panic) }
        })
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    format!(
        "Phalanx made a mistake when it looked for a place (panic: {text}); the gang is left alone until it changes; \
         report this, with the log"
    )
}
