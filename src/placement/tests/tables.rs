//! Gangs of mixed shapes on racks in blocks, in so few steps that nothing is exhausted pod by pod: what tables prove holds
//! against brute force.

use super::optimal::check_terms;
use super::world::{World, cases, pods};
use crate::cluster::ids::NodeId;
use crate::cluster::topology::{Branch, Topology};
use crate::placement::{
    CostTerm, GangRequest, Outcome, PlacementRules, Placer, Policy, Proof, Subgroup, TierRule,
};
use proptest::prelude::*;

/// Blocks of racks with so many nodes each, and `most` nodes at most.
fn blocks(sizes: &[Vec<usize>], most: u32) -> Topology {
    let (mut node, mut rack) = (0, 0);
    let mut tree = Vec::new();
    for (block, racks) in sizes.iter().enumerate() {
        let mut inside = Vec::new();
        for &nodes in racks {
            let end = (node + nodes as u32).min(most);
            if node < end {
                inside.push(Branch::leaf(&format!("rack{rack}"), 1, (node..end).map(NodeId)));
            }
            (node, rack) = (end, rack + 1);
        }
        if !inside.is_empty() {
            tree.push(Branch::domain(&format!("block{block}"), 2, inside));
        }
    }
    Topology::from_tree(tree)
}

fn rule() -> impl Strategy<Value = TierRule> {
    let rules =
        [(Some(1), None), (Some(1), None), (Some(2), None), (None, None), (None, Some(1)), (None, Some(2))];
    prop::sample::select(rules.to_vec()).prop_map(|(required, preferred)| TierRule { required, preferred })
}

fn orders() -> impl Strategy<Value = Vec<CostTerm>> {
    use CostTerm::{Domains, GangTier, NodeScore, Stranded, SubgroupTier};
    prop::sample::select(vec![
        vec![SubgroupTier, GangTier, Domains, Stranded, NodeScore],
        vec![SubgroupTier, GangTier, Domains, Stranded, NodeScore],
        vec![GangTier, SubgroupTier, Domains, Stranded, NodeScore],
        vec![SubgroupTier, Domains, GangTier, Stranded, NodeScore],
    ])
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn racks_in_blocks(
        sizes in prop::collection::vec(prop::collection::vec(1..3usize, 1..4), 1..4),
        nodes in prop::collection::vec((0..5i64, 0..3i64), 5),
        kinds in prop::collection::vec((1..3i64, 0..2i64), 2),
        policies in prop::collection::vec((0..3u32, any::<bool>(), rule()), 1..3),
        // Policy, pods, and the kind of the first and of the other ones.
        subgroups in prop::collection::vec((0..2usize, 1..3u32, 0..2usize, 0..2usize), 1..5),
        gang in (prop::sample::select(vec![None, None, Some(1), Some(2)]), any::<bool>()),
        order in orders(),
        search_budget in prop::sample::select(vec![30, 100, 20_000]),
    ) {
        let topology = blocks(&sizes, 5);
        let nodes = nodes.into_iter().take(topology.order().len());
        let mut world = World::new(topology, nodes.map(|(cpu, gpu)| [cpu, 16, gpu]));
        let kinds: Vec<_> = kinds.into_iter().map(|(cpu, gpu)| world.class([cpu, 1, gpu])).collect();
        let mut request = GangRequest {
            rule: TierRule { required: gang.0, preferred: None },
            policies: policies.iter().map(|&(_, _, rule)| Policy { size: 0, minimum: 0, rule }).collect(),
            ..GangRequest::default()
        };
        let mut rank = 0;
        let mut made = vec![0; policies.len()];
        // Subgroups of a policy are of one size, that of the first.
        for (policy, count, first, others) in subgroups {
            let policy = policy % policies.len();
            let size = &mut request.policies[policy].size;
            *size = if *size == 0 { count } else { *size };
            let count = *size;
            if rank + count > 5 {
                continue;
            }
            let mut members = pods(kinds[others], rank, count);
            members[0].class = kinds[first];
            rank += count;
            made[policy] += 1;
            request.subgroups.push(Subgroup { policy: Some(policy as u32), members, placed: Vec::new() });
        }
        for ((known, &(minimum, all, _)), made) in request.policies.iter_mut().zip(&policies).zip(made) {
            known.minimum = if all { made } else { minimum.min(made) };
        }
        if gang.1 {
            request.minimum = rank;
        }
        let rules = PlacementRules { order, search_budget, ..PlacementRules::default() };
        check_terms(&world, &request, &rules, &[CostTerm::Stranded, CostTerm::NodeScore]);
    }
}

/// Two subgroups of two whole nodes and two of one, on racks with one free node each and one with two: one of the large ones
/// must lie in two racks of a block, and which one it takes is proven at any size.
#[test]
fn a_subgroup_spans_two_racks_where_it_must() {
    let sizes = [vec![1, 1, 1], vec![2, 1]];
    let mut world = World::new(blocks(&sizes, 6), [[8, 16, 8]; 6]);
    let whole = world.class([1, 1, 8]);
    let rule = TierRule::default();
    let members = [(0, 0, 2), (0, 2, 2), (1, 4, 1), (1, 5, 1)];
    let request = GangRequest {
        minimum: 6,
        policies: vec![Policy { size: 2, minimum: 2, rule }, Policy { size: 1, minimum: 2, rule }],
        subgroups: members
            .iter()
            .map(|&(policy, first, count)| Subgroup {
                policy: Some(policy),
                members: pods(whole, first, count),
                placed: Vec::new(),
            })
            .collect(),
        ..GangRequest::default()
    };
    let rules = PlacementRules { search_budget: 100, ..PlacementRules::default() };
    let outcome = Placer::default().place(world.view(), &request, &rules);
    let Outcome::Placed(placement) = outcome else { panic!("{outcome:?}") };
    assert_eq!((&placement.cost[..3], placement.proof), (&[5, 3, 25][..], Proof::Proven), "{placement:?}");
}
