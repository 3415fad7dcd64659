//! Classes of what runs, who may take from whom, and whose turn it is.

use super::{GPU, gpus, queue, tree};
use crate::sharing::classes::classify;
use crate::sharing::entitlement::{Objection, Situation, judge};
use crate::sharing::order::{Head, turn};
use crate::sharing::shares::{Shares, counted};
use crate::sharing::{Amounts, Class, QueueIndex, QueueTree, Unit, Uses};
use std::collections::BTreeMap;

/// Units from words such as `a/low:4@10` (queue, name, GPUs, priority; older first), with `+` behind a pod above its minimum and `!`
/// behind what refuses eviction.
fn units(tree: &QueueTree, words: &str) -> Vec<Unit> {
    words
        .split_whitespace()
        .enumerate()
        .map(|(age, word)| {
            let (name, rest) = word.split_once(':').expect("queue/name:amount@priority");
            let plain = rest.trim_end_matches(['+', '!']);
            let (amount, priority) = plain.split_once('@').unwrap_or((plain, "0"));
            Unit {
                queue: queue(tree, name.split_once('/').expect("a queue").0),
                unevictable: rest.ends_with('!'),
                core: !rest.ends_with('+'),
                priority: priority.parse().expect("a priority"),
                created: format!("2026-01-01T01:00:{age:02}Z"),
                name: name.to_owned(),
                amounts: gpus(amount.parse().expect("an amount")),
            }
        })
        .collect()
}

struct World {
    tree: QueueTree,
    totals: Amounts,
    units: Vec<Unit>,
    claimant: Unit,
    shares: Shares,
    uses: Uses,
    unevictable: Uses,
    classes: Vec<Vec<Class>>,
}

impl World {
    fn new(queues: &str, total: i64, running: &str, claimant: &str) -> Self {
        let tree = tree(queues);
        let mut all = units(&tree, &format!("{running} {claimant}"));
        let claimant = all.pop().expect("a claimant");
        let mut requests: BTreeMap<QueueIndex, Amounts> = BTreeMap::new();
        all.iter()
            .chain([&claimant])
            .for_each(|unit| requests.entry(unit.queue).or_default().add_all(&unit.amounts));
        let counted = counted(&tree, &requests, |resource| resource == GPU);
        let shares = Shares::divide(&tree, &counted, &gpus(total), &requests);
        let (mut uses, mut unevictable) = (Uses::new(&tree), Uses::new(&tree));
        for unit in &all {
            uses.add(&tree, unit.queue, &unit.amounts);
            if unit.unevictable {
                unevictable.add(&tree, unit.queue, &unit.amounts);
            }
        }
        let classes = classify(&tree, &shares, &all);
        World { tree, totals: gpus(total), units: all, claimant, shares, uses, unevictable, classes }
    }

    fn judge(&self, victims: &[usize]) -> Result<(), Objection> {
        let World { tree, totals, units, claimant, shares, uses, unevictable, classes } = self;
        let now = Situation { tree, shares, totals, uses, unevictable, units, classes };
        judge(now, claimant, victims)
    }
}

#[test]
fn classes_of_what_runs() {
    use Class::{Borrowed, WithinDeserved, WithinShare};
    let check = |queues: &str, total: i64, running: &str, expect: &[&[Class]]| {
        let world = World::new(queues, total, running, "z/none:0");
        assert_eq!(world.classes, expect, "{running}");
    };
    let flat = "a deserved=4\nb deserved=4\nz deserved=0";
    check(
        flat,
        12,
        "a/x:2 a/y:2 a/w:4 b/v:4",
        &[&[WithinDeserved], &[WithinDeserved], &[WithinShare], &[WithinDeserved]],
    );
    // The end of the walk is what a queue gives back: low priority, then young; what lies across the limit is above it.
    check(flat, 12, "a/low:1 a/high:3@9 a/big:3@9", &[&[WithinShare], &[WithinDeserved], &[WithinShare]]);
    // Pods above the minimum go behind all cores.
    check(
        flat,
        8,
        "a/x:2@9+ a/y:2 b/v:4 a/w:2",
        &[&[Borrowed], &[WithinDeserved], &[WithinDeserved], &[WithinDeserved]],
    );
    let deep = "d1 deserved=4\nd2 deserved=4\na parent=d1 deserved=3\nb parent=d1 deserved=3\nz parent=d2";
    check(deep, 8, "a/x:3 b/y:3", &[&[WithinDeserved, WithinDeserved], &[WithinDeserved, WithinShare]]);
}

