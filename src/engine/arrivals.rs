//! Pods that the ModelServing controller is creating at this moment. The scheduler leaves their gang alone until all of
//! them have been seen, so that a gang whose minimum is less than its size is placed whole, in one decision.

use super::serving::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a watch may lag behind the answers to the creates before the gang is placed as far as it has been seen.
const LAG: Duration = Duration::from_millis(500);

/// Gangs with pods on their way.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// By `namespace/name` of the PodGroup.
    groups: BTreeMap<String, Arrival>,
}

#[derive(Debug)]
struct Arrival {
    /// The ModelServing whose batch creates them.
    by: Key,
    /// Names of pods not seen yet.
    pods: BTreeSet<String>,
    /// When to wait no longer; `None` while the batch is out.
    until: Option<Duration>,
}

impl Arrivals {
    /// A batch that creates this pod is about to be made.
    pub fn announce(&mut self, by: &Key, group: &str, pod: String) {
        let arrival = self.groups.entry(group.to_owned()).or_insert_with(|| Arrival {
            by: by.clone(),
            pods: BTreeSet::new(),
            until: None,
        });
        arrival.until = None;
        arrival.pods.insert(pod);
    }

    /// A pod has been seen. True if it was the last that its gang waited for.
    pub fn seen(&mut self, group: &str, pod: &str) -> bool {
        let Some(arrival) = self.groups.get_mut(group) else { return false };
        arrival.pods.remove(pod);
        let complete = arrival.pods.is_empty();
        if complete {
            self.groups.remove(group);
        }
        complete
    }

    /// A batch has been made. Returns the gangs that need not wait any more: all of its, where a create failed.
    pub fn made(&mut self, by: &Key, ok: bool, now: Duration) -> Vec<String> {
        for arrival in self.groups.values_mut().filter(|arrival| arrival.by == *by) {
            arrival.until = Some(if ok { now + LAG } else { now });
        }
        self.overdue(now)
    }

    /// Gangs that have waited long enough.
    pub fn overdue(&mut self, now: Duration) -> Vec<String> {
        let is_over = |arrival: &Arrival| arrival.until.is_some_and(|until| until <= now);
        let over = self.groups.iter().filter(|(_, arrival)| is_over(arrival));
        let over: Vec<String> = over.map(|(group, _)| group.clone()).collect();
        self.groups.retain(|_, arrival| !is_over(arrival));
        over
    }

    /// When [`Arrivals::overdue`] is next worth asking.
    pub fn wake_at(&self) -> Option<Duration> {
        self.groups.values().filter_map(|arrival| arrival.until).min()
    }

    /// Is the gang still waited for?
    pub fn awaits(&self, group: &str) -> bool {
        self.groups.contains_key(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Duration = Duration::from_secs(10);

    fn two() -> (Arrivals, Key) {
        let (mut arrivals, by) = (Arrivals::default(), ("n".to_owned(), "m".to_owned()));
        arrivals.announce(&by, "n/g", "a".into());
        arrivals.announce(&by, "n/g", "b".into());
        (arrivals, by)
    }

    #[test]
    fn a_gang_waits_for_its_last_pod() {
        let (mut arrivals, by) = two();
        assert!(!arrivals.seen("n/g", "a") && !arrivals.seen("n/other", "b"));
        assert_eq!(arrivals.made(&by, true, BEGIN), [""; 0]);
        assert!(arrivals.seen("n/g", "b"));
        assert!(!arrivals.awaits("n/g") && arrivals.wake_at().is_none());
    }

    #[test]
    fn a_gang_does_not_wait_for_ever() {
        let (mut arrivals, by) = two();
        assert_eq!(arrivals.overdue(BEGIN * 100), [""; 0], "its batch is still out");
        assert_eq!(arrivals.made(&by, true, BEGIN), [""; 0]);
        assert_eq!(arrivals.wake_at(), Some(BEGIN + LAG));
        assert_eq!(arrivals.overdue(BEGIN + LAG), ["n/g"]);
        assert!(!arrivals.awaits("n/g"));
        let (mut arrivals, by) = two();
        assert_eq!(arrivals.made(&by, false, BEGIN), ["n/g"], "a create failed: what is there may run");
    }
}
