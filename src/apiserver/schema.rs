//! Checks objects against OpenAPI schemas as the API server does, and says what would be right: used with the schemas
//! of our CRDs and with that of the `Simulation` document.
//!
//! The subset is what those schemas use: types, properties, required, enum, bounds, patterns, defaults, int-or-string
//! and preserved unknown fields. `format` additionally knows `duration`, `duration-range`, `date-time` and `quantity`.

use super::Kind;
use crate::api::crd;
use crate::api::nearest::nearest;
use crate::api::quantity::Quantity;
pub(crate) use crate::api::strict::{Fault, QUOTE, kind_of};
use crate::api::time;
use regex::Regex;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The schemas of our CRDs.
#[derive(Clone, Debug)]
pub(crate) struct Schemas(Vec<(Kind, Value)>);

impl Default for Schemas {
    fn default() -> Self {
        let schemas = crd::crds().into_iter().filter_map(|mut crd| {
            let spec = &mut crd["spec"];
            let mut version = spec["versions"][0].take();
            let api_version = format!("{}/{}", spec["group"].as_str()?, version["name"].as_str()?);
            let kind = Kind::of(&api_version, spec["names"]["kind"].as_str()?);
            Some((kind, version["schema"]["openAPIV3Schema"].take()))
        });
        Schemas(schemas.collect())
    }
}

impl Schemas {
    /// The schema of a kind's `spec`, if the kind is one of ours.
    pub(crate) fn spec_of(&self, kind: &Kind) -> Option<&Value> {
        self.whole(kind)?.get("properties")?.get("spec")
    }

    /// The schema of a kind's objects, if the kind is one of ours.
    pub(crate) fn whole(&self, kind: &Kind) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == kind).map(|(_, schema)| schema)
    }
}

/// Checks a value; faults are appended in the order of the fields.
pub(crate) fn check(schema: &Value, value: &Value, path: &str, faults: &mut Vec<Fault>) {
    let mut fault = |message: String, remedy: String| {
        faults.push(Fault { path: path.to_owned(), message, remedy, unknown: false });
    };
    if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        if !matches!(value, Value::Number(_) | Value::String(_)) {
            fault(format!("is {}", kind_of(value)), "write a number or a text".into());
        } else if let Some((message, remedy)) = format_fault(schema, &scalar(value)) {
            fault(message, remedy);
        }
        return;
    }
    match (text(schema, "type"), value) {
        ("object", Value::Object(fields)) => check_object(schema, fields, path, faults),
        ("array", Value::Array(items)) => {
            if let Some(least) =
                schema.get("minItems").and_then(Value::as_u64).filter(|&n| n > items.len() as u64)
            {
                fault(format!("has {} items", items.len()), format!("give at least {least}"));
            }
            if let Some(most) =
                schema.get("maxItems").and_then(Value::as_u64).filter(|&n| n < items.len() as u64)
            {
                fault(format!("has {} items", items.len()), format!("give at most {most}"));
            }
            if let Some(inner) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    check(inner, item, &format!("{path}[{index}]"), faults);
                }
            }
        }
        ("string", Value::String(written)) => {
            if let Some((message, remedy)) = string_fault(schema, written) {
                fault(message, remedy);
            }
        }
        ("integer", Value::Number(number)) => match number.as_i64() {
            None => fault(format!("is {number}"), "write a whole number".into()),
            Some(number) => {
                if let Some(least) = schema.get("minimum").and_then(Value::as_i64).filter(|&n| n > number) {
                    fault(format!("is {number}"), format!("write {least} or more"));
                }
                if let Some(most) = schema.get("maximum").and_then(Value::as_i64).filter(|&n| n < number) {
                    fault(format!("is {number}"), format!("write {most} or less"));
                }
            }
        },
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) | ("", _) => {}
        (wanted, _) => {
            let example = match wanted {
                "object" => "write a map of fields",
                "array" => "write a list, each item on a line with a dash",
                "string" if matches!(value, Value::Bool(_) | Value::Number(_)) => QUOTE,
                "string" => "write a text",
                "integer" | "number" => "write a number, without quotes",
                _ => "write true or false",
            };
            fault(format!("is {}", kind_of(value)), example.into());
        }
    }
}

