//! The engine: one task that owns the core. Watches, answers and time come in through one channel; decisions go out as
//! tasks that report back. It lives as long as the lease.
//!
//! ```text
//! watch tasks --Change--> +--------+ --effects--> call tasks
//! call tasks  --Answer--> | engine | --batches--> call tasks
//! lease task  --Lost----> +--------+ --notes----> event task
//! ```

mod act;
mod count;
mod endings;
mod intake;
mod marks;
mod nominated;
mod statuses;

use super::arrivals::Arrivals;
use super::call::{Answer as Reply, Call};
use super::client::Clients;
use super::clock::Clock;
use super::events::Recorder;
use super::findings::Findings;
use super::http::Health;
use super::kind::Kind;
use super::lease::Gate;
use super::mirror::{Mirror, Shown};
use super::recovery::{self, Found};
use super::serving::Serving;
use super::watch::{Change, watch};
use crate::api::pod_group::PodGroupStatus;
use crate::api::time::Timestamp;
use crate::reservation::{Answer, CallId, Effect, GangKey, Input as Told, Pauses, Reservations, Settings};
use crate::scheduler::{PodRef, Scheduler, SchedulerConfig};
use endings::Endings;
use intake::Ahead;
use marks::Marks;
use statuses::Statuses;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch as latest;

/// What the engine runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Scheduler names, domain labels, the solver's settings.
    pub config: SchedulerConfig,
    /// The configuration as it is changed, if it can be.
    pub changes: Option<latest::Receiver<SchedulerConfig>>,
    /// Is the scheduler on?
    pub scheduler: bool,
    /// Is the ModelServing controller on?
    pub model_serving: bool,
    /// How placements are carried out.
    pub reservation: Settings,
}

/// What comes in.
#[derive(Debug)]
enum Input {
    /// From a watch.
    Watch(Change),
    /// An answer to a reservation's call, and what it shows of a pod.
    Answered(CallId, Answer, Shown),
    /// The status of a PodGroup was not written, or nobody knows.
    StatusLost(String, Box<PodGroupStatus>),
    /// A pod was looked at.
    Shown(Shown),
    /// A ModelServing's batch has been made.
    Batch((String, String), bool),
    /// What predecessors left; the first one is complete, later ones concern one gang.
    Found(Vec<Found>),
}

impl From<Change> for Input {
    fn from(change: Change) -> Self {
        Input::Watch(change)
    }
}

