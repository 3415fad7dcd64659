//! Others leave for a gang, and its leader is gone at any write of the plan. The judge holds every eviction against the
//! journal, and every bind against the room that plans keep.

use super::in_virtual_time;
use crate::double::instance::{Instance, Way};
use crate::double::judge::unsettled_claims;
use crate::double::link::{Condition, Rates, Upstream, rates};
use crate::double::server::Server;
use crate::double::store::text;
use crate::double::world::{SCHEDULER, World};
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
