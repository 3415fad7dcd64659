//! Queues by name: what their objects say, in integers. What follows from it (shares, limits, who may take from whom) is
//! computed in [`crate::sharing`].

use super::ids::ResourceId;
use super::requests::{Resources, list_amounts};
use crate::api::keys;
use crate::api::quantity::ResourceList;
use crate::api::queue::{DequeueStrategy, Queue, QueueState};
use crate::api::time::parse_span;
use std::collections::BTreeMap;
use std::time::Duration;

/// Amounts by resource, ascending by resource.
pub type Amounts = Box<[(ResourceId, i64)]>;

/// No minimum runtime protects for longer: it delays what others are promised.
pub const LONGEST_PROTECTION: Duration = Duration::from_secs(24 * 3600);

/// What is kept of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRecord {
    /// Does it accept work?
    pub open: bool,
    /// Queues of higher priority come first where all else is equal.
    pub priority: i32,
    /// `spec.capability`: the most its gangs may hold together; `None` for no limit.
    pub capability: Option<Amounts>,
    /// `spec.deserved`: what it is promised.
    pub deserved: Amounts,
    /// `spec.guarantee.resource`: what is set aside for it.
    pub guarantee: Amounts,
    /// Its part of what is left over, relative to its siblings; at least 1.
    pub weight: u32,
    /// The queue above it; empty for the root.
    pub parent: Box<str>,
    /// May gangs of other queues take from it?
    pub reclaimable: bool,
    /// Does a gang that cannot start keep those behind it from starting (`dequeueStrategy: fifo`)?
    pub fifo: bool,
    /// Its creation time, RFC 3339 in UTC; empty where the object has none.
    pub created: Box<str>,
    /// How long a gang runs before other queues may take its minimum; `None`: the queue above says.
    pub min_runtime_reclaim: Option<Duration>,
    /// How long a gang runs before gangs of its own queue may take its minimum; `None`: the queue above says.
    pub min_runtime_preempt: Option<Duration>,
    /// How long its gangs wait before anybody is evicted for them; `None`: the queue above says.
    pub preemption_delay: Option<Duration>,
}

impl Default for QueueRecord {
    /// A queue whose object says nothing.
    fn default() -> Self {
        QueueRecord {
            open: true,
            priority: 0,
            capability: None,
            deserved: Amounts::default(),
            guarantee: Amounts::default(),
            weight: 1,
            parent: Box::default(),
            reclaimable: true,
            fifo: false,
            created: Box::default(),
            min_runtime_reclaim: None,
            min_runtime_preempt: None,
            preemption_delay: None,
        }
    }
}

/// All queues.
#[derive(Clone, Debug, Default)]
pub struct Queues {
    by_name: BTreeMap<String, QueueRecord>,
    /// What `default` and `root` are where no object says so.
    implied: QueueRecord,
    version: u64,
}

impl Queues {
    /// A queue by name; `default` for the empty one. `default` and `root` exist whether or not an object says so.
    pub fn get(&self, name: &str) -> Option<&QueueRecord> {
        let name = if name.is_empty() { "default" } else { name };
        let implied = || matches!(name, "default" | "root").then_some(&self.implied);
        self.by_name.get(name).or_else(implied)
    }

    /// Does an object of this name exist?
    pub fn has_object(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Those that have an object, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &QueueRecord)> {
        self.by_name.iter().map(|(name, queue)| (name.as_str(), queue))
    }

    /// Changes with every change of a queue.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Takes in a queue. Returns whether anything has changed.
    pub(super) fn put(&mut self, queue: &Queue, resources: &mut Resources) -> bool {
        let record = record(queue, resources);
        if self.by_name.get(&queue.metadata.name) == Some(&record) {
            return false;
        }
        self.by_name.insert(queue.metadata.name.clone(), record);
        self.version += 1;
        true
    }

    /// Forgets a queue. Returns whether there was one.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let was_known = self.by_name.remove(name).is_some();
        self.version += u64::from(was_known);
        was_known
    }
}

fn record(queue: &Queue, resources: &mut Resources) -> QueueRecord {
    let (spec, metadata) = (&queue.spec, &queue.metadata);
    let mut amounts = |list: Option<&ResourceList>| -> Amounts {
        list.map_or_else(Amounts::default, |list| list_amounts(list, resources).into())
    };
    let capability = amounts(spec.capability.as_ref());
    let span = |key: &str| {
        let span = parse_span(metadata.annotations.get(key)?)?;
        Some(span.min(LONGEST_PROTECTION))
    };
    QueueRecord {
        open: !matches!(
            queue.status.state,
            Some(QueueState::Closed | QueueState::Closing | QueueState::Unknown)
        ),
        priority: spec.priority.unwrap_or(0),
        capability: (!capability.is_empty()).then_some(capability),
        deserved: amounts(spec.deserved.as_ref()),
        guarantee: amounts(spec.guarantee.as_ref().and_then(|guarantee| guarantee.resource.as_ref())),
        weight: spec.weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1).max(1),
        parent: spec.parent.as_str().into(),
        reclaimable: spec.reclaimable.unwrap_or(true),
        fifo: spec.dequeue_strategy == Some(DequeueStrategy::Fifo),
        created: metadata.creation_timestamp.as_deref().unwrap_or_default().into(),
        min_runtime_reclaim: span(keys::MIN_RUNTIME_RECLAIM),
        min_runtime_preempt: span(keys::MIN_RUNTIME_PREEMPT),
        preemption_delay: span(keys::PREEMPTION_DELAY),
    }
}
