//! What users rely on: the division of what there is, limits, classes of what runs, and who may take from whom.

mod division;
mod taking;

use super::shares::{Shares, counted};
use super::{Amounts, QueueIndex, QueueTerms, QueueTree};
use crate::cluster::ids::ResourceId;
use std::collections::BTreeMap;

/// The one resource of most tests.
pub(super) const GPU: ResourceId = ResourceId(4);

pub(super) fn gpus(amount: i64) -> Amounts {
    Amounts::from_iter([(GPU, amount)])
}

/// Queues from lines such as `team-a parent=org weight=2 priority=1 deserved=8 guarantee=4 capability=16 keeps`. Amounts are GPUs;
/// a queue that `keeps` is not reclaimable. Earlier lines are older.
pub(super) fn tree(lines: &str) -> QueueTree {
    let queues =
        lines.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate().map(|(age, line)| {
            let mut words = line.split_whitespace();
            let mut queue = QueueTerms::named(words.next().expect("a name"));
            queue.created = format!("2026-01-01T00:00:{age:02}Z");
            for word in words {
                let (key, value) = word.split_once('=').unwrap_or((word, "0"));
                let amount = || value.parse().expect("a number");
                match key {
                    "parent" => queue.parent = value.to_owned(),
                    "weight" => queue.weight = value.parse().expect("a weight"),
                    "priority" => queue.priority = value.parse().expect("a priority"),
                    "deserved" => queue.deserved = gpus(amount()),
                    "guarantee" => queue.guarantee = gpus(amount()),
                    "capability" => queue.capability = gpus(amount()),
                    "keeps" => queue.reclaimable = false,
                    other => panic!("{other}: unknown"),
                }
            }
            queue
        });
    QueueTree::new(queues.collect::<Vec<_>>())
}

pub(super) fn queue(tree: &QueueTree, name: &str) -> QueueIndex {
    tree.find(name).unwrap_or_else(|| panic!("no queue {name}"))
}

/// The division of so many GPUs among queues that ask for so many.
pub(super) fn divide(tree: &QueueTree, total: i64, asks: &[(&str, i64)]) -> Shares {
    let requests: BTreeMap<QueueIndex, Amounts> =
        asks.iter().map(|&(name, amount)| (queue(tree, name), gpus(amount))).collect();
    let counted = counted(tree, &requests, |resource| resource == GPU);
    Shares::divide(tree, &counted, &gpus(total), &requests)
}
