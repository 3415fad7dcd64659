//! What a decision costs: index upkeep, single gangs, subgroups, mixed sizes, refusals, at 10,240 and 102,400 nodes, with
//! node selectors, taints and four resources; against a plain scan over node objects. Run with
//! `cargo bench --bench placement`; the table at the end has medians, budgets and ratios.
#![allow(clippy::float_arithmetic, clippy::unwrap_used)]

use criterion::Criterion;
use phalanx::cluster::capacity::CPU;
use phalanx::cluster::ids::{ClassId, NodeId};
use phalanx::cluster::topology::Topology;
use phalanx::placement::{
    CostTerm, GangRequest, Outcome, Placement, PlacementRules, Placer, Policy, Subgroup, TierRule,
};
use std::hint::black_box;
use std::time::Duration;
use support::rows::{Against, Rows, time, us};
use support::scan::{Pod, Scan};
use support::world::{World, gang, members, subgroups};

mod support {
    #[allow(dead_code)]
    pub(crate) mod objects;
    pub(crate) mod rows;
    pub(crate) mod scan;
    pub(crate) mod world;
}

fn place(placer: &mut Placer, world: &World, request: &GangRequest, rules: &PlacementRules) -> usize {
    match placer.place(world.view(), black_box(request), rules) {
        Outcome::Placed(placement) => black_box(placement).assignments.len(),
        Outcome::Short(shortfall) => {
            black_box(shortfall);
            0
        }
    }
}

fn placed(
    placer: &mut Placer,
    world: &World,
    request: &GangRequest,
    rules: &PlacementRules,
) -> Option<Placement> {
    match placer.place(world.view(), request, rules) {
        Outcome::Placed(placement) => Some(placement),
        Outcome::Short(_) => None,
    }
}

/// What a scan takes for one pod, in nanoseconds; measured on a few.
fn scan_per_pod(world: &World, pods: usize) -> f64 {
    let mut scan = Scan::new(world);
    let pod = Pod::new(96_000, 8);
    assert_eq!(scan.place(&pod, pods), pods);
    time(|| assert_eq!(scan.place(&pod, pods), pods)).as_nanos() as f64 / pods as f64
}

fn index(c: &mut Criterion, rows: &Rows) {
    let mut group = c.benchmark_group("index");
    let mut world = World::blocks(20, 50);
    let rules = PlacementRules::default();
    let classes: Vec<ClassId> = (0..4).map(|at| world.class(24_000 * (at + 1), 2 * (at + 1))).collect();
    let mut placer = Placer::default();
    let mut node = 0;
    let mut turn = 1;
    let mut warm = |world: &World, classes: &[ClassId]| {
        for &class in classes {
            placer.count(world.view(), class, &rules);
        }
    };
    warm(&world, &classes);
    // 64 nodes change and the slots of four classes follow, up three tiers; the row is for one node.
    let each = Against { each: 64, budget: Some(30.0), ..Against::default() };
    rows.bench(&mut group, "index/node_update/4-classes/10k", each, || {
        turn = -turn;
        for _ in 0..64 {
            node = (node + 7919) % 10_240;
            world.capacity.take(NodeId(node), &[(CPU, turn * 24_000)]);
        }
        node = (node + 64 * (10_240 - 7919)) % 10_240;
        warm(&world, &classes);
    });
    // More classes than are kept, in turn: each is counted anew.
    let many: Vec<ClassId> = (0..96).map(|at| world.class(96_000 + 125 * at, 8)).collect();
    let mut at = 0;
    rows.bench(&mut group, "index/register_class/10k", us(60.0), || {
        at = (at + 1) % many.len();
        warm(&world, &many[at..=at]);
    });
    group.finish();
}

