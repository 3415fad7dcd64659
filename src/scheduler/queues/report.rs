//! What the scheduler can say of each queue, for tables, JSON and `explain`.

use super::{Context, Walk};
use crate::api::unsupported::Notice;
use crate::cluster::gangs::GangKind;
use crate::cluster::ids::{GangId, ResourceId};
use crate::cluster::requests::quantity;
use crate::scheduler::Scheduler;
use crate::sharing::rules::breaches;
use crate::sharing::shares::Shares;
use crate::sharing::tree::Problem;
use crate::sharing::{Amounts, Class, QueueIndex};
use std::collections::BTreeMap;

/// A queue as people see it. Amounts are by name of the resource, in the units of
/// [`crate::cluster::capacity`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueReport {
    /// Its name.
    pub name: String,
    /// The queue above it; empty for the root.
    pub parent: String,
    /// Does it take gangs?
    pub open: bool,
    /// Its part of what is left over, relative to its siblings.
    pub weight: u32,
    /// Queues of higher priority come first where all else is equal.
    pub priority: i32,
    /// What it is promised.
    pub deserved: BTreeMap<String, i64>,
    /// What is set aside for it.
    pub guarantee: BTreeMap<String, i64>,
    /// The most it may use; a resource that is not named is not limited.
    pub capability: BTreeMap<String, i64>,
    /// What it is promised and asks for, and its part of the rest; of the resources that are divided.
    pub fair_share: BTreeMap<String, i64>,
    /// What its gangs and those of the queues below use, and what is kept for them while others leave.
    pub allocated: BTreeMap<String, i64>,
    /// What they use and ask for.
    pub requested: BTreeMap<String, i64>,
    /// What they use by class: of the resources that are divided.
    pub by_class: BTreeMap<&'static str, BTreeMap<String, i64>>,
    /// Gangs of the queue itself, in the order of the walk, with the class of what runs; `None` for those that wait.
    pub gangs: Vec<(String, Option<Class>)>,
}

impl Scheduler {
    /// Reports on every queue, parents before children.
    pub fn queue_reports(&self) -> Vec<QueueReport> {
        let names = |amounts: &Amounts| -> BTreeMap<String, i64> {
            let resources = self.cluster.resources();
            amounts.iter().map(|(resource, amount)| (resources.name(resource).to_owned(), amount)).collect()
        };
        let waiting = self.waiting_by_queue();
        let (shares, walk) = self.picture();
        let tree = self.sharing.tree();
        let mut reports: Vec<QueueReport> = tree
            .indices()
            .map(|queue| {
                let terms = tree.terms(queue);
                QueueReport {
                    name: terms.name.clone(),
                    parent: match queue {
                        QueueIndex::ROOT => String::new(),
                        _ => tree.terms(tree.get(queue).parent).name.clone(),
                    },
                    open: terms.open,
                    weight: terms.weight,
                    priority: terms.priority,
                    deserved: names(&terms.deserved),
                    guarantee: names(&terms.guarantee),
                    capability: names(&terms.capability),
                    fair_share: names(shares.fair(queue)),
                    allocated: names(self.sharing.uses().of(queue)),
                    requested: names(shares.want(queue)),
                    ..QueueReport::default()
                }
            })
            .collect();
        let is_counted = |resource: ResourceId| shares.counted().contains(&resource);
        let mut seen: BTreeMap<QueueIndex, Vec<(String, Option<Class>)>> = BTreeMap::new();
        for (at, unit) in walk.units.iter().enumerate() {
            let path: Vec<QueueIndex> = tree.path(unit.queue).collect();
            for (&queue, class) in path.iter().zip(&walk.classes[at]) {
                let sums = reports[queue.index()].by_class.entry(class.name()).or_default();
                for (resource, amount) in unit.amounts.iter().filter(|&(resource, _)| is_counted(resource)) {
                    *sums.entry(self.cluster.resources().name(resource).to_owned()).or_default() += amount;
                }
            }
        }
        let mut gangs: Vec<GangId> = walk.first.keys().copied().collect();
        gangs.sort_unstable_by_key(|gang| walk.first[gang]);
        gangs.sort_by_key(|&gang| (walk.class_of(gang), walk.first[&gang]));
        for gang in gangs {
            let Some(record) = self.cluster.gangs().get(gang) else { continue };
            let queue = walk.units[walk.first[&gang]].queue;
            seen.entry(queue).or_default().push((record.key.to_string(), walk.class_of(gang)));
        }
        for (queue, mut gangs) in seen {
            reports[queue.index()].gangs.append(&mut gangs);
        }
        for (queue, gang) in waiting {
            reports[queue.index()].gangs.push((gang, None));
        }
        reports
    }

    /// The class of what runs of each gang (`namespace/name`) of a PodGroup, the worst of its units.
    pub fn classes(&self) -> BTreeMap<String, Class> {
        let (_, walk) = self.picture();
        let runs = walk.first.keys().filter_map(|&gang| Some((gang, walk.class_of(gang)?)));
        let key = |gang: GangId| Some(self.cluster.gangs().get(gang)?.key.to_string());
        runs.filter_map(|(gang, class)| Some((key(gang)?, class))).collect()
    }

    fn picture(&self) -> (Shares, Walk) {
        let context =
            Context { leaving: &self.claims.leaving, counts_leaving: false, waiting: &self.waiting };
        self.sharing.picture(&self.cluster, &context)
    }

    /// What is wrong with what queues say, by name of the queue.
    pub fn queue_notices(&self) -> Vec<(String, Notice)> {
        let tree = self.sharing.tree();
        let mut notices = Vec::new();
        for queue in tree.indices() {
            let name = &tree.terms(queue).name;
            let ring = |names: &[String]| match names {
                [_] => "the queue is its own parent; name another one".to_owned(),
                names => format!(
                    "the parents of queues {} lead in a ring; name another one for one of them",
                    names.join(", ")
                ),
            };
            let notice = match &tree.get(queue).problem {
                None => continue,
                Some(Problem::NoParent(parent)) => Notice::new(
                    "QueueNotFound",
                    format!("spec.parent: queue {parent} does not exist; create it or name another"),
                ),
                Some(Problem::Ring(names)) => Notice::new(
                    "InvalidQueue",
                    format!("spec.parent: {}; its gangs are held until then", ring(names)),
                ),
            };
            notices.push((name.clone(), notice));
        }
        for breach in breaches(tree) {
            let amounts = breach.amounts.map_or_else(String::new, |(resource, amount, most)| {
                let name = self.cluster.resources().name(resource);
                format!(" ({name}: {} of {})", quantity(resource, amount).0, quantity(resource, most).0)
            });
            if breach.field == "spec.parent"
                && tree.find(&breach.queue).is_some_and(|at| tree.get(at).problem.is_some())
            {
                continue;
            }
            let message = format!("{}: {}{amounts}", breach.field, breach.message);
            notices.push((breach.queue, Notice::new("InvalidQueue", message)));
        }
        notices
    }

    fn waiting_by_queue(&self) -> Vec<(QueueIndex, String)> {
        let mut waiting: Vec<(QueueIndex, String)> = self
            .cluster
            .gangs()
            .iter()
            .filter(|(_, gang)| gang.kind == GangKind::PodGroup)
            .filter_map(|(id, gang)| {
                let account = self.sharing.account(id).filter(|account| account.units.is_empty())?;
                (!account.waits.is_empty()).then(|| (account.queue, gang.key.to_string()))
            })
            .collect();
        waiting.sort();
        waiting
    }
}
