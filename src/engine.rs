//! The engine: everything that decides between watch and bind, without I/O, async or a clock.
//!
//! Inputs and time go in; requests, events, reports and the next wake-up come out. The live shell turns watches into inputs
//! and requests into HTTP; the simulator has an API server in memory around the same engine. One engine is one term of one
//! leader: it begins with a lease and ends with it.
//!
//! ```text
//! loop {
//!     for input in inputs { engine.handle(now, input) }        // what has happened
//!     while engine.advance(now) {}                             // what is due by time, and ModelServings one by one
//!     if engine.wants_cycle(now) {                             // who gets which nodes
//!         for decision in engine.decide(now) { engine.act(now, decision) }
//!         engine.conclude(now)
//!     }
//!     engine.write(now)                                        // what waits for binds to be done
//!     for output in engine.outputs() { ... }                   // may be taken out after each of these steps
//!     sleep until engine.wake(now), or an input
//! }
//! ```
//!
//! | part | owns | files |
//! | --- | --- | --- |
//! | `Intake` | what was observed: the mirror of PodGroups and pods, what answers showed ahead of the watch | `intake`, `mirror` |
//! | `Commitments` | reservations and their calls, the journal, recovery, pauses, what is to be done before a bind | `act`, `writer`, `journal`, `clearing`, `claims`, `devices`, `endings`, `recovery`, `nominated` |
//! | `Families` | ModelServings and what they own, LeaderWorkerSets | `families`, `serving`, `sets`, `arrivals` |
//! | `Telling` | what users are told, and when: statuses, conditions, findings, notices | `statuses`, `marks`, `findings`, `notices` |
//! | `Groups` | pods without a PodGroup, queues that are made | `grouping` |
//! | `Calls` | requests on their way | `calls`, `request` |
//! | `Tape` | what its shell has done with it, to be done again | `tape`, `replay` |

pub mod arrivals;
pub mod findings;
pub mod input;
pub mod mirror;
pub mod output;
pub mod replay;
pub mod request;
pub mod serving;
mod sets;
pub mod tape;
pub mod usage;

mod act;
mod calls;
mod claims;
mod clearing;
mod count;
mod devices;
mod dialects;
mod endings;
mod families;
mod grouping;
mod intake;
mod journal;
mod marks;
mod nominated;
mod notices;
mod recovery;
mod statuses;
#[cfg(test)]
mod tests;
mod writer;

pub use crate::api::kind::{self, Kind, Needed, TABLE};
pub use crate::api::object::{self, Object};
pub use input::{Change, Input, Now, RequestId};
pub use output::{Note, Output, Report};
pub use request::{Answer, Request, Verb};
pub use tape::{Step, What};

use crate::reservation::journal::{Journal, Place};
use crate::reservation::{Effect, GangKey, Input as ReservationInput, Pauses, Reservations, Settings};
use crate::scheduler::{Scheduler, SchedulerConfig};
use calls::{Calls, Purpose};
use clearing::Clearings;
use devices::Granting;
use families::Families;
use findings::Findings;
use grouping::Groups;
use intake::Intake;
use marks::Marks;
use notices::Notices;
use recovery::Finding;
use serde::{Deserialize, Serialize};
use statuses::Statuses;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use tape::Tape;

/// What the engine runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Scheduler names, domain labels, the solver's settings.
    pub config: SchedulerConfig,
    /// Is the scheduler on?
    pub scheduler: bool,
    /// Is the ModelServing controller on?
    pub model_serving: bool,
    /// How placements are carried out.
    pub reservation: Settings,
    /// Where what is promised is written down.
    pub journal: Place,
    /// Whether an API server is to be spared.
    pub pace: Pace,
}

/// What waits for binds to be done, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pace {
    /// Statuses, conditions and the ends of records wait for each other and for binds: the API server is what limits a
    /// gang's start.
    Considerate,
    /// Nothing waits: the API server takes no time.
    AtOnce,
}