fn gangs(c: &mut Criterion, rows: &Rows) {
    let mut group = c.benchmark_group("place");
    let rules = PlacementRules::default();
    for (name, blocks) in [("10k", 20), ("100k", 200)] {
        for occupied in [0, 50, 80] {
            let mut world = World::blocks(blocks, occupied);
            let class = world.whole_node();
            let mut placer = Placer::default();
            let scan = scan_per_pod(&world, if blocks == 20 { 8 } else { 2 });
            for (pods, budget) in [(1, None), (16, Some(15e3)), (128, Some(20e3)), (1024, Some(60e3))] {
                let request = gang(class, pods, None);
                assert_eq!(place(&mut placer, &world, &request, &rules), pods as usize);
                let budget = match (blocks, pods) {
                    (20, _) => budget,
                    (_, 1024) => Some(150e3),
                    _ => None,
                };
                let against = Against { budget, scan: Some(scan * f64::from(pods)), each: 1 };
                rows.bench(
                    &mut group,
                    &format!("place/gang{pods}/whole-node/{name}/occ{occupied}"),
                    against,
                    || {
                        place(&mut placer, &world, &request, &rules);
                    },
                );
            }
            if occupied == 50 {
                let request = gang(class, 1, None);
                let mut node = 0;
                let id = format!("place/gang1/after-a-change/{name}");
                rows.bench(&mut group, &id, Against::default(), || {
                    node = (node + 7919) % 10_240;
                    world.capacity.take(NodeId(node), &[(CPU, 1000)]);
                    place(&mut placer, &world, &request, &rules);
                    world.capacity.give(NodeId(node), &[(CPU, 1000)]);
                });
                // Every domain is a candidate and none is ruled out by its tier: all staircases are climbed.
                use CostTerm::{Domains, GangTier, NodeScore, Stranded, SubgroupTier};
                let rules = PlacementRules {
                    order: vec![Domains, SubgroupTier, GangTier, Stranded, NodeScore],
                    ..PlacementRules::default()
                };
                let request = gang(class, 1024, None);
                let budget = if blocks == 20 { us(1e3) } else { us(10e3) };
                rows.bench(&mut group, &format!("place/gang1024/exact-dp/{name}"), budget, || {
                    place(&mut placer, &world, &request, &rules);
                });
                let one_gpu = world.class(12_000, 1);
                let request = gang(one_gpu, 1024, None);
                let rules = PlacementRules::default();
                rows.bench(&mut group, &format!("place/gang1024/one-gpu/{name}"), us(100.0), || {
                    assert_eq!(place(&mut placer, &world, &request, &rules), 1024);
                });
                // A cycle's worth: place, take, give back.
                let request = gang(class, 1024, None);
                rows.bench(
                    &mut group,
                    &format!("place/gang1024/with-commit/{name}"),
                    Against::default(),
                    || {
                        let placement = placed(&mut placer, &world, &request, &rules).unwrap();
                        world.change(&request, &placement, true);
                        world.change(&request, &placement, false);
                    },
                );
            }
            if occupied == 80 {
                let cases = [
                    ("4096-in-cluster", 4096 * blocks as u32 / 20, None),
                    ("1024-in-a-block", 1024, Some(2)),
                ];
                for (what, pods, tier) in cases {
                    let request = gang(class, pods, tier);
                    assert_eq!(place(&mut placer, &world, &request, &rules), 0);
                    let budget = if blocks == 20 { us(15.0) } else { Against::default() };
                    rows.bench(&mut group, &format!("place/infeasible/{what}/{name}"), budget, || {
                        place(&mut placer, &world, &request, &rules);
                    });
                }
                let request = subgroups(class, &[(16, 64)], 1);
                assert_eq!(place(&mut placer, &world, &request, &rules), 0);
                let budget = if blocks == 20 { us(50.0) } else { Against::default() };
                rows.bench(&mut group, &format!("place/infeasible/64x16-in-racks/{name}"), budget, || {
                    place(&mut placer, &world, &request, &rules);
                });
                let request = gang(class, 4096 * blocks as u32 / 20, None);
                rows.bench(
                    &mut group,
                    &format!("place/explain/4096-in-cluster/{name}"),
                    Against::default(),
                    || {
                        black_box(placer.explain(world.view(), &request, &rules));
                    },
                );
            }
        }
    }
    group.finish();
}

fn groups(c: &mut Criterion, rows: &Rows) {
    let mut group = c.benchmark_group("place");
    let rules = PlacementRules::default();
    let mut placer = Placer::default();
    for occupied in [0, 50] {
        let mut world = World::blocks(20, occupied);
        let class = world.whole_node();
        let sorts: &[(u32, u32)] =
            if occupied == 0 { &[(16, 64), (8, 128), (4, 256)] } else { &[(8, 128), (4, 256)] };
        for &(size, count) in sorts {
            let request = subgroups(class, &[(size, count)], 1);
            // 16 nodes in a rack, some cordoned
            assert_eq!(place(&mut placer, &world, &request, &rules), 1024);
            let id = format!("place/subgroups{count}x{size}/10k/occ{occupied}");
            rows.bench(&mut group, &id, us(40.0), || {
                place(&mut placer, &world, &request, &rules);
            });
        }
        let request = subgroups(class, &[(8, 16), (5, 24), (3, 32)], 1);
        assert_eq!(place(&mut placer, &world, &request, &rules), 344);
        rows.bench(&mut group, &format!("place/mixed8x16-5x24-3x32/10k/occ{occupied}"), us(2e3), || {
            place(&mut placer, &world, &request, &rules);
        });
        // A leader without GPUs and seven whole-node workers, 16 times, each in a rack.
        let leader = world.class(8_000, 0);
        let mut request = GangRequest { minimum: 128, ..GangRequest::default() };
        request.policies.push(Policy {
            size: 8,
            minimum: 16,
            rule: TierRule { required: Some(1), preferred: None },
        });
        for at in 0..16 {
            let mut pods = members(leader, 8 * at, 1);
            pods.extend(members(class, 8 * at + 1, 7));
            request.subgroups.push(Subgroup { policy: Some(0), members: pods, placed: Vec::new() });
        }
        assert_eq!(place(&mut placer, &world, &request, &rules), 128);
        let id = format!("place/leader-workers16x8/10k/occ{occupied}");
        rows.bench(&mut group, &id, Against::default(), || {
            place(&mut placer, &world, &request, &rules);
        });
    }
    group.finish();
}

