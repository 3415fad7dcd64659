//! The journal's calls as requests, and what follows from their answers.

use super::calls::{Lane, Purpose};
use super::kind::Kind;
use super::object::ConfigMap;
use super::output::{Note, Origin, Output, Report};
use super::request::{Answer, Request, Verb};
use super::{Engine, Input};
use crate::reservation::journal::{Ask, Event, Quarantined, Reply, Stored};
use crate::reservation::{Answer as ReservationAnswer, Input as ReservationInput};
use serde_json::json;
use std::collections::BTreeMap;

/// An event takes 1024 bytes.
const MESSAGE: usize = 900;

impl Engine {
    /// Sends what is due for the journal: everything that has come together since, in one write.
    pub(super) fn commit(&mut self) {
        if !self.plan.scheduler {
            return;
        }
        self.look_at_journal();
        for (page, ask) in self.commitments.journal.commit(self.now.elapsed) {
            let place = self.commitments.journal.place();
            let (namespace, name) = (place.namespace.clone(), place.object(page));
            let request = match ask {
                Ask::Read => Request::get(Kind::ConfigMap, &namespace, &name),
                Ask::Create(data) => {
                    let object = json!({
                        "apiVersion": "v1", "kind": "ConfigMap",
                        "metadata": {
                            "name": name, "namespace": namespace,
                            "labels": { "app.kubernetes.io/managed-by": "phalanx" },
                        },
                        "data": data,
                    });
                    Request::create(Kind::ConfigMap, &namespace, &name, object)
                }
                Ask::Write { resource_version, changes } => {
                    let body =
                        json!({ "metadata": { "resourceVersion": resource_version }, "data": changes });
                    Request::merge(Kind::ConfigMap, &namespace, &name, "", body)
                }
            };
            let gang = self.commitments.journal.about(page).cloned();
            self.send(Lane::Reservations, Purpose::Journal { page, gang }, request);
        }
    }

    /// A call for an object of the journal has been answered.
    pub(super) fn journal_answered(&mut self, page: usize, verb: Verb, answer: Answer) {
        self.commitments.journal.answered(self.now.elapsed, page, reply(verb, answer));
        self.look_at_journal();
    }

    fn look_at_journal(&mut self) {
        // By object: it has one event of one reason, which says all.
        let mut left_alone: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in self.commitments.journal.events() {
            match event {
                Event::Opened(records) => self.records_left(records),
                Event::Written(call) if call.is_of_plan() => self.plan_written(call, None),
                Event::Refused { call, message } if call.is_of_plan() => {
                    self.plan_written(call, Some(message));
                }
                Event::Written(call) => {
                    self.tell(ReservationInput::Answered { call, answer: ReservationAnswer::Written })
                }
                Event::Refused { call, message } => {
                    self.tell(ReservationInput::Answered {
                        call,
                        answer: ReservationAnswer::Refused { message },
                    });
                }
                Event::Superseded { epoch, holder } => {
                    let now = self.now;
                    self.handle(now, Input::Deposed);
                    self.outputs.push_back(Output::Report(Report::Superseded { epoch, holder }));
                    return;
                }
                Event::Quarantined(Quarantined { object, message, .. }) => {
                    left_alone.entry(object).or_default().push(message);
                }
                Event::Trouble { object, message } => {
                    let request = format!("write configmaps {}/{object}", self.plan.journal.namespace);
                    let answer =
                        Answer::Refused { code: 0, reason: String::new(), message, retry_after: None };
                    self.failed(request, answer, "it is tried again; nothing is promised before");
                }
            }
        }
        for (object, messages) in left_alone {
            self.left_alone(object, &messages);
        }
    }

    /// So much is left alone of an object.
    fn left_alone(&mut self, object: String, messages: &[String]) {
        let said = messages.iter().scan(0, |bytes, message| {
            *bytes += message.len() + 2;
            (*bytes <= MESSAGE).then_some(message.as_str())
        });
        let mut said: Vec<&str> = said.collect();
        let more = format!("{} more, which `phalanx journal` prints", messages.len() - said.len());
        if said.len() < messages.len() {
            said.push(&more);
        }
        let message = said.join("; ");
        self.note(Note {
            api_version: "v1".to_owned(),
            kind: "ConfigMap",
            namespace: self.plan.journal.namespace.clone(),
            name: object,
            uid: String::new(),
            warning: true,
            reason: "Malformed".to_owned(),
            message,
            component: "phalanx",
            origin: Origin::Malformed,
        });
    }
}

fn reply(verb: Verb, answer: Answer) -> Reply {
    match answer {
        Answer::Done(value) => match serde_json::from_value::<ConfigMap>(value) {
            Ok(object) if verb == Verb::Get => {
                Reply::Found(Stored { resource_version: object.metadata.resource_version, data: object.data })
            }
            Ok(object) => Reply::Written(object.metadata.resource_version),
            Err(error) if verb == Verb::Get => Reply::Refused(format!("it cannot be read: {error}")),
            Err(_) => Reply::Unknown(None),
        },
        Answer::Refused { code: 404, .. } => Reply::Absent,
        Answer::Refused { code: 409, .. } => Reply::Conflict,
        Answer::Refused { code: 429, retry_after, .. } => Reply::TooMany(retry_after),
        Answer::Refused { code: 500.., retry_after, .. } => Reply::Unknown(retry_after),
        Answer::Refused { message, .. } => Reply::Refused(message),
        Answer::Unknown(_) => Reply::Unknown(None),
    }
}
