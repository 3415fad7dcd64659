//! Events on the ModelServing. Reasons and messages of roles are upstream's; those of ServingGroups and of trouble are ours.

use super::change::Event;

/// Which role replicas served at the last call. Events are about transitions, and this is what they are told by; no
/// decision looks at it, and losing it loses at most one event each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// ServingGroup, role, ordinal; sorted.
    pub(crate) running: Vec<(u32, String, u32)>,
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
