//! What is supposed counts as if it were so, and leaves nothing behind.

use super::reference::Random;
use super::world::{World, loose, pods};
use crate::api::core::Node;
use crate::cluster::capacity::CPU;
use crate::cluster::cause::Cause;
use crate::cluster::ids::{ClassId, NodeId};
use crate::cluster::topology::Topology;
use crate::placement::{Change, PlacementRules, Placer};

/// Two racks of three nodes with 4 cpu: cordoned where `cordoned` says so, with so much cpu taken by others.
fn world(cordoned: &[bool; 6], taken: &[i64; 6]) -> (World, ClassId) {
    let mut world = World::new(Topology::uniform(&[("rack", 2)], 3), [[4, 16, 0]; 6]);
    for node in 0..6 {
        let mut object = Node::default();
        object.spec.unschedulable = cordoned[node];
        world.eligibility.set_node(NodeId(node as u32), &object);
        world.capacity.take(NodeId(node as u32), &[(CPU, taken[node])]);
        world.capacity.touch(NodeId(node as u32));
    }
    let class = world.class([2, 1, 0]);
    (world, class)
}

/// How many pods fit in one rack.
fn most(placer: &mut Placer, world: &World, class: ClassId, changes: &[Change]) -> usize {
    let rules = PlacementRules::default();
    let fits = |count: &usize| {
        let request = loose(pods(class, 0, *count as u32), Some(1));
        placer.suppose(world.view(), &request, &rules, changes).is_ok()
    };
    (1..=8).take_while(fits).count()
}

#[test]
fn what_is_supposed_counts_as_if_it_were_so_and_is_undone() {
    let mut random = Random(7);
    let mut differed = 0;
    for _ in 0..200 {
        let mut cordoned = [false; 6].map(|_| random.below(3) == 0);
        let mut taken = [0; 6].map(|_| 2 * random.below(3) as i64);
        let (now, class) = world(&cordoned, &taken);
        let mut placer = Placer::default();
        let before = most(&mut placer, &now, class, &[]);
        let mut changes = Vec::new();
        for _ in 0..1 + random.below(3) {
            let at = random.below(6) as usize;
            let to = random.below(6) as usize;
            let node = |at: usize| NodeId(at as u32);
            match random.below(4) {
                0 => {
                    changes.push(Change::Opened(node(at), Cause::Unschedulable));
                    cordoned[at] = false;
                }
                1 if taken[at] >= 2 => {
                    changes.push(Change::Gone { class, node: node(at) });
                    taken[at] -= 2;
                }
                2 if taken[at] >= 2 => {
                    changes.push(Change::Moved { class, from: node(at), to: node(to) });
                    taken[at] -= 2;
                    taken[to] += 2;
                }
                _ => {}
            }
        }
        let (then, same) = world(&cordoned, &taken);
        let expect = most(&mut Placer::default(), &then, same, &[]);
        assert_eq!(most(&mut placer, &now, class, &changes), expect, "{changes:?}");
        assert_eq!(most(&mut placer, &now, class, &[]), before, "undone: {changes:?}");
        differed += usize::from(expect != before);
    }
    assert!(differed > 30, "changes are to make a difference: {differed}");
}

#[test]
fn nodes_are_closed_causes_lifted_and_room_is_for_one_class() {
    let (mut now, class) = world(&[true, false, false, true, true, true], &[0; 6]);
    let mut placer = Placer::default();
    let node = NodeId;
    assert_eq!(most(&mut placer, &now, class, &[]), 4);
    assert_eq!(most(&mut placer, &now, class, &[Change::Closed(node(1))]), 2);
    assert_eq!(most(&mut placer, &now, class, &[Change::Lifted(Cause::Unschedulable)]), 6);
    assert_eq!(most(&mut placer, &now, class, &[Change::Room { class, node: node(1), pods: 3 }]), 7);
    // Half of a node that is left over does not add up with the room.
    now.capacity.take(node(1), &[(CPU, 3)]);
    let small = now.class([1, 1, 0]);
    let room = [Change::Room { class: small, node: node(1), pods: 1 }];
    assert_eq!(most(&mut placer, &now, class, &room), 2, "1 cpu is free beside 1 for a small pod");
    assert_eq!(most(&mut placer, &now, small, &room), 6);
}
