//! Random specs, edits and faults in virtual time. A run is a pure function of its seed; a failure prints the seed and, from
//! a second run that takes notes, what led to it. To keep it, put it into [`KNOWN`].

mod checks;
mod draw;
mod shown;

use super::world::{World, describe};
use crate::api::model_serving::Role;
use crate::modelserving::*;
use draw::{Random, edit, random_object};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Seeds that have failed once.
const KNOWN: &[u64] = &[
    349, 878, 1008, 1010, 1305, 1315, 1971, 2424, 2666, 2948, 3027, 3395, 4262, 4429, 11144, 12105, 13434,
    14333, 15995, 24728, 35583,
];
/// Two thousand and more a second where the compiler optimises.
const RUNS: u64 = if cfg!(debug_assertions) { 500 } else { 10_000 };

#[test]
fn known_seeds() {
    KNOWN.iter().for_each(|&seed| Chaos::new(seed).run());
}

#[test]
fn random_faults_end_in_rest() {
    (0..RUNS).for_each(|seed| Chaos::new(seed).run());
}

/// From any state, stopping after any number of changes and starting again without memory ends in the same place.
#[test]
fn a_restart_between_any_two_changes_ends_in_the_same_place() {
    for seed in 0..RUNS / 4 {
        let mut chaos = Chaos::new(seed);
        (0..20).for_each(|_| chaos.act());
        let outcome = chaos.world.reconcile();
        let finish = |count: usize| {
            let mut world = chaos.world.clone();
            outcome.changes.iter().take(count).for_each(|change| world.apply(change));
            world.memory = None;
            world.run();
            shape(&world)
        };
        let whole = finish(outcome.changes.len());
        for count in 0..outcome.changes.len() {
            let list: Vec<String> = outcome.changes.iter().map(describe).collect();
            let spec = serde_json::to_string(&chaos.world.object.spec).unwrap();
            assert_eq!(finish(count), whole, "seed {seed}, stopped after {count} of {list:?}\n{spec}");
        }
    }
}

/// What a world looks like, uids and times aside. Which ordinals stay after a surge, or of groups that lose everything at
/// once, depends on who is ready first.
fn shape(world: &World) -> (Vec<(String, String)>, Vec<String>, Value) {
    let place = |name: &str| {
        let key = names::parse_pod("ms", name).unwrap();
        format!("{} {}", key.role, key.index)
    };
    let mut pods: Vec<(String, String)> =
        world.pods.iter().map(|pod| (place(&pod.object.name), pod.role_hash.to_string())).collect();
    pods.sort();
    let mut services: Vec<String> =
        world.services.iter().map(|service| place(&service.object.name)).collect();
    services.sort();
    let mut status = serde_json::to_value(&world.object.status).unwrap();
    status["conditions"] = Value::Null;
    status["labelSelector"] = Value::Null;
    (pods, services, status)
}

/// What a ServingGroup is worth.
#[derive(Debug)]
struct Serving {
    /// Role -> replicas that run.
    running: BTreeMap<String, u32>,
    /// Roles with a pod that stays.
    live: BTreeSet<String>,
    /// Role -> replicas that its revision asks for.
    wanted: BTreeMap<String, u32>,
    /// All that it asks for.
    available: bool,
}

