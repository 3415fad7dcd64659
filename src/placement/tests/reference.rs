//! Beyond brute force: exact references at sizes that matter, and how far the rest is from them.

#![allow(clippy::float_arithmetic, reason = "the reference solver counts in floats")]

use super::world::{World, pods, running};
use crate::cluster::capacity::CPU;
use crate::cluster::ids::{ClassId, NodeId};
use crate::cluster::topology::Topology;
use crate::placement::audit::audit;
use crate::placement::{
    GangRequest, Outcome, Placement, PlacementRules, Placer, Policy, Proof, Subgroup, TierRule,
};

/// A plain generator, so that every run sees the same worlds.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number in `0..below`.
    pub(super) fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// A tree with so many nodes of 1 cpu in each innermost domain, of which some are taken.
fn world(levels: &[(&str, usize)], nodes: usize, taken: u64, random: &mut Random) -> (World, ClassId) {
    let topology = Topology::uniform(levels, nodes);
    let count = topology.order().len();
    let mut world = World::new(topology, vec![[1, 16, 0]; count]);
    for node in 0..count as u32 {
        if random.below(100) < taken {
            world.capacity.take(NodeId(node), &[(CPU, 1)]);
        }
    }
    let class = world.class([1, 1, 0]);
    (world, class)
}

fn placed(world: &World, request: &GangRequest) -> Option<Placement> {
    match Placer::default().place(world.view(), request, &PlacementRules::default()) {
        Outcome::Placed(placement) => {
            assert_eq!(audit(world.view(), request, &placement), Ok(()));
            Some(placement)
        }
        Outcome::Short(shortfall) => {
            assert_eq!(shortfall.proof, Proof::Proven);
            None
        }
    }
}

/// The least `Domains` of so many pods, for each number: a programme over pods, domain by domain, without any of the
/// solver's shortcuts.
fn fewest(world: &World, domain: crate::cluster::ids::DomainId, pods: usize) -> Vec<i64> {
    let topology = &world.topology;
    let mut best = vec![1 << 40; pods + 1];
    best[0] = 0;
    let free = |&node: &NodeId| world.capacity.free(node, CPU).max(0) as usize;
    if topology.children(domain).is_empty() {
        let held: usize = topology.nodes(domain).iter().map(free).sum();
        best[..=held.min(pods)].fill(0);
        return best;
    }
    for &child in topology.children(domain) {
        let level =
            topology.by_tier().iter().position(|&(tier, _)| tier == topology.tier(child)).expect("in use");
        let inner = fewest(world, child, pods);
        let before = best.clone();
        for (taken, &cost) in inner.iter().enumerate().skip(1) {
            let cost = cost + 10i64.pow(level as u32);
            for total in taken..=pods {
                best[total] = best[total].min(before[total - taken] + cost);
            }
        }
    }
    best
}

#[test]
fn staircases_equal_the_plain_programme() {
    let mut random = Random(1);
    let mut spanning = 0;
    for round in 0..40 {
        let levels: &[(&str, usize)] = match round % 3 {
            0 => &[("block", 6), ("rack", 8)],
            1 => &[("zone", 3), ("block", 3), ("rack", 4)],
            _ => &[("rack", 12)],
        };
        let taken = 20 + random.below(60);
        let (world, class) = world(levels, 6, taken, &mut random);
        let total: i64 =
            (0..world.capacity.len() as u32).map(|node| world.capacity.free(NodeId(node), CPU)).sum();
        let count = 1 + random.below(total as u64 - 1) as u32;
        let request = super::world::loose(pods(class, 0, count), None);
        let placement = placed(&world, &request).expect("as many as fit in all");
        assert_eq!(placement.proof, Proof::Proven);
        spanning += usize::from(placement.domain == Some(Topology::ROOT));
        if placement.domain == Some(Topology::ROOT) {
            let least = fewest(&world, Topology::ROOT, count as usize)[count as usize];
            assert_eq!(placement.cost[2], least, "{count} pods, round {round}");
        }
    }
    assert!(spanning > 20, "most rounds are to span the tree: {spanning}");
}

/// Subgroups of the given sizes, each to lie in one rack.
fn subgroups(class: ClassId, sizes: &[(u32, u32)]) -> GangRequest {
    let mut request = GangRequest::default();
    let mut rank = 0;
    for (policy, &(size, count)) in (0..).zip(sizes) {
        let rule = TierRule { required: Some(1), preferred: None };
        request.policies.push(Policy { size, minimum: count, rule });
        for _ in 0..count {
            let members = pods(class, rank, size);
            rank += size;
            request.subgroups.push(Subgroup { policy: Some(policy), members, placed: Vec::new() });
        }
    }
    request
}

