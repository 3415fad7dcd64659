//! Who leads: elections, crashes, the end of a term.

use super::super::super::Input;
use super::super::super::lease::{self, Held, LeaseDecision, Seen};
use super::super::instance::{Core, Instance};
use super::{Event, World};

impl World {
    pub(super) fn crash(&mut self, at: usize, restart: u64) {
        self.log(|| format!("i{at} crashes"));
        self.tried.add("crashes", 1);
        self.terms += 1;
        let name = format!("{}-{}", self.instances[at].name, self.terms);
        self.instances[at] = Instance { name, paused_until: 0, seen: None, held: None, core: None };
        // Its own events are gone with it.
        self.queue.retain(|_, event| Self::instance_of(event) != Some(at));
        self.after(restart, Event::Start { instance: at });
    }

    pub(super) fn depose(&mut self, at: usize) {
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

    pub(super) fn elect(&mut self, at: usize) {
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
        let decision = lease::decide(&self.lease, &instance.name, seen, held.as_ref(), now);
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
            acquire_time: String::new(),
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

    pub(super) fn lead(&mut self, at: usize, epoch: u64) {
        self.log(|| format!("i{at} leads in epoch {epoch}"));
        self.tried.add("terms", 1);
        self.terms += 1;
        let term = self.terms;
        self.instances[at].core = Some(Core::new(term, epoch, &self.settings, &self.server, self.now));
        self.server.changes.clear();
        self.tell(at, term, |_, _, _| {});
    }
}
