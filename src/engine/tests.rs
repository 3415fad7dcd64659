//! The engine as its shells drive it, against a store that answers at once.

mod appends;
mod clearing;
mod forged;
mod grouped;
mod lone_controller;
mod notices;
mod recreated;
mod servings;

use super::{
    Answer, Change, Engine, Input, Kind, Note, Now, Object, Output, Pace, Plan, Report, Request, RequestId,
    Verb,
};
use crate::reservation::Settings;
use crate::reservation::journal::Place;
use crate::scheduler::SchedulerConfig;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// An engine, and what it has asked for.
struct Driven {
    engine: Engine,
    now: Now,
    sent: Vec<(RequestId, Request)>,
    reports: Vec<Report>,
    notes: Vec<Note>,
    /// The objects of the journal, and whether one was asked for in this round.
    journal: BTreeMap<String, Value>,
    asked: bool,
    /// Calls for it wait to be answered as all others do.
    slow: bool,
}

impl Driven {
    /// With these halves on, every kind listed, and the queues that are always there.
    fn new(scheduler: bool, model_serving: bool) -> Driven {
        let mut driven = Driven::bare(scheduler, model_serving);
        for name in ["root", "default"].into_iter().filter(|_| scheduler) {
            driven.observe(Kind::Queue, json!({ "metadata": { "name": name } }));
        }
        driven
    }

    /// A scheduler of this name.
    fn named(name: &str) -> Driven {
        let mut config = SchedulerConfig::default();
        config.cluster.scheduler_names = vec![name.to_owned()];
        let mut driven = Driven::with(config, true, false);
        for name in ["root", "default"] {
            driven.observe(Kind::Queue, json!({ "metadata": { "name": name } }));
        }
        driven
    }

    /// The same without any object.
    fn bare(scheduler: bool, model_serving: bool) -> Driven {
        Driven::with(SchedulerConfig::default(), scheduler, model_serving)
    }

    fn with(config: SchedulerConfig, scheduler: bool, model_serving: bool) -> Driven {
        Driven::paced(config, scheduler, model_serving, Pace::AtOnce)
    }

    fn paced(config: SchedulerConfig, scheduler: bool, model_serving: bool, pace: Pace) -> Driven {
        let plan = Plan {
            config,
            scheduler,
            model_serving,
            reservation: Settings::default(),
            journal: Place { namespace: "system".into(), name: "p".into(), holder: "me".into() },
            pace,
        };
        let now = Now { elapsed: Duration::from_secs(1), wall: Duration::from_secs(1_800_000_000) };
        let mut driven = Driven {
            engine: Engine::new(plan, 2),
            now,
            sent: Vec::new(),
            reports: Vec::new(),
            notes: Vec::new(),
            journal: BTreeMap::new(),
            asked: false,
            slow: false,
        };
        for kind in driven.engine.watched() {
            driven.handle(Input::Synced(kind));
        }
        driven
    }

    fn handle(&mut self, input: Input) {
        self.engine.handle(self.now, input);
        self.drain();
    }

    fn observe(&mut self, kind: Kind, object: Value) {
        let object = Object::read(kind, &object).expect("readable");
        self.handle(Input::Observed(Change::Applied(object)));
    }

    /// Lets it do what is due.
    fn go_on(&mut self) {
        self.round();
        while std::mem::take(&mut self.asked) {
            self.round();
        }
    }

