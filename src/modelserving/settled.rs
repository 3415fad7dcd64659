//! ServingGroups at which there is nothing to do: what a reconcile has to know of them without their records. It is what the
//! last look at their records led to, and holds until one of these, the spec or a ControllerRevision changes. So a change
//! costs the ServingGroups that it concerns. [`super::family::Family`] keeps them, and compares them with what all
//! records lead to where the compiler checks assertions.

use super::assess::{Assessed, Context};
use super::groups::{Group, Member};
use super::observed::ObjectRef;
use super::selector;
use super::settings::Recovery;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// A ServingGroup that exists, and at which there is nothing to do, whatever the time and whatever becomes of the others,
/// unless its turn comes to be replaced or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Something in it is not as the spec has it now.
    pub(crate) outdated: bool,
    /// Every role has as many running replicas as its revision asks for.
    pub(crate) available: bool,
    /// Would the scale selector find none of its pods, were it to ask for replica 0 of the leading role?
    pub(crate) gap: bool,
    /// Is one of its entry pods labelled as its representative, and no other pod? `false` if nobody has asked.
    pub(crate) represented: bool,
    /// The label of the revision that it runs.
    pub(crate) revision: SmolStr,
    /// The labels of the revisions of its pods, each once.
    pub(crate) labels: Box<[SmolStr]>,
    /// The sum of its pods' deletion costs.
    pub(crate) cost: i64,
}

impl Settled {
    /// Sums up a ServingGroup that a plan has left as it is; `None` if something else than a change of its records can make
    /// more of it than that: the time, the status, somebody who holds one of its names.
    pub(crate) fn of(context: &Context<'_>, assessed: &Assessed<'_>, represented: bool) -> Option<Settled> {
        let group = assessed.group.filter(|_| !assessed.deleting)?;
        // Whether one that has run before is lost depends on what the status says of all.
        let started = || group.live_pods().any(|member| member.pod.started);
        let may_be_lost =
            context.settings.recovery == Recovery::ServingGroup && !assessed.available && started();
        if !is_calm(group) || may_be_lost || context.is_contested(assessed.ordinal) {
            return None;
        }
        let labels: BTreeSet<&SmolStr> = group.live_pods().map(|member| &member.pod.revision).collect();
        Some(Settled {
            outdated: assessed.outdated,
            available: assessed.available,
            gap: selector::is_gap(context, group),
            represented,
            revision: assessed.revision.into(),
            labels: labels.into_iter().cloned().collect(),
            cost: group.deletion_cost(),
        })
    }
}

/// Is nothing of it going, failing, waiting for more than a node, or left behind by another ModelServing?
fn is_calm(group: &Group<'_>) -> bool {
    let stays = |object: &ObjectRef| !object.deleting && object.orphan_of.is_none();
    let is_well = |member: &Member<'_>| {
        stays(&member.pod.object) && member.pod.failing_since.is_none() && member.pod.waiting.is_none()
    };
    group.pod_group.is_none_or(|pod_group| stays(&pod_group.object) && pod_group.unschedulable.is_none())
        && group.replicas.iter().all(|replica| {
            replica.service.is_none_or(|service| stays(&service.object)) && replica.pods.iter().all(is_well)
        })
}
