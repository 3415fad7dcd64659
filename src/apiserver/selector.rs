//! Selectors of lists and watches, and of budgets.

use super::at::At as _;
use super::key::Kind;
use serde_json::Value;

/// What labels must be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LabelSelector {
    requirements: Vec<Requirement>,
    /// An absent selector of a budget selects nothing.
    nothing: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl LabelSelector {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    pub(super) fn read(text: &str) -> Result<LabelSelector, String> {
        let requirements = split(text).into_iter().map(|part| Requirement::read(part.trim()));
        Ok(LabelSelector { requirements: requirements.collect::<Result<_, _>>()?, nothing: false })
    }

    /// Reads `matchLabels` and `matchExpressions`.
    pub(super) fn of_object(selector: &Value) -> Result<LabelSelector, String> {
        let Some(fields) = selector.as_object() else {
            return Ok(LabelSelector { requirements: Vec::new(), nothing: true });
        };
        let mut requirements = Vec::new();
        for (name, value) in fields.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().to_owned();
            requirements.push(Requirement::In(name.clone(), vec![value]));
        }
        for expression in fields.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let text =
                |field: &str| expression.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
            let values: Vec<String> = values.filter_map(Value::as_str).map(str::to_owned).collect();
            requirements.push(match text("operator").as_str() {
                "In" => Requirement::In(text("key"), values),
                "NotIn" => Requirement::NotIn(text("key"), values),
                "Exists" => Requirement::Exists(text("key")),
                "DoesNotExist" => Requirement::Absent(text("key")),
                other => return Err(format!("\"{other}\" is not a label selector operator")),
            });
        }
        Ok(LabelSelector { requirements, nothing: false })
    }

    /// Do the labels fit?
    pub(super) fn matches(&self, labels: &Value) -> bool {
        let value = |name: &str| labels.get(name).and_then(Value::as_str);
        let fits = |requirement: &Requirement| match requirement {
            Requirement::Exists(name) => value(name).is_some(),
            Requirement::Absent(name) => value(name).is_none(),
            Requirement::In(name, values) => {
                value(name).is_some_and(|found| values.iter().any(|v| v == found))
            }
            Requirement::NotIn(name, values) => {
                value(name).is_none_or(|found| values.iter().all(|v| v != found))
            }
        };
        !self.nothing && self.requirements.iter().all(fits)
    }
}

/// Splits at commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < text.len() {
        parts.push(&text[start..]);
    }
    parts
}

impl Requirement {
    fn read(text: &str) -> Result<Requirement, String> {
        let wrong = || format!("unable to parse requirement: {text:?}");
        let label = |name: &str| {
            let right = !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
            if right { Ok(name.to_owned()) } else { Err(wrong()) }
        };
        let value = |name: &str| if name.is_empty() { Ok(String::new()) } else { label(name) };
        if let Some(name) = text.strip_prefix('!') {
            return Ok(Requirement::Absent(label(name.trim())?));
        }
        if let Some((head, list)) = text.split_once('(') {
            let list = list.strip_suffix(')').ok_or_else(wrong)?;
            let values = list.split(',').map(|part| value(part.trim())).collect::<Result<Vec<_>, _>>()?;
            let (name, operator) = head.trim().rsplit_once(' ').ok_or_else(wrong)?;
            return match operator {
                "in" => Ok(Requirement::In(label(name.trim())?, values)),
                "notin" => Ok(Requirement::NotIn(label(name.trim())?, values)),
                _ => Err(wrong()),
            };
        }
        if let Some((name, wanted)) = text.split_once("!=") {
            return Ok(Requirement::NotIn(label(name.trim())?, vec![value(wanted.trim())?]));
        }
        if let Some((name, wanted)) = text.split_once("==").or_else(|| text.split_once('=')) {
            return Ok(Requirement::In(label(name.trim())?, vec![value(wanted.trim())?]));
        }
        Ok(Requirement::Exists(label(text)?))
    }
}

/// What fields must be like: field, value, and whether they must be equal or must not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSelector(Vec<(String, String, bool)>);

/// Fields that pods can be selected by, beside name and namespace.
const OF_PODS: [&str; 7] = [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.nominatedNodeName",
];

impl FieldSelector {
    /// Reads `spec.nodeName=a,metadata.name!=b` for a kind.
    pub(super) fn read(text: &str, kind: &Kind) -> Result<FieldSelector, String> {
        let parts = text.split(',').filter(|part| !part.is_empty());
        let read = |part: &str| {
            let (name, value, equal) = match (part.split_once("!="), part.split_once("==")) {
                (Some((name, value)), _) => (name, value, false),
                (None, Some((name, value))) => (name, value, true),
                (None, None) => {
                    let (name, value) =
                        part.split_once('=').ok_or_else(|| format!("invalid selector: {part:?}"))?;
                    (name, value, true)
                }
            };
            let known = ["metadata.name", "metadata.namespace"].contains(&name)
                || (*kind == Kind::Pod && OF_PODS.contains(&name))
                || (*kind == Kind::Node && name == "spec.unschedulable");
            if !known {
                return Err(format!("\"{name}\" is not a known field selector"));
            }
            Ok((format!("/{}", name.replace('.', "/")), value.to_owned(), equal))
        };
        parts.map(read).collect::<Result<_, _>>().map(FieldSelector)
    }

    /// Does the object fit?
    pub(super) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(pointer, wanted, equal)| {
            let found = match object.at(pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Bool(on)) => on.to_string(),
                _ => String::new(),
            };
            (found == *wanted) == *equal
        })
    }
}
