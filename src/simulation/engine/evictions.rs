//! Evictions that make room for another gang, carried out: as the pods' own grace periods have it, and told to who is concerned.

use super::Simulation;
use crate::apiserver::{Actor, Key, Kind, set_condition};
use crate::scheduler::decision::Victim;
use crate::simulation::report::EvictionRow;

impl Simulation {
    pub(super) fn evict_for(&mut self, claimant: &str, victims: Vec<Victim>) {
        let now = self.seconds();
        for Victim { pod, gang, kind, message } in victims {
            let key = Key::new(Kind::Pod, &pod.namespace, &pod.name);
            self.store.update(&key, Actor::Scheduler, |pod| {
                set_condition(pod, "DisruptionTarget", "True", "PreemptionByScheduler", &message, now);
            });
            if self.store.delete_exactly(&key, &pod.uid, Actor::Scheduler).is_err() {
                continue;
            }
            self.note("scheduler", &key, "Warning", "Evict", message);
            self.evictions.push(EvictionRow {
                namespace: pod.namespace,
                name: pod.name,
                pod_group: gang.split_once('/').map_or(gang.as_str(), |(_, name)| name).to_owned(),
                claimant: claimant.to_owned(),
                kind: kind.as_str(),
                at_milliseconds: self.now,
            });
        }
    }
}
