//! Events on the ModelServing. Reasons and messages of roles are upstream's; those of ServingGroups and of trouble are ours.

use super::assess::{Assessed, Context};
use super::change::Event;
use super::names;
use super::plan::Plan;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Which role replicas served at the last call. Events are about transitions, and this is what they are told by; no
/// decision looks at it, and losing it loses at most one event each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Role and ordinal, sorted, by ServingGroup; none of it is empty.
    pub(crate) running: BTreeMap<u32, Vec<(SmolStr, u32)>>,
}

impl Memory {
    /// What it holds of these ServingGroups.
    pub(crate) fn of(&self, groups: impl Iterator<Item = u32>) -> Memory {
        let known = groups.filter_map(|group| Some((group, self.running.get(&group)?.clone())));
        Memory { running: known.collect() }
    }

    /// Replaces what it holds of these ServingGroups.
    pub(crate) fn replace(&mut self, groups: impl Iterator<Item = u32>, by: Memory) {
        for group in groups {
            self.running.remove(&group);
        }
        self.running.extend(by.running);
    }

    /// ServingGroup, role and ordinal of each.
    pub(crate) fn each(&self) -> impl Iterator<Item = (u32, &str, u32)> {
        let of_group = |(&group, list)| -> _ {
            let list: &Vec<(SmolStr, u32)> = list;
            list.iter().map(move |(role, ordinal)| (group, role.as_str(), *ordinal))
        };
        self.running.iter().flat_map(of_group)
    }

    /// Is this role replica among them?
    pub(crate) fn holds(&self, group: u32, role: &str, ordinal: u32) -> bool {
        self.running.get(&group).is_some_and(|running| {
            running.binary_search_by(|known| (known.0.as_str(), known.1).cmp(&(role, ordinal))).is_ok()
        })
    }
}

/// Which role replicas run now; emits events for those that did not at the last call, and for those that did.
pub(crate) fn running(context: &Context<'_>, groups: &[Assessed<'_>], plan: &mut Plan) -> Memory {
    let mut running: BTreeMap<u32, Vec<(SmolStr, u32)>> = BTreeMap::new();
    for assessed in groups.iter().filter(|group| !group.deleting) {
        let Some(group) = assessed.group else { continue };
        for replica in &group.replicas {
            let revised = context.roles(assessed).find(|revised| revised.role.name == replica.role);
            let Some(revised) = revised else { continue };
            if context.is_running(replica, revised) {
                running.entry(group.ordinal).or_default().push((replica.role.into(), replica.ordinal));
            }
        }
    }
    let now = Memory { running };
    if let Some(memory) = context.observed.memory {
        for (ordinal, name, replica) in now.each() {
            let entry = || names::pod(context.name(), ordinal, name, replica, 0);
            if !memory.holds(ordinal, name, replica) && !plan.deletes.iter().any(|c| c.name() == entry()) {
                let group = names::group(context.name(), ordinal);
                plan.events.push(role(Phase::Running, &group, name, replica));
            }
        }
        for (ordinal, name, replica) in memory.each() {
            let group = context.groups.get(ordinal);
            let found = group.and_then(|group| group.replica(name, replica));
            let failing = found.is_some_and(|r| r.live > 0 && r.terminating == 0);
            if failing && !now.holds(ordinal, name, replica) {
                let group = names::group(context.name(), ordinal);
                plan.events.push(role(Phase::Creating, &group, name, replica));
            }
        }
    }
    now
}

/// What a role replica or a ServingGroup has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Creating,
    Running,
    Deleting,
}

/// `Role prefill/prefill-0 in ServingGroup ms-1 is now Creating`.
pub(crate) fn role(phase: Phase, group: &str, role: &str, ordinal: u32) -> Event {
    let (reason, state) = match phase {
        Phase::Creating => ("RoleCreating", "Creating"),
        Phase::Running => ("RoleRunning", "Running"),
        Phase::Deleting => ("RoleDeleting", "Deleting"),
    };
    let message = format!("Role {role}/{role}-{ordinal} in ServingGroup {group} is now {state}");
    Event { warning: false, reason, message }
}

/// `ServingGroup ms-1 is now Creating`.
pub(crate) fn group(phase: Phase, group: &str, why: &str) -> Event {
    let (reason, state) = match phase {
        Phase::Creating => ("ServingGroupCreating", "Creating"),
        Phase::Running => ("ServingGroupRunning", "Running"),
        Phase::Deleting => ("ServingGroupDeleting", "Deleting"),
    };
    let message = format!("ServingGroup {group} is now {state}");
    let message = if why.is_empty() { message } else { format!("{message}: {why}") };
    Event { warning: false, reason, message }
}

/// Something stands in the way. The message is also part of the condition while it lasts.
pub(crate) fn trouble(reason: &'static str, message: String) -> Event {
    Event { warning: true, reason, message }
}
