//! The index after any changes is the index built anew.

use super::world::{GPU, World, cases, loose, pods};
use crate::cluster::capacity::{CPU, MEMORY};
use crate::cluster::ids::NodeId;
use crate::cluster::topology::Topology;
use crate::placement::overlay::Overlay;
use crate::placement::slots::Slots;
use crate::placement::tree::Tree;
use crate::placement::{PlacementRules, Placer};
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn catching_up_equals_building_anew(
        changes in prop::collection::vec((0..12u32, 0..5u32, 0..9i64), 1..60),
        every in 1..8usize,
    ) {
        let mut world = World::new(Topology::uniform(&[("block", 2), ("rack", 3)], 2), [[8, 64, 4]; 12]);
        let classes = [world.class([1, 0, 0]), world.class([2, 3, 1]), world.class([0, 0, 4])];
        let mut tree = Tree::default();
        tree.refresh(&world.topology, 10);
        let overlay = Overlay::default();
        let mut kept = Slots::default();
        for (step, &(node, what, amount)) in changes.iter().enumerate() {
            let node = NodeId(node);
            match what {
                0 => world.capacity.take(node, &[(CPU, amount)]),
                1 => world.capacity.give(node, &[(CPU, amount), (GPU, 1)]),
                2 => world.capacity.set_allocatable(node, GPU, amount),
                3 if world.capacity.is_present(node) => world.capacity.remove_node(node),
                _ => world.capacity.add_node(node),
            }
            if step % every == 0 {
                for &class in &classes {
                    let at = kept.ensure(world.view(), &tree, class, &overlay);
                    let mut anew = Slots::default();
                    let fresh = anew.ensure(world.view(), &tree, class, &overlay);
                    prop_assert_eq!(&kept.get(at).nodes, &anew.get(fresh).nodes);
                    prop_assert_eq!(&kept.get(at).sums, &anew.get(fresh).sums);
                }
            }
        }
    }

    /// Shares, staircases and slots that are kept between decisions are those of the cluster as it is.
    #[test]
    fn a_placer_that_was_used_answers_as_a_new_one(
        changes in prop::collection::vec((0..12u32, any::<bool>(), 1..5i64, 1..7u32), 1..24),
    ) {
        let mut world = World::new(Topology::uniform(&[("block", 2), ("rack", 3)], 2), [[8, 64, 4]; 12]);
        let class = world.class([1, 1, 1]);
        let rules = PlacementRules::default();
        let mut kept = Placer::default();
        for (node, take, amount, count) in changes {
            let requests = [(CPU, amount), (MEMORY, 7 * amount)];
            match take {
                true => world.capacity.take(NodeId(node), &requests),
                false => world.capacity.give(NodeId(node), &requests),
            }
            let request = loose(pods(class, 0, count), None);
            let answer = kept.place(world.view(), &request, &rules);
            prop_assert_eq!(answer, Placer::default().place(world.view(), &request, &rules));
        }
    }

    #[test]
    fn trial_takings_undone_leave_no_trace(takings in prop::collection::vec((0..12usize, 0..3usize, 1..4i64), 1..40)) {
        let mut world = World::new(Topology::uniform(&[("rack", 4)], 3), [[64, 64, 8]; 12]);
        let classes = [world.class([1, 0, 0]), world.class([2, 3, 1]), world.class([0, 0, 4])];
        let mut tree = Tree::default();
        tree.refresh(&world.topology, 10);
        let mut overlay = Overlay::default();
        let mut slots = Slots::default();
        let before: Vec<_> = classes
            .iter()
            .map(|&class| {
                let at = slots.ensure(world.view(), &tree, class, &overlay);
                (at, slots.get(at).nodes.clone(), slots.get(at).sums.clone())
            })
            .collect();
        // The last class is not pinned: it learns of the takings when it is asked for.
        let pinned = [before[0].0, before[1].0];
        pinned.iter().for_each(|&at| slots.pin(at));
        for &(position, class, count) in &takings {
            overlay.take(&world.classes.get(classes[class]).requests, position, count, 12);
            pinned.iter().for_each(|&at| slots.recount(world.view(), &tree, at, position, &overlay));
        }
        for class in classes {
            let at = slots.ensure(world.view(), &tree, class, &overlay);
            let mut anew = Slots::default();
            let fresh = anew.ensure(world.view(), &tree, class, &overlay);
            prop_assert_eq!(&slots.get(at).nodes, &anew.get(fresh).nodes);
            prop_assert_eq!(&slots.get(at).sums, &anew.get(fresh).sums);
        }
        slots.settle(world.view(), &tree, &mut overlay);
        for (at, nodes, sums) in before {
            prop_assert_eq!(&slots.get(at).nodes, &nodes);
            prop_assert_eq!(&slots.get(at).sums, &sums);
        }
    }
}

/// As many nodes, domains and changes, another network: what was derived for one must not be taken for the other.
#[test]
fn a_placer_used_for_two_clusters_of_equal_version_answers_for_each() {
    let rules = PlacementRules::default();
    let mut one = World::new(Topology::uniform(&[("rack", 2)], 4), [[1, 16, 0]; 8]);
    let mut other = World::new(Topology::uniform(&[("rack", 2)], 4), [[2, 16, 0]; 8]);
    let class = one.class([1, 1, 0]);
    assert_eq!(other.class([1, 1, 0]), class);
    let request = loose(pods(class, 0, 8), Some(1));
    let mut placer = Placer::default();
    for _ in 0..2 {
        assert!(placer.decide(one.view(), &request, &rules).is_err(), "a rack has room for 4");
        assert!(placer.decide(other.view(), &request, &rules).is_ok(), "a rack has room for 8");
    }
}
