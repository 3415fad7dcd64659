//! Clusters for the bench: racks in blocks, nodes with eight GPUs of which some are taken, gangs of several roles.

use phalanx::api::core::{Node, PodSpec};
use phalanx::cluster::View;
use phalanx::cluster::capacity::{CPU, Capacity, PODS};
use phalanx::cluster::class::{Class, Classes};
use phalanx::cluster::coupling::{Applicant, Coupling};
use phalanx::cluster::eligibility::Eligibility;
use phalanx::cluster::ids::{ClassId, DomainId, NodeId, PodId, ResourceId};
use phalanx::cluster::labels::LabelSets;
use phalanx::cluster::topology::{Branch, Tier, Topology};
use phalanx::placement::{GangRequest, Member, Policy, Subgroup, TierRule};
use serde_json::json;

/// The column of GPUs.
pub(crate) const GPU: ResourceId = ResourceId(4);
const CORES: i64 = 64_000;

/// A plain generator, so that every run sees the same instances.
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number in `0..below`.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }

    /// One of these.
    pub(crate) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// A new order.
    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

/// Everything that placement reads.
pub(crate) struct World {
    pub(crate) capacity: Capacity,
    pub(crate) topology: Topology,
    pub(crate) classes: Classes,
    pub(crate) eligibility: Eligibility,
    pub(crate) coupling: Coupling,
    labels: LabelSets,
}

impl World {
    /// Empty nodes in blocks of racks: nodes by rack, racks by block.
    pub(crate) fn new(blocks: &[Vec<usize>]) -> Self {
        let (mut tree, mut node, mut rack) = (Vec::new(), 0, 0);
        let mut places = Vec::new();
        for (block, racks) in blocks.iter().enumerate() {
            let mut inside = Vec::new();
            for &nodes in racks {
                let run = (node..node + nodes as u32).map(NodeId);
                inside.push(Branch::leaf(&format!("rack{rack}"), 1, run));
                places.extend((0..nodes).map(|_| (rack, block)));
                node += nodes as u32;
                rack += 1;
            }
            tree.push(Branch::domain(&format!("block{block}"), 2, inside));
        }
        let mut world = World {
            capacity: Capacity::default(),
            topology: Topology::from_tree(tree),
            classes: Classes::default(),
            eligibility: Eligibility::default(),
            coupling: Coupling::default(),
            labels: LabelSets::default(),
        };
        for resource in 0..=GPU.0 {
            world.capacity.add_resource(ResourceId(resource));
        }
        for (id, (rack, block)) in (0..).map(NodeId).zip(places) {
            let mut object = Node::default();
            for (key, value) in [
                ("kubernetes.io/hostname", format!("n{}", id.0)),
                ("rack", format!("r{rack}")),
                ("block", format!("b{block}")),
            ] {
                object.metadata.labels.insert(key.to_owned(), value);
            }
            world.capacity.add_node(id);
            world.capacity.set_allocatable(id, CPU, CORES);
            world.capacity.set_allocatable(id, GPU, 8);
            world.capacity.set_allocatable(id, PODS, 110);
            world.eligibility.set_node(id, &object);
            world.coupling.set_node(id, &world.eligibility);
        }
        world
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

    /// The domains of a tier.
    pub(crate) fn of_tier(&self, tier: Tier) -> Vec<DomainId> {
        of_tier(&self.topology, tier)
    }

    /// Takes GPUs, and two cores with each, of a node.
    pub(crate) fn take(&mut self, node: NodeId, gpus: i64) {
        self.capacity.take(node, &[(GPU, gpus), (CPU, 2_000 * gpus), (PODS, 1)]);
    }

    /// GPUs that are free.
    pub(crate) fn free(&self, nodes: &[NodeId]) -> i64 {
        nodes.iter().map(|&node| self.capacity.free(node, GPU)).sum()
    }

    /// A class of pods of a role. `spec` holds what it says about other pods; `role` is its label.
    pub(crate) fn class(&mut self, cpu: i64, gpu: i64, role: &str, spec: serde_json::Value) -> ClassId {
        let spec: PodSpec = serde_json::from_value(spec).expect("a spec");
        let labels = [("role".to_owned(), role.to_owned())].into_iter().collect();
        let labels = self.labels.intern(&labels);
        let constraint = self.eligibility.intern(&spec);
        let pod = Applicant { namespace: "default", labels, spec: &spec, constraint };
        let coupling = self.coupling.intern(pod, &self.labels, &mut self.eligibility);
        let requests = [(CPU, cpu), (PODS, 1), (GPU, gpu)];
        let requests = requests.into_iter().filter(|&(_, amount)| amount > 0).collect();
        self.classes.intern(Class { requests, constraint, coupling })
    }
}

/// The domains of a tier.
pub(crate) fn of_tier(topology: &Topology, tier: Tier) -> Vec<DomainId> {
    let domains = topology.by_tier().iter().filter(|known| known.0 == tier);
    domains.flat_map(|(_, domains)| domains.iter().copied()).collect()
}

/// No two pods of a role in one domain of a label.
pub(crate) fn apart(role: &str, key: &str) -> serde_json::Value {
    let term = json!({"labelSelector": {"matchLabels": {"role": role}}, "topologyKey": key});
    json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
}

/// Pods of a role evenly over the domains of a label.
pub(crate) fn spread(role: &str, key: &str, skew: u32) -> serde_json::Value {
    json!({"topologySpreadConstraints": [{
        "maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"role": role}},
    }]})
}

/// A port of the node for each pod.
pub(crate) fn port(port: u32) -> serde_json::Value {
    json!({"containers": [{"name": "main", "ports": [{"containerPort": port, "hostPort": port}]}]})
}

/// A role: how many subgroups of which pods.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) classes: Vec<ClassId>,
    pub(crate) count: u32,
    pub(crate) rule: TierRule,
    /// Subgroups that there must be; all of them if `None`.
    pub(crate) minimum: Option<u32>,
}

/// The gang of these roles.
pub(crate) fn gang(roles: &[Role], required: Option<Tier>) -> GangRequest {
    let mut request = GangRequest { rule: TierRule { required, preferred: None }, ..GangRequest::default() };
    let mut rank = 0;
    for (index, role) in (0..).zip(roles.iter().filter(|role| role.count > 0)) {
        let size = role.classes.len() as u32;
        let minimum = role.minimum.map_or(role.count, |minimum| minimum.min(role.count));
        request.policies.push(Policy { size, minimum, rule: role.rule });
        for _ in 0..role.count {
            let members = (rank..).zip(&role.classes);
            let members =
                members.map(|(rank, &class)| Member { pod: PodId(rank), class, role: u32::MAX, rank });
            let members: Vec<Member> = members.collect();
            rank += size;
            request.subgroups.push(Subgroup { policy: Some(index), members, placed: Vec::new() });
        }
        if role.minimum.is_none() {
            request.minimum += size * role.count;
        }
    }
    request
}
