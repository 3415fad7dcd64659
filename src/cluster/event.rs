//! What can happen to the cluster, and what a happening can help.
//!
//! [`Event`] is the only way in. [`Marks`] is what the scheduler takes out after a run of events: which gangs changed
//! themselves, which nodes gained something, whether the topology moved. A refused gang is tried again only when one
//! of these concerns it.

use super::ids::{GangId, NodeId};
use crate::api::core::{
    CsiNode, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodDisruptionBudget, PriorityClass,
    StorageClass,
};
use crate::api::device::{DeviceClass, DeviceTaintRule, ResourceClaim, ResourceSlice};
use crate::api::gang::Dialect;
use crate::api::hyper_node::HyperNode;
use crate::api::kind::Kind;
use crate::api::object::Object;
use crate::api::pod_group::PodGroup;
use crate::api::queue::Queue;
use crate::api::scheduling_group::{CoschedulingPodGroup, NativePodGroup};
use std::collections::BTreeSet;

/// One change. An upsert carries the whole object; parts may arrive in any order.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A node is new or changed.
    Node(&'a Node),
    /// A node is gone.
    NodeGone(&'a str),
    /// A pod (of any scheduler) is new or changed.
    Pod(&'a Pod),
    /// A pod is gone.
    PodGone {
        /// Its namespace.
        namespace: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// A PodGroup is new or changed.
    PodGroup(&'a PodGroup),
    /// A PodGroup is gone.
    PodGroupGone {
        /// Its namespace.
        namespace: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// A PodGroup of `scheduling.k8s.io` is new or changed.
    NativePodGroup(&'a NativePodGroup),
    /// A PodGroup of `scheduling.x-k8s.io` is new or changed.
    CoschedulingPodGroup(&'a CoschedulingPodGroup),
    /// A PodGroup of one of these is gone.
    OtherPodGroupGone {
        /// Whose it was.
        dialect: Dialect,
        /// Its namespace.
        namespace: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// A HyperNode is new or changed.
    HyperNode(&'a HyperNode),
    /// A HyperNode is gone.
    HyperNodeGone(&'a str),
    /// A Queue is new or changed.
    Queue(&'a Queue),
    /// A Queue is gone.
    QueueGone(&'a str),
    /// A PodDisruptionBudget is new or changed.
    Budget(&'a PodDisruptionBudget),
    /// A PodDisruptionBudget is gone.
    BudgetGone {
        /// Its namespace.
        namespace: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// A PriorityClass is new or changed.
    PriorityClass(&'a PriorityClass),
    /// A PriorityClass is gone.
    PriorityClassGone(&'a str),
    /// A PersistentVolumeClaim is new or changed.
    Claim(&'a PersistentVolumeClaim),
    /// A PersistentVolumeClaim is gone.
    ClaimGone {
        /// Its namespace.
        namespace: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// A PersistentVolume is new or changed.
    Volume(&'a PersistentVolume),
    /// A PersistentVolume is gone.
    VolumeGone(&'a str),
    /// A StorageClass is new or changed.
    StorageClass(&'a StorageClass),
    /// A StorageClass is gone.
    StorageClassGone(&'a str),
    /// A CSINode is new or changed.
    CsiNode(&'a CsiNode),
    /// A CSINode is gone.
    CsiNodeGone(&'a str),
    /// A ResourceSlice is new or changed.
    ResourceSlice(&'a ResourceSlice),
    /// A ResourceSlice is gone.
    ResourceSliceGone(&'a str),
    /// A DeviceClass is new or changed.
    DeviceClass(&'a DeviceClass),
    /// A DeviceClass is gone.
    DeviceClassGone(&'a str),
    /// A DeviceTaintRule is new or changed.
    DeviceTaintRule(&'a DeviceTaintRule),
    /// A DeviceTaintRule is gone.
    DeviceTaintRuleGone(&'a str),
    /// A ResourceClaim is new or changed.
    DeviceClaim(&'a ResourceClaim),
    /// A ResourceClaim is gone.
    DeviceClaimGone {
        /// Its namespace.
        namespace: &'a str,
        /// Its name.
        name: &'a str,
    },
}

impl<'a> Event<'a> {
    /// That an object is new or changed; `None` if nothing of its kind is read here.
    pub fn of(object: &'a Object) -> Option<Event<'a>> {
        Some(match object {
            Object::Node(node) => Event::Node(node),
            Object::Pod(pod) => Event::Pod(pod),
            Object::PodGroup(group) => Event::PodGroup(group),
            Object::NativePodGroup(group) => Event::NativePodGroup(group),
            Object::CoschedulingPodGroup(group) => Event::CoschedulingPodGroup(group),
            Object::HyperNode(hyper_node) => Event::HyperNode(hyper_node),
            Object::Queue(queue) => Event::Queue(queue),
            Object::PodDisruptionBudget(budget) => Event::Budget(budget),
            Object::PriorityClass(class) => Event::PriorityClass(class),
            Object::PersistentVolumeClaim(claim) => Event::Claim(claim),
            Object::PersistentVolume(volume) => Event::Volume(volume),
            Object::StorageClass(class) => Event::StorageClass(class),
            Object::CsiNode(node) => Event::CsiNode(node),
            Object::ResourceSlice(slice) => Event::ResourceSlice(slice),
            Object::DeviceClass(class) => Event::DeviceClass(class),
            Object::DeviceTaintRule(rule) => Event::DeviceTaintRule(rule),
            Object::ResourceClaim(claim) => Event::DeviceClaim(claim),
            _ => return None,
        })
    }

    /// That an object is gone; `None` if nothing of its kind is read here.
    pub fn gone(kind: Kind, namespace: &'a str, name: &'a str) -> Option<Event<'a>> {
        Some(match kind {
            Kind::Node => Event::NodeGone(name),
            Kind::Pod => Event::PodGone { namespace, name },
            Kind::PodGroup => Event::PodGroupGone { namespace, name },
            Kind::NativePodGroup => Event::OtherPodGroupGone { dialect: Dialect::Native, namespace, name },
            Kind::CoschedulingPodGroup => {
                Event::OtherPodGroupGone { dialect: Dialect::Coscheduling, namespace, name }
            }
            Kind::HyperNode => Event::HyperNodeGone(name),
            Kind::Queue => Event::QueueGone(name),
            Kind::PodDisruptionBudget => Event::BudgetGone { namespace, name },
            Kind::PriorityClass => Event::PriorityClassGone(name),
            Kind::PersistentVolumeClaim => Event::ClaimGone { namespace, name },
            Kind::PersistentVolume => Event::VolumeGone(name),
            Kind::StorageClass => Event::StorageClassGone(name),
            Kind::CsiNode => Event::CsiNodeGone(name),
            Kind::ResourceSlice => Event::ResourceSliceGone(name),
            Kind::DeviceClass => Event::DeviceClassGone(name),
            Kind::DeviceTaintRule => Event::DeviceTaintRuleGone(name),
            Kind::ResourceClaim => Event::DeviceClaimGone { namespace, name },
            _ => return None,
        })
    }
}

/// What changed since the scheduler last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Gangs whose pods or PodGroup changed.
    pub gangs: BTreeSet<GangId>,
    /// Gangs of which only the status was written: nothing to try, but the status may not be ours.
    pub statuses: BTreeSet<GangId>,
    /// Nodes that gained room, or became eligible for somebody.
    pub gained: BTreeSet<NodeId>,
    /// Something that rules about other pods look at changed: gangs with such rules may fit now, on any node.
    pub coupled: bool,
    /// A PodDisruptionBudget changed: more pods may be evicted, or fewer.
    pub budgets: bool,
    /// Domains, queues or priority classes changed: anything may fit now.
    pub everything: bool,
}

impl Marks {
    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.gangs.is_empty()
            && self.statuses.is_empty()
            && self.gained.is_empty()
            && !self.coupled
            && !self.budgets
            && !self.everything
    }
}
