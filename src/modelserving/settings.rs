//! The spec with its defaults, percentages and clamps worked out. Source: kthena `pkg/model-serving-controller/utils`.

use crate::api::meta::IntOrString;
use crate::api::model_serving::{ModelServing, RecoveryPolicy, Role, RolloutType};
use crate::words::counted;

/// What a ModelServing asks for, in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings<'a> {
    /// ServingGroups.
    pub replicas: u32,
    /// Roles of a ServingGroup, in order.
    pub roles: &'a [Role],
    /// The scheduler of every pod.
    pub scheduler: &'a str,
    /// The unit that a rollout replaces.
    pub strategy: Strategy,
    /// What is replaced when a pod is lost.
    pub recovery: Recovery,
    /// Seconds that a failed pod may recover by itself.
    pub grace: i64,
    /// ServingGroups that a rollout may take down.
    pub max_unavailable: u32,
    /// ServingGroups above `replicas` during a rollout.
    pub max_surge: u32,
    /// ServingGroups that a rollout leaves alone, from the lowest ordinal.
    pub partition: u32,
}

/// Pods of the largest clusters that Kubernetes is made for, as its documentation of large clusters has it. To plan for an
/// object that asks for more would take time and memory from all others.
pub const MOST_PODS: u64 = 150_000;

/// The unit that a rollout replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Strategy {
    ServingGroup,
    Role,
}

/// What is replaced when a pod is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Recovery {
    ServingGroup,
    Role,
    Pod,
}

impl<'a> Settings<'a> {
    /// Works them out. Never fails: what validation would refuse acts as its nearest harmless value, a budget that cannot
    /// be read as 0.
    pub fn of(object: &'a ModelServing) -> Self {
        let spec = &object.spec;
        let replicas = count(spec.replicas, 1);
        let recovery = match &spec.recovery_policy {
            Some(RecoveryPolicy::ServingGroupRecreate) => Recovery::ServingGroup,
            Some(RecoveryPolicy::None) => Recovery::Pod,
            _ => Recovery::Role,
        };
        let rollout = spec.rollout_strategy.as_ref();
        let strategy = match rollout.and_then(|rollout| rollout.type_.as_ref()) {
            // A role that is replaced alone would look like one that was lost.
            Some(RolloutType::Role) if recovery != Recovery::ServingGroup => Strategy::Role,
            _ => Strategy::ServingGroup,
        };
        let budget = rollout
            .filter(|_| strategy == Strategy::ServingGroup)
            .and_then(|r| r.rolling_update_configuration.as_ref());
        let share = |value: Option<&IntOrString>, default: u32, round_up: bool| {
            value.map_or(default, |value| resolve(value, replicas, round_up).unwrap_or(0))
        };
        Settings {
            replicas,
            roles: &spec.template.roles,
            scheduler: spec.scheduler_name.as_deref().filter(|name| !name.is_empty()).unwrap_or("volcano"),
            strategy,
            recovery,
            grace: spec.template.restart_grace_period_seconds.unwrap_or(0).max(0),
            max_unavailable: share(budget.and_then(|b| b.max_unavailable.as_ref()), 1, false),
            max_surge: share(budget.and_then(|b| b.max_surge.as_ref()), 0, true),
            partition: share(budget.and_then(|b| b.partition.as_ref()), 0, true),
        }
    }

    /// Pods that it asks for in all, those above the number during a rollout included; at least one a ServingGroup.
    pub fn pods(&self) -> u64 {
        let of_role = |role: &Role| {
            let replicas = u64::from(role_replicas(role)) + u64::from(role_max_surge(role));
            replicas.saturating_mul(u64::from(role_pods(role)))
        };
        let of_group = self.roles.iter().map(of_role).fold(0, u64::saturating_add);
        let groups = u64::from(self.replicas) + u64::from(self.max_surge);
        groups.saturating_mul(of_group.max(1))
    }

    /// Why it is not carried out at all, if it asks for more than there can be.
    pub fn excess(&self) -> Option<String> {
        let pods = self.pods();
        (pods > MOST_PODS).then(|| {
            format!(
                "asks for {} in all, and a cluster has {MOST_PODS} at most; lower spec.replicas, or replicas or \
                 workerReplicas of its roles",
                counted(pods, "pod")
            )
        })
    }

    /// The role of this name.
    pub fn role(&self, name: &str) -> Option<&'a Role> {
        self.roles.iter().find(|role| role.name == name)
    }
}

/// Replicas of a role in a ServingGroup.
pub fn role_replicas(role: &Role) -> u32 {
    count(role.replicas, 1)
}

/// Pods of a role replica: the entry pod and its workers.
pub fn role_pods(role: &Role) -> u32 {
    1 + count(Some(role.worker_replicas), 0)
}

/// With `RoleRollingUpdate`: role replicas that a rollout may take down; unset is no limit, unreadable is 0.
pub fn role_max_unavailable(role: &Role) -> Option<u32> {
    role.max_unavailable.as_ref().map(|value| resolve(value, role_replicas(role), false).unwrap_or(0))
}

/// With `RoleRollingUpdate`: role replicas above `replicas` during a rollout.
pub fn role_max_surge(role: &Role) -> u32 {
    role.max_surge.as_ref().map_or(0, |value| resolve(value, role_replicas(role), true).unwrap_or(0))
}

