//! The shell around the engine: one task that owns it. Watches, answers and time come in through one channel; requests go
//! out as tasks that report back. It lives as long as the lease, and decides nothing.
//!
//! ```text
//! watch tasks --Observed--> +--------------------+ --Send--> call tasks
//! call tasks  --Answered--> | engine::Engine     | --Tell--> event task
//! lease       --Deposed---> +--------------------+ --Report-> metrics, log
//! ```

use super::call::Call;
use super::client::Clients;
use super::clock::Clock;
use super::count::Counter;
use super::error::Ended;
use super::events::Recorder;
use super::http::Health;
use super::lease::Gate;
use super::metrics::TaskLabel;
use super::tasks::Tasks;
use super::watch::{Seen, watch};
use crate::api::unsupported;
use crate::engine::{Answer, Engine, Input, Kind, Note, Output, Plan, Report, Request, RequestId, Step};
use crate::scheduler::SchedulerConfig;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch as latest;
use tokio::task::JoinSet;

/// What the engine is run with.
pub struct Shell {
    /// What it runs.
    pub plan: Plan,
    /// The configuration as it is changed, if it can be.
    pub changes: Option<latest::Receiver<SchedulerConfig>>,
    /// The cluster.
    pub clients: Clients,
    /// Says whether a write may be sent.
    pub gate: Gate,
    /// The leader's epoch.
    pub epoch: u64,
    /// Where its steps go, if they are recorded.
    pub recording: Option<Sender<Vec<Step>>>,
    /// True when it is to end.
    pub stop: latest::Receiver<bool>,
    /// What it tells the outside.
    pub health: Arc<Health>,
    /// The machine's clocks.
    pub clock: Clock,
}

/// How long a watch that has ended stays ended.
const BEGINS_AGAIN: Duration = Duration::from_secs(1);

/// The longest time between two rounds.
const LONGEST: Duration = Duration::from_secs(1);

impl Shell {
    /// Runs until the lease is lost, or until it is told to end: then no more is sent, and what is on its way is waited for.
    /// Returns whether all of that was answered.
    pub async fn run(self) -> Result<Sent, Ended> {
        let (inputs, receiver) = channel(8192);
        self.health.set_unready("watches", Some("the watches have just been started".to_owned()));
        let mut engine = Engine::new(self.plan.clone(), self.epoch);
        if self.recording.is_some() {
            engine.record();
        }
        let kinds = engine.watched();
        let name = self.plan.config.cluster.scheduler_names.first().cloned().unwrap_or_default();
        let (recorder, writing) = Recorder::start(self.clients.write.clone(), self.clock, name);
        let mut tasks = Tasks::default();
        tasks.start(Task::Events, writing);
        let counter = Counter::new(Arc::clone(&self.health));
        let calls = JoinSet::new();
        let doubted = None;
        let seen = BTreeMap::new();
        let mut running = Running {
            shell: self,
            engine,
            recorder,
            counter,
            inputs,
            tasks,
            seen,
            calls,
            doubted,
            synced: false,
        };
        kinds.into_iter().for_each(|kind| running.watch(kind, Duration::ZERO));
        running.go_round(receiver).await
    }
}

/// What is known of the requests of a shell that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Each has been answered.
    Answered,
    /// One may take effect yet.
    InDoubt,
}

/// What runs beside the engine for as long as it does.
#[derive(Clone, Copy, Debug)]
enum Task {
    Watch(Kind),
    Events,
}

struct Running {
    shell: Shell,
    engine: Engine,
    recorder: Recorder,
    counter: Counter,
    inputs: Sender<Input>,
    /// Watches, and what writes events.
    tasks: Tasks<Task>,
    /// What watches have seen, by kind.
    seen: BTreeMap<Kind, Seen>,
    /// Requests on their way. Each says whether it may take effect though nobody answered it.
    calls: JoinSet<bool>,
    /// When such a one last ended.
    doubted: Option<Duration>,
    /// Had all watches said all there is, in the last round?
    synced: bool,
}

