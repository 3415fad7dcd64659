//! No gap to brute force where the solver says that its answer is proven.

use super::brute;
use super::world::{World, cases, pods, running, trees};
use crate::placement::audit::{audit, cost_of};
use crate::placement::{
    CostTerm, GangRequest, Outcome, Packing, PlacementRules, Placer, Policy, Proof, RoleMinimum, Subgroup,
    TierRule,
};
use proptest::prelude::*;

/// Places, audits, and compares with brute force: feasibility and pods always; cost terms ahead of `NodeScore` unless
/// the search was cut short.
pub(super) fn check(world: &World, request: &GangRequest, rules: &PlacementRules) {
    check_terms(world, request, rules, &[CostTerm::NodeScore]);
}

/// As [`check`], but `ties` and the terms after the first of them need not be the least.
pub(super) fn check_terms(world: &World, request: &GangRequest, rules: &PlacementRules, ties: &[CostTerm]) {
    let best = brute::best(world, request, rules);
    let outcome = Placer::default().place(world.view(), request, rules);
    match (&outcome, &best) {
        (Outcome::Placed(placement), Some(best)) => {
            assert_eq!(audit(world.view(), request, placement), Ok(()), "{placement:?}");
            let cost = cost_of(world.view(), request, rules, &placement.assignments);
            assert_eq!(cost, placement.cost, "the stated cost is the cost: {placement:?}");
            if placement.proof == Proof::Proven {
                assert_eq!(placement.assignments.len(), best.pods, "{placement:?} against {best:?}");
                let terms = rules.order.iter().take_while(|term| !ties.contains(term)).count();
                assert_eq!(cost[..terms], best.cost[..terms], "{placement:?} against {best:?}");
            }
            let left_out = request.pending() - placement.assignments.len();
            assert_eq!(placement.shortfall.is_some(), left_out > 0);
        }
        (Outcome::Short(_), None) => {}
        (Outcome::Short(shortfall), Some(best)) => {
            assert_ne!(shortfall.proof, Proof::Proven, "{shortfall:?} against {best:?}");
        }
        (Outcome::Placed(placement), None) => panic!("no placement is possible, but got {placement:?}"),
    }
}

pub(super) fn orders() -> impl Strategy<Value = PlacementRules> {
    use CostTerm::{Domains, GangTier, NodeScore, Stranded, SubgroupTier};
    let orders = vec![
        vec![SubgroupTier, GangTier, Domains, Stranded, NodeScore],
        vec![GangTier, SubgroupTier, Stranded, Domains, NodeScore],
        vec![Domains, SubgroupTier, GangTier, Stranded, NodeScore],
        vec![Stranded, Domains, SubgroupTier, GangTier],
    ];
    // With a budget that does not last, what is called proven must still be right: by tables, where not by exhaustion.
    let budgets = prop::sample::select(vec![20_000, 20_000, 6, 6]);
    (prop::sample::select(orders), prop::sample::select(vec![10, 1, 3]), budgets).prop_map(
        |(order, level_weight, search_budget)| PlacementRules {
            order,
            level_weight,
            search_budget,
            ..PlacementRules::default()
        },
    )
}

