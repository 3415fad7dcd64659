//! `lws-standard-labels` and `lws-standard-env`: what pods of a LeaderWorkerSet carry, for ModelServings that a
//! LeaderWorkerSet owns. Source: kubernetes-sigs/lws `api/leaderworkerset/v1`. The labels are upstream's plugin; the
//! environment is ours, without which manifests that use `$(LWS_LEADER_ADDRESS)` do not run.

use super::{Plugin, PodContext, PodDraft};
use crate::api::keys;
use crate::modelserving::{names, settings};
use serde_json::{Value, json};

pub(super) struct StandardLabels;
pub(super) struct Environment;

/// The LeaderWorkerSet that owns the ModelServing.
fn owner<'a>(pod: &PodContext<'a>) -> Option<&'a str> {
    let owner = pod.object.metadata.owner_references.iter().find(|owner| owner.kind == "LeaderWorkerSet")?;
    Some(&owner.name)
}

/// A value that the pods of one group share, and no others.
fn group_key(owner: &str, group: u32) -> String {
    sha1_smol::Sha1::from(format!("{owner}-{group}")).digest().to_string()
}

/// One domain for the group, and no other group in it: the affinity that LeaderWorkerSet's webhook gives to leaders, and
/// that their workers follow.
fn keep_alone(draft: &mut PodDraft, topology_key: &str, group: &str) {
    let term = |expressions: Value| json!({ "topologyKey": topology_key, "labelSelector": { "matchExpressions": expressions } });
    let own = json!([{ "key": keys::LWS_GROUP_KEY, "operator": "In", "values": [group] }]);
    let others = json!([
        { "key": keys::LWS_GROUP_KEY, "operator": "Exists" },
        { "key": keys::LWS_GROUP_KEY, "operator": "NotIn", "values": [group] },
    ]);
    let affinity = draft.spec.entry("affinity").or_insert_with(|| json!({}));
    for (side, expressions) in [("podAffinity", own), ("podAntiAffinity", others)] {
        let terms = &mut affinity[side]["requiredDuringSchedulingIgnoredDuringExecution"];
        match terms.as_array_mut() {
            Some(terms) => terms.push(term(expressions)),
            None => *terms = json!([term(expressions)]),
        }
    }
}

impl Plugin for StandardLabels {
    fn name(&self) -> &'static str {
        "lws-standard-labels"
    }

    fn pod_created(
        &self,
        config: Option<&Value>,
        pod: &PodContext<'_>,
        draft: &mut PodDraft,
    ) -> Result<(), String> {
        let Some(owner) = owner(pod) else { return Ok(()) };
        if let Some(topology_key) = config.and_then(|config| config.get("exclusiveTopology")?.as_str()) {
            keep_alone(draft, topology_key, &group_key(owner, pod.key.group));
        }
        let labels = [
            (keys::LWS_NAME, owner.to_owned()),
            (keys::LWS_GROUP_INDEX, pod.key.group.to_string()),
            (keys::LWS_WORKER_INDEX, pod.key.index.to_string()),
            (keys::LWS_GROUP_KEY, group_key(owner, pod.key.group)),
        ];
        draft.labels.extend(labels.map(|(key, value)| (key.to_owned(), value)));
        Ok(())
    }
}

impl Plugin for Environment {
    fn name(&self) -> &'static str {
        "lws-standard-env"
    }

    fn pod_created(
        &self,
        _: Option<&Value>,
        pod: &PodContext<'_>,
        draft: &mut PodDraft,
    ) -> Result<(), String> {
        if owner(pod).is_none() {
            return Ok(());
        }
        let metadata = &pod.object.metadata;
        let entry = names::pod(&metadata.name, pod.key.group, pod.key.role, pod.key.replica, 0);
        draft.set_environment(&[
            (keys::ENV_LWS_LEADER_ADDRESS, format!("{entry}.{}", metadata.namespace)),
            (keys::ENV_LWS_GROUP_SIZE, settings::role_pods(pod.role).to_string()),
            (keys::ENV_LWS_WORKER_INDEX, pod.key.index.to_string()),
        ]);
        Ok(())
    }
}