/// The engine.
pub struct Engine {
    plan: Plan,
    clients: Clients,
    clock: Clock,
    gate: Gate,
    health: Arc<Health>,
    recorder: Recorder,
    inputs: Sender<Input>,
    scheduler: Scheduler,
    serving: Serving,
    reservations: Reservations,
    mirror: Mirror,
    /// Kinds that have not yet said all there is.
    unsynced: BTreeSet<Kind>,
    /// Have the records of predecessors been taken in?
    recovered: Recovery,
    effects: Vec<Effect>,
    /// Gangs that wait for an answer to `PlaceAgain`.
    again: BTreeSet<GangKey>,
    /// Gangs whose members may, or may not, be bound as far as their volumes are concerned, in this round of calls.
    may_bind: BTreeMap<GangKey, bool>,
    /// When the last pod of a gang that waits was seen.
    last_seen: BTreeMap<String, Duration>,
    /// Statuses that are due or will be.
    statuses: Statuses,
    /// Ends of records that wait for a status to go with.
    endings: Endings,
    /// Until when what is less urgent than binds waits after the last one.
    lull: Duration,
    /// Pods that are to be told that they wait.
    marks: Marks,
    /// Status writes and marks that may be out at the same time.
    status_calls: Arc<Semaphore>,
    mark_calls: Arc<Semaphore>,
    /// Pods that the ModelServing controller is creating.
    arrivals: Arrivals,
    /// What has been said of HyperNodes, and of which topology.
    findings: Findings,
    reviewed: u64,
    /// Objects that cannot be used as they are.
    malformed: BTreeSet<(Kind, String, String)>,
    /// When the use of queues was last counted.
    counted: Duration,
    /// What answers have shown of pods ahead of the watch, by `namespace/name`.
    ahead: BTreeMap<String, Ahead>,
    /// The latest version of any pod that the watch has shown.
    watched: u64,
    /// Gangs whose reservation has failed, and until when they are left alone.
    pauses: Pauses,
    /// Nodes that do not answer.
    lost_nodes: BTreeSet<String>,
    /// Gangs whose records are being read.
    finding: BTreeSet<String>,
    /// Are limits on volumes watched? Not before a pod uses claims.
    watches_limits: bool,
    /// Pods, by uid, that show their node while their bind waits.
    nominated: BTreeSet<String>,
    /// Have nodes been withdrawn that predecessors left standing?
    tidied: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recovery {
    NotStarted,
    Reading,
    Complete,
}

/// A cycle runs when nothing more is waiting, or after this long at the latest.
const DEBOUNCE: Duration = Duration::from_millis(10);

impl Engine {
    /// Runs until the channel closes, which it does not, or the lease is lost. Returns why it ended.
    pub async fn run(
        plan: Plan,
        clients: Clients,
        gate: Gate,
        epoch: u64,
        health: Arc<Health>,
        clock: Clock,
    ) -> anyhow::Result<()> {
        let (inputs, receiver) = channel(8192);
        let mut kinds = BTreeSet::from(Kind::ALL);
        kinds.remove(&Kind::CsiNode);
        if !plan.model_serving {
            kinds.retain(|kind| {
                !matches!(kind, Kind::ModelServing | Kind::Service | Kind::ControllerRevision)
            });
        }
        for &kind in &kinds {
            tokio::spawn(watch(clients.watch.clone(), kind, inputs.clone()));
        }
        let recorder = Recorder::start(clients.write.clone(), clock);
        let engine = Engine {
            scheduler: Scheduler::configured(plan.config.clone()),
            serving: Serving::new(plan.config.cluster.scheduler_names.clone()),
            reservations: Reservations::new(plan.reservation.clone(), epoch),
            mirror: Mirror::default(),
            unsynced: kinds,
            recovered: Recovery::NotStarted,
            effects: Vec::new(),
            again: BTreeSet::new(),
            may_bind: BTreeMap::new(),
            last_seen: BTreeMap::new(),
            statuses: Statuses::default(),
            endings: Endings::default(),
            lull: Duration::ZERO,
            marks: Marks::default(),
            status_calls: Arc::new(Semaphore::new(16)),
            mark_calls: Arc::new(Semaphore::new(4)),
            arrivals: Arrivals::default(),
            findings: Findings::default(),
            reviewed: 0,
            malformed: BTreeSet::new(),
            counted: Duration::ZERO,
            ahead: BTreeMap::new(),
            watched: 0,
            pauses: Pauses::default(),
            lost_nodes: BTreeSet::new(),
            finding: BTreeSet::new(),
            watches_limits: false,
            nominated: BTreeSet::new(),
            tidied: false,
            plan,
            clients,
            clock,
            gate,
            health,
            recorder,
            inputs,
        };
        engine.go_round(receiver).await
    }

    async fn go_round(mut self, mut inputs: Receiver<Input>) -> anyhow::Result<()> {
        let mut batch = Vec::with_capacity(1024);
        let mut last_cycle = Duration::ZERO;
        loop {
            let wait = self.wait(last_cycle);
            let received = tokio::time::timeout(wait, inputs.recv_many(&mut batch, 1024)).await;
            if received == Ok(0) {
                anyhow::bail!("every watch has ended");
            }
            if !self.gate.may_write() {
                let now = self.clock.elapsed();
                self.tell(now, Told::Deposed);
                anyhow::bail!("the lease is lost");
            }
            self.health.beat.store(self.clock.elapsed().as_secs(), Ordering::Relaxed);
            for input in batch.drain(..) {
                self.take_in(input);
            }
            let now = self.clock.elapsed();
            if self.reservations.wake_at().is_some_and(|at| at <= now) {
                self.tell(now, Told::Tick);
            }
            for group in self.arrivals.overdue(now) {
                self.scheduler.resume(&group);
            }
            self.carry_out();
            self.watch_limits();
            if !self.unsynced.is_empty() {
                continue;
            }
            if self.recovered == Recovery::NotStarted {
                self.read_records();
            }
            self.reconfigure();
            if self.plan.model_serving {
                self.serve();
            }
            self.scheduler.hold_back(self.pauses.held(now, &self.reservations));
            let idle = inputs.is_empty() || now.saturating_sub(last_cycle) >= DEBOUNCE;
            if self.plan.scheduler
                && self.recovered == Recovery::Complete
                && idle
                && self.scheduler.has_work()
            {
                last_cycle = now;
                self.cycle();
            }
            if self.recovered == Recovery::Complete {
                self.tidy_nominations();
                self.tell_findings();
                self.count_usage();
            }
            self.write_endings();
            self.write_statuses();
            self.write_marks();
        }
    }

