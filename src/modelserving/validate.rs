//! What is wrong with a ModelServing: the CRD's schema and CEL rules, then the webhook's, all problems at once. Paths and
//! texts are upstream's (kthena `pkg/model-serving-controller/webhook`); where a rule differs, it says so.

mod budgets;
mod schema;
#[cfg(test)]
mod tests;

use super::settings::{Settings, role_pods, role_replicas};
use crate::api::model_serving::{ModelServing, PodTemplate, RecoveryPolicy, RolloutType};
use serde_json::{Value, json};
use std::fmt;

/// One problem.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// Where: `spec.template.roles[0].name`.
    pub path: String,
    /// What kind of problem.
    pub kind: Problem,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Kinds of problems, with the value where there is one.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Problem {
    Invalid(Value),
    Required,
    Forbidden,
    Unsupported(Value),
    TooLong,
    TooMany,
}

/// As Kubernetes prints it: `spec.replicas: Invalid value: -1: replicas must be a non-negative integer`.
impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match &self.kind {
            Problem::Invalid(value) => write!(f, "Invalid value: {value}")?,
            Problem::Required => write!(f, "Required value")?,
            Problem::Forbidden => write!(f, "Forbidden")?,
            Problem::Unsupported(value) => write!(f, "Unsupported value: {value}")?,
            Problem::TooLong => write!(f, "Too long")?,
            Problem::TooMany => write!(f, "Too many")?,
        }
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

/// Every problem of an object; on an update `old` is what it was. An empty list means that it is accepted.
pub fn validate(object: &ModelServing, old: Option<&ModelServing>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    schema::check(object, old, &mut errors);
    generated_names(object, &mut errors);
    role_names(object, &mut errors);
    images(object, &mut errors);
    replicas(object, true, &mut errors);
    budgets::check(object, &mut errors);
    gang(object, &mut errors);
    workers(object, &mut errors);
    policies(object, &mut errors);
    errors.0
}

/// What is wrong with an object that the API server let through, since no webhook was asked.
pub(crate) struct Judged {
    /// It cannot be carried out.
    pub(crate) refused: Vec<FieldError>,
    /// It is carried out as far as it goes: a budget that makes no sense lets nothing go, and pods whose names are too long
    /// are not created. `kubectl scale` alone may lead there, and must not stop what runs.
    pub(crate) tolerated: Vec<FieldError>,
}

/// Judges what only the controller can. A count that is absent was not defaulted and means the default.
pub(crate) fn judge(object: &ModelServing) -> Judged {
    let (mut refused, mut tolerated) = (Errors::default(), Errors::default());
    role_names(object, &mut refused);
    images(object, &mut refused);
    replicas(object, false, &mut refused);
    gang(object, &mut refused);
    workers(object, &mut refused);
    policies(object, &mut refused);
    generated_names(object, &mut tolerated);
    budgets::check(object, &mut tolerated);
    Judged { refused: refused.0, tolerated: tolerated.0 }
}

/// The sentence with which an object is refused.
pub fn refusal(errors: &[FieldError]) -> String {
    errors.iter().fold("validation failed:".to_owned(), |text, error| format!("{text}\n  - {error}"))
}

#[derive(Default)]
struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, path: impl Into<String>, kind: Problem, message: impl Into<String>) {
        self.0.push(FieldError { path: path.into(), kind, message: message.into() });
    }

    fn invalid(&mut self, path: impl Into<String>, value: impl Into<Value>, message: impl Into<String>) {
        self.add(path, Problem::Invalid(value.into()), message);
    }
}

fn role_path(index: usize, field: &str) -> String {
    format!("spec.template.roles[{index}]{}{field}", if field.is_empty() { "" } else { "." })
}

/// The longest name that pods will have must be a DNS label.
fn generated_names(object: &ModelServing, errors: &mut Errors) {
    let replicas = object.spec.replicas.unwrap_or(1);
    for role in &object.spec.template.roles {
        let (count, workers) = (role.replicas.unwrap_or(1), role.worker_replicas);
        let name = format!("{}-{replicas}-{}-{count}-{workers}", object.metadata.name, role.name);
        let problems = dns_label(&name, Label::Rfc1035);
        if !problems.is_empty() {
            errors.invalid(
                "metadata.name",
                object.metadata.name.as_str(),
                format!("invalid name: {}", problems.join("; ")),
            );
        }
    }
}

