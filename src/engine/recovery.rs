//! What a new leader reads before it decides anything: every record that its predecessors left, and the pods in it.

use super::calls::{Lane, Purpose};
use super::kind::Kind;
use super::mirror::Shown;
use super::output::{Output, Report};
use super::request::{Answer, Request};
use super::{Engine, Recovery};
use crate::api::core::Pod;
use crate::api::pod_group::PodGroup;
use crate::reservation::facts::{group_facts, pod_facts};
use crate::reservation::record::Record;
use crate::reservation::{GangKey, GroupFacts, Input as Told, PodFacts, Recovered};
use crate::scheduler::PodRef;
use std::collections::BTreeMap;
use std::time::Duration;

/// What cannot be read is read again after so long: without the records nothing may be decided.
const AGAIN: Duration = Duration::from_millis(500);

/// Records that are being read, by `namespace/name` of the PodGroup.
#[derive(Debug, Default)]
pub(super) struct Finding {
    reading: BTreeMap<String, Reading>,
    /// Those of the first round, which are taken in together, later leaders' first.
    found: Vec<Found>,
}

/// A record that is being read.
#[derive(Debug, Default)]
struct Reading {
    found: Option<Found>,
    /// Pods of it that have not been read.
    left: usize,
}

/// A record as it is now, with the pods that it names.
#[derive(Clone, Debug)]
struct Found {
    group: String,
    facts: GroupFacts,
    /// Pods of the record that exist.
    pods: Vec<Pod>,
    /// The epoch of the record; 0 if it cannot be read.
    epoch: u64,
}

impl Finding {
    /// Is this one being read?
    pub(super) fn reads(&self, group: &str) -> bool {
        self.reading.contains_key(group)
    }
}

impl Engine {
    /// Starts reading the records that predecessors left to gangs of ours. Nothing is decided before they are taken in.
    /// What a gang without pods has left is looked at when it has some again.
    pub(super) fn read_records(&mut self) {
        self.commitments.recovery = Recovery::Reading;
        let mirror = &self.intake.mirror;
        let left = mirror.groups().filter(|(key, group)| group.facts.record.is_some() && mirror.is_ours(key));
        let left: Vec<String> = left.map(|(key, _)| key.clone()).collect();
        for group in left {
            self.find(group);
        }
        self.take_found();
    }

    /// Reads the record of a gang, and its pods.
    pub(super) fn find(&mut self, group: String) {
        if self.commitments.finding.reads(&group) {
            return;
        }
        let (namespace, name) = group.split_once('/').unwrap_or(("", &group));
        let request = Request::get(Kind::PodGroup, namespace, name);
        self.commitments.finding.reading.insert(group.clone(), Reading::default());
        self.send(Lane::Reads, Purpose::Group { group }, request);
    }

    /// A PodGroup with a record has been read.
    pub(super) fn group_read(&mut self, group: String, request: Request, answer: Answer) {
        let object = match answer {
            Answer::Done(value) => serde_json::from_value::<PodGroup>(value).ok(),
            Answer::Refused { code: 404, .. } => None,
            answer => return self.read_again(Purpose::Group { group }, request, answer),
        };
        let Some(object) = object else { return self.found(group, None) };
        let facts = group_facts(&object);
        let record = facts.record.as_deref().and_then(|text| Record::decode(text).ok());
        let epoch = record.as_ref().map_or(0, |record| record.epoch);
        let found = Found { group: group.clone(), facts, pods: Vec::new(), epoch };
        let names: Vec<String> =
            record.into_iter().flat_map(|record| record.entries).map(|entry| entry.name).collect();
        if names.is_empty() {
            return self.found(group, Some(found));
        }
        if let Some(reading) = self.commitments.finding.reading.get_mut(&group) {
            (reading.found, reading.left) = (Some(found), names.len());
        }
        for pod in names {
            let request = Request::get(Kind::Pod, &request.namespace, &pod);
            self.send(Lane::Reads, Purpose::Member { group: group.clone(), pod }, request);
        }
    }

    /// A pod of a record has been read.
    pub(super) fn member_read(&mut self, group: String, pod: String, request: Request, answer: Answer) {
        let read = match answer {
            Answer::Done(value) => serde_json::from_value::<Pod>(value).ok(),
            Answer::Refused { code: 404, .. } => None,
            answer => return self.read_again(Purpose::Member { group, pod }, request, answer),
        };
        let Some(reading) = self.commitments.finding.reading.get_mut(&group) else { return };
        reading.left -= 1;
        if let Some(found) = &mut reading.found {
            found.pods.extend(read);
        }
        if reading.left == 0 {
            let found = reading.found.take();
            self.found(group, found);
        }
    }

    fn found(&mut self, group: String, found: Option<Found>) {
        self.commitments.finding.reading.remove(&group);
        self.commitments.finding.found.extend(found);
        self.take_found();
    }

    /// Takes in what has been found: all of the first round together, later ones as they come.
    fn take_found(&mut self) {
        let first = self.commitments.recovery == Recovery::Reading;
        if first && !self.commitments.finding.reading.is_empty() {
            return;
        }
        let mut found = std::mem::take(&mut self.commitments.finding.found);
        found.sort_by(|a, b| b.epoch.cmp(&a.epoch).then_with(|| a.group.cmp(&b.group)));
        self.outputs.push_back(Output::Report(Report::Recovered { records: found.len() }));
        for found in found {
            self.recover(found);
        }
        self.commitments.recovery = Recovery::Complete;
    }

    /// Looks at what bears a pod's name; waits for the answer.
    pub(super) fn look(&mut self, pod: PodRef) {
        let request = Request::get(Kind::Pod, &pod.namespace, &pod.name);
        self.send(Lane::Reads, Purpose::Look(pod), request);
    }

    /// A pod has been looked at.
    pub(super) fn looked(&mut self, pod: PodRef, request: Request, answer: Answer) {
        match answer {
            Answer::Done(value) => match serde_json::from_value::<Pod>(value) {
                Ok(found) => self.show(Shown::Pod(Box::new(found))),
                Err(_) => self.show(Shown::Gone(pod)),
            },
            Answer::Refused { code: 404, .. } => self.show(Shown::Gone(pod)),
            answer => self.read_again(Purpose::Look(pod), request, answer),
        }
    }

    fn read_again(&mut self, purpose: Purpose, request: Request, answer: Answer) {
        self.failed(request.to_string(), answer, "it is read again");
        self.send_at(self.now.elapsed + AGAIN, Lane::Reads, purpose, request);
    }

    /// Takes in a record of a predecessor: its promises hold, as far as there is room for them.
    fn recover(&mut self, found: Found) {
        let gang = GangKey::new(true, &found.group);
        if self.commitments.reservations.phase(&gang).is_some() {
            return;
        }
        let read: Vec<PodFacts> = found.pods.iter().map(pod_facts).collect();
        for pod in found.pods {
            self.show(Shown::Pod(Box::new(pod)));
        }
        let known = |uid: &str| read.iter().any(|facts| facts.pod.uid == uid);
        let others = self.intake.mirror.of_group(&found.group).filter(|facts| !known(&facts.pod.uid));
        let pods = read.iter().chain(others).cloned().collect();
        let epoch = self.commitments.reservations.epoch();
        let recovered = Recovered::take(gang, found.facts, pods, epoch, &mut self.scheduler);
        self.tell(Told::Recovered(recovered));
    }
}
