//! The division: tables, and what holds whatever the queues are.

use super::{GPU, divide, gpus, queue, tree};
use crate::sharing::limits::{Limit, check as check_limits, check_unevictable};
use crate::sharing::tree::Problem;
use crate::sharing::{QueueIndex, QueueTerms, QueueTree, Uses};
use proptest::prelude::*;

#[test]
fn fair_shares() {
    let check = |queues: &str, total: i64, asks: &[(&str, i64)], expect: &[(&str, i64)]| {
        let tree = tree(queues);
        let shares = divide(&tree, total, asks);
        let found: Vec<(&str, i64)> =
            expect.iter().map(|&(name, _)| (name, shares.fair(queue(&tree, name)).get(GPU))).collect();
        assert_eq!(found, expect, "{queues}");
    };
    let both = [("a", 6), ("b", 6)];
    check("a deserved=2 weight=2\nb deserved=2 weight=2", 12, &both, &[("a", 6), ("b", 6)]);
    check("a deserved=2\nb deserved=2 weight=3", 8, &both, &[("a", 3), ("b", 5)]);
    check("a deserved=2 capability=5\nb deserved=2", 12, &both, &[("a", 5), ("b", 6)]);
    // The largest fraction gets the last device; of equal fractions the older queue.
    check("a deserved=2\nb deserved=2 weight=4", 11, &[("a", 10), ("b", 10)], &[("a", 3), ("b", 8)]);
    check("a deserved=2\nb deserved=2", 5, &[("a", 3), ("b", 3)], &[("a", 3), ("b", 2)]);
    // Priority comes before weight, and after what is promised.
    check("a deserved=2 priority=1\nb deserved=2 priority=2", 4, &both, &[("a", 2), ("b", 2)]);
    check("a deserved=2 priority=1\nb deserved=2 priority=2", 6, &both, &[("a", 2), ("b", 4)]);
    // Promises beyond what there is are not scaled down.
    check(
        "a deserved=5\nb deserved=5\nc deserved=5",
        10,
        &[("a", 5), ("b", 5), ("c", 5)],
        &[("a", 5), ("b", 5), ("c", 5)],
    );
    // What is set aside is kept without demand.
    check("a deserved=4 guarantee=4\nb deserved=2", 10, &[("b", 10)], &[("a", 4), ("b", 6)]);
    // Nobody is promised anything: weights alone.
    check("a\nb weight=3", 8, &[("a", 8), ("b", 8)], &[("a", 2), ("b", 6)]);
    let two_levels = "d1 deserved=6\nd2 deserved=6\na parent=d1 deserved=4\nb parent=d1 deserved=2\nc parent=d2 deserved=6";
    check(
        two_levels,
        12,
        &[("a", 2), ("b", 8), ("c", 6)],
        &[("d1", 6), ("d2", 6), ("a", 2), ("b", 4), ("c", 6)],
    );
    check(
        two_levels,
        12,
        &[("a", 2), ("b", 2), ("c", 9)],
        &[("d1", 4), ("d2", 8), ("a", 2), ("b", 2), ("c", 8)],
    );
    let capped = "org deserved=16\nd1 parent=org deserved=8 capability=6\nd2 parent=org deserved=8\na parent=d1 deserved=8\nb parent=d2 deserved=8";
    check(capped, 16, &[("a", 16), ("b", 16)], &[("org", 16), ("d1", 6), ("d2", 10), ("a", 6), ("b", 10)]);
}

#[test]
fn broken_parents_hold_back_their_own_queues_only() {
    let tree = tree("a\nlost parent=nowhere\nbelow parent=lost\nx parent=y\ny parent=x");
    let problem = |name: &str| tree.get(queue(&tree, name)).problem.clone();
    assert_eq!(problem("a"), None);
    assert_eq!(problem("lost"), Some(Problem::NoParent("nowhere".to_owned())));
    assert_eq!(problem("below"), Some(Problem::NoParent("nowhere".to_owned())));
    assert_eq!(problem("x"), Some(Problem::Ring(vec!["x".to_owned(), "y".to_owned()])));
    assert_eq!(problem("y"), Some(Problem::Ring(vec!["y".to_owned(), "x".to_owned()])));
    assert!(tree.indices().skip(1).all(|queue| tree.get(queue).parent == QueueIndex::ROOT));
}

