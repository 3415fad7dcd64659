//! Whom it is worth to try again, since others could leave for it.
//!
//! A gang that was refused can have others leave when shares, uses or priorities have moved, and any start and end moves them. Most
//! of those who wait gain nothing by it: their queue uses its share, and nobody of a lower priority runs in it. That is seen
//! without a look at nodes.

use crate::cluster::event::Marks;
use crate::cluster::ids::GangId;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// Waiting gangs for which others could leave, as far as counts tell.
    pub(in crate::scheduler) fn could_claim(&mut self, marks: &Marks) -> Vec<GangId> {
        let rules = self.claims.rules;
        if !self.claims.are_carried_out || self.waiting.is_empty() {
            return Vec::new();
        }
        if self.is_anything_freed(marks) {
            return self.waiting.keys().copied().collect();
        }
        self.sharing.shares(&self.cluster);
        let waiting = self.waiting.keys().copied();
        waiting
            .filter(|&gang| {
                let takes_back = (rules.reclaim || rules.consolidate) && self.sharing.is_within_share(gang);
                takes_back || rules.preempt && self.sharing.runs_below(gang)
            })
            .collect()
    }

    /// Are pods leaving, or has one begun to?
    fn is_anything_freed(&self, marks: &Marks) -> bool {
        let deletes = |gang: &GangId| {
            let pods = self.cluster.gangs().get(*gang).map_or(&[][..], |gang| &gang.pods);
            let mut pods = pods.iter().filter_map(|&pod| self.cluster.pods().get(pod));
            pods.any(|pod| pod.deleting && pod.holds().is_some())
        };
        !self.claims.leaving.is_empty()
            || !self.claims.plans.is_empty()
            || marks.everything
            || marks.gangs.iter().chain(&marks.statuses).any(deletes)
    }
}
