//! The shell of the reservations: they are told what the live shell tells them, and what they ask for is done.
//!
//! The store answers a call at once, so that a reservation is over within the instant that begins it, unless the timeline
//! makes calls fail ([`super::answer`]); then retries, repair and rolling back take their time as in a cluster.

use super::Simulation;
use super::carry::pod_ref;
use crate::api::core::{Node, Pod};
use crate::api::decode::{DecodeError, decode};
use crate::api::keys;
use crate::api::pod_group::PodGroup;
use crate::reservation::facts::{group_facts, is_lost, pod_facts};
use crate::reservation::record::{RESERVATION, Record, RecordState};
use crate::reservation::{
    Call, Effect, GangKey, GroupFacts, Input, Outcome, Pauses, PodFacts, Recovered, Report, Reservations,
    Settings,
};
use crate::scheduler::Scheduler;
use crate::simulation::agenda::Task;
use crate::simulation::scenario::{Action, FailCalls};
use crate::simulation::store::{Key, Kind, Store};
use crate::simulation::time::{Millis, print_duration};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::time::Duration;

/// What a scheduler watches.
const WATCHED: [Kind; 10] = [
    Kind::PriorityClass,
    Kind::StorageClass,
    Kind::PersistentVolume,
    Kind::PersistentVolumeClaim,
    Kind::CsiNode,
    Kind::Queue,
    Kind::HyperNode,
    Kind::Node,
    Kind::PodGroup,
    Kind::Pod,
];

/// Placements on their way.
#[derive(Debug)]
pub(super) struct Promises {
    reservations: Reservations,
    settings: Settings,
    pauses: Pauses,
    effects: Vec<Effect>,
    /// PodGroups as last seen, by `namespace/name`.
    groups: BTreeMap<String, GroupFacts>,
    /// Gangs that wait for an answer to `PlaceAgain`.
    asked: BTreeSet<GangKey>,
    lost_nodes: BTreeSet<String>,
    /// Calls that fail by order of the timeline.
    pub(super) faults: Vec<FailCalls>,
    /// The scheduler dies after so many more writes, and another leads so long after.
    doomed: Option<(u32, Millis)>,
    /// Does it lead?
    leads: bool,
    /// Have the records been read that the manifests brought along?
    recovered: bool,
    /// When something last moved that was not a reservation's own timer.
    pub(super) moved: Millis,
}

impl Promises {
    /// For a leader that comes after all who have written a record; of this epoch at least.
    pub(super) fn new(store: &Store, epoch: u64) -> Promises {
        let records = store.of_kind(&Kind::PodGroup).filter_map(|(_, group)| {
            let text = group.value.get("metadata")?.get("annotations")?.get(RESERVATION)?.as_str()?;
            Record::decode(text).ok()
        });
        let epoch = records.map(|record| record.epoch + 1).fold(epoch, u64::max);
        let settings = Settings::default();
        Promises {
            reservations: Reservations::new(settings.clone(), epoch),
            settings,
            pauses: Pauses::default(),
            effects: Vec::new(),
            groups: BTreeMap::new(),
            asked: BTreeSet::new(),
            lost_nodes: BTreeSet::new(),
            faults: Vec::new(),
            doomed: None,
            leads: true,
            recovered: false,
            moved: 0,
        }
    }

    /// What the timeline orders.
    pub(super) fn order(&mut self, action: &Action) {
        match action {
            Action::FailCalls(fault) => self.faults.push(fault.clone()),
            Action::CrashScheduler { after_writes, down } => self.doomed = Some((*after_writes, *down)),
            _ => {}
        }
    }

    /// Which leader it is.
    pub(super) fn epoch(&self) -> u64 {
        self.reservations.epoch()
    }

    pub(super) fn reservations(&self) -> &Reservations {
        &self.reservations
    }

    /// Is there a leader?
    pub(super) fn leads(&self) -> bool {
        self.leads
    }

