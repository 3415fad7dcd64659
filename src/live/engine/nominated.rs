//! Pods that show their node before they are bound to it (`status.nominatedNodeName`), because their bind waits for claims.
//! Pods that are bound at once never do: it would be one more write for each.

use super::Engine;
use crate::live::claims;
use crate::reservation::Call;
use crate::scheduler::PodRef;

impl Engine {
    /// A bind that waits for these claims shows the node meanwhile.
    pub(super) fn nominates(&mut self, call: &Call, claims: &[String]) {
        if let Call::Bind { pod, .. } = call
            && !claims.is_empty()
        {
            self.nominated.insert(pod.uid.clone());
        }
    }

    /// The pod's node is given up: it shows it no longer, whether we or a predecessor have said it.
    pub(super) fn withdraw(&mut self, pod: &PodRef, node: &str) {
        let seen = self.mirror.pod(&format!("{}/{}", pod.namespace, pod.name));
        let shows = seen.is_some_and(|member| {
            member.facts.pod.uid == pod.uid && member.nominated.as_deref() == Some(node)
        });
        if self.nominated.remove(&pod.uid) || shows {
            self.send(claims::withdraw(pod, node));
        }
    }
}
