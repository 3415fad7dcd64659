//! The world of the model: virtual time, instances that crash and pause, calls that get lost, kubelets, controllers that
//! recreate pods, and people who delete them.

use super::super::lease::{self, Held, LeaseDecision, LeaseSettings, Moment, Seen};
use super::super::record::Record;
use super::super::{Answer, Backoff, Call, Count, Effect, GangKey, Input, Outcome, Phase, Settings};
use super::dice::Dice;
use super::instance::{Core, Instance, Sent, group_key};
use super::server::{Change, Node, Server};
use std::collections::BTreeMap;
use std::time::Duration;

const CALL_DEADLINE: u64 = 800;

/// What can go wrong, in thousandths of the occasions.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// A call gets lost, or its answer, or is late, or fails.
    pub(super) calls: u64,
    /// A pod is deleted, a node lost, a PodGroup changed, ... at each of the occasions, several a second.
    pub(super) events: u64,
    /// An instance crashes or stands still.
    pub(super) instances: u64,
    /// Watches are behind.
    pub(super) lag: u64,
    /// Of so many pods the binds fail almost always.
    pub(super) cursed: u64,
    /// Until when.
    pub(super) until: u64,
}

#[derive(Debug)]
enum Event {
    Arrive { instance: usize, term: u64, sent: Sent, reply: Reply },
    Answer { instance: usize, term: u64, sent: Sent, answer: Answer },
    Watch { instance: usize, term: u64, change: Change },
    Wake { instance: usize, term: u64 },
    Recover { instance: usize, term: u64, gang: GangKey },
    PlaceAgain { instance: usize, term: u64, gang: GangKey, short: Count, domain: Option<String> },
    Schedule { instance: usize },
    Elect { instance: usize },
    Start { instance: usize },
    Kubelet { pod: String, uid: String },
    Vanish { pod: String, uid: String },
    CollectNode { node: String },
    ReturnNode { node: String },
    Controllers,
    Mischief,
}

/// What becomes of the answer to a call that arrives.
#[derive(Debug)]
enum Reply {
    After(u64),
    /// This instead, whatever the server says.
    Instead(u64, Answer),
    Never,
}

/// A gang that somebody wants.
#[derive(Clone, Debug)]
struct Wanted {
    /// Name and role of its pods.
    pods: Vec<(String, String)>,
    recreated: bool,
}

/// What befalls the leader around one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    /// It crashes, and the write never arrives.
    CrashBefore,
    /// It crashes when the write is under way.
    CrashAfter,
    /// It stands still past its lease, and goes on where it stopped, before the write.
    PauseBefore,
    /// It stands still past its lease when the write is under way.
    PauseAfter,
    /// The same, and the write leaves when it goes on: it passed the check of the lease before.
    PauseWithin,
    /// Somebody deletes this pod, by its number.
    Delete(usize),
}

/// Counts over runs, to see that what should have been tried was.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried {
    pub(super) counts: BTreeMap<&'static str, u64>,
}

impl Tried {
    fn add(&mut self, what: &'static str, count: u64) {
        *self.counts.entry(what).or_default() += count;
    }

    pub(super) fn merge(&mut self, other: &Tried) {
        other.counts.iter().for_each(|(what, count)| self.add(what, *count));
    }
}

#[derive(Debug)]
pub(super) struct World {
    now: u64,
    sequence: u64,
    queue: BTreeMap<(u64, u64), Event>,
    pub(super) server: Server,
    instances: Vec<Instance>,
    terms: u64,
    dice: Dice,
    faults: Faults,
    wanted: BTreeMap<String, Wanted>,
    settings: Settings,
    lease: LeaseSettings,
    /// How long calls take at most, there and back each.
    latency: u64,
    heartbeats: u64,
    /// What is to come at which write, in order, and how many writes were sent.
    pub(super) blows: Vec<(u64, Blow)>,
    pub(super) sent_writes: u64,
    /// Pods that the API server refuses to bind as long as there are faults.
    pub(super) refused: Vec<String>,
    pub(super) tried: Tried,
    /// A line per event, for the replay of a failure.
    pub(super) trace: Option<Vec<String>>,
}

