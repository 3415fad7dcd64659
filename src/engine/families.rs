//! What the ModelServing controller wants is done here: one batch after the other for each ModelServing, its requests in
//! order, and the gangs whose pods are on their way are left alone until they have come.

use super::arrivals::Arrivals;
use super::calls::{Lane, Purpose};
use super::kind::Kind;
use super::object::Object;
use super::output::{Note, Origin, Output, Report};
use super::request::{Answer, Request, Verb};
use super::serving::{Batch, Key, Serving, owned};
use super::sets::Sets;
use super::{Engine, Plan};
use crate::api::keys;
use std::collections::{BTreeMap, VecDeque};

/// Requests of one ModelServing that may be out at the same time.
const AT_ONCE: usize = 16;

/// ModelServings and what they own.
#[derive(Debug)]
pub(super) struct Families {
    pub(super) serving: Serving,
    /// LeaderWorkerSets.
    pub(super) sets: Sets,
    /// Pods that are being created.
    pub(super) arrivals: Arrivals,
    /// Batches on their way.
    making: BTreeMap<Key, Making>,
}

/// A batch on its way.
#[derive(Debug)]
struct Making {
    /// Groups that have not begun.
    groups: VecDeque<Vec<Request>>,
    /// What is left of the one that has.
    group: VecDeque<Request>,
    out: usize,
    /// Has nothing failed so far?
    ok: bool,
    status: Option<Request>,
}

impl Families {
    pub(super) fn new(plan: &Plan) -> Self {
        let names = plan.config.cluster.scheduler_names.clone();
        Families {
            serving: Serving::new(names),
            sets: Sets::new(plan.pace),
            arrivals: Arrivals::default(),
            making: BTreeMap::new(),
        }
    }
}

impl Engine {
    /// Does what the next ModelServing wants that something changed for. False if none does.
    pub(super) fn serve(&mut self) -> bool {
        let Some(batch) = self.families.serving.work(self.now.timestamp()) else { return false };
        let Batch { key, groups, status, events, uid, pods, panicked } = batch;
        if panicked {
            let what = format!("ModelServing {}/{}", key.0, key.1);
            self.outputs.push_back(Output::Report(Report::Panicked(what)));
        }
        for event in events {
            self.note(Note {
                api_version: keys::WORKLOAD_V1ALPHA1.to_owned(),
                kind: "ModelServing",
                namespace: key.0.clone(),
                name: key.1.clone(),
                uid: uid.clone(),
                warning: event.warning,
                reason: event.reason.to_owned(),
                message: event.message,
                component: "modelserving-controller",
                origin: Origin::Controller,
            });
        }
        // A scheduler elsewhere is told by nobody.
        for (group, pod) in pods.into_iter().filter(|_| self.plan.scheduler) {
            if self.intake.mirror.pod(&format!("{}/{pod}", key.0)).is_none() {
                self.families.arrivals.announce(&key, &group, pod);
                self.scheduler.defer(&group);
            }
        }
        if groups.is_empty() && status.is_none() {
            return true;
        }
        let making = Making { groups: groups.into(), group: VecDeque::new(), out: 0, ok: true, status };
        self.families.making.insert(key.clone(), making);
        self.make_on(&key);
        true
    }

    /// Makes the requests of a batch that may be made now.
    fn make_on(&mut self, key: &Key) {
        while let Some(making) = self.families.making.get_mut(key) {
            // Gangs of one age have their turn in the order in which their PodGroups come.
            let in_order = |request: &Request| (request.verb, request.kind) == (Verb::Create, Kind::PodGroup);
            let at_once = if making.group.front().is_some_and(in_order) { 1 } else { AT_ONCE };
            if making.out < at_once
                && let Some(request) = making.group.pop_front()
            {
                making.out += 1;
                self.send(Lane::Servings, Purpose::Change { serving: key.clone() }, request);
            } else if making.out > 0 {
                return;
            } else if making.ok
                && let Some(group) = making.groups.pop_front()
            {
                making.group = group.into();
            } else if let Some(status) = making.status.take() {
                making.groups.clear();
                making.group.push_back(status);
            } else {
                let ok = making.ok;
                self.families.making.remove(key);
                return self.made(key, ok);
            }
        }
    }

    fn made(&mut self, key: &Key, ok: bool) {
        self.families.serving.done(key, ok, self.now.timestamp());
        for group in self.families.arrivals.made(key, ok, self.now.elapsed) {
            self.scheduler.resume(&group);
        }
    }

    /// One of the changes of a ModelServing has been answered.
    pub(super) fn change_made(&mut self, serving: Key, request: Request, answer: Answer) {
        let exists = request.verb == Verb::Create && matches!(answer, Answer::Refused { code: 409, .. });
        let ok = match &answer {
            Answer::Done(_) => true,
            // Somebody, perhaps we, did it before.
            Answer::Refused { code: 409, .. } if request.verb == Verb::Create => true,
            // What it concerns is gone, or another object by now.
            answer => request.verb != Verb::Create && answer.is_moot(request.verb),
        };
        if exists {
            // Whose it is decides what follows, and the watch need not show it again.
            let read = Request::get(request.kind, &request.namespace, &request.name);
            self.send(Lane::Reads, Purpose::Existing, read);
        }
        if let Answer::Refused { code: 400..=403 | 422, message, .. } = &answer
            && request.verb == Verb::Create
        {
            let said = format!("{} {}: {message}", request.kind.name(), request.name);
            self.families.serving.refused(&serving, said);
        }
        if !ok {
            self.failed(request.to_string(), answer, "a change of a ModelServing; it is asked for again");
        }
        if let Some(making) = self.families.making.get_mut(&serving) {
            making.out -= 1;
            making.ok &= ok;
        }
        self.make_on(&serving);
    }

    /// What bears a name that a ModelServing wanted to create has been read.
    pub(super) fn existing_read(&mut self, kind: Kind, answer: Answer) {
        if let Answer::Done(value) = answer
            && owned(kind).is_some()
            && let Ok(object) = Object::read(kind, &value)
        {
            self.families.serving.apply_owned(&object);
        }
    }
}