    fn round(&mut self) {
        while self.engine.advance(self.now) {
            self.drain();
        }
        if self.engine.wants_cycle(self.now) {
            for decision in self.engine.decide(self.now) {
                self.engine.act(self.now, decision);
            }
            self.engine.conclude(self.now);
        }
        self.engine.write(self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.next_output() {
            match output {
                Output::Send { id, request, .. } if request.kind == Kind::ConfigMap && !self.slow => {
                    self.asked = true;
                    let answer = self.keep(&request);
                    self.engine.handle(self.now, Input::Answered(id, answer));
                }
                Output::Send { id, request, .. } => self.sent.push((id, request)),
                Output::Report(report) => self.reports.push(report),
                Output::Tell(note) => self.notes.push(note),
                Output::Watch(_) => {}
            }
        }
    }

    /// What becomes of a call for an object of the journal.
    fn keep(&mut self, request: &Request) -> Answer {
        let version = (self.journal.len() + 1).to_string();
        match (request.verb, self.journal.get_mut(&request.name)) {
            (Verb::Create, None) => {
                let mut object = request.body.clone();
                object["metadata"]["resourceVersion"] = version.into();
                self.journal.insert(request.name.clone(), object.clone());
                Answer::Done(object)
            }
            (Verb::Get, Some(object)) => Answer::Done(object.clone()),
            (Verb::Merge, Some(object)) => {
                if request.body["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
                    return refused(409, "another version");
                }
                json_patch::merge(object, &request.body);
                let next = object["metadata"]["resourceVersion"].as_str().unwrap_or("").to_owned() + "1";
                object["metadata"]["resourceVersion"] = next.into();
                Answer::Done(object.clone())
            }
            (Verb::Create, Some(_)) => refused(409, "it exists"),
            _ => refused(404, "there is none"),
        }
    }

    /// Answers the first request that has not been, and goes on.
    fn answer(&mut self, answer: impl FnOnce(&Request) -> Answer) -> Request {
        let (id, request) = self.sent.remove(0);
        let answer = answer(&request);
        self.handle(Input::Answered(id, answer));
        self.go_on();
        request
    }

    /// Names of what is to be created, by kind; everything is done.
    fn created(&mut self) -> Vec<(Kind, String)> {
        let mut created = Vec::new();
        while !self.sent.is_empty() {
            let request = self.answer(|request| Answer::Done(request.body.clone()));
            if request.verb == Verb::Create {
                created.push((request.kind, request.name));
            }
        }
        created
    }
}

fn refused(code: u16, message: &str) -> Answer {
    Answer::Refused { code, reason: String::new(), message: message.to_owned(), retry_after: None }
}

fn serving(uid: &str) -> Value {
    let template = json!({ "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    json!({
        "apiVersion": "workload.serving.volcano.sh/v1alpha1", "kind": "ModelServing",
        "metadata": { "name": "m", "namespace": "n", "uid": uid, "generation": 1 },
        "spec": {
            "schedulerName": "volcano", "replicas": 1,
            "template": { "roles": [{
                "name": "prefill", "replicas": 1, "entryTemplate": template,
                "workerReplicas": 0,
            }] },
        },
    })
}

/// What was overlooked once is not overlooked for ever: everything is looked at now and then, though nothing happens.
#[test]
fn everything_is_looked_at_now_and_then() {
    let mut driven = Driven::paced(SchedulerConfig::default(), true, false, Pace::Considerate);
    for name in ["root", "default"] {
        driven.observe(Kind::Queue, json!({ "metadata": { "name": name } }));
    }
    let pod = json!({
        "metadata": { "name": "p", "namespace": "n", "uid": "p" },
        "spec": { "schedulerName": "volcano", "containers": [{ "name": "c" }] },
    });
    driven.observe(Kind::Pod, pod);
    driven.go_on();
    let cycles = |driven: &Driven| {
        let tried = driven.reports.iter().filter(|report| matches!(report, Report::Cycle { tried: 1.., .. }));
        tried.count()
    };
    assert_eq!(cycles(&driven), 1, "{:?}", driven.reports);
    let mut pass = |seconds: u64| {
        driven.now.elapsed += Duration::from_secs(seconds);
        driven.now.wall += Duration::from_secs(seconds);
        driven.go_on();
        cycles(&driven)
    };
    assert_eq!(pass(590), 1, "nothing has happened");
    assert_eq!(pass(20), 2);
    assert_eq!(pass(20), 2);
}
