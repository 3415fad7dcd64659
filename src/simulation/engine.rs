//! The run: virtual time, and in it the production scheduler, reservations and controller, with doubles for everything around them.
//!
//! At each instant the tasks that are due are done, and then everything settles: changes of the store reach the
//! controller, the kubelets and the scheduler, whose answers change the store again, until nothing changes any more.
//! Then time jumps to the next task. One thread, one order: the same input gives the same bytes.
//!
//! ```text
//! agenda --(task)--> store --(log)--> engines, kubelets --(requests, plans)--> store, agenda
//! ```

mod answer;
mod budgets;
mod devices;
mod drive;
mod kubelet;
mod made_gangs;
mod nodes;
mod route;
mod steps;
mod telling;
#[cfg(test)]
mod tests;
mod volumes;
mod workloads;

pub use drive::Recording;
pub(crate) use made_gangs::MadeGangs;

use super::agenda::{Agenda, Task};
use super::history::{Happened, History};
use super::problem::Problem;
use super::random::Random;
use super::report::EvictionRow;
use super::scenario::{Action, Scenario};
use super::time::{Millis, parse_timestamp};
use super::world::World;
use crate::apiserver::At as _;
use crate::apiserver::{Actor, Key, Store};
use crate::scheduler::config::SchedulerConfig;
use serde_json::Value;

/// Rounds of settling at one instant after which a run is given up: something answers its own answers.
const MOST_ROUNDS: usize = 10_000;

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Nothing would change any more.
    #[default]
    Quiet,
    /// The scenario's `until` was reached, and something would still happen.
    Until,
    /// The parts kept answering each other at one instant.
    Restless,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Virtual time.
    pub now: Millis,
    /// Tasks done.
    pub tasks: u64,
    /// Pods that were given a node so far.
    pub placed: u64,
}

/// A run.
#[derive(Debug)]
pub struct Simulation {
    pub(super) scenario: Scenario,
    pub(super) store: Store,
    pub(super) made_gangs: MadeGangs,
    pub(super) history: History,
    pub(super) ending: Ending,
    pub(super) now: Millis,
    /// Pods that were given a node.
    pub(super) placed: u64,
    /// Pods that were evicted for other gangs.
    pub(super) evictions: Vec<EvictionRow>,
    /// What was found wrong with the objects when they were read, with codes.
    pub(super) read: Vec<(&'static str, Problem)>,
    /// Seconds since 1970 at the start.
    start: i64,
    agenda: Agenda,
    kubelet: kubelet::Kubelet,
    nodes: nodes::Lifecycle,
    workloads: workloads::Workloads,
    scheduling: drive::Driven,
    serving: drive::Driven,
    orders: drive::Orders,
    /// What engines that died have done, where it is recorded.
    recordings: Vec<Recording>,
    /// For a scheduler that takes over.
    config: SchedulerConfig,
    delays: Random,
    /// The scheduler names that are answered to.
    pub(super) ours: Vec<String>,
}

impl Simulation {
    /// Loads a world, for a scheduler with this configuration.
    pub fn new(world: World, config: SchedulerConfig) -> Simulation {
        let World { objects, scenario, warnings, .. } = world;
        // An import must not come from the future: the clock starts when its youngest object was made.
        let created =
            |value: &Value| value.at("/metadata/creationTimestamp")?.as_str().and_then(parse_timestamp);
        let start = objects.iter().filter_map(created).max().unwrap_or(scenario.start).max(scenario.start);
        let mut store = Store::default();
        store.set_now(start);
        objects.iter().for_each(|object| store.reserve(object));
        for object in objects {
            // Admission has checked what could be refused here.
            let _ = store.apply(object, Actor::User);
        }
        let mut config = config;
        if !scenario.gangs.is_empty() {
            // Gangs that are made by the thousand have no objects that could be evicted.
            (config.sharing.reclaim, config.sharing.preempt, config.sharing.consolidate) =
                (false, false, false);
        }
        let scheduling = drive::Driven::scheduler(config.clone(), 1);
        let serving = drive::Driven::controller(config.clone());
        let mut agenda = Agenda::default();
        let mut orders = Vec::new();
        for (index, step) in scenario.timeline.iter().enumerate() {
            match &step.action {
                // What is placed at the start comes before the first step.
                action @ (Action::FailCalls(_) | Action::CrashScheduler { .. }) if step.at == 0 => {
                    orders.push(action.clone());
                }
                _ => agenda.plan(step.at, Task::Step(index)),
            }
        }
        let made_gangs = MadeGangs::new(&scenario, start);
        for (source, at) in made_gangs.first_arrivals() {
            agenda.plan(at, Task::Arrive(source));
        }
        let delays = Random::new(scenario.seed, "delays");
        let mut run = Simulation {
            ours: config.cluster.scheduler_names.clone(),
            config,
            scenario,
            store,
            made_gangs,
            history: History::default(),
            ending: Ending::default(),
            now: 0,
            placed: 0,
            evictions: Vec::new(),
            read: warnings,
            start,
            agenda,
            kubelet: kubelet::Kubelet::default(),
            nodes: nodes::Lifecycle::default(),
            workloads: workloads::Workloads::default(),
            scheduling,
            serving,
            orders: drive::Orders::default(),
            recordings: Vec::new(),
            delays,
        };
        orders.iter().for_each(|action| run.order(action));
        run
    }

