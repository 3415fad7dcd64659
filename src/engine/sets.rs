//! LeaderWorkerSets: each becomes a ModelServing of its name, which it owns, and gets the status of that. One that another
//! controller runs is left alone: it has pods that belong to no ModelServing. A new one is given that controller's time to
//! begin.

use super::calls::{Lane, Purpose};
use super::kind::Kind;
use super::object::Object;
use super::output::{Note, Origin};
use super::request::{Answer, Request, Verb};
use super::serving::Key;
use super::{Engine, Pace};
use crate::api::keys;
use crate::api::leader_worker_set::{LeaderWorkerSet, LeaderWorkerSetStatus};
use crate::api::model_serving::{ModelServing, ModelServingSpec};
use crate::api::unsupported;
use crate::modelserving::lws;
use serde_json::{json, to_value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Label of the pods of a LeaderWorkerSet, whoever made them.
const NAME: &str = "leaderworkerset.sigs.k8s.io/name";
/// How long a new one waits for another controller to begin, and for the watch to show what was created.
const PATIENCE: Duration = Duration::from_secs(2);

/// LeaderWorkerSets, and what has been asked for them.
#[derive(Debug)]
pub(super) struct Sets {
    /// How long a new one waits.
    patience: Duration,
    sets: BTreeMap<Key, Set>,
    /// Those to look at.
    dirty: BTreeSet<Key>,
    /// Pods of LeaderWorkerSets that belong to no ModelServing, by namespace and name of the set.
    elsewhere: BTreeMap<Key, BTreeSet<String>>,
}

#[derive(Debug)]
struct Set {
    object: Arc<LeaderWorkerSet>,
    /// Not before this time.
    not_before: Duration,
    failures: u32,
    /// Is a request out?
    busy: bool,
    /// What was last asked of its ModelServing, and the generation that it had then: the API server may drop what its schema
    /// does not know, and would be asked for it for ever.
    asked: Option<(ModelServingSpec, i64)>,
    /// The status that was last written.
    told: Option<LeaderWorkerSetStatus>,
    /// What has been said about it, once each.
    said: BTreeSet<String>,
}

/// What to do about one.
enum Step {
    Nothing,
    Say { warning: bool, reason: &'static str, message: String },
    Ask(Box<Request>),
}

impl Sets {
    pub(super) fn new(pace: Pace) -> Self {
        let patience = if pace == Pace::AtOnce { Duration::ZERO } else { PATIENCE };
        Sets { patience, sets: BTreeMap::new(), dirty: BTreeSet::new(), elsewhere: BTreeMap::new() }
    }

    /// A LeaderWorkerSet, a ModelServing or a pod is new or changed.
    pub(super) fn apply(&mut self, object: &Object, now: Duration) {
        let metadata = object.metadata();
        let key = (metadata.namespace.clone(), metadata.name.clone());
        match object {
            Object::LeaderWorkerSet(set) => {
                match self.sets.get_mut(&key) {
                    Some(known) if known.object.metadata.uid == metadata.uid => known.object = set.clone(),
                    _ => {
                        let (object, not_before) = (set.clone(), now + self.patience);
                        let said = BTreeSet::new();
                        let new = Set {
                            object,
                            not_before,
                            failures: 0,
                            busy: false,
                            asked: None,
                            told: None,
                            said,
                        };
                        self.sets.insert(key.clone(), new);
                    }
                }
                self.dirty.insert(key);
            }
            Object::ModelServing(_) => self.mark(key),
            Object::Pod(pod) => {
                let Some(set) = pod.metadata.labels.get(NAME) else { return };
                let set = (key.0, set.clone());
                if !pod.metadata.labels.contains_key(keys::MODEL_SERVING_NAME) {
                    self.elsewhere.entry(set).or_default().insert(key.1);
                }
            }
            _ => {}
        }
    }

    /// An object is gone.
    pub(super) fn gone(&mut self, kind: Kind, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        match kind {
            Kind::LeaderWorkerSet => {
                self.sets.remove(&key);
                self.dirty.remove(&key);
            }
            Kind::ModelServing => self.mark(key),
            Kind::Pod => {
                let mut emptied = Vec::new();
                for (set, pods) in self.elsewhere.iter_mut().filter(|(set, _)| set.0 == namespace) {
                    if pods.remove(name) && pods.is_empty() {
                        emptied.push(set.clone());
                    }
                }
                for set in emptied {
                    self.elsewhere.remove(&set);
                    self.mark(set);
                }
            }
            _ => {}
        }
    }

    fn mark(&mut self, key: Key) {
        if self.sets.contains_key(&key) {
            self.dirty.insert(key);
        }
    }

    /// Has all of them looked at, whatever changed.
    pub(super) fn mark_all(&mut self) {
        self.dirty.extend(self.sets.keys().cloned());
    }

    /// When to look at the next.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        let waiting = self.dirty.iter().filter_map(|key| self.sets.get(key)).filter(|set| !set.busy);
        waiting.map(|set| set.not_before).min()
    }
}

impl Engine {
    /// Does what the next LeaderWorkerSet wants. False if none wants anything now.
    pub(super) fn serve_set(&mut self) -> bool {
        let now = self.now.elapsed;
        let sets = &self.families.sets;
        let is_due = |key: &&Key| sets.sets.get(*key).is_some_and(|set| !set.busy && set.not_before <= now);
        let Some(key) = sets.dirty.iter().find(is_due).cloned() else { return false };
        let step = self.next_step(&key);
        let Some(set) = self.families.sets.sets.get_mut(&key) else { return false };
        match step {
            Step::Nothing => _ = self.families.sets.dirty.remove(&key),
            Step::Say { warning, reason, message } => {
                set.said.insert(message.clone());
                let uid = set.object.metadata.uid.clone();
                let (namespace, name) = key;
                let (kind, component) = ("LeaderWorkerSet", "modelserving-controller");
                let api_version = keys::LEADER_WORKER_SET_V1.to_owned();
                let reason = reason.to_owned();
                self.note(Note {
                    api_version,
                    kind,
                    namespace,
                    name,
                    uid,
                    warning,
                    reason,
                    message,
                    component,
                    origin: Origin::Controller,
                });
            }
            Step::Ask(request) => {
                set.busy = true;
                self.send(Lane::Servings, Purpose::Set { set: key }, *request);
            }
        }
        true
    }

    fn next_step(&mut self, key: &Key) -> Step {
        let ending = self.families.serving.is_ending(&key.0);
        let elsewhere = self.families.sets.elsewhere.contains_key(key);
        let serving = self.families.serving.object(key);
        let Some(set) = self.families.sets.sets.get_mut(key) else { return Step::Nothing };
        if set.object.metadata.deletion_timestamp.is_some() || ending {
            return Step::Nothing;
        }
        let say = |set: &Set, warning: bool, reason: &'static str, message: String| {
            let is_news = !set.said.contains(&message);
            if is_news { Step::Say { warning, reason, message } } else { Step::Nothing }
        };
        let Some(serving) = serving else {
            if elsewhere {
                let message = "another controller runs it: its pods exist and belong to no ModelServing";
                return say(set, false, "LeftAlone", message.to_owned());
            }
            let mut asked = to_value(&set.object).unwrap_or_default();
            asked["apiVersion"] = keys::LEADER_WORKER_SET_V1.into();
            asked["kind"] = "LeaderWorkerSet".into();
            let mut fields = unsupported::notices(&asked).into_iter().map(|notice| notice.message);
            if let Some(field) = fields.find(|field| !set.said.contains(field)) {
                return say(set, true, "NotTranslated", field);
            }
            let mut object = to_value(lws::model_serving(&set.object, None)).unwrap_or_default();
            object["apiVersion"] = keys::WORKLOAD_V1ALPHA1.into();
            object["kind"] = "ModelServing".into();
            return Step::Ask(Box::new(Request::create(Kind::ModelServing, &key.0, &key.1, object)));
        };
        let owners = &serving.metadata.owner_references;
        if !owners.iter().any(|owner| owner.uid == set.object.metadata.uid) {
            let message = format!("ModelServing {} belongs to another owner; waiting for its name", key.1);
            return say(set, true, "NameConflict", message);
        }
        if serving.metadata.deletion_timestamp.is_some() {
            return Step::Nothing;
        }
        if let Some(request) = set.follow(serving) {
            return Step::Ask(Box::new(request));
        }
        let status = lws::status(&set.object, serving);
        if status == set.object.status || set.told.as_ref() == Some(&status) {
            return Step::Nothing;
        }
        let whole = json!({ "op": "add", "path": "/status", "value": to_value(&status).unwrap_or_default() });
        set.told = Some(status);
        let (kind, uid) = (Kind::LeaderWorkerSet, &set.object.metadata.uid);
        Step::Ask(Box::new(Request::json_patch(kind, &key.0, &key.1, "status", uid, vec![whole])))
    }

    /// What a LeaderWorkerSet asked for has been answered.
    pub(super) fn set_answered(&mut self, key: Key, request: Request, answer: Answer) {
        let now = self.now.elapsed;
        let exists = request.verb == Verb::Create && matches!(answer, Answer::Refused { code: 409, .. });
        let ok = matches!(answer, Answer::Done(_)) || answer.is_moot(request.verb);
        let patience = self.families.sets.patience;
        if let Some(set) = self.families.sets.sets.get_mut(&key) {
            set.busy = false;
            if ok && !exists {
                set.failures = 0;
                if request.verb == Verb::Create {
                    // The watch shows what was created.
                    set.not_before = now + patience;
                    if patience.is_zero() {
                        self.families.sets.dirty.remove(&key);
                        return;
                    }
                }
            } else {
                // 1, 2, 4 ... 32 s
                set.not_before = now + Duration::from_secs(1 << set.failures.min(5));
                set.failures += 1;
                (set.asked, set.told) = (None, None);
            }
            self.families.sets.dirty.insert(key);
        }
        if !ok {
            self.failed(request.to_string(), answer, "what a LeaderWorkerSet wants; it is asked for again");
        }
    }
}

impl Set {
    /// The request that makes its ModelServing what it says, if that differs.
    fn follow(&mut self, serving: &ModelServing) -> Option<Request> {
        let wanted = lws::model_serving(&self.object, Some(serving)).spec;
        let generation = serving.metadata.generation;
        let was_asked = |(spec, since): &(ModelServingSpec, i64)| *spec == wanted && generation <= *since + 1;
        if wanted == serving.spec || self.asked.as_ref().is_some_and(was_asked) {
            return None;
        }
        let whole =
            json!({ "op": "replace", "path": "/spec", "value": to_value(&wanted).unwrap_or_default() });
        self.asked = Some((wanted, generation));
        let metadata = &serving.metadata;
        let (namespace, name, uid) = (&metadata.namespace, &metadata.name, &metadata.uid);
        Some(Request::json_patch(Kind::ModelServing, namespace, name, "", uid, vec![whole]))
    }
}