    /// It leads from now on.
    pub(super) fn lead(&mut self) {
        self.leads = true;
    }

    /// Takes out the gangs that asked for another place.
    pub(super) fn take_asked(&mut self) -> BTreeSet<GangKey> {
        take(&mut self.asked)
    }

    /// Does any gang wait for another place?
    pub(super) fn is_asking(&self) -> bool {
        !self.asked.is_empty()
    }

    /// What is known of a PodGroup.
    pub(super) fn group(&self, group: &str) -> Option<&GroupFacts> {
        self.groups.get(group)
    }

    /// Has the gang a reservation?
    pub(super) fn is_under_way(&self, gang: &GangKey) -> bool {
        self.reservations.phase(gang).is_some()
    }

    fn is_idle(&self) -> bool {
        self.reservations.gangs().next().is_none()
    }

    /// When a reservation or a pause has something to do by time alone.
    pub(super) fn wake_at(&self) -> Option<Millis> {
        let at = self.reservations.wake_at().into_iter().chain(self.pauses.wake_at()).min()?;
        Some(at.as_nanos().div_ceil(1_000_000) as Millis)
    }

    /// Has nothing but their own timers moved for longer than any of those is set to? What they try then, they will try
    /// for ever.
    pub(super) fn is_futile(&self, at: Millis) -> bool {
        let patience = self.settings.deadline + self.settings.doubt + Duration::from_secs(90);
        at > self.moved + patience.as_millis() as Millis
    }
}

impl Simulation {
    /// Tells the reservations something; what they ask for waits for [`Simulation::carry_on`].
    pub(super) fn inform(&mut self, input: Input) {
        let now = Duration::from_millis(self.now);
        self.promises.reservations.step(now, input, &mut self.promises.effects);
    }

