//! What we believe: nodes, pods, gangs, queues and the topology, as ids and columns.
//!
//! Owner of the state is [`Cluster`]; it changes only by `apply(event)` and by taking and giving back capacity for
//! decided placements. Strings are interned at the edge. Readers get a [`View`].

pub mod budgets;
pub mod capacity;
pub mod cause;
pub mod class;
pub mod coupling;
pub mod devices;
pub mod eligibility;
pub mod event;
pub mod gangs;
pub mod ids;
pub mod labels;
pub mod natural;
pub mod nodes;
mod other_schedulers;
pub mod pods;
pub mod queues;
pub mod refusal;
pub mod requests;
pub mod slab;
pub mod state;
pub mod text;
pub mod topology;
pub mod volumes;

pub use event::{Event, Marks};
pub use state::{Cluster, Room, Settings};
pub use volumes::open::OpenClaim;
pub use volumes::stock::Unallotted;

use capacity::Capacity;
use class::Classes;
use coupling::Coupling;
use devices::DevicesView;
use eligibility::Eligibility;
use topology::Topology;

/// Everything that placement reads. Cheap to copy; nothing is cloned per cycle.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Free and allocatable resources by node.
    pub capacity: &'a Capacity,
    /// The frozen domain tree.
    pub topology: &'a Topology,
    /// Pod classes: requests and constraints.
    pub classes: &'a Classes,
    /// Which nodes a constraint allows.
    pub eligibility: &'a Eligibility,
    /// Constraints that depend on where other pods are: host ports, pod (anti-)affinity, spread.
    pub coupling: &'a Coupling,
    /// What device claims make of nodes; `None` where there are none.
    pub devices: Option<DevicesView<'a>>,
}

impl<'a> View<'a> {
    /// Can pods of the class influence, or be influenced by, where others are? If not, counting slots is exact.
    pub fn concerns(&self, class: ids::ClassId) -> bool {
        let class = self.classes.get(class);
        self.coupling.concerns(class.coupling)
            || self.devices.is_some_and(|devices| devices.couples(&class.requests))
    }

    /// The view for pods of these classes together: counts of device claims that differ do not add up.
    pub(crate) fn mixing(mut self, classes: &[ids::ClassId]) -> View<'a> {
        if let Some(devices) = &mut self.devices {
            let mut profiles =
                classes.iter().filter_map(|&class| devices.profile(&self.classes.get(class).requests));
            let first = profiles.next();
            devices.is_mixed = profiles.any(|other| Some(other) != first);
        }
        self
    }

    /// Trial placements on top of the cluster's pods, for the classes that [`View::concerns`] names.
    pub fn trial(&self) -> coupling::Trial<'a> {
        self.coupling.trial(self.classes)
    }
}