struct Chaos {
    seed: u64,
    random: Random,
    world: World,
    /// The same, as changes have shown it.
    shown: shown::Shown,
    /// What happened, for those who ask.
    notes: Option<Vec<String>>,
    /// What each revision asked for when a reconcile last saw it.
    history: BTreeMap<String, (Vec<Role>, Vec<String>)>,
    /// The generation that it was last brought up to.
    remembered: i64,
    /// The hash of that.
    hash: String,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let world = World::new(random_object(&mut random));
        let history = BTreeMap::new();
        let shown = shown::Shown::default();
        let mut chaos =
            Chaos { seed, random, world, shown, notes: None, history, remembered: 0, hash: String::new() };
        chaos.world.gangs = chaos.random.one_in(4) < 3;
        chaos
    }

    fn run(&mut self) {
        for _ in 0..40 {
            self.act();
        }
        self.note(|| "rest".to_owned());
        self.rest();
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.notes {
            notes.push(what());
        }
    }

    fn fail(&self, what: &str) -> ! {
        let world = &self.world;
        let Some(notes) = &self.notes else {
            let mut again = Chaos::new(self.seed);
            again.notes = Some(Vec::new());
            again.run();
            panic!("seed {}: {what}, and not the second time", self.seed);
        };
        let steps: Vec<&String> = notes.iter().rev().take(12).rev().collect();
        let pods: Vec<String> = world
            .pods
            .iter()
            .map(|p| {
                format!("{} {} deleting {} ready {}", p.object.name, p.role_hash, p.object.deleting, p.ready)
            })
            .collect();
        panic!(
            "seed {}: {what}\nsteps: {steps:#?}\nspec: {}\nstatus: {}\npods: {pods:#?}",
            self.seed,
            serde_json::to_string(&world.object.spec).unwrap(),
            serde_json::to_string(&world.object.status).unwrap(),
        )
    }

    fn act(&mut self) {
        let world = &mut self.world;
        let random = &mut self.random;
        let step = match random.one_in(20) {
            0..7 => {
                self.reconcile();
                return;
            }
            7..9 => {
                world.run_pods();
                "everything runs".to_owned()
            }
            9 => edit(random, world),
            10 => {
                world.now = world.now.plus(3);
                "time passes".to_owned()
            }
            11 => {
                world.memory = None;
                let count = random.one_in(3) as usize;
                let outcome = world.reconcile();
                outcome.changes.iter().take(count).for_each(|change| world.apply(change));
                // A status that names a revision without its ControllerRevision is another matter: nobody could tell what
                // it meant.
                if random.one_in(2) == 0
                    && (count > 0 || outcome.changes.is_empty())
                    && let Some(status) = outcome.status
                {
                    world.object.status = status;
                }
                // Nobody knows what has not been written down.
                let unwritten = |change: &Change| change.kind() == Kind::ControllerRevision;
                if count > 0 || !outcome.changes.first().is_some_and(unwritten) {
                    self.remember();
                }
                format!("crash after {count} changes")
            }
            12 if !world.services.is_empty() => {
                let at = random.below(world.services.len());
                format!("service {} vanishes", world.services.swap_remove(at).object.name)
            }
            13 if !world.pod_groups.is_empty() => {
                let at = random.below(world.pod_groups.len());
                format!("pod group {} vanishes", world.pod_groups.swap_remove(at).object.name)
            }
            fault if !world.pods.is_empty() => {
                let at = random.below(world.pods.len());
                let now = world.now;
                let pod = &mut world.pods[at];
                let name = pod.object.name.clone();
                match fault {
                    14 => {
                        (pod.ready, pod.started) = (false, true);
                        pod.failing_since = Some(now);
                        format!("{name} fails")
                    }
                    15 => {
                        pod.ready = false;
                        format!("{name} is unready")
                    }
                    16 => {
                        pod.object.deleting = true;
                        format!("{name} is deleted")
                    }
                    17 => {
                        pod.deletion_cost = random.below(3) as i64;
                        format!("{name} costs {}", pod.deletion_cost)
                    }
                    18 if pod.object.deleting => {
                        world.pods.swap_remove(at);
                        format!("{name} is gone")
                    }
                    18 => {
                        (pod.ready, pod.started, pod.failing_since) = (true, true, None);
                        format!("{name} is ready")
                    }
                    _ => {
                        world.pods.swap_remove(at);
                        format!("{name} vanishes")
                    }
                }
            }
            _ => return,
        };
        self.note(|| step);
    }

    /// One reconcile, applied whole, with every invariant checked on the way.
    fn reconcile(&mut self) -> bool {
        self.remember();
        let outcome = self.world.reconcile();
        self.shown.reconcile(&self.world);
        self.note(|| {
            let names: Vec<String> = outcome.changes.iter().map(describe).collect();
            let events: Vec<&str> = outcome.events.iter().map(|event| event.message.as_str()).collect();
            format!("reconcile: {} [{}]", names.join(", "), events.join(", "))
        });
        let before = self.serving();
        self.check_status(&outcome, &before);
        if !outcome.changes.is_empty() {
            for change in &outcome.changes {
                self.check_change(change);
                self.world.apply(change);
            }
            self.check_budget(&before);
            self.check_count(&outcome);
        }
        self.world.report(&outcome);
        // What changed nothing would say the same again.
        if !outcome.changes.is_empty() || outcome.status.is_some() {
            let again = self.world.reconcile().changes;
            if !again.is_empty() {
                let again: Vec<String> = again.iter().map(describe).collect();
                self.fail(&format!("a second call wants more: {again:?}"));
            }
        }
        !outcome.changes.is_empty()
    }

    fn remember(&mut self) {
        let generation = self.world.object.metadata.generation;
        if std::mem::replace(&mut self.remembered, generation) != generation {
            let roles = self.world.object.spec.template.roles.clone();
            self.hash = roles_hash(&roles);
            let hashes = roles.iter().map(role_hash).collect();
            self.history.insert(self.hash.clone(), (roles, hashes));
        }
    }

    /// Everybody does their work until nothing changes; then everything must be as the spec says.
    fn rest(&mut self) {
        for _ in 0..300 {
            let changed = self.reconcile();
            let before = self.world.pods.clone();
            self.world.run_pods();
            self.world.now = self.world.now.plus(1);
            if !changed && before == self.world.pods {
                self.reconcile();
                return self.check_rest();
            }
        }
        self.fail("does not come to rest");
    }
}
