//! The engine in virtual time: one for the scheduler and one for the ModelServing controller, as two processes would run
//! them, since the timeline can make either crash. The API server answers at once ([`super::answer`]).

use super::Simulation;
use super::telling::key_of;
use crate::apiserver::{Actor, Key};
use crate::engine::{Engine, Input, Kind, Now, Output, Pace, Plan, Request, RequestId, Step};
use crate::grouping::GroupedBy;
use crate::reservation::journal::Place;
use crate::reservation::{GangKey, Settings};
use crate::scheduler::{Decision, Scheduler, SchedulerConfig};
use crate::simulation::agenda::Task;
use crate::simulation::scenario::{Action, FailCalls};
use crate::simulation::time::{Millis, print_duration};
use std::collections::BTreeSet;
use std::time::Duration;

/// Which of the two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Scheduler,
    Controller,
}

/// What one engine has done, from its beginning to its end.
#[derive(Clone, Debug)]
pub struct Recording {
    /// `scheduler` or `controller`.
    pub name: &'static str,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// An engine, and what the timeline has in store for it.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) engine: Engine,
    /// What it watches.
    watched: BTreeSet<Kind>,
    epoch: u64,
    /// It dies after so many more writes, and another begins so long after.
    pub(super) doomed: Option<(u32, Millis)>,
    /// Is it there?
    pub(super) lives: bool,
}

impl Driven {
    fn new(half: Half, mut config: SchedulerConfig, epoch: u64) -> Driven {
        // Volcano's controllers do not run here: Phalanx makes the PodGroups that they would make.
        if matches!(config.grouping.by, GroupedBy::Auto | GroupedBy::Volcano) {
            config.grouping.by = GroupedBy::Phalanx;
        }
        let plan = Plan {
            config,
            scheduler: half == Half::Scheduler,
            model_serving: half == Half::Controller,
            reservation: Settings::default(),
            journal: Place {
                namespace: "kube-system".to_owned(),
                name: "phalanx".to_owned(),
                holder: format!("leader-{epoch}"),
            },
            pace: Pace::AtOnce,
        };
        let engine = Engine::new(plan, epoch);
        Driven { watched: engine.watched(), engine, epoch, doomed: None, lives: true }
    }

    /// A scheduler, the leader of this epoch.
    pub(super) fn scheduler(config: SchedulerConfig, epoch: u64) -> Driven {
        Driven::new(Half::Scheduler, config, epoch)
    }

    /// A controller.
    pub(super) fn controller(config: SchedulerConfig) -> Driven {
        Driven::new(Half::Controller, config, 1)
    }
}

/// What the timeline orders about calls, and when something last moved.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// Calls that fail.
    pub(super) faults: Vec<FailCalls>,
    /// When something last moved that was not an engine's own timer.
    pub(super) moved: Millis,
}

impl Simulation {
    /// The scheduler.
    pub(in crate::simulation) fn scheduler(&self) -> &Scheduler {
        self.scheduling.engine.scheduler()
    }

    /// What the timeline orders about the scheduler and its calls.
    pub(super) fn order(&mut self, action: &Action) {
        match action {
            Action::FailCalls(fault) => self.orders.faults.push(fault.clone()),
            Action::CrashScheduler { after_writes, down } => {
                self.scheduling.doomed = Some((*after_writes, *down));
            }
            _ => {}
        }
    }

    fn half(&mut self, half: Half) -> &mut Driven {
        match half {
            Half::Scheduler => &mut self.scheduling,
            Half::Controller => &mut self.serving,
        }
    }

    /// The time as the engines take it.
    pub(super) fn clock(&self) -> Now {
        let elapsed = Duration::from_millis(self.now);
        Now { elapsed, wall: Duration::from_secs(self.start.unsigned_abs()) + elapsed }
    }

    /// Lets everything answer until nothing changes. False if that does not end.
    pub(super) fn settle(&mut self) -> bool {
        for _ in 0..super::MOST_ROUNDS {
            self.route();
            let asked = self.advance(Half::Scheduler) | self.advance(Half::Controller);
            if self.store.has_log() || self.run_workloads() || asked {
                continue;
            }
            if !self.scheduling.lives {
                return true;
            }
            let now = self.clock();
            if self.scheduling.engine.wants_cycle(now) {
                self.cycle();
                continue;
            }
            self.scheduling.engine.write(now);
            if !self.pump(Half::Scheduler) && !self.store.has_log() {
                return true;
            }
        }
        false
    }

