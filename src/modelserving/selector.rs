//! The selector of the scale subresource: exactly one pod of each ServingGroup, so that an autoscaler's average per pod is an
//! average per group.
//!
//! As upstream's it names the entry pod of replica 0 of the first role. Where scaling a role down has taken that replica
//! from some group, it would find nothing there; then one entry pod of each group is labelled as its representative, and
//! the selector asks for that label.

use super::assess::{Assessed, Context};
use super::change::{Change, Kind};
use super::groups::{Group, Member, Replica};
use super::names;
use super::plan::Plan;
use super::settings::{Recovery, role_replicas};
use crate::api::keys;
use crate::api::model_serving::Role;
use std::collections::{BTreeMap, BTreeSet};

/// The selector; labels representatives where it takes some.
pub(crate) fn selector(context: &Context<'_>, groups: &[Assessed<'_>], plan: &mut Plan) -> String {
    let name = context.name();
    let Some(role) = leading_role(context) else {
        return format!("{}={name}", keys::MODEL_SERVING_NAME);
    };
    let by_ordinal = format!(
        "{}=true,{}={name},{}={},{}={}",
        keys::MODEL_SERVING_ENTRY,
        keys::MODEL_SERVING_NAME,
        keys::MODEL_SERVING_ROLE_ID,
        names::role_id(&role.name, 0),
        keys::MODEL_SERVING_ROLE,
        role.name,
    );
    let groups = || groups.iter().filter_map(|assessed| assessed.group.filter(|_| !assessed.deleting));
    let recovery = context.settings.recovery;
    // While a replica 0 is being recreated the ordinal still tells; with others and without it, it does not.
    let gap = groups()
        .any(|group| is_gap(context, group) && !is_created(context, plan, group.ordinal, &role.name))
        || context.settled().any(|(_, settled)| settled.gap);
    if !gap {
        return by_ordinal;
    }
    let mut created = entry_pods(context, plan, &role.name);
    let going: BTreeSet<String> = plan.deletes.iter().map(|change| change.name().to_owned()).collect();
    let stays = |member: &&Member<'_>| !going.contains(&member.pod.object.name);
    let unknown = context.settled().filter(|(_, settled)| !settled.represented);
    plan.unrepresented = unknown.map(|(ordinal, _)| ordinal).collect();
    for group in groups() {
        let before = plan.patches.len();
        let whole = |replica: &&Replica<'_>| {
            // Where pods come back one by one, the entry pod is all that counts.
            let alone = recovery == Recovery::Pod;
            !replica.is_deleting(recovery) && (alone || replica.live_pods().all(|pod| stays(&pod)))
        };
        let pods = group.of_role(&role.name).filter(whole).flat_map(Replica::live_pods).filter(stays);
        let entries: Vec<&Member<'_>> = pods.filter(|member| member.key.index == 0).collect();
        let labelled = entries.iter().find(|member| member.pod.representative);
        let chosen = labelled.or(entries.first()).map(|member| member.key);
        if chosen.is_some() {
            created.remove(&group.ordinal);
        }
        for member in group.live_pods().filter(stays) {
            let wanted = Some(member.key) == chosen;
            if wanted != member.pod.representative {
                let value = wanted.then(|| "true".to_owned());
                plan.patches.push(Change::Patch {
                    kind: Kind::Pod,
                    name: member.pod.object.name.clone(),
                    uid: member.pod.object.uid.clone(),
                    labels: BTreeMap::from([(keys::MODEL_SERVING_REPRESENTATIVE.to_owned(), value)]),
                    annotations: BTreeMap::new(),
                });
            }
        }
        if plan.patches.len() == before {
            plan.represented.insert(group.ordinal);
        }
    }
    for at in created.into_values() {
        if let Change::Create(created) = &mut plan.pods[at] {
            created.represent();
        }
    }
    format!("{}={name},{}=true", keys::MODEL_SERVING_NAME, keys::MODEL_SERVING_REPRESENTATIVE)
}

/// Has the group pods of the leading role, and none in its replica 0?
pub(crate) fn is_gap(context: &Context<'_>, group: &Group<'_>) -> bool {
    leading_role(context).is_some_and(|role| {
        let mut replicas = group.of_role(&role.name).filter(|replica| !replica.pods.is_empty());
        replicas.next().is_some_and(|first| first.ordinal > 0)
    })
}

/// The entry pod of this role that is being created in each group, the lowest ordinal first: where it is in the plan.
fn entry_pods(context: &Context<'_>, plan: &Plan, role: &str) -> BTreeMap<u32, usize> {
    let mut entries = BTreeMap::new();
    for (at, change) in plan.pods.iter().enumerate() {
        if let Some(key) = names::parse_pod(context.name(), change.name())
            && key.role == role
            && key.index == 0
        {
            entries.entry(key.group).or_insert(at);
        }
    }
    entries
}

/// Is replica 0 of the role being created in this group?
fn is_created(context: &Context<'_>, plan: &Plan, group: u32, role: &str) -> bool {
    let entry = names::pod(context.name(), group, role, 0, 0);
    plan.pods.iter().any(|change| change.name() == entry)
}

/// The role whose pods the scale selector counts: the first that has any.
fn leading_role<'a>(context: &Context<'a>) -> Option<&'a Role> {
    let roles = context.settings.roles;
    roles.iter().find(|role| role_replicas(role) > 0).or(roles.first())
}
