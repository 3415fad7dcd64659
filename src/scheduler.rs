//! The cycle: who is next, who may, and what the solver's answers mean for the world.
//!
//! [`Scheduler`] owns the [`Cluster`] and the solver's indices. Events go in through [`Scheduler::apply`]; a cycle runs
//! when something is marked and returns [`Decision`]s. A gang that was refused is tried again only when it changed
//! itself, when a node gained something that one of its pods could use, when something changed that its rules about
//! other pods look at, or when the topology or a queue changed.

pub mod admission;
pub mod config;
pub mod decision;
pub mod explain;
pub mod gang;
pub mod notices;
pub mod order;
pub mod promise;
pub mod quality;
pub mod reason;
pub mod report;
pub mod status;

mod claims;
mod cycle;
mod gates;
mod guard;
mod hold;
mod limited;
mod queues;
mod room;
#[cfg(test)]
mod tests;
mod turns;
mod waiting;

pub use config::{SchedulerConfig, SharingRules};
pub use decision::{Decision, GangPlacement, PodPlacement, PodRef, SubgroupRef};
pub(crate) use guard::panic_text;
pub use quality::Quality;
pub use queues::report::QueueReport;
pub use reason::Reason;
pub use report::GangReport;

use crate::api::time::Timestamp;
use crate::cluster::ids::GangId;
use crate::cluster::{Cluster, Event, Settings};
use crate::placement::{PlacementRules, Placer};
use admission::AdmissionRules;
use order::WaitingTimes;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use waiting::{KnownOutcomes, Wait};

/// The scheduler: what it believes, and what it last answered.
#[derive(Debug)]
pub struct Scheduler {
    cluster: Cluster,
    placer: Placer,
    rules: PlacementRules,
    times: WaitingTimes,
    admission: AdmissionRules,
    /// Gangs that are admitted and not Inqueue yet, and what keeps the others out.
    admitted: admission::Admitted,
    kept_out: FxHashMap<GangId, admission::Limit>,
    /// What gangs use and ask for, by queue.
    sharing: queues::Sharing,
    /// Room that is being made for gangs.
    claims: claims::Claims,
    /// Domains that are held for gangs.
    holds: hold::Holds,
    /// Gates that are being removed.
    lifting: gates::Lifting,
    /// Gangs, by the number of their arrival, that have had all that their `minResources` ask for: no room is kept any more.
    whole: FxHashMap<GangId, u64>,
    /// Gangs that room is to be kept for and that have not all of it.
    roomless: BTreeSet<GangId>,
    /// Seconds since 1970, as of the last cycle.
    now: Option<Timestamp>,
    /// Gangs with pods that wait, and why. Derived: dropping it only makes them be tried again.
    waiting: FxHashMap<GangId, Wait>,
    /// What waiting gangs were told.
    told: KnownOutcomes,
    /// How good the last placement of each gang was, for those that this scheduler has placed.
    quality: FxHashMap<GangId, Quality>,
    /// [`Coupling::version`](crate::cluster::coupling::Coupling::version) that kept questions are for.
    coupling_version: u64,
    /// [`Classes::generation`](crate::cluster::class::Classes::generation) that the classes of waiting gangs are of.
    generation: u64,
    /// PodGroups (`namespace/name`) that are not to be tried yet.
    deferred: BTreeSet<String>,
    /// Pods without a PodGroup (`namespace/name`) that are left alone, and what is said about it.
    pods_held: BTreeMap<String, Option<String>>,
    /// Gangs that the reservation keeps from being placed.
    held_back: promise::HeldBack,
    /// Gangs, and at what there is to be a panic over them.
    #[cfg(test)]
    breaks: BTreeSet<(String, &'static str)>,
}

/// What a cycle did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycle {
    /// What to do now, in order.
    pub decisions: Vec<Decision>,
    /// Gangs that the solver was asked about.
    pub tried: usize,
    /// Gangs that got nodes.
    pub placed: usize,
    /// Gangs whose search was ended by its budget.
    pub cut_short: usize,
    /// Gangs (`namespace/name`) over which something panicked.
    pub panicked: Vec<String>,
}

