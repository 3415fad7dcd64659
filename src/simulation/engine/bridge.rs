//! The LeaderWorkerSet bridge's shell: each LeaderWorkerSet becomes a ModelServing of its name, and gets its status back.

use super::Simulation;
use crate::api::keys;
use crate::api::leader_worker_set::LeaderWorkerSet;
use crate::api::model_serving::ModelServing;
use crate::modelserving::lws;
use crate::simulation::store::{Actor, Key, Kind};
use serde_json::to_value;

/// Label of the pods of a LeaderWorkerSet, whoever made them.
const NAME: &str = "leaderworkerset.sigs.k8s.io/name";

impl Simulation {
    /// A LeaderWorkerSet is new or changed.
    pub(super) fn bridge(&mut self, key: &Key) {
        let Some(set) = self.typed::<LeaderWorkerSet>(key) else { return };
        if set.metadata.deletion_timestamp.is_some() {
            return;
        }
        let serving = Key::new(Kind::ModelServing, &key.namespace, &key.name);
        let old = self.store.get(&serving).is_some().then(|| self.typed::<ModelServing>(&serving)).flatten();
        if old.is_none() && self.is_run_elsewhere(key) {
            let message =
                "another controller runs it: its pods exist and belong to no ModelServing".to_owned();
            return self.note("controller", key, "Normal", "LeftAlone", message);
        }
        let Ok(mut object) = to_value(lws::model_serving(&set, old.as_ref())) else { return };
        if old.is_some() {
            let _ = self.store.set_spec(&serving, object["spec"].take(), Actor::Controller);
            return self.bridge_back(&serving);
        }
        object["apiVersion"] = keys::WORKLOAD_V1ALPHA1.into();
        object["kind"] = "ModelServing".into();
        if let Err(refusal) = self.store.create(object, Actor::Controller) {
            self.note("controller", key, "Warning", "WriteFailed", refusal.to_string());
        }
    }

    /// A ModelServing is new or changed: if it stands for a LeaderWorkerSet, that one's status follows.
    pub(super) fn bridge_back(&mut self, serving: &Key) {
        let key = Key::new(Kind::LeaderWorkerSet, &serving.namespace, &serving.name);
        let Some(uid) = self.store.get(&key).map(|set| set.uid().to_owned()) else { return };
        let (Some(set), Some(object)) =
            (self.typed::<LeaderWorkerSet>(&key), self.typed::<ModelServing>(serving))
        else {
            return;
        };
        if object.metadata.owner_references.iter().any(|owner| owner.uid == uid)
            && let Ok(status) = to_value(lws::status(&set, &object))
        {
            let _ = self.store.set_status(&key, status, Actor::Controller);
        }
    }

    /// Are there pods of the LeaderWorkerSet that no ModelServing owns?
    fn is_run_elsewhere(&self, key: &Key) -> bool {
        let pods = self.store.named(&Kind::Pod, &key.namespace, &key.name);
        let labels = |name: &str| format!("/metadata/labels/{}", name.replace('/', "~1"));
        pods.into_iter().any(|(_, pod)| {
            pod.text(&labels(NAME)) == &*key.name && pod.text(&labels(keys::MODEL_SERVING_NAME)).is_empty()
        })
    }
}
