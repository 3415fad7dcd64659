//! How many pods PodDisruptionBudgets let go, counted over all that is leaving.

use crate::cluster::Cluster;
use crate::cluster::ids::PodId;
use crate::cluster::pods::PodState;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Budgets, and the pods that each selects.
#[derive(Clone, Debug, Default)]
pub(super) struct Budgets {
    names: Vec<String>,
    left: Vec<u32>,
    /// The budgets of a pod.
    of: FxHashMap<PodId, Vec<usize>>,
}

impl Budgets {
    /// Counts. What is leaving for others is taken off what the controllers of the budgets allow.
    pub(super) fn of(cluster: &Cluster, leaving: &BTreeMap<PodId, Box<str>>) -> Budgets {
        let mut budgets = Budgets::default();
        for (key, record) in cluster.budgets() {
            let (namespace, _) = key.split_once('/').unwrap_or_default();
            let Some(selector) = &record.selector else { continue };
            let (mut selected, mut healthy, mut gone) = (0, 0, 0);
            let at = budgets.names.len();
            for (id, pod) in cluster.pods().iter().filter(|(_, pod)| pod.namespace() == namespace) {
                let labels = cluster.labels().get(pod.labels);
                if !selector.matches_by(|name| labels.get(name)) {
                    continue;
                }
                selected += 1;
                healthy += u32::from(pod.state == PodState::Running && !pod.deleting);
                gone += u32::from(leaving.contains_key(&id));
                budgets.of.entry(id).or_default().push(at);
            }
            budgets.names.push(key.to_owned());
            budgets.left.push(record.allows(selected, healthy).saturating_sub(gone));
        }
        budgets
    }

    /// The budget that does not let all of these pods go, if there is one.
    pub(super) fn that_forbids(&self, pods: &[PodId]) -> Option<&str> {
        if self.names.is_empty() {
            return None;
        }
        let mut taken = vec![0u32; self.names.len()];
        for &at in pods.iter().filter_map(|pod| self.of.get(pod)).flatten() {
            taken[at] += 1;
        }
        let at = (0..taken.len()).find(|&at| taken[at] > self.left[at])?;
        Some(&self.names[at])
    }
}