fn check_object(schema: &Value, fields: &Map<String, Value>, path: &str, faults: &mut Vec<Fault>) {
    let none = Map::new();
    let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        let name = required.as_str().unwrap_or_default();
        if fields.get(name).is_none_or(Value::is_null) {
            let what = known.get(name).map_or("", |inner| text(inner, "description"));
            faults.push(Fault {
                path: join(path, name),
                message: "is missing".into(),
                remedy: if what.is_empty() {
                    "add it".into()
                } else {
                    format!("add it ({})", first_sentence(what))
                },
                unknown: false,
            });
        }
    }
    let open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    for (name, value) in fields {
        let at = join(path, name);
        if value.is_null() {
            continue; // the API server drops these
        } else if let Some(inner) = known.get(name) {
            check(inner, value, &at, faults);
        } else if let Some(inner) = schema.get("additionalProperties").filter(|inner| inner.is_object()) {
            check(inner, value, &at, faults);
        } else if !open && !known.is_empty() {
            let near = nearest(name, known.keys().map(String::as_str));
            let remedy = match near {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known are {}", known.keys().cloned().collect::<Vec<_>>().join(", ")),
            };
            faults.push(Fault {
                path: at,
                message: "is not a field".into(),
                remedy,
                unknown: near.is_none(),
            });
        }
    }
}

fn string_fault(schema: &Value, written: &str) -> Option<(String, String)> {
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.iter().any(|value| value == written)
    {
        let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        let remedy = match nearest(written, allowed.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("write one of {}", allowed.join(", ")),
        };
        return Some((format!("is {written:?}"), remedy));
    }
    let length = written.chars().count() as u64;
    if let Some(most) = schema.get("maxLength").and_then(Value::as_u64).filter(|&most| most < length) {
        return Some((format!("has {length} characters"), format!("use at most {most}")));
    }
    if let Some(least) = schema.get("minLength").and_then(Value::as_u64).filter(|&least| least > length) {
        return Some((format!("has {length} characters"), format!("use at least {least}")));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && !matches(pattern, written)
    {
        return Some((format!("is {written:?}"), format!("it must match {pattern}")));
    }
    format_fault(schema, written)
}

thread_local! {
    /// Patterns of schemas, compiled: that takes a hundred times as long as matching, and there are a handful of them.
    static PATTERNS: RefCell<BTreeMap<String, Option<Regex>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Does a text match a pattern? One that is none matches everything.
fn matches(pattern: &str, written: &str) -> bool {
    PATTERNS.with_borrow_mut(|known| {
        if !known.contains_key(pattern) {
            known.insert(pattern.to_owned(), Regex::new(pattern).ok());
        }
        known[pattern].as_ref().is_none_or(|pattern| pattern.is_match(written))
    })
}

fn format_fault(schema: &Value, written: &str) -> Option<(String, String)> {
    let (right, remedy) = match text(schema, "format") {
        "duration" => (time::parse_duration(written).is_some(), "write a duration such as 90s or 1h30m"),
        "duration-range" => {
            (time::parse_range(written).is_some(), "write a duration such as 5s, or a range such as 2s..5s")
        }
        "date-time" => {
            (time::Timestamp::parse(written).is_some(), "write a time such as \"2026-01-01T00:00:00Z\"")
        }
        "quantity" => {
            (Quantity(written.to_owned()).amount().is_ok(), "write a quantity such as 8, 100m or 800Gi")
        }
        _ => return None,
    };
    (!right).then(|| (format!("is {written:?}"), remedy.to_owned()))
}

/// Fills in the schema's defaults where a field is absent or null, and drops other nulls, as the API server does.
pub(crate) fn fill_defaults(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if schema.get("x-kubernetes-preserve-unknown-fields").is_none() {
                fields.retain(|_, field| !field.is_null());
            }
            for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if let Some(default) = inner.get("default")
                    && !fields.contains_key(name)
                {
                    fields.insert(name.clone(), default.clone());
                }
                if let Some(field) = fields.get_mut(name) {
                    fill_defaults(inner, field);
                }
            }
            if let Some(inner) = schema.get("additionalProperties").filter(|inner| inner.is_object()) {
                fields.values_mut().for_each(|field| fill_defaults(inner, field));
            }
        }
        Value::Array(items) => {
            if let Some(inner) = schema.get("items") {
                items.iter_mut().for_each(|item| fill_defaults(inner, item));
            }
        }
        _ => {}
    }
}

/// Drops fields that the schema does not know, as the API server does; nulls go silently. Returns the paths of the others.
pub(crate) fn prune(schema: &Value, value: &mut Value, path: &str, dropped: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
            let known = schema.get("properties").and_then(Value::as_object);
            let rest = schema.get("additionalProperties").filter(|inner| inner.is_object());
            let is_free = schema.get("additionalProperties") == Some(&Value::Bool(true));
            fields.retain(|name, field| {
                let inner = known.and_then(|known| known.get(name)).or(rest);
                let stays = open || is_free || inner.is_some();
                if let Some(inner) = inner {
                    prune(inner, field, &join(path, name), dropped);
                } else if !stays && !field.is_null() {
                    dropped.push(join(path, name));
                }
                stays
            });
        }
        Value::Array(items) => {
            if let Some(inner) = schema.get("items") {
                for (index, item) in items.iter_mut().enumerate() {
                    prune(inner, item, &format!("{path}[{index}]"), dropped);
                }
            }
        }
        _ => {}
    }
}

