//! The frozen tree against plain walks over parents.

use super::super::freeze;
use super::*;
use proptest::prelude::*;

/// The lowest common domain the slow way.
fn common_by_walking(topology: &Topology, a: DomainId, b: DomainId) -> DomainId {
    let path = |mut at: DomainId| {
        let mut path = vec![at];
        while at != Topology::ROOT {
            at = topology.parent(at);
            path.push(at);
        }
        path
    };
    let around_b = path(b);
    path(a).into_iter().find(|domain| around_b.contains(domain)).expect("the root contains both")
}

#[test]
fn a_regular_tree_has_the_shape_asked_for() {
    let topology = Topology::uniform(&[("block", 2), ("rack", 3)], 4);
    assert_sound(&topology);
    let block = topology.children(Topology::ROOT)[1];
    let rack = topology.children(block)[2];
    assert_eq!((topology.name(block), topology.name(rack)), ("block-1", "rack-1-2"));
    assert_eq!(topology.nodes(rack), [NodeId(20), NodeId(21), NodeId(22), NodeId(23)]);
    assert_eq!((topology.tier(rack), topology.tier(block), topology.tier(Topology::ROOT)), (1, 2, 3));
    assert_eq!((topology.tier_named("rack"), topology.tier_named("row")), (Some(1), None));
    assert_eq!(topology.tier_names().collect::<Vec<_>>(), [("rack", 1), ("block", 2)]);
    assert_eq!(topology.outermost_within_tier(rack, 0), None);
    assert_eq!(topology.outermost_within_tier(rack, 1), Some(rack));
    assert_eq!(topology.outermost_within_tier(rack, 2), Some(block));
    assert_eq!(topology.outermost_within_tier(rack, 9), Some(Topology::ROOT));
}

#[test]
fn a_flat_cluster_is_its_root() {
    let topology = Topology::uniform(&[], 3);
    assert_sound(&topology);
    assert_eq!((topology.len(), topology.tier(Topology::ROOT)), (1, 1));
    assert_eq!(topology.leaf(2), Topology::ROOT);
    assert_eq!(topology.position(NodeId(3)), None);
    assert_sound(&Topology::from_tree(vec![]));
}

#[test]
fn nodes_follow_the_domains_beside_them() {
    let topology = Topology::from_tree(vec![
        Branch::Node(NodeId(7)),
        Branch::domain("b", 5, vec![Branch::Node(NodeId(2)), Branch::leaf("r", 0, [NodeId(9)])]),
    ]);
    assert_sound(&topology);
    assert_eq!(topology.order(), [NodeId(9), NodeId(2), NodeId(7)]);
    assert_eq!(topology.by_tier(), [(0, vec![DomainId(2)]), (5, vec![DomainId(1)])]);
    assert_eq!(topology.tier(Topology::ROOT), 6);
}

#[test]
fn a_chain_of_ten_thousand_does_not_overflow() {
    let mut branch = Branch::Node(NodeId(0));
    for tier in 0..10_000 {
        branch = Branch::domain("link", tier, vec![branch]);
    }
    let topology = Topology::from_tree(vec![branch]);
    assert_eq!(topology.depth(topology.leaf(0)), 10_000);
    assert_eq!(topology.common(DomainId(9_999), DomainId(5)), DomainId(5));
}

proptest! {
    /// `picks[i]` chooses the parent of domain `i` among the domains before it.
    #[test]
    fn look_ups_agree_with_walks(picks in prop::collection::vec((any::<prop::sample::Index>(), 0..3u32), 0..40)) {
        let mut draft = freeze::Draft::default();
        let mut node = 0;
        for (at, (pick, nodes)) in picks.iter().enumerate() {
            let parent = pick.index(at + 1).checked_sub(1).map(|parent| parent as u32);
            let tier = parent.map_or(100, |parent| draft.domains[parent as usize].tier - 1);
            draft.domains.push(freeze::DraftDomain { name: format!("d{at}").into(), tier, parent });
            for _ in 0..*nodes {
                draft.nodes.push(freeze::DraftNode { id: NodeId(node), domain: Some(at as u32), quarantined: false });
                node += 1;
            }
        }
        let topology = draft.freeze();
        assert_sound(&topology);
        prop_assert_eq!(topology.len(), picks.len() + 1);
        prop_assert_eq!(topology.order().len(), node as usize);
        for a in (0..topology.len() as u32).map(DomainId) {
            for b in (0..topology.len() as u32).map(DomainId) {
                let common = common_by_walking(&topology, a, b);
                prop_assert_eq!(topology.common(a, b), common);
                prop_assert_eq!(topology.is_within(a, b), common == b);
            }
        }
    }
}