#[test]
fn who_may_take_from_whom() {
    let check =
        |queues: &str, total: i64, running: &str, claimant: &str, victims: &[usize], expect: Option<&str>| {
            let world = World::new(queues, total, running, claimant);
            let found = world.judge(victims).err().map(|objection| format!("{objection:?}"));
            let fits = match (&found, expect) {
                (Some(found), Some(expect)) => found.starts_with(expect),
                (found, expect) => found.is_none() && expect.is_none(),
            };
            assert!(fits, "{running} | {claimant}: {found:?}");
        };
    let two = "a deserved=8\nb deserved=8";
    // What is promised comes back from who borrows.
    check(two, 16, "b/x:8@0 b/y:8@0", "a/c:8", &[1], None);
    check(two, 16, "b/x:8@0 b/y:8@0", "a/c:8", &[0], Some("WithinDeserved"));
    check(two, 16, "a/w:8 b/x:8", "a/c:8", &[1], Some("AboveShare"));
    // Nobody is promised anything: shares decide, and a borrower takes nothing.
    check("a\nb", 8, "b/x:4 b/y:4", "a/c:4", &[1], None);
    check("a\nb", 8, "b/x:4 a/y:4", "a/c:4", &[0], Some("AboveShare"));
    // Inside a queue by priority, and not from a better class.
    check("a deserved=4", 4, "a/x:4@1", "a/c:4@2", &[0], None);
    check("a deserved=4", 4, "a/x:4@2", "a/c:4@2", &[0], Some("PriorityNotLower"));
    check("a deserved=4\nb deserved=4", 8, "a/x:4@1 b/w:4", "a/c:6@2", &[0], Some("WorseClass"));
    // A queue that gives nothing back, a guarantee, a capability.
    check("a deserved=8\nb keeps", 8, "b/x:8", "a/c:8", &[0], Some("NotReclaimable"));
    check("a deserved=4\nb deserved=2 guarantee=2", 8, "b/x:8", "a/c:4", &[0], Some("GuaranteeUndercut"));
    check("a deserved=4 capability=4\nb", 8, "a/w:2 b/x:6", "a/c:4", &[1], Some("OverLimit"));
    // Growth breaks a gang only for what is promised.
    check("a deserved=4\nb deserved=4", 8, "b/x:4 b/y:4", "a/c:4+", &[1], None);
    check("a\nb", 8, "b/x:4 b/y:4", "a/c:4+", &[1], Some("GrowthBreaksGang"));
    check("a\nb", 8, "b/x:4 b/y:4+", "a/c:4+", &[1], None);
    // The relative is within its own promise, the stranger is not.
    let deep = "d1 deserved=8\nd2 deserved=8\na parent=d1 deserved=4\nb parent=d1 deserved=4\ne parent=d2 deserved=8";
    check(deep, 16, "b/x:4 e/y:8 e/w:4", "a/c:4", &[2], None);
    check(deep, 16, "b/x:4 e/y:8 e/w:4", "a/c:4", &[0], Some("WithinDeserved"));
}

#[test]
fn whose_turn_it_is() {
    let check = |queues: &str, total: i64, running: &str, waiting: &str, expect: &str| {
        let world = World::new(queues, total, &format!("{running} {waiting}"), "z/none:0");
        let mut uses = Uses::new(&world.tree);
        units(&world.tree, running).iter().for_each(|unit| uses.add(&world.tree, unit.queue, &unit.amounts));
        let heads = units(&world.tree, waiting).into_iter().map(|unit| {
            let Unit { queue, core, created, name, amounts, .. } = unit;
            (queue, Head { asks: amounts, grows: !core, created, name })
        });
        let found = turn(&world.tree, &world.shares, &uses, &heads.collect());
        assert_eq!(
            found.map(|queue| world.tree.terms(queue).name.as_str()),
            Some(expect),
            "{running} | {waiting}"
        );
    };
    check("a\nb\nz", 8, "a/x:2", "a/c:1 b/d:1", "b");
    check("a\nb deserved=2\nz", 8, "b/x:1", "a/c:1 b/d:1", "b");
    check("a priority=1\nb\nz", 8, "a/x:2", "a/c:1 b/d:1", "a");
    check("a\nb\nz", 8, "", "b/d:1 a/c:1", "b");
    check("a\nb\nz", 8, "a/x:2", "a/c:1 b/d:1@0+", "a");
    check("d1\nd2\na parent=d1\nb parent=d1\ne parent=d2\nz", 8, "b/x:2", "a/c:1 e/d:1", "e");
}
