//! How the cluster is shared, as the scheduler keeps it: what each gang uses and asks for, summed up by queue, and the
//! division that follows ([`crate::sharing`]).
//!
//! A gang that changes costs its own pods and the path of its queue. The division is made when it is first asked for after
//! demand, terms of queues or what the nodes have changed. It counts what gangs ask for, whether they run or not; of gangs that
//! can never run it counts nothing.
//!
//! Owned here: [`Sharing`]. What a gang is made of as the walk of its queue sees it stands in `account`, what the nodes have in
//! `totals`.

mod account;
mod contest;
pub(super) mod report;
mod totals;

pub(super) use account::{Account, age, role_minima};
pub(super) use contest::{Contest, Entry};

use super::order::priority;
use super::waiting::Wait;
use crate::cluster::Cluster;
use crate::cluster::capacity::is_device;
use crate::cluster::gangs::GangRecord;
use crate::cluster::ids::{GangId, PodId, ResourceId};
use crate::cluster::queues::QueueRecord;
use crate::sharing::entitlement::Situation;
use crate::sharing::limits::{self, OverLimit};
use crate::sharing::order::Head;
use crate::sharing::shares::{Shares, counted};
use crate::sharing::tree::{QueueTerms, ROOT};
use crate::sharing::{Amounts, Class, QueueIndex, QueueTree, Unit, Uses, classes};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use totals::Totals;

/// Who uses and who asks for how much.
#[derive(Debug)]
pub(super) struct Sharing {
    tree: QueueTree,
    /// [`Queues::version`](crate::cluster::queues::Queues::version) that the tree is of.
    version: Option<u64>,
    /// Has any queue a limit?
    has_limits: bool,
    /// Is any queue promised anything?
    has_promises: bool,
    accounts: FxHashMap<GangId, Account>,
    /// What gangs of each queue ask for.
    requests: BTreeMap<QueueIndex, Amounts>,
    uses: Uses,
    /// The part of it that refuses eviction.
    unevictable: Uses,
    totals: Totals,
    /// How many gangs run, by queue and priority.
    running: BTreeMap<(QueueIndex, i32), usize>,
    /// The division, while it is right.
    shares: Option<Shares>,
    /// The walk of what runs, while it is right.
    walk: Option<Walk>,
}

/// What runs, unit by unit, with the class of each at its queue and those above.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    pub(super) units: Vec<Unit>,
    pub(super) classes: Vec<Vec<Class>>,
    /// The gang of each unit, and the place of the unit among those of its gang.
    pub(super) of: Vec<(GangId, usize)>,
    /// The pods of each unit.
    pub(super) pods: Vec<Vec<PodId>>,
    /// Where the units of a gang begin.
    pub(super) first: FxHashMap<GangId, usize>,
}

impl Default for Sharing {
    fn default() -> Self {
        let tree = QueueTree::new([]);
        Sharing {
            uses: Uses::new(&tree),
            unevictable: Uses::new(&tree),
            tree,
            version: None,
            has_limits: false,
            has_promises: false,
            accounts: FxHashMap::default(),
            requests: BTreeMap::new(),
            totals: Totals::default(),
            running: BTreeMap::new(),
            shares: None,
            walk: None,
        }
    }
}

impl Sharing {
    /// Takes in what has changed. `changed` are the gangs that did, or all.
    pub(super) fn refresh(&mut self, cluster: &Cluster, changed: Changed, context: &Context<'_>) {
        if self.totals.refresh(cluster) {
            self.shares = None;
            self.walk = None;
        }
        let is_new = self.version != Some(cluster.queues().version());
        if is_new {
            self.version = Some(cluster.queues().version());
            self.tree = QueueTree::new(cluster.queues().iter().map(|(name, queue)| terms(name, queue)));
            self.has_limits = self.tree.indices().any(|queue| {
                let terms = self.tree.terms(queue);
                !terms.capability.is_empty() || !terms.guarantee.is_empty() || !terms.deserved.is_empty()
            });
            self.has_promises =
                self.tree.indices().any(|queue| self.tree.terms(queue).deserved.asked().next().is_some());
            self.start_over();
        }
        match changed {
            Changed::Gangs(gangs) if !is_new => {
                gangs.into_iter().for_each(|gang| self.update(cluster, gang, context));
            }
            _ => {
                self.start_over();
                let gangs: Vec<GangId> = cluster.gangs().iter().map(|(gang, _)| gang).collect();
                gangs.into_iter().for_each(|gang| self.update(cluster, gang, context));
            }
        }
    }

