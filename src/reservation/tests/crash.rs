//! Every crash and every pause of a gang of 16, one by one and in pairs, with and without a pod lost on the way.

use super::super::Count;
use super::world::{Blow, Faults, World};

const GANG: usize = 16;
/// The journal made, one record, a bind each, the record removed.
const WRITES: u64 = GANG as u64 + 3;

fn world(instances: usize, recreated: bool, until: u64) -> World {
    let mut world = World::new(1, Faults { until, ..Faults::default() }, instances);
    world.add_node("elsewhere", "elsewhere", 0);
    for node in 0..5 {
        world.add_node(&format!("n{node}"), "d0", 4);
    }
    let pods: Vec<(String, String)> = (0..GANG).map(|i| (format!("g-{i:02}"), String::new())).collect();
    let minimum = Count { members: GANG as u32, ..Count::default() };
    world.add_gang("g", &pods, minimum, recreated);
    world
}

/// Runs and returns how many writes it took and what became of the gang.
fn play(make: impl Fn() -> World, blows: &[(u64, Blow)]) -> (u64, World) {
    let mut world = make();
    world.blows = blows.to_vec();
    if let Err(violation) = world.run() {
        let mut again = make();
        again.blows = blows.to_vec();
        again.trace = Some(Vec::new());
        let _ = again.run();
        panic!("{blows:?}: {violation}\n{}", again.trace.unwrap_or_default().join("\n"));
    }
    (world.sent_writes, world)
}

fn is(world: &World, what: &str) -> bool {
    world.tried.counts.get(what) == Some(&1)
}

const ALL: [Blow; 5] =
    [Blow::CrashBefore, Blow::CrashAfter, Blow::PauseBefore, Blow::PauseAfter, Blow::PauseWithin];

#[test]
fn nothing_can_be_left_half_by_one_crash_or_pause() {
    for instances in 1..=2 {
        assert_eq!(play(|| world(instances, true, 0), &[]).0, WRITES);
        for write in 1..=WRITES {
            for blow in ALL {
                let (_, world) = play(|| world(instances, true, 0), &[(write, blow)]);
                assert!(is(&world, "gangs whole"), "{blow:?} at {write}");
                assert_eq!(world.server.evictions, 0, "{blow:?} at {write}: nobody had to go");
            }
        }
    }
}

#[test]
fn nor_by_two() {
    for first in 1..=WRITES {
        for second in first + 1..=first + WRITES {
            // All combinations in a release build.
            let combinations = if cfg!(debug_assertions) { 2 } else { 25 };
            for (a, b) in (0..combinations).map(|i| (i * 7 % 5, (i * 7 + i / 5 + 1) % 5)) {
                let blows = [(first, ALL[a]), (second, ALL[b])];
                let (_, world) = play(|| world(2, true, 0), &blows);
                assert!(is(&world, "gangs whole"), "{blows:?}");
            }
        }
    }
}

#[test]
fn nor_while_a_member_is_lost_and_replaced() {
    for lost in 1..=WRITES {
        for write in lost..=lost + 6 {
            for blow in ALL {
                let blows = [(lost, Blow::Delete(7)), (write, blow)];
                let (_, world) = play(|| world(2, true, 0), &blows);
                assert!(is(&world, "gangs whole"), "{blows:?}");
            }
        }
    }
}

#[test]
fn nor_while_it_is_rolled_back() {
    // One pod cannot be bound: the others are evicted at the deadline, and all are bound when that is over.
    let cursed = |instances| {
        let mut world = world(instances, true, 9_000);
        world.refused = vec!["g-11".into()];
        world
    };
    let (writes, baseline) = play(|| cursed(1), &[]);
    assert!(is(&baseline, "ended: rolled back") && is(&baseline, "gangs whole"));
    for write in WRITES..=writes {
        for blow in ALL {
            let (_, world) = play(|| cursed(1 + write as usize % 2), &[(write, blow)]);
            assert!(is(&world, "gangs whole"), "{blow:?} at {write}");
        }
    }
}

#[test]
fn pods_that_nothing_recreates_are_never_evicted() {
    for lost in 1..=WRITES {
        for (write, blow) in
            [(lost, Blow::CrashAfter), (lost + 1, Blow::CrashBefore), (100, Blow::CrashBefore)]
        {
            let blows = [(lost, Blow::Delete(7)), (write, blow)];
            let (_, world) = play(|| world(2, false, 0), &blows);
            assert_eq!(world.server.evictions, 0);
            let bound = world.server.bound_of("g").len();
            // Held with what is bound; done, if the loss came after; or nothing had been bound.
            let ends = ["gangs held", "gangs waiting", "gangs whole", "gangs once whole, now below"];
            assert!(ends.iter().any(|what| is(&world, what)), "{blows:?}: {bound}");
        }
    }
}
