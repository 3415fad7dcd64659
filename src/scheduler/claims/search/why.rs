//! Why nobody is evicted, in words.

use super::Search;
use crate::cluster::requests::quantity;
use crate::sharing::entitlement::Objection;

impl Search<'_> {
    /// Why nobody may go.
    pub(super) fn nobody(&self) -> String {
        format!(
            "nobody is evicted for it: no other gang runs that it could take from, beyond what queues deserve or of lower \
             priority in its own queue{}",
            self.protected()
        )
    }

    pub(super) fn protected(&self) -> String {
        let protected = &self.pool.protected;
        if protected.is_empty() {
            return String::new();
        }
        let named: Vec<String> =
            protected.iter().take(3).map(|(gang, why)| format!("{gang} ({why})")).collect();
        let more = protected.len().saturating_sub(named.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("; {} could go but are protected: {}{more}", protected.len(), named.join(", "))
    }

    pub(super) fn why_not(&self) -> String {
        let tree = self.question.situation.tree;
        let name = |queue| &tree.terms(queue).name;
        match self.objection.as_ref() {
            Some(Objection::AboveShare { queue, resource, would_use, share }) => {
                let (queue, resource, would_use, share) = (*queue, *resource, *would_use, *share);
                let text = |amount| quantity(resource, amount).0;
                format!(
                    "nobody is evicted for it: queue {} would use {} of a fair share of {} {} (deserved {})",
                    name(queue),
                    text(would_use),
                    text(share),
                    self.question.cluster.resources().name(resource),
                    text(tree.terms(queue).deserved.get(resource)),
                )
            }
            Some(Objection::GuaranteeUndercut { queue, .. }) => {
                format!("nobody is evicted for it: queue {} would have less than its guarantee", name(*queue))
            }
            Some(Objection::OverLimit(over)) => {
                format!("nobody is evicted for it: queue {} would use more than its limit", name(over.queue))
            }
            _ => self.nobody(),
        }
    }
}