/// Shapes that other schedulers publish figures for.
fn shapes(c: &mut Criterion, rows: &Rows) {
    let mut group = c.benchmark_group("shapes");
    let rules = PlacementRules::default();
    // Racks of 100 nodes; gang after gang until all stand.
    let mut world = World::new(Topology::uniform(&[("rack", 50)], 100), 0);
    let class = world.class(48_000, 4);
    let mut placer = Placer::default();
    for (gangs, pods) in [(750, 4), (1500, 4), (2250, 4), (3, 1000), (6, 1000), (9, 1000)] {
        let request = gang(class, pods, None);
        let against = Against { each: gangs * pods, budget: Some(10e3), ..Against::default() };
        rows.bench_timed(
            &mut group,
            &format!("shapes/5000Nodes_{gangs}Gangs_{pods}/pod"),
            against,
            |iterations| {
                let mut took = Duration::ZERO;
                for _ in 0..iterations {
                    let mut all = Vec::with_capacity(gangs as usize);
                    took += time(|| {
                        for _ in 0..gangs {
                            let placement = placed(&mut placer, &world, &request, &rules).unwrap();
                            world.change(&request, &placement, true);
                            all.push(placement);
                        }
                    });
                    for placement in &all {
                        world.change(&request, placement, false);
                    }
                }
                took
            },
        );
    }
    let mut world = World::new(Topology::uniform(&[("spine", 1), ("leaf", 100)], 10), 0);
    let class = world.class(96_000, 8);
    for node in (0..1000).map(NodeId) {
        // the cordoned ones as well: the shape uses every node
        world.eligibility.set_node(node, &uncordoned(node.index()));
    }
    let request = subgroups(class, &[(10, 100)], 1);
    let mut placer = Placer::default();
    assert_eq!(place(&mut placer, &world, &request, &rules), 1000);
    rows.bench(&mut group, "shapes/1000-nodes-100x10-exclusive", us(100.0), || {
        place(&mut placer, &world, &request, &rules);
    });
    let mut world = World::new(Topology::uniform(&[("a", 600), ("b", 5), ("c", 2)], 1), 0);
    assert_eq!(world.topology.len() - 1, 9600);
    let class = world.class(96_000, 8);
    let mut placer = Placer::default();
    for pods in [8, 1000] {
        let request = gang(class, pods, None);
        assert_eq!(place(&mut placer, &world, &request, &rules), pods as usize);
        rows.bench(&mut group, &format!("shapes/6000-nodes-9600-hypernodes/gang{pods}"), us(1e3), || {
            place(&mut placer, &world, &request, &rules);
        });
    }
    let mut world = World::new(Topology::uniform(&[("zone", 4), ("block", 8), ("rack", 8)], 2), 0);
    let class = world.class(24_000, 2);
    let mut placer = Placer::default();
    for preferred in [None, Some(1)] {
        let mut request = gang(class, 512, None);
        request.rule.preferred = preferred;
        assert_eq!(place(&mut placer, &world, &request, &rules), 512);
        let id = format!("shapes/512-nodes-512x2-gpus/{}", if preferred.is_some() { "rack" } else { "any" });
        rows.bench(&mut group, &id, us(100.0), || {
            place(&mut placer, &world, &request, &rules);
        });
    }
    group.finish();
}

fn uncordoned(index: usize) -> phalanx::api::core::Node {
    support::objects::node(index, 10, 100)
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(400))
        .without_plots()
        .configure_from_args();
    let rows = Rows::default();
    index(&mut criterion, &rows);
    gangs(&mut criterion, &rows);
    groups(&mut criterion, &rows);
    shapes(&mut criterion, &rows);
    criterion.final_summary();
    rows.print();
}
