//! What is counted on the way, as reports.

use super::Engine;
use super::output::{Output, Report};
use crate::scheduler::{GangPlacement, PodRef};

impl Engine {
    /// A gang has been placed.
    pub(super) fn placed(&self, placement: &GangPlacement) -> Report {
        let group = self.intake.mirror.group(&placement.gang).filter(|_| placement.is_pod_group);
        let created = group.and_then(|group| group.created);
        Report::Placed { placement: placement.clone(), created }
    }

    /// A pod has been bound.
    pub(super) fn count_bind(&mut self, pod: PodRef, node: String) {
        let seen = self.intake.mirror.pod(&format!("{}/{}", pod.namespace, pod.name));
        let created = seen.and_then(|member| member.created);
        self.outputs.push_back(Output::Report(Report::Bound { pod, node, created }));
    }

    /// A gang is bound whole.
    pub(super) fn count_gang(&mut self, group: &str) {
        if let Some(seen) = self.intake.last_seen.remove(group) {
            let created = self.intake.mirror.group(group).and_then(|group| group.created);
            let after = self.now.elapsed.saturating_sub(seen);
            self.outputs.push_back(Output::Report(Report::GangBound { after, created }));
        }
    }

    /// An object has become unusable, or usable again.
    pub(super) fn count_quarantined(&mut self) {
        let count = self.intake.malformed.len() + self.telling.findings.quarantined();
        self.outputs.push_back(Output::Report(Report::Quarantined(count)));
    }
}
