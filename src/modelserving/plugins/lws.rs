//! `lws-standard-labels` and `lws-standard-env`: what pods of a LeaderWorkerSet carry, for ModelServings that a
//! LeaderWorkerSet owns. Source: kubernetes-sigs/lws `api/leaderworkerset/v1`. The labels are upstream's plugin; the
//! environment is ours, without which manifests that use `$(LWS_LEADER_ADDRESS)` do not run.

use super::{Plugin, PodContext, PodDraft};
use crate::api::keys;
use crate::modelserving::{names, settings};
use serde_json::Value;

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

impl Plugin for StandardLabels {
    fn name(&self) -> &'static str {
        "lws-standard-labels"
    }

    fn pod_created(
        &self,
        _: Option<&Value>,
        pod: &PodContext<'_>,
        draft: &mut PodDraft,
    ) -> Result<(), String> {
        let Some(owner) = owner(pod) else { return Ok(()) };
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