pub(super) fn rule() -> impl Strategy<Value = TierRule> {
    let tier = || prop::option::weighted(0.5, prop::sample::select(vec![0, 1, 2, 3, 5, 9]));
    (tier(), tier()).prop_map(|(required, preferred)| TierRule { required, preferred })
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn one_kind(
        topology in trees(7),
        nodes in prop::collection::vec((0..6i64, 0..4i64), 7),
        request in [0..3i64, 0..2i64],
        count in 1..6u32,
        minimum in 0..6u32,
        rule in rule(),
        held in prop::collection::vec(0..8u32, 0..3),
        rules in orders(),
    ) {
        let mut world = World::new(topology, nodes.into_iter().map(|(cpu, gpu)| [cpu, 16, gpu]));
        let class = world.class([request[0] + 1, 1, request[1]]);
        let request = GangRequest {
            rule,
            minimum,
            subgroups: vec![Subgroup {
                policy: None,
                members: pods(class, 0, count),
                placed: held.into_iter().map(running).collect(),
            }],
            ..GangRequest::default()
        };
        check(&world, &request, &rules);
    }

    #[test]
    fn subgroups_alike(
        topology in trees(7),
        nodes in prop::collection::vec(0..4i64, 7),
        size in 1..4u32,
        count in 1..4u32,
        minimum in (0..6u32, 0..3u32),
        rules_of in (rule(), rule()),
        held in prop::collection::vec(0..8u32, 0..2),
        rules in orders(),
    ) {
        let mut world = World::new(topology, nodes.into_iter().map(|cpu| [cpu, 16, 0]));
        let class = world.class([1, 1, 0]);
        let count = count.min(6 / size);
        let mut subgroups: Vec<Subgroup> = (0..count)
            .map(|at| Subgroup { policy: Some(0), members: pods(class, at * size, size), placed: Vec::new() })
            .collect();
        // What runs is a complete subgroup of its own.
        if !held.is_empty() {
            let placed = (0..size).map(|at| running(held[at as usize % held.len()])).collect();
            subgroups.push(Subgroup { policy: Some(0), members: Vec::new(), placed });
        }
        let request = GangRequest {
            rule: rules_of.0,
            minimum: minimum.0,
            policies: vec![Policy { size, minimum: minimum.1, rule: rules_of.1 }],
            subgroups,
            ..GangRequest::default()
        };
        check(&world, &request, &rules);
    }

    #[test]
    fn one_kind_spread(
        topology in trees(6),
        nodes in prop::collection::vec(0..5i64, 6),
        count in 1..5u32,
        required in prop::option::of(0..4u32),
    ) {
        let mut world = World::new(topology, nodes.into_iter().map(|cpu| [cpu, 16, 0]));
        let class = world.class([1, 1, 0]);
        let request = super::world::loose(pods(class, 0, count), required);
        check(&world, &request, &PlacementRules { packing: Packing::Spread, ..PlacementRules::default() });
    }

    #[test]
    fn sizes_differ(
        topology in trees(6),
        nodes in prop::collection::vec(0..4i64, 6),
        sizes in prop::collection::vec(1..4u32, 1..4).prop_filter("few pods", |s| s.iter().sum::<u32>() < 7),
        alone in 0..2u32,
        gang in rule(),
        required in prop::option::of(1..3u32),
        held in prop::collection::vec(0..8u32, 0..2),
        rules in orders(),
    ) {
        let mut world = World::new(topology, nodes.into_iter().map(|cpu| [cpu, 16, 0]));
        let class = world.class([1, 1, 0]);
        let mut subgroups = vec![Subgroup {
            policy: None,
            members: pods(class, 0, alone),
            placed: held.into_iter().map(running).collect(),
        }];
        let mut policies = Vec::new();
        for (at, &size) in (0..).zip(&sizes) {
            let rule = TierRule { required, preferred: None };
            policies.push(Policy { size, minimum: 1, rule });
            subgroups.push(Subgroup {
                policy: Some(at),
                members: pods(class, 10 * (at + 1), size),
                placed: Vec::new(),
            });
        }
        let request = GangRequest { rule: gang, minimum: alone, policies, subgroups, ..GangRequest::default() };
        check(&world, &request, &rules);
    }

    #[test]
    fn anything(
        topology in trees(6),
        nodes in prop::collection::vec((0..6i64, 0..3i64), 6),
        classes in prop::collection::vec((1..4i64, 0..2i64), 1..4),
        members in prop::collection::vec((0..3usize, 0..3usize, 0..3u32), 1..6),
        held in prop::collection::vec((0..3usize, 0..7u32, 0..3u32), 0..3),
        policies in prop::collection::vec((0..4u32, 0..2u32, rule()), 0..3),
        gang in (rule(), 0..6u32),
        roles in prop::collection::vec((0..3u32, 0..3u32), 0..2),
        rules in orders(),
    ) {
        let mut world = World::new(topology, nodes.into_iter().map(|(cpu, gpu)| [cpu, 16, gpu]));
        let classes: Vec<_> = classes.into_iter().map(|(cpu, gpu)| world.class([cpu, 1, gpu])).collect();
        let policies: Vec<Policy> =
            policies.into_iter().map(|(size, minimum, rule)| Policy { size, minimum, rule }).collect();
        // Subgroup 2 is loose; the others belong to policies as far as there are any.
        let mut subgroups: Vec<Subgroup> = (0..3u32)
            .map(|at| Subgroup {
                policy: (at < 2 && !policies.is_empty()).then(|| at.min(policies.len() as u32 - 1)),
                ..Subgroup::default()
            })
            .collect();
        for (rank, &(subgroup, class, role)) in members.iter().enumerate() {
            let mut member = pods(classes[class % classes.len()], rank as u32, 1)[0];
            member.role = role;
            subgroups[subgroup].members.push(member);
        }
        for &(subgroup, node, role) in &held {
            subgroups[subgroup].placed.push(crate::placement::Placed { role, ..running(node) });
        }
        let roles = roles.into_iter().map(|(role, minimum)| RoleMinimum { role, minimum }).collect();
        let request = GangRequest { rule: gang.0, minimum: gang.1, roles, policies, subgroups };
        check_terms(&world, &request, &rules, &[CostTerm::Stranded, CostTerm::NodeScore]);
    }

    /// Of one kind, loose or in subgroups alike, the last term is the least as well, across domains.
    #[test]
    fn node_score_of_one_kind(
        topology in trees(6),
        nodes in prop::collection::vec((0..5i64, 0..6i64), 6),
        size in prop::sample::select(vec![0, 1, 2, 2, 3]),
        count in 1..6u32,
        rules_of in (rule(), rule()),
        held in prop::collection::vec(0..7u32, 0..2),
        rules in orders(),
        early in 0..4usize,
    ) {
        let mut world = World::new(topology, nodes.iter().map(|&(cpu, _)| [cpu, 16, 0]));
        for (node, &(_, taken)) in (0..).zip(&nodes) {
            world.capacity.take(crate::cluster::ids::NodeId(node), &[(crate::cluster::capacity::MEMORY, taken)]);
        }
        let class = world.class([1, 1, 0]);
        let mut request = GangRequest { rule: rules_of.0, minimum: 1, ..GangRequest::default() };
        let placed: Vec<_> = held.into_iter().map(running).collect();
        if size == 0 {
            request.subgroups.push(Subgroup { policy: None, members: pods(class, 0, count), placed });
        } else {
            request.policies.push(Policy { size, minimum: 1, rule: rules_of.1 });
            request.subgroups.extend((0..count.min(6 / size)).map(|at| Subgroup {
                policy: Some(0),
                members: pods(class, at * size, size),
                placed: Vec::new(),
            }));
            request.subgroups.push(Subgroup { policy: None, members: Vec::new(), placed });
        }
        let mut rules = rules;
        if rules.order.last() == Some(&CostTerm::NodeScore) && early == 0 {
            // Good nodes before few domains.
            rules.order.pop();
            let at = rules.order.iter().position(|&term| term == CostTerm::Domains).unwrap_or(0);
            rules.order.insert(at, CostTerm::NodeScore);
        }
        check_terms(&world, &request, &rules, &[]);
    }

    /// In one domain the choice of nodes is exact as well.
    #[test]
    fn node_score_inside_a_domain(
        nodes in prop::collection::vec((0..6i64, 0..6i64), 5),
        count in 1..6u32,
        packing in prop::sample::select(vec![Packing::Tight, Packing::Spread]),
    ) {
        let topology = crate::cluster::topology::Topology::uniform(&[], 5);
        let mut world = World::new(topology, nodes.iter().map(|&(cpu, _)| [cpu + 2, 16, 0]));
        for (node, &(_, taken)) in nodes.iter().enumerate() {
            let node = crate::cluster::ids::NodeId(node as u32);
            world.capacity.take(node, &[(crate::cluster::capacity::MEMORY, taken)]);
        }
        let class = world.class([1, 1, 0]);
        let request = super::world::loose(pods(class, 0, count), None);
        let rules = PlacementRules { packing, ..PlacementRules::default() };
        let best = brute::best(&world, &request, &rules);
        match Placer::default().place(world.view(), &request, &rules) {
            Outcome::Placed(placement) => prop_assert_eq!(placement.cost, best.expect("placed").cost),
            Outcome::Short(_) => prop_assert_eq!(best, None),
        }
    }
}