impl World {
    pub(super) fn new(seed: u64, faults: Faults, instances: usize) -> Self {
        let latency = if faults.until > 0 { [20, 100, 350][(seed % 3) as usize] } else { 20 };
        let mut world = World {
            now: 0,
            sequence: 0,
            queue: BTreeMap::new(),
            server: Server::default(),
            instances: Vec::new(),
            terms: 0,
            dice: Dice::new(seed),
            faults,
            wanted: BTreeMap::new(),
            settings: Settings {
                calls_in_flight: 4,
                deadline: Duration::from_secs(4),
                doubt: Duration::from_secs(3),
                backoff: Backoff { base: Duration::from_millis(100), limit: Duration::from_secs(2) },
            },
            lease: LeaseSettings {
                duration: Duration::from_secs(3),
                margin: Duration::from_secs(1),
                renew_every: Duration::from_millis(500),
            },
            latency,
            heartbeats: 0,
            blows: Vec::new(),
            sent_writes: 0,
            refused: Vec::new(),
            tried: Tried::default(),
            trace: None,
        };
        for instance in 0..instances {
            world.instances.push(Instance {
                name: format!("instance-{instance}"),
                paused_until: 0,
                seen: None,
                held: None,
                core: None,
            });
            world.after(instance as u64 * 10, Event::Start { instance });
        }
        world.after(0, Event::Controllers);
        if world.faults.until > 0 {
            world.after(50, Event::Mischief);
        }
        world
    }

    pub(super) fn add_node(&mut self, name: &str, domain: &str, slots: u32) {
        let node = Node { domain: domain.to_owned(), slots, ready: true };
        self.server.nodes.insert(name.to_owned(), node);
    }

    pub(super) fn add_gang(
        &mut self,
        name: &str,
        pods: &[(String, String)],
        minimum: Count,
        recreated: bool,
    ) {
        self.server.create_group(name, minimum);
        for (pod, role) in pods {
            self.server.create_pod(pod, name, role, recreated);
        }
        self.wanted.insert(name.to_owned(), Wanted { pods: pods.to_vec(), recreated });
    }