/// With `RoleRollingUpdate`: role replicas that a rollout leaves alone, from the lowest ordinal.
pub fn role_partition(role: &Role) -> u32 {
    role.partition.as_ref().map_or(0, |value| resolve(value, role_replicas(role), true).unwrap_or(0))
}

fn count(value: Option<i32>, default: u32) -> u32 {
    value.map_or(default, |value| u32::try_from(value).unwrap_or(0))
}

/// A number, or a percentage of `total`. Errors are worded as Go's `intstr` words them.
pub fn resolve(value: &IntOrString, total: u32, round_up: bool) -> Result<u32, String> {
    match value {
        IntOrString::Int(number) => Ok(u32::try_from(*number).unwrap_or(0)),
        IntOrString::String(text) => {
            let wrong = |what: &str| format!("invalid value for IntOrString: invalid type: {what}");
            let number = text.strip_suffix('%').ok_or_else(|| wrong("string is not a percentage"))?;
            let percent: u64 = number
                .parse()
                .map_err(|_| format!("invalid value for IntOrString: invalid value \"{text}\""))?;
            let product = percent.saturating_mul(u64::from(total));
            let share = if round_up { product.div_ceil(100) } else { product / 100 };
            Ok(u32::try_from(share).unwrap_or(u32::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn share(value: &Value, total: u32, round_up: bool) -> Result<u32, String> {
        resolve(&serde_json::from_value(value.clone()).unwrap(), total, round_up)
    }

    /// U5, S2, S3.
    #[test]
    fn numbers_and_percentages() {
        let up = [(json!(3), 3, 3), (json!("50%"), 3, 2), (json!("50%"), 4, 2), (json!("1%"), 10, 1)];
        let more = [(json!("100%"), 5, 5), (json!("0%"), 5, 0)];
        for (value, total, expect) in up.into_iter().chain(more) {
            assert_eq!(share(&value, total, true), Ok(expect), "{value} of {total}, up");
        }
        let down = [(json!(2), 9, 2), (json!(0), 9, 0), (json!("20%"), 10, 2), (json!("50%"), 9, 4)];
        let more = [(json!("100%"), 3, 3), (json!("0%"), 3, 0), (json!("30%"), 3, 0), (json!(-1), 3, 0)];
        for (value, total, expect) in down.into_iter().chain(more) {
            assert_eq!(share(&value, total, false), Ok(expect), "{value} of {total}, down");
        }
        assert!(share(&json!("invalid"), 3, false).is_err());
        assert!(share(&json!("x%"), 3, false).is_err());
    }

    fn settings(spec: Value, check: impl Fn(Settings)) {
        let object = serde_json::from_value(json!({"metadata": {"name": "ms"}, "spec": spec})).unwrap();
        check(Settings::of(&object));
    }

    /// S2 and the defaults of 1.2.
    #[test]
    fn defaults() {
        settings(json!({}), |s| {
            assert_eq!((s.replicas, s.max_unavailable, s.max_surge, s.partition), (1, 1, 0, 0));
            assert_eq!(
                (s.scheduler, s.strategy, s.recovery),
                ("volcano", Strategy::ServingGroup, Recovery::Role)
            );
        });
        settings(json!({"replicas": 9, "rolloutStrategy": {"type": "ServingGroupRollingUpdate"}}), |s| {
            assert_eq!(s.max_unavailable, 1);
        });
        let config = json!({"maxUnavailable": "50%", "maxSurge": "10%", "partition": "10%"});
        let rollout = json!({"type": "ServingGroupRollingUpdate", "rollingUpdateConfiguration": config});
        settings(json!({"replicas": 9, "rolloutStrategy": rollout}), |s| {
            assert_eq!((s.max_unavailable, s.max_surge, s.partition), (4, 1, 1));
        });
        let role = json!({"type": "RoleRollingUpdate", "rollingUpdateConfiguration": {"partition": 2}});
        settings(json!({"replicas": -3, "rolloutStrategy": role}), |s| {
            assert_eq!((s.replicas, s.partition, s.strategy), (0, 0, Strategy::Role));
        });
        settings(json!({"rolloutStrategy": role, "recoveryPolicy": "ServingGroupRecreate"}), |s| {
            assert_eq!(s.strategy, Strategy::ServingGroup, "the pair is refused by validation");
        });
    }

    /// S3.
    #[test]
    fn budgets_of_roles() {
        let role = |value: Value| serde_json::from_value::<Role>(value).unwrap();
        assert_eq!(role_max_unavailable(&role(json!({"replicas": 4}))), None);
        assert_eq!(role_max_unavailable(&role(json!({"replicas": 4, "maxUnavailable": 2}))), Some(2));
        assert_eq!(role_max_unavailable(&role(json!({"replicas": 5, "maxUnavailable": "50%"}))), Some(2));
        assert_eq!(role_max_unavailable(&role(json!({"maxUnavailable": "100%"}))), Some(1));
        assert_eq!(role_max_unavailable(&role(json!({"maxUnavailable": "invalid"}))), Some(0));
        assert_eq!(role_max_surge(&role(json!({"replicas": 5, "maxSurge": "50%"}))), 3);
        assert_eq!(role_partition(&role(json!({"replicas": 5, "partition": "50%"}))), 3);
    }
}
