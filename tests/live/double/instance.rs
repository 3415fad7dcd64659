//! An instance of Phalanx in this process: what `phalanx run` does, on a link of its own.

use super::link::{Condition, Link, Rates, Upstream};
use futures::FutureExt;
use phalanx::engine::replay::Replay;
use phalanx::engine::{Pace, Plan, Step};
use phalanx::live::clock::Clock;
use phalanx::live::http::Health;
use phalanx::live::lease::{Election, Gate, Standing};
use phalanx::live::shell::Shell;
use phalanx::reservation::journal::Place;
use phalanx::reservation::lease::LeaseSettings;
use phalanx::reservation::{Backoff, Settings};
use phalanx::scheduler::SchedulerConfig;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

pub(crate) struct Instance {
    pub(crate) link: Arc<Link>,
    /// What it tells the outside.
    pub(crate) health: Arc<Health>,
    task: JoinHandle<()>,
    panicked: Arc<AtomicBool>,
    /// How far its wall clock is off, in milliseconds.
    wall: &'static AtomicI64,
}

/// How instances are run.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) scheduler_name: String,
    pub(crate) lease_name: String,
    pub(crate) lease: Duration,
    pub(crate) reservation: Settings,
}

impl Way {
    /// Quick enough for tests, and slower than what can be late: a call may take effect 30 s after it was sent.
    pub(crate) fn quick(scheduler_name: &str) -> Self {
        Way {
            scheduler_name: scheduler_name.to_owned(),
            lease_name: format!("phalanx-{scheduler_name}"),
            lease: Duration::from_secs(6),
            reservation: Settings {
                calls_in_flight: 8,
                deadline: Duration::from_secs(20),
                doubt: Duration::from_secs(45),
                backoff: Backoff { base: Duration::from_millis(100), limit: Duration::from_secs(5) },
            },
        }
    }
}

impl Instance {
    /// Starts one; its identity must differ from those of all others.
    pub(crate) fn start(
        upstream: Upstream,
        way: &Way,
        rates: Arc<Rates>,
        seed: u64,
        identity: String,
    ) -> Self {
        let link = Link::new(upstream.clone(), rates, seed);
        // Some bytes for each instance of a test.
        let wall: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(0)));
        let clock = match upstream {
            Upstream::Double(_) => Clock::made(Duration::from_secs(1_767_225_600), wall),
            Upstream::Real(_) => Clock::start(),
        };
        let health = Arc::new(Health::default());
        let panicked = Arc::new(AtomicBool::new(false));
        let (life, told) = (
            lead(Arc::clone(&link), way.clone(), clock, identity, Arc::clone(&health)),
            Arc::clone(&panicked),
        );
        let task = tokio::spawn(async move {
            let ended = AssertUnwindSafe(life).catch_unwind().await;
            told.store(ended.is_err(), Ordering::Relaxed);
        });
        Instance { link, health, task, panicked, wall }
    }

    /// `kill -9`: what has left it arrives, and nothing more does.
    pub(crate) fn crash(&self) {
        self.link.set(Condition::Dead);
        self.task.abort();
    }

    /// Has it ended, by itself or by force?
    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished() || self.link.is(Condition::Dead)
    }

    /// Has it found a mistake of ours in itself?
    pub(crate) fn has_panicked(&self) -> bool {
        self.panicked.load(Ordering::Relaxed)
    }

    /// Somebody sets its wall clock.
    pub(crate) fn set_wall(&self, off_by: i64) {
        self.wall.store(off_by, Ordering::Relaxed);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.crash();
    }
}

async fn lead(link: Arc<Link>, way: Way, clock: Clock, identity: String, health: Arc<Health>) {
    let clients = link.clients();
    let journal =
        Place { namespace: "kube-system".to_owned(), name: way.lease_name.clone(), holder: identity.clone() };
    let settings = LeaseSettings { duration: way.lease, margin: way.lease / 3, renew_every: way.lease / 8 };
    let election = Election {
        namespace: "kube-system".to_owned(),
        name: way.lease_name,
        identity,
        settings: settings.clone(),
    };
    let (sender, mut standing) = watch::channel(Standing::Candidate);
    tokio::spawn(election.run(
        clients.write.clone(),
        clock,
        sender,
        Arc::clone(&health),
        std::future::pending(),
    ));
    let epoch = loop {
        if let Standing::Leading(held) = *standing.borrow_and_update() {
            break held.epoch;
        }
        if standing.changed().await.is_err() {
            return;
        }
    };
    let mut config = SchedulerConfig::default();
    config.cluster.scheduler_names = vec![way.scheduler_name];
    let plan = Plan {
        config,
        scheduler: true,
        model_serving: false,
        reservation: way.reservation,
        journal,
        pace: Pace::Considerate,
    };
    let gate = Gate::new(standing, settings, clock);
    let (sender, steps) = channel(1024);
    let recording = Some(sender);
    let (_running, stop) = watch::channel(false);
    let shell = Shell { plan, changes: None, clients, gate, epoch, recording, stop, health, clock };
    let _ = tokio::join!(shell.run(), do_again(steps));
    // The process ends with it, as soon as it goes on; what it had given to the wire by then is sent.
    link.go_on().await;
    sleep(Duration::from_millis(1)).await;
    link.set(Condition::Dead);
}

/// Does what is recorded again beside it, from text: it must decide the same.
async fn do_again(mut steps: Receiver<Vec<Step>>) {
    let mut replay: Option<Replay> = None;
    while let Some(batch) = steps.recv().await {
        for step in batch {
            let text = serde_json::to_string(&step).expect("a step has a text");
            let step: Step = serde_json::from_str(&text).expect("and is read from it");
            match &mut replay {
                None => replay = Some(Replay::begin(step).expect("it begins with its beginning")),
                Some(replay) => {
                    replay.step(step).expect("it can be done again");
                    assert!(!replay.departs(), "it decides otherwise when it is done again: {text}");
                }
            }
        }
    }
}
