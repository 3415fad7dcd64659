//! What a new leader reads before it decides anything: the PodGroups and pods of every record that stands in the sealed
//! journal.

use super::calls::{Lane, Purpose};
use super::dialects::{object_of, read};
use super::kind::Kind;
use super::mirror::Shown;
use super::output::{Output, Report};
use super::request::{Answer, Request};
use super::{Engine, Recovery};
use crate::api::core::Pod;
use crate::reservation::facts::{group_facts, pod_facts};
use crate::reservation::record::{Record, RecordState};
use crate::reservation::{GangKey, GroupFacts, Input as ReservationInput, PodFacts, Recovered};
use crate::scheduler::PodRef;
use std::collections::BTreeMap;
use std::time::Duration;

/// What cannot be read is read again after so long: without the records nothing may be decided.
const AGAIN: Duration = Duration::from_millis(500);

/// Records whose PodGroups and pods are being read.
pub(super) type Finding = BTreeMap<GangKey, Found>;

/// A record, and what has been read of it.
#[derive(Debug)]
pub(super) struct Found {
    record: Record,
    /// The PodGroup, if it exists.
    group: Option<GroupFacts>,
    /// Pods that exist.
    pods: Vec<Pod>,
    /// Objects that have not been read.
    left: usize,
}

impl Engine {
    /// The journal is sealed, and these records stand in it.
    pub(super) fn records_left(&mut self, records: Vec<Record>) {
        self.commitments.recovery = Recovery::Sealed;
        self.outputs.push_back(Output::Report(Report::Recovered { records: records.len() }));
        self.commitments.finding = records
            .into_iter()
            .map(|record| {
                let left = 1 + record.entries.len();
                (record.gang.clone(), Found { record, group: None, pods: Vec::new(), left })
            })
            .collect();
    }

    /// Reads what the records name. Nothing is decided before they are taken in.
    pub(super) fn read_records(&mut self) {
        self.commitments.recovery = Recovery::Reading;
        let mut requests = Vec::new();
        for (gang, found) in &self.commitments.finding {
            let purpose = Purpose::Group { gang: gang.clone() };
            let (kind, object) = object_of(&gang.name);
            let request = Request::get(kind, &gang.namespace, object);
            requests.push((purpose, self.in_served_version(&gang.to_string(), request)));
            for entry in &found.record.entries {
                let purpose = Purpose::Member { gang: gang.clone() };
                requests.push((purpose, Request::get(Kind::Pod, &gang.namespace, &entry.name)));
            }
        }
        for (purpose, request) in requests {
            self.send(Lane::Reads, purpose, request);
        }
        self.take_found();
    }

    /// The PodGroup of a record has been read.
    pub(super) fn group_read(&mut self, gang: GangKey, request: Request, answer: Answer) {
        let group = match answer {
            Answer::Done(value) => read(&gang.name, &value),
            Answer::Refused { code: 404, .. } => None,
            answer => return self.read_again(Purpose::Group { gang }, request, answer),
        };
        if let Some(found) = self.commitments.finding.get_mut(&gang) {
            found.group = group.as_ref().map(group_facts);
            found.left -= 1;
        }
        self.take_found();
    }

    /// A pod of a record has been read.
    pub(super) fn member_read(&mut self, gang: GangKey, request: Request, answer: Answer) {
        let pod = match answer {
            Answer::Done(value) => serde_json::from_value::<Pod>(value).ok(),
            Answer::Refused { code: 404, .. } => None,
            answer => return self.read_again(Purpose::Member { gang }, request, answer),
        };
        if let Some(found) = self.commitments.finding.get_mut(&gang) {
            found.pods.extend(pod);
            found.left -= 1;
        }
        self.take_found();
    }

    /// Takes in what has been found, all of it together.
    fn take_found(&mut self) {
        if self.commitments.finding.values().any(|found| found.left > 0) {
            return;
        }
        for found in std::mem::take(&mut self.commitments.finding).into_values() {
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
        let read: Vec<PodFacts> = found.pods.iter().map(pod_facts).collect();
        for pod in found.pods {
            self.show(Shown::Pod(Box::new(pod)));
        }
        let known = |uid: &str| read.iter().any(|facts| facts.pod.uid == uid);
        if found.record.state == RecordState::Clearing {
            return self.resume_plan(found.record, found.group.is_some());
        }
        let gang = found.record.gang.to_string();
        let others = self.intake.mirror.of_group(&gang).filter(|facts| !known(&facts.pod.uid));
        let pods = read.iter().chain(others).cloned().collect();
        let recovered = Recovered::take(found.record, found.group, pods, &mut self.scheduler);
        self.tell(ReservationInput::Recovered(recovered));
    }
}