#[test]
fn limits() {
    let queues =
        "org capability=10\na parent=org capability=8\nb parent=org guarantee=4 deserved=4\nc deserved=2";
    let tree = tree(queues);
    let check = |name: &str, asks: i64, expect: Option<(&str, Limit, i64)>| {
        let mut uses = Uses::new(&tree);
        uses.add(&tree, queue(&tree, "a"), &gpus(1));
        let found = check_limits(&tree, &gpus(12), &uses, queue(&tree, name), &gpus(asks)).err();
        let found = found.map(|over| (tree.terms(over.queue).name.clone(), over.limit, over.most));
        assert_eq!(found, expect.map(|(name, limit, most)| (name.to_owned(), limit, most)), "{name} {asks}");
    };
    check("a", 5, None);
    check("a", 6, Some(("a", Limit::GuaranteeOfOthers, 6)));
    check("a", 8, Some(("a", Limit::Capability, 8)));
    check("b", 9, None);
    check("b", 10, Some(("org", Limit::Capability, 10)));
    check("c", 12, None);
    let refuses = |name: &str, asks: i64| {
        check_unevictable(&tree, &Uses::new(&tree), queue(&tree, name), &gpus(asks))
            .err()
            .map(|over| over.most)
    };
    assert_eq!(refuses("c", 2), None);
    assert_eq!(refuses("c", 3), Some(2));
    assert_eq!(refuses("a", 1), Some(0));
}

/// Queues of one, two or three levels, and what their leaves ask for.
fn any_queues() -> impl Strategy<Value = (QueueTree, i64, Vec<(String, i64)>)> {
    let queue = (0usize..8, 1u32..5, 0i32..3, 0i64..9, 0i64..4, proptest::option::of(0i64..20), 0i64..25);
    (proptest::collection::vec(queue, 1..8), 0i64..40).prop_map(|(drawn, total)| {
        let name = |at: usize| format!("q{at}");
        let mut queues = Vec::new();
        let mut asks = Vec::new();
        for (at, &(parent, weight, priority, deserved, guarantee, capability, ask)) in
            drawn.iter().enumerate()
        {
            let mut queue = QueueTerms::named(&name(at));
            queue.parent = if parent < at { name(parent) } else { String::new() };
            (queue.weight, queue.priority) = (weight, priority);
            (queue.deserved, queue.guarantee) = (gpus(deserved), gpus(guarantee.min(deserved)));
            queue.capability = capability.map(gpus).unwrap_or_default();
            queues.push(queue);
            asks.push((name(at), ask));
        }
        let tree = QueueTree::new(queues);
        asks.retain(|(name, _)| tree.is_leaf(queue_of(&tree, name)));
        (tree, total, asks)
    })
}

fn queue_of(tree: &QueueTree, name: &str) -> QueueIndex {
    tree.find(name).expect("the queue exists")
}

fn fair(tree: &QueueTree, total: i64, asks: &[(String, i64)]) -> Vec<i64> {
    let asks: Vec<(&str, i64)> = asks.iter().map(|(name, ask)| (name.as_str(), *ask)).collect();
    let shares = divide(tree, total, &asks);
    tree.indices().map(|queue| shares.fair(queue).get(GPU)).collect()
}

proptest! {
    /// Nothing is given twice, nothing is left while somebody asks for it, and nobody gets more than it asks for but what is
    /// set aside for it.
    #[test]
    fn a_division_conserves_what_there_is((tree, total, asks) in any_queues()) {
        let named: Vec<(&str, i64)> = asks.iter().map(|(name, ask)| (name.as_str(), *ask)).collect();
        let shares = divide(&tree, total, &named);
        for parent in tree.indices().filter(|&queue| !tree.get(queue).children.is_empty()) {
            let has = shares.fair(parent).get(GPU);
            let children = &tree.get(parent).children;
            let given: i64 = children.iter().map(|&child| shares.fair(child).get(GPU)).sum();
            let mut promised = 0;
            let mut unmet = 0;
            for &child in children {
                let (terms, gets) = (tree.terms(child), shares.fair(child).get(GPU));
                let want = shares.want(child).get(GPU).min(has);
                let base = terms.deserved.get(GPU).min(want).max(terms.guarantee.get(GPU)).min(has);
                promised += base;
                unmet += (want - gets).max(0);
                prop_assert!(gets >= base, "less than what is promised and asked for");
                prop_assert!(gets <= want.max(base), "more than what is asked for");
            }
            prop_assert!(given <= has.max(promised));
            prop_assert!(unmet == 0 || given >= has, "something is left though somebody asks for it");
        }
    }

    /// A queue that gets a higher weight gets no less.
    #[test]
    fn a_higher_weight_never_gets_less((tree, total, asks) in any_queues(), at in 0usize..8) {
        let before = fair(&tree, total, &asks);
        let mut queues: Vec<QueueTerms> = tree.indices().skip(1).map(|queue| tree.terms(queue).clone()).collect();
        let at = at % queues.len();
        queues[at].weight += 1;
        let name = queues[at].name.clone();
        let more = QueueTree::new(queues);
        let index = queue_of(&more, &name).index();
        let after = fair(&more, total, &asks);
        prop_assert!(after[index] >= before[queue_of(&tree, &name).index()]);
    }
}
