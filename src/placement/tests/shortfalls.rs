//! What is said when it does not fit.

use super::world::{World, loose, pods, running};
use crate::api::core::Node;
use crate::cluster::capacity::CPU;
use crate::cluster::cause::Cause;
use crate::cluster::ids::{DomainId, NodeId};
use crate::cluster::topology::Topology;
use crate::placement::{
    GangRequest, Outcome, PlacementRules, Placer, Policy, Proof, Remedy, Shortfall, Subgroup, TierRule,
};

/// Two blocks of two racks of two nodes with 2 cpu each; domains are 0 root, 1 block, 2 and 3 racks, 4 block, 5 and 6.
fn world() -> World {
    World::new(Topology::uniform(&[("block", 2), ("rack", 2)], 2), [[2, 16, 0]; 8])
}

fn explain(world: &World, request: &GangRequest) -> Shortfall {
    let rules = PlacementRules::default();
    let mut placer = Placer::default();
    let shortfall = placer.explain(world.view(), request, &rules);
    match placer.place(world.view(), request, &rules) {
        Outcome::Short(quick) => {
            assert_eq!((quick.needed, quick.proof), (shortfall.needed, shortfall.proof));
            for (quick, full) in quick.tiers.iter().zip(&shortfall.tiers) {
                assert!(quick.fits >= full.fits, "counts are an upper bound");
                assert_eq!((quick.tier, quick.domain, quick.allowed), (full.tier, full.domain, full.allowed));
            }
        }
        Outcome::Placed(placement) => {
            let quick = placement.shortfall.expect("not all are placed");
            assert_eq!(quick.needed, shortfall.needed);
        }
    }
    shortfall
}

fn fits(shortfall: &Shortfall) -> Vec<(Option<u32>, u32, u32, bool)> {
    shortfall.tiers.iter().map(|fit| (fit.tier, fit.domain.0, fit.fits, fit.allowed)).collect()
}

#[test]
fn per_tier_the_best_domain_and_every_way_out() {
    let mut world = world();
    world.capacity.take(NodeId(0), &[(CPU, 2)]);
    let class = world.class([2, 1, 0]);
    let shortfall = explain(&world, &loose(pods(class, 0, 3), Some(1)));
    assert_eq!(fits(&shortfall), [(Some(1), 3, 2, true), (Some(2), 1, 3, false), (None, 0, 3, false)]);
    assert_eq!((shortfall.needed, shortfall.nodes, shortfall.proof), (3, 8, Proof::Proven));
    assert_eq!(shortfall.excluded, [(Cause::Resource(CPU), 1)]);
    assert_eq!(
        shortfall.remedies,
        [
            Remedy::Free {
                places: vec![(DomainId(3), class, 1)],
                nodes: vec![],
                resource: Some(CPU),
                added: 1
            },
            Remedy::RaiseTier { to: 2, policy: None },
            Remedy::LowerMinimum { to: 2 },
        ]
    );
}

#[test]
fn what_runs_pins_and_may_leave_no_domain() {
    let mut world = world();
    let class = world.class([2, 1, 0]);
    let mut request = loose(pods(class, 0, 1), Some(1));
    request.minimum = 3;
    request.subgroups[0].placed = vec![running(0), running(2)];
    let shortfall = explain(&world, &request);
    assert_eq!(fits(&shortfall), [(Some(2), 1, 1, false), (None, 0, 1, false)], "no domain is allowed");
    assert_eq!(shortfall.remedies, [Remedy::RaiseTier { to: 2, policy: None }]);
}

#[test]
fn a_cause_is_lifted_where_that_helps() {
    let mut world = world();
    let class = world.class([2, 1, 0]);
    for node in 0..3 {
        let mut object = Node::default();
        object.spec.unschedulable = true;
        world.eligibility.set_node(NodeId(node), &object);
    }
    let shortfall = explain(&world, &loose(pods(class, 0, 8), None));
    assert_eq!(shortfall.excluded, [(Cause::Unschedulable, 3)]);
    let nodes = vec![NodeId(0), NodeId(1), NodeId(2)];
    assert_eq!(shortfall.remedies[0], Remedy::Open { cause: Cause::Unschedulable, nodes });
    let places = vec![(DomainId(0), class, 3)];
    assert_eq!(shortfall.remedies[1], Remedy::Free { places, nodes: vec![], resource: Some(CPU), added: 3 });

    // Nine pods are too many for eight nodes, cordoned or not.
    let shortfall = explain(&world, &loose(pods(class, 0, 9), None));
    assert!(!shortfall.remedies.iter().any(|remedy| matches!(remedy, Remedy::Open { .. })));
}

#[test]
fn a_subgroup_that_is_held_back_by_its_own_rule() {
    let mut world = world();
    let class = world.class([2, 1, 0]);
    let request = GangRequest {
        minimum: 3,
        policies: vec![Policy { size: 3, minimum: 1, rule: TierRule { required: Some(1), preferred: None } }],
        subgroups: vec![Subgroup { policy: Some(0), members: pods(class, 0, 3), placed: Vec::new() }],
        ..GangRequest::default()
    };
    let shortfall = explain(&world, &request);
    assert!(shortfall.tiers.iter().all(|fit| fit.allowed && fit.fits == 2), "{:?}", shortfall.tiers);
    assert!(shortfall.remedies.contains(&Remedy::RaiseTier { to: 2, policy: Some(0) }), "{shortfall:?}");
}

#[test]
fn too_few_pods_exist() {
    let mut world = world();
    let class = world.class([1, 1, 0]);
    let request = GangRequest { minimum: 5, ..loose(pods(class, 0, 3), None) };
    let shortfall = explain(&world, &request);
    assert_eq!(shortfall.remedies, [Remedy::CreatePods { missing: 2 }, Remedy::LowerMinimum { to: 3 }]);
    // Pods that differ are counted by placing them, of classes that nothing has been placed of so far.
    let members = [pods(class, 0, 2), pods(world.class([2, 1, 0]), 2, 1)].concat();
    let request = GangRequest { minimum: 5, ..loose(members, None) };
    let shortfall = explain(&world, &request);
    assert_eq!(shortfall.remedies, [Remedy::CreatePods { missing: 2 }, Remedy::LowerMinimum { to: 3 }]);
}

#[test]
fn extra_pods_that_find_no_room_are_named() {
    let mut world = world();
    let class = world.class([2, 1, 0]);
    let request = GangRequest { minimum: 2, ..loose(pods(class, 0, 4), Some(1)) };
    let shortfall = explain(&world, &request);
    assert_eq!(fits(&shortfall)[0], (Some(1), 2, 2, true));
    assert_eq!(shortfall.needed, 4);
    assert!(shortfall.remedies.contains(&Remedy::RaiseTier { to: 2, policy: None }));
    assert!(!shortfall.remedies.iter().any(|remedy| matches!(remedy, Remedy::LowerMinimum { .. })));
}

#[test]
fn nothing_is_said_where_all_fits() {
    let mut world = world();
    let class = world.class([2, 1, 0]);
    let rules = PlacementRules::default();
    let shortfall = Placer::default().explain(world.view(), &loose(pods(class, 0, 2), None), &rules);
    assert_eq!(shortfall, Shortfall::default());
}
