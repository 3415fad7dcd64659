//! What a shell does with an engine, step by step: the same steps make the same decisions and ask for the same requests.
//!
//! An engine that records ([`Engine::record`]) keeps its steps until they are taken ([`Engine::take_steps`]). Whoever keeps
//! them can do them again ([`super::replay`]). Nothing is kept that the engine does not read: objects are those of
//! [`Object`], and of an object in an answer the same fields are kept.

use super::{Answer, Change, Engine, Input, Kind, Now, Object, Plan};
use crate::cluster::Event;
use crate::scheduler::Decision;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// A step and its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    #[serde(flatten)]
    pub now: Now,
    /// What.
    #[serde(rename = "do")]
    pub what: What,
}

/// What is done with an engine. Each is a method of [`Engine`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// It begins a term.
    Begin {
        /// The version of Phalanx: another one may decide otherwise.
        version: String,
        /// What it runs.
        plan: Box<Plan>,
        /// The leader's epoch.
        epoch: u64,
    },
    /// [`Engine::handle`].
    Handle(Box<Input>),
    /// [`Engine::tell_scheduler`].
    Scheduler(Box<Change>),
    /// [`Engine::proceed`].
    Proceed,
    /// [`Engine::advance`].
    Advance,
    /// [`Engine::wants_cycle`].
    Look,
    /// [`Engine::decide`].
    Decide {
        /// Tells whether it decided the same ([`digest`]).
        digest: u64,
    },
    /// [`Engine::act`] on the next of what was decided.
    Act,
    /// The shell itself did the next of what was decided.
    Leave,
    /// [`Engine::conclude`].
    Conclude,
    /// [`Engine::write`].
    Write,
}

/// Steps that have not been taken.
#[derive(Debug, Default)]
pub(super) struct Tape {
    steps: Vec<Step>,
}

impl Engine {
    /// Keeps its steps from now on. To be called before anything else is.
    pub fn record(&mut self) {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let what = What::Begin { version, plan: Box::new(self.plan.clone()), epoch: self.epoch() };
        self.tape = Some(Tape { steps: vec![Step { now: self.now, what }] });
    }

    /// Does it record?
    pub fn records(&self) -> bool {
        self.tape.is_some()
    }

    /// Records no more.
    pub fn stop_recording(&mut self) {
        self.tape = None;
    }

    /// Takes out the steps since this was last called.
    pub fn take_steps(&mut self) -> Vec<Step> {
        self.tape.as_mut().map(|tape| std::mem::take(&mut tape.steps)).unwrap_or_default()
    }

    /// Tells the scheduler alone of something that the rest of the engine is to know nothing of: a simulation makes gangs by
    /// the thousand that have no objects. Pods and PodGroups only.
    pub fn tell_scheduler(&mut self, event: Event<'_>) {
        if self.tape.is_some()
            && let Some(change) = change(&event)
        {
            self.keep(What::Scheduler(Box::new(change)));
        }
        self.scheduler.apply(event);
    }

    /// The shell does something itself that was decided.
    pub fn leave(&mut self) {
        self.keep(What::Leave);
    }

    pub(super) fn keep(&mut self, what: What) {
        if let Some(tape) = &mut self.tape {
            tape.steps.push(Step { now: self.now, what });
        }
    }

    pub(super) fn keep_input(&mut self, input: &Input) {
        if self.tape.is_none() {
            return;
        }
        let input = match input {
            Input::Answered(id, Answer::Done(value)) => {
                let read = self.calls.kind(*id).map_or(Value::Null, |kind| as_read(kind, value));
                Input::Answered(*id, Answer::Done(read))
            }
            other => other.clone(),
        };
        self.keep(What::Handle(Box::new(input)));
    }

    pub(super) fn keep_decisions(&mut self, decisions: &[Decision]) {
        if self.tape.is_some() {
            self.keep(What::Decide { digest: digest(decisions) });
        }
    }
}

/// A number that differs where decisions do: FNV-1a over what they are when printed.
pub fn digest(decisions: &[Decision]) -> u64 {
    let text = format!("{decisions:?}");
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// What is read of an object in an answer; of what is no object of its kind, what names it.
fn as_read(kind: Kind, value: &Value) -> Value {
    if let Ok(object) = Object::read(kind, value) {
        return object.value();
    }
    let metadata = value.get("metadata");
    let field = |name: &str| metadata.and_then(|metadata| metadata.get(name)).cloned().unwrap_or_default();
    json!({ "metadata": { "name": field("name"), "uid": field("uid"), "resourceVersion": field("resourceVersion") } })
}

fn change(event: &Event<'_>) -> Option<Change> {
    let gone = |kind, namespace: &str, name: &str| {
        Some(Change::Gone { kind, namespace: namespace.to_owned(), name: name.to_owned() })
    };
    match *event {
        Event::Pod(pod) => Some(Change::Applied(Object::Pod(Arc::new(pod.clone())))),
        Event::PodGroup(group) => Some(Change::Applied(Object::PodGroup(Arc::new(group.clone())))),
        Event::PodGone { namespace, name } => gone(Kind::Pod, namespace, name),
        Event::PodGroupGone { namespace, name } => gone(Kind::PodGroup, namespace, name),
        _ => None,
    }
}
