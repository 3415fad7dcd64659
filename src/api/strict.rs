//! What an API server refuses of core objects and workloads, and what `kubectl apply` refuses before it gets there:
//! fields that do not exist, fields in the wrong place, values of the wrong type, values that the API does not know.
//!
//! The rules are those of Kubernetes' field validation (`fieldValidation=Strict`) and of its API validation
//! (`pkg/apis/core/validation`), as far as they concern placement. Custom resources with a CRD of ours are checked against
//! that; the pod templates inside them are checked here.

mod table;
#[cfg(test)]
mod tests;
mod unknown;
mod values;

use serde_json::{Map, Value};
use std::fmt::Write;
use table::{Struct, TABLE, Type};

/// What a word or a number needs to be a text in YAML.
pub const QUOTE: &str = "put it in quotes";

/// The message of a field that its struct does not have.
pub const NOT_A_FIELD: &str = "is not a field";

/// Something in an object that does not mean what its author takes it to mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The field, as `spec.containers[0].image`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub remedy: String,
    /// Would an API server take the object all the same? Then the field is dropped, or the value is taken as it stands.
    pub unknown: bool,
}

/// The struct of the table that describes a kind; `None` for kinds that are not in it.
fn root(api_version: &str, kind: &str) -> Option<&'static str> {
    Some(match (api_version, kind) {
        ("v1", "Pod") => "Pod",
        ("v1", "Node") => "Node",
        ("v1", "PersistentVolumeClaim") => "PersistentVolumeClaim",
        ("v1", "PersistentVolume") => "PersistentVolume",
        ("v1", "Service") => "Service",
        ("storage.k8s.io/v1", "StorageClass") => "StorageClass",
        ("storage.k8s.io/v1", "CSINode") => "CSINode",
        ("scheduling.k8s.io/v1", "PriorityClass") => "PriorityClass",
        ("apps/v1", "Deployment") => "Deployment",
        ("apps/v1", "ReplicaSet") => "ReplicaSet",
        ("apps/v1", "StatefulSet") => "StatefulSet",
        ("apps/v1", "DaemonSet") => "DaemonSet",
        ("batch/v1", "Job") => "Job",
        ("batch/v1", "CronJob") => "CronJob",
        ("policy/v1", "PodDisruptionBudget") => "PodDisruptionBudget",
        ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet") => "LeaderWorkerSet",
        ("batch.volcano.sh/v1alpha1", "Job") => "VolcanoJob",
        _ => return None,
    })
}

/// All faults of an object, in the order of its fields; none for a kind that the table does not have.
pub fn check(object: &Value) -> Vec<Fault> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let mut checker = Checker::default();
    if let Some(name) = root(text("apiVersion"), text("kind")) {
        // The API server has dropped what it does not know: what is left is of a newer version than the table.
        checker.stored = object.pointer("/metadata/uid").is_some();
        checker.check_struct(name, object);
    }
    checker.faults
}

/// All faults of a value that should be such a struct (`PodTemplateSpec`, `ObjectMeta`), found at `path` of its object.
pub fn check_as<'a>(name: &str, value: &'a Value, path: &'a str) -> Vec<Fault> {
    let mut checker = Checker { path: vec![PathStep::Before(path)], ..Checker::default() };
    checker.check_struct(name, value);
    checker.faults
}

/// A walk through an object.
#[derive(Default)]
struct Checker<'a> {
    faults: Vec<Fault>,
    /// The way from the root.
    path: Vec<PathStep<'a>>,
    /// The structs on that way, with the number of steps that lead there.
    outer: Vec<(&'static Struct, &'a Map<String, Value>, usize)>,
    stored: bool,
}