    /// Does without the history of made gangs: for runs whose history nobody asks for.
    pub fn be_brief(&mut self) {
        self.history.brief = true;
    }

    /// Runs until nothing changes any more, or the scenario's `until`.
    pub fn run(&mut self, mut progress: impl FnMut(Progress)) {
        let mut tasks = 0;
        loop {
            if !self.settle() {
                self.ending = Ending::Restless;
                return;
            }
            progress(Progress { now: self.now, tasks, placed: self.placed });
            let Some(next) = self.next_at() else { return };
            if let Some(until) = self.scenario.until.filter(|&until| next > until) {
                self.set_now(until);
                self.ending = Ending::Until;
                return;
            }
            if self.appointment().is_some_and(|at| at <= next) {
                self.orders.moved = next;
            }
            self.set_now(next);
            while let Some(task) = self.agenda.pop_due(next) {
                self.perform(task);
                self.orders.moved = next;
                tasks += 1;
            }
        }
    }

    fn perform(&mut self, task: Task) {
        match task {
            Task::Step(index) => self.step(index),
            Task::Arrive(source) => self.arrive(source),
            Task::Depart(gang) => self.depart(gang),
            Task::Start(uid) => self.start_pod(&uid),
            Task::Ready(uid) => self.ready_pod(&uid),
            Task::Gates(uid) => self.open_gates(&uid),
            Task::Restart(uid) => self.restart_pod(&uid),
            Task::Complete(uid) => self.complete_pod(&uid),
            Task::Stopped(uid) => self.stopped_pod(&uid),
            Task::Evict(node, uid) => self.evict_pod(&node, &uid),
            Task::Lost(node) => self.lose_node(&node),
            Task::Controller => self.restart_controller(),
            Task::Lead => self.scheduling.lives = true,
        }
    }

    fn set_now(&mut self, now: Millis) {
        self.now = now;
        self.store.set_now(self.seconds());
    }

    /// Seconds since 1970.
    pub(super) fn seconds(&self) -> i64 {
        self.start + (self.now / 1000) as i64
    }

    fn plan_in(&mut self, delay: Millis, task: Task) {
        self.agenda.plan(self.now + delay, task);
    }

    fn note(&mut self, by: &'static str, key: &Key, type_: &'static str, reason: &str, message: String) {
        let happened = self.happened(by, key, type_, reason, message);
        self.history.note(happened);
    }

    fn happened(
        &self,
        by: &'static str,
        key: &Key,
        type_: &'static str,
        reason: &str,
        message: String,
    ) -> Happened {
        Happened {
            at_milliseconds: self.now,
            by,
            kind: key.kind.name(),
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            type_,
            reason: reason.to_owned(),
            message,
        }
    }

    /// Does the pod name one of our schedulers?
    pub(super) fn is_ours(&self, scheduler_name: &str) -> bool {
        self.ours.iter().any(|ours| ours == scheduler_name)
    }
}
