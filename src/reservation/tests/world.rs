//! The world of the model: virtual time, instances that crash and pause, calls that get lost, kubelets, controllers that
//! recreate pods, and people who delete them. This is the queue of events; what they are is in the rooms below.

mod leaders;
mod people;
mod verdict;
mod wire;

use super::super::lease::LeaseSettings;
use super::super::{Answer, Backoff, Call, Count, Effect, GangKey, Input, Settings};
use super::dice::Dice;
use super::instance::{Back, Core, Instance, Sent};
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
    Answer { instance: usize, term: u64, sent: Sent, answer: Back },
    Watch { instance: usize, term: u64, change: Change },
    Wake { instance: usize, term: u64 },
    PlaceAgain { instance: usize, term: u64, gang: GangKey, short: Count },
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
    Instead(u64, Back),
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

    /// An event of an instance that stands still waits until it goes on.
    fn instance_of(event: &Event) -> Option<usize> {
        match event {
            Event::Answer { instance, .. }
            | Event::Watch { instance, .. }
            | Event::Wake { instance, .. }
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
                self.log(|| format!("i{instance} {sent:?} {answer:?}"));
                self.tell(instance, term, |core, now, effects| match (sent, answer) {
                    (Sent::Journal(page, _), Back::Journal(reply)) => {
                        core.journal.answered(Duration::from_millis(now), page, reply);
                    }
                    (Sent::Call(call, asked), Back::Call(answer)) => {
                        match (&answer, &asked) {
                            (Answer::Pod(facts), Call::ReadPod { pod }) => core.read(pod, facts.as_ref()),
                            (Answer::Done, Call::Evict { pod }) => core.evicted(pod),
                            (Answer::NotFound, Call::Bind { pod, .. })
                            | (Answer::NotFound | Answer::Conflict, Call::Evict { pod }) => {
                                core.read(pod, None)
                            }
                            _ => {}
                        }
                        core.step(now, Input::Answered { call, answer }, effects);
                    }
                    _ => unreachable!("calls are answered with what they are asked for"),
                });
            }
            Event::Watch { instance, term, change } => {
                self.tell(instance, term, |core, now, effects| core.watch(now, change, effects));
            }
            Event::Wake { instance, term } => {
                self.tell(instance, term, |core, now, effects| {
                    core.wake = None;
                    core.step(now, Input::Tick, effects);
                });
            }
            Event::PlaceAgain { instance, term, gang, short } => {
                self.tell(instance, term, |core, now, effects| {
                    core.place_again(now, &gang, &short, effects);
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
        if let Some(records) = core.look_at_journal(now, &mut effects) {
            let forget = self.now < self.faults.until && self.dice.chance(200);
            let core = self.instances[at].core.as_mut().expect("it leads");
            for record in records {
                core.recover(now, record, &self.server, forget, &mut effects);
            }
            core.recovered = true;
            core.look_at_journal(now, &mut effects);
        }
        let core = self.instances[at].core.as_mut().expect("it leads");
        if core.superseded {
            self.tried.add("superseded", 1);
            return self.depose(at);
        }
        let asks = core.journal.commit(Duration::from_millis(now));
        let wakes = core.reservations.wake_at().into_iter().chain(core.journal.wake_at());
        let wake = wakes.min().map(|time| time.as_millis() as u64 + 1);
        if wake != core.wake {
            core.wake = wake;
            if let Some(time) = wake {
                self.after(time.saturating_sub(now), Event::Wake { instance: at, term });
            }
        }
        for (page, ask) in asks {
            self.log(|| format!("i{at} journal {page} {ask:?}"));
            self.send(at, term, Sent::Journal(page, ask));
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
            Effect::Call { call: Call::WriteRecord { .. }, .. } => {}
            Effect::Call { id, call, .. } => self.send(at, term, Sent::Call(id, call)),
            Effect::PlaceAgain { gang, short, .. } => {
                let delay = self.dice.range(0, 300);
                self.after(delay, Event::PlaceAgain { instance: at, term, gang, short });
            }
            Effect::Bound { .. } | Effect::Release { .. } | Effect::Report { .. } => {}
        }
    }
}