/// A step on the way into an object.
#[derive(Clone, Copy)]
enum PathStep<'a> {
    /// A path that was walked before, as it is written.
    Before(&'a str),
    Field(&'a str),
    Index(usize),
}

impl<'a> Checker<'a> {
    fn check_struct(&mut self, name: &str, value: &'a Value) {
        if let Some(at) = TABLE.named(name) {
            self.check(&Type::Struct(at), value);
        }
    }

    fn check(&mut self, type_: &Type, value: &'a Value) {
        match (type_, value) {
            (Type::Any, _) | (_, Value::Null) => {}
            (Type::Text, Value::String(_))
            | (Type::Bool, Value::Bool(_))
            | (Type::Number, Value::Number(_))
            | (Type::IntegerOrText, Value::Number(_) | Value::String(_)) => {}
            (Type::Integer, Value::Number(number)) if number.is_i64() => {}
            (Type::Time, Value::String(text)) => {
                if crate::api::time::Timestamp::parse(text).is_none() {
                    self.refuse(
                        format!("is {text:?}, which is no time"),
                        "write a time such as \"2026-01-31T08:00:00Z\"",
                    );
                }
            }
            (Type::Quantity, Value::Number(_) | Value::String(_)) => self.quantity(value),
            (Type::List(inner), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.within(PathStep::Index(index), |checker| checker.check(inner, item));
                }
            }
            (Type::Map(inner), Value::Object(entries)) => {
                for (key, item) in entries {
                    self.within(PathStep::Field(key), |checker| checker.check(inner, item));
                }
            }
            (&Type::Struct(at), Value::Object(fields)) => self.check_fields(&TABLE.structs[at], fields),
            (wanted, found) => {
                let (message, remedy) = (format!("is {}", kind_of(found)), right_type(wanted, found));
                self.refuse(message, remedy);
            }
        }
    }

    fn check_fields(&mut self, known: &'static Struct, fields: &'a Map<String, Value>) {
        self.outer.push((known, fields, self.path.len()));
        for (name, value) in fields {
            match known.field(name) {
                Some(type_) => self.within(PathStep::Field(name), |checker| checker.check(type_, value)),
                None if value.is_null() => {}
                None => self.unknown(known, name),
            }
        }
        self.values(known, fields);
        self.outer.pop();
    }

    fn within(&mut self, step: PathStep<'a>, check: impl FnOnce(&mut Self)) {
        self.path.push(step);
        check(self);
        self.path.pop();
    }

    /// Where the walk is.
    fn here(&self) -> String {
        render(&self.path)
    }

    fn refuse(&mut self, message: impl Into<String>, remedy: impl Into<String>) {
        self.push(message.into(), remedy.into(), false);
    }

    /// Something about a field of the struct that the walk is at.
    fn refuse_field(&mut self, field: &'a str, message: impl Into<String>, remedy: impl Into<String>) {
        self.within(PathStep::Field(field), |checker| checker.refuse(message, remedy));
    }

    fn push(&mut self, message: String, remedy: String, unknown: bool) {
        self.faults.push(Fault { path: self.here(), message, remedy, unknown });
    }
}

/// `spec.containers[0]["a.b/c"]`: keys with dots or slashes are quoted.
fn render(steps: &[PathStep<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        let _ = match *step {
            PathStep::Before(before) => write!(path, "{before}"),
            PathStep::Field(name) if name.contains(['.', '[', '/']) => write!(path, "[\"{name}\"]"),
            PathStep::Field(name) if path.is_empty() => write!(path, "{name}"),
            PathStep::Field(name) => write!(path, ".{name}"),
            PathStep::Index(index) => write!(path, "[{index}]"),
        };
    }
    path
}

/// A JSON value in a reader's words.
pub fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(value) => format!("the text {value:?}"),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a map".into(),
    }
}

fn right_type(wanted: &Type, found: &Value) -> &'static str {
    match wanted {
        Type::Struct(_) | Type::Map(_) => "write a map of fields",
        Type::List(_) => "write a list, each item on a line with a dash",
        Type::Text if matches!(found, Value::Bool(_) | Value::Number(_)) => QUOTE,
        Type::Text => "write a text",
        Type::Time => "write a time such as \"2026-01-31T08:00:00Z\"",
        Type::Integer if found.is_number() => "write a whole number",
        Type::Integer | Type::Number => "write a number, without quotes",
        Type::Bool => "write true or false, without quotes",
        Type::Quantity => "write a quantity such as 8, 100m or 800Gi",
        Type::IntegerOrText => "write a number or a text",
        Type::Any => "",
    }
}