/// The engine.
#[derive(Debug)]
pub struct Engine {
    plan: Plan,
    /// The time of the step that is being made.
    now: Now,
    scheduler: Scheduler,
    intake: Intake,
    commitments: Commitments,
    families: Families,
    /// Pods without a PodGroup.
    groups: Groups,
    telling: Telling,
    calls: Calls,
    outputs: VecDeque<Output>,
    last_cycle: Duration,
    /// When everything is looked at next; `None` where nothing can have been overlooked, or before the first look.
    review_at: Option<Duration>,
    /// Are limits on volumes watched? Not before a pod uses claims.
    watches_limits: bool,
    /// Are slices and device claims watched? Not before there is a device class, or a pod that uses device claims.
    watches_devices: bool,
    deposed: bool,
    /// Its steps, if it records them.
    tape: Option<Tape>,
}

/// Placements on their way.
#[derive(Debug)]
struct Commitments {
    reservations: Reservations,
    /// What is promised, written down.
    journal: Journal,
    /// Plans by which others leave for gangs.
    clearings: Clearings,
    effects: Vec<Effect>,
    /// Have the records of predecessors been taken in?
    recovery: Recovery,
    finding: Finding,
    /// Gangs whose reservation has failed, and until when they are left alone.
    pauses: Pauses,
    /// Gangs that wait for an answer to `PlaceAgain`.
    again: BTreeSet<GangKey>,
    /// Those of them that asked before the cycle that is being acted on.
    asked: BTreeSet<GangKey>,
    /// Gangs whose members may be bound as far as their volumes are concerned, until something changes.
    may_bind: BTreeSet<GangKey>,
    /// What is to be done on device claims before binds.
    granting: Granting,
    /// Until when what is less urgent than binds waits after the last one.
    quiet_until: Duration,
    /// Pods, by uid, that show their node while their bind waits.
    nominated: BTreeSet<String>,
    /// Have nodes been withdrawn that predecessors left standing?
    tidied: bool,
}

/// What users are told.
#[derive(Debug, Default)]
struct Telling {
    /// Statuses that are due or will be.
    statuses: Statuses,
    /// Pods that are to be told that they wait.
    marks: Marks,
    /// What has been said of HyperNodes, and of which topology.
    findings: Findings,
    reviewed: u64,
    /// What objects ask for and do not get.
    notices: Notices,
    /// What groups of other dialects say of themselves.
    said: dialects::Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recovery {
    /// The journal is being sealed.
    Sealing,
    /// It is: what stands in it is known.
    Sealed,
    /// PodGroups and pods of its entries are being read.
    Reading,
    Complete,
}

/// A cycle runs when nothing more is waiting, or after this long at the latest.
const DEBOUNCE: Duration = Duration::from_millis(10);

/// How often everything is looked at whatever changed: what was overlooked once is not overlooked for ever.
const REVIEW: Duration = Duration::from_secs(600);

impl Engine {
    /// An engine for the leader of this epoch, which has seen nothing yet. It waits for the kinds of [`Engine::watched`].
    pub fn new(plan: Plan, epoch: u64) -> Engine {
        let mut scheduler = Scheduler::configured(plan.config.clone());
        scheduler.carry_out_evictions();
        Engine {
            now: Now { elapsed: Duration::ZERO, wall: Duration::ZERO },
            scheduler,
            intake: Intake::new(watched(&plan)),
            commitments: Commitments {
                reservations: Reservations::new(plan.reservation.clone()),
                journal: Journal::new(plan.journal.clone(), epoch, plan.pace == Pace::Considerate),
                clearings: Clearings::default(),
                effects: Vec::new(),
                recovery: if plan.scheduler { Recovery::Sealing } else { Recovery::Complete },
                finding: Finding::default(),
                pauses: Pauses::default(),
                again: BTreeSet::new(),
                asked: BTreeSet::new(),
                may_bind: BTreeSet::new(),
                granting: Granting::default(),
                quiet_until: Duration::ZERO,
                nominated: BTreeSet::new(),
                tidied: false,
            },
            families: Families::new(&plan),
            groups: Groups::new(plan.config.grouping),
            telling: Telling::default(),
            calls: Calls::default(),
            outputs: VecDeque::new(),
            last_cycle: Duration::ZERO,
            review_at: None,
            watches_limits: false,
            watches_devices: false,
            deposed: false,
            tape: None,
            plan,
        }
    }

