//! Pods that are to be told that they cannot be scheduled, with the condition that autoscalers read.
//!
//! A gang whose pods are still arriving, or that finds room a moment later, is no news for an autoscaler: a pod is told
//! after it has waited for a while, and told again when the reason is another one, but rarely. The details are on the
//! PodGroup.

use super::calls::{Lane, Purpose};
use super::kind::Kind;
use super::request::Request;
use super::{Engine, Pace};
use crate::api::keys;
use crate::scheduler::PodRef;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// A pod has waited for so long before it is told.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two times that a pod is told.
const BETWEEN: Duration = Duration::from_secs(60);

/// Pods that are to be told, by `namespace/name`.
#[derive(Debug, Default)]
pub(super) struct Marks {
    waiting: BTreeMap<String, Mark>,
    told: BTreeMap<String, Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    due: Duration,
    pod: PodRef,
    message: String,
}

impl Marks {
    /// A pod waits. `shown` is what its condition says so far.
    pub(super) fn put(
        &mut self,
        pod: &PodRef,
        message: &str,
        shown: Option<&str>,
        now: Duration,
        pace: Pace,
    ) {
        let key = format!("{}/{}", pod.namespace, pod.name);
        if shown == Some(message) {
            self.waiting.remove(&key);
            return;
        }
        let (patience, between) = match pace {
            Pace::Considerate => (PATIENCE, BETWEEN),
            Pace::AtOnce => (Duration::ZERO, Duration::ZERO),
        };
        let earliest = self.told.get(&key).map_or(Duration::ZERO, |told| *told + between);
        let due = self.waiting.get(&key).map_or((now + patience).max(earliest), |mark| mark.due);
        self.waiting.insert(key, Mark { due, pod: pod.clone(), message: message.to_owned() });
    }

    /// The pod waits no more, or is gone.
    pub(super) fn forget(&mut self, key: &str) {
        self.waiting.remove(key);
        self.told.remove(key);
    }

    /// When the next pod is to be told.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        self.waiting.values().map(|mark| mark.due).min()
    }

    /// Takes out what is due.
    fn take(&mut self, now: Duration) -> Vec<(PodRef, String)> {
        if self.wake_at().is_none_or(|at| at > now) {
            return Vec::new();
        }
        let due: Vec<String> =
            self.waiting.iter().filter(|(_, mark)| mark.due <= now).map(|(key, _)| key.clone()).collect();
        let take = |key: String| {
            let mark = self.waiting.remove(&key)?;
            self.told.insert(key, now);
            Some((mark.pod, mark.message))
        };
        due.into_iter().filter_map(take).collect()
    }
}

impl Engine {
    /// These pods cannot be scheduled at present.
    pub(super) fn mark_unschedulable(&mut self, pods: &[PodRef], message: &str) {
        let (now, pace) = (self.now.elapsed, self.plan.pace);
        for pod in pods {
            let member = self.intake.mirror.pod(&format!("{}/{}", pod.namespace, pod.name));
            let Some(member) = member else { continue };
            self.telling.marks.put(pod, message, member.told.as_deref(), now, pace);
        }
    }

    /// Tells the pods that have waited long enough.
    pub(super) fn write_marks(&mut self) {
        for (pod, message) in self.telling.marks.take(self.now.elapsed) {
            let key = format!("{}/{}", pod.namespace, pod.name);
            let facts = self.intake.mirror.pod(&key).map(|member| &member.facts);
            if !facts.is_some_and(|facts| facts.pod == pod && facts.node.is_none() && !facts.deleting) {
                continue;
            }
            let body = json!({
                "metadata": { "uid": pod.uid },
                "status": { "conditions": [{
                    "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                    "message": message, "lastTransitionTime": self.now.timestamp().to_string(),
                }] },
            });
            let request = Request::strategic(Kind::Pod, &pod.namespace, &pod.name, "status", body);
            self.send(Lane::Marks, Purpose::Tell, request);
        }
    }

    /// Removes the gate of its queue from a pod, if it is the only one.
    pub(super) fn ungate(&mut self, pod: &PodRef) {
        let gate = json!([{ "name": keys::QUEUE_ALLOCATION_GATE }]);
        let operations = vec![
            json!({ "op": "test", "path": "/spec/schedulingGates", "value": gate }),
            json!({ "op": "remove", "path": "/spec/schedulingGates" }),
        ];
        let request = Request::json_patch(Kind::Pod, &pod.namespace, &pod.name, "", &pod.uid, operations);
        self.send(Lane::Marks, Purpose::Tell, request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> PodRef {
        PodRef { namespace: "a".into(), name: "b".into(), uid: "u".into() }
    }

    /// At each time a message; what is told, and when.
    fn check(said: &[(u64, &str)], expect: &[(u64, &str)]) {
        let mut marks = Marks::default();
        let (mut shown, mut told) = (None, Vec::new());
        for second in 0..200 {
            let now = Duration::from_secs(second);
            if let Some((_, message)) = said.iter().find(|(at, _)| *at == second) {
                if message.is_empty() {
                    marks.forget("a/b");
                } else {
                    marks.put(&pod(), message, shown.as_deref(), now, Pace::Considerate);
                }
            }
            for (_, message) in marks.take(now) {
                shown = Some(message.clone());
                told.push((second, message));
            }
        }
        let told: Vec<(u64, &str)> = told.iter().map(|(at, message)| (*at, message.as_str())).collect();
        assert_eq!(told, expect);
    }

    #[test]
    fn a_pod_that_waits_is_told_and_rarely_told_again() {
        check(&[(5, "x")], &[(6, "x")]);
        check(&[(5, "x"), (6, "x"), (7, "x"), (90, "x")], &[(6, "x")]);
        check(&[(5, "x"), (8, "y"), (20, "z")], &[(6, "x"), (66, "z")]);
        check(&[(5, "x"), (8, "y"), (20, "x")], &[(6, "x")]);
    }

    #[test]
    fn a_pod_that_is_placed_in_time_is_not_told() {
        check(&[(5, "x"), (5, "x"), (6, "")], &[]);
    }
}