impl Scheduler {
    /// A scheduler that has seen nothing yet.
    pub fn new(settings: Settings, rules: PlacementRules) -> Self {
        Scheduler {
            cluster: Cluster::new(settings),
            placer: Placer::default(),
            rules,
            times: WaitingTimes::default(),
            admission: AdmissionRules::default(),
            admitted: admission::Admitted::default(),
            kept_out: FxHashMap::default(),
            sharing: queues::Sharing::default(),
            claims: claims::Claims::default(),
            holds: hold::Holds::default(),
            lifting: gates::Lifting::default(),
            whole: FxHashMap::default(),
            roomless: BTreeSet::new(),
            now: None,
            waiting: FxHashMap::default(),
            told: KnownOutcomes::default(),
            quality: FxHashMap::default(),
            coupling_version: 0,
            generation: 0,
            deferred: BTreeSet::new(),
            pods_held: BTreeMap::new(),
            held_back: promise::HeldBack::new(),
            #[cfg(test)]
            breaks: BTreeSet::new(),
        }
    }

    /// A scheduler as it was configured.
    pub fn configured(config: SchedulerConfig) -> Self {
        let SchedulerConfig {
            cluster, placement, resource_weights, waiting_times, admission, sharing, ..
        } = config;
        let mut scheduler = Scheduler::new(cluster, placement);
        (scheduler.times, scheduler.admission, scheduler.claims.rules) = (waiting_times, admission, sharing);
        let weights =
            resource_weights.iter().map(|(name, weight)| (scheduler.cluster.resource(name), *weight));
        scheduler.rules.resource_weights = weights.collect();
        scheduler
    }

    /// Places by another configuration from now on. Scheduler names and domain labels stay as they are: what has been taken
    /// in was read by them.
    pub fn reconfigure(&mut self, config: SchedulerConfig) {
        self.rules = config.placement;
        (self.times, self.admission) = (config.waiting_times, config.admission);
        self.claims.rules = config.sharing;
        if !self.admission.by_resources {
            (self.admitted, self.kept_out) = Default::default();
        }
        let weights = config.resource_weights.iter();
        let weights = weights.map(|(name, weight)| (self.cluster.resource(name), *weight));
        self.rules.resource_weights = weights.collect();
        self.cluster.mark_all();
    }

    /// Somebody carries evictions out: from now on they are decided.
    pub fn carry_out_evictions(&mut self) {
        self.claims.are_carried_out = true;
    }

    /// Do evictions go no further than PodDisruptionBudgets allow?
    pub fn budgets_are_hard(&self) -> bool {
        self.claims.rules.budgets_are_hard
    }

    /// Takes in one change.
    pub fn apply(&mut self, event: Event<'_>) {
        self.cluster.apply(event);
    }

    /// Would a cycle have anything to look at?
    pub fn has_work(&self) -> bool {
        self.cluster.has_marks() || !self.told.owed.is_empty()
    }

