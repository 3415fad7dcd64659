//! Steps of a recording, done again: the engine that they lead to, and what it decided, asked for and told on the way.

use super::output::{Note, Output, Report};
use super::tape::{Step, What, digest};
use super::{Change, Engine, Now, Request};
use crate::cluster::Event;
use crate::scheduler::decision::Victim;
use crate::scheduler::{Decision, GangPlacement};
use serde::Serialize;
use std::collections::VecDeque;

/// A recording that is being done again.
#[derive(Debug)]
pub struct Replay {
    engine: Engine,
    /// The version of Phalanx that recorded it.
    pub version: String,
    /// Decided, and not yet acted on.
    decided: VecDeque<Decision>,
    departs: bool,
}

/// Why steps cannot be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unplayable {
    /// Its beginning is missing.
    #[error("it does not start with the beginning of a term")]
    NoBeginning,
    /// There is nothing left to act on.
    #[error("it acts on more than was decided")]
    NothingDecided,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Replayed {
    /// Something was decided.
    Decided(Decision),
    /// The engine asked for something or told something.
    Output(Output),
}

/// Something that was decided, asked for or told, as a line for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// When, by the wall clock of the recorder.
    pub time: String,
    /// `place`, `wait`, `request`, `event` or `reservation`.
    pub what: &'static str,
    /// The object, as `PodGroup default/a`.
    pub object: String,
    /// Details.
    pub message: String,
}

impl Replay {
    /// From the first step of a recording.
    pub fn begin(step: Step) -> Result<Replay, Unplayable> {
        let What::Begin { version, plan, epoch } = step.what else { return Err(Unplayable::NoBeginning) };
        let engine = Engine::new(*plan, epoch);
        Ok(Replay { engine, version, decided: VecDeque::new(), departs: false })
    }

    /// The engine as it is by now.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Has it decided something else than the recorder did? Another version may.
    pub fn departs(&self) -> bool {
        self.departs
    }

    /// Does the next step. Returns what came of it, in order.
    pub fn step(&mut self, step: Step) -> Result<Vec<Replayed>, Unplayable> {
        let now = step.now;
        let mut told = Vec::new();
        match step.what {
            What::Begin { .. } => return Err(Unplayable::NoBeginning),
            What::Handle(input) => self.engine.handle(now, *input),
            What::Scheduler(change) => self.tell_scheduler(&change),
            What::Proceed => self.engine.proceed(now),
            What::Advance => _ = self.engine.advance(now),
            What::Look => _ = self.engine.wants_cycle(now),
            What::Decide { digest: recorded } => {
                let decided = self.engine.decide(now);
                self.departs |= digest(&decided) != recorded;
                told.extend(decided.iter().cloned().map(Replayed::Decided));
                self.decided = decided.into();
            }
            What::Act => {
                let decision = self.decided.pop_front().ok_or(Unplayable::NothingDecided)?;
                self.engine.act(now, decision);
            }
            What::Leave => _ = self.decided.pop_front(),
            What::Conclude => self.engine.conclude(now),
            What::Write => self.engine.write(now),
        }
        told.extend(self.engine.outputs().into_iter().map(Replayed::Output));
        Ok(told)
    }

    fn tell_scheduler(&mut self, change: &Change) {
        match change {
            Change::Applied(object) => {
                Event::of(object).into_iter().for_each(|event| self.engine.tell_scheduler(event));
            }
            Change::Gone { kind, namespace, name } => {
                let event = Event::gone(*kind, namespace, name);
                event.into_iter().for_each(|event| self.engine.tell_scheduler(event));
            }
            Change::Malformed { .. } => {}
        }
    }
}

impl Replayed {
    /// As a line; `None` for what is only counted.
    pub fn row(&self, now: Now) -> Option<Row> {
        let (what, object, message) = match self {
            Replayed::Decided(decision) => decision_row(decision)?,
            Replayed::Output(Output::Send { request, .. }) => request_row(request)?,
            Replayed::Output(Output::Tell(note)) => note_row(note),
            Replayed::Output(Output::Report(Report::Reservation { gang, report })) => {
                ("reservation", named("PodGroup", &gang.to_string()), report.to_string())
            }
            Replayed::Output(Output::Watch(_) | Output::Report(_)) => return None,
        };
        Some(Row { time: now.timestamp().to_string(), what, object, message })
    }

    /// Is it a scheduling decision?
    pub fn is_decision(&self) -> bool {
        matches!(self, Replayed::Decided(_))
    }
}

fn named(kind: &str, name: &str) -> String {
    format!("{kind} {name}")
}

fn decision_row(decision: &Decision) -> Option<(&'static str, String, String)> {
    match decision {
        Decision::Place(placement) => {
            let kind = if placement.is_pod_group { "PodGroup" } else { "Pod" };
            Some(("place", named(kind, &placement.gang), placed(placement)))
        }
        Decision::Event { kind, namespace, name, message, .. } => {
            Some(("wait", named(kind, &format!("{namespace}/{name}")), message.clone()))
        }
        Decision::Evict { claimant, victims, .. } if !victims.is_empty() => {
            let told =
                |victim: &Victim| format!("{} {} of {}", victim.kind.as_str(), victim.pod.name, victim.gang);
            let victims: Vec<String> = victims.iter().map(told).collect();
            Some(("evict", named("PodGroup", claimant), victims.join(", ")))
        }
        Decision::GroupStatus { .. }
        | Decision::Unschedulable { .. }
        | Decision::Ungate { .. }
        | Decision::Evict { .. } => None,
    }
}

fn placed(placement: &GangPlacement) -> String {
    let pods = placement.pods.iter().map(|placed| format!("{} on {}", placed.pod.name, placed.node));
    let pods = pods.collect::<Vec<_>>().join(", ");
    match (&placement.domain, placement.tier) {
        (Some(domain), Some(tier)) => format!("in {domain} (tier {tier}): {pods}"),
        _ => pods,
    }
}

fn request_row(request: &Request) -> Option<(&'static str, String, String)> {
    request.writes().then(|| {
        let name = match request.namespace.as_str() {
            "" => request.name.clone(),
            namespace => format!("{namespace}/{}", request.name),
        };
        ("request", named(request.kind.name(), &name), request.to_string())
    })
}

fn note_row(note: &Note) -> (&'static str, String, String) {
    let name = match note.namespace.as_str() {
        "" => note.name.clone(),
        namespace => format!("{namespace}/{}", note.name),
    };
    ("event", named(note.kind, &name), format!("{}: {}", note.reason, note.message))
}
