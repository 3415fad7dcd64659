//! How a reservation begins, and how members join one that has.

use super::effect::{Effect, Outcome, Report};
use super::gang::{Context, Gang};
use super::input::{Decided, GroupFacts, Promise};
use super::member::{Loss, Member, Standing};
use super::phase::Phase;
use super::record::LIMIT;
use super::writer::RecordWriter;
use std::collections::{BTreeMap, BTreeSet};

impl Gang {
    /// A new reservation; `None` if it cannot be, and what was promised is given back. One pod whose bind completes the
    /// gang needs no record: the bind is atomic by itself.
    pub(super) fn decided(id: u64, decided: Decided, cx: &mut Context<'_>) -> Option<Gang> {
        let mut gang = Gang::empty(id, decided.gang.clone(), Phase::Binding, cx);
        gang.join(decided, cx);
        (!gang.members.is_empty()).then_some(gang)
    }

    /// Takes in newly placed members.
    pub(super) fn join(&mut self, decided: Decided, cx: &mut Context<'_>) {
        let Decided { mut pods, domain, tier, group, bound, .. } = decided;
        if !self.phase.accepts_members() {
            return give_back(pods, cx);
        }
        self.set_others(&bound);
        self.asking.waiting = false;
        self.asking.at = cx.now + cx.settings.backoff.after(1, self.id, None);
        self.review = true;
        // Who is a member already stays where it is, unless it waits for another node.
        let known: BTreeMap<String, usize> =
            self.members.iter().enumerate().map(|(at, member)| (member.pod.uid.clone(), at)).collect();
        let moves = |at: usize| self.members[at].standing == Standing::Lost(Loss::Displaced);
        give_back(pods.extract_if(.., |p| known.get(&p.pod.uid).is_some_and(|&at| !moves(at))).collect(), cx);
        if pods.is_empty() {
            return;
        }
        if group.is_none() && self.key.is_pod_group && self.writer.is_none() {
            // Nowhere to write it down.
            return give_back(pods, cx);
        }
        if let Some(group) = &group {
            self.set_minimum(&group.minimum, group.generation);
            if self.writer.is_none() && self.needs_record(&pods, group) {
                self.writer = Some(RecordWriter::new(cx.now));
            }
        }
        if domain.is_some() {
            (self.domain, self.tier) = (domain, tier);
        }
        let saved = self.may_be_too_large(&pods).then(|| (self.members.clone(), pods.clone()));
        let names: BTreeSet<String> = pods.iter().map(|promise| promise.pod.name.clone()).collect();
        for member in self.members.iter_mut().filter(|member| !member.is_lost()) {
            // A pod of the same name takes the place of one that we have not seen go.
            if names.contains(&member.pod.name) {
                member.doubt_it(cx.now);
            }
        }
        let begins = self.members.is_empty();
        let revision = self.writer.as_mut().map_or(0, RecordWriter::want);
        if revision == 1 {
            // Who needed no record so far may have lost those with whom it would have been enough.
            self.members.iter_mut().for_each(|member| member.revision = revision);
        }
        self.unbound += pods.len();
        for promise in pods {
            let at = known.get(&promise.pod.uid).copied();
            let member = Member::new(promise, revision, cx.now);
            match at {
                Some(at) => self.members[at] = member,
                None => self.members.push(member),
            }
        }
        if let Some((members, pods)) = saved
            && let Some(bytes) = self.oversize()
        {
            cx.report(&self.key, Report::RecordTooLarge { bytes });
            self.members = members;
            self.unbound -= pods.len();
            self.no_room = true;
            return give_back(pods, cx);
        }
        self.deadline = cx.now + cx.settings.deadline;
        (self.overdue, self.no_room, self.held) = (false, false, false);
        if begins && self.writer.is_some() {
            self.phase = Phase::Decided;
        } else if self.phase == Phase::Closing(Outcome::Bound) {
            self.phase = Phase::Binding;
        }
        self.reschedule_all();
    }

    fn needs_record(&self, newcomers: &[Promise], group: &GroupFacts) -> bool {
        let mut after = self.others.clone();
        newcomers.iter().for_each(|promise| after.add(&promise.role, promise.subgroup.as_ref()));
        newcomers.len() > 1 || after.short_of(&group.minimum).is_some()
    }

    /// Is it worth making the text to see whether it fits? No entry takes more than three times its names and its uid.
    fn may_be_too_large(&self, newcomers: &[Promise]) -> bool {
        if self.writer.is_none() {
            return false;
        }
        let most = |name: &str, uid: &str, node: &str| 3 * (name.len() + uid.len() + node.len()) + 10;
        let members = self.members.iter().map(|m| most(&m.pod.name, &m.pod.uid, &m.node));
        let newcomers = newcomers.iter().map(|p| most(&p.pod.name, &p.pod.uid, &p.node));
        members.chain(newcomers).sum::<usize>() + 4096 > LIMIT
    }

    /// The record's bytes, if they are too many.
    fn oversize(&self) -> Option<usize> {
        let bytes = self.draft()?.encode().len();
        (bytes > LIMIT).then_some(bytes)
    }
}

fn give_back(pods: Vec<Promise>, cx: &mut Context<'_>) {
    cx.effects
        .extend(pods.into_iter().map(|promise| Effect::Release { pod: promise.pod, node: promise.node }));
}