    /// Lets an engine do what is due. True if it asked for something.
    fn advance(&mut self, half: Half) -> bool {
        let now = self.clock();
        let mut asked = self.pump(half);
        while self.half(half).lives {
            let more = self.half(half).engine.advance(now);
            asked |= self.pump(half);
            if !more {
                break;
            }
        }
        asked
    }

    /// One scheduling cycle, and what follows from it at once.
    fn cycle(&mut self) {
        let (now, epoch) = (self.clock(), self.scheduling.epoch);
        for decision in self.scheduling.engine.decide(now) {
            match decision {
                Decision::Place(placement) if self.place_crowd(&placement) => {
                    self.scheduling.engine.leave();
                    self.placed += placement.pods.len() as u64;
                    if placement.is_pod_group && !self.history.brief {
                        self.note_placed(&placement);
                    }
                }
                Decision::GroupStatus { namespace, name, status }
                    if self.crowd_status(&namespace, &name, &status) =>
                {
                    self.scheduling.engine.leave();
                }
                decision => self.scheduling.engine.act(now, decision),
            }
            self.pump(Half::Scheduler);
            if self.scheduling.epoch != epoch {
                return; // it died over this
            }
        }
        self.scheduling.engine.conclude(now);
        self.pump(Half::Scheduler);
        self.scheduling.engine.write(now);
        self.pump(Half::Scheduler);
    }

    /// Does what an engine asks for, until it asks for no more. True if it made a request, or wanted to watch another kind.
    fn pump(&mut self, half: Half) -> bool {
        let mut asked = false;
        while let Some(output) = self.half(half).engine.next_output() {
            match output {
                Output::Send { id, request, gang } => {
                    asked = true;
                    if !self.send(half, id, &request, gang.as_ref()) {
                        break; // the one who asked is dead
                    }
                }
                Output::Tell(note) => self.told(note),
                Output::Watch(kind) => {
                    asked = true;
                    self.list(half, kind);
                }
                Output::Report(report) => self.reported(report),
            }
        }
        asked
    }

    /// Makes a call and hands in its answer. False if the engine dies over it.
    fn send(&mut self, half: Half, id: RequestId, request: &Request, gang: Option<&GangKey>) -> bool {
        let counts = request.writes() && (half == Half::Controller || gang.is_some());
        if counts && !self.may_write(half, request, gang) {
            return false;
        }
        let by = match half {
            // The queues that are always there, and the journal, are nothing that this run made.
            _ if matches!(request.kind, Kind::Queue | Kind::ConfigMap) => Actor::System,
            Half::Scheduler => Actor::Scheduler,
            Half::Controller => Actor::Controller,
        };
        let answer = self.ask(request, by, gang);
        let now = self.clock();
        let engine = &mut self.half(half).engine;
        engine.handle(now, Input::Answered(id, answer));
        engine.proceed(now);
        true
    }

    /// May an engine make one more write? If its time has come, it dies, and another begins with what it is shown.
    fn may_write(&mut self, half: Half, request: &Request, gang: Option<&GangKey>) -> bool {
        let down = match &mut self.half(half).doomed {
            None => return true,
            Some((0, down)) => *down,
            Some((left, _)) => {
                *left -= 1;
                return true;
            }
        };
        match half {
            Half::Scheduler => {
                let message = format!("another leads in {}", print_duration(down));
                let key = gang.map_or_else(|| super::answer::key(request), key_of);
                self.note("scheduler", &key, "Warning", "SchedulerCrashed", message);
                let next = self.scheduling.epoch + 1;
                let next = Driven::scheduler(self.config.clone(), next);
                self.succeed(half, next);
                self.scheduling.lives = false;
                // It watches while it waits to lead.
                self.list_all(half);
                self.show_crowd();
                self.plan_in(down, Task::Lead);
            }
            Half::Controller => {
                let key = self.owner_of(request);
                let message = format!("back in {}", print_duration(down));
                self.note("controller", &key, "Warning", "ControllerCrashed", message);
                self.succeed(half, Driven::controller(self.config.clone()));
                self.serving.lives = false;
                self.plan_in(down, Task::Controller);
            }
        }
        false
    }