    /// Where pods use claims, nothing is decided before it is known how many volumes nodes take, and what their drivers tell
    /// apart.
    fn watch_limits(&mut self) {
        if !self.watches_limits && self.scheduler.cluster().uses_claims() {
            self.watches_limits = true;
            self.unsynced.insert(Kind::CsiNode);
            tokio::spawn(watch(self.clients.watch.clone(), Kind::CsiNode, self.inputs.clone()));
        }
    }

    /// Takes up a changed configuration.
    fn reconfigure(&mut self) {
        let Some(changes) =
            self.plan.changes.as_mut().filter(|changes| changes.has_changed().unwrap_or(false))
        else {
            return;
        };
        let config = changes.borrow_and_update().clone();
        if config.cluster != self.plan.config.cluster {
            tracing::warn!("scheduler names and domain labels of the changed configuration need a restart");
        }
        tracing::info!("the changed configuration is in force");
        self.scheduler.reconfigure(config);
    }

    /// How long nothing need be done.
    fn wait(&self, last_cycle: Duration) -> Duration {
        let now = self.clock.elapsed();
        let mut wait = Duration::from_secs(1);
        if let Some(at) = self.reservations.wake_at().into_iter().chain(self.arrivals.wake_at()).min() {
            wait = wait.min(at.saturating_sub(now));
        }
        if !self.unsynced.is_empty() {
            return wait; // what else is due waits for the lists, and would be due all the time
        }
        let writes = [self.next_status(), self.next_ending(), self.lull_ends(), self.marks.wake_at()];
        if let Some(at) = writes.into_iter().flatten().min() {
            wait = wait.min(at.saturating_sub(now));
        }
        if let Some(at) = self.serving.wake_at() {
            let seconds = u64::try_from(at - self.clock.timestamp().0).unwrap_or(0);
            wait = wait.min(Duration::from_secs(seconds).max(Duration::from_millis(100)));
        }
        if let Some(until) = self.pauses.wake_at() {
            wait = wait.min(until.saturating_sub(now));
        }
        if self.unsynced.is_empty() && self.recovered == Recovery::Complete && self.scheduler.has_work() {
            wait = wait.min((last_cycle + DEBOUNCE).saturating_sub(now));
        }
        wait
    }

    /// Tells the reservations something; what they ask for waits for [`Engine::carry_out`].
    fn tell(&mut self, now: Duration, told: Told) {
        self.reservations.step(now, told, &mut self.effects);
    }

    /// Starts reading the records that predecessors left to gangs of ours. Nothing is decided before they are taken in.
    /// What a gang without pods has left is looked at when it has some again.
    fn read_records(&mut self) {
        self.recovered = Recovery::Reading;
        let groups: Vec<String> = self
            .mirror
            .groups()
            .filter(|(key, group)| group.facts.record.is_some() && self.mirror.is_ours(key))
            .map(|(key, _)| key.clone())
            .collect();
        self.find(groups);
    }

    fn find(&mut self, groups: Vec<String>) {
        self.finding.extend(groups.iter().cloned());
        let (client, inputs) = (self.clients.write.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let found = recovery::find(client, groups).await;
            let _ = inputs.send(Input::Found(found)).await;
        });
    }

    /// Looks at a pod.
    fn look(&self, pod: PodRef) {
        let (client, inputs) = (self.clients.write.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let _ = inputs.send(Input::Shown(recovery::look(&client, pod).await)).await;
        });
    }

    /// Makes a call that nobody waits for, if the lease allows it, and when one of these permits is free.
    fn send(&self, call: Call, permits: &Arc<Semaphore>) {
        let (client, gate, permits) = (self.clients.write.clone(), self.gate.clone(), Arc::clone(permits));
        tokio::spawn(async move {
            let _permit = permits.acquire().await;
            if gate.may_write() {
                let path = call.path.clone();
                match call.run(&client, gate.deadline()).await {
                    // gone, changed, or another object by now: the watch will say so
                    Reply::Done(_) | Reply::Refused { code: 404 | 409, .. } => {}
                    Reply::Refused { code: 422, ref message, .. } if message.contains("test") => {}
                    answer => tracing::warn!(path, ?answer, "a status could not be written"),
                }
            }
        });
    }

    fn timestamp(&self) -> Timestamp {
        self.clock.timestamp()
    }
}
