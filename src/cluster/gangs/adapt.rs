//! PodGroups of the other dialects in the words that gangs are kept in, and what these have no word for. One function for each
//! dialect; another dialect is another function. Nothing is kept here.
//!
//! Semantics: for `scheduling.k8s.io` kube-scheduler's `schedule_one_podgroup.go` and KEPs 4671 and 5732, for
//! `scheduling.x-k8s.io` the coscheduling plugin of scheduler-plugins.

use crate::api::gang::Dialect;
use crate::api::keys;
use crate::api::meta::ObjectMeta;
use crate::api::pod_group::{PodGroup, PodGroupCondition, PodGroupPhase, PodGroupSpec, PodGroupStatus};
use crate::api::scheduling_group::{CoschedulingPodGroup, NativePodGroup, NativePodGroupSpec};

/// A PodGroup of any dialect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gang {
    /// In Volcano's words, under the name by which the gang is known.
    pub object: PodGroup,
    /// The rest.
    pub terms: Terms,
}

/// What other dialects say and Volcano's has no field for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// All pods are on nodes with one value of this label.
    pub together: Option<Box<str>>,
    /// The gang's priority, whatever its pods' is.
    pub priority: Option<i32>,
    /// Its pods are evicted all together or not at all.
    pub whole: bool,
    /// Why nothing of it is placed.
    pub refusal: Option<Box<str>>,
}

/// Types of the condition that says whether a native group has been scheduled: of v1alpha2, and of later versions.
pub const SCHEDULED: [&str; 2] = ["PodGroupScheduled", "PodGroupInitiallyScheduled"];

/// A PodGroup of `scheduling.k8s.io`. A group of policy `basic` is one without a minimum.
pub fn native(group: &NativePodGroup) -> Gang {
    let spec = &group.spec;
    let topology = spec.scheduling_constraints.iter().flat_map(|constraints| &constraints.topology);
    let key = topology.map(|rule| rule.key.as_str()).find(|key| !key.is_empty());
    let was_scheduled = group.status.conditions.iter().find(|condition| {
        SCHEDULED.iter().any(|type_| condition["type"] == *type_) && condition["status"] == "True"
    });
    let conditions = was_scheduled.map(|condition| PodGroupCondition {
        type_: "Scheduled".to_owned(),
        status: "True".to_owned(),
        last_transition_time: condition["lastTransitionTime"].as_str().map(str::to_owned),
        ..PodGroupCondition::default()
    });
    Gang {
        object: PodGroup {
            metadata: known_as(Dialect::Native, &group.metadata),
            spec: PodGroupSpec {
                min_member: spec.scheduling_policy.gang.as_ref().map(|gang| gang.min_count),
                queue: queue(&group.metadata),
                priority_class_name: spec.priority_class_name.clone(),
                ..PodGroupSpec::default()
            },
            status: PodGroupStatus {
                conditions: conditions.into_iter().collect(),
                ..PodGroupStatus::default()
            },
        },
        terms: Terms {
            together: key.map(Box::from),
            priority: spec.priority,
            whole: spec.disruption_mode == "PodGroup" || spec.disruption_mode.get("all").is_some(),
            refusal: native_refusal(spec).map(String::into_boxed_str),
        },
    }
}

/// What a native group asks for that cannot be honoured.
fn native_refusal(spec: &NativePodGroupSpec) -> Option<String> {
    let policy = &spec.scheduling_policy;
    match (&policy.basic, &policy.gang) {
        (Some(_), Some(_)) => {
            return Some("spec.schedulingPolicy: has both basic and gang; keep one".to_owned());
        }
        (None, None) => {
            return Some(
                "spec.schedulingPolicy: has neither basic nor gang; write gang: {minCount: ...}".to_owned(),
            );
        }
        (None, Some(gang)) if gang.min_count < 1 => {
            return Some(format!(
                "spec.schedulingPolicy.gang.minCount: {} is below 1; write how many pods must start together",
                gang.min_count
            ));
        }
        _ => {}
    }
    if let Some(parent) = &spec.parent_composite_pod_group_name {
        return Some(format!(
            "spec.parentCompositePodGroupName: {parent}: composite groups are not supported, and a part of one is not placed \
             alone; use a PodGroup without a parent"
        ));
    }
    if !spec.resource_claims.is_empty() {
        return Some(
            "spec.resourceClaims: claims that the pods of a group share are not supported; give each pod its own".to_owned(),
        );
    }
    let topology = spec.scheduling_constraints.as_ref().map_or(0, |constraints| constraints.topology.len());
    (topology > 1)
        .then(|| format!("spec.schedulingConstraints.topology: has {topology} rules; the API allows one"))
}