/// Upstream wants a letter first. Names of pods and Services begin with the ModelServing's name, so that a role may begin with
/// a digit, as `405b` does.
fn role_names(object: &ModelServing, errors: &mut Errors) {
    for (index, role) in object.spec.template.roles.iter().enumerate() {
        let problems = dns_label(&role.name, Label::Rfc1123);
        if !problems.is_empty() {
            let message = format!(
                "role name must be a valid DNS-1123 label (lowercase alphanumeric characters or '-'): {}",
                problems.join("; ")
            );
            errors.invalid(role_path(index, "name"), role.name.as_str(), message);
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Label {
    /// Begins with a letter.
    Rfc1035,
    /// May begin with a digit.
    Rfc1123,
}

/// What is wrong with a DNS label, in Kubernetes' words.
fn dns_label(text: &str, label: Label) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > 63 {
        problems.push("must be no more than 63 characters".to_owned());
    }
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let first = text.bytes().next().is_some_and(|byte| match label {
        Label::Rfc1035 => byte.is_ascii_lowercase(),
        Label::Rfc1123 => word(byte),
    });
    let valid = first && text.bytes().all(|byte| word(byte) || byte == b'-') && !text.ends_with('-');
    if !valid {
        problems.push(match label {
            Label::Rfc1035 => "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                 alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used \
                 for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
                .to_owned(),
            Label::Rfc1123 => "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and \
                 must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
                 validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
                .to_owned(),
        });
    }
    problems
}

/// Images of containers; init containers are not looked at.
fn images(object: &ModelServing, errors: &mut Errors) {
    for (index, role) in object.spec.template.roles.iter().enumerate() {
        let templates = [
            ("entryTemplate", Some(&role.entry_template)),
            ("workerTemplate", role.worker_template.as_ref()),
        ];
        for (field, template) in templates {
            for (at, container) in containers(template).iter().enumerate() {
                let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
                let problem = match image {
                    "" => continue,
                    blank if blank.trim().is_empty() => "image cannot be empty or whitespace only",
                    spaced if spaced.contains(' ') => "image cannot contain spaces",
                    _ => continue,
                };
                let path = role_path(index, &format!("{field}.spec.containers[{at}].image"));
                errors.invalid(path, image, format!("invalid container image reference: {problem}"));
            }
        }
    }
}

fn containers(template: Option<&PodTemplate>) -> &[Value] {
    let containers = template.and_then(|template| template.spec.as_ref()?.get("containers")?.as_array());
    containers.map_or(&[], Vec::as_slice)
}

fn replicas(object: &ModelServing, is_defaulted: bool, errors: &mut Errors) {
    let spec = &object.spec;
    let is_wrong = |replicas: Option<i32>| replicas.map_or(is_defaulted, |replicas| replicas < 0);
    if is_wrong(spec.replicas) {
        errors.invalid("spec.replicas", json!(spec.replicas), "replicas must be a non-negative integer");
    }
    if let Some(excess) = Settings::of(object).excess() {
        errors.invalid("spec.replicas", json!(spec.replicas), excess);
    }
    if spec.template.roles.is_empty() {
        errors.invalid("spec.template.roles", json!([]), "roles must be specified");
    }
    for (index, role) in spec.template.roles.iter().enumerate() {
        if is_wrong(role.replicas) {
            let message = "role replicas must be a non-negative integer";
            errors.invalid(role_path(index, "replicas"), json!(role.replicas), message);
        }
    }
}

fn gang(object: &ModelServing, errors: &mut Errors) {
    let template = &object.spec.template;
    let minimum = template.gang_policy.as_ref().and_then(|policy| policy.min_role_replicas.as_ref());
    for (name, &minimum) in minimum.into_iter().flatten() {
        let path = format!("spec.template.gangPolicy.minRoleReplicas[{name}]");
        let Some(role) = template.roles.iter().find(|role| role.name == *name) else {
            errors.invalid(path, name.as_str(), format!("role {name} does not exist in template.roles"));
            continue;
        };
        let replicas = role_replicas(role);
        if i64::from(minimum) > i64::from(replicas) {
            let message =
                format!("minRoleReplicas ({minimum}) for role {name} cannot exceed replicas ({replicas})");
            errors.invalid(path.as_str(), minimum, message);
        }
        if minimum < 0 {
            errors.invalid(path, minimum, format!("minRoleReplicas for role {name} must be non-negative"));
        }
    }
}

fn workers(object: &ModelServing, errors: &mut Errors) {
    for (index, role) in object.spec.template.roles.iter().enumerate() {
        if role.worker_replicas < 0 {
            let message = "workerReplicas must be a non-negative integer";
            errors.invalid(role_path(index, "workerReplicas"), role.worker_replicas, message);
        }
        if role_pods(role) > 1 && role.worker_template.is_none() {
            let message = "workerTemplate is required when workerReplicas is greater than 0";
            errors.add(role_path(index, "workerTemplate"), Problem::Required, message);
        }
    }
}

fn policies(object: &ModelServing, errors: &mut Errors) {
    let spec = &object.spec;
    let recovery = spec.recovery_policy.clone().unwrap_or(RecoveryPolicy::RoleRecreate);
    let type_ = spec.rollout_strategy.as_ref().and_then(|rollout| rollout.type_.clone());
    let type_ = type_.unwrap_or(RolloutType::ServingGroup);
    if (&recovery, &type_) == (&RecoveryPolicy::ServingGroupRecreate, &RolloutType::Role) {
        let message = format!(
            "incompatible recoveryPolicy and rolloutStrategy.type after applying defaults: recoveryPolicy={recovery}, \
             rolloutStrategy.type={type_}; valid pairs: (ServingGroupRecreate,ServingGroupRollingUpdate) or \
             (RoleRecreate,RoleRollingUpdate)"
        );
        errors.invalid("spec.rolloutStrategy.type", type_.as_str(), message);
    }
}