    /// Another engine takes the place of one that died. What that one did is kept where runs are recorded.
    fn succeed(&mut self, half: Half, next: Driven) {
        let mut dead = std::mem::replace(self.half(half), next);
        if dead.engine.records() {
            self.recordings.push(recording(half, &mut dead.engine));
            self.half(half).engine.record();
        }
    }

    /// Keeps what the engines do, to be done again. To be called before the run.
    pub fn record(&mut self) {
        self.scheduling.engine.record();
        self.serving.engine.record();
    }

    /// Takes out what the engines have done, in the order in which they ended.
    pub fn take_recordings(&mut self) -> Vec<Recording> {
        for half in [Half::Scheduler, Half::Controller] {
            if self.half(half).engine.records() {
                let last = recording(half, &mut self.half(half).engine);
                self.recordings.push(last);
            }
        }
        std::mem::take(&mut self.recordings)
    }

    /// The controller starts.
    pub(super) fn restart_controller(&mut self) {
        self.serving.lives = true;
        self.list_all(Half::Controller);
    }

    /// An engine that knows nothing lists everything.
    fn list_all(&mut self, half: Half) {
        for kind in self.half(half).watched.clone() {
            self.list(half, kind);
        }
    }

    /// Shows an engine all objects of a kind, and every change from then on.
    fn list(&mut self, half: Half, kind: Kind) {
        self.half(half).watched.insert(kind);
        let now = self.clock();
        let keys: Vec<Key> = self.store.of_kind(&kind.into()).map(|(key, _)| key.clone()).collect();
        for key in keys {
            if let Some(object) = self.observed(&key) {
                self.half(half).engine.handle(now, object);
            }
        }
        self.half(half).engine.handle(now, Input::Synced(kind));
    }

    /// Tells the engines that watch a kind. A controller that is down lists when it is back.
    pub(super) fn tell_engines(&mut self, kind: Kind, input: Input) {
        let now = self.clock();
        if self.serving.lives && self.serving.watched.contains(&kind) {
            self.serving.engine.handle(now, input.clone());
        }
        if self.scheduling.watched.contains(&kind) {
            self.scheduling.engine.handle(now, input);
        }
    }

    /// Does an engine watch this kind?
    pub(super) fn is_watched(&self, kind: Kind) -> bool {
        self.serving.watched.contains(&kind) || self.scheduling.watched.contains(&kind)
    }

    /// What an engine waits for has been shown to it.
    pub(super) fn sync(&mut self, half: Half) {
        let now = self.clock();
        let engine = &mut self.half(half).engine;
        let kinds: Vec<_> = engine.unsynced().iter().copied().collect();
        for kind in kinds {
            engine.handle(now, Input::Synced(kind));
        }
    }

    /// When there is something to do next; `None` if nothing would change any more.
    pub(super) fn next_at(&mut self) -> Option<Millis> {
        let now = self.clock();
        let appointed = self.appointment();
        let planned = self.agenda.next_at().into_iter().chain(appointed).min();
        let mut retries = Vec::new();
        for half in [Half::Scheduler, Half::Controller] {
            if self.half(half).lives {
                retries.extend(self.half(half).engine.wake(now));
            }
        }
        let retry = retries.into_iter().min().map(|at| milliseconds(at).max(self.now));
        let retry = retry.filter(|&at| planned.is_some() || !self.is_futile(at));
        planned.into_iter().chain(retry).min()
    }

    /// When something is due that an engine has set for its time.
    pub(super) fn appointment(&self) -> Option<Millis> {
        let now = self.clock();
        let living = [&self.scheduling, &self.serving].into_iter().filter(|driven| driven.lives);
        let at = living.filter_map(|driven| driven.engine.appointment(now)).min()?;
        Some(milliseconds(at).max(self.now))
    }

    /// Has nothing but the engines' own timers moved for longer than any of those is set to? What they try then, they will
    /// try for ever.
    fn is_futile(&self, at: Millis) -> bool {
        let settings = Settings::default();
        let patience = settings.deadline + settings.doubt + Duration::from_secs(90);
        at > self.orders.moved + milliseconds(patience)
    }
}

fn recording(half: Half, engine: &mut Engine) -> Recording {
    let name = if half == Half::Scheduler { "scheduler" } else { "controller" };
    Recording { name, steps: engine.take_steps() }
}

/// Rounded up: what is due then is due.
fn milliseconds(time: Duration) -> Millis {
    time.as_nanos().div_ceil(1_000_000) as Millis
}
