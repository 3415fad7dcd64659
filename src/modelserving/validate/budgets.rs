//! Budgets and partitions: `maxUnavailable`, `maxSurge`, `partition`, of the ModelServing and of its roles.

use super::{Errors, Problem, role_path};
use crate::api::meta::IntOrString;
use crate::api::model_serving::{ModelServing, Role, RolloutType};
use crate::modelserving::settings::{resolve, role_replicas};
use serde_json::{Value, json};

pub(super) fn check(object: &ModelServing, errors: &mut Errors) {
    let rollout = object.spec.rollout_strategy.as_ref();
    let by_role = rollout.and_then(|rollout| rollout.type_.as_ref()) == Some(&RolloutType::Role);
    if let Some(configuration) = rollout.and_then(|rollout| rollout.rolling_update_configuration.as_ref()) {
        let path = "spec.rolloutStrategy.rollingUpdateConfiguration";
        if by_role {
            let message = "rollingUpdateConfiguration is only valid when rolloutStrategy.type is ServingGroupRollingUpdate";
            errors.add(path, Problem::Forbidden, message);
        } else {
            let budget = Budget {
                max_unavailable: configuration.max_unavailable.as_ref(),
                max_surge: configuration.max_surge.as_ref(),
                partition: configuration.partition.as_ref(),
                // Without replicas there is nothing to count; that they are missing is said elsewhere.
                replicas: u32::try_from(object.spec.replicas.unwrap_or(0)).unwrap_or(0),
            };
            budget.check_values(path, errors);
            budget.check_progress(path, path, errors);
        }
    }
    for (index, role) in object.spec.template.roles.iter().enumerate() {
        check_role(index, role, by_role, errors);
    }
}

/// Budgets of a role count only where roles are rolled; `maxUnavailable` may be there all the same, since the CRD fills it in.
fn check_role(index: usize, role: &Role, by_role: bool, errors: &mut Errors) {
    let budget = Budget {
        max_unavailable: role.max_unavailable.as_ref().filter(|_| by_role),
        max_surge: role.max_surge.as_ref(),
        partition: role.partition.as_ref(),
        replicas: role_replicas(role),
    };
    let path = role_path(index, "");
    budget.check_values(&path, errors);
    if !by_role {
        for (field, value) in [("maxSurge", &role.max_surge), ("partition", &role.partition)] {
            if value.is_some() {
                let message = format!("{field} is only valid when rolloutStrategy.type is RoleRollingUpdate");
                errors.add(format!("{path}.{field}"), Problem::Forbidden, message);
            }
        }
        return;
    }
    let too_many = budget.max_unavailable.filter(|value| {
        // Upstream refuses every role with 0 replicas here, since the CRD's default of 1 is more than that.
        budget.replicas > 0
            && resolve(value, budget.replicas, false).is_ok_and(|count| count > budget.replicas)
    });
    if let Some(value) = too_many {
        let message = format!("maxUnavailable cannot be greater than replicas ({})", budget.replicas);
        errors.invalid(format!("{path}.maxUnavailable"), json!(value), message);
    }
    budget.check_progress(&path, &format!("{path}.maxUnavailable"), errors);
}

struct Budget<'a> {
    max_unavailable: Option<&'a IntOrString>,
    max_surge: Option<&'a IntOrString>,
    partition: Option<&'a IntOrString>,
    replicas: u32,
}

impl Budget<'_> {
    /// Each value for itself.
    fn check_values(&self, path: &str, errors: &mut Errors) {
        let values = [
            ("maxUnavailable", self.max_unavailable),
            ("maxSurge", self.max_surge),
            ("partition", self.partition),
        ];
        for (field, value) in values {
            let Some(value) = value else { continue };
            let path = format!("{path}.{field}");
            match value {
                IntOrString::Int(number) if *number < 0 => {
                    errors.invalid(path, *number, "must be a non-negative integer");
                }
                IntOrString::Int(_) => {}
                IntOrString::String(text) => check_percent(&path, text, errors),
            }
        }
        for (field, value, round_up) in
            [("maxUnavailable", self.max_unavailable, false), ("maxSurge", self.max_surge, true)]
        {
            if let Some(Err(error)) = value.map(|value| resolve(value, self.replicas, round_up)) {
                errors.invalid(format!("{path}.{field}"), json!(value), format!("invalid {field}: {error}"));
            }
        }
    }

    /// A rollout must be able to take something down or to put something up, where anything is left to roll out.
    fn check_progress(&self, path: &str, without_surge: &str, errors: &mut Errors) {
        let count = |value: Option<&IntOrString>, default: u32, round_up: bool| {
            value.map_or(Ok(default), |value| resolve(value, self.replicas, round_up))
        };
        let unavailable = count(self.max_unavailable, 1, false);
        let surge = count(self.max_surge, 0, true);
        let partition = count(self.partition, 0, true).unwrap_or(0);
        if (unavailable, surge) != (Ok(0), Ok(0)) || self.replicas <= partition {
            return;
        }
        if self.max_surge.is_some() {
            errors.invalid(path, "", "maxUnavailable and maxSurge cannot both resolve to 0");
        } else {
            errors.invalid(without_surge, json!(self.max_unavailable), "maxUnavailable cannot be 0");
        }
    }
}

fn check_percent(path: &str, text: &str, errors: &mut Errors) {
    let digits = text
        .strip_suffix('%')
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    let value = || Value::from(text);
    match digits {
        None => errors.invalid(
            path,
            value(),
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for \
             validation is '[0-9]+%')",
        ),
        Some(digits) if digits.parse::<u64>().is_ok_and(|percent| percent <= 100) => {}
        Some(_) => errors.invalid(path, value(), "must be a valid percent value (0-100)"),
    }
}