    /// Does what the reservations ask for, until they ask for no more.
    pub(super) fn carry_on(&mut self) {
        if self.promises.reservations.wake_at().is_some_and(|at| at <= Duration::from_millis(self.now)) {
            self.inform(Input::Tick);
        }
        let epoch = self.promises.epoch();
        while !self.promises.effects.is_empty() {
            for effect in take(&mut self.promises.effects) {
                self.effect(effect);
                if self.promises.epoch() != epoch {
                    return; // the one who asked is dead
                }
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Call { gang, call, .. } if !self.scheduler_lives(&gang, &call) => {}
            Effect::Call { id, call, .. } => {
                let answer = self.call(&call);
                self.inform(Input::Answered { call: id, answer });
            }
            Effect::Bound { pod, node } => {
                self.placed += 1;
                let key = Key::new(Kind::Pod, &pod.namespace, &pod.name);
                let message = format!("Successfully assigned {}/{} to {node}", key.namespace, key.name);
                self.note("scheduler", &key, "Normal", "Scheduled", message);
            }
            Effect::Release { pod, .. } => self.scheduler.forget(&pod),
            Effect::PlaceAgain { gang, .. } => {
                self.scheduler.try_again(&gang.to_string());
                self.promises.asked.insert(gang);
            }
            Effect::Recover(gang) => self.recover(&gang.to_string()),
            Effect::Report { gang, report } => self.report(&gang, &report),
        }
    }

    /// May the scheduler make this call? If its time has come, it dies, and another begins with what it is shown.
    fn scheduler_lives(&mut self, gang: &GangKey, call: &Call) -> bool {
        let down = match &mut self.promises.doomed {
            None => return true,
            Some(_) if matches!(call, Call::ReadGroup { .. } | Call::ReadPod { .. }) => return true,
            Some((0, down)) => *down,
            Some((left, _)) => {
                *left -= 1;
                return true;
            }
        };
        let message = format!("another leads in {}", print_duration(down));
        self.note("scheduler", &key_of(gang), "Warning", "SchedulerCrashed", message);
        let next = Promises::new(&self.store, self.promises.epoch() + 1);
        let dead = std::mem::replace(&mut self.promises, next);
        (self.promises.faults, self.promises.moved, self.promises.leads) = (dead.faults, dead.moved, false);
        self.scheduler = Scheduler::configured(self.config.clone());
        self.store.relist(&WATCHED);
        self.show_crowd();
        self.plan_in(down, Task::Lead);
        false
    }

    fn report(&mut self, gang: &GangKey, report: &Report) {
        self.promises.pauses.judge(gang, report, Duration::from_millis(self.now));
        let key = key_of(gang);
        let happened = self.happened("scheduler", &key, "Warning", report.reason(), report.to_string());
        match report {
            // Each of its pods says so.
            Report::Ended { outcome: Outcome::Bound, .. } => {}
            // Tried, and refused, again and again.
            Report::CallRefused { .. }
            | Report::RecordTooLarge { .. }
            | Report::RecordUnreadable(_)
            | Report::Superseded { .. } => self.history.say(happened),
            _ => self.history.note(happened),
        }
        if gang.is_pod_group && matches!(report, Report::Ended { .. }) {
            self.heed_record(&gang.to_string());
        }
    }

    /// Tells the scheduler which gangs to leave alone at present.
    pub(super) fn hold_back(&mut self) {
        let held = self.promises.pauses.held(Duration::from_millis(self.now), &self.promises.reservations);
        self.scheduler.hold_back(held);
    }

    // --- what the watches show ---

    pub(super) fn promised_group(&mut self, group: &PodGroup) {
        let key = format!("{}/{}", group.metadata.namespace, group.metadata.name);
        self.promises.groups.insert(key.clone(), group_facts(group));
        self.gang_changed(&key);
        self.heed_record(&key);
    }

    /// A predecessor's record that came after we had read what there was: it is taken over like the others.
    fn heed_record(&mut self, key: &str) {
        let gang = GangKey::new(true, key);
        if self.promises.recovered
            && let Some(facts) = self.promises.groups.get(key)
            && self.promises.reservations.heeds_record(&gang, facts)
        {
            self.recover(key);
        }
    }

    pub(super) fn promised_group_gone(&mut self, key: &Key) {
        let key = format!("{}/{}", key.namespace, key.name);
        self.promises.groups.remove(&key);
        self.inform(Input::GroupGone(GangKey::new(true, &key)));
    }

    pub(super) fn promised_pod(&mut self, pod: &Pod) {
        if self.promises.is_idle() {
            return;
        }
        if let Some(node) = &pod.spec.node_name {
            self.heed_room(node);
        }
        let facts = pod_facts(pod);
        let is_member = self.promises.reservations.is_member(&facts.pod);
        self.inform(Input::PodSeen(facts));
        // What is bound beside the members stays the same when a member changes; counting it takes a look at every pod.
        if let Some(group) = pod.metadata.annotations.get(keys::GROUP_NAME).filter(|_| !is_member) {
            self.gang_changed(&format!("{}/{group}", pod.metadata.namespace));
        }
    }

    /// A pod is gone: takes it out of the scheduler.
    pub(super) fn promised_pod_gone(&mut self, key: &Key) {
        let known = if self.promises.is_idle() { None } else { self.known_pod(key) };
        let event = crate::cluster::Event::PodGone { namespace: &key.namespace, name: &key.name };
        self.scheduler.apply(event);
        if let Some((pod, group)) = known {
            self.inform(Input::PodGone(pod));
            self.gang_changed(&group);
        }
    }

    /// A pod of ours as the scheduler knows it, and its gang.
    fn known_pod(&self, key: &Key) -> Option<(crate::scheduler::PodRef, String)> {
        let cluster = self.scheduler.cluster();
        let pod = cluster.pods().get(cluster.pods().id(&format!("{}/{}", key.namespace, key.name))?)?;
        let gang = cluster.gangs().get(pod.gang?)?;
        Some((pod_ref(pod), gang.key.to_string()))
    }

    pub(super) fn promised_node(&mut self, node: &Node) {
        let name = &node.metadata.name;
        if !is_lost(node) {
            self.promises.lost_nodes.remove(name);
        } else if self.promises.lost_nodes.insert(name.clone()) {
            self.inform(Input::NodeLost(name.clone()));
        }
        self.heed_room(name);
    }

    /// A node that holds more than it has takes no more of what was promised there.
    fn heed_room(&mut self, node: &str) {
        if self.promises.reservations.heeds_room(node, &self.scheduler) {
            self.inform(Input::NodeLost(node.to_owned()));
        }
    }

    pub(super) fn promised_node_gone(&mut self, name: &str) {
        self.promises.lost_nodes.remove(name);
        self.inform(Input::NodeLost(name.to_owned()));
    }

    fn gang_changed(&mut self, key: &str) {
        if self.promises.is_idle() {
            return;
        }
        let gang = GangKey::new(true, key);
        let Some(group) = self.promises.groups.get(key).filter(|_| self.promises.is_under_way(&gang)) else {
            return;
        };
        let (minimum, generation) = (group.minimum.clone(), group.generation);
        let bound = self.bound(key);
        self.inform(Input::GangChanged { gang, minimum, generation, bound });
    }

    // --- records of others ---

    /// Takes over the unfinished records that the manifests brought along, later leaders' first. True if there were any.
    pub(super) fn take_over(&mut self) -> bool {
        if std::mem::replace(&mut self.promises.recovered, true) {
            return false;
        }
        let mut found: Vec<(std::cmp::Reverse<u64>, String)> = Vec::new();
        for (key, group) in &self.promises.groups {
            if let Some(Ok(record)) = group.record.as_deref().map(Record::decode)
                && record.state != RecordState::Done
            {
                found.push((std::cmp::Reverse(record.epoch), key.clone()));
            }
        }
        found.sort();
        for (_, group) in &found {
            self.recover(group);
        }
        self.carry_on();
        !found.is_empty()
    }

    /// Reads the record of a gang of ours, and its pods, and hands them in.
    fn recover(&mut self, group: &str) {
        let gang = GangKey::new(true, group);
        if self.promises.is_under_way(&gang) || self.members(group).next().is_none() {
            return;
        }
        let Ok(Some(facts)) = self.group_facts(&gang.namespace, &gang.name) else { return };
        let record = facts.record.as_deref().and_then(|text| Record::decode(text).ok());
        let entries = record.into_iter().flat_map(|record| record.entries).map(|entry| entry.name);
        let names: BTreeSet<String> =
            entries.chain(self.members(group).map(|pod| pod.name().to_owned())).collect();
        let pods = names.iter().filter_map(|name| self.pod_facts(&gang.namespace, name).ok()?).collect();
        let epoch = self.promises.reservations.epoch();
        let recovered = Recovered::take(gang, facts, pods, epoch, &mut self.scheduler);
        self.inform(Input::Recovered(recovered));
    }

    /// The PodGroup as it is; `None` if there is none.
    pub(super) fn group_facts(&self, namespace: &str, name: &str) -> Result<Option<GroupFacts>, DecodeError> {
        let object = self.store.get(&Key::new(Kind::PodGroup, namespace, name));
        object.map(|object| decode::<PodGroup>(&object.value).map(|group| group_facts(&group))).transpose()
    }

    /// The pod as it is; `None` if there is none.
    pub(super) fn pod_facts(&self, namespace: &str, name: &str) -> Result<Option<PodFacts>, DecodeError> {
        let object = self.store.get(&Key::new(Kind::Pod, namespace, name));
        object.map(|object| decode::<Pod>(&object.value).map(|pod| pod_facts(&pod))).transpose()
    }
}

fn key_of(gang: &GangKey) -> Key {
    let kind = if gang.is_pod_group { Kind::PodGroup } else { Kind::Pod };
    Key::new(kind, &gang.namespace, &gang.name)
}
