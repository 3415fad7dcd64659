//! What the engine does for pods without a PodGroup ([`crate::grouping`] decides), and the two queues that Volcano's
//! controllers and webhooks count on.

use super::Engine;
use super::calls::{Lane, Purpose};
use super::kind::Kind;
use super::mirror::Shown;
use super::object::Object;
use super::output::{Note, Origin, Output};
use super::request::{Answer, Request, Verb};
use crate::api::keys;
use crate::grouping::{Grouping, GroupingRules, Want, WorkloadKind};
use serde_json::{json, to_value};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Grouping, as far as the engine has its part in it.
#[derive(Debug)]
pub(super) struct Groups {
    pub(super) grouping: Grouping,
    /// Kinds of controllers that are watched.
    watched: BTreeSet<Kind>,
    /// Queues that have been made or seen: whoever deletes one of them later has reasons.
    queues: BTreeSet<&'static str>,
    /// Queues that are being made, or are to be tried again.
    queues_asked: BTreeSet<&'static str>,
    /// Are queues served?
    pub(super) serves_queues: bool,
}

/// The queues that Volcano's scheduler makes when it starts: may they be reclaimed from?
const QUEUES: [(&str, bool); 2] = [("root", false), ("default", true)];

/// How long after a failure a queue is asked for again. Its webhook may not be up yet.
const QUEUE_AGAIN: Duration = Duration::from_secs(2);

impl Groups {
    pub(super) fn new(rules: GroupingRules) -> Self {
        Groups {
            grouping: Grouping::new(rules),
            watched: BTreeSet::new(),
            queues: BTreeSet::new(),
            queues_asked: BTreeSet::new(),
            serves_queues: false,
        }
    }
}

impl Engine {
    /// An object has been observed that says who groups pods, or which are to be grouped.
    pub(super) fn observe_groups(&mut self, object: &Object) {
        let (now, grouping) = (self.now.elapsed, &mut self.groups.grouping);
        match object {
            Object::ReplicaSet(owner) => {
                grouping.workload(WorkloadKind::ReplicaSet, (**owner).clone(), now);
            }
            Object::StatefulSet(owner) => {
                grouping.workload(WorkloadKind::StatefulSet, (**owner).clone(), now);
            }
            Object::Job(owner) => grouping.workload(WorkloadKind::Job, (**owner).clone(), now),
            Object::Deployment(deployment) => grouping.deployment(deployment, now),
            Object::MutatingWebhookConfiguration(webhook) => {
                grouping.webhook(&webhook.metadata.name, true, now);
            }
            _ => {}
        }
    }

    /// Such an object is gone.
    pub(super) fn groups_gone(&mut self, kind: Kind, namespace: &str, name: &str) {
        let (now, grouping) = (self.now.elapsed, &mut self.groups.grouping);
        match kind {
            Kind::ReplicaSet => grouping.workload_gone(WorkloadKind::ReplicaSet, namespace, name),
            Kind::StatefulSet => grouping.workload_gone(WorkloadKind::StatefulSet, namespace, name),
            Kind::Job => grouping.workload_gone(WorkloadKind::Job, namespace, name),
            Kind::Deployment => grouping.deployment_gone(namespace, name, now),
            Kind::MutatingWebhookConfiguration => grouping.webhook(name, false, now),
            Kind::PodGroup => grouping.group_gone(namespace, name),
            Kind::Pod => grouping.pod_gone(namespace, name),
            _ => {}
        }
    }

    /// Pods that are to be left alone are, before anything is decided.
    pub(super) fn group_pods(&mut self) {
        let now = self.now.elapsed;
        self.groups.grouping.tick(now);
        for kind in self.groups.grouping.kinds() {
            let kind = match kind {
                WorkloadKind::ReplicaSet => Kind::ReplicaSet,
                WorkloadKind::StatefulSet => Kind::StatefulSet,
                WorkloadKind::Job => Kind::Job,
            };
            if self.groups.watched.insert(kind) {
                self.outputs.push_back(Output::Watch(kind));
            }
        }
        for (pod, held) in self.groups.grouping.take_changed() {
            self.scheduler.hold_pod(&pod, held);
        }
    }

    /// What is wanted of pods without a PodGroup is done.
    pub(super) fn want_groups(&mut self) {
        if !self.may_decide() {
            return;
        }
        for want in self.groups.grouping.wants(self.now.elapsed) {
            self.want(want);
        }
        self.make_queues();
    }

