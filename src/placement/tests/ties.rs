//! Domains that are equal in one term of the cost and told apart by a later one.

use super::optimal::check_terms;
use super::world::{World, loose, pods};
use crate::cluster::capacity::MEMORY;
use crate::cluster::ids::NodeId;
use crate::cluster::topology::{Branch, Tier, Topology};
use crate::placement::{CostTerm, GangRequest, PlacementRules, Policy, Subgroup, TierRule};

const NODES_FIRST: [CostTerm; 5] =
    [CostTerm::NodeScore, CostTerm::Domains, CostTerm::SubgroupTier, CostTerm::GangTier, CostTerm::Stranded];

fn domain(name: &str, tier: Tier, inside: impl IntoIterator<Item = Branch>) -> Branch {
    Branch::domain(name, tier, inside.into_iter().collect())
}

fn nodes(ids: impl IntoIterator<Item = u32>) -> impl Iterator<Item = Branch> {
    ids.into_iter().map(|id| Branch::Node(NodeId(id)))
}

/// Nodes with so much cpu, of whose 16 of memory so much is taken.
fn world(topology: Topology, nodes: &[(i64, i64)]) -> World {
    let mut world = World::new(topology, nodes.iter().map(|&(cpu, _)| [cpu, 16, 0]));
    for (node, &(_, taken)) in (0..).map(NodeId).zip(nodes) {
        world.capacity.take(node, &[(MEMORY, taken)]);
    }
    world
}

/// So many pods of one kind, loose and as one subgroup, are placed at the least value of every term.
fn check(world: &mut World, count: u32, rule: TierRule, order: &[CostTerm]) {
    let class = world.class([1, 1, 0]);
    let rules = PlacementRules { order: order.to_vec(), ..PlacementRules::default() };
    let gang = GangRequest { rule, ..loose(pods(class, 0, count), None) };
    check_terms(world, &gang, &rules, &[]);
    let subgroup = Subgroup { policy: Some(0), members: pods(class, 0, count), placed: Vec::new() };
    let policies = vec![Policy { size: count, minimum: 1, rule: TierRule::default() }];
    let gang = GangRequest { rule, policies, subgroups: vec![subgroup], ..GangRequest::default() };
    check_terms(world, &gang, &rules, &[]);
}

/// Where `NodeScore` is not the last term, the second of two racks with one score was not compared by the terms after it,
/// and a node with a slot to spare was taken where one is filled.
#[test]
fn racks_of_one_node_score_are_compared_by_the_terms_after_it() {
    let mut world = world(Topology::uniform(&[("rack", 2)], 1), &[(4, 0), (3, 0)]);
    check(&mut world, 3, TierRule::default(), &NODES_FIRST);
}

/// Where good nodes come before few domains, blocks were compared by the fewest racks there are, and not by the racks of
/// their best nodes.
#[test]
fn domains_are_those_of_the_best_nodes_where_these_come_first() {
    let rack = |name: &str, ids: std::ops::Range<u32>| domain(name, 1, nodes(ids));
    let first = [rack("a", 0..1), rack("b", 1..2), rack("c", 2..3), rack("d", 3..6)];
    let second = [rack("e", 6..8), rack("f", 8..9)];
    let topology = Topology::from_tree(vec![domain("first", 2, first), domain("second", 2, second)]);
    let (tight, idle) = ((1, 8), (1, 0));
    let mut world = world(topology, &[tight, tight, tight, idle, idle, idle, tight, tight, tight]);
    check(&mut world, 3, TierRule::default(), &NODES_FIRST);
}

/// A block whose only free nodes are in one rack was compared by how full the block is, although the gang comes to lie in
/// the rack, which may be emptier than another.
#[test]
fn a_block_with_all_its_slots_in_one_rack_is_not_compared_with_other_racks() {
    let block = |name: &str, rack: &str, node: u32| {
        domain(name, 2, [domain(rack, 1, nodes([node])), Branch::Node(NodeId(node + 1))])
    };
    let topology = Topology::from_tree(vec![block("first", "a", 0), block("second", "b", 2)]);
    let mut world = world(topology, &[(4, 0), (0, 16), (4, 4), (0, 0)]);
    let rule = TierRule { required: None, preferred: Some(2) };
    check(&mut world, 4, rule, &PlacementRules::default().order);
}

/// Of two subgroups that share a lone node, only the second one's pods were counted when nodes were chosen again for the
/// least score, and the first was placed with a pod too few.
#[test]
fn pods_of_two_subgroups_on_a_lone_node_are_added_up() {
    let topology = Topology::from_tree(vec![
        domain("a", 3, [domain("b", 2, [domain("c", 1, nodes([5]))])]),
        domain("d", 3, [domain("e", 2, nodes([3])), Branch::Node(NodeId(4))]),
        Branch::Node(NodeId(0)),
        Branch::Node(NodeId(1)),
        Branch::Node(NodeId(2)),
    ]);
    let mut world = world(topology, &[(0, 0), (1, 0), (1, 1), (3, 0), (1, 0), (1, 0)]);
    let class = world.class([1, 1, 0]);
    let mut order = PlacementRules::default().order;
    order[2..].rotate_right(1);
    for order in [PlacementRules::default().order, order] {
        let rules = PlacementRules { order, ..PlacementRules::default() };
        let subgroups = (0..3)
            .map(|at| Subgroup { policy: Some(0), members: pods(class, 2 * at, 2), placed: Vec::new() })
            .collect();
        let policies = vec![Policy { size: 2, minimum: 1, rule: TierRule::default() }];
        let gang = GangRequest { minimum: 1, policies, subgroups, ..GangRequest::default() };
        check_terms(&world, &gang, &rules, &[]);
    }
}
