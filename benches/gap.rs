//! Not a matter of time: how far gangs of mixed subgroup sizes are from the optimum. Prints the gap in cost
//! (racks + 10 blocks) to an integer programme for up to 32 racks, and to a lower bound beyond, as mean, 99th percentile
//! and maximum, and how many searches were cut short. Run with `cargo bench --bench gap`.
#![allow(clippy::float_arithmetic, clippy::unwrap_used)]

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem, SolveOutcome};
use phalanx::cluster::capacity::CPU;
use phalanx::cluster::ids::{ClassId, NodeId};
use phalanx::cluster::topology::Topology;
use phalanx::placement::{Outcome, PlacementRules, Placer, Proof};
use std::time::Duration;
use support::world::{World, subgroups};

mod support {
    #[allow(dead_code)]
    pub(crate) mod objects;
    #[allow(dead_code)]
    pub(crate) mod world;
}

struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Racks of 16 nodes that take one pod each, so many of them taken.
fn world(blocks: usize, racks: usize, taken: u64, random: &mut Random) -> (World, ClassId) {
    let mut world = World::new(Topology::uniform(&[("block", blocks), ("rack", racks)], 16), 0);
    let class = world.whole_node();
    for node in 0..world.capacity.len() as u32 {
        if random.below(100) < taken {
            world.capacity.take(NodeId(node), &[(CPU, 190_000)]);
        }
    }
    (world, class)
}

/// Free nodes of each rack, block by block.
fn free(world: &World) -> Vec<Vec<i64>> {
    let is_free = |&&node: &&NodeId| {
        world.capacity.free(node, CPU) >= 96_000
            && world.eligibility.cause(world.classes.get(ClassId(0)).constraint, node).is_none()
    };
    let of_rack = |&rack| world.topology.nodes(rack).iter().filter(is_free).count() as i64;
    let blocks = world.topology.children(Topology::ROOT).iter();
    blocks.map(|&block| world.topology.children(block).iter().map(of_rack).collect()).collect()
}

/// The least cost by integer programming; `None` where nothing fits or time ran out.
fn optimum(free: &[Vec<i64>], sorts: &[(u32, u32)]) -> Option<i64> {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    problem.set_time_limit(Duration::from_secs(2));
    let mut placed: Vec<LinearExpr> = sorts.iter().map(|_| LinearExpr::empty()).collect();
    for racks in free {
        let uses_block = problem.add_binary_var(10.0);
        for &free in racks {
            let uses_rack = problem.add_binary_var(1.0);
            problem.add_constraint([(uses_rack, 1.0), (uses_block, -1.0)], ComparisonOp::Le, 0.0);
            let mut room = LinearExpr::empty();
            room.add(uses_rack, -(free as f64));
            for (sort, &(size, count)) in sorts.iter().enumerate() {
                let most = (free / i64::from(size)).min(i64::from(count)) as i32;
                let copies = problem.add_integer_var(0.0, (0, most));
                room.add(copies, f64::from(size));
                placed[sort].add(copies, 1.0);
            }
            problem.add_constraint(room, ComparisonOp::Le, 0.0);
        }
    }
    for (expression, &(_, count)) in placed.into_iter().zip(sorts) {
        problem.add_constraint(expression, ComparisonOp::Eq, f64::from(count));
    }
    match problem.solve() {
        Ok(SolveOutcome::Solution(solution)) => Some(solution.objective().round() as i64),
        _ => None,
    }
}

/// The fewest racks, and the fewest blocks, that hold so many pods one by one.
fn bound(free: &[Vec<i64>], pods: i64) -> i64 {
    let fewest = |mut rooms: Vec<i64>| {
        rooms.sort_unstable_by_key(|&room| std::cmp::Reverse(room));
        let (mut held, mut count) = (0, 0);
        for room in rooms.into_iter().take_while(|&room| room > 0) {
            if held >= pods {
                break;
            }
            held += room;
            count += 1;
        }
        count
    };
    fewest(free.concat()) + 10 * fewest(free.iter().map(|racks| racks.iter().sum()).collect())
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let mut random = Random(11);
    println!("gap in racks + 10 blocks, gangs that span blocks");
    for (what, blocks, racks, rounds, exact) in [
        ("integer programme, 8 racks", 2, 4, 60, true),
        ("integer programme, 16 racks", 4, 4, 40, true),
        ("integer programme, 32 racks", 4, 8, 20, true),
        ("lower bound, 128 racks", 8, 16, 40, false),
        ("lower bound, 640 racks", 20, 32, 20, false),
    ] {
        let (mut gaps, mut cut, mut refused, mut unknown) = (Vec::new(), 0, 0, 0);
        for _ in 0..rounds {
            let taken = 10 + random.below(60);
            let (world, class) = world(blocks, racks, taken, &mut random);
            let free = free(&world);
            let room: i64 = free.concat().iter().sum();
            // about three fifths of what is free
            let share = (room * 3 / 5 / 3).max(8) as u32;
            let sorts = [(8, share / 8), (5, share / 5), (3, share / 3)];
            let pods: u32 = sorts.iter().map(|(size, count)| size * count).sum();
            let request = subgroups(class, &sorts, 1);
            let rules = PlacementRules::default();
            let placement = match Placer::default().place(world.view(), &request, &rules) {
                Outcome::Placed(placement) => placement,
                Outcome::Short(shortfall) => {
                    refused += 1;
                    cut += usize::from(shortfall.proof != Proof::Proven);
                    continue;
                }
            };
            cut += usize::from(placement.proof != Proof::Proven);
            if placement.domain != Some(Topology::ROOT) {
                continue;
            }
            let least = if exact { optimum(&free, &sorts) } else { Some(bound(&free, i64::from(pods))) };
            match least {
                Some(least) if least <= placement.cost[2] => {
                    gaps.push(100.0 * (placement.cost[2] as f64 / least as f64 - 1.0));
                }
                // Time ran out, at once or with something worse in hand.
                _ => unknown += 1,
            }
        }
        gaps.sort_by(f64::total_cmp);
        let mean = gaps.iter().sum::<f64>() / gaps.len().max(1) as f64;
        let at = |share: f64| {
            gaps.get(((gaps.len() as f64 * share).ceil() as usize).max(1) - 1).copied().unwrap_or(0.0)
        };
        println!(
            "{what:<28} {rounds} gangs, {} compared: mean {mean:.2} %, p99 {:.2} %, max {:.2} %; {cut} cut short, {refused} refused, {unknown} without a reference",
            gaps.len(),
            at(0.99),
            at(1.0),
        );
    }
}
