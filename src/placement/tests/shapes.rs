//! Gangs whose policies, minima, rules, sizes and pods vary one without the other: what a strategy takes to be alike, and
//! is not, shows against brute force.

use super::optimal::{check_terms, orders, rule};
use super::world::{World, cases, pods, trees};
use crate::cluster::topology::Topology;
use crate::placement::{
    CostTerm, GangRequest, Outcome, PlacementRules, Placer, Policy, RoleMinimum, Subgroup, TierRule,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn shapes_differ(
        topology in trees(5),
        nodes in prop::collection::vec((0..5i64, 0..3i64), 5),
        kinds in prop::collection::vec((1..3i64, 0..2i64), 1..3),
        policies in prop::collection::vec((0..4u32, 0..3u32, rule()), 1..4),
        same_rule in any::<bool>(),
        // Policy, pods, and the kind of the first and of the other ones; the last subgroup may be loose.
        subgroups in prop::collection::vec((0..3u32, 1..4u32, 0..2usize, 0..2usize), 1..5),
        loose in 0..2u32,
        gang in (rule(), 0..7u32),
        roles in prop::collection::vec((0..3u32, 0..3u32), 0..2),
        dealt in prop::collection::vec(0..3u32, 6),
        rules in orders(),
    ) {
        let mut world = World::new(topology, nodes.into_iter().map(|(cpu, gpu)| [cpu, 16, gpu]));
        let kinds: Vec<_> = kinds.into_iter().map(|(cpu, gpu)| world.class([cpu, 1, gpu])).collect();
        let mut policies: Vec<Policy> =
            policies.into_iter().map(|(size, minimum, rule)| Policy { size, minimum, rule }).collect();
        if same_rule {
            let rule = policies[0].rule;
            policies.iter_mut().for_each(|policy| policy.rule = rule);
        }
        let mut request = GangRequest { rule: gang.0, minimum: gang.1, ..GangRequest::default() };
        let mut rank = 0;
        let alone = (0, loose, 0, 0);
        let claimed = subgroups.into_iter().map(|subgroup| (true, subgroup));
        for (claimed, (policy, count, first, others)) in claimed.chain([(false, alone)]) {
            let count = count.min(6 - rank);
            let mut members = pods(kinds[others % kinds.len()], rank, count);
            if let Some(member) = members.first_mut() {
                member.class = kinds[first % kinds.len()];
            }
            for member in &mut members {
                member.role = dealt[member.rank as usize];
            }
            rank += count;
            let policy = claimed.then_some(policy % policies.len() as u32);
            request.subgroups.push(Subgroup { policy, members, placed: Vec::new() });
        }
        request.policies = policies;
        request.roles = roles.into_iter().map(|(role, minimum)| RoleMinimum { role, minimum }).collect();
        check_terms(&world, &request, &rules, &[CostTerm::Stranded, CostTerm::NodeScore]);
    }
}

/// Subgroups of two pods on three GPUs: one policy needs both pods of its subgroup, the other is content with one. Equal rules
/// and equal subgroups made them look alike, and "three pods do not fit" was called proven.
#[test]
fn policies_of_unlike_size_are_not_alike() {
    for (sizes, order) in [([2, 1], [0, 1]), ([1, 2], [0, 1]), ([2, 1], [1, 0])] {
        let mut world = World::new(Topology::uniform(&[], 1), [[16, 16, 3]]);
        let class = world.class([1, 1, 1]);
        let rule = TierRule::default();
        let request = GangRequest {
            minimum: 3,
            policies: sizes.iter().map(|&size| Policy { size, minimum: 1, rule }).collect(),
            subgroups: (0..)
                .zip(order)
                .map(|(at, policy)| Subgroup {
                    policy: Some(policy),
                    members: pods(class, 2 * at, 2),
                    placed: Vec::new(),
                })
                .collect(),
            ..GangRequest::default()
        };
        match Placer::default().place(world.view(), &request, &PlacementRules::default()) {
            Outcome::Placed(placement) => assert_eq!(placement.assignments.len(), 3),
            Outcome::Short(shortfall) => panic!("{sizes:?} {order:?}: {shortfall:?}"),
        }
    }
}