/// A PodGroup of `scheduling.x-k8s.io`. Its `scheduleTimeoutSeconds` is not needed: a reservation has a deadline of its own.
pub fn coscheduling(group: &CoschedulingPodGroup) -> Gang {
    let phase = match group.status["phase"].as_str() {
        Some("Finished" | "Failed") => Some(PodGroupPhase::Completed),
        _ => None,
    };
    Gang {
        object: PodGroup {
            metadata: known_as(Dialect::Coscheduling, &group.metadata),
            spec: PodGroupSpec {
                min_member: group.spec.min_member,
                min_resources: group.spec.min_resources.clone(),
                queue: queue(&group.metadata),
                ..PodGroupSpec::default()
            },
            status: PodGroupStatus { phase, ..PodGroupStatus::default() },
        },
        terms: Terms::default(),
    }
}

/// The metadata under the name by which the gang is known.
fn known_as(dialect: Dialect, metadata: &ObjectMeta) -> ObjectMeta {
    ObjectMeta { name: dialect.gang_name(&metadata.name).into_owned(), ..metadata.clone() }
}

/// These dialects have no field for the queue.
fn queue(metadata: &ObjectMeta) -> String {
    metadata.annotations.get(keys::QUEUE_NAME).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(spec: Value) -> Gang {
        let metadata =
            json!({ "name": "g", "namespace": "ml", "annotations": { keys::QUEUE_NAME: "research" } });
        native(&serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap())
    }

    /// A native group of this spec is refused for this.
    fn check(spec: Value, refusal: Option<&str>) {
        assert_eq!(read(spec).terms.refusal.as_deref(), refusal);
    }

    #[test]
    fn both_spellings_of_a_native_group_mean_the_same() {
        let policy = json!({ "gang": { "minCount": 4 } });
        let rules = json!({ "topology": [{ "key": "example.com/rack" }] });
        let old = json!({
            "podGroupTemplateRef": { "workload": { "workloadName": "w", "podGroupTemplateName": "t" } },
            "schedulingPolicy": policy, "schedulingConstraints": rules, "disruptionMode": "PodGroup", "priority": 7,
        });
        let new = json!({
            "workloadRef": { "workloadName": "w", "templateName": "t" },
            "schedulingPolicy": policy, "schedulingConstraints": rules, "disruptionMode": { "all": {} }, "priority": 7,
        });
        let gang = read(old);
        assert_eq!(gang, read(new));
        assert_eq!(gang.object.metadata.name, "g (scheduling.k8s.io)");
        assert_eq!((gang.object.spec.min_member, gang.object.spec.queue.as_str()), (Some(4), "research"));
        let terms = Terms {
            together: Some("example.com/rack".into()),
            priority: Some(7),
            whole: true,
            refusal: None,
        };
        assert_eq!(gang.terms, terms);
    }

    #[test]
    fn what_cannot_be_honoured_is_named() {
        check(json!({ "schedulingPolicy": { "basic": {} }, "disruptionMode": { "single": {} } }), None);
        check(
            json!({ "schedulingPolicy": { "gang": { "minCount": 0 } } }),
            Some(
                "spec.schedulingPolicy.gang.minCount: 0 is below 1; write how many pods must start together",
            ),
        );
        check(
            json!({}),
            Some("spec.schedulingPolicy: has neither basic nor gang; write gang: {minCount: ...}"),
        );
        let gang = json!({ "gang": { "minCount": 2 } });
        check(
            json!({ "schedulingPolicy": gang, "parentCompositePodGroupName": "c" }),
            Some(
                "spec.parentCompositePodGroupName: c: composite groups are not supported, and a part of one is not placed \
                 alone; use a PodGroup without a parent",
            ),
        );
        check(
            json!({ "schedulingPolicy": gang, "resourceClaims": [{ "name": "a" }] }),
            Some(
                "spec.resourceClaims: claims that the pods of a group share are not supported; give each pod its own",
            ),
        );
    }
}
