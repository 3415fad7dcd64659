//! Gangs of mixed shapes on racks in blocks, in so few steps that nothing is exhausted pod by pod: what tables prove holds
//! against brute force.

use super::brute;
use super::optimal::check_terms;
use super::reference::Random;
use super::world::{World, cases, pods, running};
use crate::cluster::ids::NodeId;
use crate::cluster::topology::{Branch, Topology};
use crate::placement::audit::audit;
use crate::placement::finish;
use crate::placement::general::by_tables;
use crate::placement::search::Verdict;
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

/// A gang for random racks in blocks, with what else may be said of it: pods without a policy, pods that run, subgroups of more
/// than they need, two policies of one shape.
fn random_gang(seed: u64) -> (World, GangRequest, PlacementRules) {
    use CostTerm::{Domains, GangTier, NodeScore, Stranded, SubgroupTier};
    let mut random = Random(seed);
    let mut below = move |below: u64| random.below(below);
    let sizes: Vec<Vec<usize>> = (0..1 + below(3))
        .map(|_| (0..1 + below(3)).map(|_| 1 + usize::from(below(3) == 0)).collect())
        .collect();
    let topology = blocks(&sizes, 5);
    let nodes = topology.order().len();
    let mut world = World::new(topology, (0..nodes).map(|_| [below(6) as i64, 16, below(3) as i64]));
    let kinds = [[1, 1, 1], [2, 1, 0], [3, 1, 0]].map(|requests| world.class(requests));
    let rules_of =
        [(Some(1), None), (Some(1), None), (Some(2), None), (None, None), (None, Some(1)), (None, Some(2))];
    let rule = |below: &mut dyn FnMut(u64) -> u64| {
        let (required, preferred) = rules_of[below(rules_of.len() as u64) as usize];
        TierRule { required, preferred }
    };
    let mut request = GangRequest::default();
    let mut rank = 0;
    let same = rule(&mut below);
    for policy in 0..1 + below(2) as u32 {
        let size = 1 + below(3) as u32;
        let spare = u32::from(below(8) == 0);
        let of = [kinds[below(3) as usize], kinds[below(3) as usize]];
        let rule = if below(2) == 0 { same } else { rule(&mut below) };
        let mut made = 0;
        for _ in 0..1 + below(3) {
            if rank + size + spare > 5 {
                break;
            }
            let mut members = pods(of[1], rank, size + spare);
            members[0].class = of[0];
            rank += size + spare;
            made += 1;
            let runs = below(12) == 0;
            let placed = if runs { vec![running(below(nodes as u64) as u32)] } else { Vec::new() };
            request.subgroups.push(Subgroup { policy: Some(policy), members, placed });
        }
        let minimum = if below(2) == 0 { made } else { below(u64::from(made) + 1) as u32 };
        request.policies.push(Policy { size, minimum, rule });
    }
    if below(3) == 0 && rank < 5 {
        let members = pods(kinds[below(3) as usize], rank, 1);
        rank += 1;
        request.subgroups.push(Subgroup { policy: None, members, placed: Vec::new() });
    }
    if below(10) == 0 {
        let placed = vec![running(below(nodes as u64) as u32)];
        request.subgroups.push(Subgroup { policy: None, members: Vec::new(), placed });
    }
    request.rule.required = [None, None, Some(1), Some(2)][below(4) as usize];
    request.minimum = [rank, rank, rank / 2, 1][below(4) as usize];
    let order = match below(6) {
        0 => vec![GangTier, SubgroupTier, Domains, Stranded, NodeScore],
        1 => vec![SubgroupTier, Domains, GangTier, Stranded, NodeScore],
        2 => vec![Domains, SubgroupTier, GangTier, Stranded, NodeScore],
        _ => vec![SubgroupTier, GangTier, Domains, Stranded, NodeScore],
    };
    let level_weight = [10, 1, 3][below(3) as usize];
    // In few steps some tables are not made.
    let search_budget = [20_000, 20_000, 20, 60][below(4) as usize];
    (world, request, PlacementRules { order, level_weight, search_budget, ..PlacementRules::default() })
}

/// What tables prove, asked of nothing else: small gangs are otherwise decided before tables are made, so that these could
/// say anything.
#[test]
fn what_tables_prove_is_so() {
    let terms = [CostTerm::SubgroupTier, CostTerm::GangTier, CostTerm::Domains];
    let (mut least, mut nothing, mut open) = (0, 0, 0);
    for seed in 0..600 {
        let (world, request, rules) = random_gang(seed);
        let said = Placer::default().ask(world.view(), &request, &rules, |context, tools| {
            if context.demand.missing() > 0 || context.demand.groups.is_empty() {
                return None;
            }
            tools.fill.refresh(context.view, context.tree, context.rules, &context.demand.kinds);
            let (verdict, plan) = by_tables(context, tools)?;
            let plan = plan.filter(|plan| plan.pods() > 0);
            Some((verdict, context.demand.placeable(), plan.map(|plan| finish(context, tools, &plan))))
        });
        let Some((verdict, placeable, placement)) = said else { continue };
        if let Some(placement) = &placement {
            assert_eq!(audit(world.view(), &request, placement), Ok(()), "seed {seed}: {placement:?}");
        }
        let tracked = |cost: &[i64]| -> Vec<i64> {
            rules.order.iter().zip(cost).filter(|(term, _)| terms.contains(term)).map(|it| *it.1).collect()
        };
        match verdict {
            Verdict::Unknown => open += 1,
            Verdict::Nothing => {
                nothing += 1;
                let best = brute::best(&world, &request, &rules);
                assert_eq!(best, None, "seed {seed}: {request:?}");
            }
            Verdict::Least(score) => {
                least += 1;
                let best = brute::best(&world, &request, &rules).expect("it was placed");
                let says = (placeable - score.out, score.terms.to_vec());
                assert_eq!(says, (best.pods as u64, tracked(&best.cost)), "seed {seed}: {request:?}");
                let placement = placement.expect("a placement goes with it");
                assert_eq!(tracked(&placement.cost), score.terms, "seed {seed}: {placement:?}");
            }
        }
    }
    assert!(least >= 50 && nothing >= 20, "{least} least, {nothing} nothing, {open} open");
}