    fn start_over(&mut self) {
        self.accounts.clear();
        self.requests.clear();
        self.running.clear();
        (self.uses, self.unevictable) = (Uses::new(&self.tree), Uses::new(&self.tree));
        (self.shares, self.walk) = (None, None);
    }

    /// Counts a gang anew, if it is still there.
    pub(super) fn update(&mut self, cluster: &Cluster, id: GangId, context: &Context<'_>) {
        let queue = cluster.gangs().get(id).and_then(|gang| self.queue_of(gang));
        let new = cluster.gangs().get(id).zip(queue).map(|(gang, queue)| {
            let mut account = Account::of(cluster, id, gang, queue, context);
            let can_run = account.waits.asked().all(|(resource, amount)| {
                limits::most(&self.tree, self.totals.all(), queue, resource).is_none_or(|most| amount <= most)
            });
            if !can_run {
                account.asks.clone_from(&account.used);
            }
            account
        });
        let old = self.accounts.remove(&id);
        let same = match (&old, &new) {
            (Some(old), Some(new)) => old.queue == new.queue && old.asks == new.asks,
            (None, None) => return,
            _ => false,
        };
        if old.as_ref().map(|account| &account.units) != new.as_ref().map(|account| &account.units) {
            self.walk = None;
        }
        if let Some(old) = old {
            self.uses.subtract(&self.tree, old.queue, &old.used);
            self.unevictable.subtract(&self.tree, old.queue, &old.unevictable);
            self.requests.entry(old.queue).or_default().subtract_all(&old.asks);
            if !old.units.is_empty()
                && let Some(count) = self.running.get_mut(&(old.queue, old.priority))
            {
                *count -= 1;
                if *count == 0 {
                    self.running.remove(&(old.queue, old.priority));
                }
            }
        }
        if let Some(new) = new {
            self.uses.add(&self.tree, new.queue, &new.used);
            self.unevictable.add(&self.tree, new.queue, &new.unevictable);
            self.requests.entry(new.queue).or_default().add_all(&new.asks);
            if !new.units.is_empty() {
                *self.running.entry((new.queue, new.priority)).or_default() += 1;
            }
            self.accounts.insert(id, new);
        }
        if !same {
            (self.shares, self.walk) = (None, None);
        }
    }

    /// The queues.
    pub(super) fn tree(&self) -> &QueueTree {
        &self.tree
    }

    /// The queue of a gang; `None` for pods on their own, and where there is no queue of that name.
    pub(super) fn queue_of(&self, gang: &GangRecord) -> Option<QueueIndex> {
        self.tree.find(&gang.group.as_ref()?.spec.queue)
    }

    /// What is known of a gang; `None` for those that are in no queue.
    pub(super) fn account(&self, gang: GangId) -> Option<&Account> {
        self.accounts.get(&gang)
    }

    /// What is used below each queue.
    pub(super) fn uses(&self) -> &Uses {
        &self.uses
    }

    /// Does any queue limit what its gangs use?
    pub(super) fn has_limits(&self) -> bool {
        self.has_limits
    }

    /// May so much more be used in a queue? `refuses_eviction`: by the core of a gang that does.
    pub(super) fn allows(
        &self,
        queue: QueueIndex,
        asks: &Amounts,
        refuses_eviction: bool,
    ) -> Result<(), OverLimit> {
        if !self.has_limits {
            return Ok(());
        }
        limits::check(&self.tree, self.totals.all(), &self.uses, queue, asks)?;
        if refuses_eviction {
            limits::check_unevictable(&self.tree, &self.unevictable, queue, asks)?;
        }
        Ok(())
    }

    /// Would what the gang asks for leave its queue, and all those above it, within their shares? By the division that was made last.
    pub(super) fn is_within_share(&self, gang: GangId) -> bool {
        let Some((account, shares)) = self.accounts.get(&gang).zip(self.shares.as_ref()) else {
            return false;
        };
        if account.waits.is_empty() {
            return false;
        }
        let counted = |resource: &ResourceId| shares.counted().binary_search(resource).is_ok();
        let mut path = self.tree.path(account.queue);
        path.all(|queue| {
            let mut asked = account.waits.asked().filter(|(resource, _)| counted(resource));
            asked.all(|(resource, amount)| {
                let would_use = self.uses.of(queue).get(resource).saturating_add(amount);
                would_use <= shares.share(&self.tree, queue, resource)
            })
        })
    }