/// A path with one more key.
pub(crate) fn join(path: &str, key: &str) -> String {
    if key.contains(['.', '[', '/']) {
        format!("{path}[\"{key}\"]")
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or("")
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn first_sentence(description: &str) -> &str {
    description.split_once(". ").map_or(description, |(first, _)| first).trim_end_matches('.').trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "maxLength": 3, "description": "What it is called. Short."},
            "tier": {"type": "integer", "minimum": 0, "maximum": 9},
            "mode": {"type": "string", "enum": ["hard", "soft"], "default": "hard"},
            "wait": {"type": "string", "format": "duration-range"},
            "size": {"x-kubernetes-int-or-string": true, "format": "quantity"},
            "items": {"type": "array", "minItems": 1, "items": {"type": "object", "properties": {
                "on": {"type": "boolean", "default": true}}}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "slug": {"type": "string", "pattern": "^[a-z]+$"},
        }})
    }

    #[test]
    fn faults_say_what_would_be_right() {
        let check = |value: Value, expect: &[&str]| {
            let mut faults = Vec::new();
            super::check(&schema(), &value, "spec", &mut faults);
            let found: Vec<String> =
                faults.iter().map(|f| format!("{}: {}; {}", f.path, f.message, f.remedy)).collect();
            assert_eq!(found, expect, "{value}");
        };
        check(json!({"name": "a"}), &[]);
        check(json!({"name": null}), &["spec.name: is missing; add it (What it is called)"]);
        check(json!({"name": 5}), &["spec.name: is the number 5; put it in quotes"]);
        check(json!({"name": "abcd"}), &["spec.name: has 4 characters; use at most 3"]);
        check(json!({"name": "a", "teir": 1}), &["spec.teir: is not a field; did you mean tier?"]);
        check(json!({"name": "a", "tier": -1}), &["spec.tier: is -1; write 0 or more"]);
        check(json!({"name": "a", "tier": 10}), &["spec.tier: is 10; write 9 or less"]);
        check(
            json!({"name": "a", "tier": "1"}),
            &["spec.tier: is the text \"1\"; write a number, without quotes"],
        );
        check(json!({"name": "a", "tier": 1.5}), &["spec.tier: is 1.5; write a whole number"]);
        check(json!({"name": "a", "mode": "Hard"}), &["spec.mode: is \"Hard\"; did you mean hard?"]);
        check(json!({"name": "a", "mode": "maybe"}), &["spec.mode: is \"maybe\"; write one of hard, soft"]);
        let duration = "spec.wait: is \"5\"; write a duration such as 5s, or a range such as 2s..5s";
        check(json!({"name": "a", "wait": "5"}), &[duration]);
        check(
            json!({"name": "a", "size": "8x"}),
            &["spec.size: is \"8x\"; write a quantity such as 8, 100m or 800Gi"],
        );
        check(json!({"name": "a", "size": 8}), &[]);
        check(json!({"name": "a", "items": []}), &["spec.items: has 0 items; give at least 1"]);
        check(
            json!({"name": "a", "items": [{"on": 1}]}),
            &["spec.items[0].on: is the number 1; write true or false"],
        );
        check(
            json!({"name": "a", "items": {}}),
            &["spec.items: is a map; write a list, each item on a line with a dash"],
        );
        check(
            json!({"name": "a", "labels": {"a.b/c": 1}}),
            &["spec.labels[\"a.b/c\"]: is the number 1; put it in quotes"],
        );
        check(json!({"name": "a", "open": {"x": 1}}), &[]);
        check(json!({"name": "a", "slug": "A"}), &["spec.slug: is \"A\"; it must match ^[a-z]+$"]);
    }

    #[test]
    fn an_unknown_field_that_resembles_nothing_is_marked() {
        let mut faults = Vec::new();
        check(&schema(), &json!({"name": "a", "priorityPolicy": 1}), "spec", &mut faults);
        assert!(faults[0].unknown && faults[0].remedy.starts_with("known are "), "{faults:?}");
    }

    #[test]
    fn defaults_fill_what_is_absent() {
        let mut value = json!({"name": "a", "items": [{}, {"on": false}]});
        fill_defaults(&schema(), &mut value);
        assert_eq!(value, json!({"name": "a", "mode": "hard", "items": [{"on": true}, {"on": false}]}));
    }
}