    /// The kinds to be watched from the beginning.
    pub fn watched(&self) -> BTreeSet<Kind> {
        watched(&self.plan)
    }

    /// What is in the way of deciding: kinds that have not yet said everything.
    pub fn unsynced(&self) -> &BTreeSet<Kind> {
        &self.intake.unsynced
    }

    /// The scheduler, to be looked at.
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// The journal, to be looked at.
    pub fn journal(&self) -> &Journal {
        &self.commitments.journal
    }

    /// The reservations, to be looked at.
    pub fn reservations(&self) -> &Reservations {
        &self.commitments.reservations
    }

    /// The leader's epoch: that of its lease, or a later one once it has read the journal.
    pub fn epoch(&self) -> u64 {
        self.commitments.journal.epoch()
    }

    /// When something is due that was set for its time, as against what is tried again because it failed: a simulation is
    /// over when only that is left.
    pub fn appointment(&self, now: Now) -> Option<Duration> {
        let serving = self.families.serving.appointment().filter(|_| self.plan.model_serving);
        let scheduler = self.scheduler.wake_at().map(|at| at.0).filter(|_| self.plan.scheduler);
        serving.into_iter().chain(scheduler).min().map(|at| now.elapsed + until(at, now))
    }

    /// Until when events wait, since pods have just been bound.
    pub fn quiet_until(&self) -> Duration {
        self.commitments.quiet_until
    }

    /// Takes out what there is to do for the shell.
    pub fn outputs(&mut self) -> VecDeque<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Takes out the first of that.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes in that something has happened. What follows from it for reservations waits for [`Engine::advance`], so that
    /// what happened at the same time is known by then.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = now;
        self.keep_input(&input);
        if self.deposed {
            return;
        }
        match input {
            Input::Observed(change) => self.observe(change),
            Input::Synced(kind) => {
                if kind == Kind::PodGroup {
                    self.families.serving.set_pod_groups(true);
                }
                self.groups.serves_queues |= kind == Kind::Queue;
                if self.intake.unsynced.remove(&kind) && kind == Kind::ResourceClaim {
                    self.fence_claims();
                }
            }
            Input::Missing(kind) => {
                if kind == Kind::PodGroup {
                    self.families.serving.set_pod_groups(false);
                }
                self.intake.unsynced.remove(&kind);
            }
            Input::Answered(id, answer) => self.answered(id, answer),
            Input::Deposed => {
                self.tell(ReservationInput::Deposed);
                self.deposed = true;
                self.commitments.effects.clear();
                self.calls.clear();
                self.outputs.clear();
            }
            Input::Configured(config) => self.reconfigure(*config),
        }
    }

    /// Does what follows for reservations from what has been taken in. [`Engine::advance`] does so as well.
    pub fn proceed(&mut self, now: Now) {
        self.now = now;
        self.keep(What::Proceed);
        self.carry_out();
    }

    /// Does what is due by time, and what one ModelServing wants that something changed for. False if there was nothing:
    /// to be called again otherwise.
    pub fn advance(&mut self, now: Now) -> bool {
        self.now = now;
        self.keep(What::Advance);
        if self.deposed {
            return false;
        }
        self.commitments.may_bind.clear();
        self.commitments.granting.look_again();
        self.free_what_was_stuck();
        if self.commitments.reservations.wake_at().is_some_and(|at| at <= now.elapsed) {
            self.tell(ReservationInput::Tick);
        }
        for group in self.families.arrivals.overdue(now.elapsed) {
            self.scheduler.resume(&group);
        }
        self.scheduler.wake(now.timestamp());
        self.review();
        self.send_due();
        self.carry_out();
        self.watch_limits();
        self.watch_devices();
        self.group_pods();
        if self.commitments.recovery == Recovery::Sealing {
            self.commit();
        }
        if !self.intake.unsynced.is_empty() {
            return false;
        }
        if self.commitments.recovery == Recovery::Sealed {
            self.read_records();
            self.carry_out();
        }
        self.want_groups();
        self.plan.model_serving && (self.serve_set() || self.serve())
    }

