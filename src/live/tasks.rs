//! Tasks with names: which run, and how each of them ended. A task that ends is never lost silently: whoever owns the tasks is
//! told its name and the reason.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use tokio::task::{Id, JoinError, JoinSet};

/// Tasks, each known by a name. They end with this.
#[derive(Debug)]
pub struct Tasks<N> {
    set: JoinSet<()>,
    names: BTreeMap<Id, N>,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It returned.
    Returned,
    /// It panicked, and said this.
    Panicked(String),
    /// It was told to end.
    Cancelled,
}

impl<N> Default for Tasks<N> {
    fn default() -> Self {
        Tasks { set: JoinSet::new(), names: BTreeMap::new() }
    }
}

impl<N> Tasks<N> {
    /// Starts a task of this name.
    pub fn start(&mut self, name: N, task: impl Future<Output = ()> + Send + 'static) {
        self.names.insert(self.set.spawn(task).id(), name);
    }

    /// A task that has ended since this was last asked, and how.
    pub fn next_ended(&mut self) -> Option<(N, Exit)> {
        loop {
            let (id, exit) = match self.set.try_join_next_with_id()? {
                Ok((id, ())) => (id, Exit::Returned),
                Err(error) => (error.id(), Exit::of(error)),
            };
            if let Some(name) = self.names.remove(&id) {
                return Some((name, exit));
            }
        }
    }
}

impl Exit {
    /// How a task ended that has no result.
    pub fn of(error: JoinError) -> Exit {
        match error.try_into_panic() {
            Ok(panic) => Exit::Panicked(text(&*panic).to_owned()),
            Err(_) => Exit::Cancelled,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Returned => f.write_str("it returned"),
            Exit::Panicked(text) => write!(f, "it panicked: {text}"),
            Exit::Cancelled => f.write_str("it was told to end"),
        }
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    crate::scheduler::panic_text(panic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_end_is_told_with_name_and_reason() {
        let mut tasks = Tasks::default();
        tasks.start("returns", async {});
        tasks.start("panics", async { panic!("a mistake") });
        tasks.start("stays", std::future::pending());
        let mut ended = BTreeMap::new();
        while ended.len() < 2 {
            tokio::task::yield_now().await;
            ended.extend(tasks.next_ended());
        }
        assert_eq!(ended["returns"], Exit::Returned);
        assert_eq!(ended["panics"].to_string(), "it panicked: a mistake");
        assert_eq!(tasks.next_ended(), None);
    }
}
