//! What every shell has to look out for beside what it tells the reservations: nodes whose promises have no room any more,
//! and claims that gangs wait for.

use super::Reservations;
use super::input::{GangKey, Input};
use crate::cluster::ids::ResourceId;
use crate::scheduler::{PodRef, Scheduler};
use std::collections::BTreeSet;

impl Reservations {
    /// Has the node no room any more for what is promised there, since somebody else bound a pod to it or it has become
    /// smaller? Then its kubelet would refuse the pods, and [`super::Input::NodeLost`] is to be told.
    pub fn has_lost_room(&self, node: &str, scheduler: &Scheduler) -> bool {
        if self.gangs().next().is_none() {
            return false;
        }
        let cluster = scheduler.cluster();
        let Some(id) = cluster.nodes().id(node) else { return false };
        let capacity = cluster.view().capacity;
        // A kubelet does not refuse a pod for its volumes.
        let counted = |resource: &ResourceId| cluster.resources().claimed(*resource).is_none();
        let mut resources = (0..capacity.resources() as u32).map(ResourceId).filter(counted);
        resources.any(|resource| capacity.free(id, resource) < 0)
            && self.promised().any(|(_, promised)| promised == node)
    }

    /// May members of the gang be bound as far as volumes are concerned: would it have its minimum with what is bound of
    /// it and with those whose claims are bound, to volumes that their nodes reach? Once some are bound, a volume that
    /// keeps the others away would break the gang. And what completed its gang alone when it was placed, without a record,
    /// may have lost the others while it waited.
    pub fn is_clear_of_claims(&self, gang: &GangKey, scheduler: &Scheduler) -> bool {
        !scheduler.cluster().uses_claims()
            || self.is_ready(gang, |pod, node| scheduler.reaches_all_volumes(pod, node))
    }

    /// What to tell of promised pods whose claims wait for nothing any more ([`Scheduler::take_settled`]): those whose
    /// nodes do not reach the volumes first, then whoever has waited for them.
    pub fn tell_settled(&self, settled: Vec<(PodRef, bool)>, scheduler: &Scheduler) -> Vec<Input> {
        let (reached, kept_away): (Vec<_>, Vec<_>) = settled.into_iter().partition(|(_, reached)| *reached);
        let gangs: BTreeSet<&GangKey> = reached.iter().filter_map(|(pod, _)| self.gang_of(pod)).collect();
        let ready = gangs.into_iter().filter(|gang| self.is_clear_of_claims(gang, scheduler));
        let waited = ready
            .flat_map(|gang| self.unbound(gang))
            .filter(|(pod, node)| scheduler.reaches_all_volumes(pod, node))
            .map(|(pod, _)| (pod.clone(), true));
        kept_away.into_iter().chain(waited).map(|(pod, reached)| Input::Settled { pod, reached }).collect()
    }
}