    /// Is any queue promised anything?
    pub(super) fn promises_anything(&self) -> bool {
        self.has_promises
    }

    /// Is the resource one of those that are divided? By the division that was made last.
    pub(super) fn is_divided(&self, resource: ResourceId) -> bool {
        self.shares.as_ref().is_some_and(|shares| shares.counted().binary_search(&resource).is_ok())
    }

    /// Would what the gang asks for leave its queue, and all those above it, within what they are promised?
    pub(super) fn is_within_deserved(&self, gang: GangId) -> bool {
        let Some(account) = self.accounts.get(&gang).filter(|account| !account.waits.is_empty()) else {
            return false;
        };
        let mut path = self.tree.path(account.queue);
        path.all(|queue| self.reached(account, queue) == Some(Class::WithinDeserved))
    }

    /// Would the gang, if it started, use what is not promised to its queue, nor to any above it that does not hold this one as well?
    pub(super) fn would_be_lent(&self, gang: GangId, other: QueueIndex) -> bool {
        let Some(account) = self.accounts.get(&gang) else { return false };
        let common = self.tree.common(account.queue, other);
        let mut path = self.tree.path(account.queue).take_while(|&queue| queue != common);
        path.all(|queue| {
            let class = self.reached(account, queue);
            self.tree.terms(queue).reclaimable && class.is_some_and(|class| class != Class::WithinDeserved)
        })
    }

    /// The class that a queue would reach with what a gang of it asks for. By the division that was made last.
    fn reached(&self, account: &Account, queue: QueueIndex) -> Option<Class> {
        let mut total = self.uses.of(queue).clone();
        total.add_all(&account.waits);
        Some(classes::class_of(&self.tree, self.shares.as_ref()?, queue, &total, &account.waits))
    }

    /// Does any gang of a lower priority run in the queue of this one?
    pub(super) fn runs_below(&self, gang: GangId) -> bool {
        let Some(account) = self.accounts.get(&gang) else { return false };
        let lowest = (account.queue, i32::MIN);
        self.running.range(lowest..(account.queue, account.priority)).next().is_some()
    }

    /// The division.
    pub(super) fn shares(&mut self, cluster: &Cluster) -> &Shares {
        let shares = self.shares.take().unwrap_or_else(|| self.divide(cluster));
        self.shares.insert(shares)
    }

    fn divide(&self, cluster: &Cluster) -> Shares {
        let is_device = |resource: ResourceId| is_device(cluster.resources().name(resource));
        let counted = counted(&self.tree, &self.requests, is_device);
        Shares::divide(&self.tree, &counted, self.totals.all(), &self.requests)
    }

    /// The division and what runs, for reports: nothing is kept. Who is evicted runs until it is gone, and room that is kept for
    /// others does not run.
    pub(super) fn picture(&self, cluster: &Cluster, context: &Context<'_>) -> (Shares, Walk) {
        let shares = self.shares.clone().unwrap_or_else(|| self.divide(cluster));
        let leave = context.leaving.keys().filter_map(|&pod| cluster.pods().get(pod)?.gang);
        let concerned: BTreeSet<GangId> = leave.chain(cluster.gangs_with_promises()).collect();
        if concerned.is_empty() {
            let walk = self.walk.clone();
            let walk = walk.unwrap_or_else(|| Walk::of(cluster, &self.tree, &shares, &self.accounts));
            return (shares, walk);
        }
        let mut accounts = self.accounts.clone();
        let context = Context { counts_leaving: true, ..*context };
        for id in concerned {
            let Some((gang, account)) = cluster.gangs().get(id).zip(accounts.get_mut(&id)) else { continue };
            *account = Account::of(cluster, id, gang, account.queue, &context);
            account.units.retain(|unit| !unit.pods.is_empty());
        }
        let walk = Walk::of(cluster, &self.tree, &shares, &accounts);
        (shares, walk)
    }

