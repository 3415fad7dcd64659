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
//! | `family`, `settled` | the cache of what exists; ServingGroups that need no look |
//! | `settings`, `defaults`, `validate` | the spec: in numbers, completed, checked |
//! | `revision`, `adopt`, `history` | Kthena's hashes; what labels mean, whoever wrote them; ControllerRevisions |
//! | `scale`, `rollout`, `recovery` | who comes, who goes, who is replaced |
//! | `replicas`, `pods`, `shared_template`, `podgroup`, `plugins` | inside a ServingGroup; the objects |
//! | `status`, `conditions`, `selector`, `events` | what is reported |
//! | `plan`, `change` | the order of writes; their form |
//! | `lws` | LeaderWorkerSets as ModelServings |

mod adopt;
mod assess;
mod change;
pub mod conditions;
mod defaults;
mod events;
pub mod family;
mod groups;
mod history;
pub mod lws;
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
mod settled;
mod shared_template;
mod status;
#[cfg(test)]
mod tests;
pub mod validate;

pub use adopt::RoleKey;
pub use change::{Change, Created, Event, Kind, Outcome};
pub use defaults::default;
pub use events::Memory;
pub use observed::{
    Capabilities, ObjectRef, Observed, ObservedPod, ObservedPodGroup, ObservedRevision, ObservedService, Uid,
    failing_since,
};
pub use revision::{role_hash, roles_hash};
pub use settled::Settled;
pub use validate::validate;

use crate::api::model_serving::{ModelServing, ModelServingStatus};
use crate::api::time::Timestamp;
use assess::{Assessed, Context};
use events::Phase;
use plan::Plan;
use podgroup::Gang;
use rollout::Unit;
use scale::{Candidate, State};
use settings::Strategy;
use std::collections::{BTreeMap, BTreeSet};

/// What to do about a ModelServing now. The object needs its uid; everything it owns is recognised by that.
pub fn reconcile(object: &ModelServing, observed: &Observed<'_>, now: Timestamp) -> Outcome {
    if object.metadata.deletion_timestamp.is_some() || observed.ending {
        // The garbage collector takes what it owns; anything created now would race with it, or be refused.
        return Outcome::default();
    }
    if let Some(excess) = settings::Settings::of(object).excess() {
        return held(object, observed, "TooManyPods", excess, now);
    }
    let judged = validate::judge(object);
    if !judged.refused.is_empty() {
        let errors: Vec<String> = judged.refused.iter().map(ToString::to_string).collect();
        return held(object, observed, "InvalidSpec", format!("is not valid: {}", errors.join("; ")), now);
    }
    let sorted = groups::Sorted::new(object, observed);
    let context = Context::new(object, observed, &sorted, now);
    let groups = context.assess();
    let mut ending = BTreeSet::new();
    let step = loop {
        let known = ending.len();
        let step = step(&context, &groups, &mut ending);
        if ending.len() == known {
            break step;
        }
    };
    let Step { mut plan, memory, decision, planned, untouched } = step;
    let look: Vec<u32> = groups
        .iter()
        .filter(|group| group.settled.is_some() && decision.going.contains_key(&group.ordinal))
        .map(|group| group.ordinal)
        .collect();
    if !look.is_empty() {
        return Outcome { look, ..Outcome::default() };
    }
    remove_leftovers(&context, &mut plan);
    for &(kind, orphan) in &sorted.orphans {
        let (name, uid) = (orphan.name.clone(), orphan.uid.clone());
        let owner = pods::owner_reference(object, kind != Kind::PodGroup);
        plan.adopted.push(Change::Adopt { kind, name, uid, owner });
    }
    for error in judged.tolerated {
        plan.trouble("InvalidSpec", error.to_string());
    }
    if let Some(refused) = observed.refused {
        plan.trouble("FailedCreate", refused.to_owned());
    }

    let status = status::status(&context, &groups, &decision, &planned, &mut plan);
    if !plan.unrepresented.is_empty() {
        return Outcome { look: plan.unrepresented, ..Outcome::default() };
    }
    history::clean_up(&context, &status, &mut plan);
    let settled = untouched.into_iter().filter_map(|assessed| {
        let represented = plan.represented.contains(&assessed.ordinal);
        Some((assessed.ordinal, Settled::of(&context, assessed, represented)?))
    });
    let settled = if status::is_unanswered(&context) { Vec::new() } else { settled.collect() };
    let events = plan.take_events(&context);
    let wake_at = plan.wake_at;
    let status = (status != object.status).then_some(status);
    Outcome { changes: plan.into_changes(), status, wake_at, events, memory, settled, look: Vec::new() }
}

