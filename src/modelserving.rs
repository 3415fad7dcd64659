//! The ModelServing controller: turns a ModelServing into ServingGroups of leader and worker pods with one PodGroup each,
//! keeps them running, rolls them and reports on them.
//!
//! [`reconcile`] is a pure, level-triggered function of the object and of what exists. It remembers nothing: ServingGroups
//! and role replicas are derived from names, labels, deletionTimestamps and conditions each time, so that a restart between
//! any two of its changes leads to the same place. Behaviour follows Kthena (`pkg/model-serving-controller`); where it
//! differs, the comment beside it says so.
//!
//! | file | owns |
//! | --- | --- |
//! | `observed`, `groups`, `assess` | what exists; role replicas and ServingGroups; what they are worth |
//! | `settings`, `defaults`, `validate` | the spec: in numbers, completed, checked |
//! | `revision`, `adopt`, `history` | hashes; what labels mean, ours or not; ControllerRevisions |
//! | `scale`, `rollout`, `recovery` | who comes, who goes, who is replaced |
//! | `replicas`, `pods`, `podgroup`, `plugins` | inside a ServingGroup; the objects |
//! | `status`, `conditions`, `selector`, `events` | what is reported |
//! | `plan`, `change` | the order of writes; their form |
//! | `lws` | LeaderWorkerSets as ModelServings |

mod adopt;
mod assess;
mod change;
mod conditions;
mod events;
pub mod family;
mod groups;
mod history;
pub mod names;
mod observed;
mod plan;
pub mod plugins;
mod podgroup;
mod pods;
mod recovery;
mod replicas;
mod revision;
mod rollout;
mod scale;
mod selector;
pub mod settings;
mod status;
#[cfg(test)]
mod tests;

pub use change::{Change, Created, Event, Kind, Outcome};
pub use events::Memory;
pub use observed::{
    Capabilities, ObjectRef, Observed, ObservedPod, ObservedPodGroup, ObservedRevision, ObservedService,
    failing_since,
};
pub use revision::{is_own_hash, role_hash, roles_hash};

use crate::api::model_serving::ModelServing;
use crate::api::time::Timestamp;
use assess::{Assessed, Context};
use events::Phase;
use plan::Plan;
use podgroup::Gang;
use rollout::Unit;
use scale::{Candidate, State};
use settings::Strategy;
use std::collections::BTreeMap;

/// What to do about a ModelServing now. The object needs its uid; everything it owns is recognised by that.
pub fn reconcile(object: &ModelServing, observed: &Observed<'_>, now: Timestamp) -> Outcome {
    if object.metadata.deletion_timestamp.is_some() {
        // The garbage collector takes what it owns; anything created now would race with it.
        return Outcome::default();
    }
    let context = Context::new(object, observed, now);
    let mut plan = Plan::default();
    let groups = context.assess();
    let going = plan_groups(&context, &groups, &mut plan);
    let planned = additions(&context, &groups);

    let ready = history::ensure(&context, &mut plan);
    let staying = groups.iter().filter(|group| !group.deleting && !going.contains(&group.ordinal));
    let mut gangs: BTreeMap<String, Gang<'_>> = BTreeMap::new();
    for assessed in staying.chain(planned.iter().filter(|_| ready)) {
        let roles = context.roles(assessed);
        let revision = roles.first().map_or("", |role| role.revision);
        if !gangs.contains_key(revision) {
            gangs.insert(revision.to_owned(), Gang::new(&context, &roles));
        }
        replicas::plan_group(&context, assessed, &gangs[revision], &mut plan);
        if assessed.group.is_none() {
            let name = names::group(context.name(), assessed.ordinal);
            plan.events.push(events::group(Phase::Creating, &name, ""));
        }
    }
    remove_leftovers(&context, &planned, &mut plan);

    let status = status::status(&context, &groups, &planned, &mut plan);
    history::clean_up(&context, &status, &mut plan);
    let memory = running(&context, &groups, &mut plan);
    let events = plan.take_events(&context);
    let wake_at = plan.wake_at;
    let status = (status != object.status).then_some(status);
    Outcome { changes: plan.into_changes(), status, wake_at, events, memory }
}

/// ServingGroups that go now: lost ones, surplus ones, and those whose turn it is in a rollout.
fn plan_groups(context: &Context<'_>, groups: &[Assessed<'_>], plan: &mut Plan) -> Vec<u32> {
    let settings = &context.settings;
    let mut going: Vec<(u32, &str)> = Vec::new();
    for assessed in groups {
        if !assessed.deleting && recovery::group_is_lost(context, assessed, plan) {
            going.push((assessed.ordinal, "a pod was lost"));
        }
    }
    let existing: Vec<&Assessed<'_>> =
        groups.iter().filter(|group| !going.iter().any(|(ordinal, _)| *ordinal == group.ordinal)).collect();

    let candidates: Vec<Candidate> = groups
        .iter()
        .map(|group| Candidate {
            ordinal: group.ordinal,
            state: match () {
                () if group.deleting || is_half_gone(context, group) => State::Going,
                () if going.iter().any(|(ordinal, _)| *ordinal == group.ordinal) => State::Going,
                () if group.available => State::Running,
                () => State::NotRunning,
            },
            cost: group.group.map_or(0, groups::Group::deletion_cost),
        })
        .collect();
    let expected = expected(context, groups);
    let surplus = scale::victims(&candidates, expected as usize, settings.partition as usize);
    for ordinal in &surplus {
        if !going.iter().any(|(gone, _)| gone == ordinal) {
            going.push((*ordinal, "scaled down"));
        }
    }
    if settings.strategy == Strategy::ServingGroup {
        let left: Vec<&Assessed<'_>> =
            existing.into_iter().filter(|group| !surplus.contains(&group.ordinal)).collect();
        let units = units(context, groups, &left);
        let outdated = rollout::choose(&units, settings.replicas, Some(settings.max_unavailable));
        going.extend(outdated.into_iter().map(|ordinal| (ordinal, "updated")));
    }
    for (ordinal, why) in &going {
        if let Some(group) = groups.iter().find(|group| group.ordinal == *ordinal) {
            delete_group(context, group, why, plan);
        }
    }
    // What is going anyway is helped along: its Services go last.
    for group in groups.iter().filter(|group| group.deleting) {
        delete_group(context, group, "", plan);
    }
    going.into_iter().map(|(ordinal, _)| ordinal).collect()
}

