//! The tree of queues: from what their objects say to parents, children and levels, with what is wrong with each.
//!
//! A queue whose parent is missing, or that stands in a ring of parents, is kept with its [`Problem`] directly below the root,
//! without children: it holds back its own gangs and nothing else.

use super::Amounts;
use std::collections::{BTreeMap, BTreeSet};

/// The name of the queue above all others; it exists whether or not an object says so.
pub const ROOT: &str = "root";
/// The queue of gangs that name none; it exists whether or not an object says so.
pub const DEFAULT: &str = "default";

/// A queue by its place in a [`QueueTree`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueIndex(u32);

impl QueueIndex {
    /// The root.
    pub const ROOT: QueueIndex = QueueIndex(0);

    /// The index into columns.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What the object of a queue says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueTerms {
    /// Its name.
    pub name: String,
    /// The queue above it; empty for the root.
    pub parent: String,
    /// Its part of what is left over, relative to its siblings; at least 1.
    pub weight: u32,
    /// Siblings of higher priority are served first with what is left over.
    pub priority: i32,
    /// What it is promised.
    pub deserved: Amounts,
    /// What is set aside for it.
    pub guarantee: Amounts,
    /// The most it may use; a resource that is not named is not limited here.
    pub capability: Amounts,
    /// May gangs of other queues take from it?
    pub reclaimable: bool,
    /// Does it take gangs?
    pub open: bool,
    /// Does a gang that cannot start keep those behind it from starting (`dequeueStrategy: fifo`)?
    pub fifo: bool,
    /// When it was created, RFC 3339 in UTC; older queues come first where all else is equal.
    pub created: String,
}

impl QueueTerms {
    /// A queue that says nothing but its name: open, reclaimable, weight 1, below the root.
    pub fn named(name: &str) -> Self {
        QueueTerms {
            name: name.to_owned(),
            parent: String::new(),
            weight: 1,
            priority: 0,
            deserved: Amounts::default(),
            guarantee: Amounts::default(),
            capability: Amounts::default(),
            reclaimable: true,
            open: true,
            fifo: false,
            created: String::new(),
        }
    }
}

/// What keeps a queue from being used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Its parent does not exist.
    NoParent(String),
    /// Following its parents leads back to one of them.
    Ring(Vec<String>),
}

/// A queue in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueNode {
    /// What its object says.
    pub terms: QueueTerms,
    /// The queue above it; the root is above itself.
    pub parent: QueueIndex,
    /// The queues below it, older first, then by name.
    pub children: Vec<QueueIndex>,
    /// Steps from the root, which is level 0.
    pub level: u32,
    /// What is wrong with it.
    pub problem: Option<Problem>,
}

/// All queues. The root is the first; every parent comes before its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueTree {
    nodes: Vec<QueueNode>,
    by_name: BTreeMap<String, QueueIndex>,
}

impl QueueTree {
    /// Builds the tree. Of two queues of one name the later one counts.
    pub fn new(queues: impl IntoIterator<Item = QueueTerms>) -> Self {
        let mut terms: BTreeMap<String, QueueTerms> =
            queues.into_iter().map(|queue| (queue.name.clone(), queue)).collect();
        terms.entry(DEFAULT.to_owned()).or_insert_with(|| QueueTerms::named(DEFAULT));
        let root = terms.remove(ROOT).unwrap_or_else(|| QueueTerms::named(ROOT));
        let problems: BTreeMap<String, Problem> = terms
            .values()
            .filter_map(|queue| problem(queue, &terms).map(|problem| (queue.name.clone(), problem)))
            .collect();
        let mut below: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
        for queue in terms.values() {
            let parent = match (queue.parent.as_str(), problems.contains_key(&queue.name)) {
                ("", _) | (_, true) => ROOT,
                (parent, false) => parent,
            };
            below.entry(parent.to_owned()).or_default().insert((queue.created.clone(), queue.name.clone()));
        }
        let node = |terms: QueueTerms, parent, level, problem| QueueNode {
            terms,
            parent,
            children: Vec::new(),
            level,
            problem,
        };
        let mut tree = QueueTree {
            nodes: vec![node(root, QueueIndex::ROOT, 0, None)],
            by_name: BTreeMap::from([(ROOT.to_owned(), QueueIndex::ROOT)]),
        };
        let mut at = 0;
        while let Some(parent) = tree.nodes.get(at) {
            let (index, level) = (QueueIndex(at as u32), parent.level + 1);
            for (_, name) in below.remove(&parent.terms.name).unwrap_or_default() {
                let Some(terms) = terms.remove(&name) else { continue };
                let child = QueueIndex(tree.nodes.len() as u32);
                tree.nodes.push(node(terms, index, level, problems.get(&name).cloned()));
                tree.nodes[at].children.push(child);
                tree.by_name.insert(name, child);
            }
            at += 1;
        }
        tree
    }

    /// The queue of a name. An empty name means the queue `default`.
    pub fn find(&self, name: &str) -> Option<QueueIndex> {
        let name = if name.is_empty() { DEFAULT } else { name };
        self.by_name.get(name).copied()
    }

    /// The queue behind an index of this tree.
    pub fn get(&self, queue: QueueIndex) -> &QueueNode {
        &self.nodes[queue.index()]
    }

    /// The terms of a queue.
    pub fn terms(&self, queue: QueueIndex) -> &QueueTerms {
        &self.get(queue).terms
    }

    /// How many queues there are, the root included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: the root is always there.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All queues, parents before children.
    pub fn indices(&self) -> impl DoubleEndedIterator<Item = QueueIndex> + use<> {
        (0..self.nodes.len() as u32).map(QueueIndex)
    }

    /// Has it no queues below it? Only such queues hold gangs.
    pub fn is_leaf(&self, queue: QueueIndex) -> bool {
        queue != QueueIndex::ROOT && self.get(queue).children.is_empty()
    }

    /// The queue and those above it, up to the child of the root; empty for the root.
    pub fn path(&self, queue: QueueIndex) -> impl Iterator<Item = QueueIndex> + '_ {
        let next = |&at: &QueueIndex| Some(self.get(at).parent);
        std::iter::successors(Some(queue), next).take_while(|&at| at != QueueIndex::ROOT)
    }

    /// The lowest queue that both are below, or are.
    pub fn common(&self, one: QueueIndex, other: QueueIndex) -> QueueIndex {
        let (mut one, mut other) = (one, other);
        while one != other {
            if self.get(one).level >= self.get(other).level {
                one = self.get(one).parent;
            } else {
                other = self.get(other).parent;
            }
        }
        one
    }
}

/// What is wrong with the parents of a queue. `queues` are all but the root.
fn problem(queue: &QueueTerms, queues: &BTreeMap<String, QueueTerms>) -> Option<Problem> {
    let mut seen = vec![queue.name.clone()];
    let mut at = queue;
    loop {
        let parent = at.parent.as_str();
        if parent.is_empty() || parent == ROOT {
            return None;
        }
        let Some(above) = queues.get(parent) else { return Some(Problem::NoParent(parent.to_owned())) };
        if let Some(first) = seen.iter().position(|name| name == parent) {
            return Some(Problem::Ring(seen.split_off(first)));
        }
        seen.push(parent.to_owned());
        at = above;
    }
}
