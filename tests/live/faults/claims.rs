//! Others leave for a gang, and things go wrong: the leader is gone at any write of the plan; and everything at once, in random
//! runs. The judge holds every eviction against the journal, and every bind against the room that plans keep.

use super::in_virtual_time;
use super::random::{Running, keep_running, runs};
use crate::double::dice::Dice;
use crate::double::instance::{Instance, Way};
use crate::double::judge::unsettled_claims;
use crate::double::link::{Condition, Rates, Upstream, rates};
use crate::double::server::Server;
use crate::double::store::{key, text};
use crate::double::world::{NAMESPACE, SCHEDULER, World};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A cluster that is full of gangs whose queue is promised nothing.
struct Full {
    server: Server,
    world: World,
    rates: Arc<Rates>,
    terms: u64,
}

impl Full {
    fn start(&mut self) -> Instance {
        self.terms += 1;
        let (upstream, identity) = (Upstream::Double(self.server.clone()), format!("i{}", self.terms));
        Instance::start(upstream, &Way::quick(SCHEDULER), Arc::clone(&self.rates), self.terms, identity)
    }

    /// Lets time pass until this is so, or for so long. What went wrong otherwise.
    async fn until(
        &mut self,
        most: Duration,
        mut is_so: impl FnMut(&mut Full) -> bool,
    ) -> Result<(), String> {
        let started = Instant::now();
        loop {
            sleep(Duration::from_millis(100)).await;
            self.world.turn();
            let (violation, wrong) = {
                let store = self.server.store();
                (store.judge.violations.first().cloned(), unsettled_claims(&store))
            };
            if let Some(violation) = violation {
                return Err(violation);
            }
            if is_so(self) {
                return Ok(());
            }
            if started.elapsed() > most {
                return Err(format!("nothing has settled: {wrong:?}\n{:?}", self.pods()));
            }
        }
    }

    fn pods(&self) -> Vec<(String, String, String, bool)> {
        let store = self.server.store();
        let pods = store.all("pods", "").map(|pod| {
            let of = |path| text(pod, path).to_owned();
            let is_leaving = !pod["metadata"]["deletionTimestamp"].is_null();
            (of("/metadata/name"), of("/spec/nodeName"), of("/status/phase"), is_leaving)
        });
        pods.collect()
    }

    fn running(&self, gang: &str) -> usize {
        let of = format!("{gang}-");
        self.pods().iter().filter(|(name, .., phase, _)| name.starts_with(&of) && phase == "Running").count()
    }
}

const VICTIMS: usize = 8;

/// The leader is gone at the n-th write from the moment at which the gang comes, and another one goes on. Returns whether there was such
/// a write.
async fn killed_at(write: u32) -> Result<bool, String> {
    let server = Server::new();
    let mut world = World::new(server.clone(), u64::from(write));
    for n in 0..4 {
        world.add_node(&format!("n{n}"), 2);
    }
    world.add_queues(VICTIMS as u64);
    let lent = world.add_to_queue("lender", VICTIMS, VICTIMS);
    let mut full = Full { server, world, rates: rates(0, 0, 0), terms: 0 };
    let first = full.start();
    full.until(Duration::from_secs(60), |full| full.running(&lent) == VICTIMS).await?;
    // What is still to be written of that is over.
    full.until(Duration::from_secs(10), |full| unsettled_claims(&full.server.store()).is_empty()).await?;
    first.link.pause_at(write);
    let claims = full.world.add_to_queue("owner", VICTIMS, VICTIMS);
    let paused = |full: &mut Full| first.link.is(Condition::Paused) || full.running(&claims) == VICTIMS;
    full.until(Duration::from_secs(120), paused).await?;
    let was_killed = first.link.is(Condition::Paused);
    first.crash();
    let second = full.start();
    let whole = |full: &mut Full| {
        unsettled_claims(&full.server.store()).is_empty() && full.running(&claims) == VICTIMS
    };
    full.until(Duration::from_secs(300), whole).await?;
    drop(second);
    let left = full.server.store().judge.left;
    // Who was asked by a leader that is gone may be asked again by the next.
    if left < VICTIMS { Err(format!("{left} evictions of {VICTIMS}")) } else { Ok(was_killed) }
}

/// The plan is written, eight pods leave, the gang is written, eight pods are bound, what is written goes.
#[test]
fn a_plan_outlives_its_leader_at_any_write() {
    let mut write = 0;
    loop {
        let result = in_virtual_time(killed_at(write));
        let was_killed = result.unwrap_or_else(|wrong| panic!("killed at write {write}: {wrong}"));
        if !was_killed {
            break;
        }
        write += 1;
    }
    eprintln!("killed at each of {write} writes of a plan of {VICTIMS} victims");
    assert!(write >= 2 * VICTIMS as u32 + 2, "{write} writes");
}

