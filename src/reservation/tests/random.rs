//! Random gangs under random faults: whatever happens, the invariants hold, and once it stops, everything settles.

use super::super::Count;
use super::dice::Dice;
use super::world::{Faults, Tried, World};

/// Runs in an ordinary test; `cargo test --release` makes more of it.
const RUNS: u64 = if cfg!(debug_assertions) { 1_000 } else { 20_000 };

/// Seeds that once found something.
const KNOWN: &[u64] = &[95399, 187_098, 17_372];

fn world(seed: u64) -> World {
    let mut dice = Dice::new(seed ^ 0x5eed);
    let faults = Faults {
        calls: [0, 30, 150, 400][dice.below(4)],
        events: [0, 100, 300, 600][dice.below(4)],
        instances: [0, 20, 60, 150][dice.below(4)],
        lag: [0, 50, 300][dice.below(3)],
        cursed: [0, 0, 100, 300][dice.below(4)],
        until: dice.range(3_000, 20_000),
    };
    let instances = 1 + dice.below(2);
    let mut world = World::new(seed, faults, instances);
    world.add_node("elsewhere", "elsewhere", 1_000);
    let mut room = 0;
    for domain in 0..dice.range(1, 2) {
        for node in 0..dice.range(1, 4) {
            let slots = dice.range(1, 4) as u32;
            room += slots;
            world.add_node(&format!("d{domain}-n{node}"), &format!("d{domain}"), slots);
        }
    }
    for gang in 0..dice.range(1, 3) {
        let name = format!("g{gang}");
        let size = dice.range(1, u64::from(room.clamp(2, 6)));
        let roles = dice.chance(300);
        let pods: Vec<(String, String)> = (0..size)
            .map(|i| (format!("{name}-{i:02}"), if roles { format!("r{}", i % 2) } else { String::new() }))
            .collect();
        let least = if dice.chance(600) { size } else { dice.range(1, size) };
        let mut minimum = Count { members: least as u32, ..Count::default() };
        if roles {
            minimum.roles.insert("r0".into(), dice.range(1, size.div_ceil(2)) as u32);
        }
        if !roles && size >= 2 && dice.chance(300) {
            minimum.members = dice.range(1, size) as u32;
            minimum.wholes.insert(0, dice.range(1, size / 2) as u32);
        }
        let recreated = dice.chance(750);
        world.add_gang(&name, &pods, minimum, recreated);
    }
    for single in 0..dice.below(2) {
        world.add_single(&format!("single-{single}"));
    }
    world
}

fn play(seed: u64, tried: &mut Tried) {
    let mut first = world(seed);
    if let Err(violation) = first.run() {
        let mut again = world(seed);
        again.trace = Some(Vec::new());
        let _ = again.run();
        let trace = again.trace.unwrap_or_default();
        let last = trace.len().saturating_sub(400);
        panic!("seed {seed}: {violation}\n{}", trace[last..].join("\n"));
    }
    tried.merge(&first.tried);
}

#[test]
fn invariants_hold_whatever_happens() {
    let mut tried = Tried::default();
    KNOWN.iter().for_each(|&seed| play(seed, &mut tried));
    (0..RUNS).for_each(|seed| play(seed, &mut tried));
    println!("{:#?}", tried.counts);
    // What never happens proves nothing.
    for what in [
        "ended: bound",
        "ended: partly",
        "ended: rolled back",
        "ended: abandoned",
        "ended: group gone",
        "repairing",
        "held",
        "bound elsewhere",
        "crashes",
        "pauses",
        "deposed",
        "late calls",
        "journal writes of deposed leaders refused",
        "gangs held",
        "gangs waiting",
        "gangs whole",
    ] {
        assert!(tried.counts.get(what).is_some_and(|&count| count > RUNS / 1000), "{what} was not tried");
    }
}

#[test]
fn the_same_seed_plays_the_same_run() {
    let trace = |seed| {
        let mut world = world(seed);
        world.trace = Some(Vec::new());
        (world.run(), world.trace)
    };
    (0..20).for_each(|seed| assert_eq!(trace(seed), trace(seed)));
}
