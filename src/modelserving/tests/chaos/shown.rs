//! What a shell keeps of a world, change by change. A [`Family`] compares what it makes of the ServingGroups that have changed
//! with what all records lead to, and panics where they differ.

use super::super::world::World;
use crate::modelserving::family::Family;
use crate::modelserving::*;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) struct Shown {
    family: Family,
    names: BTreeSet<(Kind, String)>,
}

impl Default for Shown {
    fn default() -> Self {
        Shown { family: Family::new("ms"), names: BTreeSet::new() }
    }
}

impl Shown {
    /// Shows what has changed since the last time, and asks what is to be done.
    pub(super) fn reconcile(&mut self, world: &World) {
        let mut names = BTreeSet::new();
        let mut name = |kind: Kind, object: &ObjectRef| _ = names.insert((kind, object.name.clone()));
        for pod in &world.pods {
            name(Kind::Pod, &pod.object);
            self.family.put_pod(pod.clone());
        }
        for pod_group in &world.pod_groups {
            name(Kind::PodGroup, &pod_group.object);
            self.family.put_pod_group(pod_group.clone());
        }
        for service in &world.services {
            name(Kind::Service, &service.object);
            self.family.put_service(service.clone());
        }
        for revision in &world.revisions {
            name(Kind::ControllerRevision, &revision.object);
            self.family.put_revision(revision.clone());
        }
        for (kind, name) in self.names.difference(&names) {
            self.family.remove(*kind, name);
        }
        self.names = names;
        self.family.refused.clone_from(&world.refused);
        let capabilities = Capabilities { pod_groups: world.gangs, ..Capabilities::default() };
        self.family.reconcile(&Arc::new(world.object.clone()), capabilities, world.ending, world.now);
    }
}
