//! What a reservation reads of objects as the API server has them. Both shells read alike.

use super::input::{Count, GroupFacts, PodFacts};
use crate::api::core::{Node, Pod, PodPhase};
use crate::api::keys;
use crate::api::pod_group::{PodGroup, PodGroupSpec, SubGroupPolicy};
use crate::scheduler::PodRef;
use std::collections::BTreeMap;

/// Taints of nodes that do not answer.
const LOST: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Is the node one that does not answer ([`super::Input::NodeLost`])?
pub fn is_lost(node: &Node) -> bool {
    node.spec.taints.iter().any(|taint| LOST.contains(&taint.key.as_str()))
}

/// What a reservation reads of a PodGroup.
pub fn group_facts(group: &PodGroup) -> GroupFacts {
    GroupFacts { generation: group.metadata.generation, minimum: minimum(&group.spec) }
}

/// The minimum; role minima count only where `minMember` covers their sum, as in the scheduler.
fn minimum(spec: &PodGroupSpec) -> Count {
    let members = u32::try_from(spec.min_member.unwrap_or(0)).unwrap_or(0);
    let roles: BTreeMap<String, u32> = spec
        .min_task_member
        .iter()
        .filter_map(|(role, &count)| {
            Some((role.clone(), u32::try_from(count).ok().filter(|&count| count > 0)?))
        })
        .collect();
    let sum: u64 = roles.values().map(|&count| u64::from(count)).sum();
    let roles = if u64::from(members) >= sum { roles } else { BTreeMap::new() };
    let least = |policy: &SubGroupPolicy| u32::try_from(policy.min_sub_groups.unwrap_or(0)).unwrap_or(0);
    let wholes = spec
        .sub_group_policy
        .iter()
        .zip(0..)
        .filter(|(policy, _)| least(policy) > 0 && !policy.match_label_keys.is_empty());
    let wholes = wholes.map(|(policy, index)| (index, least(policy))).collect();
    Count { members, roles, wholes, ..Count::default() }
}

/// What a reservation reads of a pod.
pub fn pod_facts(pod: &Pod) -> PodFacts {
    let metadata = &pod.metadata;
    let role = metadata.annotations.get(keys::TASK_SPEC).or_else(|| metadata.labels.get(keys::TASK_SPEC));
    PodFacts {
        pod: PodRef {
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
            uid: metadata.uid.clone(),
        },
        node: pod.spec.node_name.clone().filter(|node| !node.is_empty()),
        failed: pod.status.phase == Some(PodPhase::Failed),
        deleting: metadata.deletion_timestamp.is_some(),
        recreated: metadata
            .owner_references
            .iter()
            .any(|owner| owner.controller == Some(true) && owner.kind != "Node"),
        role: role.cloned().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_minimum_is_what_the_scheduler_takes_it_for() {
        let check = |spec: Value, members: u32, roles: &[(&str, u32)], wholes: &[(u32, u32)]| {
            let group = json!({"metadata": {"name": "g"}, "spec": spec});
            let minimum = group_facts(&serde_json::from_value(group).unwrap()).minimum;
            let roles: BTreeMap<String, u32> = roles.iter().map(|&(role, n)| (role.to_owned(), n)).collect();
            let wholes = wholes.iter().copied().collect();
            assert_eq!(minimum, Count { members, roles, wholes, ..Count::default() }, "{spec}");
        };
        check(json!({}), 0, &[], &[]);
        check(json!({"minMember": -3}), 0, &[], &[]);
        check(
            json!({"minMember": 3, "minTaskMember": {"a": 1, "b": 2, "c": 0}}),
            3,
            &[("a", 1), ("b", 2)],
            &[],
        );
        // They bind only where minMember covers them.
        check(json!({"minMember": 2, "minTaskMember": {"a": 1, "b": 2}}), 2, &[], &[]);
        let policies = json!([
            {"name": "p", "minSubGroups": 2, "subGroupSize": 4, "matchLabelKeys": ["x"]},
            {"name": "q", "minSubGroups": 1, "subGroupSize": 4},
            {"name": "r", "subGroupSize": 4, "matchLabelKeys": ["x"]},
        ]);
        check(json!({"minMember": 8, "subGroupPolicy": policies}), 8, &[], &[(0, 2)]);
    }

    #[test]
    fn only_a_controller_that_is_no_node_brings_a_pod_back() {
        let check = |owners: Value, expect: bool| {
            let pod =
                json!({"metadata": {"name": "p", "ownerReferences": owners}, "spec": {"containers": []}});
            assert_eq!(pod_facts(&serde_json::from_value(pod).unwrap()).recreated, expect, "{owners}");
        };
        check(json!([]), false);
        check(json!([{"kind": "ModelServing", "name": "m", "uid": "m"}]), false);
        check(json!([{"kind": "Node", "name": "n", "uid": "n", "controller": true}]), false);
        check(json!([{"kind": "ModelServing", "name": "m", "uid": "m", "controller": true}]), true);
    }
}
