//! What a queue may say beside the others: the rules by which Volcano's webhook admits queues. Nothing stops working where one
//! is broken, but what was promised may then not be what comes.
//!
//! After volcano `pkg/webhooks/admission/queues/validate/validate_queue.go`.

use super::{Amounts, QueueIndex, QueueTree};
use crate::cluster::ids::ResourceId;

/// Queues lie no deeper than this below the root.
pub const DEEPEST: u32 = 5;

/// A rule that a queue breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The queue.
    pub queue: String,
    /// The field, as a path into the object.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
    /// The resource that it is about, with what is written and what it must not exceed.
    pub amounts: Option<(ResourceId, i64, i64)>,
}

/// All that is wrong with the terms of queues, parents before children. What is wrong with parents is in the tree.
pub fn breaches(tree: &QueueTree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for queue in tree.indices().filter(|&queue| queue != QueueIndex::ROOT) {
        own(tree, queue, &mut breaches);
        ancestors(tree, queue, &mut breaches);
    }
    for parent in tree.indices().filter(|&queue| queue != QueueIndex::ROOT) {
        children(tree, parent, &mut breaches);
    }
    breaches
}

/// Of one queue: guarantee, deserved and capability in this order, and nothing below 0.
fn own(tree: &QueueTree, queue: QueueIndex, breaches: &mut Vec<Breach>) {
    let terms = tree.terms(queue);
    let mut add = |field, message: &str, amounts| {
        breaches.push(Breach { queue: terms.name.clone(), field, message: message.to_owned(), amounts });
    };
    if terms.parent == terms.name {
        add("spec.parent", "the queue is its own parent; name another one", None);
    }
    let lists = [
        ("spec.guarantee", &terms.guarantee),
        ("spec.deserved", &terms.deserved),
        ("spec.capability", &terms.capability),
    ];
    for (field, amounts) in lists {
        for (resource, amount) in amounts.iter().filter(|&(_, amount)| amount < 0) {
            add(field, "an amount is negative; write 0 or more", Some((resource, amount, 0)));
        }
    }
    let limit = |resource| terms.capability.named(resource);
    for (resource, amount) in terms.guarantee.asked() {
        let deserved = terms.deserved.get(resource);
        if amount > deserved {
            add(
                "spec.guarantee",
                "guarantee above deserved; raise deserved or lower the guarantee",
                Some((resource, amount, deserved)),
            );
        }
        if let Some(most) = limit(resource).filter(|&most| amount > most) {
            add(
                "spec.guarantee",
                "guarantee above capability; raise the capability or lower the guarantee",
                Some((resource, amount, most)),
            );
        }
    }
    for (resource, amount) in terms.deserved.asked() {
        if let Some(most) = limit(resource).filter(|&most| amount > most) {
            add(
                "spec.deserved",
                "deserved above capability; raise the capability or lower deserved",
                Some((resource, amount, most)),
            );
        }
    }
}

/// Of a queue and those above it: the depth, and the capability of the nearest ancestor that names the resource.
fn ancestors(tree: &QueueTree, queue: QueueIndex, breaches: &mut Vec<Breach>) {
    let (node, terms) = (tree.get(queue), tree.terms(queue));
    if node.level > DEEPEST {
        breaches.push(Breach {
            queue: terms.name.clone(),
            field: "spec.parent",
            message: format!("the queue lies {} levels deep, and the depth is at most {DEEPEST}; name a parent nearer to the root", node.level),
            amounts: None,
        });
    }
    let mut above = tree.path(queue).skip(1).collect::<Vec<_>>();
    above.push(QueueIndex::ROOT);
    for (resource, amount) in terms.capability.iter() {
        let limit = above.iter().find_map(|&at| Some((at, tree.terms(at).capability.named(resource)?)));
        if let Some((at, most)) = limit.filter(|&(_, most)| amount > most) {
            breaches.push(Breach {
                queue: terms.name.clone(),
                field: "spec.capability",
                message: format!(
                    "capability above ancestor {0}; lower it, or raise that of {0}",
                    tree.terms(at).name
                ),
                amounts: Some((resource, amount, most)),
            });
        }
    }
}

/// Of the children of a queue together: no more promised or set aside than the queue has. Not checked below the root.
fn children(tree: &QueueTree, parent: QueueIndex, breaches: &mut Vec<Breach>) {
    let children = &tree.get(parent).children;
    // Told of the youngest one: it is the one that made it too much.
    let Some(&youngest) = children.last() else { return };
    let mut check = |field, name: &str, of: fn(&super::QueueTerms) -> &Amounts| {
        let mut sum = Amounts::default();
        children.iter().for_each(|&child| sum.add_all(of(tree.terms(child))));
        for (resource, amount) in sum.asked() {
            let most = of(tree.terms(parent)).get(resource);
            if amount > most {
                breaches.push(Breach {
                    queue: tree.terms(youngest).name.clone(),
                    field,
                    message: format!(
                        "sum of {name} of the queues below {0} is more than its own; lower theirs, or raise that of {0}",
                        tree.terms(parent).name
                    ),
                    amounts: Some((resource, amount, most)),
                });
            }
        }
    };
    check("spec.deserved", "deserved", |terms| &terms.deserved);
    check("spec.guarantee", "guarantee", |terms| &terms.guarantee);
}
