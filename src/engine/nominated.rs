//! Pods that show their node before they are bound to it (`status.nominatedNodeName`), because their bind waits for claims.
//! Pods that are bound at once never do: it would be one more write for each.

use super::Engine;
use super::calls::{Lane, Purpose};
use super::claims;
use super::output::{Output, Report};
use super::request::{Answer, Verb};
use crate::scheduler::PodRef;
use std::time::Duration;

/// How long to wait before the next try, in seconds. What is left standing would keep a place from others.
const TRIES: [u64; 6] = [1, 2, 4, 8, 16, 32];

impl Engine {
    /// Once, when the first decisions have been taken: pods that got no place show no node any more, whoever wrote it. A
    /// predecessor may have, without a record to tell; and what an autoscaler may have written is a hint that the pod's
    /// scheduler takes away when it finds no place for it, as kube-scheduler does since 1.35 (KEP-5278).
    pub(super) fn tidy_nominations(&mut self) {
        if self.commitments.tidied || !self.plan.scheduler || self.scheduler.has_work() {
            return;
        }
        self.commitments.tidied = true;
        let left = self.intake.mirror.pods().filter_map(|member| {
            let node = member.nominated.as_deref()?;
            let facts = &member.facts;
            let is_member = self.commitments.reservations.is_member(&facts.pod);
            let waits = facts.node.is_none() && !facts.deleting && !is_member;
            waits.then(|| (facts.pod.clone(), node.to_owned()))
        });
        for (pod, node) in left.collect::<Vec<_>>() {
            self.outputs.push_back(Output::Report(Report::Withdrawn(pod.clone())));
            self.withdraw(&pod, &node);
        }
    }

    /// The pod's node is given up: it shows it no longer, whether we or a predecessor have said it.
    pub(super) fn withdraw(&mut self, pod: &PodRef, node: &str) {
        let seen = self.intake.mirror.pod(&format!("{}/{}", pod.namespace, pod.name));
        let shows = seen.is_some_and(|member| {
            member.facts.pod.uid == pod.uid && member.nominated.as_deref() == Some(node)
        });
        if self.commitments.nominated.remove(&pod.uid) || shows {
            let purpose = Purpose::Withdraw { pod: pod.clone(), node: node.to_owned(), failures: 0 };
            self.send(Lane::Statuses, purpose, claims::withdraw(pod, node));
        }
    }

    /// The API server has answered to that.
    pub(super) fn withdrawn(&mut self, pod: PodRef, node: String, failures: u32, answer: Answer) {
        // gone, another pod by now, or another node
        if matches!(answer, Answer::Done(_)) || answer.is_moot(Verb::JsonPatch) {
            return;
        }
        let what = format!("nominatedNodeName of pod {}/{}", pod.namespace, pod.name);
        let Some(&wait) = TRIES.get(failures as usize) else {
            return self.failed(what, answer, "the pod still shows a node that it has not");
        };
        self.failed(what, answer, "it is tried again");
        let request = claims::withdraw(&pod, &node);
        let purpose = Purpose::Withdraw { pod, node, failures: failures + 1 };
        self.send_at(self.now.elapsed + Duration::from_secs(wait), Lane::Statuses, purpose, request);
    }
}
