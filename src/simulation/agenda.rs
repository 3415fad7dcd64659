//! What will happen when: a queue in a total order, by time and then by the order in which things were planned.

use super::time::Millis;
use std::collections::BTreeMap;

/// Something that is due at a time. Pods are meant by their uid, so that one that is recreated is not taken for the
/// one that was planned for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// An item of the timeline.
    Step(usize),
    /// The next gang of a source.
    Arrive(usize),
    /// A made gang has run its time.
    Depart(usize),
    /// A pod's containers start.
    Start(String),
    /// A pod's containers become ready.
    Ready(String),
    /// The conditions that a pod's readiness gates wait for become true.
    Gates(String),
    /// A pod's containers start again after a crash.
    Restart(String),
    /// A pod's containers have run their time.
    Complete(String),
    /// A pod's containers have stopped, and its object goes.
    Stopped(String),
    /// A pod is evicted from a node by a taint, if that is still there: node and pod.
    Evict(String, String),
    /// The control plane notices that a node does not answer.
    Lost(String),
    /// The ModelServing controller starts again.
    Controller,
    /// Another scheduler leads.
    Lead,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    entries: BTreeMap<(Millis, u64), Task>,
    planned: u64,
}

impl Agenda {
    /// Plans a task.
    pub(crate) fn plan(&mut self, at: Millis, task: Task) {
        self.entries.insert((at, self.planned), task);
        self.planned += 1;
    }

    /// When the next task is due.
    pub(crate) fn next_at(&self) -> Option<Millis> {
        self.entries.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Takes the next task if it is due by `now`.
    pub(crate) fn pop_due(&mut self, now: Millis) -> Option<Task> {
        let entry = self.entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_then_by_plan() {
        let mut agenda = Agenda::default();
        for (at, step) in [(5, 0), (1, 1), (5, 2), (1, 3)] {
            agenda.plan(at, Task::Step(step));
        }
        assert_eq!(agenda.pop_due(0), None);
        assert_eq!(agenda.next_at(), Some(1));
        let order: Vec<Task> = std::iter::from_fn(|| agenda.pop_due(5)).collect();
        assert_eq!(order, [1, 3, 0, 2].map(Task::Step));
    }
}