    fn want(&mut self, want: Want) {
        let request = match &want {
            Want::Make { group, .. } => {
                let mut object = to_value(group).unwrap_or_default();
                object["apiVersion"] = json!(keys::SCHEDULING_V1BETA1);
                object["kind"] = json!("PodGroup");
                Request::create(Kind::PodGroup, &group.metadata.namespace, &group.metadata.name, object)
            }
            Want::Join { pod, group } => {
                let annotations = json!({ keys::GROUP_NAME: group });
                let body = json!({ "metadata": { "uid": pod.uid, "annotations": annotations } });
                Request::strategic(Kind::Pod, &pod.namespace, &pod.name, "", body)
            }
            Want::Adjust { namespace, name, uid, minimum, min_resources } => {
                let mut changes = vec![json!({ "op": "add", "path": "/spec/minMember", "value": minimum })];
                if let Some(list) = min_resources {
                    changes.push(json!({ "op": "add", "path": "/spec/minResources", "value": list }));
                }
                Request::json_patch(Kind::PodGroup, namespace, name, "", uid, changes)
            }
            Want::Remove { namespace, name, uid } => Request::delete(Kind::PodGroup, namespace, name, uid),
            Want::Say { kind, namespace, name, uid, message } => {
                return self.note(Note {
                    api_version: kind.api_version().to_owned(),
                    kind: kind.name(),
                    namespace: namespace.clone(),
                    name: name.clone(),
                    uid: uid.clone(),
                    warning: true,
                    reason: "GroupMinMember".to_owned(),
                    message: message.clone(),
                    component: "phalanx",
                    origin: Origin::Grouping,
                });
            }
        };
        self.send(Lane::Groups, Purpose::Grouping(Box::new(want)), request);
    }

    /// Something that grouping wanted has been answered.
    pub(super) fn want_answered(&mut self, want: &Want, verb: Verb, answer: Answer) {
        let exists = matches!((want, &answer), (Want::Make { .. }, Answer::Refused { code: 409, .. }));
        let is_moot = !matches!(want, Want::Make { .. }) && answer.is_moot(verb);
        let outcome = match &answer {
            Answer::Done(_) => Ok(()),
            Answer::Refused { .. } if exists || is_moot => Ok(()),
            Answer::Refused { message, .. } | Answer::Unknown(message) => Err(message.clone()),
        };
        self.groups.grouping.answered(want, outcome, self.now.elapsed);
        // What the answer shows need not wait for the watch.
        match (want, answer) {
            (Want::Join { .. }, Answer::Done(value)) => {
                if let Ok(Object::Pod(pod)) = Object::read(Kind::Pod, &value) {
                    self.show(Shown::Pod(Box::new(Arc::unwrap_or_clone(pod))));
                }
            }
            (Want::Make { group, .. }, Answer::Done(value)) => {
                let key = format!("{}/{}", group.metadata.namespace, group.metadata.name);
                if self.intake.mirror.group(&key).is_none()
                    && let Ok(Object::PodGroup(group)) = Object::read(Kind::PodGroup, &value)
                {
                    self.apply_group(&group);
                }
            }
            _ => {}
        }
    }

    /// Creates the queues `root` and `default` where they are absent. Each is tried until it is there once: then it is
    /// whoever's who deletes it.
    fn make_queues(&mut self) {
        if !self.groups.serves_queues {
            return;
        }
        for (name, reclaimable) in QUEUES {
            if self.groups.queues.contains(name) || self.groups.queues_asked.contains(name) {
                continue;
            }
            if self.scheduler.cluster().knows_queue(name) {
                self.groups.queues.insert(name);
                continue;
            }
            self.groups.queues_asked.insert(name);
            self.send(Lane::Groups, Purpose::Queue(name), queue(name, reclaimable));
        }
    }

    /// The creation of a queue has been answered.
    pub(super) fn queue_made(&mut self, name: &'static str, request: Request, answer: Answer) {
        self.groups.queues_asked.remove(name);
        if matches!(answer, Answer::Done(_) | Answer::Refused { code: 409, .. }) {
            self.groups.queues.insert(name);
            return;
        }
        self.failed(request.to_string(), answer, "the queue is asked for again");
        self.groups.queues_asked.insert(name);
        let reclaimable = QUEUES.iter().any(|&(known, reclaimable)| known == name && reclaimable);
        let at = self.now.elapsed + QUEUE_AGAIN;
        self.send_at(at, Lane::Groups, Purpose::Queue(name), queue(name, reclaimable));
    }

    /// Is a PodGroup another scheduler's? If its pods say so; and if it has none, and a scheduler that admits PodGroups runs
    /// under another name.
    pub(super) fn is_foreign(&self, key: &str) -> bool {
        let mirror = &self.intake.mirror;
        mirror.is_others(key) && !self.scheduler.is_unanswered(key)
            || !mirror.is_ours(key)
                && self.groups.grouping.is_admitted_elsewhere(&self.plan.config.cluster.scheduler_names)
    }
}

fn queue(name: &str, reclaimable: bool) -> Request {
    let object = json!({
        "apiVersion": keys::SCHEDULING_V1BETA1, "kind": "Queue", "metadata": { "name": name },
        "spec": { "reclaimable": reclaimable, "weight": 1 },
    });
    Request::create(Kind::Queue, "", name, object)
}
