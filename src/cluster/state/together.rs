//! Pods of groups that ask for one place: all of them on nodes with one value of a label. The rule is said as pods say it,
//! by affinity to the other members, so that members which have a node pin the rest, and by a demand of nodes to have the label.

use super::Cluster;
use crate::api::core::{NodeSelectorTerm, Pod, PodAffinityTerm};
use crate::api::gang::{Dialect, membership};
use crate::api::meta::{LabelSelector, LabelSelectorRequirement, SelectorOperator};
use crate::cluster::ids::{GangId, PodId};

impl Cluster {
    /// The pod with the rule of its group. `None`: there is none.
    pub(super) fn together(&self, pod: &Pod) -> Option<Pod> {
        let name = membership(pod).filter(|name| Dialect::split(name).0 == Dialect::Native)?;
        let gang = self.gangs.id(&format!("{}/{name}", pod.metadata.namespace))?;
        let key = self.gangs.get(gang)?.group.as_ref()?.terms.together.as_deref()?;
        let mut joined = pod.clone();
        // No label of a real pod has a space.
        let label = format!("is of {name}");
        let exists = |key: &str| LabelSelectorRequirement {
            key: key.to_owned(),
            operator: SelectorOperator::Exists,
            values: Vec::new(),
        };
        let members = LabelSelector { match_expressions: vec![exists(&label)], ..LabelSelector::default() };
        if pod.spec.node_name.as_deref().is_none_or(str::is_empty) {
            let affinity = joined.spec.affinity.get_or_insert_default();
            affinity.pod_affinity.get_or_insert_default().required.push(PodAffinityTerm {
                label_selector: Some(members),
                topology_key: key.to_owned(),
                ..PodAffinityTerm::default()
            });
            let nodes = affinity.node_affinity.get_or_insert_default().required.get_or_insert_default();
            if nodes.node_selector_terms.is_empty() {
                nodes.node_selector_terms.push(NodeSelectorTerm {
                    match_expressions: vec![exists(key)],
                    ..NodeSelectorTerm::default()
                });
            } else {
                let is_empty = |term: &NodeSelectorTerm| {
                    term.match_expressions.is_empty() && term.match_fields.is_empty()
                };
                for term in nodes.node_selector_terms.iter_mut().filter(|term| !is_empty(term)) {
                    term.match_expressions.push(exists(key));
                }
            }
        }
        joined.metadata.labels.insert(label, String::new());
        Some(joined)
    }

    /// Keeps a pod of a native group, whose rule may come later, or change when the group is made again.
    pub(super) fn keep_member(&mut self, id: PodId, pod: &Pod) {
        let is_native =
            pod.spec.scheduling_group.is_some() && self.pods.get(id).is_some_and(|pod| pod.gang.is_some());
        if is_native {
            self.native_pods.insert(id, Box::new(pod.clone()));
        }
    }

    /// The rule of a group is another: its pods are judged by it.
    pub(super) fn join_again(&mut self, gang: GangId) {
        let pods = self.gangs.get(gang).map(|gang| gang.pods.clone()).unwrap_or_default();
        for id in pods {
            if let Some(pod) = self.native_pods.get(&id).cloned() {
                self.update_pod(id, &pod);
            }
        }
    }
}