impl Running {
    async fn go_round(mut self, mut inputs: Receiver<Input>) -> Result<Sent, Ended> {
        let (clock, health) = (self.shell.clock, Arc::clone(&self.shell.health));
        let mut batch = Vec::with_capacity(1024);
        loop {
            let now = clock.now();
            let wake = self.engine.wake(now).map_or(LONGEST, |at| at.saturating_sub(now.elapsed));
            let received = tokio::time::timeout(wake.min(LONGEST), inputs.recv_many(&mut batch, 1024));
            let received = tokio::select! {
                biased;
                () = told_to_end(&mut self.shell.stop) => return Ok(self.end().await),
                received = received => received,
            };
            if received == Ok(0) {
                return Err(Ended::Watches);
            }
            let now = clock.now();
            if !self.shell.gate.may_write() {
                self.engine.handle(now, Input::Deposed);
                self.keep_steps();
                return Err(Ended::Lease);
            }
            while let Some(ended) = self.calls.try_join_next() {
                self.called(ended.unwrap_or(true));
            }
            self.supervise()?;
            health.beat.store(now.elapsed.as_secs(), Ordering::Relaxed);
            for input in batch.drain(..) {
                self.log(&input);
                self.engine.handle(now, input);
            }
            if let Some(config) = self.changed() {
                self.engine.handle(now, Input::Configured(Box::new(config)));
            }
            while self.engine.advance(now) {}
            self.perform()?;
            if self.engine.wants_cycle(now) && (inputs.is_empty() || self.engine.is_overdue(now)) {
                self.cycle()?;
            }
            self.engine.write(clock.now());
            self.perform()?;
            self.keep_steps();
            if self.engine.unsynced().is_empty() {
                if !std::mem::replace(&mut self.synced, true) {
                    tracing::info!("in step with the cluster");
                    health.set_unready("watches", None);
                }
                self.counter.count_usage(&self.engine, now);
            } else {
                self.synced = false;
                health.set_unready("watches", Some(self.waits_for()));
            }
        }
    }

    /// Begins watches again that have ended: while the shell runs none of them should.
    fn supervise(&mut self) -> Result<(), Ended> {
        while let Some((task, exit)) = self.tasks.next_ended() {
            let name = match task {
                Task::Watch(kind) => kind.row().plural,
                Task::Events => "events",
            };
            tracing::error!(task = name, reason = %exit, "a task has ended before its time");
            let label = TaskLabel { task: name.to_owned() };
            self.shell.health.metrics.tasks_ended.get_or_create(&label).inc();
            match task {
                Task::Watch(kind) => self.watch(kind, BEGINS_AGAIN),
                Task::Events => return Err(Ended::Task { name, exit }),
            }
        }
        Ok(())
    }

    /// Watches a kind, after a while.
    fn watch(&mut self, kind: Kind, after: Duration) {
        let seen = Arc::clone(self.seen.entry(kind).or_default());
        let (client, inputs) = (self.shell.clients.watch.clone(), self.inputs.clone());
        self.tasks.start(Task::Watch(kind), async move {
            tokio::time::sleep(after).await;
            watch(client, kind, inputs, seen).await;
        });
    }

    /// One scheduling cycle.
    fn cycle(&mut self) -> Result<(), Ended> {
        let clock = self.shell.clock;
        let began = clock.now();
        let decisions = self.engine.decide(began);
        let decided = clock.now();
        for decision in decisions {
            self.engine.act(decided, decision);
        }
        self.engine.conclude(decided);
        self.perform()?;
        let (deciding, all) = (decided.elapsed - began.elapsed, clock.elapsed() - began.elapsed);
        self.counter.count_cycle(&self.engine, deciding, all);
        Ok(())
    }

    /// Nothing is sent any more; what is on its way is waited for, a little longer than any call may take.
    async fn end(mut self) -> Sent {
        self.engine.handle(self.shell.clock.now(), Input::Deposed);
        self.keep_steps();
        let patience = self.shell.gate.deadline() + LONGEST;
        let all = tokio::time::timeout(patience, async {
            while let Some(ended) = self.calls.join_next().await {
                self.called(ended.unwrap_or(true));
            }
        });
        let all_ended = all.await.is_ok();
        let now = self.shell.clock.now().elapsed;
        let doubt = self.shell.plan.reservation.doubt;
        let in_doubt = self.doubted.is_some_and(|at| now < at + doubt);
        if all_ended && !in_doubt { Sent::Answered } else { Sent::InDoubt }
    }

    /// A call has ended; may it take effect yet?
    fn called(&mut self, in_doubt: bool) {
        if in_doubt {
            self.doubted = Some(self.shell.clock.now().elapsed);
        }
    }

    /// Hands over what was done, to be kept. Nothing waits for that: where it cannot be, recording ends.
    fn keep_steps(&mut self) {
        let Some(recording) = &self.shell.recording else { return };
        let steps = self.engine.take_steps();
        if steps.is_empty() {
            return;
        }
        if let Err(refused) = recording.try_send(steps) {
            let why = match refused {
                TrySendError::Full(_) => "steps come faster than they are written",
                TrySendError::Closed(_) => "the limit is reached, or the file cannot be written",
            };
            tracing::warn!("nothing more of this term is recorded: {why}");
            self.engine.stop_recording();
            self.shell.recording = None;
        }
    }