/// One random run; what was tried, or what went wrong.
async fn run(seed: u64) -> Result<Arc<Rates>, String> {
    fastrand::seed(seed);
    let mut dice = Dice::new(seed);
    let server = Server::new();
    let rates =
        rates([0, 20, 100, 250][dice.below(4)], [0, 5, 30][dice.below(3)], [0, 20, 100][dice.below(3)]);
    let (events, crashes) = ([0, 10, 30, 60][dice.below(4)], [0, 3, 10][dice.below(3)]);
    let mut world = World::new(server.clone(), dice.roll());
    let mut room = 0;
    for n in 0..dice.range(2, 5) {
        let gpus = dice.range(1, 4);
        room += gpus;
        world.add_node(&format!("n{n}"), gpus);
    }
    world.add_queues(room);
    let mut left = room;
    while left > 0 {
        let size = dice.range(1, left.min(5));
        let minimum = if dice.chance(600) { size } else { dice.range(1, size) };
        world.add_to_queue("lender", size as usize, minimum as usize);
        left -= size;
    }
    let mut full = Full { server, world, rates: Arc::clone(&rates), terms: seed };
    let mut instances: Vec<Running> = (0..1 + dice.below(2)).map(|_| Running::new(full.start())).collect();
    // All of those come that the owner is promised room for.
    let mut claimants: Vec<(u64, u64)> = Vec::new();
    let mut left = room;
    for _ in 0..dice.range(1, 4) {
        let size = dice.range(1, left.min(6));
        claimants.push((dice.range(3_000, 30_000), size));
        left -= size;
        if left == 0 {
            break;
        }
    }
    let until = dice.range(30_000, 60_000);
    let started = Instant::now();
    let (mut healed, mut calm_since, mut changes) = (false, 0, 0);
    loop {
        sleep(Duration::from_millis(100)).await;
        let now = started.elapsed().as_millis() as u64;
        if now >= until && !healed {
            healed = true;
            rates.heal();
            full.world.heal();
        }
        full.world.turn();
        let come: Vec<u64> = claimants.extract_if(.., |(at, _)| *at <= now).map(|(_, size)| size).collect();
        for size in come {
            let minimum = if dice.chance(700) { size } else { dice.range(1, size) };
            full.world.add_to_queue("owner", size as usize, minimum as usize);
        }
        let crashes = (!healed).then_some(crashes);
        keep_running(
            &mut instances,
            now,
            &rates,
            crashes,
            &mut dice,
            |_| full.start(),
            |running, dice| {
                if dice.chance(500) {
                    rates.add("instances: crashed");
                    running.instance.crash();
                } else {
                    rates.add("instances: stood still");
                    running.paused_until = now + dice.range(200, 15_000);
                    running.instance.link.pause_at(dice.below(6) as u32);
                }
            },
        )?;
        if !healed && dice.chance(events) {
            rates.add(mischief(&mut full, &mut dice));
        }
        let store = full.server.store();
        if let Some(violation) = store.judge.violations.first() {
            return Err(format!("at {now} ms: {violation}"));
        }
        let wrong = if healed { unsettled_claims(&store) } else { Vec::new() };
        if !healed || !wrong.is_empty() || store.judge.changes != changes {
            (calm_since, changes) = (now, store.judge.changes);
        }
        let (binds, left) = (store.judge.binds, store.judge.left);
        drop(store);
        // A plan that came to nothing is followed by a pause of up to 640 s.
        if now > until + 1_500_000 {
            return Err(format!("at {now} ms nothing has settled: {wrong:?}\n{:?}", full.pods()));
        }
        if now > calm_since + 8_000 {
            let mut counts = rates.counts.lock().unwrap();
            for (what, count) in [("binds", binds), ("evictions for gangs", left)] {
                *counts.entry(what.to_owned()).or_default() += count as u64;
            }
            *counts.entry("virtual seconds".to_owned()).or_default() += now / 1000;
            break;
        }
    }
    Ok(rates)
}

/// Something happens. What, for the count.
fn mischief(full: &mut Full, dice: &mut Dice) -> &'static str {
    let gangs: Vec<String> = full.world.wanted.iter().map(|gang| gang.name.clone()).collect();
    let pods = full.pods();
    if gangs.is_empty() || pods.is_empty() {
        return "nothing";
    }
    let gang = gangs[dice.below(gangs.len())].clone();
    let pod = key("pods", NAMESPACE, &pods[dice.below(pods.len())].0);
    let what = match dice.below(8) {
        0 => {
            full.world.remove_gang(&gang);
            "gangs gone"
        }
        1..=4 => {
            full.server.store().delete(&pod);
            "pods deleted"
        }
        5 => {
            full.server.store().expire();
            "watches expired"
        }
        6 => {
            let group = key("podgroups", NAMESPACE, &gang);
            let note = dice.roll().to_string();
            full.server
                .store()
                .change(&group, |group| group["metadata"]["annotations"]["note"] = note.into());
            "groups changed by others"
        }
        _ => {
            full.server.store().change(&pod, |pod| {
                if !text(pod, "/spec/nodeName").is_empty() {
                    pod["status"]["phase"] = "Failed".into();
                }
            });
            full.server.store().delete(&pod);
            "pods failed"
        }
    };
    full.server.tell();
    what
}

#[test]
fn room_is_made_under_random_faults() {
    runs(60, run);
}
