//! The engine as its shells drive it, against a store that answers at once.

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
use crate::scheduler::SchedulerConfig;
use serde_json::{Value, json};
use std::time::Duration;

/// An engine, and what it has asked for.
struct Driven {
    engine: Engine,
    now: Now,
    sent: Vec<(RequestId, Request)>,
    reports: Vec<Report>,
    notes: Vec<Note>,
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
        let plan = Plan { config, scheduler, model_serving, reservation: Settings::default(), pace };
        let now = Now { elapsed: Duration::from_secs(1), wall: Duration::from_secs(1_800_000_000) };
        let mut driven = Driven {
            engine: Engine::new(plan, 2),
            now,
            sent: Vec::new(),
            reports: Vec::new(),
            notes: Vec::new(),
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
                Output::Send { id, request, .. } => self.sent.push((id, request)),
                Output::Report(report) => self.reports.push(report),
                Output::Tell(note) => self.notes.push(note),
                Output::Watch(_) => {}
            }
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
