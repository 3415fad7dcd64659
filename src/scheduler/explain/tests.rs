//! Every printed remedy, done alone, makes the gang fit; no smaller one of its kind does; and none of the kinds that are
//! offered is missing. Judged on random small clusters: a remedy is done to the objects, and a new scheduler places them.

mod world;

use super::Action;
use std::collections::BTreeMap;
use world::{Random, World};

/// What was found wrong, by invariant and kind of remedy, with the first seed.
type Faults = BTreeMap<(&'static str, String), (u32, u64)>;

fn fits(world: &World) -> bool {
    world.place().is_none()
}

fn note(faults: &mut Faults, what: &'static str, kind: &str, seed: u64) {
    let entry = faults.entry((what, kind.to_owned())).or_insert((0, seed));
    entry.0 += 1;
}

/// Judges what is said of a refused gang.
fn judge(world: &World, actions: &[Action], seed: u64, faults: &mut Faults) {
    let mut random = Random(seed ^ 0x5eed);
    for action in actions {
        if !fits(&world.with(action, &mut random)) {
            note(faults, "false", action.kind, seed);
        }
        if world.smaller(action).iter().any(fits) {
            note(faults, "overstated", action.kind, seed);
        }
    }
    for (kind, largest) in world.largest() {
        if !actions.iter().any(|action| action.kind == kind) && largest.iter().any(fits) {
            note(faults, "missing", kind, seed);
        }
    }
}

/// So many refused gangs from a seed on.
fn check(refused: u32, from: u64) {
    let mut faults = Faults::new();
    let mut kinds: BTreeMap<&'static str, u32> = BTreeMap::new();
    let (mut seen, mut seed) = (0, from);
    while seen < refused {
        seed += 1;
        let world = World::random(&mut Random(seed));
        let Some(explanation) = world.place() else { continue };
        seen += 1;
        for action in &explanation.remedies {
            *kinds.entry(action.kind).or_default() += 1;
        }
        judge(&world, &explanation.remedies, seed, &mut faults);
    }
    assert!(
        faults.is_empty(),
        "{refused} refused gangs, {kinds:?} offered; wrong, with the first seed: {faults:#?}"
    );
    assert!(refused < 1000 || kinds.len() >= 12, "all kinds are to occur: {kinds:?}");
}

/// More if `PROPTEST_CASES` exceeds its default of 256.
#[test]
fn remedies_are_true_minimal_and_complete() {
    let cases = proptest::test_runner::Config::default().cases;
    check(1000 * cases / 256, 0);
}