/// A vector packing: two of each kind fill every node, and kind by kind they do not fit.
#[test]
fn kinds_of_different_proportions_share_nodes() {
    for nodes in [3, 9, 12, 20] {
        let topology = crate::cluster::topology::Topology::uniform(&[], nodes as usize);
        let mut world = World::new(topology, (0..nodes).map(|_| [6, 64, 6]));
        let kinds = [world.class([2, 1, 1]), world.class([1, 1, 2])];
        let mut members = pods(kinds[0], 0, nodes * 2);
        members.extend(pods(kinds[1], nodes * 2, nodes * 2));
        let request = super::world::loose(members, None);
        let outcome = Placer::default().place(world.view(), &request, &PlacementRules::default());
        assert!(matches!(outcome, Outcome::Placed(_)), "{nodes} nodes: {outcome:?}");
    }
}

/// Too many pods to try every placement, and one that has them all exists, since full nodes were cut into them: "there is none"
/// may be the answer, but not a proven one.
#[test]
fn what_is_too_large_to_be_searched_is_not_called_proven() {
    let mut short = 0;
    for seed in 1..60u32 {
        let topology = crate::cluster::topology::Topology::uniform(&[], 14);
        let mut world = World::new(topology, [[24, 64, 0]; 14]);
        let mut members = Vec::new();
        for node in 0..14 {
            let first = 5 + (seed * 7 + node * node * seed) % 6;
            let second = 4 + (seed + node * 5) % 5;
            for size in [first, second, 24 - first - second] {
                let class = world.class([i64::from(size), 1, 0]);
                members.extend(pods(class, members.len() as u32, 1));
            }
        }
        let request = super::world::loose(members, None);
        if let Outcome::Short(shortfall) =
            Placer::default().place(world.view(), &request, &PlacementRules::default())
        {
            short += 1;
            assert_ne!(shortfall.proof, Proof::Proven, "seed {seed}");
        }
    }
    assert!(short > 0, "the solver has learnt to place these: take harder ones");
}

/// Two racks with as much room: in one of them a single node takes both subgroups. They used to be seated in the first rack.
#[test]
fn two_subgroups_share_the_node_that_takes_both() {
    let topology = crate::cluster::topology::Topology::uniform(&[("block", 1), ("rack", 2)], 3);
    let mut world = World::new(topology, [1, 3, 3, 1, 1, 5].map(|cpu| [cpu, 16, 0]));
    let class = world.class([1, 1, 0]);
    let rule = TierRule { required: Some(1), preferred: None };
    let request = GangRequest {
        minimum: 4,
        policies: vec![Policy { size: 2, minimum: 2, rule }],
        subgroups: (0..2)
            .map(|at| Subgroup { policy: Some(0), members: pods(class, 2 * at, 2), placed: Vec::new() })
            .collect(),
        ..GangRequest::default()
    };
    let Outcome::Placed(placement) =
        Placer::default().place(world.view(), &request, &PlacementRules::default())
    else {
        panic!("there is room");
    };
    assert_eq!(placement.assignments.iter().map(|one| one.node.0).collect::<Vec<_>>(), [5; 4]);
    check_terms(&world, &request, &PlacementRules::default(), &[]);
}
