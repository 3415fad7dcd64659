//! What every shell has to look out for beside what it tells the reservations: records that turn up late, and nodes whose
//! promises have no room any more.

use super::Reservations;
use super::input::{GangKey, GroupFacts};
use crate::cluster::ids::ResourceId;
use crate::scheduler::Scheduler;

impl Reservations {
    /// Has a predecessor left the PodGroup with a record that is to be taken over now? One that turns up while the gang has
    /// a reservation waits for its end; ask again at [`super::Report::Ended`].
    pub fn heeds_record(&self, gang: &GangKey, group: &GroupFacts) -> bool {
        group.is_left_unfinished(self.epoch()) && self.phase(gang).is_none()
    }

    /// Has the node no room any more for what is promised there, since somebody else bound a pod to it or it has become
    /// smaller? Then its kubelet would refuse the pods, and [`super::Input::NodeLost`] is to be told.
    pub fn heeds_room(&self, node: &str, scheduler: &Scheduler) -> bool {
        if self.gangs().next().is_none() {
            return false;
        }
        let cluster = scheduler.cluster();
        let Some(id) = cluster.nodes().id(node) else { return false };
        let capacity = cluster.view().capacity;
        // A kubelet does not refuse a pod for its volumes.
        let counted = |resource: &ResourceId| cluster.resources().driver(*resource).is_none();
        let mut resources = (0..capacity.resources() as u32).map(ResourceId).filter(counted);
        resources.any(|resource| capacity.free(id, resource) < 0)
            && self.promised().any(|(_, promised)| promised == node)
    }
}