/// An object that is not carried out: what exists stays as it is, and its conditions and one event say why.
fn held(
    object: &ModelServing,
    observed: &Observed<'_>,
    reason: &'static str,
    message: String,
    now: Timestamp,
) -> Outcome {
    let generation = object.metadata.generation;
    let conditions = conditions::held(&object.status.conditions, reason, &message, generation, now);
    let is_known = object.status.conditions.iter().any(|condition| condition.message == message);
    let events = if is_known { Vec::new() } else { vec![events::trouble(reason, message)] };
    let status = ModelServingStatus { conditions, observed_generation: generation, ..object.status.clone() };
    let status = (status != object.status).then_some(status);
    Outcome { status, events, memory: observed.memory.cloned().unwrap_or_default(), ..Outcome::default() }
}

/// What one look at all ServingGroups leads to.
struct Step<'c, 'g> {
    plan: Plan,
    memory: Memory,
    decision: Decision,
    /// The groups that come.
    planned: Vec<Assessed<'c>>,
    /// Groups that were looked into, and in which nothing is to be done.
    untouched: Vec<&'g Assessed<'g>>,
}

/// Decides about all groups and plans each of them. Groups that turn out to lose their last pod by that, with no PodGroup to
/// hold their place, go to `ending`. They are a reason for surge no more, so everything is to be decided again with that known.
fn step<'c, 'g>(
    context: &'c Context<'_>,
    groups: &'g [Assessed<'g>],
    ending: &mut BTreeSet<u32>,
) -> Step<'c, 'g> {
    let mut plan = Plan::default();
    let memory = events::running(context, groups, &mut plan);
    let decision = decide(context, groups, ending, &mut plan);
    let going = &decision.going;
    let planned: Vec<Assessed<'c>> =
        decision.coming.iter().map(|&ordinal| context.planned(ordinal)).collect();

    let ready = history::ensure(context, &mut plan);
    let mut untouched = Vec::new();
    let looked_into = groups.iter().filter(|group| group.settled.is_none());
    let staying = looked_into.filter(|group| !group.deleting && !going.contains_key(&group.ordinal));
    let staying = staying.map(|assessed| (assessed, Some(assessed)));
    let coming = planned.iter().filter(|_| ready).map(|assessed| (assessed, None));
    let mut gangs: BTreeMap<String, Gang<'_>> = BTreeMap::new();
    for (assessed, existing) in staying.chain(coming) {
        let extent = plan.extent();
        let roles: Vec<assess::RevisedRole<'_>> = context.roles(assessed).collect();
        let revision = roles.first().map_or("", |role| role.revision);
        if !gangs.contains_key(revision) {
            gangs.insert(revision.to_owned(), Gang::new(context, &roles));
        }
        if replicas::plan_group(context, assessed, &gangs[revision], &mut plan) {
            ending.insert(assessed.ordinal);
        }
        if assessed.group.is_none() {
            let name = names::group(context.name(), assessed.ordinal);
            plan.events.push(events::group(Phase::Creating, &name, ""));
        }
        untouched.extend(existing.filter(|_| plan.extent() == extent));
    }
    Step { plan, memory, decision, planned, untouched }
}

/// Which ServingGroups go, and why; which come.
struct Decision {
    going: BTreeMap<u32, &'static str>,
    coming: Vec<u32>,
}

/// Lost groups go, then surplus ones, then those whose turn it is in a rollout. Gaps are filled. A group that is going keeps
/// its name, and its place, until nothing of it is left. Those that are `ending` count as going, and lose their pods by what
/// happens inside them unless they are surplus as well.
fn decide(
    context: &Context<'_>,
    groups: &[Assessed<'_>],
    ending: &BTreeSet<u32>,
    plan: &mut Plan,
) -> Decision {
    let settings = &context.settings;
    let mut going: BTreeMap<u32, &'static str> = ending.iter().map(|&ordinal| (ordinal, "")).collect();
    for assessed in groups {
        if !assessed.deleting && recovery::group_is_lost(context, assessed, plan) {
            going.insert(assessed.ordinal, "a pod was lost");
        }
    }
    // Again while something goes: with the last outdated group goes the reason for any surplus.
    let expected = loop {
        let before = going.len();
        let expected = scale_down(context, groups, &mut going);
        if settings.strategy == Strategy::ServingGroup {
            let mut units = units(context, groups, &going, expected);
            // What is about to come counts as what it will be: the next look at it must not find otherwise.
            units.extend(coming(expected, groups).into_iter().map(|ordinal| {
                let outdated = context.planned(ordinal).outdated;
                Unit { ordinal, outdated, available: false, protected: outdated }
            }));
            let outdated = rollout::choose(&units, settings.replicas, Some(settings.max_unavailable));
            going.extend(outdated.into_iter().map(|ordinal| (ordinal, "updated")));
        }
        if going.len() == before {
            break expected;
        }
    };
    going.retain(|_, why| !why.is_empty());
    // Where pods fail alone all of a group may have, and its Services wait for them.
    let fails_alone = settings.recovery == settings::Recovery::Pod;
    // What runs least goes first, of that the highest ordinals: pods that still wait for a node must not get one that
    // others of those that go leave.
    let started = |group: &Assessed<'_>| {
        group.group.is_some_and(|group| group.live_pods().any(|member| member.pod.started))
    };
    let is_to_go =
        |group: &&Assessed<'_>| going.contains_key(&group.ordinal) || group.deleting && !fails_alone;
    let mut in_order: Vec<&Assessed<'_>> = groups.iter().filter(is_to_go).collect();
    in_order.sort_by_cached_key(|group| (started(group), std::cmp::Reverse(group.ordinal)));
    for group in in_order {
        // What is going anyway is helped along: its Services go last.
        delete_group(context, group, going.get(&group.ordinal).copied().unwrap_or_default(), plan);
    }
    Decision { going, coming: coming(expected, groups) }
}