    /// When something is due that no event announces: a waiting time is up, or room has been kept long enough.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let overdue = self.kept_out.keys().filter_map(|&gang| {
            let gang = self.cluster.gangs().get(gang).filter(|_| self.admission.waiting_times_admit)?;
            let at = order::deadline(gang, self.times)?;
            Some(Timestamp(at.div_euclid(1_000_000_000) + i64::from(at % 1_000_000_000 > 0)))
        });
        let now = self.now;
        let gates =
            self.lifting.values().filter_map(|(_, since)| Some(since.as_ref()?.plus(gates::PATIENCE)));
        overdue
            .chain(self.room_ends())
            .chain(gates)
            .chain(self.claims_due())
            .chain(self.hold_due())
            .filter(|&at| now.is_none_or(|now| at > now))
            .min()
    }

    /// It is that late: has the next cycle look at what [`Scheduler::wake_at`] announced.
    pub fn wake(&mut self, now: Timestamp) {
        if self.wake_at().is_some_and(|at| at <= now) {
            let gangs: Vec<GangId> =
                self.kept_out.keys().copied().chain(self.cluster.gangs_with_room()).collect();
            let gated = self.lifting.keys().filter_map(|&pod| self.cluster.pods().get(pod)?.gang);
            let gangs: Vec<GangId> =
                gangs.into_iter().chain(gated).chain(self.claimants_due()).chain(self.holder_due()).collect();
            gangs.into_iter().for_each(|gang| self.cluster.mark_changed(gang));
        }
    }

    /// Has the next cycle look at every gang, whatever changed.
    pub fn review(&mut self) {
        self.cluster.mark_all();
    }

    /// What the scheduler believes.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Do all pods of the PodGroup, `namespace/name`, ask for a scheduler that nobody answers to? Then it is told so here.
    pub fn is_unanswered(&self, group: &str) -> bool {
        let gang = self.cluster.gangs().id(group).and_then(|gang| self.waiting.get(&gang));
        gang.is_some_and(|wait| wait.reason == Reason::OtherScheduler)
    }

    /// Has the next cycle try the gang of a PodGroup (`namespace/name`) again, whatever changed.
    pub fn try_again(&mut self, group: &str) {
        self.cluster.mark(group);
    }

    /// Leaves the gang of a PodGroup (`namespace/name`) alone until [`Scheduler::resume`]: more of its pods are known to
    /// come, and it is better placed whole than its minimum first.
    pub fn defer(&mut self, group: &str) {
        self.deferred.insert(group.to_owned());
    }

    /// Leaves a pod without a PodGroup (`namespace/name`) alone, since it is to get one, and says this about it, if anything;
    /// or, with `None`, leaves it alone no longer.
    pub fn hold_pod(&mut self, pod: &str, held: Option<Option<String>>) {
        match held {
            Some(said) => drop(self.pods_held.insert(pod.to_owned(), said)),
            None => drop(self.pods_held.remove(pod)),
        }
        if let Some(gang) = self.cluster.pods().id(pod).and_then(|pod| self.cluster.pods().get(pod)?.gang) {
            self.cluster.mark_changed(gang);
        }
    }

    /// Takes [`Scheduler::defer`] back.
    pub fn resume(&mut self, group: &str) {
        if self.deferred.remove(group) {
            self.cluster.mark(group);
        }
    }

    /// Classes of the pods that wait, with the gang (`namespace/name`) of each.
    pub fn waiting_classes(&self) -> impl Iterator<Item = (&str, crate::cluster::ids::ClassId)> {
        self.waiting
            .iter()
            .filter_map(|(&gang, wait)| Some((self.cluster.gangs().get(gang)?, wait)))
            .flat_map(|(gang, wait)| wait.classes.iter().map(move |&class| (&*gang.key, class)))
    }

    /// Gangs that wait for their minimum.
    pub fn waiting(&self) -> impl Iterator<Item = Waiting<'_>> {
        self.waiting.iter().filter(|(_, wait)| wait.below_minimum).filter_map(|(&gang, wait)| {
            let gang = self.cluster.gangs().get(gang)?;
            let waits = |pod: &&crate::cluster::ids::PodId| {
                self.cluster.pods().get(**pod).is_some_and(|pod| pod.wants_node())
            };
            Some(Waiting {
                gang: &gang.key,
                is_pod_group: gang.kind == crate::cluster::gangs::GangKind::PodGroup,
                reason: wait.reason,
                pods: gang.pods.iter().filter(waits).count(),
            })
        })
    }
}

/// A gang that waits for its minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting<'a> {
    /// `namespace/name` of the PodGroup, or of the pod.
    pub gang: &'a str,
    /// Is it a PodGroup, rather than a pod on its own?
    pub is_pod_group: bool,
    /// Why it waits.
    pub reason: Reason,
    /// How many of its pods do.
    pub pods: usize,
}