/// ServingGroups that should exist: more than `replicas` while there are outdated ones to trade for them.
fn expected(context: &Context<'_>, groups: &[Assessed<'_>]) -> u32 {
    let settings = &context.settings;
    let staying: Vec<&Assessed<'_>> = groups.iter().filter(|group| !group.deleting).collect();
    let surge = settings.strategy == Strategy::ServingGroup
        && rollout::in_progress(&units(context, groups, &staying));
    settings.replicas.saturating_add(if surge { settings.max_surge } else { 0 })
}

/// These groups as the rollout sees them. The partition counts positions in the list of all, those that are being created
/// included.
fn units(context: &Context<'_>, all: &[Assessed<'_>], of: &[&Assessed<'_>]) -> Vec<Unit> {
    let partition = context.settings.partition as usize;
    let existing: Vec<u32> = all.iter().map(|group| group.ordinal).collect();
    let mut front = [scale::additions(context.settings.replicas, &existing), existing].concat();
    front.sort_unstable();
    front.truncate(partition);
    let unit = |group: &&Assessed<'_>| Unit {
        ordinal: group.ordinal,
        outdated: group.outdated,
        available: group.available,
        protected: front.binary_search(&group.ordinal).is_ok(),
    };
    of.iter().filter(|group| !group.deleting).map(unit).collect()
}

/// ServingGroups to create: gaps first. One that is going keeps its name, and its place, until nothing of it is left.
fn additions<'c>(context: &'c Context<'_>, groups: &[Assessed<'_>]) -> Vec<Assessed<'c>> {
    let existing: Vec<u32> = groups.iter().map(|group| group.ordinal).collect();
    let ordinals = scale::additions(expected(context, groups), &existing);
    ordinals.into_iter().map(|ordinal| context.planned(ordinal)).collect()
}

/// Was its deletion interrupted? The PodGroup is gone and pods are going.
fn is_half_gone(context: &Context<'_>, assessed: &Assessed<'_>) -> bool {
    let Some(group) = assessed.group else { return false };
    let terminating = group.replicas.iter().any(|replica| replica.terminating > 0);
    terminating && group.live_pod_group().is_none() && replicas::in_gang(context, Some(group))
}

/// Deletes a group: PodGroup, pods, Services, in this order.
fn delete_group(context: &Context<'_>, assessed: &Assessed<'_>, why: &str, plan: &mut Plan) {
    let Some(group) = assessed.group else { return };
    if !assessed.deleting {
        let name = names::group(context.name(), assessed.ordinal);
        if group.live_pods().next().is_some() {
            plan.events.push(events::group(Phase::Deleting, &name, why));
        }
    }
    if let Some(pod_group) = group.pod_group {
        plan.delete(Kind::PodGroup, &pod_group.object);
    }
    for replica in &group.replicas {
        for member in &replica.pods {
            plan.delete(Kind::Pod, &member.pod.object);
        }
    }
    for service in group.replicas.iter().filter_map(|replica| replica.service) {
        plan.delete(Kind::Service, &service.object);
    }
}

/// Services of groups that are gone and do not come back.
fn remove_leftovers(context: &Context<'_>, planned: &[Assessed<'_>], plan: &mut Plan) {
    for group in context.groups.list.iter().filter(|group| !group.exists() && !group.is_deleting()) {
        if !planned.iter().any(|planned| planned.ordinal == group.ordinal) {
            for service in group.replicas.iter().filter_map(|replica| replica.service) {
                plan.delete(Kind::Service, &service.object);
            }
        }
    }
}

/// Which role replicas run now; emits events for those that did not at the last call, and for those that did.
fn running(context: &Context<'_>, groups: &[Assessed<'_>], plan: &mut Plan) -> Memory {
    let mut running = Vec::new();
    for assessed in groups.iter().filter(|group| !group.deleting) {
        let Some(group) = assessed.group else { continue };
        let roles = context.roles(assessed);
        for replica in &group.replicas {
            let revised = roles.iter().find(|revised| revised.role.name == replica.role);
            let Some(&revised) = revised else { continue };
            if context.is_running(replica, revised) {
                running.push((group.ordinal, replica.role.to_owned(), replica.ordinal));
            }
        }
    }
    if let Some(memory) = context.observed.memory {
        for key in &running {
            if memory.running.binary_search(key).is_err() {
                let group = names::group(context.name(), key.0);
                plan.events.push(events::role(Phase::Running, &group, &key.1, key.2));
            }
        }
        for key in &memory.running {
            let group = context.groups.get(key.0);
            let replica = group.and_then(|group| group.replica(&key.1, key.2));
            let failing = replica.is_some_and(|r| r.live > 0 && r.terminating == 0);
            if failing && running.binary_search(key).is_err() {
                let group = names::group(context.name(), key.0);
                plan.events.push(events::role(Phase::Creating, &group, &key.1, key.2));
            }
        }
    }
    Memory { running }
}