/// The ServingGroups to create so that there are so many.
fn coming(expected: u32, groups: &[Assessed<'_>]) -> Vec<u32> {
    let existing: Vec<u32> = groups.iter().map(|group| group.ordinal).collect();
    scale::additions(expected, &existing)
}

/// Adds what is too much to `going`; returns how many ServingGroups there should be: more than `replicas` while there are
/// outdated ones to trade for them.
fn scale_down(
    context: &Context<'_>,
    groups: &[Assessed<'_>],
    going: &mut BTreeMap<u32, &'static str>,
) -> u32 {
    let settings = &context.settings;
    let surge = settings.strategy == Strategy::ServingGroup
        && settings.max_surge > 0
        && rollout::in_progress(&units(context, groups, going, settings.replicas));
    let expected = settings.replicas.saturating_add(if surge { settings.max_surge } else { 0 });
    if groups.len() > expected as usize {
        let candidate = |group: &Assessed<'_>| Candidate {
            ordinal: group.ordinal,
            state: match () {
                () if group.deleting || going.contains_key(&group.ordinal) => State::Going,
                // First: a surplus role replica that goes takes nothing from what serves.
                () if group.available => State::Running,
                () if is_half_gone(context, group) => State::Going,
                () => State::NotRunning,
            },
            cost: match group.settled {
                Some(settled) => settled.cost,
                None => group.group.map_or(0, groups::Group::deletion_cost),
            },
        };
        let candidates: Vec<Candidate> = groups.iter().map(candidate).collect();
        let victims = scale::victims(&candidates, expected as usize, settings.partition as usize);
        let floor = settings.replicas.saturating_sub(settings.max_unavailable) as usize;
        for ordinal in scale::spare(victims, &candidates, floor) {
            let why = going.entry(ordinal).or_default();
            if why.is_empty() {
                *why = "scaled down";
            }
        }
    }
    expected
}

/// The groups that stay, as the rollout sees them. The partition counts positions in the list of all, gaps that are about to
/// be filled so that there are `expected` included.
fn units(
    context: &Context<'_>,
    groups: &[Assessed<'_>],
    going: &BTreeMap<u32, &'static str>,
    expected: u32,
) -> Vec<Unit> {
    let partition = context.settings.partition as usize;
    let mut front: Vec<u32> = Vec::new();
    if partition > 0 {
        let existing: Vec<u32> = groups.iter().map(|group| group.ordinal).collect();
        front = [scale::additions(expected, &existing), existing].concat();
        front.sort_unstable();
        front.truncate(partition);
    }
    let unit = |group: &Assessed<'_>| Unit {
        ordinal: group.ordinal,
        outdated: group.outdated,
        available: group.available,
        protected: front.binary_search(&group.ordinal).is_ok(),
    };
    let staying = groups.iter().filter(|group| !group.deleting && !going.contains_key(&group.ordinal));
    staying.map(unit).collect()
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
        for member in replica.pods {
            plan.delete(Kind::Pod, &member.pod.object);
        }
    }
    for service in group.replicas.iter().filter_map(|replica| replica.service) {
        plan.delete(Kind::Service, &service.object);
    }
}

/// Services of groups that are gone, but those of role replicas that come back.
fn remove_leftovers(context: &Context<'_>, plan: &mut Plan) {
    for group in context.groups.list.iter().filter(|group| !group.exists() && !group.is_deleting()) {
        for service in group.replicas.iter().filter_map(|replica| replica.service) {
            // It has the name of its entry pod.
            if !plan.pods.iter().any(|pod| pod.name() == service.object.name) {
                plan.delete(Kind::Service, &service.object);
            }
        }
    }
}
