//! Pods of one template come one after the other, and each is seen several times: what they ask for is worked out once
//! for a few templates that were seen last. Owned by [`super::Cluster`]; forgetting it changes nothing but time.

use crate::api::core::{Pod, PodSpec};
use crate::api::device::DeviceClaim;
use crate::cluster::ids::{ConstraintId, ResourceId};

/// Templates that are kept: as many as kinds of gangs that come at a time, about.
const KEPT: usize = 8;

/// What was worked out last.
#[derive(Debug, Default)]
pub(super) struct Recent {
    known: Vec<Known>,
    /// The place of the one that is replaced next.
    next: usize,
}

#[derive(Debug)]
struct Known {
    spec: PodSpec,
    is_ours: bool,
    asks: Asks,
}

/// What a pod asks for whatever its labels are.
#[derive(Clone, Debug)]
pub(super) struct Asks {
    pub(super) requests: Box<[(ResourceId, i64)]>,
    pub(super) refusal: Option<String>,
    pub(super) constraint: ConstraintId,
    /// Device claims that are to be allocated.
    pub(super) open: Vec<DeviceClaim>,
}

impl Recent {
    /// Does the pod's template say all that it asks for? Not where it has volumes or device claims, or may be resized in place.
    pub(super) fn covers(pod: &Pod) -> bool {
        pod.spec.volumes.is_empty()
            && pod.spec.resource_claims.is_empty()
            && pod.spec.resources.is_none()
            && pod.status.container_statuses.is_empty()
            && pod.status.init_container_statuses.is_empty()
    }

    pub(super) fn find(&self, spec: &PodSpec, is_ours: bool) -> Option<&Asks> {
        let known =
            self.known.iter().find(|known| known.is_ours == is_ours && asks_the_same(&known.spec, spec));
        known.map(|known| &known.asks)
    }

    pub(super) fn put(&mut self, spec: &PodSpec, is_ours: bool, asks: Asks) {
        let known = Known { spec: PodSpec { node_name: None, ..spec.clone() }, is_ours, asks };
        if self.known.len() < KEPT {
            self.known.push(known);
        } else {
            self.known[self.next] = known;
            self.next = (self.next + 1) % KEPT;
        }
    }

    /// Forgets everything: ids were given back.
    pub(super) fn clear(&mut self) {
        *self = Recent::default();
    }
}

/// Are the specs the same but for the node?
fn asks_the_same(one: &PodSpec, other: &PodSpec) -> bool {
    let PodSpec {
        containers,
        init_containers,
        resources,
        overhead,
        node_selector,
        affinity,
        tolerations,
        topology_spread_constraints,
        volumes,
        scheduling_gates,
        resource_claims,
        scheduling_group,
        scheduler_name,
        node_name: _,
        priority,
        priority_class_name,
        preemption_policy,
        host_network,
        termination_grace_period_seconds,
        readiness_gates,
        active_deadline_seconds,
    } = one;
    // What differs most often comes first.
    *containers == other.containers
        && *node_selector == other.node_selector
        && *affinity == other.affinity
        && *tolerations == other.tolerations
        && *topology_spread_constraints == other.topology_spread_constraints
        && *init_containers == other.init_containers
        && *resources == other.resources
        && *overhead == other.overhead
        && *volumes == other.volumes
        && *scheduling_gates == other.scheduling_gates
        && *resource_claims == other.resource_claims
        && *scheduling_group == other.scheduling_group
        && *scheduler_name == other.scheduler_name
        && *priority == other.priority
        && *priority_class_name == other.priority_class_name
        && *preemption_policy == other.preemption_policy
        && *host_network == other.host_network
        && *termination_grace_period_seconds == other.termination_grace_period_seconds
        && *readiness_gates == other.readiness_gates
        && *active_deadline_seconds == other.active_deadline_seconds
}
