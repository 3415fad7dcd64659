//! Pods that show their node before they are bound to it (`status.nominatedNodeName`), because their bind waits for claims.
//! Pods that are bound at once never do: it would be one more write for each.

use super::Engine;
use crate::live::call::{Answer, Call as Request};
use crate::live::claims::{self, Waits};
use crate::live::lease::Gate;
use crate::reservation::Call;
use crate::scheduler::PodRef;

/// How long to wait before the next try, in seconds. What is left standing would keep a place from others.
const TRIES: [u64; 6] = [1, 2, 4, 8, 16, 32];

impl Engine {
    /// A bind that waits for these claims shows the node meanwhile.
    pub(super) fn nominates(&mut self, call: &Call, claims: Option<&Waits>) {
        if let Call::Bind { pod, .. } = call
            && claims.is_some()
        {
            self.nominated.insert(pod.uid.clone());
        }
    }

    /// Once, when the first decisions have been taken: pods that got no place show no node any more, whoever wrote it. A
    /// predecessor may have, without a record to tell; and what an autoscaler may have written is a hint that the pod's
    /// scheduler takes away when it finds no place for it, as kube-scheduler does since 1.35 (KEP-5278).
    pub(super) fn tidy_nominations(&mut self) {
        if self.tidied || !self.plan.scheduler || self.scheduler.has_work() {
            return;
        }
        self.tidied = true;
        let left = self.mirror.pods().filter_map(|member| {
            let node = member.nominated.as_deref()?;
            let facts = &member.facts;
            let waits = facts.node.is_none() && !facts.deleting && !self.reservations.is_member(&facts.pod);
            waits.then(|| (facts.pod.clone(), node.to_owned()))
        });
        for (pod, node) in left.collect::<Vec<_>>() {
            tracing::info!(pod = pod.name, node, "it has no place, and shows one no longer");
            self.withdraw(&pod, &node);
        }
    }

    /// The pod's node is given up: it shows it no longer, whether we or a predecessor have said it.
    pub(super) fn withdraw(&mut self, pod: &PodRef, node: &str) {
        let seen = self.mirror.pod(&format!("{}/{}", pod.namespace, pod.name));
        let shows = seen.is_some_and(|member| {
            member.facts.pod.uid == pod.uid && member.nominated.as_deref() == Some(node)
        });
        if self.nominated.remove(&pod.uid) || shows {
            let (client, gate) = (self.clients.write.clone(), self.gate.clone());
            tokio::spawn(retry(claims::withdraw(pod, node), client, gate));
        }
    }
}

async fn retry(call: Request, client: kube::Client, gate: Gate) {
    for wait in TRIES {
        if !gate.may_write() {
            return;
        }
        let path = call.path.clone();
        match call.clone().run(&client, gate.deadline()).await {
            // gone, another pod by now, or another node
            Answer::Done(_) | Answer::Refused { code: 404 | 409 | 422, .. } => return,
            answer => tracing::debug!(path, ?answer, "the node is still shown; trying again"),
        }
        tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
    }
    tracing::warn!(path = call.path, "the pod still shows a node that it has not");
}
