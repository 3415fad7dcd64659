//! What is on its way between instances and the server: calls, answers, watches, and what becomes of them.

use super::super::super::journal::Ask;
use super::super::super::lease::{Held, Moment};
use super::super::super::{Answer, Call};
use super::super::dice::Dice;
use super::super::instance::{Back, Sent};
use super::{Blow, CALL_DEADLINE, Event, Reply, World};
use std::time::Duration;

impl World {
    pub(super) fn feed_watches(&mut self) {
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

    pub(super) fn moment(&self) -> Moment {
        let now = Duration::from_millis(self.now);
        Moment { monotonic: now, wall: now }
    }

    pub(super) fn send(&mut self, at: usize, term: u64, sent: Sent) {
        let write = sent.is_write();
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
        let forbidden = || Answer::Refused { message: "admission webhook denied the request".into() };
        if let Sent::Call(_, Call::Bind { pod, .. }) = &sent
            && self.faulty()
            && self.refused.contains(&pod.name)
        {
            let answer = sent.answered(forbidden());
            return self.after(5, Event::Answer { instance: at, term, sent, answer });
        }
        let travel = self.dice.range(1, self.latency);
        let cursed = match &sent {
            Sent::Call(_, Call::Bind { pod, .. }) => {
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
        let back = |sent: Sent, answer| {
            let answer = sent.answered(answer);
            Event::Answer { instance: at, term, sent, answer }
        };
        let lost = |sent| back(sent, Answer::Unknown);
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
                let until = if self.may_be_late(&sent) { 25_000 } else { CALL_DEADLINE };
                let late = self.dice.range(travel, until);
                self.tried.add("late calls", 1);
                self.after(CALL_DEADLINE, lost(sent.clone()));
                self.after(late, Event::Arrive { instance: at, term, sent, reply: Reply::Never });
            }
            3 => {
                self.after(travel, back(sent, Answer::TooMany { retry_after }));
            }
            4 => {
                // It may have taken effect as far as anybody knows, and has not.
                self.after(travel, back(sent, Answer::ServerError { retry_after }));
            }
            5 => {
                let reply = Reply::Instead(5, sent.answered(Answer::ServerError { retry_after }));
                self.after(travel, Event::Arrive { instance: at, term, sent, reply });
            }
            _ if matches!(sent, Sent::Call(_, Call::Bind { .. }) | Sent::Journal(_, Ask::Write { .. })) => {
                self.after(travel, back(sent, Answer::Conflict));
            }
            _ => self.after(travel, back(sent, forbidden())),
        }
    }

    /// True if the write goes no further.
    pub(super) fn strike(&mut self, at: usize, term: u64, sent: &Sent, blow: Blow) -> bool {
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

    /// Where something recreates the pods, no lateness does harm; otherwise none within the doubt.
    pub(super) fn may_be_late(&self, sent: &Sent) -> bool {
        let Sent::Call(_, Call::Bind { pod, .. } | Call::Evict { pod }) = sent else { return true };
        let Some(found) = self.server.pods.get(&pod.name) else { return true };
        let record = self.server.record(&found.gang).filter(|_| self.server.groups.contains_key(&found.gang));
        record.is_some_and(|r| r.entries.iter().any(|entry| entry.uid == pod.uid)) && found.recreated
    }

    pub(super) fn arrive(&mut self, at: usize, term: u64, sent: Sent, reply: Reply) {
        let (answer, touched) = match &sent {
            Sent::Call(_, call) => {
                let (answer, touched) = self.server.serve(call);
                (Back::Call(answer), touched)
            }
            Sent::Journal(page, ask) => {
                (Back::Journal(self.server.serve_journal(&format!("phalanx-journal-{page}"), ask)), None)
            }
        };
        self.log(|| format!("api {sent:?} -> {answer:?}"));
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
}
