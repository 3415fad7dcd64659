//! What its queue lets a gang do: may it run there at all, and how much of it.

use super::Scheduler;
use super::gang::Hold;
use super::queues::{Changed, Context};
use super::reason::Reason;
use crate::cluster::Cluster;
use crate::cluster::event::Marks;
use crate::cluster::gangs::GangRecord;
use crate::cluster::ids::{GangId, PodId, ResourceId};
use crate::cluster::requests::quantity;
use crate::placement::{GangRequest, Member};
use crate::sharing::limits::{Limit, OverLimit};
use crate::sharing::tree::Problem;
use crate::sharing::{Amounts, QueueIndex, QueueTree};
use std::collections::BTreeSet;

impl Scheduler {
    /// Takes in what has changed since the last cycle.
    pub(super) fn refresh_sharing(&mut self, marks: &Marks) {
        let changed = match marks.everything {
            true => Changed::All,
            false => Changed::Gangs(marks.gangs.union(&marks.statuses).copied().collect()),
        };
        let context =
            Context { leaving: &self.claims.leaving, counts_leaving: false, waiting: &self.waiting };
        self.sharing.refresh(&self.cluster, changed, &context);
    }

    /// Counts anew what a gang uses and asks for.
    pub(super) fn recount(&mut self, gang: GangId) {
        let context =
            Context { leaving: &self.claims.leaving, counts_leaving: false, waiting: &self.waiting };
        self.sharing.update(&self.cluster, gang, &context);
    }

    /// Why a gang cannot run in its queue, whatever runs there; `None` if it can.
    pub(super) fn unusable_queue(&self, gang: &GangRecord) -> Option<Hold> {
        let queue = self.sharing.queue_of(gang)?;
        let tree = self.sharing.tree();
        let name = &tree.terms(queue).name;
        let hold = |reason, message| Some(Hold { reason, message });
        match &tree.get(queue).problem {
            Some(Problem::NoParent(parent)) => {
                return hold(
                    Reason::InvalidQueue,
                    format!(
                        "queue {name}: spec.parent: queue {parent} does not exist; create it or name another"
                    ),
                );
            }
            Some(Problem::Ring(ring)) => {
                return hold(
                    Reason::InvalidQueue,
                    format!(
                        "queue {name}: spec.parent: the parents of queues {} lead in a ring; name another parent for one of them",
                        ring.join(", ")
                    ),
                );
            }
            None => {}
        }
        if !tree.is_leaf(queue) {
            let children: Vec<&str> =
                tree.get(queue).children.iter().map(|&child| tree.terms(child).name.as_str()).collect();
            return hold(
                Reason::QueueNotALeaf,
                format!("queue {name} has children ({}); submit to one of them", listed(&children)),
            );
        }
        let closed = tree.path(queue).find(|&queue| !tree.terms(queue).open)?;
        let closed = &tree.terms(closed).name;
        hold(
            Reason::QueueNotOpen,
            if closed == name {
                format!("queue {name} is not open; open it or name another")
            } else {
                format!("queue {closed} above queue {name} is not open; open it or name another")
            },
        )
    }

    /// May so much of the gang start that its minimum is met?
    pub(super) fn over_limit(&self, id: GangId) -> Option<OverLimit> {
        if !self.sharing.has_limits() {
            return None;
        }
        let account = self.sharing.account(id)?;
        let refuses = account.refuses_eviction && !account.grows;
        self.sharing.allows(account.queue, &account.waits, refuses).err()
    }

    /// The question without pods that the limits of the gang's queue keep from starting beside its minimum. `None` if all
    /// of them may.
    pub(super) fn within_limits(&self, id: GangId, request: &GangRequest) -> Option<GangRequest> {
        let account = self.sharing.account(id).filter(|_| self.sharing.has_limits())?;
        let members = || request.subgroups.iter().flat_map(|subgroup| &subgroup.members);
        let amounts = |member: &Member| requests(&self.cluster, member);
        let mut all = Amounts::default();
        members().flat_map(amounts).for_each(|(resource, amount)| all.add(resource, amount));
        if self.sharing.allows(account.queue, &all, false).is_ok() {
            return None;
        }
        let needed = (request.minimum as usize).saturating_sub(request.placed()).max(1);
        let (mut sum, mut kept, mut left) = (Amounts::default(), BTreeSet::<PodId>::new(), needed);
        for member in members() {
            let mut with = sum.clone();
            amounts(member).for_each(|(resource, amount)| with.add(resource, amount));
            if self.sharing.allows(account.queue, &with, false).is_ok() {
                (sum, left) = (with, left.saturating_sub(1));
                kept.insert(member.pod);
            }
        }
        // Where roles or subgroups ask for others than the first ones, the solver decides which of all.
        if left > 0 {
            return None;
        }
        let mut cut = request.clone();
        cut.subgroups
            .iter_mut()
            .for_each(|subgroup| subgroup.members.retain(|member| kept.contains(&member.pod)));
        Some(cut)
    }

    /// What a limit of a queue is to a person.
    pub(super) fn limit_hold(&self, id: GangId, over: &OverLimit) -> Hold {
        let queue = self.sharing.account(id).map_or(QueueIndex::ROOT, |account| account.queue);
        limit_hold(&self.cluster, self.sharing.tree(), queue, over)
    }
}

/// The sentence for a limit.
fn limit_hold(cluster: &Cluster, tree: &QueueTree, queue: QueueIndex, over: &OverLimit) -> Hold {
    let resource = cluster.resources().name(over.resource);
    let amount = |amount: i64| quantity(over.resource, amount).0;
    let (name, level) = (&tree.terms(queue).name, &tree.terms(over.queue).name);
    let (used, most, asks) = (amount(over.used), amount(over.most), amount(over.asks));
    let set_on = if over.queue == queue { String::new() } else { format!(" (set on {level})") };
    let (reason, message) = match over.limit {
        Limit::Capability => (
            Reason::QueueOverLimit,
            format!(
                "queue {name}: {used} of {most} {resource} used, the gang needs {asks}; the limit is {most}{set_on}, \
                 spec.capability"
            ),
        ),
        Limit::GuaranteeOfOthers => (
            Reason::QueueOverLimit,
            format!(
                "queue {name}: {used} of {most} {resource} used, the gang needs {asks}; queues beside {level} have the rest \
                 set aside (spec.guarantee)"
            ),
        ),
        Limit::DeservedOfUnevictable => (
            Reason::QueueOverDeserved,
            format!(
                "the gang refuses eviction, so it must fit what queue {level} deserves: {used} of {most} {resource} are used \
                 by gangs that refuse it, and it needs {asks}"
            ),
        ),
    };
    Hold { reason, message }
}

fn requests<'a>(cluster: &'a Cluster, member: &Member) -> impl Iterator<Item = (ResourceId, i64)> + use<'a> {
    cluster.view().classes.get(member.class).requests.iter().copied()
}

/// Names in a row, the first few of many.
pub(super) fn listed(names: &[&str]) -> String {
    const NAMED: usize = 5;
    let first = names[..names.len().min(NAMED)].join(", ");
    if names.len() > NAMED { format!("{first} and {} more", names.len() - NAMED) } else { first }
}
