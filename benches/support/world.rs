//! Clusters for benches: GPU nodes with labels and taints, an occupied share, gangs that select and tolerate.

use phalanx::api::core::{PodSpec, Taint, TaintEffect, Toleration};
use phalanx::cluster::View;
use phalanx::cluster::capacity::{CPU, Capacity, MEMORY, PODS};
use phalanx::cluster::class::{Class, Classes};
use phalanx::cluster::coupling::Coupling;
use phalanx::cluster::eligibility::Eligibility;
use phalanx::cluster::ids::{ClassId, CouplingId, NodeId, PodId, ResourceId};
use phalanx::cluster::topology::{Tier, Topology};
use phalanx::placement::{GangRequest, Member, Placement, Policy, Subgroup, TierRule};

/// The column of `nvidia.com/gpu`.
pub(crate) const GPU: ResourceId = ResourceId(4);
pub(crate) const GIB: i64 = 1 << 30;
/// The taint of GPU nodes, which pods of gangs tolerate.
pub(crate) const TAINT: &str = "nvidia.com/gpu";
/// The label that pods of gangs select nodes by.
pub(crate) const SELECTED: (&str, &str) = ("node.kubernetes.io/instance-type", "h100.8");

/// Everything that placement reads.
pub(crate) struct World {
    pub(crate) capacity: Capacity,
    pub(crate) topology: Topology,
    pub(crate) classes: Classes,
    pub(crate) eligibility: Eligibility,
    pub(crate) coupling: Coupling,
}

impl World {
    /// 20 (or more) blocks of 32 racks of 16 nodes with 8 GPUs each; so many percent of the nodes are taken whole.
    pub(crate) fn blocks(blocks: usize, occupied: u64) -> Self {
        World::new(Topology::uniform(&[("block", blocks), ("rack", 32)], 16), occupied)
    }

    /// Nodes with 192 cores, 2 TiB and 8 GPUs, labelled and tainted, one in 256 cordoned.
    pub(crate) fn new(topology: Topology, occupied: u64) -> Self {
        let mut world = World {
            capacity: Capacity::default(),
            topology,
            classes: Classes::default(),
            eligibility: Eligibility::default(),
            coupling: Coupling::default(),
        };
        for resource in 0..=GPU.0 {
            world.capacity.add_resource(ResourceId(resource));
        }
        let mut random = 7u64;
        for index in 0..world.topology.order().len() {
            let node = NodeId(index as u32);
            let mut object = super::objects::node(index, 16, 32);
            object.spec.taints.push(Taint {
                key: TAINT.to_owned(),
                value: "present".to_owned(),
                effect: TaintEffect::NoSchedule,
            });
            object.spec.unschedulable = index % 256 == 255;
            world.capacity.add_node(node);
            world.capacity.set_allocatable(node, CPU, 192_000);
            world.capacity.set_allocatable(node, MEMORY, 2048 * GIB);
            world.capacity.set_allocatable(node, PODS, 110);
            world.capacity.set_allocatable(node, GPU, 8);
            world.eligibility.set_node(node, &object);
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if (random >> 33) % 100 < occupied {
                world.capacity.take(node, &[(CPU, 96_000), (MEMORY, 1024 * GIB), (PODS, 1), (GPU, 8)]);
            } else {
                world.capacity.take(node, &[(CPU, 2_000), (MEMORY, 4 * GIB), (PODS, 5)]);
            }
        }
        world
    }

    /// A class of pods with so many millicores (and 8 GiB a core) and GPUs, which selects and tolerates GPU nodes.
    pub(crate) fn class(&mut self, cpu: i64, gpu: i64) -> ClassId {
        let mut spec = PodSpec::default();
        spec.node_selector.insert(SELECTED.0.to_owned(), SELECTED.1.to_owned());
        spec.tolerations.push(Toleration {
            key: TAINT.to_owned(),
            value: "present".to_owned(),
            ..Toleration::default()
        });
        let constraint = self.eligibility.intern(&spec);
        let requests = [(CPU, cpu), (MEMORY, cpu / 125 * GIB), (PODS, 1), (GPU, gpu)];
        let requests = requests.into_iter().filter(|&(_, amount)| amount > 0).collect();
        self.classes.intern(Class { requests, constraint, coupling: CouplingId(0) })
    }

    /// Eight GPUs, half the node's cores.
    pub(crate) fn whole_node(&mut self) -> ClassId {
        self.class(96_000, 8)
    }

    /// Takes what a placement holds; `count: -1` gives it back.
    pub(crate) fn change(&mut self, request: &GangRequest, placement: &Placement, take: bool) {
        let class = request.subgroups[0].members[0].class;
        let requests = &self.classes.get(class).requests;
        for assignment in &placement.assignments {
            match take {
                true => self.capacity.take(assignment.node, requests),
                false => self.capacity.give(assignment.node, requests),
            }
        }
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            capacity: &self.capacity,
            topology: &self.topology,
            classes: &self.classes,
            eligibility: &self.eligibility,
            coupling: &self.coupling,
            devices: None,
        }
    }
}

/// So many pods, all or none.
pub(crate) fn gang(class: ClassId, pods: u32, required: Option<Tier>) -> GangRequest {
    GangRequest {
        rule: TierRule { required, preferred: None },
        minimum: pods,
        subgroups: vec![Subgroup { policy: None, members: members(class, 0, pods), placed: Vec::new() }],
        ..GangRequest::default()
    }
}

/// Subgroups `(size, how many)`, each inside one domain of a tier.
pub(crate) fn subgroups(class: ClassId, sorts: &[(u32, u32)], tier: Tier) -> GangRequest {
    let mut request = GangRequest::default();
    for (policy, &(size, count)) in (0..).zip(sorts) {
        let rule = TierRule { required: Some(tier), preferred: None };
        request.policies.push(Policy { size, minimum: count, rule });
        for _ in 0..count {
            let members = members(class, request.minimum, size);
            request.subgroups.push(Subgroup { policy: Some(policy), members, placed: Vec::new() });
            request.minimum += size;
        }
    }
    request
}

pub(crate) fn members(class: ClassId, first: u32, count: u32) -> Vec<Member> {
    (first..first + count).map(|rank| Member { pod: PodId(rank), class, role: u32::MAX, rank }).collect()
}
