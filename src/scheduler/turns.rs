//! Turns: which gang is tried next, among queues and inside each.
//!
//! Gangs whose minimum waits come before all growth of others. Inside a queue the order is that of [`Turn`](super::order::Turn);
//! among queues the heads of their lanes are compared ([`Contest`]). In a queue that lets nobody pass (`fifo`) the first one that
//! stays waiting has those behind it wait.

use super::gang::Hold;
use super::order::turn;
use super::queues::{Contest, Entry};
use super::reason::Reason;
use super::waiting::Round;
use super::{Cycle, Scheduler};
use crate::cluster::ids::GangId;
use crate::sharing::QueueIndex;
use crate::sharing::tree::DEFAULT;
use std::collections::BTreeSet;

impl Scheduler {
    /// Tries the candidates, each in its turn.
    pub(super) fn take_turns(
        &mut self,
        mut candidates: BTreeSet<GangId>,
        round: &mut Round,
        cycle: &mut Cycle,
    ) {
        self.add_all_of_fifo(&mut candidates);
        let (mut cores, mut growth) = (Contest::default(), Contest::default());
        for gang in candidates {
            let Some(record) = self.cluster.gangs().get(gang) else { continue };
            if self.deferred.contains(&*record.key) {
                continue;
            }
            let asked = self.waiting.get(&gang).and_then(|wait| wait.asked.as_ref());
            let turn =
                asked.map_or_else(|| turn(&self.cluster, record, self.times), |asked| asked.turn.clone());
            let account = self.sharing.account(gang);
            // Pods on their own, and gangs of no queue, take their turn with the queue `default`.
            let default = || self.sharing.tree().find(DEFAULT).unwrap_or_default();
            let queue = account.map_or_else(default, |account| account.queue);
            let grows = account.is_some_and(|account| account.grows);
            let contest = if grows { &mut growth } else { &mut cores };
            contest.push(queue, Entry { turn, gang });
        }
        self.run_contest(cores, round, cycle, &mut growth);
        let mut more = Contest::default();
        self.run_contest(growth, round, cycle, &mut more);
    }

    /// Tries the gangs of a contest. Those that have their minimum by then and want more are put into `growth`.
    fn run_contest(
        &mut self,
        mut contest: Contest,
        round: &mut Round,
        cycle: &mut Cycle,
        growth: &mut Contest,
    ) {
        let compares = contest.lanes() > 1;
        if compares {
            for queue in contest.queues() {
                self.sharing.settle(&self.cluster, &mut contest, queue);
            }
        }
        while let Some(queue) = contest.next() {
            let Some(Entry { turn, gang }) = contest.pop(queue) else { return };
            let (again, victims) = (turn.clone(), self.claims.leaving.len());
            self.try_gang(gang, turn, round, cycle);
            if self.claims.are_carried_out && self.waiting.get(&gang).is_some_and(|wait| !wait.below_minimum)
            {
                growth.push(queue, Entry { turn: again, gang });
            }
            if compares && self.claims.leaving.len() > victims {
                for queue in contest.queues() {
                    self.sharing.settle(&self.cluster, &mut contest, queue);
                }
            }
            if self.sharing.tree().terms(queue).fifo && self.is_blocked(gang) {
                self.hold_behind(gang, contest.drain(queue), round, cycle);
            }
            if compares {
                self.sharing.settle(&self.cluster, &mut contest, queue);
            }
        }
    }

    /// In a queue that lets nobody pass, all that waits takes part: whoever is new must find who is before it.
    fn add_all_of_fifo(&self, candidates: &mut BTreeSet<GangId>) {
        let tree = self.sharing.tree();
        if candidates.is_empty() || !tree.indices().any(|queue| tree.terms(queue).fifo) {
            return;
        }
        let is_fifo = |queue: QueueIndex| tree.terms(queue).fifo;
        let waits = self.waiting.keys().copied();
        candidates
            .extend(waits.filter(|&gang| self.sharing.account(gang).is_some_and(|it| is_fifo(it.queue))));
    }

    fn is_blocked(&self, gang: GangId) -> bool {
        self.waiting.get(&gang).is_some_and(|wait| wait.below_minimum)
    }

    fn hold_behind(&mut self, head: GangId, behind: Vec<Entry>, round: &mut Round, cycle: &mut Cycle) {
        let Some(head) = self.cluster.gangs().get(head) else { return };
        let message =
            format!("waits behind {} of its queue, which lets nobody pass (dequeueStrategy: fifo)", head.key);
        for Entry { gang, .. } in behind {
            let wants = self.sharing.account(gang).is_some_and(|account| !account.waits.is_empty());
            if wants {
                let hold = Hold { reason: Reason::BehindInQueue, message: message.clone() };
                self.hold(gang, hold, round, cycle);
            }
        }
    }
}
