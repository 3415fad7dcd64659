//! ControllerRevisions: each holds the roles of one revision, so that groups which keep it can be completed and recreated.
//! Their data is immutable to the API server; replica counts, which no revision covers, follow in an annotation.

use super::assess::Context;
use super::change::{Change, Kind};
use super::names;
use super::observed::Uid;
use super::plan::Plan;
use super::pods;
use crate::api::keys;
use crate::api::model_serving::ModelServingStatus;
use serde_json::json;
use std::collections::BTreeMap;

/// Sees to it that the revision of the spec is on record. Until it is, nothing may be created that refers to it: `false` if
/// it cannot be now.
pub(crate) fn ensure(context: &Context<'_>, plan: &mut Plan) -> bool {
    let name = names::revision(context.name(), &context.revisions.update);
    if plan.is_foreign(context, Kind::ControllerRevision, &name) {
        return false;
    }
    let newest = context.observed.revisions.iter().map(|revision| revision.number).max().unwrap_or(0);
    let Some(known) = context.revisions.find(&context.revisions.update) else {
        plan.revisions.push(pods::controller_revision(context, newest + 1));
        return true;
    };
    if known.object.deleting {
        return false;
    }
    if known.likeness != context.revisions.likeness {
        // Its name is right and its content is not: the status vouches for the name. Written anew, it can be compared.
        let (name, uid) = (known.object.name.clone(), known.object.uid.clone());
        plan.revisions.push(Change::Delete { kind: Kind::ControllerRevision, name, uid });
        plan.revisions.push(pods::controller_revision(context, newest + 1));
        return true;
    }
    let counts = |roles: &[crate::api::model_serving::Role]| -> BTreeMap<String, i32> {
        roles.iter().map(|role| (role.name.clone(), role.replicas.unwrap_or(1))).collect()
    };
    let wanted = counts(context.settings.roles);
    if known.roles.as_deref().map(counts).as_ref() != Some(&wanted) {
        plan.revisions.push(Change::Patch {
            kind: Kind::ControllerRevision,
            name: known.object.name.clone(),
            uid: known.object.uid.clone(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::from([(
                keys::MODEL_SERVING_ROLE_REPLICAS.to_owned(),
                Some(json!(wanted).to_string()),
            )]),
        });
    }
    true
}

/// Deletes ControllerRevisions that nothing refers to: not the status, and no pod. (Upstream keeps the two of the status, and
/// so forgets what a protected role replica runs.)
pub(crate) fn clean_up(context: &Context<'_>, status: &ModelServingStatus, plan: &mut Plan) {
    let observed = context.observed;
    let is_used = |label: &str| {
        [&status.current_revision, &status.update_revision].into_iter().any(|of_status| of_status == label)
            || plan.revisions_used.contains(label)
            || observed.pods.iter().any(|pod| pod.revision == label)
            || context.settled().any(|(_, settled)| settled.labels.iter().any(|of_pod| of_pod == label))
    };
    let uid = Uid::from(context.object.metadata.uid.as_str());
    let unused: Vec<Change> = observed
        .revisions
        .iter()
        .filter(|revision| revision.object.is_of(context.name(), &uid) && !revision.object.deleting)
        .filter(|revision| !is_used(&revision.revision))
        .map(|revision| Change::Delete {
            kind: Kind::ControllerRevision,
            name: revision.object.name.clone(),
            uid: revision.object.uid.clone(),
        })
        .collect();
    plan.cleanup.extend(unused);
}
