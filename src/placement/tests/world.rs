//! Small worlds for tests: nodes with cpu, memory and GPUs, a tree, classes.

use crate::api::core::Node;
use crate::cluster::View;
use crate::cluster::capacity::{CPU, Capacity, MEMORY};
use crate::cluster::class::{Class, Classes};
use crate::cluster::coupling::Coupling;
use crate::cluster::eligibility::Eligibility;
use crate::cluster::ids::{ClassId, ConstraintId, CouplingId, NodeId, PodId, ResourceId};
use crate::cluster::topology::{Branch, Tier, Topology};
use crate::placement::{GangRequest, Member, Placed, Subgroup, TierRule};
use proptest::prelude::*;

/// The GPU column.
pub(super) const GPU: ResourceId = ResourceId(4);

/// A cluster without the rest of the house.
pub(super) struct World {
    pub(super) capacity: Capacity,
    pub(super) topology: Topology,
    pub(super) classes: Classes,
    pub(super) eligibility: Eligibility,
    pub(super) coupling: Coupling,
}

impl World {
    /// Nodes 0, 1, ... with so much cpu, memory and GPUs each, all free.
    pub(super) fn new(topology: Topology, nodes: impl IntoIterator<Item = [i64; 3]>) -> Self {
        let mut capacity = Capacity::default();
        let mut eligibility = Eligibility::default();
        for resource in 0..=GPU.0 {
            capacity.add_resource(ResourceId(resource));
        }
        for (id, [cpu, memory, gpu]) in (0..).map(NodeId).zip(nodes) {
            capacity.add_node(id);
            capacity.set_allocatable(id, CPU, cpu);
            capacity.set_allocatable(id, MEMORY, memory);
            capacity.set_allocatable(id, GPU, gpu);
            eligibility.set_node(id, &Node::default());
            assert_eq!(eligibility.cause(ConstraintId(0), id), None, "a plain node is for everybody");
        }
        World { capacity, topology, classes: Classes::default(), eligibility, coupling: Coupling::default() }
    }

    pub(super) fn view(&self) -> View<'_> {
        View {
            capacity: &self.capacity,
            topology: &self.topology,
            classes: &self.classes,
            eligibility: &self.eligibility,
            coupling: &self.coupling,
            devices: None,
        }
    }

    /// A class that asks for so much cpu, memory and GPUs.
    pub(super) fn class(&mut self, [cpu, memory, gpu]: [i64; 3]) -> ClassId {
        let requests = [(CPU, cpu), (MEMORY, memory), (GPU, gpu)];
        let requests = requests.into_iter().filter(|&(_, amount)| amount > 0).collect();
        self.classes.intern(Class { requests, constraint: ConstraintId(0), coupling: CouplingId(0) })
    }
}

/// Pods of one class, without a role, ranked from `first` on.
pub(super) fn pods(class: ClassId, first: u32, count: u32) -> Vec<Member> {
    (first..first + count).map(|rank| Member { pod: PodId(rank), class, role: u32::MAX, rank }).collect()
}

/// A gang of loose pods that all must be placed.
pub(super) fn loose(members: Vec<Member>, required: Option<Tier>) -> GangRequest {
    GangRequest {
        rule: TierRule { required, preferred: None },
        minimum: members.len() as u32,
        subgroups: vec![Subgroup { policy: None, members, placed: Vec::new() }],
        ..GangRequest::default()
    }
}

/// A pod that runs on a node.
pub(super) fn running(node: u32) -> Placed {
    Placed { node: Some(NodeId(node)), role: u32::MAX }
}

/// Trees of any shape over the nodes `0..nodes`: unequal depths, lone nodes, tiers with gaps.
pub(super) fn trees(nodes: u32) -> impl Strategy<Value = Topology> {
    // Per node, the path of domains it lies in; equal prefixes are the same domain.
    let path = prop::collection::vec(0..3u32, 0..=3);
    (prop::collection::vec(path, nodes as usize), prop::sample::select(vec![[1, 2, 3], [0, 2, 5]])).prop_map(
        |(paths, tiers)| {
            let all: Vec<u32> = (0..paths.len() as u32).collect();
            Topology::from_tree(branches(&paths, &all, 0, &tiers))
        },
    )
}

fn branches(paths: &[Vec<u32>], nodes: &[u32], depth: usize, tiers: &[Tier; 3]) -> Vec<Branch> {
    let mut made = Vec::new();
    for value in 0..3 {
        let inside: Vec<u32> =
            nodes.iter().copied().filter(|&node| paths[node as usize].get(depth) == Some(&value)).collect();
        if !inside.is_empty() {
            let name = format!("d{depth}-{value}-{}", inside[0]);
            // A leaf at half height takes a low tier, so that depths and tiers differ.
            let tier = tiers[2 - depth];
            made.push(Branch::domain(&name, tier, branches(paths, &inside, depth + 1, tiers)));
        }
    }
    let own = nodes.iter().filter(|&&node| paths[node as usize].len() <= depth);
    made.extend(own.map(|&node| Branch::Node(NodeId(node))));
    made
}

/// So many cases, more if `PROPTEST_CASES` exceeds its default of 256; failures are not written to files.
pub(super) fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: cases * default.cases / 256, failure_persistence: None, ..default }
}
