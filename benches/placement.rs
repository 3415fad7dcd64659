//! What a decision costs: index upkeep, single gangs, subgroups, mixed sizes, refusals; against a plain scan over
//! node objects. Run with `cargo bench --bench placement`.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use phalanx::cluster::View;
use phalanx::cluster::capacity::{CPU, Capacity, MEMORY, PODS};
use phalanx::cluster::class::{Class, Classes};
use phalanx::cluster::coupling::Coupling;
use phalanx::cluster::eligibility::Eligibility;
use phalanx::cluster::ids::{ClassId, ConstraintId, CouplingId, NodeId, PodId, ResourceId};
use phalanx::cluster::topology::Topology;
use phalanx::placement::{GangRequest, Member, Outcome, PlacementRules, Placer, Subgroup, TierRule};
use std::hint::black_box;
use std::time::Duration;

const GPU: ResourceId = ResourceId(4);
const GIB: i64 = 1 << 30;

struct World {
    capacity: Capacity,
    topology: Topology,
    classes: Classes,
    eligibility: Eligibility,
    coupling: Coupling,
}

impl World {
    /// Blocks of 32 racks of 16 nodes with 8 GPUs each; so many percent of the nodes are taken whole.
    fn new(blocks: usize, occupied: u64) -> Self {
        let topology = Topology::uniform(&[("block", blocks), ("rack", 32)], 16);
        let mut capacity = Capacity::default();
        let mut random = 7u64;
        for id in 0..topology.order().len() as u32 {
            let node = NodeId(id);
            capacity.add_node(node);
            capacity.set_allocatable(node, CPU, 192_000);
            capacity.set_allocatable(node, MEMORY, 2048 * GIB);
            capacity.set_allocatable(node, PODS, 110);
            capacity.set_allocatable(node, GPU, 8);
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if (random >> 33) % 100 < occupied {
                capacity.take(node, &[(CPU, 96_000), (MEMORY, 1024 * GIB), (PODS, 1), (GPU, 8)]);
            } else {
                capacity.take(node, &[(CPU, 2_000), (MEMORY, 4 * GIB), (PODS, 5)]);
            }
        }
        World {
            capacity,
            topology,
            classes: Classes::default(),
            eligibility: Eligibility::default(),
            coupling: Coupling::default(),
        }
    }

    fn class(&mut self, cpu: i64, gpu: i64) -> ClassId {
        let requests = [(CPU, cpu), (MEMORY, cpu * GIB / 125), (PODS, 1), (GPU, gpu)];
        let requests = requests.into_iter().filter(|&(_, amount)| amount > 0).collect();
        self.classes.intern(Class { requests, constraint: ConstraintId(0), coupling: CouplingId(0) })
    }

    fn view(&self) -> View<'_> {
        View {
            capacity: &self.capacity,
            topology: &self.topology,
            classes: &self.classes,
            eligibility: &self.eligibility,
            coupling: &self.coupling,
        }
    }
}

fn gang(class: ClassId, pods: u32) -> GangRequest {
    let members = (0..pods).map(|rank| Member { pod: PodId(rank), class, role: 0, rank }).collect();
    GangRequest {
        rule: TierRule::default(),
        minimum: pods,
        subgroups: vec![Subgroup { policy: None, members, placed: Vec::new() }],
        ..GangRequest::default()
    }
}

fn place(placer: &mut Placer, world: &World, request: &GangRequest, rules: &PlacementRules) -> usize {
    match placer.place(world.view(), request, rules) {
        Outcome::Placed(placement) => placement.assignments.len(),
        Outcome::Short(_) => 0,
    }
}

fn index(c: &mut Criterion) {
    let mut group = c.benchmark_group("index");
    let mut world = World::new(20, 50);
    let class = world.class(96_000, 8);
    let rules = PlacementRules::default();
    let one = gang(class, 1);
    group.bench_function("register_class/10k", |b| {
        b.iter_batched_ref(
            || (),
            |()| place(&mut Placer::default(), &world, &one, &rules),
            BatchSize::SmallInput,
        );
    });
    let mut placer = Placer::default();
    place(&mut placer, &world, &one, &rules);
    group.bench_function("place_one_pod/10k", |b| {
        b.iter(|| place(&mut placer, &world, black_box(&one), &rules))
    });
    let mut node = 0;
    group.bench_function("place_one_pod_after_a_change/10k", |b| {
        b.iter(|| {
            node = (node + 7919) % 10_240;
            world.capacity.take(NodeId(node), &[(CPU, 1000)]);
            let placed = place(&mut placer, &world, black_box(&one), &rules);
            world.capacity.give(NodeId(node), &[(CPU, 1000)]);
            placed
        });
    });
    group.finish();
}

fn gangs(c: &mut Criterion) {
    let mut group = c.benchmark_group("place");
    let rules = PlacementRules::default();
    for (name, blocks) in [("10k", 20), ("100k", 200)] {
        for occupied in [0, 50, 80] {
            let mut world = World::new(blocks, occupied);
            let class = world.class(96_000, 8);
            let mut placer = Placer::default();
            for pods in [16, 128, 1024] {
                let request = gang(class, pods);
                assert_eq!(place(&mut placer, &world, &request, &rules), pods as usize);
                group.bench_function(format!("gang{pods}/whole-node/{name}/occ{occupied}"), |b| {
                    b.iter(|| place(&mut placer, &world, black_box(&request), &rules));
                });
            }
            if occupied == 80 {
                let request = gang(class, 60_000);
                group.bench_function(format!("infeasible/{name}"), |b| {
                    b.iter(|| place(&mut placer, &world, black_box(&request), &rules));
                });
            }
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .without_plots();
    targets = index, gangs
}
criterion_main!(benches);