    /// Looks again at a queue of a contest, and at those above it.
    pub(super) fn settle(&mut self, cluster: &Cluster, contest: &mut Contest, queue: QueueIndex) {
        self.shares(cluster);
        let Sharing { shares, tree, uses, accounts, .. } = self;
        let Some(shares) = shares else { return };
        contest.settle(tree, shares, uses, queue, |id| {
            let account = accounts.get(&id);
            let gang = cluster.gangs().get(id);
            Head {
                asks: account.map_or_else(Amounts::default, |account| account.waits.clone()),
                grows: account.is_some_and(|account| account.grows),
                created: gang.map_or_else(String::new, account::age),
                name: gang.map_or_else(String::new, |gang| gang.key.to_string()),
            }
        });
    }

    /// What runs, with the class of every unit, and how all is shared.
    pub(super) fn situation(&mut self, cluster: &Cluster) -> (Situation<'_>, &Walk) {
        self.shares(cluster);
        let Sharing { tree, accounts, uses, unevictable, totals, shares, walk, .. } = self;
        let shares: &Shares = shares.get_or_insert_with(Shares::default);
        let walk: &Walk = walk.get_or_insert_with(|| Walk::of(cluster, tree, shares, accounts));
        let situation = Situation {
            tree,
            shares,
            totals: totals.all(),
            uses,
            unevictable,
            units: &walk.units,
            classes: &walk.classes,
        };
        (situation, walk)
    }
}

impl Walk {
    fn of(
        cluster: &Cluster,
        tree: &QueueTree,
        shares: &Shares,
        accounts: &FxHashMap<GangId, Account>,
    ) -> Walk {
        let mut walk = Walk::default();
        let mut gangs: Vec<&GangId> = accounts.keys().collect();
        gangs.sort_unstable();
        for &id in gangs {
            let (Some(gang), account) = (cluster.gangs().get(id), &accounts[&id]) else { continue };
            if account.units.is_empty() {
                continue;
            }
            walk.first.insert(id, walk.units.len());
            let priority = priority(cluster, gang);
            for at in 0..account.units.len() {
                walk.of.push((id, at));
                walk.pods.push(account.units[at].pods.clone());
                walk.units.push(account.unit(gang, priority, at));
            }
        }
        walk.classes = classes::classify(tree, shares, &walk.units);
        walk
    }

    /// The units of a gang, as places in [`Walk::units`].
    pub(super) fn of_gang(&self, gang: GangId) -> impl Iterator<Item = usize> + '_ {
        let first = self.first.get(&gang).copied().unwrap_or(self.of.len());
        (first..self.of.len()).take_while(move |&at| self.of[at].0 == gang)
    }

    /// The pods of a unit.
    pub(super) fn pods_of(&self, at: usize) -> impl Iterator<Item = PodId> + '_ {
        self.pods[at].iter().copied()
    }

    /// The worst class of what runs of a gang, at its own queue.
    pub(super) fn class_of(&self, gang: GangId) -> Option<Class> {
        self.of_gang(gang).filter_map(|at| self.classes[at].first().copied()).max()
    }
}

/// Which gangs have changed.
#[derive(Debug)]
pub(super) enum Changed {
    /// These.
    Gangs(Vec<GangId>),
    /// All of them may have.
    All,
}

/// What the scheduler knows beside the cluster that bears on what gangs use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    /// Pods that are being evicted for other gangs: they use nothing any more, and are asked for again.
    pub(super) leaving: &'a BTreeMap<PodId, Box<str>>,
    /// Do they count until they are gone all the same, as reports have it?
    pub(super) counts_leaving: bool,
    /// Why gangs wait: of those whose objects cannot be honoured nothing is asked for but what runs.
    pub(super) waiting: &'a FxHashMap<GangId, Wait>,
}

/// What a queue's object says, for the division.
fn terms(name: &str, queue: &QueueRecord) -> QueueTerms {
    let amounts = |list: &[(ResourceId, i64)]| list.iter().copied().collect::<Amounts>();
    QueueTerms {
        name: name.to_owned(),
        parent: if name == ROOT { String::new() } else { queue.parent.to_string() },
        weight: queue.weight,
        priority: queue.priority,
        deserved: amounts(&queue.deserved),
        guarantee: amounts(&queue.guarantee),
        capability: queue.capability.as_deref().map(amounts).unwrap_or_default(),
        reclaimable: queue.reclaimable,
        open: queue.open,
        fifo: queue.fifo,
        created: queue.created.to_string(),
    }
}