    pub(super) fn add_single(&mut self, name: &str) {
        self.server.create_pod(name, "", "", true);
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), event);
    }

    fn log(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            let line = line();
            trace.push(format!("{now:>7} {line}"));
        }
    }

    fn faulty(&self) -> bool {
        self.now < self.faults.until
    }

    /// Runs until faults are over and nothing changes any more; what went wrong, if anything.
    pub(super) fn run(&mut self) -> Result<(), String> {
        let (mut version, mut still_since) = (0, 0);
        while let Some(((time, _), event)) = self.queue.pop_first() {
            self.now = time;
            self.server.now = time;
            self.handle(event);
            self.feed_watches();
            if let Some(violation) = self.violation() {
                return Err(violation);
            }
            if self.server.version != version || self.faulty() || self.in_progress() {
                (version, still_since) = (self.server.version, self.now);
            }
            if self.now > still_since + 6_000 {
                break;
            }
            if self.now > self.faults.until + 300_000 {
                let pods = &self.server.pods;
                return Err(format!("convergence: nothing settles: {:?} {pods:?}", self.open_gangs()));
            }
        }
        self.judge_end()
    }

    fn violation(&mut self) -> Option<String> {
        if let Some(violation) = self.server.violations.pop() {
            return Some(violation);
        }
        self.instances.iter_mut().filter_map(|i| i.core.as_mut()).find_map(|core| core.violations.pop())
    }

    fn leader(&self) -> Option<&Core> {
        self.instances.iter().find_map(|instance| instance.core.as_ref())
    }

    /// Reservations that should go on by themselves: all but those that are held.
    fn in_progress(&self) -> bool {
        match self.leader() {
            None => true,
            Some(core) => core.reservations.gangs().any(|(gang, _)| !self.is_held(gang)),
        }
    }

    /// A gang below its minimum with bound pods that nothing would recreate.
    fn is_held(&self, gang: &GangKey) -> bool {
        let Some(wanted) = self.wanted.get(&gang.name) else { return false };
        !wanted.recreated
            && self.now > self.faults.until + 40_000
            && self.server.pods_of(&gang.name).any(|(_, pod)| pod.counts() && !pod.foreign)
    }

    fn open_gangs(&self) -> Vec<(String, Phase)> {
        let open = self
            .leader()
            .map(|core| core.reservations.gangs().map(|(gang, phase)| (gang.to_string(), phase)).collect());
        open.unwrap_or_default()
    }

    fn judge_end(&mut self) -> Result<(), String> {
        for instance in &mut self.instances {
            if let Some(core) = &mut instance.core {
                core.audit();
                for (outcome, count) in &core.outcomes {
                    let name = match outcome {
                        Outcome::Bound => "ended: bound",
                        Outcome::Partly => "ended: partly",
                        Outcome::RolledBack => "ended: rolled back",
                        Outcome::Abandoned => "ended: abandoned",
                        Outcome::GroupGone => "ended: group gone",
                    };
                    self.tried.add(name, *count);
                }
                core.reports.iter().for_each(|(name, count)| self.tried.add(name, *count));
            }
        }
        self.tried.add("runs", 1);
        self.tried.add("binds", self.server.binds);
        self.tried.add("evictions", self.server.evictions);
        self.tried.add("virtual seconds", self.now / 1000);
        if let Some(violation) = self.violation() {
            return Err(violation);
        }
        let Some(core) = self.leader() else { return Err("convergence: nobody leads".into()) };
        let mut seen = Vec::new();
        for (name, group) in &self.server.groups {
            let mut bound = Count::default();
            let ours = self.server.pods_of(name).filter(|(_, pod)| pod.counts());
            ours.clone().for_each(|(name, pod)| bound.add(&pod.role, self.server.subgroup(name).as_ref()));
            let foreign = ours.filter(|(_, pod)| pod.foreign).count() as u32;
            let phase = core.reservations.phase(&group_key(name));
            let whole = bound.short_of(&group.minimum).is_none();
            let what = match phase {
                Some(_) if self.is_held(&group_key(name)) => "gangs held",
                Some(phase) => return Err(format!("convergence: {name} is {phase:?} for ever")),
                None if whole => "gangs whole",
                None if bound.members <= foreign => "gangs waiting",
                None if group.ever_met => "gangs once whole, now below",
                None => {
                    return Err(format!(
                        "all-or-nothing: {name} has {bound:?} bound, its minimum is {:?}",
                        group.minimum
                    ));
                }
            };
            seen.push(what);
            let record = group.record.as_deref().map(Record::decode);
            if phase.is_none()
                && !matches!(
                    &record,
                    None | Some(Ok(Record { state: super::super::record::RecordState::Done, .. }))
                )
            {
                return Err(format!("convergence: {name} is left with the record {record:?}"));
            }
        }
        seen.into_iter().for_each(|what| self.tried.add(what, 1));
        Ok(())
    }

    fn feed_watches(&mut self) {
        let changes = std::mem::take(&mut self.server.changes);
        for change in changes {
            for at in 0..self.instances.len() {
                let behind = self.faulty() && self.dice.chance(self.faults.lag);
                let lag = if behind { self.dice.range(500, 4_000) } else { self.dice.range(1, 60) };
                let Some(core) = &mut self.instances[at].core else { continue };
                core.watch_clock = core.watch_clock.max(self.now + lag);
                let (delay, term) = (core.watch_clock - self.now, core.term);
                self.after(delay, Event::Watch { instance: at, term, change: change.clone() });
            }
        }
    }

    /// An event of an instance that stands still waits until it goes on.
    fn instance_of(event: &Event) -> Option<usize> {
        match event {
            Event::Answer { instance, .. }
            | Event::Watch { instance, .. }
            | Event::Wake { instance, .. }
            | Event::Recover { instance, .. }
            | Event::PlaceAgain { instance, .. }
            | Event::Schedule { instance }
            | Event::Elect { instance }
            | Event::Start { instance } => Some(*instance),
            _ => None,
        }
    }

    fn handle(&mut self, event: Event) {
        if let Some(at) = Self::instance_of(&event)
            && self.instances[at].paused_until > self.now
        {
            let delay = self.instances[at].paused_until - self.now;
            self.after(delay, event);
            return;
        }
        match event {
            Event::Arrive { instance, term, sent, reply } => self.arrive(instance, term, sent, reply),
            Event::Answer { instance, term, sent, answer } => {
                self.log(|| format!("i{instance} {:?} {answer:?}", sent.0));
                self.tell(instance, term, |core, now, effects| {
                    match (&answer, &sent.1) {
                        (Answer::Pod(facts), Call::ReadPod { pod }) => core.read(pod, facts.as_ref()),
                        (Answer::Done, Call::Evict { pod }) => core.evicted(pod),
                        (Answer::NotFound, Call::Bind { pod, .. })
                        | (Answer::NotFound | Answer::Conflict, Call::Evict { pod }) => core.read(pod, None),
                        _ => {}
                    }
                    core.step(now, Input::Answered { call: sent.0, answer }, effects);
                });
            }
            Event::Watch { instance, term, change } => {
                let mut recover = None;
                self.tell(instance, term, |core, now, effects| recover = core.watch(now, change, effects));
                if let Some(gang) = recover {
                    self.tried.add("late records", 1);
                    self.after(5, Event::Recover { instance, term, gang });
                }
            }
            Event::Wake { instance, term } => {
                self.tell(instance, term, |core, now, effects| {
                    core.wake = None;
                    core.step(now, Input::Tick, effects);
                });
            }
            Event::Recover { instance, term, gang } => {
                let server = std::mem::take(&mut self.server);
                self.tell(instance, term, |core, now, effects| {
                    core.recover(now, &gang.name, &server, false, effects);
                });
                let changes = std::mem::take(&mut self.server.changes);
                self.server = server;
                self.server.changes.extend(changes);
            }
            Event::PlaceAgain { instance, term, gang, short, domain } => {
                self.tell(instance, term, |core, now, effects| {
                    core.place_again(now, &gang, &short, domain.as_deref(), effects);
                });
            }
            Event::Schedule { instance } => {
                let term = self.instances[instance].core.as_ref().map_or(0, |core| core.term);
                self.tell(instance, term, |core, now, effects| {
                    core.schedule(now, effects);
                    core.audit();
                });
                self.after(400, Event::Schedule { instance });
            }
            Event::Elect { instance } => {
                self.elect(instance);
                self.after(500, Event::Elect { instance });
            }
            Event::Start { instance } => {
                self.after(0, Event::Elect { instance });
                self.after(100, Event::Schedule { instance });
            }
            Event::Kubelet { pod, uid } => {
                let fails = self.faulty() && self.dice.chance(self.faults.events / 4);
                if fails {
                    self.server.note_loss(&pod);
                }
                if fails && let Some(found) = self.server.pods.get_mut(&pod).filter(|found| found.uid == uid)
                {
                    found.failed = true;
                    self.tried.add("pods failed", 1);
                    self.server.pod_changed(&pod);
                }
            }
            Event::Vanish { pod, uid } => {
                if self.server.pods.get(&pod).is_some_and(|found| found.uid == uid) {
                    self.server.remove_pod(&pod);
                }
            }
            Event::CollectNode { node } => {
                if self.server.nodes.get(&node).is_some_and(|node| !node.ready) {
                    let on: Vec<String> = self
                        .server
                        .pods
                        .iter()
                        .filter(|(_, pod)| pod.node.as_ref() == Some(&node))
                        .map(|(name, _)| name.clone())
                        .collect();
                    on.iter().for_each(|pod| self.server.remove_pod(pod));
                }
            }
            Event::ReturnNode { node } => self.server.set_ready(&node, true),
            Event::Controllers => self.controllers(),
            Event::Mischief => self.mischief(),
        }
    }

    /// Lets a leader take something in, and carries out what it says.
    fn tell(&mut self, at: usize, term: u64, change: impl FnOnce(&mut Core, u64, &mut Vec<Effect>)) {
        let now = self.now;
        let Some(core) = self.instances[at].core.as_mut().filter(|core| core.term == term) else { return };
        let mut effects = Vec::new();
        change(core, now, &mut effects);
        let wake = core.reservations.wake_at().map(|time| time.as_millis() as u64 + 1);
        if wake != core.wake {
            core.wake = wake;
            if let Some(time) = wake {
                self.after(time.saturating_sub(now), Event::Wake { instance: at, term });
            }
        }
        for effect in effects {
            self.carry_out(at, term, effect);
        }
    }

    fn carry_out(&mut self, at: usize, term: u64, effect: Effect) {
        if self.instances[at].core.as_ref().is_none_or(|core| core.term != term) {
            return;
        }
        self.log(|| format!("i{at} {effect:?}"));
        match effect {
            Effect::Call { id, call, .. } => self.send(at, term, (id, call)),
            Effect::PlaceAgain { gang, short, domain, .. } => {
                let delay = self.dice.range(0, 300);
                self.after(delay, Event::PlaceAgain { instance: at, term, gang, short, domain });
            }
            Effect::Recover(gang) => self.after(20, Event::Recover { instance: at, term, gang }),
            Effect::Bound { .. } | Effect::Release { .. } | Effect::Report { .. } => {}
        }
    }

    fn moment(&self) -> Moment {
        let now = Duration::from_millis(self.now);
        Moment { monotonic: now, wall: now }
    }

    fn send(&mut self, at: usize, term: u64, sent: Sent) {
        let write = !matches!(sent.1, Call::ReadPod { .. } | Call::ReadGroup { .. });
        let may = |held: &Held| held.may_write(&self.lease, self.moment());
        if write && !self.instances[at].held.as_ref().is_some_and(may) {
            self.tried.add("writes held back by the lease", 1);
            self.depose(at);
            return;
        }
        if write {
            self.sent_writes += 1;
            while let Some(&(at_write, blow)) = self.blows.first()
                && at_write == self.sent_writes
            {
                self.blows.remove(0);
                if self.strike(at, term, &sent, blow) {
                    return;
                }
            }
        }
        if let Call::Bind { pod, .. } = &sent.1
            && self.faulty()
            && self.refused.contains(&pod.name)
        {
            let answer = Answer::Refused { message: "admission webhook denied the request".into() };
            return self.after(5, Event::Answer { instance: at, term, sent, answer });
        }
        let travel = self.dice.range(1, self.latency);
        let cursed = match &sent.1 {
            Call::Bind { pod, .. } => {
                Dice::new(pod.uid.bytes().map(u64::from).sum()).chance(self.faults.cursed)
            }
            _ => false,
        };
        let chance = if cursed { 980 } else { self.faults.calls };
        if !(self.faulty() && self.dice.chance(chance)) {
            let back = self.dice.range(1, self.latency);
            self.after(travel, Event::Arrive { instance: at, term, sent, reply: Reply::After(back) });
            return;
        }
        let lost = |sent| Event::Answer { instance: at, term, sent, answer: Answer::Unknown };
        let retry_after = self.dice.chance(500).then(|| Duration::from_millis(self.dice.range(100, 3_000)));
        match self.dice.below(7) {
            0 => self.after(CALL_DEADLINE, lost(sent)),
            1 => {
                self.after(CALL_DEADLINE, lost(sent.clone()));
                self.after(travel, Event::Arrive { instance: at, term, sent, reply: Reply::Never });
            }
            2 => {
                // It hangs, and takes effect long after everybody has given it up. A bind without a record cannot be
                // made up for then, so such calls end with their deadline.
                let until = if self.may_be_late(&sent.1) { 25_000 } else { CALL_DEADLINE };
                let late = self.dice.range(travel, until);
                self.tried.add("late calls", 1);
                self.after(CALL_DEADLINE, lost(sent.clone()));
                self.after(late, Event::Arrive { instance: at, term, sent, reply: Reply::Never });
            }
            3 => {
                let answer = Answer::TooMany { retry_after };
                self.after(travel, Event::Answer { instance: at, term, sent, answer });
            }
            4 => {
                let answer = Answer::ServerError { retry_after };
                self.after(travel, Event::Answer { instance: at, term, sent, answer });
            }
            5 => {
                let reply = Reply::Instead(5, Answer::ServerError { retry_after });
                self.after(travel, Event::Arrive { instance: at, term, sent, reply });
            }
            _ if matches!(sent.1, Call::Bind { .. } | Call::WriteRecord { .. }) => {
                self.after(travel, Event::Answer { instance: at, term, sent, answer: Answer::Conflict });
            }
            _ => {
                let answer = Answer::Refused { message: "admission webhook denied the request".into() };
                self.after(travel, Event::Answer { instance: at, term, sent, answer });
            }
        }
    }

    /// True if the write goes no further.
    fn strike(&mut self, at: usize, term: u64, sent: &Sent, blow: Blow) -> bool {
        let past_lease = 6_000;
        self.log(|| format!("{blow:?} at write {sent:?}"));
        let arrive = |reply| Event::Arrive { instance: at, term, sent: sent.clone(), reply };
        match blow {
            Blow::CrashBefore => self.crash(at, 100),
            Blow::CrashAfter => {
                self.after(1, arrive(Reply::Never));
                self.crash(at, 100);
            }
            Blow::PauseBefore => self.instances[at].paused_until = self.now + past_lease,
            Blow::PauseAfter => {
                self.after(1, arrive(Reply::After(1)));
                self.instances[at].paused_until = self.now + past_lease;
            }
            Blow::PauseWithin => {
                self.after(past_lease, arrive(Reply::After(1)));
                self.instances[at].paused_until = self.now + past_lease;
            }
            Blow::Delete(number) => {
                let pod = self.server.pods.keys().nth(number).cloned();
                pod.into_iter().for_each(|pod| self.delete(pod));
                return false;
            }
        }
        true
    }

    /// Somebody deletes a pod.
    fn delete(&mut self, pod: String) {
        self.log(|| format!("somebody deletes {pod}"));
        if self.server.delete_pod(&pod) {
            let uid = self.server.pods[&pod].uid.clone();
            let grace = self.dice.range(100, 1_500);
            self.after(grace, Event::Vanish { pod, uid });
        }
    }

    /// Where something recreates the pods, no lateness does harm; otherwise none within the doubt.
    fn may_be_late(&self, call: &Call) -> bool {
        let pod = match call {
            Call::Bind { pod, .. } | Call::Evict { pod } => pod,
            _ => return true,
        };
        let Some(found) = self.server.pods.get(&pod.name) else { return true };
        let Some(group) = self.server.groups.get(&found.gang) else { return false };
        let named =
            group.record.as_deref().and_then(|text| Record::decode(text).ok()).is_some_and(|record| {
                record.entries.iter().any(|entry| entry.uid.as_ref() == Some(&pod.uid))
            });
        named && found.recreated
    }

    fn arrive(&mut self, at: usize, term: u64, sent: Sent, reply: Reply) {
        let (answer, touched) = self.server.serve(&sent.1);
        self.log(|| format!("api {:?} {:?} -> {answer:?}", sent.0, sent.1));
        if let Some(name) = touched
            && let Some(pod) = self.server.pods.get(&name)
        {
            let uid = pod.uid.clone();
            if pod.deleting {
                let grace = self.dice.range(100, 1_500);
                self.after(grace, Event::Vanish { pod: name, uid });
            } else {
                let start = self.dice.range(50, 500);
                self.after(start, Event::Kubelet { pod: name, uid });
            }
        }
        let (delay, answer) = match reply {
            Reply::Never => return,
            Reply::After(delay) => (delay, answer),
            Reply::Instead(delay, answer) => (delay, answer),
        };
        self.after(delay, Event::Answer { instance: at, term, sent, answer });
    }

    fn crash(&mut self, at: usize, restart: u64) {
        self.log(|| format!("i{at} crashes"));
        self.tried.add("crashes", 1);
        self.terms += 1;
        let name = format!("{}-{}", self.instances[at].name, self.terms);
        self.instances[at] = Instance { name, paused_until: 0, seen: None, held: None, core: None };
        // Its own events are gone with it.
        self.queue.retain(|_, event| Self::instance_of(event) != Some(at));
        self.after(restart, Event::Start { instance: at });
    }

    fn depose(&mut self, at: usize) {
        self.log(|| format!("i{at} is deposed"));
        let instance = &mut self.instances[at];
        instance.held = None;
        if let Some(mut core) = instance.core.take() {
            self.tried.counts.entry("deposed").and_modify(|count| *count += 1).or_insert(1);
            let mut effects = Vec::new();
            core.step(self.now, Input::Deposed, &mut effects);
            core.schedule(self.now, &mut effects);
            if !effects.is_empty() {
                self.server.violations.push(format!("one-writer: a deposed leader says {effects:?}"));
            }
        }
    }

    fn elect(&mut self, at: usize) {
        let fails = self.faulty() && self.dice.chance(self.faults.calls);
        let (now, server) = (self.moment(), self.server.lease.clone());
        let instance = &mut self.instances[at];
        if !fails {
            match &mut instance.seen {
                Some(seen) => seen.observe(server, now),
                None => instance.seen = Some(Seen::first(server, now)),
            }
        }
        let Some(seen) = &instance.seen else { return };
        let held = instance.held;
        let decision = lease::decide(&self.lease, &instance.name, seen, held.as_ref(), 0, now);
        let (epoch, precondition) = match decision {
            LeaseDecision::WaitUntil(_) => return,
            LeaseDecision::Lost => return self.depose(at),
            LeaseDecision::Acquire { epoch, resource_version } => (epoch, resource_version),
            LeaseDecision::Renew { resource_version } => match held {
                Some(held) => (held.epoch, Some(resource_version)),
                None => return,
            },
        };
        let current = self.server.lease.as_ref().map(|lease| lease.resource_version.clone());
        if fails || current != precondition {
            return;
        }
        // A heartbeat is no progress: it has a count of its own.
        self.heartbeats += 1;
        let lease = lease::Lease {
            holder: self.instances[at].name.clone(),
            transitions: epoch,
            duration: self.lease.duration,
            renew_time: self.heartbeats.to_string(),
            resource_version: self.heartbeats.to_string(),
        };
        self.server.lease = Some(lease.clone());
        if self.faulty() && self.dice.chance(self.faults.calls / 2) {
            return;
        }
        let instance = &mut self.instances[at];
        instance.held = Some(Held { epoch, renewed: now });
        if let Some(seen) = &mut instance.seen {
            seen.observe(Some(lease), now);
        }
        if held.is_none() {
            self.lead(at, epoch);
        }
    }

    fn lead(&mut self, at: usize, epoch: u64) {
        self.log(|| format!("i{at} leads in epoch {epoch}"));
        self.tried.add("terms", 1);
        self.terms += 1;
        let term = self.terms;
        self.instances[at].core = Some(Core::new(term, epoch, &self.settings, &self.server, self.now));
        let mut records: Vec<(u64, String)> = self
            .server
            .groups
            .iter()
            .filter_map(|(name, group)| {
                Some((Record::decode(group.record.as_deref()?).ok()?.epoch, name.clone()))
            })
            .collect();
        records.sort_by(|a, b| b.cmp(a));
        let forget = self.faulty() && self.dice.chance(200);
        let mut server = std::mem::take(&mut self.server);
        server.changes.clear();
        for (_, name) in records {
            self.tell(at, term, |core, now, effects| core.recover(now, &name, &server, forget, effects));
        }
        self.server = server;
    }

    fn controllers(&mut self) {
        for (gang, wanted) in self.wanted.clone() {
            if !wanted.recreated || !self.server.groups.contains_key(&gang) {
                continue;
            }
            for (name, role) in &wanted.pods {
                match self.server.pods.get(name) {
                    None if self.dice.chance(700) => self.server.create_pod(name, &gang, role, true),
                    Some(pod) if pod.failed => self.server.remove_pod(name),
                    _ => {}
                }
            }
        }
        self.after(300, Event::Controllers);
    }

    fn mischief(&mut self) {
        if !self.faulty() {
            for node in self.server.nodes.clone().into_keys() {
                if !self.server.nodes[&node].ready {
                    self.server.set_ready(&node, true);
                }
            }
            return;
        }
        let wait = self.dice.range(50, 400);
        self.after(wait, Event::Mischief);
        if self.dice.chance(self.faults.instances) {
            let at = self.dice.below(self.instances.len());
            if self.dice.chance(500) {
                let restart = self.dice.range(50, 3_000);
                self.crash(at, restart);
            } else {
                let pause = self.dice.range(200, 8_000);
                self.log(|| format!("i{at} stands still for {pause} ms"));
                self.tried.add("pauses", 1);
                self.instances[at].paused_until = self.now + pause;
            }
        }
        if !self.dice.chance(self.faults.events) {
            return;
        }
        let pods: Vec<String> = self.server.pods.keys().cloned().collect();
        let groups: Vec<String> = self.server.groups.keys().cloned().collect();
        let nodes: Vec<String> = self.server.nodes.keys().filter(|n| *n != "elsewhere").cloned().collect();
        if pods.is_empty() || groups.is_empty() {
            return;
        }
        let pod = pods[self.dice.below(pods.len())].clone();
        let group = groups[self.dice.below(groups.len())].clone();
        match self.dice.below(14) {
            0..=2 => {
                self.tried.add("pods deleted", 1);
                self.delete(pod);
            }
            3 | 4 => {
                let node = nodes[self.dice.below(nodes.len())].clone();
                self.log(|| format!("{node} is lost"));
                self.tried.add("nodes lost", 1);
                self.server.set_ready(&node, false);
                self.after(2_000, Event::CollectNode { node: node.clone() });
                let back = self.dice.range(1_000, 8_000);
                self.after(back, Event::ReturnNode { node });
            }
            5 => {
                self.tried.add("pods bound by others", 1);
                self.server.bind_foreign(&pod, "elsewhere");
            }
            6 => {
                let size = self.wanted.get(&group).map_or(1, |wanted| wanted.pods.len());
                let members = self.dice.range(0, size as u64) as u32;
                self.log(|| format!("the minimum of {group} becomes {members}"));
                self.tried.add("minimum changed", 1);
                self.server.set_minimum(&group, Count { members, ..Count::default() });
            }
            7 | 8 => self.server.group_changed(&group),
            9 | 10 => {
                let Some(wanted) = self.wanted.get_mut(&group) else { return };
                let recreated = wanted.recreated;
                for _ in 0..self.dice.range(1, 3) {
                    let name = format!("{group}-{:02}", wanted.pods.len());
                    wanted.pods.push((name.clone(), String::new()));
                    self.server.create_pod(&name, &group, "", recreated);
                }
                self.tried.add("gangs grown", 1);
            }
            11 | 12 => {
                if self.server.groups.len() < 6 {
                    let size = self.dice.range(1, 6) as u32;
                    let name = format!("h{}", self.terms * 100 + self.now % 100);
                    let pods: Vec<(String, String)> =
                        (0..size).map(|i| (format!("{name}-{i:02}"), String::new())).collect();
                    let members = self.dice.range(1, u64::from(size)) as u32;
                    let recreated = self.dice.chance(750);
                    if !self.server.groups.contains_key(&name) {
                        self.add_gang(&name, &pods, Count { members, ..Count::default() }, recreated);
                    }
                }
            }
            _ => {
                if self.dice.chance(300) {
                    self.log(|| format!("somebody deletes PodGroup {group}"));
                    self.tried.add("groups deleted", 1);
                    self.server.remove_group(&group);
                    self.wanted.remove(&group);
                    let own: Vec<String> =
                        self.server.pods_of(&group).map(|(name, _)| name.clone()).collect();
                    own.into_iter().for_each(|pod| self.delete(pod));
                }
            }
        }
    }
}
