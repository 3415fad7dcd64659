//! What objects ask for and do not get because of other objects: a PriorityClass that does not exist, minima that bind
//! nothing, pods on nodes that are not there. What an object says alone is in [`unsupported`](crate::api::unsupported).

use crate::api::gang::Dialect;
use crate::api::unsupported::Notice;
use crate::cluster::Cluster;
use crate::cluster::gangs::{GangKind, GangRecord, Group};
use crate::cluster::pods::PodState;
use crate::words::counted;

/// What an object is, and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectNotice {
    /// `Pod` or `PodGroup`.
    pub kind: &'static str,
    /// `namespace/name`.
    pub name: String,
    /// What is to be said.
    pub notice: Notice,
}

/// Everything that is to be said, by kind and name.
pub fn notices(cluster: &Cluster) -> Vec<ObjectNotice> {
    let mut found = Vec::new();
    for (_, gang) in cluster.gangs().iter().filter(|(_, gang)| gang.kind == GangKind::PodGroup) {
        let Some(group) = gang.group.as_deref().filter(|group| !group.deleting) else { continue };
        let say = |notice| ObjectNotice { kind: "PodGroup", name: gang.key.to_string(), notice };
        found.extend(of_group(cluster, gang, group).into_iter().map(say));
    }
    for (_, pod) in cluster.pods().iter().filter(|(_, pod)| pod.gang.is_some()) {
        let Some(node) = pod.node.filter(|_| matches!(pod.state, PodState::Bound | PodState::Running)) else {
            continue;
        };
        if !cluster.nodes().get(node).present {
            let node = cluster.nodes().name(node);
            let message =
                format!("spec.nodeName: node {node} does not exist; what the pod uses is counted nowhere");
            let notice = Notice::new("NodeNotFound", message);
            found.push(ObjectNotice { kind: "Pod", name: pod.key.to_string(), notice });
        }
    }
    found.sort();
    found
}

fn of_group(cluster: &Cluster, gang: &GangRecord, group: &Group) -> Vec<Notice> {
    let spec = &group.spec;
    let mut notices = Vec::new();
    let class = spec.priority_class_name.as_str();
    if !class.is_empty() && cluster.priority(class).is_none() {
        notices.push(Notice::new(
            "PriorityClassNotFound",
            format!("spec.priorityClassName: PriorityClass {class} does not exist, so the gang's priority is 0; create it"),
        ));
    }
    let minimum = i64::from(spec.min_member.unwrap_or(0).max(0));
    let roles: i64 = spec.min_task_member.values().map(|&count| i64::from(count.max(0))).sum();
    if roles > minimum {
        notices.push(Notice::new(
            "MinTaskMemberNotUsed",
            format!(
                "spec.minTaskMember asks for {}, more than spec.minMember, {minimum}: minima of roles bind nothing then; \
                 write minMember: {roles}",
                counted(roles, "pod")
            ),
        ));
    }
    // Pods that ask for another scheduler are told of beside the gang.
    let (dialect, name) = Dialect::split(gang.name());
    if gang.pods.is_empty() && cluster.other_schedulers(&gang.key).next().is_none() {
        notices.push(Notice::new(
            "PodGroupWithoutPods",
            format!(
                "no pod of this scheduler names it; pods join it with the {}: {name}",
                dialect.joined_by()
            ),
        ));
    }
    notices
}
