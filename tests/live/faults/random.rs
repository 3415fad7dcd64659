//! Random runs: small worlds in which everything goes wrong at once, one from each seed, each change of them judged.

use super::{LISTED, in_virtual_time};
use crate::double::devices::DEVICE_CLAIMS;
use crate::double::dice::Dice;
use crate::double::instance::{Instance, Way};
use crate::double::judge::{MOST_BEHIND, unsettled};
use crate::double::link::{Condition, Rates, Upstream, rates};
use crate::double::server::Server;
use crate::double::store::text;
use crate::double::world::{SCHEDULER, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Kinds of devices whose first lists may be behind.
const DEVICES_LISTED: [&str; 3] = [DEVICE_CLAIMS, "resourceslices", "deviceclasses"];

/// An instance of a random run, and what becomes of it, in milliseconds of virtual time; 0 is nothing.
pub(super) struct Running {
    pub(super) instance: Instance,
    pub(super) paused_until: u64,
    restart_at: u64,
}

impl Running {
    pub(super) fn new(instance: Instance) -> Running {
        Running { instance, paused_until: 0, restart_at: 0 }
    }
}

/// Begins instances again that have ended, lets those go on that stood still, and does harm to one that runs in `crashes` of
/// 1,000 turns, if in any.
pub(super) fn keep_running(
    instances: &mut [Running],
    now: u64,
    rates: &Rates,
    crashes: Option<u64>,
    dice: &mut Dice,
    mut start: impl FnMut(&mut Dice) -> Instance,
    mut harm: impl FnMut(&mut Running, &mut Dice),
) -> Result<(), String> {
    for running in instances {
        if running.instance.has_panicked() {
            return Err(format!("at {now} ms: an instance panicked"));
        } else if running.instance.has_ended() {
            if running.restart_at == 0 {
                rates.add("instances: ended");
                running.restart_at = now + dice.range(100, 2_000);
            } else if now >= running.restart_at {
                *running = Running::new(start(dice));
            }
        } else if running.paused_until > 0 && now >= running.paused_until {
            running.paused_until = 0;
            running.instance.link.resume();
        } else if crashes.is_some_and(|crashes| dice.chance(crashes)) {
            harm(running, dice);
        }
    }
    Ok(())
}

/// One random run, in a world with devices or without; what was tried, or what went wrong.
async fn run(seed: u64, devices: bool) -> Result<Arc<Rates>, String> {
    fastrand::seed(seed);
    let mut dice = Dice::new(seed);
    let server = Server::new();
    let rates =
        rates([0, 20, 100, 250][dice.below(4)], [0, 5, 30][dice.below(3)], [0, 20, 100][dice.below(3)]);
    let (events, crashes) = ([0, 10, 30, 60][dice.below(4)], [0, 3, 10][dice.below(3)]);
    let (stale, meddling) = ([0, 300, 700][dice.below(3)], [0, 200, 500][dice.below(3)]);
    let until = dice.range(5_000, 40_000);
    let mut world = World::new(server.clone(), dice.roll());
    if devices {
        world = world.with_devices(seed);
    }
    for n in 0..dice.range(2, 5) {
        let gpus = dice.range(1, 4);
        world.add_node(&format!("n{n}"), gpus);
    }
    for _ in 0..dice.range(1, 4) {
        world.add_gang(6);
    }
    if dice.chance(300) {
        world.add_single("single");
    }
    let way = Way::quick(SCHEDULER);
    let mut terms = 0;
    let mut start = |dice: &mut Dice| {
        terms += 1;
        let upstream = Upstream::Double(server.clone());
        let instance = Instance::start(upstream, &way, Arc::clone(&rates), dice.roll(), format!("i{terms}"));
        if terms > 1 && dice.chance(stale) {
            rates.add("instances: began with lists from before");
            let more = if devices { &DEVICES_LISTED[..] } else { &[] };
            let kinds = LISTED.iter().chain(more).copied();
            let kinds = kinds.filter(|_| dice.chance(700)).collect::<Vec<_>>();
            let version = server.store().version_before(dice.range(0, MOST_BEHIND));
            instance.link.lists_as_of(&kinds, version);
        }
        instance
    };
    let mut instances: Vec<Running> =
        (0..1 + dice.below(2)).map(|_| Running::new(start(&mut dice))).collect();
    let started = Instant::now();
    let (mut healed, mut calm_since, mut changes) = (false, 0, 0);
    loop {
        sleep(Duration::from_millis(100)).await;
        let now = started.elapsed().as_millis() as u64;
        if now >= until && !healed {
            healed = true;
            rates.heal();
            world.heal();
        }
        world.turn();
        let crashes = (!healed).then_some(crashes);
        keep_running(
            &mut instances,
            now,
            &rates,
            crashes,
            &mut dice,
            &mut start,
            |running, dice| match dice.below(4) {
                0 => {
                    rates.add("instances: crashed");
                    running.instance.crash();
                }
                1 => {
                    rates.add("instances: stood still");
                    running.paused_until = now + dice.range(200, 15_000);
                    running.instance.link.set(Condition::Paused);
                }
                2 => {
                    rates.add("instances: stood still in mid-gang");
                    running.paused_until = now + dice.range(6_000, 20_000);
                    running.instance.link.pause_at(dice.below(8) as u32);
                }
                _ => {
                    rates.add("instances: clock set");
                    running.instance.set_wall(dice.range(0, 20_000) as i64 - 10_000);
                }
            },
        )?;
        if !healed && dice.chance(events) {
            rates.add(world.mischief());
        }
        if !healed && dice.chance(meddling) {
            rates.add(world.meddle());
        }
        if !healed && devices && dice.chance(events.max(meddling / 4)) {
            rates.add(world.take_devices());
        }
        let store = server.store();
        if let Some(violation) = store.judge.violations.first() {
            return Err(format!("at {now} ms: {violation}"));
        }
        let wrong = if healed { unsettled(&store) } else { Vec::new() };
        if !healed || !wrong.is_empty() || store.judge.changes != changes {
            (calm_since, changes) = (now, store.judge.changes);
        }
        if now > until + 400_000 {
            let stand = instances
                .iter()
                .map(|running| (running.instance.has_ended(), running.instance.link.is(Condition::Paused)));
            let stand: Vec<(bool, bool)> = stand.collect();
            let pods = store.all("pods", "").map(|pod| {
                let of = |path| text(pod, path).to_owned();
                (
                    of("/metadata/name"),
                    of("/spec/nodeName"),
                    of("/status/phase"),
                    of("/metadata/deletionTimestamp"),
                )
            });
            let pods: Vec<_> = pods.collect();
            let lease = store.all("leases", "").next().cloned();
            return Err(format!(
                "at {now} ms nothing has settled: {wrong:?}\nended, paused: {stand:?}\n{pods:?}\n{lease:?}"
            ));
        }
        if now > calm_since + 8_000 {
            let mut counts = rates.counts.lock().unwrap();
            let judge = &store.judge;
            for (what, count) in [
                ("binds", judge.binds),
                ("device claims allocated", judge.allocations),
                ("devices that another scheduler took at the same time", judge.contested),
                ("evictions", judge.evictions),
                ("evictions out of whole gangs", judge.evictions_of_whole),
            ] {
                *counts.entry(what.to_owned()).or_default() += count as u64;
            }
            *counts.entry("virtual seconds".to_owned()).or_default() += now / 1000;
            break;
        }
    }
    Ok(rates)
}

#[test]
fn invariants_hold_under_random_faults() {
    runs(150, |seed| run(seed, false));
}

/// The same where most gangs ask for devices by claim, and another scheduler takes devices of the same nodes.
#[test]
fn no_device_is_promised_twice_under_random_faults() {
    runs(100, |seed| run(seed, true));
}

/// So many runs, each from its seed. `PHALANX_FAULT_RUNS` says how many instead, `PHALANX_FAULT_SEED` the first of them; a
/// failure says its seed.
pub(super) fn runs<F: Future<Output = Result<Arc<Rates>, String>>>(usual: u64, run: impl Fn(u64) -> F) {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    if std::env::var_os("PHALANX_TEST_LOG").is_some() {
        let _ = tracing_subscriber::fmt()
            .with_env_filter("info,phalanx=debug")
            .with_writer(std::io::stderr)
            .without_time()
            .try_init();
    }
    let (runs, first) = (number("PHALANX_FAULT_RUNS", usual), number("PHALANX_FAULT_SEED", 0u64));
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    let mut violations = Vec::new();
    for seed in first..first + runs {
        match in_virtual_time(run(seed)) {
            Ok(rates) => {
                let counts = rates.counts.lock().unwrap();
                counts.iter().for_each(|(what, count)| *all.entry(what.clone()).or_default() += count);
            }
            Err(violation) => {
                eprintln!("seed {seed}: {violation}");
                violations.push(seed);
            }
        }
        if (seed - first) % 500 == 499 {
            eprintln!("{} runs, {} violations", seed - first + 1, violations.len());
        }
    }
    eprintln!("seeds {first}..{}: {all:#?}", first + runs);
    assert!(violations.is_empty(), "PHALANX_FAULT_RUNS=1 PHALANX_FAULT_SEED=... for each of {violations:?}");
}