    /// Is there something to decide now?
    pub fn wants_cycle(&mut self, now: Now) -> bool {
        self.now = now;
        self.keep(What::Look);
        if self.deposed || !self.may_decide() {
            return false;
        }
        let held = self.commitments.pauses.held(now.elapsed, &self.commitments.reservations);
        self.scheduler.hold_back(held);
        self.scheduler.has_work() || !self.commitments.again.is_empty() && self.plan.pace == Pace::AtOnce
    }

    /// Is a cycle due though more is waiting to be taken in?
    pub fn is_overdue(&self, now: Now) -> bool {
        now.elapsed.saturating_sub(self.last_cycle) >= DEBOUNCE
    }

    fn may_decide(&self) -> bool {
        self.plan.scheduler
            && self.intake.unsynced.is_empty()
            && self.commitments.recovery == Recovery::Complete
    }

    /// Writes what waits for binds to be done, as far as it is due.
    pub fn write(&mut self, now: Now) {
        self.now = now;
        self.keep(What::Write);
        if self.deposed {
            return;
        }
        self.write_plans();
        self.evict_due();
        self.commit();
        if !self.intake.unsynced.is_empty() {
            return;
        }
        if self.commitments.recovery == Recovery::Complete {
            self.tidy_nominations();
            self.tell_findings();
            self.tell_cluster_notices();
        }
        self.write_statuses();
        self.write_marks();
        self.carry_out();
    }

    /// When something is due though nothing happens; `None` if nothing is.
    pub fn wake(&mut self, now: Now) -> Option<Duration> {
        self.now = now;
        if self.deposed {
            return None;
        }
        let reservations = self.commitments.reservations.wake_at();
        let scheduler = self.scheduler.wake_at().map(|at| now.elapsed + until(at.0, now));
        let grouping = self.groups.grouping.wake_at();
        let journal = self.commitments.journal.wake_at().filter(|_| self.plan.scheduler);
        let always = [
            journal,
            reservations,
            self.families.arrivals.wake_at(),
            self.calls.wake_at(),
            self.commitments.clearings.wake_at(),
            grouping,
            scheduler,
        ];
        let always = always.into_iter().flatten().min();
        if !self.intake.unsynced.is_empty() {
            return always; // what else is due waits for the lists, and would be due all the time
        }
        let sets = self.families.sets.wake_at().filter(|_| self.plan.model_serving);
        let serving = self
            .families
            .serving
            .wake_at()
            .filter(|_| self.plan.model_serving)
            .map(|at| now.elapsed + until(at, now));
        let cycle = self.may_decide() && self.scheduler.has_work();
        let rest = [
            self.next_status(),
            self.quiet_ends(),
            self.telling.marks.wake_at(),
            self.commitments.pauses.wake_at(),
            self.review_at,
            serving,
            sets,
            cycle.then_some(self.last_cycle + DEBOUNCE),
        ];
        always.into_iter().chain(rest.into_iter().flatten()).min()
    }

    /// Has everything looked at now and then.
    fn review(&mut self) {
        if self.plan.pace == Pace::AtOnce || !self.intake.unsynced.is_empty() {
            return;
        }
        if self.review_at.is_some_and(|at| at <= self.now.elapsed) {
            self.scheduler.review();
            self.families.serving.mark_all();
            self.families.sets.mark_all();
        } else if self.review_at.is_some() {
            return;
        }
        self.review_at = Some(self.now.elapsed + REVIEW);
    }

    /// Where pods use claims, nothing is decided before it is known how many volumes nodes take, and what their drivers tell
    /// apart.
    fn watch_limits(&mut self) {
        if self.plan.scheduler && !self.watches_limits && self.scheduler.cluster().uses_claims() {
            self.watches_limits = true;
            self.intake.unsynced.insert(Kind::CsiNode);
            self.outputs.push_back(Output::Watch(Kind::CsiNode));
        }
    }