    fn changed(&mut self) -> Option<SchedulerConfig> {
        let changes = self.shell.changes.as_mut()?;
        changes.has_changed().unwrap_or(false).then(|| changes.borrow_and_update().clone())
    }

    /// Does what the engine asks for.
    fn perform(&mut self) -> Result<(), Ended> {
        self.recorder.hold_until(self.engine.quiet_until());
        while let Some(output) = self.engine.next_output() {
            match output {
                Output::Send { id, request, gang } => self.send(id, request, gang.is_some()),
                Output::Tell(note) => {
                    log_note(&note);
                    self.recorder.note(note);
                }
                Output::Watch(kind) => self.watch(kind, Duration::ZERO),
                Output::Report(Report::Superseded { epoch, holder }) => {
                    self.keep_steps();
                    return Err(Ended::Sealed { epoch, holder });
                }
                Output::Report(report) => {
                    log(&report);
                    self.counter.count(&self.engine, &report, self.shell.clock.now());
                }
            }
        }
        Ok(())
    }

    /// Sends a request, if the lease allows it. Nobody waits for the answer to one that is not sent: the engine ends with
    /// the lease.
    fn send(&mut self, id: RequestId, request: Request, urgent: bool) {
        let hold = urgent.then(|| self.recorder.hold());
        let (client, gate) = (self.shell.clients.write.clone(), self.shell.gate.clone());
        let (inputs, mut stop) = (self.inputs.clone(), self.shell.stop.clone());
        self.calls.spawn(async move {
            let _hold = hold;
            let writes = request.writes();
            if writes && !gate.may_write() {
                return false;
            }
            let answer = Call::from(request).run(&client, gate.deadline()).await;
            let in_doubt = writes && matches!(answer, Answer::Unknown(_));
            tokio::select! {
                _ = inputs.send(Input::Answered(id, answer)) => {}
                // When the shell ends nobody takes answers any more, and it waits for this task.
                () = told_to_end(&mut stop) => {}
            }
            in_doubt
        });
    }

    /// Which kinds have not been listed.
    fn waits_for(&self) -> String {
        let names: Vec<&str> = self.engine.unsynced().iter().map(|kind| kind.row().plural).collect();
        format!("not listed yet: {}", names.join(", "))
    }

    fn log(&self, input: &Input) {
        match input {
            Input::Synced(kind) => {
                let left = self.engine.unsynced().iter().filter(|left| *left != kind).count();
                tracing::debug!(?kind, left, "listed");
            }
            Input::Missing(kind) => {
                tracing::info!(?kind, "its CRD is not installed; it is watched once it is");
            }
            _ => {}
        }
    }
}

/// What is wrong with objects, and why gangs wait: the engine tells it once for each change.
fn log_note(note: &Note) {
    let Note { kind, namespace, name, message, .. } = note;
    match note.reason.as_str() {
        "Malformed" => tracing::warn!(kind, namespace, name, "{message}"),
        "Unschedulable" if *kind == "PodGroup" => tracing::info!(kind, namespace, name, "waits: {message}"),
        code if unsupported::CODES.iter().any(|(known, _)| *known == code) => {
            tracing::info!(kind, namespace, name, code, "{message}");
        }
        _ => {}
    }
}

async fn told_to_end(stop: &mut latest::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

fn log(report: &Report) {
    match report {
        Report::Reservation { gang, report } => {
            tracing::info!(gang = gang.to_string(), %report, "reservation");
        }
        Report::Cycle { panicked, .. } if !panicked.is_empty() => {
            tracing::error!(
                ?panicked,
                "something panicked over these gangs: they are left alone until they change"
            );
        }
        Report::Panicked(what) => {
            tracing::error!(what, "something panicked over it: it is left alone until its spec changes");
        }
        Report::Recovered { records } => tracing::info!(records, "the journal is sealed"),
        Report::Failed { request, answer, then } => tracing::warn!(request, ?answer, "{then}"),
        Report::Withdrawn(pod) => {
            tracing::info!(pod = pod.name, "it has no place, and shows a node no longer");
        }
        Report::NeedsRestart => {
            tracing::warn!("scheduler names and domain labels of the changed configuration need a restart");
        }
        Report::Configured => tracing::info!("the changed configuration is in force"),
        _ => {}
    }
}