/// The least number of racks plus ten times the blocks, by integer programming.
fn by_integer_programming(world: &World, sizes: &[(u32, u32)]) -> Option<i64> {
    use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem};
    let topology = &world.topology;
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let mut placed: Vec<LinearExpr> = sizes.iter().map(|_| LinearExpr::empty()).collect();
    for &block in topology.children(Topology::ROOT) {
        let uses_block = problem.add_binary_var(10.0);
        for &rack in topology.children(block) {
            let free: i64 = topology.nodes(rack).iter().map(|&node| world.capacity.free(node, CPU)).sum();
            let uses_rack = problem.add_binary_var(1.0);
            problem.add_constraint([(uses_rack, 1.0), (uses_block, -1.0)], ComparisonOp::Le, 0.0);
            let mut room = LinearExpr::empty();
            room.add(uses_rack, -(free as f64));
            for (sort, &(size, count)) in sizes.iter().enumerate() {
                let most = (free / i64::from(size)).min(i64::from(count)) as i32;
                let copies = problem.add_integer_var(0.0, (0, most));
                room.add(copies, f64::from(size));
                placed[sort].add(copies, 1.0);
            }
            problem.add_constraint(room, ComparisonOp::Le, 0.0);
        }
    }
    for (expression, &(_, count)) in placed.into_iter().zip(sizes) {
        problem.add_constraint(expression, ComparisonOp::Eq, f64::from(count));
    }
    match problem.solve() {
        Ok(microlp::SolveOutcome::Solution(solution)) => Some(solution.objective().round() as i64),
        Ok(interrupted) => panic!("no limit was set: {interrupted:?}"),
        Err(_) => None,
    }
}

#[test]
fn mixed_sizes_equal_integer_programming() {
    let mut random = Random(2);
    let (mut proven, mut rounds, mut gaps) = (0, 0, 0);
    while rounds < 40 {
        let racks = 2 + random.below(4) as usize;
        let blocks = 1 + random.below(3) as usize;
        let taken = random.below(60);
        let (world, class) = world(&[("block", blocks), ("rack", racks)], 9, taken, &mut random);
        let sizes: Vec<(u32, u32)> = match random.below(3) {
            0 => vec![
                (8, 1 + random.below(2) as u32),
                (4, 1 + random.below(4) as u32),
                (1, 1 + random.below(4) as u32),
            ],
            1 => vec![(5, 1 + random.below(4) as u32), (3, 1 + random.below(5) as u32)],
            _ => vec![
                (6, 1 + random.below(2) as u32),
                (4, random.below(3) as u32),
                (3, 2),
                (2, 1 + random.below(3) as u32),
            ],
        };
        let sizes: Vec<(u32, u32)> = sizes.into_iter().filter(|&(_, count)| count > 0).collect();
        rounds += 1;
        let reference = by_integer_programming(&world, &sizes);
        let request = subgroups(class, &sizes);
        let outcome = Placer::default().place(world.view(), &request, &PlacementRules::default());
        match (outcome, reference) {
            (Outcome::Placed(placement), Some(least)) => {
                assert_eq!(audit(world.view(), &request, &placement), Ok(()));
                // Where one rack or one block holds all, the tier comes first; else the programme prices the same.
                if placement.domain == Some(Topology::ROOT) {
                    assert!(placement.cost[2] >= least, "the reference is a bound");
                    if placement.proof == Proof::Proven {
                        assert_eq!(placement.cost[2], least, "{sizes:?} {placement:?}");
                    }
                    gaps += placement.cost[2] - least;
                }
                proven += usize::from(placement.proof == Proof::Proven);
            }
            (Outcome::Short(shortfall), None) => proven += usize::from(shortfall.proof == Proof::Proven),
            (Outcome::Short(shortfall), Some(_)) => assert_ne!(shortfall.proof, Proof::Proven),
            (Outcome::Placed(placement), None) => panic!("infeasible, but {placement:?}"),
        }
    }
    assert!(proven >= 36, "nearly all are proven: {proven} of {rounds}");
    assert_eq!(gaps, 0);
}

#[test]
fn what_runs_makes_domains_free_of_charge() {
    let mut random = Random(3);
    let (mut world, class) = world(&[("block", 2), ("rack", 4)], 4, 0, &mut random);
    // Rack 0 holds two running pods and has two nodes free: the rest of the gang joins there.
    world.capacity.take(NodeId(0), &[(CPU, 1)]);
    world.capacity.take(NodeId(1), &[(CPU, 1)]);
    let mut request = super::world::loose(pods(class, 0, 2), None);
    request.subgroups[0].placed = vec![running(0), running(1)];
    let placement = placed(&world, &request).expect("there is room");
    assert_eq!(placement.assignments.iter().map(|a| a.node.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((placement.tier, placement.cost[2]), (1, 11));
}