    /// Where there are device classes or pods use device claims, nothing is decided before it is known what drivers publish
    /// and claims hold.
    fn watch_devices(&mut self) {
        if self.plan.scheduler && !self.watches_devices && self.scheduler.cluster().uses_devices() {
            self.watches_devices = true;
            for row in TABLE.iter().filter(|row| row.needed == Needed::WithDevices) {
                self.intake.unsynced.insert(row.kind);
                self.outputs.push_back(Output::Watch(row.kind));
            }
        }
    }

    /// Takes up a changed configuration.
    fn reconfigure(&mut self, config: SchedulerConfig) {
        if config.cluster != self.plan.config.cluster {
            self.outputs.push_back(Output::Report(Report::NeedsRestart));
        }
        self.outputs.push_back(Output::Report(Report::Configured));
        self.groups.grouping.configure(config.grouping, self.now.elapsed);
        self.scheduler.reconfigure(config);
    }

    /// Tells the reservations something; what they ask for waits for [`Engine::carry_out`].
    fn tell(&mut self, told: ReservationInput) {
        self.commitments.reservations.step(self.now.elapsed, told, &mut self.commitments.effects);
    }

    fn note(&mut self, note: Note) {
        self.outputs.push_back(Output::Tell(note));
    }

    fn failed(&mut self, request: String, answer: Answer, then: &'static str) {
        self.outputs.push_back(Output::Report(Report::Failed { request, answer, then }));
    }

    /// A request has been answered: on with what it was for.
    fn answered(&mut self, id: RequestId, answer: Answer) {
        let Some(open) = self.take_open(id) else { return };
        let request = open.request;
        match open.purpose {
            Purpose::Reserve { call, asked, .. } => self.call_answered(call, &asked, answer),
            Purpose::Journal { page, .. } => self.journal_answered(page, request.verb, answer),
            Purpose::Evict { gang, victim, failures } => {
                self.evicted(&gang, victim, failures, &request, answer);
            }
            Purpose::Settle(settling) => self.settle_on(*settling, answer),
            Purpose::Devices(writing) => self.claim_written(*writing, answer),
            Purpose::Return { claim } => self.claim_returned(&claim, &request, answer),
            Purpose::Fence { claim } => self.claim_fenced(&claim, &request, answer),
            Purpose::Status { gang, status } => self.status_written(gang, *status, answer),
            Purpose::Tell => {
                if !matches!(answer, Answer::Done(_)) && !answer.is_moot(request.verb) {
                    self.failed(request.to_string(), answer, "it is left out");
                }
            }
            Purpose::Withdraw { pod, node, failures } => self.withdrawn(pod, node, failures, answer),
            Purpose::Change { serving } => self.change_made(serving, request, answer),
            Purpose::Grouping(want) => self.want_answered(&want, request.verb, answer),
            Purpose::Queue(name) => self.queue_made(name, request, answer),
            Purpose::Set { set } => self.set_answered(set, request, answer),
            Purpose::Existing => self.existing_read(request.kind, answer),
            Purpose::Group { gang } => self.group_read(gang, request, answer),
            Purpose::Member { gang } => self.member_read(gang, request, answer),
            Purpose::Look(pod) => self.looked(pod, request, answer),
        }
    }
}

/// How long it is until that second since 1970; a tenth of a second if it is over, so that nothing is asked for all the time.
fn until(at: i64, now: Now) -> Duration {
    let left = Duration::from_secs(u64::try_from(at).unwrap_or(0)).saturating_sub(now.wall);
    if left.is_zero() { Duration::from_millis(100) } else { left }
}

fn watched(plan: &Plan) -> BTreeSet<Kind> {
    let is_watched = |needed: Needed| match needed {
        Needed::ByBoth => true,
        Needed::ByScheduler => plan.scheduler,
        Needed::ByServing => plan.model_serving,
        Needed::WithClaims | Needed::WithDevices | Needed::WithOwners | Needed::Never => false,
        Needed::ForGrouping | Needed::IfServed => plan.scheduler,
    };
    TABLE.iter().filter(|row| is_watched(row.needed)).map(|row| row.kind).collect()
}
