//! What objects ask for and do not get, told on the objects: one event for each text of an object, and for pods one for each
//! text of their controller. The texts are those that the simulator lists under WARNINGS and `explain` repeats.
//!
//! What an object says by itself is told when it is observed ([`unsupported`]). What it does not get because of other objects
//! ([`scheduler::notices`](crate::scheduler::notices)) is told once it has been found twice, half a minute apart: a
//! PriorityClass that comes a second after its PodGroup is not missing.

use super::object::Object;
use super::output::{Note, Origin};
use super::{Engine, Pace};
use crate::api::core::Pod;
use crate::api::keys;
use crate::api::meta::ObjectMeta;
use crate::api::time::Timestamp;
use crate::api::unsupported::{self, Notice};
use crate::scheduler::notices::{self, ObjectNotice};
use serde::Serialize;
use serde_json::to_value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Between two looks at what other objects make void.
const BETWEEN: Duration = Duration::from_secs(30);
/// A PodGroup has been without pods for so many seconds before that is told: its controller may be about to make them.
const PATIENCE: i64 = 600;
/// Objects that are remembered as told; beyond it all are forgotten, and told again at most.
const REMEMBERED: usize = 10_000;

/// What has been told.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// Texts by the uid of who is answerable: the controller of a pod, else the object.
    told: BTreeMap<String, BTreeSet<String>>,
    /// What the last look at the cluster found.
    found: BTreeSet<ObjectNotice>,
    looked: Option<Duration>,
}

impl Notices {
    /// Is this news for who is answerable?
    fn is_news(&mut self, answerable: &str, message: &str) -> bool {
        if self.told.len() >= REMEMBERED {
            self.told.clear();
        }
        self.told.entry(answerable.to_owned()).or_default().insert(message.to_owned())
    }
}

impl Engine {
    /// Tells of an object that was observed what it asks for and does not get. The simulator lists that by itself.
    pub(super) fn tell_notices(&mut self, object: &Object) {
        if self.plan.pace == Pace::AtOnce {
            return;
        }
        let found = match object {
            Object::Pod(pod) if self.plan.scheduler && self.is_to_be_placed(pod) => {
                of(object, &**pod, has_shares(pod))
            }
            Object::PodGroup(group) if self.plan.scheduler => of(object, &**group, false),
            Object::NativePodGroup(group) if self.plan.scheduler => of(object, &**group, true),
            Object::Queue(queue) if self.plan.scheduler => of(object, &**queue, true),
            Object::ModelServing(serving) if self.plan.model_serving => of(object, &**serving, true),
            _ => return,
        };
        if found.is_empty() {
            return;
        }
        let kind = object.kind();
        for notice in found {
            self.tell_notice(kind.api_version().to_owned(), kind.name(), object.metadata(), notice);
        }
    }

    /// Has the pod no node yet, and asks for this scheduler?
    fn is_to_be_placed(&self, pod: &Pod) -> bool {
        let ours = &self.plan.config.cluster.scheduler_names;
        pod.spec.node_name.as_deref().is_none_or(str::is_empty)
            && pod.spec.scheduler_name.as_ref().is_some_and(|name| ours.contains(name))
    }

    /// Tells what other objects make void, as far as it has lasted.
    pub(super) fn tell_cluster_notices(&mut self) {
        let now = self.now.elapsed;
        let is_due = self.telling.notices.looked.is_none_or(|at| at + BETWEEN <= now);
        if self.plan.pace == Pace::AtOnce || !is_due {
            return;
        }
        self.telling.notices.looked = Some(now);
        let found: BTreeSet<ObjectNotice> =
            notices::notices(self.scheduler.cluster()).into_iter().filter(|it| self.has_lasted(it)).collect();
        let lasting: Vec<ObjectNotice> = found.intersection(&self.telling.notices.found).cloned().collect();
        self.telling.notices.found = found;
        for ObjectNotice { kind, name, notice } in lasting {
            let (namespace, own) = name.split_once('/').unwrap_or(("", &name));
            let (api_version, uid) = match kind {
                "Pod" => ("v1", self.intake.mirror.pod(&name).map(|pod| pod.facts.pod.uid.clone())),
                _ => {
                    let group = self.intake.mirror.group(&name);
                    (keys::SCHEDULING_V1BETA1, group.map(|group| group.uid.clone()))
                }
            };
            let Some(uid) = uid else { continue };
            let metadata = ObjectMeta {
                namespace: namespace.to_owned(),
                name: own.to_owned(),
                uid,
                ..ObjectMeta::default()
            };
            self.tell_notice(api_version.to_owned(), kind, &metadata, notice);
        }
    }

    /// Is it not to be expected that this passes by itself?
    fn has_lasted(&self, found: &ObjectNotice) -> bool {
        let Timestamp(now) = self.now.timestamp();
        found.notice.code != "PodGroupWithoutPods"
            || self
                .intake
                .mirror
                .group(&found.name)
                .and_then(|group| group.created)
                .is_some_and(|Timestamp(created)| now - created >= PATIENCE)
    }

    fn tell_notice(&mut self, api_version: String, kind: &'static str, about: &ObjectMeta, notice: Notice) {
        let controller = about.owner_references.iter().find(|owner| owner.controller == Some(true));
        let answerable = controller.map_or(&about.uid, |owner| &owner.uid);
        if !self.telling.notices.is_news(answerable, &notice.message) {
            return;
        }
        self.note(Note {
            api_version,
            kind,
            namespace: about.namespace.clone(),
            name: about.name.clone(),
            uid: about.uid.clone(),
            warning: true,
            reason: notice.code.to_owned(),
            message: notice.message,
            component: "phalanx",
            origin: Origin::Notice,
        });
    }
}

/// What an object says by itself. Most have no mark that could matter and nothing `more`, and are not looked at any closer.
fn of(object: &Object, inner: &impl Serialize, more: bool) -> Vec<Notice> {
    if !more && !unsupported::may_have_any(object.metadata()) {
        return Vec::new();
    }
    let kind = object.kind();
    let mut value = to_value(inner).unwrap_or_default();
    (value["apiVersion"], value["kind"]) = (kind.api_version().into(), kind.name().into());
    unsupported::notices(&value)
}

/// Does a container ask for a share of a device?
fn has_shares(pod: &Pod) -> bool {
    let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let mut resources = containers.map(|container| &container.resources);
    resources.any(|it| it.requests.keys().chain(it.limits.keys()).any(|name| unsupported::is_share(name)))
}
